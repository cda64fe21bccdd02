#![allow(clippy::unwrap_used)]

use super::super::tests::{Scripted, domain_controller, done, entry_message};
use super::*;
use crate::directory::ldap::entry::tests::{encoded, entry};

const UUID: [u8; 16] = [7; 16];

fn guid() -> ObjectGuid {
    ObjectGuid::from_bytes(UUID)
}

fn octets(bytes: &[u8]) -> Vec<u8> {
    encode(ber::OCTET_STRING, bytes)
}

fn control(oid: &str, value: &[u8]) -> Vec<u8> {
    encode(ber::SEQUENCE, &[octets(oid.as_bytes()), octets(&encode(ber::SEQUENCE, value))].concat())
}

fn state(state: u8, uuid: &[u8]) -> Vec<u8> {
    control(CONTROL_STATE, &[vec![ber::ENUMERATED, 1, state], octets(uuid)].concat())
}

fn taken(controls: &[u8], attributes: &[(&str, &[&[u8]])]) -> (Result<(), Doubt>, Changes) {
    let mut changes = Changes::new(10);
    (take_entry(&entry("uid=a,dc=x", attributes), controls, &mut changes), changes)
}

fn informed(value: &[u8]) -> (Result<(), Doubt>, Changes) {
    let mut changes = Changes::new(10);
    let body = [encode(0x80, INFO.as_bytes()), encode(0x81, value)].concat();
    (take_info(&body, &mut changes), changes)
}

#[test]
fn the_request_asks_for_a_refresh_only_and_brings_the_cookie() {
    assert_eq!(request(REFRESH_ONLY, b"rid=000"), b"\x30\x0c\x0a\x01\x01\x04\x07rid=000");
}

#[test]
fn an_entry_without_others_below_it_is_taken_whether_added_or_modified() {
    let leaf: &[(&str, &[&[u8]])] = &[("hasSubordinates", &[b"FALSE"])];
    for known in [ADDED, MODIFIED] {
        let (taken, changes) = taken(&state(known as u8, &UUID), leaf);
        assert_eq!(taken, Ok(()));
        let (seen, gone) = changes.into_parts();
        assert!(seen[&guid()].needs_members() && gone.is_empty());
    }
    let (taken, changes) = taken(&state(DELETED as u8, &UUID), &[]);
    assert_eq!(taken, Ok(()));
    assert!(changes.into_parts().1.contains(&guid()));
}

#[test]
fn an_entry_that_may_have_been_renamed_with_others_below_it_is_a_doubt() {
    let above: &[(&str, &[&[u8]])] = &[("hasSubordinates", &[b"TRUE"])];
    for attributes in [above, &[]] {
        let (taken, _) = taken(&state(ADDED as u8, &UUID), attributes);
        assert!(taken.unwrap_err().to_string().contains("below it"));
    }
}

/// From then on the server would not tell who has become a member, or is none any more.
#[test]
fn a_group_that_has_come_to_have_computed_members_is_a_doubt() {
    let leaf: (&str, &[&[u8]]) = ("hasSubordinates", &[b"FALSE"]);
    let class = |class: &'static [u8]| ("objectClass", [&b"top"[..], class]);
    for (class, url, is_doubt) in [
        (class(b"groupOfNames"), "labeledURI", true),
        (class(b"posixGroup"), "memberURL", true),
        (class(b"groupOfNames"), "seeAlso", false),
        (class(b"applicationProcess"), "memberURL", true),
        // A person's own page.
        (class(b"inetOrgPerson"), "labeledURI", false),
    ] {
        let attributes = [leaf, (class.0, &class.1), (url, &[b"ldap:///dc=x??sub?(title=x)"])];
        let (taken, _) = taken(&state(MODIFIED as u8, &UUID), &attributes);
        assert_eq!(taken, if is_doubt { Err(COMPUTED_MEMBERS.to_owned().into()) } else { Ok(()) }, "{class:?} {url}");
    }
}

