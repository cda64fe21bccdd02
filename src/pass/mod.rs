//! One pass: the line from the directory to the account store, on one screen.
//!
//! [`preview`] is the line up to `clear` and writes nothing; [`run`] is the same line to its end. `&mut World` makes sure
//! that there is one pass at a time.
//!
//! Deliberately absent: a clock of its own (times come from [`World::now`]), any word about dry runs, any retry.

mod apply;
mod ask;
mod halt;
mod kept;
mod look;
mod reading;
mod recover;
mod report;
mod rest;
mod tell;

#[cfg(test)]
mod crossing_tests;

pub use crate::halt::Halt;
pub use ask::{ApproveError, Released, approve, explain, history, named_in};
use halt::or_answer;
pub use kept::{Kept, recall};
pub use report::{Report, ReportedChange, Status};
pub use tell::{Said, tell};

use crate::accounts::{AccountStore, AccountsError};
use crate::decide::{Adoption, Cleared, DesiredSet, Plan, Roster, adopt, clear, desire, inherit, plan};
use crate::directory::{Directory, DirectoryError};
use crate::model::{
    Counts, Email, Fact, HeldNote, Limits, Memory, ObjectGuid, Origin, PassId, PassRecord, PassResult, Rules,
    Settlement, Shown, StoreKind, Tiers, Timestamp, Warning, WarningKind,
};
use crate::state::{Closing, SETTLE_MAX, StateError, StateStore, finished, settled};
use look::{Scene, guard_emptied, list, look, look_for, see, vouch};
use rest::Rest;
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
    pub memory: Arc<Memory>,
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
    /// Whether anybody is waited for.
    waits: bool,
    /// Whether a warning is about this pass alone: what became of open intents, or of following the directory.
    said_once: bool,
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
    let id = PassId::new(at, salt());
    let mut scene = look(world, request, names, true, &id, at, watch).await?;
    let rest = scene.rest.take();
    let preview = survey(world, request, id, at, scene, watch).await?;
    // What was learnt by it stands in no state.
    if preview.learned.is_empty() {
        world.kept.keep(preview.memory.clone(), rest);
    }
    Ok(preview)
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
    let mut surveyed = match prepare(world, request, id.clone(), at, watch).await {
        Ok(Prepared::Nothing(memory, rest)) => return stay(world, id, at, memory, rest).await,
        Ok(Prepared::Plan(preview))
            if request.expect.as_deref().is_none_or(|it| it == preview.cleared.fingerprint()) =>
        {
            preview
        }
        Ok(Prepared::Plan(preview)) => return Err(PassError::Moved { now: preview }),
        Err(error) => {
            record_failure(world, id, at, &error).await;
            return Err(error);
        }
    };
    for learned in surveyed.learned.chunks(SETTLE_MAX) {
        world.state.settle(learned).await?;
    }
    let journaled = apply::journal(&mut world.state, &surveyed).await?;
    // From here on the memory goes along with what is written. Nobody else has it, so that it is not copied.
    let memory = Arc::make_mut(&mut surveyed.memory);
    settled(memory, &surveyed.learned);
    let (outcomes, answered) = apply::carry_out(world, journaled, memory, watch).await?;
    // What was done may have made room for more, such as an address that somebody waits for: then this is not the end.
    // Nothing is asked of anybody any more: an error now would say that nothing was changed.
    let more_due = answered > 0 && {
        let Preview { roster, memory, kind, renames, .. } = &*surveyed;
        !decide(roster, &world.rules, memory, *kind, *renames, at).1.changes().is_empty()
    };
    let took_ms = u64::try_from((world.now)().duration_since(at).as_millis()).unwrap_or(0);
    let (report, closing) = report::close(&surveyed, &outcomes, more_due, took_ms, (world.now)());
    let rest = Rest::after(world, request, &surveyed, &report, &closing);
    let closing = Arc::new(closing);
    let unrecorded = |error| if outcomes.is_empty() { PassError::State(error) } else { PassError::Unrecorded(error) };
    world.state.finish(&closing).await.map_err(unrecorded)?;
    finished(Arc::make_mut(&mut surveyed.memory), Arc::unwrap_or_clone(closing));
    world.kept.keep(surveyed.memory, rest);
    Ok(report)
}

/// What is to be done.
enum Prepared {
    /// Nothing, as in the pass before, from which nothing has changed.
    Nothing(Arc<Memory>, Box<Rest>),
    /// Whatever the plan says.
    Plan(Box<Preview>),
}

/// The line up to `clear`, or as far as it takes to see that it leads to nothing.
async fn prepare<D: Directory, A: AccountStore, S: StateStore>(
    world: &mut World<D, A, S>,
    request: &Request,
    id: PassId,
    at: Timestamp,
    watch: Watch<'_>,
) -> Result<Prepared, PassError> {
    let mut scene = look(world, request, request.only.as_slice(), false, &id, at, watch).await?;
    match scene.rest.take().filter(|rest| rest.holds(world, request, &scene.roster, at)) {
        Some(_) if world.halt.is_asked() => Err(PassError::Halted),
        Some(rest) => Ok(Prepared::Nothing(Arc::new(scene.memory), rest)),
        None => Ok(Prepared::Plan(Box::new(survey(world, request, id, at, scene, watch).await?))),
    }
}

