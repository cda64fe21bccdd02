//! The service against operators, files and systems that do what they should not: it answers, goes on, and ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agent;
mod company;
mod fake_ldap;
mod site;

use agent::{Agent, Said, kill};
use company::Company;
use fake_ldap::{Act, BASE, BIND_DN, FakeLdap, Kind, PASSWORD, Request, Script};
use serde_json::{Value, json};
use site::{Directory, Site};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How soon something must be answered that waits for nobody, on a busy machine.
const SOON: Duration = Duration::from_secs(10);
/// A request of the agent that hangs does so for longer than any test here may take.
const LONG_TIMEOUT: &str = "timeout = '10m'\n";

fn company() -> (Company, PathBuf) {
    let company = Company::new();
    let config = company.path("quickstart.toml");
    (company, config)
}

fn serve() -> Agent<Company> {
    let (company, config) = company();
    Agent::start(company, &config).settled()
}

/// A directory whose answers about people stay away for as long as the switch says.
fn hanging(hangs: &Arc<AtomicBool>) -> FakeLdap {
    let hangs = hangs.clone();
    FakeLdap::start(Script::twisted(move |request: &Request, due| match request.kind {
        Kind::People { .. } if hangs.load(Ordering::SeqCst) => Act::Hang,
        _ => Act::Send(due),
    }))
}

fn site(server: &FakeLdap) -> Site {
    let directory = Directory {
        urls: vec![server.url.clone()],
        base_dn: BASE.to_owned(),
        bind_dn: BIND_DN.to_owned(),
        password: PASSWORD.to_owned(),
        ca_file: None,
        more: format!("allow_cleartext = true\n{LONG_TIMEOUT}"),
    };
    let mut site = Site::new(directory, &["Pro"], &["Plus"]);
    site.rules = String::new();
    site
}

/// A service in the middle of a pass whose directory says nothing more.
fn in_a_pass_that_hangs() -> (Agent<Site>, FakeLdap) {
    let hangs = Arc::new(AtomicBool::new(false));
    let server = hanging(&hangs);
    let site = site(&server);
    let config = site.write_config();
    let agent = Agent::start_with(site, &config, &[("SEATSYNC_LOG", "seatsync=debug")]).settled();
    hangs.store(true, Ordering::SeqCst);
    agent.signal("USR1");
    agent.until("the pass reads", |agent| agent.status()["daemon"]["running"]["step"] == "reading the directory");
    (agent, server)
}

/// A command in a process of its own, which ends within that time or is ended.
fn within<H>(agent: &Agent<H>, limit: Duration, arguments: &[&str]) -> Option<Said> {
    let mut child = agent.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > limit {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Some(Said { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) })
}

/// A caller on the socket who asks for that and reads nothing.
fn ask(socket: &Path, config: &Path, ask: &Value) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    let config = fs::canonicalize(config).unwrap();
    writeln!(stream, "{}", json!({"format": 1, "config": config, "by": "root", "ask": ask})).unwrap();
    stream
}

#[track_caller]
fn ends_soon<H>(mut agent: Agent<H>) {
    let began = Instant::now();
    agent.signal("TERM");
    assert_eq!(agent.wait().code(), Some(0), "{}", agent.log());
    assert!(began.elapsed() < SOON, "it took {:?}\n{}", began.elapsed(), agent.log());
}

#[test]
fn while_a_pass_hangs_every_reload_is_answered() {
    let (agent, _server) = in_a_pass_that_hangs();
    let good = fs::read_to_string(agent.config()).unwrap();
    for round in 0..3 {
        let said = within(&agent, SOON, &["reload"]).unwrap_or_else(|| panic!("reload {round} is not answered"));
        assert_eq!(said.code, 0, "{}", said.stderr);
        assert!(said.stdout.contains("when the running pass has ended"), "{}", said.stdout);
    }
    fs::write(agent.config(), good.replace("[limits]", "[limit]")).unwrap();
    let said = within(&agent, SOON, &["reload"]).expect("a bad one is answered at once");
    assert_eq!(said.code, 78, "{}", said.stderr);
    agent.signal("HUP");
    agent.until("a bad one by signal too", |agent| agent.log().matches("configuration is refused").count() == 2);
    assert!(!agent.status()["daemon"]["rejected"].is_null());
    ends_soon(agent);
}

