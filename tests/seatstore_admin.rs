//! `seatstore` at a running server: the same commands, the same answers, the same refusals.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod seatstore;

use seatstore::{Server, letters};
use serde_json::{Value, json};
use std::io::{Read, Write};
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

/// Documents without what differs from run to run: ids, times, who asked, and how far the letters are that a server sends
/// beside.
fn settled(mut document: Value) -> Value {
    match &mut document {
        Value::Object(members) => {
            members.remove("mail");
            for (name, value) in members.iter_mut() {
                let is_own = ["id", "at", "by", "number"].contains(&name.as_str()) || name.ends_with("_at");
                *value = if is_own { Value::Null } else { settled(value.take()) };
            }
        }
        Value::Array(items) => {
            items.retain(|item| item["operation"] != "SendInvitation");
            items.iter_mut().for_each(|item| *item = settled(item.take()));
            // The users of one operation stand in the order of their ids.
            items.sort_by_key(|item| item["email"].as_str().map(str::to_owned));
        }
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
        assert_eq!(on_files.len(), asked.len());
        for (on_files, asked) in on_files.iter().zip(asked) {
            assert_eq!(settled(on_files.clone()), settled(asked));
        }
    }
}

/// Who holds the book is found out by trying: nobody says whether a server runs.
#[test]
fn a_running_server_is_found_by_its_configuration() {
    for mut server in [Server::new(), Server::with_tls()] {
        server.run(&["account", "create", "Corp", "--id", "corp"]);
        server.resume();
        // As it would be with a port of its own choice.
        let toml = std::fs::read_to_string(server.path("seatstore.toml")).unwrap();
        let found = server.path("found.toml");
        std::fs::write(&found, toml.replace("127.0.0.1:0", &server.address().to_string())).unwrap();
        let run = |arguments: &[&str]| {
            let mut command = server.command(&["-c", found.to_str().unwrap()]);
            let output = command.args(arguments).env_remove("SEATSTORE_ENDPOINT").output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        assert!(run(&["account", "show"]).contains("corp"));
        run(&["account", "rename", "corp", "Found"]);
        assert!(run(&["account", "list"]).contains("Found"));
        let log: Value = serde_json::from_str(&run(&["audit", "--max", "1", "--json"])).unwrap();
        assert_eq!(log["entries"][0]["by"], server.key().id.as_str());
        assert!(run(&["check"]).contains("all is well"));
        server.stop();
        let account = server.run(&["account", "show"]);
        assert_eq!(account["name"], "Found", "and the files, once it is gone");
    }
}

#[test]
fn commands_on_the_files_wait_for_each_other() {
    let server = Server::new();
    server.run(&["account", "create", "Corp"]);
    std::thread::scope(|scope| {
        for number in 0..6 {
            let server = &server;
            scope.spawn(move || server.run(&["user", "invite", &format!("p{number}@corp.test")]));
        }
    });
    assert_eq!(server.run(&["user", "list"])["users"].as_array().unwrap().len(), 6);
}

#[test]
fn whoever_is_invited_through_the_server_gets_a_letter() {
    let server = Server::start();
    server.run(&["account", "create", "Corp"]);
    server.run(&["user", "invite", "ada@corp.test"]);
    let link = server.run(&["user", "link", "ada@corp.test"])["url"].as_str().unwrap().to_owned();
    assert!(link.starts_with("https://seats.corp.test/invitations/"), "{link}");
    let deadline = Instant::now() + LETTER_DEADLINE;
    while letters(&server.spool()).is_empty() {
        assert!(Instant::now() < deadline, "no letter was written\n{}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(letters(&server.spool()).len(), 1);
}

#[test]
fn the_link_of_an_invitation_stands_in_no_log_and_leaves_an_entry() {
    let mut server = Server::configured("", "[log]\nlevel = \"debug\"\n");
    server.resume();
    server.run(&["account", "create", "Corp", "--id", "corp"]);
    server.run(&["user", "invite", "ada@corp.test"]);
    let link = server.run(&["user", "link", "ada@corp.test"])["url"].as_str().unwrap().to_owned();
    let path = link.strip_prefix("https://seats.corp.test").unwrap();
    let mut connection = std::net::TcpStream::connect(server.address()).unwrap();
    write!(connection, "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("Your invitation is accepted."), "{answer}");
    let log = server.run(&["audit", "--account", "corp"]);
    let entries = log["entries"].as_array().unwrap();
    let accepted = entries.iter().find(|entry| entry["operation"] == "AcceptInvitation").unwrap();
    assert_eq!(accepted["by"], "seatstore:invitation");
    assert_eq!(accepted["changes"][0]["email"], "ada@corp.test");
    let told = server.log();
    assert!(told.contains("/invitations/"), "{told}");
    for secret in [path.rsplit('/').next().unwrap(), "ada@corp.test", server.key().secret.as_str()] {
        assert!(!told.contains(secret), "{told}");
    }
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
    server.run(&["account", "create", "Corp", "--id", "corp"]);
    let scoped = server.new_key(&["--account", "corp"]);
    let read = server.new_key(&["--read-only"]);
    server.resume();
    server.run(&["account", "create", "Other", "--id", "other"]);
    server.run(&["account", "show", "corp", "--key", &scoped.id]);
    server.run(&["user", "--account", "corp", "invite", "ada@corp.test", "--key", &scoped.id]);
    for looking in [
        &["account", "list"][..],
        &["account", "show", "corp"],
        &["domain", "--account", "corp", "list"],
        &["user", "--account", "corp", "list"],
        &["user", "--account", "corp", "show", "ada@corp.test"],
        &["audit", "--account", "corp"],
        &["sign-in", "ada@corp.test"],
    ] {
        server.run(&[looking, &["--key", &read.id]].concat());
    }
    for arguments in [
        &["account", "show", "other", "--key", &scoped.id][..],
        &["account", "create", "More", "--key", &scoped.id],
        &["account", "rename", "corp", "X", "--key", &read.id],
        // Who has the link of an invitation can accept it.
        &["user", "--account", "corp", "link", "ada@corp.test", "--key", &read.id],
        &["audit", "--key", &scoped.id],
    ] {
        let (stdout, stderr) = ends(&server, 1, arguments);
        assert_eq!(stdout, "");
        assert!(stderr.contains("(AccessDenied)"), "{arguments:?}: {stderr}");
    }
    assert!(server.log().contains("not admitted: key may only read"), "{}", server.log());
    assert!(server.log().contains("not admitted: key is for other accounts"), "{}", server.log());
    let (_, stderr) = ends(&server, 1, &["account", "list", "--key", "SEAT0000000000000000"]);
    assert!(stderr.contains("there is no key SEAT0000000000000000"), "{stderr}");
    let (_, stderr) = ends(&server, 1, &["account", "create", "Dir", "--kind", "EnterpriseDirectory"]);
    assert!(stderr.contains("a server is running: stop it"), "{stderr}");
}

#[test]
fn a_second_server_leaves_the_first_alone() {
    let server = Server::start();
    // A letter that is just being written.
    let letter = server.spool().join(".unfinished-letter");
    std::fs::write(&letter, "To: ada@corp.test").unwrap();
    let (_, stderr) = ends(&server, 1, &["serve"]);
    assert!(stderr.contains("is in use by process"), "{stderr}");
    assert!(letter.exists());
    server.run(&["account", "list"]);
}

/// Large bodies of nobody in particular, all at the same time: 200 MB.
#[test]
fn who_has_no_key_takes_little_memory_and_keeps_nobody_out() {
    const CLIENTS: usize = 200;
    const BODY_BYTES: usize = 1024 * 1024;
    const MEMORY_KB_MAX: u64 = 160 * 1024;
    let server = Server::start();
    let send = |address| {
        let mut client = std::net::TcpStream::connect(address).unwrap();
        client.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        write!(client, "POST /accounts HTTP/1.1\r\nHost: x\r\nContent-Length: {BODY_BYTES}\r\n\r\n").unwrap();
        // Without its last byte; what is not taken stays unsent.
        let _ = client.write_all(&vec![b'x'; BODY_BYTES - 1]);
        client
    };
    let clients: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| send(server.address()))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    server.run(&["account", "create", "Corp", "--id", "corp"]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process_id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
    assert!(peak.parse::<u64>().unwrap() < MEMORY_KB_MAX, "{peak} kB");
    assert_eq!(clients.len(), CLIENTS);
}

#[test]
fn a_certificate_that_expired_is_told_of() {
    let mut server = Server::with_tls();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    std::fs::write(server.path("seatstore.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(server.path("seatstore.key"), key.serialize_pem()).unwrap();
    server.resume();
    assert!(server.log().contains("the certificate expired at 2021-01-01"), "{}", server.log());
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
