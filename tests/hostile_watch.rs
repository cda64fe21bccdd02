//! The service on a server that offers to tell of changes, and then does what no real one can be made to do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agent;
mod fake_ldap;
mod monitor;
mod site;

use agent::Agent;
use fake_ldap::{Act, BASE, BIND_DN, FakeLdap, Kind, PASSWORD, Request, Script, entry, group_dn, result};
use monitor::Monitor;
use site::{Directory, Site};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// So many changes are a flood.
const FLOOD: f64 = 300_000.0;
/// What a process may grow by for other reasons, in KiB.
const GROWTH_KIB_MAX: u64 = 16 * 1024;

/// A service with a pass an hour on a server of which `twist` says what it does about changes.
fn serve(twist: impl Fn(&Request) -> Act + Send + Sync + 'static) -> (FakeLdap, Agent<Site>, Monitor) {
    let twist = move |request: &Request, answer| match request.kind {
        Kind::Changes => twist(request),
        _ => Act::Send(answer),
    };
    let server = FakeLdap::start(Script { notifies: true, twist: Some(Arc::new(twist)), ..Script::default() });
    let directory = Directory {
        urls: vec![server.url.clone()],
        base_dn: BASE.to_owned(),
        bind_dn: BIND_DN.to_owned(),
        password: PASSWORD.to_owned(),
        ca_file: None,
        more: "allow_cleartext = true\n".to_owned(),
    };
    let mut site = Site::new(directory, &["Pro"], &["Plus"]);
    site.rules = "domains = ['fake.test']\n".to_owned();
    site.more = "listen = '127.0.0.1:0'\n[schedule]\nsync = '0 * * * *'\njitter = '0s'\n".to_owned();
    let config = site.write_config();
    let agent = Agent::start(site, &config);
    let monitor = Monitor::of(&agent);
    (server, agent.settled(), monitor)
}

fn asked_for_changes(server: &FakeLdap) -> usize {
    server.log().iter().filter(|request| request.kind == Kind::Changes).count()
}

fn because(agent: &Agent<Site>) -> String {
    agent.status()["daemon"]["watched"]["because"].to_string()
}

#[test]
fn a_flood_costs_no_memory_and_few_passes() {
    let is_open = Arc::new(AtomicBool::new(false));
    let (server, agent, monitor) = {
        let is_open = is_open.clone();
        serve(move |request| match is_open.load(Ordering::SeqCst) {
            // A change of a group: it counts each time.
            true => Act::Forever(entry(request.id, &group_dn("Pro"), &[]).repeat(1_000)),
            false => Act::SendAndClose(Vec::new()),
        })
    };
    agent.until("it is cut off", |agent| because(agent).contains("closed the connection"));
    let kib = agent.resident_kib();
    is_open.store(true, Ordering::SeqCst);
    agent.until("the flood has come", |_| monitor.metrics().of("directory_changes_total") >= FLOOD);
    let grown = agent.resident_kib().saturating_sub(kib);
    assert!(grown <= GROWTH_KIB_MAX, "{grown} KiB more");
    let passes: f64 = ["in_sync", "applied"]
        .map(|result| monitor.metrics().of(&format!("passes_total{{result=\"{result}\"}}")))
        .iter()
        .sum();
    // It takes a second or two; were each change a pass, it would be an hour.
    assert!(passes <= 200.0, "{passes}");
    assert_eq!(agent.status()["state"], "ok");
    // In the middle of it.
    let (status, log, _) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    drop(server);
}

#[test]
fn who_refuses_is_asked_no_more_and_the_schedule_goes_on() {
    for code in [12, 53, 50, 0] {
        let (server, agent, _) = serve(move |request| Act::Send(result(request.id, 0x65, code, "not for you", &[])));
        agent.until("it is said why", |agent| because(agent).contains(&format!("({code}): not for you")));
        assert_eq!(agent.run(&["sync"]).code, 0);
        assert_eq!(agent.run(&["sync"]).code, 0);
        assert_eq!(asked_for_changes(&server), 1);
        let told = "changes in the directory are seen by the schedule alone";
        assert_eq!(agent.log().matches(told).count(), 1, "{}", agent.log());
        assert_eq!(agent.status()["state"], "ok");
    }
}

#[test]
fn who_breaks_off_is_asked_again() {
    let (server, agent, monitor) = serve(|_| Act::SendAndClose(Vec::new()));
    agent.until("it is asked again", |_| asked_for_changes(&server) >= 3);
    assert!(because(&agent).contains("closed the connection"), "{}", because(&agent));
    assert_eq!(agent.log().matches("not told at the moment").count(), 1, "{}", agent.log());
    assert_eq!((agent.status()["state"].clone(), monitor.metrics().of("directory_watched")), ("ok".into(), 0.0));
}

#[test]
fn garbage_is_no_change() {
    let (server, agent, monitor) = serve(|_| Act::Send(b"\x30\x84\x7f\xff\xff\xff".to_vec()));
    agent.until("it is asked again", |_| asked_for_changes(&server) >= 2);
    assert!(because(&agent).contains("2147483647"), "{}", because(&agent));
    assert_eq!(monitor.metrics().of("directory_changes_total"), 0.0);
    assert_eq!(agent.run(&["sync"]).code, 0, "passes have a connection of their own");
}

#[test]
fn a_wrong_password_is_tried_by_a_pass_alone() {
    let (server, mut agent, _) = serve(|_| Act::Send(Vec::new()));
    agent.until("it is told of changes", |agent| agent.status()["daemon"]["watched"]["by"].is_string());
    let reload = |agent: &mut Agent<Site>, password: &str| {
        let site = agent.home.as_mut().unwrap();
        site.directory.password = password.to_owned();
        site.write_config();
        assert_eq!(agent.run(&["reload"]).code, 0);
    };
    reload(&mut agent, "battery staple");
    let state = |agent: &Agent<Site>, word: &str| agent.status()["state"] == word;
    agent.until("a pass is refused", |agent| state(agent, "failing"));
    let wrong = |request: &Request| matches!(&request.kind, Kind::Bind { password, .. } if password != PASSWORD);
    assert_eq!(server.log().iter().filter(|request| wrong(request)).count(), 1);
    reload(&mut agent, PASSWORD);
    agent.until("it is told again", |agent| agent.status()["daemon"]["watched"]["by"].is_string());
    assert_eq!(server.log().iter().filter(|request| wrong(request)).count(), 1);
}
