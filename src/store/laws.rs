//! The laws of the account, tried on random sequences of commands; and the seat matrix, cell by cell.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::model::{Email, ObjectGuid, Seat, StoreKind, Tier, Timestamp, UserId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};

const KINDS: [StoreKind; 3] = [StoreKind::Team, StoreKind::EnterpriseLwa, StoreKind::EnterpriseDirectory];

/// A command in small numbers: few people, few addresses, so that they meet often.
#[derive(Clone, Debug)]
pub(super) enum Command {
    Support(u8),
    Unsupport(u8),
    Default(u8),
    Claim(bool),
    Register(u8),
    Invite(u8, Option<u8>),
    Accept(u8),
    Withdraw(u8),
    Create(u8, u8, Option<u8>),
    Assign(u8, u8),
    Suspend(u8),
    Activate(u8),
    Remove(u8),
    Link(u8, u8),
    Rename(Vec<(u8, u8)>),
    InviteAgain(u8),
    Mail(u8, Mail),
    SignOut(u8),
    Details(u8, u8),
    Device(u8, u8),
    Name(u8),
    Settings(Option<bool>, Option<bool>),
    AddGroups(Vec<u8>),
    RemoveGroups(Vec<u8>),
    Provision(u8, u8, u8),
    PutAway(u8),
    Alias(u8, u8),
}

pub(super) fn command() -> impl Strategy<Value = Command> {
    let few = || 0..6_u8;
    let perhaps = || prop::option::of(0..6_u8);
    let mail = || prop::sample::select(&[Mail::None, Mail::Due, Mail::Sent, Mail::Failed][..]);
    let groups = || prop::collection::vec(0..14_u8, 0..12);
    prop_oneof![
        (0..4_u8).prop_map(Command::Support),
        (0..4_u8).prop_map(Command::Unsupport),
        (0..4_u8).prop_map(Command::Default),
        any::<bool>().prop_map(Command::Claim),
        few().prop_map(Command::Register),
        (few(), perhaps()).prop_map(|(email, guid)| Command::Invite(email, guid)),
        few().prop_map(Command::Accept),
        few().prop_map(Command::Withdraw),
        (few(), 0..4_u8, perhaps()).prop_map(|(email, tier, guid)| Command::Create(email, tier, guid)),
        (few(), 0..4_u8).prop_map(|(user, tier)| Command::Assign(user, tier)),
        few().prop_map(Command::Suspend),
        few().prop_map(Command::Activate),
        few().prop_map(Command::Remove),
        (few(), few()).prop_map(|(user, guid)| Command::Link(user, guid)),
        prop::collection::vec((few(), few()), 1..4).prop_map(Command::Rename),
        few().prop_map(Command::InviteAgain),
        (few(), mail()).prop_map(|(user, mail)| Command::Mail(user, mail)),
        few().prop_map(Command::SignOut),
        (few(), 0..4_u8).prop_map(|(user, details)| Command::Details(user, details)),
        (0..3_u8, few()).prop_map(|(name, email)| Command::Device(name, email)),
        (0..3_u8).prop_map(Command::Name),
        any::<(Option<bool>, Option<bool>)>().prop_map(|(remote, dial)| Command::Settings(remote, dial)),
        groups().prop_map(Command::AddGroups),
        groups().prop_map(Command::RemoveGroups),
        (few(), 0..12_u8, 0..12_u8).prop_map(|(user, name, external)| Command::Provision(user, name, external)),
        few().prop_map(Command::PutAway),
        (0..4_u8, 0..8_u8).prop_map(|(licence, name)| Command::Alias(licence, name)),
    ]
}

/// The last of them costs nothing.
fn tier(number: u8) -> Tier {
    if number == 3 { Tier::new("Basic") } else { Tier::new(&format!("tier-{number}")) }
}

/// A name with that number; every third one is refused.
fn name(number: u8) -> String {
    if number.is_multiple_of(3) { format!("{number}\u{7}") } else { format!("name {number}") }
}

/// Every third address is outside the domain claimed, and half of them differ in case only from the other half.
pub(super) fn email(number: u8) -> Email {
    let domain = if number.is_multiple_of(3) { "other.example" } else { "corp.example" };
    let name = number / 2;
    Email::parse(&if number.is_multiple_of(2) { format!("P{name}@{domain}") } else { format!("p{name}@{domain}") })
        .unwrap()
}

fn guid(number: u8) -> ObjectGuid {
    ObjectGuid::from_u128(u128::from(number))
}

/// The `number`th user there is, or one that is not there.
fn user(account: &Account, number: u8) -> UserId {
    account.users().nth(usize::from(number)).map_or(UserId::new("nobody"), |user| user.id.clone())
}

