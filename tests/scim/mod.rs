//! SCIM servers that are not ours, each for one test, on an address of its own: `scim2-server` (strict, in memory), better-auth (a
//! product, with little of the protocol) and `django-scim2-server` (drops what it does not know).

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use crate::loopback::Loopback;
use crate::python;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Python on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(20);
/// For one request that a test makes itself.
const TIMEOUT: Duration = Duration::from_secs(60);
const PORT: u16 = 8080;
/// What every server here takes.
pub const TOKEN: &str = "a-token-for-the-tests-0123456789-0123456789";
/// A schema of our own, for tiers in an extension.
pub const EXTENSION: &str = "urn:example:params:scim:schemas:extension:seat:1.0:User";

/// What the strict server says that it can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Everything: bulk, filters, ETag, pages of a thousand.
    Rich,
    /// No bulk, pages of a hundred by index.
    Plain,
    /// No PATCH, no filters, pages of fifty by cursor.
    Poor,
}

/// A running server.
pub struct ScimServer {
    process: Child,
    loopback: Loopback,
    /// What `/Users` stands behind, without host and port.
    path: &'static str,
    folder: TempDir,
}

impl ScimServer {
    /// `scim2-server`, empty.
    pub fn strict(manner: Manner) -> Self {
        let folder = tempfile::Builder::new().prefix("scim-").tempdir().unwrap();
        let loopback = Loopback::claim();
        let write = |name: &str, value: &Value| {
            let path = folder.path().join(name);
            std::fs::write(&path, value.to_string()).unwrap();
            path
        };
        let mut schemas = resource("default-schemas.json");
        schemas.as_array_mut().unwrap().push(json!({
            "id": EXTENSION, "name": "Seat", "description": "A seat",
            "attributes": [{"name": "licenceType", "type": "string", "multiValued": false, "description": "The licence",
                "required": false, "caseExact": false, "mutability": "readWrite", "returned": "default",
                "uniqueness": "none"}],
        }));
        let mut types = resource("default-resource-types.json");
        let user = types.as_array_mut().unwrap().iter_mut().find(|it| it["name"] == "User").unwrap();
        let extensions = user["schemaExtensions"].as_array_mut().unwrap();
        extensions.push(json!({"schema": EXTENSION, "required": false}));
        let mut command = Command::new(python::scim("scim2-server"));
        command
            .args(["--hostname", &loopback.address().to_string(), "--port", &PORT.to_string(), "--bearer-token", TOKEN])
            .arg("--schema")
            .arg(write("schemas.json", &schemas))
            .arg("--resource-type")
            .arg(write("types.json", &types));
        if let Some(config) = config(manner) {
            command.arg("--service-provider-config").arg(write("config.json", &config));
        }
        Self::run(command, loopback, "/v2", folder)
    }

    /// `django-scim2-server`, with an empty database.
    pub fn dropping() -> Self {
        let folder = tempfile::Builder::new().prefix("scim-").tempdir().unwrap();
        let loopback = Loopback::claim();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/scim_dropping.py");
        let mut command = Command::new(python::scim("python"));
        // Bytecode would be written beside the sources.
        command.arg("-B").arg(script).args([&loopback.address().to_string(), &PORT.to_string(), TOKEN]);
        command.arg(folder.path().join("database"));
        Self::run(command, loopback, "/scim/v2", folder)
    }

    /// better-auth with its SCIM plugin, empty.
    pub fn product() -> Self {
        let folder = tempfile::Builder::new().prefix("scim-").tempdir().unwrap();
        let loopback = Loopback::claim();
        let mut command = Command::new("node");
        command.arg(product_script()).args([&loopback.address().to_string(), &PORT.to_string(), TOKEN]);
        Self::run(command, loopback, "/api/auth/scim/v2", folder)
    }

