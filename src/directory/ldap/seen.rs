//! Which of the entries that a server tells as changed matter to us.
//!
//! A domain controller tells every change of every attribute, also that somebody has signed in; we do so ourselves on each
//! read. Whoever took that for a change of the directory would make passes without end. So what would be read of an entry
//! is kept as a digest, and an entry that would be read as it was told before is no news. What is said to be news too much
//! costs a pass; what is said too little costs a change: in doubt it is news.
//!
//! Kept for as long as one connection lasts: another server may know an older state.

use super::entry::Entry;
use super::follow;
use super::schema::Server;
use super::settings::LdapSettings;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Entries remembered; with one more, all are forgotten. About 4 MB.
const ENTRIES_MAX: usize = 100_000;

/// What was told so far.
pub(super) struct Seen {
    digests: HashMap<u64, u64>,
    keys: RandomState,
}

impl Seen {
    /// Nothing yet; gives also the attributes that entries must come with. `None` where `user_filter` does not say which.
    pub(super) fn begin(server: &Server, settings: &LdapSettings) -> Option<(Self, Vec<String>)> {
        let mut attributes = server.people_attributes(settings);
        let more = ["objectClass".to_owned()].into_iter().chain(follow::named(settings)?);
        for name in more {
            if !attributes.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                attributes.push(name);
            }
        }
        Some((Self { digests: HashMap::new(), keys: RandomState::new() }, attributes))
    }

    /// Whether an entry, given with its bytes, would be read otherwise than it was last told; it is remembered.
    pub(super) fn is_news(&mut self, entry: &Entry<'_>, body: &[u8]) -> bool {
        let identity = entry.values("objectGUID").next().or_else(|| entry.values("entryUUID").next());
        let mut classes = entry.texts("objectClass").peekable();
        let is_known = classes.peek().is_some();
        // Of groups we do not know what has changed: their members are too many to be sent with each change.
        let is_group = classes.any(|class| class.to_ascii_lowercase().contains("group"));
        let Some(identity) = identity.filter(|_| is_known && !is_group) else { return true };
        if self.digests.len() >= ENTRIES_MAX {
            self.digests.clear();
        }
        let digest = self.keys.hash_one(body);
        self.digests.insert(self.keys.hash_one(identity), digest) != Some(digest)
    }
}

#[cfg(test)]
#[path = "seen_tests.rs"]
mod tests;
