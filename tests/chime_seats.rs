//! The seat matrix, row by row: what an account of each kind can do for whom, with a real agent and a real server, with its
//! extensions and without. Every pass is held against the fewest requests that the contract allows.
//!
//! What the server holds in the end is read by boto3.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod dns;
mod proxy;
mod python;
mod seatstore;

use Wanted::{Nothing, Plus, Pro};
use chain::{Chain, Wanted, email};
use dns::DnsServer;
use seatstore::Server;
use std::ops::Range;

const STRICT: &str = "strict = true";

/// What all of a range hold: licence and registration status, or nothing where there is nobody.
#[track_caller]
fn assert_all(chain: &Chain, expected: &[(Range<usize>, &str)]) {
    let users = chain.users();
    for (range, held) in expected {
        for index in range.clone() {
            let found = users.get(&email(index)).map(|(licence, status)| format!("{licence} {status}"));
            assert_eq!(found.unwrap_or_default().trim(), *held, "{index} of {range:?}");
        }
    }
    let people: usize = expected.iter().filter(|(_, held)| !held.is_empty()).map(|(range, _)| range.len()).sum();
    assert_eq!(users.len(), people, "and nobody else");
}

#[test]
fn a_directory_account() {
    let mut chain = Chain::new("EnterpriseDirectory", 220);
    // Seated, vacant: created at once with the licence.
    chain.want(0..150, Plus);
    chain.want(150..170, Pro);
    chain.takes(&[("BatchCreateUser", 4)]);
    assert_all(&chain, &[(0..150, "Plus Registered"), (150..170, "Pro Registered")]);

    // Unseated, active: suspended.
    chain.want(0..110, Nothing);
    chain.takes(&[("BatchSuspendUser", 3)]);
    assert_all(&chain, &[(0..110, "Plus Suspended"), (110..150, "Plus Registered"), (150..170, "Pro Registered")]);

    // All at once, and no request more for it: 40 come back with what they had and 10 with another licence, 11 move, 9 go,
    // 50 come.
    chain.want(0..40, Plus);
    chain.want(40..50, Pro);
    chain.want(110..121, Pro);
    chain.want(121..130, Nothing);
    chain.want(170..220, Pro);
    chain.takes(&[("BatchUpdateUser", 2), ("BatchUnsuspendUser", 1), ("BatchSuspendUser", 1), ("BatchCreateUser", 1)]);
    assert_all(
        &chain,
        &[
            (0..40, "Plus Registered"),
            (40..50, "Pro Registered"),
            (50..110, "Plus Suspended"),
            (110..121, "Pro Registered"),
            (121..130, "Plus Suspended"),
            (130..150, "Plus Registered"),
            (150..220, "Pro Registered"),
        ],
    );
}

fn an_lwa_account(api: &str) {
    let mut chain = Chain::configured("EnterpriseLWA", 80, api);
    // Seated, vacant: nothing can be done before they register, and they start on the default licence.
    chain.want(0..45, Pro);
    chain.want(45..60, Plus);
    chain.takes(&[]);
    assert_all(&chain, &[]);
    chain.register(0..60);
    assert_all(&chain, &[(0..60, "Plus Registered")]);
    chain.takes(&[("BatchUpdateUser", 3)]);
    assert_all(&chain, &[(0..45, "Pro Registered"), (45..60, "Plus Registered")]);

    // Unseated, active: suspended.
    chain.want(0..44, Nothing);
    chain.want(45..55, Nothing);
    chain.takes(&[("BatchSuspendUser", 2)]);
    // Seated, suspended: activated, with another licence where that is due; and seated on another licence.
    chain.want(0..30, Pro);
    chain.want(30..44, Plus);
    chain.want(45..50, Plus);
    chain.want(55..59, Pro);
    chain.takes(&[("BatchUpdateUser", 1), ("BatchUnsuspendUser", 1)]);
    assert_all(
        &chain,
        &[
            (0..30, "Pro Registered"),
            (30..44, "Plus Registered"),
            (44..45, "Pro Registered"),
            (45..50, "Plus Registered"),
            (50..55, "Plus Suspended"),
            (55..59, "Pro Registered"),
            (59..60, "Plus Registered"),
        ],
    );
}

