//! `[notify]`.

use super::*;

const NOTIFY: &str = r#"
[notify]
webhook = "https://hooks.corp.example:8443/services/T0000/hunter2?x=1"
webhook_secret_file = "ldap-password"
webhook_ca_file = "corp-ca.pem"
email_to = ["ops@corp.example", "On call <oncall@corp.example>"]
email_from = "Seatsync <seatsync@corp.example>"
smtp = "smtp+starttls://mail.corp.example"
smtp_username = "seatsync"
smtp_password_credential = "ldap"
smtp_ca_file = "corp-ca.pem"
events = ["losses_held", "failing", "failing"]
"#;

fn with(notify: &str) -> String {
    format!("{LEAST}{notify}")
}

fn read(notify: &str) -> NotifyConfig {
    parse_in(&folder_with(PASSWORD), &with(notify)).unwrap().notify.unwrap()
}

#[test]
fn every_key_means_something_and_no_secret_is_shown() {
    let config = read(NOTIFY);
    let debug = format!("{config:?}");
    assert!(!debug.contains("hunter2") && !debug.contains(PASSWORD), "{debug}");
    let NotifyConfig { webhook, email, events } = config;
    let WebhookConfig { url, secret, ca_file } = webhook.unwrap();
    assert_eq!(url.expose_secret(), "https://hooks.corp.example:8443/services/T0000/hunter2?x=1");
    assert_eq!(secret.expose_secret(), PASSWORD);
    assert!(ca_file.unwrap().ends_with("corp-ca.pem"));
    let EmailConfig { to, from, smtp } = email.unwrap();
    assert_eq!(to, ["ops@corp.example", "On call <oncall@corp.example>"]);
    assert_eq!(from, "Seatsync <seatsync@corp.example>");
    assert_eq!(smtp.url(), "smtp+starttls://mail.corp.example:587");
    let SmtpLogin { username, password } = smtp.login.unwrap();
    assert_eq!((username.as_str(), password.expose_secret()), ("seatsync", PASSWORD));
    assert!(smtp.ca_file.unwrap().ends_with("corp-ca.pem"));
    assert_eq!(events, ["losses_held", "failing"]);
}

#[test]
fn one_way_is_enough_and_nobody_is_told_without_any() {
    let config = read("[notify]\nwebhook = \"http://127.0.0.1:9000\"\nwebhook_secret_credential = \"ldap\"\n");
    assert!(config.webhook.is_some() && config.email.is_none());
    assert_eq!(config.events, NOTIFY_EVENTS);
    let mail =
        "[notify]\nemail_to = [\"ops@corp.example\"]\nemail_from = \"s@corp.example\"\nsmtp = \"smtp://[::1]\"\n";
    let config = read(mail);
    assert!(config.webhook.is_none() && config.email.is_some());
    for nobody in ["", "[notify]\n"] {
        assert!(parse_in(&folder_with(PASSWORD), &with(nobody)).unwrap().notify.is_none());
    }
}

/// The starter configuration shows every key, and each as it can be written.
#[test]
fn the_example_is_right() {
    let example = include_str!("../../../config/seatsync.toml");
    let (_, section) = example.split_once("[notify]").unwrap();
    let (section, _) = section.split_once("[log]").unwrap();
    let is_key = |line: &&str| {
        line.split_once('=').is_some_and(|(key, _)| super::super::notify::KEYS_NOTIFY.contains(&key.trim()))
    };
    let lines: Vec<_> = section.lines().filter_map(|line| line.strip_prefix("# ")).filter(is_key).collect();
    assert_eq!(lines.len(), super::super::notify::KEYS_NOTIFY.len() - 2, "all but those of the files");
    let text = ["\"webhook\"", "\"smtp\""]
        .iter()
        .fold(lines.join("\n"), |text, name| text.replace(&format!("_credential = {name}"), "_credential = \"ldap\""))
        .replace("/etc/seatsync/corp-ca.pem", "corp-ca.pem");
    let config = read(&format!("[notify]\n{text}\n"));
    assert!(config.webhook.is_some() && config.email.is_some_and(|email| email.smtp.login.is_some()));
    assert_eq!(config.events.len(), NOTIFY_EVENTS.len());
}

