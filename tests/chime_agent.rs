//! The agent and the server with a proxy between them that breaks things: it always converges, nobody is made or asked twice,
//! and it asks no more often than it must.
//!
//! What the server holds in the end is read by boto3, past the agent and past the proxy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod proxy;
mod python;
mod seatstore;

use proxy::{Fault, Proxy, Request};
use seatstore::{Server, letters};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Most people of one request (`wire::CREATE_ITEMS_MAX` and its like), written out: the tests hold the code against them.
const CREATES: usize = 50;
const SUSPENSIONS: usize = 50;
const UPDATES: usize = 20;
const INVITATIONS: usize = 50;
/// Passes after which what has not converged never will: one that is broken, one that looks what became of it, one that
/// finds nothing to do.
const PASSES_MAX: usize = 3;
/// For one attempt of the agent.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What one person is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Nothing,
    Plus,
    Pro,
}

/// How a pass ended.
#[derive(Debug)]
struct Pass {
    code: i32,
    report: Value,
    told: String,
}

/// An agent, a proxy and a server with one account.
struct Chain {
    proxy: Proxy,
    server: Server,
    account: String,
    folder: TempDir,
    people: Vec<Wanted>,
}

impl Chain {
    fn new(kind: &str, people: usize) -> Self {
        let mut server = Server::new();
        let account = server.account("Corp", kind, if kind == "Team" { &[] } else { &["corp.test"] });
        if kind == "EnterpriseLWA" {
            for index in 0..people {
                server.register(&account, &email(index));
            }
        }
        server.resume();
        let proxy = Proxy::start(server.address());
        let folder = tempfile::Builder::new().prefix("seatsync-chain-").tempdir().unwrap();
        let accounts = server.accounts_section(&proxy.url(), &account);
        let toml = format!(
            "[directory]\nkind = \"ldif\"\npath = \"people.ldif\"\n\
             [[tier]]\nname = \"pro\"\ngroups = [\"Pro\"]\n[[tier]]\nname = \"plus\"\ngroups = [\"Plus\"]\n\
             [limits]\nlosses = \"off\"\ngroup_shrink = \"off\"\n\
             {accounts}timeout = \"{}s\"\n[state]\npath = \"state\"\n[status]\ncontrol = \"control.sock\"\n",
            TIMEOUT.as_secs()
        );
        fs::write(folder.path().join("seatsync.toml"), toml).unwrap();
        Self { proxy, server, account, folder, people: vec![Wanted::Nothing; people] }
    }

    /// What the people of a range are to hold from now on.
    fn want(&mut self, range: std::ops::Range<usize>, wanted: Wanted) {
        self.people[range].fill(wanted);
    }

