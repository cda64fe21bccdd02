//! A pass that need not decide: nothing it would decide from has changed since one that found everything in sync.
//!
//! Law: it reports and writes what deciding again would report and write.

use super::{Preview, Report, Request, World};
use crate::decide::{Roster, changes_at};
use crate::model::{Limits, Origin, PassResult, Rules, Timestamp};
use crate::state::Closing;
use std::sync::{Arc, Weak};

/// Most warnings with which a pass is remembered: they are kept in memory meanwhile.
const WARNINGS_MAX: usize = 10_000;

/// A pass that found everything in sync, and what it found that from. The memory it is of is kept beside it.
#[derive(Debug)]
pub(super) struct Rest {
    /// Which roster it was: whoever brings it up to date shall have it alone.
    roster: Weak<Roster>,
    rules: Rules,
    limits: Limits,
    since: Timestamp,
    /// When time alone may lead to another decision.
    until: Timestamp,
    report: Report,
}

impl Rest {
    /// After that pass; `None` where the next one may have to do anything but report the same.
    ///
    /// `closing` is what it leaves behind: whatever changes by it the next pass is to see. It lasts until the account
    /// store is to be seen again: one that has lost everybody must not go unnoticed for as long as nothing changes.
    pub(super) fn after<D, A, S>(
        world: &World<D, A, S>,
        request: &Request,
        preview: &Preview,
        report: &Report,
        closing: &Closing,
    ) -> Option<Box<Self>> {
        let Request { audit, only, expect } = request;
        let Closing { record: _, good, whole, groups, absent, approvals, held } = closing;
        let Preview { roster, desired, memory, at, learned, unresolved, waits, said_once, held: holds, .. } = preview;
        let is_usual = !audit && only.is_none() && expect.is_none() && memory.origin == Origin::Known;
        let is_in_sync = report.result == PassResult::InSync && report.in_sync && good.is_some() && *whole;
        let nobody_waits = !waits && *unresolved == 0 && memory.open.is_empty() && holds.is_none();
        let changed_nothing =
            learned.is_empty() && groups.is_none() && absent.is_none() && approvals.is_none() && held.is_none();
        let says_the_same = report.warnings.len() <= WARNINGS_MAX && !said_once;
        let (_, seen_until) = world.kept.seen(*at)?;
        (is_usual && is_in_sync && nobody_waits && changed_nothing && says_the_same).then(|| {
            Box::new(Self {
                roster: Arc::downgrade(roster),
                rules: world.rules.clone(),
                limits: world.limits.clone(),
                since: *at,
                until: changes_at(roster, desired, &world.rules, memory, *at).min(seen_until),
                report: report.clone(),
            })
        })
    }

    /// Whether a pass that begins now, with that roster, would decide the same.
    pub(super) fn holds<D, A, S>(
        &self,
        world: &World<D, A, S>,
        request: &Request,
        roster: &Arc<Roster>,
        at: Timestamp,
    ) -> bool {
        let Self { roster: of, rules, limits, since, until, report: _ } = self;
        // A clock that was set back may have brought an expired account to life again.
        let is_time = (*since..*until).contains(&at);
        let is_same =
            std::ptr::eq(of.as_ptr(), Arc::as_ptr(roster)) && *rules == world.rules && *limits == world.limits;
        is_time && is_same && *request == Request::default()
    }

    /// What deciding again would report.
    pub(super) fn report(&self) -> &Report {
        &self.report
    }
}
