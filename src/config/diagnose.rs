//! Problems in the configuration, and how they are shown: all at once, each with its line underlined.
//!
//! Invariant: no text shown contains a value that could be a secret. Such values are masked in the source before the
//! renderer sees it, by reading the text itself, so that a file which does not even parse is safe to show too.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Most problems shown in full; the number of the others is given. A file with more is most likely another file.
const PROBLEMS_SHOWN_MAX: usize = 50;

/// What stands in place of a value that could be a secret. Its length says nothing about the value's.
const MASK: &str = "********";

/// What is wrong with one value, before it is known where the value stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    /// What is wrong, naming the value.
    pub(super) message: String,
    /// What to write or do instead.
    pub(super) help: Option<String>,
}

impl Complaint {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Why a problem is kept or dropped beside syntax errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// The text is not TOML there.
    Syntax,
    /// Something is not there; with a syntax error around, it may only not have been understood.
    Missing,
    /// What is there is wrong.
    Wrong,
}

/// One problem and where it is.
#[derive(Debug)]
pub(super) struct Problem {
    class: Class,
    span: Range<usize>,
    title: String,
    label: String,
    help: Option<String>,
    also: Option<(Range<usize>, String)>,
}

impl Problem {
    fn new(class: Class, span: Range<usize>, title: impl Into<String>) -> Self {
        Self { class, span, title: title.into(), label: String::new(), help: None, also: None }
    }

    /// What is there is wrong.
    pub(super) fn wrong(span: Range<usize>, title: impl Into<String>) -> Self {
        Self::new(Class::Wrong, span, title)
    }

    /// Something is not there.
    pub(super) fn missing(span: Range<usize>, title: impl Into<String>) -> Self {
        Self::new(Class::Missing, span, title)
    }

    /// The text is not TOML there.
    pub(super) fn syntax(span: Range<usize>, title: impl Into<String>) -> Self {
        Self::new(Class::Syntax, span, title)
    }

    /// Words beside the underline.
    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// What to do.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// A second place that belongs to it.
    pub(super) fn also(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.also = Some((span, label.into()));
        self
    }
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    list: Vec<Problem>,
    /// Lines, from 0, that are not TOML.
    broken: HashSet<usize>,
    /// Where the text behind was read as something it is not.
    lost_from: Option<usize>,
    /// Values that could be secrets although their keys do not say so.
    masked: Vec<Range<usize>>,
}

