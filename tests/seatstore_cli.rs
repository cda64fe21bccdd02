//! `seatstore` as an administrator meets it, on the files of a stopped server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "dns/mod.rs"]
mod dns;

use insta::assert_snapshot;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

struct Office {
    folder: TempDir,
}

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Office {
    /// A fresh machine with the configuration of the package, whose files stay in a folder of their own.
    fn new() -> Self {
        let office = Self { folder: tempfile::tempdir().unwrap() };
        let toml = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/seatstore.toml")).unwrap();
        fs::write(office.path("seatstore.toml"), toml.replace("../target/", "")).unwrap();
        office
    }

    fn with_account() -> Self {
        let office = Self::new();
        office.ends(0, &["account", "create", "Corp Inc.", "--id", "corp"]);
        office
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self, from: &str, to: &str) {
        let file = self.path("seatstore.toml");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from:?} is not in the configuration");
        fs::write(file, text.replacen(from, to, 1)).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_seatstore"))
            .args(arguments)
            .env("SEATSTORE_CONFIG", self.path("seatstore.toml"))
            .env("USER", "operator")
            .env_remove("SUDO_USER")
            .env_remove("SEATSTORE_ACCOUNT")
            .env_remove("SEATSTORE_ENDPOINT")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let here = self.folder.path().to_str().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(here, "[folder]");
        Ran { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Runs a command that must end with this status; gives what it printed.
    #[track_caller]
    fn ends(&self, code: i32, arguments: &[&str]) -> String {
        let Ran { code: ended, stdout, stderr } = self.run(arguments);
        assert_eq!(ended, code, "{arguments:?}\n{stdout}\n{stderr}");
        stdout
    }

    /// Runs a command that must end with this status and say nothing on stdout; gives its complaint.
    #[track_caller]
    fn complains(&self, code: i32, arguments: &[&str]) -> String {
        let Ran { code: ended, stdout, stderr } = self.run(arguments);
        assert_eq!((ended, stdout.as_str()), (code, ""), "{arguments:?}\n{stderr}");
        stderr
    }

    #[track_caller]
    fn json(&self, code: i32, arguments: &[&str]) -> Value {
        let document: Value = serde_json::from_str(&self.ends(code, &[arguments, &["--json"]].concat())).unwrap();
        assert_eq!(document["format"], 1);
        document
    }

    fn files(&self) -> Vec<PathBuf> {
        let (mut files, mut folders) = (Vec::new(), vec![self.folder.path().to_path_buf()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        files
    }
}

/// Times and ids differ from run to run.
fn settled(text: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let words = line.split_inclusive(' ').map(|word| {
            let bare = word.trim();
            let is_time = bare.len() == 20 && bare.ends_with('Z') && bare.starts_with("20");
            let is_id = bare.len() == 36 && bare.matches('-').count() == 4;
            match (is_time, is_id) {
                (true, _) => word.replace(bare, "[time]"),
                (_, true) => word.replace(bare, "[id]"),
                (false, false) => word.to_owned(),
            }
        });
        out.extend(words);
    }
    out
}

#[test]
fn who_only_looks_creates_nothing() {
    let office = Office::new();
    office.configure("127.0.0.1:8790", "127.0.0.1:0");
    let before = office.files();
    for arguments in [
        &["account", "list"][..],
        &["audit"],
        &["sign-in", "a@corp.example"],
        &["key", "list"],
        &["check"],
        &["account", "list", "--json"],
    ] {
        office.ends(0, arguments);
    }
    let complaint = office.complains(1, &["user", "list"]);
    assert!(complaint.contains("make one with `seatstore account create`"), "{complaint}");
    assert_eq!(office.files(), before);
}

#[test]
fn invited_people_cost_nothing_until_they_accept() {
    let office = Office::with_account();
    office.ends(0, &["user", "invite", "ada@corp.example", "bob@corp.example", "eve@corp.example"]);
    office.ends(0, &["user", "accept", "ada@corp.example"]);
    office.ends(0, &["user", "assign", "Pro", "ada@corp.example"]);
    assert_snapshot!(settled(&office.ends(0, &["account", "show"])), @r#"
account          corp
name             Corp Inc.
kind             Team
default licence  Plus
users            3
invited          2
billable         1
no licence       0
created          [time]
deleted          -

licence  active  suspended
Basic    0       0
Plus     0       0
Pro      1       0
"#);
    assert_snapshot!(settled(&office.ends(0, &["user", "list"])), @r#"
email             status   licence  id                                    name
ada@corp.example  active   Pro      [id]  -
bob@corp.example  invited  -        [id]  -
eve@corp.example  invited  -        [id]  -
3 users
"#);
    let account = office.json(0, &["account", "show", "corp"]);
    assert_eq!((&account["invited"], &account["billable"]), (&json!(2), &json!(1)));
    assert_eq!(account["licences"][2], json!({"licence":"Pro","active":1,"suspended":0}));

    let link = office.ends(0, &["user", "link", "bob@corp.example"]);
    assert!(link.starts_with("http://127.0.0.1:8790/invitations/corp/"), "{link}");
    assert_eq!(office.json(0, &["user", "link", "bob@corp.example"])["url"], link.trim_end());
    assert_snapshot!(office.ends(0, &["sign-in", "Ada@corp.example"]), @r#"Ada@corp.example: yes, with Pro, in account corp"#);
    assert_snapshot!(office.ends(0, &["sign-in", "bob@corp.example"]), @r#"bob@corp.example: no: the person was invited and has not accepted yet"#);
    assert_eq!(office.json(0, &["sign-in", "bob@corp.example"])["reason"], "invited");
}

#[test]
fn what_is_refused_to_one_is_named_and_done_for_the_others() {
    let office = Office::with_account();
    office.ends(0, &["user", "invite", "ada@corp.example"]);
    office.ends(0, &["user", "accept", "ada@corp.example"]);
    let text = office.ends(5, &["user", "remove", "ada@corp.example", "nobody@corp.example"]);
    assert_snapshot!(settled(&text), @r#"
email             status   licence  id                                    name
ada@corp.example  removed  -        [id]  -
refused: nobody@corp.example: there is no user nobody@corp.example in account corp (NotFound)
1 done, 1 refused
"#);
    let document = office.json(1, &["user", "remove", "ada@corp.example"]);
    assert_eq!(document["failed"][0]["code"], "NotFound");
    assert_eq!(document["failed"][0]["who"], "ada@corp.example");
    let complaint = office.complains(1, &["account", "support", "corp", &"x".repeat(100)]);
    assert!(complaint.starts_with("seatstore: licence ") && complaint.contains("(BadRequest)"), "{complaint}");
}

#[test]
fn more_people_than_one_command_takes_are_several_commands() {
    let office = Office::with_account();
    let emails: Vec<String> = (0..120).map(|number| format!("p{number:03}@corp.example")).collect();
    let arguments: Vec<&str> = ["user", "invite"].into_iter().chain(emails.iter().map(String::as_str)).collect();
    assert!(office.ends(0, &arguments).ends_with("120 done\n"));
    assert_eq!(office.json(0, &["user", "list", "--status", "invited"])["users"].as_array().unwrap().len(), 120);
    let log = office.json(0, &["audit", "--user", "p119@corp.example"]);
    assert_eq!(log["entries"].as_array().unwrap().len(), 1);
    assert_eq!(log["entries"][0]["operation"], "InviteUsers");
    assert!(log["entries"][0]["by"].as_str().unwrap().starts_with("local:operator (uid "));
    assert_eq!(office.json(0, &["audit", "--max", "2"])["entries"].as_array().unwrap().len(), 2);
}

#[test]
fn a_domain_makes_an_enterprise_account_once_its_dns_shows_the_record() {
    let office = Office::with_account();
    let server = dns::DnsServer::start();
    office.configure("# resolvers = [\"127.0.0.1:53\"]", &format!("resolvers = [\"{}\"]", server.address()));
    let domain = office.json(0, &["domain", "claim", "corp.example"]);
    let record = domain["record"].as_str().unwrap();
    assert!(record.starts_with("seatstore-verification="), "{record}");
    assert!(office.ends(0, &["domain", "claim", "corp.example"]).contains(record), "the token stays");
    let complaint = office.complains(1, &["domain", "verify", "corp.example"]);
    assert!(complaint.contains("does not show the TXT record"), "{complaint}");
    server.set_txt("corp.example", vec!["v=spf1 -all".to_owned(), record.to_owned()]);
    assert_eq!(office.ends(0, &["domain", "verify", "corp.example"]), "corp.example is verified\n");
    assert_eq!(office.json(0, &["account", "show"])["kind"], "EnterpriseLWA");

    office.ends(0, &["user", "register", "ada@corp.example"]);
    office.ends(0, &["user", "suspend", "ada@corp.example"]);
    assert_snapshot!(office.ends(0, &["sign-in", "ada@corp.example"]), @r#"ada@corp.example: no: the user is suspended; an administrator can activate the user again"#);
    office.ends(0, &["user", "activate", "ada@corp.example"]);
    office.ends(0, &["account", "connect-directory", "corp"]);
    office.ends(0, &["user", "create", "bob@corp.example", "--licence", "Pro"]);
    office.ends(0, &["domain", "release", "corp.example"]);
    let users = office.json(0, &["user", "list", "--status", "released"])["users"].clone();
    assert_eq!(users.as_array().unwrap().len(), 2);
    office.ends(0, &["account", "delete", "corp"]);
    assert!(office.complains(1, &["user", "list", "-a", "corp"]).contains("there is no account corp"));
    office.ends(0, &["account", "restore", "corp"]);
}

#[test]
fn who_has_the_files_can_vouch_for_a_domain() {
    let office = Office::new();
    let create = ["account", "create", "Corp", "--id", "corp", "--kind", "EnterpriseDirectory"];
    let complaint = office.complains(1, &create);
    assert!(complaint.contains("has no verified domain"), "{complaint}");
    assert_eq!(office.json(0, &["account", "list"])["accounts"], json!([]), "nothing is half made");
    let account = office.json(0, &[&create[..], &["--domain", "Corp.example", "--domain", "b.example"]].concat());
    assert_eq!((&account["id"], &account["kind"]), (&json!("corp"), &json!("EnterpriseDirectory")));
    assert_eq!(account["domains"][1]["domain"], "corp.example");
    assert_eq!(account["domains"][1]["state"], "verified");
    office.ends(0, &["user", "create", "ada@corp.example", "--licence", "Pro"]);
    let other = ["account", "create", "Other", "--kind", "EnterpriseLWA", "--domain", "corp.example"];
    assert!(office.complains(1, &other).contains("claimed by another account already"));
    office.complains(1, &["account", "create", "Team", "--kind", "Team", "--domain", "c.example"]);
    assert!(office.complains(2, &["account", "create", "Team", "--kind", "Guild"]).contains("one of: Team, "));
    office.ends(0, &["account", "create", "Team", "--kind", "team"]);
    assert_eq!(office.json(0, &["audit", "--max", "1"])["entries"][0]["operation"], "CreateAccount");
}

#[test]
fn of_several_accounts_one_has_to_be_named() {
    let office = Office::with_account();
    office.ends(0, &["account", "create", "Other", "--id", "other"]);
    assert_snapshot!(office.complains(2, &["user", "list"]), @r#"seatstore: name the account: there are corp, other"#);
    office.ends(0, &["user", "list", "--account", "other"]);
    office.ends(0, &["user", "-a", "other", "invite", "ada@corp.example"]);
    assert_eq!(office.json(0, &["account", "list"])["accounts"].as_array().unwrap().len(), 2);
    assert!(office.complains(1, &["account", "create", "Again", "--id", "corp"]).contains("(Conflict)"));
    for wrong in [&["account"][..], &["user", "invite"], &["user", "invite", "nobody"], &["account", "show", " "]] {
        office.complains(2, wrong);
    }
}

#[test]
fn a_key_goes_into_a_folder_once_and_is_not_shown() {
    let office = Office::with_account();
    let folder = office.path("agent");
    let out = folder.to_str().unwrap();
    let shown = office.ends(0, &["key", "new", "--out", out]);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap().trim_end().to_owned();
    let (id, secret) = (read("access-key-id"), read("secret-access-key"));
    assert!(shown.contains(&id) && !shown.contains(&secret), "{shown}");
    assert!(secret.len() >= 40);
    for name in ["access-key-id", "secret-access-key"] {
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(folder.join(name)).unwrap());
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let before = office.json(0, &["key", "list"]);
    office.ends(1, &["key", "new", "--out", out]);
    assert_eq!((read("secret-access-key"), office.json(0, &["key", "list"])), (secret, before), "nothing was issued");
}

#[test]
fn no_name_rewrites_what_the_terminal_shows() {
    let office = Office::with_account();
    office.ends(0, &["user", "device", "Room \u{202e}7", "room@corp.example"]);
    office.ends(1, &["user", "device", "Room \u{1b}[2J", "other@corp.example"]);
    office.ends(0, &["account", "rename", "corp", "Corp\u{2066}"]);
    for arguments in [
        &["user", "list"][..],
        &["user", "show", "room@corp.example"],
        &["account", "show"],
        &["account", "list"],
        &["audit"],
    ] {
        let text = office.ends(0, arguments);
        assert!(!text.contains(['\u{202e}', '\u{1b}', '\u{2066}']), "{text:?}");
    }
    assert_eq!(office.json(0, &["account", "show"])["name"], "Corp\u{2066}");
}

#[test]
fn keys_are_issued_listed_and_revoked() {
    let office = Office::with_account();
    let key = office.json(0, &["key", "new", "--note", "the agent", "--account", "corp"]);
    let (id, secret) = (key["id"].as_str().unwrap(), key["secret"].as_str().unwrap());
    let list = office.ends(0, &["key", "list"]);
    assert!(list.contains(id) && list.contains("the agent") && !list.contains(secret), "{list}");
    let listed = office.json(0, &["key", "list"]);
    assert_eq!(listed["keys"][0]["accounts"], json!(["corp"]));
    assert_eq!(listed["keys"][0]["access"], "change");
    assert!(!listed.to_string().contains(secret));
    office.ends(0, &["key", "revoke", id]);
    assert!(office.complains(1, &["key", "revoke", id]).contains(id));
    assert_eq!(office.json(0, &["key", "list"])["keys"], json!([]));
}

#[test]
fn a_key_for_an_account_that_is_not_there_is_refused() {
    let office = Office::with_account();
    office.ends(0, &["account", "create", "Old", "--id", "old"]);
    office.ends(0, &["account", "delete", "old"]);
    let out = office.path("client");
    let into = ["--out", out.to_str().unwrap()];
    let before = office.files();
    for (arguments, words) in [
        (
            &["--scim", "--account", "nosuch"][..],
            "account nosuch does not exist: `seatstore account list` shows those that do; no key was issued",
        ),
        (&["--account", "corp", "--account", "nosuch"], "account nosuch does not exist"),
        (&["--account", "nosuch", "--read-only"], "account nosuch does not exist"),
        (&["--scim", "--account", "old"], "account old was deleted: `seatstore account restore old` takes that back"),
    ] {
        let complaint = office.complains(1, &[&["key", "new"], arguments, &into].concat());
        assert!(complaint.contains(words), "{complaint}");
    }
    assert_eq!(office.files(), before, "nothing was made");
    office.ends(0, &["key", "new", "--scim", "--account", "corp"]);
    // Before there is any store.
    let complaint = Office::new().complains(1, &["key", "new", "--account", "corp"]);
    assert!(complaint.contains("account corp does not exist"), "{complaint}");
}

#[test]
fn check_tells_what_is_there() {
    let office = Office::with_account();
    office.ends(0, &["key", "new"]);
    office.configure("127.0.0.1:8790", "127.0.0.1:0");
    assert_snapshot!(office.ends(0, &["check"]), @r#"
ok    configuration [folder]/seatstore.toml is valid
ok    address       127.0.0.1:0 is free
ok    account store [folder]/seatstore/book: accounts: 1, users: 0; no server is running
ok    keys          [folder]/seatstore/keys.toml: keys: 1
ok    certificate   none: plain HTTP
all is well
"#);
    let document = office.json(0, &["check"]);
    assert_eq!((&document["answer"], &document["problems"]), (&json!("check"), &json!(0)));
    assert_eq!(document["results"][3]["what"], "keys");

    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    office.configure("127.0.0.1:0", &other.local_addr().unwrap().to_string());
    let told = office.ends(1, &["check"]);
    assert!(told.contains("FAIL  address       another program listens on 127.0.0.1:"), "{told}");
    assert_eq!(office.json(1, &["check"])["results"][1]["ok"], false);
    office.configure("[api]", "[api]\nratte = 1");
    assert!(office.complains(78, &["check"]).contains("ratte"));
}

#[test]
fn a_starter_configuration_is_written_once() {
    let office = Office::new();
    let file = office.path("new.toml");
    let file = file.to_str().unwrap();
    office.ends(0, &["init", file]);
    let written = fs::read_to_string(Path::new(file)).unwrap();
    assert!(written.contains("path = \"/var/lib/seatstore/book\"") && !written.contains("target"), "{written}");
    assert!(office.complains(1, &["init", file]).contains("could not be written"));
}

#[test]
fn a_server_that_is_not_there_is_said_so() {
    let office = Office::with_account();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let complaint = office.complains(1, &["account", "list", "--endpoint", &endpoint]);
    assert!(complaint.contains("seatstore key new"), "{complaint}");
    office.ends(0, &["key", "new"]);
    let complaint = office.complains(1, &["account", "list", "--endpoint", &endpoint]);
    assert!(complaint.contains(&format!("no connection to {endpoint}/seatstore/v1/command")), "{complaint}");
}
