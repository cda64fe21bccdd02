//! A real receiver of webhooks on loopback, which checks signatures with an implementation that is not ours.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long something may take that must come.
const DEADLINE: Duration = Duration::from_secs(90);

/// Runs until dropped.
pub struct Receiver {
    process: Child,
    output: mpsc::Receiver<String>,
    port: u16,
}

impl Receiver {
    /// Starts one with the options of `tests/python/webhook_receiver.py`.
    pub fn start(options: &Value) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/webhook_receiver.py");
        let mut command = Command::new(crate::python::python());
        // Bytecode would be written beside the sources.
        command.arg("-B").arg(script).arg(options.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (line, output) = mpsc::channel();
        // Ends with the process; that nobody listens any more is no matter.
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|each| line.send(each)));
        let mut receiver = Self { process, output, port: 0 };
        receiver.port = u16::try_from(receiver.request()["port"].as_u64().unwrap()).unwrap();
        receiver
    }

    /// Where it listens, at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next request that came; waits for it.
    #[track_caller]
    pub fn request(&mut self) -> Value {
        let line = self.output.recv_timeout(DEADLINE);
        let line = line.unwrap_or_else(|error| panic!("nothing came to the receiver: {error}"));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the receiver said {line:?}: {error}"))
    }

    /// Ends it; gives the requests that nobody asked for yet.
    pub fn rest(mut self) -> Vec<Value> {
        drop(self.process.stdin.take());
        self.output.iter().map(|line| serde_json::from_str(&line).unwrap()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
