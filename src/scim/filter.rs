//! The filter (RFC 7644 3.4.2.2): which resources are meant.
//!
//! | file | what is in it |
//! |---|---|
//! | `read` | from the text |
//! | `matches` | whether a resource fits |
//!
//! `not` binds tighter than `and`, `and` tighter than `or`; names and operators are compared without case. Law: a filter
//! written with `Display` and read again is the same filter.

mod matches;
mod read;

pub use read::parse;

use super::path::AttributePath;
use serde_json::Value;
use std::fmt;

/// The longest filter, in bytes.
pub const FILTER_BYTES_MAX: usize = 8 * 1024;
/// How deep brackets and parentheses may stand in each other.
pub const FILTER_DEPTH_MAX: usize = 16;
/// Most comparisons in one filter: each resource is held against each of them.
pub const FILTER_TERMS_MAX: usize = 100;

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// One of these; two at least.
    Or(Vec<Filter>),
    /// All of these; two at least.
    And(Vec<Filter>),
    /// Not this one.
    Not(Box<Filter>),
    /// `pr`: there is a value, and it is not empty.
    Present(AttributePath),
    /// The value is so.
    Compare(AttributePath, Operator, Literal),
    /// One value of a list fits as a whole: `emails[type eq "work" and value co "@corp"]`.
    Within(AttributePath, Box<Filter>),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal. Of a list: none of its values is equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater than.
    Gt,
    /// Greater or equal.
    Ge,
    /// Less than.
    Lt,
    /// Less or equal.
    Le,
}

impl Operator {
    /// All of them.
    pub const ALL: [Self; 9] =
        [Self::Eq, Self::Ne, Self::Co, Self::Sw, Self::Ew, Self::Gt, Self::Ge, Self::Lt, Self::Le];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }
}

/// What a value is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`: no value.
    Null,
    /// `true`, `false`.
    Boolean(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
}

impl Filter {
    /// How many comparisons it makes of one value at most.
    pub fn terms(&self) -> usize {
        match self {
            Self::Or(terms) | Self::And(terms) => terms.iter().map(Self::terms).sum(),
            Self::Not(term) | Self::Within(_, term) => term.terms(),
            Self::Present(_) | Self::Compare(..) => 1,
        }
    }

    /// `attribute eq "text"`.
    pub fn equals(name: &str, text: &str) -> Self {
        let path = AttributePath { urn: None, name: name.to_owned(), part: None };
        Self::Compare(path, Operator::Eq, Literal::Text(text.to_owned()))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, terms: &[Filter], word: &str| {
            for (at, term) in terms.iter().enumerate() {
                if at > 0 {
                    write!(f, " {word} ")?;
                }
                match term {
                    // What binds less tightly, and what would melt into the list around it.
                    Self::Or(_) | Self::And(_) => write!(f, "({term})")?,
                    Self::Not(_) | Self::Present(_) | Self::Compare(..) | Self::Within(..) => write!(f, "{term}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::Or(terms) => joined(f, terms, "or"),
            Self::And(terms) => joined(f, terms, "and"),
            Self::Not(term) => write!(f, "not ({term})"),
            Self::Present(path) => write!(f, "{path} pr"),
            Self::Compare(path, operator, literal) => write!(f, "{path} {} {literal}", operator.word()),
            Self::Within(path, filter) => write!(f, "{path}[{filter}]"),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(it) => write!(f, "{it}"),
            Self::Number(it) => write!(f, "{it}"),
            Self::Text(it) => write!(f, "{}", Value::from(it.as_str())),
        }
    }
}
