//! One account's records in an open database: reads and writes, blocking.
//!
//! Invariant: a reader that comes after a kill at any moment finds the last finished pass whole, every intent that was
//! begun, and every settlement that was acknowledged.

use super::codec::{
    DETAILS, DOCUMENTS, Document, FORMAT, FORMAT_KEY, FORMAT_UNSEALED, FORMAT_WITHOUT_DETAILS, HISTORY, Illegible,
    JOURNAL, Marker, PASSES, PASSES_MAX, PIECE_BYTES, ROOT_KEY, Root, SEAL_KEY, SEATS, Seal, clipped, decode, encode,
    is_tallied, number_key, number_of, person_key, person_of,
};
use super::{Closing, SETTLE_MAX, written};
use crate::durable::{BATCH_MAX, Batch, Database, DurableError, Table, Tally};
use crate::model::{
    Approval, Fact, GroupRef, HistoryEntry, Intent, Memory, ObjectGuid, Origin, RememberedGroup, Settlement, Shown,
    Snapshot, Timestamp,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Records in one batch where it is not the batch that keeps them together: 1,000 cost sled twice the memory and are no
/// faster.
const BATCH_RECORDS: usize = 250;

/// The records of one account.
pub(super) struct Shelf {
    // The table first: see `durable::Table`.
    table: Table,
    database: Database,
    root: Root,
    /// The groups that the root's document lists.
    groups: Vec<(String, Document)>,
    history_next: u64,
    pass_next: u64,
    /// As last written; `None` only where a database without one is looked at.
    seal: Option<Seal>,
}

/// A settlement is one write: a seat, the details, the end of an intent and a line of history for each, and the seal.
const _: () = assert!(SETTLE_MAX * 4 < BATCH_MAX);

/// What the names of all tables begin with.
const TABLES: &str = "account/";

fn table_name(account: &str) -> String {
    format!("{TABLES}{account}")
}

/// The format of a table; `None` where nothing was ever written.
fn format(table: &Table) -> Result<Option<u32>, ShelfError> {
    let Some(bytes) = table.get(FORMAT_KEY)? else {
        return match table.scan_prefix(b"").next() {
            None => Ok(None),
            Some(Ok(_)) => Err(Illegible("there are records, and no format".to_owned()).into()),
            Some(Err(error)) => Err(error.into()),
        };
    };
    match bytes.as_slice().try_into().map(u32::from_be_bytes) {
        Ok(known @ (FORMAT | FORMAT_WITHOUT_DETAILS | FORMAT_UNSEALED)) => Ok(Some(known)),
        Ok(newer) if newer > FORMAT => Err(ShelfError::TooNew(newer)),
        Ok(older) => Err(Illegible(format!("format {older} never was")).into()),
        Err(_) => Err(Illegible("the format is not a number".to_owned()).into()),
    }
}

fn seal(table: &Table) -> Result<Option<Seal>, ShelfError> {
    Ok(table.get(SEAL_KEY)?.map(|bytes| decode(&bytes)).transpose()?)
}

/// Why records cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ShelfError {
    /// As `durable` tells it; a record that is whole and yet illegible is damage too.
    Durable(DurableError),
    /// Written in this format, by a newer program.
    TooNew(u32),
}

impl From<DurableError> for ShelfError {
    fn from(error: DurableError) -> Self {
        Self::Durable(error)
    }
}

impl From<Illegible> for ShelfError {
    fn from(Illegible(what): Illegible) -> Self {
        Self::Durable(DurableError::Damaged { message: format!("a record of the state is illegible: {what}") })
    }
}

/// `database` is given back with the error, for who wants to set it aside.
type Opening = Result<Shelf, (ShelfError, Database)>;

impl Shelf {
    /// The account's records; a database that has none of it gets an empty shelf with that marker, at once.
    pub(super) fn open(database: Database, account: &str, new: Marker) -> Opening {
        Self::prepared(&database, account, new, true).map_err(|error| (error, database))
    }

    /// The same to read only.
    pub(super) fn look(database: Database, account: &str) -> Opening {
        Self::prepared(&database, account, Marker::Fresh, false).map_err(|error| (error, database))
    }

