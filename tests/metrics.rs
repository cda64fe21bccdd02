//! What `/metrics` says, read by programs of Prometheus: `promtool`, and the server itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use seatsync::model::{
    Action, Counts, Exchange, HeldNote, PassId, PassRecord, PassResult, Peer, Timestamp, WarningKind, Went,
};
use seatsync::status::{
    Daemon, Expiry, Live, Metrics, Outage, PHASES, Rejected, Remembered, Running, SeatCount, View, Watched, classic,
    serve,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

/// Nothing here may take longer; what does is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

fn observability(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/observability").join(file)
}

/// A daemon of which everything is to be said.
fn busy() -> Live {
    let now = Timestamp::now();
    let seat = |tier: Option<&str>, status: &str, accounts| SeatCount {
        tier: tier.map(ToOwned::to_owned),
        status: status.to_owned(),
        accounts,
    };
    let ends = |kind: &str, of: &str| Expiry { kind: kind.to_owned(), of: of.to_owned(), at: now };
    Live {
        remembered: Remembered {
            rebuilt: None,
            last_pass: Some(PassRecord {
                id: PassId::new(now, 1),
                at: now,
                took_ms: 1_234,
                result: PassResult::Held,
                reason: None,
                counts: Counts { people: 1_200, seated: 900, changes: 12, held: 12, failed: 0 },
            }),
            last_good: Some(now),
            held: Some(HeldNote { hash: "3f9c0a51b2d47e88".to_owned(), losses: 12, gains: 3, since: now }),
            held_expires: Some(now),
            approved: None,
            seats: vec![seat(None, "invited", 2), seat(Some("p\"ro\\ \n"), "active", 300)],
        },
        daemon: Some(Daemon {
            version: "0.1.0".to_owned(),
            pid: 1,
            config: "/etc/seatsync/seatsync.toml".into(),
            started: now,
            loaded: now,
            rejected: Some(Rejected { at: now, problems: "all".to_owned() }),
            running: Some(Running { since: now, step: "reading".to_owned() }),
            outage: Some(Outage { since: now, passes: 3, reason: "dc1 is down".to_owned(), passes_by: true }),
            next_sync: Some(now),
            next_audit: Some(now),
            overdue_at: Some(now),
            directory_read: Some(now),
            warnings: BTreeMap::from([(WarningKind::NoEmail.to_string(), 7)]),
            expiries: vec![ends("certificate", "ldaps://dc1.corp.example"), ends("secret", "svc@corp.example")],
            watched: Some(Watched::Since { by: "ldaps://dc1.corp.example".to_owned(), since: now }),
        }),
    }
}

/// Everything has happened once.
fn counted() -> Metrics {
    let metrics = Metrics::new();
    for result in [PassResult::InSync, PassResult::Applied, PassResult::Held, PassResult::Partial, PassResult::Failed] {
        metrics.pass(result);
    }
    metrics.directory_change();
    PHASES.into_iter().for_each(|phase| metrics.phase(phase, Duration::from_millis(1_500)));
    for so in [true, false] {
        Action::ALL.into_iter().for_each(|action| metrics.change(action, so));
        ["webhook", "email"].into_iter().for_each(|channel| metrics.notification(channel, so));
    }
    for (peer, operation) in [(Peer::Directory, "search"), (Peer::AccountStore, "BatchUpdateUser")] {
        for went in [Went::Answered, Went::Refused, Went::Unanswered] {
            metrics.exchange(&Exchange { peer, operation, took: Duration::from_millis(20), went });
        }
    }
    metrics
}

fn openmetrics() -> String {
    counted().text(&busy(), Timestamp::now())
}

/// `promtool` of Debian's package `prometheus`, which `tests/run` installs.
fn promtool(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is there: apt-get install prometheus");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn promtool_has_nothing_to_say() {
    // It reads the older format only, and knows an OpenMetrics counter by no name: see the next test for that format.
    let output = promtool(&["check", "metrics"], &classic(&openmetrics()));
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), ""));
    // It does speak where something is wrong.
    let output = promtool(&["check", "metrics"], "# TYPE a_minutes counter\na_minutes 1\n");
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
}

#[test]
fn the_openmetrics_parser_of_prometheus_takes_every_series() {
    // The only door of promtool to that parser wants a time behind each sample.
    let text: String = openmetrics()
        .lines()
        .map(|line| if line.starts_with('#') { format!("{line}\n") } else { format!("{line} 1700000000\n") })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let (file, blocks) = (folder.path().join("metrics"), folder.path().join("blocks"));
    let arguments = ["tsdb", "create-blocks-from", "openmetrics", file.to_str().unwrap(), blocks.to_str().unwrap()];
    fs::write(&file, &text).unwrap();
    let output = promtool(&arguments, "");
    assert!(output.status.success(), "{}", said(&output));
    let samples = text.lines().filter(|line| !line.starts_with('#')).count();
    let listed = said(&promtool(&["tsdb", "list", blocks.to_str().unwrap()], ""));
    let row: Vec<&str> = listed.lines().nth(1).expect("one block").split_whitespace().collect();
    assert_eq!(row[4], samples.to_string(), "samples in: {listed}");
    // It does refuse where something is wrong: here, the mark of the end.
    fs::write(&file, text.replace("# EOF\n", "")).unwrap();
    assert!(!promtool(&arguments, "").status.success());
}

