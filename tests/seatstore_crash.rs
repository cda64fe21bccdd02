//! `seatstore serve`, killed with SIGKILL at random moments while several clients change things: no acknowledged batch is
//! lost, none is there in part, each stands in the audit log as often as it was carried out, and every letter is written.
//!
//! What a batch is follows from its writer and its number alone, and every writer has users of its own; so what must be
//! there follows from how many batches were acknowledged: exactly those, or those and the one under way, which may have
//! been carried out without its answer getting out.
//!
//! `CRASH_SEED=n` repeats a campaign's kill moments (as far as a scheduler can repeat them).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod seatstore;
mod signed;

use seatstore::{Server, letters};
use serde_json::{Value, json};
use signed::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Range;
use std::process::Stdio;
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Kills under load of each campaign: four campaigns make 200.
const KILLS: usize = 50;
/// A kill comes at most so long after the load began.
const LOAD_US_MAX: u64 = 150_000;
/// One start in so many is killed as well: a crash during the recovery from a crash.
const STARTS_PER_KILL: u64 = 3;
/// Most users of one request, by operation.
const UPDATES: usize = 20;
const SUSPENSIONS: usize = 50;
const CREATIONS: usize = 50;
/// Fewer than a request takes: each is a letter to be written.
const INVITATIONS: usize = 20;
/// Most batches that make users, in one round: what is there is read after each.
const NEW_PER_ROUND: usize = 2;
const LICENCES: [&str; 3] = ["Basic", "Plus", "Pro"];
const PAGE: usize = 200;
const LOG_PAGE: usize = 1_000;
const LETTERS_DEADLINE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);

/// SplitMix64: small, seeded, printed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn microseconds(&mut self, below: u64) -> Duration {
        Duration::from_micros(self.roll(below))
    }
}

/// What a user is: licence and registration.
type State = (Option<String>, String);

/// What a writer does, batch after batch.
#[derive(Clone, Debug)]
enum Work {
    /// Sets all of them to one licence, another one each time.
    Licences(Vec<String>),
    /// Suspends all of them, or takes it back.
    Suspensions(Vec<String>),
    /// Makes users who were not there.
    Creations,
    /// Invites people who were not there.
    Invitations,
}

/// Somebody who sends batches.
#[derive(Clone, Debug)]
struct Writer {
    work: Work,
    account: String,
    /// Batches that are carried out.
    done: usize,
}

/// How a round ended for a writer.
#[derive(Clone, Copy, Debug)]
struct Ended {
    acknowledged: usize,
    /// Whether a further batch was under way.
    is_open: bool,
}

