//! Preparation of values for caseIgnoreMatch (RFC 4517 4.2.11 by RFC 4518).
//!
//! Letters are folded by lower case and not by the tables of RFC 3454 B.2: those also make `ß` equal `ss`, which
//! directories in use keep apart, and two people must never become one.

use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The prepared form: equal for values that caseIgnoreMatch calls equal. Insignificant spaces are left out (RFC 4518
/// 2.6.1 pads them to fixed numbers, which compares the same): none at the ends, one between words.
pub(super) fn case_ignore(value: &str) -> Cow<'_, str> {
    let is_prepared = |byte: u8| matches!(byte, 0x21..=0x7e) && !byte.is_ascii_uppercase();
    if value.bytes().all(is_prepared) {
        return Cow::Borrowed(value);
    }
    // Lower-casing letter by letter: `str::to_lowercase` looks at what follows a sigma.
    let folded: String = value
        .chars()
        .filter(|letter| !is_mapped_to_nothing(*letter))
        .map(|letter| if letter.is_whitespace() { ' ' } else { letter })
        .nfkc()
        .flat_map(char::to_lowercase)
        .map(|letter| if letter == 'ς' { 'σ' } else { letter })
        .nfkc()
        .collect();
    Cow::Owned(without_insignificant_spaces(&folded))
}

/// A space that carries a combining mark is a letter (RFC 4518 2.6.1).
fn without_insignificant_spaces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_space_due = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == ' ' && !letters.peek().copied().is_some_and(is_combining_mark) {
            is_space_due = true;
            continue;
        }
        if is_space_due && !out.is_empty() {
            out.push(' ');
        }
        is_space_due = false;
        out.push(letter);
    }
    out
}

/// RFC 4518 2.2: control characters and those without a shape of their own.
fn is_mapped_to_nothing(letter: char) -> bool {
    matches!(letter,
        '\u{0}'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{ad}' | '\u{34f}'
        | '\u{6dd}' | '\u{70f}' | '\u{1806}' | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2063}' | '\u{206a}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffc}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}
