//! What a batch of intents means for the account: pure, so that its laws can be tried on random worlds.
//!
//! Whose account an intent means: the one with its key, else the one given to its directory identity, else the one with its
//! address if that belongs to nobody yet. A loss goes by the key it has and no further, and never by address.

use super::Sought;
use crate::model::{Action, Email, Intent, Outcome, Seat, Timestamp, UserId};
use crate::store::{Account, AccountKind, Refusal, Registration, User};
use std::collections::HashMap;

/// By key, else by identity, else by address; an address that belongs to another identity is another's account.
pub(super) fn found<'a>(account: &'a Account, sought: &Sought) -> Option<&'a User> {
    let Sought { guid, account: key, email } = sought;
    let known = key.as_ref().and_then(|key| account.user(key)).or_else(|| account.by_external(guid));
    known.or_else(|| account.by_email(email).filter(|user| user.external.is_none()))
}

/// Brings every intent to its target. Addresses move first and all together, since one person may take over the address
/// that another leaves in the same batch.
pub(super) fn bring(
    account: &mut Account,
    intents: &[Intent],
    at: Timestamp,
    new_id: impl Fn() -> UserId,
) -> Vec<Outcome> {
    let unmoved = readdress(account, intents);
    let outcomes = intents.iter().map(|intent| {
        let key = match seat(account, intent, at, &new_id) {
            Ok(Some(key)) => key,
            Ok(None) => return Outcome::Done(None),
            Err(words) => return Outcome::Rejected(words),
        };
        let Some(user) = account.user(&key) else { return Outcome::Done(None) };
        match unmoved.get(&key) {
            // With any other action the seat is what counts; the next pass sees the old address and renames again.
            Some(refusal) if intent.action == Action::Rename => {
                Outcome::Rejected(unmovable(account, user, intent, refusal))
            }
            Some(_) | None => Outcome::Done(Some(account.observed(user))),
        }
    });
    outcomes.collect()
}

/// Gives the known accounts the addresses they shall have; the answer is who could not have it, and why.
fn readdress(account: &mut Account, intents: &[Intent]) -> HashMap<UserId, Refusal> {
    let mut wishes: Vec<(UserId, Email)> = Vec::new();
    for intent in intents {
        let moves = known(account, intent).filter(|user| user.email != intent.email);
        // A person has one intent in a batch; if one stands twice, the first is as good as the second.
        if let Some(user) = moves.filter(|user| wishes.iter().all(|(key, _)| *key != user.id)) {
            wishes.push((user.id.clone(), intent.email.clone()));
        }
    }
    let answers = account.rename(&wishes);
    let refused = wishes.into_iter().zip(answers).filter_map(|((key, _), answer)| Some((key, answer.err()?)));
    refused.collect()
}

/// Why an address could not be had, and what somebody is to do: it is refused in every pass until then.
fn unmovable(account: &Account, user: &User, intent: &Intent, refusal: &Refusal) -> String {
    let Some(holder) = account.by_email(&intent.email).filter(|holder| holder.id != user.id) else {
        return refusal.message.clone();
    };
    let (whose, remedy) = match holder.external {
        None => (
            "which belongs to nobody in the directory".to_owned(),
            "delete that account, or give it another address, in the account store".to_owned(),
        ),
        Some(owner) => (
            format!("which belongs to the directory identity {owner}"),
            format!(
                "correct the address of {owner} or of {} in the directory; if {owner} is there no more, delete that \
                 account, or give it another address, in the account store",
                intent.guid
            ),
        ),
    };
    format!(
        "{} is already the address of user {}, {whose}; {remedy}. The seat stays on {} meanwhile",
        intent.email, holder.id, user.email
    )
}

/// The account that an intent means, by its key or the directory identity.
///
/// A loss means the account with its key and no other: were it to go on to another one that has the identity, a removal
/// done twice would take two accounts.
fn known<'a>(account: &'a Account, intent: &Intent) -> Option<&'a User> {
    let by_identity = || account.by_external(&intent.guid);
    match &intent.account {
        Some(key) if is_loss(intent) => account.user(key),
        Some(key) => account.user(key).or_else(by_identity),
        None => by_identity(),
    }
}

/// Whether the intent ends the right to sign in.
fn is_loss(intent: &Intent) -> bool {
    intent.action != Action::Rename && matches!(intent.to, Seat::Vacant | Seat::Suspended(_))
}

