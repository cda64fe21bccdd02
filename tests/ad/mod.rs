//! A real Active Directory domain for one test: Samba with the zoo of `tests/lab`, and what a test does to it.
//!
//! Every [`Ad`] is a domain of its own, a copy of one cached template: nothing a test does is seen by another. Changes are
//! made over LDAPS as the administrator, as any tool would make them.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use crate::loopback::Loopback;
use crate::site::Directory;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The domain.
pub const BASE: &str = "DC=ad,DC=test";
/// An account that may do what any account may.
pub const READER: &str = "svc-reader@ad.test";
/// Its name in the directory.
pub const READER_NAME: &str = "svc-reader";
/// Its password.
pub const READER_PASSWORD: &str = "Svc.Passw0rd1";

/// Who may do everything.
pub const ADMINISTRATOR: &str = "administrator@ad.test";
/// With that password.
pub const ADMINISTRATOR_PASSWORD: &str = "Passw0rd.Adm1n";
const LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/ad");
/// Half a second when the machine is idle; much more when the template has to be made first.
const START_DEADLINE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);
const LOG_TAIL_LINES: usize = 20;
/// 1 January 2020 as Windows writes it: 100 ns steps since 1601.
const LONG_AGO: &str = "132223104000000000";

/// A running domain controller; it ends with the value, or with the test process.
pub struct Ad {
    address: Loopback,
    folder: TempDir,
    samba: Option<Child>,
}

/// What the server shows as its certificate.
#[derive(Clone, Copy, Debug)]
pub enum Certificate {
    /// Names the address, is valid.
    Good,
    /// Was valid until 1 January 2021.
    Expired,
    /// Names `mail.other.example`.
    WrongName,
}

impl Ad {
    /// A fresh domain.
    pub fn start() -> Self {
        Self::with_certificate(Certificate::Good)
    }

    /// A fresh domain whose server shows that certificate.
    pub fn with_certificate(certificate: Certificate) -> Self {
        let folder = tempfile::Builder::new().prefix("seatsync-ad-").tempdir().unwrap();
        let mut ad = Self { address: Loopback::claim(), folder, samba: None };
        let address = ad.address.address().to_string();
        ad.lab(&["copy", ad.path(), &address]);
        match certificate {
            Certificate::Good => {}
            Certificate::Expired => ad.lab(&["cert", ad.path(), &address, "expired"]),
            Certificate::WrongName => ad.lab(&["cert", ad.path(), &address, "wrong-name"]),
        }
        ad.resume();
        ad
    }

    /// Starts it again after [`Ad::stop`].
    pub fn resume(&mut self) {
        assert!(self.samba.is_none(), "already running");
        let address = self.address.address().to_string();
        let serve = lab().args(["serve", self.path(), &address]).stdin(Stdio::null()).spawn().unwrap();
        self.samba = Some(serve);
        let deadline = Instant::now() + START_DEADLINE;
        while ![389, 636].into_iter().all(|port| self.answers(port)) {
            let samba = self.samba.as_mut().unwrap();
            if let Some(status) = samba.try_wait().unwrap() {
                panic!("samba ended with {status}\n{}", self.log_tail());
            }
            assert!(Instant::now() < deadline, "samba is not up after {START_DEADLINE:?}\n{}", self.log_tail());
            std::thread::sleep(POLL);
        }
    }

    /// Ends the server as a power cut would; the data stays.
    pub fn stop(&mut self) {
        if let Some(mut samba) = self.samba.take() {
            samba.kill().unwrap();
            samba.wait().unwrap();
        }
    }

    /// Puts aside what it holds, while it is stopped.
    pub fn keep(&self) {
        self.copy("private", "kept");
    }

    /// Makes it hold what was put aside, and nothing since, while it is stopped: as when a machine is set back to a snapshot.
    pub fn set_back(&self) {
        std::fs::remove_dir_all(self.folder.path().join("private")).unwrap();
        self.copy("kept", "private");
    }

    fn copy(&self, from: &str, to: &str) {
        assert!(self.samba.is_none(), "still running");
        let [from, to] = [from, to].map(|name| self.folder.path().join(name));
        assert!(Command::new("cp").arg("-a").args([&from, &to]).status().unwrap().success(), "{}", from.display());
    }

    /// `ldaps://ADDRESS`.
    pub fn url(&self) -> String {
        format!("ldaps://{}", self.address.address())
    }

