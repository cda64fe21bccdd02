//! The units of `systemd/`, read by systemd itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::Command;

/// `systemd-analyze verify` prints a line and exits 0 for an unknown key: silence is what counts.
#[test]
fn the_units_are_understood_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")).unwrap() {
        let entry = entry.unwrap();
        // The binary is where the build put it, not where a package will.
        let text =
            fs::read_to_string(entry.path()).unwrap().replace("/usr/bin/seatsync", env!("CARGO_BIN_EXE_seatsync"));
        let copy = folder.path().join(entry.file_name());
        fs::write(&copy, text).unwrap();
        files.push(copy);
    }
    assert!(!files.is_empty());
    let output =
        Command::new("systemd-analyze").arg("verify").args(&files).output().expect("systemd-analyze is installed");
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&said), "");
    assert!(output.status.success());
}

/// 1.5 of 10 at most, where 10 is a process that may do anything.
#[test]
fn the_service_can_do_little() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/seatsync-sync.service");
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=15", "--no-pager"])
        .arg(unit)
        .output()
        .expect("systemd-analyze is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
