//! The status listener over real connections: what each route answers, and clients that take their time or say too much.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use seatsync::model::{PassId, PassRecord, PassResult, Timestamp};
use seatsync::status::{Daemon, Live, Metrics, Outage, Remembered, View, serve};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Nothing here may take longer; what does is a failure.
const PATIENCE: Duration = Duration::from_secs(20);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct Server {
    address: SocketAddr,
    live: watch::Sender<Live>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(live: Live) -> Self {
        Self::start_at("127.0.0.1:0", live).await
    }

    async fn start_at(address: &str, live: Live) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (live, seen) = watch::channel(live);
        let (stop, stopping) = oneshot::channel::<()>();
        let view = View { live: seen, metrics: Metrics::new(), now: Timestamp::now };
        let serving = tokio::spawn(serve(listener, view, async move { drop(stopping.await) }));
        Self { address, live, stop, serving }
    }

    /// One connection for these bytes alone, and all that comes back.
    async fn exchange(&self, bytes: &str) -> String {
        let mut client = TcpStream::connect(self.address).await.unwrap();
        client.write_all(bytes.as_bytes()).await.unwrap();
        rest(&mut client).await
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, "").await
    }

    /// `headers`: lines with their ends.
    async fn ask(&self, method: &str, path: &str, headers: &str) -> (u16, String) {
        let host = format!("Host: {}\r\n", self.address);
        let host = if headers.contains("Host:") { "" } else { &host };
        let said =
            self.exchange(&format!("{method} {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n")).await;
        (said.split(' ').nth(1).unwrap_or_else(|| panic!("{said:?}")).parse().unwrap(), said)
    }
}

