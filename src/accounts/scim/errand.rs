//! One intent on its way to its target: what to ask the server next, given what it answered so far. Pure.
//!
//! What is observed counts, never what was wanted: after each answer the user is compared with the target anew, and the next
//! step follows from that. What the server says yes to and does not keep is asked for by itself once more, and is then named
//! in a refusal: nothing is confirmed that was not seen.
//!
//! Whose user an intent means: the one with its key. A loss goes no further: it never takes from another one. A gain goes on to
//! the one with the identity, the name or the address, unless another person's identity is on it; else a user is made. A user
//! that is come upon on the way with a higher tier keeps it: the next pass decides about that, under its limits.

mod difference;
mod removal;

use super::Terms;
use super::call::{Change, Manner, Removal};
use super::groups::Membership;
use super::look::{Look, is_anothers};
use super::messages::patch;
use super::place::TierPlace;
use super::user::{Edit, User, address_aside, name_aside};
use crate::accounts::reach::failure::{Failure, tidy};
use crate::model::{Action, Detail, Email, Intent, ObjectGuid, Observed, OnLeave, Outcome, Seat, StoreKind, UserId};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most times that an address is tried again that was taken: whoever has it may let go of it in another request.
const TAKEN_MAX: u32 = 4;
/// Most times that somebody is looked for anew whose key led to nobody.
const LOST_MAX: u32 = 1;
/// Most times that a change is made anew because somebody else was faster.
const OVERTAKEN_MAX: u32 = 2;

/// What is to be asked of the server next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Who that is.
    Look(Look),
    /// A user made.
    Create(Value),
    /// A user changed.
    Change(Change),
    /// A user deleted.
    Remove(Removal),
    /// A user made a member of the group of a tier, or taken out of it.
    Member(Membership),
}

/// What the server answered to a [`Want`].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// Done, and this is the user afterwards.
    Done(User),
    /// Done, and nothing is said about afterwards.
    Unseen,
    /// What a look found.
    Found(Option<User>),
    /// It was refused.
    Refused {
        /// The HTTP status.
        status: Option<u16>,
        /// The kind of error.
        kind: Option<String>,
        /// In words.
        message: String,
    },
    /// It may have been done.
    Unknown(String),
}

#[derive(Debug)]
enum Step {
    Wants(Want),
    Settled(Outcome),
}

/// Name and address are put aside for a moment, so that two people can exchange theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Parking {
    No,
    /// About to be put aside.
    Asked(Aside),
    /// Put aside.
    Parked(Aside),
    /// Nothing came of it: what there was before again, and then this is the outcome.
    Back {
        outcome: String,
    },
}

/// What is put aside, as it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Aside {
    name: String,
    /// Only where letting go of the name was not enough.
    address: Option<Email>,
}

/// One intent under way.
#[derive(Debug)]
pub(super) struct Errand<'a> {
    intent: &'a Intent,
    terms: &'a Terms,
    step: Step,
    /// The user as last observed.
    seen: Option<User>,
    /// What is being asked for.
    asked: Vec<Edit>,
    /// What the server has said yes to.
    granted: Vec<Edit>,
    /// Whether the user was asked for by itself since the last change.
    is_sure: bool,
    /// Whether the user was read since the last change: what a server answers to a change may be our own words.
    is_reread: bool,
    /// Whether items of lists are named by their types.
    by_filter: bool,
    /// Set when the address cannot be had: then the seat counts alone.
    unmovable: bool,
    is_blocked: bool,
    /// How often the address was somebody else's.
    conflicts: u32,
    /// How often somebody else changed the user meanwhile.
    overtaken: u32,
    /// How often a key that was found led to nobody when it was used.
    lost: u32,
    /// A user was to be made, and there was one.
    was_there: bool,
    /// A user was made, as the server says.
    is_made: bool,
    parking: Parking,
    /// What the server said yes to and did not keep, in words.
    dropped: Option<String>,
    /// Why the server does not take the person's details; then the seat counts alone.
    undescribed: Option<String>,
    /// Whether the user shows the person's details, or was given them.
    is_described: bool,
    /// Details that the server refused, or said yes to and did not keep.
    unkept: Vec<Detail>,
    /// What the server said to the last of them that it refused.
    refusal: Option<String>,
    /// Whether details are asked for one by one, after everything else: several were refused together.
    is_singly: bool,
    /// Details of which it is known that this server has none.
    unknown: BTreeSet<Arc<str>>,
    /// What the server answered to the deletion, in words; none was asked for before.
    removal: Option<String>,
}

