//! The laws of the local state: what is read back is what was written; damage is said; looking changes nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::codec::{Seal, decode, encode};
use super::*;
use crate::durable::{Batch, Database};
use crate::model::memory::ApprovedChange;
use crate::model::*;
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ACCOUNT: &str = "embedded corp";

fn settings(path: &Path) -> StateSettings {
    StateSettings { path: path.to_owned(), account: ACCOUNT.to_owned() }
}

fn open(path: &Path) -> LocalState {
    LocalState::open(settings(path), Access::Write).unwrap()
}

fn look(path: &Path) -> LocalState {
    LocalState::open(settings(path), Access::Look).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::new(1_800_000_000 + second, 123_456_789).unwrap()
}

fn guid(number: u8) -> ObjectGuid {
    ObjectGuid::from_u128(u128::from(number) << 64)
}

fn email(number: u8) -> Email {
    Email::parse(&format!("P{number}@corp.example")).unwrap()
}

fn seat(number: u8) -> Seat {
    match number % 5 {
        0 => Seat::Vacant,
        1 => Seat::Invited,
        2 => Seat::Active(Tier::new("pro")),
        3 => Seat::Active(Tier::new("plus")),
        _ => Seat::Suspended(Tier::new("plus")),
    }
}

fn holding(who: u8, salt: u8) -> Holding {
    Holding { id: UserId::new(&format!("u{who}-{salt}")), email: email(who), seat: seat(salt) }
}

fn intent(who: u8, salt: u8) -> Intent {
    Intent {
        pass: PassId::new(at(0), u16::from(salt)),
        at: at(i64::from(salt)),
        action: [Action::Invite, Action::Move, Action::Suspend, Action::Rename][usize::from(salt % 4)],
        guid: guid(who),
        account: salt.is_multiple_of(2).then(|| UserId::new("u")),
        email: email(who),
        from: seat(salt),
        to: seat(salt.wrapping_add(1)),
        because: "in Chime Pro via Engineering > Zürich".to_owned(),
        details: None,
    }
}

fn entry(who: u8, salt: u8) -> HistoryEntry {
    let Intent { pass, at, action, guid, account: _, email, from, to, because, details: _ } = intent(who, salt);
    let error = salt.is_multiple_of(3).then(|| "refused: no such domain".to_owned());
    HistoryEntry { at, pass, guid, email, action, from, to, because, error }
}

fn details(salt: u8) -> DetailsMark {
    let detail = Detail { name: "displayName".into(), value: format!("name {salt}").into() };
    Details::of(vec![detail]).unwrap().mark()
}

fn settlement(who: u8, salt: u8) -> Settlement {
    Settlement {
        guid: guid(who),
        fact: match salt % 4 {
            0 => Fact::Unchanged,
            1 => Fact::NoAccount,
            _ => Fact::Holds(holding(who, salt)),
        },
        closes_intent: salt % 3 != 1,
        entry: (!salt.is_multiple_of(5)).then(|| entry(who, salt)),
        details: match salt % 7 {
            0 => Shown::Unknown,
            1..=3 => Shown::AsBefore,
            _ => Shown::Took(details(salt)),
        },
    }
}

fn record(salt: u8) -> PassRecord {
    PassRecord {
        id: PassId::new(at(i64::from(salt)), u16::from(salt)),
        at: at(i64::from(salt)),
        took_ms: u64::from(salt) * 1_000_003,
        result: [PassResult::InSync, PassResult::Held, PassResult::Failed][usize::from(salt % 3)],
        reason: (salt % 2 == 1).then(|| "the directory did not answer".to_owned()),
        counts: Counts { people: usize::from(salt), ..Counts::default() },
    }
}

fn group(members: u32, salt: u8) -> RememberedGroup {
    let members = (0..members).map(|member| ObjectGuid::from_u128(u128::from(member) << 8 | u128::from(salt)));
    RememberedGroup { guid: guid(salt), name: format!("Group {salt}"), members: Arc::new(members.collect()) }
}

fn approval(salt: u8) -> Approval {
    let change = |who| ApprovedChange {
        guid: guid(who),
        action: Action::Suspend,
        from: seat(2),
        to: seat(4),
        account: Some(UserId::new("u")),
        email: Email::parse(&format!("u{who}@corp.example")).unwrap(),
        because: format!("reason {}", who % 3),
    };
    Approval {
        hash: format!("hash{}", salt % 3),
        changes: (0..salt % 7).map(change).collect(),
        by: format!("root {salt}"),
        at: at(i64::from(salt)),
        expires: at(86_400),
    }
}

