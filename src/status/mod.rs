//! What can be said of an agent: as a value ([`Live`]), and over HTTP.
//!
//! Deliberately absent: any question to the directory, the account store or the disk. Whoever asks, however often, is
//! answered from the latest [`Live`], so that monitoring can never slow a pass down.

mod live;

pub use live::{ApprovalNote, Daemon, Expiry, Live, Outage, Rejected, Remembered, Running, SeatCount, status_word};
