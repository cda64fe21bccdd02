//! What the agent remembers between passes: the value that `state` loads and keeps.

use super::{
    Action, DetailsMark, Email, GroupRef, HeldNote, HistoryEntry, Holding, Intent, ObjectGuid, PassRecord, Seat,
    Snapshot, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What the account store said about one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Nothing new.
    Unchanged,
    /// An account, with this seat.
    Holds(Holding),
    /// No account.
    NoAccount,
}

/// One line of what `settle` writes: a fact, perhaps the end of an intent, perhaps a line of history; all or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Whom it is about.
    pub guid: ObjectGuid,
    /// What is known now.
    pub fact: Fact,
    /// Whether the person's open intent ends with it.
    pub closes_intent: bool,
    /// What the history says about it.
    pub entry: Option<HistoryEntry>,
    /// What is known now of the details that the account shows.
    pub details: Shown,
}

/// What is known of the details that an account shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// As before.
    AsBefore,
    /// Perhaps others: they were sent, and nobody knows what became of them.
    Unknown,
    /// These were taken.
    Took(DetailsMark),
}

/// Where the memory comes from: how far its emptiness can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing was ever written for this account: adopt what exists, hold all losses in this pass.
    Fresh,
    /// As the last pass left it.
    Known,
    /// It was damaged or older than what was last written: rebuild from the account store, hold all losses. The text is a
    /// sentence: what was found, and where it was set aside, or that the next pass does so.
    Rebuilt(String),
}

/// What is remembered of a mapped (or excluded) group, under the reference as configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedGroup {
    /// The group that the reference was found to mean; a rename keeps it.
    pub guid: ObjectGuid,
    /// Its name then, for messages when it is missing.
    pub name: String,
    /// Its effective members at the last confirmed pass, sorted: what `group_shrink` and "suddenly empty" compare with.
    /// Shared by all who have the same: from one pass to the next they seldom change.
    pub members: Arc<Vec<ObjectGuid>>,
}

/// Held changes that an operator released: exactly these, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The hash that was approved.
    pub hash: String,
    /// What it released: person, action, and the seat it ends in.
    pub changes: Vec<ApprovedChange>,
    /// Who approved, as the operating system names them.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// When it is void.
    pub expires: Timestamp,
}

/// One released change: also why it was wanted and at which address, since a loss for another reason, or a seat for
/// another address, is not what was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ApprovedChange {
    /// To whom.
    pub guid: ObjectGuid,
    /// What.
    pub action: Action,
    /// From what.
    pub from: Seat,
    /// To what.
    pub to: Seat,
    /// On which account.
    pub account: Option<UserId>,
    /// The address the account shall have afterwards.
    pub email: Email,
    /// Why, in words.
    pub because: String,
}

/// All of it, for one account of one account store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Where it comes from.
    pub origin: Origin,
    /// The seats last confirmed.
    pub snapshot: Snapshot,
    /// The details that the account store last took, by person. Who is not here may have been given none, or others.
    pub details: HashMap<ObjectGuid, DetailsMark>,
    /// Intents whose answer was never recorded: each means "look again".
    pub open: Vec<Intent>,
    /// The groups of the mapping as last found.
    pub groups: BTreeMap<GroupRef, RememberedGroup>,
    /// Since when somebody with a seat has been in no mapped group: the start of the grace.
    pub absent: HashMap<ObjectGuid, Timestamp>,
    /// Released and not yet used.
    pub approvals: Vec<Approval>,
    /// What the last pass held.
    pub held: Option<HeldNote>,
    /// The latest passes, the newest last.
    pub passes: Vec<PassRecord>,
    /// The last pass that ended well.
    pub last_good: Option<Timestamp>,
}

impl Memory {
    /// Takes in what the account store said.
    pub fn learn(&mut self, settlement: &Settlement) {
        let Settlement { guid, fact, closes_intent: _, entry: _, details } = settlement;
        self.snapshot.learn(*guid, fact);
        match (details, fact) {
            (Shown::Took(mark), _) => {
                self.details.insert(*guid, *mark);
            }
            (Shown::Unknown, _) | (Shown::AsBefore, Fact::NoAccount) => {
                self.details.remove(guid);
            }
            (Shown::AsBefore, Fact::Holds(_) | Fact::Unchanged) => {}
        }
    }

    /// A memory of nothing, with that reason.
    pub fn empty(origin: Origin) -> Self {
        Self {
            origin,
            snapshot: Snapshot::default(),
            details: HashMap::new(),
            open: Vec::new(),
            groups: BTreeMap::new(),
            absent: HashMap::new(),
            approvals: Vec::new(),
            held: None,
            passes: Vec::new(),
            last_good: None,
        }
    }
}
