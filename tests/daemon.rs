//! The service as a process: signals, the control socket and who may use it, reload, outages, the end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agent;
mod company;

use agent::{Agent, kill};
use company::Company;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The service of the example company, with these lines more in its configuration, whose last section is `[status]`.
fn serve(more: &str) -> Agent<Company> {
    let company = Company::new();
    let toml = fs::read_to_string(company.path("quickstart.toml")).unwrap();
    fs::write(company.path("quickstart.toml"), format!("{toml}\n{more}")).unwrap();
    serve_again(company)
}

fn serve_again(company: Company) -> Agent<Company> {
    let config = company.path("quickstart.toml");
    Agent::start(company, &config)
}

/// A user whom no database of this machine knows.
const STRANGER: u32 = 4_123_456;

#[test]
fn the_first_pass_begins_at_once_and_the_commands_are_answered_by_the_service() {
    let agent = serve("").settled();
    let status = agent.status();
    assert_eq!((&status["state"], &status["last_pass"]["result"]), (&json!("ok"), &json!("applied")), "{status:#}");
    assert_eq!(status["daemon"]["pid"], agent.pid());
    assert!(status["next"]["sync"].is_string() && status["next"]["audit"].is_string());
    assert_eq!(agent.run(&["plan"]).code, 0);
    let sync = agent.run(&["sync", "--json"]);
    let report: Value = serde_json::from_str(&sync.stdout).unwrap();
    assert_eq!((sync.code, &report["in_sync"]), (0, &json!(true)), "{}", sync.stderr);
    let seats: Value = serde_json::from_str(&agent.run(&["accounts", "list", "--json"]).stdout).unwrap();
    assert!(seats["users"].as_array().unwrap().len() > 20);
    let first = seats["users"][0]["email"].as_str().unwrap();
    let history: Value = serde_json::from_str(&agent.run(&["history", "--json", "--user", first]).stdout).unwrap();
    assert_eq!(history["actions"][0]["email"], first);
    let explained: Value = serde_json::from_str(&agent.run(&["explain", first, "--json"]).stdout).unwrap();
    assert_eq!(explained["email"], first);
    let unknown = agent.run(&["explain", "nobody@corp.example"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.stderr.contains("nobody@corp.example"), "{}", unknown.stderr);
    // The text is the same as without a service.
    assert!(agent.run(&["sync"]).stdout.contains("in sync"));
    let (status, log, company) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!company.path("control.sock").exists(), "the socket is taken away");
    assert_eq!(company.run(&["sync"]).code, 0, "without a service the command does it itself");
}

