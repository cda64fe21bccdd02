//! A user as a resource, and what a resource means for a user. Pure.

use super::discover::{LICENCE, WORK, user_shape};
use super::refused;
use crate::model::{Email, Tier, Timestamp, UserId};
use crate::scim::{ENTERPRISE_USER, Problem, ScimType, USER};
use crate::server::api::view;
use crate::store::{Account, AccountKind, Mail, Profile, Provision, Refusal, RefusalCode, Registration, User};
use serde_json::{Map, Value, json};

/// Attributes of RFC 7643 that only describe a person: let pass, and not kept. What could carry a licence or a right is not
/// among them.
const DESCRIPTIVE: &[&str] = &[
    "nickName",
    "profileUrl",
    "title",
    "preferredLanguage",
    "locale",
    "timezone",
    "phoneNumbers",
    "ims",
    "photos",
    "addresses",
    // Nobody signs in here; some clients make one up for every user.
    "password",
    "name.middleName",
    "name.honorificPrefix",
    "name.honorificSuffix",
    "emails.display",
    "entitlements.display",
];

/// Whether an attribute that is not kept is let pass all the same.
pub(super) fn is_descriptive(name: &str) -> bool {
    let core = name.len().checked_sub(USER.len()).and_then(|_| {
        let (urn, rest) = name.split_at_checked(USER.len())?;
        urn.eq_ignore_ascii_case(USER).then(|| rest.strip_prefix(':')).flatten()
    });
    let name = core.unwrap_or(name);
    let is_of_enterprise =
        name.get(..ENTERPRISE_USER.len()).is_some_and(|urn| urn.eq_ignore_ascii_case(ENTERPRISE_USER));
    let is_or_is_part_of = |each: &&str| {
        let rest = name.get(..each.len()).filter(|it| it.eq_ignore_ascii_case(each)).map(|_| &name[each.len()..]);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    is_of_enterprise || DESCRIPTIVE.iter().any(is_or_is_part_of)
}

/// Refuses attributes that must not be taken for kept; gives those that are let pass.
///
/// # Errors
/// `invalidSyntax`, with the names.
pub(super) fn let_pass(unknown: Vec<String>) -> Result<Vec<String>, Problem> {
    let (passed, refused): (Vec<String>, Vec<String>) = unknown.into_iter().partition(|name| is_descriptive(name));
    if refused.is_empty() {
        return Ok(passed);
    }
    let detail = format!("this server does not keep {}; the schema says what it keeps", refused.join(", "));
    Err(Problem::bad(ScimType::InvalidSyntax, detail))
}

/// Whether clients see a user. Devices are no people; who was deleted is gone for clients; and who was invited before a
/// directory was connected comes from there or not at all.
pub(super) fn is_visible(account: &Account, user: &User) -> bool {
    let is_left_over =
        user.registration == Registration::Unregistered && account.profile().kind == AccountKind::EnterpriseDirectory;
    !user.is_shared_device() && !user.is_put_away() && !is_left_over
}

/// The user of that id, if clients see it.
///
/// # Errors
/// 404.
pub(super) fn known<'a>(account: &'a Account, id: &str) -> Result<&'a User, Problem> {
    let user = account.user(&UserId::new(id)).filter(|user| is_visible(account, user));
    user.ok_or_else(|| Problem::new(404, format!("there is no user {id:?}")))
}

/// Whether the user is not suspended. Who was invited and has not come is not, either: the rest is up to that person.
fn is_active(account: &Account, user: &User) -> bool {
    account.registration(user) != Registration::Suspended
}

/// The resource, without its version and addresses: what the version is made of.
pub(super) fn resource(account: &Account, user: &User) -> Map<String, Value> {
    let Provision { user_name: _, external_id, given_name, family_name, formatted_name, display_name } =
        Provision::of(user);
    let mut resource = Map::new();
    let mut put = |name: &str, value: Value| _ = resource.insert(name.to_owned(), value);
    put("schemas", json!([USER]));
    put("id", json!(&*user.id.text()));
    put("userName", json!(user.user_name()));
    if let Some(text) = external_id {
        put("externalId", json!(text));
    }
    let mut names = Map::new();
    for (part, text) in [("formatted", formatted_name), ("familyName", family_name), ("givenName", given_name)] {
        if let Some(text) = text {
            names.insert(part.to_owned(), Value::from(text));
        }
    }
    if !names.is_empty() {
        put("name", Value::Object(names));
    }
    if let Some(text) = display_name {
        put("displayName", json!(text));
    }
    put("active", json!(is_active(account, user)));
    put("emails", json!([{"value": user.email.as_str(), "type": WORK, "primary": true}]));
    if let Some(licence) = &user.licence {
        let name = view::licence_out(licence);
        put("entitlements", json!([{"value": name, "type": LICENCE, "primary": true}]));
        put("groups", json!([{"value": name, "display": name, "type": "direct"}]));
    }
    let mut meta = Map::from_iter([("resourceType".to_owned(), json!("User"))]);
    if let Some(times) = user.times {
        meta.insert("created".to_owned(), json!(view::time(times.created_at())));
        meta.insert("lastModified".to_owned(), json!(view::time(times.changed_at())));
    }
    put("meta", Value::Object(meta));
    resource
}

