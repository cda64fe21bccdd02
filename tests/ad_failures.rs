//! What goes wrong between the agent and a real Active Directory: the operator is told what, and nothing is applied.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ad;
mod loopback;
mod site;

use ad::{Ad, BASE, Certificate, READER, READER_NAME, READER_PASSWORD, group, person};
use loopback::Loopback;
use site::Site;

/// Nobody listens there: discard, RFC 863, on an address that is ours.
const DEAD_PORT: u16 = 9;
/// userAccountControl (MS-ADTS 2.2.16): an ordinary account.
const ORDINARY: &str = "512";
const LOCKOUT_THRESHOLD: usize = 3;

fn new_site(ad: &Ad) -> Site {
    Site::new(ad.directory(), &["App-Pro"], &["App-Plus"])
}

/// A pass and a preview both fail with status 1 and these words, and the account store stays as it was.
#[track_caller]
fn assert_refused(site: &Site, words: &[&str]) {
    let before = site.accounts();
    site.sync().assert_fails(1, words);
    site.plan().assert_fails(1, words);
    assert_eq!(site.accounts(), before);
}

/// After a first pass the service account is changed; then everything fails with these words, and `check` says so too.
fn assert_service_account_refused(change: impl FnOnce(&Ad), words: &[&str]) {
    let ad = Ad::start();
    let site = new_site(&ad);
    site.sync_and_settle();
    change(&ad);
    assert_refused(&site, words);
    site.check().assert_fails(1, words);
}

#[test]
fn first_server_dead_second_is_used() {
    let ad = Ad::start();
    let nobody = Loopback::claim();
    let mut site = new_site(&ad);
    site.directory.urls.insert(0, format!("ldaps://{}:{DEAD_PORT}", nobody.address()));
    site.sync_and_settle();
    site.assert_seats(&[("alice@ad.test", "pro"), ("bob@ad.test", "plus")]);
}

#[test]
fn first_server_dies_between_two_passes() {
    let (mut first, second) = (Ad::start(), Ad::start());
    let mut site = new_site(&first);
    site.directory.urls.push(second.url());
    site.sync_and_settle();
    let before = site.accounts();
    first.stop();
    assert_eq!(site.sync_and_settle().changes(), []);
    assert_eq!(site.accounts(), before);

    second.remove_from_group("App-Pro", &["leaver"]);
    site.sync_and_settle();
    site.assert_seats(&[("leaver@ad.test", "suspended pro")]);
}

#[test]
fn all_servers_dead_and_back() {
    let mut ad = Ad::start();
    let mut site = new_site(&ad);
    let nobody = Loopback::claim();
    let dead = format!("{}:{DEAD_PORT}", nobody.address());
    site.directory.urls.push(format!("ldaps://{dead}"));
    site.sync_and_settle();
    let address = ad.url().trim_start_matches("ldaps://").to_owned();
    ad.stop();
    assert_refused(&site, &[&address, &dead, "refused"]);
    ad.resume();
    site.assert_settled();
}

#[test]
fn wrong_password() {
    let ad = Ad::start();
    let mut site = new_site(&ad);
    site.sync_and_settle();
    let wrong = "Wrong.Passw0rd1";
    site.directory.password = wrong.to_owned();
    assert_refused(&site, &["52e", "password", READER]);
    let check = site.check();
    check.assert_fails(1, &["52e", "password"]);
    assert!(!format!("{check:?}").contains(wrong), "a secret is told to nobody: {check:#?}");
}

#[test]
fn wrong_password_is_not_tried_on_the_next_server() {
    let (first, second) = (Ad::start(), Ad::start());
    for ad in [&first, &second] {
        lock_out_after_threshold(ad);
    }
    let mut site = new_site(&first);
    site.directory.urls.push(second.url());
    site.directory.password = "Wrong.Passw0rd1".to_owned();
    for _ in 0..LOCKOUT_THRESHOLD {
        site.sync().assert_fails(1, &["password"]);
    }
    assert!(!first.can_sign_in(READER, READER_PASSWORD), "the attempts did go to the first server");
    assert!(second.can_sign_in(READER, READER_PASSWORD), "and none went to the second");
    assert!(site.accounts().is_empty());
}

