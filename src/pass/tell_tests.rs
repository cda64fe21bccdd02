//! What a pass says in the log: as a service would write it, with its fields.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::model::{Because, Cause, Counts, Email, GroupPath, PassId, Seat, Tier, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use tracing::Level;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// One event: its level and its fields, the message among them.
type Event = (Level, BTreeMap<String, String>);

/// Keeps every event.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<Event>>>);

struct Fields<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl<S: tracing::Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut fields = BTreeMap::new();
        event.record(&mut Fields(&mut fields));
        self.0.lock().unwrap().push((*event.metadata().level(), fields));
    }
}

/// What is told of a pass.
fn told(report: &Report, said: &mut Said, addresses: bool) -> Vec<Event> {
    let capture = Capture::default();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture.clone()), || {
        tell(report, said, addresses);
    });
    let events = capture.0.lock().unwrap();
    events.clone()
}

/// Level and message of each line.
fn messages(events: &[Event]) -> Vec<String> {
    events.iter().map(|(level, fields)| format!("{level} {}", fields["message"])).collect()
}

fn changed(who: &str, action: Action, from: Seat, to: Seat, because: Because, status: Status) -> ReportedChange {
    let email = Email::parse(&format!("{who}@corp.example")).unwrap();
    let guid = ObjectGuid::from_u128(u128::from(who.as_bytes()[0]));
    let dn = format!("CN={who},DC=corp,DC=example");
    ReportedChange {
        change: Change { action, guid, email, dn, account: None, from, to, because, details: None },
        status,
    }
}

fn pro() -> Seat {
    Seat::Active(Tier::new("pro"))
}

fn suspension(who: &str, status: Status) -> ReportedChange {
    let (to, because) = (Seat::Suspended(Tier::new("pro")), Because::Unseated(Cause::LeftAllGroups));
    changed(who, Action::Suspend, pro(), to, because, status)
}

fn report(result: PassResult, changes: Vec<ReportedChange>) -> Report {
    let of = |wanted: fn(&Status) -> bool| changes.iter().filter(|each| wanted(&each.status)).count();
    let counts = Counts {
        people: 1_200,
        seated: 900,
        changes: changes.len(),
        held: of(|status| matches!(status, Status::Held(_))),
        failed: of(|status| matches!(status, Status::Failed(_))),
    };
    let at = Timestamp::UNIX_EPOCH;
    Report {
        id: PassId::new(at, 7),
        at,
        took_ms: 1_234,
        result,
        in_sync: result == PassResult::InSync,
        hash: "abc".to_owned(),
        fingerprint: "abc".to_owned(),
        counts,
        changes,
        warnings: Vec::new(),
        held: None,
        scoped: false,
    }
}

#[test]
fn a_line_a_change_and_one_for_the_pass() {
    let path = GroupPath(["Chime Pro", "Engineering"].map(Arc::from).to_vec());
    let invited = changed("bob", Action::Invite, Seat::Vacant, Seat::Invited, Because::InGroup(path), Status::Done);
    let old = Email::parse("carla.old@corp.example").unwrap();
    let renamed = changed("carla", Action::Rename, pro(), pro(), Because::EmailChanged { from: old }, Status::Done);
    let why = "409: <dora@corp.example> is taken\nERROR forged".to_owned();
    let changes = vec![suspension("alice", Status::Done), invited, renamed, suspension("dora", Status::Failed(why))];
    let report = report(PassResult::Partial, changes);
    let events = told(&report, &mut Said::default(), false);
    assert_eq!(
        messages(&events),
        [
            "INFO suspend: pro -> suspended, in no mapped group",
            "INFO invite: vacant -> invited, in Chime Pro via Engineering",
            "INFO rename: pro -> pro, e-mail was [e-mail] in the account store",
            "WARN suspend failed: pro -> suspended, in no mapped group: 409: <[e-mail]> is taken ERROR forged",
            "INFO some actions failed: 4 changes, 0 held, 1 failed; 1200 people, 900 seated",
        ]
    );
    let (_, first) = &events[0];
    let field = |name: &str| first.get(name).map(String::as_str);
    assert_eq!((field("pass"), field("action")), (Some("19700101T000000Z-0007"), Some("suspend")));
    assert_eq!(field("guid"), Some("00000000-0000-0000-0000-000000000061"));
    assert_eq!((field("from"), field("to"), field("email")), (Some("pro"), Some("suspended"), None));
    let (_, last) = &events[4];
    let numbers = ["people", "seated", "changes", "held", "failed", "took_ms"].map(|name| last[name].as_str());
    assert_eq!((numbers, last["result"].as_str()), (["1200", "900", "4", "0", "1", "1234"], "partial"));

    let events = told(&report, &mut Said::default(), true);
    assert_eq!(messages(&events)[0], "INFO suspend alice@corp.example: pro -> suspended, in no mapped group");
    assert_eq!(
        messages(&events)[2],
        "INFO rename carla@corp.example: pro -> pro, e-mail was carla.old@corp.example in the account store"
    );
    assert_eq!(events[0].1["email"], "alice@corp.example");
}

