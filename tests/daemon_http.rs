//! The status listener of a running service: what monitors, Prometheus and people are told while it works, while it
//! cannot, and while it hangs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ad;
mod agent;
mod company;
mod fake_ldap;
mod loopback;
mod monitor;
mod proxy;
mod seatstore;
mod site;

use ad::Ad;
use agent::Agent;
use company::Company;
use fake_ldap::{Act, BASE, BIND_DN, FakeLdap, Kind, PASSWORD, Script, Tls};
use jiff::tz::TimeZone;
use monitor::{Monitor, series};
use proxy::{Fault, Proxy, first};
use rcgen::{CertificateParams, KeyPair};
use seatstore::Server;
use seatsync::accounts::chime::Operation;
use seatsync::model::{Timestamp, WarningKind};
use serde_json::{Value, json};
use site::{Directory, Site};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Passes come by themselves, and are missed at once.
const BUSY: &str = "[schedule]\nsync = 'every 1s'\njitter = '0s'\n";
/// Passes come only when they are asked for.
const IDLE: &str = "[schedule]\nsync = 'every 1h'\njitter = '0s'\n";
/// Of each phase the first pass has one; an audit it has not.
const PHASES: [&str; 6] = ["all", "remember", "recover", "read", "decide", "apply"];

/// The example company with these sections more, and a status listener.
fn company(more: &str) -> Company {
    let company = Company::new();
    let toml = fs::read_to_string(company.path("quickstart.toml")).unwrap();
    fs::write(company.path("quickstart.toml"), format!("{toml}\nlisten = '127.0.0.1:0'\n{more}")).unwrap();
    company
}

fn serve(company: Company) -> (Agent<Company>, Monitor) {
    let config = company.path("quickstart.toml");
    let agent = Agent::start(company, &config);
    let monitor = Monitor::of(&agent);
    (agent, monitor)
}

fn serve_settled(more: &str) -> (Agent<Company>, Monitor) {
    let (agent, monitor) = serve(company(more));
    (agent.settled(), monitor)
}

#[test]
fn it_is_alive_before_it_is_ready() {
    let company = company(IDLE);
    company.directory_is_there(false);
    let (agent, monitor) = serve(company);
    agent.until("the first pass has failed", |agent| !agent.status()["daemon"]["outage"].is_null());
    let (is_ready, why) = monitor.readiness();
    assert!(!is_ready && why.contains("no good pass since the start") && why.contains("quickstart.ldif"), "{why}");
    assert_eq!(monitor.health(), (true, "ok\n".to_owned()), "nobody is called for one failed pass");
    agent.home().directory_is_there(true);
    agent.signal("USR1");
    agent.until("it is ready", |_| monitor.readiness() == (true, "ready\n".to_owned()));
    assert_eq!(monitor.health(), (true, "ok\n".to_owned()));
}

#[test]
fn over_http_is_told_what_the_command_tells_but_no_address() {
    let (agent, monitor) = serve_settled(IDLE);
    let command = || agent.run(&["status", "--json"]).stdout;
    assert_eq!(monitor.status(), serde_json::from_str::<Value>(&command()).unwrap());
    agent.home().configure("[rules]\n", "[rules]\nprotected = ['kim@corner.example', 'kim@@corner.example']\n");
    assert_eq!(agent.run(&["reload"]).code, 78);
    let (told, known) = (monitor.status().to_string(), command());
    assert!(known.contains("kim@corner.example") && known.contains("degraded"), "{known}");
    assert!(!told.contains("kim"), "{told}");
    let problems = |text: &str| {
        let mut status: Value = serde_json::from_str(text).unwrap();
        status["daemon"]["rejected"]["problems"].take()
    };
    assert!(problems(&told).as_str().unwrap().contains("…@corner.example"), "{told}");
    let rest = |text: &str| {
        let mut status: Value = serde_json::from_str(text).unwrap();
        status["daemon"]["rejected"]["problems"] = Value::Null;
        status
    };
    assert_eq!(rest(&told), rest(&known), "all else is the same");
    let page = monitor.get("/").body;
    assert!(page.contains("<h1>degraded</h1>") && page.contains("Refused configuration"), "{page}");
    assert!(!page.contains("kim"), "{page}");
}

