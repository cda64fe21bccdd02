//! What a daemon sends is what a command gets: every value that crosses the control socket, there and back.

#![allow(clippy::unwrap_used)]

use super::{Report, ReportedChange, Request, Status, Step};
use crate::decide::{Explanation, NextStep};
use crate::model::{
    Action, Because, Cause, Change, Counts, Email, GroupPath, HeldNote, HistoryEntry, Holding, ObjectGuid, Observed,
    PassId, PassResult, Seat, Tier, Timestamp, UserId, Warning, WarningKind,
};
use proptest::option;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;

const KINDS: [WarningKind; 24] = [
    WarningKind::GroupMissing,
    WarningKind::GroupEmpty,
    WarningKind::GroupShrunk,
    WarningKind::GroupAmbiguous,
    WarningKind::GroupRenamed,
    WarningKind::GroupDuplicate,
    WarningKind::GroupReplaced,
    WarningKind::UnknownMembers,
    WarningKind::ForeignMembers,
    WarningKind::Referrals,
    WarningKind::NoEmail,
    WarningKind::BadEmail,
    WarningKind::DomainNotClaimed,
    WarningKind::DuplicateEmail,
    WarningKind::AmbiguousName,
    WarningKind::EmailChanged,
    WarningKind::AccountInherited,
    WarningKind::NotRegistered,
    WarningKind::Protected,
    WarningKind::Held,
    WarningKind::StateRebuilt,
    WarningKind::Drift,
    WarningKind::Unresolved,
    WarningKind::AmbiguousAccount,
];

/// Any text, the awkward kinds included.
fn text() -> BoxedStrategy<String> {
    prop_oneof!["[a-z ]{0,12}", any::<String>(), Just("\u{0}\"\\\n\u{202e}é".to_owned())].boxed()
}

fn instant() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.as_second()..Timestamp::MAX.as_second(), 0_i32..1_000_000_000)
        .prop_map(|(second, part)| Timestamp::new(second, part).unwrap_or_default())
}

fn guid() -> impl Strategy<Value = ObjectGuid> {
    any::<u128>().prop_map(ObjectGuid::from_u128)
}

fn email() -> BoxedStrategy<Email> {
    "[a-zA-ZäÖ.+]{1,9}@[a-zA-Z]{1,5}\\.example".prop_map(|text| Email::parse(&text).unwrap()).boxed()
}

fn account() -> impl Strategy<Value = UserId> {
    text().prop_map(|text| UserId::new(&text))
}

fn seat() -> BoxedStrategy<Seat> {
    let tier = || text().prop_map(|name| Tier::new(&name));
    prop_oneof![
        Just(Seat::Vacant),
        Just(Seat::Invited),
        tier().prop_map(Seat::Active),
        tier().prop_map(Seat::Suspended)
    ]
    .boxed()
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Invite),
        Just(Action::Create),
        Just(Action::Grant),
        Just(Action::Move),
        Just(Action::Suspend),
        Just(Action::Resume),
        Just(Action::Remove),
        Just(Action::Rename)
    ]
}

fn because() -> BoxedStrategy<Because> {
    let path = proptest::collection::vec(text().prop_map(Arc::from), 0..4);
    let cause = prop_oneof![
        Just(Cause::LeftAllGroups),
        Just(Cause::Excluded),
        Just(Cause::DisabledInDirectory),
        Just(Cause::ExpiredInDirectory),
        Just(Cause::GoneFromDirectory),
        Just(Cause::DomainNotClaimed),
        Just(Cause::NoEmail)
    ];
    prop_oneof![
        path.prop_map(|names| Because::InGroup(GroupPath(names))),
        cause.prop_map(Because::Unseated),
        email().prop_map(|from| Because::EmailChanged { from }),
        Just(Because::DetailsChanged)
    ]
    .boxed()
}

prop_compose! {
    fn change()(
        action in action(), guid in guid(), email in email(), dn in text(), account in option::of(account()),
        from in seat(), to in seat(), because in because(),
    ) -> Change {
        Change { action, guid, email, dn, account, from, to, because, details: None }
    }
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        Just(Status::Planned),
        Just(Status::Done),
        text().prop_map(Status::Held),
        text().prop_map(Status::Failed)
    ]
}

fn result() -> impl Strategy<Value = PassResult> {
    prop_oneof![
        Just(PassResult::InSync),
        Just(PassResult::Applied),
        Just(PassResult::Held),
        Just(PassResult::Partial),
        Just(PassResult::Failed)
    ]
}

fn warning() -> impl Strategy<Value = Warning> {
    (proptest::sample::select(&KINDS[..]), text(), text())
        .prop_map(|(kind, about, words)| Warning::new(kind, about, words))
}