impl Found {
    pub(super) fn add(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    pub(super) fn complain(&mut self, span: Range<usize>, complaint: Complaint) {
        let Complaint { message, help } = complaint;
        let problem = Problem::wrong(span, message);
        self.add(if let Some(help) = help { problem.help(help) } else { problem });
    }

    /// Keeps what stands at `span` from being shown.
    pub(super) fn mask(&mut self, span: Range<usize>) {
        self.masked.push(span);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Remembers that the line at `offset` is not TOML; whether that is new.
    pub(super) fn break_line(&mut self, text: &str, offset: usize) -> bool {
        self.broken.insert(line_of(text, offset))
    }

    /// Remembers that nothing behind `offset` was understood.
    pub(super) fn break_rest(&mut self, offset: usize) {
        self.lost_from = Some(self.lost_from.map_or(offset, |before| before.min(offset)));
    }

    /// Closes the list: sorted by position, without what is only an echo of a syntax error.
    pub(super) fn close(self, path: &Path, text: &str, tree: &DeTable<'_>) -> Problems {
        let masked = Masked::new(text, tree, &self.masked);
        let is_echo = |problem: &Problem| match problem.class {
            Class::Syntax => false,
            Class::Missing => !self.broken.is_empty(),
            Class::Wrong => {
                self.lost_from.is_some_and(|offset| problem.span.start >= offset)
                    || self.broken.contains(&line_of(text, problem.span.start))
            }
        };
        let mut list: Vec<Problem> = self.list.into_iter().filter(|problem| !is_echo(problem)).collect();
        list.sort_by_key(|problem| (problem.span.start, problem.span.end));
        list.dedup_by(|later, earlier| later.span == earlier.span && later.title == earlier.title);
        for problem in &mut list {
            problem.span = masked.place(&problem.span);
            problem.also = problem.also.take().map(|(span, label)| (masked.place(&span), label));
        }
        Problems { path: path.display().to_string(), text: masked.text, list }
    }
}

/// Everything wrong with one configuration file, sorted by position. Safe to show: see the module's invariant.
#[derive(Debug)]
pub struct Problems {
    path: String,
    text: String,
    list: Vec<Problem>,
}

impl Problems {
    /// How many.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// For people: each problem with `file:line:column`, its line underlined, and a help line; `color` with ANSI
    /// colours. Ends in a line with the number of problems, without a line feed.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut shown = String::new();
        for problem in self.list.iter().take(PROBLEMS_SHOWN_MAX) {
            shown.push_str(&renderer.render(&[self.group(problem)]));
            shown.push_str("\n\n");
        }
        let hidden = self.count().saturating_sub(PROBLEMS_SHOWN_MAX);
        if hidden > 0 {
            shown.push_str(&format!("and {hidden} more\n\n"));
        }
        let plural = if self.count() == 1 { "" } else { "s" };
        shown.push_str(&format!("{} problem{plural} in {}", self.count(), self.path));
        shown
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> annotate_snippets::Group<'a> {
        let Problem { class: _, span, title, label, help, also } = problem;
        let first = AnnotationKind::Primary.span(span.clone());
        let first = if label.is_empty() { first } else { first.label(label.as_str()) };
        let second =
            also.as_ref().map(|(span, label)| AnnotationKind::Context.span(span.clone()).label(label.as_str()));
        let snippet =
            Snippet::source(self.text.as_str()).path(self.path.as_str()).annotation(first).annotations(second);
        Level::ERROR
            .primary_title(title.as_str())
            .element(snippet)
            .elements(help.as_ref().map(|help| Level::HELP.message(help.as_str())))
    }
}

/// As [`Problems::render`] without colour.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

/// The number of the line that `offset` is in, from 0.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// Whether a key looks as if its value were a secret, misspelt ones too. Keys that name a file or a credential do not.
pub(super) fn looks_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    // The id of a key is no secret.
    if key.ends_with("_file") || key.ends_with("_credential") || key == "access_key_id" {
        return false;
    }
    let within = ["pass", "pwd", "secret", "token", "bearer", "credential", "apikey", "private"];
    // Who knows the URL of a webhook can often write to it.
    let is_webhook = key.replace(['_', '-'], "").contains("webhook");
    let misspelt = |part: &str| {
        strsim::damerau_levenshtein(part, "password") <= 2
            || ["secret", "token", "webhook"].iter().any(|word| strsim::damerau_levenshtein(part, word) <= 1)
            || ["key", "auth"].contains(&part)
    };
    is_webhook
        || within.iter().any(|word| key.contains(word))
        || key.ends_with("pw")
        || key.split(['_', '-']).any(misspelt)
}

/// The text with every value that could be a secret replaced, and the way from old places to new ones.
struct Masked {
    text: String,
    /// Old range and length of what stands there now; sorted, apart from each other.
    cuts: Vec<(Range<usize>, usize)>,
}

impl Masked {
    fn new(text: &str, tree: &DeTable<'_>, also: &[Range<usize>]) -> Self {
        let mut ranges = secret_looking(text);
        ranges.extend_from_slice(also);
        secret_values(tree, false, &mut ranges);
        ranges.retain(|range| text.get(range.clone()).is_some_and(|value| !value.is_empty()));
        ranges.sort_by_key(|range| (range.start, range.end));
        let mut masked = Self { text: String::with_capacity(text.len()), cuts: Vec::new() };
        let mut done = 0;
        let mut ranges = ranges.into_iter().peekable();
        while let Some(mut range) = ranges.next() {
            while let Some(next) = ranges.next_if(|next| next.start <= range.end) {
                range.end = range.end.max(next.end);
            }
            masked.text.push_str(&text[done..range.start]);
            // Line feeds stay, so that every line keeps its number.
            let feeds = text[range.clone()].bytes().filter(|byte| *byte == b'\n').count();
            let instead = format!("{MASK}{}", "\n".repeat(feeds));
            masked.text.push_str(&instead);
            done = range.end;
            masked.cuts.push((range, instead.len()));
        }
        masked.text.push_str(&text[done..]);
        masked
    }

    /// The new range: on character borders, within the text, and on one line.
    fn place(&self, old: &Range<usize>) -> Range<usize> {
        let start = self.text.floor_char_boundary(self.moved(old.start, false));
        let end = self.text.floor_char_boundary(self.moved(old.end, true)).max(start);
        let end = self.text[start..end].find(['\n', '\r']).map_or(end, |length| start + length);
        // A place without length is shown as its first character, unless the line ends there.
        let first = self.text[start..].chars().next().filter(|c| *c != '\n' && *c != '\r');
        start..if start == end { start + first.map_or(0, char::len_utf8) } else { end }
    }

