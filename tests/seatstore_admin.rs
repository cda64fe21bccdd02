//! `seatstore` at a running server: the same commands, the same answers, the same refusals.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod seatstore;

use seatstore::{Server, letters};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// For a letter to be written.
const LETTER_DEADLINE: Duration = Duration::from_secs(30);

/// Runs a command that must end with this status; gives what it printed on stdout and on stderr.
#[track_caller]
fn ends(server: &Server, code: i32, arguments: &[&str]) -> (String, String) {
    let output = server.command(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

/// Documents without what differs from run to run.
fn settled(mut document: Value) -> Value {
    match &mut document {
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                let is_own = ["id", "at", "by", "number"].contains(&name.as_str()) || name.ends_with("_at");
                *value = if is_own { Value::Null } else { settled(value.take()) };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = settled(item.take())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    document
}

/// A day of an administrator; what was answered.
fn day(server: &Server) -> Vec<Value> {
    let mut answers: Vec<Value> = [
        &["account", "create", "Corp", "--id", "corp"][..],
        &["account", "support", "corp", "Gold"],
        &["user", "invite", "ada@corp.test", "bob@corp.test"],
        &["user", "accept", "ada@corp.test"],
        &["user", "assign", "Gold", "ada@corp.test"],
        &["user", "rename", "ada@corp.test", "ada.l@corp.test"],
        &["user", "sign-out", "ada.l@corp.test"],
        &["user", "withdraw", "bob@corp.test"],
        &["user", "list"],
        &["account", "show"],
        &["account", "list"],
        &["sign-in", "ada.l@corp.test"],
        &["audit", "--account", "corp"],
    ]
    .into_iter()
    .map(|arguments| server.run(arguments))
    .collect();
    for arguments in [
        &["user", "show", "nobody@corp.test"][..],
        &["user", "suspend", "ada.l@corp.test"],
        &["account", "delete", "corp"],
        &["account", "create", "Again", "--id", "corp"],
        &["domain", "verify", "corp.test"],
        &["domain", "release", "corp.test"],
        &["account", "kind", "corp", "Guild"],
    ] {
        let output = server.command(arguments).output().unwrap();
        let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        // The id of who was asked stands in some tables.
        let said = String::from_utf8(said).unwrap();
        let words: Vec<&str> = said.split_whitespace().filter(|word| word.matches('-').count() != 4).collect();
        answers.push(json!({"arguments": arguments, "code": output.status.code(), "said": words.join(" ")}));
    }
    answers
}

#[test]
fn the_server_and_the_files_answer_alike() {
    let on_files = day(&Server::new());
    for mut server in [Server::new(), Server::with_tls()] {
        server.resume();
        let asked = day(&server);
        for (file, asked) in on_files.iter().zip(asked) {
            // How far a letter is depends on how fast the server sends it.
            let unsent = |value: &Value| settled(value.clone()).to_string().replace("\"sent\"", "\"due\"");
            assert_eq!(unsent(file).replace("Due", ""), unsent(&asked).replace("Due", "").replace("Sent", ""));
        }
    }
}

#[test]
fn whoever_is_invited_through_the_server_gets_a_letter() {
    let server = Server::start();
    server.run(&["account", "create", "Corp"]);
    server.run(&["user", "invite", "ada@corp.test"]);
    let link = server.run(&["user", "link", "ada@corp.test"])["url"].as_str().unwrap().to_owned();
    assert!(link.starts_with("http://seats.corp.test/invitations/"), "{link}");
    let deadline = Instant::now() + LETTER_DEADLINE;
    while letters(&server.spool()).is_empty() {
        assert!(Instant::now() < deadline, "no letter was written\n{}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(letters(&server.spool()).len(), 1);
}

#[test]
fn a_command_names_the_key_that_gave_it() {
    let server = Server::start();
    server.run(&["account", "create", "Corp", "--id", "corp"]);
    let log = server.run(&["audit", "--account", "corp"]);
    assert_eq!(log["entries"][0]["by"], server.key().id.as_str());
}

#[test]
fn a_key_goes_as_far_as_it_was_made_for() {
    let mut server = Server::new();
    let scoped = server.new_key(&["--account", "corp"]);
    let read = server.new_key(&["--read-only"]);
    server.resume();
    server.run(&["account", "create", "Corp", "--id", "corp"]);
    server.run(&["account", "create", "Other", "--id", "other"]);
    server.run(&["account", "show", "corp", "--key", &scoped.id]);
    for arguments in [
        &["account", "show", "other", "--key", &scoped.id][..],
        &["account", "create", "More", "--key", &scoped.id],
        &["account", "rename", "corp", "X", "--key", &read.id],
    ] {
        let (stdout, stderr) = ends(&server, 1, arguments);
        assert_eq!(stdout, "");
        assert!(stderr.contains("(AccessDenied)"), "{arguments:?}: {stderr}");
    }
    let (_, stderr) = ends(&server, 1, &["account", "list", "--key", "SEAT0000000000000000"]);
    assert!(stderr.contains("there is no key SEAT0000000000000000"), "{stderr}");
    let (_, stderr) = ends(&server, 1, &["account", "create", "Dir", "--kind", "EnterpriseDirectory"]);
    assert!(stderr.contains("a server is running: stop it"), "{stderr}");
}

#[test]
fn another_certificate_than_its_own_is_not_trusted() {
    let mut server = Server::with_tls();
    server.resume();
    server.run(&["account", "list"]);
    let other = Server::with_tls();
    let certificate = server.path("seatstore.pem");
    let (_, stderr) = {
        let own = std::fs::read(&certificate).unwrap();
        std::fs::copy(other.path("seatstore.pem"), &certificate).unwrap();
        let ended = ends(&server, 1, &["account", "list"]);
        std::fs::write(&certificate, own).unwrap();
        ended
    };
    assert!(stderr.contains("no connection to https://127.0.0.1:"), "{stderr}");
    // Whom its authority vouches for is trusted, if that is wished.
    let ca = server.path("ca.pem");
    server.run(&["account", "list", "--ca-file", ca.to_str().unwrap()]);
    let ca = other.path("ca.pem");
    ends(&server, 1, &["account", "list", "--ca-file", ca.to_str().unwrap()]);
}