#[test]
fn a_pass_in_sync_is_for_debugging_only() {
    let events = told(&report(PassResult::InSync, Vec::new()), &mut Said::default(), false);
    assert_eq!(messages(&events), ["DEBUG in sync: 0 changes, 0 held, 0 failed; 1200 people, 900 seated"]);
}

#[test]
fn what_was_not_sent_is_told_in_sum() {
    let unsent = |who| suspension(who, Status::Failed("not sent: told to stop".to_owned()));
    let changes = vec![suspension("alice", Status::Done), unsent("bob"), unsent("carla")];
    let events = told(&report(PassResult::Partial, changes), &mut Said::default(), false);
    assert_eq!(messages(&events)[1], "WARN 2 changes, not sent: told to stop");
    assert_eq!((events.len(), events[1].1["count"].as_str()), (3, "2"));
}

#[test]
fn what_is_held_is_told_in_sum_and_once() {
    let mut said = Said::default();
    let mut report = report(PassResult::Held, vec![suspension("alice", Status::Held("too many".to_owned()))]);
    let note = |hash: &str| HeldNote { hash: hash.to_owned(), losses: 60, gains: 1, since: Timestamp::UNIX_EPOCH };
    report.held = Some(note("f00"));
    let once = "INFO 60 losses and 1 gain held: look with seatsync plan, release with seatsync approve f00";
    let summary = "INFO held: 1 change, 1 held, 0 failed; 1200 people, 900 seated";
    assert_eq!(messages(&told(&report, &mut said, false)), [once, summary]);
    // Nothing new: the same every five minutes, for as long as nobody looks, is no line in the journal.
    assert_eq!(messages(&told(&report, &mut said, false)), [summary.replace("INFO", "DEBUG")]);
    report.held = Some(note("ba2"));
    assert_eq!(told(&report, &mut said, false).len(), 2, "something else is held");
    report.held = None;
    assert_eq!(told(&report, &mut said, false).len(), 1);
    report.held = Some(note("ba2"));
    assert_eq!(told(&report, &mut said, false).len(), 2, "it is held again");
}

#[test]
fn what_fails_again_is_told_once() {
    let mut said = Said::default();
    let refused = |who| suspension(who, Status::Failed("409".to_owned()));
    let mut report = report(PassResult::Partial, vec![refused("alice")]);
    let levels = |events: &[Event]| events.iter().map(|(level, _)| *level).collect::<Vec<_>>();
    assert_eq!(levels(&told(&report, &mut said, false)), [Level::WARN, Level::INFO]);
    assert_eq!(levels(&told(&report, &mut said, false)), [Level::DEBUG], "as before");
    report.changes.push(refused("bob"));
    assert_eq!(levels(&told(&report, &mut said, false)), [Level::WARN, Level::INFO], "only what is new");
    report.changes.remove(0);
    told(&report, &mut said, false);
    report.changes.push(refused("alice"));
    assert_eq!(levels(&told(&report, &mut said, false)), [Level::WARN, Level::INFO], "it had not failed in between");
}

