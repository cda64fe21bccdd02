//! What one complete trip to a directory brought back.

use super::{Group, Person};

/// A reading of the whole directory. It exists only when every request of the read ended in success: an error on page
/// three of five, a cut connection, a size limit or a time-out makes an error instead, never a shorter reading.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Everybody below the base that passes the user filter, seated or not.
    pub people: Vec<Person>,
    /// Every group below the base.
    pub groups: Vec<Group>,
    /// Referrals the server gave instead of entries; they are not followed.
    pub referrals: u64,
}