/// All that still comes, to the end of the connection.
async fn rest(client: &mut TcpStream) -> String {
    let mut all = Vec::new();
    match timeout(PATIENCE, client.read_to_end(&mut all)).await.expect("the connection ends") {
        Ok(_) => {}
        // What was not read when it was closed.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// A daemon that runs well, and made its last pass an hour ago.
fn well() -> Live {
    let now = Timestamp::now();
    let at = now - Duration::from_secs(3_600);
    Live {
        remembered: Remembered {
            last_pass: Some(PassRecord {
                id: PassId::new(at, 7),
                at,
                took_ms: 12,
                result: PassResult::InSync,
                reason: None,
                counts: Default::default(),
            }),
            last_good: Some(at),
            ..Remembered::default()
        },
        daemon: Some(Daemon {
            version: "0.1.0".to_owned(),
            pid: 4711,
            config: "/etc/seatsync/seatsync.toml".into(),
            started: now - DAY,
            loaded: now - DAY,
            rejected: None,
            running: None,
            outage: None,
            next_sync: Some(now + DAY),
            next_audit: Some(now + DAY),
            overdue_at: Some(now + 3 * DAY),
            directory_read: Some(at),
            warnings: BTreeMap::new(),
            expiries: Vec::new(),
            watched: None,
        }),
    }
}

#[tokio::test]
async fn each_route_answers_and_nothing_is_kept_loaded_or_framed() {
    let server = Server::start(well()).await;
    for (path, expected, media_type, words) in [
        ("/", 200, "text/html; charset=utf-8", "<h1>ok</h1>"),
        ("/healthz", 200, "text/plain; charset=utf-8", "\r\n\r\nok\n"),
        ("/readyz", 200, "text/plain; charset=utf-8", "\r\n\r\nready\n"),
        ("/metrics", 200, "application/openmetrics-text; version=1.0.0; charset=utf-8", "\n# EOF\n"),
        ("/status.json", 200, "application/json", "\"state\":\"ok\""),
        ("/other", 404, "text/plain; charset=utf-8", "there is /"),
    ] {
        let (status, said) = server.get(path).await;
        assert_eq!(status, expected, "{said}");
        assert!(said.contains(words), "{path}: {said}");
        for header in [
            &format!("content-type: {media_type}"),
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "content-security-policy: default-src 'none'; ",
        ] {
            assert!(said.contains(&format!("\r\n{header}")), "{path} without {header}: {said}");
        }
    }
    let (_, said) = server.ask("GET", "/metrics", "Accept: text/plain\r\n").await;
    assert!(said.contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{said}");
    assert!(said.contains("# TYPE seatsync_passes_total counter\n") && !said.contains("# EOF"), "{said}");
}

#[tokio::test]
async fn what_the_daemon_tells_is_seen_at_once() {
    let server = Server::start(well()).await;
    server.live.send_modify(|live| {
        let daemon = live.daemon.as_mut().unwrap();
        let reason = "dc1 refused svc@corp.example".to_owned();
        let since = Timestamp::now();
        daemon.outage = Some(Outage { since, passes: 1, reason, passes_by: false });
        daemon.overdue_at = Some(since);
        daemon.started = since;
    });
    for (path, expected) in [("/healthz", 503), ("/readyz", 503), ("/", 200), ("/status.json", 200)] {
        let (status, said) = server.get(path).await;
        assert_eq!(status, expected, "{path}: {said}");
        assert!(said.contains("dc1 refused …@corp.example"), "{path}: {said}");
        assert!(!said.contains("svc@"), "{path}: {said}");
    }
}

#[tokio::test]
async fn only_reading_is_possible() {
    let server = Server::start(well()).await;
    let (status, said) = server.ask("HEAD", "/", "").await;
    assert!(status == 200 && said.ends_with("\r\n\r\n"), "{said}");
    for path in ["/", "/metrics", "/nowhere"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
            let (status, said) = server.ask(method, path, "Content-Length: 0\r\n").await;
            assert_eq!(status, 405, "{said}");
            assert!(said.contains("\r\nallow: GET, HEAD\r\n"), "{said}");
        }
    }
    // A body is not waited for.
    let said = server.exchange("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\nsome").await;
    assert!(said.starts_with("HTTP/1.1 405 "), "{said}");
    assert_eq!(server.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn on_loopback_a_foreign_name_is_not_answered_to() {
    let server = Server::start(well()).await;
    for (host, expected) in [("evil.example", 421), ("evil.example:80", 421), ("localhost:1", 200), ("[::1]:9", 200)] {
        let (status, said) = server.ask("GET", "/status.json", &format!("Host: {host}\r\n")).await;
        assert_eq!(status, expected, "{host}: {said}");
        assert_eq!(said.contains("0.1.0"), expected == 200, "{said}");
    }
    let open = Server::start_at("0.0.0.0:0", well()).await;
    let open = Server { address: SocketAddr::from(([127, 0, 0, 1], open.address.port())), ..open };
    assert_eq!(open.ask("GET", "/healthz", "Host: agent.corp.example\r\n").await.0, 200);
}

#[tokio::test]
async fn heads_have_a_limit_and_a_time() {
    let server = Server::start(well()).await;
    // Who is slow is cut, while others are answered.
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow:").await.unwrap();
    let (status, said) = server.ask("GET", "/", &format!("X-Long: {}\r\n", "x".repeat(20_000))).await;
    assert_eq!(status, 431, "{said}");
    let (status, said) = server.ask("GET", "/", &"X-Many: 1\r\n".repeat(100)).await;
    assert_eq!(status, 431, "{said}");
    assert!(server.exchange("\u{16}\u{3}\u{1} no HTTP\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
    assert_eq!(server.get("/healthz").await.0, 200);
    assert_eq!(rest(&mut slow).await, "", "no answer to half a question");
}

#[tokio::test]
async fn a_crowd_that_says_nothing_keeps_nobody_out() {
    let server = Server::start(well()).await;
    let mut crowd = Vec::new();
    for _ in 0..70 {
        crowd.push(TcpStream::connect(server.address).await.unwrap());
    }
    let (status, _) = timeout(PATIENCE, server.get("/healthz")).await.expect("it is answered");
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_stop_ends_it_with_idle_clients() {
    let server = Server::start(well()).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await.unwrap();
    let mut begun = [0; 12];
    timeout(PATIENCE, idle.read_exact(&mut begun)).await.expect("it is answered").unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200");
    server.stop.send(()).unwrap();
    timeout(PATIENCE, server.serving).await.expect("it stops").unwrap();
    rest(&mut idle).await;
}
