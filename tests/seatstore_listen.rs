//! The listener of seatstore against clients that take their time, say too much, or say nothing: raw bytes on a socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use seatsync::listen::tls::TlsSource;
use seatsync::listen::{BodyError, DRAIN_BYTES_MAX, Deadline, Limits, Peer, Stopped, collect_body, serve};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Nothing here may take longer; what does is a failure.
const PATIENCE: Duration = Duration::from_secs(20);
/// A limit that a test waits out.
const SHORT: Duration = Duration::from_millis(300);
/// A limit that no test waits out.
const LONG: Duration = Duration::from_secs(600);
/// What the route `/body` takes.
const BODY_BYTES_MAX: usize = 1_000;
/// What the route `/parts` gives, as chunks.
const PARTS: [&str; 3] = ["one ", "two ", "three"];
/// What the route `/large` gives.
const LARGE_BYTES: usize = 1024 * 1024;

/// No limit is met, but where a test lowers one.
fn generous() -> Limits {
    Limits { header_time: LONG, request_time: LONG, idle_time: LONG, grace_time: LONG, ..Limits::default() }
}

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    stopped: JoinHandle<Stopped>,
    /// A permit opens the route `/wait` once.
    gate: Arc<Semaphore>,
    /// How many requests have reached `/wait`.
    waiting: Arc<Semaphore>,
    /// How many times `/large` was asked.
    large: Arc<AtomicUsize>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        Self::start_with(limits, None).await
    }

    async fn start_with(limits: Limits, tls: Option<TlsSource>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (gate, waiting) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let large = Arc::new(AtomicUsize::new(0));
        let app = app(Arc::clone(&gate), Arc::clone(&waiting), Arc::clone(&large));
        let (stop, stopping) = oneshot::channel::<()>();
        let stopped = tokio::spawn(serve(listener, tls, limits, app, async move { drop(stopping.await) }));
        Self { address, stop, stopped, gate, waiting, large }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// One connection for these bytes alone, and all that comes back.
    async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut client = self.connect().await;
        client.write_all(bytes.as_ref()).await.unwrap();
        rest(&mut client).await
    }

    /// Waits until this many requests are at `/wait`.
    async fn until_waiting(&self, count: u32) {
        let permits = timeout(PATIENCE, self.waiting.acquire_many(count)).await.expect("requests come in").unwrap();
        permits.forget();
    }

    async fn stop(self) -> Stopped {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.stopped).await.expect("it stops").unwrap()
    }
}

fn app(gate: Arc<Semaphore>, waiting: Arc<Semaphore>, large: Arc<AtomicUsize>) -> Router {
    let wait = move || async move {
        waiting.add_permits(1);
        gate.acquire().await.unwrap().forget();
        "waited"
    };
    let large = move || async move {
        large.fetch_add(1, Ordering::SeqCst);
        vec![b'x'; LARGE_BYTES]
    };
    Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route(
            "/peer",
            get(|request: Request| async move { request.extensions().get::<Peer>().unwrap().0.to_string() }),
        )
        .route("/body", post(body))
        .route("/wait", get(wait))
        .route("/large", get(large))
        .route("/panic", get(mistaken))
        .route("/nothing", get(|| async { StatusCode::NO_CONTENT }))
        .route(
            "/parts",
            get(|| async { Body::from_stream(futures_util::stream::iter(PARTS.map(Ok::<_, Infallible>))) }),
        )
}

async fn mistaken() -> &'static str {
    panic!("a route has a mistake")
}

