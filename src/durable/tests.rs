//! The laws of the room: what is synced is there, what is damaged is said, and nothing is made by looking.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const CACHE_BYTES: u64 = 8 << 20;

fn open(path: &Path) -> Database {
    Database::open(path, CACHE_BYTES).unwrap()
}

fn everything(database: &Database, table: &str) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, DurableError> {
    database.tree(table)?.scan_prefix(b"").collect()
}

/// Writes `batches` batches of ten records and syncs after each.
fn filled(path: &Path, batches: u32) {
    let database = open(path);
    let table = database.tree("t").unwrap();
    for number in 0..batches {
        let mut batch = Batch::new();
        for index in 0..10_u32 {
            batch.put([number.to_be_bytes(), index.to_be_bytes()].concat(), vec![number as u8; 100]);
        }
        table.apply(&batch).unwrap();
        database.sync().unwrap();
    }
}

/// Every file below, with its length and bytes.
fn listing(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.insert(path.clone(), Vec::new());
            found.extend(listing(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn what_was_applied_is_there_after_reopening() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("deep/state");
    assert!(!Database::exists(&path).unwrap());
    {
        let database = open(&path);
        let table = database.tree("t").unwrap();
        let mut batch = Batch::new();
        batch.put(b"a/1", b"one");
        batch.put(b"a/2", b"two");
        batch.put(b"b/1", Vec::new());
        batch.remove(b"a/1");
        table.apply(&batch).unwrap();
        database.sync().unwrap();
    }
    assert!(Database::exists(&path).unwrap());
    let database = open(&path);
    let table = database.tree("t").unwrap();
    assert_eq!(table.get(b"a/1").unwrap(), None);
    assert_eq!(table.get(b"b/1").unwrap(), Some(Vec::new()));
    let scanned: Vec<Record> = table.scan_prefix(b"a/").collect::<Result<_, _>>().unwrap();
    assert_eq!(scanned, [(b"a/2".to_vec(), b"two".to_vec())]);
    assert_eq!(table.scan_prefix(b"").next_back().unwrap().unwrap().0, b"b/1");
    assert_eq!(everything(&database, "other").unwrap(), BTreeMap::new());
}

#[test]
fn the_folder_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    let database = open(&path);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&home.path().join("state.lock")), 0o600);
    drop(database);
}

#[test]
fn a_second_opener_is_told_who_has_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    let first = open(&path);
    let link = home.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for name in [&path, &link] {
        for second in [Database::open(name, CACHE_BYTES), Database::look(name, CACHE_BYTES)] {
            let Err(DurableError::InUse { message }) = second else { panic!("two have it") };
            assert!(message.contains(&std::process::id().to_string()) && message.contains("state"), "{message}");
        }
    }
    drop(first);
    drop(open(&path));
}

#[test]
fn a_table_holds_the_lock_as_long_as_it_lives() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    let table = open(&path).tree("t").unwrap();
    assert!(matches!(Database::open(&path, CACHE_BYTES), Err(DurableError::InUse { .. })));
    drop(table);
    drop(open(&path));
}

#[test]
fn batches_have_limits_and_nothing_of_an_oversized_one_is_written() {
    let home = tempfile::tempdir().unwrap();
    let database = open(&home.path().join("state"));
    let table = database.tree("t").unwrap();
    let mut many = Batch::new();
    (0..=BATCH_MAX as u32).for_each(|key| many.put(key.to_be_bytes(), b"x"));
    let mut large = Batch::new();
    large.put(b"small", b"x");
    large.put(b"large", vec![0; VALUE_BYTES_MAX + 1]);
    let mut long = Batch::new();
    long.put(vec![0; KEY_BYTES_MAX + 1], b"x");
    for batch in [many, large, long] {
        assert!(matches!(table.apply(&batch), Err(DurableError::Disk { .. })));
    }
    assert_eq!(everything(&database, "t").unwrap().len(), 0);
    assert!(!database.has_failed(), "a mistake in a batch does not cost the database");
    let mut most = Batch::new();
    most.put(vec![1; KEY_BYTES_MAX], vec![7; VALUE_BYTES_MAX]);
    table.apply(&most).unwrap();
}

