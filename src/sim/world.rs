//! The parts of the simulated world.

use crate::accounts::{AccountStore, AccountsError, Sought};
use crate::directory::{Cursor, Directory, DirectoryError, Read};
use crate::model::{
    Action, Approval, Delta, Detail, Details, DetailsMark, Dn, Email, Fact, Group, GroupRef, HistoryEntry, Intent,
    Limits, Mailbox, Member, Memory, News, ObjectGuid, Observed, Origin, Outcome, PassId, Person, Reading, Rules, Seat,
    Settlement, StoreKind, Tier, TierRule, Timestamp, UserId, Wanted,
};
use crate::pass::{Halt, Kept, World};
use crate::state::{Closing, StateError, StateStore};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

/// SplitMix64.
pub(super) struct Dice(pub u64);

impl Dice {
    pub(super) fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

/// How many effects are left before the process dies.
#[derive(Clone, Default)]
pub(super) struct Fuse(Rc<Cell<Option<u64>>>);

impl Fuse {
    pub(super) fn light(&self, effects: Option<u64>) {
        self.0.set(effects);
    }

    /// One effect; false when dead.
    fn burn(&self) -> bool {
        match self.0.get() {
            None => true,
            Some(0) => false,
            Some(left) => {
                self.0.set(Some(left - 1));
                true
            }
        }
    }
}

/// Somebody who asks the pass to stop after so many moments; and what must not be cut off by it.
#[derive(Clone, Default)]
pub(super) struct Stopper(Rc<StopperState>);

#[derive(Default)]
struct StopperState {
    halt: RefCell<Halt>,
    moments: Cell<Option<u64>>,
    /// Writes and batches under way: must be 0 whenever a pass has ended.
    under_way: Cell<u32>,
}

impl Stopper {
    /// For the next pass; gives what that pass is to heed.
    pub(super) fn set(&self, moments: Option<u64>) -> Halt {
        self.0.moments.set(moments);
        self.0.halt.replace(Halt::default());
        self.0.halt.borrow().clone()
    }

    pub(super) fn cut_off(&self) -> u32 {
        self.0.under_way.get()
    }

    /// A moment at which somebody may ask, and at which a future can be dropped.
    async fn moment(&self) {
        match self.0.moments.get() {
            None => {}
            Some(0) => self.0.halt.borrow().ask(),
            Some(left) => self.0.moments.set(Some(left - 1)),
        }
        tokio::task::yield_now().await;
    }

    /// A moment in the middle of something that may not be dropped.
    async fn moment_in_work(&self) {
        self.0.under_way.set(self.0.under_way.get() + 1);
        self.moment().await;
        self.0.under_way.set(self.0.under_way.get() - 1);
    }
}

/// One simulated person.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Body {
    pub exists: bool,
    pub enabled: bool,
    pub expires: Option<Timestamp>,
    pub pro: bool,
    pub plus: bool,
    /// Which name the directory has; none for the first.
    pub name: u8,
}

impl Body {
    /// Somebody who is there.
    pub(super) fn in_groups(pro: bool, plus: bool) -> Self {
        Self { exists: true, enabled: true, expires: None, pro, plus, name: 0 }
    }
}

pub(super) fn guid(number: usize) -> ObjectGuid {
    ObjectGuid::from_u128(number as u128 + 1)
}

pub(super) fn email(number: usize) -> Email {
    Email::parse(&format!("p{number}@x.example")).unwrap()
}

/// Two groups, mapped to the two tiers.
pub(super) fn rules() -> Rules {
    let rule = |tier: &str, group: &str| TierRule { tier: Tier::new(tier), groups: vec![GroupRef::new(group)] };
    Rules { tiers: vec![rule("pro", "Pro"), rule("plus", "Plus")], nested: true, ..Rules::default() }
}

/// A world in which nothing fails and nobody has an account yet: what goes wrong is set in its parts.
pub(super) fn calm(
    kind: StoreKind,
    bodies: Vec<Body>,
    rules: Rules,
    now: fn() -> Timestamp,
) -> World<SimDirectory, SimStore, SimState> {
    let (fuse, stopper) = (Fuse::default(), Stopper::default());
    World {
        directory: SimDirectory {
            bodies: Rc::new(RefCell::new(bodies)),
            answers: Rc::new(Cell::new(true)),
            tells_news: false,
            is_deaf: Cell::default(),
            fuse: fuse.clone(),
            stopper: stopper.clone(),
        },
        accounts: SimStore {
            kind,
            users: Rc::default(),
            shown: Rc::default(),
            double_invitations: Rc::default(),
            dice: Rc::new(RefCell::new(Dice(1))),
            trouble: Rc::default(),
            refuses: None,
            hides: None,
            heard: Rc::default(),
            fuse: fuse.clone(),
            stopper: stopper.clone(),
        },
        state: SimState::new(fuse, stopper),
        rules,
        limits: Limits::default(),
        now,
        halt: Halt::default(),
        kept: Kept::default(),
    }
}

