//! What is asked, letter by letter.

#![allow(clippy::unwrap_used)]

use super::super::super::entry::tests::entry;
use super::*;

fn settings(emails: &[&str]) -> LdapSettings {
    LdapSettings {
        user_filter: Some("(!(a=b))".to_owned()),
        email_attributes: emails.iter().map(|name| (*name).to_owned()).collect(),
        ..LdapSettings::new(Vec::new(), "", "", "x".into())
    }
}

fn server(vendor: &str) -> Server {
    let windows: &[(&str, &[&[u8]])] = &[("defaultNamingContext", &[b"DC=x"]), ("isGlobalCatalogReady", &[b"TRUE"])];
    match vendor {
        "OpenLDAP" => Server::of(&entry("", &[])),
        vendor => {
            let name: &[&[u8]] = &[vendor.as_bytes()];
            Server::of(&entry("", &[windows, &[("vendorName", name)]].concat()))
        }
    }
}

const GUID: &str = "02018a4b-2211-4433-0102-030405060708";

#[test]
fn each_server_is_asked_in_its_own_words() {
    let settings = settings(&["mail"]);
    let guid = ObjectGuid::parse(GUID).unwrap();
    let (openldap, samba, windows) = (server("OpenLDAP"), server("Samba Team"), server("Microsoft"));
    let [openldap, samba, windows] =
        [&openldap, &samba, &windows].map(|server| Filters::of(server, &settings).unwrap());
    let bytes = r"\4b\8a\01\02\11\22\33\44\01\02\03\04\05\06\07\08";
    assert_eq!(openldap.identity(&guid), format!("(objectGUID={bytes})(entryUUID={GUID})"));
    assert_eq!(windows.identity(&guid), format!("(objectGUID={bytes})"));
    assert_eq!(openldap.name("cn=a*(b)\\2c,dc=x"), r"(entryDN=cn=a\2a\28b\29\5c2c,dc=x)");
    assert_eq!(windows.name("CN=a,DC=x"), "(distinguishedName=CN=a,DC=x)");
    assert_eq!(openldap.account("a*"), r"(sAMAccountName=a\2a)(uid=a\2a)");
    assert_eq!(windows.account("a"), "(sAMAccountName=a)");
    let email = Email::parse("A*b@c.d").unwrap();
    assert_eq!(openldap.address(&email), r"(mail=A\2ab@c.d)");
    assert_eq!(samba.address(&email), r"(mail=A\2ab@c.d)");
    let blanks = r"(mail=A\2ab@c.d\20*)(mail=A\2ab@c.d\09*)(mail=A\2ab@c.d\c2\a0*)";
    assert_eq!(windows.address(&email), format!(r"(mail=A\2ab@c.d){blanks}"));
    assert_eq!(windows.addresses_behind_blanks(), [r"(mail=\20*)", r"(mail=\09*)", r"(mail=\c2\a0*)"]);
    assert!(openldap.addresses_behind_blanks().is_empty() && samba.addresses_behind_blanks().is_empty());
}

#[test]
fn what_is_asked_is_what_a_whole_read_asks_and_a_choice_of_it() {
    let settings = settings(&["mail"]);
    let server = server("Samba");
    let filters = Filters::of(&server, &settings).unwrap();
    let terms: Vec<String> = (0..ALTERNATIVES_MAX + 1).map(|number| format!("(a={number})")).collect();
    let asks = filters.any(Of::People, &terms);
    assert_eq!(asks.len(), 2);
    let all = server.people_filter(&settings);
    assert_eq!(asks[1].filter, format!("(&{all}(|(a={ALTERNATIVES_MAX})))"));
    assert!(filters.any(Of::Groups, &[]).is_empty());
    for ask in asks.iter().chain(&filters.any(Of::Groups, &terms)).chain(&filters.any(Of::Anything, &terms)) {
        assert!(ldap3::parse_filter(&ask.filter).is_ok(), "{}", ask.filter);
    }
    let proof = filters.proof("CN=a,DC=x", "mail", b"\xff(");
    assert_eq!(proof.filter, r"(&(distinguishedName=CN=a,DC=x)(mail=\ff\28))");
}

#[test]
fn names_are_asked_for_as_whatever_they_could_be() {
    let settings = settings(&["proxyAddresses"]);
    let server = server("Samba");
    let filters = Filters::of(&server, &settings).unwrap();
    let reference = |text: &str| filters.reference(&GroupRef::new(text));
    assert_eq!(reference("Sales"), "(sAMAccountName=Sales)(cn=Sales)");
    assert!(reference(GUID).starts_with(r"(objectGUID=\4b"));
    assert!(reference("S-1-5-21-1-2-3-4").starts_with(r"(objectSid=\01\05\00\00\00\00\00\05\15\00"));
    assert!(reference("CN=a,DC=x").starts_with("(distinguishedName=CN=a,DC=x)"));
    assert_eq!(reference(""), "(sAMAccountName=)(cn=)");
    assert_eq!(filters.who("a@b.c"), "(proxyAddresses=SMTP:a@b.c)(sAMAccountName=a@b.c)");
    assert_eq!(filters.who("alice"), "(sAMAccountName=alice)");
    assert!(filters.who(GUID).starts_with(r"(objectGUID=\4b"));
}

#[test]
fn an_attribute_that_fits_into_no_filter_is_named() {
    let settings = settings(&["mail", "a b"]);
    assert_eq!(Filters::of(&server("Samba"), &settings).unwrap_err(), "nobody can be looked up by \"a b\"");
}
