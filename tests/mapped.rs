//! What the mapping is about, by look-up: the same is decided as from the whole directory, and the cost follows the mapped
//! groups. Against OpenLDAP; `tests/ad_mapped.rs` has the same law for Active Directory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chance;
mod crowd;
mod ldif;
mod loopback;
mod openldap;
mod same;
mod site;
mod tap;

use chance::{
    Dice, FAR_AHEAD, LONG_AGO, NOW, Names, PERSONS, TEAMS, address, any_case, person_guid, respelled, sid, team_guid,
};
use crowd::{Crowd, FEW, FEW_PEOPLE, GROUPS};
use openldap::{READER, READER_PASSWORD, Slapd};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use same::{Case, decisions, difference, of_many};
use seatsync::directory::ldap::{Ldap, LdapSettings, LdapUrl};
use seatsync::model::{GroupRef, Memory, News, Origin, Rules, StoreKind, Tier, TierRule, Timestamp};
use std::cell::Cell;
use std::fmt::Write;
use tap::Tap;

const PEOPLE: u64 = 10_000;
/// Below it is what is read; some people and groups of the random directories are elsewhere.
const BASE: &str = "ou=in,dc=corp,dc=test";

fn settings(url: &str) -> LdapSettings {
    LdapSettings {
        allow_cleartext: true,
        email_attributes: vec!["mail".to_owned(), "title".to_owned()],
        ..LdapSettings::new(vec![LdapUrl::parse(url).unwrap()], BASE, READER, READER_PASSWORD.into())
    }
}

/// Classes and attributes of Active Directory, with matching rules.
const ACTIVE_DIRECTORY_SCHEMA: &str = concat!("include ", env!("CARGO_MANIFEST_DIR"), "/tests/lab/scale.schema\n");
const ROOT: &str = "dn: dc=corp,dc=test\nobjectClass: domain\ndc: corp\n\n\
    dn: cn=reader,dc=corp,dc=test\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\ncn: reader\n\
    userPassword: Reader.Passw0rd1\n\n";

