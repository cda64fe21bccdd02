//! Handing messages to a mail server.
//!
//! The commands are sent one by one, because only the place where a refusal comes tells whose fault it is: the recipient's
//! is for ever, the server's or the settings' is until somebody mends them.
//!
//! Deliberately absent: OAuth, client certificates, TLS "if possible" (who can take it away would read the links).

use super::{SmtpCredentials, SmtpError, SmtpSettings, UnusableMail};
use lettre::Message;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use secrecy::ExposeSecret;
use std::error::Error as _;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The port of `smtp://`.
pub const SMTP_PORT: u16 = 25;
/// The port of `smtp+starttls://`.
pub const SUBMISSION_PORT: u16 = 587;
/// The port of `smtps://`.
pub const SMTPS_PORT: u16 = 465;

/// Longest time an unused connection is kept for the next message, in seconds. Mail servers close them after minutes.
const IDLE_SECONDS_MAX: u64 = 30;
/// Most of a mail server's answer that is repeated in a message, in characters.
const ANSWER_CHARS_MAX: usize = 300;

/// A mail server, and one connection to it that is kept between messages.
pub struct Smtp {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<SmtpCredentials>,
    /// Who we say we are: the domain of the sender.
    hello: ClientId,
    timeout: Duration,
    idle: Mutex<Option<(AsyncSmtpConnection, Instant)>>,
}

/// When TLS begins.
enum Security {
    /// Never.
    Clear,
    /// After a command in the clear.
    StartTls(TlsParameters),
    /// With the first byte.
    Wrapped(TlsParameters),
}

