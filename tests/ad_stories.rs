//! What happens to people and groups over time, against a real Active Directory: one story a test.
//!
//! Every story begins with a first pass, changes the directory, and asserts the account store after the next pass, and
//! that the pass after that finds nothing to do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ad;
mod loopback;
mod site;

use ad::{Ad, BASE, group, person};
use site::Site;

/// A domain and an installation that has synchronised it once.
fn settled() -> (Ad, Site) {
    settled_with(|_, _| {})
}

/// The same, with something arranged before the first pass.
fn settled_with(arrange: impl FnOnce(&Ad, &mut Site)) -> (Ad, Site) {
    let ad = Ad::start();
    let mut site = Site::new(ad.directory(), &["App-Pro"], &["App-Plus"]);
    arrange(&ad, &mut site);
    site.sync_and_settle();
    (ad, site)
}

#[test]
fn join() {
    let (ad, site) = settled();
    ad.add_to_group("App-Plus", &["joiner"]);
    let run = site.sync_and_settle();
    assert_eq!(run.changes_in_words(), ["create joiner@ad.test done"]);
    site.assert_seats(&[("joiner@ad.test", "plus")]);
}

#[test]
fn leave() {
    let (ad, site) = settled();
    ad.remove_from_group("App-Pro", &["leaver"]);
    let run = site.sync_and_settle();
    assert_eq!(run.changes_in_words(), ["suspend leaver@ad.test done"]);
    site.assert_seats(&[("leaver@ad.test", "suspended pro"), ("mover@ad.test", "pro")]);
}

#[test]
fn leave_and_return() {
    let (ad, site) = settled();
    let before = site.accounts();
    ad.remove_from_group("App-Pro", &["leaver"]);
    site.sync_and_settle();
    ad.add_to_group("App-Pro", &["leaver"]);
    let run = site.sync_and_settle();
    assert_eq!(run.changes_in_words(), ["resume leaver@ad.test done"]);
    assert_eq!(site.accounts(), before, "the same account as before");
}

#[test]
fn leave_a_team_account() {
    let (ad, site) = settled_with(|_, site| site.account_type = "Team");
    site.assert_seats(&[("leaver@ad.test", "invited")]);
    ad.remove_from_group("App-Pro", &["leaver"]);
    let run = site.sync_and_settle();
    assert_eq!(run.changes_in_words(), ["remove leaver@ad.test done"]);
    site.assert_seats(&[("leaver@ad.test", "none"), ("mover@ad.test", "invited")]);
}

#[test]
fn promote() {
    let (ad, site) = settled();
    ad.add_to_group("App-Pro", &["bob"]);
    let run = site.sync_and_settle();
    assert_eq!(run.changes_in_words(), ["move bob@ad.test done"]);
    site.assert_seats(&[("bob@ad.test", "pro")]);
}

#[test]
fn demote() {
    let (ad, site) = settled();
    ad.remove_from_group("App-Pro", &["both"]);
    let run = site.sync_and_settle();
    assert_eq!(run.changes_in_words(), ["move both@ad.test done"]);
    site.assert_seats(&[("both@ad.test", "plus")]);
}

#[test]
fn rename_a_person() {
    let (ad, site) = settled();
    let before = site.accounts();
    ad.rename(&person("renamer"), "Renamer New-Name");
    assert_eq!(site.sync_and_settle().changes(), []);
    assert_eq!(site.accounts(), before);
}

#[test]
fn rename_a_group_mapped_by_its_dn() {
    let (ad, site) = settled_with(|_, site| site.tiers[1].1 = vec![group("App-Plus")]);
    let before = site.accounts();
    ad.rename(&group("App-Plus"), "Everybody Else");
    let run = site.sync_and_settle();
    assert_eq!(run.changes(), []);
    run.assert_warns("group_renamed", &["App-Plus", "Everybody Else"]);
    assert_eq!(site.accounts(), before);
}

#[test]
fn move_to_another_unit() {
    let (ad, site) = settled();
    let before = site.accounts();
    ad.move_to(&person("mover"), &format!("OU=Moved,OU=Zoo,{BASE}"));
    assert_eq!(site.sync_and_settle().changes(), []);
    assert_eq!(site.accounts(), before);
}