#[test]
fn what_happens_is_counted_and_what_is_so_is_shown() {
    let (agent, monitor) = serve_settled(IDLE);
    let first = monitor.metrics();
    let counts = agent.status()["last_pass"]["counts"].clone();
    assert!(counts["people"].as_f64().unwrap() > 20.0);
    assert_eq!(json!(first.of("people")), json!(counts["people"].as_f64()));
    assert_eq!(json!(first.of("people_seated")), json!(counts["seated"].as_f64()));
    assert_eq!(first.of("passes_total{result=\"applied\"}"), 1.0);
    for phase in PHASES {
        let series = format!("pass_duration_seconds_count{{phase=\"{phase}\"}}");
        assert_eq!(first.of(&series), 1.0, "{phase}");
    }
    let accounts: Value = serde_json::from_str(&agent.run(&["accounts", "list", "--json"]).stdout).unwrap();
    let accounts = accounts["users"].as_array().unwrap();
    assert_eq!(first.of("changes_total{action=\"create\",outcome=\"done\"}"), accounts.len() as f64);
    let mut seats: BTreeMap<String, f64> = BTreeMap::new();
    for account in accounts {
        let (tier, status) = (account["tier"].as_str().unwrap(), account["status"].as_str().unwrap());
        *seats.entry(format!("seats{{tier=\"{tier}\",status=\"{status}\"}}")).or_default() += 1.0;
    }
    for (series, count) in seats {
        assert_eq!(first.of(&series), count, "{series}");
    }
    let plan: Value = serde_json::from_str(&agent.run(&["plan", "--json"]).stdout).unwrap();
    let warnings: Vec<&str> =
        plan["warnings"].as_array().unwrap().iter().map(|warning| warning["kind"].as_str().unwrap()).collect();
    assert!(!warnings.is_empty());
    for kind in WarningKind::ALL.map(|kind| kind.to_string()) {
        let count = warnings.iter().filter(|each| **each == kind).count();
        assert_eq!(first.of(&format!("warnings{{kind=\"{kind}\"}}")), count as f64, "{kind}");
    }
    assert_eq!((first.of("state{state=\"ok\"}"), first.of("outage"), first.of("config_rejected")), (1.0, 0.0, 0.0));
    assert_eq!(first.find("running_since_timestamp_seconds"), None);

    // A pass in sync, then one with a change.
    assert_eq!(agent.run(&["sync"]).code, 0);
    agent.home().edit("member: CN=Emil Sand,OU=People,DC=corner,DC=example\n", "");
    assert_eq!(agent.run(&["sync"]).code, 0);
    let then = monitor.metrics();
    assert_eq!(then.of("passes_total{result=\"in_sync\"}"), 1.0);
    assert_eq!(then.of("passes_total{result=\"applied\"}"), 2.0);
    assert_eq!(then.of("changes_total{action=\"suspend\",outcome=\"done\"}"), 1.0);
    assert_eq!(then.of("pass_duration_seconds_count{phase=\"all\"}"), 3.0);
    assert_eq!(then.of("seats{tier=\"plus\",status=\"suspended\"}"), 1.0);
    assert!(then.of("last_success_timestamp_seconds") > first.of("last_success_timestamp_seconds"));

    // Nobody of a group is left: those losses wait.
    let whole = agent.home().empty_a_group();
    assert_eq!(agent.run(&["sync"]).code, 4);
    let held = monitor.metrics();
    let losses = agent.status()["held"]["losses"].as_f64().unwrap();
    assert!(losses > 5.0);
    assert_eq!(held.of("held{kind=\"loss\"}"), losses);
    assert_eq!((held.of("passes_total{result=\"held\"}"), held.of("state{state=\"held\"}")), (1.0, 1.0));
    assert_eq!(held.of("warnings{kind=\"group_empty\"}"), 1.0);
    assert!(held.of("held_expires_timestamp_seconds") > held.of("held_since_timestamp_seconds"));
    fs::write(agent.home().path("quickstart.ldif"), whole).unwrap();
    assert_eq!(agent.run(&["sync"]).code, 0);
    let mended = monitor.metrics();
    assert_eq!((mended.of("held{kind=\"loss\"}"), mended.find("held_since_timestamp_seconds")), (0.0, None));

    // The directory is away, then back.
    agent.home().directory_is_there(false);
    assert_eq!(agent.run(&["sync"]).code, 1);
    let away = monitor.metrics();
    assert_eq!((away.of("outage"), away.of("state{state=\"ok\"}")), (1.0, 0.0));
    assert!(away.of("outage_passes") >= 1.0 && away.of("passes_total{result=\"failed\"}") >= 1.0);
    assert_eq!(away.find("people"), None, "a pass that failed has counted nobody");
    assert_eq!(away.of("last_success_timestamp_seconds"), mended.of("last_success_timestamp_seconds"));
    agent.home().directory_is_there(true);
    assert_eq!(agent.run(&["sync"]).code, 0);
    let back = monitor.metrics();
    assert_eq!((back.of("outage"), back.of("outage_passes"), back.of("state{state=\"ok\"}")), (0.0, 0.0, 1.0));

    // A configuration that is refused, then one that is not.
    agent.home().configure("[[tier]]", "[[teir]]");
    assert_eq!(agent.run(&["reload"]).code, 78);
    assert_eq!(monitor.metrics().of("config_rejected"), 1.0);
    agent.home().configure("[[teir]]", "[[tier]]");
    assert_eq!(agent.run(&["reload"]).code, 0);
    let reloaded = monitor.metrics();
    assert_eq!(reloaded.of("config_rejected"), 0.0);
    assert!(reloaded.of("config_loaded_timestamp_seconds") > first.of("config_loaded_timestamp_seconds"));
}

