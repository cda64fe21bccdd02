//! The answers to commands: what is shown of the book, as JSON and to people. The members are a contract.

use crate::model::{Email, Tier, Timestamp};
use crate::server::dns;
use crate::store::{Account, Claim, Entry, Invitation, Mail, Registration, SignIn, User};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// One account, as it is afterwards.
    Account(Box<AccountView>),
    /// Accounts.
    Accounts {
        /// By id.
        accounts: Vec<AccountLine>,
        /// There are more behind that one.
        next: Option<String>,
    },
    /// One domain, as it is afterwards.
    Domain(DomainView),
    /// Domains.
    Domains {
        /// By name.
        domains: Vec<DomainView>,
    },
    /// One user, as it is afterwards.
    User(Box<UserView>),
    /// Users.
    Users {
        /// By id.
        users: Vec<UserView>,
        /// There are more behind that one.
        next: Option<String>,
    },
    /// What was done to several, each for itself.
    Batch {
        /// For whom it was done, as they are afterwards; who is gone, as before.
        users: Vec<UserView>,
        /// For whom it was not.
        failed: Vec<Failure>,
    },
    /// The link of an invitation.
    Link {
        /// Whose.
        user: Box<UserView>,
        /// The path on the server, which follows its public address.
        path: String,
    },
    /// Entries of the audit log.
    Log {
        /// The newest first.
        entries: Vec<LogLine>,
        /// There are more before that number.
        next: Option<u64>,
    },
    /// May this person sign in?
    SignIn {
        /// The address asked about.
        email: Email,
        /// Yes or no.
        allowed: bool,
        /// In which account, if so.
        account: Option<String>,
        /// With which licence, if so.
        licence: Option<Tier>,
        /// Why not, for a program.
        reason: Option<String>,
        /// The same for a person.
        message: String,
    },
}

/// An account in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLine {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// As in the admin API: `Team`, `EnterpriseLWA`, `EnterpriseDirectory`, `EnterpriseOIDC`.
    pub kind: String,
    /// How many users it has, in whatever state.
    pub users: usize,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was deleted.
    pub closed_at: Option<Timestamp>,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// As in the admin API: `Team`, `EnterpriseLWA`, `EnterpriseDirectory`, `EnterpriseOIDC`.
    pub kind: String,
    /// The licence of those who come.
    pub default_licence: Option<Tier>,
    /// The licences there are, with who holds them.
    pub licences: Vec<LicenceSeats>,
    /// Who can sign in without any licence.
    pub without_licence: usize,
    /// Asked, not there yet; costs nothing until acceptance.
    pub invited: usize,
    /// Who holds a licence that costs something and can sign in.
    pub billable: usize,
    /// How many users it has, in whatever state.
    pub users: usize,
    /// Its domains.
    pub domains: Vec<DomainView>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was deleted.
    pub closed_at: Option<Timestamp>,
}

/// Who holds a licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenceSeats {
    /// The licence.
    pub licence: Tier,
    /// Can sign in.
    pub active: usize,
    /// Cannot: suspended, or the domain was released.
    pub suspended: usize,
}

/// A domain of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainView {
    /// In lower case.
    pub domain: String,
    /// How far it is.
    pub state: DomainState,
    /// The text of the TXT record that the domain itself has to show to be verified.
    pub record: Option<String>,
    /// When it was claimed or released last; not known of one that is verified.
    pub at: Option<Timestamp>,
}

/// How far a domain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DomainState {
    /// Waits for its DNS.
    Claimed,
    /// The account's.
    Verified,
    /// Let go; who registered before is out.
    Released,
}

impl fmt::Display for DomainState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Claimed => "claimed",
            Self::Verified => "verified",
            Self::Released => "released",
        })
    }
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserView {
    /// The id.
    pub id: String,
    /// The account.
    pub account: String,
    /// The address.
    pub email: Email,
    /// Whether the user can sign in.
    pub status: UserStatus,
    /// The licence held, or held again on return.
    pub licence: Option<Tier>,
    /// What the user, or the device, is called.
    pub display_name: Option<String>,
    /// Whether it is a device that many people share.
    pub shared_device: bool,
    /// How the directory (as a GUID) or a SCIM client knows the user.
    pub external: Option<String>,
    /// The name to sign in with that a SCIM client gave, where it is not the address.
    #[serde(default)]
    pub user_name: Option<String>,
    /// Whether a SCIM client deleted the user, whom it does not see until somebody brings the user back.
    #[serde(default)]
    pub deleted_by_client: bool,
    /// When the last invitation was made.
    pub invited_at: Option<Timestamp>,
    /// How many invitations were ever made.
    pub invitations: u32,
    /// What became of the e-mail of the last invitation: `due`, `sent`, `failed`.
    pub mail: Option<String>,
    /// When the user first could sign in.
    pub registered_at: Option<Timestamp>,
    /// Sessions begun before are over.
    pub signed_out_at: Option<Timestamp>,
}

