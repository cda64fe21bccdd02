//! How many seats of which kind an account has, and for how many of them somebody pays.

use super::account::Account;
use super::user::{Invitation, Registration};
use crate::model::Tier;
use std::collections::BTreeMap;

/// The licence that costs nothing, by the admin guide.
pub const FREE_LICENCE: &str = "Basic";

/// The seats of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// By licence, in the order in which the account got them, with zeros.
    pub licences: Vec<(Tier, Seats)>,
    /// Who can sign in without any licence.
    pub without_licence: usize,
    /// Asked, not there yet: costs nothing until acceptance.
    pub invited: usize,
    /// Who holds a licence that costs something and can sign in.
    pub billable: usize,
}

/// The seats of one licence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seats {
    /// Can sign in.
    pub active: usize,
    /// Cannot: suspended, or the domain was released.
    pub suspended: usize,
}

impl Account {
    /// Counts.
    pub fn census(&self) -> Census {
        let mut seats: BTreeMap<&Tier, Seats> = BTreeMap::new();
        let mut census = Census::default();
        for user in self.users() {
            let registration = self.registration(user);
            match (registration, &user.licence) {
                (Registration::Registered, Some(licence)) => {
                    seats.entry(licence).or_default().active += 1;
                    census.billable += usize::from(!licence.name().eq_ignore_ascii_case(FREE_LICENCE));
                }
                (Registration::Suspended, Some(licence)) => seats.entry(licence).or_default().suspended += 1,
                (Registration::Registered, None) => census.without_licence += 1,
                (Registration::Unregistered, _) => {
                    census.invited += usize::from(user.invitation == Invitation::Pending)
                }
                (Registration::Suspended, None) => {}
            }
        }
        let counted = |licence: &Tier| (licence.clone(), seats.get(licence).copied().unwrap_or_default());
        census.licences = self.profile().supported.iter().map(counted).collect();
        census
    }
}
