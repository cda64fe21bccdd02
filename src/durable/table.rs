//! Tables: keys and checked values, written in atomic batches.

use super::DurableError;
use super::calm::ask_sled;
use super::database::Inner;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Most operations in one batch: sled's memory grows steeply with it (1,000: some 100 MB; 10,000: 3 GB).
/// A settlement of 500 people is three records each.
pub const BATCH_MAX: usize = 2_000;

/// Operations for which what they replace is collected at once: crossbeam-epoch frees up to 512 pieces of memory at one time,
/// and an operation leaves some.
const OPERATIONS_A_SWEEP: usize = 50;

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 128;

/// Longest value, in bytes. sled writes up to some thirty neighbours as one page, and a page above 128 KiB goes to a
/// file of its own in `blobs/`, which nothing ever syncs. Larger things are to be stored in pieces.
pub const VALUE_BYTES_MAX: usize = 4 * 1024;

/// The frame of a value: this byte, the CRC-32 of key and bytes (little-endian), the bytes.
const FRAME_FORMAT: u8 = 1;
const FRAME_HEAD_BYTES: usize = 5;

/// A key and its value.
pub type Record = (Vec<u8>, Vec<u8>);

/// One sled tree. Clones are the same table.
#[derive(Clone)]
pub struct Table {
    // Declared before `owner`, so dropped before it: the last drop, which may fail inside sled, is always the owner's.
    tree: sled::Tree,
    owner: Arc<Inner>,
}

/// Operations that happen together or not at all. The last one on a key wins.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    operations: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a value, over any that is there.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.operations.push((key.into(), Some(value.into())));
    }

    /// Removes a key, if it is there.
    pub fn remove(&mut self, key: impl Into<Vec<u8>>) {
        self.operations.push((key.into(), None));
    }

    /// What is to be done: each key with its value, or without one where it is removed. In this order.
    pub fn operations(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.operations.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// Operations so far.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }
}

impl Table {
    pub(super) fn new(tree: sled::Tree, owner: Arc<Inner>) -> Self {
        Self { tree, owner }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// `Damaged` when the stored value is not the one that was written; `Disk`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, DurableError> {
        self.owner.usable()?;
        let path = &self.owner.path;
        let found = ask_sled("read from", path, || self.tree.get(key)).map_err(|error| self.owner.failed(error))?;
        found.map(|framed| self.opened(key, &framed)).transpose()
    }

    /// Calls `with` for each record whose key begins so, by key. For whoever wants all of them and keeps none as it is:
    /// nothing is copied.
    ///
    /// # Errors
    /// The first one: `Damaged`, `Disk`, or what `with` gives.
    pub fn each<E: From<DurableError>>(
        &self,
        prefix: &[u8],
        mut with: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let path = &self.owner.path;
        let mut records = self.tree.scan_prefix(prefix);
        loop {
            self.owner.usable()?;
            let found = ask_sled("read from", path, || records.next().transpose());
            match found.map_err(|error| self.owner.failed(error))? {
                Some((key, framed)) => with(&key, self.checked(&key, &framed)?)?,
                None => return Ok(()),
            }
        }
    }

    /// Every record whose key begins so, by key; from either end.
    pub fn scan_prefix(&self, prefix: &[u8]) -> Scan {
        Scan { iter: self.tree.scan_prefix(prefix), table: self.clone(), ended: false }
    }

    /// Does all of it, or none: also when the process is killed. Durable only after [`super::Database::sync`].
    ///
    /// # Errors
    /// `Disk` for a batch above the limits (nothing is written then) or when the disk refuses; `Damaged`.
    pub fn apply(&self, batch: &Batch) -> Result<(), DurableError> {
        self.owner.writable()?;
        if batch.is_empty() {
            return Ok(());
        }
        let oversized = |what: &str| DurableError::Disk {
            message: format!("cannot write to {}: {what}; this is a mistake in the program", self.owner.path.display()),
        };
        if batch.len() > BATCH_MAX {
            return Err(oversized(&format!("{} operations in one batch, {BATCH_MAX} are allowed", batch.len())));
        }
        let mut prepared = sled::Batch::default();
        for (key, value) in &batch.operations {
            if key.len() > KEY_BYTES_MAX {
                return Err(oversized(&format!("a key of {} bytes, {KEY_BYTES_MAX} are allowed", key.len())));
            }
            match value {
                Some(value) if value.len() > VALUE_BYTES_MAX => {
                    return Err(oversized(&format!("a value of {} bytes, {VALUE_BYTES_MAX} are allowed", value.len())));
                }
                Some(value) => prepared.insert(key.as_slice(), framed(key, value)),
                None => prepared.remove(key.as_slice()),
            }
        }
        let path = &self.owner.path;
        ask_sled("write to", path, || self.tree.apply_batch(prepared)).map_err(|error| self.owner.failed(error))?;
        self.owner.wrote();
        clear_away(batch.len());
        Ok(())
    }

