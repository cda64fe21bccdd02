//! `/metrics`: what is counted from the start of the process, and what is read off a [`Live`] when somebody asks.
//!
//! Names follow the Prometheus conventions: base units, `_total` for what only grows, `_timestamp_seconds` for instants.
//! Every label has a bounded set of values: words of ours, tiers, and what has an end. Series whose labels are known
//! exist from the start, with 0, so that a rate over the first event is not lost. What is not known has no value: people
//! of a pass that failed, the time of something that never was.
//!
//! Requests are counted by their histogram: its `_count` by operation and outcome.

use super::live::{Daemon, Live, Remembered, SeatCount, Watched};
use super::verdict::{State, Verdict};
use crate::model::{Action, Exchange, PassResult, Peer, Timestamp, WarningKind, Went};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// The whole of a pass, as a phase.
pub const PHASE_ALL: &str = "all";
/// The phases of a pass that are there from the start.
pub const PHASES: [&str; 7] = [PHASE_ALL, "remember", "recover", "read", "audit", "decide", "apply"];
/// How passes end.
const RESULTS: [PassResult; 5] =
    [PassResult::InSync, PassResult::Applied, PassResult::Held, PassResult::Partial, PassResult::Failed];
/// How exchanges end.
const OUTCOMES: [Went; 3] = [Went::Answered, Went::Refused, Went::Unanswered];
/// Where notifications go.
const CHANNELS: [&str; 2] = ["webhook", "email"];
/// What a seat with a tier can be.
const STATUSES: [&str; 2] = ["active", "suspended"];

/// Seconds: a pass over a small LDIF file takes milliseconds, one over a large directory minutes.
const PASS_BUCKETS: [f64; 13] = [0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];
/// Seconds: a bind next door takes milliseconds, a large page over a slow line seconds.
const EXCHANGE_BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

