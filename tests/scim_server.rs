//! SCIM 2.0 at a running `seatstore`: what RFC 7643 and 7644 say of it, and the rules of each kind of account.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod scim_client;
mod seatstore;

use scim_client::{Client, GROUP, USER, user};
use seatstore::Server;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

/// A server with a directory account for `corp.test`, and a client that may change it.
fn directory() -> (Server, Client) {
    directory_with(&[])
}

fn directory_with(arguments: &[&str]) -> (Server, Client) {
    let mut server = Server::new();
    let account = server.account("Corp", "EnterpriseDirectory", &["corp.test"]);
    server.resume();
    let client = Client::of(&mut server, &account, arguments);
    (server, client)
}

fn may_sign_in(server: &Server, email: &str) -> Value {
    server.run(&["sign-in", email])["allowed"].clone()
}

/// The licences held, by address.
fn licences(client: &Client) -> Vec<String> {
    let list = client.get("/Users?sortBy=userName").expect(200);
    let shown = |it: &Value| {
        format!(
            "{} {} {}",
            it["userName"].as_str().unwrap(),
            it["entitlements"][0]["value"].as_str().unwrap_or("-"),
            it["active"]
        )
    };
    list.at("/Resources").as_array().unwrap().iter().map(shown).collect()
}

#[test]
fn who_has_no_token_or_another_one_learns_nothing() {
    let (mut server, client) = directory();
    let other = server.run(&["account", "create", "Other"])["id"].as_str().unwrap().to_owned();
    let read_only = Client::of(&mut server, client.base.rsplit_once('/').unwrap().1, &["--read-only"]);
    let client = client.at(&server);
    for token in ["", "SCIM0000000000000000.x", "x", &format!("{}x", client.token)] {
        for path in ["/Users", "/ServiceProviderConfig", "/Nope", "/Me"] {
            let answer = client.with_token(token).get(path).expect(401);
            assert!(answer.headers["www-authenticate"].starts_with("Bearer realm=\"seatstore\""), "{answer:#?}");
        }
    }
    for account in [&other, "nobody"] {
        let elsewhere = Client { base: format!("/scim/v2/{account}"), ..client.clone() };
        elsewhere.get("/Users").refused(403, None, "for another account");
    }
    client.get("/Nope").refused(404, None, "nothing here");
    client.get("/Me").refused(501, None, "no /Me");
    client.ask("OPTIONS", "/Users", &[], None).expect(405);
    client.delete("/Users").expect(405);
    // Who may only read, reads: by GET, and by POST where that only asks.
    read_only.get("/Users").expect(200);
    let search =
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "active eq true"});
    read_only.post("/.search", &search).expect(200);
    read_only.post("/Users", &user("a@corp.test", "Pro")).refused(403, None, "may only read");
    read_only.post("/Bulk", &json!({})).refused(403, None, "may only read");
    read_only.patch("/Users/x", json!([])).refused(403, None, "may only read");
    // No secret in what is told.
    let secret = client.token.split_once('.').unwrap().1;
    assert!(!server.log().contains(secret));
}

#[test]
fn a_token_is_rotated_without_a_gap_and_revoked() {
    let (server, client) = directory();
    let listed = server.run(&["key", "list"]);
    let listed = listed["keys"].as_array().unwrap().iter().find(|key| key["kind"] == "scim").unwrap().clone();
    let id = listed["id"].as_str().unwrap();
    assert_eq!((&listed["access"], &listed["former_is_good"]), (&json!("change"), &json!(false)));
    let text = std::fs::read_to_string(server.path("keys.toml")).unwrap();
    assert!(!text.contains(client.token.split_once('.').unwrap().1), "only a digest is kept");
    let rotated = server.run(&["key", "rotate", id])["token"].as_str().unwrap().to_owned();
    let reloaded = |token: &str, status: u16| {
        server.reload();
        // A signal is not answered: what is asked until then is answered as before.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while client.with_token(token).get("/Users").status != status {
            assert!(std::time::Instant::now() < deadline, "the keys were not read again");
            std::thread::yield_now();
        }
    };
    reloaded(&rotated, 200);
    client.get("/Users").expect(200);
    server.run(&["key", "revoke", id, "--former"]);
    reloaded(&client.token, 401);
    client.with_token(&rotated).get("/Users").expect(200);
    server.run(&["key", "revoke", id]);
    reloaded(&rotated, 401);
    // Into a file, and for one account alone.
    let account = client.base.rsplit_once('/').unwrap().1;
    let folder = server.path("client");
    let issued = server.run(&["key", "new", "--scim", "--account", account, "--out", folder.to_str().unwrap()]);
    assert!(issued["token"].is_null(), "shown, though it was to be written: {issued}");
    let file = folder.join("scim-token");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    reloaded(std::fs::read_to_string(file).unwrap().trim_end(), 200);
    for arguments in
        [&["--account", account, "--account", "other"][..], &["--account", account, "--licences", "--read-only"], &[]]
    {
        let refused = server.command(&[&["key", "new", "--scim"], arguments].concat()).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {refused:?}");
    }
    // The running server knows which accounts there are; with no key to ask it with, the first one is not refused.
    let refused = server.command(&["key", "new", "--scim", "--account", "nosuch"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("account nosuch does not exist"), "{refused:?}");
    std::fs::remove_file(server.path("keys.toml")).unwrap();
    let issued = server.command(&["key", "new", "--scim", "--account", "nosuch"]).output().unwrap();
    let told = String::from_utf8_lossy(&issued.stderr);
    assert!(issued.status.success() && told.contains("without a look whether its account exists"), "{issued:?}");
}

