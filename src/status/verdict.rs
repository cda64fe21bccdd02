//! The state of an agent in one word, why, and what somebody should do about it: pure.
//!
//! Several things can be wrong at once. The word is that of the worst, and so are the reason and the advice: whoever is
//! called at night mends that first, and then sees the next.

use super::live::{Daemon, Live, Outage, Rejected, Remembered};
use super::words;
use crate::model::{HeldNote, PassResult, Timestamp};

/// The states, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The last pass left nothing to do.
    Ok,
    /// No pass has been made.
    Never,
    /// Changes wait for approval.
    Held,
    /// It goes on, but not as it should.
    Degraded,
    /// Nothing goes on until somebody acts.
    Failing,
}

impl State {
    /// Each of them.
    pub const ALL: [Self; 5] = [Self::Never, Self::Ok, Self::Held, Self::Degraded, Self::Failing];

    /// The word of the JSON contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Never => "never",
            Self::Held => "held",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
        }
    }
}

/// What is to be said first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// In one word.
    pub state: State,
    /// Why it is not `ok`.
    pub reason: Option<String>,
    /// What to do next, where somebody should do something.
    pub advice: Option<String>,
}

/// One thing that is not as it should be.
struct Finding {
    state: State,
    reason: String,
    advice: String,
}

impl Verdict {
    /// The worst of all that is so.
    pub fn of(live: &Live, now: Timestamp) -> Self {
        let mut findings = findings(live, now);
        // Stable: of equals the first is told, and the order of the findings is that of their causes.
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.state));
        match findings.into_iter().next() {
            None => Self { state: State::Ok, reason: None, advice: None },
            Some(Finding { state, reason, advice }) => Self { state, reason: Some(reason), advice: Some(advice) },
        }
    }
}

fn findings(Live { remembered, daemon }: &Live, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    let outage = daemon.as_ref().and_then(|daemon| daemon.outage.as_ref());
    if let Some(outage) = outage {
        found.push(of_outage(outage, daemon.as_ref()));
    }
    if let Some(why) = &remembered.rebuilt {
        let advice = "no seat is lost; look at what is held: seatsync plan".to_owned();
        found.push(Finding { state: State::Degraded, reason: why.clone(), advice });
    }
    found.extend(of_the_last_pass(remembered, outage.is_some(), daemon.as_ref()));
    if let Some(daemon) = daemon {
        if let Some(Rejected { at, .. }) = &daemon.rejected {
            found.push(Finding {
                state: State::Degraded,
                reason: format!(
                    "the configuration that was read at {} was refused; the one before is in use",
                    words::time(*at)
                ),
                advice: "mend the file (seatsync status says what is wrong), then: systemctl reload seatsync"
                    .to_owned(),
            });
        }
        // An outage says the same, with its cause.
        if outage.is_none() && daemon.is_overdue(now) {
            found.push(Finding {
                state: State::Degraded,
                reason: format!("{}, and three have been due since", no_good_pass(remembered, daemon)),
                advice: "look at the log (journalctl -u seatsync) and at the failed actions: seatsync history"
                    .to_owned(),
            });
        }
    }
    if let Some(held) = &remembered.held {
        found.push(of_held(held, remembered));
    }
    found
}

fn of_outage(Outage { reason, passes_by, .. }: &Outage, daemon: Option<&Daemon>) -> Finding {
    if *passes_by {
        let again = match daemon.and_then(|daemon| daemon.next_sync) {
            Some(at) => format!("nothing yet: it is tried again by itself, next at {}", words::time(at)),
            None => "nothing yet: it is tried again by itself".to_owned(),
        };
        let advice = format!("{again}; if it lasts: seatsync check");
        Finding { state: State::Degraded, reason: reason.clone(), advice }
    } else {
        let advice = "find out what is wrong, it does not pass by itself: seatsync check".to_owned();
        Finding { state: State::Failing, reason: reason.clone(), advice }
    }
}

/// `has_outage`: why passes fail is told better by the daemon.
fn of_the_last_pass(remembered: &Remembered, has_outage: bool, daemon: Option<&Daemon>) -> Option<Finding> {
    let Some(last) = &remembered.last_pass else {
        let running = daemon.is_some_and(|daemon| daemon.running.is_some());
        let (reason, advice) = match (running, daemon.is_some()) {
            (true, _) => ("no pass has been made; the first is running", "wait for its end"),
            (false, true) => ("no pass has been made", "wait for the next, or: seatsync sync"),
            (false, false) => ("no pass has been made", "make one: seatsync sync"),
        };
        return Some(Finding { state: State::Never, reason: reason.to_owned(), advice: advice.to_owned() });
    };
    match last.result {
        PassResult::Failed if has_outage => None,
        PassResult::Failed => Some(Finding {
            state: State::Failing,
            reason: last.reason.clone().unwrap_or_else(|| "the last pass did not come to a plan".to_owned()),
            advice: "find out what is wrong: seatsync check".to_owned(),
        }),
        PassResult::Partial => Some(Finding {
            state: State::Degraded,
            reason: format!("{} actions failed in the last pass", last.counts.failed),
            advice: "the next pass tries them again; what the account store said: seatsync history".to_owned(),
        }),
        PassResult::InSync | PassResult::Applied | PassResult::Held => None,
    }
}

