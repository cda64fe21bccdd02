//! The real binary, killed with SIGKILL at random moments of its passes.
//!
//! Each round changes the directory, starts `seatsync sync`, kills it somewhere between its first instruction and its
//! end, and then checks: both databases open; a further pass brings the account store to exactly what a run that was
//! never killed gives; nobody was invited twice; every change that happened stands in the history; nothing is left over.
//!
//! `CRASH_SEED=n` repeats a campaign's directory changes and kill moments (as far as a scheduler can repeat them).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use seatsync::accounts::embedded::{Access, Embedded, EmbeddedSettings};
use seatsync::model::{Email, StoreKind, Tier};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PEOPLE: usize = 240;
/// Runs that each campaign must catch alive and kill: six campaigns make 300.
const KILLS: usize = 50;
/// Rounds after which a campaign gives up catching that many.
const ROUNDS_MAX: usize = 150;

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
}

/// What somebody is in: nothing, plus, pro, or both; and whether enabled.
#[derive(Clone, Copy)]
struct Body {
    plus: bool,
    pro: bool,
    enabled: bool,
}

struct Site {
    folder: PathBuf,
    kind: StoreKind,
}

impl Site {
    fn new(folder: PathBuf, kind: StoreKind) -> Self {
        fs::create_dir_all(&folder).unwrap();
        fs::write(
            folder.join("seatsync.toml"),
            format!(
                r#"
[directory]
kind = "ldif"
path = "people.ldif"
[[tier]]
name = "pro"
groups = ["Pro"]
[[tier]]
name = "plus"
groups = ["Plus"]
[limits]
losses = "off"
group_shrink = "off"
[accounts]
kind = "embedded"
path = "accounts"
account = "crash"
account_type = "{kind}"
[state]
path = "state"
"#
            ),
        )
        .unwrap();
        Self { folder, kind }
    }

    fn write_directory(&self, bodies: &[Body]) {
        let mut ldif = String::new();
        for (i, body) in bodies.iter().enumerate() {
            let control = if body.enabled { 512 } else { 514 };
            write!(
                ldif,
                "dn: CN=p{i},DC=x\nobjectClass: user\ncn: p{i}\nsAMAccountName: p{i}\nmail: p{i}@x.example\n\
                 userAccountControl: {control}\nentryUUID: 00000000-0000-4000-8000-{i:012x}\n\n"
            )
            .unwrap();
        }
        for (g, (name, within)) in [
            ("Pro", bodies.iter().map(|b| b.pro).collect::<Vec<_>>()),
            ("Plus", bodies.iter().map(|b| b.plus).collect()),
        ]
        .into_iter()
        .enumerate()
        {
            write!(
                ldif,
                "dn: CN={name},DC=x\nobjectClass: group\ncn: {name}\nentryUUID: 00000000-0000-4000-9000-{g:012x}\n"
            )
            .unwrap();
            for (i, _) in within.iter().enumerate().filter(|(_, within)| **within) {
                writeln!(ldif, "member: CN=p{i},DC=x").unwrap();
            }
            ldif.push('\n');
        }
        fs::write(self.folder.join("people.ldif"), ldif).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seatsync"));
        command.arg("-c").arg(self.folder.join("seatsync.toml")).args(arguments).env_remove("SEATSYNC_CONFIG");
        command
    }

    /// Runs a command to its end; it must succeed and print JSON.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// E-mail to (tier, status).
    fn accounts(&self) -> BTreeMap<String, (Value, Value)> {
        let list = self.json(&["accounts", "list", "--json"]);
        let users = list["users"].as_array().unwrap();
        let map: BTreeMap<_, _> = users
            .iter()
            .map(|user| (user["email"].as_str().unwrap().to_owned(), (user["tier"].clone(), user["status"].clone())))
            .collect();
        assert_eq!(map.len(), users.len(), "one account an address");
        map
    }

    /// The account store itself, to play the people in it.
    fn store(&self) -> Embedded {
        let settings = EmbeddedSettings {
            path: self.folder.join("accounts"),
            account: "crash".to_owned(),
            kind: self.kind,
            tiers: vec![Tier::new("pro"), Tier::new("plus")],
            domains: Vec::new(),
        };
        Embedded::open(settings, Access::Write).unwrap()
    }

    /// One in three of those who are invited accepts, and begins on the default licence.
    fn accept_some(&self, dice: &mut Dice) {
        let invited: Vec<String> = self
            .accounts()
            .into_iter()
            .filter(|(_, (_, status))| status == "invited")
            .map(|(email, _)| email)
            .collect();
        let store = self.store();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for email in invited {
            if dice.roll(3) == 0 {
                runtime.block_on(store.accept_invitation(&Email::parse(&email).unwrap())).unwrap();
            }
        }
    }

