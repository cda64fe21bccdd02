//! One user of an account, and the form in which a command is refused.

use crate::model::{Email, ObjectGuid, Seat, Tier, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether the user can sign in (the admin API's `UserRegistrationStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Registration {
    /// Not there yet: asked, and has not accepted.
    Unregistered,
    /// Can sign in.
    Registered,
    /// Signed out and cannot sign in; the licence is kept for the return.
    Suspended,
}

/// How the user was asked to join (the admin API's `UserInvitationStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Invitation {
    /// Never asked: registered without, or created by an administrator.
    None,
    /// Asked, no answer yet.
    Pending,
    /// Asked and came.
    Accepted,
}

/// One user. Only an [`crate::store::Account`] makes and changes users, so what it shows keeps the rules.
///
/// The order of the fields is the form on disk: a new field means a new format version in `disk`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The store's key; never used again for another user.
    pub id: UserId,
    /// The address, unique in the account without regard to case.
    pub email: Email,
    /// The licence held, or held again after a suspension; one of the account's supported licences.
    pub licence: Option<Tier>,
    /// Whether the user can sign in.
    pub registration: Registration,
    /// How the user was asked to join.
    pub invitation: Invitation,
    /// The directory identity this account was given to, at most one user of an account each.
    pub external: Option<ObjectGuid>,
    /// When the last invitation was made.
    pub invited_at: Option<Timestamp>,
    /// When the user first could sign in.
    pub registered_at: Option<Timestamp>,
    /// How many invitations were ever made for this user.
    pub invitations_sent: u32,
    /// What few users have. Written behind the user in the same record, if there is any.
    #[serde(skip)]
    pub details: Option<Box<UserDetails>>,
    /// Since when the user is there and as now. Written last in the same record; `None` while nobody has dated it.
    #[serde(skip)]
    pub times: Option<Times>,
}

/// When a user was made and when something of the user last changed, to the millisecond. What only follows from the account
/// (that a domain was released) changes no user, nor does what becomes of an e-mail. The order of the fields is the form on
/// disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    created_ms: i64,
    changed_ms: i64,
}

impl Times {
    /// Of a user who is made now.
    pub(super) fn begun(at: Timestamp) -> Self {
        Self::known(at, at)
    }

    /// What is known of somebody's times.
    pub(super) fn known(created: Timestamp, changed: Timestamp) -> Self {
        Self { created_ms: created.as_millisecond(), changed_ms: changed.as_millisecond() }
    }

    /// The same, changed once more.
    pub(super) fn changed(self, at: Timestamp) -> Self {
        Self { changed_ms: at.as_millisecond(), ..self }
    }

    /// When the user was made.
    pub fn created_at(self) -> Timestamp {
        Timestamp::from_millisecond(self.created_ms).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// When something of the user last changed.
    pub fn changed_at(self) -> Timestamp {
        Timestamp::from_millisecond(self.changed_ms).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// What few users have, and the first form on disk did not know. The order of the fields is the form on disk.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDetails {
    /// Whether it is a shared device (`UserType`), not a person.
    pub shared_device: bool,
    /// `DisplayName`.
    pub display_name: Option<String>,
    /// `PersonalPIN`: kept and handed out.
    pub personal_pin: Option<String>,
    /// `InboundCalling`, `OutboundCalling`, `SMS`: kept and handed out.
    pub telephony: [bool; 3],
    /// `IsAlexaForBusinessEnabled`: kept and handed out.
    pub alexa_enabled: Option<bool>,
    /// `AlexaForBusinessRoomArn`: kept and handed out.
    pub alexa_room: Option<String>,
    /// Sessions begun before are over.
    pub signed_out_at: Option<Timestamp>,
    /// The e-mail of the last invitation.
    pub mail: Mail,
    /// What a provisioning client says. Only [`crate::store::Account::provision`] and its like change it, since the account
    /// finds users by it. Written behind the details in the same record, if there is any.
    #[serde(skip)]
    pub(super) provisioned: Option<Box<Provisioned>>,
}

/// What a provisioning client (SCIM) says of a user, and the first two forms on disk did not know. The order of the fields is
/// the form on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provisioned {
    /// The name to sign in with where it is not the address; unique in the account without regard to case, and never in the
    /// form of an address: that would be somebody else's, or could become it.
    pub user_name: Option<String>,
    /// How the client knows the user, where that is no directory identity ([`User::external`]); one user of an account each.
    pub external_id: Option<String>,
    /// The given name.
    pub given_name: Option<String>,
    /// The family name.
    pub family_name: Option<String>,
    /// The whole name, in the order in which it is written.
    pub formatted_name: Option<String>,
    /// Whether the client deleted the user, whom the account suspended then: clients do not see the user any more, until the
    /// user is made again or activated.
    pub put_away: bool,
}

/// Says that there is a PIN, and not what it is.
impl fmt::Debug for UserDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            shared_device,
            display_name,
            personal_pin,
            telephony,
            alexa_enabled,
            alexa_room,
            signed_out_at,
            mail,
            provisioned,
        } = self;
        f.debug_struct("UserDetails")
            .field("shared_device", shared_device)
            .field("display_name", display_name)
            .field("personal_pin", &personal_pin.as_ref().map(|_| ".."))
            .field("telephony", telephony)
            .field("alexa_enabled", alexa_enabled)
            .field("alexa_room", alexa_room)
            .field("signed_out_at", signed_out_at)
            .field("mail", mail)
            .field("provisioned", provisioned)
            .finish()
    }
}

