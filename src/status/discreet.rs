//! What may be told to whoever asks over HTTP: everything but addresses of people.
//!
//! Addresses can stand in what others wrote: an error of a server, a line of the configuration that was refused. The
//! socket for administrators gives the whole of it.

use super::live::{Daemon, Expiry, Live, Outage, Rejected, Remembered, Watched};

/// The same, without addresses.
pub fn discreet(mut live: Live) -> Live {
    let Live { remembered, daemon } = &mut live;
    let Remembered { rebuilt, last_pass, .. } = remembered;
    for text in rebuilt.iter_mut().chain(last_pass.iter_mut().filter_map(|last| last.reason.as_mut())) {
        *text = without_addresses(text);
    }
    if let Some(Daemon { rejected, outage, expiries, watched, .. }) = daemon {
        let problems = rejected.iter_mut().map(|Rejected { problems, .. }| problems);
        let reason = outage.iter_mut().map(|Outage { reason, .. }| reason);
        let of = expiries.iter_mut().map(|Expiry { of, .. }| of);
        let because = watched.iter_mut().filter_map(|watched| match watched {
            Watched::Not { because } => Some(because),
            Watched::Since { .. } => None,
        });
        for text in problems.chain(reason).chain(of).chain(because) {
            *text = without_addresses(text);
        }
    }
    live
}

/// `kim@corp.example` becomes `…@corp.example`.
pub fn without_addresses(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars() {
        if c == '@' {
            // Where nobody stands before it, it is no address.
            out.push_str(if word.is_empty() { "" } else { "…" });
            word.clear();
            out.push(c);
        } else if c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.…".contains(c) {
            word.push(c);
        } else {
            out.push_str(&word);
            word.clear();
            out.push(c);
        }
    }
    out + &word
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::samples::*;
    use super::*;
    use crate::model::PassResult;

    #[test]
    fn of_an_address_the_domain_remains() {
        for (text, expected) in [
            ("", ""),
            ("no address", "no address"),
            ("kim@corp.example", "…@corp.example"),
            ("protected = [\"kim.o'hara+x@corp.example\"]", "protected = [\"…@corp.example\"]"),
            ("<ä@ö.example>, b@c", "<…@ö.example>, …@c"),
            ("at ldaps://dc1.corp.example:636 (@)", "at ldaps://dc1.corp.example:636 (@)"),
            ("\"k i m\"@corp.example", "\"k i m\"@corp.example"),
            ("a@b@c", "…@…@c"),
        ] {
            assert_eq!(without_addresses(text), expected, "{text}");
        }
    }

    #[test]
    fn no_text_that_others_wrote_keeps_its_addresses() {
        let mut live = after(PassResult::Failed);
        let text = "kim@corp.example".to_owned();
        live.remembered.rebuilt = Some(text.clone());
        live.remembered.last_pass.as_mut().unwrap().reason = Some(text.clone());
        let daemon = live.daemon.as_mut().unwrap();
        daemon.outage = Some(Outage { reason: text.clone(), ..outage(true) });
        daemon.rejected = Some(Rejected { problems: text.clone(), ..rejected() });
        daemon.watched = Some(Watched::Not { because: text.clone() });
        daemon.expiries[0].of = text;
        let said = serde_json::to_string(&discreet(live)).unwrap();
        assert!(!said.contains("kim"), "{said}");
        assert_eq!(said.matches("…@corp.example").count(), 6);
    }
}
