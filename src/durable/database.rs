//! Opening, setting aside, looking at, syncing.

use super::DurableError;
use super::calm::{ask_sled, calmly, is_lock_refusal};
use super::lock::{self, Lock, beside};
use super::table::{Table, framed, unframed};
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long to wait for sled's own threads to let go of a file that this process has just closed: they are few, shared by
/// all its databases, and slow on a busy machine.
const RELEASE_MS_MAX: u64 = 10_000;
const RELEASE_POLL_MS: u64 = 5;

/// Where the number of the last sync is kept: in sled's default tree, which no [`Table`] can be.
const SYNC_KEY: &[u8] = b"syncs";

/// Most folders of one moment that are set aside beside each other.
const ASIDE_NAMES_MAX: u32 = 100;

/// An open database, locked against every other process. Clones are the same database; the last one closes it.
#[derive(Clone)]
pub struct Database(pub(super) Arc<Inner>);

/// What [`Database::open_or_set_aside`] found.
pub enum Opened {
    /// What was written is there (or nothing was ever written).
    Sound(Database),
    /// What was there is damaged or older than what was last written, and lies in `aside` now.
    SetAside {
        /// New and empty.
        database: Database,
        /// Where the damaged folder is.
        aside: PathBuf,
        /// What was found: `Damaged` or `Older`.
        why: DurableError,
    },
}

pub(super) struct Inner {
    /// Taken out by the drop only.
    sled: Option<sled::Db>,
    pub(super) path: PathBuf,
    keep: Keep,
    /// The number of the last completed sync; held for the whole of a sync, so that who waits finds its writes synced.
    syncs: Mutex<u64>,
    /// Whether something was written since.
    dirty: AtomicBool,
    /// The first failure: sled's memory may be half-written after it, so nothing is asked of it any more.
    failure: Mutex<Option<DurableError>>,
}

enum Keep {
    /// Ours to write. Our own handle of sled's file is what `fdatasync` is called on.
    Writer { lock: Lock, file: File },
    /// A copy in a folder of its own, deleted when closed.
    Copy(PathBuf),
}

impl Database {
    /// Whether anything was ever kept at `path`. Creates nothing.
    ///
    /// # Errors
    /// `Disk` when that cannot be found out: not knowing is not "no".
    pub fn exists(path: &Path) -> Result<bool, DurableError> {
        Ok(folder_state(path)? != Folder::Absent)
    }

    /// How many writes were completed in the database that stood at `path`, where none stands any more: it was deleted,
    /// or its disk is not mounted. `None` when it is there, or nobody knows of one. Creates nothing.
    ///
    /// # Errors
    /// `InUse` while another process writes; `Disk` when that cannot be found out.
    pub fn gone(path: &Path) -> Result<Option<u64>, DurableError> {
        let path = resolved(path)?;
        // Before the folder is looked for, so that nobody makes it in between.
        let lock = Lock::shared(&path)?;
        match folder_state(&path)? {
            Folder::Present => Ok(None),
            // Number 0 was noted by a creation that a kill cut short: nothing was ever written.
            Folder::Absent => Ok(lock.as_ref().and_then(Lock::last_sync).filter(|syncs| *syncs > 0)),
        }
    }

    /// Takes the folder at `path` as it is from now on, even if it is older than what was last written. One that is gone
    /// stays [`Self::gone`].
    ///
    /// # Errors
    /// `InUse` while another process has it; `Disk`.
    pub fn accept(path: &Path) -> Result<(), DurableError> {
        let (path, lock) = locked(path)?;
        match folder_state(&path)? {
            Folder::Present => lock.note(0),
            Folder::Absent => Ok(()),
        }
    }

    /// The file beside the database at `path` that remembers its last sync. Without it, any folder is taken as it is.
    pub fn lock_path(path: &Path) -> PathBuf {
        lock::lock_path(&resolved(path).unwrap_or_else(|_| path.to_owned()))
    }

    /// Opens for writing; makes the folder (mode 0700) if there is none.
    ///
    /// # Errors
    /// `InUse` names the process that has it; `Damaged` and `Older` leave everything as it is; `Disk`.
    pub fn open(path: &Path, cache_bytes: u64) -> Result<Self, DurableError> {
        let (path, lock) = locked(path)?;
        Self::open_locked(&path, cache_bytes, lock).map_err(|(error, _)| error)
    }

