//! Desired minus confirmed: at most one action a person, each with an absolute target.
//!
//! What an account kind can do is the seat matrix, `for_seated` and `for_unseated`; the rest of this file is about
//! addresses, because an account store knows people by them.

use super::desired::{Desired, DesiredSet, KeepReason, Subject, is_claimed};
use crate::model::{
    Action, Because, Cause, Change, Email, Holding, Memory, ObjectGuid, OnLeave, Person, Rules, Seat, Snapshot,
    StoreKind, Tier, Tiers, Warning, WarningKind,
};
use foldhash::fast::RandomState;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

/// What would be done if nothing were held back.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    changes: Vec<Change>,
    warnings: Vec<Warning>,
    waiting: Vec<(ObjectGuid, Email)>,
    left_out: HashSet<ObjectGuid>,
    leans: Vec<Lean>,
}

/// A change that takes an address which another change of the same plan lets go of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lean {
    /// Whose change takes it.
    pub(super) who: ObjectGuid,
    /// Whose account has it until then.
    pub(super) on: ObjectGuid,
}

/// A plan in its parts, for the guards.
pub(super) struct Parts {
    pub(super) changes: Vec<Change>,
    pub(super) warnings: Vec<Warning>,
    pub(super) waiting: Vec<(ObjectGuid, Email)>,
    pub(super) leans: Vec<Lean>,
}

/// Compares what should be with what the account store last confirmed. `renames`: whether the store can change the
/// address of an account.
pub fn plan(desired: &DesiredSet, memory: &Memory, rules: &Rules, kind: StoreKind, renames: bool) -> Plan {
    let planner = Planner {
        open: open(desired, memory),
        desired,
        memory,
        snapshot: &memory.snapshot,
        rules,
        kind,
        renames,
        addresses: OnceCell::new(),
        movers: OnceCell::new(),
        tiers: rules.order(),
    };
    let mut plan = Plan::default();
    for &(subject, holding) in &planner.open {
        let step = planner.consider(subject, holding);
        plan.changes.extend(step.change);
        plan.warnings.extend(step.warning);
        plan.waiting.extend(step.waiting);
        plan.leans.extend(step.leans.into_iter().map(|on| Lean { who: subject.guid, on }));
    }
    // At most one action a person: the desired set has each person once, and the order is that of the identities.
    debug_assert!(plan.changes.is_sorted_by(|one, next| one.guid < next.guid));
    plan
}

impl Plan {
    /// Sorted by identity, at most one a person.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What the plan itself gives cause to say.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// People who must act themselves before anything more can be done (invited, or not registered), with the address
    /// under which their account will appear.
    pub fn waiting(&self) -> &[(ObjectGuid, Email)] {
        &self.waiting
    }

    /// The plan without these people, of whom it is not known what they hold.
    pub fn without(mut self, who: &HashSet<ObjectGuid>) -> Plan {
        self.changes.retain(|change| !who.contains(&change.guid));
        self.waiting.retain(|(guid, _)| !who.contains(guid));
        self.left_out.extend(who);
        self
    }

    /// Whether this person was left out by [`Plan::without`].
    pub(super) fn has_left_out(&self, guid: &ObjectGuid) -> bool {
        self.left_out.contains(guid)
    }

    pub(super) fn into_parts(self) -> Parts {
        let Self { changes, warnings, waiting, left_out: _, leans } = self;
        Parts { changes, warnings, waiting, leans }
    }
}

/// What the seat matrix says for one seat.
enum Cell {
    Nothing,
    /// The person has been asked and must accept.
    WaitForAcceptance,
    /// The person must register; nothing can be done before.
    WaitForRegistration,
    Do(Action, Seat),
}