    fn prepared(database: &Database, account: &str, new: Marker, write: bool) -> Result<Self, ShelfError> {
        let table = database.tree(&table_name(account))?;
        let format = format(&table)?;
        let root = match (table.get(ROOT_KEY)?, format) {
            (Some(bytes), Some(_)) => decode(&bytes)?,
            (None, Some(_)) => return Err(Illegible("the root is missing".to_owned()).into()),
            (_, None) => Root::new(new),
        };
        let seal = match format {
            Some(FORMAT | FORMAT_WITHOUT_DETAILS) => {
                Some(seal(&table)?.ok_or_else(|| Illegible("the seal is missing".to_owned()))?)
            }
            Some(_) | None => None,
        };
        let mut shelf = Self {
            history_next: next_number(&table, HISTORY)?,
            pass_next: next_number(&table, PASSES)?,
            table,
            database: database.clone(),
            root,
            groups: Vec::new(),
            seal,
        };
        shelf.check_seal()?;
        match (write, format) {
            (true, None) => {
                shelf.seal_as(Tally::default());
                let mut batch = Batch::new();
                batch.put(FORMAT_KEY, FORMAT.to_be_bytes());
                batch.put(ROOT_KEY, encode(&shelf.root)?);
                shelf.write(batch)?;
                shelf.sync()?;
            }
            (true, Some(older @ (FORMAT_UNSEALED | FORMAT_WITHOUT_DETAILS))) => {
                if older == FORMAT_UNSEALED {
                    shelf.seal_as(shelf.tally()?);
                }
                let mut batch = Batch::new();
                batch.put(FORMAT_KEY, FORMAT.to_be_bytes());
                shelf.write(batch)?;
                shelf.sync()?;
            }
            (_, Some(_)) | (false, None) => {}
        }
        shelf.groups = shelf.document("groups", shelf.root.groups)?.unwrap_or_default();
        // Looked for in either case: a tree that has lost a page with nothing but strays on it is damaged all the same.
        let strays = shelf.strays()?;
        if write {
            shelf.remove(strays)?;
        }
        Ok(shelf)
    }

    /// Whether the end of the history and the last of all writes are there.
    fn check_seal(&self) -> Result<(), ShelfError> {
        let Some(Seal { tally: _, history_next, sync }) = self.seal else { return Ok(()) };
        if history_next != self.history_next {
            let lines = (self.history_next, history_next);
            return Err(Illegible(format!("the history ends at line {}, {} were written", lines.0, lines.1)).into());
        }
        // Another account of the database may have been the last to write.
        let mut latest = sync;
        for name in self.database.tables()? {
            if name.starts_with(TABLES) {
                latest = latest.max(seal(&self.database.tree(&name)?)?.map_or(0, |seal| seal.sync));
            }
        }
        match self.database.last_sync() {
            last if last <= latest => Ok(()),
            last => Err(Illegible(format!("of sync {last} nothing is there, only of sync {latest}")).into()),
        }
    }

    /// What is there, counted.
    fn tally(&self) -> Result<Tally, ShelfError> {
        let mut tally = Tally::default();
        self.each(b"", |key, value| {
            if is_tallied(key) {
                tally.add(key, value);
            }
            Ok(())
        })?;
        Ok(tally)
    }

    fn seal_as(&mut self, tally: Tally) {
        self.seal = Some(Seal { tally, history_next: self.history_next, sync: 0 });
    }

    /// Does all of it or nothing, and the seal with it.
    fn write(&mut self, mut batch: Batch) -> Result<(), ShelfError> {
        let Some(mut seal) = self.seal else { return Ok(self.table.apply(&batch)?) };
        // Of several operations on a key the last one counts.
        let last: BTreeMap<&[u8], Option<&[u8]>> = batch.operations().filter(|(key, _)| is_tallied(key)).collect();
        for (key, value) in last {
            if let Some(before) = self.table.get(key)? {
                seal.tally.take(key, &before);
            }
            if let Some(value) = value {
                seal.tally.add(key, value);
            }
        }
        seal.history_next = batch
            .operations()
            .filter_map(|(key, _)| number_of(HISTORY, key).ok())
            .max()
            .map_or(seal.history_next, |last| last + 1);
        seal.sync = self.database.last_sync() + 1;
        batch.put(SEAL_KEY, encode(&seal)?);
        self.table.apply(&batch)?;
        self.seal = Some(seal);
        Ok(())
    }

