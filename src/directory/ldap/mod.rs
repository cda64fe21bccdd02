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
//! | `mapped` | what the mapping is about, by look-up; which of the two is cheaper |
//! | `password` | when the bind account's password ends |
//! | `explain`, `failure` | words, and what the caller can do |
//!
//! A read is of one machine, from bind to unbind, over one connection or two: a server that breaks off in the middle makes
//! an error, never a switch to another one that may know a different state. The next read begins with the next server.
//!
//! Deliberately absent: Kerberos, change notification and DirSync; following referrals; any way to skip the
//! verification of a certificate; any second try of a password.

mod allowance;
mod ber;
mod channel;
mod connect;
mod decode;
mod entry;
mod explain;
mod failure;
mod mapped;
mod password;
mod probe;
mod read;
mod request;
mod schema;
mod session;
mod settings;
mod tls;
mod witness;

pub use probe::{ProbeResult, ProbeStep};
pub use settings::{LdapSettings, LdapUrl, ReadLimits, check_filter};
pub use tls::check_ca_file;

use crate::directory::{Cursor, Directory, DirectoryError, Read};
use crate::model::{Expiry, News, Reading, Wanted, Went};
use allowance::Allowance;
use failure::{Failure, Kind};
use mapped::{Size, Stop, Way, Whole};
use password::End;
use schema::Server;
use secrecy::ExposeSecret;
use session::{Session, tell};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tls::Certificate;
use tokio::net::TcpStream;

/// How often it is asked when the password ends: it is a matter of days.
const PASSWORD_ASKED_EVERY: Duration = Duration::from_secs(60 * 60);
/// Where fewer people come, a second connection to read groups at the same time saves nothing.
const BESIDE_FROM: u64 = 10_000;
/// A server that is not fit for look-ups is not tried with them again for so long.
const UNFIT_FOR: Duration = Duration::from_secs(60 * 60);

/// An LDAP directory.
#[derive(Debug)]
pub struct Ldap {
    settings: LdapSettings,
    /// The server that the next read begins with: the one that worked, or the one behind the one that broke.
    first: usize,
    /// The certificate that the server of the latest read showed.
    certificate: Option<Expiry>,
    /// The password we came in with.
    password: Option<Expiry>,
    password_asked: Option<Instant>,
    /// What is known of the number of people there.
    size: Size,
    /// How many people were found to be concerned when they were last looked up.
    concerned: u64,
    /// Since when look-ups are known to lead to nothing here.
    unfit: Option<Instant>,
}

/// A connection on which we were let in.
struct Entered {
    session: Session,
    certificate: Option<Certificate>,
    /// The machine that it leads to.
    address: SocketAddr,
}