type Fixed<const N: usize> = [(&'static str, &'static str); N];
type Labels = Vec<(&'static str, String)>;

/// What is counted; its clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    passes: Family<Fixed<1>, Counter>,
    phases: Family<Fixed<1>, Histogram>,
    changes: Family<Fixed<2>, Counter>,
    notifications: Family<Fixed<2>, Counter>,
    directory_changes: Counter,
    read_differences: Counter,
    ldap: Family<Fixed<2>, Histogram>,
    http: Family<Fixed<2>, Histogram>,
    registry: Arc<Registry>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        let passes = Family::<Fixed<1>, Counter>::default();
        let phases = Family::<Fixed<1>, Histogram>::new_with_constructor(|| Histogram::new(PASS_BUCKETS));
        let changes = Family::<Fixed<2>, Counter>::default();
        let notifications = Family::<Fixed<2>, Counter>::default();
        let (directory_changes, read_differences) = (Counter::default(), Counter::default());
        let exchanges = || Family::<Fixed<2>, Histogram>::new_with_constructor(|| Histogram::new(EXCHANGE_BUCKETS));
        let (ldap, http) = (exchanges(), exchanges());
        let mut registry = Registry::with_prefix("seatsync");
        registry.register("passes", "Passes that have ended, by result", passes.clone());
        registry.register("pass_duration_seconds", "Time a pass took, by phase; all is the whole", phases.clone());
        registry.register("changes", "Changes sent to the account store, by action and outcome", changes.clone());
        registry.register("notifications", "Notifications, by channel and outcome", notifications.clone());
        let help = "Changes that the directory told as they were made";
        registry.register("directory_changes", help, directory_changes.clone());
        let help = "Reads from the beginning that said something else than what had been followed";
        registry.register("read_differences", help, read_differences.clone());
        let help = "Time of requests to the directory, by operation and outcome";
        registry.register("ldap_request_duration_seconds", help, ldap.clone());
        let help = "Time of requests to the account store, by operation and outcome";
        registry.register("http_request_duration_seconds", help, http.clone());
        for result in RESULTS {
            drop(passes.get_or_create(&[("result", result.word())]));
        }
        for phase in PHASES {
            drop(phases.get_or_create(&[("phase", phase)]));
        }
        for done in [true, false] {
            for action in Action::ALL {
                drop(changes.get_or_create(&of_change(action, done)));
            }
            for channel in CHANNELS {
                drop(notifications.get_or_create(&of_notification(channel, done)));
            }
        }
        Self {
            passes,
            phases,
            changes,
            notifications,
            directory_changes,
            read_differences,
            ldap,
            http,
            registry: Arc::new(registry),
        }
    }

    /// A server was asked.
    pub fn exchange(&self, Exchange { peer, operation, took, went }: &Exchange) {
        self.exchanges_with(*peer).get_or_create(&of_exchange(operation, *went)).observe(took.as_secs_f64());
    }

    /// Such questions will be asked: their series begin with 0.
    pub fn foresee(&self, peer: Peer, operations: impl IntoIterator<Item = &'static str>) {
        for operation in operations {
            for went in OUTCOMES {
                drop(self.exchanges_with(peer).get_or_create(&of_exchange(operation, went)));
            }
        }
    }

    fn exchanges_with(&self, peer: Peer) -> &Family<Fixed<2>, Histogram> {
        match peer {
            Peer::Directory => &self.ldap,
            Peer::AccountStore => &self.http,
        }
    }

    /// A phase of a pass has ended; see [`PHASES`].
    pub fn phase(&self, phase: &'static str, took: Duration) {
        self.phases.get_or_create(&[("phase", phase)]).observe(took.as_secs_f64());
    }

    /// A pass has ended.
    pub fn pass(&self, result: PassResult) {
        self.passes.get_or_create(&[("result", result.word())]).inc();
    }

    /// A change was sent, and done or not.
    pub fn change(&self, action: Action, done: bool) {
        self.changes.get_or_create(&of_change(action, done)).inc();
    }

    /// The directory told a change as it was made.
    pub fn directory_change(&self) {
        self.directory_changes.inc();
    }

    /// A read from the beginning said something else than what had been followed until then.
    pub fn read_differed(&self) {
        self.read_differences.inc();
    }

    /// A notification was sent or not.
    pub fn notification(&self, channel: &'static str, sent: bool) {
        self.notifications.get_or_create(&of_notification(channel, sent)).inc();
    }

    /// All of it in OpenMetrics 1.0.
    pub fn text(&self, live: &Live, now: Timestamp) -> String {
        let mut text = String::new();
        let written = encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, &momentary(live, now)))
            .and_then(|()| encode_eof(&mut text));
        if let Err(error) = written {
            // Without the mark of the end the reader refuses it, which is right.
            tracing::error!("metrics cannot be written: {error}");
        }
        text
    }
}

fn of_exchange(operation: &'static str, went: Went) -> Fixed<2> {
    let outcome = match went {
        Went::Answered => "answered",
        Went::Refused => "refused",
        Went::Unanswered => "unanswered",
    };
    [("operation", operation), ("outcome", outcome)]
}

fn of_change(action: Action, done: bool) -> Fixed<2> {
    let action = match action {
        Action::Invite => "invite",
        Action::Create => "create",
        Action::Grant => "grant",
        Action::Move => "move",
        Action::Suspend => "suspend",
        Action::Resume => "resume",
        Action::Remove => "remove",
        Action::Rename => "rename",
    };
    [("action", action), ("outcome", if done { "done" } else { "failed" })]
}

fn of_notification(channel: &'static str, sent: bool) -> Fixed<2> {
    [("channel", channel), ("outcome", if sent { "sent" } else { "failed" })]
}

/// What is so now. Made anew each time, so that what is gone (a tier, a certificate) has no series that stays.
fn momentary(live: &Live, now: Timestamp) -> Registry {
    let mut root = Registry::default();
    let version = live.daemon.as_ref().map_or(env!("CARGO_PKG_VERSION"), |daemon| &daemon.version).to_owned();
    {
        let ours = root.sub_registry_with_prefix("seatsync");
        ours.register("build", "Of the program", Info::new([("version", version)]));
        let state = Verdict::of(live, now).state;
        let states = State::ALL.map(|each| (vec![("state", each.word().to_owned())], truth(each == state)));
        gauge(ours, "state", "1 for the state of the agent", states);
        remembered(ours, &live.remembered);
        if let Some(daemon) = &live.daemon {
            known(ours, daemon, now);
        }
    }
    if let Some(daemon) = &live.daemon {
        let help = "When the process began to serve, since the epoch";
        gauge(&mut root, "process_start_time_seconds", help, one(seconds(daemon.started)));
    }
    root
}

