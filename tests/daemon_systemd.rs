//! What the service tells systemd (sd_notify(3)), heard at a socket of the test's: ready, reloading, stopping, one human
//! line, and signs of life for as long as it gets on. And how it ends in the middle of work.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agent;
mod chain;
mod fake_ldap;
mod proxy;
mod python;
mod seatstore;
mod site;

use agent::Agent;
use chain::{Chain, Wanted};
use fake_ldap::{Act, BASE, BIND_DN, FakeLdap, Kind, PASSWORD, Request, Script};
use proxy::Fault;
use site::{Directory, Site};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What `WatchdogSec=` would be.
const WATCHDOG: Duration = Duration::from_secs(2);
/// How soon a service ends that does nothing which must be finished, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// systemd, as far as a service can tell.
struct Systemd {
    _folder: TempDir,
    path: String,
    heard: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Systemd {
    fn start() -> Self {
        Self::watching(|_| {})
    }

    /// The same, with a look at things at the very moment at which something is heard.
    fn watching(look: impl Fn(&str) + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let keeps = heard.clone();
        // Ends with the process of this test.
        std::thread::spawn(move || {
            let mut bytes = vec![0; 64 * 1024];
            while let Ok(length) = socket.recv(&mut bytes) {
                let message = String::from_utf8(bytes[..length].to_vec()).expect("UTF-8");
                for line in message.lines() {
                    look(line);
                    keeps.lock().unwrap().push((Instant::now(), line.to_owned()));
                }
            }
        });
        Self { path: path.to_str().unwrap().to_owned(), _folder: folder, heard }
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        vec![("NOTIFY_SOCKET", &self.path)]
    }

    fn lines(&self) -> Vec<String> {
        self.heard.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }

    /// The lines that say where the service is, without its signs of life and its status.
    fn turns(&self) -> Vec<String> {
        let turns = ["READY=1", "RELOADING=1", "STOPPING=1"];
        self.lines().into_iter().filter(|line| turns.contains(&line.as_str())).collect()
    }

    fn statuses(&self) -> Vec<String> {
        self.lines().iter().filter_map(|line| line.strip_prefix("STATUS=").map(str::to_owned)).collect()
    }

    /// When signs of life came, from then on.
    fn beats(&self, since: Instant) -> Vec<Instant> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|(at, line)| *at >= since && line == "WATCHDOG=1").map(|(at, _)| *at).collect()
    }
}

fn site(server: &FakeLdap, more: &str) -> Site {
    let directory = Directory {
        urls: vec![server.url.clone()],
        base_dn: BASE.to_owned(),
        bind_dn: BIND_DN.to_owned(),
        password: PASSWORD.to_owned(),
        ca_file: None,
        more: format!("allow_cleartext = true\npage_size = 100\n{more}"),
    };
    let mut site = Site::new(directory, &["Pro"], &["Plus"]);
    site.rules = String::new();
    site
}

fn serve(systemd: &Systemd, site: Site, watchdog: bool) -> Agent<Site> {
    let config = site.write_config();
    let mut environment = systemd.environment();
    let interval = WATCHDOG.as_micros().to_string();
    if watchdog {
        environment.push(("WATCHDOG_USEC", &interval));
    }
    Agent::start_with(site, &config, &environment)
}

#[track_caller]
fn ends_soon<H>(mut agent: Agent<H>) {
    let began = Instant::now();
    agent.signal("TERM");
    assert_eq!(agent.wait().code(), Some(0), "{}", agent.log());
    assert!(began.elapsed() < SOON, "it took {:?}\n{}", began.elapsed(), agent.log());
}

/// Status lines are for people: each is one short line that differs from the one before and names nobody.
#[track_caller]
fn assert_human(statuses: &[String]) {
    for pair in statuses.windows(2) {
        assert_ne!(pair[0], pair[1]);
    }
    for line in statuses {
        assert!(!line.trim().is_empty() && line.chars().count() <= 200, "{line}");
        assert!(!line.contains('@') && !line.contains(PASSWORD), "an address or a secret: {line}");
    }
}

#[test]
fn ready_comes_when_commands_are_answered_and_stopping_when_it_ends() {
    let server = FakeLdap::start(Script::default());
    let site = site(&server, "");
    let socket = Path::new(&site.file("control.sock")).to_owned();
    let answered = Arc::new(AtomicUsize::new(0));
    let counts = answered.clone();
    let systemd = Systemd::watching(move |line| {
        if line == "READY=1" && UnixStream::connect(&socket).is_ok() {
            counts.fetch_add(1, Ordering::SeqCst);
        }
    });
    let agent = serve(&systemd, site, false).settled();
    agent.until("it is ready", |_| systemd.turns() == ["READY=1"]);
    assert_eq!(answered.load(Ordering::SeqCst), 1, "at that moment the socket listens");
    agent.until("it says how it is", |_| {
        systemd.statuses().last().is_some_and(|line| line.starts_with("10 people, 6 to be seated; last pass "))
    });
    let (status, log, _) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(systemd.turns(), ["READY=1", "STOPPING=1"]);
    assert_human(&systemd.statuses());
    assert!(systemd.beats(Instant::now() - Duration::from_secs(3600)).is_empty(), "nobody asked for signs of life");
}

