//! A batch of intents carried to the server: in each round, everything that is wanted now goes out together, in bulk where the
//! server takes that.

use super::Terms;
use super::abilities::Bulk;
use super::call::{Call, Change, Manner, Removal, user_path};
use super::client::Client;
use super::errand::{Answer, Errand, Want};
use super::groups::Membership;
use super::look::{Look, Lookout};
use super::messages::{ErrorBody, bulk_status, items, text, within};
use super::register;
use super::user::User;
use crate::accounts::reach::failure::{Failure, tidy};
use crate::model::{Intent, ObjectGuid, Outcome};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Most rounds for one batch: the longest way (a key that is lost, a search, a change, an exchange of names, looks after each)
/// is shorter.
const ROUNDS_MAX: usize = 24;
/// What stands around the operations of a bulk request, in bytes, with room to spare.
const BULK_ENVELOPE_BYTES: usize = 256;
/// Most of the first ones that are made alone, one after the other, while nothing is known of any of them.
const FIRSTS_MAX: usize = 3;

/// One thing to be sent, and whose errand it is. Two errands may want the same.
#[derive(Clone, Debug)]
struct Item {
    want: Want,
    whose: Vec<usize>,
}

/// Whether users are made as they shall be. Of the first ones only one is made, so that a server that drops licences, or a
/// configuration that looks for them in the wrong place, leaves one user without and not thousands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Trust {
    /// Nobody was made yet.
    #[default]
    Untried,
    /// Somebody was, or was refused for a reason of the own.
    Tried,
    /// What was dropped, in words.
    Lost(String),
}

/// Brings each intent to its target: one outcome an intent, in the same order. `unknown` are details that the server turned out
/// not to have.
pub(super) async fn carry(
    client: &Arc<Client>,
    lookout: &mut Lookout,
    terms: &Terms,
    trust: &mut Trust,
    unknown: &mut BTreeSet<Arc<str>>,
    intents: &[Intent],
) -> Vec<Outcome> {
    let mut firsts = Vec::new();
    let mut errands: Vec<Errand<'_>> = intents.iter().map(|intent| Errand::begin(intent, terms)).collect();
    errands.iter_mut().for_each(|errand| errand.do_without(unknown));
    lookout.begin_batch();
    for round in 0..ROUNDS_MAX {
        if errands.iter().all(|errand| errand.wants().is_none()) {
            break;
        }
        let alone = errands.iter().filter(|errand| errand.moves()).count() <= 1;
        // What lets go of a name goes before what takes one.
        send(client, terms, &mut errands, alone, |errand, want| errand.is_parking() && is_change(want)).await;
        send(client, terms, &mut errands, alone, |_, want| is_change(want)).await;
        members(client, lookout, terms, &mut errands).await;
        for index in circles(&errands.iter().map(Errand::blocked).collect::<Vec<_>>()) {
            errands.get_mut(index).into_iter().for_each(Errand::park);
        }
        remove(client, terms, &mut errands).await;
        look(lookout, terms, &mut errands, round == 0).await;
        // One that the server's schemas have was dropped for its value: the next one may be kept.
        let unshown = errands.iter().flat_map(Errand::unshown).map(|detail| &detail.name);
        unknown.extend(unshown.filter(|name| !terms.abilities.declares(name)).cloned());
        errands.iter_mut().for_each(|errand| errand.do_without(unknown));
        vouch(lookout, terms, &mut errands).await;
        create(client, terms, &mut errands, trust, &mut firsts).await;
    }
    lookout.end_batch(intents.iter().map(|intent| (&intent.guid, &intent.email)));
    tell_unkept(&errands);
    errands.into_iter().map(Errand::outcome).collect()
}

