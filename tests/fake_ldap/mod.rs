//! A directory server that can be made to misbehave.
//!
//! It answers as a small Active Directory would, from a [`Script`]; a twist may replace any answer by something else.
//! Blocking, one thread a connection, loopback only, on a port of its own; it stops when it is dropped.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use lber::structure::{PL, StructureTag};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

pub const BASE: &str = "DC=fake,DC=test";
pub const BIND_DN: &str = "svc@fake.test";
pub const PASSWORD: &str = "correct horse";

/// Change notification of Active Directory.
const NOTIFICATION: &str = "1.2.840.113556.1.4.528";

/// What the server holds and how it behaves.
#[derive(Clone)]
pub struct Script {
    pub people: usize,
    /// Each group: a name, and the numbers of its members.
    pub groups: Vec<(String, Vec<usize>)>,
    /// The most values of `member` in one answer, as MaxValRange has it.
    pub range_step: Option<usize>,
    /// Whether the rootDSE offers paged results.
    pub paged: bool,
    /// Whether it offers change notifications; it has none to tell.
    pub notifies: bool,
    pub tls: Tls,
    pub twist: Option<Twist>,
}

#[derive(Clone)]
pub enum Tls {
    None,
    FromTheStart(Arc<rustls::ServerConfig>),
    Start(Arc<rustls::ServerConfig>),
}

/// Looks at a request and the answer that is due, and says what happens instead.
pub type Twist = Arc<dyn Fn(&Request, Vec<u8>) -> Act + Send + Sync>;

/// What the server does.
pub enum Act {
    Send(Vec<u8>),
    /// One byte at a time.
    Trickle(Vec<u8>),
    SendAndClose(Vec<u8>),
    /// Says nothing more, and keeps the connection.
    Hang,
    /// The same again and again, until the client is gone.
    Forever(Vec<u8>),
}

/// A request, as far as tests care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub id: u32,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Bind {
        name: String,
        password: String,
    },
    Root,
    Base(String),
    /// A page of people, from this offset.
    People {
        offset: usize,
    },
    /// A page of groups, from this offset.
    Groups {
        offset: usize,
    },
    /// The group of this name, from this member on.
    Group {
        dn: String,
        start: Option<usize>,
    },
    StartTls,
    Unbind,
    /// The account that binds, by its name.
    BindAccount,
    /// Changes, for as long as the connection lasts.
    Changes,
}

pub struct FakeLdap {
    pub url: String,
    pub address: SocketAddr,
    log: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    accept: Option<JoinHandle<()>>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            people: 10,
            groups: vec![("Pro".to_owned(), (0..5).collect()), ("Plus".to_owned(), vec![5])],
            range_step: None,
            paged: true,
            notifies: false,
            tls: Tls::None,
            twist: None,
        }
    }
}

impl Script {
    pub fn twisted(twist: impl Fn(&Request, Vec<u8>) -> Act + Send + Sync + 'static) -> Self {
        Self { twist: Some(Arc::new(twist)), ..Self::default() }
    }
}

impl FakeLdap {
    pub fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if matches!(script.tls, Tls::FromTheStart(_)) { "ldaps" } else { "ldap" };
        let log = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (log_in, stop_in) = (log.clone(), stop.clone());
        let accept = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop_in.load(Ordering::SeqCst) {
                    return;
                }
                stream.set_nodelay(true).unwrap();
                let (script, log) = (script.clone(), log_in.clone());
                std::thread::spawn(move || serve(stream, &script, &log));
            }
        });
        Self { url: format!("{scheme}://{address}"), address, log, stop, accept: Some(accept) }
    }

    /// What was asked so far.
    pub fn log(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }

    pub fn binds(&self) -> usize {
        self.log().iter().filter(|request| matches!(request.kind, Kind::Bind { .. })).count()
    }
}

impl Drop for FakeLdap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the accepting thread up.
        let _ = TcpStream::connect(self.address);
        if let Some(accept) = self.accept.take() {
            let _ = accept.join();
        }
    }
}

pub trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

