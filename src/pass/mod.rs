//! One pass: the line from the directory to the account store, on one screen.
//!
//! [`preview`] is the line up to `clear` and writes nothing; [`run`] is the same line to its end. `&mut World` makes sure
//! that there is one pass at a time.
//!
//! Deliberately absent: a clock of its own (times come from [`World::now`]), any word about dry runs, any retry.

mod apply;
mod ask;
mod halt;
mod reading;
mod recover;
mod report;
mod tell;

#[cfg(test)]
mod crossing_tests;

pub use crate::halt::Halt;
pub use ask::{ApproveError, Released, approve, explain, history, named_in};
use halt::or_answer;
pub use reading::Kept;
pub use report::{Report, ReportedChange, Status};
pub use tell::{Said, tell};

use crate::accounts::{AccountStore, AccountsError, Sought};
use crate::decide::{Adoption, Cleared, DesiredSet, Plan, Roster, adopt, clear, desire, inherit, plan};
use crate::directory::{Directory, DirectoryError};
use crate::model::{
    Counts, Email, Fact, HeldNote, Limits, Memory, ObjectGuid, Observed, Origin, PassId, PassRecord, PassResult, Rules,
    Settlement, StoreKind, Tiers, Timestamp, Wanted, Warning, WarningKind,
};
use crate::state::{Closing, SETTLE_MAX, StateError, StateStore};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;

/// Everything a pass works on.
pub struct World<D, A, S> {
    /// Where people and groups are read from.
    pub directory: D,
    /// Where seats live.
    pub accounts: A,
    /// What is remembered between passes.
    pub state: S,
    /// Who gets what.
    pub rules: Rules,
    /// What holds a plan back.
    pub limits: Limits,
    /// The time, asked for once a pass.
    pub now: fn() -> Timestamp,
    /// Whether to stop: a pass then ends as soon as nothing can be lost by it.
    pub halt: Halt,
    /// What the last pass left in memory.
    pub kept: Kept,
}

/// What a pass is asked to do beyond the usual.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// List the account store as well and repair drift.
    pub audit: bool,
    /// Only for this person (e-mail, account name, DN or GUID); the limits are those of the whole plan.
    pub only: Option<String>,
    /// Go on only if the plan is exactly this one.
    pub expect: Option<String>,
}

/// Where a pass is, for whoever waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Loading what is remembered.
    Remembering,
    /// Asking the account store about intents whose answer is not known.
    Recovering {
        /// How many.
        open: usize,
    },
    /// Reading the directory.
    Reading,
    /// Listing the account store.
    Auditing,
    /// Resolving groups and comparing.
    Deciding,
    /// Sending changes.
    Applying {
        /// How many have an answer.
        done: usize,
        /// Of how many.
        of: usize,
    },
}

/// Where the steps of a pass are told.
pub type Watch<'a> = &'a (dyn Fn(Step) + Sync);

/// Why there was no pass.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The directory gave no reading.
    #[error("the directory was not read, nothing was changed: {0}")]
    Directory(#[from] DirectoryError),
    /// The account store did not answer before anything was sent.
    #[error("the account store did not answer, nothing was changed: {0}")]
    Accounts(#[from] AccountsError),
    /// The state cannot be used.
    #[error("nothing was changed: {0}")]
    State(#[from] StateError),
    /// The state broke after changes were sent.
    #[error(
        "changes were sent and not all answers could be kept: {0}. Nothing is lost: what was sent is written down, and the \
         next pass asks the account store what became of it"
    )]
    Unrecorded(#[source] StateError),
    /// The account store has lost everybody, or is another one.
    #[error(
        "the account store has not one account, though {confirmed} seats were confirmed there; nothing was changed. Is it \
         the right one (path, account)? To seat everybody anew in it: seatsync sync --audit"
    )]
    StoreEmptied {
        /// Active seats of the snapshot.
        confirmed: usize,
    },
    /// Nobody fits the name given.
    #[error("nobody in the directory or the snapshot is {0:?}: give an e-mail, a sAMAccountName, a DN or a GUID")]
    Nobody(String),
    /// Somebody asked to stop before anything was sent: no failure.
    #[error("told to stop; nothing was changed")]
    Halted,
    /// The plan is not the one expected.
    #[error("the world moved since that plan was made, nothing was changed: make a new plan and look at it")]
    Moved {
        /// The plan as it is now.
        now: Box<Preview>,
    },
}

