//! The way of one intent, whatever the server answers.

use super::super::errand::{Answer, Errand, Want};
use super::super::profile::Profile;
use super::*;
use crate::wire::{Account, ErrorCode};
use proptest::prelude::*;

/// More answers than any errand needs; faults are given three times.
const ANSWERS_MAX: usize = 30;

fn profile(kind: &str, extensions: &[Extension]) -> Profile {
    let account = Account {
        account_id: "corp".into(),
        account_type: Some(kind.into()),
        supported_licenses: vec!["Plus".into(), "Pro".into()],
        extensions: extensions.to_vec(),
        ..Account::default()
    };
    Profile::of(&account, &[Tier::new("pro"), Tier::new("plus")]).unwrap()
}

fn seat() -> impl Strategy<Value = Seat> {
    prop_oneof![
        Just(Seat::Vacant),
        Just(Seat::Invited),
        Just(active("pro")),
        Just(active("plus")),
        Just(suspended("pro")),
        Just(suspended("plus")),
    ]
}

fn observed() -> impl Strategy<Value = Observed> {
    (prop_oneof![Just("anna"), Just("ann")], prop_oneof![Just("id-anna"), Just("id-other")], seat()).prop_map(
        |(name, id, seat)| Observed { id: UserId::new(id), email: email(name), seat, external: None, details: None },
    )
}

fn answer() -> impl Strategy<Value = Answer> {
    let code = prop_oneof![
        Just(ErrorCode::NotFound),
        Just(ErrorCode::Conflict),
        Just(ErrorCode::Forbidden),
        Just(ErrorCode::PreconditionFailed),
        Just(ErrorCode::ServiceFailure),
        Just(ErrorCode::Unknown),
    ];
    prop_oneof![
        4 => observed().prop_map(Answer::Done),
        3 => Just(Answer::Unseen),
        4 => proptest::option::of(observed()).prop_map(Answer::Found),
        3 => code.prop_map(|code| Answer::Refused { code, message: "so it is".into() }),
        1 => Just(Answer::Barred("so it is".into())),
        1 => Just(Answer::Unknown("lost".into())),
    ]
}

fn any_intent() -> impl Strategy<Value = Intent> {
    let action = prop_oneof![
        Just(Action::Invite),
        Just(Action::Create),
        Just(Action::Grant),
        Just(Action::Move),
        Just(Action::Suspend),
        Just(Action::Resume),
        Just(Action::Remove),
        Just(Action::Rename),
    ];
    (action, any::<bool>(), seat(), seat()).prop_map(|(action, known, from, to)| {
        // A suspension or a removal that ends in a licence is none.
        let to = match action {
            Action::Suspend => suspended("plus"),
            Action::Remove => Seat::Vacant,
            _ => to,
        };
        intent(action, "anna", known, from, to)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn it_ends_and_takes_from_nobody_else(
        intent in any_intent(),
        kind in prop_oneof![Just("Team"), Just("EnterpriseLWA"), Just("EnterpriseDirectory")],
        extended in any::<bool>(),
        answers in proptest::collection::vec((answer(), any::<bool>()), ANSWERS_MAX),
    ) {
        let profile = profile(kind, if extended { ALL } else { PLAIN });
        let is_loss = intent.action != Action::Rename && matches!(intent.to, Seat::Vacant | Seat::Suspended(_));
        let mut errand = Errand::begin(&intent, &profile);
        let mut before: Vec<Want> = Vec::new();
        let mut faulted = false;
        for (answer, alone) in answers {
            let Some(want) = errand.wants().cloned() else { break };
            if is_loss {
                let suspends_or_looks = match &want {
                    Want::Suspend(_) | Want::LookUp(_) => true,
                    Want::Update { licence, .. } => licence.is_none(),
                    Want::Unsuspend(_) | Want::Invite(_) | Want::Create { .. } | Want::LookFor(_) => false,
                };
                prop_assert!(suspends_or_looks, "a loss wants {want:?}");
                prop_assert_eq!(intent.account.as_ref(), about(&want), "a loss wants another's");
            }
            if !extended {
                let beyond = matches!(&want, Want::Create { .. } | Want::Update { email: Some(_), .. });
                prop_assert!(!beyond, "beyond the contract: {want:?}");
            }
            if kind == "Team" && !matches!(intent.to, Seat::Vacant) {
                prop_assert!(!matches!(want, Want::Suspend(_)), "in a team that is a removal");
            }
            if matches!(want, Want::Suspend(_)) && kind != "Team" {
                prop_assert!(matches!(intent.to, Seat::Suspended(_)), "{intent:?}");
            }
            if matches!(want, Want::Invite(_)) {
                prop_assert_eq!(kind, "Team");
                let again = matches!(before.last(), Some(Want::Invite(_)));
                prop_assert!(!again || faulted, "asked twice in a row: {before:?}");
            }
            let answer = fitting(&want, answer);
            faulted = matches!(answer, Answer::Refused { code: ErrorCode::ServiceFailure, .. });
            before.push(want);
            errand.hear(answer, alone);
        }
        prop_assert!(errand.wants().is_none(), "no end after {before:?}");
    }
}

/// The account that a step is about, where it has a key.
fn about(want: &Want) -> Option<&UserId> {
    match want {
        Want::Update { id, .. } | Want::Suspend(id) | Want::Unsuspend(id) | Want::LookUp(id) => Some(id),
        Want::Invite(_) | Want::Create { .. } | Want::LookFor(_) => None,
    }
}

/// An answer of the sort that such a request can have; who is somebody else is told apart before it is heard.
fn fitting(want: &Want, answer: Answer) -> Answer {
    let is_right = |observed: &Observed| match want {
        Want::Invite(email) | Want::Create { email, .. } | Want::LookFor(email) => observed.email == *email,
        want => about(want) == Some(&observed.id),
    };
    match (want, answer) {
        (Want::LookUp(_) | Want::LookFor(_), Answer::Done(observed) | Answer::Found(Some(observed))) => {
            Answer::Found(Some(observed).filter(is_right))
        }
        (Want::LookUp(_) | Want::LookFor(_), Answer::Unseen | Answer::Refused { .. }) => Answer::Found(None),
        (Want::LookUp(_) | Want::LookFor(_), answer) => answer,
        (_, Answer::Found(_)) => Answer::Unseen,
        (_, Answer::Done(observed)) if !is_right(&observed) => Answer::Unseen,
        (_, answer) => answer,
    }
}
