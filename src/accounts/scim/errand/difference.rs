//! In what a user differs from what an intent wants: the seat, the identity, the address, the details. Pure.

use super::Errand;
use crate::accounts::scim::Terms;
use crate::accounts::scim::place::TierPlace;
use crate::accounts::scim::user::{Edit, User};
use crate::model::{Action, Detail, Seat, Tier};

impl<'a> Errand<'a> {
    /// What is to be changed in a user, if anything.
    pub(super) fn edits(&self, user: &User) -> Vec<Edit> {
        let Self { intent, terms, .. } = self;
        let mut edits = Vec::new();
        if intent.action != Action::Rename {
            match &intent.to {
                Seat::Active(tier) => {
                    // The group first, by itself: a seat does not wait for an address.
                    if let Some(edit) = self.member_edit(user, tier) {
                        return vec![edit];
                    }
                    if !user.is_active() {
                        edits.push(Edit::Active(true));
                    }
                    if terms.mapping.place != TierPlace::Group && terms.mapping.tier(user).as_ref() != Some(tier) {
                        edits.extend(terms.mapping.value(tier).map(|value| Edit::Tier(value.to_owned())));
                    }
                    if self.is_to_be_marked(user) {
                        edits.push(Edit::Identity(intent.guid));
                    }
                }
                Seat::Suspended(_) if user.is_active() => edits.push(Edit::Active(false)),
                Seat::Suspended(_) | Seat::Vacant | Seat::Invited => {}
            }
        }
        // Whoever was adopted with the seat that is due carries no identity yet.
        if intent.action == Action::Rename && matches!(intent.to, Seat::Active(_)) && self.is_to_be_marked(user) {
            edits.push(Edit::Identity(intent.guid));
        }
        if !self.unmovable {
            edits.extend(self.address_edits(user));
        }
        let is_due = |detail: &&Detail| match user.detail(&detail.name) {
            Some(shown) => shown != detail.value && !self.unkept.contains(detail),
            None => !self.unknown.contains(&detail.name) && !self.unkept.contains(detail),
        };
        let details = self.details().iter().filter(is_due).cloned().map(Edit::Detail);
        match (self.is_singly, edits.is_empty()) {
            (false, _) => edits.extend(details),
            (true, true) => edits.extend(details.take(1)),
            (true, false) => {}
        }
        edits
    }

    /// Whether the user is to show the person's details: nobody is described anew who loses the seat.
    pub(super) fn describes(&self) -> bool {
        self.undescribed.is_none() && self.intent.details.is_some() && matches!(self.intent.to, Seat::Active(_))
    }

    /// What the user is to show of the person.
    pub(super) fn details(&self) -> &'a [Detail] {
        let details = self.intent.details.as_deref().filter(|_| self.describes());
        details.map_or(&[], |details| details.values())
    }

    /// Where tiers are groups: first into the new one, then out of the others, so that nobody is without a seat in between. A
    /// higher tier of which the intent knew nothing is for the next pass to take.
    fn member_edit(&self, user: &User, tier: &Tier) -> Option<Edit> {
        let Self { intent, terms: Terms { mapping, .. }, .. } = self;
        if mapping.place != TierPlace::Group {
            return None;
        }
        let (wanted, held) = (mapping.value(tier)?, user.tier_values(&mapping.place));
        if !held.contains(&wanted) {
            return Some(Edit::Member { of: wanted.to_owned(), comes: true });
        }
        let is_left = |value: &&str| {
            let theirs = mapping.values.iter().find(|(_, it)| it == value).map(|(theirs, _)| theirs);
            let is_lower = theirs.is_some_and(|theirs| mapping.order().is_downgrade(tier, theirs));
            *value != wanted && (is_lower || intent.from.tier() == theirs)
        };
        held.into_iter().find(is_left).map(|value| Edit::Member { of: value.to_owned(), comes: false })
    }

    /// Whether the identity is to be noted: where there is none, and where that of somebody else is on the person's own
    /// account. What another program wrote stays.
    fn is_to_be_marked(&self, user: &User) -> bool {
        let is_known = self.intent.account.as_ref() == Some(user.id());
        self.terms.mapping.keeps_identity
            && match (user.external_id(), user.identity()) {
                (None, _) => true,
                (Some(_), Some(owner)) => is_known && owner != self.intent.guid,
                (Some(_), None) => false,
            }
    }

    /// The address, and the name to sign in with where that is the address.
    fn address_edits(&self, user: &User) -> Vec<Edit> {
        let wanted = &self.intent.email;
        let now = user.address();
        let name = user.user_name().map(str::to_lowercase);
        let is_parked = user.aside() == Some(self.intent.guid);
        let is_right = now.as_ref() == Some(wanted);
        if is_right && !is_parked {
            return Vec::new();
        }
        let follows =
            is_parked || name.is_none() || now.as_ref().is_some_and(|now| name.as_deref() == Some(&*now.key()));
        let mut edits = Vec::new();
        if !is_right && (!follows || user.addresses().next().is_some()) {
            edits.push(Edit::Address(wanted.clone()));
        }
        if follows {
            edits.push(Edit::UserName(wanted.as_str().to_owned()));
        }
        edits
    }
}