    /// Everything written is on the disk when it returns.
    pub(super) fn sync(&mut self) -> Result<(), ShelfError> {
        // There may be records that no seal counts, such as the pieces of a document: the seal goes with each sync.
        if self.seal.is_some_and(|seal| seal.sync <= self.database.last_sync()) {
            self.write(Batch::new())?;
        }
        Ok(self.database.sync()?)
    }

    /// The database under it, with the table let go.
    pub(super) fn into_database(self) -> Database {
        self.database
    }

    #[cfg(test)]
    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// Whether the database must be opened again.
    pub(super) fn has_failed(&self) -> bool {
        self.database.has_failed()
    }

    /// All of it, and nothing less than was written.
    pub(super) fn load(&self) -> Result<Memory, ShelfError> {
        let Root { origin, last_good, held, groups: _, absent, approvals } = self.root.clone();
        let (mut tally, mut snapshot) = (Tally::default(), Snapshot::default());
        for key in [FORMAT_KEY, ROOT_KEY] {
            if let Some(value) = self.table.get(key)? {
                tally.add(key, &value);
            }
        }
        self.each(SEATS, |key, value| {
            tally.add(key, value);
            snapshot.extend([(person_of(SEATS, key)?, decode(value)?)]);
            Ok(())
        })?;
        let mut details = HashMap::new();
        self.each(DETAILS, |key, value| {
            tally.add(key, value);
            details.insert(person_of(DETAILS, key)?, decode(value)?);
            Ok(())
        })?;
        let mut open: Vec<Intent> = self.values(JOURNAL, &mut tally)?;
        written::in_order(&mut open);
        let passes = self.values(PASSES, &mut tally)?;
        if let Some(seal) = self.seal.filter(|seal| seal.tally != tally) {
            let (written, found) = (seal.tally.records(), tally.records());
            let what = format!("{written} records were written, and what is there ({found}) is not all of it or older");
            return Err(Illegible(what).into());
        }
        let mut groups = BTreeMap::new();
        for (reference, document) in &self.groups {
            let group: Option<RememberedGroup> = self.document(&group_room(reference), Some(*document))?;
            groups.extend(group.map(|group| (GroupRef::new(reference), group)));
        }
        Ok(Memory {
            origin: match origin {
                Marker::Fresh => Origin::Fresh,
                Marker::Known => Origin::Known,
                Marker::Rebuilt(why) => Origin::Rebuilt(why),
            },
            snapshot,
            details,
            open,
            groups,
            absent: self.document::<Vec<_>>("absent", absent)?.unwrap_or_default().into_iter().collect(),
            approvals: self.document("approvals", approvals)?.unwrap_or_default(),
            held,
            passes,
            last_good,
        })
    }

    /// On the disk after [`Self::sync`]. Not one batch: an intent that is there without its neighbours was not sent, and
    /// looking again finds nothing done.
    pub(super) fn begin(&mut self, intents: &[Intent]) -> Result<(), ShelfError> {
        for some in intents.chunks(BATCH_RECORDS) {
            let mut batch = Batch::new();
            for intent in some {
                batch.put(person_key(JOURNAL, &intent.guid), encode(&written::stored_intent(intent.clone()))?);
            }
            self.write(batch)?;
        }
        Ok(())
    }