/// A closing whose parts are there or not by the bits of `mask`.
fn closing(salt: u8, mask: u8) -> Closing {
    let part = |bit: u8| mask & (1 << bit) != 0;
    let groups = || (0..salt % 4).map(|n| (GroupRef::new(&format!("CN=G{n}")), group(u32::from(salt), n))).collect();
    let held = || HeldNote { hash: format!("h{salt}"), losses: 7, gains: 0, since: at(3) };
    Closing {
        record: record(salt),
        good: part(0).then(|| at(i64::from(salt))),
        whole: part(5),
        groups: part(1).then(groups),
        absent: part(2).then(|| (0..salt % 9).map(|who| (guid(who), at(i64::from(salt % 2)))).collect()),
        approvals: part(3).then(|| (0..salt % 3).map(approval).collect()),
        held: part(4).then(|| salt.is_multiple_of(2).then(held)),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Begin(Vec<(u8, u8)>),
    Settle(Vec<(u8, u8)>),
    Finish(u8, u8),
    Approve(u8),
    Reopen,
    Look,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let people = || prop::collection::vec((0..10_u8, any::<u8>()), 0..8);
    let step = prop_oneof![
        3 => people().prop_map(Step::Begin),
        4 => people().prop_map(Step::Settle),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(salt, mask)| Step::Finish(salt, mask)),
        1 => any::<u8>().prop_map(Step::Approve),
        2 => Just(Step::Reopen),
        1 => Just(Step::Look),
    ];
    prop::collection::vec(step, 1..24)
}

/// One settlement a person, as the trait wants it.
fn once_each<T>(people: &[(u8, u8)], make: impl Fn(u8, u8) -> T) -> Vec<T> {
    let last: BTreeMap<u8, u8> = people.iter().copied().collect();
    last.into_iter().map(|(who, salt)| make(who, salt)).collect()
}

fn now<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_back_is_what_was_written(steps in steps()) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state");
        let (mut memory, mut history) = (Memory::empty(Origin::Fresh), Vec::new());
        let mut state = open(&path);
        for step in steps {
            match step {
                Step::Begin(people) => {
                    let intents = once_each(&people, intent);
                    now(state.begin(&intents)).unwrap();
                    begun(&mut memory, intents);
                }
                Step::Settle(people) => {
                    let settlements = once_each(&people, settlement);
                    now(state.settle(&settlements)).unwrap();
                    settled(&mut memory, &settlements);
                    history.extend(settlements.into_iter().filter_map(|settlement| settlement.entry));
                }
                Step::Finish(salt, mask) => {
                    now(state.finish(&closing(salt, mask).into())).unwrap();
                    finished(&mut memory, closing(salt, mask));
                }
                Step::Approve(salt) => {
                    now(state.approve(&approval(salt))).unwrap();
                    approved(&mut memory, approval(salt));
                }
                Step::Reopen => {
                    drop(state);
                    state = open(&path);
                }
                Step::Look => {
                    drop(state);
                    let before = listing(home.path());
                    let mut looking = look(&path);
                    prop_assert_eq!(&now(looking.load()).unwrap(), &memory);
                    prop_assert!(now(looking.begin(&[intent(1, 1)])).is_err());
                    drop(looking);
                    prop_assert_eq!(listing(home.path()), before);
                    state = open(&path);
                }
            }
            prop_assert_eq!(&now(state.load()).unwrap(), &memory);
        }
        prop_assert_eq!(&now(state.history(None, usize::MAX)).unwrap(), &history);
        let of_three: Vec<_> = history.iter().filter(|entry| entry.guid == guid(3)).cloned().collect();
        let newest = &of_three[of_three.len().saturating_sub(2)..];
        prop_assert_eq!(now(state.history(Some(guid(3)), 2)).unwrap(), newest);
    }
}

/// Every file below, with its bytes.
fn listing(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(listing(&path).into_iter().chain([(path, Vec::new())])),
            false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
    found
}

