//! The account store as a server, and its administration: everything is in the library, see [`seatsync::cli::seatstore`].

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    seatsync::cli::seatstore::main()
}
