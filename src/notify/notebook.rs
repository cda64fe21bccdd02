//! The memory of a [`Watch`], kept in a small file, so that a service that is started again and again does not say the same
//! again.
//!
//! It is written before anything is told: a message may be lost with the process, but none is told at every start. It is
//! worth no more than that: where it is missing or damaged, it begins anew.

use super::news::{News, Watch};
use crate::model::Timestamp;
use crate::status::Live;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes: far above what a memory can hold.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What is appended to the path of the state.
const SUFFIX: &str = ".told.json";

/// A watch that remembers.
#[derive(Debug)]
pub struct Notebook {
    path: PathBuf,
    watch: Watch,
    /// Whether the latest attempt to write failed: it is told once.
    is_failing: bool,
}

impl Notebook {
    /// Where it is kept for a state at that path: beside it.
    pub fn path_beside(state: &Path) -> PathBuf {
        let mut path = state.as_os_str().to_owned();
        path.push(SUFFIX);
        PathBuf::from(path)
    }

    /// Reads it; begins anew where it cannot be read.
    pub fn open(path: PathBuf) -> Self {
        let watch = read(&path).unwrap_or_else(|why| {
            tracing::debug!("what was told is not known, it may be told again: {}: {why}", path.display());
            Watch::default()
        });
        Self { path, watch, is_failing: false }
    }

    /// What is to be told of this, now; it counts as told, on disk as well.
    pub async fn observe(&mut self, live: &Live, now: Timestamp) -> Vec<News> {
        let before = self.watch.clone();
        let news = self.watch.observe(live, now);
        if self.watch != before || self.is_failing {
            let (path, watch) = (self.path.clone(), self.watch.clone());
            let written = tokio::task::spawn_blocking(move || write(&path, &watch)).await;
            let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
            if let Err(error) = &written
                && !self.is_failing
            {
                tracing::warn!(
                    "what was told cannot be kept in {}: {error}; it may be told again after a restart",
                    self.path.display()
                );
            }
            self.is_failing = written.is_err();
        }
        news
    }
}

fn read(path: &Path) -> Result<Watch, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

/// All of it or nothing: a new file takes the place of the old one when it is on the disk.
fn write(path: &Path, watch: &Watch) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec(watch)?)?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&new, path)?;
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::HeldNote;
    use crate::status::Remembered;

    fn held(hash: &str) -> Live {
        let since = "2026-11-25T12:00:00Z".parse().unwrap();
        let note = HeldNote { hash: hash.to_owned(), losses: 3, gains: 0, since };
        Live { remembered: Remembered { held: Some(note), ..Remembered::default() }, daemon: None }
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_795_608_000 + minute * 60).unwrap()
    }

    #[tokio::test]
    async fn what_was_told_is_not_told_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = Notebook::path_beside(&folder.path().join("state"));
        assert_eq!(path, folder.path().join("state.told.json"));
        assert_eq!(Notebook::open(path.clone()).observe(&held("a"), at(0)).await.len(), 1);
        for minute in 1..5 {
            assert_eq!(Notebook::open(path.clone()).observe(&held("a"), at(minute)).await, []);
        }
        assert_eq!(Notebook::open(path.clone()).observe(&held("b"), at(5)).await.len(), 1);
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|each| each.unwrap().file_name()).collect();
        assert_eq!(names, ["state.told.json"], "nothing is left over");
    }

    #[tokio::test]
    async fn a_damaged_file_is_a_new_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("told.json");
        for damaged in [&b""[..], b"{", b"[]", b"{\"held\":7}", b"{\"new\":1}", b"\xff"] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(Notebook::open(path.clone()).observe(&held("a"), at(0)).await.len(), 1, "{damaged:?}");
            assert_eq!(Notebook::open(path.clone()).observe(&held("a"), at(1)).await, [], "{damaged:?}");
        }
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_keeps_nothing_from_being_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone").join("told.json");
        let mut notebook = Notebook::open(path.clone());
        assert_eq!(notebook.observe(&held("a"), at(0)).await.len(), 1);
        assert_eq!(notebook.observe(&held("a"), at(1)).await, []);
        // As soon as it can be written, it is.
        std::fs::create_dir(folder.path().join("gone")).unwrap();
        assert_eq!(notebook.observe(&held("a"), at(2)).await, []);
        assert_eq!(Notebook::open(path).observe(&held("a"), at(3)).await, []);
    }
}