#[test]
fn a_half_written_snapshot_does_not_lock_us_out() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    filled(&path, 20);
    for name in ["snap.0000000000000000.generating", "snap.00000000FFFFFFFF.generating"] {
        fs::write(path.join(name), b"half a snapsh").unwrap();
    }
    assert_eq!(everything(&Database::look(&path, CACHE_BYTES).unwrap(), "t").unwrap().len(), 200);
    assert_eq!(everything(&open(&path), "t").unwrap().len(), 200);
}

#[test]
fn a_creation_cut_short_leaves_nothing_in_the_way() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    fs::create_dir(home.path().join("state.new")).unwrap();
    fs::write(home.path().join("state.new/conf"), b"segment_si").unwrap();
    fs::create_dir(&path).unwrap();
    drop(open(&path));
    assert!(!home.path().join("state.new").exists());
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("documents");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("letter.txt"), b"dear").unwrap();
    let Err(error) = Database::open_or_set_aside(&path, CACHE_BYTES, "now") else { panic!("filled a strange folder") };
    assert!(matches!(&error, DurableError::Disk { message } if message.contains("letter.txt")), "{error}");
    assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    let file = home.path().join("file");
    fs::write(&file, b"x").unwrap();
    assert!(matches!(Database::open(&file, CACHE_BYTES), Err(DurableError::Disk { .. })));
}

#[test]
fn looking_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    assert!(matches!(Database::look(&path, CACHE_BYTES), Err(DurableError::Disk { .. })));
    assert_eq!(listing(home.path()), BTreeMap::new());
    filled(&path, 30);
    let before = listing(home.path());
    let looked = Database::look(&path, CACHE_BYTES).unwrap();
    assert_eq!(everything(&looked, "t").unwrap().len(), 300);
    let mut batch = Batch::new();
    batch.put(b"k", b"v");
    assert!(looked.tree("t").unwrap().apply(&batch).is_err());
    assert!(looked.sync().is_err());
    let copy = looked.0.copy_path().unwrap().to_owned();
    assert!(copy.exists());
    drop(looked);
    assert!(!copy.exists(), "the copy goes with the look");
    assert_eq!(listing(home.path()), before);
}

/// Whatever is done to the file: the contents as of the last sync, or "damaged"; never less, never a panic.
#[test]
fn damage_is_said_or_harmless() {
    let home = tempfile::tempdir().unwrap();
    let sound = home.path().join("sound");
    filled(&sound, 60);
    let whole = everything(&open(&sound), "t").unwrap();
    let files = listing(&sound);
    let length = files[&sound.join("db")].len();
    let mut damaged = 0;
    for number in 0..48_usize {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state");
        fs::create_dir(&path).unwrap();
        for (name, bytes) in files.iter().filter(|(name, _)| name.is_file()) {
            fs::write(path.join(name.file_name().unwrap()), bytes).unwrap();
        }
        fs::copy(sound.with_extension("lock"), path.with_extension("lock")).unwrap();
        let db = path.join("db");
        let mut bytes = fs::read(&db).unwrap();
        // Flips all over the written part and cuts everywhere, then the other files.
        match number % 4 {
            0 | 1 => {
                let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
                for flip in 0..8 {
                    bytes[(number * 7919 + flip * 104_729) % written] ^= 0x55;
                }
            }
            2 => bytes.truncate(length * (number / 4) / 12),
            _ => {
                let names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
                let name = names.iter().filter(|name| name.is_file() && !name.ends_with("db")).nth(number / 4 % 2);
                fs::write(name.unwrap(), vec![0xA5; number * 3]).unwrap();
            }
        }
        fs::write(&db, bytes).unwrap();
        match Database::open(&path, CACHE_BYTES).and_then(|database| everything(&database, "t")) {
            Ok(read) => assert_eq!(read, whole, "case {number}"),
            Err(DurableError::Damaged { .. }) => damaged += 1,
            Err(other) => panic!("case {number}: {other}"),
        }
        let aside = match Database::open_or_set_aside(&path, CACHE_BYTES, "20260102T030405Z").unwrap() {
            Opened::Sound(database) if everything(&database, "t").is_ok() => None,
            Opened::Sound(database) => {
                let (database, aside) = database.set_aside(CACHE_BYTES, "20260102T030405Z").unwrap();
                assert_eq!(everything(&database, "t").unwrap().len(), 0);
                Some(aside)
            }
            Opened::SetAside { database, aside, why } => {
                assert!(matches!(&why, DurableError::Damaged { message } if !message.is_empty()), "{why}");
                assert_eq!(everything(&database, "t").unwrap().len(), 0);
                Some(aside)
            }
        };
        if let Some(aside) = aside {
            assert_eq!(aside, home.path().canonicalize().unwrap().join("state.corrupt-20260102T030405Z"));
            assert!(aside.join("db").exists());
        }
    }
    assert!(damaged > 8, "only {damaged} of the cases were damage at all");
}

