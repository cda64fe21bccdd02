//! Ordinary LDAP servers: a throw-away OpenLDAP with the three kinds of groups, and the limits it sets to clients.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agent;
mod ldif;
mod loopback;
mod openldap;
mod site;

use agent::Agent;
use openldap::{BASE, READER, READER_PASSWORD, Slapd};
use site::{Directory, Site};

/// An installation that maps the three kinds of groups.
fn site_of(slapd: &Slapd) -> Site {
    let directory = Directory {
        urls: vec![slapd.url()],
        base_dn: BASE.to_owned(),
        bind_dn: READER.to_owned(),
        password: READER_PASSWORD.to_owned(),
        ca_file: None,
        more: "allow_cleartext = true\n".to_owned(),
    };
    let mut site = Site::new(directory, &["by-name"], &["by-unique-name", "by-uid"]);
    site.rules = "domains = ['corp.test']\n".to_owned();
    site
}

#[test]
fn three_kinds_of_groups() {
    let slapd = Slapd::start();
    let site = site_of(&slapd);
    let run = site.sync_and_settle();
    site.assert_seats(&[
        ("anna@corp.test", "pro"),
        ("clara@corp.test", "pro"),
        ("a.flora@corp.test", "pro"),
        ("berta@corp.test", "plus"),
        ("dora@corp.test", "plus"),
        ("emma@corp.test", "none"),
    ]);
    assert_eq!(site.accounts().len(), 5);
    run.assert_warns("unknown_members", &["by-name"]);
}

#[test]
fn rename_and_move_keep_the_seat() {
    let slapd = Slapd::start();
    let site = site_of(&slapd);
    site.sync_and_settle();
    let before = site.accounts();
    // Such servers do not rewrite the members of groups: the administrator does.
    slapd.modify(
        "dn: uid=anna,ou=people,dc=corp,dc=test\nchangetype: modrdn\nnewrdn: cn=Anna\ndeleteoldrdn: 0\n\
         newsuperior: ou=groups,dc=corp,dc=test\n\n\
         dn: cn=by-name,ou=groups,dc=corp,dc=test\nchangetype: modify\nadd: member\nmember: cn=anna,ou=groups,dc=corp,dc=test\n",
    );
    assert_eq!(site.sync_and_settle().changes(), []);
    assert_eq!(site.accounts(), before);
}

#[test]
fn leave_each_kind_of_group() {
    let slapd = Slapd::start();
    let site = site_of(&slapd);
    site.sync_and_settle();
    // No group may become empty: that would be a reason to hold the losses.
    slapd.modify(
        "dn: cn=by-name,ou=groups,dc=corp,dc=test\nchangetype: modify\ndelete: member\n\
         member: uid=anna,ou=people,dc=corp,dc=test\n\n\
         dn: cn=by-unique-name,ou=groups,dc=corp,dc=test\nchangetype: modify\nreplace: uniqueMember\n\
         uniqueMember: uid=emma,ou=people,dc=corp,dc=test\n\n\
         dn: cn=by-uid,ou=groups,dc=corp,dc=test\nchangetype: modify\nreplace: memberUid\nmemberUid: EMMA\n",
    );
    site.sync_and_settle();
    site.assert_seats(&[
        ("anna@corp.test", "suspended pro"),
        ("berta@corp.test", "suspended plus"),
        ("dora@corp.test", "suspended plus"),
        ("emma@corp.test", "plus"),
        ("clara@corp.test", "pro"),
    ]);
}

#[test]
fn new_entry_at_an_old_name_is_another_person() {
    let slapd = Slapd::start();
    let site = site_of(&slapd);
    site.sync_and_settle();
    slapd.modify(
        "dn: uid=anna,ou=people,dc=corp,dc=test\nchangetype: delete\n\n\
         dn: uid=anna,ou=people,dc=corp,dc=test\nchangetype: add\nobjectClass: inetOrgPerson\nuid: anna\ncn: Other Anna\n\
         sn: Anna\nmail: other.anna@corp.test\n",
    );
    site.sync_and_settle();
    site.assert_seats(&[("anna@corp.test", "suspended pro"), ("other.anna@corp.test", "pro")]);
}

#[test]
fn many_small_pages() {
    let slapd = Slapd::start();
    let mut site = site_of(&slapd);
    site.directory.more.push_str("page_size = 2\n");
    site.sync_and_settle();
    assert_eq!(site.accounts().len(), 5);
}