fn remembered(ours: &mut Registry, remembered: &Remembered) {
    let Remembered { rebuilt: _, last_pass, last_good, held, held_expires, approved, seats } = remembered;
    let (losses, gains) = held.as_ref().map_or((0, 0), |held| (held.losses, held.gains));
    let kind = |word: &str, count| (vec![("kind", word.to_owned())], number(count));
    gauge(ours, "held", "Changes that wait for approval, by kind", [kind("loss", losses), kind("gain", gains)]);
    let help = "When the changes that wait were first held";
    gauge(ours, "held_since_timestamp_seconds", help, some(held.as_ref().map(|held| held.since)));
    // Once it is approved nobody needs to be called: the next pass does the rest.
    let help = "When the changes that wait have waited too long for somebody to look";
    gauge(ours, "held_expires_timestamp_seconds", help, some(held_expires.filter(|_| approved.is_none())));
    gauge(ours, "seats", "Accounts known, by tier and status", of_seats(seats));
    gauge(ours, "last_success_timestamp_seconds", "When the last good pass ended", some(*last_good));
    let help = "When the last pass began";
    gauge(ours, "last_pass_timestamp_seconds", help, some(last_pass.as_ref().map(|last| last.at)));
    // A pass that failed has counted nobody, which is not the same as none.
    let counts = last_pass.as_ref().filter(|last| last.result != PassResult::Failed).map(|last| last.counts);
    let of = |count: Option<usize>| count.map(|count| (Labels::new(), number(count)));
    gauge(ours, "people", "People read from the directory", of(counts.map(|counts| counts.people)));
    gauge(ours, "people_seated", "People who should hold a seat", of(counts.map(|counts| counts.seated)));
}

/// Of tiers that are known, each status has its number.
fn of_seats(seats: &[SeatCount]) -> BTreeMap<Labels, f64> {
    let labels = |tier: &str, status: &str| vec![("tier", tier.to_owned()), ("status", status.to_owned())];
    let tiers: BTreeSet<&str> = seats.iter().filter_map(|each| each.tier.as_deref()).collect();
    let none = tiers.iter().flat_map(|tier| STATUSES.map(|status| (labels(tier, status), 0.0)));
    let mut all: BTreeMap<Labels, f64> = none.chain([(labels("", "invited"), 0.0)]).collect();
    all.extend(
        seats.iter().map(|each| (labels(each.tier.as_deref().unwrap_or(""), &each.status), number(each.accounts))),
    );
    all
}

