//! What happens to an account store while an agent looks after one of its accounts: people come by themselves, a domain goes,
//! somebody works by hand, an account or a key is taken away. It is put right, or said what is to be done; and what the
//! agent may not touch stays.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod dns;
mod proxy;
mod python;
mod seatstore;

use Wanted::{Nothing, Plus, Pro};
use chain::{Chain, Pass, Wanted, email};
use dns::DnsServer;
use seatstore::Server;
use serde_json::Value;

impl Chain {
    /// A command of `seatstore` for users of the account.
    #[track_caller]
    fn user(&self, arguments: &[&str]) -> Value {
        self.server.run(&[&["user", "--account", &self.account], arguments].concat())
    }

    /// `Pro Registered`; empty where there is nobody.
    #[track_caller]
    fn held(&self, index: usize) -> String {
        let users = self.users();
        users.get(&email(index)).map(|(licence, status)| format!("{licence} {status}")).unwrap_or_default()
    }
}

impl Pass {
    /// Failed as a whole, before anything was changed, and said all of these.
    #[track_caller]
    fn assert_stopped(&self, words: &[&str]) {
        assert_eq!(self.code, 1, "{self:#?}");
        for word in words {
            assert!(self.told.contains(word), "{word:?} is not in {self:#?}");
        }
    }

    /// What was said of the change of one person that failed.
    #[track_caller]
    fn error(&self, index: usize) -> String {
        let changes = self.report["changes"].as_array().unwrap_or_else(|| panic!("{self:#?}"));
        let failed = changes.iter().find(|change| change["email"] == email(index) && change["status"] == "failed");
        failed.unwrap_or_else(|| panic!("{self:#?}"))["error"].as_str().unwrap().to_owned()
    }
}

/// Anyone of a claimed domain may sign up in an LWA account. Who is waited for gets the licence in the next pass; who signs
/// up though nobody seats them loses the seat in the next audit; who is in no directory is left alone.
#[test]
fn people_who_sign_up_unasked_are_found_by_an_audit() {
    let mut chain = Chain::configured("EnterpriseLWA", 3, "");
    chain.want(0..1, Pro);
    chain.want(1..2, Plus);
    chain.takes(&[]);
    chain.register(0..1);
    chain.register(2..3);
    chain.server.register(&chain.account, "stranger@corp.test");
    chain.takes(&[("BatchUpdateUser", 1)]);
    assert_eq!((&*chain.held(0), &*chain.held(2)), ("Pro Registered", "Plus Registered"));
    let audit = chain.audit();
    assert_eq!(audit.code, 0, "{audit:#?}");
    assert_eq!((&*chain.held(0), &*chain.held(2)), ("Pro Registered", "Plus Suspended"));
    assert_eq!(chain.users()["stranger@corp.test"], ("Plus".to_owned(), "Registered".to_owned()));
    chain.converge();
}

/// However many are waited for, they are looked up by one reading of the list where that takes fewer requests.
#[test]
fn many_people_who_are_waited_for_are_looked_up_at_once() {
    let mut chain = Chain::configured("EnterpriseLWA", 2_500, "");
    chain.register(0..1);
    chain.want(0..2_500, Pro);
    chain.takes(&[("BatchUpdateUser", 1)]);
    chain.proxy.forget();
    assert_eq!(chain.sync().code, 0);
    // Whether it is empty, and one page with everybody.
    assert_eq!(chain.proxy.asked("ListUsers"), 2, "{:?}", chain.proxy.counts());
    assert_eq!(chain.proxy.asked_in_all(), 3, "{:?}", chain.proxy.counts());
}

