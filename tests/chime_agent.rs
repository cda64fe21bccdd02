//! The agent and the server with a proxy between them that breaks things: it always converges, nobody is made or asked twice,
//! and it asks no more often than it must.
//!
//! What the server holds in the end is read by boto3, past the agent and past the proxy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod proxy;
mod python;
mod seatstore;

use chain::{Chain, PASSES_MAX, Wanted, call, email};
use proxy::{Fault, Request};
use seatstore::letters;
use serde_json::json;
use std::collections::BTreeSet;
use std::process::Command;

/// Most people of one request (`wire::CREATE_ITEMS_MAX` and its like), written out: the tests hold the code against them.
const CREATES: usize = 50;
const SUSPENSIONS: usize = 50;
const UPDATES: usize = 20;
const INVITATIONS: usize = 50;

/// The first requests of every operation suffer these, in that order.
fn each_suffers(faults: &'static [Fault]) -> impl FnMut(&Request) -> Fault + Send {
    |request| faults.get(request.earlier).copied().unwrap_or(Fault::None)
}

/// What these people take of an operation: the fewest requests, and one more for each fault at most.
#[track_caller]
fn assert_asked(chain: &Chain, operation: &str, people: usize, most: usize, faults: &[Fault]) {
    let fewest = people.div_ceil(most);
    let asked = chain.proxy.asked(operation);
    let passed_on = chain.proxy.counts().get(operation).copied().unwrap_or_default().passed_on;
    assert!(
        (fewest..=fewest + faults.len()).contains(&asked) && passed_on >= fewest,
        "{operation} for {people} people: asked {asked} times, {passed_on} passed on; {fewest} are enough"
    );
}

/// 170 people of a directory account come, move, go and come back, and each request meets these faults first.
#[track_caller]
fn a_directory_account_suffers(faults: &'static [Fault]) {
    let mut chain = Chain::new("EnterpriseDirectory", 170);
    let mut ever = BTreeSet::new();
    chain.want(0..130, Wanted::Plus);
    ever.extend(0..130);
    chain.proxy.script(each_suffers(faults));
    chain.converge();
    chain.assert_held(&ever);
    assert_asked(&chain, "BatchCreateUser", 130, CREATES, faults);

    // 45 move, 60 go, 40 come.
    chain.want(0..45, Wanted::Pro);
    chain.want(70..130, Wanted::Nothing);
    chain.want(130..170, Wanted::Pro);
    ever.extend(130..170);
    chain.proxy.forget();
    chain.converge();
    chain.assert_held(&ever);
    assert_asked(&chain, "BatchCreateUser", 40, CREATES, faults);
    assert_asked(&chain, "BatchUpdateUser", 45, UPDATES, faults);
    assert_asked(&chain, "BatchSuspendUser", 60, SUSPENSIONS, faults);

    // They come back, with the licence they had.
    chain.want(70..130, Wanted::Plus);
    chain.proxy.forget();
    chain.converge();
    chain.assert_held(&ever);
    assert_asked(&chain, "BatchUnsuspendUser", 60, SUSPENSIONS, faults);
}

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
    assert_asked(&chain, "BatchUpdateUser", 53, UPDATES, faults);
    chain.want(0..52, Wanted::Nothing);
    chain.proxy.forget();
    chain.converge();
    chain.assert_held(&ever);
    assert_asked(&chain, "BatchSuspendUser", 52, SUSPENSIONS, faults);
    // Some come back with another licence than they had.
    chain.want(0..21, Wanted::Plus);
    chain.want(21..52, Wanted::Pro);
    chain.proxy.forget();
    chain.converge();
    chain.assert_held(&ever);
    assert_asked(&chain, "BatchUpdateUser", 21, UPDATES, faults);
    // Those with the licence they had need not wait for the others when a fault holds these up.
    assert_asked(&chain, "BatchUnsuspendUser", 52, SUSPENSIONS, faults);
}

/// 52 people of a team are asked, accept, get their licence and go; nobody gets a second letter.
#[track_caller]
fn a_team_account_suffers(faults: &'static [Fault]) {
    let mut chain = Chain::new("Team", 54);
    chain.want(0..53, Wanted::Pro);
    chain.want(53..54, Wanted::Plus);
    chain.proxy.script(each_suffers(faults));
    chain.converge();
    assert_asked(&chain, "InviteUsers", 54, INVITATIONS, faults);
    chain.accept(0..54);
    assert_eq!(letters(&chain.server.spool()).len(), 54, "one letter each");
    chain.proxy.forget();
    chain.converge();
    assert_asked(&chain, "BatchUpdateUser", 53, UPDATES, faults);
    chain.want(0..52, Wanted::Nothing);
    chain.proxy.forget();
    chain.converge();
    assert_asked(&chain, "BatchSuspendUser", 52, SUSPENSIONS, faults);
    let left = [(email(52), ("Pro", "Registered")), (email(53), ("Plus", "Registered"))];
    let left = left.map(|(email, (licence, status))| (email, (licence.to_owned(), status.to_owned())));
    assert_eq!(chain.users(), left.into(), "and nobody else");
}

macro_rules! faults {
    ($($name:ident: $faults:expr;)+) => {
        mod directory {
            use super::*;
            $(
                #[test]
                fn $name() {
                    a_directory_account_suffers(&$faults);
                }
            )+
        }

        mod lwa {
            use super::*;
            $(
                #[test]
                fn $name() {
                    an_lwa_account_suffers(&$faults);
                }
            )+
        }

        mod team {
            use super::*;
            $(
                #[test]
                fn $name() {
                    a_team_account_suffers(&$faults);
                }
            )+
        }
    };
}

faults! {
    nothing: [];
    a_throttle_that_says_when: [Fault::Throttle { retry_after: Some(1) }];
    a_burst_of_throttles: [Fault::Throttle { retry_after: None }; 3];
    failures_before_the_effect: [Fault::Refuse(500), Fault::Refuse(503)];
    failures_after_the_effect: [Fault::Deny(500)];
    cut_answers: [Fault::CutAnswer];
    resets_before_the_effect: [Fault::Reset];
    resets_after_the_effect: [Fault::ResetAfter];
    time_outs_before_the_effect: [Fault::HangBefore];
    time_outs_after_the_effect: [Fault::HangAfter];
    one_after_the_other: [Fault::Throttle { retry_after: None }, Fault::Deny(500), Fault::ResetAfter, Fault::CutAnswer];
}

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
        assert!(asked <= 52usize.div_ceil(INVITATIONS) + 1, "{fault:?}: asked {asked} times");
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

/// A server that is down is waited for, and one that was killed in the middle is caught up with.
#[test]
fn a_server_that_dies_in_the_middle() {
    let mut chain = Chain::new("EnterpriseDirectory", 120);
    chain.want(0..120, Wanted::Pro);
    chain.write_directory();
    chain.server.kill9();
    let pass = chain.sync();
    assert!(pass.code != 0 && pass.told.contains(&chain.proxy.url()), "it says where nobody is: {pass:#?}");
    chain.server.resume();
    chain.proxy.set_upstream(chain.server.address());
    let process = chain.server.process_id().to_string();
    chain.proxy.script(move |request| {
        if request.operation == "BatchCreateUser" && request.earlier == 1 {
            assert!(Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
        }
        Fault::None
    });
    assert_ne!(chain.sync().code, 0, "it died on the way");
    chain.server.kill9();
    chain.server.resume();
    chain.proxy.mend();
    chain.proxy.set_upstream(chain.server.address());
    chain.converge();
    chain.assert_held(&(0..120).collect());
}
