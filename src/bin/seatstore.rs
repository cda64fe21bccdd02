//! The account store as a server, and its administration.

fn main() {}