/// Brings one seat to its target; the account it is on afterwards, or the words of the refusal.
fn seat(
    account: &mut Account,
    intent: &Intent,
    at: Timestamp,
    new_id: &impl Fn() -> UserId,
) -> Result<Option<UserId>, String> {
    let gain = intent.action != Action::Rename && matches!(intent.to, Seat::Active(_) | Seat::Invited);
    let user = match known(account, intent) {
        Some(user) => Some(user.clone()),
        None if gain => unowned(account, intent)?,
        None => None,
    };
    let result = match (user, gain) {
        (None, false) => return Ok(None),
        (None, true) => join(account, intent, at, new_id()),
        // Following an address leaves the seat as it is.
        (Some(user), _) if intent.action == Action::Rename => Ok(Some(user.id)),
        (Some(user), _) => reach(account, &user, intent, at, new_id()),
    };
    let key = result.map_err(|refusal| refusal.message)?;
    if let Some(key) = &key
        && account.user(key).is_some_and(|user| user.external != Some(intent.guid))
        && let Err(refusal) = account.link(key, intent.guid)
    {
        // The seat is right all the same. Another account keeps the identity: the audit tells of two for one person.
        tracing::debug!(user = %key, guid = %intent.guid, "identity not noted: {refusal}");
    }
    Ok(key)
}

/// The account with the intent's address, to be taken over; it must not be somebody else's.
fn unowned(account: &Account, intent: &Intent) -> Result<Option<User>, String> {
    match account.by_email(&intent.email) {
        None => Ok(None),
        Some(user) => match user.external {
            None => Ok(Some(user.clone())),
            Some(owner) => Err(format!(
                "{} is the address of user {}, who belongs to the directory identity {owner} and not to {}; nothing was \
                 changed. Correct the address of one of the two in the directory",
                intent.email, user.id, intent.guid
            )),
        },
    }
}

/// Seats somebody who has no account, in the way of the account's kind.
fn join(account: &mut Account, intent: &Intent, at: Timestamp, id: UserId) -> Result<Option<UserId>, Refusal> {
    let (email, guid) = (&intent.email, Some(intent.guid));
    let user = match (account.profile().kind, &intent.to) {
        (AccountKind::Team, _) | (_, Seat::Invited) => account.invite(email, guid, id, at)?,
        (AccountKind::EnterpriseDirectory, Seat::Active(tier)) => account.create(email, tier, guid, id, at)?,
        // Nobody can do it for them: the answer "no account" lets the next pass wait.
        (AccountKind::EnterpriseLwa | AccountKind::EnterpriseOidc, Seat::Active(_)) => return Ok(None),
        (_, Seat::Vacant | Seat::Suspended(_)) => return Ok(None),
    };
    Ok(Some(user.id.clone()))
}

