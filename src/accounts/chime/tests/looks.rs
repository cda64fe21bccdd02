//! Lists, looks, and what the account says of itself.

use super::*;

async fn crowd(count: usize) -> Fake {
    let fake = Fake::start("EnterpriseDirectory", ALL).await;
    (0..count).for_each(|number| fake.add(&format!("p{number:04}"), "Registered", "Plus"));
    fake
}

fn sought(name: &str, key: Option<&str>) -> Sought {
    Sought { guid: guid(name), account: key.map(UserId::new), email: email(name) }
}

#[tokio::test]
async fn the_list_is_whole_in_pages_of_two_hundred_and_of_people_only() {
    let fake = crowd(400).await;
    fake.add("room", "Registered", "Pro");
    fake.book().users.get_mut("id-room").unwrap().user_type = Some("SharedDevice".into());
    fake.add("nameless", "Registered", "Pro");
    fake.book().users.get_mut("id-nameless").unwrap().primary_email = None;
    let mut chime = client(&fake);
    assert_eq!(chime.kind().await.unwrap(), StoreKind::EnterpriseDirectory);
    let listed = chime.list().await.unwrap();
    assert_eq!(listed.len(), 400);
    assert!(listed.iter().all(|one| one.seat == active("plus") && one.external.is_none()));
    assert_eq!((fake.count("ListUsers"), fake.count("GetAccount")), (3, 1));
    assert_eq!((chime.requests(Operation::ListUsers), chime.requests_in_all()), (3, 4));
    assert_eq!(chime.list().await.unwrap(), listed);
    assert_eq!(fake.count("GetAccount"), 1, "asked once");
}

#[tokio::test]
async fn a_list_that_is_not_whole_is_no_list() {
    for spoil in [|book: &mut fake::Book| book.repeats_token = true, |book: &mut fake::Book| book.repeats_user = true] {
        let fake = crowd(401).await;
        spoil(&mut fake.book());
        match client(&fake).list().await {
            Err(AccountsError::Unavailable { message }) => {
                assert!(message.contains("Nothing of it was used"), "{message}");
            }
            other => panic!("{:?}", other.map(|list| list.len())),
        }
    }
}

#[tokio::test]
async fn a_refused_key_is_named_and_its_secret_is_not() {
    let fake = crowd(1).await;
    fake.fail("GetAccount", &[Fault::Before { status: 403, retry_after: None }]);
    match client(&fake).kind().await {
        Err(AccountsError::Refused { message }) => {
            assert!(message.contains("access key AKID") && !message.contains("hunter2"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert!(!format!("{:?}", client(&fake)).contains("hunter2"));
}

#[tokio::test]
async fn people_are_found_by_key_else_by_address_and_never_anybody_else() {
    for ignores_filter in [false, true] {
        let fake = crowd(3).await;
        fake.book().ignores_filter = ignores_filter;
        let mut chime = client(&fake);
        let people = [
            sought("p0002", None),
            sought("nobody", None),
            sought("nobody", Some("id-p0001")),
            sought("p0000", Some("lost")),
            sought("nobody", Some("..")),
        ];
        let (known, odd) = people.split_at(4);
        let found = chime.find(known).await.unwrap();
        let names: Vec<_> = found.iter().map(|one| one.as_ref().map(|one| one.id.clone())).collect();
        let expected = [Some("id-p0002"), None, Some("id-p0001"), Some("id-p0000")].map(|name| name.map(UserId::new));
        assert_eq!(names, expected);
        if !ignores_filter {
            assert_eq!((fake.count("GetUser"), fake.count("ListUsers")), (2, 3));
        }
        assert!(chime.find(odd).await.is_err(), "a key that cannot be asked for is an error, not an absence");
    }
}

#[tokio::test]
async fn more_people_than_the_list_has_pages_are_found_in_the_list() {
    let fake = crowd(300).await;
    let mut chime = client(&fake);
    chime.list().await.unwrap();
    let people = [sought("p0001", None), sought("x", Some("id-p0002")), sought("nobody", None)];
    let found = chime.find(&people).await.unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!((fake.count("ListUsers"), fake.count("GetUser")), (4, 0));
    let two = chime.find(&people[..2]).await.unwrap();
    assert_eq!((two.iter().flatten().count(), fake.count("ListUsers"), fake.count("GetUser")), (2, 5, 1));
}

#[tokio::test]
async fn emptiness_costs_one_request_and_doubt_is_no_emptiness() {
    let fake = crowd(0).await;
    let mut chime = client(&fake);
    assert!(chime.is_empty().await.unwrap());
    fake.add("anna", "Registered", "Pro");
    assert!(!chime.is_empty().await.unwrap());
    assert_eq!(chime.requests_in_all(), 2);
}

#[tokio::test]
async fn nobody_there_is_unavailable_in_words() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    tokio::time::pause();
    let mut chime = client_at(&endpoint, Duration::from_secs(30));
    match chime.kind().await {
        Err(AccountsError::Unavailable { message }) => {
            assert!(
                message.starts_with(&format!("GetAccount at {endpoint} gave no answer in 5 attempts: ")),
                "{message}"
            );
            assert!(message.contains("refused"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    let outcomes = chime.apply(&[promotion("anna")]).await;
    assert!(matches!(&outcomes[..], [Outcome::Ambiguous(_)]), "a store that is down gives no answers: {outcomes:?}");
}
