//! One entry as it came: a name, attributes, values; and the ranges of Active Directory's long attributes.

use super::ber::{self, Element};
use super::settings::ReadLimits;
use smallvec::SmallVec;

/// So many attributes cost no memory of their own.
const ATTRIBUTES_USUAL: usize = 16;

/// An entry, where it lies among the bytes that came.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    /// The name, as the server wrote it.
    pub(super) dn: &'a str,
    attributes: SmallVec<[Attribute<'a>; ATTRIBUTES_USUAL]>,
}

/// One attribute description with its values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    /// Without its options (RFC 4512 2.5), in the letter case in which it came.
    name: &'a str,
    /// Which part of the values this is, where the server gave only a part.
    pub(super) range: Option<Range>,
    /// The values, one after another, each checked to be one.
    values: &'a [u8],
}

/// `range=0-1499`, or `range=1500-*` for the last part (MS-ADTS 3.1.1.3.1.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// The number of the first value here.
    pub(super) first: u64,
    /// The number of the last value here; `None` when it is the last of all.
    pub(super) last: Option<u64>,
}

impl<'a> Entry<'a> {
    /// Takes a SearchResultEntry apart: a name and a sequence of attributes, each with a set of values.
    ///
    /// # Errors
    /// What is malformed about it, as a noun phrase.
    pub(super) fn of(op: Element<'a>, limits: &ReadLimits) -> Result<Self, String> {
        let mut parts = ber::elements(op.body);
        let dn = parts.next().ok_or("an entry without a name")??;
        let dn = ber::text(dn, ber::OCTET_STRING, "name of an entry")?;
        let described = parts.next().ok_or("an entry without attributes")??;
        if described.tag != ber::SEQUENCE || parts.next().is_some() {
            return Err("a malformed entry".to_owned());
        }
        let mut attributes = SmallVec::new();
        let mut values = 0;
        for attribute in ber::elements(described.body) {
            attributes.push(Attribute::of(attribute?, dn, &mut values)?);
            if values + attributes.len() > limits.message_elements_max {
                return Err(format!("a message of more than {} elements", limits.message_elements_max));
            }
        }
        Ok(Self { dn, attributes })
    }

    /// The attributes of that name: several when options tell them apart.
    pub(super) fn attributes(&self, name: &str) -> impl Iterator<Item = &Attribute<'a>> {
        self.attributes.iter().filter(move |attribute| attribute.name.eq_ignore_ascii_case(name))
    }

    /// All values of that name.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.attributes(name).flat_map(Attribute::values)
    }

    /// The values that are text and not blank, trimmed.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.values(name)
            .filter_map(|value| std::str::from_utf8(value).ok())
            .map(str::trim)
            .filter(|text| !text.is_empty())
    }

    /// The one value of an attribute that has one; the first in sorted order where there are several.
    pub(super) fn one(&self, name: &str) -> Option<&'a str> {
        self.texts(name).min()
    }

    /// An integer attribute.
    ///
    /// # Errors
    /// A value that is no number.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, String> {
        let Some(value) = self.values(name).next() else { return Ok(None) };
        let text = std::str::from_utf8(value).unwrap_or_default().trim();
        text.parse()
            .map(Some)
            .map_err(|_| format!("{name} of {:?} is {:?}, which is no number", self.dn, String::from_utf8_lossy(value)))
    }
}

impl<'a> Attribute<'a> {
    fn of(attribute: Element<'a>, dn: &str, count: &mut usize) -> Result<Self, String> {
        let mut parts = ber::elements(attribute.body);
        let name = parts.next().ok_or("an attribute without a name")??;
        let values = parts.next().ok_or("an attribute without values")??;
        let description = ber::text(name, ber::OCTET_STRING, "name of an attribute")?;
        let mut are_values = attribute.tag == ber::SEQUENCE && values.tag == ber::SET && parts.next().is_none();
        for value in ber::elements(values.body) {
            are_values &= value?.tag == ber::OCTET_STRING;
            *count += 1;
        }
        if !are_values {
            return Err("a malformed attribute".to_owned());
        }
        let (name, options) = description.split_once(';').unwrap_or((description, ""));
        let mut range = None;
        for option in options.split(';') {
            if option.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("range=")) {
                let parsed = Range::parse(option.get(6..).unwrap_or_default());
                range = Some(parsed.ok_or_else(|| format!("{dn:?} with the unreadable attribute {description:?}"))?);
            }
        }
        Ok(Self { name, range, values: values.body })
    }

    /// The values, in the server's order.
    pub(super) fn values(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        ber::elements(self.values).map_while(Result::ok).map(|value| value.body)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;
    use ber::encode;

    /// The body of an entry with these attributes.
    pub(in super::super) fn encoded(dn: &str, attributes: &[(&str, &[&[u8]])]) -> Vec<u8> {
        let octets = |bytes: &[u8]| encode(ber::OCTET_STRING, bytes);
        let attribute = |(name, values): &(&str, &[&[u8]])| {
            let values: Vec<u8> = values.iter().flat_map(|value| octets(value)).collect();
            encode(ber::SEQUENCE, &[octets(name.as_bytes()), encode(ber::SET, &values)].concat())
        };
        let attributes: Vec<u8> = attributes.iter().flat_map(attribute).collect();
        [octets(dn.as_bytes()), encode(ber::SEQUENCE, &attributes)].concat()
    }

    /// An entry with these attributes; its bytes stay until the test ends.
    pub(in super::super) fn entry(dn: &str, attributes: &[(&str, &[&[u8]])]) -> Entry<'static> {
        let body = encoded(dn, attributes).leak();
        Entry::of(Element { tag: ber::SEARCH_ENTRY, body }, &ReadLimits::default()).unwrap()
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

    #[test]
    fn what_is_no_entry_is_told() {
        let octets = |bytes: &[u8]| encode(ber::OCTET_STRING, bytes);
        let attribute = |name: &[u8], set: u8, values: &[u8]| {
            [octets(b"cn=a"), encode(ber::SEQUENCE, &encode(ber::SEQUENCE, &[name, &encode(set, values)].concat()))]
                .concat()
        };
        let limits = ReadLimits { message_elements_max: 3, ..ReadLimits::default() };
        for (body, words) in [
            (Vec::new(), "without a name"),
            (octets(b"cn=\xff"), "not UTF-8"),
            (octets(b"cn=a"), "without attributes"),
            ([octets(b"cn=a"), encode(ber::SET, b"")].concat(), "malformed entry"),
            ([octets(b"cn=a"), encode(ber::SEQUENCE, b""), octets(b"")].concat(), "malformed entry"),
            ([octets(b"cn=a"), encode(ber::SEQUENCE, &encode(ber::SEQUENCE, b""))].concat(), "without a name"),
            (attribute(&octets(b"a"), ber::SEQUENCE, b""), "malformed attribute"),
            (attribute(&octets(b"a"), ber::SET, &encode(ber::INTEGER, b"")), "malformed attribute"),
            (attribute(&octets(b"a"), ber::SET, &[4, 9, 1]), "where 1 are left"),
            (attribute(&octets(b"a;range=5-1"), ber::SET, b""), "unreadable attribute"),
            (attribute(&octets(b"a"), ber::SET, &octets(b"").repeat(4)), "more than 3 elements"),
        ] {
            let found = Entry::of(Element { tag: ber::SEARCH_ENTRY, body: &body }, &limits).unwrap_err();
            assert!(found.contains(words), "{found:?} and not {words:?}");
        }
    }
}
