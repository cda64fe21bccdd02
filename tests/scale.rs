//! Ten thousand people: what a pass asks of the directory and of the account store, how many entries it reads and how much
//! memory it takes. Counts alone, taken by who is in between; how fast all of it is, `tests/bench/run` measures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agent;
mod crowd;
mod ldif;
mod loopback;
mod proxy;
mod seatstore;
mod site;
mod tap;

use agent::Agent;
use crowd::{Crowd, FEW, FEW_PEOPLE, GROUPS, STAFF};
use proxy::Proxy;
use seatstore::Server;
use site::Site;
use std::process::Command;
use tap::{Search, Seen, Tap};

const PEOPLE: u64 = 10_000;
/// Entries of a page, as servers allow them.
const PAGE: u64 = 1_000;
/// Most people of one request (`wire::CREATE_ITEMS_MAX` and its like), written out: the tests hold the code against them.
const CREATES: u64 = 50;
const UPDATES: u64 = 20;
/// People come over one, groups over the other.
const CONNECTIONS: u64 = 2;
/// What comes before the entries: the binds, what the server is, whether the base is there.
const QUESTIONS_FIRST: u64 = CONNECTIONS + 2;
/// Most questions until it is clear that reading everything is cheaper than looking people up.
const QUESTIONS_OF_CHOICE: u64 = 12;
/// Most entries until then.
const ENTRIES_OF_CHOICE: u64 = 1_000;
/// Most questions of a read that finds nothing changed.
const QUESTIONS_OF_NOTHING: u64 = 3;
/// Of somebody mapped: as a member, as the holder of an account, as the owner of the address.
const ENTRIES_A_MAPPED_PERSON: u64 = 3;
/// The server, the base, and each of the two groups up to three times. One page more is read until it is clear that there
/// are many more people than those concerned.
const ENTRIES_BESIDE: u64 = 8;
/// People who are looked up by one question.
const PEOPLE_A_QUESTION: u64 = 10;
/// A tier that leads nobody anywhere: whoever is in it is in [`STAFF`] too.
const TEAM: &str = "team-000";
/// The most that the agent may hold at one time, in KiB: a debug build, with all that it does at first.
const MEMORY_KIB_MAX: u64 = 192 * 1024;

/// An agent between a directory and an account store, and who counts on either side.
struct Bench {
    agent: Agent<Site>,
    crowd: Crowd,
    tap: Tap,
    proxy: Proxy,
    _server: Server,
}

impl Bench {
    /// With all of its first pass behind it: whoever is in one of the groups has a seat.
    fn start(tiers: &[(&str, &[&str])]) -> Self {
        let crowd = Crowd::start(PEOPLE);
        let tap = Tap::start(crowd.address());
        let mut server = Server::new();
        let account = server.account("Corp", "EnterpriseDirectory", &[crowd::DOMAIN]);
        server.resume();
        let proxy = Proxy::start(server.address());
        let mut site = crowd.site(&tap.url());
        site.tiers = owned(tiers);
        site.accounts_section = Some(server.accounts_section(&proxy.url(), &account));
        // Passes come when the test asks for them.
        site.directory.more.push_str("watch = false\n");
        site.more = "[schedule]\nsync = 'every 24h'\njitter = '0s'\n".to_owned();
        let config = site.write_config();
        let agent = Agent::start(site, &config).settled();
        Self { agent, crowd, tap, proxy, _server: server }
    }

    /// One more pass; what it asked of the directory, and how often it asked the account store.
    fn pass(&self) -> (Seen, u64) {
        self.tap.forget();
        self.proxy.forget();
        let before = self.agent.status()["last_pass"]["id"].clone();
        self.agent.signal("USR1");
        self.agent.until("a pass", |agent| agent.status()["last_pass"]["id"] != before);
        (self.tap.seen(), self.requests())
    }

    /// Requests to the account store.
    fn requests(&self) -> u64 {
        self.proxy.asked_in_all() as u64
    }

