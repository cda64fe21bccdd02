//! Telling somebody: a real receiver of webhooks that checks signatures with a library that is not ours, and a real mail
//! server, both on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod python;
mod smtp;
mod webhook;

use seatsync::notify::message::About;
use seatsync::notify::{
    self, Event, MailSettings, News, Notifier, NotifyError, NotifySettings, QUEUE_MAX, WebhookSettings,
};
use seatsync::smtp::{SmtpCredentials, SmtpSettings};
use serde_json::{Value, json};
use smtp::SmtpServer;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tracing::subscriber::DefaultGuard;
use webhook::Receiver;

/// Long enough for a busy machine.
const PATIENT: Duration = Duration::from_secs(60);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PASSWORD: &str = "correct horse battery";

fn about() -> About {
    About {
        host: "dirsync1".to_owned(),
        instance: "seatsync".to_owned(),
        account: "corp".to_owned(),
        config: PathBuf::from("/etc/seatsync/seatsync.toml"),
    }
}

fn held(hash: &str) -> News {
    let since = "2026-11-25T11:55:00Z".parse().unwrap();
    News::HeldLosses { hash: hash.to_owned(), losses: 41, gains: 0, since, expires: None }
}

/// What was delivered and what was not, in order.
type Told = Arc<Mutex<Vec<(&'static str, bool)>>>;

fn nobody() -> (NotifySettings, Told) {
    let told = Told::default();
    let count = told.clone();
    let on_delivery = Arc::new(move |channel, sent| count.lock().unwrap().push((channel, sent)));
    (NotifySettings { webhook: None, mail: None, events: Event::ALL.to_vec(), on_delivery }, told)
}

fn by_webhook(url: String) -> (NotifySettings, Told) {
    let (settings, told) = nobody();
    let webhook = WebhookSettings { url: url.into(), secret: SECRET.to_owned().into(), ca_file: None };
    (NotifySettings { webhook: Some(webhook), ..settings }, told)
}

fn to(receiver: &Receiver) -> (NotifySettings, Told) {
    by_webhook(format!("http://127.0.0.1:{}/hooks/hunter2?x=1", receiver.port()))
}

fn by_mail(server: &SmtpServer, to: &[&str]) -> (NotifySettings, Told) {
    let (settings, told) = nobody();
    let url = format!("smtp://127.0.0.1:{}", server.port());
    let mail = MailSettings {
        from: "Seatsync <seatsync@example.com>".to_owned(),
        to: to.iter().map(|&to| to.to_owned()).collect(),
        smtp: SmtpSettings { url, credentials: None, ca_file: None },
    };
    (NotifySettings { mail: Some(mail), ..settings }, told)
}

/// Tells it and waits until it is delivered or given up.
async fn tell(settings: NotifySettings, news: Vec<News>) {
    let notifier = Notifier::open(settings).unwrap();
    notifier.tell(news, &about());
    notifier.close(PATIENT).await;
}

/// The log of this thread, every line of ours and of the libraries from debug on.
struct Log(Arc<Mutex<Vec<u8>>>, #[allow(dead_code)] DefaultGuard);

struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> Self {
        let lines = Arc::<Mutex<Vec<u8>>>::default();
        let sink = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter("debug,seatsync=trace")
            .with_ansi(false)
            .with_writer(move || Sink(sink.clone()))
            .finish();
        Self(lines, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The warnings.
    fn warnings(&self) -> Vec<String> {
        self.text().lines().filter(|line| line.contains(" WARN ")).map(str::to_owned).collect()
    }
}

fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

#[tokio::test]
async fn a_webhook_is_signed_as_others_expect_it() {
    for (secret, raw) in [(SECRET, false), ("correct horse battery staple", true)] {
        let mut receiver = Receiver::start(&json!({ "secret": secret, "raw": raw }));
        let (mut settings, told) = to(&receiver);
        settings.webhook.as_mut().unwrap().secret = secret.to_owned().into();
        tell(settings, vec![held("3f9c")]).await;
        let request = receiver.request();
        assert_eq!(request["error"], Value::Null, "{request}");
        assert_eq!((&request["method"], &request["path"]), (&json!("POST"), &json!("/hooks/hunter2?x=1")));
        let headers = &request["headers"];
        assert_eq!(headers["content-type"], "application/json");
        assert!(headers["webhook-id"].as_str().unwrap().starts_with("msg_"), "{headers}");
        let payload = &request["payload"];
        assert_eq!((&payload["format"], &payload["event"]), (&json!(1), &json!("losses_held")));
        assert_eq!((&payload["host"], &payload["account"]), (&json!("dirsync1"), &json!("corp")));
        assert_eq!(payload["facts"]["release"], "seatsync approve 3f9c");
        assert_eq!(*told.lock().unwrap(), [("webhook", true)]);
        assert_eq!(receiver.rest(), Vec::<Value>::new());
    }
}

#[tokio::test]
async fn the_receiver_sees_that_another_secret_was_used() {
    let mut receiver = Receiver::start(&json!({ "secret": "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }));
    tell(to(&receiver).0, vec![held("a")]).await;
    assert!(receiver.request()["error"].is_string());
}

#[tokio::test]
async fn an_error_of_the_receiver_is_tried_again_as_the_same_message() {
    let log = Log::start();
    let mut receiver = Receiver::start(&json!({ "secret": SECRET, "answers": [[500, {}, "oops"], [200, {}, ""]] }));
    let (settings, told) = to(&receiver);
    tell(settings, vec![held("a")]).await;
    let (first, second) = (receiver.request(), receiver.request());
    assert_eq!((&first["error"], &second["error"]), (&Value::Null, &Value::Null));
    assert_eq!(first["headers"]["webhook-id"], second["headers"]["webhook-id"], "by it a copy is known");
    assert_eq!(first["payload"], second["payload"]);
    assert_eq!(*told.lock().unwrap(), [("webhook", true)]);
    assert_eq!(log.warnings(), Vec::<String>::new());
    assert_eq!(receiver.rest(), Vec::<Value>::new());
}

#[tokio::test]
async fn attempts_end_and_the_wait_that_was_asked_for_is_kept() {
    let log = Log::start();
    let receiver = Receiver::start(
        &json!({ "secret": SECRET, "answers": [[503, { "retry-after": "2" }, "ask kim@example.com"]] }),
    );
    let (settings, told) = to(&receiver);
    let began = Instant::now();
    tell(settings, vec![held("a")]).await;
    assert!(began.elapsed() >= Duration::from_secs(4), "two waits of two seconds: {:?}", began.elapsed());
    assert_eq!(*told.lock().unwrap(), [("webhook", false)]);
    assert_eq!(receiver.rest().len(), 3);
    let warnings = log.warnings();
    let expected = "did not take the message in 3 attempts: it answered 503: ask ***@example.com";
    assert!(warnings.len() == 1 && warnings[0].contains(expected), "{warnings:?}");
}

#[tokio::test]
async fn what_will_not_get_better_is_not_tried_again() {
    for (status, expected) in [
        (410, "is the URL still right?"),
        (401, "does it know the same secret"),
        (400, "it answered 400: no /***/*** here"),
        (302, "which leads elsewhere"),
    ] {
        let log = Log::start();
        let answers = json!([[status, { "location": "/elsewhere" }, "no /hooks/hunter2 here"]]);
        let receiver = Receiver::start(&json!({ "secret": SECRET, "answers": answers }));
        let (settings, told) = to(&receiver);
        tell(settings, vec![held("a")]).await;
        assert_eq!(receiver.rest().len(), 1, "{status}");
        assert_eq!(*told.lock().unwrap(), [("webhook", false)]);
        let warnings = log.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains(expected), "{warnings:?}");
    }
}

#[tokio::test]
async fn a_dead_receiver_costs_nothing() {
    let log = Log::start();
    let mut receiver = Receiver::start(&json!({ "secret": SECRET, "hang": true }));
    let (settings, told) = to(&receiver);
    let notifier = Notifier::open(settings).unwrap();
    let many = QUEUE_MAX * 3;
    let began = Instant::now();
    for n in 0..many {
        notifier.tell(vec![held(&n.to_string())], &about());
    }
    // Nothing else ran on this thread meanwhile, so that a wait could not have ended.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(told.lock().unwrap().len(), many - QUEUE_MAX, "what has no room is dropped at once");
    let wait = tokio::task::spawn_blocking(move || (receiver.request(), receiver));
    let (first, _receiver) = wait.await.unwrap();
    assert_eq!(first["payload"]["facts"]["hash"], "0");
    let closing = Instant::now();
    notifier.close(Duration::from_millis(200)).await;
    assert!(closing.elapsed() < Duration::from_secs(5), "{:?}", closing.elapsed());
    assert_eq!(*told.lock().unwrap(), vec![("webhook", false); many], "each is accounted for, once");
    let warnings = log.warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("64 messages wait to be delivered: new ones are dropped"), "{warnings:?}");
    assert!(warnings[1].contains("messages were not delivered before the end"), "{warnings:?}");
}

#[tokio::test]
async fn a_dead_channel_does_not_hold_up_the_other() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = SmtpServer::start(&json!({}));
    let (mail, told) = by_mail(&server, &["ops@example.com"]);
    let (webhook, _) = by_webhook(format!("http://127.0.0.1:{port}/"));
    tell(NotifySettings { webhook: webhook.webhook, ..mail }, vec![held("a")]).await;
    assert!(server.message()["body"].as_str().unwrap().contains("seatsync approve a"));
    let mut told = told.lock().unwrap().clone();
    told.sort_unstable();
    assert_eq!(told, [("email", true), ("webhook", false)]);
}

#[tokio::test]
async fn only_a_known_certificate_will_do() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let mut receiver = Receiver::start(&json!({ "secret": SECRET, "certificate": certificate, "key": key }));
    let (mut known, told) = by_webhook(format!("https://127.0.0.1:{}/", receiver.port()));
    known.webhook.as_mut().unwrap().ca_file = Some(certificate);
    tell(known.clone(), vec![held("a")]).await;
    assert_eq!(receiver.request()["error"], Value::Null);
    assert_eq!(*told.lock().unwrap(), [("webhook", true)]);

    // The certificate of somebody else.
    let other = tempfile::tempdir().unwrap();
    known.webhook.as_mut().unwrap().ca_file = Some(self::certificate(other.path()).0);
    let log = Log::start();
    tell(known, vec![held("a")]).await;
    assert_eq!(receiver.rest(), Vec::<Value>::new());
    let warnings = log.warnings();
    let expected = "in 1 attempt: its certificate comes from an authority that is not trusted here: put that authority's \
                    certificate into a PEM file and name it in webhook_ca_file";
    assert!(warnings.len() == 1 && warnings[0].contains(expected), "{warnings:?}");
}

fn header<'a>(message: &'a Value, name: &str) -> &'a str {
    let headers = message["headers"].as_array().unwrap();
    let found: Vec<_> = headers.iter().filter(|header| header[0] == name).collect();
    assert_eq!(found.len(), 1, "{name} in {message}");
    found[0][1].as_str().unwrap()
}

