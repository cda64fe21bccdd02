//! Three accounts that compete for two domains, under random commands: what is so after each of them.

use super::keeper::{Keeper, whole};
use super::*;
use crate::store::laws::{self, Command, assert_lawful};
use proptest::prelude::*;

const DOMAINS: [&str; 2] = ["corp.example", "other.example"];

/// What may happen to a book. Accounts and domains are small numbers.
#[derive(Clone, Debug)]
enum Move {
    Create(u8),
    Close(u8),
    Reopen(u8),
    Forget(u8),
    Claim(u8, bool),
    Unclaim(u8, bool),
    Verify(u8, bool),
    Release(u8, bool),
    Become(u8, AccountKind),
    Secret,
    /// Time passes; a clock may also be set back.
    Wait(i64),
    Within(u8, Command),
}

fn moves() -> impl Strategy<Value = Move> {
    let which = || 0..3_u8;
    let place = || (0..3_u8, any::<bool>());
    prop_oneof![
        2 => which().prop_map(Move::Create),
        1 => which().prop_map(Move::Close),
        1 => which().prop_map(Move::Reopen),
        2 => (0..4_u8).prop_map(Move::Forget),
        3 => place().prop_map(|(account, domain)| Move::Claim(account, domain)),
        1 => place().prop_map(|(account, domain)| Move::Unclaim(account, domain)),
        3 => place().prop_map(|(account, domain)| Move::Verify(account, domain)),
        2 => place().prop_map(|(account, domain)| Move::Release(account, domain)),
        1 => (which(), prop::sample::select(&AccountKind::ALL[..])).prop_map(|(which, kind)| Move::Become(which, kind)),
        1 => Just(Move::Secret),
        2 => (-20..60_i64).prop_map(Move::Wait),
        // Domains are claimed by the book here, which knows of the other accounts.
        12 => (which(), laws::command().prop_filter("by the book", |command| !matches!(command, Command::Claim(_))))
            .prop_map(|(which, command)| Move::Within(which, command)),
    ]
}

/// A book, and the time.
struct World {
    book: Book,
    days: i64,
    ids: u32,
}

impl World {
    /// Does it; whether it was granted.
    fn give(&mut self, next: &Move) -> bool {
        let at = day(self.days);
        let id = |number: &u8| account_id(&format!("account-{number}"));
        let domain = |number: &bool| DOMAINS[usize::from(*number)];
        self.ids += 1;
        let new_id = UserId::new(&format!("u{:04}", self.ids));
        let book = &mut self.book;
        match next {
            Move::Create(number) => book.create_account(&id(number), "Corp", at).is_ok(),
            Move::Close(number) => book.close_account(&id(number), at).is_ok(),
            Move::Reopen(number) => book.reopen_account(&id(number), at).is_ok(),
            Move::Forget(most) => book.forget_closed(at, usize::from(*most)),
            Move::Claim(number, which) => book.claim_domain(&id(number), domain(which), TOKEN.to_owned(), at).is_ok(),
            Move::Unclaim(number, which) => {
                book.account_mut(&id(number)).is_ok_and(|account| account.unclaim(domain(which)).is_ok())
            }
            Move::Verify(number, which) => {
                let was = book.account(&id(number)).map(laws::contents);
                match book.verify_domain(&id(number), domain(which)) {
                    Ok(now) => {
                        assert!(now.profile().kind.is_enterprise());
                        let (was, now) = (was.unwrap(), laws::contents(now));
                        assert!(!was.0.kind.is_enterprise() || was.0.kind == now.0.kind);
                        assert_eq!(was.1, now.1, "somebody lost something by a domain");
                        true
                    }
                    Err(_) => false,
                }
            }
            Move::Release(number, which) => book.account_mut(&id(number)).is_ok_and(|account| {
                let users = laws::contents(account).1;
                let granted = account.release(domain(which), at).is_ok();
                assert_eq!(users, laws::contents(account).1, "a release writes to nobody");
                granted
            }),
            Move::Become(number, kind) => {
                book.account_mut(&id(number)).is_ok_and(|account| account.become_enterprise(*kind).is_ok())
            }
            Move::Secret => {
                book.ensure_link_secret(LinkSecret::new([7; 32]));
                true
            }
            Move::Wait(days) => {
                self.days += days;
                true
            }
            Move::Within(number, command) => {
                book.account_mut(&id(number)).is_ok_and(|account| laws::give(account, command, new_id, at))
            }
        }
    }
}

/// Whether a refusal may leave something: of several wishes for an address some may be granted.
fn is_partial(next: &Move) -> bool {
    matches!(next, Move::Within(_, Command::Rename(wishes)) if wishes.len() > 1)
}

fn assert_sound(book: &Book) {
    for domain in DOMAINS {
        let owners = book.accounts().filter(|account| account.profile().has_domain(domain)).count();
        assert!(owners <= 1, "{domain} belongs to {owners} accounts");
    }
    for account in book.accounts() {
        assert_lawful(account);
        let Profile { domains, claims, kind, .. } = account.profile();
        assert!(domains.is_sorted_by(|one, next| one < next), "{domains:?}");
        assert!(domains.is_empty() || kind.is_enterprise());
        assert!(domains.is_empty() || !account.profile().is_closed(), "a deleted account keeps a domain");
        assert!(claims.values().all(|claim| !domains.contains(&claim.domain)), "a domain on its way is there");
        assert_counted(account);
        account.users().for_each(|user| assert_released(account, user));
    }
    (0..6).for_each(|number| assert_sign_in(book, &laws::email(number)));
}

