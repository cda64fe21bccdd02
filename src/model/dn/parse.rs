//! The text of a distinguished name (RFC 4514), taken apart.
//!
//! Accepts besides what older standards wrote: `;` between RDNs and blanks around separators (RFC 2253 4), quoted
//! values and `OID.` in front of a number (RFC 1779). Never panics; `None` means: this is no name.

use std::borrow::Cow;

/// Attribute types with several spellings: the short name of RFC 4519 that keys use, its number, its long name.
const TYPES: &[(&str, &str, &str)] = &[
    ("cn", "2.5.4.3", "commonname"),
    ("sn", "2.5.4.4", "surname"),
    ("serialnumber", "2.5.4.5", "serialnumber"),
    ("c", "2.5.4.6", "countryname"),
    ("l", "2.5.4.7", "localityname"),
    ("st", "2.5.4.8", "stateorprovincename"),
    ("street", "2.5.4.9", "streetaddress"),
    ("o", "2.5.4.10", "organizationname"),
    ("ou", "2.5.4.11", "organizationalunitname"),
    ("title", "2.5.4.12", "title"),
    ("givenname", "2.5.4.42", "gn"),
    ("initials", "2.5.4.43", "initials"),
    ("generationqualifier", "2.5.4.44", "generationqualifier"),
    ("dnqualifier", "2.5.4.46", "dnqualifier"),
    ("uid", "0.9.2342.19200300.100.1.1", "userid"),
    ("mail", "0.9.2342.19200300.100.1.3", "rfc822mailbox"),
    ("dc", "0.9.2342.19200300.100.1.25", "domaincomponent"),
];

/// One attribute of an RDN.
pub(super) struct Attribute<'a> {
    /// The type as keys write it.
    pub kind: Cow<'a, str>,
    /// The value.
    pub value: Value,
}

/// A value without its escapes.
pub(super) enum Value {
    /// Text, not yet prepared for matching.
    Text(String),
    /// The BER encoding of something that is no text (RFC 4514 2.4).
    Encoded(Vec<u8>),
}

/// The RDNs, the first first; an empty text is the empty name.
pub(super) fn name(text: &str) -> Option<Vec<Vec<Attribute<'_>>>> {
    let mut input = Input { text, at: 0 };
    let mut rdns = Vec::new();
    input.skip_blanks();
    if input.peek().is_none() {
        return Some(rdns);
    }
    loop {
        let mut rdn = vec![input.attribute()?];
        while input.peek() == Some(b'+') {
            input.at += 1;
            rdn.push(input.attribute()?);
        }
        rdns.push(rdn);
        match input.peek() {
            None => return Some(rdns),
            Some(b',' | b';') => input.at += 1,
            Some(_) => return None,
        }
    }
}

/// The text and how far it has been read; `at` is always on a character border.
struct Input<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Input<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// Up to a byte that is not `wanted`.
    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let taken = rest.get(..rest.bytes().take_while(|byte| wanted(*byte)).count()).unwrap_or_default();
        self.at += taken.len();
        taken
    }

    /// `type=value`, with the blanks around each part.
    fn attribute(&mut self) -> Option<Attribute<'a>> {
        self.skip_blanks();
        let kind = settled_type(self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.'))?;
        self.skip_blanks();
        if self.peek()? != b'=' {
            return None;
        }
        self.at += 1;
        self.skip_blanks();
        let value = match self.peek() {
            Some(b'#') => self.encoded_value()?,
            Some(b'"') => self.quoted_value()?,
            Some(_) | None => self.string_value()?,
        };
        Some(Attribute { kind, value })
    }

    /// Up to an unescaped separator; unescaped blanks at the end are not part of it.
    fn string_value(&mut self) -> Option<Value> {
        let mut bytes = Vec::new();
        let mut significant = 0; // Length without the unescaped blanks at the end.
        while let Some(byte) = self.peek() {
            match byte {
                b',' | b';' | b'+' => break,
                b'"' | 0 => return None,
                b'\\' => {
                    bytes.push(self.escaped()?);
                    significant = bytes.len();
                }
                _ => {
                    bytes.push(byte);
                    self.at += 1;
                    if byte != b' ' {
                        significant = bytes.len();
                    }
                }
            }
        }
        bytes.truncate(significant);
        Some(Value::Text(String::from_utf8(bytes).ok()?))
    }

    /// Between quotes, where separators mean nothing (RFC 1779 2.3).
    fn quoted_value(&mut self) -> Option<Value> {
        let mut bytes = Vec::new();
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => bytes.push(self.escaped()?),
                byte => {
                    bytes.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        self.skip_blanks();
        Some(Value::Text(String::from_utf8(bytes).ok()?))
    }

    /// `#` and the hexadecimal digits of a BER encoding.
    fn encoded_value(&mut self) -> Option<Value> {
        self.at += 1;
        let digits = self.take_while(|byte| byte.is_ascii_hexdigit());
        self.skip_blanks();
        let pairs = digits.as_bytes().as_chunks::<2>();
        if pairs.0.is_empty() || !pairs.1.is_empty() {
            return None;
        }
        let bytes: Vec<u8> = pairs.0.iter().map(|[high, low]| hex_pair(*high, *low)).collect::<Option<_>>()?;
        Some(string_of_ber(&bytes).map_or(Value::Encoded(bytes), Value::Text))
    }

    /// A backslash with what it escapes: one of the characters of RFC 4514 3, or a byte in hexadecimal.
    fn escaped(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        let first = *bytes.get(self.at + 1)?;
        if let b' ' | b'"' | b'#' | b'+' | b',' | b';' | b'<' | b'=' | b'>' | b'\\' = first {
            self.at += 2;
            return Some(first);
        }
        let byte = hex_pair(first, *bytes.get(self.at + 2)?)?;
        self.at += 3;
        Some(byte)
    }
}

/// One spelling a type: the short name if it has one, else itself in lower case. `None` when it is no type.
fn settled_type(written: &str) -> Option<Cow<'_, str>> {
    let lower: Cow<'_, str> = if written.bytes().any(|byte| byte.is_ascii_uppercase()) {
        written.to_ascii_lowercase().into()
    } else {
        written.into()
    };
    let number = lower.strip_prefix("oid.").unwrap_or(&lower);
    let is_number = number.starts_with(|first: char| first.is_ascii_digit());
    if is_number {
        let is_arc = |arc: &str| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit());
        if !number.split('.').all(is_arc) {
            return None;
        }
    } else if lower.contains('.') || !lower.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    let known = TYPES.iter().find(|(short, oid, long)| number == *oid || *lower == **short || *lower == **long);
    match known {
        Some((short, _, _)) => Some(Cow::Borrowed(short)),
        None if is_number && number.len() < lower.len() => Some(Cow::Owned(number.to_owned())),
        None => Some(lower),
    }
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// The text in a BER element, if it is a string type: OCTET STRING, UTF8String, PrintableString, IA5String (X.690 8.21).
fn string_of_ber(bytes: &[u8]) -> Option<String> {
    let (&[tag, length], rest) = bytes.split_first_chunk::<2>()?;
    if !matches!(tag, 0x04 | 0x0c | 0x13 | 0x16) {
        return None;
    }
    let (length, content) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x84 => {
            let (digits, content) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0, |sum: usize, byte| sum << 8 | usize::from(*byte)), content)
        }
        _ => return None,
    };
    if content.len() != length {
        return None;
    }
    String::from_utf8(content.to_vec()).ok()
}