#[test]
fn a_directory_account_follows_its_client() {
    let (mut server, client) = directory();
    let body = json!({
        "schemas": [USER], "userName": "Alice@corp.test", "externalId": "00u1", "displayName": "Alice",
        "name": {"givenName": "Alice", "familyName": "Liddell", "formatted": "Alice Liddell"}, "active": true,
        "emails": [{"value": "alice@corp.test", "type": "work", "primary": true}],
        "entitlements": [{"value": "pro"}], "title": "Dr.", "locale": "en-GB",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Tea"},
    });
    let made = client.post("/Users", &body).expect(201);
    let id = made.text("/id");
    assert_eq!(made.headers["location"], made.text("/meta/location"));
    assert!(made.text("/meta/location").ends_with(&format!("{}/Users/{id}", client.base)), "{made:#?}");
    assert_eq!(made.headers["etag"], made.text("/meta/version"));
    let warning = &made.headers["warning"];
    assert!(["title", "locale", "enterprise"].iter().all(|name| warning.contains(name)), "{warning}");
    assert_eq!((made.at("/title"), made.at("/entitlements/0/value")), (&Value::Null, &json!("Pro")));
    assert_eq!(made.at("/groups/0/value"), "Pro");
    assert_eq!(may_sign_in(&server, "alice@corp.test"), true);

    // Unique without regard to case; outside of the claimed domain nobody comes.
    client.post("/Users", &user("ALICE@CORP.test", "")).refused(409, Some("uniqueness"), "already the address");
    client.post("/Users", &user("bob@other.test", "")).refused(403, None, "outside the claimed domains");
    let twin = json!({"schemas": [USER], "userName": "bob@corp.test", "externalId": "00u1"});
    client.post("/Users", &twin).refused(409, Some("uniqueness"), "00u1");
    client.get("/Users/nobody").refused(404, None, "no user");

    // Versions.
    let path = format!("/Users/{id}");
    let version = made.headers["etag"].clone();
    let same = client.ask("GET", &path, &[("if-none-match", &version)], None);
    assert_eq!((same.status, same.body), (304, Value::Null));
    let patch = |version: &str, value: bool| {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "active", "value": value}],
        });
        client.ask("PATCH", &path, &[("if-match", version)], Some(&body.to_string()))
    };
    patch("W/\"other\"", false).refused(412, None, "changed since");
    assert_eq!(may_sign_in(&server, "alice@corp.test"), true, "a stale change is none");
    let suspended = patch(&version, false).expect(200);
    assert_eq!((suspended.at("/active"), suspended.at("/entitlements/0/value")), (&json!(false), &json!("Pro")));
    assert_ne!(suspended.headers["etag"], version);
    assert_eq!(may_sign_in(&server, "alice@corp.test"), false);
    patch("*", true).expect(200);
    assert_eq!(may_sign_in(&server, "alice@corp.test"), true);

    // A licence moves; what does not exist is refused by name.
    let licence = |value: &str| {
        client
            .patch(&path, json!([{"op": "replace", "path": "entitlements[type eq \"licence\"].value", "value": value}]))
    };
    assert_eq!(licence("Plus").expect(200).at("/entitlements/0/value"), "Plus");
    licence("Gold").refused(400, Some("invalidValue"), "not a licence of the account: Basic, Plus, Pro");
    client.patch(&path, json!([{"op": "remove", "path": "entitlements"}])).refused(400, Some("mutability"), "required");
    client.patch(&path, json!([{"op": "add", "path": "roles", "value": [{"value": "admin"}]}])).refused(
        400,
        Some("invalidPath"),
        "roles",
    );

    // A new address, given in any of the usual ways.
    let moved = client.patch(&path, json!([{"op": "replace", "value": {"userName": "al@corp.test"}}])).expect(200);
    assert_eq!(
        (moved.text("/userName"), moved.text("/emails/0/value")),
        ("al@corp.test".into(), "al@corp.test".into())
    );
    let moved = client
        .patch(&path, json!([{"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "ali@corp.test"}]));
    assert_eq!(moved.expect(200).text("/userName"), "ali@corp.test");
    let both = json!([{"op": "replace", "value": {"userName": "x@corp.test", "emails": [{"value": "y@corp.test"}]}}]);
    client.patch(&path, both).refused(400, Some("invalidValue"), "two addresses");
    // A name that is no address.
    let named = client.patch(&path, json!([{"op": "replace", "path": "userName", "value": "alice"}])).expect(200);
    assert_eq!((named.text("/userName"), named.text("/emails/0/value")), ("alice".into(), "ali@corp.test".into()));
    client.post("/Users", &user("alice2", "")).refused(400, Some("invalidValue"), "emails is required");

    // PUT replaces: what it does not say of names is gone, what it does not say of the seat stays.
    let put =
        client.put(&path, &json!({"schemas": [USER], "userName": "alice@corp.test", "externalId": "00u1"})).expect(200);
    assert_eq!((put.at("/name"), put.at("/displayName")), (&Value::Null, &Value::Null));
    assert_eq!(
        (put.at("/active"), put.text("/entitlements/0/value"), put.text("/externalId")),
        (&json!(true), "Plus".into(), "00u1".into())
    );
    client.put(&path, &json!({"schemas": [USER], "userName": "a@corp.test", "nope": 1})).refused(
        400,
        Some("invalidSyntax"),
        "nope",
    );

    // All of it is on the disk, and told.
    server.kill9();
    server.resume();
    let client = client.at(&server);
    assert_eq!(client.get(&path).expect(200).text("/externalId"), "00u1");
    let token = client.token.split_once('.').unwrap().0.to_owned();
    let log = server.run(&["audit", "--user", "alice@corp.test"]).to_string();
    assert!(log.contains("ScimReplaceUser") && log.contains(&token), "{log}");

    // Deleted, the person is out and nowhere to be seen, and comes back as the same user.
    client.delete(&path).expect(204);
    client.get(&path).expect(404);
    client.delete(&path).expect(404);
    assert_eq!(client.get("/Users").expect(200).at("/totalResults"), 0);
    assert_eq!(may_sign_in(&server, "alice@corp.test"), false);
    let again = client.post("/Users", &json!({"schemas": [USER], "userName": "alice@corp.test"})).expect(201);
    assert_eq!(
        (again.text("/id"), again.text("/entitlements/0/value"), again.at("/externalId")),
        (id.clone(), "Plus".into(), &Value::Null)
    );
    assert_eq!(may_sign_in(&server, "alice@corp.test"), true);
    // An administrator sees it, and brings back who was deleted, too.
    client.delete(&path).expect(204);
    let account = client.base.rsplit_once('/').unwrap().1;
    let shown = server.run(&["user", "--account", account, "show", "alice@corp.test"]);
    assert_eq!((&shown["status"], &shown["deleted_by_client"]), (&json!("suspended"), &json!(true)), "{shown}");
    server.run(&["user", "--account", account, "activate", "alice@corp.test"]);
    assert_eq!(client.get(&path).expect(200).at("/active"), true);
}

/// Where nobody is made, nobody moves to: by none of the ways in which an address changes.
#[test]
fn an_address_outside_the_claimed_domains_is_nobodys() {
    let (server, client) = directory();
    let id = client.create("in@corp.test", "Pro");
    let path = format!("/Users/{id}");
    let outside = "outside the claimed domains: corp.test";
    client.post("/Users", &user("out@evil.test", "")).refused(403, None, outside);
    let replace = |path: &str, value: Value| json!([{"op": "replace", "path": path, "value": value}]);
    for operations in [
        replace("userName", json!("out@evil.test")),
        replace("emails", json!([{"value": "out@evil.test"}])),
        replace("emails[type eq \"work\"].value", json!("out@evil.test")),
        replace("emails.value", json!("out@sub.corp.test")),
        json!([{"op": "replace", "value": {"userName": "out@evil.test", "emails": [{"value": "out@evil.test"}]}}]),
        // With a name besides that is no address.
        json!([{"op": "replace", "value": {"userName": "in", "emails": [{"value": "out@evil.test"}]}}]),
    ] {
        client.patch(&path, operations).refused(403, None, outside);
    }
    client.put(&path, &user("out@evil.test", "")).refused(403, None, outside);
    let named = json!({"schemas": [USER], "userName": "in", "emails": [{"value": "out@evil.test"}]});
    client.put(&path, &named).refused(403, None, outside);
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{"method": "PUT", "path": path, "data": user("out@evil.test", "")}],
    });
    assert_eq!(client.post("/Bulk", &bulk).expect(200).at("/Operations/0/status"), "403");
    let account = client.base.rsplit_once('/').unwrap().1;
    let rename = ["user", "--account", account, "rename", "in@corp.test", "out@evil.test"];
    let renamed = server.command(&rename).output().unwrap();
    assert!(!renamed.status.success(), "{renamed:?}");
    assert_eq!(may_sign_in(&server, "out@evil.test"), false);
    assert_eq!(may_sign_in(&server, "in@corp.test"), true, "refused, and nothing taken");
    assert_eq!(client.get(&path).expect(200).text("/userName"), "in@corp.test");
    // Deleted there, nobody comes back with a POST, as nobody new comes; an administrator may bring them back.
    client.patch(&path, replace("userName", json!("in@parked.invalid"))).expect(200);
    client.delete(&path).expect(204);
    client.post("/Users", &user("in@parked.invalid", "Basic")).refused(403, None, outside);
    assert_eq!(may_sign_in(&server, "in@parked.invalid"), false);
    server.run(&["user", "--account", account, "activate", "in@parked.invalid"]);
    assert_eq!(client.get(&path).expect(200).text("/entitlements/0/value"), "Pro");
    client.patch(&path, replace("userName", json!("in@corp.test"))).expect(200);
    // Within, it moves.
    client.patch(&path, replace("userName", json!("within@corp.test"))).expect(200);
    server.run(&["user", "--account", account, "rename", "within@corp.test", "In@corp.test"]);
    assert_eq!(client.get(&path).expect(200).text("/emails/0/value"), "In@corp.test");
}

