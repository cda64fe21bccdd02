//! The embedded account store is killed (SIGKILL) at random moments: what it acknowledged is there, no batch is torn,
//! nobody has two accounts or two invitations.
//!
//! The test runs itself as a child that applies batch after batch and says "done" after each; what a batch is follows from
//! the seed and its number alone, so that the parent knows what must be on disk. `SEATSYNC_SEED` repeats a run, apart from
//! the exact moments of the kills.

#![allow(clippy::unwrap_used, clippy::panic)]

use seatsync::accounts::AccountStore;
use seatsync::accounts::embedded::{Access, Embedded, EmbeddedSettings};
use seatsync::model::{Action, Email, Intent, ObjectGuid, Outcome, PassId, Seat, StoreKind, Tier, Timestamp};
use std::collections::{BTreeMap, HashSet};
use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const ROUNDS: u64 = 15;
const PEOPLE: u64 = 60;
const BATCH_INTENTS: u64 = 20;
/// So many batches a child applies at most; it is killed long before.
const BATCHES_MAX: u64 = 100_000;
const KILL_AFTER_MS: std::ops::Range<u64> = 3..220;
const SEED: u64 = 0x5ea7_5eed;

/// The child's orders: folder, kind, seed, first batch.
const CHILD: &str = "SEATSYNC_CRASH_CHILD";

/// What must be there: by person, address and seat.
type Model = BTreeMap<ObjectGuid, (Email, Seat)>;

#[test]
fn a_killed_account_store_keeps_what_it_acknowledged() {
    if let Ok(orders) = env::var(CHILD) {
        return child(&orders);
    }
    let seed = env::var("SEATSYNC_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(SEED);
    println!("SEATSYNC_SEED={seed}");
    for kind in [StoreKind::EnterpriseDirectory, StoreKind::Team] {
        let folder = tempfile::tempdir().unwrap();
        let (mut model, mut next) = (Model::new(), 0);
        for round in 0..ROUNDS {
            let acknowledged = killed(folder.path(), kind, seed, next, round);
            for number in next..acknowledged {
                follow(&mut model, &batch(kind, seed, number));
            }
            let mut ahead = model.clone();
            follow(&mut ahead, &batch(kind, seed, acknowledged));
            let there = on_disk(folder.path(), kind);
            let place = format!("{kind}, round {round}, after {acknowledged} batches");
            if there == model {
                next = acknowledged;
            } else if there == ahead {
                // Written, and killed before it could say so.
                (model, next) = (ahead, acknowledged + 1);
            } else {
                panic!("{place}: on disk is\n{there:?}\nbut acknowledged was\n{model:?}\nor ahead of it\n{ahead:?}");
            }
        }
        assert!(next > ROUNDS, "{kind}: only {next} batches were done, the kills come too early to show anything");
        assert!(!model.is_empty());
    }
}

/// Lets a child apply batches from `first` on, kills it at a random moment, and says up to which batch it acknowledged.
fn killed(folder: &Path, kind: StoreKind, seed: u64, first: u64, round: u64) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["a_killed_account_store_keeps_what_it_acknowledged", "--exact", "--nocapture"])
        .env(CHILD, format!("{}\n{kind}\n{seed}\n{first}", folder.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = listen(&mut child);
    let wait = KILL_AFTER_MS.start + random(seed ^ 0xdead, round) % (KILL_AFTER_MS.end - KILL_AFTER_MS.start);
    let deadline = Instant::now() + Duration::from_millis(wait);
    let mut acknowledged = first;
    let mut take = |line: String| match line.strip_prefix("done ") {
        Some(number) => {
            assert_eq!(number.parse(), Ok(acknowledged), "in order");
            acknowledged += 1;
        }
        None => panic!("the child says: {line}"),
    };
    loop {
        match said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => take(line),
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => panic!("the child ended by itself: {:?}", child.wait()),
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said before it died counts, even if it is read only now.
    said.iter().for_each(take);
    acknowledged
}

/// The child's lines, as they come.
fn listen(child: &mut Child) -> Receiver<String> {
    let (say, said) = channel();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    std::thread::spawn(move || {
        let mut line = String::new();
        // A line without its end was cut by the kill: nothing was acknowledged by it.
        while stderr.read_line(&mut line).is_ok() && line.ends_with('\n') {
            if say.send(line.trim_end().to_owned()).is_err() {
                break;
            }
            line.clear();
        }
    });
    said
}

fn child(orders: &str) {
    let [folder, kind, seed, first] = orders.split('\n').collect::<Vec<_>>().try_into().unwrap();
    let kinds = [StoreKind::Team, StoreKind::EnterpriseDirectory];
    let kind = kinds.into_iter().find(|each| each.to_string() == kind).unwrap();
    let (seed, first): (u64, u64) = (seed.parse().unwrap(), first.parse().unwrap());
    let mut store = open(Path::new(folder), kind);
    runtime().block_on(async {
        for number in first..first + BATCHES_MAX {
            let outcomes = store.apply(&batch(kind, seed, number)).await;
            assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done(_))), "{outcomes:?}");
            eprintln!("done {number}");
        }
    });
}

