//! One call of the admin API as a value: what is asked for, and whether it may be said twice.

use crate::accounts::reach;
use crate::accounts::reach::call::RESERVED;
use crate::accounts::reach::failure::Failure;
use crate::wire::{
    BatchCreateUserRequest, BatchUpdateUserRequest, CreateUserRequest, InviteUsersRequest, RESULTS_MAX,
    UpdateUserRequest, UserIdListRequest, operation,
};
use http::Method;
use percent_encoding::utf8_percent_encode;
use serde::Serialize;
use std::fmt;

/// The operations this client uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// The account itself.
    GetAccount,
    /// A page of users, or the user with one address.
    ListUsers,
    /// One user by key.
    GetUser,
    /// Licences and addresses, 20 at a time.
    BatchUpdateUser,
    /// The right to sign in taken, 50 at a time; in a team account the whole user.
    BatchSuspendUser,
    /// The right to sign in given back, 50 at a time.
    BatchUnsuspendUser,
    /// Invitations by e-mail, 50 at a time.
    InviteUsers,
    /// Users of a directory account made, 50 at a time: an extension.
    BatchCreateUser,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::GetAccount,
        Self::ListUsers,
        Self::GetUser,
        Self::BatchUpdateUser,
        Self::BatchSuspendUser,
        Self::BatchUnsuspendUser,
        Self::InviteUsers,
        Self::BatchCreateUser,
    ];

    /// As in the service model.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GetAccount => "GetAccount",
            Self::ListUsers => "ListUsers",
            Self::GetUser => "GetUser",
            Self::BatchUpdateUser => "BatchUpdateUser",
            Self::BatchSuspendUser => "BatchSuspendUser",
            Self::BatchUnsuspendUser => "BatchUnsuspendUser",
            Self::InviteUsers => "InviteUsers",
            Self::BatchCreateUser => "BatchCreateUser",
        }
    }
}

/// As in the service model.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl reach::call::Operation for Operation {
    fn name(self) -> &'static str {
        Self::name(self)
    }
}

/// One call of the admin API. Without a body it is a GET, with one a POST.
pub(super) type Call = reach::call::Call<Operation>;

impl Call {
    /// GetAccount.
    pub(super) fn account(account: &str) -> Result<Self, Failure> {
        Self::get(Operation::GetAccount, &["accounts", account], &[])
    }

    /// ListUsers: one page.
    pub(super) fn page(account: &str, token: Option<&str>) -> Result<Self, Failure> {
        let most = RESULTS_MAX.to_string();
        let mut query = vec![("max-results", most.as_str())];
        query.extend(token.map(|token| ("next-token", token)));
        Self::get(Operation::ListUsers, &["accounts", account, "users"], &query)
    }

    /// ListUsers: whether there is one person.
    pub(super) fn anybody(account: &str) -> Result<Self, Failure> {
        let query = [("max-results", "1"), ("user-type", "PrivateUser")];
        Self::get(Operation::ListUsers, &["accounts", account, "users"], &query)
    }

    /// ListUsers: who has that address.
    pub(super) fn by_email(account: &str, email: &str) -> Result<Self, Failure> {
        Self::get(Operation::ListUsers, &["accounts", account, "users"], &[("user-email", email)])
    }

    /// GetUser.
    pub(super) fn user(account: &str, id: &str) -> Result<Self, Failure> {
        Self::get(Operation::GetUser, &["accounts", account, "users", id], &[])
    }

    /// BatchUpdateUser.
    pub(super) fn update(account: &str, items: Vec<UpdateUserRequest>) -> Result<Self, Failure> {
        let body = BatchUpdateUserRequest { update_user_request_items: Some(items) };
        Self::post(Operation::BatchUpdateUser, account, &[], &body, true)
    }

    /// BatchSuspendUser.
    pub(super) fn suspend(account: &str, ids: Vec<String>) -> Result<Self, Failure> {
        let body = UserIdListRequest { user_id_list: Some(ids) };
        Self::post(Operation::BatchSuspendUser, account, &[("operation", operation::SUSPEND)], &body, true)
    }

    /// BatchUnsuspendUser.
    pub(super) fn unsuspend(account: &str, ids: Vec<String>) -> Result<Self, Failure> {
        let body = UserIdListRequest { user_id_list: Some(ids) };
        Self::post(Operation::BatchUnsuspendUser, account, &[("operation", operation::UNSUSPEND)], &body, true)
    }