/// A server with these entries, further definitions, and limits.
fn slapd(entries: &str, definitions: &str, limits: &str) -> Slapd {
    let first = format!("{ACTIVE_DIRECTORY_SCHEMA}{definitions}\n");
    Slapd::holding(&format!("{ROOT}{entries}"), &first, &format!("{limits}\nindex objectClass eq\n"))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

// Random directories.

struct Entry {
    dn: String,
    lines: String,
}

fn line(name: &str, bytes: &[u8]) -> String {
    use base64::Engine;
    format!("{name}:: {}\n", base64::engine::general_purpose::STANDARD.encode(bytes))
}

fn person(number: usize, dice: &mut Dice<'_>) -> Entry {
    let place = dice.pick(&["ou=people,ou=in", "ou=people,ou=in", "ou=in", "ou=out"]);
    let name = format!("p{number}");
    let kind = dice.roll(8);
    let rdn = match dice.roll(4) {
        _ if kind == 7 => format!("cn=Device {number}"),
        0 | 1 if kind < 5 => format!("uid={name}"),
        2 => format!("cn=Person\\, {number} \\\"x\\\""),
        _ => format!("cn=Pérsøn   {number}"),
    };
    let dn = format!("{rdn},{place},dc=corp,dc=test");
    let cn = rdn.strip_prefix("cn=").map_or_else(|| name.clone(), |cn| cn.replace('\\', ""));
    let mut lines = format!("entryUUID: {}\n{}", person_guid(number), line("cn", cn.as_bytes()));
    let is_windows = matches!(kind, 5 | 6);
    match kind {
        0..=2 => write!(lines, "objectClass: inetOrgPerson\nsn: x\nuid: {name}\n").unwrap(),
        3 | 4 => write!(
            lines,
            "objectClass: inetOrgPerson\nobjectClass: posixAccount\nsn: x\nuid: {name}\nuidNumber: {number}\ngidNumber: 1\n\
             homeDirectory: /\n"
        )
        .unwrap(),
        5 | 6 => {
            let control = dice.pick(&["512", "512", "514"]);
            let expires = dice.pick(&["0", FAR_AHEAD, LONG_AGO]);
            let rid = dice.pick(&[513_u32, 1_100, 1_101]);
            write!(
                lines,
                "objectClass: user\nsn: x\nsAMAccountName: {name}\nuserAccountControl: {control}\naccountExpires: \
                 {expires}\nprimaryGroupID: {rid}\n{}{}",
                line("objectSid", &sid(2_000 + number as u32)),
                line("objectGUID", &person_guid(number).to_ad_bytes())
            )
            .unwrap();
        }
        _ => writeln!(lines, "objectClass: device").unwrap(),
    }
    if kind != 7 {
        let mut mails: Vec<String> = Vec::new();
        for _ in 0..dice.pick(&[1, 1, 1, 2]) {
            let mail = address(number, dice);
            mails.extend(mail.filter(|mail| !mails.iter().any(|one| one.trim().eq_ignore_ascii_case(mail.trim()))));
        }
        lines.extend(mails.iter().map(|mail| line("mail", mail.as_bytes())));
        if dice.one_in(3)
            && let Some(title) = address(number, dice)
        {
            lines += &line("title", title.as_bytes());
        }
    }
    if !is_windows && kind != 7 && dice.one_in(6) {
        lines += "employeeType: robot\n";
    }
    Entry { dn, lines }
}

fn team_dn(number: usize, dice: &mut Dice<'_>) -> (String, String) {
    let place = dice.pick(&["ou=groups,ou=in", "ou=groups,ou=in", "ou=in", "ou=out"]);
    let cn = if dice.one_in(4) { "Twin".to_owned() } else { format!("Team {number}") };
    // Twins stand in places of their own.
    let place = if cn == "Twin" { format!("ou=t{number},ou=in") } else { place.to_owned() };
    (format!("cn={cn},{place},dc=corp,dc=test"), cn)
}

fn team(number: usize, dn: &str, cn: &str, members: &[String], uids: &[String], dice: &mut Dice<'_>) -> Entry {
    let mut lines = format!("entryUUID: {}\ncn: {cn}\n", team_guid(number));
    let mut values = |attribute: &str, dice: &mut Dice<'_>| {
        let mut seen = std::collections::HashSet::new();
        for member in members {
            if seen.insert(seatsync::model::DnKey::of(member)) {
                let member = respelled(member, dice);
                lines += &line(attribute, member.as_bytes());
            }
        }
    };
    // The first two may be somebody's primary group.
    match if number < 2 { 3 } else { dice.roll(4) } {
        0 => {
            values("member", dice);
            lines += "objectClass: groupOfNames\nmember: cn=nobody,dc=corp,dc=test\n";
        }
        1 => {
            values("uniqueMember", dice);
            lines += "objectClass: groupOfUniqueNames\nuniqueMember: cn=nobody,dc=corp,dc=test#'01'B\n";
        }
        2 => {
            write!(lines, "objectClass: posixGroup\ngidNumber: {number}\n").unwrap();
            for uid in uids {
                writeln!(lines, "memberUid: {}", if dice.one_in(3) { uid.to_uppercase() } else { uid.clone() })
                    .unwrap();
            }
        }
        _ => {
            values("member", dice);
            let rid = 1_100 + number as u32;
            write!(lines, "objectClass: group\nsAMAccountName: {cn}\n{}", line("objectSid", &sid(rid))).unwrap();
            lines += &line("objectGUID", &team_guid(number).to_ad_bytes());
        }
    }
    Entry { dn: dn.to_owned(), lines }
}

