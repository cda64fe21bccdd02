//! The service told by a real Active Directory of its changes: nobody asks for a pass, and the schedule is an hour away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ad;
mod agent;
mod loopback;
mod site;

use ad::{Ad, person};
use agent::Agent;
use serde_json::Value;
use site::Site;

/// An account that also sees what is deleted.
const DIRSYNC: &str = "svc-dirsync@ad.test";

/// A service on that domain, with a pass an hour; `more` are lines of `[directory]`.
fn serve(ad: &Ad, more: &str) -> Agent<Site> {
    start(site(ad, more))
}

fn site(ad: &Ad, more: &str) -> Site {
    let mut site = Site::new(ad.directory(), &["App-Pro"], &["App-Plus"]);
    site.directory.more = format!("user_filter = '(!(cn=big*))'\n{more}");
    site.more = "[schedule]\nsync = '0 * * * *'\njitter = '0s'\n[log]\nlevel = 'debug'\n".to_owned();
    site
}

fn start(site: Site) -> Agent<Site> {
    let config = site.write_config();
    Agent::start(site, &config).settled()
}

fn seat(agent: &Agent<Site>, email: &str) -> String {
    let listed = agent.run(&["accounts", "list", "--json"]);
    let users: Value = serde_json::from_str(&listed.stdout).unwrap_or_else(|error| panic!("{error} {}", listed.stderr));
    let user = users["users"].as_array().unwrap().iter().find(|user| user["email"] == email).cloned();
    user.map_or("none".to_owned(), |user| {
        format!("{} {}", user["status"].as_str().unwrap_or_default(), user["tier"].as_str().unwrap_or_default())
    })
}

fn is_watching(agent: &Agent<Site>) -> bool {
    agent.status()["daemon"]["watched"]["by"].is_string()
}

/// Until it is told of changes and has made up for those before.
fn watching(agent: &Agent<Site>) {
    agent.until("it is told of changes", is_watching);
    agent.until("what was missed is in a pass", |agent| agent.log().contains("the directory has changed"));
}

fn until_seat(agent: &Agent<Site>, email: &str, expected: &str) {
    agent.until(&format!("{email} is {expected}"), |agent| seat(agent, email) == expected);
}

#[test]
fn changes_are_applied_without_being_asked_for() {
    let ad = Ad::start();
    let agent = serve(&ad, "");
    watching(&agent);
    ad.add_to_group("App-Plus", &["joiner"]);
    until_seat(&agent, "joiner@ad.test", "active plus");
    ad.disable("joiner");
    until_seat(&agent, "joiner@ad.test", "suspended plus");
    ad.enable("joiner");
    until_seat(&agent, "joiner@ad.test", "active plus");
    ad.set_mail("joiner", "joined@ad.test");
    until_seat(&agent, "joined@ad.test", "active plus");
    ad.remove_from_group("App-Pro", &["leaver"]);
    until_seat(&agent, "leaver@ad.test", "suspended pro");
    let status = agent.run(&["status"]).stdout;
    assert!(status.contains("changes    told by ldaps://"), "{status}");
}

#[test]
fn who_is_deleted_is_told_to_whoever_may_see_it() {
    let ad = Ad::start();
    let mut site = site(&ad, "");
    site.directory.bind_dn = DIRSYNC.to_owned();
    let agent = start(site);
    watching(&agent);
    ad.delete(&person("leaver"));
    until_seat(&agent, "leaver@ad.test", "suspended pro");
}

#[test]
fn a_domain_controller_that_comes_back_tells_again() {
    let mut ad = Ad::start();
    let agent = serve(&ad, "");
    watching(&agent);
    ad.stop();
    agent.until("it is not told any more", |agent| !is_watching(agent));
    ad.resume();
    // It is not told of this one, or of that one: both are seen.
    ad.add_to_group("App-Plus", &["joiner"]);
    until_seat(&agent, "joiner@ad.test", "active plus");
    agent.until("it is told again", is_watching);
    ad.remove_from_group("App-Plus", &["joiner"]);
    until_seat(&agent, "joiner@ad.test", "suspended plus");
    let log = agent.log();
    assert_eq!(log.matches("not told at the moment").count(), 1, "{log}");
}

#[test]
fn who_does_not_want_it_has_the_schedule_alone() {
    let ad = Ad::start();
    let agent = serve(&ad, "watch = false\n");
    let other = serve(&ad, "");
    watching(&other);
    ad.add_to_group("App-Plus", &["joiner"]);
    until_seat(&other, "joiner@ad.test", "active plus");
    assert_eq!(seat(&agent, "joiner@ad.test"), "none");
    let watched = &agent.status()["daemon"]["watched"];
    assert_eq!(watched["because"], "[directory] watch = false", "{watched}");
    // Until it changes its mind.
    let config = std::fs::read_to_string(agent.config()).unwrap();
    std::fs::write(agent.config(), config.replace("watch = false", "")).unwrap();
    assert_eq!(agent.run(&["reload"]).code, 0);
    watching(&agent);
    ad.disable("leaver");
    until_seat(&agent, "leaver@ad.test", "suspended pro");
}

#[test]
fn that_somebody_signs_in_makes_no_pass() {
    let ad = Ad::start();
    let agent = serve(&ad, "");
    watching(&agent);
    // Whatever a domain controller writes when somebody signs in, and we at each pass: also what Samba writes rarely.
    for stamp in ["133485408000000000", "133485409000000000", "133485410000000000"] {
        for name in ["alice", "svc-reader"] {
            ad.set(&person(name), "description", stamp);
        }
    }
    ad.add_to_group("App-Plus", &["joiner"]);
    until_seat(&agent, "joiner@ad.test", "active plus");
    for n in 0..3 {
        let before = agent.log().matches("sync now").count();
        ad.set(&person("alice"), "description", &n.to_string());
        // Alice is told twice, and one of it counts.
        ad.set_mail("alice", &format!("alice{n}@ad.test"));
        until_seat(&agent, &format!("alice{n}@ad.test"), "active pro");
        assert!(agent.log().matches("sync now").count() <= before + 2, "{}", agent.log());
    }
}
