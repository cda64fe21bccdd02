//! What becomes of single intents where the server is not as the agent remembers it, or not as it says.

use super::*;

#[tokio::test]
async fn what_is_dropped_is_named_and_no_seat_is_confirmed() {
    for (drops, words) in [
        ("roles", "did not keep roles[seat]: the seat is not confirmed; is tier_in the place"),
        (
            "externalId",
            "did not keep externalId: the seat is not confirmed; if this product keeps no such thing, write external_id = false",
        ),
    ] {
        for is_terse in [true, false] {
            let fake = Fake::start().await;
            fake.book().drops = vec![drops];
            fake.book().is_terse = is_terse;
            let outcomes = told(&client(&fake).apply(&[creation("anna")]).await);
            assert!(
                outcomes[0].starts_with("rejected: the account store said yes and") && outcomes[0].contains(words),
                "{outcomes:?}"
            );
            assert_eq!(fake.book().users.len(), 1);
        }
    }
    let fake = Fake::start().await;
    fake.add("anna", "View", json!({"externalId": guid("anna").to_string()}));
    fake.add("bert", "View", json!({"externalId": guid("bert").to_string()}));
    fake.book().drops = vec!["active", "roles"];
    let outcomes = told(&client(&fake).apply(&[suspension("anna"), promotion("bert")]).await);
    assert!(outcomes[0].contains("said yes and did not keep active: whoever it is may still sign in"), "{outcomes:?}");
    assert!(outcomes[1].contains("did not keep roles[seat]"), "{outcomes:?}");
    assert_eq!(fake.shown(), "anna View, bert View");
}

/// An answer may be no more than our own words sent back.
#[tokio::test]
async fn what_a_server_answers_to_a_change_confirms_nothing() {
    let fake = Fake::start().await;
    fake.book().echoes = true;
    fake.book().drops = vec!["active", "roles"];
    fake.add("anna", "View", json!({"externalId": guid("anna").to_string()}));
    fake.add("bert", "View", json!({"externalId": guid("bert").to_string()}));
    let outcomes = told(&client(&fake).apply(&[suspension("anna"), promotion("bert"), creation("carl")]).await);
    assert!(outcomes[0].contains("said yes and did not keep active: whoever it is may still sign in"), "{outcomes:?}");
    for outcome in &outcomes[1..] {
        assert!(outcome.contains("did not keep"), "{outcomes:?}");
    }
}

/// The first of these took the address and the seat of whoever the server named.
#[tokio::test]
async fn an_answer_about_somebody_else_is_nobodys() {
    let fake = Fake::start().await;
    fake.add("stranger", "Full", json!({}));
    fake.book().makes = Some("id-stranger");
    let before = fake.book().users.clone();
    for bulk in [false, true] {
        fake.book().config["bulk"] = json!({"supported": bulk, "maxOperations": 10, "maxPayloadSize": 100_000});
        let mut client = client(&fake);
        let outcomes = told(&client.apply(&[creation("anna"), creation("bert")]).await);
        assert!(outcomes.iter().all(|outcome| outcome.contains("anna@") || outcome.contains("bert@")), "{outcomes:?}");
        assert!(outcomes.iter().all(|outcome| !outcome.ends_with(" pro")), "{outcomes:?}");
    }
    assert_eq!(fake.count("change"), 0);
    assert_eq!(fake.book().users, before);
}

#[tokio::test]
async fn who_was_made_and_is_not_shown_is_not_made_again() {
    let fake = Fake::start().await;
    fake.book().hides_made = true;
    let outcomes = told(&client(&fake).apply(&[creation("anna")]).await);
    assert!(outcomes[0].contains("said that it made anna@corp.example and shows no such user"), "{outcomes:?}");
    assert_eq!(fake.count("create"), 1);
}

