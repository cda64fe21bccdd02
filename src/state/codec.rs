//! The records of one account: which keys there are, and how values become bytes.
//!
//! | key | value |
//! |---|---|
//! | `v` | the format of all the others, 4 bytes |
//! | `r` | the [`Root`]: what the last pass left, in one record |
//! | `z` | the [`Seal`]: what there is of all the others |
//! | `s/` person | [`crate::model::Holding`]: the seat last confirmed |
//! | `n/` person | [`crate::model::DetailsMark`]: the details last taken, such as names |
//! | `j/` person | [`crate::model::Intent`]: sent or about to be, not yet answered |
//! | `h/` number | [`crate::model::HistoryEntry`]; numbers rise, nothing is ever removed |
//! | `p/` number | [`crate::model::PassRecord`]; the latest [`PASSES_MAX`] |
//! | `d/` address, number | a piece of a [`Document`] |
//!
//! Values are in postcard, in the checksummed frame that `durable` puts around every record. Postcard has no names:
//! a changed type is a changed [`FORMAT`].

use crate::durable::{Tally, VALUE_BYTES_MAX};
use crate::model::{HeldNote, ObjectGuid, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The format this program writes.
pub(super) const FORMAT: u32 = 3;
/// The same without [`DETAILS`].
pub(super) const FORMAT_WITHOUT_DETAILS: u32 = 2;
/// The same without a seal.
pub(super) const FORMAT_UNSEALED: u32 = 1;

pub(super) const FORMAT_KEY: &[u8] = b"v";
pub(super) const ROOT_KEY: &[u8] = b"r";
pub(super) const SEAL_KEY: &[u8] = b"z";
pub(super) const SEATS: &[u8] = b"s/";
pub(super) const DETAILS: &[u8] = b"n/";
pub(super) const JOURNAL: &[u8] = b"j/";
pub(super) const HISTORY: &[u8] = b"h/";
pub(super) const PASSES: &[u8] = b"p/";
pub(super) const DOCUMENTS: &[u8] = b"d/";

/// Passes kept for `status`.
pub(super) const PASSES_MAX: u64 = 100;

/// Longest free text kept (a reason, a refusal), in bytes: an account store may answer with a whole page.
pub(super) const TEXT_BYTES_MAX: usize = 1024;

/// Bytes of one piece of a document, which is one record: 240 members of a group.
pub(super) const PIECE_BYTES: usize = VALUE_BYTES_MAX;

/// Why a record cannot be read, or made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Illegible(pub(super) String);

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Illegible> {
    postcard::to_stdvec(value).map_err(|error| Illegible(error.to_string()))
}

/// The whole of `bytes`, or nothing.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Illegible> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(Illegible(format!("{} bytes too many", rest.len()))),
        Err(error) => Err(Illegible(error.to_string())),
    }
}

/// `room` is [`SEATS`], [`DETAILS`] or [`JOURNAL`].
pub(super) fn person_key(room: &[u8], guid: &ObjectGuid) -> Vec<u8> {
    [room, guid.as_bytes()].concat()
}

pub(super) fn person_of(room: &[u8], key: &[u8]) -> Result<ObjectGuid, Illegible> {
    let bytes = key.strip_prefix(room).and_then(|rest| rest.try_into().ok());
    bytes.map(ObjectGuid::from_bytes).ok_or_else(|| Illegible(format!("strange key {}", key.escape_ascii())))
}

/// `room` is [`HISTORY`] or [`PASSES`]. Big-endian, so that key order is number order.
pub(super) fn number_key(room: &[u8], number: u64) -> Vec<u8> {
    [room, &number.to_be_bytes()].concat()
}

pub(super) fn number_of(room: &[u8], key: &[u8]) -> Result<u64, Illegible> {
    let bytes = key.strip_prefix(room).and_then(|rest| rest.try_into().ok());
    bytes.map(u64::from_be_bytes).ok_or_else(|| Illegible(format!("strange key {}", key.escape_ascii())))
}

/// At most [`TEXT_BYTES_MAX`] bytes of it, cut between letters.
pub(super) fn clipped(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}

/// What a pass leaves to the next. It is replaced in one write, so a pass ends wholly or not at all; the larger parts
/// are documents that are written before, and are nothing until a root names them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Root {
    pub(super) origin: Marker,
    pub(super) last_good: Option<Timestamp>,
    pub(super) held: Option<HeldNote>,
    /// Of `Vec<(reference, Document)>`, each of these of a [`crate::model::RememberedGroup`]: one group's change
    /// rewrites that group only.
    pub(super) groups: Option<Document>,
    /// Of `Vec<(ObjectGuid, Timestamp)>`.
    pub(super) absent: Option<Document>,
    /// Of `Vec<Approval>`.
    pub(super) approvals: Option<Document>,
}

