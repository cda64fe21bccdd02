//! The real binary against a server that fails or attacks in the middle of a read: exit status 1, the cause in words, and
//! the account store and everybody's seat as they were.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fake_ldap;
mod site;

use fake_ldap::{Act, BASE, BIND_DN, FakeLdap, Kind, PASSWORD, Request, Script, message, person, result};
use site::{Directory, Site};

const PEOPLE: usize = 450;

fn directory(server: &FakeLdap) -> Directory {
    Directory {
        urls: vec![server.url.clone()],
        base_dn: BASE.to_owned(),
        bind_dn: BIND_DN.to_owned(),
        password: PASSWORD.to_owned(),
        ca_file: None,
        more: "allow_cleartext = true\npage_size = 100\n".to_owned(),
    }
}

fn honest() -> Script {
    let everybody = (0..PEOPLE).collect();
    Script {
        people: PEOPLE,
        groups: vec![("Pro".to_owned(), everybody), ("Plus".to_owned(), vec![5])],
        ..Script::default()
    }
}

/// Everybody is seated by an honest server; then this one takes its place.
#[track_caller]
fn takes_nothing(hostile: impl Fn(&Request, Vec<u8>) -> Act + Send + Sync + 'static, timeout: &str, words: &[&str]) {
    let server = FakeLdap::start(honest());
    let mut site = Site::new(directory(&server), &["Pro"], &["Plus"]);
    site.rules = String::new();
    // No limit stands in the way: only that a failed read is no reading.
    site.limits = "losses = \"off\"\ngroup_shrink = \"off\"\n".to_owned();
    site.sync_and_settle();
    let before = site.accounts();
    assert_eq!(before.len(), PEOPLE);

    let server = FakeLdap::start(Script { twist: Some(std::sync::Arc::new(hostile)), ..honest() });
    site.directory = directory(&server);
    site.directory.more += &format!("timeout = \"{timeout}\"\n");
    let run = site.run(&["sync", "--json"]);
    run.assert_fails(1, words);
    run.assert_fails(1, &["the directory was not read, nothing was changed"]);
    assert_eq!(run.stdout, "", "with --json stdout is empty or one document");
    assert!(!run.stderr.contains("panicked") && !run.stderr.contains(PASSWORD), "{}", run.stderr);
    assert_eq!(site.accounts(), before);

    // And the honest one finds nothing to do.
    let server = FakeLdap::start(honest());
    site.directory = directory(&server);
    site.assert_settled();
}

/// Answers the third page of people differently.
fn on_page_three(
    act: impl Fn(&Request) -> Act + Send + Sync + 'static,
) -> impl Fn(&Request, Vec<u8>) -> Act + Send + Sync {
    move |request, due| match request.kind {
        Kind::People { offset: 200 } => act(request),
        _ => Act::Send(due),
    }
}

const PATIENT: &str = "60s";

#[test]
fn busy_on_page_three_of_five() {
    let busy = on_page_three(|request| Act::Send(result(request.id, 0x65, 51, "", &[])));
    takes_nothing(busy, PATIENT, &["busy (51)", "page 3"]);
}

#[test]
fn size_limit_on_page_three() {
    let limit =
        on_page_three(|request| Act::Send([person(request.id, 200), result(request.id, 0x65, 4, "", &[])].concat()));
    takes_nothing(limit, PATIENT, &["sizeLimitExceeded (4)", "page 3"]);
}

#[test]
fn connection_cut_in_mid_page() {
    takes_nothing(
        on_page_three(|request| Act::SendAndClose(person(request.id, 200))),
        PATIENT,
        &["closed the connection"],
    );
}

#[test]
fn torn_message_and_cut() {
    let torn = on_page_three(|request| {
        let person = person(request.id, 200);
        Act::SendAndClose(person[..person.len() / 2].to_vec())
    });
    takes_nothing(torn, PATIENT, &["middle of a message"]);
}

#[test]
fn server_that_hangs_on_page_three() {
    takes_nothing(on_page_three(|_| Act::Hang), "300ms", &["300ms"]);
}

