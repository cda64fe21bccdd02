//! Accounts and users in the words of the admin API, and back. Pure.

use crate::model::{Tier, Timestamp};
use crate::store::{self, Invitation, Mail, Registration};
use crate::wire;
use jiff::fmt::temporal::DateTimePrinter;

/// The names of licences in the service model.
const LICENCES: [&str; 4] = ["Basic", "Plus", "Pro", "ProTrial"];

/// To the millisecond; what is below is cut.
const TIMES: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// A licence as the model writes it. One that it does not know (of an embedded store's tiers) stays as it is.
pub fn licence_out(licence: &Tier) -> String {
    let known = LICENCES.into_iter().find(|name| name.eq_ignore_ascii_case(licence.name()));
    known.unwrap_or(licence.name()).to_owned()
}

/// The account's licence that a request names, without regard to case; as it is written where the account has none such.
pub fn licence_in(profile: &store::Profile, name: &str) -> Tier {
    let known = profile.supported.iter().find(|licence| licence.name().eq_ignore_ascii_case(name));
    known.cloned().unwrap_or_else(|| Tier::new(name))
}

/// ISO 8601 with milliseconds, as the service wrote it.
pub fn time(at: Timestamp) -> String {
    TIMES.timestamp_to_string(&at)
}

/// An account.
pub fn account(profile: &store::Profile, aws_account_id: &str, extensions: &[wire::Extension]) -> wire::Account {
    let group = |name: &String| wire::SigninDelegateGroup { group_name: name.clone() };
    wire::Account {
        aws_account_id: aws_account_id.to_owned(),
        account_id: profile.id.to_string(),
        name: profile.name.clone(),
        account_type: Some(profile.kind.to_string()),
        created_timestamp: Some(time(profile.created_at)),
        default_license: profile.default_licence.as_ref().map(licence_out),
        supported_licenses: profile.supported.iter().map(licence_out).collect(),
        account_status: Some("Active".to_owned()),
        signin_delegate_groups: profile.details.delegate_groups.iter().map(group).collect(),
        extensions: extensions.to_vec(),
    }
}

/// A user.
pub fn user(account: &store::Account, user: &store::User) -> wire::User {
    let details = user.details.as_deref();
    let registration = match account.registration(user) {
        Registration::Unregistered => "Unregistered",
        Registration::Registered => "Registered",
        Registration::Suspended => "Suspended",
    };
    let alexa = details.filter(|details| details.alexa_enabled.is_some() || details.alexa_room.is_some());
    wire::User {
        user_id: user.id.to_string(),
        account_id: Some(account.profile().id.to_string()),
        primary_email: Some(user.email.to_string()),
        display_name: details.and_then(|details| details.display_name.clone()),
        license_type: user.licence.as_ref().map(licence_out),
        user_type: Some(if user.is_shared_device() { "SharedDevice" } else { "PrivateUser" }.to_owned()),
        user_registration_status: Some(registration.to_owned()),
        user_invitation_status: invitation_status(user).map(str::to_owned),
        registered_on: user.registered_at.map(time),
        invited_on: user.invited_at.map(time),
        alexa_for_business_metadata: alexa.map(|details| wire::AlexaForBusinessMetadata {
            is_alexa_for_business_enabled: details.alexa_enabled,
            alexa_for_business_room_arn: details.alexa_room.clone(),
        }),
        personal_pin: details.and_then(|details| details.personal_pin.clone()),
    }
}

/// Pending, Accepted, Failed, or nothing for who was never invited.
pub fn invitation_status(user: &store::User) -> Option<&'static str> {
    match (user.invitation, user.mail()) {
        (Invitation::None, _) => None,
        (Invitation::Accepted, _) => Some("Accepted"),
        (Invitation::Pending, Mail::Failed) => Some("Failed"),
        (Invitation::Pending, Mail::None | Mail::Due | Mail::Sent) => Some("Pending"),
    }
}

/// What became of the e-mail of an invitation.
pub fn mail_status(mail: Mail) -> &'static str {
    match mail {
        Mail::None | Mail::Due => "NotSent",
        Mail::Sent => "Sent",
        Mail::Failed => "Failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_service_did() {
        let at = Timestamp::new(1_545_331_525, 231_999_999).unwrap_or(Timestamp::UNIX_EPOCH);
        assert_eq!(time(at), "2018-12-20T18:45:25.231Z");
        assert_eq!(time(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn licences_are_written_as_in_the_model() {
        assert_eq!(licence_out(&Tier::new("pro")), "Pro");
        assert_eq!(licence_out(&Tier::new("gold")), "gold");
    }
}