fn any_directory(dice: &mut Dice<'_>) -> (String, Names) {
    let mut ldif = String::new();
    let mut units: Vec<String> = ["ou=in", "ou=out", "ou=people,ou=in", "ou=groups,ou=in"].map(str::to_owned).to_vec();
    units.extend((0..TEAMS).map(|number| format!("ou=t{number},ou=in")));
    for unit in &units {
        write!(ldif, "dn: {unit},dc=corp,dc=test\nobjectClass: organizationalUnit\n\n").unwrap();
    }
    let people: Vec<Entry> = (0..PERSONS).map(|number| person(number, dice)).collect();
    let teams: Vec<(String, String)> = (0..TEAMS).map(|number| team_dn(number, dice)).collect();
    let all: Vec<String> =
        people.iter().map(|entry| entry.dn.clone()).chain(teams.iter().map(|team| team.0.clone())).collect();
    let mut names = Names::default();
    let mut entries = Vec::new();
    for (number, (dn, cn)) in teams.iter().enumerate() {
        let members = dice.some(all.iter().cloned());
        let uids: Vec<String> = dice.some((0..PERSONS).map(|number| format!("p{number}")));
        entries.push(team(number, dn, cn, &members, &uids, dice));
        names.add_team(number, cn, dn, dice);
    }
    for (number, entry) in people.iter().enumerate() {
        names.add_person(number, &entry.dn, dice);
    }
    for Entry { dn, lines } in people.iter().chain(&entries) {
        writeln!(ldif, "{}{lines}", line("dn", dn.as_bytes())).unwrap();
    }
    (ldif, names)
}

#[test]
fn what_is_looked_up_decides_as_the_whole_directory_does() {
    let runtime = runtime();
    let (looked_up, in_all) = (Cell::new(0), Cell::new(0));
    let bytes = |length| prop::collection::vec(any::<u8>(), length);
    let worlds = (bytes(900), prop::collection::vec(bytes(120), 20), any::<bool>());
    let mut runner =
        TestRunner::new(Config { cases: 10, failure_persistence: None, max_shrink_iters: 60, ..Config::default() });
    let outcome = runner.run(&worlds, |(world, cases, filters)| {
        let (ldif, names) = any_directory(&mut Dice(world.iter()));
        let server = slapd(&ldif, "", "");
        let user_filter = filters.then(|| "(!(employeeType=robot))".to_owned());
        let settings = LdapSettings { user_filter, ..settings(&server.url()) };
        for bytes in &cases {
            let case = any_case(&names, &mut Dice(bytes.iter()));
            let whole = runtime.block_on(same::read(&settings, &case, true)).unwrap();
            let part = runtime.block_on(same::read(&settings, &case, false)).unwrap();
            let News::Whole(whole) = whole else { panic!("a part of what was asked for") };
            in_all.set(in_all.get() + 1);
            let News::Mapped(part) = part else { continue };
            looked_up.set(looked_up.get() + 1);
            let different = difference(whole, part, &case);
            prop_assert!(different.is_none(), "{different:#?}\n{case:#?}\n{ldif}");
        }
        Ok(())
    });
    outcome.unwrap();
    assert!(looked_up.get() * 10 > in_all.get() * 8, "{} of {} by look-up", looked_up.get(), in_all.get());
}

// Servers that are not fit for it.

/// The people p0, p1 and p2, each in the group Team, and p3 in none, who has the address of p0.
const SMALL: &str = "dn: ou=in,dc=corp,dc=test\nobjectClass: organizationalUnit\n\n\
    dn: uid=p0,ou=in,dc=corp,dc=test\nobjectClass: inetOrgPerson\ncn: p0\nsn: x\nuid: p0\nMAIL: a@corp.test\n\n\
    dn: uid=p1,ou=in,dc=corp,dc=test\nobjectClass: inetOrgPerson\ncn: p1\nsn: x\nuid: p1\nMAIL: b@corp.test\n\n\
    dn: uid=p2,ou=in,dc=corp,dc=test\nobjectClass: inetOrgPerson\ncn: p2\nsn: x\nuid: p2\nMAIL: c@corp.test\n\n\
    dn: uid=p3,ou=in,dc=corp,dc=test\nobjectClass: inetOrgPerson\ncn: p3\nsn: x\nuid: p3\nMAIL: a@corp.test\n\n\
    dn: cn=Team,ou=in,dc=corp,dc=test\nobjectClass: groupOfNames\ncn: Team\n\
    member: uid=p0,ou=in,dc=corp,dc=test\nmember: uid=p1,ou=in,dc=corp,dc=test\nmember: uid=p2,ou=in,dc=corp,dc=test\n\n";

