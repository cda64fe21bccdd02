//! What is news, and what is not.

#![allow(clippy::unwrap_used)]

use super::super::ber::{self, Element};
use super::super::entry::tests::{encoded, entry};
use super::super::settings::{LdapSettings, ReadLimits};
use super::*;
use proptest::prelude::*;

type Attributes<'a> = &'a [(&'a str, &'a [&'a [u8]])];

fn settings(user_filter: Option<&str>) -> LdapSettings {
    LdapSettings {
        user_filter: user_filter.map(str::to_owned),
        ..LdapSettings::new(Vec::new(), "DC=x", "", "x".into())
    }
}

fn begin(user_filter: Option<&str>) -> (Seen, Vec<String>) {
    let server = Server::of(&entry("", &[("defaultNamingContext", &[b"DC=x"]), ("dsServiceName", &[b"x"])]));
    Seen::begin(&server, &settings(user_filter)).unwrap()
}

fn is_news(seen: &mut Seen, dn: &str, attributes: Attributes<'_>) -> bool {
    let body = encoded(dn, attributes);
    let entry = Entry::of(Element { tag: ber::SEARCH_ENTRY, body: &body }, &ReadLimits::default()).unwrap();
    seen.is_news(&entry, &body)
}

#[test]
fn whoever_is_as_before_is_no_news() {
    let (mut seen, _) = begin(None);
    let kim: Attributes = &[("objectGUID", &[b"kim"]), ("objectClass", &[b"top", b"user"]), ("mail", &[b"k@x"])];
    let with_mail = |mail| [kim[0], kim[1], ("mail", mail)];
    assert!(is_news(&mut seen, "CN=Kim,DC=x", kim), "for the first time it may be a change");
    assert!(!is_news(&mut seen, "CN=Kim,DC=x", kim), "Kim has signed in");
    for changed in [with_mail(&[b"kim@x"]), with_mail(&[]), with_mail(&[b"k@x"])] {
        assert!(is_news(&mut seen, "CN=Kim,DC=x", &changed), "also what is as it was before the last change");
        assert!(!is_news(&mut seen, "CN=Kim,DC=x", &changed));
    }
    assert!(is_news(&mut seen, "CN=Kim,OU=Left,DC=x", kim), "a move");
    let deleted = "CN=Kim\\0ADEL:0,CN=Deleted Objects,DC=x";
    assert!(is_news(&mut seen, deleted, &[kim[0], kim[1]]));
    let other = [("objectGUID", &[&b"other"[..]][..]), kim[1], kim[2]];
    assert!(is_news(&mut seen, "CN=Kim,DC=x", &other), "another at the same name");
}

#[test]
fn what_cannot_be_known_is_news_each_time() {
    let (mut seen, _) = begin(None);
    let guid = ("objectGUID", &[&b"g"[..]][..]);
    for attributes in [
        &[guid, ("objectClass", &[&b"top"[..], b"group"][..])][..],
        &[guid, ("objectClass", &[&b"groupOfUniqueNames"[..]][..])],
        &[guid, ("objectClass", &[&b"posixGroup"[..]][..])],
        // Without rights to see what it is; without an identity; nothing at all, as what has left is told by RFC 4533.
        &[guid],
        &[("objectClass", &[&b"user"[..]][..])],
        &[],
    ] {
        for _ in 0..3 {
            assert!(is_news(&mut seen, "CN=g,DC=x", attributes), "{attributes:?}");
        }
    }
}

#[test]
fn what_the_filter_looks_at_is_asked_for_as_well() {
    let asked = |filter| begin(filter).1;
    let plain = asked(None);
    for name in ["objectClass", "objectGUID", "mail", "userAccountControl", "accountExpires", "primaryGroupID"] {
        assert!(plain.iter().any(|asked| asked == name), "{name}");
    }
    let filtered = asked(Some("(&(!(employeeType=robot))(|(Mail=*)(uac2:1.2.3:=2)(a;lang-de<=1)))"));
    assert_eq!(filtered[plain.len()..], ["employeeType", "uac2", "a"]);
    // One that names no attribute looks at all of them.
    let server = Server::of(&entry("", &[]));
    assert!(Seen::begin(&server, &settings(Some("(&(a=b)(:caseExactMatch:=Kim))"))).is_none());
}

#[test]
fn memory_has_an_end() {
    let (mut seen, _) = begin(None);
    seen.digests.extend((0..ENTRIES_MAX as u64 - 1).map(|number| (number, number)));
    for (guid, left) in [(b"a", ENTRIES_MAX), (b"b", 1), (b"a", 2)] {
        assert!(is_news(&mut seen, "CN=a", &[("objectGUID", &[guid]), ("objectClass", &[b"user"])]));
        assert_eq!(seen.digests.len(), left);
    }
}

proptest! {
    /// Whatever is told in whatever order: what differs from what was told last of the same entry is news.
    #[test]
    fn no_change_is_overlooked(told in prop::collection::vec((0_u8..4, 0_u8..3), 0..60)) {
        let (mut seen, _) = begin(None);
        let mut last = HashMap::new();
        for (who, what) in told {
            let news = is_news(&mut seen, "CN=a", &[("objectGUID", &[&[who]]), ("objectClass", &[b"user"]), ("mail", &[&[what]])]);
            prop_assert_eq!(news, last.insert(who, what) != Some(what));
        }
    }
}
