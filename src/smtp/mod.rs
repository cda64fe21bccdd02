//! Handing messages to a mail server, and what can stand in one.
//!
//! The account store invites people by it, the agent tells administrators by it; what they say, and when they try again, is
//! their own.
//!
//! Deliberately absent: queues, further tries, any text of a message.

mod client;

use secrecy::SecretString;
use std::path::PathBuf;

pub use client::{SMTP_PORT, SMTPS_PORT, SUBMISSION_PORT, Smtp};

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

/// The account that the sender has at the mail server.
#[derive(Clone, Debug)]
pub struct SmtpCredentials {
    /// Its name.
    pub username: String,
    /// Its password.
    pub password: SecretString,
}

/// Why a message did not leave. The texts of mail servers are in the messages, and often repeat the address.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
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

    /// As it stands in a message.
    pub fn mailbox(&self) -> &lettre::message::Mailbox {
        &self.0
    }

    /// The part behind the `@`.
    pub fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

/// A text in one line: without what ends a line, is not seen, or turns the writing direction around.
pub fn one_line(text: &str, chars_max: usize) -> String {
    let unseen = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    let words = text.split(|c: char| c.is_whitespace() || unseen(c)).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(chars_max).collect()
}
