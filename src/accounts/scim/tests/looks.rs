//! Lists and searches that are not what they seem: nobody is taken for gone.

use super::*;

async fn crowd(count: usize) -> Fake {
    let fake = Fake::start().await;
    (0..count).for_each(|number| fake.add(&format!("p{number:03}"), "View", json!({})));
    fake
}

async fn refused(fake: &Fake) -> String {
    match client(fake).list().await {
        Err(AccountsError::Unavailable { message }) => message,
        other => panic!("{:?}", other.map(|list| list.len())),
    }
}

#[tokio::test]
async fn a_list_is_complete_or_an_error() {
    let fake = crowd(120).await;
    assert_eq!(client(&fake).list().await.unwrap().len(), 120);
    fake.book().cap = 7;
    assert_eq!(client(&fake).list().await.unwrap().len(), 120, "less a page than asked for");
    fake.book().boasts = 3;
    assert!(refused(&fake).await.contains("it is incomplete: it says that there are 123 users, and gave 120"));
    fake.book().boasts = 0;
    fake.book().repeats = true;
    assert!(refused(&fake).await.contains("it lists user id-p000 twice"));
    fake.book().repeats = false;
    fake.book().cap = 50;
    fake.book().calls_page_all = true;
    assert!(refused(&fake).await.contains("it says that there are 50 users, and gives more"));
}

#[tokio::test]
async fn a_list_that_ends_with_its_first_page_is_believed_at_the_second_look() {
    let fake = crowd(50).await;
    fake.book().repeats = true;
    assert_eq!(client(&fake).list().await.unwrap().len(), 50, "the first page over again is no news");
    assert_eq!(fake.count("list"), 2);
    let fake = crowd(49).await;
    assert_eq!(client(&fake).list().await.unwrap().len(), 49);
    assert_eq!(fake.count("list"), 1);
}

