//! The loop.

use super::alarm::Alarm;
use super::board::Board;
use super::course::{Course, Side, Word};
use super::mailbox::{Mailbox, Poke, Renewal, Turn};
use super::pulse::Pulse;
use crate::accounts::AccountStore;
use crate::control::{Answer, Ask, Order, Refusal};
use crate::directory::Directory;
use crate::pass::{self, PassError, Report, Request, Step, World};
use crate::state::StateStore;
use crate::status::{Outage, Rejected, Remembered, Running};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What the configuration says about the loop itself.
#[derive(Debug)]
pub struct Terms {
    /// When a pass is due.
    pub sync: Alarm,
    /// When an audit is due.
    pub audit: Alarm,
    /// Which account of the account store.
    pub account: String,
    /// Whether addresses of people may stand in the log.
    pub addresses: bool,
}

/// Makes the parts of the world from a configuration.
pub trait Foundry<D, A, S> {
    /// A configuration that was found good.
    type Plan;

    /// Puts the parts that the plan changes into the world. When one of them cannot be had, the world stays as it was.
    ///
    /// # Errors
    /// What was tried, what came back, what to do.
    fn adopt(&mut self, world: &mut World<D, A, S>, plan: Self::Plan) -> Result<Terms, String>;
}

/// Who hears how passes go.
pub trait Listener: Sync {
    /// A phase of a pass has ended.
    fn phase(&self, name: &'static str, took: Duration);
    /// A pass came to its end.
    fn passed(&self, report: &Report);
    /// A pass came to no plan.
    fn failed(&self);
}

/// Everything the loop works with.
pub struct Steward<D, A, S, F: Foundry<D, A, S>, L> {
    /// What passes work on.
    pub world: World<D, A, S>,
    /// Makes it anew when the configuration changes.
    pub foundry: F,
    /// When.
    pub terms: Terms,
    /// What waits.
    pub mailbox: Mailbox<F::Plan>,
    /// Where it says how it is.
    pub board: Board,
    /// Signs of life.
    pub pulse: Pulse,
    /// The longest it may go without one, while nothing is to do.
    pub rest_max: Duration,
    /// Who hears how it goes.
    pub listener: L,
    /// A number from 0 to 1, for delays.
    pub random: fn() -> f64,
    /// What was told before, so that the log does not repeat itself.
    pub said: pass::Said,
}

impl<D: Directory, A: AccountStore, S: StateStore, F: Foundry<D, A, S>, L: Listener> Steward<D, A, S, F, L> {
    /// Runs until it is told to stop. The first pass begins at once.
    pub async fn run(mut self) {
        let mut course = Course::default();
        self.remember().await;
        self.announce(&course);
        self.whole_pass(&mut course, Poke::Sync).await;
        loop {
            self.pulse.beat();
            let wait = self.wait(&course);
            match self.mailbox.next(wait).await {
                Turn::Stop => break,
                Turn::Renew(renewal) => self.renew(renewal, &mut course).await,
                Turn::Order(order) => self.attend(order, &mut course).await,
                Turn::Poke(poke) => self.whole_pass(&mut course, poke).await,
                Turn::Tick => {}
            }
            // After each turn, not only when nothing waits: orders that come without a pause must not stop the clock.
            if !self.world.halt.is_asked()
                && let Some(poke) = self.due(&course)
            {
                self.whole_pass(&mut course, poke).await;
            }
        }
        self.mailbox.close("the service stops");
    }

    fn wait(&self, course: &Course) -> Duration {
        let now = self.board.now();
        let retry = course.retry_at().map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
        let waits = [Some(self.terms.sync.wait(now)), Some(self.terms.audit.wait(now)), retry, Some(self.rest_max)];
        waits.into_iter().flatten().min().unwrap_or(self.rest_max)
    }

    /// What the clock asks for.
    fn due(&mut self, course: &Course) -> Option<Poke> {
        let now = self.board.now();
        // Both are looked at: a pass that serves two times is told to both alarms.
        let (sync, audit) = (self.terms.sync.due(now), self.terms.audit.due(now));
        let retry = course.retry_at().is_some_and(|at| at <= now);
        match (audit, sync || retry) {
            (true, _) => Some(Poke::Audit),
            (false, true) => Some(Poke::Sync),
            (false, false) => None,
        }
    }

    /// A pass over everybody, for whoever waits for one.
    async fn whole_pass(&mut self, course: &mut Course, poke: Poke) {
        let (orders, joined) = self.mailbox.board();
        let audit = poke == Poke::Audit || joined == Some(Poke::Audit) || course.owes_audit();
        self.pass(course, Request { audit, only: None, expect: None }, orders).await;
    }

