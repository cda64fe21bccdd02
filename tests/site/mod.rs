//! One installation of the agent for one test: a folder with its configuration, state and account store, and the real
//! binary run in it.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The `[directory]` section.
#[derive(Clone, Debug)]
pub struct Directory {
    /// In order.
    pub urls: Vec<String>,
    /// The base.
    pub base_dn: String,
    /// Who reads.
    pub bind_dn: String,
    /// Written to a file of its own.
    pub password: String,
    /// The authority's certificate, where one is needed.
    pub ca_file: Option<PathBuf>,
    /// Further lines of TOML.
    pub more: String,
}

/// The installation. Change any field between two commands: the configuration is written anew for each.
pub struct Site {
    folder: TempDir,
    /// `[directory]`.
    pub directory: Directory,
    /// `[[tier]]`, the highest first.
    pub tiers: Vec<(String, Vec<String>)>,
    /// Lines below `[rules]`.
    pub rules: String,
    /// Lines below `[limits]`.
    pub limits: String,
    /// `account_type`.
    pub account_type: &'static str,
    /// The account store; in the installation's own folder unless set.
    pub accounts_path: PathBuf,
    /// `[accounts]` as a whole, for a store of another kind.
    pub accounts_section: Option<String>,
    /// Further keys of `[status]`, and sections that have none otherwise.
    pub more: String,
}

/// How a command ended.
#[derive(Debug)]
pub struct Run {
    /// The exit status.
    pub code: i32,
    /// What it printed, where that was JSON; else null.
    pub json: Value,
    /// What it printed.
    pub stdout: String,
    /// What it told the operator.
    pub stderr: String,
}

/// One account of the account store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The store's key.
    pub id: String,
    /// The tier it holds, or would hold again; empty where the store knows none.
    pub tier: String,
    /// `active`, `suspended` or `invited`.
    pub status: String,
}

/// One line of `changes`, as far as tests look at it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// `create`, `suspend` and so on.
    pub action: String,
    /// Of whom.
    pub email: String,
    /// `planned`, `held`, `done` or `failed`.
    pub status: String,
}

impl Site {
    /// An installation that maps those groups to `pro` and `plus` for the domain `ad.test`.
    pub fn new(directory: Directory, pro: &[&str], plus: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("seatsync-site-").tempdir().unwrap();
        let owned = |groups: &[&str]| groups.iter().map(|group| (*group).to_owned()).collect();
        let accounts_path = folder.path().join("accounts");
        Self {
            folder,
            directory,
            tiers: vec![("pro".to_owned(), owned(pro)), ("plus".to_owned(), owned(plus))]
                .into_iter()
                .filter(|(_, groups): &(String, Vec<String>)| !groups.is_empty())
                .collect(),
            rules: "domains = ['ad.test']\n".to_owned(),
            limits: String::new(),
            account_type: "EnterpriseDirectory",
            accounts_path,
            accounts_section: None,
            more: String::new(),
        }
    }

    /// Runs a pass.
    pub fn sync(&self) -> Run {
        self.run(&["sync", "--json"])
    }

    /// Runs a pass that must do all it finds, and another that must find nothing to do; gives the first.
    #[track_caller]
    pub fn sync_and_settle(&self) -> Run {
        let run = self.sync();
        assert_eq!(run.code, 0, "{run:#?}");
        self.assert_settled();
        run
    }

    /// Runs a pass that must hold something back; gives it. What it holds is left as it is by the next one too.
    #[track_caller]
    pub fn sync_held(&self) -> Run {
        let run = self.sync();
        assert_eq!(run.code, 4, "{run:#?}");
        let before = self.accounts();
        let again = self.sync();
        assert_eq!(again.code, 4, "{again:#?}");
        assert_eq!(again.hash(), run.hash(), "the same losses are held under the same hash");
        assert_eq!(self.accounts(), before);
        run
    }

