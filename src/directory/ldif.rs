//! A directory in a file: LDIF content records (RFC 2849), for try-outs and what-if.
//!
//! What is read is what the same entries would give over LDAP. The whole file is read or there is no reading: the first
//! line that cannot be understood ends the read with its number, its text and what to do.
//!
//! Deliberately absent: files of changes, values in other files (`:<`), filters.

mod entry;
mod records;

use super::{Cursor, Directory, DirectoryError, Read, referral};
use crate::model::{DetailSource, Dn, DnKey, ObjectGuid, Reading, Wanted};
use entry::{Entry, Source, WANTED};
use records::{Attribute, Fault, Record, Records};
use std::collections::HashMap;
use std::collections::hash_map;
use std::fs::{File, Metadata};
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

/// The largest file read, in bytes: a million people with their groups fit.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Entries in one file.
const ENTRIES_MAX: usize = 5_000_000;

/// Read from the file at once, in bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// Where the file is and what of it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdifSettings {
    /// The file.
    pub path: PathBuf,
    /// Only entries at and below it count; all do when absent.
    pub base_dn: Option<String>,
    /// Where the e-mail address of a person stands; the first with a value decides.
    pub email_attributes: Vec<String>,
    /// What else is read of people, for an account store that shows it.
    pub details: Vec<DetailSource>,
}

/// A directory in a file; read anew each time.
#[derive(Debug)]
pub struct Ldif {
    settings: LdifSettings,
}

impl Ldif {
    /// The directory in that file. Nothing is opened before the first read.
    pub fn new(settings: LdifSettings) -> Self {
        Self { settings }
    }
}

impl Directory for Ldif {
    async fn read(&mut self, _: &Wanted<'_>, _: Option<&Cursor>) -> Result<Read, DirectoryError> {
        let settings = self.settings.clone();
        let path = settings.path.display().to_string();
        let reading = tokio::task::spawn_blocking(move || read_file(&settings)).await.unwrap_or_else(|cause| {
            let message = format!(
                "reading {path}: the reading task ended early ({cause}); this is a fault of seatsync, report it"
            );
            Err(DirectoryError::Unavailable { message })
        });
        reading.map(Read::whole)
    }
}

/// Reads the file, and makes sure that it was the same file from beginning to end.
fn read_file(settings: &LdifSettings) -> Result<Reading, DirectoryError> {
    let path = &settings.path;
    // Asked before opening, since opening a pipe would wait for its writer.
    let kind = std::fs::metadata(path).map_err(|cause| disk_error(path, &cause))?;
    if !kind.is_file() {
        return Err(refused(path, "is not a regular file; `path` in [directory] must name an LDIF file"));
    }
    if kind.len() > FILE_BYTES_MAX {
        let message = format!(
            "is larger than {FILE_BYTES_MAX} bytes; leave out attributes that are not needed, or read over LDAP"
        );
        return Err(refused(path, &message));
    }
    let file = File::open(path).map_err(|cause| disk_error(path, &cause))?;
    let before = stamp(&file.metadata().map_err(|cause| disk_error(path, &cause))?);
    let reading = read_text(BufReader::with_capacity(BUFFER_BYTES, &file), settings);
    let after = stamp(&file.metadata().map_err(|cause| disk_error(path, &cause))?);
    if before != after {
        let message = format!(
            "reading {}: the file was written while it was read; nothing of it is used; put a new \
             file in its place by renaming it, and read again",
            path.display()
        );
        return Err(DirectoryError::Unavailable { message });
    }
    reading
}

/// What changes when somebody writes.
fn stamp(metadata: &Metadata) -> (u64, Option<std::time::SystemTime>) {
    (metadata.len(), metadata.modified().ok())
}

