//! One intent on its way to its target: what to ask the server next, given what it answered so far. Pure.
//!
//! What is observed counts, never what was wanted: after each answer the seat is compared with the target anew, and the
//! next step follows from that. No step that was answered is taken twice, so that a server that says yes and does nothing
//! gets no second chance: the seat as it is then is the outcome.
//!
//! Whose account an intent means: the one with its key. A loss goes no further: were it to go on to another account with
//! the address, a removal done twice would take two. A gain goes on to the account with the address, else joins anew.

use super::profile::Profile;
use crate::model::{Action, Email, Intent, Observed, Outcome, Seat, StoreKind, UserId};
use crate::wire::{ErrorCode, Extension};

/// Most times that a step is taken again because the server had a fault of its own with this item.
const FAULTS_MAX: u32 = 3;
/// Most times that an address is tried again that was taken: whoever has it may let go of it in another request.
const TAKEN_MAX: u32 = 2;

/// What is to be asked of the server next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Want {
    /// A licence, an address or both for an account.
    Update { id: UserId, licence: Option<String>, email: Option<Email> },
    /// The right to sign in taken; in a team account the whole user.
    Suspend(UserId),
    /// The right to sign in given back.
    Unsuspend(UserId),
    /// An invitation.
    Invite(Email),
    /// A user of a directory account.
    Create { email: Email, licence: String },
    /// The account with that key.
    LookUp(UserId),
    /// The account with that address.
    LookFor(Email),
}

impl Want {
    /// Whether it only asks, and may be asked as often as needed.
    fn is_look(&self) -> bool {
        matches!(self, Self::LookUp(_) | Self::LookFor(_))
    }
}

/// What the server answered to a [`Want`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Done, and this is the account afterwards.
    Done(Observed),
    /// Done, and nothing is said about afterwards.
    Unseen,
    /// What a look found.
    Found(Option<Observed>),
    /// This item was refused.
    Refused { code: ErrorCode, message: String },
    /// The whole request was refused.
    Barred(String),
    /// It may have been done.
    Unknown(String),
}

#[derive(Debug)]
enum Step {
    Wants(Want),
    Settled(Outcome),
}

/// One intent under way.
#[derive(Debug)]
pub(super) struct Errand<'a> {
    intent: &'a Intent,
    profile: &'a Profile,
    step: Step,
    /// The account as last observed.
    seen: Option<Observed>,
    /// Steps that were answered, with a refusal's words.
    taken: Vec<(Want, Option<String>)>,
    faults: u32,
    /// How often the address was somebody else's.
    conflicts: u32,
    /// Set when the address cannot be had: then the seat counts alone.
    unmovable: bool,
    /// An invitation may have been sent; whether it was is looked up.
    in_doubt: bool,
}

