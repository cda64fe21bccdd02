//! Who changed what: before and after, one entry an operation, kept for ever in the order in which it happened.
//!
//! An entry is written in the same atomic batch as what it tells of: there is no change without its entry.

use super::book::{Changed, Record};
use super::profile::{Claim, Profile, ProfileDetails};
use super::user::{User, UserDetails};
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Most bytes of one entry as JSON; a longer one becomes several.
pub const ENTRY_BYTES_MAX: usize = 3_800;
/// Longest text of one value shown, in bytes; the rest is cut.
const TEXT_BYTES_MAX: usize = 600;

/// One operation, or a part of a long one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who: the id of an access key, or `local:` and the name of a user of this machine.
    pub by: String,
    /// What was asked for.
    pub operation: String,
    /// The account; empty for what concerns none.
    pub account: String,
    /// What it changed.
    pub changes: Vec<EntryChange>,
}

/// One thing that changed: only the members that differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryChange {
    /// `user`, `account`, `domain`, `claim` or `store`.
    pub kind: String,
    /// Its id, or the domain.
    pub id: String,
    /// The address of a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// As it was; `null` where there was nothing.
    pub before: Value,
    /// As it is; `null` where there is nothing any more.
    pub after: Value,
}

/// The entries that tell of these changes.
pub fn entries(at: Timestamp, by: &str, operation: &str, changed: &[Changed]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    for each in changed {
        let account = account_of(&each.now);
        let change = told(each);
        let size = serde_json::to_vec(&change).map_or(0, |text| text.len() + 1);
        let fits = entries.last().is_some_and(|last| last.account == account) && bytes + size <= ENTRY_BYTES_MAX;
        if !fits {
            let (by, operation) = (by.to_owned(), operation.to_owned());
            entries.push(Entry { at, by, operation, account, changes: Vec::new() });
            bytes = ENTRY_HEAD_BYTES;
        }
        bytes += size;
        if let Some(last) = entries.last_mut() {
            last.changes.push(change);
        }
    }
    entries
}

/// What an entry has besides its changes, in bytes, generously.
const ENTRY_HEAD_BYTES: usize = 400;

fn account_of(record: &Record) -> String {
    match record {
        Record::Account(profile) => profile.id.to_string(),
        Record::Claimed(id, _)
        | Record::Released(id, _)
        | Record::Claim(id, _, _)
        | Record::User(id, _)
        | Record::Gone(id, _)
        | Record::Forgotten(id) => id.to_string(),
        Record::LinkSecret(_) => String::new(),
    }
}

fn told(changed: &Changed) -> EntryChange {
    let (before, after) = (changed.before.as_ref().map(shown), shown(&changed.now));
    let (kind, id, email) = match (&changed.now, &changed.before) {
        (Record::Account(profile), _) => ("account", profile.id.to_string(), None),
        (Record::Forgotten(id), _) => ("account", id.to_string(), None),
        (Record::Claimed(_, domain) | Record::Released(_, domain), _) => ("domain", domain.clone(), None),
        (Record::Claim(_, domain, _), _) => ("claim", domain.clone(), None),
        (Record::User(_, user), _) => ("user", user.id.to_string(), Some(user.email.to_string())),
        (Record::Gone(_, id), Some(Record::User(_, user))) => ("user", id.to_string(), Some(user.email.to_string())),
        (Record::Gone(_, id), _) => ("user", id.to_string(), None),
        (Record::LinkSecret(_), _) => ("store", "link-secret".to_owned(), None),
    };
    let (before, after) = only_what_differs(before.unwrap_or(Value::Null), after);
    EntryChange { kind: kind.to_owned(), id, email, before, after }
}

/// Members that are equal on both sides say nothing.
fn only_what_differs(before: Value, after: Value) -> (Value, Value) {
    match (before, after) {
        (Value::Object(mut before), Value::Object(mut after)) => {
            let equal: Vec<String> = after
                .iter()
                .filter(|(key, value)| before.get(*key) == Some(value))
                .map(|(key, _)| key.clone())
                .collect();
            for key in equal {
                before.remove(&key);
                after.remove(&key);
            }
            (Value::Object(before), Value::Object(after))
        }
        sides => sides,
    }
}

/// A record for the reader of the log; never a secret.
fn shown(record: &Record) -> Value {
    match record {
        Record::Account(profile) => Value::Object(account(profile)),
        Record::User(_, each) => Value::Object(user(each)),
        Record::Claimed(..) => json!("claimed"),
        Record::Released(..) => json!("released"),
        Record::Claim(_, _, Some(Claim { domain: _, token, at: _, released_at })) => {
            json!({ "waits_for_dns": token.is_some(), "released_at": released_at })
        }
        Record::LinkSecret(_) => json!("set"),
        Record::Claim(_, _, None) | Record::Gone(..) | Record::Forgotten(_) => Value::Null,
    }
}

fn user(user: &User) -> Map<String, Value> {
    let User {
        id: _,
        email,
        licence,
        registration,
        invitation,
        external,
        invited_at: _,
        registered_at: _,
        invitations_sent,
        details,
    } = user;
    let mut members = Map::new();
    let mut put = |key: &str, value: Value| _ = members.insert(key.to_owned(), value);
    put("email", json!(email.as_str()));
    put("registration", json!(format!("{registration:?}")));
    put("licence", json!(licence.as_ref().map(|licence| licence.name())));
    put("invitation", json!(format!("{invitation:?}")));
    put("invitations_sent", json!(invitations_sent));
    if let Some(external) = external {
        put("external", json!(external.to_string()));
    }
    if let Some(details) = details {
        let UserDetails {
            shared_device,
            display_name,
            personal_pin,
            telephony,
            alexa_enabled,
            alexa_room,
            signed_out_at,
            mail,
        } = details.as_ref();
        put("shared_device", json!(shared_device));
        put("display_name", json!(display_name.as_deref().map(cut)));
        // What it is, is between the user and the telephone.
        put("personal_pin", json!(personal_pin.is_some()));
        put("telephony", json!(telephony));
        put("alexa", json!([alexa_enabled, alexa_room.as_deref().map(cut)]));
        put("signed_out_at", json!(signed_out_at));
        put("mail", json!(format!("{mail:?}")));
    }
    members
}

fn account(profile: &Profile) -> Map<String, Value> {
    // Domains and claims are records of their own.
    let Profile { id: _, name, kind, default_licence, supported, domains: _, claims: _, details, created_at: _ } =
        profile;
    let ProfileDetails { closed_at, domains_only, disable_remote_control, enable_dial_out, delegate_groups } = details;
    let supported: Vec<&str> = supported.iter().map(|licence| licence.name()).collect();
    let mut members = Map::new();
    let mut put = |key: &str, value: Value| _ = members.insert(key.to_owned(), value);
    put("name", json!(cut(name)));
    put("kind", json!(kind.to_string()));
    put("default_licence", json!(default_licence.as_ref().map(|licence| licence.name())));
    put("supported", json!(cut(&supported.join(", "))));
    put("closed_at", json!(closed_at));
    put("domains_only", json!(domains_only));
    put("settings", json!([disable_remote_control, enable_dial_out]));
    put("delegate_groups", json!(cut(&delegate_groups.join(", "))));
    members
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}
