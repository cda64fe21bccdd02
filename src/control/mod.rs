//! The control socket: how the commands of an operator reach the running daemon, and its answers them.
//!
//! ```text
//! command -> client -> (one line of JSON) -> server -> mailbox of the daemon -> steps and one answer -> client -> command
//! ```
//!
//! A command is a value ([`Ask`]), and so is what comes back ([`Answer`]): the same values that the command line makes when
//! there is no daemon, so that it prints the same in both cases.
//!
//! Deliberately absent: anything that carries an ask out (that is the daemon's), any secret, any listener on a network.

mod ask;
mod client;
mod peer;
mod server;

pub use ask::{Answer, Ask, Order, Refusal, Tell, Verdict};
pub use client::{ClientError, Connection, connect};
pub use peer::{Caller, Gatekeeper, PeerError, usual_group};
pub use server::{Callers, Control, ControlError, ControlSettings, Desks};
