//! Nothing from outside makes the check panic, and what it lets pass can be taken apart.

#![allow(clippy::unwrap_used)]

use super::super::entry::Entry;
use super::*;
use proptest::prelude::*;

fn limits() -> ReadLimits {
    ReadLimits { message_bytes_max: 1 << 20, message_elements_max: 10_000, ..ReadLimits::default() }
}

/// The check of a message and of the entry in it.
fn check_all(bytes: &[u8]) -> Result<(), String> {
    let message = check(bytes, &limits())?;
    if message.op.tag == SEARCH_ENTRY {
        let entry = Entry::of(message.op, &limits())?;
        for name in ["mail", "member", "objectGUID"] {
            assert_eq!(
                entry.values(name).count(),
                entry.attributes(name).map(|part| part.values().count()).sum::<usize>()
            );
            assert!(entry.texts(name).count() <= entry.values(name).count());
            _ = entry.number(name);
        }
    }
    _ = control(message.controls, "1.2.840.113556.1.4.319").map(paged_cookie);
    Ok(())
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
        check_all(&bytes).unwrap();
        for cut in 0..bytes.len() {
            assert_ne!(frame(&bytes[..cut], 1 << 20), Ok(Some(cut)));
            assert!(check_all(&bytes[..cut]).is_err());
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
fn everything_malformed_is_refused() {
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
        (message(&[2], SEARCH_DONE, &deep, b""), "nested deeper"),
        (message(&[2], SEARCH_ENTRY, &deep, b""), "name of an entry with the tag 0x30"),
        (message(&[2], SEARCH_REFERENCE, &many, b""), "more than 10000 elements"),
        (message(&[2], SEARCH_ENTRY, &[0x30, 0x80, 0, 0], b""), "indefinite"),
        (message(&[2], SEARCH_ENTRY, &[0x30, 0x05, 0], b""), "where 1 are left"),
        (message(&[2], SEARCH_ENTRY, &[0x3f, 0x81, 0], b""), "several bytes"),
    ] {
        let found = check_all(&bytes).unwrap_err();
        assert!(found.contains(words), "{found:?} does not contain {words:?}");
    }
}

#[test]
fn paging_is_written_and_read() {
    for (size, cookie) in [(1, &b""[..]), (127, b"a"), (128, b"b"), (1000, &[7; 300]), (u32::MAX, b"c")] {
        assert_eq!(paged_cookie(&paged_request(size, cookie)).unwrap(), cookie);
    }
    let longest = vec![b'c'; COOKIE_BYTES_MAX];
    assert_eq!(paged_cookie(&paged_request(1, &longest)).unwrap(), longest);
    let too_long = [&longest[..], b"c"].concat();
    assert_eq!(
        paged_cookie(&paged_request(1, &too_long)).unwrap_err(),
        "a cookie of 65537 bytes, more than the 65536 allowed"
    );
    assert_eq!(paged_request(1000, b""), [0x30, 6, 2, 2, 3, 0xe8, 4, 0]);
    assert_eq!(paged_request(200, b""), [0x30, 6, 2, 2, 0, 200, 4, 0]);
    for bad in [&b""[..], b"x", &[0x30, 0], &[0x30, 3, 2, 1, 0], &[0x30, 5, 2, 1, 0, 2, 0], &[0x30, 0x80]] {
        assert!(paged_cookie(bad).is_err(), "{bad:?}");
    }
}

/// A good message with some bytes changed.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..3_u8);
    (prop::sample::select(good()), prop::collection::vec(change, 0..4)).prop_map(|(mut bytes, changes)| {
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
        let _ = check_all(&bytes);
    }

    #[test]
    fn what_passes_can_be_taken_apart(bytes in mutated()) {
        if check_all(&bytes).is_ok() {
            prop_assert_eq!(frame(&bytes, 1 << 20), Ok(Some(bytes.len())));
        }
    }

    #[test]
    fn integers_are_written_as_short_as_they_can_be(number in any::<i64>(), shift in 0..64_u32) {
        let number = number >> shift;
        let bytes = integer(number);
        let (element, rest) = split(&bytes).unwrap();
        prop_assert!(rest.is_empty());
        let first = element.body.first().copied().unwrap();
        let sign = if first >= 0x80 { -1_i64 } else { 0 };
        prop_assert_eq!(element.body.iter().fold(sign, |sum, digit| sum << 8 | i64::from(*digit)), number);
        if let [first, second, ..] = element.body {
            let is_needless = matches!((*first, *second), (0, ..0x80) | (0xff, 0x80..));
            prop_assert!(!is_needless);
        }
    }
}

#[test]
fn a_flag_of_the_highest_bit_is_a_negative_number() {
    // What Active Directory expects of LDAP_DIRSYNC_INCREMENTAL_VALUES (MS-ADTS 3.1.1.3.4.1.3).
    assert_eq!(integer(i64::from(i32::MIN)), [INTEGER, 4, 0x80, 0, 0, 0]);
}
