//! The file as written: tables whose values are read with their types and places, every mistake noted.
//!
//! Read by hand and not by `serde`, which stops at the first mistake.

use super::diagnose::{Complaint, Found, Problem, looks_secret};
use super::secret::Pointer;
use std::ops::{Range, RangeInclusive};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One table of the file.
#[derive(Clone)]
pub(super) struct Section<'t> {
    /// As in a header: `[directory]`, `[[tier]]`.
    pub(super) name: &'static str,
    /// Where a missing key is reported: the header.
    pub(super) at: Range<usize>,
    table: &'t DeTable<'t>,
}

/// A text value and where it stands.
pub(super) type Text<'t> = Spanned<&'t str>;

impl<'t> Section<'t> {
    pub(super) fn new(name: &'static str, at: Range<usize>, table: &'t DeTable<'t>) -> Self {
        Self { name, at, table }
    }

    /// The value and the place of its key.
    pub(super) fn entry(&self, key: &str) -> Option<(Range<usize>, &'t Spanned<DeValue<'t>>)> {
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(name, value)| (name.span(), value))
    }

    /// Whether the key is written, with whatever value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Every key that is written.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&'t str, Range<usize>)> + use<'t> {
        self.table.iter().map(|(name, _)| (name.get_ref().as_ref(), name.span()))
    }

    /// Notes a key that must be there and is not.
    pub(super) fn need(&self, key: &str, example: &str, found: &mut Found) {
        if !self.has(key) {
            let title = format!("`{key}` is missing in {}", self.name);
            found.add(Problem::missing(self.at.clone(), title).help(format!("add a line such as: {key} = {example}")));
        }
    }

    /// A text that is not blank; `None` when it is absent or wrong, and the latter is noted.
    pub(super) fn text(&self, key: &str, example: &str, found: &mut Found) -> Option<Text<'t>> {
        let (_, value) = self.entry(key)?;
        match value.get_ref() {
            DeValue::String(text) => filled(key, Spanned::new(value.span(), text.as_ref()), found),
            _ => {
                found.add(wrong_type(key, value, "a text in quotes", example));
                None
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str, found: &mut Found) -> Option<bool> {
        let (_, value) = self.entry(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            found.add(wrong_type(key, value, "true or false without quotes", "true"));
        }
        flag
    }

    /// A whole number within `range`.
    pub(super) fn number(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
        example: &str,
        help: &str,
        found: &mut Found,
    ) -> Option<Spanned<u64>> {
        let (_, value) = self.entry(key)?;
        let DeValue::Integer(integer) = value.get_ref() else {
            found.add(wrong_type(key, value, "a whole number without quotes", example));
            return None;
        };
        let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        match number.and_then(|number| u64::try_from(number).ok()).filter(|number| range.contains(number)) {
            Some(number) => Some(Spanned::new(value.span(), number)),
            None => {
                let title = format!("`{key}` must be from {} to {}", range.start(), range.end());
                found.add(Problem::wrong(value.span(), title).help(help));
                None
            }
        }
    }

    /// A list of texts, none of them blank. Wrong ones are noted and left out.
    pub(super) fn texts(&self, key: &str, example: &str, found: &mut Found) -> Option<Vec<Text<'t>>> {
        let (_, value) = self.entry(key)?;
        let DeValue::Array(array) = value.get_ref() else {
            let help = match value.get_ref() {
                DeValue::String(_) => format!("put it in brackets, such as: {key} = {example}"),
                _ => format!("such as: {key} = {example}"),
            };
            let title = format!("`{key}` must be a list of texts, not {}", kind(value.get_ref()));
            found.add(Problem::wrong(value.span(), title).help(help));
            return None;
        };
        let mut texts = Vec::with_capacity(array.len());
        for each in array.iter() {
            match each.get_ref() {
                DeValue::String(text) => texts.extend(filled(key, Spanned::new(each.span(), text.as_ref()), found)),
                other => {
                    let title = format!("`{key}` must hold texts in quotes, not {}", kind(other));
                    found.add(Problem::wrong(each.span(), title).help(format!("such as: {key} = {example}")));
                }
            }
        }
        Some(texts)
    }

    /// A text read further by `read`.
    pub(super) fn parsed<T>(
        &self,
        key: &str,
        example: &str,
        read: impl FnOnce(&str) -> Result<T, Complaint>,
        found: &mut Found,
    ) -> Option<T> {
        let text = self.text(key, example, found)?;
        read(text.get_ref()).map_err(|complaint| found.complain(text.span(), complaint)).ok()
    }

    /// Notes every key that is not `known`. `elsewhere` gives the section in which a key would be right.
    pub(super) fn only(&self, known: &[&str], elsewhere: impl Fn(&str) -> Option<&'static str>, found: &mut Found) {
        for (key, span) in self.keys() {
            if known.contains(&key) {
                continue;
            }
            let title = format!("unknown key `{}` in {}", key.escape_debug(), self.name);
            let problem = Problem::wrong(span, title);
            let secret = Pointer::among(known, key).filter(|_| looks_secret(key));
            let misspelt = closest(key, known);
            found.add(match (secret, misspelt, elsewhere(key)) {
                (Some(_), Some(near), _) if looks_like_pointer(key) || ["access_key_id", "webhook"].contains(&near) => {
                    problem.help(format!("did you mean `{near}`?"))
                }
                (Some(pointer), _, _) => problem
                    .label("a secret never stands in this file")
                    .help(format!("write the secret into a file of its own and name it: {}", pointer.file_line())),
                (None, Some(near), _) => problem.help(format!("did you mean `{near}`?")),
                (None, None, Some(section)) => problem.help(format!("`{key}` belongs in {section}")),
                (None, None, None) => problem.help(format!("known here: {}", known.join(", "))),
            });
        }
    }
}

/// Whether a misspelt key seems to name a file or a credential rather than to hold a secret.
fn looks_like_pointer(key: &str) -> bool {
    let key = key.to_lowercase();
    ["file", "path", "cred"].iter().any(|word| key.contains(word))
}

fn filled<'t>(key: &str, text: Text<'t>, found: &mut Found) -> Option<Text<'t>> {
    if text.get_ref().trim().is_empty() {
        let problem = Problem::wrong(text.span(), format!("`{key}` is empty"));
        found.add(problem.help("write a value; a key that is not needed can be left out"));
        return None;
    }
    if let Some(control) = text.get_ref().chars().find(|c| c.is_control()) {
        let title = format!("`{key}` contains the control character {:?}", control);
        found.add(Problem::wrong(text.span(), title).help("write it in single quotes if a backslash is meant"));
        return None;
    }
    Some(text)
}

fn wrong_type(key: &str, value: &Spanned<DeValue<'_>>, wanted: &str, example: &str) -> Problem {
    let title = format!("`{key}` must be {wanted}, not {}", kind(value.get_ref()));
    Problem::wrong(value.span(), title).help(format!("such as: {key} = {example}"))
}

/// What a value is, in words.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// How alike (Jaro and Winkler) words must be that differ in more than a third of their letters.
const SIMILAR_MIN: f64 = 0.85;

/// The known word that was most likely meant.
pub(super) fn closest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&word, &name.to_lowercase());
    let near = known.iter().map(|name| (distance(name), *name)).min()?;
    let allowed = (word.chars().count().min(near.1.len()) / 3).max(1);
    if near.0 <= allowed {
        return Some(near.1);
    }
    let similar = |name: &str| strsim::jaro_winkler(&word, &name.to_lowercase());
    known.iter().copied().filter(|name| similar(name) > SIMILAR_MIN).max_by(|a, b| similar(a).total_cmp(&similar(b)))
}
