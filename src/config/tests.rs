//! The configuration as operators meet it: whole files in, meaning or rendered problems out.
#![allow(clippy::unwrap_used, clippy::panic)]

mod chime;
pub(super) mod manual;
mod notify;
mod rendered;
mod scim;

use super::*;
use crate::model::{GroupRef, Limit, OnLeave};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// The example of the manual, with every key.
const FULL: &str = r#"
[directory]
kind      = "ldap"
urls      = ["ldaps://dc1.corp.example", "ldaps://dc2.corp.example"]
base_dn   = "DC=corp,DC=example"
bind_dn   = "svc-seatsync@corp.example"
bind_password_file = "ldap-password"
ca_file   = "corp-ca.pem"
starttls  = false
allow_cleartext = false
page_size = 500
timeout   = "45s"
memory_max_mib = 300
user_filter = "(!(employeeType=robot))"
watch = false
email_attribute = ["mail", "userPrincipalName"]

[[tier]]
name   = "pro"
groups = ["CN=Chime Pro,OU=Groups,DC=corp,DC=example"]

[[tier]]
name   = "plus"
groups = ["Chime Plus", " Contractors "]

[rules]
domains   = ["Corp.Example"]
nested    = false
protected = ["break-glass@corp.example"]
exclude_groups = ["Chime Blocked"]
grace     = "7d"

[limits]
losses    = "10%"
losses_floor = 3
group_shrink = 40
gains     = "20%"
approval_expires = "12h"

[accounts]
kind = "embedded"
path = "/srv/accounts"
account = "corp"
account_type = "EnterpriseLWA"

[schedule]
sync   = "every 90s"
audit  = "0 4 * * MON-FRI"
timezone = "Europe/Berlin"
jitter = "5s"

[state]
path = "state"

[status]
listen = "127.0.0.1:8787"
control = "control.sock"

[log]
format = "json"
level  = "debug"
"#;

/// The least that is a configuration.
const LEAST: &str = r#"
[directory]
kind = "ldif"
path = "people.ldif"
[[tier]]
name = "pro"
groups = ["Chime Pro"]
[accounts]
kind = "embedded"
path = "accounts"
account = "corp"
"#;

const PASSWORD: &str = "correct horse battery";

/// A folder with the files that [`FULL`] names, and a credential `ldap`.
fn folder_with(password: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("ldap-password", password), ("ldap", password), ("corp-ca.pem", "")] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

fn parse_in(folder: &TempDir, text: &str) -> Result<Config, Problems> {
    let env = Environment { credentials_directory: Some(folder.path().to_owned()), ..Environment::default() };
    parse(&folder.path().join("seatsync.toml"), text, &env)
}

/// The problems of a text, with the name of the folder taken out.
fn shown(text: &str) -> String {
    let folder = folder_with(PASSWORD);
    let env = Environment { credentials_directory: Some(folder.path().to_owned()), ..Environment::default() };
    let problems = parse(Path::new("/etc/seatsync/seatsync.toml"), text, &env).unwrap_err();
    let shown = problems.render(false);
    assert_eq!(shown, problems.to_string());
    assert_eq!(problems.count(), shown.matches("error: ").count());
    assert!(!shown.contains("hunter2") && !format!("{problems:?}").contains("hunter2"), "{shown}");
    shown
}

