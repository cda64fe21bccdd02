//! Lists: filtered, sorted, page by page.
//!
//! A filter on what users are found by (`id`, `userName`, `externalId`, the address) is answered without looking at everybody.
//! Any other one looks at all users, a few thousand at a time, or at the members of one group: between two of these looks the
//! desk does what others ask.

use super::act::{Ground, located};
use super::discover::{group_shape, user_shape};
use super::query::{Paging, Query, cursor_out};
use super::route::Kinds;
use super::{group, refused, unanswered, user};
use crate::model::{Email, Tier, UserId};
use crate::scim::filter::{Filter, Literal, Operator};
use crate::scim::list::Page;
use crate::scim::{AttributePath, Problem, ScimType, Shape};
use crate::server::desk::Desk;
use crate::store::{Account, Book, User};
use serde_json::Value;
use std::sync::Arc;

/// Users looked at in one go.
const LOOK_MAX: usize = 2_000;
/// Users of a page that are shown in one go; of groups, which may have a hundred thousand members, it is one.
const SHOWN_AT_ONCE: usize = 200;
/// Most comparisons of members that one group is worth: they are made in one go.
const COMPARISONS_MAX: usize = 500_000;

/// What is asked, for as long as it takes to answer.
struct Search {
    ground: Ground,
    query: Query,
}

/// One resource that was found, and where it stands in the order.
struct Found {
    key: Option<String>,
    what: What,
}

/// Which resource.
#[derive(Clone)]
enum What {
    User(UserId),
    Group(String),
}

/// The page that is asked for.
///
/// # Errors
/// `invalidFilter` for a filter on what no resource has, and what the desk says.
pub(super) async fn find(desk: &Desk, ground: Ground, kinds: Kinds, query: Query) -> Result<Value, Problem> {
    let search = Arc::new(Search { ground, query });
    let kinds = check(desk, &search, kinds).await?;
    if let Paging::Cursor(after) = &search.query.paging {
        return behind(desk, &search, kinds, after.clone()).await;
    }
    let Paging::From(start) = search.query.paging else { return Err(Problem::new(500, "no page")) };
    let mut found = Vec::new();
    if kinds != Kinds::Groups {
        found.extend(users(desk, &search).await?);
    }
    if kinds != Kinds::Users {
        found.extend(groups(desk, &search).await?);
    }
    if search.query.sort.is_some() {
        // Without a value last (RFC 7644 3.4.2.3); what is equal stays in the order of the ids.
        found.sort_by(|one, other| (one.key.is_none(), &one.key).cmp(&(other.key.is_none(), &other.key)));
        if search.query.is_descending {
            found.reverse();
        }
    }
    let total = found.len();
    let page: Vec<What> = found.into_iter().skip(start - 1).take(search.query.count).map(|found| found.what).collect();
    let resources = shown(desk, &search, page).await?;
    Ok(Page { total: Some(total), start: Some(start), next_cursor: None, resources }.body())
}

/// Looks at the account.
async fn look<T: Send + 'static>(
    desk: &Desk,
    search: &Arc<Search>,
    question: impl FnOnce(&Account) -> T + Send + 'static,
) -> Result<T, Problem> {
    let id = search.ground.account.clone();
    let looked = desk.look(move |book: &Book| book.open_to(&id).map(question)).await;
    looked.map_err(unanswered)?.map_err(refused)
}

/// Which kinds the filter and the order can be about: of several, those that have the attributes.
async fn check(desk: &Desk, search: &Arc<Search>, kinds: Kinds) -> Result<Kinds, Problem> {
    let shape = look(desk, search, |account| user_shape(account.profile())).await?;
    let of = |shape: &Shape| -> Result<(), Problem> {
        search.query.filter.as_ref().map_or(Ok(()), |filter| filter.check(shape))
    };
    match (kinds, of(&shape), of(&group_shape())) {
        (Kinds::Users, users, _) => users.map(|()| Kinds::Users),
        (Kinds::Groups, _, groups) => groups.map(|()| Kinds::Groups),
        (Kinds::All, Ok(()), Ok(())) => Ok(Kinds::All),
        (Kinds::All, Ok(()), Err(_)) => Ok(Kinds::Users),
        (Kinds::All, Err(_), Ok(())) => Ok(Kinds::Groups),
        (Kinds::All, Err(problem), Err(_)) => Err(problem),
    }
}

