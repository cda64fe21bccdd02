//! Following what changes in a real Active Directory: each kind of change alone, all of them at random, and what it costs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ad;
mod following;
mod loopback;
mod site;

use ad::{ADMINISTRATOR, ADMINISTRATOR_PASSWORD, Ad, BASE, READER, READER_PASSWORD, group, person};
use following::{Came, Follower, counts};
use seatsync::directory::ldap::{LdapSettings, LdapUrl};
use seatsync::model::{Delta, DetailSource, Member, MemberChange};
use std::time::{Duration, Instant};

/// An account that may replicate, and see what is deleted.
const FOLLOWER: &str = "svc-dirsync@ad.test";
/// People and groups are read below this.
const ZOO: &str = "OU=Zoo,DC=ad,DC=test";
/// A unit below the base.
const MOVED: &str = "OU=Moved,OU=Zoo,DC=ad,DC=test";
/// A container outside the base.
const OUTSIDE: &str = "CN=Users,DC=ad,DC=test";
/// Leaves most people out.
const NOT_BIG: &str = "(!(sAMAccountName=big*))";

/// Names, which are read of people for an account store that shows them.
fn names() -> Vec<DetailSource> {
    let source = |name: &str, attributes: &[&str]| DetailSource {
        name: name.into(),
        attributes: attributes.iter().map(|attribute| (*attribute).to_owned()).collect(),
    };
    vec![source("displayName", &["displayName", "cn"]), source("title", &["title"])]
}

fn settings(ad: &Ad, bind_dn: &str) -> LdapSettings {
    LdapSettings {
        ca_file: Some(ad.ca()),
        email_attributes: vec!["mail".to_owned(), "userPrincipalName".to_owned()],
        details: names(),
        ..LdapSettings::new(vec![LdapUrl::parse(&ad.url()).unwrap()], ZOO, bind_dn, READER_PASSWORD.into())
    }
}

/// Without the two thousand people who are in nothing but big groups: each step compares with a whole read.
fn followed() -> (Ad, Follower) {
    let ad = Ad::start();
    let follower = Follower::start(LdapSettings { user_filter: Some(NOT_BIG.to_owned()), ..settings(&ad, FOLLOWER) });
    (ad, follower)
}

#[test]
fn nothing_changed_is_one_question_and_three_on_a_new_connection() {
    let (_ad, mut follower) = followed();
    follower.assert_nothing_changed();
}

#[test]
fn people_are_followed_in_whatever_is_done_to_them() {
    let (ad, mut follower) = followed();
    let one = [1, 0, 0, 0];
    ad.add_user("fred");
    assert_eq!(counts(&follower.assert_followed("a new user")), one);
    ad.modify(&format!("dn: {}\nchangetype: modify\ndelete: mail\n", person("fred")));
    assert_eq!(counts(&follower.assert_followed("mail cleared")), one);
    ad.set_mail("fred", "other@ad.test");
    assert_eq!(counts(&follower.assert_followed("another mail")), one);
    ad.set(&person("fred"), "displayName", "Fred Smith");
    assert_eq!(counts(&follower.assert_followed("another display name")), one);
    ad.modify(&format!("dn: {}\nchangetype: modify\ndelete: displayName\n", person("fred")));
    assert_eq!(counts(&follower.assert_followed("no display name")), one);
    ad.set(&person("fred"), "description", "of no interest");
    assert_eq!(counts(&follower.assert_followed("something of no interest")), [0; 4]);
    ad.disable("fred");
    assert_eq!(counts(&follower.assert_followed("disabled")), one);
    ad.enable("fred");
    ad.expire("fred");
    assert_eq!(counts(&follower.assert_followed("expired")), one);
    ad.set(&person("fred"), "sAMAccountName", "frederic");
    assert_eq!(counts(&follower.assert_followed("another account name")), one);
    ad.rename(&person("fred"), "frieda");
    assert_eq!(counts(&follower.assert_followed("renamed")), one);
    ad.move_to(&person("frieda"), MOVED);
    assert_eq!(counts(&follower.assert_followed("moved within the base")), one);
    ad.move_to(&format!("CN=frieda,{MOVED}"), OUTSIDE);
    assert_eq!(counts(&follower.assert_followed("moved out of the base")), [0, 0, 0, 1]);
    ad.move_to(&format!("CN=frieda,{OUTSIDE}"), MOVED);
    assert_eq!(counts(&follower.assert_followed("moved into the base")), one);
    ad.delete(&format!("CN=frieda,{MOVED}"));
    assert_eq!(counts(&follower.assert_followed("deleted")), [0, 0, 1, 0]);
    assert_eq!(counts(&follower.assert_followed("nothing")), [0; 4]);
}

