//! What an invitation says.
//!
//! Invariant: whatever the account is called and whatever the link is, the message has the headers written here and no
//! other, and its text the lines written here and no other.

use super::{Invitation, MailError};
use crate::model::{Email, Timestamp};
use crate::server::dns::ascii_domain;
use crate::smtp::{Sender, one_line};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::{Address, address::Envelope};
use std::time::SystemTime;
use uuid::Uuid;

/// Longest account name shown, in characters; the API accepts no longer one either.
pub const ACCOUNT_NAME_CHARS_MAX: usize = 100;
/// Longest link, in bytes: well below the 998 of a line (RFC 5322 2.1.1).
const LINK_BYTES_MAX: usize = 900;

/// The identity of the message: the same for each try, another one for each invitation.
pub(super) fn id(invitation: &Invitation) -> Uuid {
    let Invitation { to, account_name: _, link: _, valid_until } = invitation;
    let named = format!("{}\n{}\n{valid_until}", invitation.link(), to.key());
    Uuid::new_v5(&Uuid::NAMESPACE_URL, named.as_bytes())
}

/// The message, ready to leave.
///
/// # Errors
/// `Permanent` for an address that no mail can go to, and for a link that is none.
pub(super) fn written(invitation: &Invitation, sender: &Sender, now: Timestamp) -> Result<Message, MailError> {
    let to = recipient(&invitation.to)?;
    let link = invitation.link();
    let is_link = (link.starts_with("https://") || link.starts_with("http://"))
        && link.len() <= LINK_BYTES_MAX
        && link.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_link {
        return Err(permanent(format!(
            "the invitation has no usable link: it must be an http(s) address of at most {LINK_BYTES_MAX} bytes; look \
             at the public address in the configuration"
        )));
    }
    let account = shown(&invitation.account_name);
    let unwritable = |error: lettre::error::Error| permanent(format!("the invitation cannot be written: {error}"));
    Message::builder()
        .envelope(Envelope::new(Some(sender.mailbox().email.clone()), vec![to.clone()]).map_err(unwritable)?)
        .from(sender.mailbox().clone())
        .to(Mailbox::new(None, to))
        .subject(format!("Invitation to join {account}"))
        .date(SystemTime::from(now))
        .message_id(Some(format!("<{}@{}>", id(invitation), sender.domain())))
        // RFC 3834: absence notes and the like do not answer this.
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("MIME-Version"), "1.0".to_owned()))
        .header(ContentType::TEXT_PLAIN)
        .body(text(&account, link, invitation.valid_until))
        .map_err(unwritable)
}

fn text(account: &str, link: &str, valid_until: Timestamp) -> String {
    let until = valid_until.strftime("%-d %B %Y, %H:%M UTC");
    format!(
        "Hello,\n\
         \n\
         you are invited to join \"{account}\".\n\
         \n\
         To accept, open this page and press the button on it:\n\
         \n\
         {link}\n\
         \n\
         The invitation is valid until {until}.\n\
         It is meant for you alone: please do not pass it on.\n\
         \n\
         If you did not expect it, you need not do anything: nothing happens\n\
         until you accept.\n"
    )
}

/// The address as mail servers take it: with a domain in ASCII.
fn recipient(email: &Email) -> Result<Address, MailError> {
    let no_mail = |reason: String| permanent(format!("no mail can go to {email}: {reason}; invite another address"));
    let (local, domain) = email.as_str().rsplit_once('@').unwrap_or((email.as_str(), ""));
    let domain = ascii_domain(domain).ok_or_else(|| no_mail("its domain is no name of the DNS".to_owned()))?;
    Address::new(local, domain).map_err(|error| no_mail(error.to_string()))
}

/// A name in one line.
fn shown(name: &str) -> String {
    let line = one_line(name, ACCOUNT_NAME_CHARS_MAX);
    if line.is_empty() { "an account without a name".to_owned() } else { line }
}

