//! Nothing from outside makes the check panic, and what it lets pass does not make the client library panic.

#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn limits() -> ReadLimits {
    ReadLimits { message_bytes_max: 1 << 20, message_elements_max: 10_000, ..ReadLimits::default() }
}

fn message(id: &[u8], op: u8, body: &[u8], rest: &[u8]) -> Vec<u8> {
    encode(SEQUENCE, &[encode(INTEGER, id), encode(op, body), rest.to_vec()].concat())
}

/// An LDAPResult with further parts.
fn result(code: &[u8], text: &[u8], rest: &[u8]) -> Vec<u8> {
    [encode(ENUMERATED, code), encode(OCTET_STRING, b""), encode(OCTET_STRING, text), rest.to_vec()].concat()
}

fn controls(control: &[u8]) -> Vec<u8> {
    encode(CONTROLS, &encode(SEQUENCE, control))
}

/// Messages as servers send them.
fn good() -> Vec<Vec<u8>> {
    let values = encode(SET, &[encode(OCTET_STRING, b"a@b.c"), encode(OCTET_STRING, b"")].concat());
    let attribute = encode(SEQUENCE, &[encode(OCTET_STRING, b"mail"), values].concat());
    let entry = [encode(OCTET_STRING, b"CN=a"), encode(SEQUENCE, &attribute)].concat();
    let paged = [encode(OCTET_STRING, b"1.2.840.113556.1.4.319"), encode(OCTET_STRING, &paged_request(7, b"c"))];
    let critical = [encode(OCTET_STRING, b"1.2"), encode(BOOLEAN, &[255]), encode(OCTET_STRING, b"")];
    let url = encode(OCTET_STRING, b"ldap://x");
    let oid = encode(0x8a, b"1.3.6.1.4.1.1466.20036");
    vec![
        message(&[1], BIND_RESPONSE, &result(&[49], b"no", b""), b""),
        message(&[1], BIND_RESPONSE, &result(&[14], b"", &encode(0x87, b"creds")), b""),
        message(&[2], SEARCH_ENTRY, &entry, b""),
        message(&[2], SEARCH_REFERENCE, &url, b""),
        message(&[2], SEARCH_DONE, &result(&[0], b"", b""), &controls(&paged.concat())),
        message(&[2], SEARCH_DONE, &result(&[10], b"", &encode(0xa3, &url)), &controls(&critical.concat())),
        message(&[0], EXTENDED_RESPONSE, &result(&[52], b"bye", &oid), b""),
        message(&[0], EXTENDED_RESPONSE, &result(&[52], b"bye", b""), &oid),
        message(&[0x7f, 255, 255, 255], EXTENDED_RESPONSE, &result(&[0], b"", &encode(0x8b, b"x")), b""),
    ]
}

#[test]
fn what_servers_send_passes() {
    for bytes in good() {
        check(&bytes, &limits()).unwrap();
        for cut in 0..bytes.len() {
            assert_ne!(frame(&bytes[..cut], 1 << 20), Ok(Some(cut)));
            assert!(check(&bytes[..cut], &limits()).is_err());
        }
        assert_eq!(frame(&bytes, 1 << 20), Ok(Some(bytes.len())));
    }
}

#[test]
fn lengths_are_bounded_before_anything_is_kept() {
    assert_eq!(frame(&[], 10), Ok(None));
    assert_eq!(frame(&[0x30], 10), Ok(None));
    assert_eq!(frame(&[0x30, 0x84, 0x7f], 10), Ok(None));
    for (bytes, words) in [
        (&[0x30, 0x84, 0x7f, 255, 255, 255][..], "2147483647 bytes"),
        (&[0x30, 0x88, 255, 255, 255, 255, 255, 255, 255, 255], "bytes"),
        (&[0x30, 0x80], "indefinite"),
        (&[0x30, 0x89], "a length of 9 bytes"),
        (&[0x30, 11], "11 bytes, more than the 10 allowed"),
        (&[0x15, 3, 1], "0x15"),
        (b"HTTP/1.1", "0x48"),
    ] {
        assert!(frame(bytes, 10).unwrap_err().contains(words), "{bytes:?}");
    }
}

