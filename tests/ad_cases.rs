//! Twenty-five corners of Active Directory that other synchronisers were measured to get wrong, each against a real one.
//!
//! Every case asserts the account store after a pass, and that the next pass finds nothing to do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ad;
mod loopback;
mod site;

use ad::{Ad, group};
use site::{Run, Site};

/// `App-Esc` is mapped by its DN, which needs every kind of escape; the others by name.
const ESCAPED_GROUP: &str = r#"CN=App\, \"Esc\" #1 \<x\>,OU=Groups,OU=Zoo,DC=ad,DC=test"#;
const PRO: [&str; 4] = ["App-Pro", "App-Nested", "App-Cycle-A", ESCAPED_GROUP];
const PLUS: [&str; 2] = ["App-Plus", "App-Primary"];
/// `App-Big` holds that many people.
const BIG: usize = 2000;

/// The mapping by which all cases are judged, without the two groups of two thousand, and its first pass.
fn zoo() -> (Ad, Site, Run) {
    mapped(&PRO, &PLUS)
}

fn mapped(pro: &[&str], plus: &[&str]) -> (Ad, Site, Run) {
    let ad = Ad::start();
    let site = Site::new(ad.directory(), pro, plus);
    let run = site.sync_and_settle();
    (ad, site, run)
}

#[test]
fn case_01_nested_five_deep() {
    let (_ad, site, _) = zoo();
    site.assert_seats(&[
        ("deep1@ad.test", "pro"),
        ("deep3@ad.test", "pro"),
        ("deep4@ad.test", "pro"),
        ("deep5@ad.test", "pro"),
    ]);
}

#[test]
fn case_02_groups_in_a_circle() {
    let (_ad, site, _) = zoo();
    site.assert_seats(&[("cyca@ad.test", "pro"), ("cycb@ad.test", "pro"), ("cycc@ad.test", "pro")]);
}

#[test]
fn case_03_member_by_primary_group_only() {
    let (_ad, site, _) = zoo();
    site.assert_seats(&[("primary@ad.test", "plus")]);
}

#[test]
fn case_04_disabled_gets_nothing() {
    let (_ad, site, _) = zoo();
    site.assert_seats(&[("disabled@ad.test", "none"), ("alice@ad.test", "pro")]);
}

#[test]
fn case_05_expired_yesterday_gets_nothing() {
    let (_ad, site, _) = zoo();
    site.assert_seats(&[("expired@ad.test", "none"), ("alice@ad.test", "pro")]);
}

#[test]
fn case_06_expires_never_or_later() {
    let (_ad, site, _) = zoo();
    site.assert_seats(&[("expires0@ad.test", "pro"), ("expiresmax@ad.test", "pro"), ("expiresfuture@ad.test", "pro")]);
}

#[test]
fn case_07_locked_and_must_change_are_seated() {
    let (_ad, site, _) = zoo();
    site.assert_seats(&[("locked@ad.test", "pro"), ("mustchange@ad.test", "pro")]);
}

#[test]
fn case_08_no_mail_is_named_and_gets_nothing() {
    let (_ad, site, run) = zoo();
    run.assert_warns("no_email", &["nomail"]);
    site.assert_seats(&[("nomail@ad.test", "none"), ("noupn@ad.test", "pro")]);
}

#[test]
fn case_09_foreign_domains_are_named_and_get_nothing() {
    let (_ad, site, run) = zoo();
    run.assert_warns("domain_not_claimed", &["outside"]);
    run.assert_warns("domain_not_claimed", &["idnmail"]);
    site.assert_seats(&[
        ("outside@gmail.example", "none"),
        ("user@bücher.example", "none"),
        ("user@xn--bcher-kva.example", "none"),
        ("upnalt@ad.test", "pro"),
    ]);
}

#[test]
fn case_10_malformed_mail_is_named_and_gets_nothing() {
    let (_ad, site, run) = zoo();
    run.assert_warns("bad_email", &["badmail"]);
    site.assert_seats(&[("not an address", "none"), ("badmail@ad.test", "none")]);
}

#[test]
fn case_11_mail_with_blanks_is_trimmed() {
    let (_ad, site, _) = zoo();
    site.assert_seats(&[("spacemail@ad.test", "pro")]);
}

#[test]
fn case_12_one_mail_on_two_people_changes_neither() {
    let (_ad, site, run) = zoo();
    run.assert_warns("duplicate_email", &["dup1", "dup2"]);
    let accounts = site.accounts();
    assert_eq!(accounts.keys().filter(|email| email.to_lowercase() == "dup@ad.test").count(), 0);
    site.assert_seats(&[("alice@ad.test", "pro"), ("bob@ad.test", "plus")]);
}

#[test]
fn case_13_proxy_addresses_count_only_when_listed() {
    let (_ad, mut site, run) = zoo();
    run.assert_warns("no_email", &["proxyonly"]);
    site.assert_seats(&[("Proxy.Only@ad.test", "none"), ("other@ad.test", "none")]);

    site.directory.more = "email_attribute = ['mail', 'proxyAddresses']\n".to_owned();
    let run = site.sync_and_settle();
    assert_eq!(run.changes_in_words(), ["create Proxy.Only@ad.test done"]);
    site.assert_seats(&[("Proxy.Only@ad.test", "pro"), ("other@ad.test", "none"), ("alice@ad.test", "pro")]);
}