/// What was being done when something went wrong.
#[derive(Clone, Copy)]
enum Step {
    Connect,
    SignIn,
    Sender,
    Recipient,
    Content,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Smtp {
    /// Checks the settings and reads the certificates; connects to nothing.
    ///
    /// # Errors
    /// For settings with which no mail can leave.
    pub fn new(settings: &SmtpSettings, hello: &str, timeout: Duration) -> Result<Self, UnusableMail> {
        let Place { scheme, host, port } = place(&settings.url)?;
        let ca_file = settings.ca_file.as_deref();
        let security = match scheme {
            Scheme::Smtp => Security::Clear,
            Scheme::StartTls => Security::StartTls(trust(&host, ca_file)?),
            Scheme::Smtps => Security::Wrapped(trust(&host, ca_file)?),
        };
        if matches!(security, Security::Clear) && ca_file.is_some() {
            return Err(unusable(&settings.url, "ca_file is given, but smtp:// has no TLS", USE_TLS));
        }
        if matches!(security, Security::Clear) && settings.credentials.is_some() && !is_here(&host) {
            return Err(unusable(&settings.url, "the password would travel in the clear", USE_TLS));
        }
        let credentials = settings.credentials.clone();
        let hello = ClientId::Domain(hello.to_owned());
        Ok(Self { host, port, security, credentials, hello, timeout, idle: Mutex::new(None) })
    }

    /// Hands one message over; when this returns, the mail server has taken it on. A message whose fate is unknown counts as
    /// `Temporary`.
    ///
    /// # Errors
    /// See [`SmtpError`].
    pub async fn send(&self, message: &Message) -> Result<(), SmtpError> {
        match tokio::time::timeout(self.timeout, self.deliver(message)).await {
            Ok(delivered) => delivered,
            Err(_) => Err(self.too_slow("did not take a message")),
        }
    }

    fn too_slow(&self, what: &str) -> SmtpError {
        let (host, port, seconds) = (&self.host, self.port, self.timeout.as_secs_f64());
        SmtpError::Temporary { message: format!("mail server {host}:{port} {what} within {seconds} s") }
    }

    /// Whether the mail server can be reached, with TLS and credentials as configured; no message is sent.
    ///
    /// # Errors
    /// `Temporary`, always.
    pub async fn reach(&self) -> Result<(), SmtpError> {
        let reached = tokio::time::timeout(self.timeout, async {
            let mut connection = self.connect().await?;
            // It said what we wanted to know; whether it also says good-bye does not matter.
            _ = connection.quit().await;
            Ok(())
        });
        reached.await.unwrap_or_else(|_| Err(self.too_slow("did not answer")))
    }

    async fn deliver(&self, message: &Message) -> Result<(), SmtpError> {
        let mut connection = match self.kept() {
            Some(mut connection) => match connection.test_connected().await {
                true => connection,
                false => self.connect().await?,
            },
            None => self.connect().await?,
        };
        let delivered = self.hand_over(&mut connection, message).await;
        match delivered {
            Ok(()) => self.keep(connection),
            Err(_) => connection.abort().await,
        }
        delivered
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let wrapped = match &self.security {
            Security::Wrapped(trust) => Some(trust.clone()),
            Security::Clear | Security::StartTls(_) => None,
        };
        let address = (self.host.as_str(), self.port);
        let connecting = AsyncSmtpConnection::connect_tokio1(address, Some(self.timeout), &self.hello, wrapped, None);
        let mut connection = connecting.await.map_err(|error| self.failed(Step::Connect, &error))?;
        if let Security::StartTls(trust) = &self.security {
            let started = connection.starttls(trust.clone(), &self.hello).await;
            started.map_err(|error| self.failed(Step::Connect, &error))?;
        }
        if let Some(SmtpCredentials { username, password }) = &self.credentials {
            let credentials = Credentials::new(username.clone(), password.expose_secret().to_owned());
            let signed_in = connection.auth(DEFAULT_MECHANISMS, &credentials).await;
            signed_in.map_err(|error| self.failed(Step::SignIn, &error))?;
        }
        Ok(connection)
    }

    async fn hand_over(&self, connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), SmtpError> {
        let envelope = message.envelope();
        let mut parameters = Vec::new();
        if !envelope.to().iter().all(|recipient| AsRef::<str>::as_ref(recipient).is_ascii()) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(SmtpError::Permanent {
                    message: format!(
                        "mail server {}:{} cannot send to an address that is not ASCII (it has no SMTPUTF8); use \
                         another address of that person",
                        self.host, self.port
                    ),
                });
            }
            // RFC 6531 3.1: who has the first has the second.
            parameters.push(MailParameter::SmtpUtfEight);
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let sender = connection.command(Mail::new(envelope.from().cloned(), parameters)).await;
        sender.map_err(|error| self.failed(Step::Sender, &error))?;
        for recipient in envelope.to() {
            let accepted = connection.command(Rcpt::new(recipient.clone(), Vec::new())).await;
            accepted.map_err(|error| self.failed(Step::Recipient, &error))?;
        }
        connection.command(Data).await.map_err(|error| self.failed(Step::Content, &error))?;
        connection.message(&message.formatted()).await.map_err(|error| self.failed(Step::Content, &error))?;
        Ok(())
    }

    /// The connection of the message before, if it may still be there.
    fn kept(&self) -> Option<AsyncSmtpConnection> {
        let (connection, since) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        (since.elapsed() < Duration::from_secs(IDLE_SECONDS_MAX)).then_some(connection)
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some((connection, Instant::now()));
    }

    fn failed(&self, step: Step, error: &Error) -> SmtpError {
        let server = format!("mail server {}:{}", self.host, self.port);
        let answer = answer(error);
        let code = error.status().map(|code| code.to_string()).unwrap_or_default();
        let text = error.source().map(ToString::to_string).unwrap_or_default();
        let temporary = |message: String| SmtpError::Temporary { message };
        match step {
            Step::Connect => temporary(format!("{server} cannot be reached: {answer}; see whether it runs there")),
            Step::SignIn => temporary(format!("{server} does not let us sign in: {answer}; look at the credentials")),
            Step::Sender => temporary(format!("{server} does not take mail from our sender: {answer}")),
            Step::Recipient if error.is_permanent() && is_about_us(&code, &text) => {
                temporary(format!("{server} does not send for us: {answer}; look at the credentials and the sender"))
            }
            Step::Recipient if error.is_permanent() => {
                SmtpError::Permanent { message: format!("{server} refuses the recipient: {answer}") }
            }
            Step::Content if error.is_permanent() => {
                SmtpError::Permanent { message: format!("{server} refuses the message: {answer}") }
            }
            Step::Recipient => temporary(format!("{server} does not take mail to the recipient now: {answer}")),
            Step::Content => temporary(format!("{server} did not take the message: {answer}")),
        }
    }
}

