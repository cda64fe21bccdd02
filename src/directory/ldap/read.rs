//! One whole read: the people, the groups, the rest of long member lists.

use super::allowance::Allowance;
use super::decode::{Partial, Reader, Rest, identity};
use super::entry::Entry;
use super::failure::Failure;
use super::schema::Server;
use super::session::{Base, Search, Session};
use super::settings::LdapSettings;
use crate::model::{Containers, Dn, Group, ObjectGuid, Person, Reading};

/// How often one group is read from its beginning again because its values moved while they were read.
const GROUP_ATTEMPTS_MAX: u32 = 5;

/// Reads everything; gives it up, and `None`, as soon as `most` people have come and more are there. `beside` is a second
/// connection to the same server: people and groups come at the same time.
pub(super) async fn read(
    session: &mut Session,
    beside: Option<&mut Session>,
    settings: &LdapSettings,
    server: &Server,
    most: u64,
) -> Result<Option<Reading>, Failure> {
    let allowance = Allowance::of(&settings.limits);
    let asked = Asked { settings, server, allowance: &allowance, which: Which::All, members: true };
    let people = async { people_up_to(session, asked, most).await?.ok_or(Ended::Enough) };
    let read = match beside {
        Some(beside) => tokio::try_join!(people, async { Ok(groups(beside, asked).await?) }),
        None => match people.await {
            Ok(people) => Ok((people, groups(session, asked).await?)),
            Err(ended) => Err(ended),
        },
    };
    match read {
        Ok(((people, behind_people), (groups, behind_groups))) => {
            Ok(Some(Reading { people, groups, referrals: behind_people + behind_groups }))
        }
        Err(Ended::Enough) => Ok(None),
        Err(Ended::Failed(failure)) => Err(failure),
    }
}

/// Why a read ended before its end.
enum Ended {
    /// It has failed.
    Failed(Failure),
    /// More came than wanted.
    Enough,
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What is read from whom, and how much of it may be kept.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) settings: &'a LdapSettings,
    pub(super) server: &'a Server,
    pub(super) allowance: &'a Allowance,
    /// Which of the people or groups below the base.
    pub(super) which: Which<'a>,
    /// Whether groups are read with their members, or without any.
    pub(super) members: bool,
}

/// Which of the people or groups.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which<'a> {
    /// All of them.
    All,
    /// Those that this filter fits as well.
    Matching(&'a str),
}

impl Which<'_> {
    fn of(self, filter: &str) -> String {
        match self {
            Self::All => filter.to_owned(),
            Self::Matching(other) => format!("(&{filter}{other})"),
        }
    }
}

impl<'a> Asked<'a> {
    /// How its entries are read.
    pub(super) fn reader(&self) -> Reader<'a> {
        Reader {
            is_active_directory: self.server.is_active_directory,
            email_attributes: &self.settings.email_attributes,
            details: &self.settings.details,
        }
    }
}

/// The people, each once, sorted by identity, and how many referrals came instead.
pub(super) async fn people(session: &mut Session, asked: Asked<'_>) -> Result<(Vec<Person>, u64), Failure> {
    // No server has that many.
    Ok(people_up_to(session, asked, u64::MAX).await?.unwrap_or_default())
}

/// The same; `None` where there are more than `most`.
async fn people_up_to(
    session: &mut Session,
    asked: Asked<'_>,
    most: u64,
) -> Result<Option<(Vec<Person>, u64)>, Failure> {
    let Asked { settings, server, allowance, which, members: _ } = asked;
    let reader = asked.reader();
    let (mut people, mut containers) = (Vec::new(), Containers::default());
    let search = Search {
        what: "the people",
        base: &settings.base_dn,
        base_only: false,
        filter: &which.of(&server.people_filter(settings)),
        attributes: &server.people_attributes(settings),
        page_size: page_size(settings, server),
        extended_dn: false,
    };
    let referrals = session
        .search_up_to(search, most, |entry| {
            if let Some(person) = reader.person(entry, &mut containers)? {
                allowance.keep_person(&person)?;
                people.push(person);
            }
            Ok(())
        })
        .await?;
    let Some(referrals) = referrals else { return Ok(None) };
    Ok(Some((each_once(people, |person: &Person| person.guid, |person| &person.dn)?, referrals)))
}

