//! One value at a time: durations, limits, addresses, names. Pure; each says what is wrong and what to write instead.

use super::diagnose::Complaint;
use super::raw::closest;
use crate::model::{Email, Limit, StoreKind, Tier};
use chrono_tz::Tz;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// The longest duration of any kind: ten years. Longer ones are slips of the pen and could overflow a date.
const DURATION_MAX: Duration = Duration::from_secs(3_660 * 24 * 60 * 60);
/// The longest name of a tier or an account, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// `90s`, `15m`, `24h`, `7d`, and what jiff reads besides: `1h 30m`, `PT5M`. A day is 24 hours.
pub(super) fn duration(text: &str) -> Result<Duration, Complaint> {
    let help = "write a number and a unit: 90s, 15m, 24h, 7d";
    let not_one = || Complaint::new(format!("{text:?} is not a duration")).help(help);
    let span: jiff::Span = text.trim().parse().map_err(|_| not_one())?;
    let signed = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| {
        Complaint::new(format!("{text:?} has months or years, whose length varies")).help("count in days: 30d")
    })?;
    if signed.is_negative() {
        return Err(Complaint::new(format!("{text:?} is negative")).help(help));
    }
    let duration = Duration::try_from(signed).map_err(|_| not_one())?;
    if duration > DURATION_MAX {
        return Err(Complaint::new(format!("{text:?} is more than ten years")).help(help));
    }
    Ok(duration)
}

/// A duration within `range`.
pub(super) fn duration_within(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, Complaint> {
    let value = duration(text)?;
    if range.contains(&value) {
        return Ok(value);
    }
    let (least, most) = (range.start(), range.end());
    Err(Complaint::new(format!("{text:?} is not within {least:?} to {most:?}")).help("write a duration such as 30s"))
}

/// `5%`, `500`, `off`.
pub(super) fn limit(text: &str) -> Result<Limit, Complaint> {
    let help = "write a whole percentage such as \"5%\", a count such as 500, or \"off\"";
    let trimmed = text.trim();
    if trimmed.eq_ignore_ascii_case("off") {
        return Ok(Limit::Off);
    }
    let digits = trimmed.strip_suffix('%').map(str::trim_end);
    let number = digits.unwrap_or(trimmed);
    let wrong = || Complaint::new(format!("{text:?} is not a limit")).help(help);
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    if digits.is_none() {
        return number.parse().map(Limit::Count).map_err(|_| wrong());
    }
    number
        .parse()
        .ok()
        .filter(|percent| *percent <= 100)
        .map(Limit::Percent)
        .ok_or_else(|| Complaint::new(format!("{text:?} is more than the whole")).help(help))
}

/// An address of a person.
pub(super) fn email(text: &str) -> Result<Email, Complaint> {
    // Both may stand in an address (RFC 5321 4.1.2), and here only ever in one that means several.
    if text.contains(['*', '?']) {
        return Err(Complaint::new(format!("{text:?} is a pattern, which would protect nobody"))
            .help("write out each address, such as: break-glass@corp.example"));
    }
    Email::parse(text).ok_or_else(|| {
        Complaint::new(format!("{text:?} is not an e-mail address")).help("such as: break-glass@corp.example")
    })
}

/// A claimed domain, in lower case.
pub(super) fn domain(text: &str) -> Result<String, Complaint> {
    let domain = text.trim().to_lowercase();
    let wrong = Complaint::new(format!("{text:?} is not a domain"));
    if let Some((_, behind)) = domain.rsplit_once('@') {
        return Err(wrong.help(format!("write the part behind the @ alone: {behind:?}")));
    }
    if domain.contains('*') {
        return Err(wrong.help("patterns are not understood: list each domain that is claimed"));
    }
    // The check of an address is the check of its domain: what is claimed here must be able to match one.
    let usable = Email::parse(&format!("a@{domain}")).is_some_and(|email| email.domain() == domain);
    if usable { Ok(domain) } else { Err(wrong.help("such as: \"corp.example\"")) }
}

/// A distinguished name that entries are looked for below.
pub(super) fn base_dn(text: &str) -> Result<String, Complaint> {
    let text = text.trim();
    let starts_well = text.split_once('=').is_some_and(|(name, value)| {
        let well_formed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        !name.trim().is_empty() && name.trim().chars().all(well_formed) && !value.trim().is_empty()
    });
    if starts_well {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(format!("{text:?} is not a distinguished name")).help("such as: \"DC=corp,DC=example\""))
}

/// The name of an attribute (RFC 4512 2.5): a keyword or an OID, perhaps with options.
pub(super) fn attribute(text: &str) -> Result<String, Complaint> {
    let text = text.trim();
    let well_formed = |c: char| c.is_ascii_alphanumeric() || "-.;".contains(c);
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(well_formed) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(format!("{text:?} is not the name of an attribute"))
        .help("such as: \"mail\" or [\"mail\", \"userPrincipalName\"]"))
}

/// A first look at a filter (RFC 4515): it begins and ends with a parenthesis, and they are balanced.
pub(super) fn filter_shape(text: &str) -> Result<(), String> {
    if !text.starts_with(['(', ')']) {
        return Err("it must begin with a parenthesis".to_owned());
    }
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1).ok_or("a closing parenthesis has no opening one")?,
            _ => {}
        }
        if depth == 0 && at + 1 < text.len() {
            return Err("it goes on behind its end".to_owned());
        }
    }
    match depth {
        0 => Ok(()),
        1 => Err("a parenthesis is not closed".to_owned()),
        more => Err(format!("{more} parentheses are not closed")),
    }
}