/// Does it; whether it was granted. A rename of several is granted when each of its wishes is.
pub(super) fn give(account: &mut Account, command: &Command, new_id: UserId, at: Timestamp) -> bool {
    let user = |account: &Account, number: &u8| user(account, *number);
    match command {
        Command::Support(number) => account.support(&tier(*number)).is_ok(),
        Command::Unsupport(number) => account.unsupport(&tier(*number)).is_ok(),
        Command::Default(number) => account.set_default_licence(&tier(*number)).is_ok(),
        Command::Claim(claim) => {
            let domains: Vec<String> = claim.then(|| "Corp.example".to_owned()).into_iter().collect();
            account.claim_domains(&domains).is_ok()
        }
        Command::Register(number) => account.register(&email(*number), new_id, at).is_ok(),
        Command::Invite(number, external) => account.invite(&email(*number), external.map(guid), new_id, at).is_ok(),
        Command::Accept(number) => account.accept(&user(account, number), at).is_ok(),
        Command::Withdraw(number) => account.withdraw(&user(account, number)).is_ok(),
        Command::Create(number, licence, external) => {
            account.create(&email(*number), &tier(*licence), external.map(guid), new_id, at).is_ok()
        }
        Command::Assign(number, licence) => account.assign(&user(account, number), &tier(*licence)).is_ok(),
        Command::Suspend(number) => account.suspend(&user(account, number)).is_ok(),
        Command::Activate(number) => account.activate(&user(account, number)).is_ok(),
        Command::Remove(number) => account.remove(&user(account, number)).is_ok(),
        Command::Link(number, external) => account.link(&user(account, number), guid(*external)).is_ok(),
        Command::Rename(wishes) => {
            let wishes: Vec<_> =
                wishes.iter().map(|(number, address)| (user(account, number), email(*address))).collect();
            account.rename(&wishes).iter().all(Result::is_ok)
        }
        Command::InviteAgain(number) => account.invite_again(&user(account, number), at).is_ok(),
        Command::Mail(number, mail) => account.set_mail(&user(account, number), *mail).is_ok(),
        Command::SignOut(number) => account.sign_out(&user(account, number), at).is_ok(),
        Command::Details(number, details) => {
            let edit = |it: &mut UserDetails| match details {
                0 => *it = UserDetails { shared_device: it.shared_device, ..UserDetails::default() },
                1 => it.display_name = Some("\n".to_owned()),
                2 => it.personal_pin = Some("1".repeat(usize::from(*number))),
                _ => it.alexa_room = Some("r".repeat(500 + 5 * usize::from(*number))),
            };
            account.edit_details(&user(account, number), edit).is_ok()
        }
        Command::Device(number, address) => account.create_device(&name(*number), &email(*address), new_id, at).is_ok(),
        Command::Name(number) => account.set_name(&name(*number)).is_ok(),
        Command::Settings(remote, dial) => {
            account.set_settings(*remote, *dial);
            true
        }
        Command::AddGroups(numbers) => {
            let names: Vec<String> = numbers.iter().map(|number| format!("group {number}")).collect();
            account.add_delegate_groups(&names).is_ok()
        }
        Command::RemoveGroups(numbers) => {
            let names: Vec<String> = numbers.iter().map(|number| format!("group {number}")).collect();
            account.remove_delegate_groups(&names);
            true
        }
        Command::Provision(number, name, external) => {
            let provision = Provision {
                user_name: client_name(*name),
                external_id: if external.is_multiple_of(2) {
                    Some(written(guid(*external / 2), *name))
                } else {
                    client_name(*external)
                },
                given_name: Some(format!("G{name}")),
                ..Provision::default()
            };
            account.provision(&user(account, number), &provision).is_ok()
        }
        Command::Alias(licence, name) => account.alias(&tier(*licence), client_name(*name).as_deref()).is_ok(),
        Command::PutAway(number) => account.put_away(&user(account, number)).is_ok(),
    }
}

/// A directory identity in one of its writings.
fn written(guid: ObjectGuid, number: u8) -> String {
    let text = guid.to_string();
    match number % 5 {
        0 | 1 => text,
        2 => text.to_uppercase(),
        3 => format!("{{{text}}}"),
        _ => text.replace('-', ""),
    }
}

/// What a client may call somebody: nothing, names of which half differ in case only, addresses, and what cannot be kept.
fn client_name(number: u8) -> Option<String> {
    match number {
        0 => None,
        1..=5 => Some(format!("{}{}", if number.is_multiple_of(2) { "N" } else { "n" }, number / 2)),
        6..=9 => Some(email(number - 6).to_string()),
        _ => Some("\u{7}".to_owned()),
    }
}

