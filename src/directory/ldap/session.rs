//! One connection: bind, then searches, page by page, each of which ended in success or is an error.
//!
//! A stream of entries ends the same way whether the server said "success" or "busy"; only the final result tells. So the
//! one way to entries is [`Session::search`] (and what is made of [`Session::request`]), which looks at it after every page.

mod several;

pub(super) use several::Several;

use super::ber::{self, Message};
use super::channel::{Asked, Channel, Fault, Wire, breach};
use super::entry::Entry;
use super::explain;
use super::failure::Failure;
use super::request::{self, Control};
use super::schema::{self, CONTROL_EXTENDED_DN, CONTROL_PAGED, Server};
use super::settings::{LdapSettings, ReadLimits};
use crate::directory::referral;
use crate::model::{Exchange, Meter, Peer, Went};
use secrecy::ExposeSecret;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// How long a goodbye may take.
const UNBIND_TIMEOUT: Duration = Duration::from_secs(1);
/// Pages without a single entry that a read puts up with; Active Directory sends some where much is invisible to us.
const EMPTY_PAGES_MAX: u64 = 10_000;

/// A connection on which requests go out one after another. Dropping it cuts the connection.
pub(super) struct Session {
    channel: Channel,
    last_id: u32,
    timeout: Duration,
    limits: ReadLimits,
    meter: Meter,
    entries: u64,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("last_id", &self.last_id).finish_non_exhaustive()
    }
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

impl<'a> Search<'a> {
    /// One entry, by its name, whatever it is.
    pub(super) fn entry(what: &'a str, name: &'a str, attributes: &'a [String]) -> Self {
        Self {
            what,
            base: name,
            base_only: true,
            filter: "(objectClass=*)",
            attributes,
            page_size: None,
            extended_dn: false,
        }
    }
}

