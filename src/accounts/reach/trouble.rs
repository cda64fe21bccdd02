//! Why one attempt gave no answer, by whether there is another.

use super::failure::Failure;
use crate::model::Went;
use std::time::Duration;

/// An attempt without an answer.
pub(in crate::accounts) enum Trouble {
    /// No capacity; nothing was done.
    Overloaded {
        /// How long the server wants to be left alone.
        after: Option<Duration>,
        /// In words.
        why: String,
    },
    /// The request did not reach the server.
    Unreached {
        /// In words.
        why: String,
    },
    /// It may have been done.
    Broken {
        /// How long the server wants to be left alone.
        after: Option<Duration>,
        /// Where a whole answer came.
        status: Option<u16>,
        /// In words.
        why: String,
    },
    /// What was shown to the server is not good any more; something newer may be taken.
    Expired(Failure),
    /// Not to be tried again.
    Final(Failure),
}

impl Trouble {
    /// For the meter: whether anything legible came back.
    pub(in crate::accounts) fn went(&self) -> Went {
        match self {
            Self::Overloaded { .. } | Self::Expired(_) | Self::Broken { status: Some(_), .. } => Went::Refused,
            // A status of success here means an answer that was not taken.
            Self::Final(Failure::Refused { status: Some(300..), .. }) => Went::Refused,
            Self::Unreached { .. } | Self::Broken { status: None, .. } | Self::Final(_) => Went::Unanswered,
        }
    }
}
