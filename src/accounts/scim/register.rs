//! The tier groups at the server: found by name, read with their members, and changed, member by member.
//!
//! Changes of one group go one after the other: a server that reads a group, changes it and writes it back would lose one of two
//! at the same time.

use super::Terms;
use super::abilities::Abilities;
use super::call::Call;
use super::client::Client;
use super::groups::{Groups, MEMBERS_MAX, Membership, Roll, TierGroup, change, is_called, key, members, named};
use super::messages::Page;
use super::paging::{Odd, Walk};
use crate::accounts::reach::failure::Failure;
use crate::model::{Tier, UserId};
use serde_json::Value;
use std::sync::Arc;

/// How often it is tried to put somebody back.
const PUT_BACK_MAX: usize = 3;
/// How often a list of groups is begun that changes while it is read.
const READS_MAX: usize = 3;

/// The group of each tier.
///
/// # Errors
/// In words, where a tier has none, or several; groups are made by people.
pub(super) async fn find(
    client: &Arc<Client>,
    abilities: &Abilities,
    values: &[(Tier, String)],
) -> Result<Vec<TierGroup>, Failure> {
    let mut found: Vec<Option<Vec<Value>>> = vec![None; values.len()];
    if abilities.filter {
        let calls = values.iter().map(|(_, value)| Ok(Call::groups_named(&abilities.groups, value))).collect();
        let answers: Vec<Result<Value, Failure>> = client.ask_all(calls).await;
        for ((place, (_, value)), answer) in found.iter_mut().zip(values).zip(answers) {
            match answer {
                Ok(body) => *place = right(&body, value),
                Err(failure) if failure.is_absence() => {}
                Err(failure) => return Err(failure),
            }
        }
    }
    // A filter that gives others than those asked for is none.
    let all = match found.iter().all(Option::is_some) {
        true => Vec::new(),
        false => list(client, abilities).await?,
    };
    let of = |(place, (_, value)): (Option<Vec<Value>>, &(Tier, String))| {
        named(value, &place.unwrap_or_else(|| all.clone())).map_err(Failure::refused_here)
    };
    found.into_iter().zip(values).map(of).collect()
}

/// The groups of an answer to a filter; `None` where it is no answer to that.
fn right(body: &Value, value: &str) -> Option<Vec<Value>> {
    let Page { resources, total, next_cursor } = Page::of(body)?;
    let is_whole = total.is_none_or(|total| total == resources.len()) && next_cursor.is_none();
    (is_whole && resources.iter().all(|group| is_called(group, value))).then_some(resources)
}

/// All groups, without their members.
async fn list(client: &Client, abilities: &Abilities) -> Result<Vec<Value>, Failure> {
    let mut why = String::new();
    for _ in 0..READS_MAX {
        match list_once(client, abilities).await? {
            Ok(groups) => return Ok(groups),
            Err(Odd::Changed(changed)) => why = changed,
            Err(Odd::Broken(broken)) => return Err(odd_list(client, &broken)),
        }
    }
    Err(odd_list(client, &why))
}

async fn list_once(client: &Client, abilities: &Abilities) -> Result<Result<Vec<Value>, Odd>, Failure> {
    let mut walk = Walk::of(abilities.paging, "group");
    let mut groups = Vec::new();
    let mut ask = walk.first();
    loop {
        let call = Call::page_of_groups(&abilities.groups, &ask, abilities.page_max);
        let body: Value = client.ask(&call).await.map_err(|failure| match failure.is_absence() {
            true => Failure::refused_here(format!("tier_in = \"group\", and this server gives no groups: {failure}")),
            false => failure,
        })?;
        let Some(Page { resources, total, next_cursor }) = Page::of(&body) else {
            return Ok(Err(Odd::Broken("what came is no list of groups; is base_url right?".to_owned())));
        };
        let keys: Vec<UserId> = resources.iter().filter_map(key).collect();
        if keys.len() < resources.len() {
            return Ok(Err(Odd::Broken("it lists a group without an id".to_owned())));
        }
        let (next, counts) = match walk.take(&keys, total, next_cursor) {
            Ok(taken) => taken,
            Err(odd) => return Ok(Err(odd)),
        };
        if counts {
            groups.extend(resources);
        }
        match next {
            Some(next) => ask = next,
            None => return Ok(Ok(groups)),
        }
    }
}

fn odd_list(client: &Client, why: &str) -> Failure {
    let message = format!(
        "the list of groups at {} cannot be used: {why}. Nothing of it was used; if it stays so, the account store has a fault",
        client.base()
    );
    Failure::Undone { message }
}

