//! The directory of a large company as the messages of Active Directory that a read of it would bring, the same each time.

#![allow(dead_code)] // Shared by several benchmarks; none uses all of it.

use seatsync::directory::ldap::Sample;
use seatsync::model::{ObjectGuid, Reading};

const GROUPS: usize = 200;
/// Groups of a tenth of the people each, all in one group.
const LARGE_GROUPS: usize = 9;
const SMALL_GROUP: usize = 200;
/// Everything in a SID but its last number (MS-DTYP 2.4.2.2).
const DOMAIN_SID: [u8; 24] = [1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0];
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OCTETS: u8 = 0x04;

/// SearchResultEntry messages.
pub struct Messages {
    /// Each of a person.
    pub people: Vec<Vec<u8>>,
    /// Each of a group, with all of its members, given by identity: the one named `g009` has nine in ten people by nesting.
    pub groups: Vec<Vec<u8>>,
}

impl Messages {
    /// Of so many people.
    pub fn of(people: usize) -> Self {
        let groups = (0..GROUPS).map(|number| group(number, people)).collect();
        Self { people: (0..people).map(person).collect(), groups }
    }

    /// All of them decoded.
    pub fn reading(&self) -> Reading {
        let mut sample = Sample::default();
        let people = self.people.iter().filter_map(|message| sample.person(message).unwrap()).collect();
        let groups = self.groups.iter().map(|message| sample.group(message).unwrap()).collect();
        Reading { people, groups, referrals: 0 }
    }
}

/// The identity of a person.
pub fn person_guid(number: usize) -> ObjectGuid {
    ObjectGuid::from_name(&format!("u{number:07}"))
}

/// The address of a person.
pub fn address(number: usize) -> String {
    format!("givenname.surname{number:06}@corp.example")
}

fn person(number: usize) -> Vec<u8> {
    let name = format!("u{number:07}");
    let control = if number.is_multiple_of(50) { "514" } else { "512" };
    entry(
        &dn_of_person(number),
        &[
            ("objectGUID", vec![guid_bytes(&name)]),
            ("objectSid", vec![sid_bytes(100_000_000 + number)]),
            ("sAMAccountName", vec![name.clone().into_bytes()]),
            ("userAccountControl", vec![control.into()]),
            ("accountExpires", vec![b"9223372036854775807".to_vec()]),
            ("primaryGroupID", vec![b"513".to_vec()]),
            ("mail", vec![address(number).into_bytes()]),
        ],
    )
}

fn group(number: usize, people: usize) -> Vec<u8> {
    let (name, tenth) = (group_name(number), people / 10);
    let members: Vec<usize> = match number {
        0..LARGE_GROUPS => (number * tenth..(number + 1) * tenth).collect(),
        LARGE_GROUPS => Vec::new(),
        _ => (0..SMALL_GROUP).map(|place| (number * 97 + place * 31) % people).collect(),
    };
    let groups = match number {
        LARGE_GROUPS => (0..LARGE_GROUPS).collect(),
        _ if number > LARGE_GROUPS && !number.is_multiple_of(5) => vec![number - 1],
        _ => Vec::new(),
    };
    let people = members.into_iter().map(|member| extended(&format!("u{member:07}"), &dn_of_person(member)));
    let groups = groups.into_iter().map(|member| extended(&group_name(member), &dn_of_group(member)));
    entry(
        &dn_of_group(number),
        &[
            ("objectGUID", vec![guid_bytes(&name)]),
            ("objectSid", vec![sid_bytes(10_000 + number)]),
            ("sAMAccountName", vec![name.clone().into_bytes()]),
            ("cn", vec![name.into_bytes()]),
            ("member", people.chain(groups).collect()),
        ],
    )
}

fn group_name(number: usize) -> String {
    format!("g{number:03}")
}

fn dn_of_person(number: usize) -> String {
    const SITES: [&str; 8] = ["Berlin", "Boston", "Kyiv", "Lagos", "Lima", "Osaka", "Oslo", "Pune"];
    let site = SITES[number % SITES.len()];
    format!("CN=Surname{number:06}\\, Givenname,OU=Users,OU={site},DC=corp,DC=example,DC=com")
}

fn dn_of_group(number: usize) -> String {
    format!("CN={},OU=Groups,DC=corp,DC=example,DC=com", group_name(number))
}

/// As the extended DN control has names come (MS-ADTS 3.1.1.3.4.1.5).
fn extended(name: &str, dn: &str) -> Vec<u8> {
    format!("<GUID={}>;{dn}", ObjectGuid::from_name(name)).into_bytes()
}

/// As Active Directory writes it: the low byte of the first three parts first (MS-DTYP 2.3.4.2).
fn guid_bytes(name: &str) -> Vec<u8> {
    let text = ObjectGuid::from_name(name).to_string().replace('-', "");
    let bytes: Vec<u8> =
        (0..16).map(|place| u8::from_str_radix(&text[2 * place..2 * place + 2], 16).unwrap()).collect();
    [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map(|place| bytes[place]).to_vec()
}

fn sid_bytes(rid: usize) -> Vec<u8> {
    [&DOMAIN_SID[..], &u32::try_from(rid).unwrap().to_le_bytes()].concat()
}

fn entry(dn: &str, attributes: &[(&str, Vec<Vec<u8>>)]) -> Vec<u8> {
    let attribute = |(name, values): &(&str, Vec<Vec<u8>>)| {
        let values: Vec<u8> = values.iter().flat_map(|value| element(OCTETS, value)).collect();
        element(SEQUENCE, &[element(OCTETS, name.as_bytes()), element(SET, &values)].concat())
    };
    let attributes: Vec<u8> = attributes.iter().flat_map(attribute).collect();
    let body = [element(OCTETS, dn.as_bytes()), element(SEQUENCE, &attributes)].concat();
    // Message 7: an INTEGER, and a SearchResultEntry (RFC 4511 4.5.2).
    element(SEQUENCE, &[element(0x02, &[7]), element(0x64, &body)].concat())
}

/// In BER (X.690 8.1), lengths as servers write them.
fn element(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes = vec![tag];
    match u8::try_from(length) {
        Ok(short @ 0..0x80) => bytes.push(short),
        Ok(_) | Err(_) => {
            let digits: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|digit| *digit == 0).collect();
            bytes.push(0x80 | u8::try_from(digits.len()).unwrap());
            bytes.extend(digits);
        }
    }
    bytes.extend_from_slice(body);
    bytes
}
