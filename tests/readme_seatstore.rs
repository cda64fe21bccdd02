//! The README's section on `seatstore`, followed word for word: its shell block, with the real AWS CLI.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod python;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// More lines than this are not "in under ten lines".
const LINES_MAX: usize = 9;

/// The block that begins with the build of all of it.
fn block() -> Vec<String> {
    let readme = include_str!("../README.md");
    let section = readme.split_once("## The account store as a server").expect("the section").1;
    let block = section.split_once("```sh\n").expect("a block").1.split_once("```").expect("its end").0;
    block.lines().map(str::to_owned).collect()
}

/// A copy of the folder `config`, with a port that is free.
fn reader(port: u16) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    fs::create_dir(&config).unwrap();
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/config")).unwrap() {
        let file = file.unwrap().path();
        if let Ok(text) = fs::read_to_string(&file) {
            fs::write(config.join(file.file_name().unwrap()), text.replace(":8790", &format!(":{port}"))).unwrap();
        }
    }
    folder
}

fn programs() -> String {
    let ours = Path::new(env!("CARGO_BIN_EXE_seatstore")).parent().unwrap().to_owned();
    let aws = PathBuf::from(python::aws().get_program()).parent().unwrap().to_owned();
    format!("{}:{}:{}", ours.display(), aws.display(), std::env::var("PATH").unwrap())
}

#[test]
fn alice_has_pro_and_bob_is_suspended_in_under_ten_lines() {
    let lines = block();
    assert!(lines.len() <= LINES_MAX, "{} lines", lines.len());
    let build = "cargo build --release && export PATH=\"$PWD/target/release:$PATH\" ";
    assert!(lines[0].starts_with(build), "{}", lines[0]);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = reader(port);
    // As a reader pastes it, but for the build, which has been made, and the port; and the server ends with the shell.
    let script = lines.join("\n").replacen(build, "export ", 1).replace(":8790", &format!(":{port}"));
    let script = format!("set -e\ntrap 'kill $(jobs -p) && wait' EXIT\n{script}");
    let ended = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", programs())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{out}\n{err}");
    for line in [
        "alice@corp.example\tPro\tRegistered",
        "bob@corp.example\tPlus\tSuspended",
        "carol@corp.example\tPlus\tRegistered",
    ] {
        assert!(out.lines().any(|each| each == line), "{line:?} is not in\n{out}\n{err}");
    }
}

#[test]
fn the_server_starts_with_one_command_on_a_fresh_machine() {
    let folder = reader(0);
    let mut serve = Command::new(env!("CARGO_BIN_EXE_seatstore"))
        .args(["serve", "-c", "config/seatstore.toml"])
        .current_dir(folder.path())
        .env_remove("SEATSTORE_CONFIG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    // Ends with the first line, or with the process.
    BufReader::new(serve.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
    let stopped = Command::new("kill").args(["-TERM", &serve.id().to_string()]).status().unwrap();
    let ended = serve.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ready.starts_with("seatstore: listening on http://127.0.0.1:"), "{ready}\n{told}");
    assert!(stopped.success() && ended.status.success(), "{told}");
    assert!(told.contains("nobody may ask: seatstore key new"), "{told}");
}
