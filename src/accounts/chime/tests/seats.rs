//! What intents come to on a server without faults, and in how many requests.

use super::*;
use proptest::prelude::*;

const KINDS: [&str; 3] = ["Team", "EnterpriseLWA", "EnterpriseDirectory"];

#[tokio::test]
async fn seats_reach_their_targets_with_and_without_extensions() {
    for extensions in [ALL, PLAIN] {
        let fake = Fake::start("EnterpriseLWA", extensions).await;
        for (name, registration) in
            [("anna", "Registered"), ("ben", "Registered"), ("carl", "Suspended"), ("dora", "Suspended")]
        {
            fake.add(name, registration, "Plus");
        }
        let mut chime = client(&fake);
        let intents = [
            promotion("anna"),
            suspension("ben"),
            resumption("carl", "plus"),
            resumption("dora", "pro"),
            intent(Action::Move, "nobody", false, Seat::Vacant, active("pro")),
        ];
        for _ in 0..2 {
            let outcomes = chime.apply(&intents).await;
            assert_eq!(seats(&outcomes), ["anna pro", "ben plus suspended", "carl plus", "dora pro", "nobody"]);
            assert_eq!(
                fake.shown(),
                "anna Pro Registered, ben Plus Suspended, carl Plus Registered, dora Pro Registered"
            );
        }
    }
}

#[tokio::test]
async fn a_team_invites_once_and_removes() {
    for extensions in [ALL, PLAIN] {
        let fake = Fake::start("Team", extensions).await;
        fake.add("ben", "Registered", "Plus");
        let mut chime = client(&fake);
        let removes = Outcome::Done(None);
        for _ in 0..2 {
            let outcomes = chime.apply(&[invitation("anna"), removal("ben")]).await;
            assert_eq!(seats(&outcomes[..1]), ["anna invited"]);
            assert_eq!(outcomes[1], removes);
        }
        assert_eq!(fake.book().invited, [("anna@corp.example".to_owned(), 1)].into());
        assert_eq!(fake.shown(), "anna - Unregistered");
        // Whoever is invited stays invited; whoever came needs no invitation.
        let early = intent(Action::Move, "anna", true, Seat::Invited, active("pro"));
        assert_eq!(seats(&chime.apply(std::slice::from_ref(&early)).await), ["anna invited"]);
        fake.add("anna", "Registered", "Plus");
        assert_eq!(seats(&chime.apply(&[invitation("anna")]).await), ["anna plus"]);
        assert_eq!(seats(&chime.apply(&[early]).await), ["anna pro"]);
        assert_eq!(fake.book().invited["anna@corp.example"], 1);
    }
}

#[tokio::test]
async fn what_a_kind_cannot_do_is_refused_and_nothing_is_sent() {
    let words = |outcomes: Vec<Outcome>| seats(&outcomes).remove(0);
    for kind in KINDS {
        let fake = Fake::start(kind, ALL).await;
        fake.add("anna", "Registered", "Plus");
        let mut chime = client(&fake);
        let impossible = if kind == "Team" { suspension("anna") } else { removal("anna") };
        assert!(words(chime.apply(&[impossible]).await).starts_with("rejected: in an account of kind"));
        let gold = intent(Action::Move, "anna", true, active("plus"), active("gold"));
        assert_eq!(words(chime.apply(&[gold]).await), "rejected: licence gold is not one of the account's: Plus, Pro");
        assert_eq!(fake.shown(), "anna Plus Registered");
        if kind != "Team" {
            assert!(words(chime.apply(&[invitation("ben")]).await).contains("nobody is invited"));
            let nobody = intent(Action::Remove, "ben", false, Seat::Vacant, Seat::Vacant);
            assert_eq!(words(chime.apply(&[nobody]).await), "nobody");
        }
    }
    let plain = Fake::start("EnterpriseDirectory", PLAIN).await;
    plain.add("anna", "Registered", "Plus");
    let mut chime = client(&plain);
    chime.kind().await.unwrap();
    assert!(!chime.renames());
    assert!(words(chime.apply(&[rename("anna", "ann")]).await).contains("does not declare PrimaryEmail"));
    assert!(words(chime.apply(&[creation("ben")]).await).contains("does not declare BatchCreateUser"));
    assert_eq!(words(chime.apply(&[creation("anna")]).await), "anna pro", "made by hand");
    plain.fail("BatchSuspendUser", &[Fault::Item("id-anna", crate::wire::ErrorCode::Forbidden)]);
    assert!(words(chime.apply(&[suspension("anna")]).await).contains("does not declare DirectoryUpdates"));
}

