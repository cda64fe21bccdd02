#![allow(clippy::unwrap_used, clippy::panic)]

use super::records::base64;
use super::*;
use crate::model::{Group, Mailbox, Member, Person};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn settings() -> LdifSettings {
    LdifSettings {
        path: "people.ldif".into(),
        base_dn: None,
        email_attributes: vec!["mail".into()],
        details: Vec::new(),
    }
}

fn read(text: impl AsRef<[u8]>) -> Result<Reading, DirectoryError> {
    read_text(text.as_ref(), &settings())
}

/// The message of what must fail.
fn refusal(text: impl AsRef<[u8]>) -> String {
    read(text).map(|reading| panic!("read as {reading:?}")).unwrap_err().to_string()
}

const ADA: &str = "dn: CN=Ada,OU=People,DC=corp,DC=example
objectClass: top
objectClass: user
cn: Ada
sAMAccountName: ada
objectGUID:: S4oBAhEiM0QBAgMEBQYHCA==
objectSid:: AQIAAAAAAAUVAAAAAQIAAA==
primaryGroupID: 513
userAccountControl: 514
accountExpires: 133801632000000000
mail: ada@corp.example
";

fn one_person(text: &str) -> Person {
    let mut people = read(text).unwrap().people;
    assert_eq!(people.len(), 1);
    people.remove(0)
}

#[test]
fn names_are_read_where_somebody_wants_them() {
    let source = DetailSource { name: "displayName".into(), attributes: vec!["DisplayName".into(), "cn".into()] };
    let settings = LdifSettings { details: vec![source], ..settings() };
    let shown = |text: &str| {
        let reading = read_text(text.as_bytes(), &settings).unwrap();
        reading.people[0].details.as_ref().unwrap().values()[0].value.to_string()
    };
    assert_eq!(shown(ADA), "Ada");
    assert_eq!(shown(&format!("{ADA}displayName:: w4RkYSBMZWU=\n")), "\u{c4}da Lee");
    assert_eq!(one_person(ADA).details, None);
}

fn one_group(text: &str) -> Group {
    let mut groups = read(text).unwrap().groups;
    assert_eq!(groups.len(), 1);
    groups.remove(0)
}

#[test]
fn a_person_of_active_directory() {
    let ada = one_person(ADA);
    assert_eq!(ada.guid.to_string(), "02018a4b-2211-4433-0102-030405060708");
    assert_eq!(ada.account_name.as_deref(), Some("ada"));
    assert_eq!(ada.sid.unwrap().to_string(), "S-1-5-21-513");
    assert_eq!(ada.primary_group_rid, Some(513));
    assert!(ada.disabled);
    assert_eq!(ada.expires.unwrap().to_string(), "2025-01-01T00:00:00Z");
    assert_eq!(ada.mailbox.address().unwrap().as_str(), "ada@corp.example");
    assert_eq!(ada.dn.text(), "CN=Ada,OU=People,DC=corp,DC=example");
}

#[test]
fn the_same_entry_in_other_clothes() {
    let plain = one_person(ADA);
    let windows = format!("\u{feff}{}", ADA.replace('\n', "\r\n"));
    let folded = ADA.replace("CN=Ada,OU", "CN=\n Ada,O\n U").replace("ada@corp", "ada\n @\n corp");
    let commented = ADA.replace("cn: Ada\n", "# a comment\n  that goes on: here\ncn: Ada\n");
    let versioned = format!("# export\nversion: 1\n\n\n{ADA}\n\n\n");
    let version_above = format!("version: 1\n{ADA}");
    let ldifde = ADA.replace("objectClass: top", "changetype: add\nobjectClass: top");
    let encoded =
        ADA.replace("dn: CN=Ada,OU=People,DC=corp,DC=example", "dn:: Q049QWRhLE9VPVBlb3BsZSxEQz1jb3JwLERDPWV4YW1wbGU=");
    let other_case = ADA.replace("objectClass", "OBJECTCLASS").replace("mail:", "Mail;x-primary:");
    let no_line_end = ADA.trim_end().to_owned();
    let with_photo = ADA.replace("cn: Ada\n", "cn: Ada\njpegPhoto:: /9j/4A==\nuserPassword: s3cret\n");
    for text in
        [windows, folded, commented, versioned, version_above, ldifde, encoded, other_case, no_line_end, with_photo]
    {
        assert_eq!(one_person(&text), plain, "{text}");
    }
}

