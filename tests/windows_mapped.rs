//! Look-ups in an Active Directory as Windows has it: against a server in memory, so that there are many of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chance;
mod fake_ldap;
mod same;
mod windows;

use chance::{Dice, FAR_AHEAD, LONG_AGO, NOW, Names, PERSONS, TEAMS, any_case, person_guid, sid, team_guid};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use same::{Case, difference, of_many};
use seatsync::directory::DirectoryError;
use seatsync::directory::ldap::{LdapSettings, LdapUrl};
use seatsync::model::{
    Email, Fact, GroupRef, Holding, Memory, News, ObjectGuid, Origin, Reading, RememberedGroup, Rules, Seat, StoreKind,
    Tier, TierRule, UserId,
};
use std::cell::Cell;
use std::sync::Arc;
use windows::{DOMAIN, Entry, Manner, Windows};

fn settings(url: &str) -> LdapSettings {
    LdapSettings {
        allow_cleartext: true,
        email_attributes: vec!["mail".to_owned(), "proxyAddresses".to_owned()],
        ..LdapSettings::new(
            vec![LdapUrl::parse(url).unwrap()],
            &format!("OU=In,{DOMAIN}"),
            "svc@corp.test",
            "secret".into(),
        )
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn read(settings: &LdapSettings, case: &Case, whole: bool) -> Result<News, DirectoryError> {
    runtime().block_on(same::read(settings, case, whole))
}

fn whole(settings: &LdapSettings, case: &Case) -> Reading {
    match read(settings, case, true).unwrap() {
        News::Whole(reading) => reading,
        News::Mapped(_) | News::Changed(_) => panic!("a part of what was asked for"),
    }
}

fn values(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn entry(dn: &str, guid: ObjectGuid, attributes: &[(&str, Vec<Vec<u8>>)]) -> Entry {
    let mut all = vec![("objectGUID".to_owned(), vec![guid.to_ad_bytes().to_vec()])];
    all.extend(attributes.iter().map(|(name, values)| ((*name).to_owned(), values.clone())));
    Entry { dn: dn.to_owned(), guid, attributes: all }
}

fn unit(dn: &str, number: u128) -> Entry {
    let classes = ("objectClass", values(&["top", "organizationalUnit"]));
    entry(&format!("{dn}{DOMAIN}"), ObjectGuid::from_u128(number), &[classes])
}

/// Addresses with blanks of all kinds around them.
fn address(number: usize, dice: &mut Dice<'_>) -> String {
    let other = dice.roll(PERSONS);
    let address = dice.pick(&[
        format!("p{number}@corp.test"),
        format!("P{other}@Corp.test"),
        "shared@corp.test".to_owned(),
        "not an address".to_owned(),
    ]);
    match dice.roll(6) {
        0 => format!("  {address}"),
        1 => format!("{address}  "),
        2 => format!("\t{address}\u{a0}"),
        _ => address,
    }
}

fn person(number: usize, dice: &mut Dice<'_>) -> Entry {
    let place = dice.pick(&["OU=People,OU=In", "OU=People,OU=In", "OU=In", "OU=Out"]);
    let dn = format!("CN=Person\\, {number},{place},{DOMAIN}");
    let name = format!("p{number}");
    let kind = dice.roll(8);
    let (class, category) = match kind {
        0 => ("contact", "person"),
        1 => ("computer", "computer"),
        _ => ("user", "person"),
    };
    let classes = if class == "computer" { vec!["top", "user", "computer"] } else { vec!["top", class] };
    let control = dice.pick(&["512", "512", "512", "514"]);
    let expires = dice.pick(&["0", FAR_AHEAD, LONG_AGO]);
    let rid = dice.pick(&["513", "513", "1100", "1101"]);
    let mut attributes = vec![
        ("objectClass", values(&classes)),
        ("objectCategory", values(&[category])),
        ("sAMAccountName", values(&[&name])),
        ("userAccountControl", values(&[control])),
        ("accountExpires", values(&[expires])),
        ("primaryGroupID", values(&[rid])),
        ("objectSid", vec![sid(2_000 + number as u32)]),
    ];
    if !dice.one_in(4) {
        attributes.push(("mail", values(&[&address(number, dice)])));
    }
    if dice.one_in(3) {
        let prefix = dice.pick(&["SMTP:", "SMTP: ", "smtp:", "X500:"]);
        let first = format!("{prefix}{}", address(number, dice).trim_start());
        attributes.push(("proxyAddresses", values(&[&first, "smtp:other@corp.test"])));
    }
    entry(&dn, person_guid(number), &attributes)
}

fn any_directory(dice: &mut Dice<'_>) -> (Vec<Entry>, Names) {
    let mut names = Names::default();
    let mut entries = vec![unit("OU=In,", 9_001), unit("OU=Out,", 9_002), unit("OU=People,OU=In,", 9_003)];
    let foreign = format!("CN=S-1-5-21-9-9-9-500,CN=ForeignSecurityPrincipals,{DOMAIN}");
    let class = ("objectClass", values(&["top", "foreignSecurityPrincipal"]));
    entries.push(entry(&foreign, ObjectGuid::from_u128(9_004), &[class]));
    let people: Vec<Entry> = (0..PERSONS).map(|number| person(number, dice)).collect();
    let teams: Vec<(String, String)> = (0..TEAMS)
        .map(|number| {
            let cn = if dice.one_in(4) { "Twin".to_owned() } else { format!("Team {number}") };
            let place = dice.pick(&["OU=In", "OU=In", "OU=Out"]);
            (format!("CN={cn},OU=T{number},{place},{DOMAIN}"), cn)
        })
        .collect();
    let all: Vec<String> =
        people.iter().map(|person| person.dn.clone()).chain(teams.iter().map(|team| team.0.clone())).collect();
    for (number, person) in people.iter().enumerate() {
        names.add_person(number, &person.dn, dice);
    }
    for (number, (dn, cn)) in teams.iter().enumerate() {
        let mut members = dice.some(all.iter().cloned());
        members.extend(dice.some([foreign.clone()]));
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        let attributes = [
            ("objectClass", values(&["top", "group"])),
            ("objectCategory", values(&["group"])),
            ("cn", values(&[cn])),
            ("sAMAccountName", values(&[&format!("sam-{number}")])),
            ("objectSid", vec![sid(1_100 + number as u32)]),
            ("member", values(&members)),
        ];
        names.add_team(number, cn, dn, dice);
        entries.push(entry(dn, team_guid(number), &attributes));
    }
    entries.extend(people);
    (entries, names)
}

#[test]
fn what_is_looked_up_decides_as_the_whole_domain_does() {
    let (looked_up, in_all) = (Cell::new(0), Cell::new(0));
    let bytes = |length| prop::collection::vec(any::<u8>(), length);
    let worlds = (bytes(900), prop::collection::vec(bytes(120), 10), 2..6_usize);
    let config = Config { cases: 15, failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
    let outcome = TestRunner::new(config).run(&worlds, |(world, cases, range_step)| {
        let (entries, names) = any_directory(&mut Dice(world.iter()));
        // The values of a group of more than so many come in ranges.
        let server = Windows::start(entries.clone(), Manner { range_step, ..Manner::default() });
        let settings = settings(&server.url);
        for bytes in &cases {
            let case = any_case(&names, &mut Dice(bytes.iter()));
            in_all.set(in_all.get() + 1);
            let News::Mapped(part) = read(&settings, &case, false).unwrap() else { continue };
            looked_up.set(looked_up.get() + 1);
            let different = difference(whole(&settings, &case), part, &case);
            prop_assert!(different.is_none(), "{different:#?}\n{case:#?}\n{entries:#?}");
        }
        Ok(())
    });
    outcome.unwrap();
    assert!(looked_up.get() * 10 > in_all.get() * 9, "{} of {} by look-up", looked_up.get(), in_all.get());
}

/// Ten people in one group, all of them with seats.
fn ten() -> (Vec<Entry>, Case) {
    let people = (0..10).map(|number| {
        let name = format!("p{number}");
        let attributes = [
            ("objectClass", values(&["top", "user"])),
            ("objectCategory", values(&["person"])),
            ("sAMAccountName", values(&[&name])),
            ("userAccountControl", values(&["512"])),
            ("mail", values(&[&format!("{name}@corp.test")])),
        ];
        entry(&format!("CN={name},OU=In,{DOMAIN}"), person_guid(number), &attributes)
    });
    let mut entries: Vec<Entry> = people.collect();
    let members: Vec<&str> = entries.iter().map(|entry| entry.dn.as_str()).collect();
    let attributes = [("objectClass", values(&["group"])), ("cn", values(&["Team"])), ("member", values(&members))];
    let team = entry(&format!("CN=Team,OU=In,{DOMAIN}"), team_guid(0), &attributes);
    entries.extend([team, unit("OU=In,", 9_001)]);

    let now = NOW.parse().unwrap();
    let team = GroupRef::new("Team");
    let rule = TierRule { tier: Tier::new("pro"), groups: vec![team.clone()] };
    let mut memory = of_many(Memory::empty(Origin::Known), now);
    for number in 0..10 {
        let (id, email) = (UserId::new(&format!("a{number}")), Email::parse(&format!("p{number}@corp.test")).unwrap());
        let holding = Holding { id, email, seat: Seat::Active(Tier::new("pro")) };
        memory.snapshot.learn(person_guid(number), &Fact::Holds(holding));
    }
    let members: Vec<ObjectGuid> = (0..10).map(person_guid).collect();
    let name = "Team".to_owned();
    memory.groups.insert(team, RememberedGroup { guid: team_guid(0), name, members: members.into() });
    let rules = Rules { tiers: vec![rule], ..Rules::default() };
    let (names, accounts, kind) = (Vec::new(), Vec::new(), StoreKind::EnterpriseDirectory);
    (entries, Case { rules, memory, names, accounts, kind, now })
}

#[test]
fn ten_are_looked_up() {
    let (entries, case) = ten();
    let server = Windows::start(entries, Manner::default());
    match read(&settings(&server.url), &case, false).unwrap() {
        News::Mapped(reading) => assert_eq!((reading.people.len(), reading.groups.len()), (10, 1)),
        News::Whole(_) | News::Changed(_) => panic!("not looked up"),
    }
}

/// Whichever of its searches a server is confused in, nobody is overlooked: everything is read, and says so.
#[test]
fn nobody_is_overlooked_whatever_one_answer_leaves_out() {
    let (entries, case) = ten();
    let honest = Windows::start(entries.clone(), Manner::default());
    let everything = whole(&settings(&honest.url), &case);
    let mut noticed = 0;
    for confused in 0..12 {
        let loses = Arc::new(move |number, dn: &str| number == confused && dn.starts_with("CN=p3"));
        let server = Windows::start(entries.clone(), Manner { loses, ..Manner::default() });
        let reading = match read(&settings(&server.url), &case, false).unwrap() {
            News::Mapped(reading) => reading,
            News::Whole(reading) => {
                noticed += 1;
                reading
            }
            News::Changed(_) => panic!("nobody gave a cursor"),
        };
        assert_eq!(difference(everything.clone(), reading, &case), None, "in search {confused}");
    }
    // As a member, and by address.
    assert_eq!(noticed, 2);
}

#[test]
fn a_server_that_answers_only_in_pages_is_read_whole() {
    let (entries, case) = ten();
    let server = Windows::start(entries, Manner { page_max: 5, ..Manner::default() });
    let settings = settings(&server.url);
    let News::Whole(reading) = read(&settings, &case, false).unwrap() else { panic!("looked up without success") };
    assert_eq!(reading.people.len(), 10);
}

/// Which codes make a look-up useless, and which the whole read.
#[test]
fn a_refusal_leads_to_a_whole_read_and_an_overload_to_none() {
    let (entries, case) = ten();
    for code in [1, 11, 12, 18, 50, 53] {
        // The first search is for the base.
        let code = Arc::new(move |number| if number == 2 { code } else { 0 });
        let server = Windows::start(entries.clone(), Manner { code, ..Manner::default() });
        assert!(matches!(read(&settings(&server.url), &case, false), Ok(News::Whole(_))));
    }
    for code in [51, 52] {
        let code = Arc::new(move |number| if number == 2 { code } else { 0 });
        let server = Windows::start(entries.clone(), Manner { code, ..Manner::default() });
        assert!(matches!(read(&settings(&server.url), &case, false), Err(DirectoryError::Incomplete { .. })));
    }
}
