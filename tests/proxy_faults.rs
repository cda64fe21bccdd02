//! The fault proxy of the tests does what it says: else a test that passes through it would prove nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod proxy;

use proxy::{Count, Fault, Proxy, first};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const BODY: &str = r#"{"UserErrors":[]}"#;
const SUSPEND: &str = "/accounts/a/users?operation=suspend";
/// How long a silence must last to be one.
const SILENCE: Duration = Duration::from_millis(200);
/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that answers every request alike, and counts them.
fn server() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let carried_out = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&carried_out);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).unwrap();
            assert!(request[..read].ends_with(b"\r\n\r\n{}"), "one small request at a time");
            count.fetch_add(1, Ordering::SeqCst);
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len()).unwrap();
        }
    });
    (address, carried_out)
}

fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.url().strip_prefix("http://").unwrap()).unwrap()
}

fn ask(stream: &mut TcpStream, target: &str) {
    write!(stream, "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}").unwrap();
}

/// How listening ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With the whole answer; the connection stays open.
    Whole,
    /// The connection was closed.
    Closed,
    /// It was reset.
    Reset,
    /// Nothing came.
    Silence,
}

/// One answer, as far as it comes.
fn listen(stream: &mut TcpStream, patience: Duration) -> (String, End) {
    stream.set_read_timeout(Some(patience)).unwrap();
    let (mut heard, mut byte) = (Vec::new(), [0]);
    let end = loop {
        if heard.ends_with(BODY.as_bytes()) || heard.ends_with(b"made up by the proxy\"}") {
            break End::Whole;
        }
        match stream.read(&mut byte) {
            Ok(0) => break End::Closed,
            Ok(_) => heard.push(byte[0]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break End::Reset,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break End::Silence,
            Err(error) => panic!("{error}"),
        }
    };
    (String::from_utf8(heard).unwrap(), end)
}

/// One request with one fault: what came, how it ended, and how often it was carried out.
fn suffer(fault: Fault, patience: Duration) -> (String, End, usize) {
    let (address, carried_out) = server();
    let proxy = Proxy::start(address);
    proxy.script(first("BatchSuspendUser", &[fault]));
    let mut stream = connect(&proxy);
    ask(&mut stream, SUSPEND);
    let (heard, end) = listen(&mut stream, patience);
    let counted = proxy.counts()["BatchSuspendUser"];
    drop(proxy);
    let passed_on = carried_out.load(Ordering::SeqCst);
    assert_eq!(counted, Count { asked: 1, passed_on });
    (heard, end, passed_on)
}

#[test]
fn without_a_fault_all_goes_through_on_one_connection() {
    let (address, carried_out) = server();
    let proxy = Proxy::start(address);
    let mut stream = connect(&proxy);
    for target in [SUSPEND, "/accounts/a/users", "/accounts/a/users/u"] {
        ask(&mut stream, target);
        let (heard, end) = listen(&mut stream, PATIENCE);
        assert!(heard.starts_with("HTTP/1.1 200 OK") && heard.ends_with(BODY), "{heard}");
        assert_eq!(end, End::Whole);
    }
    let one = Count { asked: 1, passed_on: 1 };
    let expected = [("BatchSuspendUser", one), ("BatchUpdateUser", one), ("UpdateUser", one)];
    assert_eq!(proxy.counts(), expected.map(|(name, count)| (name.to_owned(), count)).into());
    assert_eq!(carried_out.load(Ordering::SeqCst), 3);
    proxy.forget();
    assert_eq!(proxy.asked_in_all(), 0);
}

#[test]
fn a_refusal_comes_before_the_effect() {
    let (heard, _, carried_out) = suffer(Fault::Throttle { retry_after: Some(7) }, PATIENCE);
    assert_eq!(carried_out, 0);
    assert!(heard.starts_with("HTTP/1.1 429 "), "{heard}");
    assert!(heard.contains("x-amzn-ErrorType: ThrottledClientException\r\n"), "{heard}");
    assert!(heard.contains("Retry-After: 7\r\n"), "{heard}");
    let (heard, _, carried_out) = suffer(Fault::Throttle { retry_after: None }, PATIENCE);
    assert_eq!(carried_out, 0);
    assert!(!heard.contains("Retry-After"), "{heard}");
    let (heard, _, carried_out) = suffer(Fault::Refuse(503), PATIENCE);
    assert_eq!(carried_out, 0);
    assert!(heard.starts_with("HTTP/1.1 503 ") && heard.contains("ServiceUnavailableException"), "{heard}");
}

#[test]
fn a_denial_comes_after_the_effect() {
    let (heard, _, carried_out) = suffer(Fault::Deny(500), PATIENCE);
    assert_eq!(carried_out, 1);
    assert!(heard.starts_with("HTTP/1.1 500 ") && heard.contains("ServiceFailureException"), "{heard}");
}

#[test]
fn an_answer_that_is_cut_promises_more_than_it_holds() {
    let (heard, end, carried_out) = suffer(Fault::CutAnswer, PATIENCE);
    assert_eq!(carried_out, 1);
    assert_eq!(end, End::Closed);
    assert!(heard.contains(&format!("Content-Length: {}\r\n", BODY.len())), "{heard}");
    let (_, body) = heard.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, &BODY[..BODY.len() / 2]);
}