#[test]
fn people_of_other_directories() {
    let entry = |more: &str| format!("dn: uid=bo,ou=people,dc=x\nobjectClass: inetOrgPerson\nuid: bo\n{more}");
    let bo = one_person(&entry("entryUUID: 597ae2f6-16a6-1027-98f4-d28b5365dc14\nnsAccountLock: TRUE\n"));
    assert_eq!(bo.guid.to_string(), "597ae2f6-16a6-1027-98f4-d28b5365dc14");
    assert_eq!((bo.account_name.as_deref(), bo.disabled, &bo.mailbox), (Some("bo"), true, &Mailbox::Missing));
    assert!(one_person(&entry("pwdAccountLockedTime: 000001010000Z\n")).disabled);
    let unlocked = one_person(&entry("pwdAccountLockedTime: 20260101000000Z\nnsAccountLock: FALSE\n"));
    assert!(!unlocked.disabled);
    assert_eq!(unlocked.guid, ObjectGuid::from_name("uid=bo,ou=people,dc=x"), "made of the normalised name");
    let both = entry("objectGUID: 1234\nentryUUID: 597ae2f6-16a6-1027-98f4-d28b5365dc14\n");
    assert_eq!(one_person(&both).guid, bo.guid, "an objectGUID of another kind gives way to entryUUID");
}

#[test]
fn what_is_nobody_is_left_out() {
    let text = "dn: DC=x\nobjectClass: domainDNS\n
dn: CN=c,DC=x\nobjectClass: person\nobjectClass: contact\nmail: c@x.y\n
dn: CN=pc,DC=x\nobjectClass: user\nobjectClass: computer\nobjectCategory: CN=Computer,CN=Schema,DC=x\n
dn: CN=svc,DC=x\nobjectClass: user\nobjectClass: computer\nobjectClass: msDS-GroupManagedServiceAccount\n
dn:: Q049Z29uZVwwQURFTDoxLENOPURlbGV0ZWQgT2JqZWN0cyxEQz14\nobjectClass: user\nisDeleted: TRUE\n
dn:\nnamingContexts: DC=x\n";
    let reading = read(text).unwrap();
    assert!(reading.people.is_empty() && reading.groups.is_empty(), "{reading:?}");
}

#[test]
fn groups_of_all_kinds() {
    let dn = |text: &str| Member::Dn(DnKey::of(text));
    let ad = one_group(
        "dn: CN=Pro,DC=x\nobjectClass: group\ncn: Pro\nsAMAccountName: G-Pro\nobjectSid: S-1-5-21-7\nmember: CN=A,DC=x\nmember:: Q049QixEQz14\n",
    );
    assert_eq!(ad.members, [dn("cn=a,dc=x"), dn("cn=b,dc=x")]);
    assert_eq!((&*ad.name(), ad.account_name.as_deref(), ad.sid.is_some()), ("Pro", Some("G-Pro"), true));
    let unique =
        one_group("dn: cn=g,dc=x\nobjectClass: groupOfUniqueNames\nuniqueMember: cn=a,dc=x#'01'B\nuniqueMember:\n");
    assert_eq!(unique.members, [dn("cn=a,dc=x")]);
    let posix = one_group("dn: cn=g,dc=x\nobjectClass: posixGroup\nmemberUid: Ada\nmemberUid: uid=bo,dc=x\n");
    assert_eq!(posix.members, [Member::Uid("ada".into()), dn("uid=bo,dc=x")]);
    let empty = one_group("dn: cn=g,dc=x\nobjectClass: groupOfNames\ncn: g\ncn: second\n");
    assert_eq!((empty.members.len(), empty.common_names.len()), (0, 2));
}

