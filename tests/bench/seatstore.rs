//! How much `seatstore serve` and the agent's client of it bear, next to boto3 on the same server: one table.
//!
//! `tests/bench/seatstore` runs it. No check: it fails only where an answer is wrong, never because something is slow.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../python/mod.rs"]
mod python;
#[path = "../seatstore/mod.rs"]
mod seatstore;

use seatstore::Server;
use seatsync::accounts::AccountStore;
use seatsync::accounts::chime::{Chime, ChimeSettings, Operation};
use seatsync::model::{Action, Email, Intent, ObjectGuid, Observed, Outcome, PassId, Seat, Tier, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Users of the account; `BENCH_USERS` for another number.
const USERS: usize = 100_000;
/// As `requests_max` is without being configured.
const REQUESTS_AT_ONCE: usize = 16;
/// Requests of boto3 that are measured, for each number of threads: enough for its rate.
const BOTO3_REQUESTS: usize = 500;
const BOTO3_THREADS: usize = 16;
const TIMEOUT: Duration = Duration::from_secs(30);
/// No limit of the server's is met: the client is to be as fast as it can be.
const RATE: &str = "rate = 100000\nburst = 1000000";

/// A line of the table.
struct Line {
    what: String,
    requests: u64,
    users: usize,
    took: Duration,
    /// Of the server and of the client, user and system; on a busy machine they say more than the clock.
    server_cpu: Duration,
    client_cpu: Duration,
}

/// What has been used when something began.
struct Meter {
    server: u32,
    at: Instant,
    server_cpu: Duration,
    own_cpu: Duration,
}

impl Meter {
    fn start(server: u32) -> Self {
        Self { server, at: Instant::now(), server_cpu: cpu(server), own_cpu: cpu(std::process::id()) }
    }

    fn stop(self, what: &str, requests: u64, users: usize) -> Line {
        let Self { server, at, server_cpu, own_cpu } = self;
        Line {
            what: what.to_owned(),
            requests,
            users,
            took: at.elapsed(),
            server_cpu: cpu(server).saturating_sub(server_cpu),
            client_cpu: cpu(std::process::id()).saturating_sub(own_cpu),
        }
    }
}

fn main() {
    let users = std::env::var("BENCH_USERS").ok().map_or(USERS, |text| text.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut server = Server::configured(RATE, "");
    let account = server.account("Bench", "EnterpriseDirectory", &["corp.test"]);
    server.resume();
    let mut lines = Vec::new();

    let (mut client, process) = (client(&server, &account), server.process_id());
    runtime.block_on(async {
        let (made, meter) = (creations(users), Meter::start(process));
        lines.push(applied(&mut client, meter, "create, ours", Operation::BatchCreateUser, &made).await);
        let everybody = listed(&mut client, process, users, &mut lines).await;
        let (pro, meter) = (moves(&everybody, "Plus", "Pro"), Meter::start(process));
        lines.push(applied(&mut client, meter, "assign, ours", Operation::BatchUpdateUser, &pro).await);
    });
    let most = memory(&server, "VmHWM");

    let asked = json!({
        "url": server.url(), "key": {"id": server.key().id, "secret": server.key().secret}, "account": account,
        "licence": "Plus", "process": process, "requests": BOTO3_REQUESTS.min(users / 40), "threads": BOTO3_THREADS,
    });
    let boto3: Value = serde_json::from_str(&python::run("../bench/boto3_client.py", &[], &asked.to_string())).unwrap();
    lines.push(of_python("list, boto3", &boto3["list"]));
    lines.push(of_python("assign, boto3, 1 thread", &boto3["one"]));
    lines.push(of_python(&format!("assign, boto3, {BOTO3_THREADS} threads"), &boto3["many"]));
    let most_with_boto3 = memory(&server, "VmHWM");

    server.stop();
    let began = Instant::now();
    server.resume();
    let started = began.elapsed();
    let resident = memory(&server, "VmRSS");

    print!("{}", table(&lines));
    println!();
    let rate = |what: &str| {
        let line = lines.iter().find(|line| line.what.starts_with(what)).expect("a line of that name");
        per_second(line.requests as f64, line.took)
    };
    let ours = rate("assign, ours");
    println!("assign: {:.1} times boto3 with 1 thread,", ours / rate("assign, boto3, 1 thread"));
    println!(
        "        {:.1} times boto3 with {BOTO3_THREADS} threads",
        ours / rate(&format!("assign, boto3, {BOTO3_THREADS}"))
    );
    println!("list:   {:.1} times boto3", rate("list, ours") / rate("list, boto3"));
    println!("server: {most} MB at most with ours, {most_with_boto3} MB after boto3;");
    println!(
        "        started anew in {:.2} s, {resident} MB then; {} MB on disk",
        started.as_secs_f64(),
        disk(&server)
    );
}

fn client(server: &Server, account: &str) -> Chime {
    let settings = ChimeSettings {
        endpoint: server.url().to_owned(),
        region: "us-east-1".to_owned(),
        account: account.to_owned(),
        access_key_id: server.key().id.clone(),
        secret_access_key: SecretString::from(server.key().secret.clone()),
        ca_file: None,
        timeout: TIMEOUT,
        requests_max: REQUESTS_AT_ONCE,
        tiers: vec![Tier::new("Pro"), Tier::new("Plus")],
        meter: seatsync::model::Meter::default(),
        halt: seatsync::halt::Halt::default(),
    };
    Chime::open(settings).unwrap()
}

/// Everything, batch after batch as a pass does it; each must be done.
async fn applied(client: &mut Chime, meter: Meter, what: &str, operation: Operation, intents: &[Intent]) -> Line {
    let before = client.requests(operation);
    for batch in intents.chunks(client.batch_max()) {
        for (intent, outcome) in batch.iter().zip(client.apply(batch).await) {
            let reached = matches!(&outcome, Outcome::Done(Some(observed)) if observed.seat == intent.to);
            assert!(reached, "{intent:?}: {outcome:?}");
        }
    }
    meter.stop(what, client.requests(operation) - before, intents.len())
}

async fn listed(client: &mut Chime, process: u32, users: usize, lines: &mut Vec<Line>) -> Vec<Observed> {
    let before = client.requests(Operation::ListUsers);
    let meter = Meter::start(process);
    let everybody = client.list().await.unwrap();
    lines.push(meter.stop("list, ours", client.requests(Operation::ListUsers) - before, users));
    assert_eq!(everybody.len(), users);
    everybody
}

fn creations(users: usize) -> Vec<Intent> {
    let email = |index: usize| Email::parse(&format!("firstname.lastname{index}@corp.test")).unwrap();
    (0..users).map(|index| intent(index, None, email(index), Seat::Vacant, Seat::Active(Tier::new("Plus")))).collect()
}

fn moves(everybody: &[Observed], from: &str, to: &str) -> Vec<Intent> {
    let (from, to) = (Seat::Active(Tier::new(from)), Seat::Active(Tier::new(to)));
    let of = |(index, each): (usize, &Observed)| {
        assert_eq!(each.seat, from);
        intent(index, Some(each), each.email.clone(), from.clone(), to.clone())
    };
    everybody.iter().enumerate().map(of).collect()
}

fn intent(index: usize, observed: Option<&Observed>, email: Email, from: Seat, to: Seat) -> Intent {
    let at = Timestamp::UNIX_EPOCH;
    Intent {
        pass: PassId::new(at, 0),
        at,
        action: if observed.is_some() { Action::Move } else { Action::Create },
        guid: ObjectGuid::from_u128(index as u128 + 1),
        account: observed.map(|observed| observed.id.clone()),
        email,
        from,
        to,
        because: "bench".to_owned(),
        details: None,
    }
}

fn of_python(what: &str, measured: &Value) -> Line {
    let number = |member: &str| measured[member].as_u64().unwrap();
    let seconds = |member: &str| Duration::from_secs_f64(measured[member].as_f64().unwrap());
    Line {
        what: what.to_owned(),
        requests: number("requests"),
        users: number("users").try_into().unwrap(),
        took: seconds("seconds"),
        server_cpu: seconds("server_cpu"),
        client_cpu: seconds("client_cpu"),
    }
}

fn table(lines: &[Line]) -> String {
    let mut text = format!(
        "{:<26} {:>8} {:>7} {:>8} {:>10} {:>8} {:>10} {:>10}\n",
        "", "requests", "users", "seconds", "requests/s", "users/s", "server CPU", "client CPU"
    );
    for Line { what, requests, users, took, server_cpu, client_cpu } in lines {
        let (seconds, users_rate) = (took.as_secs_f64(), per_second(*users as f64, *took));
        let rate = per_second(*requests as f64, *took);
        let (server, client) = (server_cpu.as_secs_f64(), client_cpu.as_secs_f64());
        text.push_str(&format!(
            "{what:<26} {requests:>8} {users:>7} {seconds:>8.2} {rate:>10.0} {users_rate:>8.0} {server:>8.2} s {client:>8.2} s\n"
        ));
    }
    text
}

fn per_second(count: f64, took: Duration) -> f64 {
    count / took.as_secs_f64()
}

/// What a process has used so far, by `/proc/PID/stat`: fields 14 and 15, in ticks of 10 ms.
fn cpu(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, behind_the_name) = stat.rsplit_once(") ").expect("a name in parentheses");
    let ticks: u64 = behind_the_name.split(' ').skip(11).take(2).map(|text| text.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// A line of the server's `/proc/PID/status`, in MB.
fn memory(server: &Server, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process_id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("in the status");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap().div_ceil(1024)
}

/// The size of the book, in MB.
fn disk(server: &Server) -> u64 {
    let book: &Path = &server.path("book");
    let output = Command::new("du").arg("-sm").arg(book).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().parse().unwrap()
}
