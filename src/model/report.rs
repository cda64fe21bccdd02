//! What a pass tells: warnings, counts, a line of history for each action.

use super::{Action, Email, ObjectGuid, Seat, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Names a pass in history, logs and reports: time-ordered, unique, short enough to read aloud.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PassId(String);

/// The longest text taken for the name of a pass, in bytes: twice what a name has.
const PASS_ID_BYTES_MAX: usize = 48;

impl PassId {
    /// Of the moment the pass began and a number that no other pass of that second has.
    pub fn new(at: Timestamp, salt: u16) -> Self {
        Self(format!("{}-{salt:04x}", at.strftime("%Y%m%dT%H%M%SZ")))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<PassId> for String {
    fn from(id: PassId) -> Self {
        id.0
    }
}

/// What comes from the disk or another process is shown, logged and typed again: only what `new` writes is taken.
impl TryFrom<String> for PassId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        match is_plain && (1..=PASS_ID_BYTES_MAX).contains(&text.len()) {
            true => Ok(Self(text)),
            false => Err(format!("{text:?} is not the name of a pass")),
        }
    }
}

impl fmt::Display for PassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something an operator should look at, named so that it can be counted and filtered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Warning {
    /// What kind of thing.
    pub kind: WarningKind,
    /// Whom or what it is about: an account name, a group, a server.
    pub subject: String,
    /// One sentence: what is so, and what follows.
    pub message: String,
}

impl Warning {
    /// A warning.
    pub fn new(kind: WarningKind, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, subject: subject.into(), message: message.into() }
    }
}

/// The kinds; their text is part of the JSON contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// A mapped or excluded group cannot be found.
    GroupMissing,
    /// A mapped group has no members, or an excluded one suddenly has none.
    GroupEmpty,
    /// A mapped group lost more members than `group_shrink` allows.
    GroupShrunk,
    /// A reference fits several groups.
    GroupAmbiguous,
    /// A mapped group has another name than the configuration says.
    GroupRenamed,
    /// The configuration names one group several times.
    GroupDuplicate,
    /// Another group stands under the configured name now.
    GroupReplaced,
    /// Members that are nobody the directory search shows.
    UnknownMembers,
    /// Members of other domains, which this directory cannot describe.
    ForeignMembers,
    /// Referrals, not followed.
    Referrals,
    /// In a mapped group, no e-mail.
    NoEmail,
    /// In a mapped group, the e-mail attribute holds no address.
    BadEmail,
    /// In a mapped group, the address is outside the claimed domains.
    DomainNotClaimed,
    /// Two enabled people with one address.
    DuplicateEmail,
    /// Two directory entries whose names are the same to distinguishedNameMatch.
    AmbiguousName,
    /// The account keeps an address the person no longer has.
    EmailChanged,
    /// The account belongs to a person who has left and was taken over by the one who has the address now.
    AccountInherited,
    /// Waits until the person registers.
    NotRegistered,
    /// A protected person would have changed.
    Protected,
    /// Losses (or gains) are held.
    Held,
    /// The state was damaged or missing and has been rebuilt from the account store.
    StateRebuilt,
    /// What was followed change by change is not what a whole read of the directory says.
    ReadDiffers,
    /// The account store no longer says what it last confirmed.
    Drift,
    /// An open intent could not be looked up; that person waits.
    Unresolved,
    /// Two accounts of the account store fit one person.
    AmbiguousAccount,
}

impl WarningKind {
    /// Each of them, for whoever counts by kind and wants a zero where there was none.
    pub const ALL: [Self; 25] = [
        Self::GroupMissing,
        Self::GroupEmpty,
        Self::GroupShrunk,
        Self::GroupAmbiguous,
        Self::GroupRenamed,
        Self::GroupDuplicate,
        Self::GroupReplaced,
        Self::UnknownMembers,
        Self::ForeignMembers,
        Self::Referrals,
        Self::NoEmail,
        Self::BadEmail,
        Self::DomainNotClaimed,
        Self::DuplicateEmail,
        Self::AmbiguousName,
        Self::EmailChanged,
        Self::AccountInherited,
        Self::NotRegistered,
        Self::Protected,
        Self::Held,
        Self::StateRebuilt,
        Self::ReadDiffers,
        Self::Drift,
        Self::Unresolved,
        Self::AmbiguousAccount,
    ];
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GroupMissing => "group_missing",
            Self::GroupEmpty => "group_empty",
            Self::GroupShrunk => "group_shrunk",
            Self::GroupAmbiguous => "group_ambiguous",
            Self::GroupRenamed => "group_renamed",
            Self::GroupDuplicate => "group_duplicate",
            Self::GroupReplaced => "group_replaced",
            Self::UnknownMembers => "unknown_members",
            Self::ForeignMembers => "foreign_members",
            Self::Referrals => "referrals",
            Self::NoEmail => "no_email",
            Self::BadEmail => "bad_email",
            Self::DomainNotClaimed => "domain_not_claimed",
            Self::DuplicateEmail => "duplicate_email",
            Self::AmbiguousName => "ambiguous_name",
            Self::EmailChanged => "email_changed",
            Self::AccountInherited => "account_inherited",
            Self::NotRegistered => "not_registered",
            Self::Protected => "protected",
            Self::Held => "held",
            Self::StateRebuilt => "state_rebuilt",
            Self::ReadDiffers => "read_differs",
            Self::Drift => "drift",
            Self::Unresolved => "unresolved",
            Self::AmbiguousAccount => "ambiguous_account",
        })
    }
}

/// The numbers of one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// People read from the directory.
    pub people: usize,
    /// People who should hold a seat.
    pub seated: usize,
    /// Changes planned, held ones included.
    pub changes: usize,
    /// Changes held.
    pub held: usize,
    /// Changes that the account store refused or whose outcome is not known.
    pub failed: usize,
}

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassResult {
    /// Nothing to do.
    InSync,
    /// Everything planned was done.
    Applied,
    /// Some of it is held; the rest was done.
    Held,
    /// Some actions failed.
    Partial,
    /// The pass did not come to a plan; nothing was changed.
    Failed,
}

impl PassResult {
    /// As in JSON, logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::Applied => "applied",
            Self::Held => "held",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }
}

/// The last word on one pass, kept for `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassRecord {
    /// Which.
    pub id: PassId,
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub took_ms: u64,
    /// How it ended.
    pub result: PassResult,
    /// Why it failed, when it did.
    pub reason: Option<String>,
    /// Its numbers.
    pub counts: Counts,
}

/// What is held now and waits for `approve`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldNote {
    /// The hash to approve.
    pub hash: String,
    /// How many losses.
    pub losses: usize,
    /// How many gains.
    pub gains: usize,
    /// When exactly these were first held.
    pub since: Timestamp,
}

/// One line of the audit log: who, what, why, when, in which pass, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When the answer was recorded.
    pub at: Timestamp,
    /// In which pass.
    pub pass: PassId,
    /// To whom.
    pub guid: ObjectGuid,
    /// By which address.
    pub email: Email,
    /// What.
    pub action: Action,
    /// From what.
    pub from: Seat,
    /// To what.
    pub to: Seat,
    /// Why.
    pub because: String,
    /// The refusal, where it was refused.
    pub error: Option<String>,
}
