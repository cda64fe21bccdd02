//! The listening end: lets callers in, reads one ask of each, passes it on, and writes what comes back.

use super::ask::{ASK_BYTES_MAX, Answer, Ask, FORMAT, Hello, Order, Refusal, Tell};
use super::peer::{Caller, Gatekeeper, PeerError};
use crate::status::Live;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout};

/// Most callers at one time; further ones wait to be let in. Three queues of 32, 32 that a pass serves and 32 that it left
/// behind may wait for an answer: the others find room all the same, or nobody could ask how a pass that hangs is.
const CALLERS_MAX: u32 = 192;
/// How long what was asked may take to be answered when the service ends.
const FAREWELL: Duration = Duration::from_secs(2);
/// The longest path of a socket, in bytes (unix(7)).
const PATH_BYTES_MAX: usize = 107;
/// How long a caller may take to say what is wanted.
const ASK_TIME: Duration = Duration::from_secs(10);
/// How long a caller may take to read a piece of the answer.
const PIECE_TIME: Duration = Duration::from_secs(60);
/// The pieces an answer is written in, in bytes.
const PIECE_BYTES: usize = 256 * 1024;
/// Steps that wait for a caller who reads slowly.
const TELLS_MAX: usize = 64;
/// How long the system's databases may take to say who somebody is.
const LOOKUP_TIME: Duration = Duration::from_secs(10);
/// What is waited after the system gave no connection, for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How often that is told while it lasts.
const REMINDER_EVERY: Duration = Duration::from_secs(60);

/// What the socket is made with.
#[derive(Clone, Debug)]
pub struct ControlSettings {
    /// Where it is.
    pub path: PathBuf,
    /// Whose members may use it too.
    pub group: Option<String>,
    /// The configuration that this daemon works with, as an absolute path: asks about another one are sent away. It may
    /// lead over links, which are followed at each ask: they may be turned to another version.
    pub config: PathBuf,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Somebody listens there already.
    #[error(
        "the control socket {path} is in use: another seatsync runs with this configuration, or [status] control names its socket"
    )]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The file system, or rights.
    #[error("the control socket {path} cannot be made: {why}")]
    Unusable {
        /// The socket.
        path: PathBuf,
        /// What came back, what to do.
        why: String,
    },
    /// The group.
    #[error(transparent)]
    Group(#[from] PeerError),
}

/// Where asks go, by who carries them out.
#[derive(Clone, Debug)]
pub struct Desks {
    /// How the daemon is.
    pub live: watch::Receiver<Live>,
    /// The loop: one at a time, between passes.
    pub line: mpsc::Sender<Order>,
    /// Reads the configuration, also while a pass runs.
    pub reload: mpsc::Sender<Order>,
    /// Reads the audit log, also while a pass runs.
    pub history: mpsc::Sender<Order>,
}

/// A socket that listens. Dropping it takes the file away.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    config: PathBuf,
    gate: Gatekeeper,
    room: Arc<Semaphore>,
}

/// Whoever is at the socket.
#[derive(Debug)]
pub struct Callers(Arc<Semaphore>);

impl Callers {
    /// Waits until all have heard their answers, but not for long; nobody is let in any more.
    pub async fn leave(self) {
        // One place is held by whoever waits at the door.
        if timeout(FAREWELL, self.0.acquire_many(CALLERS_MAX - 1)).await.is_err() {
            tracing::debug!("somebody at the control socket has not read the answer within {FAREWELL:?}");
        }
    }
}

