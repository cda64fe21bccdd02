//! Invitations on their way to people: by SMTP, or as files in a spool folder where no mail server is configured.
//!
//! | file | what is in it |
//! |---|---|
//! | `message` | what an invitation says, and the message made of it: pure |
//! | `outbox` | when to try again: pure |
//! | `spool` | writing it into a folder |
//!
//! Handing a message to a mail server is in [`crate::smtp`].
//!
//! The link of an invitation is a secret: who has it can accept. It is in the message and nowhere else.
//!
//! Deliberately absent: a queue on disk (the book knows who is invited and not yet told), HTML mail, templates, bounces.

mod message;
pub mod outbox;
mod spool;

use crate::model::{Email, Timestamp};
use crate::smtp::{Sender, Smtp, SmtpError};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use crate::smtp::{SmtpCredentials, SmtpSettings, UnusableMail};
pub use message::ACCOUNT_NAME_CHARS_MAX;
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

impl From<SmtpError> for MailError {
    fn from(error: SmtpError) -> Self {
        match error {
            SmtpError::Temporary { message } => Self::Temporary { message: format!("{message}; it is tried again") },
            SmtpError::Permanent { message } => Self::Permanent { message },
        }
    }
}

/// The way out.
#[derive(Debug)]
pub enum Post {
    /// To a mail server.
    Smtp(Box<Smtp>, Sender),
    /// Into a folder.
    Spool(Spool, Sender),
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
            Self::Smtp(smtp, sender) => Ok(smtp.send(&message::written(invitation, sender, now)?).await?),
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
