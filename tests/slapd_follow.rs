//! Following what changes in a real OpenLDAP, which tells it to its replicas: each kind of change alone, and all at random.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod following;
mod ldif;
mod loopback;
mod openldap;

use following::{Came, Follower, counts};
use openldap::{BASE, PEOPLE_AND_GROUPS, READER, READER_PASSWORD, Slapd};
use seatsync::directory::ldap::{LdapSettings, LdapUrl};
use seatsync::model::{Delta, DetailSource};

/// What makes a slapd tell what changes, and remember what was deleted.
const PROVIDER: &str = "moduleload syncprov\nindex entryCSN,entryUUID eq\noverlay syncprov\nsyncprov-sessionlog 1000";
/// The same without a memory.
const FORGETFUL: &str = "moduleload syncprov\nindex entryCSN,entryUUID eq\noverlay syncprov";
/// What makes it work out members.
const DYNAMIC: &str = "moduleload dynlist\noverlay dynlist";
/// People are read below this.
const PEOPLE: &str = "ou=people,dc=corp,dc=test";
const GROUPS: &str = "ou=groups,dc=corp,dc=test";

/// Names, which are read of people for an account store that shows them.
fn names() -> Vec<DetailSource> {
    let source = |name: &str, attributes: &[&str]| DetailSource {
        name: name.into(),
        attributes: attributes.iter().map(|attribute| (*attribute).to_owned()).collect(),
    };
    vec![source("displayName", &["displayName", "cn"]), source("title", &["title"])]
}

fn settings(slapd: &Slapd) -> LdapSettings {
    LdapSettings {
        allow_cleartext: true,
        details: names(),
        ..LdapSettings::new(vec![LdapUrl::parse(&slapd.url()).unwrap()], BASE, READER, READER_PASSWORD.into())
    }
}

fn followed() -> (Slapd, Follower) {
    let slapd = Slapd::with(PROVIDER);
    let follower = Follower::start(settings(&slapd));
    (slapd, follower)
}

fn person(name: &str) -> String {
    format!("uid={name},{PEOPLE}")
}

fn added(name: &str) -> String {
    let dn = person(name);
    format!(
        "dn: {dn}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: x\nmail: {name}@corp.test\n"
    )
}

fn modified(dn: &str, what: &str) -> String {
    format!("dn: {dn}\nchangetype: modify\n{what}\n")
}

fn deleted(dn: &str) -> String {
    format!("dn: {dn}\nchangetype: delete\n")
}

fn moved(dn: &str, rdn: &str, parent: &str) -> String {
    format!("dn: {dn}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 0\nnewsuperior: {parent}\n")
}

#[test]
fn nothing_changed_is_one_question_and_three_on_a_new_connection() {
    let (_slapd, mut follower) = followed();
    follower.assert_nothing_changed();
}

#[test]
fn people_are_followed_in_whatever_is_done_to_them() {
    let (slapd, mut follower) = followed();
    let one = [1, 0, 0, 0];
    slapd.modify(&added("gerda"));
    assert_eq!(counts(&follower.assert_followed("a new person")), one);
    slapd.modify(&modified(&person("gerda"), "delete: mail"));
    assert_eq!(counts(&follower.assert_followed("mail cleared")), one);
    slapd.modify(&modified(&person("gerda"), "add: mail\nmail: other@corp.test"));
    assert_eq!(counts(&follower.assert_followed("another mail")), one);
    slapd.modify(&moved(&person("gerda"), "cn=Gerda", GROUPS));
    assert_eq!(counts(&follower.assert_followed("renamed and moved")), one);
    slapd.modify(&deleted(&format!("cn=Gerda,{GROUPS}")));
    assert_eq!(counts(&follower.assert_followed("deleted")), [0, 0, 1, 0]);
    slapd.modify(&format!("{}\n{}\n{}", added("hanna"), deleted(&person("hanna")), added("hanna")));
    assert_eq!(counts(&follower.assert_followed("deleted, and another one of that name")), [1, 0, 1, 0]);
    assert_eq!(counts(&follower.assert_followed("nothing")), [0; 4]);
}

