//! What clients of account stores over HTTP share: the pace that a server can bear, and TLS with it.
//!
//! Deliberately absent: any request, any word of a protocol.

pub(super) mod pace;
pub(super) mod tls;
