//! How much memory one read may keep, whatever a server sends.

use super::settings::ReadLimits;
use crate::model::{Detail, Details, DnKey, Group, Mailbox, Member, Person};
use std::mem::size_of;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a piece of text on the heap costs besides its letters: two counters, and what an allocator rounds up.
const TEXT_BYTES: usize = 32;
/// What somebody or something read costs in the indexes that are made of it later.
const INDEX_BYTES: usize = 64;

/// What is left of it. Shared by all who read for one read.
pub(super) struct Allowance {
    left: AtomicU64,
    whole: u64,
}

impl Allowance {
    /// All that the limits allow.
    pub(super) fn of(limits: &ReadLimits) -> Self {
        Self { left: AtomicU64::new(limits.kept_bytes_max), whole: limits.kept_bytes_max }
    }

    /// Takes a person in.
    ///
    /// # Errors
    /// It is used up.
    pub(super) fn keep_person(&self, person: &Person) -> Result<(), String> {
        let mailbox = match &person.mailbox {
            Mailbox::Address(email) => email.as_str().len() + TEXT_BYTES,
            Mailbox::Malformed(text) => text.len() + TEXT_BYTES,
            Mailbox::Missing => 0,
        };
        let name = person.account_name.as_deref().map_or(0, |name| name.len() + TEXT_BYTES);
        let dn = person.dn.text_bytes() + TEXT_BYTES;
        let details = person.details.as_deref().map_or(0, |details| {
            let each = details.values().iter().map(|detail| size_of::<Detail>() + detail.value.len());
            size_of::<Details>() + TEXT_BYTES + each.sum::<usize>()
        });
        self.spend(size_of::<Person>() + INDEX_BYTES + mailbox + name + dn + details)
    }

    /// Takes a group in, with the members that it has by now.
    ///
    /// # Errors
    /// It is used up.
    pub(super) fn keep_group(&self, group: &Group) -> Result<(), String> {
        let names = group.common_names.iter().chain(&group.account_name);
        let names: usize = names.map(|name| name.len() + TEXT_BYTES).sum();
        self.spend(size_of::<Group>() + INDEX_BYTES + names + group.dn.text_bytes() + TEXT_BYTES)?;
        self.keep_members(&group.members)
    }

    /// Takes further members in.
    ///
    /// # Errors
    /// It is used up.
    pub(super) fn keep_members(&self, members: &[Member]) -> Result<(), String> {
        let heap = |member: &Member| match member {
            Member::Guid(_) | Member::Foreign(_) => 0,
            Member::Dn(key) => key.as_str().len() + TEXT_BYTES,
            Member::Uid(uid) => uid.len() + TEXT_BYTES,
        };
        self.spend(members.iter().map(|member| size_of::<Member>() + heap(member)).sum())
    }

    /// Takes a name in, as prepared for comparison and as the server wrote it.
    ///
    /// # Errors
    /// It is used up.
    pub(super) fn keep_name(&self, key: &DnKey, written: &str) -> Result<(), String> {
        let text = key.as_str().len() + written.len() + 2 * TEXT_BYTES;
        self.spend(size_of::<(DnKey, String)>() + text)
    }

    fn spend(&self, bytes: usize) -> Result<(), String> {
        let less = |left: u64| left.checked_sub(bytes as u64);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => Ok(()),
            Err(_) => Err(format!(
                "it takes more than the {} MiB that memory_max_mib allows; is base_dn too wide, or has the directory grown?",
                self.whole >> 20
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Dn, ObjectGuid};

    #[test]
    fn what_is_kept_is_counted_until_nothing_is_left() {
        let allowance = Allowance::of(&ReadLimits { kept_bytes_max: 1 << 20, ..ReadLimits::default() });
        let group = Group {
            guid: ObjectGuid::from_u128(1),
            dn: Dn::new("CN=g"),
            account_name: None,
            common_names: Vec::new(),
            sid: None,
            members: vec![Member::Guid(ObjectGuid::from_u128(2)); 1_000],
        };
        let mut groups = 0;
        let full = loop {
            match allowance.keep_group(&group) {
                Ok(()) => groups += 1,
                Err(full) => break full,
            }
        };
        // A member has 16 bytes and takes at most 32.
        assert!((1_048_576 / 32_500..=1_048_576 / 16_000).contains(&groups), "{groups}");
        assert!(full.contains("1 MiB that memory_max_mib allows"), "{full}");
    }
}