/// What a pass would do, and everything it is decided from.
#[derive(Debug)]
pub struct Preview {
    /// Names the pass.
    pub id: PassId,
    /// When it began.
    pub at: Timestamp,
    /// The directory, nesting resolved.
    pub roster: Arc<Roster>,
    /// What everybody should hold.
    pub desired: DesiredSet,
    /// What to change, and what of it is held.
    pub cleared: Cleared,
    /// What is remembered, with what the account store said since.
    pub memory: Memory,
    /// What an operator should look at.
    pub warnings: Vec<Warning>,
    /// What the account store said that is not written down yet.
    learned: Vec<Settlement>,
    /// What kind of account it is, and whether it can follow a changed address.
    kind: StoreKind,
    renames: bool,
    /// The configured tiers, to tell losses from gains.
    tiers: Tiers,
    /// People whose open intents could not be looked up: left out of the plan.
    unresolved: usize,
    /// Whether the plan is of some people only.
    scoped: bool,
    /// Whether people outside the scope have changes due.
    rest_due: bool,
    /// What the guards hold in the whole plan, whatever the scope.
    held: Option<HeldNote>,
}

impl Preview {
    /// The numbers of this plan before anything is done.
    pub fn counts(&self) -> Counts {
        Counts {
            people: self.roster.people().len(),
            seated: self.desired.seated(),
            changes: self.cleared.go().len() + self.cleared.held().len(),
            held: self.cleared.held().len(),
            failed: 0,
        }
    }

    /// Whether nothing is left to do, for anybody.
    pub fn in_sync(&self) -> bool {
        self.counts().changes == 0 && !self.rest_due && self.unresolved == 0
    }
}

/// What would be done now. Writes nothing.
///
/// # Errors
/// See [`PassError`]; in every case nothing was changed.
pub async fn preview<D: Directory, A: AccountStore, S: StateStore>(
    world: &mut World<D, A, S>,
    request: &Request,
    watch: Watch<'_>,
) -> Result<Preview, PassError> {
    preview_with(world, request, request.only.as_slice(), watch).await
}

/// As [`preview`], with these people in the roster whether they are concerned or not.
async fn preview_with<D: Directory, A: AccountStore, S: StateStore>(
    world: &mut World<D, A, S>,
    request: &Request,
    names: &[String],
    watch: Watch<'_>,
) -> Result<Preview, PassError> {
    let at = (world.now)();
    survey(world, request, names, PassId::new(at, salt()), at, watch).await
}

/// Does what is to be done, and records how it went.
///
/// # Errors
/// See [`PassError`]; nothing was changed in the account store, but for [`PassError::Unrecorded`].
pub async fn run<D: Directory, A: AccountStore, S: StateStore>(
    world: &mut World<D, A, S>,
    request: &Request,
    watch: Watch<'_>,
) -> Result<Report, PassError> {
    let at = (world.now)();
    let id = PassId::new(at, salt());
    let mut surveyed = match survey(world, request, request.only.as_slice(), id.clone(), at, watch).await {
        Ok(preview) if request.expect.as_deref().is_none_or(|wanted| wanted == preview.cleared.fingerprint()) => {
            preview
        }
        Ok(preview) => return Err(PassError::Moved { now: Box::new(preview) }),
        Err(error) => {
            record_failure(world, id, at, &error).await;
            return Err(error);
        }
    };
    for learned in surveyed.learned.chunks(SETTLE_MAX) {
        world.state.settle(learned).await?;
    }
    let journaled = apply::journal(&mut world.state, &surveyed).await?;
    let (outcomes, facts) = apply::carry_out(world, journaled, watch).await?;
    for (guid, fact) in &facts {
        surveyed.memory.snapshot.learn(*guid, fact);
    }
    // What was done may have made room for more, such as an address that somebody waits for: then this is not the end.
    // Nothing is asked of anybody any more: an error now would say that nothing was changed.
    let more_due = !facts.is_empty() && {
        let Preview { roster, memory, kind, renames, .. } = &surveyed;
        !decide(roster, &world.rules, memory, *kind, *renames, at).1.changes().is_empty()
    };
    let took_ms = u64::try_from((world.now)().duration_since(at).as_millis()).unwrap_or(0);
    let (report, closing) = report::close(surveyed, &outcomes, more_due, took_ms, (world.now)());
    let unrecorded = |error| if outcomes.is_empty() { PassError::State(error) } else { PassError::Unrecorded(error) };
    world.state.finish(&closing).await.map_err(unrecorded)?;
    Ok(report)
}