fn ranged(lines: &str) -> String {
    format!("dn: CN=Big,DC=x\nobjectClass: group\n{lines}")
}

#[test]
fn ranges_count_only_when_they_are_whole() {
    let whole = "member;range=2-*: CN=c,DC=x\nmember;range=0-1: CN=a,DC=x\nmember;Range=0-1: CN=b,DC=x\n";
    assert_eq!(one_group(&ranged(whole)).members.len(), 3);
    assert_eq!(one_group(&ranged("member;range=0-*: CN=a,DC=x\n")).members.len(), 1);
    for (lines, what) in [
        ("member;range=0-1: CN=a,DC=x\nmember;range=0-1: CN=b,DC=x\n", "from 2 on"),
        ("member;range=1-*: CN=a,DC=x\n", "leave members out"),
        ("member;range=0-0: CN=a,DC=x\nmember;range=2-*: CN=c,DC=x\n", "leave members out"),
        ("member;range=0-1: CN=a,DC=x\nmember;range=2-*: CN=c,DC=x\n", "leave members out"),
        (
            "member;range=0-*: CN=a,DC=x\nmember;range=0-*: CN=b,DC=x\nmember;range=1-*: CN=c,DC=x\n",
            "leave members out",
        ),
        ("member;range=x-*: CN=a,DC=x\n", "that is none"),
        ("member;range=5-2: CN=a,DC=x\n", "that is none"),
        ("member;range=0-18446744073709551615: CN=a,DC=x\n", "that is none"),
    ] {
        let told = refusal(ranged(lines));
        assert!(told.contains(what), "{lines}\n{told}");
    }
}

#[test]
fn the_base_says_what_counts() {
    let text = format!("{ADA}\ndn: CN=Bo,DC=other\nobjectClass: user\n\ndn: CN=noclass,DC=other\ncn: noclass\n");
    let at = |base: &str| read_text(text.as_bytes(), &LdifSettings { base_dn: Some(base.into()), ..settings() });
    assert_eq!(at("dc=Corp, dc=example").unwrap().people.len(), 1);
    assert_eq!(at("CN=Ada,OU=People,DC=corp,DC=example").unwrap().people.len(), 1, "the base itself counts");
    let nowhere = at("DC=elsewhere").unwrap_err();
    assert!(matches!(nowhere, DirectoryError::Refused { .. }), "{nowhere}");
    assert!(nowhere.to_string().contains("dc=elsewhere"), "{nowhere}");
    assert!(at("elsewhere").unwrap_err().to_string().contains("no distinguished name"));
}

#[test]
fn what_ldapsearch_writes_around_entries_is_understood() {
    let text = format!(
        "# extended LDIF\n#\n# LDAPv3\n\n{ADA}\n# search reference\nref: ldap://ad.test/CN=Configuration,DC=corp,DC=example\n\n# search reference\nref: ldap://emea.ad.test/DC=emea,DC=corp,DC=example\n\n# search result\nsearch: 2\nresult: 0 Success\ncontrol: 1.2.840.113556.1.4.319 false MAUCAQAEAA==\n\n# numEntries: 1\n"
    );
    let reading = read(&text).unwrap();
    assert_eq!((reading.people.len(), reading.referrals), (1, 1));
    let told = refusal(text.replace("0 Success", "4 Size limit exceeded"));
    assert!(told.contains("4 Size limit exceeded") && told.contains("paging"), "{told}");
    assert!(refusal(format!("{ADA}\nsearch: 2\n")).contains("cut off"));
}