#[tokio::test]
async fn a_directory_account_is_made_or_taken_over() {
    let fake = Fake::start("EnterpriseDirectory", ALL).await;
    fake.add("anna", "Suspended", "Plus");
    let mut chime = client(&fake);
    let outcomes = chime.apply(&[creation("anna"), creation("ben")]).await;
    assert_eq!(seats(&outcomes), ["anna pro", "ben pro"]);
    assert_eq!(fake.shown(), "anna Pro Registered, ben Pro Registered");
}

#[tokio::test]
async fn addresses_move_all_together_and_hold_up_no_seat() {
    let fake = Fake::start("EnterpriseDirectory", ALL).await;
    ["anna", "ben", "carl", "dora", "eve"].iter().for_each(|name| fake.add(name, "Registered", "Plus"));
    let mut chime = client(&fake);
    chime.kind().await.unwrap();
    assert!(chime.renames());
    let swap = [
        rename("anna", "ben"),
        rename("ben", "anna"),
        Intent { email: email("eve"), ..promotion("carl") },
        rename("dora", "anna"),
    ];
    let outcomes = chime.apply(&swap).await;
    assert_eq!(seats(&outcomes[..3]), ["ben plus", "anna plus", "carl pro"]);
    let words = seats(&outcomes[3..]).remove(0);
    assert!(words.starts_with("rejected: anna@corp.example is already the address of another user"), "{words}");
    assert_eq!(
        fake.shown(),
        "ben Plus Registered, anna Plus Registered, carl Pro Registered, dora Plus Registered, eve Plus Registered"
    );
}

#[tokio::test]
async fn an_address_that_is_let_go_of_in_another_request_is_had_in_the_end() {
    let fake = Fake::start("EnterpriseDirectory", ALL).await;
    let names: Vec<String> = (0..40).map(|number| format!("p{number:02}")).collect();
    names.iter().for_each(|name| fake.add(name, "Registered", "Plus"));
    // The first and the last exchange, each in a request of its own.
    let others = names[1..39].iter().map(|name| promotion(name));
    let intents: Vec<Intent> =
        std::iter::once(rename("p00", "p39")).chain(others).chain([rename("p39", "p00")]).collect();
    let outcomes = client(&fake).apply(&intents).await;
    assert_eq!(seats(&[outcomes[0].clone(), outcomes[39].clone()]), ["p39 plus", "p00 plus"]);
    assert_eq!(fake.count("BatchUpdateUser"), 3);
}

#[tokio::test]
async fn a_loss_goes_by_its_key_and_no_further_and_a_gain_goes_on() {
    for extensions in [ALL, PLAIN] {
        let fake = Fake::start("EnterpriseLWA", extensions).await;
        fake.add("anna", "Registered", "Plus");
        let lost = |intent: Intent| Intent { account: Some(UserId::new("id-lost")), ..intent };
        let mut chime = client(&fake);
        assert_eq!(chime.apply(&[lost(suspension("anna"))]).await, [Outcome::Done(None)]);
        assert_eq!(fake.shown(), "anna Plus Registered");
        assert_eq!(seats(&chime.apply(&[lost(promotion("anna"))]).await), ["anna pro"]);
        assert_eq!(seats(&chime.apply(&[lost(resumption("anna", "plus"))]).await), ["anna plus"]);
    }
}