/// The users of a released domain are out, and nobody can let them in: that is said by name in each pass, and comes right by
/// itself when the domain is verified again.
#[test]
fn a_domain_is_released_and_comes_back() {
    let dns = DnsServer::start();
    let server = Server::configured("", &format!("[domains]\nresolvers = [\"{}\"]\n", dns.address()));
    let mut chain = Chain::on(server, "EnterpriseLWA", 3);
    chain.register(0..3);
    chain.want(0..2, Pro);
    chain.want(2..3, Plus);
    chain.converge();
    let domain =
        |chain: &Chain, command: &str| chain.server.run(&["domain", "--account", &chain.account, command, "corp.test"]);
    domain(&chain, "release");
    for pass in [chain.audit(), chain.sync(), chain.audit()] {
        assert_eq!(pass.code, 5, "{pass:#?}");
        for index in 0..3 {
            assert!(pass.error(index).contains("was released: claim and verify it again first"), "{pass:#?}");
        }
    }
    // What is to be taken is taken meanwhile.
    chain.want(1..2, Nothing);
    chain.write_directory();
    assert_eq!(chain.sync().code, 5);
    let record = domain(&chain, "claim")["record"].as_str().unwrap().to_owned();
    dns.set_txt("corp.test", vec![record]);
    domain(&chain, "verify");
    chain.converge();
    assert_eq!(chain.audit().code, 0);
    chain.converge();
    assert_eq!(
        [0, 1, 2].map(|index| chain.held(index)),
        ["Pro Registered", "Pro Suspended", "Plus Registered"].map(str::to_owned)
    );
}

/// A device that has somebody's address is nobody's seat, and is never touched.
#[test]
fn a_shared_device_is_nobodys_seat() {
    let mut chain = Chain::new("EnterpriseDirectory", 2);
    let device = chain.user(&["device", "Room 1", &email(0)]);
    chain.want(0..2, Pro);
    chain.write_directory();
    for pass in [chain.sync(), chain.audit()] {
        assert_eq!(pass.code, 5, "{pass:#?}");
        let error = pass.error(0);
        assert!(error.contains("Conflict") && error.contains("is already the address of"), "{error}");
    }
    assert_eq!((&*chain.held(0), &*chain.held(1)), ("Plus Registered", "Pro Registered"), "{device}");
    // Nobody is seated who is the device: it is not suspended when the person is wanted no more.
    chain.want(0..1, Nothing);
    chain.write_directory();
    assert_eq!(chain.audit().code, 0);
    assert_eq!(chain.held(0), "Plus Registered");
}

/// Licences that no tier is called after, given by hand: people get the one of their tier.
#[test]
fn licences_outside_the_tiers_are_replaced() {
    let mut chain = Chain::new("EnterpriseLWA", 4);
    chain.want(0..3, Pro);
    chain.want(3..4, Plus);
    chain.takes(&[("BatchUpdateUser", 1)]);
    for licence in ["Basic", "ProTrial"] {
        chain.server.run(&["account", "support", &chain.account, licence]);
    }
    chain.user(&["assign", "Basic", &email(0), &email(2)]);
    chain.user(&["assign", "ProTrial", &email(1)]);
    chain.want(2..3, Nothing);
    chain.write_directory();
    chain.proxy.forget();
    assert_eq!(chain.audit().code, 0);
    assert_eq!((chain.proxy.asked("BatchUpdateUser"), chain.proxy.asked("BatchSuspendUser")), (1, 1));
    chain.converge();
    assert_eq!(
        [0, 1, 2, 3].map(|index| chain.held(index)),
        ["Pro Registered", "Pro Registered", "Basic Suspended", "Plus Registered"].map(str::to_owned)
    );
}

/// What somebody did by hand is undone by an audit, each in its own way.
#[test]
fn work_by_hand_is_undone_by_an_audit() {
    let mut chain = Chain::new("EnterpriseDirectory", 4);
    chain.want(0..3, Pro);
    chain.want(3..4, Plus);
    chain.converge();
    chain.user(&["suspend", &email(0)]);
    chain.user(&["assign", "Plus", &email(1)]);
    chain.user(&["rename", &email(2), "elsewhere@corp.test"]);
    assert_eq!(chain.audit().code, 0);
    chain.converge();
    assert_eq!(
        [0, 1, 2, 3].map(|index| chain.held(index)),
        ["Pro", "Pro", "Pro", "Plus"].map(|it| format!("{it} Registered"))
    );
    assert_eq!(chain.users().len(), 4);
}

