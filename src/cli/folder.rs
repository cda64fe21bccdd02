//! Whether a database folder can be written, tried without touching what is in it.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// How a folder can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usable {
    /// It is there.
    Exists,
    /// It is not there, and can be made.
    CanBeMade,
}

/// Tries whether a database can be kept in `folder`, which need not be there.
///
/// A database has files beside its folder (its lock, what was set aside), so that it is the nearest folder above in
/// which a file must be possible; one is made there and removed.
///
/// # Errors
/// What was tried, what came back, what to do.
pub(super) fn usable(folder: &Path) -> Result<Usable, String> {
    let shown = folder.display();
    let exists = match fs::metadata(folder) {
        Ok(found) if found.is_dir() => true,
        Ok(_) => return Err(format!("{shown} is not a folder: name a folder, or a place where one can be made")),
        Err(error) if is_absence(&error) => false,
        Err(error) => return Err(format!("{shown} cannot be looked at: {error}")),
    };
    if exists {
        let lock = with_suffix(folder, ".lock");
        match OpenOptions::new().append(true).open(&lock) {
            Ok(_) => return Ok(Usable::Exists),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(format!(
                    "{shown} cannot be written: {}: {error}; run this as the user that the service runs as, or mend the \
                     rights",
                    lock.display()
                ));
            }
        }
    }
    let above = nearest_above(folder);
    if !above.is_dir() {
        return Err(format!("{shown} cannot be made: {} is not a folder", above.display()));
    }
    let probe = above.join(format!(".seatsync-check-{}", std::process::id()));
    let tried = OpenOptions::new().write(true).create_new(true).open(&probe).and_then(|_| fs::remove_file(&probe));
    tried.map_err(|error| {
        format!(
            "{shown} cannot be used: no file can be made in {} ({error}): name another folder, or mend the rights",
            above.display()
        )
    })?;
    Ok(if exists { Usable::Exists } else { Usable::CanBeMade })
}

/// Below a regular file nothing can be either.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The nearest thing above that is there.
fn nearest_above(folder: &Path) -> &Path {
    let here = Path::new(".");
    let above = folder.ancestors().skip(1).map(|above| if above.as_os_str().is_empty() { here } else { above });
    let mut there = above.filter(|above| fs::symlink_metadata(above).is_ok());
    there.next().unwrap_or(here)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_can_be_made_is_left_unmade() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(usable(&home.path().join("a/b/state")), Ok(Usable::CanBeMade));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        fs::create_dir(home.path().join("state")).unwrap();
        assert_eq!(usable(&home.path().join("state")), Ok(Usable::Exists));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn places_where_nothing_can_be_made_are_named() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(usable(&file).unwrap_err().contains("is not a folder"));
        let told = usable(&file.join("a/state")).unwrap_err();
        assert!(told.contains(&format!("{} is not a folder", file.display())), "{told}");
        let told = usable(Path::new("/proc/nope/state")).unwrap_err();
        assert!(told.contains("no file can be made in /proc "), "{told}");
    }
}
