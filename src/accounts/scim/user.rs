//! One user as the server wrote it (RFC 7643 4.1): read tolerantly, kept whole, and edited in a copy. Pure.
//!
//! Everything that is not ours stays as it is: other entitlements, other addresses, attributes of which we know nothing.

use super::detail::DetailPlace;
use super::groups;
use super::messages::{USER, items, member, operation, text, truth, within};
use super::place::{List, TierPlace};
use crate::model::{Detail, Email, ObjectGuid, UserId};
use serde_json::{Map, Value, json};

/// The longest key of a user that is taken, in bytes: it stands in a path.
const ID_BYTES_MAX: usize = 1_024;
/// What only the server writes (RFC 7643 3.1, 4.1.2), and takes no part in what is put.
const READ_ONLY: [&str; 2] = ["meta", "groups"];

/// A user of the server.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct User {
    id: UserId,
    raw: Map<String, Value>,
    /// The tiers whose group has the user as a member, each by its value; `None` where tiers are no groups, where these were not
    /// read, and where the server does not show it.
    memberships: Option<Vec<String>>,
}

/// One thing to be changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Edit {
    /// Whether the user can sign in.
    Active(bool),
    /// What stands in the place of the tier.
    Tier(String),
    /// Whether the user is a member of the group of a tier: a change of the group and not of the user.
    Member {
        /// The value of the tier.
        of: String,
        /// Whether the user comes or goes.
        comes: bool,
    },
    /// The directory's identity.
    Identity(ObjectGuid),
    /// The name to sign in with.
    UserName(String),
    /// The address.
    Address(Email),
    /// A name, or another detail of the person.
    Detail(Detail),
}

impl User {
    /// Reads one; `None` for what has no key.
    pub(super) fn of(value: Value) -> Option<Self> {
        let Value::Object(raw) = value else { return None };
        let id = match member(&raw, "id")? {
            Value::String(id) if is_key(id) => UserId::new(id),
            Value::Number(id) => UserId::new(&id.to_string()),
            _ => return None,
        };
        Some(Self { id, raw, memberships: None })
    }

    /// The server's key.
    pub(super) fn id(&self) -> &UserId {
        &self.id
    }

    fn text(&self, name: &str) -> Option<&str> {
        member(&self.raw, name)?.as_str().filter(|text| !text.is_empty())
    }

    /// The name to sign in with.
    pub(super) fn user_name(&self) -> Option<&str> {
        self.text("userName")
    }

    /// Whose it is, as whoever made it wrote.
    pub(super) fn external_id(&self) -> Option<&str> {
        self.text("externalId")
    }

    /// The directory identity, if it is one.
    pub(super) fn identity(&self) -> Option<ObjectGuid> {
        self.external_id().and_then(ObjectGuid::parse)
    }

    /// Whether the user can sign in; a server that does not say means yes.
    pub(super) fn is_active(&self) -> bool {
        member(&self.raw, "active").and_then(truth).unwrap_or(true)
    }

    /// The version, for a change to this one only (RFC 7644 3.14).
    pub(super) fn version(&self) -> Option<&str> {
        text(member(&self.raw, "meta")?, "version")
    }

    fn emails(&self) -> &[Value] {
        member(&self.raw, "emails").map_or(&[], items)
    }

