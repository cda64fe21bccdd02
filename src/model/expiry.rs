//! What is good until a certain time, and then stops everything: somebody should know before.

use super::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that is good until a certain time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiry {
    /// `certificate` or `secret`.
    pub kind: String,
    /// Whose, in words: `ldaps://dc1.corp.example`, `svc-seatsync@corp.example`.
    pub of: String,
    /// The end.
    pub at: Timestamp,
}

impl Expiry {
    /// The end of a server's certificate.
    pub fn certificate(of: impl Into<String>, at: Timestamp) -> Self {
        Self { kind: "certificate".to_owned(), of: of.into(), at }
    }

    /// The end of a password or key.
    pub fn secret(of: impl Into<String>, at: Timestamp) -> Self {
        Self { kind: "secret".to_owned(), of: of.into(), at }
    }
}