async fn body(request: Request) -> Response {
    let Deadline(deadline) = *request.extensions().get().unwrap();
    match collect_body(request.into_body(), BODY_BYTES_MAX, deadline).await {
        Ok(bytes) => format!("{} bytes", bytes.len()).into_response(),
        Err(error @ BodyError::TooLarge { .. }) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        Err(error @ BodyError::Slow) => (StatusCode::REQUEST_TIMEOUT, error.to_string()).into_response(),
        Err(error @ BodyError::Broken { .. }) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

fn get_of(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")
}

fn last_get_of(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

/// All that comes until the end; a reset is one too.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    // An error ends the stream as well; what came before it is there.
    drop(timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the connection ends"));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer with a content-length, as status and body.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> (u16, String) {
    timeout(PATIENCE, async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer"));
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        (status, String::from_utf8_lossy(&body).into_owned())
    })
    .await
    .expect("an answer comes")
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), path: &str) -> (u16, String) {
    stream.write_all(get_of(path).as_bytes()).await.unwrap();
    answer(stream).await
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let server = Server::start(generous()).await;
    let mut client = server.connect().await;
    let own = client.local_addr().unwrap().to_string();
    for _ in 0..3 {
        assert_eq!(ask(&mut client, "/hello").await, (200, "hello".to_owned()));
        assert_eq!(ask(&mut client, "/peer").await, (200, own.clone()));
    }
    assert_eq!(ask(&mut client, "/nowhere").await.0, 404);
    assert_eq!(server.stop().await, Stopped { cut: 0 });
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let server = Server::start(generous()).await;
    let mut client = server.connect().await;
    let all = ["/hello", "/nowhere", "/peer"].repeat(50);
    client.write_all(all.iter().map(|path| get_of(path)).collect::<String>().as_bytes()).await.unwrap();
    for path in all {
        assert_eq!(answer(&mut client).await.0, if path == "/nowhere" { 404 } else { 200 });
    }
}

/// Each byte on its own keeps no connection open: the whole head has one limit.
#[tokio::test]
async fn a_head_that_drips_is_cut() {
    let server = Server::start(Limits { header_time: SHORT, ..generous() }).await;
    let began = Instant::now();
    let (mut reader, mut writer) = server.connect().await.into_split();
    let dripping = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(SHORT / 20);
        // Until the server has closed.
        while writer.write_all(b"x").await.is_ok() {
            ticks.tick().await;
        }
    });
    assert_eq!(rest(&mut reader).await, "");
    assert!(began.elapsed() >= SHORT, "{:?}", began.elapsed());
    timeout(PATIENCE, dripping).await.expect("the other end is closed").unwrap();
}

#[tokio::test]
async fn who_says_nothing_is_cut() {
    let server = Server::start(Limits { header_time: SHORT, ..generous() }).await;
    assert_eq!(server.exchange("").await, "");
    assert_eq!(server.exchange("GET /hello HTTP/1.1\r\nhost").await, "");
    assert_eq!(server.stop().await, Stopped { cut: 0 });
}

