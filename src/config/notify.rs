//! `[notify]`: who is told when something needs a person.

use super::diagnose::{Complaint, Found, Problem};
use super::directory::certificates;
use super::ground::Ground;
use super::raw::{Section, Text};
use super::secret::{self, NOTIFY_SMTP_PASSWORD, WEBHOOK_SECRET};
use super::url::{self, UrlForm};
use super::{SmtpConfig, smtp, value};
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;

/// Most recipients of a message: for more there are mailing lists.
pub const NOTIFY_RECIPIENTS_MAX: usize = 20;
/// The longest URL of a webhook, in bytes.
const URL_BYTES_MAX: usize = 2_000;

/// The kinds of news, as they are written.
pub const NOTIFY_EVENTS: [&str; 6] =
    ["losses_held", "failing", "recovered", "configuration_rejected", "configuration_accepted", "expiring"];

const WITH_WEBHOOK: &[&str] = &[WEBHOOK_SECRET.file, WEBHOOK_SECRET.credential, "webhook_ca_file"];
const WITH_EMAIL: &[&str] = &[
    "email_from",
    "smtp",
    "smtp_username",
    NOTIFY_SMTP_PASSWORD.file,
    NOTIFY_SMTP_PASSWORD.credential,
    "smtp_ca_file",
];

/// The keys.
pub(super) const KEYS_NOTIFY: &[&str] = &[
    "webhook",
    WEBHOOK_SECRET.file,
    WEBHOOK_SECRET.credential,
    "webhook_ca_file",
    "email_to",
    "email_from",
    "smtp",
    "smtp_username",
    NOTIFY_SMTP_PASSWORD.file,
    NOTIFY_SMTP_PASSWORD.credential,
    "smtp_ca_file",
    "events",
];

/// How `[notify]` names its mail server.
const SMTP_KEYS: smtp::Keys = smtp::Keys {
    username: "smtp_username",
    password: &NOTIFY_SMTP_PASSWORD,
    ca_file: "smtp_ca_file",
    username_example: "\"seatsync\"",
    ca_file_example: "\"/etc/seatsync/corp-ca.pem\"",
};

const WEBHOOK_EXAMPLE: &str = "\"https://hooks.corp.example/seatsync\"";
const EMAIL_EXAMPLE: &str = "[\"ops@corp.example\"]";

const WEBHOOK: UrlForm = UrlForm {
    what: "a webhook",
    secure: "https",
    clear: "http",
    example: "such as: \"https://hooks.corp.example/seatsync\"",
    instead: "the receiver knows our messages by their signature: write webhook_secret_file",
    has_path: false,
};

/// `[notify]`: at least one of the two ways.
#[derive(Clone, Debug)]
pub struct NotifyConfig {
    /// The webhook.
    pub webhook: Option<WebhookConfig>,
    /// The mail.
    pub email: Option<EmailConfig>,
    /// What is told of: one or more of [`NOTIFY_EVENTS`].
    pub events: Vec<&'static str>,
}

/// A webhook.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// `https://…`, or `http://…` on this machine. Its path is often a secret of its own.
    pub url: SecretString,
    /// What messages are signed with: `whsec_` and base64, or any other text.
    pub secret: SecretString,
    /// PEM certificates to trust instead of the system's roots.
    pub ca_file: Option<PathBuf>,
}

/// Mail.
#[derive(Clone, Debug)]
pub struct EmailConfig {
    /// To whom, at least one; as the sender.
    pub to: Vec<String>,
    /// The sender, as RFC 5322 writes it, in ASCII.
    pub from: String,
    /// The mail server.
    pub smtp: SmtpConfig,
}

/// Reads `[notify]`; `None` when it is absent, empty or wrong, and the latter is noted.
pub(super) fn notify(section: Option<Section<'_>>, ground: &Ground<'_>, found: &mut Found) -> Option<NotifyConfig> {
    let section = section?;
    ground.only(&section, KEYS_NOTIFY, found);
    let webhook = webhook(&section, ground, found);
    let email = email(&section, ground, found);
    let events = events(&section, found);
    let is_told = section.has("webhook") || section.has("email_to");
    if !is_told && section.has("events") {
        let problem = Problem::missing(section.at.clone(), "[notify] names nobody to tell");
        found.add(
            problem.help(format!("add a line such as: webhook = {WEBHOOK_EXAMPLE}   or: email_to = {EMAIL_EXAMPLE}")),
        );
    }
    (webhook.is_some() || email.is_some()).then_some(NotifyConfig { webhook, email, events })
}

fn webhook(section: &Section<'_>, ground: &Ground<'_>, found: &mut Found) -> Option<WebhookConfig> {
    if !section.has("webhook") {
        goes_only_with(section, WITH_WEBHOOK, "webhook", WEBHOOK_EXAMPLE, found);
        return None;
    }
    let text = section.text("webhook", WEBHOOK_EXAMPLE, found);
    let url = text.and_then(|text| webhook_url(&text, found));
    let secret = secret::of(section, ground, &WEBHOOK_SECRET, true, found);
    let secret = secret.and_then(|secret| usable(secret, section, ground, found));
    let ca_file = section.text("webhook_ca_file", "\"/etc/seatsync/corp-ca.pem\"", found);
    let ca_file = ca_file.and_then(|text| certificates(&text, ground, found));
    Some(WebhookConfig { url: url?, secret: secret?, ca_file })
}