#[tokio::test]
async fn a_mail_reaches_everybody_who_can_be_reached() {
    let log = Log::start();
    let mut server = SmtpServer::start(&json!({}));
    let (settings, told) =
        by_mail(&server, &["Operations <ops@example.com>", "refused@example.com", "oncall@example.com"]);
    let reason = "kim@corp.example\r\nBcc: everyone@example.com".to_owned();
    let since = "2026-11-25T11:40:00Z".parse().unwrap();
    tell(settings, vec![News::Failing { since, passes: 3, reason }]).await;
    let (first, second) = (server.message(), server.message());
    assert_eq!((&first["to"], &second["to"]), (&json!(["ops@example.com"]), &json!(["oncall@example.com"])));
    for message in [&first, &second] {
        assert_eq!(message["from"], "seatsync@example.com");
        assert_eq!(message["hello"], "example.com");
        assert_eq!(message["defects"], json!([]));
        assert_eq!(header(message, "From"), "Seatsync <seatsync@example.com>");
        let all = "Operations <ops@example.com>, refused@example.com, oncall@example.com";
        assert_eq!(header(message, "To"), all);
        assert_eq!(header(message, "Subject"), "[seatsync] corp: passes have failed since 2026-11-25 11:40 UTC");
        assert_eq!(header(message, "Auto-Submitted"), "auto-generated");
        assert!(header(message, "Message-ID").ends_with("@example.com>"));
        assert!(!header(message, "Date").is_empty());
        let body = message["body"].as_str().unwrap().replace("\r\n", "\n");
        assert!(body.contains("    ***@corp.example Bcc: ***@example.com\n"), "{body}");
        assert!(body.contains("Next:\n\n    seatsync check\n"), "{body}");
    }
    assert_eq!(header(&first, "Message-ID"), header(&second, "Message-ID"));
    // Told to two of three: that is not what was wanted.
    assert_eq!(*told.lock().unwrap(), [("email", false)]);
    let warnings = log.warnings();
    let expected = "the mail did not leave for 1 of 3 recipients in 1 attempt: mail server 127.0.0.1:";
    assert!(warnings.len() == 1 && warnings[0].contains(expected), "{warnings:?}");
}

