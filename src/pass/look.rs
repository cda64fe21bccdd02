//! What a pass looks at before it decides: the memory, what became of open intents, the directory, and as much of the account
//! store as it takes.
//!
//! The account store is asked whether it still has anybody, and what kind of account it is, before a pass that begins to read
//! the directory anew, before anything is sent or learnt, and else once in a while ([`super::Kept`]). So an account store
//! that was lost or exchanged takes no change, whoever notices first; and where there is nothing to change nobody asks.

use super::recover::{self, Recovered};
use super::rest::Rest;
use super::{PassError, Request, Step, Watch, World, learn, observation, or_answer, reading};
use crate::accounts::{AccountStore, AccountsError, Sought};
use crate::decide::{Plan, Roster};
use crate::directory::Directory;
use crate::model::{
    Fact, Holding, Memory, ObjectGuid, Observed, Origin, PassId, Settlement, StoreKind, Timestamp, UserId, Wanted,
};
use crate::state::StateStore;
use std::collections::HashSet;
use std::sync::Arc;

/// What a pass decides from.
pub(super) struct Scene {
    pub(super) memory: Memory,
    /// What the pass before came to, where the memory is as that left it.
    pub(super) rest: Option<Box<Rest>>,
    pub(super) recovered: Recovered,
    pub(super) learned: Vec<Settlement>,
    pub(super) roster: Arc<Roster>,
    /// Whether everything is to be compared, known or not.
    pub(super) is_thorough: bool,
    /// Every account of the store, where it was listed first.
    pub(super) listed: Option<Vec<Observed>>,
    /// Seats in use before anything was compared.
    pub(super) confirmed: usize,
    /// What kind of account it is, where that has been seen.
    pub(super) kind: Option<StoreKind>,
}

/// The line up to the roster, in which these people are in any case. `is_asked`: somebody is to decide by what comes of it.
pub(super) async fn look<D: Directory, A: AccountStore, S: StateStore>(
    world: &mut World<D, A, S>,
    request: &Request,
    names: &[String],
    is_asked: bool,
    id: &PassId,
    at: Timestamp,
    watch: Watch<'_>,
) -> Result<Scene, PassError> {
    watch(Step::Remembering);
    let (mut memory, rest) = world.kept.take(&mut world.state).await?;
    watch(Step::Recovering { open: memory.open.len() });
    let looked = recover::look_again(&mut world.accounts, &memory.open, id, at);
    let mut recovered = or_answer(&world.halt, looked).await?;
    let mut learned = Vec::new();
    learn(&mut memory, &mut learned, std::mem::take(&mut recovered.settled));
    let is_thorough = request.audit || memory.origin != Origin::Known;
    let confirmed = memory.snapshot.held();
    // Whoever begins anew sees the account store first: while nobody looked it may have become another one.
    let kind = world.kept.seen(at).filter(|_| !is_thorough && world.kept.roster.is_some()).map(|(kind, _)| kind);
    if kind.is_none() {
        guard_emptied(world, request, &memory.origin, confirmed).await?;
    }

    // Whose an account is, its address and its identity tell: so the very first pass knows whom to look for, and need not read
    // everybody.
    let is_first = memory.origin == Origin::Fresh && !request.audit;
    let listed = if is_first { Some(list(world, watch).await?) } else { None };

    watch(Step::Reading);
    let (accounts, whole) = (listed.as_deref().unwrap_or_default(), is_thorough && !is_first);
    let wanted = Wanted { rules: &world.rules, memory: &memory, names, accounts, whole };
    // What is held, or shown to whoever decides, must not be so because a change was not told.
    let anew = is_asked || request.expect.is_some() || memory.held.is_some();
    let read = reading::roster(&mut world.directory, &mut world.kept, &wanted, anew, at);
    let (roster, doubt) = or_answer(&world.halt, read).await??;
    recovered.warnings.extend(doubt);
    Ok(Scene { memory, rest, recovered, learned, roster, is_thorough, listed, confirmed, kind })
}

/// Of confirmed accounts missing in a list so many are asked for that are in use, and so many others: a list that leaves accounts
/// out leaves out more than a few.
const MISSING_ASKED_MAX: usize = 20;