/// The census counts everybody once, and nobody pays for who cannot sign in.
fn assert_counted(account: &Account) {
    let Census { licences, without_licence, invited, billable } = account.census();
    let seats: usize = licences.iter().map(|(_, seats)| seats.active + seats.suspended).sum();
    assert_eq!(seats + without_licence + invited, account.users().len());
    let paid = account.users().filter(|user| {
        let active = user.registration == Registration::Registered && !account.is_released(user);
        active && !account.profile().is_closed() && user.licence.as_ref().is_some_and(|it| it.name() != "Basic")
    });
    assert_eq!(billable, paid.count());
}

/// Who is of a released domain is out, whatever the clock says, and no command brings somebody in.
fn assert_released(account: &Account, user: &User) {
    let domain = user.email.domain();
    let claim = account.profile().claims.get(&*domain);
    let released = claim.is_some_and(|claim| claim.released_at.is_some());
    assert_eq!(account.is_released(user), released && user.registration == Registration::Registered);
    if released {
        assert_ne!(account.registration(user), Registration::Registered);
        assert!(!account.observed(user).seat.is_held());
        let mut tried = account.clone();
        assert!(tried.activate(&user.id).is_err());
        assert!(user.registration == Registration::Registered || tried.accept(&user.id, day(9_999)).is_err());
        // Nor does a way round by an address that is nobody's.
        if !user.is_shared_device() {
            assert!(tried.rename(&[(user.id.clone(), email("aside@parked.invalid"))])[0].is_err());
        }
        assert_eq!(laws::contents(&tried), laws::contents(account));
    }
}

/// Allowed is who is registered with a licence in an open account, in the one that has the domain if one has it.
fn assert_sign_in(book: &Book, email: &Email) {
    let can = |account: &&Account| {
        account.by_email(email).is_some_and(|user| {
            user.registration == Registration::Registered && user.licence.is_some() && !account.is_released(user)
        })
    };
    let open = || book.accounts().filter(|account| !account.profile().is_closed());
    let expected = match book.by_domain(&email.domain()) {
        Some(owner) => Some(owner).filter(can),
        None => open().find(can),
    };
    let answer = book.sign_in(email);
    match expected {
        Some(account) => {
            let user = account.by_email(email).unwrap();
            let (account, user, licence) =
                (account.profile().id.clone(), user.id.clone(), user.licence.clone().unwrap());
            assert_eq!(answer, SignIn::Allowed { account, user, licence });
        }
        None => assert!(matches!(answer, SignIn::Denied(_)), "{answer:?}"),
    }
}

proptest! {
    /// Each inner list is drained at once, as one write would be.
    #[test]
    fn the_laws_hold_for_a_book_after_anything(
        writes in prop::collection::vec(prop::collection::vec(moves(), 1..6), 1..40)
    ) {
        let mut world = World { book: Book::default(), days: 100, ids: 0 };
        let mut keeper = Keeper::default();
        for number in [0, 1] {
            world.give(&Move::Create(number));
        }
        keeper.follow(world.book.drain());
        for (number, write) in writes.iter().enumerate() {
            let at = day(1_000 + i64::try_from(number).unwrap());
            let before = whole(&world.book);
            for next in write {
                let here = whole(&world.book);
                let granted = world.give(next);
                prop_assert!(granted || is_partial(next) || here == whole(&world.book), "refused, and changed: {:?}", next);
                assert_sound(&world.book);
            }
            world.book.date(at);
            world.book.date(at);
            let changed = world.book.drain();
            // Dated is who changed, and nobody else; when somebody came stays.
            for Changed { before, now } in &changed {
                if let Record::User(_, now) = now {
                    let was = before.as_ref().map(|was| if let Record::User(_, was) = was { was.times } else { None });
                    let came = was.map_or(Some(at), |was| was.map(Times::created_at));
                    // What became of an e-mail is no change of the user.
                    let bare = |user: &User| {
                        let details = UserDetails { mail: Mail::None, ..user.details() };
                        let details = Some(Box::new(details)).filter(|it| **it != UserDetails::default());
                        User { times: None, details, ..user.clone() }
                    };
                    let is_mail = matches!(before, Some(Record::User(_, was))
                        if bare(was) == bare(now) && was.email.as_str() == now.email.as_str());
                    let changed = if is_mail { was.flatten().map(Times::changed_at) } else { Some(at) };
                    prop_assert_eq!(now.times.map(Times::changed_at), changed);
                    prop_assert_eq!(now.times.map(Times::created_at), came);
                }
            }
            world.book.date(day(1));
            prop_assert_eq!(world.book.drain(), []);
            let mut undone = world.book.clone();
            undone.put_back(changed.clone());
            prop_assert_eq!(&before, &whole(&undone), "not undone: {:?}", write);
            prop_assert_eq!(undone.drain(), []);
            assert_sound(&undone);
            keeper.follow(changed);
            prop_assert_eq!(whole(&keeper.restored()), whole(&world.book), "not restored: {:?}", write);
        }
    }
}

#[test]
fn what_steers_a_terminal_is_no_name() {
    let mut book = Book::default();
    let account = book.create_account(&account_id("corp"), "Corp", day(0)).unwrap();
    for name in ["\u{1b}[31mPro", "Pro\n", "Pro\u{7f}"] {
        assert_eq!(
            account.support(&crate::model::Tier::new(name)).unwrap_err().code,
            RefusalCode::BadRequest,
            "{name:?}"
        );
        let refused = account.add_delegate_groups(&[name.to_owned()]).unwrap_err();
        assert_eq!(refused.code, RefusalCode::BadRequest, "{name:?}");
        assert_eq!(account.set_name(name).unwrap_err().code, RefusalCode::BadRequest, "{name:?}");
    }
}
