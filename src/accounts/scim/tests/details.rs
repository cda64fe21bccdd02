//! Names and other details: they go with what is done, are followed by themselves, and cost nobody the seat.

use super::*;
use crate::model::{Detail, Details, DetailsMark};

fn names(given: &str, shown: &str) -> Option<Arc<Details>> {
    let detail = |(name, value): (&str, &str)| Detail { name: name.into(), value: value.into() };
    Details::of([("name.givenName", given), ("displayName", shown)].map(detail).to_vec())
}

fn named(intent: Intent) -> Intent {
    Intent { details: names("Anna", "Anna Lee"), ..intent }
}

/// The person is as the account says, but for the names.
fn renamed(name: &str) -> Intent {
    named(intent(Action::Rename, name, true, active("plus"), active("plus")))
}

fn taken(outcomes: &[Outcome]) -> Vec<Option<DetailsMark>> {
    let of = |outcome: &Outcome| if let Outcome::Done(Some(observed)) = outcome { observed.details } else { None };
    outcomes.iter().map(of).collect()
}

fn mark() -> Option<DetailsMark> {
    names("Anna", "Anna Lee").map(|details| details.mark())
}

fn shown(fake: &Fake, id: &str) -> (Value, Value) {
    let user = &fake.book().users[id];
    (user["name"]["givenName"].clone(), user["displayName"].clone())
}

fn anna(fake: &Fake) {
    let names = json!({"externalId": guid("anna").to_string(), "displayName": "A. Smith", "name": {"givenName": "Anna",
        "middleName": "B", "formatted": "Anna B Smith"}});
    fake.add("anna", "View", names);
}

/// One value is refused: the other is taken.
#[tokio::test]
async fn one_name_that_is_refused_costs_no_other() {
    let fake = Fake::start().await;
    fake.add(
        "anna",
        "View",
        json!({"externalId": guid("anna").to_string(), "displayName": "A", "name": {"givenName": "B"}}),
    );
    fake.fail("change", &[refused(), refused(), Fault::None]);
    let outcomes = client(&fake).apply(&[renamed("anna")]).await;
    assert_eq!((told(&outcomes), taken(&outcomes)), (vec!["anna plus".into()], vec![mark()]));
    assert_eq!((shown(&fake, "id-anna"), fake.count("change")), ((json!("B"), json!("Anna Lee")), 3));
}