/// Who was put out with the domain does not come back in by an address that is nobody's, and in steps neither.
#[test]
fn nobody_of_a_released_domain_goes_round_it() {
    let (server, client) = directory();
    let account = client.base.rsplit_once('/').unwrap().1;
    let (path, away) = (
        format!("/Users/{}", client.create("in@corp.test", "Pro")),
        format!("/Users/{}", client.create("away@corp.test", "Pro")),
    );
    let replace = |path: &str, value: Value| json!([{"op": "replace", "path": path, "value": value}]);
    client.patch(&away, replace("active", json!(false))).expect(200);
    server.run(&["domain", "--account", account, "release", "corp.test"]);
    let released = [client.get(&path).expect(200).body, client.get(&away).expect(200).body];
    assert_eq!((&released[0]["active"], may_sign_in(&server, "in@corp.test")), (&json!(false), json!(false)));
    for path in [&path, &away] {
        client.patch(path, replace("userName", json!("zz@a.invalid"))).refused(409, None, "was released");
        client.patch(path, replace("emails", json!([{"value": "zz@a.invalid"}]))).refused(409, None, "was released");
        client.put(path, &user("zz@a.invalid", "")).refused(409, None, "was released");
    }
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{"method": "PUT", "path": path, "data": user("zz@a.invalid", "")}],
    });
    assert_eq!(client.post("/Bulk", &bulk).expect(200).at("/Operations/0/status"), "409");
    let rename = ["user", "--account", account, "rename", "in@corp.test", "zz@a.invalid"];
    let renamed = server.command(&rename).output().unwrap();
    assert!(!renamed.status.success(), "{renamed:?}");
    assert_eq!(may_sign_in(&server, "zz@a.invalid"), false);
    assert_eq!([client.get(&path).expect(200).body, client.get(&away).expect(200).body], released);
}

/// A directory identity is one user's, in whatever writing it comes; and goes out as it came.
#[test]
fn one_identity_in_many_writings_is_one_user() {
    let (_server, client) = directory();
    let writings = [
        "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
        "0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0",
        "{0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0}",
        "{0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0}",
        "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        "urn:uuid:0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
    ];
    let body = |name: &str, external_id: &str| json!({"schemas": [USER], "userName": format!("{name}@corp.test"), "externalId": external_id});
    let other = client.create("other@corp.test", "Pro");
    for first in writings {
        let made = client.post("/Users", &body("first", first)).expect(201);
        assert_eq!(made.text("/externalId"), first);
        for second in writings {
            client.post("/Users", &body("second", second)).refused(409, Some("uniqueness"), "user");
            let replace = json!([{"op": "replace", "path": "externalId", "value": second}]);
            client.patch(&format!("/Users/{other}"), replace.clone()).refused(409, Some("uniqueness"), "user");
            // Its own, in another writing.
            let changed = client.patch(&format!("/Users/{}", made.text("/id")), replace).expect(200);
            assert_eq!(changed.text("/externalId"), second);
        }
        assert_eq!(client.get("/Users").expect(200).at("/totalResults"), 2);
        client.delete(&format!("/Users/{}", made.text("/id"))).expect(204);
    }
    client.post("/Users", &body("second", writings[1])).expect(201);
}

#[test]
fn a_team_invites_and_lets_go() {
    let mut server = Server::new();
    let account = server.account("Team", "Team", &[]);
    server.resume();
    let client = Client::of(&mut server, &account, &[]);
    client.post("/Users", &user("a@team.test", "Pro")).refused(409, None, "invited and holds Plus on acceptance");
    let id = client.post("/Users", &user("a@team.test", "")).expect(201).text("/id");
    let invited = client.get(&format!("/Users/{id}")).expect(200);
    assert_eq!((invited.at("/active"), invited.at("/entitlements")), (&json!(true), &Value::Null));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while seatstore::letters(&server.spool()).len() != 1 {
        assert!(std::time::Instant::now() < deadline, "no invitation was written");
        std::thread::yield_now();
    }
    let path = format!("/Users/{id}");
    let licence = json!([{"op": "replace", "path": "entitlements", "value": [{"value": "Pro"}]}]);
    client.patch(&path, licence.clone()).refused(409, None, "has not accepted the invitation");
    server.run(&["user", "--account", &account, "accept", "a@team.test"]);
    assert_eq!(client.get(&path).expect(200).at("/entitlements/0/value"), "Plus");
    assert_eq!(client.patch(&path, licence).expect(200).at("/entitlements/0/value"), "Pro");
    client.patch(&path, json!([{"op": "replace", "path": "active", "value": false}])).refused(
        403,
        None,
        "of kind Team nobody is suspended, only removed",
    );
    assert_eq!(may_sign_in(&server, "a@team.test"), true);
    client.delete(&path).expect(204);
    client.get(&path).expect(404);
    assert_eq!(may_sign_in(&server, "a@team.test"), false);
    // A shared device is nobody whom a client could make, see or take for itself.
    server.run(&["user", "--account", &account, "device", "Lobby", "lobby@team.test"]);
    client.post("/Users", &user("lobby@team.test", "")).refused(409, Some("uniqueness"), "already the address");
    assert_eq!(client.get("/Users").expect(200).at("/totalResults"), 0);
    // Who comes again is invited again, as somebody new; and an invitation is taken back.
    let again = client.post("/Users", &user("a@team.test", "")).expect(201).text("/id");
    assert_ne!(again, id);
    client.delete(&format!("/Users/{again}")).expect(204);
    assert_eq!(client.get("/Users").expect(200).at("/totalResults"), 0);
}