/// Whether a refused recipient is refused because of us. Postfix, for one, tells only here what it has against the client or
/// the sender. By RFC 3463: 5.7.x is security and policy ("relaying denied" is), 5.5.x a command it does not like, 5.1.7 and
/// 5.1.8 the sender's address; by RFC 5321 and 4954: 50x a command, 530 authentication.
fn is_about_us(code: &str, text: &str) -> bool {
    let enhanced = text.trim_start();
    match enhanced.starts_with("5.") {
        true => ["5.7.", "5.5.", "5.1.7 ", "5.1.8 "].iter().any(|ours| enhanced.starts_with(ours)),
        false => code.starts_with("50") || code == "530",
    }
}

/// What the mail server said, or what became of the connection, in one line.
fn answer(error: &Error) -> String {
    let line: String = error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() > ANSWER_CHARS_MAX {
        return line.chars().take(ANSWER_CHARS_MAX).chain(['\u{2026}']).collect();
    }
    line
}

const USE_TLS: &str = "write smtps:// or smtp+starttls://";

struct Place {
    scheme: Scheme,
    host: String,
    port: u16,
}

enum Scheme {
    Smtp,
    StartTls,
    Smtps,
}

/// Takes the address of a mail server apart.
fn place(url: &str) -> Result<Place, UnusableMail> {
    let example = "write it like smtps://mail.example.com";
    let uri: http::Uri = url.parse().map_err(|error| unusable(url, &format!("{error}"), example))?;
    let (scheme, default_port) = match uri.scheme_str() {
        Some("smtp") => (Scheme::Smtp, SMTP_PORT),
        Some("smtp+starttls") => (Scheme::StartTls, SUBMISSION_PORT),
        Some("smtps") => (Scheme::Smtps, SMTPS_PORT),
        _ => return Err(unusable(url, "it begins with none of smtp://, smtp+starttls://, smtps://", example)),
    };
    let authority = uri.authority().ok_or_else(|| unusable(url, "it has no host", example))?;
    if authority.as_str().contains('@') {
        return Err(unusable(url, "it has credentials in it", "give the name and the password on their own"));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(unusable(url, "there is something behind the host", example));
    }
    let has_port = authority.as_str().len() > authority.host().len();
    let port = match authority.port_u16() {
        Some(port) if port > 0 => port,
        None if !has_port => default_port,
        _ => return Err(unusable(url, "its port is none", example)),
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    if host.is_empty() {
        return Err(unusable(url, "it has no host", example));
    }
    Ok(Place { scheme, host, port })
}

/// Whom to believe that it is `host`: the certificates in that file, else those of the system.
fn trust(host: &str, ca_file: Option<&Path>) -> Result<TlsParameters, UnusableMail> {
    let mut builder = TlsParametersBuilder::new(host.to_owned());
    if let Some(path) = ca_file {
        let unreadable = |reason: String| UnusableMail {
            message: format!("no certificates to trust are in {}: {reason}; it must be PEM", path.display()),
        };
        let pem = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        if !pem.windows(BEGIN_CERTIFICATE.len()).any(|window| window == BEGIN_CERTIFICATE) {
            return Err(unreadable("it has none".to_owned()));
        }
        let certificates = Certificate::from_pem(&pem).map_err(|error| unreadable(error.to_string()))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificates);
    }
    builder
        .build_rustls()
        .map_err(|error| UnusableMail { message: format!("TLS to mail server {host} cannot be set up: {error}") })
}