/// Every group with all of its members, each once, sorted by identity, and how many referrals came instead.
pub(super) async fn groups(session: &mut Session, asked: Asked<'_>) -> Result<(Vec<Group>, u64), Failure> {
    let Asked { settings, server, allowance, which, members } = asked;
    let attributes = if members { server.group_attributes() } else { server.group_attributes_but_members() };
    let filter = which.of(server.group_filter());
    let asked = Groups::new(asked, &attributes);
    let mut partials = Vec::new();
    let search = asked.search("the groups", &settings.base_dn, page_size(settings, server));
    let search = Search { filter: &filter, ..search };
    let referrals = session
        .search(search, |entry| {
            let partial = asked.reader.group(entry)?;
            allowance.keep_group(&partial.group)?;
            partials.push(partial);
            Ok(())
        })
        .await?;
    for partial in &mut partials {
        asked.complete(session, partial).await?;
    }
    let groups = partials.into_iter().map(|partial| partial.group).collect();
    Ok((each_once(groups, |group: &Group| group.guid, |group| &group.dn)?, referrals))
}

fn page_size(settings: &LdapSettings, server: &Server) -> Option<u32> {
    server.pages.then_some(settings.page_size.max(1))
}

/// Makes sure that the base exists before an empty answer could be taken for an empty company.
pub(super) async fn check_base(session: &mut Session, settings: &LdapSettings, server: &Server) -> Result<(), Failure> {
    let Base::Absent(code, text) = session.base(&settings.base_dn).await? else { return Ok(()) };
    let offered = match &server.contexts[..] {
        [] => "the server does not say what it holds".to_owned(),
        contexts => format!("the server holds {}", contexts.join(" and ")),
    };
    let said = match code {
        0 => text,
        code => format!("{}; {}", super::explain::outcome(code, &text), super::explain::search_help(code)),
    };
    Err(Failure::refused(format!("base_dn {:?} cannot be read: {said} ({offered})", settings.base_dn)))
}

/// How groups are asked for and read.
#[derive(Clone, Copy)]
pub(super) struct Groups<'a> {
    settings: &'a LdapSettings,
    server: &'a Server,
    reader: Reader<'a>,
    attributes: &'a [String],
    allowance: &'a Allowance,
}

/// What became of an attempt to fetch the rest of a group.
enum Fetched {
    /// All of it is here.
    Whole,
    /// Values moved meanwhile.
    Moved,
}

impl<'a> Groups<'a> {
    /// With these attributes of each.
    pub(super) fn new(asked: Asked<'a>, attributes: &'a [String]) -> Self {
        let Asked { settings, server, allowance, .. } = asked;
        Self { settings, server, reader: asked.reader(), attributes, allowance }
    }

    /// Fetches what did not fit into the entry (MS-ADTS 3.1.1.3.1.3.3).
    ///
    /// Values are numbered by position. When somebody is removed between two requests, all later ones move down, and
    /// the one at the seam would be missed: so every request begins with the last value already here. If it is not
    /// there any more, the group is read from its beginning again.
    pub(super) async fn complete(&self, session: &mut Session, partial: &mut Partial) -> Result<(), Failure> {
        for _ in 0..GROUP_ATTEMPTS_MAX {
            match self.fetch(session, partial).await? {
                Fetched::Whole => return Ok(()),
                Fetched::Moved => *partial = self.again(session, partial).await?,
            }
        }
        let words = format!("its members changed {GROUP_ATTEMPTS_MAX} times while they were read");
        Err(Failure::incomplete(format!("reading the group {}: {words}", partial.group.dn)).for_now())
    }

    async fn fetch(&self, session: &mut Session, partial: &mut Partial) -> Result<Fetched, Failure> {
        for rest in std::mem::take(&mut partial.rest) {
            let mut rest = Some(rest);
            let mut rounds = 0;
            while let Some(from) = rest {
                rounds += 1;
                if rounds > self.settings.limits.range_rounds_max {
                    return Err(Failure::incomplete(format!(
                        "reading the group {}: {} needed more than {} requests",
                        partial.group.dn, from.attribute, self.settings.limits.range_rounds_max
                    )));
                }
                match self.round(session, partial, &from).await? {
                    Round::Moved => return Ok(Fetched::Moved),
                    Round::Next(next) => rest = next,
                }
            }
        }
        Ok(Fetched::Whole)
    }

