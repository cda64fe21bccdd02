//! A proxy that breaks things on purpose, between the agent and `seatstore`. It knows requests from each other (method, path,
//! `?operation=`, and what a bulk over SCIM is made of), asks the test's script what to do with each, and counts them.
//!
//! Requests go on byte for byte: some are signed. Plain HTTP/1.1 with `Content-Length`, as both ends speak it; anything else
//! fails the test at its next look at [`Proxy::counts`].

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

const HEAD_BYTES_MAX: usize = 64 * 1024;
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Longest wait for one read from the server.
const UPSTREAM_TIME_MAX: Duration = Duration::from_secs(60);

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It goes on, and the answer comes back.
    None,
    /// 429 before anything happened.
    Throttle {
        /// `Retry-After`, in seconds.
        retry_after: Option<u32>,
    },
    /// That status (500, 503, …) before anything happened.
    Refuse(u16),
    /// It is carried out, and answered with that status.
    Deny(u16),
    /// It is carried out, and the answer's body ends half-way.
    CutAnswer,
    /// It is carried out, and the connection is reset without an answer.
    ResetAfter,
    /// The connection is reset before anything happened.
    Reset,
    /// Nothing happens, and no answer comes, until the client goes away.
    HangBefore,
    /// It is carried out, and no answer comes, until the client goes away.
    HangAfter,
    /// It is carried out after that time, and the answer comes back.
    Delay(Duration),
}

/// A request, as a script sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The name in the contract: `BatchUpdateUser` and so on. Over SCIM the method and what it is about: `PATCH /Users/{id}`,
    /// `GET /Users?filter`, `POST /Bulk of PATCH`. Method and target where there is neither.
    pub operation: String,
    /// `GET` and so on.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// How many of this operation came before it.
    pub earlier: usize,
    /// The body.
    pub body: Vec<u8>,
}

/// How often an operation was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// By the client.
    pub asked: usize,
    /// And passed on to the server.
    pub passed_on: usize,
}

/// Decides what happens to a request.
pub type Script = Box<dyn FnMut(&Request) -> Fault + Send>;

/// A running proxy; it ends with the value, and so do its connections.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
}

struct State {
    upstream: SocketAddr,
    script: Script,
    counts: BTreeMap<String, Count>,
    /// Both ends of every connection, to end them with the proxy.
    open: HashMap<usize, Arc<TcpStream>>,
    opened: usize,
    connections: Vec<JoinHandle<()>>,
    /// What went wrong in here, and not on purpose.
    complaints: Vec<String>,
    stopped: bool,
}

impl Proxy {
    /// Begins to listen, before a server at that address. All requests pass until there is a [`Proxy::script`].
    pub fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            upstream,
            script: Box::new(|_| Fault::None),
            counts: BTreeMap::new(),
            open: HashMap::new(),
            opened: 0,
            connections: Vec::new(),
            complaints: Vec::new(),
            stopped: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        let accepting = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The server is at another address now: it was started again.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        self.shared.state().upstream = upstream;
    }

    /// From now on that script decides.
    pub fn script(&self, script: impl FnMut(&Request) -> Fault + Send + 'static) {
        self.shared.state().script = Box::new(script);
    }

    /// From now on all requests pass.
    pub fn mend(&self) {
        self.script(|_| Fault::None);
    }

    /// How often each operation was asked for since the start, or since the last [`Proxy::forget`].
    #[track_caller]
    pub fn counts(&self) -> BTreeMap<String, Count> {
        assert!(!self.shared.state.is_poisoned(), "a script panicked");
        let state = self.shared.state();
        assert!(state.complaints.is_empty(), "the proxy itself failed: {:#?}", state.complaints);
        state.counts.clone()
    }

    /// How often the client asked for that operation.
    #[track_caller]
    pub fn asked(&self, operation: &str) -> usize {
        self.counts().get(operation).copied().unwrap_or_default().asked
    }

    /// Requests in all.
    #[track_caller]
    pub fn asked_in_all(&self) -> usize {
        self.counts().values().map(|count| count.asked).sum()
    }

    /// Counts from nothing again.
    pub fn forget(&self) {
        self.shared.state().counts.clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let (connections, complaints) = {
            let mut state = self.shared.state();
            state.stopped = true;
            for stream in state.open.values() {
                // It may be closed already.
                let _ = stream.shutdown(Shutdown::Both);
            }
            (std::mem::take(&mut state.connections), std::mem::take(&mut state.complaints))
        };
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        let accepting = self.accepting.take();
        for thread in accepting.into_iter().chain(connections) {
            let _ = thread.join();
        }
        if !std::thread::panicking() {
            assert!(!self.shared.state.is_poisoned(), "a script panicked");
            assert!(complaints.is_empty(), "the proxy itself failed: {complaints:#?}");
        }
    }
}

