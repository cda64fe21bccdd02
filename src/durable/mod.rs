//! Records on disk that survive a kill at any moment: sled, with the guards that experiments showed it needs.
//!
//! | what sled does | what stands here |
//! |---|---|
//! | a kill while it writes `snap.X.generating` makes every later open fail | left-overs are deleted before opening |
//! | `flush` ends in `sync_file_range`, which neither metadata nor the drive's cache obeys | [`Database::sync`] adds `fdatasync` |
//! | a cut-off log is recovered silently to an earlier state | the number of the last sync is kept beside the folder and compared |
//! | what stands behind a damaged spot of a segment is left out silently | [`Tally`], for who keeps one with the records |
//! | a folder that is gone is made anew without a word | [`Database::gone`] asks that number |
//! | a folder that is deleted under it goes on taking writes | before each write the file is compared with what stands there |
//! | pages are checked when they are read, and recovery may panic | every record has a CRC; every call is made inside `catch_unwind` |
//! | a page above 128 KiB goes to a file of its own, which is never synced | [`VALUE_BYTES_MAX`], [`KEY_BYTES_MAX`] |
//! | batches of 10,000 cost gigabytes; the cache defaults to 1 GB | [`BATCH_MAX`], an explicit cache |
//! | a kill while it creates its files leaves a folder it refuses | a new database is made beside and renamed into place |
//! | a second process gets an unnamed I/O error | our own lock file, which also says who holds it |
//!
//! Beside the folder `state` stand `state.lock` (kept: removing a lock file is a race) and, after damage,
//! `state.corrupt-<time>`. Everything here blocks: call it from `spawn_blocking`.
//!
//! Deliberately absent: any knowledge of what is stored, a background flusher (it only logs its errors), transactions over
//! several tables, large values.

mod calm;
mod database;
mod lock;
mod table;

#[cfg(test)]
mod tests;

pub use database::{Database, Opened};
pub use table::{BATCH_MAX, Batch, KEY_BYTES_MAX, Record, Scan, Table, Tally, VALUE_BYTES_MAX};

/// Why a database cannot be used, by what the caller does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurableError {
    /// Another process has it: ask that one, or wait.
    #[error("{message}")]
    InUse {
        /// What was tried, who holds it, what to do.
        message: String,
    },
    /// What is there is not what was written: set it aside, begin anew.
    #[error("{message}")]
    Damaged {
        /// What was tried and what was found.
        message: String,
    },
    /// Sound, and older than what was last written: restored from a backup, or its latest writes are lost. Only who
    /// knows which can say whether to go on with it; [`Database::lock_path`] then has to go.
    #[error("{message}")]
    Older {
        /// What was found.
        message: String,
    },
    /// The disk, its rights, or a folder that is not ours: somebody must act; what is stored is left alone.
    #[error("{message}")]
    Disk {
        /// What was tried, what came back, what to do.
        message: String,
    },
}

impl DurableError {
    /// A disk error for a file operation of our own.
    pub(crate) fn disk(tried: &str, path: &std::path::Path, cause: &std::io::Error) -> Self {
        Self::Disk {
            message: format!("cannot {tried} {}: {cause}; check its rights and the free space", path.display()),
        }
    }
}