fn pass_id() -> impl Strategy<Value = PassId> {
    (instant(), any::<u16>()).prop_map(|(at, salt)| PassId::new(at, salt))
}

prop_compose! {
    fn held()(hash in text(), losses: usize, gains: usize, since in instant()) -> HeldNote {
        HeldNote { hash, losses, gains, since }
    }
}

prop_compose! {
    fn counts()(people: usize, seated: usize, changes: usize, held: usize, failed: usize) -> Counts {
        Counts { people, seated, changes, held, failed }
    }
}

prop_compose! {
    pub(super) fn report()(
        id in pass_id(), (at, took_ms) in (instant(), any::<u64>()), result in result(), in_sync: bool, hash in text(), fingerprint in text(),
        counts in counts(), changes in proptest::collection::vec((change().boxed(), status().boxed()), 0..5),
        warnings in proptest::collection::vec(warning(), 0..5), held in option::of(held()), scoped: bool,
    ) -> Report {
        let changes = changes.into_iter().map(|(change, status)| ReportedChange { change, status }).collect();
        Report { id, at, took_ms, result, in_sync, hash, fingerprint, counts, changes, warnings, held, scoped }
    }
}

prop_compose! {
    fn explanation()(
        guid in guid(), email in option::of(email()), dn in option::of(text()), enabled: bool, tier in option::of(text()),
        paths in proptest::collection::vec(proptest::collection::vec(text(), 0..3), 0..3),
        confirmed in option::of((account(), email(), seat())), next in option::of((change().boxed(), option::of(text()))),
        notes in proptest::collection::vec(text(), 0..3),
    ) -> Explanation {
        Explanation {
            guid,
            email,
            dn,
            enabled,
            tier: tier.map(|name| Tier::new(&name)),
            paths,
            confirmed: confirmed.map(|(id, email, seat)| Holding { id, email, seat }),
            next: next.map(|(change, held)| NextStep { change, held }),
            notes,
        }
    }
}

prop_compose! {
    fn entry()(
        at in instant(), pass in pass_id(), guid in guid(), email in email(), action in action(), from in seat(),
        to in seat(), because in text(), error in option::of(text()),
    ) -> HistoryEntry {
        HistoryEntry { at, pass, guid, email, action, from, to, because, error }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Remembering),
        any::<usize>().prop_map(|open| Step::Recovering { open }),
        Just(Step::Reading),
        Just(Step::Auditing),
        Just(Step::Deciding),
        (any::<usize>(), any::<usize>()).prop_map(|(done, of)| Step::Applying { done, of })
    ]
}

/// There and back. E-mails are equal whatever their case, so what is shown is compared as well.
fn crosses<T: Serialize + DeserializeOwned + PartialEq + Debug>(sent: &T) -> Result<(), TestCaseError> {
    let got: T = serde_json::from_str(&serde_json::to_string(sent).unwrap()).unwrap();
    prop_assert_eq!(&got, sent);
    prop_assert_eq!(format!("{got:?}"), format!("{sent:?}"));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_report_arrives_as_it_was_sent(report in report()) {
        crosses(&report)?;
    }

    #[test]
    fn everything_else_arrives_as_it_was_sent(
        explanation in explanation().boxed(), entry in entry().boxed(), step in step().boxed(), audit: bool, only in option::of(text()),
        expect in option::of(text()), id in account(), email in email(), seat in seat(), external in option::of(guid()),
    ) {
        crosses(&explanation)?;
        crosses(&entry)?;
        crosses(&step)?;
        crosses(&Request { audit, only, expect })?;
        crosses(&Observed { id, email, seat, external, details: None })?;
    }
}

#[test]
fn what_breaks_an_invariant_does_not_arrive() {
    fn refused<T: DeserializeOwned>(text: &str) -> bool {
        serde_json::from_str::<T>(text).is_err()
    }
    assert!(refused::<Email>(r#""no address""#) && refused::<Email>(r#""a@b@c.example""#));
    assert!(refused::<ObjectGuid>(r#""00000000""#));
    for id in ["", "20261122T150000Z\\u001b[2J", "20261122T150000Z 1", &"1".repeat(49)] {
        assert!(refused::<PassId>(&format!("\"{id}\"")), "{id}");
    }
    assert!(refused::<WarningKind>(r#""something_new""#));
}

#[test]
fn results_have_one_word() {
    for result in [PassResult::InSync, PassResult::Applied, PassResult::Held, PassResult::Partial, PassResult::Failed] {
        assert_eq!(serde_json::to_string(&result).unwrap(), format!("\"{}\"", result.word()));
    }
}

/// The word of a kind is part of a contract, and is the same wherever it stands.
#[test]
fn kinds_of_warnings_have_one_word() {
    for kind in KINDS {
        assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
    }
}