    fn write_directory(&self) {
        let mut ldif = String::new();
        for index in 0..self.people.len() {
            write!(
                ldif,
                "dn: CN=p{index},DC=x\nobjectClass: user\ncn: p{index}\nsAMAccountName: p{index}\nmail: {}\n\
                 userAccountControl: 512\nentryUUID: 00000000-0000-4000-8000-{index:012x}\n\n",
                email(index)
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

    fn sync(&self) -> Pass {
        let output = Command::new(env!("CARGO_BIN_EXE_seatsync"))
            .arg("-c")
            .arg(self.folder.path().join("seatsync.toml"))
            .args(["sync", "--json"])
            .env_remove("SEATSYNC_CONFIG")
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Pass { code: output.status.code().unwrap(), report, told }
    }

    /// Passes, until one ends well; the next must find nothing to do and change nothing.
    #[track_caller]
    fn converge(&self) {
        self.write_directory();
        let mut passes = Vec::new();
        while passes.last().is_none_or(|pass: &Pass| pass.code != 0) {
            assert!(passes.len() < PASSES_MAX, "{PASSES_MAX} passes were not enough: {passes:#?}");
            passes.push(self.sync());
        }
        let counts = self.proxy.counts();
        let pass = self.sync();
        assert!(pass.code == 0 && pass.report["in_sync"] == true, "after {passes:#?} there is still {pass:#?}");
        let changes = ["BatchCreateUser", "BatchUpdateUser", "BatchSuspendUser", "BatchUnsuspendUser", "InviteUsers"];
        for change in changes {
            let before = counts.get(change).copied().unwrap_or_default();
            assert_eq!(self.proxy.asked(change), before.asked, "a pass with nothing to do asks for no {change}");
        }
    }

    /// The server's own word: (licence, registration status) by address. No address may come twice.
    #[track_caller]
    fn users(&self) -> BTreeMap<String, (String, String)> {
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
    fn call(&self, name: &str, arguments: Value) -> Value {
        call(&self.server.setup(), name, arguments)
    }

    /// What enterprise accounts must hold: who is wanted holds the tier, who is not but was is suspended.
    #[track_caller]
    fn assert_held(&self, ever: &BTreeSet<usize>) {
        let users = self.users();
        for (index, wanted) in self.people.iter().enumerate() {
            let found = users.get(&email(index)).map(|(licence, status)| (licence.as_str(), status.as_str()));
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

fn email(index: usize) -> String {
    format!("p{index}@corp.test")
}

fn call(setup: &Value, name: &str, arguments: Value) -> Value {
    let mut setup = setup.clone();
    setup["arguments"] = arguments;
    let printed = python::run("call.py", &[name], &setup.to_string());
    if printed.is_empty() { Value::Null } else { serde_json::from_str(&printed).unwrap() }
}

/// The first requests of every operation suffer these, in that order.
fn each_suffers(faults: &'static [Fault]) -> impl FnMut(&Request) -> Fault + Send {
    |request| faults.get(request.earlier).copied().unwrap_or(Fault::None)
}

/// 170 people of a directory account come, move, go and come back, and each request meets these faults first.
#[track_caller]
fn a_directory_account_suffers(faults: &'static [Fault]) {
    let mut chain = Chain::new("EnterpriseDirectory", 170);
    let mut ever = BTreeSet::new();
    // (who is wanted, the operation it takes, its fewest requests)
    chain.want(0..130, Wanted::Plus);
    ever.extend(0..130);
    let asked = |chain: &Chain, operation: &str, people: usize, most: usize| {
        let fewest = people.div_ceil(most);
        let asked = chain.proxy.asked(operation);
        let passed_on = chain.proxy.counts().get(operation).copied().unwrap_or_default().passed_on;
        assert!(
            (fewest..=fewest + faults.len()).contains(&asked) && passed_on >= fewest,
            "{operation} for {people} people: asked {asked} times, {passed_on} passed on; {fewest} are enough"
        );
    };
    chain.proxy.script(each_suffers(faults));
    chain.converge();
    chain.assert_held(&ever);
    asked(&chain, "BatchCreateUser", 130, CREATES);

    // 45 move, 60 go, 40 come.
    chain.want(0..45, Wanted::Pro);
    chain.want(70..130, Wanted::Nothing);
    chain.want(130..170, Wanted::Pro);
    ever.extend(130..170);
    chain.proxy.forget();
    chain.converge();
    chain.assert_held(&ever);
    asked(&chain, "BatchCreateUser", 40, CREATES);
    asked(&chain, "BatchUpdateUser", 45, UPDATES);
    asked(&chain, "BatchSuspendUser", 60, SUSPENSIONS);

    // They come back, with the licence they had.
    chain.want(70..130, Wanted::Plus);
    chain.proxy.forget();
    chain.converge();
    chain.assert_held(&ever);
    asked(&chain, "BatchUnsuspendUser", 60, SUSPENSIONS);
}

macro_rules! faults {
    ($($name:ident: $faults:expr;)+) => {
        $(
            #[test]
            fn $name() {
                a_directory_account_suffers(&$faults);
            }
        )+
    };
}

faults! {
    nothing: [];
    a_throttle_that_says_when: [Fault::Throttle { retry_after: Some(1) }];
    a_burst_of_throttles: [Fault::Throttle { retry_after: None }; 3];
    failures_before_the_effect: [Fault::Refuse(500), Fault::Refuse(503)];
    failures_after_the_effect: [Fault::Deny(500)];
    cut_answers: [Fault::CutAnswer];
    resets_before_the_effect: [Fault::Reset];
    resets_after_the_effect: [Fault::ResetAfter];
    time_outs_before_the_effect: [Fault::HangBefore];
    time_outs_after_the_effect: [Fault::HangAfter];
    one_after_the_other: [Fault::Throttle { retry_after: None }, Fault::Deny(500), Fault::ResetAfter, Fault::CutAnswer];
}

/// An invitation is the one change that is not the same when made twice: a second letter.
#[test]
fn nobody_is_invited_twice() {
    for fault in [Fault::Deny(500), Fault::CutAnswer, Fault::ResetAfter, Fault::HangAfter] {
        let mut chain = Chain::new("Team", 70);
        chain.want(0..70, Wanted::Plus);
        chain.proxy.script(proxy::first("InviteUsers", &[fault]));
        chain.write_directory();
        for _ in 0..PASSES_MAX {
            chain.sync();
        }
        let users = chain.users();
        assert_eq!(users.keys().cloned().collect::<BTreeSet<_>>(), (0..70).map(email).collect(), "{fault:?}");
        let asked = chain.proxy.asked("InviteUsers");
        assert!(asked <= 70usize.div_ceil(INVITATIONS) + 1, "{fault:?}: asked {asked} times");
        // Everybody follows the link of a letter; no letter is left over.
        chain.call("accept", json!({"Emails": (0..70).map(email).collect::<Vec<_>>()}));
        assert_eq!(letters(&chain.server.spool()).len(), 70, "{fault:?}: one letter each");
        chain.converge();
        assert!(chain.users().values().all(|(licence, _)| licence == "Plus"), "{fault:?}");
    }
}

/// A batch of 20 in which one user is gone by the time it arrives: the other 19 are moved, and it is asked anew.
#[test]
fn one_bad_id_in_a_batch_of_twenty() {
    let mut chain = Chain::new("Team", 20);
    chain.want(0..20, Wanted::Plus);
    chain.write_directory();
    assert_eq!(chain.sync().code, 0);
    chain.call("accept", json!({"Emails": (0..20).map(email).collect::<Vec<_>>()}));
    chain.converge();

    let users = chain.call("list_users", json!({"AccountId": chain.account, "UserEmail": email(7)}));
    let gone = users["Users"][0]["UserId"].as_str().unwrap().to_owned();
    chain.want(0..20, Wanted::Pro);
    chain.proxy.forget();
    let removal = json!({"AccountId": chain.account, "UserIdList": [gone]});
    let setup = chain.server.setup();
    chain.proxy.script(move |request| {
        if request.operation == "BatchUpdateUser" && request.earlier == 0 {
            // Past the proxy, after the agent has listed everybody and before its batch arrives.
            assert_eq!(call(&setup, "batch_suspend_user", removal.clone())["UserErrors"], json!([]));
        }
        Fault::None
    });
    chain.write_directory();
    let pass = chain.sync();
    let users = chain.users();
    for index in (0..20).filter(|index| *index != 7) {
        assert_eq!(users[&email(index)].0, "Pro", "{index}: {pass:#?}");
    }
    assert_eq!(chain.proxy.asked("BatchUpdateUser"), 1, "twenty in one request, and nobody twice: {pass:#?}");
    chain.sync();
    assert_eq!(chain.users()[&email(7)].1, "Unregistered", "invited anew");
    chain.call("accept", json!({"Emails": [email(7)]}));
    chain.converge();
    assert_eq!(chain.users()[&email(7)], ("Pro".to_owned(), "Registered".to_owned()));
}

/// A server that is down is waited for, and one that was killed in the middle is caught up with.
#[test]
fn a_server_that_dies_in_the_middle() {
    let mut chain = Chain::new("EnterpriseDirectory", 120);
    chain.want(0..120, Wanted::Pro);
    chain.write_directory();
    chain.server.kill9();
    let pass = chain.sync();
    assert!(pass.code != 0 && pass.told.contains(&chain.proxy.url()), "it says where nobody is: {pass:#?}");
    chain.server.resume();
    chain.proxy.set_upstream(chain.server.address());
    let process = chain.server.process_id().to_string();
    chain.proxy.script(move |request| {
        if request.operation == "BatchCreateUser" && request.earlier == 1 {
            assert!(Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
        }
        Fault::None
    });
    assert_ne!(chain.sync().code, 0, "it died on the way");
    chain.server.kill9();
    chain.server.resume();
    chain.proxy.mend();
    chain.proxy.set_upstream(chain.server.address());
    chain.converge();
    chain.assert_held(&(0..120).collect());
}

/// People of an LWA account sign up by themselves, and get their tier within a pass.
#[test]
fn an_lwa_account_suffers_too() {
    let mut chain = Chain::new("EnterpriseLWA", 60);
    chain.want(0..60, Wanted::Pro);
    chain.proxy.script(each_suffers(&[Fault::Deny(500), Fault::CutAnswer]));
    chain.converge();
    let asked = chain.proxy.asked("BatchUpdateUser");
    assert!((3..=5).contains(&asked), "60 people are three requests, and each of two faults costs one: {asked}");
    chain.want(0..30, Wanted::Nothing);
    chain.proxy.forget();
    chain.converge();
    chain.assert_held(&(0..60).collect());
}
