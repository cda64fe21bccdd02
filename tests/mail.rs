//! Invitations by mail: against a real mail server, and in a spool folder read by a foreign parser's rules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod smtp;

use seatsync::model::{Email, Timestamp};
use seatsync::server::mail::{Invitation, MailError, MailSettings, Post, SmtpCredentials, SmtpSettings};
use serde_json::{Value, json};
use smtp::SmtpServer;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Long enough for a busy machine.
const PATIENT: Duration = Duration::from_secs(60);
const LINK: &str = "https://seats.example.com/invitations/a1/u1/0123456789abcdef0123456789abcdef0123456789abcdef";

fn settings(url: String) -> MailSettings {
    MailSettings {
        from: "Seats <seats@example.com>".to_owned(),
        smtp: Some(SmtpSettings { url, credentials: None, ca_file: None }),
        spool: PathBuf::from("/nonexistent/spool"),
        timeout: PATIENT,
    }
}

fn plain(server: &SmtpServer) -> MailSettings {
    settings(format!("smtp://127.0.0.1:{}", server.port()))
}

fn invitation(to: &str) -> Invitation {
    Invitation {
        to: Email::parse(to).unwrap(),
        account_name: "Vertrieb \u{d6}sterreich\r\nBcc: everyone@example.com".to_owned(),
        link: LINK.to_owned().into(),
        valid_until: "2026-12-06T12:00:00Z".parse::<Timestamp>().unwrap(),
    }
}

fn header<'a>(message: &'a Value, name: &str) -> &'a str {
    let headers = message["headers"].as_array().unwrap();
    let found: Vec<_> = headers.iter().filter(|header| header[0] == name).collect();
    assert_eq!(found.len(), 1, "{name} in {message}");
    found[0][1].as_str().unwrap()
}

/// A certificate for 127.0.0.1, signed by nobody else, and its key.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

fn with_tls(folder: &Path, scheme: &str, server: &SmtpServer, trusts: bool) -> MailSettings {
    let mut settings = settings(format!("{scheme}://127.0.0.1:{}", server.port()));
    settings.smtp.as_mut().unwrap().ca_file = trusts.then(|| folder.join("certificate.pem"));
    settings
}

#[tokio::test]
async fn an_invitation_arrives_as_it_was_meant() {
    let mut server = SmtpServer::start(&json!({}));
    let post = Post::open(&plain(&server)).unwrap();
    post.send(&invitation("Alice@Example.com")).await.unwrap();
    let message = server.message();
    assert_eq!(message["from"], "seats@example.com");
    assert_eq!(message["to"], json!(["Alice@example.com"]), "one recipient, whatever the account is called");
    assert_eq!(message["hello"], "example.com");
    assert_eq!(message["defects"], json!([]));
    assert_eq!(header(&message, "From"), "Seats <seats@example.com>");
    assert_eq!(header(&message, "To"), "Alice@example.com");
    let name = "Vertrieb \u{d6}sterreich Bcc: everyone@example.com";
    assert_eq!(header(&message, "Subject"), format!("Invitation to join {name}"));
    assert_eq!(header(&message, "Auto-Submitted"), "auto-generated");
    assert!(header(&message, "Message-ID").ends_with("@example.com>"));
    let names: Vec<_> = message["headers"].as_array().unwrap().iter().map(|header| header[0].clone()).collect();
    assert!(!names.contains(&json!("Bcc")), "{names:?}");
    let body = message["body"].as_str().unwrap();
    assert!(body.lines().any(|line| line == LINK), "{body}");
    assert!(body.contains(&format!("you are invited to join \"{name}\".")), "{body}");
    assert!(body.contains("valid until 6 December 2026, 12:00 UTC"), "{body}");
}

#[tokio::test]
async fn one_connection_serves_one_message_after_another() {
    let mut server = SmtpServer::start(&json!({}));
    let post = Post::open(&plain(&server)).unwrap();
    let mut peers = Vec::new();
    let mut ids = Vec::new();
    for to in ["a@example.com", "b@example.com", "b@example.com"] {
        post.send(&invitation(to)).await.unwrap();
        let message = server.message();
        peers.push(message["peer"].clone());
        ids.push(header(&message, "Message-ID").to_owned());
    }
    assert!(peers.iter().all(|peer| *peer == peers[0]), "{peers:?}");
    assert_ne!(ids[0], ids[1]);
    assert_eq!(ids[1], ids[2], "another try is the same message");
}