/// The upper half of the seat matrix; `None` is a person without an account.
fn for_seated(kind: StoreKind, seat: Option<&Seat>, tier: &Tier) -> Cell {
    use StoreKind::{EnterpriseDirectory, EnterpriseLwa, Team};
    let active = || Seat::Active(tier.clone());
    match (kind, seat) {
        (_, Some(Seat::Active(now))) if now == tier => Cell::Nothing,
        (_, Some(Seat::Active(_))) => Cell::Do(Action::Move, active()),
        (_, Some(Seat::Invited)) => Cell::WaitForAcceptance,
        (Team, None | Some(Seat::Vacant | Seat::Suspended(_))) => Cell::Do(Action::Invite, Seat::Invited),
        (EnterpriseLwa, None) => Cell::WaitForRegistration,
        (EnterpriseDirectory, None) => Cell::Do(Action::Create, active()),
        (EnterpriseLwa | EnterpriseDirectory, Some(Seat::Vacant)) => Cell::Do(Action::Grant, active()),
        (EnterpriseLwa | EnterpriseDirectory, Some(Seat::Suspended(_))) => Cell::Do(Action::Resume, active()),
    }
}

/// The lower half. Deletion is for whoever has left, and comes to those too who were suspended before they did.
fn for_unseated(kind: StoreKind, seat: Option<&Seat>, is_left: bool, on_leave: OnLeave) -> Cell {
    use StoreKind::{EnterpriseDirectory, EnterpriseLwa, Team};
    let is_deleted = on_leave == OnLeave::Delete && is_left;
    match (kind, seat) {
        (_, None | Some(Seat::Vacant)) => Cell::Nothing,
        (Team, Some(Seat::Active(_) | Seat::Invited | Seat::Suspended(_))) => Cell::Do(Action::Remove, Seat::Vacant),
        (EnterpriseLwa | EnterpriseDirectory, Some(Seat::Active(_) | Seat::Suspended(_))) if is_deleted => {
            Cell::Do(Action::Remove, Seat::Vacant)
        }
        (EnterpriseLwa | EnterpriseDirectory, Some(Seat::Active(tier))) => {
            Cell::Do(Action::Suspend, Seat::Suspended(tier.clone()))
        }
        (EnterpriseLwa | EnterpriseDirectory, Some(Seat::Invited | Seat::Suspended(_))) => Cell::Nothing,
    }
}

/// What one person's turn adds to the plan.
#[derive(Default)]
struct Step {
    change: Option<Change>,
    warning: Option<Warning>,
    waiting: Option<(ObjectGuid, Email)>,
    /// Whose accounts must let go of the address first.
    leans: Vec<ObjectGuid>,
}

/// The address an account shall have.
enum Address {
    /// It has it, or there is no account yet; these accounts let go of it in this plan.
    Right(Email, Vec<ObjectGuid>),
    /// It has another one, which is to be changed to this; these accounts let go of it in this plan.
    Changed(Email, Vec<ObjectGuid>),
    /// It has another one, which has to stay, and why.
    Stays(Email, Warning),
    /// There is no account yet, and somebody else's has the address.
    Taken(Warning),
    /// There is none.
    None,
}

/// Whether an address can be had.
enum Claim {
    /// Nobody else's account has it, or only accounts that let go of it in this plan.
    Free(Vec<ObjectGuid>),
    /// This person's account has it and keeps it.
    Taken(ObjectGuid),
}

/// One person, with everything that decides about an address.
#[derive(Clone, Copy)]
struct Turn<'a> {
    guid: ObjectGuid,
    person: Option<&'a Person>,
    desired: &'a Desired,
    holding: Option<&'a Holding>,
    /// The address the person has in the directory, where that is one to be followed.
    own: Option<&'a Email>,
}