#[test]
fn signals_sync_audit_and_stop() {
    let agent = serve("[log]\nlevel = 'debug'\n").settled();
    let first = agent.status()["last_pass"]["id"].clone();
    agent.signal("USR1");
    agent.until("SIGUSR1 brings a pass", |agent| agent.status()["last_pass"]["id"] != first);
    let second = agent.status()["last_pass"]["id"].clone();
    agent.signal("USR2");
    agent.until("SIGUSR2 brings a pass", |agent| agent.status()["last_pass"]["id"] != second);
    assert!(agent.log().contains("SIGUSR2: audit now"));
    agent.signal("INT");
    let mut agent = agent;
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn a_change_in_the_directory_is_one_line_a_pass_in_sync_none_and_no_address_stands_in_the_log() {
    let agent = serve("").settled();
    let before = agent.log().lines().count();
    agent.run(&["sync"]);
    agent.run(&["sync"]);
    assert_eq!(agent.log().lines().count(), before, "{}", agent.log());
    agent.home().edit("member: CN=Emil Sand,OU=People,DC=corner,DC=example\n", "");
    assert_eq!(agent.run(&["sync"]).code, 0);
    let log = agent.log();
    let new: Vec<&str> = log.lines().skip(before).collect();
    assert_eq!(new.len(), 2, "a line for the change and one for the pass: {new:#?}");
    assert!(new[0].contains("suspend") && new[0].contains("guid"), "{new:#?}");
    assert!(!log.contains('@'), "{log}");
}

#[test]
fn a_bad_configuration_is_refused_and_the_former_stays_in_force() {
    let agent = serve("").settled();
    let good = fs::read_to_string(agent.home().path("quickstart.toml")).unwrap();
    fs::write(agent.home().path("quickstart.toml"), good.replace("[[tier]]", "[[teir]]")).unwrap();
    let reload = agent.run(&["reload"]);
    assert_eq!(reload.code, 78, "{}", reload.stderr);
    assert!(reload.stderr.contains("teir") && reload.stderr.contains("did you mean"), "{}", reload.stderr);
    let status = agent.status();
    assert_eq!(status["state"], "degraded");
    assert!(status["daemon"]["rejected"]["problems"].as_str().unwrap().contains("teir"));
    assert!(agent.log().contains("the former stays in force"));
    assert!(agent.run(&["sync"]).stdout.contains("in sync"), "it goes on with what it had");
    // The same by signal, and then a good one.
    agent.signal("HUP");
    agent.until("SIGHUP is refused too", |agent| agent.log().matches("the new configuration is refused").count() == 2);
    fs::write(agent.home().path("quickstart.toml"), &good).unwrap();
    let reload = agent.run(&["reload"]);
    assert_eq!((reload.code, reload.stdout.as_str()), (0, "the new configuration is in force\n"), "{}", reload.stderr);
    assert_eq!(agent.status()["state"], "ok");
}

#[test]
fn an_edit_that_takes_everybodys_licence_is_held() {
    let agent = serve("").settled();
    let seats = |agent: &Agent<Company>| agent.run(&["accounts", "list"]).stdout;
    let before = seats(&agent);
    let toml = fs::read_to_string(agent.home().path("quickstart.toml")).unwrap();
    let tier = toml.rfind("[[tier]]").unwrap();
    let end = toml[tier + 1..].find("\n[").map_or(toml.len(), |at| tier + 1 + at);
    fs::write(agent.home().path("quickstart.toml"), format!("{}{}", &toml[..tier], &toml[end..])).unwrap();
    assert_eq!(agent.run(&["reload"]).code, 0);
    agent.until("a pass under the new mapping holds", |agent| agent.status()["state"] == "held");
    assert_eq!(seats(&agent), before, "nobody has lost anything");
    let hash = agent.status()["held"]["hash"].as_str().unwrap().to_owned();
    let approve = agent.run(&["approve", &hash]);
    assert_eq!(approve.code, 0, "{}", approve.stderr);
    assert!(agent.status()["held"]["approved"]["by"].as_str().unwrap().contains("operator"), "root may say who it is");
    assert_eq!(agent.run(&["sync"]).code, 0);
    assert_ne!(seats(&agent), before);
}

#[test]
fn another_account_store_is_no_matter_of_a_reload() {
    let agent = serve("").settled();
    agent.home().configure("= \"accounts\"", "= \"elsewhere\"");
    let reload = agent.run(&["reload"]);
    assert_eq!(reload.code, 1);
    assert!(reload.stderr.contains("cannot be changed while the service runs"), "{}", reload.stderr);
    assert!(agent.run(&["sync"]).stdout.contains("in sync"));
}

#[test]
fn a_file_that_is_no_toml_any_more_is_told_to_the_service() {
    let agent = serve("").settled();
    let good = fs::read_to_string(agent.config()).unwrap();
    for bad in [format!("{good}\n[limits\n"), format!("[rules]\nnested = \"yes\n{good}")] {
        fs::write(agent.config(), bad).unwrap();
        let reload = agent.run(&["reload"]);
        assert_eq!(reload.code, 78, "{}", reload.stderr);
        assert!(reload.stderr.contains("not valid TOML"), "{}", reload.stderr);
        let status = agent.status();
        assert!(status["daemon"]["rejected"]["problems"].as_str().unwrap().contains("not valid TOML"), "{status:#}");
        fs::write(agent.config(), &good).unwrap();
        assert_eq!(agent.run(&["reload"]).code, 0);
    }
}

#[test]
fn folders_that_go_while_it_runs_are_told_and_taken_again_when_they_are_back() {
    let agent = serve("[schedule]\nsync = 'every 1s'\njitter = '0s'\n").settled();
    let seats = agent.run(&["accounts", "list"]).stdout;
    for name in ["accounts", "state"] {
        let (folder, away) = (agent.home().path(name), agent.home().path("away"));
        fs::rename(&folder, &away).unwrap();
        // Something to write in both.
        let member = "member: CN=Anton Weber,OU=People,DC=corner,DC=example\n";
        let whole = fs::read_to_string(agent.home().path("quickstart.ldif")).unwrap();
        agent.home().edit(member, "");
        agent.until("it says what is gone", |agent| {
            let status = agent.status();
            ["degraded", "failing"].contains(&status["state"].as_str().unwrap())
                && status["reason"].as_str().is_some_and(|reason| reason.contains(folder.to_str().unwrap()))
        });
        assert!(!folder.exists(), "nothing is begun anew in its place");
        fs::rename(&away, &folder).unwrap();
        agent.until("it is well again", |agent| agent.status()["state"] == "ok");
        agent.until("what was due is done", |agent| agent.run(&["accounts", "list"]).stdout != seats);
        fs::write(agent.home().path("quickstart.ldif"), whole).unwrap();
        agent.until("and undone", |agent| agent.run(&["accounts", "list"]).stdout == seats);
    }
}

#[test]
fn an_outage_is_told_once_and_ends_by_itself() {
    let agent = serve("[schedule]\nsync = 'every 1s'\njitter = '0s'\n").settled();
    let ldif = agent.home().path("quickstart.ldif");
    let away = agent.home().path("away.ldif");
    fs::rename(&ldif, &away).unwrap();
    agent.until("three passes have failed", |agent| {
        agent.status()["daemon"]["outage"]["passes"].as_u64().is_some_and(|passes| passes >= 3)
    });
    let status = agent.status();
    assert!(["degraded", "failing"].contains(&status["state"].as_str().unwrap()), "{status:#}");
    assert!(status["reason"].as_str().unwrap().contains("quickstart.ldif"));
    fs::rename(&away, &ldif).unwrap();
    agent.until("it is well again", |agent| agent.status()["state"] == "ok");
    let log = agent.log();
    assert_eq!(log.matches("passes fail").count(), 1, "{log}");
    assert_eq!(log.matches("passes succeed again").count(), 1, "{log}");
}

#[test]
fn killed_it_leaves_nothing_that_hinders_the_next() {
    let agent = serve("").settled();
    let company = agent.kill();
    assert!(company.path("control.sock").exists(), "a killed process cannot tidy up");
    assert_eq!(company.run(&["status"]).code, 0, "a socket that nobody listens at is no service");
    let agent = serve_again(company).settled();
    assert_eq!(agent.status()["last_pass"]["result"], "in_sync");
    let second = Command::new(env!("CARGO_BIN_EXE_seatsync"))
        .args(["run", "-c"])
        .arg(agent.home().path("quickstart.toml"))
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(told.contains("in use by process"), "{told}");
    assert_eq!(agent.status()["state"], "ok", "and the first one is not disturbed");
}

#[test]
fn ctrl_c_of_a_command_leaves_the_service_alone() {
    let agent = serve("").settled();
    let first = agent.status()["last_pass"]["id"].clone();
    let mut command = Command::new(env!("CARGO_BIN_EXE_seatsync"))
        .arg("sync")
        .env("SEATSYNC_CONFIG", agent.home().path("quickstart.toml"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    kill(command.id(), "INT");
    command.wait().unwrap();
    agent.run(&["sync"]);
    agent.until("passes go on", |agent| agent.status()["last_pass"]["id"] != first);
    assert_eq!(agent.status()["state"], "ok");
}

#[test]
fn another_configuration_is_not_answered_by_this_service() {
    let agent = serve("").settled();
    let other = agent.home().path("other.toml");
    let toml = fs::read_to_string(agent.home().path("quickstart.toml")).unwrap();
    fs::write(
        &other,
        toml.replace("= \"state\"", "= \"other-state\"").replace("= \"accounts\"", "= \"other-accounts\""),
    )
    .unwrap();
    let status = agent.run(&["status", "--json", "-c", other.to_str().unwrap()]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!((&status["state"], &status["daemon"]), (&json!("never"), &Value::Null), "{status:#}");
}

/// The lines that come back for one line sent by some user.
fn say(socket: &Path, uid: u32, line: &str) -> String {
    // Another process, since a user is the property of one: the shell's own is not what is tested.
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", PEER])
        .arg(socket)
        .arg(line)
        .uid(uid)
        .gid(uid)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    said
}

const PEER: &str = "
import socket, sys
peer = socket.socket(socket.AF_UNIX)
peer.settimeout(30)
try:
    peer.connect(sys.argv[1])
except PermissionError:
    print('EACCES'); sys.exit()
try:
    peer.sendall(sys.argv[2].encode() + b'\\n')
except OSError:
    pass
data = b''
while True:
    try:
        piece = peer.recv(65536)
    except ConnectionResetError:
        break
    if not piece:
        break
    data += piece
print(data.decode())
";

fn hello(agent: &Agent<Company>, ask: Value) -> String {
    let config = fs::canonicalize(agent.home().path("quickstart.toml")).unwrap();
    json!({"format": 1, "config": config, "by": "root", "ask": ask}).to_string()
}

#[test]
fn only_root_the_service_and_the_group_may_ask() {
    let agent = serve("").settled();
    let socket = agent.socket();
    // Everybody on the way may pass; then the socket itself decides.
    let folder = socket.parent().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let ask = hello(&agent, json!("status"));
    assert_eq!(say(&socket, STRANGER, &ask).trim(), "EACCES");
    // Even where somebody has opened the file to everybody.
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    let told = say(&socket, STRANGER, &ask);
    assert!(told.contains("may not use the control socket") && told.contains("4123456"), "{told}");
    assert!(!told.contains("last_pass"));
    let sync = say(&socket, STRANGER, &hello(&agent, json!({"sync": {"audit": false, "user": null}})));
    assert!(sync.contains("may not use"), "{sync}");
    assert!(agent.log().contains("refused on the control socket"));
    assert!(say(&socket, 0, &ask).contains("last_pass"), "root may");
}

#[test]
fn members_of_the_configured_group_may_ask() {
    // The group of this test's own stranger: any group that is there will do, and `nogroup` is on every Debian.
    let agent = serve("control_group = 'nogroup'\n").settled();
    let socket = agent.socket();
    fs::set_permissions(socket.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    let ask = hello(&agent, json!("status"));
    // uid and gid are the same number in `say`: 65534 is `nobody`, whose group is `nogroup`.
    assert!(say(&socket, 65_534, &ask).contains("last_pass"));
    assert_eq!(say(&socket, STRANGER, &ask).trim(), "EACCES");
}

#[test]
fn nonsense_on_the_socket_is_answered_in_words_and_harms_nothing() {
    let agent = serve("").settled();
    let path = agent.socket();
    let exchange = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // The service may have closed already.
        _ = stream.write_all(bytes);
        let mut line = String::new();
        _ = BufReader::new(stream).read_line(&mut line);
        line
    };
    assert!(exchange(b"GET / HTTP/1.1\r\n\r\n").contains("different versions"));
    assert!(exchange(b"{\"format\":99}\n").contains("different versions"));
    let unknown = format!("{}\n", hello(&agent, json!("self_destruct")));
    assert!(exchange(unknown.as_bytes()).contains("different versions"));
    let endless = vec![b'a'; 200_000];
    assert!(exchange(&endless).contains("bytes"));
    // Callers who say nothing do not keep others out.
    let silent: Vec<UnixStream> = (0..20).map(|_| UnixStream::connect(&path).unwrap()).collect();
    assert_eq!(agent.status()["state"], "ok");
    drop(silent);
}

#[test]
fn a_control_socket_that_cannot_be_made_is_told() {
    let company = Company::new();
    let toml = fs::read_to_string(company.path("quickstart.toml")).unwrap();
    for (lines, code, words) in [
        ("control = 'missing/control.sock'", 1, "make its folder"),
        ("control = 'quickstart.ldif'", 1, "no socket"),
        ("control = 'c.sock'\ncontrol_group = 'no-such-group'", 78, "there is no group \"no-such-group\""),
    ] {
        fs::write(company.path("quickstart.toml"), toml.replace("control = \"control.sock\"", lines)).unwrap();
        let ran = company.run(&["run"]);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    fs::write(company.path("quickstart.toml"), format!("{toml}\nlisten = 'everywhere'\n")).unwrap();
    assert_eq!(company.run(&["run"]).code, 78);
}

#[test]
fn steps_are_streamed_to_whoever_waits() {
    let agent = serve("").settled();
    let said = say(&agent.socket(), 0, &hello(&agent, json!({"sync": {"audit": true, "user": null}})));
    let lines: Vec<Value> =
        said.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect();
    let (end, steps) = lines.split_last().unwrap();
    assert!(end["answer"]["report"]["in_sync"].as_bool().unwrap(), "{end}");
    let steps: Vec<String> = steps.iter().map(|line| line["step"].to_string()).collect();
    for step in ["remembering", "reading", "auditing", "deciding"] {
        assert!(steps.iter().any(|told| told.contains(step)), "{step} is not among {steps:?}");
    }
}

#[test]
fn lines_as_json_on_request() {
    let agent = serve("[log]\nformat = 'json'\naddresses = true\n").settled();
    let lines: Vec<Value> = agent.log().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let created = |line: &&Value| line["fields"]["action"] == "create";
    let create = lines.iter().find(created).expect("the first pass creates accounts");
    assert!(create["fields"]["guid"].is_string() && create["fields"]["pass"].is_string(), "{create}");
    assert!(create["fields"]["email"].as_str().unwrap().contains('@'), "addresses were asked for: {create}");
}
