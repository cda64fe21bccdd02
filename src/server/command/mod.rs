//! What an administrator can ask of the account store: commands as values, and one way to carry them out.
//!
//! The same value is what the command line performs on the files of a stopped server, and what it sends to a running one
//! (`POST /seatstore/v1/command`, as JSON): both do the same, refuse in the same words, and leave the same entry in the
//! audit log.
//!
//! | file | what is in it |
//! |---|---|
//! | `perform` | a command, the book, and what comes from outside: the answer, or a refusal |
//! | `view` | the answers |
//! | `ask` | a command at the desk of a running server |
//!
//! Deliberately absent: who may give which command (a matter of keys: see [`Command::account`] and
//! [`Command::is_read_only`]), words for people, any change that the book itself does not know.

mod ask;
mod perform;
#[cfg(test)]
mod tests;
mod view;

pub use ask::{CommandError, answer};
pub use perform::{VouchedAccount, create_vouched};
pub use view::{
    AccountLine, AccountView, Answer, DomainState, DomainView, Failure, LicenceSeats, LogLine, UserStatus, UserView,
};

use crate::model::{Email, Tier, UserId};
use crate::store::{AccountId, AccountKind, Entry};
use serde::{Deserialize, Serialize};

/// Most people in one command.
pub const PEOPLE_MAX: usize = 50;
/// Most lines of one answer.
pub const LINES_MAX: usize = 1_000;
/// Most entries of the audit log that one command looks at.
pub const LOG_SCAN_MAX: usize = 1_000;

/// What an administrator asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Makes a team account.
    AccountCreate {
        /// For people.
        name: String,
        /// For programs; one is made up without.
        #[serde(default)]
        id: Option<AccountId>,
    },
    /// All accounts, the deleted ones included, by id.
    AccountList {
        /// The id of the last one seen.
        #[serde(default)]
        after: Option<AccountId>,
    },
    /// One account with its seats.
    AccountShow {
        /// Which.
        account: AccountId,
    },
    /// Gives an account another name.
    AccountRename {
        /// Which.
        account: AccountId,
        /// The new name.
        name: String,
    },
    /// Sets the licence of those who come from now on.
    AccountDefaultLicence {
        /// Which.
        account: AccountId,
        /// A supported one.
        licence: Tier,
    },
    /// Adds a licence to those supported.
    AccountSupport {
        /// Which.
        account: AccountId,
        /// The new one.
        licence: Tier,
    },
    /// Makes it an account that follows a directory.
    AccountConnectDirectory {
        /// Which.
        account: AccountId,
    },
    /// Makes it an enterprise account of that kind.
    AccountKind {
        /// Which.
        account: AccountId,
        /// As in the admin API: `EnterpriseOIDC`.
        kind: String,
    },
    /// Deletes an account.
    AccountDelete {
        /// Which.
        account: AccountId,
    },
    /// Takes a deletion back.
    AccountRestore {
        /// Which.
        account: AccountId,
    },
    /// Begins to claim a domain: the answer says what its DNS has to show.
    DomainClaim {
        /// For which account.
        account: AccountId,
        /// The domain.
        domain: String,
    },
    /// Looks at the DNS, and makes the domain the account's.
    DomainVerify {
        /// For which account.
        account: AccountId,
        /// The domain.
        domain: String,
    },
    /// Lets a verified domain go.
    DomainRelease {
        /// Of which account.
        account: AccountId,
        /// The domain.
        domain: String,
    },
    /// Gives up a claim that was not verified.
    DomainUnclaim {
        /// Of which account.
        account: AccountId,
        /// The domain.
        domain: String,
    },
    /// The domains of an account, in all states.
    DomainList {
        /// Of which account.
        account: AccountId,
    },
    /// The users of an account, by id.
    UserList {
        /// Of which account.
        account: AccountId,
        /// Only those.
        #[serde(default)]
        status: Option<UserStatus>,
        /// Only those who hold it.
        #[serde(default)]
        licence: Option<Tier>,
        /// Only those of that domain.
        #[serde(default)]
        domain: Option<String>,
        /// The id of the last one seen.
        #[serde(default)]
        after: Option<UserId>,
    },
    /// One user.
    UserShow {
        /// Of which account.
        account: AccountId,
        /// Id or address.
        who: String,
    },
    /// Asks people to join, by e-mail.
    UserInvite {
        /// Into which account.
        account: AccountId,
        /// Whom.
        emails: Vec<Email>,
        /// Whether those who were asked before and have not come are asked again; their old links are void then.
        #[serde(default)]
        again: bool,
    },
    /// The link of a pending invitation. Who has it can accept: no matter for those who may only read.
    UserLink {
        /// Of which account.
        account: AccountId,
        /// Id or address.
        who: String,
    },
    /// Accepts an invitation in the name of the person.
    UserAccept {
        /// Of which account.
        account: AccountId,
        /// Id or address.
        who: String,
    },
    /// Registers a person.
    UserRegister {
        /// In which account; without, in the one that has the domain.
        #[serde(default)]
        account: Option<AccountId>,
        /// Whom.
        email: Email,
    },
    /// Makes a user of an account that follows a directory.
    UserCreate {
        /// Of which account.
        account: AccountId,
        /// The address.
        email: Email,
        /// A supported one.
        licence: Tier,
    },
    /// Makes a user for a device that many people share.
    UserDevice {
        /// Of which account.
        account: AccountId,
        /// What people see.
        name: String,
        /// The address.
        email: Email,
    },
    /// Gives a licence in place of the one held.
    UserAssign {
        /// Of which account.
        account: AccountId,
        /// A supported one.
        licence: Tier,
        /// Ids or addresses.
        who: Vec<String>,
    },
    /// Signs users out until they are activated.
    UserSuspend {
        /// Of which account.
        account: AccountId,
        /// Ids or addresses.
        who: Vec<String>,
    },
    /// Lets suspended users sign in again.
    UserActivate {
        /// Of which account.
        account: AccountId,
        /// Ids or addresses.
        who: Vec<String>,
    },
    /// Takes users out of a team.
    UserRemove {
        /// Of which account.
        account: AccountId,
        /// Ids or addresses.
        who: Vec<String>,
    },
    /// Takes invitations back.
    UserWithdraw {
        /// Of which account.
        account: AccountId,
        /// Ids or addresses.
        who: Vec<String>,
    },
    /// Gives a user another address.
    UserRename {
        /// Of which account.
        account: AccountId,
        /// Id or address.
        who: String,
        /// The new address.
        email: Email,
    },
    /// Ends the sessions of a user.
    UserSignOut {
        /// Of which account.
        account: AccountId,
        /// Id or address.
        who: String,
    },
    /// The audit log, the newest entry first.
    Audit {
        /// Only of that account.
        #[serde(default)]
        account: Option<AccountId>,
        /// Only of that user: id, or address at the time.
        #[serde(default)]
        user: Option<String>,
        /// Only entries before the one of that number.
        #[serde(default)]
        before: Option<u64>,
        /// At most so many.
        #[serde(default)]
        most: Option<usize>,
    },
    /// Whether a person may sign in.
    SignIn {
        /// Whom.
        email: Email,
    },
}

