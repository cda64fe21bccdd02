//! One life of a connection, against a server that says what a test wants, in time that passes at once.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::super::channel::Wire;
use super::super::entry::tests::encoded;
use super::super::settings::LdapUrl;
use super::*;
use ber::{INTEGER, OCTET_STRING, SEARCH_DONE, SEARCH_ENTRY, SEQUENCE, encode};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

const TIMEOUT: Duration = Duration::from_secs(30);
const NOTIFIES: &str = "1.2.840.113556.1.4.528";

fn settings() -> LdapSettings {
    LdapSettings {
        allow_cleartext: true,
        timeout: TIMEOUT,
        limits: ReadLimits { message_bytes_max: MESSAGE_BYTES_MAX, ..ReadLimits::default() },
        ..LdapSettings::new(vec![LdapUrl::parse("ldap://dc1").unwrap()], "OU=People,DC=x", "svc", "x".into())
    }
}

/// The server's end.
struct Server {
    wire: DuplexStream,
    told: Arc<Mutex<Vec<Sight>>>,
    life: JoinHandle<Blind>,
}

fn message(id: u8, op: u8, body: &[u8]) -> Vec<u8> {
    encode(SEQUENCE, &[encode(INTEGER, &[id]), encode(op, body)].concat())
}

fn done(id: u8, code: u8) -> Vec<u8> {
    message(
        id,
        SEARCH_DONE,
        &[&[0x0a, 1, code][..], &encode(OCTET_STRING, b""), &encode(OCTET_STRING, b"said")].concat(),
    )
}

fn person(id: u8, mail: &[u8]) -> Vec<u8> {
    message(
        id,
        SEARCH_ENTRY,
        &encoded("CN=a,DC=x", &[("objectGUID", &[b"a"]), ("objectClass", &[b"user"]), ("mail", &[mail])]),
    )
}

impl Server {
    /// One whose rootDSE has these controls, and which has answered for it; Active Directory, or not.
    async fn with(controls: &[&str], is_active_directory: bool) -> Self {
        let (wire, end) = tokio::io::duplex(1 << 16);
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        let life = tokio::spawn(async move {
            let (settings, end): (_, Box<dyn Wire>) = (settings(), Box::new(end));
            let mut session = Session::start(end, &settings);
            let mut tell = |sight| heard.lock().unwrap().push(sight);
            watched(&mut session, &settings, &turn("DC=x"), "ldap://dc1", &mut tell).await
        });
        let mut server = Self { wire, told, life };
        let request = server.request().await;
        assert_eq!(id_of(&request), 1);
        let controls: Vec<&[u8]> = controls.iter().map(|oid| oid.as_bytes()).collect();
        let context: &[&[u8]] = &[b"DC=x"];
        let mut root = vec![("namingContexts", context), ("supportedControl", &controls[..])];
        if is_active_directory {
            root.extend([("defaultNamingContext", context), ("dsServiceName", context)]);
        }
        server.say(&message(1, SEARCH_ENTRY, &encoded("", &root))).await;
        server.say(&done(1, 0)).await;
        server
    }

    /// Active Directory that has taken the request for notifications (2) and given its first sign of life (3).
    async fn watching() -> Self {
        let mut server = Self::with(&[NOTIFIES], true).await;
        let request = server.request().await;
        assert!(contains(&request, NOTIFIES.as_bytes()) && contains(&request, b"DC=x"), "{request:?}");
        assert!(!contains(&request, b"OU=People"), "the whole context is watched");
        assert_eq!(id_of(&server.request().await), 3);
        server.say(&done(3, 0)).await;
        server.until(&[Sight::Watching { by: "ldap://dc1".to_owned() }]).await;
        server
    }

    /// The next request, whole.
    async fn request(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            match ber::frame(&bytes, 1 << 16).unwrap() {
                Some(length) if length == bytes.len() => return bytes,
                Some(_) | None => bytes.push(self.wire.read_u8().await.unwrap()),
            }
        }
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.wire.write_all(bytes).await.unwrap();
    }

    /// Waits until exactly this was told since the last look.
    async fn until(&self, expected: &[Sight]) {
        while self.told.lock().unwrap().len() < expected.len() {
            assert!(!self.life.is_finished(), "it has ended");
            tokio::task::yield_now().await;
        }
        assert_eq!(std::mem::take(&mut *self.told.lock().unwrap()), expected);
    }

    async fn end(self) -> Blind {
        self.life.await.unwrap()
    }
}

