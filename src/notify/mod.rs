//! Telling somebody: a webhook, a mail, or both, when changes are held, passes fail, or something is about to end.
//!
//! ```text
//! Live -> notebook (watch: what is news) -> Notifier.tell -> message -> a queue for each channel -> webhook, mail
//!          pure, remembered on disk          never waits     pure
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `news` | what is news, and what was told already: pure |
//! | `message` | what a message says: pure |
//! | `notebook` | what was told, kept on disk |
//! | `webhook`, `mail` | the channels |
//!
//! Invariants: nothing here can delay or fail a pass; no message has an address of a person or a secret in it.
//!
//! Deliberately absent: a queue on disk (what still matters is told again as a reminder), templates, escalation: that is
//! the business of whoever receives the webhook.

mod mail;
pub mod message;
mod news;
mod notebook;
mod webhook;

use crate::model::Timestamp;
use mail::Mail;
use message::{About, Message};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use webhook::Webhook;

pub use mail::{MailSettings, RECIPIENTS_MAX};
pub use news::{EXPIRY_STAGES, Event, FAILED_PASSES, News, OUTAGE_MAX, REMINDER, Watch};
pub use notebook::Notebook;
pub use webhook::{WebhookSettings, check_secret};

/// Most messages that wait for one channel.
pub const QUEUE_MAX: usize = 64;

/// Longest time for one message and one channel, further attempts included: more than it takes to be put off once by a
/// mail server that puts strangers off.
const MESSAGE_TIME_MAX: Duration = Duration::from_secs(5 * 60);

/// Told of every message and channel whether it was delivered.
pub type OnDelivery = Arc<dyn Fn(&'static str, bool) + Send + Sync>;

/// Who is told of what.
#[derive(Clone)]
pub struct NotifySettings {
    /// The webhook.
    pub webhook: Option<WebhookSettings>,
    /// The mail.
    pub mail: Option<MailSettings>,
    /// What is told of.
    pub events: Vec<Event>,
    /// Called with the channel (`webhook`, `email`) and whether the message was delivered, once a message.
    pub on_delivery: OnDelivery,
}

impl fmt::Debug for NotifySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { webhook, mail, events, on_delivery: _ } = self;
        f.debug_struct("NotifySettings")
            .field("webhook", webhook)
            .field("mail", mail)
            .field("events", events)
            .finish_non_exhaustive()
    }
}

/// Why nobody is told.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// With these settings nobody can be: mend them.
    #[error("{message}")]
    Unusable {
        /// What is wrong, and what to write instead.
        message: String,
    },
    /// This message is lost; the next one may arrive.
    #[error("{message}")]
    Undelivered {
        /// What was tried, what came back, what to do.
        message: String,
    },
}

/// Takes news on and delivers them in the background.
#[derive(Debug)]
pub struct Notifier {
    lanes: Vec<Lane>,
    events: Vec<Event>,
}

/// One way to tell somebody.
#[derive(Debug)]
enum Channel {
    Webhook(Webhook),
    Mail(Box<Mail>),
}

/// A channel with its own queue: one that is slow or dead costs the other nothing.
struct Lane {
    name: &'static str,
    queue: mpsc::Sender<Message>,
    /// Messages that are neither delivered nor given up.
    open: Arc<AtomicUsize>,
    /// Whether it was said that the queue is full.
    is_full: AtomicBool,
    on_delivery: OnDelivery,
    task: JoinHandle<()>,
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("name", &self.name).field("open", &self.open).finish_non_exhaustive()
    }
}

impl Notifier {
    /// Checks the settings and begins to deliver; connects to nothing before there is something to tell. Must be called within
    /// a Tokio runtime.
    ///
    /// # Errors
    /// For settings with which nobody can be told.
    pub fn open(settings: NotifySettings) -> Result<Self, NotifyError> {
        let lanes =
            channels(&settings)?.into_iter().map(|channel| Lane::open(channel, &settings.on_delivery)).collect();
        Ok(Self { lanes, events: settings.events })
    }

    /// Takes on what is to be told of. Never waits: where a queue is full, the message is dropped and logged.
    pub fn tell(&self, news: Vec<News>, about: &About) {
        for each in news {
            let event = each.event();
            if event == Event::Test || self.events.contains(&event) {
                let message = message::written(&each, about, Timestamp::now());
                self.lanes.iter().for_each(|lane| lane.take_on(message.clone()));
            }
        }
    }

    /// Takes nothing on any more, and delivers what waits as far as it can be done in that time.
    pub async fn close(self, within: Duration) {
        let end = Instant::now() + within;
        let mut closing = Vec::new();
        for Lane { name, queue, open, is_full: _, on_delivery, task } in self.lanes {
            // The task ends when the queue is closed and empty.
            drop(queue);
            closing.push((name, open, on_delivery, task));
        }
        for (name, open, on_delivery, mut task) in closing {
            if timeout_at(end, &mut task).await.is_err() {
                task.abort();
                // Aborted it ends at once; only then is known what it still did.
                _ = task.await;
                let lost = open.load(Ordering::Relaxed);
                (0..lost).for_each(|_| on_delivery(name, false));
                tracing::warn!(channel = name, lost, "messages were not delivered before the end");
            }
        }
    }
}

