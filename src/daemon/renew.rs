//! Reading the configuration again, also while a pass runs: what is bad is refused at once and the former stays in force;
//! what is good waits for the end of the pass.

use super::board::Board;
use super::mailbox::{Renewal, Renewals};
use super::systemd;
use crate::control::{Answer, Order, Refusal, Verdict};
use crate::status::Rejected;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long the loop is waited for, which may do something else than a pass; then the answer is that it will be.
const ADOPTION_TIME: Duration = Duration::from_secs(2);

/// Reads a configuration; all that is wrong with it as one text. May block.
pub type Read<P> = Arc<dyn Fn() -> Result<P, String> + Send + Sync>;

/// Waits for SIGHUP and for `seatsync reload`.
pub struct Renewer<P> {
    /// Reads.
    pub read: Read<P>,
    /// To the loop.
    pub renewals: Renewals<P>,
    /// Where a refused configuration is shown.
    pub board: Board,
}

impl<P: Send + 'static> Renewer<P> {
    /// Serves until nobody can ask any more.
    pub async fn serve(self, mut hangups: mpsc::Receiver<()>, mut orders: mpsc::Receiver<Order>) {
        loop {
            let order = tokio::select! {
                Some(()) = hangups.recv() => None,
                Some(order) = orders.recv() => Some(order),
                else => return,
            };
            systemd::reloading();
            let renewed = self.renew().await;
            systemd::ready();
            if let Some(order) = order {
                order.end(renewed.map(|at_once| Answer::Reloaded { at_once }));
            }
        }
    }

    /// Whether the new configuration is in force at once.
    async fn renew(&self) -> Result<bool, Refusal> {
        let read = self.read.clone();
        let plan = match tokio::task::spawn_blocking(move || read()).await {
            Ok(Ok(plan)) => plan,
            Ok(Err(problems)) => return Err(self.refuse(problems)),
            Err(error) => return Err(self.refuse(format!("reading the configuration broke off: {error}"))),
        };
        let (adopted, adoption) = oneshot::channel();
        let busy = self.board.is_busy();
        self.renewals.leave(Renewal { plan, adopted, is_overtaken: false });
        // Nobody is answered while this waits: so it does not wait for long, and not at all where it would be in vain.
        let patience = if busy { Duration::ZERO } else { ADOPTION_TIME };
        match timeout(patience, adoption).await {
            // The loop has told the log and the board already.
            Ok(Ok(adopted)) => adopted.map(|()| true).map_err(Refusal::failed),
            Ok(Err(_)) => Err(Refusal::failed("the service stops")),
            Err(_) => {
                tracing::info!("configuration read; it is in force when the running pass has ended");
                Ok(false)
            }
        }
    }

    fn refuse(&self, problems: String) -> Refusal {
        tracing::error!("the new configuration is refused, the former stays in force:\n{problems}");
        let at = self.board.now();
        self.renewals.overtake();
        self.board.change(|daemon| daemon.rejected = Some(Rejected { at, problems: problems.clone() }));
        let message = format!("the new configuration is refused, the former stays in force:\n{problems}");
        Refusal { verdict: Verdict::Config, message }
    }
}
