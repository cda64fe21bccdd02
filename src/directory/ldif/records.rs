//! The text of an LDIF file (RFC 2849), taken apart: lines unfolded, comments left out, values decoded, one record at a
//! time. What the attributes mean is not known here, only which of them are wanted.

use crate::model::DnKey;
use std::io::BufRead;

/// The longest line, unfolded, in bytes; a photo or a certificate list fits many times.
pub(super) const LINE_BYTES_MAX: usize = 64 << 20;

/// Attributes of one record: a group of a million members has as many.
pub(super) const RECORD_ATTRIBUTES_MAX: usize = 10_000_000;

/// Letters of a line that an error shows.
const SHOWN_LETTERS_MAX: usize = 100;

/// What is wrong with the file, and where.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file says something that cannot be used.
    Text {
        /// The line where the matter begins, from 1; 0 when it is about the whole file.
        line: u64,
        /// The line as far as it may be shown.
        shown: String,
        /// What is wrong.
        what: String,
        /// What to do.
        help: String,
    },
    /// Nothing in it stands at or below the configured base.
    OtherBase(DnKey),
    /// The disk failed.
    Disk(std::io::Error),
}

impl Fault {
    /// A fault at an attribute.
    pub(super) fn at(attribute: &Attribute, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Text { line: attribute.line, shown: attribute.shown(), what: what.into(), help: help.into() }
    }

    /// A fault of the whole file.
    pub(super) fn whole(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Text { line: 0, shown: String::new(), what: what.into(), help: help.into() }
    }
}

/// One `name;options: value`.
#[derive(Debug)]
pub(super) struct Attribute {
    /// Where it begins, from 1.
    pub line: u64,
    /// The name in lower case.
    pub name: String,
    /// The options in lower case, with `;` between.
    pub options: String,
    /// Decoded.
    pub value: Vec<u8>,
}

impl Attribute {
    /// As an error shows it. Only wanted attributes are kept, and none of those is a secret.
    pub(super) fn shown(&self) -> String {
        let separator = if self.options.is_empty() { "" } else { ";" };
        match std::str::from_utf8(&self.value) {
            Ok(text) => shorten(&format!("{}{separator}{}: {text}", self.name, self.options)),
            Err(_) => format!("{}{separator}{}: {} bytes", self.name, self.options, self.value.len()),
        }
    }
}

/// One record: an entry, or what `ldapsearch` writes between and after entries.
#[derive(Debug)]
pub(super) enum Record {
    /// An entry.
    Entry {
        /// The `dn:` line.
        dn: Attribute,
        /// The wanted ones among the others, in the order of the file.
        attributes: Vec<Attribute>,
    },
    /// A continuation reference (`ref:`), as `ldapsearch` writes it.
    Referral {
        /// Where to; any of them will do.
        urls: Vec<Vec<u8>>,
    },
    /// How the search ended that made the file (`result: 0 Success`), as `ldapsearch` writes it.
    SearchResult {
        /// The `result:` line.
        result: Attribute,
    },
}

/// The records of a file.
pub(super) struct Records<R, W> {
    lines: Lines<R>,
    wanted: W,
    is_first: bool,
}

impl<R: BufRead, W: Fn(&str) -> bool> Records<R, W> {
    /// Of that text; `wanted` tells, by names in lower case, which attributes to keep.
    pub(super) fn new(input: R, wanted: W) -> Self {
        Self { lines: Lines { input, number: 0, is_cut: false }, wanted, is_first: true }
    }

