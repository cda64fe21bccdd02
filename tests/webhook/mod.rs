//! A real receiver of webhooks on loopback, which checks signatures with an implementation that is not ours.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Runs until dropped.
pub struct Receiver {
    process: Child,
    output: BufReader<ChildStdout>,
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
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut receiver = Self { process, output, port: 0 };
        receiver.port = u16::try_from(receiver.request()["port"].as_u64().unwrap()).unwrap();
        receiver
    }

    /// Where it listens, at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next request that came; waits for it.
    pub fn request(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the receiver said {line:?}: {error}"))
    }

    /// Ends it; gives the requests that nobody asked for yet.
    pub fn rest(mut self) -> Vec<Value> {
        drop(self.process.stdin.take());
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