/// `check` comes as far as the bind and stops there: a second try would count as well.
#[test]
fn check_spends_one_wrong_password_only() {
    let ad = Ad::start();
    lock_out_after_threshold(&ad);
    let mut site = new_site(&ad);
    site.directory.password = "Wrong.Passw0rd1".to_owned();
    for _ in 1..LOCKOUT_THRESHOLD {
        site.check().assert_fails(1, &["52e", "not read: the bind was refused"]);
    }
    assert!(ad.can_sign_in(READER, READER_PASSWORD), "the account is locked after fewer checks than its threshold");
}

#[test]
fn service_account_disabled() {
    assert_service_account_refused(|ad| ad.disable(READER_NAME), &["533", "disabled"]);
}

#[test]
fn service_account_expired() {
    assert_service_account_refused(|ad| ad.expire(READER_NAME), &["701", "expired"]);
}

#[test]
fn service_account_must_change_its_password() {
    let change = |ad: &Ad| {
        // Without this the account is one whose password never expires, which also spares it from having to change it.
        ad.set(&person(READER_NAME), "userAccountControl", ORDINARY);
        ad.set(&person(READER_NAME), "pwdLastSet", "0");
    };
    assert_service_account_refused(change, &["773", "change"]);
}

#[test]
fn service_account_locked() {
    let change = |ad: &Ad| {
        lock_out_after_threshold(ad);
        for _ in 0..LOCKOUT_THRESHOLD {
            assert!(!ad.can_sign_in(READER, "Wrong.Passw0rd1"));
        }
    };
    assert_service_account_refused(change, &["775", "locked"]);
}

#[test]
fn expired_certificate() {
    let ad = Ad::with_certificate(Certificate::Expired);
    let site = new_site(&ad);
    assert_refused(&site, &["certificate", "expired"]);
    site.check().assert_fails(1, &["certificate", "expired"]);
}

#[test]
fn certificate_of_another_name() {
    let ad = Ad::with_certificate(Certificate::WrongName);
    let site = new_site(&ad);
    assert_refused(&site, &["certificate", "mail.other.example"]);
    site.check().assert_fails(1, &["certificate", "mail.other.example"]);
}

#[test]
fn certificate_of_an_unknown_authority() {
    let ad = Ad::start();
    let mut site = new_site(&ad);
    site.directory.ca_file = None;
    assert_refused(&site, &["certificate", "ca_file"]);
    site.check().assert_fails(1, &["certificate", "ca_file"]);
}

#[test]
fn wrong_base() {
    let ad = Ad::start();
    let mut site = new_site(&ad);
    site.sync_and_settle();
    site.directory.base_dn = "DC=elsewhere,DC=test".to_owned();
    assert_refused(&site, &["DC=elsewhere,DC=test", BASE]);
    site.check().assert_fails(1, &["DC=elsewhere,DC=test"]);
}

#[test]
fn base_that_does_not_exist_in_this_domain() {
    let ad = Ad::start();
    let mut site = new_site(&ad);
    site.sync_and_settle();
    site.directory.base_dn = format!("OU=Nowhere,{BASE}");
    assert_refused(&site, &["OU=Nowhere"]);
}

/// The base exists and holds neither the people nor the groups: all are gone, as far as one can see from there.
#[test]
fn base_with_nobody_in_it_takes_nothing() {
    let ad = Ad::start();
    let mut site = new_site(&ad);
    site.sync_and_settle();
    let before = site.accounts();
    site.directory.base_dn = format!("OU=Moved,OU=Zoo,{BASE}");
    let run = site.sync_held();
    run.assert_warns("group_missing", &["App-Pro"]);
    run.assert_warns("group_missing", &["App-Plus"]);
    assert_eq!(site.accounts(), before);
}

