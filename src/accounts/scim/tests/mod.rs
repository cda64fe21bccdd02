//! The client against a small server with faults: what it asks, how often, and what it makes of the answers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod chance;
mod details;
mod errands;
mod fake;
mod faults;
mod groups;
mod looks;
mod removals;

use super::*;
use crate::accounts::samples::*;
use crate::model::{Action, OnLeave, Seat, Tier, UserId};
use fake::{Fake, Fault};
use secrecy::SecretString;
use serde_json::json;

fn settings(fake: &Fake) -> ScimSettings {
    let values = [("pro", "Full"), ("plus", "View")].map(|(tier, value)| (Tier::new(tier), value.to_owned()));
    ScimSettings {
        base_url: fake.base_url.clone(),
        authority: Authority::Bearer(SecretString::from("hunter2")),
        mapping: Mapping {
            place: TierPlace::parse("roles[seat]").unwrap(),
            values: values.to_vec(),
            keeps_identity: true,
        },
        paging: None,
        on_leave: OnLeave::Deactivate,
        ca_file: None,
        timeout: Duration::from_secs(30),
        requests_max: 8,
        meter: Meter::default(),
        halt: Halt::default(),
    }
}

fn client(fake: &Fake) -> Scim {
    Scim::open(settings(fake)).unwrap()
}

fn client_with(fake: &Fake, timeout: Duration) -> Scim {
    Scim::open(ScimSettings { timeout, ..settings(fake) }).unwrap()
}

fn sought(name: &str) -> Sought {
    Sought { guid: guid(name), account: None, email: email(name) }
}

/// What became of each: `anna pro`, `anna suspended plus`, `nobody`, or why not.
fn told(outcomes: &[Outcome]) -> Vec<String> {
    let tell = |outcome: &Outcome| match outcome {
        Outcome::Done(Some(Observed { email, seat, .. })) => {
            let name = email.as_str().replace("@corp.example", "");
            match seat {
                Seat::Suspended(tier) => format!("{name} suspended {tier}"),
                Seat::Active(_) | Seat::Vacant | Seat::Invited => format!("{name} {seat}"),
            }
        }
        Outcome::Done(None) => "nobody".to_owned(),
        Outcome::Rejected(words) => format!("rejected: {words}"),
        Outcome::Ambiguous(words) => format!("ambiguous: {words}"),
    };
    outcomes.iter().map(tell).collect()
}

#[tokio::test]
async fn what_the_server_can_do_is_asked_once_and_again_after_a_failure() {
    let fake = Fake::start().await;
    let mut scim = client(&fake);
    for _ in 0..2 {
        assert_eq!(scim.kind().await.unwrap(), StoreKind::EnterpriseDirectory);
        assert_eq!(scim.list().await.unwrap(), []);
    }
    assert_eq!(fake.count("discover"), 3, "three documents, once");
    fake.book().boasts = 1;
    assert!(scim.list().await.is_err());
    fake.book().boasts = 0;
    fake.book().config = Value::Null;
    assert!(!scim.about().await.unwrap().abilities.is_told);
    assert_eq!(fake.count("discover"), 6);
}
