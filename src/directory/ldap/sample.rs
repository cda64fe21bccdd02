//! The decoding of single messages, for whoever measures it: the same functions that a read calls, with nothing around them.

use super::ber;
use super::decode::Reader;
use super::entry::Entry;
use super::settings::ReadLimits;
use crate::model::{Containers, Group, Person};

/// The mail attribute of Active Directory.
const EMAIL: &str = "mail";

/// Decodes messages that Active Directory sent.
#[derive(Clone, Debug)]
pub struct Sample {
    limits: ReadLimits,
    email_attributes: Vec<String>,
}

impl Default for Sample {
    fn default() -> Self {
        Self { limits: ReadLimits::default(), email_attributes: vec![EMAIL.to_owned()] }
    }
}

impl Sample {
    /// The person of a message with a SearchResultEntry (RFC 4511 4.5.2); `None` where the entry is none.
    ///
    /// # Errors
    /// What is wrong with the message or with a value in it.
    pub fn person(&self, message: &[u8]) -> Result<Option<Person>, String> {
        self.reader().person(&self.entry(message)?, &mut Containers::default())
    }

    /// The group of such a message, with the members that are in it.
    ///
    /// # Errors
    /// What is wrong with the message or with a value in it.
    pub fn group(&self, message: &[u8]) -> Result<Group, String> {
        Ok(self.reader().group(&self.entry(message)?)?.group)
    }

    fn entry<'a>(&self, message: &'a [u8]) -> Result<Entry<'a>, String> {
        Entry::of(ber::check(message, &self.limits)?.op, &self.limits)
    }

    fn reader(&self) -> Reader<'_> {
        Reader { is_active_directory: true, email_attributes: &self.email_attributes }
    }
}