/// The account's records, past the room.
fn records(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let database = Database::look(path, 8 << 20).unwrap();
    database.tree(&format!("account/{ACCOUNT}")).unwrap().scan_prefix(b"").collect::<Result<_, _>>().unwrap()
}

/// A state with some of everything.
async fn lived_in(path: &Path) -> Memory {
    let mut state = open(path);
    for round in 0..8 {
        state.begin(&(0..30).map(|who| intent(who, round)).collect::<Vec<_>>()).await.unwrap();
        state.settle(&(0..30).map(|who| settlement(who, who.wrapping_add(round))).collect::<Vec<_>>()).await.unwrap();
        state
            .finish(&Closing { groups: Some(large_groups(u32::from(round))), ..closing(round, 0xFF) }.into())
            .await
            .unwrap();
    }
    state.load().await.unwrap()
}

fn large_groups(salt: u32) -> BTreeMap<GroupRef, RememberedGroup> {
    let groups = [("CN=Large", group(20_000 + salt, 1)), ("CN=Small", group(3, 2)), ("CN=Empty", group(0, 3))];
    groups.into_iter().map(|(name, group)| (GroupRef::new(name), group)).collect()
}

#[tokio::test]
async fn a_group_of_twenty_thousand_is_replaced_without_remains() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    let memory = lived_in(&path).await;
    assert_eq!(memory.groups, large_groups(7));
    let pieces = |path: &Path| records(path).keys().filter(|key| key.starts_with(b"d/")).count();
    let after_eight = pieces(&path);
    let mut state = open(&path);
    state.finish(&Closing { groups: Some(large_groups(8)), ..closing(1, 0) }.into()).await.unwrap();
    drop(state);
    assert_eq!(pieces(&path), after_eight, "the old pieces went as the new came");
    assert!(records(&path).values().all(|value| value.len() <= 4096));
    let mut state = open(&path);
    state.finish(&Closing { groups: Some(BTreeMap::new()), ..closing(1, 0) }.into()).await.unwrap();
    assert_eq!(state.load().await.unwrap().groups, BTreeMap::new());
    drop(state);
    assert!(pieces(&path) <= 3, "index, absent, approvals");
}

#[tokio::test]
async fn a_pass_in_sync_writes_its_record_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    let same = Closing { groups: Some(large_groups(1)), ..closing(8, 0xFF) };
    let mut state = open(&path);
    state.finish(&same.clone().into()).await.unwrap();
    drop(state);
    let before = records(&path);
    let mut state = open(&path);
    state.finish(&same.clone().into()).await.unwrap();
    drop(state);
    let after = records(&path);
    let changed: Vec<_> = after.iter().filter(|(key, value)| before.get(*key) != Some(value)).collect();
    assert_eq!(changed.len(), 2, "{changed:?}");
    assert!(changed[0].0.starts_with(b"p/") && changed[1].0 == b"z", "and the seal over it");
    assert_eq!(after.len(), before.len() + 1);
}

#[tokio::test]
async fn the_latest_hundred_passes_are_kept() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    let mut state = open(&path);
    let mut memory = Memory::empty(Origin::Fresh);
    for salt in 0..130 {
        state.finish(&closing(salt, 0).into()).await.unwrap();
        finished(&mut memory, closing(salt, 0));
    }
    drop(state);
    let mut state = open(&path);
    let expected: Vec<_> = (30..130).map(record).collect();
    assert_eq!(state.load().await.unwrap().passes, expected);
    assert_eq!(memory.passes, expected);
}

#[tokio::test]
async fn an_account_is_fresh_until_a_good_pass() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    let mut state = open(&path);
    state.settle(&[settlement(1, 2)]).await.unwrap();
    state.finish(&closing(1, 0b11110).into()).await.unwrap();
    drop(state);
    let mut state = open(&path);
    assert_eq!(state.load().await.unwrap().origin, Origin::Fresh);
    state.finish(&closing(2, 0b100_001).into()).await.unwrap();
    assert_eq!(state.load().await.unwrap().origin, Origin::Known);
}

