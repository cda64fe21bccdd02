//! Secrets: read from a file or a systemd credential, never from the TOML.
//!
//! Invariant: no message made here contains anything of what a file holds.

use super::diagnose::{Complaint, Found, Problem};
use super::ground::Ground;
use super::raw::Section;
use secrecy::SecretString;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest secret accepted, in bytes. A larger file is not a password file.
pub const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// How one secret is named in a section: by a file, or by a systemd credential.
pub(super) struct Pointer {
    /// As in "the bind password is missing".
    what: &'static str,
    /// As in "write the password into a file".
    word: &'static str,
    /// The key of the file.
    pub(super) file: &'static str,
    /// The key of the credential.
    pub(super) credential: &'static str,
    /// A path, for help.
    file_example: &'static str,
    /// A credential, for help.
    credential_example: &'static str,
}

/// `[directory]` of seatsync.
pub(super) const BIND_PASSWORD: Pointer = Pointer {
    what: "the bind password",
    word: "password",
    file: "bind_password_file",
    credential: "bind_password_credential",
    file_example: "/etc/seatsync/ldap-password",
    credential_example: "ldap",
};
/// `[mail]` of seatstore.
pub(super) const SMTP_PASSWORD: Pointer = Pointer {
    what: "the SMTP password",
    word: "password",
    file: "password_file",
    credential: "password_credential",
    file_example: "/etc/seatstore/smtp-password",
    credential_example: "smtp",
};
/// `[sign_in]` of seatstore.
pub(super) const SIGN_IN_TOKEN: Pointer = Pointer {
    what: "the token",
    word: "token",
    file: "token_file",
    credential: "token_credential",
    file_example: "/etc/seatstore/sign-in-token",
    credential_example: "sign-in",
};
/// `[accounts]` of seatsync.
pub(super) const SECRET_ACCESS_KEY: Pointer = Pointer {
    what: "the secret access key",
    word: "secret",
    file: "secret_access_key_file",
    credential: "secret_access_key_credential",
    file_example: "/etc/seatsync/seatstore-secret",
    credential_example: "seatstore-secret",
};
/// `[accounts]` of seatsync: no secret, but it may well lie beside one.
pub(super) const ACCESS_KEY_ID: Pointer = Pointer {
    what: "the access key id",
    word: "access key id",
    file: "access_key_id_file",
    credential: "access_key_id_credential",
    file_example: "/etc/seatsync/seatstore-key",
    credential_example: "seatstore-key",
};
/// `[accounts]` of seatsync, over SCIM.
pub(super) const BEARER_TOKEN: Pointer = Pointer {
    what: "the bearer token",
    word: "token",
    file: "bearer_token_file",
    credential: "bearer_token_credential",
    file_example: "/etc/seatsync/scim-token",
    credential_example: "scim-token",
};
/// `[accounts]` of seatsync, over SCIM: of an OAuth2 client.
pub(super) const CLIENT_SECRET: Pointer = Pointer {
    what: "the client secret",
    word: "secret",
    file: "client_secret_file",
    credential: "client_secret_credential",
    file_example: "/etc/seatsync/scim-client-secret",
    credential_example: "scim-client-secret",
};

/// `[notify]` of seatsync.
pub(super) const WEBHOOK_SECRET: Pointer = Pointer {
    what: "the webhook secret",
    word: "secret",
    file: "webhook_secret_file",
    credential: "webhook_secret_credential",
    file_example: "/etc/seatsync/webhook-secret",
    credential_example: "webhook",
};
/// `[notify]` of seatsync.
pub(super) const NOTIFY_SMTP_PASSWORD: Pointer = Pointer {
    what: "the SMTP password",
    word: "password",
    file: "smtp_password_file",
    credential: "smtp_password_credential",
    file_example: "/etc/seatsync/smtp-password",
    credential_example: "smtp",
};

