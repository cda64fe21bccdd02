//! The whole way: a real Active Directory, the agent as an operator runs it, and SCIM servers that are not ours.
//!
//! What a server holds is read past the agent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ad;
mod loopback;
mod python;
mod scim;
mod site;

use ad::Ad;
use scim::{Manner, ScimServer, TOKEN};
use serde_json::Value;
use site::Site;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;

/// Where most of these servers keep the tier.
const LICENCE: &str = "entitlements[licence]";

struct World {
    ad: Ad,
    site: Site,
    server: ScimServer,
    /// Whether tiers are groups.
    has_groups: bool,
}

impl World {
    fn new(server: ScimServer, tier_in: &str) -> Self {
        let has_groups = tier_in == "group";
        if has_groups {
            ["Full", "View"].iter().for_each(|name| server.make_group(name));
        }
        let ad = Ad::start();
        let mut site = Site::new(ad.directory(), &["App-Pro"], &["App-Plus"]);
        let token = site.file("scim-token");
        std::fs::write(&token, TOKEN).unwrap();
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
        site.accounts_section = Some(format!(
            "[accounts]\nkind = 'scim'\naccount = 'product'\nbase_url = '{}'\nbearer_token_file = '{token}'\n\
             tier_in = '{tier_in}'\ntier_values = {{ pro = 'Full', plus = 'View' }}\n",
            server.base_url()
        ));
        Self { ad, site, server, has_groups }
    }

    /// As [`World::new`], for a company that deletes whoever leaves.
    fn deleting(server: ScimServer) -> Self {
        let mut world = Self::new(server, LICENCE);
        world.site.accounts_section.as_mut().unwrap().push_str("on_leave = 'delete'\n");
        world
    }

    /// The server's own word on these people: `Full active`, `View inactive`, or nothing.
    #[track_caller]
    fn assert_held(&self, expected: &[(&str, &str)]) {
        let users = self.server.users();
        let members = |name: &str| match self.server.group(name)["members"].clone() {
            Value::Array(members) => members,
            _ => Vec::new(),
        };
        let groups =
            if self.has_groups { ["Full", "View"].map(|name| (name, members(name))).to_vec() } else { Vec::new() };
        let held = |email: &str| {
            let user = users.iter().find(|user| user["emails"][0]["value"] == email);
            let text = user.map(|user| {
                assert!(user["externalId"].as_str().is_some_and(|id| id.len() == 36), "{user}");
                assert_eq!(user["userName"], email, "{user}");
                let mut text = String::new();
                for item in user["entitlements"].as_array().into_iter().flatten() {
                    write!(text, "{} ", item["value"].as_str().unwrap()).unwrap();
                }
                for (name, _) in groups.iter().filter(|(_, members)| members.iter().any(|it| it["value"] == user["id"]))
                {
                    write!(text, "{name} ").unwrap();
                }
                text + if user["active"] == false { "inactive" } else { "active" }
            });
            text.unwrap_or_default()
        };
        let found: Vec<(&str, String)> = expected.iter().map(|(email, _)| (*email, held(email))).collect();
        let expected: Vec<(&str, String)> = expected.iter().map(|(email, held)| (*email, (*held).to_owned())).collect();
        assert_eq!(found, expected);
    }

    /// Given name, family name and display name on the server; empty where there is none.
    #[track_caller]
    fn assert_named(&self, email: &str, expected: [&str; 3]) {
        let user = self.server.user(email).unwrap();
        let found = [&user["name"]["givenName"], &user["name"]["familyName"], &user["displayName"]];
        assert_eq!(found.map(|name| name.as_str().unwrap_or_default()), expected, "{user}");
    }

    /// The requests that write, by the server's own log.
    fn writes(&self) -> usize {
        ["POST", "PUT", "PATCH", "DELETE"].into_iter().map(|method| self.server.requests(method)).sum()
    }

    /// A pass that lists the server has nothing to write, and finds everything as it should be.
    #[track_caller]
    fn assert_at_rest(&self) {
        let before = self.writes();
        let run = self.site.run(&["sync", "--audit", "--json"]);
        assert_eq!(run.code, 0, "{run:#?}");
        assert_eq!(run.json["in_sync"], true, "{run:#?}");
        run.assert_no_warning("drift");
        assert_eq!(self.writes(), before, "in sync means that nothing is written");
    }
}