fn small_case() -> Case {
    let now: Timestamp = NOW.parse().unwrap();
    let rule = TierRule { tier: Tier::new("pro"), groups: vec![GroupRef::new("Team")] };
    let rules = Rules { tiers: vec![rule], ..Rules::default() };
    let memory = of_many(Memory::empty(Origin::Known), now);
    Case { rules, memory, names: Vec::new(), accounts: Vec::new(), kind: StoreKind::EnterpriseDirectory, now }
}

/// Reads as a pass would; whether it was by look-up. Either way the shared address is seen.
fn small_read(settings: &LdapSettings) -> bool {
    let news = runtime().block_on(same::read(settings, &small_case(), false)).unwrap();
    let (reading, is_mapped) = match news {
        News::Mapped(reading) => (reading, true),
        News::Whole(reading) => (reading, false),
        News::Changed(_) => panic!("nobody gave a cursor"),
    };
    assert_eq!((reading.people.len(), reading.groups.len()), (4, 1));
    let decided = decisions(reading, &small_case()).join("\n");
    assert!(decided.contains("DuplicateEmail"), "{decided}");
    is_mapped
}

#[test]
fn a_server_that_can_look_people_up_does() {
    let server = slapd(&SMALL.replace("MAIL", "mail"), "", "");
    assert!(small_read(&settings(&server.url())));
}

/// An attribute that cannot be compared: a filter with it is well-formed, and finds nobody (RFC 4511 4.5.1.7: Undefined).
const SECRET_MAIL: &str = "attributetype ( 1.3.6.1.4.1.99999.1 NAME 'secretMail' SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )\n\
    objectclass ( 1.3.6.1.4.1.99999.2 NAME 'secretive' SUP top AUXILIARY MAY secretMail )";

/// Reads these entries with both attributes.
fn small_read_of_both(entries: &str) -> bool {
    let secretive = entries.replace("objectClass: inetOrgPerson", "objectClass: inetOrgPerson\nobjectClass: secretive");
    let server = slapd(&secretive, SECRET_MAIL, "");
    let email_attributes = vec!["mail".to_owned(), "secretMail".to_owned()];
    small_read(&LdapSettings { email_attributes, ..settings(&server.url()) })
}

/// Silence is not taken for an answer.
#[test]
fn addresses_that_cannot_be_compared_are_read_with_everybody() {
    assert!(!small_read_of_both(&SMALL.replace("MAIL", "secretMail")));
}

/// Nobody of the group makes use of that attribute, and the other one with that address does.
#[test]
fn an_attribute_that_cannot_be_compared_is_noticed_by_one_value_of_it() {
    let entries = SMALL.replace("uid: p3\nMAIL", "uid: p3\nsecretMail").replace("MAIL", "mail");
    let entries = entries.replace("uid: p1\n", "uid: p1\nsecretMail: other@corp.test\n");
    assert!(!small_read_of_both(&entries));
}

#[test]
fn a_server_that_refuses_is_asked_in_pages_instead() {
    let limits = "limits users size.soft=2 size.hard=2 size.pr=2 size.prtotal=unlimited";
    let server = slapd(&SMALL.replace("MAIL", "mail"), "", limits);
    assert!(!small_read(&LdapSettings { page_size: 2, ..settings(&server.url()) }));
}

// What it costs.

