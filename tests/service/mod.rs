//! The agent as a service on a booted machine, set up as the README says, against a domain of the test.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use crate::ad::{Ad, BASE, person};
use crate::booted::Machine;
use serde_json::Value;

/// The packaged configuration, and what belongs to it.
pub const CONFIG: &str = "/etc/seatsync/seatsync.toml";
/// Where the password is.
pub const PASSWORD_FILE: &str = "/etc/seatsync/ldap-password";
/// Of the account that the packaged configuration names.
pub const PASSWORD: &str = "Seat.Passw0rd1";
/// `"Seat.Passw0rd1"`, quoted and in UTF-16, as Active Directory takes it.
const PASSWORD_AS_SET: &str = "IgBTAGUAYQB0AC4AUABhAHMAcwB3ADAAcgBkADEAIgA=";

/// What the README asks of the administrator of the domain: an account that reads, and the two groups with people.
pub fn arrange(ad: &Ad) {
    ad.modify(&format!(
        "dn: {}\nchangetype: add\nobjectClass: user\nsAMAccountName: svc-seatsync\nuserAccountControl: 512\n\
         unicodePwd:: {PASSWORD_AS_SET}\n",
        person("svc-seatsync")
    ));
    ad.add_group("Chime Pro", &["alice", "leaver"]);
    ad.add_group("Chime Plus", &["mover"]);
}

/// What the README asks of whoever installs: the password, whom to trust, and two lines.
pub fn configure(machine: &Machine, ad: &Ad) {
    machine.write(PASSWORD_FILE, 0o600, PASSWORD);
    trust(machine, ad);
    edit_two_lines(machine, CONFIG, ad);
}

/// Puts the authority of the domain among those that the system trusts.
pub fn trust(machine: &Machine, ad: &Ad) {
    let authority = std::fs::read_to_string(ad.ca()).unwrap();
    machine.write("/usr/local/share/ca-certificates/corp.crt", 0o644, &authority);
    machine.must(&["update-ca-certificates"]);
}

/// The lines that are marked EDIT, and no other.
pub fn edit_two_lines(machine: &Machine, config: &str, ad: &Ad) {
    let text = machine.must(&["cat", config]);
    assert_eq!(text.lines().filter(|line| line.contains("# EDIT")).count(), 2, "{text}");
    machine.edit(config, "[\"ldaps://dc1.corp.example\", \"ldaps://dc2.corp.example\"]", &format!("[{:?}]", ad.url()));
    machine.edit(config, "\"DC=corp,DC=example\" ", &format!("{BASE:?}"));
}

/// The seats as `seatsync accounts list` tells them, as `ADDRESS TIER STATUS`.
#[track_caller]
pub fn seats(machine: &Machine) -> Vec<String> {
    let list: Value = serde_json::from_str(&machine.must(&["seatsync", "accounts", "list", "--json"])).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let users = list["users"].as_array().unwrap().iter();
    let mut seats: Vec<String> =
        users.map(|user| [&user["email"], &user["tier"], &user["status"]].map(text).join(" ")).collect();
    seats.sort();
    seats
}

/// The unit.
pub const UNIT: &str = "seatsync";
/// A schedule that no test lives to see: passes happen on demand.
pub const NEVER: &str = "@yearly";

/// Writes when passes are started, without jitter.
pub fn schedule(machine: &Machine, config: &str, sync: &str) {
    machine.edit(config, "sync  = \"*/5 * * * *\"", &format!("sync  = {sync:?}"));
    machine.edit(config, "# jitter   = \"20s\"", "jitter   = \"0s\"");
}

/// A pass now.
pub fn poke(machine: &Machine, unit: &str) {
    machine.must(&["systemctl", "kill", "-s", "USR1", "--kill-whom=main", unit]);
}

/// Waits until the account store is as wanted.
#[track_caller]
pub fn wait_for_seats(machine: &Machine, wanted: &[&str]) {
    crate::booted::wait_for(&format!("{wanted:?}"), crate::booted::DEADLINE, || {
        (seats(machine) == wanted).then_some(())
    });
}