impl Writer {
    fn operation(&self, number: usize) -> &'static str {
        match self.work {
            Work::Licences(_) => "BatchUpdateUser",
            Work::Suspensions(_) if number.is_multiple_of(2) => "BatchSuspendUser",
            Work::Suspensions(_) => "BatchUnsuspendUser",
            Work::Creations => "BatchCreateUser",
            Work::Invitations => "InviteUsers",
        }
    }

    /// The addresses of users whom that batch makes.
    fn made(&self, number: usize) -> Vec<String> {
        let (letter, count) = match self.work {
            Work::Licences(_) | Work::Suspensions(_) => return Vec::new(),
            Work::Creations => ('c', CREATIONS),
            Work::Invitations => ('i', INVITATIONS),
        };
        (0..count).map(|index| format!("{letter}{number}-{index}@corp.test")).collect()
    }

    /// What a user of that batch is after it.
    fn state(&self, number: usize) -> State {
        let licence = LICENCES[number % LICENCES.len()];
        match self.work {
            Work::Licences(_) | Work::Creations => (Some(licence.to_owned()), "Registered".to_owned()),
            Work::Suspensions(_) if number.is_multiple_of(2) => (Some("Pro".to_owned()), "Suspended".to_owned()),
            Work::Suspensions(_) => (Some("Pro".to_owned()), "Registered".to_owned()),
            Work::Invitations => (None, "Unregistered".to_owned()),
        }
    }

    /// Sends a batch; an answer that comes must be a good one.
    fn send(&self, connection: &mut Connection, number: usize) -> std::io::Result<()> {
        let target = |operation: &str| format!("/accounts/{}/users{operation}", self.account);
        let (target, body, good) = match &self.work {
            Work::Licences(ids) => {
                let licence = self.state(number).0;
                let items: Vec<_> = ids.iter().map(|id| json!({"UserId": id, "LicenseType": licence})).collect();
                (target(""), json!({"UpdateUserRequestItems": items}), 200)
            }
            Work::Suspensions(ids) if number.is_multiple_of(2) => {
                (target("?operation=suspend"), json!({"UserIdList": ids}), 200)
            }
            Work::Suspensions(ids) => (target("?operation=unsuspend"), json!({"UserIdList": ids}), 200),
            Work::Creations => {
                let licence = self.state(number).0;
                let items = self.made(number).into_iter().map(|email| json!({"Email": email, "LicenseType": licence}));
                let body = json!({"CreateUserRequestItems": items.collect::<Vec<_>>()});
                (target("?operation=batch-create"), body, 200)
            }
            Work::Invitations => (target("?operation=add"), json!({"UserEmailList": self.made(number)}), 201),
        };
        let answer = connection.ask("POST", &target, Some(&body))?;
        let refused = answer.body["UserErrors"].as_array().is_some_and(|errors| !errors.is_empty());
        assert!(answer.status == good && !refused, "{} {number}: {answer:?}", self.operation(number));
        Ok(())
    }

    /// Sends batch after batch until the connection breaks.
    fn write(self, address: SocketAddr, key: seatstore::Key, begin: Arc<Barrier>) -> JoinHandle<Ended> {
        let most = match self.work {
            Work::Licences(_) | Work::Suspensions(_) => usize::MAX,
            Work::Creations | Work::Invitations => NEW_PER_ROUND,
        };
        std::thread::spawn(move || {
            let connection = Connection::open(address, &key);
            begin.wait();
            let mut connection = connection.unwrap();
            let mut acknowledged = 0;
            while acknowledged < most {
                if self.send(&mut connection, self.done + acknowledged).is_err() {
                    return Ended { acknowledged, is_open: true };
                }
                acknowledged += 1;
            }
            Ended { acknowledged, is_open: false }
        })
    }
}

/// What happened so far, for the end of a campaign.
#[derive(Debug, Default)]
struct Tally {
    /// Acknowledged batches.
    acknowledged: usize,
    /// Batches under way at a kill.
    open: usize,
    /// Those of them that are carried out.
    open_done: usize,
    /// Starts that were killed.
    starts: usize,
}

struct Campaign {
    server: Server,
    dice: Dice,
    directory: String,
    team: String,
    writers: Vec<Writer>,
    /// The number of the next entry of the audit log.
    next_entry: u64,
    /// Letters that are noted as written in the audit log, by user.
    noted: BTreeMap<String, usize>,
    tally: Tally,
}

impl Campaign {
    fn new(seed: u64) -> Self {
        let mut server = Server::new();
        let directory = server.account("Directory", "EnterpriseDirectory", &["corp.test"]);
        let team = server.account("Team", "Team", &[]);
        server.resume();
        let mut connection = Connection::open(server.address(), server.key()).unwrap();
        let mut made = |name: &str, count: usize| -> Vec<String> {
            let items: Vec<_> = (0..count)
                .map(|index| json!({"Email": format!("{name}{index}@corp.test"), "LicenseType": "Pro"}))
                .collect();
            let target = format!("/accounts/{directory}/users?operation=batch-create");
            let answer = connection.ask("POST", &target, Some(&json!({"CreateUserRequestItems": items}))).unwrap();
            let users = answer.body["Users"].as_array().unwrap();
            assert_eq!((answer.status, users.len()), (200, count), "{answer:?}");
            users.iter().map(|user| text(user, "UserId")).collect()
        };
        let works = [
            (Work::Licences(made("a", UPDATES)), &directory),
            (Work::Licences(made("b", UPDATES)), &directory),
            (Work::Suspensions(made("s", SUSPENSIONS)), &directory),
            (Work::Creations, &directory),
            (Work::Invitations, &team),
        ];
        let writers = works.map(|(work, account)| Writer { work, account: account.clone(), done: 0 }).to_vec();
        let mut campaign = Self {
            server,
            dice: Dice(seed),
            directory,
            team,
            writers,
            next_entry: 0,
            noted: BTreeMap::new(),
            tally: Tally::default(),
        };
        campaign.next_entry = campaign.log().last().expect("the accounts were made").0 + 1;
        campaign
    }