#[test]
fn members_are_followed_one_by_one_without_reading_the_others() {
    let (ad, mut follower) = followed();
    let some = |delta: &Delta| match &delta.groups[..] {
        [change] => match &change.members {
            MemberChange::Some { added, removed } => (added.len(), removed.len()),
            MemberChange::All(all) => panic!("all {} members were read", all.len()),
        },
        _ => panic!("{delta:?}"),
    };
    ad.add_to_group("App-Big", &["joiner"]);
    assert_eq!(some(&follower.assert_followed("a member more")), (1, 0));
    ad.remove_from_group("App-Big", &["joiner"]);
    // One who went is named in both ways in which a member may be known.
    assert_eq!(some(&follower.assert_followed("a member less")), (0, 2));
    ad.add_to_group("App-Big", &["joiner"]);
    ad.remove_from_group("App-Big", &["joiner"]);
    assert_eq!(some(&follower.assert_followed("came and went between two reads")), (0, 2));
    ad.remove_from_group("App-Plus", &["bob"]);
    ad.add_to_group("App-Plus", &["bob"]);
    assert_eq!(some(&follower.assert_followed("went and came between two reads")), (1, 0));
    ad.set(&group("App-Plus"), "sAMAccountName", "App-Plus-New");
    ad.add_to_group("App-Plus", &["joiner"]);
    assert_eq!(some(&follower.assert_followed("another account name and a member more")), (1, 0));
    ad.empty_group("App-Plus");
    follower.assert_followed("emptied");
}

#[test]
fn groups_are_followed_in_whatever_is_done_to_them() {
    let (ad, mut follower) = followed();
    ad.add_group("Fresh", &["alice", "bob"]);
    assert_eq!(counts(&follower.assert_followed("a new group")), [0, 1, 0, 0]);
    ad.rename_group("Fresh", "Fresher");
    ad.add_to_group("Fresher", &["joiner"]);
    assert_eq!(counts(&follower.assert_followed("renamed, and a member more")), [0, 1, 0, 0]);
    ad.modify(&format!("dn: {}\nchangetype: modify\nadd: member\nmember: {}\n", group("App-Plus"), group("Fresher")));
    assert_eq!(counts(&follower.assert_followed("nested")), [0, 1, 0, 0]);
    ad.move_to(&group("Fresher"), OUTSIDE);
    assert_eq!(counts(&follower.assert_followed("moved out of the base")), [0, 0, 0, 1]);
    ad.modify(&format!("dn: CN=Fresher,{OUTSIDE}\nchangetype: modify\ndelete: member\nmember: {}\n", person("bob")));
    follower.assert_followed("changed outside the base");
    ad.move_to(&format!("CN=Fresher,{OUTSIDE}"), MOVED);
    assert_eq!(counts(&follower.assert_followed("moved into the base")), [0, 1, 0, 0]);
    ad.delete(&format!("CN=Fresher,{MOVED}"));
    assert_eq!(counts(&follower.assert_followed("deleted")), [0, 0, 1, 0]);
}

/// What stands for a member of another domain can be seen by an administrator only, once it is deleted.
#[test]
fn members_of_other_domains_are_followed() {
    let ad = Ad::start();
    let mut follower =
        Follower::start(LdapSettings { bind_password: ADMINISTRATOR_PASSWORD.into(), ..settings(&ad, ADMINISTRATOR) });
    let (domain_local, stranger) = (group("App-DomainLocal"), "S-1-5-21-1-2-3-4567");
    ad.modify(&format!("dn: {domain_local}\nchangetype: modify\nadd: member\nmember: <SID={stranger}>\n"));
    let delta = follower.assert_followed("a member of another domain");
    let MemberChange::Some { added, .. } = &delta.groups[0].members else { panic!("{delta:?}") };
    assert!(matches!(added[..], [Member::Foreign(_)]), "{added:?}");
    ad.modify(&format!("dn: {domain_local}\nchangetype: modify\ndelete: member\nmember: <SID={stranger}>\n"));
    follower.assert_followed("it went");
    ad.modify(&format!("dn: {domain_local}\nchangetype: modify\nadd: member\nmember: <SID={stranger}>\n"));
    follower.assert_followed("it came again");
    ad.delete(&format!("CN={stranger},CN=ForeignSecurityPrincipals,{BASE}"));
    let delta = follower.assert_followed("it is deleted");
    assert_eq!(counts(&delta), [0, 0, 1, 0]);
}

