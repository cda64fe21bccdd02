//! A folder with messages, one file each, for somebody else to send or to read.
//!
//! Invariant: a file whose name ends in `.eml` is whole and on the disk. The folder is closed to others, since each message
//! has a link in it with which to accept.
//!
//! Deliberately absent: removing anything; whoever takes a message away removes it.

use super::{MailError, UnusableMail};
use crate::model::Timestamp;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// Most files in the folder. Above it nobody takes them away, and the disk is for other things.
pub const SPOOL_FILES_MAX: usize = 100_000;

/// What the name of a file that is not whole yet begins with.
const UNFINISHED: &str = ".unfinished-";

/// A folder with messages.
#[derive(Clone, Debug)]
pub struct Spool {
    folder: Arc<Path>,
    /// How many files there may be; counted anew before a message is refused. Held while a file is written.
    counted: Arc<Mutex<usize>>,
    files_max: usize,
}

impl Spool {
    /// Makes the folder, closed to others, if there is none; removes what was not finished in an earlier run.
    ///
    /// # Errors
    /// For a folder that cannot be made, read or written.
    pub fn open(folder: &Path) -> Result<Self, UnusableMail> {
        Self::with_room_for(folder, SPOOL_FILES_MAX)
    }

    fn with_room_for(folder: &Path, files_max: usize) -> Result<Self, UnusableMail> {
        let prepared = make(folder).and_then(|()| remove_unfinished(folder)).and_then(|()| count(folder));
        let counted = prepared.map_err(|error| UnusableMail {
            message: format!(
                "messages cannot be written into {}: {error}; name a folder that the user of this program may write, or \
                 a mail server",
                folder.display()
            ),
        })?;
        Ok(Self { folder: folder.into(), counted: Arc::new(Mutex::new(counted)), files_max })
    }

    /// Writes one message; it is on the disk when this returns.
    pub(super) async fn write(&self, id: Uuid, at: Timestamp, message: Vec<u8>) -> Result<(), MailError> {
        let spool = self.clone();
        let written = tokio::task::spawn_blocking(move || spool.write_now(id, at, &message)).await;
        written.unwrap_or_else(|_| {
            Err(MailError::Temporary { message: "a message was not written: the program ends".to_owned() })
        })
    }

    fn write_now(&self, id: Uuid, at: Timestamp, message: &[u8]) -> Result<(), MailError> {
        let failed = |error: io::Error| MailError::Temporary {
            message: format!("cannot write a message into {}: {error}; it is tried again", self.folder.display()),
        };
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if *counted >= self.files_max {
            *counted = count(&self.folder).map_err(failed)?;
        }
        if *counted >= self.files_max {
            return Err(MailError::Temporary {
                message: format!(
                    "{} holds {} files, the most it may: send what is in it, or configure a mail server; the message is \
                     tried again",
                    self.folder.display(),
                    *counted
                ),
            });
        }
        let path = self.folder.join(format!("{}-{id}.eml", at.strftime("%Y%m%dT%H%M%S%.6fZ")));
        place(&self.folder, &path, message).map_err(failed)?;
        *counted += 1;
        Ok(())
    }
}

fn make(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn count(folder: &Path) -> io::Result<usize> {
    Ok(fs::read_dir(folder)?.count())
}

/// Under another name first, so that nobody sees half a message, after a crash neither.
fn place(folder: &Path, path: &Path, message: &[u8]) -> io::Result<()> {
    let unfinished: PathBuf = folder.join(format!("{UNFINISHED}{}", Uuid::new_v4()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    let placed = file.write_all(message).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&unfinished, path));
    if placed.is_err() {
        // What cannot be removed now is removed at the next start.
        let _ = fs::remove_file(&unfinished);
    }
    placed?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const AT: &str = "2026-11-22T12:00:00Z";

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = entries.collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn one_whole_file_a_message_closed_to_others() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("new/spool");
        let spool = Spool::open(&folder).unwrap();
        spool.write(Uuid::from_u128(7), AT.parse().unwrap(), b"To: a@b.c\r\n\r\nHello".to_vec()).await.unwrap();
        assert_eq!(names(&folder), ["20261122T120000.000000Z-00000000-0000-0000-0000-000000000007.eml"]);
        let file = folder.join(&names(&folder)[0]);
        assert_eq!(fs::read(&file).unwrap(), b"To: a@b.c\r\n\r\nHello");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
    }

    #[tokio::test]
    async fn a_full_folder_takes_nothing_until_somebody_empties_it() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::with_room_for(folder.path(), 2).unwrap();
        let write = |n: u128| spool.write(Uuid::from_u128(n), AT.parse().unwrap(), vec![b'x']);
        write(1).await.unwrap();
        write(2).await.unwrap();
        match write(3).await {
            Err(MailError::Temporary { message }) => assert!(message.contains("holds 2 files, the most it may")),
            other => assert!(other.is_err(), "a third file in a folder for two"),
        }
        assert_eq!(names(folder.path()).len(), 2);
        fs::remove_file(folder.path().join(&names(folder.path())[0])).unwrap();
        write(3).await.unwrap();
        assert!(write(4).await.is_err());
    }

    #[tokio::test]
    async fn what_an_earlier_run_did_not_finish_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".unfinished-x"), "half").unwrap();
        fs::write(folder.path().join("20261122T120000Z-x.eml"), "whole").unwrap();
        Spool::open(folder.path()).unwrap();
        assert_eq!(names(folder.path()), ["20261122T120000Z-x.eml"]);
    }

    #[tokio::test]
    async fn a_folder_that_is_gone_is_temporary_and_one_that_cannot_be_is_told_at_the_start() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("spool");
        let spool = Spool::open(&folder).unwrap();
        fs::remove_dir(&folder).unwrap();
        let written = spool.write(Uuid::nil(), AT.parse().unwrap(), Vec::new()).await;
        assert!(matches!(written, Err(MailError::Temporary { .. })), "{written:?}");
        fs::write(&folder, "a file").unwrap();
        let message = Spool::open(&folder).unwrap_err().message;
        assert!(message.starts_with(&format!("messages cannot be written into {}: ", folder.display())), "{message}");
    }
}
