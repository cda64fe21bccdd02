//! An agent with a directory of its own, a proxy that breaks things when told to, and a server with one account: the real
//! binaries, each in a folder of the test's.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

mod protocol;

#[allow(unused_imports)] // As above.
pub use protocol::{Change, Protocol};

use crate::proxy::Proxy;
use crate::python;
use crate::seatstore::Server;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Passes after which what has not converged never will: one that is broken, one that looks what became of it, one that
/// finds nothing to do.
pub const PASSES_MAX: usize = 3;
/// For one attempt of the agent.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What one person is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Nothing,
    Plus,
    Pro,
}

/// How a pass ended.
#[derive(Debug)]
pub struct Pass {
    /// The exit status.
    pub code: i32,
    /// What it printed, where that was JSON; else null.
    pub report: Value,
    /// What it told the operator.
    pub told: String,
}

/// An agent, a proxy and a server with one account.
pub struct Chain {
    pub proxy: Proxy,
    pub server: Server,
    pub account: String,
    protocol: Protocol,
    folder: TempDir,
    people: Vec<Wanted>,
    /// The number in each one's address.
    addresses: Vec<usize>,
}

impl Chain {
    /// A running server with an account of that kind, and so many people in the directory, none of them in a group. In an LWA
    /// account all of them have signed up.
    pub fn new(kind: &str, people: usize) -> Self {
        let chain = Self::configured(kind, people, "");
        if kind == "EnterpriseLWA" {
            chain.register(0..people);
        }
        chain
    }

    /// The same with further lines below the server's `[api]`, and nobody who has signed up.
    pub fn configured(kind: &str, people: usize, api: &str) -> Self {
        Self::on(Server::configured(api, ""), kind, people)
    }

    /// The same on a server that does not run yet.
    pub fn on(server: Server, kind: &str, people: usize) -> Self {
        Self::speaking(Protocol::Chime, server, kind, people)
    }

    /// A directory account, with an agent that speaks that.
    pub fn over(protocol: Protocol, people: usize) -> Self {
        Self::speaking(protocol, Server::new(), "EnterpriseDirectory", people)
    }

    fn speaking(protocol: Protocol, mut server: Server, kind: &str, people: usize) -> Self {
        let account = server.account("Corp", kind, if kind == "Team" { &[] } else { &["corp.test"] });
        protocol.prepare(&server, &account);
        server.resume();
        let proxy = Proxy::start(server.address());
        let folder = tempfile::Builder::new().prefix("seatsync-chain-").tempdir().unwrap();
        let (wanted, addresses) = (vec![Wanted::Nothing; people], (0..people).collect());
        let chain = Self { proxy, server, account, protocol, folder, people: wanted, addresses };
        chain.keep_account(&chain.account);
        chain
    }

    /// What the agent and the server speak.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The agent keeps that account from now on.
    pub fn keep_account(&self, account: &str) {
        let accounts = self.protocol.accounts_section(&self.server, &self.proxy.url(), account);
        self.configure(&format!("{accounts}timeout = \"{}s\"\n", TIMEOUT.as_secs()));
    }

    /// Where the agent's configuration is.
    pub fn config_path(&self) -> std::path::PathBuf {
        self.folder.path().join("seatsync.toml")
    }

    /// The agent has that `[accounts]` section from now on.
    pub fn configure(&self, accounts: &str) {
        let toml = format!(
            "[directory]\nkind = \"ldif\"\npath = \"people.ldif\"\n\
             [[tier]]\nname = \"pro\"\ngroups = [\"Pro\"]\n[[tier]]\nname = \"plus\"\ngroups = [\"Plus\"]\n\
             [limits]\nlosses = \"off\"\ngroup_shrink = \"off\"\n\
             {accounts}[state]\npath = \"state\"\n[status]\ncontrol = \"control.sock\"\n",
        );
        fs::write(self.folder.path().join("seatsync.toml"), toml).unwrap();
    }

    /// People of a range sign up.
    pub fn register(&self, range: std::ops::Range<usize>) {
        range.for_each(|index| self.server.register(&self.account, &email(index)));
    }

    /// People of a range follow the links of their letters.
    pub fn accept(&self, range: std::ops::Range<usize>) {
        self.call("accept", json!({"Emails": range.map(email).collect::<Vec<_>>()}));
    }

    /// The server runs anew, at another port.
    pub fn restart(&mut self) {
        self.server.stop();
        self.server.resume();
        self.proxy.set_upstream(self.server.address());
    }

    /// What the people of a range are to hold from now on.
    pub fn want(&mut self, range: std::ops::Range<usize>, wanted: Wanted) {
        self.people[range].fill(wanted);
    }

    /// Two people exchange their addresses.
    pub fn exchange(&mut self, one: usize, other: usize) {
        self.addresses.swap(one, other);
    }