#[test]
fn every_key_means_something() {
    let folder = folder_with(PASSWORD);
    let Config { directory, rules, limits, accounts, schedule, state_path, status, notify, log } =
        parse_in(&folder, FULL).unwrap();
    let DirectoryConfig::Ldap(ldap) = directory else { panic!("{directory:?}") };
    assert_eq!(ldap.urls, ["ldaps://dc1.corp.example", "ldaps://dc2.corp.example"]);
    assert_eq!(ldap.base_dn, "DC=corp,DC=example");
    assert_eq!(ldap.bind_dn, "svc-seatsync@corp.example");
    assert_eq!(ldap.bind_password.expose_secret(), PASSWORD);
    assert_eq!(ldap.ca_file, Some(folder.path().join("corp-ca.pem")));
    assert_eq!((ldap.starttls, ldap.allow_cleartext, ldap.watch), (false, false, false));
    assert_eq!((ldap.page_size, ldap.timeout), (500, Duration::from_secs(45)));
    assert_eq!(ldap.memory_bytes_max, 300 << 20);
    assert_eq!(ldap.user_filter.as_deref(), Some("(!(employeeType=robot))"));
    assert_eq!(ldap.email_attributes, ["mail", "userPrincipalName"]);
    let tiers: Vec<_> = rules.tiers.iter().map(|rule| (rule.tier.name(), rule.groups.as_slice())).collect();
    let groups = ["CN=Chime Pro,OU=Groups,DC=corp,DC=example", "Chime Plus", "Contractors"].map(GroupRef::new);
    assert_eq!(tiers, [("pro", &groups[..1]), ("plus", &groups[1..])]);
    assert_eq!((rules.domains.as_slice(), rules.nested), (&["corp.example".to_owned()][..], false));
    assert_eq!(rules.protected[0].as_str(), "break-glass@corp.example");
    assert_eq!((rules.exclude, rules.grace), (vec![GroupRef::new("Chime Blocked")], Duration::from_secs(7 * 86_400)));
    let expected = Limits {
        losses: Limit::Percent(10),
        losses_floor: 3,
        group_shrink: Limit::Count(40),
        gains: Limit::Percent(20),
        approval_expires: Duration::from_secs(12 * 3_600),
    };
    assert_eq!(limits, expected);
    assert_eq!(accounts.account(), "corp");
    let AccountsConfig::Embedded { path, account: _, kind } = accounts else { panic!("{accounts:?}") };
    assert_eq!((path.as_path(), kind), (Path::new("/srv/accounts"), StoreKind::EnterpriseLwa));
    assert_eq!((schedule.sync.as_str(), schedule.audit.as_str()), ("every 90s", "0 4 * * MON-FRI"));
    assert_eq!((schedule.timezone, schedule.jitter), (Tz::Europe__Berlin, Duration::from_secs(5)));
    assert_eq!(state_path, folder.path().join("state"));
    assert_eq!(status.listen, Some(([127, 0, 0, 1], 8787).into()));
    assert_eq!(status.control, Some(folder.path().join("control.sock")));
    assert_eq!((log.format, log.level), (LogFormat::Json, tracing::Level::DEBUG));
    // It has tests of its own.
    assert!(notify.is_none());
}

#[test]
fn a_broken_file_still_leads_to_the_service() {
    let folder = folder_with(PASSWORD);
    let path = folder.path().join("seatsync.toml");
    for text in [FULL.to_owned(), format!("{FULL}\n[log\n"), format!("\u{feff}x = \"\n{FULL}")] {
        std::fs::write(&path, &text).unwrap();
        assert_eq!(control_of(&path), Some(folder.path().join("control.sock")), "{text}");
    }
    let absent = Path::new("/etc/seatsync/nothing-of-the-kind.toml");
    assert_eq!(control_of(absent), Some("/run/seatsync-nothing-of-the-kind/control.sock".into()));
    assert_eq!(control_of(&folder.path().join("absent.toml")), None);
}

#[test]
fn what_is_absent_has_a_default() {
    let folder = folder_with(PASSWORD);
    let config = parse_in(&folder, LEAST).unwrap();
    let DirectoryConfig::Ldif(ldif) = config.directory else { panic!("{:?}", config.directory) };
    assert_eq!((ldif.path, ldif.base_dn), (folder.path().join("people.ldif"), None));
    assert_eq!(ldif.email_attributes, ["mail"]);
    assert!(config.rules.nested && config.rules.domains.is_empty() && config.rules.grace.is_zero());
    assert_eq!(config.limits, Limits::default());
    let AccountsConfig::Embedded { path, account: _, kind } = config.accounts else { panic!("{text}", text = LEAST) };
    assert_eq!((path, kind), (folder.path().join("accounts"), StoreKind::EnterpriseDirectory));
    assert_eq!((config.schedule.sync.as_str(), config.schedule.audit.as_str()), ("*/5 * * * *", "0 3 * * *"));
    assert_eq!(config.schedule.jitter, Duration::from_secs(20));
    assert_eq!(config.state_path, Path::new("/var/lib/seatsync/state"));
    assert_eq!((config.status.listen, config.status.control), (None, None));
    assert_eq!((config.log.format, config.log.level), (LogFormat::Auto, tracing::Level::INFO));
}

#[test]
fn ldap_defaults_and_a_credential() {
    let folder = folder_with("from systemd\n");
    let text = LEAST.replace(
        "kind = \"ldif\"\npath = \"people.ldif\"",
        "kind = \"ldap\"\nurls = [\"ldap://[::1]:389\"]\nallow_cleartext = true\n\
         base_dn = \"DC=x\"\nbind_dn = 'X\\svc'\n\
         bind_password_credential = \"ldap\"\nemail_attribute = \"userPrincipalName\"",
    );
    let DirectoryConfig::Ldap(ldap) = parse_in(&folder, &text).unwrap().directory else { panic!("{text}") };
    assert_eq!(ldap.bind_password.expose_secret(), "from systemd");
    assert_eq!((ldap.page_size, ldap.timeout), (1_000, Duration::from_secs(30)));
    assert_eq!(ldap.memory_bytes_max, 1 << 30);
    assert_eq!((ldap.bind_dn.as_str(), ldap.ca_file, ldap.user_filter), ("X\\svc", None, None));
    assert_eq!(ldap.email_attributes, ["userPrincipalName"]);
}