    /// One batch, then the disk.
    pub(super) fn settle(&mut self, settled: &[Settlement]) -> Result<(), ShelfError> {
        if settled.len() > SETTLE_MAX {
            return Err(ShelfError::Durable(DurableError::Disk {
                message: format!(
                    "{} people in one settlement, {SETTLE_MAX} are allowed; this is a mistake in the program",
                    settled.len()
                ),
            }));
        }
        let mut batch = Batch::new();
        let mut history_next = self.history_next;
        for Settlement { guid, fact, closes_intent, entry, details } in settled {
            match fact {
                Fact::Unchanged => {}
                Fact::Holds(holding) => batch.put(person_key(SEATS, guid), encode(holding)?),
                Fact::NoAccount => batch.remove(person_key(SEATS, guid)),
            }
            match (details, fact) {
                (Shown::Took(mark), _) => batch.put(person_key(DETAILS, guid), encode(mark)?),
                (Shown::Unknown, _) | (Shown::AsBefore, Fact::NoAccount) => {
                    let key = person_key(DETAILS, guid);
                    if self.table.get(&key)?.is_some() {
                        batch.remove(key);
                    }
                }
                (Shown::AsBefore, Fact::Holds(_) | Fact::Unchanged) => {}
            }
            if *closes_intent {
                batch.remove(person_key(JOURNAL, guid));
            }
            if let Some(entry) = entry {
                let error = entry.error.as_deref().map(clipped);
                let stored = HistoryEntry { because: clipped(&entry.because), error, ..entry.clone() };
                batch.put(number_key(HISTORY, history_next), encode(&stored)?);
                history_next += 1;
            }
        }
        self.write(batch)?;
        self.history_next = history_next;
        self.sync()
    }

    /// Documents first, then the root that names them together with the record, then the old documents go.
    pub(super) fn finish(&mut self, closing: &Closing) -> Result<(), ShelfError> {
        let Closing { record, good, whole, groups, absent, approvals, held } = closing;
        let mut root = self.root.clone();
        let mut index = self.groups.clone();
        let mut drafts = Drafts::default();
        if let Some(good) = good {
            root.last_good = Some(*good);
        }
        if *whole {
            root.origin = Marker::Known;
        }
        if let Some(held) = held {
            root.held.clone_from(held);
        }
        if let Some(groups) = groups {
            let known: HashSet<Document> = self.documents();
            index.clear();
            for (reference, group) in groups {
                let reference = reference.as_str();
                index.push((reference.to_owned(), drafts.write(&group_room(reference), group, &known)?));
            }
            root.groups = Some(drafts.write("groups", &index, &known)?);
        }
        if let Some(absent) = absent {
            let mut sorted: Vec<(ObjectGuid, Timestamp)> = absent.iter().map(|(guid, since)| (*guid, *since)).collect();
            sorted.sort_unstable();
            root.absent = Some(drafts.write("absent", &sorted, &self.documents())?);
        }
        if let Some(approvals) = approvals {
            root.approvals = Some(drafts.write("approvals", approvals, &self.documents())?);
        }
        let mut batch = Batch::new();
        batch.put(number_key(PASSES, self.pass_next), encode(&written::stored_record(record.clone()))?);
        if let Some(oldest) = self.pass_next.checked_sub(PASSES_MAX) {
            batch.remove(number_key(PASSES, oldest));
        }
        self.turn(drafts, batch, root, index)?;
        self.pass_next += 1;
        Ok(())
    }

    /// Beside those that wait.
    pub(super) fn approve(&mut self, approval: &Approval) -> Result<(), ShelfError> {
        let mut approvals: Vec<Approval> = self.document("approvals", self.root.approvals)?.unwrap_or_default();
        written::join(&mut approvals, approval.clone());
        let mut drafts = Drafts::default();
        let document = drafts.write("approvals", &approvals, &self.documents())?;
        let root = Root { approvals: Some(document), ..self.root.clone() };
        self.turn(drafts, Batch::new(), root, self.groups.clone())
    }

    /// The newest `most`, the newest last.
    pub(super) fn history(&self, who: Option<ObjectGuid>, most: usize) -> Result<Vec<HistoryEntry>, ShelfError> {
        let mut entries = Vec::new();
        for record in self.table.scan_prefix(HISTORY).rev() {
            if entries.len() >= most {
                break;
            }
            let entry: HistoryEntry = decode(&record?.1)?;
            if who.is_none_or(|who| who == entry.guid) {
                entries.push(entry);
            }
        }
        entries.reverse();
        Ok(entries)
    }

