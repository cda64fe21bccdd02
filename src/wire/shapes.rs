//! The bodies, member for member as in the service model. What is optional there is optional here, absent members are not
//! written, and members that are not known are passed over: either side may be newer.

use super::code::ErrorCode;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::marker::PhantomData;

/// A JSON object and nothing else: serde also takes a list for a structure, member by member in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfObject<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfObject<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(OfObject(PhantomData))
    }
}

/// An optional object.
fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map(|object| object.0))
}

/// An optional list of objects.
fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Vec<T>>, D::Error> {
    let list = Option::<Vec<Object<T>>>::deserialize(deserializer)?;
    Ok(list.map(|list| list.into_iter().map(|object| object.0).collect()))
}

/// An object.
fn whole<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Object::<T>::deserialize(deserializer)?.0)
}

/// What a server can do beyond the contract. A strict one, or another product, declares none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Extension {
    /// EnterpriseDirectory accounts take BatchSuspendUser, BatchUnsuspendUser and licence updates.
    DirectoryUpdates,
    /// `?operation=batch-create` makes users of an EnterpriseDirectory account, and CreateUser takes private users there.
    BatchCreateUser,
    /// BatchUpdateUser takes `PrimaryEmail`, all of one request at one moment.
    PrimaryEmail,
    /// Answers to batches carry the users as they are afterwards (`Users`), and so do invitations (`User`); InviteUsers takes
    /// `ResendPending: false`, with which who has been asked is not asked again.
    Echo,
    /// One that this program does not know.
    #[serde(other)]
    Unknown,
}

impl Extension {
    /// All that a server declares unless it is strict.
    pub const ALL: [Self; 4] = [Self::DirectoryUpdates, Self::BatchCreateUser, Self::PrimaryEmail, Self::Echo];
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)] // The members are the model's own.
pub struct Account {
    pub aws_account_id: String,
    pub account_id: String,
    pub name: String,
    /// Team, EnterpriseDirectory, EnterpriseLWA or EnterpriseOIDC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_license: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub supported_licenses: Vec<String>,
    /// Active or Suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_status: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signin_delegate_groups: Vec<SigninDelegateGroup>,
    /// Extension: what this server does beyond the contract.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// A group whose members may sign in for others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct SigninDelegateGroup {
    pub group_name: String,
}

/// A user of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct User {
    pub user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Basic, Plus, Pro or ProTrial; absent before the first licence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license_type: Option<String>,
    /// PrivateUser or SharedDevice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_type: Option<String>,
    /// Unregistered, Registered or Suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_registration_status: Option<String>,
    /// Pending, Accepted or Failed; absent for who was never invited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_invitation_status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered_on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invited_on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alexa_for_business_metadata: Option<AlexaForBusinessMetadata>,
    #[serde(rename = "PersonalPIN", skip_serializing_if = "Option::is_none")]
    pub personal_pin: Option<String>,
}

/// Kept and handed out, without any meaning here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct AlexaForBusinessMetadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_alexa_for_business_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alexa_for_business_room_arn: Option<String>,
}

/// Body of an exception.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct ErrorBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// One item of a batch that was refused; the others are done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct UserError {
    /// The user's id; in answers to BatchCreateUser the address asked for.
    #[serde(default)]
    pub user_id: String,
    pub error_code: ErrorCode,
    #[serde(default)]
    pub error_message: String,
}

/// Answer to ListAccounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct ListAccountsResponse {
    pub accounts: Vec<Account>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Answer to ListUsers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct ListUsersResponse {
    pub users: Vec<User>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Answer to CreateAccount, GetAccount and UpdateAccount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct AccountResponse {
    pub account: Account,
}

/// Answer to CreateUser, GetUser, UpdateUser and ResetPersonalPIN.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct UserResponse {
    pub user: User,
}

/// Body of CreateAccount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct CreateAccountRequest {
    pub name: Option<String>,
}

/// Body of UpdateAccount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct UpdateAccountRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_license: Option<String>,
}

/// Settings of an account: kept and handed out, without any meaning here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct AccountSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_remote_control: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_dial_out: Option<bool>,
}

/// Answer to GetAccountSettings, body of UpdateAccountSettings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct AccountSettingsBody {
    #[serde(deserialize_with = "object")]
    pub account_settings: Option<AccountSettings>,
}

/// Body of AssociateSigninDelegateGroupsWithAccount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct AssociateGroupsRequest {
    #[serde(deserialize_with = "objects")]
    pub signin_delegate_groups: Option<Vec<SigninDelegateGroup>>,
}

/// Body of DisassociateSigninDelegateGroupsFromAccount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct DisassociateGroupsRequest {
    pub group_names: Option<Vec<String>>,
}

/// Body of CreateUser, and an item of BatchCreateUser.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct CreateUserRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_type: Option<String>,
    /// Extension: in place of the account's default licence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license_type: Option<String>,
}

/// Body of BatchCreateUser, an extension.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct BatchCreateUserRequest {
    #[serde(deserialize_with = "objects")]
    pub create_user_request_items: Option<Vec<CreateUserRequest>>,
}

/// Body of UpdateUser, and, with an id, an item of BatchUpdateUser.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct UpdateUserRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "object")]
    pub alexa_for_business_metadata: Option<AlexaForBusinessMetadata>,
    /// Extension: a new address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_email: Option<String>,
}

/// Body of BatchUpdateUser.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct BatchUpdateUserRequest {
    #[serde(deserialize_with = "objects")]
    pub update_user_request_items: Option<Vec<UpdateUserRequest>>,
}

/// Body of BatchSuspendUser and BatchUnsuspendUser.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct UserIdListRequest {
    pub user_id_list: Option<Vec<String>>,
}

/// Answer to a batch: who is not in `user_errors` is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct BatchResponse {
    pub user_errors: Vec<UserError>,
    /// Extension: the users named in the request as they are afterwards, those refused and those gone left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<User>>,
}

/// Body of InviteUsers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct InviteUsersRequest {
    pub user_email_list: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_type: Option<String>,
    /// Extension: `false` asks nobody again who has been asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resend_pending: Option<bool>,
}

/// One invitation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct Invite {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite_id: Option<String>,
    /// Pending, Accepted or Failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_address: Option<String>,
    /// NotSent, Sent or Failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_status: Option<String>,
    /// Extension: the user as it is afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
}

/// Answer to InviteUsers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct InviteUsersResponse {
    pub invites: Vec<Invite>,
}

/// What a user may do by telephone: kept and handed out, without any meaning here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct TelephonySettings {
    pub inbound_calling: bool,
    pub outbound_calling: bool,
    #[serde(rename = "SMS")]
    pub sms: bool,
}

/// Settings of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct UserSettings {
    #[serde(deserialize_with = "whole")]
    pub telephony: TelephonySettings,
}

/// Answer to GetUserSettings, body of UpdateUserSettings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct UserSettingsBody {
    #[serde(deserialize_with = "object")]
    pub user_settings: Option<UserSettings>,
}
