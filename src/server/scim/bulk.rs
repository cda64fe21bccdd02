//! Many changes in one request (RFC 7644 3.7): one after the other, each granted or refused by itself; answered in the order in
//! which they stand.
//!
//! A few hundred of them share a write to the disk, if that is quick: whoever else asks comes in between. An operation names
//! what another one makes by `bulkId:` and its id, and is done behind that one; where they wait for each other, or what is
//! named was not made, it is 409.

use super::act::{Change, Done, Ground};
use super::discover::BULK_OPERATIONS_MAX;
use super::order::order;
use super::route::{Place, Verb, place_in_bulk};
use super::unanswered;
use crate::model::Timestamp;
use crate::scim::body::member;
use crate::scim::{BULK_REQUEST, BULK_RESPONSE, Problem, ScimType};
use crate::server::desk::{Caller, Desk};
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A write is shared by operations until they may have so many records; one that may have more is in one of its own.
const RECORDS_OF_A_WRITE: usize = 400;
/// So long operations have the desk to themselves: an operation that was begun is finished, and the next waits for its turn
/// behind whoever came meanwhile.
const TIME_AT_THE_DESK: Duration = Duration::from_millis(50);
/// Most names of attributes that are told as let pass.
const IGNORED_MAX: usize = 20;
/// How deep values are searched for what another operation makes.
const DEPTH_MAX: usize = 8;
/// What a reference to another operation begins with.
const REFERENCE: &str = "bulkId:";

/// One operation.
struct Item {
    method: String,
    bulk_id: Option<String>,
    /// The change, its references not resolved yet; or why there is none.
    change: Result<Change, Problem>,
    /// Most records that it adds to a write.
    records_max: usize,
    path: String,
}

/// What has become of the operations so far.
#[derive(Default)]
struct Course {
    /// How many were done.
    done: usize,
    /// Each with the place of its operation.
    answers: Vec<(usize, Value)>,
    /// The ids of what was made, by `bulkId`.
    made: HashMap<String, String>,
    failed: usize,
    has_mail: bool,
    ignored: Vec<String>,
}

/// What is answered, whether somebody was invited, and which attributes were let pass in any of the operations.
pub(super) struct Answer {
    pub body: Value,
    pub has_mail: bool,
    pub ignored: Vec<String>,
}