#[tokio::test]
async fn a_mail_server_that_is_away_for_a_moment_is_tried_again() {
    let log = Log::start();
    let mut server = SmtpServer::start(&json!({}));
    let (mut settings, told) = by_mail(&server, &["ops@example.com"]);
    // Hangs up on the first who comes, then leads to the mail server.
    let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    settings.mail.as_mut().unwrap().smtp.url = format!("smtp://{}", door.local_addr().unwrap());
    let behind = server.port();
    let proxy = tokio::spawn(async move {
        drop(door.accept().await.unwrap());
        let (mut client, _) = door.accept().await.unwrap();
        let mut server = tokio::net::TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
        // How the two part is their business.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    });
    tell(settings, vec![held("a")]).await;
    assert_eq!(*told.lock().unwrap(), [("email", true)]);
    assert!(server.message()["body"].as_str().unwrap().contains("seatsync approve a"));
    assert_eq!(log.warnings(), Vec::<String>::new());
    proxy.await.unwrap();
}

#[tokio::test]
async fn only_what_was_chosen_is_told_and_a_test_always() {
    let mut receiver = Receiver::start(&json!({ "secret": SECRET }));
    let (mut settings, _) = to(&receiver);
    settings.events = vec![Event::Recovered];
    let since = "2026-11-25T11:40:00Z".parse().unwrap();
    let recovered = News::Recovered { since, after: jiff::SignedDuration::from_mins(7) };
    tell(settings, vec![held("a"), recovered, News::Test]).await;
    assert_eq!(receiver.request()["payload"]["event"], "recovered");
    assert_eq!(receiver.request()["payload"]["event"], "test");
    assert_eq!(receiver.rest(), Vec::<Value>::new());
}

#[tokio::test]
async fn what_waits_at_the_end_is_still_delivered_in_order() {
    let receiver = Receiver::start(&json!({ "secret": SECRET }));
    let (settings, told) = to(&receiver);
    tell(settings, (0..20).map(|n| held(&n.to_string())).collect()).await;
    assert_eq!(*told.lock().unwrap(), [("webhook", true); 20]);
    let hashes: Vec<_> = receiver.rest().iter().map(|each| each["payload"]["facts"]["hash"].clone()).collect();
    assert_eq!(hashes, (0..20).map(|n| json!(n.to_string())).collect::<Vec<_>>());
}

/// Whatever goes wrong, at every level.
#[tokio::test]
async fn no_secret_is_in_the_log() {
    let log = Log::start();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let options = json!({ "certificate": certificate, "key": key, "username": "seats", "password": "other" });
    let server = SmtpServer::start(&options);
    let receiver =
        Receiver::start(&json!({ "secret": SECRET, "answers": [[500, {}, "/hunter2"], [403, {}, "/hunter2"]] }));
    let (mail, told) = by_mail(&server, &["ops@example.com"]);
    let mut settings = NotifySettings { webhook: to(&receiver).0.webhook, ..mail };
    settings.mail.as_mut().unwrap().smtp = SmtpSettings {
        url: format!("smtps://127.0.0.1:{}", server.port()),
        credentials: Some(SmtpCredentials { username: "seats".to_owned(), password: PASSWORD.to_owned().into() }),
        ca_file: Some(certificate),
    };
    let results = notify::test(&settings, &about()).await.unwrap();
    let failed: Vec<NotifyError> = results.into_iter().filter_map(|(_, result)| result.err()).collect();
    assert_eq!(failed.len(), 2, "{failed:?}");
    let notifier = Notifier::open(settings.clone()).unwrap();
    notifier.tell(vec![held("a")], &about());
    notifier.close(Duration::from_secs(2)).await;
    assert_eq!(told.lock().unwrap().len(), 2);
    let everything = format!("{} {failed:?} {settings:?}", log.text());
    assert!(everything.contains("did not take the message") && everything.contains("does not let us sign in"));
    for secret in ["hunter2", PASSWORD, SECRET, SECRET.trim_start_matches("whsec_"), "Y29ycmVjdCBob3JzZ"] {
        assert!(!everything.contains(secret), "{secret} in {everything}");
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_told_at_the_start() {
    let message = |settings: NotifySettings| match Notifier::open(settings).unwrap_err() {
        NotifyError::Unusable { message } => message,
        NotifyError::Undelivered { message } => panic!("{message}"),
    };
    let (mut settings, _) = by_webhook("https://127.0.0.1/".to_owned());
    settings.webhook.as_mut().unwrap().ca_file = Some(PathBuf::from("/nonexistent/ca.pem"));
    assert!(message(settings).contains("webhook_ca_file /nonexistent/ca.pem cannot be used"));
    assert!(message(by_webhook("nonsense".to_owned()).0).contains("its URL is none"));
    let server = SmtpServer::start(&json!({}));
    assert!(message(by_mail(&server, &[]).0).contains("mail has 0 recipients"));
    assert!(message(by_mail(&server, &["nobody"]).0).contains("is not an address"));
}

/// Two rooms that may not know each other agree.
#[test]
fn what_can_be_configured_is_what_can_be_told() {
    assert_eq!(seatsync::config::NOTIFY_EVENTS, Event::ALL.map(Event::word));
    assert_eq!(seatsync::config::NOTIFY_RECIPIENTS_MAX, notify::RECIPIENTS_MAX);
}

/// A configuration with both ways, in a folder with all that it names.
fn configured(folder: &Path, receiver: u16, server: u16) -> PathBuf {
    std::fs::write(folder.join("people.ldif"), include_str!("../config/quickstart.ldif")).unwrap();
    std::fs::write(folder.join("secret"), SECRET).unwrap();
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(folder.join("secret"), closed).unwrap();
    let text = format!(
        r#"
state = {{ path = "state" }}
[directory]
kind = "ldif"
path = "people.ldif"
[[tier]]
name = "pro"
groups = ["Chime Pro"]
[accounts]
kind = "embedded"
path = "accounts"
account = "corp"
[notify]
webhook = "http://127.0.0.1:{receiver}/hooks/hunter2"
webhook_secret_file = "secret"
email_to = ["ops@example.com"]
email_from = "Seatsync <seatsync@example.com>"
smtp = "smtp://127.0.0.1:{server}"
"#
    );
    let path = folder.join("emea.toml");
    std::fs::write(&path, text).unwrap();
    path
}

fn seatsync(command: &str, config: &Path) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_seatsync"));
    let Output { status, stdout, stderr } = program.args([command, "-c"]).arg(config).output().unwrap();
    let text = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    (status.code(), text)
}

#[test]
fn a_test_message_goes_through_every_channel() {
    let folder = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start(&json!({ "secret": SECRET }));
    let mut server = SmtpServer::start(&json!({}));
    let config = configured(folder.path(), receiver.port(), server.port());
    let (code, text) = seatsync("notify-test", &config);
    assert_eq!(code, Some(0), "{text}");
    let expected = format!(
        "ok    webhook       sent to http://127.0.0.1:{}\nok    email         sent to 1 recipient by smtp://127.0.0.1:{}\n",
        receiver.port(),
        server.port()
    );
    assert_eq!(text, expected);
    let request = receiver.request();
    assert_eq!(request["error"], Value::Null);
    let payload = &request["payload"];
    assert_eq!((&payload["event"], &payload["instance"]), (&json!("test"), &json!("emea")));
    assert!(!payload["host"].as_str().unwrap().is_empty());
    assert_eq!(header(&server.message(), "Subject"), "[emea] corp: this is a test");

    // `check` reaches both, and sends nothing.
    let (_, text) = seatsync("check", &config);
    for (channel, url) in [("webhook", "http"), ("email", "smtp")] {
        let port = if channel == "email" { server.port() } else { receiver.port() };
        let expected = format!("ok    {channel:<14}{url}://127.0.0.1:{port} answers\n");
        assert!(text.contains(&expected), "{expected} in {text}");
    }
    assert_eq!(receiver.rest(), [json!({ "method": "HEAD", "path": "/hooks/hunter2" })]);
}

#[test]
fn a_channel_that_fails_is_seen_and_the_other_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = SmtpServer::start(&json!({}));
    let config = configured(folder.path(), port, server.port());
    let (code, text) = seatsync("notify-test", &config);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&format!("FAIL  webhook       the webhook at http://127.0.0.1:{port} did not")), "{text}");
    assert!(text.contains("ok    email"), "{text}");
    assert_eq!(header(&server.message(), "Subject"), "[emea] corp: this is a test");
    let (code, text) = seatsync("check", &config);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&format!("FAIL  webhook       the webhook at http://127.0.0.1:{port} cannot be")), "{text}");

    let text = std::fs::read_to_string(&config).unwrap();
    let (least, _) = text.split_once("[notify]").unwrap();
    std::fs::write(&config, least).unwrap();
    let (code, text) = seatsync("notify-test", &config);
    assert!(code == Some(1) && text.contains("has no [notify] section: nobody is told"), "{text}");
}
