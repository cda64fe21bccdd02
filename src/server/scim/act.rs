//! One change, as the book takes it, and what is answered: for a request of its own and for one in a bulk. Pure.

use super::discover::{group_shape, user_shape};
use super::group::{self, Membership};
use super::refused;
use super::route::{Place, Verb};
use super::user::{self, Wish};
use crate::model::{Timestamp, UserId};
use crate::scim::{Operation, Problem, Projection, accept, patch};
use crate::store::{Account, AccountId, Book};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// What needs no encoding in a path (RFC 3986 2.3).
const IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Most records of a change of a user, entries of the log among them.
const USER_RECORDS_MAX: usize = 10;
/// Bytes of a version.
const VERSION_BYTES: usize = 8;

/// Where, and in whose right.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    /// The account.
    pub account: AccountId,
    /// The base URL, with the account and without a slash at its end.
    pub base: String,
    /// Whether licences may be made and deleted.
    pub licences: bool,
}

/// One change that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub verb: Verb,
    pub place: Place,
    pub body: Value,
    /// `If-Match`, or the version in a bulk.
    pub if_match: Option<String>,
    /// For what is made.
    pub new_id: String,
}

/// A change that was made.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    pub status: u16,
    /// As it is now; nothing after a deletion.
    pub resource: Option<Value>,
    /// Attributes that were let pass and are not kept.
    pub ignored: Vec<String>,
    /// Whether somebody was invited.
    pub has_mail: bool,
}

