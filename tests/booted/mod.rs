//! A machine with a real systemd for one test, and the package built from the binaries under test.
//!
//! The machine is a container, booted from a fresh root that all share (`tests/lab/booted`); what a test writes in it is in
//! memory, and ends with the value. It shares the network of the host: servers of the test are on 127.x.y.z for it as well.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/booted");
/// A second when the machine is idle; much more when the root has to be made first.
const BOOT_DEADLINE: Duration = Duration::from_secs(170);
/// What a service does within a second, on a busy machine and as a debug build.
pub const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// What the package is made from, besides the binaries.
const INPUTS: &[&str] =
    &["packaging/deb", "debian", "systemd", "man", "config", "README.md", "CHANGELOG.md", "Cargo.toml"];
/// Where the host's folder of packages is in the machine.
const PACKAGES: &str = "/packages";

/// How a command in the machine ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit status.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it told the operator.
    pub stderr: String,
}

/// A booted machine; it ends with the value, or with the test process.
pub struct Machine {
    folder: TempDir,
    supervisor: Child,
    /// Its systemd, as the host sees it.
    init: String,
}

impl Machine {
    /// A machine on which nothing is installed.
    pub fn boot() -> Self {
        let folder = tempfile::Builder::new().prefix("seatsync-booted-").tempdir().unwrap();
        let packages = format!("--bind-ro={}:{PACKAGES}", packages().display());
        let said = File::create(folder.path().join("said")).unwrap();
        // The signal comes when this thread ends, however it does.
        let supervisor = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", LAB, "serve", folder.path().to_str().unwrap(), &packages])
            .env("BOOTED_CACHE", cache())
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .expect("setpriv (package util-linux)");
        let mut machine = Self { folder, supervisor, init: String::new() };
        machine.init = wait_for("the machine's systemd", BOOT_DEADLINE, || {
            let said = || fs::read_to_string(machine.folder.path().join("said")).unwrap();
            assert!(machine.supervisor.try_wait().unwrap().is_none(), "no machine: {}", said());
            let init = fs::read_to_string(machine.folder.path().join("init")).ok()?;
            Some(init.trim().to_owned())
        });
        wait_for("the end of the boot", BOOT_DEADLINE, || {
            let state = machine.run(&["systemctl", "is-system-running"]).stdout;
            assert_ne!(state.trim(), "degraded", "{}", machine.run(&["systemctl", "--failed"]).stdout);
            (state.trim() == "running").then_some(())
        });
        machine
    }

    /// A machine with the package of the binaries under test.
    pub fn with_package() -> Self {
        let machine = Self::boot();
        machine.install(&package(None));
        machine
    }

    /// Installs a package as an operator would, from its file. Nothing is downloaded: all it depends on is there.
    pub fn install(&self, package: &Path) {
        let path = format!("{PACKAGES}/{}", package.file_name().unwrap().to_str().unwrap());
        self.apt(&["install", "--no-install-recommends", &path]);
    }

    /// `apt-get`, which asks nothing. It knows of no packages, and so takes nothing from the network.
    pub fn apt(&self, arguments: &[&str]) -> String {
        let apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y"];
        self.must(&[&apt[..], arguments].concat())
    }

    /// Runs a command as root.
    pub fn run(&self, command: &[&str]) -> Ran {
        let output = Command::new("nsenter")
            .args([
                "-t",
                &self.init,
                "-a",
                "env",
                "-i",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "LC_ALL=C.UTF-8",
                "SYSTEMD_PAGER=",
            ])
            .args(command)
            .stdin(Stdio::null())
            .output()
            .expect("nsenter (package util-linux)");
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command that must succeed; what it printed.
    #[track_caller]
    pub fn must(&self, command: &[&str]) -> String {
        let ran = self.run(command);
        assert_eq!(ran.code, 0, "{command:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// The same for a line of shell.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        self.must(&["sh", "-ec", script])
    }

    /// Writes a file, with its folder.
    pub fn write(&self, path: &str, mode: u32, text: &str) {
        let script = format!(
            "mkdir -p \"$(dirname {path})\"; umask 077; cat >{path}.new; chmod {mode:o} {path}.new; mv {path}.new {path}"
        );
        let mut shell = Command::new("nsenter")
            .args(["-t", &self.init, "-a", "sh", "-ec", &script])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(shell.wait().unwrap().success(), "{path} could not be written");
    }

    /// Replaces a text of a file that must be there.
    #[track_caller]
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.must(&["cat", path]);
        assert!(text.contains(from), "{from:?} is not in {path}");
        let mode = u32::from_str_radix(self.must(&["stat", "-c", "%a", path]).trim(), 8).unwrap();
        self.write(path, mode, &text.replacen(from, to, 1));
    }

    /// Lines for a unit in place of its own, as `systemctl edit` does it.
    pub fn drop_in(&self, unit: &str, lines: &str) {
        self.write(&format!("/etc/systemd/system/{unit}.d/test.conf"), 0o644, &format!("[Service]\n{lines}\n"));
        self.must(&["systemctl", "daemon-reload"]);
    }

    /// One property of a unit.
    #[track_caller]
    pub fn show(&self, unit: &str, property: &str) -> String {
        self.must(&["systemctl", "show", unit, "--value", "-p", property]).trim().to_owned()
    }

    /// Waits until a property of a unit is as wanted; gives it.
    #[track_caller]
    pub fn wait(&self, unit: &str, property: &str, wanted: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let value = self.show(unit, property);
            if wanted(&value) {
                return value;
            }
            assert!(started.elapsed() < DEADLINE, "{property} of {unit} is still {value:?}\n{}", self.journal(unit));
            std::thread::sleep(POLL);
        }
    }