impl<'a> Errand<'a> {
    pub(super) fn begin(intent: &'a Intent, terms: &'a Terms) -> Self {
        let mut errand = Self {
            intent,
            terms,
            step: Step::Settled(Outcome::Done(None)),
            seen: None,
            asked: Vec::new(),
            granted: Vec::new(),
            is_sure: false,
            is_reread: false,
            by_filter: true,
            unmovable: false,
            is_blocked: false,
            conflicts: 0,
            overtaken: 0,
            lost: 0,
            was_there: false,
            is_made: false,
            parking: Parking::No,
            dropped: None,
            undescribed: None,
            is_described: false,
            unkept: Vec::new(),
            refusal: None,
            is_singly: false,
            unknown: BTreeSet::new(),
            removal: None,
        };
        errand.set_out();
        errand
    }

    /// What is to be asked next, until it is settled.
    pub(super) fn wants(&self) -> Option<&Want> {
        match &self.step {
            Step::Wants(want) => Some(want),
            Step::Settled(_) => None,
        }
    }

    /// Whether what it wants lets go of a name that others wait for.
    pub(super) fn is_parking(&self) -> bool {
        matches!(self.parking, Parking::Asked(_))
    }

    /// Whether the next change is of an address.
    pub(super) fn moves(&self) -> bool {
        self.wants().is_some_and(|want| matches!(want, Want::Change(_))) && self.asked.iter().any(is_of_address)
    }

    /// The address it has and the one it wants, in lower case, while somebody else has that and something can be done about it.
    pub(super) fn blocked(&self) -> Option<(String, String)> {
        let can_park = match &self.parking {
            Parking::No => true,
            Parking::Parked(aside) => aside.address.is_none(),
            Parking::Asked(_) | Parking::Back { .. } => false,
        };
        let address = self.seen.as_ref()?.address()?;
        (self.is_blocked && can_park).then(|| (address.key().into_owned(), self.intent.email.key().into_owned()))
    }

    /// Lets go of the name for a moment, and where that was not enough, of the address too: somebody waits for it who has the
    /// one that is wanted.
    pub(super) fn park(&mut self) {
        let Some(user) = &self.seen else { return };
        let (aside, edits) = match &self.parking {
            Parking::Parked(aside) => (
                Aside { address: user.address(), ..aside.clone() },
                address_aside(&self.intent.guid).map(Edit::Address).into_iter().collect(),
            ),
            Parking::No | Parking::Asked(_) | Parking::Back { .. } => (
                Aside { name: user.user_name().unwrap_or_default().to_owned(), address: None },
                vec![Edit::UserName(name_aside(&self.intent.guid))],
            ),
        };
        self.is_blocked = false;
        self.parking = Parking::Asked(aside);
        self.change(edits);
    }

    /// What the server said yes to and did not keep, in words.
    pub(super) fn dropped(&self) -> Option<&str> {
        self.dropped.as_deref()
    }

    /// Details that the server refused, or said yes to and did not keep; whose, and what it said to them.
    pub(super) fn unkept(&self) -> impl Iterator<Item = (&str, ObjectGuid, &str)> {
        let said = self.refusal.as_deref().unwrap_or("yes");
        self.unkept.iter().map(move |detail| (&*detail.name, self.intent.guid, said))
    }

    /// Whoever shows nothing there is not asked to show these: others were, and the server has no such thing.
    pub(super) fn do_without(&mut self, unknown: &BTreeSet<Arc<str>>) {
        if self.unknown.len() < unknown.len() {
            self.unknown.clone_from(unknown);
        }
    }

    /// Details that the server said yes to and of which it shows nothing at all.
    pub(super) fn unshown(&self) -> impl Iterator<Item = &Detail> {
        let shows = |detail: &&Detail| self.seen.as_ref().is_some_and(|user| user.detail(&detail.name).is_none());
        self.unkept.iter().filter(shows)
    }

    /// Nothing is sent for it, and why.
    pub(super) fn hold_back(&mut self, why: &str) {
        self.settle(Outcome::Rejected(format!("not sent, since for another user {why}")));
    }