/// The limit of a head begins anew with each, and is not that of an idle connection.
#[tokio::test]
async fn a_later_head_has_its_own_time() {
    let server = Server::start(Limits { header_time: SHORT, ..generous() }).await;
    let mut client = server.connect().await;
    assert_eq!(ask(&mut client, "/hello").await.0, 200);
    let began = Instant::now();
    client.write_all(b"GET ").await.unwrap();
    assert_eq!(rest(&mut client).await, "");
    assert!(began.elapsed() >= SHORT, "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = Server::start(Limits { idle_time: SHORT, ..generous() }).await;
    let mut client = server.connect().await;
    let began = Instant::now();
    assert_eq!(ask(&mut client, "/hello").await.0, 200);
    assert_eq!(rest(&mut client).await, "");
    assert!(began.elapsed() >= SHORT, "{:?}", began.elapsed());
}

/// Whatever was asked and however it was answered, what follows is the wait for the next request.
#[tokio::test]
async fn every_answer_ends_in_an_idle_connection() {
    let server = Server::start(Limits { idle_time: SHORT, ..generous() }).await;
    for (request, end) in [
        ("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n", "hello"),
        ("HEAD /hello HTTP/1.1\r\nhost: x\r\n\r\n", "\r\n\r\n"),
        ("HEAD /parts HTTP/1.1\r\nhost: x\r\n\r\n", "\r\n\r\n"),
        ("GET /parts HTTP/1.1\r\nhost: x\r\n\r\n", "three\r\n0\r\n\r\n"),
        ("GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n", "\r\n\r\n"),
        ("GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n", "\r\n\r\n"),
        ("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nxx", "2 bytes"),
        ("POST /hello HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nxx", "\r\n\r\n"),
        ("GET /parts HTTP/1.0\r\nhost: x\r\n\r\n", "one two three"),
        ("GET /hello HTTP/1.0\r\nhost: x\r\nconnection: keep-alive\r\n\r\n", "hello"),
    ] {
        for times in [1, 3] {
            let shown = server.exchange(request.repeat(times)).await;
            assert!(shown.starts_with("HTTP/1.") && shown.ends_with(end), "{request}: {shown}");
            let answers = if request.contains("1.0") && !request.contains("keep-alive") { 1 } else { times };
            assert_eq!(shown.matches("HTTP/1.").count(), answers, "{request}: {shown}");
        }
    }
    assert_eq!(server.stop().await, Stopped { cut: 0 });
}

/// A client may wait to be asked for its body (RFC 9110 10.1.1); one that is far too large is not asked for.
#[tokio::test]
async fn a_body_is_asked_for_only_when_it_may_come() {
    let server = Server::start(generous()).await;
    let head = |length: usize| {
        format!("POST /body HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n")
    };
    let mut client = server.connect().await;
    client.write_all(head(2).as_bytes()).await.unwrap();
    let mut asked = [0; 25];
    timeout(PATIENCE, client.read_exact(&mut asked)).await.expect("it is asked for").unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"xx").await.unwrap();
    assert_eq!(answer(&mut client).await, (200, "2 bytes".to_owned()));
    assert!(server.exchange(head(BODY_BYTES_MAX + DRAIN_BYTES_MAX + 1)).await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_cut() {
    let server = Server::start(Limits { request_time: SHORT, ..generous() }).await;
    let shown = server.exchange("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nsome").await;
    assert!(shown.starts_with("HTTP/1.1 408 ") && shown.ends_with("did not arrive in time"), "{shown}");
}

#[tokio::test]
async fn a_route_that_takes_too_long_is_answered_for() {
    let server = Server::start(Limits { request_time: SHORT, ..generous() }).await;
    let shown = server.exchange(get_of("/wait")).await;
    assert!(shown.starts_with("HTTP/1.1 503 "), "{shown}");
    assert!(shown.contains("connection: close\r\n"), "{shown}");
    assert!(shown.ends_with("the request was not answered in time\n"), "{shown}");
}

/// Who asks and asks and takes no answer is made to wait, holds no memory, and is cut in the end: only then is there room
/// for the next.
#[tokio::test]
async fn who_takes_no_answers_is_cut() {
    let server = Server::start(Limits { request_time: SHORT, connections_max: 1, ..generous() }).await;
    let mut greedy = server.connect().await;
    greedy.write_all(get_of("/large").repeat(500).as_bytes()).await.unwrap();
    let (status, hello) = ask(&mut server.connect().await, "/hello").await;
    assert_eq!((status, hello.as_str()), (200, "hello"));
    let asked = server.large.load(Ordering::SeqCst);
    assert!((1..50).contains(&asked), "{asked} answers were made for nobody");
    assert!(rest(&mut greedy).await.len() < 500 * LARGE_BYTES);
}

#[tokio::test]
async fn heads_have_limits() {
    let server = Server::start(Limits { headers_max: 10, header_bytes_max: 2_000, ..generous() }).await;
    let head = |lines: String| format!("GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}\r\n");
    let lines = |count: usize| (0..count).map(|n| format!("h{n}: x\r\n")).collect::<String>();
    for (request, expected) in [
        (head(lines(8)), "HTTP/1.1 200 "),
        (head(lines(9)), "HTTP/1.1 431 "),
        (head(lines(5_000)), "HTTP/1.1 431 "),
        (head(format!("h: {}\r\n", "x".repeat(1_800))), "HTTP/1.1 200 "),
        (head(format!("h: {}\r\n", "x".repeat(2_000))), "HTTP/1.1 431 "),
        (head(format!("h: {}\r\n", "x".repeat(1_000_000))), "HTTP/1.1 431 "),
        (get_of(&format!("/{}", "x".repeat(2_000))), "HTTP/1.1 4"),
    ] {
        let mut client = server.connect().await;
        // The server may have seen enough before all is written.
        drop(client.write_all(request.as_bytes()).await);
        let shown = rest(&mut client).await;
        assert!(shown.starts_with(expected) || (shown.is_empty() && request.len() > 50_000), "{expected}: {shown}");
    }
    assert_eq!(ask(&mut server.connect().await, "/hello").await.0, 200);
}

#[tokio::test]
async fn garbage_is_refused_and_harms_nobody() {
    let server = Server::start(generous()).await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nhost : x\r\n\r\n",
        b"GET /hello HTTP/1.1\r\n\xff\xfe: \x01\r\n\r\n",
        b"POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /body HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nnothing\r\n",
    ] {
        let shown = server.exchange(garbage).await;
        assert!(shown.is_empty() || shown.starts_with("HTTP/1.1 400 "), "{garbage:?}: {shown}");
    }
    assert_eq!(ask(&mut server.connect().await, "/hello").await.0, 200);
}

#[tokio::test]
async fn bodies_have_a_limit() {
    let server = Server::start(generous()).await;
    let sized = |length: usize| {
        let body = "x".repeat(length);
        format!("POST /body HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
    };
    let head = "POST /body HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("64\r\n{}\r\n", "x".repeat(100));
    let too_large = "larger than 1000 bytes; send fewer items in each request";
    for (request, expected) in [
        (sized(0), "0 bytes"),
        (sized(999), "999 bytes"),
        (sized(1_000), "1000 bytes"),
        (sized(1_001), too_large),
        (sized(3_000_000), too_large),
        (format!("{head}{}0\r\n\r\n", chunk.repeat(10)), "1000 bytes"),
        (
            format!("{head}{}1\r\nx\r\n0\r\n\r\n", chunk.repeat(10)),
            "larger than 1000 bytes; send fewer items in each request",
        ),
        (
            format!("{head}{}0\r\n\r\n", chunk.repeat(20_000)),
            "larger than 1000 bytes; send fewer items in each request",
        ),
    ] {
        let shown = server.exchange(&request).await;
        assert!(shown.ends_with(expected), "{}: {shown}", request.len());
    }
    // Far too large a body is not even waited for.
    let length = BODY_BYTES_MAX + DRAIN_BYTES_MAX + 1;
    let head = format!("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    assert!(server.exchange(head).await.starts_with("HTTP/1.1 400 "));
}

/// What `collect_body` says of bodies that no socket is needed for.
#[tokio::test]
async fn a_body_is_whole_or_refused() {
    let deadline = Instant::now() + LONG;
    let stream = |parts: Vec<Result<&'static str, std::io::Error>>| {
        Body::from_stream(futures_util::stream::iter(parts.into_iter().map(|part| part.map(Bytes::from))))
    };
    let whole = collect_body(stream(vec![Ok("ab"), Ok(""), Ok("cd"), Ok("e")]), 5, deadline).await;
    assert_eq!(whole.unwrap(), "abcde");
    assert_eq!(collect_body(Body::empty(), 0, deadline).await.unwrap(), "");
    let broken = collect_body(stream(vec![Ok("ab"), Err(std::io::Error::other("cable"))]), 5, deadline).await;
    assert_eq!(broken, Err(BodyError::Broken { message: "cable".to_owned() }));
    let broken = collect_body(stream(vec![Ok("abcdef"), Err(std::io::Error::other("cable"))]), 5, deadline).await;
    assert_eq!(broken, Err(BodyError::TooLarge { bytes_max: 5 }));
    let endless = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    assert_eq!(collect_body(endless, 5, Instant::now() + Duration::from_millis(10)).await, Err(BodyError::Slow));
    let endless = Body::from_stream(futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![0_u8; 4_096])));
    assert_eq!(collect_body(endless, 5, deadline).await, Err(BodyError::TooLarge { bytes_max: 5 }));
}

