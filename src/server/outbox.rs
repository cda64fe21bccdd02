//! The outbox: invitations whose e-mail is due, sent one after the other.
//!
//! What is due stands in the book, so that a kill loses no mail; at worst one goes out twice, as the same message. How often
//! was tried is known in memory only: after a restart the first try comes at once.
//!
//! When one after the other has to wait, it is not for the addresses: the rest stays untried for a while, so that thousands
//! of invitations are not thousands of connections and of lines in the log.

use super::desk::{Caller, Desk, DeskError};
use super::invitation_page;
use super::mail::{Invitation, MailError, Post, outbox::next_try};
use crate::model::{Email, Timestamp, UserId};
use crate::store::{AccountId, Book, Mail, Refusal};
use secrecy::SecretString;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Most invitations taken up at a time.
const TAKEN_MAX: usize = 200;
/// How often the book is asked when nobody tells of a new invitation.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// So many that have to wait, one after the other, are the fault of the mail server.
const WAITING_IN_A_ROW_MAX: usize = 5;
/// How long the rest then stays untried.
const PAUSE: Duration = Duration::from_secs(60);

/// Who sends, for the audit log.
const CALLER: &str = "seatstore:outbox";

/// What sending needs.
pub(super) struct Outbox {
    pub desk: Desk,
    pub post: Post,
    /// What links begin with, without a slash at its end.
    pub public_url: String,
    /// How long an invitation can be accepted.
    pub valid: Duration,
    /// Told when somebody was invited.
    pub wake: Arc<Notify>,
}

/// One that is due.
struct Due {
    account: AccountId,
    user: UserId,
    number: u32,
    account_name: String,
    email: Email,
    link: SecretString,
    valid_until: Timestamp,
}

/// So many in a row had to wait.
struct TooMany;

/// One invitation: asked again, a person has another.
type Key = (AccountId, UserId, u32);

/// Tries so far, and when to try again.
type Tries = HashMap<Key, (u32, Instant)>;

