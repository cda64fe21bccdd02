//! The directory over LDAP: Active Directory first, any LDAP server second.
//!
//! ```text
//! urls -> connect (TCP, StartTLS, TLS) -> channel -> session (bind, pages) -> read -> Reading
//!                                         checks      every page ends in success   decode: pure
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `settings` | what the operator says, and the limits |
//! | `connect`, `tls`, `witness` | from a URL to a connection, with what is wrong in words |
//! | `ber`, `request`, `channel` | messages in bytes, and what no server may do to us by them |
//! | `session` | bind and searches, in which nothing but success counts |
//! | `schema` | Active Directory or not, and what is asked |
//! | `entry`, `decode` | entries to people and groups |
//! | `read`, `probe` | a whole read; the steps of `check` |
//! | `watch`, `seen` | being told of changes as they are made, and which of them matter |
//! | `password` | when the bind account's password ends |
//! | `explain`, `failure` | words, and what the caller can do |
//!
//! A read is one connection, from bind to unbind: a server that breaks off in the middle makes an error, never a switch
//! to another server that may know a different state. The next read begins with the next server.
//!
//! Deliberately absent: Kerberos and DirSync; following referrals; any way to skip the
//! verification of a certificate; any second try of a password.

mod ber;
mod channel;
mod connect;
mod decode;
mod entry;
mod explain;
mod failure;
mod password;
mod probe;
mod read;
mod request;
mod schema;
mod seen;
mod session;
mod settings;
mod tls;
mod watch;
mod witness;

pub use probe::{ProbeResult, ProbeStep};
pub use settings::{LdapSettings, LdapUrl, ReadLimits, check_filter};
pub use tls::check_ca_file;
pub use watch::Watch;

use crate::directory::{Cursor, Directory, DirectoryError, Read};
use crate::model::{Expiry, Wanted, Went};
use channel::Wire;
use failure::{Failure, Kind};
use password::End;
use schema::Server;
use secrecy::ExposeSecret;
use session::{Session, tell};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tls::Certificate;

/// How often it is asked when the password ends: it is a matter of days.
const PASSWORD_ASKED_EVERY: Duration = Duration::from_secs(60 * 60);

/// Which of the servers is turned to first, by all who are told of it. Clones are one.
#[derive(Clone, Debug)]
struct Place(Arc<tokio::sync::watch::Sender<usize>>);

impl Default for Place {
    fn default() -> Self {
        Self(Arc::new(tokio::sync::watch::Sender::new(0)))
    }
}

impl Place {
    fn get(&self) -> usize {
        *self.0.borrow()
    }

    fn set(&self, index: usize) {
        self.0.send_if_modified(|place| std::mem::replace(place, index) != index);
    }
}

/// An LDAP directory.
#[derive(Debug)]
pub struct Ldap {
    settings: LdapSettings,
    /// The server that the next read begins with: the one that worked, or the one behind the one that broke.
    first: Place,
    /// The certificate that the server of the latest read showed.
    certificate: Option<Expiry>,
    /// The password we came in with.
    password: Option<Expiry>,
    password_asked: Option<Instant>,
}

impl Ldap {
    /// Nothing is contacted yet.
    pub fn new(settings: LdapSettings) -> Self {
        Self { settings, first: Place::default(), certificate: None, password: None, password_asked: None }
    }

    /// Refuses what no server could make good.
    fn refuse_at_once(&self) -> Result<(), Failure> {
        if self.settings.urls.is_empty() {
            return Err(Failure::refused("no LDAP server is configured: set urls"));
        }
        if self.settings.bind_password.expose_secret().is_empty() {
            // A server takes an empty password as "anonymous, and successful" (RFC 4513 5.1.2).
            return Err(Failure::refused("the bind password is empty: set one"));
        }
        if self.settings.bind_dn.trim().is_empty() {
            return Err(Failure::refused("bind_dn is empty: name the account to bind as"));
        }
        if let Some(filter) = &self.settings.user_filter {
            check_filter(filter).map_err(|problem| Failure::refused(format!("user_filter: {problem}")))?;
        }
        Ok(())
    }

