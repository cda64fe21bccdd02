//! The account store as a service of its own.

pub mod dns;
pub mod mail;
pub mod sign_in;
