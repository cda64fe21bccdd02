//! One request as a value, and whether it may be said twice.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use std::fmt::{Debug, Display};
use std::hash::Hash;

/// Everything but the unreserved characters (RFC 3986 2.3), as SigV4 wants it, too.
pub(in crate::accounts) const RESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a protocol asks for, in few fixed words: what metrics count.
pub(in crate::accounts) trait Operation:
    Copy + Debug + Display + Eq + Hash + Send + Sync + 'static
{
    /// In a word.
    fn name(self) -> &'static str;
}

/// One call, ready to be sent as often as needed.
#[derive(Clone, Debug)]
pub(in crate::accounts) struct Call<O> {
    /// What is asked for.
    pub(in crate::accounts) operation: O,
    /// How HTTP calls it.
    pub(in crate::accounts) method: Method,
    /// What stands behind the address of the server, percent-encoded.
    pub(in crate::accounts) target: String,
    /// What is sent along.
    pub(in crate::accounts) body: Option<Vec<u8>>,
    /// The version that is changed, and no other (RFC 9110 13.1.1), where the protocol has versions.
    pub(in crate::accounts) if_match: Option<String>,
    /// Whether it may be sent again when it may have been done: it says what shall be, not what to do.
    pub(in crate::accounts) absolute: bool,
}
