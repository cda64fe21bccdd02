//! What a feed told, put together by identity: pure.

use super::Doubt;
use crate::model::{Member, MemberChange, ObjectGuid};
use std::collections::{BTreeMap, BTreeSet};

/// Member values that one feed may bring for each entry that it may bring.
const LINKS_A_CHANGE: usize = 100;

/// What has changed, as far as the feed tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Changes {
    seen: BTreeMap<ObjectGuid, Seen>,
    gone: BTreeSet<ObjectGuid>,
    doubt: Option<Doubt>,
    entries_max: usize,
    links: usize,
}

/// What was told of one entry that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// It is new.
    pub(super) created: bool,
    /// It is new, or has another name or place.
    pub(super) moved: bool,
    /// Its members cannot be told from what came.
    pub(super) members_unknown: bool,
    /// Members that came (`true`) and went, by identity.
    pub(super) links: BTreeMap<ObjectGuid, (Member, bool)>,
}

impl Changes {
    /// None yet. More than `entries_max` are a doubt, and are not kept.
    pub(super) fn new(entries_max: u64) -> Self {
        let entries_max = usize::try_from(entries_max).unwrap_or(usize::MAX);
        Self { seen: BTreeMap::new(), gone: BTreeSet::new(), doubt: None, entries_max, links: 0 }
    }

    /// An entry that is deleted.
    pub(super) fn gone(&mut self, guid: ObjectGuid) {
        self.seen.remove(&guid);
        self.gone.insert(guid);
        self.count();
    }

    /// An entry that is there, told by one message of perhaps several. Of two words about a member, the later counts.
    pub(super) fn seen(&mut self, guid: ObjectGuid, told: Seen) {
        if self.doubt.is_some() {
            return;
        }
        if self.gone.contains(&guid) {
            return self.doubts(format!("the deleted entry {guid} is told of again"));
        }
        let Seen { created, moved, members_unknown, links } = told;
        self.links += links.len();
        let seen = self.seen.entry(guid).or_default();
        seen.created |= created;
        seen.moved |= moved;
        seen.members_unknown |= members_unknown;
        seen.links.extend(links);
        self.count();
    }

    /// Following would not be sure to be right; the first reason stays.
    pub(super) fn doubts(&mut self, why: impl Into<Doubt>) {
        self.doubt.get_or_insert_with(|| why.into());
        // Nothing of it will be used.
        (self.seen, self.gone) = (BTreeMap::new(), BTreeSet::new());
    }

    fn count(&mut self) {
        let count = self.seen.len() + self.gone.len();
        if count > self.entries_max || self.links > self.entries_max.saturating_mul(LINKS_A_CHANGE) {
            self.doubts(format!("so much has changed (more than {} entries) that this is cheaper", self.entries_max));
        }
    }

    /// Why everything must be read.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        self.doubt.clone()
    }

    /// Whether nothing has changed.
    pub(super) fn is_empty(&self) -> bool {
        let Self { seen, gone, doubt, entries_max: _, links: _ } = self;
        seen.is_empty() && gone.is_empty() && doubt.is_none()
    }

    /// What is there, and what is not.
    pub(super) fn into_parts(self) -> (BTreeMap<ObjectGuid, Seen>, BTreeSet<ObjectGuid>) {
        (self.seen, self.gone)
    }
}

impl Seen {
    /// Whether the members, if it is a group, have to be read.
    pub(super) fn needs_members(&self) -> bool {
        // A group that was somewhere else may be new to us, with members that nobody told us of.
        self.created || self.moved || self.members_unknown
    }

    /// Whether it can only be a group.
    pub(super) fn is_group(&self) -> bool {
        !self.links.is_empty()
    }

    /// What is known of the members.
    pub(super) fn member_change(self) -> MemberChange {
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for (guid, (member, is_member)) in self.links {
            match (is_member, member) {
                (true, member) => added.push(member),
                // What is deleted meanwhile has another name, by which one of another domain is not known any more.
                (false, Member::Guid(_) | Member::Foreign(_)) => {
                    removed.extend([Member::Guid(guid), Member::Foreign(guid)]);
                }
                (false, member @ (Member::Dn(_) | Member::Uid(_))) => removed.push(member),
            }
        }
        MemberChange::Some { added, removed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guid(number: u128) -> ObjectGuid {
        ObjectGuid::from_u128(number)
    }

    fn linked(links: &[(u128, bool)]) -> Seen {
        let links = links.iter().map(|(number, is_member)| (guid(*number), (Member::Guid(guid(*number)), *is_member)));
        Seen { links: links.collect(), ..Seen::default() }
    }

    #[test]
    fn an_entry_told_in_pieces_is_put_together_and_the_later_word_about_a_member_counts() {
        let mut changes = Changes::new(10);
        changes.seen(guid(1), linked(&[(7, true), (8, false)]));
        changes.seen(guid(1), linked(&[(8, true), (9, false)]));
        changes.seen(guid(1), Seen { moved: true, ..Seen::default() });
        let (mut seen, gone) = changes.into_parts();
        let one = seen.remove(&guid(1)).unwrap_or_default();
        assert!(one.moved && one.needs_members() && !one.created);
        let removed = vec![Member::Guid(guid(9)), Member::Foreign(guid(9))];
        let added = vec![Member::Guid(guid(7)), Member::Guid(guid(8))];
        assert_eq!(one.member_change(), MemberChange::Some { added, removed });
        assert!(seen.is_empty() && gone.is_empty());
    }

    #[test]
    fn deleted_is_deleted_whatever_was_told_before_and_a_doubt_when_told_of_after() {
        let mut changes = Changes::new(10);
        changes.seen(guid(1), linked(&[(7, true)]));
        changes.gone(guid(1));
        assert_eq!(changes.doubt(), None);
        changes.seen(guid(1), Seen::default());
        assert!(changes.doubt().is_some_and(|why| why.to_string().contains("deleted")));
        assert!(!changes.is_empty());
    }

    #[test]
    fn more_than_is_worth_following_is_a_doubt_and_is_not_kept() {
        let mut changes = Changes::new(3);
        for number in 0..3 {
            changes.seen(guid(number), Seen::default());
        }
        assert_eq!(changes.doubt(), None);
        changes.gone(guid(4));
        assert!(changes.doubt().is_some_and(|why| why.to_string().contains("more than 3")));
        changes.seen(guid(5), Seen::default());
        assert_eq!(changes.into_parts(), (BTreeMap::new(), BTreeSet::new()));

        let mut changes = Changes::new(1);
        let many: Vec<(u128, bool)> = (0..=LINKS_A_CHANGE as u128).map(|number| (number, true)).collect();
        changes.seen(guid(1), linked(&many));
        assert!(changes.doubt().is_some());
    }
}
