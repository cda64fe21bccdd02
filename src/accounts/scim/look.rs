//! Looking: the whole list, page by page, or some people by key, identity, name and address.
//!
//! A list is complete or an error. One that leaves somebody out may say that it is complete: so whoever is missing in it is asked
//! for by key before being taken for gone, and before the first user of a pass is made, filters are asked too. What a filter gives is held against what was asked for: a server that ignores filters gives
//! everybody. Where more people are looked for than the list has pages, the list is read instead.

use super::Terms;
use super::abilities::Abilities;
use super::call::{Call, Key};
use super::census::Census;
use super::client::Client;
use super::groups::{Count, Roll};
use super::messages::Page;
use super::paging::{Ask, Odd, Walk};
use super::place::TierPlace;
use super::register::{self, Removals};
use super::user::User;
use crate::accounts::Sought;
use crate::accounts::reach::failure::{Failure, tidy};
use crate::model::{Email, ObjectGuid, Observed, UserId};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How often a list is begun that changes while it is read.
const READS_MAX: usize = 3;
/// What a list is taken to cost, in requests, before one was read.
const PAGES_UNKNOWN: usize = 100;
/// Most users missing in a list who are asked for by themselves: a list that leaves users out leaves out more than a few.
const MISSING_CHECKED_MAX: usize = 20;
/// So few are asked for by themselves, whatever a list would cost: it may be the list that is in doubt.
const ASKED_ALONE_MAX: usize = 64;
/// Added to the rank of whom another identity has: last of all.
const FOREIGN: u8 = 10;

/// Who is looked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Look {
    /// The user with that key. `surely`: asked for by itself, since a list may leave out what the user itself has.
    Key {
        /// The key.
        id: UserId,
        /// Not from a list.
        surely: bool,
    },
    /// The user of that person: by identity, name or address.
    Whose {
        /// The identity.
        guid: ObjectGuid,
        /// Name or address.
        email: Email,
    },
}

/// Looks around on one server; remembers what a list costs, which filters it does not have, and what a removal by value does.
#[derive(Debug)]
pub(super) struct Lookout {
    client: Arc<Client>,
    /// Pages of the last list.
    pages: Option<usize>,
    belief: Belief,
    /// Whom the last list of this pass showed.
    census: Option<Census>,
    unfiltered: HashSet<Key>,
    /// Whether people may be taken out of groups.
    pub(super) removals: Removals,
}

/// What lists are worth in this pass to whoever is about to make a user that they did not show.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Belief {
    /// Nobody was looked for in one.
    Unused,
    /// Somebody was.
    Used,
    /// And one who was not in it is not found by filters either.
    Tested,
    /// One who was not in it is there, and cannot sign in: they show only who can.
    Partial,
    /// One who was not in it is there and can, in words.
    Lost(String),
}

