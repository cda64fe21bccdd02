//! Whom the last complete list showed, in eight bytes a name: who is not in it need not be looked for in the same list again. Pure.
//!
//! A batch of changes ends with a list, which shows what became of them; the next one would begin with the same list, to see who
//! is there already. Of whom the census lacks that is known. It is at most one batch old, and of this pass: somebody whom another
//! program makes in that time is refused by a server whose names are unique, as RFC 7643 4.1.1 has it (409, and then looked up), and
//! elsewhere could come between our look and our request just as well. Whoever is in it, by whatever name, is looked up as ever; so is
//! whoever shares a mark by chance.

use super::user::User;
use crate::model::{Email, ObjectGuid};
use foldhash::fast::RandomState;
use std::hash::{BuildHasher, Hash};

/// Batches that a census serves after the one that it was made in.
const BATCHES_MAX: usize = 1;

/// Marks of the names, addresses and identities of everybody.
#[derive(Debug, Default)]
pub(super) struct Census {
    seeds: RandomState,
    /// Sorted once all are there.
    marks: Vec<u64>,
    /// Batches begun since.
    batches: usize,
}

impl Census {
    /// Counts a user in, while the list is read.
    pub(super) fn count(&mut self, user: &User) {
        let name = user.user_name().map(str::to_lowercase);
        let marks = name.map(|name| self.mark(name.as_str()));
        let addresses: Vec<u64> = user.addresses().map(|email| self.mark(&*email.key())).collect();
        let identity = user.identity().map(|guid| self.mark(&guid));
        self.marks.extend(marks.into_iter().chain(addresses).chain(identity));
    }

    /// The list has come to its end.
    pub(super) fn complete(mut self) -> Self {
        self.marks.sort_unstable();
        self.marks.dedup();
        self.marks.shrink_to_fit();
        self
    }

    /// A batch begins. Gives the census where it is still young enough.
    pub(super) fn aged(mut self) -> Option<Self> {
        self.batches += 1;
        (self.batches <= BATCHES_MAX).then_some(self)
    }

    /// Whether nobody has that identity, and nobody that name or address.
    pub(super) fn lacks(&self, guid: &ObjectGuid, email: &Email) -> bool {
        let has = |mark: u64| self.marks.binary_search(&mark).is_ok();
        !has(self.mark(guid)) && !has(self.mark(&*email.key()))
    }

    /// These may be there by now.
    pub(super) fn add<'a>(&mut self, people: impl Iterator<Item = (&'a ObjectGuid, &'a Email)>) {
        for (guid, email) in people {
            let marks = [self.mark(guid), self.mark(&*email.key())];
            self.marks.extend(marks);
        }
        self.marks.sort_unstable();
        self.marks.dedup();
    }

    fn mark(&self, name: &(impl Hash + ?Sized)) -> u64 {
        self.seeds.hash_one(name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::accounts::samples::{email, guid};
    use serde_json::json;

    #[test]
    fn whoever_is_there_by_any_name_is_not_lacking() {
        let mut census = Census::default();
        census.count(&User::of(json!({"id": "1", "userName": "Anna@corp.example"})).unwrap());
        let addresses = json!([{"value": "x@corp.example"}, {"value": "BERT@corp.example"}]);
        census.count(&User::of(json!({"id": "2", "userName": "b", "emails": addresses})).unwrap());
        census.count(&User::of(json!({"id": "3", "externalId": guid("carl").to_string()})).unwrap());
        let mut census = census.complete();
        let lacks = |census: &Census, who: &str, name: &str| census.lacks(&guid(who), &email(name));
        assert!(!lacks(&census, "anna", "anna") && !lacks(&census, "bert", "bert") && !lacks(&census, "carl", "carl"));
        assert!(!lacks(&census, "carl", "other") && !lacks(&census, "other", "x"));
        assert!(lacks(&census, "dora", "dora") && lacks(&census, "anna", "other"));
        census.add([(&guid("dora"), &email("dora"))].into_iter());
        assert!(!lacks(&census, "dora", "other") && !lacks(&census, "other", "dora"));
        assert_eq!(census.aged().and_then(Census::aged).map(|census| census.batches), None);
    }
}
