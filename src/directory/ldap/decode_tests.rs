//! Entries to people and groups, case by case.

#![allow(clippy::unwrap_used)]

use super::super::entry::Entry;
use super::super::entry::tests::entry;
use super::*;

const GUID: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

fn reader<'a>(is_active_directory: bool, emails: &'a [String]) -> Reader<'a> {
    Reader { is_active_directory, email_attributes: emails, details: &[] }
}

fn emails(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A user of Active Directory with these further attributes.
fn user(more: &[(&str, &[&[u8]])]) -> Entry<'static> {
    let all = [&[("objectGUID", &[GUID] as &[&[u8]]), ("sAMAccountName", &[b"alice"])], more].concat();
    entry("CN=Alice,DC=ad", &all)
}

fn person(more: &[(&str, &[&[u8]])]) -> Result<Person, String> {
    let emails = emails(&["mail", "proxyAddresses"]);
    reader(false, &emails).person(&user(more), &mut Containers::default()).map(Option::unwrap)
}

#[test]
fn a_person_of_active_directory() {
    let emails = emails(&["mail"]);
    let sid = [1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 2, 0, 0];
    let entry = user(&[
        ("userAccountControl", &[b"514"]),
        ("mail", &[b" Alice@AD.test "]),
        ("objectSid", &[&sid]),
        ("primaryGroupID", &[b"513"]),
        ("accountExpires", &[b"9223372036854775807"]),
    ]);
    let person = reader(true, &emails).person(&entry, &mut Containers::default()).unwrap().unwrap();
    assert_eq!(person.guid, ObjectGuid::from_ad_bytes(GUID).unwrap());
    assert_eq!(person.label(), "alice");
    assert_eq!(person.mailbox.address().unwrap().as_str(), "Alice@AD.test");
    assert!(person.disabled);
    assert_eq!(person.expires, None);
    assert_eq!(person.sid, Sid::parse("S-1-5-21-513"));
    assert_eq!(person.primary_group_rid, Some(513));
}

#[test]
fn unreadable_is_not_enabled() {
    let emails = emails(&["mail"]);
    let problem = reader(true, &emails).person(&user(&[]), &mut Containers::default()).unwrap_err();
    assert!(problem.contains("userAccountControl") && problem.contains("CN=Alice"), "{problem}");
    assert!(!person(&[]).unwrap().disabled);
    for bad in [&b"0x202"[..], b"", b"many", b"99999999999999999999"] {
        assert!(person(&[("userAccountControl", &[bad])]).is_err(), "{bad:?}");
    }
}

#[test]
fn identity_is_one_of_two_or_an_error() {
    let uuid: &[u8] = b"02018a4b-2211-4433-0102-030405060708";
    let short = entry("cn=a", &[("objectGUID", &[b"short"]), ("entryUUID", &[uuid])]);
    assert_eq!(identity(&short).unwrap().to_string(), "02018a4b-2211-4433-0102-030405060708");
    let both = entry("cn=a", &[("objectGUID", &[GUID]), ("entryUUID", &[uuid])]);
    assert_eq!(identity(&both).unwrap(), ObjectGuid::from_ad_bytes(GUID).unwrap());
    let problem = identity(&entry("cn=nobody", &[("entryUUID", &[b"x"])])).unwrap_err();
    assert!(problem.contains("cn=nobody") && problem.contains("grant"), "{problem}");
}

#[test]
fn accounts_that_expire() {
    let expires = |text: &str| person(&[("accountExpires", &[text.as_bytes()])]).map(|person| person.expires);
    for never in ["0", "9223372036854775807", "9223372036854775806", "9000000000000000000"] {
        assert_eq!(expires(never), Ok(None), "{never}");
    }
    assert_eq!(expires("133800768000000000"), Ok(Some("2024-12-31T00:00:00Z".parse::<Timestamp>().unwrap().into())));
    assert!(expires("-1").is_err());
    assert!(expires("tomorrow").is_err());
}

#[test]
fn the_first_attribute_with_a_value_decides_the_address() {
    let mailbox = |more: &[(&str, &[&[u8]])]| person(more).unwrap().mailbox;
    let address = |text: &str| Mailbox::Address(Email::parse(text).unwrap());
    let proxies: (&str, &[&[u8]]) = ("proxyAddresses", &[b"smtp:other@x.y", b"SMTP:Main@x.y", b"x500:/o=x"]);
    assert_eq!(mailbox(&[proxies]), address("main@x.y"));
    assert_eq!(mailbox(&[("mail", &[b"b@x.y", b"a@x.y"]), proxies]), address("a@x.y"));
    assert_eq!(mailbox(&[("mail", &[b"  "]), proxies]), address("main@x.y"));
    assert_eq!(mailbox(&[("mail", &[b"nonsense"]), proxies]), Mailbox::Malformed("nonsense".into()));
    assert_eq!(mailbox(&[("proxyAddresses", &[b"smtp:other@x.y"])]), Mailbox::Missing);
    assert_eq!(mailbox(&[]), Mailbox::Missing);
    assert!(matches!(mailbox(&[("mail", &[b"a\xff@x.y"])]), Mailbox::Malformed(_) | Mailbox::Address(_)));
}

