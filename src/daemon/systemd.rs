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
    format!("{rejected}{line}").chars().map(|c| if c.is_control() { ' ' } else { c }).take(LINE_CHARS_MAX).collect()
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("systemd could not be told: {error}");
    }
}
