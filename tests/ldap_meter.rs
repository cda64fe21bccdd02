//! What a read tells the meter: each connection, each bind, each page; so that a long read can be seen to get on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fake_ldap;

use fake_ldap::{Act, BASE, BIND_DN, FakeLdap, Kind, PAGE, PASSWORD, Script, result};
use seatsync::directory::Directory;
use seatsync::directory::ldap::{Ldap, LdapSettings, LdapUrl};
use seatsync::model::{Exchange, Meter, Peer, Went};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// For servers that never answer.
const IMPATIENT: Duration = Duration::from_millis(300);

/// Reads once; whether it worked, and what the meter heard.
fn read(urls: &[&str], password: &str, timeout: Duration) -> (bool, Vec<Exchange>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let list = heard.clone();
    let settings = LdapSettings {
        allow_cleartext: true,
        page_size: 100,
        timeout,
        meter: Meter::new(move |exchange| list.lock().unwrap().push(*exchange)),
        ..LdapSettings::new(
            urls.iter().map(|url| LdapUrl::parse(url).unwrap()).collect(),
            BASE,
            BIND_DN,
            password.into(),
        )
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let outcome = runtime.block_on(Ldap::new(settings).read_whole());
    let heard = heard.lock().unwrap().clone();
    assert!(heard.iter().all(|exchange| exchange.peer == Peer::Directory));
    (outcome.is_ok(), heard)
}

fn patiently(urls: &[&str], password: &str) -> (bool, Vec<(&'static str, Went)>) {
    let (is_read, heard) = read(urls, password, Duration::from_secs(60));
    (is_read, heard.iter().map(|exchange| (exchange.operation, exchange.went)).collect())
}

#[test]
fn a_read_tells_its_two_connections_their_binds_and_every_page() {
    const PAGES: usize = 7;
    let server = FakeLdap::start(Script { people: PAGES * PAGE, ..Script::default() });
    let (is_read, told) = patiently(&[&server.url], PASSWORD);
    assert!(is_read);
    assert_eq!(told[..2], [("connect", Went::Answered), ("bind", Went::Answered)]);
    assert!(told.iter().all(|(_, went)| *went == Went::Answered), "{told:?}");
    let count = |operation| told.iter().filter(|(told, _)| *told == operation).count();
    assert_eq!((count("connect"), count("bind")), (2, 2));
    let asked = server.log();
    let people = asked.iter().filter(|request| matches!(request.kind, Kind::People { .. })).count();
    let searches = asked.iter().filter(|request| !matches!(request.kind, Kind::Bind { .. } | Kind::Unbind)).count();
    assert_eq!((people, searches), (PAGES, count("search")));
}

#[test]
fn what_fails_is_told_with_how_it_failed() {
    let (dead, refusing) = ("ldap://127.0.0.1:9", FakeLdap::start(Script::default()));
    let (is_read, told) = patiently(&[dead, &refusing.url], "wrong");
    assert!(!is_read);
    assert_eq!(told, [("connect", Went::Unanswered), ("connect", Went::Answered), ("bind", Went::Refused)]);

    let busy = FakeLdap::start(Script::twisted(|request, answer| match request.kind {
        Kind::People { .. } => Act::Send(result(request.id, 0x65, 51, "busy", &[])),
        _ => Act::Send(answer),
    }));
    let (is_read, told) = patiently(&[&busy.url], PASSWORD);
    assert!(!is_read);
    assert_eq!(told.last(), Some(&("search", Went::Refused)));

    let silent = FakeLdap::start(Script::twisted(|request, answer| match request.kind {
        Kind::Groups { .. } => Act::Hang,
        _ => Act::Send(answer),
    }));
    let (is_read, heard) = read(&[&silent.url], PASSWORD, IMPATIENT);
    let last = heard.last().unwrap();
    assert!(!is_read);
    assert_eq!((last.operation, last.went), ("search", Went::Unanswered));
    assert!(last.took >= IMPATIENT);
}
