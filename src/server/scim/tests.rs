//! Laws of the way between resources and the book, on random histories of a few people.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::act::{Change, Done, Ground, version};
use super::route::{Place, Verb};
use super::user;
use crate::model::{StoreKind, Tier, Timestamp};
use crate::scim::{GROUP, PATCH_OP, Problem, USER};
use crate::store::{Account, AccountId, Book};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

fn ground() -> Ground {
    Ground { account: AccountId::parse("corp").unwrap(), base: "https://x/scim/v2/corp".to_owned(), licences: true }
}

fn book(kind: StoreKind) -> Book {
    let mut book = Book::default();
    let account = book.open_account(&ground().account, "Corp", kind, Timestamp::UNIX_EPOCH).unwrap();
    for licence in ["Basic", "Plus", "Pro"] {
        account.support(&Tier::new(licence)).unwrap();
    }
    account.set_default_licence(&Tier::new("Plus")).unwrap();
    book.drain();
    book
}

fn account(book: &Book) -> &Account {
    book.account(&ground().account).unwrap()
}

/// All that clients see, and what they do not.
fn seen(book: &Book) -> Vec<(bool, Map<String, Value>)> {
    let account = account(book);
    account.users().map(|each| (user::is_visible(account, each), user::resource(account, each))).collect()
}

/// As the desk does it: of a refusal nothing stays.
fn give(book: &mut Book, change: &Change) -> Result<Done, Problem> {
    let done = change.make(book, &ground(), Timestamp::UNIX_EPOCH);
    book.date(Timestamp::UNIX_EPOCH);
    let changed = book.drain();
    if done.is_err() {
        book.put_back(changed);
    }
    done
}