#[test]
fn a_reload_behind_a_plan_that_hangs_is_answered() {
    let hangs = Arc::new(AtomicBool::new(false));
    let server = hanging(&hangs);
    let site = site(&server);
    let config = site.write_config();
    let agent = Agent::start(site, &config).settled();
    hangs.store(true, Ordering::SeqCst);
    let asked = server.log().len();
    let _plan = ask(&agent.socket(), agent.config(), &json!({"plan": {"audit": false, "user": null}}));
    agent.until("the plan is being made", |_| server.log().len() > asked);
    let said = within(&agent, SOON + SOON, &["reload"]).expect("an answer");
    assert_eq!(said.code, 0, "{}", said.stderr);
    ends_soon(agent);
}

#[test]
fn what_was_refused_last_stays_refused_when_an_earlier_one_comes_into_force() {
    let hangs = Arc::new(AtomicBool::new(false));
    let gate = hangs.clone();
    let server = FakeLdap::start(Script::twisted(move |request: &Request, due| {
        // Until the switch is turned; the agent's time-out is far away.
        while matches!(request.kind, Kind::People { .. }) && gate.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(20));
        }
        Act::Send(due)
    }));
    let site = site(&server);
    let config = site.write_config();
    let agent = Agent::start(site, &config).settled();
    hangs.store(true, Ordering::SeqCst);
    agent.signal("USR1");
    agent.until("a pass runs", |agent| agent.status()["daemon"]["running"]["step"] == "reading the directory");
    let good = fs::read_to_string(agent.config()).unwrap();
    assert_eq!(within(&agent, SOON, &["reload"]).expect("an answer").code, 0);
    fs::write(agent.config(), good.replace("[limits]", "[limit]")).unwrap();
    assert_eq!(within(&agent, SOON, &["reload"]).expect("an answer").code, 78);
    hangs.store(false, Ordering::SeqCst);
    agent.until("the good one is in force", |agent| agent.log().contains("the new configuration is in force"));
    agent.until("its pass has ended", |agent| agent.status()["daemon"]["running"].is_null());
    let status = agent.status();
    assert!(!status["daemon"]["rejected"].is_null(), "the file is bad, and nobody says so: {status:#}");
    ends_soon(agent);
}

#[test]
fn hundreds_of_hangups_and_reloads_at_once_do_no_harm() {
    let agent = serve();
    let reloads: Vec<_> = (0..8).map(|_| agent.command(&["reload"]).stdout(Stdio::null()).spawn().unwrap()).collect();
    for _ in 0..100 {
        agent.signal("HUP");
        agent.signal("USR1");
    }
    for mut reload in reloads {
        assert!(reload.wait().unwrap().success());
    }
    agent.until("it comes to rest", |agent| {
        let status = agent.status();
        status["daemon"]["running"].is_null() && status["state"] == "ok"
    });
    assert!(agent.run(&["sync"]).stdout.contains("in sync"));
    ends_soon(agent);
}

#[test]
fn however_many_wait_for_the_loop_status_and_reload_are_answered() {
    let (agent, _server) = in_a_pass_that_hangs();
    let waiting: Vec<UnixStream> = (0..40)
        .map(|_| ask(&agent.socket(), agent.config(), &json!({"sync": {"audit": false, "user": null}})))
        .collect();
    let mut refused = 0;
    for stream in &waiting {
        stream.set_read_timeout(Some(Duration::from_millis(250))).unwrap();
        let mut said = [0; 512];
        let mut stream = stream;
        if let Ok(1..) = stream.read(&mut said) {
            assert!(String::from_utf8_lossy(&said).contains("too many commands"));
            refused += 1;
        }
    }
    assert_eq!(refused, 8, "32 wait, the others are sent away");
    assert_eq!(within(&agent, SOON, &["status"]).expect("an answer").code, 0);
    assert_eq!(within(&agent, SOON, &["reload"]).expect("an answer").code, 0);
    assert_eq!(within(&agent, SOON, &["history"]).expect("an answer").code, 0);
    ends_soon(agent);
}

