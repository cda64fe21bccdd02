//! The agent: everything is in the library, see [`seatsync::cli`].

fn main() -> std::process::ExitCode {
    seatsync::cli::main()
}
