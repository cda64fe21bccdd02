//! The book on disk: older forms, the largest records, the log, and writes that fail.

use super::keeper::{Keeper, whole};
use super::*;
use crate::durable::{Batch, Database};
use crate::model::{ObjectGuid, StoreKind, Tier};
use crate::store::account::{DISPLAY_NAME_CHARS_MAX, PROVISIONED_BYTES_MAX, PROVISIONED_CHARS_MAX, TEXT_BYTES_MAX};
use crate::store::profile::{
    ACCOUNT_ID_BYTES_MAX, DELEGATE_GROUP_BYTES_MAX, DELEGATE_GROUPS_MAX, LICENCE_BYTES_MAX, LICENCES_MAX,
    NAME_CHARS_MAX, USER_ID_BYTES_MAX,
};
use crate::store::sled_disk::{look, look_at_log};
use serde::Serialize;
use std::path::{Path, PathBuf};

const CACHE_BYTES: u64 = 1 << 20;

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    (folder, path)
}

/// A profile as format 1 wrote it.
#[derive(Serialize)]
struct FirstProfile {
    id: &'static str,
    name: &'static str,
    kind: StoreKind,
    default_licence: Option<&'static str>,
    supported: Vec<&'static str>,
    created_at: Timestamp,
}

/// A user as format 1 wrote it.
#[derive(Serialize)]
struct FirstUser {
    id: &'static str,
    email: &'static str,
    licence: Option<&'static str>,
    registration: Registration,
    invitation: Invitation,
    external: Option<ObjectGuid>,
    invited_at: Option<Timestamp>,
    registered_at: Option<Timestamp>,
    invitations_sent: u32,
}

/// A store of format 1: one account of each kind there was, the second with a domain and a suspended user.
fn write_first_format(path: &Path) {
    let mut batch = Batch::new();
    batch.put(b"v", 1_u32.to_be_bytes());
    let kinds = [StoreKind::Team, StoreKind::EnterpriseLwa, StoreKind::EnterpriseDirectory];
    for (id, kind) in ["one", "two", "three"].into_iter().zip(kinds) {
        let profile = FirstProfile {
            id,
            name: "Corp",
            kind,
            default_licence: Some("Pro"),
            supported: vec!["Basic", "Pro"],
            created_at: day(1),
        };
        batch.put(format!("a/{id}"), postcard::to_stdvec(&profile).unwrap());
    }
    let hash = <sha2::Sha256 as sha2::Digest>::digest(b"a.example");
    batch.put([b"d/two\0", &hash[..16]].concat(), postcard::to_stdvec("a.example").unwrap());
    let user = FirstUser {
        id: "p",
        email: "P@a.example",
        licence: Some("Pro"),
        registration: Registration::Suspended,
        invitation: Invitation::None,
        external: Some(ObjectGuid::from_u128(7)),
        invited_at: None,
        registered_at: Some(day(2)),
        invitations_sent: 0,
    };
    batch.put(b"u/two\0p", postcard::to_stdvec(&user).unwrap());
    let database = Database::open(path, CACHE_BYTES).unwrap();
    database.tree("book").unwrap().apply(&batch).unwrap();
    database.sync().unwrap();
}

fn format_of(path: &Path) -> Vec<u8> {
    Database::look(path, CACHE_BYTES).unwrap().tree("book").unwrap().get(b"v").unwrap().unwrap()
}