    /// InviteUsers; only with the extension does it leave alone who has been asked, so that it may be said twice.
    pub(super) fn invite(account: &str, emails: Vec<String>, once: bool) -> Result<Self, Failure> {
        let body = InviteUsersRequest {
            user_email_list: Some(emails),
            user_type: None,
            resend_pending: once.then_some(false),
        };
        Self::post(Operation::InviteUsers, account, &[("operation", operation::ADD)], &body, once)
    }

    /// BatchCreateUser. Made twice, the second time is a conflict, which is looked into.
    pub(super) fn create(account: &str, items: Vec<CreateUserRequest>) -> Result<Self, Failure> {
        let body = BatchCreateUserRequest { create_user_request_items: Some(items) };
        Self::post(Operation::BatchCreateUser, account, &[("operation", operation::BATCH_CREATE)], &body, true)
    }

    fn get(operation: Operation, segments: &[&str], query: &[(&str, &str)]) -> Result<Self, Failure> {
        let target = target(segments, query)?;
        Ok(Self { operation, method: Method::GET, target, body: None, if_match: None, absolute: true })
    }

    fn post(
        operation: Operation,
        account: &str,
        query: &[(&str, &str)],
        body: &impl Serialize,
        absolute: bool,
    ) -> Result<Self, Failure> {
        let target = target(&["accounts", account, "users"], query)?;
        let body = serde_json::to_vec(body).map_err(|error| Failure::not_sent(operation, error))?;
        Ok(Self { operation, method: Method::POST, target, body: Some(body), if_match: None, absolute })
    }
}

/// Path and query, percent-encoded. A segment of dots alone would be taken for a folder above.
fn target(segments: &[&str], query: &[(&str, &str)]) -> Result<String, Failure> {
    let mut target = String::new();
    for segment in segments {
        if segment.bytes().all(|byte| byte == b'.') {
            let message = format!("{segment:?} cannot be the id of an account or a user; nothing was sent");
            return Err(Failure::refused_here(message));
        }
        target.push('/');
        target.extend(utf8_percent_encode(segment, RESERVED));
    }
    for (index, (name, value)) in query.iter().enumerate() {
        target.push(if index == 0 { '?' } else { '&' });
        target.push_str(name);
        target.push('=');
        target.extend(utf8_percent_encode(value, RESERVED));
    }
    Ok(target)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::accounts::reach::tally::Tally;

    #[test]
    fn a_call_is_written_as_the_contract_has_it() {
        let get = |call: Result<Call, Failure>| call.unwrap().target;
        assert_eq!(get(Call::account("a1")), "/accounts/a1");
        assert_eq!(get(Call::page("a1", Some("to/k=2"))), "/accounts/a1/users?max-results=200&next-token=to%2Fk%3D2");
        assert_eq!(get(Call::by_email("a1", "u1+x@ex.com")), "/accounts/a1/users?user-email=u1%2Bx%40ex.com");
        assert_eq!(get(Call::user("a1", "a b/c@d")), "/accounts/a1/users/a%20b%2Fc%40d");
        for id in ["", ".", ".."] {
            assert!(Call::user("a1", id).is_err());
        }
        let update = UpdateUserRequest {
            user_id: Some("u1".into()),
            license_type: Some("Pro".into()),
            ..UpdateUserRequest::default()
        };
        let body = |call: Result<Call, Failure>| String::from_utf8(call.unwrap().body.unwrap()).unwrap();
        assert_eq!(
            body(Call::update("a1", vec![update])),
            r#"{"UpdateUserRequestItems":[{"UserId":"u1","LicenseType":"Pro"}]}"#
        );
        assert_eq!(body(Call::suspend("a1", vec!["u1".into()])), r#"{"UserIdList":["u1"]}"#);
        assert_eq!(body(Call::invite("a1", vec!["x@ex.com".into()], false)), r#"{"UserEmailList":["x@ex.com"]}"#);
    }

    #[test]
    fn only_a_bare_invitation_may_not_be_said_twice() {
        assert!(!Call::invite("a", vec![], false).unwrap().absolute);
        assert!(Call::invite("a", vec![], true).unwrap().absolute);
        assert!(Call::suspend("a", vec![]).unwrap().absolute && Call::account("a").unwrap().absolute);
    }

    #[test]
    fn every_operation_has_its_own_count() {
        let tally = Tally::new();
        for (index, operation) in Operation::ALL.into_iter().enumerate() {
            (0..=index).for_each(|_| tally.count(operation));
        }
        for (index, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(tally.of(operation), index as u64 + 1);
        }
    }
}
