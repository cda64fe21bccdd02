//! Messages by mail.
//!
//! Each recipient gets a delivery of its own of the same message, so that one who is refused costs the others nothing.

use super::NotifyError;
use super::message::{Message, masked};
use crate::smtp::{Sender, Smtp, SmtpError, SmtpSettings};
use backon::{BackoffBuilder, ExponentialBuilder};
use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes};
use std::time::{Duration, SystemTime};
use tokio::time::sleep;
use uuid::Uuid;

/// For one delivery, from the connection to the mail server's last word.
const DELIVERY_TIME: Duration = Duration::from_secs(30);
/// Most attempts for one message.
pub const ATTEMPTS_MAX: u32 = 3;
/// The wait before the second attempt.
const DELAY_MIN: Duration = Duration::from_secs(2);
/// How much longer the next wait is: servers that put strangers off (greylisting) do so for about a minute.
const DELAY_FACTOR: f32 = 30.0;
/// Most recipients of a message: for more there are mailing lists.
pub const RECIPIENTS_MAX: usize = 20;
/// Most of an error that is repeated, in characters.
const WHY_CHARS_MAX: usize = 500;

/// Who is told by mail, and how it leaves.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// The sender: `seats@example.com`, or `Seats <seats@example.com>`.
    pub from: String,
    /// The recipients, each like the sender; at most [`RECIPIENTS_MAX`].
    pub to: Vec<String>,
    /// The mail server.
    pub smtp: SmtpSettings,
}

/// A mail server and who is told by it.
#[derive(Debug)]
pub(super) struct Mail {
    smtp: Smtp,
    server: String,
    from: Sender,
    to: Vec<Mailbox>,
}

impl Mail {
    /// Checks the settings; connects to nothing.
    pub(super) fn open(settings: &MailSettings) -> Result<Self, NotifyError> {
        let MailSettings { from, to, smtp } = settings;
        let unusable = |message: String| NotifyError::Unusable { message };
        let server = smtp.url.clone();
        let from = Sender::parse(from).map_err(|error| unusable(error.message))?;
        let smtp = Smtp::new(smtp, from.domain(), DELIVERY_TIME).map_err(|error| unusable(error.message))?;
        let to: Vec<Mailbox> = to
            .iter()
            .map(|text| Sender::parse(text).map(|parsed| parsed.mailbox().clone()))
            .collect::<Result<_, _>>()
            .map_err(|_| unusable("a recipient of mail is not an address; write it like ops@example.com".to_owned()))?;
        if to.is_empty() || to.len() > RECIPIENTS_MAX {
            return Err(unusable(format!("mail has {} recipients, and 1 to {RECIPIENTS_MAX} are possible", to.len())));
        }
        Ok(Self { smtp, server, from, to })
    }

    /// Hands one message over for all recipients, in that many attempts at most.
    pub(super) async fn send(&self, message: &Message, attempts_max: u32) -> Result<(), NotifyError> {
        let letter = Letter { id: Uuid::new_v4(), date: SystemTime::now() };
        let mut delays = ExponentialBuilder::new()
            .with_min_delay(DELAY_MIN)
            .with_factor(DELAY_FACTOR)
            .with_max_times(usize::MAX)
            .build();
        let (mut waiting, mut refused, mut attempt) = (self.to.iter().collect::<Vec<_>>(), Vec::new(), 1);
        loop {
            let (mut again, mut last) = (Vec::new(), String::new());
            for to in waiting {
                match self.deliver(&letter, message, to).await {
                    Ok(()) => {}
                    Err(SmtpError::Permanent { message }) => refused.push(message),
                    Err(SmtpError::Temporary { message }) => {
                        again.push(to);
                        last = message;
                    }
                }
            }
            if again.is_empty() || attempt >= attempts_max {
                refused.extend(again.iter().map(|_| last.clone()));
                return self.outcome(&refused, attempt);
            }
            let delay = delays.next().unwrap_or(DELAY_MIN);
            let why = masked(&last, WHY_CHARS_MAX);
            tracing::debug!(attempt, delay_ms = delay.as_millis(), "a mail is tried again: {why}");
            sleep(delay).await;
            (waiting, attempt) = (again, attempt + 1);
        }
    }

    /// Whether the mail server can be reached, and lets us sign in.
    pub(super) async fn reach(&self) -> Result<String, NotifyError> {
        match self.smtp.reach().await {
            Ok(()) => Ok(format!("{} answers", self.server)),
            Err(error) => Err(NotifyError::Undelivered { message: masked(&error.to_string(), WHY_CHARS_MAX) }),
        }
    }

    /// What may be shown of where messages go.
    pub(super) fn place(&self) -> String {
        let many = if self.to.len() == 1 { "" } else { "s" };
        format!("{} recipient{many} by {}", self.to.len(), self.server)
    }

    fn outcome(&self, refused: &[String], attempts: u32) -> Result<(), NotifyError> {
        let Some(last) = refused.last() else { return Ok(()) };
        let whom = match (refused.len(), self.to.len()) {
            (few, all) if few < all => format!("{few} of {all} recipients"),
            (_, 1) => "the recipient".to_owned(),
            (_, all) => format!("any of {all} recipients"),
        };
        let times = if attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") };
        Err(NotifyError::Undelivered {
            message: format!("the mail did not leave for {whom} in {times}: {}", masked(last, WHY_CHARS_MAX)),
        })
    }

    async fn deliver(&self, letter: &Letter, message: &Message, to: &Mailbox) -> Result<(), SmtpError> {
        let written = self
            .written(letter, message, to)
            .map_err(|error| SmtpError::Permanent { message: format!("the mail cannot be written: {error}") })?;
        self.smtp.send(&written).await
    }

    fn written(
        &self,
        letter: &Letter,
        message: &Message,
        to: &Mailbox,
    ) -> Result<lettre::Message, lettre::error::Error> {
        let Letter { id, date } = letter;
        let all: Mailboxes = self.to.iter().cloned().collect();
        lettre::Message::builder()
            .envelope(Envelope::new(Some(self.from.mailbox().email.clone()), vec![to.email.clone()])?)
            .from(self.from.mailbox().clone())
            .mailbox(lettre::message::header::To::from(all))
            .subject(message.subject.clone())
            .date(*date)
            .message_id(Some(format!("<{id}@{}>", self.from.domain())))
            // RFC 3834: absence notes and the like do not answer this.
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("MIME-Version"), "1.0".to_owned()))
            .header(ContentType::TEXT_PLAIN)
            .body(message.text.clone())
    }
}

/// What is the same in every delivery of a message.
struct Letter {
    id: Uuid,
    date: SystemTime,
}
