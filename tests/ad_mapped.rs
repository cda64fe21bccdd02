//! Look-ups in a real Active Directory: whatever is mapped of the zoo, the same is decided as from the whole directory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ad;
mod loopback;
mod same;
mod site;

use ad::{Ad, group};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use same::{Case, difference, of_many};
use seatsync::directory::ldap::{LdapSettings, LdapUrl};
use seatsync::model::{
    Email, Fact, GroupRef, Holding, Memory, News, ObjectGuid, Origin, Reading, RememberedGroup, Rules, Seat, StoreKind,
    Tier, TierRule, Timestamp, UserId,
};
use site::Site;
use std::cell::Cell;
use std::time::Duration;

const NOW: &str = "2026-06-01T12:00:00Z";
const GROUPS: [&str; 19] = [
    "App-Pro",
    "app-plus",
    "App-Empty",
    "App-Nested",
    "App-Cycle-A",
    "App-Cycle-B",
    "App-Self",
    "App-Primary",
    "App-Distribution",
    "App-Universal",
    "App-DomainLocal",
    "App-Ünïcode",
    r#"CN=App\, \"Esc\" #1 \<x\>,OU=Groups,OU=Zoo,DC=ad,DC=test"#,
    r#"cn=app\2c \22Esc\22 #1 \3cx\3e , ou=GROUPS, OU=Zoo,DC=ad,DC=test"#,
    "App, \"Esc\" #1 <x>",
    "App-Big-1501",
    "Missing",
    "Domain Users",
    "CN=Missing,DC=ad,DC=test",
];
/// Whom nobody may overlook: shared addresses, blanks, no address, no account, other kinds of entries.
const PEOPLE: [&str; 16] = [
    "alice",
    "bob",
    "both",
    "dup1",
    "dup2",
    "spacemail",
    "nomail",
    "badmail",
    "disabled",
    "expired",
    "mover",
    "leaver",
    "joiner",
    "proxyonly",
    "primary",
    "svc-reader",
];

fn settings(ad: &Ad) -> LdapSettings {
    let directory = ad.directory();
    LdapSettings {
        ca_file: directory.ca_file,
        ..LdapSettings::new(
            vec![LdapUrl::parse(&directory.urls[0]).unwrap()],
            &directory.base_dn,
            &directory.bind_dn,
            directory.password.into(),
        )
    }
}

/// What chance chose: by index into what the directory has.
#[derive(Clone, Debug)]
struct Choice {
    pro: Vec<usize>,
    plus: Vec<usize>,
    exclude: Option<usize>,
    nested: bool,
    /// Each an account: a person, whose address it has, and its seat.
    accounts: Vec<(usize, usize, u8)>,
    /// Each a remembered group: of which of the mapped, and what it was.
    groups: Vec<(usize, usize)>,
    names: Vec<usize>,
    settings: u8,
}

prop_compose! {
    fn choice()(
        pro in prop::collection::vec(0..GROUPS.len(), 1..4),
        plus in prop::collection::vec(0..GROUPS.len(), 0..3),
        exclude in prop::option::weighted(0.4, 0..GROUPS.len()),
        nested in prop::bool::weighted(0.8),
        accounts in prop::collection::vec((0..PEOPLE.len() + 2, 0..PEOPLE.len(), 0_u8..3), 0..8),
        groups in prop::collection::vec((0..6_usize, 0..GROUPS.len()), 0..4),
        names in prop::collection::vec(0..PEOPLE.len() + 1, 0..3),
        settings in 0_u8..5,
    ) -> Choice {
        Choice { pro, plus, exclude, nested, accounts, groups, names, settings }
    }
}

fn case(choice: &Choice, whole: &Reading) -> Case {
    let now: Timestamp = NOW.parse().unwrap();
    let references = |chosen: &[usize]| chosen.iter().map(|index| GroupRef::new(GROUPS[*index])).collect::<Vec<_>>();
    let tier = |name: &str, chosen: &[usize]| TierRule { tier: Tier::new(name), groups: references(chosen) };
    let rules = Rules {
        tiers: vec![tier("pro", &choice.pro), tier("plus", &choice.plus)],
        exclude: references(choice.exclude.as_slice()),
        nested: choice.nested,
        grace: Duration::from_secs(60 * 60),
        ..Rules::default()
    };
    let person = |index: usize| {
        let name = PEOPLE.get(index)?;
        whole.people.iter().find(|person| person.account_name.as_deref() == Some(name))
    };
    let mut memory = Memory::empty(Origin::Known);
    for (number, (who, whose, seat)) in choice.accounts.iter().enumerate() {
        let guid = person(*who).map_or(ObjectGuid::from_u128(*who as u128), |person| person.guid);
        let email = person(*whose).and_then(|person| person.mailbox.address().cloned());
        let email = email.unwrap_or_else(|| Email::parse("nobody@ad.test").unwrap());
        let tier = Tier::new("pro");
        let seat = [Seat::Active(tier.clone()), Seat::Suspended(tier), Seat::Vacant][usize::from(*seat)].clone();
        let holding = Holding { id: UserId::new(&format!("account-{number}")), email, seat };
        memory.snapshot.learn(guid, &Fact::Holds(holding));
    }
    let mapped: Vec<GroupRef> =
        rules.tiers.iter().flat_map(|rule| rule.groups.clone()).chain(rules.exclude.clone()).collect();
    for (of, was) in &choice.groups {
        let named = |name: &str| whole.groups.iter().find(|group| group.account_name.as_deref() == Some(name));
        let guid = named(GROUPS[*was]).map_or(ObjectGuid::from_u128(4711), |group| group.guid);
        if let Some(reference) = mapped.get(*of) {
            let members: Vec<_> = (0..4).filter_map(|index| Some(person(index)?.guid)).collect();
            memory
                .groups
                .insert(reference.clone(), RememberedGroup { guid, name: "old".to_owned(), members: members.into() });
        }
    }
    let name = |index: &usize| match person(*index) {
        Some(person) if index.is_multiple_of(3) => person.dn.text().to_uppercase(),
        Some(person) if index % 3 == 1 => person.guid.to_string(),
        Some(person) => person.mailbox.address().map_or("nobody".to_owned(), |email| email.as_str().to_uppercase()),
        None => "JOINER".to_owned(),
    };
    let names = choice.names.iter().map(name).collect();
    let memory = of_many(memory, now);
    Case { rules, memory, names, accounts: Vec::new(), kind: StoreKind::EnterpriseDirectory, now }
}