/// Reads the text of a file.
fn read_text(mut input: impl BufRead, settings: &LdifSettings) -> Result<Reading, DirectoryError> {
    let base = settings.base_dn.as_deref().map(DnKey::of);
    if base.as_ref().is_some_and(|base| !base.is_name()) {
        let base = settings.base_dn.as_deref().unwrap_or_default();
        let message = format!("base_dn {base:?} is no distinguished name; write it like \"DC=corp,DC=example\"");
        return Err(DirectoryError::Refused { message });
    }
    skip_byte_order_mark(&mut input)
        .and_then(|()| Collector::new(settings, base).collect(input))
        .map_err(|fault| told(&settings.path, fault))
}

/// Editors put one in front of UTF-8; Windows tools write UTF-16, whose mark tells it.
fn skip_byte_order_mark(input: &mut impl BufRead) -> Result<(), Fault> {
    let start = input.fill_buf().map_err(Fault::Disk)?;
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        let help = "export with ldifde without -u, or convert it: iconv -f UTF-16 -t UTF-8";
        return Err(Fault::whole("the file is UTF-16", help));
    }
    if start.starts_with(b"\xef\xbb\xbf") {
        input.consume(3);
    }
    Ok(())
}

/// Entries on their way to a reading.
struct Collector<'a> {
    settings: &'a LdifSettings,
    base: Option<DnKey>,
    reading: Reading,
    /// Line of each name, of all entries.
    names: HashMap<DnKey, u64>,
    /// Line of each identity, of people and groups.
    identities: HashMap<ObjectGuid, u64>,
    /// Entries at and below the base.
    counted: usize,
    /// Those of them that say anything.
    described: usize,
}

impl<'a> Collector<'a> {
    fn new(settings: &'a LdifSettings, base: Option<DnKey>) -> Self {
        let (reading, names, identities) = Default::default();
        Self { settings, base, reading, names, identities, counted: 0, described: 0 }
    }

    fn collect(mut self, input: impl BufRead) -> Result<Reading, Fault> {
        let LdifSettings { email_attributes, details, .. } = self.settings;
        let more = || email_attributes.iter().chain(details.iter().flat_map(|source| &source.attributes));
        let mut records = Records::new(input, |name: &str| {
            WANTED.contains(&name) || more().any(|more| more.eq_ignore_ascii_case(name))
        });
        while let Some(record) = records.next()? {
            match record {
                Record::Referral { urls } => {
                    if !referral::is_without_people(urls.iter().map(Vec::as_slice)) {
                        self.reading.referrals += 1;
                    }
                }
                Record::SearchResult { result } => check_result(&result)?,
                Record::Entry { dn, attributes } => self.take(&dn, &attributes)?,
            }
        }
        if self.names.is_empty() {
            let help = "an export that failed leaves such a file; export it again";
            return Err(Fault::whole("the file has no entries", help));
        }
        if let Some(base) = self.base.filter(|_| self.counted == 0) {
            return Err(Fault::OtherBase(base));
        }
        if self.described == 0 {
            let help = "export with all attributes, as an account that may read them";
            return Err(Fault::whole("the file has names only, nothing of what the entries are", help));
        }
        Ok(self.reading)
    }

    fn take(&mut self, dn_line: &Attribute, attributes: &[Attribute]) -> Result<(), Fault> {
        let dn = name_of(dn_line)?;
        if self.names.len() >= ENTRIES_MAX {
            return Err(Fault::at(dn_line, format!("more than {ENTRIES_MAX} entries"), "read over LDAP instead"));
        }
        note(&mut self.names, dn.key(), dn_line, "entry of this name")?;
        // The empty name is the server's own entry (rootDSE), which stands in no directory.
        let is_counted = self.base.as_ref().is_none_or(|base| dn.key() == *base || dn.key().is_below(base));
        if !is_counted || dn.key().as_str().is_empty() {
            return Ok(());
        }
        self.counted += 1;
        // What the exporting account may not read comes as a bare name, as some system objects of Active Directory do.
        if attributes.is_empty() {
            return Ok(());
        }
        self.described += 1;
        match (Source { dn_line, attributes }).decode(dn, self.settings)? {
            Entry::Person(person) => {
                note(&mut self.identities, person.guid, dn_line, "entry with this identity")?;
                self.reading.people.push(person);
            }
            Entry::Group(group) => {
                note(&mut self.identities, group.guid, dn_line, "entry with this identity")?;
                self.reading.groups.push(group);
            }
            Entry::Other => {}
        }
        Ok(())
    }
}