    /// Waits until a unit is in that state.
    #[track_caller]
    pub fn wait_active(&self, unit: &str, state: &str) {
        self.wait(unit, "ActiveState", |value| value == state);
    }

    /// Waits for a text in the journal of a unit.
    #[track_caller]
    pub fn wait_journal(&self, unit: &str, text: &str) {
        let started = Instant::now();
        while !self.journal(unit).contains(text) {
            assert!(started.elapsed() < DEADLINE, "{text:?} does not come\n{}", self.journal(unit));
            std::thread::sleep(POLL);
        }
    }

    /// What a unit and systemd said about it.
    pub fn journal(&self, unit: &str) -> String {
        self.run(&["journalctl", "--quiet", "--no-pager", "-o", "cat", "-u", unit]).stdout
    }

    /// Whether anything is at the path.
    pub fn exists(&self, path: &str) -> bool {
        self.run(&["test", "-e", path]).code == 0
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // SIGTERM, and not SIGKILL: the supervisor clears up behind itself.
        // By the shell's own `kill`, since there may be no other.
        _ = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.supervisor.id())]).status();
        _ = self.supervisor.wait();
    }
}

/// Tries until there is something.
#[track_caller]
pub fn wait_for<T>(what: &str, deadline: Duration, mut attempt: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(started.elapsed() < deadline, "{what}: not after {deadline:?}");
        std::thread::sleep(POLL);
    }
}

/// The package of the binaries under test, with the version of the program or another one. Made once for all tests.
pub fn package(version: Option<&str>) -> PathBuf {
    let version = version.unwrap_or(env!("CARGO_PKG_VERSION"));
    let folder = packages();
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let made =
        || fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).find(|path| is_package(path, version));
    let binary = Path::new(env!("CARGO_BIN_EXE_seatsync"));
    let inputs = INPUTS.iter().map(|input| Path::new(ROOT).join(input));
    let newest =
        inputs.chain([binary.into(), env!("CARGO_BIN_EXE_seatstore").into()]).map(|input| changed(&input)).max();
    if let Some(package) = made().filter(|package| Some(changed(package)) > newest) {
        return package;
    }
    let output = Command::new(Path::new(ROOT).join("packaging/deb"))
        .args(["--profile", "dev", "--version", version, "--binaries"])
        .arg(binary.parent().unwrap())
        .arg("--out")
        .arg(&folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "packaging/deb: {}", String::from_utf8_lossy(&output.stderr));
    made().expect("packaging/deb wrote a package")
}

fn is_package(path: &Path, version: &str) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.starts_with(&format!("seatsync_{version}_")) && name.ends_with(".deb")
}

/// When a file, or the newest one below a folder, was last changed.
fn changed(path: &Path) -> SystemTime {
    let own = fs::metadata(path).unwrap().modified().unwrap();
    if !path.is_dir() {
        return own;
    }
    fs::read_dir(path).unwrap().map(|entry| changed(&entry.unwrap().path())).chain([own]).max().unwrap()
}

/// The folder of roots and packages, below the target folder.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("booted")
}

fn packages() -> PathBuf {
    let folder = cache().join("packages");
    fs::create_dir_all(&folder).unwrap();
    folder
}
