//! The example company of `config/quickstart.*` in a folder of its own, and the real binary run on it.

#![allow(dead_code, clippy::unwrap_used)] // Shared by several test crates; none uses all of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

pub struct Company {
    folder: TempDir,
}

/// How a command ended.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Company {
    pub fn new() -> Self {
        let company = Self { folder: tempfile::tempdir().unwrap() };
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        fs::copy(from.join("quickstart.ldif"), company.path("quickstart.ldif")).unwrap();
        let toml = fs::read_to_string(from.join("quickstart.toml")).unwrap();
        fs::write(company.path("quickstart.toml"), toml.replace("../target/quickstart/", "")).unwrap();
        company
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes the directory: the text must be there.
    #[track_caller]
    pub fn edit(&self, from: &str, to: &str) {
        self.edit_file("quickstart.ldif", from, to);
    }

    /// Changes the configuration: the text must be there.
    #[track_caller]
    pub fn configure(&self, from: &str, to: &str) {
        self.edit_file("quickstart.toml", from, to);
    }

    #[track_caller]
    fn edit_file(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{from:?} is not in {name}");
        fs::write(self.path(name), text.replacen(from, to, 1)).unwrap();
    }

    /// Takes the directory away, or brings it back.
    pub fn directory_is_there(&self, there: bool) {
        let (ldif, away) = (self.path("quickstart.ldif"), self.path("away.ldif"));
        let (from, to) = if there { (away, ldif) } else { (ldif, away) };
        fs::rename(from, to).unwrap();
    }

    /// Takes everybody out of `Chime Plus`, which is more than is taken without asking; gives the directory as it was.
    pub fn empty_a_group(&self) -> String {
        let whole = fs::read_to_string(self.path("quickstart.ldif")).unwrap();
        let group = whole.find("dn: CN=Chime Plus,").unwrap();
        let end = group + whole[group..].find("\n\n").unwrap();
        let left: Vec<&str> = whole[group..end].lines().filter(|line| !line.starts_with("member:")).collect();
        let emptied = [&whole[..group], &left.join("\n"), &whole[end..]].concat();
        fs::write(self.path("quickstart.ldif"), emptied).unwrap();
        whole
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_seatsync"))
            .args(arguments)
            .env("SEATSYNC_CONFIG", self.path("quickstart.toml"))
            .env("USER", "operator")
            .env_remove("SUDO_USER")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let here = self.folder.path().to_str().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(here, "[folder]");
        Ran { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Runs a command that must end with this status; gives what it printed.
    #[track_caller]
    pub fn ends(&self, code: i32, arguments: &[&str]) -> String {
        let Ran { code: ended, stdout, stderr } = self.run(arguments);
        assert_eq!(ended, code, "{arguments:?}\n{stdout}\n{stderr}");
        stdout
    }

    /// Runs a command with `--json` that must end with this status; gives the document.
    #[track_caller]
    pub fn json(&self, code: i32, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ends(code, &[arguments, &["--json"]].concat())).unwrap()
    }

    /// Every file below a folder with its bytes, to see that nothing was written.
    pub fn everything(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let (mut files, mut folders) = (Vec::new(), vec![self.folder.path().to_path_buf()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push((path.clone(), fs::read(path).unwrap()));
                }
            }
        }
        files.sort();
        files
    }
}