    /// Like [`Self::open`], but a damaged or older folder is renamed to `<path>.corrupt-<now_text>` and a new one begun.
    ///
    /// # Errors
    /// `InUse`, `Disk`.
    pub fn open_or_set_aside(path: &Path, cache_bytes: u64, now_text: &str) -> Result<Opened, DurableError> {
        let (path, lock) = locked(path)?;
        match Self::open_locked(&path, cache_bytes, lock) {
            Ok(database) => Ok(Opened::Sound(database)),
            Err((why @ (DurableError::Damaged { .. } | DurableError::Older { .. }), lock)) => {
                let aside = rename_aside(&path, now_text)?;
                let database = Self::open_locked(&path, cache_bytes, lock).map_err(|(error, _)| error)?;
                Ok(Opened::SetAside { database, aside, why })
            }
            Err((error, _)) => Err(error),
        }
    }

    /// For damage that shows only after opening: closes this database, sets its folder aside and begins anew.
    /// Tables and scans of it must be dropped before.
    ///
    /// # Errors
    /// `InUse` when something of it is still held, `Disk`.
    pub fn set_aside(self, cache_bytes: u64, now_text: &str) -> Result<(Self, PathBuf), DurableError> {
        let path = self.0.path.clone();
        drop(self);
        let lock = Lock::exclusive(&path)?;
        let aside = rename_aside(&path, now_text)?;
        let database = Self::open_locked(&path, cache_bytes, lock).map_err(|(error, _)| error)?;
        Ok((database, aside))
    }

    /// Opens a copy of it, to read only: the folder and everything beside it stay exactly as they are. sled itself
    /// writes whenever it opens, and would leave files of the wrong owner if an administrator looks.
    ///
    /// # Errors
    /// `InUse` while another process writes; `Damaged`; `Older`; `Disk`, also when nothing is there.
    pub fn look(path: &Path, cache_bytes: u64) -> Result<Self, DurableError> {
        let path = resolved(path)?;
        let lock = Lock::shared(&path)?;
        let promised = lock.as_ref().and_then(Lock::last_sync);
        let copy = private_copy(&path)?;
        drop(lock);
        let opened = remove_half_snapshots(&copy).and_then(|()| open_sled(&copy, cache_bytes));
        let read = opened.and_then(|sled| Ok((last_sync(&sled, &path, promised)?, sled)));
        match read {
            Ok((syncs, sled)) => Ok(Self::with(sled, path, Keep::Copy(copy), syncs)),
            Err(error) => {
                remove_copy(&copy);
                Err(of_original(error, &copy, &path))
            }
        }
    }

    fn with(sled: sled::Db, path: PathBuf, keep: Keep, syncs: u64) -> Self {
        Self(Arc::new(Inner {
            sled: Some(sled),
            path,
            keep,
            syncs: Mutex::new(syncs),
            dirty: AtomicBool::new(false),
            failure: Mutex::new(None),
        }))
    }

    /// Gives the lock back with damage, for who wants to go on under it.
    fn open_locked(path: &Path, cache_bytes: u64, lock: Lock) -> Result<Self, (DurableError, Lock)> {
        let opened = (|| {
            if folder_state(path)? == Folder::Absent {
                create(path, cache_bytes, &lock)?;
            }
            remove_half_snapshots(path)?;
            let sled = open_sled(path, cache_bytes)?;
            let syncs = last_sync(&sled, path, lock.last_sync())?;
            let db = path.join("db");
            let file = File::open(&db).map_err(|cause| DurableError::disk("open", &db, &cause))?;
            lock.note(syncs)?;
            Ok((sled, syncs, file))
        })();
        match opened {
            Ok((sled, syncs, file)) => Ok(Self::with(sled, path.to_owned(), Keep::Writer { lock, file }, syncs)),
            Err(error) => Err((error, lock)),
        }
    }

    /// The table of that name; made if need be.
    ///
    /// # Errors
    /// `Damaged`, `Disk`.
    pub fn tree(&self, name: &str) -> Result<Table, DurableError> {
        let inner = &self.0;
        inner.usable()?;
        let opened = match &inner.sled {
            Some(sled) => ask_sled("open a table of", &inner.path, || sled.open_tree(name)),
            None => Err(inner.closed()),
        };
        Ok(Table::new(opened.map_err(|error| inner.failed(error))?, inner.clone()))
    }