    /// One request for more values of one attribute.
    async fn round(&self, session: &mut Session, partial: &mut Partial, from: &Rest) -> Result<Round, Failure> {
        let start = from.next.saturating_sub(1);
        let mut attributes: Vec<String> =
            self.server.identity_attributes().iter().map(|name| (*name).to_owned()).collect();
        attributes.push(format!("{};range={start}-*", from.attribute));
        let dn = partial.group.dn.to_string();
        let what = format!("the members of {dn}");
        let search = Search { attributes: &attributes, base_only: true, ..self.search(&what, &dn, None) };
        let mut outcome = None;
        session
            .search(search, |entry| {
                if identity(entry)? != partial.group.guid {
                    return Err(format!("another group has taken the place of {dn} meanwhile"));
                }
                let before = partial.group.members.len();
                outcome = Some(more(partial, from, start, entry)?);
                self.allowance.keep_members(partial.group.members.get(before..).unwrap_or_default())?;
                Ok(())
            })
            .await?;
        outcome.ok_or_else(|| Failure::incomplete(format!("reading {what}: the server shows nothing there any more")))
    }

    /// The group from its beginning.
    async fn again(&self, session: &mut Session, partial: &Partial) -> Result<Partial, Failure> {
        let dn = &partial.group.dn.text();
        let what = format!("the group {dn} again");
        let search = Search { base_only: true, ..self.search(&what, dn, None) };
        let mut found = None;
        session
            .search(search, |entry| {
                found = Some(self.reader.group(entry)?);
                Ok(())
            })
            .await?;
        found
            .filter(|found| found.group.guid == partial.group.guid)
            .ok_or_else(|| Failure::incomplete(format!("reading {what}: it is not there any more")))
    }

    fn search<'s>(&'s self, what: &'s str, base: &'s str, page_size: Option<u32>) -> Search<'s> {
        Search {
            what,
            base,
            base_only: false,
            filter: self.server.group_filter(),
            attributes: self.attributes,
            page_size,
            extended_dn: self.server.extended_dn,
        }
    }
}

/// What one request for more values brought.
enum Round {
    /// Values, and perhaps still more to come.
    Next(Option<Rest>),
    /// Values have moved.
    Moved,
}

/// Takes one more part of an attribute in.
fn more(partial: &mut Partial, from: &Rest, start: u64, entry: &Entry<'_>) -> Result<Round, String> {
    let what = || format!("{} of {}", from.attribute, partial.group.dn);
    // The bare attribute may stand, empty, beside the range.
    let mut parts = entry.attributes(from.attribute).filter(|part| part.range.is_some());
    let Some(part) = parts.next() else { return Ok(Round::Moved) };
    let (Some(range), None) = (part.range, parts.next()) else {
        return Err(format!("{} came in several ranges at once", what()));
    };
    let mut known_already = 0;
    if range.first == start {
        // The seam: what was the last value must be the first one now.
        if part.values().next() != Some(&from.last) {
            return Ok(Round::Moved);
        }
        known_already = 1;
    } else if range.first != from.next {
        return Err(format!("{} was asked for from value {start} and came from value {}", what(), range.first));
    }
    let next = match range.last {
        None => None,
        Some(last) => match part.values().skip(known_already).last() {
            Some(value) if last >= from.next => {
                Some(Rest { attribute: from.attribute, next: last.saturating_add(1), last: value.to_vec() })
            }
            _ => return Err(format!("{} makes no progress beyond value {}", what(), from.next)),
        },
    };
    partial.take(from.attribute, part.values().skip(known_already))?;
    Ok(Round::Next(next))
}

/// Sorted by identity, each once: an entry that changed while pages were read may come twice, and the later one counts.
fn each_once<T>(
    mut entries: Vec<T>,
    guid: impl Fn(&T) -> ObjectGuid,
    dn: impl Fn(&T) -> &Dn,
) -> Result<Vec<T>, Failure> {
    // It keeps the order of equals, and needs far less memory for that than moving the entries themselves does.
    entries.sort_by_cached_key(&guid);
    for pair in entries.windows(2) {
        let [one, other] = pair else { continue };
        if guid(one) == guid(other) && dn(one) != dn(other) {
            return Err(Failure::incomplete(format!(
                "two entries have the identity {}: {:?} and {:?}; if one was renamed just now, the next pass is fine",
                guid(one),
                dn(one),
                dn(other)
            )));
        }
    }
    entries.dedup_by(|later, earlier| {
        let same = guid(later) == guid(earlier);
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
    Ok(entries)
}
