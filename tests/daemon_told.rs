//! Whom a running service tells of what: a real receiver of webhooks and a real mail server, through kills and reloads.
//!
//! That something is *not* told is shown without waiting: messages of one channel come in order, so after the silence
//! something else is made to happen, and the next message is of that.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agent;
mod company;
mod monitor;
mod python;
mod smtp;
mod webhook;

use agent::Agent;
use company::Company;
use monitor::Monitor;
use serde_json::{Value, json};
use smtp::SmtpServer;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use webhook::Receiver;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PASSWORD: &str = "battery staple";
/// What keeps others from writing to a webhook.
const PATH: &str = "/hooks/hunter2";
/// Passes come only when they are asked for.
const IDLE: &str = "[schedule]\nsync = 'every 1h'\njitter = '0s'\n";
/// Passes come by themselves.
const BUSY: &str = "[schedule]\nsync = 'every 1s'\njitter = '0s'\n";
/// Nobody listens there: the port is one that only root can take, and nobody does.
const NOBODY: u16 = 9;

/// The two who are told.
struct Told {
    hook: Receiver,
    mail: SmtpServer,
    /// All that was told, as text.
    texts: Vec<String>,
}

impl Told {
    fn start() -> Self {
        let mail = json!({ "username": "seatsync", "password": PASSWORD });
        Self { hook: Receiver::start(&json!({ "secret": SECRET })), mail: SmtpServer::start(&mail), texts: Vec::new() }
    }

    /// The next news, which both must be told of; gives its facts and the text of the mail.
    #[track_caller]
    fn next(&mut self, event: &str, subject: &str) -> (Value, String) {
        let request = self.hook.request();
        assert_eq!((&request["error"], &request["path"]), (&Value::Null, &json!(PATH)), "{request:#}");
        let payload = &request["payload"];
        assert_eq!(payload["event"], event, "{payload:#}");
        assert_eq!(payload["account"], "corner");
        let message = self.mail.message();
        assert_eq!(message["to"], json!(["ops@corp.test"]));
        let headers = message["headers"].as_array().unwrap();
        let line = headers.iter().find(|header| header[0] == "Subject").unwrap()[1].as_str().unwrap();
        assert!(line.contains(subject), "{line}");
        let body = message["body"].as_str().unwrap().to_owned();
        self.texts.extend([payload.to_string(), line.to_owned(), body.clone()]);
        (payload["facts"].clone(), body)
    }
}

