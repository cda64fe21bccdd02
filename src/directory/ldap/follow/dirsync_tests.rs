#![allow(clippy::unwrap_used, clippy::panic)]

use super::super::tests::{Scripted, done, entry_message};
use super::*;
use crate::directory::ldap::entry::tests::{encoded, entry};
use crate::model::ObjectGuid;
use std::time::Duration;

const ALICE: [u8; 16] = [1; 16];
const BOB: &[u8] = b"<GUID=02020202-0202-0202-0202-020202020202>;<SID=S-1-5-21-1-2-3-4>;CN=bob,DC=ad,DC=test";
const STRANGER: &[u8] =
    b"<GUID=03030303-0303-0303-0303-030303030303>;<SID=S-1-5-21-9-9-9-9>;CN=S-1-5-21-9-9-9-9,CN=ForeignSecurityPrincipals,DC=ad,DC=test";

fn guid(byte: u8) -> ObjectGuid {
    ObjectGuid::from_bytes([byte; 16])
}

fn told_of(attributes: &[(&str, &[&[u8]])]) -> Result<Told, String> {
    told(&entry("CN=alice,DC=ad,DC=test", attributes))
}

fn seen(attributes: &[(&str, &[&[u8]])]) -> Seen {
    match told_of(attributes) {
        Ok(Told::Seen(seen)) => seen,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_flag_of_incremental_values_goes_as_a_negative_number_of_32_bits() {
    let flags = |as_anybody| {
        let request = request(as_anybody, b"c");
        let (outer, _) = ber::split(&request).unwrap();
        let parts: Vec<_> = ber::elements(outer.body).map(Result::unwrap).collect();
        assert_eq!((parts.len(), parts[2].tag, parts[2].body), (3, ber::OCTET_STRING, &b"c"[..]));
        parts[0].body.to_vec()
    };
    assert_eq!(flags(false), [0x80, 0, 0, 0]);
    assert_eq!(flags(true), [0x80, 0, 0, 1]);
}

#[test]
fn a_new_person_shows_classes_and_another_one_with_another_mail_does_not() {
    let new = seen(&[("objectClass", &[b"top", b"person", b"user"]), ("name", &[b"alice"]), ("mail", &[b"a@x.y"])]);
    assert!(new.created && new.moved && new.needs_members());
    assert_eq!(seen(&[("mail", &[b"a@x.y"]), ("instanceType", &[b"4"])]), Seen::default());
}

#[test]
fn a_cleared_attribute_comes_without_values_or_not_at_all() {
    assert_eq!(seen(&[("mail", &[]), ("instanceType", &[b"4"])]), Seen::default());
    assert_eq!(seen(&[("instanceType", &[b"4"])]), Seen::default());
}

#[test]
fn a_rename_and_a_move_show_the_name_without_classes() {
    let moved = seen(&[("name", &[b"alice 2"]), ("instanceType", &[b"4"])]);
    assert!(moved.moved && !moved.created && moved.needs_members());
}

#[test]
fn new_entries_that_are_neither_people_nor_groups_are_nothing() {
    assert_eq!(told_of(&[("objectClass", &[b"top", b"organizationalUnit"]), ("name", &[b"x"])]), Ok(Told::Nothing));
    // A contact may be a member, and is nobody.
    assert_eq!(told_of(&[("objectClass", &[b"top", b"person", b"contact"]), ("name", &[b"x"])]), Ok(Told::Nothing));
}

#[test]
fn a_deletion_says_so_and_an_undeletion_takes_it_back_and_is_a_doubt() {
    let deleted: &[(&str, &[&[u8]])] = &[("isDeleted", &[b"TRUE"]), ("name", &[b"alice\nDEL:..."]), ("mail", &[])];
    assert_eq!(told_of(deleted), Ok(Told::Gone));
    let back: &[(&str, &[&[u8]])] = &[("isDeleted", &[]), ("name", &[b"alice"]), ("objectCategory", &[b"x"])];
    assert!(told_of(back).unwrap_err().contains("has come back"));
}

#[test]
fn a_changed_access_list_is_a_doubt_but_not_that_of_a_new_entry() {
    assert!(told_of(&[("nTSecurityDescriptor", &[b"x"])]).unwrap_err().contains("who may read"));
    let new = seen(&[("objectClass", &[b"top", b"person", b"user"]), ("nTSecurityDescriptor", &[b"x"])]);
    assert!(new.created);
}

#[test]
fn members_come_with_range_1_and_go_with_range_0() {
    let group = seen(&[("member;range=1-1", &[BOB]), ("member;range=0-0", &[STRANGER])]);
    assert!(group.is_group() && !group.needs_members());
    let links: Vec<_> = group.links.into_values().collect();
    assert_eq!(links, [(Member::Guid(guid(2)), true), (Member::Foreign(guid(3)), false)]);
}

#[test]
fn members_that_come_in_any_other_way_are_read_anew() {
    for attribute in ["member", "member;range=0-1499", "member;range=0-*", "member;range=1-2"] {
        let group = seen(&[(attribute, &[BOB])]);
        assert!(group.needs_members() && group.links.is_empty(), "{attribute}");
    }
    // A bare one may mean that there are none any more.
    assert!(seen(&[("member", &[])]).needs_members());
    assert!(seen(&[("member;range=1-1", &[b"CN=no identity,DC=ad,DC=test"])]).needs_members());
    assert!(seen(&[("member;range=1-1", &[b" "])]).needs_members());
    for value in [&b"\xff"[..], b"<GUID=no>;CN=bob"] {
        assert!(told_of(&[("member;range=1-1", &[value])]).is_err());
    }
}

#[test]
fn an_entry_without_identity_is_a_doubt() {
    let mut changes = Changes::new(10);
    take(&entry("CN=alice,DC=ad,DC=test", &[("mail", &[b"a@x.y"])]), &mut changes);
    assert!(changes.doubt().is_some_and(|why| why.to_string().contains("objectGUID")));
}

/// The control of an answer.
fn control(more: i64, cookie: &[u8]) -> Vec<u8> {
    let value = encode(ber::SEQUENCE, &[integer(more), integer(0), encode(ber::OCTET_STRING, cookie)].concat());
    control_of(&value)
}

fn control_of(value: &[u8]) -> Vec<u8> {
    let oid = encode(ber::OCTET_STRING, CONTROL_DIRSYNC.as_bytes());
    encode(ber::SEQUENCE, &[oid, encode(ber::OCTET_STRING, value)].concat())
}

fn told_in(attributes: &[(&str, &[&[u8]])]) -> Vec<u8> {
    let identity: (&str, &[&[u8]]) = ("objectGUID", &[&ALICE]);
    encoded("CN=alice,DC=ad,DC=test", &[&[identity], attributes].concat())
}

async fn fed(scripted: Scripted) -> (Result<Way, Doubt>, Changes) {
    let way = Way::DirSync { cookie: b"before".to_vec(), as_anybody: false };
    let mut changes = Changes::new(10);
    let (mut session, settings, server) = scripted.talk();
    let told = feed(&mut session, &settings, &server, &way, &mut changes).await.unwrap();
    (told, changes)
}

#[tokio::test]
async fn a_question_is_asked_on_until_nothing_more_is_to_come() {
    let scripted = Scripted::new()
        .answer(vec![entry_message(&told_in(&[("member;range=1-1", &[BOB])]), &[]), done(0, &control(1, b"between"))])
        .answer(vec![done(0, &control(1, b"further"))])
        .answer(vec![
            entry_message(&told_in(&[("member;range=0-0", &[STRANGER])]), &[]),
            done(0, &control(0, b"after")),
        ]);
    let asked = scripted.asked();
    let (told, changes) = fed(scripted).await;
    assert_eq!(told, Ok(Way::DirSync { cookie: b"after".to_vec(), as_anybody: false }));
    let (seen, _) = changes.into_parts();
    assert_eq!(seen[&guid(1)].links.len(), 2);
    let asked = asked.lock().unwrap();
    let has = |request: &Vec<u8>, cookie: &[u8]| request.windows(cookie.len()).any(|window| window == cookie);
    for (request, cookie) in asked.iter().zip([&b"before"[..], b"between", b"further"]) {
        assert!(has(request, cookie) && has(request, &[0x02, 0x04, 0x80, 0, 0, 0]));
    }
    assert_eq!(asked.len(), 3);
}

#[tokio::test]
async fn refusals_and_cookies_that_are_none_are_doubts() {
    for (message, words) in [
        (done(12, &[]), "DirSync is refused: unavailableCriticalExtension (12)"),
        (done(50, &[]), "(50); grant the account \"Replicating Directory Changes\""),
        (done(0, &[]), "the server answers to DirSync with no cookie"),
        (done(0, &control(0, b"")), "malformed cookie"),
        (done(0, &control_of(b"\x30\x03\x02\x01\x00")), "malformed cookie"),
        (done(0, &control_of(b"\x30\x40\x02\x01\x00")), "where 3 are left"),
        (done(0, &control_of(b"")), "cut off"),
        (done(0, &control(0, &[b'c'; ber::COOKIE_BYTES_MAX + 1])), "a cookie of 65537 bytes"),
    ] {
        let (told, _) = fed(Scripted::new().answer(vec![message])).await;
        assert!(told.as_ref().is_err_and(|why| why.to_string().contains(words)), "{told:?} and not {words}");
    }
}

async fn begun(scripted: Scripted) -> (Option<Way>, String) {
    let (mut session, settings, server) = scripted.talk();
    begin(&mut session, &settings, &server, 389).await.unwrap()
}

#[tokio::test]
async fn a_global_catalog_is_read_whole_whenever_anything_has_changed() {
    for port in [3268, 3269] {
        let (mut session, settings, server) = Scripted::new().talk();
        let (way, words) = begin(&mut session, &settings, &server, port).await.unwrap();
        assert_eq!(way, Some(Way::Still { usn: 77 }));
        assert!(words.contains("whenever anything has changed, because a global catalog"), "{words}");
    }
}

/// What a server shows of the schema about `mail`.
fn schema() -> Vec<Vec<u8>> {
    let mail: &[(&str, &[&[u8]])] = &[("lDAPDisplayName", &[b"mail"]), ("attributeSyntax", &[b"2.5.5.12"])];
    vec![entry_message(&encoded("CN=E-mail,CN=Schema", mail), &[]), done(0, &[])]
}

#[tokio::test]
async fn who_may_not_replicate_asks_as_anybody_and_who_does_not_see_what_is_deleted_is_not_told_changes() {
    let shown = || entry_message(&told_in(&[("isDeleted", &[b"TRUE"])]), &[]);
    let good = Scripted::new().answer(schema()).answer(vec![shown(), done(0, &control(0, b"now"))]);
    assert_eq!(begun(good).await.0, Some(Way::DirSync { cookie: b"now".to_vec(), as_anybody: false }));

    let anybody = Scripted::new()
        .answer(schema())
        .answer(vec![done(50, &[])])
        .answer(vec![shown(), done(0, &control(0, b"now"))]);
    assert_eq!(begun(anybody).await.0, Some(Way::DirSync { cookie: b"now".to_vec(), as_anybody: true }));

    let blind = Scripted::new().answer(schema()).answer(vec![done(0, &control(0, b"now"))]);
    let (way, words) = begun(blind).await;
    assert_eq!(way, Some(Way::Still { usn: 77 }));
    assert!(words.contains("Replicating Directory Changes") && words.contains("Deleted Objects"), "{words}");

    let may_not = || vec![done(50, &[])];
    for (answers, told) in [
        (vec![vec![done(53, &[])]], "because DirSync is refused: unwillingToPerform (53)"),
        (vec![may_not(), may_not()], "(50); grant the account \"Replicating Directory Changes\""),
        (vec![vec![done(0, &[])]], "because the server answers to DirSync with no cookie"),
    ] {
        let (way, words) = begun(answers.into_iter().fold(Scripted::new().answer(schema()), Scripted::answer)).await;
        assert_eq!(way, Some(Way::Still { usn: 77 }));
        assert!(words.contains(told), "{words:?} and not {told:?}");
    }
}

#[tokio::test]
async fn a_server_that_always_has_more_is_a_doubt() {
    let mut scripted = Scripted::new();
    for _ in 0..ANSWERS_MAX {
        scripted = scripted.answer(vec![done(0, &control(1, b"more"))]);
    }
    let (told, _) = fed(scripted).await;
    assert!(told.is_err_and(|why| why.to_string().contains("does not come to an end within 10000 answers")));
}

/// Each answer is in time, and all of them together never are.
#[tokio::test(start_paused = true)]
async fn a_question_that_takes_very_long_is_a_doubt_and_no_failure() {
    let slow = |mut scripted: Scripted| {
        for _ in 0..100 {
            scripted = scripted.answer(vec![done(0, &control(1, b"more"))]);
        }
        scripted.after(Duration::from_secs(20))
    };
    let words = "does not come to an end within 300s";
    let (told, _) = fed(slow(Scripted::new())).await;
    assert!(told.as_ref().is_err_and(|why| why.to_string().contains(words)), "{told:?}");
    let (way, told) = begun(slow(Scripted::new().answer(schema()))).await;
    assert_eq!(way, Some(Way::Still { usn: 77 }));
    assert!(told.contains(words), "{told}");
}