    /// Everything applied before is on the disk when this returns: sled's `flush`, then `fdatasync`.
    /// Costs nothing when nothing was written.
    ///
    /// # Errors
    /// `Disk`: what was applied since the last sync may or may not be kept. `Damaged`.
    pub fn sync(&self) -> Result<(), DurableError> {
        let inner = &self.0;
        inner.usable()?;
        let Keep::Writer { lock, file } = &inner.keep else { return Err(inner.closed()) };
        let Some(sled) = &inner.sled else { return Err(inner.closed()) };
        let mut syncs = inner.syncs.lock().unwrap_or_else(PoisonError::into_inner);
        if !inner.dirty.swap(false, Ordering::SeqCst) {
            return inner.usable();
        }
        inner.writable()?;
        let next = *syncs + 1;
        ask_sled("write to", &inner.path, || {
            sled.insert(SYNC_KEY, framed(SYNC_KEY, &next.to_be_bytes()))?;
            sled.flush()
        })
        .and_then(|_| file.sync_data().map_err(|cause| DurableError::disk("sync", &inner.path, &cause)))
        .and_then(|()| lock.note(next))
        .map_err(|error| inner.failed(error))?;
        *syncs = next;
        Ok(())
    }

    /// The number of the last completed sync. The next one that has anything to do has the number after it.
    pub fn last_sync(&self) -> u64 {
        *self.0.syncs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names of all tables.
    ///
    /// # Errors
    /// `Damaged`, `Disk`.
    pub fn tables(&self) -> Result<Vec<String>, DurableError> {
        let inner = &self.0;
        inner.usable()?;
        let Some(sled) = &inner.sled else { return Err(inner.closed()) };
        let names = calmly(|| sled.tree_names()).map_err(|panic| DurableError::Damaged {
            message: format!("cannot read from {}: the database engine gave up on it: {panic}", inner.path.display()),
        });
        let names = names.map_err(|error| inner.failed(error))?;
        // Those that sled keeps for itself are no tables of ours.
        Ok(names
            .iter()
            .filter_map(|name| std::str::from_utf8(name).ok())
            .filter(|name| !name.starts_with("__sled"))
            .map(str::to_owned)
            .collect())
    }

    /// Whether a call has failed: this database answers nothing any more and is to be opened again.
    pub fn has_failed(&self) -> bool {
        self.0.usable().is_err()
    }

    /// The folder, as resolved when opened.
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

impl Inner {
    pub(super) fn usable(&self) -> Result<(), DurableError> {
        match &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }

    /// Remembers the first failure and gives the error back.
    pub(super) fn failed(&self, error: DurableError) -> DurableError {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.clone());
        error
    }

    /// After the write, never before it: a sync between the two would otherwise take the mark and miss the write.
    pub(super) fn wrote(&self) {
        self.dirty.store(true, Ordering::SeqCst);
    }

    pub(super) fn writable(&self) -> Result<(), DurableError> {
        match &self.keep {
            Keep::Writer { file, .. } => {
                self.usable()?;
                self.still_there(file).map_err(|error| self.failed(error))
            }
            Keep::Copy(_) => Err(self.closed()),
        }
    }

    /// Whether the file that is written to is the one that stands at our path. A deleted file takes every write and
    /// gives it back, until the process ends and all of it is gone.
    fn still_there(&self, file: &File) -> Result<(), DurableError> {
        let db = self.path.join("db");
        let ours = file.metadata().map_err(|cause| DurableError::disk("find", &db, &cause))?;
        let is_ours = match fs::metadata(&db) {
            Ok(found) => (found.dev(), found.ino()) == (ours.dev(), ours.ino()),
            Err(cause) if cause.kind() == ErrorKind::NotFound => false,
            Err(cause) => return Err(DurableError::disk("find", &db, &cause)),
        };
        match is_ours {
            true => Ok(()),
            false => Err(DurableError::Disk {
                message: format!(
                    "{} was removed, replaced or unmounted while it was in use, and nothing is written any more: put it \
                     back or mount it",
                    self.path.display()
                ),
            }),
        }
    }

    #[cfg(test)]
    pub(super) fn copy_path(&self) -> Option<&Path> {
        match &self.keep {
            Keep::Copy(copy) => Some(copy),
            Keep::Writer { .. } => None,
        }
    }

    fn closed(&self) -> DurableError {
        DurableError::Disk {
            message: format!(
                "cannot write to {}: it was opened to look only; this is a mistake in the program",
                self.path.display()
            ),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Closing flushes, and may fail inside sled on a database that has failed before; all that matters is synced.
        let sled = self.sled.take();
        if let Err(panic) = calmly(move || drop(sled)) {
            tracing::warn!(path = %self.path.display(), panic, "the database did not close cleanly; nothing synced is lost");
        }
        match &self.keep {
            Keep::Copy(copy) => remove_copy(copy),
            Keep::Writer { .. } => {}
        }
    }
}

#[derive(PartialEq, Eq)]
enum Folder {
    /// Not there, or an empty directory.
    Absent,
    /// Has sled's files, or some of them.
    Present,
}

/// Refuses a folder that holds something else: a mistyped path must never be filled, let alone set aside.
fn folder_state(path: &Path) -> Result<Folder, DurableError> {
    let unreadable = |cause: &io::Error| DurableError::disk("read the folder", path, cause);
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            // What a link leads to may be on a disk that is not mounted: nothing is to be made in its place.
            if fs::symlink_metadata(path).is_ok_and(|entry| entry.is_symlink()) {
                let message = format!(
                    "{} is a link to what is not there: mount or restore that, or remove the link",
                    path.display()
                );
                return Err(DurableError::Disk { message });
            }
            return Ok(Folder::Absent);
        }
        Err(cause) => return Err(unreadable(&cause)),
    };
    let mut folder = Folder::Absent;
    let mut stranger = None;
    for entry in entries {
        let name = entry.map_err(|cause| unreadable(&cause))?.file_name();
        match name.to_str() {
            Some("db" | "conf" | "blobs") => folder = Folder::Present,
            Some(snapshot) if snapshot.starts_with("snap.") => folder = Folder::Present,
            _ => stranger = Some(name),
        }
    }
    match (folder, stranger) {
        (Folder::Absent, Some(name)) => Err(DurableError::Disk {
            message: format!(
                "{} is not a database of ours: it holds {}; give it a folder of its own",
                path.display(),
                name.display()
            ),
        }),
        (folder, _) => Ok(folder),
    }
}

