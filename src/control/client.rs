//! The asking end: one connection, one ask, steps, one answer.

use super::ask::{ANSWER_BYTES_MAX, Answer, Ask, FORMAT, Hello, Refusal, Tell};
use crate::pass::Step;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long the socket may take to let us in.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long a daemon may take to say how it is: that waits for nothing.
const STATUS_TIME: Duration = Duration::from_secs(15);

/// A daemon that listens.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    path: PathBuf,
}

/// Why the daemon gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Somebody is there, and we may not ask, or get no answer.
    #[error("the service at {path} cannot be asked: {why}")]
    Unusable {
        /// The socket.
        path: PathBuf,
        /// What came back, what to do.
        why: String,
    },
    /// It works with another configuration: not the daemon that was meant.
    #[error("the service at {path} works with {config}")]
    Elsewhere {
        /// The socket.
        path: PathBuf,
        /// That configuration.
        config: PathBuf,
    },
    /// It did not do it.
    #[error("{}", .0.message)]
    Refused(Refusal),
}

/// Connects to the daemon; `None` when there is none.
///
/// # Errors
/// [`ClientError::Unusable`] when one may be there and cannot be reached.
pub async fn connect(path: &Path) -> Result<Option<Connection>, ClientError> {
    let unusable = |why: String| ClientError::Unusable { path: path.to_owned(), why };
    match timeout(CONNECT_TIME, UnixStream::connect(path)).await {
        Ok(Ok(stream)) => Ok(Some(Connection { stream, path: path.to_owned() })),
        // No folder, no file, or a file that a killed daemon left.
        Ok(Err(error)) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
        Ok(Err(error)) if error.kind() == ErrorKind::PermissionDenied => Err(unusable(format!(
            "{error}; run the command as root, or join the group that the socket belongs to ([status] control_group)"
        ))),
        Ok(Err(error)) => Err(unusable(error.to_string())),
        Err(_) => Err(unusable(format!("it did not let us in within {CONNECT_TIME:?}; is it stopped or overloaded?"))),
    }
}

impl Connection {
    /// Asks, and waits for the answer as long as it takes (but for [`Ask::Status`]); leaving earlier leaves the daemon alone.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn ask(self, config: PathBuf, by: String, ask: Ask, step: impl Fn(Step)) -> Result<Answer, ClientError> {
        let Self { stream, path } = self;
        let unusable = |why: String| ClientError::Unusable { path: path.clone(), why };
        let (read, mut write) = stream.into_split();
        let patience = if ask == Ask::Status { STATUS_TIME } else { Duration::MAX };
        let mut line = serde_json::to_vec(&Hello { format: FORMAT, config, by, ask })
            .map_err(|error| unusable(error.to_string()))?;
        line.push(b'\n');
        // A daemon that refuses us may have closed already: what it said is read all the same.
        _ = write.write_all(&line).await;
        let mut read = BufReader::new(read);
        loop {
            let mut line = Vec::new();
            let mut limited = (&mut read).take(ANSWER_BYTES_MAX);
            let came = timeout(patience, limited.read_until(b'\n', &mut line)).await.map_err(|_| {
                unusable(format!("no answer within {patience:?}; is it stopped or overloaded? See: systemctl status"))
            })?;
            came.map_err(|error| unusable(format!("the answer broke off: {error}")))?;
            if !line.ends_with(b"\n") {
                return Err(unusable(
                    "it ended before it had answered. Nothing is lost: what was sent is written down, and its next pass \
                     looks again. See: seatsync status, journalctl -u seatsync"
                        .to_owned(),
                ));
            }
            let tell: Tell = serde_json::from_slice(&line).map_err(|error| {
                unusable(format!("its answer cannot be read ({error}): restart the service after an upgrade"))
            })?;
            match tell {
                Tell::Step(told) => step(told),
                Tell::Answer(answer) => return Ok(*answer),
                Tell::Refused(refusal) => return Err(ClientError::Refused(refusal)),
                Tell::Elsewhere { config } => return Err(ClientError::Elsewhere { path, config }),
            }
        }
    }
}
