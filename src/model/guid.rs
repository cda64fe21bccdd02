//! Identity: the one thing about a person or a group that never changes.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// The identity of a directory entry: `objectGUID` in Active Directory, `entryUUID` (RFC 4530) elsewhere.
///
/// A rename, a move and a change of e-mail keep it; a new entry under an old name has another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectGuid(Uuid);

impl ObjectGuid {
    /// From the 16 bytes of an `objectGUID` value, whose first three fields are little-endian (MS-DTYP 2.3.4.2).
    pub fn from_ad_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Uuid::from_bytes_le(bytes.try_into().ok()?)))
    }

    /// As an `objectGUID` value.
    pub fn to_ad_bytes(&self) -> [u8; 16] {
        self.0.to_bytes_le()
    }

    /// From the text form, with or without braces: `entryUUID`, or what an operator writes.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // `Uuid` also reads 32 bare hexadecimal digits, which could as well be a group's name.
        if !text.contains('-') {
            return None;
        }
        Uuid::try_parse(text).ok().map(Self)
    }

    /// A stable identity made of a name, for directories that give none (an LDIF file without identity lines).
    pub fn from_name(normalised_name: &str) -> Self {
        Self(Uuid::new_v5(&Uuid::NAMESPACE_X500, normalised_name.as_bytes()))
    }

    /// From a number, for tests and examples.
    pub fn from_u128(number: u128) -> Self {
        Self(Uuid::from_u128(number))
    }

    /// The 16 bytes in the order of the text form: the key under which state is stored.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// From the 16 bytes in the order of the text form.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for ObjectGuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ObjectGuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ad_bytes_are_mixed_endian() {
        let bytes = [0x4b, 0x8a, 0x01, 0x02, 0x11, 0x22, 0x33, 0x44, 1, 2, 3, 4, 5, 6, 7, 8];
        let guid = ObjectGuid::from_ad_bytes(&bytes).unwrap();
        assert_eq!(guid.to_string(), "02018a4b-2211-4433-0102-030405060708");
        assert_eq!(ObjectGuid::parse("{02018A4B-2211-4433-0102-030405060708}"), Some(guid));
    }

    #[test]
    fn a_name_of_hex_digits_is_not_a_guid() {
        assert_eq!(ObjectGuid::parse("deadbeefdeadbeefdeadbeefdeadbeef"), None);
        assert_eq!(ObjectGuid::from_ad_bytes(&[1, 2, 3]), None);
    }
}
