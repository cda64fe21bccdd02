//! People as a directory describes them.

use super::{Details, Dn, FileTime, Mailbox, ObjectGuid, Sid, Timestamp};
use compact_str::CompactString;
use std::borrow::Cow;
use std::sync::Arc;

/// A user entry as read. Contacts, computers and managed service accounts are not people and never become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Identity.
    pub guid: ObjectGuid,
    /// Where the entry stands now; an attribute like any other.
    pub dn: Dn,
    /// `sAMAccountName`, or `uid` elsewhere; how an administrator names the person.
    pub account_name: Option<CompactString>,
    /// The address under which the account store knows the person.
    pub mailbox: Mailbox,
    /// `userAccountControl` bit 2 (ACCOUNTDISABLE, MS-ADTS 2.2.16), or the like elsewhere.
    pub disabled: bool,
    /// `accountExpires`, where one is set (MS-ADA1 2.1: 0 and 2^63-1 mean never).
    pub expires: Option<FileTime>,
    /// The object's own SID, whose domain part names the primary group.
    pub sid: Option<Sid>,
    /// `primaryGroupID`: membership in that group stands in no `member` attribute.
    pub primary_group_rid: Option<u32>,
    /// Names and the like, where the account store is to have them.
    pub details: Option<Arc<Details>>,
}

impl Person {
    /// The name for messages: the account name, else the DN.
    pub fn label(&self) -> Cow<'_, str> {
        self.account_name.as_deref().map_or_else(|| self.dn.text(), Cow::Borrowed)
    }

    /// Whether it is the other one to the letter.
    pub fn is_written_like(&self, other: &Self) -> bool {
        let Self { guid, dn, account_name, mailbox, disabled, expires, sid, primary_group_rid, details } = self;
        *guid == other.guid
            && dn.is_written_like(&other.dn)
            && *account_name == other.account_name
            && mailbox.is_written_like(&other.mailbox)
            && *disabled == other.disabled
            && *expires == other.expires
            && *sid == other.sid
            && *primary_group_rid == other.primary_group_rid
            && *details == other.details
    }

    /// Whether the directory lets this person sign in at `now`. Locked and must-change people are enabled.
    pub fn is_enabled(&self, now: Timestamp) -> bool {
        !self.disabled && !self.is_expired(now)
    }

    /// Whether `accountExpires` has passed.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= FileTime::from(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_people_fit_into_little_memory() {
        assert_eq!(size_of::<Person>(), 176);
    }
}