/// Every secret that any section may name.
const POINTERS: &[&Pointer] = &[
    &BIND_PASSWORD,
    &SMTP_PASSWORD,
    &SIGN_IN_TOKEN,
    &SECRET_ACCESS_KEY,
    &BEARER_TOKEN,
    &CLIENT_SECRET,
    &WEBHOOK_SECRET,
    &NOTIFY_SMTP_PASSWORD,
];

impl Pointer {
    /// The secret that a section with these keys may name, and that `key` was most likely meant to be.
    pub(super) fn among(known: &[&str], key: &str) -> Option<&'static Self> {
        let named = POINTERS.iter().copied().filter(|pointer| known.contains(&pointer.file));
        named.min_by_key(|pointer| strsim::damerau_levenshtein(key, pointer.file))
    }

    /// A line that names the file.
    pub(super) fn file_line(&self) -> String {
        format!("{} = \"{}\"", self.file, self.file_example)
    }

    /// The file beside the configuration that the packaged units load the credential from.
    fn file_name(&self) -> &'static str {
        self.file_example.rsplit('/').next().unwrap_or_default()
    }

    fn credential_line(&self) -> String {
        format!("{} = \"{}\"", self.credential, self.credential_example)
    }
}

/// Reads the secret that `section` names; `None` when it is absent or wrong, which is noted. An absent one is wrong
/// only when it `is_needed`.
pub(super) fn of(
    section: &Section<'_>,
    ground: &Ground<'_>,
    pointer: &Pointer,
    is_needed: bool,
    found: &mut Found,
) -> Option<SecretString> {
    let Pointer { what, word, .. } = pointer;
    match (section.entry(pointer.file), section.entry(pointer.credential)) {
        (None, None) => {
            if is_needed {
                let title = format!("{what} is missing in {}", section.name);
                found.add(Problem::missing(section.at.clone(), title).help(format!(
                    "add a line such as: {}   or {} (systemd)",
                    pointer.file_line(),
                    pointer.credential_line()
                )));
            }
            None
        }
        (Some((first, _)), Some((second, _))) => {
            let problem = Problem::wrong(second, format!("{what} is given twice")).also(first, "and here");
            found.add(problem.help("keep one of the two"));
            None
        }
        (Some(_), None) => {
            let text = section.text(pointer.file, &format!("{:?}", pointer.file_example), found)?;
            let path = ground.path(text.get_ref());
            if may_be_the_secret(text.get_ref(), &path) {
                found.mask(text.span());
                let problem = Problem::wrong(text.span(), "cannot read the secret: no such file");
                let problem = problem.label(format!("the value is not shown in case it is the {word} itself"));
                found.add(problem.help(format!(
                    "write the {word} into a file of its own (chmod 600) and its path here: {}",
                    pointer.file_line()
                )));
                return None;
            }
            read(&path).map_err(|complaint| found.complain(text.span(), complaint)).ok()
        }
        (None, Some(_)) => {
            let text = section.text(pointer.credential, &format!("{:?}", pointer.credential_example), found)?;
            let beside = ground.beside(pointer.file_name());
            let directory = ground.env.credentials_directory.as_deref();
            let secret = match credential(text.get_ref(), directory) {
                Ok(path) => read(&path).map_err(|complaint| of_unit(complaint, text.get_ref(), &beside)),
                // A command that an operator runs by hand gets no credentials, and looks where the packaged units do.
                Err(complaint) if directory.is_none() && *text.get_ref() == pointer.credential_example => {
                    if beside.exists() { read(&beside) } else { Err(neither(&complaint, &beside)) }
                }
                Err(complaint) => Err(complaint),
            };
            secret.map_err(|complaint| found.complain(text.span(), complaint)).ok()
        }
    }
}

/// The path of a systemd credential (systemd.exec(5), `LoadCredential=`).
fn credential(name: &str, directory: Option<&Path>) -> Result<PathBuf, Complaint> {
    if name.contains(['/', '\\']) || name == "." || name == ".." {
        return Err(Complaint::new(format!("{name:?} is not the name of a credential"))
            .help("write the name given in LoadCredential=NAME:PATH, without a path"));
    }
    let directory = directory.ok_or_else(|| {
        Complaint::new(format!("credential {name:?} cannot be read: CREDENTIALS_DIRECTORY is not set")).help(format!(
            "systemd sets it for a unit with LoadCredential={name}:PATH; outside of systemd use a file instead"
        ))
    })?;
    Ok(directory.join(name))
}