#[tokio::test]
async fn another_account_begins_empty_and_neither_loses_anything() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    let mine = lived_in(&path).await;
    let other = StateSettings { account: "embedded other".into(), ..settings(&path) };
    let mut state = LocalState::open(other.clone(), Access::Look).unwrap();
    assert_eq!(state.load().await.unwrap(), Memory::empty(Origin::Fresh));
    let mut state = LocalState::open(other, Access::Write).unwrap();
    assert_eq!(state.load().await.unwrap(), Memory::empty(Origin::Fresh));
    state.settle(&[settlement(1, 2)]).await.unwrap();
    drop(state);
    assert_eq!(open(&path).load().await.unwrap(), mine);
}

#[tokio::test]
async fn the_second_to_open_is_told_so() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    let state = open(&path);
    for access in [Access::Write, Access::Look] {
        let Err(StateError::InUse { message }) = LocalState::open(settings(&path), access) else {
            panic!("both have it")
        };
        assert!(message.contains("in use by process") && message.contains("state"), "{message}");
    }
    drop(state);
    drop(open(&path));
}

#[tokio::test]
async fn looking_at_nothing_makes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("deep/state");
    let mut state = look(&path);
    assert_eq!(state.load().await.unwrap(), Memory::empty(Origin::Fresh));
    assert_eq!(state.history(None, 9).await.unwrap(), []);
    assert!(matches!(state.approve(&approval(1)).await, Err(StateError::Disk { .. })));
    assert!(matches!(state.finish(&closing(1, 1).into()).await, Err(StateError::Disk { .. })));
    assert_eq!(listing(home.path()), BTreeMap::new());
}

#[tokio::test]
async fn the_records_of_a_newer_program_are_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    lived_in(&path).await;
    let database = Database::open(&path, 8 << 20).unwrap();
    let mut batch = Batch::new();
    batch.put(b"v", 4_u32.to_be_bytes());
    database.tree(&format!("account/{ACCOUNT}")).unwrap().apply(&batch).unwrap();
    database.sync().unwrap();
    drop(database);
    let before = records(&path);
    for access in [Access::Write, Access::Look] {
        let refused = LocalState::open(settings(&path), access);
        assert!(matches!(refused, Err(StateError::TooNew { message }) if message.contains("format 4")));
    }
    assert_eq!(records(&path), before);
}

/// Writes and removes records past the seal, each of them whole.
fn tamper(path: &Path, change: impl FnOnce(&mut Batch, &BTreeMap<Vec<u8>, Vec<u8>>)) {
    let found = records(path);
    let database = Database::open(path, 8 << 20).unwrap();
    let mut batch = Batch::new();
    change(&mut batch, &found);
    database.tree(&format!("account/{ACCOUNT}")).unwrap().apply(&batch).unwrap();
}

#[tokio::test]
async fn a_state_of_the_first_format_is_read_and_sealed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    let memory = lived_in(&path).await;
    tamper(&path, |batch, _| {
        batch.put(b"v", 1_u32.to_be_bytes());
        batch.remove(b"z");
    });
    assert_eq!(look(&path).load().await.unwrap(), memory);
    assert_eq!(records(&path).get(&b"z"[..]), None, "looking changes nothing");
    assert_eq!(open(&path).load().await.unwrap(), memory);
    assert_eq!(records(&path)[&b"v"[..]], 3_u32.to_be_bytes());
    assert_eq!(open(&path).load().await.unwrap(), memory, "the seal is right");
}

#[tokio::test]
async fn a_state_without_details_is_read_and_gets_them() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    let known = |details| Settlement { details, entry: None, ..settlement(1, 2) };
    open(&path).settle(&[known(Shown::AsBefore)]).await.unwrap();
    tamper(&path, |batch, found| {
        let (now, then) = (3_u32.to_be_bytes(), 2_u32.to_be_bytes());
        let mut seal: Seal = decode(&found[&b"z"[..]]).unwrap();
        seal.tally.take(b"v", &now);
        seal.tally.add(b"v", &then);
        batch.put(b"v", then);
        batch.put(b"z", encode(&seal).unwrap());
    });
    assert_eq!(look(&path).load().await.unwrap().snapshot.len(), 1);
    assert_eq!(records(&path)[&b"v"[..]], 2_u32.to_be_bytes(), "looking changes nothing");
    let mut state = open(&path);
    assert_eq!(state.load().await.unwrap().snapshot.len(), 1);
    state.settle(&[known(Shown::Took(details(1)))]).await.unwrap();
    drop(state);
    assert_eq!(records(&path)[&b"v"[..]], 3_u32.to_be_bytes());
    assert_eq!(open(&path).load().await.unwrap().details, HashMap::from([(guid(1), details(1))]));
}