    /// Whom a user is to be made for next.
    pub(super) fn newcomer(&self) -> Option<(ObjectGuid, Email)> {
        matches!(self.wants(), Some(Want::Create(_))).then(|| (self.intent.guid, self.intent.email.clone()))
    }

    /// Nothing is sent for it: what had to be known first came to this.
    pub(super) fn give_up(&mut self, failure: &Failure) {
        let why = format!("not sent, since {failure}");
        self.settle(match failure {
            Failure::Refused { .. } => Outcome::Rejected(why),
            Failure::Undone { .. } | Failure::Unknown { .. } => Outcome::Ambiguous(why),
        });
    }

    /// Nothing is sent for it in this pass: of those before it nothing is known.
    pub(super) fn put_off(&mut self) {
        let why = "not sent, since the account store did not say what became of the users that were made before it; the \
                   next pass goes on";
        self.settle(Outcome::Ambiguous(why.to_owned()));
    }

    /// Whether it ended and nobody knows how.
    pub(super) fn is_in_doubt(&self) -> bool {
        matches!(self.step, Step::Settled(Outcome::Ambiguous(_)))
    }

    pub(super) fn outcome(self) -> Outcome {
        match self.step {
            Step::Settled(outcome) => outcome,
            Step::Wants(_) => Outcome::Ambiguous("the account store came to no end with it".to_owned()),
        }
    }

    // ---- the first step ----

    fn set_out(&mut self) {
        if let Some(refusal) = self.impossible() {
            return self.settle(Outcome::Rejected(refusal));
        }
        match (self.intent.account.clone(), &self.intent.to) {
            (None, _) if !self.is_gain() => self.settle(Outcome::Done(None)),
            (None, _) => self.look_for(),
            // Also before a suspension: the key may lead to somebody else by now.
            (Some(id), _) => self.look_up(id, self.is_removal()),
        }
    }

    /// What cannot be, whatever the server says.
    fn impossible(&self) -> Option<String> {
        let Self { intent, terms, .. } = self;
        let kind = StoreKind::EnterpriseDirectory;
        match (intent.action, &intent.to) {
            (Action::Rename, _) => None,
            (Action::Invite, _) | (_, Seat::Invited) => Some(format!("in an account of kind {kind} nobody is invited")),
            (_, Seat::Vacant) if intent.account.is_some() && terms.on_leave != OnLeave::Delete => {
                Some(format!("in an account of kind {kind} nobody is removed, only suspended"))
            }
            (_, Seat::Active(tier)) if terms.mapping.value(tier).is_none() => Some(terms.mapping.no_value(tier)),
            (_, Seat::Active(_) | Seat::Suspended(_) | Seat::Vacant) => None,
        }
    }

    // ---- answers ----

    /// Takes an answer in. `alone`: whether no other request about addresses was under way, in which somebody else may have
    /// let go of the one that this one wants.
    pub(super) fn hear(&mut self, answer: Answer, alone: bool) {
        let Step::Wants(want) = &self.step else { return };
        let want = want.clone();
        self.is_blocked = false;
        self.is_made |= matches!((&answer, &want), (Answer::Done(_) | Answer::Unseen, Want::Create(_)));
        self.is_reread = matches!(answer, Answer::Found(_));
        match answer {
            Answer::Done(mut user) => {
                self.seen.iter().for_each(|seen| user.keep_memberships(seen));
                self.granted.append(&mut self.asked);
                self.is_sure = false;
                self.after_change(Some(user), want);
            }
            Answer::Unseen => {
                self.granted.append(&mut self.asked);
                self.is_sure = false;
                self.after_change(None, want);
            }
            Answer::Found(found) => {
                self.is_sure = matches!(want, Want::Look(Look::Key { surely: true, .. }));
                match found {
                    Some(user) => self.found(user),
                    None => self.not_there(&want),
                }
            }
            Answer::Refused { status, kind, message } => self.refused(&want, status, kind.as_deref(), message, alone),
            Answer::Unknown(message) => self.settle(Outcome::Ambiguous(message)),
        }
    }

