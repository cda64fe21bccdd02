//! Distinguished names, compared as names and not as text.
//!
//! A key is again a distinguished name, written in one way only: types as short names in lower case, values prepared
//! for caseIgnoreMatch and escaped only where needed, attributes of one RDN sorted. So equal keys mean equal names.

mod parse;
mod prepare;

use parse::{Attribute, Value};
use std::fmt::{self, Write};
use std::sync::Arc;

/// A distinguished name as the directory wrote it, with its normalised form beside it.
#[derive(Clone)]
pub struct Dn {
    text: Arc<str>,
    key: DnKey,
}

/// The normalised form of a distinguished name: equal keys mean equal names (distinguishedNameMatch, RFC 4517 4.2.15).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DnKey(Arc<str>);

/// Begins the key of a text that is no name. No attribute type begins with it, hence no key of a name.
const NOT_A_NAME: char = '?';

impl Dn {
    /// Any text a server sends is taken as a name; see [`DnKey::of`] for what becomes of a text that is none.
    pub fn new(text: &str) -> Self {
        let key = DnKey::of(text);
        let text = if key.as_str() == text { key.0.clone() } else { text.into() };
        Self { text, key }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Normalised.
    pub fn key(&self) -> &DnKey {
        &self.key
    }

    /// The value of the first RDN (its first attribute as written), without escapes: what people call the entry.
    /// `None` when the text is no name, is empty, or the value is no text.
    pub fn rdn_value(&self) -> Option<String> {
        let mut rdns = parse::name(&self.text)?.into_iter();
        match rdns.next()?.into_iter().next()?.value {
            Value::Text(text) => Some(text),
            Value::Encoded(_) => None,
        }
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
    let mut is_lower = true;
    let mut in_type = true;
    let mut start = 0; // Where the current type or value begins.
    let mut before = b','; // A separator, so that a blank in front is seen as one beside a separator.
    for (index, byte) in text.bytes().enumerate() {
        is_lower &= !byte.is_ascii_uppercase();
        match byte {
            b'=' if in_type => {
                // Longer names and dotted ones may be another spelling of a short one.
                if !is_settled_type(text.get(start..index)?) {
                    return None;
                }
                (in_type, start) = (false, index + 1);
            }
            b',' if !in_type && before != b' ' => (in_type, start) = (true, index + 1),
            b' ' if in_type || index == start || before == b' ' => return None,
            b'#' if index == start => return None,
            b'\\' | b'"' | b'+' | b';' | b',' | 0..=0x1f | 0x7f.. => return None,
            _ => {}
        }
        before = byte;
    }
    if in_type || before == b' ' {
        return None;
    }
    Some(DnKey(if is_lower { text.into() } else { text.to_ascii_lowercase().into() }))
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
        self.key == other.key
    }
}
impl Eq for Dn {}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for DnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
