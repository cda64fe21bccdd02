//! What one complete trip to a directory brought back: all of it, the part that the mapping is about, or what changed.

use super::{Group, GroupRef, Member, Memory, ObjectGuid, Observed, Person, Rules};

/// A reading of people and groups. It exists only when every request of the read ended in success: an error on page
/// three of five, a cut connection, a size limit or a time-out makes an error instead, never a shorter reading.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Everybody below the base that passes the user filter, seated or not.
    pub people: Vec<Person>,
    /// Every group below the base.
    pub groups: Vec<Group>,
    /// Referrals the server gave instead of entries; they are not followed.
    pub referrals: u64,
}

/// What a read brought.
#[derive(Clone, Debug)]
pub enum News {
    /// The whole directory.
    Whole(Reading),
    /// Whatever bears on the mapping, and nothing else: the groups that it names and all that lead to them, their members,
    /// everybody who is known to hold an account, and whoever claims the address of one of these.
    Mapped(Reading),
    /// What is different since the read that gave the cursor.
    Changed(Delta),
}

/// What is different since an earlier read. Taking the same one in twice is taking it in once; an entry that is not in it is
/// as it was. Each identity is in it once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// People as they are now: new ones, and those of whom anything has changed.
    pub people: Vec<Person>,
    /// Groups as they are now: new ones, and those of which anything has changed.
    pub groups: Vec<GroupChange>,
    /// People and groups that are deleted. A member value that names one of them by identity is gone with it: servers take
    /// it out of the group without a word.
    pub gone: Vec<ObjectGuid>,
    /// People and groups that are still there, but no longer below the base, or no longer pass the filter. A member value
    /// that names one of them stays, and names nobody until the entry is seen again.
    pub hidden: Vec<ObjectGuid>,
}

/// A group of which something has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupChange {
    /// The group as it is now, with no members of its own in it: those are in `members`.
    pub group: Group,
    /// What is known of its members.
    pub members: MemberChange,
}

/// What is known of the members of a changed group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// All that there are now.
    All(Vec<Member>),
    /// Those that came and those that went; nobody is in both. Whoever came may have been there, whoever went may not.
    Some {
        /// Members now.
        added: Vec<Member>,
        /// Members no more.
        removed: Vec<Member>,
    },
}

impl Delta {
    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        let Self { people, groups, gone, hidden } = self;
        people.is_empty() && groups.is_empty() && gone.is_empty() && hidden.is_empty()
    }
}

/// What a pass has to know of a directory: where that can be had without reading all of it, the rest need not be read.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Which groups are mapped and excluded.
    pub rules: &'a Rules,
    /// Who is known to hold an account, and what groups were found to be.
    pub memory: &'a Memory,
    /// People asked for by name (e-mail, account name, DN or GUID), whether they are in a group or not.
    pub names: &'a [String],
    /// Accounts whose owners, where they have any, are told by address and identity: those of a store that was listed.
    pub accounts: &'a [Observed],
    /// Nothing may be left out.
    pub whole: bool,
}

impl Wanted<'_> {
    /// The groups of the mapping, those excluded among them.
    pub fn groups(&self) -> impl Iterator<Item = &GroupRef> {
        self.rules.tiers.iter().flat_map(|rule| &rule.groups).chain(&self.rules.exclude)
    }
}