    /// Load, a kill, a start.
    fn round(&mut self) -> Vec<Ended> {
        let (address, key) = (self.server.address(), self.server.key().clone());
        let begin = Arc::new(Barrier::new(self.writers.len() + 1));
        let writing: Vec<_> =
            self.writers.iter().map(|writer| writer.clone().write(address, key.clone(), begin.clone())).collect();
        let moment = self.dice.microseconds(LOAD_US_MAX);
        begin.wait();
        // The moment itself is the subject here; nothing is waited for.
        std::thread::park_timeout(moment);
        self.server.kill9();
        let ended = writing.into_iter().map(|each| each.join().unwrap()).collect();
        let began = Instant::now();
        self.server.resume();
        let usual = u64::try_from(began.elapsed().as_micros()).unwrap();
        if self.dice.roll(STARTS_PER_KILL) == 0 {
            self.server.kill9();
            let moment = self.dice.microseconds(usual);
            let mut start =
                self.server.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::park_timeout(moment);
            start.kill().unwrap();
            start.wait().unwrap();
            self.tally.starts += 1;
            self.server.resume();
        }
        ended
    }

    /// Holds what is there against what was acknowledged, and counts on from what is there.
    fn check(&mut self, place: &str, ended: &[Ended]) {
        let (in_directory, in_team) = (self.users(&self.directory), self.users(&self.team));
        let mut log = self.changes();
        for (writer, ended) in self.writers.iter_mut().zip(ended) {
            let before = writer.done;
            let users = if writer.account == self.team { &in_team } else { &in_directory };
            let acknowledged = before + ended.acknowledged;
            let there = users.batches(writer, acknowledged);
            let allowed = acknowledged..=acknowledged + usize::from(ended.is_open);
            let what = writer.operation(acknowledged);
            assert!(
                there.is_some_and(|there| allowed.contains(&there)),
                "{place}, {what}: {acknowledged} batches were acknowledged (under way: {}), but there {}",
                ended.is_open,
                there.map_or_else(|| users.torn(writer, acknowledged), |there| format!("are {there}"))
            );
            writer.done = there.unwrap();
            self.tally.acknowledged += ended.acknowledged;
            self.tally.open += usize::from(ended.is_open);
            self.tally.open_done += writer.done - acknowledged;
            log.check(place, writer, before..writer.done);
        }
        assert!(log.by_user.is_empty(), "{place}: changes that nobody asked for: {:?}", log.by_user);
        for user in log.mailed {
            *self.noted.entry(user).or_default() += 1;
        }
        // Nobody is there whom no batch made.
        let made: usize =
            self.writers.iter().map(|writer| (0..writer.done).map(|n| writer.made(n).len()).sum::<usize>()).sum();
        assert_eq!(in_directory.by_email.len() + in_team.by_email.len(), made + 2 * UPDATES + SUSPENSIONS, "{place}");
    }

    /// Everybody in an account.
    fn users(&self, account: &str) -> Users {
        let mut connection = Connection::open(self.server.address(), self.server.key()).unwrap();
        let mut users = Users::default();
        let mut token = String::new();
        loop {
            let target = format!("/accounts/{account}/users?max-results={PAGE}{token}");
            let answer = connection.ask("GET", &target, None).unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
            for user in answer.body["Users"].as_array().unwrap() {
                let licence = user["LicenseType"].as_str().map(str::to_owned);
                let state = (licence, text(user, "UserRegistrationStatus"));
                assert!(users.by_id.insert(text(user, "UserId"), state.clone()).is_none(), "an id stands twice");
                assert!(users.by_email.insert(text(user, "PrimaryEmail"), state).is_none(), "an address stands twice");
            }
            match answer.body["NextToken"].as_str() {
                Some(next) => token = format!("&next-token={next}"),
                None => return users,
            }
        }
    }

