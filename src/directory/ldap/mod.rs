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
//! | `allowance` | how much memory a read may keep |
//! | `entry`, `decode` | entries to people and groups |
//! | `read`, `probe` | a whole read; the steps of `check` |
//! | `watch`, `seen` | being told of changes as they are made, and which of them matter |
//! | `sample` | decoding without a connection, for who measures it |
//! | `course`, `follow` | from one read to the next: what has changed |
//! | `password` | when the bind account's password ends |
//! | `explain`, `failure` | words, and what the caller can do |
//!
//! A read is of one machine, from bind to unbind, over one connection or two: a server that breaks off in the middle makes
//! an error, never a switch to another one that may know a different state. The next read begins with the next server.
//!
//! Deliberately absent: Kerberos; following referrals; any way to skip the verification of a certificate; any second try of a
//! password.

mod allowance;
mod ber;
mod channel;
mod connect;
mod course;
mod decode;
mod entry;
mod explain;
mod failure;
mod follow;
mod password;
mod probe;
mod read;
mod request;
mod sample;
mod schema;
mod seen;
mod session;
mod settings;
mod tls;
mod watch;
mod witness;

pub use probe::{ProbeResult, ProbeStep};
pub use sample::Sample;
pub use settings::{LdapSettings, LdapUrl, ReadLimits, check_filter};
pub use tls::check_ca_file;
pub use watch::Watch;

use crate::directory::{Cursor, Directory, DirectoryError, Read};
use crate::model::{Expiry, Wanted, Went};
use course::Course;
use failure::{Failure, Kind};
use follow::Mark;
use password::End;
use schema::Server;
use secrecy::ExposeSecret;
use session::{Session, tell};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tls::Certificate;
use tokio::net::TcpStream;

/// How often it is asked when the password ends: it is a matter of days.
const PASSWORD_ASKED_EVERY: Duration = Duration::from_secs(60 * 60);

/// Whom reads turn to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Turn {
    /// The number of the URL that is tried first.
    index: usize,
    /// The machine that the last read was of, and what it calls itself; `None` where it failed.
    machine: Option<SocketAddr>,
    service: Option<String>,
}

/// The turn of all who are told of it. Clones are one.
#[derive(Clone, Debug)]
struct Place(Arc<tokio::sync::watch::Sender<Turn>>);

impl Default for Place {
    fn default() -> Self {
        Self(Arc::new(tokio::sync::watch::Sender::new(Turn::default())))
    }
}

impl Place {
    fn index(&self) -> usize {
        self.0.borrow().index
    }

    fn set(&self, turn: Turn) {
        self.0.send_if_modified(|now| {
            let is_new = *now != turn;
            *now = turn;
            is_new
        });
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
    /// How reads follow one another; `None` where there is one only.
    course: Option<Course>,
}

/// A connection on which we were let in.
#[derive(Debug)]
struct Entered {
    /// The number of its URL.
    index: usize,
    session: Session,
    certificate: Option<Certificate>,
    /// The machine that it leads to.
    address: SocketAddr,
}

impl Ldap {
    /// Nothing is contacted yet.
    pub fn new(settings: LdapSettings) -> Self {
        let first = Place::default();
        Self { settings, first, certificate: None, password: None, password_asked: None, course: None }
    }

    /// For reads that follow one another: a read gives a cursor where the server can tell what changes from then on, and leaves
    /// its connection open for the next one. It costs a question or two more.
    pub fn following(mut self) -> Self {
        self.course = Some(Course::default());
        self
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
    async fn enter(&mut self) -> Result<Entered, DirectoryError> {
        self.refuse_at_once().map_err(|failure| failure.kind.error(failure.message))?;
        let count = self.settings.urls.len();
        let mut failures: Vec<(Failure, String)> = Vec::new();
        for index in (0..count).map(|step| (self.first.index() + step) % count) {
            match self.enter_at(index).await {
                Ok(entered) => {
                    for (_, message) in failures {
                        tracing::warn!("a directory server was left out: {message}");
                    }
                    return Ok(entered);
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

    async fn enter_at(&self, index: usize) -> Result<Entered, Failure> {
        let url = &self.settings.urls[index];
        connect::refuse_cleartext(&self.settings, url)?;
        let trust = self.trust(url)?;
        let began = Instant::now();
        let reached = connect::reach(url, self.settings.timeout).await;
        self.enter_through(index, trust, began, reached).await
    }

    /// A second connection to the very machine of the first: another one of that name may know another state. `None` when it
    /// is not to be had: then one has to do.
    async fn enter_beside(&self, index: usize, address: SocketAddr) -> Option<Session> {
        match self.enter_at_machine(index, address).await {
            Ok(entered) => Some(entered.session),
            Err(failure) => {
                tracing::debug!("groups are read after the people, over one connection: {}", failure.message);
                None
            }
        }
    }

    /// The server of that number, at that machine and no other.
    async fn enter_at_machine(&self, index: usize, address: SocketAddr) -> Result<Entered, Failure> {
        let url = &self.settings.urls[index];
        connect::refuse_cleartext(&self.settings, url)?;
        let trust = self.trust(url)?;
        let began = Instant::now();
        let reached = connect::reach_at(address, self.settings.timeout).await.map(|stream| (stream, address));
        self.enter_through(index, trust, began, reached).await
    }

    async fn enter_through(
        &self,
        index: usize,
        trust: Option<tls::Trust>,
        began: Instant,
        reached: Result<(TcpStream, SocketAddr), Failure>,
    ) -> Result<Entered, Failure> {
        let url = &self.settings.urls[index];
        let connected = match reached {
            Ok((stream, address)) => {
                let secured = connect::secure(stream, &self.settings, url, trust).await;
                secured.map(|secured| (secured, address))
            }
            Err(failure) => Err(failure),
        };
        let went = if connected.is_ok() { Went::Answered } else { Went::Unanswered };
        tell(&self.settings.meter, "connect", began, went);
        let ((wire, certificate), address) = connected?;
        let mut session = Session::start(wire, &self.settings);
        session.bind(&self.settings).await?;
        Ok(Entered { index, session, certificate, address })
    }

    /// Whom a server must be certified by, where TLS is wanted.
    fn trust(&self, url: &LdapUrl) -> Result<Option<tls::Trust>, Failure> {
        (url.is_tls() || self.settings.starttls).then(|| tls::config(&self.settings)).transpose()
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
}

impl Directory for Ldap {
    async fn read(&mut self, wanted: &Wanted<'_>, since: Option<&Cursor>) -> Result<Read, DirectoryError> {
        match since.filter(|_| !wanted.whole).and_then(Mark::read) {
            Some(mark) => self.read_since(wanted, mark).await,
            None => {
                if let Some(course) = &mut self.course {
                    course.begin_anew().await;
                }
                self.read_from_the_beginning(wanted).await
            }
        }
    }

    fn expiries(&self) -> Vec<Expiry> {
        self.certificate.iter().chain(&self.password).cloned().collect()
    }
}
