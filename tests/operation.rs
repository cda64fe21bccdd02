//! Days of operation in a minute: the service on a real Active Directory and a real account store, hundreds of passes,
//! outages of both sides, changes in between; then it holds no more memory and no more files than before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ad;
mod agent;
mod loopback;
mod python;
mod seatstore;
mod site;

use ad::Ad;
use agent::Agent;
use seatstore::Server;
use serde_json::json;
use site::Site;

/// Passes before the first measurement: caches are filled, lazily made things are made.
const PASSES_TO_WARM_UP: usize = 40;
/// Passes of each day.
const PASSES_A_DAY: usize = 60;
/// Days.
const DAYS: usize = 3;
/// What a process may grow by for other reasons than a leak, in KiB: an allocator gives back late.
const GROWTH_KIB_MAX: u64 = 8 * 1024;
/// Connections come and go: so many more files may be open at one moment than at another.
const FILES_MORE_MAX: usize = 4;

/// One pass after another, each asked for by a signal as soon as the last one has ended.
fn passes(agent: &Agent<Site>, count: usize) {
    for _ in 0..count {
        let before = agent.status()["last_pass"]["id"].clone();
        agent.signal("USR1");
        agent.until("a pass", |agent| agent.status()["last_pass"]["id"] != before);
    }
}

#[test]
fn days_of_operation_with_outages_leave_memory_and_files_as_they_were() {
    let mut server = Server::new();
    let account = server.account("Corp", "EnterpriseDirectory", &["ad.test"]);
    server.resume();
    let mut ad = Ad::start();
    let mut site = Site::new(ad.directory(), &["App-Pro"], &["App-Plus"]);
    // Two thousand people in no mapped group: hundreds of passes shall not take minutes.
    site.directory.more = "user_filter = '(!(cn=big*))'\n".to_owned();
    site.accounts_section = Some(server.accounts_section(server.url(), &account));
    site.more = "listen = '127.0.0.1:0'\n[schedule]\nsync = 'every 1h'\njitter = '0s'\n".to_owned();
    let config = site.write_config();
    let mut agent = Agent::start(site, &config).settled();
    passes(&agent, PASSES_TO_WARM_UP);
    let (kib, files) = (agent.resident_kib(), agent.open_files());
    let lines = agent.log().lines().count();

    for day in 0..DAYS {
        passes(&agent, PASSES_A_DAY);
        // The domain controller is away, then back.
        ad.stop();
        let failed = |agent: &Agent<Site>| agent.status()["daemon"]["outage"]["passes"].as_u64().unwrap_or(0);
        agent.signal("USR1");
        agent.until("it is missed", |agent| agent.status()["state"] == "degraded");
        agent.until("it is tried again by itself", |agent| failed(agent) >= 2);
        ad.resume();
        agent.signal("USR1");
        agent.until("it is back", |agent| agent.status()["state"] == "ok");
        // The account store is killed, and comes back at another place: that is a new configuration.
        server.kill9();
        ad.disable("bob");
        agent.signal("USR1");
        agent.until("it is missed", |agent| agent.status()["state"] == "degraded");
        server.resume();
        let site = agent.home.as_mut().unwrap();
        site.accounts_section = Some(server.accounts_section(server.url(), &account));
        site.write_config();
        let reload = agent.run(&["reload"]);
        assert_eq!(reload.code, 0, "{}", reload.stderr);
        agent.until("it is back", |agent| agent.status()["state"] == "ok");
        agent.until("what happened meanwhile is made up for", |agent| {
            agent.run(&["explain", "bob@ad.test", "--json"]).stdout.contains("suspended")
        });
        ad.enable("bob");
        passes(&agent, 1);
        // The pass that ended may be one that the directory asked for, just before.
        agent.until("what was given back is there", |agent| {
            !agent.run(&["explain", "bob@ad.test", "--json"]).stdout.contains("suspended")
        });
        assert_eq!(agent.status()["state"], "ok", "day {day}");
    }

    let (kib_now, files_now) = (agent.resident_kib(), agent.open_files());
    assert!(kib_now <= kib + GROWTH_KIB_MAX, "{kib} KiB before, {kib_now} KiB after {DAYS} days");
    assert!(files_now <= files + FILES_MORE_MAX, "{files} files open before, {files_now} after");
    // A day: two outages that begin and end, two changes with the lines of their passes, a reload. Not one line a pass.
    let lines_now = agent.log().lines().count();
    assert!(lines_now - lines <= DAYS * 20, "{} lines in {DAYS} days\n{}", lines_now - lines, agent.log());
    assert!(!agent.log().contains(&agent.home().directory.password), "a secret in the log");
    let history = agent.run(&["history", "--json", "--user", "bob@ad.test"]).stdout;
    let history: serde_json::Value = serde_json::from_str(&history).unwrap();
    let actions: Vec<_> =
        history["actions"].as_array().unwrap().iter().map(|action| action["action"].clone()).collect();
    let one_day = [json!("suspend"), json!("resume")];
    let expected: Vec<_> = std::iter::once(json!("create")).chain((0..DAYS).flat_map(|_| one_day.clone())).collect();
    assert_eq!(actions, expected, "each change once, none lost");
    let (status, log, _) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}