#[tokio::test]
async fn what_is_observed_counts_and_the_target_is_absolute() {
    for extensions in [ALL, PLAIN] {
        let fake = Fake::start("EnterpriseLWA", extensions).await;
        ["anna", "ben"].iter().for_each(|name| fake.add(name, "Suspended", "Plus"));
        // Suspended meanwhile by somebody else: a move ends in an active seat.
        let mut chime = client(&fake);
        assert_eq!(seats(&chime.apply(&[promotion("anna")]).await), ["anna pro"]);
        // A silent no.
        fake.book().unsuspends_nobody = true;
        assert_eq!(seats(&chime.apply(&[resumption("ben", "plus")]).await), ["ben plus suspended"]);
        assert_eq!(fake.count("BatchUnsuspendUser"), 2);
    }
}

#[tokio::test]
async fn the_same_twice_in_a_batch_is_asked_once() {
    let fake = Fake::start("EnterpriseLWA", ALL).await;
    fake.add("anna", "Registered", "Plus");
    let outcomes = client(&fake).apply(&[promotion("anna"), promotion("anna"), suspension("anna")]).await;
    assert_eq!(seats(&outcomes), ["anna pro", "anna pro", "anna pro suspended"]);
    assert_eq!(fake.count("BatchUpdateUser"), 1);
}

/// What one person is to be brought to.
#[derive(Clone, Copy, Debug)]
enum Errand {
    Promote,
    Suspend,
    Resume,
    ResumeHigher,
    Create,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn requests_are_as_few_as_the_contract_allows(
        errands in proptest::collection::vec(
            prop_oneof![
                Just(Errand::Promote), Just(Errand::Suspend), Just(Errand::Resume), Just(Errand::ResumeHigher),
                Just(Errand::Create),
            ],
            1..300,
        ),
        extended in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            // Without its extensions a server makes nobody, and what it did is looked up.
            let fake = Fake::start("EnterpriseDirectory", if extended { ALL } else { PLAIN }).await;
            let errands: Vec<Errand> =
                errands.into_iter().filter(|errand| extended || !matches!(errand, Errand::Create)).collect();
            let intents: Vec<Intent> = errands.iter().enumerate().map(|(number, errand)| {
                let name = format!("p{number}");
                let add = |registration| fake.add(&name, registration, "Plus");
                match errand {
                    Errand::Promote => { add("Registered"); promotion(&name) }
                    Errand::Suspend => { add("Registered"); suspension(&name) }
                    Errand::Resume => { add("Suspended"); resumption(&name, "plus") }
                    Errand::ResumeHigher => { add("Suspended"); resumption(&name, "pro") }
                    Errand::Create => creation(&name),
                }
            }).collect();
            let mut chime = client(&fake);
            let outcomes = chime.apply(&intents).await;
            for (intent, outcome) in intents.iter().zip(&outcomes) {
                let reached = matches!(outcome, Outcome::Done(Some(one)) if one.seat == intent.to && one.email == intent.email);
                assert!(reached, "{intent:?}: {outcome:?}");
            }
            let count = |which: fn(&Errand) -> bool| errands.iter().filter(|errand| which(errand)).count();
            let updates = count(|errand| matches!(errand, Errand::Promote | Errand::ResumeHigher)).div_ceil(20);
            let suspends = count(|errand| matches!(errand, Errand::Suspend)).div_ceil(50);
            let unsuspends = count(|errand| matches!(errand, Errand::Resume | Errand::ResumeHigher)).div_ceil(50);
            let creates = count(|errand| matches!(errand, Errand::Create)).div_ceil(50);
            let sent = Operation::ALL.map(|operation| chime.requests(operation) as usize);
            let [accounts, lists, gets, changes @ ..] = sent;
            assert_eq!(changes, [updates, suspends, unsuspends, 0, creates]);
            let looks = if extended { 0 } else { errands.len() };
            assert!(accounts <= 1 && lists + gets <= looks, "{lists} lists and {gets} looks for {looks}");
        });
    }
}