struct Planner<'a> {
    /// Everybody for whom something may be to do or to say, with the account that is known; sorted by identity.
    open: Vec<(Subject<'a>, Option<&'a Holding>)>,
    desired: &'a DesiredSet,
    memory: &'a Memory,
    snapshot: &'a Snapshot,
    rules: &'a Rules,
    tiers: Tiers,
    kind: StoreKind,
    renames: bool,
    /// Whose accounts have the addresses that are asked for, sorted; made when one first is, which in most passes none is.
    addresses: OnceCell<HashMap<&'a Email, Vec<ObjectGuid>, RandomState>>,
    /// Whose accounts change their address in this plan; made when first asked for.
    movers: OnceCell<HashSet<ObjectGuid>>,
}

impl<'a> Planner<'a> {
    fn consider(&self, subject: Subject<'a>, holding: Option<&'a Holding>) -> Step {
        if *subject.desired == (Desired::Keep { why: KeepReason::Protected }) {
            return self.protected(subject, holding);
        }
        let turn = self.turn(subject, holding);
        let Some(cell) = self.cell(turn) else { return Step::default() };
        self.step(turn, cell)
    }

    /// Protected people are told about only when there is something that does not happen to them.
    fn protected(&self, subject: Subject<'a>, holding: Option<&'a Holding>) -> Step {
        let prevented = self
            .desired
            .unprotected(&subject.guid)
            .and_then(|desired| self.consider(Subject { desired, ..subject }, holding).change)
            // Protected is what somebody holds; names are nobody's loss, and not worth a warning at each pass.
            .filter(|change| change.because != Because::DetailsChanged);
        let warning =
            prevented.map(|Change { action, guid: _, email, dn: _, account: _, from, to, because, details: _ }| {
                let message = format!("protected: {action} from {from} to {to} ({because}) is not done");
                Warning::new(WarningKind::Protected, email.as_str(), message)
            });
        Step { warning, ..Step::default() }
    }