/// Neither a credential nor the file that the packaged units would load it from.
fn neither(complaint: &Complaint, beside: &Path) -> Complaint {
    Complaint::new(format!("{}, and there is no {}", complaint.message, beside.display())).help(
        "write the secret into that file (chmod 600): the packaged units load the credential from it, and so do commands \
         that are run by hand",
    )
}

/// Says where the secret of a unit comes from: the file that systemd made is not the one to write to.
fn of_unit(complaint: Complaint, name: &str, beside: &Path) -> Complaint {
    let help = format!(
        "put it into the file that LoadCredential={name}: of the unit names ({} in the packaged one; root:root, chmod 600), \
         and start the service again",
        beside.display()
    );
    complaint.help(help)
}

/// Whether what should be a path could be the secret itself: nothing is there, and it does not look like a path either.
fn may_be_the_secret(written: &str, path: &Path) -> bool {
    let is_absent = std::fs::symlink_metadata(path).is_err();
    // A password may have a slash in it: then what stands before it is no folder.
    let has_folder = written.contains('/') && path.parent().is_some_and(Path::is_dir);
    is_absent && !written.starts_with('/') && !has_folder
}

/// Reads a secret: a regular file, closed to others, one line, not empty. One line feed at its end is not part of it.
fn read(path: &Path) -> Result<SecretString, Complaint> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| {
        Complaint::new(format!("cannot read the secret in {shown}: {error}"))
            .help("the file must exist and be readable by the user this program runs as")
    };
    // Looked at before it is opened: opening a pipe would wait for a writer.
    check(&std::fs::metadata(path).map_err(unreadable)?, path)?;
    let file = File::open(path).map_err(unreadable)?;
    // Looked at again, since another file may have taken the name in between.
    check(&file.metadata().map_err(unreadable)?, path)?;
    let mut bytes = Vec::new();
    file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(too_large(path));
    }
    let mut text = String::from_utf8(bytes)
        .map_err(|_| Complaint::new(format!("the secret in {shown} is not UTF-8 text")).help("save it as UTF-8"))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        // RFC 4513 5.1.2: a bind with a name and no password succeeds without proving anything.
        return Err(Complaint::new(format!("the secret in {shown} is empty"))
            .help("write the secret into the file: an empty one proves nothing"));
    }
    if text.contains(['\n', '\r']) {
        return Err(Complaint::new(format!("the secret in {shown} has more than one line"))
            .help("the file must hold the secret alone, on one line"));
    }
    if text.contains('\0') {
        return Err(Complaint::new(format!("the secret in {shown} contains a NUL byte"))
            .help("the file must hold the secret alone, as UTF-8 text"));
    }
    if text.starts_with('\u{feff}') {
        return Err(Complaint::new(format!("the secret in {shown} begins with a byte order mark"))
            .help("save the file as UTF-8 without a byte order mark: it would become part of the password"));
    }
    Ok(SecretString::from(text))
}