#[test]
fn a_store_of_the_first_format_is_read_and_goes_on() {
    let (_folder, path) = place();
    write_first_format(&path);
    let seen = look(&path).unwrap();
    assert_eq!(format_of(&path), 1_u32.to_be_bytes(), "looking changes nothing");
    let before = Timestamp::now();
    let mut disk = DiskBook::open(&path).unwrap();
    let times_of = |book: &Book| book.account(&account_id("two")).unwrap().user(&user_id("p")).unwrap().times;
    // Nobody noted when the user last changed: not after the store was opened by a program that does.
    let times = times_of(disk.book().unwrap()).unwrap();
    assert_eq!((times_of(&seen), times.created_at()), (None, day(2)));
    assert!(times.changed_at().as_millisecond() >= before.as_millisecond() && times.changed_at() <= Timestamp::now());
    drop(disk);
    assert_eq!(times_of(&look(&path).unwrap()), Some(times), "noted once, not at each opening");
    let mut disk = DiskBook::open(&path).unwrap();
    assert_eq!(times_of(disk.book().unwrap()), Some(times));
    assert_eq!(disk.log_before(None, 10).unwrap(), []);
    let account = seen.account(&account_id("two")).unwrap();
    assert_eq!((account.profile().kind, account.profile().created_at), (AccountKind::EnterpriseLwa, day(1)));
    assert_eq!(account.profile().domains, ["a.example"]);
    assert_eq!(account.profile().details, ProfileDetails::default());
    let user = account.by_external(&ObjectGuid::from_u128(7)).unwrap();
    assert_eq!(
        (user.email.as_str(), user.registration, user.mail()),
        ("P@a.example", Registration::Suspended, Mail::None)
    );
    assert_eq!(user.details, None);
    let kinds: Vec<String> = seen.accounts().map(|account| account.profile().kind.to_string()).collect();
    assert_eq!(kinds, ["Team", "EnterpriseDirectory", "EnterpriseLWA"]);
    // A new thing beside the old ones.
    disk.session(|session| {
        session.act("me", "sign out", day(3), |book| {
            let account = book.account_mut(&account_id("two"))?;
            account.set_settings(Some(true), None);
            account.sign_out(&user_id("p"), day(3)).map(drop)
        })
    })
    .unwrap()
    .unwrap();
    let after = whole(disk.book().unwrap());
    let times = times_of(disk.book().unwrap()).unwrap();
    assert_eq!((times.created_at(), times.changed_at()), (day(2), day(3)));
    drop(disk);
    assert_eq!(whole(&look(&path).unwrap()), after);
    assert_eq!(format_of(&path), 4_u32.to_be_bytes());
}

#[test]
fn a_store_that_began_with_times_needs_no_day_of_its_form() {
    let (_folder, path) = place();
    let mut disk = DiskBook::open(&path).unwrap();
    disk.change(day(5), |book| {
        let account = book.open_account(&account_id("corp"), "Corp", StoreKind::Team, day(5))?;
        account.invite(&email("p@a.example"), None, user_id("p"), day(5)).map(drop)
    })
    .unwrap()
    .unwrap();
    disk.change(day(6), |book| book.account_mut(&account_id("corp"))?.invite_again(&user_id("p"), day(6)).map(drop))
        .unwrap()
        .unwrap();
    // What changes nothing dates nobody, nor does what became of the e-mail.
    disk.change(day(7), |book| book.account_mut(&account_id("corp"))?.set_mail(&user_id("p"), Mail::Sent).map(drop))
        .unwrap()
        .unwrap();
    drop(disk);
    let book = look(&path).unwrap();
    let user = book.account(&account_id("corp")).unwrap().user(&user_id("p")).unwrap();
    let times = user.times.unwrap();
    assert_eq!(
        (times.created_at(), times.changed_at()),
        (day(5), day(6)),
        "made once, whatever the last invitation says"
    );
    assert_eq!(user.mail(), Mail::Sent, "kept all the same");
    let database = Database::look(&path, CACHE_BYTES).unwrap();
    assert_eq!(database.tree("book").unwrap().get(b"t").unwrap(), None);
    drop(database);
    tamper(&path, b"t", Some(b""));
    assert!(matches!(look(&path), Err(StoreError::Damaged { message }) if message.contains("time of its format")));
}