    /// A bad record is told and no more: sled is sound, and the other records stay readable.
    fn opened(&self, key: &[u8], framed: &[u8]) -> Result<Vec<u8>, DurableError> {
        self.checked(key, framed).map(<[u8]>::to_vec)
    }

    fn checked<'a>(&self, key: &[u8], framed: &'a [u8]) -> Result<&'a [u8], DurableError> {
        unframed(key, framed).ok_or_else(|| DurableError::Damaged {
            message: format!("{}: the record at key {} is damaged", self.owner.path.display(), key.escape_ascii()),
        })
    }
}

/// Frees what sled has replaced. It leaves that to crossbeam-epoch, which collects a little at every 128th call into sled:
/// a batch is one call and replaces a page for each of its operations, so that of a million people 2 GB were never freed.
fn clear_away(operations: usize) {
    for _ in 0..=operations / OPERATIONS_A_SWEEP {
        crossbeam_epoch::pin().flush();
    }
}

/// How many records there are, and a sum of them that is the same in whatever order they come. Kept with the records, it
/// tells when one of them is gone, or is an older one: each is whole by itself, and sled drops what it cannot read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    records: u64,
    sum: u64,
}

impl Tally {
    /// One more record.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.records = self.records.wrapping_add(1);
        self.sum = self.sum.wrapping_add(mark(key, value));
    }

    /// One less.
    pub fn take(&mut self, key: &[u8], value: &[u8]) {
        self.records = self.records.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(mark(key, value));
    }

    /// How many there are.
    pub fn records(&self) -> u64 {
        self.records
    }
}

/// A number made of a record's sum, so far from those of others that adding them tells which are there: the last step of
/// SplitMix64.
fn mark(key: &[u8], value: &[u8]) -> u64 {
    let mut mark = u64::from(u32::from_le_bytes(sum(key, value))) | (value.len() as u64) << 32;
    mark = (mark ^ (mark >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mark = (mark ^ (mark >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mark ^ (mark >> 31)
}

/// Records in key order. After an error it ends.
pub struct Scan {
    // Before `table`, for the reason given there.
    iter: sled::Iter,
    table: Table,
    ended: bool,
}

impl Scan {
    fn step(
        &mut self,
        step: impl FnOnce(&mut sled::Iter) -> Option<Result<(sled::IVec, sled::IVec), sled::Error>>,
    ) -> Option<Result<Record, DurableError>> {
        if self.ended {
            return None;
        }
        let Self { iter, table, ended: _ } = self;
        let result = table.owner.usable().and_then(|()| {
            let found = ask_sled("read from", &table.owner.path, || step(iter).transpose());
            match found.map_err(|error| table.owner.failed(error))? {
                Some((key, framed)) => table.opened(&key, &framed).map(|value| Some((key.to_vec(), value))),
                None => Ok(None),
            }
        });
        self.ended = !matches!(result, Ok(Some(_)));
        result.transpose()
    }
}

impl Iterator for Scan {
    type Item = Result<Record, DurableError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(Iterator::next)
    }
}

impl DoubleEndedIterator for Scan {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(DoubleEndedIterator::next_back)
    }
}

/// The key is part of the sum, so that a value found under a wrong key is not believed.
fn sum(key: &[u8], bytes: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[FRAME_FORMAT]);
    hasher.update(key);
    hasher.update(bytes);
    hasher.finalize().to_le_bytes()
}

pub(super) fn framed(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(FRAME_HEAD_BYTES + bytes.len());
    framed.push(FRAME_FORMAT);
    framed.extend_from_slice(&sum(key, bytes));
    framed.extend_from_slice(bytes);
    framed
}

pub(super) fn unframed<'a>(key: &[u8], framed: &'a [u8]) -> Option<&'a [u8]> {
    let (&[format, a, b, c, d], bytes) = framed.split_first_chunk::<FRAME_HEAD_BYTES>()?;
    (format == FRAME_FORMAT && [a, b, c, d] == sum(key, bytes)).then_some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_shows_every_flipped_bit_and_a_wrong_key() {
        let whole = framed(b"key", b"some bytes");
        assert_eq!(unframed(b"key", &whole), Some(&b"some bytes"[..]));
        assert_eq!(unframed(b"kez", &whole), None);
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unframed(b"key", &flipped), None, "bit {bit}");
        }
        for length in 0..whole.len() {
            assert_eq!(unframed(b"key", &whole[..length]), None, "cut to {length}");
        }
    }
}