/// The name of a tier: one that cannot be taken for the state of a seat.
pub(super) fn tier(text: &str) -> Result<Tier, Complaint> {
    let reserved = ["suspended", "invited", "vacant", "active"];
    if text.trim() != text || text.len() > NAME_BYTES_MAX {
        return Err(Complaint::new(format!("{text:?} cannot name a tier"))
            .help(format!("write it without blanks around it, with at most {NAME_BYTES_MAX} bytes")));
    }
    if reserved.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return Err(Complaint::new(format!("{text:?} cannot name a tier: it is the word for the state of a seat"))
            .help("choose the name of the licence, such as \"pro\""));
    }
    Ok(Tier::new(text))
}

/// The id of an account.
pub(super) fn account(text: &str) -> Result<String, Complaint> {
    if text.len() > NAME_BYTES_MAX || text.contains(|c: char| c.is_whitespace() || c == '/' || c == '\\') {
        return Err(Complaint::new(format!("{text:?} is not an account id"))
            .help(format!("at most {NAME_BYTES_MAX} bytes without blanks and slashes, such as \"corp\"")));
    }
    Ok(text.to_owned())
}

/// The kind of account the embedded store makes.
pub(super) fn store_kind(text: &str) -> Result<StoreKind, Complaint> {
    let kinds = [StoreKind::Team, StoreKind::EnterpriseLwa, StoreKind::EnterpriseDirectory];
    one_of("an account type", text, &kinds.map(|kind| (kind.to_string(), kind)))
}

/// One of a few words, exactly as written.
pub(super) fn one_of<T: Copy, N: AsRef<str>>(what: &str, text: &str, all: &[(N, T)]) -> Result<T, Complaint> {
    if let Some((_, value)) = all.iter().find(|(name, _)| name.as_ref() == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_ref()).collect();
    Err(Complaint::new(format!("{text:?} is not {what}")).help(match closest(text, &names) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("one of: {}", names.join(", ")),
    }))
}

/// A timezone of the IANA database.
pub(super) fn timezone(text: &str) -> Result<Tz, Complaint> {
    Tz::from_str(text.trim()).map_err(|_| {
        let names: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
        Complaint::new(format!("{text:?} is not a timezone")).help(match closest(text.trim(), &names) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "a name of the IANA database, such as \"Europe/Berlin\" or \"UTC\"".to_owned(),
        })
    })
}

/// An address to listen on.
pub(super) fn socket(text: &str) -> Result<SocketAddr, Complaint> {
    SocketAddr::from_str(text.trim()).map_err(|_| {
        let help = if text.trim().starts_with(':') || text.trim().bytes().all(|byte| byte.is_ascii_digit()) {
            format!("write the address too: \"127.0.0.1:{}\"", text.trim().trim_start_matches(':'))
        } else {
            "an IP address and a port, such as \"127.0.0.1:8787\" or \"[::1]:8787\"".to_owned()
        };
        Complaint::new(format!("{text:?} is not an address to listen on")).help(help)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("15m", 900),
            ("24h", 86_400),
            ("7d", 604_800),
            ("2w", 1_209_600),
            ("1h 30m", 5_400),
            ("PT5M", 300),
            ("P1D", 86_400),
        ] {
            assert_eq!(duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for (text, expected) in [
            ("90", "\"90\" is not a duration"),
            ("soon", "\"soon\" is not a duration"),
            ("-5m", "\"-5m\" is negative"),
            ("1mo", "\"1mo\" has months or years, whose length varies"),
            ("5000d", "\"5000d\" is more than ten years"),
        ] {
            assert_eq!(duration(text).unwrap_err().message, expected, "{text}");
        }
    }

    #[test]
    fn limits() {
        for (text, expected) in [
            ("5%", Limit::Percent(5)),
            (" 5 % ", Limit::Percent(5)),
            ("0%", Limit::Percent(0)),
            ("100%", Limit::Percent(100)),
            ("500", Limit::Count(500)),
            ("off", Limit::Off),
            ("OFF", Limit::Off),
        ] {
            assert_eq!(limit(text).unwrap(), expected, "{text}");
        }
        for text in ["", "%", "101%", "256%", "-5%", "+5%", "2.5%", "5%%", "none", "99999999999999999999999"] {
            assert!(limit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn domains() {
        assert_eq!(domain(" Corp.Example ").unwrap(), "corp.example");
        for text in ["@corp.example", "x@corp.example", "*.corp.example", "corp", "corp..example", "corp example.com"] {
            assert!(domain(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_shape_of_filters() {
        for text in ["(a=b)", "(!(employeeType=robot))", "(&(a=b)(c=\\28))"] {
            assert_eq!(filter_shape(text), Ok(()), "{text}");
        }
        for (text, expected) in [
            ("a=b", "it must begin with a parenthesis"),
            ("a", "it must begin with a parenthesis"),
            ("(a=b", "a parenthesis is not closed"),
            ("(&(a=b", "2 parentheses are not closed"),
            ("(a=b))", "it goes on behind its end"),
            ("(a=b)(c=d)", "it goes on behind its end"),
            (")a=b(", "a closing parenthesis has no opening one"),
            ("\u{f6}(a=b)", "it must begin with a parenthesis"),
        ] {
            assert_eq!(filter_shape(text), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn names_that_say_something_else_are_refused() {
        assert_eq!(tier("pro").unwrap().name(), "pro");
        for text in ["suspended", "Invited", " pro", "vacant"] {
            assert!(tier(text).is_err(), "{text}");
        }
        assert!(account("corp one").is_err());
        assert_eq!(store_kind("enterpriselwa").unwrap_err().help.unwrap(), "did you mean \"EnterpriseLWA\"?");
        assert_eq!(timezone("Europe/Berln").unwrap_err().help.unwrap(), "did you mean \"Europe/Berlin\"?");
        assert_eq!(socket(":8787").unwrap_err().help.unwrap(), "write the address too: \"127.0.0.1:8787\"");
    }
}
