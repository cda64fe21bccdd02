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
