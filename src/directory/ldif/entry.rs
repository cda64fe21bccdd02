//! One entry of the file as a person or a group, by the same rules as over LDAP.

use super::LdifSettings;
use super::records::{Attribute, Fault};
use crate::directory::attributes::{self, EntryKind};
use crate::model::{Detail, Details, Dn, Group, Member, ObjectGuid, Person, Sid};

/// The attributes that are read, besides the e-mail attributes; in lower case. None of them is a secret.
pub(super) const WANTED: &[&str] = &[
    "accountexpires",
    "cn",
    "entryuuid",
    "isdeleted",
    "member",
    "memberuid",
    "nsaccountlock",
    "objectcategory",
    "objectclass",
    "objectguid",
    "objectsid",
    "primarygroupid",
    "pwdaccountlockedtime",
    "samaccountname",
    "uid",
    "uniquemember",
    "useraccountcontrol",
];

/// What an entry turned out to be.
pub(super) enum Entry {
    /// A person.
    Person(Person),
    /// A group.
    Group(Group),
    /// Neither.
    Other,
}

/// An entry as it stands in the file.
pub(super) struct Source<'a> {
    /// The `dn:` line.
    pub dn_line: &'a Attribute,
    /// The wanted attributes.
    pub attributes: &'a [Attribute],
}

