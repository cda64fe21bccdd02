//! What the agent's state costs at a million people: to load, to write, in memory and on disk. One table.
//!
//! `cargo bench --bench state` runs it. No check: it fails only where an answer is wrong, never because something is slow.
//! With `BENCH_FOLDER` the state stays there, and the next run begins with it: then memory is that of a process that has
//! not filled it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use seatsync::model::{
    Action, Counts, Email, Fact, GroupRef, HistoryEntry, Holding, Intent, ObjectGuid, PassId, PassRecord, PassResult,
    RememberedGroup, Seat, Settlement, Shown, Tier, Timestamp, UserId,
};
use seatsync::state::{Access, Closing, LocalState, SETTLE_MAX, StateSettings, StateStore};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// People with a seat; `BENCH_PEOPLE` for another number.
const PEOPLE: u128 = 1_000_000;
/// Changes of one commit, as the issue has it.
const COMMIT: u128 = 1_000;
/// Intents that one pass begins.
const INTENTS: u128 = 100_000;
/// Times that what takes milliseconds is done.
const ROUNDS: u128 = 15;

fn main() {
    let people = std::env::var("BENCH_PEOPLE").ok().map_or(PEOPLE, |text| text.parse().unwrap());
    let home = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("BENCH_FOLDER").map_or(home.path().to_owned(), Into::into);
    let settings = StateSettings { path: folder.join("state"), account: "embedded bench".to_owned() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    println!("{people} people | median | worst | CPU | resident | peak");
    println!("|---|---|---|---|---|---|");
    runtime.block_on(bench(people, &settings));
    println!("\n{} MB on disk", size_of(&settings.path) / 1_000_000);
}

async fn bench(people: u128, settings: &StateSettings) {
    let mut groups = groups(people);
    if !settings.path.exists() {
        fill(people, settings, &groups).await;
    }
    let table = Table::begin();
    let mut state = LocalState::open(settings.clone(), Access::Write).unwrap();
    table.line("open");
    let table = Table::begin();
    let before = memory().0;
    let loaded = state.load().await.unwrap();
    table.line("load");
    assert_eq!(loaded.snapshot.len() as u128, people);
    println!("| bytes a person | {} | | | | |", (memory().0.saturating_sub(before)) as u128 / people);

    let table = Table::begin();
    let mut took = Vec::new();
    for round in 0..ROUNDS {
        let changes: Vec<Settlement> =
            (0..COMMIT).map(|n| settlement((n * 7_919 + round * 31) * 104_729 % people, 1 + round, true)).collect();
        let began = Instant::now();
        for some in changes.chunks(SETTLE_MAX) {
            state.settle(some).await.unwrap();
        }
        took.push(began.elapsed());
    }
    table.lines("settle 1,000 changes, in two", took);

    let intents: Vec<Intent> = (0..INTENTS.min(people)).map(|n| intent(n * 104_729 % people)).collect();
    let table = Table::begin();
    state.begin(&intents).await.unwrap();
    table.line("begin 100,000");
    let table = Table::begin();
    for some in intents.chunks(SETTLE_MAX) {
        let settled: Vec<_> = some.iter().map(|intent| settlement(u128_of(intent.guid), 40, true)).collect();
        state.settle(&settled).await.unwrap();
    }
    table.line("settle those, 500 at a time");

    let table = Table::begin();
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let closing = closing(&groups).into();
        let began = Instant::now();
        state.finish(&closing).await.unwrap();
        took.push(began.elapsed());
    }
    table.lines("finish, the same groups", took);
    let table = Table::begin();
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let closing = Closing { groups: None, absent: None, ..closing(&groups) }.into();
        let began = Instant::now();
        state.finish(&closing).await.unwrap();
        took.push(began.elapsed());
    }
    table.lines("finish, nothing but the record", took);
    for (members, what) in [(1, "finish, one member fewer"), (COMMIT as usize, "finish, 1,000 members fewer")] {
        let table = Table::begin();
        let mut took = Vec::new();
        for _ in 0..ROUNDS / 3 {
            let all = groups.values_mut().next().unwrap();
            let step = all.members.len() / members;
            let gone: Vec<usize> = (0..members).map(|n| n * step).collect();
            gone.iter().rev().for_each(|place| {
                Arc::make_mut(&mut all.members).remove(*place);
            });
            let closing = closing(&groups).into();
            let began = Instant::now();
            state.finish(&closing).await.unwrap();
            took.push(began.elapsed());
        }
        table.lines(what, took);
    }
}

async fn fill(people: u128, settings: &StateSettings, groups: &BTreeMap<GroupRef, RememberedGroup>) {
    let mut state = LocalState::open(settings.clone(), Access::Write).unwrap();
    let everybody: Vec<u128> = (0..people).collect();
    let table = Table::begin();
    for some in everybody.chunks(SETTLE_MAX) {
        state.settle(&some.iter().map(|who| settlement(*who, 0, false)).collect::<Vec<_>>()).await.unwrap();
    }
    table.line("filled, 500 at a time");
    let table = Table::begin();
    state.finish(&closing(groups).into()).await.unwrap();
    table.line("finish, a group of everybody is new");
}

