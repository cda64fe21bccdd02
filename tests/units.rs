//! The units of `systemd/`, read by systemd itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Most exposure allowed, in tenths of systemd's figure, where 100 is a process that may do anything. `PrivateUsers=` would
/// take 2 off the agent's, and hide from it who asks at its control socket.
const EXPOSURE_MAX: &[(&str, u32)] =
    &[("seatsync.service", 15), ("seatsync@.service", 15), ("seatsync-sync.service", 12), ("seatstore.service", 12)];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

/// `systemd-analyze verify` prints a line and exits 0 for an unknown key: silence is what counts.
#[test]
fn the_units_are_understood_without_a_word() {
    let folder_of_copies = tempfile::tempdir().unwrap();
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    let mut files = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let entry = entry.unwrap();
        // The binaries and the pages are where the build put them, not where a package will.
        let text = fs::read_to_string(entry.path())
            .unwrap()
            .replace("/usr/bin/seatsync", env!("CARGO_BIN_EXE_seatsync"))
            .replace("/usr/bin/seatstore", env!("CARGO_BIN_EXE_seatstore"))
            .replace("man:seatsync(1) man:seatsync.toml(5)", &format!("file://{}/seatsync.toml.5", pages.display()))
            .replace("man:seatstore(1) man:seatstore.toml(5)", &format!("file://{}/seatstore.toml.5", pages.display()));
        let copy = folder_of_copies.path().join(entry.file_name());
        fs::write(&copy, text).unwrap();
        // A template is verified as an instance of it.
        let name = entry.file_name().into_string().unwrap().replace("@.", "@emea.");
        files.push(folder_of_copies.path().join(name));
    }
    assert!(files.len() >= EXPOSURE_MAX.len());
    let output =
        Command::new("systemd-analyze").arg("verify").args(&files).output().expect("systemd-analyze is installed");
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&said), "");
    assert!(output.status.success());
}

#[test]
fn the_services_can_do_little() {
    for (unit, most) in EXPOSURE_MAX {
        let output = Command::new("systemd-analyze")
            .args(["security", "--offline=true", &format!("--threshold={most}"), "--no-pager"])
            .arg(folder().join(unit))
            .output()
            .expect("systemd-analyze is installed");
        assert!(output.status.success(), "{unit}: {}", String::from_utf8_lossy(&output.stdout));
        // A line that is not understood would count for nothing, and is told here.
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{unit}");
    }
}

/// The template says what the first one says, with the name of the instance.
/// Outside of a unit the commands read these files beside the configuration, and say that the units load them: so they do,
/// and an absent one does not keep a service from its start.
#[test]
fn every_secret_that_a_configuration_can_name_is_loaded() {
    let secrets = [
        ("ldap", "ldap-password"),
        ("seatstore-key", "seatstore-key"),
        ("seatstore-secret", "seatstore-secret"),
        ("scim-token", "scim-token"),
        ("scim-client-secret", "scim-client-secret"),
        ("webhook", "webhook-secret"),
        ("smtp", "smtp-password"),
    ];
    for (unit, prefix) in [("seatsync.service", ""), ("seatsync-sync.service", ""), ("seatsync@.service", "%i.")] {
        let text = fs::read_to_string(folder().join(unit)).unwrap();
        for (name, file) in secrets {
            let load = format!("\nLoadCredential={name}:/etc/seatsync/{prefix}{file}\n");
            assert!(text.contains(&load), "{unit}: {load}");
            assert!(text.contains(&format!("\nSetCredential={name}:\\n\n")), "{unit}: {name}");
        }
    }
}

#[test]
fn an_instance_is_the_first_agent_under_another_name() {
    let lines = |unit: &str| -> Vec<String> {
        let text = fs::read_to_string(folder().join(unit)).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.filter(|line| !line.contains("seatsync-sync")).map(str::to_owned).collect()
    };
    let first: Vec<String> = lines("seatsync.service")
        .into_iter()
        .map(|line| {
            line.replace("/etc/seatsync/seatsync.toml", "/etc/seatsync/%i.toml")
                .replace(":/etc/seatsync/", ":/etc/seatsync/%i.")
                .replace("/var/lib/private/seatsync", "/var/lib/private/seatsync-%i")
                .replace("User=seatsync-agent", "User=seatsync-%i")
                .replace("Directory=seatsync", "Directory=seatsync-%i")
                .replace("with the directory", "with the directory (%i)")
        })
        .collect();
    assert_eq!(lines("seatsync@.service"), first);
}