impl Source<'_> {
    /// What it is.
    ///
    /// # Errors
    /// At the first attribute that cannot be understood.
    pub(super) fn decode(&self, dn: Dn, settings: &LdifSettings) -> Result<Entry, Fault> {
        if self.text("isdeleted")?.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return Ok(Entry::Other);
        }
        let classes = self.texts("objectclass")?;
        if classes.is_empty() {
            let help = "export with objectClass: without it nobody knows whether this is a person or a group";
            return Err(Fault::at(self.dn_line, "an entry without objectClass", help));
        }
        let category = self.text("objectcategory")?;
        match EntryKind::of(classes.iter().copied(), category) {
            EntryKind::Person => self.person(dn, settings).map(Entry::Person),
            EntryKind::Group => self.group(dn).map(Entry::Group),
            EntryKind::Other => Ok(Entry::Other),
        }
    }

    fn person(&self, dn: Dn, settings: &LdifSettings) -> Result<Person, Fault> {
        let account_name = match self.text("samaccountname")? {
            Some(name) => Some(name),
            None => self.texts("uid")?.into_iter().next(),
        };
        let is_disabled = self.understood("useraccountcontrol", attributes::is_disabled)?.unwrap_or(false)
            || self.understood("nsaccountlock", attributes::is_locked_by_admin)?.unwrap_or(false)
            || self.text("pwdaccountlockedtime")?.is_some_and(attributes::is_locked_for_good);
        let values = |wanted: &str| {
            let named = self.attributes.iter().filter(|attribute| attribute.name.eq_ignore_ascii_case(wanted));
            named.map(|attribute| attribute.value.as_slice()).collect::<Vec<_>>()
        };
        let mailbox = attributes::choose_mailbox(&settings.email_attributes, values);
        let details = Details::read(&settings.details, |wanted| Detail::value_of(values(wanted).into_iter()));
        Ok(Person {
            guid: self.identity(&dn)?,
            account_name: account_name.map(Into::into),
            mailbox,
            disabled: is_disabled,
            expires: self.understood("accountexpires", attributes::account_expires)?.flatten().map(Into::into),
            sid: self.sid()?,
            primary_group_rid: self.understood("primarygroupid", attributes::primary_group_rid)?,
            details,
            dn,
        })
    }

    fn group(&self, dn: Dn) -> Result<Group, Fault> {
        let mut members = Vec::new();
        for (name, meaning) in [
            ("member", attributes::member as fn(&[u8]) -> Result<Option<Member>, String>),
            ("uniquemember", attributes::unique_member),
            ("memberuid", attributes::member_uid),
        ] {
            self.check_ranges(name)?;
            for attribute in self.named(name) {
                let help = "export the file again, as UTF-8 (RFC 2849)";
                members.extend(meaning(&attribute.value).map_err(|what| Fault::at(attribute, what, help))?);
            }
        }
        Ok(Group {
            guid: self.identity(&dn)?,
            account_name: self.text("samaccountname")?.map(str::to_owned),
            common_names: self.texts("cn")?.into_iter().map(str::to_owned).collect(),
            sid: self.sid()?,
            members,
            dn,
        })
    }

    /// `objectGUID`, else `entryUUID`, else made of the name. One that is there and cannot be read is an error: an
    /// identity made of the name instead would make another person of this one.
    fn identity(&self, dn: &Dn) -> Result<ObjectGuid, Fault> {
        let mut unreadable = None;
        for name in ["objectguid", "entryuuid"] {
            if let Some(attribute) = self.single(name)? {
                match attributes::identity(&attribute.value) {
                    Some(guid) => return Ok(guid),
                    None => unreadable = Some(attribute),
                }
            }
        }
        match unreadable {
            None => Ok(ObjectGuid::from_name(dn.key().as_str())),
            Some(attribute) => {
                let help = "write the 16 bytes in base64 (objectGUID::), or the text form with hyphens";
                Err(Fault::at(attribute, "an identity that is neither 16 bytes nor a UUID", help))
            }
        }
    }

    fn sid(&self) -> Result<Option<Sid>, Fault> {
        let Some(attribute) = self.single("objectsid")? else { return Ok(None) };
        match attributes::sid(&attribute.value) {
            Some(sid) => Ok(Some(sid)),
            None => {
                let help = "write the bytes in base64 (objectSid::), or the text form S-1-5-21-…";
                Err(Fault::at(attribute, "an objectSid that is no SID", help))
            }
        }
    }

    fn named<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s Attribute> {
        self.attributes.iter().filter(move |attribute| attribute.name == name && !attribute.value.is_empty())
    }

    /// The one value of an attribute that may have only one.
    fn single<'s>(&'s self, name: &str) -> Result<Option<&'s Attribute>, Fault> {
        let mut values = self.named(name);
        let first = values.next();
        match values.find(|other| first.is_some_and(|first| first.value != other.value)) {
            None => Ok(first),
            Some(second) => {
                let help = "keep the right one; is a blank line missing between two entries?";
                Err(Fault::at(second, format!("a second value of {name}, which has one"), help))
            }
        }
    }

    fn text<'s>(&'s self, name: &str) -> Result<Option<&'s str>, Fault> {
        self.single(name)?.map(text_of).transpose()
    }

    fn texts<'s>(&'s self, name: &str) -> Result<Vec<&'s str>, Fault> {
        self.named(name).map(text_of).filter(|text| !matches!(text, Ok(""))).collect()
    }

    /// The single value of an attribute as `meaning` reads it.
    fn understood<T>(&self, name: &str, meaning: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Fault> {
        let Some(attribute) = self.single(name)? else { return Ok(None) };
        let help = "correct the value, or export the file again";
        meaning(text_of(attribute)?).map(Some).map_err(|what| Fault::at(attribute, what, help))
    }

    /// Active Directory gives large attributes in ranges (`member;range=0-1499`, MS-ADTS 3.1.1.3.1.3.3). They must reach
    /// from 0 to `*` without a gap: a group of which a part is missing would take seats from the members of that part.
    fn check_ranges(&self, name: &str) -> Result<(), Fault> {
        let mut ranges: Vec<(Range, u64, &Attribute)> = Vec::new();
        for attribute in self.named(name) {
            let Some(option) = attribute.options.split(';').find_map(|option| option.strip_prefix("range=")) else {
                continue;
            };
            let Some(range) = Range::parse(option) else {
                return Err(Fault::at(attribute, format!("a range {option:?} that is none"), EXPORT_WHOLE));
            };
            match ranges.iter_mut().find(|(known, _, _)| *known == range) {
                Some((_, count, _)) => *count += 1,
                None => ranges.push((range, 1, attribute)),
            }
        }
        ranges.sort_by_key(|(range, _, _)| range.low);
        let mut next = Some(0);
        for (range, count, attribute) in &ranges {
            let is_short = range.high.is_some_and(|high| high - range.low + 1 != *count);
            if next != Some(range.low) || is_short {
                let what = format!("ranges of {name} that leave members out");
                return Err(Fault::at(attribute, what, EXPORT_WHOLE));
            }
            next = range.high.map(|high| high + 1);
        }
        match (ranges.last(), next) {
            (Some((_, _, attribute)), Some(next)) => {
                let what = format!("{name} is cut off: its values from {next} on are not in the file");
                Err(Fault::at(attribute, what, EXPORT_WHOLE))
            }
            (Some(_) | None, _) => Ok(()),
        }
    }
}

const EXPORT_WHOLE: &str =
    "export with all ranges of large groups (ldapsearch does not follow them by itself), or read over LDAP";

/// `0-1499`, or `1500-*` for the last.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Range {
    low: u64,
    high: Option<u64>,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (low, high) = text.split_once('-')?;
        let low = low.parse().ok()?;
        let high = if high == "*" { None } else { Some(high.parse().ok()?) };
        high.is_none_or(|high: u64| high >= low && high < u64::MAX).then_some(Self { low, high })
    }
}

/// Blanks around a value written as plain text come from editing.
fn text_of(attribute: &Attribute) -> Result<&str, Fault> {
    let help = "export the file again, as UTF-8 (RFC 2849)";
    std::str::from_utf8(&attribute.value)
        .map(str::trim)
        .map_err(|_| Fault::at(attribute, format!("a value of {} that is not UTF-8", attribute.name), help))
}
