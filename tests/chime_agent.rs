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

/// 170 people of a directory account come, move, go and come back, and each request meets these faults first.
#[track_caller]
fn a_directory_account_suffers(faults: &'static [Fault]) {
    let mut chain = Chain::new("EnterpriseDirectory", 170);
    let mut ever = BTreeSet::new();
    // (who is wanted, the operation it takes, its fewest requests)
    chain.want(0..130, Wanted::Plus);
    ever.extend(0..130);
    let asked = |chain: &Chain, operation: &str, people: usize, most: usize| {
        let fewest = people.div_ceil(most);
        let asked = chain.proxy.asked(operation);
        let passed_on = chain.proxy.counts().get(operation).copied().unwrap_or_default().passed_on;
        assert!(
            (fewest..=fewest + faults.len()).contains(&asked) && passed_on >= fewest,
            "{operation} for {people} people: asked {asked} times, {passed_on} passed on; {fewest} are enough"
        );
    };
    chain.proxy.script(each_suffers(faults));
    chain.converge();
    chain.assert_held(&ever);
    asked(&chain, "BatchCreateUser", 130, CREATES);

    // 45 move, 60 go, 40 come.
    chain.want(0..45, Wanted::Pro);
    chain.want(70..130, Wanted::Nothing);
    chain.want(130..170, Wanted::Pro);
    ever.extend(130..170);
    chain.proxy.forget();
    chain.converge();
    chain.assert_held(&ever);
    asked(&chain, "BatchCreateUser", 40, CREATES);
    asked(&chain, "BatchUpdateUser", 45, UPDATES);
    asked(&chain, "BatchSuspendUser", 60, SUSPENSIONS);

    // They come back, with the licence they had.
    chain.want(70..130, Wanted::Plus);
    chain.proxy.forget();
    chain.converge();
    chain.assert_held(&ever);
    asked(&chain, "BatchUnsuspendUser", 60, SUSPENSIONS);
}

macro_rules! faults {
    ($($name:ident: $faults:expr;)+) => {
        $(
            #[test]
            fn $name() {
                a_directory_account_suffers(&$faults);
            }
        )+
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
        let mut chain = Chain::new("Team", 70);
        chain.want(0..70, Wanted::Plus);
        chain.proxy.script(proxy::first("InviteUsers", &[fault]));
        chain.write_directory();
        for _ in 0..PASSES_MAX {
            chain.sync();
        }
        let users = chain.users();
        assert_eq!(users.keys().cloned().collect::<BTreeSet<_>>(), (0..70).map(email).collect(), "{fault:?}");
        let asked = chain.proxy.asked("InviteUsers");
        assert!(asked <= 70usize.div_ceil(INVITATIONS) + 1, "{fault:?}: asked {asked} times");
        // Everybody follows the link of a letter; no letter is left over.
        chain.call("accept", json!({"Emails": (0..70).map(email).collect::<Vec<_>>()}));
        assert_eq!(letters(&chain.server.spool()).len(), 70, "{fault:?}: one letter each");
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

/// People of an LWA account sign up by themselves, and get their tier within a pass.
#[test]
fn an_lwa_account_suffers_too() {
    let mut chain = Chain::new("EnterpriseLWA", 60);
    chain.want(0..60, Wanted::Pro);
    chain.proxy.script(each_suffers(&[Fault::Deny(500), Fault::CutAnswer]));
    chain.converge();
    let asked = chain.proxy.asked("BatchUpdateUser");
    assert!((3..=5).contains(&asked), "60 people are three requests, and each of two faults costs one: {asked}");
    chain.want(0..30, Wanted::Nothing);
    chain.proxy.forget();
    chain.converge();
    chain.assert_held(&(0..60).collect());
}