#[tokio::test]
async fn above_the_cap_connections_wait_for_their_turn() {
    let server = Server::start(Limits { connections_max: 2, ..generous() }).await;
    let mut busy = [server.connect().await, server.connect().await];
    for client in &mut busy {
        client.write_all(last_get_of("/wait").as_bytes()).await.unwrap();
    }
    server.until_waiting(2).await;
    let mut third = server.connect().await;
    third.write_all(get_of("/hello").as_bytes()).await.unwrap();
    let early = timeout(SHORT, third.read_u8()).await;
    assert!(early.is_err(), "a third was let in: {early:?}");
    server.gate.add_permits(1);
    assert_eq!(answer(&mut third).await, (200, "hello".to_owned()));
    server.gate.add_permits(1);
    for client in &mut busy {
        assert!(rest(client).await.ends_with("waited"));
    }
}

#[tokio::test]
async fn who_only_waits_makes_room() {
    let server = Server::start(Limits { connections_max: 1, ..generous() }).await;
    let mut idle = server.connect().await;
    assert_eq!(ask(&mut idle, "/hello").await.0, 200);
    assert_eq!(ask(&mut server.connect().await, "/hello").await.0, 200);
    assert_eq!(rest(&mut idle).await, "");
}

#[tokio::test]
async fn who_says_nothing_makes_room_too() {
    let server = Server::start(Limits { connections_max: 1, ..generous() }).await;
    let mut silent = server.connect().await;
    assert_eq!(ask(&mut server.connect().await, "/hello").await.0, 200);
    assert_eq!(rest(&mut silent).await, "");
}

