//! SCIM requests that ask for as much as the limits let through, at an account of ten thousand: whoever else asks is answered
//! meanwhile.
//!
//! No time is measured. A request that is answered before the heavy one proves that it did not wait for all of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod scim_client;
mod seatstore;

use scim_client::{Answer, Client};
use seatstore::Server;
use seatsync::model::{Email, StoreKind, Tier, Timestamp, UserId};
use seatsync::store::{AccountId, DiskBook, Refusal};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

const ACCOUNT: &str = "corp";
const USERS: usize = 10_000;
/// Users of one write.
const USERS_OF_A_WRITE: usize = 1_000;
/// So many requests of somebody else, one after the other, are answered before a heavy one is: more than could be answered
/// before it comes to the desk.
const OTHERS: usize = 5;
/// Operations of a bulk each of which looks at everybody: enough for those requests, and few enough to be answered in time on a
/// busy machine.
const OPERATIONS: usize = 60;

const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A server whose account has ten thousand users with the licence Pro, and a client of it.
fn crowded() -> (Server, Client) {
    let mut server = Server::configured("rate = 1000\nburst = 100000", "");
    let mut book = DiskBook::open(&server.path("book")).unwrap();
    let id = AccountId::parse(ACCOUNT).unwrap();
    let now = Timestamp::now();
    let mut write = |edit: &mut dyn FnMut(&mut seatsync::store::Account) -> Result<(), Refusal>| {
        let done =
            book.change(now, |book| edit(book.open_account(&id, "Corp", StoreKind::EnterpriseDirectory, now)?));
        done.unwrap().unwrap();
    };
    write(&mut |account| {
        for licence in ["Basic", "Plus", "Pro"] {
            account.support(&Tier::new(licence))?;
        }
        account.set_default_licence(&Tier::new("Plus"))
    });
    for from in (0..USERS).step_by(USERS_OF_A_WRITE) {
        write(&mut |account| {
            for number in from..from + USERS_OF_A_WRITE {
                let email = Email::parse(&format!("p{number:05}@corp.test")).unwrap();
                account.create(&email, &Tier::new("Pro"), None, UserId::new(&format!("u{number:05}")), now)?;
            }
            Ok(())
        });
    }
    drop(book);
    server.resume();
    let client = Client::of(&mut server, ACCOUNT, &[]);
    (server, client)
}

/// Sends the heavy request, and meanwhile small ones, each of which has to come to the desk: so many are answered before it is.
#[track_caller]
fn answered_meanwhile(client: &Client, heavy: impl FnOnce(&Client) -> Answer + Send) -> Answer {
    let (begins, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let heavy = scope.spawn(|| {
            begins.store(true, Ordering::SeqCst);
            let answer = heavy(client);
            is_over.store(true, Ordering::SeqCst);
            answer
        });
        while !begins.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        let mut meanwhile = 0;
        while !is_over.load(Ordering::SeqCst) {
            client.get("/Users/u00000").expect(200);
            meanwhile += usize::from(!is_over.load(Ordering::SeqCst));
        }
        let answer = heavy.join().unwrap();
        assert!(meanwhile >= OTHERS, "only {meanwhile} of somebody else were answered before {}", answer.status);
        answer
    })
}

fn bulk(operations: Vec<Value>) -> Value {
    json!({"schemas": [BULK], "Operations": operations})
}

fn patch_group(operation: Value) -> Value {
    json!({"method": "PATCH", "path": "/Groups/Pro", "data": {"schemas": [PATCH], "Operations": [operation]}})
}

/// How often each status was answered to the operations of a bulk.
fn statuses(answer: &Answer) -> Vec<(String, usize)> {
    let mut counted = std::collections::BTreeMap::new();
    for operation in answer.at("/Operations").as_array().unwrap() {
        *counted.entry(operation["status"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    counted.into_iter().collect()
}

#[test]
fn heavy_requests_let_others_come_to_the_desk() {
    let (_server, client) = crowded();
    let all = |status: &str, number: usize| vec![(status.to_owned(), number)];
    // Everybody would lose the licence: refused, after everybody was looked at.
    let emptied = vec![patch_group(json!({"op": "replace", "path": "members", "value": []})); 400];
    let answer = answered_meanwhile(&client, |it| it.post("/Bulk", &bulk(emptied)));
    assert_eq!(statuses(&answer.expect(200)), all("413", 400));
    // Nobody fits, and everybody is compared.
    let nobody = vec![patch_group(json!({"op": "remove", "path": "members[value co \"zz\"]"})); OPERATIONS];
    let answer = answered_meanwhile(&client, |it| it.post("/Bulk", &bulk(nobody)));
    assert_eq!(statuses(&answer.expect(200)), all("204", OPERATIONS));
    // Filters as long as a path may be.
    let terms: Vec<String> = (0..60).map(|number| format!("display co \"nobody at all {number:03}\"")).collect();
    let path = format!("members[{}]", terms.join(" or "));
    assert!((1_800..2_048).contains(&path.len()), "{}", path.len());
    let long = vec![patch_group(json!({"op": "remove", "path": path})); OPERATIONS];
    let answer = answered_meanwhile(&client, |it| it.post("/Bulk", &bulk(long)));
    assert_eq!(statuses(&answer.expect(200)), all("413", OPERATIONS));
    // The longest filter on members.
    let terms: Vec<String> =
        (0..100).map(|number| format!("members.display co \"nobody at all {number:03}\"")).collect();
    let filter: String = terms.join(" or ").bytes().map(|byte| format!("%{byte:02X}")).collect();
    client.get(&format!("/Groups?filter={filter}")).refused(400, Some("tooMany"), "more than 5000 members");
    let one = "/Groups?filter=members.value%20eq%20%22u09999%22&excludedAttributes=members";
    assert_eq!(client.get(one).expect(200).text("/Resources/0/id"), "Pro");
}