fn account(kind: StoreKind) -> Account {
    let id = AccountId::parse("corp").unwrap();
    let mut account = Account::new(Profile::new(id, "Corp", kind, Timestamp::UNIX_EPOCH));
    for number in [0, 1] {
        account.support(&tier(number)).unwrap();
    }
    account.set_default_licence(&tier(1)).unwrap();
    account
}

/// What must be so at any time, said anew and not with the account's own means.
pub(super) fn assert_lawful(account: &Account) {
    let kind = account.profile().kind;
    let mut emails = HashSet::new();
    let mut guids = HashSet::new();
    for user in account.users() {
        assert!(emails.insert(user.email.as_str().to_lowercase()), "{} stands twice", user.email);
        assert!(user.external.is_none_or(|guid| guids.insert(guid)), "{:?} stands twice", user.external);
        assert!(user.licence.iter().all(|licence| account.profile().supported.contains(licence)));
        assert_eq!(account.by_email(&user.email), Some(user), "found by address");
        assert!(user.external.is_none_or(|guid| account.by_external(&guid) == Some(user)), "found by identity");
        match user.registration {
            Registration::Suspended => {
                assert_ne!(kind, StoreKind::Team, "a team suspends nobody");
                assert!(!user.seat().is_held(), "a suspended user is active");
            }
            Registration::Unregistered => assert_eq!(user.seat(), Seat::Invited, "neither there nor asked"),
            Registration::Registered => assert!(user.registered_at.is_some()),
        }
        assert_eq!(user.invitations_sent > 0, user.invitation != Invitation::None);
    }
    let (mut names, mut texts) = (HashSet::new(), HashSet::new());
    let (mut own_names, mut own_texts) = (0, 0);
    for user in account.users() {
        assert!(names.insert(user.user_name().to_lowercase()), "{} stands twice", user.user_name());
        assert_eq!(account.by_user_name(user.user_name()), Some(user), "found by name");
        let text = user.external_id();
        let digits = |text: &String| text.to_lowercase().replace(['{', '}', '-'], "");
        let is_identity = |text: &String| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let one_form = text.as_ref().map(|text| Some(digits(text)).filter(is_identity).unwrap_or_else(|| text.clone()));
        assert!(one_form.is_none_or(|text| texts.insert(text)), "{text:?} stands twice");
        assert!(text.is_none_or(|text| account.by_external_id(&text) == Some(user)), "found by external id");
        let provisioned = user.provisioned();
        own_names += usize::from(provisioned.user_name.is_some());
        own_texts += usize::from(provisioned.external_id.is_some());
        assert!(provisioned.external_id.is_none() || user.external.is_none(), "two external ids");
        assert!(!provisioned.put_away || user.registration == Registration::Suspended, "put away and there");
    }
    assert_eq!(account.counts_of_provisioned(), (own_names, own_texts), "an index knows users that are gone");
    let Profile { supported, aliases, .. } = account.profile();
    assert!(aliases.keys().all(|licence| supported.contains(licence)), "a name of a licence that is not there");
    assert_eq!(aliases.values().collect::<HashSet<_>>().len(), aliases.len(), "one name of two licences");
    let (_, by_email, by_external) = account.counts();
    assert_eq!((by_email, by_external), (emails.len(), guids.len()), "an index knows users that are gone");
}

/// All of it. Addresses are equal without regard to case, and stand here as they are written, too.
pub(super) fn contents(account: &Account) -> (Profile, Vec<(User, String)>) {
    let users = account.users().map(|user| (user.clone(), user.email.as_str().to_owned()));
    (account.profile().clone(), users.collect())
}

