//! The BER of LDAP (RFC 4511 5.1): framing, the check that every message passes before anybody looks at it, and the few
//! elements that requests are made of.
//!
//! Whatever bytes come, nothing here panics, recurses deeper than a limit, or allocates.

use super::settings::ReadLimits;

/// INTEGER.
pub(super) const INTEGER: u8 = 0x02;
/// OCTET STRING.
pub(super) const OCTET_STRING: u8 = 0x04;
/// ENUMERATED.
pub(super) const ENUMERATED: u8 = 0x0a;
/// BOOLEAN.
pub(super) const BOOLEAN: u8 = 0x01;
/// SEQUENCE.
pub(super) const SEQUENCE: u8 = 0x30;
/// SET.
pub(super) const SET: u8 = 0x31;
/// The bit of a tag that says that elements are inside.
pub(super) const CONSTRUCTED: u8 = 0x20;
/// The bits of a tag that hold its number.
pub(super) const NUMBER: u8 = 0x1f;
/// Controls of a message, `[0]`.
pub(super) const CONTROLS: u8 = 0xa0;
/// A response name outside its response: Active Directory's Notice of Disconnection has it there.
const STRAY_RESPONSE_NAME: u8 = 0x8a;

/// BindRequest.
pub(super) const BIND_REQUEST: u8 = 0x60;
/// SearchRequest.
pub(super) const SEARCH_REQUEST: u8 = 0x63;
/// BindResponse.
pub(super) const BIND_RESPONSE: u8 = 0x61;
/// SearchResultEntry.
pub(super) const SEARCH_ENTRY: u8 = 0x64;
/// SearchResultDone.
pub(super) const SEARCH_DONE: u8 = 0x65;
/// SearchResultReference.
pub(super) const SEARCH_REFERENCE: u8 = 0x73;
/// ExtendedResponse.
pub(super) const EXTENDED_RESPONSE: u8 = 0x78;
/// IntermediateResponse.
pub(super) const INTERMEDIATE_RESPONSE: u8 = 0x79;

/// The longest cookie that is kept, in bytes. One of Active Directory grows with the number of domain controllers that there
/// ever were, by some 30 bytes for each.
pub(super) const COOKIE_BYTES_MAX: usize = 64 * 1024;

/// The beginning of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Class, constructed bit and number.
    pub(super) tag: u8,
    /// Bytes of tag and length.
    pub(super) length: usize,
    /// Bytes that follow.
    pub(super) body: usize,
}

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    /// Class, constructed bit and number.
    pub(super) tag: u8,
    /// What it holds.
    pub(super) body: &'a [u8],
}

/// A checked message of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// The request it answers; 0 for unsolicited notifications.
    pub(super) id: u32,
    /// The operation.
    pub(super) op: Element<'a>,
    /// The controls, one after another.
    pub(super) controls: &'a [u8],
}

/// The components of an `LDAPResult` (RFC 4511 4.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict<'a> {
    /// The result code.
    pub(super) code: u32,
    /// The server's text.
    pub(super) text: &'a str,
    /// The first of the URLs that it points to instead.
    pub(super) elsewhere: Option<&'a str>,
}

/// Reads tag and length; `None` while bytes are missing.
///
/// # Errors
/// A long tag, an indefinite length (both forbidden by RFC 4511 5.1) or a length of more than eight bytes.
pub(super) fn header(bytes: &[u8]) -> Result<Option<Header>, String> {
    let Some((&tag, rest)) = bytes.split_first() else { return Ok(None) };
    if tag & NUMBER == NUMBER {
        return Err(format!("a tag of several bytes (0x{tag:02x})"));
    }
    let Some((&first, rest)) = rest.split_first() else { return Ok(None) };
    if first < 0x80 {
        return Ok(Some(Header { tag, length: 2, body: usize::from(first) }));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 {
        return Err("an indefinite length".to_owned());
    }
    if count > 8 {
        return Err(format!("a length of {count} bytes"));
    }
    let Some(digits) = rest.get(..count) else { return Ok(None) };
    let body = digits.iter().fold(0_u64, |sum, digit| sum << 8 | u64::from(*digit));
    let body = usize::try_from(body).map_err(|_| format!("a length of {body} bytes"))?;
    Ok(Some(Header { tag, length: 2 + count, body }))
}

/// The length of the message that begins here, header included; `None` while its header is incomplete.
///
/// # Errors
/// What begins here is no LDAP message, or is longer than `most` bytes.
pub(super) fn frame(bytes: &[u8], most: usize) -> Result<Option<usize>, String> {
    match bytes.first() {
        None => return Ok(None),
        Some(&SEQUENCE) => {}
        Some(other) => return Err(format!("something that begins with byte 0x{other:02x} and is no LDAP message")),
    }
    let Some(header) = header(bytes)? else { return Ok(None) };
    match header.length.checked_add(header.body) {
        Some(whole) if whole <= most => Ok(Some(whole)),
        Some(_) | None => Err(format!("a message of {} bytes, more than the {most} allowed", header.body)),
    }
}

/// The elements inside `body`, in order; an `Err` ends it.
pub(super) fn elements(body: &[u8]) -> impl Iterator<Item = Result<Element<'_>, String>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let next = split(rest);
        rest = next.as_ref().map_or(&[], |(_, rest)| *rest);
        Some(next.map(|(element, _)| element))
    })
}