    fn turn(&self, subject: Subject<'a>, holding: Option<&'a Holding>) -> Turn<'a> {
        let Subject { guid, person, desired } = subject;
        let is_followed = |email: &&Email| match desired {
            Desired::Unseated { because } => match because {
                Cause::DisabledInDirectory | Cause::ExpiredInDirectory | Cause::GoneFromDirectory => false,
                Cause::LeftAllGroups | Cause::Excluded | Cause::DomainNotClaimed | Cause::NoEmail => {
                    is_claimed(self.rules, email)
                }
            },
            // Else there would be no seat.
            Desired::Seated { .. } => true,
            Desired::Keep { .. } => false,
        };
        let own = person.and_then(|person| person.mailbox.address()).filter(is_followed);
        Turn { guid, person, desired, holding, own }
    }

    /// What the seat matrix says; `None` for somebody who is kept as is.
    fn cell(&self, turn: Turn<'_>) -> Option<Cell> {
        let seat = turn.holding.map(|holding| &holding.seat);
        match turn.desired {
            Desired::Keep { .. } => None,
            Desired::Seated { tier, .. } => Some(for_seated(self.kind, seat, tier)),
            Desired::Unseated { because } => {
                let is_left = self.has_left(turn.guid, *because);
                Some(for_unseated(self.kind, seat, is_left, self.rules.on_leave))
            }
        }
    }

    /// Whether somebody is not to come back of itself, as far as the directory tells. Who is held back there, or has no usable
    /// address for a while, has not left; nor has, for sure, who is not read and still listed.
    fn has_left(&self, guid: ObjectGuid, because: Cause) -> bool {
        match because {
            Cause::LeftAllGroups | Cause::Excluded => true,
            Cause::GoneFromDirectory => !self.desired.may_be_hidden(&guid),
            Cause::DisabledInDirectory | Cause::ExpiredInDirectory | Cause::DomainNotClaimed | Cause::NoEmail => false,
        }
    }

    fn step(&self, turn: Turn<'_>, cell: Cell) -> Step {
        let Turn { guid, person, desired: _, holding, own } = turn;
        match cell {
            Cell::Do(action, to) => {
                let from = holding.map_or(Seat::Vacant, |holding| holding.seat.clone());
                // A loss may be held and must not wait: it neither leans on another change nor is leant on.
                let may_lean = !action.takes(&from, &to, &self.tiers);
                let (email, leans, warning) = match self.address(turn, action, may_lean) {
                    Address::Right(email, leans) | Address::Changed(email, leans) => (Some(email), leans, None),
                    Address::Stays(email, warning) => (Some(email), Vec::new(), Some(warning)),
                    Address::Taken(warning) => (None, Vec::new(), Some(warning)),
                    Address::None => (None, Vec::new(), None),
                };
                let change = email
                    .zip(because(turn.desired))
                    .map(|(email, because)| change(turn, action, email, from, to, because));
                Step { change, warning, waiting: None, leans }
            }
            Cell::Nothing => self.rename(turn),
            Cell::WaitForAcceptance => {
                let waiting = holding.map(|holding| (guid, holding.email.clone()));
                let moved = holding.zip(own).filter(|(holding, own)| holding.email != **own);
                let warning = moved.map(|(holding, own)| {
                    let message = format!(
                        "the invitation went to {} and the address is now {own}: it is accepted there, or withdraw it \
                         in the account store and it will be sent anew",
                        holding.email
                    );
                    Warning::new(WarningKind::EmailChanged, label(guid, person), message)
                });
                Step { warning, waiting, ..Step::default() }
            }
            // Waiting for an address that somebody else's account has would end in that account, until it has moved.
            Cell::WaitForRegistration => match self.address(turn, Action::Grant, false) {
                Address::Right(email, _) | Address::Changed(email, _) => {
                    let message = format!("gets the seat after registering with {email}");
                    let warning = Warning::new(WarningKind::NotRegistered, label(guid, person), message);
                    Step { warning: Some(warning), waiting: Some((guid, email)), ..Step::default() }
                }
                Address::Taken(warning) | Address::Stays(_, warning) => {
                    Step { warning: Some(warning), ..Step::default() }
                }
                Address::None => Step::default(),
            },
        }
    }

    /// The seat is as it should be; perhaps the address or the details are not. Seats nobody uses or wants keep what they have.
    fn rename(&self, turn: Turn<'_>) -> Step {
        let Some(holding) = turn.holding.filter(|holding| is_renamed(&holding.seat)) else { return Step::default() };
        let moved = turn.own.filter(|own| holding.email != **own).map(|_| self.address(turn, Action::Rename, true));
        let rename =
            |email, because| change(turn, Action::Rename, email, holding.seat.clone(), holding.seat.clone(), because);
        let (change, leans, warning) = match moved {
            Some(Address::Changed(email, leans)) => {
                (Some(rename(email, Because::EmailChanged { from: holding.email.clone() })), leans, None)
            }
            moved => {
                let is_due = holding.seat.is_held()
                    && turn.person.is_some_and(|who| is_described_anew(self.memory, who, holding));
                let change = is_due.then(|| rename(holding.email.clone(), Because::DetailsChanged));
                let warning = if let Some(Address::Stays(_, warning)) = moved { Some(warning) } else { None };
                (change, Vec::new(), warning)
            }
        };
        Step { change, warning, leans, waiting: None }
    }

    /// The address an action uses. An account keeps the one it has when the person has no usable one, when the store
    /// cannot change it, and when another person's account has the new one: two people must never meet in one account.
    fn address(&self, turn: Turn<'_>, action: Action, may_lean: bool) -> Address {
        let Turn { guid, person, desired: _, holding, own } = turn;
        let Some(own) = own else {
            return holding.map_or(Address::None, |holding| Address::Right(holding.email.clone(), Vec::new()));
        };
        let claim = |otherwise: &str| match self.claim(own, guid, may_lean) {
            Claim::Free(leans) => Ok((own.clone(), leans)),
            Claim::Taken(other) => {
                let message = format!(
                    "the account of {own} is that of another person ({other}): {otherwise} until that account has \
                     another address or is deleted"
                );
                Err(Warning::new(WarningKind::AmbiguousAccount, label(guid, person), message))
            }
        };
        let Some(holding) = holding else {
            return claim("nothing is done here")
                .map_or_else(Address::Taken, |(email, leans)| Address::Right(email, leans));
        };
        if holding.email == *own {
            return Address::Right(holding.email.clone(), Vec::new());
        }
        match action {
            // An account that goes away needs no new address.
            Action::Remove => Address::Right(holding.email.clone(), Vec::new()),
            // An invitation goes to the person, not to an address that may be somebody else's by now.
            Action::Invite => claim("nothing is done here")
                .map_or_else(Address::Taken, |(email, leans)| Address::Changed(email, leans)),
            Action::Create | Action::Grant | Action::Move | Action::Suspend | Action::Resume | Action::Rename => {
                if !self.renames {
                    let message = format!(
                        "the address is now {own}, the account keeps {}: this account store cannot change it",
                        holding.email
                    );
                    let warning = Warning::new(WarningKind::EmailChanged, label(guid, person), message);
                    return Address::Stays(holding.email.clone(), warning);
                }
                claim("the old address stays").map_or_else(
                    |warning| Address::Stays(holding.email.clone(), warning),
                    |(email, leans)| Address::Changed(email, leans),
                )
            }
        }
    }

    /// Whether this person can have the address; leaning on others to let go of it only where that is allowed.
    fn claim(&self, email: &Email, by: ObjectGuid, may_lean: bool) -> Claim {
        let others = || self.owners(email).iter().copied().filter(|owner| *owner != by);
        let keeps = others().find(|other| !(may_lean && self.movers().contains(other)));
        keeps.map_or_else(|| Claim::Free(others().collect()), Claim::Taken)
    }

    /// The people whose account has this address, sorted.
    ///
    /// Asked for are only addresses of people for whom something may be to do: these alone are looked for.
    fn owners(&self, email: &Email) -> &[ObjectGuid] {
        let addresses = self.addresses.get_or_init(|| {
            let own = |(subject, _): &(Subject<'a>, _)| subject.person?.mailbox.address();
            let asked_for = self.open.iter().filter_map(own).map(|own| (own, Vec::new()));
            let mut addresses: HashMap<&Email, Vec<ObjectGuid>, RandomState> = asked_for.collect();
            for (guid, holding) in self.snapshot.iter() {
                if let Some(owners) = addresses.get_mut(&holding.email) {
                    owners.push(*guid);
                }
            }
            addresses
        });
        addresses.get(email).map_or(&[], Vec::as_slice)
    }

    /// The people whose accounts get another address in this plan, and so let go of the one they have: chains of them, and
    /// circles. The most that can be: all who want to move, less those whose new address somebody keeps, and so on.
    fn movers(&self) -> &HashSet<ObjectGuid> {
        self.movers.get_or_init(|| {
            let wish = |(subject, holding): &(Subject<'a>, _)| Some((subject.guid, self.wish(*subject, *holding)?));
            let wishes: HashMap<ObjectGuid, (&Holding, &Email)> = self.open.iter().filter_map(wish).collect();
            // Nobody else wants the same one: an address that two enabled people have moves neither.
            let wanted_by: HashMap<&Email, ObjectGuid> = wishes.iter().map(|(guid, (_, own))| (*own, *guid)).collect();
            let mut movers: HashSet<ObjectGuid> = wishes.keys().copied().collect();
            let is_stuck = |guid: &ObjectGuid, own: &Email| {
                self.owners(own).iter().any(|owner| owner != guid && !wishes.contains_key(owner))
            };
            let mut stuck: Vec<ObjectGuid> =
                wishes.iter().filter(|(guid, (_, own))| is_stuck(guid, own)).map(|(guid, _)| *guid).collect();
            while let Some(guid) = stuck.pop() {
                if movers.remove(&guid) {
                    // What this one keeps, another had counted on.
                    let kept = wishes.get(&guid).map(|(holding, _)| &holding.email);
                    stuck.extend(kept.and_then(|email| wanted_by.get(email)).filter(|other| **other != guid));
                }
            }
            movers
        })
    }

    /// The account and the address it is to move to. Only with actions that are sent before any seat is given, so that an
    /// address is let go of before it is taken; and with no loss, since that may be held.
    fn wish(&self, subject: Subject<'a>, holding: Option<&'a Holding>) -> Option<(&'a Holding, &'a Email)> {
        let turn = self.turn(subject, holding);
        let (holding, own) =
            turn.holding.zip(turn.own).filter(|(holding, own)| self.renames && holding.email != **own)?;
        let moves = match self.cell(turn)? {
            Cell::Nothing => is_renamed(&holding.seat),
            Cell::Do(Action::Move, to) => !Action::Move.takes(&holding.seat, &to, &self.tiers),
            Cell::Do(..) | Cell::WaitForAcceptance | Cell::WaitForRegistration => false,
        };
        moves.then_some((holding, own))
    }
}

/// Everybody who is not as desired to the letter: this look is all that most people cost. Both lists are sorted by identity
/// and are walked together.
fn open<'a>(desired: &'a DesiredSet, memory: &'a Memory) -> Vec<(Subject<'a>, Option<&'a Holding>)> {
    let mut holdings = memory.snapshot.iter().peekable();
    let with_holding = desired.subjects().map(|subject| {
        while holdings.next_if(|(guid, _)| **guid < subject.guid).is_some() {}
        (subject, holdings.next_if(|(guid, _)| **guid == subject.guid).map(|(_, holding)| holding))
    });
    with_holding.filter(|(subject, holding)| !is_settled(memory, *subject, *holding)).collect()
}

