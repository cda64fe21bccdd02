//! The account store as a service of its own.

pub mod admission;
pub mod keys;
pub mod rate;
pub mod replay;
