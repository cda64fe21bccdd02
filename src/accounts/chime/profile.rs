//! What the account is and can do, and what its users hold: the wire's words as the agent's.

use crate::accounts::AccountsError;
use crate::accounts::reach::failure::tidy;
use crate::model::{Email, Observed, Seat, StoreKind, Tier, UserId};
use crate::wire::{Account, Extension, User};

/// The licences of the service model, for a server that does not say which it supports.
const LICENCES: [&str; 4] = ["Basic", "Plus", "Pro", "ProTrial"];
/// The user type of who is no person.
const SHARED_DEVICE: &str = "SharedDevice";

/// The account, as far as seats need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    /// The name given to it by people.
    pub(super) name: String,
    pub(super) kind: StoreKind,
    /// As the server writes them.
    pub(super) licences: Vec<String>,
    pub(super) extensions: Vec<Extension>,
    /// The configured tiers, whose names licences are known by here.
    tiers: Vec<Tier>,
}

/// What a user of the account is to the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Somebody.
    Person(Observed),
    /// A room's device: nobody's seat.
    Device,
    /// Without an address that could be anybody's.
    Nameless(UserId),
}

impl Seen {
    /// The person, if it is one.
    pub(super) fn person(self) -> Option<Observed> {
        match self {
            Self::Person(observed) => Some(observed),
            Self::Device | Self::Nameless(_) => None,
        }
    }
}

impl Profile {
    /// # Errors
    /// `Refused` for an account whose seats cannot be given and taken, or that lacks a configured licence.
    pub(super) fn of(account: &Account, tiers: &[Tier]) -> Result<Self, AccountsError> {
        let shown = tidy(&account.account_id);
        let refused = |message: String| Err(AccountsError::Refused { message });
        if account.account_status.as_deref() == Some("Suspended") {
            return refused(format!(
                "account {shown} is suspended in the account store, so that nobody of it can sign in; activate it there, \
                 or set another account in [accounts]"
            ));
        }
        let kind = match account.account_type.as_deref() {
            Some("Team") => StoreKind::Team,
            Some("EnterpriseLWA") => StoreKind::EnterpriseLwa,
            Some("EnterpriseDirectory") => StoreKind::EnterpriseDirectory,
            Some("EnterpriseOIDC") => {
                return refused(format!(
                    "account {shown} is EnterpriseOIDC: an identity provider gives and takes its seats, and the admin API \
                     cannot; set an account of kind Team, EnterpriseLWA or EnterpriseDirectory in [accounts]"
                ));
            }
            Some(other) => {
                let other = tidy(other);
                return refused(format!("account {shown} is of kind {other:?}, which this version does not know"));
            }
            None => return refused(format!("the account store does not say of what kind account {shown} is")),
        };
        let licences = match &account.supported_licenses {
            none if none.is_empty() => LICENCES.map(str::to_owned).to_vec(),
            some => some.clone(),
        };
        let profile = Self {
            name: account.name.clone(),
            kind,
            licences,
            extensions: account.extensions.clone(),
            tiers: tiers.to_vec(),
        };
        match tiers.iter().find(|tier| profile.licence(tier).is_none()) {
            None => Ok(profile),
            Some(tier) => refused(format!(
                "{}; give the [[tier]] the name of one of them, or add the licence to the account",
                profile.no_licence(tier)
            )),
        }
    }

    /// Whether the server can do something beyond the contract.
    pub(super) fn has(&self, extension: Extension) -> bool {
        self.extensions.contains(&extension)
    }

    /// The licence of a tier, as the server writes it.
    pub(super) fn licence(&self, tier: &Tier) -> Option<&str> {
        self.licences.iter().find(|licence| licence.eq_ignore_ascii_case(tier.name())).map(String::as_str)
    }

    /// That a tier has no licence, in words.
    pub(super) fn no_licence(&self, tier: &Tier) -> String {
        format!("licence {tier} is not one of the account's: {}", tidy(&self.licences.join(", ")))
    }

    /// The tier of a licence; one that is not configured is called as the server calls it.
    fn tier(&self, licence: &str) -> Tier {
        let configured = self.tiers.iter().find(|tier| tier.name().eq_ignore_ascii_case(licence));
        configured.cloned().unwrap_or_else(|| Tier::new(licence))
    }

    /// A user as the agent sees it.
    pub(super) fn see(&self, user: &User) -> Seen {
        if user.user_type.as_deref() == Some(SHARED_DEVICE) {
            return Seen::Device;
        }
        let id = UserId::new(&user.user_id);
        match user.primary_email.as_deref().and_then(Email::parse) {
            Some(email) => Seen::Person(Observed { id, email, seat: self.seat(user), external: None, details: None }),
            None => Seen::Nameless(id),
        }
    }