#[tokio::test]
async fn a_key_that_leads_to_nobody_is_not_tried_for_ever() {
    let fake = Fake::start().await;
    fake.add("anna", "View", json!({"externalId": guid("anna").to_string()}));
    let gone = Fault::Before { status: 404, retry_after: None, body: "" };
    fake.fail("change", &vec![gone; 30]);
    let outcomes = told(&client(&fake).apply(&[promotion("anna")]).await);
    assert!(outcomes[0].contains("404"), "{outcomes:?}");
    assert!(fake.count("change") <= 3, "{}", fake.count("change"));
}

#[tokio::test]
async fn a_secret_that_is_quoted_is_not_told() {
    let fake = Fake::start().await;
    let quoting = r#"{"detail": "no such token: hunter2"}"#;
    fake.fail("create", &[Fault::Before { status: 403, retry_after: None, body: quoting }]);
    let outcomes = told(&client(&fake).apply(&[creation("anna")]).await);
    assert!(outcomes[0].contains("no such token: [secret]") && !outcomes[0].contains("hunter2"), "{outcomes:?}");
    // Nor by the operations of a bulk, which is answered with 200 as a whole.
    fake.book().config["bulk"] = json!({"supported": true, "maxOperations": 3, "maxPayloadSize": 100_000});
    fake.add("bert", "View", json!({"externalId": guid("bert").to_string()}));
    fake.add("carl", "View", json!({"externalId": guid("carl").to_string()}));
    let quoting = r#"{"Operations": [
        {"bulkId": "n0", "method": "PATCH", "status": "403", "response": {"detail": "not with hunter2", "status": "403"}},
        {"bulkId": "n1", "method": "PATCH", "status": 403, "response": {"scimType": "hunter2", "message": "bad"}}]}"#;
    fake.fail("bulk", &[Fault::Before { status: 200, retry_after: None, body: quoting }]);
    let outcomes = told(&client(&fake).apply(&[promotion("bert"), promotion("carl")]).await);
    assert!(outcomes[0].contains("403 (not with [secret])"), "{outcomes:?}");
    assert!(outcomes[1].contains("403 [secret] (bad)"), "{outcomes:?}");
    assert!(!outcomes.concat().contains("hunter2"), "{outcomes:?}");
}

#[tokio::test]
async fn without_identity_nothing_is_missed() {
    let fake = Fake::start().await;
    fake.book().drops = vec!["externalId"];
    let mut settings = settings(&fake);
    settings.mapping.keeps_identity = false;
    let outcomes = Scim::open(settings).unwrap().apply(&[creation("anna")]).await;
    assert_eq!(told(&outcomes), ["anna pro"]);
    assert_eq!(fake.count("change"), 0);
}

/// The licence of an account that is only found on the way is not taken down: that is a loss, for the limits of the next pass.
#[tokio::test]
async fn what_is_come_upon_keeps_its_higher_tier() {
    let fake = Fake::start().await;
    fake.add("anna", "Full", json!({}));
    fake.add("bert", "Full", json!({}));
    let to_plus = Intent { to: active("plus"), ..creation("anna") };
    let resumes = intent(Action::Resume, "bert", true, suspended("plus"), active("plus"));
    assert_eq!(told(&client(&fake).apply(&[to_plus, resumes]).await), ["anna pro", "bert pro"]);
    assert_eq!((fake.shown().as_str(), fake.count("change")), ("anna Full, bert Full", 0));
    // A demotion that was decided is done.
    let demotion = intent(Action::Move, "bert", true, active("pro"), active("plus"));
    assert_eq!(told(&client(&fake).apply(&[demotion]).await), ["bert plus"]);
}

#[tokio::test]
async fn what_is_not_ours_stays() {
    let fake = Fake::start().await;
    let roles = json!([{"type": "other", "value": "guide"}, {"type": "seat", "value": "View"}, {"type": "seat", "value": "Old"}]);
    fake.add("anna", "", json!({"roles": roles, "externalId": "00u1abcd", "title": "Dr"}));
    assert_eq!(told(&client(&fake).apply(&[promotion("anna")]).await), ["anna pro"]);
    let book = fake.book();
    let anna = &book.users["id-anna"];
    assert_eq!(anna["roles"], json!([{"type": "other", "value": "guide"}, {"type": "seat", "value": "Full"}]));
    assert_eq!((&anna["externalId"], &anna["title"]), (&json!("00u1abcd"), &json!("Dr")));
}