fn secure(stream: TcpStream, config: &Arc<rustls::ServerConfig>) -> Box<dyn Wire> {
    Box::new(rustls::StreamOwned::new(rustls::ServerConnection::new(config.clone()).unwrap(), stream))
}

fn serve(stream: TcpStream, script: &Script, log: &Mutex<Vec<Request>>) {
    let raw = stream.try_clone().unwrap();
    let mut wire: Box<dyn Wire> = match &script.tls {
        Tls::FromTheStart(config) => secure(stream, config),
        Tls::None | Tls::Start(_) => Box::new(stream),
    };
    while let Some(bytes) = read_message(&mut *wire) {
        let request = parse(&bytes);
        log.lock().unwrap().push(request.clone());
        if request.kind == Kind::Unbind {
            break;
        }
        let answer = script.answer_to(&request);
        let act =
            script.twist.as_ref().map_or_else(|| Act::Send(answer.clone()), |twist| twist(&request, answer.clone()));
        let sent = match act {
            Act::Send(bytes) => wire.write_all(&bytes),
            Act::Trickle(bytes) => bytes.iter().try_for_each(|byte| wire.write_all(&[*byte])),
            Act::SendAndClose(bytes) => {
                let _ = wire.write_all(&bytes);
                break;
            }
            Act::Hang => {
                // Until the client leaves.
                while let Ok(1..) = wire.read(&mut [0; 1024]) {}
                break;
            }
            Act::Forever(bytes) => loop {
                if let Err(error) = wire.write_all(&bytes) {
                    break Err(error);
                }
            },
        };
        if sent.and_then(|()| wire.flush()).is_err() {
            break;
        }
        if let (Kind::StartTls, Tls::Start(config)) = (&request.kind, &script.tls) {
            wire = secure(raw.try_clone().unwrap(), config);
        }
    }
    let _ = wire.flush();
    let _ = raw.shutdown(std::net::Shutdown::Write);
}

pub fn read_message(wire: &mut dyn Wire) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 2];
    wire.read_exact(&mut bytes).ok()?;
    let length = match bytes[1] {
        short @ 0..0x80 => usize::from(short),
        long => {
            let mut digits = vec![0; usize::from(long & 0x7f)];
            wire.read_exact(&mut digits).ok()?;
            bytes.extend_from_slice(&digits);
            digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit))
        }
    };
    let mut body = vec![0; length];
    wire.read_exact(&mut body).ok()?;
    bytes.extend_from_slice(&body);
    Some(bytes)
}

pub fn inside(tag: &StructureTag) -> &[StructureTag] {
    match &tag.payload {
        PL::C(parts) => parts,
        PL::P(_) => &[],
    }
}

pub fn octets(tag: &StructureTag) -> &[u8] {
    match &tag.payload {
        PL::P(bytes) => bytes,
        PL::C(_) => &[],
    }
}

pub fn text(tag: &StructureTag) -> String {
    String::from_utf8_lossy(octets(tag)).into_owned()
}

fn parse(bytes: &[u8]) -> Request {
    let (_, message) = lber::parse::parse_tag(bytes).expect("our own client speaks BER");
    let [id, op, controls @ ..] = inside(&message) else { panic!("{message:?}") };
    let id = octets(id).iter().fold(0, |sum, digit| sum << 8 | u32::from(*digit));
    let kind = match op.id {
        0 => Kind::Bind { name: text(&inside(op)[1]), password: text(&inside(op)[2]) },
        2 => Kind::Unbind,
        3 => search(op, controls),
        23 => Kind::StartTls,
        other => panic!("unexpected operation {other}"),
    };
    Request { id, kind }
}