/// The details of a user as format 2 wrote them, behind the user.
#[derive(Serialize)]
struct SecondDetails {
    shared_device: bool,
    display_name: Option<&'static str>,
    personal_pin: Option<&'static str>,
    telephony: [bool; 3],
    alexa_enabled: Option<bool>,
    alexa_room: Option<&'static str>,
    signed_out_at: Option<Timestamp>,
    mail: Mail,
}

#[test]
fn a_store_of_the_second_format_is_read_and_goes_on() {
    let (_folder, path) = place();
    write_first_format(&path);
    let user = FirstUser {
        id: "p",
        email: "P@a.example",
        licence: Some("Pro"),
        registration: Registration::Registered,
        invitation: Invitation::None,
        external: Some(ObjectGuid::from_u128(7)),
        invited_at: None,
        registered_at: Some(day(2)),
        invitations_sent: 0,
    };
    let details = SecondDetails {
        shared_device: false,
        display_name: Some("P"),
        personal_pin: Some("1"),
        telephony: [true, false, true],
        alexa_enabled: Some(true),
        alexa_room: Some("room"),
        signed_out_at: Some(day(2)),
        mail: Mail::Sent,
    };
    let bytes = [postcard::to_stdvec(&user).unwrap(), postcard::to_stdvec(&details).unwrap()].concat();
    let mut batch = Batch::new();
    batch.put(b"v", 2_u32.to_be_bytes());
    batch.put(b"u/two\0p", bytes);
    let database = Database::open(&path, CACHE_BYTES).unwrap();
    database.tree("book").unwrap().apply(&batch).unwrap();
    database.sync().unwrap();
    drop(database);
    let seen = look(&path).unwrap();
    let found = seen.account(&account_id("two")).unwrap().user(&user_id("p")).unwrap();
    let details = found.details();
    assert_eq!(
        (details.display_name.as_deref(), details.telephony, details.mail),
        (Some("P"), [true, false, true], Mail::Sent)
    );
    assert_eq!((found.user_name(), found.external_id()), ("P@a.example", Some(ObjectGuid::from_u128(7).to_string())));
    assert_eq!(found.provisioned(), Provisioned::default());
    // What a client says comes behind what was there.
    let mut disk = DiskBook::open(&path).unwrap();
    disk.session(|session| {
        session.act("client", "provision", day(3), |book| {
            let account = book.account_mut(&account_id("two"))?;
            let user = account.user(&user_id("p")).map(Provision::of).unwrap_or_default();
            account.provision(&user_id("p"), &Provision { user_name: Some("pp".to_owned()), ..user })?;
            account.alias(&Tier::new("Pro"), Some("known as"))
        })
    })
    .unwrap()
    .unwrap();
    let after = whole(disk.book().unwrap());
    drop(disk);
    let seen = look(&path).unwrap();
    assert_eq!(whole(&seen), after);
    let account = seen.account(&account_id("two")).unwrap();
    assert_eq!(account.by_user_name("PP").unwrap().details().personal_pin.as_deref(), Some("1"));
    assert_eq!(account.by_alias("known as"), Some(&Tier::new("Pro")));
    assert_eq!(format_of(&path), 4_u32.to_be_bytes());
}

