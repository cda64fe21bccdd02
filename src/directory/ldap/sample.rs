//! The decoding of single messages, for whoever measures it: the same functions that a read calls, with nothing around them.

use super::ber;
use super::decode::Reader;
use super::entry::Entry;
use super::settings::ReadLimits;
use crate::model::{Containers, Group, Person};

/// The mail attribute of Active Directory.
const EMAIL: &str = "mail";

/// Decodes messages that Active Directory sent, as those of one read.
#[derive(Debug)]
pub struct Sample {
    limits: ReadLimits,
    email_attributes: Vec<String>,
    containers: Containers,
}

impl Default for Sample {
    fn default() -> Self {
        let (limits, email_attributes) = (ReadLimits::default(), vec![EMAIL.to_owned()]);
        Self { limits, email_attributes, containers: Containers::default() }
    }
}

impl Sample {
    /// The person of a message with a SearchResultEntry (RFC 4511 4.5.2); `None` where the entry is none.
    ///
    /// # Errors
    /// What is wrong with the message or with a value in it.
    pub fn person(&mut self, message: &[u8]) -> Result<Option<Person>, String> {
        let Self { limits, email_attributes, containers } = self;
        reader(email_attributes).person(&entry(message, limits)?, containers)
    }

    /// The group of such a message, with the members that are in it.
    ///
    /// # Errors
    /// What is wrong with the message or with a value in it.
    pub fn group(&self, message: &[u8]) -> Result<Group, String> {
        Ok(reader(&self.email_attributes).group(&entry(message, &self.limits)?)?.group)
    }
}

fn entry<'a>(message: &'a [u8], limits: &ReadLimits) -> Result<Entry<'a>, String> {
    Entry::of(ber::check(message, limits)?.op, limits)
}

fn reader(email_attributes: &[String]) -> Reader<'_> {
    Reader { is_active_directory: true, email_attributes, details: &[] }
}
