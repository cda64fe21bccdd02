//! Where pokes come from: signals. One function a trigger.

use super::mailbox::{Poke, Pokes};
use super::systemd;
use crate::pass::Halt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// The signals of `seatsync run`, caught from the moment this is made: none of them ends the process while it starts.
pub struct Signals {
    sync: Signal,
    audit: Signal,
    reload: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches them.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn catch() -> std::io::Result<Self> {
        Ok(Self {
            sync: signal(SignalKind::user_defined1())?,
            audit: signal(SignalKind::user_defined2())?,
            reload: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Passes them on until the process is told to end: SIGUSR1 sync, SIGUSR2 audit, SIGHUP reload, SIGTERM and SIGINT
    /// stop.
    pub async fn pass_on(mut self, pokes: Pokes, hangups: mpsc::Sender<()>, halt: Halt) {
        loop {
            tokio::select! {
                _ = self.sync.recv() => {
                    tracing::debug!("SIGUSR1: sync now");
                    pokes.leave(Poke::Sync);
                }
                _ = self.audit.recv() => {
                    tracing::debug!("SIGUSR2: audit now");
                    pokes.leave(Poke::Audit);
                }
                // One that waits already is as good as two.
                _ = self.reload.recv() => drop(hangups.try_send(())),
                _ = self.terminate.recv() => return stop("SIGTERM", &halt),
                _ = self.interrupt.recv() => return stop("SIGINT", &halt),
            }
        }
    }
}

fn stop(signal: &str, halt: &Halt) {
    tracing::info!("{signal}: stopping");
    systemd::stopping();
    halt.ask();
}