/// Faults for the first requests of one operation, in that order; all others pass.
pub fn first(operation: &str, faults: &[Fault]) -> impl FnMut(&Request) -> Fault + Send + use<> {
    let (operation, faults) = (operation.to_owned(), faults.to_vec());
    let mut seen = 0;
    move |request| {
        if request.operation != operation {
            return Fault::None;
        }
        seen += 1;
        faults.get(seen - 1).copied().unwrap_or(Fault::None)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // That a script panicked is told by `counts`.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a stream into the list of those that end with the proxy; `None` where that ended already.
    fn keep(self: &Arc<Self>, stream: TcpStream) -> Option<Kept> {
        let stream = Arc::new(stream);
        let mut state = self.state();
        if state.stopped {
            return None;
        }
        state.opened += 1;
        let key = state.opened;
        state.open.insert(key, Arc::clone(&stream));
        Some(Kept { shared: Arc::clone(self), key, stream })
    }
}

/// A stream of the list; closing it takes it off first, so that it is really closed.
struct Kept {
    shared: Arc<Shared>,
    key: usize,
    stream: Arc<TcpStream>,
}

impl Kept {
    fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Closes it with a reset in place of an orderly end.
    fn reset(self) {
        socket2::SockRef::from(self.stream()).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.shared.state().open.remove(&self.key);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept() else { return };
        if shared.state().stopped {
            return;
        }
        let thread = std::thread::spawn({
            let shared = Arc::clone(shared);
            move || {
                if let Some(client) = shared.keep(client)
                    && let Err(complaint) = converse(client, &shared)
                {
                    let mut state = shared.state();
                    if !state.stopped {
                        state.complaints.push(complaint);
                    }
                }
            }
        });
        shared.state().connections.push(thread);
    }
}

/// All requests of one connection. An error is a failure of the proxy; that somebody goes away is none.
fn converse(client: Kept, shared: &Arc<Shared>) -> Result<(), String> {
    client.stream().set_nodelay(true).map_err(|error| format!("set TCP_NODELAY: {error}"))?;
    let mut left = Vec::new();
    loop {
        let Some(message) = read_message(client.stream(), &mut left, Bodies::OfRequests)? else { return Ok(()) };
        let (request, fault, upstream) = judge(&message, shared)?;
        let forward = || {
            let mut state = shared.state();
            state.counts.entry(request.operation.clone()).or_default().passed_on += 1;
            drop(state);
            pass_on(&message, &request, upstream, shared)
        };
        let answer = match fault {
            Fault::None => forward()?,
            Fault::Delay(time) => {
                std::thread::sleep(time);
                forward()?
            }
            Fault::Throttle { retry_after } => Some(made_up(429, retry_after)),
            Fault::Refuse(status) => Some(made_up(status, None)),
            Fault::Deny(status) => forward()?.map(|_| made_up(status, None)),
            Fault::CutAnswer => {
                if let Some(answer) = forward()? {
                    let half = answer.len() - (answer.len() - head_end(&answer).unwrap_or(0)).div_ceil(2);
                    let _ = client.stream().write_all(&answer[..half]);
                }
                return Ok(());
            }
            Fault::Reset => {
                client.reset();
                return Ok(());
            }
            Fault::ResetAfter => {
                forward()?;
                client.reset();
                return Ok(());
            }
            Fault::HangBefore => return wait_for_the_end(client.stream()),
            Fault::HangAfter => {
                forward()?;
                return wait_for_the_end(client.stream());
            }
        };
        // A server that is down, or that hung up, looks from here just as it would without the proxy.
        let Some(answer) = answer else {
            client.reset();
            return Ok(());
        };
        if client.stream().write_all(&answer).is_err() {
            return Ok(());
        }
    }
}

/// Counts the request and asks the script.
fn judge(message: &[u8], shared: &Shared) -> Result<(Request, Fault, SocketAddr), String> {
    let body_at = head_end(message).ok_or("a request without an end of its head")?;
    let head = std::str::from_utf8(&message[..body_at]).map_err(|_| "a head that is no UTF-8".to_owned())?;
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(format!("no request line in {head:?}"));
    };
    let mut state = shared.state();
    let body = &message[body_at..];
    let operation = scim_operation(method, target, body).unwrap_or_else(|| operation(method, target));
    let count = state.counts.entry(operation.clone()).or_default();
    let request = Request {
        operation,
        method: method.to_owned(),
        target: target.to_owned(),
        earlier: count.asked,
        body: body.to_vec(),
    };
    count.asked += 1;
    let fault = (state.script)(&request);
    Ok((request, fault, state.upstream))
}

