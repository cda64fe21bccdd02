//! What a read of a real Active Directory says about the end of things: the server's certificate, and the password of
//! the account that reads.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ad;
mod loopback;
mod site;

use ad::{Ad, BASE, READER, READER_NAME, READER_PASSWORD, person};
use seatsync::directory::Directory;
use seatsync::directory::ldap::{Ldap, LdapSettings, LdapUrl};
use seatsync::model::{Exchange, Expiry, Meter, Timestamp};
use site::Site;
use std::sync::{Arc, Mutex};

/// userAccountControl (MS-ADTS 2.2.16): an ordinary account, whose password ends as the domain's policy says.
const ORDINARY: &str = "512";
/// The end of every certificate of the lab.
const CERTIFICATE_END: &str = "2099-12-31T23:59:59Z";
const HOUR_S: i64 = 3_600;

/// A directory that binds by that name, and what its meter hears.
fn directory(ad: &Ad, bind_dn: &str) -> (Ldap, Arc<Mutex<Vec<Exchange>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let list = heard.clone();
    let settings = LdapSettings {
        ca_file: Some(ad.ca()),
        meter: Meter::new(move |exchange| list.lock().unwrap().push(*exchange)),
        ..LdapSettings::new(
            vec![LdapUrl::parse(&ad.url()).unwrap()],
            "OU=Zoo,DC=ad,DC=test",
            bind_dn,
            READER_PASSWORD.into(),
        )
    };
    (Ldap::new(settings), heard)
}

/// Sets the password's age to nothing, and how old it may become.
fn password_ends_after(ad: &Ad, hours: i64) {
    let reader = person(READER_NAME);
    ad.set(&reader, "userAccountControl", ORDINARY);
    // -1 is now (MS-ADTS 3.1.1.5.3.2); it is taken only after 0.
    ad.set(&reader, "pwdLastSet", "0");
    ad.set(&reader, "pwdLastSet", "-1");
    ad.set(BASE, "minPwdAge", "0");
    ad.set(BASE, "maxPwdAge", &format!("-{}", hours * HOUR_S * 10_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_knows_when_certificate_and_password_end() {
    let ad = Ad::start();
    let certificate = Expiry::certificate(ad.url(), CERTIFICATE_END.parse().unwrap());
    // The account of the lab has a password that never ends.
    let (mut endless, _) = directory(&ad, READER);
    assert_eq!(endless.expiries(), []);
    endless.read_whole().await.unwrap();
    assert_eq!(endless.expiries(), std::slice::from_ref(&certificate));

    let hours = 41 * 24;
    password_ends_after(&ad, hours);
    let by_name = format!("ADTEST\\{READER_NAME}");
    for bind_dn in [READER, &person(READER_NAME), &by_name] {
        let (mut directory, heard) = directory(&ad, bind_dn);
        directory.read_whole().await.unwrap();
        let [first, Expiry { kind, of, at }] = &directory.expiries()[..] else { panic!("{:?}", directory.expiries()) };
        assert_eq!((first, kind.as_str(), of.as_str()), (&certificate, "secret", bind_dn));
        let left = at.as_second() - Timestamp::now().as_second();
        assert!((hours - 1) * HOUR_S < left && left <= hours * HOUR_S, "{bind_dn}: {left} s");

        // It is not asked again with every read.
        let first_read = heard.lock().unwrap().len();
        directory.read_whole().await.unwrap();
        let second_read = heard.lock().unwrap().len() - first_read;
        assert!(second_read < first_read, "{bind_dn}: {first_read} exchanges, then {second_read}");
        assert_eq!(directory.expiries().len(), 2, "{bind_dn}: and not forgotten");
    }
}

#[test]
fn check_tells_how_long_the_password_is_good() {
    let ad = Ad::start();
    let site = Site::new(ad.directory(), &["App-Pro"], &["App-Plus"]);
    let check = site.check();
    assert!(check.stdout.contains("never expires"), "{check:#?}");
    password_ends_after(&ad, 41 * 24 + 1);
    let check = site.check();
    assert_eq!(check.code, 0, "{check:#?}");
    assert!(check.stdout.contains("expires in 41 days"), "{check:#?}");
    password_ends_after(&ad, 10 * 24 + 1);
    let check = site.check();
    let line = check.stdout.lines().find(|line| line.contains("expires in 10 days"));
    assert!(check.code == 1 && line.is_some_and(|line| line.starts_with("FAIL  password")), "{check:#?}");
}
