//! The server's configuration as operators meet it: whole files in, meaning or rendered problems out.
#![allow(clippy::unwrap_used, clippy::panic)]

mod rendered;

use super::super::{LogFormat, SmtpLogin};
use super::*;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// Every key.
const FULL: &str = r#"
[listen]
address = "0.0.0.0:443"
certificate_file = "seatstore.pem"
key_file = "seatstore.key"
allow_cleartext = false

[store]
path = "book"

[api]
keys_file = "keys.toml"
aws_account_id = "012345678901"
strict = true
clock_skew = "2m"
body_bytes_max = 131072
rate = 100
burst = 150

[limits]
connections = 64
request_time = "20s"
header_time = "3s"

[domains]
resolvers = ["127.0.0.1:5353", "::1"]
timeout = "2s"

[mail]
from = "Seats <seats@corp.example>"
public_url = "https://seats.corp.example/store/"
smtp = "smtp+starttls://mail.corp.example"
username = "seats"
password_file = "smtp-password"
ca_file = "corp-ca.pem"
timeout = "15s"
spool = "mail"

[invitations]
valid = "14d"

[sign_in]
token_credential = "sign-in"
email_header = "X-Auth-Request-Email"

[log]
format = "json"
level = "debug"
"#;

const PASSWORD: &str = "correct horse battery";
const TOKEN: &str = "0123456789abcdef";

