//! The check, held against AWS's published examples and against `aws-sigv4`, which signs.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::HeaderValue;
use proptest::prelude::*;
use std::time::SystemTime;

/// The secret of AWS's examples.
const EXAMPLE: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A request that owns its parts.
#[derive(Clone, Debug)]
struct Owned {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Owned {
    fn new(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let method = method.parse().unwrap();
        Self { method, path: path.to_owned(), query: query.to_owned(), headers: map, body: body.to_vec() }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    fn replaced(self, name: &str, value: &str) -> Self {
        self.without(name).with(name, value)
    }

    /// Signs as an SDK does.
    fn signed(mut self, secret: &str, at: Timestamp) -> Self {
        let identity = Credentials::new("AKIDEXAMPLE", secret, None, None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(super::super::SERVICE)
            .time(SystemTime::from(at))
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let target = if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) };
        let uri = format!("http://{}{target}", self.headers["host"].to_str().unwrap());
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let request =
            SignableRequest::new(self.method.as_str(), uri, headers, SignableBody::Bytes(&self.body)).unwrap();
        let (instructions, _) = sign(request, &params).unwrap().into_parts();
        for header in instructions.into_parts().0 {
            self.headers.append(header.name(), HeaderValue::from_str(header.value()).unwrap());
        }
        self
    }