#[test]
fn what_is_never_a_person() {
    for class in ["computer", "groupOfNames", "msDS-GroupManagedServiceAccount"] {
        let entry = user(&[("objectClass", &[b"person", class.as_bytes()])]);
        assert_eq!(reader(false, &[]).person(&entry, &mut Containers::default()), Ok(None), "{class}");
    }
}

#[test]
fn other_servers_lock_people_in_other_ways() {
    assert!(person(&[("nsAccountLock", &[b"TRUE"])]).unwrap().disabled);
    assert!(person(&[("pwdAccountLockedTime", &[b"000001010000Z"])]).unwrap().disabled);
    // A lock-out for wrong passwords goes by itself: such people keep their seats.
    assert!(!person(&[("pwdAccountLockedTime", &[b"20261122150000Z"])]).unwrap().disabled);
    assert!(!person(&[("nsAccountLock", &[b"FALSE"])]).unwrap().disabled);
}

fn group(more: &[(&str, &[&[u8]])]) -> Result<Partial, String> {
    let all = [&[("objectGUID", &[GUID] as &[&[u8]]), ("cn", &[b"Sales", b"Vertrieb"])], more].concat();
    reader(false, &[]).group(&entry("CN=Sales,DC=ad", &all))
}

fn dn(text: &str) -> Member {
    Member::Dn(DnKey::of(text))
}

#[test]
fn members_of_every_kind() {
    let partial = group(&[
        ("member", &[b"CN=a,DC=ad", b""]),
        ("uniqueMember", &[b"cn=b#'0101'B", b"cn=c#'012'B", b"cn=d#1"]),
        ("memberUid", &[b"Eve", b"uid=f,dc=x"]),
    ])
    .unwrap();
    assert_eq!(partial.rest, []);
    assert_eq!(partial.group.name(), "Sales");
    let wanted = [dn("CN=a,DC=ad"), dn("cn=b"), dn("cn=c#'012'B"), dn("cn=d#1")];
    assert_eq!(partial.group.members[..4], wanted);
    assert_eq!(partial.group.members[4..], [Member::Uid("eve".to_owned()), dn("uid=f,dc=x")]);
}

#[test]
fn a_range_asks_for_its_rest() {
    let partial = group(&[("member;range=0-1", &[b"CN=a", b"CN=b"]), ("member", &[])]).unwrap();
    assert_eq!(partial.rest, [Rest { attribute: "member", next: 2, last: b"CN=b".to_vec() }]);
    assert_eq!(partial.group.members.len(), 2);
    assert_eq!(group(&[("member;Range=0-*", &[b"CN=a"])]).unwrap().rest, []);
    for (name, values) in
        [("member;range=1-*", &[&b"CN=a"[..]] as &[&[u8]]), ("member;range=0-1", &[]), ("member", &[b"CN=\xff"])]
    {
        assert!(group(&[(name, values)]).is_err(), "{name}");
    }
    assert!(group(&[("member;range=0-0", &[b"CN=a"]), ("member;range=0-1", &[b"CN=a", b"CN=b"])]).is_err());
}

#[test]
fn an_identity_beats_a_name_that_may_have_moved() {
    let guid = ObjectGuid::from_ad_bytes(GUID).unwrap();
    let text = format!("<GUID={guid}>;<SID=S-1-5-21-1>;CN=new,DC=ad");
    let foreign = format!("<GUID={guid}>;<SID=S-1-5-11>;CN=S-1-5-11,CN=ForeignSecurityPrincipals,DC=ad");
    let user = format!("<GUID={guid}>;CN=S-1-5-11,CN=Users,DC=ad");
    let values = [text.as_bytes(), foreign.as_bytes(), user.as_bytes(), b"CN=plain"];
    let entry = entry("CN=g", &[("objectGUID", &[GUID]), ("member", &values)]);
    let partial = reader(true, &[]).group(&entry).unwrap();
    let wanted = [Member::Guid(guid), Member::Foreign(guid), Member::Guid(guid), dn("CN=plain")];
    assert_eq!(partial.group.members, wanted);
    assert_eq!(Name::of("CN=a").unwrap(), Name { guid: None, dn: "CN=a" });
    assert!(Name::of("<GUID=x>;CN=a").is_err());
}
