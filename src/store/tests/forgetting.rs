//! Accounts that were deleted, taken back, and forgotten piece by piece.

use super::keeper::{Keeper, whole};
use super::*;

/// Deleted on day 1: five users, two released domains, one on its way.
fn deleted(book: &mut Book) -> AccountId {
    let id = account_id("corp");
    with_domain(book, &id, "a.example");
    book.claim_domain(&id, "b.example", TOKEN.to_owned(), day(0)).unwrap();
    book.verify_domain(&id, "b.example").unwrap();
    let account = book.account_mut(&id).unwrap();
    for number in 0..5 {
        let email = email(&format!("p{number}@a.example"));
        account.register(&email, user_id(&format!("u{number}")), day(0)).unwrap();
    }
    account.release("a.example", day(1)).unwrap();
    account.release("b.example", day(1)).unwrap();
    book.claim_domain(&id, "c.example", TOKEN.to_owned(), day(1)).unwrap();
    book.close_account(&id, day(1)).unwrap();
    id
}

#[test]
fn a_kill_between_two_pieces_leaves_a_book_that_can_be_read() {
    for piece in 1..10 {
        let (mut book, mut keeper) = (Book::default(), Keeper::default());
        deleted(&mut book);
        keeper.follow(book.drain());
        assert_eq!(keeper.records(), 1 + 5 + 3);
        assert!(!book.forget_closed(day(90), piece), "kept for ninety days");
        let mut pieces = 0;
        while book.forget_closed(day(91), piece) {
            let changed = book.drain();
            assert!(changed.len() <= piece + 1, "{changed:?}");
            keeper.follow(changed);
            assert_eq!(whole(&keeper.restored()), whole(&book));
            pieces += 1;
        }
        assert_eq!(pieces, 8_usize.div_ceil(piece));
        assert_eq!(keeper.records(), 0, "in pieces of {piece}");
    }
}

#[test]
fn no_piece_at_all_is_one_thing_at_a_time() {
    let mut book = Book::default();
    deleted(&mut book);
    assert_eq!((0..20).take_while(|_| book.forget_closed(day(91), 0)).count(), 8);
}

#[test]
fn forgotten_and_made_anew_in_one_write_is_undone_as_one() {
    let (mut book, mut keeper) = (Book::default(), Keeper::default());
    let id = deleted(&mut book);
    keeper.follow(book.drain());
    let before = whole(&book);
    while book.forget_closed(day(91), 3) {}
    with_domain(&mut book, &id, "a.example").register(&email("p0@a.example"), user_id("u0"), day(91)).unwrap();
    book.claim_domain(&id, "b.example", TOKEN.to_owned(), day(91)).unwrap();
    let changed = book.drain();
    let mut undone = book.clone();
    undone.put_back(changed.clone());
    assert_eq!(whole(&undone), before);
    keeper.follow(changed);
    assert_eq!(whole(&keeper.restored()), whole(&book));
    assert_eq!(book.account(&id).unwrap().users().len(), 1);
}

#[test]
fn a_deletion_is_taken_back_until_it_may_have_begun_to_be_forgotten() {
    let mut book = Book::default();
    let id = deleted(&mut book);
    let before = whole(&book);
    assert!(book.account_mut(&id).is_err(), "takes no commands");
    assert_eq!(
        book.open_account(&id, "x", crate::model::StoreKind::Team, day(2)).unwrap_err().code,
        RefusalCode::Conflict
    );
    book.reopen_account(&id, day(90)).unwrap();
    assert_eq!(book.open_to(&id).unwrap().users().len(), 5);
    book.close_account(&id, day(1)).unwrap();
    assert_eq!(whole(&book), before);
    assert!(book.forget_closed(day(91), 2));
    assert_eq!(book.reopen_account(&id, day(91)).unwrap_err().code, RefusalCode::NotFound);
}

#[test]
fn nothing_of_a_deleted_account_counts() {
    let mut book = Book::default();
    let id = account_id("corp");
    book.create_account(&id, "Corp", day(0)).unwrap();
    let account = book.account_mut(&id).unwrap();
    account.invite(&email("p@else.example"), None, user_id("p"), day(0)).unwrap();
    account.accept(&user_id("p"), day(0)).unwrap();
    assert_eq!(book.close_account(&id, day(1)).unwrap_err().code, RefusalCode::Unprocessable, "a team with users");
    book.claim_domain(&id, "a.example", TOKEN.to_owned(), day(0)).unwrap();
    book.verify_domain(&id, "a.example").unwrap();
    assert_eq!(book.close_account(&id, day(1)).unwrap_err().code, RefusalCode::Unprocessable, "it has a domain");
    book.account_mut(&id).unwrap().release("a.example", day(1)).unwrap();
    assert!(matches!(book.sign_in(&email("p@else.example")), SignIn::Allowed { .. }), "of another domain");
    assert_eq!(book.account(&id).unwrap().census().billable, 1);
    book.close_account(&id, day(1)).unwrap();
    assert_eq!(book.sign_in(&email("p@else.example")), SignIn::Denied(Denial::DomainNotClaimed));
    assert_eq!(book.account(&id).unwrap().census().billable, 0);
    // Its domain can be somebody else's while it is kept.
    let other = account_id("other");
    with_domain(&mut book, &other, "a.example");
    book.reopen_account(&id, day(2)).unwrap();
    assert_eq!(book.by_domain("a.example").unwrap().profile().id, other);
    let refusal = book.claim_domain(&id, "a.example", TOKEN.to_owned(), day(2)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::Conflict);
}
