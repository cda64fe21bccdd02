//! A licence as a group: its members hold it, and whoever becomes a member gets it in place of another. Pure.

use super::refused;
use super::user;
use crate::model::{Tier, UserId};
use crate::scim::filter::{Literal, Operator};
use crate::scim::patch::Op;
use crate::scim::{AttributePath, Filter, GROUP, Operation, Problem, ScimType, Shape, Target};
use crate::server::api::view;
use crate::store::{Account, Refusal, RefusalCode, User};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Most users whose licence one request changes: each is a record of one write. As many as Okta names in a request.
pub(super) const MOVED_MAX: usize = 1_000;
/// Most records of a change of a group.
pub(super) const RECORDS_MAX: usize = records_of(MOVED_MAX);

/// Most records of a change of a group that moves so many: the users; the entries of the log, each of which tells of two users
/// at least, however long their names are; and the group itself.
const fn records_of(moved: usize) -> usize {
    moved + moved / 2 + 10
}
/// Most members of a group that are shown when it was changed: an answer is read by whoever waits for it.
pub(super) const SHOWN_MAX: usize = 1_000;

/// The licence of that id, which is its name.
///
/// # Errors
/// 404.
pub(super) fn known(account: &Account, id: &str) -> Result<Tier, Problem> {
    let licence = account.profile().supported.iter().find(|licence| view::licence_out(licence) == id);
    licence
        .cloned()
        .ok_or_else(|| Problem::new(404, format!("there is no group {id:?}: groups are the licences of the account")))
}

/// Whether so many hold the licence that a change is answered without them.
pub(super) fn is_large(account: &Account, licence: &Tier) -> bool {
    has_more_than(account, licence, SHOWN_MAX)
}

/// Whether more than so many hold the licence.
pub(super) fn has_more_than(account: &Account, licence: &Tier, most: usize) -> bool {
    members(account, licence).nth(most).is_some()
}

fn members<'a>(account: &'a Account, licence: &'a Tier) -> impl Iterator<Item = &'a User> {
    account.users().filter(move |user| user.licence.as_ref() == Some(licence) && user::is_visible(account, user))
}

/// The resource, without its version and addresses: what the version is made of. Members only where they are wanted.
pub(super) fn resource(account: &Account, licence: &Tier, with_members: bool) -> Map<String, Value> {
    let name = view::licence_out(licence);
    let mut resource = Map::new();
    let mut put = |name: &str, value: Value| _ = resource.insert(name.to_owned(), value);
    put("schemas", json!([GROUP]));
    put("id", json!(name));
    put("displayName", json!(name));
    if let Some(alias) = account.profile().aliases.get(licence) {
        put("externalId", json!(alias));
    }
    if with_members {
        let shown = |user: &User| json!({"value": &*user.id.text(), "display": user.user_name(), "type": "User"});
        let members: Vec<Value> = members(account, licence).map(shown).collect();
        if !members.is_empty() {
            put("members", Value::Array(members));
        }
    }
    put("meta", json!({"resourceType": "Group", "created": view::time(account.profile().created_at)}));
    resource
}

/// The users that a resource has as members.
///
/// # Errors
/// `invalidValue` for one that is not there.
fn wanted(account: &Account, resource: &Map<String, Value>) -> Result<BTreeSet<UserId>, Problem> {
    let values = resource.get("members").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let invalid = |detail: String| Problem::bad(ScimType::InvalidValue, detail);
    values
        .iter()
        .map(|each| {
            let id = each.get("value").and_then(Value::as_str);
            let id = id.ok_or_else(|| invalid("each of members has a `value`: the id of a user".to_owned()))?;
            user::known(account, id).map(|user| user.id.clone()).map_err(|problem| invalid(problem.detail))
        })
        .collect()
}

/// What a request says of who is a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Membership {
    /// All of them: who is not named is not one.
    Whole,
    /// Nothing: a request that does not speak of members takes nobody's licence.
    Unsaid,
}