/// The directory: bodies in two groups, and whether it answers.
pub(super) struct SimDirectory {
    pub bodies: Rc<RefCell<Vec<Body>>>,
    pub answers: Rc<Cell<bool>>,
    /// Whether it can say that nothing is different since the last time.
    pub tells_news: bool,
    /// Whether it says so although something is.
    pub is_deaf: Cell<bool>,
    pub fuse: Fuse,
    pub stopper: Stopper,
}

impl Directory for SimDirectory {
    async fn read(&mut self, _: &Wanted<'_>, since: Option<&Cursor>) -> Result<Read, DirectoryError> {
        self.stopper.moment().await;
        if !self.answers.get() || !self.fuse.burn() {
            return Err(DirectoryError::Incomplete { message: "rc 51 on page 3 of 5".into() });
        }
        let bodies = self.bodies.borrow();
        let cursor = self.tells_news.then(|| Cursor::new(format!("{bodies:?}").into_bytes()));
        if let Some(since) = since.filter(|since| self.is_deaf.get() || Some(*since) == cursor.as_ref()) {
            return Ok(Read { news: News::Changed(Delta::default()), cursor: Some(since.clone()) });
        }
        let dn = |number: usize| Dn::new(&format!("CN=p{number},DC=x"));
        let present = || bodies.iter().enumerate().filter(|(_, body)| body.exists);
        let people = present()
            .map(|(number, body)| Person {
                guid: guid(number),
                dn: dn(number),
                account_name: Some(format!("p{number}").into()),
                mailbox: Mailbox::Address(email(number)),
                disabled: !body.enabled,
                expires: body.expires.map(Into::into),
                sid: None,
                primary_group_rid: None,
                details: details(body.name),
            })
            .collect();
        let group = |number: usize, name: &str, within: fn(&Body) -> bool| Group {
            guid: guid(10_000 + number),
            dn: Dn::new(&format!("CN={name},DC=x")),
            account_name: Some(name.to_owned()),
            common_names: vec![name.to_owned()],
            sid: None,
            members: present()
                .filter(|(_, body)| within(body))
                .map(|(number, _)| Member::Dn(dn(number).key()))
                .collect(),
        };
        let groups = vec![group(0, "Pro", |body| body.pro), group(1, "Plus", |body| body.plus)];
        Ok(Read { news: News::Whole(Reading { people, groups, ..Reading::default() }), cursor })
    }
}

/// What the directory has of a person's name.
pub(super) fn details(name: u8) -> Option<Arc<Details>> {
    let value = format!("name {name}").into();
    Details::of((name > 0).then(|| Detail { name: "displayName".into(), value }).into_iter().collect())
}

/// The account store: survives the process. Some of its answers get lost.
#[derive(Clone)]
pub(super) struct SimStore {
    pub kind: StoreKind,
    pub users: Rc<RefCell<BTreeMap<UserId, Observed>>>,
    /// The details that each account shows.
    pub shown: Rc<RefCell<BTreeMap<UserId, DetailsMark>>>,
    /// Invitations sent to an address that had one open already: must stay 0.
    pub double_invitations: Rc<Cell<u32>>,
    pub dice: Rc<RefCell<Dice>>,
    /// One in so many answers is lost, refused or never reached; 0 for a good day.
    pub trouble: Rc<Cell<u64>>,
    /// Whose every change is refused.
    pub refuses: Option<Email>,
    /// Who is left out of its lists.
    pub hides: Option<Email>,
    /// How often it was asked or told anything.
    pub heard: Rc<Cell<u64>>,
    pub fuse: Fuse,
    pub stopper: Stopper,
}

impl SimStore {
    fn refused(&self) -> Option<AccountsError> {
        self.heard.set(self.heard.get() + 1);
        let bad_luck = self.trouble.get() > 0 && self.dice.borrow_mut().roll(self.trouble.get()) == 0;
        (bad_luck || !self.fuse.burn()).then(|| AccountsError::Unavailable { message: "503".into() })
    }

