//! Users as seats: which value is which tier, and what a user of the server is to the agent. Pure.
//!
//! The kind of account is that of a directory account: users are made at once with their licence, and who leaves is
//! deactivated and keeps it (RFC 7643 4.1.1, `active`).

use super::place::TierPlace;
use super::user::{User, address_aside};
use crate::accounts::reach::failure::tidy;
use crate::model::{Observed, Seat, Tier, Tiers};

/// Which value is which tier, and where it stands.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Where the tier stands.
    pub place: TierPlace,
    /// The configured tiers, the highest first, each with its value.
    pub values: Vec<(Tier, String)>,
    /// Whether the identity of the directory is kept in `externalId`.
    pub keeps_identity: bool,
}

impl Mapping {
    /// The value of a tier.
    pub(super) fn value(&self, tier: &Tier) -> Option<&str> {
        self.values.iter().find(|(each, _)| each == tier).map(|(_, value)| value.as_str())
    }

    /// The order of the tiers.
    pub(super) fn order(&self) -> Tiers {
        Tiers::new(self.values.iter().map(|(tier, _)| tier.clone()).collect())
    }

    /// That a tier has no value, in words.
    pub(super) fn no_value(&self, tier: &Tier) -> String {
        let known: Vec<&str> = self.values.iter().map(|(tier, _)| tier.name()).collect();
        format!("tier {tier} has no value in this account store; known are {}", tidy(&known.join(", ")))
    }

    /// The tier that a user holds or would hold again. Of several the highest counts. A value that is none of ours is called
    /// as the server calls it, but never like a tier that has another value.
    pub(super) fn tier(&self, user: &User) -> Option<Tier> {
        if self.place == TierPlace::Nowhere {
            return self.values.first().map(|(tier, _)| tier.clone());
        }
        let held = user.tier_values(&self.place);
        let is_held = |value: &str| held.iter().any(|each| each.eq_ignore_ascii_case(value));
        let configured = self.values.iter().find(|(_, value)| is_held(value)).map(|(tier, _)| tier.clone());
        configured.or_else(|| {
            let foreign = tidy(held.first()?);
            let is_taken = self.values.iter().any(|(tier, _)| tier.name().eq_ignore_ascii_case(&foreign));
            Some(Tier::new(&if is_taken { format!("{foreign} ({})", self.place) } else { foreign }))
        })
    }

    /// What a user holds. Whoever is deactivated without a tier would hold the lowest again, as far as anybody knows: some
    /// products take the licence of who is deactivated.
    pub(super) fn seat(&self, user: &User) -> Seat {
        match (self.tier(user), user.is_active()) {
            (Some(tier), true) => Seat::Active(tier),
            (Some(tier), false) => Seat::Suspended(tier),
            (None, true) => Seat::Vacant,
            (None, false) => self.values.last().map_or(Seat::Vacant, |(lowest, _)| Seat::Suspended(lowest.clone())),
        }
    }

    /// A user as the agent sees it; `None` without an address that could be anybody's. One whose name was left aside amid an
    /// exchange has no address of anybody's, so that every pass gives the name back.
    pub(super) fn observe(&self, user: &User) -> Option<Observed> {
        Some(Observed {
            id: user.id().clone(),
            email: user.aside().and_then(|guid| address_aside(&guid)).or_else(|| user.address())?,
            seat: self.seat(user),
            external: if self.keeps_identity { user.identity() } else { None },
            details: None,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn mapping(place: &str) -> Mapping {
        let values = [("pro", "Full"), ("plus", "View")];
        let values = values.map(|(tier, value)| (Tier::new(tier), value.to_owned())).to_vec();
        Mapping { place: TierPlace::parse(place).unwrap(), values, keeps_identity: true }
    }

    fn seat(place: &str, mut user: Value) -> Seat {
        user["id"] = json!("1");
        mapping(place).seat(&User::of(user).unwrap())
    }

    #[test]
    fn what_users_hold() {
        let (active, suspended) = (|tier| Seat::Active(Tier::new(tier)), |tier| Seat::Suspended(Tier::new(tier)));
        let roles =
            |values: &[&str]| values.iter().map(|value| json!({"value": value, "type": "seat"})).collect::<Value>();
        for (user, expected) in [
            (json!({"roles": roles(&["full"])}), active("pro")),
            (json!({"roles": roles(&["View"]), "active": false}), suspended("plus")),
            (json!({"roles": roles(&["View"]), "active": "False"}), suspended("plus")),
            (json!({"roles": roles(&["View", "x", "Full"])}), active("pro")),
            (json!({"roles": roles(&[])}), Seat::Vacant),
            (json!({"active": false}), suspended("plus")),
            (json!({"roles": [{"value": "Full", "type": "other"}, {"value": "Full"}]}), Seat::Vacant),
            (json!({"roles": roles(&["Collab"])}), active("Collab")),
            (json!({"roles": roles(&["PRO"])}), active("PRO (roles[seat])")),
        ] {
            assert_eq!(seat("roles[seat]", user.clone()), expected, "{user}");
        }
        let member = |of: &[&str], is_active: bool| {
            let mut user = User::of(json!({"id": "1", "active": is_active})).unwrap();
            user.note_memberships(Some(of.iter().map(|value| (*value).to_owned()).collect()));
            mapping("group").seat(&user)
        };
        assert_eq!((member(&["View"], true), member(&["View", "Full"], true)), (active("plus"), active("pro")));
        assert_eq!((member(&["Full"], false), member(&[], true)), (suspended("pro"), Seat::Vacant));
        assert_eq!(seat("none", json!({})), active("pro"));
        assert_eq!(seat("none", json!({"active": false})), suspended("pro"));
        assert_eq!(seat("userType", json!({"usertype": "view"})), active("plus"));
        assert_eq!(seat("urn:x:y:User:seat", json!({"urn:x:y:User": {"seat": "Full"}})), active("pro"));
    }

    #[test]
    fn a_foreign_identity_is_none_of_ours() {
        let user =
            |external: &str| User::of(json!({"id": "1", "userName": "a@b.example", "externalId": external})).unwrap();
        let guid = "02018a4b-2211-4433-0102-030405060708";
        let observed = mapping("none").observe(&user(&guid.to_uppercase())).unwrap();
        assert_eq!(observed.external.unwrap().to_string(), guid);
        assert_eq!(mapping("none").observe(&user("00u1abcd")).unwrap().external, None);
        let without = Mapping { keeps_identity: false, ..mapping("none") };
        assert_eq!(without.observe(&user(guid)).unwrap().external, None);
    }
}