/// The one name of the folder, whatever links lead to it, so that its lock is the same for all. Makes nothing.
fn resolved(path: &Path) -> Result<PathBuf, DurableError> {
    let absolute = || std::path::absolute(path).map_err(|cause| DurableError::disk("find", path, &cause));
    match fs::canonicalize(path) {
        Ok(whole) => Ok(whole),
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            let path = absolute()?;
            match (path.parent().map(fs::canonicalize), path.file_name()) {
                (Some(Ok(parent)), Some(name)) => Ok(parent.join(name)),
                _ => Ok(path),
            }
        }
        Err(cause) => Err(DurableError::disk("find", path, &cause)),
    }
}

/// Makes the folder's parent if need be, since the lock stands in it.
fn locked(path: &Path) -> Result<(PathBuf, Lock), DurableError> {
    let path = resolved(path)?;
    make_folder(parent_of(&path))?;
    let lock = Lock::exclusive(&path)?;
    Ok((path, lock))
}

fn make_folder(path: &Path) -> Result<(), DurableError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|cause| DurableError::disk("create the folder", path, &cause))
}

fn sync_folder(path: &Path) -> Result<(), DurableError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|cause| DurableError::disk("sync the folder", path, &cause))
}

fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// Makes an empty database beside and renames it into place: there is either none or a whole one.
fn create(path: &Path, cache_bytes: u64, lock: &Lock) -> Result<(), DurableError> {
    let new = beside(path, ".new");
    match fs::remove_dir_all(&new) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            return Err(DurableError::disk("remove the unfinished", &new, &cause));
        }
        Ok(()) | Err(_) => {}
    }
    make_folder(&new)?;
    let sled = open_sled(&new, cache_bytes)?;
    ask_sled("create", path, || {
        sled.insert(SYNC_KEY, framed(SYNC_KEY, &0_u64.to_be_bytes()))?;
        sled.flush()
    })?;
    calmly(move || drop(sled)).map_err(|panic| DurableError::Disk {
        message: format!("cannot create {}: {panic}; check its rights and the free space", path.display()),
    })?;
    for file in ["db", "conf"] {
        let file = new.join(file);
        File::open(&file)
            .and_then(|file| file.sync_all())
            .map_err(|cause| DurableError::disk("sync", &file, &cause))?;
    }
    sync_folder(&new)?;
    // What was promised of an earlier database at this place does not hold for this one.
    lock.note(0)?;
    fs::rename(&new, path).map_err(|cause| DurableError::disk("put in place", path, &cause))?;
    sync_folder(parent_of(path))
}

/// A kill while sled writes a snapshot leaves these; sled takes them for the newest snapshot and refuses to open.
fn remove_half_snapshots(path: &Path) -> Result<(), DurableError> {
    let failed = |cause: &io::Error| DurableError::disk("clear left-overs in", path, cause);
    for entry in fs::read_dir(path).map_err(|cause| failed(&cause))? {
        let entry = entry.map_err(|cause| failed(&cause))?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("snap.") && name.ends_with(".generating")) {
            fs::remove_file(entry.path()).map_err(|cause| failed(&cause))?;
        }
    }
    Ok(())
}