impl Change {
    /// Its name in the audit log.
    pub(super) fn operation(&self) -> &'static str {
        match (&self.place, self.verb) {
            (Place::Groups(_), Verb::Post) => "ScimCreateGroup",
            (Place::Groups(_), Verb::Put) => "ScimReplaceGroup",
            (Place::Groups(_), Verb::Patch) => "ScimPatchGroup",
            (Place::Groups(_), Verb::Delete) => "ScimDeleteGroup",
            (_, Verb::Post) => "ScimCreateUser",
            (_, Verb::Put) => "ScimReplaceUser",
            (_, Verb::Patch) => "ScimPatchUser",
            (_, Verb::Delete) => "ScimDeleteUser",
            (_, Verb::Get) => "ScimGet",
        }
    }

    /// Most records that it may add to a write.
    pub(super) fn records_max(&self) -> usize {
        let named = || group::named(&self.operations().ok()?, &group_shape());
        match (&self.place, self.verb) {
            (Place::Groups(_), Verb::Patch) => named().map_or(group::RECORDS_MAX, |named| named.records_max()),
            (Place::Groups(_), _) => group::RECORDS_MAX,
            // A user, and what the log tells of it.
            _ => USER_RECORDS_MAX,
        }
    }

    /// Makes the change in the book.
    ///
    /// # Errors
    /// Why not; of a change that is refused the caller keeps nothing.
    pub(super) fn make(&self, book: &mut Book, ground: &Ground, at: Timestamp) -> Result<Done, Problem> {
        let account = book.account_mut(&ground.account).map_err(refused)?;
        match (&self.place, self.verb) {
            (Place::Users(None), Verb::Post) => self.create_user(account, ground, at),
            (Place::Users(Some(id)), verb) => self.change_user(account, ground, id, verb, at),
            (Place::Groups(None), Verb::Post) => self.create_group(account, ground),
            (Place::Groups(Some(id)), verb) => self.change_group(account, ground, id, verb),
            _ => Err(Problem::new(405, "nothing of that kind can be done here")),
        }
    }

    fn create_user(&self, account: &mut Account, ground: &Ground, at: Timestamp) -> Result<Done, Problem> {
        let accepted = accept(&self.body, &user_shape(account.profile()))?;
        let ignored = user::let_pass(accepted.unknown)?;
        let wish = Wish::of(&accepted.resource, account.profile(), None)?;
        let id = user::create(account, &wish, &UserId::new(&self.new_id), at)?;
        account.date(at);
        let made = user::known(account, &id.text())?;
        let has_mail = made.mail() == crate::store::Mail::Due;
        let resource = whole_user(account, made, ground);
        Ok(Done { status: 201, resource: Some(resource), ignored, has_mail })
    }

    fn change_user(
        &self,
        account: &mut Account,
        ground: &Ground,
        id: &str,
        verb: Verb,
        at: Timestamp,
    ) -> Result<Done, Problem> {
        let before = user::known(account, id)?;
        self.check_version(|| version(&user::resource(account, before)))?;
        let (resource, ignored) = match verb {
            Verb::Put => {
                let accepted = accept(&self.body, &user_shape(account.profile()))?;
                (accepted.resource, user::let_pass(accepted.unknown)?)
            }
            Verb::Patch => user::patched(account, before, &self.operations()?)?,
            Verb::Delete => {
                let id = before.id.clone();
                account.put_away(&id).map_err(refused)?;
                return Ok(Done { status: 204, ..Done::default() });
            }
            Verb::Get | Verb::Post => return Err(Problem::new(405, "a user is changed by PUT, PATCH and DELETE")),
        };
        let wish = Wish::of(&resource, account.profile(), Some(before))?;
        let id = before.id.clone();
        user::update(account, &id, &wish)?;
        account.date(at);
        let resource = whole_user(account, user::known(account, &id.text())?, ground);
        Ok(Done { status: 200, resource: Some(resource), ignored, has_mail: false })
    }

    fn create_group(&self, account: &mut Account, ground: &Ground) -> Result<Done, Problem> {
        ground.check_licences()?;
        let accepted = accept(&self.body, &group_shape())?;
        check_known(&accepted.unknown)?;
        let licence = group::create(account, &accepted.resource)?;
        let resource = located(group::resource(account, &licence, true), ground);
        Ok(Done { status: 201, resource: Some(resource), ..Done::default() })
    }

    fn change_group(&self, account: &mut Account, ground: &Ground, id: &str, verb: Verb) -> Result<Done, Problem> {
        let licence = group::known(account, id)?;
        self.check_version(|| version(&group::resource(account, &licence, true)))?;
        match verb {
            Verb::Put => {
                let accepted = accept(&self.body, &group_shape())?;
                check_known(&accepted.unknown)?;
                let speaks = |it: &Map<String, Value>| it.keys().any(|name| name.eq_ignore_ascii_case("members"));
                let membership = match self.body.as_object().is_some_and(speaks) {
                    true => Membership::Whole,
                    false => Membership::Unsaid,
                };
                group::update(account, &licence, &accepted.resource, membership)?;
            }
            Verb::Patch => {
                let (operations, shape) = (self.operations()?, group_shape());
                group::check_said(&operations, &shape)?;
                if let Some(named) = group::named(&operations, &shape) {
                    group::move_members(account, &licence, &named)?;
                } else {
                    let mut resource = group::resource(account, &licence, true);
                    patch::apply(&mut resource, &operations, &shape, &|_| false)?;
                    group::update(account, &licence, &resource, Membership::Whole)?;
                }
            }
            Verb::Delete => {
                ground.check_licences()?;
                group::delete(account, &licence)?;
                return Ok(Done { status: 204, ..Done::default() });
            }
            Verb::Get | Verb::Post => return Err(Problem::new(405, "a group is changed by PUT, PATCH and DELETE")),
        }
        if verb == Verb::Patch && group::is_large(account, &licence) {
            return Ok(Done { status: 204, ..Done::default() });
        }
        let resource = located(group::resource(account, &licence, true), ground);
        Ok(Done { status: 200, resource: Some(resource), ..Done::default() })
    }

    fn operations(&self) -> Result<Vec<Operation>, Problem> {
        patch::operations(&self.body)
    }

    /// Whether the resource is still the one that the client knows (RFC 7644 3.14).
    fn check_version(&self, current: impl FnOnce() -> String) -> Result<(), Problem> {
        match &self.if_match {
            Some(wanted) if !fits(wanted, &current()) => {
                Err(Problem::new(412, "the resource was changed since: read it again"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Ground {
    fn check_licences(&self) -> Result<(), Problem> {
        if self.licences {
            return Ok(());
        }
        Err(Problem::new(
            403,
            "groups are the licences of the account, and this token may not make or delete any: `seatstore account support` \
             makes one, and a token made with --licences may",
        ))
    }
}

fn check_known(unknown: &[String]) -> Result<(), Problem> {
    if unknown.is_empty() {
        return Ok(());
    }
    let detail = format!("this server does not keep {}; the schema says what it keeps", unknown.join(", "));
    Err(Problem::bad(crate::scim::ScimType::InvalidSyntax, detail))
}

/// The version of a resource: what is the same has the same, whenever it is asked.
pub(super) fn version(resource: &Map<String, Value>) -> String {
    let bytes = serde_json::to_vec(resource).unwrap_or_default();
    let digest: String = Sha256::digest(bytes).iter().take(VERSION_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{digest}\"")
}

/// Whether a list of versions has that one, compared as weak ones (RFC 9110 8.8.3.2).
pub(super) fn fits(list: &str, version: &str) -> bool {
    let plain = |text: &str| text.trim().trim_start_matches("W/").to_owned();
    let version = plain(version);
    list.split(',').any(|each| each.trim() == "*" || plain(each) == version)
}

/// A user with version and addresses.
pub(super) fn whole_user(account: &Account, user: &crate::store::User, ground: &Ground) -> Value {
    located(user::resource(account, user), ground)
}

/// A resource with its version, and the addresses of itself and of what it names.
pub(super) fn located(mut resource: Map<String, Value>, ground: &Ground) -> Value {
    let version = version(&resource);
    let id = resource.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let at = |endpoint: &str, id: &str| format!("{}/{endpoint}/{}", ground.base, utf8_percent_encode(id, IN_A_PATH));
    let is_group = resource.get("meta").and_then(|meta| meta.get("resourceType")).is_some_and(|it| it == "Group");
    let location = at(if is_group { "Groups" } else { "Users" }, &id);
    for (list, endpoint) in [("groups", "Groups"), ("members", "Users")] {
        let values = resource.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for members in values.filter_map(Value::as_object_mut) {
            if let Some(id) = members.get("value").and_then(Value::as_str) {
                let location = at(endpoint, id);
                members.insert("$ref".to_owned(), Value::from(location));
            }
        }
    }
    if let Some(meta) = resource.get_mut("meta").and_then(Value::as_object_mut) {
        meta.insert("location".to_owned(), json!(location));
        meta.insert("version".to_owned(), json!(version));
    }
    Value::Object(resource)
}

/// One resource by its place, as it is wanted.
///
/// # Errors
/// 404.
pub(super) fn look(
    book: &Book,
    ground: &Ground,
    place: &Place,
    projection: &Projection,
) -> Result<(Value, String), Problem> {
    let account = book.open_to(&ground.account).map_err(refused)?;
    let (whole, shape) = match place {
        Place::Users(Some(id)) => {
            (whole_user(account, user::known(account, id)?, ground), user_shape(account.profile()))
        }
        Place::Groups(Some(id)) => {
            let licence = group::known(account, id)?;
            (located(group::resource(account, &licence, true), ground), group_shape())
        }
        _ => return Err(Problem::new(404, "there is no such resource")),
    };
    let version = whole["meta"]["version"].as_str().unwrap_or_default().to_owned();
    Ok((projection.apply(whole, &shape), version))
}