    fn asked(&self, operation: &str) -> u64 {
        self.proxy.asked(operation) as u64
    }

    /// `changes` of the last pass, all of them done.
    #[track_caller]
    fn assert_last_pass(&self, result: &str, changes: u64) {
        let last = &self.agent.status()["last_pass"];
        let counts = &last["counts"];
        assert_eq!(
            (last["result"].as_str().unwrap(), counts["changes"].as_u64().unwrap()),
            (result, changes),
            "{last}"
        );
        assert_eq!((counts["held"].as_u64().unwrap(), counts["failed"].as_u64().unwrap()), (0, 0), "{last}");
    }
}

fn owned(tiers: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
    let words = |groups: &[&str]| groups.iter().map(|group| (*group).to_owned()).collect();
    tiers.iter().map(|(name, groups)| ((*name).to_owned(), words(groups))).collect()
}

/// Two connections, full pages, each entry once; and before that, where it is not known yet how many are concerned, the
/// beginning of a look at the mapped groups alone.
#[track_caller]
fn assert_read_once(seen: &Seen) {
    assert!(seen.connections <= CONNECTIONS && seen.binds <= CONNECTIONS, "{seen:#?}");
    assert!(seen.searches.iter().all(|search| search.result == Some(0)), "{:#?}", seen.searches);
    // A page more of each kind: a server may find out late that there is nothing left.
    let most = QUESTIONS_FIRST + PEOPLE.div_ceil(PAGE) + 1 + GROUPS.div_ceil(PAGE) + 1 + QUESTIONS_OF_CHOICE;
    assert!(seen.round_trips() <= most, "{} round trips, {most} are enough", seen.round_trips());
    // The server itself and the base.
    let most = PEOPLE + GROUPS + 2 + ENTRIES_OF_CHOICE;
    assert!(seen.entries() <= most, "{} entries, {most} are there", seen.entries());
}

#[test]
fn passes_over_a_large_directory_ask_no_more_than_they_must() {
    let mut bench = Bench::start(&[("pro", &[FEW]), ("plus", &[STAFF])]);
    // Nine in ten of the few are in the staff, and pro counts first.
    let (pro, plus) = (FEW_PEOPLE, bench.crowd.staff_enabled() - FEW_PEOPLE / 10 * 9);
    bench.assert_last_pass("applied", pro + plus);
    assert_read_once(&bench.tap.seen());
    assert_eq!(bench.asked("BatchCreateUser"), (pro + plus).div_ceil(CREATES));
    // What kind of account it is, and that nobody is there.
    assert!(bench.requests() <= bench.asked("BatchCreateUser") + 2, "{:?}", bench.proxy.counts());

    // Another tier for almost everybody: full batches again.
    let site = bench.agent.home.as_mut().unwrap();
    site.tiers = owned(&[("pro", &[FEW, STAFF]), ("plus", &[TEAM])]);
    site.write_config();
    bench.proxy.forget();
    let reload = bench.agent.run(&["reload"]);
    assert_eq!(reload.code, 0, "{}", reload.stderr);
    bench.agent.until("everybody has moved", |agent| agent.status()["last_pass"]["counts"]["changes"] == plus);
    bench.assert_last_pass("applied", plus);
    assert_eq!(bench.asked("BatchUpdateUser"), plus.div_ceil(UPDATES));
    assert!(bench.requests() <= bench.asked("BatchUpdateUser") + 2, "{:?}", bench.proxy.counts());

    let kib = bench.agent.most_memory_kib();
    assert!(kib <= MEMORY_KIB_MAX, "{kib} KiB at one time");
}

