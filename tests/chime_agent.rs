//! The agent and the server with a proxy between them that breaks things: it always converges, nobody is made or asked twice,
//! and it asks no more often than it must.
//!
//! What the server holds in the end is read by boto3, past the agent and past the proxy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod faults;
mod proxy;
mod python;
mod seatstore;

use chain::{Chain, Change, PASSES_MAX, Protocol, Wanted, call, email};
use faults::{a_directory_account_suffers, a_server_dies_in_the_middle, assert_asked, each_suffers};
use proxy::Fault;
use seatstore::letters;
use serde_json::json;
use std::collections::BTreeSet;

/// 52 people of an LWA account have signed up; they get their licence, go and come back.
#[track_caller]
fn an_lwa_account_suffers(faults: &'static [Fault]) {
    let mut chain = Chain::new("EnterpriseLWA", 54);
    let ever = (0..54).collect();
    chain.want(0..53, Wanted::Pro);
    chain.want(53..54, Wanted::Plus);
    chain.proxy.script(each_suffers(faults));
    chain.converge();
    chain.assert_held(&ever);
    assert_asked(&chain, &[(Change::Update, 53)], faults);
    chain.want(0..52, Wanted::Nothing);
    chain.proxy.forget();
    chain.converge();
    chain.assert_held(&ever);
    assert_asked(&chain, &[(Change::Suspend, 52)], faults);
    // Some come back with another licence than they had.
    chain.want(0..21, Wanted::Plus);
    chain.want(21..52, Wanted::Pro);
    chain.proxy.forget();
    chain.converge();
    chain.assert_held(&ever);
    assert_asked(&chain, &[(Change::Update, 21)], faults);
    // Those with the licence they had need not wait for the others when a fault holds these up.
    assert_asked(&chain, &[(Change::Unsuspend, 52)], faults);
}

/// 52 people of a team are asked, accept, get their licence and go; nobody gets a second letter.
#[track_caller]
fn a_team_account_suffers(faults: &'static [Fault]) {
    let mut chain = Chain::new("Team", 54);
    chain.want(0..53, Wanted::Pro);
    chain.want(53..54, Wanted::Plus);
    chain.proxy.script(each_suffers(faults));
    chain.converge();
    assert_asked(&chain, &[(Change::Invite, 54)], faults);
    chain.accept(0..54);
    assert_eq!(letters(&chain.server.spool()).len(), 54, "one letter each");
    chain.proxy.forget();
    chain.converge();
    assert_asked(&chain, &[(Change::Update, 53)], faults);
    chain.want(0..52, Wanted::Nothing);
    chain.proxy.forget();
    chain.converge();
    assert_asked(&chain, &[(Change::Suspend, 52)], faults);
    let left = [(email(52), ("Pro", "Registered")), (email(53), ("Plus", "Registered"))];
    let left = left.map(|(email, (licence, status))| (email, (licence.to_owned(), status.to_owned())));
    assert_eq!(chain.users(), left.into(), "and nobody else");
}

each_fault!(directory, |faults| a_directory_account_suffers(Protocol::Chime, faults));
each_fault!(lwa, an_lwa_account_suffers);
each_fault!(team, a_team_account_suffers);

/// An invitation is the one change that is not the same when made twice: a second letter.
#[test]
fn nobody_is_invited_twice() {
    for fault in [Fault::Deny(500), Fault::CutAnswer, Fault::ResetAfter, Fault::HangAfter] {
        // Without the extension by which an invitation may be said twice.
        let mut chain = Chain::configured("Team", 52, "strict = true");
        chain.want(0..52, Wanted::Plus);
        chain.proxy.script(proxy::first("InviteUsers", &[fault]));
        chain.write_directory();
        for _ in 0..PASSES_MAX {
            chain.sync();
        }
        let users = chain.users();
        assert_eq!(users.keys().cloned().collect::<BTreeSet<_>>(), (0..52).map(email).collect(), "{fault:?}");
        let asked = chain.proxy.asked("InviteUsers");
        let fewest: usize = Protocol::Chime.fewest(Change::Invite, 52).iter().map(|(_, requests)| requests).sum();
        assert!(asked <= fewest + 1, "{fault:?}: asked {asked} times");
        // Everybody follows the link of a letter; no letter is left over.
        chain.call("accept", json!({"Emails": (0..52).map(email).collect::<Vec<_>>()}));
        assert_eq!(letters(&chain.server.spool()).len(), 52, "{fault:?}: one letter each");
        chain.converge();
        assert!(chain.users().values().all(|(licence, _)| licence == "Plus"), "{fault:?}");
    }
}

/// A batch of 20 in which one user is gone by the time it arrives: the other 19 are moved, and it is asked anew.
#[test]
fn one_bad_id_in_a_batch_of_twenty() {
    let mut chain = Chain::new("Team", 20);
    chain.want(0..20, Wanted::Plus);
    chain.write_directory();
    assert_eq!(chain.sync().code, 0);
    chain.call("accept", json!({"Emails": (0..20).map(email).collect::<Vec<_>>()}));
    chain.converge();

    let users = chain.call("list_users", json!({"AccountId": chain.account, "UserEmail": email(7)}));
    let gone = users["Users"][0]["UserId"].as_str().unwrap().to_owned();
    chain.want(0..20, Wanted::Pro);
    chain.proxy.forget();
    let removal = json!({"AccountId": chain.account, "UserIdList": [gone]});
    let setup = chain.server.setup();
    chain.proxy.script(move |request| {
        if request.operation == "BatchUpdateUser" && request.earlier == 0 {
            // Past the proxy, after the agent has listed everybody and before its batch arrives.
            assert_eq!(call(&setup, "batch_suspend_user", removal.clone())["UserErrors"], json!([]));
        }
        Fault::None
    });
    chain.write_directory();
    let pass = chain.sync();
    let users = chain.users();
    for index in (0..20).filter(|index| *index != 7) {
        assert_eq!(users[&email(index)].0, "Pro", "{index}: {pass:#?}");
    }
    assert_eq!(chain.proxy.asked("BatchUpdateUser"), 1, "twenty in one request, and nobody twice: {pass:#?}");
    chain.sync();
    assert_eq!(chain.users()[&email(7)].1, "Unregistered", "invited anew");
    chain.call("accept", json!({"Emails": [email(7)]}));
    chain.converge();
    assert_eq!(chain.users()[&email(7)], ("Pro".to_owned(), "Registered".to_owned()));
}

#[test]
fn a_server_that_dies_in_the_middle() {
    a_server_dies_in_the_middle(Protocol::Chime, "BatchCreateUser", 1);
}