impl Lookout {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self {
            client,
            pages: None,
            belief: Belief::Unused,
            census: None,
            unfiltered: HashSet::new(),
            removals: Removals::default(),
        }
    }

    /// A pass begins: what is known of the list may be out of date.
    pub(super) fn begin(&mut self) {
        self.belief = Belief::Unused;
        self.census = None;
    }

    /// A batch begins.
    pub(super) fn begin_batch(&mut self) {
        self.census = self.census.take().and_then(Census::aged);
    }

    /// A batch has ended, in which these may have been made or given another name.
    pub(super) fn end_batch<'a>(&mut self, people: impl Iterator<Item = (&'a ObjectGuid, &'a Email)>) {
        if let Some(census) = &mut self.census {
            census.add(people);
        }
    }

    /// As [`Lookout::look`], before anything of a batch was sent: who was in no list a moment ago is not looked for in it again.
    pub(super) async fn look_first(&mut self, terms: &Terms, looks: &[Look]) -> Vec<Result<Option<User>, Failure>> {
        let is_open = |look: &&Look| match (look, &self.census) {
            (Look::Whose { .. }, Some(_)) if self.belief == Belief::Partial => true,
            (Look::Whose { guid, email }, Some(census)) => !census.lacks(guid, email),
            (Look::Key { .. }, _) | (Look::Whose { .. }, None) => true,
        };
        let open = looks.iter().enumerate().filter(|(_, look)| is_open(look));
        let (places, open): (Vec<usize>, Vec<Look>) = open.map(|(place, look)| (place, look.clone())).unzip();
        let mut answers: Vec<Result<Option<User>, Failure>> = looks.iter().map(|_| Ok(None)).collect();
        for (place, answer) in places.into_iter().zip(self.look(terms, &open).await) {
            if let Some(slot) = answers.get_mut(place) {
                *slot = answer;
            }
        }
        answers
    }

    /// Whether users may be made on the word of the list that they are not there. The first time in a pass, this one of them is
    /// looked for by filters too, where the server has them.
    ///
    /// `false` where they have to be looked for once more, this time by filters.
    ///
    /// # Errors
    /// What came in the way, or that the list has left this one out: then for all of the pass.
    pub(super) async fn vouch(&mut self, terms: &Terms, guid: ObjectGuid, email: Email) -> Result<bool, Failure> {
        match &self.belief {
            Belief::Unused | Belief::Tested | Belief::Partial => return Ok(true),
            Belief::Lost(why) => return Err(Failure::refused_here(why.clone())),
            Belief::Used if !terms.abilities.filter => return Ok(true),
            Belief::Used => {}
        }
        let found = self.search(terms, vec![(0, guid, email)]).await.into_iter().next();
        let Some(user) = found.and_then(|(_, answer)| answer).transpose()?.flatten() else {
            self.belief = Belief::Tested;
            return Ok(true);
        };
        if !user.is_active() {
            self.belief = Belief::Partial;
            return Ok(false);
        }
        let why = format!(
            "the list of users at {} leaves out user {} ({}), whom a filter finds. It says that it is complete, so the account \
             store has a fault; nobody was made, since it might be for a second time",
            self.client.base(),
            user.id(),
            tidy(user.user_name().unwrap_or("without a name"))
        );
        self.belief = Belief::Lost(why.clone());
        Err(Failure::refused_here(why))
    }

    /// Everybody; left out are users without an address that could be anybody's: they match nobody.
    pub(super) async fn list(&mut self, terms: &Terms) -> Result<Vec<Observed>, Failure> {
        let (mut nameless, mut first) = (0_usize, None);
        let (roll, mut counted) = (self.roll(terms).await?, Count::default());
        let mut seen = |mut user: User| {
            if let Some(roll) = &roll {
                roll.note(&terms.groups, &mut user);
                counted.count(&user);
            }
            let observed = terms.mapping.observe(&user);
            if observed.is_none() {
                nameless += 1;
                first.get_or_insert_with(|| user.id().clone());
            }
            observed
        };
        let people = self.walk(&terms.abilities, &mut seen).await?;
        counted.verdict(&terms.groups).map_err(Failure::refused_here)?;
        if let Some((count, first)) = counted.several() {
            tracing::warn!(
                count,
                %first,
                "users of the account store are in several groups of tiers; the highest counts, and the others may cost licences"
            );
        }
        if let Some(first) = first {
            tracing::warn!(
                count = nameless,
                %first,
                "users of the account store have no usable e-mail address and are left out"
            );
        }
        Ok(people)
    }

    /// Whether there is certainly nobody, by one request.
    pub(super) async fn is_empty(&mut self, terms: &Terms) -> Result<bool, Failure> {
        let first = Walk::new(terms.abilities.paging).first();
        let page = self.page(&terms.abilities, &first, 1).await?;
        Ok(page.resources.is_empty() && page.total.unwrap_or(0) == 0 && page.next_cursor.is_none())
    }

    /// The accounts of these people: by key, else by identity, name and address. Somebody else's is nobody's.
    pub(super) async fn find(&mut self, terms: &Terms, sought: &[Sought]) -> Result<Vec<Option<Observed>>, Failure> {
        let mut found: Vec<Option<User>> = vec![None; sought.len()];
        let keyed = sought.iter().enumerate().filter_map(|(index, one)| Some((index, one.account.clone()?)));
        let surely = sought.len() <= ASKED_ALONE_MAX;
        let keyed = keyed.map(|(index, id)| (index, Look::Key { id, surely })).collect();
        self.fill(terms, keyed, &mut found).await?;
        let missed = sought.iter().enumerate().filter(|(index, _)| matches!(found.get(*index), Some(None)));
        let whose = |(index, one): (usize, &Sought)| (index, Look::Whose { guid: one.guid, email: one.email.clone() });
        let missed = missed.map(whose).collect();
        self.fill(terms, missed, &mut found).await?;
        self.note(terms, found.iter_mut().flatten().collect())
            .await?
            .verdict(&terms.groups)
            .map_err(Failure::refused_here)?;
        let keeps_identity = terms.mapping.keeps_identity;
        let own = |(user, one): (Option<User>, &Sought)| {
            let is_keyed = |user: &User| one.account.as_ref() == Some(user.id());
            let user = user.filter(|user| is_keyed(user) || !is_anothers(user, &one.guid, keeps_identity))?;
            terms.mapping.observe(&user)
        };
        Ok(found.into_iter().zip(sought).map(own).collect())
    }

    async fn fill(
        &mut self,
        terms: &Terms,
        looks: Vec<(usize, Look)>,
        found: &mut [Option<User>],
    ) -> Result<(), Failure> {
        let (indices, looks): (Vec<usize>, Vec<Look>) = looks.into_iter().unzip();
        for (index, answer) in indices.into_iter().zip(self.look_for(terms, &looks).await) {
            if let Some(place) = found.get_mut(index) {
                *place = answer?;
            }
        }
        Ok(())
    }

    /// Who is in which tier group; `None` where tiers are no groups.
    async fn roll(&self, terms: &Terms) -> Result<Option<Roll>, Failure> {
        match terms.mapping.place {
            TierPlace::Group => register::roll(&self.client, &terms.abilities, &terms.groups).await.map(Some),
            TierPlace::Nowhere | TierPlace::Listed { .. } | TierPlace::UserType | TierPlace::Extension { .. } => {
                Ok(None)
            }
        }
    }

    /// Notes at each of these users in which tier groups it is; of whom that is not shown, it is left open.
    async fn note(&self, terms: &Terms, mut users: Vec<&mut User>) -> Result<Count, Failure> {
        let mut counted = Count::default();
        // Where there is nobody, no group is read.
        if !users.is_empty()
            && let Some(roll) = self.roll(terms).await?
        {
            for user in &mut users {
                roll.note(&terms.groups, user);
                counted.count(user);
            }
            if counted.verdict(&terms.groups).is_ok() {
                let unseen = users.iter_mut().filter(|user| !user.has_memberships());
                unseen.for_each(|user| user.note_memberships(Some(Vec::new())));
            }
        }
        Ok(counted)
    }

    /// What each look finds, in the order of the looks. Whose account it is, if somebody else's alone has the address, is for
    /// the caller to see; and of whom the tier is not known.
    pub(super) async fn look(&mut self, terms: &Terms, looks: &[Look]) -> Vec<Result<Option<User>, Failure>> {
        let mut answers = self.look_for(terms, looks).await;
        let users = answers.iter_mut().filter_map(|answer| answer.as_mut().ok()?.as_mut()).collect();
        match self.note(terms, users).await {
            Ok(_) => answers,
            Err(failure) => looks.iter().map(|_| Err(failure.clone())).collect(),
        }
    }

    /// The same without tiers that are groups.
    async fn look_for(&mut self, terms: &Terms, looks: &[Look]) -> Vec<Result<Option<User>, Failure>> {
        let mut answers: Vec<Result<Option<User>, Failure>> = looks.iter().map(|_| Ok(None)).collect();
        let mut put = |index: usize, answer| {
            if let Some(place) = answers.get_mut(index) {
                *place = answer;
            }
        };
        let cost = |look: &Look| match look {
            Look::Key { .. } => 1,
            Look::Whose { .. } => Key::ALL.len(),
        };
        let is_list_cheaper = looks.iter().map(cost).sum::<usize>() > self.pages.unwrap_or(PAGES_UNKNOWN);
        let (mut keys, mut whose, mut listed) = (Vec::new(), Vec::new(), Vec::new());
        for (index, look) in looks.iter().enumerate() {
            match look {
                Look::Key { id, surely } if *surely || !is_list_cheaper => keys.push((index, id.clone())),
                Look::Whose { guid, email }
                    if terms.abilities.filter && (!is_list_cheaper || self.belief == Belief::Partial) =>
                {
                    whose.push((index, *guid, email.clone()));
                }
                Look::Key { .. } | Look::Whose { .. } => listed.push(index),
            }
        }
        for (index, answer) in self.read(&terms.abilities.users, keys).await {
            put(index, answer);
        }
        for (index, answer) in self.search(terms, whose).await {
            match answer {
                Some(answer) => put(index, answer),
                None => listed.push(index),
            }
        }
        if !listed.is_empty() {
            let wanted: Vec<&Look> = listed.iter().filter_map(|index| looks.get(*index)).collect();
            match self.look_in_list(terms, &wanted).await {
                Ok(found) => listed.into_iter().zip(found).for_each(|(index, user)| put(index, Ok(user))),
                Err(failure) => listed.into_iter().for_each(|index| put(index, Err(failure.clone()))),
            }
        }
        answers
    }

    /// Users by key, each by itself.
    async fn read(&self, users: &str, keys: Vec<(usize, UserId)>) -> Vec<(usize, Result<Option<User>, Failure>)> {
        let calls = keys.iter().map(|(_, id)| Call::user(users, id)).collect();
        let answers = self.client.ask_all(calls).await;
        let user = |((index, id), answer): ((usize, UserId), Result<Value, Failure>)| {
            let answer = match answer.map(User::of) {
                Ok(Some(user)) if *user.id() == id => Ok(Some(user)),
                Ok(_) => Err(Failure::refused_here(format!(
                    "asked for user {id}, {} answered with another; is base_url right?",
                    self.client.base()
                ))),
                Err(failure) if matches!(failure.status(), Some(404 | 410)) => Ok(None),
                Err(failure) => Err(failure),
            };
            (index, answer)
        };
        keys.into_iter().zip(answers).map(user).collect()
    }

    /// People by filters, one key after another until somebody is found. `None` is whom only the list can tell of.
    async fn search(
        &mut self,
        terms: &Terms,
        whose: Vec<(usize, ObjectGuid, Email)>,
    ) -> Vec<(usize, Option<Result<Option<User>, Failure>>)> {
        let mut done = Vec::with_capacity(whose.len());
        // Who was not found so far, with somebody else's account that was.
        let mut left: Vec<_> = whose.into_iter().map(|(index, guid, email)| (index, guid, email, None)).collect();
        let is_kept = |key: &Key| *key != Key::Identity || terms.mapping.keeps_identity;
        for key in Key::ALL.into_iter().filter(is_kept) {
            if self.unfiltered.contains(&key) {
                done.extend(left.drain(..).map(|(index, ..)| (index, None)));
                break;
            }
            let call = |(_, guid, email, _): &_| Ok(Call::search(&terms.abilities.users, key, guid, email));
            let answers = self.client.ask_all(left.iter().map(call).collect()).await;
            let mut still = Vec::new();
            for ((index, guid, email, foreign), answer) in left.drain(..).zip(answers) {
                match answer.map(|body| right(&body, key, &guid, &email)) {
                    Ok(Some(users)) => match best(users, &guid, &email, terms.mapping.keeps_identity) {
                        Some((rank, user)) if rank < FOREIGN => done.push((index, Some(Ok(Some(user))))),
                        Some((_, user)) => still.push((index, guid, email, foreign.or(Some(user)))),
                        None => still.push((index, guid, email, foreign)),
                    },
                    Ok(None) => {
                        if self.unfiltered.insert(key) {
                            tracing::warn!(
                                "the account store does not filter by {}; the whole list is read instead",
                                key.attribute()
                            );
                        }
                        done.push((index, None));
                    }
                    Err(failure) if failure.is_absence() => {
                        self.unfiltered.insert(key);
                        done.push((index, None));
                    }
                    Err(failure) => done.push((index, Some(Err(failure)))),
                }
            }
            left = still;
        }
        done.extend(left.into_iter().map(|(index, _, _, foreign)| (index, Some(Ok(foreign)))));
        done
    }

    async fn look_in_list(&mut self, terms: &Terms, looks: &[&Look]) -> Result<Vec<Option<User>>, Failure> {
        let (mut by_key, mut by_name, mut by_guid) = (HashMap::new(), HashMap::new(), HashMap::new());
        for (index, look) in looks.iter().enumerate() {
            match look {
                Look::Key { id, surely: _ } => by_key.entry(id).or_insert_with(Vec::new).push(index),
                Look::Whose { guid, email } => {
                    by_name.entry(email.key().into_owned()).or_insert_with(Vec::new).push(index);
                    by_guid.entry(*guid).or_insert_with(Vec::new).push(index);
                }
            }
        }
        let mut census = Census::default();
        let mut keep = |user: User| {
            census.count(&user);
            let mut whose: Vec<usize> = by_key.get(user.id()).into_iter().flatten().copied().collect();
            let name = user.user_name().map(str::to_lowercase);
            let addresses: Vec<String> = user.addresses().map(|email| email.key().into_owned()).collect();
            whose.extend(addresses.iter().chain(&name).filter_map(|name| by_name.get(name)).flatten());
            whose.extend(user.identity().and_then(|guid| by_guid.get(&guid)).into_iter().flatten());
            (!whose.is_empty()).then_some((whose, user))
        };
        self.census = None;
        let kept = self.walk(&terms.abilities, &mut keep).await?;
        if self.belief == Belief::Unused {
            self.belief = Belief::Used;
        }
        let mut found: Vec<Vec<User>> = looks.iter().map(|_| Vec::new()).collect();
        for (whose, user) in kept {
            for index in whose {
                found.get_mut(index).into_iter().for_each(|found| found.push(user.clone()));
            }
        }
        let missing = looks.iter().zip(&found).enumerate().filter_map(|(index, (look, found))| match look {
            Look::Key { id, surely: _ } if found.is_empty() => Some((index, id.clone())),
            Look::Key { .. } | Look::Whose { .. } => None,
        });
        let mut missing: Vec<(usize, UserId)> = missing.collect();
        let mut hides = false;
        while !missing.is_empty() {
            // Where some are hidden, each of the others may be, too.
            let some = missing.split_off(if hides { 0 } else { missing.len().saturating_sub(MISSING_CHECKED_MAX) });
            let before = hides;
            for (index, answer) in self.read(&terms.abilities.users, some).await {
                let Some(user) = answer? else { continue };
                if user.is_active() {
                    let why = format!("it leaves out user {}, who is there when asked for alone", user.id());
                    return Err(self.odd_list(&why));
                }
                hides = true;
                found.get_mut(index).into_iter().for_each(|found| found.push(user.clone()));
            }
            if hides == before {
                break;
            }
        }
        self.census = Some(census.complete());
        let pick = |(look, found): (&&Look, Vec<User>)| match look {
            Look::Key { .. } => found.into_iter().next(),
            Look::Whose { guid, email } => best(found, guid, email, terms.mapping.keeps_identity).map(|(_, user)| user),
        };
        Ok(looks.iter().zip(found).map(pick).collect())
    }

    /// Every user of a complete list that `keep` wants something of.
    async fn walk<T>(
        &mut self,
        abilities: &Abilities,
        keep: &mut impl FnMut(User) -> Option<T>,
    ) -> Result<Vec<T>, Failure> {
        let mut why = String::new();
        for _ in 0..READS_MAX {
            match self.walk_once(abilities, keep).await? {
                Ok(kept) => return Ok(kept),
                Err(Odd::Changed(changed)) => why = changed,
                Err(Odd::Broken(broken)) => return Err(self.odd_list(&broken)),
            }
        }
        Err(self.odd_list(&why))
    }

    async fn walk_once<T>(
        &mut self,
        abilities: &Abilities,
        keep: &mut impl FnMut(User) -> Option<T>,
    ) -> Result<Result<Vec<T>, Odd>, Failure> {
        let mut walk = Walk::new(abilities.paging);
        let mut kept = Vec::new();
        let mut ask = walk.first();
        loop {
            let Page { resources, total, next_cursor } = self.page(abilities, &ask, abilities.page_max).await?;
            let whole = resources.len();
            let users: Vec<User> = resources.into_iter().filter_map(User::of).collect();
            if users.len() < whole {
                return Ok(Err(Odd::Broken("it lists a user without an id".to_owned())));
            }
            let keys: Vec<UserId> = users.iter().map(|user| user.id().clone()).collect();
            let (next, counts) = match walk.take(&keys, total, next_cursor) {
                Ok(taken) => taken,
                Err(odd) => return Ok(Err(odd)),
            };
            if counts {
                kept.extend(users.into_iter().filter_map(&mut *keep));
            }
            match next {
                Some(next) => ask = next,
                None => {
                    self.pages = Some(walk.pages());
                    return Ok(Ok(kept));
                }
            }
        }
    }

    async fn page(&self, abilities: &Abilities, ask: &Ask, count: usize) -> Result<Page, Failure> {
        let body = self.client.ask(&Call::page(&abilities.users, ask, count)).await?;
        Page::of(&body).ok_or_else(|| self.odd_list("what came is no list of users; is base_url right?"))
    }

    fn odd_list(&self, why: &str) -> Failure {
        let message = format!(
            "the list of users at {} cannot be used: {why}. Nothing of it was used; if it stays so, the account store has \
             a fault",
            self.client.base()
        );
        Failure::Undone { message }
    }
}