/// The contract's name of a request.
pub fn operation(method: &str, target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let operation = query.split('&').find_map(|pair| pair.strip_prefix("operation="));
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let name = match (method, segments.as_slice(), operation) {
        ("GET", ["accounts"], None) => "ListAccounts",
        ("POST", ["accounts"], None) => "CreateAccount",
        ("GET", ["accounts", _], None) => "GetAccount",
        ("POST", ["accounts", _], None) => "UpdateAccount",
        ("DELETE", ["accounts", _], None) => "DeleteAccount",
        ("GET", ["accounts", _, "users"], None) => "ListUsers",
        ("POST", ["accounts", _, "users"], None) => "BatchUpdateUser",
        ("POST", ["accounts", _, "users"], Some("suspend")) => "BatchSuspendUser",
        ("POST", ["accounts", _, "users"], Some("unsuspend")) => "BatchUnsuspendUser",
        ("POST", ["accounts", _, "users"], Some("add")) => "InviteUsers",
        ("POST", ["accounts", _, "users"], Some("create")) => "CreateUser",
        ("POST", ["accounts", _, "users"], Some("batch-create")) => "BatchCreateUser",
        ("GET", ["accounts", _, "users", _], None) => "GetUser",
        ("POST", ["accounts", _, "users", _], None) => "UpdateUser",
        ("POST", ["accounts", _, "users", _], Some("logout")) => "LogoutUser",
        _ => return format!("{method} {target}"),
    };
    name.to_owned()
}

/// The name of a request over SCIM.
fn scim_operation(method: &str, target: &str, body: &[u8]) -> Option<String> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (_account, path) = path.strip_prefix("/scim/v2/")?.split_once('/')?;
    let is_filtered = query.split('&').any(|pair| pair.starts_with("filter="));
    Some(match path.split('/').collect::<Vec<_>>().as_slice() {
        ["Bulk"] => format!("{method} /Bulk of {}", methods_of_bulk(body).join(" ")),
        [kind] if is_filtered => format!("{method} /{kind}?filter"),
        [kind, _] => format!("{method} /{kind}/{{id}}"),
        _ => format!("{method} /{path}"),
    })
}

/// The methods of its operations, each once.
fn methods_of_bulk(body: &[u8]) -> Vec<String> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let operations = body["Operations"].as_array().into_iter().flatten();
    let methods: BTreeSet<&str> = operations.filter_map(|it| it["method"].as_str()).collect();
    methods.into_iter().map(str::to_owned).collect()
}

