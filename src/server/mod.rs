//! The account store as a service of its own.
//!
//! | file | what is in it |
//! |---|---|
//! | `desk` | one thread owns the book; what comes together shares one write |

pub mod desk;
