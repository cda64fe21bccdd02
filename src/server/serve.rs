//! All of it put together: the book, the door, the routes, the outbox.

use super::admission::{Admission, AdmissionSettings};
use super::api::{Api, view};
use super::desk::{Caller, Desk, DeskError, DeskThread};
use super::dns::Proof;
use super::http::{self, Front};
use super::invitation_page::{self, Accepted};
use super::keys::{Keys, KeysError, Loaded};
use super::mail::{MailSettings, Post, UnusableMail};
use super::outbox::Outbox;
use super::rate::Rate;
use super::scim;
use super::sign_in::{self, Reason, SignInSettings, Standing};
use crate::listen::tls::{TlsError, TlsSource};
use crate::listen::{self, Limits, Site, Stopped};
use crate::model::{Email, Timestamp, UserId};
use crate::store::{
    AccountId, Book, Denial, DiskBook, Invitation, LinkSecret, Refusal, RefusalCode, SignIn, StoreError,
};
use axum::Router;
use axum::routing::any;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// How often accounts that were deleted long ago are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);
/// Users forgotten in one change.
const FORGET_USERS_MAX: usize = 500;

/// Who tidies up, for the audit log.
const CALLER: &str = "seatstore";
/// Who accepts by a link, for the audit log.
const CALLER_LINK: &str = "seatstore:invitation";

/// The routes, for the listener: an answer that did not come is told in the words of the API.
fn site(app: Router) -> Site {
    Site { app, too_late: http::too_late, loggable: invitation_page::without_code }
}

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct ServeSettings {
    /// The folder of the book.
    pub store_path: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Certificate and key, PEM; `None` is plain HTTP.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// What one client may take.
    pub limits: Limits,
    /// The largest body, in bytes.
    pub body_bytes_max: usize,
    /// The access keys.
    pub keys_file: PathBuf,
    /// How strict the door is.
    pub admission: AdmissionSettings,
    /// Shown in every account.
    pub aws_account_id: String,
    /// No extensions.
    pub strict: bool,
    /// Name servers; none means the system's.
    pub resolvers: Vec<SocketAddr>,
    /// For one question to a name server.
    pub dns_timeout: Duration,
    /// How invitations leave.
    pub mail: MailSettings,
    /// What links in them begin with, without a slash at its end; `None` means where the server listens.
    pub public_url: Option<String>,
    /// How long one can be accepted.
    pub invitations_valid: Duration,
    /// Who may ask whether somebody may sign in.
    pub sign_in: SignInSettings,
}

/// Why there is no server, or why it keeps what it had at a reload.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The book.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The book, once it was open.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The access keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The mail.
    #[error("{0}")]
    Mail(#[from] UnusableMail),
    /// The machine.
    #[error("{message}")]
    Machine {
        /// What was tried, what came back, what to do.
        message: String,
    },
}

/// A server that listens, and has not answered yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsSource>,
    keys: Arc<Keys>,
    loaded: Loaded,
    limits: Limits,
    app: Router,
    desk: Desk,
    thread: DeskThread,
    outbox: Outbox,
}

/// Reads keys and certificate again while the server runs.
#[derive(Clone)]
pub struct Reloader {
    keys: Arc<Keys>,
    tls: Option<TlsSource>,
}

impl Reloader {
    /// The last moment at which the certificate that is served is valid; `None` without one.
    pub fn certificate_until(&self) -> Option<Timestamp> {
        self.tls.as_ref().map(TlsSource::not_after)
    }

    /// Reads both. What is bad stays as it was, and the other one is read all the same.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn reload(&self) -> Result<Loaded, Vec<ServeError>> {
        let mut wrong = Vec::new();
        let loaded = self.keys.reload();
        if let Some(tls) = &self.tls
            && let Err(error) = tls.reload()
        {
            wrong.push(ServeError::Tls(error));
        }
        match loaded {
            Ok(loaded) if wrong.is_empty() => Ok(loaded),
            Ok(_) => Err(wrong),
            Err(error) => {
                wrong.push(ServeError::Keys(error));
                Err(wrong)
            }
        }
    }
}

impl Server {
    /// Opens everything and listens.
    ///
    /// # Errors
    /// See [`ServeError`].
    pub async fn open(settings: ServeSettings) -> Result<Self, ServeError> {
        let (keys, loaded) = Keys::open(&settings.keys_file)?;
        let keys = Arc::new(keys);
        let tls = settings.tls.map(|(certificate, key)| TlsSource::open(certificate, key)).transpose()?;
        let path = settings.store_path.clone();
        let book = tokio::task::spawn_blocking(move || DiskBook::open(&path)).await;
        let book = book.map_err(|error| machine(format!("the account store could not be opened: {error}")))??;
        // Only who has the book may tidy up in the spool.
        let post = Post::open(&settings.mail)?;
        let (desk, thread) = Desk::open(book).map_err(|error| machine(format!("cannot start a thread: {error}")))?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| machine(format!("the system gave no random bytes: {error}")))?;
        let caller = Caller::new(CALLER);
        let ensured = desk.change(&caller, "Start", move |book, _| {
            book.ensure_link_secret(LinkSecret::new(secret));
            Ok::<(), Refusal>(())
        });
        // Nothing in it can be refused.
        drop(ensured.await?);