    fn verified(&self, secret: &str) -> Result<(), SignatureError> {
        let Self { method, path, query, headers, body } = self;
        Authorization::of(headers, query)?.verify(&SignedRequest { method, path, query, headers, body }, secret)
    }
}

/// A request of the contract, signed.
fn suspend() -> Owned {
    let headers = [("host", "127.0.0.1:1"), ("content-type", "application/json"), ("x-amz-user-agent", "test")];
    Owned::new("POST", "/accounts/a1/users?operation=suspend", &headers, b"{\"UserIdList\": [\"u1\"]}")
        .signed(EXAMPLE, "2026-11-22T08:33:36Z".parse().unwrap())
}

#[test]
fn the_published_examples_are_right() {
    let form = "application/x-www-form-urlencoded";
    for (method, target, headers, signed, body, signature) in [
        ("GET", "/", &[][..], "", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", &[], "", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            &[],
            "",
            "",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "GET",
            "/",
            &[("My-Header1", "value1"), ("My-Header2", "\"a   b   c\"")],
            "my-header1;my-header2;",
            "",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            "POST",
            "/",
            &[("Content-Type", form)],
            "content-type;",
            "Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ] {
        let order = if signed.starts_with("my-") {
            format!("host;{signed}x-amz-date")
        } else {
            format!("{signed}host;x-amz-date")
        };
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={order}, Signature={signature}"
        );
        let request = Owned::new(method, target, headers, body.as_bytes())
            .with("host", "example.amazonaws.com")
            .with("x-amz-date", "20150830T123600Z")
            .with("authorization", &authorization);
        assert_eq!(request.verified(EXAMPLE), Ok(()), "{method} {target}");
        assert_eq!(request.verified("other"), Err(SignatureError::Mismatch), "{method} {target}");
    }
}

#[test]
fn an_authorization_header_has_one_way_to_be_read() {
    let hex = "0123456789abcdef".repeat(4);
    let read = |text: &str| Authorization::parse(&text.replace("HEX", &hex));
    let right = "AWS4-HMAC-SHA256 Credential=AK_1/20261122/us-east-1/chime/aws4_request, SignedHeaders=host;x-amz-date, Signature=HEX";
    let authorization = read(right).unwrap();
    assert_eq!(authorization.key_id(), "AK_1");
    assert_eq!(authorization.expect("chime", None), Ok(()));
    assert_eq!(authorization.expect("chime", Some("us-east-1")), Ok(()));
    assert_eq!(
        authorization.expect("chime", Some("eu-west-1")).unwrap_err().to_string(),
        r#"the request is signed for the region "us-east-1", not "eu-west-1"; set it in the client"#
    );
    assert!(authorization.expect("s3", None).is_err());
    assert_eq!(authorization.digest().map(|byte| format!("{byte:02x}")).concat(), hex[..32]);
    assert!(!format!("{authorization:?}").contains(&hex[..8]), "the signature is not shown");
    // Without blanks after the commas, and in another order: still the same.
    assert_eq!(read(&right.replace(", ", ",")).unwrap(), authorization);
    assert_eq!(
        read("AWS4-HMAC-SHA256 Signature=HEX,SignedHeaders=host;x-amz-date,Credential=AK_1/20261122/us-east-1/chime/aws4_request")
            .unwrap(),
        authorization
    );
    for (from, to) in [
        ("AWS4-HMAC-SHA256 ", ""),
        ("AWS4-HMAC-SHA256", "Bearer"),
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256X"),
        ("AK_1", ""),
        ("AK_1", "A K"),
        ("AK_1", "A/K"),
        ("AK_1", "Schlüssel"),
        ("20261122", "2026112"),
        ("20261122", "2026112x"),
        ("us-east-1", ""),
        ("/chime", ""),
        ("aws4_request", "aws4"),
        ("Credential=", "Credentials="),
        ("Signature=HEX", ""),
        ("Signature=HEX", "Signature="),
        ("Signature=HEX", "Signature=HEX0"),
        ("Signature=HEX", "Signature=HEX00"),
        ("Signature=HEX", "Signature=HEX, Signature=HEX"),
        ("Signature=HEX", "Signature=HEX, Other=1"),
        ("Signature=HEX", "Signature=HEX,"),
        ("SignedHeaders=host;x-amz-date, ", ""),
        ("host;x-amz-date", ""),
        ("host;x-amz-date", "host;Host;x-amz-date"),
        ("host;x-amz-date", "Host;x-amz-date"),
        ("host;x-amz-date", "x-amz-date;host"),
        ("host;x-amz-date", "host;host;x-amz-date"),
        ("host;x-amz-date", "host;;x-amz-date"),
        ("host;x-amz-date", "ho st;x-amz-date"),
    ] {
        let wrong = right.replacen(from, to, 1);
        assert!(matches!(read(&wrong), Err(SignatureError::Malformed(_))), "{wrong}");
    }
    assert!(read(&right.replace("HEX", &hex.to_uppercase())).is_err(), "one signature, one name");
    assert!(read(&format!("{right}{}", " ".repeat(AUTHORIZATION_BYTES_MAX))).is_err());
    let many = (0..=SIGNED_HEADERS_MAX).map(|at| format!("h{at:03}")).collect::<Vec<_>>().join(";");
    assert!(read(&right.replace("host;x-amz-date", &many)).is_err());
}

#[test]
fn what_has_a_meaning_must_be_signed() {
    let request = suspend();
    assert_eq!(request.verified(EXAMPLE), Ok(()));
    let uncovered = |name: &str| {
        let text = request.headers["authorization"].to_str().unwrap();
        let text = text.replace(&format!("{name};"), "").replace(&format!(";{name}"), "");
        request.clone().replaced("authorization", &text).verified(EXAMPLE).unwrap_err()
    };
    for name in ["host", "content-type", "x-amz-date", "x-amz-user-agent"] {
        assert_eq!(uncovered(name), SignatureError::NotCovered(name.parse().unwrap()));
    }
    let verified = |request: Owned| request.verified(EXAMPLE).unwrap_err();
    for (name, value) in [("x-amz-target", "other"), ("x-amz-meta", "")] {
        assert_eq!(verified(request.clone().with(name, value)), SignatureError::NotCovered(name.parse().unwrap()));
    }
    for name in ["host", "x-amz-date", "x-amz-user-agent"] {
        assert_eq!(verified(request.clone().without(name)), SignatureError::Missing(name.parse().unwrap()));
    }
    for name in ["host", "x-amz-date", "content-type", "authorization"] {
        let twice = request.clone().with(name, request.headers[name].to_str().unwrap());
        assert_eq!(verified(twice), SignatureError::Repeated(name.parse().unwrap()));
    }
    assert_eq!(verified(request.clone().with("x-amz-security-token", "t")), SignatureError::SessionToken);
    assert_eq!(verified(request.clone().without("authorization")), SignatureError::Unsigned);
    let mut presigned = request.clone().without("authorization");
    presigned.query.push_str("&X-Amz-Signature=00");
    assert_eq!(verified(presigned), SignatureError::Presigned);
    // What proxies and SDKs add on the way is not signed and says nothing.
    for name in ["x-amzn-trace-id", "x-forwarded-for", "amz-sdk-request", "user-agent", "date"] {
        assert_eq!(request.clone().with(name, "Sun, 22 Nov 2026 01:00:00 GMT").verified(EXAMPLE), Ok(()));
    }
}

#[test]
fn the_announced_hash_is_the_hash_of_the_body() {
    let headers = |hash: &str| {
        let headers = [("host", "a"), ("x-amz-content-sha256", hash)];
        Owned::new("POST", "/", &headers, b"body").signed(EXAMPLE, Timestamp::UNIX_EPOCH)
    };
    let right = hex(&Sha256::digest(b"body"));
    assert_eq!(headers(&right).verified(EXAMPLE), Ok(()));
    for wrong in ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "", &right.to_uppercase()] {
        assert_eq!(headers(wrong).verified(EXAMPLE), Err(SignatureError::Body));
    }
}

