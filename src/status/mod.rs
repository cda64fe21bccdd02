//! What can be said of an agent: as a value ([`Live`]), and over HTTP.
//!
//! | file | what is in it |
//! |---|---|
//! | `live` | the value: what is remembered, and what a running daemon knows |
//! | `verdict` | the state in one word, why, what to do next |
//! | `document` | `status --json` and `/status.json` |
//! | `health` | `/healthz` and `/readyz` |
//! | `metrics`, `classic` | `/metrics`: what is counted, and what is read off [`Live`]; the older text format |
//! | `page` | the page for people |
//! | `discreet` | what may be told to whoever asks |
//! | `routes` | the listener and its routes |
//!
//! Deliberately absent: any question to the directory, the account store or the disk. Whoever asks, however often, is
//! answered from the latest [`Live`], so that monitoring can never slow a pass down. Also absent: anything that changes
//! something.

mod classic;
mod discreet;
mod document;
pub mod health;
mod live;
mod metrics;
mod page;
mod routes;
#[cfg(test)]
mod samples;
mod verdict;
pub mod words;

pub use classic::classic;
pub use document::Document;
pub use live::{
    ApprovalNote, Daemon, Expiry, Live, Outage, Rejected, Remembered, Running, SeatCount, Watched, status_word,
};
pub use metrics::{Metrics, PHASE_ALL, PHASES};
pub use page::page;
pub use routes::{View, serve};
pub use verdict::{State, Verdict};