/// An account that is deleted under the agent, and comes back.
#[test]
fn an_account_that_is_deleted_stops_everything_in_words() {
    let mut chain = Chain::new("Team", 2);
    chain.want(0..1, Pro);
    chain.want(1..2, Plus);
    chain.takes(&[("InviteUsers", 1)]);
    chain.user(&["withdraw", &email(0), &email(1)]);
    chain.server.run(&["account", "delete", &chain.account]);
    for pass in [chain.sync(), chain.audit(), chain.seatsync(&["check"])] {
        pass.assert_stopped(&["404 NotFoundException", &format!("that account {} exists there", chain.account)]);
    }
    chain.server.run(&["account", "restore", &chain.account]);
    assert_eq!(chain.audit().code, 0);
    chain.converge();
    assert_eq!((&*chain.held(0), &*chain.held(1)), (" Unregistered", " Unregistered"));
}

/// A key that is revoked, or may only read, stops everything in words that hold no secret.
#[test]
fn a_key_that_is_taken_away_stops_everything_in_words() {
    let mut chain = Chain::new("EnterpriseDirectory", 3);
    chain.want(0..1, Pro);
    chain.want(1..2, Plus);
    chain.want(2..3, Pro);
    chain.converge();
    let accounts = chain.server.accounts_section(&chain.proxy.url(), &chain.account);
    let key = chain.server.new_key(&["--read-only"]);
    std::fs::write(chain.server.path("agent-secret"), &key.secret).unwrap();
    chain.configure(&accounts.replace(&chain.server.key().id, &key.id));
    chain.restart();
    // In sync, nothing is to be changed.
    chain.converge();
    chain.want(0..1, Plus);
    chain.write_directory();
    let pass = chain.sync();
    assert_eq!(pass.code, 5, "{pass:#?}");
    let error = pass.error(0);
    assert!(error.contains("403 AccessDeniedException") && error.contains("that it is not read-only"), "{error}");
    chain.server.run(&["key", "revoke", &key.id]);
    chain.restart();
    for pass in [chain.sync(), chain.seatsync(&["check"])] {
        pass.assert_stopped(&[&format!("check that access key {} exists there", key.id)]);
        assert!(!format!("{pass:?}").contains(&key.secret));
    }
    assert_eq!(chain.held(0), "Pro Registered");
    // With a key that may, the change that waited is made.
    chain.keep_account(&chain.account);
    chain.converge();
    assert_eq!(chain.held(0), "Plus Registered");
}

/// A server that keeps to the original takes no changes of a directory account: said for each person, and nothing is lost.
#[test]
fn a_strict_server_and_a_directory_account() {
    let mut chain = Chain::configured("EnterpriseDirectory", 4, "strict = true");
    chain.want(0..3, Pro);
    chain.want(3..4, Plus);
    chain.write_directory();
    for _ in 0..2 {
        let pass = chain.sync();
        assert_eq!(pass.code, 5, "{pass:#?}");
        assert!(pass.error(0).contains("it does not declare BatchCreateUser"), "{pass:#?}");
    }
    // Made there by hand, they are found; and what is due is refused, with what to do.
    chain.user(&["create", &email(0), "--licence", "Plus"]);
    chain.user(&["create", &email(1), "--licence", "Pro"]);
    chain.want(1..2, Nothing);
    chain.write_directory();
    let audit = chain.audit();
    assert_eq!(audit.code, 5, "{audit:#?}");
    for index in 0..2 {
        assert!(audit.error(index).contains("switch off strict there"), "{audit:#?}");
    }
    assert_eq!((&*chain.held(0), &*chain.held(1)), ("Plus Registered", "Pro Registered"));
    // Switched off, all that waited is done.
    let config = chain.server.path("seatstore.toml");
    let toml = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, toml.replace("strict = true", "strict = false")).unwrap();
    chain.restart();
    chain.converge();
    assert_eq!(
        [0, 1, 2, 3].map(|index| chain.held(index)),
        ["Pro Registered", "Pro Suspended", "Pro Registered", "Plus Registered"].map(str::to_owned)
    );
}

