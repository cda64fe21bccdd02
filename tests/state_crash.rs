//! The state survives `kill -9` at any moment: whatever was acknowledged is there, and nothing is there by halves.
//!
//! The test runs itself again as the writer, which tells each acknowledgement on its standard output, and kills it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use seatsync::model::{
    Action, Counts, Email, Fact, GroupRef, HeldNote, HistoryEntry, Holding, Intent, Memory, ObjectGuid, Origin, PassId,
    PassRecord, PassResult, RememberedGroup, Seat, Settlement, Shown, Tier, Timestamp, UserId,
};
use seatsync::state::{Access, Closing, LocalState, StateSettings, StateStore};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

const WRITER_FOLDER: &str = "SEATSYNC_TEST_CRASH_FOLDER";
const SEED: &str = "SEATSYNC_TEST_SEED";

const ROUNDS: u32 = 40;
const LIFE_MS_MAX: u64 = 150;
const OPENING_MAX: Duration = Duration::from_secs(60);

/// More than sled puts on one page, fewer than one batch.
const PEOPLE: u32 = 120;

/// Two documents' worth of pieces, so that a kill can fall between them.
const MEMBERS: u32 = 700;

fn open(folder: &Path) -> LocalState {
    let settings = StateSettings { path: folder.to_owned(), account: "embedded corp".to_owned() };
    LocalState::open(settings, Access::Write).unwrap()
}

fn at(step: u64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + i64::try_from(step).unwrap()).unwrap()
}

fn guid(who: u32) -> ObjectGuid {
    ObjectGuid::from_u128(u128::from(who) << 96 | 7)
}

fn email(who: u32) -> Email {
    Email::parse(&format!("p{who}@corp.example")).unwrap()
}

fn intent(who: u32, step: u64) -> Intent {
    Intent {
        pass: PassId::new(at(step), 0),
        at: at(step),
        action: Action::Move,
        guid: guid(who),
        account: None,
        email: email(who),
        from: Seat::Vacant,
        to: Seat::Active(Tier::new("pro")),
        because: "in Chime Pro".to_owned(),
        details: None,
    }
}

fn settlement(who: u32, step: u64) -> Settlement {
    let Intent { pass, at, action, guid, account: _, email, from, to, because, .. } = intent(who, step);
    let holding = Holding { id: UserId::new(&step.to_string()), email: email.clone(), seat: to.clone() };
    let entry = HistoryEntry { at, pass, guid, email, action, from, to, because, error: None };
    Settlement { guid, fact: Fact::Holds(holding), closes_intent: true, entry: Some(entry), details: Shown::AsBefore }
}

fn closing(step: u64) -> Closing {
    let members = (0..MEMBERS).map(|member| ObjectGuid::from_u128(u128::from(member) << 64 | u128::from(step)));
    let group = RememberedGroup { guid: guid(0), name: step.to_string(), members: Arc::new(members.collect()) };
    Closing {
        record: PassRecord {
            id: PassId::new(at(step), 0),
            at: at(step),
            took_ms: step,
            result: PassResult::Applied,
            reason: None,
            counts: Counts::default(),
        },
        good: Some(at(step)),
        whole: true,
        groups: Some([(GroupRef::new("CN=Pro"), group.clone()), (GroupRef::new("CN=Plus"), group)].into()),
        absent: Some([(guid(1), at(step))].into()),
        approvals: None,
        held: Some(Some(HeldNote { hash: step.to_string(), losses: 1, gains: 0, since: at(step) })),
    }
}

/// The step that the snapshot shows; all people stand at the same one.
fn settled_step(memory: &Memory) -> u64 {
    let step_of = |who| memory.snapshot.get(&guid(who)).map_or(0, |holding| holding.id.text().parse().unwrap());
    let first = step_of(0);
    assert!((0..PEOPLE).all(|who| step_of(who) == first), "a torn settlement");
    first
}

/// Writes until killed.
fn write_until_killed(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut state = open(folder);
        let mut step = settled_step(&state.load().await.unwrap());
        let acknowledge = |what: &str, step: u64| {
            let mut out = std::io::stdout().lock();
            writeln!(out, "ack {what} {step}").unwrap();
            out.flush().unwrap();
        };
        acknowledge("opened", step);
        loop {
            step += 1;
            state.begin(&(0..PEOPLE).map(|who| intent(who, step)).collect::<Vec<_>>()).await.unwrap();
            acknowledge("begun", step);
            state.settle(&(0..PEOPLE).map(|who| settlement(who, step)).collect::<Vec<_>>()).await.unwrap();
            acknowledge("settled", step);
            // Not after each: its sync would cover for a settlement that has none of its own.
            if step.is_multiple_of(3) {
                state.finish(&closing(step).into()).await.unwrap();
                acknowledge("finished", step);
            }
        }
    });
}

