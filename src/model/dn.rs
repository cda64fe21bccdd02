//! Distinguished names, compared as names and not as text.
//!
//! A key is again a distinguished name, written in one way only: types as short names in lower case, values prepared
//! for caseIgnoreMatch and escaped only where needed, attributes of one RDN sorted. So equal keys mean equal names.

mod parse;
mod prepare;

use compact_str::CompactString;
use parse::{Attribute, Value};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::{self, Write};
use std::sync::Arc;

/// A distinguished name as the directory wrote it; its normalised form is made when it is wanted.
///
/// What it stands in is kept apart: the many entries of one container share that text (see [`Containers`]).
#[derive(Clone)]
pub struct Dn {
    /// Up to the first separator; all of it where there is none.
    first: CompactString,
    /// What follows that separator; never empty.
    above: Option<Arc<str>>,
}

/// The normalised form of a distinguished name: equal keys mean equal names (distinguishedNameMatch, RFC 4517 4.2.15).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DnKey(Arc<str>);

/// Names of containers, each kept once however many entries stand in it.
#[derive(Debug, Default)]
pub struct Containers(HashSet<Arc<str>>);

/// Names up to this length, in bytes, are normalised without an allocation.
const QUICK_BYTES_MAX: usize = 256;

/// Begins the key of a text that is no name. No attribute type begins with it, hence no key of a name.
const NOT_A_NAME: char = '?';

impl Dn {
    /// Any text a server sends is taken as a name; see [`DnKey::of`] for what becomes of a text that is none.
    pub fn new(text: &str) -> Self {
        let (first, above) = split(text);
        Self { first: first.into(), above: above.map(Arc::from) }
    }

    /// As written.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.above {
            None => Cow::Borrowed(&self.first),
            Some(_) => Cow::Owned(self.to_string()),
        }
    }

    /// Its length as written, in bytes.
    pub fn text_bytes(&self) -> usize {
        self.first.len() + self.above.as_ref().map_or(0, |above| above.len() + 1)
    }

    /// Normalised.
    pub fn key(&self) -> DnKey {
        self.with_key(|key| DnKey(key.into()))
    }

    /// Whether this is its normalised form.
    pub fn has_key(&self, key: &DnKey) -> bool {
        self.with_key(|own| own == key.as_str())
    }

    /// What `use_it` makes of the text of the normalised form, which for nearly all names is written nowhere for it.
    pub fn with_key<T>(&self, use_it: impl FnOnce(&str) -> T) -> T {
        let mut buffer = [0; QUICK_BYTES_MAX];
        match self.quick_key(&mut buffer) {
            Some(key) => use_it(key),
            None => use_it(DnKey::of(&self.text()).as_str()),
        }
    }

    /// As [`plain`], for both parts: a name is plain when they are.
    fn quick_key<'b>(&self, buffer: &'b mut [u8; QUICK_BYTES_MAX]) -> Option<&'b str> {
        let mut length = 0;
        for part in [Some(self.first.as_str()), self.above.as_deref()].into_iter().flatten() {
            if !is_plain(part) {
                return None;
            }
            if length > 0 {
                *buffer.get_mut(length)? = b',';
                length += 1;
            }
            let place = buffer.get_mut(length..length + part.len())?;
            place.copy_from_slice(part.as_bytes());
            place.make_ascii_lowercase();
            length += part.len();
        }
        std::str::from_utf8(buffer.get(..length)?).ok()
    }

    /// Whether it is written letter for letter like the other.
    pub fn is_written_like(&self, other: &Self) -> bool {
        self.first == other.first && self.above == other.above
    }

    /// Shares the text of the container with `other`, where it is the same.
    pub fn share_container_of(&mut self, other: &Self) {
        if self.above == other.above {
            self.above.clone_from(&other.above);
        }
    }

    /// The value of the first RDN (its first attribute as written), without escapes: what people call the entry.
    /// `None` when the text is no name, is empty, or the value is no text.
    pub fn rdn_value(&self) -> Option<String> {
        let text = self.text();
        let mut rdns = parse::name(&text)?.into_iter();
        match rdns.next()?.into_iter().next()?.value {
            Value::Text(text) => Some(text),
            Value::Encoded(_) => None,
        }
    }
}

/// The text up to the first separator and what follows it. Where quotes make that hard to tell, all is the first part: the
/// parts are for keeping, and mean nothing.
fn split(text: &str) -> (&str, Option<&str>) {
    let mut is_escaped = false;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => break,
            b',' => match (text.get(..index), text.get(index + 1..)) {
                (Some(first), Some(above)) if !above.is_empty() => return (first, Some(above)),
                (_, _) => break,
            },
            _ => {}
        }
    }
    (text, None)
}

impl Containers {
    /// As [`Dn::new`], with the text of its container shared.
    pub fn dn(&mut self, text: &str) -> Dn {
        let (first, above) = split(text);
        let above = above.map(|above| match self.0.get(above) {
            Some(known) => known.clone(),
            None => self.keep(above.into()),
        });
        Dn { first: first.into(), above }
    }