/// What a resource means.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wish {
    email: Email,
    provision: Provision,
    active: Option<bool>,
    licence: Option<Tier>,
}

impl Wish {
    /// Of a resource that was accepted, or changed; `before` is the user that it is to be, if there is one.
    ///
    /// # Errors
    /// `invalidValue`.
    pub(super) fn of(resource: &Map<String, Value>, profile: &Profile, before: Option<&User>) -> Result<Self, Problem> {
        let text = |of: Option<&Value>, name: &str| of?.get(name)?.as_str().map(str::to_owned);
        let own = |name: &str| resource.get(name).and_then(Value::as_str).map(str::to_owned);
        // A text without anything to be seen is none: clients clear attributes with it.
        let seen = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        check_type(resource, "emails", WORK)?;
        let user_name = seen(own("userName")).ok_or_else(|| invalid("userName is required".to_owned()))?;
        let name = resource.get("name");
        Ok(Self {
            email: address(
                &user_name,
                only(resource, "emails", |one, other| one.eq_ignore_ascii_case(other))?,
                before,
            )?,
            provision: Provision {
                // An address is the user's own, and no name besides.
                user_name: Some(user_name).filter(|name| Email::parse(name).is_none()),
                external_id: seen(own("externalId")),
                given_name: seen(text(name, "givenName")),
                family_name: seen(text(name, "familyName")),
                formatted_name: seen(text(name, "formatted")),
                display_name: seen(own("displayName")),
            },
            active: resource.get("active").and_then(Value::as_bool),
            licence: licence(resource, profile)?,
        })
    }
}

fn invalid(detail: String) -> Problem {
    Problem::bad(ScimType::InvalidValue, detail)
}

/// The one `value` of an attribute with several; `None` for none.
fn only<'r>(
    resource: &'r Map<String, Value>,
    name: &str,
    is_same: fn(&str, &str) -> bool,
) -> Result<Option<&'r str>, Problem> {
    let values = resource.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut found: Option<&str> = None;
    for each in values {
        let text = each.get("value").and_then(Value::as_str);
        let text = text.ok_or_else(|| invalid(format!("each of {name} has a `value`")))?;
        match found {
            Some(first) if !is_same(first, text) => {
                return Err(invalid(format!("a user has one value of {name}, not {first} and {text}: replace it")));
            }
            Some(_) | None => found = Some(text),
        }
    }
    Ok(found)
}

/// Values of another type would come back as of this one.
fn check_type(resource: &Map<String, Value>, name: &str, only: &str) -> Result<(), Problem> {
    let values = resource.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match values.iter().filter_map(|it| it.get("type")?.as_str()).find(|it| !it.eq_ignore_ascii_case(only)) {
        None => Ok(()),
        Some(other) => Err(invalid(format!("{name} are of the type {only:?} here, not {other:?}"))),
    }
}

/// The address that the name and the e-mail give. Of two that differ, the one that is new counts; two new ones that differ are
/// two addresses, and there is one.
fn address(user_name: &str, email: Option<&str>, before: Option<&User>) -> Result<Email, Problem> {
    let by_name = Email::parse(user_name);
    let by_email = email
        .map(|text| Email::parse(text).ok_or_else(|| invalid(format!("{text:?} is not an e-mail address"))))
        .transpose()?;
    match (by_name, by_email, before) {
        (None, Some(email), _) => Ok(email),
        (None, None, _) => Err(invalid("emails is required where userName is not an address".to_owned())),
        (Some(name), None, _) => Ok(name),
        // As the e-mail writes it: of both it is the one for letters.
        (Some(name), Some(email), _) if name == email => Ok(email),
        (Some(name), Some(email), Some(before)) if email == before.email && user_name != before.user_name() => Ok(name),
        // The name was the address, and follows it.
        (Some(name), Some(email), Some(before)) if name == before.email => Ok(email),
        (Some(name), Some(email), _) => Err(invalid(format!(
            "userName {name} and emails {email} are two addresses: a user has one; map both to the same attribute"
        ))),
    }
}

