//! A filter from its text.

use super::{FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_TERMS_MAX, Filter, Literal, Operator};
use crate::scim::path::AttributePath;
use crate::scim::problem::{Problem, ScimType};
use serde_json::Value;

/// Reads a filter.
///
/// # Errors
/// `invalidFilter`, with the place where it stops making sense.
pub fn parse(text: &str) -> Result<Filter, Problem> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(wrong(format!("a filter has at most {FILTER_BYTES_MAX} bytes")));
    }
    let mut reader = Reader { text, at: 0, depth: 0, terms: 0 };
    let filter = reader.or()?;
    reader.blanks();
    if reader.rest().is_empty() { Ok(filter) } else { Err(reader.expected("the end, `and` or `or`")) }
}

fn wrong(detail: String) -> Problem {
    Problem::bad(ScimType::InvalidFilter, detail)
}

struct Reader<'t> {
    text: &'t str,
    /// The place in bytes, always at a border of characters.
    at: usize,
    depth: usize,
    terms: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
    }

    fn expected(&self, what: &str) -> Problem {
        wrong(format!(
            "the filter makes no sense at character {}: {what} is expected",
            self.text[..self.at].chars().count() + 1
        ))
    }

    /// Takes a character, if it is next.
    fn takes(&mut self, wanted: char) -> bool {
        self.blanks();
        let there = self.rest().starts_with(wanted);
        self.at += if there { wanted.len_utf8() } else { 0 };
        there
    }

    /// The next word, up to a blank, a bracket or a parenthesis; not taken yet.
    fn word(&mut self) -> &'t str {
        self.blanks();
        let rest = self.rest();
        &rest[..rest.find([' ', '\t', '(', ')', '[', ']', '"']).unwrap_or(rest.len())]
    }

    /// Takes a word, if it is next.
    fn takes_word(&mut self, wanted: &str) -> bool {
        let word = self.word();
        let there = word.eq_ignore_ascii_case(wanted);
        self.at += if there { word.len() } else { 0 };
        there
    }

    fn or(&mut self) -> Result<Filter, Problem> {
        let mut terms = vec![self.and()?];
        while self.takes_word("or") {
            terms.push(self.and()?);
        }
        Ok(one_or(terms, Filter::Or))
    }

    fn and(&mut self) -> Result<Filter, Problem> {
        let mut terms = vec![self.term()?];
        while self.takes_word("and") {
            terms.push(self.term()?);
        }
        Ok(one_or(terms, Filter::And))
    }

    fn term(&mut self) -> Result<Filter, Problem> {
        if self.takes('(') {
            return self.enclosed(')');
        }
        let before = self.at;
        if self.takes_word("not") {
            if self.takes('(') {
                return Ok(Filter::Not(Box::new(self.enclosed(')')?)));
            }
            // An attribute could have that name.
            self.at = before;
        }
        self.terms += 1;
        if self.terms > FILTER_TERMS_MAX {
            return Err(wrong(format!("a filter has at most {FILTER_TERMS_MAX} comparisons")));
        }
        let word = self.word();
        let path = AttributePath::parse(word).ok_or_else(|| self.expected("the name of an attribute"))?;
        self.at += word.len();
        if self.rest().starts_with('[') {
            self.at += 1;
            return Ok(Filter::Within(path, Box::new(self.enclosed(']')?)));
        }
        let word = self.word();
        if word.eq_ignore_ascii_case("pr") {
            self.at += word.len();
            return Ok(Filter::Present(path));
        }
        let operator = Operator::ALL.into_iter().find(|operator| word.eq_ignore_ascii_case(operator.word()));
        let operator = operator.ok_or_else(|| self.expected("eq, ne, co, sw, ew, pr, gt, ge, lt or le"))?;
        self.at += word.len();
        Ok(Filter::Compare(path, operator, self.literal()?))
    }

    fn enclosed(&mut self, close: char) -> Result<Filter, Problem> {
        self.depth += 1;
        if self.depth > FILTER_DEPTH_MAX {
            return Err(wrong(format!("a filter is at most {FILTER_DEPTH_MAX} parentheses and brackets deep")));
        }
        let filter = self.or()?;
        self.depth -= 1;
        if self.takes(close) { Ok(filter) } else { Err(self.expected(&format!("`{close}`"))) }
    }

    /// A value, as JSON has it.
    fn literal(&mut self) -> Result<Literal, Problem> {
        self.blanks();
        let rest = self.rest();
        let length = if rest.starts_with('"') { quoted_length(rest) } else { Some(self.word().len()) };
        let value = length.and_then(|length| Some((length, serde_json::from_str(&rest[..length]).ok()?)));
        let (length, literal) = match value {
            Some((length, Value::Null)) => (length, Literal::Null),
            Some((length, Value::Bool(it))) => (length, Literal::Boolean(it)),
            Some((length, Value::Number(it))) => (length, Literal::Number(it)),
            Some((length, Value::String(it))) => (length, Literal::Text(it)),
            Some((_, Value::Array(_) | Value::Object(_))) | None => {
                // Some clients write True and False.
                let word = self.word();
                let boolean =
                    [("true", true), ("false", false)].into_iter().find(|(it, _)| word.eq_ignore_ascii_case(it));
                let (_, boolean) =
                    boolean.ok_or_else(|| self.expected("a text in quotes, a number, true, false or null"))?;
                (word.len(), Literal::Boolean(boolean))
            }
        };
        self.at += length;
        Ok(literal)
    }
}

/// The length of a JSON text with its quotes.
fn quoted_length(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// One term is itself.
fn one_or(mut terms: Vec<Filter>, several: fn(Vec<Filter>) -> Filter) -> Filter {
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        Some(last) => {
            terms.push(last);
            several(terms)
        }
        None => several(terms),
    }
}