fn check(metadata: &Metadata, path: &Path) -> Result<(), Complaint> {
    let shown = path.display();
    if !metadata.is_file() {
        return Err(Complaint::new(format!("{shown} is not a regular file")).help("name a file that holds the secret"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = metadata.permissions().mode();
        if mode & 0o007 != 0 {
            return Err(Complaint::new(format!("{shown} is open to every user (mode {:04o})", mode & 0o7777))
                .help(format!("close it with: chmod o= {shown}   and change the secret if others may have read it")));
        }
    }
    if metadata.len() > SECRET_BYTES_MAX {
        return Err(too_large(path));
    }
    Ok(())
}

fn too_large(path: &Path) -> Complaint {
    Complaint::new(format!("{} is larger than {SECRET_BYTES_MAX} bytes", path.display()))
        .help("name the file that holds the secret alone")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn secret(bytes: &[u8], mode: u32) -> Result<SecretString, Complaint> {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        read(&path).map_err(|complaint| Complaint {
            message: complaint.message.replace(&path.display().to_string(), "FILE"),
            help: complaint.help.map(|help| help.replace(&path.display().to_string(), "FILE")),
        })
    }

    #[test]
    fn one_line_feed_at_the_end_is_not_part_of_it() {
        for (bytes, expected) in [
            (&b"hunter2"[..], "hunter2"),
            (b"hunter2\n", "hunter2"),
            (b"hunter2\r\n", "hunter2"),
            (b" blanks stay \n", " blanks stay "),
            ("sch\u{f6}n".as_bytes(), "sch\u{f6}n"),
        ] {
            for mode in [0o600, 0o400, 0o640, 0o440] {
                assert_eq!(secret(bytes, mode).unwrap().expose_secret(), expected);
            }
        }
    }

    #[test]
    fn what_cannot_be_a_password_is_refused_without_showing_it() {
        let large = vec![b'x'; SECRET_BYTES_MAX as usize + 1];
        for (bytes, mode, expected) in [
            (&b""[..], 0o600, "the secret in FILE is empty"),
            (b"\n", 0o600, "the secret in FILE is empty"),
            (b"\r\n", 0o600, "the secret in FILE is empty"),
            (b"hunter2\n\n", 0o600, "the secret in FILE has more than one line"),
            (b"hunter2\nother", 0o600, "the secret in FILE has more than one line"),
            (b"hunter2\rother", 0o600, "the secret in FILE has more than one line"),
            (b"hunter2\0", 0o600, "the secret in FILE contains a NUL byte"),
            (b"hunter2\xff", 0o600, "the secret in FILE is not UTF-8 text"),
            (b"\xef\xbb\xbfhunter2", 0o600, "the secret in FILE begins with a byte order mark"),
            (b"hunter2", 0o604, "FILE is open to every user (mode 0604)"),
            (b"hunter2", 0o602, "FILE is open to every user (mode 0602)"),
            (b"hunter2", 0o601, "FILE is open to every user (mode 0601)"),
            (&large, 0o600, "FILE is larger than 65536 bytes"),
        ] {
            let complaint = secret(bytes, mode).unwrap_err();
            assert_eq!(complaint.message, expected);
            assert!(!complaint.help.unwrap().contains("hunter2"));
        }
    }

    #[test]
    fn the_help_for_an_open_file_closes_it() {
        let help = secret(b"hunter2", 0o644).unwrap_err().help.unwrap();
        assert!(help.starts_with("close it with: chmod o= FILE "), "{help}");
    }

    #[test]
    fn only_regular_files() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap_err().message.ends_with("is not a regular file"));
        assert!(read(&folder.path().join("none")).unwrap_err().message.starts_with("cannot read the secret in "));
        assert!(read(Path::new("/dev/null")).unwrap_err().message.ends_with("is not a regular file"));
    }

    #[test]
    fn an_empty_credential_names_the_file_to_write_to() {
        let complaint = of_unit(secret(b"\n", 0o400).unwrap_err(), "ldap", Path::new("/etc/seatsync/ldap-password"));
        assert_eq!(complaint.message, "the secret in FILE is empty");
        let help = complaint.help.unwrap();
        assert!(help.contains("LoadCredential=ldap:") && help.contains("/etc/seatsync/ldap-password"), "{help}");
    }

    #[test]
    fn credentials_are_names_in_the_directory_of_systemd() {
        let directory = Path::new("/run/credentials/x");
        assert_eq!(credential("ldap", Some(directory)).unwrap(), Path::new("/run/credentials/x/ldap"));
        assert!(credential("ldap", None).unwrap_err().message.contains("CREDENTIALS_DIRECTORY is not set"));
        for name in ["../ldap", "/etc/shadow", "..", "."] {
            assert!(
                credential(name, Some(directory)).unwrap_err().message.ends_with("is not the name of a credential")
            );
        }
    }
}