/// One message of an answer.
pub(super) enum Event<'e, 'a> {
    /// An entry, with the controls that came with it.
    Entry(&'e Entry<'a>, &'a [u8]),
    /// A message in between (RFC 4511 4.13), whole.
    Info(&'a [u8]),
}

/// How one request for entries ended.
#[derive(Default)]
pub(super) struct Done {
    /// The result code.
    pub(super) code: u32,
    /// The server's text.
    pub(super) text: String,
    /// Where it points to instead.
    pub(super) elsewhere: Option<String>,
    /// The controls of the result, as they came.
    pub(super) controls: Vec<u8>,
    /// Entries that came.
    pub(super) entries: u64,
    /// References that came, all of them, for the limits.
    pub(super) references: u64,
    /// Those behind which people could be.
    pub(super) referrals: u64,
}

/// Whether a base is there.
pub(super) enum Base {
    /// It is.
    Found,
    /// The server says no, with this code and text.
    Absent(u32, String),
}

impl Done {
    /// Takes one message of the answer in; gives whether it was the last one.
    fn take(
        &mut self,
        what: &str,
        message: Message<'_>,
        limits: &ReadLimits,
        mut each: impl FnMut(Event<'_, '_>) -> Result<(), String>,
    ) -> Result<bool, Failure> {
        let breached = |found: String| broken(what, breach(&found));
        let taken = match message.op.tag {
            ber::SEARCH_ENTRY => {
                self.entries += 1;
                let entry = Entry::of(message.op, limits).map_err(breached)?;
                each(Event::Entry(&entry, message.controls))
            }
            ber::SEARCH_REFERENCE => {
                self.references += 1;
                self.referrals += u64::from(leads_to_people(message.op.body));
                Ok(())
            }
            ber::SEARCH_DONE => {
                let verdict = ber::verdict(message.op.body).map_err(breached)?;
                (self.code, self.text) = (verdict.code, verdict.text.to_owned());
                self.elsewhere = verdict.elsewhere.map(str::to_owned);
                self.controls = message.controls.to_vec();
                return Ok(true);
            }
            _ => each(Event::Info(message.op.body)),
        };
        taken.map_err(|problem| Failure::incomplete(format!("reading {what}: {problem}")))?;
        Ok(false)
    }
}

impl Session {
    /// On a connection over which nothing was said yet.
    pub(super) fn start(wire: Box<dyn Wire>, settings: &LdapSettings) -> Self {
        let LdapSettings { timeout, limits, meter, .. } = settings;
        let channel = Channel::new(wire, *limits);
        Self { channel, last_id: 0, timeout: *timeout, limits: *limits, meter: meter.clone(), entries: 0 }
    }

    /// Proves who we are (RFC 4513 5.1.3).
    pub(super) async fn bind(&mut self, settings: &LdapSettings) -> Result<(), Failure> {
        let name = &settings.bind_dn;
        let began = Instant::now();
        let answer = tokio::time::timeout(self.timeout, self.bound(settings)).await;
        let went = match &answer {
            Ok(Ok((0, _))) => Went::Answered,
            Ok(Ok(_)) => Went::Refused,
            Ok(Err(_)) | Err(_) => Went::Unanswered,
        };
        tell(&self.meter, "bind", began, went);
        let (code, text) = match answer {
            Err(_) => return Err(Failure::unavailable(format!("no answer to the bind within {:?}", self.timeout))),
            Ok(Err(Fault::Closed(cause) | Fault::Breach(cause))) => {
                return Err(Failure::unavailable(format!("the bind as {name} got no answer: {cause}")));
            }
            Ok(Ok(answer)) => answer,
        };
        let words = || {
            let said = explain::outcome(code, &text);
            format!("the bind as {name} failed with {said}; {}", explain::bind_help(code, &text))
        };
        match code {
            0 => Ok(()),
            51 | 52 => Err(Failure::unavailable(words())),
            _ => Err(Failure::refused(words())),
        }
    }

    async fn bound(&mut self, settings: &LdapSettings) -> Result<(u32, String), Fault> {
        let id = self.next_id();
        let request = request::bind(id, &settings.bind_dn, settings.bind_password.expose_secret());
        self.channel.ask(id, Asked::Bind, &request).await?;
        let answer = self.channel.receive().await?;
        let verdict = ber::verdict(answer.op.body).map_err(|found| breach(&found))?;
        Ok((verdict.code, verdict.text.to_owned()))
    }

    /// A read begins: its limits are counted from here.
    pub(super) fn begin(&mut self) {
        self.entries = 0;
        self.channel.begin();
    }

    /// What the server is.
    pub(super) async fn server(&mut self) -> Result<Server, Failure> {
        let attributes: Vec<String> = schema::ROOT_ATTRIBUTES.iter().map(|name| (*name).to_owned()).collect();
        let mut server = None;
        self.search(Search::entry("the rootDSE", "", &attributes), |entry| {
            server = Some(Server::of(entry));
            Ok(())
        })
        .await?;
        server.ok_or_else(|| Failure::incomplete("the server shows no rootDSE to the bind account; grant it"))
    }

    /// Whether the base is there and visible.
    pub(super) async fn base(&mut self, base: &str) -> Result<Base, Failure> {
        let attributes = ["1.1".to_owned()];
        let search = Search::entry("base_dn", base, &attributes);
        let done = self.request(&search, &[], 1, false, &mut |_| Ok(())).await?;
        match (done.code, done.entries) {
            (0, 0) => Ok(Base::Absent(0, "the server shows nothing there to the bind account".to_owned())),
            (0, _) => Ok(Base::Found),
            (code @ (32 | 34 | 50), _) => Ok(Base::Absent(code, done.text)),
            _ => Err(ended(&search, 1, &done)),
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
        each: impl FnMut(&Entry<'_>) -> Result<(), String>,
    ) -> Result<u64, Failure> {
        // No server sends that many.
        Ok(self.search_up_to(search, u64::MAX, each).await?.unwrap_or(0))
    }

    /// As [`Session::search`], but gives it up once `most` entries came and more are there: then `None`.
    ///
    /// # Errors
    /// As [`Session::search`].
    pub(super) async fn search_up_to(
        &mut self,
        search: Search<'_>,
        most: u64,
        mut each: impl FnMut(&Entry<'_>) -> Result<(), String>,
    ) -> Result<Option<u64>, Failure> {
        let (mut cookie, mut referrals) = (Vec::new(), 0);
        // Digests: there may be many pages, and cookies may be long.
        let (mut seen, keys) = (HashSet::new(), RandomState::new());
        let (mut pages, mut empty_pages, mut entries) = (0_u64, 0_u64, 0_u64);
        loop {
            pages += 1;
            let left = u32::try_from(most.saturating_sub(entries)).unwrap_or(u32::MAX).max(1);
            let page_size = search.page_size.map(|size| size.min(left));
            let mut controls = Vec::new();
            if let Some(size) = page_size {
                controls.push(Control::critical(CONTROL_PAGED, Some(ber::paged_request(size, &cookie))));
            }
            let left = self.limits.entries_max.saturating_sub(self.entries);
            let allowed = match (search.base_only, page_size) {
                (true, _) => 1,
                (false, Some(size)) => u64::from(size),
                (false, None) => left.saturating_add(1),
            };
            let mut first = None;
            let mut take = |event: Event<'_, '_>| match event {
                Event::Entry(entry, _) => {
                    first.get_or_insert_with(|| entry.dn.to_owned());
                    each(entry)
                }
                Event::Info(_) => Ok(()),
            };
            let page = self.request(&search, &controls, allowed, false, &mut take).await?;
            referrals += page.referrals;
            entries += page.entries;
            if page.code != 0 {
                return Err(ended(&search, pages, &page));
            }
            let Some(size) = page_size else { return Ok(Some(referrals)) };
            match more(&page.controls) {
                Ok(More::Untold) if page.entries >= u64::from(size) => {
                    return Err(Failure::incomplete(format!(
                        "reading {}: page {pages} came with all {size} entries that it may have, and not a word whether more \
                         follow: something on the way, such as a proxy or a load balancer, takes the paged results control \
                         out of answers; have it let controls pass, or name the server itself in urls",
                        search.what
                    )));
                }
                Ok(More::Untold | More::Nothing) => return Ok(Some(referrals)),
                Ok(More::Behind(_)) if entries >= most => return Ok(None),
                Ok(More::Behind(next)) => cookie = next,
                Err(found) => {
                    return Err(Failure::incomplete(format!(
                        "reading {}: after page {pages} the server sent, as paged results control, {found}",
                        search.what
                    )));
                }
            }
            empty_pages += u64::from(page.entries == 0);
            // A cookie may stay the same over a whole search (Samba's does); but not with the same page.
            if !seen.insert(keys.hash_one((&cookie, first))) || empty_pages > EMPTY_PAGES_MAX {
                return Err(Failure::incomplete(format!(
                    "reading {}: the server goes round in circles: page {pages} was there before, with the same cookie",
                    search.what
                )));
            }
        }
    }

    /// One request and all of its answer, whatever its result, under one time-out; told to the meter, so that whoever watches a
    /// long read sees it get on page by page. `informs`: whether messages in between are part of the answer.
    ///
    /// # Errors
    /// No whole answer; more entries than a read may bring; an error of `each`.
    pub(super) async fn request(
        &mut self,
        search: &Search<'_>,
        controls: &[Control],
        allowed: u64,
        informs: bool,
        each: &mut impl FnMut(Event<'_, '_>) -> Result<(), String>,
    ) -> Result<Done, Failure> {
        let (began, timeout) = (Instant::now(), self.timeout);
        let asked = self.answered(search, controls, Asked::Search { allowed, informs }, each);
        let done = tokio::time::timeout(timeout, asked).await.unwrap_or_else(|_| Err(too_slow(search.what, timeout)));
        let went = match &done {
            Ok(done) if done.code == 0 => Went::Answered,
            Ok(_) => Went::Refused,
            Err(_) => Went::Unanswered,
        };
        tell(&self.meter, "search", began, went);
        let done = done?;
        self.count(search.what, &done)?;
        Ok(done)
    }

    /// Counts what came towards what one read may bring.
    fn count(&mut self, what: &str, done: &Done) -> Result<(), Failure> {
        self.entries += done.entries + done.references;
        if self.entries > self.limits.entries_max {
            return Err(Failure::incomplete(format!(
                "reading {what}: more than the {} entries that one read may bring; is base_dn too wide?",
                self.limits.entries_max
            )));
        }
        Ok(())
    }

    async fn answered(
        &mut self,
        search: &Search<'_>,
        controls: &[Control],
        asked: Asked,
        each: &mut impl FnMut(Event<'_, '_>) -> Result<(), String>,
    ) -> Result<Done, Failure> {
        self.send(search, controls, asked).await?;
        let mut done = Done::default();
        loop {
            let message = self.channel.receive().await.map_err(|fault| broken(search.what, fault))?;
            if done.take(search.what, message, &self.limits, &mut *each)? {
                return Ok(done);
            }
        }
    }

    /// Asks for entries that come as they come, of which there may never be a last one; gives the id of all of it.
    pub(super) async fn subscribe(&mut self, search: &Search<'_>, controls: &[Control]) -> Result<u32, Failure> {
        self.send_soon(search, controls, Asked::Search { allowed: u64::MAX, informs: true }).await
    }

    /// Asks whether somebody is there; gives the id of the answer.
    pub(super) async fn ping(&mut self) -> Result<u32, Failure> {
        let attributes = ["1.1".to_owned()];
        let search = Search::entry("a sign of life", "", &attributes);
        self.send_soon(&search, &[], Asked::Search { allowed: 1, informs: false }).await
    }

    /// The next message of any answer that has not ended; may be dropped at any time without losing one.
    pub(super) async fn next(&mut self) -> Result<Message<'_>, Fault> {
        self.channel.receive().await
    }

    /// A request that leaves within the time-out.
    async fn send_soon(&mut self, search: &Search<'_>, controls: &[Control], asked: Asked) -> Result<u32, Failure> {
        let timeout = self.timeout;
        tokio::time::timeout(timeout, self.send(search, controls, asked)).await.unwrap_or_else(|_| {
            Err(Failure::incomplete(format!("reading {}: the request was not taken within {timeout:?}", search.what)))
        })
    }

    /// Sends one request for entries; gives its id.
    async fn send(&mut self, search: &Search<'_>, controls: &[Control], asked: Asked) -> Result<u32, Failure> {
        let id = self.next_id();
        let what = search.what;
        let with_names = search.extended_dn.then(|| {
            // The text form of GUID and SID; critical, since the answer is read differently without it.
            Control::critical(CONTROL_EXTENDED_DN, Some(ber::encode(ber::SEQUENCE, &ber::integer(1))))
        });
        let controls: Vec<Control> = controls.iter().cloned().chain(with_names).collect();
        let request = request::search(id, search, &controls)
            .map_err(|problem| Failure::incomplete(format!("reading {what}: {problem}")))?;
        self.channel.ask(id, asked, &request).await.map_err(|fault| broken(what, fault))?;
        Ok(id)
    }

    /// Ids go up, and begin anew before they would be negative (RFC 4511 4.1.1.1).
    fn next_id(&mut self) -> u32 {
        self.last_id = self.last_id % 0x7fff_ffff + 1;
        self.last_id
    }

    /// Says goodbye. Nothing depends on its success.
    pub(super) async fn close(mut self) {
        let request = request::unbind(self.next_id());
        let goodbye = async {
            if let Err(Fault::Closed(cause) | Fault::Breach(cause)) = self.channel.tell(&request).await {
                tracing::debug!("the directory was left without a goodbye: {cause}");
            }
            self.channel.shut().await;
        };
        if tokio::time::timeout(UNBIND_TIMEOUT, goodbye).await.is_err() {
            tracing::debug!("the directory connection was not closed in time and is cut");
        }
    }
}

/// Tells of one exchange that has just ended.
pub(super) fn tell(meter: &Meter, operation: &'static str, began: Instant, went: Went) {
    meter.tell(&Exchange { peer: Peer::Directory, operation, took: began.elapsed(), went });
}

fn too_slow(what: &str, timeout: Duration) -> Failure {
    Failure::incomplete(format!(
        "reading {what}: the answer was not complete within {timeout:?}; raise timeout or lower page_size"
    ))
}

fn broken(what: &str, fault: Fault) -> Failure {
    match fault {
        Fault::Closed(cause) => Failure::incomplete(format!("reading {what}: {cause}")).for_now(),
        Fault::Breach(cause) => Failure::incomplete(format!("reading {what}: {cause}")),
    }
}

/// Whether people could be behind a reference (RFC 4511 4.5.3).
fn leads_to_people(reference: &[u8]) -> bool {
    let urls = || ber::elements(reference).map_while(Result::ok).map(|url| url.body);
    let nobody = referral::is_without_people(urls());
    if nobody {
        let shown: Vec<String> = urls().map(|url| explain::tidy(&String::from_utf8_lossy(url))).collect();
        tracing::debug!("not followed, and nobody is there: {}", shown.join(" "));
    }
    !nobody
}

/// A search that ended in something else than success.
pub(super) fn ended(search: &Search<'_>, page: u64, done: &Done) -> Failure {
    let mut message = format!(
        "reading {} below {:?} ended on page {page} with {}; {}",
        search.what,
        search.base,
        explain::outcome(done.code, &done.text),
        explain::search_help(done.code)
    );
    if let Some(elsewhere) = &done.elsewhere {
        message = format!("{message} (it points to {})", explain::tidy(elsewhere));
    }
    let failure = Failure::incomplete(message);
    if explain::is_for_now(done.code) { failure.for_now() } else { failure }
}

/// Whether a page is the last one. A server says so with each (RFC 2696 3).
enum More {
    /// It is not said.
    Untold,
    /// It is.
    Nothing,
    /// More is behind this cookie.
    Behind(Vec<u8>),
}

fn more(controls: &[u8]) -> Result<More, String> {
    let Some(value) = ber::control(controls, CONTROL_PAGED) else { return Ok(More::Untold) };
    if value.is_empty() {
        return Err("nothing".to_owned());
    }
    let cookie = ber::paged_cookie(value)?;
    Ok(if cookie.is_empty() { More::Nothing } else { More::Behind(cookie) })
}