    async fn pass(&mut self, course: &mut Course, request: Request, orders: Vec<Order>) {
        let Self { world, board, pulse, listener, .. } = self;
        if request.audit && request.only.is_none() {
            course.audit_begins();
        }
        let since = board.now();
        board.change(|daemon| daemon.running = Some(Running { since, step: "starting".to_owned() }));
        let clock = Phases::start(&*listener);
        let watch = |step: Step| {
            pulse.beat();
            clock.step(step);
            board.change(|daemon| {
                if let Some(running) = &mut daemon.running {
                    running.step = words(step);
                }
            });
            orders.iter().for_each(|order| order.step(step));
        };
        // Listeners are heard on this thread only: the watch is called where the pass runs.
        let ended = pass::run(world, &request, &watch).await;
        clock.end();
        self.pulse.beat();
        self.conclude(course, &request, &ended).await;
        for order in orders {
            order.end(ended.as_ref().map(|report| Answer::Report(report.clone())).map_err(Refusal::failed));
        }
    }

    /// Everything that follows from how a pass ended: log, board, listeners.
    async fn conclude(&mut self, course: &mut Course, request: &Request, ended: &Result<Report, PassError>) {
        let now = self.board.now();
        match ended {
            Ok(report) => {
                pass::tell(report, &mut self.said, self.terms.addresses);
                self.listener.passed(report);
                if request.audit && request.only.is_none() {
                    course.audit_ended();
                }
                if let Some(Word::Over(outage)) = course.went_well() {
                    let Outage { since, passes, reason: _, passes_by: _ } = outage;
                    let minutes = now.duration_since(since).as_mins();
                    tracing::info!("passes succeed again, after {passes} that failed in {minutes} min");
                }
                let mut warnings: BTreeMap<String, usize> = BTreeMap::new();
                for warning in &report.warnings {
                    *warnings.entry(warning.kind.to_string()).or_default() += 1;
                }
                // A pass for one person has looked at nobody else.
                if request.only.is_none() {
                    self.board.change(|daemon| daemon.warnings = warnings);
                }
                self.board.change(|daemon| daemon.directory_read = Some(report.at));
            }
            Err(error) => {
                if let Some(side) = Side::of(error) {
                    self.listener.failed();
                    let word = course.failed(side, error.to_string(), now, self.terms.sync.next(), (self.random)());
                    tell_outage(word, course.outage());
                }
            }
        }
        self.remember().await;
        let expiries = self.world.directory.expiries();
        let expiries = expiries.into_iter().chain(self.world.accounts.expiries()).collect();
        self.board.change(|daemon| daemon.expiries = expiries);
        self.announce(course);
    }

    /// Puts what the state says on the board. A state that cannot be read has been complained about by the pass.
    async fn remember(&mut self) {
        let (now, limits) = (self.board.now(), self.world.limits.clone());
        match pass::recall(&mut self.world).await {
            Ok(memory) => self.board.remember(Remembered::of(memory, &limits, now)),
            Err(error) => tracing::debug!("the state cannot be shown: {error}"),
        }
    }

    /// Brings the board up to date between passes, in one change: whoever looks sees all of it or nothing.
    fn announce(&self, course: &Course) {
        let Terms { sync, audit, .. } = &self.terms;
        let scheduled = sync.next();
        let next = match (course.retry_at(), scheduled) {
            (Some(retry), Some(scheduled)) => Some(retry.min(scheduled)),
            (retry, scheduled) => retry.or(scheduled),
        };
        let last_good = self.board.read().remembered.last_good;
        self.board.change(|daemon| {
            daemon.running = None;
            daemon.next_sync = next;
            daemon.next_audit = audit.next();
            daemon.outage = course.outage().cloned();
            // Not later than the start: a process that dies again and again must not look young for ever.
            daemon.overdue_at = sync.overdue_at(last_good.unwrap_or(daemon.started));
        });
    }

    async fn renew(&mut self, renewal: Renewal<F::Plan>, course: &mut Course) {
        let Renewal { plan, adopted, is_overtaken } = renewal;
        // The new alarms begin now: what the old ones still owe would be lost with them.
        let owes_audit = self.terms.audit.owes(self.board.now());
        let now = self.board.now();
        let outcome = match self.foundry.adopt(&mut self.world, plan) {
            Ok(terms) => {
                self.terms = terms;
                self.board.change(|daemon| {
                    daemon.loaded = now;
                    if !is_overtaken {
                        daemon.rejected = None;
                    }
                });
                tracing::info!("the new configuration is in force");
                Ok(())
            }
            Err(problem) => {
                tracing::error!("the new configuration cannot be used, the former stays in force: {problem}");
                self.board.change(|daemon| daemon.rejected = Some(Rejected { at: now, problems: problem.clone() }));
                Err(problem)
            }
        };
        let is_in_force = outcome.is_ok();
        self.announce(course);
        // Who asked may have left.
        _ = adopted.send(outcome);
        if is_in_force {
            // Whoever edits the mapping wants to see what it does. Its losses fall under the same limits.
            self.whole_pass(course, if owes_audit { Poke::Audit } else { Poke::Sync }).await;
        }
    }

