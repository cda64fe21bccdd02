//! The agent by the clock, without a process between two passes: `seatsync-sync.timer` in a booted systemd, with the package
//! installed and the packaged configuration, against a real Active Directory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ad;
mod booted;
mod loopback;
mod service;
mod site;

use ad::Ad;
use booted::Machine;
use service::{PASSWORD, PASSWORD_FILE, arrange, configure, seats};

const ARRANGED: [&str; 3] = ["alice@ad.test pro active", "leaver@ad.test pro active", "mover@ad.test plus active"];

#[test]
fn two_lines_and_a_password_are_enough() {
    let ad = Ad::start();
    arrange(&ad);
    let machine = Machine::with_package();
    configure(&machine, &ad);

    // What root checks by hand has no credentials, and reads the file.
    let checked = machine.must(&["seatsync", "check"]);
    assert!(checked.contains("Chime Pro"), "{checked}");
    assert_eq!(machine.run(&["seatsync", "plan"]).code, 3);

    machine.must(&["systemctl", "start", "seatsync-sync"]);
    assert_eq!(seats(&machine), ARRANGED);
    // What root's commands left in the folder of the state is no obstacle to the next pass.
    ad.remove_from_group("Chime Pro", &["leaver"]);
    machine.must(&["systemctl", "start", "seatsync-sync"]);
    assert!(seats(&machine).contains(&"leaver@ad.test pro suspended".to_owned()));
    assert_eq!(machine.must(&["stat", "-c", "%a", "/var/lib/private/seatsync"]).trim(), "700");
    assert!(!machine.journal("seatsync-sync").contains(PASSWORD));
}

#[test]
fn the_timer_starts_passes() {
    let ad = Ad::start();
    arrange(&ad);
    let machine = Machine::with_package();
    configure(&machine, &ad);
    machine.write(
        "/etc/systemd/system/seatsync-sync.timer.d/test.conf",
        0o644,
        "[Timer]\nOnBootSec=\nOnCalendar=\nOnCalendar=*:*:0/2\nRandomizedDelaySec=0\nAccuracySec=1ms\n",
    );
    machine.must(&["systemctl", "daemon-reload"]);
    machine.must(&["systemctl", "enable", "--now", "seatsync-sync.timer"]);
    machine.wait_journal("seatsync-sync", "Finished");
    machine.must(&["systemctl", "stop", "seatsync-sync.timer", "seatsync-sync.service"]);
    assert_eq!(seats(&machine), ARRANGED);
}

/// At three in the morning the line in the journal must say which file to write.
#[test]
fn a_missing_password_is_told_with_the_file_that_should_hold_it() {
    let ad = Ad::start();
    let machine = Machine::with_package();
    configure(&machine, &ad);
    machine.must(&["rm", PASSWORD_FILE]);
    assert_ne!(machine.run(&["systemctl", "start", "seatsync-sync"]).code, 0);
    assert_eq!(machine.show("seatsync-sync", "ExecMainStatus"), "78");
    let journal = machine.journal("seatsync-sync");
    assert!(journal.contains("is empty") && journal.contains(PASSWORD_FILE), "{journal}");
}