#[test]
fn the_alert_rules_are_sound_and_fire_when_they_should() {
    let (rules, tests) = (observability("seatsync.rules.yml"), observability("seatsync.rules.test.yml"));
    let output = promtool(&["check", "rules", rules.to_str().unwrap()], "");
    assert!(output.status.success() && said(&output).contains("SUCCESS"), "{}", said(&output));
    let output = promtool(&["test", "rules", tests.to_str().unwrap()], "");
    assert!(output.status.success() && said(&output).contains("SUCCESS"), "{}", said(&output));
    // Each alert is seen firing by its test.
    let names = |file: &Path, before: &str| -> BTreeSet<String> {
        let text = fs::read_to_string(file).unwrap();
        let name = |rest: &str| rest.chars().take_while(char::is_ascii_alphabetic).collect();
        text.split(before).skip(1).map(name).collect()
    };
    let (alerts, tested) = (names(&rules, "- alert: "), names(&tests, "'{alertname=\""));
    assert!(alerts.len() >= 10, "{alerts:?}");
    assert_eq!(alerts, tested);
}

#[test]
fn rules_and_dashboard_name_only_what_there_is() {
    let exposed: BTreeSet<String> = openmetrics()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap().to_owned())
        .collect();
    for file in ["seatsync.rules.yml", "seatsync.rules.test.yml", "grafana-dashboard.json"] {
        let text = fs::read_to_string(observability(file)).unwrap();
        let named = metric_names(&text);
        assert!(named.len() > 5, "{file} names only {named:?}");
        let unknown: Vec<&String> = named.difference(&exposed).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}, which nobody exposes");
    }
}

/// Words that begin as our metrics do, wherever they stand.
fn metric_names(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("seatsync_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_dashboard_is_one_that_grafana_can_import() {
    let text = fs::read_to_string(observability("grafana-dashboard.json")).unwrap();
    let board: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(board["id"].is_null() && board["uid"] == "seatsync" && board["schemaVersion"].is_number());
    let panels = board["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has its number");
    let mut taken = BTreeSet::new();
    for panel in panels {
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{panel}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "two panels at {x}, {y}: {}", panel["title"]);
            }
        }
        for target in panel["targets"].as_array().unwrap() {
            // With what Grafana puts in place of its variables.
            let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m").replace("$instance", ".*");
            let rule = format!("groups: [{{name: a, rules: [{{record: a, expr: {query:?}}}]}}]");
            let output = promtool(&["check", "rules", "/dev/stdin"], &rule);
            assert!(output.status.success(), "{query}: {}", said(&output));
        }
    }
}

/// A child that is ended when the test is.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_prometheus_server_scrapes_it_with_the_rules() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let agent = listener.local_addr().unwrap();
    let (_live, seen) = watch::channel(busy());
    let view = View { live: seen, metrics: counted(), now: Timestamp::now };
    let (stop, stopping) = oneshot::channel::<()>();
    let serving = tokio::spawn(serve(listener, view, async move { drop(stopping.await) }));

    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("prometheus.yml");
    let rules = observability("seatsync.rules.yml");
    let text = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{rules:?}]\n\
         scrape_configs: [{{job_name: seatsync, static_configs: [{{targets: ['{agent}']}}]}}]\n"
    );
    fs::write(&config, text).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address={port}"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("prometheus is there: apt-get install prometheus");
    let _child = Ended(child);

    let ask = async |path: &str| -> Option<serde_json::Value> {
        let answer = reqwest::get(format!("http://{port}/api/v1/{path}")).await.ok()?;
        answer.json().await.ok()
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        let up = ask("query?query=seatsync_build_info").await.unwrap_or_default();
        if up["data"]["result"][0]["metric"]["version"] == "0.1.0" {
            break;
        }
        let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        assert!(Instant::now() < deadline, "never scraped: {up}\n{log}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let targets = ask("targets").await.unwrap();
    assert_eq!(targets["data"]["activeTargets"][0]["health"], "up", "{targets}");
    assert_eq!(targets["data"]["activeTargets"][0]["lastError"], "", "{targets}");
    let tier = ask("query?query=seatsync_seats%7Bstatus%3D%22active%22%7D").await.unwrap();
    assert_eq!(tier["data"]["result"][0]["metric"]["tier"], "p\"ro\\ \n", "{tier}");
    stop.send(()).unwrap();
    tokio::time::timeout(PATIENCE, serving).await.expect("it stops").unwrap();
}