#[test]
fn who_is_deleted_drops_out_of_groups_of_which_nothing_is_told() {
    let (ad, mut follower) = followed();
    let bob = follower.known.people.values().find(|one| one.account_name.as_deref() == Some("bob")).unwrap().guid;
    ad.delete(&person("bob"));
    let delta = follower.assert_followed("a member is deleted");
    assert_eq!((counts(&delta), delta.gone[0]), ([0, 0, 1, 0], bob));
    assert!(follower.known.groups.values().all(|(_, members)| !members.contains(&Member::Guid(bob))));
}

#[test]
fn another_primary_group_changes_a_person_and_two_groups() {
    let (ad, mut follower) = followed();
    let sid = follower.known.groups.values().find(|(one, _)| one.account_name.as_deref() == Some("App-Pro")).unwrap();
    let rid = sid.0.sid.as_ref().unwrap().to_string().rsplit('-').next().unwrap().to_owned();
    ad.set(&person("alice"), "primaryGroupID", &rid);
    follower.assert_followed("another primary group");
    ad.set(&person("alice"), "primaryGroupID", "513");
    follower.assert_followed("the old primary group");
}

#[test]
fn a_renamed_or_moved_unit_and_an_undeletion_make_a_whole_read() {
    let (ad, mut follower) = followed();
    ad.modify(&format!("dn: OU=New,{ZOO}\nchangetype: add\nobjectClass: organizationalUnit\n"));
    assert_eq!(counts(&follower.assert_followed("a new unit")), [0; 4]);
    ad.move_to(&person("alice"), &format!("OU=New,{ZOO}"));
    assert_eq!(counts(&follower.assert_followed("moved into the new unit")), [1, 0, 0, 0]);
    ad.modify(&format!("dn: OU=New,{ZOO}\nchangetype: modrdn\nnewrdn: OU=Newer\ndeleteoldrdn: 1\n"));
    follower.assert_whole("a renamed unit");
    assert_eq!(counts(&follower.assert_followed("nothing after the whole read")), [0; 4]);
    ad.move_to(&format!("OU=Newer,{ZOO}"), BASE);
    follower.assert_whole("a unit moved out of the base");
    ad.delete(&person("bob"));
    follower.assert_followed("deleted");
    ad.undelete("bob", &person("bob"));
    follower.assert_whole("an undeletion");
}

#[test]
fn an_account_that_does_not_see_what_is_deleted_reads_everything_whenever_anything_changes() {
    let ad = Ad::start();
    let mut follower = Follower::start(settings(&ad, READER));
    assert_eq!(follower.read(), Came::Changed(Delta::default()));
    assert_eq!((follower.round_trips(), follower.connections()), (1, 0));
    ad.delete(&person("bob"));
    follower.assert_whole("deleted");
    assert_eq!(follower.read(), Came::Changed(Delta::default()));
    ad.add_user("fred");
    follower.assert_whole("a new user");
}

/// It tells of other domains too, of which DirSync says nothing.
#[test]
fn a_global_catalog_is_read_whole_whenever_anything_changes() {
    let ad = Ad::start();
    let url = LdapUrl::parse(&format!("{}:3269", ad.url())).unwrap();
    let mut follower = Follower::start(LdapSettings { urls: vec![url], ..settings(&ad, FOLLOWER) });
    assert_eq!(follower.read(), Came::Changed(Delta::default()));
    assert_eq!((follower.round_trips(), follower.connections()), (1, 0));
    ad.add_user("fred");
    follower.assert_whole("a new user");
}

#[test]
fn a_user_filter_is_followed_by_the_attributes_it_names() {
    let ad = Ad::start();
    let filter = Some("(!(description=robot))".to_owned());
    let mut follower = Follower::start(LdapSettings { user_filter: filter, ..settings(&ad, FOLLOWER) });
    ad.set(&person("bob"), "description", "robot");
    assert_eq!(counts(&follower.assert_followed("somebody who does not pass any more")), [0, 0, 0, 1]);
    ad.set(&person("bob"), "description", "human");
    assert_eq!(counts(&follower.assert_followed("somebody who passes again")), [1, 0, 0, 0]);
}

#[test]
fn a_user_filter_about_memberships_makes_whole_reads() {
    let ad = Ad::start();
    let filter = Some(format!("(memberOf={})", group("App-Plus")));
    let mut follower = Follower::start(LdapSettings { user_filter: filter, ..settings(&ad, FOLLOWER) });
    ad.add_to_group("App-Plus", &["joiner"]);
    follower.assert_whole("somebody who passes from now on");
}