#[test]
fn disable_and_enable_again() {
    let (ad, site) = settled();
    let before = site.accounts();
    ad.disable("mover");
    let run = site.sync_and_settle();
    assert_eq!(run.changes_in_words(), ["suspend mover@ad.test done"]);
    site.assert_seats(&[("mover@ad.test", "suspended pro")]);

    ad.enable("mover");
    let run = site.sync_and_settle();
    assert_eq!(run.changes_in_words(), ["resume mover@ad.test done"]);
    assert_eq!(site.accounts(), before);
}

#[test]
fn expire() {
    let (ad, site) = settled();
    ad.expire("mover");
    let run = site.sync_and_settle();
    assert_eq!(run.changes_in_words(), ["suspend mover@ad.test done"]);
    site.assert_seats(&[("mover@ad.test", "suspended pro")]);
}

#[test]
fn delete_a_person() {
    let (ad, site) = settled();
    ad.delete(&person("leaver"));
    let run = site.sync_and_settle();
    assert_eq!(run.changes_in_words(), ["suspend leaver@ad.test done"]);
    site.assert_seats(&[("leaver@ad.test", "suspended pro")]);
}

#[test]
fn change_an_address() {
    let (ad, site) = settled();
    let before = site.accounts();
    ad.set_mail("alice", "alice.new@ad.test");
    site.sync_and_settle();
    let after = site.accounts();
    assert_eq!(after.get("alice.new@ad.test"), before.get("alice@ad.test"), "the same account under another address");
    assert_eq!(after.get("alice@ad.test"), None);
    assert_eq!(after.len(), before.len());
}

#[test]
fn change_an_address_and_tier_at_once() {
    let (ad, site) = settled();
    let id = site.accounts()["bob@ad.test"].id.clone();
    ad.set_mail("bob", "robert@ad.test");
    ad.add_to_group("App-Pro", &["bob"]);
    site.sync_and_settle();
    site.assert_seats(&[("robert@ad.test", "pro"), ("bob@ad.test", "none")]);
    assert_eq!(site.accounts()["robert@ad.test"].id, id);
}

#[test]
fn swap_two_addresses() {
    let (ad, site) = settled();
    let before = site.accounts();
    ad.set_mail("alice", "between@ad.test");
    ad.set_mail("bob", "alice@ad.test");
    ad.set_mail("alice", "bob@ad.test");
    // One address must be free before the other can move there: it may take more than one pass, never a wrong seat.
    for _ in 0..3 {
        site.sync();
        let seats = site.accounts();
        let tiers = |id: &str| seats.values().find(|account| account.id == id).map(|account| account.tier.clone());
        assert_eq!(tiers(&before["alice@ad.test"].id).as_deref(), Some("pro"), "{seats:#?}");
        assert_eq!(tiers(&before["bob@ad.test"].id).as_deref(), Some("plus"), "{seats:#?}");
    }
    assert_eq!(site.accounts().len(), before.len());
}

#[test]
fn empty_a_mapped_group() {
    let (ad, site) = settled();
    let before = site.accounts();
    ad.empty_group("App-Plus");
    let run = site.sync_held();
    run.assert_warns("group_empty", &["App-Plus"]);
    assert_eq!(run.changes_in_words(), ["suspend bob@ad.test held", "suspend plus+tag@ad.test held"]);
    assert_eq!(site.accounts(), before);

    site.approve(&run.hash());
    let run = site.sync_and_settle();
    assert_eq!(run.changes_in_words(), ["suspend bob@ad.test done", "suspend plus+tag@ad.test done"]);
    site.assert_seats(&[
        ("bob@ad.test", "suspended plus"),
        ("plus+tag@ad.test", "suspended plus"),
        ("both@ad.test", "pro"),
    ]);
}

#[test]
fn delete_a_mapped_group() {
    let (ad, site) = settled();
    let before = site.accounts();
    ad.delete(&group("App-Plus"));
    let run = site.sync_held();
    run.assert_warns("group_missing", &["App-Plus"]);
    assert_eq!(site.accounts(), before);

    site.approve(&run.hash());
    site.sync_and_settle();
    site.assert_seats(&[("bob@ad.test", "suspended plus"), ("alice@ad.test", "pro")]);
    let run = site.sync();
    assert_eq!(run.code, 0, "{run:#?}");
    run.assert_warns("group_missing", &["App-Plus"]);
}

