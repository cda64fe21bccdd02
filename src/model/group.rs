//! Groups as a directory describes them.

use super::{Dn, DnKey, ObjectGuid, Sid};
use std::borrow::Cow;

/// A group entry as read, with all its member values (a range that was not read to its end is not a group).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Identity.
    pub guid: ObjectGuid,
    /// Where the entry stands now.
    pub dn: Dn,
    /// `sAMAccountName`, in Active Directory.
    pub account_name: Option<String>,
    /// The values of `cn`.
    pub common_names: Vec<String>,
    /// `objectSid`: what a `primaryGroupID` points at.
    pub sid: Option<Sid>,
    /// Direct members, unresolved, in any order.
    pub members: Vec<Member>,
}

/// One value of a member attribute. The members of a group are a set: a value that is there twice is there once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Member {
    /// An identity, which some servers give beside the name (extended DN, MS-ADTS 3.1.1.3.4.1.5): a rename cannot break it.
    Guid(ObjectGuid),
    /// The identity of a foreignSecurityPrincipal (MS-ADTS 6.1.1.4.10): it stands for a member of another domain.
    Foreign(ObjectGuid),
    /// A distinguished name; what it names is looked up among all that was read.
    Dn(DnKey),
    /// A bare `uid` (posixGroup's `memberUid`, RFC 2307), in lower case.
    Uid(String),
}

impl Group {
    /// Whether it is the other one to the letter; members apart.
    pub fn is_written_like(&self, other: &Self) -> bool {
        let Self { guid, dn, account_name, common_names, sid, members: _ } = self;
        *guid == other.guid
            && dn.is_written_like(&other.dn)
            && *account_name == other.account_name
            && *common_names == other.common_names
            && *sid == other.sid
    }

    /// The name for messages and reasons: the first `cn`, else the account name, else the DN.
    pub fn name(&self) -> Cow<'_, str> {
        let name = self.common_names.first().or(self.account_name.as_ref());
        name.map_or_else(|| self.dn.text(), |name| Cow::Borrowed(name.as_str()))
    }
}