/// Nothing is known of the directory: reading all of it is begun, and given up.
#[test]
fn without_a_memory_of_its_size_the_whole_is_begun_and_given_up() {
    let crowd = Crowd::start(PEOPLE);
    let tap = Tap::start(crowd.address());
    let settings = LdapSettings {
        base_dn: crowd::BASE.to_owned(),
        bind_dn: crowd::READER.to_owned(),
        bind_password: crowd::READER_PASSWORD.into(),
        email_attributes: vec!["mail".to_owned()],
        ..settings(&tap.url())
    };
    let mut case = small_case();
    case.memory.passes.clear();
    case.rules.nested = true;
    case.rules.tiers[0].groups = vec![GroupRef::new(FEW)];
    let (runtime, mut ldap) = (runtime(), Ldap::new(settings));
    let mut looked_up = || match runtime.block_on(same::read_with(&mut ldap, &case, false)).unwrap() {
        News::Mapped(reading) => reading,
        News::Whole(_) | News::Changed(_) => panic!("all of it was read"),
    };
    let part = looked_up();
    assert_eq!((part.people.len() as u64, part.groups.len()), (FEW_PEOPLE, 2));
    // At first nobody knew that two hundred are concerned; then three times as many and some.
    let seen = tap.seen();
    assert!(seen.entries() <= 7 * FEW_PEOPLE + 1_000, "{} entries", seen.entries());

    // From then on it is known.
    tap.forget();
    assert_eq!(looked_up().people, part.people);
    let seen = tap.seen();
    assert!(seen.entries() <= 2 * FEW_PEOPLE + 20, "{} entries", seen.entries());
    assert!(seen.round_trips() <= 30, "{} requests", seen.round_trips());
    assert_eq!((seen.connections, seen.binds), (1, 1));

    let News::Whole(whole) = runtime.block_on(same::read_with(&mut ldap, &case, true)).unwrap() else {
        panic!("a part of what was asked for");
    };
    assert_eq!(decisions(part, &case), decisions(whole, &case));
}

#[test]
fn two_hundred_of_ten_thousand_cost_two_hundred() {
    let crowd = Crowd::start(PEOPLE);
    let tap = Tap::start(crowd.address());
    let mut site = crowd.site(&tap.url());
    site.tiers = vec![("pro".to_owned(), vec![FEW.to_owned()])];
    site.sync_and_settle();
    assert_eq!(site.accounts().len() as u64, FEW_PEOPLE);

    tap.forget();
    let run = site.run(&["--verbose", "plan"]);
    assert_eq!(run.code, 0, "{run:#?}");
    let words = "200 people and 2 groups read by look-up, few of more than";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    let seen = tap.seen();
    // A page of people to see that there are many; everybody once by name and once by address; the two groups, and a handful of
    // questions about the server.
    assert!(seen.entries() <= 1_000 + 2 * FEW_PEOPLE + 20, "{} entries", seen.entries());
    assert!(seen.round_trips() <= 30, "{} requests", seen.round_trips());
    assert_eq!((seen.connections, seen.binds), (1, 1));

    // Somebody who is in no group at all, asked for by name.
    let explained = site.explain("u0000002");
    assert_eq!((explained.code, explained.json["email"].as_str()), (0, Some("u0000002@scale.test")), "{explained:#?}");

    // Who leaves the group is still found, though nothing leads there any more.
    crowd.modify(&format!(
        "dn: CN=few,OU=Groups,{base}\nchangetype: modify\ndelete: member\nmember: CN=u0000001,OU=People,{base}\n",
        base = crowd::BASE
    ));
    let run = site.sync_and_settle();
    assert_eq!(run.changes_in_words(), ["suspend u0000001@scale.test done"]);
    assert_eq!(run.json["changes"][0]["because"], "in no mapped group", "{run:#?}");

    // Nothing is remembered: the accounts of the store are found again, those in no group among them.
    let before = site.accounts();
    site.forget_state();
    tap.forget();
    let run = site.run(&["--verbose", "sync", "--json"]);
    assert!(run.stderr.contains("200 people and 2 groups read by look-up"), "{}", run.stderr);
    assert_eq!((run.code, run.changes()), (0, Vec::new()), "{run:#?}");
    assert_eq!(site.accounts(), before);
    // As many are concerned as there are accounts.
    assert!(tap.seen().entries() <= 1_000 + 3 * FEW_PEOPLE, "{} entries", tap.seen().entries());
}

#[test]
fn nearly_everybody_is_read_without_look_ups() {
    let crowd = Crowd::start(PEOPLE);
    let tap = Tap::start(crowd.address());
    let site = crowd.site(&tap.url());
    site.sync_and_settle();
    tap.forget();
    let run = site.run(&["--verbose", "plan"]);
    assert_eq!(run.code, 0, "{run:#?}");
    assert!(run.stderr.contains("all 10000 people and 200 groups read"), "{}", run.stderr);
    let seen = tap.seen();
    assert!(seen.entries() <= PEOPLE + GROUPS + 2, "{} entries", seen.entries());
}