/// The largest of everything.
fn fill_up(book: &mut Book) -> Result<(), Refusal> {
    let id = account_id(&"a".repeat(ACCOUNT_ID_BYTES_MAX));
    let account = book.open_account(&id, &"😀".repeat(NAME_CHARS_MAX), StoreKind::Team, Timestamp::MAX)?;
    for number in 0..LICENCES_MAX {
        account.support(&Tier::new(&format!("{number:0LICENCE_BYTES_MAX$}")))?;
    }
    let licence = account.profile().supported[0].clone();
    account.set_default_licence(&licence)?;
    let group = |number| format!("{number:0DELEGATE_GROUP_BYTES_MAX$}");
    account.add_delegate_groups(&(0..DELEGATE_GROUPS_MAX).map(group).collect::<Vec<_>>())?;
    account.set_settings(Some(true), Some(true));
    let user = user_id(&"u".repeat(USER_ID_BYTES_MAX));
    let address = email(&format!("{}@a.example", "e".repeat(244)));
    account.invite(&address, Some(ObjectGuid::from_u128(u128::MAX)), user.clone(), Timestamp::MAX)?;
    account.accept(&user, Timestamp::MAX)?;
    account.edit_details(&user, |details| {
        *details = UserDetails {
            shared_device: true,
            display_name: Some("😀".repeat(DISPLAY_NAME_CHARS_MAX)),
            personal_pin: Some("\u{1}".repeat(TEXT_BYTES_MAX)),
            telephony: [true; 3],
            alexa_enabled: Some(true),
            alexa_room: Some("\u{1}".repeat(TEXT_BYTES_MAX)),
            signed_out_at: Some(Timestamp::MAX),
            mail: Mail::Failed,
            ..UserDetails::default()
        }
    })?;
    account.alias(&licence, Some(&"l".repeat(PROVISIONED_BYTES_MAX)))?;
    let name = Some("😀".repeat(PROVISIONED_CHARS_MAX));
    let text = Some("u".repeat(PROVISIONED_BYTES_MAX));
    account.provision(
        &user,
        &Provision {
            user_name: text.clone(),
            external_id: text,
            given_name: name.clone(),
            family_name: name.clone(),
            formatted_name: name,
            display_name: Some("😀".repeat(DISPLAY_NAME_CHARS_MAX)),
        },
    )?;
    // The longest domain of which there can be an address like `someone@`.
    let domain = |letter: &str| format!("{}.example", letter.repeat(254 - "someone@.example".len()));
    for letter in ["d", "e"] {
        book.claim_domain(&id, &domain(letter), "t".repeat(100), Timestamp::MAX)?;
        book.verify_domain(&id, &domain(letter))?;
    }
    let account = book.account_mut(&id)?;
    account.release(&domain("d"), Timestamp::MAX)?;
    account.release(&domain("e"), Timestamp::MAX)?;
    book.claim_domain(&id, &domain("d"), "t".repeat(100), Timestamp::MAX)?;
    book.close_account(&id, Timestamp::MAX)?;
    book.ensure_link_secret(LinkSecret::new([255; 32]));
    Ok(())
}

#[test]
fn the_largest_of_everything_is_written_with_its_log() {
    let (_folder, path) = place();
    let mut disk = DiskBook::open(&path).unwrap();
    let by = "\u{1}".repeat(1_000);
    disk.session(|session| session.act(&by, &by, Timestamp::MAX, fill_up)).unwrap().unwrap();
    let before = whole(disk.book().unwrap());
    let log = disk.log_before(None, 100).unwrap();
    drop(disk);
    assert_eq!(whole(&look(&path).unwrap()), before);
    assert!(log.len() > 1, "told in several entries");
    assert_eq!(look_at_log(&path, None, 100).unwrap(), log);
}

#[test]
fn a_refusal_among_grants_leaves_only_the_grants() {
    let (_folder, path) = place();
    let mut disk = DiskBook::open(&path).unwrap();
    let id = account_id("corp");
    let answers = disk
        .session(|session| {
            let invite = |name: &'static str, then: fn(&mut Account) -> Result<(), Refusal>| {
                let id = id.clone();
                move |book: &mut Book| {
                    let account = book.account_mut(&id)?;
                    account.invite(&email(&format!("{name}@a.example")), None, user_id(name), day(0))?;
                    then(account)
                }
            };
            [
                session.act("me", "create", day(0), |book| book.create_account(&id, "Corp", day(0)).map(drop)),
                session.act("me", "invite", day(0), invite("a", |_| Ok(()))),
                session.act("me", "invite", day(0), invite("b", |account| account.set_name(""))),
                session.act("me", "nothing", day(0), |_| Ok(())),
                session.act("me", "rename", day(0), |book| {
                    let account = book.account_mut(&id)?;
                    account.rename(&[(user_id("a"), email("A@a.example"))]).remove(0)
                }),
            ]
        })
        .unwrap();
    assert_eq!(answers.map(|answer| answer.is_ok()), [true, true, false, true, true]);
    let before = whole(disk.book().unwrap());
    let log = disk.log_before(None, 10).unwrap();
    drop(disk);
    let book = look(&path).unwrap();
    assert_eq!(whole(&book), before);
    let users: Vec<&str> = book.account(&id).unwrap().users().map(|user| user.email.as_str()).collect();
    assert_eq!(users, ["A@a.example"], "also what changed in case alone");
    let operations: Vec<(u64, &str)> = log.iter().map(|(number, entry)| (*number, entry.operation.as_str())).collect();
    assert_eq!(operations, [(2, "rename"), (1, "invite"), (0, "create")]);
}