    /// The next one; `None` at the end of the file.
    ///
    /// # Errors
    /// At the first line that is not LDIF, or that asks for a change.
    pub(super) fn next(&mut self) -> Result<Option<Record>, Fault> {
        let mut kept: Vec<Attribute> = Vec::new();
        let mut is_open = false;
        while let Some((line, bytes)) = self.lines.next()? {
            if bytes.is_empty() {
                if is_open { break } else { continue }
            }
            if bytes.starts_with(b"#") {
                continue;
            }
            let attribute = self.attribute(line, &bytes)?;
            let is_head = !is_open;
            if is_head && self.is_version(&attribute)? {
                continue;
            }
            let is_dn = attribute.name == "dn";
            match (is_head, attribute.name.as_str()) {
                (true, "dn" | "search" | "result" | "ref") => {}
                (true, _) => {
                    let help =
                        "every entry begins with `dn:`; if the line belongs to the one above, take the blank line away";
                    return Err(self.fault(&attribute, "a record that does not begin with `dn:`", help));
                }
                (false, "dn") => {
                    let help = "put a blank line between the two entries";
                    return Err(self.fault(&attribute, "a second `dn:` in one record", help));
                }
                (false, "changetype") if attribute.value.trim_ascii().eq_ignore_ascii_case(b"add") => {}
                (false, "changetype" | "control") if kept.first().is_some_and(|first| first.name == "dn") => {
                    let help =
                        "this is a file of changes; export the entries themselves, with ldapsearch, slapcat or ldifde";
                    return Err(self.fault(&attribute, format!("`{}:`", attribute.name), help));
                }
                (false, _) => {}
            }
            is_open = true;
            if is_head || is_dn || attribute.name == "result" || (self.wanted)(&attribute.name) {
                if kept.len() >= RECORD_ATTRIBUTES_MAX {
                    let what = format!("more than {RECORD_ATTRIBUTES_MAX} attributes in one record");
                    return Err(self.fault(&attribute, what, "is a blank line missing between entries?"));
                }
                kept.push(attribute);
            }
        }
        self.is_first = false;
        record_of(kept)
    }

    /// `version: 1`, which only the first line may be.
    fn is_version(&mut self, attribute: &Attribute) -> Result<bool, Fault> {
        if attribute.name != "version" || !self.is_first {
            return Ok(false);
        }
        self.is_first = false;
        if attribute.value.trim_ascii() == b"1" {
            return Ok(true);
        }
        Err(self.fault(attribute, "an LDIF version that is not 1", "export the file anew as LDIF version 1 (RFC 2849)"))
    }

    fn fault(&self, attribute: &Attribute, what: impl Into<String>, help: &str) -> Fault {
        let shown = if self.may_show(&attribute.name) { attribute.shown() } else { format!("{}: …", attribute.name) };
        Fault::Text { line: attribute.line, shown, what: what.into(), help: help.into() }
    }

    /// Values of other attributes may be secrets: `userPassword`, keys, recovery codes.
    fn may_show(&self, name: &str) -> bool {
        matches!(name, "dn" | "changetype" | "version" | "ref" | "search" | "result") || (self.wanted)(name)
    }

    /// Reads `name;options: text`, `name:: base64`; refuses `name:< URL`.
    fn attribute(&self, line: u64, bytes: &[u8]) -> Result<Attribute, Fault> {
        let fault = |shown: String, what: &str, help: &str| {
            Err(Fault::Text { line, shown, what: what.to_owned(), help: help.to_owned() })
        };
        if bytes == b"-" {
            return fault(
                "-".into(),
                "the end of a modification",
                "this is a file of changes; export the entries themselves",
            );
        }
        let Some(colon) = bytes.iter().position(|byte| *byte == b':') else {
            let help = "a line is `name: value`, and one that continues the line above begins with a blank; if the line above is a \
             comment of ldapsearch, export with -LLL, which leaves comments out";
            return fault(String::new(), "a line without a colon (not shown, as it may be part of a secret)", help);
        };
        let (description, rest) = bytes.split_at(colon);
        let rest = rest.get(1..).unwrap_or_default();
        let is_description = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._;=*".contains(byte);
        let Some(description) = std::str::from_utf8(description).ok().filter(|text| {
            text.starts_with(|first: char| first.is_ascii_alphanumeric())
                && text.bytes().all(|byte| is_description(&byte))
        }) else {
            let help = "attribute names have letters, digits and hyphens; a line that continues the one above begins with a blank";
            return fault(String::new(), "a line that does not begin with an attribute name (not shown)", help);
        };
        let description = description.to_ascii_lowercase();
        let (name, options) = description.split_once(';').unwrap_or((&description, ""));
        let shown = |value: &[u8]| {
            let text = if self.may_show(name) { String::from_utf8_lossy(value) } else { "…".into() };
            shorten(&format!("{description}:{text}"))
        };
        let value = match rest.split_first() {
            Some((b':', encoded)) => match base64(encoded.trim_ascii()) {
                Some(value) => value,
                None if self.lines.is_cut => {
                    let help = "the file was cut off here: export it again";
                    return fault(shown(rest), "the file ends inside a base64 value", help);
                }
                None => {
                    return fault(
                        shown(rest),
                        "a value that is not base64",
                        "export the file again; it was damaged or edited",
                    );
                }
            },
            Some((b'<', _)) => {
                let help = "write the value itself (`name:: base64`); other files are not read";
                return fault(shown(rest), "a value that stands in another file", help);
            }
            Some(_) | None => {
                let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
                rest.get(blanks..).unwrap_or_default().to_vec()
            }
        };
        Ok(Attribute { line, name: name.to_owned(), options: options.to_owned(), value })
    }
}