#[test]
fn missing_group_is_named() {
    let ad = Ad::start();
    let mut site = new_site(&ad);
    site.tiers[0].1.push("App-Typo".to_owned());
    let run = site.sync_and_settle();
    run.assert_warns("group_missing", &["App-Typo"]);
    site.check().assert_fails(1, &["App-Typo"]);
}

#[test]
fn missing_group_by_dn_is_named() {
    let ad = Ad::start();
    let mut site = new_site(&ad);
    site.tiers[1].1 = vec![group("App-Typo")];
    let run = site.sync_and_settle();
    run.assert_warns("group_missing", &["App-Typo"]);
    site.assert_seats(&[("alice@ad.test", "pro"), ("bob@ad.test", "none")]);
}

#[test]
fn check_of_a_good_configuration() {
    let ad = Ad::start();
    let site = new_site(&ad);
    let check = site.check();
    assert_eq!(check.code, 0, "{check:#?}");
    let told = format!("{}{}", check.stdout, check.stderr);
    for word in ["App-Pro", "App-Plus", ad.url().trim_start_matches("ldaps://")] {
        assert!(told.contains(word), "{word} is not in {check:#?}");
    }
    assert!(!told.contains(READER_PASSWORD));
    assert!(!told.contains("referrals"), "those of every domain root lead to nobody: {told}");
    let detailed = site.run(&["check", "-vv"]).stderr;
    for partition in ["CN=Configuration,", "DC=DomainDnsZones,", "DC=ForestDnsZones,"] {
        assert!(detailed.contains(partition), "{partition} is not in {detailed}");
    }
    assert!(!detailed.contains("ciphersuite") && !detailed.contains(READER_PASSWORD), "{detailed}");
    assert!(site.accounts().is_empty(), "looking makes no account");
}

/// The password would be on the wire before the server could refuse it: so it is the configuration that is refused.
#[test]
fn cleartext_is_refused_before_connecting() {
    let ad = Ad::start();
    let mut site = new_site(&ad);
    site.sync_and_settle();
    site.directory.urls = vec![ad.cleartext_url()];
    site.sync().assert_fails(78, &["starttls", "allow_cleartext"]);
    site.check().assert_fails(78, &["starttls", "allow_cleartext"]);
}

/// The domain controller itself refuses a simple bind in clear text.
#[test]
fn cleartext_refused_by_the_server() {
    let ad = Ad::start();
    let mut site = new_site(&ad);
    site.directory.urls = vec![ad.cleartext_url()];
    site.directory.more = "allow_cleartext = true\n".to_owned();
    assert_refused(&site, &["TLS"]);
}

#[test]
fn starttls_works() {
    let ad = Ad::start();
    let mut site = new_site(&ad);
    site.directory.urls = vec![ad.cleartext_url()];
    site.directory.more = "starttls = true\n".to_owned();
    site.sync_and_settle();
    site.assert_seats(&[("alice@ad.test", "pro"), ("bob@ad.test", "plus")]);
}

#[test]
fn starttls_checks_the_certificate_too() {
    let ad = Ad::with_certificate(Certificate::WrongName);
    let mut site = new_site(&ad);
    site.directory.urls = vec![ad.cleartext_url()];
    site.directory.more = "starttls = true\n".to_owned();
    assert_refused(&site, &["certificate", "mail.other.example"]);
}

#[test]
fn the_port_for_starttls_does_not_speak_tls() {
    let ad = Ad::start();
    let mut site = new_site(&ad);
    site.directory.urls = vec![format!("{}:389", ad.url())];
    assert_refused(&site, &["TLS"]);
}

fn lock_out_after_threshold(ad: &Ad) {
    ad.set(BASE, "lockoutThreshold", &LOCKOUT_THRESHOLD.to_string());
}