#[tokio::test]
async fn what_is_no_list_is_no_empty_list() {
    let fake = crowd(1).await;
    let odd = Fault::Before { status: 200, retry_after: None, body: r#"{"hello": "world"}"# };
    fake.fail("list", &[odd.clone(), odd]);
    assert!(refused(&fake).await.contains("what came is no list of users; is base_url right?"));
    assert!(client(&fake).is_empty().await.is_err());
    assert!(!client(&fake).is_empty().await.unwrap());
    assert!(client(&crowd(0).await).is_empty().await.unwrap());
}

#[tokio::test]
async fn a_server_that_ignores_filters_fools_nobody() {
    let fake = crowd(9).await;
    fake.book().ignores_filter = true;
    let mut scim = client(&fake);
    let found = scim.find(&[sought("p003"), sought("nobody")]).await.unwrap();
    let names: Vec<Option<&str>> = found.iter().map(|one| one.as_ref().map(|one| one.email.as_str())).collect();
    assert_eq!(names, [Some("p003@corp.example"), None]);
    let before = fake.count("search");
    scim.find(&[sought("p004")]).await.unwrap();
    assert_eq!(fake.count("search"), before, "it is not asked again");
}

#[tokio::test]
async fn a_filter_that_is_not_taken_is_done_without() {
    for unfiltered in ["externalId", "userName", "emails.value"] {
        let fake = crowd(9).await;
        fake.add("other-name", "View", json!({"userName": "o1", "emails": [{"value": "p100@corp.example"}]}));
        fake.book().unfiltered = vec![unfiltered];
        let found = client(&fake).find(&[sought("p003"), sought("p100"), sought("nobody")]).await.unwrap();
        let keys: Vec<Option<String>> = found.iter().map(|one| one.as_ref().map(|one| one.id.to_string())).collect();
        assert_eq!(keys, [Some("id-p003".to_owned()), Some("id-other-name".to_owned()), None], "{unfiltered}");
    }
}

#[tokio::test]
async fn many_are_looked_for_in_the_list() {
    let fake = crowd(150).await;
    let everybody: Vec<Sought> = (0..150).map(|number| sought(&format!("p{number:03}"))).collect();
    let found = client(&fake).find(&everybody).await.unwrap();
    assert!(found.iter().zip(&everybody).all(|(found, sought)| found.as_ref().unwrap().email == sought.email));
    assert_eq!((fake.count("list"), fake.count("search")), (2, 0));
}

/// People with their keys, as the snapshot has them.
fn known(names: impl Iterator<Item = usize>) -> Vec<Sought> {
    let known = |name: String| Sought { account: Some(UserId::new(&format!("id-{name}"))), ..sought(&name) };
    names.map(|number| known(format!("p{number:03}"))).collect()
}

/// It says that it is complete, and counts itself so.
#[tokio::test]
async fn a_list_that_leaves_out_who_is_there_is_an_error() {
    let fake = crowd(150).await;
    let mut scim = client(&fake);
    assert_eq!(scim.find(&known(0..150)).await.unwrap().iter().flatten().count(), 150);
    assert_eq!((fake.count("list"), fake.count("read")), (2, 0));
    fake.book().hides = vec!["id-p007"];
    let refused = scim.find(&known(0..150)).await.unwrap_err().to_string();
    for words in ["leaves out user id-p007, who is there when asked for alone", "Nothing of it was used", "has a fault"]
    {
        assert!(refused.contains(words), "{refused}");
    }
    assert_eq!(fake.count("read"), 1);
    // Nor is it used for a part of the changes.
    let changes: Vec<Intent> = (0..150).map(|number| promotion(&format!("p{number:03}"))).collect();
    let outcomes = told(&scim.apply(&changes).await);
    assert!(outcomes.iter().all(|told| told.contains("leaves out user id-p007")), "{:?}", outcomes[0]);
    assert_eq!(fake.count("change"), 0);
}

/// No fault: some products show only who can sign in.
#[tokio::test]
async fn a_list_may_leave_out_who_is_deactivated() {
    let fake = crowd(150).await;
    for number in 0..40 {
        fake.book().users.get_mut(&format!("id-p{number:03}")).unwrap()["active"] = json!(false);
    }
    fake.book().lists_active = true;
    let mut scim = client(&fake);
    assert_eq!(scim.list().await.unwrap().len(), 110);
    let found = scim.find(&known(0..160)).await.unwrap();
    assert_eq!(found.iter().flatten().count(), 150, "each of the missing ones is asked for as soon as one is there");
    assert!(found[..40].iter().flatten().all(|observed| matches!(observed.seat, Seat::Suspended(_))));
    // Nobody gets a second account: whoever is to be made is looked for by filters.
    scim.kind().await.unwrap();
    let everybody: Vec<Intent> = (0..160).map(|number| creation(&format!("p{number:03}"))).collect();
    let outcomes = told(&scim.apply(&everybody).await);
    assert!(outcomes.iter().all(|told| told.ends_with(" pro")), "{outcomes:?}");
    assert_eq!((fake.count("create"), fake.book().users.len()), (10, 160));
}

#[tokio::test]
async fn who_is_missing_in_a_list_and_gone_is_gone() {
    let fake = crowd(120).await;
    let found = client(&fake).find(&known(100..220)).await.unwrap();
    assert_eq!(found.iter().flatten().count(), 20);
    assert_eq!(fake.count("read"), 20, "the first of the missing ones vouch for the others");
}

/// Where names are not unique they would be there twice afterwards.
#[tokio::test]
async fn nobody_is_made_on_the_word_of_a_list_that_leaves_people_out() {
    let fake = crowd(120).await;
    fake.book().hides = vec!["id-p000", "id-p001"];
    let mut scim = client(&fake);
    let everybody: Vec<Intent> = (0..150).map(|number| creation(&format!("p{number:03}"))).collect();
    scim.kind().await.unwrap();
    for batch in everybody.chunks(75) {
        let outcomes = told(&scim.apply(batch).await);
        let made = outcomes.iter().filter(|told| told.contains("leaves out user id-p000")).count();
        let there = outcomes.iter().filter(|told| told.ends_with(" pro")).count();
        assert!(made > 0 && made + there == 75, "{outcomes:?}");
    }
    assert_eq!((fake.count("create"), fake.book().users.len()), (0, 120));
    // Mended, the next pass goes on: one search more, and only where a list was used.
    fake.book().hides = Vec::new();
    scim.kind().await.unwrap();
    let before = fake.count("search");
    let outcomes = told(&scim.apply(&everybody).await);
    assert!(outcomes.iter().all(|told| told.ends_with(" pro")), "{outcomes:?}");
    assert_eq!((fake.count("search") - before, fake.book().users.len()), (3, 150));
}

fn newcomers(numbers: std::ops::Range<usize>) -> Vec<Intent> {
    numbers.map(|number| creation(&format!("n{number:03}"))).collect()
}

/// Pages of a hundred: what is there before a batch is what was there after the batch before.
#[tokio::test]
async fn each_batch_reads_the_list_once() {
    let fake = crowd(250).await;
    let mut scim = client(&fake);
    scim.kind().await.unwrap();
    for (batch, pages) in [(0..150, 3 + 4), (150..300, 6), (300..450, 7)] {
        let before = fake.count("list");
        let outcomes = told(&scim.apply(&newcomers(batch)).await);
        assert!(outcomes.iter().all(|told| told.ends_with(" pro")), "{outcomes:?}");
        assert_eq!(fake.count("list") - before, pages);
    }
    // Another pass begins with a list of its own.
    scim.kind().await.unwrap();
    let before = fake.count("list");
    scim.apply(&newcomers(450..600)).await;
    assert_eq!(fake.count("list") - before, 7 + 9);
}

/// What a batch sees serves the next one and no other.
#[tokio::test]
async fn a_list_is_used_for_one_more_batch_at_most() {
    let fake = crowd(250).await;
    let mut scim = client(&fake);
    for (batch, pages) in [(0..150, 3 + 4), (150..152, 0), (152..153, 0), (153..303, 5 + 6)] {
        let before = fake.count("list");
        let outcomes = told(&scim.apply(&newcomers(batch)).await);
        assert!(outcomes.iter().all(|told| told.ends_with(" pro")), "{outcomes:?}");
        assert_eq!(fake.count("list") - before, pages);
    }
    // The first of all, for the list's sake; and the one of the third batch, by three names.
    assert_eq!(fake.count("search"), 3 + 3);
}

/// Somebody else makes two of them between two batches: the server does not take them twice, and they are taken over as they are.
#[tokio::test]
async fn who_came_since_the_last_list_is_not_made_twice() {
    let fake = crowd(250).await;
    let mut scim = client(&fake);
    scim.apply(&newcomers(0..150)).await;
    fake.add("n151", "View", json!({}));
    fake.add(
        "moved",
        "View",
        json!({
            "userName": "n152@corp.example", "emails": [], "externalId": guid("n152").to_string(),
        }),
    );
    let outcomes = told(&scim.apply(&newcomers(150..300)).await);
    assert!(outcomes.iter().all(|told| told.ends_with(" pro")), "{outcomes:?}");
    assert_eq!(fake.book().users.len(), 550);
    // And who was made in a batch is looked up in the next one: made again it would be refused.
    let creations = fake.count("create");
    let again = told(&scim.apply(&newcomers(298..300)).await);
    assert_eq!((again, fake.count("create")), (vec!["n298 pro".to_owned(), "n299 pro".to_owned()], creations));
}
