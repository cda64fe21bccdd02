//! What systemd is told (sd_notify(3)): ready, reloading, stopping, one human line, and that we get on.
//!
//! Without `NOTIFY_SOCKET` nothing is sent anywhere.

use super::pulse::Pulse;
use crate::status::Live;
use sd_notify::NotifyState;
use std::time::Duration;
use tokio::sync::watch;

/// So many looks at the pulse in one interval of the watchdog: one that comes late does not cost the process.
const LOOKS_PER_INTERVAL: u32 = 4;
/// The longest status line, in characters.
const LINE_CHARS_MAX: usize = 200;

/// The service serves.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// The configuration is being read; [`ready`] ends it.
pub fn reloading() {
    // Newer systemd wants the time with it, older ones ignore it.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(_) => send(&[NotifyState::Reloading]),
    }
}

/// The service is about to end.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// How often systemd wants a sign of life, if it does (`WatchdogSec=`).
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
}

/// Feeds the watchdog for as long as the pulse beats.
pub async fn feed(pulse: Pulse, interval: Duration) {
    let mut seen = None;
    loop {
        let count = pulse.count();
        if seen != Some(count) {
            seen = Some(count);
            send(&[NotifyState::Watchdog]);
        }
        tokio::time::sleep(interval / LOOKS_PER_INTERVAL).await;
    }
}

/// Keeps the line of `systemctl status` true.
pub async fn keep_line(mut live: watch::Receiver<Live>) {
    let mut told = String::new();
    loop {
        let line = line(&live.borrow_and_update());
        if line != told {
            send(&[NotifyState::Status(&line)]);
            told = line;
        }
        if live.changed().await.is_err() {
            return;
        }
    }
}

/// Everything in one line for a person.
fn line(Live { remembered, daemon }: &Live) -> String {
    let time = |at: crate::model::Timestamp| at.strftime("%H:%M:%SZ").to_string();
    let Some(daemon) = daemon else { return "starting".to_owned() };
    let line = match (&daemon.outage, &remembered.held, &remembered.last_pass) {
        (Some(outage), _, _) => {
            let word = if outage.passes_by { "degraded" } else { "failing" };
            format!("{word} since {}: {}", time(outage.since), outage.reason)
        }
        (None, Some(held), _) if remembered.approved.is_none() => {
            let (losses, gains) = (held.losses, held.gains);
            format!("held: {losses} losses and {gains} gains wait for: seatsync approve {}", held.hash)
        }
        (None, _, Some(last)) => {
            let next = daemon.next_sync.map_or_else(|| "none".to_owned(), time);
            let (people, seated) = (last.counts.people, last.counts.seated);
            format!("{people} people, {seated} to be seated; last pass {}, next {next}", time(last.at))
        }
        (None, _, None) => "first pass".to_owned(),
    };
    let rejected = if daemon.rejected.is_some() { "the new configuration was refused; " } else { "" };
    let line: String = format!("{rejected}{line}").chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    without_addresses(&line).chars().take(LINE_CHARS_MAX).collect()
}

/// Everybody on the machine may read the line: what looks like an e-mail address, also the name of a service account in
/// the words of a server that refuses it, does not stand in it.
fn without_addresses(line: &str) -> String {
    let word = |word| if is_address(word) { "(an address)" } else { word };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn is_address(word: &str) -> bool {
    word.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("systemd could not be told: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_left_out_and_nothing_else() {
        for (line, kept) in [
            ("the bind as svc@fake.test failed with 49", "the bind as (an address) failed with 49"),
            ("\"a@x.example\", b@y and <c@z>: no", "(an address) (an address) and (an address) no"),
            ("12 people,  3 @ noon; seatsync approve 5f@", "12 people,  3 @ noon; seatsync approve 5f@"),
        ] {
            assert_eq!(without_addresses(line), kept);
        }
    }
}