    fn after_change(&mut self, user: Option<User>, want: Want) {
        match (std::mem::replace(&mut self.parking, Parking::No), want) {
            (Parking::Back { outcome }, _) => self.settle(Outcome::Rejected(outcome)),
            (Parking::Asked(aside), Want::Change(change)) => {
                self.parking = Parking::Parked(aside);
                self.look_up(change.id, true);
            }
            (parking, want) => {
                self.parking = parking;
                match (user, want) {
                    (Some(user), _) => self.toward(user),
                    (None, Want::Change(change)) => self.look_up(change.id, false),
                    (None, Want::Remove(removal)) => self.removed("said yes", removal.id),
                    (None, Want::Member(member)) => self.look_up(member.user, false),
                    (None, Want::Create(_) | Want::Look(_)) => self.look_for(),
                }
            }
        }
    }

    /// Somebody was found: by key, or as the person's.
    fn found(&mut self, user: User) {
        if self.is_removal() {
            return self.found_to_remove(user);
        }
        let is_known = self.intent.account.as_ref() == Some(user.id());
        if !is_known && is_anothers(&user, &self.intent.guid, self.terms.mapping.keeps_identity) {
            let (email, owner) = (&self.intent.email, tidy(user.external_id().unwrap_or_default()));
            return self.settle(Outcome::Rejected(format!(
                "{email} is the address of user {}, who belongs to the directory identity {owner} (externalId) and not to \
                 {}; nothing was changed. Correct the address of one of the two in the directory; if {owner} is there no \
                 more, delete that user, or give it another address, in the account store",
                user.id(),
                self.intent.guid
            )));
        }
        if is_known && self.is_somebody_elses(&user) {
            let owner = tidy(user.external_id().unwrap_or_default());
            return self.settle(Outcome::Rejected(format!(
                "user {} belongs to the directory identity {owner} (externalId) by now, and has another address than {}: it is \
                 somebody else's, and nothing was changed. See whose it is; if it is this person's after all, correct its \
                 externalId or its address in the account store",
                user.id(),
                self.intent.email
            )));
        }
        if self.is_come_upon(&user) {
            self.seen = Some(user);
            return self.settle_as_seen();
        }
        self.toward(user);
    }

    /// Whether the user that was known by its key has become another person's: keys may be given out again, and accounts handed
    /// over. One that has the person's address and another identity was left by somebody whose place the person took.
    fn is_somebody_elses(&self, user: &User) -> bool {
        is_anothers(user, &self.intent.guid, self.terms.mapping.keeps_identity)
            && user.address().as_ref() != Some(&self.intent.email)
    }

    /// Whether it holds more than the intent knows of, which is for the next pass to take.
    fn is_come_upon(&self, user: &User) -> bool {
        let (Seat::Active(wanted), Seat::Active(held)) = (&self.intent.to, self.terms.mapping.seat(user)) else {
            return false;
        };
        self.granted.is_empty()
            && self.intent.action != Action::Rename
            && self.intent.from != Seat::Active(held.clone())
            && self.terms.mapping.order().is_downgrade(&held, wanted)
    }

    /// Nobody has that key, or is that person's.
    fn not_there(&mut self, want: &Want) {
        match want {
            Want::Look(Look::Key { .. }) if self.is_gain() && self.seen.is_none() => self.look_for(),
            // Another one would be a second account of the same person.
            Want::Look(Look::Whose { .. }) if self.is_gain() && self.is_made => {
                self.settle(Outcome::Ambiguous(format!(
                    "the account store said that it made {} and shows no such user",
                    self.intent.email
                )));
            }
            Want::Look(Look::Whose { .. }) if self.is_gain() && self.was_there => {
                self.settle(Outcome::Rejected(format!(
                    "the account store says that there is a user {} already, and shows none",
                    self.intent.email
                )));
            }
            Want::Look(Look::Whose { .. }) if self.is_gain() => self.create(),
            _ => self.settle(Outcome::Done(None)),
        }
    }

