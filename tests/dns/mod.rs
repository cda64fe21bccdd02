//! A small DNS server on loopback, by UDP and by TCP on one port: TXT records, aliases, and the ways to fail.
//!
//! Written in bytes (RFC 1035), so that the resolver under test does not judge itself.

#![allow(dead_code)]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The largest answer by UDP, in bytes; longer ones are cut off, and asked for again by TCP.
const UDP_BYTES_MAX: usize = 512;
const TXT: u16 = 16;
const CNAME: u16 = 5;

/// How the server fails, whatever it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not get on: SERVFAIL.
    ServFail,
    /// It does not want to: REFUSED.
    Refused,
    /// It answers nothing at all.
    Silence,
    /// It cuts every answer by UDP off.
    Truncation,
    /// It cuts every answer off, by TCP as well.
    TruncationForever,
    /// It knows no name.
    NxDomain,
    /// It answers with bytes that are no message.
    Garbage,
}

/// One question that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name, as written, without the last dot.
    pub name: String,
    /// Whether it came by TCP.
    pub by_tcp: bool,
}

#[derive(Default)]
struct Zone {
    /// By domain in lower case: each record as its character strings.
    texts: HashMap<String, Vec<Vec<Vec<u8>>>>,
    aliases: HashMap<String, String>,
    fault: Option<Fault>,
    asked: Vec<Question>,
}

/// Runs until dropped.
pub struct DnsServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl DnsServer {
    /// Starts one that knows no name yet.
    pub fn start() -> Self {
        let (udp, tcp) = same_port();
        let address = udp.local_addr().unwrap();
        let zone = Arc::new(Mutex::new(Zone::default()));
        let is_over = Arc::new(AtomicBool::new(false));
        let threads = vec![
            std::thread::spawn({
                let (zone, is_over) = (zone.clone(), is_over.clone());
                move || answer_datagrams(&udp, &zone, &is_over)
            }),
            std::thread::spawn({
                let (zone, is_over) = (zone.clone(), is_over.clone());
                move || answer_connections(&tcp, &zone, &is_over)
            }),
        ];
        Self { address, zone, is_over, threads }
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the TXT records of a domain, each text in parts of at most 255 bytes. An empty list: the domain is there, and
    /// has none.
    pub fn set_txt(&self, domain: &str, texts: Vec<String>) {
        let records = texts.iter().map(|text| match text.as_bytes() {
            [] => vec![Vec::new()],
            bytes => bytes.chunks(255).map(<[u8]>::to_vec).collect(),
        });
        self.set_txt_parts(domain, records.collect());
    }

    /// Sets the TXT records of a domain, each as its parts.
    pub fn set_txt_parts(&self, domain: &str, records: Vec<Vec<Vec<u8>>>) {
        assert!(records.iter().flatten().all(|part| part.len() <= 255), "a character string has at most 255 bytes");
        self.zone.lock().unwrap().texts.insert(domain.to_lowercase(), records);
    }

    /// Makes a domain an alias of another.
    pub fn set_alias(&self, domain: &str, target: &str) {
        self.zone.lock().unwrap().aliases.insert(domain.to_lowercase(), target.to_lowercase());
    }

    /// Fails from now on, or answers again.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.zone.lock().unwrap().fault = fault;
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Question> {
        self.zone.lock().unwrap().asked.clone()
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Both threads wait for a question: here is one.
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) {
            let _ = socket.send_to(&[], self.address);
        }
        let _ = TcpStream::connect(self.address);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A port that is free for both.
fn same_port() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
            return (udp, tcp);
        }
    }
    panic!("no port of 127.0.0.1 is free for UDP and for TCP");
}