#[test]
fn what_is_looked_up_decides_as_the_whole_domain_does() {
    let ad = Ad::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let usual = settings(&ad);
    let everything = Case {
        rules: Rules::default(),
        memory: Memory::empty(Origin::Fresh),
        names: Vec::new(),
        accounts: Vec::new(),
        kind: StoreKind::EnterpriseDirectory,
        now: NOW.parse().unwrap(),
    };
    let read =
        |settings: &LdapSettings, case: &Case, whole| runtime.block_on(same::read(settings, case, whole)).unwrap();
    let variant = |number: u8| match number {
        0 => LdapSettings { email_attributes: vec!["proxyAddresses".to_owned(), "mail".to_owned()], ..usual.clone() },
        1 => LdapSettings { email_attributes: vec!["userPrincipalName".to_owned()], ..usual.clone() },
        2 => LdapSettings { base_dn: "ou=zoo,dc=AD,dc=test".to_owned(), ..usual.clone() },
        3 => LdapSettings { user_filter: Some("(!(sAMAccountName=b*))".to_owned()), ..usual.clone() },
        _ => usual.clone(),
    };
    // Each of them read whole once: nobody changes anything here.
    let wholes: Vec<Reading> = (0..5)
        .map(|number| match read(&variant(number), &everything, true) {
            News::Whole(reading) => reading,
            News::Mapped(_) | News::Changed(_) => panic!("a part of what was asked for"),
        })
        .collect();
    let (looked_up, in_all) = (Cell::new(0), Cell::new(0));
    let mut runner =
        TestRunner::new(Config { cases: 25, failure_persistence: None, max_shrink_iters: 200, ..Config::default() });
    let outcome = runner.run(&choice(), |choice| {
        let whole = &wholes[usize::from(choice.settings)];
        let case = case(&choice, whole);
        in_all.set(in_all.get() + 1);
        let News::Mapped(part) = read(&variant(choice.settings), &case, false) else { return Ok(()) };
        looked_up.set(looked_up.get() + 1);
        let different = difference(whole.clone(), part, &case);
        prop_assert!(different.is_none(), "{different:#?}");
        Ok(())
    });
    outcome.unwrap();
    assert!(looked_up.get() * 10 > in_all.get() * 9, "{} of {} by look-up", looked_up.get(), in_all.get());
}

#[test]
fn passes_after_the_first_go_by_look_up_and_miss_nothing() {
    let ad = Ad::start();
    let site = Site::new(ad.directory(), &["App-Pro", "App-Nested"], &["App-Plus", "App-Primary"]);
    site.sync_and_settle();
    let by_look_up = |words: &str| {
        let run = site.run(&["--verbose", "plan"]);
        assert!(run.stderr.contains("by look-up, few of more than"), "{words}: {}", run.stderr);
    };
    by_look_up("in sync");
    // Somebody in no group takes the address of somebody in one: neither seat changes.
    ad.set_mail("joiner", "ALICE@ad.test");
    let run = site.sync_and_settle();
    run.assert_warns("duplicate_email", &["alice", "joiner"]);
    ad.set_mail("joiner", "joiner@ad.test");
    by_look_up("with another address");
    // Moved and renamed, out of the group, disabled, deleted.
    ad.rename_group("App-Pro", "App-Premium");
    ad.move_to(&ad::person("mover"), "OU=Moved,OU=Zoo,DC=ad,DC=test");
    assert_eq!(site.sync_and_settle().changes(), []);
    ad.remove_from_group("App-Premium", &["leaver"]);
    ad.disable("locked");
    ad.delete(&ad::person("expires0"));
    let run = site.sync_and_settle();
    let expected = ["suspend expires0@ad.test done", "suspend leaver@ad.test done", "suspend locked@ad.test done"];
    assert_eq!(run.changes_in_words(), expected);
    by_look_up("after losses");
    // Nothing says any more which group was meant.
    ad.delete(&group("App-Plus"));
    site.sync_held().assert_warns("group_missing", &["App-Plus"]);
}
