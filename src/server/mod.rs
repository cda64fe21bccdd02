//! The account store as a service of its own.

pub mod dns;
pub mod invitation_page;
pub mod mail;
pub mod sign_in;
