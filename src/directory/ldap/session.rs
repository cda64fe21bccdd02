//! One connection: bind, then searches, page by page, each of which ended in success or is an error.
//!
//! The client library ends a stream of entries the same way whether the server said "success" or "busy"; only the final
//! result tells. So the one way to entries is [`Session::search`], which looks at it after every page.

use super::ber;
use super::entry::Entry;
use super::explain;
use super::failure::Failure;
use super::gate::{Fault, Gate, Wire};
use super::schema::{self, CONTROL_EXTENDED_DN, CONTROL_PAGED, Server};
use super::settings::{LdapSettings, ReadLimits};
use crate::directory::referral;
use crate::model::{Exchange, Meter, Peer, Went};
use lber::structure::{PL, StructureTag};
use ldap3::controls::RawControl;
use ldap3::{LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Scope, StdStream};
use secrecy::ExposeSecret;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How long a goodbye may take.
const UNBIND_TIMEOUT: Duration = Duration::from_secs(1);
/// Pages without a single entry that a read puts up with; Active Directory sends some where much is invisible to us.
const EMPTY_PAGES_MAX: u64 = 10_000;

/// A connection on which requests go out one after another. Dropping it cuts the connection.
pub(super) struct Session {
    ldap: ldap3::Ldap,
    gate: Gate,
    drive: JoinHandle<()>,
    timeout: Duration,
    limits: ReadLimits,
    meter: Meter,
    entries: u64,
}

/// What is searched for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search<'a> {
    /// In words, for messages: "the people".
    pub(super) what: &'a str,
    /// Below which entry.
    pub(super) base: &'a str,
    /// Only the base itself, and not all below it.
    pub(super) base_only: bool,
    /// Which of them.
    pub(super) filter: &'a str,
    /// What of them.
    pub(super) attributes: &'a [String],
    /// Entries in a page; `None` for one answer with everything.
    pub(super) page_size: Option<u32>,
    /// Whether names come with their GUID.
    pub(super) extended_dn: bool,
}

/// How one request for entries ended.
struct Page {
    result: LdapResult,
    entries: u64,
    first: Option<String>,
    /// All of them, for the limits.
    references: u64,
    /// Those behind which people could be.
    referrals: u64,
}

/// Whether a base is there.
pub(super) enum Base {
    /// It is.
    Found,
    /// The server says no, with this code and text.
    Absent(u32, String),
}

