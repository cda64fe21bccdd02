//! Why something with one server failed, before it is known what that means for the whole read.

use crate::directory::DirectoryError;

/// What the caller can do about it: the kinds of [`DirectoryError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Try again later.
    Unavailable,
    /// Somebody must act.
    Refused,
    /// It began and did not end in success.
    Incomplete,
}

/// A failure with one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// What the caller can do.
    pub(super) kind: Kind,
    /// What was tried, what came back, what to do; without the server's name.
    pub(super) message: String,
    /// Whether asking the next server would be wrong: it would say the same, and may count a wrong password.
    pub(super) is_final: bool,
}

impl Failure {
    /// Another server may do better.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: Kind::Unavailable, message: message.into(), is_final: false }
    }

    /// Something about this one server must be put right; another may do.
    pub(super) fn refused_here(message: impl Into<String>) -> Self {
        Self { kind: Kind::Refused, message: message.into(), is_final: false }
    }

    /// Every server would refuse.
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self { kind: Kind::Refused, message: message.into(), is_final: true }
    }

    /// The read is broken off.
    pub(super) fn incomplete(message: impl Into<String>) -> Self {
        Self { kind: Kind::Incomplete, message: message.into(), is_final: true }
    }
}

impl Kind {
    /// The error of the room with that text.
    pub(super) fn error(self, message: String) -> DirectoryError {
        match self {
            Self::Unavailable => DirectoryError::Unavailable { message },
            Self::Refused => DirectoryError::Refused { message },
            Self::Incomplete => DirectoryError::Incomplete { message },
        }
    }
}
