//! Passes of the service, which remembers what it has read: nothing has changed since, or one thing has.

use crate::agent::Agent;
use crate::crowd::{Crowd, group, person};
use crate::gauge::{Runs, Taken, cpu_seconds};
use crate::office::Office;
use crate::proxy::Proxy;
use crate::site::Site;
use crate::table::{Line, grouped};
use crate::tap::Tap;
use crate::told;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Passes in which nothing has changed: CPU time is told in hundredths of a second.
const QUIET_PASSES: u64 = 100;
/// Changes, each with a pass of its own.
const CHANGES: u64 = 20;
const ANSWER_TIME_MAX: Duration = Duration::from_secs(600);
/// Bars, for each pass.
const ROUND_TRIPS_MOST: u64 = 3;
const CPU_SECONDS_MOST: f64 = 0.020;

/// The service, and who counts on either side of it.
struct Watched {
    agent: Agent<Site>,
    tap: Tap,
    proxy: Proxy,
}

/// Means of some passes, for each.
struct Each {
    runs: Runs,
    round_trips: u64,
    entries: u64,
    bytes: u64,
    requests: u64,
}

/// Passes in which nothing has changed, and passes in which one thing has.
pub fn incremental(crowd: &Crowd, mut office: Office, lines: &mut Vec<Line>) {
    told("the service");
    let (tap, proxy) = office.tapped(crowd);
    let (mut site, _store) = office.into_parts();
    // Passes come when they are asked for.
    site.directory.more.push_str("watch = false\n");
    site.more = "[schedule]\nsync = 'every 24h'\njitter = '0s'\n".to_owned();
    let config = site.write_config();
    let watched =
        Watched { agent: Agent::start(site, &config).settled_within(ANSWER_TIME_MAX), tap, proxy: proxy.unwrap() };

    let once = watched.passes(1, |_| {});
    if once.entries >= crowd.people() {
        for what in
            ["nothing changed", "one person disabled or enabled", "one member of a large group added or removed"]
        {
            lines.push(Line {
                phase: format!("incremental pass, {what}"),
                bar: format!("not there: a pass of the service reads all {} entries again", grouped(once.entries)),
                ..Line::default()
            });
        }
        return;
    }
    told(&format!("{QUIET_PASSES} passes in which nothing has changed"));
    let quiet = watched.passes(QUIET_PASSES, |_| {});
    let cpu = quiet.runs.cpu_seconds();
    let is_met = quiet.round_trips <= ROUND_TRIPS_MOST && quiet.requests == 0 && cpu <= CPU_SECONDS_MOST;
    let bar = format!(
        "{:.1} ms CPU (at most {:.0}), {} LDAP requests (at most {ROUND_TRIPS_MOST}), {} HTTP requests (none): \
         {}",
        cpu * 1e3,
        CPU_SECONDS_MOST * 1e3,
        quiet.round_trips,
        quiet.requests,
        if is_met { "met" } else { "MISSED" }
    );
    lines.push(quiet.line("incremental pass, nothing changed", bar));

    told("passes in which one thing has changed");
    let somebody = person(1);
    let control = |value: u32| {
        let change = format!("replace: userAccountControl\nuserAccountControl: {value}");
        crowd.modify(&format!("dn: {somebody}\nchangetype: modify\n{change}\n"));
    };
    let disabled = watched.passes(CHANGES, |pass| control(if pass % 2 == 0 { 514 } else { 512 }));
    lines.push(disabled.line("incremental pass, one person disabled or enabled", String::new()));
    let large = group("division-0");
    let member = |change: &str| {
        crowd.modify(&format!("dn: {large}\nchangetype: modify\n{change}: member\nmember: {somebody}\n"));
    };
    let moved = watched.passes(CHANGES, |pass| member(if pass % 2 == 0 { "delete" } else { "add" }));
    let what = format!("incremental pass, one of {} members removed or added", grouped(crowd.people() / 10));
    lines.push(moved.line(&what, String::new()));
}

impl Watched {
    /// So many passes, something done before each; the means.
    fn passes(&self, count: u64, mut before: impl FnMut(u64)) -> Each {
        self.tap.forget();
        self.proxy.forget();
        let (mut seconds, mut cpu) = (Vec::new(), Vec::new());
        let all = cpu_seconds(self.agent.pid());
        for pass in 0..count {
            before(pass);
            let (began, used) = (Instant::now(), cpu_seconds(self.agent.pid()));
            self.pass();
            seconds.push(began.elapsed().as_secs_f64());
            cpu.push(cpu_seconds(self.agent.pid()) - used);
        }
        // One pass is too short for the clock of the CPU: the mean is exact.
        let cpu_seconds = (cpu_seconds(self.agent.pid()) - all) / count as f64;
        let megabytes = self.agent.most_memory_kib() as f64 / 1024.0;
        let mut runs = Runs::default();
        for seconds in seconds {
            runs.push(Taken { seconds, cpu_seconds, megabytes });
        }
        let seen = self.tap.seen();
        Each {
            runs,
            // Never fewer than there were.
            round_trips: seen.round_trips().div_ceil(count),
            entries: seen.entries().div_ceil(count),
            bytes: seen.bytes.div_ceil(count),
            requests: (self.proxy.asked_in_all() as u64).div_ceil(count),
        }
    }

    /// One pass, asked for at the control socket, which answers when it has ended.
    #[track_caller]
    fn pass(&self) {
        let config = fs::canonicalize(self.agent.config()).unwrap();
        let mut socket = UnixStream::connect(self.agent.socket()).unwrap();
        socket.set_read_timeout(Some(ANSWER_TIME_MAX)).unwrap();
        let ask = json!({"sync": {"audit": false, "user": null}});
        writeln!(socket, "{}", json!({"format": 1, "config": config, "by": "", "ask": ask})).unwrap();
        for line in BufReader::new(socket).lines() {
            let told: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if told.get("step").is_none() {
                let result = &told["answer"]["report"]["result"];
                assert!(["in_sync", "applied"].iter().any(|good| result == good), "{told}");
                return;
            }
        }
        panic!("the service ended\n{}", self.agent.log());
    }
}

impl Each {
    fn line(self, phase: &str, bar: String) -> Line {
        let Self { runs, round_trips, entries, bytes, requests } = self;
        Line {
            phase: phase.to_owned(),
            runs: Some(runs),
            people: None,
            round_trips: Some(round_trips),
            entries: Some(entries),
            bytes: Some(bytes),
            requests: Some(requests),
            bar,
        }
    }
}
