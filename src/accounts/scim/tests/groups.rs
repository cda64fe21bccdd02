//! Tiers that are groups: who is in them, who comes and goes, and what is refused because nobody knows.

use super::*;
use crate::accounts::scim::groups::MEMBERS_MAX;

/// A client to which tiers are groups.
pub(super) fn in_groups(fake: &Fake) -> Scim {
    let mut settings = settings(fake);
    settings.mapping.place = TierPlace::Group;
    Scim::open(settings).unwrap()
}

/// The groups of the tiers, with these members, and one that is none of ours.
async fn start(full: &[&str], view: &[&str]) -> Fake {
    let fake = Fake::start().await;
    for name in full.iter().chain(view) {
        fake.add(name, "", json!({"externalId": guid(name).to_string()}));
    }
    fake.book().groups = [("Staff", full), ("Full", full), ("View", view)].map(group).to_vec();
    fake
}

fn group((name, members): (&str, &[&str])) -> (String, Vec<String>) {
    (name.to_owned(), members.iter().map(|member| format!("id-{member}")).collect())
}

fn moved(fake: &Fake) -> String {
    fake.book().moved.join(", ")
}

fn demotion(name: &str) -> Intent {
    intent(Action::Move, name, true, active("pro"), active("plus"))
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, AccountsError>) -> String {
    let AccountsError::Refused { message } = answer.unwrap_err() else { panic!("not refused") };
    message
}

#[tokio::test]
async fn who_is_in_a_group_has_its_tier() {
    let fake = start(&["anna", "both"], &["bert", "off"]).await;
    fake.book().groups[2].1.push("id-both".to_owned());
    fake.book().users.get_mut("id-off").unwrap()["active"] = json!(false);
    fake.add("carl", "", json!({}));
    let list = in_groups(&fake).list().await.unwrap();
    let held: Vec<(&str, Seat)> = list.iter().map(|one| (one.email.as_str(), one.seat.clone())).collect();
    assert_eq!(
        held,
        [
            ("anna@corp.example", active("pro")),
            ("bert@corp.example", active("plus")),
            ("both@corp.example", active("pro")),
            ("carl@corp.example", Seat::Vacant),
            ("off@corp.example", suspended("plus")),
        ]
    );
    assert_eq!(fake.count("groups"), 4, "two looked for by name, and two read");
}

#[tokio::test]
async fn nobody_is_without_a_seat_in_between() {
    let fake = start(&["down", "stays", "off"], &["up", "back"]).await;
    fake.book().users.get_mut("id-back").unwrap()["active"] = json!(false);
    let back = intent(Action::Resume, "back", true, suspended("plus"), active("pro"));
    let off = intent(Action::Suspend, "off", true, active("pro"), suspended("pro"));
    let intents = [promotion("up"), demotion("down"), back, off, creation("new")];
    let outcomes = told(&in_groups(&fake).apply(&intents).await);
    assert_eq!(outcomes, ["up pro", "down plus", "back pro", "off suspended pro", "new pro"]);
    assert_eq!(
        moved(&fake),
        "+Full id-up, +Full id-back, +View id-down, -View id-up, -View id-back, -Full id-down, +Full made-1"
    );
    let shown = fake.shown();
    assert!(shown.contains("off Staff Full off") && shown.contains("new Full") && shown.contains("down Staff View"));
    assert!(fake.book().groups[0].1.len() == 3, "a group that is no tier is left alone");
}

#[tokio::test]
async fn a_group_that_is_not_there_or_there_twice_is_refused_before_anything_is_sent() {
    for (name, words) in
        [("Other", "has no group \"View\", which is to be a tier: create it"), ("full", "has 2 groups \"Full\"")]
    {
        let fake = start(&["anna"], &[]).await;
        fake.book().groups[2].0 = name.to_owned();
        let mut scim = in_groups(&fake);
        let why = refusal(scim.kind().await);
        assert!(why.contains(words), "{why}");
        assert_eq!(refusal(scim.list().await), why);
        let outcomes = told(&scim.apply(&[creation("new"), suspension("anna")]).await);
        assert!(outcomes.iter().all(|outcome| outcome.contains(words)), "{outcomes:?}");
        assert!(scim.about().await.unwrap().groupless.unwrap().contains(words));
        assert_eq!((fake.count("create"), fake.count("change"), fake.count("members")), (0, 0, 0));
        // Made, the next pass goes on.
        fake.book().groups[2].0 = "view".to_owned();
        scim.kind().await.unwrap();
        assert_eq!(told(&scim.apply(&[creation("new")]).await), ["new pro"]);
    }
}

