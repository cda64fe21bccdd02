//! What one person holds in the account store.

use super::{DetailsMark, Email, ObjectGuid, Tier};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// What one person holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Seat {
    /// Nothing: no account, or an account without a licence.
    Vacant,
    /// Asked to join and not yet there: no access, no cost.
    Invited,
    /// Can sign in, with this licence.
    Active(Tier),
    /// Cannot sign in; would hold this licence again.
    Suspended(Tier),
}

impl Seat {
    /// The licence held, or held again on resumption.
    pub fn tier(&self) -> Option<&Tier> {
        match self {
            Self::Active(tier) | Self::Suspended(tier) => Some(tier),
            Self::Vacant | Self::Invited => None,
        }
    }

    /// Whether this is a licence in use: what the limits are a percentage of.
    pub fn is_held(&self) -> bool {
        matches!(self, Self::Active(_))
    }
}

/// A tier's name, `suspended`, `invited` or `vacant`.
impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vacant => f.write_str("vacant"),
            Self::Invited => f.write_str("invited"),
            Self::Active(tier) => f.write_str(tier.name()),
            Self::Suspended(_) => f.write_str("suspended"),
        }
    }
}

/// The account store's own key of an account; opaque to us. Ordered as its text.
///
/// A key that is a UUID as most are written, in lower case with hyphens, costs its 16 bytes and no memory elsewhere.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserId(Key);

/// One text is always the same one of these.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    /// A text that this UUID is written as.
    Uuid(Uuid),
    /// Any other.
    Text(Arc<str>),
}

/// The text of a [`UserId`], as a `str`.
pub struct UserIdText<'a>(Text<'a>);

enum Text<'a> {
    Written([u8; Hyphenated::LENGTH]),
    Kept(&'a str),
}

impl UserId {
    /// The store's key, as it gave it.
    pub fn new(text: &str) -> Self {
        let uuid = (text.len() == Hyphenated::LENGTH).then(|| Uuid::try_parse(text).ok()).flatten();
        Self(match uuid {
            Some(uuid) if *UserIdText::of(&uuid) == *text => Key::Uuid(uuid),
            Some(_) | None => Key::Text(text.into()),
        })
    }

    /// The key.
    pub fn text(&self) -> UserIdText<'_> {
        match &self.0 {
            Key::Uuid(uuid) => UserIdText::of(uuid),
            Key::Text(text) => UserIdText(Text::Kept(text)),
        }
    }
}

impl UserIdText<'_> {
    fn of(uuid: &Uuid) -> Self {
        let mut text = [0; Hyphenated::LENGTH];
        uuid.hyphenated().encode_lower(&mut text);
        Self(Text::Written(text))
    }
}

impl Deref for UserIdText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            // It is made of hexadecimal digits and hyphens.
            Text::Written(text) => std::str::from_utf8(text).unwrap_or_default(),
            Text::Kept(text) => text,
        }
    }
}

impl Ord for UserId {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            // Digits in lower case, the first bytes first, are in the order of the bytes.
            (Key::Uuid(one), Key::Uuid(other)) => one.cmp(other),
            (Key::Uuid(_) | Key::Text(_), Key::Text(_)) | (Key::Text(_), Key::Uuid(_)) => {
                self.text().cmp(&other.text())
            }
        }
    }
}

impl PartialOrd for UserId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// As its text.
impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// A text of any kind, without a copy of it.
        struct Texts;

        impl Visitor<'_> for Texts {
            type Value = UserId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the key of an account, a text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<UserId, E> {
                Ok(UserId::new(text))
            }
        }

        deserializer.deserialize_str(Texts)
    }
}

/// One account as the account store describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The store's key.
    pub id: UserId,
    /// The address it is known by.
    pub email: Email,
    /// What it holds.
    pub seat: Seat,
    /// The directory identity the store keeps with the account, where it keeps one (SCIM's `externalId`, RFC 7643 3.1).
    pub external: Option<ObjectGuid>,
    /// The details that were sent and taken, in the answer to a change.
    pub details: Option<DetailsMark>,
}

/// What the account store last confirmed of one person's account: the value of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// The store's key.
    pub id: UserId,
    /// The address the account has there.
    pub email: Email,
    /// The seat.
    pub seat: Seat,
}

impl From<Observed> for Holding {
    fn from(Observed { id, email, seat, external: _, details: _ }: Observed) -> Self {
        Self { id, email, seat }
    }
}

/// What kind of account the store holds: it decides how a seat is given and taken (the seat matrix).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StoreKind {
    /// People are invited by e-mail and accept; who leaves is removed.
    Team,
    /// People register themselves with an address of a claimed domain; who leaves is suspended.
    EnterpriseLwa,
    /// Accounts are created at once; who leaves is suspended.
    EnterpriseDirectory,
}

/// As in the configuration and the admin API.
impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Team => "Team",
            Self::EnterpriseLwa => "EnterpriseLWA",
            Self::EnterpriseDirectory => "EnterpriseDirectory",
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Keys of every kind: UUIDs as they are kept, UUIDs in other spellings, other texts.
    fn text() -> impl Strategy<Value = String> {
        let uuid = any::<u128>().prop_map(Uuid::from_u128);
        prop_oneof![
            uuid.clone().prop_map(|uuid| uuid.to_string()),
            uuid.clone().prop_map(|uuid| uuid.hyphenated().to_string().to_uppercase()),
            uuid.clone().prop_map(|uuid| uuid.simple().to_string()),
            uuid.prop_map(|uuid| uuid.braced().to_string()),
            "[0-9a-f]{0,3}",
            "[0-9a-f]{8}-[0-9a-g]{4}-[0-9a-f]{4}-[0-9A-F]{4}-[0-9a-f]{12}",
            ".{0,40}",
        ]
    }

    proptest! {
        #[test]
        fn a_key_is_its_text(texts in prop::collection::vec(text(), 0..12)) {
            let keys: Vec<UserId> = texts.iter().map(|text| UserId::new(text)).collect();
            for (key, text) in keys.iter().zip(&texts) {
                prop_assert_eq!((&*key.text(), &key.to_string()), (text.as_str(), text));
                let bytes = postcard::to_stdvec(key).unwrap();
                prop_assert_eq!(&bytes, &postcard::to_stdvec(text).unwrap(), "stored as it always was");
                prop_assert_eq!(&postcard::from_bytes::<UserId>(&bytes).unwrap(), key);
                let json = serde_json::to_string(key).unwrap();
                prop_assert_eq!(&serde_json::from_str::<UserId>(&json).unwrap(), key);
            }
            for (one, text) in keys.iter().zip(&texts) {
                for (other, other_text) in keys.iter().zip(&texts) {
                    prop_assert_eq!(one.cmp(other), text.cmp(other_text));
                    prop_assert_eq!(one == other, text == other_text);
                }
            }
        }
    }

    #[test]
    fn a_uuid_costs_no_memory_elsewhere() {
        let uuid = UserId::new("6b8e0df3-9f1c-4a53-8a44-0a7d6b1c9e21");
        assert!(matches!(uuid.0, Key::Uuid(_)) && size_of::<UserId>() <= 24);
        for other in ["6B8E0DF3-9F1C-4A53-8A44-0A7D6B1C9E21", "6b8e0df39f1c4a538a440a7d6b1c9e21", "u-1", ""] {
            assert!(matches!(UserId::new(other).0, Key::Text(_)), "{other}");
        }
        assert_eq!(size_of::<Seat>(), 16);
    }
}
