//! The groups that are tiers (RFC 7643 4.2): which of the server's they are, who is in them, and what changes that. Pure.
//!
//! Whose tier it is stands in the `members` of these groups; where no group shows any, in the `groups` of the users. Unknown is
//! not empty: a server that shows neither has members nevertheless, unless its schemas say that it would show them.
//!
//! Never is a group put as a whole: whoever was made a member meanwhile by somebody else would be out again.

use super::messages::{items, operation, patch, quoted, text, within};
use super::place::TierPlace;
use super::user::{User, is_key};
use crate::accounts::reach::failure::tidy;
use crate::model::UserId;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Most members that one PATCH lets come or go: what AWS IAM Identity Center takes, and an answer comes within the time-out.
pub(super) const MEMBERS_MAX: usize = 100;
/// Most groups of one name that are told.
const ALIKE_SHOWN_MAX: usize = 5;

/// The group of one tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TierGroup {
    /// The server's key.
    pub(super) id: UserId,
    /// The value of the tier, which is the group's name.
    pub(super) value: String,
}

/// The groups of all tiers; none where tiers are no groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Groups {
    /// One a tier.
    pub(super) tiers: Vec<TierGroup>,
    /// Whether the schemas say that members are shown, so that a group which shows none has none.
    pub(super) shows_members: bool,
}

/// Somebody who is to come into a group, or to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Membership {
    /// The value of the tier whose group it is.
    pub(super) of: String,
    /// Who.
    pub(super) user: UserId,
    /// Whether the user comes.
    pub(super) comes: bool,
    /// Whether who goes is named by a filter in the path, as the protocol has it; else by a value, as some servers do.
    pub(super) by_filter: bool,
}

impl Groups {
    /// The key of the group of that tier.
    pub(super) fn id(&self, value: &str) -> Option<&UserId> {
        self.tiers.iter().find(|group| group.value == value).map(|group| &group.id)
    }
}

/// The one group of that name, without case, among those that a server has.
///
/// # Errors
/// In words, where there is none or more than one: which one is meant is for people to say, and groups are made by them.
pub(super) fn named(value: &str, groups: &[Value]) -> Result<TierGroup, String> {
    let is_named = |group: &&Value| is_called(group, value);
    let keys: Vec<UserId> = groups.iter().filter(is_named).filter_map(key).collect();
    match &keys[..] {
        [id] => Ok(TierGroup { id: id.clone(), value: value.to_owned() }),
        [] => Err(format!(
            "the account store has no group {value:?}, which is to be a tier: create it there, or write the displayName of \
             one that exists in tier_values"
        )),
        several => {
            let shown: Vec<String> = several.iter().take(ALIKE_SHOWN_MAX).map(|id| tidy(&id.text())).collect();
            Err(format!(
                "the account store has {} groups {value:?} (ids {}), and which one is the tier nobody knows: rename or delete \
                 the others there",
                several.len(),
                shown.join(", ")
            ))
        }
    }
}

/// Whether a group has that name, without case.
pub(super) fn is_called(group: &Value, value: &str) -> bool {
    text(group, "displayName").is_some_and(|name| name.trim().to_lowercase() == value.trim().to_lowercase())
}

/// The key of a resource.
pub(super) fn key(resource: &Value) -> Option<UserId> {
    key_in(within(resource, "id")?)
}

fn key_in(value: &Value) -> Option<UserId> {
    match value {
        Value::String(id) if is_key(id) => Some(UserId::new(id)),
        Value::Number(id) => Some(UserId::new(&id.to_string())),
        _ => None,
    }
}

/// The keys in a list of `members` or of `groups`. A group within a group is no user, though it may have the key of one.
pub(super) fn keys(list: &Value) -> impl Iterator<Item = UserId> {
    let is_group = |item: &&Value| text(item, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("Group"));
    items(list)
        .iter()
        .filter(move |item| !is_group(item))
        .filter_map(|item| key_in(within(item, "value").unwrap_or(item)))
}

/// The members that a group shows; `None` where it has no such attribute.
pub(super) fn members(group: &Value) -> Option<impl Iterator<Item = UserId>> {
    within(group, "members").map(keys)
}

/// Who is in which tier group, as the groups show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Roll {
    /// The places of the groups of each user; `None` where no group shows members.
    members: Option<HashMap<UserId, Vec<usize>>>,
}