/// What has not changed is neither read nor asked for again.
#[test]
fn a_pass_in_which_nothing_has_changed_asks_next_to_nothing() {
    let bench = Bench::start(&[("plus", &[STAFF])]);
    for _ in 0..3 {
        let (seen, requests) = bench.pass();
        bench.assert_last_pass("in_sync", 0);
        assert!(seen.round_trips() <= QUESTIONS_OF_NOTHING, "{seen:#?}");
        // The server itself, at most.
        assert!(seen.entries() <= 1, "{seen:#?}");
        assert_eq!(requests, 0, "{:?}", bench.proxy.counts());
    }
    // One change: whose it is, that the base is there, and what it is now; what kind of account it is, and one seat.
    let left = bench.crowd.staff_enabled() - 1;
    let disabled = "changetype: modify\nreplace: userAccountControl\nuserAccountControl: 514\n";
    bench.crowd.modify(&format!("dn: {}\n{disabled}", crowd::person(1)));
    let (seen, requests) = bench.pass();
    bench.assert_last_pass("applied", 1);
    assert_eq!(bench.agent.status()["last_pass"]["counts"]["seated"].as_u64(), Some(left));
    assert!(seen.entries() <= 3 && seen.round_trips() <= QUESTIONS_OF_NOTHING, "{seen:#?}");
    assert_eq!((requests, bench.asked("BatchSuspendUser")), (2, 1), "{:?}", bench.proxy.counts());
}

/// Who maps two hundred of ten thousand people reads hundreds of entries, not thousands.
#[test]
fn what_is_read_follows_the_people_who_are_mapped() {
    let crowd = Crowd::start(PEOPLE);
    let tap = Tap::start(crowd.address());
    let mut site = crowd.site(&tap.url());
    site.tiers = owned(&[("plus", &[FEW])]);
    assert_eq!(site.sync().changes().len() as u64, FEW_PEOPLE);
    // Now it is known who holds an account, so that the others need not be looked at.
    tap.forget();
    let run = site.sync();
    assert_eq!((run.code, run.json["in_sync"].as_bool()), (0, Some(true)), "{run:#?}");
    let seen = tap.seen();
    assert!(seen.searches.iter().all(|search| search.result == Some(0)), "{:#?}", seen.searches);
    let most = FEW_PEOPLE * ENTRIES_A_MAPPED_PERSON + ENTRIES_BESIDE + PAGE;
    assert!(seen.entries() <= most, "{} entries, {most} are enough: {:#?}", seen.entries(), seen.searches);
    let most = QUESTIONS_FIRST + FEW_PEOPLE.div_ceil(PEOPLE_A_QUESTION);
    assert!(seen.round_trips() <= most, "{} round trips, {most} are enough: {:#?}", seen.round_trips(), seen.searches);
}

/// If this fails, look here before looking at the agent.
#[test]
fn the_tap_counts_what_another_client_is_given() {
    let crowd = Crowd::start(PEOPLE);
    let tap = Tap::start(crowd.address());
    let output = Command::new("ldapsearch")
        .args(["-LLL", "-x", "-H", &tap.url(), "-D", crowd::READER, "-w", crowd::READER_PASSWORD, "-b", crowd::BASE])
        .args(["-E", "pr=1000/noprompt", "(|(objectClass=person)(objectClass=group))", "cn", "mail"])
        .output()
        .unwrap_or_else(|error| panic!("ldapsearch (package ldap-utils): {error}"));
    assert!(output.status.success(), "{output:?}");
    let given = String::from_utf8(output.stdout).unwrap().lines().filter(|line| line.starts_with("dn: ")).count();
    let seen = tap.seen();
    assert_eq!((seen.entries(), seen.entries()), (given as u64, PEOPLE + GROUPS));
    assert_eq!((seen.connections, seen.binds, seen.others), (1, 1, 0));
    assert_eq!(seen.searches.len() as u64, (PEOPLE + GROUPS).div_ceil(PAGE));
    for search in &seen.searches {
        let Search { base, scope, attributes, entries: _, result } = search;
        assert_eq!((base.as_str(), *scope, *result), (crowd::BASE, 2, Some(0)));
        assert_eq!(attributes, &["cn", "mail"]);
    }
}
