//! Groups as a directory describes them.

use super::{Dn, DnKey, ObjectGuid, Sid};

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
    /// The name for messages and reasons: the first `cn`, else the account name, else the DN.
    pub fn name(&self) -> &str {
        self.common_names.first().or(self.account_name.as_ref()).map_or(self.dn.as_str(), String::as_str)
    }
}