#[test]
fn the_time_is_read_from_either_header() {
    let at: Timestamp = "2026-11-22T08:33:36Z".parse().unwrap();
    let of = |name: &str, value: &str| time(&Owned::new("GET", "/", &[(name, value)], b"").headers);
    assert_eq!(of("x-amz-date", "20261122T083336Z"), Ok(at));
    assert_eq!(of("date", "20261122T083336Z"), Ok(at));
    assert_eq!(of("date", "Sun, 22 Nov 2026 08:33:36 GMT"), Ok(at));
    for wrong in [
        "",
        "Sun, 22 Nov 2026 08:33:36 GMT",
        "2026-11-22T08:33:36Z",
        "20261122T083336",
        "20261122T083336z",
        "20261322T083336Z",
        "20261122T250000Z",
        "20261122T235960Z",
        "+2026112T083336Z",
        "20261122T 83336Z",
    ] {
        assert_eq!(of("x-amz-date", wrong), Err(SignatureError::Time(X_AMZ_DATE)), "{wrong}");
    }
    assert_eq!(time(&HeaderMap::new()), Err(SignatureError::Missing(X_AMZ_DATE)));
    let other_day = suspend();
    let text = other_day.headers["authorization"].to_str().unwrap().replace("20261122", "20261121");
    assert_eq!(
        other_day.replaced("authorization", &text).verified(EXAMPLE).unwrap_err().to_string(),
        r#"the request is signed for the day "20261121", not "20261122"; set it in the client"#
    );
}

#[test]
fn a_path_that_is_read_in_two_ways_is_refused() {
    for path in ["", "accounts", "*", "//", "/a//b", "/.", "/a/./b", "/a/../b", "/.."] {
        assert_eq!(canonical_path(path), Err(SignatureError::Path), "{path}");
    }
    for (path, canonical) in [
        ("/", "/"),
        ("/accounts/", "/accounts/"),
        ("/accounts/a1/users/a%20b%2Fc%40d", "/accounts/a1/users/a%2520b%252Fc%2540d"),
        ("/a.b_c~d-e/...", "/a.b_c~d-e/..."),
        ("/a+b:c", "/a%2Bb%3Ac"),
    ] {
        assert_eq!(canonical_path(path).unwrap(), canonical);
    }
}

#[test]
fn a_query_is_compared_by_its_meaning() {
    for (query, canonical) in [
        ("", ""),
        ("b=2&a=1", "a=1&b=2"),
        ("operation", "operation="),
        ("&a=1&", "a=1"),
        ("user-email=u1%2bx%40ex.com", "user-email=u1%2Bx%40ex.com"),
        ("a=b+c&a=b%20c&a=b%2Bc", "a=b%20c&a=b%2Bc&a=b%2Bc"),
        ("a=b=c", "a=b%3Dc"),
        ("a=%zz%4", "a=%25zz%254"),
        ("a=%ff", "a=%FF"),
    ] {
        assert_eq!(canonical_query(query), canonical, "{query}");
    }
}

/// A segment or a value as a client writes it: every byte that is not unreserved encoded.
fn encoded() -> impl Strategy<Value = String> {
    "[ -~äß€]{1,12}".prop_map(|text| percent_encode(text.as_bytes(), RESERVED).to_string())
}

