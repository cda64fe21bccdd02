//! Calls into sled that cannot take the program down: errors sorted, panics caught.

use super::DurableError;
use std::cell::Cell;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;

thread_local! {
    /// Whether a panic on this thread is expected, and told as an error instead of on stderr.
    static CALM: Cell<bool> = const { Cell::new(false) };
}

/// Runs `call`; a panic inside becomes its message. The panic hook of the program stays in force for all other code.
pub(super) fn calmly<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = take_hook();
        set_hook(Box::new(move |panic| {
            // A thread that is being torn down has no flag any more: let it be heard.
            if !CALM.try_with(Cell::get).unwrap_or(false) {
                loud(panic);
            }
        }));
    });
    let before = CALM.replace(true);
    // What `call` leaves half-done inside sled is not looked at again: the caller marks the database as failed.
    let result = catch_unwind(AssertUnwindSafe(call));
    CALM.set(before);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
    })
}

/// One call into sled about the database at `path`.
pub(super) fn ask_sled<T>(
    tried: &str,
    path: &Path,
    call: impl FnOnce() -> Result<T, sled::Error>,
) -> Result<T, DurableError> {
    match calmly(call) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(sorted(tried, path, &error)),
        Err(panic) => Err(DurableError::Damaged {
            message: format!("cannot {tried} {}: the database engine gave up on it: {panic}", path.display()),
        }),
    }
}

fn sorted(tried: &str, path: &Path, error: &sled::Error) -> DurableError {
    let damaged = |what: &str| DurableError::Damaged { message: format!("cannot {tried} {}: {what}", path.display()) };
    match error {
        sled::Error::Io(cause) => match cause.kind() {
            // A file that ends early, has impossible contents or lacks a sibling is damage; all else is the disk's.
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::NotFound => {
                damaged(&cause.to_string())
            }
            ErrorKind::Other if is_lock_refusal(error) => DurableError::InUse {
                message: format!(
                    "cannot {tried} {}: another program has its file `db` open; stop it first",
                    path.display()
                ),
            },
            _ => DurableError::disk(tried, path, cause),
        },
        sled::Error::Corruption { at: Some(at), bt: () } => damaged(&format!("corrupt at {at:?}")),
        sled::Error::Corruption { at: None, bt: () } => damaged("corrupt"),
        sled::Error::ReportableBug(what) => damaged(what),
        sled::Error::Unsupported(what) => damaged(what),
        sled::Error::CollectionNotFound(name) => damaged(&format!("no table {:?}", String::from_utf8_lossy(name))),
    }
}

/// sled 0.34.7 `config.rs` wraps the refusal of its own file lock in this text; it has no kind of its own.
pub(super) fn is_lock_refusal(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(cause) if cause.to_string().starts_with("could not acquire lock"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(calmly(|| -> u8 { panic!("broken {}", 7) }), Err("broken 7".to_owned()));
        assert_eq!(calmly(|| -> u8 { panic!("plain") }), Err("plain".to_owned()));
        assert_eq!(calmly(|| 3), Ok(3));
        assert!(!CALM.get(), "the thread is loud again afterwards");
    }

    #[test]
    fn errors_are_sorted_by_what_to_do() {
        let path = Path::new("/p");
        let io = |kind: ErrorKind| sled::Error::Io(io::Error::new(kind, "x"));
        let sort = |error: sled::Error| match sorted("open", path, &error) {
            DurableError::InUse { .. } => "in use",
            DurableError::Damaged { .. } | DurableError::Older { .. } => "damaged",
            DurableError::Disk { .. } => "disk",
        };
        for (error, expected) in [
            (io(ErrorKind::PermissionDenied), "disk"),
            (io(ErrorKind::StorageFull), "disk"),
            (io(ErrorKind::ReadOnlyFilesystem), "disk"),
            (sled::Error::Io(io::Error::from_raw_os_error(5)), "disk"),
            (io(ErrorKind::UnexpectedEof), "damaged"),
            (io(ErrorKind::InvalidData), "damaged"),
            (sled::Error::Io(io::Error::other("could not acquire lock on \"/p/db\": …")), "in use"),
            (sled::Error::Corruption { at: None, bt: () }, "damaged"),
            (sled::Error::ReportableBug("x".into()), "damaged"),
            (sled::Error::Unsupported("x".into()), "damaged"),
        ] {
            let shown = format!("{error:?}");
            assert_eq!(sort(error), expected, "{shown}");
        }
    }
}
