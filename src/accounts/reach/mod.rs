//! What clients of account stores over HTTP share: from one call to its answer, whatever the protocol.
//!
//! | file | what is in it |
//! |---|---|
//! | `call` | one request as a value, and whether it may be said twice |
//! | `protocol` | what a protocol has of its own: headers, refusals, limits |
//! | `client` | a call to its answer: attempts, waits, what the meter is told |
//! | `line` | one request over the connection, and its answer whole |
//! | `trouble` | why one attempt gave no answer |
//! | `failure` | why a call gave no answer, in words |
//! | `tally` | how many requests were sent |
//! | `pace` | how many requests are under way at one time |
//! | `tls` | TLS, and what is wrong with a certificate, in words |
//!
//! Deliberately absent: any word of a protocol, any knowledge of users and seats.

pub(super) mod call;
pub(super) mod client;
pub(super) mod failure;
pub(super) mod line;
pub(super) mod pace;
pub(super) mod protocol;
pub(super) mod tally;
pub(super) mod tls;
pub(super) mod trouble;