    fn moved(&self, old: usize, is_end: bool) -> usize {
        let mut new = old;
        for (range, length) in &self.cuts {
            if old >= range.end {
                new = (new + length).saturating_sub(range.len());
            } else if old > range.start {
                let shift = old - range.start;
                new = new.saturating_sub(shift) + if is_end { *length } else { 0 };
                break;
            } else {
                break;
            }
        }
        new.min(self.text.len())
    }
}

/// Places that look like the value of a secret key, found in the bare text.
fn secret_looking(text: &str) -> Vec<Range<usize>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut ranges = Vec::new();
    for (equals, _) in text.match_indices('=') {
        let key_start = text[..equals].rfind(['\n', '{', ',', '=']).map_or(0, |before| before + 1);
        if text[key_start..equals].split(|c| !is_word(c)).any(looks_secret) {
            let value = &text[equals + 1..];
            let blank = value.len() - value.trim_start_matches([' ', '\t']).len();
            let start = equals + 1 + blank;
            ranges.push(start..start + value_length(&text[start..]));
        }
    }
    // A key without its equals sign: what follows may be the value all the same.
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let key_end = line.find(|c: char| !is_word(c) && !"#. \t\"'".contains(c)).unwrap_or(line.len());
        let mut at = line_start;
        // Whatever separates these words is one byte long.
        for word in line[..key_end].split(|c| !is_word(c)) {
            at += word.len();
            let is_key = text[at..].trim_start_matches([' ', '\t', '"', '\'']).starts_with('=');
            if looks_secret(word) && !is_key {
                ranges.push(at..at + value_length(&text[at..]));
                break;
            }
            at += 1;
        }
        line_start += line.len();
    }
    // A password within a URL is refused, and until then not shown.
    for (scheme, _) in text.match_indices("://") {
        let start = scheme + "://".len();
        let rest = &text[start..];
        let word = &rest[..rest.find(['"', '\'', '\n', ' ']).unwrap_or(rest.len())];
        if let Some(at) = word.rfind('@') {
            ranges.push(start..start + at);
        }
    }
    ranges
}

/// The length of a value, generously: up to the closing quotes or bracket, then the rest of the line, then every line
/// that does not begin something else.
fn value_length(text: &str) -> usize {
    let closing = match text {
        _ if text.starts_with("\"\"\"") => Some(("\"\"\"", 3)),
        _ if text.starts_with("'''") => Some(("'''", 3)),
        _ if text.starts_with('[') => Some(("]", 1)),
        _ if text.starts_with('{') => Some(("}", 1)),
        _ => None,
    };
    let closed = closing
        .map_or(0, |(closing, skip)| text[skip..].find(closing).map_or(text.len(), |at| skip + at + closing.len()));
    let line_end = |from: usize| text[from..].find('\n').map_or(text.len(), |length| from + length);
    let mut end = line_end(closed);
    while end < text.len() && !begins_something(&text[end + 1..line_end(end + 1)]) {
        end = line_end(end + 1);
    }
    end
}

/// Whether a line is a comment, a header, or a key with a value: not the rest of a broken value.
fn begins_something(line: &str) -> bool {
    let line = line.trim();
    let is_key = |key: &str| key.trim().chars().all(|c| c.is_alphanumeric() || "-_.\"' ".contains(c));
    let has_value = |value: &str| !value.trim().is_empty() && !value.starts_with('=');
    line.starts_with(['[', '#']) || line.split_once('=').is_some_and(|(key, value)| is_key(key) && has_value(value))
}

/// The values under secret keys of what was parsed.
fn secret_values(table: &DeTable<'_>, inside: bool, ranges: &mut Vec<Range<usize>>) {
    for (key, value) in table.iter() {
        let inside = inside || looks_secret(key.get_ref());
        match value.get_ref() {
            DeValue::Table(table) => secret_values(table, inside, ranges),
            DeValue::Array(array) => {
                for each in array.iter() {
                    match each.get_ref() {
                        DeValue::Table(table) => secret_values(table, inside, ranges),
                        _ if inside => ranges.push(each.span()),
                        _ => {}
                    }
                }
            }
            _ if inside => ranges.push(value.span()),
            _ => {}
        }
    }
}
