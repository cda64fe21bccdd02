//! The laboratory itself: if one of these fails, look here before looking at the agent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ad;
mod loopback;
mod site;

use ad::{Ad, READER, READER_NAME, READER_PASSWORD, person};

const WRONG_PASSWORD: &str = "Wrong.Passw0rd1";

#[test]
fn the_reader_can_sign_in() {
    let ad = Ad::start();
    assert!(ad.can_sign_in(READER, READER_PASSWORD));
    assert!(!ad.can_sign_in(READER, WRONG_PASSWORD));
}

#[test]
fn every_domain_is_its_own() {
    let (first, second) = (Ad::start(), Ad::start());
    assert_ne!(first.url(), second.url());
    first.disable(READER_NAME);
    assert!(!first.can_sign_in(READER, READER_PASSWORD));
    assert!(second.can_sign_in(READER, READER_PASSWORD));
}

#[test]
fn what_was_changed_outlives_a_stop() {
    let mut ad = Ad::start();
    ad.add_user("newcomer");
    ad.stop();
    assert!(!ad.can_sign_in(READER, READER_PASSWORD), "nobody answers");
    ad.resume();
    // Only an entry that is there can be deleted.
    ad.delete(&person("newcomer"));
}

#[test]
fn every_change_is_accepted() {
    let ad = Ad::start();
    ad.add_user_with_mail("newcomer", "someone@ad.test");
    ad.add_group("App-New", &["newcomer", "alice"]);
    ad.remove_from_group("App-New", &["alice"]);
    ad.add_to_group("App-New", &["bob"]);
    ad.empty_group("App-New");
    ad.rename_group("App-New", "App-Newer");
    ad.delete(&ad::group("App-Newer"));
    ad.set_mail("newcomer", "other@ad.test");
    ad.disable("newcomer");
    ad.enable("newcomer");
    ad.expire("newcomer");
    ad.rename(&person("newcomer"), "Old Hand");
    ad.move_to(&person("Old Hand"), &format!("OU=Moved,OU=Zoo,{}", ad::BASE));
}

#[test]
fn a_locked_account_cannot_sign_in() {
    let ad = Ad::start();
    ad.set(ad::BASE, "lockoutThreshold", "3");
    for _ in 0..3 {
        assert!(!ad.can_sign_in(READER, WRONG_PASSWORD));
    }
    assert!(!ad.can_sign_in(READER, READER_PASSWORD), "not even with the right password");
}