/// Carries out a bulk.
///
/// # Errors
/// For the request as a whole: `invalidSyntax`, `invalidValue` for a `bulkId` that two have, 413 for too many operations, and
/// what the desk says.
pub(super) async fn carry_out(
    desk: &Desk,
    caller: &Caller,
    ground: Ground,
    body: &Value,
    new_id: impl Fn() -> String,
) -> Result<Answer, Problem> {
    let syntax = |detail: String| Problem::bad(ScimType::InvalidSyntax, detail);
    let is_bulk =
        member(body, "schemas").and_then(Value::as_array).is_some_and(|it| it.iter().any(|it| it == BULK_REQUEST));
    let list = member(body, "Operations").and_then(Value::as_array).filter(|_| is_bulk);
    let list =
        list.ok_or_else(|| syntax(format!("a bulk names {BULK_REQUEST} in `schemas` and has a list `Operations`")))?;
    if list.len() > BULK_OPERATIONS_MAX {
        return Err(Problem::new(
            413,
            format!("a bulk has at most {BULK_OPERATIONS_MAX} operations, not {}", list.len()),
        ));
    }
    let fail_on_errors = match member(body, "failOnErrors") {
        None | Some(Value::Null) => usize::MAX,
        Some(value) => {
            let number = value.as_u64().and_then(|it| usize::try_from(it).ok()).filter(|it| *it > 0);
            number.ok_or_else(|| syntax("failOnErrors is a whole number above 0".to_owned()))?
        }
    };
    let items: Vec<Item> = list.iter().map(|each| item(each, &new_id)).collect();
    let order = order(&names(&items)?);
    let (items, order, ground) = (Arc::new(items), Arc::new(order), Arc::new(ground));
    let mut course = Course::default();
    while course.done < items.len() && course.failed < fail_on_errors {
        let (items, order, ground) = (items.clone(), order.clone(), ground.clone());
        let (caller, mut running) = (caller.clone(), course);
        let first = order.get(running.done).and_then(|place| items.get(*place)).map_or(0, |item| item.records_max);
        let records_max = first.max(RECORDS_OF_A_WRITE);
        let worked = desk.many(records_max, move |session| {
            let before = session.records();
            let (at, begun) = (Timestamp::now(), Instant::now());
            let next = |running: &Course| order.get(running.done).and_then(|place| Some((*place, items.get(*place)?)));
            while let Some((place, item)) = next(&running).filter(|_| running.failed < fail_on_errors) {
                if session.records() - before + item.records_max > records_max {
                    break;
                }
                let done = item.change.clone().and_then(|change| running.resolved(change)).and_then(|change| {
                    session.act(caller.as_str(), change.operation(), at, |book| change.make(book, &ground, at))
                });
                running.note(place, item, done, &ground);
                if begun.elapsed() >= TIME_AT_THE_DESK {
                    break;
                }
            }
            running
        });
        course = worked.await.map_err(unanswered)?;
    }
    let Course { done: _, mut answers, made: _, failed: _, has_mail, ignored } = course;
    answers.sort_unstable_by_key(|(place, _)| *place);
    let answers: Vec<Value> = answers.into_iter().map(|(_, answer)| answer).collect();
    Ok(Answer { body: json!({"schemas": [BULK_RESPONSE], "Operations": answers}), has_mail, ignored })
}

/// For each operation, the places of those that make what it refers to.
///
/// # Errors
/// `invalidValue` for a `bulkId` that two operations have (RFC 7644 3.7).
fn names(items: &[Item]) -> Result<Vec<BTreeSet<usize>>, Problem> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (place, item) in items.iter().enumerate() {
        if let Some(id) = &item.bulk_id
            && places.insert(id, place).is_some()
        {
            let detail = format!("two operations have the bulkId {id:?}: nothing was done, give each its own");
            return Err(Problem::bad(ScimType::InvalidValue, detail));
        }
    }
    let named = |item: &Item| {
        let mut named = BTreeSet::new();
        let mut note = |text: &str| named.extend(text.strip_prefix(REFERENCE).and_then(|id| places.get(id)));
        if let Ok(change) = &item.change {
            if let Place::Users(Some(id)) | Place::Groups(Some(id)) = &change.place {
                note(id);
            }
            texts(&change.body, 0, &mut note);
        }
        named
    };
    Ok(items.iter().map(named).collect())
}