    /// One order that is no whole pass, or the first of some that are.
    async fn attend(&mut self, order: Order, course: &mut Course) {
        if order.is_abandoned() {
            return;
        }
        match order.ask.clone() {
            Ask::Sync { audit, user: None } => {
                let (mut orders, joined) = self.mailbox.board();
                orders.insert(0, order);
                let audit = audit || joined == Some(Poke::Audit) || course.owes_audit();
                self.pass(course, Request { audit, only: None, expect: None }, orders).await;
            }
            Ask::Sync { audit, user } => {
                self.pass(course, Request { audit, only: user, expect: None }, vec![order]).await;
            }
            Ask::Apply { fingerprint } => {
                let request = Request { audit: false, only: None, expect: Some(fingerprint) };
                self.pass(course, request, vec![order]).await;
            }
            Ask::Plan { .. } | Ask::Approve { .. } | Ask::Explain { .. } | Ask::Accounts | Ask::History { .. } => {
                let answer = self.look(&order).await;
                if matches!(order.ask, Ask::Approve { .. }) {
                    // Before the answer: whoever looks next shall see it.
                    self.remember().await;
                    self.announce(course);
                }
                order.end(answer);
            }
            Ask::Status | Ask::Reload => {
                order.end(Err(Refusal::failed("that is not for the loop; please report this")));
            }
        }
    }

    /// What changes no seat.
    async fn look(&mut self, order: &Order) -> Result<Answer, Refusal> {
        let Self { world, pulse, .. } = self;
        let watch = |step: Step| {
            pulse.beat();
            order.step(step);
        };
        match &order.ask {
            Ask::Plan { audit, user } => {
                let request = Request { audit: *audit, only: user.clone(), expect: None };
                let preview = pass::preview(world, &request, &watch).await.map_err(Refusal::failed)?;
                Ok(Answer::Report(Report::of_preview(&preview)))
            }
            Ask::Approve { hash } => {
                let released = pass::approve(world, hash.as_deref(), &order.by, &watch).await;
                let released = released.map_err(Refusal::failed)?;
                if let Some(released) = &released {
                    tracing::info!("{} held changes were released by {}", released.changes.len(), order.by);
                }
                Ok(Answer::Released(released))
            }
            Ask::Explain { who } => {
                pass::explain(world, who, &watch).await.map(Answer::Explained).map_err(Refusal::failed)
            }
            Ask::Accounts => {
                let observed = tokio::select! {
                    () = world.halt.asked() => return Err(Refusal::failed("the service stops")),
                    observed = world.accounts.list() => observed.map_err(Refusal::failed)?,
                };
                Ok(Answer::Accounts { account: self.terms.account.clone(), observed })
            }
            Ask::History { user, last } => {
                let World { directory, state, kept, halt, .. } = world;
                let entries = tokio::select! {
                    () = halt.asked() => return Err(Refusal::failed("the service stops")),
                    entries = pass::history(Some(directory), state, kept, user.as_deref(), *last) => entries,
                };
                entries.map(Answer::History).map_err(Refusal::failed)
            }
            Ask::Sync { .. } | Ask::Apply { .. } | Ask::Status | Ask::Reload => {
                Err(Refusal::failed("that changes more than it may; please report this"))
            }
        }
    }
}

fn tell_outage(word: Option<Word>, outage: Option<&Outage>) {
    let Some(Outage { since, passes, reason, passes_by }) = outage else { return };
    let what = if *passes_by { "tried again by itself" } else { "somebody must act" };
    match word {
        Some(Word::Began | Word::Changed) => tracing::error!("passes fail ({what}): {reason}"),
        Some(Word::Still) => {
            tracing::error!("passes have failed since {since}, {passes} so far ({what}): {reason}");
        }
        Some(Word::Over(_)) | None => tracing::debug!("pass {passes} in a row failed: {reason}"),
    }
}

/// Where a pass is, in words.
pub(super) fn words(step: Step) -> String {
    match step {
        Step::Remembering => "loading the snapshot".to_owned(),
        Step::Recovering { open } => format!("looking up {open} open intents"),
        Step::Reading => "reading the directory".to_owned(),
        Step::Auditing => "listing the account store".to_owned(),
        Step::Deciding => "resolving groups and comparing".to_owned(),
        Step::Applying { done, of } => format!("applying {done} of {of}"),
    }
}

/// The phase a step belongs to.
fn phase(step: Step) -> &'static str {
    match step {
        Step::Remembering => "remember",
        Step::Recovering { .. } => "recover",
        Step::Reading => "read",
        Step::Auditing => "audit",
        Step::Deciding => "decide",
        Step::Applying { .. } => "apply",
    }
}

/// Measures the phases of one pass.
struct Phases<'a, L> {
    listener: &'a L,
    began: Instant,
    current: Mutex<Option<(&'static str, Instant)>>,
}

impl<'a, L: Listener> Phases<'a, L> {
    fn start(listener: &'a L) -> Self {
        Self { listener, began: Instant::now(), current: Mutex::new(None) }
    }

    fn step(&self, step: Step) {
        self.turn(Some(phase(step)));
    }

    fn end(&self) {
        self.turn(None);
        self.listener.phase("all", self.began.elapsed());
    }

    fn turn(&self, next: Option<&'static str>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((name, since)) = *current {
            if Some(name) == next {
                return;
            }
            self.listener.phase(name, since.elapsed());
        }
        *current = next.map(|name| (name, Instant::now()));
    }
}
