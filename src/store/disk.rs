//! The book, kept: what a change has acknowledged is there after any kill or power cut.
//!
//! All of the book is in memory; the disk is written through, one atomic batch and one sync a change, or one for several
//! that came at the same moment ([`DiskBook::session`]). Everything here blocks: call it from `spawn_blocking` or a thread.
//!
//! Deliberately absent: what the disk is. [`StoreDisk`] is the seam: sled today, see `sled_disk`.

use super::audit::{self, Entry};
use super::book::{Book, Record};
use super::sled_disk::SledDisk;
use crate::model::Timestamp;
use std::path::Path;

/// Why the account store cannot be used, by what the caller does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process has it: ask that one, or wait.
    #[error("{message}")]
    InUse {
        /// What was tried, who holds it, what to do.
        message: String,
    },
    /// What is there is not what was written, or nothing is there any more. Nothing has been changed; somebody must
    /// restore it, or say that it is to be so.
    #[error("{message}")]
    Damaged {
        /// What was tried, what was found, what to do.
        message: String,
    },
    /// The disk or its rights: somebody must act. Whether the last change is kept is not known.
    #[error("{message}")]
    Disk {
        /// What was tried, what came back, what to do.
        message: String,
    },
    /// Written by a newer program.
    #[error("{message}")]
    TooNew {
        /// What was tried, what was found, what to do.
        message: String,
    },
}

/// Where a book is kept.
pub trait StoreDisk: Send {
    /// Opens it, if it is not open, and reads all of the book; empty where there never was one.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn load(&mut self) -> Result<Book, StoreError>;

    /// Writes all of it or nothing; durable on return. After an error nothing is known, and `load` comes before the next
    /// write.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn write(&mut self, records: &[Record], log: &[Entry]) -> Result<(), StoreError>;

    /// Up to `most` entries of the log before that one (its end with `None`), the newest first, each with its number.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn log_before(&mut self, before: Option<u64>, most: usize) -> Result<Vec<(u64, Entry)>, StoreError>;

    /// Most records that one write takes, entries of the log among them.
    fn records_max(&self) -> usize;
}

/// The book, open for change by this process alone.
pub struct DiskBook<D = SledDisk> {
    disk: D,
    book: Book,
    /// Whether the book in memory is what is on disk. While it may be ahead it is read again before anything else.
    is_sound: bool,
}

impl DiskBook<SledDisk> {
    /// Opens the book at `path`; makes an empty one if there never was one.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::of(SledDisk::new(path))
    }
}

impl<D: StoreDisk> DiskBook<D> {
    /// Opens the book on that disk.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub fn of(mut disk: D) -> Result<Self, StoreError> {
        let book = disk.load()?;
        Ok(Self { disk, book, is_sound: true })
    }

    /// The book, as it is on disk.
    ///
    /// # Errors
    /// Any [`StoreError`], when a change failed before and the disk cannot be read again.
    pub fn book(&mut self) -> Result<&Book, StoreError> {
        self.refresh()?;
        Ok(&self.book)
    }

    /// Lets `edit` change the book, at that time. When this returns `Ok(Ok(_))`, all of what it did is durable; with `Ok(Err(_))`, a
    /// refusal, nothing of it is kept; with an error, all of it or nothing is, and the book is read anew before it is used
    /// again.
    ///
    /// # Errors
    /// Any [`StoreError`]; `Disk` also for a change of more records than the disk takes, of which nothing is kept.
    pub fn change<T, E>(
        &mut self,
        at: Timestamp,
        edit: impl FnOnce(&mut Book) -> Result<T, E>,
    ) -> Result<Result<T, E>, StoreError> {
        self.refresh()?;
        // Sound again only at the end: a panic in `edit` also leads to a new reading.
        self.is_sound = false;
        let answer = edit(&mut self.book);
        self.book.date(at);
        let changed = self.book.drain();
        if answer.is_err() {
            self.book.put_back(changed);
        } else if !changed.is_empty() {
            let records: Vec<Record> = changed.into_iter().map(|each| each.now).collect();
            self.disk.write(&records, &[])?;
        }
        self.is_sound = true;
        Ok(answer)
    }

    /// Several changes that share one write. All that `work` was granted is durable when this returns `Ok`; with an error
    /// all of it or nothing is.
    ///
    /// # Errors
    /// As [`DiskBook::change`].
    pub fn session<T>(&mut self, work: impl FnOnce(&mut Session<'_>) -> T) -> Result<T, StoreError> {
        self.refresh()?;
        self.is_sound = false;
        let mut session = Session { book: &mut self.book, records: Vec::new(), log: Vec::new() };
        let answer = work(&mut session);
        let Session { book: _, records, log } = session;
        if !records.is_empty() {
            self.disk.write(&records, &log)?;
        }
        self.is_sound = true;
        Ok(answer)
    }

    /// Up to `most` entries of the log before that one (its end with `None`), the newest first, each with its number.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub fn log_before(&mut self, before: Option<u64>, most: usize) -> Result<Vec<(u64, Entry)>, StoreError> {
        self.refresh()?;
        self.disk.log_before(before, most)
    }

    /// Most records that one change may have.
    pub fn records_max(&self) -> usize {
        self.disk.records_max()
    }

    fn refresh(&mut self) -> Result<(), StoreError> {
        if !self.is_sound {
            self.book = self.disk.load()?;
            self.is_sound = true;
        }
        Ok(())
    }
}

/// Changes that will share one write.
pub struct Session<'a> {
    book: &'a mut Book,
    records: Vec<Record>,
    log: Vec<Entry>,
}

impl Session<'_> {
    /// The book, with what this session has done so far.
    pub fn book(&self) -> &Book {
        self.book
    }

    /// Lets `edit` change the book, and notes who did what. A refusal, in whatever words, leaves nothing of it.
    ///
    /// # Errors
    /// What `edit` says.
    pub fn act<T, E>(
        &mut self,
        by: &str,
        operation: &str,
        at: Timestamp,
        edit: impl FnOnce(&mut Book) -> Result<T, E>,
    ) -> Result<T, E> {
        let answer = edit(self.book);
        self.book.date(at);
        let changed = self.book.drain();
        if answer.is_err() {
            self.book.put_back(changed);
            return answer;
        }
        self.log.extend(audit::entries(at, by, operation, &changed));
        self.records.extend(changed.into_iter().map(|each| each.now));
        answer
    }

    /// Records so far, entries of the log among them.
    pub fn records(&self) -> usize {
        self.records.len() + self.log.len()
    }
}