/// Who is in which of these groups; asks nothing where tiers are no groups.
pub(super) async fn roll(client: &Arc<Client>, abilities: &Abilities, groups: &Groups) -> Result<Roll, Failure> {
    let calls = groups.tiers.iter().map(|group| Call::group(&abilities.groups, &group.id)).collect();
    let answers: Vec<Result<Value, Failure>> = client.ask_all(calls).await;
    let body = |(group, answer): (&TierGroup, Result<Value, Failure>)| {
        answer.map_err(|failure| match failure.status() {
            Some(404 | 410) => Failure::Undone {
                message: format!(
                    "group {:?} of the account store is not there any more; the next pass looks for it anew",
                    group.value
                ),
            },
            _ => failure,
        })
    };
    let bodies = groups.tiers.iter().zip(answers).map(body).collect::<Result<Vec<Value>, Failure>>()?;
    Roll::of(groups, &bodies).map_err(|message| Failure::Undone { message })
}

/// Lets members come and go, as many in one request as a server takes; one answer a membership, in the same order. What a server
/// refuses of several is tried one by one.
pub(super) async fn carry_members(
    client: &Client,
    terms: &Terms,
    removals: &mut Removals,
    memberships: &[Membership],
) -> Vec<Result<(), Failure>> {
    let unsaid = || Err(Failure::Unknown { message: "the account store did not say what became of it".to_owned() });
    let mut answers: Vec<Result<(), Failure>> = memberships.iter().map(|_| unsaid()).collect();
    for indices in batches(memberships) {
        let of = |indices: &[usize]| indices.iter().filter_map(|index| memberships.get(*index)).collect::<Vec<_>>();
        let answer = send(client, terms, removals, &of(&indices)).await;
        // One that is refused must not cost the others.
        let is_divisible = |failure: &Failure| matches!(failure.status(), Some(400 | 404 | 409 | 413 | 422 | 501));
        let is_divided = indices.len() > 1 && answer.as_ref().is_err_and(is_divisible);
        for index in indices {
            let answer = match is_divided {
                true => send(client, terms, removals, &of(&[index])).await,
                false => answer.clone(),
            };
            answers.get_mut(index).into_iter().for_each(|place| *place = answer.clone());
        }
    }
    answers
}

/// Which go in one request: of one group, in one direction. Who is named by a value goes alone.
fn batches(memberships: &[Membership]) -> Vec<Vec<usize>> {
    let mut batches: Vec<(&Membership, Vec<usize>)> = Vec::new();
    for (index, one) in memberships.iter().enumerate() {
        let is_alike = |(first, indices): &&mut (&Membership, Vec<usize>)| {
            let is_plain = one.comes || one.by_filter;
            is_plain
                && (&first.of, first.comes, first.by_filter) == (&one.of, one.comes, one.by_filter)
                && indices.len() < MEMBERS_MAX
        };
        match batches.iter_mut().rev().find(is_alike) {
            Some((_, indices)) => indices.push(index),
            None => batches.push((one, vec![index])),
        }
    }
    batches.into_iter().map(|(_, indices)| indices).collect()
}

/// One request for these, who are of one group and one direction.
async fn send(
    client: &Client,
    terms: &Terms,
    removals: &mut Removals,
    memberships: &[&Membership],
) -> Result<(), Failure> {
    let Some(Membership { of, user: _, comes, by_filter }) = memberships.first() else { return Ok(()) };
    let is_tried = *by_filter && matches!(removals, Removals::ByFilter);
    if !(*comes || is_tried) {
        return without_others(client, terms, removals, memberships).await;
    }
    let users: Vec<&UserId> = memberships.iter().map(|one| &one.user).collect();
    let call = Call::members(&terms.abilities.groups, id_of(terms, of)?, &change(*comes, *by_filter, &users))?;
    client.ask::<Value>(&call).await.map(drop)
}

fn id_of<'t>(terms: &'t Terms, value: &str) -> Result<&'t UserId, Failure> {
    let unknown = || Failure::refused_here(format!("no group {value:?} is known; nothing was sent"));
    terms.groups.id(value).ok_or_else(unknown)
}

/// Whether people may be taken out of groups.
#[derive(Debug, Default)]
pub(super) enum Removals {
    /// As far as anybody knows.
    #[default]
    Untried,
    /// By a filter it was seen that nobody else went.
    ByFilter,
    /// Others went along; in words.
    TakeOthers(String),
}

