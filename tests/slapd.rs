//! Ordinary LDAP servers: a throw-away OpenLDAP with the three kinds of groups, and the limits it sets to clients.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agent;
mod loopback;
mod site;

use agent::Agent;
use loopback::Loopback;
use site::{Directory, Site};
use std::io::Write;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const BASE: &str = "dc=corp,dc=test";
const READER: &str = "cn=reader,dc=corp,dc=test";
const READER_PASSWORD: &str = "Reader.Passw0rd1";
const ADMINISTRATOR: &str = "cn=admin,dc=corp,dc=test";
const ADMINISTRATOR_PASSWORD: &str = "Admin.Passw0rd1";
const PORT: u16 = 3389;
const START_DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Members are written in another case, with other blanks and other escapes than the entries they mean: to
/// distinguishedNameMatch (RFC 4517 4.2.15) they are the same names.
const PEOPLE_AND_GROUPS: &str = r#"
dn: dc=corp,dc=test
objectClass: domain
dc: corp

dn: cn=reader,dc=corp,dc=test
objectClass: person
cn: reader
sn: reader
userPassword: Reader.Passw0rd1

dn: ou=people,dc=corp,dc=test
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=corp,dc=test
objectClass: organizationalUnit
ou: groups

dn: uid=anna,ou=people,dc=corp,dc=test
objectClass: inetOrgPerson
uid: anna
cn: Anna
sn: Anna
mail: anna@corp.test

dn: uid=berta,ou=people,dc=corp,dc=test
objectClass: inetOrgPerson
uid: berta
cn: Berta
sn: Berta
mail: berta@corp.test

dn: cn=Clara\2C Countess,ou=people,dc=corp,dc=test
objectClass: inetOrgPerson
uid: clara
cn: Clara, Countess
sn: Clara
mail: clara@corp.test

dn: uid=dora,ou=people,dc=corp,dc=test
objectClass: inetOrgPerson
objectClass: posixAccount
uid: dora
cn: Dora
sn: Dora
uidNumber: 1001
gidNumber: 1001
homeDirectory: /nonexistent
mail: dora@corp.test

dn: uid=emma,ou=people,dc=corp,dc=test
objectClass: inetOrgPerson
uid: emma
cn: Emma
sn: Emma
mail: emma@corp.test

dn: uid=flora,ou=people,dc=corp,dc=test
objectClass: inetOrgPerson
uid: flora
cn: Flora
sn: Flora
mail: flora@corp.test
mail: a.flora@corp.test

dn: cn=by-name,ou=groups,dc=corp,dc=test
objectClass: groupOfNames
cn: by-name
member: UID=ANNA, OU=People, DC=Corp, DC=Test
member: CN=clara\, countess,ou=PEOPLE,dc=corp,dc=test
member: cn=inner,ou=groups,dc=corp,dc=test
member: uid=nobody,ou=people,dc=corp,dc=test

dn: cn=inner,ou=groups,dc=corp,dc=test
objectClass: groupOfNames
cn: inner
member: uid=flora,ou=people,dc=corp,dc=test

dn: cn=by-unique-name,ou=groups,dc=corp,dc=test
objectClass: groupOfUniqueNames
cn: by-unique-name
uniqueMember: Uid=Berta,ou=people,dc=corp,dc=test

dn: cn=by-uid,ou=groups,dc=corp,dc=test
objectClass: posixGroup
cn: by-uid
gidNumber: 2001
memberUid: dora
memberUid: nobody
"#;

/// A running server; it ends with the value, or with the test process.
struct Slapd {
    address: Loopback,
    folder: TempDir,
    server: Child,
}

impl Slapd {
    fn start() -> Self {
        Self::with_limits("")
    }