/// What a command needs and no book has: it comes from outside, as values.
#[derive(Clone, Debug, Default)]
pub struct Fresh {
    /// Ids that were never used.
    pub ids: Vec<String>,
    /// What the DNS of a domain is to show, if one is claimed.
    pub token: String,
    /// The secret of the links in invitations, if the book has none.
    pub secret: [u8; 32],
    /// The TXT records of the domain in question.
    pub texts: Vec<String>,
    /// The newest entries of the audit log before the number in question.
    pub log: Vec<(u64, Entry)>,
}

impl Fresh {
    /// What `command` needs, as far as chance can give it.
    ///
    /// # Errors
    /// In words, when the machine has no randomness.
    pub fn draw(command: &Command) -> Result<Self, String> {
        Self::draw_ids(command.ids_needed())
    }

    /// As [`Fresh::draw`], with so many ids.
    ///
    /// # Errors
    /// In words, when the machine has no randomness.
    pub fn draw_ids(count: usize) -> Result<Self, String> {
        let draw = |bytes: &mut [u8]| {
            getrandom::fill(bytes).map_err(|error| format!("the operating system gave no random bytes: {error}"))
        };
        let (mut token, mut secret) = ([0; 20], [0; 32]);
        draw(&mut token)?;
        draw(&mut secret)?;
        let ids = (0..count).map(|_| uuid::Uuid::new_v4().to_string()).collect();
        let token = token.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { ids, token, secret, ..Self::default() })
    }
}