    /// Every address.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Email> {
        self.emails().iter().filter_map(address_of)
    }

    /// Which of the addresses is the one: the primary, else the one for work, else the first.
    fn foremost(&self) -> Option<usize> {
        let emails = self.emails();
        let usable = |index: &usize| emails.get(*index).is_some_and(|email| address_of(email).is_some());
        let first = |is: &dyn Fn(&Value) -> bool| (0..emails.len()).filter(usable).find(|index| is(&emails[*index]));
        first(&|email| within(email, "primary").and_then(truth) == Some(true))
            .or_else(|| first(&|email| text(email, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("work"))))
            .or_else(|| first(&|_| true))
    }

    /// The address that the user is known by; the name to sign in with where there is no other.
    pub(super) fn address(&self) -> Option<Email> {
        let foremost = self.foremost().and_then(|index| address_of(self.emails().get(index)?));
        foremost.or_else(|| Email::parse(self.user_name()?))
    }

    /// What stands where that detail belongs.
    pub(super) fn detail(&self, name: &str) -> Option<&str> {
        DetailPlace::of(name)?.read(&self.raw)
    }

    /// Who has put the name aside, and did not get it back.
    pub(super) fn aside(&self) -> Option<ObjectGuid> {
        let guid = self.user_name()?.to_lowercase();
        ObjectGuid::parse(guid.strip_prefix(ASIDE)?)
    }

    /// What stands in the place of the tier: nothing, one value, or by mistake several.
    pub(super) fn tier_values(&self, place: &TierPlace) -> Vec<&str> {
        match place {
            TierPlace::Nowhere => Vec::new(),
            TierPlace::Group => self.memberships.iter().flatten().map(String::as_str).collect(),
            TierPlace::UserType => self.text("userType").into_iter().collect(),
            TierPlace::Extension { urn, attribute } => {
                let value = member(&self.raw, urn).and_then(|extension| text(extension, attribute));
                value.into_iter().collect()
            }
            TierPlace::Listed { list, kind } => {
                let ours = self.list(*list).iter().filter(|item| is_of(item, kind.as_deref()));
                ours.filter_map(value_of).collect()
            }
        }
    }

    /// The groups that the user itself shows (RFC 7643 4.1.2, `groups`), each by its key; `None` where it shows no such thing.
    pub(super) fn groups(&self) -> Option<impl Iterator<Item = UserId>> {
        member(&self.raw, "groups").map(groups::keys)
    }

    /// Notes in which tier groups the user is; `None` is what nobody knows.
    pub(super) fn note_memberships(&mut self, memberships: Option<Vec<String>>) {
        self.memberships = memberships;
    }

    /// Whether it is known in which tier groups the user is.
    pub(super) fn has_memberships(&self) -> bool {
        self.memberships.is_some()
    }

    /// The same user after a change of its own attributes is in the groups it was in before.
    pub(super) fn keep_memberships(&mut self, before: &Self) {
        if self.id == before.id {
            self.memberships.clone_from(&before.memberships);
        }
    }

    fn list(&self, list: List) -> &[Value] {
        member(&self.raw, list.name()).map_or(&[], items)
    }

    // ---- making and changing ----

    /// The body that makes a user with these.
    pub(super) fn creation(place: &TierPlace, address: &Email, edits: &[Edit]) -> Value {
        let name = address.as_str();
        let mut raw = Map::new();
        raw.insert("schemas".to_owned(), json!([USER]));
        raw.insert("userName".to_owned(), json!(name));
        // Most products want something to show: whoever has a name is given it below.
        raw.insert("displayName".to_owned(), json!(name));
        raw.insert("emails".to_owned(), json!([{ "value": name, "type": "work", "primary": true }]));
        let mut user = Self { id: UserId::new(""), raw, memberships: None };
        edits.iter().for_each(|edit| user.edit(place, edit));
        Value::Object(user.raw)
    }

    /// The whole user with these changed, to be put (RFC 7644 3.5.1).
    pub(super) fn replacement(&self, place: &TierPlace, edits: &[Edit]) -> Value {
        let mut user = self.clone();
        edits.iter().for_each(|edit| user.edit(place, edit));
        user.raw.retain(|name, _| !READ_ONLY.iter().any(|read_only| name.eq_ignore_ascii_case(read_only)));
        Value::Object(user.raw)
    }

    /// What changes these by PATCH (RFC 7644 3.5.2). `by_filter`: whether one item of a list may be named by its type;
    /// else the whole list is replaced, with all that is not ours as it was.
    pub(super) fn operations(&self, place: &TierPlace, edits: &[Edit], by_filter: bool) -> Vec<Value> {
        let mut after = self.clone();
        edits.iter().for_each(|edit| after.edit(place, edit));
        let whole = |name: &str| operation("replace", name, member(&after.raw, name).cloned().unwrap_or(Value::Null));
        let of = |edit: &Edit| match edit {
            Edit::Active(active) => operation("replace", "active", json!(active)),
            Edit::Identity(guid) => operation("replace", "externalId", json!(guid.to_string())),
            Edit::UserName(name) => operation("replace", "userName", json!(name)),
            Edit::Address(_) => whole("emails"),
            Edit::Detail(Detail { name, value }) => {
                let path = DetailPlace::of(name).map_or_else(|| name.to_string(), |place| place.path());
                operation("replace", &path, json!(value.as_str()))
            }
            // The group is changed, and not the user.
            Edit::Member { of: _, comes: _ } => Value::Null,
            Edit::Tier(value) => match place {
                TierPlace::Nowhere | TierPlace::Group | TierPlace::UserType => {
                    operation("replace", "userType", json!(value))
                }
                TierPlace::Extension { urn, attribute } => {
                    operation("replace", &format!("{urn}:{attribute}"), json!(value))
                }
                TierPlace::Listed { list, kind } => {
                    let held = self.list(*list).iter().filter(|item| is_of(item, kind.as_deref())).count();
                    match (kind, held) {
                        (Some(kind), 1) if by_filter => {
                            let path = format!("{}[type eq {}].value", list.name(), super::messages::quoted(kind));
                            operation("replace", &path, json!(value))
                        }
                        _ => whole(list.name()),
                    }
                }
            },
        };
        edits.iter().map(of).filter(|operation| !operation.is_null()).collect()
    }

    fn edit(&mut self, place: &TierPlace, edit: &Edit) {
        match edit {
            Edit::Active(active) => self.set("active", json!(active)),
            Edit::Identity(guid) => self.set("externalId", json!(guid.to_string())),
            Edit::UserName(name) => self.set("userName", json!(name)),
            Edit::Detail(Detail { name, value }) => {
                let Some(place) = DetailPlace::of(name) else { return };
                let (attribute, value) = place.with(&self.raw, value);
                self.set(&attribute, value);
                if let DetailPlace::Extension { urn, .. } = place {
                    self.name_schema(urn);
                }
            }
            Edit::Address(email) => {
                let mut emails = self.emails().to_vec();
                match self.foremost().and_then(|index| emails.get_mut(index)) {
                    Some(Value::Object(item)) => {
                        item.retain(|name, _| !name.eq_ignore_ascii_case("display"));
                        put(item, "value", json!(email.as_str()));
                    }
                    Some(other) => *other = json!({ "value": email.as_str() }),
                    None => emails.push(json!({ "value": email.as_str(), "type": "work", "primary": true })),
                }
                self.set("emails", Value::Array(emails));
            }
            Edit::Tier(value) => match place {
                TierPlace::Nowhere | TierPlace::Group => {}
                TierPlace::UserType => self.set("userType", json!(value)),
                TierPlace::Extension { urn, attribute } => {
                    let extension = member(&self.raw, urn).and_then(Value::as_object).cloned();
                    let mut extension = extension.unwrap_or_default();
                    put(&mut extension, attribute, json!(value));
                    self.set(urn, Value::Object(extension));
                    self.name_schema(urn);
                }
                TierPlace::Listed { list, kind } => self.edit_list(*list, kind.as_deref(), value),
            },
            Edit::Member { of: _, comes: _ } => {}
        }
    }

    /// One item of ours, at the place of the first there was; the others of our type are gone.
    fn edit_list(&mut self, list: List, kind: Option<&str>, value: &str) {
        let before = self.list(list).to_vec();
        let is_alone = !before.iter().any(|item| !is_of(item, kind));
        let mut after = Vec::with_capacity(before.len() + 1);
        let mut ours = None;
        for item in before {
            if !is_of(&item, kind) {
                after.push(item);
            } else if ours.is_none() {
                ours = Some(after.len());
                let mut item = item.as_object().cloned().unwrap_or_default();
                item.retain(|name, _| !name.eq_ignore_ascii_case("display"));
                put(&mut item, "value", json!(value));
                after.push(Value::Object(item));
            }
        }
        if ours.is_none() {
            let mut item = Map::new();
            item.insert("value".to_owned(), json!(value));
            if let Some(kind) = kind {
                item.insert("type".to_owned(), json!(kind));
            }
            if is_alone {
                item.insert("primary".to_owned(), json!(true));
            }
            after.push(Value::Object(item));
        }
        self.set(list.name(), Value::Array(after));
    }

    fn set(&mut self, name: &str, value: Value) {
        put(&mut self.raw, name, value);
    }

    fn name_schema(&mut self, urn: &str) {
        let mut schemas = member(&self.raw, "schemas").map_or(&[][..], items).to_vec();
        if !schemas.iter().any(|schema| schema.as_str().is_some_and(|schema| schema.eq_ignore_ascii_case(urn))) {
            schemas.push(json!(urn));
            self.set("schemas", Value::Array(schemas));
        }
    }
}