    /// Shares the text of its container, where nobody shares it yet.
    pub fn share(&mut self, dn: &mut Dn) {
        if let Some(above) = dn.above.as_mut().filter(|above| Arc::strong_count(above) == 1) {
            *above = match self.0.get(&**above) {
                Some(known) => known.clone(),
                None => self.keep(above.clone()),
            };
        }
    }

    fn keep(&mut self, above: Arc<str>) -> Arc<str> {
        self.0.insert(above.clone());
        above
    }
}

impl DnKey {
    /// Normalises. A text that does not parse keeps its own letters in lower case: it then equals only itself.
    pub fn of(text: &str) -> Self {
        if let Some(key) = plain(text) {
            return key;
        }
        Self(thorough(text).unwrap_or_else(|| format!("{NOT_A_NAME}{}", text.to_lowercase())).into())
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the text it was made of is a distinguished name (RFC 4514). The empty name is one: the root.
    pub fn is_name(&self) -> bool {
        !self.0.starts_with(NOT_A_NAME)
    }

    /// Whether it stands below `base`, at any depth; a name is not below itself.
    pub fn is_below(&self, base: &DnKey) -> bool {
        if !self.is_name() || !base.is_name() || self.0.len() <= base.0.len() {
            return false;
        }
        let Some(above) = self.0.strip_suffix(base.as_str()) else { return false };
        base.0.is_empty() || above.strip_suffix(',').is_some_and(|rdns| !ends_escaped(rdns))
    }

    /// Whether it stands for a member of another domain: `CN=S-1-…` directly below `CN=ForeignSecurityPrincipals`
    /// (MS-ADTS 6.1.1.4.10). What it stands for cannot be read here.
    pub fn is_foreign_principal(&self) -> bool {
        let Some((digits, above)) = self.0.strip_prefix("cn=s-1-").and_then(|rest| rest.split_once(',')) else {
            return false;
        };
        let above = above.strip_prefix("cn=foreignsecurityprincipals");
        !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
            && above.is_some_and(|rest| rest.is_empty() || rest.starts_with(','))
    }
}

/// Whether what follows `text` is escaped by it: an odd number of backslashes at its end.
fn ends_escaped(text: &str) -> bool {
    text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// The key of a name that has nothing special in it, as nearly all names have: only letter case can differ.
/// `None` says nothing but that [`thorough`] must look.
fn plain(text: &str) -> Option<DnKey> {
    is_plain(text).then(|| DnKey(text.to_ascii_lowercase().into()))
}

/// Whether [`plain`] can tell the key.
fn is_plain(text: &str) -> bool {
    let mut in_type = true;
    let mut start = 0; // Where the current type or value begins.
    let mut before = b','; // A separator, so that a blank in front is seen as one beside a separator.
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'=' if in_type => {
                // Longer names and dotted ones may be another spelling of a short one.
                if !text.get(start..index).is_some_and(is_settled_type) {
                    return false;
                }
                (in_type, start) = (false, index + 1);
            }
            b',' if !in_type && before != b' ' => (in_type, start) = (true, index + 1),
            b' ' if in_type || index == start || before == b' ' => return false,
            b'#' if index == start => return false,
            b'\\' | b'"' | b'+' | b';' | b',' | 0..=0x1f | 0x7f.. => return false,
            _ => {}
        }
        before = byte;
    }
    !in_type && before != b' '
}

/// Whether this spelling of a type, but for its letter case, is the one keys use.
fn is_settled_type(text: &str) -> bool {
    (matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_alphabetic()))
        || text.eq_ignore_ascii_case("uid")
}

/// The key of any name; `None` when it is none.
fn thorough(text: &str) -> Option<String> {
    let mut key = String::with_capacity(text.len());
    for (index, rdn) in parse::name(text)?.into_iter().enumerate() {
        let mut attributes: Vec<String> = rdn.iter().map(written).collect();
        attributes.sort_unstable();
        attributes.dedup();
        if index > 0 {
            key.push(',');
        }
        key.push_str(&attributes.join("+"));
    }
    Some(key)
}

/// One attribute of an RDN as keys write it.
fn written(attribute: &Attribute) -> String {
    let mut out = String::with_capacity(attribute.kind.len() + 16);
    out.push_str(&attribute.kind);
    out.push('=');
    match &attribute.value {
        Value::Encoded(bytes) => {
            out.push('#');
            // Writing to a string cannot fail.
            bytes.iter().for_each(|byte| write!(out, "{byte:02x}").unwrap_or_default());
        }
        Value::Text(text) => {
            for (index, letter) in prepare::case_ignore(text).chars().enumerate() {
                if matches!(letter, ',' | '+' | ';' | '"' | '\\') || (index == 0 && matches!(letter, '#' | ' ')) {
                    out.push('\\');
                }
                out.push(letter);
            }
        }
    }
    out
}

impl PartialEq for Dn {
    fn eq(&self, other: &Self) -> bool {
        self.is_written_like(other) || self.with_key(|own| other.with_key(|other| own == other))
    }
}
impl Eq for Dn {}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.first)?;
        self.above.iter().try_for_each(|above| write!(f, ",{above}"))
    }
}

impl fmt::Debug for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for DnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