    fn refused(&mut self, want: &Want, status: Option<u16>, kind: Option<&str>, message: String, alone: bool) {
        if let Want::Remove(removal) = want {
            return self.not_removed(removal.id.clone(), status, message);
        }
        let asked = std::mem::take(&mut self.asked);
        match (self.parking.clone(), want) {
            (Parking::No | Parking::Parked(_), _) => {}
            // The name alone is put aside, and the address cannot be.
            (Parking::Asked(aside @ Aside { address: Some(_), .. }), Want::Change(_)) => {
                self.parking = Parking::Parked(Aside { address: None, ..aside });
                return self.give_up_address(&message);
            }
            (Parking::Asked(_) | Parking::Back { .. }, _) => return self.settle(Outcome::Ambiguous(message)),
        }
        match (want, status) {
            (Want::Create(_), Some(409)) if !self.was_there => {
                self.was_there = true;
                self.look_for();
            }
            (Want::Change(_), Some(404 | 410)) if !matches!(kind, Some("noTarget")) => match self.is_gain() {
                true if self.lost < LOST_MAX
                    && self.seen.as_ref().is_some_and(|user| self.intent.account.as_ref() == Some(user.id())) =>
                {
                    self.lost += 1;
                    self.seen = None;
                    self.look_for();
                }
                true => self.settle(Outcome::Rejected(message)),
                false => self.settle(Outcome::Done(None)),
            },
            // Not every server understands a path with a filter in it.
            (Want::Member(Membership { comes: false, by_filter: true, .. }), Some(400))
                if matches!(kind, Some("invalidPath" | "invalidFilter")) =>
            {
                self.by_filter = false;
                self.change(asked);
            }
            // The user may be there no more.
            (Want::Member(Membership { comes: true, .. }), Some(400 | 404 | 410)) if self.lost < LOST_MAX => {
                self.lost += 1;
                self.seen = None;
                self.look_for();
            }
            (Want::Change(change), Some(412)) if self.overtaken < OVERTAKEN_MAX => {
                self.overtaken += 1;
                self.look_up(change.id.clone(), true);
            }
            // Not every server understands a path with a filter in it.
            (Want::Change(_), Some(400 | 404 | 501)) if self.is_by_filter(&asked) => {
                self.by_filter = false;
                self.change(asked);
            }
            (Want::Change(_), Some(409)) if asked.iter().any(is_of_address) && !alone && self.conflicts < TAKEN_MAX => {
                self.conflicts += 1;
                self.is_blocked = true;
                self.asked = asked;
            }
            // Names that are not taken hold up no seat.
            (Want::Change(_), Some(400 | 403 | 404 | 422 | 501)) if asked.iter().any(is_of_detail) => {
                match asked.as_slice() {
                    // This value it does not take: that is said, and the others go on.
                    [Edit::Detail(detail)] if matches!(status, Some(400 | 422)) => {
                        self.unkept.push(detail.clone());
                        self.refusal = Some(message.clone());
                    }
                    [_] => self.give_up_details(&message),
                    _ => self.is_singly = true,
                }
                match self.seen.clone() {
                    Some(user) => self.toward(user),
                    None => self.settle(Outcome::Rejected(message)),
                }
            }
            (Want::Create(_), Some(400 | 422)) if self.describes() => {
                self.give_up_details(&message);
                self.create();
            }
            // An address that cannot be had holds up a rename, but no seat.
            (Want::Change(_), Some(400 | 403 | 409 | 422)) if asked.iter().any(is_of_address) => {
                self.give_up_address(&message)
            }
            // As good as dropped: whoever else were made would be without a seat, too.
            (Want::Member(Membership { comes: true, .. }), _) if self.is_made => {
                self.dropped = Some(message.clone());
                self.settle(Outcome::Rejected(message));
            }
            // Something was done before: how the user is now is for the next pass to find out.
            _ if !self.granted.is_empty() || self.removal.is_some() => self.settle(Outcome::Ambiguous(message)),
            // Without names it may say that there are none: both are told.
            (Want::Create(_), _) => {
                let message = match self.undescribed.take() {
                    Some(first) => format!("{message} (and before, with the names of the person: {first})"),
                    None => message,
                };
                self.settle(Outcome::Rejected(message));
            }
            _ => self.settle(Outcome::Rejected(message)),
        }
    }

    fn give_up_details(&mut self, message: &str) {
        self.undescribed = Some(format!(
            "the account store does not take the names of the person ({message}); correct them in the directory, or leave \
             them out of `attributes`"
        ));
    }

