//! The state in a folder of this machine.
//!
//! Opened once for the life of the process: the folder admits one process. Damage is never met with a guess: what is
//! there is set aside whole, and the memory says [`Origin::Rebuilt`] until a pass ends well.

use super::codec::{FORMAT, Marker, clipped};
use super::shelf::{Shelf, ShelfError};
use super::{Closing, StateError, StateStore};
use crate::durable::{Database, DurableError, Opened};
use crate::model::{Approval, HistoryEntry, Intent, Memory, ObjectGuid, Origin, Settlement, Timestamp};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::spawn_blocking;

/// Memory for the database's cache, in bytes of pages as stored; in memory they take several times as much. A pass reads
/// everything once, and with 64 MiB it was no faster.
const CACHE_BYTES: u64 = 8 << 20;

/// Intents that are on their way to the database at one time.
const BEGIN_MAX: usize = 1_000;

/// Where the state is, and whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSettings {
    /// The folder. `<path>.lock` and, after damage, `<path>.corrupt-<time>` stand beside it.
    pub path: PathBuf,
    /// The kind of account store and its account id. Another account begins with an empty memory; both are kept.
    pub account: String,
}

/// What the state is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A pass: makes the folder if there is none, sets a damaged one aside.
    Write,
    /// A preview: changes nothing on the disk, not even by opening it; every write is refused.
    Look,
}

/// The memory of one account, in a folder. Dropping it closes the folder.
pub struct LocalState {
    settings: StateSettings,
    access: Access,
    // A write goes on in its thread when its future is dropped; whoever comes next waits for it here.
    place: Arc<Mutex<Place>>,
}

/// What there is to read from and write to.
enum Place {
    Open(Box<Shelf>),
    /// Only looked at, and nothing was ever written.
    Nothing,
    /// Only looked at, and not legible: what was found, in a sentence.
    Illegible(String),
    /// A failure has closed it; the next `load` opens it again.
    Closed,
}

/// Reads the state beside whoever writes it: a pass holds it for no longer than one write takes, and then a reader has its
/// turn. Clones are one and the same.
#[derive(Clone)]
pub struct HistoryReader {
    settings: StateSettings,
    place: Arc<Mutex<Place>>,
}

impl HistoryReader {
    /// The audit log, as [`StateStore::history`] gives it.
    ///
    /// # Errors
    /// Where it is illegible, or closed by a failure until the next pass.
    pub async fn history(&self, who: Option<ObjectGuid>, most: usize) -> Result<Vec<HistoryEntry>, StateError> {
        let settings = self.settings.clone();
        blocking(&self.place, &self.settings, move |place| match place {
            Place::Open(shelf) => shelf.history(who, most).map_err(|error| told(&settings, error)),
            Place::Nothing => Ok(Vec::new()),
            Place::Illegible(found) => Err(disk(format!(
                "the history cannot be read: {found}. The folder that it sets aside keeps the old history"
            ))),
            Place::Closed => Err(closed(&settings)),
        })
        .await
    }

    /// All of the memory as the last write left it. Unlike [`StateStore::load`] it opens nothing and sets nothing aside.
    ///
    /// # Errors
    /// Where it is illegible, or closed by a failure until the next pass.
    pub async fn memory(&self) -> Result<Memory, StateError> {
        let settings = self.settings.clone();
        blocking(&self.place, &self.settings, move |place| match place {
            Place::Open(shelf) => shelf.load().map_err(|error| told(&settings, error)),
            Place::Nothing => Ok(Memory::empty(Origin::Fresh)),
            Place::Illegible(found) => Ok(Memory::empty(Origin::Rebuilt(found.clone()))),
            Place::Closed => Err(closed(&settings)),
        })
        .await
    }
}

impl LocalState {
    /// Something to read it with while a pass has it.
    pub fn reader(&self) -> HistoryReader {
        HistoryReader { settings: self.settings.clone(), place: self.place.clone() }
    }

    /// Opens it. Blocks for some milliseconds, a second with a million people.
    ///
    /// # Errors
    /// `InUse` when another process has it open for writing; `TooNew`; `Disk`.
    pub fn open(settings: StateSettings, access: Access) -> Result<Self, StateError> {
        let place = match access {
            Access::Write => Place::Open(Box::new(open_to_write(&settings)?)),
            Access::Look => open_to_look(&settings)?,
        };
        Ok(Self { settings, access, place: Arc::new(Mutex::new(place)) })
    }

    #[cfg(test)]
    pub(super) fn with_database(&self, work: impl FnOnce(&Database)) {
        match &*self.place.lock().unwrap_or_else(PoisonError::into_inner) {
            Place::Open(shelf) => work(shelf.database()),
            Place::Nothing | Place::Illegible(_) | Place::Closed => {}
        }
    }