/// Tells by the first line what the record is.
fn record_of(mut kept: Vec<Attribute>) -> Result<Option<Record>, Fault> {
    let Some(first) = kept.first() else { return Ok(None) };
    if first.name == "ref" {
        let urls = kept.into_iter().filter(|attribute| attribute.name == "ref");
        return Ok(Some(Record::Referral { urls: urls.map(|attribute| attribute.value).collect() }));
    }
    if first.name == "dn" {
        let attributes = kept.split_off(1);
        return Ok(kept.pop().map(|dn| Record::Entry { dn, attributes }));
    }
    let line = first.line;
    match kept.into_iter().find(|attribute| attribute.name == "result") {
        Some(result) => Ok(Some(Record::SearchResult { result })),
        None => Err(Fault::Text {
            line,
            shown: "search:".into(),
            what: "a search without its result".into(),
            help: "the file was cut off here: export it again".into(),
        }),
    }
}

/// Lines, unfolded.
struct Lines<R> {
    input: R,
    number: u64,
    /// Whether the line last given ended with the file and not with a line end.
    is_cut: bool,
}

impl<R: BufRead> Lines<R> {
    /// The next line with the number of its first part, without its end; folded parts joined.
    fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, Fault> {
        let mut line = Vec::new();
        if !self.append_part(&mut line)? {
            return Ok(None);
        }
        let first = self.number;
        while !line.is_empty() && self.peek()? == Some(b' ') {
            self.input.consume(1);
            self.append_part(&mut line)?;
        }
        Ok(Some((first, line)))
    }

    fn peek(&mut self) -> Result<Option<u8>, Fault> {
        Ok(self.input.fill_buf().map_err(Fault::Disk)?.first().copied())
    }

    /// Appends up to the line end; `false` when there was nothing any more.
    fn append_part(&mut self, line: &mut Vec<u8>) -> Result<bool, Fault> {
        let mut has_any = false;
        loop {
            let buffer = self.input.fill_buf().map_err(Fault::Disk)?;
            if buffer.is_empty() {
                self.is_cut = true;
                self.number += u64::from(has_any);
                return Ok(has_any);
            }
            has_any = true;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
            if line.len() + part.len() > LINE_BYTES_MAX {
                return Err(Fault::Text {
                    line: self.number + 1,
                    shown: String::new(),
                    what: format!("a line longer than {LINE_BYTES_MAX} bytes"),
                    help: "is it an LDIF file? leave the large attribute out of the export".into(),
                });
            }
            line.extend_from_slice(part);
            let consumed = part.len() + usize::from(end.is_some());
            self.input.consume(consumed);
            if end.is_some() {
                self.number += 1;
                self.is_cut = false;
                line.pop_if(|byte| *byte == b'\r');
                return Ok(true);
            }
        }
    }
}

/// The first letters, on one line.
fn shorten(text: &str) -> String {
    let mut letters = text.chars().map(|letter| if letter.is_control() { '�' } else { letter });
    let mut shown: String = letters.by_ref().take(SHOWN_LETTERS_MAX).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// Base64 (RFC 4648 4), with its padding and nothing else.
pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let (groups, rest) = text.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(groups.len() * 3);
    for (index, group) in groups.iter().enumerate() {
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        if padding > 2 || (padding > 0 && index + 1 < groups.len()) {
            return None;
        }
        let mut bits: u32 = 0;
        for (place, byte) in group.iter().enumerate() {
            let digit = if place >= 4 - padding { 0 } else { base64_digit(*byte)? };
            bits = bits << 6 | u32::from(digit);
        }
        let [_, decoded @ ..] = bits.to_be_bytes();
        out.extend_from_slice(decoded.get(..3 - padding)?);
    }
    Some(out)
}

fn base64_digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}