#[test]
fn to_an_account_of_claimed_domains_people_come_by_themselves() {
    let mut server = Server::new();
    let account = server.account("Lwa", "EnterpriseLWA", &["corp.test"]);
    server.register(&account, "a@corp.test");
    server.resume();
    let client = Client::of(&mut server, &account, &[]);
    client.post("/Users", &user("b@corp.test", "")).refused(
        403,
        None,
        "of kind EnterpriseLWA accounts are not created",
    );
    let found = client.get("/Users?filter=userName%20eq%20%22A@corp.test%22").expect(200);
    let path = format!("/Users/{}", found.text("/Resources/0/id"));
    client.patch(&path, json!([{"op": "replace", "path": "active", "value": "False"}])).expect(200);
    assert_eq!(may_sign_in(&server, "a@corp.test"), false);
    client.patch(&path, json!([{"op": "replace", "value": {"active": true, "externalId": "x"}}])).expect(200);
    assert_eq!(may_sign_in(&server, "a@corp.test"), true);
    // The account lets its domain go: nobody of it can be activated.
    server.run(&["domain", "--account", &account, "release", "corp.test"]);
    assert_eq!(client.get(&path).expect(200).at("/active"), false);
    client.patch(&path, json!([{"op": "replace", "path": "active", "value": true}])).refused(409, None, "was released");
}

#[test]
fn a_user_says_when_it_was_made_and_last_changed() {
    let (mut server, client) = directory();
    let id = client.create("a@corp.test", "Pro");
    client.create("b@corp.test", "Pro");
    let path = format!("/Users/{id}");
    let made = client.get(&path).expect(200);
    let time = |answer: &scim_client::Answer, name: &str| -> jiff::Timestamp {
        answer.text(&format!("/meta/{name}")).parse().unwrap()
    };
    let created = time(&made, "created");
    assert_eq!(time(&made, "lastModified"), created, "not changed since");
    // Until the clock has gone on: times have milliseconds.
    let later = |than: jiff::Timestamp| {
        while jiff::Timestamp::now().as_millisecond() <= than.as_millisecond() {
            std::thread::yield_now();
        }
    };
    later(created);
    let same =
        json!([{"op": "replace", "path": "active", "value": true}, {"op": "add", "path": "displayName", "value": ""}]);
    assert_eq!(
        client.patch(&path, same).expect(200).at("/meta"),
        made.at("/meta"),
        "what changes nothing is no change"
    );
    let changed = client.patch(&path, json!([{"op": "replace", "path": "active", "value": false}])).expect(200);
    assert_eq!(client.get(&path).expect(200).body, changed.body, "answered as it is kept");
    let modified = time(&changed, "lastModified");
    assert!(modified > created && time(&changed, "created") == created, "{changed:#?}");
    let newer = format!("/Users?filter=meta.lastModified%20gt%20%22{created}%22");
    let newer = |name: &str| {
        let found = client.get(&newer).expect(200);
        let names: Vec<&str> =
            found.at("/Resources").as_array().unwrap().iter().map(|it| it["userName"].as_str().unwrap()).collect();
        assert!(names.contains(&name), "{found:#?}");
    };
    newer("a@corp.test");
    // Whoever changes it, and as a member of a group; kept beyond a restart.
    later(modified);
    server.run(&["user", "activate", "a@corp.test"]);
    let activated = time(&client.get(&path).expect(200), "lastModified");
    assert!(activated > modified);
    later(activated);
    client.patch("/Groups/Basic", json!([{"op": "add", "path": "members", "value": [{"value": id}]}])).expect(200);
    let moved = client.get(&path).expect(200);
    assert!(time(&moved, "lastModified") > activated);
    server.restart();
    assert_eq!(client.at(&server).get(&path).expect(200).at("/meta/lastModified"), moved.at("/meta/lastModified"));
}