impl Control {
    /// Makes the socket. What a killed daemon left is replaced; what a living one has is not.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub fn bind(settings: ControlSettings) -> Result<Self, ControlError> {
        let ControlSettings { path, group, config } = settings;
        let gate = Gatekeeper::new(group.as_deref())?;
        let unusable = |why: String| ControlError::Unusable { path: path.clone(), why };
        let bytes = path.as_os_str().len();
        if bytes > PATH_BYTES_MAX {
            return Err(unusable(format!(
                "its path has {bytes} bytes, and that of a socket may have {PATH_BYTES_MAX}; name a shorter one in \
                 [status] control"
            )));
        }
        match fs::symlink_metadata(&path) {
            Ok(there) if !there.file_type().is_socket() => {
                return Err(unusable("there is a file that is no socket; name another place".to_owned()));
            }
            Ok(_) => match std::os::unix::net::UnixStream::connect(&path) {
                Ok(_) => return Err(ControlError::InUse { path }),
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => {}
                // Of another kind, or of somebody who does not let us in: it may well be alive.
                Err(error) => {
                    return Err(unusable(format!(
                        "there is a socket already ({error}); remove it, or name another place"
                    )));
                }
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(error.to_string())),
        }
        // Made beside its place and moved there when its rights are as they shall be: it is never open to others.
        let beside = beside(&path);
        let made = || -> std::io::Result<UnixListener> {
            match fs::remove_file(&beside) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let listener = UnixListener::bind(&beside)?;
            let mode = if gate.gid().is_some() { 0o660 } else { 0o600 };
            if let Some(gid) = gate.gid() {
                chown(&beside, None, Some(gid))?;
            }
            fs::set_permissions(&beside, fs::Permissions::from_mode(mode))?;
            fs::rename(&beside, &path)?;
            Ok(listener)
        };
        let listener = made().map_err(|error| {
            _ = fs::remove_file(&beside);
            unusable(match error.kind() {
                ErrorKind::NotFound => {
                    format!("{error}; make its folder (RuntimeDirectory=seatsync in the unit), or name another place")
                }
                ErrorKind::PermissionDenied => format!(
                    "{error}; the user that the service runs as must be able to write its folder, and be of \
                     [status] control_group (SupplementaryGroups= in the unit)"
                ),
                _ => error.to_string(),
            })
        })?;
        Ok(Self { listener, path, config, gate, room: Arc::new(Semaphore::new(CALLERS_MAX as usize)) })
    }

    /// To wait for them at the end.
    pub fn callers(&self) -> Callers {
        Callers(self.room.clone())
    }

    /// Serves until dropped.
    pub async fn serve(self, desks: Desks) {
        let this = Arc::new(self);
        let mut complained: Option<Instant> = None;
        loop {
            let Ok(place) = this.room.clone().acquire_owned().await else { return };
            let stream = match this.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    if complained.is_none_or(|at| at.elapsed() >= REMINDER_EVERY) {
                        complained = Some(Instant::now());
                        tracing::warn!("the control socket gave no connection: {error}");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (control, desks) = (this.clone(), desks.clone());
            tokio::spawn(async move {
                control.attend(stream, desks).await;
                drop(place);
            });
        }
    }

    /// One caller, from hello to goodbye.
    async fn attend(&self, stream: UnixStream, desks: Desks) {
        let credentials = stream.peer_cred();
        let (read, mut write) = stream.into_split();
        let admitted = match credentials {
            Ok(peer) => self.admit(peer.uid(), peer.gid()).await,
            Err(error) => Err(Refusal::failed(format!("the system does not say who you are: {error}"))),
        };
        let caller = match admitted {
            Ok(caller) => caller,
            Err(refusal) => {
                tracing::warn!("refused on the control socket: {}", refusal.message);
                return write_line(&mut write, &Tell::Refused(refusal)).await;
            }
        };
        let mut read = BufReader::new(read);
        let hello = match hello(&mut read).await {
            Ok(hello) => hello,
            Err(refusal) => return write_line(&mut write, &Tell::Refused(refusal)).await,
        };
        let Hello { format: _, config, by, ask } = hello;
        if config != self.config && fs::canonicalize(&self.config).ok() != Some(config) {
            return write_line(&mut write, &Tell::Elsewhere { config: self.config.clone() }).await;
        }
        let by = name_of(&caller, &by);
        tracing::debug!(?ask, by, "asked on the control socket");
        let desk = match &ask {
            Ask::Status => {
                let live = Box::new(desks.live.borrow().clone());
                return write_line(&mut write, &Tell::Answer(Box::new(Answer::Live(live)))).await;
            }
            Ask::Reload => desks.reload,
            Ask::History { .. } => desks.history,
            Ask::Sync { .. }
            | Ask::Apply { .. }
            | Ask::Plan { .. }
            | Ask::Approve { .. }
            | Ask::Explain { .. }
            | Ask::Accounts => desks.line,
        };
        let (tells, mut told) = mpsc::channel(TELLS_MAX);
        if desk.try_send(Order { ask, by, tells }).is_err() {
            let why = "too many commands are waiting already, or the service is about to stop; try again in a moment";
            return write_line(&mut write, &Tell::Refused(Refusal::failed(why))).await;
        }
        let mut left = [0];
        loop {
            tokio::select! {
                tell = told.recv() => match tell {
                    Some(step @ Tell::Step(_)) => write_line(&mut write, &step).await,
                    Some(end) => return write_line(&mut write, &end).await,
                    None => {
                        let why = "the service stops; what it had sent is written down, and its next pass looks again";
                        return write_line(&mut write, &Tell::Refused(Refusal::failed(why))).await;
                    }
                },
                // A caller says nothing more: what comes is the end of the connection.
                _ = read.read(&mut left) => return,
            }
        }
    }

    async fn admit(&self, uid: u32, gid: u32) -> Result<Caller, Refusal> {
        let gate = self.gate.clone();
        let asked = tokio::task::spawn_blocking(move || gate.admit(uid, gid));
        match timeout(LOOKUP_TIME, asked).await {
            Ok(Ok(admitted)) => admitted.map_err(Refusal::failed),
            Ok(Err(error)) => Err(Refusal::failed(format!("uid {uid} could not be looked up: {error}"))),
            Err(_) => Err(Refusal::failed(format!("the system did not say within {LOOKUP_TIME:?} who uid {uid} is"))),
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Gone already when somebody tidied up.
        _ = fs::remove_file(&self.path);
    }
}

/// Not longer than usual names, since the length of a path has a limit.
fn beside(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}", std::process::id()))
}