#[tokio::test]
async fn groups_that_are_renamed_while_the_service_runs_are_noticed_by_the_next_pass() {
    let fake = start(&["anna"], &["bert"]).await;
    let mut scim = in_groups(&fake);
    scim.kind().await.unwrap();
    fake.book().groups.swap(1, 2);
    fake.book().groups[1].0 = "Gone".to_owned();
    assert!(scim.list().await.unwrap_err().to_string().contains("\"View\" of the account store is not there any more"));
    let why = refusal(scim.kind().await);
    assert!(why.contains("has no group \"View\""), "{why}");
}

#[tokio::test]
async fn without_patch_no_tier_is_a_group() {
    let fake = start(&["anna"], &[]).await;
    fake.book().config["patch"] = json!({"supported": false});
    let mut scim = in_groups(&fake);
    assert!(scim.about().await.unwrap().groupless.unwrap().contains("takes no PATCH"));
    let outcomes = told(&scim.apply(&[promotion("anna")]).await);
    assert!(
        outcomes[0].contains("takes no PATCH") && outcomes[0].contains("set tier_in to another place"),
        "{outcomes:?}"
    );
    assert!(refusal(scim.list().await).contains("takes no PATCH"));
}

#[tokio::test]
async fn unknown_is_not_empty() {
    let fake = start(&["anna"], &["bert"]).await;
    fake.book().hides_members = true;
    let why = refusal(in_groups(&fake).list().await);
    assert!(why.contains("nobody knows who has which tier: groups \"Full\" and \"View\" show no `members`"), "{why}");
    assert_eq!(refusal(in_groups(&fake).find(&[sought("anna")]).await).split(':').next(), why.split(':').next());
    assert_eq!(
        in_groups(&fake).find(&[sought("nobody")]).await.unwrap(),
        [None],
        "of nobody nothing needs to be known"
    );
    // A change of something else confirms no seat.
    let outcomes = told(&in_groups(&fake).apply(&[rename("anna", "other")]).await);
    assert!(outcomes[0].starts_with("ambiguous: the account store does not show in which groups"), "{outcomes:?}");
    assert_eq!(
        told(&in_groups(&fake).apply(&[rename("anna", "anna"), suspension("bert")]).await)[1],
        "bert suspended plus"
    );
    fake.book().users.get_mut("id-bert").unwrap()["active"] = json!(true);
    // The users themselves may tell.
    fake.book().shows_groups = true;
    assert_eq!(told(&in_groups(&fake).apply(&[promotion("bert"), demotion("anna")]).await), ["bert pro", "anna plus"]);
    let found = in_groups(&fake).find(&[sought("anna"), sought("bert")]).await.unwrap();
    assert_eq!(found.into_iter().map(|one| one.unwrap().seat).collect::<Vec<_>>(), [active("plus"), active("pro")]);
}

/// A product that is new to us: the groups are there, nobody is in them, and the server shows no empty list.
#[tokio::test]
async fn empty_groups_are_filled_where_the_schemas_say_that_members_are_shown() {
    let fake = start(&[], &[]).await;
    fake.add("anna", "", json!({}));
    assert!(in_groups(&fake).list().await.is_err());
    let schema = |returned: &str| {
        json!({"Resources": [{"id": "urn:ietf:params:scim:schemas:core:2.0:Group",
            "attributes": [{"name": "members", "returned": returned}]}]})
    };
    fake.book().schemas = schema("request");
    assert!(in_groups(&fake).list().await.is_err());
    fake.book().schemas = schema("default");
    let mut scim = in_groups(&fake);
    assert_eq!(scim.list().await.unwrap()[0].seat, Seat::Vacant);
    assert_eq!(told(&scim.apply(&[creation("anna")]).await), ["anna pro"]);
    assert_eq!(fake.shown(), "anna Full");
}

#[tokio::test]
async fn a_membership_that_is_not_seen_is_no_seat() {
    for case in 0..3 {
        let fake = start(&[], &[]).await;
        match case {
            0 => fake.book().hides_members = true,
            1 => fake.book().shows_nobody = true,
            _ => fake.book().forgets_members = true,
        }
        let everybody: Vec<Intent> = (0..10).map(|number| creation(&format!("p{number}"))).collect();
        let outcomes = told(&in_groups(&fake).apply(&everybody).await);
        let words =
            "did not keep the membership in group \"Full\": the seat is not confirmed; does this product show who is";
        assert!(outcomes.iter().all(|outcome| outcome.contains(words)), "{outcomes:?}");
        assert_eq!(fake.count("create"), 1, "one was tried, and not everybody");
    }
}

