//! The client against a small server with faults: what it asks, how often, and what it makes of the answers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod certificate;
mod errands;
mod fake;
mod faults;
mod halted;
mod looks;
mod metered;
mod seats;

use super::*;
use crate::accounts::samples::*;
use crate::halt::Halt;
use crate::model::{Action, Seat, UserId};
use fake::{Fake, Fault};

const PLAIN: &[Extension] = &[];
const ALL: &[Extension] = &Extension::ALL;

fn client_with(fake: &Fake, timeout: Duration) -> Chime {
    client_at(&fake.endpoint, timeout)
}

fn client_at(endpoint: &str, timeout: Duration) -> Chime {
    metered_client_at(endpoint, timeout, Meter::default())
}

fn metered_client_at(endpoint: &str, timeout: Duration, meter: Meter) -> Chime {
    tied_client_at(endpoint, timeout, meter, Halt::default())
}

fn halted_client_at(endpoint: &str, halt: &Halt) -> Chime {
    tied_client_at(endpoint, Duration::from_secs(30), Meter::default(), halt.clone())
}

fn tied_client_at(endpoint: &str, timeout: Duration, meter: Meter, halt: Halt) -> Chime {
    Chime::open(ChimeSettings {
        endpoint: endpoint.to_owned(),
        region: "us-east-1".into(),
        account: "corp".into(),
        access_key_id: "AKID".into(),
        secret_access_key: SecretString::from("hunter2"),
        ca_file: None,
        timeout,
        requests_max: 8,
        tiers: vec![Tier::new("pro"), Tier::new("plus")],
        meter,
        halt,
    })
    .unwrap()
}

fn client(fake: &Fake) -> Chime {
    client_with(fake, Duration::from_secs(30))
}

fn resumption(name: &str, to: &str) -> Intent {
    intent(Action::Resume, name, true, suspended("plus"), active(to))
}

fn invitation(name: &str) -> Intent {
    intent(Action::Invite, name, false, Seat::Vacant, Seat::Invited)
}

fn removal(name: &str) -> Intent {
    intent(Action::Remove, name, true, active("plus"), Seat::Vacant)
}

fn seats(outcomes: &[Outcome]) -> Vec<String> {
    outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Done(Some(Observed { email, seat, .. })) => {
                let tier = seat.tier().map(|tier| format!(" {tier}")).unwrap_or_default();
                let state = if seat.is_held() { String::new() } else { format!(" {seat}") };
                format!("{}{tier}{state}", email.as_str().replace("@corp.example", ""))
            }
            Outcome::Done(None) => "nobody".to_owned(),
            Outcome::Rejected(words) => format!("rejected: {words}"),
            Outcome::Ambiguous(words) => format!("ambiguous: {words}"),
        })
        .collect()
}