/// Join, promote, demote, leave, return, rename, another address, drift.
fn a_year_at(server: ScimServer, tier_in: &str, writes: impl Fn(usize) -> usize) {
    let world = World::new(server, tier_in);
    let World { ad, site, server, has_groups } = &world;
    for (attribute, value) in [("givenName", "Bob"), ("sn", "O'Brien-\u{141}uk"), ("displayName", "Bob \"B\" O'Brien")]
    {
        ad.set(&ad::person("bob"), attribute, value);
    }
    let made = world.writes();
    let checked = site.check();
    assert_eq!(checked.code, 0, "{checked:#?}");
    let stand = if *has_groups { "are groups".to_owned() } else { format!("stand in {tier_in}") };
    let told = format!("ok    tiers         tiers {stand}: pro is \"Full\"");
    assert!(checked.stdout.contains(&told), "{checked:#?}");

    let names = "ok    names         name.givenName from givenName, name.familyName from sn, displayName from displayName or cn";
    assert!(checked.stdout.contains(names), "{checked:#?}");

    site.sync_and_settle();
    world.assert_at_rest();
    world.assert_held(&[
        ("alice@ad.test", "Full active"),
        ("bob@ad.test", "View active"),
        ("both@ad.test", "Full active"),
        ("plus+tag@ad.test", "View active"),
        ("joiner@ad.test", ""),
        ("disabled@ad.test", ""),
    ]);
    assert_eq!(world.writes() - made, writes(server.users().len()), "in as few requests as the server takes");
    world.assert_named("alice@ad.test", ["", "", "alice"]);
    world.assert_named("bob@ad.test", ["Bob", "O'Brien-\u{141}uk", "Bob \"B\" O'Brien"]);

    ad.add_to_group("App-Plus", &["joiner"]);
    ad.add_to_group("App-Pro", &["bob"]);
    ad.remove_from_group("App-Pro", &["leaver", "both"]);
    ad.disable("mover");
    ad.set_mail("renamer", "renamed@ad.test");
    site.sync_and_settle();
    world.assert_at_rest();
    world.assert_held(&[
        ("joiner@ad.test", "View active"),
        ("bob@ad.test", "Full active"),
        ("leaver@ad.test", "Full inactive"),
        ("both@ad.test", "View active"),
        ("mover@ad.test", "Full inactive"),
        ("renamed@ad.test", "Full active"),
        ("renamer@ad.test", ""),
    ]);

    ad.add_to_group("App-Plus", &["leaver"]);
    ad.enable("mover");
    ad.rename(&ad::person("alice"), "Alice Married");
    ad.set(&ad::person("bob"), "sn", "Smith");
    ad.modify(&format!("dn: {}\nchangetype: modify\ndelete: givenName\n", ad::person("bob")));
    site.sync_and_settle();
    world.assert_at_rest();
    world.assert_named("alice@ad.test", ["", "", "Alice Married"]);
    // What the directory has no value for any more stays as it is.
    world.assert_named("bob@ad.test", ["Bob", "Smith", "Bob \"B\" O'Brien"]);
    world.assert_held(&[
        ("leaver@ad.test", "View active"),
        ("mover@ad.test", "Full active"),
        ("alice@ad.test", "Full active"),
    ]);

    // Two people exchange their addresses, which are names to sign in with here.
    ad.set_mail("both", "mover@ad.test");
    ad.set_mail("mover", "both@ad.test");
    site.sync_and_settle();
    world.assert_at_rest();
    world.assert_held(&[("mover@ad.test", "View active"), ("both@ad.test", "Full active")]);

    // Somebody changes one account by hand, and makes one that is nobody's here.
    let bob = server.user("bob@ad.test").unwrap();
    let patch = serde_json::json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": false}],
    });
    let (status, answer) = server.ask("PATCH", &format!("/Users/{}", bob["id"].as_str().unwrap()), Some(&patch));
    assert!(status == 200 || status == 204, "{status} {answer}");
    let robot = server.make(&serde_json::json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "robot",
        "emails": [{"value": "robot@elsewhere.test"}],
    }));
    let run = site.run(&["sync", "--audit", "--json"]);
    assert_eq!(run.code, 0, "{run:#?}");
    run.assert_warns("drift", &["bob"]);
    world.assert_held(&[("bob@ad.test", "Full active")]);
    world.assert_at_rest();
    assert_eq!(server.user("robot"), Some(robot), "left alone");
}

#[test]
fn a_year_at_a_server_with_everything() {
    a_year_at(ScimServer::strict(Manner::Rich), LICENCE, |_| 2);
}

#[test]
fn a_year_at_a_server_without_bulk() {
    a_year_at(ScimServer::strict(Manner::Plain), LICENCE, |people| people);
}

/// One user alone and the group of that one, then all others and both groups.
#[test]
fn a_year_in_groups() {
    a_year_at(ScimServer::strict(Manner::Rich), "group", |_| 2 + 3);
}

#[test]
fn a_year_in_groups_of_a_product() {
    a_year_at(ScimServer::product(), "group", |people| people + 3);
}