impl<'a> Errand<'a> {
    pub(super) fn begin(intent: &'a Intent, profile: &'a Profile) -> Self {
        let mut errand = Self {
            intent,
            profile,
            step: Step::Settled(Outcome::Done(None)),
            seen: None,
            taken: Vec::new(),
            faults: 0,
            conflicts: 0,
            unmovable: false,
            in_doubt: false,
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

    /// Whether the last answer was a fault, after which a pause does good.
    pub(super) fn has_faults(&self) -> bool {
        self.faults > 0 && self.wants().is_some()
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
        let Some(id) = self.intent.account.clone() else {
            return match self.is_gain() {
                false => self.settle(Outcome::Done(None)),
                // Who is there already is told apart by the answers; any other server is asked first.
                true if self.joins_blindly() => self.join(),
                true => self.go(Want::LookFor(self.intent.email.clone())),
            };
        };
        let wanted = self.licence_wanted().map(str::to_owned);
        let first = match (self.intent.action, &self.intent.to) {
            (Action::Rename, _) => Want::Update { id, licence: None, email: Some(self.intent.email.clone()) },
            (_, Seat::Suspended(_)) => Want::Suspend(id),
            (_, Seat::Vacant) if self.profile.kind == StoreKind::Team => Want::Suspend(id),
            (_, Seat::Vacant | Seat::Invited) => Want::LookUp(id),
            (_, Seat::Active(tier)) => match &self.intent.from {
                Seat::Suspended(before) if before == tier => Want::Unsuspend(id),
                Seat::Vacant | Seat::Invited | Seat::Active(_) | Seat::Suspended(_) => {
                    Want::Update { id, licence: wanted, email: self.address_to_follow() }
                }
            },
        };
        self.go(first);
    }

    /// What cannot be, whatever the server says.
    fn impossible(&self) -> Option<String> {
        let Self { intent, profile, .. } = self;
        match (intent.action, profile.kind, &intent.to) {
            (Action::Rename, _, _) if !profile.has(Extension::PrimaryEmail) => Some(
                "this account store cannot change the address of an account (it does not declare PrimaryEmail): change it \
                 there by hand, or leave it as it is"
                    .to_owned(),
            ),
            (Action::Rename, _, _) => None,
            // To a team account the same request is a removal.
            (_, StoreKind::Team, Seat::Suspended(_)) => {
                Some("in an account of kind Team nobody is suspended, only removed".to_owned())
            }
            (_, _, Seat::Active(tier)) if profile.licence(tier).is_none() => Some(profile.no_licence(tier)),
            _ => None,
        }
    }

    /// Whether somebody without an account can be asked to join without a look at who is there.
    fn joins_blindly(&self) -> bool {
        match (self.profile.kind, &self.intent.to) {
            (StoreKind::Team, Seat::Invited) => self.profile.has(Extension::Echo),
            (StoreKind::EnterpriseDirectory, Seat::Active(_)) => {
                self.intent.action == Action::Create && self.profile.has(Extension::BatchCreateUser)
            }
            _ => false,
        }
    }

    // ---- answers ----

    /// Takes an answer in. `alone`: whether no other request of the same kind was under way, in which somebody else may
    /// have let go of the address that this one wants.
    pub(super) fn hear(&mut self, answer: Answer, alone: bool) {
        let Step::Wants(want) = &self.step else { return };
        let want = want.clone();
        match answer {
            Answer::Done(observed) => {
                self.note(&want, None);
                match (&want, self.profile.kind) {
                    (Want::Suspend(_), StoreKind::Team) => self.settle(Outcome::Done(None)),
                    _ => self.toward(observed),
                }
            }
            Answer::Unseen => {
                self.note(&want, None);
                match (want, self.profile.kind) {
                    (Want::Suspend(_), StoreKind::Team) => self.settle(Outcome::Done(None)),
                    // One look for both steps, so that nobody's second step misses the request of the others.
                    (Want::Update { id, licence: Some(_), .. }, _) if self.is_to_resume(&id) => {
                        self.go(Want::Unsuspend(id));
                    }
                    (Want::Update { id, .. } | Want::Suspend(id) | Want::Unsuspend(id) | Want::LookUp(id), _) => {
                        self.go(Want::LookUp(id));
                    }
                    (Want::Invite(email) | Want::Create { email, .. } | Want::LookFor(email), _) => {
                        self.go(Want::LookFor(email));
                    }
                }
            }
            Answer::Found(Some(observed)) => self.toward(observed),
            Answer::Found(None) => self.not_there(&want),
            Answer::Refused { code, message } => self.refused(want, code, message, alone),
            // Something was done before: how the seat is now is for the next pass to find out.
            Answer::Barred(message) if self.taken.iter().any(|(_, refusal)| refusal.is_none()) => {
                self.settle(Outcome::Ambiguous(message));
            }
            Answer::Barred(message) => self.settle(Outcome::Rejected(self.advised(message))),
            Answer::Unknown(message) => self.unknown(want, message),
        }
    }

    /// Nobody has that key or that address.
    fn not_there(&mut self, want: &Want) {
        match want {
            Want::LookUp(_) if self.is_gain() => self.go(Want::LookFor(self.intent.email.clone())),
            Want::LookFor(_) if self.is_gain() => {
                self.seen = None;
                self.join();
            }
            _ => self.settle(Outcome::Done(None)),
        }
    }

    /// One item of a batch was refused.
    fn refused(&mut self, want: Want, code: ErrorCode, message: String, alone: bool) {
        let fault = matches!(
            code,
            ErrorCode::Throttled | ErrorCode::Throttling | ErrorCode::ServiceFailure | ErrorCode::ServiceUnavailable
        );
        if fault {
            self.faults += 1;
            if self.faults > FAULTS_MAX {
                self.settle(Outcome::Ambiguous(format!("the account store had a fault with it ({code}: {message})")));
            }
            return;
        }
        let words = self.advised(format!("the account store refused it ({code}: {message})"));
        match (want, code) {
            (Want::Suspend(_), ErrorCode::NotFound) => self.settle(Outcome::Done(None)),
            (Want::Update { .. } | Want::Unsuspend(_), ErrorCode::NotFound) => {
                self.note_refused(&words);
                match self.is_gain() {
                    true => self.go(Want::LookFor(self.intent.email.clone())),
                    false => self.settle(Outcome::Done(None)),
                }
            }
            (Want::Update { email: Some(_), .. }, ErrorCode::Conflict) if !alone && self.conflicts < TAKEN_MAX => {
                self.conflicts += 1;
            }
            (Want::Update { id, licence, email: Some(email) }, code) if code != ErrorCode::PreconditionFailed => {
                self.note_refused(&words);
                self.unmovable = true;
                match (licence, self.seen.clone()) {
                    // An address that cannot be had holds up a rename, but no seat.
                    (Some(licence), _) => self.go(Want::Update { id, licence: Some(licence), email: None }),
                    (None, _) if self.intent.action == Action::Rename => {
                        self.settle(Outcome::Rejected(unmovable(&email, code, &message)));
                    }
                    (None, Some(seen)) => self.toward(seen),
                    (None, None) => self.settle(Outcome::Rejected(words)),
                }
            }
            (Want::Create { email, .. }, ErrorCode::Conflict) => {
                self.note_refused(&words);
                self.go(Want::LookFor(email));
            }
            // Invited before a directory was connected, and has not come: made by the directory now.
            (Want::Update { .. }, ErrorCode::PreconditionFailed)
                if self.is_gain()
                    && self.profile.kind == StoreKind::EnterpriseDirectory
                    && self.profile.has(Extension::BatchCreateUser) =>
            {
                self.note_refused(&words);
                self.join();
            }
            // Not in a state to have a licence: whoever is invited and has not come stays invited.
            (Want::Update { id, .. }, ErrorCode::PreconditionFailed) if self.intent.action != Action::Rename => {
                self.note_refused(&words);
                self.go(Want::LookUp(id));
            }
            _ => self.settle(Outcome::Rejected(words)),
        }
    }

    /// The answer was lost.
    fn unknown(&mut self, want: Want, message: String) {
        match want {
            // Nobody is asked twice: whether the invitation is there is looked up, and only then it is sent again.
            Want::Invite(email) if !self.in_doubt && !self.profile.has(Extension::Echo) => {
                self.in_doubt = true;
                self.go(Want::LookFor(email));
            }
            _ => self.settle(Outcome::Ambiguous(message)),
        }
    }

    // ---- toward the target ----

    /// The next step from what is observed.
    fn toward(&mut self, observed: Observed) {
        let Observed { id, email, seat, .. } = observed.clone();
        self.seen = Some(observed);
        if self.intent.action == Action::Rename {
            return self.follow_address(id, &email);
        }
        match (&self.intent.to, &seat) {
            // Whoever is asked stays asked; whoever is there needs no invitation.
            (Seat::Active(_) | Seat::Invited, Seat::Invited) | (Seat::Invited, Seat::Active(_)) => {
                self.settle_as_seen()
            }
            (Seat::Active(tier), Seat::Active(held)) if tier == held => self.follow_address(id, &email),
            (Seat::Active(tier), Seat::Suspended(held)) if tier == held => self.go(Want::Unsuspend(id)),
            (Seat::Active(_), Seat::Active(_) | Seat::Suspended(_) | Seat::Vacant) => {
                let licence = self.licence_wanted().map(str::to_owned);
                let follow = self.address_to_follow().filter(|wanted| *wanted != email);
                self.go(Want::Update { id, licence, email: follow });
            }
            (Seat::Invited, Seat::Vacant | Seat::Suspended(_)) if self.profile.kind == StoreKind::Team => {
                self.go(Want::Invite(email));
            }
            (Seat::Invited, Seat::Vacant | Seat::Suspended(_)) => self.settle(Outcome::Rejected(self.no_invitations())),
            (Seat::Suspended(_), Seat::Suspended(_)) => self.follow_address(id, &email),
            (Seat::Suspended(_), Seat::Active(_) | Seat::Vacant | Seat::Invited) => self.go(Want::Suspend(id)),
            (Seat::Vacant, Seat::Vacant) => self.settle_as_seen(),
            (Seat::Vacant, Seat::Active(_) | Seat::Suspended(_) | Seat::Invited) => match self.profile.kind {
                StoreKind::Team => self.go(Want::Suspend(id)),
                kind => self.settle(Outcome::Rejected(format!(
                    "in an account of kind {kind} nobody is removed, only suspended"
                ))),
            },
        }
    }

    /// The seat is right; perhaps the address is not.
    fn follow_address(&mut self, id: UserId, now: &Email) {
        match self.address_to_follow().filter(|wanted| wanted != now) {
            Some(email) => self.go(Want::Update { id, licence: None, email: Some(email) }),
            None => self.settle_as_seen(),
        }
    }

    /// Seats somebody who has no account, in the way of the account's kind.
    fn join(&mut self) {
        let email = self.intent.email.clone();
        let licence = self.licence_wanted().map(str::to_owned);
        match (self.profile.kind, licence) {
            (StoreKind::Team, _) => self.go(Want::Invite(email)),
            (_, None) => self.settle(Outcome::Rejected(self.no_invitations())),
            (StoreKind::EnterpriseDirectory, Some(licence)) if self.profile.has(Extension::BatchCreateUser) => {
                self.go(Want::Create { email, licence });
            }
            (StoreKind::EnterpriseDirectory, Some(_)) => self.settle(Outcome::Rejected(
                "this account store makes no accounts for people (it does not declare BatchCreateUser): make the account \
                 there by hand, and the next pass gives it its licence"
                    .to_owned(),
            )),
            // Nobody can do it for them: the answer "no account" lets the next pass wait.
            (StoreKind::EnterpriseLwa, Some(_)) => self.settle(Outcome::Done(None)),
        }
    }

    // ---- the means ----

    /// Takes a step, unless it was answered before: then what was answered is how it ends.
    fn go(&mut self, want: Want) {
        let before = self.taken.iter().find(|(taken, _)| *taken == want).map(|(_, refusal)| refusal.clone());
        match before {
            Some(Some(refusal)) => self.settle(Outcome::Rejected(refusal)),
            Some(None) if !want.is_look() => self.settle_as_seen(),
            Some(None) | None => self.step = Step::Wants(want),
        }
    }

    fn note(&mut self, want: &Want, refusal: Option<String>) {
        if !want.is_look() {
            self.taken.push((want.clone(), refusal));
        }
    }

    fn note_refused(&mut self, words: &str) {
        if let Step::Wants(want) = &self.step {
            self.taken.push((want.clone(), Some(words.to_owned())));
        }
    }

    fn settle_as_seen(&mut self) {
        self.settle(Outcome::Done(self.seen.clone()));
    }

    fn settle(&mut self, outcome: Outcome) {
        self.step = Step::Settled(outcome);
    }

    /// Whether it gives the right to sign in, or asks somebody to take it.
    fn is_gain(&self) -> bool {
        self.intent.action != Action::Rename && matches!(self.intent.to, Seat::Active(_) | Seat::Invited)
    }

    /// Whether the right to sign in is to be given back, and was not yet.
    fn is_to_resume(&self, id: &UserId) -> bool {
        let unsuspends = |(taken, _): &(Want, Option<String>)| matches!(taken, Want::Unsuspend(whose) if whose == id);
        matches!((&self.intent.from, &self.intent.to), (Seat::Suspended(_), Seat::Active(_)))
            && self.profile.kind != StoreKind::Team
            && !self.taken.iter().any(unsuspends)
    }

    fn licence_wanted(&self) -> Option<&'a str> {
        match &self.intent.to {
            Seat::Active(tier) => self.profile.licence(tier),
            Seat::Vacant | Seat::Invited | Seat::Suspended(_) => None,
        }
    }

    fn address_to_follow(&self) -> Option<Email> {
        (self.profile.has(Extension::PrimaryEmail) && !self.unmovable).then(|| self.intent.email.clone())
    }

    fn no_invitations(&self) -> String {
        format!("in an account of kind {} nobody is invited", self.profile.kind)
    }

    /// A refusal, with what to do where the reason is known.
    fn advised(&self, words: String) -> String {
        let is_plain = self.profile.kind == StoreKind::EnterpriseDirectory
            && !self.profile.has(Extension::DirectoryUpdates)
            && self.intent.action != Action::Rename;
        match is_plain {
            true => format!(
                "{words}; it does not declare DirectoryUpdates, without which the seats of an EnterpriseDirectory account \
                 cannot be changed from outside: switch off strict there"
            ),
            false => words,
        }
    }
}

/// Why an address could not be had, and what somebody is to do: it is refused in every pass until then.
fn unmovable(email: &Email, code: ErrorCode, message: &str) -> String {
    if code != ErrorCode::Conflict {
        return format!("the account store does not take the address {email} ({code}: {message}); the seat stays");
    }
    format!(
        "{email} is already the address of another user ({message}); correct the address of one of the two in the \
         directory, or, if that user belongs to nobody there, delete that account or give it another address in the \
         account store. The seat stays on the old address meanwhile"
    )
}