    /// The next pass finds nothing to do and leaves the account store as it is.
    #[track_caller]
    pub fn assert_settled(&self) {
        let before = self.accounts();
        let run = self.sync();
        assert_eq!(run.code, 0, "{run:#?}");
        assert_eq!(run.json["in_sync"], true, "{run:#?}");
        assert_eq!(run.changes(), [], "{run:#?}");
        assert_eq!(self.accounts(), before);
    }

    /// What a pass would do.
    pub fn plan(&self) -> Run {
        self.run(&["plan", "--json"])
    }

    /// Releases what is held under that hash.
    #[track_caller]
    pub fn approve(&self, hash: &str) {
        let run = self.run(&["approve", hash]);
        assert_eq!(run.code, 0, "{run:#?}");
    }

    /// What the agent knows about one person.
    pub fn explain(&self, who: &str) -> Run {
        self.run(&["explain", who, "--json"])
    }

    /// The checks an operator runs after writing the configuration.
    pub fn check(&self) -> Run {
        self.run(&["check"])
    }

    /// The account store, by e-mail address.
    #[track_caller]
    pub fn accounts(&self) -> BTreeMap<String, Account> {
        let run = self.run(&["accounts", "list", "--json"]);
        assert_eq!(run.code, 0, "{run:#?}");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let users = run.json["users"].as_array().unwrap_or_else(|| panic!("no users in {run:#?}"));
        users
            .iter()
            .map(|user| {
                let account =
                    Account { id: text(&user["id"]), tier: text(&user["tier"]), status: text(&user["status"]) };
                (text(&user["email"]), account)
            })
            .collect()
    }

    /// The seat of one address: `pro`, `suspended pro`, `invited`, or `none` where there is no account.
    #[track_caller]
    pub fn seat(&self, email: &str) -> String {
        seat_in(&self.accounts(), email)
    }

    /// The seats of several addresses, in one look.
    #[track_caller]
    pub fn assert_seats(&self, expected: &[(&str, &str)]) {
        let accounts = self.accounts();
        let found: Vec<(&str, String)> =
            expected.iter().map(|(email, _)| (*email, seat_in(&accounts, email))).collect();
        let expected: Vec<(&str, String)> = expected.iter().map(|(email, seat)| (*email, (*seat).to_owned())).collect();
        assert_eq!(found, expected);
    }

    /// The path of a file in the installation's folder.
    pub fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Throws away what the agent remembers; the account store stays.
    pub fn forget_state(&self) {
        std::fs::remove_dir_all(self.folder.path().join("state")).unwrap();
    }

    /// Runs the agent with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Run {
        let config = self.write_config();
        let output = Command::new(env!("CARGO_BIN_EXE_seatsync"))
            .args(arguments)
            .env("SEATSYNC_CONFIG", config)
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let json = if stdout.is_empty() { Value::Null } else { serde_json::from_str(&stdout).unwrap_or_default() };
        let stderr = String::from_utf8(output.stderr).unwrap();
        let code = output.status.code().unwrap_or_else(|| panic!("{arguments:?} ended by a signal: {stderr}"));
        Run { code, json, stdout, stderr }
    }

    /// Writes the configuration as it is now; gives its place.
    pub fn write_config(&self) -> PathBuf {
        let folder = self.folder.path();
        let password = folder.join("password");
        std::fs::write(&password, &self.directory.password).unwrap();
        std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
        let config = folder.join("seatsync.toml");
        std::fs::write(&config, self.config()).unwrap();
        config
    }

    fn config(&self) -> String {
        let Self { folder, directory, tiers, rules, limits, account_type, accounts_path, accounts_section, more: rest } =
            self;
        let Directory { urls, base_dn, bind_dn, password: _, ca_file, more } = directory;
        let path = |path: &Path| quoted(path.to_str().unwrap());
        let mut toml = String::new();
        writeln!(toml, "[directory]\nkind = 'ldap'\nurls = {}", list(urls)).unwrap();
        writeln!(toml, "base_dn = {}\nbind_dn = {}", quoted(base_dn), quoted(bind_dn)).unwrap();
        writeln!(toml, "bind_password_file = 'password'").unwrap();
        if let Some(ca_file) = ca_file {
            writeln!(toml, "ca_file = {}", path(ca_file)).unwrap();
        }
        writeln!(toml, "{more}").unwrap();
        for (name, groups) in tiers {
            writeln!(toml, "[[tier]]\nname = {}\ngroups = {}\n", quoted(name), list(groups)).unwrap();
        }
        writeln!(toml, "[rules]\n{rules}\n[limits]\n{limits}").unwrap();
        match accounts_section {
            Some(section) => writeln!(toml, "{section}").unwrap(),
            None => {
                writeln!(toml, "[accounts]\nkind = 'embedded'\npath = {}", path(accounts_path)).unwrap();
                writeln!(toml, "account = 'test'\naccount_type = {}\n", quoted(account_type)).unwrap();
            }
        }
        writeln!(toml, "[state]\npath = {}\n", path(&folder.path().join("state"))).unwrap();
        // Of its own, or the command would ask whatever daemon runs on this machine.
        writeln!(toml, "[status]\ncontrol = {}", path(&folder.path().join("control.sock"))).unwrap();
        writeln!(toml, "{rest}").unwrap();
        toml
    }
}