#[tokio::test]
async fn why_it_is_not_known_whether_identities_are_others_is_told() {
    let tree = Server { contexts: vec!["dc=ad,dc=test".to_owned()], is_active_directory: false, ..domain_controller() };
    let state = encoded("dc=ad,dc=test", &[("contextCSN", &[b"20200101000000.000000Z#000000#000#000000"])]);
    let nothing = || vec![done(0, &[])];
    for (answers, words) in [
        ([nothing(), nothing()], "changes are followed by syncrepl"),
        ([vec![entry_message(&encoded("cn=a", &[]), &[]), done(0, &[])], nothing()], "entries have an objectGUID"),
        ([vec![done(3, &[])], nothing()], "whether there are other identities: timeLimitExceeded (3)"),
        ([nothing(), vec![entry_message(&encoded("cn=a", &[]), &[]), done(0, &[])]], "(dynlist)"),
        ([nothing(), vec![done(12, &[])]], "whether there are computed members: unavailableCriticalExtension (12)"),
    ] {
        let [first, second] = answers;
        let scripted =
            Scripted::new().answer(vec![entry_message(&state, &[]), done(0, &[])]).answer(first).answer(second);
        let (mut session, settings, _) = scripted.talk();
        let server = Server { schema: None, ..tree.clone() };
        let (_, told) = begin(&mut session, &settings, &server, false).await.unwrap();
        assert!(told.contains(words), "{told:?} and not {words:?}");
    }
}

#[test]
fn states_that_are_none_are_doubts() {
    let leaf: &[(&str, &[&[u8]])] = &[("hasSubordinates", &[b"FALSE"])];
    let both: &[(&str, &[&[u8]])] = &[("hasSubordinates", &[b"FALSE"]), ("objectGUID", &[&UUID])];
    for (controls, attributes) in [
        (Vec::new(), leaf),
        (state(PRESENT as u8, &UUID), leaf),
        (state(4, &UUID), leaf),
        (state(ADDED as u8, &UUID[1..]), leaf),
        (state(ADDED as u8, &UUID), both),
        (control(CONTROL_STATE, &[]), leaf),
        (control(CONTROL_STATE, &[ber::ENUMERATED, 1, 1]), leaf),
        (control(CONTROL_STATE, &[ber::ENUMERATED, 9, 1]), leaf),
        (control(CONTROL_DONE, &[ber::ENUMERATED, 1, 1]), leaf),
    ] {
        assert!(taken(&controls, attributes).0.is_err(), "{controls:?}");
    }
}

#[test]
fn what_is_deleted_comes_as_a_set_and_what_is_still_there_is_a_doubt() {
    let set = |deletes: &[u8], uuids: &[u8]| encode(0xa3, &[deletes, &encode(ber::SET, uuids)].concat());
    let deletes = [ber::BOOLEAN, 1, 0xff];
    let (told, changes) = informed(&set(&[&octets(b"rid=000,csn=x")[..], &deletes].concat(), &octets(&UUID)));
    assert_eq!(told, Ok(()));
    assert!(changes.into_parts().1.contains(&guid()));
    assert_eq!(informed(&set(&[], &octets(&UUID))).0, Err(Doubt::Forgotten));
    assert_eq!(informed(&encode(0xa2, &[])).0, Err(Doubt::Forgotten));
    for (value, is_good) in [
        (encode(0x80, b"rid=000"), true),
        (encode(0xa1, &octets(b"rid=000")), true),
        (set(&deletes, &octets(&UUID[1..])), false),
        (set(&deletes, &encode(ber::INTEGER, &UUID)), false),
        (set(&deletes, &[4, 99]), false),
        (encode(0xa3, &deletes), false),
        (encode(0xa4, &[]), false),
        (Vec::new(), false),
    ] {
        assert_eq!(informed(&value).0.is_ok(), is_good, "{value:?}");
    }
    let mut changes = Changes::new(10);
    for body in [encode(0x80, b"1.2.3"), encode(0x80, INFO.as_bytes()), Vec::new(), vec![0x81, 9]] {
        assert!(take_info(&body, &mut changes).is_err(), "{body:?}");
    }
}

#[test]
fn only_an_end_that_tells_of_deletions_is_one_to_go_on_from() {
    let deletes = [ber::BOOLEAN, 1, 0xff];
    let end = |value: &[u8]| ended(&control(CONTROL_DONE, value));
    assert_eq!(end(&deletes), Ok(None));
    assert_eq!(end(&[&octets(b"rid=000,csn=y")[..], &deletes].concat()), Ok(Some(b"rid=000,csn=y".to_vec())));
    // As slapd ends when it lists what is there, or when it has not understood the cookie.
    assert_eq!(end(&octets(b"rid=000,csn=y")), Err(Doubt::Forgotten));
    assert!(end(&[&octets(b"")[..], &deletes].concat()).is_err());
    let too_long = octets(&[b'c'; ber::COOKIE_BYTES_MAX + 1]);
    assert!(end(&[&too_long[..], &deletes].concat()).unwrap_err().to_string().contains("a cookie of 65537 bytes"));
    for value in [&[ber::BOOLEAN, 1][..], &[ber::SET, 0], &[4, 200]] {
        assert!(end(value).is_err(), "{value:?}");
    }
    assert!(ended(&[]).is_err());
}