/// What has been used when something began.
struct Table {
    at: Instant,
    cpu: Duration,
}

impl Table {
    fn begin() -> Self {
        // The peak is that of what follows (proc_pid_clear_refs(5)).
        fs::write("/proc/self/clear_refs", "5").unwrap();
        Self { at: Instant::now(), cpu: cpu() }
    }

    fn line(self, what: &str) {
        let took = self.at.elapsed();
        self.lines(what, vec![took]);
    }

    fn lines(self, what: &str, mut took: Vec<Duration>) {
        took.sort();
        let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1_000.0);
        let cpu = cpu().saturating_sub(self.cpu) / took.len() as u32;
        let (resident, peak) = memory();
        let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
        let mb = |bytes: u64| format!("{} MB", bytes / 1_000_000);
        println!("| {what} | {} | {} | {} | {} | {} |", ms(median), ms(worst), ms(cpu), mb(resident), mb(peak));
    }
}

/// Resident now and at most since the last [`Table::begin`], in bytes.
fn memory() -> (u64, u64) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    (kib("VmRSS") * 1_024, kib("VmHWM") * 1_024)
}

/// User and system time of this process; to 10 ms (proc_pid_stat(5)).
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    Duration::from_millis(10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()))
}

fn size_of(folder: &Path) -> u64 {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// Spread as real ones are: a full-period generator (Knuth's MMIX), taken apart again by [`u128_of`].
fn guid(who: u128) -> ObjectGuid {
    let number = (who as u64).wrapping_mul(6_364_136_223_846_793_005);
    ObjectGuid::from_u128(u128::from(number) << 64 | who)
}

fn u128_of(guid: ObjectGuid) -> u128 {
    u128::from_be_bytes(*guid.as_bytes()) & u128::from(u64::MAX)
}

fn email(who: u128) -> Email {
    Email::parse(&format!("first.last{who}@corp.example")).unwrap()
}

fn holding(who: u128, salt: u128) -> Holding {
    let tier = Tier::new(if (who + salt).is_multiple_of(3) { "pro" } else { "plus" });
    let id = ObjectGuid::from_u128(who.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).to_string();
    Holding { id: UserId::new(&id), email: email(who), seat: Seat::Active(tier) }
}

fn settlement(who: u128, salt: u128, told: bool) -> Settlement {
    let intent = intent(who);
    let entry = told.then_some(HistoryEntry {
        at: intent.at,
        pass: intent.pass,
        guid: intent.guid,
        email: intent.email,
        action: intent.action,
        from: intent.from,
        to: intent.to,
        because: intent.because,
        error: None,
    });
    Settlement {
        guid: guid(who),
        fact: Fact::Holds(holding(who, salt)),
        closes_intent: told,
        entry,
        details: Shown::AsBefore,
    }
}

fn intent(who: u128) -> Intent {
    let at = Timestamp::UNIX_EPOCH;
    let (from, to) = (Seat::Active(Tier::new("plus")), Seat::Active(Tier::new("pro")));
    let account = Some(holding(who, 0).id);
    let because = "in Chime Pro via Engineering > Berlin".to_owned();
    let pass = PassId::new(at, 7);
    Intent {
        pass,
        at,
        action: Action::Move,
        guid: guid(who),
        account,
        email: email(who),
        from,
        to,
        because,
        details: None,
    }
}

/// Everybody in one, one in ten in another.
fn groups(people: u128) -> BTreeMap<GroupRef, RememberedGroup> {
    let mut all: Vec<ObjectGuid> = (0..people).map(guid).collect();
    all.sort_unstable();
    let some = all.iter().copied().step_by(10).collect();
    let group = |number, members| RememberedGroup {
        guid: guid(number),
        name: format!("Group {number}"),
        members: Arc::new(members),
    };
    [("CN=All", group(1, all)), ("CN=Some", group(2, some))]
        .into_iter()
        .map(|(name, group)| (GroupRef::new(name), group))
        .collect()
}

fn closing(groups: &BTreeMap<GroupRef, RememberedGroup>) -> Closing {
    let at = Timestamp::UNIX_EPOCH;
    let record = PassRecord {
        id: PassId::new(at, 7),
        at,
        took_ms: 1,
        result: PassResult::InSync,
        reason: None,
        counts: Counts::default(),
    };
    Closing {
        record,
        good: Some(at),
        whole: true,
        groups: Some(groups.clone()),
        absent: Some(HashMap::new()),
        approvals: Some(Vec::new()),
        held: Some(None),
    }
}
