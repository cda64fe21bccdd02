//! The rules as tables, the laws as properties.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accounts;
mod cases;
mod follow;
mod groups;
mod guards;
mod laws;
mod seats;
