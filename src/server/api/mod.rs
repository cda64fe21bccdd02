//! The Chime admin API over the book.
//!
//! | file | what is in it |
//! |---|---|
//! | `route` | which operation a request line asks for |
//! | `view` | accounts and users in the words of the API |
//! | `accounts`, `users`, `batches` | the operations, each a change of the book |
//!
//! Deliberately absent: who may ask (`admission`), HTTP (`http`), any rule about seats (`store`).

mod accounts;
mod batches;
pub mod route;
mod users;
pub mod view;

use super::desk::{Caller, Desk, DeskError};
use crate::model::{Email, Timestamp, UserId};
use crate::store::{Account, AccountId, Book, Refusal, RefusalCode};
use crate::wire::{ErrorCode, Exception, Extension, Object, RESULTS_DEFAULT, RESULTS_MAX};
use route::{Asked, Operation};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The API of one account store.
#[derive(Clone)]
pub struct Api {
    desk: Desk,
    aws_account_id: Arc<str>,
    /// No extensions: as the original.
    strict: bool,
}

/// Who asks, and for which accounts.
#[derive(Clone, Debug)]
pub struct Asker {
    /// For the audit log.
    pub caller: Caller,
    /// The accounts within reach; `None` for all.
    pub scope: Option<Arc<BTreeSet<String>>>,
}

impl Asker {
    /// Whether that account is within reach.
    pub fn reaches(&self, account: &AccountId) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.contains(account.as_str()))
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// JSON, or nothing.
    pub body: Option<Vec<u8>>,
}

/// A request that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which exception.
    pub exception: Exception,
    /// The code in the body, where it says more than the exception.
    pub code: ErrorCode,
    /// Why, and what to do.
    pub message: String,
    /// When to try again, in seconds.
    pub retry_after: Option<u64>,
}

impl Fault {
    /// Of that kind.
    pub fn new(exception: Exception, message: impl Into<String>) -> Self {
        Self { exception, code: exception.code(), message: message.into(), retry_after: None }
    }

    fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Exception::BadRequest, message)
    }
}

impl From<Refusal> for Fault {
    fn from(Refusal { code, message }: Refusal) -> Self {
        let exception = match code {
            // The model has no exception of that name: the body's code says it.
            RefusalCode::BadRequest | RefusalCode::PreconditionFailed => Exception::BadRequest,
            RefusalCode::NotFound => Exception::NotFound,
            RefusalCode::Conflict => Exception::Conflict,
            RefusalCode::Forbidden => Exception::Forbidden,
            RefusalCode::Unprocessable => Exception::UnprocessableEntity,
            RefusalCode::ResourceLimitExceeded => Exception::ResourceLimitExceeded,
        };
        Self { exception, code: error_code(code), message, retry_after: None }
    }
}

impl From<DeskError> for Fault {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Busy { message } => {
                Self { retry_after: Some(1), ..Self::new(Exception::ServiceUnavailable, message) }
            }
            // What the disk said is for the log of this server.
            DeskError::Broken { .. } => {
                let message =
                    "the account store could not write; whether it was done is not known, look before trying again";
                Self::new(Exception::ServiceFailure, message)
            }
        }
    }
}

/// The code of one item that was refused.
fn error_code(code: RefusalCode) -> ErrorCode {
    match code {
        RefusalCode::BadRequest => ErrorCode::BadRequest,
        RefusalCode::NotFound => ErrorCode::NotFound,
        RefusalCode::Conflict => ErrorCode::Conflict,
        RefusalCode::Forbidden => ErrorCode::Forbidden,
        RefusalCode::PreconditionFailed => ErrorCode::PreconditionFailed,
        RefusalCode::Unprocessable => ErrorCode::Unprocessable,
        RefusalCode::ResourceLimitExceeded => ErrorCode::ResourceLimitExceeded,
    }
}

impl Api {
    /// Over that desk. `aws_account_id` is shown in every account.
    pub fn new(desk: Desk, aws_account_id: &str, strict: bool) -> Self {
        Self { desk, aws_account_id: aws_account_id.into(), strict }
    }

    /// Carries out a request whose sender may do it. [`Operation::Command`] is not one of the API's.
    ///
    /// # Errors
    /// As the contract says.
    pub async fn perform(&self, asker: &Asker, asked: &Asked, body: &[u8]) -> Result<Reply, Fault> {
        let ask = Ask { api: self, asker, asked, body };
        match asked.operation {
            Operation::ListAccounts => ask.list_accounts().await,
            Operation::CreateAccount => ask.create_account().await,
            Operation::GetAccount => ask.get_account().await,
            Operation::UpdateAccount => ask.update_account().await,
            Operation::DeleteAccount => ask.delete_account().await,
            Operation::GetAccountSettings => ask.get_account_settings().await,
            Operation::UpdateAccountSettings => ask.update_account_settings().await,
            Operation::AssociateSigninDelegateGroupsWithAccount => ask.associate_groups().await,
            Operation::DisassociateSigninDelegateGroupsFromAccount => ask.disassociate_groups().await,
            Operation::ListUsers => ask.list_users().await,
            Operation::GetUser => ask.get_user().await,
            Operation::CreateUser => ask.create_user().await,
            Operation::UpdateUser => ask.update_user().await,
            Operation::LogoutUser => ask.log_out().await,
            Operation::GetUserSettings => ask.get_user_settings().await,
            Operation::UpdateUserSettings => ask.update_user_settings().await,
            Operation::ResetPersonalPIN => ask.reset_pin().await,
            Operation::BatchUpdateUser => ask.batch_update().await,
            Operation::BatchSuspendUser => ask.batch_suspend().await,
            Operation::BatchUnsuspendUser => ask.batch_unsuspend().await,
            Operation::InviteUsers => ask.invite().await,
            Operation::BatchCreateUser if !self.strict => ask.batch_create().await,
            Operation::BatchCreateUser | Operation::Command => Err(unknown_operation()),
        }
    }