/// Every refusal names the file and the line, and says what to do.
#[test]
fn faults_name_their_line() {
    let person = |more: &str| format!("dn: CN=a,DC=x\nobjectClass: user\n{more}");
    for (text, line, what) in [
        (person("mail a@x.y\n"), 3, "without a colon"),
        (person("mail:: a@x.y\n"), 3, "not base64"),
        (person("jpegPhoto:< file:///etc/shadow\n"), 3, "in another file"),
        (person("changetype: modify\n"), 3, "file of changes"),
        ("dn: CN=a,DC=x\nchangetype: delete\n".into(), 2, "file of changes"),
        (person("control: 1.2.3 true\n"), 3, "file of changes"),
        ("dn: CN=a,DC=x\nadd: member\nmember: CN=b\n-\n".into(), 4, "file of changes"),
        (person("dn: CN=b,DC=x\n"), 3, "blank line between"),
        ("objectClass: user\n".into(), 1, "does not begin with `dn:`"),
        (format!("{}\n\nversion: 1\n", person("")), 5, "does not begin with `dn:`"),
        ("version: 2\n\ndn: DC=x\n".into(), 1, "version"),
        ("dn: Ada\nobjectClass: user\n".into(), 1, "no distinguished name"),
        ("dn:: /w==\nobjectClass: user\n".into(), 1, "not UTF-8"),
        ("dn: CN=a,DC=x\ncn: a\n".into(), 1, "without objectClass"),
        (person("userAccountControl: yes\n"), 3, "not a decimal number"),
        (person("userAccountControl: 512\nuserAccountControl: 514\n"), 4, "a second value"),
        (person("accountExpires: soon\n"), 3, "accountExpires"),
        (person("primaryGroupID: -7\n"), 3, "primaryGroupID"),
        (person("nsAccountLock: perhaps\n"), 3, "nsAccountLock"),
        (person("objectGUID:: AAAA\n"), 3, "identity"),
        (person("entryUUID: 7\n"), 3, "identity"),
        (person("objectSid: S-1\n"), 3, "objectSid"),
        (person("sAMAccountName:: /w==\n"), 3, "not UTF-8"),
        (ranged("member:: /w==\n"), 3, "not UTF-8"),
        (format!("{}\n{}", person(""), person("").replace("CN=a", "cn=A")), 4, "the first is at line 1"),
        (person(" \n x\n-- : y\n"), 5, "does not begin with an attribute name"),
    ] {
        let told = refusal(&text);
        let place = format!("people.ldif:{line}: ");
        assert!(told.starts_with(&place) && told.contains(what) && told.contains("; nothing"), "{text}\n{told}");
    }
    let twins = format!("{ADA}\n{}", ADA.replace("CN=Ada", "CN=Eva"));
    let told = refusal(twins);
    assert!(told.starts_with("people.ldif:13: ") && told.contains("identity") && told.contains("line 1"), "{told}");
}

#[test]
fn a_refusal_reads_well() {
    assert_eq!(
        refusal("dn: CN=a,DC=x\nobjectClass: user\nuserAccountControl: yes\n"),
        "people.ldif:3: userAccountControl \"yes\" is not a decimal number (`useraccountcontrol: yes`); nothing of the \
         file is used; correct the value, or export the file again"
    );
}

#[test]
fn secrets_are_not_shown() {
    for line in [
        "userPassword:: c3VwZXJzZWNyZXQ",
        "userPassword:< supersecret",
        "c3VwZXJzZWNyZXQ",
        " supersecret\nc3VwZXJzZWNyZXQ: x\n-",
    ] {
        let told = refusal(format!("dn: CN=a,DC=x\nobjectClass: user\nuserPassword: supersecret\n{line}\n"));
        assert!(!told.contains("supersecret") && !told.contains("c3VwZXJzZWNyZXQ"), "{told}");
    }
}

