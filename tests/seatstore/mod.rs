//! One installation of the server for one test: a folder with its configuration, keys, book and mail, and the real binary
//! run in it, on a port of 127.0.0.1 that the operating system picks.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A debug build on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// An orderly end, running requests and a last flush included.
const STOP_DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);
/// What `seatstore serve` prints when it is ready; its only line.
const READY: &str = "seatstore: listening on ";

/// A key as `seatstore key new` gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The access key id.
    pub id: String,
    /// The secret access key.
    pub secret: String,
}

/// The installation. What is on its disk outlives every stop, and ends with the value.
pub struct Server {
    folder: TempDir,
    serving: Option<Serving>,
    key: Key,
    /// Who signed its certificate, where it has one.
    ca_file: Option<PathBuf>,
}

struct Serving {
    process: Child,
    url: String,
}

impl Server {
    /// An installation with a key that may do everything, and nothing running.
    pub fn new() -> Self {
        Self::configured("", "")
    }

    /// The same with further lines below `[api]`, and further sections.
    pub fn configured(api: &str, sections: &str) -> Self {
        Self::installed(tempfile::Builder::new().prefix("seatstore-").tempdir().unwrap(), "", api, sections)
    }

    /// An installation that speaks TLS, with a certificate of an authority of its own.
    pub fn with_tls() -> Self {
        let folder = tempfile::Builder::new().prefix("seatstore-").tempdir().unwrap();
        write_certificate(folder.path());
        let listen = "certificate_file = \"seatstore.pem\"\nkey_file = \"seatstore.key\"";
        let mut server = Self::installed(folder, listen, "", "");
        server.ca_file = Some(server.path("ca.pem"));
        server
    }

    fn installed(folder: TempDir, listen: &str, api: &str, sections: &str) -> Self {
        let toml = format!(
            "[listen]\naddress = \"127.0.0.1:0\"\n{listen}\n\
             [store]\npath = \"book\"\n\
             [api]\nkeys_file = \"keys.toml\"\n{api}\n\
             [mail]\nfrom = \"Seats <seats@corp.test>\"\npublic_url = \"https://seats.corp.test\"\nspool = \"mail\"\n\
             {sections}\n"
        );
        fs::write(folder.path().join("seatstore.toml"), toml).unwrap();
        let nobody = Key { id: String::new(), secret: String::new() };
        let mut server = Self { folder, serving: None, key: nobody, ca_file: None };
        server.key = server.new_key(&[]);
        server
    }

    /// A running server without accounts.
    pub fn start() -> Self {
        let mut server = Self::new();
        server.resume();
        server
    }

