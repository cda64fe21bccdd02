//! The walk through one file of any kind: which sections it may have is an argument, and so is what they mean.

use super::Environment;
use super::diagnose::{Found, Problem, Problems};
use super::raw::{Section, kind};
use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// The names, without `.toml`, of the configurations whose other files have no prefix.
const CONFIGS_DEFAULT: [&str; 2] = ["seatsync", "seatstore"];

/// The sections of a kind of file: name, as in a header, and the lists of their keys.
pub(super) type Sections = [(&'static str, &'static str, &'static [&'static [&'static str]])];

/// What the file stands on: where it is, what is around it, and which sections it may have.
pub(super) struct Ground<'a> {
    folder: PathBuf,
    /// What the names of files begin with that belong to this configuration alone; empty for the first of a machine.
    prefix: String,
    pub(super) env: &'a Environment,
    sections: &'static Sections,
}

impl Ground<'_> {
    /// A path as meant: relative to the folder of the file.
    pub(super) fn path(&self, written: &str) -> PathBuf {
        self.folder.join(written)
    }

    /// A file beside the configuration, as the packaged units name it: `NAME`, or `emea.NAME` for `emea.toml`.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}{name}", self.prefix))
    }

    /// Notes the keys of `section` that are not `known`.
    pub(super) fn only(&self, section: &Section<'_>, known: &[&str], found: &mut Found) {
        let elsewhere = |key: &str| {
            let has = |keys: &&[&[&str]]| keys.iter().any(|keys| keys.contains(&key));
            self.sections.iter().find(|(_, _, keys)| has(keys)).map(|(_, header, _)| *header)
        };
        section.only(known, elsewhere, found);
    }

    /// A table by its key; noted when it is no table, or is `required` (why) and absent.
    pub(super) fn section<'t>(
        &self,
        root: &Section<'t>,
        key: &'static str,
        required: Option<&str>,
        found: &mut Found,
    ) -> Option<Section<'t>> {
        let header = self.header(key);
        let Some((at, written)) = root.entry(key) else {
            if let Some(why) = required {
                found.add(Problem::missing(root.at.clone(), format!("{header} is missing")).help(why));
            }
            return None;
        };
        match written.get_ref() {
            DeValue::Table(table) => Some(Section::new(header, place(&at, written.span()), table)),
            other => {
                let title = format!("`{key}` must be a table, not {}", kind(other));
                found.add(Problem::wrong(at, title).help(format!("write it as a section that begins with {header}")));
                None
            }
        }
    }

    fn header(&self, key: &str) -> &'static str {
        self.sections.iter().find(|(name, _, _)| *name == key).map_or("the file", |(_, header, _)| header)
    }
}

/// `emea.` for `emea.toml`, nothing for the configuration that a program reads when nobody says otherwise.
fn prefix(path: &Path) -> String {
    let stem = path.file_stem().and_then(OsStr::to_str).filter(|stem| !CONFIGS_DEFAULT.contains(stem));
    stem.map(|stem| format!("{stem}.")).unwrap_or_default()
}

/// Where a table is shown: at its key, unless the parser gave none.
fn place(key: &Range<usize>, table: Range<usize>) -> Range<usize> {
    if key.is_empty() { table } else { key.clone() }
}

/// Reads a text with these sections; `meaning` gets the whole file as one section and says what it means.
pub(super) fn check<T>(
    path: &Path,
    text: &str,
    env: &Environment,
    sections: &'static Sections,
    meaning: fn(&Section<'_>, &Ground<'_>, &mut Found) -> Option<T>,
) -> Result<T, Problems> {
    // A byte order mark is allowed by TOML and would shift every column.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (tree, errors) = DeTable::parse_recoverable(text);
    let mut found = Found::default();
    syntax(text, errors, sections, &mut found);
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let ground = Ground { folder, prefix: prefix(path), env, sections };
    let root = Section::new("the file", 0..0, tree.get_ref());
    let names: Vec<&str> = sections.iter().map(|(name, _, _)| *name).collect();
    ground.only(&root, &names, &mut found);
    let meant = meaning(&root, &ground, &mut found);
    match meant {
        Some(meant) if found.is_empty() => Ok(meant),
        Some(_) | None => Err(found.close(path, text, tree.get_ref())),
    }
}

/// Notes syntax errors without their own echoes: one a line, and nothing more from within a list that is not closed.
fn syntax(text: &str, mut errors: Vec<toml::de::Error>, sections: &Sections, found: &mut Found) {
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    let is_unclosed = errors.iter().any(|error| error.message().contains("unclosed array"));
    let may_repeat = sections.iter().any(|(_, header, _)| header.starts_with("[["));
    let mut in_list = false;
    for error in errors {
        let (span, message) = (error.span().unwrap_or(0..0), error.message());
        let is_first = found.break_line(text, span.start);
        if in_list && !message.contains("unclosed") {
            continue;
        }
        if is_unclosed && message.contains("array") {
            in_list = true;
            found.break_rest(span.start);
        } else if !is_first {
            continue;
        }
        let help = match message {
            _ if message.contains("must be quoted") => "put the text in quotes: key = \"text\"",
            _ if message.contains("array") => "separate what is listed by commas, and close the list with ]",
            _ if message.contains("boolean") => "write true or false, in lower case",
            _ if message.contains("string") => "close the text with the same quote on the same line",
            _ if message.contains("duplicate") && may_repeat => {
                "each key and each section stands once; only [[tier]] may be repeated"
            }
            _ if message.contains("duplicate") => "each key and each section stands once",
            _ => "a line is key = value, [section] or # comment; texts stand in quotes",
        };
        found.add(Problem::syntax(span, format!("not valid TOML: {message}")).help(help));
    }
}