proptest! {
    #[test]
    fn the_laws_hold_after_any_commands(kind in prop::sample::select(&KINDS[..]), commands in prop::collection::vec(command(), 1..60)) {
        let mut account = account(kind);
        let (mut kept, mut domains) = (BTreeMap::<UserId, User>::new(), BTreeSet::new());
        for (number, command) in commands.iter().enumerate() {
            let before = contents(&account);
            let id = UserId::new(&format!("u{number:03}"));
            let granted = give(&mut account, command, id, Timestamp::UNIX_EPOCH);
            assert_lawful(&account);
            let uninvited = account.users().all(|user| user.invitation == Invitation::None);
            prop_assert!(kind == StoreKind::Team || uninvited, "only a team invites");
            if !granted && !matches!(command, Command::Rename(wishes) if wishes.len() > 1) {
                prop_assert_eq!(&before, &contents(&account), "refused, and changed: {:?}", command);
            }
            // A keeper that follows the records holds the same users.
            for Changed { before: _, now } in account.drain() {
                match now {
                    Record::Account(profile) => prop_assert_eq!(&profile, account.profile()),
                    Record::Claimed(_, domain) => prop_assert!(domains.insert(domain), "claimed twice"),
                    Record::Released(_, domain) => prop_assert!(domains.remove(&domain), "released twice"),
                    Record::Alias(..) => {}
                    Record::User(_, user) => { kept.insert(user.id.clone(), user); }
                    Record::Gone(_, user) => { kept.remove(&user); }
                    other => prop_assert!(false, "no command does that: {:?}", other),
                }
            }
            prop_assert!(account.users().eq(kept.values()));
            prop_assert!(account.users().map(|user| user.email.as_str()).eq(kept.values().map(|user| user.email.as_str())));
            prop_assert!(account.profile().domains.iter().eq(&domains));
        }
    }

    #[test]
    fn absolute_commands_twice_are_once(kind in prop::sample::select(&KINDS[..]), commands in prop::collection::vec(command(), 1..40)) {
        let mut account = account(kind);
        for (number, command) in commands.iter().enumerate() {
            // Ids ascend, so a number means the same user until one goes; and an exchange done twice is none.
            let goes = matches!(
                command,
                Command::Remove(_) | Command::Withdraw(_) | Command::PutAway(_) | Command::Unsupport(_)
            );
            let more = matches!(command, Command::InviteAgain(_) | Command::Device(..));
            let exchange = matches!(command, Command::Rename(wishes) if wishes.len() > 1);
            let granted = give(&mut account, command, UserId::new(&format!("u{number:03}")), Timestamp::UNIX_EPOCH);
            if granted && !goes && !exchange && !more {
                let once = contents(&account);
                prop_assert!(give(&mut account, command, UserId::new("again"), Timestamp::UNIX_EPOCH), "{:?}", command);
                prop_assert_eq!(once, contents(&account), "twice was not once: {:?}", command);
            }
        }
    }
}

/// Which commands each kind grants, on a user in each state that the kind knows.
#[test]
fn each_kind_does_what_the_seat_matrix_says() {
    let new = Email::parse("new@corp.example").unwrap();
    let at = Timestamp::UNIX_EPOCH;
    let id = || UserId::new("new");
    for kind in KINDS {
        let granted = [
            account(kind).invite(&new, None, id(), at).is_ok(),
            account(kind).register(&new, id(), at).is_ok(),
            account(kind).create(&new, &tier(0), None, id(), at).is_ok(),
        ];
        let expected = match kind {
            StoreKind::Team => [true, false, false],
            StoreKind::EnterpriseLwa => [false, true, false],
            StoreKind::EnterpriseDirectory => [false, false, true],
        };
        assert_eq!(granted, expected, "{kind}: invite, register, create");

        let mut there = account(kind);
        let user = match kind {
            StoreKind::Team => {
                there.invite(&new, None, id(), at).unwrap();
                assert!(there.assign(&id(), &tier(0)).is_err(), "no licence before acceptance");
                there.accept(&id(), at).unwrap()
            }
            StoreKind::EnterpriseLwa => there.register(&new, id(), at).unwrap(),
            StoreKind::EnterpriseDirectory => there.create(&new, &tier(1), None, id(), at).unwrap(),
        };
        assert_eq!(user.seat(), Seat::Active(tier(1)), "the default licence comes with the first day");
        assert_eq!(there.assign(&id(), &tier(0)).unwrap().seat(), Seat::Active(tier(0)));
        match kind {
            StoreKind::Team => {
                assert_eq!(there.suspend(&id()).unwrap_err().code, RefusalCode::Forbidden);
                there.remove(&id()).unwrap();
                assert!(there.by_email(&new).is_none());
            }
            StoreKind::EnterpriseLwa | StoreKind::EnterpriseDirectory => {
                assert_eq!(there.remove(&id()).unwrap_err().code, RefusalCode::Forbidden);
                assert_eq!(there.suspend(&id()).unwrap().seat(), Seat::Suspended(tier(0)), "the licence is kept");
                assert_eq!(there.activate(&id()).unwrap().seat(), Seat::Active(tier(0)));
            }
        }
    }
}