    fn by_email(&self, email: &Email) -> Option<UserId> {
        self.users.borrow().values().find(|user| user.email == *email).map(|user| user.id.clone())
    }

    /// Brings a seat to its target.
    fn carry_out(&self, intent: &Intent) -> Option<Observed> {
        let known = intent.account.clone().filter(|id| self.users.borrow().contains_key(id));
        let id = known.or_else(|| self.by_email(&intent.email)).unwrap_or_else(|| UserId::new(&intent.email.key()));
        if intent.to == Seat::Vacant {
            self.users.borrow_mut().remove(&id);
            self.shown.borrow_mut().remove(&id);
            return None;
        }
        let before = self.users.borrow().get(&id).map(|user| user.seat.clone());
        if intent.action == Action::Invite && before == Some(Seat::Invited) {
            self.double_invitations.set(self.double_invitations.get() + 1);
        }
        let (email, seat) = (intent.email.clone(), intent.to.clone());
        let user = Observed { id: id.clone(), email, seat, external: None, details: None };
        self.users.borrow_mut().insert(id.clone(), user.clone());
        let details = intent.details.as_ref().filter(|_| intent.to.is_held()).map(|details| details.mark());
        self.shown.borrow_mut().extend(details.map(|mark| (id, mark)));
        Some(Observed { details, ..user })
    }

    fn apply_one(&self, intent: &Intent) -> Outcome {
        let lost = || Outcome::Ambiguous("time-out".into());
        if !self.fuse.burn() {
            return lost();
        }
        if self.refuses.as_ref() == Some(&intent.email) {
            return Outcome::Rejected("409".into());
        }
        let trouble = self.trouble.get();
        match if trouble == 0 { 3 } else { self.dice.borrow_mut().roll(trouble) } {
            0 => lost(),
            1 => {
                self.carry_out(intent);
                lost()
            }
            2 => Outcome::Rejected("409".into()),
            _ => {
                let done = self.carry_out(intent);
                // Dead after the change, before the answer was heard.
                if self.fuse.burn() { Outcome::Done(done) } else { lost() }
            }
        }
    }
}

impl AccountStore for SimStore {
    async fn kind(&mut self) -> Result<StoreKind, AccountsError> {
        self.stopper.moment().await;
        self.refused().map_or(Ok(self.kind), Err)
    }

    async fn list(&mut self) -> Result<Vec<Observed>, AccountsError> {
        self.stopper.moment().await;
        let is_shown = |user: &&Observed| self.hides.as_ref() != Some(&user.email);
        self.refused().map_or_else(|| Ok(self.users.borrow().values().filter(is_shown).cloned().collect()), Err)
    }

    async fn is_empty(&mut self) -> Result<bool, AccountsError> {
        self.stopper.moment().await;
        self.refused().map_or_else(|| Ok(self.users.borrow().is_empty()), Err)
    }

    async fn find(&mut self, sought: &[Sought]) -> Result<Vec<Option<Observed>>, AccountsError> {
        self.stopper.moment().await;
        if let Some(error) = self.refused() {
            return Err(error);
        }
        let users = self.users.borrow();
        Ok(sought
            .iter()
            .map(|sought| {
                let by_id = sought.account.as_ref().and_then(|id| users.get(id));
                by_id.or_else(|| users.values().find(|user| user.email == sought.email)).cloned()
            })
            .collect())
    }

    async fn apply(&mut self, intents: &[Intent]) -> Vec<Outcome> {
        self.heard.set(self.heard.get() + 1);
        let mut outcomes = Vec::new();
        for intent in intents {
            self.stopper.moment_in_work().await;
            outcomes.push(self.apply_one(intent));
        }
        outcomes
    }

    fn batch_max(&self) -> usize {
        3
    }

    fn renames(&self) -> bool {
        true
    }
}

/// The state: survives the process; each call is all or nothing.
pub(super) struct SimState {
    pub memory: Rc<RefCell<Memory>>,
    pub history: Rc<RefCell<Vec<HistoryEntry>>>,
    /// Whatever was written, in words, without the names of the passes.
    pub writes: Rc<RefCell<Vec<String>>>,
    /// How often all of it was loaded.
    pub loads: Rc<Cell<u64>>,
    pub fuse: Fuse,
    pub stopper: Stopper,
}

