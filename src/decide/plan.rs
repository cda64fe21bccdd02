//! Desired minus confirmed: at most one action a person, each with an absolute target.
//!
//! What an account kind can do is the seat matrix, `for_seated` and `for_unseated`; the rest of this file is about
//! addresses, because an account store knows people by them.

use super::desired::{Desired, DesiredSet, Entry, KeepReason, is_claimed};
use crate::model::{
    Action, Because, Cause, Change, Email, Holding, ObjectGuid, Person, Rules, Seat, Snapshot, StoreKind, Tier,
    Warning, WarningKind,
};
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

/// What would be done if nothing were held back.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    changes: Vec<Change>,
    warnings: Vec<Warning>,
    waiting: Vec<(ObjectGuid, Email)>,
    left_out: HashSet<ObjectGuid>,
}

/// Compares what should be with what the account store last confirmed. `renames`: whether the store can change the
/// address of an account.
pub fn plan(desired: &DesiredSet, snapshot: &Snapshot, rules: &Rules, kind: StoreKind, renames: bool) -> Plan {
    let planner = Planner { desired, snapshot, rules, kind, renames, addresses: OnceCell::new() };
    let mut plan = Plan::default();
    for entry in desired.entries() {
        let step = planner.consider(entry, &entry.desired);
        plan.changes.extend(step.change);
        plan.warnings.extend(step.warning);
        plan.waiting.extend(step.waiting);
    }
    // At most one action a person: `entries` has each person once, and the order is that of the identities.
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

    pub(super) fn into_changes_and_warnings(self) -> (Vec<Change>, Vec<Warning>) {
        (self.changes, self.warnings)
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

/// The lower half.
fn for_unseated(kind: StoreKind, seat: Option<&Seat>) -> Cell {
    use StoreKind::{EnterpriseDirectory, EnterpriseLwa, Team};
    match (kind, seat) {
        (_, None | Some(Seat::Vacant)) => Cell::Nothing,
        (Team, Some(Seat::Active(_) | Seat::Invited | Seat::Suspended(_))) => Cell::Do(Action::Remove, Seat::Vacant),
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
}

/// The address an account shall have.
enum Address {
    /// It has it, or there is no account yet.
    Right(Email),
    /// It has another one, which is to be changed to this.
    Changed(Email),
    /// It has another one, which has to stay, and why.
    Stays(Email, Warning),
    /// There is no account yet, and somebody else's has the address.
    Taken(Warning),
    /// There is none.
    None,
}

struct Planner<'a> {
    desired: &'a DesiredSet,
    snapshot: &'a Snapshot,
    rules: &'a Rules,
    kind: StoreKind,
    renames: bool,
    /// Whose accounts have which address; made when first asked for, which most passes never do.
    addresses: OnceCell<HashMap<&'a Email, Owners>>,
}

/// The people whose account has one address: one of them (the first by identity), and whether there are more.
struct Owners {
    first: ObjectGuid,
    are_several: bool,
}

impl Planner<'_> {
    fn consider(&self, entry: &Entry, desired: &Desired) -> Step {
        let holding = self.snapshot.get(&entry.guid);
        let seat = holding.map(|holding| &holding.seat);
        match desired {
            Desired::Keep { why: KeepReason::Protected } => self.protected(entry),
            Desired::Keep {
                why:
                    KeepReason::DuplicateEmail
                    | KeepReason::InGrace { .. }
                    | KeepReason::AmbiguousName
                    | KeepReason::ExclusionUnknown,
            } => Step::default(),
            Desired::Seated { tier, because } => {
                let because = || Because::InGroup((**because).clone());
                self.step(entry, holding, for_seated(self.kind, seat, tier), because, true)
            }
            Desired::Unseated { because } => {
                let is_enabled = match because {
                    Cause::DisabledInDirectory | Cause::ExpiredInDirectory | Cause::GoneFromDirectory => false,
                    Cause::LeftAllGroups | Cause::Excluded | Cause::DomainNotClaimed | Cause::NoEmail => true,
                };
                let cell = for_unseated(self.kind, seat);
                self.step(entry, holding, cell, || Because::Unseated(*because), is_enabled)
            }
        }
    }

    /// Protected people are told about only when there is something that does not happen to them.
    fn protected(&self, entry: &Entry) -> Step {
        let prevented = self.desired.unprotected(&entry.guid).and_then(|desired| self.consider(entry, desired).change);
        let warning = prevented.map(|Change { action, guid: _, email, dn: _, account: _, from, to, because }| {
            let message = format!("protected: {action} from {from} to {to} ({because}) is not done");
            Warning::new(WarningKind::Protected, email.as_str(), message)
        });
        Step { warning, ..Step::default() }
    }

    fn step(
        &self,
        entry: &Entry,
        holding: Option<&Holding>,
        cell: Cell,
        because: impl Fn() -> Because,
        is_enabled: bool,
    ) -> Step {
        let person = self.desired.person_of(entry);
        let own = person
            .filter(|_| is_enabled)
            .and_then(|person| person.mailbox.address())
            .filter(|email| is_claimed(self.rules, email));
        match cell {
            Cell::Do(action, to) => {
                let from = holding.map_or(Seat::Vacant, |holding| holding.seat.clone());
                let (email, warning) = match self.address(entry, person, holding, own, action) {
                    Address::Right(email) | Address::Changed(email) => (Some(email), None),
                    Address::Stays(email, warning) => (Some(email), Some(warning)),
                    Address::Taken(warning) => (None, Some(warning)),
                    Address::None => (None, None),
                };
                let change = email.map(|email| change(entry, person, holding, action, email, from, to, because()));
                Step { change, warning, waiting: None }
            }
            Cell::Nothing => self.rename(entry, person, holding, own),
            Cell::WaitForAcceptance => {
                let waiting = holding.map(|holding| (entry.guid, holding.email.clone()));
                let moved = holding.zip(own).filter(|(holding, own)| holding.email != **own);
                let warning = moved.map(|(holding, own)| {
                    let message = format!(
                        "the invitation went to {} and the address is now {own}: it is accepted there, or withdraw it \
                         in the account store and it will be sent anew",
                        holding.email
                    );
                    Warning::new(WarningKind::EmailChanged, label(entry, person), message)
                });
                Step { change: None, warning, waiting }
            }
            Cell::WaitForRegistration => match self.address(entry, person, holding, own, Action::Grant) {
                Address::Right(email) | Address::Changed(email) => {
                    let message = format!("gets the seat after registering with {email}");
                    let warning = Warning::new(WarningKind::NotRegistered, label(entry, person), message);
                    Step { change: None, warning: Some(warning), waiting: Some((entry.guid, email)) }
                }
                // Waiting for an address that somebody else's account has would end in that account.
                Address::Taken(warning) | Address::Stays(_, warning) => {
                    Step { warning: Some(warning), ..Step::default() }
                }
                Address::None => Step::default(),
            },
        }
    }

    /// The seat is as it should be; perhaps the address is not. Seats nobody uses or wants keep what they have.
    fn rename(&self, entry: &Entry, person: Option<&Person>, holding: Option<&Holding>, own: Option<&Email>) -> Step {
        let (Some(holding), Some(_)) = (holding, own) else { return Step::default() };
        match &holding.seat {
            Seat::Vacant | Seat::Invited => return Step::default(),
            Seat::Active(_) | Seat::Suspended(_) => {}
        }
        match self.address(entry, person, Some(holding), own, Action::Rename) {
            Address::Changed(email) => {
                let (from, to) = (holding.seat.clone(), holding.seat.clone());
                let because = Because::EmailChanged { from: holding.email.clone() };
                let change = change(entry, person, Some(holding), Action::Rename, email, from, to, because);
                Step { change: Some(change), ..Step::default() }
            }
            Address::Stays(_, warning) => Step { warning: Some(warning), ..Step::default() },
            Address::Right(_) | Address::Taken(_) | Address::None => Step::default(),
        }
    }

    /// The address an action uses. An account keeps the one it has when the person has no usable one, when the store
    /// cannot change it, and when another person's account has the new one: two people must never meet in one account.
    fn address(
        &self,
        entry: &Entry,
        person: Option<&Person>,
        holding: Option<&Holding>,
        own: Option<&Email>,
        action: Action,
    ) -> Address {
        let Some(own) = own else {
            return holding.map_or(Address::None, |holding| Address::Right(holding.email.clone()));
        };
        let taken = |stays: &str| {
            self.other_owner(own, &entry.guid).map(|other| {
                let message = format!(
                    "the account of {own} is that of another person ({other}): {stays} until that account has another \
                     address or is deleted"
                );
                Warning::new(WarningKind::AmbiguousAccount, label(entry, person), message)
            })
        };
        let Some(holding) = holding else {
            return taken("nothing is done here").map_or_else(|| Address::Right(own.clone()), Address::Taken);
        };
        if holding.email == *own {
            return Address::Right(holding.email.clone());
        }
        match action {
            // An account that goes away needs no new address.
            Action::Remove => Address::Right(holding.email.clone()),
            // An invitation goes to the person, not to an address that may be somebody else's by now.
            Action::Invite => {
                taken("nothing is done here").map_or_else(|| Address::Changed(own.clone()), Address::Taken)
            }
            Action::Create | Action::Grant | Action::Move | Action::Suspend | Action::Resume | Action::Rename => {
                if !self.renames {
                    let message = format!(
                        "the address is now {own}, the account keeps {}: this account store cannot change it",
                        holding.email
                    );
                    let warning = Warning::new(WarningKind::EmailChanged, label(entry, person), message);
                    return Address::Stays(holding.email.clone(), warning);
                }
                taken("the old address stays").map_or_else(
                    || Address::Changed(own.clone()),
                    |warning| Address::Stays(holding.email.clone(), warning),
                )
            }
        }
    }

    /// Another person whose account has this address.
    fn other_owner(&self, email: &Email, than: &ObjectGuid) -> Option<ObjectGuid> {
        let owners = self.addresses.get_or_init(|| {
            let mut owners: HashMap<&Email, Owners> = HashMap::with_capacity(self.snapshot.len());
            for (guid, holding) in self.snapshot.iter() {
                owners
                    .entry(&holding.email)
                    .and_modify(|owners| {
                        owners.first = owners.first.min(*guid);
                        owners.are_several = true;
                    })
                    .or_insert(Owners { first: *guid, are_several: false });
            }
            owners
        });
        owners.get(email).filter(|owners| owners.are_several || owners.first != *than).map(|owners| owners.first)
    }
}

fn label(entry: &Entry, person: Option<&Person>) -> String {
    person.map_or_else(|| entry.guid.to_string(), |person| person.label().to_owned())
}

#[allow(clippy::too_many_arguments)] // It is the one place where a change is put together, field by field.
fn change(
    entry: &Entry,
    person: Option<&Person>,
    holding: Option<&Holding>,
    action: Action,
    email: Email,
    from: Seat,
    to: Seat,
    because: Because,
) -> Change {
    Change {
        action,
        guid: entry.guid,
        email,
        dn: person.map_or_else(String::new, |person| person.dn.to_string()),
        account: holding.map(|holding| holding.id.clone()),
        from,
        to,
        because,
    }
}