fn permanent(message: String) -> MailError {
    MailError::Permanent { message }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: &str = "2026-11-22T12:00:00Z";

    fn invitation(account: &str) -> Invitation {
        Invitation {
            to: Email::parse("Alice@Example.com").unwrap(),
            account_name: account.to_owned(),
            link: "https://seats.example.com/invitations/a1/u1/m4c".to_owned().into(),
            valid_until: "2026-12-06T12:00:00Z".parse().unwrap(),
        }
    }

    fn formatted(invitation: &Invitation) -> Result<String, MailError> {
        let sender = Sender::parse("Seats <seats@example.com>").unwrap();
        let message = written(invitation, &sender, NOW.parse().unwrap())?;
        Ok(String::from_utf8(message.formatted()).unwrap())
    }

    /// The names of the headers, and the body.
    fn parts(message: &str) -> (Vec<&str>, &str) {
        let (head, body) = message.split_once("\r\n\r\n").unwrap();
        let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        (lines.map(|line| line.split_once(':').unwrap().0).collect(), body)
    }

    #[test]
    fn the_whole_message() {
        insta::assert_snapshot!(formatted(&invitation("Sales")).unwrap().replace("\r\n", "\n"), @r#"
        From: Seats <seats@example.com>
        To: Alice@example.com
        Subject: Invitation to join Sales
        Date: Sun, 22 Nov 2026 12:00:00 +0000
        Message-ID: <4748e8bc-c92f-5864-8e46-e18c26934868@example.com>
        Auto-Submitted: auto-generated
        MIME-Version: 1.0
        Content-Type: text/plain; charset=utf-8
        Content-Transfer-Encoding: 7bit

        Hello,

        you are invited to join "Sales".

        To accept, open this page and press the button on it:

        https://seats.example.com/invitations/a1/u1/m4c

        The invitation is valid until 6 December 2026, 12:00 UTC.
        It is meant for you alone: please do not pass it on.

        If you did not expect it, you need not do anything: nothing happens
        until you accept.
        "#);
    }

    #[test]
    fn each_try_is_the_same_message_and_each_invitation_another() {
        let first = invitation("Sales");
        assert_eq!(id(&first), id(&Invitation { account_name: "Sales and Marketing".to_owned(), ..first.clone() }));
        let later = Invitation { valid_until: "2026-12-07T12:00:00Z".parse().unwrap(), ..first.clone() };
        let other = Invitation { to: Email::parse("bob@example.com").unwrap(), ..first.clone() };
        let elsewhere = Invitation { link: "https://other.example".to_owned().into(), ..first.clone() };
        for different in [later, other, elsewhere] {
            assert_ne!(id(&first), id(&different));
        }
    }

    #[test]
    fn names_are_shown_in_one_line() {
        for (name, expected) in [
            ("Sales", "Sales"),
            ("  Sales \t and\r\nBcc: everyone@example.com ", "Sales and Bcc: everyone@example.com"),
            ("Ver\u{202e}kauf\u{200b}", "Ver kauf"),
            ("Gr\u{fc}n & <b>\"Söhne\"</b>", "Gr\u{fc}n & <b>\"Söhne\"</b>"),
            ("", "an account without a name"),
            ("\u{0}\u{7f}\u{85}", "an account without a name"),
        ] {
            assert_eq!(shown(name), expected, "{name:?}");
        }
        assert_eq!(shown(&"x".repeat(5000)).len(), ACCOUNT_NAME_CHARS_MAX);
    }

    #[test]
    fn what_cannot_be_sent_is_told_apart() {
        let refused = |invitation: Invitation| match formatted(&invitation) {
            Err(MailError::Permanent { message }) => message,
            other => format!("{other:?}"),
        };
        let long = format!("https://seats.example.com/{}", "x".repeat(LINK_BYTES_MAX));
        for link in ["", "seats.example.com", "https://a b", "https://a\r\nBcc: c@d.e", "javascript:alert(1)", &long] {
            let message = refused(Invitation { link: link.to_owned().into(), ..invitation("Sales") });
            assert!(message.starts_with("the invitation has no usable link"), "{message}");
            assert!(link.is_empty() || !message.contains(link), "the link is a secret: {message}");
        }
        let message = refused(Invitation { to: Email::parse("a..b@example.com").unwrap(), ..invitation("Sales") });
        assert_eq!(message, "no mail can go to a..b@example.com: Invalid email user; invite another address");
    }

    #[test]
    fn a_domain_in_another_script_is_written_in_ascii() {
        let to = Email::parse("kasse@b\u{fc}cher.example").unwrap();
        let message = formatted(&Invitation { to, ..invitation("Sales") }).unwrap();
        assert!(message.contains("To: kasse@xn--bcher-kva.example\r\n"), "{message}");
    }

    #[test]
    fn nothing_secret_is_in_the_debug_form() {
        let shown = format!("{:?}", invitation("Sales"));
        assert!(!shown.contains("m4c") && !shown.contains("Alice"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_account_name_adds_a_header_or_a_line(name in any::<String>()) {
            let (plain, odd) = (formatted(&invitation("Sales")).unwrap(), formatted(&invitation(&name)).unwrap());
            prop_assert_eq!(parts(&plain).0, parts(&odd).0);
            prop_assert!(odd.is_ascii(), "every mail server takes it");
            prop_assert!(odd.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n', '\0'])));
        }
    }
}