const BEGIN_CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What stands before an `@` is not shown: it may be a password.
fn unusable(url: &str, reason: &str, help: &str) -> UnusableMail {
    let shown = url.rsplit_once('@').map_or_else(|| url.to_owned(), |(_, host)| format!("\u{2026}@{host}"));
    UnusableMail { message: format!("no mail can be sent by {shown:?}: {reason}; {help}") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn settings(url: &str) -> SmtpSettings {
        SmtpSettings { url: url.to_owned(), credentials: None, ca_file: None }
    }

    fn opened(settings: &SmtpSettings) -> Result<Smtp, String> {
        Smtp::new(settings, "example.com", Duration::from_secs(1)).map_err(|unusable| unusable.message)
    }

    #[test]
    fn each_scheme_has_its_port() {
        for (url, host, port) in [
            ("smtp://mail.example.com", "mail.example.com", 25),
            ("smtp+starttls://mail.example.com/", "mail.example.com", 587),
            ("smtps://mail.example.com", "mail.example.com", 465),
            ("smtp://127.0.0.1:2525", "127.0.0.1", 2525),
            ("smtp://[::1]:2525", "::1", 2525),
            ("smtp://[::1]", "::1", 25),
        ] {
            let smtp = opened(&settings(url)).unwrap();
            assert_eq!((smtp.host.as_str(), smtp.port), (host, port), "{url}");
        }
    }

    #[test]
    fn what_is_no_mail_server_is_told_with_a_way_out() {
        for (url, reason) in [
            ("mail.example.com", "it begins with none of"),
            ("http://mail.example.com", "it begins with none of"),
            ("", "empty string"),
            ("smtp://", ""),
            ("smtp://mail.example.com:0", "its port is none"),
            ("smtp://mail.example.com:99999", ""),
            ("smtp://mail.example.com:", "its port is none"),
            ("smtp://mail.example.com/inbox", "there is something behind the host"),
            ("smtp://mail.example.com?x=1", "there is something behind the host"),
            ("smtps://me:hunter2@mail.example.com", "it has credentials in it"),
            ("smtps://me:hunter2@mail example.com", "invalid uri character"),
            ("smtps://me:hunter2\n@mail.example.com:0", "invalid uri character"),
        ] {
            let message = opened(&settings(url)).unwrap_err();
            assert!(message.contains(reason), "{url}: {message}");
            assert!(message.starts_with("no mail can be sent by "), "{url}: {message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn a_recipient_refused_because_of_us_is_told_apart() {
        for (code, text, expected) in [
            ("550", "5.1.1 <a@b.c>: Recipient address rejected: User unknown", false),
            ("550", "5.1.10 recipient not found", false),
            ("552", "5.2.2 mailbox full", false),
            ("553", "5.1.3 bad address syntax", false),
            ("550", "No such user here", false),
            ("554", "no valid recipients", false),
            ("554", "5.7.1 <a@b.c>: Relay access denied", true),
            ("553", "5.7.1 <seats@b.c>: Sender address rejected: not owned by user", true),
            ("550", "5.1.8 <seats@b.c>: Sender address rejected: Domain not found", true),
            ("504", "5.5.2 <x>: Helo command rejected: need fully-qualified hostname", true),
            ("503", "need MAIL first", true),
            ("530", "Authentication required", true),
        ] {
            assert_eq!(is_about_us(code, text), expected, "{code} {text}");
        }
    }

    #[test]
    fn a_password_does_not_travel_in_the_clear() {
        let credentials = SmtpCredentials { username: "seats".to_owned(), password: "hunter2".to_owned().into() };
        let with = |url: &str| SmtpSettings { credentials: Some(credentials.clone()), ..settings(url) };
        let message = opened(&with("smtp://mail.example.com")).unwrap_err();
        assert!(message.contains("the password would travel in the clear"), "{message}");
        for url in ["smtp://127.0.0.1", "smtp://localhost", "smtp://[::1]", "smtps://mail.example.com"] {
            let smtp = opened(&with(url)).unwrap();
            assert!(!format!("{smtp:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_file_without_certificates_is_told_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let with_file = SmtpSettings { ca_file: Some(path.clone()), ..settings("smtps://mail.example.com") };
        assert!(opened(&with_file).unwrap_err().starts_with("no certificates to trust are in "));
        for bytes in [&b""[..], b"nothing", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&path, bytes).unwrap();
            assert!(opened(&with_file).is_err(), "{bytes:?}");
        }
        let in_the_clear = SmtpSettings { ca_file: Some(path), ..settings("smtp://mail.example.com") };
        assert!(opened(&in_the_clear).unwrap_err().contains("smtp:// has no TLS"));
    }
}