#[test]
fn the_filter_is_checked_by_whom_the_caller_names() {
    let folder = folder_with(PASSWORD);
    let check_filter = |filter: &str| Err(format!("{} bytes are too many", filter.len()));
    let env = Environment { check_filter, ..Environment::default() };
    let problems = parse(&folder.path().join("seatsync.toml"), FULL, &env).unwrap_err();
    assert_eq!(problems.count(), 1);
    assert!(problems.to_string().contains("is not a filter: 23 bytes are too many"), "{problems}");
}

#[test]
fn the_ca_file_is_checked_by_whom_the_caller_names() {
    let folder = folder_with(PASSWORD);
    let check_ca_file = |path: &Path| Err(format!("{} bytes are too few", std::fs::read(path).unwrap().len()));
    let env = Environment { check_ca_file, ..Environment::default() };
    let problems = parse(&folder.path().join("seatsync.toml"), FULL, &env).unwrap_err().to_string();
    assert!(problems.contains("corp-ca.pem: 0 bytes are too few"), "{problems}");
    assert!(problems.contains("seatsync.toml:8:13"), "{problems}");
}

/// The password where the path belongs: neither the message nor the line may show it.
#[test]
fn a_password_in_place_of_its_file_is_not_shown() {
    for password in ["Svc.Passw0rd1", "pa/ss=w0rd", "./nowhere/x"] {
        let text = FULL.replace("\"ldap-password\"", &format!("\"{password}\""));
        let shown = shown(&text.replace("corp-ca.pem", "seatsync.toml"));
        assert!(!shown.contains(password), "{shown}");
        assert!(shown.contains("bind_password_file = ********"), "{shown}");
        assert!(shown.contains("the value is not shown in case it is the password itself"), "{shown}");
    }
    let shown = shown(&FULL.replace("\"ldap-password\"", "\"/nowhere/ldap-password\""));
    assert!(shown.contains("cannot read the secret in /nowhere/ldap-password"), "{shown}");
}

#[test]
fn a_pattern_protects_nobody_and_is_refused() {
    for pattern in ["*@corp.example", "admin?@corp.example"] {
        let shown = shown(&LEAST.replace("[accounts]", &format!("[rules]\nprotected = [\"{pattern}\"]\n[accounts]")));
        assert!(shown.contains(&format!("{pattern:?} is a pattern, which would protect nobody")), "{shown}");
        assert!(shown.contains("help: write out each address"), "{shown}");
    }
}

#[test]
fn suggestions_reach_far_enough_and_name_nothing_that_is_refused() {
    let ldif =
        |key: &str| LEAST.replace("path = \"people.ldif\"", &format!("path = \"people.ldif\"\n{key} = \"mail\""));
    let shown_here = shown(&ldif("email_adress"));
    assert!(shown_here.contains("did you mean `email_attribute`?"), "{shown_here}");
    assert!(!shown(&ldif("colour")).contains("did you mean"));
    let of_kind = |kind: &str| shown(&LEAST.replace("kind = \"embedded\"", &format!("kind = \"{kind}\"")));
    let shown = of_kind("postgres");
    assert!(shown.contains("one of: embedded, chime, scim") && !shown.contains("did you mean"), "{shown}");
    assert!(of_kind("chimes").contains("did you mean \"chime\"?"));
}

#[test]
fn a_credential_needs_systemd() {
    let text = FULL.replace("bind_password_file = \"ldap-password\"", "bind_password_credential = \"ldap\"");
    let folder = folder_with(PASSWORD);
    let problems = parse(&folder.path().join("x.toml"), &text, &Environment::default()).unwrap_err();
    assert_eq!(problems.count(), 1);
    assert!(problems.to_string().contains("CREDENTIALS_DIRECTORY is not set"), "{problems}");
}