/// A folder with the files that [`FULL`] names.
fn folder_with(password: &str, token: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = ["smtp-password", "sign-in", "corp-ca.pem", "seatstore.pem", "seatstore.key"];
    for (name, text) in files.iter().zip([password, token, "", "", ""]) {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

fn parse_in(folder: &TempDir, text: &str) -> Result<SeatstoreConfig, Problems> {
    let env = Environment { credentials_directory: Some(folder.path().to_owned()), ..Environment::default() };
    parse(&folder.path().join("seatstore.toml"), text, &env)
}

/// The problems of a text, with the name of the folder taken out.
fn shown(text: &str) -> String {
    let folder = folder_with(PASSWORD, TOKEN);
    let problems = parse_in(&folder, text).unwrap_err();
    let shown = problems.render(false);
    assert_eq!(problems.count(), shown.matches("error: ").count());
    assert!(!shown.contains("hunter2") && !format!("{problems:?}").contains("hunter2"), "{shown}");
    shown.replace(&folder.path().display().to_string(), "/etc/seatstore")
}

#[test]
fn every_key_means_something() {
    let folder = folder_with(PASSWORD, TOKEN);
    let here = |name: &str| folder.path().join(name);
    let config = parse_in(&folder, FULL).unwrap();
    let SeatstoreConfig { listen, store_path, api, limits, domains, mail, invitations_valid, sign_in, log } = config;
    assert_eq!((listen.address, listen.allow_cleartext), (([0, 0, 0, 0], 443).into(), false));
    assert_eq!(listen.tls, Some(TlsFiles { certificate: here("seatstore.pem"), key: here("seatstore.key") }));
    assert_eq!(store_path, here("book"));
    assert_eq!((api.keys_file, api.aws_account_id.as_str()), (here("keys.toml"), "012345678901"));
    assert_eq!((api.strict, api.clock_skew, api.body_bytes_max), (true, Duration::from_secs(120), 131_072));
    assert_eq!((api.rate, api.burst, limits.connections), (100, 150, 64));
    assert_eq!((limits.request_time, limits.header_time), (Duration::from_secs(20), Duration::from_secs(3)));
    assert_eq!(domains.resolvers, ["127.0.0.1:5353".parse().unwrap(), "[::1]:53".parse().unwrap()]);
    assert_eq!((domains.timeout, mail.timeout), (Duration::from_secs(2), Duration::from_secs(15)));
    assert_eq!(mail.from, "Seats <seats@corp.example>");
    assert_eq!(mail.public_url.as_deref(), Some("https://seats.corp.example/store"));
    assert_eq!(mail.spool, here("mail"));
    let smtp = mail.smtp.unwrap();
    assert_eq!(smtp.url(), "smtp+starttls://mail.corp.example:587");
    assert_eq!(smtp.ca_file, Some(here("corp-ca.pem")));
    let SmtpLogin { username, password } = smtp.login.unwrap();
    assert_eq!((username.as_str(), password.expose_secret()), ("seats", PASSWORD));
    assert_eq!(invitations_valid, Duration::from_secs(14 * 86_400));
    assert_eq!(sign_in.token.unwrap().expose_secret(), TOKEN);
    assert_eq!(sign_in.email_header, "X-Auth-Request-Email");
    assert_eq!((log.format, log.level), (LogFormat::Json, tracing::Level::DEBUG));
}

#[test]
fn an_empty_file_is_a_server_on_loopback() {
    let config = parse(Path::new("/etc/seatstore/seatstore.toml"), "", &Environment::default()).unwrap();
    assert_eq!((config.listen.address, config.listen.tls), (([127, 0, 0, 1], 8790).into(), None));
    assert!(!config.listen.allow_cleartext && !config.api.strict);
    assert_eq!(config.store_path, Path::new("/var/lib/seatstore/book"));
    assert_eq!(config.api.keys_file, Path::new("/etc/seatstore/keys.toml"));
    assert_eq!((config.api.aws_account_id.as_str(), config.api.body_bytes_max), ("000000000000", 1_048_576));
    assert_eq!((config.api.clock_skew, config.api.rate, config.api.burst), (Duration::from_secs(300), 2_000, 4_000));
    assert_eq!(config.limits.connections, 512);
    assert_eq!(config.limits.request_time, Duration::from_secs(30));
    assert_eq!(config.limits.header_time, Duration::from_secs(10));
    assert_eq!((config.domains.resolvers.len(), config.domains.timeout), (0, Duration::from_secs(5)));
    assert!(config.mail.smtp.is_none() && config.mail.public_url.is_none());
    assert_eq!(config.mail.from, "Seats <seats@seatstore.invalid>");
    assert_eq!(config.mail.spool, Path::new("/var/lib/seatstore/mail"));
    assert_eq!(config.invitations_valid, Duration::from_secs(30 * 86_400));
    assert!(config.sign_in.token.is_none());
    assert_eq!(config.sign_in.email_header, "X-Forwarded-Email");
    assert_eq!((config.log.format, config.log.level), (LogFormat::Auto, tracing::Level::INFO));
}

/// The default sender goes through the same check as a written one.
#[test]
fn the_default_of_from_is_a_sender() {
    let config = parse_in(&folder_with("", ""), "").unwrap();
    assert!(config.mail.from.parse::<lettre::message::Mailbox>().is_ok());
}

/// The shipped file is a configuration, writes below `target` only, and names every key, each in its own section.
#[test]
fn the_manual_has_every_key() {
    let page = include_str!("../../../man/seatstore.toml.5");
    assert_eq!(crate::config::tests::manual::missing(page, super::check::SECTIONS), Vec::<String>::new());
}

#[test]
fn the_shipped_file_is_one_and_names_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/seatstore.toml");
    let config = load(&path).unwrap();
    for path in [&config.store_path, &config.api.keys_file, &config.mail.spool] {
        assert!(path.starts_with(concat!(env!("CARGO_MANIFEST_DIR"), "/config/../target/seatstore")), "{path:?}");
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let mut section = "";
    let mut named = Vec::new();
    for line in text.lines() {
        if line.starts_with('[') {
            section = line;
        } else if let Some((key, _)) = line.trim_start_matches("# ").split_once('=')
            && !key.trim().contains([' ', '('])
        {
            named.push(format!("{section} {}", key.trim()));
        }
    }
    let mut known = Vec::new();
    for line in FULL.lines().filter(|line| !line.is_empty()) {
        match line.split_once(" =") {
            Some((key, _)) => known.push(format!("{section} {key}")),
            None => section = line,
        }
    }
    known.extend(["[mail] password_credential".to_owned(), "[sign_in] token_file".to_owned()]);
    named.sort();
    known.sort();
    assert_eq!(named, known);
}

/// What the commented lines show is what is meant without them.
#[test]
fn the_defaults_that_the_shipped_file_shows_are_the_defaults() {
    let text = include_str!("../../../config/seatstore.toml");
    let examples = [
        "certificate_file",
        "key_file",
        "resolvers",
        "smtp",
        "from",
        "public_url",
        "username",
        "password_file",
        "password_credential",
        "ca_file",
        "token_file",
        "token_credential",
        "timeout    = \"30s\"  ",
    ];
    let is_example = |line: &str| examples.iter().any(|key| line.starts_with(&format!("# {key}")));
    let is_key = |line: &&str| {
        line.starts_with("# ") && line.split_once(" =").is_some_and(|(key, _)| !key[2..].trim().contains(' '))
    };
    let shown: String = text
        .lines()
        .map(|line| if is_key(&line) && !is_example(line) { line.trim_start_matches("# ") } else { line })
        .map(|line| format!("{line}\n"))
        .collect();
    assert_ne!(shown, text);
    let path = Path::new("/etc/seatstore/seatstore.toml");
    let [plain, shown] = [text, shown.as_str()].map(|text| parse(path, text, &Environment::default()).unwrap());
    assert_eq!(format!("{plain:?}"), format!("{shown:?}"));
}

#[test]
fn plain_http_stays_on_this_machine() {
    for address in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert!(parse(Path::new("x"), &format!("[listen]\naddress = \"{address}\""), &Environment::default()).is_ok());
    }
    for address in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[::ffff:192.0.2.1]:1"] {
        let text = format!("[listen]\naddress = \"{address}\"");
        assert!(shown(&text).contains("error: plain HTTP would leave this machine"), "{address}");
        let allowed = format!("{text}\nallow_cleartext = true");
        assert!(parse(Path::new("x"), &allowed, &Environment::default()).unwrap().listen.allow_cleartext);
    }
}

