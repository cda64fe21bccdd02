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
    /// Registered, suspended or not, without any licence: cannot sign in, and costs nothing.
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
    /// Cannot: suspended, or the domain was released, or the account deleted.
    pub suspended: usize,
}

impl Account {
    /// Counts everybody once, as active, suspended, invited or without a licence.
    pub fn census(&self) -> Census {
        let mut seats: BTreeMap<&Tier, Seats> = BTreeMap::new();
        let mut census = Census::default();
        for user in self.users() {
            let registration = match self.registration(user) {
                Registration::Registered if self.profile().is_closed() => Registration::Suspended,
                registration => registration,
            };
            match (registration, &user.licence) {
                (Registration::Registered, Some(licence)) => {
                    seats.entry(licence).or_default().active += 1;
                    census.billable += usize::from(!licence.name().eq_ignore_ascii_case(FREE_LICENCE));
                }
                (Registration::Suspended, Some(licence)) => seats.entry(licence).or_default().suspended += 1,
                (Registration::Registered | Registration::Suspended, None) => census.without_licence += 1,
                (Registration::Unregistered, _) => {
                    census.invited += usize::from(user.invitation == Invitation::Pending)
                }
            }
        }
        let counted = |licence: &Tier| (licence.clone(), seats.get(licence).copied().unwrap_or_default());
        census.licences = self.profile().supported.iter().map(counted).collect();
        census
    }
}
