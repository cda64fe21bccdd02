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
    /// Whether nobody has to do anything about it.
    is_for_now: bool,
}

impl Failure {
    /// Another server may do better.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message, false)
    }

    /// Something about this one server must be put right; another may do.
    pub(super) fn refused_here(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message, false)
    }

    /// Every server would refuse.
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message, true)
    }

    /// The read is broken off.
    pub(super) fn incomplete(message: impl Into<String>) -> Self {
        Self::new(Kind::Incomplete, message, true)
    }

    fn new(kind: Kind, message: impl Into<String>, is_final: bool) -> Self {
        Self { kind, message: message.into(), is_final, is_for_now: false }
    }

    /// The same, which is over in a while by itself.
    pub(super) fn for_now(self) -> Self {
        Self { is_for_now: true, ..self }
    }

    /// In words, where a read ends with it. Where the read goes on another way, nothing is said of the next pass.
    pub(super) fn told(self) -> String {
        match self.is_for_now {
            true => format!("{}; the next pass tries again", self.message),
            false => self.message,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ends_a_read_speaks_of_the_next_pass() {
        let closed = Failure::incomplete("reading the people: it closed the connection").for_now();
        assert_eq!(closed.message, "reading the people: it closed the connection");
        assert_eq!(closed.told(), "reading the people: it closed the connection; the next pass tries again");
        assert_eq!(Failure::refused("no such base").told(), "no such base");
    }
}
