//! The whole way: a real Active Directory, the agent, and the server, over HTTP and over TLS, in all three kinds of accounts.
//!
//! What the server holds is read by boto3, past the agent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ad;
mod loopback;
mod python;
mod seatstore;
mod site;

use ad::Ad;
use seatstore::Server;
use serde_json::{Value, json};
use site::Site;
use std::collections::BTreeMap;

/// What carries the requests.
#[derive(Clone, Copy, Debug)]
enum Carrier {
    Http,
    Tls,
}

struct World {
    ad: Ad,
    site: Site,
    server: Server,
    account: String,
}

impl World {
    fn new(kind: &str, carrier: Carrier) -> Self {
        let mut server = match carrier {
            Carrier::Http => Server::new(),
            Carrier::Tls => Server::with_tls(),
        };
        let account = server.account("Corp", kind, if kind == "Team" { &[] } else { &["ad.test"] });
        server.resume();
        assert_eq!(server.url().starts_with("https://"), matches!(carrier, Carrier::Tls), "{}", server.url());
        let ad = Ad::start();
        let mut site = Site::new(ad.directory(), &["App-Pro"], &["App-Plus"]);
        site.accounts_section = Some(server.accounts_section(server.url(), &account));
        Self { ad, site, server, account }
    }

    /// These people sign up, as they may in an LWA account.
    fn register(&mut self, emails: &[&str]) {
        self.server.stop();
        for email in emails {
            self.server.register(&self.account, email);
        }
        self.server.resume();
        self.site.accounts_section = Some(self.server.accounts_section(self.server.url(), &self.account));
    }

    #[track_caller]
    fn call(&self, name: &str, arguments: Value) -> Value {
        let mut setup = self.server.setup();
        setup["arguments"] = arguments;
        let printed = python::run("call.py", &[name], &setup.to_string());
        if printed.is_empty() { Value::Null } else { serde_json::from_str(&printed).unwrap() }
    }

    /// The server's own word on these people: `Pro Registered`, or nothing.
    #[track_caller]
    fn assert_held(&self, expected: &[(&str, &str)]) {
        let answer = self.call("list_users", json!({"AccountId": self.account}));
        let text = |user: &Value, member: &str| user[member].as_str().unwrap_or_default().to_owned();
        let users: BTreeMap<String, String> = answer["Users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| {
                let held = format!("{} {}", text(user, "LicenseType"), text(user, "UserRegistrationStatus"));
                (text(user, "PrimaryEmail"), held.trim().to_owned())
            })
            .collect();
        let found: Vec<(&str, &str)> = expected
            .iter()
            .map(|(email, _)| (*email, users.get(*email).map(String::as_str).unwrap_or_default()))
            .collect();
        assert_eq!(found, expected);
    }
}

/// Accounts are created at once; who leaves is suspended.
fn directory(carrier: Carrier) {
    let world = World::new("EnterpriseDirectory", carrier);
    world.site.sync_and_settle();
    world.assert_held(&[
        ("alice@ad.test", "Pro Registered"),
        ("bob@ad.test", "Plus Registered"),
        ("both@ad.test", "Pro Registered"),
        ("plus+tag@ad.test", "Plus Registered"),
        ("joiner@ad.test", ""),
        ("disabled@ad.test", ""),
    ]);

    world.ad.add_to_group("App-Plus", &["joiner"]);
    world.ad.add_to_group("App-Pro", &["bob"]);
    world.ad.remove_from_group("App-Pro", &["leaver", "both"]);
    world.ad.disable("mover");
    world.ad.set_mail("renamer", "renamed@ad.test");
    world.site.sync_and_settle();
    world.assert_held(&[
        ("joiner@ad.test", "Plus Registered"),
        ("bob@ad.test", "Pro Registered"),
        ("leaver@ad.test", "Pro Suspended"),
        ("both@ad.test", "Plus Registered"),
        ("mover@ad.test", "Pro Suspended"),
        ("renamed@ad.test", "Pro Registered"),
        ("renamer@ad.test", ""),
    ]);

    world.ad.add_to_group("App-Plus", &["leaver"]);
    world.ad.enable("mover");
    world.site.sync_and_settle();
    world.assert_held(&[("leaver@ad.test", "Plus Registered"), ("mover@ad.test", "Pro Registered")]);
}

/// People sign up by themselves, and then get their licence; who leaves is suspended.
fn lwa(carrier: Carrier) {
    let mut world = World::new("EnterpriseLWA", carrier);
    let run = world.site.sync();
    assert_eq!(run.code, 0, "who has not signed up is waited for: {run:#?}");
    world.assert_held(&[("alice@ad.test", ""), ("bob@ad.test", "")]);

    world.register(&["alice@ad.test", "bob@ad.test", "leaver@ad.test", "joiner@ad.test"]);
    world.site.sync_and_settle();
    world.assert_held(&[
        ("alice@ad.test", "Pro Registered"),
        ("bob@ad.test", "Plus Registered"),
        ("leaver@ad.test", "Pro Registered"),
        ("mover@ad.test", ""),
    ]);

    world.ad.remove_from_group("App-Pro", &["leaver"]);
    world.register(&["mover@ad.test"]);
    world.site.sync_and_settle();
    world.assert_held(&[("leaver@ad.test", "Pro Suspended"), ("mover@ad.test", "Pro Registered")]);

    world.ad.add_to_group("App-Plus", &["leaver"]);
    world.site.sync_and_settle();
    world.assert_held(&[("leaver@ad.test", "Plus Registered")]);
}

/// People are invited by mail; who leaves is removed.
fn team(carrier: Carrier) {
    let world = World::new("Team", carrier);
    world.site.sync_and_settle();
    world.assert_held(&[("alice@ad.test", "Unregistered"), ("leaver@ad.test", "Unregistered"), ("joiner@ad.test", "")]);

    world.call("accept", json!({"Emails": ["alice@ad.test", "bob@ad.test", "leaver@ad.test"]}));
    world.site.sync_and_settle();
    world.assert_held(&[
        ("alice@ad.test", "Pro Registered"),
        ("bob@ad.test", "Plus Registered"),
        ("leaver@ad.test", "Pro Registered"),
        ("mover@ad.test", "Unregistered"),
    ]);

    // One who accepted goes, and one who did not.
    world.ad.remove_from_group("App-Pro", &["leaver", "mover"]);
    world.site.sync_and_settle();
    world.assert_held(&[("leaver@ad.test", ""), ("mover@ad.test", "")]);

    world.ad.add_to_group("App-Plus", &["leaver"]);
    world.site.sync_and_settle();
    world.assert_held(&[("leaver@ad.test", "Unregistered")]);
}

macro_rules! stories {
    ($($name:ident: $story:ident($carrier:expr);)+) => {
        $(
            #[test]
            fn $name() {
                $story($carrier);
            }
        )+
    };
}

stories! {
    a_directory_account_over_http: directory(Carrier::Http);
    a_directory_account_over_tls: directory(Carrier::Tls);
    an_lwa_account_over_http: lwa(Carrier::Http);
    an_lwa_account_over_tls: lwa(Carrier::Tls);
    a_team_account_over_http: team(Carrier::Http);
    a_team_account_over_tls: team(Carrier::Tls);
}
