//! One whole read over one connection: the people, the groups, the rest of long member lists.

use super::decode::{Known, Name, Partial, Reader, Rest, identity};
use super::failure::Failure;
use super::schema::Server;
use super::session::{Base, Search, Session};
use super::settings::LdapSettings;
use crate::model::{DnKey, Group, Member, ObjectGuid, Person, Reading};
use std::collections::HashMap;

/// How often one group is read from its beginning again because its values moved while they were read.
const GROUP_ATTEMPTS_MAX: u32 = 5;

/// Reads everything; also gives what the server is.
pub(super) async fn read(session: &mut Session, settings: &LdapSettings) -> Result<(Reading, Server), Failure> {
    let server = session.server().await?;
    tracing::debug!("the directory is {}", server.kind);
    check_base(session, settings, &server).await?;
    let page_size = server.pages.then_some(settings.page_size.max(1));
    let reader =
        Reader { is_active_directory: server.is_active_directory, email_attributes: &settings.email_attributes };

    let mut people = Vec::new();
    let search = Search {
        what: "the people",
        base: &settings.base_dn,
        base_only: false,
        filter: &server.people_filter(settings),
        attributes: &server.people_attributes(settings),
        page_size,
        extended_dn: false,
    };
    let mut referrals = session
        .search(search, |entry| {
            people.extend(reader.person(&entry)?);
            Ok(())
        })
        .await?;
    let people = each_once(people, |person: &Person| (person.guid, person.dn.key().clone()))?;

    // Where names come with their GUID, a person who was moved between the two searches is still found.
    let known: Known = match server.extended_dn {
        true => people.iter().map(|person| (person.guid, person.dn.key().clone())).collect(),
        false => HashMap::new(),
    };
    let attributes = server.group_attributes();
    let groups_asked = Groups { settings, server: &server, reader, known: &known, attributes: &attributes };
    let mut partials = Vec::new();
    referrals += session
        .search(groups_asked.search("the groups", &settings.base_dn, page_size), |entry| {
            partials.push(groups_asked.decode(entry)?);
            Ok(())
        })
        .await?;
    for partial in &mut partials {
        groups_asked.complete(session, partial).await?;
    }
    let groups = resolve(partials);
    let groups = each_once(groups, |group: &Group| (group.guid, group.dn.key().clone()))?;
    Ok((Reading { people, groups, referrals }, server))
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
struct Groups<'a> {
    settings: &'a LdapSettings,
    server: &'a Server,
    reader: Reader<'a>,
    known: &'a Known,
    attributes: &'a [String],
}

/// What became of an attempt to fetch the rest of a group.
enum Fetched {
    /// All of it is here.
    Whole,
    /// Values moved meanwhile.
    Moved,
}

impl Groups<'_> {
    fn decode(&self, mut entry: super::entry::Entry) -> Result<Partial, String> {
        if self.server.extended_dn {
            entry.dn = Name::of(&entry.dn)?.dn.to_owned();
        }
        self.reader.group(&entry, self.known)
    }

    /// Fetches what did not fit into the entry (MS-ADTS 3.1.1.3.1.3.3).
    ///
    /// Values are numbered by position. When somebody is removed between two requests, all later ones move down, and
    /// the one at the seam would be missed: so every request begins with the last value already here. If it is not
    /// there any more, the group is read from its beginning again.
    async fn complete(&self, session: &mut Session, partial: &mut Partial) -> Result<(), Failure> {
        for _ in 0..GROUP_ATTEMPTS_MAX {
            match self.fetch(session, partial).await? {
                Fetched::Whole => return Ok(()),
                Fetched::Moved => *partial = self.again(session, partial).await?,
            }
        }
        Err(Failure::incomplete(format!(
            "reading the group {}: its members changed {GROUP_ATTEMPTS_MAX} times while they were read; the next pass \
             tries again",
            partial.group.dn
        )))
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
                if identity(&entry)? != partial.group.guid {
                    return Err(format!("another group has taken the place of {dn} meanwhile"));
                }
                outcome = Some(more(partial, from, start, &entry, self.known)?);
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
                found = Some(self.decode(entry)?);
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
fn more(
    partial: &mut Partial,
    from: &Rest,
    start: u64,
    entry: &super::entry::Entry,
    known: &Known,
) -> Result<Round, String> {
    let key = from.attribute.to_ascii_lowercase();
    let what = || format!("{} of {}", from.attribute, partial.group.dn);
    // The bare attribute may stand, empty, beside the range.
    let mut parts = entry.attributes(&key).filter(|part| part.range.is_some());
    let Some(part) = parts.next() else { return Ok(Round::Moved) };
    let (Some(range), None) = (part.range, parts.next()) else {
        return Err(format!("{} came in several ranges at once", what()));
    };
    let mut part = part.clone();
    if range.first == start {
        // The seam: what was the last value must be the first one now.
        if part.values.first() != Some(&from.last) {
            return Ok(Round::Moved);
        }
        part.values.remove(0);
    } else if range.first != from.next {
        return Err(format!("{} was asked for from value {start} and came from value {}", what(), range.first));
    }
    let next = match range.last {
        None => None,
        Some(last) => match part.values.last() {
            Some(value) if last >= from.next => {
                Some(Rest { attribute: from.attribute, next: last.saturating_add(1), last: value.clone() })
            }
            _ => return Err(format!("{} makes no progress beyond value {}", what(), from.next)),
        },
    };
    partial.take(from.attribute, &part, known)?;
    Ok(Round::Next(next))
}

/// Members given by identity that are no people: other groups, perhaps renamed while we read.
fn resolve(partials: Vec<Partial>) -> Vec<Group> {
    let keys: HashMap<ObjectGuid, DnKey> =
        partials.iter().map(|partial| (partial.group.guid, partial.group.dn.key().clone())).collect();
    let settle = |Partial { mut group, unresolved, rest: _ }: Partial| {
        for (index, guid) in unresolved {
            if let (Some(member), Some(key)) = (group.members.get_mut(index), keys.get(&guid)) {
                *member = Member::Dn(key.clone());
            }
        }
        group
    };
    partials.into_iter().map(settle).collect()
}

/// Sorted by identity, each once: an entry that changed while pages were read may come twice, and the later one counts.
fn each_once<T>(mut entries: Vec<T>, key: impl Fn(&T) -> (ObjectGuid, DnKey)) -> Result<Vec<T>, Failure> {
    entries.sort_by_key(|entry| key(entry).0);
    for pair in entries.windows(2) {
        let [(one, one_dn), (other, other_dn)] = [key(&pair[0]), key(&pair[1])];
        if one == other && one_dn != other_dn {
            return Err(Failure::incomplete(format!(
                "two entries have the identity {one}: {one_dn:?} and {other_dn:?}; if one was renamed just now, the \
                 next pass is fine"
            )));
        }
    }
    entries.dedup_by(|later, earlier| {
        let same = key(later).0 == key(earlier).0;
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
    Ok(entries)
}