/// A token that may not change groups, or no licence left.
#[tokio::test]
async fn where_nobody_is_let_into_a_group_one_user_is_made_and_not_a_thousand() {
    for status in [400, 403, 404, 409] {
        let fake = start(&[], &["anna"]).await;
        fake.fail("members", &vec![Fault::Before { status, retry_after: None, body: "" }; 50]);
        let everybody: Vec<Intent> = (0..10).map(|number| creation(&format!("p{number}"))).collect();
        let outcomes = told(&in_groups(&fake).apply(&everybody).await);
        assert!(outcomes[0].starts_with("rejected: members was refused by"), "{status}: {outcomes:?}");
        assert!(outcomes[1..].iter().all(|outcome| outcome.starts_with("rejected: not sent, since for another user")));
        assert_eq!(fake.count("create"), 1, "{status}: {outcomes:?}");
    }
}

#[tokio::test]
async fn many_come_and_go_in_few_requests() {
    let names: Vec<String> = (0..2 * MEMBERS_MAX + 50).map(|number| format!("p{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let fake = start(&[], &names).await;
    let all: Vec<Intent> = names.iter().map(|name| promotion(name)).collect();
    let outcomes = in_groups(&fake).apply(&all).await;
    assert!(told(&outcomes).iter().all(|outcome| outcome.ends_with(" pro")), "{outcomes:?}");
    assert_eq!(fake.count("members"), 6);
    let members: Vec<usize> = fake.book().groups.iter().map(|(_, members)| members.len()).collect();
    assert_eq!(members, [0, 250, 0]);
}

#[tokio::test]
async fn what_is_refused_of_several_is_tried_one_by_one() {
    let fake = start(&[], &["anna", "bert", "carl"]).await;
    fake.book().members_max = 1;
    let mut scim = in_groups(&fake);
    let outcomes = told(&scim.apply(&["anna", "bert", "carl"].map(promotion)).await);
    assert_eq!(outcomes, ["anna pro", "bert pro", "carl pro"]);
    assert_eq!(fake.count("members"), 8, "one that was refused and three, each way");
    // Somebody is deleted between the look and the change: the others have theirs at once, and that one is made anew.
    let fake = start(&[], &["anna", "bert"]).await;
    let mut scim = in_groups(&fake);
    scim.kind().await.unwrap();
    let gone = Fault::Before { status: 404, retry_after: None, body: r#"{"detail": "no such member"}"# };
    fake.fail("members", &[gone.clone(), gone]);
    assert_eq!(told(&scim.apply(&["anna", "bert"].map(promotion)).await), ["anna pro", "bert pro"]);
    let forbidden = Fault::Before { status: 403, retry_after: None, body: "" };
    fake.fail("members", &[forbidden]);
    let before = fake.count("members");
    let outcomes = told(&scim.apply(&["anna", "bert"].map(demotion)).await);
    let words = "does not allow it: give it the right to read groups and change their members";
    assert!(outcomes.iter().all(|outcome| outcome.contains(words)), "{outcomes:?}");
    assert_eq!(fake.count("members"), before + 1, "who may not is not asked for each");
    assert_eq!(fake.shown(), "anna Full, bert Full");
}

#[tokio::test]
async fn where_no_filter_is_understood_in_a_path_people_go_by_value() {
    let fake = start(&[], &["anna", "bert", "stays"]).await;
    fake.book().plain_paths = true;
    assert_eq!(told(&in_groups(&fake).apply(&["anna", "bert"].map(promotion)).await), ["anna pro", "bert pro"]);
    assert_eq!(fake.shown(), "anna Full, bert Full, stays View");
}

/// A server that overlooks the filter takes everybody out.
#[tokio::test]
async fn a_filter_that_is_overlooked_takes_nobody_else_out() {
    let fake = start(&[], &["anna", "stays", "too"]).await;
    fake.book().overlooks_filters = true;
    let mut scim = in_groups(&fake);
    let outcomes = told(&scim.apply(&["anna"].map(promotion)).await);
    assert!(outcomes[0].contains("took 2 others out with it; they were put back"), "{outcomes:?}");
    assert_eq!(fake.shown(), "anna Full, stays View, too View");
    assert!(told(&scim.apply(&["too"].map(promotion)).await)[0].contains("not sent: asked to take"), "{outcomes:?}");
    // Where they cannot be put back, each of them is named.
    let fake = start(&[], &["anna", "stays", "too"]).await;
    fake.book().overlooks_filters = true;
    let refused = Fault::Before { status: 403, retry_after: None, body: "" };
    fake.fail("members", &[Fault::None, Fault::None, refused.clone(), refused.clone(), refused]);
    let outcomes = told(&in_groups(&fake).apply(&["anna"].map(promotion)).await);
    assert!(outcomes[0].contains("users id-stays, id-too COULD NOT BE PUT BACK"), "{outcomes:?}");
}

/// To the protocol a removal by value is one of all members: a server that goes by that takes nobody's licence.
#[tokio::test]
async fn who_is_taken_out_with_somebody_else_is_put_back() {
    let fake = start(&[], &["anna", "stays", "too"]).await;
    fake.book().plain_paths = true;
    fake.book().empties = true;
    let mut scim = in_groups(&fake);
    let outcomes = told(&scim.apply(&["anna", "too"].map(promotion)).await);
    assert!(outcomes[0].contains("took 2 others out with it; they were put back"), "{outcomes:?}");
    assert!(outcomes[1].contains("not sent: asked to take one user out"), "{outcomes:?}");
    assert_eq!(fake.shown(), "anna Full, stays View, too Full View");
    // That is remembered, and they come back though nobody sees that they went.
    let before = fake.count("members");
    scim.apply(&[promotion("too")]).await;
    assert_eq!(fake.count("members"), before, "nobody is taken out of it any more");
    let mut scim = in_groups(&fake);
    scim.kind().await.unwrap();
    let broken = Fault::Before { status: 404, retry_after: None, body: "" };
    fake.fail("groups", &[Fault::None, Fault::None, Fault::None, Fault::None, broken]);
    scim.apply(&[promotion("too")]).await;
    assert_eq!(fake.shown(), "anna Full, stays View, too Full");
    // Where nobody could see who goes, nothing of that kind is sent.
    let fake = start(&[], &["anna", "stays"]).await;
    fake.book().plain_paths = true;
    fake.book().empties = true;
    fake.book().hides_members = true;
    fake.book().shows_groups = true;
    let outcomes = told(&in_groups(&fake).apply(&[promotion("anna")]).await);
    assert!(outcomes[0].contains("take the user out there by hand"), "{outcomes:?}");
    assert_eq!(fake.shown(), "anna Full View, stays View");
}

#[tokio::test]
async fn groups_are_found_whatever_becomes_of_filters() {
    for (filters, ignores, unfiltered) in
        [(false, false, vec![]), (true, true, vec![]), (true, false, vec!["displayName"])]
    {
        let fake = start(&["anna"], &["bert"]).await;
        fake.book().config["filter"] = json!({"supported": filters});
        fake.book().ignores_filter = ignores;
        fake.book().unfiltered = unfiltered;
        fake.book().groups.extend((0..30).map(|number| (format!("Other {number}"), Vec::new())));
        fake.book().cap = 10;
        let list = in_groups(&fake).list().await.unwrap();
        assert_eq!(list.into_iter().map(|one| one.seat).collect::<Vec<_>>(), [active("pro"), active("plus")]);
    }
}

#[tokio::test]
async fn what_is_come_upon_keeps_its_higher_tier() {
    let fake = start(&["anna", "bert"], &[]).await;
    let to_plus = Intent { to: active("plus"), ..creation("anna") };
    let resumes = intent(Action::Resume, "bert", true, suspended("plus"), active("plus"));
    assert_eq!(told(&in_groups(&fake).apply(&[to_plus, resumes]).await), ["anna pro", "bert pro"]);
    assert_eq!(fake.count("members"), 0);
}

#[tokio::test]
async fn a_change_of_members_comes_right_whatever_becomes_of_the_answer() {
    let broken = Fault::Before { status: 500, retry_after: None, body: "" };
    for fault in [broken, Fault::After(500), Fault::After(503), Fault::Cut, Fault::Silence] {
        let fake = start(&["down"], &["up", "also"]).await;
        let mut settings = settings(&fake);
        settings.mapping.place = TierPlace::Group;
        settings.timeout = Duration::from_millis(400);
        let mut scim = Scim::open(settings).unwrap();
        scim.kind().await.unwrap();
        fake.fail("members", &[fault.clone(), Fault::None, fault.clone()]);
        fake.fail("groups", std::slice::from_ref(&fault));
        let outcomes = told(&scim.apply(&[promotion("up"), promotion("also"), demotion("down")]).await);
        assert_eq!(outcomes, ["up pro", "also pro", "down plus"], "{fault:?}");
        assert_eq!(fake.shown(), "also Full, down Staff View, up Full");
    }
}