/// A group that is not there is named by `check`, nothing is sent, and it is not made.
#[test]
fn a_group_that_is_not_there_is_named() {
    let world = World::new(ScimServer::strict(Manner::Plain), "group");
    let id = world.server.group("View")["id"].as_str().unwrap().to_owned();
    let (status, _) = world.server.ask("DELETE", &format!("/Groups/{id}"), None);
    assert_eq!(status, 204);
    let before = world.writes();
    let checked = world.site.check();
    assert_eq!(checked.code, 1, "{checked:#?}");
    assert!(checked.stdout.contains("has no group \"View\", which is to be a tier: create it there"), "{checked:#?}");
    let run = world.site.sync();
    assert_ne!(run.code, 0, "{run:#?}");
    assert!(run.stderr.contains("has no group \"View\""), "{run:#?}");
    assert_eq!((world.writes(), world.server.users().len()), (before, 0));
    world.server.make_group("view");
    world.site.sync_and_settle();
    world.assert_at_rest();
    // Who is in two of them has the higher tier; that the other may cost a licence is said.
    world.server.let_in("view", &world.server.user("alice@ad.test").unwrap());
    world.assert_at_rest();
    let run = world.site.run(&["sync", "--audit", "--json"]);
    assert!(run.stderr.contains("in several groups of tiers"), "{run:#?}");
}

#[test]
fn a_year_at_a_product() {
    a_year_at(ScimServer::product(), LICENCE, |people| people);
}

/// Who leaves is deleted, who is held back only deactivated until the end of it, and who returns is made anew.
fn for_good_at(server: ScimServer) {
    let world = World::deleting(server);
    let World { ad, site, server, .. } = &world;
    let checked = site.check();
    assert!(checked.stdout.contains("who leaves is deleted"), "{checked:#?}");
    site.sync_and_settle();
    let key = |name: &str| server.user(name).map(|user| user["id"].clone());
    let (leaver, bob) = (key("leaver@ad.test"), key("bob@ad.test"));

    ad.remove_from_group("App-Pro", &["leaver"]);
    ad.disable("mover");
    let plan = site.plan();
    assert_eq!(plan.changes_in_words(), ["remove leaver@ad.test planned", "suspend mover@ad.test planned"]);
    site.sync_and_settle();
    world.assert_at_rest();
    world.assert_held(&[("leaver@ad.test", ""), ("mover@ad.test", "Full inactive"), ("alice@ad.test", "Full active")]);

    // Weeks later.
    ad.delete(&ad::person("mover"));
    site.sync_and_settle();
    world.assert_at_rest();
    world.assert_held(&[("mover@ad.test", "")]);

    ad.add_to_group("App-Plus", &["leaver"]);
    site.sync_and_settle();
    world.assert_at_rest();
    world.assert_held(&[("leaver@ad.test", "View active"), ("bob@ad.test", "View active")]);
    assert!(leaver.is_some() && key("leaver@ad.test") != leaver, "another account than before");
    assert_eq!((server.requests("DELETE"), key("bob@ad.test")), (2, bob));
}

#[test]
fn for_good_at_a_server_with_everything() {
    for_good_at(ScimServer::strict(Manner::Rich));
}

#[test]
fn for_good_at_a_product() {
    for_good_at(ScimServer::product());
}

/// The server says yes to a deletion and deactivates: that is no success, and says what to write instead.
#[test]
fn a_server_that_only_deactivates_has_deleted_nobody() {
    let mut world = World::deleting(ScimServer::dropping());
    // It keeps no licences: whoever is active has the only tier.
    let section = world.site.accounts_section.take().unwrap();
    let section = section.replace("entitlements[licence]", "none").replace(", plus = 'View'", "");
    world.site.accounts_section = Some(section);
    world.site.tiers.truncate(1);
    let World { ad, site, server, .. } = &world;
    site.sync_and_settle();
    ad.remove_from_group("App-Pro", &["leaver"]);
    for _ in 0..2 {
        let run = site.sync();
        assert_eq!(
            (run.code, run.changes_in_words()),
            (5, vec!["remove leaver@ad.test failed".to_owned()]),
            "{run:#?}"
        );
        let error = run.json["changes"][0]["error"].as_str().unwrap();
        assert!(error.contains("has only deactivated it") && error.contains("on_leave = \"deactivate\""), "{error}");
        assert_eq!(server.user("leaver@ad.test").unwrap()["active"], false);
    }
}

/// The server says yes to a licence and drops it: that is no success, and names what was dropped.
#[test]
fn a_server_that_drops_licences_confirms_no_seat() {
    let world = World::new(ScimServer::dropping(), LICENCE);
    let checked = world.site.check();
    assert_eq!(checked.code, 1, "its own schemas do not have them: {checked:#?}");
    assert!(checked.stdout.contains("which is not in the server's schemas"), "{checked:#?}");
    for _ in 0..2 {
        let run = world.site.sync();
        assert_eq!(run.code, 5, "{run:#?}");
        let changes = run.json["changes"].as_array().unwrap();
        assert!(!changes.is_empty(), "{run:#?}");
        for change in changes {
            assert_eq!(change["status"], "failed", "{change}");
            let error = change["error"].as_str().unwrap();
            assert!(error.contains("did not keep entitlements[licence]"), "{change}\n{}", world.server.log());
        }
        assert_eq!(world.server.users().len(), 1, "one was tried, and not everybody");
        let seats = world.site.accounts();
        assert!(seats.values().all(|account| account.tier.is_empty()), "{seats:?}");
    }
}
