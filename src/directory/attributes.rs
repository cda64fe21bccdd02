//! What single attribute values mean, whatever brought them: pure, shared by LDAP and LDIF.
//!
//! Every function takes values as the directory holds them and says in words why one cannot be understood; the caller
//! adds whose value it was. Nothing here guesses: a value that is not understood is an error, never a default.

use crate::model::{Dn, DnKey, Email, Mailbox, Member, ObjectGuid, Sid, Timestamp};
use std::borrow::Cow;

/// `userAccountControl` bit of a disabled account (ACCOUNTDISABLE, MS-ADTS 2.2.16).
const ACCOUNTDISABLE: i64 = 0x2;

/// Ticks of 100 ns in a second, the unit of FILETIME (MS-DTYP 2.3.3).
const TICKS_PER_SECOND: i64 = 10_000_000;

/// Seconds from 1601-01-01, where FILETIME begins, to 1970-01-01.
const SECONDS_1601_TO_1970: i64 = 11_644_473_600;

/// `pwdAccountLockedTime` of an account that an administrator locked for good (draft-behera-ldap-password-policy 5.3.3).
const LOCKED_FOR_GOOD: &str = "000001010000Z";

/// What an entry is, told by its classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Somebody who can hold a seat.
    Person,
    /// Something with members.
    Group,
    /// Anything else: contacts, computers, service accounts, folders.
    Other,
}

impl EntryKind {
    /// By `objectClass`, and `objectCategory` where there is one.
    ///
    /// In Active Directory a person is `(&(objectCategory=person)(objectClass=user))`; a contact has the category but not
    /// the class, computers and managed service accounts have the class but not the category. Elsewhere the classes
    /// of RFC 4519, RFC 2798 and RFC 2307 decide.
    pub fn of<'a>(classes: impl Iterator<Item = &'a str> + Clone, category: Option<&str>) -> Self {
        let is_one_of =
            |names: &[&str]| classes.clone().any(|class| names.iter().any(|name| class.eq_ignore_ascii_case(name)));
        if is_one_of(&["group", "groupOfNames", "groupOfUniqueNames", "posixGroup"]) {
            return Self::Group;
        }
        let never = ["contact", "computer", "msDS-ManagedServiceAccount", "msDS-GroupManagedServiceAccount"];
        if is_one_of(&never) || is_one_of(&["msDS-DelegatedManagedServiceAccount"]) {
            return Self::Other;
        }
        let is_person = if is_one_of(&["user"]) {
            category.is_none_or(is_category_person)
        } else {
            is_one_of(&["inetOrgPerson", "person", "posixAccount"])
        };
        if is_person { Self::Person } else { Self::Other }
    }
}

/// `objectCategory` is the DN of a schema class (`CN=Person,CN=Schema,…`); test directories write the bare name.
fn is_category_person(category: &str) -> bool {
    let name = Dn::new(category).rdn_value();
    name.as_deref().unwrap_or(category).trim().eq_ignore_ascii_case("person")
}

/// An identity: the 16 bytes of `objectGUID`, or the text form of `entryUUID` (and of files written by hand).
pub fn identity(value: &[u8]) -> Option<ObjectGuid> {
    ObjectGuid::from_ad_bytes(value).or_else(|| ObjectGuid::parse(std::str::from_utf8(value).ok()?))
}

/// A SID: binary as `objectSid` holds it, or its text form.
pub fn sid(value: &[u8]) -> Option<Sid> {
    Sid::from_bytes(value).or_else(|| Sid::parse(std::str::from_utf8(value).ok()?))
}

/// Whether `userAccountControl` says disabled.
///
/// # Errors
/// In words, when it is no decimal number.
pub fn is_disabled(user_account_control: &str) -> Result<bool, String> {
    let flags: i64 = user_account_control
        .trim()
        .parse()
        .map_err(|_| format!("userAccountControl {user_account_control:?} is not a decimal number"))?;
    Ok(flags & ACCOUNTDISABLE != 0)
}