#[test]
fn outside_of_a_unit_the_file_of_the_packaged_unit_is_read() {
    let text = FULL.replace("bind_password_file = \"ldap-password\"", "bind_password_credential = \"ldap\"");
    let folder = folder_with(PASSWORD);
    let env = Environment::default();
    let password = |config: &str| match parse(&folder.path().join(config), &text, &env).unwrap().directory {
        DirectoryConfig::Ldap(ldap) => ldap.bind_password.expose_secret().to_owned(),
        DirectoryConfig::Ldif(_) => panic!("not a file"),
    };
    assert_eq!(password("seatsync.toml"), PASSWORD.trim_end());
    std::fs::rename(folder.path().join("ldap-password"), folder.path().join("emea.ldap-password")).unwrap();
    assert_eq!(password("emea.toml"), PASSWORD.trim_end());
    // Another name than that of the packaged unit is somebody's own unit.
    let text = text
        .replace("\"ldap\"\n", "\"mine\"\n")
        .replace("bind_password_credential = \"ldap\"", "bind_password_credential = \"mine\"");
    assert!(parse(&folder.path().join("emea.toml"), &text, &env).is_err());
}

#[test]
fn a_bind_name_alone_is_of_the_domain_of_the_base() {
    let folder = folder_with(PASSWORD);
    let bound = |base: &str, name: &str| {
        let text = FULL.replace("\"DC=corp,DC=example\"", &format!("{base:?}"));
        let text = text.replace("\"svc-seatsync@corp.example\"", &format!("{name:?}"));
        match parse(&folder.path().join("x.toml"), &text, &Environment::default()).unwrap().directory {
            DirectoryConfig::Ldap(ldap) => ldap.bind_dn,
            DirectoryConfig::Ldif(_) => panic!("not a file"),
        }
    };
    for (base, name, expected) in [
        ("DC=corp,DC=example", "svc-seatsync", "svc-seatsync@corp.example"),
        ("OU=People, dc=corp , dc=example", "svc.seatsync", "svc.seatsync@corp.example"),
        ("DC=corp,DC=example", "svc@other.example", "svc@other.example"),
        ("DC=corp,DC=example", "CN=svc,DC=corp,DC=example", "CN=svc,DC=corp,DC=example"),
        ("DC=corp,DC=example", "CORP\\svc", "CORP\\svc"),
        ("DC=corp,DC=example", "Seat Sync", "Seat Sync"),
        ("o=Corp", "svc-seatsync", "svc-seatsync"),
    ] {
        assert_eq!(bound(base, name), expected, "{name} below {base}");
    }
}

#[test]
fn files_that_give_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seatsync.toml");
    let message = |path: &Path| match load(path).unwrap_err() {
        ConfigError::Unreadable { message } => message.replace(&path.display().to_string(), "FILE"),
        ConfigError::Invalid(problems) => panic!("{problems}"),
    };
    assert_eq!(
        message(&path),
        "cannot read FILE: No such file or directory (os error 2); name the file with --config, or write a new one: \
         seatsync init FILE"
    );
    assert!(message(folder.path()).starts_with("cannot read FILE: it is not a regular file"));
    std::fs::write(&path, b"a = 1\nb = \"\xff\"\n").unwrap();
    assert_eq!(message(&path), "cannot read FILE: line 2 is not UTF-8; save the file as UTF-8");
    std::fs::write(&path, vec![b'#'; CONFIG_BYTES_MAX as usize + 1]).unwrap();
    assert_eq!(message(&path), "cannot read FILE: it is larger than 1048576 bytes; is it the right file?");
}

