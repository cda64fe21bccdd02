//! Who changed what: before and after, one entry an operation, kept for ever in the order in which it happened.
//!
//! An entry is written in the same atomic batch as what it tells of: there is no change without its entry.

use super::book::{Changed, Record};
use super::profile::{Claim, Profile, ProfileDetails};
use super::user::{Mail, Provisioned, User, UserDetails};
use crate::model::{Tier, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::io;

/// Most bytes of one entry as JSON; a longer one becomes several.
pub const ENTRY_BYTES_MAX: usize = 3_800;
/// Longest text of one value shown, in bytes of JSON; the rest is cut.
const TEXT_BYTES_MAX: usize = 600;
/// The same in a change that would not fit into one entry otherwise.
const TEXT_BYTES_TIGHT: usize = 100;
/// Longest name of somebody, or of an operation, in bytes of JSON.
const NAME_BYTES_MAX: usize = 200;

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
    /// `user`, `account`, `domain`, `claim`, `licence` or `store`.
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
    let mut last_head: Option<(Entry, usize)> = None;
    for each in changed {
        let account = account_of(&each.now);
        let (head, head_bytes) = last_head.take().filter(|(head, _)| head.account == account).unwrap_or_else(|| {
            let head = Entry {
                at,
                by: cut(by, NAME_BYTES_MAX).to_owned(),
                operation: cut(operation, NAME_BYTES_MAX).to_owned(),
                account,
                changes: Vec::new(),
            };
            let head_bytes = json_bytes(&head);
            (head, head_bytes)
        });
        let (change, change_bytes) = told_within(each, ENTRY_BYTES_MAX.saturating_sub(head_bytes));
        let same = entries.last_mut().filter(|last| last.account == head.account);
        match same.filter(|_| bytes + change_bytes <= ENTRY_BYTES_MAX) {
            Some(last) => {
                last.changes.push(change);
                bytes += change_bytes;
            }
            None => {
                entries.push(Entry { changes: vec![change], ..head.clone() });
                bytes = head_bytes + change_bytes;
            }
        }
        last_head = Some((head, head_bytes));
    }
    entries
}

/// What is told of a change, and its length with the comma: cut shorter where it would be too long. Nine tight texts a side
/// always fit, with the id and the address before them.
fn told_within(changed: &Changed, bytes_max: usize) -> (EntryChange, usize) {
    let measured = |text_bytes_max: usize| {
        let change = told(changed, text_bytes_max);
        let bytes = json_bytes(&change) + 1;
        (change, bytes)
    };
    let ample = measured(TEXT_BYTES_MAX);
    if ample.1 <= bytes_max { ample } else { measured(TEXT_BYTES_TIGHT) }
}

fn json_bytes(value: &impl Serialize) -> usize {
    let mut length = Length(0);
    // What cannot be written as JSON is told by whoever writes it.
    serde_json::to_writer(&mut length, value).map_or(0, |()| length.0)
}

/// Counts what is written to it.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn account_of(record: &Record) -> String {
    match record {
        Record::Account(profile) => profile.id.to_string(),
        Record::Claimed(id, _)
        | Record::Released(id, _)
        | Record::Claim(id, _, _)
        | Record::Alias(id, _, _)
        | Record::User(id, _)
        | Record::Gone(id, _)
        | Record::Forgotten(id) => id.to_string(),
        Record::LinkSecret(_) => String::new(),
    }
}

fn told(changed: &Changed, text_bytes_max: usize) -> EntryChange {
    let cut = |text: &str| cut(text, text_bytes_max).to_owned();
    let (kind, id, email) = match (&changed.now, &changed.before) {
        (Record::Account(profile), _) => ("account", profile.id.to_string(), None),
        (Record::Forgotten(id), _) => ("account", id.to_string(), None),
        (Record::Claimed(_, domain) | Record::Released(_, domain), _) => ("domain", domain.clone(), None),
        (Record::Claim(_, domain, _), _) => ("claim", domain.clone(), None),
        (Record::Alias(_, licence, _), _) => ("licence", licence.name().to_owned(), None),
        (Record::User(_, user), _) => ("user", user.id.to_string(), Some(cut(user.email.as_str()))),
        (Record::Gone(_, id), Some(Record::User(_, user))) => ("user", id.to_string(), Some(cut(user.email.as_str()))),
        (Record::Gone(_, id), _) => ("user", id.to_string(), None),
        (Record::LinkSecret(_), _) => ("store", "link-secret".to_owned(), None),
    };
    let before = changed.before.as_ref().map_or(Value::Null, |before| shown(before, Some(&changed.now)));
    let (mut before, mut after) = only_what_differs(before, shown(&changed.now, changed.before.as_ref()));
    if let (Some(Record::User(_, was)), Record::User(_, is), Value::Object(after)) =
        (&changed.before, &changed.now, &mut after)
    {
        let (was, is) = (was.details().personal_pin, is.details().personal_pin);
        if was.is_some() && is.is_some() && was != is {
            after.insert("personal_pin".to_owned(), json!("another"));
        }
    }
    // Cut last, so that texts which differ further on are told.
    cut_texts(&mut before, text_bytes_max);
    cut_texts(&mut after, text_bytes_max);
    EntryChange { kind: kind.to_owned(), id, email, before, after }
}

