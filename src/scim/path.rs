//! Names of attributes, and where a change of PATCH goes (RFC 7644 3.5.2 figure 7, 3.10).

use super::filter::{self, Filter};
use super::problem::{Problem, ScimType};
use super::schema::{Attribute, Shape};
use std::fmt;

/// The longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 2 * 1024;

/// The name of an attribute: `userName`, `name.givenName`, or with the URN of its schema before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributePath {
    /// The schema, where it is named.
    pub urn: Option<String>,
    /// The attribute.
    pub name: String,
    /// A part of it.
    pub part: Option<String>,
}

impl AttributePath {
    /// Reads one; `None` where it is none. A URN has dots, so that the last colon parts it from the name.
    pub fn parse(text: &str) -> Option<Self> {
        let (urn, rest) = match text.rsplit_once(':') {
            Some((urn, rest)) if urn.to_ascii_lowercase().starts_with("urn:") => (Some(urn.to_owned()), rest),
            Some(_) => return None,
            None => (None, text),
        };
        let (name, part) = match rest.split_once('.') {
            Some((name, part)) => (name, Some(part)),
            None => (rest, None),
        };
        if !is_name(name) || !part.is_none_or(is_name) {
            return None;
        }
        Some(Self { urn, name: name.to_owned(), part: part.map(str::to_owned) })
    }

    /// What it names: the attribute, and the part of it if one is named.
    pub fn resolve<'s>(&self, shape: &'s Shape) -> Option<(&'s Attribute, Option<&'s Attribute>)> {
        let attribute = shape.find(self.urn.as_deref(), &self.name)?;
        match &self.part {
            None => Some((attribute, None)),
            Some(part) => Some((attribute, Some(attribute.part(part)?))),
        }
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { urn, name, part } = self;
        if let Some(urn) = urn {
            write!(f, "{urn}:")?;
        }
        f.write_str(name)?;
        part.as_ref().map_or(Ok(()), |part| write!(f, ".{part}"))
    }
}

/// A letter, then letters, digits, `-` and `_` (RFC 7643 2.1); `$ref` is the one that begins otherwise.
fn is_name(text: &str) -> bool {
    let rest = text.strip_prefix('$').unwrap_or(text);
    rest.starts_with(|c: char| c.is_ascii_alphabetic())
        && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// Where a change goes: `members`, `name.givenName`, `emails[type eq "work"].value`, or a whole extension.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// All of an extension, by its URN.
    Extension(String),
    /// An attribute, or a part of it.
    Attribute(AttributePath),
    /// Those values of an attribute with several that fit, or a part of each.
    Values {
        /// Which attribute; its part is the one behind the bracket.
        path: AttributePath,
        /// Which values.
        filter: Box<Filter>,
    },
}

impl Target {
    /// Reads a path.
    ///
    /// # Errors
    /// `invalidPath`, and `invalidFilter` for what is in the bracket.
    pub fn parse(text: &str, shape: &Shape) -> Result<Self, Problem> {
        let wrong = || Problem::bad(ScimType::InvalidPath, format!("{text:?} is not the path of an attribute"));
        if text.len() > PATH_BYTES_MAX {
            let detail = format!("a path has at most {PATH_BYTES_MAX} bytes");
            return Err(Problem::bad(ScimType::InvalidPath, detail));
        }
        let text = text.trim();
        if let Some(extension) = shape.extension(text) {
            return Ok(Self::Extension(extension.id.clone()));
        }
        let Some(open) = text.find('[') else {
            return AttributePath::parse(text).map(Self::Attribute).ok_or_else(wrong);
        };
        // A bracket in a text within the filter is not the last one, unless nothing closes it.
        let close = text.rfind(']').filter(|close| *close > open).ok_or_else(wrong)?;
        let mut path = AttributePath::parse(&text[..open]).filter(|path| path.part.is_none()).ok_or_else(wrong)?;
        path.part = match &text[close + 1..] {
            "" => None,
            rest => Some(rest.strip_prefix('.').filter(|part| is_name(part)).ok_or_else(wrong)?.to_owned()),
        };
        let filter = filter::parse(&text[open + 1..close])?;
        Ok(Self::Values { path, filter: Box::new(filter) })
    }
}
