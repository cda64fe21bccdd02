//! What a domain makes of an account and of its users, case by case.

use super::*;
use crate::model::Seat;

const DOMAIN: &str = "a.example";

/// An enterprise account with a domain: one active, one suspended, one without a licence, one invited while it was a team,
/// and one of them each of another domain.
fn grown(book: &mut Book) -> AccountId {
    let id = account_id("corp");
    let account = book.create_account(&id, "Corp", day(0)).unwrap();
    for domain in [DOMAIN, "else.example"] {
        for name in ["active", "suspended", "invited"] {
            let user = user_id(&format!("{name}@{domain}"));
            account.invite(&email(&user.text()), None, user.clone(), day(1)).unwrap();
            if name != "invited" {
                account.accept(&user, day(2)).unwrap();
            }
        }
    }
    book.claim_domain(&id, DOMAIN, TOKEN.to_owned(), day(3)).unwrap();
    book.verify_domain(&id, DOMAIN).unwrap();
    let account = book.account_mut(&id).unwrap();
    for domain in [DOMAIN, "else.example"] {
        account.suspend(&user_id(&format!("suspended@{domain}"))).unwrap();
    }
    id
}

fn standing(book: &Book) -> Vec<String> {
    let shown = |user: &User| match book.sign_in(&user.email) {
        SignIn::Allowed { licence, .. } => format!("{}: {licence}", user.id),
        SignIn::Denied(denial) => format!("{}: {}", user.id, denial.word()),
    };
    book.accounts().flat_map(Account::users).map(shown).collect()
}

#[test]
fn the_first_domain_makes_an_enterprise_account_and_takes_nothing() {
    let mut book = Book::default();
    let id = account_id("corp");
    let account = book.create_account(&id, "Corp", day(0)).unwrap();
    assert_eq!(account.connect_directory().unwrap_err().code, RefusalCode::PreconditionFailed);
    assert_eq!(account.profile().kind, AccountKind::Team);
    account.invite(&email("in@else.example"), None, user_id("in"), day(0)).unwrap();
    account.accept(&user_id("in"), day(0)).unwrap();
    account.invite(&email("asked@else.example"), None, user_id("asked"), day(0)).unwrap();
    let users: Vec<User> = account.users().cloned().collect();
    let claim = book.claim_domain(&id, " A.Example ", TOKEN.to_owned(), day(1)).unwrap();
    assert_eq!((claim.domain.as_str(), claim.token.as_deref()), (DOMAIN, Some(TOKEN)));
    let again = book.claim_domain(&id, DOMAIN, "another".to_owned(), day(2)).unwrap();
    assert_eq!(again, claim, "the token stays");
    assert_eq!(book.account(&id).unwrap().profile().kind, AccountKind::Team, "not before it is verified");
    let account = book.verify_domain(&id, "A.EXAMPLE").unwrap();
    assert_eq!(account.profile().kind, AccountKind::EnterpriseLwa);
    assert!(account.users().eq(&users));
    let account = book.account_mut(&id).unwrap();
    account.accept(&user_id("asked"), day(3)).unwrap();
    assert_eq!(account.census().billable, 2);
    account.connect_directory().unwrap();
    assert_eq!(account.profile().kind, AccountKind::EnterpriseDirectory);
    assert!(account.become_enterprise(AccountKind::Team).is_err());
}

#[test]
fn a_released_domain_puts_its_people_out_and_they_come_back_as_they_were() {
    let mut book = Book::default();
    let id = grown(&mut book);
    let before = standing(&book);
    assert_eq!(
        before,
        [
            "active@a.example: Plus",
            "active@else.example: Plus",
            "invited@a.example: invited",
            "invited@else.example: invited",
            "suspended@a.example: suspended",
            "suspended@else.example: suspended",
        ]
    );
    // The clock was set back in the meantime: that brings nobody in.
    book.account_mut(&id).unwrap().release("A.example", day(1)).unwrap();
    assert_eq!(
        standing(&book),
        [
            "active@a.example: released",
            "active@else.example: Plus",
            "invited@a.example: invited",
            "invited@else.example: invited",
            "suspended@a.example: suspended",
            "suspended@else.example: suspended",
        ]
    );
    let account = book.account_mut(&id).unwrap();
    assert_eq!(account.census().billable, 1);
    let refused = [
        account.activate(&user_id("active@a.example")).map(drop),
        account.activate(&user_id("suspended@a.example")).map(drop),
        account.accept(&user_id("invited@a.example"), day(5)).map(drop),
        account.create_device("Hall", &email("hall@a.example"), user_id("hall"), day(5)).map(drop),
    ];
    assert!(refused.iter().all(|each| each.as_ref().is_err_and(|it| it.code == RefusalCode::PreconditionFailed)));
    let refusal = account.register(&email("new@a.example"), user_id("new"), day(5)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::Forbidden, "only people of a claimed domain, also while there is none");
    account.activate(&user_id("suspended@else.example")).unwrap();
    account.suspend(&user_id("suspended@else.example")).unwrap();
    // A claim that is given up changes nothing for them.
    book.claim_domain(&id, DOMAIN, TOKEN.to_owned(), day(6)).unwrap();
    book.account_mut(&id).unwrap().unclaim(DOMAIN).unwrap();
    assert_eq!(standing(&book)[0], "active@a.example: released");
    book.claim_domain(&id, DOMAIN, TOKEN.to_owned(), day(7)).unwrap();
    assert_eq!(standing(&book)[0], "active@a.example: released");
    book.verify_domain(&id, DOMAIN).unwrap();
    assert_eq!(standing(&book), before);
}

