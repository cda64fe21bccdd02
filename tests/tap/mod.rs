//! A tap on the line between an LDAP client and a server on this machine: it passes every byte on as it came, and counts
//! what was asked and what came back, by reading the messages itself (RFC 4511). So the counts are nobody's claim.
//!
//! Clear text only; whatever is no LDAP message is a complaint, and fails the test at its next look at [`Tap::seen`].

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

const BUFFER_BYTES: usize = 256 * 1024;
/// The largest message: a group of a hundred thousand members has some five million bytes.
const MESSAGE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What went over the line.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Connections that were opened.
    pub connections: u64,
    /// Bind requests.
    pub binds: u64,
    /// Search requests, each page one.
    pub searches: Vec<Search>,
    /// Requests that are neither of the two and want an answer: extended, compare, changes.
    pub others: u64,
    /// Bytes from the server.
    pub bytes: u64,
}

/// One search request and its answer so far.
#[derive(Clone, Debug)]
pub struct Search {
    /// Below what.
    pub base: String,
    /// 0: the base only; 1: one level; 2: all below.
    pub scope: u8,
    /// Attributes asked for, as written.
    pub attributes: Vec<String>,
    /// Entries that came.
    pub entries: u64,
    /// The result code, once there was one.
    pub result: Option<u8>,
}

impl Seen {
    /// Requests that want an answer: what a line with a long delay would take as many times.
    pub fn round_trips(&self) -> u64 {
        self.binds + self.others + self.searches.len() as u64
    }

    /// Entries that came, whatever was asked.
    pub fn entries(&self) -> u64 {
        self.searches.iter().map(|search| search.entries).sum()
    }
}

/// A running tap; it ends with the value, and so do its connections.
pub struct Tap {
    address: SocketAddr,
    shared: Arc<Mutex<State>>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    seen: Seen,
    /// Both ends of every connection, to end them with the tap.
    open: Vec<TcpStream>,
    pumps: Vec<JoinHandle<()>>,
    complaints: Vec<String>,
    stopped: bool,
}

type Shared = Mutex<State>;

impl Tap {
    /// Begins to listen, before the server at that address.
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let accepting = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, server, &shared)
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// `ldap://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// What went over the line since the start, or since the last [`Tap::forget`].
    #[track_caller]
    pub fn seen(&self) -> Seen {
        let state = locked(&self.shared);
        assert!(state.complaints.is_empty(), "the tap itself failed: {:#?}", state.complaints);
        state.seen.clone()
    }

    /// Counts from nothing again. Entries of a search that was asked before are counted nowhere.
    pub fn forget(&self) {
        locked(&self.shared).seen = Seen::default();
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let pumps = {
            let mut state = locked(&self.shared);
            state.stopped = true;
            for stream in &state.open {
                // It may be closed already.
                let _ = stream.shutdown(Shutdown::Both);
            }
            std::mem::take(&mut state.pumps)
        };
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        for thread in self.accepting.take().into_iter().chain(pumps) {
            let _ = thread.join();
        }
    }
}

fn locked(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().expect("no thread of the tap panics")
}

fn accept(listener: &TcpListener, server: SocketAddr, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let Ok(client) = client else { return };
        if locked(shared).stopped {
            return;
        }
        if let Err(error) = join(client, server, shared) {
            locked(shared).complaints.push(format!("a connection to {server}: {error}"));
        }
    }
}

/// Lets both directions run.
fn join(client: TcpStream, server: SocketAddr, shared: &Arc<Shared>) -> std::io::Result<()> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    // By message id: which of the searches an answer belongs to.
    let asked = Arc::new(Mutex::new(HashMap::new()));
    let mut state = locked(shared);
    state.seen.connections += 1;
    for (way, from, to) in [(Way::There, &client, &server), (Way::Back, &server, &client)] {
        let (from, to) = (from.try_clone()?, to.try_clone()?);
        let (shared, asked) = (Arc::clone(shared), Arc::clone(&asked));
        let pump = std::thread::spawn(move || pump(way, from, to, &asked, &shared));
        state.pumps.push(pump);
    }
    state.open.extend([client, server]);
    Ok(())
}

type Asked = HashMap<u32, usize>;

/// Who sends.
#[derive(Clone, Copy)]
enum Way {
    /// The client, to the server.
    There,
    /// The server, to the client.
    Back,
}