fn requests() -> impl Strategy<Value = Owned> {
    let methods = prop_oneof![Just("GET"), Just("POST"), Just("PUT"), Just("DELETE")];
    let segments = encoded().prop_filter("a dot segment", |text| !matches!(text.as_str(), "." | ".."));
    let path = proptest::collection::vec(segments, 1..5).prop_map(|segments| format!("/{}", segments.join("/")));
    let query = proptest::collection::vec((encoded(), encoded()), 0..4)
        .prop_map(|pairs| pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"));
    let header = "[!-~]([ -~]{0,20}[!-~])?";
    let body = proptest::collection::vec(any::<u8>(), 0..200);
    (methods, path, query, header, header, body, any::<bool>()).prop_map(
        |(method, path, query, agent, other, body, is_typed)| {
            let mut headers = vec![("host", "seatstore.example.com:8443"), ("x-amz-user-agent", &agent)];
            headers.extend([("x-other", other.as_str()), ("x-other", "second")]);
            headers.extend(is_typed.then_some(("content-type", "application/json")));
            Owned::new(method, &format!("{path}?{query}"), &headers, &body)
        },
    )
}

/// The text with one character replaced by another one.
fn altered(text: &str, at: prop::sample::Index, by: char) -> Option<String> {
    let mut chars: Vec<char> = text.chars().collect();
    let at = at.index(chars.len().max(1));
    let old = chars.get_mut(at)?;
    (*old != by && *old != '/').then(|| *old = by)?;
    Some(chars.into_iter().collect())
}

proptest! {
    #[test]
    fn what_a_signer_signs_is_verified_and_nothing_else(
        request in requests(),
        secret in "[!-~]{40,128}",
        seconds in 0..4_000_000_000_i64,
        at in any::<prop::sample::Index>(),
        by in "[a-zA-Z0-9]",
    ) {
        let signed = request.signed(&secret, Timestamp::from_second(seconds).unwrap());
        prop_assert_eq!(signed.verified(&secret), Ok(()));
        let refused = |other: Owned| other.verified(&secret) == Err(SignatureError::Mismatch);
        let by = by.chars().next().unwrap();

        let mut other = signed.clone();
        other.method = Method::PATCH;
        prop_assert!(refused(other));
        if let Some(path) = altered(&signed.path, at, by) {
            let other = Owned { path, ..signed.clone() };
            prop_assert!(refused(other));
        }
        let other = Owned { path: format!("{}{by}", signed.path), ..signed.clone() };
        prop_assert!(refused(other));
        let query = altered(&signed.query, at, by);
        if let Some(query) = query.filter(|query| canonical_query(query) != canonical_query(&signed.query)) {
            let other = Owned { query, ..signed.clone() };
            prop_assert!(refused(other));
        }
        let other = Owned { query: format!("{}&{by}=1", signed.query), ..signed.clone() };
        prop_assert!(refused(other));
        for name in ["host", "x-amz-user-agent"] {
            if let Some(value) = altered(signed.headers[name].to_str().unwrap(), at, by) {
                let other = signed.clone().replaced(name, &value);
                prop_assert!(refused(other));
            }
        }
        let second = signed.clone().with("x-other", "third");
        prop_assert!(refused(second));
        if !signed.body.is_empty() {
            let mut other = signed.clone();
            let place = at.index(other.body.len());
            other.body[place] ^= 1;
            prop_assert!(refused(other));
        }
        let mut longer = signed.clone();
        longer.body.push(b' ');
        prop_assert!(refused(longer));
        prop_assert_eq!(signed.verified(&secret[1..]), Err(SignatureError::Mismatch));
        // The time is signed too, to the second.
        let later = Timestamp::from_second(seconds ^ 1).unwrap().strftime("%Y%m%dT%H%M%SZ").to_string();
        let later = signed.clone().replaced("x-amz-date", &later);
        prop_assert!(refused(later));
    }

    #[test]
    fn nothing_from_outside_makes_it_stumble(text in "\\PC{0,300}", path in "\\PC{0,40}", query in "\\PC{0,40}") {
        let _ = canonical_path(&path);
        let _ = canonical_query(&query);
        if let Ok(authorization) = Authorization::parse(&text) {
            prop_assert!(is_key_id(authorization.key_id()));
        }
        prop_assert!(basic(&text).is_none_or(|_| text.len() == 16));
    }
}