/// What became of the e-mail of an invitation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mail {
    /// There is none: nobody was invited, or not by e-mail.
    #[default]
    None,
    /// To be sent.
    Due,
    /// Handed over to the mail system.
    Sent,
    /// Refused for good.
    Failed,
}

impl User {
    /// What few users have; as if all of it were unset where there is nothing.
    pub fn details(&self) -> UserDetails {
        self.details.as_deref().cloned().unwrap_or_default()
    }

    /// What a provisioning client says; as if all of it were unset where there is nothing.
    pub fn provisioned(&self) -> Provisioned {
        self.provisioned_ref().cloned().unwrap_or_default()
    }

    pub(super) fn provisioned_ref(&self) -> Option<&Provisioned> {
        self.details.as_ref().and_then(|details| details.provisioned.as_deref())
    }

    /// Whether a provisioning client deleted the user, and nobody has brought the user back.
    pub fn is_put_away(&self) -> bool {
        self.registration == Registration::Suspended && self.provisioned_ref().is_some_and(|it| it.put_away)
    }

    /// The name to sign in with: the address, unless a client gave another one.
    pub fn user_name(&self) -> &str {
        self.provisioned_ref().and_then(|it| it.user_name.as_deref()).unwrap_or_else(|| self.email.as_str())
    }

    /// How a provisioning client knows the user: the text it gave, or the directory identity as a text.
    pub fn external_id(&self) -> Option<String> {
        let text = self.provisioned_ref().and_then(|it| it.external_id.clone());
        text.or_else(|| self.external.map(|guid| guid.to_string()))
    }

    /// When the user came, as far as the older forms on disk know: an invitation that was repeated has taken the place of the
    /// first one.
    pub(super) fn came_at(&self) -> Option<Timestamp> {
        [self.invited_at, self.registered_at].into_iter().flatten().min()
    }

    /// Whether both are one record. Addresses that differ in case are equal, and written differently.
    pub(super) fn is_same_record(&self, other: &Self) -> bool {
        self == other && self.email.as_str() == other.email.as_str()
    }

    /// Whether something of the user differs. What became of an e-mail is none of it: it is noted soon after an invitation, and
    /// whoever made that would find the user changed by somebody else.
    pub(super) fn differs_from(&self, other: &Self) -> bool {
        if self.mail() == other.mail() {
            return !self.is_same_record(other);
        }
        let details = UserDetails { mail: self.mail(), ..other.details() };
        let details = (details != UserDetails::default()).then(|| Box::new(details));
        !self.is_same_record(&Self { details, ..other.clone() })
    }

    /// Whether it is a shared device, not a person.
    pub fn is_shared_device(&self) -> bool {
        self.details.as_ref().is_some_and(|details| details.shared_device)
    }

    /// What became of the e-mail of the last invitation.
    pub fn mail(&self) -> Mail {
        self.details.as_ref().map_or(Mail::None, |details| details.mail)
    }

    /// The seat this user holds, as long as the account keeps the user's domain.
    pub fn seat(&self) -> Seat {
        match (self.registration, self.invitation, &self.licence) {
            (Registration::Registered, _, Some(tier)) => Seat::Active(tier.clone()),
            (Registration::Suspended, _, Some(tier)) => Seat::Suspended(tier.clone()),
            (Registration::Unregistered, Invitation::Pending, _) => Seat::Invited,
            (Registration::Registered | Registration::Suspended, _, None)
            | (Registration::Unregistered, Invitation::None | Invitation::Accepted, _) => Seat::Vacant,
        }
    }
}

/// A command that was not carried out; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of refusal, for a program.
    pub code: RefusalCode,
    /// Why, for a person: a lowercase fragment.
    pub message: String,
}

/// The kinds of refusal, by the names of the admin API's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalCode {
    /// The command itself makes no sense: an unsupported licence, a malformed domain, too many of something.
    BadRequest,
    /// No such account or user.
    NotFound,
    /// Something else already has that address, that identity or that key.
    Conflict,
    /// This kind of account does not do that.
    Forbidden,
    /// The user is in a state in which this cannot be done.
    PreconditionFailed,
    /// The account is in a state in which this cannot be done.
    Unprocessable,
    /// There are too many of something already.
    ResourceLimitExceeded,
}

impl Refusal {
    /// A refusal of that kind with that reason.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, message } = self;
        write!(f, "{message} ({code:?})")
    }
}

impl std::error::Error for Refusal {}