/// What sled may make of a file that was cut or damaged: fewer records, or older ones, all of them whole.
#[tokio::test]
async fn a_record_that_is_gone_or_older_is_damage() {
    let home = tempfile::tempdir().unwrap();
    let sound = home.path().join("sound");
    lived_in(&sound).await;
    let rooms: [&[u8]; 8] = [b"s/", b"n/", b"j/", b"p/", b"d/", b"r", b"z", b"h/"];
    for room in rooms {
        for older in [false, true] {
            let path = home.path().join(format!("state-{}-{older}", room.escape_ascii()).replace('/', ""));
            fs::create_dir(&path).unwrap();
            for (file, bytes) in listing(&sound).iter().filter(|(file, _)| file.is_file()) {
                fs::write(path.join(file.file_name().unwrap()), bytes).unwrap();
            }
            if older && room == b"h/" {
                // A line of the history is never written again.
                continue;
            }
            tamper(&path, |batch, found| {
                // The last one, which for the history is the one that may be missed.
                let (key, value) = found.iter().rfind(|(key, _)| key.starts_with(room)).unwrap();
                match older {
                    true => batch.put(key.clone(), value.iter().map(|byte| byte ^ 1).collect::<Vec<_>>()),
                    false => batch.remove(key.clone()),
                }
            });
            let loaded = look(&path).load().await.unwrap();
            assert!(matches!(loaded.origin, Origin::Rebuilt(_)), "{} {older}", room.escape_ascii());
            let loaded = open(&path).load().await.unwrap();
            assert!(matches!(loaded.origin, Origin::Rebuilt(_)), "{} {older}", room.escape_ascii());
        }
    }
}

#[tokio::test]
async fn a_table_that_has_missed_the_last_sync_is_damage_unless_it_was_another_accounts() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    let memory = lived_in(&path).await;
    let early = records(&path);
    open(&path).settle(&[settlement(1, 2)]).await.unwrap();
    let late = open(&path).load().await.unwrap();
    // Another account is the last to write.
    let other = StateSettings { account: "embedded other".into(), ..settings(&path) };
    let mut state = LocalState::open(other, Access::Write).unwrap();
    state.settle(&[settlement(1, 2)]).await.unwrap();
    drop(state);
    assert_eq!(open(&path).load().await.unwrap(), late);
    open(&path).settle(&[settlement(2, 3)]).await.unwrap();
    // All of it as it was some syncs ago, the seal too: sound in itself.
    tamper(&path, |batch, now| {
        now.keys().filter(|key| !early.contains_key(*key)).for_each(|key| batch.remove(key.clone()));
        early.iter().for_each(|(key, value)| batch.put(key.clone(), value.clone()));
    });
    let Origin::Rebuilt(why) = look(&path).load().await.unwrap().origin else { panic!("took an old state") };
    assert!(why.contains("of sync") && !memory.snapshot.is_empty(), "{why}");
}

#[tokio::test]
async fn a_settlement_above_the_limit_is_refused_whole() {
    let home = tempfile::tempdir().unwrap();
    let mut state = open(&home.path().join("state"));
    let of = |number: usize| Settlement { guid: ObjectGuid::from_u128(number as u128), ..settlement(1, 2) };
    let most: Vec<_> = (0..=SETTLE_MAX).map(of).collect();
    assert!(matches!(state.settle(&most).await, Err(StateError::Disk { .. })));
    assert_eq!(state.load().await.unwrap().snapshot.len(), 0);
    state.settle(&most[..SETTLE_MAX]).await.unwrap();
    assert_eq!(state.load().await.unwrap().snapshot.len(), SETTLE_MAX);
    assert_eq!(state.history(None, usize::MAX).await.unwrap().len(), SETTLE_MAX);
    // All that a settlement may bring for each of them, and all that it may take away again.
    state
        .begin(&(0..SETTLE_MAX).map(|number| Intent { guid: most[number].guid, ..intent(1, 2) }).collect::<Vec<_>>())
        .await
        .unwrap();
    for details in [Shown::Took(details(1)), Shown::Unknown] {
        let full =
            |one: &Settlement| Settlement { details, closes_intent: true, entry: Some(entry(1, 2)), ..one.clone() };
        state.settle(&most[..SETTLE_MAX].iter().map(full).collect::<Vec<_>>()).await.unwrap();
        let taken = if details == Shown::Unknown { 0 } else { SETTLE_MAX };
        assert_eq!(state.load().await.unwrap().details.len(), taken);
    }
}