#[test]
fn delete_a_mapped_group_and_others_go_on() {
    let (ad, site) = settled();
    ad.delete(&group("App-Plus"));
    ad.add_to_group("App-Pro", &["joiner"]);
    ad.disable("plusmail");
    let run = site.sync();
    assert_eq!(run.code, 4, "{run:#?}");
    site.assert_seats(&[("joiner@ad.test", "pro"), ("plus+tag@ad.test", "suspended plus"), ("bob@ad.test", "plus")]);
    site.sync_held();
}

#[test]
fn a_deleted_group_that_comes_back_releases_nothing() {
    let (ad, site) = settled();
    let before = site.accounts();
    ad.delete(&group("App-Plus"));
    site.sync_held();
    ad.add_group("App-Plus", &["bob", "both", "plusmail"]);
    let run = site.sync_and_settle();
    assert_eq!(run.changes(), []);
    run.assert_warns("group_replaced", &["App-Plus"]);
    assert_eq!(site.accounts(), before);
}

#[test]
fn many_losses_are_held_and_gains_go_on() {
    let (ad, site) = settled();
    let before = site.accounts();
    let leavers = ["leaver", "mover", "renamer", "noupn", "upnalt", "locked", "mustchange", "inetorg"];
    ad.remove_from_group("App-Pro", &leavers);
    ad.add_to_group("App-Plus", &["joiner"]);
    let run = site.sync();
    assert_eq!(run.code, 4, "{run:#?}");
    let mut expected: Vec<String> = leavers.iter().map(|name| format!("suspend {name}@ad.test held")).collect();
    expected.push("create joiner@ad.test done".to_owned());
    expected.sort();
    assert_eq!(run.changes_in_words(), expected);
    assert_eq!(site.seat("leaver@ad.test"), "pro");
    assert_eq!(site.accounts().len(), before.len() + 1);

    let held = site.sync_held();
    site.approve(&held.hash());
    site.sync_and_settle();
    site.assert_seats(
        &leavers.map(|name| format!("{name}@ad.test")).each_ref().map(|email| (email.as_str(), "suspended pro")),
    );
}

#[test]
fn an_approval_covers_only_what_was_held() {
    let (ad, site) = settled();
    ad.empty_group("App-Plus");
    let held = site.sync_held();
    site.approve(&held.hash());
    let leavers = ["leaver", "mover", "renamer", "noupn", "upnalt", "locked"];
    ad.remove_from_group("App-Pro", &leavers);
    let run = site.sync();
    assert_eq!(run.code, 4, "{run:#?}");
    site.assert_seats(&[("bob@ad.test", "suspended plus"), ("leaver@ad.test", "pro"), ("locked@ad.test", "pro")]);
}

#[test]
fn a_wrong_hash_approves_nothing() {
    let (ad, site) = settled();
    let before = site.accounts();
    ad.empty_group("App-Plus");
    site.sync_held();
    let run = site.run(&["approve", "0000000000000000"]);
    assert_ne!(run.code, 0, "{run:#?}");
    site.sync_held();
    assert_eq!(site.accounts(), before);
}

#[test]
fn one_address_on_two_people() {
    let (ad, site) = settled();
    let before = site.accounts();
    ad.set_mail("bob", "alice@ad.test");
    let run = site.sync_and_settle();
    assert_eq!(run.changes(), []);
    run.assert_warns("duplicate_email", &["alice", "bob"]);
    assert_eq!(site.accounts(), before);
}

#[test]
fn one_address_on_two_people_keeps_even_a_leaver() {
    let (ad, site) = settled();
    let before = site.accounts();
    ad.set_mail("joiner", "leaver@ad.test");
    ad.remove_from_group("App-Pro", &["leaver"]);
    let run = site.sync_and_settle();
    run.assert_warns("duplicate_email", &["leaver", "joiner"]);
    assert_eq!(site.accounts(), before);
}