#[test]
fn an_lwa_account_with_extensions() {
    an_lwa_account("");
}

#[test]
fn an_lwa_account_as_the_original() {
    an_lwa_account(STRICT);
}

fn a_team_account(api: &str) {
    let mut chain = Chain::configured("Team", 120, api);
    // Seated, vacant: invited by e-mail.
    chain.want(0..50, Pro);
    chain.want(50..110, Plus);
    chain.takes(&[("InviteUsers", 3)]);
    assert_all(&chain, &[(0..110, "Unregistered")]);
    // Unseated, invited: withdrawn.
    chain.want(100..110, Nothing);
    chain.takes(&[("BatchSuspendUser", 1)]);
    assert_all(&chain, &[(0..100, "Unregistered")]);
    // Accepted: they start on the default licence, and then get theirs.
    chain.accept(0..45);
    chain.accept(50..95);
    chain.takes(&[("BatchUpdateUser", 3)]);
    assert_all(
        &chain,
        &[(0..45, "Pro Registered"), (45..50, "Unregistered"), (50..95, "Plus Registered"), (95..100, "Unregistered")],
    );

    // Unseated, active and invited: removed. Seated on another licence: moved.
    chain.want(0..40, Nothing);
    chain.want(95..100, Nothing);
    chain.want(50..70, Pro);
    chain.takes(&[("BatchSuspendUser", 1), ("BatchUpdateUser", 1)]);
    // Seated again: invited again.
    chain.want(0..10, Plus);
    chain.takes(&[("InviteUsers", 1)]);
    assert_all(
        &chain,
        &[
            (0..10, "Unregistered"),
            (10..40, ""),
            (40..45, "Pro Registered"),
            (45..50, "Unregistered"),
            (50..70, "Pro Registered"),
            (70..95, "Plus Registered"),
        ],
    );
}

#[test]
fn a_team_account_with_extensions() {
    a_team_account("");
}

#[test]
fn a_team_account_as_the_original() {
    a_team_account(STRICT);
}

/// A team becomes an LWA account, and that one a directory account, while its agent goes on: whoever was invited can still
/// come, and whoever goes is suspended from then on.
#[test]
fn an_account_that_becomes_another_kind() {
    let dns = DnsServer::start();
    let server = Server::configured("", &format!("[domains]\nresolvers = [\"{}\"]\n", dns.address()));
    let mut chain = Chain::on(server, "Team", 8);
    chain.want(0..6, Pro);
    chain.want(6..8, Plus);
    chain.takes(&[("InviteUsers", 1)]);
    chain.accept(0..2);
    chain.takes(&[("BatchUpdateUser", 1)]);
    let domain = |command: &str| chain.server.run(&["domain", "--account", &chain.account, command, "corp.test"]);
    let record = domain("claim")["record"].as_str().expect("what the DNS has to show").to_owned();
    dns.set_txt("corp.test", vec![record]);
    domain("verify");
    chain.want(1..2, Nothing);
    chain.want(5..6, Nothing);
    chain.takes(&[("BatchSuspendUser", 1)]);
    chain.register(2..3);
    chain.accept(3..4);
    chain.takes(&[("BatchUpdateUser", 1)]);
    assert_all(
        &chain,
        &[
            (0..1, "Pro Registered"),
            (1..2, "Pro Suspended"),
            (2..4, "Pro Registered"),
            // One is waited for, one is not; without an account nobody signs in.
            (4..8, "Unregistered"),
        ],
    );
    chain.server.run(&["account", "connect-directory", &chain.account]);
    // Who was invited and has not come is made by the directory now, or never comes; a link brings nobody in any more.
    chain.want(1..2, Plus);
    chain.takes(&[("BatchCreateUser", 1), ("BatchUpdateUser", 1), ("BatchUnsuspendUser", 1)]);
    assert_eq!(chain.audit().code, 0);
    chain.converge();
    assert_all(
        &chain,
        &[
            (0..1, "Pro Registered"),
            (1..2, "Plus Registered"),
            (2..5, "Pro Registered"),
            (5..6, "Unregistered"),
            (6..8, "Plus Registered"),
        ],
    );
}