#[test]
fn nothing_is_not_an_empty_directory() {
    for text in ["", "\n\n", "version: 1\n", "# only a comment\n", "search: 2\nresult: 0 Success\n"] {
        assert!(refusal(text).contains("no entries"), "{text:?}");
    }
    for text in ["dn: CN=a,DC=x\n\ndn: CN=b,DC=x\n", "dn:\nnamingContexts: DC=x\n"] {
        assert!(refusal(text).contains("names only"), "{text:?}");
    }
    let partly = "dn: CN=unreadable,DC=x\n\ndn: CN=b,DC=x\nobjectClass: user\n";
    assert_eq!(read(partly).unwrap().people.len(), 1);
    assert!(refusal(b"\xff\xfed\0n\0:\0").contains("UTF-16"));
    let cut = refusal("dn: CN=a,DC=x\nobjectClass: user\nobjectGUID:: S4oBAhEiM0QBAgMEBQYHC");
    assert!(cut.contains("ends inside") && cut.contains("cut off"), "{cut}");
    assert!(refusal("dn: CN=a,DC=x\nobjectClass: user\nmail:: !\n").contains("damaged"));
}

#[test]
fn a_line_has_an_end() {
    /// One letter, for ever.
    struct Endless;
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            buffer.fill(b'a');
            Ok(buffer.len())
        }
    }
    let told = read_text(BufReader::new(Endless), &settings()).unwrap_err().to_string();
    assert!(told.starts_with("people.ldif:1: a line longer than"), "{told}");
}

#[tokio::test]
async fn files_that_cannot_be_read_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let read_path = async |path: &Path| Ldif::new(LdifSettings { path: path.into(), ..settings() }).read_whole().await;
    let missing = read_path(&folder.path().join("none.ldif")).await.unwrap_err();
    assert!(matches!(&missing, DirectoryError::Unavailable { message } if message.contains("none.ldif")), "{missing}");
    let not_a_file = read_path(folder.path()).await.unwrap_err();
    assert!(matches!(not_a_file, DirectoryError::Refused { .. }), "{not_a_file}");
    let path = folder.path().join("ada.ldif");
    std::fs::write(&path, ADA).unwrap();
    assert_eq!(read_path(&path).await.unwrap().people.len(), 1);
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(FILE_BYTES_MAX + 1).unwrap();
    let too_large = read_path(&path).await.unwrap_err();
    assert!(too_large.to_string().contains("larger than"), "{too_large}");
}

const QUICKSTART: &str = include_str!("../../../config/quickstart.ldif");

#[test]
fn the_quickstart_company_is_as_its_heading_says() {
    let reading = read(QUICKSTART).unwrap();
    assert_eq!((reading.people.len(), reading.groups.len(), reading.referrals), (41, 7, 0));
    let person =
        |name: &str| reading.people.iter().find(|person| person.account_name.as_deref() == Some(name)).unwrap();
    let group = |name: &str| reading.groups.iter().find(|group| group.name() == name).unwrap();
    let sizes = ["Chime Pro", "Chime Plus", "Engineering", "Platform", "Warehouse", "Chime Blocked", "Domain Users"]
        .map(|name| group(name).members.len());
    assert_eq!(sizes, [6, 15, 8, 4, 4, 1, 0]);
    let listed = |group_name: &str, name: &str| group(group_name).members.contains(&Member::Dn(person(name).dn.key()));
    assert!(listed("Chime Pro", "ada") && listed("Chime Plus", "ada") && listed("Chime Pro", "zoe"));
    assert!(listed("Chime Pro", "chidi"), "the comma in the name");
    assert!(group("Engineering").members.contains(&Member::Dn(group("Platform").dn.key())));
    let disabled: Vec<_> = reading.people.iter().filter(|person| person.disabled).map(Person::label).collect();
    assert_eq!(disabled, ["xenia", "mona"]);
    let expiring: Vec<_> = reading
        .people
        .iter()
        .filter_map(|person| Some((person.label().into_owned(), person.expires?.to_string())))
        .collect();
    assert_eq!(expiring, [("leo".to_owned(), "2025-06-30T22:00:00Z".to_owned())]);
    assert_eq!(person("yusuf").mailbox, Mailbox::Missing);
    assert_eq!(person("zelda").mailbox.address().unwrap().domain(), "freelance.example");
    let enzo = person("enzo");
    assert_eq!(enzo.sid.as_ref().unwrap().sibling(enzo.primary_group_rid.unwrap()), group("Warehouse").sid);
    // Every member line names an entry of the file: a person, a group, or the one contact.
    let names: BTreeSet<_> = reading
        .people
        .iter()
        .map(|person| person.dn.key())
        .chain(reading.groups.iter().map(|group| group.dn.key()))
        .collect();
    let nobody: Vec<_> = reading
        .groups
        .iter()
        .flat_map(|group| &group.members)
        .filter(|member| !matches!(member, Member::Dn(key) if names.contains(key)))
        .collect();
    assert_eq!(nobody, [&Member::Dn(DnKey::of("CN=Courier Service,OU=People,DC=corner,DC=example"))]);
}

