//! A directory server that answers searches from memory as a domain controller of Windows does, where Samba does not: blanks
//! count in comparisons, long member lists come in ranges, answers without pages end after so many entries.
//!
//! Blocking, one thread a connection, loopback only, on a port of its own; it stops when it is dropped.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::fake_ldap::{entry, inside, octets, paged, read_message, result, text};
use lber::structure::StructureTag;
use seatsync::model::{DnKey, ObjectGuid};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// The domain.
pub const DOMAIN: &str = "DC=corp,DC=test";

const PAGED: &str = "1.2.840.113556.1.4.319";
const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";

/// One entry.
#[derive(Clone, Debug)]
pub struct Entry {
    pub dn: String,
    pub guid: ObjectGuid,
    pub attributes: Vec<(String, Vec<Vec<u8>>)>,
}

/// Whether an answer leaves an entry out: the number of the search (as they came), and the name of the entry.
pub type Loses = Arc<dyn Fn(usize, &str) -> bool + Send + Sync>;

/// How it is answered.
#[derive(Clone)]
pub struct Manner {
    /// Entries in one answer, with pages or without.
    pub page_max: usize,
    /// Values of `member` in one answer.
    pub range_step: usize,
    /// What is left out.
    pub loses: Loses,
    /// The number of a search: the code with which it ends, where that is not 0.
    pub code: Arc<dyn Fn(usize) -> u8 + Send + Sync>,
}

impl Default for Manner {
    fn default() -> Self {
        Self { page_max: 1_000, range_step: 1_500, loses: Arc::new(|_, _| false), code: Arc::new(|_| 0) }
    }
}

pub struct Windows {
    pub url: String,
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    accept: Option<JoinHandle<()>>,
    /// Filters of the searches so far, as they are in BER.
    pub searches: Arc<Mutex<Vec<String>>>,
}

struct Shared {
    entries: Vec<Entry>,
    manner: Manner,
    count: AtomicUsize,
    searches: Arc<Mutex<Vec<String>>>,
}

impl Windows {
    pub fn start(entries: Vec<Entry>, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, searches) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let shared = Arc::new(Shared { entries, manner, count: AtomicUsize::new(0), searches: searches.clone() });
        let stopped = stop.clone();
        let accept = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                stream.set_nodelay(true).unwrap();
                let shared = shared.clone();
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { url: format!("ldap://{address}"), address, stop, accept: Some(accept), searches }
    }
}