fn id_of(request: &[u8]) -> u32 {
    ber::envelope(request).unwrap().0
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[track_caller]
fn assert_lost(blind: &Blind, words: &str) {
    assert!(matches!(blind, Blind::Lost(told) if told.contains(words)), "{blind:?}");
}

#[tokio::test(start_paused = true)]
async fn changes_are_told_and_what_is_as_before_is_not() {
    let mut server = Server::watching().await;
    for mail in [b"a@x", b"a@x", b"b@x", b"b@x"] {
        server.say(&person(2, mail)).await;
    }
    server.say(&message(2, SEARCH_ENTRY, &encoded("CN=g,DC=x", &[]))).await;
    server.until(&[Sight::Change, Sight::Change, Sight::Change]).await;
    drop(server.wire);
    assert_lost(&server.life.await.unwrap(), "closed the connection");
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_asked_for_a_sign_of_life_until_it_gives_none() {
    let mut server = Server::watching().await;
    let began = Instant::now();
    for id in 4..10 {
        assert_eq!(id_of(&server.request().await), id);
        assert_eq!(began.elapsed().as_secs(), u64::from(id - 3) * LIFE_EVERY.as_secs());
        // Whatever it says: it lives.
        server.say(&done(u8::try_from(id).unwrap(), 50)).await;
    }
    server.request().await;
    assert_lost(&server.end().await, "no sign of life within 30s");
    assert_eq!(began.elapsed(), 7 * LIFE_EVERY + TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn changes_are_no_sign_of_life_of_the_rest() {
    // A server that tells of changes and answers nothing is not one that can be read.
    let mut server = Server::watching().await;
    let began = Instant::now();
    while began.elapsed() < LIFE_EVERY + TIMEOUT && !server.life.is_finished() {
        // It may have left between the look and this.
        _ = server.wire.write_all(&message(2, SEARCH_ENTRY, &encoded("CN=g,DC=x", &[]))).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_lost(&server.end().await, "no sign of life");
}

#[tokio::test(start_paused = true)]
async fn who_refuses_at_once_is_not_asked_again_soon() {
    for (code, help) in [
        (0, "takes no notice"),
        (2, "log"),
        (11, "limit"),
        (12, "does not take a control"),
        (50, "may not read this"),
        (53, "its text says why"),
    ] {
        let mut server = Server::with(&[NOTIFIES], true).await;
        server.request().await;
        server.say(&done(2, code)).await;
        let told = server.told.clone();
        let blind = server.end().await;
        let Blind::Unable(words) = &blind else { panic!("{blind:?}") };
        assert!(words.contains(&format!("({code}): said; ")) && words.contains(help), "{words:?} and not {help:?}");
        assert_eq!(*told.lock().unwrap(), []);
    }
    for code in [1, 51, 52, 80] {
        let mut server = Server::watching().await;
        server.say(&done(2, code)).await;
        assert_lost(&server.end().await, &format!("({code}): said"));
    }
}

#[tokio::test(start_paused = true)]
async fn who_offers_nothing_is_left_alone() {
    for is_active_directory in [true, false] {
        let server = Server::with(&["1.2.3"], is_active_directory).await;
        let blind = server.end().await;
        assert!(matches!(&blind, Blind::Unable(told) if told.contains("syncprov")), "{blind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn synchronization_begins_with_the_present_state() {
    let sync = "1.3.6.1.4.1.4203.1.9.1.1";
    let mut server = Server::with(&[sync], false).await;
    let request = server.request().await;
    assert!(contains(&request, b"contextCSN"));
    server.say(&message(2, SEARCH_ENTRY, &encoded("DC=x", &[("contextCSN", &[b"one#1", b"two#2"])]))).await;
    server.say(&done(2, 0)).await;
    let request = server.request().await;
    assert!(contains(&request, sync.as_bytes()) && !contains(&request, b"OU=People"), "{request:?}");
    // refreshAndPersist, from there on.
    assert!(contains(&request, b"\x0a\x01\x03\x04\x17rid=000,csn=one#1;two#2"), "{request:?}");
    assert_eq!(id_of(&server.request().await), 4);
    server.say(&done(4, 0)).await;
    // newcookie, refreshDelete, refreshPresent say how far the server is; syncIdSet names entries.
    for value in [&[0x80, 1, b'c'][..], &[0xa1, 0], &[0xa2, 0], &[0xa3, 2, 0x31, 0]] {
        server
            .say(&message(
                3,
                ber::INTERMEDIATE_RESPONSE,
                &[encode(0x80, b"1.3.6.1.4.1.4203.1.9.1.4"), encode(0x81, value)].concat(),
            ))
            .await;
    }
    server.until(&[Sight::Watching { by: "ldap://dc1".to_owned() }, Sight::Change]).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_state_there_is_no_synchronization() {
    let mut server = Server::with(&["1.3.6.1.4.1.4203.1.9.1.1"], false).await;
    server.request().await;
    server.say(&message(2, SEARCH_ENTRY, &encoded("DC=x", &[]))).await;
    server.say(&done(2, 0)).await;
    let blind = server.end().await;
    assert!(matches!(&blind, Blind::Unable(told) if told.contains("contextCSN")), "{blind:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_answer_ends_it() {
    for (sent, words) in [
        (b"HTTP/1.1 400".to_vec(), "no LDAP message"),
        (message(2, ber::BIND_RESPONSE, &[0x0a, 1, 0, 4, 0, 4, 0]), "to a search"),
        (message(2, SEARCH_ENTRY, b"\x04\x01a"), "without attributes"),
        (vec![0x30, 0x84, 0x00, 0x20, 0, 0], "more than the 1048576 allowed"),
        (message(9, SEARCH_ENTRY, &encoded("CN=a", &[])).repeat(1_001), "that nobody asked for"),
    ] {
        let mut server = Server::watching().await;
        // It may leave before all of it is said.
        _ = server.wire.write_all(&sent).await;
        assert_lost(&server.end().await, words);
    }
}

/// Reads go to a machine that calls itself so.
fn turn(service: &str) -> Turn {
    Turn { index: 0, machine: Some(([127, 0, 0, 1], 389).into()), service: Some(service.to_owned()) }
}

#[tokio::test(start_paused = true)]
async fn another_machine_behind_the_same_address_is_not_listened_to() {
    let (settings, (mut server, end)) = (settings(), tokio::io::duplex(1 << 16));
    let root = encoded("", &[("defaultNamingContext", &[b"DC=x"]), ("dsServiceName", &[b"CN=dc2"])]);
    server.write_all(&[message(1, SEARCH_ENTRY, &root), done(1, 0)].concat()).await.unwrap();
    let mut session = Session::start(Box::new(end), &settings);
    let blind = watched(&mut session, &settings, &turn("CN=dc1"), "ldap://dc1", &mut |_| ()).await;
    assert_lost(&blind, "CN=dc2");
}

#[tokio::test(start_paused = true)]
async fn it_turns_when_reads_go_to_another_machine_and_not_when_they_fail() {
    let place = Place::default();
    place.set(turn("CN=dc1"));
    let (mut turns, here) = (place.0.subscribe(), turn("CN=dc1"));
    let elsewhere = Turn { index: 1, machine: Some(([127, 0, 0, 2], 389).into()), ..turn("CN=dc2") };
    {
        let mut turned = std::pin::pin!(turned_from(&here, &mut turns));
        for now in [turn("CN=dc1"), Turn { index: 1, ..Turn::default() }, turn("CN=dc1")] {
            place.set(now);
            let waited = tokio::time::timeout(Duration::from_secs(1), &mut turned).await;
            assert!(waited.is_err(), "it has turned");
        }
    }
    place.set(elsewhere.clone());
    turned_from(&here, &mut turns).await;
    // What was turned to before anybody waited is not missed.
    turned_from(&here, &mut place.0.subscribe()).await;
    assert_eq!(place.index(), elsewhere.index);
}

#[test]
fn the_smallest_tree_around_the_base_is_watched() {
    let server = |contexts: &[&str]| -> super::Server {
        let root: Vec<&[u8]> = contexts.iter().map(|context| context.as_bytes()).collect();
        super::Server::of(&super::super::entry::tests::entry("", &[("namingContexts", &root)]))
    };
    for (contexts, base, expected) in [
        (&["DC=a", "CN=Configuration,DC=a"][..], "OU=x,DC=a", "DC=a"),
        (&["DC=a", "DC=b,DC=a"], "ou=x, dc=B, dc=A", "DC=b,DC=a"),
        (&["DC=a"], "dc=A", "DC=a"),
        (&["DC=other"], "OU=x,DC=a", ""),
        (&[], "DC=a", ""),
    ] {
        let found = server(contexts).context(&DnKey::of(base)).cloned();
        assert_eq!(found.unwrap_or_default(), expected, "{contexts:?}");
    }
}
