//! SigV4: what is signed, and the check of it (AWS "Signature Version 4" documentation, "Create a signed request").
//!
//! ```text
//! Authorization::of (the header) -> expect (scope) -> time (when) -> verify (is it by who has the secret?)
//! ```
//!
//! Signing is `aws-sigv4`'s, which has no check; the two are held against each other by the tests.
//!
//! Invariant: what [`Authorization::verify`] lets through says the same as what was signed. No byte of the method, the path
//! or the body differs; the query has the same names and values, in whatever order and encoding; headers with a meaning
//! (`host`, `content-type`, `x-amz-*`) are the same but for blanks.
//!
//! Deliberately absent: signatures in the query ("presigned" links, which outlive a request), session tokens, bodies that
//! are not signed or signed in chunks, and any knowledge of which keys there are.

use hmac::{Hmac, Mac};
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HOST};
use http::{HeaderMap, HeaderName, Method};
use jiff::{Timestamp, civil, tz::TimeZone};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// The one algorithm.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What a credential scope ends in.
const TERMINATOR: &str = "aws4_request";

/// Longest Authorization header, in bytes: SDKs send about 250.
pub const AUTHORIZATION_BYTES_MAX: usize = 4096;
/// Most headers that one signature covers: SDKs sign about five.
pub const SIGNED_HEADERS_MAX: usize = 64;
/// Longest access key id, in characters, as at AWS.
pub const KEY_ID_CHARS_MAX: usize = 128;

const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const X_AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Of what stands in a path or query: all but RFC 3986's unreserved characters is written `%XX`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same for a whole path, whose slashes stay.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// Why a request is not taken for signed: all of it is the client's to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No signature at all.
    #[error("the request is not signed: it has no Authorization header; give the client an access key and its secret")]
    Unsigned,
    /// A signature in the query.
    #[error("the signature is in the query: links signed beforehand are not accepted here, sign the request's headers")]
    Presigned,
    /// An Authorization header that is no SigV4.
    #[error("the Authorization header cannot be read: {0}")]
    Malformed(&'static str),
    /// Signed for another service, region or day.
    #[error("the request is signed for {what} {signed:?}, not {expected:?}; set it in the client")]
    Scope {
        /// Service, region or day.
        what: &'static str,
        /// As in the credential scope.
        signed: String,
        /// As it should be.
        expected: String,
    },
    /// A header that came, and whose meaning the signature does not cover.
    #[error("the header {0} is not signed: it has to be among SignedHeaders")]
    NotCovered(HeaderName),
    /// A header that must come, or is said to be signed, and did not come.
    #[error("the header {0} is missing, and it has to be signed")]
    Missing(HeaderName),
    /// A header that came twice, so that it is not said which one counts.
    #[error("the header {0} comes more than once")]
    Repeated(HeaderName),
    /// A time that is none.
    #[error("the header {0} is not a time such as 20261122T083336Z")]
    Time(HeaderName),
    /// Temporary credentials.
    #[error(
        "the request has a session token: the keys of this server have none, take it out of the client's credentials"
    )]
    SessionToken,
    /// Another path than clients and servers agree on.
    #[error("the path has an empty, `.` or `..` segment, which clients and proxies write in different ways")]
    Path,
    /// Another body than the one announced.
    #[error(
        "the header x-amz-content-sha256 is not the SHA-256 of the body: the body was changed, or it is not signed"
    )]
    Body,
    /// Not by who has the secret, or changed since.
    #[error(
        "the signature is not right: the key or its secret is wrong, or the request was changed on its way (a proxy must leave Host, path and query as they are)"
    )]
    Mismatch,
}

/// A request as it came.
#[derive(Clone, Copy)]
pub struct SignedRequest<'a> {
    /// GET, POST, …
    pub method: &'a Method,
    /// As sent, percent-encoded.
    pub path: &'a str,
    /// As sent, without the question mark; empty when there is none.
    pub query: &'a str,
    /// All of them.
    pub headers: &'a HeaderMap,
    /// All of it; empty when there is none.
    pub body: &'a [u8],
}