#[test]
fn writes_that_vanished_are_told_even_if_the_rest_is_sound() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    filled(&path, 5);
    let early = listing(&path);
    filled(&path, 9);
    for file in listing(&path).keys().filter(|file| file.is_file()) {
        fs::remove_file(file).unwrap();
    }
    for (file, bytes) in early.iter().filter(|(_, bytes)| !bytes.is_empty()) {
        fs::write(file, bytes).unwrap();
    }
    for opened in [Database::open(&path, CACHE_BYTES), Database::look(&path, CACHE_BYTES)] {
        let Err(DurableError::Older { message }) = opened else { panic!("took an old state") };
        assert!(message.contains("state is older than what was last written (restored from a backup?)"), "{message}");
    }
    // Without the note beside it, a copy from a backup is taken as it is.
    fs::remove_file(Database::lock_path(&path)).unwrap();
    assert_eq!(everything(&open(&path), "t").unwrap().len(), 50);
}

#[test]
fn a_folder_that_is_gone_is_remembered_by_its_lock() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    assert_eq!(Database::gone(&path).unwrap(), None, "never there");
    assert_eq!(listing(home.path()), BTreeMap::new(), "asking makes nothing");
    drop(open(&path));
    fs::remove_dir_all(&path).unwrap();
    assert_eq!(Database::gone(&path).unwrap(), None, "nothing was ever written");
    filled(&path, 3);
    assert_eq!(Database::gone(&path).unwrap(), None, "it is there");
    let database = open(&path);
    assert!(matches!(Database::gone(&path), Err(DurableError::InUse { .. })));
    drop(database);
    let away = home.path().join("away");
    fs::rename(&path, &away).unwrap();
    assert_eq!(Database::gone(&path).unwrap(), Some(3));
    fs::create_dir(&path).unwrap();
    assert_eq!(Database::gone(&path).unwrap(), Some(3), "a mount point with nothing mounted");
    fs::remove_dir(&path).unwrap();
    fs::rename(&away, &path).unwrap();
    assert_eq!(everything(&open(&path), "t").unwrap().len(), 30);
    fs::remove_dir_all(&path).unwrap();
    fs::remove_file(Database::lock_path(&path)).unwrap();
    assert_eq!(Database::gone(&path).unwrap(), None, "a new beginning on purpose");
}

#[test]
fn a_folder_that_goes_while_it_is_open_takes_no_more_writes() {
    let home = tempfile::tempdir().unwrap();
    let (path, away) = (home.path().join("state"), home.path().join("away"));
    filled(&path, 3);
    let change = |database: &Database| {
        let mut batch = Batch::new();
        batch.put(b"late".to_vec(), b"1".to_vec());
        database.tree("t").and_then(|table| table.apply(&batch))
    };
    for is_replaced in [false, true] {
        let database = open(&path);
        fs::rename(&path, &away).unwrap();
        if is_replaced {
            fs::create_dir(&path).unwrap();
            fs::copy(away.join("db"), path.join("db")).unwrap();
        }
        let Err(DurableError::Disk { message }) = change(&database) else { panic!("{is_replaced}") };
        assert!(message.contains("while it was in use"), "{message}");
        assert!(database.has_failed(), "it is to be opened again");
        drop(database);
        _ = fs::remove_dir_all(&path);
        fs::rename(&away, &path).unwrap();
        assert_eq!(everything(&open(&path), "t").unwrap().len(), 30, "what was written before is there, and no more");
    }
    change(&open(&path)).unwrap();
}