#[test]
fn who_is_asked_and_signs_up_with_the_domain_accepts_with_it() {
    let mut book = Book::default();
    let id = grown(&mut book);
    let account = book.account_mut(&id).unwrap();
    let user = account.register(&email("INVITED@a.example"), user_id("unused"), day(5)).unwrap();
    assert_eq!((&*user.id.text(), user.invitation), ("invited@a.example", Invitation::Accepted));
    assert_eq!((user.registration, user.registered_at), (Registration::Registered, Some(day(5))));
    assert!(account.register(&email("invited@else.example"), user_id("unused"), day(5)).is_err(), "outside");
    account.accept(&user_id("invited@else.example"), day(5)).unwrap();
    assert_eq!(account.census().invited, 0);
}

#[test]
fn an_address_that_leaves_a_released_domain_leaves_its_fate() {
    let mut book = Book::default();
    let id = grown(&mut book);
    book.claim_domain(&id, "b.example", TOKEN.to_owned(), day(4)).unwrap();
    book.verify_domain(&id, "b.example").unwrap();
    let account = book.account_mut(&id).unwrap();
    account.release(DOMAIN, day(5)).unwrap();
    let mut rename = |user: &str, to: &str| account.rename(&[(user_id(user), email(to))]).remove(0);
    rename("active@a.example", "moved@b.example").unwrap();
    assert_eq!(rename("active@else.example", "moved@a.example").unwrap_err().code, RefusalCode::Forbidden);
    let standing = standing(&book);
    assert_eq!(standing[..2], ["active@a.example: Plus", "active@else.example: Plus"]);
}

/// Else who was put out with the domain would be in again from an address that is nobody's.
#[test]
fn nobody_of_a_released_domain_goes_round_it() {
    let mut book = Book::default();
    let id = grown(&mut book);
    let people = ["active@a.example", "suspended@a.example", "invited@a.example"];
    let account = book.account_mut(&id).unwrap();
    account.release(DOMAIN, day(5)).unwrap();
    let users: Vec<User> = account.users().cloned().collect();
    for user in people {
        for aside in ["x@a.invalid", "x@A.INVALID"] {
            let refusal = account.rename(&[(user_id(user), email(aside))]).remove(0).unwrap_err();
            assert_eq!(refusal.code, RefusalCode::PreconditionFailed, "{user} to {aside}");
            assert!(refusal.message.contains("was released"), "{refusal}");
        }
    }
    assert!(account.users().eq(&users), "refused, and changed");
    // Who is of another domain may be put aside, and so may they all once the domain is back.
    let aside = |account: &mut Account, user: &str| {
        account.rename(&[(user_id(user), email(&format!("{}@parked.invalid", user.replace('@', "-"))))]).remove(0)
    };
    aside(account, "active@else.example").unwrap();
    book.claim_domain(&id, DOMAIN, TOKEN.to_owned(), day(6)).unwrap();
    book.verify_domain(&id, DOMAIN).unwrap();
    let account = book.account_mut(&id).unwrap();
    people.iter().for_each(|user| aside(account, user).unwrap());
}

/// Else a claimed domain would keep out only who does not come by a detour.
#[test]
fn an_address_moves_only_to_where_somebody_may_come() {
    let mut book = Book::default();
    let id = grown(&mut book);
    let account = book.account_mut(&id).unwrap();
    account.create_device("Hall", &email("hall@a.example"), user_id("hall"), day(4)).unwrap();
    for kind in [AccountKind::EnterpriseLwa, AccountKind::EnterpriseOidc, AccountKind::EnterpriseDirectory] {
        account.become_enterprise(kind).unwrap();
        let users: Vec<User> = account.users().cloned().collect();
        for user in ["active@a.example", "suspended@a.example", "invited@a.example", "active@else.example"] {
            for outside in ["x@evil.example", "x@sub.a.example", "x@else.example"] {
                let refusal = account.rename(&[(user_id(user), email(outside))]).remove(0).unwrap_err();
                assert_eq!(refusal.code, RefusalCode::Forbidden, "{kind}: {user} to {outside}");
                assert!(refusal.message.contains("outside the claimed domains: a.example"), "{refusal}");
            }
        }
        assert!(account.users().eq(&users), "refused, and changed");
        // Of several each by itself; who is refused keeps an address that another had counted on.
        let wishes = [("active@a.example", "x@evil.example"), ("suspended@a.example", "active@a.example")];
        let wishes = wishes.map(|(user, to)| (user_id(user), email(to)));
        let codes: Vec<RefusalCode> =
            account.rename(&wishes).into_iter().filter_map(Result::err).map(|it| it.code).collect();
        assert_eq!(codes, [RefusalCode::Forbidden, RefusalCode::Conflict]);
        assert!(account.users().eq(&users), "refused, and changed");
    }
    // As for who comes: within, in other letters, from outside to within, and a device anywhere that was not released.
    for (user, to) in [
        ("active@a.example", "married@A.example"),
        ("suspended@else.example", "SUSPENDED@else.example"),
        ("active@else.example", "in@a.example"),
        ("hall", "hall@rooms.example"),
        ("active@a.example", "aside@parked.invalid"),
        ("active@a.example", "married@a.example"),
    ] {
        assert_eq!(account.rename(&[(user_id(user), email(to))]), [Ok(())], "{user} to {to}");
    }
    // A team invites anybody.
    let team = account_id("team");
    let account = book.create_account(&team, "Team", day(0)).unwrap();
    account.invite(&email("p@a.example"), None, user_id("p"), day(0)).unwrap();
    assert_eq!(account.rename(&[(user_id("p"), email("p@evil.example"))]), [Ok(())]);
}