    fn give_up_address(&mut self, message: &str) {
        self.unmovable = true;
        let words = format!(
            "the account store does not take the address {} ({message}); correct the address of one of the two in the \
             directory, or, if that user belongs to nobody there, delete it or give it another address in the account \
             store. The seat stays on the old address meanwhile",
            self.intent.email
        );
        match std::mem::replace(&mut self.parking, Parking::No) {
            Parking::Parked(Aside { name, address }) => {
                self.parking = Parking::Back { outcome: words };
                self.change(address.map(Edit::Address).into_iter().chain([Edit::UserName(name)]).collect());
            }
            _ if self.intent.action == Action::Rename => self.settle(Outcome::Rejected(words)),
            _ => match self.seen.clone() {
                Some(user) => self.toward(user),
                None => self.settle(Outcome::Rejected(words)),
            },
        }
    }

    // ---- toward the target ----

    /// The next step from what is observed.
    fn toward(&mut self, user: User) {
        let edits = self.edits(&user);
        let id = user.id().clone();
        self.seen = Some(user);
        if edits.is_empty() {
            // Nothing is confirmed from the answer to a change alone: some servers send back what they were sent.
            return match self.is_reread || self.granted.is_empty() && !self.is_made {
                true => self.arrived(),
                false => self.look_up(id, false),
            };
        }
        let is_new = edits.iter().any(|edit| !self.granted.contains(edit));
        if is_new {
            return self.change(edits);
        }
        if !self.is_sure {
            return self.look_up(id, true);
        }
        if self.is_by_filter(&edits) {
            self.by_filter = false;
            return self.change(edits);
        }
        self.not_kept(&edits);
    }

    /// The server said yes, and did something else.
    fn not_kept(&mut self, edits: &[Edit]) {
        let details = edits.iter().filter_map(|edit| if let Edit::Detail(detail) = edit { Some(detail) } else { None });
        self.unkept.extend(details.cloned());
        let edits: Vec<Edit> = edits.iter().filter(|edit| !is_of_detail(edit)).cloned().collect();
        if edits.iter().all(is_of_address) && (edits.is_empty() || self.intent.action != Action::Rename) {
            // As with an address that it refuses.
            return self.arrived();
        }
        let place = &self.terms.mapping.place;
        let name = |edit: &Edit| match edit {
            Edit::Active(_) => "active".to_owned(),
            Edit::Tier(_) => place.to_string(),
            Edit::Member { of, comes: true } => format!("the membership in group {of:?}"),
            Edit::Member { of, comes: false } => format!("that the user is out of group {of:?}"),
            Edit::Identity(_) => "externalId".to_owned(),
            Edit::UserName(_) => "userName".to_owned(),
            Edit::Address(_) => "emails".to_owned(),
            Edit::Detail(detail) => detail.name.to_string(),
        };
        let names: Vec<String> = edits.iter().map(name).collect();
        let advice = match edits.iter().find(|edit| !matches!(edit, Edit::Active(_))) {
            Some(Edit::Tier(_)) => {
                "; is tier_in the place where this product keeps licences, and the value one that it knows?"
            }
            Some(Edit::Member { of: _, comes: true }) => {
                "; does this product show who is in a group, and may the token change that?"
            }
            Some(Edit::Member { of: _, comes: false }) => "; take the user out by hand",
            Some(Edit::Identity(_)) => "; if this product keeps no such thing, write external_id = false",
            Some(Edit::Active(_) | Edit::UserName(_) | Edit::Address(_) | Edit::Detail(_)) | None => "",
        };
        let names = names.join(" and ");
        let message = match edits.as_slice() {
            [Edit::Active(false)] => format!(
                "the account store said yes and did not keep {names}: whoever it is may still sign in; deactivate the user \
                 there by hand, and ask whether this product takes `active` over SCIM"
            ),
            _ => format!("the account store said yes and did not keep {names}: the seat is not confirmed{advice}"),
        };
        self.dropped = Some(message.clone());
        self.settle(Outcome::Rejected(message));
    }

    // ---- the means ----

    fn look_up(&mut self, id: UserId, surely: bool) {
        self.step = Step::Wants(Want::Look(Look::Key { id, surely }));
    }

    /// By identity, name and address.
    pub(super) fn look_for(&mut self) {
        let look = Look::Whose { guid: self.intent.guid, email: self.intent.email.clone() };
        self.step = Step::Wants(Want::Look(look));
    }