impl Roll {
    /// From the groups as they were read, in the order of the tiers.
    ///
    /// # Errors
    /// In words, where what was read is another group.
    pub(super) fn of(groups: &Groups, bodies: &[Value]) -> Result<Self, String> {
        let mut roll = Self::default();
        for (place, (group, body)) in groups.tiers.iter().zip(bodies).enumerate() {
            let TierGroup { id, value } = group;
            if key(body).as_ref() != Some(id) || !is_called(body, value) {
                let name = tidy(text(body, "displayName").unwrap_or_default());
                return Err(format!(
                    "asked for group {value:?} by its id, the account store answered with one that it calls {name:?}; has it \
                     been renamed? The next pass looks for it anew"
                ));
            }
            if let Some(members) = members(body) {
                let all = roll.members.get_or_insert_default();
                for member in members {
                    let places = all.entry(member).or_default();
                    if places.last() != Some(&place) {
                        places.push(place);
                    }
                }
            }
        }
        Ok(roll)
    }

    /// Notes at a user in which tier groups it is, as far as the server shows that.
    pub(super) fn note(&self, groups: &Groups, user: &mut User) {
        let value = |place: &usize| groups.tiers.get(*place).map(|group| group.value.clone());
        let values = match (&self.members, user.groups()) {
            (Some(members), _) => Some(members.get(user.id()).into_iter().flatten().filter_map(value).collect()),
            (None, Some(own)) => {
                let own: Vec<UserId> = own.collect();
                let is_own = |group: &&TierGroup| own.contains(&group.id);
                Some(groups.tiers.iter().filter(is_own).map(|group| group.value.clone()).collect())
            }
            (None, None) => None,
        };
        user.note_memberships(values);
    }
}

/// Users counted by what was shown of their tier groups, so that nobody is taken for one without a tier whose tier is not shown.
#[derive(Debug, Default)]
pub(super) struct Count {
    /// Whether of anybody was shown where they are.
    is_shown: bool,
    /// Of how many active users that was not shown.
    unseen: usize,
    /// Users in several tier groups, and the first of them.
    several: usize,
    first: Option<UserId>,
}

impl Count {
    /// Counts one.
    pub(super) fn count(&mut self, user: &User) {
        self.is_shown |= user.has_memberships();
        self.unseen += usize::from(!user.has_memberships() && user.is_active());
        if user.tier_values(&TierPlace::Group).len() > 1 {
            self.several += 1;
            self.first.get_or_insert_with(|| user.id().clone());
        }
    }

    /// Users in several tier groups: how many, and one of them.
    pub(super) fn several(&self) -> Option<(usize, &UserId)> {
        self.first.as_ref().map(|first| (self.several, first))
    }

    /// Whether those without a tier have none.
    ///
    /// # Errors
    /// In words, where nobody knows.
    pub(super) fn verdict(&self, groups: &Groups) -> Result<(), String> {
        if self.is_shown || self.unseen == 0 || groups.shows_members {
            return Ok(());
        }
        let names: Vec<String> = groups.tiers.iter().map(|group| format!("{:?}", group.value)).collect();
        Err(format!(
            "nobody knows who has which tier: groups {} show no `members`, its {} active users show no `groups`, and its schemas \
             do not say that members are shown. Nothing was changed. If these groups are empty, make one user a member by \
             hand; if they are not, this product does not show who is in a group, and tier_in = \"group\" cannot be used \
             with it",
            names.join(" and "),
            self.unseen
        ))
    }
}