#[test]
fn the_secret_is_checked_by_whom_the_caller_names() {
    let folder = folder_with(PASSWORD);
    let check_webhook_secret = |secret: &str| Err(format!("{} bytes are too few", secret.len()));
    let env = Environment {
        credentials_directory: Some(folder.path().to_owned()),
        check_webhook_secret,
        ..Environment::default()
    };
    let problems = parse(&folder.path().join("seatsync.toml"), &with(NOTIFY), &env).unwrap_err().to_string();
    assert!(problems.contains("cannot be signed with the webhook secret: 21 bytes are too few"), "{problems}");
    assert!(problems.contains("openssl rand -hex 32") && !problems.contains(PASSWORD), "{problems}");
}

/// All of it at once; what may be a secret is masked.
#[test]
fn what_is_wrong_is_shown_with_what_to_write() {
    let text = r#"
[notify]
webhook = "http://hooks.corp.example/services/hunter2"
webhook_secret = "hunter2"
email_to = ["ops", "grün@corp.example"]
smtp = "smtp://mail.corp.example"
smtp_pasword = "hunter2"
smtp_password_file = "ldap-password"
events = ["losses_hold", "weather"]
"#;
    insta::assert_snapshot!(shown(&with(text)), @r##"
    error: the webhook secret is missing in [notify]
      --> /etc/seatsync/seatsync.toml:13:2
       |
    13 | [notify]
       |  ^^^^^^
       |
       = help: add a line such as: webhook_secret_file = "/etc/seatsync/webhook-secret"   or webhook_secret_credential = "webhook" (systemd)

    error: `email_from` is missing in [notify]
      --> /etc/seatsync/seatsync.toml:13:2
       |
    13 | [notify]
       |  ^^^^^^
       |
       = help: add a line such as: email_from = "Seatsync <seatsync@corp.example>"

    error: this URL would send what happens here in clear text
      --> /etc/seatsync/seatsync.toml:14:11
       |
    14 | webhook = ********
       |           ^^^^^^^^
       |
       = help: write https://; only to this machine http:// is possible

    error: unknown key `webhook_secret` in [notify]
      --> /etc/seatsync/seatsync.toml:15:1
       |
    15 | webhook_secret = ********
       | ^^^^^^^^^^^^^^ a secret never stands in this file
       |
       = help: write the secret into a file of its own and name it: webhook_secret_file = "/etc/seatsync/webhook-secret"

    error: "ops" is not a mail address
      --> /etc/seatsync/seatsync.toml:16:13
       |
    16 | email_to = ["ops", "grün@corp.example"]
       |             ^^^^^
       |
       = help: an address, with a name if you like: "Operations <ops@corp.example>"

    error: "grün@corp.example" is not ASCII, which not every mail server takes
      --> /etc/seatsync/seatsync.toml:16:20
       |
    16 | email_to = ["ops", "grün@corp.example"]
       |                    ^^^^^^^^^^^^^^^^^^^
       |
       = help: write a domain in another script as xn--…, and take another address for such a name

    error: this URL would send the password in clear text
      --> /etc/seatsync/seatsync.toml:17:8
       |
    17 | smtp = "smtp://mail.corp.example"
       |        ^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: write smtp+starttls:// or smtps://, or leave smtp_username and password out

    error: unknown key `smtp_pasword` in [notify]
      --> /etc/seatsync/seatsync.toml:18:1
       |
    18 | smtp_pasword = ********
       | ^^^^^^^^^^^^ a secret never stands in this file
       |
       = help: write the secret into a file of its own and name it: smtp_password_file = "/etc/seatsync/smtp-password"

    error: a password without `smtp_username`
      --> /etc/seatsync/seatsync.toml:19:1
       |
    19 | smtp_password_file = ********
       | ^^^^^^^^^^^^^^^^^^
       |
       = help: add a line such as: smtp_username = "seatsync"

    error: cannot read the secret: no such file
      --> /etc/seatsync/seatsync.toml:19:22
       |
    19 | smtp_password_file = ********
       |                      ^^^^^^^^ the value is not shown in case it is the password itself
       |
       = help: write the password into a file of its own (chmod 600) and its path here: smtp_password_file = "/etc/seatsync/smtp-password"

    error: "losses_hold" is not a kind of news
      --> /etc/seatsync/seatsync.toml:20:11
       |
    20 | events = ["losses_hold", "weather"]
       |           ^^^^^^^^^^^^^
       |
       = help: did you mean "losses_held"?

    error: "weather" is not a kind of news
      --> /etc/seatsync/seatsync.toml:20:26
       |
    20 | events = ["losses_hold", "weather"]
       |                          ^^^^^^^^^
       |
       = help: one of: losses_held, failing, recovered, configuration_rejected, configuration_accepted, expiring

    12 problems in /etc/seatsync/seatsync.toml
    "##);
}

/// Keys of a way that is not taken.
#[test]
fn what_goes_with_nothing_is_told() {
    let text = r#"
[notify]
webhook_ca_file = "corp-ca.pem"
smtp = "smtp://127.0.0.1"
events = []
"#;
    insta::assert_snapshot!(shown(&with(text)), @r##"
    error: [notify] names nobody to tell
      --> /etc/seatsync/seatsync.toml:13:2
       |
    13 | [notify]
       |  ^^^^^^
       |
       = help: add a line such as: webhook = "https://hooks.corp.example/seatsync"   or: email_to = ["ops@corp.example"]

    error: `webhook_ca_file` goes only with `webhook`
      --> /etc/seatsync/seatsync.toml:14:1
       |
    14 | webhook_ca_file = "corp-ca.pem"
       | ^^^^^^^^^^^^^^^
       |
       = help: add a line such as: webhook = "https://hooks.corp.example/seatsync"

    error: `smtp` goes only with `email_to`
      --> /etc/seatsync/seatsync.toml:15:1
       |
    15 | smtp = "smtp://127.0.0.1"
       | ^^^^
       |
       = help: add a line such as: email_to = ["ops@corp.example"]

    error: `events` lists nothing to tell of
      --> /etc/seatsync/seatsync.toml:16:10
       |
    16 | events = []
       |          ^^
       |
       = help: leave the line out to be told of everything

    4 problems in /etc/seatsync/seatsync.toml
    "##);
}

#[test]
fn no_url_of_a_webhook_is_shown_however_wrong_it_is() {
    for wrong in [
        "webhook = \"ftp://hooks.corp.example/hunter2\"",
        "webhook = \"hooks.corp.example/hunter2\"",
        "webhook = \"https://\\u00e9/hunter2\"",
        "webhook = \"https://me:hunter2@hooks.corp.example/\"",
        "webhook = \"https://hooks.corp.example/hunter2 \\u00e9\"",
        "webhook = \"https://hooks.corp.example/#hunter2\"",
        "webhook = [\"https://hooks.corp.example/hunter2\"]",
        "webhook = https://hooks.corp.example/hunter2",
        "webhok = \"https://hooks.corp.example/hunter2\"",
        "webhook_url = \"https://hooks.corp.example/hunter2\"",
        "web_hook = \"https://hooks.corp.example/hunter2\"",
        "url = \"https://hooks.corp.example\"\nwebhook = \"https://hooks.corp.example:0/hunter2\"",
    ] {
        // The helper looks for the word.
        shown(&with(&format!("[notify]\n{wrong}\nwebhook_secret_credential = \"ldap\"\n")));
    }
}
