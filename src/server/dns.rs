//! Whose a domain is: the TXT records that its owner put into the DNS.
//!
//! Every question is asked anew, with the resolvers as they are now: an operator who has just added the record tries again
//! at once, and must not meet an answer of before. Nothing else is taken for the domain's own record: no search domain, no
//! `/etc/hosts`, and no alias, since a forgotten CNAME would let the owner of its target claim the domain.
//!
//! Deliberately absent: a cache, DNSSEC (the resolver's task), waiting until a record appears (the operator's).

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as Answered, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use std::net::SocketAddr;
use std::time::Duration;

/// Most TXT strings of one domain that are looked at. More than fit into the largest answer (64 KiB) with sensible texts.
pub const TEXTS_MAX: usize = 1000;

/// What stands before the token in the record that proves a domain.
const RECORD_PREFIX: &str = "seatstore-verification=";

/// The text of the TXT record that proves a domain to be its claimant's.
pub fn record(token: &str) -> String {
    format!("{RECORD_PREFIX}{token}")
}

/// Whether one of a domain's texts is the record with that token. Exactly: a text that merely contains it is none.
pub fn proves(texts: &[String], token: &str) -> bool {
    let record = record(token);
    texts.contains(&record)
}

/// Why the texts of a domain are not known. A domain that has none, or is not there, is an empty list and no error.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// Nobody answered, or none with an answer: worth another try, nothing is known about the domain.
    #[error("{message}")]
    Unavailable {
        /// What was asked, what came back, and what to look at.
        message: String,
    },
    /// There can be no such name in the DNS: another try will not help.
    #[error("{message}")]
    NotADomain {
        /// The name, and what is wrong with it.
        message: String,
    },
}

/// Looks domains up.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Whom to ask; empty: whom the system asks, read again for every question.
    resolvers: Vec<SocketAddr>,
    /// Longest wait for one question, retries included.
    timeout: Duration,
}

impl Proof {
    /// Asks `resolvers`, or those of the system (`/etc/resolv.conf`) where none is given.
    pub fn new(resolvers: &[SocketAddr], timeout: Duration) -> Self {
        Self { resolvers: resolvers.to_vec(), timeout }
    }

    /// The texts of all TXT records of `domain` itself, the parts of one record joined; at most [`TEXTS_MAX`].
    ///
    /// # Errors
    /// `Unavailable` where it is not known which there are, `NotADomain` for a name that the DNS cannot have.
    pub async fn texts(&self, domain: &str) -> Result<Vec<String>, DnsError> {
        let name = fully_qualified(domain)?;
        let resolver = self.resolver()?;
        let asked = tokio::time::timeout(self.timeout, resolver.lookup(name.clone(), RecordType::TXT)).await;
        let found = match asked {
            Ok(Ok(found)) => found,
            Ok(Err(error)) if is_none(&error) => return Ok(Vec::new()),
            Ok(Err(error)) => return Err(self.unavailable(domain, &in_words(&error, self.timeout))),
            Err(_) => return Err(self.unavailable(domain, &in_words(&NetError::Timeout, self.timeout))),
        };
        // The name of each record counts: behind an alias the answer also has the records of another domain.
        let own = found.answers().iter().filter(|record| record.name == name);
        let texts = own.filter_map(|record| match &record.data {
            RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
            _ => None,
        });
        Ok(texts.take(TEXTS_MAX).collect())
    }

    /// A resolver without a memory.
    fn resolver(&self) -> Result<TokioResolver, DnsError> {
        let (config, mut options) = if self.resolvers.is_empty() {
            read_system_conf().map_err(|error| DnsError::Unavailable {
                message: format!(
                    "cannot read which DNS resolvers this system asks: {error}; mend /etc/resolv.conf, or name the \
                     resolvers in the configuration"
                ),
            })?
        } else {
            let servers = self.resolvers.iter().map(|address| server(*address)).collect();
            (ResolverConfig::from_name_servers(servers), ResolverOpts::default())
        };
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.timeout = self.timeout;
        options.attempts = 1;
        options.try_tcp_on_error = true;
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .map_err(|error| DnsError::Unavailable { message: format!("cannot set up a DNS resolver: {error}") })
    }