impl Outbox {
    /// Sends until it is dropped.
    pub(super) async fn run(self) {
        let mut tries = Tries::new();
        loop {
            let looked_at = Instant::now();
            let next = match self.due(&tries).await {
                Ok(due) => {
                    let are_more = due.len() >= TAKEN_MAX;
                    if self.send_all(due, &mut tries).await.is_err() {
                        let seconds = PAUSE.as_secs();
                        tracing::warn!("{WAITING_IN_A_ROW_MAX} in a row could not be sent: all mail waits {seconds} s");
                        // Whoever is invited now would meet with the same.
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                    if are_more {
                        continue;
                    }
                    next_look(&mut tries, looked_at)
                }
                Err(error) => {
                    tracing::warn!("invitations wait: {error}");
                    looked_at + LOOK_EVERY
                }
            };
            _ = tokio::time::timeout_at(next, self.wake.notified()).await;
        }
    }

    async fn due(&self, tries: &Tries) -> Result<Vec<Due>, DeskError> {
        let now = Instant::now();
        let later: HashSet<Key> = tries.iter().filter(|(_, (_, at))| *at > now).map(|(key, _)| key.clone()).collect();
        let (public_url, valid) = (self.public_url.clone(), self.valid);
        self.desk.look(move |book| gather(book, &later, &public_url, valid)).await
    }

    /// Tries one after the other; an error when too many in a row have to wait.
    async fn send_all(&self, due: Vec<Due>, tries: &mut Tries) -> Result<(), TooMany> {
        let mut in_a_row = 0;
        for one in due {
            in_a_row = if self.send(one, tries).await { 0 } else { in_a_row + 1 };
            if in_a_row >= WAITING_IN_A_ROW_MAX {
                return Err(TooMany);
            }
        }
        Ok(())
    }

    /// Tries one; whether it needs no other try.
    async fn send(&self, due: Due, tries: &mut Tries) -> bool {
        let Due { account, user, number, account_name, email, link, valid_until } = due;
        // What a mail server says often repeats the address, which is nobody's business in a log.
        let unnamed = |message: String| unnamed(&message, email.as_str());
        let invitation = Invitation { to: email.clone(), account_name, link, valid_until };
        let key = (account.clone(), user.clone(), number);
        let outcome = match self.post.send(&invitation).await {
            Ok(()) => Mail::Sent,
            Err(MailError::Permanent { message }) => {
                tracing::warn!(%account, %user, "an invitation cannot be sent: {}", unnamed(message));
                Mail::Failed
            }
            Err(MailError::Temporary { message }) => {
                let tried = tries.get(&key).map_or(1, |(tried, _)| tried + 1);
                if Timestamp::now() < valid_until {
                    let wait = next_try(tried);
                    let (seconds, message) = (wait.as_secs(), unnamed(message));
                    tracing::warn!(%account, %user, tried, "an invitation waits {seconds} s: {message}");
                    tries.insert(key, (tried, Instant::now() + wait));
                    return false;
                }
                let message = unnamed(message);
                tracing::warn!(%account, %user, tried, "an invitation was never sent and is void now: {message}");
                Mail::Failed
            }
        };
        tries.remove(&key);
        let caller = Caller::new(CALLER);
        let noted = self.desk.change(&caller, "SendInvitation", move |book, _| {
            let account = book.account_mut(&account)?;
            // Asked again, accepted or withdrawn meanwhile: that is another story.
            let same = |user: &crate::store::User| user.invitations_sent == number && user.mail() == Mail::Due;
            if account.user(&user).is_some_and(same) {
                account.set_mail(&user, outcome)?;
            }
            Ok::<(), Refusal>(())
        });
        if let Err(error) = noted.await {
            tracing::warn!("whether an invitation was sent could not be noted, it may go out twice: {error}");
        }
        true
    }
}

/// A text without an address, in whatever case it stands there.
fn unnamed(message: &str, address: &str) -> String {
    let mut text = String::with_capacity(message.len());
    let mut from = 0;
    // Of the same length as what it was made of, byte by byte.
    for (at, found) in message.to_ascii_lowercase().match_indices(&address.to_ascii_lowercase()) {
        text.push_str(&message[from..at]);
        text.push_str("the address");
        from = at + found.len();
    }
    text + &message[from..]
}

/// When to look again, after all that was due at `looked_at` was tried. What could have been tried then and was not is not
/// due any more (accepted, withdrawn, asked again), and is forgotten: it would keep us awake.
fn next_look(tries: &mut Tries, looked_at: Instant) -> Instant {
    tries.retain(|_, (_, at)| *at > looked_at);
    let latest = looked_at + LOOK_EVERY;
    let next = tries.values().map(|(_, at)| *at).min().unwrap_or(latest);
    next.clamp(Instant::now().min(latest), latest)
}

/// Those that are due, but for the ones that wait for their next try.
fn gather(book: &Book, later: &HashSet<Key>, public_url: &str, valid: Duration) -> Vec<Due> {
    let Some(secret) = book.link_secret() else { return Vec::new() };
    let mut found = Vec::new();
    for account in book.accounts().filter(|account| !account.profile().is_closed()) {
        let id = &account.profile().id;
        for user in account.users().filter(|user| user.mail() == Mail::Due) {
            if later.contains(&(id.clone(), user.id.clone(), user.invitations_sent)) {
                continue;
            }
            if found.len() >= TAKEN_MAX {
                return found;
            }
            let invited_at = user.invited_at.unwrap_or_default();
            let link = invitation_page::link(public_url, id.as_str(), &user.id.text(), &secret.token(id, user));
            found.push(Due {
                account: id.clone(),
                user: user.id.clone(),
                number: user.invitations_sent,
                account_name: account.profile().name.clone(),
                email: user.email.clone(),
                link: SecretString::from(link),
                valid_until: invited_at.checked_add(valid).unwrap_or(Timestamp::MAX),
            });
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        (AccountId::parse("corp").unwrap(), UserId::new(&format!("u{number}")), 1)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_due_any_more_keeps_nobody_awake() {
        let mut tries = Tries::from([(key(1), (3, Instant::now() + Duration::from_secs(20)))]);
        let looked_at = Instant::now();
        assert_eq!(next_look(&mut tries, looked_at), looked_at + Duration::from_secs(20));
        assert_eq!(tries.len(), 1, "its time has not come");
        // Withdrawn meanwhile: when its time comes, nobody tries it.
        tokio::time::advance(Duration::from_secs(20)).await;
        let looked_at = Instant::now();
        assert_eq!(next_look(&mut tries, looked_at), looked_at + LOOK_EVERY);
        assert_eq!(tries.len(), 0);
    }

    #[test]
    fn an_address_is_named_in_no_case() {
        for (message, told) in [
            ("550 <ada@corp.example>: no", "550 <the address>: no"),
            ("ADA@corp.example, Ada@Corp.Example", "the address, the address"),
            ("ä ada@corp.exampleß", "ä the addressß"),
            ("", ""),
        ] {
            assert_eq!(unnamed(message, "Ada@corp.example"), told);
        }
    }

    #[test]
    fn those_that_wait_let_others_pass() {
        let (mut book, at, secret) = (Book::default(), Timestamp::UNIX_EPOCH, crate::store::LinkSecret::new([7; 32]));
        book.ensure_link_secret(secret);
        let (id, _, _) = key(0);
        let account = book.create_account(&id, "Corp", at).unwrap();
        for number in 0..TAKEN_MAX + 1 {
            let email = Email::parse(&format!("p{number}@corp.example")).unwrap();
            let id = account.invite(&email, None, key(number).1, at).unwrap().id.clone();
            account.set_mail(&id, Mail::Due).unwrap();
        }
        let gathered = |later: &HashSet<Key>| gather(&book, later, "https://seats.example", Duration::from_secs(60));
        assert_eq!(gathered(&HashSet::new()).len(), TAKEN_MAX);
        let left = gathered(&(0..TAKEN_MAX).map(key).collect());
        assert_eq!(left.iter().map(|due| due.user.clone()).collect::<Vec<_>>(), [key(TAKEN_MAX).1]);
    }

    #[tokio::test]
    async fn a_mail_server_that_is_away_is_not_asked_for_everybody() {
        // Nobody listens there any more.
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let smtp =
            crate::server::mail::SmtpSettings { url: format!("smtp://{gone}"), credentials: None, ca_file: None };
        let (folder, timeout) = (tempfile::tempdir().unwrap(), Duration::from_secs(10));
        let from = "seats@corp.example".to_owned();
        let settings =
            crate::server::mail::MailSettings { from, smtp: Some(smtp), spool: folder.path().join("mail"), timeout };
        let (desk, _thread) = Desk::open(crate::store::DiskBook::open(&folder.path().join("book")).unwrap()).unwrap();
        let outbox = Outbox {
            desk,
            post: Post::open(&settings).unwrap(),
            public_url: "https://seats.example".to_owned(),
            valid: Duration::from_secs(60),
            wake: Arc::default(),
        };
        let due = |number: usize| Due {
            account: key(number).0,
            user: key(number).1,
            number: 1,
            account_name: "Corp".to_owned(),
            email: Email::parse(&format!("p{number}@corp.example")).unwrap(),
            link: SecretString::from("https://seats.example/invitations/x"),
            valid_until: Timestamp::MAX,
        };
        let mut tries = Tries::new();
        assert!(outbox.send_all((0..100).map(due).collect(), &mut tries).await.is_err());
        assert_eq!(tries.len(), WAITING_IN_A_ROW_MAX);
    }
}
