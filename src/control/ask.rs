//! What is asked and what is answered: the lines on the socket, one JSON value each.

use crate::decide::Explanation;
use crate::model::{HistoryEntry, Observed};
use crate::pass::{Released, Report, Step};
use crate::status::Live;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tokio::sync::mpsc;

/// The version of the lines. A client and a daemon of different versions say so instead of guessing.
pub(super) const FORMAT: u32 = 1;
/// The longest line that a client may send, in bytes.
pub(super) const ASK_BYTES_MAX: u64 = 64 * 1024;
/// The longest line that a daemon may send, in bytes: a report about a million people has some 400 MB.
pub(super) const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// What an operator wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// One pass now.
    Sync {
        /// List the account store as well.
        audit: bool,
        /// Only this person.
        user: Option<String>,
    },
    /// Exactly the plan with this fingerprint.
    Apply {
        /// Names the plan.
        fingerprint: String,
    },
    /// What a pass would do.
    Plan {
        /// As an audit would.
        audit: bool,
        /// Only this person.
        user: Option<String>,
    },
    /// Release what is held.
    Approve {
        /// What was looked at; `None` is what the last pass reported.
        hash: Option<String>,
    },
    /// Why somebody holds what they hold.
    Explain {
        /// E-mail, sAMAccountName, DN or GUID.
        who: String,
    },
    /// The audit log.
    History {
        /// Only this person.
        user: Option<String>,
        /// At most so many lines.
        last: usize,
    },
    /// The seats in the account store.
    Accounts,
    /// How the daemon is.
    Status,
    /// Read the configuration again.
    Reload,
}

/// The first and only line of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) format: u32,
    /// The configuration that the client means: a daemon of another one must not answer for it.
    pub(super) config: PathBuf,
    /// Who the client says it is: counts only from root, who may be somebody by `sudo`.
    pub(super) by: String,
    pub(super) ask: Ask,
}

/// A line of the daemon: any number of steps, then one of the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tell {
    /// Where the pass is.
    Step(Step),
    /// The end of it.
    Answer(Box<Answer>),
    /// It was not done.
    Refused(Refusal),
    /// This daemon works with another configuration.
    Elsewhere {
        /// That one.
        config: PathBuf,
    },
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Of `Sync`, `Apply` and `Plan`.
    Report(Report),
    /// Of `Approve`; `None` when nothing is held.
    Released(Option<Released>),
    /// Of `Explain`.
    Explained(Vec<Explanation>),
    /// Of `History`.
    History(Vec<HistoryEntry>),
    /// Of `Accounts`.
    Accounts {
        /// Which account.
        account: String,
        /// Everybody in it.
        observed: Vec<Observed>,
    },
    /// Of `Status`.
    Live(Box<Live>),
    /// Of `Reload`: the configuration is good. Whether it is in force, or will be when the running pass has ended.
    Reloaded {
        /// In force already.
        at_once: bool,
    },
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What the command's exit status says.
    pub verdict: Verdict,
    /// For the operator: what was tried, what came back, what to do next.
    pub message: String,
}

/// The kinds of refusal, by exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// 1.
    Failed,
    /// 78: the configuration.
    Config,
}

impl Refusal {
    /// A refusal with exit status 1.
    pub fn failed(message: impl ToString) -> Self {
        Self { verdict: Verdict::Failed, message: message.to_string() }
    }
}

/// An ask on its way to who carries it out.
#[derive(Debug)]
pub struct Order {
    /// What.
    pub ask: Ask,
    /// Who asks, as the operating system names them.
    pub by: String,
    /// Where steps and the answer go. Steps that do not fit are left out; the answer is waited for.
    pub tells: mpsc::Sender<Tell>,
}

impl Order {
    /// Tells a step, if there is room.
    pub fn step(&self, step: Step) {
        // A client that reads slowly sees fewer steps; the last place is the answer's.
        if self.tells.capacity() > 1 {
            _ = self.tells.try_send(Tell::Step(step));
        }
    }

    /// Whether whoever asked has left.
    pub fn is_abandoned(&self) -> bool {
        self.tells.is_closed()
    }

    /// Ends it. Whoever asked may have left: then nobody hears it, and that is their business.
    pub fn end(self, answer: Result<Answer, Refusal>) {
        let tell = match answer {
            Ok(answer) => Tell::Answer(Box::new(answer)),
            Err(refusal) => Tell::Refused(refusal),
        };
        // The loop must not wait for a client, and need not: the last place of the queue is never taken by a step.
        _ = self.tells.try_send(tell);
    }
}