#[test]
fn both_formats_of_a_service_that_has_worked_say_the_same_and_promtool_agrees() {
    let (agent, monitor) = serve_settled(IDLE);
    agent.home().empty_a_group();
    assert_eq!(agent.run(&["sync"]).code, 4);
    let open = monitor.get("/metrics");
    assert!(open.head.contains("application/openmetrics-text; version=1.0.0"), "{}", open.head);
    assert!(open.body.ends_with("# EOF\n"));
    let classic = monitor.ask("/metrics", "Accept: text/plain\r\n");
    assert!(classic.head.contains("text/plain; version=0.0.4"), "{}", classic.head);
    // What says how long ago something was moves on between the two.
    let still = |text: &str| {
        let mut series = series(text);
        series.remove("seatsync_directory_lag_seconds").unwrap();
        series
    };
    assert_eq!(still(&open.body), still(&classic.body));
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is there: apt-get install prometheus");
    promtool.stdin.take().unwrap().write_all(classic.body.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
}

#[test]
fn three_passes_without_a_good_one_turn_the_light_red_and_a_good_one_green() {
    let (agent, monitor) = serve_settled(BUSY);
    agent.until("all is well", |_| monitor.health().0);
    let before = monitor.metrics().of("last_success_timestamp_seconds");
    agent.until("passes go on by themselves", |_| monitor.metrics().of("last_success_timestamp_seconds") > before);
    agent.home().directory_is_there(false);
    // On the way it may already be red while the service is no more than late.
    agent.until("it is red and says why", |_| {
        let (is_well, why) = monitor.health();
        !is_well && why.contains("three have been due since") && why.contains("quickstart.ldif")
    });
    let metrics = monitor.metrics();
    assert!(metrics.of("overdue_timestamp_seconds") < Timestamp::now().as_duration().as_secs_f64());
    assert!(monitor.get("/").body.contains("quickstart.ldif"));
    agent.home().directory_is_there(true);
    agent.until("it is green again", |_| monitor.health() == (true, "ok\n".to_owned()));
}

#[test]
fn what_is_held_past_its_time_turns_the_light_red_until_it_is_mended() {
    let (agent, monitor) = serve_settled(&format!("{IDLE}[limits]\napproval_expires = '1s'\n"));
    let whole = agent.home().empty_a_group();
    assert_eq!(agent.run(&["sync"]).code, 4);
    let hash = agent.status()["held"]["hash"].as_str().unwrap().to_owned();
    agent.until("it is red", |_| !monitor.health().0);
    let (_, why) = monitor.health();
    assert!(why.contains("nobody has looked in time") && why.contains(&format!("approve {hash}")), "{why}");
    assert_eq!(monitor.readiness(), (true, "ready\n".to_owned()), "a pass that holds is a good one");
    fs::write(agent.home().path("quickstart.ldif"), whole).unwrap();
    assert_eq!(agent.run(&["sync"]).code, 0);
    assert_eq!(monitor.health(), (true, "ok\n".to_owned()));
}

/// A server certificate that is its own authority and ends after so many days: its file, and the server's side.
fn certificate(folder: &Path, days: u32) -> (PathBuf, Arc<rustls::ServerConfig>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let end = (Timestamp::now() + DAY * days).to_zoned(TimeZone::UTC).date();
    let (month, day) = (end.month().try_into().unwrap(), end.day().try_into().unwrap());
    params.not_after = rcgen::date_time_ymd(end.year().into(), month, day);
    let certificate = params.self_signed(&key).unwrap();
    let file = folder.join(format!("{days}-days.pem"));
    fs::write(&file, certificate.pem()).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    (file, Arc::new(config))
}

fn directory(server: &FakeLdap, ca_file: Option<PathBuf>) -> Directory {
    // What is counted here is asked by passes alone.
    let more = if ca_file.is_some() { "watch = false\n" } else { "watch = false\nallow_cleartext = true\n" };
    Directory {
        urls: vec![server.url.clone()],
        base_dn: BASE.to_owned(),
        bind_dn: BIND_DN.to_owned(),
        password: PASSWORD.to_owned(),
        ca_file,
        more: more.to_owned(),
    }
}

fn serve_site(directory: Directory) -> (Agent<Site>, Monitor) {
    let mut site = Site::new(directory, &["Pro"], &["Plus"]);
    site.rules = "domains = ['fake.test']\n".to_owned();
    site.more = format!("listen = '127.0.0.1:0'\n{IDLE}");
    let config = site.write_config();
    let agent = Agent::start(site, &config);
    let monitor = Monitor::of(&agent);
    (agent, monitor)
}

#[test]
fn a_certificate_near_its_end_turns_the_light_red_until_the_server_has_another() {
    let folder = tempfile::tempdir().unwrap();
    let secure = |days| {
        let (file, config) = certificate(folder.path(), days);
        (FakeLdap::start(Script { tls: Tls::FromTheStart(config), ..Script::default() }), file)
    };
    let (old, old_file) = secure(10);
    let (agent, monitor) = serve_site(directory(&old, Some(old_file)));
    let mut agent = agent.settled();
    assert_eq!(agent.status()["state"], "ok");
    let (is_well, why) = monitor.health();
    assert!(!is_well && why.contains(&format!("the certificate of {} ends at", old.url)), "{why}");
    assert!(monitor.readiness().0, "it works for ten days more");
    let metrics = monitor.metrics();
    let left = metrics.of(&format!("expiry_timestamp_seconds{{kind=\"certificate\",of=\"{}\"}}", old.url))
        - Timestamp::now().as_duration().as_secs_f64();
    assert!((DAY * 8).as_secs_f64() < left && left <= (DAY * 10).as_secs_f64(), "{left} s");

    let (new, new_file) = secure(100);
    let site = agent.home.as_mut().unwrap();
    site.directory = directory(&new, Some(new_file));
    site.write_config();
    let reload = agent.run(&["reload"]);
    assert_eq!(reload.code, 0, "{}", reload.stderr);
    agent.until("it is green", |_| monitor.health() == (true, "ok\n".to_owned()));
    assert_eq!(
        monitor.metrics().find(&format!("expiry_timestamp_seconds{{kind=\"certificate\",of=\"{}\"}}", old.url)),
        None,
        "what is gone has no end"
    );
}

#[test]
fn each_question_to_the_directory_is_counted() {
    let server = FakeLdap::start(Script { people: 450, ..Script::default() });
    let (agent, monitor) = serve_site(directory(&server, None));
    let agent = agent.settled();
    let of = |is: fn(&Kind) -> bool| server.log().iter().filter(|asked| is(&asked.kind)).count() as f64;
    let check = || {
        let metrics = monitor.metrics();
        assert_eq!(metrics.exchanges("ldap", "bind"), of(|kind| matches!(kind, Kind::Bind { .. })));
        let searches = of(|kind| !matches!(kind, Kind::Bind { .. } | Kind::Unbind | Kind::StartTls));
        assert_eq!(metrics.exchanges("ldap", "search"), searches);
        searches
    };
    let first = check();
    assert!(first >= 7.0, "five pages of people, groups, the root: {first}");
    assert_eq!(agent.run(&["sync"]).code, 0);
    assert!(check() > first);
}

#[test]
fn each_question_to_a_real_domain_controller_and_a_real_account_store_is_counted() {
    let mut server = Server::new();
    let account = server.account("Corp", "EnterpriseDirectory", &["ad.test"]);
    server.resume();
    let proxy = Proxy::start(server.address());
    // One listing fails, and is made again.
    proxy.script(first("ListUsers", &[Fault::Refuse(503)]));
    let mut ad = Ad::start();
    let mut site = Site::new(ad.directory(), &["App-Pro"], &["App-Plus"]);
    site.accounts_section = Some(server.accounts_section(&proxy.url(), &account));
    site.more = format!("listen = '127.0.0.1:0'\n{IDLE}");
    // Or there would be passes, and questions, that nobody here has asked for.
    site.directory.more = "watch = false\n".to_owned();
    let config = site.write_config();
    let agent = Agent::start(site, &config);
    let monitor = Monitor::of(&agent);
    let agent = agent.settled();
    assert_eq!(agent.status()["state"], "ok");
    // At rest, both have counted the same, by operation.
    let check = || {
        let metrics = monitor.metrics();
        for operation in Operation::ALL.map(Operation::name) {
            assert_eq!(metrics.exchanges("http", operation), proxy.asked(operation) as f64, "{operation}");
        }
        metrics
    };
    let created = check();
    assert_eq!(created.of("http_request_duration_seconds_count{operation=\"ListUsers\",outcome=\"refused\"}"), 1.0);
    assert!(created.exchanges("http", "BatchCreateUser") >= 1.0 && created.exchanges("ldap", "search") >= 3.0);
    ad.disable("bob");
    assert_eq!(agent.run(&["sync"]).code, 0);
    let suspended = check();
    assert_eq!(suspended.exchanges("http", "BatchSuspendUser"), 1.0);
    let of_a_pass = suspended.exchanges("ldap", "search") - created.exchanges("ldap", "search");
    assert!(of_a_pass >= 3.0, "the root, people, groups: {of_a_pass}");
    assert_eq!(agent.run(&["sync"]).code, 0);
    let again = check();
    let whether = again.exchanges("ldap", "search") - suspended.exchanges("ldap", "search");
    assert_eq!(whether, 1.0, "nothing has changed, and that is asked in one question");
    assert_eq!(again.exchanges("http", "BatchSuspendUser"), 1.0, "there was nothing to do");

    ad.stop();
    assert_eq!(agent.run(&["sync"]).code, 1);
    let away = check();
    let unanswered = "ldap_request_duration_seconds_count{operation=\"connect\",outcome=\"unanswered\"}";
    assert!(away.of(unanswered) > again.of(unanswered));
    assert_eq!(away.of("outage"), 1.0);
}

#[test]
fn while_a_pass_hangs_all_is_answered_and_the_service_ends_when_told() {
    let server = FakeLdap::start(Script::twisted(|_, _| Act::Hang));
    let mut directory = directory(&server, None);
    // Longer than anything here waits for anything.
    directory.more.push_str("timeout = '10m'\n");
    let (agent, monitor) = serve_site(directory);
    agent.until("the directory is asked", |_| server.binds() == 1);
    agent.until("a pass runs", |agent| !agent.status()["daemon"]["running"].is_null());
    let since = agent.status()["daemon"]["running"]["since"].clone();
    for _ in 0..3 {
        assert_eq!(monitor.health(), (true, "ok\n".to_owned()), "it is not overdue");
        let (is_ready, why) = monitor.readiness();
        assert!(!is_ready && why.contains("one is running: reading the directory"), "{why}");
        assert_eq!(monitor.status()["daemon"]["running"]["since"], since);
        assert!(monitor.get("/").body.contains("reading the directory"));
        assert!(monitor.metrics().of("running_since_timestamp_seconds") > 0.0);
        assert_eq!(agent.run(&["status"]).code, 0);
    }
    assert_eq!(agent.status()["daemon"]["running"]["since"], since, "and the same pass still hangs");
    let (status, log, _) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}