/// Sends a test through every channel, once; gives how each went.
///
/// # Errors
/// For settings with which nobody can be told.
pub async fn test(
    settings: &NotifySettings,
    about: &About,
) -> Result<Vec<(&'static str, Result<String, NotifyError>)>, NotifyError> {
    let message = message::written(&News::Test, about, Timestamp::now());
    let mut results = Vec::new();
    for channel in channels(settings)? {
        let sent = channel.send(&message, Some(1)).await;
        results.push((channel.name(), sent.map(|()| channel.place())));
    }
    Ok(results)
}

/// Whether every channel can be reached; nobody is told anything.
///
/// # Errors
/// For settings with which nobody can be told.
pub async fn reach(settings: &NotifySettings) -> Result<Vec<(&'static str, Result<String, NotifyError>)>, NotifyError> {
    let mut results = Vec::new();
    for channel in channels(settings)? {
        let reached = match &channel {
            Channel::Webhook(webhook) => webhook.reach().await,
            Channel::Mail(mail) => mail.reach().await,
        };
        results.push((channel.name(), reached));
    }
    Ok(results)
}

impl About {
    /// What this process can say of itself: the instance is called as the configuration file is.
    pub fn of_process(config: &Path, account: &str) -> Self {
        let config = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
        let instance = config.file_stem().map_or_else(|| "seatsync".to_owned(), |stem| stem.to_string_lossy().into());
        let host = rustix::system::uname().nodename().to_string_lossy().into();
        Self { host, instance, account: account.to_owned(), config }
    }
}

fn channels(settings: &NotifySettings) -> Result<Vec<Channel>, NotifyError> {
    let NotifySettings { webhook, mail, events: _, on_delivery: _ } = settings;
    let webhook = webhook.as_ref().map(|webhook| Webhook::open(webhook).map(Channel::Webhook));
    let mail = mail.as_ref().map(|mail| Mail::open(mail).map(|mail| Channel::Mail(Box::new(mail))));
    webhook.into_iter().chain(mail).collect()
}

impl Channel {
    /// As in metrics and logs.
    fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Mail(_) => "email",
        }
    }

    /// What may be shown of where messages go.
    fn place(&self) -> String {
        match self {
            Self::Webhook(webhook) => webhook.place().to_owned(),
            Self::Mail(mail) => mail.place(),
        }
    }

    /// Hands one message over, in that many attempts, or as many as are usual.
    async fn send(&self, message: &Message, attempts: Option<u32>) -> Result<(), NotifyError> {
        let sent = timeout(MESSAGE_TIME_MAX, async {
            match self {
                Self::Webhook(webhook) => webhook.send(message, attempts.unwrap_or(webhook::ATTEMPTS_MAX)).await,
                Self::Mail(mail) => mail.send(message, attempts.unwrap_or(mail::ATTEMPTS_MAX)).await,
            }
        });
        sent.await.unwrap_or_else(|_| {
            let (place, seconds) = (self.place(), MESSAGE_TIME_MAX.as_secs());
            Err(NotifyError::Undelivered { message: format!("the message to {place} was given up after {seconds} s") })
        })
    }
}

impl Lane {
    fn open(channel: Channel, on_delivery: &OnDelivery) -> Self {
        let (queue, mut waiting) = mpsc::channel::<Message>(QUEUE_MAX);
        let (name, open) = (channel.name(), Arc::new(AtomicUsize::new(0)));
        let (count, tell) = (open.clone(), on_delivery.clone());
        let task = tokio::spawn(async move {
            while let Some(message) = waiting.recv().await {
                let sent = channel.send(&message, None).await;
                count.fetch_sub(1, Ordering::Relaxed);
                tell(name, sent.is_ok());
                let event = message.event();
                match sent {
                    Ok(()) => tracing::debug!(channel = name, event, "told"),
                    Err(error) => tracing::warn!(channel = name, event, "nobody was told: {error}"),
                }
            }
        });
        Self { name, queue, open, is_full: AtomicBool::new(false), on_delivery: on_delivery.clone(), task }
    }

    fn take_on(&self, message: Message) {
        // Counted first: the task may be done with it before this function is.
        self.open.fetch_add(1, Ordering::Relaxed);
        match self.queue.try_send(message) {
            Ok(()) => self.is_full.store(false, Ordering::Relaxed),
            Err(_) => {
                self.open.fetch_sub(1, Ordering::Relaxed);
                (self.on_delivery)(self.name, false);
                if !self.is_full.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        channel = self.name,
                        "{QUEUE_MAX} messages wait to be delivered: new ones are dropped until there is room"
                    );
                }
            }
        }
    }
}