impl Ldap {
    /// Nothing is contacted yet.
    pub fn new(settings: LdapSettings) -> Self {
        Self {
            settings,
            first: 0,
            certificate: None,
            password: None,
            password_asked: None,
            size: Size::Unknown,
            concerned: 0,
            unfit: None,
        }
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
    async fn enter(&mut self) -> Result<(usize, Entered), DirectoryError> {
        self.refuse_at_once().map_err(|failure| failure.kind.error(failure.message))?;
        let count = self.settings.urls.len();
        let mut failures: Vec<(Failure, String)> = Vec::new();
        for index in (0..count).map(|step| (self.first + step) % count) {
            match self.enter_at(index).await {
                Ok(entered) => {
                    for (_, message) in failures {
                        tracing::warn!("a directory server was left out: {message}");
                    }
                    return Ok((index, entered));
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
        self.enter_through(url, trust, began, reached).await
    }

    /// A second connection to the very machine of the first: another one of that name may know another state. `None` when it
    /// is not to be had: then one has to do.
    async fn enter_beside(&self, index: usize, address: SocketAddr) -> Option<Session> {
        let url = self.settings.urls.get(index)?;
        let trust = self.trust(url).ok()?;
        let began = Instant::now();
        let reached = connect::reach_at(address, self.settings.timeout).await.map(|stream| (stream, address));
        match self.enter_through(url, trust, began, reached).await {
            Ok(entered) => Some(entered.session),
            Err(failure) => {
                tracing::debug!("groups are read after the people, over one connection: {}", failure.message);
                None
            }
        }
    }

    async fn enter_through(
        &self,
        url: &LdapUrl,
        trust: Option<tls::Trust>,
        began: Instant,
        reached: Result<(TcpStream, SocketAddr), Failure>,
    ) -> Result<Entered, Failure> {
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
        Ok(Entered { session, certificate, address })
    }

    /// Whom a server must be certified by, where TLS is wanted.
    fn trust(&self, url: &LdapUrl) -> Result<Option<tls::Trust>, Failure> {
        (url.is_tls() || self.settings.starttls).then(|| tls::config(&self.settings)).transpose()
    }

    /// Reads what is wanted, in the cheaper way. The connection may be another one afterwards.
    async fn read_through(
        &mut self,
        index: usize,
        entered: &mut Entered,
        wanted: &Wanted<'_>,
    ) -> Result<(News, Server), Failure> {
        let server = entered.session.server().await?;
        tracing::debug!("the directory is {}", server.kind);
        read::check_base(&mut entered.session, &self.settings, &server).await?;
        // Each time round more is known: how many people there are, or how many of them are concerned.
        loop {
            let most = match self.way(wanted, &server) {
                Way::Whole => return self.read_whole_through(index, entered, server).await,
                Way::WholeUpTo(most) => match self.read_up_to(index, entered, &server, most).await? {
                    Some(reading) => return Ok((News::Whole(reading), server)),
                    None => continue,
                },
                Way::Mapped(most) => most,
            };
            match self.look_up(entered, &server, wanted, most).await {
                Ok(reading) => return Ok((News::Mapped(reading), server)),
                Err(Stop::Failed(failure)) => return Err(failure),
                Err(Stop::TooMany(concerned)) => {
                    tracing::debug!("more than {most} people are concerned, at least {concerned}");
                    self.concerned = concerned;
                }
                Err(Stop::Whole(Whole { why, is_open, is_for_long })) => {
                    tracing::info!("the whole directory is read: {why}");
                    self.unfit = is_for_long.then(Instant::now);
                    if !is_open {
                        *entered = self.enter_at(index).await?;
                    }
                    return self.read_whole_through(index, entered, server).await;
                }
            }
        }
    }

    /// What the mapping is about.
    async fn look_up(
        &mut self,
        entered: &mut Entered,
        server: &Server,
        wanted: &Wanted<'_>,
        most: u64,
    ) -> Result<Reading, Stop> {
        let allowance = Allowance::of(&self.settings.limits);
        let of = read::Asked { settings: &self.settings, server, allowance: &allowance };
        let (reading, tally) = mapped::read(&mut entered.session, mapped::Asked { of, wanted, most }).await?;
        let mapped::Tally { requests, entries, look_ups } = tally;
        tracing::info!(
            "{} people and {} groups read by look-up, few of more than {} people ({requests} requests, {entries} entries)",
            reading.people.len(),
            reading.groups.len(),
            most.saturating_mul(2)
        );
        self.concerned = look_ups;
        Ok(reading)
    }

    /// Which way is the cheaper one, as far as anybody knows.
    fn way(&self, wanted: &Wanted<'_>, server: &Server) -> Way {
        let is_unfit = !server.pages || self.unfit.is_some_and(|since| since.elapsed() < UNFIT_FOR);
        if wanted.whole || is_unfit {
            return Way::Whole;
        }
        let size = match self.size {
            Size::Exactly(people) => Size::Exactly(people),
            Size::MoreThan(_) | Size::Unknown => self.size.max(mapped::remembered(wanted.memory)),
        };
        mapped::choose(mapped::concerned(wanted).max(self.concerned), size)
    }

    /// Everybody and every group.
    async fn read_whole_through(
        &mut self,
        index: usize,
        entered: &mut Entered,
        server: Server,
    ) -> Result<(News, Server), Failure> {
        match self.read_up_to(index, entered, &server, u64::MAX).await? {
            Some(reading) => Ok((News::Whole(reading), server)),
            // There are no more numbers.
            None => Err(Failure::incomplete("the directory has no end")),
        }
    }

    /// Everybody and every group, or `None` where there are more than so many people.
    async fn read_up_to(
        &mut self,
        index: usize,
        entered: &mut Entered,
        server: &Server,
        most: u64,
    ) -> Result<Option<Reading>, Failure> {
        let mut beside = match most {
            ..BESIDE_FROM => None,
            _ => self.enter_beside(index, entered.address).await,
        };
        let read = read::read(&mut entered.session, beside.as_mut(), &self.settings, server, most).await?;
        let Some(reading) = read else {
            self.size = Size::MoreThan(most);
            return Ok(None);
        };
        if let Some(beside) = beside {
            beside.close().await;
        }
        self.size = Size::Exactly(reading.people.len() as u64);
        tracing::info!("all {} people and {} groups read", reading.people.len(), reading.groups.len());
        Ok(Some(reading))
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
    async fn read(&mut self, wanted: &Wanted<'_>, _: Option<&Cursor>) -> Result<Read, DirectoryError> {
        let (index, mut entered) = self.enter().await?;
        match self.read_through(index, &mut entered, wanted).await {
            Ok((news, server)) => {
                let end = entered.certificate.and_then(|certificate| certificate.not_after);
                self.certificate = end.map(|end| Expiry::certificate(self.settings.urls[index].to_string(), end));
                self.look_at_password(&mut entered.session, &server).await;
                entered.session.close().await;
                self.first = index;
                Ok(Read { news, cursor: None })
            }
            Err(failure) => {
                self.first = (index + 1) % self.settings.urls.len();
                Err(failure.kind.error(format!("{}: {}", self.settings.urls[index], failure.message)))
            }
        }
    }

    fn expiries(&self) -> Vec<Expiry> {
        self.certificate.iter().chain(&self.password).cloned().collect()
    }
}