#[tokio::test]
async fn a_refusal_is_sorted_by_whose_fault_it_is() {
    let mut server = SmtpServer::start(&json!({}));
    let post = Post::open(&plain(&server)).unwrap();
    for (to, is_permanent, expected) in [
        ("refused@example.com", true, "refuses the recipient: permanent error (550): 5.1.1 no such person here"),
        ("later@example.com", false, "transient error (451): 4.3.0 come back later; it is tried again"),
        ("relay@example.com", false, "does not send for us: permanent error (550): 5.7.1 relaying denied"),
        ("spam@example.com", true, "refuses the message: permanent error (554): 5.6.0 this looks like spam"),
    ] {
        let error = post.send(&invitation(to)).await.unwrap_err();
        assert_eq!(matches!(error, MailError::Permanent { .. }), is_permanent, "{error:?}");
        assert!(error.to_string().starts_with(&format!("mail server 127.0.0.1:{} ", server.port())), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!error.to_string().contains(LINK), "{error}");
    }
    post.send(&invitation("a@example.com")).await.unwrap();
    assert_eq!(server.message()["to"], json!(["a@example.com"]), "the next one is not harmed");
}

#[tokio::test]
async fn an_address_in_another_script_needs_a_server_that_takes_it() {
    let mut able = SmtpServer::start(&json!({}));
    let post = Post::open(&plain(&able)).unwrap();
    post.send(&invitation("gr\u{fc}n@b\u{fc}cher.example")).await.unwrap();
    assert_eq!(able.message()["to"], json!(["gr\u{fc}n@xn--bcher-kva.example"]));
    let mut unable = SmtpServer::start(&json!({ "smtputf8": false }));
    let post = Post::open(&plain(&unable)).unwrap();
    let error = post.send(&invitation("gr\u{fc}n@b\u{fc}cher.example")).await.unwrap_err();
    assert!(matches!(error, MailError::Permanent { .. }), "{error:?}");
    assert!(error.to_string().contains("it has no SMTPUTF8"), "{error}");
    post.send(&invitation("kasse@b\u{fc}cher.example")).await.unwrap();
    assert_eq!(unable.message()["to"], json!(["kasse@xn--bcher-kva.example"]));
}

#[tokio::test]
async fn tls_from_the_start_and_after_a_command_with_a_known_certificate_only() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    for (scheme, starttls) in [("smtps", false), ("smtp+starttls", true)] {
        let options = json!({ "certificate": certificate, "key": key, "starttls": starttls });
        let mut server = SmtpServer::start(&options);
        let post = Post::open(&with_tls(folder.path(), scheme, &server, true)).unwrap();
        post.send(&invitation("a@example.com")).await.unwrap();
        assert_eq!(server.message()["tls"], true, "{scheme}");
        let stranger = Post::open(&with_tls(folder.path(), scheme, &server, false)).unwrap();
        let error = stranger.send(&invitation("a@example.com")).await.unwrap_err();
        assert!(matches!(error, MailError::Temporary { .. }), "{error:?}");
        assert!(error.to_string().contains("certificate"), "{scheme}: {error}");
    }
}

#[tokio::test]
async fn starttls_is_not_left_out_where_the_server_does_not_offer_it() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let server = SmtpServer::start(&json!({}));
    let post = Post::open(&with_tls(folder.path(), "smtp+starttls", &server, true)).unwrap();
    let error = post.send(&invitation("a@example.com")).await.unwrap_err();
    assert!(error.to_string().contains("STARTTLS is not supported on this server"), "{error}");
}