#[test]
fn the_shipped_configurations_are_toml() {
    let tables = |text: &str| toml::from_str::<toml::Table>(text).unwrap();
    let quickstart = tables(include_str!("../../../config/quickstart.toml"));
    assert_eq!(quickstart["directory"]["path"].as_str(), Some("quickstart.ldif"));
    let starter = tables(include_str!("../../../config/seatsync.toml"));
    assert_eq!(starter["tier"].as_array().map(Vec::len), Some(2));
}

fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().chain([&0, &0]).take(3).fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            out.push(if place > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

proptest! {
    #[test]
    fn base64_comes_back(bytes in any::<Vec<u8>>()) {
        prop_assert_eq!(base64(encode(&bytes).as_bytes()), Some(bytes));
    }

    #[test]
    fn no_bytes_panic(bytes in any::<Vec<u8>>(), text in "((dn|cn|member|ref|result|-|#|v)[:;< =]{1,2}[a-z=,0-9*]{0,6}\r?\n ?){0,12}") {
        for bytes in [bytes, text.into_bytes()] {
            if let Err(refused) = read(&bytes) {
                prop_assert!(refused.to_string().starts_with("people.ldif"), "{}", refused);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    /// However an export is folded and encoded, it is read alike;
    #[test]
    fn folds_and_encodings_do_not_matter(width in 5_usize..60, encoded in any::<u64>()) {
        let mut text = Vec::new();
        for (index, line) in QUICKSTART.lines().enumerate() {
            let plain = line.split_once(": ").filter(|_| !line.starts_with(['#', ' ']) && !line.contains(":: ") && encoded >> (index % 64) & 1 == 1);
            let line = plain.map_or_else(|| line.to_owned(), |(name, value)| format!("{name}:: {}", encode(value.as_bytes())));
            for (part, letters) in line.as_bytes().chunks(width).enumerate() {
                text.extend_from_slice(if part > 0 { b"\n " } else { b"" });
                text.extend_from_slice(letters);
            }
            text.push(b'\n');
        }
        let (expected, actual) = (read(QUICKSTART).unwrap(), read(&text).unwrap());
        prop_assert_eq!(actual.people, expected.people);
        prop_assert_eq!(actual.groups, expected.groups);
    }

    /// Only the last entry of a cut file may have lost its identity line, a part of its name, or
    /// the class that says it is nobody.
    #[test]
    fn a_cut_file_makes_no_strangers(cut in 0..QUICKSTART.len()) {
        prop_assume!(QUICKSTART.is_char_boundary(cut));
        let whole = read(QUICKSTART).unwrap();
        if let Ok(part) = read(&QUICKSTART[..cut]) {
            let known = |guid| whole.people.iter().any(|person| person.guid == guid);
            let strangers = part.people.iter().filter(|person| !known(person.guid)).count();
            prop_assert!(strangers <= 1);
        }
    }
}