#[test]
fn warnings_are_told_when_they_change() {
    let mut said = Said::default();
    let mut report = report(PassResult::InSync, Vec::new());
    let missing = |name: &str| Warning::new(WarningKind::GroupMissing, name, "no such group; its losses are held");
    let alike =
        |name: &str| Warning::new(WarningKind::DuplicateEmail, name, format!("{name} and eve share x@corp.example"));
    report.warnings = vec![missing("Chime Pro"), alike("adam@corp.example"), alike("bert")];
    let kinds = |events: &[Event]| -> Vec<String> {
        events.iter().filter(|(level, _)| *level == Level::WARN).map(|(_, fields)| fields["kind"].clone()).collect()
    };
    let first = told(&report, &mut said, false);
    assert_eq!(
        messages(&first)[..2],
        [
            "WARN group_missing: Chime Pro: no such group; its losses are held",
            "WARN duplicate_email: 2 of them ([e-mail], bert); the first: [e-mail] and eve share [e-mail]",
        ]
    );
    assert_eq!((first[1].1["count"].as_str(), first.len()), ("2", 3));
    assert_eq!(kinds(&told(&report, &mut said, false)), [""; 0], "nothing is new");
    // Another message about the same is no news: it may hold a count or a time.
    report.warnings[0].message = "still no such group".to_owned();
    assert_eq!(kinds(&told(&report, &mut said, false)), [""; 0]);
    report.warnings.push(missing("Chime Plus"));
    assert_eq!(kinds(&told(&report, &mut said, false)), ["group_missing"]);
    // A pass for one person says nothing of the others, and forgets nothing.
    let whole = report.clone();
    report = Report { scoped: true, warnings: Vec::new(), ..report };
    assert_eq!(kinds(&told(&report, &mut said, false)), [""; 0]);
    assert_eq!(kinds(&told(&whole, &mut said, false)), [""; 0]);
    report = Report { warnings: Vec::new(), ..whole.clone() };
    assert_eq!(kinds(&told(&report, &mut said, false)), [""; 0]);
    assert_eq!(kinds(&told(&whole, &mut said, false)).len(), 2, "what went away and came back is news");
}

#[test]
fn many_subjects_are_not_all_named() {
    let mut report = report(PassResult::InSync, Vec::new());
    report.warnings = (0..9).map(|n| Warning::new(WarningKind::NoEmail, format!("p{n}"), "no mail")).collect();
    let events = told(&report, &mut Said::default(), false);
    assert_eq!(messages(&events)[0], "WARN no_email: 9 of them (p0, p1, p2, p3, p4, ...); the first: no mail");
}

#[test]
fn addresses_are_masked_and_the_rest_is_not() {
    for (text, expected) in [
        ("e-mail was a.b+c@corp.example in it", "e-mail was [e-mail] in it"),
        ("<x@y.z>, \"x@y.z\"; (x@y.z)", "<[e-mail]>, \"[e-mail]\"; ([e-mail])"),
        ("mailto:o'neil@y.z and ümlaut@exämple.de", "mailto:[e-mail] and [e-mail]"),
        ("at @hourly, 5 @ 7, x@ and @x", "at @hourly, 5 @ 7, x@ and @x"),
        ("CN=Chime Pro,OU=Groups", "CN=Chime Pro,OU=Groups"),
        ("", ""),
    ] {
        assert_eq!(masked(text), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever a pass says, none of its people's addresses is in a line unless somebody wants that; nor a line break.
    #[test]
    fn no_line_holds_an_address(
        mut report in crate::pass::crossing_tests::report().boxed(), before in "[ (<,;:\n]?", after in "[ )>,;:\n]?",
    ) {
        // A hash is our own.
        report.held = None;
        for each in &mut report.changes {
            let address = each.change.email.to_string();
            if let Status::Failed(why) = &mut each.status {
                *why = format!("{why}{before}{address}{after}");
            }
            report.warnings.push(Warning::new(WarningKind::Drift, &address, format!("{before}{address}{after}")));
        }
        for (_, fields) in told(&report, &mut Said::default(), false) {
            for (name, text) in &fields {
                prop_assert!(!text.contains('\n') || name != "message", "{name}: {text:?}");
                for ReportedChange { change, .. } in &report.changes {
                    // A name of a tier is the configuration's, and shown as it is.
                    if !matches!(name.as_str(), "from" | "to") {
                        prop_assert!(!text.contains(change.email.as_str()), "{name}: {text:?}");
                    }
                }
            }
        }
    }
}