/// Says which details the server refused, or said yes to and did not keep. They cost nobody the seat, and are not sent again.
fn tell_unkept(errands: &[Errand<'_>]) {
    let mut unkept: BTreeMap<&str, (usize, ObjectGuid, &str)> = BTreeMap::new();
    for (name, guid, said) in errands.iter().flat_map(Errand::unkept) {
        unkept.entry(name).or_insert((0, guid, said)).0 += 1;
    }
    for (name, (people, first, said)) in unkept {
        tracing::warn!(
            people,
            %first,
            "the account store did not keep {name} as it is in the directory; it said: {said}. It is tried again when it changes \
             there; if the product makes {name} itself, or has none, leave it out of `attributes`"
        );
    }
}

/// Nobody is made on the word of a list alone that leaves out who is there: it would be for a second time where names need not be
/// unique.
async fn vouch(lookout: &mut Lookout, terms: &Terms, errands: &mut [Errand<'_>]) {
    let Some((guid, email)) = errands.iter().find_map(Errand::newcomer) else { return };
    let newcomers = errands.iter_mut().filter(|errand| errand.newcomer().is_some());
    match lookout.vouch(terms, guid, email).await {
        Ok(true) => {}
        Ok(false) => newcomers.for_each(Errand::look_for),
        Err(failure) => newcomers.for_each(|errand| errand.give_up(&failure)),
    }
}

/// Everybody who is to be made now; in the beginning one alone, whose end the others wait for. One whose answer was lost proves
/// nothing: then it is the turn of another, and of nobody when that goes on.
async fn create(
    client: &Arc<Client>,
    terms: &Terms,
    errands: &mut [Errand<'_>],
    trust: &mut Trust,
    firsts: &mut Vec<usize>,
) {
    let is_creation = |errand: &Errand<'_>| matches!(errand.wants(), Some(Want::Create(_)));
    if *trust == Trust::Untried {
        let last = firsts.last().and_then(|index| errands.get(*index));
        let is_known = last.is_some_and(|errand| errand.wants().is_none() && !errand.is_in_doubt());
        let dropped = errands.iter().find_map(Errand::dropped);
        match dropped {
            Some(why) => *trust = Trust::Lost(why.to_owned()),
            None if is_known => *trust = Trust::Tried,
            None => {}
        }
    }
    match trust {
        Trust::Tried => send(client, terms, errands, true, |_, want| matches!(want, Want::Create(_))).await,
        Trust::Lost(why) => errands.iter_mut().filter(|errand| is_creation(errand)).for_each(|it| it.hold_back(why)),
        // What becomes of those who are there already may tell enough.
        Trust::Untried if errands.iter().any(|errand| errand.wants().is_some() && !is_creation(errand)) => {}
        Trust::Untried if firsts.len() >= FIRSTS_MAX => {
            errands.iter_mut().filter(|errand| is_creation(errand)).for_each(Errand::put_off);
        }
        Trust::Untried => {
            let first = errands.iter().position(is_creation);
            firsts.extend(first);
            if let Some(one) = first.and_then(|index| errands.get_mut(index..=index)) {
                send(client, terms, one, true, |_, want| matches!(want, Want::Create(_))).await;
            }
        }
    }
}

fn is_change(want: &Want) -> bool {
    matches!(want, Want::Change(_))
}

/// Of those who each have the address that another wants, in a circle, one a circle: were that one to let go, all could have
/// theirs.
fn circles(blocked: &[Option<(String, String)>]) -> Vec<usize> {
    let having: HashMap<&str, usize> = blocked
        .iter()
        .enumerate()
        .filter_map(|(index, names)| names.as_ref().map(|(has, _)| (has.as_str(), index)))
        .collect();
    let next = |index: usize| {
        let (_, wants) = blocked.get(index)?.as_ref()?;
        having.get(wants.as_str()).copied()
    };
    let mut found = Vec::new();
    for begin in 0..blocked.len() {
        // The least of a circle stands for it, so that each is found once.
        let (mut at, mut steps) = (next(begin), 0);
        while let Some(here) = at.filter(|here| *here > begin && steps < blocked.len()) {
            (at, steps) = (next(here), steps + 1);
        }
        if at == Some(begin) && steps > 0 {
            found.push(begin);
        }
    }
    found
}

/// Everything of one kind that is wanted now.
async fn send(
    client: &Arc<Client>,
    terms: &Terms,
    errands: &mut [Errand<'_>],
    alone: bool,
    is_due: impl Fn(&Errand<'_>, &Want) -> bool,
) {
    let items = gather(errands, is_due);
    let answers = match terms.abilities.bulk {
        Some(bulk) if items.len() > 1 => in_bulk(client, terms, &bulk, &items).await,
        Some(_) | None => one_by_one(client, terms, &items).await,
    };
    for (item, answer) in items.iter().zip(answers) {
        hear(errands, item, &answer, alone);
    }
}

/// Every deletion that is wanted now, each by itself also where there is bulk: each user is asked for before and afterwards, so
/// that little would be saved, and one request that goes wrong shall not have deleted a thousand.
async fn remove(client: &Arc<Client>, terms: &Terms, errands: &mut [Errand<'_>]) {
    let items = gather(errands, |_, want| matches!(want, Want::Remove(_)));
    let answers = one_by_one(client, terms, &items).await;
    for (item, answer) in items.iter().zip(answers) {
        hear(errands, item, &answer, true);
    }
}

/// Everybody who is to come into a group, or to go, now.
async fn members(client: &Arc<Client>, lookout: &mut Lookout, terms: &Terms, errands: &mut [Errand<'_>]) {
    let items = gather(errands, |_, want| matches!(want, Want::Member(_)));
    let member = |item: &Item| match &item.want {
        Want::Member(member) => Some(member.clone()),
        Want::Look(_) | Want::Create(_) | Want::Change(_) | Want::Remove(_) => None,
    };
    let members: Vec<Membership> = items.iter().filter_map(member).collect();
    let answers = register::carry_members(client, terms, &mut lookout.removals, &members).await;
    for (item, answer) in items.iter().zip(answers) {
        // Who is a member is seen by a look alone.
        hear(errands, item, &answer.map_or_else(failed, |()| Answer::Unseen), true);
    }
}

/// Every look that is wanted now; `is_first`: none was before, so that what the batch before has seen still tells who is there.
async fn look(lookout: &mut Lookout, terms: &Terms, errands: &mut [Errand<'_>], is_first: bool) {
    let items = gather(errands, |_, want| matches!(want, Want::Look(_)));
    let look = |item: &Item| match &item.want {
        Want::Look(look) => Some(look.clone()),
        Want::Create(_) | Want::Change(_) | Want::Remove(_) | Want::Member(_) => None,
    };
    let looks: Vec<Look> = items.iter().filter_map(look).collect();
    let answers = match is_first {
        true => lookout.look_first(terms, &looks).await,
        false => lookout.look(terms, &looks).await,
    };
    for (item, answer) in items.iter().zip(answers) {
        hear(errands, item, &answer.map_or_else(failed, Answer::Found), true);
    }
}

fn hear(errands: &mut [Errand<'_>], item: &Item, answer: &Answer, alone: bool) {
    for index in &item.whose {
        if let Some(errand) = errands.get_mut(*index) {
            errand.hear(answer.clone(), alone);
        }
    }
}

fn failed(failure: Failure) -> Answer {
    match failure {
        Failure::Refused { status, kind, message } => Answer::Refused { status, kind, message },
        Failure::Undone { message } | Failure::Unknown { message } => Answer::Unknown(message),
    }
}

/// What is wanted now, in the order of the errands. Who wants something else of the same user waits for the next round.
fn gather(errands: &[Errand<'_>], is_due: impl Fn(&Errand<'_>, &Want) -> bool) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (index, errand) in errands.iter().enumerate() {
        let Some(want) = errand.wants().filter(|want| is_due(errand, want)) else { continue };
        match places.get(&name(want)).and_then(|place| items.get_mut(*place)) {
            Some(item) if item.want == *want => item.whose.push(index),
            Some(_) => {}
            None => {
                places.insert(name(want), items.len());
                items.push(Item { want: want.clone(), whose: vec![index] });
            }
        }
    }
    items
}

/// Which user it is about.
fn name(want: &Want) -> String {
    match want {
        Want::Look(Look::Key { id, surely: _ }) => format!("key {id}"),
        Want::Change(Change { id, .. }) | Want::Remove(Removal { id, .. }) => format!("key {id}"),
        Want::Member(Membership { user, .. }) => format!("key {user}"),
        Want::Look(Look::Whose { guid, email }) => format!("look {guid} {}", email.key()),
        Want::Create(body) => format!("name {}", text(body, "userName").unwrap_or_default().to_lowercase()),
    }
}

async fn one_by_one(client: &Arc<Client>, terms: &Terms, items: &[Item]) -> Vec<Answer> {
    let users = &terms.abilities.users;
    let call = |item: &Item| match &item.want {
        Want::Create(body) => Ok(Call::create(users, body)),
        Want::Change(change) => Call::change(users, change),
        Want::Remove(removal) => Call::remove(users, removal),
        Want::Look(_) | Want::Member(_) => Err(no_change()),
    };
    let answers = client.ask_all(items.iter().map(call).collect()).await;
    items.iter().zip(answers).map(|(item, answer)| answer.map_or_else(failed, |body| done(&item.want, body))).collect()
}

/// What the body of a good answer says; a body about somebody else says nothing.
fn done(want: &Want, body: Value) -> Answer {
    match (User::of(body), want) {
        (Some(user), Want::Create(asked)) if is_asked_for(&user, asked) => Answer::Done(user),
        (Some(user), Want::Change(change)) if *user.id() == change.id => Answer::Done(user),
        (Some(_) | None, _) => Answer::Unseen,
    }
}

/// Whether a user is the one that was to be made, by name or identity.
fn is_asked_for(user: &User, asked: &Value) -> bool {
    let is_named = user.user_name().zip(text(asked, "userName")).is_some_and(|(is, was)| is.eq_ignore_ascii_case(was));
    let is_marked = user.external_id().zip(text(asked, "externalId")).is_some_and(|(is, was)| is == was);
    is_named || is_marked
}

// ---- bulk (RFC 7644 3.7) ----

/// All items in as few requests as the server takes.
async fn in_bulk(client: &Arc<Client>, terms: &Terms, bulk: &Bulk, items: &[Item]) -> Vec<Answer> {
    let users = &terms.abilities.users;
    let mut answers: Vec<Answer> = Vec::with_capacity(items.len());
    let mut requests: Vec<(Vec<(usize, Value)>, bool)> = Vec::new();
    let mut bytes = 0;
    for (index, item) in items.iter().enumerate() {
        answers.push(Answer::Unknown("the account store did not say what became of it in its answer".to_owned()));
        let operation = match bulk_operation(users, index, &item.want) {
            Ok(operation) => operation,
            Err(failure) => {
                answers[index] = failed(failure);
                continue;
            }
        };
        let size = operation.to_string().len() + 1;
        let absolute = is_change(&item.want);
        let is_full = |(operations, _): &&mut (Vec<_>, bool)| {
            operations.len() >= bulk.operations_max || bytes + size > bulk.bytes_max.saturating_sub(BULK_ENVELOPE_BYTES)
        };
        match requests.last_mut().filter(|last| !is_full(last)) {
            Some((operations, all_absolute)) => {
                operations.push((index, operation));
                *all_absolute &= absolute;
                bytes += size;
            }
            None => {
                requests.push((vec![(index, operation)], absolute));
                bytes = size;
            }
        }
    }
    let call = |(operations, absolute): &(Vec<(usize, Value)>, bool)| {
        Ok(Call::bulk(operations.iter().map(|(_, operation)| operation.clone()).collect(), *absolute))
    };
    let replies = client.ask_all(requests.iter().map(call).collect()).await;
    for ((operations, _), reply) in requests.into_iter().zip(replies) {
        match reply {
            Ok(reply) => {
                for (index, _) in operations {
                    if let (Some(item), Some(place)) = (items.get(index), answers.get_mut(index))
                        && let Some(answer) = bulk_answer(&reply, users, index, &item.want)
                    {
                        *place = answer;
                    }
                }
            }
            // One that the server cannot even read, or too many for it, must not cost the others.
            Err(failure) if matches!(failure.status(), Some(400 | 404 | 405 | 413 | 422 | 501)) => {
                let indices: Vec<usize> = operations.iter().map(|(index, _)| *index).collect();
                let alone: Vec<Item> = indices.iter().filter_map(|index| items.get(*index)).cloned().collect();
                for (index, answer) in indices.into_iter().zip(one_by_one(client, terms, &alone).await) {
                    answers.get_mut(index).into_iter().for_each(|place| *place = answer.clone());
                }
            }
            Err(failure) => {
                for (index, _) in operations {
                    answers.get_mut(index).into_iter().for_each(|place| *place = failed(failure.clone()));
                }
            }
        }
    }
    answers
}

fn bulk_operation(users: &str, index: usize, want: &Want) -> Result<Value, Failure> {
    let bulk_id = bulk_id(index);
    match want {
        Want::Create(body) => Ok(json!({ "method": "POST", "path": users, "bulkId": bulk_id, "data": body })),
        Want::Change(Change { id, method, body, version }) => {
            let method = match method {
                Manner::Patch => "PATCH",
                Manner::Put => "PUT",
            };
            let path = user_path(users, id)?;
            let mut operation = json!({ "method": method, "path": path, "bulkId": bulk_id, "data": body });
            if let (Some(version), Some(operation)) = (version, operation.as_object_mut()) {
                operation.insert("version".to_owned(), json!(version));
            }
            Ok(operation)
        }
        Want::Look(_) | Want::Remove(_) | Want::Member(_) => Err(no_change()),
    }
}

fn no_change() -> Failure {
    Failure::refused_here("this is not sent like a change of a user".to_owned())
}

fn bulk_id(index: usize) -> String {
    format!("n{index}")
}

/// What a bulk answer says to one item: by its id, else by its place. `None` where it says nothing.
fn bulk_answer(reply: &Value, users: &str, index: usize, want: &Want) -> Option<Answer> {
    let operations = items(within(reply, "Operations")?);
    let by_id = || operations.iter().find(|operation| text(operation, "bulkId") == Some(bulk_id(index).as_str()));
    let by_place = || match want {
        Want::Change(change) => {
            let path = user_path(users, &change.id).ok()?;
            operations.iter().find(|it| {
                text(it, "bulkId").is_none() && text(it, "location").is_some_and(|location| location.ends_with(&path))
            })
        }
        Want::Create(_) | Want::Look(_) | Want::Remove(_) | Want::Member(_) => None,
    };
    let operation = by_id().or_else(by_place)?;
    let status = bulk_status(operation)?;
    let body = within(operation, "response").cloned().unwrap_or_default();
    Some(match status {
        200..300 => done(want, body),
        // It may have been done, or there was no time for it.
        429 | 500.. => Answer::Unknown(format!("the account store answered {status} to one of several")),
        _ => {
            let ErrorBody { scim_type, detail } = ErrorBody::of(&body);
            let said = detail.map(|words| format!(" ({})", tidy(&words))).unwrap_or_default();
            let named = scim_type.as_deref().map(|kind| format!(" {}", tidy(kind))).unwrap_or_default();
            let message = format!("the account store refused it with {status}{named}{said}");
            Answer::Refused { status: Some(status), kind: scim_type, message }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_each_circle_lets_go() {
        let names = |pairs: &[(&str, &str)]| {
            let pair =
                |(has, wants): &(&str, &str)| (!has.is_empty()).then(|| ((*has).to_owned(), (*wants).to_owned()));
            circles(&pairs.iter().map(pair).collect::<Vec<_>>())
        };
        assert_eq!(names(&[("a", "b"), ("b", "a")]), [0]);
        assert_eq!(names(&[("", ""), ("a", "b"), ("b", "c"), ("c", "a"), ("x", "y"), ("y", "x")]), [1, 4]);
        // A chain, one who waits for a circle, one who wants what nobody here has, and one who wants the own.
        assert_eq!(names(&[("a", "b"), ("b", "c"), ("c", "d")]), [] as [usize; 0]);
        assert_eq!(names(&[("z", "a"), ("a", "b"), ("b", "a")]), [1]);
        assert_eq!(names(&[("a", "a")]), [] as [usize; 0]);
    }

    #[test]
    fn a_bulk_answer_speaks_to_each_by_itself() {
        let create = Want::Create(json!({"userName": "a@corp.example"}));
        let reply = json!({"Operations": [
            {"bulkId": "n1", "status": "409", "response": {"scimType": "uniqueness", "detail": "taken"}},
            {"bulkId": "n0", "status": "201", "location": "https://x/Users/7"},
            {"bulkId": "n2", "status": 201, "response": {"id": "9", "userName": "A@corp.example"}},
            {"bulkId": "n3", "status": "503"},
        ]});
        let of = |index| bulk_answer(&reply, "/Users", index, &create);
        assert_eq!(of(0), Some(Answer::Unseen));
        assert!(matches!(of(1), Some(Answer::Refused { status: Some(409), .. })));
        assert!(matches!(of(2), Some(Answer::Done(_))));
        assert!(matches!(of(3), Some(Answer::Unknown(_))));
        assert_eq!(of(4), None);
    }
}