/// Whether somebody has exactly the seat that is due, at the own address, with the own details.
fn is_settled(memory: &Memory, subject: Subject<'_>, holding: Option<&Holding>) -> bool {
    let Desired::Seated { tier, because: _ } = subject.desired else { return false };
    let own = subject.person.and_then(|person| person.mailbox.address());
    holding.is_some_and(|holding| {
        matches!(&holding.seat, Seat::Active(now) if now == tier)
            && Some(&holding.email) == own
            && !subject.person.is_some_and(|person| is_described_anew(memory, person, holding))
    })
}

/// Whether the details of a person are not those that the account was last given. Where the directory has none, they stay.
fn is_described_anew(memory: &Memory, person: &Person, holding: &Holding) -> bool {
    let Some(details) = &person.details else { return false };
    memory.details.get(&person.guid) != Some(&details.mark().on(&holding.id))
}

/// Whether an account with this seat follows its person's address when nothing else is done to it.
fn is_renamed(seat: &Seat) -> bool {
    match seat {
        Seat::Active(_) | Seat::Suspended(_) => true,
        Seat::Vacant | Seat::Invited => false,
    }
}

fn because(desired: &Desired) -> Option<Because> {
    match desired {
        Desired::Seated { because, .. } => Some(Because::InGroup((**because).clone())),
        Desired::Unseated { because } => Some(Because::Unseated(*because)),
        Desired::Keep { .. } => None,
    }
}

/// Whom a warning is about.
pub(super) fn label(guid: ObjectGuid, person: Option<&Person>) -> String {
    person.map_or_else(|| guid.to_string(), |person| person.label().into_owned())
}

fn change(turn: Turn<'_>, action: Action, email: Email, from: Seat, to: Seat, because: Because) -> Change {
    let Turn { guid, person, desired: _, holding, own: _ } = turn;
    Change {
        action,
        guid,
        email,
        dn: person.map_or_else(String::new, |person| person.dn.to_string()),
        account: holding.map(|holding| holding.id.clone()),
        from,
        to,
        because,
        details: person.and_then(|person| person.details.clone()),
    }
}
