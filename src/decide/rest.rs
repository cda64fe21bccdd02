//! Until when time alone changes no decision.

use super::desired::later;
use super::{DesiredSet, Roster};
use crate::model::{Memory, Rules, Timestamp};

/// The first moment after `now` at which the same roster, rules and memory may lead to another decision than they do now:
/// an account of the directory expires, a grace ends, an approval is void. [`Timestamp::MAX`] where there is none.
///
/// `memory` remembers what was decided: who is out of all groups since when.
pub fn changes_at(roster: &Roster, desired: &DesiredSet, rules: &Rules, memory: &Memory, now: Timestamp) -> Timestamp {
    let expiries = roster.people().iter().filter_map(|person| Some(person.expires?.into()));
    let graces = desired.absent().values().map(|start| later(*start, rules.grace));
    let approvals = memory.approvals.iter().map(|approval| approval.expires);
    expiries.chain(graces).chain(approvals).filter(|at| *at > now).min().unwrap_or(Timestamp::MAX)
}