/// The line up to `clear`.
async fn survey<D: Directory, A: AccountStore, S: StateStore>(
    world: &mut World<D, A, S>,
    request: &Request,
    names: &[String],
    id: PassId,
    at: Timestamp,
    watch: Watch<'_>,
) -> Result<Preview, PassError> {
    watch(Step::Remembering);
    let mut memory = world.state.load().await?;
    watch(Step::Recovering { open: memory.open.len() });
    let looked = recover::look_again(&mut world.accounts, &memory.open, &id, at);
    let recovered = or_answer(&world.halt, looked).await?;
    let mut learned = Vec::new();
    learn(&mut memory, &mut learned, recovered.settled);
    let mut warnings = recovered.warnings;
    if let Origin::Rebuilt(why) = &memory.origin {
        let message =
            format!("{why}; what is known comes from the account store, and all losses are held until approved");
        warnings.push(Warning::new(WarningKind::StateRebuilt, "state", message));
    }
    let confirmed = memory.snapshot.held();
    if confirmed > 0
        && !request.audit
        && memory.origin == Origin::Known
        && or_answer(&world.halt, world.accounts.is_empty()).await??
    {
        return Err(PassError::StoreEmptied { confirmed });
    }

    let is_thorough = request.audit || memory.origin != Origin::Known;
    // Whose an account is, its address and its identity tell: whoever has them is asked for by name in the very first pass,
    // which need not read everybody for it.
    let is_first = memory.origin == Origin::Fresh && !request.audit;
    let listed = if is_first { Some(list(world, watch).await?) } else { None };
    let owners = listed.iter().flatten().flat_map(names_of);
    let names: Vec<String> = names.iter().cloned().chain(owners).collect();

    watch(Step::Reading);
    let whole = is_thorough && !is_first;
    let wanted = Wanted { rules: &world.rules, memory: &memory, names: &names, whole };
    let read = reading::roster(&mut world.directory, &mut world.kept, &wanted);
    let roster = or_answer(&world.halt, read).await??;

    if is_thorough {
        let observed = match listed {
            Some(listed) => listed,
            None => list(world, watch).await?,
        };
        let adopted = adopt(&observed, &roster, &memory.snapshot, at);
        take_in(&mut memory, &mut learned, &mut warnings, adopted);
    }
    let inherited = inherit(&roster, &memory.snapshot, &world.rules, at);
    take_in(&mut memory, &mut learned, &mut warnings, inherited);

    watch(Step::Deciding);
    let kind = or_answer(&world.halt, world.accounts.kind()).await??;
    let renames = world.accounts.renames();
    let (mut desired, mut planned) = decide(&roster, &world.rules, &memory, kind, renames, at);
    // Who is waited for (invited, or not yet registered) may have arrived since: one look, so that nobody waits for
    // the next audit. After a listing that look has been had.
    if !is_thorough && !planned.waiting().is_empty() {
        let look = look_for(&mut world.accounts, &planned, &memory);
        let arrived = or_answer(&world.halt, look).await??;
        if !arrived.is_empty() {
            learn(&mut memory, &mut learned, arrived);
            (desired, planned) = decide(&roster, &world.rules, &memory, kind, renames, at);
        }
    }
    warnings.extend(roster.warnings().iter().cloned());
    warnings.extend(desired.warnings().iter().cloned());
    let planned = planned.without(&recovered.unresolved);
    let cleared = clear(planned, &desired, &world.rules, &world.limits, &memory, at);

    let whole = cleared.go().len() + cleared.held().len();
    let held = cleared.held_note(memory.held.as_ref(), at);
    let cleared = match &request.only {
        None => cleared,
        Some(who) => cleared.only(&resolve(who, &roster, &memory).ok_or_else(|| PassError::Nobody(who.clone()))?),
    };
    warnings.extend(cleared.warnings().iter().cloned());
    let rest_due = cleared.go().len() + cleared.held().len() < whole;
    let unresolved = recovered.unresolved.len();
    let scoped = request.only.is_some();
    let tiers = world.rules.order();
    // Nothing is written yet: it is the last moment at which a pass leaves no trace.
    if world.halt.is_asked() {
        return Err(PassError::Halted);
    }
    Ok(Preview {
        id,
        at,
        roster,
        desired,
        cleared,
        memory,
        warnings,
        learned,
        kind,
        renames,
        tiers,
        unresolved,
        scoped,
        rest_due,
        held,
    })
}