    /// The directory as it is now.
    pub fn write_directory(&self) {
        let mut ldif = String::new();
        for index in 0..self.people.len() {
            write!(
                ldif,
                "dn: CN=p{index},DC=x\nobjectClass: user\ncn: p{index}\nsAMAccountName: p{index}\nmail: {}\n\
                 userAccountControl: 512\nentryUUID: 00000000-0000-4000-8000-{index:012x}\n\n",
                email(self.addresses[index])
            )
            .unwrap();
        }
        for (number, (name, tier)) in [("Pro", Wanted::Pro), ("Plus", Wanted::Plus)].into_iter().enumerate() {
            write!(
                ldif,
                "dn: CN={name},DC=x\nobjectClass: group\ncn: {name}\nentryUUID: 00000000-0000-4000-9000-{number:012x}\n"
            )
            .unwrap();
            for index in (0..self.people.len()).filter(|index| self.people[*index] == tier) {
                writeln!(ldif, "member: CN=p{index},DC=x").unwrap();
            }
            ldif.push('\n');
        }
        fs::write(self.folder.path().join("people.ldif"), ldif).unwrap();
    }

    /// A pass.
    pub fn sync(&self) -> Pass {
        self.seatsync(&["sync", "--json"])
    }

    /// A pass that lists the account store as well.
    pub fn audit(&self) -> Pass {
        self.seatsync(&["sync", "--audit", "--json"])
    }

    /// The agent, with those arguments.
    pub fn seatsync(&self, arguments: &[&str]) -> Pass {
        let output = Command::new(env!("CARGO_BIN_EXE_seatsync"))
            .arg("-c")
            .arg(self.folder.path().join("seatsync.toml"))
            .args(arguments)
            .env_remove("SEATSYNC_CONFIG")
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let mut told = String::from_utf8(output.stderr).unwrap();
        let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
            told.push_str(&String::from_utf8_lossy(&output.stdout));
            Value::Null
        });
        Pass { code: output.status.code().unwrap(), report, told }
    }

    /// One pass that does all there is to do, with exactly these requests that change something.
    #[track_caller]
    pub fn takes(&self, expected: &[(&str, usize)]) {
        self.write_directory();
        self.proxy.forget();
        let pass = self.sync();
        assert_eq!(pass.code, 0, "{pass:#?}");
        let counts = self.proxy.counts();
        let changes = self.protocol.changes().iter().copied();
        let asked = changes.map(|change| (change, counts.get(change).map_or(0, |count| count.asked)));
        let asked: BTreeMap<_, _> = asked.filter(|(_, asked)| *asked > 0).collect();
        assert_eq!(asked, expected.iter().copied().collect(), "{pass:#?}");
        self.converge();
    }

    /// Passes, until one ends well; the next must find nothing to do and change nothing.
    #[track_caller]
    pub fn converge(&self) {
        self.write_directory();
        let mut passes = Vec::new();
        while passes.last().is_none_or(|pass: &Pass| pass.code != 0) {
            assert!(passes.len() < PASSES_MAX, "{PASSES_MAX} passes were not enough: {passes:#?}");
            passes.push(self.sync());
        }
        let counts = self.proxy.counts();
        let pass = self.sync();
        assert!(pass.code == 0 && pass.report["in_sync"] == true, "after {passes:#?} there is still {pass:#?}");
        for change in self.protocol.changes().iter().copied() {
            let before = counts.get(change).copied().unwrap_or_default();
            assert_eq!(self.proxy.asked(change), before.asked, "a pass with nothing to do asks for no {change}");
        }
    }

    /// The server's own word: (licence, registration status) by address. No address may come twice.
    #[track_caller]
    pub fn users(&self) -> BTreeMap<String, (String, String)> {
        let answer = self.call("list_users", json!({"AccountId": self.account}));
        let users = answer["Users"].as_array().unwrap();
        let text = |user: &Value, member: &str| user[member].as_str().unwrap_or_default().to_owned();
        let by_email: BTreeMap<_, _> = users
            .iter()
            .map(|user| (text(user, "PrimaryEmail"), (text(user, "LicenseType"), text(user, "UserRegistrationStatus"))))
            .collect();
        assert_eq!(by_email.len(), users.len(), "one user an address");
        by_email
    }

    #[track_caller]
    pub fn call(&self, name: &str, arguments: Value) -> Value {
        call(&self.server.setup(), name, arguments)
    }

    /// What enterprise accounts must hold: who is wanted holds the tier, who is not but was is suspended.
    #[track_caller]
    pub fn assert_held(&self, ever: &BTreeSet<usize>) {
        let users = self.users();
        for (index, wanted) in self.people.iter().enumerate() {
            let found =
                users.get(&email(self.addresses[index])).map(|(licence, status)| (licence.as_str(), status.as_str()));
            match wanted {
                Wanted::Plus => assert_eq!(found, Some(("Plus", "Registered")), "{index}"),
                Wanted::Pro => assert_eq!(found, Some(("Pro", "Registered")), "{index}"),
                Wanted::Nothing if ever.contains(&index) => {
                    assert_eq!(found.map(|(_, status)| status), Some("Suspended"), "{index}");
                }
                Wanted::Nothing => assert_eq!(found, None, "{index}"),
            }
        }
        assert!(users.len() <= self.people.len());
    }
}

pub fn email(index: usize) -> String {
    format!("p{index}@corp.test")
}

pub fn call(setup: &Value, name: &str, arguments: Value) -> Value {
    let mut setup = setup.clone();
    setup["arguments"] = arguments;
    let printed = python::run("call.py", &[name], &setup.to_string());
    if printed.is_empty() { Value::Null } else { serde_json::from_str(&printed).unwrap() }
}