/// The server stops after three entries, whatever the size of the page: what came is not the whole.
#[test]
fn size_limit_is_no_success() {
    let slapd = Slapd::start();
    let site = site_of(&slapd);
    site.sync_and_settle();
    let before = site.accounts();
    drop(slapd);

    let limited = Slapd::with("limits users size.soft=3 size.hard=3 size.prtotal=3");
    let mut other = site_of(&limited);
    other.accounts_path = site.accounts_path.clone();
    for page_size in [1000, 2] {
        other.directory.more = format!("allow_cleartext = true\npage_size = {page_size}\n");
        other.sync().assert_fails(1, &["size limit"]);
    }
    assert_eq!(site.accounts(), before);
}

/// The server refuses pages of more than two entries.
#[test]
fn page_limit_is_told_and_smaller_pages_work() {
    let slapd = Slapd::with("limits users size.soft=2 size.hard=2 size.pr=2 size.prtotal=unlimited");
    let mut site = site_of(&slapd);
    site.sync().assert_fails(1, &["page"]);
    assert!(site.accounts().is_empty());
    site.directory.more.push_str("page_size = 2\n");
    site.sync_and_settle();
    assert_eq!(site.accounts().len(), 5);
}

#[test]
fn wrong_password() {
    let slapd = Slapd::start();
    let mut site = site_of(&slapd);
    site.directory.password = "Wrong.Passw0rd1".to_owned();
    site.sync().assert_fails(1, &["password", READER]);
    assert!(site.accounts().is_empty());
}

/// Gone for good, all of them: the mapped groups are missing and the losses held.
#[test]
fn emptied_server_takes_nothing() {
    let slapd = Slapd::start();
    let site = site_of(&slapd);
    site.sync_and_settle();
    let before = site.accounts();
    for name in ["by-name", "by-unique-name", "by-uid"] {
        slapd.modify(&format!("dn: cn={name},ou=groups,dc=corp,dc=test\nchangetype: delete\n"));
    }
    let run = site.sync_held();
    run.assert_warns("group_missing", &["by-name"]);
    run.assert_warns("group_missing", &["by-uid"]);
    assert_eq!(site.accounts(), before);
}

/// A service with a pass an hour, on a server that this line of slapd.conf(5) is for.
fn serve(overlay: &str) -> (Slapd, Agent<Site>) {
    let slapd = Slapd::with(overlay);
    let mut site = site_of(&slapd);
    site.more = "[schedule]\nsync = '0 * * * *'\njitter = '0s'\n[log]\nlevel = 'debug'\n".to_owned();
    let config = site.write_config();
    (slapd, Agent::start(site, &config).settled())
}

#[test]
fn a_server_with_syncprov_tells_of_changes() {
    let (slapd, agent) = serve("moduleload syncprov\noverlay syncprov");
    agent.until("it is told of changes", |agent| agent.status()["daemon"]["watched"]["by"].is_string());
    agent.until("what was missed is in a pass", |agent| agent.log().contains("the directory has changed"));
    let until = |email: &str, expected: &str| {
        agent.until(&format!("{email} is {expected}"), |agent| {
            let listed = agent.run(&["accounts", "list"]).stdout;
            listed.lines().any(|line| line.contains(email) && expected.split(' ').all(|word| line.contains(word)))
        });
    };
    slapd.modify(
        "dn: cn=by-name,ou=groups,dc=corp,dc=test\nchangetype: modify\nadd: member\n\
         member: uid=emma,ou=people,dc=corp,dc=test\n",
    );
    until("emma@corp.test", "active pro");
    slapd.modify("dn: uid=dora,ou=people,dc=corp,dc=test\nchangetype: modify\nreplace: mail\nmail: d@corp.test\n");
    until("d@corp.test", "active plus");
    slapd.modify("dn: uid=emma,ou=people,dc=corp,dc=test\nchangetype: delete\n");
    until("emma@corp.test", "suspended pro");
    let status = agent.run(&["status"]).stdout;
    assert!(status.contains("changes    told by ldap://"), "{status}");
}

#[test]
fn a_server_without_syncprov_is_left_to_the_schedule() {
    let (_slapd, agent) = serve("");
    let because = |agent: &Agent<Site>| agent.status()["daemon"]["watched"]["because"].to_string();
    agent.until("it is said why", |agent| because(agent).contains("syncprov"));
    let told = "changes in the directory are seen by the schedule alone";
    agent.until("and in the log", |agent| agent.log().matches(told).count() == 1);
}
