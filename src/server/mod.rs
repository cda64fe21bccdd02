//! The account store as a service of its own.

pub mod keys;
pub mod rate;
pub mod replay;
