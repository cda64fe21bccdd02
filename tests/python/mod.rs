//! Programs in Python, run in the environments that `tests/run` makes of `requirements.txt` and those beside it.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest run of one program, on a busy machine.
const RUN_TIME_MAX: Duration = Duration::from_secs(150);
const POLL: Duration = Duration::from_millis(10);

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit status; none where a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

/// Runs `tests/python/SCRIPT` with those arguments and that input; it must succeed. Gives what it printed.
#[track_caller]
pub fn run(script: &str, arguments: &[&str], input: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let mut command = Command::new(program("venv", "requirements.txt", "python"));
    // Bytecode would be written beside the sources.
    command.arg("-B").arg(path).args(arguments);
    let ended = run_to_end(&mut command, input);
    assert!(
        ended.code == Some(0),
        "{script} {arguments:?} ended with {:?}\n{}\n{}",
        ended.code,
        ended.stdout,
        ended.stderr
    );
    ended.stdout
}

/// The AWS CLI with no configuration but what the caller gives it.
pub fn aws() -> Command {
    let mut command = Command::new(program("venv-aws", "requirements-aws.txt", "aws"));
    let nowhere = "/nonexistent";
    command
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", nowhere)
        .env("AWS_CONFIG_FILE", nowhere)
        .env("AWS_SHARED_CREDENTIALS_FILE", nowhere)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_PAGER", "")
        .env("AWS_DEFAULT_REGION", "us-east-1");
    command
}

/// A conformance tool for SCIM.
pub fn scim_check(name: &str) -> Command {
    let mut command = Command::new(program("venv-scim-check", "requirements-scim-check.txt", name));
    command.env_clear().env("LC_ALL", "C.UTF-8").env("HOME", "/nonexistent").env("NO_COLOR", "1");
    command
}

/// The Python of the tests, for programs that go on running.
pub fn python() -> PathBuf {
    program("venv", "requirements.txt", "python")
}

/// A program of the SCIM servers.
pub fn scim(name: &str) -> PathBuf {
    program("venv-scim", "requirements-scim.txt", name)
}

/// Runs a program to its end.
#[track_caller]
pub fn run_to_end(command: &mut Command, input: &str) -> Ended {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| {
            panic!("{command:?} does not start: {error}");
        });
    let stdout = collect(child.stdout.take().unwrap());
    let stderr = collect(child.stderr.take().unwrap());
    // A program that ends without reading tells why on its standard error.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let status = wait(&mut child);
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    let Some(status) = status else {
        panic!("{command:?} was ended after {RUN_TIME_MAX:?}\n{stdout}\n{stderr}");
    };
    Ended { code: status.code(), stdout, stderr }
}

fn wait(child: &mut Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + RUN_TIME_MAX;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        std::thread::sleep(POLL);
    }
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A program of an environment. One that is missing, or made of other requirements, is a failure and never a skip.
fn program(environment: &str, requirements: &str, name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let folder = target.join(environment);
    let required = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(requirements);
    let wanted = std::fs::read(&required).unwrap_or_else(|error| panic!("read {}: {error}", required.display()));
    let program = folder.join("bin").join(name);
    assert!(
        program.exists() && std::fs::read(folder.join("requirements.txt")).is_ok_and(|made_of| made_of == wanted),
        "{folder} is not made of tests/python/{requirements}: run tests/run once, or \
         python3 -m venv {folder} && {folder}/bin/pip install --no-deps -r tests/python/{requirements} && \
         cp tests/python/{requirements} {folder}/requirements.txt",
        folder = folder.display(),
    );
    program
}