#[test]
fn a_directory_that_is_away_keeps_nobody_from_starting() {
    let server = FakeLdap::start(Script::default());
    let mut site = site(&server, "");
    drop(server);
    site.directory.urls = vec!["ldap://127.0.0.1:1".to_owned()];
    let systemd = Systemd::start();
    let agent = serve(&systemd, site, false);
    agent.until("it is ready", |_| systemd.turns() == ["READY=1"]);
    agent.until("it says what is wrong", |_| systemd.statuses().iter().any(|line| line.starts_with("degraded since")));
    // And back: the line follows.
    let server = FakeLdap::start(Script::default());
    let config = fs::read_to_string(agent.config()).unwrap();
    fs::write(agent.config(), config.replace("ldap://127.0.0.1:1", &server.url)).unwrap();
    assert_eq!(agent.run(&["reload"]).code, 0);
    agent
        .until("it says that it is well", |_| systemd.statuses().last().is_some_and(|line| line.contains("last pass")));
    assert_human(&systemd.statuses());
    ends_soon(agent);
}

#[test]
fn a_directory_that_refuses_us_is_no_address_in_the_status() {
    let server = FakeLdap::start(Script::default());
    let mut site = site(&server, "");
    site.directory.password = "wrong".to_owned();
    let systemd = Systemd::start();
    let agent = serve(&systemd, site, false);
    agent.until("it says what is wrong", |_| systemd.statuses().iter().any(|line| line.starts_with("failing since")));
    assert_eq!(systemd.turns(), ["READY=1"]);
    assert_human(&systemd.statuses());
    ends_soon(agent);
}

#[test]
fn reloads_good_and_bad_are_told_from_begin_to_end() {
    let server = FakeLdap::start(Script::default());
    let systemd = Systemd::start();
    let agent = serve(&systemd, site(&server, ""), false).settled();
    let good = fs::read_to_string(agent.config()).unwrap();
    let mut expected = vec!["READY=1"];
    let mut reloaded = |agent: &Agent<Site>| {
        expected.extend(["RELOADING=1", "READY=1"]);
        agent.until("reloading and ready", |_| systemd.turns() == expected);
    };
    agent.signal("HUP");
    reloaded(&agent);
    assert_eq!(agent.run(&["reload"]).code, 0);
    reloaded(&agent);
    fs::write(agent.config(), good.replace("[limits]", "[limit]")).unwrap();
    assert_eq!(agent.run(&["reload"]).code, 78);
    reloaded(&agent);
    let refused = |line: &String| line.starts_with("the new configuration was refused; ");
    agent.until("the line says so", |_| systemd.statuses().last().is_some_and(refused));
    agent.signal("HUP");
    reloaded(&agent);
    fs::write(agent.config(), good).unwrap();
    assert_eq!(agent.run(&["reload"]).code, 0);
    reloaded(&agent);
    agent.until("the line says it no more", |_| systemd.statuses().last().is_some_and(|line| !refused(line)));
    // Newer systemd wants to know since when.
    let lines = systemd.lines();
    for (at, _) in lines.iter().enumerate().filter(|(_, line)| *line == "RELOADING=1") {
        assert!(lines[at + 1].starts_with("MONOTONIC_USEC="), "{lines:#?}");
    }
    assert_human(&systemd.statuses());
    ends_soon(agent);
}

/// The longest time without a sign of life from `since` until `until`.
fn longest_silence(systemd: &Systemd, since: Instant, until: Instant) -> Duration {
    let beats = systemd.beats(since).into_iter().filter(|at| *at < until);
    let moments: Vec<Instant> = std::iter::once(since).chain(beats).chain([until]).collect();
    moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
}