impl Drop for Windows {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the accepting thread up.
        let _ = TcpStream::connect(self.address);
        if let Some(accept) = self.accept.take() {
            let _ = accept.join();
        }
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    while let Some(bytes) = read_message(&mut stream) {
        let (_, message) = lber::parse::parse_tag(&bytes).expect("our own client speaks BER");
        let [id, op, controls @ ..] = inside(&message) else { panic!("{message:?}") };
        let id = octets(id).iter().fold(0, |sum, digit| sum << 8 | u32::from(*digit));
        let answer = match op.id {
            0 => result(id, 0x61, 0, "", &[]),
            2 => return,
            3 => search(id, op, controls, shared),
            other => panic!("unexpected operation {other}"),
        };
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

fn search(id: u32, op: &StructureTag, controls: &[StructureTag], shared: &Shared) -> Vec<u8> {
    let [base, scope, .., filter, attributes] = inside(op) else { panic!("{op:?}") };
    let (base, base_only) = (text(base), octets(scope) == [0]);
    let attributes: Vec<String> = inside(attributes).iter().map(text).collect();
    if base.is_empty() {
        return [entry(id, "", &root()), result(id, 0x65, 0, "", &[])].concat();
    }
    let number = shared.count.fetch_add(1, Ordering::SeqCst);
    shared.searches.lock().unwrap().push(format!("{filter:?}"));
    let key = DnKey::of(&base);
    let is_there = |entry: &&Entry| match (DnKey::of(&entry.dn), base_only) {
        (dn, true) => dn == key,
        (dn, false) => dn == key || dn.is_below(&key),
    };
    let found: Vec<&Entry> =
        shared.entries.iter().filter(is_there).filter(|entry| fits(filter, entry) == Some(true)).collect();
    let code = (shared.manner.code)(number);
    if code != 0 {
        return result(id, 0x65, code, "as the test has it", &[]);
    }
    let control = |oid: &str| controls.iter().flat_map(inside).find(|control| text(&inside(control)[0]) == oid);
    let extended = control(EXTENDED_DN).is_some();
    let page = control(PAGED).map(|control| {
        let (_, value) = lber::parse::parse_tag(octets(inside(control).last().unwrap())).unwrap();
        let size = octets(&inside(&value)[0]).iter().fold(0, |sum: usize, digit| sum << 8 | usize::from(*digit));
        (text(&inside(&value)[1]).parse().unwrap_or(0), size)
    });
    let (from, size) = page.unwrap_or((0, usize::MAX));
    let end = found.len().min(from + size.min(shared.manner.page_max));
    let shown = found[from..end].iter().filter(|entry| !(shared.manner.loses)(number, &entry.dn));
    let mut answer: Vec<u8> = shown.flat_map(|entry| shared.written(id, entry, &attributes, extended)).collect();
    let more = end < found.len();
    answer.extend(match page {
        Some(_) => result(id, 0x65, 0, "", &paged(if more { end.to_string() } else { String::new() }.as_bytes())),
        None => result(id, 0x65, if more { 4 } else { 0 }, "", &[]),
    });
    answer
}

fn root() -> Vec<(String, Vec<Vec<u8>>)> {
    let one = |name: &str, value: &str| (name.to_owned(), vec![value.as_bytes().to_vec()]);
    let controls = [PAGED, EXTENDED_DN].map(|oid| oid.as_bytes().to_vec()).to_vec();
    vec![
        one("defaultNamingContext", DOMAIN),
        one("namingContexts", DOMAIN),
        one("supportedCapabilities", "1.2.840.113556.1.4.800"),
        ("supportedControl".to_owned(), controls),
    ]
}

impl Entry {
    fn values(&self, name: &str) -> Option<&[Vec<u8>]> {
        let found = self.attributes.iter().find(|(own, values)| own.eq_ignore_ascii_case(name) && !values.is_empty());
        found.map(|(_, values)| values.as_slice())
    }
}

impl Shared {
    fn written(&self, id: u32, found: &Entry, wanted: &[String], extended: bool) -> Vec<u8> {
        let extend = |dn: &str| match self.entries.iter().find(|entry| DnKey::of(&entry.dn) == DnKey::of(dn)) {
            Some(entry) if extended => format!("<GUID={}>;{}", entry.guid, entry.dn),
            Some(_) | None => dn.to_owned(),
        };
        let mut attributes = Vec::new();
        for name in wanted {
            let (bare, range) = name.split_once(";range=").map_or((name.as_str(), None), |(bare, r)| (bare, Some(r)));
            let Some(values) = found.values(bare) else { continue };
            if bare != "member" {
                attributes.push((name.clone(), values.to_vec()));
                continue;
            }
            let values: Vec<Vec<u8>> =
                values.iter().map(|value| extend(&String::from_utf8_lossy(value)).into_bytes()).collect();
            let from: usize = range.map_or(0, |range| range.split('-').next().unwrap().parse().unwrap());
            let rest = values.get(from..).unwrap_or_default();
            if range.is_none() && rest.len() <= self.manner.range_step {
                attributes.push((name.clone(), values));
            } else if rest.len() <= self.manner.range_step {
                attributes.push((format!("member;range={from}-*"), rest.to_vec()));
            } else {
                let step = self.manner.range_step;
                attributes.push(("member".to_owned(), Vec::new()));
                attributes.push((format!("member;range={from}-{}", from + step - 1), rest[..step].to_vec()));
            }
        }
        entry(id, &extend(&found.dn), &attributes)
    }
}

/// RFC 4511 4.5.1.7, with three values.
fn fits(filter: &StructureTag, entry: &Entry) -> Option<bool> {
    let parts = inside(filter);
    let all = |wanted: bool| {
        let mut verdict = Some(wanted);
        for part in parts {
            match fits(part, entry) {
                Some(value) if value != wanted => return Some(!wanted),
                Some(_) => {}
                None => verdict = None,
            }
        }
        verdict
    };
    match filter.id {
        0 => all(true),
        1 => all(false),
        2 => fits(&parts[0], entry).map(|value| !value),
        3 => Some(equals(&text(&parts[0]), octets(&parts[1]), entry)),
        4 => {
            let name = text(&parts[0]);
            let values = entry.values(&name).unwrap_or_default();
            Some(values.iter().any(|value| contains(&lower(value), inside(&parts[1]))))
        }
        7 => Some(entry.values(&text(filter)).is_some()),
        other => panic!("a filter of kind {other}"),
    }
}

fn equals(name: &str, wanted: &[u8], entry: &Entry) -> bool {
    match name.to_ascii_lowercase().as_str() {
        "distinguishedname" => DnKey::of(&entry.dn) == DnKey::of(&String::from_utf8_lossy(wanted)),
        "objectguid" => wanted == entry.guid.to_ad_bytes(),
        "objectsid" => entry.values(name).unwrap_or_default().iter().any(|value| value == wanted),
        // Letter case is no matter, and blanks are.
        _ => entry.values(name).unwrap_or_default().iter().any(|value| lower(value) == lower(wanted)),
    }
}

fn lower(value: &[u8]) -> String {
    String::from_utf8_lossy(value).to_lowercase()
}

fn contains(value: &str, parts: &[StructureTag]) -> bool {
    let mut rest = value;
    parts.iter().all(|part| {
        let wanted = lower(octets(part));
        match part.id {
            0 => rest.strip_prefix(&wanted).map(|after| rest = after).is_some(),
            1 => rest.split_once(&wanted).map(|(_, after)| rest = after).is_some(),
            _ => rest.ends_with(&wanted),
        }
    })
}
