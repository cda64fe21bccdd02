//! Users by the page, while some come and go.

use super::*;

#[test]
fn who_stays_is_seen_once_while_others_come_and_go() {
    let mut book = Book::default();
    let account = book.create_account(&account_id("corp"), "Corp", day(0)).unwrap();
    let invite = |account: &mut Account, name: &str| {
        account.invite(&email(&format!("{name}@a.example")), None, user_id(name), day(0)).map(drop).unwrap();
    };
    (10..30).for_each(|number| invite(account, &format!("u{number}")));
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page: Vec<UserId> = account.users_after(after.as_ref()).take(3).map(|user| user.id.clone()).collect();
        let Some(last) = page.last().cloned() else { break };
        assert!(seen.len() < 100, "it ends");
        seen.extend(page);
        // One comes before the place, one behind it, and the one at the place goes.
        invite(account, &format!("a-{last}"));
        if seen.len() < 20 {
            invite(account, &format!("{last}-behind"));
        }
        account.withdraw(&last).unwrap();
        after = Some(last);
    }
    assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}");
    assert!((10..30).all(|number| seen.contains(&user_id(&format!("u{number}")))), "{seen:?}");
    assert!(seen.contains(&user_id("u12-behind")));
    assert_eq!(account.users_after(Some(&user_id("zzz"))).count(), 0);
}
