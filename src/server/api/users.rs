//! Operations on one user, and the list.

use super::{Ask, Fault, Reply, address, json, new_id, no_content, token_out, view};
use crate::model::{Email, UserId};
use crate::store::{Account, AccountKind, Refusal, RefusalCode, Registration, User};
use crate::wire;

/// Digits of a personal PIN.
const PIN_DIGITS: usize = 10;

impl Ask<'_> {
    pub(super) async fn list_users(&self) -> Result<Reply, Fault> {
        let (id, most) = (self.account()?, self.results()?);
        let after = self.after()?.map(|id| UserId::new(&id));
        let email = self.asked.query("user-email").map(|text| {
            // Whatever nobody can have as an address, nobody has.
            Email::parse(text)
        });
        let devices = match self.asked.query("user-type") {
            None => None,
            Some(text) => Some(is_device(text)?),
        };
        let page = self
            .look(move |book| {
                let account = book.open_to(&id)?;
                let wanted = |user: &&User| devices.is_none_or(|devices| user.is_shared_device() == devices);
                let shown = |user: &User| view::user(account, user);
                if let Some(email) = email {
                    let found = email.and_then(|email| account.by_email(&email)).filter(wanted);
                    return Ok(wire::ListUsersResponse {
                        users: found.map(shown).into_iter().collect(),
                        next_token: None,
                    });
                }
                let mut found = account.users_after(after.as_ref()).filter(wanted);
                let users: Vec<wire::User> = found.by_ref().take(most).map(shown).collect();
                let last = users.last().filter(|_| found.next().is_some());
                let next_token = last.map(|user| token_out(&user.user_id));
                Ok(wire::ListUsersResponse { users, next_token })
            })
            .await?;
        json(200, &page)
    }

    pub(super) async fn get_user(&self) -> Result<Reply, Fault> {
        let (id, user) = (self.account()?, self.user());
        let user = self
            .look(move |book| {
                let account = book.open_to(&id)?;
                let user = account.user(&user).ok_or_else(|| no_user(&user))?;
                Ok(view::user(account, user))
            })
            .await?;
        json(200, &wire::UserResponse { user })
    }

    pub(super) async fn create_user(&self) -> Result<Reply, Fault> {
        let request: wire::CreateUserRequest = self.read()?;
        let (device, strict) = (is_device(request.user_type.as_deref().unwrap_or("PrivateUser"))?, self.api.strict);
        let user = self.change_account(move |account, at| {
            let email = address(request.email.as_deref().unwrap_or_default())?;
            if device {
                let name = request.username.as_deref().unwrap_or_default();
                let id = account.create_device(name, &email, UserId::new(&new_id()), at)?.id.clone();
                return shown(account, &id);
            }
            if strict {
                let message = "users of this account are not made by CreateUser, which is for shared devices";
                return Err(Refusal::new(RefusalCode::Forbidden, message));
            }
            create(account, &request, at)
        });
        json(201, &wire::UserResponse { user: user.await? })
    }

    pub(super) async fn update_user(&self) -> Result<Reply, Fault> {
        let request: wire::UpdateUserRequest = self.read()?;
        let (id, strict) = (self.user(), self.api.strict);
        let device = request.user_type.as_deref().map(is_device).transpose()?;
        let user = self.change_account(move |account, _| {
            check_updates(account, strict)?;
            if let Some(text) = request.primary_email.as_deref().filter(|_| !strict) {
                let wish = (id.clone(), address(text)?);
                account.rename(&[wish]).into_iter().collect::<Result<(), _>>()?;
            }
            update(account, &id, &request, device)?;
            shown(account, &id)
        });
        json(200, &wire::UserResponse { user: user.await? })
    }

    pub(super) async fn log_out(&self) -> Result<Reply, Fault> {
        let id = self.user();
        self.change_account(move |account, at| account.sign_out(&id, at).map(drop)).await?;
        Ok(no_content())
    }

    pub(super) async fn get_user_settings(&self) -> Result<Reply, Fault> {
        let (id, user) = (self.account()?, self.user());
        let telephony = self
            .look(move |book| {
                let user = book.open_to(&id)?.user(&user).ok_or_else(|| no_user(&user))?;
                let [inbound_calling, outbound_calling, sms] = user.details().telephony;
                Ok(wire::TelephonySettings { inbound_calling, outbound_calling, sms })
            })
            .await?;
        json(200, &wire::UserSettingsBody { user_settings: Some(wire::UserSettings { telephony }) })
    }

    pub(super) async fn update_user_settings(&self) -> Result<Reply, Fault> {
        let wire::UserSettingsBody { user_settings } = self.read()?;
        let wire::UserSettings { telephony } =
            user_settings.ok_or_else(|| Fault::bad_request("UserSettings is required"))?;
        let id = self.user();
        self.change_account(move |account, _| {
            let wire::TelephonySettings { inbound_calling, outbound_calling, sms } = telephony;
            let telephony = [inbound_calling, outbound_calling, sms];
            account.edit_details(&id, |details| details.telephony = telephony).map(drop)
        })
        .await?;
        Ok(no_content())
    }

    pub(super) async fn reset_pin(&self) -> Result<Reply, Fault> {
        let (id, pin) = (self.user(), pin()?);
        let user = self
            .change_account(move |account, _| {
                account.edit_details(&id, |details| details.personal_pin = Some(pin))?;
                shown(account, &id)
            })
            .await?;
        json(200, &wire::UserResponse { user })
    }
}

