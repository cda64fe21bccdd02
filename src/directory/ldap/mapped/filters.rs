//! Which entries could be meant by an identity, a name or an address, as filters (RFC 4515).
//!
//! A filter may match more than is meant: what a value means is decided when all has been read, as after a whole read. None
//! may match less. What counts as a person or a group is asked with the same filters as in a whole read.

use super::super::schema::Server;
use super::super::settings::LdapSettings;
use crate::model::{DnKey, Email, GroupRef, ObjectGuid};
use ldap3::ldap_escape;
use std::fmt::Write;

/// So many alternatives are in one filter: servers answer them as fast as a page of everybody, and none refuses them for
/// their length.
const ALTERNATIVES_MAX: usize = 100;
/// Blanks that may stand around an address. Some servers do not leave them out of account.
const BLANKS: &[&str] = &["\\20", "\\09", "\\c2\\a0"];

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// People.
    People,
    /// Groups.
    Groups,
    /// Whether an entry is found by what it is known to have.
    Anything,
}

/// One search below the base.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// What it asks for.
    pub(super) of: Of,
    /// The filter.
    pub(super) filter: String,
}

/// The filters for one server.
#[derive(Debug)]
pub(super) struct Filters<'a> {
    is_active_directory: bool,
    tells_blanks_apart: bool,
    identities: &'static [&'static str],
    people: String,
    groups: &'static str,
    emails: &'a [String],
}

impl<'a> Filters<'a> {
    /// # Errors
    /// An e-mail attribute whose name cannot stand in a filter.
    pub(super) fn of(server: &Server, settings: &'a LdapSettings) -> Result<Self, String> {
        let filters = Self {
            is_active_directory: server.is_active_directory,
            // Samba compares as if blanks at the ends were not there; other servers have to (RFC 4518 2.6.1).
            tells_blanks_apart: server.is_active_directory && !server.is_samba,
            identities: server.identity_attributes(),
            people: server.people_filter(settings),
            groups: server.group_filter(),
            emails: &settings.email_attributes,
        };
        let unfit = settings.email_attributes.iter().find(|name| ldap3::parse_filter(format!("({name}=x)")).is_err());
        unfit.map_or(Ok(filters), |name| Err(format!("nobody can be looked up by {name:?}")))
    }

    /// Searches for whoever (or whatever group) one of the alternatives fits.
    pub(super) fn any(&self, of: Of, alternatives: &[String]) -> Vec<Ask> {
        let base = match of {
            Of::People => &self.people,
            Of::Groups => self.groups,
            Of::Anything => "",
        };
        let ask = |some: &[String]| Ask { of, filter: format!("(&{base}(|{}))", some.concat()) };
        alternatives.chunks(ALTERNATIVES_MAX).map(ask).collect()
    }

    /// By identity.
    pub(super) fn identity(&self, guid: &ObjectGuid) -> String {
        let term = |name: &&str| match *name {
            "entryUUID" => format!("(entryUUID={guid})"),
            other => format!("({other}={})", bytes(&guid.to_ad_bytes())),
        };
        self.identities.iter().map(term).collect()
    }

    /// By distinguished name, in any spelling.
    pub(super) fn name(&self, dn: &str) -> String {
        let attribute = if self.is_active_directory { "distinguishedName" } else { "entryDN" };
        format!("({attribute}={})", ldap_escape(dn))
    }

    /// By account name.
    pub(super) fn account(&self, name: &str) -> String {
        let name = ldap_escape(name);
        match self.is_active_directory {
            true => format!("(sAMAccountName={name})"),
            false => format!("(sAMAccountName={name})(uid={name})"),
        }
    }

    /// By the number of the primary group.
    pub(super) fn primary_group(rid: u32) -> String {
        format!("(primaryGroupID={rid})")
    }

    /// By address.
    pub(super) fn address(&self, email: &Email) -> String {
        let value = ldap_escape(email.as_str());
        let mut terms = String::new();
        for attribute in self.emails {
            let prefix = prefix(attribute);
            // Writing to a string cannot fail.
            _ = write!(terms, "({attribute}={prefix}{value})");
            if self.tells_blanks_apart {
                BLANKS.iter().for_each(|blank| _ = write!(terms, "({attribute}={prefix}{value}{blank}*)"));
            }
        }
        terms
    }

    /// By an address that has blanks in front, whatever it is; nothing where blanks are no matter.
    pub(super) fn addresses_behind_blanks(&self) -> Vec<String> {
        let pairs = self.emails.iter().flat_map(|attribute| BLANKS.iter().map(move |blank| (attribute, blank)));
        let term = |(attribute, blank): (&String, &&str)| format!("({attribute}={}{blank}*)", prefix(attribute));
        pairs.filter(|_| self.tells_blanks_apart).map(term).collect()
    }

    /// By any of the ways in which a configuration names a group.
    pub(super) fn reference(&self, reference: &GroupRef) -> String {
        let text = reference.as_str();
        let mut terms = self.written(text);
        if let Some(sid) = reference.as_sid() {
            terms += &format!("(objectSid={})", bytes(&sid.to_bytes()));
        }
        let text = ldap_escape(text);
        terms + &format!("(sAMAccountName={text})(cn={text})")
    }

    /// By any of the ways in which an operator names a person.
    pub(super) fn who(&self, text: &str) -> String {
        let address = Email::parse(text).map_or_else(String::new, |email| self.address(&email));
        self.written(text) + &address + &self.account(text)
    }

    /// By distinguished name or identity, where the text is one.
    fn written(&self, text: &str) -> String {
        let name = if !text.is_empty() && DnKey::of(text).is_name() { self.name(text) } else { String::new() };
        name + &ObjectGuid::parse(text).map_or_else(String::new, |guid| self.identity(&guid))
    }

    /// Whether an entry is found by a value that it is known to have.
    pub(super) fn proof(&self, dn: &str, attribute: &str, value: &[u8]) -> Ask {
        Ask { of: Of::Anything, filter: format!("(&{}({attribute}={}))", self.name(dn), bytes(value)) }
    }
}

/// The primary address has its type in capitals (MS-OXOABK 2.2.3.23).
fn prefix(attribute: &str) -> &'static str {
    if attribute.eq_ignore_ascii_case("proxyAddresses") { "SMTP:" } else { "" }
}

/// Any value at all (RFC 4515 3: valueencoding).
fn bytes(value: &[u8]) -> String {
    value.iter().fold(String::with_capacity(value.len() * 3), |mut text, byte| {
        _ = write!(text, "\\{byte:02x}");
        text
    })
}

#[cfg(test)]
#[path = "filters_tests.rs"]
mod tests;