impl Command {
    /// The account that it is about: what a key has to reach. `None` is for keys that reach all.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::AccountCreate { .. } | Self::AccountList { .. } | Self::SignIn { .. } => None,
            Self::UserRegister { account, .. } | Self::Audit { account, .. } => account.as_ref(),
            Self::AccountShow { account }
            | Self::AccountRename { account, .. }
            | Self::AccountDefaultLicence { account, .. }
            | Self::AccountSupport { account, .. }
            | Self::AccountConnectDirectory { account }
            | Self::AccountKind { account, .. }
            | Self::AccountDelete { account }
            | Self::AccountRestore { account }
            | Self::DomainClaim { account, .. }
            | Self::DomainVerify { account, .. }
            | Self::DomainRelease { account, .. }
            | Self::DomainUnclaim { account, .. }
            | Self::DomainList { account }
            | Self::UserList { account, .. }
            | Self::UserShow { account, .. }
            | Self::UserInvite { account, .. }
            | Self::UserLink { account, .. }
            | Self::UserAccept { account, .. }
            | Self::UserCreate { account, .. }
            | Self::UserDevice { account, .. }
            | Self::UserAssign { account, .. }
            | Self::UserSuspend { account, .. }
            | Self::UserActivate { account, .. }
            | Self::UserRemove { account, .. }
            | Self::UserWithdraw { account, .. }
            | Self::UserRename { account, .. }
            | Self::UserSignOut { account, .. } => Some(account),
        }
    }

    /// Whether a key that may only read is enough.
    pub fn is_read_only(&self) -> bool {
        match self {
            Self::AccountList { .. }
            | Self::AccountShow { .. }
            | Self::DomainList { .. }
            | Self::UserList { .. }
            | Self::UserShow { .. }
            | Self::Audit { .. }
            | Self::SignIn { .. } => true,
            Self::AccountCreate { .. }
            | Self::AccountRename { .. }
            | Self::AccountDefaultLicence { .. }
            | Self::AccountSupport { .. }
            | Self::AccountConnectDirectory { .. }
            | Self::AccountKind { .. }
            | Self::AccountDelete { .. }
            | Self::AccountRestore { .. }
            | Self::DomainClaim { .. }
            | Self::DomainVerify { .. }
            | Self::DomainRelease { .. }
            | Self::DomainUnclaim { .. }
            | Self::UserInvite { .. }
            | Self::UserLink { .. }
            | Self::UserAccept { .. }
            | Self::UserRegister { .. }
            | Self::UserCreate { .. }
            | Self::UserDevice { .. }
            | Self::UserAssign { .. }
            | Self::UserSuspend { .. }
            | Self::UserActivate { .. }
            | Self::UserRemove { .. }
            | Self::UserWithdraw { .. }
            | Self::UserRename { .. }
            | Self::UserSignOut { .. } => false,
        }
    }

    /// Its name in the audit log: that of the admin API where it has one.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::AccountCreate { .. } => "CreateAccount",
            Self::AccountList { .. } => "ListAccounts",
            Self::AccountShow { .. } => "GetAccount",
            Self::AccountRename { .. } | Self::AccountDefaultLicence { .. } => "UpdateAccount",
            Self::AccountSupport { .. } => "SupportLicence",
            Self::AccountConnectDirectory { .. } => "ConnectDirectory",
            Self::AccountKind { .. } => "SetAccountKind",
            Self::AccountDelete { .. } => "DeleteAccount",
            Self::AccountRestore { .. } => "RestoreAccount",
            Self::DomainClaim { .. } => "ClaimDomain",
            Self::DomainVerify { .. } => "VerifyDomain",
            Self::DomainRelease { .. } => "ReleaseDomain",
            Self::DomainUnclaim { .. } => "UnclaimDomain",
            Self::DomainList { .. } => "ListDomains",
            Self::UserList { .. } => "ListUsers",
            Self::UserShow { .. } => "GetUser",
            Self::UserInvite { .. } => "InviteUsers",
            Self::UserLink { .. } => "GetInvitationLink",
            Self::UserAccept { .. } => "AcceptInvitation",
            Self::UserRegister { .. } => "RegisterUser",
            Self::UserCreate { .. } | Self::UserDevice { .. } => "CreateUser",
            Self::UserAssign { .. } => "BatchUpdateUser",
            Self::UserSuspend { .. } => "BatchSuspendUser",
            Self::UserActivate { .. } => "BatchUnsuspendUser",
            Self::UserRemove { .. } => "RemoveUser",
            Self::UserWithdraw { .. } => "WithdrawInvitation",
            Self::UserRename { .. } => "RenameUser",
            Self::UserSignOut { .. } => "LogoutUser",
            Self::Audit { .. } => "ListAuditLog",
            Self::SignIn { .. } => "SignIn",
        }
    }

    /// The domain whose TXT records are to be in [`Fresh::texts`], with the account that claims it.
    ///
    /// Whoever performs the command asks the DNS; nobody takes a client's word for it.
    pub fn proof_needed(&self) -> Option<(&AccountId, String)> {
        let Self::DomainVerify { account, domain } = self else { return None };
        Some((account, plain(domain)))
    }

    /// Before which entry of the audit log (its end with `None`), and how many, are to be in [`Fresh::log`].
    pub fn log_needed(&self) -> Option<(Option<u64>, usize)> {
        let Self::Audit { before, .. } = self else { return None };
        Some((*before, LOG_SCAN_MAX))
    }

    fn ids_needed(&self) -> usize {
        if let Self::UserInvite { emails, .. } = self { emails.len().min(PEOPLE_MAX) } else { 1 }
    }
}

/// A domain as the book writes it.
fn plain(domain: &str) -> String {
    domain.trim().to_lowercase()
}

/// The kind of that name in the admin API, without regard to case.
fn kind_named(name: &str) -> Option<AccountKind> {
    AccountKind::ALL.into_iter().find(|kind| kind.to_string().eq_ignore_ascii_case(name.trim()))
}
