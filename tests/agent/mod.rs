//! The real agent as a service (`seatsync run`), until dropped.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use seatsync::model::Timestamp;
use seatsync::status::Document;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take that must happen.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A service that runs, and what its configuration stands in.
pub struct Agent<H> {
    pub home: Option<H>,
    config: PathBuf,
    child: Child,
}

/// How a command ended.
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl<H> Agent<H> {
    /// Starts one with this configuration, whose control socket is `control.sock` beside it, and waits until it answers.
    pub fn start(home: H, config: &Path) -> Self {
        Self::start_with(home, config, &[])
    }

    /// The same with more in its environment.
    pub fn start_with(home: H, config: &Path, environment: &[(&str, &str)]) -> Self {
        let agent = Self { home: Some(home), config: config.to_owned(), child: spawn(config, environment) };
        // A killed one leaves its socket behind, at which nobody listens.
        agent.until("it answers", |agent| UnixStream::connect(agent.socket()).is_ok());
        agent
    }

    /// What its configuration stands in.
    pub fn home(&self) -> &H {
        self.home.as_ref().unwrap()
    }

    /// Where it listens to commands.
    pub fn socket(&self) -> PathBuf {
        self.config.with_file_name("control.sock")
    }

    /// Its configuration.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// A command of the same configuration, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).env("SEATSYNC_CONFIG", &self.config).env("USER", "operator");
        command.env_remove("SUDO_USER").stdin(Stdio::null());
        command
    }

    /// A command of the same configuration.
    pub fn run(&self, arguments: &[&str]) -> Said {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// What `status --json` says, asked without a process of its own: it is looked at often.
    pub fn status(&self) -> Value {
        let config = fs::canonicalize(&self.config).unwrap();
        let mut socket = UnixStream::connect(self.socket()).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let hello = json!({"format": 1, "config": config, "by": "", "ask": "status"});
        writeln!(socket, "{hello}").unwrap();
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        let live =
            serde_json::from_value(told["answer"]["live"].clone()).unwrap_or_else(|error| panic!("{line}: {error}"));
        serde_json::to_value(Document::of(&live, Timestamp::now())).unwrap()
    }

    /// The log of this process so far: whatever it wrote before it answered is in it.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(log_path(&self.config)).unwrap()).into_owned()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: &str) {
        kill(self.child.id(), signal);
    }

    /// Waits for a condition, by looking.
    #[track_caller]
    pub fn until(&self, what: &str, is_so: impl FnMut(&Self) -> bool) {
        self.until_within(DEADLINE, what, is_so);
    }

    #[track_caller]
    fn until_within(&self, deadline: Duration, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < deadline, "not within {deadline:?}: {what}\n{}", self.log());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until the first pass has ended.
    pub fn settled(self) -> Self {
        self.settled_within(DEADLINE)
    }

    /// Waits until the first pass has ended, which may take so long.
    pub fn settled_within(self, deadline: Duration) -> Self {
        self.until_within(deadline, "the first pass has ended", |agent| {
            let status = agent.status();
            !status["last_pass"].is_null() && status["daemon"]["running"].is_null()
        });
        self
    }

    /// Tells it to end, and waits for that.
    pub fn stop(mut self) -> (ExitStatus, String, H) {
        self.signal("TERM");
        let status = self.wait();
        let log = self.log();
        (status, log, self.take())
    }

    /// Kills it, and gives what it leaves.
    pub fn kill(mut self) -> H {
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
        self.memory_kib("VmRSS:")
    }

    /// The most memory that was ever resident, in KiB.
    pub fn most_memory_kib(&self) -> u64 {
        self.memory_kib("VmHWM:")
    }

    fn memory_kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// What is left of it without the process, which has ended.
    fn take(mut self) -> H {
        self.home.take().unwrap()
    }
}

impl<H> Drop for Agent<H> {
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

/// The binary of this build, unless a benchmark names another one.
fn binary() -> OsString {
    std::env::var_os("BENCH_SEATSYNC").unwrap_or_else(|| env!("CARGO_BIN_EXE_seatsync").into())
}

fn log_path(config: &Path) -> PathBuf {
    config.with_file_name("log")
}

fn spawn(config: &Path, environment: &[(&str, &str)]) -> Child {
    Command::new(binary())
        .arg("run")
        .env("SEATSYNC_CONFIG", config)
        .env_remove("NOTIFY_SOCKET")
        .env_remove("JOURNAL_STREAM")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(File::create(config.with_file_name("stdout")).unwrap())
        // A file and no pipe: there is nobody in between who may be late.
        .stderr(File::create(log_path(config)).unwrap())
        .spawn()
        .unwrap()
}