#[test]
fn signs_of_life_go_on_while_idle_and_while_slow_and_end_while_a_pass_hangs() {
    // More than a quarter of the interval, less than half of it.
    const PAUSE: Duration = Duration::from_millis(800);
    let (slow, hangs) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (is_slow, does_hang) = (slow.clone(), hangs.clone());
    let script = Script { people: 1_000, ..Script::default() };
    let twist = move |request: &Request, due| match request.kind {
        Kind::People { .. } if does_hang.load(Ordering::SeqCst) => Act::Hang,
        Kind::People { .. } if is_slow.load(Ordering::SeqCst) => {
            std::thread::sleep(PAUSE);
            Act::Send(due)
        }
        _ => Act::Send(due),
    };
    let server = FakeLdap::start(Script { twist: Some(Arc::new(twist)), ..script });
    let systemd = Systemd::start();
    let site = site(&server, "timeout = '10m'\n");
    let agent = serve(&systemd, site, true).settled();
    assert!(
        agent.log().contains("longer than") || agent.log().contains("sign of life"),
        "a time-out that long is told"
    );

    // Idle.
    let began = Instant::now();
    agent.until("three intervals pass", |_| began.elapsed() > WATCHDOG * 3);
    let silence = longest_silence(&systemd, began, Instant::now());
    assert!(silence < WATCHDOG, "silent for {silence:?} while idle");

    // Slow: ten pages, four intervals.
    slow.store(true, Ordering::SeqCst);
    let before = agent.status()["last_pass"]["id"].clone();
    let began = Instant::now();
    agent.signal("USR1");
    agent.until("the slow pass has ended", |agent| agent.status()["last_pass"]["id"] != before);
    assert!(began.elapsed() > WATCHDOG * 3, "it was slow");
    let silence = longest_silence(&systemd, began, Instant::now());
    assert!(silence < WATCHDOG, "silent for {silence:?} in a slow pass");

    // Hanging: systemd would end it, and does not hear anything for more than the interval.
    hangs.store(true, Ordering::SeqCst);
    agent.signal("USR1");
    agent.until("the pass hangs", |agent| agent.status()["daemon"]["running"]["step"] == "reading the directory");
    let hung = Instant::now();
    agent.until("time passes", |_| hung.elapsed() > WATCHDOG * 3);
    let settled = hung + WATCHDOG;
    assert_eq!(systemd.beats(settled), Vec::<Instant>::new(), "signs of life of a pass that hangs");
    assert_eq!(agent.run(&["status"]).code, 0, "though the rest of it answers");

    // It is ended in the middle of reading, and leaves nothing half done.
    ends_soon(agent);
    assert_eq!(systemd.turns(), ["READY=1", "STOPPING=1"]);
    assert_human(&systemd.statuses());
}

/// So many that a pass has several batches.
const PEOPLE: usize = 2_500;
/// How long each request that changes something takes.
const DELAY: Duration = Duration::from_millis(1_500);
/// Within which a pass ends that was told to: a batch of slow requests, far from `TimeoutStopSec=90s`.
const STOP_TIME_MAX: Duration = Duration::from_secs(60);

#[test]
fn told_to_stop_in_a_long_pass_it_ends_between_batches_and_the_next_start_does_the_rest() {
    let mut chain = Chain::new("EnterpriseDirectory", PEOPLE);
    chain.want(0..PEOPLE, Wanted::Pro);
    chain.write_directory();
    // The people of each request that went through, by address.
    let made: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let counted = made.clone();
    let count = move |request: &proxy::Request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let mut made = counted.lock().unwrap();
        for address in body.split('"').filter(|text| text.ends_with("@corp.test")) {
            *made.entry(address.to_owned()).or_default() += 1;
        }
    };
    let counting = count.clone();
    chain.proxy.script(move |request| match request.operation.as_str() {
        "BatchCreateUser" => {
            counting(request);
            Fault::Delay(DELAY)
        }
        _ => Fault::None,
    });
    let config = chain.config_path();
    let systemd = Systemd::start();
    let mut agent = Agent::start_with((), &config, &systemd.environment());
    agent.until("it applies", |_| !made.lock().unwrap().is_empty());
    let began = Instant::now();
    agent.signal("TERM");
    assert_eq!(agent.wait().code(), Some(0), "{}", agent.log());
    assert!(began.elapsed() < STOP_TIME_MAX, "it took {:?}", began.elapsed());
    assert_eq!(systemd.turns(), ["READY=1", "STOPPING=1"]);
    let done = made.lock().unwrap().len();
    assert!(0 < done && done < PEOPLE, "{done} of {PEOPLE} were sent");
    assert_eq!(chain.users().len(), done);
    // What was sent is written down.
    let history = |chain: &Chain| chain.seatsync(&["history", "--json", "--last", "100000"]).report["actions"].clone();
    assert_eq!(history(&chain).as_array().unwrap().len(), done);

    chain.proxy.script(move |request| {
        if request.operation == "BatchCreateUser" {
            count(request);
        }
        Fault::None
    });
    let agent = Agent::start_with((), &config, &systemd.environment());
    agent.until("the rest is done", |agent| agent.status()["last_pass"]["counts"]["seated"] == PEOPLE);
    agent.until("nothing is left", |agent| agent.run(&["plan"]).code == 0);
    let made = made.lock().unwrap().clone();
    assert_eq!(made.len(), PEOPLE);
    assert!(made.values().all(|times| *times == 1), "nobody is made twice");
    assert_eq!(chain.users().len(), PEOPLE);
    drop(agent);
    let actions = history(&chain);
    let actions = actions.as_array().unwrap();
    assert_eq!(actions.len(), PEOPLE, "the history is complete, and nothing stands in it twice");
    assert!(actions.iter().all(|action| action["action"] == "create" && action["error"].is_null()));
}