    /// Makes `root` the root, in one batch with `batch`, and durable.
    fn turn(
        &mut self,
        drafts: Drafts,
        mut batch: Batch,
        root: Root,
        groups: Vec<(String, Document)>,
    ) -> Result<(), ShelfError> {
        for some in drafts.pieces.chunks(BATCH_RECORDS) {
            let mut pieces = Batch::new();
            some.iter().for_each(|(key, piece)| pieces.put(key.as_slice(), piece.as_slice()));
            self.table.apply(&pieces)?;
        }
        if !drafts.pieces.is_empty() {
            // What the root names must be there before the root is.
            self.sync()?;
        }
        if root != self.root {
            batch.put(ROOT_KEY, encode(&root)?);
        }
        self.write(batch)?;
        self.sync()?;
        let before = self.documents();
        self.root = root;
        self.groups = groups;
        let now = self.documents();
        self.remove(before.difference(&now).flat_map(Document::keys).collect())
    }

    /// The pieces that a kill left behind between a document and its root, or after a root and its sweep.
    fn strays(&self) -> Result<Vec<Vec<u8>>, ShelfError> {
        let named: HashSet<Vec<u8>> = self.documents().iter().map(Document::prefix).collect();
        let mut strays = Vec::new();
        self.each(DOCUMENTS, |key, _| {
            if !named.contains(Document::prefix_of(key)) {
                strays.push(key.to_vec());
            }
            Ok(())
        })?;
        Ok(strays)
    }

    /// Not synced: what comes back after a power cut is swept at the next opening.
    fn remove(&self, keys: Vec<Vec<u8>>) -> Result<(), ShelfError> {
        for some in keys.chunks(BATCH_RECORDS) {
            let mut batch = Batch::new();
            some.iter().for_each(|key| batch.remove(key.as_slice()));
            self.table.apply(&batch)?;
        }
        Ok(())
    }

    /// All that the root names.
    fn documents(&self) -> HashSet<Document> {
        let Root { origin: _, last_good: _, held: _, groups, absent, approvals } = &self.root;
        let named = [groups, absent, approvals].into_iter().flatten();
        named.chain(self.groups.iter().map(|(_, document)| document)).copied().collect()
    }

    fn document<T: DeserializeOwned>(&self, room: &str, document: Option<Document>) -> Result<Option<T>, ShelfError> {
        let Some(document) = document else { return Ok(None) };
        let mut bytes = Vec::new();
        for key in document.keys() {
            let piece = self.table.get(&key)?;
            bytes.extend(piece.ok_or_else(|| Illegible(format!("no record at key {}", key.escape_ascii())))?);
        }
        match Document::of(room, &bytes) == document {
            true => Ok(Some(decode(&bytes)?)),
            false => Err(Illegible(format!("the document of {room} is not the one that was written")).into()),
        }
    }

    fn values<T: DeserializeOwned>(&self, room: &[u8], tally: &mut Tally) -> Result<Vec<T>, ShelfError> {
        let mut values = Vec::new();
        self.each(room, |key, value| {
            tally.add(key, value);
            values.push(decode(value)?);
            Ok(())
        })?;
        Ok(values)
    }

    fn each(&self, room: &[u8], with: impl FnMut(&[u8], &[u8]) -> Result<(), ShelfError>) -> Result<(), ShelfError> {
        self.table.each(room, with)
    }
}

/// What a remembered group is kept as.
fn group_room(reference: &str) -> String {
    format!("group {reference}")
}

/// Documents that are to be written, in pieces.
#[derive(Default)]
struct Drafts {
    pieces: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Drafts {
    /// A document that is `known`, which means named by the root and therefore whole, is not written again.
    fn write<T: Serialize>(&mut self, room: &str, value: &T, known: &HashSet<Document>) -> Result<Document, Illegible> {
        let bytes = encode(value)?;
        let document = Document::of(room, &bytes);
        if !known.contains(&document) {
            self.pieces.extend(document.keys().zip(bytes.chunks(PIECE_BYTES).map(<[u8]>::to_vec)));
        }
        Ok(document)
    }
}

fn next_number(table: &Table, room: &[u8]) -> Result<u64, ShelfError> {
    match table.scan_prefix(room).next_back() {
        Some(record) => Ok(number_of(room, &record?.0)? + 1),
        None => Ok(0),
    }
}