    /// `ldap://ADDRESS`.
    pub fn cleartext_url(&self) -> String {
        format!("ldap://{}", self.address.address())
    }

    /// The authority's certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("tls/ca.pem")
    }

    /// The configuration of this domain, for Samba's own tools.
    pub fn smb_conf(&self) -> PathBuf {
        self.folder.path().join("etc/smb.conf")
    }

    /// How a configuration names this directory.
    pub fn directory(&self) -> Directory {
        Directory {
            urls: vec![self.url()],
            base_dn: BASE.to_owned(),
            bind_dn: READER.to_owned(),
            password: READER_PASSWORD.to_owned(),
            ca_file: Some(self.ca()),
            more: String::new(),
        }
    }

    /// Applies LDIF change records (RFC 2849) as the administrator.
    pub fn modify(&self, ldif: &str) {
        let output = self.client("ldapmodify", ADMINISTRATOR, ADMINISTRATOR_PASSWORD, &[], ldif);
        assert!(output.status.success(), "ldapmodify: {}\n{ldif}", String::from_utf8_lossy(&output.stderr));
    }

    /// The same, going on behind a record that the server refuses.
    pub fn modify_what_can_be(&self, ldif: &str) {
        self.client("ldapmodify", ADMINISTRATOR, ADMINISTRATOR_PASSWORD, &["-c"], ldif);
    }

    /// Tries to sign in as somebody; whether it worked.
    pub fn can_sign_in(&self, who: &str, password: &str) -> bool {
        self.client("ldapsearch", who, password, &["-b", BASE, "-s", "base", "dn"], "").status.success()
    }

    fn client(&self, tool: &str, who: &str, password: &str, arguments: &[&str], input: &str) -> Output {
        let mut client = Command::new(tool)
            .args(["-x", "-H", &self.url(), "-D", who, "-w", password])
            .args(arguments)
            .env("LDAPTLS_CACERT", self.ca())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{tool} (package ldap-utils): {error}"));
        // A tool that could not connect does not read: its status says so, not the broken pipe.
        let _ = client.stdin.take().unwrap().write_all(input.as_bytes());
        client.wait_with_output().unwrap()
    }

    fn lab(&self, arguments: &[&str]) {
        let output = lab().args(arguments).output().unwrap();
        assert!(output.status.success(), "{LAB} {arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    fn answers(&self, port: u16) -> bool {
        TcpStream::connect_timeout(&SocketAddr::from((self.address.address(), port)), Duration::from_secs(1)).is_ok()
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log/stdout")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }
}

/// What administrators do to people and groups.
impl Ad {
    /// A new enabled person in OU=People, mail `NAME@ad.test`.
    pub fn add_user(&self, name: &str) {
        self.add_user_with_mail(name, &format!("{name}@ad.test"));
    }

    /// A new enabled person in OU=People with that mail.
    pub fn add_user_with_mail(&self, name: &str, mail: &str) {
        // 544: enabled, and no password required, since none is given.
        self.modify(&format!(
            "dn: {}\nchangetype: add\nobjectClass: user\nsAMAccountName: {name}\nuserAccountControl: 544\nmail: {mail}\n",
            person(name)
        ));
    }

    /// A new group in OU=Groups with those people.
    pub fn add_group(&self, name: &str, people: &[&str]) {
        let dn = group(name);
        let mut ldif = format!("dn: {dn}\nchangetype: add\nobjectClass: group\nsAMAccountName: {name}\n");
        for name in people {
            writeln!(ldif, "member: {}", person(name)).unwrap();
        }
        self.modify(&ldif);
    }

    /// Lets nobody read the description of an entry, and of what is below it, any more.
    pub fn deny_reading_descriptions(&self, dn: &str) {
        let output = Command::new("samba-tool")
            .args(["dsacl", "set", "-H", &self.url(), "-U", &format!("Administrator%{ADMINISTRATOR_PASSWORD}")])
            .args([
                "--objectdn",
                dn,
                "--sddl",
                "(OD;CI;RP;bf967950-0de6-11d0-a285-00aa003049e2;;AU)",
                "--option=tls verify peer=no_check",
            ])
            .arg("--configfile")
            .arg(self.smb_conf())
            .output()
            .unwrap_or_else(|error| panic!("samba-tool (package samba-ad-provision): {error}"));
        assert!(output.status.success(), "samba-tool dsacl set: {output:?}");
    }

    /// Puts people into a group.
    pub fn add_to_group(&self, name: &str, people: &[&str]) {
        self.change_members(name, "add", people);
    }

    /// Takes people out of a group.
    pub fn remove_from_group(&self, name: &str, people: &[&str]) {
        self.change_members(name, "delete", people);
    }

    /// Takes everybody out of a group.
    pub fn empty_group(&self, name: &str) {
        self.modify(&format!("dn: {}\nchangetype: modify\ndelete: member\n", group(name)));
    }

    /// Gives a group another name, both of its names.
    pub fn rename_group(&self, name: &str, new: &str) {
        self.rename(&group(name), new);
        self.set(&group(new), "sAMAccountName", new);
    }

    /// Disables an account.
    pub fn disable(&self, name: &str) {
        self.set(&person(name), "userAccountControl", "546");
    }

    /// Enables it again.
    pub fn enable(&self, name: &str) {
        self.set(&person(name), "userAccountControl", "544");
    }

    /// Makes an account one that expired long ago.
    pub fn expire(&self, name: &str) {
        self.set(&person(name), "accountExpires", LONG_AGO);
    }

    /// Gives a person another address.
    pub fn set_mail(&self, name: &str, mail: &str) {
        self.set(&person(name), "mail", mail);
    }

    /// Gives an attribute one value.
    pub fn set(&self, dn: &str, attribute: &str, value: &str) {
        self.modify(&format!("dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n"));
    }

    /// Gives an entry another CN.
    pub fn rename(&self, dn: &str, cn: &str) {
        self.modify(&format!("dn: {dn}\nchangetype: modrdn\nnewrdn: CN={cn}\ndeleteoldrdn: 1\n"));
    }

    /// Moves an entry below another one, such as `OU=Moved,OU=Zoo,DC=ad,DC=test`.
    pub fn move_to(&self, dn: &str, parent: &str) {
        let rdn = dn.split_once(',').unwrap().0;
        self.modify(&format!("dn: {dn}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1\nnewsuperior: {parent}\n"));
    }

    /// Deletes an entry.
    pub fn delete(&self, dn: &str) {
        self.modify(&format!("dn: {dn}\nchangetype: delete\n"));
    }

    /// Brings a deleted entry back, as a tombstone gives it.
    pub fn undelete(&self, name: &str, dn: &str) {
        let who = format!("(&(isDeleted=TRUE)(sAMAccountName={name}))");
        let arguments = ["-LLL", "-o", "ldif-wrap=no", "-E", "!1.2.840.113556.1.4.417", "-b", BASE, &who, "1.1"];
        let found = self.client("ldapsearch", ADMINISTRATOR, ADMINISTRATOR_PASSWORD, &arguments, "");
        let found = String::from_utf8_lossy(&found.stdout).into_owned();
        let line = found.lines().find(|line| line.starts_with("dn:")).unwrap_or_else(|| panic!("no {name}: {found}"));
        let ldif = format!(
            "{line}\ncontrol: 1.2.840.113556.1.4.417 true\nchangetype: modify\ndelete: isDeleted\n-\n\
             replace: distinguishedName\ndistinguishedName: {dn}\n"
        );
        self.modify(&ldif);
    }

    fn change_members(&self, name: &str, how: &str, people: &[&str]) {
        let mut ldif = format!("dn: {}\nchangetype: modify\n{how}: member\n", group(name));
        for name in people {
            writeln!(ldif, "member: {}", person(name)).unwrap();
        }
        self.modify(&ldif);
    }
}

impl Drop for Ad {
    fn drop(&mut self) {
        if let Some(mut samba) = self.samba.take() {
            // Nothing to be done about a failure here: the process ends with ours in any case.
            let _ = samba.kill();
            let _ = samba.wait();
        }
    }
}

/// The DN of a person of OU=People.
pub fn person(name: &str) -> String {
    format!("CN={name},OU=People,OU=Zoo,{BASE}")
}

/// The DN of a group of OU=Groups.
pub fn group(name: &str) -> String {
    format!("CN={name},OU=Groups,OU=Zoo,{BASE}")
}

/// The lab script, with the template kept beside what cargo builds.
fn lab() -> Command {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut command = Command::new(LAB);
    command.env("AD_LAB_CACHE", target.join("ad-lab"));
    command
}