fn licence(resource: &Map<String, Value>, profile: &Profile) -> Result<Option<Tier>, Problem> {
    check_type(resource, "entitlements", LICENCE)?;
    let name = only(resource, "entitlements", |one, other| one.eq_ignore_ascii_case(other))?;
    let licence = name.map(|name| view::licence_in(profile, name));
    match licence.filter(|licence| !profile.supported.contains(licence)) {
        None => Ok(name.map(|name| view::licence_in(profile, name))),
        Some(licence) => {
            let supported: Vec<String> = profile.supported.iter().map(view::licence_out).collect();
            Err(invalid(format!("{licence} is not a licence of the account: {}", supported.join(", "))))
        }
    }
}

/// Makes a user, as the kind of the account makes users: a team invites, a connected directory creates, and to the other
/// kinds people come by themselves. Who was deleted comes back as the same user.
///
/// # Errors
/// 409 for somebody who is there; what the book refuses.
pub(super) fn create(account: &mut Account, wish: &Wish, new_id: &UserId, at: Timestamp) -> Result<UserId, Problem> {
    let Wish { email, provision, active, licence } = wish;
    let there = account.by_email(email);
    // A device has the address as much as a person; whoever was invited before a directory was connected does not.
    if let Some(user) = there.filter(|user| user.is_shared_device() || is_visible(account, user)) {
        let detail = format!("{email} is already the address of user {}", user.id);
        return Err(refused(Refusal::new(RefusalCode::Conflict, detail)));
    }
    let away = there.filter(|user| user.is_put_away()).map(|user| user.id.clone());
    let id = match away {
        Some(id) => {
            account.take_back(&id).map_err(refused)?;
            if let Some(licence) = licence {
                account.assign(&id, licence).map_err(refused)?;
            }
            id
        }
        None => match account.profile().kind {
            AccountKind::Team => invite(account, email, licence.as_ref(), new_id, at)?,
            AccountKind::EnterpriseDirectory | AccountKind::EnterpriseLwa | AccountKind::EnterpriseOidc => {
                let default = account.profile().default_licence.clone();
                let licence = licence.clone().or(default).ok_or_else(|| {
                    invalid("the account has no default licence: name one in entitlements".to_owned())
                })?;
                account.create(email, &licence, None, new_id.clone(), at).map_err(refused)?.id.clone()
            }
        },
    };
    account.provision(&id, provision).map_err(refused)?;
    if *active == Some(false) {
        account.suspend(&id).map_err(refused)?;
    }
    Ok(id)
}

fn invite(
    account: &mut Account,
    email: &Email,
    licence: Option<&Tier>,
    new_id: &UserId,
    at: Timestamp,
) -> Result<UserId, Problem> {
    let default = account.profile().default_licence.as_ref();
    if let Some(licence) = licence.filter(|licence| Some(*licence) != default) {
        let held = default.map(view::licence_out).unwrap_or_default();
        return Err(Problem::new(
            409,
            format!(
                "{email} is invited and holds {held} on acceptance, as everybody in an account of kind Team: {licence} can be \
                 given then; leave entitlements out"
            ),
        ));
    }
    let id = account.invite(email, None, new_id.clone(), at).map_err(refused)?.id.clone();
    account.set_mail(&id, Mail::Due).map_err(refused)?;
    Ok(id)
}

/// Makes a user what is wished; what the wish says nothing of stays.
///
/// # Errors
/// What the book refuses.
pub(super) fn update(account: &mut Account, id: &UserId, wish: &Wish) -> Result<(), Problem> {
    let Wish { email, provision, active, licence } = wish;
    let user = account.user(id).cloned();
    let user = user.ok_or_else(|| Problem::new(404, format!("there is no user {id}")))?;
    if user.email.as_str() != email.as_str() {
        account.rename(&[(id.clone(), email.clone())]).into_iter().collect::<Result<(), _>>().map_err(refused)?;
    }
    account.provision(id, provision).map_err(refused)?;
    if let Some(licence) = licence.as_ref().filter(|licence| user.licence.as_ref() != Some(licence)) {
        account.assign(id, licence).map_err(refused)?;
    }
    match active {
        Some(false) if is_active(account, &user) => account.suspend(id).map(drop).map_err(refused),
        Some(true) if !is_active(account, &user) => account.activate(id).map(drop).map_err(refused),
        Some(_) | None => Ok(()),
    }
}

/// The resource as it would be with operations applied.
///
/// # Errors
/// As PATCH has them.
pub(super) fn patched(
    account: &Account,
    user: &User,
    operations: &[crate::scim::Operation],
) -> Result<(Map<String, Value>, Vec<String>), Problem> {
    let mut resource = resource(account, user);
    let ignored = crate::scim::apply(&mut resource, operations, &user_shape(account.profile()), &is_descriptive)?;
    Ok((resource, ignored))
}