impl SimState {
    pub(super) fn new(fuse: Fuse, stopper: Stopper) -> Self {
        let memory = Rc::new(RefCell::new(Memory::empty(Origin::Fresh)));
        Self { memory, history: Rc::default(), writes: Rc::default(), loads: Rc::default(), fuse, stopper }
    }

    fn wrote(&self, what: &impl std::fmt::Debug, passes: &[PassId]) {
        let words = passes.iter().fold(format!("{what:?}"), |words, pass| words.replace(pass.as_str(), "this"));
        self.writes.borrow_mut().push(words);
    }

    async fn effect(&self) -> Result<(), StateError> {
        self.stopper.moment_in_work().await;
        if self.fuse.burn() { Ok(()) } else { Err(StateError::Disk { message: "killed".into() }) }
    }
}

impl StateStore for SimState {
    async fn load(&mut self) -> Result<Memory, StateError> {
        self.effect().await?;
        self.loads.set(self.loads.get() + 1);
        Ok(self.memory.borrow().clone())
    }

    async fn begin(&mut self, intents: &[Intent]) -> Result<(), StateError> {
        self.effect().await?;
        self.wrote(&intents, &intents.iter().map(|intent| intent.pass.clone()).collect::<Vec<_>>());
        let open = &mut self.memory.borrow_mut().open;
        let mut all: BTreeMap<ObjectGuid, Intent> = open.drain(..).map(|intent| (intent.guid, intent)).collect();
        all.extend(intents.iter().map(|intent| (intent.guid, Intent { details: None, ..intent.clone() })));
        open.extend(all.into_values());
        open.sort_by_key(|intent| intent.at);
        Ok(())
    }

    async fn settle(&mut self, settled: &[Settlement]) -> Result<(), StateError> {
        self.effect().await?;
        let passes = settled.iter().filter_map(|each| Some(each.entry.as_ref()?.pass.clone()));
        self.wrote(&settled, &passes.collect::<Vec<_>>());
        let mut memory = self.memory.borrow_mut();
        for settlement in settled {
            let Settlement { guid, fact, closes_intent, entry, details: _ } = settlement;
            memory.learn(settlement);
            if *closes_intent {
                memory.open.retain(|intent| intent.guid != *guid);
            }
            self.history.borrow_mut().extend(entry.clone());
            assert!(!matches!(fact, Fact::Holds(holding) if holding.seat == Seat::Active(Tier::new(""))));
        }
        Ok(())
    }

    async fn finish(&mut self, closing: &Arc<Closing>) -> Result<(), StateError> {
        self.effect().await?;
        let absent = closing.absent.as_ref().map(|absent| absent.iter().collect::<BTreeMap<_, _>>());
        self.wrote(
            &(absent, Closing { absent: None, ..(**closing).clone() }),
            std::slice::from_ref(&closing.record.id),
        );
        let Closing { record, good, whole, groups, absent, approvals, held } = (**closing).clone();
        let mut memory = self.memory.borrow_mut();
        memory.passes.push(record);
        if let Some(at) = good {
            memory.last_good = Some(at);
        }
        if whole {
            memory.origin = Origin::Known;
        }
        memory.groups = groups.unwrap_or_else(|| memory.groups.clone());
        memory.absent = absent.unwrap_or_else(|| memory.absent.clone());
        memory.approvals = approvals.unwrap_or_else(|| memory.approvals.clone());
        memory.held = held.unwrap_or_else(|| memory.held.clone());
        Ok(())
    }

    async fn approve(&mut self, approval: &Approval) -> Result<(), StateError> {
        self.effect().await?;
        self.wrote(approval, &[]);
        let approvals = &mut self.memory.borrow_mut().approvals;
        approvals.retain(|waiting| waiting.hash != approval.hash);
        approvals.push(approval.clone());
        Ok(())
    }

    async fn history(&mut self, who: Option<ObjectGuid>, most: usize) -> Result<Vec<HistoryEntry>, StateError> {
        let history = self.history.borrow();
        let of: Vec<_> = history.iter().filter(|entry| who.is_none_or(|who| entry.guid == who)).cloned().collect();
        Ok(of[of.len().saturating_sub(most)..].to_vec())
    }
}

/// Seats by person, as the account store has them; vacant ones left out.
pub(super) fn seats(users: &BTreeMap<UserId, Observed>) -> HashMap<String, Seat> {
    users.values().map(|user| (user.email.key().into_owned(), user.seat.clone())).collect()
}