fn pump(way: Way, mut from: TcpStream, mut to: TcpStream, asked: &Mutex<Asked>, shared: &Shared) {
    let (mut buffer, mut left) = (vec![0; BUFFER_BYTES], Vec::new());
    // That one end goes away is no failure, and ends the other.
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if let Err(complaint) = take(way, &buffer[..count], &mut left, asked, shared) {
            locked(shared).complaints.push(complaint);
            break;
        }
        // Counted first: whoever has the answer finds it counted.
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Looks at the messages that have become whole.
fn take(way: Way, bytes: &[u8], left: &mut Vec<u8>, asked: &Mutex<Asked>, shared: &Shared) -> Result<(), String> {
    left.extend_from_slice(bytes);
    let (mut state, mut asked) = (locked(shared), asked.lock().expect("no thread of the tap panics"));
    let look = match way {
        Way::There => request,
        Way::Back => {
            state.seen.bytes += bytes.len() as u64;
            answer
        }
    };
    let mut rest = &left[..];
    loop {
        match element(rest) {
            Element::Whole(0x30, message, behind) => {
                let (id, op, body) = message_of(message).ok_or("a message that is none")?;
                look(id, op, body, &mut asked, &mut state.seen)
                    .ok_or_else(|| format!("operation {op:#x} is broken"))?;
                rest = behind;
            }
            Element::Cut if left.len() <= MESSAGE_BYTES_MAX => break,
            Element::Whole(..) | Element::Cut => return Err("something that is no LDAP message".to_owned()),
        }
    }
    let taken = left.len() - rest.len();
    left.drain(..taken);
    Ok(())
}

fn message_of(message: &[u8]) -> Option<(u32, u8, &[u8])> {
    let (0x02, id, rest) = whole(message)? else { return None };
    let (op, body, _) = whole(rest)?;
    Some((id.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)), op, body))
}

fn request(id: u32, op: u8, body: &[u8], asked: &mut Asked, seen: &mut Seen) -> Option<()> {
    match op {
        0x60 => seen.binds += 1,
        // Unbind and abandon have no answer (RFC 4511 4.3, 4.11).
        0x42 | 0x50 => {}
        0x63 => {
            let (0x04, base, rest) = whole(body)? else { return None };
            let (0x0a, scope, rest) = whole(rest)? else { return None };
            let mut rest = rest;
            // Aliases, size limit, time limit, types only, filter.
            for _ in 0..5 {
                (_, _, rest) = whole(rest)?;
            }
            let (0x30, mut names, _) = whole(rest)? else { return None };
            let mut attributes = Vec::new();
            while !names.is_empty() {
                let (0x04, name, behind) = whole(names)? else { return None };
                attributes.push(String::from_utf8_lossy(name).into_owned());
                names = behind;
            }
            asked.insert(id, seen.searches.len());
            let base = String::from_utf8_lossy(base).into_owned();
            seen.searches.push(Search { base, scope: *scope.first()?, attributes, entries: 0, result: None });
        }
        _ => seen.others += 1,
    }
    Some(())
}

fn answer(id: u32, op: u8, body: &[u8], asked: &mut Asked, seen: &mut Seen) -> Option<()> {
    // Whose search was forgotten meanwhile is not there.
    let search = asked.get(&id).and_then(|index| seen.searches.get_mut(*index));
    match (op, search) {
        (0x64, Some(search)) => search.entries += 1,
        (0x65, Some(search)) => search.result = Some(*whole(body)?.1.first()?),
        _ => {}
    }
    Some(())
}

/// The first element of some BER (X.690 8.1).
enum Element<'a> {
    /// Its tag, its content, and what is behind it.
    Whole(u8, &'a [u8], &'a [u8]),
    /// It goes on.
    Cut,
}

fn element(bytes: &[u8]) -> Element<'_> {
    let [tag, length, rest @ ..] = bytes else { return Element::Cut };
    let (length, rest) = match *length {
        short @ 0..0x80 => (usize::from(short), rest),
        long => match rest.split_at_checked(usize::from(long & 0x7f)) {
            Some((digits, rest)) => (digits.iter().fold(0, |sum: usize, digit| sum << 8 | usize::from(*digit)), rest),
            None => return Element::Cut,
        },
    };
    match rest.split_at_checked(length) {
        Some((content, behind)) => Element::Whole(*tag, content, behind),
        None => Element::Cut,
    }
}

fn whole(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    match element(bytes) {
        Element::Whole(tag, content, behind) => Some((tag, content, behind)),
        Element::Cut => None,
    }
}