/// The example company, which tells a webhook at that port and a mail server at that one.
fn company(hook: u16, mail: u16, more: &str) -> Company {
    let company = Company::new();
    for (name, secret) in [("hook-secret", SECRET), ("mail-password", PASSWORD)] {
        fs::write(company.path(name), secret).unwrap();
        fs::set_permissions(company.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let toml = fs::read_to_string(company.path("quickstart.toml")).unwrap();
    let notify = format!(
        "[notify]\nwebhook = 'http://127.0.0.1:{hook}{PATH}'\nwebhook_secret_file = 'hook-secret'\n\
         email_to = ['ops@corp.test']\nemail_from = 'seatsync@corp.test'\nsmtp = 'smtp://127.0.0.1:{mail}'\n\
         smtp_username = 'seatsync'\nsmtp_password_file = 'mail-password'\n"
    );
    let text = format!("{toml}\nlisten = '127.0.0.1:0'\n{notify}{more}");
    fs::write(company.path("quickstart.toml"), text).unwrap();
    company
}

fn serve(company: Company) -> Agent<Company> {
    let config = company.path("quickstart.toml");
    Agent::start(company, &config)
}

fn serve_told(told: &Told, more: &str) -> Agent<Company> {
    serve(company(told.hook.port(), told.mail.port(), more)).settled()
}

/// A reload that is refused, of a text with an address in it.
#[track_caller]
fn refuse_a_configuration(agent: &Agent<Company>) {
    agent.home().configure("[rules]\n", "[rules]\nprotected = ['kim@@corner.example']\n");
    let reload = agent.run(&["reload"]);
    assert_eq!(reload.code, 78, "{}", reload.stderr);
    assert!(reload.stderr.contains("kim@@corner.example"), "whoever asks is told all: {}", reload.stderr);
}

#[track_caller]
fn accept_a_configuration(agent: &Agent<Company>) {
    agent.home().configure("[rules]\nprotected = ['kim@@corner.example']\n", "[rules]\n");
    let reload = agent.run(&["reload"]);
    assert_eq!(reload.code, 0, "{}", reload.stderr);
}

/// Waits until so many messages have been delivered, or not, on both channels.
fn until_counted(agent: &Agent<Company>, outcome: &str, count: f64) {
    let monitor = Monitor::of(agent);
    let series = ["webhook", "email"]
        .map(|channel| format!("notifications_total{{channel=\"{channel}\",outcome=\"{outcome}\"}}"));
    agent.until(&format!("{count} messages {outcome}"), |_| {
        let metrics = monitor.metrics();
        series.iter().all(|series| metrics.of(series) == count)
    });
}

#[test]
fn held_losses_are_told_once_to_both_however_often_it_is_looked_or_started() {
    let mut told = Told::start();
    let agent = serve_told(&told, IDLE);
    let people: Value = serde_json::from_str(&agent.run(&["accounts", "list", "--json"]).stdout).unwrap();
    agent.home().empty_a_group();
    assert_eq!(agent.run(&["sync"]).code, 4);
    let held = agent.status()["held"].clone();
    let (facts, mail) = told.next("losses_held", "wait for approval");
    for fact in ["hash", "losses", "gains"] {
        assert_eq!(facts[fact], held[fact], "{facts:#}");
    }
    assert!(mail.contains(&format!("approve {}", held["hash"].as_str().unwrap())), "{mail}");
    until_counted(&agent, "sent", 1.0);
    for _ in 0..2 {
        assert_eq!(agent.run(&["sync"]).code, 4);
    }
    let first_log = agent.log();
    let agent = serve(agent.kill()).settled();
    assert_eq!(agent.run(&["sync"]).code, 4);
    assert_eq!(agent.status()["held"]["hash"], held["hash"]);

    // The next they hear of is something else.
    refuse_a_configuration(&agent);
    let (facts, mail) = told.next("configuration_rejected", "a new configuration was refused");
    assert!(facts["problems"].to_string().contains("quickstart.toml"), "{facts:#}");
    assert!(mail.contains("check --offline"), "{mail}");
    // The same text once more is not told again, and no pass changes that.
    agent.signal("HUP");
    agent.until("it is refused again", |agent| agent.log().matches("the new configuration is refused").count() == 2);
    assert_eq!(agent.run(&["sync"]).code, 4);
    accept_a_configuration(&agent);
    told.next("configuration_accepted", "a good configuration is in use again");
    until_counted(&agent, "sent", 2.0);

    let (status, log, _) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    let texts = told.texts.join("\n");
    for secret in [SECRET, PASSWORD, "hunter2"] {
        assert!(!texts.contains(secret), "{texts}");
        assert!(!first_log.contains(secret) && !log.contains(secret), "{first_log}\n{log}");
    }
    assert!(!texts.contains("kim"), "{texts}");
    for person in people["users"].as_array().unwrap() {
        let email = person["email"].as_str().unwrap();
        assert!(!texts.contains(email), "{email} in {texts}");
    }
    assert_eq!(told.hook.rest(), Vec::<Value>::new());
}

#[test]
fn passes_that_fail_are_told_after_three_and_their_end_also_by_another_process() {
    let mut told = Told::start();
    let agent = serve_told(&told, BUSY);
    agent.home().directory_is_there(false);
    let (facts, mail) = told.next("failing", "passes have failed since");
    assert!(facts["passes"].as_u64().unwrap() >= 3, "{facts:#}");
    assert!(facts["reason"].as_str().unwrap().contains("quickstart.ldif"), "{facts:#}");
    assert!(mail.contains("seatsync check"), "{mail}");
    until_counted(&agent, "sent", 1.0);
    let agent = serve(agent.kill());
    agent.until("it fails after the start too", |agent| {
        agent.status()["daemon"]["outage"]["passes"].as_u64().is_some_and(|passes| passes >= 4)
    });
    agent.home().directory_is_there(true);
    let (since, _) = told.next("recovered", "passes succeed again");
    assert_eq!(since["since"], facts["since"], "it is one outage, whoever saw it");
    until_counted(&agent, "sent", 1.0);
    refuse_a_configuration(&agent);
    told.next("configuration_rejected", "refused");
}

#[test]
fn one_failed_pass_is_nobodys_business() {
    let mut told = Told::start();
    let agent = serve_told(&told, IDLE);
    agent.home().directory_is_there(false);
    assert_eq!(agent.run(&["sync"]).code, 1);
    agent.home().directory_is_there(true);
    assert_eq!(agent.run(&["sync"]).code, 0);
    refuse_a_configuration(&agent);
    told.next("configuration_rejected", "refused");
}

#[test]
fn where_nobody_listens_passes_go_on_and_each_message_is_one_warning() {
    let agent = serve(company(NOBODY, NOBODY, IDLE)).settled();
    let unheard = |log: &str, channel: &str| {
        log.lines().filter(|line| line.contains("nobody was told") && line.contains(channel)).count()
    };
    agent.home().empty_a_group();
    assert_eq!(agent.run(&["sync"]).code, 4);
    agent.until("the first message is given up", |agent| unheard(&agent.log(), "webhook") == 1);
    for _ in 0..3 {
        assert_eq!(agent.run(&["sync"]).code, 4);
    }
    refuse_a_configuration(&agent);
    agent.until("so is the second", |agent| unheard(&agent.log(), "webhook") == 2);
    let monitor = Monitor::of(&agent);
    let lost = monitor.metrics().of("notifications_total{channel=\"webhook\",outcome=\"failed\"}");
    assert_eq!(lost, 2.0);
    assert_eq!(monitor.metrics().of("passes_total{result=\"held\"}"), 4.0);
    assert!(monitor.health().0, "whom we cannot tell calls nobody");
    // Mail is tried for minutes, as a server that puts strangers off wants it; the end of the service ends that.
    let (status, log, _) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(unheard(&log, "webhook"), 2, "{log}");
    let of_mail: Vec<&str> = log.lines().filter(|line| line.contains("WARN") && line.contains("\"email\"")).collect();
    assert_eq!(of_mail.len(), 1, "{log}");
    assert!(of_mail[0].contains("lost=2"), "{log}");
    assert!(!log.contains("hunter2") && !log.contains(PASSWORD), "{log}");
}

#[test]
fn a_reload_with_another_webhook_tells_that_one() {
    let mut told = Told::start();
    let agent = serve_told(&told, IDLE);
    let before = told.hook;
    told.hook = Receiver::start(&json!({ "secret": SECRET }));
    let port = |receiver: &Receiver| format!(":{}{PATH}", receiver.port());
    agent.home().configure(&port(&before), &port(&told.hook));
    assert_eq!(agent.run(&["reload"]).code, 0);
    agent.home().empty_a_group();
    assert_eq!(agent.run(&["sync"]).code, 4);
    told.next("losses_held", "wait for approval");
    until_counted(&agent, "sent", 1.0);
    assert_eq!(before.rest(), Vec::<Value>::new(), "the former hears nothing");
}
