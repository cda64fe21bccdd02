//! What a method, a path and a query ask for. Pure.

use crate::wire::operation;
use http::Method;
use percent_encoding::percent_decode_str;

/// The operations of the contract, by the names of the service model, and ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are the model's own.
pub enum Operation {
    ListAccounts,
    CreateAccount,
    GetAccount,
    UpdateAccount,
    DeleteAccount,
    GetAccountSettings,
    UpdateAccountSettings,
    AssociateSigninDelegateGroupsWithAccount,
    DisassociateSigninDelegateGroupsFromAccount,
    ListUsers,
    GetUser,
    CreateUser,
    UpdateUser,
    BatchUpdateUser,
    BatchSuspendUser,
    BatchUnsuspendUser,
    InviteUsers,
    LogoutUser,
    GetUserSettings,
    UpdateUserSettings,
    ResetPersonalPIN,
    /// Extension.
    BatchCreateUser,
    /// The administrator's commands, for the `seatstore` command line.
    Command,
}

impl Operation {
    /// For the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::ListAccounts => "ListAccounts",
            Self::CreateAccount => "CreateAccount",
            Self::GetAccount => "GetAccount",
            Self::UpdateAccount => "UpdateAccount",
            Self::DeleteAccount => "DeleteAccount",
            Self::GetAccountSettings => "GetAccountSettings",
            Self::UpdateAccountSettings => "UpdateAccountSettings",
            Self::AssociateSigninDelegateGroupsWithAccount => "AssociateSigninDelegateGroupsWithAccount",
            Self::DisassociateSigninDelegateGroupsFromAccount => "DisassociateSigninDelegateGroupsFromAccount",
            Self::ListUsers => "ListUsers",
            Self::GetUser => "GetUser",
            Self::CreateUser => "CreateUser",
            Self::UpdateUser => "UpdateUser",
            Self::BatchUpdateUser => "BatchUpdateUser",
            Self::BatchSuspendUser => "BatchSuspendUser",
            Self::BatchUnsuspendUser => "BatchUnsuspendUser",
            Self::InviteUsers => "InviteUsers",
            Self::LogoutUser => "LogoutUser",
            Self::GetUserSettings => "GetUserSettings",
            Self::UpdateUserSettings => "UpdateUserSettings",
            Self::ResetPersonalPIN => "ResetPersonalPIN",
            Self::BatchCreateUser => "BatchCreateUser",
            Self::Command => "Command",
        }
    }
}

/// Where the administrator's commands go.
pub const COMMAND_PATH: &str = "/seatstore/v1/command";

/// What is asked for, with the ids in the path and the query taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What to do.
    pub operation: Operation,
    /// In which account, as written.
    pub account: Option<String>,
    /// With which user, as written.
    pub user: Option<String>,
    /// The query, each name once.
    pub query: Vec<(String, String)>,
}

impl Asked {
    /// A member of the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }
}

/// Why nothing is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unrouted {
    /// No operation of this service is there.
    Unknown,
    /// The request line itself makes no sense.
    Malformed(&'static str),
}

/// Takes a request line apart. A `%2F` in the path is a part of its segment.
pub fn route(method: &Method, path: &str, query: &str) -> Result<Asked, Unrouted> {
    let query = pairs(query)?;
    let segments: Vec<String> = path.split('/').skip(1).map(decoded).collect::<Result<_, _>>()?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    if segments.iter().any(|segment| segment.is_empty()) {
        return Err(Unrouted::Unknown);
    }
    let wanted = query.iter().find(|(name, _)| name == "operation").map(|(_, value)| value.as_str());
    let (get, post, put, delete) =
        (method == Method::GET, method == Method::POST, method == Method::PUT, method == Method::DELETE);
    let operation = match segments.as_slice() {
        ["accounts"] if get => Operation::ListAccounts,
        ["accounts"] if post => Operation::CreateAccount,
        ["accounts", _] if get => Operation::GetAccount,
        ["accounts", _] if delete => Operation::DeleteAccount,
        ["accounts", _] if post => match wanted {
            None => Operation::UpdateAccount,
            Some(operation::ASSOCIATE_GROUPS) => Operation::AssociateSigninDelegateGroupsWithAccount,
            Some(operation::DISASSOCIATE_GROUPS) => Operation::DisassociateSigninDelegateGroupsFromAccount,
            Some(_) => return Err(Unrouted::Unknown),
        },
        ["accounts", _, "settings"] if get => Operation::GetAccountSettings,
        ["accounts", _, "settings"] if put => Operation::UpdateAccountSettings,
        ["accounts", _, "users"] if get => Operation::ListUsers,
        ["accounts", _, "users"] if post => match wanted {
            None => Operation::BatchUpdateUser,
            Some(operation::ADD) => Operation::InviteUsers,
            Some(operation::CREATE) => Operation::CreateUser,
            Some(operation::BATCH_CREATE) => Operation::BatchCreateUser,
            Some(operation::SUSPEND) => Operation::BatchSuspendUser,
            Some(operation::UNSUSPEND) => Operation::BatchUnsuspendUser,
            Some(_) => return Err(Unrouted::Unknown),
        },
        ["accounts", _, "users", _] if get => Operation::GetUser,
        ["accounts", _, "users", _] if post => match wanted {
            None => Operation::UpdateUser,
            Some(operation::LOGOUT) => Operation::LogoutUser,
            Some(operation::RESET_PIN) => Operation::ResetPersonalPIN,
            Some(_) => return Err(Unrouted::Unknown),
        },
        ["accounts", _, "users", _, "settings"] if get => Operation::GetUserSettings,
        ["accounts", _, "users", _, "settings"] if put => Operation::UpdateUserSettings,
        ["seatstore", "v1", "command"] if post => Operation::Command,
        _ => return Err(Unrouted::Unknown),
    };
    // Elsewhere nothing is told apart by it; an operation that is not ours must not fall into one that is.
    let told_apart = matches!(
        operation,
        Operation::AssociateSigninDelegateGroupsWithAccount
            | Operation::DisassociateSigninDelegateGroupsFromAccount
            | Operation::InviteUsers
            | Operation::CreateUser
            | Operation::BatchCreateUser
            | Operation::BatchSuspendUser
            | Operation::BatchUnsuspendUser
            | Operation::LogoutUser
            | Operation::ResetPersonalPIN
    );
    if wanted.is_some() && !told_apart {
        return Err(Unrouted::Unknown);
    }
    let segment =
        |at: usize| segments.get(at).filter(|_| operation != Operation::Command).map(|text| (*text).to_owned());
    Ok(Asked { operation, account: segment(1), user: segment(3), query })
}

