//! How mapped groups are found in a real Active Directory, and what is said of members that are nobody here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ad;
mod loopback;
mod site;

use ad::Ad;
use seatsync::directory::Directory;
use seatsync::directory::ldap::{Ldap, LdapSettings, LdapUrl};
use seatsync::model::Group;
use site::Site;

/// The group whose DN needs every kind of escape, read by our own reader.
fn escaped_group(ad: &Ad) -> Group {
    let directory = ad.directory();
    let settings = LdapSettings {
        ca_file: directory.ca_file,
        ..LdapSettings::new(
            vec![LdapUrl::parse(&directory.urls[0]).unwrap()],
            &directory.base_dn,
            &directory.bind_dn,
            directory.password.into(),
        )
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let reading = runtime.block_on(Ldap::new(settings).read_whole()).unwrap();
    reading.groups.into_iter().find(|group| group.account_name.as_deref() == Some("App-Esc")).unwrap()
}

#[test]
fn a_group_is_found_by_dn_account_name_cn_guid_and_sid_and_followed_by_guid() {
    let ad = Ad::start();
    let group = escaped_group(&ad);
    let (guid, sid) = (group.guid.to_string(), group.sid.clone().unwrap().to_string());
    let dn = group.dn.to_string();
    let shouted = dn.to_uppercase();
    let mut site = Site::new(ad.directory(), &["App-Plus"], &[]);
    for reference in
        [dn.as_str(), &shouted, "App-Esc", "app-esc", "App, \"Esc\" #1 <x>", &guid, &format!("{{{guid}}}"), &sid]
    {
        site.tiers = vec![("pro".to_owned(), vec![reference.to_owned()])];
        let plan = site.plan();
        assert_eq!(plan.changes_in_words(), ["create alice@ad.test planned"], "{reference}");
        plan.assert_no_warning("group_missing");
    }
    // Found by cn, remembered by GUID: another name changes nothing but a warning.
    site.tiers = vec![("pro".to_owned(), vec!["App, \"Esc\" #1 <x>".to_owned()])];
    site.sync_and_settle();
    ad.rename(&dn, "Renamed App");
    let run = site.sync_and_settle();
    run.assert_warns("group_renamed", &["Renamed App"]);
    site.assert_seats(&[("alice@ad.test", "pro")]);
}

#[test]
fn members_of_other_domains_are_counted_and_never_fatal() {
    let ad = Ad::start();
    let site = Site::new(ad.directory(), &[], &["App-DomainLocal"]);
    let run = site.sync_and_settle();
    run.assert_warns("foreign_members", &["App-DomainLocal", "2"]);
    site.assert_seats(&[("bob@ad.test", "plus")]);
}

#[test]
fn a_user_filter_leaves_people_out() {
    let ad = Ad::start();
    let mut site = Site::new(ad.directory(), &[], &["App-Plus"]);
    site.directory.more = "user_filter = '(!(sAMAccountName=bob))'\n".to_owned();
    site.sync_and_settle();
    site.assert_seats(&[("bob@ad.test", "none"), ("both@ad.test", "plus")]);
}
