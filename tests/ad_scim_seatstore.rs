//! The whole way over SCIM with both ends ours: a real Active Directory, the agent as an operator runs it, and `seatstore`.
//!
//! What the account store holds is read past the agent: over SCIM by another client, and by asking it who may sign in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ad;
mod loopback;
mod scim_client;
mod seatstore;
mod site;

use ad::Ad;
use scim_client::Client;
use seatstore::Server;
use serde_json::{Value, json};
use site::Site;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

struct World {
    ad: Ad,
    site: Site,
    server: Server,
    client: Client,
}

impl World {
    fn new(tier_in: &str) -> Self {
        let mut server = Server::new();
        let account = server.account("Corp", "EnterpriseDirectory", &["ad.test"]);
        server.resume();
        let client = Client::of(&mut server, &account, &[]).at(&server);
        let ad = Ad::start();
        let mut site = Site::new(ad.directory(), &["App-Pro"], &["App-Plus"]);
        let token = site.file("scim-token");
        std::fs::write(&token, &client.token).unwrap();
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
        site.accounts_section = Some(format!(
            "[accounts]\nkind = 'scim'\naccount = 'corp'\nbase_url = '{}{}'\nbearer_token_file = '{token}'\n\
             tier_in = '{tier_in}'\ntier_values = {{ pro = 'Pro', plus = 'Plus' }}\n",
            server.url(),
            client.base
        ));
        Self { ad, site, server, client }
    }

    /// All users by address, as another client is told.
    #[track_caller]
    fn users(&self) -> BTreeMap<String, Value> {
        let list = self.client.get("/Users?count=1000").expect(200);
        let users = list.at("/Resources").as_array().unwrap().clone();
        users.into_iter().map(|user| (user["userName"].as_str().unwrap().to_owned(), user)).collect()
    }

    /// `Pro`, `Pro inactive`, or nothing; and only who is active with a licence may sign in.
    #[track_caller]
    fn assert_held(&self, expected: &[(&str, &str)]) {
        let users = self.users();
        let held = |email: &str| {
            let Some(user) = users.get(email) else { return String::new() };
            let is_active = user["active"] == true;
            let licence = user["entitlements"][0]["value"].as_str().unwrap_or("-");
            assert_eq!(self.server.run(&["sign-in", email])["allowed"] == true, is_active, "{user}");
            format!("{licence}{}", if is_active { "" } else { " inactive" })
        };
        let found: Vec<(&str, String)> = expected.iter().map(|(email, _)| (*email, held(email))).collect();
        let expected: Vec<(&str, String)> = expected.iter().map(|(email, held)| (*email, (*held).to_owned())).collect();
        assert_eq!(found, expected);
    }

    /// A pass that lists the store finds everything as it should be and writes nothing: no user has another version.
    #[track_caller]
    fn assert_at_rest(&self) {
        let before = self.users();
        let run = self.site.run(&["sync", "--audit", "--json"]);
        assert_eq!((run.code, run.json["in_sync"].as_bool()), (0, Some(true)), "{run:#?}");
        run.assert_no_warning("drift");
        assert_eq!(self.users(), before);
    }
}

#[test]
fn a_year_at_our_own_store() {
    a_year("entitlements[licence]");
}

/// Its licences are groups, too: whoever comes into one is out of the other at once.
#[test]
fn a_year_in_groups_of_our_own_store() {
    a_year("group");
}

