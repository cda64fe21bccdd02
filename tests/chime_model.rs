//! What `src/wire` states about the Chime admin API, held against the service model that botocore ships. No server is
//! needed for it: tests/chime_contract.rs asks one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod python;

use seatsync::wire::{self, Exception};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn model() -> Value {
    serde_json::from_str(&python::run("model.py", &[], "")).unwrap()
}

/// A body, by the names of the members that are written.
trait Body {
    fn members(&self) -> BTreeSet<String>;
}

impl<T: Serialize> Body for T {
    fn members(&self) -> BTreeSet<String> {
        serde_json::to_value(self).unwrap().as_object().unwrap().keys().cloned().collect()
    }
}

fn texts(value: &Value) -> BTreeSet<&str> {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list")).iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn the_exceptions_are_those_of_the_model_with_their_status() {
    let model = model();
    let ours: BTreeMap<&str, u16> =
        Exception::ALL.into_iter().map(|exception| (exception.name(), exception.status())).collect();
    let theirs: BTreeMap<String, u16> = serde_json::from_value(model["exceptions"].clone()).unwrap();
    assert_eq!(ours, theirs.iter().map(|(name, status)| (name.as_str(), *status)).collect());
    let codes = texts(&model["enums"]["ErrorCode"]);
    for exception in Exception::ALL {
        let code = exception.code().to_string();
        assert!(codes.contains(code.as_str()), "{} is answered with the code {code}", exception.name());
    }
}

#[test]
fn the_largest_lists_are_those_of_the_model() {
    let model = model();
    let stated = [
        ("UpdateUserRequestItemList", wire::UPDATE_ITEMS_MAX),
        ("UserIdList", wire::ID_LIST_MAX),
        ("UserEmailList", wire::EMAIL_LIST_MAX),
        ("ProfileServiceMaxResults", wire::RESULTS_MAX),
        ("AccountName", wire::ACCOUNT_NAME_CHARS_MAX),
    ];
    for (shape, ours) in stated {
        assert_eq!(model["maxima"][shape], ours, "{shape}");
    }
}

#[test]
fn the_operations_in_a_query_are_those_of_the_model() {
    let model = model();
    let uris = model["operations"].as_object().unwrap();
    let theirs: BTreeSet<&str> =
        uris.values().filter_map(|uri| uri.as_str().unwrap().split_once("?operation=")).map(|(_, name)| name).collect();
    let ours = BTreeSet::from([
        wire::operation::ADD,
        wire::operation::CREATE,
        wire::operation::SUSPEND,
        wire::operation::UNSUSPEND,
        wire::operation::LOGOUT,
        wire::operation::RESET_PIN,
        wire::operation::ASSOCIATE_GROUPS,
        wire::operation::DISASSOCIATE_GROUPS,
    ]);
    assert_eq!(ours, theirs);
    assert!(!theirs.contains(wire::operation::BATCH_CREATE), "an extension has a name that the model does not use");
}