/// Who asks, for the record: only root is believed to be somebody else.
fn name_of(caller: &Caller, claimed: &str) -> String {
    match (caller.uid, claimed.is_empty()) {
        (0, false) => claimed.chars().filter(|c| !c.is_control()).take(100).collect(),
        _ => caller.name.clone(),
    }
}

async fn hello(read: &mut BufReader<OwnedReadHalf>) -> Result<Hello, Refusal> {
    let mut line = Vec::new();
    let mut limited = read.take(ASK_BYTES_MAX);
    match timeout(ASK_TIME, limited.read_until(b'\n', &mut line)).await {
        Ok(Ok(_)) if line.ends_with(b"\n") => {}
        Ok(Ok(_)) => return Err(Refusal::failed(format!("no line of at most {ASK_BYTES_MAX} bytes came"))),
        Ok(Err(error)) => return Err(Refusal::failed(format!("what is asked could not be read: {error}"))),
        Err(_) => return Err(Refusal::failed(format!("nothing was asked within {ASK_TIME:?}"))),
    }
    let unlike = |why: String| {
        Refusal::failed(format!(
            "the command and the service are of different versions ({why}): restart the service after an upgrade"
        ))
    };
    let format = serde_json::from_slice::<serde_json::Value>(&line).map_err(|error| unlike(error.to_string()))?;
    match format.get("format").and_then(serde_json::Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => {}
        other => return Err(unlike(format!("format {other:?}, where {FORMAT} is spoken"))),
    }
    serde_json::from_value(format).map_err(|error| unlike(error.to_string()))
}

/// A caller who has left, or does not read, hears nothing more: that is all that can be done.
async fn write_line(write: &mut OwnedWriteHalf, tell: &Tell) {
    let Ok(mut line) = serde_json::to_vec(tell) else { return };
    line.push(b'\n');
    for piece in line.chunks(PIECE_BYTES) {
        match timeout(PIECE_TIME, write.write_all(piece)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}