#[tokio::test]
async fn a_page_long_refusal_is_cut() {
    let home = tempfile::tempdir().unwrap();
    let mut state = open(&home.path().join("state"));
    let entry = HistoryEntry { error: Some("<html>".repeat(100_000)), ..entry(1, 3) };
    state.settle(&[Settlement { entry: Some(entry), ..settlement(1, 2) }]).await.unwrap();
    let history = state.history(None, 1).await.unwrap();
    assert_eq!(history[0].error.as_ref().map(String::len), Some(1024));
    let mut memory = state.load().await.unwrap();
    let intents = vec![Intent { because: "in ".repeat(100_000), ..intent(2, 4) }];
    state.begin(&intents).await.unwrap();
    begun(&mut memory, intents);
    let failed = || Closing { record: PassRecord { reason: Some("x".repeat(100_000)), ..record(1) }, ..closing(1, 0) };
    state.finish(&failed().into()).await.unwrap();
    finished(&mut memory, failed());
    assert_eq!(state.load().await.unwrap(), memory);
}

/// Writes past the checks, as a failing disk would.
fn spoil(path: &Path, key: &[u8]) {
    // sled lets go of a folder in a thread of its own, some time after it was dropped.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let sled = loop {
        match sled::Config::new().path(path).flush_every_ms(None).open() {
            Ok(sled) => break sled,
            Err(error) => assert!(std::time::Instant::now() < until, "{error}"),
        }
    };
    sled.open_tree(format!("account/{ACCOUNT}")).unwrap().insert(key, b"\x01\x00\x00\x00\x00spoilt").unwrap();
    sled.flush().unwrap();
}

/// The one folder set aside beside `path`.
fn aside(path: &Path) -> Option<PathBuf> {
    let beside = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    beside.into_iter().find(|found| found.file_name().unwrap().to_str().unwrap().starts_with("state.corrupt-2"))
}

#[tokio::test]
async fn a_spoilt_record_sets_the_state_aside_until_a_good_pass() {
    for key in [
        &b"v"[..],
        b"r",
        b"z",
        b"s/0123456789abcdef",
        b"j/0123456789abcdef",
        b"s/short",
        b"p/\xff\xff\xff\xff\xff\xff\xff\xf0",
    ] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state");
        lived_in(&path).await;
        spoil(&path, key);
        let before = listing(home.path());
        let looked = look(&path).load().await.unwrap();
        assert!(matches!(&looked.origin, Origin::Rebuilt(why) if why.contains("damaged")), "{:?}", looked.origin);
        assert_eq!(looked, Memory::empty(looked.origin.clone()));
        assert_eq!(listing(home.path()), before, "looking set nothing aside");
        let Origin::Rebuilt(why) = &looked.origin else { panic!("{:?}", looked.origin) };
        assert!(!why.contains("has been set aside"), "{why}");

        let mut state = open(&path);
        let rebuilt = state.load().await.unwrap();
        let aside = aside(&path).expect("set aside");
        let Origin::Rebuilt(why) = &rebuilt.origin else { panic!("{:?}", rebuilt.origin) };
        assert!(why.contains(aside.file_name().unwrap().to_str().unwrap()), "{why}");
        assert!(rebuilt.snapshot.is_empty() && rebuilt.open.is_empty());

        state.settle(&[settlement(1, 2)]).await.unwrap();
        state.finish(&closing(1, 0b11110).into()).await.unwrap();
        drop(state);
        let mut state = open(&path);
        assert_eq!(state.load().await.unwrap().origin, rebuilt.origin, "a pass that was not whole changes nothing");
        state.finish(&closing(1, 0b100_001).into()).await.unwrap();
        drop(state);
        assert_eq!(open(&path).load().await.unwrap().origin, Origin::Known);
    }
}