#[test]
fn the_log_is_numbered_without_gaps_and_read_by_the_page() {
    let (_folder, path) = place();
    let id = account_id("corp");
    let act = |session: &mut Session<'_>, number: usize| {
        let name = format!("name {number}");
        session
            .act("me", &name, day(0), |book| book.open_account(&id, "Corp", StoreKind::Team, day(0))?.set_name(&name))
    };
    for round in 0..3 {
        let mut disk = DiskBook::open(&path).unwrap();
        for write in 0..3 {
            let granted =
                disk.session(|session| [0, 1].map(|number| act(session, 6 * round + 2 * write + number).is_ok()));
            assert_eq!(granted.unwrap(), [true, true]);
            // A change without an entry, and one that is refused.
            disk.change(day(0), |book| book.account_mut(&id)?.set_name("between")).unwrap().unwrap();
            let refused =
                disk.session(|session| session.act("me", "x", day(0), |book| book.account_mut(&id)?.set_name("")));
            assert!(refused.unwrap().is_err());
        }
    }
    let numbers = |log: Vec<(u64, Entry)>| {
        log.into_iter()
            .map(|(number, entry)| {
                assert_eq!(entry.operation, format!("name {number}"));
                number
            })
            .collect::<Vec<_>>()
    };
    let mut disk = DiskBook::open(&path).unwrap();
    let mut read = |before, most| {
        let here = disk.log_before(before, most).unwrap();
        numbers(here)
    };
    assert_eq!(read(None, 100), (0..18).rev().collect::<Vec<_>>());
    assert_eq!(read(None, 2), [17, 16]);
    assert_eq!(read(Some(16), 3), [15, 14, 13]);
    assert_eq!(read(Some(2), usize::MAX), [1, 0]);
    assert_eq!(read(Some(u64::MAX), 1), [17]);
    assert_eq!((read(Some(0), 5), read(None, 0)), (vec![], vec![]));
    drop(disk);
    assert_eq!(numbers(look_at_log(&path, Some(5), 2).unwrap()), [4, 3]);
    assert_eq!(numbers(look_at_log(&path, None, 1).unwrap()), [17]);
}

/// Writes or removes a record behind the book's back.
fn tamper(path: &Path, key: &[u8], value: Option<&[u8]>) {
    let database = Database::open(path, CACHE_BYTES).unwrap();
    let mut batch = Batch::new();
    match value {
        Some(value) => batch.put(key, value),
        None => batch.remove(key),
    }
    database.tree("book").unwrap().apply(&batch).unwrap();
    database.sync().unwrap();
}