#[test]
fn urls_of_mail_servers() {
    for (written, meant) in [
        ("smtp://127.0.0.1", "smtp://127.0.0.1:25"),
        ("smtp://[::1]:2525/", "smtp://[::1]:2525"),
        ("SMTPS://mail.corp.example", "smtps://mail.corp.example:465"),
        ("smtp+starttls://mail.corp.example", "smtp+starttls://mail.corp.example:587"),
    ] {
        let text =
            format!("[mail]\nsmtp = \"{written}\"\nfrom = \"a@corp.example\"\npublic_url = \"http://localhost:8790\"");
        let config = parse(Path::new("x"), &text, &Environment::default()).unwrap();
        assert_eq!(config.mail.smtp.unwrap().url(), meant);
    }
    for wrong in ["mail.corp.example", "http://x", "smtp://", "smtp://x:0", "smtp://x:y", "smtp://[::1", "smtp://x/y"] {
        let shown = shown(&format!("[mail]\nsmtp = \"{wrong}\""));
        assert!(shown.contains(&format!("\"{wrong}\" is not the URL of a mail server: ")), "{shown}");
    }
}

#[test]
fn links_begin_with_a_url_that_is_one() {
    for (written, meant) in [
        ("https://seats.corp.example", "https://seats.corp.example"),
        ("https://seats.corp.example:8443/store//", "https://seats.corp.example:8443/store"),
        ("http://127.0.0.1:8790/", "http://127.0.0.1:8790"),
        ("http://[::1]:8790", "http://[::1]:8790"),
    ] {
        let config = parse(Path::new("x"), &format!("[mail]\npublic_url = \"{written}\""), &Environment::default());
        assert_eq!(config.unwrap().mail.public_url.as_deref(), Some(meant));
    }
    for wrong in
        ["seats.corp.example", "ftp://x", "https://", "https://x?y", "https://u@x", "https://x y", "https:///x"]
    {
        let shown = shown(&format!("[mail]\npublic_url = \"{wrong}\""));
        assert!(shown.contains("cannot begin a link: "), "{shown}");
    }
    let shown = shown("[mail]\npublic_url = \"http://seats.corp.example\"");
    assert!(shown.contains("links with this URL would be opened over plain HTTP"), "{shown}");
}

#[test]
fn a_token_that_can_be_guessed_or_not_be_sent_is_refused() {
    for (token, expected) in [
        ("hunter2", "the token has less than 16 characters"),
        ("hunter2 hunter2 hunter2", "the token has characters that cannot stand in a header"),
        ("hunter2hunter2\u{e4}hunter2", "the token has characters that cannot stand in a header"),
    ] {
        let folder = folder_with(PASSWORD, token);
        let problems = parse_in(&folder, FULL).unwrap_err();
        assert_eq!(problems.count(), 1);
        let shown = format!("{problems} {problems:?}");
        assert!(shown.contains(expected) && !shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn files_that_give_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seatstore.toml");
    let ConfigError::Unreadable { message } = load(&path).unwrap_err() else { panic!("there is none") };
    assert_eq!(
        message.replace(&path.display().to_string(), "FILE"),
        "cannot read FILE: No such file or directory (os error 2); name the file with --config, or begin with a copy \
         of config/seatstore.toml"
    );
    std::fs::write(&path, "[store]\npath = \"book\"").unwrap();
    assert_eq!(load(&path).unwrap().store_path, folder.path().join("book"));
}

proptest! {
    #[test]
    fn a_damaged_file_is_answered(cut in 0..FULL.len(), length in 0..40_usize, instead in "\\PC{0,6}") {
        let end = (cut + length).min(FULL.len());
        let damaged = format!("{}{instead}{}", &FULL[..cut], &FULL[end..]);
        let problems = parse(Path::new("/nonexistent/x.toml"), &damaged, &Environment::default()).unwrap_err();
        prop_assert!(problems.count() > 0 && problems.render(true).contains("x.toml:"));
    }

    /// The law of secrets: what is in their files is shown nowhere.
    #[test]
    fn no_secret_is_shown(password in "[!-~]{8,30}", token in "[!-~]{16,40}") {
        let folder = folder_with(&password, &token);
        let config = format!("{:?}", parse_in(&folder, FULL).unwrap());
        let problems = parse_in(&folder, &FULL.replace("64", "0")).unwrap_err();
        let shown = format!("{config} {problems:?} {problems}");
        prop_assert!(!shown.contains(&password) && !shown.contains(&token));
    }
}