#[tokio::test]
async fn looking_at_damage_gives_an_error_and_not_an_empty_history() {
    for file in ["db", "conf"] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state");
        lived_in(&path).await;
        let length = fs::metadata(path.join(file)).unwrap().len();
        fs::write(path.join(file), vec![0x5a; usize::try_from(length).unwrap()]).unwrap();
        let mut state = look(&path);
        for who in [None, Some(guid(1))] {
            let Err(StateError::Disk { message }) = state.history(who, 9).await else {
                panic!("no history is an answer")
            };
            let place = format!("the history cannot be read: the state in {} is damaged", path.display());
            assert!(message.starts_with(&place), "{message}");
            assert!(message.ends_with("The folder that it sets aside keeps the old history"), "{message}");
            assert!(message.contains("the next sync sets it aside"), "{message}");
            assert!(!message.contains("seatsync-look") && !message.contains("has been set aside"), "{message}");
        }
        let Origin::Rebuilt(why) = state.load().await.unwrap().origin else { panic!("damage not seen") };
        assert!(!why.contains("seatsync-look") && !why.contains("has been set aside"), "{why}");
        assert!(aside(&path).is_none());
    }
}

#[tokio::test]
async fn a_state_from_a_backup_says_so_and_how_to_go_on_with_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    let memory = lived_in(&path).await;
    let backup = listing(&path);
    let mut state = open(&path);
    state.finish(&closing(1, 0xFF).into()).await.unwrap();
    state.finish(&closing(2, 0xFF).into()).await.unwrap();
    drop(state);
    fs::remove_dir_all(&path).unwrap();
    fs::create_dir(&path).unwrap();
    for (file, bytes) in backup.iter().filter(|(_, bytes)| !bytes.is_empty()) {
        fs::write(file, bytes).unwrap();
    }
    let lock = path.with_extension("lock");
    let way = format!("remove {} and run `seatsync sync --audit`", lock.display());
    let Origin::Rebuilt(seen) = look(&path).load().await.unwrap().origin else { panic!("took an old state") };
    assert!(seen.contains("is older than what was last written (restored from a backup?)"), "{seen}");
    assert!(seen.contains(&format!("If that is on purpose, {way}; else the next sync sets it aside")), "{seen}");

    let Origin::Rebuilt(why) = open(&path).load().await.unwrap().origin else { panic!("took an old state") };
    let aside = aside(&path).expect("set aside");
    assert!(why.contains("is older than what was last written (restored from a backup?)"), "{why}");
    assert!(why.contains(&format!("set aside as {}", aside.canonicalize().unwrap().display())), "{why}");
    assert!(why.contains(&format!("put it back in place of {}, {way}", path.display())), "{why}");
    assert!(!why.contains("damaged"), "{why}");
    // Done as it says.
    fs::remove_dir_all(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    fs::remove_file(&lock).unwrap();
    assert_eq!(open(&path).load().await.unwrap(), memory);
}

#[tokio::test]
async fn a_spoilt_line_of_history_costs_only_the_history() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    let memory = lived_in(&path).await;
    spoil(&path, b"h/\x00\x00\x00\x00\x00\x00\x00\x01");
    let mut state = open(&path);
    assert!(matches!(state.history(None, usize::MAX).await, Err(StateError::Disk { .. })));
    assert_eq!(state.history(None, 5).await.unwrap().len(), 5);
    state.settle(&[]).await.unwrap();
    assert_eq!(state.load().await.unwrap(), memory);
}