fn search(op: &StructureTag, controls: &[StructureTag]) -> Kind {
    let [base, scope, .., filter, attributes] = inside(op) else { panic!("{op:?}") };
    let base = text(base);
    if octets(scope) == [0] {
        let start = inside(attributes).iter().map(text).find_map(|name| {
            let (_, range) = name.split_once(";range=")?;
            range.split('-').next()?.parse().ok()
        });
        return match base.as_str() {
            "" => Kind::Root,
            dn if dn.starts_with("CN=") => Kind::Group { dn: base, start },
            _ => Kind::Base(base),
        };
    }
    if controls.iter().flat_map(inside).any(|control| text(&inside(control)[0]) == NOTIFICATION) {
        return Kind::Changes;
    }
    let offset = controls.iter().flat_map(inside).find_map(|control| {
        let parts = inside(control);
        (text(&parts[0]) == "1.2.840.113556.1.4.319").then(|| {
            let (_, value) = lber::parse::parse_tag(octets(parts.last().unwrap())).unwrap();
            text(&inside(&value)[1]).parse().unwrap_or(0)
        })
    });
    let offset = offset.unwrap_or(0);
    if format!("{filter:?}").contains(&format!("{:?}", b"userPrincipalName"))
        || format!("{filter:?}").contains(&format!("{:?}", b"sAMAccountName"))
    {
        return Kind::BindAccount;
    }
    let is_people = format!("{filter:?}").contains(&format!("{:?}", b"person"));
    if is_people { Kind::People { offset } } else { Kind::Groups { offset } }
}

// Answers.

/// Entries in a page, whatever is asked for.
pub const PAGE: usize = 100;

impl Script {
    /// What an honest server says to this.
    pub fn answer_to(&self, request: &Request) -> Vec<u8> {
        let id = request.id;
        let done = result(id, 0x65, 0, "", &[]);
        match &request.kind {
            Kind::Bind { password, .. } if password == PASSWORD => result(id, 0x61, 0, "", &[]),
            Kind::Bind { .. } => {
                let text = "80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data 52e, v4563";
                result(id, 0x61, 49, text, &[])
            }
            Kind::StartTls => match self.tls {
                Tls::Start(_) => result(id, 0x78, 0, "", &[]),
                _ => result(id, 0x78, 52, "Error initializing SSL/TLS", &[]),
            },
            Kind::Unbind => Vec::new(),
            Kind::Root => [entry(id, "", &self.root()), done].concat(),
            Kind::Base(base) if base == BASE => [entry(id, base, &[]), done].concat(),
            Kind::Base(_) => result(id, 0x65, 32, "0000208D: NameErr", &[]),
            Kind::BindAccount => done,
            Kind::Changes => Vec::new(),
            Kind::People { offset } => self.page(id, *offset, self.people, |index| person(id, index)),
            Kind::Groups { offset } => self.page(id, *offset, self.groups.len(), |index| self.group(id, index, None)),
            Kind::Group { dn, start } => match self.groups.iter().position(|(name, _)| *dn == group_dn(name)) {
                Some(index) => [self.group(id, index, *start), done].concat(),
                None => result(id, 0x65, 32, "", &[]),
            },
        }
    }

    fn root(&self) -> Vec<(String, Vec<Vec<u8>>)> {
        let mut root = vec![
            ("defaultNamingContext".to_owned(), vec![BASE.into()]),
            ("namingContexts".to_owned(), vec![BASE.into()]),
            ("supportedCapabilities".to_owned(), vec!["1.2.840.113556.1.4.800".into()]),
        ];
        let controls = [(self.paged, "1.2.840.113556.1.4.319"), (self.notifies, NOTIFICATION)];
        let offered: Vec<Vec<u8>> =
            controls.into_iter().filter(|(is_offered, _)| *is_offered).map(|(_, oid)| oid.into()).collect();
        if !offered.is_empty() {
            root.push(("supportedControl".to_owned(), offered));
        }
        root
    }

    fn page(&self, id: u32, offset: usize, whole: usize, each: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
        let end = if self.paged { whole.min(offset + PAGE) } else { whole };
        let cookie = if end < whole { end.to_string() } else { String::new() };
        let mut bytes: Vec<u8> = (offset..end).flat_map(each).collect();
        let control = if self.paged { paged(cookie.as_bytes()) } else { Vec::new() };
        bytes.extend(result(id, 0x65, 0, "", &control));
        bytes
    }