#[test]
fn groups_are_licences_and_members_hold_them() {
    let (mut server, client) = directory();
    let ids: Vec<String> = ["a", "b", "c"].map(|name| client.create(&format!("{name}@corp.test"), "Pro")).to_vec();
    let groups = client.get("/Groups?sortBy=displayName&sortOrder=descending").expect(200);
    let names: Vec<&str> =
        groups.at("/Resources").as_array().unwrap().iter().map(|it| it["displayName"].as_str().unwrap()).collect();
    assert_eq!(names, ["Pro", "Plus", "Basic"]);
    assert_eq!(groups.at("/Resources/0/members").as_array().unwrap().len(), 3);
    assert!(client.get("/Groups/Pro?excludedAttributes=members").expect(200).at("/members").is_null());
    let member = |id: &str| json!([{"op": "add", "path": "members", "value": [{"value": id}]}]);
    client.patch("/Groups/Basic", member(&ids[0])).expect(200);
    client.patch("/Groups/Basic", member(&ids[0])).expect(200);
    assert_eq!(licences(&client), ["a@corp.test Basic true", "b@corp.test Pro true", "c@corp.test Pro true"]);
    // Taken out, a user falls back to the default licence; out of that one there is no way but into another.
    let out = |id: &str| json!([{"op": "remove", "path": format!("members[value eq \"{id}\"]")}]);
    client.patch("/Groups/Pro", out(&ids[1])).expect(200);
    client.patch("/Groups/Pro", out(&ids[1])).expect(200);
    assert_eq!(licences(&client)[1], "b@corp.test Plus true");
    let told = client.patch("/Groups/Plus", out(&ids[1])).expect(409).text("/detail");
    for words in ["there is none but Plus", "members of its group", "`active` to false", "account default-licence"] {
        assert!(told.contains(words), "{told}");
    }
    client.patch("/Groups/Pro", member("nobody")).refused(400, Some("invalidValue"), "nobody");
    let all = json!({"schemas": [GROUP], "displayName": "Pro", "members": [{"value": ids[0]}, {"value": ids[1]}]});
    assert_eq!(client.put("/Groups/Pro", &all).expect(200).at("/members").as_array().unwrap().len(), 2);
    assert_eq!(licences(&client), ["a@corp.test Pro true", "b@corp.test Pro true", "c@corp.test Plus true"]);
    // All of them by PATCH, the last word counting; who is named and not there is told, and nothing done.
    let replace = |ids: &[&str]| json!({"op": "replace", "path": "members", "value": ids.iter().map(|id| json!({"value": id})).collect::<Vec<_>>()});
    client.patch("/Groups/Pro", json!([replace(&[&ids[2]])])).expect(200);
    assert_eq!(licences(&client), ["a@corp.test Plus true", "b@corp.test Plus true", "c@corp.test Pro true"]);
    client.patch("/Groups/Pro", json!([replace(&["nobody"])])).refused(400, Some("invalidValue"), "nobody");
    client.patch("/Groups/Pro", json!([{"op": "remove", "path": "members"}, out(&ids[0])[0], member(&ids[0])[0], replace(&[&ids[0], &ids[2]]), member(&ids[1])[0], out(&ids[2])[0]])).expect(200);
    assert_eq!(licences(&client), ["a@corp.test Pro true", "b@corp.test Pro true", "c@corp.test Plus true"]);
    // Who does not speak of members takes nobody's licence; who says that there are none, does.
    client.put("/Groups/Pro", &json!({"schemas": [GROUP], "displayName": "Pro", "externalId": "g1"})).expect(200);
    assert_eq!(licences(&client)[0], "a@corp.test Pro true");
    assert_eq!(client.get("/Groups?filter=externalId%20eq%20%22g1%22").expect(200).text("/Resources/0/id"), "Pro");
    client.put("/Groups/Basic", &json!({"schemas": [GROUP], "displayName": "Basic", "externalId": "g1"})).refused(
        409,
        Some("uniqueness"),
        "g1",
    );
    client.patch("/Groups/Basic", member(&ids[1])).expect(200);
    client.put("/Groups/Basic", &json!({"schemas": [GROUP], "displayName": "Basic", "members": []})).expect(200);
    assert_eq!(licences(&client)[1], "b@corp.test Plus true");
    client.patch("/Groups/Pro", json!([{"op": "add", "path": "members", "value": {"value": ids[1]}}, {"op": "add", "path": "externalId", "value": "g2"}])).expect(200);
    assert_eq!(
        (client.get("/Groups/Pro").expect(200).text("/externalId"), licences(&client)[1].as_str()),
        ("g2".into(), "b@corp.test Pro true")
    );
    let stale = client.ask("DELETE", "/Groups/Pro", &[("if-match", "\"old\"")], None);
    stale.refused(412, None, "changed since");
    client.patch("/Groups/Pro", json!([{"op": "replace", "path": "displayName", "value": "Best"}])).refused(
        400,
        Some("mutability"),
        "immutable",
    );
    client.get("/Groups/Gold").refused(404, None, "groups are the licences");
    let filter = format!("/Groups?filter=members.value%20eq%20%22{}%22", ids[2]);
    assert_eq!(client.get(&filter).expect(200).text("/Resources/0/id"), "Plus");
    // A licence is made and deleted by a token that may, and never under somebody.
    let gold = json!({"schemas": [GROUP], "displayName": "Gold", "members": [{"value": ids[2]}]});
    client.post("/Groups", &gold).refused(403, None, "seatstore account support");
    let client = Client::of(&mut server, client.base.rsplit_once('/').unwrap().1, &["--licences"]);
    assert_eq!(client.post("/Groups", &gold).expect(201).text("/meta/resourceType"), "Group");
    client.post("/Groups", &gold).refused(409, Some("uniqueness"), "already");
    assert_eq!(licences(&client)[2], "c@corp.test Gold true");
    client.delete("/Groups/Gold").refused(409, None, "1 users hold Gold");
    client.patch("/Groups/Gold", json!([{"op": "remove", "path": "members"}])).expect(200);
    client.delete("/Groups/Gold").expect(204);
    client.get("/Groups/Gold").expect(404);
    client.delete("/Groups/Plus").refused(409, None, "default licence");
}

/// Nothing said is not nobody: else a field that a client left empty takes everybody's licence.
#[test]
fn members_are_not_taken_out_by_a_value_that_is_missing() {
    let (_server, client) = directory();
    let ids = ["a", "b"].map(|name| client.create(&format!("{name}@corp.test"), "Pro"));
    let before = client.get("/Groups/Pro").expect(200).body;
    let urn = format!("{GROUP}:members");
    let filter = format!("members[value eq \"{}\"]", ids[0]);
    let mut lacking = vec![json!({"op": "replace", "value": {"externalId": "g", "Members": null}})];
    for op in ["add", "replace"] {
        for path in ["members", " Members ", &urn, &filter, &format!("{filter}.value"), "members.value"] {
            lacking.push(json!({"op": op, "path": path}));
            lacking.push(json!({"op": op, "path": path, "value": null}));
            lacking.push(json!({"op": op, "value": {path.trim(): null}}));
        }
    }
    for operation in lacking {
        let told = |answer: scim_client::Answer| answer.refused(400, Some("invalidValue"), "members needs a value");
        told(client.patch("/Groups/Pro", json!([operation])));
        // Also where another operation gives them, and in a bulk.
        let add = json!({"op": "add", "path": "members", "value": [{"value": ids[0]}]});
        told(client.patch("/Groups/Pro", json!([add, operation])));
        let bulk = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [{"method": "PATCH", "path": "/Groups/Pro", "data": {
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]}}],
        });
        let answer = client.post("/Bulk", &bulk).expect(200);
        assert_eq!(answer.at("/Operations/0/response/scimType"), "invalidValue", "{operation}: {answer:#?}");
        assert_eq!(client.get("/Groups/Pro").expect(200).body, before, "{operation}");
    }
    // Who says that there are none, does.
    for (operation, back) in [
        (json!({"op": "replace", "path": "members", "value": []}), true),
        (json!({"op": "replace", "value": {"members": []}}), true),
        (json!({"op": "remove", "path": "members"}), false),
    ] {
        let emptied = client.patch("/Groups/Pro", json!([operation])).expect(200);
        assert!(emptied.at("/members").is_null(), "{emptied:#?}");
        if back {
            let all = json!([{"op": "add", "path": "members", "value": [{"value": ids[0]}, {"value": ids[1]}]}]);
            client.patch("/Groups/Pro", all).expect(200);
        }
    }
    assert_eq!(licences(&client), ["a@corp.test Plus true", "b@corp.test Plus true"]);
}