#[test]
fn addresses_are_exchanged_and_passed_on_but_never_shared() {
    let mut account = account(StoreKind::EnterpriseDirectory);
    let address = |name: &str| Email::parse(&format!("{name}@corp.example")).unwrap();
    let id = UserId::new;
    for name in ["a", "b", "c"] {
        account.create(&address(name), &tier(0), None, id(name), Timestamp::UNIX_EPOCH).unwrap();
    }
    let mut rename = |wishes: &[(&str, &str)]| {
        let wishes: Vec<_> = wishes.iter().map(|(user, email)| (id(user), address(email))).collect();
        let granted: Vec<bool> = account.rename(&wishes).iter().map(Result::is_ok).collect();
        let now: Vec<String> =
            account.users().map(|user| user.email.to_string().replace("@corp.example", "")).collect();
        assert_lawful(&account);
        (granted, now.join(" "))
    };
    assert_eq!(rename(&[("a", "b"), ("b", "a")]), (vec![true, true], "b a c".into()), "exchanged");
    assert_eq!(rename(&[("a", "d"), ("b", "b")]), (vec![true, true], "d b c".into()), "passed on");
    assert_eq!(rename(&[("b", "c")]), (vec![false], "d b c".into()), "taken");
    assert_eq!(rename(&[("a", "b"), ("b", "c")]), (vec![false, false], "d b c".into()), "taken further on");
    assert_eq!(rename(&[("a", "x"), ("b", "X")]), (vec![true, false], "x b c".into()), "wanted by two");
    assert_eq!(rename(&[("c", "C")]), (vec![true], "x b C".into()), "case alone");
}

#[test]
fn who_is_suspended_or_outside_cannot_sign_up() {
    let mut account = account(StoreKind::EnterpriseLwa);
    let (inside, outside) = (Email::parse("a@corp.example").unwrap(), Email::parse("a@sub.corp.example").unwrap());
    account.claim_domains(&["CORP.example".to_owned()]).unwrap();
    let at = Timestamp::UNIX_EPOCH;
    assert_eq!(account.register(&outside, UserId::new("o"), at).unwrap_err().code, RefusalCode::Forbidden);
    account.register(&inside, UserId::new("i"), at).unwrap();
    account.suspend(&UserId::new("i")).unwrap();
    assert_eq!(account.register(&inside, UserId::new("j"), at).unwrap_err().code, RefusalCode::Forbidden);
    assert!(account.claim_domains(&["no domain".to_owned()]).is_err());
}

#[test]
fn records_that_contradict_each_other_are_not_taken_in() {
    let original = account(StoreKind::EnterpriseDirectory);
    let id = original.profile().id.clone();
    let restore = |users: Vec<User>| {
        let users = users.into_iter().map(|user| (id.clone(), user)).collect();
        Book::restore(Kept { profiles: vec![original.profile().clone()], users, ..Kept::default() })
    };
    let user = |name: &str| User {
        id: UserId::new(name),
        email: Email::parse(&format!("{name}@corp.example")).unwrap(),
        licence: Some(tier(0)),
        registration: Registration::Registered,
        invitation: Invitation::None,
        external: None,
        invited_at: None,
        registered_at: Some(Timestamp::UNIX_EPOCH),
        invitations_sent: 0,
        details: None,
        times: None,
    };
    assert!(restore(vec![user("a"), user("b")]).is_ok());
    let known_as = |name: &str, text: String| {
        let provisioned = Provisioned { external_id: Some(text), ..Provisioned::default() };
        let details = UserDetails { provisioned: Some(Box::new(provisioned)), ..UserDetails::default() };
        User { details: Some(Box::new(details)), ..user(name) }
    };
    let (capitals, braces) = (written(ObjectGuid::from_u128(0xabc), 2), written(ObjectGuid::from_u128(0xabc), 3));
    let linked = User { external: Some(ObjectGuid::from_u128(0xabc)), ..user("a") };
    let broken = [
        ("a@corp.example is also", vec![user("a"), User { id: UserId::new("b"), ..user("a") }]),
        ("not a supported", vec![User { licence: Some(tier(7)), ..user("a") }]),
        ("Unregistered and", vec![User { registration: Registration::Unregistered, ..user("a") }]),
        (
            "same directory identity",
            vec![User { external: Some(guid(1)), ..user("a") }, User { external: Some(guid(1)), ..user("b") }],
        ),
    ];
    let in_other_writings = [
        vec![known_as("a", capitals.clone()), known_as("b", braces.clone())],
        vec![linked.clone(), known_as("b", braces)],
        vec![known_as("b", capitals), linked],
    ]
    .map(|users| ("the same", users));
    for (words, users) in broken.into_iter().chain(in_other_writings) {
        let flaw = restore(users).unwrap_err();
        assert!(flaw.contains(words), "{flaw}");
    }
    let foreign = Book::restore(Kept { users: vec![(id.clone(), user("a"))], ..Kept::default() }).unwrap_err();
    assert!(foreign.contains("does not exist"), "{foreign}");
}