fn members() -> impl Strategy<Value = (&'static str, Value)> {
    let addresses = ["a@corp.test", "A@CORP.test", "b@corp.test", "c@other.test", "plain", "b"];
    let licences = ["Basic", "pro", "Gold", "Gone"];
    prop_oneof![
        prop::sample::select(addresses.to_vec()).prop_map(|it| ("userName", json!(it))),
        prop::sample::select(addresses.to_vec()).prop_map(|it| ("emails", json!([{"value": it, "type": "work"}]))),
        prop::sample::select(vec!["x", "y", "00000000-0000-0000-0000-000000000007", ""])
            .prop_map(|it| ("externalId", json!(it))),
        any::<bool>().prop_map(|it| ("active", json!(it))),
        prop::sample::select(licences.to_vec()).prop_map(|it| ("entitlements", json!([{"value": it}]))),
        "\\PC{0,3}".prop_map(|it| ("displayName", json!(it))),
        "[a-c\\n]{0,3}".prop_map(|it| ("name", json!({"givenName": it, "title": "Dr."}))),
        Just(("title", json!("Dr."))),
        Just(("roles", json!(["admin"]))),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Post(Vec<(&'static str, Value)>),
    Put(usize, Vec<(&'static str, Value)>),
    Patch(usize, &'static str, Vec<(&'static str, Value)>),
    Delete(usize),
    Accept(usize),
    Member(&'static str, &'static str, usize),
    Group(&'static str, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let some = || prop::collection::vec(members(), 1..4);
    let op = prop::sample::select(vec!["add", "replace"]);
    let group = || prop::sample::select(vec!["Basic", "Plus", "Pro", "Gone"]);
    prop_oneof![
        4 => some().prop_map(Step::Post),
        2 => (0..4_usize, some()).prop_map(|(at, some)| Step::Put(at, some)),
        4 => (0..4_usize, op, some()).prop_map(|(at, op, some)| Step::Patch(at, op, some)),
        1 => (0..4_usize).prop_map(Step::Delete),
        1 => (0..4_usize).prop_map(Step::Accept),
        2 => (prop::sample::select(vec!["add", "remove"]), group(), 0..4_usize)
            .prop_map(|(op, group, at)| Step::Member(op, group, at)),
        1 => (group(), any::<bool>()).prop_map(|(group, makes)| Step::Group(group, makes)),
    ]
}

fn change(book: &mut Book, step: &Step, number: usize) -> Option<Change> {
    let ids: Vec<String> = account(book).users().map(|user| user.id.to_string()).collect();
    let users = |at: &usize| Place::Users(Some(ids.get(*at).cloned().unwrap_or_else(|| "nobody".to_owned())));
    let resource = |some: &[(&str, Value)]| {
        let mut body = json!({"schemas": [USER]});
        some.iter().for_each(|(name, value)| body[*name] = value.clone());
        body
    };
    let patch = |operations: Value| json!({"schemas": [PATCH_OP], "Operations": operations});
    let (verb, place, body) = match step {
        Step::Post(some) => (Verb::Post, Place::Users(None), resource(some)),
        Step::Put(at, some) => (Verb::Put, users(at), resource(some)),
        Step::Patch(at, op, some) => {
            let each = |(name, value): &(&str, Value)| json!({"op": op, "path": name, "value": value});
            (Verb::Patch, users(at), patch(some.iter().map(each).collect()))
        }
        Step::Delete(at) => (Verb::Delete, users(at), Value::Null),
        Step::Accept(at) => {
            let id = account(book).users().nth(*at)?.id.clone();
            // A person's own doing, beside any client.
            let _ = book.account_mut(&ground().account).unwrap().accept(&id, Timestamp::UNIX_EPOCH);
            book.drain();
            return None;
        }
        Step::Member(op, group, at) => {
            let id = ids.get(*at)?;
            (
                Verb::Patch,
                Place::Groups(Some((*group).to_owned())),
                patch(json!([{"op": op, "path": "members", "value": [{"value": id}]}])),
            )
        }
        Step::Group(name, true) => (Verb::Post, Place::Groups(None), json!({"schemas": [GROUP], "displayName": name})),
        Step::Group(name, false) => (Verb::Delete, Place::Groups(Some((*name).to_owned())), Value::Null),
    };
    Some(Change { verb, place, body, if_match: None, new_id: format!("u{number:03}") })
}

proptest! {
    #[test]
    fn clients_see_what_is_so_and_a_refusal_leaves_no_trace(
        kind in prop::sample::select(vec![StoreKind::Team, StoreKind::EnterpriseLwa, StoreKind::EnterpriseDirectory]),
        steps in prop::collection::vec(step(), 1..30),
    ) {
        let mut book = book(kind);
        for (number, step) in steps.iter().enumerate() {
            let Some(change) = change(&mut book, step, number) else { continue };
            let before = seen(&book);
            let profile = account(&book).profile().clone();
            match give(&mut book, &change) {
                Ok(done) => {
                    // What is answered is what is there, and what was said is in it.
                    if let Some(resource) = &done.resource
                        && resource["meta"]["resourceType"] == "User"
                    {
                        let account = account(&book);
                        let there = user::known(account, resource["id"].as_str().unwrap()).unwrap();
                        prop_assert_eq!(&json!(version(&user::resource(account, there))), &resource["meta"]["version"]);
                        for name in ["displayName", "externalId", "active"] {
                            let said = change.body.get(name).filter(|said| **said != json!("") && change.verb != Verb::Patch);
                            if let Some(said) = said.filter(|said| said.as_str().is_none_or(|it| !it.trim().is_empty())) {
                                prop_assert_eq!(said, &resource[name], "{} was not kept: {:?}", name, change);
                            }
                        }
                    }
                }
                Err(problem) => {
                    prop_assert!((400..500).contains(&problem.status), "{:?}", problem);
                    prop_assert_eq!(&before, &seen(&book), "a refusal left a trace: {}", problem);
                    prop_assert_eq!(&profile, account(&book).profile());
                }
            }
            // Names are unique among all, seen or not, and who sends back what was shown changes nothing.
            let names: HashSet<String> =
                account(&book).users().map(|user| user.user_name().to_lowercase()).collect();
            prop_assert_eq!(names.len(), account(&book).users().len());
            for (is_visible, resource) in seen(&book) {
                let put = Change {
                    verb: Verb::Put,
                    place: Place::Users(Some(resource["id"].as_str().unwrap().to_owned())),
                    body: Value::Object(resource),
                    if_match: None,
                    new_id: String::new(),
                };
                let done = put.make(&mut book, &ground(), Timestamp::UNIX_EPOCH);
                prop_assert_eq!(done.is_ok(), is_visible, "{:?}", done);
                prop_assert_eq!(book.drain(), Vec::new(), "sent back, and something changed");
            }
        }
    }

    #[test]
    fn no_body_is_too_much(text in "[\\[\\]{}\",:a-c0-9 ]{0,40}", verb in prop::sample::select(vec![Verb::Post, Verb::Put, Verb::Patch])) {
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let mut book = book(StoreKind::EnterpriseDirectory);
        for place in [Place::Users(None), Place::Users(Some("x".to_owned())), Place::Groups(Some("Pro".to_owned())), Place::Groups(None)] {
            let change = Change { verb, place, body: body.clone(), if_match: None, new_id: "u".to_owned() };
            prop_assert!(give(&mut book, &change).is_err());
        }
    }
}