#[test]
fn who_never_reads_a_long_answer_stands_in_nobodys_way() {
    let everybody: Vec<usize> = (0..2_000).collect();
    let script = Script { people: 2_000, groups: vec![("Pro".to_owned(), everybody)], ..Script::default() };
    let server = FakeLdap::start(script);
    let mut site = site(&server);
    site.tiers.truncate(1);
    let config = site.write_config();
    let agent = Agent::start(site, &config).settled();
    let _deaf: Vec<UnixStream> = (0..8).map(|_| ask(&agent.socket(), agent.config(), &json!("accounts"))).collect();
    assert_eq!(within(&agent, SOON, &["sync"]).expect("an answer").code, 0);
    assert_eq!(within(&agent, SOON, &["status"]).expect("an answer").code, 0);
    ends_soon(agent);
}

#[test]
fn a_look_into_the_directory_for_the_history_ends_with_the_service() {
    let hangs = Arc::new(AtomicBool::new(false));
    let server = hanging(&hangs);
    let site = site(&server);
    let config = site.write_config();
    let agent = Agent::start(site, &config).settled();
    hangs.store(true, Ordering::SeqCst);
    let asked = server.log().len();
    let _history = ask(&agent.socket(), agent.config(), &json!({"history": {"user": "p3", "last": 5}}));
    agent.until("it asks the directory", |_| server.log().len() > asked);
    ends_soon(agent);
}

#[test]
fn a_pipe_in_place_of_a_secret_does_not_keep_it_from_answering_and_ending() {
    let agent = serve();
    assert!(Command::new("mkfifo").arg(agent.home().path("password")).status().unwrap().success());
    let toml = fs::read_to_string(agent.config()).unwrap();
    let directory = "[directory]\nkind = 'ldap'\nurls = ['ldaps://127.0.0.1:1']\nbase_dn = 'DC=x'\nbind_dn = 'CN=x'\n\
                     bind_password_file = 'password'\n\n[[tier]]";
    let tier = toml.find("[[tier]]").unwrap();
    fs::write(agent.config(), format!("{directory}{}", &toml[tier + "[[tier]]".len()..])).unwrap();
    agent.signal("HUP");
    agent.until("it is refused", |agent| agent.log().contains("is not a regular file"));
    ends_soon(agent);
}

#[test]
fn a_configuration_that_became_something_else_is_refused_in_words() {
    let agent = serve();
    let good = fs::read(agent.config()).unwrap();
    fs::remove_file(agent.config()).unwrap();
    agent.signal("HUP");
    agent.until("a file that is gone is refused", |agent| agent.log().contains("cannot read"));
    fs::create_dir(agent.config()).unwrap();
    agent.signal("HUP");
    agent.until("a folder is refused", |agent| agent.log().contains("not a regular file"));
    fs::remove_dir(agent.config()).unwrap();
    fs::write(agent.config(), good).unwrap();
    assert_eq!(agent.run(&["reload"]).code, 0);
    agent.until("it is well", |agent| agent.status()["state"] == "ok");
    ends_soon(agent);
}

