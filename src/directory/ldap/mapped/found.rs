//! What look-ups have brought so far: people and groups as a whole read gives them, and who is in which group.

use super::super::allowance::Allowance;
use super::super::decode::{Partial, without_uid};
use super::super::entry::Entry;
use crate::model::{DnKey, Group, Member, ObjectGuid, Person, Reading};
use std::collections::{BTreeMap, HashMap, HashSet, hash_map};

/// The attributes of which look-ups make use, besides those of addresses.
const PROVED: &[&str] = &["entryUUID", "objectGUID", "uid", "sAMAccountName", "cn", "primaryGroupID"];

/// What has come.
#[derive(Debug, Default)]
pub(super) struct Found {
    people: HashMap<ObjectGuid, Person>,
    groups: HashMap<ObjectGuid, Group>,
    group_names: HashMap<DnKey, Vec<ObjectGuid>>,
    /// Member values as the server wrote them: ours are prepared for comparison, and another server may not find them so.
    written: HashMap<DnKey, String>,
    samples: BTreeMap<String, Sample>,
    moved: Option<String>,
}

/// An entry and a value that it has.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// Its name.
    pub(super) dn: String,
    /// One of its values.
    pub(super) value: Vec<u8>,
}

impl Found {
    /// Keeps a person.
    pub(super) fn keep_person(&mut self, person: Person) {
        if let Some(before) = self.people.get(&person.guid)
            && before.dn != person.dn
        {
            self.moved = Some(format!("{} was moved to {}", before.dn, person.dn));
        }
        self.people.insert(person.guid, person);
    }

    /// Keeps a group with all of its members.
    pub(super) fn keep_group(&mut self, Partial { group, .. }: Partial) {
        match self.groups.get(&group.guid) {
            Some(before) if before.dn == group.dn => {}
            Some(before) => self.moved = Some(format!("{} was moved to {}", before.dn, group.dn)),
            None => self.group_names.entry(group.dn.key().clone()).or_default().push(group.guid),
        }
        self.groups.insert(group.guid, group);
    }

    /// Keeps the member values of a group as they are written.
    ///
    /// # Errors
    /// The allowance is used up.
    pub(super) fn keep_written(&mut self, entry: &Entry<'_>, allowance: &Allowance) -> Result<(), String> {
        for attribute in ["member", "uniqueMember", "memberUid"] {
            for value in entry.texts(attribute) {
                let value = if attribute == "uniqueMember" { without_uid(value) } else { value };
                if attribute != "memberUid" || value.contains('=') {
                    // One spelling of each is enough.
                    if let hash_map::Entry::Vacant(place) = self.written.entry(DnKey::of(value)) {
                        allowance.keep_name(place.key(), value)?;
                        place.insert(value.to_owned());
                    }
                }
            }
        }
        Ok(())
    }

    /// Keeps a value of each attribute that is used in look-ups, to see whether the server finds the entry by it.
    pub(super) fn keep_samples(&mut self, entry: &Entry<'_>, emails: &[String]) {
        for attribute in PROVED.iter().copied().chain(emails.iter().map(String::as_str)) {
            if !self.samples.contains_key(attribute)
                && let Some(value) = entry.values(attribute).next()
            {
                self.samples.insert(attribute.to_owned(), Sample { dn: entry.dn.to_owned(), value: value.to_vec() });
            }
        }
    }

    /// An entry that has a value of that attribute.
    pub(super) fn sample(&self, attribute: &str) -> Option<&Sample> {
        self.samples.get(attribute)
    }

    /// An entry that has come under two names, and so was moved meanwhile.
    pub(super) fn moved(&self) -> Option<&str> {
        self.moved.as_deref()
    }

    /// The people.
    pub(super) fn people(&self) -> &HashMap<ObjectGuid, Person> {
        &self.people
    }

    /// The groups.
    pub(super) fn groups(&self) -> &HashMap<ObjectGuid, Group> {
        &self.groups
    }

    /// A member value as the server wrote it.
    pub(super) fn written<'s>(&'s self, key: &'s DnKey) -> &'s str {
        self.written.get(key).map_or(key.as_str(), String::as_str)
    }

    /// The groups whose members matter: the roots, and what is inside those that go to the depth.
    pub(super) fn reached(&self, roots: &[(ObjectGuid, bool)]) -> HashSet<ObjectGuid> {
        let mut reached = HashSet::new();
        let mut deep = HashSet::new();
        let mut next: Vec<(ObjectGuid, bool)> = roots.to_vec();
        while let Some((guid, is_deep)) = next.pop() {
            reached.insert(guid);
            if !is_deep || !deep.insert(guid) {
                continue;
            }
            for member in self.groups.get(&guid).iter().flat_map(|group| &group.members) {
                match member {
                    Member::Guid(guid) if self.groups.contains_key(guid) => next.push((*guid, true)),
                    Member::Dn(key) => {
                        next.extend(self.group_names.get(key).into_iter().flatten().map(|guid| (*guid, true)));
                    }
                    Member::Guid(_) | Member::Foreign(_) | Member::Uid(_) => {}
                }
            }
        }
        reached
    }

    /// All of it, in the order of the identities.
    pub(super) fn into_reading(self, referrals: u64) -> Reading {
        let mut people: Vec<Person> = self.people.into_values().collect();
        people.sort_unstable_by_key(|person| person.guid);
        let mut groups: Vec<Group> = self.groups.into_values().collect();
        groups.sort_unstable_by_key(|group| group.guid);
        Reading { people, groups, referrals }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::entry::tests::entry;
    use super::super::super::settings::ReadLimits;
    use super::*;

    #[test]
    fn names_as_they_are_written_are_counted_once_each() {
        let allowance = Allowance::of(&ReadLimits { kept_bytes_max: 1 << 20, ..ReadLimits::default() });
        let mut found = Found::default();
        let kim: &[&[u8]] = &[b"UID=Kim, DC=x", b"uid=kim,dc=x"];
        for _ in 0..10_000 {
            assert_eq!(found.keep_written(&entry("cn=g", &[("member", kim)]), &allowance), Ok(()));
        }
        assert_eq!(found.written(&DnKey::of("uid=kim,dc=x")), "UID=Kim, DC=x");
        let names: Vec<String> = (0..10_000).map(|number| format!("uid=p{number},dc=x")).collect();
        let names: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
        let full = found.keep_written(&entry("cn=g", &[("uniqueMember", &names)]), &allowance);
        assert!(full.is_err_and(|full| full.contains("1 MiB that memory_max_mib allows")));
    }
}
