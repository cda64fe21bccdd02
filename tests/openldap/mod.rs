//! A throw-away OpenLDAP for one test, with whatever entries and limits the test gives it.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use crate::loopback::Loopback;
use std::io::Write;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Everything is below it.
pub const SUFFIX: &str = "dc=corp,dc=test";
/// Who reads.
pub const READER: &str = "cn=reader,dc=corp,dc=test";
/// With that password.
pub const READER_PASSWORD: &str = "Reader.Passw0rd1";

/// Classes and attributes of Active Directory, with matching rules.
const ACTIVE_DIRECTORY_SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/scale.schema");
const PORT: u16 = 3389;
const START_DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);
const FIRST_ENTRIES: &str = "dn: dc=corp,dc=test\nobjectClass: domain\ndc: corp\n\n\
    dn: cn=reader,dc=corp,dc=test\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\ncn: reader\n\
    userPassword: Reader.Passw0rd1\n\n";

/// A running server; it ends with the value, or with the test process.
pub struct OpenLdap {
    address: Loopback,
    server: Child,
    _folder: TempDir,
}

impl OpenLdap {
    /// With these entries, and these further lines of slapd.conf(5): definitions first, then those for its database.
    pub fn start(entries: &str, definitions: &str, limits: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("seatsync-openldap-").tempdir().unwrap();
        let path = folder.path().display();
        let config = folder.path().join("slapd.conf");
        let schemas = ["core", "cosine", "inetorgperson", "nis"].map(|name| format!("/etc/ldap/schema/{name}.schema"));
        let schemas = schemas.iter().map(String::as_str).chain([ACTIVE_DIRECTORY_SCHEMA]);
        let includes: String = schemas.map(|schema| format!("include {schema}\n")).collect();
        let text = format!(
            "{includes}{definitions}\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {path}/pid\n\
             database mdb\nsuffix {SUFFIX}\ndirectory {path}/db\nmaxsize 67108864\ndbnosync\n{limits}\n\
             index objectClass eq\naccess to * by * read\n"
        );
        std::fs::write(&config, text).unwrap();
        std::fs::create_dir(folder.path().join("db")).unwrap();
        let mut load = Command::new("/usr/sbin/slapadd")
            .args(["-q", "-f"])
            .arg(&config)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("slapadd (package slapd): {error}"));
        let written = load.stdin.take().unwrap().write_all(format!("{FIRST_ENTRIES}{entries}").as_bytes());
        assert!(load.wait().unwrap().success() && written.is_ok(), "slapadd failed\n{entries}");
        let address = Loopback::claim();
        let url = format!("ldap://{}:{PORT}", address.address());
        let server = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "/usr/sbin/slapd", "-d", "0", "-h", &url, "-f"])
            .arg(&config)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { address, server, _folder: folder };
        let deadline = Instant::now() + START_DEADLINE;
        while TcpStream::connect((server.address.address(), PORT)).is_err() {
            assert!(server.server.try_wait().unwrap().is_none(), "slapd ended at once");
            assert!(Instant::now() < deadline, "slapd is not up after {START_DEADLINE:?}");
            std::thread::sleep(POLL);
        }
        server
    }

    /// `ldap://ADDRESS:PORT`.
    pub fn url(&self) -> String {
        format!("ldap://{}:{PORT}", self.address.address())
    }
}

impl Drop for OpenLdap {
    fn drop(&mut self) {
        // Nothing to be done about a failure here: the process ends with ours in any case.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