/// An Authorization header, read and not yet believed.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization {
    key_id: String,
    day: String,
    region: String,
    service: String,
    /// Lower case, sorted, each once.
    signed: Vec<HeaderName>,
    signature: [u8; 32],
}

/// Without the signature: as long as the request is young, it can be sent again by who reads it.
impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key_id, day, region, service, signed, signature: _ } = self;
        f.debug_struct("Authorization")
            .field("key_id", key_id)
            .field("scope", &format_args!("{day}/{region}/{service}"))
            .field("signed", signed)
            .finish_non_exhaustive()
    }
}

impl Authorization {
    /// Reads the one Authorization header of a request.
    pub fn of(headers: &HeaderMap, query: &str) -> Result<Self, SignatureError> {
        match only(headers, &AUTHORIZATION)? {
            Some(value) => {
                Self::parse(value.to_str().map_err(|_| SignatureError::Malformed("it has characters beyond ASCII"))?)
            }
            None if query.contains("X-Amz-Signature=") => Err(SignatureError::Presigned),
            None => Err(SignatureError::Unsigned),
        }
    }

    /// Reads `AWS4-HMAC-SHA256 Credential=<id>/<day>/<region>/<service>/aws4_request, SignedHeaders=<a;b>, Signature=<hex>`.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let malformed = SignatureError::Malformed;
        if text.len() > AUTHORIZATION_BYTES_MAX {
            return Err(malformed("it is too long"));
        }
        let rest = text.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with(' '));
        let rest = rest.ok_or(malformed("it does not begin with AWS4-HMAC-SHA256"))?;
        let (mut credential, mut signed, mut signature) = (None, None, None);
        for part in rest.split(',') {
            let (name, value) = part.trim().split_once('=').ok_or(malformed("it has a part without `=`"))?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed,
                "Signature" => &mut signature,
                _ => return Err(malformed("it has a part besides Credential, SignedHeaders and Signature")),
            };
            if place.replace(value).is_some() {
                return Err(malformed("it has a part twice"));
            }
        }
        let [key_id, day, region, service] = scope(credential.ok_or(malformed("it has no Credential"))?)?;
        Ok(Self {
            key_id: key_id.to_owned(),
            day: day.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed: signed_headers(signed.ok_or(malformed("it has no SignedHeaders"))?)?,
            signature: hex32(signature.ok_or(malformed("it has no Signature"))?)
                .ok_or(malformed("its Signature is not 64 hexadecimal digits in lower case"))?,
        })
    }

    /// The id of the key that it is said to be signed with: letters, digits and underscores only.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The first half of the signature: enough to know one by.
    pub fn digest(&self) -> [u8; 16] {
        let mut digest = [0; 16];
        digest.copy_from_slice(&self.signature[..16]);
        digest
    }

    /// Whether it is for this service and, where one is given, this region.
    pub fn expect(&self, service: &str, region: Option<&str>) -> Result<(), SignatureError> {
        agree("the service", &self.service, service)?;
        region.map_or(Ok(()), |region| agree("the region", &self.region, region))
    }

    /// Whether the request is what the holder of `secret` signed.
    ///
    /// Compared in constant time: how much of a signature is right cannot be told from how long the answer takes.
    pub fn verify(&self, request: &SignedRequest<'_>, secret: &str) -> Result<(), SignatureError> {
        let hash = hex(&Sha256::digest(request.body));
        self.covers(request, &hash)?;
        let time = Moment::of(request.headers)?;
        agree("the day", &self.day, &time.text[..DAY_CHARS])?;
        let canonical = Sha256::digest(self.canonical(request, &hash)?);
        let to_sign = format!(
            "{ALGORITHM}\n{}\n{}/{}/{}/{TERMINATOR}\n{}",
            time.text,
            self.day,
            self.region,
            self.service,
            hex(&canonical)
        );
        let mut key = hmac(format!("AWS4{secret}").as_bytes(), self.day.as_bytes())?;
        for part in [&self.region, &self.service, TERMINATOR] {
            key = hmac(&key, part.as_bytes())?;
        }
        let expected = hmac(&key, to_sign.as_bytes())?;
        if bool::from(expected.ct_eq(&self.signature)) { Ok(()) } else { Err(SignatureError::Mismatch) }
    }

    /// Whether the signature covers all that has a meaning.
    fn covers(&self, request: &SignedRequest<'_>, hash: &str) -> Result<(), SignatureError> {
        let headers = request.headers;
        if headers.contains_key(X_AMZ_SECURITY_TOKEN) {
            return Err(SignatureError::SessionToken);
        }
        if only(headers, &HOST)?.is_none() {
            return Err(SignatureError::Missing(HOST));
        }
        only(headers, &CONTENT_TYPE)?;
        let time = Moment::of(headers)?.header;
        let must =
            |name: &&HeaderName| name.as_str().starts_with("x-amz-") || [&HOST, &CONTENT_TYPE, &time].contains(name);
        if let Some(bare) = headers.keys().filter(must).find(|name| !self.signed.contains(name)) {
            return Err(SignatureError::NotCovered(bare.clone()));
        }
        if only(headers, &X_AMZ_CONTENT_SHA256)?.is_some_and(|value| value.as_bytes() != hash.as_bytes()) {
            return Err(SignatureError::Body);
        }
        Ok(())
    }

    /// The canonical request.
    fn canonical(&self, request: &SignedRequest<'_>, hash: &str) -> Result<Vec<u8>, SignatureError> {
        let mut text =
            format!("{}\n{}\n{}\n", request.method, canonical_path(request.path)?, canonical_query(request.query))
                .into_bytes();
        for name in &self.signed {
            text.extend_from_slice(name.as_str().as_bytes());
            let mut before = b':';
            for value in request.headers.get_all(name) {
                text.push(before);
                text.extend(collapsed(value.as_bytes()));
                before = b',';
            }
            if before == b':' {
                return Err(SignatureError::Missing(name.clone()));
            }
            text.push(b'\n');
        }
        let names: Vec<_> = self.signed.iter().map(HeaderName::as_str).collect();
        text.extend_from_slice(format!("\n{}\n{hash}", names.join(";")).as_bytes());
        Ok(text)
    }
}

