//! The agent is killed again and again while it gives seats over SCIM: in the end everybody has one account, and nobody two.

#![allow(clippy::unwrap_used, clippy::panic)]

mod loopback;
mod python;
mod scim;

use scim::{Manner, ScimServer, TOKEN};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PEOPLE: usize = 60;
/// A pass, on a busy machine.
const PASS_DEADLINE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(1);
/// Passes after the last kill: one that looks what became of it and does the rest, one that finds nothing to do.
const PASSES: usize = 2;

fn write_site(folder: &Path, base_url: &str) {
    let mut ldif = String::new();
    let mut members = String::new();
    for number in 0..PEOPLE {
        write!(
            ldif,
            "dn: CN=P{number},DC=x\nobjectClass: user\ncn: P{number}\nsAMAccountName: p{number}\n\
             mail: p{number}@corp.test\nuserAccountControl: 512\n\
             entryUUID: 00000000-0000-4000-8000-{number:012}\n\n"
        )
        .unwrap();
        writeln!(members, "member: CN=P{number},DC=x").unwrap();
    }
    write!(
        ldif,
        "dn: CN=Pro,DC=x\nobjectClass: group\ncn: Pro\nentryUUID: 00000000-0000-4000-9000-000000000001\n{members}"
    )
    .unwrap();
    std::fs::write(folder.join("people.ldif"), ldif).unwrap();
    std::fs::write(folder.join("token"), TOKEN).unwrap();
    std::fs::set_permissions(folder.join("token"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let toml = format!(
        "[directory]\nkind = 'ldif'\npath = 'people.ldif'\n[[tier]]\nname = 'pro'\ngroups = ['Pro']\n\
         [accounts]\nkind = 'scim'\naccount = 'product'\nbase_url = '{base_url}'\nbearer_token_file = 'token'\n\
         tier_in = 'entitlements[licence]'\nrequests_max = 4\n\
         [state]\npath = 'state'\n[status]\ncontrol = 'control.sock'\n"
    );
    std::fs::write(folder.join("seatsync.toml"), toml).unwrap();
}

fn sync(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seatsync"));
    command.arg("-c").arg(folder.join("seatsync.toml")).args(["sync", "--json"]);
    command.env_remove("SEATSYNC_CONFIG").stdin(Stdio::null());
    command
}

/// Kills the agent as soon as the server has had so many requests that write; gives whether it came to that.
fn kill_at(agent: &mut Child, server: &ScimServer, writes: usize) -> bool {
    let deadline = Instant::now() + PASS_DEADLINE;
    loop {
        if server.requests("POST") >= writes {
            agent.kill().unwrap();
            return agent.wait().unwrap().code().is_none();
        }
        if agent.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(Instant::now() < deadline, "the pass does not end");
        std::thread::sleep(POLL);
    }
}

fn killed_again_and_again(manner: Manner, kills_min: usize) {
    let server = ScimServer::strict(manner);
    let folder = tempfile::tempdir().unwrap();
    write_site(folder.path(), &server.base_url());
    let mut kills = 0;
    for writes in [1, 2, 7, 8, 20, 21, 40] {
        let mut agent = sync(folder.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        kills += usize::from(kill_at(&mut agent, &server, writes));
    }
    assert!(kills >= kills_min, "killed {kills} times only");
    let mut last = None;
    for _ in 0..PASSES {
        let output = sync(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
        last = Some(serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap());
    }
    assert_eq!(last.unwrap()["changes"], serde_json::json!([]), "in sync");
    let users = server.users();
    let whose: BTreeSet<&str> = users.iter().filter_map(|user| user["externalId"].as_str()).collect();
    assert_eq!((users.len(), whose.len()), (PEOPLE, PEOPLE), "one account each");
    let is_seated = |user: &serde_json::Value| user["entitlements"][0]["value"] == "pro" && user["active"] == true;
    assert!(users.iter().all(is_seated), "{users:?}");
}

#[test]
fn one_by_one() {
    killed_again_and_again(Manner::Plain, 3);
}

#[test]
fn in_bulk() {
    killed_again_and_again(Manner::Rich, 1);
}