    /// Starts it, at another port than before.
    #[track_caller]
    pub fn resume(&mut self) {
        assert!(self.serving.is_none(), "already running");
        let log = fs::File::options().create(true).append(true).open(self.log_path()).unwrap();
        let mut process =
            self.command(&["serve"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let first_line = first_line(process.stdout.take().unwrap());
        // Held from here on: a panic below ends the process.
        let serving = self.serving.insert(Serving { process, url: String::new() });
        let line = first_line.recv_timeout(START_DEADLINE);
        match line.as_deref().ok().and_then(|line| line.trim_end().strip_prefix(READY)) {
            Some(url) => serving.url = url.to_owned(),
            None => panic!("seatstore serve is not ready: {line:?}\n{}", self.log()),
        }
    }

    /// `http://127.0.0.1:PORT`, another one after each start.
    #[track_caller]
    pub fn url(&self) -> &str {
        &self.serving.as_ref().expect("the server runs").url
    }

    /// Where it listens.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        let url = self.url();
        url.split_once("://").map(|(_, address)| address.parse().unwrap()).unwrap_or_else(|| panic!("{url}"))
    }

    /// Its process.
    #[track_caller]
    pub fn process_id(&self) -> u32 {
        self.serving.as_ref().expect("the server runs").process.id()
    }

    /// Ends it in the middle of whatever it does.
    pub fn kill9(&mut self) {
        if let Some(mut serving) = self.serving.take() {
            serving.process.kill().unwrap();
            serving.process.wait().unwrap();
        }
    }

    /// Ends it as systemd would; it must say that all went well.
    #[track_caller]
    pub fn stop(&mut self) {
        let Some(mut serving) = self.serving.take() else { return };
        signal("TERM", serving.process.id());
        let deadline = Instant::now() + STOP_DEADLINE;
        loop {
            if let Some(status) = serving.process.try_wait().unwrap() {
                assert!(status.success(), "seatstore serve ended with {status}\n{}", self.log());
                return;
            }
            if Instant::now() >= deadline {
                serving.process.kill().unwrap();
                serving.process.wait().unwrap();
                panic!("seatstore serve still runs {STOP_DEADLINE:?} after SIGTERM\n{}", self.log());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Ends it in order and starts it again.
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop();
        self.resume();
    }

    /// Has it read keys and certificates again.
    #[track_caller]
    pub fn reload(&self) {
        signal("HUP", self.process_id());
    }

    /// The key that may do everything.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Issues a key. A running server knows it after a [`Server::reload`].
    #[track_caller]
    pub fn new_key(&self, arguments: &[&str]) -> Key {
        let issued = self.run(&[&["key", "new"], arguments].concat());
        let text = |member: &str| issued[member].as_str().unwrap_or_else(|| panic!("no {member:?}")).to_owned();
        Key { id: text("id"), secret: text("secret") }
    }

    /// Makes an account of that kind (`Team`, `EnterpriseLWA`, …) and gives its id. The server need not run.
    #[track_caller]
    pub fn account(&self, name: &str, kind: &str, domains: &[&str]) -> String {
        let mut arguments = vec!["account", "create", name, "--kind", kind];
        for domain in domains {
            arguments.extend(["--domain", domain]);
        }
        self.run(&arguments)["id"].as_str().expect("the id of an account").to_owned()
    }

    /// Somebody of a claimed domain signs up. The server need not run.
    #[track_caller]
    pub fn register(&self, account: &str, email: &str) {
        self.run(&["user", "--account", account, "register", email]);
    }

    /// Runs a command that must succeed; gives the JSON that it printed.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).arg("--json").output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        // What a key command printed is a secret, and stays out of the logs even of a test.
        assert!(output.status.success(), "seatstore {arguments:?} ended with {}\n{stderr}", output.status);
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("seatstore {arguments:?}: {error}\n{stderr}"))
    }

    /// A command of this installation.
    pub fn command(&self, arguments: &[&str]) -> Command {
        // The binary of this build, unless a benchmark names another one.
        let binary = std::env::var_os("BENCH_SEATSTORE").unwrap_or_else(|| env!("CARGO_BIN_EXE_seatstore").into());
        let mut command = Command::new(binary);
        command.env("SEATSTORE_CONFIG", self.path("seatstore.toml")).args(arguments);
        for variable in ["SEATSTORE_ACCOUNT", "SEATSTORE_CA_FILE", "SEATSTORE_ENDPOINT"] {
            command.env_remove(variable);
        }
        // The configuration says port 0.
        if let Some(Serving { process: _, url }) = &self.serving {
            command.env("SEATSTORE_ENDPOINT", url);
        }
        command
    }

    /// What the scripts in `tests/python` need to know, as JSON.
    #[track_caller]
    pub fn setup(&self) -> Value {
        let Key { id, secret } = &self.key;
        json!({
            "url": self.url(), "key": {"id": id, "secret": secret}, "spool": self.spool(), "ca": self.ca_file,
        })
    }

    /// The `[accounts]` section of an agent that keeps that account there, at the server itself or at a proxy before it.
    pub fn accounts_section(&self, url: &str, account: &str) -> String {
        let secret_file = self.path("agent-secret");
        write_secret(&secret_file, &self.key.secret);
        let mut section = format!(
            "[accounts]\nkind = \"chime\"\nendpoint = \"{url}\"\naccount = \"{account}\"\n\
             access_key_id = \"{}\"\nsecret_access_key_file = {secret_file:?}\n",
            self.key.id,
        );
        if let Some(ca_file) = &self.ca_file {
            section.push_str(&format!("ca_file = {ca_file:?}\n"));
        }
        section
    }

    /// Makes a token with which an agent may keep that account over SCIM. A running server knows it after a
    /// [`Server::reload`].
    #[track_caller]
    pub fn write_scim_token(&self, account: &str) {
        let issued = self.run(&["key", "new", "--scim", "--account", account]);
        write_secret(&self.path("agent-token"), issued["token"].as_str().expect("a token"));
    }

    /// As [`Server::accounts_section`], over SCIM with the token that was written last.
    pub fn scim_section(&self, url: &str, account: &str) -> String {
        format!(
            "[accounts]\nkind = \"scim\"\naccount = \"corp\"\nbase_url = \"{url}/scim/v2/{account}\"\n\
             bearer_token_file = {:?}\ntier_in = \"entitlements[licence]\"\n\
             tier_values = {{ pro = \"Pro\", plus = \"Plus\" }}\n",
            self.path("agent-token")
        )
    }

    /// A file in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder that letters are written to.
    pub fn spool(&self) -> PathBuf {
        self.path("mail")
    }

    /// What it told the operator so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.path("serve.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(serving) = &mut self.serving {
            let _ = serving.process.kill();
            let _ = serving.process.wait();
        }
        if std::thread::panicking() {
            eprintln!("---- what seatstore serve told\n{}", self.log());
        }
    }
}

/// The first line, as soon as it is there; the rest is read and left, so that nobody waits for a reader.
fn first_line(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        if stdout.read_line(&mut line).is_ok() {
            // The test may have given up.
            let _ = tell.send(line);
        }
        let _ = std::io::copy(&mut stdout, &mut std::io::sink());
    });
    told
}

/// A certificate for 127.0.0.1, and the authority that signed it.
fn write_certificate(folder: &Path) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "Test Authority");
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    // OpenSSL, and with it Python, asks for the link between the two.
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &issuer).unwrap();
    fs::write(folder.join("ca.pem"), authority_certificate.pem()).unwrap();
    fs::write(folder.join("seatstore.pem"), certificate.pem()).unwrap();
    write_secret(&folder.join("seatstore.key"), &key.serialize_pem());
}

fn write_secret(path: &Path, secret: &str) {
    fs::write(path, secret).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[track_caller]
fn signal(name: &str, process: u32) {
    let status = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status().unwrap();
    assert!(status.success(), "kill -{name} {process}");
}

/// The letters in a spool, the oldest first.
pub fn letters(spool: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(spool) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}