/// Makes a group what the resource says: its members, and how the client knows it.
///
/// # Errors
/// What the book refuses; 409 where there is no licence to fall back to.
pub(super) fn update(
    account: &mut Account,
    licence: &Tier,
    resource: &Map<String, Value>,
    membership: Membership,
) -> Result<(), Problem> {
    let name = resource.get("displayName").and_then(Value::as_str);
    if name.is_some_and(|name| !name.eq_ignore_ascii_case(&view::licence_out(licence))) {
        let detail = "displayName is immutable: it is the name of the licence";
        return Err(Problem::bad(ScimType::Mutability, detail));
    }
    let wanted = wanted(account, resource)?;
    let alias = resource.get("externalId").and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    account.alias(licence, alias).map_err(refused)?;
    if membership == Membership::Unsaid {
        return Ok(());
    }
    let there: BTreeSet<UserId> = members(account, licence).map(|user| user.id.clone()).collect();
    let (come, go): (Vec<&UserId>, Vec<&UserId>) =
        (wanted.difference(&there).collect(), there.difference(&wanted).collect());
    give(account, licence, &come, &go)
}

/// Members that a request names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Whether nobody else is a member any more.
    is_whole: bool,
    /// Whether each comes or goes. Of one who is named twice the last word counts.
    comes: BTreeMap<String, bool>,
}

impl Named {
    /// Most records that moving them adds to a write.
    pub(super) fn records_max(&self) -> usize {
        let moved = if self.is_whole { MOVED_MAX } else { self.comes.len() };
        records_of(moved.min(MOVED_MAX))
    }
}

/// Refuses operations that add or put in place of the members nothing that was said: a value that is missing or `null` is a
/// client's mistake (RFC 7644 3.5.2.1, 3.5.2.3), and would take the licence of everybody. An empty list says that there are none.
///
/// # Errors
/// `invalidValue`.
pub(super) fn check_said(operations: &[Operation], shape: &Shape) -> Result<(), Problem> {
    let speaks = |path: &str| match Target::parse(path, shape) {
        Ok(Target::Attribute(path) | Target::Values { path, .. }) => path.name.eq_ignore_ascii_case("members"),
        // What makes no sense is refused where it is carried out.
        Ok(Target::Extension(_)) | Err(_) => false,
    };
    let is_unsaid = |path: &str, value: Option<&Value>| value.is_none_or(Value::is_null) && speaks(path);
    let lacks = |Operation { op, path, value }: &Operation| {
        let path = path.as_deref().filter(|path| !path.trim().is_empty());
        match (path, value) {
            _ if *op == Op::Remove => false,
            (Some(path), value) => is_unsaid(path, value.as_ref()),
            (None, Some(Value::Object(all))) => all.iter().any(|(name, value)| is_unsaid(name, Some(value))),
            (None, _) => false,
        }
    };
    if !operations.iter().any(lacks) {
        return Ok(());
    }
    let detail = "members needs a value, which is missing or null: nothing was done; an empty list takes everybody out";
    Err(Problem::bad(ScimType::InvalidValue, detail))
}

/// The members that operations name, where they speak of nothing else: then no list of all is made and compared, of whom
/// there may be a hundred thousand.
pub(super) fn named(operations: &[Operation], shape: &Shape) -> Option<Named> {
    let mut named = Named::default();
    for Operation { op, path, value } in operations {
        let comes = *op != Op::Remove;
        match Target::parse(path.as_deref()?, shape).ok()? {
            Target::Attribute(path) if is_members(&path) => {
                // A removal without values is one of all.
                if *op == Op::Replace || value.is_none() && *op == Op::Remove {
                    named = Named { is_whole: true, comes: BTreeMap::new() };
                }
                let values = match value {
                    Some(Value::Array(values)) => values.as_slice(),
                    Some(value) => std::slice::from_ref(value),
                    None => &[],
                };
                for each in values {
                    named.comes.insert(each.get("value")?.as_str()?.to_owned(), comes);
                }
            }
            Target::Values { path, filter } if is_members(&path) && !comes => match *filter {
                Filter::Compare(part, Operator::Eq, Literal::Text(id)) if part.name.eq_ignore_ascii_case("value") => {
                    named.comes.insert(id, false);
                }
                _ => return None,
            },
            Target::Extension(_) | Target::Attribute(_) | Target::Values { .. } => return None,
        }
    }
    Some(named)
}