#[tokio::test]
async fn whatever_happens_to_the_file_the_state_opens() {
    let home = tempfile::tempdir().unwrap();
    let sound = home.path().join("sound");
    let memory = lived_in(&sound).await;
    let mut rebuilt = 0;
    for number in 0..24_usize {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state");
        fs::create_dir(&path).unwrap();
        fs::copy(sound.with_extension("lock"), path.with_extension("lock")).unwrap();
        for (file, bytes) in listing(&sound).iter().filter(|(file, _)| file.is_file()) {
            fs::write(path.join(file.file_name().unwrap()), bytes).unwrap();
        }
        let mut bytes = fs::read(path.join("db")).unwrap();
        match number % 3 {
            0 => bytes.truncate(bytes.len() * number / 24),
            1 => (0..20).for_each(|flip| {
                let index = (number * 1_000_003 + flip * 7_777_777) % bytes.len();
                bytes[index] ^= 0x81;
            }),
            _ => fs::write(path.join("snap.7FFFFFFFFFFFFFFF.generating"), vec![0xEE; number]).unwrap(),
        }
        fs::write(path.join("db"), bytes).unwrap();
        let before = listing(home.path());
        let looked = look(&path).load().await.unwrap();
        assert_eq!(listing(home.path()), before);
        let mut state = open(&path);
        let loaded = state.load().await.unwrap();
        // Writing asks more of the tree than reading: it may meet damage beside which all that is remembered was legible.
        match &looked.origin {
            Origin::Known => assert_eq!(looked, memory, "case {number}"),
            found => {
                assert!(matches!(loaded.origin, Origin::Rebuilt(_)), "case {number}: looked {found:?}, loaded whole")
            }
        }
        match &loaded.origin {
            Origin::Rebuilt(why) => {
                assert!(aside(&path).is_some() && why.contains("set aside as"), "case {number}: {why}");
                assert_ne!(number % 3, 2, "a half snapshot is no damage: {why}");
                rebuilt += 1;
            }
            Origin::Known => assert_eq!(loaded, memory, "case {number}"),
            Origin::Fresh => panic!("case {number}: forgot everything without a word"),
        }
        state.settle(&[settlement(1, 2)]).await.unwrap();
    }
    assert!(rebuilt >= 8, "only {rebuilt} cases were damage");
}

#[tokio::test]
async fn the_folder_is_usable_again_after_damage_met_while_open() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    lived_in(&path).await;
    let mut state = open(&path);
    state.load().await.unwrap();
    // A record that sled finds whole and we do not, written under the open handle.
    let mut batch = Batch::new();
    batch.put(b"s/short", b"?");
    state.with_database(|database| database.tree(&format!("account/{ACCOUNT}")).unwrap().apply(&batch).unwrap());
    assert!(matches!(state.load().await.unwrap().origin, Origin::Rebuilt(_)));
    state.begin(&[intent(1, 1)]).await.unwrap();
    assert_eq!(state.load().await.unwrap().open, [intent(1, 1)]);
}

/// A command asks a running daemon for the history while a pass has the state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_and_memory_can_be_read_while_a_pass_writes() {
    fn usable_anywhere<T: Clone + Send + Sync + 'static>(reader: T) -> T {
        reader
    }
    const BATCHES: u8 = 20;
    let folder = tempfile::tempdir().unwrap();
    let mut state = open(&folder.path().join("state"));
    let reader = usable_anywhere(state.reader());
    assert_eq!(reader.history(None, 1_000).await.unwrap(), []);
    assert_eq!(reader.memory().await.unwrap().origin, Origin::Fresh);

    let intents: Vec<Intent> = (0..BATCHES).map(|who| intent(who, 1)).collect();
    state.begin(&intents).await.unwrap();
    let pass = async {
        for who in 0..BATCHES {
            state.settle(&[Settlement { entry: Some(entry(who, 1)), ..settlement(who, 3) }]).await.unwrap();
        }
    };
    // One task reads as fast as it can, for as long as the other writes: each has its turn.
    let reading = tokio::spawn({
        let reader = reader.clone();
        async move {
            let mut seen = vec![0];
            while seen.last() != Some(&usize::from(BATCHES)) {
                seen.push(reader.history(None, 1_000).await.unwrap().len());
                let memory = reader.memory().await.unwrap();
                assert_eq!(
                    memory.open.len() + memory.snapshot.len(),
                    usize::from(BATCHES),
                    "all of a write, or nothing"
                );
            }
            seen
        }
    });
    pass.await;
    let seen = tokio::time::timeout(std::time::Duration::from_secs(60), reading).await.unwrap().unwrap();
    assert!(seen.is_sorted(), "{seen:?}");
    assert!(seen.iter().any(|lines| (1..usize::from(BATCHES)).contains(lines)), "nothing was read meanwhile: {seen:?}");

    assert_eq!(reader.history(Some(guid(3)), 5).await.unwrap(), [entry(3, 1)]);
    assert_eq!(reader.memory().await.unwrap(), state.load().await.unwrap());
    // The folder stays closed to others for as long as somebody can read.
    drop(state);
    assert!(matches!(
        LocalState::open(settings(&folder.path().join("state")), Access::Write),
        Err(StateError::InUse { .. })
    ));
    drop(reader);
    assert!(LocalState::open(settings(&folder.path().join("state")), Access::Write).is_ok());
}