#[test]
fn many_changes_go_in_one_request() {
    let (server, client) = directory();
    let bulk = |operations: Value, fail_on_errors: Value| {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "failOnErrors": fail_on_errors, "Operations": operations,
        });
        client.post("/Bulk", &body)
    };
    let post = |name: &str| json!({"method": "POST", "path": "/Users", "bulkId": name, "data": user(&format!("{name}@corp.test"), "Pro")});
    let many: Vec<Value> = (0..1_000).map(|number| post(&format!("p{number}"))).collect();
    let answer = bulk(json!(many), Value::Null).expect(200);
    let statuses = |answer: &scim_client::Answer| -> Vec<String> {
        answer
            .at("/Operations")
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["status"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(statuses(&answer), vec!["201"; 1_000]);
    let answers = answer.at("/Operations").as_array().unwrap().clone();
    let one_more = json!([post("p1000"), {"method": "PATCH", "path": "/Groups/Pro",
        "data": {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "remove", "path": "members[value eq \"nobody\"]"}]}}]);
    assert_eq!(statuses(&bulk(one_more, Value::Null).expect(200)), ["201", "204"], "of more than a thousand");
    let first = answer.text("/Operations/0/location");
    assert_eq!(client.get("/Users?count=0").expect(200).at("/totalResults"), 1_001);
    let path = &first[first.find("/Users/").unwrap()..];
    let version = answer.text("/Operations/0/version");
    let mixed = json!([
        {"method": "PATCH", "path": path, "version": version,
         "data": {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "replace", "path": "active", "value": false}]}},
        {"method": "DELETE", "path": path, "version": version},
        post("p1"),
        post("new"),
        {"method": "PATCH", "path": "/Groups/Basic",
         "data": {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "add", "path": "members", "value": [{"value": "bulkId:new"}]}]}},
        {"method": "DELETE", "path": "/Users/bulkId:later"},
        {"method": "GET", "path": "/Users"},
        {"method": "POST", "path": "/Users", "data": {}},
        {"method": "POST", "path": "/Bulk", "bulkId": "b", "data": {}},
    ]);
    let answer = bulk(mixed.clone(), Value::Null).expect(200);
    assert_eq!(statuses(&answer), ["200", "412", "409", "201", "200", "409", "400", "400", "404"]);
    assert_eq!(answer.at("/Operations/2/response/scimType"), "uniqueness");
    assert_eq!(answer.at("/Operations/3/bulkId"), "new");
    assert!(answer.at("/Operations/2/location").is_null(), "of what was not made");
    assert_eq!(
        client.get("/Groups/Basic?attributes=members.display").expect(200).text("/members/0/display"),
        "new@corp.test"
    );
    assert_eq!(may_sign_in(&server, "p0@corp.test"), false);
    // A large group is changed member by member, in answers without all of them.
    let large = client.patch(
        "/Groups/Plus",
        json!([{"op": "add", "path": "members", "value": [{"value": path.rsplit_once('/').unwrap().1}]}]),
    );
    assert_eq!(large.expect(200).at("/members").as_array().unwrap().len(), 1);
    let mut many: Vec<Value> = (0..1_000)
        .map(|at| json!({"value": answers[at]["location"].as_str().unwrap().rsplit_once('/').unwrap().1}))
        .collect();
    many.push(json!({"value": client.get("/Users?filter=userName%20eq%20%22p1000@corp.test%22").expect(200).text("/Resources/0/id")}));
    client.patch("/Groups/Basic", json!([{"op": "add", "path": "members", "value": many}])).refused(
        413,
        None,
        "at most 1000",
    );
    let moved =
        client.patch("/Groups/Basic", json!([{"op": "add", "path": "members", "value": many[1..]}])).expect(204);
    assert!(moved.body.is_null(), "{moved:#?}");
    let held = client.get("/Groups/Basic?attributes=members").expect(200);
    assert_eq!(held.at("/members").as_array().unwrap().len(), 1_001);
    // A thousand moved by one operation, which is in a write of its own, between others that share theirs.
    let all = |op: &str, some: &[Value]| json!({"op": op, "path": "members", "value": some});
    let patch = |path: &str, operation: Value| {
        json!({"method": "PATCH", "path": path,
        "data": {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]}})
    };
    let mut moves: Vec<Value> = (1..300).map(|at| patch("/Groups/Pro", all("add", &many[at..=at]))).collect();
    moves.push(patch("/Groups/Plus", all("replace", &many[1..])));
    moves.extend((1..300).map(|at| patch("/Groups/Pro", all("add", &many[at..=at]))));
    moves.push(patch("/Groups/Basic", all("add", &many[1..])));
    let answer = bulk(json!(moves), Value::Null).expect(200);
    let refused: Vec<String> =
        statuses(&answer).into_iter().filter(|it| !["200", "204"].contains(&it.as_str())).collect();
    assert_eq!(refused, ["409"], "only whom the default licence would lose: {answer:#?}");
    assert_eq!(
        client.get("/Groups/Basic?attributes=members").expect(200).at("/members").as_array().unwrap().len(),
        1_001
    );
    // It ends after so many errors.
    assert_eq!(
        statuses(&bulk(json!([post("x1"), post("p1"), post("p2"), post("x2")]), json!(1)).expect(200)),
        ["201", "409"]
    );
    assert_eq!(client.get("/Users?filter=userName%20eq%20%22x2@corp.test%22").expect(200).at("/totalResults"), 0);
    // Limits.
    let too_many: Vec<Value> =
        (0..1_001).map(|number| json!({"method": "DELETE", "path": format!("/Users/{number}")})).collect();
    bulk(json!(too_many), Value::Null).refused(413, None, "at most 1000 operations");
    client.post("/Bulk", &json!({"Operations": []})).refused(400, Some("invalidSyntax"), "BulkRequest");
}

/// Else a change is made over somebody else's, which the client asked not to happen.
#[test]
fn a_condition_that_cannot_be_read_does_not_hold() {
    let (_server, client) = directory();
    let made = client.post("/Users", &user("a@corp.test", "Pro")).expect(201);
    let (path, version) = (format!("/Users/{}", made.text("/id")), made.text("/meta/version"));
    let group = client.get("/Groups/Pro").expect(200).body;
    let patch = |value: bool| {
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "active", "value": value}],
        })
    };
    let unreadable = format!("{version}, \"é\"");
    for (lines, words) in [
        (vec!["\"é\""], "If-Match cannot be read"),
        (vec![unreadable.as_str()], "If-Match cannot be read"),
        (vec![version.as_str(), "é"], "If-Match cannot be read"),
        (vec![""], "changed since"),
        (vec!["\"old\"", "\"older\""], "changed since"),
    ] {
        let lines: Vec<(&str, &str)> = lines.into_iter().map(|line| ("if-match", line)).collect();
        let ask = |method: &str, path: &str, body: Option<Value>| {
            client.ask(method, path, &lines, body.map(|body| body.to_string()).as_deref()).refused(412, None, words);
        };
        ask("PATCH", &path, Some(patch(false)));
        ask("PUT", &path, Some(user("b@corp.test", "Plus")));
        ask("DELETE", &path, None);
        ask("PUT", "/Groups/Pro", Some(json!({"schemas": [GROUP], "displayName": "Pro", "members": []})));
    }
    let bulk = |name: &str, version: Value| {
        let operation = json!({"method": "PATCH", "path": path, "data": patch(false), name: version});
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [operation, {"method": "DELETE", "path": path, name: version}],
        });
        let answer = client.post("/Bulk", &body).expect(200);
        [0, 1].map(|at| answer.text(&format!("/Operations/{at}/status")))
    };
    for version in [json!(5), json!(["x"]), json!({}), json!(true), json!([version])] {
        assert_eq!(bulk("version", version.clone()), ["400", "400"], "{version}");
    }
    // A name in other letters is the same name (RFC 7643 2.1).
    assert_eq!(bulk("Version", json!("W/\"old\"")), ["412", "412"]);
    assert_eq!(bulk("version", json!("")), ["412", "412"]);
    assert_eq!(client.get(&path).expect(200).body, made.body, "nothing was done");
    assert_eq!(client.get("/Groups/Pro").expect(200).body, group);
    // Several lines are one list, of which one is enough.
    let lines = [("if-match", "\"old\""), ("if-match", version.as_str())];
    client.ask("PATCH", &path, &lines, Some(&patch(false).to_string())).expect(200);
    assert_eq!(bulk("version", Value::Null), ["200", "204"], "without a condition");
}