/// Random digits.
fn pin() -> Result<String, Fault> {
    let mut bytes = [0; PIN_DIGITS];
    getrandom::fill(&mut bytes)
        .map_err(|error| Fault::new(wire::Exception::ServiceFailure, format!("no random numbers: {error}")))?;
    // A byte is a digit with a bias that a PIN can bear.
    Ok(bytes.iter().map(|byte| char::from(b'0' + byte % 10)).collect())
}

/// What `UserType` says.
pub(super) fn is_device(text: &str) -> Result<bool, Fault> {
    match text {
        "PrivateUser" => Ok(false),
        "SharedDevice" => Ok(true),
        other => Err(Fault::bad_request(format!("a user type is PrivateUser or SharedDevice, not {other:?}"))),
    }
}

pub(super) fn no_user(id: &UserId) -> Refusal {
    Refusal::new(RefusalCode::NotFound, format!("there is no user {id}"))
}

/// The user as it is now.
pub(super) fn shown(account: &Account, id: &UserId) -> Result<wire::User, Refusal> {
    account.user(id).map(|user| view::user(account, user)).ok_or_else(|| no_user(id))
}

/// A strict store takes no updates for users that come from a directory, as the original.
pub(super) fn check_updates(account: &Account, strict: bool) -> Result<(), Refusal> {
    if strict && account.profile().kind == AccountKind::EnterpriseDirectory {
        let message = "the users of an EnterpriseDirectory account are changed in the directory only (strict = true)";
        return Err(Refusal::new(RefusalCode::Forbidden, message));
    }
    Ok(())
}

/// Extension: a person of an account that follows a directory.
pub(super) fn create(
    account: &mut Account,
    request: &wire::CreateUserRequest,
    at: crate::model::Timestamp,
) -> Result<wire::User, Refusal> {
    let email = address(request.email.as_deref().unwrap_or_default())?;
    // Who was invited while the account was a team, and has not come, is not there yet.
    if let Some(user) = account.by_email(&email).filter(|user| user.registration != Registration::Unregistered) {
        let message = format!("{email} is already the address of user {}", user.id);
        return Err(Refusal::new(RefusalCode::Conflict, message));
    }
    let licence = match &request.license_type {
        Some(name) => view::licence_in(account.profile(), name),
        None => account.profile().default_licence.clone().ok_or_else(|| {
            Refusal::new(RefusalCode::BadRequest, "the account has no default licence: name one in LicenseType")
        })?,
    };
    let id = account.create(&email, &licence, None, UserId::new(&new_id()), at)?.id.clone();
    if let Some(name) = &request.username {
        account.edit_details(&id, |details| details.display_name = Some(name.clone()))?;
    }
    shown(account, &id)
}

/// Everything of an update but the address.
pub(super) fn update(
    account: &mut Account,
    id: &UserId,
    request: &wire::UpdateUserRequest,
    device: Option<bool>,
) -> Result<(), Refusal> {
    account.user(id).ok_or_else(|| no_user(id))?;
    if let Some(name) = &request.license_type {
        let licence = view::licence_in(account.profile(), name);
        account.assign(id, &licence)?;
    }
    if device.is_some() || request.alexa_for_business_metadata.is_some() {
        account.edit_details(id, |details| {
            details.shared_device = device.unwrap_or(details.shared_device);
            if let Some(alexa) = &request.alexa_for_business_metadata {
                details.alexa_enabled = alexa.is_alexa_for_business_enabled.or(details.alexa_enabled);
                details.alexa_room = alexa.alexa_for_business_room_arn.clone().or(details.alexa_room.take());
            }
        })?;
    }
    Ok(())
}