    fn copy_to(&self, target: &Path) -> Self {
        copy_folder(&self.folder, target);
        Self { folder: target.to_path_buf(), kind: self.kind }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn campaign(kind: StoreKind, seed: u64) {
    let seed = std::env::var("CRASH_SEED").ok().map_or(seed, |text| text.parse().unwrap());
    println!("CRASH_SEED={seed} {kind}");
    let mut dice = Dice(seed);
    let temporary = tempfile::tempdir().unwrap();
    let site = Site::new(temporary.path().join("site"), kind);
    let mut bodies = vec![Body { plus: false, pro: false, enabled: true }; PEOPLE];
    let mut killed = 0;
    let mut usual = Duration::from_millis(60);

    for round in 0..ROUNDS_MAX {
        if killed >= KILLS {
            break;
        }
        for _ in 0..PEOPLE / 2 {
            let body = &mut bodies[usize::try_from(dice.roll(PEOPLE as u64)).unwrap()];
            match dice.roll(6) {
                0 | 1 => body.plus = !body.plus,
                2 | 3 => body.pro = !body.pro,
                4 => body.enabled = true,
                _ => body.enabled = !body.enabled,
            }
        }
        site.write_directory(&bodies);
        if kind == StoreKind::Team && round > 0 {
            site.accept_some(&mut dice);
        }

        // What a run gives that nobody kills.
        let reference = site.copy_to(&temporary.path().join(format!("reference-{round}")));
        let before = reference.accounts();
        let began = Instant::now();
        reference.json(&["sync", "--json"]);
        usual = (usual + began.elapsed()) / 2;
        let wanted = reference.accounts();
        fs::remove_dir_all(&reference.folder).unwrap();

        // The same, killed. Now and then twice: a crash during the recovery from a crash.
        for _ in 0..=dice.roll(4) / 3 {
            let moment = usual.mul_f64(f64::from(u32::try_from(dice.roll(1_100)).unwrap()) / 1_000.0);
            let mut child =
                site.command(&["sync", "--json"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            // The moment itself is the subject here; nothing is waited for.
            std::thread::park_timeout(moment);
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            killed += usize::from(!output.status.success());
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert!(complaint.is_empty(), "round {round}: {complaint}");
        }

        // Both databases open, and what is there is a mixture of before and after, nothing else.
        site.json(&["status", "--json"]);
        for (email, seat) in site.accounts() {
            let known = before.get(&email) == Some(&seat) || wanted.get(&email) == Some(&seat);
            assert!(
                known,
                "round {round}: {email} is {seat:?}, was {:?}, wanted {:?}",
                before.get(&email),
                wanted.get(&email)
            );
        }

        // One more pass converges; the next has nothing to do.
        site.json(&["sync", "--json"]);
        assert_eq!(site.accounts(), wanted, "round {round}");
        let again = site.json(&["sync", "--json"]);
        assert_eq!(
            (&again["in_sync"], again["changes"].as_array().unwrap().len()),
            (&Value::Bool(true), 0),
            "round {round}"
        );

        // No change without its line of history: the last line of whoever changed says what is so now.
        let history = site.json(&["history", "--json", "--last", "100000"]);
        let last: BTreeMap<&str, &Value> = history["actions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|action| (action["email"].as_str().unwrap(), action))
            .collect();
        for (email, (tier, status)) in &wanted {
            if before.get(email) != Some(&(tier.clone(), status.clone())) {
                let action =
                    last.get(email.as_str()).unwrap_or_else(|| panic!("round {round}: {email} changed unrecorded"));
                let to = if status == "active" { tier } else { status };
                assert_eq!(&action["to"], to, "round {round}: {email}: {action}");
            }
        }
    }
    assert!(killed >= KILLS, "only {killed} runs were caught alive in {ROUNDS_MAX} rounds");
    println!("{killed} runs killed");
    invited_once(&site);
}

/// How often each open invitation was sent, from the account store itself.
fn invited_once(site: &Site) {
    let listed = site.accounts();
    let store = site.store();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for email in listed.keys() {
        let user = runtime.block_on(store.user(&Email::parse(email).unwrap())).unwrap().unwrap();
        assert!(user.invitations_sent <= 1, "{email} was invited {} times", user.invitations_sent);
    }
}

#[test]
fn enterprise_directory_one() {
    campaign(StoreKind::EnterpriseDirectory, 1);
}

#[test]
fn enterprise_directory_two() {
    campaign(StoreKind::EnterpriseDirectory, 2);
}

#[test]
fn enterprise_directory_three() {
    campaign(StoreKind::EnterpriseDirectory, 3);
}

#[test]
fn team_one() {
    campaign(StoreKind::Team, 4);
}

#[test]
fn team_two() {
    campaign(StoreKind::Team, 5);
}

#[test]
fn team_three() {
    campaign(StoreKind::Team, 6);
}