/// What the name of somebody begins with who has put it aside.
const ASIDE: &str = "seatsync-";

/// The name to sign in with that somebody has for the moment of an exchange. It says whose it is, should it be left over.
pub(super) fn name_aside(guid: &ObjectGuid) -> String {
    format!("{ASIDE}{guid}")
}

/// The address in the same case. No mail is ever delivered to it (RFC 2606 2).
pub(super) fn address_aside(guid: &ObjectGuid) -> Option<Email> {
    Email::parse(&format!("{}@parked.invalid", name_aside(guid)))
}

/// Whether it can be the key of a user: it stands in paths and in the log.
pub(super) fn is_key(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_BYTES_MAX && !id.contains(char::is_control)
}

/// Sets a member, whatever the case in which it stands there.
pub(super) fn put(object: &mut Map<String, Value>, name: &str, value: Value) {
    let name = object.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned().unwrap_or_else(|| name.to_owned());
    object.insert(name, value);
}

/// The `value` of an item; some servers write the item as its value alone.
fn value_of(item: &Value) -> Option<&str> {
    item.as_str().or_else(|| text(item, "value"))
}

fn address_of(item: &Value) -> Option<Email> {
    value_of(item).and_then(Email::parse)
}

fn is_of(item: &Value, kind: Option<&str>) -> bool {
    match (text(item, "type"), kind) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn user(value: Value) -> User {
        User::of(value).unwrap()
    }

    fn place(text: &str) -> TierPlace {
        TierPlace::parse(text).unwrap()
    }

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    #[test]
    fn only_what_has_a_key_is_a_user() {
        assert_eq!(*user(json!({"ID": "u1"})).id(), UserId::new("u1"));
        assert_eq!(*user(json!({"id": 7})).id(), UserId::new("7"));
        let long = "x".repeat(ID_BYTES_MAX + 1);
        for odd in
            [json!({}), json!({"id": ""}), json!({"id": null}), json!([1]), json!({"id": long}), json!({"id": "a\nb"})]
        {
            assert!(User::of(odd).is_none());
        }
    }

    #[test]
    fn the_address_is_the_primary_then_that_for_work_then_the_first_then_the_name() {
        let of = |emails: Value| user(json!({"id": "1", "userName": "n@corp.example", "emails": emails})).address();
        let (a, b) = (json!({"value": "a@x.example"}), json!({"value": "b@x.example", "type": "work"}));
        let c = json!({"value": "c@x.example", "primary": "true"});
        assert_eq!(of(json!([a, b, c])), Some(email("c@x.example")));
        assert_eq!(of(json!([a, b])), Some(email("b@x.example")));
        assert_eq!(of(json!([{"value": "no address", "primary": true}, a])), Some(email("a@x.example")));
        assert_eq!(of(json!(["a@x.example"])), Some(email("a@x.example")));
        assert_eq!(of(json!([])), Some(email("n@corp.example")));
        assert_eq!(user(json!({"id": "1", "userName": "n"})).address(), None);
    }

    #[test]
    fn a_new_user_has_its_tier_in_every_place() {
        let guid = ObjectGuid::from_u128(1);
        let made = |at: &str| {
            let edits = [Edit::Active(true), Edit::Identity(guid), Edit::Tier("Full".to_owned())];
            User::creation(&place(at), &email("a@corp.example"), &edits)
        };
        assert_eq!(
            made("roles[seatType]"),
            json!({
                "schemas": [USER], "userName": "a@corp.example", "displayName": "a@corp.example",
                "emails": [{"value": "a@corp.example", "type": "work", "primary": true}],
                "active": true, "externalId": guid.to_string(),
                "roles": [{"value": "Full", "type": "seatType", "primary": true}],
            })
        );
        assert_eq!(made("roles")["roles"], json!([{"value": "Full", "primary": true}]));
        assert_eq!(made("userType")["userType"], "Full");
        let extended = made("urn:x:y:User:seat");
        assert_eq!(
            (&extended["urn:x:y:User"], &extended["schemas"]),
            (&json!({"seat": "Full"}), &json!([USER, "urn:x:y:User"]))
        );
        assert_eq!(made("none").as_object().unwrap().len(), 6);
        for at in ["roles[seatType]", "roles", "userType", "urn:x:y:User:seat"] {
            let mut made = made(at);
            made["id"] = json!("1");
            assert_eq!(user(made).tier_values(&place(at)), ["Full"]);
        }
    }

    #[test]
    fn what_is_not_ours_stays() {
        let before = user(json!({
            "id": "1", "meta": {"version": "W/1"}, "groups": [], "title": "Dr",
            "entitlements": [
                {"value": "vpn", "type": "network"},
                {"value": "Plus", "type": "Licence", "display": "Plus seat", "$ref": "x"},
                {"value": "Old", "type": "licence"},
            ],
        }));
        let at = place("entitlements[licence]");
        assert_eq!(before.tier_values(&at), ["Plus", "Old"]);
        let edits = [Edit::Tier("Pro".to_owned())];
        let after = json!([{"value": "vpn", "type": "network"}, {"value": "Pro", "type": "Licence", "$ref": "x"}]);
        assert_eq!(before.replacement(&at, &edits), json!({"id": "1", "title": "Dr", "entitlements": after}));
        assert_eq!(
            before.operations(&at, &edits, true),
            [json!({"op": "replace", "path": "entitlements", "value": after})],
            "several of ours are made one, by the whole list"
        );
        assert_eq!(before.version(), Some("W/1"));
    }

    #[test]
    fn one_item_is_named_by_its_type_where_that_is_understood() {
        let before = user(json!({"id": "1", "roles": [{"value": "View", "type": "seatType"}, {"value": "x"}]}));
        let edits = [Edit::Active(false), Edit::Tier("Full".to_owned())];
        let off = json!({"op": "replace", "path": "active", "value": false});
        assert_eq!(
            before.operations(&place("roles[seatType]"), &edits, true),
            [off.clone(), json!({"op": "replace", "path": "roles[type eq \"seatType\"].value", "value": "Full"})]
        );
        let whole = json!([{"value": "Full", "type": "seatType"}, {"value": "x"}]);
        assert_eq!(
            before.operations(&place("roles[seatType]"), &edits, false),
            [off, json!({"op": "replace", "path": "roles", "value": whole})]
        );
    }

    #[test]
    fn only_the_foremost_address_is_changed() {
        let before = user(json!({"id": "1", "emails": [
            {"value": "home@x.example", "type": "home"}, {"value": "a@x.example", "type": "work", "display": "a"}]}));
        let edits = [Edit::Address(email("b@x.example"))];
        let after = json!([{"value": "home@x.example", "type": "home"}, {"value": "b@x.example", "type": "work"}]);
        assert_eq!(
            before.operations(&TierPlace::Nowhere, &edits, true),
            [json!({"op": "replace", "path": "emails", "value": after})]
        );
    }
}
