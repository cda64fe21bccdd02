//! An agent and the account store that it keeps, and the ways to run its passes.

use crate::crowd::Crowd;
use crate::gauge::{Taken, measured};
use crate::proxy::Proxy;
use crate::seatstore::Server;
use crate::site::Site;
use crate::tap::{Seen, Tap};
use serde_json::json;

/// No limit of the server's is met: the agent is to be as fast as it can be.
const RATE: &str = "rate = 100000\nburst = 1000000";

/// What went over the two lines of one pass.
pub struct Counted {
    /// To the directory.
    pub seen: Seen,
    /// To the account store.
    pub requests: u64,
}

/// The installation.
pub struct Office {
    pub site: Site,
    /// Where its account store is a server.
    store: Option<(Server, String)>,
}

impl Office {
    /// Whoever is in that group is to have a seat in a `seatstore` of its own, over HTTP.
    pub fn over_http(crowd: &Crowd, group: &str) -> Self {
        let mut server = Server::configured(RATE, "");
        let account = server.account("Bench", "EnterpriseDirectory", &[crate::crowd::DOMAIN]);
        server.resume();
        let mut office = Self { site: mapping(crowd, group), store: Some((server, account)) };
        office.straight(crowd);
        office
    }

    /// The same with the account store inside the agent.
    pub fn embedded(crowd: &Crowd, group: &str) -> Self {
        Self { site: mapping(crowd, group), store: None }
    }

    /// Nobody in between.
    pub fn straight(&mut self, crowd: &Crowd) {
        self.site.directory.urls = vec![crowd.url()];
        self.site.accounts_section =
            self.store.as_ref().map(|(server, account)| server.accounts_section(server.url(), account));
    }

    /// Those two in between from now on, who count.
    pub fn tapped(&mut self, crowd: &Crowd) -> (Tap, Option<Proxy>) {
        let tap = Tap::start(crowd.address());
        self.site.directory.urls = vec![tap.url()];
        let Some((server, account)) = &self.store else { return (tap, None) };
        let proxy = Proxy::start(server.address());
        self.site.accounts_section = Some(server.accounts_section(&proxy.url(), account));
        (tap, Some(proxy))
    }

    /// Its parts; the account store runs as long as its part is kept.
    pub fn into_parts(self) -> (Site, Option<(Server, String)>) {
        (self.site, self.store)
    }

    /// One pass in a process of its own, which must leave nothing undone.
    #[track_caller]
    pub fn sync(&self) -> Taken {
        let config = self.site.write_config();
        // As for the service (`tests/agent`).
        let binary = std::env::var("BENCH_SEATSYNC").unwrap_or_else(|_| env!("CARGO_BIN_EXE_seatsync").to_owned());
        let command = vec![binary, "sync".to_owned(), "--json".to_owned()];
        measured(&[command], &json!({"SEATSYNC_CONFIG": config}))
    }

    /// One pass that is counted and not timed.
    #[track_caller]
    pub fn counted(&mut self, crowd: &Crowd) -> Counted {
        let (tap, proxy) = self.tapped(crowd);
        self.sync();
        let counted =
            Counted { seen: tap.seen(), requests: proxy.as_ref().map_or(0, |proxy| proxy.asked_in_all() as u64) };
        self.straight(crowd);
        counted
    }
}

fn mapping(crowd: &Crowd, group: &str) -> Site {
    let mut site = crowd.site(&crowd.url());
    site.tiers = vec![("plus".to_owned(), vec![group.to_owned()])];
    // Nothing that is measured shall wait for an approval.
    site.limits = "losses = 'off'\ngroup_shrink = 'off'\n".to_owned();
    site
}
