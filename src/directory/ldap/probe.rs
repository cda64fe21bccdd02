//! The steps of `seatsync check`: for each server how far we come, and what we see there.

use super::channel::Wire;
use super::connect;
use super::failure::Failure;
use super::follow;
use super::password;
use super::read::check_base;
use super::session::Session;
use super::settings::LdapUrl;
use super::tls::{self, Certificate};
use super::{Ldap, explain};
use crate::model::Timestamp;

/// A certificate with fewer days left is worth a word.
const CERTIFICATE_DAYS_MIN: i64 = 14;
/// Kerberos' and everybody's limit for clocks that differ, in seconds.
const CLOCK_SKEW_SECONDS_MAX: i64 = 300;
/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// One step with one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeStep {
    /// The server; empty for what stands before all of them.
    pub url: String,
    /// `reach`, `tls`, `bind`, `server`, `base`, `password`, `clock` or `changes`.
    pub name: &'static str,
    /// How it went.
    pub result: ProbeResult,
}

/// How a step went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// What was found.
    Good(String),
    /// What is wrong and what to do.
    Wrong(String),
    /// The credentials were refused, as they would be again: a second try may lock the account.
    Refused(String),
    /// Why it was not tried.
    Untried(String),
}

impl Ldap {
    /// Tries each server, as far as one comes there; reads nobody.
    ///
    /// A server that refuses the credentials is the last one asked with them: more wrong passwords would lock the
    /// account.
    pub async fn probe(&mut self) -> Vec<ProbeStep> {
        let mut steps = Steps { url: String::new(), steps: Vec::new() };
        if let Err(failure) = self.refuse_at_once() {
            steps.push("bind", ProbeResult::Refused(failure.message));
            return steps.steps;
        }
        let mut refused_by = None;
        for url in self.settings.urls.clone() {
            steps.url = url.to_string();
            let Some(wire) = self.probe_connection(&url, &mut steps).await else { continue };
            if let Some(other) = &refused_by {
                let words =
                    format!("not tried, since {other} refused the bind and a second wrong password may lock out");
                steps.push("bind", ProbeResult::Untried(words));
                continue;
            }
            if self.probe_session(wire, url.port(), &mut steps).await.is_err_and(|failure| failure.is_final) {
                refused_by = Some(url);
            }
        }
        steps.steps
    }

    /// TCP and TLS; `None` when it ends there.
    async fn probe_connection(&self, url: &LdapUrl, steps: &mut Steps) -> Option<Box<dyn Wire>> {
        let wants_tls = url.is_tls() || self.settings.starttls;
        steps.keep("reach", connect::refuse_cleartext(&self.settings, url))?;
        let trust = match wants_tls {
            true => Some(steps.keep("tls", tls::config(&self.settings))?),
            false => None,
        };
        let (stream, address) = steps.keep("reach", connect::reach(url, self.settings.timeout).await)?;
        steps.add("reach", Ok(format!("connected to {address}")));
        let secured = connect::secure(stream, &self.settings, url, trust).await;
        let (wire, certificate) = steps.keep("tls", secured)?;
        let words = match certificate {
            Some(certificate) => lifetime(&certificate, Timestamp::now()),
            None if wants_tls => Ok("established".to_owned()),
            None => Ok("none: clear text, as allow_cleartext says".to_owned()),
        };
        steps.add("tls", words);
        Some(wire)
    }

    /// Bind and what comes after it. An error is one of the bind.
    async fn probe_session(&self, wire: Box<dyn Wire>, port: u16, steps: &mut Steps) -> Result<(), Failure> {
        let mut session = Session::start(wire, &self.settings);
        if let Err(failure) = session.bind(&self.settings).await {
            let result = match failure.is_final {
                true => ProbeResult::Refused(failure.message.clone()),
                false => ProbeResult::Wrong(failure.message.clone()),
            };
            steps.push("bind", result);
            return Err(failure);
        }
        steps.add("bind", Ok(format!("as {}", self.settings.bind_dn)));
        let Some(server) = steps.keep("server", session.server().await) else { return Ok(()) };
        let paging = if server.pages { "" } else { ", without paged results" };
        steps.add("server", Ok(format!("{}{paging}", server.kind)));
        let base = check_base(&mut session, &self.settings, &server).await;
        steps.add("base", base.map(|()| format!("{} is there", self.settings.base_dn)));
        // It is the same wherever it is asked.
        if server.is_active_directory && steps.steps.iter().all(|step| step.name != "password") {
            let end = password::end(&mut session, &self.settings, &server).await;
            steps.push("password", password::step(end, Timestamp::now()));
        }
        if let Some(time) = &server.current_time {
            steps.add("clock", skew(time, Timestamp::now()));
        }
        if steps.steps.iter().all(|step| step.name != "changes") {
            let begun = follow::begin(&mut session, &self.settings, &server, port, false).await;
            steps.add("changes", begun.map(|begun| begun.words));
        }
        session.close().await;
        Ok(())
    }
}