/// The first element of `bytes` and what follows it.
pub(super) fn split(bytes: &[u8]) -> Result<(Element<'_>, &[u8]), String> {
    let header = header(bytes)?.ok_or("an element cut off in its header")?;
    let rest = bytes.get(header.length..).unwrap_or_default();
    match (rest.get(..header.body), rest.get(header.body..)) {
        (Some(body), Some(rest)) => Ok((Element { tag: header.tag, body }, rest)),
        _ => Err(format!("an element of {} bytes where {} are left", header.body, rest.len())),
    }
}

/// Walks every element; gives their number.
fn walk(body: &[u8], depth: usize, limits: &ReadLimits, count: &mut usize) -> Result<(), String> {
    if depth > limits.depth_max {
        return Err(format!("elements nested deeper than {}", limits.depth_max));
    }
    for element in elements(body) {
        let element = element?;
        *count += 1;
        if *count > limits.message_elements_max {
            return Err(format!("a message of more than {} elements", limits.message_elements_max));
        }
        if element.tag & CONSTRUCTED != 0 {
            walk(element.body, depth + 1, limits, count)?;
        }
    }
    Ok(())
}

/// A message id or the like: not negative, at most 31 bits (RFC 4511 4.1.1.1).
pub(super) fn number(element: Element<'_>, tag: u8, what: &str) -> Result<u32, String> {
    match element.body {
        [first, ..] if element.tag == tag && *first < 0x80 && element.body.len() <= 4 => {
            Ok(element.body.iter().fold(0, |sum, digit| sum << 8 | u32::from(*digit)))
        }
        _ => Err(format!("a {what} that is no number from 0 to 2147483647")),
    }
}

/// The text of a primitive element of that tag.
pub(super) fn text<'a>(element: Element<'a>, tag: u8, what: &str) -> Result<&'a str, String> {
    if element.tag != tag {
        return Err(format!("a {what} with the tag 0x{:02x}", element.tag));
    }
    std::str::from_utf8(element.body).map_err(|_| format!("a {what} that is not UTF-8"))
}

/// The id of a whole message (as framed) and the tag of its operation.
///
/// # Errors
/// It has none.
pub(super) fn envelope(message: &[u8]) -> Result<(u32, u8), String> {
    let (outer, _) = split(message)?;
    let mut parts = elements(outer.body);
    let id = number(parts.next().ok_or("an empty message")??, INTEGER, "message id")?;
    let op = parts.next().ok_or("a message without an operation")??;
    Ok((id, op.tag))
}

/// Checks one whole message (as framed) of a server: the shape of RFC 4511, within the limits. The inside of an entry is
/// checked by whoever takes it apart ([`super::entry::Entry::of`]), so that it is walked once.
///
/// # Errors
/// What is wrong with it, as a noun phrase.
pub(super) fn check<'a>(message: &'a [u8], limits: &ReadLimits) -> Result<Message<'a>, String> {
    let (outer, rest) = split(message)?;
    if outer.tag != SEQUENCE || !rest.is_empty() {
        return Err("something that is no LDAP message".to_owned());
    }
    let mut parts = elements(outer.body);
    let id = parts.next().ok_or("an empty message")??;
    let id = number(id, INTEGER, "message id")?;
    let op = parts.next().ok_or("a message without an operation")??;
    let controls = match parts.next().transpose()? {
        None => &[][..],
        Some(Element { tag: CONTROLS, body }) => {
            walk(body, 2, limits, &mut 0)?;
            elements(body).try_for_each(|control| check_control(control?))?;
            body
        }
        Some(Element { tag: STRAY_RESPONSE_NAME, .. }) if id == 0 => &[],
        Some(Element { tag, .. }) => return Err(format!("a message with something of tag 0x{tag:02x} behind it")),
    };
    if parts.next().is_some() {
        return Err("a message with too many parts".to_owned());
    }
    if op.tag != SEARCH_ENTRY {
        walk(op.body, 2, limits, &mut 0)?;
    }
    match op.tag {
        BIND_RESPONSE | SEARCH_DONE | EXTENDED_RESPONSE => verdict(op.body).map(|_| ())?,
        SEARCH_REFERENCE => elements(op.body).try_for_each(|url| text(url?, OCTET_STRING, "reference").map(|_| ()))?,
        SEARCH_ENTRY | INTERMEDIATE_RESPONSE => {}
        tag => return Err(format!("an operation unknown in answers (tag 0x{tag:02x})")),
    }
    Ok(Message { id, op, controls })
}

/// The value of the control of that type among those of a checked message; empty where it has none.
pub(super) fn control<'a>(controls: &'a [u8], oid: &str) -> Option<&'a [u8]> {
    let parts = |control: Element<'a>| {
        let mut parts = elements(control.body).map_while(Result::ok);
        (parts.next().is_some_and(|name| name.body == oid.as_bytes()))
            .then(|| parts.find(|part| part.tag == OCTET_STRING))
    };
    elements(controls).map_while(Result::ok).find_map(parts).map(|value| value.map_or(&[][..], |value| value.body))
}

