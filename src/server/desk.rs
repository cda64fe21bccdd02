//! The desk: one thread that owns the book, and does what is asked one thing after the other.
//!
//! What comes while the disk is busy waits, and then shares one write: the more there is to do, the fewer syncs each change
//! costs. Nobody is answered before the write that holds the answer's change is durable; so a reader never sees what a kill
//! could take back.

use crate::model::Timestamp;
use crate::store::{Book, DiskBook, Entry, Refusal, Session, SledDisk, StoreDisk, StoreError};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Most jobs that wait for the desk.
const JOBS_MAX: usize = 1_024;
/// A write is begun at the latest when it has so many records.
const WRITE_RECORDS: usize = 1_000;
/// A job adds at most so many records, unless it says that it may add more.
const JOB_RECORDS: usize = 1_000;
/// Most jobs that share one write: somebody waits for it.
const WRITE_JOBS: usize = 256;
/// A write is begun at the latest so long after the first of its jobs: somebody waits for that one.
const WRITE_AFTER: Duration = Duration::from_millis(100);
/// How long a job waits to be taken in.
const QUEUE_WAIT: Duration = Duration::from_secs(10);

/// Why the desk gave no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeskError {
    /// Too much to do, or it is closing: try again later. Nothing was done.
    #[error("{message}")]
    Busy {
        /// Why.
        message: String,
    },
    /// The disk: whether it was done is not known.
    #[error("{message}")]
    Broken {
        /// What was tried, what came back, what to do.
        message: String,
    },
}

/// Who asks, for the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller(Arc<str>);

impl Caller {
    /// An access key by its id, or `local:` and a user of this machine.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Does its work, and gives what tells the one who waits once the write is durable, or has failed.
type Job = Box<dyn FnOnce(&mut Session<'_>) -> Verdict + Send>;
type Verdict = Box<dyn FnOnce(Result<(), DeskError>) + Send>;

enum Task {
    /// With how many records it adds at most.
    Do(Job, usize),
    Log(Option<u64>, usize, oneshot::Sender<Result<Vec<(u64, Entry)>, DeskError>>),
}

/// Where to ask. Clones are the same desk; it closes when the last one is gone.
#[derive(Clone)]
pub struct Desk {
    tasks: mpsc::Sender<Task>,
}

/// The thread behind a desk.
pub struct DeskThread(JoinHandle<()>);

impl DeskThread {
    /// Waits until all that was taken in is done and the disk is closed. Blocks; every [`Desk`] must be gone.
    pub fn join(self) {
        if self.0.join().is_err() {
            tracing::error!("the thread of the account store broke off; please report this");
        }
    }
}

impl Desk {
    /// Opens a desk over a book.
    ///
    /// # Errors
    /// When the machine gives no thread.
    pub fn open(disk: DiskBook<SledDisk>) -> std::io::Result<(Self, DeskThread)> {
        Self::over(disk)
    }

    /// As [`Desk::open`], over any disk.
    ///
    /// # Errors
    /// When the machine gives no thread.
    pub fn over<D: StoreDisk + 'static>(disk: DiskBook<D>) -> std::io::Result<(Self, DeskThread)> {
        let (tasks, inbox) = mpsc::channel(JOBS_MAX);
        let thread = std::thread::Builder::new().name("desk".to_owned()).spawn(move || work(disk, inbox))?;
        Ok((Self { tasks }, DeskThread(thread)))
    }

    /// Looks at the book.
    ///
    /// # Errors
    /// See [`DeskError`].
    pub async fn look<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Book) -> T + Send + 'static,
    ) -> Result<T, DeskError> {
        self.ask(move |session| question(session.book())).await
    }

    /// Changes the book: durable when this returns `Ok(Ok(_))`; of a refusal nothing is kept.
    ///
    /// # Errors
    /// See [`DeskError`].
    pub async fn change<T: Send + 'static>(
        &self,
        by: &Caller,
        operation: &'static str,
        edit: impl FnOnce(&mut Book, Timestamp) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<Result<T, Refusal>, DeskError> {
        let by = by.clone();
        self.ask(move |session| {
            let at = Timestamp::now();
            session.act(by.as_str(), operation, at, |book| edit(book, at))
        })
        .await
    }

    /// Several changes in one job, each granted or refused by itself; what was granted is durable when this returns. It adds
    /// at most a few hundred records: others share its write.
    ///
    /// # Errors
    /// See [`DeskError`].
    pub async fn several<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session<'_>) -> T + Send + 'static,
    ) -> Result<T, DeskError> {
        self.ask(work).await
    }

    /// As [`Desk::several`], for a job that may add up to so many records, entries of the log among them: it shares a write only
    /// where there is room for all of them.
    ///
    /// # Errors
    /// See [`DeskError`].
    pub async fn many<T: Send + 'static>(
        &self,
        records_max: usize,
        work: impl FnOnce(&mut Session<'_>) -> T + Send + 'static,
    ) -> Result<T, DeskError> {
        self.ask_of(records_max, work).await
    }

    /// Up to `most` entries of the audit log before that one (its end with `None`), the newest first.
    ///
    /// # Errors
    /// See [`DeskError`].
    pub async fn log_before(&self, before: Option<u64>, most: usize) -> Result<Vec<(u64, Entry)>, DeskError> {
        let (sender, answer) = oneshot::channel();
        self.send(Task::Log(before, most, sender)).await?;
        answer.await.map_err(|_| broken_off())?
    }

    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session<'_>) -> T + Send + 'static,
    ) -> Result<T, DeskError> {
        self.ask_of(JOB_RECORDS, work).await
    }

    async fn ask_of<T: Send + 'static>(
        &self,
        records_max: usize,
        work: impl FnOnce(&mut Session<'_>) -> T + Send + 'static,
    ) -> Result<T, DeskError> {
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move |session| {
            let done = work(session);
            // Who has gone away meanwhile is not told; what was done stays done.
            Box::new(move |written| _ = sender.send(written.map(|()| done)))
        });
        self.send(Task::Do(job, records_max)).await?;
        answer.await.map_err(|_| broken_off())?
    }

    async fn send(&self, task: Task) -> Result<(), DeskError> {
        self.tasks.send_timeout(task, QUEUE_WAIT).await.map_err(|_| DeskError::Busy {
            message: "the account store has too much to do, or is closing; nothing was done, try again".to_owned(),
        })
    }
}