/// When a request says it was signed: `x-amz-date`, or without it `date`.
pub fn time(headers: &HeaderMap) -> Result<Timestamp, SignatureError> {
    Moment::of(headers).map(|moment| moment.at)
}

/// `20261122` of `20261122T083336Z`.
const DAY_CHARS: usize = 8;

/// A time and how it is written.
struct Moment {
    header: HeaderName,
    at: Timestamp,
    /// As in the string to sign: `20261122T083336Z`.
    text: String,
}

impl Moment {
    fn of(headers: &HeaderMap) -> Result<Self, SignatureError> {
        let (header, value) = match only(headers, &X_AMZ_DATE)? {
            Some(value) => (X_AMZ_DATE, value),
            None => (DATE, only(headers, &DATE)?.ok_or(SignatureError::Missing(X_AMZ_DATE))?),
        };
        let text = value.to_str().unwrap_or_default();
        // `date` may also be as HTTP has it: Sun, 22 Nov 2026 08:33:36 GMT.
        let at = basic(text)
            .or_else(|| if header == DATE { jiff::fmt::rfc2822::parse(text).ok()?.timestamp().into() } else { None });
        let at = at.ok_or(SignatureError::Time(header.clone()))?;
        Ok(Self { header, at, text: at.strftime("%Y%m%dT%H%M%SZ").to_string() })
    }
}

/// Reads `20261122T083336Z`, in exactly these 16 characters.
fn basic(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes[at].is_ascii_digit();
    let fits = bytes.len() == 16 && bytes[8] == b'T' && bytes[15] == b'Z' && (0..8).chain(9..15).all(is_digit);
    // A leap second would not come back as it was written.
    let fits = fits && &bytes[13..15] != b"60";
    fits.then(|| civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?.to_zoned(TimeZone::UTC).ok())
        .flatten()
        .map(|zoned| zoned.timestamp())
}