#[test]
fn a_file_is_loaded_with_its_secrets() {
    let folder = folder_with(PASSWORD);
    let path = folder.path().join("seatsync.toml");
    std::fs::write(&path, format!("\u{feff}{FULL}").replace('\n', "\r\n")).unwrap();
    assert_eq!(load(&path).unwrap().state_path, folder.path().join("state"));
    std::fs::set_permissions(folder.path().join("ldap-password"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let ConfigError::Invalid(problems) = load(&path).unwrap_err() else { panic!("readable") };
    assert_eq!(problems.count(), 1);
    assert!(problems.to_string().contains("seatsync.toml:7:22"), "{problems}");
    assert!(problems.to_string().contains("chmod o= "), "{problems}");
}

#[test]
fn colour_is_only_there_when_asked_for() {
    let problems = parse(Path::new("x.toml"), "", &Environment::default()).unwrap_err();
    assert!(problems.render(true).contains("\u{1b}["));
    assert!(!problems.render(false).contains("\u{1b}["));
}

#[test]
fn a_flood_of_problems_is_counted_and_not_shown() {
    let flood: String = (0..200).map(|n| format!("zzz{n} = 1\n")).collect();
    let problems = parse(Path::new("x.toml"), &flood, &Environment::default()).unwrap_err();
    assert_eq!(problems.count(), 203);
    assert!(problems.to_string().ends_with("\nand 153 more\n\n203 problems in x.toml"));
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let text = format!("\"a\\u001b[31m\" = 1\n{}", LEAST.replace("\"corp\"", "\"\\u001b[31mcorp\""));
    let shown = shown(&text);
    assert!(!shown.contains('\u{1b}'), "{shown}");
    assert!(shown.contains("`account` contains the control character '\\u{1b}'"), "{shown}");
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        let problems = parse(Path::new("x.toml"), &text, &Environment::default()).unwrap_err();
        prop_assert!(problems.count() > 0 && !problems.render(true).is_empty());
    }

    #[test]
    fn any_lines_are_answered(
        lines in prop::collection::vec(
            "\\[\\[?(directory|tier|rules|accounts|limits|schedule|x)\\]?\\]|\
             (kind|urls|groups|name|losses|sync|bind_password|protected|path|timeout|page_size|z) = \
             (\"[a-z*%0-9: @.]{0,8}\"|\\[(\"a\",? ?){0,3}\\]|-?[0-9]{1,20}|true|\\{ a = 1 \\}|\"\"\"|nan|\
             [\u{e4}-\u{f6}]|1979-05-27)",
            0..25,
        ),
    ) {
        let problems = parse(Path::new("x.toml"), &lines.join("\n"), &Environment::default());
        if let Err(problems) = problems {
            prop_assert!(problems.count() > 0 && problems.to_string().contains("error: "));
        }
    }

    #[test]
    fn a_damaged_example_is_answered(cut in 0..FULL.len(), length in 0..40_usize, instead in "\\PC{0,6}") {
        let end = (cut + length).min(FULL.len());
        let damaged = format!("{}{instead}{}", &FULL[..cut], &FULL[end..]);
        if let Err(problems) = parse(Path::new("/nonexistent/x.toml"), &damaged, &Environment::default()) {
            prop_assert!(problems.count() > 0 && problems.render(true).contains("x.toml:"));
        }
    }

    /// The law of secrets: what is in the file of the password is shown nowhere.
    #[test]
    fn debug_never_shows_the_secret(secret in "[!-~]{8,30}") {
        let folder = folder_with(&secret);
        let config = parse_in(&folder, FULL).unwrap();
        let DirectoryConfig::Ldap(ldap) = &config.directory else { panic!("{config:?}") };
        prop_assert_eq!(ldap.bind_password.expose_secret(), secret.as_str());
        let debug = format!("{config:?}");
        prop_assert!(!debug.contains(&secret));
        let problems = parse_in(&folder, &FULL.replace("500", "0")).unwrap_err();
        let shown = format!("{problems:?} {problems}");
        prop_assert!(!shown.contains(&secret));
    }

    /// And a secret that stands in the TOML against the rules is not repeated, however badly it is written.
    #[test]
    fn a_secret_in_the_toml_is_never_repeated(
        key in prop::sample::select(vec![
            "bind_password", "password", "bind_pasword", "bind_passwort", "BIND_PASSWORD", "bind_pw", "secret", "token",
            "\"bind_password\"", "directory.bind_password", "bind_passphrase", "credentials", "api-key",
        ]),
        secret in "[a-zA-Z0-9]{10,20}",
        form in prop::sample::select(vec![
            "KEY = \"SECRET\"", "KEY=SECRET", "KEY = 'SECRET", "KEY = \"a\"SECRET\"",
            "KEY = [\"x\",\n\"SECRET\"]", "KEY = \"\"\"\nSECRET\n\"\"\"",
            "x = { KEY = \"SECRET\" }", "KEY = { x = \"SECRET\" }", "KEY.x = \"SECRET\"",
            "KEY = \"x\\\n SECRET\"", "KEY = \"\"\"\nx\"\"\" SECRET", "KEY = \"x\nSECRET\"", "KEY =\nSECRET",
            "KEY =\n\n\"SECRET\"", "KEY \"SECRET\"", "KEY: SECRET", "KEY \"SECRET==\"", "KEY\"\"SECRET\"",
            "urls = [\"ldaps://user:SECRET@dc1\"]", "[directory.KEY]\nx = \"SECRET\"", "# KEY = SECRET\n= 1",
        ]),
    ) {
        let line = form.replace("KEY", key).replace("SECRET", &secret);
        let text = format!("[directory]\n{line}\nbogus = 1\n[[tier]]\n");
        let problems = parse(Path::new("x.toml"), &text, &Environment::default()).unwrap_err();
        let shown = format!("{problems:?} {} {}", problems.render(true), problems.render(false));
        prop_assert!(!shown.contains(&secret), "{}\n{}", text, shown);
    }
}
