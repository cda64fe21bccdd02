//! The Chime admin API in bytes: what both the server and the agent's client say to each other.
//!
//! | file | what is in it |
//! |---|---|
//! | `shapes` | the bodies, member for member as in the service model (`chime`, 2018-05-01) |
//! | `code` | error codes, the exceptions they are in, and the HTTP status of each |
//! | `signature` | SigV4: what is signed, and the check of it |
//!
//! All of it is pure. The service ended in February 2026; its contract lives on in boto3, the AWS CLI and the AWS SDKs, which
//! are what the tests hold it against.
//!
//! Beyond the contract there are four extensions, each declared in the `Extensions` member of an account (see
//! [`Extension`]); a client that does not know them sees nothing of them, and `strict = true` switches them off.
//!
//! Deliberately absent: meetings, phone numbers, bots, rooms and everything else of the model that is not about accounts and
//! their users.

mod code;
mod shapes;
pub mod signature;

pub use code::{ErrorCode, Exception};
pub use shapes::*;

/// Most items of one BatchUpdateUser.
pub const UPDATE_ITEMS_MAX: usize = 20;
/// Most ids of one BatchSuspendUser or BatchUnsuspendUser.
pub const ID_LIST_MAX: usize = 50;
/// Most addresses of one InviteUsers.
pub const EMAIL_LIST_MAX: usize = 50;
/// Most items of one BatchCreateUser, an extension.
pub const CREATE_ITEMS_MAX: usize = 50;
/// Largest `max-results` of a list, in entries.
pub const RESULTS_MAX: usize = 200;
/// `max-results` where none is given.
pub const RESULTS_DEFAULT: usize = 100;
/// Longest account name, in characters.
pub const ACCOUNT_NAME_CHARS_MAX: usize = 100;

/// The name of the service in a SigV4 credential scope.
pub const SERVICE: &str = "chime";

/// Header with the name of the exception; clients read it before the body.
pub const HEADER_ERROR_TYPE: &str = "x-amzn-errortype";
/// Header with the id of the request, for both sides' logs.
pub const HEADER_REQUEST_ID: &str = "x-amzn-requestid";

/// Values of `?operation=`, by which one path carries several operations.
pub mod operation {
    /// InviteUsers.
    pub const ADD: &str = "add";
    /// CreateUser.
    pub const CREATE: &str = "create";
    /// BatchCreateUser, an extension.
    pub const BATCH_CREATE: &str = "batch-create";
    /// BatchSuspendUser.
    pub const SUSPEND: &str = "suspend";
    /// BatchUnsuspendUser.
    pub const UNSUSPEND: &str = "unsuspend";
    /// LogoutUser.
    pub const LOGOUT: &str = "logout";
    /// ResetPersonalPIN.
    pub const RESET_PIN: &str = "reset-personal-pin";
    /// AssociateSigninDelegateGroupsWithAccount.
    pub const ASSOCIATE_GROUPS: &str = "associate-signin-delegate-groups";
    /// DisassociateSigninDelegateGroupsFromAccount.
    pub const DISASSOCIATE_GROUPS: &str = "disassociate-signin-delegate-groups";
}
