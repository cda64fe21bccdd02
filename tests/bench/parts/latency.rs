//! From a change of a group in a real Active Directory (Samba) to the change of the seat in the account store.

use crate::ad::{self, Ad};
use crate::agent::Agent;
use crate::gauge::{Runs, Taken, cpu_seconds, median, percentile, sorted};
use crate::seatstore::Server;
use crate::site::{Directory, Site};
use crate::table::Line;
use crate::told;
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/latency.py");
const CHANGES: usize = 200;
const PEOPLE: usize = 20;
/// Bars, in seconds.
const MEDIAN_MOST: f64 = 0.5;
const ALMOST_ALL_MOST: f64 = 1.5;
const GROUP: &str = "Latency";
/// An account that may replicate ("Replicating Directory Changes").
const FOLLOWER: &str = "svc-dirsync@ad.test";

/// Two hundred changes, one after another.
pub fn of_changes() -> Line {
    told(&format!("{CHANGES} changes in Samba, one after another"));
    let mut server = Server::new();
    let account = server.account("Corp", "EnterpriseDirectory", &["ad.test"]);
    server.resume();
    let ad = Ad::start();
    let people: Vec<String> = (0..PEOPLE).map(|index| format!("latency{index:02}")).collect();
    people.iter().for_each(|name| ad.add_user(name));
    // Somebody stays, since a group that becomes empty is a reason to hold losses.
    ad.add_group(GROUP, &["alice"]);
    // Who may replicate is told what has changed; anybody else reads all of it each time.
    let directory = Directory { bind_dn: FOLLOWER.to_owned(), ..ad.directory() };
    let mut site = Site::new(directory, &[], &[GROUP]);
    site.accounts_section = Some(server.accounts_section(server.url(), &account));
    site.limits = "losses = 'off'\ngroup_shrink = 'off'\n".to_owned();
    site.more = "[schedule]\nsync = 'every 24h'\njitter = '0s'\n".to_owned();
    let config = site.write_config();
    let agent = Agent::start(site, &config).settled();

    let used = cpu_seconds(agent.pid());
    let mut client = Command::new("/usr/bin/python3")
        .arg(CLIENT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("python3 (package python3-samba): {error}"));
    let given = json!({
        "url": ad.url(), "ca": ad.ca(), "smb_conf": ad.smb_conf(), "administrator": ad::ADMINISTRATOR,
        "password": ad::ADMINISTRATOR_PASSWORD, "groups": format!("OU=Groups,OU=Zoo,{}", ad::BASE),
        "group": ad::group(GROUP), "people": people, "person_dn": ad::person("NAME"), "mail": "NAME@ad.test",
        "sign_in": server.address().to_string(), "changes": CHANGES,
    });
    client.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success(), "{CLIENT} ended with {}\n{}", output.status, agent.log());
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let numbers = |name: &str| sorted(told[name].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()));
    let (delays, shares) = (numbers("delays"), numbers("shares"));

    let phase = format!("from {CHANGES} changes in Samba to the seats, one by one");
    if delays.is_empty() {
        let bar = "not there: the service hears of no change before its schedule has it look".to_owned();
        return Line { phase, bar, ..Line::default() };
    }
    let (middle, almost_all) = (median(&delays), percentile(&delays, 99));
    let share = match shares.len() {
        0 => "Samba told the other client of none".to_owned(),
        _ => format!(
            "Samba told another client after {:.2} s (median), {:.2} s (99th percentile)",
            median(&shares),
            percentile(&shares, 99)
        ),
    };
    let verdict = if middle <= MEDIAN_MOST && almost_all <= ALMOST_ALL_MOST { "met" } else { "MISSED" };
    let bar = format!(
        "median {middle:.2} s (at most {MEDIAN_MOST}), 99th percentile {almost_all:.2} s (at most {ALMOST_ALL_MOST}): \
         {verdict}; {share}"
    );
    let cpu_seconds = (cpu_seconds(agent.pid()) - used) / delays.len() as f64;
    let megabytes = agent.most_memory_kib() as f64 / 1024.0;
    let mut runs = Runs::default();
    for seconds in delays {
        runs.push(Taken { seconds, cpu_seconds, megabytes });
    }
    Line { phase, runs: Some(runs), bar, ..Line::default() }
}