impl Session {
    /// Puts the gate and the client library on a connection.
    pub(super) async fn start(wire: Box<dyn Wire>, settings: &LdapSettings) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::unavailable(format!("the connection cannot be set up on this machine: {error}"))
        };
        let (ours, library) = std::os::unix::net::UnixStream::pair().map_err(|error| failed(&error))?;
        ours.set_nonblocking(true).map_err(|error| failed(&error))?;
        let ours = tokio::net::UnixStream::from_std(ours).map_err(|error| failed(&error))?;
        let gate = Gate::stand(wire, ours, settings.limits);
        let library = LdapConnSettings::new().set_std_stream(StdStream::Unix(library));
        let (connection, ldap) =
            LdapConnAsync::with_settings(library, "ldapi:///").await.map_err(|error| failed(&error))?;
        let drive = tokio::spawn(async move {
            if let Err(error) = connection.drive().await {
                tracing::debug!("the LDAP library ended its connection: {error}");
            }
        });
        let LdapSettings { timeout, limits, meter, .. } = settings;
        Ok(Self { ldap, gate, drive, timeout: *timeout, limits: *limits, meter: meter.clone(), entries: 0 })
    }

    /// Proves who we are (RFC 4513 5.1.3).
    pub(super) async fn bind(&mut self, settings: &LdapSettings) -> Result<(), Failure> {
        let name = &settings.bind_dn;
        let bind = self.ldap.simple_bind(name, settings.bind_password.expose_secret());
        let began = Instant::now();
        let answer = tokio::time::timeout(self.timeout, bind).await;
        let went = match &answer {
            Ok(Ok(result)) if result.rc == 0 => Went::Answered,
            Ok(Ok(_)) => Went::Refused,
            Ok(Err(_)) | Err(_) => Went::Unanswered,
        };
        tell(&self.meter, "bind", began, went);
        let result = match answer {
            Err(_) => return Err(Failure::unavailable(format!("no answer to the bind within {:?}", self.timeout))),
            Ok(Err(error)) => {
                let (Fault::Closed(cause) | Fault::Breach(cause)) = self.cause(&error);
                return Err(Failure::unavailable(format!("the bind as {name} got no answer: {cause}")));
            }
            Ok(Ok(result)) => result,
        };
        let words = || {
            let said = explain::outcome(result.rc, &result.text);
            format!("the bind as {name} failed with {said}; {}", explain::bind_help(result.rc, &result.text))
        };
        match result.rc {
            0 => Ok(()),
            51 | 52 => Err(Failure::unavailable(words())),
            _ => Err(Failure::refused(words())),
        }
    }

    /// What the server is.
    pub(super) async fn server(&mut self) -> Result<Server, Failure> {
        let attributes: Vec<String> = schema::ROOT_ATTRIBUTES.iter().map(|name| (*name).to_owned()).collect();
        let mut server = None;
        let search = Search {
            what: "the rootDSE",
            base: "",
            base_only: true,
            filter: "(objectClass=*)",
            attributes: &attributes,
            page_size: None,
            extended_dn: false,
        };
        self.search(search, |entry| {
            server = Some(Server::of(&entry));
            Ok(())
        })
        .await?;
        server.ok_or_else(|| Failure::incomplete("the server shows no rootDSE to the bind account; grant it"))
    }

    /// Whether the base is there and visible.
    pub(super) async fn base(&mut self, base: &str) -> Result<Base, Failure> {
        let attributes = ["1.1".to_owned()];
        let search = Search {
            what: "base_dn",
            base,
            base_only: true,
            filter: "(objectClass=*)",
            attributes: &attributes,
            page_size: None,
            extended_dn: false,
        };
        let page = self.page(&search, Vec::new(), 1, &mut |_| Ok(())).await?;
        match (page.result.rc, page.entries) {
            (0, 0) => Ok(Base::Absent(0, "the server shows nothing there to the bind account".to_owned())),
            (0, _) => Ok(Base::Found),
            (code @ (32 | 34 | 50), _) => Ok(Base::Absent(code, page.result.text)),
            _ => Err(ended(&search, 1, &page.result)),
        }
    }

    /// Brings every entry to `each`, page by page, and gives the number of referrals that came instead of entries, without
    /// those to where no people are.
    ///
    /// # Errors
    /// Anything but success, on any page; an error of `each`.
    pub(super) async fn search(
        &mut self,
        search: Search<'_>,
        mut each: impl FnMut(Entry) -> Result<(), String>,
    ) -> Result<u64, Failure> {
        let (mut cookie, mut seen, mut referrals) = (Vec::new(), HashSet::new(), 0);
        let (mut pages, mut empty_pages) = (0_u64, 0_u64);
        loop {
            pages += 1;
            let mut controls = Vec::new();
            if search.extended_dn {
                // The text form of GUID and SID; critical, since the answer is read differently without it.
                let value = ber::encode(ber::SEQUENCE, &[0x02, 0x01, 0x01]);
                controls.push(RawControl { ctype: CONTROL_EXTENDED_DN.to_owned(), crit: true, val: Some(value) });
            }
            if let Some(size) = search.page_size {
                let value = ber::paged_request(size, &cookie);
                controls.push(RawControl { ctype: CONTROL_PAGED.to_owned(), crit: true, val: Some(value) });
            }
            let left = self.limits.entries_max.saturating_sub(self.entries);
            let allowed = match (search.base_only, search.page_size) {
                (true, _) => 1,
                (false, Some(size)) => u64::from(size),
                (false, None) => left.saturating_add(1),
            };
            let page = self.page(&search, controls, allowed, &mut each).await?;
            self.entries += page.entries + page.references;
            referrals += page.referrals;
            if page.result.rc != 0 {
                return Err(ended(&search, pages, &page.result));
            }
            if self.entries > self.limits.entries_max {
                return Err(Failure::incomplete(format!(
                    "reading {}: more than the {} entries that one read may bring; is base_dn too wide?",
                    search.what, self.limits.entries_max
                )));
            }
            match next_cookie(&page.result) {
                _ if search.page_size.is_none() => return Ok(referrals),
                Ok(None) => return Ok(referrals),
                Ok(Some(next)) => cookie = next,
                Err(found) => {
                    return Err(Failure::incomplete(format!(
                        "reading {}: after page {pages} the server sent, as paged results control, {found}",
                        search.what
                    )));
                }
            }
            empty_pages += u64::from(page.entries == 0);
            // A cookie may stay the same over a whole search (Samba's does); but not with the same page.
            if !seen.insert((cookie.clone(), page.first)) || empty_pages > EMPTY_PAGES_MAX {
                return Err(Failure::incomplete(format!(
                    "reading {}: the server goes round in circles: page {pages} was there before, with the same cookie",
                    search.what
                )));
            }
        }
    }

    /// One request and all of its answer, under one time-out; told to the meter, so that whoever watches a long read sees
    /// it get on page by page.
    async fn page(
        &mut self,
        search: &Search<'_>,
        controls: Vec<RawControl>,
        allowed: u64,
        each: &mut impl FnMut(Entry) -> Result<(), String>,
    ) -> Result<Page, Failure> {
        let began = Instant::now();
        let page = self.request(search, controls, allowed, each).await;
        let went = match &page {
            Ok(page) if page.result.rc == 0 => Went::Answered,
            Ok(_) => Went::Refused,
            Err(_) => Went::Unanswered,
        };
        tell(&self.meter, "search", began, went);
        page
    }

    async fn request(
        &mut self,
        search: &Search<'_>,
        controls: Vec<RawControl>,
        allowed: u64,
        each: &mut impl FnMut(Entry) -> Result<(), String>,
    ) -> Result<Page, Failure> {
        self.gate.allow(allowed);
        let scope = if search.base_only { Scope::Base } else { Scope::Subtree };
        let Self { ldap, gate, timeout, .. } = self;
        let what = search.what;
        if !controls.is_empty() {
            ldap.with_controls(controls);
        }
        let request = async {
            let (mut entries, mut references, mut referrals, mut first) = (0, 0, 0, None);
            let mut stream = ldap.streaming_search(search.base, scope, search.filter, search.attributes).await?;
            while let Some(found) = stream.next().await? {
                gate.consumed();
                if found.is_ref() {
                    references += 1;
                    let urls = urls(&found.0);
                    match referral::is_without_people(urls.iter().copied()) {
                        true => tracing::debug!("not followed, and nobody is there: {}", shown(&urls)),
                        false => referrals += 1,
                    }
                    continue;
                }
                entries += 1;
                let taken = Entry::of(found.0).and_then(|entry| {
                    first.get_or_insert_with(|| entry.dn.clone());
                    each(entry)
                });
                if let Err(problem) = taken {
                    return Ok(Err(Failure::incomplete(format!("reading {what}: {problem}"))));
                }
            }
            let result = stream.finish().await;
            Ok::<_, LdapError>(Ok(Page { result, entries, first, references, referrals }))
        };
        match tokio::time::timeout(*timeout, request).await {
            Ok(Ok(page)) => page,
            Ok(Err(error)) => Err(match self.cause(&error) {
                Fault::Closed(cause) => {
                    Failure::incomplete(format!("reading {what}: {cause}; the next pass tries again"))
                }
                Fault::Breach(cause) => Failure::incomplete(format!("reading {what}: {cause}")),
            }),
            Err(_) => Err(Failure::incomplete(format!(
                "reading {what}: the answer was not complete within {:?}; raise timeout or lower page_size",
                self.timeout
            ))),
        }
    }

    /// What really went wrong: the gate saw it first.
    fn cause(&self, error: &LdapError) -> Fault {
        self.gate.fault().unwrap_or_else(|| match error {
            LdapError::FilterParsing => Fault::Breach("user_filter is not an LDAP filter".to_owned()),
            error => Fault::Closed(format!("the connection broke: {error}")),
        })
    }

    /// Says goodbye. Nothing depends on its success.
    pub(super) async fn close(mut self) {
        if let Ok(Err(error)) = tokio::time::timeout(UNBIND_TIMEOUT, self.ldap.unbind()).await {
            tracing::debug!("the directory was left without a goodbye: {error}");
        }
        self.gate.drained(UNBIND_TIMEOUT).await;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.drive.abort();
    }
}