/// Runs itself again with few file descriptors, half of which are the clients'.
#[tokio::test]
async fn when_files_run_out_it_goes_on_with_the_next_free_one() {
    const MARK: &str = "SEATSYNC_TEST_FEW_FILES";
    const NAME: &str = "when_files_run_out_it_goes_on_with_the_next_free_one";
    if std::env::var_os(MARK).is_none() {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "ulimit -n 64 && exec \"$0\" --exact \"$1\" --nocapture"]);
        command.arg(std::env::current_exe().unwrap()).arg(NAME).env(MARK, "1");
        // Every wait in there has its own limit.
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && shown.contains("1 passed"), "{shown}");
        return;
    }
    let server = Server::start(generous()).await;
    let mut served = server.connect().await;
    assert_eq!(ask(&mut served, "/hello").await.0, 200);
    let mut clients = Vec::new();
    let error = loop {
        match TcpStream::connect(server.address).await {
            Ok(client) => clients.push(client),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("Too many open files"), "{error}");
    assert_eq!(ask(&mut served, "/hello").await.0, 200);
    // The last of them are not taken yet. When the first ones leave, they are.
    let mut last = clients.pop().unwrap();
    clients.truncate(clients.len() - 5);
    last.write_all(get_of("/hello").as_bytes()).await.unwrap();
    drop(clients);
    assert_eq!(answer(&mut last).await.0, 200);
    assert_eq!(ask(&mut server.connect().await, "/hello").await.0, 200);
}

#[tokio::test]
async fn a_panic_ends_one_connection() {
    let server = Server::start(generous()).await;
    let mut other = server.connect().await;
    assert_eq!(ask(&mut other, "/hello").await.0, 200);
    assert_eq!(server.exchange(get_of("/panic")).await, "");
    assert_eq!(ask(&mut other, "/hello").await.0, 200);
    assert_eq!(ask(&mut server.connect().await, "/hello").await.0, 200);
    assert_eq!(server.stop().await, Stopped { cut: 0 });
}

#[tokio::test]
async fn a_stop_lets_what_runs_end() {
    let server = Server::start(generous()).await;
    let (mut fresh, mut idle, mut busy) = (server.connect().await, server.connect().await, server.connect().await);
    assert_eq!(ask(&mut idle, "/hello").await.0, 200);
    busy.write_all(get_of("/wait").as_bytes()).await.unwrap();
    server.until_waiting(1).await;
    let (gate, address) = (Arc::clone(&server.gate), server.address);
    let stopped = tokio::spawn(server.stop());
    assert_eq!(rest(&mut fresh).await, "");
    assert_eq!(rest(&mut idle).await, "");
    assert!(TcpStream::connect(address).await.is_err(), "the door is closed");
    assert!(!stopped.is_finished());
    gate.add_permits(1);
    let last = rest(&mut busy).await;
    assert!(last.ends_with("waited") && last.contains("connection: close"), "{last}");
    assert_eq!(stopped.await.unwrap(), Stopped { cut: 0 });
}