fn a_year(tier_in: &str) {
    let world = World::new(tier_in);
    let World { ad, site, client, .. } = &world;
    let checked = site.check();
    assert_eq!(checked.code, 0, "{checked:#?}");

    site.sync_and_settle();
    world.assert_at_rest();
    world.assert_held(&[
        ("alice@ad.test", "Pro"),
        ("bob@ad.test", "Plus"),
        ("both@ad.test", "Pro"),
        ("plus+tag@ad.test", "Plus"),
        ("joiner@ad.test", ""),
        ("disabled@ad.test", ""),
    ]);

    // Join, promote, demote, leave; another address.
    ad.add_to_group("App-Plus", &["joiner"]);
    ad.add_to_group("App-Pro", &["bob"]);
    ad.remove_from_group("App-Pro", &["leaver", "both"]);
    ad.disable("mover");
    ad.set_mail("renamer", "renamed@ad.test");
    let renamer = world.users()["renamer@ad.test"]["id"].clone();
    site.sync_and_settle();
    world.assert_at_rest();
    world.assert_held(&[
        ("joiner@ad.test", "Plus"),
        ("bob@ad.test", "Pro"),
        ("leaver@ad.test", "Pro inactive"),
        ("both@ad.test", "Plus"),
        ("mover@ad.test", "Pro inactive"),
        ("renamed@ad.test", "Pro"),
        ("renamer@ad.test", ""),
    ]);
    assert_eq!(world.users()["renamed@ad.test"]["id"], renamer, "the account stays");

    // Return; a rename in the directory is one of the name alone.
    ad.add_to_group("App-Plus", &["leaver"]);
    ad.enable("mover");
    let alice = world.users()["alice@ad.test"].clone();
    assert_eq!(alice["displayName"], "alice");
    ad.set(&ad::person("alice"), "sn", "Married");
    ad.rename(&ad::person("alice"), "Alice Married");
    site.sync_and_settle();
    world.assert_at_rest();
    world.assert_held(&[("leaver@ad.test", "Plus"), ("mover@ad.test", "Pro")]);
    let married = world.users()["alice@ad.test"].clone();
    assert_eq!(
        (&married["displayName"], &married["name"]),
        (&json!("Alice Married"), &json!({"familyName": "Married"}))
    );
    let but_for_names = |mut user: Value| {
        user.as_object_mut().unwrap().retain(|name, _| !["displayName", "name", "meta"].contains(&name.as_str()));
        user
    };
    assert_eq!(but_for_names(married), but_for_names(alice));

    // Drift: somebody changes one user by hand, and makes another one.
    let bob = world.users()["bob@ad.test"]["id"].as_str().unwrap().to_owned();
    client.patch(&format!("/Users/{bob}"), json!([{"op": "replace", "path": "active", "value": false}])).expect(200);
    client.create("robot@ad.test", "");
    let run = site.run(&["sync", "--audit", "--json"]);
    assert_eq!(run.code, 0, "{run:#?}");
    run.assert_warns("drift", &["bob"]);
    world.assert_held(&[("bob@ad.test", "Pro")]);
    assert!(world.users().contains_key("robot@ad.test"), "left alone");
    world.assert_at_rest();
}

/// Deleted over SCIM, a user of an EnterpriseDirectory is suspended here and SCIM clients see nobody; so nobody signs in, and a
/// return is a new user to them.
#[test]
fn for_good_at_our_own_store() {
    let mut world = World::new("entitlements[licence]");
    world.site.accounts_section.as_mut().unwrap().push_str("on_leave = 'delete'\n");
    let World { ad, site, .. } = &world;
    site.sync_and_settle();
    ad.remove_from_group("App-Pro", &["leaver"]);
    ad.disable("mover");
    site.sync_and_settle();
    world.assert_at_rest();
    world.assert_held(&[("leaver@ad.test", ""), ("mover@ad.test", "Pro inactive")]);
    assert_eq!(world.server.run(&["sign-in", "leaver@ad.test"])["allowed"], false);

    ad.delete(&ad::person("mover"));
    site.sync_and_settle();
    world.assert_at_rest();
    world.assert_held(&[("mover@ad.test", "")]);

    ad.add_to_group("App-Plus", &["leaver"]);
    site.sync_and_settle();
    world.assert_at_rest();
    world.assert_held(&[("leaver@ad.test", "Plus"), ("alice@ad.test", "Pro")]);
}
