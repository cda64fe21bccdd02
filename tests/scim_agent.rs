//! The agent and the server with a proxy between them that breaks things, over SCIM: it always converges, nobody is made
//! twice, nothing is taken on the word of half an answer, and it asks no more often than it must.
//!
//! What the server holds in the end is read by boto3 over the other interface, past the agent and past the proxy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod faults;
mod proxy;
mod python;
mod scim_client;
mod seatstore;

use chain::{Chain, Change, Protocol, Wanted, email};
use faults::{a_directory_account_suffers, a_server_dies_in_the_middle, assert_asked};
use proxy::{Fault, Request};
use scim_client::Client;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Whether a request changes something.
fn is_change(request: &Request) -> bool {
    Protocol::ScimGroups.changes().contains(&request.operation.as_str())
}

/// Requests so far that change something.
#[track_caller]
fn changes_asked(chain: &Chain) -> usize {
    chain.protocol().changes().iter().map(|change| chain.proxy.asked(change)).sum()
}

/// Another client of the same account, past the proxy.
fn somebody_else(chain: &Chain) -> Client {
    let token = std::fs::read_to_string(chain.server.path("agent-token")).unwrap();
    Client { address: chain.server.address(), base: format!("/scim/v2/{}", chain.account), token }
}

/// The user with that address.
#[track_caller]
fn user(client: &Client, email: &str) -> Value {
    let filter = format!("/Users?filter=userName%20eq%20%22{}%22", email.replace('@', "%40"));
    let found = client.get(&filter).expect(200);
    assert_eq!(found.at("/totalResults"), 1, "{email}: {found:#?}");
    found.at("/Resources/0").clone()
}

/// The path of the user with that address.
#[track_caller]
fn path(client: &Client, email: &str) -> String {
    format!("/Users/{}", user(client, email)["id"].as_str().unwrap())
}

each_fault!(directory, |faults| a_directory_account_suffers(Protocol::Scim, faults));

each_fault!(
    groups, |faults| a_directory_account_suffers(Protocol::ScimGroups, faults);
    nothing: [];
    failures_before_the_effect: [Fault::Refuse(500), Fault::Refuse(503)];
    cut_answers: [Fault::CutAnswer];
    resets_after_the_effect: [Fault::ResetAfter];
    one_after_the_other: [Fault::Throttle { retry_after: None }, Fault::Deny(500), Fault::ResetAfter, Fault::CutAnswer];
);

/// Everybody is moved by one change of a group, of which no answer ever arrives: the next pass sees that it was done.
#[test]
fn a_change_of_members_that_gets_no_answer() {
    const PATCH: &str = "PATCH /Groups/{id}";
    let mut chain = Chain::over(Protocol::ScimGroups, 60);
    let everybody: BTreeSet<usize> = (0..60).collect();
    chain.want(0..60, Wanted::Plus);
    chain.converge();
    chain.want(0..60, Wanted::Pro);
    chain.write_directory();
    chain.proxy.forget();
    chain.proxy.script(|request| if request.operation == PATCH { Fault::ResetAfter } else { Fault::None });
    let pass = chain.sync();
    assert_ne!(pass.code, 0, "it is not confirmed: {pass:#?}");
    chain.proxy.mend();
    chain.assert_held(&everybody);
    let asked = changes_asked(&chain);
    assert!(chain.proxy.asked(PATCH) > 0 && asked == chain.proxy.asked(PATCH), "{:?}", chain.proxy.counts());
    chain.converge();
    chain.assert_held(&everybody);
    assert_eq!(changes_asked(&chain), asked, "it was done already");
}

#[test]
fn a_server_that_dies_in_the_middle() {
    a_server_dies_in_the_middle(Protocol::Scim, "POST /Bulk of POST", 0);
}

#[test]
fn a_server_that_dies_amid_the_members_of_a_group() {
    a_server_dies_in_the_middle(Protocol::ScimGroups, "PATCH /Groups/{id}", 1);
}

/// A server that says nothing of itself is asked for one user at a time, and every third request breaks, each in another way.
#[test]
fn one_by_one_with_faults_strewn_in() {
    const PEOPLE: usize = 42;
    const FAULTS: [Fault; 7] = [
        Fault::Reset,
        Fault::ResetAfter,
        Fault::Throttle { retry_after: None },
        Fault::Deny(500),
        Fault::CutAnswer,
        Fault::Refuse(503),
        Fault::HangAfter,
    ];
    let mut chain = Chain::over(Protocol::Scim, PEOPLE);
    chain.proxy.script(|request| match request.operation.as_str() {
        "GET /ServiceProviderConfig" => Fault::Refuse(404),
        _ if is_change(request) && request.earlier < PEOPLE && request.earlier % 3 == 0 => {
            FAULTS[request.earlier / 3 % FAULTS.len()]
        }
        _ => Fault::None,
    });
    chain.want(0..PEOPLE, Wanted::Plus);
    chain.converge();
    let everybody: BTreeSet<usize> = (0..PEOPLE).collect();
    chain.assert_held(&everybody);
    let asked = chain.proxy.asked("POST /Users");
    assert!((PEOPLE..=PEOPLE + PEOPLE / 3).contains(&asked), "asked {asked} times");

    chain.want(0..20, Wanted::Nothing);
    chain.want(20..40, Wanted::Pro);
    chain.proxy.forget();
    chain.converge();
    chain.assert_held(&everybody);
    chain.want(0..20, Wanted::Pro);
    chain.proxy.forget();
    chain.converge();
    chain.assert_held(&everybody);
    assert_eq!((chain.proxy.asked("POST /Users"), chain.proxy.asked("POST /Bulk of PATCH")), (0, 0));
}