/// Brings an existing account to a seat; `None` when the account is gone afterwards. Licences are assigned before anything
/// else, since only that can be refused half-way.
fn reach(
    account: &mut Account,
    user: &User,
    intent: &Intent,
    at: Timestamp,
    new_id: UserId,
) -> Result<Option<UserId>, Refusal> {
    let id = &user.id;
    match (&intent.to, account.observed(user).seat) {
        // Whoever is asked stays asked, and nobody is asked twice; whoever is there needs no invitation.
        (Seat::Active(_) | Seat::Invited, Seat::Invited) | (Seat::Invited, Seat::Active(_)) => {}
        (Seat::Active(tier), Seat::Active(_)) => {
            account.assign(id, tier)?;
        }
        (Seat::Active(tier), Seat::Suspended(_) | Seat::Vacant) => {
            account.assign(id, tier)?;
            if user.registration == Registration::Suspended {
                account.activate(id)?;
            }
        }
        (Seat::Invited, Seat::Vacant | Seat::Suspended(_)) => {
            account.invite(&user.email, Some(intent.guid), new_id, at)?;
        }
        // The licence stays what it is: a suspension takes the right to sign in and nothing else.
        (Seat::Suspended(_), Seat::Active(_) | Seat::Suspended(_) | Seat::Vacant | Seat::Invited) => {
            account.suspend(id)?;
        }
        (Seat::Vacant, Seat::Invited) => {
            account.withdraw(id)?;
            return Ok(None);
        }
        (Seat::Vacant, Seat::Active(_) | Seat::Suspended(_)) => {
            account.remove(id)?;
            return Ok(None);
        }
        (Seat::Vacant, Seat::Vacant) => {}
    }
    Ok(Some(id.clone()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::model::{ObjectGuid, PassId, StoreKind, Tier};
    use crate::store::{AccountId, Book};
    use proptest::prelude::*;
    use std::cell::Cell;

    const KINDS: [StoreKind; 3] = [StoreKind::Team, StoreKind::EnterpriseLwa, StoreKind::EnterpriseDirectory];

    fn tier(name: &str) -> Tier {
        Tier::new(name)
    }

    fn email(name: &str) -> Email {
        Email::parse(&format!("{name}@corp.example")).unwrap()
    }

    fn guid(number: u8) -> ObjectGuid {
        ObjectGuid::from_u128(u128::from(number))
    }

    fn intent(action: Action, number: u8, account: Option<&str>, address: &str, to: Seat) -> Intent {
        Intent {
            pass: PassId::new(Timestamp::UNIX_EPOCH, 0),
            at: Timestamp::UNIX_EPOCH,
            action,
            guid: guid(number),
            account: account.map(UserId::new),
            email: email(address),
            from: Seat::Vacant,
            to,
            because: "tested".to_owned(),
            details: None,
        }
    }

    fn active(name: &str) -> Seat {
        Seat::Active(tier(name))
    }

    /// An account with that kind and these people in it: name (also the key), owner.
    fn book(kind: StoreKind, people: &[(&str, Option<u8>)]) -> Book {
        let mut book = Book::default();
        let id = AccountId::parse("corp").unwrap();
        let at = Timestamp::UNIX_EPOCH;
        let account = book.open_account(&id, "corp", kind, at).unwrap();
        for name in ["pro", "plus"] {
            account.support(&tier(name)).unwrap();
            account.set_default_licence(&tier(name)).unwrap();
        }
        for (name, owner) in people {
            let key = UserId::new(name);
            match kind {
                StoreKind::Team => {
                    account.invite(&email(name), None, key.clone(), at).unwrap();
                    account.accept(&key, at).unwrap();
                }
                StoreKind::EnterpriseLwa => {
                    account.register(&email(name), key.clone(), at).unwrap();
                }
                StoreKind::EnterpriseDirectory => {
                    account.create(&email(name), &tier("plus"), None, key.clone(), at).unwrap();
                }
            }
            if let Some(owner) = owner {
                account.link(&key, guid(*owner)).unwrap();
            }
        }
        book
    }

    fn account(book: &mut Book) -> &mut Account {
        book.account_mut(&AccountId::parse("corp").unwrap()).unwrap()
    }

    fn done(book: &mut Book, intents: &[Intent]) -> Vec<Outcome> {
        let next = Cell::new(0);
        let count = account(book).users().len();
        let new_id = || {
            next.set(next.get() + 1);
            UserId::new(&format!("new-{count}-{}", next.get()))
        };
        bring(account(book), intents, Timestamp::UNIX_EPOCH, new_id)
    }

    /// Everybody in one line: `address tier owner`.
    fn shown(book: &mut Book) -> String {
        let users = account(book).users().map(|user| {
            let owner = user.external.map_or("nobody's".to_owned(), |guid| format!("of {}", guid.as_bytes()[15]));
            format!("{} {} {owner}", user.email.as_str().replace("@corp.example", ""), user.seat())
        });
        users.collect::<Vec<_>>().join(", ")
    }

    fn words(outcome: &Outcome) -> &str {
        match outcome {
            Outcome::Rejected(words) => words,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_account_of_nobody_is_taken_over_and_anothers_is_not() {
        let mut book = book(StoreKind::EnterpriseDirectory, &[("anna", None), ("ben", Some(2))]);
        let outcomes = done(
            &mut book,
            &[
                intent(Action::Create, 1, None, "anna", active("pro")),
                intent(Action::Create, 3, None, "ben", active("pro")),
                intent(Action::Create, 4, None, "carla", active("pro")),
            ],
        );
        assert!(words(&outcomes[1]).contains("belongs to the directory identity"), "{outcomes:?}");
        assert_eq!(shown(&mut book), "anna pro of 1, ben plus of 2, carla pro of 4");
    }

    #[test]
    fn a_loss_never_reaches_an_account_by_address_alone() {
        for kind in KINDS {
            let mut book = book(kind, &[("anna", None)]);
            let (action, to) = match kind {
                StoreKind::Team => (Action::Remove, Seat::Vacant),
                StoreKind::EnterpriseLwa | StoreKind::EnterpriseDirectory => {
                    (Action::Suspend, Seat::Suspended(tier("plus")))
                }
            };
            assert_eq!(done(&mut book, &[intent(action, 1, Some("lost"), "anna", to)]), [Outcome::Done(None)]);
            assert_eq!(shown(&mut book), "anna plus nobody's", "{kind}");
        }
    }

    #[test]
    fn a_removal_done_twice_takes_one_account() {
        let mut book = book(StoreKind::Team, &[("anna", None), ("ann", Some(1))]);
        for _ in 0..2 {
            let removal = intent(Action::Remove, 1, Some("anna"), "anna", Seat::Vacant);
            assert_eq!(done(&mut book, &[removal]), [Outcome::Done(None)]);
            assert_eq!(shown(&mut book), "ann plus of 1");
        }
    }

    #[test]
    fn an_inherited_account_is_the_one_with_the_key() {
        let mut book = book(StoreKind::EnterpriseDirectory, &[("anna", Some(1))]);
        done(&mut book, &[intent(Action::Suspend, 2, Some("anna"), "anna", Seat::Suspended(tier("plus")))]);
        assert_eq!(shown(&mut book), "anna suspended of 2");
    }

    #[test]
    fn addresses_move_before_new_people_come() {
        let mut book = book(StoreKind::EnterpriseDirectory, &[("anna", Some(1)), ("ben", Some(2)), ("carl", Some(3))]);
        let outcomes = done(
            &mut book,
            &[
                intent(Action::Create, 4, None, "anna", active("pro")),
                intent(Action::Rename, 1, Some("anna"), "mrs-anna", active("plus")),
                intent(Action::Rename, 2, Some("ben"), "carl", active("plus")),
                intent(Action::Move, 3, Some("carl"), "ben", active("pro")),
            ],
        );
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done(Some(_)))), "{outcomes:?}");
        assert_eq!(shown(&mut book), "mrs-anna plus of 1, carl plus of 2, ben pro of 3, anna pro of 4");
    }

    #[test]
    fn an_address_that_is_taken_holds_up_a_rename_but_no_seat() {
        let mut book = book(StoreKind::EnterpriseDirectory, &[("anna", Some(1)), ("ben", Some(2)), ("carl", None)]);
        let outcomes = done(
            &mut book,
            &[
                intent(Action::Rename, 1, Some("anna"), "carl", active("plus")),
                intent(Action::Suspend, 2, Some("ben"), "carl", Seat::Suspended(tier("plus"))),
            ],
        );
        assert_eq!(
            words(&outcomes[0]),
            "carl@corp.example is already the address of user carl, which belongs to nobody in the directory; delete that \
             account, or give it another address, in the account store. The seat stays on anna@corp.example meanwhile"
        );
        assert!(matches!(&outcomes[1], Outcome::Done(Some(one)) if one.email == email("ben")), "{outcomes:?}");
        assert_eq!(shown(&mut book), "anna plus of 1, ben suspended of 2, carl plus nobody's");
    }

    #[test]
    fn a_rename_to_anothers_address_says_who_has_it_and_what_to_do() {
        let mut book = book(StoreKind::EnterpriseDirectory, &[("anna", Some(1)), ("ben", Some(2))]);
        let wish = || intent(Action::Rename, 1, Some("anna"), "ben", active("plus"));
        let refused = done(&mut book, &[wish()]).remove(0);
        let (anna, ben) = (guid(1), guid(2));
        assert_eq!(
            words(&refused),
            format!(
                "ben@corp.example is already the address of user ben, which belongs to the directory identity {ben}; \
                 correct the address of {ben} or of {anna} in the directory; if {ben} is there no more, delete that \
                 account, or give it another address, in the account store. The seat stays on anna@corp.example meanwhile"
            )
        );
        assert_eq!(shown(&mut book), "anna plus of 1, ben plus of 2");
        // Done as it says: the next pass gets through.
        assert_eq!(account(&mut book).rename(&[(UserId::new("ben"), email("benjamin"))]), [Ok(())]);
        assert!(matches!(done(&mut book, &[wish()])[..], [Outcome::Done(Some(_))]));
        assert_eq!(shown(&mut book), "ben plus of 1, benjamin plus of 2");
    }

    #[test]
    fn a_resumption_to_an_unknown_licence_leaves_the_person_suspended() {
        let mut book = book(StoreKind::EnterpriseDirectory, &[("anna", Some(1))]);
        account(&mut book).suspend(&UserId::new("anna")).unwrap();
        let outcome = done(&mut book, &[intent(Action::Resume, 1, Some("anna"), "anna", active("gone"))]).remove(0);
        assert_eq!(words(&outcome), "licence gone is not one of the account's: pro, plus");
        assert_eq!(shown(&mut book), "anna suspended of 1");
    }

    #[test]
    fn a_rename_leaves_the_seat_as_it_is() {
        let mut book = book(StoreKind::Team, &[("anna", Some(1))]);
        done(&mut book, &[intent(Action::Rename, 1, Some("anna"), "mrs-anna", Seat::Vacant)]);
        assert_eq!(shown(&mut book), "mrs-anna plus of 1");
    }

    #[test]
    fn a_lookup_by_address_does_not_give_anothers_account() {
        let mut book = book(StoreKind::EnterpriseDirectory, &[("anna", Some(1)), ("ben", None)]);
        let mut find = |number, key: Option<&str>, address: &str| {
            let sought = Sought { guid: guid(number), account: key.map(UserId::new), email: email(address) };
            found(account(&mut book), &sought).map(|user| user.id.to_string())
        };
        assert_eq!(find(2, None, "anna"), None, "anna's account is of somebody else");
        assert_eq!(find(2, Some("anna"), "x").as_deref(), Some("anna"), "the key decides");
        assert_eq!(find(1, Some("lost"), "ben").as_deref(), Some("anna"), "then the identity");
        assert_eq!(find(9, None, "BEN").as_deref(), Some("ben"), "then the address, if nobody has it");
    }

    fn any_intent() -> impl Strategy<Value = Intent> {
        let names = || prop::sample::select(&["a", "b", "c", "d", "e", "f"][..]);
        let actions = [Action::Create, Action::Move, Action::Suspend, Action::Remove, Action::Rename];
        let seats =
            [Seat::Vacant, Seat::Invited, active("pro"), active("plus"), active("gone"), Seat::Suspended(tier("plus"))];
        (
            prop::sample::select(actions.to_vec()),
            1..7_u8,
            prop::option::of(names()),
            names(),
            prop::sample::select(seats.to_vec()),
        )
            .prop_map(|(action, number, key, address, to)| intent(action, number, key, address, to))
    }

    proptest! {
        /// One outcome an intent; done twice is done once; who is refused keeps the seat; nobody else is touched.
        #[test]
        fn one_intent_does_what_its_outcome_says(
            kind in prop::sample::select(&KINDS[..]),
            owners in prop::collection::vec(prop::option::of(1..4_u8), 0..4),
            suspended in prop::sample::subsequence(vec!["a", "b", "c", "d"], 0..4),
            wish in any_intent(),
        ) {
            let mut taken = std::collections::HashSet::new();
            let owners = owners.into_iter().map(|owner| owner.filter(|owner| taken.insert(*owner)));
            let people: Vec<_> = ["a", "b", "c", "d"].into_iter().zip(owners).collect();
            let mut book = book(kind, &people);
            for name in suspended {
                // Where a kind suspends nobody, or nobody has that name, all stay as they are.
                let _ = account(&mut book).suspend(&UserId::new(name));
            }
            let before = account(&mut book).clone();
            let first = done(&mut book, std::slice::from_ref(&wish)).remove(0);
            book.drain();
            let touched: Vec<_> =
                account(&mut book).users().filter(|user| before.user(&user.id) != Some(user)).cloned().collect();
            prop_assert!(touched.len() <= 1, "several touched: {:?}", touched);
            match &first {
                Outcome::Done(Some(observed)) => {
                    let user = account(&mut book).user(&observed.id).unwrap().clone();
                    prop_assert_eq!(&account(&mut book).observed(&user), observed);
                    prop_assert!(touched.iter().all(|user| user.id == observed.id));
                }
                Outcome::Done(None) => prop_assert_eq!(&touched, &[]),
                Outcome::Rejected(_) => {
                    let seats = touched.iter().map(|user| (user.seat(), before.user(&user.id).map(User::seat)));
                    prop_assert!(seats.into_iter().all(|(after, before)| Some(after) == before));
                }
                Outcome::Ambiguous(_) => prop_assert!(false, "a value in memory is never ambiguous"),
            }
            let mut again = wish;
            if let Outcome::Done(Some(observed)) = &first {
                again.account = Some(observed.id.clone());
            }
            prop_assert_eq!(&done(&mut book, &[again]).remove(0), &first);
            prop_assert_eq!(book.drain(), [], "twice was not once");
        }

        /// In a batch, an intent that is refused does not hinder the others, and nobody is invited twice.
        #[test]
        fn a_batch_has_one_outcome_an_intent(
            kind in prop::sample::select(&KINDS[..]),
            intents in prop::collection::vec(any_intent(), 0..12),
        ) {
            let mut book = book(kind, &[("a", Some(1)), ("b", None)]);
            prop_assert_eq!(done(&mut book, &intents).len(), intents.len());
            prop_assert!(account(&mut book).users().all(|user| user.invitations_sent <= 1));
        }
    }
}