    /// A server with these further lines of slapd.conf(5) for its database.
    fn with_limits(limits: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("seatsync-slapd-").tempdir().unwrap();
        let path = folder.path().display();
        let config = folder.path().join("slapd.conf");
        let text = format!(
            "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/inetorgperson.schema\ninclude /etc/ldap/schema/nis.schema\n\
             modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {path}/pid\n\
             database mdb\nsuffix {BASE}\ndirectory {path}/db\nmaxsize 67108864\ndbnosync\n\
             rootdn {ADMINISTRATOR}\nrootpw {ADMINISTRATOR_PASSWORD}\n{limits}\naccess to * by * read\n"
        );
        std::fs::write(&config, text).unwrap();
        std::fs::create_dir(folder.path().join("db")).unwrap();
        let mut load = Command::new("/usr/sbin/slapadd")
            .arg("-q")
            .arg("-f")
            .arg(&config)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("slapadd (package slapd): {error}"));
        load.stdin.take().unwrap().write_all(PEOPLE_AND_GROUPS.as_bytes()).unwrap();
        assert!(load.wait().unwrap().success(), "slapadd failed");

        let address = Loopback::claim();
        let url = format!("ldap://{}:{PORT}", address.address());
        let server = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "/usr/sbin/slapd", "-d", "0", "-h", &url, "-f"])
            .arg(&config)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut slapd = Self { address, folder, server };
        let deadline = Instant::now() + START_DEADLINE;
        while TcpStream::connect((slapd.address.address(), PORT)).is_err() {
            assert!(slapd.server.try_wait().unwrap().is_none(), "slapd ended at once");
            assert!(Instant::now() < deadline, "slapd is not up after {START_DEADLINE:?}");
            std::thread::sleep(POLL);
        }
        slapd
    }

    fn url(&self) -> String {
        format!("ldap://{}:{PORT}", self.address.address())
    }

    /// An installation that maps the three kinds of groups.
    fn site(&self) -> Site {
        let directory = Directory {
            urls: vec![self.url()],
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

    fn modify(&self, ldif: &str) {
        let mut client = Command::new("ldapmodify")
            .args(["-x", "-H", &self.url(), "-D", ADMINISTRATOR, "-w", ADMINISTRATOR_PASSWORD])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("ldapmodify (package ldap-utils): {error}"));
        client.stdin.take().unwrap().write_all(ldif.as_bytes()).unwrap();
        assert!(client.wait().unwrap().success(), "ldapmodify failed in {}\n{ldif}", self.folder.path().display());
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        // Nothing to be done about a failure here: the process ends with ours in any case.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn three_kinds_of_groups() {
    let slapd = Slapd::start();
    let site = slapd.site();
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
    let site = slapd.site();
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
    let site = slapd.site();
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
    let site = slapd.site();
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
    let mut site = slapd.site();
    site.directory.more.push_str("page_size = 2\n");
    site.sync_and_settle();
    assert_eq!(site.accounts().len(), 5);
}

/// The server stops after three entries, whatever the size of the page: what came is not the whole.
#[test]
fn size_limit_is_no_success() {
    let slapd = Slapd::start();
    let site = slapd.site();
    site.sync_and_settle();
    let before = site.accounts();
    drop(slapd);

    let limited = Slapd::with_limits("limits users size.soft=3 size.hard=3 size.prtotal=3");
    let mut other = limited.site();
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
    let slapd = Slapd::with_limits("limits users size.soft=2 size.hard=2 size.pr=2 size.prtotal=unlimited");
    let mut site = slapd.site();
    site.sync().assert_fails(1, &["page"]);
    assert!(site.accounts().is_empty());
    site.directory.more.push_str("page_size = 2\n");
    site.sync_and_settle();
    assert_eq!(site.accounts().len(), 5);
}

#[test]
fn wrong_password() {
    let slapd = Slapd::start();
    let mut site = slapd.site();
    site.directory.password = "Wrong.Passw0rd1".to_owned();
    site.sync().assert_fails(1, &["password", READER]);
    assert!(site.accounts().is_empty());
}

/// Gone for good, all of them: the mapped groups are missing and the losses held.
#[test]
fn emptied_server_takes_nothing() {
    let slapd = Slapd::start();
    let site = slapd.site();
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
    let slapd = Slapd::with_limits(overlay);
    let mut site = slapd.site();
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