    fn seat(&self, user: &User) -> Seat {
        let tier = user.license_type.as_deref().map(|licence| self.tier(licence));
        match (user.user_registration_status.as_deref(), tier, user.user_invitation_status.as_deref()) {
            (Some("Registered"), Some(tier), _) => Seat::Active(tier),
            (Some("Suspended"), Some(tier), _) => Seat::Suspended(tier),
            // An invitation whose e-mail came back is one all the same: to send it again and again brings nobody here.
            // In an account that follows a directory it means nothing any more.
            (Some("Unregistered") | None, _, Some("Pending" | "Failed"))
                if self.kind != StoreKind::EnterpriseDirectory =>
            {
                Seat::Invited
            }
            _ => Seat::Vacant,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn account(kind: &str, licences: &[&str]) -> Account {
        Account {
            account_id: "corp".into(),
            account_type: Some(kind.into()),
            supported_licenses: licences.iter().map(|licence| (*licence).to_owned()).collect(),
            ..Account::default()
        }
    }

    fn tiers(names: &[&str]) -> Vec<Tier> {
        names.iter().map(|name| Tier::new(name)).collect()
    }

    fn refused(account: &Account, names: &[&str]) -> String {
        match Profile::of(account, &tiers(names)) {
            Err(AccountsError::Refused { message }) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_account_that_cannot_be_managed_is_refused_in_words() {
        assert!(
            refused(&account("EnterpriseOIDC", &[]), &[]).contains("an identity provider gives and takes its seats")
        );
        assert!(refused(&account("Galactic", &[]), &[]).contains("\"Galactic\", which this version does not know"));
        let suspended = Account { account_status: Some("Suspended".into()), ..account("Team", &[]) };
        assert!(refused(&suspended, &[]).contains("is suspended in the account store"));
        assert_eq!(
            refused(&account("Team", &["Basic", "Pro"]), &["pro", "plus"]),
            "licence plus is not one of the account's: Basic, Pro; give the [[tier]] the name of one of them, or add the \
             licence to the account"
        );
        assert!(refused(&account("Team", &[]), &["gold"]).contains("Basic, Plus, Pro, ProTrial"));
    }

    #[test]
    fn tiers_and_licences_are_the_same_but_for_case() {
        let profile = Profile::of(&account("Team", &["Basic", "Pro"]), &tiers(&["PRO"])).unwrap();
        assert_eq!(profile.licence(&Tier::new("pro")), Some("Pro"));
        assert_eq!((profile.tier("Pro"), profile.tier("Basic")), (Tier::new("PRO"), Tier::new("Basic")));
    }

    #[test]
    fn what_users_hold() {
        let profile = Profile::of(&account("EnterpriseLWA", &[]), &tiers(&["pro"])).unwrap();
        let (active, suspended) = (Seat::Active(Tier::new("pro")), Seat::Suspended(Tier::new("pro")));
        for (registration, licence, invitation, expected) in [
            (Some("Registered"), Some("Pro"), Some("Accepted"), active.clone()),
            (Some("Registered"), Some("Pro"), None, active),
            (Some("Registered"), None, None, Seat::Vacant),
            (Some("Suspended"), Some("Pro"), None, suspended),
            (Some("Suspended"), None, None, Seat::Vacant),
            (Some("Unregistered"), None, Some("Pending"), Seat::Invited),
            (Some("Unregistered"), Some("Pro"), Some("Pending"), Seat::Invited),
            (Some("Unregistered"), None, Some("Failed"), Seat::Invited),
            (Some("Unregistered"), Some("Pro"), None, Seat::Vacant),
            (Some("Elsewhere"), Some("Pro"), Some("Pending"), Seat::Vacant),
        ] {
            let user = User {
                user_id: "u".into(),
                primary_email: Some("a@corp.example".into()),
                license_type: licence.map(Into::into),
                user_registration_status: registration.map(Into::into),
                user_invitation_status: invitation.map(Into::into),
                ..User::default()
            };
            assert_eq!(profile.see(&user).person().unwrap().seat, expected, "{user:?}");
        }
        let device = User { user_type: Some("SharedDevice".into()), ..User::default() };
        assert_eq!(profile.see(&device), Seen::Device);
        assert!(matches!(profile.see(&User::default()), Seen::Nameless(_)));
    }
}