#[test]
fn groups_are_followed_in_whatever_is_done_to_them() {
    let (slapd, mut follower) = followed();
    let one = [0, 1, 0, 0];
    let by_name = format!("cn=by-name,{GROUPS}");
    slapd.modify(&modified(&by_name, &format!("add: member\nmember: {}", person("emma"))));
    assert_eq!(counts(&follower.assert_followed("a member more")), one);
    slapd.modify(&modified(&by_name, &format!("delete: member\nmember: {}", person("emma"))));
    assert_eq!(counts(&follower.assert_followed("a member less")), one);
    slapd.modify(&modified(&format!("cn=by-uid,{GROUPS}"), "replace: memberUid\nmemberUid: emma"));
    assert_eq!(counts(&follower.assert_followed("another member by uid")), one);
    let more = format!("add: uniqueMember\nuniqueMember: {}", person("emma"));
    slapd.modify(&modified(&format!("cn=by-unique-name,{GROUPS}"), &more));
    assert_eq!(counts(&follower.assert_followed("another unique member")), one);
    slapd.modify(&moved(&by_name, "cn=by-another-name", GROUPS));
    assert_eq!(counts(&follower.assert_followed("renamed")), one);
    slapd.modify(&deleted(&format!("cn=by-another-name,{GROUPS}")));
    assert_eq!(counts(&follower.assert_followed("deleted")), [0, 0, 1, 0]);
}

/// The server writes a new name into the groups by itself (overlay refint), and does not tell it as a change.
#[test]
fn somebody_who_is_renamed_stays_a_member() {
    let refint = "moduleload refint\noverlay refint\nrefint_attributes member uniqueMember";
    let slapd = Slapd::with(&format!("{PROVIDER}\n{refint}"));
    let mut follower = Follower::start(settings(&slapd));
    let join = format!("add: member\nmember: {}", person("emma"));
    slapd.modify(&modified(&format!("cn=by-name,{GROUPS}"), &join));
    follower.assert_followed("a member more");
    slapd.modify(&moved(&person("emma"), "uid=emily", PEOPLE));
    follower.assert_whole("a member renamed");
    slapd.modify(&modified(&person("emily"), "replace: mail\nmail: emily@corp.test"));
    assert_eq!(counts(&follower.assert_followed("her new address")), [1, 0, 0, 0]);
}

#[test]
fn who_leaves_the_base_is_hidden_and_who_comes_is_there() {
    let slapd = Slapd::with(PROVIDER);
    let mut follower = Follower::start(LdapSettings { base_dn: PEOPLE.to_owned(), ..settings(&slapd) });
    slapd.modify(&moved(&person("emma"), "uid=emma", GROUPS));
    assert_eq!(counts(&follower.assert_followed("moved out of the base")), [0, 0, 0, 1]);
    slapd.modify(&moved(&format!("uid=emma,{GROUPS}"), "uid=emma", PEOPLE));
    assert_eq!(counts(&follower.assert_followed("moved into the base")), [1, 0, 0, 0]);
}

#[test]
fn a_renamed_unit_makes_a_whole_read_and_an_empty_new_one_does_not() {
    let (slapd, mut follower) = followed();
    slapd.modify(&format!("dn: ou=new,{BASE}\nchangetype: add\nobjectClass: organizationalUnit\nou: new\n"));
    follower.assert_followed("a new unit");
    slapd.modify(&moved(PEOPLE, "ou=folk", BASE));
    follower.assert_whole("a renamed unit");
    assert_eq!(counts(&follower.assert_followed("nothing after the whole read")), [0; 4]);
}

#[test]
fn a_server_that_does_not_remember_what_was_deleted_is_read_whole_whenever_anything_changes() {
    let slapd = Slapd::with(FORGETFUL);
    let mut follower = Follower::start(settings(&slapd));
    for round in ["once", "again"] {
        assert_eq!(follower.read(), Came::Changed(Delta::default()));
        assert_eq!((follower.round_trips(), follower.connections()), (1, 0), "{round}");
        slapd.modify(&added(&format!("gerda-{round}")));
        follower.assert_whole("a new person");
        slapd.modify(&deleted(&person(&format!("gerda-{round}"))));
        follower.assert_whole("deleted");
    }
}

