//! Seeded simulation: many passes over a small world in which everything may fail, with the laws checked after each.
//!
//! Tests only. The directory, the account store and the state are in memory; what they share is a fuse: after so many
//! effects the process is "dead" and every further effect fails until the next start. That reaches every point between
//! two effects, which killing a real process reaches only by luck; `tests/crash.rs` does the latter.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod day;
mod laws;
mod rest;
mod world;