#[test]
fn every_way_to_make_the_library_panic_is_refused() {
    let done = |body: &[u8], rest: &[u8]| message(&[2], SEARCH_DONE, body, rest);
    let fine = result(&[0], b"", b"");
    let deep = (0..40).fold(Vec::new(), |inner, _| encode(SEQUENCE, &inner));
    let many = encode(SEQUENCE, &encode(OCTET_STRING, b"").repeat(20_000));
    for (bytes, words) in [
        (encode(SEQUENCE, b""), "empty message"),
        (encode(SEQUENCE, &encode(INTEGER, &[1])), "without an operation"),
        (message(&[], BIND_RESPONSE, &fine, b""), "message id"),
        (message(&[255], BIND_RESPONSE, &fine, b""), "message id"),
        (message(&[1, 0, 0, 0, 1], BIND_RESPONSE, &fine, b""), "message id"),
        (message(&[1], 0x60, &fine, b""), "unknown in answers"),
        (message(&[1], 0x41, &fine, b""), "unknown in answers"),
        (done(b"", b""), "without a code"),
        (done(&encode(ENUMERATED, &[0]), b""), "without a matched name"),
        (done(&result(&[1, 0, 0, 0, 0], b"", b""), b""), "result code"),
        (done(&result(&[], b"", b""), b""), "result code"),
        (done(&result(&[4], b"\xff", b""), b""), "result 4 with a result text that is not UTF-8"),
        (done(&result(&[0], b"", &encode(0x83, b"x")), b""), "malformed part"),
        (done(&result(&[0], b"", &encode(0xa3, &encode(OCTET_STRING, b"\xff"))), b""), "referral"),
        (done(&result(&[0], b"", &encode(0xa7, b"")), b""), "malformed part"),
        (done(&result(&[0], b"", &encode(0x0a, b"\xff")), b""), "response name"),
        (done(&fine, &encode(0x80, b"")), "0x80"),
        (done(&fine, &encode(0x8a, b"")), "0x8a"),
        (done(&fine, &encode(CONTROLS, &encode(OCTET_STRING, b"x"))), "cut off"),
        (done(&fine, &controls(b"")), "control without a type"),
        (done(&fine, &controls(&[encode(OCTET_STRING, b"1"), encode(BOOLEAN, b"")].concat())), "criticality"),
        (done(&fine, &controls(&[encode(OCTET_STRING, b"1"), encode(INTEGER, b"")].concat())), "malformed control"),
        (done(&fine, &controls(&encode(OCTET_STRING, b"\xff"))), "type of a control"),
        (done(&fine, &[controls(&encode(OCTET_STRING, b"1")), encode(INTEGER, &[1])].concat()), "too many parts"),
        (message(&[2], SEARCH_ENTRY, b"", b""), "entry without a name"),
        (message(&[2], SEARCH_ENTRY, &encode(OCTET_STRING, b"\xff"), b""), "not UTF-8"),
        (message(&[2], SEARCH_REFERENCE, &encode(SEQUENCE, b""), b""), "reference"),
        (message(&[2], SEARCH_ENTRY, &deep, b""), "nested deeper"),
        (message(&[2], SEARCH_ENTRY, &many, b""), "more than 10000 elements"),
        (message(&[2], SEARCH_ENTRY, &[0x30, 0x80, 0, 0], b""), "indefinite"),
        (message(&[2], SEARCH_ENTRY, &[0x30, 0x05, 0], b""), "where 1 are left"),
        (message(&[2], SEARCH_ENTRY, &[0x3f, 0x81, 0], b""), "several bytes"),
    ] {
        let found = check(&bytes, &limits()).unwrap_err();
        assert!(found.contains(words), "{found:?} does not contain {words:?}");
    }
}

#[test]
fn paging_is_written_and_read() {
    for (size, cookie) in [(1, &b""[..]), (127, b"a"), (128, b"b"), (1000, &[7; 300]), (u32::MAX, b"c")] {
        assert_eq!(paged_cookie(&paged_request(size, cookie)).unwrap(), cookie);
    }
    assert_eq!(paged_request(1000, b""), [0x30, 6, 2, 2, 3, 0xe8, 4, 0]);
    assert_eq!(paged_request(200, b""), [0x30, 6, 2, 2, 0, 200, 4, 0]);
    for bad in [&b""[..], b"x", &[0x30, 0], &[0x30, 3, 2, 1, 0], &[0x30, 5, 2, 1, 0, 2, 0], &[0x30, 0x80]] {
        assert!(paged_cookie(bad).is_err(), "{bad:?}");
    }
}

/// Gives a message to the real client library, as the answer to the request of its kind: the gate sees to that.
fn feed_the_library(bytes: &[u8], op: u8) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (ours, library) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut ours = tokio::net::UnixStream::from_std(ours).unwrap();
        let settings = ldap3::LdapConnSettings::new().set_std_stream(ldap3::StdStream::Unix(library));
        let (connection, mut ldap) = ldap3::LdapConnAsync::with_settings(settings, "ldapi:///").await.unwrap();
        let drive = tokio::spawn(connection.drive());
        let answer = async {
            // The request first, so that the library waits for the answer that it gets.
            let mut request = [0; 1024];
            assert!(ours.read(&mut request).await.unwrap() > 0);
            ours.write_all(bytes).await.unwrap();
            ours.shutdown().await.unwrap();
        };
        let ask = async {
            // How it ends does not matter; that it ends without a panic does.
            if op == BIND_RESPONSE {
                let _ = ldap.simple_bind("a", "b").await;
            } else if let Ok(mut stream) = ldap.streaming_search("", ldap3::Scope::Base, "(a=*)", ["1.1"]).await {
                while let Ok(Some(_)) = stream.next().await {}
                let _ = stream.finish().await;
            }
        };
        tokio::join!(answer, ask);
        drop(ldap);
        assert!(drive.await.is_ok(), "the library panicked on {bytes:02x?}");
    });
}

/// A good message with some bytes changed, and its message id set to the one the library waits for.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..3_u8);
    (prop::sample::select(good()), prop::collection::vec(change, 0..4)).prop_map(|(mut bytes, changes)| {
        bytes[4] = 1;
        for (index, byte, kind) in changes {
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes[at] ^= 1 << (byte % 8),
                _ => bytes[at] = bytes[at].wrapping_add(1),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = frame(&bytes, 100);
        let _ = paged_cookie(&bytes);
        let _ = verdict(&bytes);
        let _ = check(&bytes, &limits());
    }

    #[test]
    fn what_passes_does_not_harm_the_library(bytes in mutated()) {
        if let Ok(message) = check(&bytes, &limits()) {
            prop_assert_eq!(frame(&bytes, 1 << 20), Ok(Some(bytes.len())));
            // The gate lets only answers of the right kind through, so only these are the library's business.
            if matches!(message.op.tag, BIND_RESPONSE | SEARCH_DONE | SEARCH_ENTRY | SEARCH_REFERENCE) {
                feed_the_library(&bytes, message.op.tag);
            }
        }
    }
}
