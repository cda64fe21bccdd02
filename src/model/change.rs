//! One action for one person: planned, guarded, journaled, sent, answered.

use super::{Details, Email, ObjectGuid, Observed, PassId, Seat, Tiers, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// What is done to a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Ask a person to join (team accounts): vacant to invited.
    Invite,
    /// Make an account with its licence: vacant to active.
    Create,
    /// Give a licence to an account that exists and has none.
    Grant,
    /// Change the tier of an active seat, up or down.
    Move,
    /// Take the right to sign in; the account and its tier remain.
    Suspend,
    /// Give the right to sign in back, with the tier wanted now.
    Resume,
    /// Take the account out (team accounts, and [`super::OnLeave::Delete`]): undone only by a new invitation or a new account.
    Remove,
    /// Follow a changed e-mail address, or changed details; the seat stays.
    Rename,
}

impl Action {
    /// Each of them, for whoever counts by action and wants a zero where there was none.
    pub const ALL: [Self; 8] =
        [Self::Invite, Self::Create, Self::Grant, Self::Move, Self::Suspend, Self::Resume, Self::Remove, Self::Rename];

    /// Whether doing it takes something from whoever is `from` there and is `to` be here: see [`Change::is_loss`].
    pub fn takes(self, from: &Seat, to: &Seat, tiers: &Tiers) -> bool {
        match self {
            Self::Suspend | Self::Remove => true,
            Self::Move | Self::Resume | Self::Grant => match (from.tier(), to.tier()) {
                (Some(before), Some(after)) => from.is_held() && tiers.is_downgrade(before, after),
                (Some(_), None) | (None, Some(_)) | (None, None) => false,
            },
            Self::Invite | Self::Create | Self::Rename => false,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invite => "invite",
            Self::Create => "create",
            Self::Grant => "grant",
            Self::Move => "move",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Remove => "remove",
            Self::Rename => "rename",
        })
    }
}

/// The names of the groups that lead to a person: the mapped group first, the group that lists the person last.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GroupPath(pub Vec<Arc<str>>);

/// `Chime Pro via Engineering > Berlin`.
impl fmt::Display for GroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = self.0.iter();
        if let Some(mapped) = names.next() {
            f.write_str(mapped)?;
        }
        names.enumerate().try_for_each(|(index, name)| write!(f, "{}{name}", if index == 0 { " via " } else { " > " }))
    }
}

impl fmt::Debug for GroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why somebody is not to hold a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// In the directory, in no mapped group.
    LeftAllGroups,
    /// In a group of `exclude_groups`.
    Excluded,
    /// The directory account is disabled.
    DisabledInDirectory,
    /// The directory account has expired.
    ExpiredInDirectory,
    /// No entry with that identity any more.
    GoneFromDirectory,
    /// The e-mail address is outside the claimed domains.
    DomainNotClaimed,
    /// No usable e-mail address.
    NoEmail,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeftAllGroups => "in no mapped group",
            Self::Excluded => "in an excluded group",
            Self::DisabledInDirectory => "disabled in the directory",
            Self::ExpiredInDirectory => "expired in the directory",
            Self::GoneFromDirectory => "gone from the directory",
            Self::DomainNotClaimed => "e-mail outside the claimed domains",
            Self::NoEmail => "no usable e-mail",
        })
    }
}

/// Why a change is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Because {
    /// The group path that gives the tier.
    InGroup(GroupPath),
    /// Why there is to be no seat.
    Unseated(Cause),
    /// The address the account has is no longer the person's.
    EmailChanged {
        /// The address it has.
        from: Email,
    },
    /// The details of the person are not those that were last sent.
    DetailsChanged,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InGroup(path) => write!(f, "in {path}"),
            Self::Unseated(cause) => fmt::Display::fmt(cause, f),
            Self::EmailChanged { from } => write!(f, "e-mail was {from} in the account store"),
            Self::DetailsChanged => f.write_str("names in the directory are not those last sent"),
        }
    }
}

/// One change for one person, with an absolute target: done twice is done once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What is done.
    pub action: Action,
    /// To whom.
    pub guid: ObjectGuid,
    /// The address the account shall have afterwards.
    pub email: Email,
    /// Where the person stands in the directory, for the reader; empty when gone from there.
    pub dn: String,
    /// The account it is done to, where one is known.
    pub account: Option<UserId>,
    /// What the account store last confirmed.
    pub from: Seat,
    /// What shall be.
    pub to: Seat,
    /// Why.
    pub because: Because,
    /// The details that the account shall show. Not part of what is shown, approved or kept: they go with whatever is done.
    #[serde(skip)]
    pub details: Option<Arc<Details>>,
}

impl Change {
    /// Whether it takes something from the person: suspend, remove, or a move to a lower tier.
    pub fn is_loss(&self, tiers: &Tiers) -> bool {
        self.action.takes(&self.from, &self.to, tiers)
    }

    /// Whether it gives something that costs: what the `gains` limit counts.
    pub fn is_gain(&self, tiers: &Tiers) -> bool {
        self.action != Action::Rename && !self.is_loss(tiers)
    }
}

/// A change about to be sent: written durably before the first request leaves, removed with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The pass that wants it.
    pub pass: PassId,
    /// When it was written.
    pub at: Timestamp,
    /// What is done.
    pub action: Action,
    /// To whom.
    pub guid: ObjectGuid,
    /// The account, where one is known.
    pub account: Option<UserId>,
    /// The address the account shall have afterwards.
    pub email: Email,
    /// What the account store last confirmed.
    pub from: Seat,
    /// What shall be: absolute.
    pub to: Seat,
    /// Why, in words, for the history.
    pub because: String,
    /// The details that the account shall show. They are not kept on the disk: an open intent is looked up, and not sent again.
    #[serde(skip)]
    pub details: Option<Arc<Details>>,
}

impl Intent {
    /// The intent of a change.
    pub fn of(change: &Change, pass: PassId, at: Timestamp) -> Self {
        let Change { action, guid, email, dn: _, account, from, to, because, details } = change.clone();
        Self { pass, at, action, guid, account, email, from, to, because: because.to_string(), details }
    }
}

/// How the account store answered one intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Accepted; this is the account as the store describes it afterwards, `None` when there is none any more.
    Done(Option<Observed>),
    /// Refused for good: the intent is closed, the snapshot stays. The text is the store's, for the operator.
    Rejected(String),
    /// Not known whether it was done (a time-out, a cut connection): the intent stays open and is looked up next time.
    Ambiguous(String),
}