    fn group(&self, id: u32, index: usize, start: Option<usize>) -> Vec<u8> {
        let (name, members) = &self.groups[index];
        let values: Vec<Vec<u8>> = members.iter().map(|member| person_dn(*member).into_bytes()).collect();
        let from = start.unwrap_or(0);
        let step = self.range_step.unwrap_or(usize::MAX);
        let mut attributes = vec![
            ("objectGUID".to_owned(), vec![guid(1, index)]),
            ("cn".to_owned(), vec![name.clone().into_bytes()]),
            ("sAMAccountName".to_owned(), vec![name.clone().into_bytes()]),
        ];
        let rest = values.get(from..).unwrap_or_default();
        if start.is_none() && values.len() <= step {
            attributes.push(("member".to_owned(), values));
        } else if rest.len() <= step {
            attributes.push((format!("member;range={from}-*"), rest.to_vec()));
        } else {
            attributes.push(("member".to_owned(), Vec::new()));
            attributes.push((format!("member;range={from}-{}", from + step - 1), rest[..step].to_vec()));
        }
        entry(id, &group_dn(name), &attributes)
    }
}

pub fn person_dn(index: usize) -> String {
    format!("CN=p{index},OU=People,{BASE}")
}

pub fn group_dn(name: &str) -> String {
    format!("CN={name},OU=Groups,{BASE}")
}

fn guid(kind: u8, index: usize) -> Vec<u8> {
    let mut bytes = vec![kind; 8];
    bytes.extend_from_slice(&(index as u64).to_be_bytes());
    bytes
}

pub fn person(id: u32, index: usize) -> Vec<u8> {
    let text = |text: String| vec![text.into_bytes()];
    let attributes = [
        ("objectGUID".to_owned(), vec![guid(0, index)]),
        ("sAMAccountName".to_owned(), text(format!("p{index}"))),
        ("userAccountControl".to_owned(), text("512".to_owned())),
        ("mail".to_owned(), text(format!("p{index}@fake.test"))),
    ];
    entry(id, &person_dn(index), &attributes)
}

pub fn entry(id: u32, dn: &str, attributes: &[(String, Vec<Vec<u8>>)]) -> Vec<u8> {
    let attributes: Vec<u8> = attributes
        .iter()
        .flat_map(|(name, values)| {
            let values: Vec<u8> = values.iter().flat_map(|value| ber(0x04, value)).collect();
            ber(0x30, &[ber(0x04, name.as_bytes()), ber(0x31, &values)].concat())
        })
        .collect();
    message(id, 0x64, &[ber(0x04, dn.as_bytes()), ber(0x30, &attributes)].concat(), &[])
}

pub fn result(id: u32, op: u8, code: u8, text: &str, controls: &[u8]) -> Vec<u8> {
    let body = [ber(0x0a, &[code]), ber(0x04, b""), ber(0x04, text.as_bytes())].concat();
    message(id, op, &body, controls)
}

/// The paged results control with that cookie.
pub fn paged(cookie: &[u8]) -> Vec<u8> {
    control("1.2.840.113556.1.4.319", &ber(0x30, &[ber(0x02, &[0]), ber(0x04, cookie)].concat()))
}

pub fn control(oid: &str, value: &[u8]) -> Vec<u8> {
    ber(0xa0, &ber(0x30, &[ber(0x04, oid.as_bytes()), ber(0x04, value)].concat()))
}

pub fn message(id: u32, op: u8, body: &[u8], controls: &[u8]) -> Vec<u8> {
    // A leading zero byte keeps the number positive.
    let id = [&[0][..], &id.to_be_bytes()].concat();
    let first = id.iter().position(|digit| *digit != 0).unwrap_or(4).saturating_sub(1).max(1);
    ber(0x30, &[ber(0x02, &id[first..]), ber(op, body), controls.to_vec()].concat())
}

/// Tag, length in four bytes as Active Directory writes it, body.
pub fn ber(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[tag, 0x84][..], &length, body].concat()
}
