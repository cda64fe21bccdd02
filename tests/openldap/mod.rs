//! A throw-away OpenLDAP with people and the three kinds of groups.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use crate::loopback::Loopback;
use std::io::Write;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The tree.
pub const BASE: &str = "dc=corp,dc=test";
/// Who reads it.
pub const READER: &str = "cn=reader,dc=corp,dc=test";
/// With this password.
pub const READER_PASSWORD: &str = "Reader.Passw0rd1";
const ADMINISTRATOR: &str = "cn=admin,dc=corp,dc=test";
const ADMINISTRATOR_PASSWORD: &str = "Admin.Passw0rd1";
const PORT: u16 = 3389;
const START_DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Members are written in another case, with other blanks and other escapes than the entries they mean: to
/// distinguishedNameMatch (RFC 4517 4.2.15) they are the same names.
pub const PEOPLE_AND_GROUPS: &str = r#"
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
pub struct Slapd {
    address: Loopback,
    folder: TempDir,
    server: Option<Child>,
}

impl Slapd {
    /// A server as it comes.
    pub fn start() -> Self {
        Self::with("")
    }

    /// A server with these further lines of slapd.conf(5) for its database.
    pub fn with(lines: &str) -> Self {
        Self::holding(PEOPLE_AND_GROUPS, "", lines)
    }

    /// A server with these entries and no others, and these further lines of slapd.conf(5), in front of those of its database
    /// and among them.
    pub fn holding(entries: &str, first: &str, lines: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("seatsync-slapd-").tempdir().unwrap();
        let path = folder.path().display();
        let config = folder.path().join("slapd.conf");
        let text = format!(
            "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/inetorgperson.schema\ninclude /etc/ldap/schema/nis.schema\n\
             modulepath /usr/lib/ldap\nmoduleload back_mdb\n{first}pidfile {path}/pid\n\
             database mdb\nsuffix {BASE}\ndirectory {path}/db\nmaxsize 67108864\ndbnosync\n\
             rootdn {ADMINISTRATOR}\nrootpw {ADMINISTRATOR_PASSWORD}\n{lines}\naccess to * by * read\n"
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
        load.stdin.take().unwrap().write_all(entries.as_bytes()).unwrap();
        assert!(load.wait().unwrap().success(), "slapadd failed\n{entries}");

        let address = Loopback::claim();
        let mut slapd = Self { address, folder, server: None };
        slapd.resume();
        slapd
    }

    /// Starts it again after [`Slapd::stop`].
    pub fn resume(&mut self) {
        let server = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "/usr/sbin/slapd", "-d", "0", "-h", &self.url(), "-f"])
            .arg(self.folder.path().join("slapd.conf"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let server = self.server.insert(server);
        let deadline = Instant::now() + START_DEADLINE;
        while TcpStream::connect((self.address.address(), PORT)).is_err() {
            assert!(server.try_wait().unwrap().is_none(), "slapd ended at once");
            assert!(Instant::now() < deadline, "slapd is not up after {START_DEADLINE:?}");
            std::thread::sleep(POLL);
        }
    }

    /// Ends it in order.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let id = server.id().to_string();
            assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
            server.wait().unwrap();
        }
    }

    /// Where it listens, in clear text.
    pub fn url(&self) -> String {
        format!("ldap://{}:{PORT}", self.address.address())
    }

    /// Applies LDIF change records (RFC 2849) as the administrator.
    pub fn modify(&self, ldif: &str) {
        crate::ldif::apply(&self.url(), ADMINISTRATOR, ADMINISTRATOR_PASSWORD, ldif);
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // Nothing to be done about a failure here: the process ends with ours in any case.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