/// Before accounts are taken for gone because a list does not have them, the first of them are asked for by themselves. A list
/// that says that it is complete and leaves out who is there is no list: who is not in it would get a second account, or keep
/// one.
///
/// A product may list only those who can sign in. What is given is to be added to its list: whoever cannot and is there all the
/// same.
pub(super) async fn vouch<A: AccountStore>(
    accounts: &mut A,
    listed: &[Observed],
    memory: &Memory,
) -> Result<Vec<Observed>, AccountsError> {
    let keys: HashSet<&UserId> = listed.iter().map(|observed| &observed.id).collect();
    let missing = memory.snapshot.iter().filter(|(_, holding)| !keys.contains(&holding.id));
    let (held, other): (Vec<_>, Vec<_>) = missing.partition(|(_, holding)| holding.seat.is_held());
    let sought = |(guid, holding): (&ObjectGuid, &Holding)| Sought {
        guid: *guid,
        account: Some(holding.id.clone()),
        email: holding.email.clone(),
    };
    // Some of either kind first, then, as soon as one of them is there, each of the others.
    let (first, rest): (Vec<_>, Vec<_>) = [held, other]
        .into_iter()
        .flat_map(|some| some.into_iter().enumerate())
        .partition(|(at, _)| *at < MISSING_ASKED_MAX);
    let first: Vec<Sought> = first.into_iter().map(|(_, one)| sought(one)).collect();
    let rest: Vec<Sought> = rest.into_iter().map(|(_, one)| sought(one)).collect();
    let mut hidden = Vec::new();
    for some in std::iter::once(first.as_slice()).chain(rest.chunks(2 * MISSING_ASKED_MAX)) {
        let found = if some.is_empty() { Vec::new() } else { accounts.find(some).await? };
        hidden.extend(found.into_iter().flatten().filter(|observed| !keys.contains(&observed.id)));
        if let Some(Observed { id, email, .. }) = hidden.iter().find(|observed| observed.seat.is_held()) {
            let message = format!(
                "the list of all accounts leaves out account {id} ({email}), which is there when asked for alone. Nothing of \
                 the list was used, and nobody was taken for gone; if it stays so, the account store has a fault"
            );
            return Err(AccountsError::Unavailable { message });
        }
        if hidden.is_empty() {
            break;
        }
    }
    Ok(hidden)
}

/// Every account of the store.
pub(super) async fn list<D, A: AccountStore, S>(
    world: &mut World<D, A, S>,
    watch: Watch<'_>,
) -> Result<Vec<Observed>, PassError> {
    watch(Step::Auditing);
    Ok(or_answer(&world.halt, world.accounts.list()).await??)
}

/// An account store without anybody has been lost, or is another one, where seats were confirmed. An audit is how somebody
/// says that it is meant to be so.
pub(super) async fn guard_emptied<D, A: AccountStore, S>(
    world: &mut World<D, A, S>,
    request: &Request,
    origin: &Origin,
    confirmed: usize,
) -> Result<(), PassError> {
    let is_sure = confirmed == 0 || request.audit || *origin != Origin::Known;
    match !is_sure && or_answer(&world.halt, world.accounts.is_empty()).await?? {
        true => Err(PassError::StoreEmptied { confirmed }),
        false => Ok(()),
    }
}

/// Sees what kind of account it is.
pub(super) async fn see<D, A: AccountStore, S>(
    world: &mut World<D, A, S>,
    at: Timestamp,
) -> Result<StoreKind, PassError> {
    let kind = or_answer(&world.halt, world.accounts.kind()).await??;
    world.kept.see(kind, at);
    Ok(kind)
}

/// Looks for the people the plan waits for; gives those whose account is not as the snapshot says.
pub(super) async fn look_for<A: AccountStore>(
    accounts: &mut A,
    planned: &Plan,
    memory: &Memory,
) -> Result<Vec<Settlement>, AccountsError> {
    let sought: Vec<Sought> = planned
        .waiting()
        .iter()
        .map(|(guid, email)| Sought {
            guid: *guid,
            account: memory.snapshot.get(guid).map(|holding| holding.id.clone()),
            email: email.clone(),
        })
        .collect();
    let mut arrived = Vec::new();
    // All in one question: a store that reads its whole list for an answer shall not read it twice.
    for (sought, found) in sought.iter().zip(accounts.find(&sought).await?) {
        let fact = found.map_or(Fact::NoAccount, |observed| Fact::Holds(observed.into()));
        let known = memory.snapshot.get(&sought.guid);
        let news = match &fact {
            Fact::Holds(holding) => known != Some(holding),
            Fact::NoAccount => known.is_some(),
            Fact::Unchanged => false,
        };
        if news {
            arrived.push(observation(sought.guid, fact));
        }
    }
    Ok(arrived)
}