/// Ends a pass in which nothing has changed.
async fn stay<D, A, S: StateStore>(
    world: &mut World<D, A, S>,
    id: PassId,
    at: Timestamp,
    mut memory: Arc<Memory>,
    rest: Box<Rest>,
) -> Result<Report, PassError> {
    let took_ms = u64::try_from((world.now)().duration_since(at).as_millis()).unwrap_or(0);
    let report = Report { id, at, took_ms, ..rest.report().clone() };
    let closing = Arc::new(report::close_unchanged(&report, (world.now)()));
    world.state.finish(&closing).await?;
    finished(Arc::make_mut(&mut memory), Arc::unwrap_or_clone(closing));
    world.kept.keep(memory, Some(rest));
    Ok(report)
}

/// The line from the roster up to `clear`.
async fn survey<D: Directory, A: AccountStore, S: StateStore>(
    world: &mut World<D, A, S>,
    request: &Request,
    id: PassId,
    at: Timestamp,
    scene: Scene,
    watch: Watch<'_>,
) -> Result<Preview, PassError> {
    let Scene { mut memory, rest: _, recovered, mut learned, roster, is_thorough, listed, confirmed, kind: seen } =
        scene;
    let said_once = !recovered.warnings.is_empty();
    let mut warnings = recovered.warnings;
    if let Origin::Rebuilt(why) = &memory.origin {
        let message =
            format!("{why}; what is known comes from the account store, and all losses are held until approved");
        warnings.push(Warning::new(WarningKind::StateRebuilt, "state", message));
    }
    if is_thorough {
        let mut observed = match listed {
            Some(listed) => listed,
            None => list(world, watch).await?,
        };
        let vouched = vouch(&mut world.accounts, &observed, &memory);
        observed.extend(or_answer(&world.halt, vouched).await??);
        let adopted = adopt(&observed, &roster, &memory.snapshot, at);
        take_in(&mut memory, &mut learned, &mut warnings, adopted);
    }
    let inherited = inherit(&roster, &memory.snapshot, &world.rules, at);
    take_in(&mut memory, &mut learned, &mut warnings, inherited);

    watch(Step::Deciding);
    let mut kind = match seen {
        Some(kind) => kind,
        None => see(world, at).await?,
    };
    let mut renames = world.accounts.renames();
    let (mut desired, mut planned) = decide(&roster, &world.rules, &memory, kind, renames, at);
    // Of an account store that was seen a while ago nothing is taken for granted as soon as there is anything to do.
    let is_idle = planned.changes().is_empty() && planned.waiting().is_empty() && learned.is_empty();
    if seen.is_some() && !is_idle {
        guard_emptied(world, request, &memory.origin, confirmed).await?;
        let now = (see(world, at).await?, world.accounts.renames());
        if now != (kind, renames) {
            (kind, renames) = now;
            (desired, planned) = decide(&roster, &world.rules, &memory, kind, renames, at);
        }
    }
    // Who is waited for (invited, or not yet registered) may have arrived since: one look, so that nobody waits for
    // the next audit. After a listing that look has been had.
    let waits = !planned.waiting().is_empty();
    if !is_thorough && waits {
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
        memory: Arc::new(memory),
        warnings,
        learned,
        kind,
        renames,
        tiers,
        unresolved,
        scoped,
        rest_due,
        waits,
        said_once,
        held,
    })
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
    let planned = plan(&desired, memory, rules, kind, renames);
    (desired, planned)
}

/// Facts into the memory of this pass, and onto the list of what is to be written.
fn learn(memory: &mut Memory, learned: &mut Vec<Settlement>, settlements: Vec<Settlement>) {
    for settlement in settlements {
        memory.learn(&settlement);
        learned.push(settlement);
    }
}

fn take_in(memory: &mut Memory, learned: &mut Vec<Settlement>, warnings: &mut Vec<Warning>, adoption: Adoption) {
    warnings.extend(adoption.warnings);
    let observations = adoption.facts.into_iter().map(|(guid, fact)| observation(guid, fact)).collect();
    learn(memory, learned, observations);
}

/// A fact that nobody's action brought about.
fn observation(guid: ObjectGuid, fact: Fact) -> Settlement {
    Settlement { guid, fact, closes_intent: false, entry: None, details: Shown::AsBefore }
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
    if let Err(error) = world.state.finish(&closing.into()).await {
        tracing::error!("the failed pass could not be recorded: {error}");
    }
}

/// Tells passes of the same second apart; not a secret.
fn salt() -> u16 {
    let bytes = *uuid::Uuid::new_v4().as_bytes();
    u16::from_be_bytes([bytes[0], bytes[1]])
}
