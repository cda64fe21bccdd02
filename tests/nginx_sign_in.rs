//! The sign-in answer as nginx uses it: `auth_request`, in a real nginx.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::{Next, from_fn};
use axum::routing::get;
use seatsync::listen::Peer;
use seatsync::model::Email;
use seatsync::server::sign_in::{Lookup, Reason, SignInSettings, Standing, routes};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const NGINX: &str = "/usr/sbin/nginx";
/// Longest wait for nginx, at its start and for an answer.
const PATIENT: Duration = Duration::from_secs(30);

/// One process with a socket in a folder; ends when dropped.
struct Nginx {
    process: Child,
    socket: PathBuf,
}

impl Nginx {
    fn start(folder: &Path, sign_in: SocketAddr, product: SocketAddr) -> Self {
        assert!(Path::new(NGINX).exists(), "{NGINX} is missing: run tests/run once, or apt-get install nginx-light");
        let socket = folder.join("nginx.sock");
        let (shown, socket_shown) = (folder.display(), socket.display());
        let configuration = format!(
            r#"
            master_process off;
            daemon off;
            pid {shown}/nginx.pid;
            error_log {shown}/error.log;
            events {{}}
            http {{
                access_log off;
                client_body_temp_path {shown}/body;
                proxy_temp_path {shown}/proxy;
                fastcgi_temp_path {shown}/fastcgi;
                uwsgi_temp_path {shown}/uwsgi;
                scgi_temp_path {shown}/scgi;
                server {{
                    listen unix:{socket_shown};
                    location / {{
                        auth_request     /seat;
                        auth_request_set $seat_licence $upstream_http_x_seat_licence;
                        auth_request_set $seat_account $upstream_http_x_seat_account;
                        proxy_set_header X-Seat-Licence $seat_licence;
                        proxy_set_header X-Seat-Account $seat_account;
                        proxy_pass       http://{product};
                    }}
                    location = /seat {{
                        internal;
                        proxy_pass              http://{sign_in}/sign-in/forward-auth;
                        proxy_pass_request_body off;
                        proxy_set_header        Content-Length "";
                        # The address that the authentication in front has made sure of.
                        proxy_set_header        X-Auth-Email $http_x_person;
                        proxy_connect_timeout   2s;
                        proxy_read_timeout      2s;
                    }}
                }}
            }}
            "#
        );
        let path = folder.join("nginx.conf");
        std::fs::write(&path, configuration).unwrap();
        let mut command = Command::new(NGINX);
        command.arg("-p").arg(folder).arg("-c").arg(path).arg("-e").arg(folder.join("error.log"));
        let process = command.stdin(Stdio::null()).spawn().unwrap();
        let mut nginx = Self { process, socket };
        nginx.wait_until_it_listens(folder);
        nginx
    }

    fn wait_until_it_listens(&mut self, folder: &Path) {
        let deadline = Instant::now() + PATIENT;
        while UnixStream::connect(&self.socket).is_err() {
            let ended = self.process.try_wait().unwrap();
            let log = || std::fs::read_to_string(folder.join("error.log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < deadline, "nginx does not listen: {ended:?}\n{}", log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks for a page of the product as that person; gives the status and the body.
    async fn visit(&self, headers: &str) -> (u16, String) {
        let (socket, headers) = (self.socket.clone(), headers.to_owned());
        let exchange = move || {
            let mut stream = UnixStream::connect(socket).unwrap();
            stream.set_read_timeout(Some(PATIENT)).unwrap();
            write!(stream, "GET /page HTTP/1.0\r\nHost: product.example\r\n{headers}\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let answer = tokio::task::spawn_blocking(exchange).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn visit_as(&self, person: &str) -> (u16, String) {
        self.visit(&format!("X-Person: {person}\r\n")).await
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A service on loopback that tells who asks from where, as the server's own listener does.
async fn serve(router: Router) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let named = async |ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request, next: Next| {
        request.extensions_mut().insert(Peer(peer));
        next.run(request).await
    };
    let service = router.layer(from_fn(named)).into_make_service_with_connect_info::<SocketAddr>();
    (address, tokio::spawn(async move { axum::serve(listener, service).await.unwrap() }))
}

/// What is protected: it repeats what it was told about the person.
fn product() -> Router {
    let told = |headers: HeaderMap| async move {
        let value = |name: &str| headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
        format!("licence {:?} account {:?}", value("x-seat-licence"), value("x-seat-account"))
    };
    Router::new().route("/page", get(told))
}

fn sign_in() -> Router {
    let lookup: Lookup = Arc::new(|email: Email| {
        let denied = |reason| Ok(Standing::Denied { reason, account: Some("a1".to_owned()) });
        let standing = match &*email.key() {
            "alice@example.com" => Ok(Standing::Allowed { account: "a1".to_owned(), licence: "Pro".to_owned() }),
            "bob@example.com" => denied(Reason::Suspended),
            "broken@example.com" => Err("the disk is full".to_owned()),
            _ => denied(Reason::Unknown),
        };
        Box::pin(async move { standing })
    });
    let email_header = Some(HeaderName::from_static("x-auth-email"));
    routes(&SignInSettings { email_header, token: None }, lookup)
}

#[tokio::test]
async fn only_who_may_sign_in_gets_to_the_product() {
    let folder = tempfile::tempdir().unwrap();
    let (product, _product) = serve(product()).await;
    let (asked, _sign_in) = serve(sign_in()).await;
    let nginx = Nginx::start(folder.path(), asked, product);
    let in_with = |licence: &str| (200, format!("licence [\"{licence}\"] account [\"a1\"]"));
    assert_eq!(nginx.visit_as("alice@example.com").await, in_with("Pro"));
    // What a visitor says about the own licence does not arrive.
    let lie = "X-Person: alice@example.com\r\nX-Seat-Licence: Gold\r\nX-Auth-Email: bob@example.com\r\n";
    assert_eq!(nginx.visit(lie).await, in_with("Pro"));
    // A header meant for the product changes nothing here.
    assert_eq!(nginx.visit("X-Person: alice@example.com\r\nAuthorization: Bearer x\r\n").await, in_with("Pro"));
    for person in ["bob@example.com", "eve@example.net", "alice", ""] {
        let (status, body) = nginx.visit_as(person).await;
        assert_eq!(status, 403, "{person:?}: {body}");
        assert!(!body.contains("licence"), "{person:?}: {body}");
    }
    assert_eq!(nginx.visit("X-Auth-Email: alice@example.com\r\n").await.0, 403, "a visitor's own word does not count");
    assert_eq!(nginx.visit_as("broken@example.com").await.0, 500, "not known is not allowed");
}

#[tokio::test]
async fn nobody_gets_in_while_the_service_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let (product, _product) = serve(product()).await;
    let (asked, running) = serve(sign_in()).await;
    let nginx = Nginx::start(folder.path(), asked, product);
    assert_eq!(nginx.visit_as("alice@example.com").await.0, 200);
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    let (status, body) = nginx.visit_as("alice@example.com").await;
    assert_eq!(status, 500);
    assert!(!body.contains("licence"), "{body}");
}
