//! Invitations on their way to people: by SMTP, or as files in a spool folder where no mail server is configured.
//!
//! | file | what is in it |
//! |---|---|
//! | `message` | what an invitation says, and the message made of it: pure |
//! | `outbox` | when to try again: pure |
//! | `smtp` | handing a message to a mail server |
//! | `spool` | writing it into a folder |
//!
//! The link of an invitation is a secret: who has it can accept. It is in the message and nowhere else.
//!
//! Deliberately absent: a queue on disk (the book knows who is invited and not yet told), HTML mail, templates, bounces.

mod message;
pub mod outbox;
mod smtp;
mod spool;

use crate::model::{Email, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use message::ACCOUNT_NAME_CHARS_MAX;
pub use smtp::{SMTP_PORT, SMTPS_PORT, SUBMISSION_PORT, Smtp};
pub use spool::{SPOOL_FILES_MAX, Spool};

/// One person to be told of an invitation.
#[derive(Clone)]
pub struct Invitation {
    /// To whom.
    pub to: Email,
    /// The account, as people call it. Anything may be in it: what cannot be shown in one line is taken out.
    pub account_name: String,
    /// The page on which to accept; a secret.
    pub link: SecretString,
    /// Until when the link works.
    pub valid_until: Timestamp,
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to: _, account_name, link: _, valid_until } = self;
        f.debug_struct("Invitation")
            .field("account_name", account_name)
            .field("valid_until", valid_until)
            .finish_non_exhaustive()
    }
}

/// How mail leaves.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// The sender: `seats@example.com`, or `Seats <seats@example.com>`.
    pub from: String,
    /// The mail server; without one, messages are written into `spool`.
    pub smtp: Option<SmtpSettings>,
    /// The folder for messages, used without a mail server only.
    pub spool: PathBuf,
    /// Longest time for one message, from the connection to the mail server's last word.
    pub timeout: Duration,
}

/// A mail server.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// `smtps://host[:465]` (TLS from the start), `smtp+starttls://host[:587]` (TLS or nothing), `smtp://host[:25]` (in
    /// the clear).
    pub url: String,
    /// With whom to sign in.
    pub credentials: Option<SmtpCredentials>,
    /// The certificates to trust, PEM, in place of the system's.
    pub ca_file: Option<PathBuf>,
}

/// The account that the server has at the mail server.
#[derive(Clone, Debug)]
pub struct SmtpCredentials {
    /// Its name.
    pub username: String,
    /// Its password.
    pub password: SecretString,
}

/// Why a message did not leave. The texts of mail servers are in the messages, and often repeat the address.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Another try may do: the mail server, the way to it, or its settings are at fault.
    #[error("{message}")]
    Temporary {
        /// What was tried, what came back, what to do.
        message: String,
    },
    /// This message to this person will never leave.
    #[error("{message}")]
    Permanent {
        /// What was tried, what came back, what to do.
        message: String,
    },
}

/// Settings with which no mail can leave.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct UnusableMail {
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// The way out.
#[derive(Debug)]
pub enum Post {
    /// To a mail server.
    Smtp(Box<Smtp>, Sender),
    /// Into a folder.
    Spool(Spool, Sender),
}

/// In whose name messages are sent.
#[derive(Clone, Debug)]
pub struct Sender(lettre::message::Mailbox);

impl Sender {
    /// Reads `address` or `name <address>`.
    ///
    /// # Errors
    /// For what is no sender.
    pub fn parse(text: &str) -> Result<Self, UnusableMail> {
        let refused = |reason: String| UnusableMail {
            message: format!(
                "{text:?} cannot be the sender of mail: {reason}; write it like Seats <seats@example.com>"
            ),
        };
        if text.contains(char::is_control) {
            return Err(refused("it has control characters".to_owned()));
        }
        let mailbox: lettre::message::Mailbox = text.parse().map_err(|error| refused(format!("{error}")))?;
        // Every mail server takes such a sender; one in another script needs SMTPUTF8 on all of the way.
        if !AsRef::<str>::as_ref(&mailbox.email).is_ascii() {
            return Err(refused("its address is not ASCII".to_owned()));
        }
        Ok(Self(mailbox))
    }

    /// The part behind the `@`.
    fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

impl Post {
    /// Checks the settings. A mail server is not asked yet: it may be down while the service starts. A spool folder is made.
    ///
    /// # Errors
    /// For settings with which no mail can leave.
    pub fn open(settings: &MailSettings) -> Result<Self, UnusableMail> {
        let sender = Sender::parse(&settings.from)?;
        match &settings.smtp {
            Some(smtp) => Ok(Self::Smtp(Box::new(Smtp::new(smtp, sender.domain(), settings.timeout)?), sender)),
            None => Ok(Self::Spool(Spool::open(&settings.spool)?, sender)),
        }
    }

    /// Sends one invitation. A message whose fate is unknown counts as `Temporary`: it may then arrive twice, as the same
    /// message (its `Message-ID` is that of the invitation).
    ///
    /// # Errors
    /// See [`MailError`].
    pub async fn send(&self, invitation: &Invitation) -> Result<(), MailError> {
        let now = Timestamp::now();
        match self {
            Self::Smtp(smtp, sender) => smtp.send(&message::written(invitation, sender, now)?).await,
            Self::Spool(spool, sender) => {
                let id = message::id(invitation);
                spool.write(id, now, message::written(invitation, sender, now)?.formatted()).await
            }
        }
    }
}

impl Invitation {
    /// The page on which to accept.
    fn link(&self) -> &str {
        self.link.expose_secret()
    }
}