/// What has come into sight by it, or gone out of it, nobody tells.
#[test]
fn who_may_read_has_changed_and_all_is_read() {
    let (ad, mut follower) = followed();
    ad.move_to(&person("joiner"), MOVED);
    follower.assert_followed("moved within the base");
    ad.deny_reading_descriptions(MOVED);
    follower.assert_whole("a right taken away");
    follower.assert_nothing_changed();
}

#[test]
fn cursors_of_other_servers_settings_and_none_at_all_make_whole_reads() {
    let (ad, mut follower) = followed();
    follower.twist_cursor(|_| b"garbage".to_vec());
    follower.assert_whole("no cursor of ours");
    follower
        .twist_cursor(|cursor| String::from_utf8_lossy(cursor).replace("CN=NTDS Settings", "CN=Other").into_bytes());
    follower.assert_whole("another domain controller");
    follower.twist_cursor(|cursor| {
        let text = String::from_utf8_lossy(cursor).into_owned();
        let (before, behind) = text.split_once("\"cookie\":[").unwrap();
        format!("{before}\"cookie\":[9,9,9,{behind}").into_bytes()
    });
    follower.assert_whole("a cookie that the server does not know");
    follower.twist_cursor(|cursor| {
        let text = String::from_utf8_lossy(cursor).into_owned();
        let (before, behind) = text.split_once("\"usn\":").unwrap();
        format!("{before}\"usn\":9{behind}").into_bytes()
    });
    follower.assert_whole("a server that has been set back");
    assert_eq!(follower.read(), Came::Changed(Delta::default()));
    follower.reconfigure(settings(&ad, FOLLOWER));
    follower.assert_whole("other settings");
}

#[test]
fn a_restarted_server_is_followed_on() {
    let (mut ad, mut follower) = followed();
    ad.add_to_group("App-Plus", &["joiner"]);
    ad.stop();
    ad.resume();
    assert_eq!(counts(&follower.assert_followed("a member more, and a restart")), [0, 1, 0, 0]);
}

/// To a state between two reads: DirSync would tell nothing until the server is as far as it was.
#[test]
fn a_server_that_was_set_back_is_read_whole() {
    let (mut ad, mut follower) = followed();
    ad.stop();
    ad.keep();
    ad.resume();
    ad.add_user("fred");
    assert_eq!(counts(&follower.assert_followed("a new user")), [1, 0, 0, 0]);
    ad.stop();
    ad.set_back();
    ad.resume();
    follower.assert_whole("a server that was set back");
}

/// Everything that is done to people, groups and units, at random, a few changes between one read and the next. The seed is
/// printed; `SEATSYNC_SEED` repeats it.
#[test]
fn whatever_happens_following_and_reading_anew_know_the_same() {
    let seed = std::env::var("SEATSYNC_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos().into()
    });
    println!("SEATSYNC_SEED={seed}");
    let (ad, mut follower) = followed();
    let mut history = History::new(seed);
    let (began, mut followed, mut steps) = (Instant::now(), 0, 0);
    while steps < STEPS_MIN || began.elapsed() < HISTORY_TIME {
        let changes = history.some_changes();
        ad.modify_what_can_be(&changes);
        let came = follower.read_and_compare(&format!("step {steps} of seed {seed}:\n{changes}"));
        followed += usize::from(matches!(came, Came::Changed(_)));
        steps += 1;
    }
    println!("{steps} steps, {followed} followed");
    assert!(followed * 2 > steps, "only {followed} of {steps} steps were followed");
}

/// How long the history is, at least in steps, and in time.
const STEPS_MIN: usize = 15;
const HISTORY_TIME: Duration = Duration::from_secs(15);
/// Changes between one read and the next.
const CHANGES_A_STEP: u64 = 5;

/// A random history of a few people and groups, as LDIF. Where its idea of them is wrong, the server refuses a change.
struct History {
    seed: u64,
    drawn: u64,
    names: u64,
    people: Vec<String>,
    groups: Vec<String>,
    unit: String,
}

impl History {
    fn new(seed: u64) -> Self {
        let people = ["alice", "bob", "both", "joiner", "mover", "renamer", "leaver"].map(person).to_vec();
        let groups = ["App-Pro", "App-Plus", "App-Nested", "App-Empty", "App-Big"].map(group).to_vec();
        Self { seed, drawn: 0, names: 0, people, groups, unit: MOVED.to_owned() }
    }