    fn run(mut command: Command, loopback: Loopback, path: &'static str, folder: TempDir) -> Self {
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).current_dir(folder.path());
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let mut server = Self { process, loopback, path, folder };
        let deadline = Instant::now() + START_DEADLINE;
        while TcpStream::connect((server.loopback.address(), PORT)).is_err() {
            assert!(server.process.try_wait().unwrap().is_none(), "the server ended: {}", server.log());
            assert!(Instant::now() < deadline, "the server is not ready: {}", server.log());
            std::thread::sleep(POLL);
        }
        server
    }

    /// What `/Users` stands behind.
    pub fn base_url(&self) -> String {
        format!("http://{}:{PORT}{}", self.loopback.address(), self.path)
    }

    /// What the server wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// How many requests with that method it has had, by its own log.
    pub fn requests(&self, method: &str) -> usize {
        self.log().matches(&format!("\"{method} ")).count()
    }

    /// One request past the agent; gives the status and the body.
    #[track_caller]
    pub fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect((self.loopback.address(), PORT)).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        write!(
            stream,
            "{method} {}{target} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/scim+json\r\nContent-Length: {}\r\n\r\n{body}",
            self.path,
            self.loopback.address(),
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status =
            answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"));
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// A user made by hand.
    #[track_caller]
    pub fn make(&self, user: &Value) -> Value {
        let (status, made) = self.ask("POST", "/Users", Some(user));
        assert_eq!(status, 201, "{made}");
        made
    }

    /// An empty group made by hand.
    #[track_caller]
    pub fn make_group(&self, name: &str) {
        let group = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name});
        let (status, made) = self.ask("POST", "/Groups", Some(&group));
        assert_eq!(status, 201, "{made}");
    }

    /// Makes a user a member of a group by hand.
    #[track_caller]
    pub fn let_in(&self, group: &str, user: &Value) {
        let id = self.group(group)["id"].as_str().unwrap().to_owned();
        let patch = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "add", "path": "members", "value": [{"value": user["id"]}]}],
        });
        let (status, answer) = self.ask("PATCH", &format!("/Groups/{id}"), Some(&patch));
        assert!(status == 200 || status == 204, "{status} {answer}");
    }

    /// The group of that name.
    #[track_caller]
    pub fn group(&self, name: &str) -> Value {
        let (status, list) = self.ask("GET", "/Groups", None);
        assert_eq!(status, 200, "{list}");
        let groups = list["Resources"].as_array().cloned().unwrap_or_default();
        groups
            .into_iter()
            .find(|group| group["displayName"] == name)
            .unwrap_or_else(|| panic!("no group {name}: {list}"))
    }

    /// The users, as the server has them; at most a thousand, and no more than it gives in one page.
    #[track_caller]
    pub fn users(&self) -> Vec<Value> {
        let (status, list) = self.ask("GET", "/Users?startIndex=1&count=1000", None);
        assert_eq!(status, 200, "{list}");
        list["Resources"].as_array().cloned().unwrap_or_default()
    }

    /// The user with that name to sign in with.
    #[track_caller]
    pub fn user(&self, name: &str) -> Option<Value> {
        self.users().into_iter().find(|user| user["userName"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(name)))
    }
}

impl Drop for ScimServer {
    fn drop(&mut self) {
        // It may have ended by itself; that is told where it mattered.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The script of the product beside its packages. One that is missing, or installed from another lock, is a failure and never a
/// skip.
fn product_script() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("node");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node");
    for name in ["package.json", "package-lock.json", "scim_product.mjs"] {
        let wanted = std::fs::read(source.join(name)).unwrap();
        assert!(
            std::fs::read(folder.join(name)).is_ok_and(|installed| installed == wanted),
            "{folder} is not made of tests/node: run tests/run once, or mkdir -p {folder} && cp tests/node/* {folder} && \
             npm ci --ignore-scripts --legacy-peer-deps --prefix {folder}",
            folder = folder.display(),
        );
    }
    folder.join("scim_product.mjs")
}

/// A file that the package of the strict server brings.
fn resource(name: &str) -> Value {
    let library: PathBuf = python::scim("python").parent().unwrap().parent().unwrap().join("lib");
    let version = std::fs::read_dir(&library).unwrap().next().unwrap().unwrap().path();
    let path = version.join("site-packages/scim2_server/resources").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// What it announces, and does, where that is not everything.
fn config(manner: Manner) -> Option<Value> {
    let off = json!({"supported": false});
    let of = |patch: bool, filter: Value, pagination: Value| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "patch": {"supported": patch}, "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
            "filter": filter, "changePassword": off, "sort": off, "etag": off, "authenticationSchemes": [],
            "pagination": pagination,
        })
    };
    match manner {
        Manner::Rich => None,
        Manner::Plain => {
            Some(of(true, json!({"supported": true, "maxResults": 100}), json!({"cursor": false, "index": true})))
        }
        Manner::Poor => Some(of(
            false,
            json!({"supported": false, "maxResults": 50}),
            json!({"cursor": true, "index": false, "defaultPaginationMethod": "cursor", "defaultPageSize": 50, "maxPageSize": 50}),
        )),
    }
}
