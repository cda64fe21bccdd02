//! One entry as it came: a name, attributes, values; and the ranges of Active Directory's long attributes.

use lber::structure::{PL, StructureTag};

/// An entry. Attribute names are in lower case and without their options (RFC 4512 2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The name, as the server wrote it.
    pub(super) dn: String,
    attributes: Vec<Attribute>,
}

/// One attribute description with its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    name: String,
    /// Which part of the values this is, where the server gave only a part.
    pub(super) range: Option<Range>,
    /// The values, in the server's order.
    pub(super) values: Vec<Vec<u8>>,
}

/// `range=0-1499`, or `range=1500-*` for the last part (MS-ADTS 3.1.1.3.1.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// The number of the first value here.
    pub(super) first: u64,
    /// The number of the last value here; `None` when it is the last of all.
    pub(super) last: Option<u64>,
}

impl Entry {
    /// Takes a SearchResultEntry apart.
    ///
    /// # Errors
    /// What is malformed about it.
    pub(super) fn of(tag: StructureTag) -> Result<Self, String> {
        let mut parts = inside(tag)?.into_iter();
        let dn = text(parts.next().ok_or("an entry without a name")?)?;
        let attributes = inside(parts.next().ok_or("an entry without attributes")?)?;
        let attributes =
            attributes.into_iter().map(|attribute| Attribute::of(attribute, &dn)).collect::<Result<_, _>>()?;
        Ok(Self { dn, attributes })
    }

    /// The attributes of that name (in lower case): several when options tell them apart.
    pub(super) fn attributes(&self, name: &str) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter().filter(move |attribute| attribute.name == name)
    }

    /// All values of that name.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.attributes(name).flat_map(|attribute| attribute.values.iter().map(Vec::as_slice))
    }

    /// The values that are text and not blank, trimmed.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values(name)
            .filter_map(|value| std::str::from_utf8(value).ok())
            .map(str::trim)
            .filter(|text| !text.is_empty())
    }

    /// The one value of an attribute that has one; the first in sorted order where there are several.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.texts(name).min()
    }

    /// An integer attribute.
    ///
    /// # Errors
    /// A value that is no number.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, String> {
        let Some(value) = self.values(name).next() else { return Ok(None) };
        let shown = String::from_utf8_lossy(value);
        match shown.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(format!("{name} of {:?} is {shown:?}, which is no number", self.dn)),
        }
    }
}

impl Attribute {
    fn of(tag: StructureTag, dn: &str) -> Result<Self, String> {
        let mut parts = inside(tag)?.into_iter();
        let description = text(parts.next().ok_or("an attribute without a name")?)?;
        let values = inside(parts.next().ok_or("an attribute without values")?)?;
        let values = values.into_iter().map(bytes).collect::<Result<_, _>>()?;
        let (name, options) = description.split_once(';').unwrap_or((&description, ""));
        let mut range = None;
        for option in options.split(';') {
            if option.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("range=")) {
                let parsed = Range::parse(&option[6..]);
                range = Some(parsed.ok_or_else(|| format!("{dn:?} has the unreadable attribute {description:?}"))?);
            }
        }
        Ok(Self { name: name.to_ascii_lowercase(), range, values })
    }
}

impl Range {
    /// `0-1499` or `1500-*`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let first = digits(first)?;
        let last = if last == "*" { None } else { Some(digits(last)?) };
        last.is_none_or(|last| last >= first).then_some(Self { first, last })
    }
}

fn inside(tag: StructureTag) -> Result<Vec<StructureTag>, String> {
    match tag.payload {
        PL::C(parts) => Ok(parts),
        PL::P(_) => Err("an entry with a value where a structure belongs".to_owned()),
    }
}

fn bytes(tag: StructureTag) -> Result<Vec<u8>, String> {
    match tag.payload {
        PL::P(bytes) => Ok(bytes),
        PL::C(_) => Err("an entry with a structure where a value belongs".to_owned()),
    }
}

fn text(tag: StructureTag) -> Result<String, String> {
    String::from_utf8(bytes(tag)?).map_err(|_| "a name that is not UTF-8".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;
    use lber::common::TagClass;

    /// An entry with these attributes, made as the client library makes them.
    pub(in super::super) fn entry(dn: &str, attributes: &[(&str, &[&[u8]])]) -> Entry {
        let tag = |payload| StructureTag { class: TagClass::Universal, id: 0, payload };
        let octets = |bytes: &[u8]| tag(PL::P(bytes.to_vec()));
        let attributes = attributes.iter().map(|(name, values)| {
            let values = values.iter().map(|value| octets(value)).collect();
            tag(PL::C(vec![octets(name.as_bytes()), tag(PL::C(values))]))
        });
        Entry::of(tag(PL::C(vec![octets(dn.as_bytes()), tag(PL::C(attributes.collect()))]))).unwrap()
    }

    #[test]
    fn names_are_compared_without_case_and_options() {
        let entry = entry("cn=a", &[("MAIL;lang-de", &[b" b@c.d "]), ("mail", &[b"a@c.d", b" "]), ("uid", &[b"\xff"])]);
        assert_eq!(entry.texts("mail").collect::<Vec<_>>(), ["b@c.d", "a@c.d"]);
        assert_eq!(entry.one("mail"), Some("a@c.d"));
        assert_eq!(entry.one("uid"), None);
        assert_eq!(entry.values("uid").count(), 1);
    }

    #[test]
    fn ranges_are_read_and_damaged_ones_refused() {
        assert_eq!(Range::parse("0-1499"), Some(Range { first: 0, last: Some(1499) }));
        assert_eq!(Range::parse("1500-*"), Some(Range { first: 1500, last: None }));
        for text in ["", "0", "-", "0-", "-5", "*-*", "5-4", "a-b", "0-+5", "0-99999999999999999999999", "0-1-2"] {
            assert_eq!(Range::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_numbers() {
        let entry = entry("cn=a", &[("n", &[b"-5"]), ("bad", &[b"0x10"])]);
        assert_eq!(entry.number("n"), Ok(Some(-5)));
        assert_eq!(entry.number("none"), Ok(None));
        assert!(entry.number("bad").unwrap_err().contains("0x10"));
    }
}