/// Takes some out, and sees that nobody else goes: the first time by a filter, and each time by a value. That the protocol does not
/// know: to a server that overlooks the value, or the filter, it means "all members". So the members are read before and after,
/// and who went along, or is not seen any more, comes back at once.
async fn without_others(
    client: &Client,
    terms: &Terms,
    removals: &mut Removals,
    memberships: &[&Membership],
) -> Result<(), Failure> {
    let Some(Membership { of, by_filter, .. }) = memberships.first() else { return Ok(()) };
    if let Removals::TakeOthers(why) = removals {
        return Err(Failure::refused_here(format!("not sent: {why}")));
    }
    let (groups, id) = (&terms.abilities.groups, id_of(terms, of)?);
    let users: Vec<&UserId> = memberships.iter().map(|one| &one.user).collect();
    let read = async || {
        let body: Value = client.ask(&Call::group(groups, id)?).await?;
        Ok::<_, Failure>(members(&body).map(|members| members.collect::<Vec<UserId>>()).unwrap_or_default())
    };
    let before = read().await?;
    let is_seen = users.iter().all(|user| before.contains(user));
    if !is_seen && !by_filter {
        return Err(Failure::refused_here(format!(
            "the account store understands no path with a filter and does not show who is in group {of:?}, so that nobody \
             could see who goes: nothing was sent; take the user out there by hand"
        )));
    }
    let answer = client.ask::<Value>(&Call::members(groups, id, &change(false, *by_filter, &users))?).await;
    if *by_filter && answer.as_ref().is_err_and(|failure| matches!(failure.status(), Some(400..500))) {
        return answer.map(drop);
    }
    let after = read().await;
    let is_there = |member: &UserId| after.as_ref().is_ok_and(|after| after.contains(member));
    let lost: Vec<&UserId> = before.iter().filter(|member| !users.contains(member) && !is_there(member)).collect();
    if lost.is_empty() {
        after?;
        if *by_filter && is_seen && answer.is_ok() {
            *removals = Removals::ByFilter;
        }
        return answer.map(drop);
    }
    let mut out = Vec::new();
    for back in lost.chunks(MEMBERS_MAX) {
        let call = Call::members(groups, id, &change(true, true, back))?;
        let mut answer = client.ask::<Value>(&call).await;
        for _ in 1..PUT_BACK_MAX {
            if answer.is_err() {
                answer = client.ask::<Value>(&call).await;
            }
        }
        if answer.is_err() {
            out.extend(back.iter().map(|user| user.to_string()));
        }
    }
    let back = match out.as_slice() {
        [] => "they were put back".to_owned(),
        out => format!(
            "users {} COULD NOT BE PUT BACK: do it there by hand, or with seatsync sync --audit",
            out.join(", ")
        ),
    };
    let why = format!(
        "asked to take {} out of group {of:?}, the account store took {} others out with it; {back}. Report that to whoever \
         makes it, and take people out of these groups by hand until then",
        if users.len() == 1 { "one user".to_owned() } else { format!("{} users", users.len()) },
        lost.len()
    );
    *removals = Removals::TakeOthers(why.clone());
    Err(Failure::refused_here(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_filter_that_gives_other_groups_is_no_filter() {
        let of = |body: Value| right(&body, "Full").map(|groups| groups.len());
        assert_eq!(of(json!({"totalResults": 0})), Some(0));
        assert_eq!(of(json!({"totalResults": 1, "Resources": [{"id": "1", "displayName": "full"}]})), Some(1));
        assert_eq!(of(json!({"totalResults": 1, "Resources": [{"id": "1", "displayName": "View"}]})), None);
        assert_eq!(of(json!({"totalResults": 2, "Resources": [{"id": "1", "displayName": "Full"}]})), None);
        assert_eq!(of(json!({"hello": "world"})), None);
    }

    #[test]
    fn as_many_go_in_one_request_as_are_of_one_group_and_direction() {
        let one = |of: &str, user: usize, comes, by_filter| Membership {
            of: of.to_owned(),
            user: UserId::new(&user.to_string()),
            comes,
            by_filter,
        };
        let mut all: Vec<Membership> = (0..MEMBERS_MAX + 1).map(|user| one("Full", user, true, true)).collect();
        all.extend([one("View", 0, false, true), one("Full", 999, true, true), one("View", 1, true, true)]);
        all.extend([one("View", 2, false, false), one("View", 3, false, false), one("View", 4, false, true)]);
        let sizes: Vec<usize> = batches(&all).iter().map(Vec::len).collect();
        assert_eq!(sizes, [MEMBERS_MAX, 2, 2, 1, 1, 1]);
    }
}