/// The users of an answer to a filter; `None` where it is no answer to that: no list, or others than those asked for.
fn right(body: &Value, key: Key, guid: &ObjectGuid, email: &Email) -> Option<Vec<User>> {
    let Page { resources, total, next_cursor: _ } = Page::of(body)?;
    let (whole, total) = (resources.len(), total.unwrap_or(0));
    let is_right = |user: &User| match key {
        Key::Identity => user.identity() == Some(*guid),
        Key::UserName => user.user_name().is_some_and(|name| name.to_lowercase() == *email.key()),
        Key::Address => user.addresses().any(|address| address == *email),
    };
    let users: Vec<User> = resources.into_iter().filter_map(User::of).filter(is_right).collect();
    // Somebody whom it does not show is nobody to be made anew.
    (users.len() == whole && (whole > 0 || total == 0)).then_some(users)
}

/// The best of several users for a person, and how good: by identity, by name, by address; somebody else's come last.
fn best(users: Vec<User>, guid: &ObjectGuid, email: &Email, keeps_identity: bool) -> Option<(u8, User)> {
    let rank = |user: &User| {
        let is_named = user.user_name().is_some_and(|name| name.to_lowercase() == *email.key());
        let by = match keeps_identity && user.identity() == Some(*guid) {
            true => 0,
            false if is_named => 1,
            false => 2,
        };
        by + if is_anothers(user, guid, keeps_identity) { FOREIGN } else { 0 }
    };
    let ranked = users.into_iter().map(|user| (rank(&user), user));
    ranked.min_by(|(one, a), (other, b)| one.cmp(other).then_with(|| a.id().cmp(b.id())))
}