        let asked = settings.address;
        let listener = TcpListener::bind(asked).await.map_err(|error| {
            machine(format!("cannot listen on {asked}: {error}; is another server there? See [listen] address"))
        })?;
        let address = listener.local_addr().map_err(|error| machine(format!("cannot listen on {asked}: {error}")))?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let told_url = settings.public_url.clone();
        let public_url = settings.public_url.unwrap_or_else(|| format!("{scheme}://{address}"));

        let wake = Arc::new(Notify::new());
        // What was due when the last server ended.
        wake.notify_one();
        let front = Front {
            api: Api::new(desk.clone(), &settings.aws_account_id, settings.strict),
            desk: desk.clone(),
            keys: keys.clone(),
            scim_rate: Rate::new(settings.admission.rate),
            public_url: told_url,
            scheme,
            dns: Proof::new(&settings.resolvers, settings.dns_timeout),
            admission: Admission::new(keys.clone(), settings.admission),
            body_bytes_max: settings.body_bytes_max,
            room: http::room(settings.body_bytes_max),
            wake: wake.clone(),
        };
        let valid = settings.invitations_valid;
        let app = Router::new()
            .merge(sign_in::routes(&settings.sign_in, lookup(desk.clone())))
            .merge(invitation_page::routes(accept(desk.clone(), valid)))
            .route(scim::PATH, any(scim::answer))
            .fallback(http::answer)
            .with_state(Arc::new(front));
        let outbox = Outbox { desk: desk.clone(), post, public_url, valid, wake };
        Ok(Self { listener, address, tls, keys, loaded, limits: settings.limits, app, desk, thread, outbox })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// What the key file had.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// To read keys and certificate again.
    pub fn reloader(&self) -> Reloader {
        Reloader { keys: self.keys.clone(), tls: self.tls.clone() }
    }

    /// Serves until `stop` ends; all that was begun is then done, and the book is closed.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Stopped {
        let Self { listener, tls, limits, app, desk, thread, outbox, .. } = self;
        let sending = tokio::spawn(outbox.run());
        let tidying = tokio::spawn(forget(desk));
        let stopped = listen::serve(listener, tls, limits, site(app), stop).await;
        sending.abort();
        tidying.abort();
        // Both are gone, and their desks with them, before the thread is waited for.
        _ = sending.await;
        _ = tidying.await;
        if let Err(error) = tokio::task::spawn_blocking(move || thread.join()).await {
            tracing::error!("the account store was not closed in order: {error}");
        }
        stopped
    }
}

fn machine(message: String) -> ServeError {
    ServeError::Machine { message }
}

/// Forgets accounts that were deleted long ago.
async fn forget(desk: Desk) {
    let caller = Caller::new(CALLER);
    loop {
        loop {
            let forgotten = desk.change(&caller, "ForgetAccount", |book, at| {
                Ok::<bool, Refusal>(book.forget_closed(at, FORGET_USERS_MAX))
            });
            match forgotten.await {
                Ok(Ok(true)) => {}
                Ok(Ok(false) | Err(_)) => break,
                Err(error) => {
                    tracing::warn!("deleted accounts are not forgotten yet: {error}");
                    break;
                }
            }
        }
        tokio::time::sleep(FORGET_EVERY).await;
    }
}

fn lookup(desk: Desk) -> sign_in::Lookup {
    Arc::new(move |email: Email| {
        let desk = desk.clone();
        Box::pin(async move {
            let answer = desk.look(move |book| standing(book.sign_in(&email))).await;
            answer.map_err(|error| error.to_string())
        })
    })
}

fn standing(answer: SignIn) -> Standing {
    match answer {
        SignIn::Allowed { account, user: _, licence } => {
            Standing::Allowed { account: account.to_string(), licence: view::licence_out(&licence) }
        }
        SignIn::Denied(denial) => {
            let reason = match denial {
                Denial::Suspended => Reason::Suspended,
                Denial::Released => Reason::Released,
                Denial::Invited => Reason::Invited,
                Denial::NotRegistered => Reason::NotRegistered,
                Denial::Unknown => Reason::Unknown,
                Denial::DomainNotClaimed => Reason::DomainNotClaimed,
                Denial::NoLicence => Reason::NoLicence,
            };
            Standing::Denied { reason, account: None }
        }
    }
}

fn accept(desk: Desk, valid: Duration) -> invitation_page::Accept {
    Arc::new(move |account: String, user: String, token: String| {
        let desk = desk.clone();
        Box::pin(async move {
            let caller = Caller::new(CALLER_LINK);
            let accepted = desk.change(&caller, "AcceptInvitation", move |book, at| {
                Ok::<Accepted, Refusal>(accept_by_link(book, &account, &UserId::new(&user), &token, valid, at))
            });
            match accepted.await {
                Ok(Ok(accepted)) => accepted,
                Ok(Err(refusal)) => {
                    tracing::warn!("an invitation was not accepted: {refusal}");
                    Accepted::Unavailable
                }
                Err(error) => {
                    tracing::warn!("an invitation was not accepted: {error}");
                    Accepted::Unavailable
                }
            }
        })
    })
}