#[test]
fn a_link_that_leads_nowhere_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    std::os::unix::fs::symlink(home.path().join("disk/state"), &path).unwrap();
    let refusals = [
        Database::exists(&path).map(drop),
        Database::gone(&path).map(drop),
        Database::open(&path, CACHE_BYTES).map(drop),
    ];
    for refusal in refusals {
        let Err(DurableError::Disk { message }) = refusal else { panic!("{refusal:?}") };
        assert!(message.contains("is a link to what is not there"), "{message}");
    }
    assert!(!home.path().join("disk").exists());
}

#[test]
fn damage_found_by_looking_is_told_of_the_folder_and_not_of_the_copy() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    filled(&path, 5);
    for file in ["conf", "db"] {
        let whole = fs::read(path.join(file)).unwrap();
        fs::write(path.join(file), vec![0x5a; whole.len()]).unwrap();
        let Err(DurableError::Damaged { message }) = Database::look(&path, CACHE_BYTES) else { panic!("{file}") };
        assert!(message.contains(path.to_str().unwrap()) && !message.contains("seatsync-look"), "{file}: {message}");
        fs::write(path.join(file), whole).unwrap();
    }
}

#[test]
fn a_second_damage_of_the_same_moment_gets_its_own_folder() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    for expected in ["state.corrupt-now", "state.corrupt-now-2", "state.corrupt-now-3"] {
        let (database, aside) = open(&path).set_aside(CACHE_BYTES, "now").unwrap();
        assert_eq!(aside.file_name().unwrap(), expected);
        drop(database);
    }
}

/// What is in `blobs/` is never synced by sled, so nothing may ever be there.
#[test]
fn the_largest_values_stay_out_of_unsynced_files() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    let mut number = 1_u64;
    for _ in 0..3 {
        let database = open(&path);
        let table = database.tree("t").unwrap();
        for round in 0..40 {
            let mut batch = Batch::new();
            for _ in 0..100 {
                // A full-period generator (Knuth's MMIX): keys all over, some again and again, in runs and apart.
                number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let mut key = vec![round as u8; KEY_BYTES_MAX - 2];
                key.extend_from_slice(&(number >> 40).to_be_bytes()[6..]);
                key.rotate_right(if round % 2 == 0 { 2 } else { 0 });
                match number >> 62 {
                    0 => batch.remove(key),
                    _ => batch.put(key, vec![number as u8; VALUE_BYTES_MAX]),
                }
            }
            table.apply(&batch).unwrap();
            database.sync().unwrap();
            assert_eq!(fs::read_dir(path.join("blobs")).unwrap().count(), 0, "round {round}");
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Apply(Vec<(u8, Option<Vec<u8>>)>),
    Sync,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let operation = (any::<u8>(), prop::option::of(prop::collection::vec(any::<u8>(), 0..40)));
    let step = prop_oneof![
        6 => prop::collection::vec(operation, 0..30).prop_map(Step::Apply),
        1 => Just(Step::Sync),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_is_a_map(steps in steps()) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state");
        let mut model = BTreeMap::new();
        let mut database = open(&path);
        for step in steps {
            match step {
                Step::Apply(operations) => {
                    let mut batch = Batch::new();
                    for (key, value) in operations {
                        match value {
                            Some(value) => {
                                batch.put([key], value.clone());
                                model.insert(vec![key], value);
                            }
                            None => {
                                batch.remove([key]);
                                model.remove(&vec![key]);
                            }
                        }
                    }
                    database.tree("t").unwrap().apply(&batch).unwrap();
                }
                Step::Sync => database.sync().unwrap(),
                Step::Reopen => {
                    drop(database);
                    database = open(&path);
                }
            }
            prop_assert_eq!(&everything(&database, "t").unwrap(), &model);
            let backwards: Vec<Record> =
                database.tree("t").unwrap().scan_prefix(b"").rev().collect::<Result<_, _>>().unwrap();
            prop_assert!(backwards.into_iter().eq(model.clone().into_iter().rev()));
        }
    }
}