/// Sends a request to the server and gives its answer, or nothing where there is none. A connection for each request: the
/// client's own keep-alive is what is tested, not ours.
fn pass_on(
    message: &[u8],
    request: &Request,
    upstream: SocketAddr,
    shared: &Arc<Shared>,
) -> Result<Option<Vec<u8>>, String> {
    let Ok(server) = TcpStream::connect_timeout(&upstream, UPSTREAM_TIME_MAX) else { return Ok(None) };
    let Some(server) = shared.keep(server) else { return Ok(None) };
    let limited = server.stream().set_read_timeout(Some(UPSTREAM_TIME_MAX));
    limited.and_then(|()| server.stream().set_nodelay(true)).map_err(|error| format!("set up {upstream}: {error}"))?;
    if server.stream().write_all(message).is_err() {
        return Ok(None);
    }
    let bodies = if request.method == "HEAD" { Bodies::None } else { Bodies::OfAnswers };
    read_message(server.stream(), &mut Vec::new(), bodies)
}

#[derive(Clone, Copy)]
enum Bodies {
    OfRequests,
    OfAnswers,
    None,
}

/// One whole message, head and body; `left` keeps what was read beyond it. `None` where the other end went away.
fn read_message(mut from: &TcpStream, left: &mut Vec<u8>, bodies: Bodies) -> Result<Option<Vec<u8>>, String> {
    let mut chunk = [0; 16 * 1024];
    loop {
        if let Some(body_at) = head_end(left) {
            let length = body_length(&left[..body_at], bodies)?;
            if length > BODY_BYTES_MAX {
                return Err(format!("a body of {length} bytes is more than {BODY_BYTES_MAX}"));
            }
            if left.len() >= body_at + length {
                let beyond = left.split_off(body_at + length);
                return Ok(Some(std::mem::replace(left, beyond)));
            }
        } else if left.len() > HEAD_BYTES_MAX {
            return Err(format!("a head of more than {HEAD_BYTES_MAX} bytes"));
        }
        match from.read(&mut chunk) {
            Ok(0) | Err(_) => return Ok(None),
            Ok(read) => left.extend_from_slice(&chunk[..read]),
        }
    }
}

/// Where the body begins.
fn head_end(message: &[u8]) -> Option<usize> {
    message.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn body_length(head: &[u8], bodies: Bodies) -> Result<usize, String> {
    let head = std::str::from_utf8(head).map_err(|_| "a head that is no UTF-8".to_owned())?;
    let value = |wanted: &str| {
        let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    if value("transfer-encoding").is_some() {
        return Err(format!("only Content-Length is spoken here, not Transfer-Encoding: {head}"));
    }
    let empty = match bodies {
        Bodies::OfRequests => false,
        Bodies::OfAnswers => head.split(' ').nth(1).is_some_and(|status| status == "204" || status == "304"),
        Bodies::None => true,
    };
    match value("content-length") {
        _ if empty => Ok(0),
        Some(length) => length.parse().map_err(|_| format!("Content-Length: {length}")),
        None if matches!(bodies, Bodies::OfRequests) => Ok(0),
        None => Err(format!("an answer without Content-Length: {head}")),
    }
}

/// An answer as the server itself could give it.
fn made_up(status: u16, retry_after: Option<u32>) -> Vec<u8> {
    let (exception, code) = match status {
        429 => ("ThrottledClientException", "Throttled"),
        503 => ("ServiceUnavailableException", "ServiceUnavailable"),
        _ => ("ServiceFailureException", "ServiceFailure"),
    };
    let body = format!(r#"{{"Code":"{code}","Message":"made up by the proxy"}}"#);
    let mut answer = format!(
        "HTTP/1.1 {status} Made up\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         x-amzn-ErrorType: {exception}\r\nx-amzn-RequestId: made-up-by-the-proxy\r\n",
        body.len()
    );
    if let Some(seconds) = retry_after {
        write!(answer, "Retry-After: {seconds}\r\n").unwrap();
    }
    format!("{answer}\r\n{body}").into_bytes()
}

/// Waits until the client goes away, or the proxy ends.
fn wait_for_the_end(mut client: &TcpStream) -> Result<(), String> {
    let mut chunk = [0; 1024];
    while client.read(&mut chunk).is_ok_and(|read| read > 0) {}
    Ok(())
}
