//! Passes in processes of their own: the first one, and those that find nothing to do, in turn with `ldapsearch`.

use crate::crowd::{self, Crowd, FEW, FEW_PEOPLE, GROUPS, STAFF};
use crate::gauge::{Runs, Taken, measured};
use crate::office::Office;
use crate::table::{Line, grouped, judged};
use crate::tap::Tap;
use crate::told;
use serde_json::json;

/// Above that many people there are fewer rounds, and the first pass is not counted in a run of its own.
const MANY: u64 = 200_000;
const ROUNDS: usize = 5;
const ROUNDS_OF_MANY: usize = 3;
/// Bars: times `ldapsearch`, MB, seconds for a hundred thousand people.
const IN_SYNC_MOST: f64 = 1.3;
const FEW_MOST: f64 = 0.05;
const MEMORY_MB_MOST: f64 = 120.0;
const MEMORY_OF_MANY_MB_MOST: f64 = 600.0;
const ASSIGNMENTS_SECONDS_MOST: f64 = 30.0;

/// What the agent asks of people and groups, on a server that is no Active Directory: so the floor brings the same.
const PEOPLE_FILTER: &str = "(|(objectClass=inetOrgPerson)(objectClass=person)(objectClass=posixAccount))";
const PEOPLE_ATTRIBUTES: &str = "objectGUID objectSid sAMAccountName userAccountControl accountExpires primaryGroupID \
                                 objectClass entryUUID uid nsAccountLock pwdAccountLockedTime mail";
const GROUPS_FILTER: &str =
    "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)(objectClass=group))";
const GROUPS_ATTRIBUTES: &str = "objectGUID objectSid sAMAccountName cn member entryUUID uniqueMember memberUid";

/// The first pass: nobody has an account, nine in ten are to have one. Gives the installation, in sync.
pub fn first(crowd: &Crowd, lines: &mut Vec<Line>) -> Office {
    let seated = crowd.staff_enabled();
    let requests = (crowd.people() <= MANY).then(|| {
        told("the first pass, counted");
        Office::over_http(crowd, STAFF).counted(crowd).requests
    });
    told("the first pass");
    let office = Office::over_http(crowd, STAFF);
    let taken = office.sync();
    let hundred_thousand = taken.seconds / seated as f64 * 1e5;
    let what = " s for 100,000 at this rate";
    lines.push(Line {
        phase: format!("first pass: {} accounts made over HTTP", grouped(seated)),
        runs: Some(once(taken)),
        people: Some(seated),
        requests,
        bar: judged(hundred_thousand, ASSIGNMENTS_SECONDS_MOST, 1, what),
        ..Line::default()
    });
    office
}

/// Nothing to do, in each of three installations, in turn with the floor.
pub fn in_sync(crowd: &Crowd, staff: &mut Office, lines: &mut Vec<Line>) {
    told("first passes of the other installations");
    let mut few = Office::over_http(crowd, FEW);
    let mut embedded = Office::embedded(crowd, STAFF);
    few.sync();
    embedded.sync();

    let rounds = if crowd.people() > MANY { ROUNDS_OF_MANY } else { ROUNDS };
    let [mut floor, mut of_staff, mut of_few, mut of_embedded] = std::array::from_fn(|_| Runs::default());
    for round in 1..=rounds {
        told(&format!("passes in sync and ldapsearch in turn, round {round} of {rounds}"));
        floor.push(measured(&dump(&crowd.url()), &json!({})));
        of_staff.push(staff.sync());
        of_few.push(few.sync());
        of_embedded.push(embedded.sync());
    }
    told("the same, counted");
    let tap = Tap::start(crowd.address());
    measured(&dump(&tap.url()), &json!({}));
    let dumped = tap.seen();
    assert_eq!(dumped.entries(), crowd.people() + GROUPS, "ldapsearch dumps everybody and every group");

    let [floor_seconds, ..] = floor.seconds();
    let ratio = |runs: &Runs| runs.seconds()[0] / floor_seconds;
    let memory_most = if crowd.people() > MANY { MEMORY_OF_MANY_MB_MOST } else { MEMORY_MB_MOST };
    let everybody = Some(crowd.people());
    lines.push(Line {
        phase: "ldapsearch: the same entries, to /dev/null".to_owned(),
        runs: Some(floor.clone()),
        people: everybody,
        round_trips: Some(dumped.round_trips()),
        entries: Some(dumped.entries()),
        bytes: Some(dumped.bytes),
        requests: None,
        bar: "the floor".to_owned(),
    });
    let mut push = |phase: String, runs: Runs, people, office: &mut Office, bar: String| {
        let counted = office.counted(crowd);
        lines.push(Line {
            phase,
            runs: Some(runs),
            people,
            round_trips: Some(counted.seen.round_trips()),
            entries: Some(counted.seen.entries()),
            bytes: Some(counted.seen.bytes),
            requests: Some(counted.requests),
            bar,
        });
    };
    let bar = |runs: &Runs, most| judged(ratio(runs), most, 2, " x ldapsearch");
    let memory = |runs: &Runs| judged(runs.megabytes(), memory_most, 0, " MB");
    let both = format!("{}; {}", bar(&of_staff, IN_SYNC_MOST), memory(&of_staff));
    push("full pass in sync, account store over HTTP".to_owned(), of_staff, everybody, staff, both);
    let both = format!("{}; {}", bar(&of_embedded, IN_SYNC_MOST), memory(&of_embedded));
    push("full pass in sync, account store within".to_owned(), of_embedded, everybody, &mut embedded, both);
    let only = bar(&of_few, FEW_MOST);
    push(format!("pass in sync, {FEW_PEOPLE} people mapped"), of_few, Some(FEW_PEOPLE), &mut few, only);
}

/// The dump, page by page as the agent reads.
fn dump(url: &str) -> Vec<Vec<String>> {
    let search = |filter: &str, attributes: &str| {
        let fixed = ["ldapsearch", "-LLL", "-x", "-H", url, "-D", crowd::READER, "-w", crowd::READER_PASSWORD];
        let asked = ["-b", crowd::BASE, "-E", "pr=1000/noprompt", filter];
        fixed.into_iter().chain(asked).chain(attributes.split(' ')).map(str::to_owned).collect()
    };
    vec![search(PEOPLE_FILTER, PEOPLE_ATTRIBUTES), search(GROUPS_FILTER, GROUPS_ATTRIBUTES)]
}

fn once(taken: Taken) -> Runs {
    let mut runs = Runs::default();
    runs.push(taken);
    runs
}