fn answer_datagrams(socket: &UdpSocket, zone: &Mutex<Zone>, is_over: &AtomicBool) {
    let mut buffer = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        if let Some(answer) = answer(&buffer[..length], zone, false) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

fn answer_connections(listener: &TcpListener, zone: &Arc<Mutex<Zone>>, is_over: &AtomicBool) {
    for stream in listener.incoming() {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        if let Ok(stream) = stream {
            let zone = zone.clone();
            // Ends when the resolver closes the connection or leaves it idle; neither is an error.
            std::thread::spawn(move || answer_connection(stream, &zone));
        }
    }
}

fn answer_connection(mut stream: TcpStream, zone: &Mutex<Zone>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut question)?;
        if let Some(answer) = answer(&question, zone, true) {
            stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes())?;
            stream.write_all(&answer)?;
        }
    }
}

/// The bytes to send back, if any.
fn answer(bytes: &[u8], zone: &Mutex<Zone>, by_tcp: bool) -> Option<Vec<u8>> {
    let (name, end) = question(bytes)?;
    let kind = u16::from_be_bytes([bytes[end - 4], bytes[end - 3]]);
    let mut zone = zone.lock().unwrap();
    zone.asked.push(Question { name: name.clone(), by_tcp });
    let (code, records, cut) = match zone.fault {
        Some(Fault::Silence) => return None,
        Some(Fault::Garbage) => return Some(vec![bytes[0], bytes[1], 0xff, 0xff, 0xff]),
        Some(Fault::ServFail) => (2, Vec::new(), false),
        Some(Fault::Refused) => (5, Vec::new(), false),
        Some(Fault::NxDomain) => (3, Vec::new(), false),
        Some(Fault::Truncation) => found(&zone, &name, kind, !by_tcp),
        Some(Fault::TruncationForever) => found(&zone, &name, kind, true),
        None => found(&zone, &name, kind, false),
    };
    let whole = message(bytes, end, code, &records, false);
    let too_long = !by_tcp && whole.len() > UDP_BYTES_MAX;
    Some(if cut || too_long { message(bytes, end, code, &[], true) } else { whole })
}

/// The code, the records, and whether to cut them off.
fn found(zone: &Zone, name: &str, kind: u16, cut: bool) -> (u8, Vec<Vec<u8>>, bool) {
    let mut owner = name.to_lowercase();
    let mut records = Vec::new();
    if let Some(target) = zone.aliases.get(&owner) {
        records.push(record(&owner, CNAME, &encoded(target)));
        owner = target.clone();
    }
    let Some(texts) = zone.texts.get(&owner) else {
        return (if records.is_empty() { 3 } else { 0 }, records, cut);
    };
    if kind == TXT {
        records.extend(texts.iter().map(|parts| {
            let length = |part: &Vec<u8>| u8::try_from(part.len()).unwrap();
            let bytes: Vec<u8> = parts.iter().flat_map(|part| [vec![length(part)], part.clone()].concat()).collect();
            record(&owner, TXT, &bytes)
        }));
    }
    (0, records, cut)
}

/// The name asked for, and where the question ends.
fn question(bytes: &[u8]) -> Option<(String, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(bytes.get(at..at + length)?).into_owned());
        at += length;
    }
    bytes.get(..at + 4)?;
    Some((labels.join("."), at + 4))
}

fn encoded(name: &str) -> Vec<u8> {
    let labels = name.split('.').map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat());
    [labels.collect::<Vec<_>>().concat(), vec![0]].concat()
}

fn record(owner: &str, kind: u16, bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    let head = [kind.to_be_bytes(), 1u16.to_be_bytes(), 0u16.to_be_bytes(), 60u16.to_be_bytes(), length.to_be_bytes()];
    [encoded(owner), head.concat(), bytes.to_vec()].concat()
}

/// An answer: header, the question again, the records.
fn message(asked: &[u8], question_end: usize, code: u8, records: &[Vec<u8>], cut: bool) -> Vec<u8> {
    let counts = [1u16, u16::try_from(records.len()).unwrap(), 0, 0].map(u16::to_be_bytes).concat();
    // Answer, recursion as asked for, cut off; recursion is to be had.
    let flags = [0x80 | (asked[2] & 0x01) | if cut { 0x02 } else { 0 }, 0x80 | code];
    [&asked[..2], &flags, &counts, &asked[12..question_end], &records.concat()].concat()
}