/// Whether a user can sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    /// Can.
    Active,
    /// Asked, and has not come.
    Invited,
    /// Was suspended.
    Suspended,
    /// Is out because the account let the domain go.
    Released,
    /// Neither asked nor there.
    Unregistered,
    /// Was taken out just now; no user has it.
    Removed,
}

impl UserStatus {
    /// All that a user can have.
    pub const ALL: [Self; 5] = [Self::Active, Self::Invited, Self::Suspended, Self::Released, Self::Unregistered];

    /// Of a user of that account.
    pub fn of(account: &Account, user: &User) -> Self {
        if account.is_released(user) {
            return Self::Released;
        }
        match (user.registration, user.invitation) {
            (Registration::Registered, _) => Self::Active,
            (Registration::Suspended, _) => Self::Suspended,
            (Registration::Unregistered, Invitation::Pending) => Self::Invited,
            (Registration::Unregistered, Invitation::None | Invitation::Accepted) => Self::Unregistered,
        }
    }

    /// As in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Invited => "invited",
            Self::Suspended => "suspended",
            Self::Released => "released",
            Self::Unregistered => "unregistered",
            Self::Removed => "removed",
        }
    }
}

impl fmt::Display for UserStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// For whom a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// As named in the command.
    pub who: String,
    /// The admin API's error code.
    pub code: String,
    /// Why, for a person.
    pub message: String,
}

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Its number.
    pub number: u64,
    /// What it says.
    #[serde(flatten)]
    pub entry: Entry,
}

pub(super) fn account_line(account: &Account) -> AccountLine {
    let profile = account.profile();
    AccountLine {
        id: profile.id.to_string(),
        name: profile.name.clone(),
        kind: profile.kind.to_string(),
        users: account.users().len(),
        created_at: profile.created_at,
        closed_at: profile.details.closed_at,
    }
}

pub(super) fn account(account: &Account) -> AccountView {
    let (profile, census) = (account.profile(), account.census());
    let seats = |(licence, seats): (Tier, crate::store::Seats)| LicenceSeats {
        licence,
        active: seats.active,
        suspended: seats.suspended,
    };
    AccountView {
        id: profile.id.to_string(),
        name: profile.name.clone(),
        kind: profile.kind.to_string(),
        default_licence: profile.default_licence.clone(),
        licences: census.licences.into_iter().map(seats).collect(),
        without_licence: census.without_licence,
        invited: census.invited,
        billable: census.billable,
        users: account.users().len(),
        domains: domains(account),
        created_at: profile.created_at,
        closed_at: profile.details.closed_at,
    }
}

pub(super) fn domains(account: &Account) -> Vec<DomainView> {
    let profile = account.profile();
    let verified = profile.domains.iter().map(|domain| DomainView {
        domain: domain.clone(),
        state: DomainState::Verified,
        record: None,
        at: None,
    });
    let mut domains: Vec<DomainView> = verified.chain(profile.claims.values().map(claim)).collect();
    domains.sort_by(|a, b| a.domain.cmp(&b.domain));
    domains
}

pub(super) fn claim(claim: &Claim) -> DomainView {
    let Claim { domain, token, at, released_at } = claim;
    match token {
        Some(token) => DomainView {
            domain: domain.clone(),
            state: DomainState::Claimed,
            record: Some(dns::record(token)),
            at: Some(*at),
        },
        None => DomainView { domain: domain.clone(), state: DomainState::Released, record: None, at: *released_at },
    }
}

pub(super) fn user(account: &Account, user: &User) -> UserView {
    let details = user.details();
    let mail = match details.mail {
        Mail::None => None,
        Mail::Due => Some("due"),
        Mail::Sent => Some("sent"),
        Mail::Failed => Some("failed"),
    };
    UserView {
        id: user.id.to_string(),
        account: account.profile().id.to_string(),
        email: user.email.clone(),
        status: UserStatus::of(account, user),
        licence: user.licence.clone(),
        display_name: details.display_name,
        shared_device: details.shared_device,
        external: user.external_id(),
        user_name: user.provisioned().user_name,
        deleted_by_client: user.is_put_away(),
        invited_at: user.invited_at,
        invitations: user.invitations_sent,
        mail: mail.map(str::to_owned),
        registered_at: user.registered_at,
        signed_out_at: details.signed_out_at,
    }
}

pub(super) fn sign_in(email: &Email, standing: SignIn) -> Answer {
    let email = email.clone();
    match standing {
        SignIn::Allowed { account, user: _, licence } => Answer::SignIn {
            email,
            allowed: true,
            message: format!("yes, with {licence}"),
            account: Some(account.to_string()),
            licence: Some(licence),
            reason: None,
        },
        SignIn::Denied(denial) => Answer::SignIn {
            email,
            allowed: false,
            account: None,
            licence: None,
            reason: Some(denial.word().to_owned()),
            message: denial.to_string(),
        },
    }
}