/// The body that lets these users come into a group, or go (RFC 7644 3.5.2.1, 3.5.2.2).
pub(super) fn change(comes: bool, by_filter: bool, users: &[&UserId]) -> Value {
    let values = || users.iter().map(|user| json!({ "value": &*user.text() })).collect::<Vec<Value>>();
    patch(match (comes, by_filter) {
        (true, _) => vec![operation("add", "members", Value::Array(values()))],
        (false, true) => {
            let path = |user: &&UserId| format!("members[value eq {}]", quoted(&user.text()));
            users.iter().map(|user| json!({ "op": "remove", "path": path(user) })).collect()
        }
        (false, false) => vec![operation("remove", "members", Value::Array(values()))],
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn groups() -> Groups {
        let tier = |id: &str, value: &str| TierGroup { id: UserId::new(id), value: value.to_owned() };
        Groups { tiers: vec![tier("g1", "Full"), tier("g2", "View")], shows_members: false }
    }

    fn roll(full: Value, view: Value) -> Roll {
        let body = |id: &str, name: &str, more: Value| {
            let mut body = json!({"id": id, "displayName": name});
            more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
            body
        };
        Roll::of(&groups(), &[body("g1", "Full", full), body("g2", "view", view)]).unwrap()
    }

    fn noted(roll: &Roll, user: Value) -> (Vec<String>, bool) {
        let mut user = User::of(user).unwrap();
        roll.note(&groups(), &mut user);
        (user.tier_values(&TierPlace::Group).into_iter().map(str::to_owned).collect(), user.has_memberships())
    }

    #[test]
    fn a_group_is_known_by_its_name_and_by_no_other() {
        let all = [json!({"id": "g1", "displayName": "FULL"}), json!({"id": "g2", "displayName": "Full access"})];
        assert_eq!(named("Full", &all).unwrap(), TierGroup { id: UserId::new("g1"), value: "Full".to_owned() });
        let why = named("View", &all).unwrap_err();
        assert!(why.contains("no group \"View\"") && why.contains("create it there"), "{why}");
        let twice = [all[0].clone(), json!({"id": "g3", "displayName": "full"})];
        let why = named("Full", &twice).unwrap_err();
        assert!(why.contains("2 groups \"Full\" (ids g1, g3)") && why.contains("rename or delete"), "{why}");
    }

    #[test]
    fn members_are_users_and_groups_within_are_not() {
        let members =
            json!({"members": [{"value": "u1"}, {"value": 7, "type": "User"}, "u2", {"value": "u3", "type": "group"}]});
        let roll = roll(members, json!({"members": [{"value": "u1"}, {"value": "u1"}]}));
        let of = |id: &str| noted(&roll, json!({"id": id}));
        assert_eq!(of("u1"), (vec!["Full".to_owned(), "View".to_owned()], true));
        assert_eq!((of("7"), of("u2")), ((vec!["Full".to_owned()], true), (vec!["Full".to_owned()], true)));
        assert_eq!(of("u3"), (Vec::new(), true));
    }

    #[test]
    fn users_tell_of_themselves_where_no_group_does() {
        let user = json!({"id": "u1", "groups": [{"value": "g2"}, {"value": "elsewhere"}]});
        assert_eq!(noted(&roll(json!({}), json!({})), user.clone()), (vec!["View".to_owned()], true));
        assert_eq!(noted(&roll(json!({"members": null}), json!({})), json!({"id": "u1"})), (Vec::new(), false));
        // One group that shows members speaks for the other one, too.
        assert_eq!(noted(&roll(json!({"members": []}), json!({})), user), (Vec::new(), true));
    }

    #[test]
    fn another_group_is_not_taken_for_the_one_that_was_asked_for() {
        for odd in [json!({"id": "g9", "displayName": "Full"}), json!({"id": "g1", "displayName": "Other"}), json!([])]
        {
            let why = Roll::of(&groups(), &[odd]).unwrap_err();
            assert!(why.contains("has it been renamed?"), "{why}");
        }
    }

    #[test]
    fn unknown_is_not_empty() {
        let verdict = |users: &[(Value, bool)], groups: &Groups| {
            let mut counted = Count::default();
            for (user, is_shown) in users {
                let mut user = User::of(user.clone()).unwrap();
                user.note_memberships(is_shown.then(Vec::new));
                counted.count(&user);
            }
            counted.verdict(groups)
        };
        let (active, off) = (json!({"id": "1"}), json!({"id": "2", "active": false}));
        let why = verdict(&[(active.clone(), false), (off.clone(), false)], &groups()).unwrap_err();
        assert!(why.contains("groups \"Full\" and \"View\" show no `members`, its 1 active users show no"), "{why}");
        assert_eq!(verdict(&[(active.clone(), false), (off.clone(), true)], &groups()), Ok(()), "of one it is shown");
        assert_eq!(verdict(&[(off, false)], &groups()), Ok(()), "nobody is active");
        assert_eq!(
            verdict(&[(active, false)], &Groups { shows_members: true, ..groups() }),
            Ok(()),
            "the schemas say so"
        );
    }

    #[test]
    fn members_come_and_go_as_the_protocol_has_it() {
        let (a, b) = (UserId::new("a"), UserId::new("b\"]"));
        let operations = |body: Value| body["Operations"].clone();
        assert_eq!(
            operations(change(true, true, &[&a, &b])),
            json!([{"op": "add", "path": "members", "value": [{"value": "a"}, {"value": "b\"]"}]}])
        );
        assert_eq!(
            operations(change(false, true, &[&a, &b])),
            json!([{"op": "remove", "path": "members[value eq \"a\"]"}, {"op": "remove", "path": "members[value eq \"b\\\"]\"]"}])
        );
        assert_eq!(
            operations(change(false, false, &[&a])),
            json!([{"op": "remove", "path": "members", "value": [{"value": "a"}]}])
        );
    }
}
