//! Whom a command asks: the service that works with the same configuration, and where there is none, this process.

use super::exit::Stop;
use super::progress::Progress;
use crate::control::{self, Answer, Ask, ClientError};
use std::path::{Path, PathBuf};

/// Asks the service that works with this configuration; `None` when there is none.
///
/// The configuration is not read any further than to find its socket: the secrets that it names may be the service's alone.
pub(super) async fn service(path: &Path, ask: Ask) -> Result<Option<Answer>, Stop> {
    let Some(socket) = crate::config::control_of(path) else { return Ok(None) };
    let unusable = |error: ClientError| Stop::Other(error.to_string());
    let Some(connection) = control::connect(&socket).await.map_err(unusable)? else { return Ok(None) };
    let progress = Progress::start();
    match connection.ask(identity(path), whoever(), ask, |step| progress.tell(step)).await {
        Ok(answer) => Ok(Some(answer)),
        Err(ClientError::Refused(refusal)) => Err(Stop::Refused(refusal)),
        // Another service has the socket that this file names: it must not answer for this file.
        Err(ClientError::Elsewhere { .. }) => Ok(None),
        Err(error @ ClientError::Unusable { .. }) => Err(unusable(error)),
    }
}

/// The one name of a configuration, whatever it is called by.
pub(super) fn identity(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

/// An answer to another question.
pub(super) fn unexpected() -> Stop {
    Stop::Other("the service answered another question: restart it after an upgrade".to_owned())
}

/// Who runs this command, for the record.
pub(super) fn whoever() -> String {
    use std::os::unix::fs::MetadataExt;
    let name =
        ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let uid = std::fs::metadata("/proc/self").map(|me| me.uid().to_string());
    match (name, uid) {
        (Some(name), Ok(uid)) => format!("{name} (uid {uid})"),
        (Some(name), Err(_)) => name,
        (None, Ok(uid)) => format!("uid {uid}"),
        (None, Err(_)) => "somebody".to_owned(),
    }
}
