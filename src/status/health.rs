//! Whether somebody must be called (`/healthz`), and whether the agent is at work (`/readyz`): pure.

use super::live::{Expiry, Live};
use super::verdict::no_good_pass;
use super::words;
use crate::model::Timestamp;
use std::time::Duration;

/// How long before its end a certificate or secret turns the light red: long enough for somebody on holiday.
pub const EXPIRY_WARNING: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Everything for which somebody must be called; empty is well.
pub fn illnesses(live: &Live, now: Timestamp) -> Vec<String> {
    let Live { remembered, daemon } = live;
    let Some(daemon) = daemon else {
        return vec!["no service is running: systemctl start seatsync".to_owned()];
    };
    let mut ill = Vec::new();
    if daemon.is_overdue(now) {
        let why = match &daemon.outage {
            Some(outage) => format!("since {}: {}", words::time(outage.since), outage.reason),
            None => "see: seatsync status".to_owned(),
        };
        ill.push(format!("{}, and three have been due since; {why}", no_good_pass(remembered, daemon)));
    }
    // Once it is approved somebody has looked; the next pass does the rest.
    if let (Some(held), Some(expires), None) = (&remembered.held, remembered.held_expires, &remembered.approved)
        && expires <= now
    {
        ill.push(format!(
            "{} losses and {} gains have been held since {}, and nobody has looked in time: seatsync plan, then seatsync \
             approve {}",
            held.losses,
            held.gains,
            words::time(held.since),
            held.hash
        ));
    }
    ill.extend(daemon.expiries.iter().filter(|each| is_near(each, now)).map(|Expiry { kind, of, at }| {
        let verb = if *at <= now { "ended" } else { "ends" };
        format!("the {kind} of {of} {verb} at {}: renew it", words::time(*at))
    }));
    ill
}

/// Whether something has ended, or ends so soon that somebody must be told.
pub fn is_near(expiry: &Expiry, now: Timestamp) -> bool {
    expiry.at.duration_since(now) <= jiff::SignedDuration::try_from(EXPIRY_WARNING).unwrap_or(jiff::SignedDuration::MAX)
}

/// Why the agent is not at work yet, if it is not: it is when a good pass was made since it started.
pub fn unready(live: &Live) -> Option<String> {
    let Some(daemon) = &live.daemon else { return Some("no service is running".to_owned()) };
    if live.remembered.last_good.is_some_and(|at| at >= daemon.started) {
        return None;
    }
    Some(match (&daemon.outage, &daemon.running) {
        (Some(outage), _) => format!("no good pass since the start: {}", outage.reason),
        (None, Some(running)) => format!("no good pass since the start; one is running: {}", running.step),
        (None, None) => "no good pass since the start".to_owned(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::samples::*;
    use super::*;
    use crate::model::PassResult;
    use crate::status::{ApprovalNote, Daemon};

    const SECOND: Duration = Duration::from_secs(1);

    fn well() -> Live {
        after(PassResult::InSync)
    }

    fn ill(live: &Live) -> Vec<String> {
        illnesses(live, now())
    }

    #[test]
    fn who_does_what_is_due_is_well() {
        assert_eq!(ill(&well()), [""; 0]);
        let waiting = Live { daemon: Some(daemon()), ..held() };
        assert_eq!(ill(&waiting), [""; 0], "what is held has its time");
    }

    #[test]
    fn three_passes_without_a_good_one_are_too_many() {
        for (at, expected) in [(now() + SECOND, 0), (now(), 1)] {
            let mut live = well();
            live.daemon.as_mut().unwrap().overdue_at = Some(at);
            assert_eq!(ill(&live).len(), expected, "{at}");
        }
        let mut live = well();
        live.remembered.last_good = None;
        live.daemon = Some(Daemon { overdue_at: Some(now()), outage: Some(outage(true)), ..daemon() });
        let said = ill(&live).concat();
        assert!(said.starts_with("no pass has ended well since the start at 2026-01-11T03:00:00Z"), "{said}");
        assert!(said.ends_with("dc1 does not answer"), "{said}");
    }

    #[test]
    fn what_is_held_past_its_time_is_told_until_somebody_approves() {
        let mut live = Live { daemon: Some(daemon()), ..held() };
        live.remembered.held_expires = Some(now());
        assert!(ill(&live).concat().contains("seatsync approve 3f9c0a51b2d47e88"));
        live.remembered.approved = Some(ApprovalNote { by: "root".to_owned(), at: now(), expires: now() + MINUTE });
        assert_eq!(ill(&live), [""; 0]);
    }

    #[test]
    fn what_ends_soon_or_has_ended_is_told() {
        for (at, expected) in
            [(now() + 14 * DAY + SECOND, None), (now() + 14 * DAY, Some("ends at")), (now() - DAY, Some("ended at"))]
        {
            let mut live = well();
            live.daemon.as_mut().unwrap().expiries[0].at = at;
            let said = ill(&live);
            assert_eq!(said.len(), usize::from(expected.is_some()), "{said:?}");
            assert!(expected.is_none_or(|words| said[0].contains(words)), "{said:?}");
        }
    }

    #[test]
    fn without_a_service_nothing_is_well_or_ready() {
        assert_eq!(ill(&held()).len(), 1);
        assert!(unready(&held()).is_some());
    }

    #[test]
    fn ready_is_who_made_a_good_pass_since_the_start() {
        let mut live = well();
        assert_eq!(unready(&live), None);
        let started = live.daemon.as_ref().unwrap().started;
        live.remembered.last_good = Some(started);
        assert_eq!(unready(&live), None);
        live.remembered.last_good = Some(started - SECOND);
        assert_eq!(unready(&live).unwrap(), "no good pass since the start");
        live.daemon.as_mut().unwrap().running = Some(running());
        assert!(unready(&live).unwrap().ends_with("reading the directory"));
        live.daemon.as_mut().unwrap().outage = Some(outage(false));
        assert!(unready(&live).unwrap().ends_with("dc1 does not answer"));
        live.remembered.last_good = None;
        assert!(unready(&live).is_some());
    }
}
