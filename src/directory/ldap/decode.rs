//! From entries to people and groups: pure, and without guessing. What cannot be read is an error of the read.

use super::entry::Entry;
use crate::model::{
    Containers, Detail, DetailSource, Details, Dn, DnKey, Email, Group, Mailbox, Member, ObjectGuid, Person, Sid,
    Timestamp,
};
use std::borrow::Cow;

/// ACCOUNTDISABLE (MS-ADTS 2.2.16).
const ACCOUNT_DISABLED: i64 = 0x2;
/// 1970-01-01 in the units of 100 ns since 1601-01-01 that Active Directory counts in.
const UNIX_EPOCH_FILETIME: i64 = 116_444_736_000_000_000;
/// The `pwdAccountLockedTime` of somebody an administrator locked for good (draft-behera-ldap-password-policy 5.3.3).
const LOCKED_FOR_GOOD: &str = "000001010000Z";
/// Classes (in lower case) that are never people, whatever else they are.
const NEVER_PEOPLE: &[&str] = &[
    "computer",
    "group",
    "groupofnames",
    "groupofuniquenames",
    "posixgroup",
    "msds-managedserviceaccount",
    "msds-groupmanagedserviceaccount",
];

/// What the decoding of one entry depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    /// Whether the server is Active Directory, where every user has a `userAccountControl`.
    pub(super) is_active_directory: bool,
    /// The configured e-mail attributes, in order.
    pub(super) email_attributes: &'a [String],
    /// What else is read of people.
    pub(super) details: &'a [DetailSource],
}

/// A name as the server gave it: with the extended DN control, its GUID stands in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// The identity, where it was given.
    pub(super) guid: Option<ObjectGuid>,
    /// The name alone.
    pub(super) dn: &'a str,
}

/// A group, and what is still to be fetched of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partial {
    /// The group, with the members so far.
    pub(super) group: Group,
    /// Attributes of which only the beginning came.
    pub(super) rest: Vec<Rest>,
}

/// The values of one attribute that did not fit into the entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// The attribute.
    pub(super) attribute: &'static str,
    /// How many values came.
    pub(super) next: u64,
    /// The last value that came, as it came: asked for again to notice values moving under our hands.
    pub(super) last: Vec<u8>,
}

impl<'a> Name<'a> {
    /// Takes `<GUID=…>;<SID=…>;CN=…` (MS-ADTS 3.1.1.3.4.1.5) or a plain name apart.
    ///
    /// # Errors
    /// A GUID that is none.
    pub(super) fn of(text: &'a str) -> Result<Self, String> {
        let (mut guid, mut dn) = (None, text);
        while let Some(rest) = dn.strip_prefix('<') {
            let Some((label, rest)) = rest.split_once('>') else { break };
            if let Some(digits) = label.strip_prefix("GUID=") {
                let parsed = ObjectGuid::parse(digits);
                guid = Some(parsed.ok_or_else(|| format!("the name {text:?} has an unreadable GUID"))?);
            }
            dn = rest.strip_prefix(';').unwrap_or(rest);
        }
        Ok(Self { guid, dn })
    }
}