/// The path as signed: what was sent, encoded once more, as every service but S3 has it.
fn canonical_path(path: &str) -> Result<String, SignatureError> {
    let segments = path.strip_prefix('/').ok_or(SignatureError::Path)?;
    let mut before = segments.split('/').peekable();
    while let Some(segment) = before.next() {
        let is_last = before.peek().is_none();
        if matches!(segment, "." | "..") || (segment.is_empty() && !is_last) {
            return Err(SignatureError::Path);
        }
    }
    Ok(percent_encode(path.as_bytes(), RESERVED_IN_PATH).to_string())
}

/// The query as signed: each name and value encoded in the one way, sorted.
///
/// A plus sign is a plus, as it is for who reads the query after us: were it signed as a blank, whoever copies a request
/// could turn one into the other.
fn canonical_query(query: &str) -> String {
    let once = |text: &str| {
        let bytes: Vec<u8> = percent_decode(text.as_bytes()).collect();
        percent_encode(&bytes, RESERVED).to_string()
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<_> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (once(name), once(value))
        })
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Without blanks at the ends, and with one where there are several.
fn collapsed(value: &[u8]) -> Vec<u8> {
    let words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b' ')
}

/// `<id>/<day>/<region>/<service>/aws4_request`.
fn scope(credential: &str) -> Result<[&str; 4], SignatureError> {
    let wrong = SignatureError::Malformed("its Credential is not <key>/<day>/<region>/<service>/aws4_request");
    let parts: Vec<&str> = credential.split('/').collect();
    let [key_id, day, region, service, TERMINATOR] = parts[..] else { return Err(wrong) };
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_key_id = is_key_id(key_id);
    let is_day = day.len() == DAY_CHARS && day.bytes().all(|byte| byte.is_ascii_digit());
    if is_key_id && is_day && is_name(region) && is_name(service) {
        Ok([key_id, day, region, service])
    } else {
        Err(wrong)
    }
}

/// Whether a text can be the id of an access key: letters, digits and underscores.
pub fn is_key_id(text: &str) -> bool {
    let is_fitting = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=KEY_ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_fitting)
}

/// `a;b;c`: lower case, sorted, each once, which is how all signers write it and leaves one way to read it.
fn signed_headers(text: &str) -> Result<Vec<HeaderName>, SignatureError> {
    let wrong = SignatureError::Malformed("its SignedHeaders are not header names in lower case, sorted, each once");
    let names: Vec<&str> = text.split(';').collect();
    if names.len() > SIGNED_HEADERS_MAX {
        return Err(SignatureError::Malformed("it has too many SignedHeaders"));
    }
    if names.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(wrong);
    }
    // Unlike `from_bytes`, this one does not change capitals, it refuses them; and it must not panic as `from_static` does.
    let lower = |name: &&str| !name.bytes().any(|byte| byte.is_ascii_uppercase());
    names.iter().map(|name| Some(name).filter(|name| lower(name))?.parse().ok()).collect::<Option<_>>().ok_or(wrong)
}

/// The header, if it came at all; an error when it came twice.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a http::HeaderValue>, SignatureError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(SignatureError::Repeated(name.clone())),
    }
}

fn agree(what: &'static str, signed: &str, expected: &str) -> Result<(), SignatureError> {
    if signed == expected {
        return Ok(());
    }
    Err(SignatureError::Scope { what, signed: signed.to_owned(), expected: expected.to_owned() })
}

/// HMAC takes keys of every length: the error cannot come up, and would refuse.
fn hmac(key: &[u8], text: &[u8]) -> Result<[u8; 32], SignatureError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| SignatureError::Mismatch)?;
    mac.update(text);
    Ok(mac.finalize().into_bytes().into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 64 digits in lower case: in capitals too, one signature would be known by two names.
fn hex32(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes: Vec<u8> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect::<Option<_>>()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests;
