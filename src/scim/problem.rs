//! An error of SCIM: what stands in the body, whoever sends it (RFC 7644 3.12; RFC 9865 adds three types).

use super::ERROR;
use serde_json::{Value, json};
use std::fmt;

/// Longest detail that is taken from somebody else's error, in characters.
const DETAIL_CHARS_MAX: usize = 1_000;

/// The keyword that says what kind of error it is (RFC 7644 table 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScimType {
    /// A filter that cannot be read, or compares what cannot be compared.
    InvalidFilter,
    /// More results than the server is willing to find.
    TooMany,
    /// Somebody else has that value.
    Uniqueness,
    /// An attribute that cannot be changed, or cannot be taken away.
    Mutability,
    /// The body is not what it should be.
    InvalidSyntax,
    /// The path of a change makes no sense.
    InvalidPath,
    /// The path of a change leads to nothing.
    NoTarget,
    /// A value that the attribute cannot have.
    InvalidValue,
    /// A protocol version that is not spoken.
    InvalidVers,
    /// Something that must not stand in a URL.
    Sensitive,
    /// A cursor that the server did not give (RFC 9865).
    InvalidCursor,
    /// A cursor that has become old (RFC 9865).
    ExpiredCursor,
    /// A count that the server does not take (RFC 9865).
    InvalidCount,
}

impl ScimType {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::InvalidFilter,
        Self::TooMany,
        Self::Uniqueness,
        Self::Mutability,
        Self::InvalidSyntax,
        Self::InvalidPath,
        Self::NoTarget,
        Self::InvalidValue,
        Self::InvalidVers,
        Self::Sensitive,
        Self::InvalidCursor,
        Self::ExpiredCursor,
        Self::InvalidCount,
    ];

    /// As it stands in a body.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::InvalidVers => "invalidVers",
            Self::Sensitive => "sensitive",
            Self::InvalidCursor => "invalidCursor",
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCount => "invalidCount",
        }
    }

    /// The type of that keyword.
    pub fn named(keyword: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.keyword() == keyword)
    }
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The kind, where there is a keyword for it.
    pub scim_type: Option<ScimType>,
    /// Why, for a person.
    pub detail: String,
}

impl Problem {
    /// With that status, and no keyword.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self { status, scim_type: None, detail: detail.into() }
    }

    /// A request that makes no sense (400).
    pub fn bad(scim_type: ScimType, detail: impl Into<String>) -> Self {
        Self { status: 400, scim_type: Some(scim_type), detail: detail.into() }
    }

    /// As a body. The status is a text there (RFC 7644 3.12).
    pub fn body(&self) -> Value {
        let Self { status, scim_type, detail } = self;
        let mut body = json!({"schemas": [ERROR], "status": status.to_string(), "detail": detail});
        if let (Some(scim_type), Some(members)) = (scim_type, body.as_object_mut()) {
            members.insert("scimType".to_owned(), Value::from(scim_type.keyword()));
        }
        body
    }

    /// Somebody else's body. `None` when it is no error of SCIM; of the status, the one of HTTP counts.
    pub fn read(status: u16, body: &Value) -> Option<Self> {
        let is_error = body.get("schemas")?.as_array()?.iter().any(|urn| urn == ERROR);
        let scim_type = body.get("scimType").and_then(Value::as_str).and_then(ScimType::named);
        let detail = body.get("detail").and_then(Value::as_str).unwrap_or_default();
        let detail = detail.chars().take(DETAIL_CHARS_MAX).collect();
        is_error.then_some(Self { status, scim_type, detail })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, scim_type, detail } = self;
        match scim_type {
            Some(scim_type) => write!(f, "{status} {}: {detail}", scim_type.keyword()),
            None => write!(f, "{status}: {detail}"),
        }
    }
}

impl std::error::Error for Problem {}
