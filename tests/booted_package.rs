//! The Debian package in a booted systemd: what is there after it was installed, how the account store runs as a service,
//! and what is left after an upgrade, a removal and a purge.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod booted;
mod loopback;

use booted::{Machine, package};
use loopback::Loopback;
use std::process::Command;

/// Higher than any version of the program.
const NEXT_VERSION: &str = "99.0.0";

/// The units that the package brings.
const UNITS: [&str; 5] =
    ["seatstore.service", "seatsync-sync.service", "seatsync-sync.timer", "seatsync.service", "seatsync@.service"];

/// Has the server listen where no other machine's does: they all share one network.
fn listen_apart(machine: &Machine) -> Loopback {
    let loopback = Loopback::claim();
    let address = format!("\"{}:8790\"", loopback.address());
    machine.edit("/etc/seatstore/seatstore.toml", "\"127.0.0.1:8790\"", &address);
    loopback
}

#[test]
fn all_is_there_and_nothing_is_started() {
    let machine = Machine::with_package();
    let files = machine.must(&["systemctl", "list-unit-files", "--no-legend", "seat*"]);
    let names: Vec<&str> = files.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(
        {
            let mut names = names;
            names.sort_unstable();
            names
        },
        UNITS
    );
    assert!(files.lines().all(|line| line.contains(" disabled ") || line.contains(" static ")), "{files}");
    assert_eq!(machine.must(&["systemctl", "list-units", "--all", "--no-legend", "seat*"]), "");
    machine.must(&["getent", "group", "seatsync", "seatstore"]);

    for page in ["seatsync", "seatsync-sync", "seatstore", "seatstore-key-new", "seatsync.toml", "seatstore.toml"] {
        machine.must(&["man", "--where", page]);
    }
    let page = machine.sh("MANWIDTH=100 man seatsync");
    assert!(page.contains("Exit status:") && page.contains("78  configuration"), "{page}");
    let completed = machine.must(&[
        "bash",
        "-c",
        ". /usr/share/bash-completion/completions/seatsync; COMP_WORDS=(seatsync his); COMP_CWORD=1; \
         _seatsync seatsync his seatsync; echo ${COMPREPLY[*]}",
    ]);
    assert_eq!(completed.trim(), "history");
    for file in
        ["zsh/vendor-completions/_seatsync", "fish/vendor_completions.d/seatstore.fish", "doc/seatsync/README.md"]
    {
        assert!(machine.exists(&format!("/usr/share/{file}")), "{file}");
    }
    // What is hidden is hidden here too.
    machine.sh(
        "! grep -rl generate /usr/share/bash-completion/completions/seatsync /usr/share/zsh/vendor-completions/_seat*",
    );

    // The service may read the configuration; the keys are for the group alone.
    let modes = machine.must(&[
        "stat",
        "-c",
        "%n %a %U %G",
        "/etc/seatsync",
        "/etc/seatsync/seatsync.toml",
        "/etc/seatstore",
        "/etc/seatstore/keys.toml",
    ]);
    insta::assert_snapshot!(modes, @r"
    /etc/seatsync 755 root root
    /etc/seatsync/seatsync.toml 644 root root
    /etc/seatstore 2755 root seatstore
    /etc/seatstore/keys.toml 640 root seatstore
    ");
    assert!(machine.must(&["seatsync", "--version"]).contains(env!("CARGO_PKG_VERSION")));
}

/// Of the operating system, a program needs the C library and what the compiler puts around it, and nothing else.
#[test]
fn the_programs_need_the_c_library_alone() {
    for program in [env!("CARGO_BIN_EXE_seatsync"), env!("CARGO_BIN_EXE_seatstore")] {
        let output = Command::new("readelf").args(["-d", program]).output().expect("readelf (package binutils)");
        let text = String::from_utf8(output.stdout).unwrap();
        let needed: Vec<&str> = text.lines().filter(|line| line.contains("(NEEDED)")).collect();
        assert!(!needed.is_empty(), "{text}");
        for line in needed {
            let known = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"];
            assert!(known.iter().any(|name| line.contains(&format!("[{name}]"))), "{line}");
        }
    }
}

#[test]
fn the_account_store_is_a_service_from_the_first_minute() {
    let machine = Machine::with_package();
    let loopback = listen_apart(&machine);
    machine.must(&["systemctl", "start", "seatstore"]);
    assert_eq!(machine.show("seatstore", "StatusText"), format!("listening on http://{}:8790", loopback.address()));

    // Keys are made by root while it runs, and taken in by a reload.
    machine.must(&["seatstore", "key", "new"]);
    machine.must(&["systemctl", "reload", "seatstore"]);
    machine.wait_journal("seatstore", "keys=1");
    machine.must(&["seatstore", "account", "create", "Corp", "--id", "corp"]);
    assert!(machine.must(&["seatstore", "account", "list"]).contains("Corp"));

    // Killed, it comes back with what it knew.
    let before = machine.show("seatstore", "MainPID");
    machine.must(&["systemctl", "kill", "-s", "KILL", "--kill-whom=main", "seatstore"]);
    machine.wait("seatstore", "NRestarts", |restarts| restarts == "1");
    machine.wait_active("seatstore", "active");
    assert_ne!(machine.show("seatstore", "MainPID"), before);
    assert!(machine.must(&["seatstore", "account", "list"]).contains("Corp"));

    // A reload that finds nonsense says so, and changes nothing.
    let keys = machine.must(&["cat", "/etc/seatstore/keys.toml"]);
    machine.sh("echo nonsense >>/etc/seatstore/keys.toml");
    machine.must(&["systemctl", "reload", "seatstore"]);
    machine.wait("seatstore", "StatusText", |status| status.contains("the last reload failed"));
    machine.sh("sed -i /nonsense/d /etc/seatstore/keys.toml");
    assert_eq!(machine.must(&["cat", "/etc/seatstore/keys.toml"]), keys);
    machine.must(&["systemctl", "reload", "seatstore"]);
    machine.wait("seatstore", "StatusText", |status| !status.contains("failed"));

    machine.must(&["systemctl", "stop", "seatstore"]);
    assert_eq!(machine.show("seatstore", "Result"), "success");
    // What root does to the files of the stopped server does not lock the server out.
    machine.must(&[
        "seatstore",
        "account",
        "create",
        "Corner",
        "--id",
        "corner",
        "--kind",
        "EnterpriseDirectory",
        "--domain",
        "corner.example",
    ]);
    machine.must(&["systemctl", "start", "seatstore"]);
    assert!(machine.must(&["seatstore", "account", "list"]).contains("Corner"));
    assert_eq!(machine.sh("find /var/lib/private/seatstore -user root"), "");
    let journal = machine.journal("seatstore");
    assert_eq!(
        journal.lines().filter(|line| line.contains(" ERROR ") && !line.contains("not read again")).count(),
        0,
        "{journal}"
    );
}

#[test]
fn a_bad_configuration_is_told_once_and_not_tried_again() {
    let machine = Machine::with_package();
    machine.edit("/etc/seatstore/seatstore.toml", "address = \"127.0.0.1:8790\"", "adress = \"127.0.0.1:8790\"");
    assert_ne!(machine.run(&["systemctl", "start", "seatstore"]).code, 0);
    machine.wait_active("seatstore", "failed");
    assert_eq!(machine.show("seatstore", "ExecMainStatus"), "78");
    assert_eq!(machine.show("seatstore", "NRestarts"), "0");
    assert!(machine.journal("seatstore").contains("did you mean `address`?"), "{}", machine.journal("seatstore"));
}

#[test]
fn an_upgrade_keeps_all_a_removal_what_is_yours_and_a_purge_nothing() {
    let next = package(Some(NEXT_VERSION));
    let machine = Machine::with_package();
    let _loopback = listen_apart(&machine);
    machine.must(&["systemctl", "enable", "--now", "seatstore"]);
    machine.must(&["seatstore", "key", "new"]);
    machine.must(&["systemctl", "reload", "seatstore"]);
    machine.must(&["seatstore", "account", "create", "Corp", "--id", "corp"]);
    let before = machine.show("seatstore", "MainPID");

    // What runs is restarted; the edited configuration stays, the other services stay as they were.
    machine.install(&next);
    assert_eq!(machine.must(&["dpkg-query", "-W", "-f", "${Version}", "seatsync"]), NEXT_VERSION);
    machine.wait_active("seatstore", "active");
    assert_ne!(machine.show("seatstore", "MainPID"), before);
    assert!(machine.must(&["seatstore", "account", "list"]).contains("Corp"));
    assert_eq!(machine.show("seatstore", "UnitFileState"), "enabled");
    assert_eq!(machine.show("seatsync", "ActiveState"), "inactive");
    assert_eq!(machine.show("seatsync", "UnitFileState"), "disabled");

    // Removed: stopped, and what is the operator's stays.
    machine.write("/etc/seatsync/emea.toml", 0o644, "# an instance\n");
    machine.sh("mkdir -p /var/lib/private/seatsync-emea /var/lib/private/seatsync; ln -s private/seatsync-emea /var/lib/seatsync-emea");
    machine.apt(&["remove", "seatsync"]);
    assert_eq!(machine.run(&["systemctl", "is-active", "seatstore"]).stdout.trim(), "inactive");
    assert!(!machine.exists("/usr/bin/seatstore"));
    for kept in [
        "/etc/seatstore/seatstore.toml",
        "/etc/seatstore/keys.toml",
        "/etc/seatsync/emea.toml",
        "/var/lib/private/seatstore/book",
    ] {
        assert!(machine.exists(kept), "{kept}");
    }
    // Installed again, all is as it was.
    machine.install(&next);
    machine.must(&["systemctl", "start", "seatstore"]);
    assert!(machine.must(&["seatstore", "account", "list"]).contains("Corp"));

    // Purged: nothing is left but the groups, whose numbers nobody else shall get.
    machine.apt(&["purge", "seatsync"]);
    let left = machine.sh("find / -xdev -name '*seatsync*' -o -xdev -name '*seatstore*' | grep -vE '^/(packages|proc|sys|run/systemd|run/log|tmp|var/log|var/cache/man|dev)' || true");
    assert_eq!(left, "");
    machine.must(&["getent", "group", "seatsync", "seatstore"]);
}
