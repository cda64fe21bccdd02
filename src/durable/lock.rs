//! The file beside a database: who has it open, and which sync was its last.

use super::DurableError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long a writer waits for those who only look: a look holds the lock while it copies the folder.
const LOOK_MS_MAX: u64 = 10_000;
const LOOK_POLL_MS: u64 = 5;

/// Bytes of the lock file that are read: its one line has about 60.
const LOCK_LINE_BYTES_MAX: u64 = 128;

/// The lock on a database folder, held until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

/// `<folder>.lock`: beside and not inside, so that it outlives a folder that is renamed away.
pub(super) fn lock_path(folder: &Path) -> PathBuf {
    beside(folder, ".lock")
}

/// The folder's path with `suffix` appended to its last name.
pub(super) fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl Lock {
    /// Takes the only right to write; the lock file is made if need be, readable by its owner only.
    pub(super) fn exclusive(folder: &Path) -> Result<Self, DurableError> {
        let path = lock_path(folder);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(|cause| DurableError::disk("open the lock file", &path, &cause))?;
        let deadline = Instant::now() + Duration::from_millis(LOOK_MS_MAX);
        loop {
            match file.try_lock() {
                // A share can be had: no writer is there, only somebody who looks, and that is soon over.
                Err(TryLockError::WouldBlock) if file.try_lock_shared().is_ok() && Instant::now() < deadline => {
                    file.unlock().map_err(|cause| DurableError::disk("unlock", &path, &cause))?;
                    thread::sleep(Duration::from_millis(LOOK_POLL_MS));
                }
                tried => return Self { file, path }.taken(tried, folder),
            }
        }
    }

    /// Takes a right to look, if there is a lock file: without one nobody ever wrote. Creates nothing.
    pub(super) fn shared(folder: &Path) -> Result<Option<Self>, DurableError> {
        let path = lock_path(folder);
        match File::open(&path) {
            Ok(file) => {
                let tried = file.try_lock_shared();
                Self { file, path }.taken(tried, folder).map(Some)
            }
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(DurableError::disk("open the lock file", &path, &cause)),
        }
    }

    fn taken(self, tried: Result<(), TryLockError>, folder: &Path) -> Result<Self, DurableError> {
        match tried {
            Ok(()) => Ok(self),
            Err(TryLockError::WouldBlock) => {
                let holder = self.read().map_or("another process".to_owned(), |(pid, _)| format!("process {pid}"));
                Err(DurableError::InUse {
                    message: format!("{} is in use by {holder}: ask that one, or wait for it to end", folder.display()),
                })
            }
            Err(TryLockError::Error(cause)) => Err(DurableError::disk("lock", &self.path, &cause)),
        }
    }

    /// The number of the last sync whose completion was noted; `None` when there is no legible note.
    pub(super) fn last_sync(&self) -> Option<u64> {
        self.read().map(|(_, sync)| sync)
    }

    /// Notes our process and the number of a sync that has completed.
    ///
    /// Not synced itself: after a power cut the note may be older than the database, which is harmless, never newer.
    pub(super) fn note(&self, sync: u64) -> Result<(), DurableError> {
        let body = format!("pid {:010} sync {sync:020}", std::process::id());
        let line = format!("{body} crc {:08x}\n", crc32fast::hash(body.as_bytes()));
        let mut file = &self.file;
        // One write of constant length: a kill leaves the old line or the new one.
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.write_all(line.as_bytes()))
            .map_err(|cause| DurableError::disk("write", &self.path, &cause))
    }

    fn read(&self) -> Option<(u32, u64)> {
        let mut file = &self.file;
        let mut line = String::new();
        file.seek(SeekFrom::Start(0)).ok()?;
        file.take(LOCK_LINE_BYTES_MAX).read_to_string(&mut line).ok()?;
        let (body, crc) = line.trim_end().rsplit_once(" crc ")?;
        if u32::from_str_radix(crc, 16).ok()? != crc32fast::hash(body.as_bytes()) {
            return None;
        }
        let (pid, sync) = body.strip_prefix("pid ")?.split_once(" sync ")?;
        Some((pid.parse().ok()?, sync.parse().ok()?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_writer_and_a_note_that_outlives_it() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state");
        assert!(Lock::shared(&folder).unwrap().is_none(), "looking creates nothing");
        let lock = Lock::exclusive(&folder).unwrap();
        assert_eq!(lock.last_sync(), None);
        lock.note(41).unwrap();
        lock.note(42).unwrap();
        let refusal = Lock::exclusive(&folder).unwrap_err().to_string();
        assert!(refusal.contains(&format!("process {}", std::process::id())), "{refusal}");
        assert!(matches!(Lock::shared(&folder), Err(DurableError::InUse { .. })));
        drop(lock);
        let looker = Lock::shared(&folder).unwrap().unwrap();
        assert_eq!(looker.last_sync(), Some(42));
        assert!(Lock::shared(&folder).unwrap().is_some(), "any number may look");
        thread::scope(|scope| {
            let writer = scope.spawn(|| Lock::exclusive(&folder));
            assert!(!writer.is_finished());
            drop(looker);
            assert_eq!(writer.join().unwrap().unwrap().last_sync(), Some(42), "a writer waits for who looks");
        });
        std::fs::write(lock_path(&folder), "pid 0000000001 sync 00000000000000000099 crc 00000000\n").unwrap();
        assert_eq!(Lock::exclusive(&folder).unwrap().last_sync(), None, "an illegible note says nothing");
    }
}