#[test]
fn a_log_that_nobody_reads_any_more_does_not_end_it() {
    let (company, config) = company();
    let mut child = Command::new(env!("CARGO_BIN_EXE_seatsync"))
        .arg("run")
        .env("SEATSYNC_CONFIG", &config)
        .env_remove("NOTIFY_SOCKET")
        .env_remove("JOURNAL_STREAM")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while company.run(&["status"]).code != 0 || !company.path("control.sock").exists() {
        assert!(began.elapsed() < SOON + SOON);
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(child.stderr.take());
    for signal in ["USR1", "USR2", "HUP"] {
        kill(child.id(), signal);
    }
    for _ in 0..3 {
        let ran = company.run(&["sync"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(child.try_wait().unwrap(), None, "it has ended");
        let status: Value = serde_json::from_str(&company.run(&["status", "--json"]).stdout).unwrap();
        assert_eq!(status["daemon"]["pid"], child.id(), "it answers");
    }
    kill(child.id(), "TERM");
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > SOON {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_link_to_the_configuration_may_be_turned_to_another_version() {
    let (company, config) = company();
    let version = |name: &str| company.path(name);
    fs::rename(&config, version("one.toml")).unwrap();
    fs::copy(version("one.toml"), version("two.toml")).unwrap();
    std::os::unix::fs::symlink("one.toml", &config).unwrap();
    let agent = Agent::start(company, &config).settled();
    fs::remove_file(&config).unwrap();
    std::os::unix::fs::symlink("two.toml", &config).unwrap();
    let reload = agent.run(&["reload"]);
    assert_eq!(reload.code, 0, "{}", reload.stderr);
    assert_eq!(agent.status()["daemon"]["pid"], agent.pid());
    ends_soon(agent);
}

#[test]
fn what_is_at_the_place_of_the_socket_and_lives_is_left_alone() {
    let (company, _) = company();
    let other = UnixDatagram::bind(company.path("control.sock")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_seatsync"))
        .args(["run", "-c"])
        .arg(company.path("quickstart.toml"))
        .env_remove("NOTIFY_SOCKET")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() && began.elapsed() < SOON {
        std::thread::sleep(Duration::from_millis(20));
    }
    // Ended already, as it should be.
    _ = child.kill();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("there is a socket already"), "{told}");
    UnixDatagram::unbound().unwrap().send_to(b"still there", company.path("control.sock")).unwrap();
    let mut said = [0; 16];
    assert_eq!(other.recv(&mut said).unwrap(), "still there".len());
}

#[test]
fn the_longest_path_of_a_socket_works_and_one_byte_more_is_told() {
    let (company, config) = company();
    let toml = fs::read_to_string(&config).unwrap();
    let folder = company.path("");
    let room = 107 - folder.as_os_str().len();
    let named = |length: usize| toml.replace("control.sock", &"s".repeat(length));
    fs::write(&config, named(room + 1)).unwrap();
    let ran = company.run(&["run"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("107") && ran.stderr.contains("108"), "{}", ran.stderr);
    fs::write(&config, named(room)).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_seatsync"))
        .arg("run")
        .env("SEATSYNC_CONFIG", &config)
        .env_remove("NOTIFY_SOCKET")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let socket = company.path(&"s".repeat(room));
    let began = Instant::now();
    while !socket.exists() && child.try_wait().unwrap().is_none() && began.elapsed() < SOON {
        std::thread::sleep(Duration::from_millis(20));
    }
    let answers = company.run(&["status", "--json"]).stdout.contains("\"pid\"");
    _ = child.kill();
    child.wait().unwrap();
    assert!(answers);
}

#[test]
fn a_service_that_is_frozen_is_told_and_not_waited_for_for_ever() {
    let agent = serve();
    kill(agent.pid(), "STOP");
    let said = within(&agent, SOON * 6, &["status"]);
    kill(agent.pid(), "CONT");
    let said = said.expect("an end");
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("no answer"), "{}", said.stderr);
    ends_soon(agent);
}

#[test]
fn whoever_waits_when_the_service_stops_is_told() {
    let (agent, _server) = in_a_pass_that_hangs();
    let mut commands: Vec<_> = ["sync", "plan", "accounts"]
        .iter()
        .map(|name| {
            let arguments: &[&str] = if *name == "accounts" { &["accounts", "list"] } else { &[name] };
            agent.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    agent.until("all of them wait", |agent| {
        ["ask=Sync", "ask=Plan", "ask=Accounts"].iter().all(|ask| agent.log().contains(ask))
    });
    ends_soon(agent);
    for command in commands.drain(..) {
        let output = command.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("the service stops"), "{told}");
    }
}

#[test]
fn the_schedule_goes_on_while_somebody_asks_without_a_pause() {
    let server = FakeLdap::start(Script::twisted(|request: &Request, due| {
        if matches!(request.kind, Kind::People { .. }) {
            std::thread::sleep(Duration::from_millis(100));
        }
        Act::Send(due)
    }));
    let mut site = site(&server);
    site.more = "[schedule]\nsync = 'every 1s'\njitter = '0s'\n".to_owned();
    let config = site.write_config();
    let agent = Agent::start(site, &config).settled();
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let plan = json!({"plan": {"audit": false, "user": null}});
                while !ends.load(Ordering::SeqCst) {
                    _ = ask(&agent.socket(), agent.config(), &plan).read_to_end(&mut Vec::new());
                }
            });
        }
        // Only looked at, so that a failure is told after the askers have been told to end.
        let mut seen = std::collections::BTreeSet::new();
        let began = Instant::now();
        while seen.len() < 6 && began.elapsed() < SOON * 2 {
            seen.insert(agent.status()["last_pass"]["id"].to_string());
            std::thread::sleep(Duration::from_millis(50));
        }
        ends.store(true, Ordering::SeqCst);
        assert!(seen.len() >= 6, "{} passes in {:?}", seen.len(), began.elapsed());
    });
    ends_soon(agent);
}