#[test]
fn a_log_with_a_hole_or_a_wrong_key_is_damage() {
    let key = |number: u64| [b"l/".as_slice(), &number.to_be_bytes()].concat();
    let odd = b"{}".as_slice();
    let cases = [
        (key(0), None, false),
        (key(0), Some(odd), false),
        (b"l/zz".to_vec(), Some(odd), true),
        (key(u64::MAX), Some(odd), true),
    ];
    for (key, value, refused) in cases {
        let (_folder, path) = place();
        let mut disk = DiskBook::open(&path).unwrap();
        for number in 0..2 {
            disk.session(|session| {
                session.act("me", "create", day(0), |book| {
                    book.create_account(&account_id(&format!("a{number}")), "x", day(0)).map(drop)
                })
            })
            .unwrap()
            .unwrap();
        }
        drop(disk);
        tamper(&path, &key, value);
        let error = look_at_log(&path, None, 10).unwrap_err();
        assert!(matches!(&error, StoreError::Damaged { message } if message.contains("its log")), "{error}");
        assert_eq!(DiskBook::open(&path).is_err(), refused, "who only needs the book can go on with a hole");
    }
}

#[test]
fn nothing_of_a_forgotten_account_stays_on_disk() {
    let (_folder, path) = place();
    let mut disk = DiskBook::open(&path).unwrap();
    disk.session(|session| session.act("me", "all", day(0), fill_up)).unwrap().unwrap();
    // Closed at the end of time, and that is long ago.
    disk.change(day(0), |book| {
        let id = account_id(&"a".repeat(ACCOUNT_ID_BYTES_MAX));
        book.reopen_account(&id, day(0))?;
        book.close_account(&id, day(0))
    })
    .unwrap()
    .unwrap();
    let mut pieces = 0;
    while disk
        .session(|session| {
            session.act("clock", "forget", day(91), |book| Ok::<bool, Refusal>(book.forget_closed(day(91), 2)))
        })
        .unwrap()
        .unwrap()
    {
        drop(disk);
        // As after a kill.
        disk = DiskBook::open(&path).unwrap();
        pieces += 1;
    }
    assert_eq!(pieces, 2, "a user and two domains");
    drop(disk);
    let table = Database::look(&path, CACHE_BYTES).unwrap().tree("book").unwrap();
    for prefix in [b"a/", b"c/", b"d/", b"u/"] {
        assert_eq!(table.scan_prefix(prefix).count(), 0, "{}", prefix.escape_ascii());
    }
}

/// A disk that fails when told to, after it has written or before.
#[derive(Default)]
struct Shaky {
    keeper: Keeper,
    fails: Option<bool>,
}

impl StoreDisk for Shaky {
    fn load(&mut self) -> Result<Book, StoreError> {
        Ok(self.keeper.restored())
    }

    fn write(&mut self, records: &[Record], _log: &[Entry]) -> Result<(), StoreError> {
        let fails = self.fails.take();
        if fails != Some(false) {
            records.iter().for_each(|record| self.keeper.write(record.clone()));
        }
        fails.map_or(Ok(()), |_| Err(StoreError::Disk { message: "full".to_owned() }))
    }

    fn log_before(&mut self, _before: Option<u64>, _most: usize) -> Result<Vec<(u64, Entry)>, StoreError> {
        Ok(Vec::new())
    }

    fn records_max(&self) -> usize {
        10
    }
}

#[test]
fn after_a_write_that_failed_the_book_is_what_the_disk_says() {
    for written in [false, true] {
        let mut disk = DiskBook::of(Shaky { fails: Some(written), ..Shaky::default() }).unwrap();
        let create = |name: &'static str| {
            move |session: &mut Session<'_>| {
                session
                    .act("me", "create", day(0), |book| book.create_account(&account_id(name), "x", day(0)).map(drop))
            }
        };
        assert!(disk.session(|session| (create("a")(session), create("b")(session))).is_err());
        let there = |book: &Book| book.accounts().map(|account| account.profile().id.to_string()).collect::<Vec<_>>();
        let expected: &[&str] = if written { &["a", "b"] } else { &[] };
        assert_eq!(there(disk.book().unwrap()), expected, "all or nothing");
        disk.session(create("c")).unwrap().unwrap();
        assert_eq!(there(disk.book().unwrap()), [expected, &["c"]].concat());
    }
}