fn cut_texts(value: &mut Value, text_bytes_max: usize) {
    let Value::Object(members) = value else { return };
    for member in members.values_mut() {
        if let Value::String(text) = member {
            text.truncate(cut(text, text_bytes_max).len());
        }
    }
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

/// A record for the reader of the log, who knows the other side too; never a secret.
fn shown(record: &Record, other: Option<&Record>) -> Value {
    match record {
        Record::Account(profile) => {
            let other = other.and_then(|other| if let Record::Account(other) = other { Some(other) } else { None });
            Value::Object(account(profile, other))
        }
        Record::User(_, each) => {
            let other = other.and_then(|other| if let Record::User(_, other) = other { Some(other) } else { None });
            Value::Object(user(each, other))
        }
        Record::Claimed(..) => json!("claimed"),
        Record::Claim(_, _, Some(Claim { domain: _, token, at: _, released_at })) => {
            json!({ "waits_for_dns": token.is_some(), "released_at": released_at })
        }
        Record::LinkSecret(_) => json!("set"),
        Record::Alias(_, _, alias) => json!({ "external_id": alias }),
        Record::Released(..) | Record::Claim(_, _, None) | Record::Gone(..) | Record::Forgotten(_) => Value::Null,
    }
}

/// What is the same on the other side is left out at once: of most changes that is nearly all.
fn user(user: &User, other: Option<&User>) -> Map<String, Value> {
    let details = user.details();
    let other_details = other.map(User::details);
    let User {
        id: _,
        email,
        licence,
        registration,
        invitation,
        external,
        // When is told by the entry.
        invited_at: _,
        registered_at: _,
        invitations_sent,
        details: _,
        times: _,
    } = user;
    let UserDetails {
        shared_device,
        display_name,
        personal_pin,
        telephony,
        alexa_enabled,
        alexa_room,
        signed_out_at,
        mail,
        provisioned,
    } = &details;
    let provisioned = provisioned.as_deref().cloned().unwrap_or_default();
    let Provisioned { user_name, external_id, given_name, family_name, formatted_name, put_away } = &provisioned;
    let mut members = Map::new();
    let mut put = |key: &str, is_same: fn(&User, &User) -> bool, value: &dyn Fn() -> Value| {
        if !other.is_some_and(|other| is_same(user, other)) {
            members.insert(key.to_owned(), value());
        }
    };
    put("email", |one, other| one.email.as_str() == other.email.as_str(), &|| json!(email.as_str()));
    put("registration", |one, other| one.registration == other.registration, &|| json!(format!("{registration:?}")));
    let name = || json!(licence.as_ref().map(|licence| licence.name()));
    put("licence", |one, other| one.licence == other.licence, &name);
    put("invitation", |one, other| one.invitation == other.invitation, &|| json!(format!("{invitation:?}")));
    if other_details.as_ref() == Some(&details) && other.is_some_and(|other| has_same_rare(user, other)) {
        return members;
    }
    // What few users have is left out where there is nothing.
    let mut put = |key: &str, is_there: bool, value: Value| {
        if is_there {
            members.insert(key.to_owned(), value);
        }
    };
    put("invitations_sent", *invitations_sent > 0, json!(invitations_sent));
    put("external", external.is_some(), json!(external.map(|guid| guid.to_string())));
    put("shared_device", *shared_device, json!(true));
    put("display_name", display_name.is_some(), json!(display_name));
    // What it is, is between the user and the telephone.
    put("personal_pin", personal_pin.is_some(), json!("set"));
    put("telephony", *telephony != [false; 3], json!(telephony));
    put("alexa_enabled", alexa_enabled.is_some(), json!(alexa_enabled));
    put("alexa_room", alexa_room.is_some(), json!(alexa_room));
    put("signed_out_at", signed_out_at.is_some(), json!(signed_out_at));
    put("mail", *mail != Mail::None, json!(format!("{mail:?}")));
    let texts = [
        ("user_name", user_name),
        ("external_id", external_id),
        ("given_name", given_name),
        ("family_name", family_name),
        ("formatted_name", formatted_name),
    ];
    for (key, text) in texts {
        put(key, text.is_some(), json!(text));
    }
    put("put_away", *put_away, json!(true));
    members
}

fn has_same_rare(one: &User, other: &User) -> bool {
    one.invitations_sent == other.invitations_sent && one.external == other.external
}

/// Lists without what the other side has as well. Domains and claims are records of their own.
fn account(profile: &Profile, other: Option<&Profile>) -> Map<String, Value> {
    let Profile {
        id: _,
        name,
        kind,
        default_licence,
        supported,
        // Records of their own.
        domains: _,
        claims: _,
        aliases: _,
        details,
        created_at: _,
    } = profile;
    let ProfileDetails { closed_at, domains_only, disable_remote_control, enable_dial_out, delegate_groups } = details;
    let is_new = |licence: &&Tier| !other.is_some_and(|other| other.supported.contains(*licence));
    let supported: Vec<&str> = supported.iter().filter(is_new).map(Tier::name).collect();
    let is_new = |group: &&String| !other.is_some_and(|other| other.details.delegate_groups.contains(*group));
    let groups: Vec<&str> = delegate_groups.iter().filter(is_new).map(String::as_str).collect();
    let mut members = Map::new();
    let mut put = |key: &str, value: Value| _ = members.insert(key.to_owned(), value);
    put("name", json!(name));
    put("kind", json!(kind.to_string()));
    put("default_licence", json!(default_licence.as_ref().map(|licence| licence.name())));
    put("supported", json!(supported.join(", ")));
    put("closed_at", json!(closed_at));
    put("domains_only", json!(domains_only));
    put("settings", json!([disable_remote_control, enable_dial_out]));
    put("delegate_groups", json!(groups.join(", ")));
    members
}

/// The beginning of the text that has so many bytes as JSON.
fn cut(text: &str, bytes_max: usize) -> &str {
    let mut bytes = 0;
    let end = text.char_indices().find(|(_, char)| {
        bytes += match char {
            '"' | '\\' => 2,
            control if control.is_ascii_control() => "\\u0000".len(),
            other => other.len_utf8(),
        };
        bytes > bytes_max
    });
    end.map_or(text, |(at, _)| &text[..at])
}