#[test]
fn a_restarted_server_has_forgotten_what_was_deleted_before() {
    let (mut slapd, mut follower) = followed();
    slapd.modify(&deleted(&person("emma")));
    slapd.stop();
    slapd.resume();
    follower.assert_whole("deleted, and a restart");
}

#[test]
fn a_server_that_tells_no_replicas_is_read_whole_each_time() {
    let slapd = Slapd::start();
    let mut follower = Follower::start(settings(&slapd));
    assert!(!follower.has_cursor());
    follower.assert_whole("nothing");
}

/// The overlay works a group's members out when it is read: the group is told of no change when one of them comes or goes.
#[test]
fn groups_with_computed_members_are_read_whole_each_time() {
    let slapd = Slapd::with(&format!("{DYNAMIC}\ndynlist-attrset labeledURIObject labeledURI member\n{PROVIDER}"));
    let mut follower = Follower::start(settings(&slapd));
    assert!(follower.has_cursor());
    let title = |name: &str, title: &str| modified(&person(name), &format!("replace: title\ntitle: {title}"));
    let url = format!("ldap:///{PEOPLE}??sub?(title=boss)");
    let dynamic = format!(
        "dn: cn=bosses,{GROUPS}\nchangetype: add\nobjectClass: groupOfNames\nobjectClass: labeledURIObject\n\
         cn: bosses\nmember: {}\nlabeledURI: {url}\n",
        person("anna")
    );
    slapd.modify(&dynamic);
    follower.assert_whole("a new group with computed members");
    assert!(!follower.has_cursor());
    let members = |follower: &Follower| {
        let (_, members) = follower.known.groups.values().find(|(group, _)| group.common_names == ["bosses"]).unwrap();
        members.len()
    };
    assert_eq!(members(&follower), 1);
    slapd.modify(&title("emma", "boss"));
    follower.assert_whole("a person who has come to fit");
    assert_eq!(members(&follower), 2);
    assert!(!Follower::start(settings(&slapd)).has_cursor());
}

/// Such a group may be none that is read, and fill one that is.
#[test]
fn a_group_with_computed_members_inside_another_makes_whole_reads_too() {
    let nested = "dynlist-attrset groupOfURLs memberURL member+memberOf@groupOfNames*";
    let slapd = Slapd::holding(
        PEOPLE_AND_GROUPS,
        "include /etc/ldap/schema/dyngroup.schema\n",
        &format!("{DYNAMIC}\n{nested}\n{PROVIDER}"),
    );
    let mut follower = Follower::start(settings(&slapd));
    assert!(follower.has_cursor());
    let bosses = format!("cn=bosses,{GROUPS}");
    let url = format!("ldap:///{PEOPLE}??sub?(title=boss)");
    slapd.modify(&format!("dn: {bosses}\nchangetype: add\nobjectClass: groupOfURLs\ncn: bosses\nmemberURL: {url}\n"));
    slapd.modify(&modified(&format!("cn=inner,{GROUPS}"), &format!("add: member\nmember: {bosses}")));
    follower.assert_whole("a new group with computed members");
    assert!(!follower.has_cursor());
    slapd.modify(&modified(&person("emma"), "replace: title\ntitle: boss"));
    follower.assert_whole("a person who has come to fit");
}

#[test]
fn a_user_filter_is_followed_but_not_one_about_what_is_computed() {
    let slapd = Slapd::with(PROVIDER);
    let filter = |text: &str| LdapSettings { user_filter: Some(text.to_owned()), ..settings(&slapd) };
    let mut follower = Follower::start(filter("(!(description=robot))"));
    slapd.modify(&modified(&person("emma"), "add: description\ndescription: robot"));
    assert_eq!(counts(&follower.assert_followed("somebody who does not pass any more")), [0, 0, 0, 1]);
    slapd.modify(&modified(&person("emma"), "delete: description"));
    assert_eq!(counts(&follower.assert_followed("somebody who passes again")), [1, 0, 0, 0]);
    for computed in ["(!(memberOf=cn=x))", "(ou:dn:=people)"] {
        assert!(!Follower::start(filter(computed)).has_cursor(), "{computed}");
    }
}