fn broken_off() -> DeskError {
    DeskError::Broken {
        message: "the account store broke off, whether it was done is not known; its log has the reason".to_owned(),
    }
}

/// The life of the thread.
fn work<D: StoreDisk>(mut disk: DiskBook<D>, mut inbox: mpsc::Receiver<Task>) {
    let mut next = inbox.blocking_recv();
    while let Some(task) = next.take() {
        next = match task {
            Task::Log(before, most, sender) => {
                let entries = disk.log_before(before, most).map_err(|error| failed(&error));
                _ = sender.send(entries);
                None
            }
            Task::Do(job, _) => together(&mut disk, job, &mut inbox),
        };
        if next.is_none() {
            next = inbox.blocking_recv();
        }
    }
}

/// One write for this job and those that wait behind it; gives what came and is no job, or has no room in this write.
fn together<D: StoreDisk>(disk: &mut DiskBook<D>, first: Job, inbox: &mut mpsc::Receiver<Task>) -> Option<Task> {
    let mut verdicts: Vec<Verdict> = Vec::new();
    let mut left = None;
    let records_max = disk.records_max();
    let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        disk.session(|session| {
            let begun = Instant::now();
            verdicts.push(first(session));
            let is_small = |session: &Session<'_>| session.records() < WRITE_RECORDS.min(records_max);
            while is_small(session) && verdicts.len() < WRITE_JOBS && begun.elapsed() < WRITE_AFTER {
                match inbox.try_recv() {
                    Ok(Task::Do(job, most)) if session.records() + most <= records_max.max(WRITE_RECORDS) => {
                        verdicts.push(job(session));
                    }
                    Ok(other) => {
                        left = Some(other);
                        return;
                    }
                    Err(_) => return,
                }
            }
        })
    }));
    let outcome = match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(failed(&error)),
        // The book is read anew before it is used again.
        Err(_) => Err(DeskError::Broken {
            message:
                "the account store stumbled over a mistake in the program; nothing of it is kept, please report it"
                    .to_owned(),
        }),
    };
    if let Err(error) = &outcome {
        tracing::error!("{error}");
    }
    for verdict in verdicts {
        verdict(outcome.clone());
    }
    left
}