/// Accepts, if the link is that of the last invitation and not too old.
fn accept_by_link(
    book: &mut Book,
    account: &str,
    user: &UserId,
    token: &str,
    valid: Duration,
    at: Timestamp,
) -> Accepted {
    let Some(id) = AccountId::parse(account) else { return Accepted::Unknown };
    let Some(secret) = book.link_secret().cloned() else { return Accepted::Unknown };
    let Ok(account) = book.account_mut(&id) else { return Accepted::Unknown };
    let Some(invited) = account.user(user).filter(|user| secret.fits(&id, user, token)) else {
        return Accepted::Unknown;
    };
    if invited.invitation == Invitation::Accepted {
        return Accepted::Already;
    }
    let is_over = |invited_at: Timestamp| invited_at.checked_add(valid).is_ok_and(|end| end < at);
    if invited.invited_at.is_none_or(is_over) {
        return Accepted::Expired;
    }
    match account.accept(user, at) {
        Ok(_) => Accepted::Now,
        Err(Refusal { code: RefusalCode::Forbidden, .. }) => Accepted::Withdrawn,
        Err(_) => Accepted::Unknown,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::Tier;

    const VALID: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    fn day(number: i64) -> Timestamp {
        Timestamp::from_second(number * 24 * 60 * 60).unwrap()
    }

    /// A team with one person who was asked on day 1; the user, and what stands in the link.
    fn invited() -> (Book, UserId, String) {
        let mut book = Book::default();
        let (id, user) = (AccountId::parse("corp").unwrap(), UserId::new("u1"));
        book.ensure_link_secret(LinkSecret::new([7; 32]));
        let account = book.create_account(&id, "Corp", day(0)).unwrap();
        account.invite(&Email::parse("a@corp.example").unwrap(), None, user.clone(), day(1)).unwrap();
        let token = token_of(&book, &user);
        (book, user, token)
    }

    fn token_of(book: &Book, user: &UserId) -> String {
        let id = AccountId::parse("corp").unwrap();
        let user = book.account(&id).unwrap().user(user).unwrap();
        book.link_secret().unwrap().token(&id, user)
    }

    fn follow(book: &mut Book, user: &UserId, token: &str, at: Timestamp) -> Accepted {
        accept_by_link(book, "corp", user, token, VALID, at)
    }

    #[test]
    fn a_link_is_good_until_its_day_and_lets_in_once() {
        let (mut book, user, token) = invited();
        assert_eq!(follow(&mut book, &user, &token, day(32)), Accepted::Expired);
        assert_eq!(follow(&mut book, &user, &token, day(31)), Accepted::Now);
        assert_eq!(follow(&mut book, &user, &token, day(31)), Accepted::Already);
        assert_eq!(
            follow(&mut book, &user, &token, day(400)),
            Accepted::Already,
            "there is nothing to expire any more"
        );
    }

    #[test]
    fn a_link_is_that_of_the_last_invitation_and_of_nobody_else() {
        let (mut book, user, token) = invited();
        for wrong in ["", "00", &token[1..], &token.to_uppercase()] {
            assert_eq!(follow(&mut book, &user, wrong, day(2)), Accepted::Unknown, "{wrong:?}");
        }
        assert_eq!(follow(&mut book, &UserId::new("u2"), &token, day(2)), Accepted::Unknown);
        assert_eq!(accept_by_link(&mut book, "other", &user, &token, VALID, day(2)), Accepted::Unknown);
        let id = AccountId::parse("corp").unwrap();
        book.account_mut(&id).unwrap().invite_again(&user, day(2)).unwrap();
        assert_eq!(follow(&mut book, &user, &token, day(2)), Accepted::Unknown, "asked again: the old one is void");
        let token = token_of(&book, &user);
        assert_eq!(follow(&mut book, &user, &token, day(32)), Accepted::Now, "and the new one counts from then");
    }

    #[test]
    fn a_link_ends_with_the_team() {
        let (mut book, user, token) = invited();
        let id = AccountId::parse("corp").unwrap();
        book.claim_domain(&id, "corp.example", "t".to_owned(), day(2)).unwrap();
        book.verify_domain(&id, "corp.example").unwrap();
        book.account_mut(&id).unwrap().connect_directory().unwrap();
        assert_eq!(follow(&mut book, &user, &token, day(3)), Accepted::Withdrawn);
        let standing = book.sign_in(&Email::parse("a@corp.example").unwrap());
        assert!(matches!(standing, SignIn::Denied(_)), "{standing:?}");
        let account = book.account_mut(&id).unwrap();
        assert!(account.assign(&user, &Tier::new("Pro")).is_err());
    }
}