/// Everything is carried out and no answer arrives, but to the first user that is made, without which no other would be: the next
/// pass sees what became of it, and does none of it again.
#[test]
fn a_pass_that_gets_no_answer() {
    let mut chain = Chain::over(Protocol::Scim, 60);
    let everybody: BTreeSet<usize> = (0..60).collect();
    chain.want(0..60, Wanted::Plus);
    let lose_answers = |request: &Request| match request.operation.as_str() {
        "POST /Users" => Fault::None,
        _ if is_change(request) => Fault::ResetAfter,
        _ => Fault::None,
    };
    let begin = |chain: &Chain| {
        chain.proxy.forget();
        chain.proxy.script(lose_answers);
        chain.write_directory();
        let pass = chain.sync();
        assert_ne!(pass.code, 0, "it is not confirmed: {pass:#?}");
        chain.proxy.mend();
        // It was done all the same.
        chain.assert_held(&everybody);
    };
    begin(&chain);
    chain.converge();
    chain.assert_held(&everybody);
    assert_asked(&chain, &[(Change::Create, 60)], &[]);

    chain.want(0..20, Wanted::Pro);
    chain.want(20..40, Wanted::Nothing);
    begin(&chain);
    let asked = changes_asked(&chain);
    chain.converge();
    chain.assert_held(&everybody);
    assert_eq!(changes_asked(&chain), asked, "it was done already");
}

/// Half a list is no list: who is not in it has not gone, and nothing is decided by it.
#[test]
fn a_list_that_never_arrives_whole() {
    let mut chain = Chain::over(Protocol::Scim, 40);
    chain.want(0..40, Wanted::Pro);
    chain.converge();
    let before = chain.users();
    chain.want(0..15, Wanted::Nothing);
    chain.want(20..40, Wanted::Plus);
    chain.write_directory();
    chain.proxy.script(|request| if request.operation == "GET /Users" { Fault::CutAnswer } else { Fault::None });
    chain.proxy.forget();
    let pass = chain.audit();
    assert!(pass.code != 0 && chain.proxy.asked("GET /Users") > 1, "{pass:#?}");
    assert_eq!(changes_asked(&chain), 0, "{pass:#?}");
    assert_eq!(chain.users(), before);
    chain.proxy.mend();
    chain.converge();
    chain.assert_held(&(0..40).collect());
}

/// While a bulk of 20 is under way somebody deletes one of the users and deactivates another: the other 18 are moved, and these
/// two have what is theirs by the end of the next pass.
#[test]
fn somebody_else_is_faster_than_a_bulk() {
    let mut chain = Chain::over(Protocol::Scim, 20);
    let everybody: BTreeSet<usize> = (0..20).collect();
    chain.want(0..20, Wanted::Plus);
    chain.converge();
    chain.want(0..20, Wanted::Pro);
    let client = somebody_else(&chain);
    chain.proxy.script(move |request| {
        if request.operation == "POST /Bulk of PATCH" && request.earlier == 0 {
            client.delete(&path(&client, &email(3))).expect(204);
            client
                .patch(&path(&client, &email(7)), json!([{"op": "replace", "path": "active", "value": false}]))
                .expect(200);
        }
        Fault::None
    });
    chain.proxy.forget();
    chain.write_directory();
    let pass = chain.sync();
    let users = chain.users();
    for index in (0..20).filter(|index| ![3, 7].contains(index)) {
        assert_eq!(users[&email(index)], ("Pro".to_owned(), "Registered".to_owned()), "{index}: {pass:#?}");
    }
    chain.converge();
    chain.assert_held(&everybody);
    assert_eq!(chain.proxy.asked("POST /Bulk of PATCH"), 1, "twenty in one request, and nobody twice: {pass:#?}");
}

/// Two people exchange their addresses, for which one of them must let go of the own for a moment. At each request of it in its
/// turn an answer is lost, or nothing goes through from there on until the agent gives up: each keeps the account and the
/// licence, and has the new address.
#[test]
fn an_exchange_of_addresses_that_breaks_at_every_step() {
    let mut chain = Chain::over(Protocol::Scim, 2);
    chain.want(0..1, Wanted::Pro);
    chain.want(1..2, Wanted::Plus);
    chain.converge();
    let client = somebody_else(&chain);
    let held = |address: usize| {
        let user = user(&client, &email(address));
        assert_eq!(user["active"], true, "{user}");
        ["/id", "/externalId", "/entitlements/0/value"].map(|member| user.pointer(member).unwrap().clone())
    };
    let mut expected = [held(0), held(1)];
    for (fault, most) in [(Fault::ResetAfter, 1), (Fault::Reset, usize::MAX)] {
        for step in 0.. {
            chain.exchange(0, 1);
            expected.swap(0, 1);
            let broken = Arc::new(AtomicUsize::new(0));
            let (count, mut changes) = (broken.clone(), 0);
            chain.proxy.script(move |request| {
                changes += usize::from(is_change(request));
                if !is_change(request) || changes <= step || changes - step > most {
                    return Fault::None;
                }
                count.fetch_add(1, Ordering::SeqCst);
                fault
            });
            chain.write_directory();
            chain.sync();
            chain.proxy.mend();
            let broken = broken.load(Ordering::SeqCst);
            chain.converge();
            assert_eq!([held(0), held(1)], expected, "{fault:?} at step {step}");
            if broken == 0 {
                assert!(step > 2, "an exchange takes several changes, not {step}");
                break;
            }
        }
    }
    chain.assert_held(&[0, 1].into());
}