#[tokio::test]
async fn a_loss_is_of_the_account_with_the_key_and_of_no_other() {
    let fake = Fake::start().await;
    fake.add("other", "View", json!({"userName": "anna@corp.example", "externalId": guid("anna").to_string()}));
    assert_eq!(told(&client(&fake).apply(&[suspension("anna")]).await), ["nobody"]);
    assert_eq!(fake.shown(), "anna View");
}

#[tokio::test]
async fn a_gain_whose_key_is_gone_goes_to_the_person() {
    let fake = Fake::start().await;
    fake.add("other", "View", json!({
        "userName": "old@corp.example", "emails": [{"value": "old@corp.example"}], "externalId": guid("anna").to_string(),
    }));
    let outcomes = client(&fake).apply(&[promotion("anna"), promotion("bert")]).await;
    assert_eq!(told(&outcomes), ["anna pro", "bert pro"]);
    assert_eq!(fake.shown(), "anna Full, bert Full", "the one followed its address, the other was made");
}

#[tokio::test]
async fn a_path_that_is_not_understood_is_done_without() {
    let fake = Fake::start().await;
    fake.add("anna", "View", json!({}));
    fake.book().plain_paths = true;
    assert_eq!(told(&client(&fake).apply(&[promotion("anna")]).await), ["anna pro"]);
    assert_eq!(fake.count("change"), 2);
}

#[tokio::test]
async fn a_version_that_is_not_the_one_seen_is_looked_at_again() {
    let fake = Fake::start().await;
    fake.book().config["etag"] = json!({"supported": true});
    fake.book().versions = true;
    fake.add("anna", "View", json!({}));
    let overtaken = Fault::Before { status: 412, retry_after: None, body: "" };
    fake.fail("change", std::slice::from_ref(&overtaken));
    assert_eq!(told(&client(&fake).apply(&[promotion("anna")]).await), ["anna pro"]);
    fake.add("bert", "View", json!({}));
    fake.fail("change", &[overtaken.clone(), overtaken.clone(), overtaken]);
    let outcomes = told(&client(&fake).apply(&[promotion("bert")]).await);
    assert!(outcomes[0].contains("somebody else has changed the user meanwhile"), "{outcomes:?}");
    assert_eq!(fake.shown(), "anna Full, bert View");
}

#[tokio::test]
async fn in_bulk_each_has_its_own_answer() {
    let fake = Fake::start().await;
    fake.book().config["bulk"] = json!({"supported": true, "maxOperations": 3, "maxPayloadSize": 100_000});
    fake.add(
        "taken",
        "View",
        json!({"userName": "p2@corp.example", "emails": [], "externalId": guid("else").to_string()}),
    );
    let everybody: Vec<Intent> = (0..5).map(|number| creation(&format!("p{number}"))).collect();
    let outcomes = told(&client(&fake).apply(&everybody).await);
    assert_eq!(outcomes.iter().filter(|told| told.ends_with(" pro")).count(), 4, "{outcomes:?}");
    assert!(outcomes[2].contains("p2@corp.example is the address of user id-taken"), "{outcomes:?}");
    // Whose the taken name is was seen before; of the others the first one went alone, and three in one request.
    assert_eq!((fake.count("bulk"), fake.count("create")), (1, 1));
    // A server that announces bulk and has none is served one by one.
    let refused = Fault::Before { status: 501, retry_after: None, body: "" };
    fake.fail("bulk", &[refused]);
    let more: Vec<Intent> = (6..8).map(|number| creation(&format!("p{number}"))).collect();
    assert_eq!(told(&client(&fake).apply(&more).await), ["p6 pro", "p7 pro"]);
}

