//! What the agent suffers between it and the server, whatever the two speak: each fault at the first requests of every kind,
//! and a server that dies. It always converges, nobody is made twice, and it asks no more often than it must.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use crate::chain::{Chain, Change, Protocol, Wanted};
use crate::proxy::{Fault, Request};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::process::Command;

/// Makes a test of each fault.
#[macro_export]
macro_rules! each_fault {
    ($account:ident, $suffers:expr) => {
        each_fault!(
            $account, $suffers;
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
            one_after_the_other: [
                Fault::Throttle { retry_after: None }, Fault::Deny(500), Fault::ResetAfter, Fault::CutAnswer,
            ];
        );
    };
    ($account:ident, $suffers:expr; $($name:ident: $faults:expr;)+) => {
        mod $account {
            use super::*;
            $(
                #[test]
                fn $name() {
                    const FAULTS: &[Fault] = &$faults;
                    ($suffers)(FAULTS);
                }
            )+
        }
    };
}

/// The first requests of every operation suffer these, in that order. Over SCIM each pass begins with many kinds of looks: these
/// suffer once, and not again when the proxy has forgotten them.
pub fn each_suffers(faults: &'static [Fault]) -> impl FnMut(&Request) -> Fault + Send {
    let mut looks: HashMap<String, usize> = HashMap::new();
    move |request| {
        let mut earlier = request.earlier;
        if request.operation.starts_with("GET /") {
            let seen = looks.entry(request.operation.clone()).or_default();
            earlier = *seen;
            *seen += 1;
        }
        faults.get(earlier).copied().unwrap_or(Fault::None)
    }
}

/// What these changes, each of so many people, take: the fewest requests, and one more of a kind for each fault at most.
#[track_caller]
pub fn assert_asked(chain: &Chain, changes: &[(Change, usize)], faults: &[Fault]) {
    let mut fewest = BTreeMap::new();
    for (change, people) in changes {
        for (operation, requests) in chain.protocol().fewest(*change, *people) {
            let sum = fewest.entry(operation).or_insert(0);
            // Users are changed together, whatever is changed in them.
            *sum = if operation == "POST /Bulk of PATCH" { requests.max(*sum) } else { *sum + requests };
        }
    }
    let counts = chain.proxy.counts();
    for (operation, fewest) in fewest {
        let count = counts.get(operation).copied().unwrap_or_default();
        // A pass that does not know what became of its bulk is followed by one that makes one alone again.
        let more = if operation == "POST /Users" { 2 * faults.len() } else { faults.len() };
        assert!(
            (fewest..=fewest + more).contains(&count.asked) && count.passed_on >= fewest,
            "{operation} for {changes:?}: {count:?}; {fewest} are enough"
        );
    }
}

/// 170 people of a directory account come, move, go and come back, and each request meets these faults first.
#[track_caller]
pub fn a_directory_account_suffers(protocol: Protocol, faults: &'static [Fault]) {
    let mut chain = Chain::over(protocol, 170);
    let mut ever = BTreeSet::new();
    chain.want(0..130, Wanted::Plus);
    ever.extend(0..130);
    chain.proxy.script(each_suffers(faults));
    chain.converge();
    chain.assert_held(&ever);
    assert_asked(&chain, &[(Change::Create, 130)], faults);

    // 45 move, 60 go, 40 come.
    chain.want(0..45, Wanted::Pro);
    chain.want(70..130, Wanted::Nothing);
    chain.want(130..170, Wanted::Pro);
    ever.extend(130..170);
    chain.proxy.forget();
    chain.converge();
    chain.assert_held(&ever);
    assert_asked(&chain, &[(Change::Create, 40), (Change::Update, 45), (Change::Suspend, 60)], faults);

    // They come back, with the licence they had.
    chain.want(70..130, Wanted::Plus);
    chain.proxy.forget();
    chain.converge();
    chain.assert_held(&ever);
    assert_asked(&chain, &[(Change::Unsuspend, 60)], faults);
}

/// A server that is down is waited for, and one that was killed in the middle, at the request with that number of those that
/// make users, is caught up with.
#[track_caller]
pub fn a_server_dies_in_the_middle(protocol: Protocol, operation: &'static str, number: usize) {
    let mut chain = Chain::over(protocol, 120);
    chain.want(0..120, Wanted::Pro);
    chain.write_directory();
    chain.server.kill9();
    let pass = chain.sync();
    assert!(pass.code != 0 && pass.told.contains(&chain.proxy.url()), "it says where nobody is: {pass:#?}");
    chain.server.resume();
    chain.proxy.set_upstream(chain.server.address());
    let process = chain.server.process_id().to_string();
    chain.proxy.script(move |request| {
        if request.operation == operation && request.earlier == number {
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