/// Tells of one exchange that has just ended.
pub(super) fn tell(meter: &Meter, operation: &'static str, began: Instant, went: Went) {
    meter.tell(&Exchange { peer: Peer::Directory, operation, took: began.elapsed(), went });
}

/// The URLs of a reference (RFC 4511 4.5.3).
fn urls(reference: &StructureTag) -> Vec<&[u8]> {
    let PL::C(parts) = &reference.payload else { return Vec::new() };
    let mut urls = Vec::with_capacity(parts.len());
    for part in parts {
        if let PL::P(url) = &part.payload {
            urls.push(url.as_slice());
        }
    }
    urls
}

fn shown(urls: &[&[u8]]) -> String {
    urls.iter().map(|url| explain::tidy(&String::from_utf8_lossy(url))).collect::<Vec<_>>().join(" ")
}

/// A search that ended in something else than success.
fn ended(search: &Search<'_>, page: u64, result: &LdapResult) -> Failure {
    let mut message = format!(
        "reading {} below {:?} ended on page {page} with {}; {}",
        search.what,
        search.base,
        explain::outcome(result.rc, &result.text),
        explain::search_help(result.rc)
    );
    if let Some(elsewhere) = result.refs.first() {
        message = format!("{message} (it points to {})", explain::tidy(elsewhere));
    }
    Failure::incomplete(message)
}

/// The cookie of the next page; `None` after the last one.
fn next_cookie(result: &LdapResult) -> Result<Option<Vec<u8>>, String> {
    let Some(control) = result.ctrls.iter().map(|control| &control.1).find(|control| control.ctype == CONTROL_PAGED)
    else {
        return Ok(None);
    };
    let value = control.val.as_deref().ok_or_else(|| "nothing".to_owned())?;
    let cookie = ber::paged_cookie(value)?;
    Ok(Some(cookie).filter(|cookie| !cookie.is_empty()))
}
