//! Commands on the files of a server that is stopped.

use crate::cli::ask::whoever;
use crate::cli::exit::Stop;
use crate::config::seatstore::SeatstoreConfig;
use crate::model::Timestamp;
use crate::server::command::{self, Answer, Command, Fresh, VouchedAccount};
use crate::server::dns::Proof;
use crate::store::{Book, DiskBook, Refusal, StoreError, sled_disk};
use std::path::{Path, PathBuf};

/// In the audit log, as if a command had made it.
const CREATE_ACCOUNT: &str = "CreateAccount";

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
        self.act(command.operation(), |book, at| command.perform(book, at, &fresh))
    }

    /// Makes an account whose domains the operator vouches for.
    pub(super) fn create_vouched(&mut self, wish: &VouchedAccount) -> Result<Answer, Stop> {
        let fresh = Fresh::draw_ids(1).map_err(Stop::Other)?;
        self.act(CREATE_ACCOUNT, |book, at| command::create_vouched(book, at, &fresh, wish))
    }

    fn act(
        &mut self,
        operation: &str,
        edit: impl FnOnce(&mut Book, Timestamp) -> Result<Answer, Refusal>,
    ) -> Result<Answer, Stop> {
        let Self { disk, by, proof: _ } = self;
        let at = Timestamp::now();
        let performed = disk.session(|session| session.act(by, operation, at, |book| edit(book, at)));
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