#[test]
fn a_bulk_is_done_in_the_order_of_what_it_names() {
    let (_server, client) = directory_with(&["--licences"]);
    let bulk = |operations: Value| {
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations});
        client.post("/Bulk", &body)
    };
    let statuses = |answer: &scim_client::Answer| -> Vec<String> {
        let operations = answer.at("/Operations").as_array().unwrap();
        operations.iter().map(|it| it["status"].as_str().unwrap().to_owned()).collect()
    };
    let patch = |path: &str, operation: Value| {
        let data = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]});
        json!({"method": "PATCH", "path": path, "data": data})
    };
    let post = |name: &str, data: Value| json!({"method": "POST", "path": "/Users", "bulkId": name, "data": data});
    let old = client.create("taken@corp.test", "Pro");
    // The first names what the last makes, which wants the address that the one between them lets go of.
    let answer = bulk(json!([
        patch("/Groups/Basic", json!({"op": "add", "path": "members", "value": [{"value": "bulkId:new"}]})),
        {"method": "POST", "path": "/Groups", "bulkId": "gold",
         "data": {"schemas": [GROUP], "displayName": "Gold", "members": [{"value": "bulkId:other"}]}},
        patch(&format!("/Users/{old}"), json!({"op": "replace", "path": "userName", "value": "moved@corp.test"})),
        post("other", user("other@corp.test", "")),
        post("new", user("taken@corp.test", "Pro")),
        patch("/Groups/bulkId:gold", json!({"op": "add", "path": "members", "value": [{"value": old}]})),
    ]))
    .expect(200);
    assert_eq!(statuses(&answer), ["200", "201", "200", "201", "201", "200"], "{answer:#?}");
    assert_eq!(
        (answer.text("/Operations/1/bulkId"), answer.text("/Operations/4/bulkId")),
        ("gold".into(), "new".into())
    );
    assert_eq!(
        licences(&client),
        ["moved@corp.test Gold true", "other@corp.test Gold true", "taken@corp.test Basic true"]
    );
    // Two that wait for each other, one for itself, one for what is refused, one for what nobody makes; the others are done.
    let named = |name: &str, other: &str| {
        let mut data = user(&format!("{name}@corp.test"), "Pro");
        data["externalId"] = json!(format!("bulkId:{other}"));
        post(name, data)
    };
    let answer = bulk(json!([
        named("a", "b"),
        named("b", "a"),
        named("c", "c"),
        named("d", "refused"),
        named("e", "nobody"),
        post("refused", user("taken@corp.test", "Pro")),
        named("f", "good"),
        post("good", user("good@corp.test", "Pro")),
    ]))
    .expect(200);
    assert_eq!(statuses(&answer), ["409", "409", "409", "409", "409", "409", "201", "201"], "{answer:#?}");
    assert_eq!(answer.text("/Operations/0/response/scimType"), "invalidValue");
    assert!(answer.text("/Operations/1/response/detail").contains("wait for each other"), "{answer:#?}");
    // Which of two is meant nobody knows: nothing is done.
    let twice = bulk(json!([post("x", user("x@corp.test", "Pro")), post("x", user("y@corp.test", "Pro"))]));
    twice.refused(400, Some("invalidValue"), "two operations have the bulkId \"x\"");
    assert_eq!(client.get("/Users?count=0").expect(200).at("/totalResults"), 5);
}