#[tokio::test]
async fn three_people_pass_their_names_round() {
    for unique_addresses in [false, true] {
        let fake = Fake::start().await;
        fake.book().unique_addresses = unique_addresses;
        for name in ["a", "b", "c", "d"] {
            fake.add(name, "View", json!({}));
        }
        let round = [rename("a", "b"), rename("b", "c"), rename("c", "a")];
        assert_eq!(told(&client(&fake).apply(&round).await), ["b plus", "c plus", "a plus"]);
        // One who wants what somebody keeps, and one who lets go of what nobody wants.
        let outcomes = told(&client(&fake).apply(&[rename("d", "a"), rename("a", "e")]).await);
        assert_eq!(outcomes[1], "e plus");
        assert!(outcomes[0].contains("does not take the address a@corp.example"), "{outcomes:?}");
        assert_eq!(fake.shown(), "e View, c View, a View, d View");
        let book = fake.book();
        assert!(book.users.values().all(|user| user["emails"][0]["value"] == user["userName"]), "{:?}", book.users);
    }
}

/// A pass that was killed amid an exchange leaves a name that says whose it is.
#[tokio::test]
async fn a_name_that_was_put_aside_comes_back() {
    let fake = Fake::start().await;
    let parked = format!("seatsync-{}", guid("anna"));
    fake.add("anna", "View", json!({"userName": parked}));
    let address = format!("seatsync-{}@parked.invalid", guid("bert"));
    let name = format!("seatsync-{}", guid("bert"));
    fake.add("bert", "View", json!({"userName": name, "emails": [{"value": address, "type": "work"}]}));
    let listed = client(&fake).list().await.unwrap();
    assert!(
        listed.iter().all(|one| one.email.as_str().ends_with("@parked.invalid")),
        "so that it is given back: {listed:?}"
    );
    let back = [rename("anna", "anna"), rename("bert", "bert")];
    assert_eq!(told(&client(&fake).apply(&back).await), ["anna plus", "bert plus"]);
    assert_eq!(fake.shown(), "anna View, bert View");
}

#[tokio::test]
async fn a_server_that_drops_licences_makes_one_user_and_not_a_thousand() {
    let fake = Fake::start().await;
    fake.book().drops = vec!["roles"];
    let mut scim = client(&fake);
    let everybody: Vec<Intent> = (0..20).map(|number| creation(&format!("p{number}"))).collect();
    for batch in everybody.chunks(10) {
        let outcomes = told(&scim.apply(batch).await);
        assert!(outcomes.iter().all(|told| told.contains("did not keep roles[seat]")), "{outcomes:?}");
        assert!(outcomes[9].starts_with("rejected: not sent, since for another user"), "{outcomes:?}");
    }
    assert_eq!(fake.count("create"), 1);
    // Mended, the next pass goes on.
    fake.book().drops = Vec::new();
    scim.kind().await.unwrap();
    let outcomes = told(&scim.apply(&everybody).await);
    assert!(outcomes.iter().all(|told| told.ends_with(" pro")), "{outcomes:?}");
    assert_eq!(fake.book().users.len(), 20);
}

/// A first one of whom nothing is known proves nothing of the server.
#[tokio::test]
async fn a_first_user_whose_answer_is_lost_lets_nobody_be_made_unseen() {
    let everybody: Vec<Intent> = (0..20).map(|number| creation(&format!("p{number}"))).collect();
    for (lost, made) in [(1, 2), (20, 3)] {
        let fake = Fake::start().await;
        fake.book().drops = vec!["roles"];
        fake.fail("create", &vec![Fault::Cut; lost]);
        let outcomes = told(&client(&fake).apply(&everybody).await);
        assert_eq!(fake.count("create"), made, "{outcomes:?}");
        assert!(outcomes[19].contains("not sent, since"), "{outcomes:?}");
    }
}