/// What there is of all the other records, written in one batch with each change of them: of a file that was cut or
/// damaged sled may show a part, every record of it whole.
///
/// Not in the tally are the documents, whose address is the sum of their bytes, and the history, which only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seal {
    pub(super) tally: Tally,
    /// The number that the next line of the history gets.
    pub(super) history_next: u64,
    /// The number of the sync that makes it durable: of one account at least it is that of the last sync.
    pub(super) sync: u64,
}

/// Whether the tally counts the record at that key.
pub(super) fn is_tallied(key: &[u8]) -> bool {
    key != SEAL_KEY && !key.starts_with(HISTORY) && !key.starts_with(DOCUMENTS)
}

/// [`crate::model::Origin`] as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Marker {
    Fresh,
    Known,
    Rebuilt(String),
}

impl Root {
    pub(super) fn new(origin: Marker) -> Self {
        Self { origin, last_good: None, held: None, groups: None, absent: None, approvals: None }
    }
}

/// A value too large for one record, by its contents: equal values have equal addresses, so what has not changed is
/// not written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Document {
    address: [u8; 16],
    bytes: u64,
}

impl Document {
    /// `room` keeps equal bytes of different meaning apart, so that removing one never removes the other.
    pub(super) fn of(room: &str, bytes: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(room.len().to_be_bytes());
        hasher.update(room);
        hasher.update(bytes);
        let mut address = [0; 16];
        address.copy_from_slice(&hasher.finalize()[..16]);
        Self { address, bytes: bytes.len() as u64 }
    }

    /// The keys of its pieces, in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = Vec<u8>> + use<> {
        let prefix = self.prefix();
        (0..self.bytes.div_ceil(PIECE_BYTES as u64)).map(move |number| [&prefix[..], &number.to_be_bytes()].concat())
    }

    /// What the keys of its pieces begin with.
    pub(super) fn prefix(&self) -> Vec<u8> {
        [DOCUMENTS, &self.address].concat()
    }

    /// The prefix of the document that a piece belongs to.
    pub(super) fn prefix_of(key: &[u8]) -> &[u8] {
        key.get(..DOCUMENTS.len() + 16).unwrap_or(key)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_is_cut_between_letters() {
        assert_eq!(clipped("short"), "short");
        let long = "ü".repeat(TEXT_BYTES_MAX);
        assert_eq!(clipped(&long).len(), TEXT_BYTES_MAX);
        assert_eq!(clipped(&format!("x{long}")).len(), TEXT_BYTES_MAX - 1);
    }

    #[test]
    fn bytes_too_many_are_refused() {
        let mut bytes = encode(&Root::new(Marker::Rebuilt("x".into()))).unwrap();
        assert_eq!(decode::<Root>(&bytes).unwrap(), Root::new(Marker::Rebuilt("x".into())));
        bytes.push(0);
        assert!(decode::<Root>(&bytes).is_err());
    }

    #[test]
    fn documents_of_different_rooms_are_different() {
        assert_ne!(Document::of("absent", b""), Document::of("approvals", b""));
        assert_ne!(Document::of("a", b"bc"), Document::of("ab", b"c"));
        assert_eq!(Document::of("a", b"").keys().count(), 0);
        assert_eq!(Document::of("a", &[0; PIECE_BYTES]).keys().count(), 1);
        let document = Document::of("a", &[0; PIECE_BYTES + 1]);
        assert_eq!(document.keys().count(), 2);
        assert!(document.keys().all(|key| Document::prefix_of(&key) == document.prefix()));
    }

    proptest! {
        #[test]
        fn keys_are_read_back(guid: u128, number: u64, other: u64) {
            let guid = ObjectGuid::from_u128(guid);
            prop_assert_eq!(person_of(SEATS, &person_key(SEATS, &guid)), Ok(guid));
            prop_assert_eq!(number_of(HISTORY, &number_key(HISTORY, number)), Ok(number));
            prop_assert_eq!(number.cmp(&other), number_key(PASSES, number).cmp(&number_key(PASSES, other)));
            prop_assert!(person_of(SEATS, &person_key(JOURNAL, &guid)).is_err());
        }

        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(root) = decode::<Root>(&bytes) {
                prop_assert_eq!(decode::<Root>(&encode(&root).unwrap()), Ok(root));
            }
            let intent = decode::<crate::model::Intent>(&bytes);
            prop_assert!(intent.is_err() || bytes.len() > 20);
        }
    }
}