/// All users that fit.
async fn users(desk: &Desk, search: &Arc<Search>) -> Result<Vec<Found>, Problem> {
    if let Some(known) = search.query.filter.as_ref().and_then(known) {
        let asked = search.clone();
        return look(desk, search, move |account| {
            let found = known.in_account(account).filter(|user| user::is_visible(account, user));
            found.map(|user| asked.found(account, user)).into_iter().collect()
        })
        .await;
    }
    let mut found = Vec::new();
    let mut after: Option<UserId> = None;
    loop {
        let (asked, from) = (search.clone(), after.clone());
        let (some, last) = look(desk, search, move |account| {
            let shape = user_shape(account.profile());
            let (mut found, mut last) = (Vec::new(), None);
            for (number, user) in account.users_after(from.as_ref()).take(LOOK_MAX).enumerate() {
                if user::is_visible(account, user) && asked.fits(account, user, &shape) {
                    found.push(asked.found(account, user));
                }
                // Only where there may be more.
                last = (number + 1 == LOOK_MAX).then(|| user.id.clone());
            }
            (found, last)
        })
        .await?;
        found.extend(some);
        match last {
            Some(last) => after = Some(last),
            None => return Ok(found),
        }
    }
}

/// All groups that fit, each looked at by itself.
async fn groups(desk: &Desk, search: &Arc<Search>) -> Result<Vec<Found>, Problem> {
    let licences = look(desk, search, |account| account.profile().supported.clone()).await?;
    let mut found = Vec::new();
    for licence in licences {
        let asked = search.clone();
        found.extend(look(desk, search, move |account| asked.found_group(account, &licence)).await??);
    }
    Ok(found)
}

/// The page behind a user, in the order of the ids (RFC 9865).
async fn behind(desk: &Desk, search: &Arc<Search>, kinds: Kinds, after: Option<String>) -> Result<Value, Problem> {
    if kinds != Kinds::Users {
        // There are at most a few dozen.
        let found = if kinds == Kinds::All { users(desk, search).await? } else { Vec::new() };
        let groups = groups(desk, search).await?;
        let page = found.into_iter().chain(groups).map(|found| found.what);
        let page: Vec<What> = if after.is_some() { Vec::new() } else { page.take(search.query.count).collect() };
        let resources = shown(desk, search, page).await?;
        return Ok(Page { total: None, start: None, next_cursor: None, resources }.body());
    }
    let mut page: Vec<What> = Vec::new();
    let mut after = after.map(|id| UserId::new(&id));
    let next = loop {
        let (asked, from, room) = (search.clone(), after.clone(), search.query.count - page.len());
        let (some, last) = look(desk, search, move |account| {
            let shape = user_shape(account.profile());
            let (mut found, mut last) = (Vec::new(), None);
            let mut users = account.users_after(from.as_ref()).take(LOOK_MAX).peekable();
            let mut seen = 0;
            while let Some(user) = users.next_if(|_| found.len() < room) {
                seen += 1;
                if user::is_visible(account, user) && asked.fits(account, user, &shape) {
                    found.push(What::User(user.id.clone()));
                }
                last = Some(user.id.clone());
            }
            (found, last.filter(|_| seen == LOOK_MAX || users.peek().is_some()))
        })
        .await?;
        page.extend(some);
        match last {
            Some(last) if page.len() < search.query.count => after = Some(last),
            last => break last.map(|id| cursor_out(&id.text())),
        }
    };
    let resources = shown(desk, search, page).await?;
    Ok(Page { total: None, start: None, next_cursor: next, resources }.body())
}

/// The resources of a page. Who has gone meanwhile is not on it.
async fn shown(desk: &Desk, search: &Arc<Search>, page: Vec<What>) -> Result<Vec<Value>, Problem> {
    let shapes = (look(desk, search, |account| user_shape(account.profile())).await?, group_shape());
    let Search { ground, query } = search.as_ref();
    let with_members = query.projection.wants("members");
    let mut shown = Vec::with_capacity(page.len());
    let is_together = |one: &What, other: &What| matches!((one, other), (What::User(_), What::User(_)));
    for some in page.chunk_by(is_together).flat_map(|some| some.chunks(SHOWN_AT_ONCE)) {
        let some = some.to_vec();
        let resources = look(desk, search, move |account| {
            let resource = |what: &What| match what {
                What::User(id) => account.user(id).map(|user| (false, user::resource(account, user))),
                What::Group(id) => {
                    let licence = group::known(account, id).ok()?;
                    Some((true, group::resource(account, &licence, with_members)))
                }
            };
            some.iter().filter_map(resource).collect::<Vec<_>>()
        });
        // Versions and addresses are made of what was seen, away from the desk.
        for (is_group, resource) in resources.await? {
            let mut resource = located(resource, ground);
            let meta = resource.get_mut("meta").and_then(Value::as_object_mut);
            if let (true, false, Some(meta)) = (is_group, with_members, meta) {
                // It would be that of a group without members.
                meta.remove("version");
            }
            shown.push(query.projection.apply(resource, if is_group { &shapes.1 } else { &shapes.0 }));
        }
    }
    Ok(shown)
}

