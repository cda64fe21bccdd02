//! The README, followed word for word: its configuration against a real Samba Active Directory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ad;
mod loopback;
mod site;

use ad::Ad;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// The one TOML block of the README.
fn configuration() -> String {
    let readme = include_str!("../README.md");
    let (_, rest) = readme.split_once("```toml\n").expect("a TOML block");
    let (block, rest) = rest.split_once("```").expect("the end of the block");
    assert!(!rest.contains("```toml"), "one TOML block");
    block.to_owned()
}

#[test]
fn a_newcomer_gets_from_the_readme_to_a_synced_active_directory() {
    let ad = Ad::start();
    let directory = ad.directory();
    // What the README tells the reader to change.
    let mut toml = configuration();
    for (from, to) in [
        (r#""ldaps://dc1.corp.example", "ldaps://dc2.corp.example""#, format!("{:?}", ad.url()).as_str()),
        ("DC=corp,DC=example", &directory.base_dn),
        ("svc-seatsync@corp.example", &directory.bind_dn),
        (r#"domains = ["corp.example"]"#, r#"domains = ["ad.test"]"#),
        ("Chime Pro", "App-Pro"),
        ("Chime Plus", "App-Plus"),
        ("Contractors", "App-Big"),
    ] {
        assert!(toml.contains(from), "the README has no {from:?} any more");
        toml = toml.replace(from, to);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("seatsync.toml"), toml).unwrap();
    std::fs::write(path("ldap-password"), &directory.password).unwrap();
    std::fs::set_permissions(path("ldap-password"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::copy(ad.ca(), path("corp-ca.pem")).unwrap();

    // The README's commands, in its order, in the reader's folder.
    let run = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_seatsync")).args(arguments).current_dir(folder.path()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text, String::from_utf8(output.stderr).unwrap())
    };
    let readme = include_str!("../README.md");
    for (command, code, words) in [
        ("check", 0, "App-Pro"),
        ("plan", 3, "alice@ad.test"),
        ("sync", 0, "now in sync"),
        ("sync", 0, "in sync, nothing to do"),
    ] {
        assert!(readme.contains(&format!("seatsync {command:<5} -c seatsync.toml")), "{command} is in the README");
        let (ended, out, err) = run(&[command, "-c", "seatsync.toml"]);
        assert_eq!(ended, code, "{command}: {out}{err}");
        assert!(out.contains(words), "{command}: {out}{err}");
    }
}
