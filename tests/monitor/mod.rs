//! What a monitor sees of a service: its status listener, over HTTP.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use crate::agent::Agent;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long one answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// What the service says of where it listens.
const TOLD: &str = "the status page is at http://";

/// Asks one service.
pub struct Monitor {
    address: SocketAddr,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Monitor {
    /// Of a service that has `[status] listen`; its port may be 0, since it says which one it got.
    pub fn of<H>(agent: &Agent<H>) -> Self {
        let mut address = None;
        agent.until("it says where its status page is", |agent| {
            let log = agent.log();
            let told = log.lines().find_map(|line| line.split_once(TOLD)).map(|(_, told)| told.to_owned());
            address = told.map(|told| told.trim_end_matches('/').parse().unwrap());
            address.is_some()
        });
        Self { address: address.unwrap() }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask(path, "")
    }

    /// `headers`: lines with their ends.
    pub fn ask(&self, path: &str, headers: &str) -> Answer {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}Connection: close\r\n\r\n", self.address).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap_or_else(|error| panic!("{path}: {error} after {said:?}"));
        let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {said:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// `/status.json`.
    pub fn status(&self) -> Value {
        let Answer { status, head, body } = self.get("/status.json");
        assert_eq!(status, 200, "{head}");
        serde_json::from_str(&body).unwrap()
    }

    /// Whether `/healthz` calls nobody, and what it says.
    pub fn health(&self) -> (bool, String) {
        light(self.get("/healthz"))
    }

    /// Whether `/readyz` says that the service is at work, and what it says.
    pub fn readiness(&self) -> (bool, String) {
        light(self.get("/readyz"))
    }

    /// Every series of `/metrics` and its value.
    pub fn metrics(&self) -> Metrics {
        let Answer { status, head, body } = self.get("/metrics");
        assert_eq!(status, 200, "{head}");
        Metrics(series(&body))
    }
}

fn light(Answer { status, head, body }: Answer) -> (bool, String) {
    assert!([200, 503].contains(&status), "{head}");
    (status == 200, body)
}

/// The series of a text in either format, and their values.
pub fn series(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let pairs = lines.map(|line| line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?}")));
    pairs.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

/// What was counted, and what is so.
#[derive(Debug)]
pub struct Metrics(pub BTreeMap<String, f64>);

impl Metrics {
    /// The value of a series without our prefix, such as `outage` or `passes_total{result="failed"}`.
    pub fn find(&self, series: &str) -> Option<f64> {
        self.0.get(&format!("seatsync_{series}")).copied()
    }

    /// The same, of a series that must be there.
    #[track_caller]
    pub fn of(&self, series: &str) -> f64 {
        self.find(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.0))
    }

    /// Exchanges of one operation by the histogram `ldap` or `http`, however they went.
    #[track_caller]
    pub fn exchanges(&self, with: &str, operation: &str) -> f64 {
        let of = |outcome| {
            self.of(&format!(
                "{with}_request_duration_seconds_count{{operation=\"{operation}\",outcome=\"{outcome}\"}}"
            ))
        };
        ["answered", "refused", "unanswered"].map(of).iter().sum()
    }
}