/// Each body with all of its members: those of the model, and those of the declared extensions.
#[test]
fn the_members_of_the_bodies_are_those_of_the_model() {
    fn text() -> Option<String> {
        Some("x".to_owned())
    }
    let model = model();
    let check = |shape: &str, body: &dyn Body, extensions: &[&str]| {
        let theirs: BTreeSet<String> = texts(&model["structures"][shape])
            .into_iter()
            .chain(extensions.iter().copied())
            .map(str::to_owned)
            .collect();
        let ours = body.members();
        let unknown: Vec<_> = ours.difference(&theirs).collect();
        assert!(unknown.is_empty(), "{shape} has no {unknown:?}");
        let lacking: Vec<_> = theirs.difference(&ours).map(String::as_str).collect();
        // Telephone numbers are no business of an account store; the others stand in the path, not in the body.
        let absent = ["PrimaryProvisionedNumber", "AccountId", "UserId"];
        assert!(lacking.iter().all(|name| absent.contains(name)), "{shape} has {lacking:?}, which are not written");
    };
    let user = wire::User {
        user_id: "x".to_owned(),
        account_id: text(),
        primary_email: text(),
        display_name: text(),
        license_type: text(),
        user_type: text(),
        user_registration_status: text(),
        user_invitation_status: text(),
        registered_on: text(),
        invited_on: text(),
        alexa_for_business_metadata: Some(wire::AlexaForBusinessMetadata::default()),
        personal_pin: text(),
    };
    check("User", &user, &[]);
    let group = wire::SigninDelegateGroup { group_name: "x".to_owned() };
    check("SigninDelegateGroup", &group, &[]);
    let account = wire::Account {
        aws_account_id: "x".to_owned(),
        account_id: "x".to_owned(),
        name: "x".to_owned(),
        account_type: text(),
        created_timestamp: text(),
        default_license: text(),
        supported_licenses: vec!["x".to_owned()],
        account_status: text(),
        signin_delegate_groups: vec![group.clone()],
        extensions: wire::Extension::ALL.to_vec(),
    };
    check("Account", &account, &["Extensions"]);
    let invite = wire::Invite {
        invite_id: text(),
        status: text(),
        email_address: text(),
        email_status: text(),
        user: Some(user.clone()),
    };
    check("Invite", &invite, &["User"]);
    let error = wire::UserError {
        user_id: "x".to_owned(),
        error_code: wire::ErrorCode::NotFound,
        error_message: "x".to_owned(),
    };
    check("UserError", &error, &[]);
    let batch = wire::BatchResponse { user_errors: vec![error], users: Some(vec![user.clone()]) };
    for shape in ["BatchUpdateUserResponse", "BatchSuspendUserResponse", "BatchUnsuspendUserResponse"] {
        check(shape, &batch, &["Users"]);
    }
    check("InviteUsersResponse", &wire::InviteUsersResponse { invites: vec![invite] }, &[]);
    check("ListUsersResponse", &wire::ListUsersResponse { users: vec![user.clone()], next_token: text() }, &[]);
    check(
        "ListAccountsResponse",
        &wire::ListAccountsResponse { accounts: vec![account.clone()], next_token: text() },
        &[],
    );
    for shape in ["CreateAccountResponse", "GetAccountResponse", "UpdateAccountResponse"] {
        check(shape, &wire::AccountResponse { account: account.clone() }, &[]);
    }
    for shape in ["CreateUserResponse", "GetUserResponse", "UpdateUserResponse", "ResetPersonalPINResponse"] {
        check(shape, &wire::UserResponse { user: user.clone() }, &[]);
    }
    let exception = wire::ErrorBody { code: Some(wire::ErrorCode::NotFound), message: text() };
    for exception_name in Exception::ALL.map(Exception::name) {
        check(exception_name, &exception, &[]);
    }

    check("CreateAccountRequest", &wire::CreateAccountRequest { name: text() }, &[]);
    check("UpdateAccountRequest", &wire::UpdateAccountRequest { name: text(), default_license: text() }, &[]);
    let settings = wire::AccountSettings { disable_remote_control: Some(true), enable_dial_out: Some(true) };
    check("AccountSettings", &settings, &[]);
    let settings = wire::AccountSettingsBody { account_settings: Some(settings) };
    check("UpdateAccountSettingsRequest", &settings, &[]);
    check("GetAccountSettingsResponse", &settings, &[]);
    let telephony = wire::TelephonySettings { inbound_calling: true, outbound_calling: true, sms: true };
    check("TelephonySettings", &telephony, &[]);
    check("UserSettings", &wire::UserSettings { telephony }, &[]);
    let settings = wire::UserSettingsBody { user_settings: Some(wire::UserSettings { telephony }) };
    check("UpdateUserSettingsRequest", &settings, &[]);
    check("GetUserSettingsResponse", &settings, &[]);
    let metadata = wire::AlexaForBusinessMetadata {
        is_alexa_for_business_enabled: Some(true),
        alexa_for_business_room_arn: text(),
    };
    check("AlexaForBusinessMetadata", &metadata, &[]);
    let associate = wire::AssociateGroupsRequest { signin_delegate_groups: Some(vec![group]) };
    check("AssociateSigninDelegateGroupsWithAccountRequest", &associate, &[]);
    let disassociate = wire::DisassociateGroupsRequest { group_names: Some(vec!["x".to_owned()]) };
    check("DisassociateSigninDelegateGroupsFromAccountRequest", &disassociate, &[]);
    let create = wire::CreateUserRequest { username: text(), email: text(), user_type: text(), license_type: text() };
    check("CreateUserRequest", &create, &["LicenseType"]);
    let update = wire::UpdateUserRequest {
        user_id: text(),
        license_type: text(),
        user_type: text(),
        alexa_for_business_metadata: Some(metadata),
        primary_email: text(),
    };
    check("UpdateUserRequest", &update, &["UserId", "PrimaryEmail"]);
    check("UpdateUserRequestItem", &update, &["PrimaryEmail"]);
    let batch = wire::BatchUpdateUserRequest { update_user_request_items: Some(vec![update]) };
    check("BatchUpdateUserRequest", &batch, &[]);
    let ids = wire::UserIdListRequest { user_id_list: Some(vec!["x".to_owned()]) };
    check("BatchSuspendUserRequest", &ids, &[]);
    check("BatchUnsuspendUserRequest", &ids, &[]);
    let invite = wire::InviteUsersRequest {
        user_email_list: Some(vec!["x".to_owned()]),
        user_type: text(),
        resend_pending: Some(false),
    };
    check("InviteUsersRequest", &invite, &["ResendPending"]);
}
