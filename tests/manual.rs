//! The manual pages and completions that packages bring.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A day, so that pages have a date.
const SOME_DAY_S: &str = "1795348800";

fn generated() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_seatsync"))
        .args(["generate", "--out"])
        .arg(folder.path())
        .env("SOURCE_DATE_EPOCH", SOME_DAY_S)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_page_is_well_formed() {
    let generated = generated();
    let pages =
        [files(&generated.path().join("man")), files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("man"))].concat();
    assert!(pages.len() > 50, "{pages:?}");
    let output = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).args(&pages).output();
    let output = output.expect("mandoc is installed");
    assert_eq!(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()), "");
}

#[test]
fn every_command_has_its_page_and_the_hidden_one_has_none() {
    let generated = generated();
    let names: Vec<String> = files(&generated.path().join("man"))
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    for page in ["seatsync.1", "seatsync-sync.1", "seatsync-accounts-list.1", "seatstore.1", "seatstore-key-new.1"] {
        assert!(names.iter().any(|name| name == page), "{page} is not in {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("generate") || name.contains("help")), "{names:?}");
    for completions in files(&generated.path().join("completions")) {
        let text = fs::read_to_string(&completions).unwrap();
        assert!(!text.is_empty() && !text.contains("generate"), "{}", completions.display());
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_seatsync")).args(["generate", "--out", "/dev/null/x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/dev/null/x"), "{output:?}");
}