    fn extensions(&self) -> &'static [Extension] {
        if self.strict { &[] } else { &Extension::ALL }
    }
}

/// Where nothing is.
pub fn unknown_operation() -> Fault {
    Fault::new(Exception::NotFound, "this service has no such operation")
}

/// One request on its way.
struct Ask<'a> {
    api: &'a Api,
    asker: &'a Asker,
    asked: &'a Asked,
    body: &'a [u8],
}

impl Ask<'_> {
    /// The account in the path.
    fn account(&self) -> Result<AccountId, Fault> {
        let text = self.asked.account.as_deref().unwrap_or_default();
        AccountId::parse(text).ok_or_else(|| Fault::new(Exception::NotFound, format!("there is no account {text:?}")))
    }

    /// The user in the path.
    fn user(&self) -> UserId {
        UserId::new(self.asked.user.as_deref().unwrap_or_default())
    }

    /// The body, which may be missing only where every member is optional.
    fn read<T: DeserializeOwned + Default>(&self) -> Result<T, Fault> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(T::default());
        }
        serde_json::from_slice(self.body)
            .map(|Object(body)| body)
            .map_err(|error| Fault::bad_request(format!("the body is not what this operation takes: {error}")))
    }

    /// Looks at the book.
    async fn look<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Book) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Fault> {
        Ok(self.api.desk.look(question).await??)
    }

    /// Changes the book.
    async fn change<T: Send + 'static>(
        &self,
        edit: impl FnOnce(&mut Book, Timestamp) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Fault> {
        Ok(self.api.desk.change(&self.asker.caller, self.asked.operation.name(), edit).await??)
    }

    /// Changes the account in the path.
    async fn change_account<T: Send + 'static>(
        &self,
        edit: impl FnOnce(&mut Account, Timestamp) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Fault> {
        let id = self.account()?;
        self.change(move |book, at| edit(book.account_mut(&id)?, at)).await
    }

    /// `max-results`.
    fn results(&self) -> Result<usize, Fault> {
        match self.asked.query("max-results") {
            None => Ok(RESULTS_DEFAULT),
            Some(text) => match text.parse() {
                Ok(number) if (1..=RESULTS_MAX).contains(&number) => Ok(number),
                Ok(_) | Err(_) => {
                    Err(Fault::bad_request(format!("max-results is a number from 1 to {RESULTS_MAX}, not {text:?}")))
                }
            },
        }
    }

    /// `next-token`: the id after which the next page begins.
    fn after(&self) -> Result<Option<String>, Fault> {
        let malformed = || Fault::bad_request("next-token is none that this service gave");
        self.asked.query("next-token").map(|text| token_in(text).ok_or_else(malformed)).transpose()
    }
}

/// The id as a token that nobody is tempted to build.
fn token_out(id: &str) -> String {
    let hex: String = id.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{TOKEN_VERSION}{hex}")
}

fn token_in(token: &str) -> Option<String> {
    let hex = token.strip_prefix(TOKEN_VERSION).filter(|hex| hex.is_ascii() && hex.len() % 2 == 0)?;
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
    String::from_utf8(bytes?).ok()
}

const TOKEN_VERSION: &str = "1-";

/// An answer with a body.
fn json(status: u16, body: &impl Serialize) -> Result<Reply, Fault> {
    let body = serde_json::to_vec(body)
        .map_err(|error| Fault::new(Exception::ServiceFailure, format!("the answer cannot be written: {error}")))?;
    Ok(Reply { status, body: Some(body) })
}

/// 204, nothing to say.
fn no_content() -> Reply {
    Reply { status: 204, body: None }
}

/// A list in a body: there, and not longer than allowed.
fn bounded<T>(list: Option<Vec<T>>, name: &str, most: usize) -> Result<Vec<T>, Fault> {
    let list = list.ok_or_else(|| Fault::bad_request(format!("{name} is required")))?;
    if list.len() > most {
        let message = format!("{name} has {} members, at most {most} are allowed", list.len());
        return Err(Fault::bad_request(message));
    }
    Ok(list)
}

fn address(text: &str) -> Result<Email, Refusal> {
    let wrong = || Refusal::new(RefusalCode::BadRequest, format!("{text:?} is not an e-mail address"));
    Email::parse(text).ok_or_else(wrong)
}

/// A new key for an account or a user.
fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_others_are_refused() {
        for id in ["", "u1", "a/b c@d", "ünï"] {
            assert_eq!(token_in(&token_out(id)).as_deref(), Some(id));
        }
        for token in ["", "u1", "1-0", "1-zz", "2-00", "1-ff", "1-€€"] {
            assert_eq!(token_in(token), None, "{token}");
        }
    }
}