    fn create(&mut self) {
        let Seat::Active(tier) = &self.intent.to else { return self.settle(Outcome::Done(None)) };
        let mapping = &self.terms.mapping;
        let mut edits = vec![Edit::Active(true)];
        if mapping.keeps_identity {
            edits.push(Edit::Identity(self.intent.guid));
        }
        if !matches!(mapping.place, TierPlace::Nowhere | TierPlace::Group) {
            edits.extend(mapping.value(tier).map(|value| Edit::Tier(value.to_owned())));
        }
        edits.extend(self.details().iter().cloned().map(Edit::Detail));
        // Not as what was asked for: what is missing afterwards is asked for by itself.
        let body = User::creation(&mapping.place, &self.intent.email, &edits);
        self.step = Step::Wants(Want::Create(body));
    }

    fn change(&mut self, edits: Vec<Edit>) {
        let Some(user) = &self.seen else { return };
        if let [Edit::Member { of, comes }] = &edits[..] {
            let (of, user) = (of.clone(), user.id().clone());
            let member = Membership { of, user, comes: *comes, by_filter: self.by_filter };
            self.asked = edits;
            self.step = Step::Wants(Want::Member(member));
            return;
        }
        let Terms { abilities, mapping, groups: _, on_leave: _ } = self.terms;
        let (method, body) = match abilities.patch {
            true => (Manner::Patch, patch(user.operations(&mapping.place, &edits, self.by_filter))),
            false => (Manner::Put, user.replacement(&mapping.place, &edits)),
        };
        let version = user.version().filter(|_| abilities.etag).map(str::to_owned);
        let change = Change { id: user.id().clone(), method, body, version };
        self.asked = edits;
        self.step = Step::Wants(Want::Change(change));
    }

    /// Whether one of these names an item of a list by its type.
    fn is_by_filter(&self, edits: &[Edit]) -> bool {
        self.by_filter
            && self.terms.abilities.patch
            && matches!(self.terms.mapping.place, TierPlace::Listed { kind: Some(_), .. })
            && edits.iter().any(|edit| matches!(edit, Edit::Tier(_)))
    }

    /// The user is as it shall be.
    fn arrived(&mut self) {
        match self.undescribed.take() {
            // Where an address was changed too, that is done, and the next pass tries the names alone.
            Some(why) if self.intent.action == Action::Rename && self.granted.is_empty() => {
                self.settle(Outcome::Rejected(why));
            }
            why => {
                self.undescribed = why;
                self.is_described = self.describes();
                self.settle_as_seen();
            }
        }
    }

    fn settle_as_seen(&mut self) {
        // Unknown is not empty. Of who cannot sign in it makes no difference.
        let is_unknown = |user: &User| user.is_active() && !user.has_memberships();
        if self.terms.mapping.place == TierPlace::Group && self.seen.as_ref().is_some_and(is_unknown) {
            return self.settle(Outcome::Ambiguous(
                "the account store does not show in which groups the user is, and so nobody knows the tier".to_owned(),
            ));
        }
        let observed = self.seen.as_ref().map(|user| self.observed(user));
        self.settle(Outcome::Done(observed));
    }

    /// The user as the agent sees it; one without an address is known by that of the intent.
    fn observed(&self, user: &User) -> Observed {
        let mapping = &self.terms.mapping;
        let observed = mapping.observe(user).unwrap_or_else(|| Observed {
            id: user.id().clone(),
            email: self.intent.email.clone(),
            seat: mapping.seat(user),
            external: user.identity().filter(|_| mapping.keeps_identity),
            details: None,
        });
        let details = self.intent.details.as_ref().filter(|_| self.is_described);
        Observed { details: details.map(|details| details.mark()), ..observed }
    }

    fn settle(&mut self, outcome: Outcome) {
        self.step = Step::Settled(outcome);
    }

    /// Whether it gives the right to sign in.
    fn is_gain(&self) -> bool {
        self.intent.action != Action::Rename && matches!(self.intent.to, Seat::Active(_))
    }
}

fn is_of_detail(edit: &Edit) -> bool {
    matches!(edit, Edit::Detail(_))
}

fn is_of_address(edit: &Edit) -> bool {
    matches!(edit, Edit::UserName(_) | Edit::Address(_))
}