/// Whether a user carries the identity of another person.
pub(super) fn is_anothers(user: &User, guid: &ObjectGuid, keeps_identity: bool) -> bool {
    keeps_identity && user.identity().is_some_and(|owner| owner != *guid)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_filter_that_gives_others_is_no_filter() {
        let (guid, email) = (ObjectGuid::from_u128(7), Email::parse("a@corp.example").unwrap());
        let answer = |users: Value| json!({"totalResults": users.as_array().map(Vec::len), "Resources": users});
        let of = |users: Value, key| right(&answer(users), key, &guid, &email).map(|users| users.len());
        assert_eq!(of(json!([]), Key::UserName), Some(0));
        assert_eq!(of(json!([{"id": "1", "userName": "A@corp.example"}]), Key::UserName), Some(1));
        assert_eq!(of(json!([{"id": "1", "userName": "b@corp.example"}]), Key::UserName), None);
        assert_eq!(of(json!([{"id": "1", "externalId": guid.to_string()}]), Key::Identity), Some(1));
        assert_eq!(of(json!([{"id": "1", "emails": [{"value": "a@CORP.example"}]}, {"id": "2"}]), Key::Address), None);
        assert_eq!(right(&json!({"totalResults": 1, "Resources": []}), Key::UserName, &guid, &email), None);
    }

    #[test]
    fn identity_goes_before_name_before_address_before_somebody_elses() {
        let (guid, other) = (ObjectGuid::from_u128(7), ObjectGuid::from_u128(8).to_string());
        let email = Email::parse("a@corp.example").unwrap();
        let user = |value: Value| User::of(value).unwrap();
        let ours = user(json!({"id": "4", "externalId": guid.to_string()}));
        let named = user(json!({"id": "3", "userName": "a@corp.example"}));
        let addressed = user(json!({"id": "1", "userName": "x", "emails": [{"value": "a@corp.example"}]}));
        let foreign = user(json!({"id": "2", "userName": "a@corp.example", "externalId": other}));
        let pick = |users: &[&User], keeps| {
            best(users.iter().map(|user| (*user).clone()).collect(), &guid, &email, keeps)
                .map(|(_, user)| user.id().to_string())
        };
        assert_eq!(pick(&[&foreign, &addressed, &named, &ours], true).as_deref(), Some("4"));
        assert_eq!(pick(&[&foreign, &addressed, &named], true).as_deref(), Some("3"));
        assert_eq!(pick(&[&foreign, &addressed], true).as_deref(), Some("1"));
        assert_eq!(pick(&[&foreign], true).as_deref(), Some("2"));
        assert_eq!(pick(&[&foreign, &addressed], false).as_deref(), Some("2"));
        assert_eq!(pick(&[], true), None);
    }
}