    /// Runs `work` on the shelf, in a thread where it may block.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Shelf) -> Result<T, ShelfError> + Send + 'static,
    ) -> Result<T, StateError> {
        let (settings, access) = (self.settings.clone(), self.access);
        blocking(&self.place, &self.settings, move |place| match (place, access) {
            (Place::Open(shelf), Access::Write) => work(shelf).map_err(|error| told(&settings, error)),
            (Place::Closed, Access::Write) => Err(disk(format!(
                "cannot write to the state in {}: it failed before and is closed; the next pass opens it again",
                settings.path.display()
            ))),
            (_, Access::Look) | (Place::Nothing | Place::Illegible(_), Access::Write) => Err(disk(format!(
                "cannot write to the state in {}: it was opened to look only; this is a mistake in the program",
                settings.path.display()
            ))),
        })
        .await
    }
}

impl StateStore for LocalState {
    async fn load(&mut self) -> Result<Memory, StateError> {
        let (settings, access) = (self.settings.clone(), self.access);
        blocking(&self.place, &self.settings, move |place| match access {
            Access::Write => load_to_write(place, &settings),
            Access::Look => load_to_look(place, &settings),
        })
        .await
    }

    async fn begin(&mut self, intents: &[Intent]) -> Result<(), StateError> {
        // Not one batch anyway, and all of them are not to be there twice.
        for some in intents.chunks(BEGIN_MAX) {
            let some = some.to_vec();
            self.write(move |shelf| shelf.begin(&some)).await?;
        }
        self.write(|shelf| shelf.sync()).await
    }

    async fn settle(&mut self, settled: &[Settlement]) -> Result<(), StateError> {
        let settled = settled.to_vec();
        self.write(move |shelf| shelf.settle(&settled)).await
    }

    async fn finish(&mut self, closing: &Arc<Closing>) -> Result<(), StateError> {
        let closing = closing.clone();
        self.write(move |shelf| shelf.finish(&closing)).await
    }

    async fn approve(&mut self, approval: &Approval) -> Result<(), StateError> {
        let approval = approval.clone();
        self.write(move |shelf| shelf.approve(&approval)).await
    }

    async fn history(&mut self, who: Option<ObjectGuid>, most: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.reader().history(who, most).await
    }
}

/// Runs `work` on the place, in a thread where it may block, and when it is free.
async fn blocking<T: Send + 'static>(
    place: &Arc<Mutex<Place>>,
    settings: &StateSettings,
    work: impl FnOnce(&mut Place) -> Result<T, StateError> + Send + 'static,
) -> Result<T, StateError> {
    let place = place.clone();
    let worked = spawn_blocking(move || work(&mut place.lock().unwrap_or_else(PoisonError::into_inner))).await;
    worked.unwrap_or_else(|ended| {
        Err(disk(format!("the work on the state in {} was cut short: {ended}", settings.path.display())))
    })
}

fn open_to_write(settings: &StateSettings) -> Result<Shelf, StateError> {
    let opened = Database::open_or_set_aside(&settings.path, CACHE_BYTES, &now_text());
    let (database, new) = match opened.map_err(|error| told(settings, error.into()))? {
        Opened::Sound(database) => (database, Marker::Fresh),
        Opened::SetAside { database, aside, why } => (database, set_aside_marker(settings, &why, &aside)),
    };
    match Shelf::open(database, &settings.account, new) {
        Ok(shelf) => Ok(shelf),
        Err((ShelfError::Durable(why @ DurableError::Damaged { .. }), database)) => {
            begin_anew(settings, database, &why)
        }
        Err((error, _)) => Err(told(settings, error)),
    }
}

/// For damage found after the database was opened.
fn begin_anew(settings: &StateSettings, database: Database, why: &DurableError) -> Result<Shelf, StateError> {
    let (database, aside) =
        database.set_aside(CACHE_BYTES, &now_text()).map_err(|error| told(settings, error.into()))?;
    let marker = set_aside_marker(settings, why, &aside);
    Shelf::open(database, &settings.account, marker).map_err(|(error, _)| told(settings, error))
}

fn set_aside_marker(settings: &StateSettings, why: &DurableError, aside: &Path) -> Marker {
    let text = match why {
        DurableError::Older { message } => format!(
            "the state {message}. It has been set aside as {}; if it was put there on purpose, put it back in place of {}, remove \
             {} and run `seatsync sync --audit`",
            aside.display(),
            settings.path.display(),
            Database::lock_path(&settings.path).display()
        ),
        DurableError::Damaged { message } | DurableError::InUse { message } | DurableError::Disk { message } => {
            format!("the state was damaged and has been set aside as {} ({message})", aside.display())
        }
    };
    tracing::error!(aside = %aside.display(), "{text}");
    Marker::Rebuilt(clipped(&text))
}