fn name_of(line: &Attribute) -> Result<Dn, Fault> {
    let Ok(text) = std::str::from_utf8(&line.value) else {
        return Err(Fault::at(line, "a DN that is not UTF-8", "export the file again, as UTF-8 (RFC 2849)"));
    };
    let dn = Dn::new(text);
    if dn.key().is_name() {
        return Ok(dn);
    }
    let help =
        "write it like `dn: CN=Ada,OU=People,DC=corp,DC=example`, with a backslash before `,` `+` `\"` `;` in a value";
    Err(Fault::at(line, "a DN that is no distinguished name", help))
}

/// Remembers where something was seen; twice is an error, as nobody can say which one is right.
fn note<K: std::hash::Hash + Eq>(
    seen: &mut HashMap<K, u64>,
    key: K,
    dn_line: &Attribute,
    what: &str,
) -> Result<(), Fault> {
    match seen.entry(key) {
        hash_map::Entry::Vacant(place) => {
            place.insert(dn_line.line);
            Ok(())
        }
        hash_map::Entry::Occupied(first) => {
            let what = format!("a second {what}; the first is at line {}", first.get());
            Err(Fault::at(dn_line, what, "take the wrong one out, or export the file again"))
        }
    }
}

/// A search that did not end in success wrote a part of the directory.
fn check_result(result: &Attribute) -> Result<(), Fault> {
    let text = String::from_utf8_lossy(&result.value);
    match text.split_whitespace().next() {
        Some("0") => Ok(()),
        Some(_) | None => {
            let help =
                "the file is a part of the directory; export it again with paging: ldapsearch -E pr=1000/noprompt";
            Err(Fault::at(result, "the search that wrote this file did not end in success", help))
        }
    }
}

fn told(path: &Path, fault: Fault) -> DirectoryError {
    let path_shown = path.display();
    match fault {
        Fault::Disk(cause) => disk_error(path, &cause),
        Fault::OtherBase(base) => {
            let help = "correct base_dn in [directory], or leave it out to read all";
            refused(path, &format!("has no entry at or below base_dn {:?}; {help}", base.as_str()))
        }
        Fault::Text { line: 0, shown: _, what, help } => {
            DirectoryError::Incomplete { message: format!("{path_shown}: {what}; nothing of it is used; {help}") }
        }
        Fault::Text { line, shown, what, help } => {
            let shown = if shown.is_empty() { String::new() } else { format!(" (`{shown}`)") };
            let message = format!("{path_shown}:{line}: {what}{shown}; nothing of the file is used; {help}");
            DirectoryError::Incomplete { message }
        }
    }
}

fn disk_error(path: &Path, cause: &std::io::Error) -> DirectoryError {
    let help = match cause.kind() {
        ErrorKind::NotFound => {
            "correct `path` in [directory]; a relative one begins at the folder of the configuration"
        }
        ErrorKind::PermissionDenied => "give the user of this program the right to read it",
        _ => "see to the disk, then try again",
    };
    let message = format!("reading {}: {cause}; {help}", path.display());
    match cause.kind() {
        ErrorKind::PermissionDenied => DirectoryError::Refused { message },
        _ => DirectoryError::Unavailable { message },
    }
}

fn refused(path: &Path, what: &str) -> DirectoryError {
    DirectoryError::Refused { message: format!("{} {what}", path.display()) }
}

#[cfg(test)]
mod tests;