/// The URL, whose path may be all that keeps others from writing to it: it is shown nowhere.
fn webhook_url(text: &Text<'_>, found: &mut Found) -> Option<SecretString> {
    let url = text.get_ref().trim();
    let start = url.find("://").map_or(0, |at| at + "://".len());
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |length| start + length);
    let (server, behind) = url.split_at(end);
    let problem = match url::check(server, &WEBHOOK) {
        Err(complaint) => {
            found.complain(text.span(), complaint);
            return None;
        }
        Ok(_) if url.len() > URL_BYTES_MAX || !url.bytes().all(|byte| byte.is_ascii_graphic()) => {
            let title = format!("the URL of a webhook has at most {URL_BYTES_MAX} characters, all of them ASCII");
            Problem::wrong(text.span(), title).help("write others as percent signs and hexadecimal digits: %20")
        }
        Ok(_) if behind.contains('#') => {
            Problem::wrong(text.span(), "the URL of a webhook has no #").help("leave out # and what stands behind it")
        }
        Ok(url) if !url.is_secure && !url.is_loopback => {
            Problem::wrong(text.span(), "this URL would send what happens here in clear text")
                .help("write https://; only to this machine http:// is possible")
        }
        Ok(_) => return Some(url.to_owned().into()),
    };
    found.add(problem);
    None
}

/// A secret with which messages can be signed. What is wrong with it is said without showing it.
fn usable(secret: SecretString, section: &Section<'_>, ground: &Ground<'_>, found: &mut Found) -> Option<SecretString> {
    let Err(why) = (ground.env.check_webhook_secret)(secret.expose_secret()) else { return Some(secret) };
    let keys = [WEBHOOK_SECRET.file, WEBHOOK_SECRET.credential];
    let at = keys.iter().find_map(|key| section.entry(key)).map_or(section.at.clone(), |(_, written)| written.span());
    let problem = Problem::wrong(at, format!("messages cannot be signed with the webhook secret: {why}"));
    found.add(problem.help("take the receiver's (whsec_…), or a random one that it gets too: openssl rand -hex 32"));
    None
}

fn email(section: &Section<'_>, ground: &Ground<'_>, found: &mut Found) -> Option<EmailConfig> {
    if !section.has("email_to") {
        goes_only_with(section, WITH_EMAIL, "email_to", EMAIL_EXAMPLE, found);
        return None;
    }
    section.need("email_from", "\"Seatsync <seatsync@corp.example>\"", found);
    section.need("smtp", "\"smtp+starttls://mail.corp.example:587\"", found);
    let to = recipients(section, found);
    let from = section.parsed("email_from", "\"Seatsync <seatsync@corp.example>\"", address, found);
    let smtp = smtp::smtp(section, &SMTP_KEYS, ground, found);
    Some(EmailConfig { to: to?, from: from?, smtp: smtp? })
}

fn recipients(section: &Section<'_>, found: &mut Found) -> Option<Vec<String>> {
    let texts = section.texts("email_to", EMAIL_EXAMPLE, found)?;
    let (_, written) = section.entry("email_to")?;
    let count = written.get_ref().as_array().map_or(0, |list| list.len());
    if count == 0 || count > NOTIFY_RECIPIENTS_MAX {
        let problem = Problem::wrong(written.span(), format!("`email_to` lists {count} addresses"));
        found.add(problem.help(format!("1 to {NOTIFY_RECIPIENTS_MAX} are possible; for more, make a mailing list")));
        return None;
    }
    let mut to = Vec::with_capacity(count);
    for text in texts {
        match address(text.get_ref()) {
            Ok(address) => to.push(address),
            Err(complaint) => found.complain(text.span(), complaint),
        }
    }
    (to.len() == count).then_some(to)
}

/// An address that every mail server takes.
fn address(text: &str) -> Result<String, Complaint> {
    let address = smtp::mailbox(text).map_err(|_| {
        Complaint::new(format!("{text:?} is not a mail address"))
            .help("an address, with a name if you like: \"Operations <ops@corp.example>\"")
    })?;
    let is_ascii = |text: &str| text.rsplit('<').next().is_some_and(str::is_ascii);
    if is_ascii(&address) {
        return Ok(address);
    }
    Err(Complaint::new(format!("{text:?} is not ASCII, which not every mail server takes"))
        .help("write a domain in another script as xn--…, and take another address for such a name"))
}

fn events(section: &Section<'_>, found: &mut Found) -> Vec<&'static str> {
    let all = NOTIFY_EVENTS.map(|word| (word, word));
    let Some(texts) = section.texts("events", "[\"losses_held\", \"failing\"]", found) else {
        return NOTIFY_EVENTS.to_vec();
    };
    if let Some((_, written)) = section.entry("events").filter(|_| texts.is_empty()) {
        let problem = Problem::wrong(written.span(), "`events` lists nothing to tell of");
        found.add(problem.help("leave the line out to be told of everything"));
    }
    let mut events = Vec::new();
    for text in texts {
        match value::one_of("a kind of news", text.get_ref(), &all) {
            Ok(event) if events.contains(&event) => {}
            Ok(event) => events.push(event),
            Err(complaint) => found.complain(text.span(), complaint),
        }
    }
    events
}

/// Notes keys that mean nothing without another.
fn goes_only_with(section: &Section<'_>, keys: &[&str], with: &str, example: &str, found: &mut Found) {
    for (key, span) in section.keys().filter(|(key, _)| keys.contains(key)) {
        let problem = Problem::wrong(span, format!("`{key}` goes only with `{with}`"));
        found.add(problem.help(format!("add a line such as: {with} = {example}")));
    }
}
