//! How a command ends.

use crate::accounts::AccountsError;
use crate::config::ConfigError;
use crate::control::{Refusal, Verdict};
use crate::pass::PassError;
use crate::state::StateError;
use std::process::ExitCode;

/// The exit status; the numbers are a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// In sync, or all applied.
    Done = 0,
    /// Failed; nothing is half-known.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Changes are due (`plan`).
    Due = 3,
    /// Losses are held.
    Held = 4,
    /// Some actions failed.
    Partial = 5,
    /// The configuration makes no sense (EX_CONFIG of sysexits.h).
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Pass(#[from] PassError),
    #[error("{0}")]
    State(#[from] StateError),
    #[error("{0}")]
    Accounts(#[from] AccountsError),
    #[error("{}", .0.message)]
    Refused(Refusal),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Other(String),
}

impl Stop {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Config(_) => Exit::Config,
            Self::Refused(Refusal { verdict: Verdict::Config, message: _ }) => Exit::Config,
            Self::Usage(_) => Exit::Usage,
            Self::Pass(_) | Self::State(_) | Self::Accounts(_) | Self::Other(_) => Exit::Failed,
            Self::Refused(Refusal { verdict: Verdict::Failed, message: _ }) => Exit::Failed,
        }
    }
}