/// The steps so far, and the server they are about.
struct Steps {
    url: String,
    steps: Vec<ProbeStep>,
}

impl Steps {
    fn add(&mut self, name: &'static str, result: Result<String, Failure>) {
        let wrong = |failure: Failure| ProbeResult::Wrong(failure.message);
        self.push(name, result.map_or_else(wrong, ProbeResult::Good));
    }

    fn push(&mut self, name: &'static str, result: ProbeResult) {
        self.steps.push(ProbeStep { url: self.url.clone(), name, result });
    }

    /// Notes a failure; what succeeded is noted by who knows the words.
    fn keep<T>(&mut self, name: &'static str, result: Result<T, Failure>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(failure) => {
                self.add(name, Err(failure));
                None
            }
        }
    }
}

fn lifetime(certificate: &Certificate, now: Timestamp) -> Result<String, Failure> {
    let Certificate { subject, issuer, not_after } = certificate;
    let Some(not_after) = not_after else { return Ok(format!("certificate of {subject}, issued by {issuer}")) };
    let days = (not_after.as_second() - now.as_second()) / DAY_SECONDS;
    let words = format!("certificate of {subject}, issued by {issuer}, valid until {not_after} ({days} days left)");
    if days < CERTIFICATE_DAYS_MIN { Err(Failure::refused_here(format!("{words}: renew it"))) } else { Ok(words) }
}

/// The server's clock against ours. Its time is GeneralizedTime (RFC 4517 3.3.13), in UTC as Active Directory sends it.
fn skew(time: &str, now: Timestamp) -> Result<String, Failure> {
    let shown = explain::tidy(time);
    let digits =
        time.get(..14).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()) && time.ends_with('Z'));
    let server = digits
        .and_then(|digits| jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", digits).ok())
        .and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map(|time| time.timestamp());
    let Some(server) = server else {
        return Err(Failure::refused_here(format!("the server gives {shown:?} as its time, which is none")));
    };
    let seconds = server.as_second() - now.as_second();
    let words = match seconds {
        0 => "the same as ours".to_owned(),
        ahead @ 1.. => format!("the server's clock is {ahead} s ahead of ours"),
        behind => format!("the server's clock is {} s behind ours", -behind),
    };
    if seconds.abs() > CLOCK_SKEW_SECONDS_MAX {
        Err(Failure::refused_here(format!("{words}: set one of them right")))
    } else {
        Ok(words)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn clocks_are_compared() {
        let now = at("2026-11-22T15:00:00Z");
        assert_eq!(skew("20261122150000.0Z", now).unwrap(), "the same as ours");
        assert_eq!(skew("20261122150007Z", now).unwrap(), "the server's clock is 7 s ahead of ours");
        assert!(skew("20261122145000.0Z", now).unwrap_err().message.contains("600 s behind"));
        for text in ["", "yesterday", "2026112215000", "20261322150000Z", "20261122150000+0100", "２０２６"] {
            assert!(skew(text, now).unwrap_err().message.contains("which is none"), "{text}");
        }
    }

    #[test]
    fn a_certificate_near_its_end_is_named() {
        let certificate = |days: i64| Certificate {
            subject: "CN=dc1".to_owned(),
            issuer: "CN=ca".to_owned(),
            not_after: Timestamp::from_second(at("2026-11-22T15:00:00Z").as_second() + days * DAY_SECONDS).ok(),
        };
        let now = at("2026-11-22T15:00:00Z");
        assert!(lifetime(&certificate(90), now).unwrap().contains("90 days left"));
        assert!(lifetime(&certificate(3), now).unwrap_err().message.contains("renew it"));
    }
}