fn known(ours: &mut Registry, daemon: &Daemon, now: Timestamp) {
    let Daemon {
        version: _,
        pid: _,
        config: _,
        started: _,
        loaded,
        rejected,
        running,
        outage,
        next_sync,
        next_audit,
        overdue_at,
        directory_read,
        warnings,
        expiries,
        watched,
    } = daemon;
    let none = WarningKind::ALL.map(|kind| (kind.to_string(), 0));
    let warnings: BTreeMap<String, usize> =
        none.into_iter().chain(warnings.iter().map(|(kind, count)| (kind.clone(), *count))).collect();
    let help = "Warnings of the latest pass that came to a plan, by kind";
    let warnings = warnings.into_iter().map(|(kind, count)| (vec![("kind", kind)], number(count)));
    gauge(ours, "warnings", help, warnings);
    gauge(ours, "outage", "1 while passes fail", one(truth(outage.is_some())));
    let help = "Passes that failed in a row, up to now";
    gauge(ours, "outage_passes", help, one(outage.as_ref().map_or(0.0, |outage| f64::from(outage.passes))));
    let help = "1 while a newer configuration is refused and an older one in use";
    gauge(ours, "config_rejected", help, one(truth(rejected.is_some())));
    let help = "When the configuration in use was read";
    gauge(ours, "config_loaded_timestamp_seconds", help, some(Some(*loaded)));
    let help = "Since when the pass that runs now is running";
    gauge(ours, "running_since_timestamp_seconds", help, some(running.as_ref().map(|running| running.since)));
    let next = [("sync", next_sync), ("audit", next_audit)];
    let next = next.into_iter().filter_map(|(run, at)| Some((vec![("run", run.to_owned())], seconds((*at)?))));
    gauge(ours, "next_run_timestamp_seconds", "When the next pass is due, by kind", next);
    let help = "From when on the last good pass is too old";
    gauge(ours, "overdue_timestamp_seconds", help, some(*overdue_at));
    let lag = directory_read.map(|at| (Labels::new(), (seconds(now) - seconds(at)).max(0.0)));
    gauge(ours, "directory_lag_seconds", "Time since the directory was last read to its end", lag);
    let help = "1 while the directory tells changes as they are made";
    let is_watched = watched.as_ref().map(|watched| truth(matches!(watched, Watched::Since { .. })));
    gauge(ours, "directory_watched", help, is_watched.map(|value| (Labels::new(), value)));
    // Two certificates of one server: the earlier end counts.
    let mut ends: BTreeMap<Labels, f64> = BTreeMap::new();
    for expiry in expiries {
        let labels = vec![("kind", expiry.kind.clone()), ("of", expiry.of.clone())];
        let at = seconds(expiry.at);
        ends.entry(labels).and_modify(|end| *end = end.min(at)).or_insert(at);
    }
    gauge(ours, "expiry_timestamp_seconds", "When a certificate or secret ends", ends);
}

fn gauge(registry: &mut Registry, name: &str, help: &str, series: impl IntoIterator<Item = (Labels, f64)>) {
    let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    for (labels, value) in series {
        if labels.is_empty() {
            // In a family it would be written with empty braces.
            let alone = Gauge::<f64, AtomicU64>::default();
            alone.set(value);
            return registry.register(name, help, alone);
        }
        family.get_or_create(&labels).set(value);
    }
    registry.register(name, help, family);
}

fn one(value: f64) -> [(Labels, f64); 1] {
    [(Labels::new(), value)]
}