fn refused() -> Fault {
    Fault::Before { status: 400, retry_after: None, body: r#"{"scimType": "invalidValue", "detail": "no such name"}"# }
}

#[tokio::test]
async fn who_is_made_has_the_names_of_the_directory() {
    let fake = Fake::start().await;
    let outcomes = client(&fake).apply(&[named(creation("anna")), creation("bert")]).await;
    assert_eq!((told(&outcomes), taken(&outcomes)), (vec!["anna pro".into(), "bert pro".into()], vec![mark(), None]));
    assert_eq!(shown(&fake, "made-1"), (json!("Anna"), json!("Anna Lee")));
    assert_eq!(fake.book().users["made-2"]["displayName"], "bert@corp.example", "without a name there is the address");
    assert_eq!((fake.count("create"), fake.count("change")), (2, 0));
}

#[tokio::test]
async fn changed_names_are_changed_in_place_and_others_stay() {
    for patch in [true, false] {
        let fake = Fake::start().await;
        fake.book().config["patch"] = json!({"supported": patch});
        anna(&fake);
        let mut scim = client(&fake);
        let outcomes = scim.apply(&[renamed("anna")]).await;
        assert_eq!((told(&outcomes), taken(&outcomes)), (vec!["anna plus".into()], vec![mark()]));
        assert_eq!(shown(&fake, "id-anna"), (json!("Anna"), json!("Anna Lee")));
        assert_eq!(fake.book().users["id-anna"]["name"]["middleName"], "B");
        assert_eq!(fake.count("change"), 1, "only what is different");
        assert_eq!(taken(&scim.apply(&[renamed("anna")]).await), [mark()]);
        assert_eq!(fake.count("change"), 1, "nothing is written where they are right");
        assert_eq!(scim.list().await.unwrap()[0].details, None, "a list tells nothing of what was sent");
    }
}

/// Keys may be given out again: a new name is no reason to make somebody else's account the person's.
#[tokio::test]
async fn a_user_that_has_become_somebody_elses_is_left_alone() {
    for wish in [renamed("anna"), suspension("anna"), promotion("anna")] {
        let fake = Fake::start().await;
        let theirs = json!({"externalId": guid("zed").to_string(), "userName": "zed@corp.example",
            "emails": [{"value": "zed@corp.example"}]});
        fake.add("anna", "View", theirs);
        let before = fake.book().users.clone();
        let outcomes = told(&client(&fake).apply(&[wish]).await);
        assert!(outcomes[0].contains("it is somebody else's, and nothing was changed"), "{outcomes:?}");
        assert_eq!((fake.count("change"), fake.book().users.clone()), (0, before));
    }
    // One that was left by somebody whose place and address the person took is the person's.
    let fake = Fake::start().await;
    fake.add("anna", "View", json!({"externalId": guid("before").to_string()}));
    let outcomes = client(&fake).apply(&[renamed("anna")]).await;
    assert_eq!((told(&outcomes), taken(&outcomes)), (vec!["anna plus".into()], vec![mark()]));
    assert_eq!(fake.book().users["id-anna"]["externalId"], guid("anna").to_string());
}

#[tokio::test]
async fn they_go_with_a_seat_and_not_with_its_end() {
    let fake = Fake::start().await;
    anna(&fake);
    let outcomes = client(&fake).apply(&[named(suspension("anna"))]).await;
    assert_eq!((told(&outcomes), taken(&outcomes)), (vec!["anna suspended plus".into()], vec![None]));
    assert_eq!(shown(&fake, "id-anna").1, "A. Smith");
    let back = named(intent(Action::Resume, "anna", true, Seat::Suspended(Tier::new("plus")), active("pro")));
    let outcomes = client(&fake).apply(&[back]).await;
    assert_eq!((told(&outcomes), taken(&outcomes)), (vec!["anna pro".into()], vec![mark()]));
    assert_eq!(shown(&fake, "id-anna").1, "Anna Lee");
}

/// Some products make the display name themselves: asked for once more, it is not asked for at each pass.
#[tokio::test]
async fn what_is_not_kept_costs_nobody_the_seat_and_is_taken_for_done() {
    let fake = Fake::start().await;
    fake.book().drops = vec!["displayName"];
    anna(&fake);
    let outcomes = client(&fake).apply(&[renamed("anna"), named(creation("bert"))]).await;
    assert_eq!((told(&outcomes), taken(&outcomes)), (vec!["anna plus".into(), "bert pro".into()], vec![mark(); 2]));
    assert!(fake.count("change") <= 4, "{}", fake.count("change"));

    // One whose schemas have it drops values, and not the thing.
    let fake = Fake::start().await;
    fake.book().drops = vec!["displayName"];
    fake.book().schemas = json!({"Resources": [{"id": "urn:ietf:params:scim:schemas:core:2.0:User",
        "attributes": [{"name": "displayName"}, {"name": "roles"}]}]});
    let outcomes = client(&fake).apply(&[named(creation("anna")), named(creation("bert"))]).await;
    assert_eq!((told(&outcomes), fake.count("change")), (vec!["anna pro".into(), "bert pro".into()], 2));

    // A server that has no such thing is found out by the first; nobody after that costs more for it.
    let fake = Fake::start().await;
    fake.book().drops = vec!["displayName"];
    let crowd: Vec<Intent> = (0..20).map(|number| named(creation(&format!("p{number}")))).collect();
    let mut scim = client(&fake);
    let outcomes = scim.apply(&crowd).await;
    assert_eq!(taken(&outcomes), vec![mark(); 20], "{:?}", told(&outcomes));
    let asked = fake.book().asked.len();
    assert_eq!((fake.count("create"), fake.count("change")), (20, 1), "{asked} requests");
    scim.apply(&[named(creation("later"))]).await;
    assert_eq!((fake.count("create"), fake.count("change")), (21, 1));
}

#[tokio::test]
async fn what_is_refused_holds_up_no_seat_and_is_named() {
    let fake = Fake::start().await;
    anna(&fake);
    // With a filter in the path and without, then the seat alone, then the name alone.
    fake.fail("change", &[refused(), refused(), Fault::None, refused()]);
    let outcomes = client(&fake).apply(&[named(promotion("anna"))]).await;
    assert_eq!((told(&outcomes), taken(&outcomes)), (vec!["anna pro".into()], vec![mark()]));
    assert_eq!((shown(&fake, "id-anna").1, fake.count("change")), (json!("A. Smith"), 4));
    // By itself it is not asked for at each pass: the value is what it is until the directory changes.
    fake.fail("change", &[refused()]);
    let mut again = renamed("anna");
    (again.from, again.to) = (active("pro"), active("pro"));
    let outcomes = client(&fake).apply(&[again]).await;
    assert_eq!((told(&outcomes), taken(&outcomes)), (vec!["anna pro".into()], vec![mark()]));
    assert_eq!(shown(&fake, "id-anna").1, "A. Smith");
    // Who may not change names at all is told so.
    let forbidden = Fault::Before { status: 403, retry_after: None, body: r#"{"detail": "no such name"}"# };
    fake.fail("change", &[forbidden]);
    let mut only_names = renamed("anna");
    (only_names.from, only_names.to) = (active("pro"), active("pro"));
    let outcomes = told(&client(&fake).apply(&[only_names]).await);
    assert!(
        outcomes[0].starts_with("rejected: the account store does not take the names of the person"),
        "{outcomes:?}"
    );
    assert!(
        outcomes[0].contains("no such name") && outcomes[0].contains("leave them out of `attributes`"),
        "{outcomes:?}"
    );

    fake.fail("create", &[refused()]);
    let outcomes = client(&fake).apply(&[named(creation("bert"))]).await;
    assert_eq!((told(&outcomes), taken(&outcomes)), (vec!["bert pro".into()], vec![None]));
    assert_eq!(shown(&fake, "made-1"), (Value::Null, json!("bert@corp.example")));
}
