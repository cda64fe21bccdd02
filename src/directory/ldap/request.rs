//! Our own requests in BER (RFC 4511).

use super::ber::{self, encode};
use super::session::Search;
use lber::structure::{PL, StructureTag};
use lber::structures::ASNTag;

/// A control of a request (RFC 4511 4.1.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Control {
    /// Its type.
    pub(super) oid: &'static str,
    /// Whether the server must refuse the request when it does not know the control.
    pub(super) critical: bool,
    /// Its value, encoded.
    pub(super) value: Option<Vec<u8>>,
}

impl Control {
    /// One without which the answer would mean something else.
    pub(super) fn critical(oid: &'static str, value: Option<Vec<u8>>) -> Self {
        Self { oid, critical: true, value }
    }
}

/// BindRequest with a password (RFC 4511 4.2).
pub(super) fn bind(id: u32, name: &str, password: &str) -> Vec<u8> {
    let version = [0x02, 0x01, 0x03];
    let name = encode(ber::OCTET_STRING, name.as_bytes());
    let password = encode(0x80, password.as_bytes());
    message(id, &encode(ber::BIND_REQUEST, &[&version[..], &name, &password].concat()), &[])
}

/// UnbindRequest (RFC 4511 4.3).
pub(super) fn unbind(id: u32) -> Vec<u8> {
    message(id, &[0x42, 0x00], &[])
}

/// SearchRequest (RFC 4511 4.5.1), without limits of its own: ours are kept on our side.
///
/// # Errors
/// The filter is none.
pub(super) fn search(id: u32, search: &Search<'_>, controls: &[Control]) -> Result<Vec<u8>, String> {
    let scope = if search.base_only { 0 } else { 2 };
    let mut body = encode(ber::OCTET_STRING, search.base.as_bytes());
    // Scope, no dereferencing of aliases, no limits of size and time, values and types.
    body.extend([0x0a, 1, scope, 0x0a, 1, 0, 0x02, 1, 0, 0x02, 1, 0, 0x01, 1, 0]);
    body.extend(filter(search.filter)?);
    let attributes = search.attributes.iter().flat_map(|name| encode(ber::OCTET_STRING, name.as_bytes()));
    body.extend(encode(ber::SEQUENCE, &attributes.collect::<Vec<u8>>()));
    Ok(message(id, &encode(ber::SEARCH_REQUEST, &body), controls))
}

/// A filter in the string form of RFC 4515.
fn filter(text: &str) -> Result<Vec<u8>, String> {
    let parsed = ldap3::parse_filter(text).map_err(|()| format!("{text:?} is not an LDAP filter"))?;
    Ok(written(parsed.into_structure()))
}

/// The elements of a filter; none of them has a number above 30, so each tag is one byte.
fn written(StructureTag { class, id, payload }: StructureTag) -> Vec<u8> {
    let number = (class as u8) << 6 | (id as u8 & ber::NUMBER);
    match payload {
        PL::P(bytes) => encode(number, &bytes),
        PL::C(parts) => encode(number | ber::CONSTRUCTED, &parts.into_iter().flat_map(written).collect::<Vec<u8>>()),
    }
}

fn message(id: u32, operation: &[u8], controls: &[Control]) -> Vec<u8> {
    let mut body = ber::integer(i64::from(id));
    body.extend(operation);
    if !controls.is_empty() {
        body.extend(encode(ber::CONTROLS, &controls.iter().flat_map(control).collect::<Vec<u8>>()));
    }
    encode(ber::SEQUENCE, &body)
}

fn control(Control { oid, critical, value }: &Control) -> Vec<u8> {
    let mut body = encode(ber::OCTET_STRING, oid.as_bytes());
    if *critical {
        body.extend([0x01, 1, 0xff]);
    }
    if let Some(value) = value {
        body.extend(encode(ber::OCTET_STRING, value));
    }
    encode(ber::SEQUENCE, &body)
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