/// Shows each text in a value.
fn texts<'v>(value: &'v Value, depth: usize, show: &mut impl FnMut(&'v str)) {
    match value {
        _ if depth > DEPTH_MAX => {}
        Value::String(text) => show(text),
        Value::Array(values) => values.iter().for_each(|value| texts(value, depth + 1, show)),
        Value::Object(members) => members.values().for_each(|value| texts(value, depth + 1, show)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn item(each: &Value, new_id: &impl Fn() -> String) -> Item {
    let text = |name: &str| member(each, name).and_then(Value::as_str).map(str::to_owned);
    let (method, path) = (text("method").unwrap_or_default(), text("path").unwrap_or_default());
    let syntax = |detail: &str| Problem::bad(ScimType::InvalidSyntax, detail);
    let bulk_id = text("bulkId");
    let verb = Verb::named(&method).ok_or_else(|| syntax("`method` is POST, PUT, PATCH or DELETE"));
    let place = place_in_bulk(&path).filter(|place| matches!(place, Place::Users(_) | Place::Groups(_)));
    let place = place.ok_or_else(|| Problem::new(404, format!("{path:?} is no path of a user or a group")));
    let change = verb.and_then(|verb| {
        if verb == Verb::Post && bulk_id.is_none() {
            return Err(syntax("a POST in a bulk has a `bulkId`"));
        }
        let if_match = match member(each, "version") {
            None | Some(Value::Null) => None,
            Some(Value::String(version)) => Some(version.clone()),
            // Not taken for none: the change would be made over somebody else's.
            Some(_) => return Err(syntax("`version` is a text: send it as it was answered")),
        };
        let body = member(each, "data").cloned().unwrap_or(Value::Null);
        Ok(Change { verb, place: place?, body, if_match, new_id: new_id() })
    });
    let records_max = change.as_ref().map_or(0, Change::records_max);
    Item { method, bulk_id, change, records_max, path }
}

impl Course {
    /// The change with what other operations made in the place of references to them.
    fn resolved(&self, mut change: Change) -> Result<Change, Problem> {
        if let Place::Users(Some(id)) | Place::Groups(Some(id)) = &mut change.place {
            self.resolve_text(id)?;
        }
        self.resolve(&mut change.body, 0)?;
        Ok(change)
    }

    fn resolve(&self, value: &mut Value, depth: usize) -> Result<(), Problem> {
        if depth > DEPTH_MAX {
            return Ok(());
        }
        match value {
            Value::String(text) => self.resolve_text(text),
            Value::Array(values) => values.iter_mut().try_for_each(|value| self.resolve(value, depth + 1)),
            Value::Object(members) => members.values_mut().try_for_each(|value| self.resolve(value, depth + 1)),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }

    fn resolve_text(&self, text: &mut String) -> Result<(), Problem> {
        let Some(bulk_id) = text.strip_prefix(REFERENCE) else { return Ok(()) };
        match self.made.get(bulk_id) {
            Some(id) => {
                *text = id.clone();
                Ok(())
            }
            None => {
                let detail = format!(
                    "no other operation of this bulk made {text:?}: none has that bulkId, or it was refused, or they wait for \
                     each other"
                );
                Err(Problem { status: 409, scim_type: Some(ScimType::InvalidValue), detail })
            }
        }
    }

    fn note(&mut self, place: usize, item: &Item, done: Result<Done, Problem>, ground: &Ground) {
        self.done += 1;
        let mut answer = Map::new();
        answer.insert("method".to_owned(), json!(item.method));
        if let Some(bulk_id) = &item.bulk_id {
            answer.insert("bulkId".to_owned(), json!(bulk_id));
        }
        match done {
            Ok(Done { status, resource, ignored, has_mail }) => {
                self.has_mail |= has_mail;
                // Few names at all are let pass, so that the list stays short.
                let new = ignored.into_iter().filter(|name| !self.ignored.contains(name)).take(IGNORED_MAX);
                let new: Vec<String> = new.collect();
                self.ignored.extend(new);
                self.ignored.truncate(IGNORED_MAX);
                answer.insert("status".to_owned(), json!(status.to_string()));
                let meta = |name: &str| resource.as_ref().and_then(|it| it["meta"][name].as_str());
                let location = meta("location").map_or_else(|| format!("{}{}", ground.base, item.path), str::to_owned);
                answer.insert("location".to_owned(), json!(location));
                if let Some(version) = meta("version") {
                    answer.insert("version".to_owned(), json!(version));
                }
                let id = resource.as_ref().and_then(|it| it["id"].as_str());
                if let (Some(bulk_id), Some(id)) = (&item.bulk_id, id) {
                    self.made.insert(bulk_id.clone(), id.to_owned());
                }
            }
            Err(problem) => {
                self.failed += 1;
                answer.insert("status".to_owned(), json!(problem.status.to_string()));
                if !matches!(&item.change, Ok(change) if change.verb == Verb::Post) {
                    answer.insert("location".to_owned(), json!(format!("{}{}", ground.base, item.path)));
                }
                answer.insert("response".to_owned(), problem.body());
            }
        }
        self.answers.push((place, Value::Object(answer)));
    }
}
