//! Faults by chance, in many worlds: in the end everybody holds what is wanted, nobody is there twice, and nobody has lost
//! anything that was not to be taken.

use super::groups::in_groups;
use super::*;
use std::hash::{BuildHasher, Hasher};

/// Worlds, each with other faults.
const WORLDS: u64 = 5;
/// Passes that a world gets to come right.
const PASSES_MAX: usize = 40;
/// So many of five requests go well.
const GOOD_OF_FIVE: u64 = 3;

/// A number that follows from the others, evenly spread.
fn dice(world: u64, throw: u64) -> u64 {
    let mut hasher = foldhash::fast::FixedState::with_seed(world).build_hasher();
    hasher.write_u64(throw);
    hasher.finish()
}

fn faults(world: u64, operation: u64) -> Vec<Fault> {
    let before = |status| Fault::Before { status, retry_after: Some("0"), body: "" };
    let fault = |throw: u64| match dice(world, operation * 1_000 + throw) {
        number if number % 5 < GOOD_OF_FIVE => Fault::None,
        number => match number / 5 % 5 {
            0 => before(429),
            1 => before(503),
            2 => Fault::After(500),
            3 => Fault::After(504),
            _ => Fault::Cut,
        },
    };
    (0..60).map(fault).collect()
}

/// What is left of a pass: what is not known is looked up, as the next pass does, and tried again.
async fn pass(scim: &mut Scim, open: Vec<Intent>) -> Vec<Intent> {
    let outcomes = scim.apply(&open).await;
    let mut left = Vec::new();
    for (intent, outcome) in open.into_iter().zip(outcomes) {
        match outcome {
            Outcome::Done(Some(observed)) => assert_eq!(observed.seat, intent.to, "{intent:?}"),
            Outcome::Done(None) => panic!("{intent:?} has lost its account"),
            Outcome::Rejected(words) => panic!("{intent:?}: {words}"),
            Outcome::Ambiguous(_) => left.push(intent),
        }
    }
    let sought = left.iter().map(|intent| Sought { account: intent.account.clone(), ..sought_of(intent) });
    if let Ok(found) = scim.find(&sought.collect::<Vec<_>>()).await {
        let is_done = |(intent, found): &(Intent, Option<Observed>)| {
            found.as_ref().is_some_and(|found| found.seat == intent.to && found.email == intent.email)
        };
        left = left.into_iter().zip(found).filter(|one| !is_done(one)).map(|(intent, _)| intent).collect();
    }
    left
}

fn sought_of(intent: &Intent) -> Sought {
    Sought { guid: intent.guid, account: None, email: intent.email.clone() }
}

#[tokio::test]
async fn it_comes_right_in_every_world() {
    worlds(false).await;
}

#[tokio::test]
async fn it_comes_right_in_every_world_of_groups() {
    worlds(true).await;
}

async fn worlds(has_groups: bool) {
    for world in 0..WORLDS {
        let fake = Fake::start().await;
        if world % 2 == 0 {
            fake.book().config["bulk"] = json!({"supported": true, "maxOperations": 4, "maxPayloadSize": 100_000});
        }
        fake.book().is_terse = world % 3 == 0;
        if has_groups {
            fake.book().groups = ["Full", "View"].map(|name| (name.to_owned(), Vec::new())).to_vec();
            fake.book().members_max = [0, 2][usize::from(world % 2 == 1)];
            fake.book().plain_paths = world % 3 == 1;
        }
        let mut open = Vec::new();
        for number in 0..4 {
            let names = ["up", "off", "from", "stays"].map(|name| format!("{name}{number}"));
            for name in &names {
                fake.add(name, if has_groups { "" } else { "View" }, json!({"externalId": guid(name).to_string()}));
                if has_groups {
                    fake.book().groups[1].1.push(format!("id-{name}"));
                }
            }
            open.extend([promotion(&names[0]), suspension(&names[1]), rename(&names[2], &format!("to{number}"))]);
            open.push(creation(&format!("new{number}")));
        }
        let mut scim = if has_groups { in_groups(&fake) } else { client(&fake) };
        let operations = ["discover", "list", "search", "read", "create", "change", "bulk", "groups", "members"];
        for (place, operation) in (0..).zip(operations) {
            fake.fail(operation, &faults(world, place));
        }
        let mut passes = 0;
        while !open.is_empty() {
            open = pass(&mut scim, open).await;
            passes += 1;
            assert!(passes < PASSES_MAX, "world {world} does not come right: {open:?}");
        }
        let mut held: Vec<String> = fake.shown().split(", ").map(str::to_owned).collect();
        if has_groups {
            // Whoever's promotion was cut short after its first half is done as far as anybody sees: the highest counts.
            held.iter_mut().for_each(|one| *one = one.replace(" Full View", " Full"));
        }
        held.sort();
        let kinds = ["new# Full", "off# View off", "stays# View", "to# View", "up# Full"];
        let mut expected: Vec<String> =
            kinds.iter().flat_map(|kind| (0..4).map(move |number| kind.replace('#', &number.to_string()))).collect();
        expected.sort();
        assert_eq!(held, expected, "world {world}");
    }
}