/// The seats of such an account are an identity provider's.
#[test]
fn an_oidc_account_is_refused_in_words() {
    let mut chain = Chain::configured("EnterpriseOIDC", 1, "");
    chain.register(0..1);
    chain.want(0..1, Pro);
    chain.write_directory();
    for pass in [chain.sync(), chain.audit(), chain.seatsync(&["check"])] {
        pass.assert_stopped(&[
            "is EnterpriseOIDC",
            "set an account of kind Team, EnterpriseLWA or EnterpriseDirectory",
        ]);
    }
    assert_eq!(chain.held(0), "Plus Registered");
}

/// Another account in the configuration begins with an empty memory, and the first one stays as it is.
#[test]
fn each_account_has_a_memory_of_its_own() {
    let mut chain = Chain::new("EnterpriseDirectory", 3);
    chain.want(0..2, Pro);
    chain.want(2..3, Plus);
    chain.takes(&[("BatchCreateUser", 1)]);
    let second = chain.server.run(&["account", "create", "Second"])["id"].as_str().unwrap().to_owned();
    let first = std::mem::replace(&mut chain.account, second);
    chain.keep_account(&chain.account);
    chain.takes(&[("InviteUsers", 1)]);
    chain.want(0..1, Nothing);
    chain.takes(&[("BatchSuspendUser", 1)]);
    let second = std::mem::replace(&mut chain.account, first);
    assert_eq!(chain.held(0), "Pro Registered", "of the first account");
    chain.keep_account(&chain.account);
    chain.takes(&[("BatchSuspendUser", 1)]);
    chain.account = second;
    chain.keep_account(&chain.account);
    chain.takes(&[]);
}

/// The agent with the store embedded and the server can have the same folder, one after the other.
#[test]
fn the_embedded_store_and_the_server_share_a_folder_in_turns() {
    let mut chain = Chain::configured("EnterpriseDirectory", 4, "");
    chain.want(0..2, Pro);
    chain.want(2..3, Plus);
    chain.want(3..4, Pro);
    let embedded = format!(
        "[accounts]\nkind = \"embedded\"\npath = {:?}\naccount = \"shared\"\naccount_type = \"EnterpriseDirectory\"\n",
        chain.server.path("book")
    );
    chain.configure(&embedded);
    chain.write_directory();
    chain.sync().assert_stopped(&["in use"]);
    chain.server.stop();
    chain.converge();
    // Now the server has it, and an agent that asks the server finds everything done.
    chain.server.resume();
    chain.proxy.set_upstream(chain.server.address());
    chain.account = "shared".to_owned();
    assert_eq!([0, 1, 2].map(|index| chain.held(index)), ["Pro", "Pro", "Plus"].map(|it| format!("{it} Registered")));
    chain.keep_account("shared");
    chain.takes(&[]);
    chain.want(0..1, Nothing);
    chain.takes(&[("BatchSuspendUser", 1)]);
    // And back: an audit sees what changed meanwhile.
    chain.server.stop();
    chain.configure(&embedded);
    chain.want(1..2, Plus);
    chain.write_directory();
    let audit = chain.audit();
    assert_eq!(audit.code, 0, "{audit:#?}");
    chain.converge();
    chain.server.resume();
    assert_eq!(
        [0, 1, 2].map(|index| chain.held(index)),
        ["Pro Suspended", "Plus Registered", "Plus Registered"].map(str::to_owned)
    );
}