fn failed(error: &StoreError) -> DeskError {
    DeskError::Broken { message: error.to_string() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::model::{Email, StoreKind, Tier, UserId};
    use crate::store::{AccountId, RefusalCode};
    use std::path::Path;

    fn corp() -> AccountId {
        AccountId::parse("corp").unwrap()
    }

    async fn desk(path: &Path) -> (Desk, DeskThread) {
        let (desk, thread) = Desk::open(DiskBook::open(path).unwrap()).unwrap();
        let by = Caller::new("test");
        let made = desk.change(&by, "CreateAccount", |book, at| {
            let account = book.open_account(&corp(), "corp", StoreKind::EnterpriseDirectory, at)?;
            account.support(&Tier::new("Pro"))
        });
        made.await.unwrap().unwrap();
        (desk, thread)
    }

    fn create(book: &mut Book, number: usize, at: Timestamp) -> Result<(), Refusal> {
        let email = Email::parse(&format!("p{number}@corp.example")).unwrap();
        let id = UserId::new(&format!("u{number:05}"));
        book.account_mut(&corp())?.create(&email, &Tier::new("Pro"), None, id, at).map(drop)
    }

    #[tokio::test]
    async fn what_many_ask_at_once_is_all_done_and_all_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("book");
        let (desk, thread) = desk(&path).await;
        let tasks: Vec<_> = (0..200)
            .map(|number| {
                let desk = desk.clone();
                tokio::spawn(async move {
                    let by = Caller::new(&format!("key{}", number % 3));
                    // Every tenth is refused at last, and takes nothing of the others along.
                    let edit = move |book: &mut Book, at| {
                        create(book, number + 1_000, at)?;
                        create(book, number, at)?;
                        let refusal = Refusal::new(RefusalCode::Conflict, "the tenth");
                        if number % 10 == 9 { Err(refusal) } else { Ok(()) }
                    };
                    desk.change(&by, "CreateUser", edit).await.unwrap()
                })
            })
            .collect();
        let mut refused = 0;
        for task in tasks {
            if let Err(refusal) = task.await.unwrap() {
                assert_eq!(refusal.code, RefusalCode::Conflict);
                refused += 1;
            }
        }
        assert_eq!(refused, 20);
        let users = desk.look(|book| book.account(&corp()).unwrap().users().len()).await.unwrap();
        assert_eq!(users, 360);
        let log = desk.log_before(None, 1_000).await.unwrap();
        assert_eq!(log.len(), 181, "one entry a change that was granted");
        assert!(log.iter().rev().map(|(number, _)| *number).eq(0..181));
        assert!(log.iter().take(180).all(|(_, entry)| entry.changes.len() == 2 && entry.by.starts_with("key")));
        drop(desk);
        thread.join();
        let kept = crate::store::sled_disk::look(&path).unwrap();
        assert_eq!(kept.account(&corp()).unwrap().users().len(), 360);
    }

    #[tokio::test]
    async fn who_was_long_at_the_desk_does_not_wait_for_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let (desk, _thread) = desk(&folder.path().join("book")).await;
        let (begun, has_begun) = oneshot::channel();
        let (queued, is_queued) = std::sync::mpsc::channel::<()>();
        let (answered, is_answered) = std::sync::mpsc::channel::<()>();
        let long = desk.several(move |_| {
            let since = Instant::now();
            begun.send(()).unwrap();
            is_queued.recv().unwrap();
            while since.elapsed() < WRITE_AFTER {
                std::thread::yield_now();
            }
        });
        let next = async {
            has_begun.await.unwrap();
            let next = desk.several(move |_| is_answered.recv_timeout(QUEUE_WAIT).is_ok());
            let told = async { queued.send(()).unwrap() };
            tokio::join!(biased; next, told).0.unwrap()
        };
        let long = async {
            long.await.unwrap();
            // Were the write shared, this would be told only after the next one has given up.
            _ = answered.send(());
        };
        assert!(tokio::join!(long, next).1, "one waited for the other");
    }

    #[tokio::test]
    async fn a_large_job_that_has_no_room_in_a_write_is_in_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let (desk, _thread) = desk(&folder.path().join("book")).await;
        let (begun, has_begun) = oneshot::channel();
        let (queued, is_queued) = std::sync::mpsc::channel::<()>();
        let creates = |session: &mut Session<'_>, numbers: std::ops::Range<usize>| {
            session.act("test", "CreateUsers", Timestamp::UNIX_EPOCH, |book| {
                numbers.into_iter().try_for_each(|number| create(book, number, Timestamp::UNIX_EPOCH))
            })
        };
        let first = desk.several(move |session| {
            begun.send(()).unwrap();
            is_queued.recv().unwrap();
            creates(session, 0..600)
        });
        let next = async {
            has_begun.await.unwrap();
            // More than the disk takes in one write, together.
            let large = desk.many(1_900, move |session| creates(session, 600..2_000));
            let small = desk.several(move |session| creates(session, 2_000..2_001));
            let told = async { queued.send(()).unwrap() };
            tokio::join!(biased; large, small, told)
        };
        let (first, (large, small, ())) = tokio::join!(first, next);
        assert!([first, large, small].into_iter().all(|done| done.unwrap().is_ok()));
        assert_eq!(desk.look(|book| book.account(&corp()).unwrap().users().len()).await.unwrap(), 2_001);
    }

    #[tokio::test]
    async fn a_panic_hurts_nobody_who_comes_later() {
        let folder = tempfile::tempdir().unwrap();
        let (desk, _thread) = desk(&folder.path().join("book")).await;
        let by = Caller::new("test");
        let broken = desk.change(&by, "Broken", |book, at| -> Result<(), Refusal> {
            create(book, 1, at)?;
            panic!("half-way");
        });
        assert!(matches!(broken.await, Err(DeskError::Broken { .. })));
        desk.change(&by, "CreateUser", |book, at| create(book, 1, at)).await.unwrap().unwrap();
    }
}