/// Reads the body of an `LDAPResult` and checks all that may follow it.
pub(super) fn verdict(body: &[u8]) -> Result<Verdict<'_>, String> {
    let mut parts = elements(body);
    let code = number(parts.next().ok_or("a result without a code")??, ENUMERATED, "result code")?;
    text(parts.next().ok_or("a result without a matched name")??, OCTET_STRING, "matched name")?;
    let said = parts.next().ok_or("a result without a text")??;
    let text_said = text(said, OCTET_STRING, "result text").map_err(|error| format!("result {code} with {error}"))?;
    let mut elsewhere = None;
    for part in parts {
        let part = part?;
        let constructed = part.tag & CONSTRUCTED != 0;
        match (part.tag & NUMBER, constructed) {
            (3, true) => {
                for url in elements(part.body) {
                    let url = text(url?, OCTET_STRING, "referral")?;
                    elsewhere.get_or_insert(url);
                }
            }
            (10, false) => text(part, part.tag, "response name").map(|_| ())?,
            (7 | 11, false) => {}
            (3 | 7 | 10 | 11, _) => return Err(format!("a result with a malformed part 0x{:02x}", part.tag)),
            _ => {}
        }
    }
    Ok(Verdict { code, text: text_said, elsewhere })
}

/// A control (RFC 4511 4.1.11): a type, perhaps a criticality, perhaps a value.
fn check_control(control: Element<'_>) -> Result<(), String> {
    let mut parts = elements(control.body);
    let oid = parts.next().ok_or("a control without a type")??;
    text(oid, OCTET_STRING, "type of a control")?;
    let mut next = parts.next().transpose()?;
    if let Some(Element { tag: BOOLEAN, body }) = next {
        if body.len() != 1 {
            return Err("a control with a malformed criticality".to_owned());
        }
        next = parts.next().transpose()?;
    }
    let value_fits = next.is_none_or(|value| value.tag == OCTET_STRING);
    if control.tag != SEQUENCE || !value_fits || parts.next().is_some() {
        return Err("a malformed control".to_owned());
    }
    Ok(())
}

/// The cookie of a paged results response (RFC 2696 2): SEQUENCE { INTEGER size, OCTET STRING cookie }.
pub(super) fn paged_cookie(value: &[u8]) -> Result<Vec<u8>, String> {
    let (outer, rest) = split(value)?;
    let mut parts = elements(outer.body);
    let (size, cookie) = (parts.next().transpose()?, parts.next().transpose()?);
    match (size, cookie, parts.next()) {
        (Some(size), Some(cookie), None)
            if outer.tag == SEQUENCE
                && rest.is_empty()
                && size.tag == INTEGER
                && !size.body.is_empty()
                && cookie.tag == OCTET_STRING =>
        {
            keep_cookie(cookie.body)
        }
        _ => Err("something that is no page size and cookie".to_owned()),
    }
}

/// What a server wants to be told again, and means nothing to us.
///
/// # Errors
/// It is longer than any has reason to be.
pub(super) fn keep_cookie(cookie: &[u8]) -> Result<Vec<u8>, String> {
    match cookie.len() {
        ..=COOKIE_BYTES_MAX => Ok(cookie.to_vec()),
        bytes => Err(format!("a cookie of {bytes} bytes, more than the {COOKIE_BYTES_MAX} allowed")),
    }
}

/// The value of a paged results request.
pub(super) fn paged_request(size: u32, cookie: &[u8]) -> Vec<u8> {
    encode(SEQUENCE, &[integer(i64::from(size)), encode(OCTET_STRING, cookie)].concat())
}

/// An INTEGER in as few bytes as it needs (X.690 8.3).
pub(super) fn integer(number: i64) -> Vec<u8> {
    let digits = number.to_be_bytes();
    // A byte in front is needless where it repeats the sign that the next one begins with.
    let needless =
        |pair: &&[u8]| matches!(pair, [0, next] if *next < 0x80) || matches!(pair, [0xff, next] if *next >= 0x80);
    let skip = digits.windows(2).take_while(needless).count();
    encode(INTEGER, digits.get(skip..).unwrap_or_default())
}

/// Tag, length, body.
pub(super) fn encode(tag: u8, body: &[u8]) -> Vec<u8> {
    let digits = minimal(body.len() as u64);
    let mut bytes = vec![tag];
    match digits[..] {
        [short] if short < 0x80 => bytes.push(short),
        _ => {
            bytes.push(0x80 | digits.len() as u8);
            bytes.extend_from_slice(&digits);
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

/// A number in as few bytes as it needs, at least one.
fn minimal(number: u64) -> Vec<u8> {
    let digits = number.to_be_bytes();
    let zeros = digits.iter().take(7).take_while(|digit| **digit == 0).count();
    digits[zeros..].to_vec()
}

#[cfg(test)]
#[path = "ber_tests.rs"]
mod tests;
