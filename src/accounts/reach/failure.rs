//! Why a call gave no answer, by what the caller does next, in words for the operator.

use crate::accounts::AccountsError;
use std::fmt::Display;

/// Longest text of a server that is passed on, in characters.
const SERVER_WORDS_CHARS_MAX: usize = 300;

/// A call without an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::accounts) enum Failure {
    /// The server says no, or must not be asked: sent again it would say no again.
    #[error("{message}")]
    Refused {
        /// The HTTP status, where there was an answer.
        status: Option<u16>,
        /// The kind of error, where the protocol has kinds and it was told (RFC 7644 3.12).
        kind: Option<String>,
        /// What was tried, what came back, what to do.
        message: String,
    },
    /// Certainly nothing was done: try again later.
    #[error("{message}")]
    Undone {
        /// What was tried, what came back, what to do.
        message: String,
    },
    /// It may have been done.
    #[error("{message}")]
    Unknown {
        /// What was tried, what came back, what to do.
        message: String,
    },
}

impl Failure {
    /// Refused without an answer of the server.
    pub(in crate::accounts) fn refused_here(message: String) -> Self {
        Self::Refused { status: None, kind: None, message }
    }

    /// Refused before anything was sent.
    pub(in crate::accounts) fn not_sent(operation: impl Display, why: impl Display) -> Self {
        Self::refused_here(format!("{operation} was not sent: {why}"))
    }

    /// The status of a refusal.
    pub(in crate::accounts) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => *status,
            Self::Undone { .. } | Self::Unknown { .. } => None,
        }
    }
}

impl From<Failure> for AccountsError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { status: _, kind: _, message } => Self::Refused { message },
            Failure::Undone { message } | Failure::Unknown { message } => Self::Unavailable { message },
        }
    }
}

/// A server's words without a secret that they quote.
pub(in crate::accounts) fn without(words: &str, secret: &str) -> String {
    match secret {
        "" => words.to_owned(),
        secret => words.replace(secret, "[secret]"),
    }
}

/// Words of a server on one line, without control characters, and not too many of them.
pub(in crate::accounts) fn tidy(words: &str) -> String {
    let printable = words.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(SERVER_WORDS_CHARS_MAX).collect::<String>().trim().to_owned()
}