/// The last of each that the writer has acknowledged.
#[derive(Debug, Default)]
struct Acknowledged {
    openings: u32,
    begun: u64,
    settled: u64,
    finished: u64,
}

impl Acknowledged {
    fn take(&mut self, line: &str) {
        // libtest writes to the same stream, perhaps before us on the same line.
        let Some((_, told)) = line.split_once("ack ") else { return };
        let (what, step) = told.split_once(' ').unwrap();
        let step = step.parse().unwrap();
        match what {
            "opened" => self.openings += 1,
            "begun" => self.begun = step,
            "settled" => self.settled = step,
            "finished" => self.finished = step,
            strange => panic!("the writer said {strange}"),
        }
    }
}

/// When a writer's life begins to count.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Since {
    /// With its process: many die while they open.
    Birth,
    /// With its first acknowledgement, however slow the machine: all die while they write.
    Opening,
}

/// Runs the writer for `life`, then kills it.
fn live_and_die(folder: &Path, since: Since, life: Duration, acknowledged: &mut Acknowledged) {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "acknowledged_writes_survive_a_kill", "--nocapture", "--test-threads=1"])
        .env(WRITER_FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let (told, tellings) = mpsc::channel();
    let reader = std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| told.send(line).unwrap()));
    if since == Since::Opening {
        let openings = acknowledged.openings;
        while acknowledged.openings == openings {
            acknowledged.take(&tellings.recv_timeout(OPENING_MAX).expect("the writer opens"));
        }
    }
    let deadline = Instant::now() + life;
    while let Ok(line) = tellings.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        acknowledged.take(&line);
    }
    writer.kill().unwrap();
    let status = writer.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "the writer ended by itself: {status}");
    reader.join().unwrap();
    tellings.iter().for_each(|line| acknowledged.take(&line));
}

fn check(memory: &Memory, history: &[HistoryEntry], acknowledged: &Acknowledged) {
    assert!(!matches!(memory.origin, Origin::Rebuilt(_)), "{:?}", memory.origin);
    let settled = settled_step(memory);
    // Who settles has told before that it has begun.
    assert!((acknowledged.settled..=acknowledged.begun).contains(&settled), "settled {settled}");
    let open: Vec<u64> = memory.open.iter().map(begun_step).collect();
    assert!(open.is_empty() || open.len() == PEOPLE as usize, "{} of {PEOPLE} intents", open.len());
    assert!(open.iter().all(|step| *step == open[0]), "a torn journal: {open:?}");
    match open.first() {
        Some(step) => assert!(*step == settled + 1 && *step >= acknowledged.begun, "open {step}"),
        None => assert!(settled >= acknowledged.begun, "a begun intent is gone"),
    }
    let finished = memory.passes.last().map_or(0, |pass| pass.took_ms);
    assert!((acknowledged.finished..=settled).contains(&finished), "finished {finished}");
    if finished > 0 {
        let Closing { record, good, whole: _, groups, absent, approvals: _, held } = closing(finished);
        assert_eq!(memory.passes.last(), Some(&record));
        assert_eq!(Some(memory.last_good), good.map(Some));
        assert_eq!(Some(&memory.groups), groups.as_ref());
        assert_eq!(Some(&memory.absent), absent.as_ref());
        assert_eq!(Some(&memory.held), held.as_ref());
        assert_eq!(memory.origin, Origin::Known);
    }
    let newest = (0..PEOPLE).map(|who| settlement(who, settled).entry.unwrap());
    assert!(settled == 0 || history.iter().cloned().eq(newest), "the history ends elsewhere");
}

/// The step at which an intent was begun.
fn begun_step(intent: &Intent) -> u64 {
    u64::try_from(intent.at.as_second() - at(0).as_second()).unwrap()
}

#[test]
fn acknowledged_writes_survive_a_kill() {
    if let Some(folder) = std::env::var_os(WRITER_FOLDER) {
        return write_until_killed(Path::new(&folder));
    }
    let seed = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122_u64);
    println!("{SEED}={seed}");
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut acknowledged = Acknowledged::default();
    let mut number = seed;
    for round in 0..ROUNDS {
        // Knuth's MMIX generator; the high bits are the random ones.
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let life = Duration::from_micros((number >> 33) % (LIFE_MS_MAX * 1_000));
        let since = if round % 2 == 0 { Since::Birth } else { Since::Opening };
        live_and_die(&folder, since, life, &mut acknowledged);
        runtime.block_on(async {
            let mut state = open(&folder);
            let memory = state.load().await.unwrap();
            let history = state.history(None, PEOPLE as usize).await.unwrap();
            println!("round {round}: killed {life:?} after its {since:?}, {acknowledged:?}");
            check(&memory, &history, &acknowledged);
        });
    }
    assert!(acknowledged.openings >= ROUNDS / 2 && acknowledged.finished > 0, "hardly ever alive: {acknowledged:?}");
    let beside: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(beside.iter().all(|name| name == "state" || name == "state.lock"), "{beside:?}");
}