#[test]
fn length_of_two_gigabytes() {
    takes_nothing(
        on_page_three(|_| Act::Send(vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff])),
        PATIENT,
        &["2147483647 bytes"],
    );
}

#[test]
fn nesting_without_end() {
    let deep = [0x30, 0x80].repeat(200_000);
    takes_nothing(on_page_three(move |_| Act::Send(deep.clone())), PATIENT, &["broke the protocol"]);
}

#[test]
fn flood_of_entries_nobody_asked_for() {
    let flood = on_page_three(|_| Act::Forever(message(4_711, 0x64, &[], &[])));
    takes_nothing(flood, PATIENT, &[]);
}

#[test]
fn page_that_never_ends() {
    takes_nothing(on_page_three(|request| Act::Forever(person(request.id, 200))), PATIENT, &["ignores the page size"]);
}

/// How `check` fares against one server; how often it was asked to bind.
fn check(script: Script, change: impl FnOnce(&mut Directory)) -> (site::Run, usize) {
    let server = FakeLdap::start(script);
    let mut site = Site::new(directory(&server), &["Pro"], &["Plus"]);
    change(&mut site.directory);
    (site.check(), server.binds())
}

#[test]
fn check_tries_a_wrong_password_once() {
    let (run, binds) = check(honest(), |directory| directory.password = "battery staple".to_owned());
    run.assert_fails(1, &["wrong user name or password", "skip  directory     not read: the bind was refused"]);
    assert!(run.stdout.ends_with("\n1 problem\n"), "{}", run.stdout);
    assert_eq!(binds, 1);
}

#[test]
fn check_tells_a_failure_of_all_servers_once() {
    let dead = "ldap://127.0.0.1:9".to_owned();
    for change in [
        |directory: &mut Directory| directory.base_dn = "DC=elsewhere".to_owned(),
        |directory: &mut Directory| directory.urls = vec!["ldap://127.0.0.1:9".to_owned()],
    ] {
        let (run, _) = check(honest(), change);
        run.assert_fails(1, &["skip  directory     not read: no server can be used"]);
        assert!(run.stdout.ends_with("\n1 problem\n"), "{}", run.stdout);
    }
    let server = FakeLdap::start(honest());
    let mut site = Site::new(directory(&server), &["Pro"], &["Plus"]);
    site.directory.urls = vec!["ldap://dc1.nowhere.invalid".to_owned()];
    site.sync().assert_fails(1, &["cannot be resolved", "is it spelt right", "`seatsync check`"]);
    // One of two that is down is a problem, and no reason not to read from the other.
    let (run, binds) = check(honest(), |directory| directory.urls.insert(0, dead.clone()));
    run.assert_fails(1, &["port 9 open from here", "ok    directory     450 people"]);
    assert!(run.stdout.ends_with("\n1 problem\n"), "{}", run.stdout);
    assert_eq!(binds, 3);
}

#[test]
fn check_tells_what_the_reading_gives_cause_to_say() {
    let reference = |request: &Request, due: Vec<u8>| match request.kind {
        Kind::People { offset: 0 } => {
            let url = fake_ldap::ber(0x04, b"ldap://emea.fake.test/DC=emea,DC=fake,DC=test");
            Act::Send([message(request.id, 0x73, &url, &[]), due].concat())
        }
        _ => Act::Send(due),
    };
    let (run, _) = check(Script { twist: Some(std::sync::Arc::new(reference)), ..honest() }, |_| {});
    assert!(run.stdout.contains("warning       referrals: directory: the server gave 1 referrals"), "{}", run.stdout);
}

#[test]
fn check_tells_a_ca_file_that_is_none_offline() {
    let server = FakeLdap::start(honest());
    let mut site = Site::new(directory(&server), &["Pro"], &["Plus"]);
    let ca_file = std::path::PathBuf::from(site.file("corp-ca.pem"));
    std::fs::write(&ca_file, "garbage").unwrap();
    site.directory.ca_file = Some(ca_file);
    let run = site.run(&["check", "--offline"]);
    run.assert_fails(78, &["corp-ca.pem: it holds no PEM certificate", "seatsync.toml:7:11"]);
}
