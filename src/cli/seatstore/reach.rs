//! Where a command goes: to the running server, or to the files of a stopped one.
//!
//! Who holds the book decides. Nobody: then the files are read, or opened for the change. Somebody: then that is the server,
//! and it is asked; or another command, which is soon over, and the files are tried again.

use super::arguments::ServerOptions;
use super::local::{Files, FilesError, Seen};
use super::remote::{self, Remote};
use crate::cli::exit::Stop;
use crate::config::seatstore::SeatstoreConfig;
use crate::server::command::{Answer, Command, VouchedAccount};
use std::time::{Duration, Instant};

/// How long another command is waited for that has the files and is no server.
const OTHER_TIME_MAX: Duration = Duration::from_secs(10);
/// How long until they are tried again.
const OTHER_POLL: Duration = Duration::from_millis(100);

/// The way to the account store.
pub(super) struct Reach {
    config: SeatstoreConfig,
    options: ServerOptions,
    way: Way,
}

/// The way that was found.
enum Way {
    /// None yet.
    Unknown,
    /// The book as it was a moment ago: enough to read.
    Seen(Box<Seen>),
    /// The files, in our hands until the end.
    Files(Box<Files>),
    /// The server.
    Server(Box<Remote>),
}

impl Reach {
    pub(super) fn new(config: SeatstoreConfig, options: ServerOptions) -> Self {
        Self { config, options, way: Way::Unknown }
    }

    pub(super) fn config(&self) -> &SeatstoreConfig {
        &self.config
    }

    /// What an invitation's path is appended to.
    pub(super) fn public_url(&self) -> String {
        match (&self.config.mail.public_url, &self.options.endpoint) {
            (Some(url), _) => url.clone(),
            (None, Some(url)) => url.trim_end_matches('/').to_owned(),
            (None, None) => remote::own_url(&self.config.listen),
        }
    }

    /// Has a command carried out.
    pub(super) async fn give(&mut self, command: &Command) -> Result<Answer, Stop> {
        self.decide(command.is_read_only()).await?;
        match &mut self.way {
            Way::Seen(seen) => seen.give(command),
            Way::Files(files) => files.give(command).await,
            Way::Server(server) => server.ask(command).await,
            Way::Unknown => Err(Stop::Other("there is no way to the account store".to_owned())),
        }
    }

    /// Makes an account whose domains the operator vouches for, which no server does.
    pub(super) async fn create_vouched(&mut self, wish: &VouchedAccount) -> Result<Answer, Stop> {
        self.decide(false).await?;
        match &mut self.way {
            Way::Files(files) => files.create_vouched(wish),
            Way::Server(_) | Way::Seen(_) | Way::Unknown => Err(Stop::Other(
                "with --kind an account is made directly in the files, and a server is running: stop it; or make a team \
                 without --kind, and claim its domain with `seatstore domain claim`"
                    .to_owned(),
            )),
        }
    }

    /// Finds the way that is needed to read or to change, unless it is found.
    async fn decide(&mut self, is_read_only: bool) -> Result<(), Stop> {
        match (&self.way, is_read_only) {
            (Way::Files(_) | Way::Server(_), _) | (Way::Seen(_), true) => return Ok(()),
            (Way::Unknown, _) | (Way::Seen(_), false) => {}
        }
        if self.options.endpoint.is_some() {
            self.way = Way::Server(Box::new(Remote::open(&self.config, &self.options)?));
            return Ok(());
        }
        let deadline = Instant::now() + OTHER_TIME_MAX;
        loop {
            let held = match self.files(is_read_only) {
                Ok(way) => {
                    self.way = way;
                    return Ok(());
                }
                Err(FilesError::Stop(stop)) => return Err(stop),
                Err(FilesError::InUse(message)) => message,
            };
            match remote::is_there(&self.config.listen).await {
                Ok(()) => {
                    self.way = Way::Server(Box::new(Remote::open(&self.config, &self.options)?));
                    return Ok(());
                }
                Err(_) if Instant::now() < deadline => tokio::time::sleep(OTHER_POLL).await,
                Err(why) => return Err(Stop::Other(format!("{held}; and no server answers: {why}"))),
            }
        }
    }

    fn files(&self, is_read_only: bool) -> Result<Way, FilesError> {
        Ok(if is_read_only {
            Way::Seen(Box::new(Seen::look(&self.config.store_path)?))
        } else {
            Way::Files(Box::new(Files::open(&self.config)?))
        })
    }
}
