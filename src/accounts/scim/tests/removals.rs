//! Deletions: of the right user, once, and confirmed by the absence of the user alone.

use super::*;

fn deleting(fake: &Fake) -> Scim {
    Scim::open(ScimSettings { on_leave: OnLeave::Delete, ..settings(fake) }).unwrap()
}

/// With these, each with the own identity.
async fn with(names: &[&str]) -> Fake {
    let fake = Fake::start().await;
    names.iter().for_each(|name| fake.add(name, "View", json!({"externalId": guid(name).to_string()})));
    fake
}

fn lost(status: u16) -> Fault {
    Fault::Before { status, retry_after: None, body: "" }
}

#[tokio::test]
async fn who_is_deleted_is_looked_at_before_and_afterwards() {
    for bulk in [false, true] {
        let fake = with(&["anna", "bert", "carl"]).await;
        fake.book().config["bulk"] = json!({"supported": bulk, "maxOperations": 10, "maxPayloadSize": 100_000});
        fake.book().users.get_mut("id-bert").unwrap()["active"] = json!(false);
        let outcomes = deleting(&fake).apply(&[deletion("anna"), deletion("bert"), deletion("gone")]).await;
        assert_eq!(told(&outcomes), ["nobody", "nobody", "nobody"]);
        assert_eq!(fake.shown(), "carl View");
        assert_eq!((fake.count("read"), fake.count("remove"), fake.count("bulk")), (5, 2, 0));
    }
}

/// The lock behind that of deciding.
#[tokio::test]
async fn nobody_is_deleted_where_nobody_asked_for_that() {
    let fake = with(&["anna"]).await;
    let outcomes = told(&client(&fake).apply(&[deletion("anna")]).await);
    assert!(outcomes[0].contains("nobody is removed, only suspended"), "{outcomes:?}");
    assert_eq!((fake.count("remove"), fake.shown().as_str()), (0, "anna View"));
}

/// The key leads to somebody who is not, or may not be, the one who left.
#[tokio::test]
async fn somebody_elses_account_is_not_deleted() {
    for (more, words) in [
        (json!({"externalId": guid("else").to_string()}), "belongs to the directory identity"),
        (json!({}), "does not carry the directory identity"),
        (
            json!({"externalId": guid("anna").to_string(), "userName": "new@corp.example", "emails": [{"value": "new@corp.example"}]}),
            "has the address new@corp.example, not anna@corp.example as last confirmed",
        ),
    ] {
        let fake = with(&["anna"]).await;
        fake.add("anna", "View", more);
        let outcomes = told(&deleting(&fake).apply(&[deletion("anna")]).await);
        assert!(outcomes[0].starts_with("rejected: user id-anna") && outcomes[0].contains(words), "{outcomes:?}");
        assert_eq!((fake.count("remove"), fake.book().users.len()), (0, 1));
    }
    // A loss is of the account with the key, whoever else has the address.
    let fake = with(&[]).await;
    fake.add("other", "View", json!({"userName": "anna@corp.example", "externalId": guid("anna").to_string()}));
    assert_eq!(told(&deleting(&fake).apply(&[deletion("anna")]).await), ["nobody"]);
    assert_eq!((fake.count("remove"), fake.book().users.len()), (0, 1));
}

#[tokio::test]
async fn a_yes_is_no_deletion() {
    let fake = with(&["anna", "bert"]).await;
    fake.book().soft_deletes = true;
    assert_eq!(told(&deleting(&fake).apply(&[deletion("anna")]).await), ["anna suspended plus"]);
    fake.book().soft_deletes = false;
    fake.book().keeps_deleted = true;
    let outcomes = told(&deleting(&fake).apply(&[deletion("bert")]).await);
    let expected =
        "rejected: asked to delete user id-bert, the account store said yes, and the user is still there and active";
    assert!(outcomes[0].starts_with(expected), "{outcomes:?}");
    assert_eq!((fake.count("remove"), fake.shown().as_str()), (2, "anna View off, bert View"));
}

#[tokio::test]
async fn what_the_server_refuses_is_said_with_what_to_do() {
    for status in [403, 405, 501] {
        let fake = with(&["anna"]).await;
        fake.fail("remove", &[lost(status)]);
        let outcomes = told(&deleting(&fake).apply(&[deletion("anna")]).await);
        assert!(outcomes[0].contains("write on_leave = \"deactivate\""), "{outcomes:?}");
        assert_eq!(fake.shown(), "anna View");
    }
    // Said of somebody who is there, and of somebody whom another one deleted meanwhile.
    for (fault, expected) in [(lost(404), "said that there is no such user"), (Fault::After(404), "nobody")] {
        let fake = with(&["anna"]).await;
        fake.fail("remove", &[fault]);
        let outcomes = told(&deleting(&fake).apply(&[deletion("anna")]).await);
        assert!(outcomes[0].contains(expected), "{outcomes:?}");
        assert_eq!(fake.count("remove"), 1);
    }
}

/// What may have been done is not said again: the next pass looks.
#[tokio::test]
async fn a_deletion_whose_answer_is_lost_is_not_sent_again() {
    for status in [500, 502, 504] {
        let fake = with(&["anna"]).await;
        fake.fail("remove", &[Fault::After(status)]);
        let mut scim = deleting(&fake);
        let outcomes = told(&scim.apply(&[deletion("anna")]).await);
        assert!(outcomes[0].starts_with("ambiguous: ") && fake.count("remove") == 1, "{outcomes:?}");
        let looked = Sought { account: deletion("anna").account, ..sought("anna") };
        assert_eq!(scim.find(&[looked]).await.unwrap(), [None]);
    }
    // Nor is it believed while the user cannot be looked at.
    let fake = with(&["anna"]).await;
    fake.fail("read", &[Fault::None, lost(403)]);
    let outcomes = told(&deleting(&fake).apply(&[deletion("anna")]).await);
    assert!(outcomes[0].starts_with("ambiguous: ") && fake.book().users.is_empty(), "{outcomes:?}");
}

/// Somebody else has changed the user since it was looked at: it is looked at again, and may be another one's by then.
#[tokio::test]
async fn a_version_that_is_not_the_one_seen_is_not_deleted() {
    let fake = with(&["anna"]).await;
    fake.book().config["etag"] = json!({"supported": true});
    fake.book().versions = true;
    fake.fail("remove", &[lost(412)]);
    assert_eq!(told(&deleting(&fake).apply(&[deletion("anna")]).await), ["nobody"]);
    assert_eq!((fake.count("read"), fake.count("remove")), (3, 2));
    fake.add("bert", "View", json!({"externalId": guid("bert").to_string()}));
    fake.fail("remove", &[lost(412), lost(412), lost(412)]);
    let outcomes = told(&deleting(&fake).apply(&[deletion("bert")]).await);
    assert!(outcomes[0].contains("somebody else has changed the user meanwhile"), "{outcomes:?}");
    assert_eq!(fake.shown(), "bert View");
}

#[tokio::test]
async fn who_was_deleted_is_made_anew_on_return() {
    let fake = with(&["anna"]).await;
    let mut scim = deleting(&fake);
    assert_eq!(told(&scim.apply(&[deletion("anna")]).await), ["nobody"]);
    assert_eq!(told(&scim.apply(&[creation("anna")]).await), ["anna pro"]);
    assert_eq!(fake.book().users.keys().collect::<Vec<_>>(), ["made-1"]);
}