/// Every account of the store.
async fn list<D: Directory, A: AccountStore, S: StateStore>(
    world: &mut World<D, A, S>,
    watch: Watch<'_>,
) -> Result<Vec<Observed>, PassError> {
    watch(Step::Auditing);
    Ok(or_answer(&world.halt, world.accounts.list()).await??)
}

/// By what the owner of an account may be known in the directory.
fn names_of(account: &Observed) -> impl Iterator<Item = String> {
    let identity = account.external.map(|guid| guid.to_string());
    identity.into_iter().chain([account.email.as_str().to_owned()])
}

/// The pure middle of the line.
fn decide(
    roster: &Roster,
    rules: &Rules,
    memory: &Memory,
    kind: StoreKind,
    renames: bool,
    at: Timestamp,
) -> (DesiredSet, Plan) {
    let desired = desire(roster, rules, memory, at);
    let planned = plan(&desired, &memory.snapshot, rules, kind, renames);
    (desired, planned)
}

/// Facts into the memory of this pass, and onto the list of what is to be written.
fn learn(memory: &mut Memory, learned: &mut Vec<Settlement>, settled: Vec<Settlement>) {
    for settlement in settled {
        memory.snapshot.learn(settlement.guid, &settlement.fact);
        learned.push(settlement);
    }
}

fn take_in(memory: &mut Memory, learned: &mut Vec<Settlement>, warnings: &mut Vec<Warning>, adoption: Adoption) {
    warnings.extend(adoption.warnings);
    let settled = adoption.facts.into_iter().map(|(guid, fact)| observation(guid, fact)).collect();
    learn(memory, learned, settled);
}

/// A fact that nobody's action brought about.
fn observation(guid: ObjectGuid, fact: Fact) -> Settlement {
    Settlement { guid, fact, closes_intent: false, entry: None }
}

/// Looks for the people the plan waits for; gives those whose account is not as the snapshot says.
async fn look_for<A: AccountStore>(
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

/// Whom a name given by an operator means: in the directory, or in the snapshot when gone from there.
pub fn resolve(who: &str, roster: &Roster, memory: &Memory) -> Option<HashSet<ObjectGuid>> {
    let mut found: HashSet<ObjectGuid> = roster.find(who).iter().map(|person| person.guid).collect();
    let by_guid = ObjectGuid::parse(who);
    let by_email = Email::parse(who);
    found.extend(
        memory
            .snapshot
            .iter()
            .filter(|(guid, holding)| by_guid == Some(**guid) || by_email.as_ref() == Some(&holding.email))
            .map(|(guid, _)| *guid),
    );
    (!found.is_empty()).then_some(found)
}

/// Keeps a line about a pass that came to no plan. A state that cannot take it has already been complained about, and a
/// pass that was told to stop has not failed.
async fn record_failure<D, A, S: StateStore>(world: &mut World<D, A, S>, id: PassId, at: Timestamp, error: &PassError) {
    if matches!(error, PassError::State(_) | PassError::Halted) {
        return;
    }
    let took_ms = u64::try_from((world.now)().duration_since(at).as_millis()).unwrap_or(0);
    let record = PassRecord {
        id,
        at,
        took_ms,
        result: PassResult::Failed,
        reason: Some(error.to_string()),
        counts: Counts::default(),
    };
    let closing = Closing { record, good: None, whole: false, groups: None, absent: None, approvals: None, held: None };
    if let Err(error) = world.state.finish(&closing).await {
        tracing::error!("the failed pass could not be recorded: {error}");
    }
}

/// Tells passes of the same second apart; not a secret.
fn salt() -> u16 {
    let bytes = *uuid::Uuid::new_v4().as_bytes();
    u16::from_be_bytes([bytes[0], bytes[1]])
}