    /// The entries of the audit log that are new, the oldest first, each with its number.
    fn log(&self) -> Vec<(u64, Value)> {
        let mut connection = Connection::open(self.server.address(), self.server.key()).unwrap();
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let command = json!({"command": "audit", "before": before, "most": LOG_PAGE});
            let answer = connection.ask("POST", "/seatstore/v1/command", Some(&command)).unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
            let entries = answer.body["entries"].as_array().unwrap();
            let new = entries.iter().map(|entry| (entry["number"].as_u64().unwrap(), entry.clone()));
            found.extend(new.take_while(|(number, _)| *number >= self.next_entry));
            before = found.last().map(|(number, _)| *number).filter(|number| *number > self.next_entry);
            if before.is_none() || entries.is_empty() {
                found.reverse();
                return found;
            }
        }
    }

    /// The new changes in the audit log, which are read with this.
    fn changes(&mut self) -> Changes {
        let mut changes = Changes::default();
        for (number, entry) in self.log() {
            assert_eq!(number, self.next_entry, "no entry is missing");
            self.next_entry += 1;
            let operation = text(&entry, "operation");
            for change in entry["changes"].as_array().unwrap() {
                assert_eq!(change["kind"], "user", "{entry}");
                if operation == "SendInvitation" {
                    assert_eq!(change["after"]["mail"], "Sent", "{entry}");
                    changes.mailed.push(text(change, "email"));
                    continue;
                }
                assert_eq!(entry["by"], self.server.key().id.as_str(), "{entry}");
                let name = if change["before"].is_null() { text(change, "email") } else { text(change, "id") };
                let after = &change["after"];
                let licence = after["licence"].as_str().map(str::to_owned);
                let registration = after["registration"].as_str().map(str::to_owned);
                changes.by_user.entry(name).or_default().push((operation.clone(), licence, registration));
            }
        }
        changes
    }

    /// Every letter that is due is written in the end, and hardly one twice.
    fn check_letters(&mut self) {
        let team = self.writers.iter().find(|writer| matches!(writer.work, Work::Invitations)).unwrap();
        let invited: BTreeSet<String> = (0..team.done).flat_map(|number| team.made(number)).collect();
        let deadline = Instant::now() + LETTERS_DEADLINE;
        while self.noted.len() < invited.len() {
            assert!(Instant::now() < deadline, "{} of {} letters are noted", self.noted.len(), invited.len());
            std::thread::sleep(POLL);
            let changes = self.changes();
            assert!(changes.by_user.is_empty(), "{:?}", changes.by_user);
            for user in changes.mailed {
                *self.noted.entry(user).or_default() += 1;
            }
        }
        assert!(self.noted.keys().eq(&invited) && self.noted.values().all(|times| *times == 1), "noted once each");
        let letters = letters(&self.server.spool());
        let to = |letter: &String| {
            let line = letter.lines().find_map(|line| line.strip_prefix("To: ")).expect("a whole letter").trim();
            line.trim_matches(['<', '>']).to_owned()
        };
        let addressed: BTreeSet<String> = letters.iter().map(to).collect();
        assert_eq!(addressed, invited, "a letter to everybody who was invited, and to nobody else");
        // A kill between the letter and its note costs one letter more, and no kill costs two.
        let kills = KILLS + self.tally.starts;
        let twice = letters.len() - invited.len();
        assert!(twice <= kills, "{twice} letters too many after {kills} kills");
        println!("{} letters, {twice} of them a second time", letters.len());
    }
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("no {member}: {value}")).to_owned()
}

/// The users of an account.
#[derive(Debug, Default)]
struct Users {
    by_id: BTreeMap<String, State>,
    by_email: BTreeMap<String, State>,
}

impl Users {
    /// How many batches of a writer are carried out, if that many or one more of `acknowledged`; none if it is neither.
    fn batches(&self, writer: &Writer, acknowledged: usize) -> Option<usize> {
        [acknowledged, acknowledged + 1].into_iter().find(|done| self.fits(writer, *done))
    }

