//! Several searches at once, against a server that answers as it likes.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::super::super::ber::{self, encode};
use super::super::super::settings::{LdapSettings, ReadLimits};
use super::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

fn session() -> (DuplexStream, Session) {
    let (server, wire) = tokio::io::duplex(1 << 20);
    let settings = LdapSettings {
        timeout: Duration::from_secs(1),
        limits: ReadLimits { entries_max: 20, ..ReadLimits::default() },
        ..LdapSettings::new(Vec::new(), "", "", "x".into())
    };
    (server, Session::start(Box::new(wire), &settings))
}

fn search(what: &str) -> Search<'_> {
    Search {
        what,
        base: "dc=x",
        base_only: false,
        filter: "(a=b)",
        attributes: &[],
        page_size: None,
        extended_dn: false,
    }
}

fn message(id: u8, op: u8, body: &[u8]) -> Vec<u8> {
    encode(ber::SEQUENCE, &[&[2, 1, id][..], &encode(op, body)].concat())
}

fn entry(id: u8, dn: &str) -> Vec<u8> {
    message(id, ber::SEARCH_ENTRY, &[&encode(ber::OCTET_STRING, dn.as_bytes())[..], &[ber::SEQUENCE, 0]].concat())
}

fn done(id: u8, code: u8) -> Vec<u8> {
    message(id, ber::SEARCH_DONE, &[0x0a, 1, code, 4, 0, 4, 3, b'b', b'y', b'e'])
}

/// The ids of the requests that have come; each is of the same length.
fn ids(asked: &[u8], length: usize) -> Vec<u8> {
    asked.chunks(length).map(|request| request[4]).collect()
}

#[tokio::test]
async fn answers_in_any_order_belong_to_their_questions() {
    let (mut server, mut session) = session();
    let searches = ["one", "two", "three"].map(search);
    let answers = [
        entry(3, "cn=of three"),
        entry(1, "cn=of one"),
        done(3, 0),
        entry(2, "cn=of two"),
        entry(1, "cn=of one too"),
        message(2, ber::SEARCH_REFERENCE, &encode(ber::OCTET_STRING, b"ldap://other/dc=y")),
        done(1, 0),
        done(2, 0),
    ];
    server.write_all(&answers.concat()).await.unwrap();
    let mut came = Vec::new();
    let ended = session.search_each(&searches, |index, entry| {
        came.push((index, entry.dn.to_owned()));
        Ok(())
    });
    match ended.await.unwrap() {
        Several::Done(referrals) => assert_eq!(referrals, [0, 1, 0]),
        Several::Refused(done) => panic!("refused with {}", done.code),
    }
    let expected = [(2, "cn=of three"), (0, "cn=of one"), (1, "cn=of two"), (0, "cn=of one too")];
    assert_eq!(came, expected.map(|(index, dn)| (index, dn.to_owned())));
}

#[tokio::test]
async fn after_a_refusal_nothing_more_is_asked_and_the_rest_is_heard_out() {
    let (mut server, mut session) = session();
    let searches = vec![search("people"); UNDER_WAY_MAX + 5];
    let mut answers = [done(2, 11), entry(1, "cn=a")].concat();
    answers.extend((1..=UNDER_WAY_MAX as u8).filter(|id| *id != 2).flat_map(|id| done(id, 0)));
    server.write_all(&answers).await.unwrap();
    let mut came = 0;
    let ended = session.search_each(&searches, |_, _| {
        came += 1;
        Ok(())
    });
    match ended.await.unwrap() {
        Several::Refused(done) => assert_eq!((done.code, done.text.as_str()), (11, "bye")),
        Several::Done(_) => panic!("one was refused"),
    }
    assert_eq!(came, 1);
    // The connection is as good as before.
    server.write_all(&done(UNDER_WAY_MAX as u8 + 1, 0)).await.unwrap();
    assert!(matches!(session.search_each(&[search("more")], |_, _| Ok(())).await, Ok(Several::Done(_))));
    drop(session);
    let mut asked = Vec::new();
    server.read_to_end(&mut asked).await.unwrap();
    let length = asked.len() / (UNDER_WAY_MAX + 1);
    assert_eq!(ids(&asked, length), (1..=UNDER_WAY_MAX as u8 + 1).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_breaks_one_breaks_all() {
    for (answers, words) in [
        (vec![entry(1, "cn=a"), entry(2, "cn=b"), entry(2, "cn=bad")], "reading two: it is bad"),
        (vec![done(1, 0), entry(2, "cn=b")], "reading two: the answer was not complete within 1s"),
        (vec![entry(2, "cn=b").repeat(22)], "more than the 21 entries"),
        (vec![entry(1, "cn=a").repeat(11), done(1, 0), entry(2, "cn=b").repeat(11), done(2, 0)], "more than the 20"),
        (vec![vec![0x31]], "reading one: it broke the protocol"),
    ] {
        let (mut server, mut session) = session();
        server.write_all(&answers.concat()).await.unwrap();
        let searches = ["one", "two"].map(search);
        let ended = session.search_each(&searches, |_, entry| match entry.dn {
            "cn=bad" => Err("it is bad".to_owned()),
            _ => Ok(()),
        });
        match ended.await {
            Err(failure) => assert!(failure.message.contains(words), "{failure:?} and not {words:?}"),
            Ok(_) => panic!("not {words:?}"),
        }
    }
    let (server, mut session) = session();
    drop(server);
    assert!(session.search_each(&[search("one")], |_, _| Ok(())).await.is_err());
    assert!(matches!(session.search_each(&[], |_, _| Ok(())).await, Ok(Several::Done(none)) if none.is_empty()));
}