#[tokio::test]
async fn what_does_not_end_in_its_grace_is_cut() {
    let server = Server::start(Limits { grace_time: SHORT, ..generous() }).await;
    let mut busy = server.connect().await;
    busy.write_all(get_of("/wait").as_bytes()).await.unwrap();
    server.until_waiting(1).await;
    assert_eq!(server.stop().await, Stopped { cut: 1 });
    assert_eq!(rest(&mut busy).await, "");
}

/// Writes a new certificate and its key; gives the certificate.
fn renew(folder: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("seatstore.pem"), cert.pem()).unwrap();
    std::fs::write(folder.join("seatstore.key"), signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(folder.join("seatstore.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    cert.der().clone()
}

fn source(folder: &Path) -> TlsSource {
    TlsSource::open(folder.join("seatstore.pem"), folder.join("seatstore.key")).unwrap()
}

/// A connection that trusts this certificate alone.
async fn connect_tls(address: SocketAddr, trusted: &CertificateDer<'static>) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    timeout(PATIENCE, TlsConnector::from(Arc::new(config)).connect(name, stream)).await.expect("a handshake")
}

#[tokio::test]
async fn a_renewed_certificate_is_served_without_cutting_anybody() {
    let folder = tempfile::tempdir().unwrap();
    let old = renew(folder.path());
    let tls = source(folder.path());
    let server = Server::start_with(generous(), Some(tls.clone())).await;
    let mut early = connect_tls(server.address, &old).await.unwrap();
    assert_eq!(early.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(ask(&mut early, "/hello").await, (200, "hello".to_owned()));

    let new = renew(folder.path());
    assert!(connect_tls(server.address, &old).await.is_ok(), "nothing changes before the reload");
    tls.reload().unwrap();
    let mut late = connect_tls(server.address, &new).await.unwrap();
    assert_eq!(ask(&mut late, "/hello").await.0, 200);
    assert!(connect_tls(server.address, &old).await.is_err());
    assert_eq!(ask(&mut early, "/hello").await.0, 200);

    std::fs::write(folder.path().join("seatstore.pem"), "half a fi").unwrap();
    assert!(tls.reload().is_err());
    assert_eq!(ask(&mut connect_tls(server.address, &new).await.unwrap(), "/hello").await.0, 200);
    assert_eq!(server.stop().await, Stopped { cut: 0 });
}

#[tokio::test]
async fn handshakes_have_their_time_too() {
    let folder = tempfile::tempdir().unwrap();
    renew(folder.path());
    let server = Server::start_with(Limits { header_time: SHORT, ..generous() }, Some(source(folder.path()))).await;
    let began = Instant::now();
    assert_eq!(server.exchange("").await, "");
    assert!(began.elapsed() >= SHORT, "{:?}", began.elapsed());
    // Plain HTTP gets no answer, only an alert.
    assert!(!server.exchange(get_of("/hello")).await.contains("HTTP"));
}

#[tokio::test]
async fn who_begins_no_handshake_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = renew(folder.path());
    let server = Server::start_with(Limits { connections_max: 1, ..generous() }, Some(source(folder.path()))).await;
    let mut silent = server.connect().await;
    assert_eq!(ask(&mut connect_tls(server.address, &certificate).await.unwrap(), "/hello").await.0, 200);
    assert_eq!(rest(&mut silent).await, "");
}

#[tokio::test]
async fn a_stop_waits_for_no_handshake() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = renew(folder.path());
    let server = Server::start_with(generous(), Some(source(folder.path()))).await;
    let mut silent = server.connect().await;
    // Connections are taken in their order: when this one is served, the silent one is in.
    assert_eq!(ask(&mut connect_tls(server.address, &certificate).await.unwrap(), "/hello").await.0, 200);
    assert_eq!(server.stop().await, Stopped { cut: 0 });
    assert_eq!(rest(&mut silent).await, "");
}