impl Run {
    /// The hash of the plan.
    #[track_caller]
    pub fn hash(&self) -> String {
        self.json["hash"].as_str().unwrap_or_else(|| panic!("no hash in {self:#?}")).to_owned()
    }

    /// The changes, sorted.
    pub fn changes(&self) -> Vec<Change> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut changes: Vec<Change> = self.json["changes"]
            .as_array()
            .unwrap_or_else(|| panic!("no changes in {self:#?}"))
            .iter()
            .map(|change| Change {
                action: text(&change["action"]),
                email: text(&change["email"]),
                status: text(&change["status"]),
            })
            .collect();
        changes.sort();
        changes
    }

    /// The changes as `suspend alice@ad.test done`, sorted.
    pub fn changes_in_words(&self) -> Vec<String> {
        self.changes()
            .into_iter()
            .map(|Change { action, email, status }| format!("{action} {email} {status}"))
            .collect()
    }

    /// Whether there is a warning of that kind which names all of these.
    #[track_caller]
    pub fn assert_warns(&self, kind: &str, names: &[&str]) {
        let warnings = self.warnings(kind);
        let named = warnings.iter().any(|text| names.iter().all(|name| text.contains(name)));
        assert!(named, "no warning {kind} names {names:?}: {:#}", self.json["warnings"]);
    }

    /// There is no warning of that kind.
    #[track_caller]
    pub fn assert_no_warning(&self, kind: &str) {
        assert_eq!(self.warnings(kind), Vec::<String>::new());
    }

    /// The warnings of that kind: subject and message.
    pub fn warnings(&self, kind: &str) -> Vec<String> {
        let warnings = self.json["warnings"].as_array().unwrap_or_else(|| panic!("no warnings in {self:#?}"));
        let of_kind = warnings.iter().filter(|warning| warning["kind"] == kind);
        of_kind.map(|warning| format!("{}: {}", warning["subject"], warning["message"])).collect()
    }

    /// Ended with that status, and told the operator all of these, in whatever case.
    #[track_caller]
    pub fn assert_fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:#?}");
        let told = format!("{}{}", self.stdout, self.stderr).to_lowercase();
        for word in words {
            assert!(told.contains(&word.to_lowercase()), "{word:?} is not in {self:#?}");
        }
    }
}

fn seat_in(accounts: &BTreeMap<String, Account>, email: &str) -> String {
    match accounts.get(email) {
        None => "none".to_owned(),
        Some(Account { id: _, tier, status }) if status == "active" => tier.clone(),
        Some(Account { id: _, tier, status }) => format!("{status} {tier}").trim_end().to_owned(),
    }
}

/// A TOML string; JSON escapes are TOML escapes.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn list(texts: &[String]) -> String {
    serde_json::to_string(texts).unwrap()
}