fn of_held(HeldNote { hash, losses, gains, since: _ }: &HeldNote, remembered: &Remembered) -> Finding {
    let (reason, advice) = match &remembered.approved {
        None => (
            format!("{losses} losses and {gains} gains wait for: seatsync approve {hash}"),
            format!(
                "look at what is held: seatsync plan; then release it: seatsync approve {hash}; or mend the directory: \
                 what is not wanted any more goes away by itself"
            ),
        ),
        Some(approval) => (
            format!(
                "{losses} losses and {gains} gains are approved by {} and wait for the next pass: seatsync sync",
                approval.by
            ),
            "wait for the next pass, or: seatsync sync".to_owned(),
        ),
    };
    Finding { state: State::Held, reason, advice }
}

/// Since when no pass has ended well.
pub(super) fn no_good_pass(remembered: &Remembered, daemon: &Daemon) -> String {
    match remembered.last_good {
        Some(at) => format!("the last good pass ended at {}", words::time(at)),
        None => format!("no pass has ended well since the start at {}", words::time(daemon.started)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::samples::*;
    use super::*;
    use crate::model::PassRecord;
    use crate::status::ApprovalNote;

    fn state(live: &Live) -> State {
        let verdict = Verdict::of(live, now());
        assert_eq!(verdict.reason.is_none(), verdict.state == State::Ok, "{verdict:?}");
        assert_eq!(verdict.advice.is_none(), verdict.state == State::Ok, "{verdict:?}");
        verdict.state
    }

    #[test]
    fn a_stopped_agent_is_judged_by_its_last_pass() {
        let with = |result| Live { daemon: None, ..after(result) };
        assert_eq!(state(&nothing()), State::Never);
        assert_eq!(state(&with(PassResult::InSync)), State::Ok);
        assert_eq!(state(&with(PassResult::Applied)), State::Ok);
        assert_eq!(state(&with(PassResult::Partial)), State::Degraded);
        assert_eq!(state(&with(PassResult::Failed)), State::Failing);
        assert_eq!(state(&held()), State::Held);
    }

    #[test]
    fn an_outage_degrades_or_fails_by_whether_it_passes() {
        for (passes_by, expected) in [(true, State::Degraded), (false, State::Failing)] {
            let mut live = after(PassResult::Failed);
            live.daemon.as_mut().unwrap().outage = Some(outage(passes_by));
            assert_eq!(state(&live), expected);
            assert_eq!(Verdict::of(&live, now()).reason.as_deref(), Some("dc1 does not answer"));
        }
    }

    #[test]
    fn a_refused_configuration_degrades_what_was_better() {
        for (result, expected) in [(PassResult::InSync, State::Degraded), (PassResult::Failed, State::Failing)] {
            let mut live = after(result);
            live.daemon.as_mut().unwrap().rejected = Some(rejected());
            assert_eq!(state(&live), expected);
        }
        let mut live = held();
        live.daemon = Some(Daemon { rejected: Some(rejected()), ..daemon() });
        assert_eq!(state(&live), State::Degraded);
    }

    #[test]
    fn passes_that_are_due_and_do_not_end_well_degrade() {
        let mut live = after(PassResult::InSync);
        live.daemon.as_mut().unwrap().overdue_at = Some(now());
        assert_eq!(state(&live), State::Degraded);
        let said = Verdict::of(&live, now() - std::time::Duration::from_secs(1));
        assert_eq!(said.state, State::Ok);
    }

    #[test]
    fn the_first_pass_of_a_daemon_is_waited_for() {
        let mut live = Live { daemon: Some(daemon()), ..nothing() };
        assert_eq!(Verdict::of(&live, now()).reason.as_deref(), Some("no pass has been made"));
        live.daemon.as_mut().unwrap().running = Some(running());
        let said = Verdict::of(&live, now()).reason.unwrap();
        assert_eq!(said, "no pass has been made; the first is running");
    }

    #[test]
    fn what_is_approved_waits_for_no_approval() {
        let mut live = held();
        assert!(Verdict::of(&live, now()).advice.unwrap().contains("seatsync approve 3f9c0a51b2d47e88"));
        live.remembered.approved = Some(ApprovalNote { by: "root".to_owned(), at: now(), expires: now() });
        let said = Verdict::of(&live, now());
        assert!(said.reason.unwrap().contains("approved by root"));
        assert!(!said.advice.unwrap().contains("approve"));
    }

    #[test]
    fn a_pass_that_failed_without_a_word_has_a_reason() {
        let mut live = Live { daemon: None, ..after(PassResult::Failed) };
        let last: &mut PassRecord = live.remembered.last_pass.as_mut().unwrap();
        last.reason = None;
        assert_eq!(state(&live), State::Failing);
    }
}