impl Search {
    fn fits(&self, account: &Account, user: &User, shape: &Shape) -> bool {
        let resource = || Value::Object(user::resource(account, user));
        self.query.filter.as_ref().is_none_or(|filter| filter.matches(&resource(), shape))
    }

    fn found(&self, account: &Account, user: &User) -> Found {
        let key =
            self.query.sort.as_ref().and_then(|path| {
                key(path, &Value::Object(user::resource(account, user)), &user_shape(account.profile()))
            });
        Found { key, what: What::User(user.id.clone()) }
    }

    /// The group of that licence, if it is there and fits.
    ///
    /// # Errors
    /// `tooMany` for a filter that compares the members of a large group with too much.
    fn found_group(&self, account: &Account, licence: &Tier) -> Result<Option<Found>, Problem> {
        if !account.profile().supported.contains(licence) {
            return Ok(None);
        }
        let (shape, with_members) = (group_shape(), self.needs_members());
        if let Some(filter) = self.query.filter.as_ref().filter(|_| with_members) {
            let most = COMPARISONS_MAX / filter.terms().max(1);
            if group::has_more_than(account, licence, most) {
                let detail = format!(
                    "{} comparisons with each member of a group are too many for one of more than {most} members: \
                     ask with fewer",
                    filter.terms()
                );
                return Err(Problem::bad(ScimType::TooMany, detail));
            }
        }
        let resource = Value::Object(group::resource(account, licence, with_members));
        let fits = self.query.filter.as_ref().is_none_or(|filter| filter.matches(&resource, &shape));
        let key = self.query.sort.as_ref().and_then(|path| key(path, &resource, &shape));
        let id = resource.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(fits.then_some(Found { key, what: What::Group(id) }))
    }

    /// Whether the filter or the order is about members.
    fn needs_members(&self) -> bool {
        let is = |path: &AttributePath| path.name.eq_ignore_ascii_case("members");
        self.query.filter.as_ref().is_some_and(|filter| names(filter, &is)) || self.query.sort.as_ref().is_some_and(is)
    }
}

fn names(filter: &Filter, is: &dyn Fn(&AttributePath) -> bool) -> bool {
    match filter {
        Filter::Or(terms) | Filter::And(terms) => terms.iter().any(|term| names(term, is)),
        Filter::Not(term) => names(term, is),
        Filter::Present(path) | Filter::Compare(path, _, _) | Filter::Within(path, _) => is(path),
    }
}

/// What a resource is sorted by: of several values the first one.
fn key(path: &AttributePath, resource: &Value, shape: &Shape) -> Option<String> {
    let (attribute, part) = path.resolve(shape)?;
    let value = resource.get(&attribute.name)?;
    let value = if let Value::Array(values) = value { values.first()? } else { value };
    let part = part.or_else(|| attribute.part("value"));
    let (value, attribute) = match part {
        Some(part) => (value.get(&part.name)?, part),
        None => (value, attribute),
    };
    match value {
        Value::String(text) if attribute.case_exact => Some(text.clone()),
        Value::String(text) => Some(text.to_lowercase()),
        Value::Bool(it) => Some(it.to_string()),
        Value::Number(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What one user is found by.
enum Known {
    Id(String),
    UserName(String),
    ExternalId(String),
    Address(Email),
}

impl Known {
    fn in_account<'a>(&self, account: &'a Account) -> Option<&'a User> {
        match self {
            Self::Id(id) => account.user(&UserId::new(id)),
            Self::UserName(name) => account.by_user_name(name),
            Self::ExternalId(text) => account.by_external_id(text),
            Self::Address(email) => account.by_email(email),
        }
    }
}

/// The filters that name one user at most.
fn known(filter: &Filter) -> Option<Known> {
    let Filter::Compare(path, Operator::Eq, Literal::Text(text)) = filter else { return None };
    let is = |name: &str| path.name.eq_ignore_ascii_case(name);
    match path.part.as_deref() {
        None if is("id") => Some(Known::Id(text.clone())),
        None if is("userName") => Some(Known::UserName(text.clone())),
        None if is("externalId") => Some(Known::ExternalId(text.clone())),
        None if is("emails") => Email::parse(text).map(Known::Address),
        Some(part) if is("emails") && part.eq_ignore_ascii_case("value") => Email::parse(text).map(Known::Address),
        Some(_) | None => None,
    }
}