    /// Whether exactly so many batches of a writer, and each as a whole, are carried out.
    fn fits(&self, writer: &Writer, done: usize) -> bool {
        match &writer.work {
            Work::Licences(ids) | Work::Suspensions(ids) => {
                let state = match done {
                    0 => (Some("Pro".to_owned()), "Registered".to_owned()),
                    done => writer.state(done - 1),
                };
                ids.iter().all(|id| self.by_id.get(id) == Some(&state))
            }
            Work::Creations | Work::Invitations => {
                let is_there = |number: usize| {
                    writer.made(number).iter().all(|email| self.by_email.get(email) == Some(&writer.state(number)))
                };
                let is_away =
                    |number: usize| writer.made(number).iter().all(|email| !self.by_email.contains_key(email));
                (0..done).all(is_there) && is_away(done)
            }
        }
    }

    /// What is there in place of whole batches.
    fn torn(&self, writer: &Writer, acknowledged: usize) -> String {
        let mut counted: BTreeMap<Option<&State>, usize> = BTreeMap::new();
        match &writer.work {
            Work::Licences(ids) | Work::Suspensions(ids) => {
                ids.iter().for_each(|id| *counted.entry(self.by_id.get(id)).or_default() += 1);
            }
            Work::Creations | Work::Invitations => {
                let made = (0..=acknowledged).flat_map(|number| writer.made(number));
                made.for_each(|email| *counted.entry(self.by_email.get(&email)).or_default() += 1);
            }
        }
        format!("is a mixture: {counted:?}")
    }
}

/// What the audit log tells of a user: operation, licence, registration.
type Told = (String, Option<String>, Option<String>);

/// New changes in the audit log, by address for who was made and by id for the others.
#[derive(Debug, Default)]
struct Changes {
    by_user: BTreeMap<String, Vec<Told>>,
    mailed: Vec<String>,
}

impl Changes {
    /// These batches of a writer stand in the log, in their order and each once; they are taken out of it.
    fn check(&mut self, place: &str, writer: &Writer, batches: Range<usize>) {
        // Only what differs is told.
        let expected: Vec<_> = batches
            .clone()
            .map(|number| {
                let (licence, registration) = writer.state(number);
                let operation = writer.operation(number).to_owned();
                match writer.work {
                    Work::Licences(_) => (operation, licence, None),
                    Work::Suspensions(_) => (operation, None, Some(registration)),
                    Work::Creations | Work::Invitations => (operation, licence, Some(registration)),
                }
            })
            .collect();
        match &writer.work {
            Work::Licences(ids) | Work::Suspensions(ids) => {
                for id in ids {
                    let found = self.by_user.remove(id).unwrap_or_default();
                    assert_eq!(found, expected, "{place}: {id} in the audit log");
                }
            }
            Work::Creations | Work::Invitations => {
                for (number, expected) in batches.zip(expected) {
                    for email in writer.made(number) {
                        let found = self.by_user.remove(&email).unwrap_or_default();
                        assert_eq!(found, std::slice::from_ref(&expected), "{place}: {email} in the audit log");
                    }
                }
            }
        }
    }
}

fn campaign(seed: u64) {
    let seed = std::env::var("CRASH_SEED").ok().map_or(seed, |text| text.parse().unwrap());
    println!("CRASH_SEED={seed}");
    let mut campaign = Campaign::new(seed);
    for round in 0..KILLS {
        let ended = campaign.round();
        campaign.check(&format!("seed {seed}, round {round}"), &ended);
    }
    println!("{KILLS} kills under load: {:?}", campaign.tally);
    let Tally { acknowledged, open, .. } = campaign.tally;
    assert!(acknowledged > KILLS && open > KILLS, "too little load to show anything: {:?}", campaign.tally);
    campaign.check_letters();
    // An orderly end and another start change nothing.
    campaign.server.restart();
    let nothing = vec![Ended { acknowledged: 0, is_open: false }; campaign.writers.len()];
    campaign.check("after the end", &nothing);
}

#[test]
fn campaign_one() {
    campaign(1);
}

#[test]
fn campaign_two() {
    campaign(2);
}

#[test]
fn campaign_three() {
    campaign(3);
}

#[test]
fn campaign_four() {
    campaign(4);
}