#[tokio::test]
async fn credentials_are_used_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let options = json!({ "certificate": certificate, "key": key, "username": "seats", "password": "hunter2" });
    let mut server = SmtpServer::start(&options);
    let with_password = |password: &str| {
        let mut settings = with_tls(folder.path(), "smtps", &server, true);
        let credentials = SmtpCredentials { username: "seats".to_owned(), password: password.to_owned().into() };
        settings.smtp.as_mut().unwrap().credentials = Some(credentials);
        settings
    };
    let (right, wrong) = (with_password("hunter2"), with_password("hunter3"));
    assert!(!format!("{right:?}").contains("hunter2"));
    Post::open(&right).unwrap().send(&invitation("a@example.com")).await.unwrap();
    assert_eq!(server.message()["login"], "seats");
    let error = Post::open(&wrong).unwrap().send(&invitation("a@example.com")).await.unwrap_err();
    assert!(matches!(error, MailError::Temporary { .. }), "{error:?}");
    assert!(error.to_string().contains("does not let us sign in: permanent error (535)"), "{error}");
    assert!(!error.to_string().contains("hunter3"), "{error}");
    // Without any, the server wants some: our settings are at fault, not the recipient.
    let error = Post::open(&with_tls(folder.path(), "smtps", &server, true)).unwrap();
    let error = error.send(&invitation("a@example.com")).await.unwrap_err();
    assert!(matches!(error, MailError::Temporary { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_away_or_silent_is_tried_again() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Post::open(&settings(format!("smtp://127.0.0.1:{port}"))).unwrap();
    let error = error.send(&invitation("a@example.com")).await.unwrap_err();
    assert!(matches!(error, MailError::Temporary { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("mail server 127.0.0.1:{port} cannot be reached: ")), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let impatient = MailSettings { timeout: Duration::from_millis(200), ..settings(url) };
    let error = Post::open(&impatient).unwrap().send(&invitation("a@example.com")).await.unwrap_err();
    assert!(matches!(error, MailError::Temporary { .. }), "{error:?}");

    let hanging = SmtpServer::start(&json!({}));
    let impatient = MailSettings { timeout: Duration::from_secs(2), ..plain(&hanging) };
    let error = Post::open(&impatient).unwrap().send(&invitation("hang@example.com")).await.unwrap_err();
    assert!(matches!(error, MailError::Temporary { .. }), "{error:?}");
    assert!(error.to_string().contains("did not take a message within 2 s; it is tried again"), "{error}");
}

#[tokio::test]
async fn a_connection_that_the_server_closed_in_between_does_no_harm() {
    let first = SmtpServer::start(&json!({}));
    let port = first.port();
    let post = Post::open(&plain(&first)).unwrap();
    post.send(&invitation("a@example.com")).await.unwrap();
    drop(first);
    let error = post.send(&invitation("a@example.com")).await.unwrap_err();
    assert!(matches!(error, MailError::Temporary { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port} cannot be reached")), "{error}");
}

#[tokio::test]
async fn without_a_mail_server_messages_are_files() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let post = Post::open(&MailSettings { smtp: None, spool: spool.clone(), ..settings(String::new()) }).unwrap();
    post.send(&invitation("a@example.com")).await.unwrap();
    post.send(&invitation("b@example.com")).await.unwrap();
    let mut names: Vec<_> = std::fs::read_dir(&spool).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|name| name.extension().is_some_and(|extension| extension == "eml")), "{names:?}");
    let texts: String = names.iter().map(|name| std::fs::read_to_string(name).unwrap()).collect();
    for expected in ["To: a@example.com\r\n", "To: b@example.com\r\n", "Auto-Submitted: auto-generated\r\n"] {
        assert!(texts.contains(expected), "{expected} in {texts}");
    }
}

#[test]
fn a_sender_that_is_none_is_told_at_the_start() {
    for from in ["", "Seats", "seats@", "Seats <seats@example.com", "a@b.c\r\nBcc: c@d.e", "gr\u{fc}n@example.com"] {
        let error = Post::open(&MailSettings { from: from.to_owned(), ..settings("smtp://127.0.0.1".to_owned()) });
        let message = error.unwrap_err().message;
        assert!(message.contains("cannot be the sender of mail: "), "{message}");
    }
}
