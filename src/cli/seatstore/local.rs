//! Commands on the files of a server that is stopped.

use crate::cli::approve::whoever;
use crate::cli::exit::Stop;
use crate::config::seatstore::SeatstoreConfig;
use crate::model::Timestamp;
use crate::server::command::{Answer, Command, Fresh};
use crate::server::dns::Proof;
use crate::store::{Book, DiskBook, Refusal, StoreError, sled_disk};
use std::path::{Path, PathBuf};

/// Why the files are of no use.
pub(super) enum FilesError {
    /// Somebody else has them: a server, most likely.
    InUse(String),
    /// Somebody must act.
    Stop(Stop),
}

impl From<StoreError> for FilesError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::InUse { message } => Self::InUse(message),
            StoreError::Damaged { .. } | StoreError::Disk { .. } | StoreError::TooNew { .. } => {
                Self::Stop(Stop::Other(error.to_string()))
            }
        }
    }
}

/// The book as it was when it was looked at. Nothing is created by looking.
pub(super) struct Seen {
    path: PathBuf,
    book: Book,
}

impl Seen {
    pub(super) fn look(path: &Path) -> Result<Self, FilesError> {
        Ok(Self { path: path.to_owned(), book: sled_disk::look(path)? })
    }

    /// Carries out a command that only reads.
    pub(super) fn give(&mut self, command: &Command) -> Result<Answer, Stop> {
        let mut fresh = Fresh::default();
        if let Some((before, most)) = command.log_needed() {
            fresh.log = sled_disk::look_at_log(&self.path, before, most).map_err(stopped)?;
        }
        command.perform(&mut self.book, Timestamp::now(), &fresh).map_err(refused)
    }
}

/// The files, open for change.
pub(super) struct Files {
    disk: DiskBook,
    by: String,
    proof: Proof,
}

impl Files {
    pub(super) fn open(config: &SeatstoreConfig) -> Result<Self, FilesError> {
        super::make_folder_of(&config.store_path).map_err(FilesError::Stop)?;
        Ok(Self {
            disk: DiskBook::open(&config.store_path)?,
            by: format!("local:{}", whoever()),
            proof: Proof::new(&config.domains.resolvers, config.domains.timeout),
        })
    }

    /// Carries out any command; noted in the audit log under the name of who runs it.
    pub(super) async fn give(&mut self, command: &Command) -> Result<Answer, Stop> {
        let mut fresh = Fresh::draw(command).map_err(Stop::Other)?;
        if let Some((_, domain)) = command.proof_needed() {
            fresh.texts = self.proof.texts(&domain).await.map_err(|error| Stop::Other(error.to_string()))?;
        }
        if let Some((before, most)) = command.log_needed() {
            fresh.log = self.disk.log_before(before, most).map_err(stopped)?;
        }
        let Self { disk, by, proof: _ } = self;
        let at = Timestamp::now();
        let performed =
            disk.session(|session| session.act(by, command.operation(), at, |book| command.perform(book, at, &fresh)));
        performed.map_err(stopped)?.map_err(refused)
    }
}

fn stopped(error: StoreError) -> Stop {
    Stop::Other(error.to_string())
}

/// The same words that a server's answer leads to.
fn refused(refusal: Refusal) -> Stop {
    Stop::Other(refusal.to_string())
}