fn on_disk(folder: &Path, kind: StoreKind) -> Model {
    let mut store = open(folder, kind);
    runtime().block_on(async {
        let everybody = store.list().await.unwrap();
        let emails: HashSet<String> = everybody.iter().map(|observed| observed.email.key().into_owned()).collect();
        assert_eq!(emails.len(), everybody.len(), "an address stands twice");
        for observed in &everybody {
            let user = store.user(&observed.email).await.unwrap().unwrap();
            assert_eq!(user.invitations_sent, u32::from(kind == StoreKind::Team), "{user:?}");
        }
        let model: Model =
            everybody.iter().map(|one| (one.external.unwrap(), (one.email.clone(), one.seat.clone()))).collect();
        assert_eq!(model.len(), everybody.len(), "a person has two accounts");
        model
    })
}

fn open(folder: &Path, kind: StoreKind) -> Embedded {
    let settings = EmbeddedSettings {
        path: PathBuf::from(folder).join("accounts"),
        account: "corp".to_owned(),
        kind,
        tiers: vec![Tier::new("pro"), Tier::new("plus")],
        domains: Vec::new(),
    };
    Embedded::open(settings, Access::Write).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// The intents of a batch: of that number of different people, with absolute targets and sometimes a new address.
fn batch(kind: StoreKind, seed: u64, number: u64) -> Vec<Intent> {
    let start = random(seed, number);
    let intents = (0..BATCH_INTENTS).map(|index| {
        let person = (start + index) % PEOPLE;
        let chance = random(start, index);
        let tier = Tier::new(if chance & 1 == 0 { "pro" } else { "plus" });
        let gain = chance & 6 != 0;
        let (action, to) = match (kind, gain) {
            (StoreKind::Team, true) => (Action::Invite, Seat::Invited),
            (StoreKind::Team, false) => (Action::Remove, Seat::Vacant),
            (StoreKind::EnterpriseLwa | StoreKind::EnterpriseDirectory, true) => (Action::Create, Seat::Active(tier)),
            (StoreKind::EnterpriseLwa | StoreKind::EnterpriseDirectory, false) => {
                (Action::Suspend, Seat::Suspended(tier))
            }
        };
        let at = Timestamp::UNIX_EPOCH;
        Intent {
            pass: PassId::new(at, 0),
            at,
            action,
            guid: ObjectGuid::from_u128(u128::from(person) + 1),
            account: None,
            email: Email::parse(&format!("person{person}-{}@corp.example", chance >> 8 & 3)).unwrap(),
            from: Seat::Vacant,
            to,
            because: "crash".to_owned(),
            details: None,
        }
    });
    intents.collect()
}

/// What a batch makes of the model, said anew.
fn follow(model: &mut Model, batch: &[Intent]) {
    for Intent { guid, email, to, .. } in batch {
        match to {
            Seat::Active(_) | Seat::Invited => {
                model.insert(*guid, (email.clone(), to.clone()));
            }
            Seat::Vacant => {
                model.remove(guid);
            }
            Seat::Suspended(_) => {
                if let Some((address, seat)) = model.get_mut(guid) {
                    *address = email.clone();
                    *seat = Seat::Suspended(seat.tier().unwrap().clone());
                }
            }
        }
    }
}

/// The `index`th number of that seed (splitmix64).
fn random(seed: u64, index: u64) -> u64 {
    let mut mixed = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
