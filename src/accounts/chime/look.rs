//! Looking: the whole list, page by page, or some people by key and by address.
//!
//! A list is complete or an error. Where more people are looked for than the list has pages, the list is read instead.

use super::call::Call;
use super::client::Client;
use super::profile::{Profile, Seen};
use crate::accounts::Sought;
use crate::accounts::reach::failure::Failure;
use crate::model::{Email, Observed, UserId};
use crate::wire::{ListUsersResponse, UserResponse};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Most pages of one list: five million users. A list that goes on has no end.
const PAGES_MAX: usize = 25_000;
/// What a list is taken to cost, in requests, before one was read.
const PAGES_UNKNOWN: usize = 100;

/// Who is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The account with that key.
    Key(UserId),
    /// The account with that address.
    Address(Email),
}

/// Looks into one account; remembers what a list costs.
#[derive(Debug)]
pub(super) struct Lookout {
    client: Arc<Client>,
    /// Pages of the last list.
    pages: Option<usize>,
}

impl Lookout {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self { client, pages: None }
    }

    /// Everybody. Devices are left out, and users whose address is none: they match nobody.
    pub(super) async fn list(&mut self, profile: &Profile) -> Result<Vec<Observed>, Failure> {
        let mut people = Vec::new();
        let (mut ids, mut tokens) = (HashSet::new(), HashSet::new());
        let (mut nameless, mut first_nameless) = (0_usize, None);
        let mut token: Option<String> = None;
        for page in 1..=PAGES_MAX {
            let call = Call::page(self.client.account(), token.as_deref())?;
            let ListUsersResponse { users, next_token } = self.client.ask(&call).await?;
            for user in &users {
                let seen = profile.see(user);
                let id = UserId::new(&user.user_id);
                if !ids.insert(id.clone()) {
                    return Err(self.odd_list(&format!("it lists user {id} twice")));
                }
                match seen {
                    Seen::Person(observed) => people.push(observed),
                    Seen::Device => {}
                    Seen::Nameless(id) => {
                        nameless += 1;
                        first_nameless.get_or_insert(id);
                    }
                }
            }
            match next_token {
                None => {
                    if let Some(first) = first_nameless {
                        tracing::warn!(
                            count = nameless,
                            %first,
                            "users of the account store have no usable e-mail address and are left out"
                        );
                    }
                    self.pages = Some(page);
                    return Ok(people);
                }
                Some(next) if tokens.insert(next.clone()) => token = Some(next),
                Some(_) => return Err(self.odd_list("it gives the same page token twice, and so would never end")),
            }
        }
        Err(self.odd_list(&format!("it has not ended after {PAGES_MAX} pages")))
    }

    /// Whether there is certainly nobody, by one request.
    pub(super) async fn is_empty(&mut self) -> Result<bool, Failure> {
        let call = Call::anybody(self.client.account())?;
        let ListUsersResponse { users, next_token } = self.client.ask(&call).await?;
        Ok(users.is_empty() && next_token.is_none())
    }

    /// The accounts of these people: by key, else by address.
    pub(super) async fn find(
        &mut self,
        profile: &Profile,
        sought: &[Sought],
    ) -> Result<Vec<Option<Observed>>, Failure> {
        if self.is_list_cheaper(sought.len()) {
            let listed = Listed::new(self.list(profile).await?);
            let by_key = |one: &Sought| one.account.as_ref().and_then(|key| listed.get(&Look::Key(key.clone())));
            let by_address = |one: &Sought| listed.get(&Look::Address(one.email.clone()));
            return Ok(sought.iter().map(|one| by_key(one).or_else(|| by_address(one))).collect());
        }
        let mut found: Vec<Option<Observed>> = vec![None; sought.len()];
        let keyed = |(index, one): (usize, &Sought)| Some((index, Look::Key(one.account.clone()?)));
        let by_key: Vec<(usize, Look)> = sought.iter().enumerate().filter_map(keyed).collect();
        self.fill(profile, by_key, &mut found).await?;
        let missed = |(index, one): (usize, &Sought)| match found.get(index) {
            Some(None) => Some((index, Look::Address(one.email.clone()))),
            Some(Some(_)) | None => None,
        };
        let by_address: Vec<(usize, Look)> = sought.iter().enumerate().filter_map(missed).collect();
        self.fill(profile, by_address, &mut found).await?;
        Ok(found)
    }

    async fn fill(
        &mut self,
        profile: &Profile,
        looks: Vec<(usize, Look)>,
        found: &mut [Option<Observed>],
    ) -> Result<(), Failure> {
        let (indices, looks): (Vec<usize>, Vec<Look>) = looks.into_iter().unzip();
        for (index, answer) in indices.into_iter().zip(self.look(profile, &looks).await) {
            if let Some(place) = found.get_mut(index) {
                *place = answer?;
            }
        }
        Ok(())
    }

    /// What each look finds, in the order of the looks.
    pub(super) async fn look(&mut self, profile: &Profile, looks: &[Look]) -> Vec<Result<Option<Observed>, Failure>> {
        if self.is_list_cheaper(looks.len()) {
            return self.look_in_list(profile, looks).await;
        }
        let (mut keys, mut addresses) = (Vec::new(), Vec::new());
        for (index, look) in looks.iter().enumerate() {
            match look {
                Look::Key(key) => keys.push((index, key)),
                Look::Address(email) => addresses.push((index, email)),
            }
        }
        let account = self.client.account();
        let calls = keys.iter().map(|(_, key)| Call::user(account, &key.text())).collect();
        let users = self.client.ask_all::<UserResponse>(calls).await;
        let calls = addresses.iter().map(|(_, email)| Call::by_email(account, email.as_str())).collect();
        let filtered = self.client.ask_all::<ListUsersResponse>(calls).await;

        let mut answers: Vec<Result<Option<Observed>, Failure>> = looks.iter().map(|_| Ok(None)).collect();
        let mut put = |index: usize, answer| {
            if let Some(place) = answers.get_mut(index) {
                *place = answer;
            }
        };
        for ((index, key), user) in keys.into_iter().zip(users) {
            put(index, self.keyed(profile, key, user));
        }
        let mut unfiltered = Vec::new();
        for ((index, email), page) in addresses.into_iter().zip(filtered) {
            match page.map(|page| addressed(profile, email, &page)) {
                Ok(Filtered::Right(found)) => put(index, Ok(found)),
                Ok(Filtered::Foreign) => unfiltered.push(index),
                Err(failure) => put(index, Err(failure)),
            }
        }
        if !unfiltered.is_empty() {
            // What such a server does not show need not be absent: only the whole list says.
            tracing::warn!("the account store does not filter by e-mail address; the whole list is read instead");
            let again: Vec<Look> = unfiltered.iter().filter_map(|index| looks.get(*index).cloned()).collect();
            for (index, answer) in unfiltered.into_iter().zip(self.look_in_list(profile, &again).await) {
                put(index, answer);
            }
        }
        answers
    }

    async fn look_in_list(&mut self, profile: &Profile, looks: &[Look]) -> Vec<Result<Option<Observed>, Failure>> {
        match self.list(profile).await {
            Ok(people) => {
                let listed = Listed::new(people);
                looks.iter().map(|look| Ok(listed.get(look))).collect()
            }
            Err(failure) => looks.iter().map(|_| Err(failure.clone())).collect(),
        }
    }

    /// The answer to GetUser.
    fn keyed(
        &self,
        profile: &Profile,
        key: &UserId,
        answer: Result<UserResponse, Failure>,
    ) -> Result<Option<Observed>, Failure> {
        match answer {
            Ok(UserResponse { user }) if user.user_id == *key.text() => Ok(profile.see(&user).person()),
            Ok(_) => Err(Failure::refused_here(format!(
                "asked for user {key}, {} answered with another; is it the account store?",
                self.client.base()
            ))),
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    fn is_list_cheaper(&self, looks: usize) -> bool {
        looks > self.pages.unwrap_or(PAGES_UNKNOWN)
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

/// What a server gave that was asked for one address.
enum Filtered {
    /// Who has it, if anybody.
    Right(Option<Observed>),
    /// Others: it does not filter.
    Foreign,
}

fn addressed(profile: &Profile, email: &Email, page: &ListUsersResponse) -> Filtered {
    let mut people = page.users.iter().filter_map(|user| profile.see(user).person());
    match people.find(|observed| observed.email == *email) {
        Some(observed) => Filtered::Right(Some(observed)),
        None if page.users.is_empty() && page.next_token.is_none() => Filtered::Right(None),
        // A device may have the address.
        None if page.users.iter().all(|user| has_address(user.primary_email.as_deref(), email)) => {
            Filtered::Right(None)
        }
        None => Filtered::Foreign,
    }
}

fn has_address(written: Option<&str>, email: &Email) -> bool {
    written.and_then(Email::parse).is_some_and(|written| written == *email)
}

/// A list by its keys and addresses.
struct Listed {
    people: Vec<Observed>,
    keys: HashMap<UserId, usize>,
    addresses: HashMap<Email, usize>,
}

impl Listed {
    fn new(people: Vec<Observed>) -> Self {
        let numbered = || people.iter().enumerate();
        let keys = numbered().map(|(index, one)| (one.id.clone(), index)).collect();
        let addresses = numbered().map(|(index, one)| (one.email.clone(), index)).collect();
        Self { people, keys, addresses }
    }

    fn get(&self, look: &Look) -> Option<Observed> {
        let index = match look {
            Look::Key(key) => self.keys.get(key),
            Look::Address(email) => self.addresses.get(email),
        };
        index.and_then(|index| self.people.get(*index)).cloned()
    }
}