    fn unavailable(&self, domain: &str, answer: &str) -> DnsError {
        let asked = match self.resolvers.as_slice() {
            [] => "the resolvers of this system (/etc/resolv.conf)".to_owned(),
            resolvers => resolvers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        DnsError::Unavailable {
            message: format!(
                "the TXT records of {domain} are not known: asked {asked}, {answer}; see what this says: dig {domain} TXT"
            ),
        }
    }
}

/// One resolver, asked by UDP, and by TCP where the answer does not fit.
fn server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    let at_its_port = connections.into_iter().map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, at_its_port.collect())
}

/// The name with the root at its end, so that no search domain is tried. A name in another script is asked for in its
/// ASCII form (`xn--…`); one written in that form stays as it is.
fn fully_qualified(domain: &str) -> Result<Name, DnsError> {
    let mut name = Name::from_utf8(domain).map_err(|error| DnsError::NotADomain {
        message: format!("{domain:?} is not the name of a domain: {error}; write it like example.com"),
    })?;
    if name.num_labels() == 0 {
        return Err(DnsError::NotADomain { message: format!("{domain:?} is not the name of a domain") });
    }
    name.set_fqdn(true);
    Ok(name)
}

/// A domain in the form that the DNS and all mail servers take; `None` for what is no domain.
pub(super) fn ascii_domain(domain: &str) -> Option<String> {
    let name = fully_qualified(domain).ok()?.to_ascii();
    Some(name.trim_end_matches('.').to_owned())
}

/// Whether somebody who knows has said that there is nothing.
fn is_none(error: &NetError) -> bool {
    match error {
        NetError::Dns(Answered::NoRecordsFound(none)) => {
            matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError)
        }
        _ => false,
    }
}

/// What came back, for the operator.
fn in_words(error: &NetError, timeout: Duration) -> String {
    match error {
        NetError::Timeout => format!("no answer within {} s", timeout.as_secs_f64()),
        NetError::NoConnections => "no connection to any of them".to_owned(),
        NetError::Truncated => "the answer was cut off, by TCP as well".to_owned(),
        NetError::Dns(Answered::ResponseCode(code)) => code_in_words(*code),
        NetError::Dns(Answered::NoRecordsFound(none)) => code_in_words(none.response_code),
        other => other.to_string(),
    }
}

fn code_in_words(code: ResponseCode) -> String {
    match code {
        ResponseCode::ServFail => "answered SERVFAIL: the servers of that domain cannot be asked".to_owned(),
        ResponseCode::Refused => "answered REFUSED: this machine may not ask there".to_owned(),
        other => format!("answered {other}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_the_whole_text() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(record("k3y"), "seatstore-verification=k3y");
        assert!(proves(&texts(&["v=spf1 -all", "seatstore-verification=k3y"]), "k3y"));
        for others in [
            &[][..],
            &["k3y"],
            &["seatstore-verification=k3y "],
            &["seatstore-verification=K3Y"],
            &["seatstore-verification=k3y4"],
            &["x seatstore-verification=k3y"],
            &["seatstore-verification=", "k3y"],
        ] {
            assert!(!proves(&texts(others), "k3y"), "{others:?}");
        }
    }

    #[test]
    fn names_are_asked_for_as_the_dns_has_them() {
        for (written, asked) in [
            ("example.com", "example.com."),
            ("example.com.", "example.com."),
            ("xn--bcher-kva.example", "xn--bcher-kva.example."),
            ("b\u{fc}cher.example", "xn--bcher-kva.example."),
            ("_acme.example.com", "_acme.example.com."),
        ] {
            assert_eq!(fully_qualified(written).unwrap().to_ascii(), asked);
        }
        for written in ["", ".", "a..b", &"a".repeat(64), &["a"; 200].join(".")] {
            assert!(matches!(fully_qualified(written), Err(DnsError::NotADomain { .. })), "{written:?}");
        }
    }
}
