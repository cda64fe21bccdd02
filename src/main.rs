//! The agent: everything is in the library, see [`seatsync::cli`].

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    seatsync::cli::main()
}