fn is_members(path: &AttributePath) -> bool {
    path.name.eq_ignore_ascii_case("members") && path.part.is_none()
}

/// Lets the named members come and go. Who is to go and is not there has gone.
///
/// # Errors
/// As [`update`].
pub(super) fn move_members(account: &mut Account, licence: &Tier, named: &Named) -> Result<(), Problem> {
    let (mut come, mut go) = (Vec::new(), Vec::new());
    for (id, comes) in &named.comes {
        match (user::known(account, id), comes) {
            (Ok(user), true) if user.licence.as_ref() != Some(licence) => come.push(user.id.clone()),
            (Ok(user), false) if user.licence.as_ref() == Some(licence) && !named.is_whole => go.push(user.id.clone()),
            (Err(problem), true) => return Err(Problem::bad(ScimType::InvalidValue, problem.detail)),
            (Ok(_), _) | (Err(_), false) => {}
        }
    }
    if named.is_whole {
        let stays = |user: &&User| named.comes.get(&*user.id.text()) == Some(&true);
        go.extend(members(account, licence).filter(|user| !stays(user)).map(|user| user.id.clone()));
    }
    give(account, licence, &come.iter().collect::<Vec<_>>(), &go.iter().collect::<Vec<_>>())
}

/// Gives the licence to who comes, and the default one to who goes.
fn give(account: &mut Account, licence: &Tier, come: &[&UserId], go: &[&UserId]) -> Result<(), Problem> {
    let default = account.profile().default_licence.clone().filter(|default| default != licence);
    if !go.is_empty() && default.is_none() {
        let name = view::licence_out(licence);
        let detail = format!(
            "who is taken out of a group falls back to the default licence, and there is none but {name}: to give the users \
             another licence, make them members of its group; to end their access, set `active` to false or delete them; to \
             let them fall back to another licence, make it the default one with `seatstore account default-licence`"
        );
        return Err(Problem::new(409, detail));
    }
    if come.len() + go.len() > MOVED_MAX {
        let detail = format!(
            "{} users would get another licence: at most {MOVED_MAX} in one request; send fewer members at a time",
            come.len() + go.len()
        );
        return Err(Problem::new(413, detail));
    }
    for id in come {
        account.assign(id, licence).map_err(refused)?;
    }
    if let Some(default) = default {
        for id in go {
            account.assign(id, &default).map_err(refused)?;
        }
    }
    Ok(())
}

/// Makes a licence.
///
/// # Errors
/// 409 for one that is there; what the book refuses.
pub(super) fn create(account: &mut Account, resource: &Map<String, Value>) -> Result<Tier, Problem> {
    let name = resource.get("displayName").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() {
        return Err(Problem::bad(ScimType::InvalidValue, "displayName is required"));
    }
    let licence = view::licence_in(account.profile(), name);
    if account.profile().supported.contains(&licence) {
        let detail = format!("the account has the licence {} already", view::licence_out(&licence));
        return Err(refused(Refusal::new(RefusalCode::Conflict, detail)));
    }
    account.support(&licence).map_err(refused)?;
    update(account, &licence, resource, Membership::Whole)?;
    Ok(licence)
}

/// Takes a licence away that nobody holds.
///
/// # Errors
/// 409 while somebody holds it, or it is the default one.
pub(super) fn delete(account: &mut Account, licence: &Tier) -> Result<(), Problem> {
    account.unsupport(licence).map_err(refused)
}