impl Reader<'_> {
    /// The person of an entry; `None` for an entry that is none, such as a computer.
    ///
    /// # Errors
    /// No identity, or a value that cannot be understood.
    pub(super) fn person(&self, entry: &Entry<'_>, containers: &mut Containers) -> Result<Option<Person>, String> {
        let is_class = |class: &str| NEVER_PEOPLE.iter().any(|never| class.eq_ignore_ascii_case(never));
        if entry.texts("objectClass").any(is_class) {
            return Ok(None);
        }
        let name = Name::of(entry.dn)?;
        let account = entry.one("samaccountname").or_else(|| entry.one("uid"));
        Ok(Some(Person {
            guid: identity(entry)?,
            dn: containers.dn(name.dn),
            account_name: account.map(Into::into),
            mailbox: self.mailbox(entry),
            disabled: self.is_disabled(entry)?,
            expires: expiry(entry)?.map(Into::into),
            sid: entry.values("objectsid").next().and_then(Sid::from_bytes),
            primary_group_rid: primary_group(entry)?,
            details: Details::read(self.details, |attribute| Detail::value_of(entry.values(attribute))),
        }))
    }

    fn is_disabled(&self, entry: &Entry<'_>) -> Result<bool, String> {
        match entry.number("useraccountcontrol")? {
            Some(flags) => Ok(flags & ACCOUNT_DISABLED != 0 || is_locked_elsewhere(entry)),
            None if self.is_active_directory => Err(format!(
                "the bind account may not read userAccountControl of {:?}, so nobody can say whether it is disabled: \
                 grant the right to read it",
                entry.dn
            )),
            None => Ok(is_locked_elsewhere(entry)),
        }
    }

    /// The first configured attribute with a value decides.
    fn mailbox(&self, entry: &Entry<'_>) -> Mailbox {
        for attribute in self.email_attributes {
            // The primary address has its type in capitals (MS-OXOABK 2.2.3.23).
            let prefix = if attribute.eq_ignore_ascii_case("proxyAddresses") { "SMTP:" } else { "" };
            let values = entry.values(attribute).map(String::from_utf8_lossy);
            let first = values
                .filter_map(|value| match value {
                    Cow::Borrowed(text) => text.strip_prefix(prefix).map(str::trim).map(Cow::Borrowed),
                    Cow::Owned(text) => text.strip_prefix(prefix).map(|text| Cow::Owned(text.trim().to_owned())),
                })
                .filter(|value| !value.is_empty())
                .min();
            if let Some(first) = first {
                return Email::parse(&first)
                    .map_or_else(|| Mailbox::Malformed(first.into_owned().into()), Mailbox::Address);
            }
        }
        Mailbox::Missing
    }

    /// The group of an entry, with the members that came with it.
    ///
    /// # Errors
    /// No identity, or a value that cannot be understood.
    pub(super) fn group(&self, entry: &Entry<'_>) -> Result<Partial, String> {
        let name = Name::of(entry.dn)?;
        let group = Group {
            guid: identity(entry)?,
            dn: Dn::new(name.dn),
            account_name: entry.one("samaccountname").map(str::to_owned),
            common_names: entry.texts("cn").map(str::to_owned).collect(),
            sid: entry.values("objectsid").next().and_then(Sid::from_bytes),
            members: Vec::new(),
        };
        let mut partial = Partial { group, rest: Vec::new() };
        for attribute in ["member", "uniqueMember", "memberUid"] {
            let mut next = 0;
            // A server that gives a range adds the bare attribute, empty, beside it.
            for part in entry.attributes(attribute) {
                if let Some(range) = part.range
                    && range.first != 0
                {
                    return Err(format!("{attribute} of {:?} begins with value {}", entry.dn, range.first));
                }
                partial.take(attribute, part.values())?;
                if let Some(last) = part.range.and_then(|range| range.last) {
                    next = last.saturating_add(1);
                    let Some(value) = part.values().last() else {
                        return Err(format!("{attribute} of {:?} is a range without values", entry.dn));
                    };
                    partial.rest.push(Rest { attribute, next, last: value.to_vec() });
                }
            }
            if next > 0 && partial.rest.iter().filter(|rest| rest.attribute == attribute).count() > 1 {
                return Err(format!("{attribute} of {:?} comes in two ranges at once", entry.dn));
            }
        }
        Ok(partial)
    }
}

impl Partial {
    /// Takes member values in.
    ///
    /// # Errors
    /// A value that is no name.
    pub(super) fn take<'v>(
        &mut self,
        attribute: &'static str,
        values: impl Iterator<Item = &'v [u8]>,
    ) -> Result<(), String> {
        for value in values {
            let member =
                member(attribute, value).map_err(|problem| format!("{attribute} of {} {problem}", self.group.dn))?;
            self.group.members.extend(member);
        }
        Ok(())
    }
}