    /// A number below `end` (splitmix64).
    fn draw(&mut self, end: u64) -> u64 {
        self.drawn += 1;
        let mut mixed = self.seed.wrapping_add(self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn some_changes(&mut self) -> String {
        (0..=self.draw(CHANGES_A_STEP)).map(|_| self.change() + "\n").collect()
    }

    fn one_of(&mut self, list: &[String]) -> usize {
        self.draw(list.len() as u64) as usize
    }

    fn new_name(&mut self) -> String {
        self.names += 1;
        format!("new{}", self.names)
    }

    fn modified(dn: &str, what: &str) -> String {
        format!("dn: {dn}\nchangetype: modify\n{what}\n")
    }

    /// Another name below some parent; gives the new DN and the record.
    fn moved(&mut self, dn: &str, kind: &str) -> (String, String) {
        let (rdn, parent) = dn.split_once(',').unwrap();
        let places = [person(""), group(""), self.unit.clone(), OUTSIDE.to_owned()];
        let place = match self.draw(3) {
            0 => parent.to_owned(),
            _ => {
                let place = &places[self.draw(4) as usize];
                place.strip_prefix("CN=,").unwrap_or(place).to_owned()
            }
        };
        let rdn = if self.draw(2) == 0 { rdn.to_owned() } else { format!("CN={kind} {}", self.new_name()) };
        let record = format!("dn: {dn}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1\nnewsuperior: {place}\n");
        (format!("{rdn},{place}"), record)
    }

    fn change(&mut self) -> String {
        let (people, groups) = (self.people.clone(), self.groups.clone());
        let (who, which) = (self.one_of(&people), self.one_of(&groups));
        let (dn, group_dn) = (&people[who], &groups[which]);
        match self.draw(25) {
            24 => Self::modified(dn, &format!("replace: title\ntitle: {}", self.new_name())),
            0 | 1 => {
                let name = self.new_name();
                self.people.push(person(&name));
                format!(
                    "dn: {}\nchangetype: add\nobjectClass: user\nsAMAccountName: {name}\nuserAccountControl: 544\n\
                     mail: {name}@ad.test\n",
                    person(&name)
                )
            }
            2 if people.len() > 3 => format!("dn: {}\nchangetype: delete\n", self.people.swap_remove(who)),
            3 | 4 => {
                let (moved, record) = self.moved(dn, "person");
                self.people[who] = moved;
                record
            }
            5 => Self::modified(dn, &format!("replace: mail\nmail: {}@ad.test", self.new_name())),
            6 => Self::modified(dn, "replace: mail"),
            7 => Self::modified(dn, "replace: userAccountControl\nuserAccountControl: 546"),
            8 => Self::modified(dn, "replace: userAccountControl\nuserAccountControl: 544"),
            9 => Self::modified(dn, &format!("replace: sAMAccountName\nsAMAccountName: {}", self.new_name())),
            10 => Self::modified(dn, "replace: description\ndescription: of no interest"),
            11..=14 => Self::modified(group_dn, &format!("add: member\nmember: {dn}")),
            15 | 16 => Self::modified(group_dn, &format!("delete: member\nmember: {dn}")),
            17 => {
                let other = self.one_of(&groups);
                Self::modified(group_dn, &format!("add: member\nmember: {}", groups[other]))
            }
            18 => Self::modified(group_dn, &format!("replace: member\nmember: {dn}")),
            19 | 20 => {
                let name = self.new_name();
                self.groups.push(group(&name));
                let record = "changetype: add\nobjectClass: group\nsAMAccountName";
                format!("dn: {}\n{record}: {name}\nmember: {dn}\n", group(&name))
            }
            21 if groups.len() > 3 => format!("dn: {}\nchangetype: delete\n", self.groups.swap_remove(which)),
            22 => {
                let (moved, record) = self.moved(group_dn, "group");
                self.groups[which] = moved;
                record
            }
            23 if self.draw(3) == 0 => {
                let (old, name) = (self.unit.clone(), self.new_name());
                self.unit = format!("OU={name},{ZOO}");
                let now = self.unit.clone();
                for known in self.people.iter_mut().chain(&mut self.groups) {
                    *known = known.replace(&old, &now);
                }
                format!("dn: {old}\nchangetype: modrdn\nnewrdn: OU={name}\ndeleteoldrdn: 1\n")
            }
            _ => Self::modified(group_dn, &format!("replace: sAMAccountName\nsAMAccountName: {}", self.new_name())),
        }
    }
}
