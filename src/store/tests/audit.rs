//! Every change is told, no secret is, and what is told fits into a record.

use super::*;
use crate::durable::VALUE_BYTES_MAX;
use crate::model::{ObjectGuid, Tier};
use crate::store::account::{DISPLAY_NAME_CHARS_MAX, PROVISIONED_BYTES_MAX, PROVISIONED_CHARS_MAX, TEXT_BYTES_MAX};
use crate::store::audit::{ENTRY_BYTES_MAX, entries};
use crate::store::profile::{
    ACCOUNT_ID_BYTES_MAX, DELEGATE_GROUP_BYTES_MAX, DELEGATE_GROUPS_MAX, LICENCE_BYTES_MAX, LICENCES_MAX,
    NAME_CHARS_MAX, USER_ID_BYTES_MAX,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// As long as an address can be.
const EMAIL_BYTES_MAX: usize = 254;
const PIN: &str = "0123456789-pin";

/// Up to so many bytes, often all of them, of letters that are long as JSON, or long in UTF-8, or neither.
fn text(bytes_max: usize) -> impl Strategy<Value = String> {
    let letter = prop::sample::select(&["x", "ü", "😀", "\u{1}", "\"", "\\", "\u{7f}", "\u{2028}"][..]);
    let letters = prop_oneof![Just(bytes_max), 0..=bytes_max];
    (letter, letters).prop_map(|(letter, bytes)| letter.repeat(bytes / letter.len()))
}

fn address() -> impl Strategy<Value = Email> {
    prop::sample::select(&["x", "ü", "😀"][..]).prop_map(|letter| {
        let local = letter.repeat((EMAIL_BYTES_MAX - "@a.example".len()) / letter.len());
        Email::parse(&format!("{local}@a.example")).unwrap()
    })
}

fn details() -> impl Strategy<Value = UserDetails> {
    let options = (prop::option::of(text(4 * DISPLAY_NAME_CHARS_MAX)), any::<bool>(), text(TEXT_BYTES_MAX));
    let plain = (any::<bool>(), any::<[bool; 3]>(), any::<Option<bool>>());
    let client = prop::option::of((text(PROVISIONED_BYTES_MAX), text(4 * PROVISIONED_CHARS_MAX)));
    (options, plain, client).prop_map(
        |((display_name, pin, room), (shared_device, telephony, alexa_enabled), client)| UserDetails {
            shared_device,
            display_name,
            personal_pin: pin.then(|| format!("{PIN}{}", room.len())),
            telephony,
            alexa_enabled,
            alexa_room: Some(room),
            signed_out_at: Some(Timestamp::MAX),
            mail: Mail::Failed,
            provisioned: client.map(|(text, name)| {
                Box::new(Provisioned {
                    user_name: Some(text.clone()),
                    external_id: Some(text),
                    given_name: Some(name.clone()),
                    family_name: Some(name.clone()),
                    formatted_name: Some(name),
                    put_away: true,
                })
            }),
        },
    )
}

fn user() -> impl Strategy<Value = User> {
    (address(), text(LICENCE_BYTES_MAX), prop::option::of(details())).prop_map(|(email, licence, details)| User {
        id: user_id(&"u".repeat(USER_ID_BYTES_MAX)),
        email,
        licence: Some(Tier::new(&licence)),
        registration: Registration::Unregistered,
        invitation: Invitation::Pending,
        external: Some(ObjectGuid::from_u128(u128::MAX)),
        invited_at: Some(Timestamp::MAX),
        registered_at: Some(Timestamp::MAX),
        invitations_sent: u32::MAX,
        details: details.map(Box::new),
        times: None,
    })
}

fn profile() -> impl Strategy<Value = Profile> {
    let licences = prop::collection::btree_set(text(LICENCE_BYTES_MAX), 0..=LICENCES_MAX);
    let groups = prop::collection::btree_set(text(DELEGATE_GROUP_BYTES_MAX), 0..=DELEGATE_GROUPS_MAX);
    (text(4 * NAME_CHARS_MAX), licences, groups).prop_map(|(name, licences, groups)| {
        let mut profile = Profile::new(longest_id(), &name, AccountKind::EnterpriseDirectory, Timestamp::MAX);
        profile.supported = licences.iter().map(|licence| Tier::new(licence)).collect();
        profile.default_licence = profile.supported.last().cloned();
        profile.details = ProfileDetails {
            closed_at: Some(Timestamp::MAX),
            domains_only: false,
            disable_remote_control: Some(false),
            enable_dial_out: Some(false),
            delegate_groups: groups.into_iter().collect(),
        };
        profile
    })
}

fn longest_id() -> AccountId {
    account_id(&"\"".repeat(ACCOUNT_ID_BYTES_MAX))
}

fn change() -> impl Strategy<Value = Changed> {
    let id = longest_id();
    let domain = format!("{}.example", "ü".repeat(120));
    let claim = Claim {
        domain: domain.clone(),
        token: Some("t".repeat(500)),
        at: Timestamp::MAX,
        released_at: Some(Timestamp::MAX),
    };
    let of_user = (prop::option::of(user()), user(), any::<bool>()).prop_map({
        let id = id.clone();
        move |(before, now, goes)| match before {
            Some(before) if goes => Changed {
                now: Record::Gone(id.clone(), before.id.clone()),
                before: Some(Record::User(id.clone(), before)),
            },
            before => Changed {
                before: before.map(|before| Record::User(id.clone(), before)),
                now: Record::User(id.clone(), now),
            },
        }
    });
    let of_account = (prop::option::of(profile()), profile())
        .prop_map(|(before, now)| Changed { before: before.map(Record::Account), now: Record::Account(now) });
    let others = vec![
        Changed {
            before: Some(Record::Account(Profile::new(id.clone(), "x", AccountKind::Team, day(0)))),
            now: Record::Forgotten(id.clone()),
        },
        Changed {
            before: Some(Record::Claim(id.clone(), domain.clone(), None)),
            now: Record::Claim(id.clone(), domain.clone(), Some(claim.clone())),
        },
        Changed {
            before: Some(Record::Claim(id.clone(), domain.clone(), Some(claim))),
            now: Record::Claim(id.clone(), domain.clone(), None),
        },
        Changed {
            before: Some(Record::Released(id.clone(), domain.clone())),
            now: Record::Claimed(id.clone(), domain.clone()),
        },
        Changed { before: Some(Record::Claimed(id.clone(), domain.clone())), now: Record::Released(id, domain) },
        Changed { before: None, now: Record::LinkSecret(LinkSecret::new([7; 32])) },
    ];
    prop_oneof![3 => of_user, 2 => of_account, 1 => prop::sample::select(others)]
}

fn differs(changed: &Changed) -> bool {
    changed.before.as_ref() != Some(&changed.now)
}

proptest! {
    #[test]
    fn what_is_told_fits_and_holds_no_secret(
        changed in prop::collection::vec(change().prop_filter("a change", differs), 1..12),
        by in text(300),
        operation in text(300),
    ) {
        let entries = entries(Timestamp::MAX, &by, &operation, &changed);
        for entry in &entries {
            let written = serde_json::to_string(entry).unwrap();
            prop_assert!(written.len() <= ENTRY_BYTES_MAX, "{} bytes", written.len());
            prop_assert!(!written.contains(PIN) && !written.contains("tttttttt") && !written.contains("[7"));
            prop_assert_eq!(serde_json::from_str::<Entry>(&written).unwrap(), entry.clone());
            prop_assert!(!entry.changes.is_empty());
        }
        let told: Vec<_> = entries.iter().flat_map(|entry| &entry.changes).collect();
        prop_assert_eq!(told.len(), changed.len());
        for (told, changed) in told.into_iter().zip(&changed) {
            prop_assert_eq!(told.before.is_null() && told.after.is_null(), false);
            prop_assert_ne!(&told.before, &told.after, "{:?}", changed);
            if let (Value::Object(before), Value::Object(after)) = (&told.before, &told.after) {
                prop_assert!(before.keys().chain(after.keys()).next().is_some(), "says nothing: {:?}", changed);
            }
        }
    }
}

const _: () = assert!(ENTRY_BYTES_MAX <= VALUE_BYTES_MAX);

/// What the log says of the last of some commands to an account with one user.
fn said(commands: &[&dyn Fn(&mut Account)]) -> Value {
    let mut book = Book::default();
    let id = account_id("corp");
    let account = with_domain(&mut book, &id, "a.example");
    account.register(&email("p@a.example"), user_id("p"), day(0)).unwrap();
    let mut last = Vec::new();
    for command in commands {
        book.drain();
        command(book.account_mut(&id).unwrap());
        last = entries(day(1), "me", "test", &book.drain());
    }
    serde_json::to_value(last.iter().flat_map(|entry| &entry.changes).collect::<Vec<_>>()).unwrap()
}

#[test]
fn only_what_differs_is_told() {
    let suspend = |account: &mut Account| drop(account.suspend(&user_id("p")).unwrap().id.clone());
    assert_eq!(
        said(&[&suspend]),
        json!([{
            "kind": "user", "id": "p", "email": "p@a.example",
            "before": { "registration": "Registered" }, "after": { "registration": "Suspended" },
        }])
    );
    assert_eq!(said(&[&suspend, &suspend]), json!([]), "twice is once");
    let case = |account: &mut Account| account.rename(&[(user_id("p"), email("P@a.example"))]).remove(0).unwrap();
    assert_eq!(
        said(&[&case]),
        json!([{
            "kind": "user", "id": "p", "email": "P@a.example",
            "before": { "email": "p@a.example" }, "after": { "email": "P@a.example" },
        }])
    );
    let release = |account: &mut Account| account.release("a.example", day(1)).unwrap();
    assert_eq!(
        said(&[&release]),
        json!([
            { "kind": "domain", "id": "a.example", "before": "claimed", "after": null },
            {
                "kind": "claim", "id": "a.example",
                "before": null, "after": { "waits_for_dns": false, "released_at": "1970-01-02T00:00:00Z" },
            },
        ])
    );
    let support = |account: &mut Account| account.support(&Tier::new("Gold")).unwrap();
    assert_eq!(
        said(&[&support]),
        json!([{ "kind": "account", "id": "corp", "before": { "supported": "" }, "after": { "supported": "Gold" } }])
    );
}

#[test]
fn a_pin_is_told_to_be_another_and_not_which() {
    let set = |pin: Option<&'static str>| {
        move |account: &mut Account| {
            let edit = |details: &mut UserDetails| details.personal_pin = pin.map(str::to_owned);
            account.edit_details(&user_id("p"), edit).map(drop).unwrap();
        }
    };
    let sides = |said: Value| (said[0]["before"].clone(), said[0]["after"].clone());
    let (one, other, none) = (set(Some("111111")), set(Some("222222")), set(None));
    assert_eq!(sides(said(&[&one])), (json!({}), json!({ "personal_pin": "set" })));
    assert_eq!(sides(said(&[&one, &other])), (json!({}), json!({ "personal_pin": "another" })));
    assert_eq!(sides(said(&[&one, &none])), (json!({ "personal_pin": "set" }), json!({})));
    let details = UserDetails { personal_pin: Some("111111".to_owned()), ..UserDetails::default() };
    assert!(!format!("{details:?}").contains("111111"));
}
