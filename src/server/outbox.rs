//! The outbox: invitations whose e-mail is due, sent one after the other.
//!
//! What is due stands in the book, so that a kill loses no mail; at worst one goes out twice, as the same message. How often
//! was tried is known in memory only: after a restart the first try comes at once.

use super::desk::{Caller, Desk, DeskError};
use super::invitation_page;
use super::mail::{Invitation, MailError, Post, outbox::next_try};
use crate::model::{Email, Timestamp, UserId};
use crate::store::{AccountId, Book, Mail, Refusal};
use secrecy::SecretString;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Most invitations taken up at a time.
const TAKEN_MAX: usize = 200;
/// How often the book is asked when nobody tells of a new invitation.
const LOOK_EVERY: Duration = Duration::from_secs(60);

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

/// Tries so far, and when to try again.
type Tries = HashMap<(AccountId, UserId, u32), (u32, Instant)>;

impl Outbox {
    /// Sends until it is dropped.
    pub(super) async fn run(self) {
        let mut tries = Tries::new();
        loop {
            let due = match self.due(&tries).await {
                Ok(due) => due,
                Err(error) => {
                    tracing::warn!("invitations wait: {error}");
                    Vec::new()
                }
            };
            let full = due.len() >= TAKEN_MAX;
            for one in due {
                self.send(one, &mut tries).await;
            }
            tries.retain(|_, (_, at)| at.elapsed() < self.valid);
            if !full {
                let next = tries.values().map(|(_, at)| *at).min().unwrap_or_else(|| Instant::now() + LOOK_EVERY);
                let next = next.clamp(Instant::now() + Duration::from_secs(1), Instant::now() + LOOK_EVERY);
                _ = tokio::time::timeout_at(next, self.wake.notified()).await;
            }
        }
    }

    async fn due(&self, tries: &Tries) -> Result<Vec<Due>, DeskError> {
        let now = Instant::now();
        let later: Vec<_> = tries.iter().filter(|(_, (_, at))| *at > now).map(|(key, _)| key.clone()).collect();
        let (public_url, valid) = (self.public_url.clone(), self.valid);
        self.desk.look(move |book| gather(book, &later, &public_url, valid)).await
    }

    async fn send(&self, due: Due, tries: &mut Tries) {
        let Due { account, user, number, account_name, email, link, valid_until } = due;
        // What a mail server says often repeats the address, which is nobody's business in a log.
        let unnamed = |message: String| message.replace(email.as_str(), "the address");
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
                    return;
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
    }
}

/// Those that are due, but for the ones that wait for their next try.
fn gather(book: &Book, later: &[(AccountId, UserId, u32)], public_url: &str, valid: Duration) -> Vec<Due> {
    let Some(secret) = book.link_secret() else { return Vec::new() };
    let mut found = Vec::new();
    for account in book.accounts().filter(|account| !account.profile().is_closed()) {
        let id = &account.profile().id;
        for user in account.users().filter(|user| user.mail() == Mail::Due) {
            let waits = later
                .iter()
                .any(|(account, other, number)| account == id && *other == user.id && *number == user.invitations_sent);
            if waits {
                continue;
            }
            if found.len() >= TAKEN_MAX {
                return found;
            }
            let invited_at = user.invited_at.unwrap_or_default();
            let link = invitation_page::link(public_url, id.as_str(), user.id.as_str(), &secret.token(id, user));
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