/// One member value; `None` where it is blank.
///
/// # Errors
/// What is wrong with it, as the rest of a sentence about the attribute.
pub(super) fn member(attribute: &str, value: &[u8]) -> Result<Option<Member>, String> {
    let text = std::str::from_utf8(value).map_err(|_| "has a value that is not UTF-8".to_owned())?.trim();
    let text = if attribute == "uniqueMember" { without_uid(text) } else { text };
    if text.is_empty() {
        return Ok(None);
    }
    if attribute == "memberUid" && !text.contains('=') {
        return Ok(Some(Member::Uid(text.to_lowercase())));
    }
    let name = Name::of(text).map_err(|problem| format!("has a value that cannot be read: {problem}"))?;
    Ok(Some(match name.guid {
        Some(guid) if is_foreign(name.dn) => Member::Foreign(guid),
        Some(guid) => Member::Guid(guid),
        None => Member::Dn(DnKey::of(name.dn)),
    }))
}

/// `objectGUID` where it is one, else `entryUUID` (RFC 4530).
///
/// # Errors
/// Neither is there: the bind account lacks a right, and an entry without identity must not look like none.
pub(super) fn identity(entry: &Entry<'_>) -> Result<ObjectGuid, String> {
    let guid = entry.values("objectguid").find_map(ObjectGuid::from_ad_bytes);
    guid.or_else(|| entry.texts("entryuuid").find_map(ObjectGuid::parse)).ok_or_else(|| {
        format!(
            "{:?} shows neither objectGUID nor entryUUID: grant the bind account the right to read it, or leave the \
             entry out with base_dn or user_filter",
            entry.dn
        )
    })
}

/// What other servers than Active Directory say about people who may not sign in.
fn is_locked_elsewhere(entry: &Entry<'_>) -> bool {
    entry.texts("nsaccountlock").any(|text| text.eq_ignore_ascii_case("true"))
        || entry.texts("pwdaccountlockedtime").any(|text| text == LOCKED_FOR_GOOD)
}

/// `accountExpires` (MS-ADA1 2.1): 0, the largest number, and all that no calendar holds mean never.
fn expiry(entry: &Entry<'_>) -> Result<Option<Timestamp>, String> {
    let Some(filetime) = entry.number("accountexpires")?.filter(|filetime| *filetime != 0 && *filetime != i64::MAX)
    else {
        return Ok(None);
    };
    let nanoseconds = (i128::from(filetime) - i128::from(UNIX_EPOCH_FILETIME)) * 100;
    match Timestamp::from_nanosecond(nanoseconds) {
        Ok(expires) if filetime > 0 => Ok(Some(expires)),
        Err(_) if filetime > 0 => Ok(None),
        Ok(_) | Err(_) => Err(format!("accountExpires of {:?} is {filetime}, which is no time", entry.dn)),
    }
}

fn primary_group(entry: &Entry<'_>) -> Result<Option<u32>, String> {
    entry
        .number("primarygroupid")?
        .map(|rid| u32::try_from(rid).map_err(|_| format!("primaryGroupID of {:?} is {rid}", entry.dn)))
        .transpose()
}

/// Whether it names a member of another domain. Nearly all names are none, and are not normalised to know it.
fn is_foreign(dn: &str) -> bool {
    dn.get(..7).is_some_and(|begin| begin.eq_ignore_ascii_case("CN=S-1-")) && DnKey::of(dn).is_foreign_principal()
}

/// A name without the optional `#'0101'B` behind it (Name and Optional UID, RFC 4517 3.3.21).
pub(super) fn without_uid(text: &str) -> &str {
    let Some(inner) = text.strip_suffix("'B") else { return text };
    match inner.rsplit_once("#'") {
        Some((dn, bits)) if bits.bytes().all(|bit| bit == b'0' || bit == b'1') => dn,
        _ => text,
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
