//! A real mail server on loopback: aiosmtpd, an implementation that is not ours.

#![allow(dead_code)]

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long something may take that must come.
const DEADLINE: Duration = Duration::from_secs(90);

/// Runs until dropped.
pub struct SmtpServer {
    process: Child,
    output: mpsc::Receiver<String>,
    port: u16,
}

impl SmtpServer {
    /// Starts one with the options of `tests/python/smtp_server.py`.
    pub fn start(options: &Value) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/smtp_server.py");
        let mut command = Command::new(python());
        // Bytecode would be written beside the sources.
        command.arg("-B").arg(script).arg(options.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (line, output) = mpsc::channel();
        // Ends with the process; that nobody listens any more is no matter.
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|each| line.send(each)));
        let mut server = Self { process, output, port: 0 };
        server.port = u16::try_from(server.line()["port"].as_u64().unwrap()).unwrap();
        server
    }

    /// Where it listens, at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next message that it took on; waits for it.
    #[track_caller]
    pub fn message(&mut self) -> Value {
        self.line()
    }

    #[track_caller]
    fn line(&mut self) -> Value {
        let line = self.output.recv_timeout(DEADLINE);
        let line = line.unwrap_or_else(|error| panic!("nothing came to the mail server: {error}"));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the mail server said {line:?}: {error}"))
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The Python of the tests, in the environment that `tests/run` makes.
fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("venv");
    let python = folder.join("bin/python");
    assert!(
        python.exists(),
        "{folder} has no Python: run tests/run once, or python3 -m venv {folder} && {folder}/bin/pip install \
         aiosmtpd==1.4.6",
        folder = folder.display()
    );
    python
}
