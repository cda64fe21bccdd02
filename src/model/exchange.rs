//! One question to a server and how it went: what metrics count, and what shows that a pass gets on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Who was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Peer {
    /// A directory server, over LDAP.
    Directory,
    /// An account store, over HTTP.
    AccountStore,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Went {
    /// With the answer that was asked for.
    Answered,
    /// With an answer that says no.
    Refused,
    /// Without an answer: time-out, cut connection, something illegible.
    Unanswered,
}

/// One request and its answer, or one page of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Who was asked.
    pub peer: Peer,
    /// What was asked, in few fixed words: `bind`, `search`, `BatchUpdateUser`.
    pub operation: &'static str,
    /// From the first byte sent to the end of the answer.
    pub took: Duration,
    /// How it ended.
    pub went: Went,
}

/// Who hears of each exchange.
type Listener = dyn Fn(&Exchange) + Send + Sync;

/// Where exchanges are told. By default nobody listens.
#[derive(Clone, Default)]
pub struct Meter(Option<Arc<Listener>>);

impl Meter {
    /// Tells each exchange to `listener`, which must not block.
    pub fn new(listener: impl Fn(&Exchange) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Tells one.
    pub fn tell(&self, exchange: &Exchange) {
        if let Some(listener) = &self.0 {
            listener(exchange);
        }
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Meter(heard)" } else { "Meter(unheard)" })
    }
}