/// Whether `nsAccountLock` (389 Directory Server, FreeIPA) says disabled.
///
/// # Errors
/// In words, when it is neither TRUE nor FALSE (Boolean, RFC 4517 3.3.3).
pub fn is_locked_by_admin(ns_account_lock: &str) -> Result<bool, String> {
    match ns_account_lock.trim() {
        text if text.eq_ignore_ascii_case("true") => Ok(true),
        text if text.eq_ignore_ascii_case("false") || text.is_empty() => Ok(false),
        text => Err(format!("nsAccountLock {text:?} is neither TRUE nor FALSE")),
    }
}

/// Whether `pwdAccountLockedTime` means locked for good by an administrator. A time there is the passing lock of somebody
/// who mistyped a password, which takes no seat.
pub fn is_locked_for_good(pwd_account_locked_time: &str) -> bool {
    pwd_account_locked_time.trim() == LOCKED_FOR_GOOD
}

/// When `accountExpires` falls; `None` for never: 0, 2^63-1 (MS-ADA1 2.1), and what is beyond the calendar.
///
/// # Errors
/// In words, when it is no FILETIME.
pub fn account_expires(text: &str) -> Result<Option<Timestamp>, String> {
    let ticks = text.trim().parse().ok().filter(|ticks: &i64| *ticks >= 0);
    let ticks =
        ticks.ok_or_else(|| format!("accountExpires {text:?} is not a time in 100-nanosecond units since 1601"))?;
    if ticks == 0 || ticks == i64::MAX {
        return Ok(None);
    }
    Ok(filetime(ticks))
}

/// A FILETIME that is none of its special values; `None` for what is beyond the calendar.
pub fn filetime(ticks: i64) -> Option<Timestamp> {
    let nanoseconds = i32::try_from(ticks % TICKS_PER_SECOND * 100).unwrap_or(0);
    Timestamp::new(ticks / TICKS_PER_SECOND - SECONDS_1601_TO_1970, nanoseconds).ok()
}

/// `primaryGroupID`: the last part of the primary group's SID.
///
/// # Errors
/// In words, when it is no decimal number.
pub fn primary_group_rid(text: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| format!("primaryGroupID {text:?} is not a decimal number"))
}

/// The mailbox by the configured e-mail attributes, in their order: the first that has any value decides, and of its
/// values the first in sorted order, since a directory gives values in any order. Of `proxyAddresses` only the primary
/// address counts: the value with the upper-case prefix `SMTP:`.
pub fn choose_mailbox<'a, V>(attributes: &[String], mut lookup: impl FnMut(&str) -> V) -> Mailbox
where
    V: IntoIterator<Item = &'a [u8]>,
{
    for attribute in attributes {
        let is_proxy = attribute.eq_ignore_ascii_case("proxyAddresses");
        let candidate = |value: &'a [u8]| -> Option<Cow<'a, str>> {
            let value = if is_proxy { value.strip_prefix(b"SMTP:")? } else { value };
            let value = value.trim_ascii();
            (!value.is_empty()).then(|| String::from_utf8_lossy(value))
        };
        if let Some(text) = lookup(attribute).into_iter().filter_map(candidate).min() {
            return Email::parse(&text).map_or_else(|| Mailbox::Malformed(text.into()), Mailbox::Address);
        }
    }
    Mailbox::Missing
}

/// A value of `member`; `None` when it is empty (a group that must have a member and has none).
///
/// # Errors
/// In words, when it is not UTF-8.
pub fn member(value: &[u8]) -> Result<Option<Member>, String> {
    Ok(utf8("member", value)?.map(|text| Member::Dn(DnKey::of(text))))
}

/// A value of `uniqueMember`: a name with an optional bit string behind it (Name and Optional UID, RFC 4517 3.3.21).
///
/// # Errors
/// In words, when it is not UTF-8.
pub fn unique_member(value: &[u8]) -> Result<Option<Member>, String> {
    Ok(utf8("uniqueMember", value)?.map(|text| Member::Dn(DnKey::of(without_uid(text)))))
}