#[test]
fn deleted_and_made_anew_with_the_same_address() {
    let (ad, site) = settled();
    let before = site.accounts();
    ad.delete(&person("leaver"));
    ad.add_user("leaver");
    ad.add_to_group("App-Pro", &["leaver"]);
    let run = site.sync_and_settle();
    run.assert_warns("account_inherited", &["leaver"]);
    assert_eq!(site.accounts(), before, "the same account, never suspended");
    assert!(!run.changes_in_words().iter().any(|change| change.starts_with("suspend")), "{run:#?}");
}

#[test]
fn grace_keeps_who_left() {
    let (ad, site) = settled_with(|_, site| site.rules.push_str("grace = '1h'\n"));
    let before = site.accounts();
    ad.remove_from_group("App-Pro", &["leaver"]);
    ad.delete(&person("mover"));
    assert_eq!(site.sync_and_settle().changes(), []);
    assert_eq!(site.accounts(), before);
}

#[test]
fn no_grace_for_disabled_and_expired() {
    let (ad, site) = settled_with(|_, site| site.rules.push_str("grace = '1h'\n"));
    ad.disable("leaver");
    ad.expire("mover");
    site.sync_and_settle();
    site.assert_seats(&[("leaver@ad.test", "suspended pro"), ("mover@ad.test", "suspended pro")]);
}

#[test]
fn protected_people_gain_and_lose_nothing() {
    let (ad, mut site) = settled();
    let before = site.accounts();
    site.rules.push_str("protected = ['LEAVER@ad.test', 'joiner@ad.test']\n");
    ad.remove_from_group("App-Pro", &["leaver"]);
    ad.add_to_group("App-Pro", &["joiner"]);
    let run = site.sync_and_settle();
    run.assert_warns("protected", &["leaver"]);
    assert_eq!(site.accounts(), before);
}

#[test]
fn excluded_groups_win_nested_members_too() {
    let (ad, site) = settled_with(|ad, site| {
        ad.add_group("App-Blocked-Inner", &["leaver"]);
        ad.add_group("App-Blocked", &["joiner"]);
        let members = format!("member: {}", group("App-Blocked-Inner"));
        ad.modify(&format!("dn: {}\nchangetype: modify\nadd: member\n{members}\n", group("App-Blocked")));
        site.rules.push_str("exclude_groups = ['App-Blocked']\n");
    });
    site.assert_seats(&[("leaver@ad.test", "none"), ("mover@ad.test", "pro")]);

    ad.add_to_group("App-Blocked", &["mover"]);
    let run = site.sync_and_settle();
    assert_eq!(run.changes_in_words(), ["suspend mover@ad.test done"]);
    site.assert_seats(&[("mover@ad.test", "suspended pro"), ("renamer@ad.test", "pro")]);
}

#[test]
fn without_nesting_only_direct_members_count() {
    let (_ad, site) = settled_with(|_, site| {
        site.tiers[0].1 = vec!["App-Nested".to_owned()];
        site.rules.push_str("nested = false\n");
    });
    site.assert_seats(&[("alice@ad.test", "pro"), ("deep1@ad.test", "none"), ("deep5@ad.test", "none")]);
}

#[test]
fn first_run_adopts_the_accounts_it_finds() {
    let (ad, site) = settled();
    let before = site.accounts();
    site.forget_state();
    assert_eq!(site.sync_and_settle().changes(), []);
    assert_eq!(site.accounts(), before, "adopted, none made twice");

    ad.remove_from_group("App-Pro", &["leaver"]);
    site.sync_and_settle();
    assert_eq!(site.seat("leaver@ad.test"), "suspended pro");
}

#[test]
fn first_run_takes_nothing_away() {
    let (ad, site) = settled();
    let before = site.accounts();
    ad.remove_from_group("App-Pro", &["leaver"]);
    site.forget_state();
    let run = site.sync();
    assert_eq!(run.code, 4, "{run:#?}");
    assert_eq!(run.changes_in_words(), ["suspend leaver@ad.test held"]);
    assert_eq!(site.accounts(), before);
}

#[test]
fn unmanaged_accounts_are_left_alone() {
    let (ad, site) = settled();
    let mut other = Site::new(ad.directory(), &["App-Empty"], &["App-Big-1500"]);
    other.directory.base_dn = format!("OU=Zoo,{BASE}");
    other.directory.more = "user_filter = '(sAMAccountName=big0000*)'\n".to_owned();
    other.accounts_path = site.accounts_path.clone();
    let before = site.accounts();
    other.sync_and_settle();

    let after = site.accounts();
    assert_eq!(after.len(), before.len() + 10, "ten people match big0000*");
    assert!(before.iter().all(|(email, account)| after.get(email) == Some(account)));
    site.assert_settled();
}