#[test]
fn what_can_be_taken_in_two_ways_is_refused() {
    let (_server, client) = directory();
    let made = client.post("/Users", &user("a@corp.test", "Pro")).expect(201);
    let path = format!("/Users/{}", made.text("/id"));
    // The one entitlement and the one address are primary, whatever is said: shown to who asks, and nobody changes it.
    let asked = client.get(&format!("{path}?attributes=entitlements.primary,emails.primary")).expect(200);
    assert_eq!((asked.at("/entitlements/0/primary"), asked.at("/emails/0/primary")), (&json!(true), &json!(true)));
    let other = json!([{"op": "replace", "path": "entitlements[type eq \"licence\"].primary", "value": false}]);
    client.patch(&path, other).refused(400, Some("mutability"), "primary is read-only");
    // A name that stands twice: the first value, or the last one?
    let twice = r#"{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": true, "value": false}]}"#;
    client.ask("PATCH", &path, &[], Some(twice)).refused(400, Some("invalidSyntax"), "\"value\" stands twice");
    let twice = format!(r#"{{"schemas": ["{USER}"], "userName": "b@corp.test", "active": true, "active": false}}"#);
    client.ask("POST", "/Users", &[], Some(&twice)).refused(400, Some("invalidSyntax"), "\"active\" stands twice");
    // So do names that differ in case alone (RFC 7643 2.1): of an operation, in its value, and in a bulk.
    for operation in [
        r#"{"op": "add", "Op": "remove", "path": "members", "value": [{"value": "x"}]}"#,
        r#"{"op": "replace", "path": "members", "value": [], "Value": [{"value": "x"}]}"#,
        r#"{"op": "replace", "path": "externalId", "Path": "members", "value": []}"#,
        r#"{"op": "replace", "value": {"members": [], "Members": [{"value": "x"}]}}"#,
        r#"{"op": "replace", "path": "members", "value": [{"value": "x", "VALUE": "y"}]}"#,
    ] {
        let body =
            format!(r#"{{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{operation}]}}"#);
        let answer = client.ask("PATCH", "/Groups/Pro", &[], Some(&body));
        answer.refused(400, Some("invalidSyntax"), "stands twice");
        let body = format!(
            r#"{{"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [{{"method": "PATCH", "path": "/Groups/Pro", "data": {body}}}]}}"#
        );
        client.ask("POST", "/Bulk", &[], Some(&body)).refused(400, Some("invalidSyntax"), "stands twice");
    }
    for twice in [r#""method": "GET", "Method": "DELETE""#, r#""method": "DELETE", "version": "x", "Version": null"#] {
        let body = format!(
            r#"{{"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [{{{twice}, "path": "{path}"}}]}}"#
        );
        client.ask("POST", "/Bulk", &[], Some(&body)).refused(400, Some("invalidSyntax"), "stands twice");
    }
    assert_eq!(client.get("/Groups/Pro?attributes=members.value").expect(200).at("/members/0/value"), made.at("/id"));
    // A PATCH says that it is one (RFC 7644 3.5.2).
    let operations = json!([{"op": "replace", "path": "active", "value": false}]);
    for body in [
        json!({"Operations": operations}),
        json!({"schemas": [], "Operations": operations}),
        json!({"schemas": [USER], "Operations": operations}),
        json!({"schemas": "urn:ietf:params:scim:api:messages:2.0:PatchOp", "Operations": operations}),
    ] {
        for path in [path.as_str(), "/Groups/Pro"] {
            let answer = client.ask("PATCH", path, &[], Some(&body.to_string()));
            answer.refused(400, Some("invalidSyntax"), "`schemas` has to name");
        }
    }
    assert_eq!(client.get(&path).expect(200).body, made.body, "nothing was done");
}

#[test]
fn lists_come_in_pages_and_only_who_is_meant() {
    let (_server, client) = directory();
    let ids: Vec<String> = (0..25)
        .map(|number| client.create(&format!("p{number:02}@corp.test"), if number % 5 == 0 { "Basic" } else { "Pro" }))
        .collect();
    let names = |answer: &scim_client::Answer| -> Vec<String> {
        answer
            .at("/Resources")
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["userName"].as_str().unwrap().to_owned())
            .collect()
    };
    let page = client.get("/Users?startIndex=11&count=10&sortBy=userName&attributes=userName").expect(200);
    assert_eq!(
        (page.at("/totalResults"), page.at("/startIndex"), page.at("/itemsPerPage")),
        (&json!(25), &json!(11), &json!(10))
    );
    assert_eq!((names(&page)[0].as_str(), names(&page)[9].as_str()), ("p10@corp.test", "p19@corp.test"));
    let members: Vec<&String> = page.at("/Resources/0").as_object().unwrap().keys().collect();
    assert_eq!(members, ["id", "schemas", "userName"]);
    assert_eq!(names(&client.get("/Users?startIndex=26&count=10").expect(200)), Vec::<String>::new());
    // By index and by cursor everybody comes once, in whatever pages.
    for filter in ["", "&filter=entitlements.value%20eq%20%22pro%22"] {
        let mut by_index = Vec::new();
        for start in [1, 8, 15, 22] {
            by_index.extend(names(&client.get(&format!("/Users?startIndex={start}&count=7{filter}")).expect(200)));
        }
        let (mut by_cursor, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = client.get(&format!("/Users?cursor={cursor}&count=7{filter}")).expect(200);
            by_cursor.extend(names(&page));
            match page.at("/nextCursor").as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(by_index, by_cursor, "{filter}");
        assert_eq!(by_index.len(), if filter.is_empty() { 25 } else { 20 });
    }
    client.get("/Users?cursor=made-up").refused(400, Some("invalidCursor"), "no such cursor");
    let config = client.get("/ServiceProviderConfig").expect(200);
    assert_eq!((config.at("/pagination/cursor"), config.at("/pagination/index")), (&json!(true), &json!(true)));
    assert_eq!((config.at("/filter/maxResults"), config.at("/bulk/maxOperations")), (&json!(1000), &json!(1000)));
    for (filter, expected) in [
        (format!("id eq \"{}\"", ids[3]), 1),
        ("userName eq \"P03@CORP.test\"".to_owned(), 1),
        ("emails.value eq \"p03@corp.test\" and active eq true".to_owned(), 1),
        ("emails[type eq \"work\" and value sw \"p1\"]".to_owned(), 10),
        ("entitlements[type eq \"licence\"].value eq \"Basic\"".to_owned(), 0),
        ("groups.value eq \"Basic\" or userName eq \"p01@corp.test\"".to_owned(), 6),
        ("not (groups.value eq \"Basic\") and userName sw \"p0\"".to_owned(), 8),
        ("externalId pr".to_owned(), 0),
        ("meta.created gt \"2020-01-01T00:00:00Z\"".to_owned(), 25),
        ("externalId eq \"nobody\"".to_owned(), 0),
    ] {
        let encoded: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = client.get(&format!("/Users?filter={encoded}"));
        if filter.contains("].value eq") {
            answer.refused(400, Some("invalidFilter"), "character");
        } else {
            assert_eq!(answer.expect(200).at("/totalResults"), expected, "{filter}");
        }
    }
    client.get("/Users?filter=nickName%20eq%20%22x%22").refused(400, Some("invalidFilter"), "nickName");
    let search = |path: &str, filter: &str| {
        client.post(
            path,
            &json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": filter, "count": 50}),
        )
    };
    assert_eq!(search("/Users/.search", "userName sw \"p1\"").expect(200).at("/totalResults"), 10);
    assert_eq!(search("/.search", "id pr").expect(200).at("/totalResults"), 28, "users and licences");
    assert_eq!(
        search("/.search", "displayName eq \"pro\"").expect(200).text("/Resources/0/meta/resourceType"),
        "Group"
    );
}

#[test]
fn what_is_too_much_is_refused_in_the_words_of_scim() {
    let mut server = Server::configured("body_bytes_max = 65536\nrate = 1\nburst = 12", "");
    let account = server.account("Corp", "EnterpriseDirectory", &["corp.test"]);
    server.resume();
    let client = Client::of(&mut server, &account, &[]);
    let large = format!("{{\"x\": \"{}\"}}", "x".repeat(70_000));
    client.ask("POST", "/Users", &[], Some(&large)).refused(413, None, "larger than 65536 bytes");
    client.ask("POST", "/Users", &[], Some("{")).refused(400, Some("invalidSyntax"), "not JSON");
    client.ask("POST", "/Users", &[("content-type", "text/xml")], Some("<x/>")).refused(
        415,
        None,
        "application/scim+json",
    );
    client
        .ask(
            "POST",
            "/Users",
            &[("content-type", "application/json; charset=utf-8")],
            Some(&user("a@corp.test", "").to_string()),
        )
        .expect(201);
    client.post("/Users", &json!({"userName": "b@corp.test"})).refused(400, Some("invalidSyntax"), "schemas");
    let deep = "[".repeat(50_000);
    client.ask("POST", "/Users", &[], Some(&deep)).refused(400, Some("invalidSyntax"), "not JSON");
    let limited = (0..100).map(|_| client.get("/Schemas")).find(|answer| answer.status == 429).expect("a limit");
    let limited = limited.refused(429, None, "too often");
    assert!(limited.headers["retry-after"].parse::<u32>().unwrap() >= 1);
}
