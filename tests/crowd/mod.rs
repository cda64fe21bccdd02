//! A directory of many people for one test: OpenLDAP with what `tests/lab/scale` puts into it.
//!
//! Every [`Crowd`] is a copy of one cached template, so nothing a test does is seen by another.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use crate::loopback::Loopback;
use crate::site::{Directory, Site};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Everything is below it.
pub const BASE: &str = "DC=scale,DC=test";
/// Who reads.
pub const READER: &str = "CN=reader,DC=scale,DC=test";
/// With that password.
pub const READER_PASSWORD: &str = "Reader.Passw0rd1";
/// The domain of all addresses.
pub const DOMAIN: &str = "scale.test";
/// Nests `division-0` to `division-8`: nine people in ten.
pub const STAFF: &str = "staff";
/// [`FEW_PEOPLE`] people, half of them in a group that it nests.
pub const FEW: &str = "few";
/// How many that are. None of them is disabled.
pub const FEW_PEOPLE: u64 = 200;
/// Groups in all.
pub const GROUPS: u64 = 200;

const LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/scale");
const ADMINISTRATOR: &str = "CN=admin,DC=scale,DC=test";
const ADMINISTRATOR_PASSWORD: &str = "Admin.Passw0rd1";
const PORT: u16 = 3389;
const START_DEADLINE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);

/// A running server; it ends with the value, or with the test process.
pub struct Crowd {
    people: u64,
    address: Loopback,
    folder: TempDir,
    server: Child,
}

impl Crowd {
    /// A fresh directory of so many people.
    pub fn start(people: u64) -> Self {
        let folder = tempfile::Builder::new().prefix("seatsync-crowd-").tempdir().unwrap();
        let copied = lab().arg("copy").arg(folder.path()).arg(people.to_string()).output().unwrap();
        assert!(copied.status.success(), "{LAB} copy: {}", String::from_utf8_lossy(&copied.stderr));
        let address = Loopback::claim();
        let url = format!("ldap://{}:{PORT}", address.address());
        let server = lab().arg("serve").arg(folder.path()).arg(&url).stdin(Stdio::null()).spawn().unwrap();
        let mut crowd = Self { people, address, folder, server };
        let deadline = Instant::now() + START_DEADLINE;
        while TcpStream::connect(crowd.address()).is_err() {
            let ended = crowd.server.try_wait().unwrap();
            assert!(ended.is_none(), "slapd ended at once: {}", crowd.log());
            assert!(Instant::now() < deadline, "slapd is not up after {START_DEADLINE:?}: {}", crowd.log());
            std::thread::sleep(POLL);
        }
        crowd
    }

    /// `ldap://ADDRESS:PORT`.
    pub fn url(&self) -> String {
        format!("ldap://{}", self.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((self.address.address(), PORT))
    }

    /// Its process.
    pub fn process_id(&self) -> u32 {
        self.server.id()
    }

    /// People in it.
    pub fn people(&self) -> u64 {
        self.people
    }

    /// Those of [`STAFF`], disabled ones among them.
    pub fn staff(&self) -> u64 {
        self.people / 10 * 9
    }

    /// Those of [`STAFF`] who are enabled, and so are to be seated.
    pub fn staff_enabled(&self) -> u64 {
        self.staff() - self.staff().div_ceil(50)
    }

    /// An installation that reads it at that address, its own or that of a tap, and maps [`STAFF`] to `plus`.
    pub fn site(&self, url: &str) -> Site {
        let directory = Directory {
            urls: vec![url.to_owned()],
            base_dn: BASE.to_owned(),
            bind_dn: READER.to_owned(),
            password: READER_PASSWORD.to_owned(),
            ca_file: None,
            more: "allow_cleartext = true\n".to_owned(),
        };
        let mut site = Site::new(directory, &[], &[STAFF]);
        site.rules = format!("domains = ['{DOMAIN}']\n");
        site
    }

    /// Applies LDIF change records (RFC 2849) as the administrator.
    pub fn modify(&self, ldif: &str) {
        crate::ldif::apply(&self.url(), ADMINISTRATOR, ADMINISTRATOR_PASSWORD, ldif);
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // Nothing to be done about a failure here: the process ends with ours in any case.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The DN of a person.
pub fn person(index: u64) -> String {
    format!("CN=u{index:07},OU=People,{BASE}")
}

/// The DN of a group.
pub fn group(name: &str) -> String {
    format!("CN={name},OU=Groups,{BASE}")
}

/// The lab script, with the templates kept beside what cargo builds.
fn lab() -> Command {
    let mut command = Command::new(LAB);
    command.env("SCALE_LAB_CACHE", cache());
    command
}

fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("scale-lab")
}
