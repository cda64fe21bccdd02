//! Why one person holds what they hold.

use super::{Cleared, DesiredSet, Roster};
use crate::model::{Change, Email, Holding, Memory, ObjectGuid, Rules, Tier, Timestamp};

/// All there is to say about one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Who.
    pub guid: ObjectGuid,
    /// The address in the directory, else that of the account.
    pub email: Option<Email>,
    /// Where the person stands; `None` when gone from the directory.
    pub dn: Option<String>,
    /// Whether the directory lets the person sign in.
    pub enabled: bool,
    /// The tier the person should hold.
    pub tier: Option<Tier>,
    /// A path for every mapped group that reaches the person: person first, mapped group last.
    pub paths: Vec<Vec<String>>,
    /// What the account store last confirmed.
    pub confirmed: Option<Holding>,
    /// What would happen next.
    pub next: Option<NextStep>,
    /// What else matters, one sentence each.
    pub notes: Vec<String>,
}

/// The change that is next for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextStep {
    /// The change.
    pub change: Change,
    /// Why it is held; `None` when it is simply planned.
    pub held: Option<String>,
}

/// Explains one person, who may also be gone from the directory.
pub fn explain(
    guid: &ObjectGuid,
    _roster: &Roster,
    _rules: &Rules,
    _memory: &Memory,
    _desired: &DesiredSet,
    _cleared: &Cleared,
    _now: Timestamp,
) -> Explanation {
    Explanation {
        guid: *guid,
        email: None,
        dn: None,
        enabled: false,
        tier: None,
        paths: Vec::new(),
        confirmed: None,
        next: None,
        notes: Vec::new(),
    }
}
