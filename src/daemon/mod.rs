//! The daemon: one loop that makes one pass at a time, for as long as the machine runs.
//!
//! ```text
//! loop { turn = mailbox.next()        // stop, new configuration, order, poke, clock
//!        Stop   -> leave
//!        Renew  -> take the new configuration on, between passes
//!        Order  -> do it and answer
//!        Poke, clock -> pass::run(&mut world), then say how it went }
//! ```
//!
//! `&mut World` makes sure that there is one pass at a time. What may be asked while one runs (how are you, the audit log,
//! is this configuration good) is answered by tasks beside the loop, from values.
//!
//! | file | what is in it |
//! |---|---|
//! | `mailbox` | what waits for the loop |
//! | `sources` | signals |
//! | `watcher` | the directory says that it has changed |
//! | `pace` | when that leads to a pass: pure |
//! | `alarm` | one schedule, whatever the clock on the wall does: pure |
//! | `course` | when to try again, what is worth a line in the log: pure |
//! | `board` | how the daemon is, for whoever asks |
//! | `renew` | reading the configuration again |
//! | `pulse`, `systemd` | signs of life, and what systemd is told |
//! | `steward` | the loop |
//!
//! Deliberately absent: any decision about seats, anything that a trigger carries beside its reason, printing.

pub mod alarm;
pub mod board;
pub mod course;
pub mod mailbox;
pub mod pace;
pub mod pulse;
pub mod renew;
pub mod sources;
mod steward;
pub mod systemd;
pub mod watcher;

pub use steward::{Foundry, Listener, Steward, Terms};
