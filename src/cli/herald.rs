//! Who tells somebody while the service runs: looks at the board after each pass and each reload, and hands what is news
//! to the notifier of the configuration in force.

use super::world;
use crate::config::Config;
use crate::model::Timestamp;
use crate::notify::message::About;
use crate::notify::{Notebook, Notifier, OnDelivery};
use crate::status::{Live, Metrics};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// How long the service stays at its end for messages that are under way.
const FAREWELL: Duration = Duration::from_secs(10);

/// Everything it works with.
pub(super) struct Herald {
    /// How the daemon is.
    pub(super) live: watch::Receiver<Live>,
    /// What is in force.
    pub(super) configs: watch::Receiver<Arc<Config>>,
    /// The configuration file, as messages name it.
    pub(super) path: PathBuf,
    /// Where deliveries are counted.
    pub(super) metrics: Metrics,
}

impl Herald {
    /// Serves until the other end of `left` is dropped, then delivers what is under way.
    pub(super) async fn serve(mut self, mut left: oneshot::Receiver<()>) {
        let mut notebook = Notebook::open(Notebook::path_beside(&self.configs.borrow().state_path));
        let mut notifier = self.open();
        loop {
            let is_reload = tokio::select! {
                _ = &mut left => break,
                Ok(()) = self.configs.changed() => true,
                Ok(()) = self.live.changed() => false,
                else => break,
            };
            if is_reload {
                if let Some(before) = notifier.take() {
                    tokio::spawn(before.close(FAREWELL));
                }
                notifier = self.open();
            }
            let live = self.live.borrow_and_update().clone();
            // In the middle of a pass the board is not of one piece. Without anybody to tell nothing counts as told.
            let is_settled = live.daemon.as_ref().is_some_and(|daemon| daemon.running.is_none());
            if let Some(notifier) = notifier.as_ref().filter(|_| is_settled) {
                let config = self.configs.borrow().clone();
                let news = notebook.observe(&live, Timestamp::now()).await;
                if !news.is_empty() {
                    notifier.tell(news, &About::of_process(&self.path, config.accounts.account()));
                }
            }
        }
        if let Some(notifier) = notifier {
            notifier.close(FAREWELL).await;
        }
    }

    /// The notifier of the configuration in force, if it names somebody. One that cannot be had costs no pass.
    fn open(&self) -> Option<Notifier> {
        let metrics = self.metrics.clone();
        let on_delivery: OnDelivery = Arc::new(move |channel, sent| metrics.notification(channel, sent));
        let settings = world::notify_settings(&self.configs.borrow(), on_delivery)?;
        match Notifier::open(settings) {
            Ok(notifier) => Some(notifier),
            Err(error) => {
                tracing::error!("nobody is told of anything until [notify] is mended: {error}");
                None
            }
        }
    }
}