fn load_to_write(place: &mut Place, settings: &StateSettings) -> Result<Memory, StateError> {
    let shelf = match std::mem::replace(place, Place::Closed) {
        Place::Open(shelf) if !shelf.has_failed() => *shelf,
        // The lock must be let go before the folder can be opened again.
        Place::Open(failed) => {
            drop(failed);
            open_again(settings)?
        }
        Place::Closed => open_again(settings)?,
        Place::Nothing | Place::Illegible(_) => open_to_write(settings)?,
    };
    let (shelf, loaded) = match shelf.load() {
        Err(ShelfError::Durable(why @ DurableError::Damaged { .. })) => {
            let shelf = begin_anew(settings, shelf.into_database(), &why)?;
            let loaded = shelf.load();
            (shelf, loaded)
        }
        loaded => (shelf, loaded),
    };
    *place = Place::Open(Box::new(shelf));
    loaded.map_err(|error| told(settings, error))
}

fn open_to_look(settings: &StateSettings) -> Result<Place, StateError> {
    let opened = Database::exists(&settings.path).map_err(ShelfError::from).and_then(|exists| match exists {
        true => Ok(Some(Database::look(&settings.path, CACHE_BYTES)?)),
        false => Ok(None),
    });
    let looked = opened.and_then(|database| match database {
        Some(database) => Shelf::look(database, &settings.account).map(Some).map_err(|(error, _)| error),
        None => Ok(None),
    });
    match looked {
        Ok(Some(shelf)) => Ok(Place::Open(Box::new(shelf))),
        Ok(None) => Ok(Place::Nothing),
        Err(ShelfError::Durable(why @ (DurableError::Damaged { .. } | DurableError::Older { .. }))) => {
            Ok(Place::Illegible(found(settings, &why)))
        }
        Err(error) => Err(told(settings, error)),
    }
}

/// What this process had open before. Gone since then, it is not made anew: its disk may come back at any time.
fn open_again(settings: &StateSettings) -> Result<Shelf, StateError> {
    if Database::exists(&settings.path).map_err(|error| told(settings, error.into()))? {
        return open_to_write(settings);
    }
    Err(disk(format!(
        "the state {path} was removed or unmounted while it was in use: put it back or mount it; to begin anew on purpose \
         restart the service (seats are then learnt from the account store, and losses wait for you)",
        path = settings.path.display()
    )))
}

fn load_to_look(place: &mut Place, settings: &StateSettings) -> Result<Memory, StateError> {
    if let Place::Open(shelf) = place {
        match shelf.load() {
            Ok(memory) => return Ok(memory),
            Err(ShelfError::Durable(why @ DurableError::Damaged { .. })) => {
                *place = Place::Illegible(found(settings, &why));
            }
            Err(error) => return Err(told(settings, error)),
        }
    }
    match place {
        // What the next pass would begin with.
        Place::Illegible(found) => Ok(Memory::empty(Origin::Rebuilt(found.clone()))),
        Place::Nothing | Place::Open(_) | Place::Closed => Ok(Memory::empty(Origin::Fresh)),
    }
}

/// What is wrong with a state that is left where it is, and what becomes of it.
fn found(settings: &StateSettings, why: &DurableError) -> String {
    match why {
        DurableError::Older { message } => format!(
            "the state {message}. If that is on purpose, remove {} and run `seatsync sync --audit`; else the next sync \
             sets it aside and rebuilds it from the account store",
            Database::lock_path(&settings.path).display()
        ),
        DurableError::Damaged { message } | DurableError::InUse { message } | DurableError::Disk { message } => {
            format!(
                "the state in {} is damaged ({message}); the next sync sets it aside and rebuilds it from the account store",
                settings.path.display()
            )
        }
    }
}

/// The error for the room's callers.
fn told(settings: &StateSettings, error: ShelfError) -> StateError {
    let path = settings.path.display();
    match error {
        ShelfError::Durable(DurableError::InUse { message }) => StateError::InUse { message },
        ShelfError::Durable(DurableError::Disk { message }) => StateError::Disk { message },
        // Only `load` may set aside: in the middle of a pass there is nothing right to go on with.
        ShelfError::Durable(why @ (DurableError::Damaged { .. } | DurableError::Older { .. })) => {
            disk(found(settings, &why))
        }
        ShelfError::TooNew(format) => StateError::TooNew {
            message: format!(
                "the state in {path} has format {format}, this program reads up to {FORMAT}: \
                 install the program that wrote it, or a newer one"
            ),
        },
    }
}

fn closed(settings: &StateSettings) -> StateError {
    disk(format!(
        "cannot read the state in {}: it failed before and is closed; the next pass opens it again",
        settings.path.display()
    ))
}

fn disk(message: String) -> StateError {
    StateError::Disk { message }
}

/// Only the name of a folder set aside; nothing is decided by it.
fn now_text() -> String {
    Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string()
}