#[test]
fn cursors_that_the_server_does_not_know_make_whole_reads() {
    let (slapd, mut follower) = followed();
    let cookie = |text: &'static str| {
        move |cursor: &[u8]| {
            let known = String::from_utf8_lossy(cursor).into_owned();
            let (before, behind) = known.split_once("\"cookie\":").unwrap();
            let (_, behind) = behind.split_once(']').unwrap();
            format!("{before}\"cookie\":{:?}{behind}", text.as_bytes()).into_bytes()
        }
    };
    for text in [
        "",
        "garbage",
        "rid=000,csn=20200101000000.000000Z#000000#000#000000",
        "rid=000,csn=20990101000000.000000Z#000000#000#000000",
    ] {
        follower.twist_cursor(cookie(text));
        follower.assert_whole(text);
    }
    follower.reconfigure(LdapSettings { email_attributes: vec!["cn".to_owned()], ..settings(&slapd) });
    follower.assert_whole("other settings");
    assert_eq!(follower.read(), Came::Changed(Delta::default()));
}

/// The seed is printed; `SEATSYNC_SEED` repeats it.
#[test]
fn whatever_happens_following_and_reading_anew_know_the_same() {
    const STEPS: u64 = 150;
    let seed = std::env::var("SEATSYNC_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos().into()
    });
    println!("SEATSYNC_SEED={seed}");
    let (slapd, mut follower) = followed();
    let mut history = History { seed, drawn: 0, names: 0, people: Vec::new(), groups: Vec::new() };
    let mut followed = 0;
    for step in 0..STEPS {
        let changes: String = (0..=history.draw(4)).map(|_| history.change() + "\n").collect();
        slapd.modify(&changes);
        let came = follower.read_and_compare(&format!("step {step} of seed {seed}:\n{changes}"));
        let is_followed = matches!(came, Came::Changed(_));
        // Who is renamed may be a member by the old name.
        assert!(is_followed || changes.contains("changetype: modrdn"), "step {step} of seed {seed}:\n{changes}");
        followed += u64::from(is_followed);
    }
    println!("{STEPS} steps, {followed} followed");
    assert!(followed > STEPS / 2, "{followed}");
}

/// A random history of a few people and groups, as LDIF.
struct History {
    seed: u64,
    drawn: u64,
    names: u64,
    people: Vec<String>,
    groups: Vec<String>,
}

impl History {
    /// A number below `end` (splitmix64).
    fn draw(&mut self, end: u64) -> u64 {
        self.drawn += 1;
        let mut mixed = self.seed.wrapping_add(self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn change(&mut self) -> String {
        self.names += 1;
        let name = format!("new{}", self.names);
        if self.people.len() < 3 {
            self.people.push(person(&name));
            return added(&name);
        }
        let who = self.draw(self.people.len() as u64) as usize;
        let dn = self.people[who].clone();
        if self.groups.len() < 3 {
            self.groups.push(format!("cn={name},{GROUPS}"));
            return format!(
                "dn: cn={name},{GROUPS}\nchangetype: add\nobjectClass: groupOfNames\ncn: {name}\nmember: {dn}\n"
            );
        }
        let which = self.draw(self.groups.len() as u64) as usize;
        let group = self.groups[which].clone();
        let place = [PEOPLE, GROUPS][self.draw(2) as usize];
        match self.draw(11) {
            10 => modified(&dn, &format!("replace: title\ntitle: {name}")),
            0 => {
                self.people.push(person(&name));
                added(&name)
            }
            1 => deleted(&self.people.swap_remove(who)),
            2 => {
                self.people[who] = format!("uid={name},{place}");
                moved(&dn, &format!("uid={name}"), place)
            }
            3 => modified(&dn, &format!("replace: mail\nmail: {name}@corp.test")),
            4 => modified(&dn, "replace: mail"),
            5 => modified(&dn, &format!("replace: description\ndescription: {name}")),
            6 | 7 => modified(&group, &format!("replace: member\nmember: {dn}\nmember: {}", person(&name))),
            8 => {
                self.groups[which] = format!("cn={name},{place}");
                moved(&group, &format!("cn={name}"), place)
            }
            _ => deleted(&self.groups.swap_remove(which)),
        }
    }
}