#[test]
fn the_first_that_verifies_a_domain_has_it() {
    let mut book = Book::default();
    let (fast, slow) = (account_id("fast"), account_id("slow"));
    for id in [&fast, &slow] {
        book.create_account(id, "x", day(0)).unwrap();
        book.claim_domain(id, DOMAIN, TOKEN.to_owned(), day(0)).unwrap();
    }
    book.verify_domain(&fast, DOMAIN).unwrap();
    assert_eq!(book.by_domain(DOMAIN).unwrap().profile().id, fast);
    let refusal = book.verify_domain(&slow, DOMAIN).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::Conflict);
    assert!(!refusal.message.contains("fast"), "whose it is, is not told: {refusal}");
    assert_eq!(book.account(&slow).unwrap().profile().kind, AccountKind::Team);
    assert_eq!(book.verify_domain(&fast, DOMAIN).unwrap_err().code, RefusalCode::NotFound, "nothing waits");
    book.account_mut(&fast).unwrap().release(DOMAIN, day(1)).unwrap();
    assert_eq!(book.account_mut(&fast).unwrap().release(DOMAIN, day(1)).unwrap_err().code, RefusalCode::NotFound);
    book.verify_domain(&slow, DOMAIN).unwrap();
    assert_eq!(book.claim_domain(&fast, "A.EXAMPLE", String::new(), day(2)).unwrap_err().code, RefusalCode::Conflict);
}

#[test]
fn an_account_has_so_many_domains_and_no_more() {
    let mut book = Book::default();
    let id = account_id("corp");
    book.create_account(&id, "x", day(0)).unwrap();
    let mut claim = |number: usize| {
        book.claim_domain(&id, &format!("d{number}.example"), TOKEN.to_owned(), day(0)).map(drop)?;
        book.verify_domain(&id, &format!("d{number}.example")).map(drop)
    };
    (0..profile::DOMAINS_MAX).for_each(|number| claim(number).unwrap());
    let refusal = claim(profile::DOMAINS_MAX).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::ResourceLimitExceeded);
    for malformed in ["", "a", "a b.example", "a@b.example", "a..example", &format!("{}.example", "x".repeat(300))] {
        let refusal = book.claim_domain(&account_id("corp"), malformed, TOKEN.to_owned(), day(0)).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::BadRequest, "{malformed}");
    }
}

#[test]
fn domains_set_at_once_are_on_their_way_no_more() {
    let mut book = Book::default();
    let id = account_id("corp");
    with_domain(&mut book, &id, DOMAIN).release(DOMAIN, day(1)).unwrap();
    book.claim_domain(&id, "b.example", TOKEN.to_owned(), day(1)).unwrap();
    let account = book.account_mut(&id).unwrap();
    account.claim_domains(&[DOMAIN.to_owned(), "b.example".to_owned()]).unwrap();
    assert!(account.profile().claims.is_empty());
    assert_eq!(book.verify_domain(&id, "b.example").unwrap_err().code, RefusalCode::NotFound);
    assert_eq!(book.account(&id).unwrap().profile().domains, [DOMAIN, "b.example"]);
}

/// What a team has asked for is the directory's matter once one is connected: a link brings nobody in any more, and who
/// comes by the directory is not hindered by it.
#[test]
fn an_invitation_means_nothing_once_a_directory_is_connected() {
    let mut book = Book::default();
    let id = grown(&mut book);
    let account = book.account_mut(&id).unwrap();
    let (inside, outside) = (user_id("invited@a.example"), user_id("invited@else.example"));
    account.connect_directory().unwrap();
    for id in [&inside, &outside] {
        assert_eq!(account.accept(id, day(5)).unwrap_err().code, RefusalCode::Forbidden);
        let user = account.user(id).unwrap().clone();
        assert_eq!(account.observed(&user).seat, Seat::Vacant);
    }
    let licence = account.profile().default_licence.clone().unwrap();
    let user = account.create(&email("invited@a.example"), &licence, None, user_id("unused"), day(5)).unwrap().clone();
    assert_eq!((&user.id, user.seat()), (&inside, Seat::Active(licence)));
}
