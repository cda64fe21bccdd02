//! The real agent as a service (`seatsync run`) on the example company, in a folder of its own, until dropped.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use crate::company::{Company, Ran};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take that must happen.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A service that runs.
pub struct Agent {
    pub company: Company,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Agent {
    /// Starts one with these lines in its configuration, and waits until it answers on its control socket.
    pub fn start(more: &str) -> Self {
        Self::of(Company::new(), more)
    }

    /// The same on a company that is there.
    pub fn of(company: Company, more: &str) -> Self {
        // `[status]` is the last section there: further keys of it may come first.
        let toml = fs::read_to_string(company.path("quickstart.toml")).unwrap();
        fs::write(company.path("quickstart.toml"), format!("{toml}\n{more}")).unwrap();
        let (child, log) = spawn(&company);
        let agent = Self { company, child, log };
        agent.until("it answers", |agent| agent.company.path("control.sock").exists() && agent.run(&["status"]).code == 0);
        agent
    }

    /// A command of the same configuration.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.company.run(arguments)
    }

    /// What `status --json` says.
    pub fn status(&self) -> Value {
        let ran = self.run(&["status", "--json"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: &str) {
        kill(self.child.id(), signal);
    }

    /// Waits for a condition, by looking.
    #[track_caller]
    pub fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}\n{}", self.log());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until the first pass has ended.
    pub fn settled(self) -> Self {
        self.until("the first pass has ended", |agent| {
            let status = agent.status();
            !status["last_pass"].is_null() && status["daemon"]["running"].is_null()
        });
        self
    }

    /// Tells it to end, and waits for that.
    pub fn stop(mut self) -> (ExitStatus, String, Company) {
        self.signal("TERM");
        let status = self.wait();
        let log = self.log();
        (status, log, self.take())
    }

    /// Kills it, and gives what it leaves.
    pub fn kill(mut self) -> Company {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.take()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < DEADLINE, "it does not end\n{}", self.log());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Files that the process has open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// The company without its service, which has ended.
    fn take(mut self) -> Company {
        std::mem::replace(&mut self.company, Company::new())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Ended already where the test has waited for it.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Sends a signal to a process that this test started.
pub fn kill(pid: u32, signal: &str) {
    let status = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

fn spawn(company: &Company) -> (Child, Arc<Mutex<Vec<String>>>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_seatsync"))
        .arg("run")
        .env("SEATSYNC_CONFIG", company.path("quickstart.toml"))
        .env_remove("NOTIFY_SOCKET")
        .env_remove("JOURNAL_STREAM")
        .stdin(Stdio::null())
        .stdout(File::create(company.path("stdout")).unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let (kept, stderr) = (log.clone(), child.stderr.take().unwrap());
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            kept.lock().unwrap().push(line);
        }
    });
    (child, log)
}

/// Where the socket of a company's service is.
pub fn socket(company: &Company) -> PathBuf {
    company.path("control.sock")
}