#[test]
fn a_reset_is_one_before_the_effect_or_after_it() {
    for (fault, expected) in [(Fault::Reset, 0), (Fault::ResetAfter, 1)] {
        let (heard, end, carried_out) = suffer(fault, PATIENCE);
        assert_eq!((heard.as_str(), end, carried_out), ("", End::Reset, expected), "{fault:?}");
    }
}

#[test]
fn a_hang_is_silent_before_the_effect_or_after_it_and_ends_with_the_proxy() {
    for (fault, expected) in [(Fault::HangBefore, 0), (Fault::HangAfter, 1)] {
        let (address, carried_out) = server();
        let proxy = Proxy::start(address);
        proxy.script(first("BatchSuspendUser", &[fault]));
        let mut stream = connect(&proxy);
        ask(&mut stream, SUSPEND);
        let deadline = Instant::now() + PATIENCE;
        while proxy.asked_in_all() == 0 || carried_out.load(Ordering::SeqCst) < expected {
            assert!(Instant::now() < deadline, "{fault:?} is not carried out");
            std::thread::yield_now();
        }
        assert_eq!(listen(&mut stream, SILENCE), (String::new(), End::Silence), "{fault:?}");
        assert_eq!(carried_out.load(Ordering::SeqCst), expected, "{fault:?}");
        drop(proxy);
        let (heard, end) = listen(&mut stream, PATIENCE);
        assert!(heard.is_empty() && matches!(end, End::Closed | End::Reset), "{fault:?}: {heard:?} {end:?}");
    }
}

#[test]
fn a_server_that_is_down_is_a_reset_and_another_can_take_its_place() {
    let nobody = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let proxy = Proxy::start(nobody);
    let mut stream = connect(&proxy);
    ask(&mut stream, SUSPEND);
    assert_eq!(listen(&mut stream, PATIENCE), (String::new(), End::Reset));
    let (address, carried_out) = server();
    proxy.set_upstream(address);
    let mut stream = connect(&proxy);
    ask(&mut stream, SUSPEND);
    assert!(listen(&mut stream, PATIENCE).0.ends_with(BODY));
    assert_eq!(carried_out.load(Ordering::SeqCst), 1);
}

#[test]
fn a_script_sees_what_is_asked_and_how_often_it_was() {
    let (address, _) = server();
    let proxy = Proxy::start(address);
    let (tell, told) = std::sync::mpsc::channel();
    proxy.script(move |request| {
        tell.send((request.operation.clone(), request.earlier, request.body.clone())).unwrap();
        Fault::None
    });
    let mut stream = connect(&proxy);
    for target in [SUSPEND, SUSPEND, "/elsewhere"] {
        ask(&mut stream, target);
        listen(&mut stream, PATIENCE);
    }
    let body = b"{}".to_vec();
    let expected = [("BatchSuspendUser", 0), ("BatchSuspendUser", 1), ("POST /elsewhere", 0)];
    let expected = expected.map(|(operation, earlier)| (operation.to_owned(), earlier, body.clone()));
    assert_eq!(told.try_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn requests_over_scim_have_names() {
    let (address, _) = server();
    let proxy = Proxy::start(address);
    let mut stream = connect(&proxy);
    for target in ["/scim/v2/a/Users", "/scim/v2/a/Users/7", "/scim/v2/a/Users?filter=x", "/scim/v2/a/Bulk"] {
        ask(&mut stream, target);
        assert_eq!(listen(&mut stream, PATIENCE).1, End::Whole);
    }
    let names: Vec<String> = proxy.counts().into_keys().collect();
    assert_eq!(names, ["POST /Bulk of ", "POST /Users", "POST /Users/{id}", "POST /Users?filter"]);
}