/// A value of `memberUid`: a `uid` as RFC 2307 says, or a DN as some directories write; only a DN has a `=`.
///
/// # Errors
/// In words, when it is not UTF-8.
pub fn member_uid(value: &[u8]) -> Result<Option<Member>, String> {
    Ok(utf8("memberUid", value)?.map(|text| {
        if text.contains('=') { Member::Dn(DnKey::of(text)) } else { Member::Uid(text.trim_end().to_lowercase()) }
    }))
}

/// The value without blanks around it; `None` when nothing is left.
fn utf8<'a>(attribute: &str, value: &'a [u8]) -> Result<Option<&'a str>, String> {
    // Blanks in front are never part of a name; behind, one may belong to a `\ ` at its end.
    let text = std::str::from_utf8(value).map_err(|_| format!("{attribute} has a value that is not UTF-8"))?;
    Ok(Some(text.trim_start()).filter(|text| !text.is_empty()))
}

/// Takes `#'0101'B` off. Only digits 0 and 1 between the quotes make it one: `#` may stand unescaped inside a name.
fn without_uid(text: &str) -> &str {
    let stripped = || {
        let (name, bits) = text.trim_end().strip_suffix("'B")?.rsplit_once("#'")?;
        bits.bytes().all(|bit| bit == b'0' || bit == b'1').then_some(name)
    };
    stripped().unwrap_or(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn kind(classes: &str, category: Option<&str>) -> EntryKind {
        EntryKind::of(classes.split(' '), category)
    }

    #[test]
    fn people_are_told_from_what_looks_like_them() {
        const PERSON: Option<&str> = Some("CN=Person,CN=Schema,CN=Configuration,DC=ad,DC=test");
        for (classes, category, expected) in [
            ("top person organizationalPerson user", PERSON, EntryKind::Person),
            ("top person organizationalPerson USER", Some("person"), EntryKind::Person),
            ("top person organizationalPerson user", None, EntryKind::Person),
            ("top person organizationalPerson user inetOrgPerson", PERSON, EntryKind::Person),
            ("top person organizationalPerson contact", PERSON, EntryKind::Other),
            ("top person organizationalPerson user computer", Some("CN=Computer,CN=Schema"), EntryKind::Other),
            ("top person organizationalPerson user", Some("CN=Computer,CN=Schema"), EntryKind::Other),
            ("top person user computer msDS-GroupManagedServiceAccount", None, EntryKind::Other),
            ("inetOrgPerson", None, EntryKind::Person),
            ("person", None, EntryKind::Person),
            ("account posixAccount", None, EntryKind::Person),
            ("top group", Some("CN=Group,CN=Schema"), EntryKind::Group),
            ("groupOfNames", None, EntryKind::Group),
            ("groupofuniquenames", None, EntryKind::Group),
            ("posixGroup", None, EntryKind::Group),
            ("organizationalUnit", None, EntryKind::Other),
            ("", None, EntryKind::Other),
        ] {
            assert_eq!(kind(classes, category), expected, "{classes} {category:?}");
        }
    }

    #[test]
    fn disabled_is_one_bit_of_a_number() {
        for (text, expected) in
            [("512", false), ("514", true), (" 546 ", true), ("66048", false), ("-2147483646", true)]
        {
            assert_eq!(is_disabled(text), Ok(expected), "{text}");
        }
        for text in ["", "0x202", "disabled", "514 x"] {
            assert!(is_disabled(text).unwrap_err().contains("userAccountControl"), "{text}");
        }
        assert_eq!(is_locked_by_admin("TRUE"), Ok(true));
        assert_eq!(is_locked_by_admin("false"), Ok(false));
        assert!(is_locked_by_admin("1").is_err());
        assert!(is_locked_for_good("000001010000Z"));
        assert!(!is_locked_for_good("20261122150000Z"));
    }

    #[test]
    fn expiry_counts_from_1601_and_has_two_words_for_never() {
        for never in ["0", "9223372036854775807", "9223372036854775806", "9000000000000000000"] {
            assert_eq!(account_expires(never), Ok(None), "{never}");
        }
        for (text, expected) in [
            ("116444736000000000", "1970-01-01T00:00:00Z"),
            ("133801632000000001", "2025-01-01T00:00:00.0000001Z"),
            ("1", "1601-01-01T00:00:00.0000001Z"),
        ] {
            assert_eq!(account_expires(text).unwrap().unwrap().to_string(), expected);
        }
        for text in ["", "-1", "never", "9223372036854775808", "20250101000000.0Z"] {
            assert!(account_expires(text).is_err(), "{text}");
        }
    }

    #[test]
    fn identities_and_sids_come_as_bytes_or_text() {
        let text = "02018a4b-2211-4433-0102-030405060708";
        let bytes = [0x4b, 0x8a, 0x01, 0x02, 0x11, 0x22, 0x33, 0x44, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(identity(text.as_bytes()), identity(&bytes));
        assert_eq!(identity(&bytes).unwrap().to_string(), text);
        assert_eq!(identity(&bytes[..15]), None);
        assert_eq!(identity(b"\xff\xfe not text"), None);
        assert_eq!(sid(b"S-1-5-21-513"), sid(&[1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 2, 0, 0]));
        assert_eq!(sid(b"S-1"), None);
        assert_eq!(primary_group_rid(" 513"), Ok(513));
        assert!(primary_group_rid("-1").is_err());
    }

    fn mailbox(order: &[&str], entry: &[(&str, &[&str])]) -> Mailbox {
        let order: Vec<String> = order.iter().map(ToString::to_string).collect();
        choose_mailbox(&order, |wanted| {
            let values = entry.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            values.flat_map(|(_, values)| values.iter().map(|value| value.as_bytes())).collect::<Vec<_>>()
        })
    }

    #[test]
    fn the_first_attribute_with_a_value_decides() {
        let address = |text: &str| Mailbox::Address(Email::parse(text).unwrap());
        let both = ["mail", "userPrincipalName"];
        for (order, entry, expected) in [
            (&both[..], &[("mail", &["a@x.y"][..]), ("userPrincipalName", &["b@x.y"])][..], address("a@x.y")),
            (&both, &[("mail", &["", "  "]), ("userPrincipalName", &["b@x.y"])], address("b@x.y")),
            (
                &both,
                &[("mail", &["no address"]), ("userPrincipalName", &["b@x.y"])],
                Mailbox::Malformed("no address".into()),
            ),
            (&both, &[], Mailbox::Missing),
            (&["mail"], &[("userPrincipalName", &["b@x.y"])], Mailbox::Missing),
            (&["mail"], &[("mail", &["z@x.y", " a@x.y ", "m@x.y"])], address("a@x.y")),
            (&["proxyaddresses"], &[("proxyAddresses", &["smtp:a@x.y", "SMTP:b@x.y", "x500:/o=x"])], address("b@x.y")),
            (
                &["proxyAddresses", "mail"],
                &[("proxyAddresses", &["smtp:a@x.y"]), ("mail", &["m@x.y"])],
                address("m@x.y"),
            ),
        ] {
            assert_eq!(mailbox(order, entry), expected, "{entry:?}");
        }
    }

    #[test]
    fn member_values_name_entries_or_uids() {
        let dn = |text: &str| Ok(Some(Member::Dn(DnKey::of(text))));
        assert_eq!(member(b"CN=A,DC=x"), dn("cn=a,dc=x"));
        assert_eq!(member(b""), Ok(None));
        assert!(member(b"CN=\xff,DC=x").is_err());
        assert_eq!(unique_member(b"CN=A,DC=x#'0101'B"), dn("cn=a,dc=x"));
        assert_eq!(unique_member(b"CN=A#'x'B,DC=x"), dn("cn=a#'x'b,dc=x"));
        assert_eq!(unique_member(b"CN=A,DC=x"), dn("cn=a,dc=x"));
        assert_eq!(member_uid(b" Alice "), Ok(Some(Member::Uid("alice".into()))));
        assert_eq!(member_uid(b"uid=Alice,dc=x"), dn("uid=alice,dc=x"));
    }
}