    /// The first server that lets us in.
    async fn enter(&mut self) -> Result<(usize, Session, Option<Certificate>), DirectoryError> {
        self.refuse_at_once().map_err(|failure| failure.kind.error(failure.message))?;
        let count = self.settings.urls.len();
        let mut failures: Vec<(Failure, String)> = Vec::new();
        for index in (0..count).map(|step| (self.first.get() + step) % count) {
            match self.enter_at(index).await {
                Ok((session, certificate)) => {
                    for (_, message) in failures {
                        tracing::warn!("a directory server was left out: {message}");
                    }
                    return Ok((index, session, certificate));
                }
                Err(failure) => {
                    let message = format!("{}: {}", self.settings.urls[index], failure.message);
                    let is_final = failure.is_final;
                    failures.push((failure, message));
                    if is_final {
                        break;
                    }
                }
            }
        }
        // A final answer stands; else one server that may come back makes it worth waiting.
        let kind = failures.iter().map(|(failure, _)| failure).fold(Kind::Refused, |kind, failure| {
            match (failure.is_final, failure.kind) {
                (true, last) => last,
                (false, Kind::Unavailable | Kind::Incomplete) => Kind::Unavailable,
                (false, Kind::Refused) => kind,
            }
        });
        let mut message = failures.iter().map(|(_, message)| message.as_str()).collect::<Vec<_>>().join("\n");
        if kind == Kind::Unavailable {
            message.push_str(" (`seatsync check` tries every server, step by step)");
        }
        Err(kind.error(message))
    }

    async fn enter_at(&self, index: usize) -> Result<(Session, Option<Certificate>), Failure> {
        let url = &self.settings.urls[index];
        connect::refuse_cleartext(&self.settings, url)?;
        let trust = match url.is_tls() || self.settings.starttls {
            true => Some(tls::config(&self.settings)?),
            false => None,
        };
        let began = Instant::now();
        let connected = self.connect(url, trust).await;
        let went = if connected.is_ok() { Went::Answered } else { Went::Unanswered };
        tell(&self.settings.meter, "connect", began, went);
        let (wire, certificate) = connected?;
        let mut session = Session::start(wire, &self.settings);
        session.bind(&self.settings).await?;
        Ok((session, certificate))
    }

    /// When the password ends, asked now and then. A read that has succeeded does not fail by it.
    async fn look_at_password(&mut self, session: &mut Session, server: &Server) {
        if !server.is_active_directory {
            self.password = None;
            return;
        }
        if self.password_asked.is_some_and(|at| at.elapsed() < PASSWORD_ASKED_EVERY) {
            return;
        }
        self.password_asked = Some(Instant::now());
        match password::end(session, &self.settings, server).await {
            Ok(End::At(at)) => self.password = Some(Expiry::secret(self.settings.bind_dn.clone(), at)),
            Ok(End::Never | End::Unknown) => self.password = None,
            Err(failure) => tracing::debug!("when the bind password expires is not known: {}", failure.message),
        }
    }

    async fn connect(
        &self,
        url: &LdapUrl,
        trust: Option<tls::Trust>,
    ) -> Result<(Box<dyn Wire>, Option<Certificate>), Failure> {
        let (stream, _) = connect::reach(url, self.settings.timeout).await?;
        connect::secure(stream, &self.settings, url, trust).await
    }
}

impl Directory for Ldap {
    async fn read(&mut self, _: &Wanted<'_>, _: Option<&Cursor>) -> Result<Read, DirectoryError> {
        let (index, mut session, certificate) = self.enter().await?;
        match read::read(&mut session, &self.settings).await {
            Ok((reading, server)) => {
                let end = certificate.and_then(|certificate| certificate.not_after);
                self.certificate = end.map(|end| Expiry::certificate(self.settings.urls[index].to_string(), end));
                self.look_at_password(&mut session, &server).await;
                session.close().await;
                self.first.set(index);
                Ok(Read::whole(reading))
            }
            Err(failure) => {
                self.first.set((index + 1) % self.settings.urls.len());
                Err(failure.kind.error(format!("{}: {}", self.settings.urls[index], failure.message)))
            }
        }
    }

    fn expiries(&self) -> Vec<Expiry> {
        self.certificate.iter().chain(&self.password).cloned().collect()
    }
}