#[test]
fn case_14_longest_names() {
    let (_ad, site, _) = zoo();
    site.assert_seats(&[("xxxxxxxxxxxxxxxxxxxx@ad.test", "pro")]);
    let explained = site.explain("xxxxxxxxxxxxxxxxxxxx");
    assert!(explained.json["dn"].as_str().unwrap().contains(&"L".repeat(64)), "{explained:#?}");
}

#[test]
fn case_15_names_of_the_world() {
    let (_ad, site, _) = zoo();
    let names = ["lukasz", "yamada", "juergen", "nfd", "turk", "emoji", "rtl"];
    let emails = names.map(|name| format!("{name}@ad.test"));
    site.assert_seats(&emails.each_ref().map(|email| (email.as_str(), "pro")));
}

#[test]
fn case_16_names_that_need_escapes() {
    let (_ad, site, run) = zoo();
    run.assert_no_warning("group_missing");
    let emails: Vec<String> = (1..=12).map(|number| format!("esc{number}@ad.test")).collect();
    let expected: Vec<(&str, &str)> = emails.iter().map(|email| (email.as_str(), "pro")).collect();
    site.assert_seats(&expected);
}

#[test]
fn case_16_group_whose_name_needs_escapes() {
    let (_ad, site, run) = mapped(&[ESCAPED_GROUP], &[]);
    assert_eq!(run.changes_in_words(), ["create alice@ad.test done"]);
    site.assert_seats(&[("alice@ad.test", "pro")]);
}

#[test]
fn case_17_contact_gets_nothing() {
    let (_ad, site, _) = zoo();
    site.assert_seats(&[("contact1@ad.test", "none"), ("alice@ad.test", "pro")]);
}

#[test]
fn case_18_computer_gets_nothing() {
    let (_ad, site, run) = zoo();
    assert!(!site.accounts().keys().any(|email| email.to_lowercase().contains("comp1")));
    assert!(!run.warnings("no_email").iter().any(|warning| warning.contains("COMP1")), "it is not a person at all");
}

#[test]
fn case_19_inet_org_person_is_a_person() {
    let (_ad, site, _) = zoo();
    site.assert_seats(&[("inetorg@ad.test", "pro")]);
}

#[test]
fn case_20_in_both_groups_gets_the_higher_tier_only() {
    let (_ad, site, run) = zoo();
    let of_both: Vec<_> = run.changes().into_iter().filter(|change| change.email == "both@ad.test").collect();
    assert_eq!(of_both.len(), 1, "one action a person: {of_both:?}");
    site.assert_seats(&[("both@ad.test", "pro")]);
}

#[test]
fn case_21_empty_group_is_no_error() {
    let (_ad, site, run) = mapped(&["App-Empty"], &["App-Plus"]);
    run.assert_warns("group_empty", &["App-Empty"]);
    site.assert_seats(&[("bob@ad.test", "plus"), ("alice@ad.test", "none")]);
}

#[test]
fn case_22_group_of_two_thousand() {
    let (_ad, site, _) = mapped(&PRO, &["App-Plus", "App-Primary", "App-Big"]);
    assert_eq!(big_on_plus(&site), BIG);
    site.assert_seats(&[("alice@ad.test", "pro"), ("bob@ad.test", "plus"), ("primary@ad.test", "plus")]);
}

#[test]
fn case_23_group_that_wraps_two_thousand() {
    let (_ad, site, _) = mapped(&[], &["App-Wrap-Big"]);
    assert_eq!(big_on_plus(&site), BIG);
    assert_eq!(site.accounts().len(), BIG);
}

#[test]
fn case_24_mapped_group_renamed_loses_nobody() {
    let (ad, site, _) = zoo();
    let before = site.accounts();
    ad.rename_group("App-Pro", "App-Premium");
    let run = site.sync_and_settle();
    assert_eq!(run.changes(), []);
    run.assert_warns("group_renamed", &["App-Pro", "App-Premium"]);
    assert_eq!(site.accounts(), before);
}

#[test]
fn case_25_mapped_group_deleted_holds_and_names_the_losses() {
    let (ad, site, _) = zoo();
    let before = site.accounts();
    ad.delete(&group("App-Pro"));
    let run = site.sync_held();
    run.assert_warns("group_missing", &["App-Pro"]);
    let changes = run.changes();
    assert!(changes.iter().any(|change| change.email == "leaver@ad.test" && change.action == "suspend"), "{run:#?}");
    assert!(changes.iter().any(|change| change.email == "both@ad.test" && change.action == "move"), "{run:#?}");
    assert!(!changes.iter().any(|change| change.email == "alice@ad.test"), "App-Nested still has her");
    assert!(changes.iter().all(|change| change.status == "held"), "{run:#?}");
    assert_eq!(site.accounts(), before);
}

/// How many of `App-Big` hold plus.
fn big_on_plus(site: &Site) -> usize {
    let accounts = site.accounts();
    let on_plus = |account: &site::Account| account.tier == "plus" && account.status == "active";
    accounts.iter().filter(|(email, account)| email.starts_with("big") && on_plus(account)).count()
}