fn open_sled(path: &Path, cache_bytes: u64) -> Result<sled::Db, DurableError> {
    let config = sled::Config::new()
        .path(path)
        .mode(sled::Mode::HighThroughput)
        .cache_capacity(cache_bytes)
        .flush_every_ms(None);
    // Our lock is held, so only threads that sled has not yet ended can hold sled's own: they let go within moments.
    let deadline = Instant::now() + Duration::from_millis(RELEASE_MS_MAX);
    ask_sled("open", path, || {
        loop {
            match config.open() {
                Err(refusal) if is_lock_refusal(&refusal) && Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(RELEASE_POLL_MS));
                }
                result => return result,
            }
        }
    })
}

/// The number of the last sync in the database, which must not be below the one noted beside it.
fn last_sync(sled: &sled::Db, path: &Path, promised: Option<u64>) -> Result<u64, DurableError> {
    let damaged = |what: String| DurableError::Damaged { message: format!("{}: {what}", path.display()) };
    let found = ask_sled("read from", path, || sled.get(SYNC_KEY))?;
    let stored = match found {
        Some(value) => unframed(SYNC_KEY, &value)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u64::from_be_bytes)
            .ok_or_else(|| damaged("the record of the last sync is damaged".to_owned()))?,
        None => return Err(damaged("the record of the last sync is missing".to_owned())),
    };
    match promised {
        Some(promised) if stored < promised => Err(DurableError::Older {
            message: format!(
                "{} is older than what was last written (restored from a backup?): sync {promised} was completed, \
                 {stored} is there",
                path.display()
            ),
        }),
        Some(_) | None => Ok(stored),
    }
}

fn rename_aside(path: &Path, now_text: &str) -> Result<PathBuf, DurableError> {
    let names = (1..=ASIDE_NAMES_MAX).map(|number| match number {
        1 => beside(path, &format!(".corrupt-{now_text}")),
        _ => beside(path, &format!(".corrupt-{now_text}-{number}")),
    });
    for aside in names {
        if fs::symlink_metadata(&aside).is_ok() {
            continue;
        }
        fs::rename(path, &aside).map_err(|cause| DurableError::disk("set aside the damaged", path, &cause))?;
        sync_folder(parent_of(path))?;
        return Ok(aside);
    }
    Err(DurableError::Disk {
        message: format!(
            "cannot set aside the damaged {}: {ASIDE_NAMES_MAX} folders set aside stand beside it; remove the old ones",
            path.display()
        ),
    })
}

fn private_copy(path: &Path) -> Result<PathBuf, DurableError> {
    static COPIES: AtomicU64 = AtomicU64::new(0);
    let number = COPIES.fetch_add(1, Ordering::Relaxed);
    let nanos =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    let copy = std::env::temp_dir().join(format!("seatsync-look-{}-{number}-{nanos}", std::process::id()));
    // Not recursive: a folder that somebody else has prepared under that name is refused.
    DirBuilder::new()
        .mode(0o700)
        .create(&copy)
        .map_err(|cause| DurableError::disk("create the folder", &copy, &cause))?;
    let copied = copy_folder(path, &copy);
    if copied.is_err() {
        remove_copy(&copy);
    }
    copied.map(|()| copy)
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), DurableError> {
    let failed = |cause: &io::Error| DurableError::disk("copy, to look at it,", from, cause);
    for entry in fs::read_dir(from).map_err(|cause| failed(&cause))? {
        let entry = entry.map_err(|cause| failed(&cause))?;
        let target = to.join(entry.file_name());
        if entry.file_type().map_err(|cause| failed(&cause))?.is_dir() {
            // Only `blobs`, which is empty unless a page has outgrown its segment after all.
            make_folder(&target)?;
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target).map_err(|cause| failed(&cause))?;
        }
    }
    Ok(())
}

/// Damage found in a copy is damage of the original, and the copy is gone when somebody reads of it. What the disk
/// refuses it refuses in the copy's folder.
fn of_original(error: DurableError, copy: &Path, path: &Path) -> DurableError {
    match error {
        DurableError::Damaged { message } => {
            DurableError::Damaged { message: message.replace(&copy.display().to_string(), &path.display().to_string()) }
        }
        DurableError::Older { .. } | DurableError::InUse { .. } | DurableError::Disk { .. } => error,
    }
}

fn remove_copy(copy: &Path) {
    if let Err(cause) = fs::remove_dir_all(copy) {
        tracing::warn!(path = %copy.display(), %cause, "a copy made to look at the state could not be removed; remove it");
    }
}