fn some(at: Option<Timestamp>) -> Option<(Labels, f64)> {
    at.map(|at| (Labels::new(), seconds(at)))
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

fn truth(so: bool) -> f64 {
    f64::from(u8::from(so))
}

/// Counts here are far below 2^53.
fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::samples::*;
    use super::*;
    use crate::status::Expiry;

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|each| each == line), "no line {line} in\n{text}");
    }

    #[test]
    fn from_the_start_there_are_zeros() {
        let metrics = Metrics::new();
        metrics.foresee(Peer::Directory, ["bind"]);
        let text = metrics.text(&Live { daemon: Some(daemon()), ..nothing() }, now());
        for line in [
            "seatsync_passes_total{result=\"in_sync\"} 0",
            "seatsync_passes_total{result=\"failed\"} 0",
            "seatsync_pass_duration_seconds_count{phase=\"all\"} 0",
            "seatsync_changes_total{action=\"suspend\",outcome=\"failed\"} 0",
            "seatsync_notifications_total{channel=\"webhook\",outcome=\"sent\"} 0",
            "seatsync_ldap_request_duration_seconds_count{operation=\"bind\",outcome=\"unanswered\"} 0",
            "seatsync_warnings{kind=\"group_missing\"} 0.0",
            "seatsync_warnings{kind=\"no_email\"} 2.0",
            "seatsync_held{kind=\"loss\"} 0.0",
            "seatsync_outage 0.0",
            "seatsync_outage_passes 0.0",
            "seatsync_config_rejected 0.0",
            "seatsync_state{state=\"never\"} 1.0",
            "seatsync_state{state=\"ok\"} 0.0",
            "seatsync_seats{tier=\"\",status=\"invited\"} 0.0",
            "seatsync_build_info{version=\"0.1.0\"} 1",
        ] {
            has(&text, line);
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn what_is_not_known_has_no_value() {
        let metrics = Metrics::new();
        let text = metrics.text(&nothing(), now()) + &metrics.text(&after(PassResult::Failed), now());
        for name in ["people", "people_seated", "held_since_timestamp_seconds", "running_since_timestamp_seconds"] {
            assert!(!text.lines().any(|line| line.starts_with(&format!("seatsync_{name} "))), "{name} in\n{text}");
        }
        let text = metrics.text(&nothing(), now());
        assert!(!text.contains("last_success_timestamp_seconds "), "{text}");
    }

    #[test]
    fn what_happens_is_counted_by_all_clones_together() {
        let metrics = Metrics::new();
        let other = metrics.clone();
        metrics.pass(PassResult::Applied);
        other.pass(PassResult::Applied);
        metrics.change(Action::Suspend, true);
        metrics.notification("email", false);
        metrics.phase("read", Duration::from_millis(1_500));
        let exchange =
            Exchange { peer: Peer::Directory, operation: "bind", took: Duration::from_millis(7), went: Went::Refused };
        other.exchange(&exchange);
        other.exchange(&Exchange {
            peer: Peer::AccountStore,
            operation: "ListUsers",
            went: Went::Answered,
            ..exchange
        });
        let text = metrics.text(&after(PassResult::Applied), now());
        for line in [
            "seatsync_passes_total{result=\"applied\"} 2",
            "seatsync_changes_total{action=\"suspend\",outcome=\"done\"} 1",
            "seatsync_notifications_total{channel=\"email\",outcome=\"failed\"} 1",
            "seatsync_pass_duration_seconds_bucket{le=\"1.0\",phase=\"read\"} 0",
            "seatsync_pass_duration_seconds_bucket{le=\"2.5\",phase=\"read\"} 1",
            "seatsync_pass_duration_seconds_sum{phase=\"read\"} 1.5",
            "seatsync_ldap_request_duration_seconds_count{operation=\"bind\",outcome=\"refused\"} 1",
            "seatsync_http_request_duration_seconds_count{operation=\"ListUsers\",outcome=\"answered\"} 1",
        ] {
            has(&text, line);
        }
    }

    #[test]
    fn the_moment_is_read_off_the_value() {
        let mut live = Live { daemon: Some(daemon()), ..held() };
        let known = live.daemon.as_mut().unwrap();
        known.outage = Some(outage(true));
        known.rejected = Some(rejected());
        known.running = Some(running());
        known.expiries.push(Expiry { at: now() + DAY, ..known.expiries[0].clone() });
        let text = Metrics::new().text(&live, now());
        for line in [
            "seatsync_state{state=\"degraded\"} 1.0",
            "seatsync_state{state=\"held\"} 0.0",
            "seatsync_held{kind=\"loss\"} 12.0",
            "seatsync_held_expires_timestamp_seconds 1768269600.0",
            "seatsync_people 1200.0",
            "seatsync_people_seated 900.0",
            "seatsync_seats{tier=\"pro\",status=\"active\"} 300.0",
            "seatsync_seats{tier=\"pro\",status=\"suspended\"} 0.0",
            "seatsync_seats{tier=\"\",status=\"invited\"} 2.0",
            "seatsync_last_success_timestamp_seconds 1768186680.0",
            "seatsync_directory_lag_seconds 120.0",
            "seatsync_next_run_timestamp_seconds{run=\"sync\"} 1768186980.0",
            "seatsync_outage 1.0",
            "seatsync_outage_passes 4.0",
            "seatsync_config_rejected 1.0",
            "seatsync_running_since_timestamp_seconds 1768186740.0",
            "seatsync_expiry_timestamp_seconds{kind=\"certificate\",of=\"ldaps://dc1.corp.example\"} 1768273200.0",
            "process_start_time_seconds 1768100400.0",
        ] {
            has(&text, line);
        }
    }
}