#[test]
fn a_plan_changes_nothing_and_says_what_a_pass_would_do() {
    let (ad, site) = settled();
    let before = site.accounts();
    ad.add_to_group("App-Plus", &["joiner"]);
    let plan = site.plan();
    assert_eq!(plan.code, 3, "{plan:#?}");
    assert_eq!(plan.json["in_sync"], false);
    assert_eq!(plan.changes_in_words(), ["create joiner@ad.test planned"]);
    assert_eq!(site.accounts(), before);
    assert_eq!(site.sync_and_settle().changes_in_words(), ["create joiner@ad.test done"]);
    assert_eq!(site.plan().code, 0);
}

#[test]
fn explain_shows_the_way_through_the_groups() {
    let (_ad, site) = settled_with(|_, site| site.tiers[0].1 = vec!["App-Nested".to_owned()]);
    let run = site.explain("deep5");
    assert_eq!(run.code, 0, "{run:#?}");
    assert_eq!(run.json["tier"], "pro");
    let expected = serde_json::json!([[
        "deep5",
        "App-Nest-5",
        "App-Nest-4",
        "App-Nest-3",
        "App-Nest-2",
        "App-Nest-1",
        "App-Nested"
    ]]);
    assert_eq!(run.json["paths"], expected, "{run:#?}");
    assert_eq!(run.json["confirmed"]["tier"], "pro");
    assert_eq!(run.json["next"], serde_json::Value::Null);
    site.assert_settled();
}

#[test]
fn an_audit_repairs_what_somebody_else_changed() {
    let (ad, site) = settled();
    let before = site.accounts();
    // Another installation on the same account store, with a mapping of its own, takes bob for one of pro.
    let mut other = Site::new(ad.directory(), &["App-Plus"], &["App-Empty"]);
    other.directory.more = "user_filter = '(sAMAccountName=bob)'\n".to_owned();
    other.accounts_path = site.accounts_path.clone();
    other.sync_and_settle();
    assert_eq!(site.seat("bob@ad.test"), "pro");

    assert_eq!(site.sync().changes(), [], "an ordinary pass trusts what was confirmed");
    let audit = site.run(&["sync", "--audit", "--json"]);
    assert_eq!(audit.code, 0, "{audit:#?}");
    audit.assert_warns("drift", &["bob"]);
    assert_eq!(audit.changes_in_words(), ["move bob@ad.test done"]);
    assert_eq!(site.accounts(), before);
    site.assert_settled();
}

#[test]
fn a_pass_for_one_person_leaves_the_others() {
    let (ad, site) = settled();
    ad.remove_from_group("App-Pro", &["leaver", "mover"]);
    let run = site.run(&["sync", "--user", "leaver", "--json"]);
    assert_eq!(run.code, 0, "{run:#?}");
    assert_eq!(run.changes_in_words(), ["suspend leaver@ad.test done"]);
    site.assert_seats(&[("leaver@ad.test", "suspended pro"), ("mover@ad.test", "pro")]);
    assert_eq!(site.sync_and_settle().changes_in_words(), ["suspend mover@ad.test done"]);
}

#[test]
fn a_plan_is_applied_exactly_or_not_at_all() {
    let (ad, site) = settled();
    let before = site.accounts();
    ad.remove_from_group("App-Pro", &["leaver"]);
    let file = site.file("plan.json");
    let plan = site.run(&["plan", "--out", &file, "--json"]);
    assert_eq!(plan.code, 3, "{plan:#?}");
    ad.add_to_group("App-Pro", &["leaver", "joiner"]);
    site.run(&["apply", &file, "--json"]).assert_fails(1, &["moved"]);
    assert_eq!(site.accounts(), before);

    ad.remove_from_group("App-Pro", &["leaver", "joiner"]);
    let run = site.run(&["apply", &file, "--json"]);
    assert_eq!(run.code, 0, "{run:#?}");
    assert_eq!(run.changes_in_words(), ["suspend leaver@ad.test done"]);
    site.assert_settled();
}
