//! The commands as an operator meets them: what they print, how they end, what they leave alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod company;

use company::Company;
use insta::assert_snapshot;

#[test]
fn the_quickstart_says_in_sync_the_second_time() {
    let company = Company::new();
    let first = company.ends(0, &["sync"]);
    assert!(first.contains("+ create ada@corner.example"), "{first}");
    assert!(first.ends_with("41 people read, 28 to be seated: 28 done; now in sync\n"), "{first}");
    assert_snapshot!(company.ends(0, &["sync"]), @r#"
warning unknown_members: Chime Plus: 1 of its members is nobody that was read (a contact or computer, filtered out, outside base_dn, or deleted) and is not counted
warning no_email: yusuf: CN=Yusuf Demir,OU=People,DC=corner,DC=example is in Chime Plus and gets no plus seat: there is no e-mail address
warning domain_not_claimed: zelda: CN=Zelda Free,OU=People,DC=corner,DC=example is in Chime Plus and gets no plus seat: zelda@freelance.example is outside the claimed domains (corner.example)

41 people read, 28 to be seated: in sync, nothing to do
"#);
}

#[test]
fn the_quickstart_file_works_where_it_is() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/quickstart.toml");
    let company = Company::new();
    assert_snapshot!(company.ends(0, &["check", "--offline", "-c", file]).replace(env!("CARGO_MANIFEST_DIR"), "").lines().next().unwrap(), @r#"ok    configuration /config/quickstart.toml is valid"#);
}

#[test]
fn a_plan_writes_nothing() {
    let company = Company::new();
    let before = company.everything();
    let plan = company.json(3, &["plan"]);
    assert_eq!(plan["counts"]["changes"], 28);
    assert_eq!(plan["in_sync"], false);
    assert_eq!(plan["changes"][0]["status"], "planned");
    company.ends(3, &["sync", "--dry-run"]);
    company.ends(0, &["explain", "mira"]);
    company.ends(0, &["status"]);
    company.ends(0, &["history"]);
    company.ends(0, &["accounts", "list"]);
    assert!(company.everything() == before, "nothing may be created");

    company.ends(0, &["sync"]);
    let before = company.everything();
    company.edit("CN=Ada ", "CN=Ada ");
    company.ends(0, &["plan"]);
    assert!(company.everything() == before, "nothing may be touched");
}

#[test]
fn json_of_a_sync_follows_the_contract() {
    let company = Company::new();
    let sync = company.json(0, &["sync"]);
    assert_eq!(sync["format"], 1);
    assert_eq!(sync["mode"], "full");
    assert_eq!(sync["in_sync"], true);
    assert_eq!(sync["counts"], serde_json::json!({"people":41,"seated":28,"changes":28,"held":0,"failed":0}));
    let mira = sync["changes"].as_array().unwrap().iter().find(|each| each["email"] == "mira@corner.example").unwrap();
    assert_eq!(mira["action"], "create");
    assert_eq!(mira["from"], serde_json::Value::Null);
    assert_eq!(mira["to"], "pro");
    assert_eq!(mira["because"], "in Chime Pro via Engineering > Platform");
    assert_eq!(mira["status"], "done");
    assert_eq!(mira["error"], serde_json::Value::Null);
    assert!(sync["hash"].as_str().unwrap().len() >= 8);
    let kinds: Vec<&str> =
        sync["warnings"].as_array().unwrap().iter().map(|warning| warning["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"no_email") && kinds.contains(&"domain_not_claimed"), "{kinds:?}");
}

/// Everybody leaves Engineering, which is nested in Chime Pro: ten people lose pro.
fn engineering_leaves(company: &Company) {
    company.edit("member: CN=Engineering,OU=Groups,DC=corner,DC=example\n", "");
}

#[test]
fn held_losses_are_approved_by_their_hash_once() {
    let company = Company::new();
    company.ends(0, &["sync"]);
    engineering_leaves(&company);

    let plan = company.json(4, &["plan"]);
    let hash = plan["hash"].as_str().unwrap();
    let held = plan["changes"].as_array().unwrap().iter().filter(|each| each["status"] == "held").count();
    assert_eq!(plan["counts"]["held"], held);
    assert!(held > 5, "{plan:#}");

    // A pass does not apply them, and says the same hash.
    let sync = company.json(4, &["sync"]);
    assert_eq!(sync["hash"], hash);
    assert_eq!(company.json(0, &["status"])["held"]["hash"], hash);
    assert_eq!(company.json(0, &["status"])["state"], "held");
    assert!(
        company.json(0, &["accounts", "list"])["users"]
            .as_array()
            .unwrap()
            .iter()
            .all(|user| user["status"] == "active")
    );

    // Another hash releases nothing.
    let wrong = company.run(&["approve", "0123456789abcdef"]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.stderr.contains(hash), "{}", wrong.stderr);

    company.ends(0, &["approve", hash]);
    let sync = company.json(0, &["sync"]);
    assert_eq!(sync["counts"]["held"], 0);
    assert_eq!(sync["in_sync"], true);
    assert_eq!(company.json(0, &["status"])["state"], "ok");
    let why = company.json(0, &["history"])["actions"].as_array().unwrap().last().unwrap()["because"].clone();
    assert!(why.as_str().unwrap().starts_with("in no mapped group (approved by operator (uid"), "{why}");
    let suspended = company.json(0, &["accounts", "list"])["users"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|user| user["status"] == "suspended")
        .count();
    assert_eq!(suspended, held);

    // The approval is used up: the same loss another day is held again.
    let (without, with) = ("cn: Chime Pro\n", "cn: Chime Pro\nmember: CN=Engineering,OU=Groups,DC=corner,DC=example\n");
    company.edit(without, with);
    company.ends(0, &["sync"]);
    company.edit(with, without);
    company.ends(4, &["sync"]);
    assert_eq!(company.ends(0, &["approve"]).lines().filter(|line| line.contains("released:")).count(), held);
    company.ends(0, &["sync"]);
    assert_eq!(company.ends(0, &["approve"]), "nothing is held\n");
}

#[test]
fn a_plan_in_a_file_is_applied_only_while_the_world_stands_still() {
    let company = Company::new();
    let file = company.path("plan.json");
    let file = file.to_str().unwrap();
    company.ends(3, &["plan", "--out", file]);
    company.edit("mail: ada@corner.example", "mail: ada.b@corner.example");
    let moved = company.run(&["apply", file]);
    assert_eq!(moved.code, 1);
    assert_snapshot!(moved.stderr, @r#"seatsync: the world moved since that plan was made, nothing was changed: make a new plan and look at it"#);
    assert_eq!(company.json(0, &["accounts", "list"])["users"].as_array().unwrap().len(), 0);

    company.ends(3, &["plan", "--out", file]);
    assert_eq!(company.json(0, &["apply", file])["in_sync"], true);
    assert_eq!(company.json(0, &["accounts", "list"])["users"].as_array().unwrap().len(), 28);

    // A file that was edited is refused: it would not do what it says.
    engineering_leaves(&company);
    company.ends(4, &["plan", "--out", file]);
    let plan = std::fs::read_to_string(file).unwrap();
    for (from, to) in [("\"suspend\"", "\"move\""), ("farah@", "goran@"), ("\"format\": 1", "\"format\": 2")] {
        assert!(plan.contains(from), "{plan}");
        std::fs::write(file, plan.replacen(from, to, 1)).unwrap();
        let refused = company.run(&["apply", file]);
        assert_eq!(refused.code, 1, "{from} to {to}: {}", refused.stdout);
        assert!(refused.stderr.contains("is not a plan"), "{}", refused.stderr);
    }
    std::fs::write(file, "{}").unwrap();
    assert_eq!(company.run(&["apply", file]).code, 1);
    // Nor does a plan replace what is none.
    let config = company.path("quickstart.toml");
    assert_eq!(company.run(&["plan", "--out", config.to_str().unwrap()]).code, 1);
    assert_eq!(company.run(&["plan", "--out", "x", "--user", "ada"]).code, 2);
}

#[test]
fn one_user_only() {
    let company = Company::new();
    let sync = company.json(0, &["sync", "--user", "mira"]);
    assert_eq!(sync["counts"]["changes"], 1);
    assert_eq!(sync["in_sync"], false, "the others are still due");
    let users = company.json(0, &["accounts", "list"])["users"].clone();
    assert_eq!(users.as_array().unwrap().len(), 1);
    assert_eq!(users[0]["email"], "mira@corner.example");
    assert_eq!(company.run(&["sync", "--user", "nobody.at.all"]).code, 1);
    // The first pass for everybody is still the first one.
    company.ends(0, &["sync"]);
    company.ends(0, &["sync"]);
}

#[test]
fn explain_tells_the_path_in_text_and_json() {
    let company = Company::new();
    let before = company.json(0, &["explain", "mira"]);
    assert_eq!(before["tier"], "pro");
    assert_eq!(before["paths"][0], serde_json::json!(["mira", "Platform", "Engineering", "Chime Pro"]));
    assert_eq!(before["confirmed"], serde_json::Value::Null);
    assert_eq!(before["next"]["action"], "create");
    company.ends(0, &["sync"]);
    let after = company.json(0, &["explain", "mira@corner.example"]);
    assert_eq!(after["confirmed"], serde_json::json!({"tier":"pro","status":"active"}));
    assert_eq!(after["next"], serde_json::Value::Null);
    assert_eq!(after["enabled"], true);
    assert_snapshot!(company.ends(0, &["explain", "mira"]), @r#"
mira@corner.example
  guid       c0c0a000-0000-4000-8000-000000000114
  dn         CN=Mira Osei,OU=People,DC=corner,DC=example
  directory  enabled
  path       mira > Platform > Engineering > Chime Pro
  should be  pro
  confirmed  active (pro) as mira@corner.example
  next       nothing
  note       should hold pro: in Chime Pro via Engineering > Platform
"#);
    assert_snapshot!(company.ends(0, &["explain", "yusuf"]), @r#"
no usable e-mail
  guid       c0c0a000-0000-4000-8000-000000000126
  dn         CN=Yusuf Demir,OU=People,DC=corner,DC=example
  directory  enabled
  path       yusuf > Chime Plus
  should be  unseated
  confirmed  no account
  next       nothing
  note       no e-mail address in the directory
  note       should hold no seat: no usable e-mail
"#);
    let nobody = company.run(&["explain", "nobody.at.all", "--json"]);
    assert_eq!((nobody.code, nobody.stdout.as_str()), (1, ""));
    assert_snapshot!(nobody.stderr, @r#"seatsync: nobody in the directory or the snapshot is "nobody.at.all": give an e-mail, a sAMAccountName, a DN or a GUID"#);
}

#[test]
fn history_says_who_what_why_when_and_in_which_pass() {
    let company = Company::new();
    assert_eq!(company.ends(0, &["history"]), "no actions\n");
    let pass = company.json(0, &["sync"])["pass"].clone();
    company.edit("mail: ada@corner.example", "mail: ada.b@corner.example");
    company.ends(0, &["sync"]);
    let history = company.json(0, &["history"]);
    assert_eq!(history["actions"].as_array().unwrap().len(), 29);
    let ada = company.json(0, &["history", "--user", "ada"]);
    let actions: Vec<_> =
        ada["actions"].as_array().unwrap().iter().map(|each| each["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["create", "rename"]);
    assert_eq!(ada["actions"][0]["pass"], pass);
    assert_eq!(ada["actions"][0]["because"], "in Chime Pro");
    assert!(ada["actions"][0]["at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    let by_address = company.json(0, &["history", "--user", "ada@corner.example"]);
    assert_eq!(by_address["actions"].as_array().unwrap().len(), 2);
}

#[test]
fn an_audit_repairs_what_somebody_else_changed() {
    let company = Company::new();
    company.ends(0, &["sync"]);
    std::fs::remove_dir_all(company.path("accounts")).unwrap();
    std::fs::remove_file(company.path("accounts.lock")).unwrap();
    // A usual pass does not believe that everybody has gone: it is rather a disk that is not mounted, or a wrong path.
    let refused = company.run(&["sync"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("28 seats were confirmed there"), "{}", refused.stderr);
    let audit = company.json(0, &["sync", "--audit"]);
    assert_eq!(audit["counts"]["changes"], 28);
    assert!(audit["warnings"].as_array().unwrap().iter().any(|warning| warning["kind"] == "drift"));
    assert_eq!(company.json(0, &["sync", "--audit"])["counts"]["changes"], 0);
}

#[test]
fn an_older_copy_of_the_account_store_is_taken_by_an_audit_only() {
    let company = Company::new();
    company.ends(0, &["sync", "--user", "ada"]);
    let copy = |from: &str, to: &str| {
        let (from, to) = (company.path(from), company.path(to));
        assert!(std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
    };
    copy("accounts", "backup");
    company.ends(0, &["sync"]);
    std::fs::remove_dir_all(company.path("accounts")).unwrap();
    copy("backup", "accounts");
    let refused = company.run(&["sync"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("older than what was last written"), "{}", refused.stderr);
    assert_eq!(company.json(0, &["sync", "--audit"])["counts"]["changes"], 27);
    assert_eq!(company.json(0, &["sync"])["in_sync"], true);
    assert_eq!(company.json(0, &["accounts", "list"])["users"].as_array().unwrap().len(), 28);
}

#[test]
fn a_broken_directory_changes_nothing_and_json_stays_silent() {
    let company = Company::new();
    company.ends(0, &["sync"]);
    let before = company.json(0, &["accounts", "list"]);
    std::fs::write(company.path("quickstart.ldif"), "").unwrap();
    let failed = company.run(&["sync", "--json"]);
    assert_eq!((failed.code, failed.stdout.as_str()), (1, ""));
    assert_snapshot!(failed.stderr, @r#"seatsync: the directory was not read, nothing was changed: [folder]/quickstart.ldif: the file has no entries; nothing of it is used; an export that failed leaves such a file; export it again"#);
    assert_eq!(company.json(0, &["accounts", "list"]), before);
    assert_eq!(company.json(0, &["status"])["state"], "failing");
}

#[test]
fn a_damaged_state_is_set_aside_and_rebuilt_with_losses_held() {
    let company = Company::new();
    company.ends(0, &["sync"]);
    let db = company.path("state/db");
    let length = std::fs::metadata(&db).unwrap().len();
    std::fs::write(&db, vec![0x5a; usize::try_from(length).unwrap()]).unwrap();
    // One person leaves: well below every limit, and still held in this pass.
    company.edit("userAccountControl: 512\nmail: ada@", "userAccountControl: 514\nmail: ada@");
    let sync = company.json(4, &["sync"]);
    assert_eq!(sync["counts"]["held"], 1, "{sync:#}");
    assert!(sync["warnings"].as_array().unwrap().iter().any(|warning| warning["kind"] == "state_rebuilt"));
    assert!(
        std::fs::read_dir(company.path("")).unwrap().any(|entry| entry
            .unwrap()
            .file_name()
            .to_str()
            .unwrap()
            .contains("state.corrupt-"))
    );
}

#[test]
fn configuration_problems_come_all_at_once_with_exit_78() {
    let company = Company::new();
    company.configure("name   = \"plus\"", "nmae   = \"plus\"");
    company.configure("kind         = \"embedded\"", "kind         = \"imbedded\"");
    let wrong = company.run(&["sync", "--json"]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (78, ""));
    assert_snapshot!(wrong.stderr, @r#"
error: `name` is missing in [[tier]]
  --> [folder]/quickstart.toml:17:1
   |
17 | [[tier]]
   | ^^^^^^^^
   |
   = help: add a line such as: name = "pro"

error: unknown key `nmae` in [[tier]]
  --> [folder]/quickstart.toml:18:1
   |
18 | nmae   = "plus"
   | ^^^^
   |
   = help: did you mean `name`?

error: "imbedded" is not a kind of account store
  --> [folder]/quickstart.toml:26:16
   |
26 | kind         = "imbedded"
   |                ^^^^^^^^^^
   |
   = help: did you mean "embedded"?

3 problems in [folder]/quickstart.toml
"#);
    let missing = company.run(&["sync", "-c", "/nowhere/seatsync.toml"]);
    assert_eq!(missing.code, 78);
    assert_snapshot!(missing.stderr, @r#"seatsync: cannot read /nowhere/seatsync.toml: No such file or directory (os error 2); name the file with --config, or write a new one: seatsync init /nowhere/seatsync.toml"#);
}

#[test]
fn usage_errors_end_with_2() {
    let company = Company::new();
    assert_eq!(company.run(&["snyc"]).code, 2);
    assert_eq!(company.run(&[]).code, 2);
    assert_eq!(company.run(&["explain"]).code, 2);
    assert_eq!(company.run(&["--version"]).code, 0);
    assert_eq!(company.run(&["help"]).code, 0);
}

#[test]
fn check_tells_each_group_with_its_count() {
    let company = Company::new();
    let told = company.ends(0, &["check"]);
    let is_time = |line: &str| line.contains(" next at ") || line.contains(" in UTC ");
    let told: String = told.lines().filter(|line| !is_time(line)).map(|line| format!("{line}\n")).collect();
    assert_snapshot!(told, @r#"
ok    configuration [folder]/quickstart.toml is valid
ok    jitter        each start is up to 20s late, by chance; at most half of the way to the next
ok    state         [folder]/state will be made by the first pass
ok    directory     41 people and 7 groups read
ok    group         CN=Chime Pro,OU=Groups,DC=corner,DC=example: 16 people (tier pro)
ok    group         Chime Plus: 18 people (tier plus)
ok    group         Chime Blocked: 1 people (excluded)
      warning       unknown_members: Chime Plus: 1 of its members is nobody that was read (a contact or computer, filtered out, outside base_dn, or deleted) and is not counted
      warning       no_email: yusuf: CN=Yusuf Demir,OU=People,DC=corner,DC=example is in Chime Plus and gets no plus seat: there is no e-mail address
      warning       domain_not_claimed: zelda: CN=Zelda Free,OU=People,DC=corner,DC=example is in Chime Plus and gets no plus seat: zelda@freelance.example is outside the claimed domains (corner.example)
ok    account store account corner (EnterpriseDirectory): [folder]/accounts will be made on first use
all is well
"#);
    company.configure("groups = [\"Chime Plus\"]", "groups = [\"Chime Plsu\"]");
    let told = company.ends(1, &["check"]);
    assert!(told.contains("FAIL  group         Chime Plsu (tier plus): not found"), "{told}");
    assert_eq!(company.ends(0, &["check", "--offline"]).lines().last(), Some("all is well"));
}

#[test]
fn check_tries_the_folders_and_writes_nothing() {
    let company = Company::new();
    let before = company.everything();
    company.ends(0, &["check"]);
    assert!(company.everything() == before, "nothing may be left behind");
    company.ends(0, &["sync"]);
    let told = company.ends(0, &["check"]);
    assert!(told.contains("ok    state         [folder]/state: 28 accounts remembered\n"), "{told}");
    assert!(told.contains("(EnterpriseDirectory): 28 accounts, 28 active\n"), "{told}");

    std::fs::write(company.path("file"), "").unwrap();
    let toml = std::fs::read_to_string(company.path("quickstart.toml")).unwrap();
    for (state, accounts, words) in [
        (
            "/proc/nope/state",
            "accounts",
            "FAIL  state         /proc/nope/state cannot be used: no file can be made in /proc",
        ),
        ("file/state", "accounts", "FAIL  state         "),
        ("file", "accounts", "FAIL  state         "),
        ("state", "/proc/nope/accounts", "FAIL  account store /proc/nope/accounts cannot be used"),
        ("state", "file/accounts", "FAIL  account store "),
    ] {
        let changed = toml.replace("\"state\"", &format!("\"{state}\""));
        let changed = changed.replace("\"accounts\"", &format!("\"{accounts}\""));
        assert_ne!((state, accounts) == ("state", "accounts"), changed != toml, "{toml}");
        std::fs::write(company.path("quickstart.toml"), changed).unwrap();
        let told = company.ends(1, &["check"]);
        assert!(told.contains(words) && told.ends_with("\n1 problem\n"), "{state} {accounts}\n{told}");
    }
}

#[test]
fn a_state_in_use_is_no_problem() {
    let company = Company::new();
    company.ends(0, &["sync"]);
    let lock = std::fs::File::options().write(true).open(company.path("state.lock")).unwrap();
    lock.lock().unwrap();
    let told = company.ends(0, &["check"]);
    assert!(told.contains("ok    state         [folder]/state is in use by process "), "{told}");
    let store = std::fs::File::options().write(true).open(company.path("accounts.lock")).unwrap();
    store.lock().unwrap();
    let told = company.ends(0, &["check"]);
    assert!(told.contains("ok    account store [folder]/accounts is in use by process "), "{told}");
    drop(lock);
    assert!(company.ends(1, &["check"]).contains("FAIL  account store [folder]/accounts is in use by"));
}

#[test]
fn check_tells_times_by_the_clock_of_the_schedule() {
    let company = Company::new();
    let toml = std::fs::read_to_string(company.path("quickstart.toml")).unwrap();
    std::fs::write(company.path("quickstart.toml"), format!("{toml}\n[schedule]\ntimezone = \"Asia/Kolkata\"\n"))
        .unwrap();
    let told = company.ends(0, &["check", "--offline"]);
    let audit = told.lines().find(|line| line.contains("audit")).unwrap();
    assert_eq!(audit.matches(" 03:00:00+05:30").count(), 5, "{audit}");
    assert!(audit.ends_with(" (Asia/Kolkata)"), "{audit}");
    let in_utc = told.lines().filter(|line| line.starts_with("      in UTC        ")).nth(1).unwrap();
    assert_eq!(in_utc.matches(" 21:30:00+00:00").count(), 5, "{in_utc}");
}

#[test]
fn check_explains_lines_that_surprise() {
    let company = Company::new();
    let toml = std::fs::read_to_string(company.path("quickstart.toml")).unwrap();
    let schedule =
        "\n[schedule]\nsync = \"*/7 * * * *\"\naudit = \"0 0 13 * 5\"\ntimezone = \"UTC\"\njitter = \"0s\"\n";
    std::fs::write(company.path("quickstart.toml"), format!("{toml}{schedule}")).unwrap();
    let told = company.ends(0, &["check", "--offline"]);
    let told: Vec<&str> = told.lines().filter(|line| !line.contains(" next at ")).collect();
    assert_eq!(
        told,
        [
            "ok    configuration [folder]/quickstart.toml is valid",
            "      note          `*/7` begins anew with minute 0 of each hour: the step after minute 56 is only 4",
            "      note          a day of month and a day of week are given: it fires on days that fit either of them, as \
             in any crontab",
            "all is well",
        ]
    );
}

#[test]
fn the_log_follows_the_configuration_and_the_command_line() {
    let company = Company::new();
    let toml = std::fs::read_to_string(company.path("quickstart.toml")).unwrap();
    let log = |lines: &str, arguments: &[&str], variable: Option<&str>| {
        std::fs::write(company.path("quickstart.toml"), format!("{toml}\n[log]\n{lines}\n")).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_seatsync"));
        command.args(arguments).env("SEATSYNC_CONFIG", company.path("quickstart.toml")).env_remove("SEATSYNC_LOG");
        let output = command.envs(variable.map(|text| ("SEATSYNC_LOG", text))).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(log("level = \"info\"", &["check", "--offline"], None), "");
    // A variable that is none is itself told, in the format asked for and at the level asked for.
    let broken = Some("=x=y=");
    assert!(log("", &["check", "--offline"], broken).contains("WARN"));
    assert_eq!(log("level = \"error\"", &["check", "--offline"], broken), "");
    assert!(log("level = \"error\"", &["check", "--offline", "-v"], broken).contains("WARN"));
    let json = log("format = \"json\"", &["check", "--offline"], broken);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["level"], "WARN");
    assert!(json["fields"]["message"].as_str().unwrap().starts_with("SEATSYNC_LOG="), "{json}");
}

#[test]
fn init_writes_where_it_is_told_or_here() {
    let home = tempfile::tempdir().unwrap();
    let init = |variable: Option<&str>, arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_seatsync"));
        command.arg("init").args(arguments).current_dir(home.path()).env_remove("SEATSYNC_CONFIG");
        let output = command.envs(variable.map(|text| ("SEATSYNC_CONFIG", text))).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    init(None, &[]);
    init(None, &["-c", "two.toml"]);
    init(Some("three.toml"), &[]);
    init(Some("five.toml"), &["four.toml"]);
    let mut names: Vec<_> = std::fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["four.toml", "seatsync.toml", "three.toml", "two.toml"]);
}

#[test]
fn init_writes_a_configuration_that_is_understood_and_never_overwrites() {
    let company = Company::new();
    let file = company.path("new.toml");
    let file = file.to_str().unwrap();
    company.ends(0, &["init", file]);
    let again = company.run(&["init", file]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("exists"), "{}", again.stderr);
    // Complete but for what only the operator has: its password and its certificate.
    let check = company.run(&["check", "--offline", "-c", file]);
    assert_eq!(check.code, 78);
    let problems: Vec<&str> = check.stderr.lines().filter(|line| line.starts_with("error")).collect();
    assert!(problems.iter().all(|line| line.contains("ldap-password") || line.contains("corp-ca.pem")), "{problems:?}");
}

#[test]
fn a_tier_goes_up_and_down() {
    let company = Company::new();
    company.ends(0, &["sync"]);
    let (without, with) = (
        "sAMAccountName: Chime Pro\n",
        "sAMAccountName: Chime Pro\nmember: CN=Anton Weber,OU=People,DC=corner,DC=example\n",
    );
    company.edit(without, with);
    let up = company.json(0, &["sync"])["changes"][0].clone();
    assert_eq!((&up["action"], &up["from"], &up["to"]), (&"move".into(), &"plus".into(), &"pro".into()));
    company.edit(with, without);
    let down = company.json(0, &["sync"])["changes"][0].clone();
    assert_eq!((&down["action"], &down["from"], &down["to"]), (&"move".into(), &"pro".into(), &"plus".into()));
    assert_eq!(company.json(0, &["sync"])["in_sync"], true);
}

/// "Every loss waits to be looked at" is true until somebody has looked, however many passes that takes.
#[test]
fn losses_of_a_first_pass_wait_for_approval_and_not_for_the_next_pass() {
    let company = Company::new();
    company.ends(0, &["sync"]);
    std::fs::remove_dir_all(company.path("state")).unwrap();
    std::fs::remove_file(company.path("state.lock")).unwrap();
    company.edit("userAccountControl: 512\nmail: ada@", "userAccountControl: 514\nmail: ada@");
    for _ in 0..3 {
        assert_eq!(company.json(4, &["sync"])["counts"]["held"], 1);
    }
    let status = company.json(0, &["status"]);
    let hash = status["held"]["hash"].as_str().unwrap();
    company.ends(0, &["approve", hash]);
    assert!(company.ends(0, &["status"]).contains("approved by operator"));
    assert_eq!(company.json(0, &["sync"])["in_sync"], true);
    // From here on it is like any other: one loss is below every limit.
    company.edit("userAccountControl: 512\nmail: bertil@", "userAccountControl: 514\nmail: bertil@");
    assert_eq!(company.json(0, &["sync"])["counts"]["held"], 0);
}

#[test]
fn an_approval_without_a_hash_releases_only_what_was_reported() {
    let company = Company::new();
    company.ends(0, &["sync"]);
    engineering_leaves(&company);
    company.ends(4, &["sync"]);
    // Since then more people have left; nobody has seen that.
    company.edit("member: CN=Bertil Corner,OU=People,DC=corner,DC=example\n", "");
    let refused = company.run(&["approve"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("is not what the last pass reported"), "{}", refused.stderr);
    company.ends(4, &["sync"]);
    company.ends(0, &["approve"]);
    company.ends(0, &["sync"]);
}

#[test]
fn one_users_held_loss_is_not_approved_by_its_own_hash() {
    let company = Company::new();
    company.ends(0, &["sync"]);
    engineering_leaves(&company);
    let text = company.ends(4, &["sync", "--user", "mira"]);
    assert!(text.contains("look at the whole plan first: seatsync plan"), "{text}");
    let scoped = company.json(4, &["sync", "--user", "mira"])["hash"].as_str().unwrap().to_owned();
    assert_eq!(company.run(&["approve", &scoped]).code, 1);
    // What the guards hold in the whole plan is what status tells.
    let whole = company.json(0, &["status"])["held"]["hash"].as_str().unwrap().to_owned();
    assert_eq!(company.json(4, &["plan"])["hash"], *whole);
    company.ends(0, &["approve", &whole]);
}