fn pairs(query: &str) -> Result<Vec<(String, String)>, Unrouted> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name)?, decoded(value)?);
        if pairs.iter().any(|(other, _)| *other == name) {
            return Err(Unrouted::Malformed("a member of the query stands twice"));
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// A `+` is a plus: the SDKs write a blank as `%20`.
fn decoded(text: &str) -> Result<String, Unrouted> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(Unrouted::Malformed("the path or the query is not UTF-8")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_path_carries_several_operations() {
        let asked = |method: Method, path: &str, query: &str| route(&method, path, query).map(|asked| asked.operation);
        for (method, path, query, operation) in [
            (Method::GET, "/accounts", "max-results=2", Operation::ListAccounts),
            (Method::POST, "/accounts", "", Operation::CreateAccount),
            (Method::POST, "/accounts/a1", "", Operation::UpdateAccount),
            (Method::DELETE, "/accounts/a1", "", Operation::DeleteAccount),
            (Method::PUT, "/accounts/a1/settings", "", Operation::UpdateAccountSettings),
            (Method::POST, "/accounts/a1/users", "", Operation::BatchUpdateUser),
            (Method::POST, "/accounts/a1/users", "operation=suspend", Operation::BatchSuspendUser),
            (Method::POST, "/accounts/a1/users", "operation=add", Operation::InviteUsers),
            (Method::POST, "/accounts/a1/users/u1", "operation=logout", Operation::LogoutUser),
            (Method::PUT, "/accounts/a1/users/u1/settings", "", Operation::UpdateUserSettings),
            (Method::POST, COMMAND_PATH, "", Operation::Command),
        ] {
            assert_eq!(asked(method, path, query), Ok(operation), "{path}?{query}");
        }
        for (method, path, query) in [
            (Method::GET, "/", ""),
            (Method::GET, "/accounts/", ""),
            (Method::PATCH, "/accounts", ""),
            (Method::POST, "/accounts/a1/users", "operation=explode"),
            (Method::POST, "/accounts", "operation=explode"),
            (Method::GET, "/accounts/a1/users", "operation=suspend"),
            (Method::GET, "/accounts/a1/users/u1/settings/x", ""),
            (Method::GET, "/meetings", ""),
        ] {
            assert_eq!(asked(method, path, query), Err(Unrouted::Unknown), "{path}?{query}");
        }
    }

    #[test]
    fn ids_and_queries_are_decoded_once() {
        let asked = route(&Method::GET, "/accounts/a%2Fb%20c/users/a%40%252F", "user-email=u1%2Bx+y%40ex.com").unwrap();
        assert_eq!(asked.account.as_deref(), Some("a/b c"));
        assert_eq!(asked.user.as_deref(), Some("a@%2F"));
        assert_eq!(asked.query("user-email"), Some("u1+x+y@ex.com"));
        for (path, query) in [("/accounts/%ff", ""), ("/accounts", "a=%ff"), ("/accounts", "a=1&a=2")] {
            assert!(matches!(route(&Method::GET, path, query), Err(Unrouted::Malformed(_))), "{path}?{query}");
        }
    }
}
