//! Result codes in words: what a server said, what it means, what to do.

/// The most characters of a server's own text that are shown.
const TEXT_CHARS_MAX: usize = 300;

/// The name of a result code (RFC 4511 A.2).
fn name(code: u32) -> &'static str {
    match code {
        0 => "success",
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        4 => "sizeLimitExceeded",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        11 => "adminLimitExceeded",
        12 => "unavailableCriticalExtension",
        13 => "confidentialityRequired",
        14 => "saslBindInProgress",
        16 => "noSuchAttribute",
        17 => "undefinedAttributeType",
        18 => "inappropriateMatching",
        21 => "invalidAttributeSyntax",
        32 => "noSuchObject",
        34 => "invalidDNSyntax",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        54 => "loopDetect",
        80 => "other",
        _ => "a code we have no name for",
    }
}

/// `sizeLimitExceeded (4): the server's own text`.
pub(super) fn outcome(code: u32, text: &str) -> String {
    match tidy(text) {
        text if text.is_empty() => format!("{} ({code})", name(code)),
        text => format!("{} ({code}): {text}", name(code)),
    }
}

/// A server's text on one line, without control characters, at a bearable length.
pub(super) fn tidy(text: &str) -> String {
    let text = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    let line = text.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Whether a search that ended in this code may end better in a while, without anybody's doing.
pub(super) fn is_for_now(code: u32) -> bool {
    matches!(code, 51 | 52)
}

/// What an operator does about a search that ended in this code.
pub(super) fn search_help(code: u32) -> &'static str {
    match code {
        1 => "the server wants a successful bind first, or failed inside; see its log",
        3 => "the search took longer than the server allows; narrow base_dn or raise the server's time limit",
        4 => "the server allows fewer results; let the bind account use paged results or raise its size limit",
        8 | 13 => "the server wants TLS: use ldaps:// or starttls = true",
        10 => "the base belongs to another server; name that server in urls or another base_dn",
        11 => "the server's administrative limit; where an answer comes in pages, a smaller page_size often helps",
        12 => "the server does not take a control of the request, such as paged results, from this account",
        16..=18 | 21 => "the server does not understand the filter; look at user_filter",
        32 => "the entry does not exist or the bind account may not see it",
        34 => "the name is not written as a distinguished name",
        50 => "the bind account may not read this",
        51 | 52 => "the server is overloaded or going down",
        53 => "the server will not do this; its text says why",
        _ => "see the server's log",
    }
}

/// What an operator does about a bind that ended in this code and text.
pub(super) fn bind_help(code: u32, text: &str) -> &'static str {
    match (code, active_directory_cause(text)) {
        (49, Some("525")) => "no such user: check bind_dn",
        (49, Some("52e")) => "wrong user name or password: check bind_dn and the password",
        (49, Some("530")) => "the account may not sign in at this time of day",
        (49, Some("531")) => "the account may not sign in from this machine",
        (49, Some("532")) => "the account's password has expired: set a new one",
        (49, Some("533")) => "the account is disabled: enable it",
        (49, Some("701")) => "the account has expired: extend it",
        (49, Some("773")) => "the account must change its password first: set one without that flag",
        (49, Some("775")) => "the account is locked out: unlock it, and look who uses a wrong password",
        (49, _) => "wrong user name or password: check bind_dn and the password",
        (8 | 13, _) => "the server wants TLS: use ldaps:// or starttls = true",
        (7, _) => "the server does not take a name and a password",
        (32 | 34, _) => "bind_dn is not a name that the server knows",
        (48, _) => "the account has no password to bind with",
        (50, _) => "the account may not bind",
        (53, _) => "the server will not bind this account; its text says why",
        (51 | 52, _) => "the server is overloaded or going down",
        _ => "see the server's log",
    }
}

/// The cause inside Active Directory's text: `…AcceptSecurityContext error, data 52e, v4563` (MS-ERREF 2.3).
fn active_directory_cause(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("data ")?;
    rest.split(|c: char| !c.is_ascii_alphanumeric()).next().filter(|code| !code.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn active_directory_says_why_a_bind_failed() {
        let text = |code: &str| {
            format!("80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data {code}, v4563\0")
        };
        for (code, words) in [
            ("525", "no such user"),
            ("52e", "wrong user name or password"),
            ("530", "time of day"),
            ("531", "from this machine"),
            ("532", "password has expired"),
            ("533", "disabled"),
            ("701", "account has expired"),
            ("773", "must change"),
            ("775", "locked"),
            ("zzz", "wrong user name or password"),
        ] {
            assert!(bind_help(49, &text(code)).contains(words), "{code}");
        }
        assert!(bind_help(49, "").contains("wrong user name or password"));
        assert!(bind_help(8, "data 52e").contains("TLS"));
    }

    #[test]
    fn a_servers_text_is_one_bearable_line() {
        assert_eq!(outcome(4, ""), "sizeLimitExceeded (4)");
        assert_eq!(outcome(51, "too\r\n\x1b[31m busy\0"), "busy (51): too [31m busy");
        assert_eq!(outcome(4711, ""), "a code we have no name for (4711)");
        assert_eq!(tidy(&"ü".repeat(1_000)).chars().count(), TEXT_CHARS_MAX + 1);
    }
}
