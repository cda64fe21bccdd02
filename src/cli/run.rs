//! `run`: the service, everything put together, until it is told to stop.

use super::exit::{Exit, Stop};
use super::herald::Herald;
use super::workshop::{self, Workshop};
use super::world::{self, Purpose, Ties};
use super::{ask, log};
use crate::accounts::chime::Operation;
use crate::accounts::scim;
use crate::config::{AccountsConfig, Config, control_default};
use crate::control::{
    self, Answer, Ask, Callers, Control, ControlError, ControlSettings, Desks, Order, Refusal, Verdict,
};
use crate::daemon::board::Board;
use crate::daemon::mailbox::{Mailbox, ORDERS_MAX, Slots};
use crate::daemon::pulse::Pulse;
use crate::daemon::renew::Renewer;
use crate::daemon::sources::Signals;
use crate::daemon::watcher::{Passes, Watcher};
use crate::daemon::{Steward, alarm, systemd};
use crate::halt::Halt;
use crate::model::{HistoryEntry, Meter, Peer, Timestamp, WarningKind};
use crate::pass;
use crate::state::{HistoryReader, StateError};
use crate::status::{Daemon, Metrics, PHASE_ALL, View};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// So many looks at the clock in one interval of the watchdog, while nothing is to do.
const BEATS_PER_INTERVAL: u32 = 4;

/// `seatsync run`.
pub(super) async fn run(path: &Path) -> Result<Exit, Stop> {
    // Before anything else: a signal that comes while the state is read must not end us.
    let signals = Signals::catch().map_err(|error| Stop::Other(format!("the system gives no signals: {error}")))?;
    let config = world::read(path)?;
    log::start_service(&config.log);
    let (metrics, pulse) = (Metrics::new(), Pulse::default());
    let meter = {
        let (metrics, pulse) = (metrics.clone(), pulse.clone());
        Meter::new(move |exchange| {
            pulse.beat();
            metrics.exchange(exchange);
        })
    };
    metrics.foresee(Peer::Directory, ["connect", "bind", "search"]);
    match &config.accounts {
        AccountsConfig::Embedded { .. } => {}
        AccountsConfig::Chime(_) => metrics.foresee(Peer::AccountStore, Operation::ALL.map(Operation::name)),
        AccountsConfig::Scim(_) => metrics.foresee(Peer::AccountStore, scim::Operation::ALL.map(scim::Operation::name)),
    }
    // What is asked beside the loop is no sign of life of it.
    let meter_beside = {
        let metrics = metrics.clone();
        Meter::new(move |exchange| metrics.exchange(exchange))
    };
    let ties = Ties { meter, halt: Halt::default(), follows: true };
    let world = world::open(&config, Purpose::Change, &ties)?;
    let history = world.state.reader();
    let board = Board::new(daemon(path), Timestamp::now);
    let (mailbox, slots) = Mailbox::new(world.halt.clone());

    let mut beside = JoinSet::new();
    let halt = world.halt.clone();
    beside.spawn(systemd::keep_line(board.watch()));
    let interval = systemd::watchdog_interval();
    workshop::warn_of_long_waits(&config);
    if let Some(interval) = interval {
        beside.spawn(systemd::feed(pulse.clone(), interval));
    }
    serve_status(&config, &board, &metrics, &halt, &mut beside).await?;
    let (hangups_in, hangups) = mpsc::channel(1);
    let (reload, reloads) = mpsc::channel(ORDERS_MAX);
    let Slots { pokes, renewals, orders } = slots;
    let callers = serve_control(path, &config, &board, Lines { orders, reload, history }, &mut beside)?;
    let owned = path.to_owned();
    let renewer = Renewer { read: Arc::new(move || workshop::read(&owned)), renewals, board: board.clone() };
    beside.spawn(renewer.serve(hangups, reloads));
    beside.spawn(signals.pass_on(pokes.clone(), hangups_in, halt.clone()));
    let (lookouts, lookouts_in) = watch::channel(workshop::lookout(&config, &world.directory, &meter_beside));
    let (passes, passes_in) = watch::channel(Passes::default());
    let heard = {
        let metrics = metrics.clone();
        Arc::new(move || metrics.directory_change())
    };
    let watcher = Watcher {
        lookouts: lookouts_in,
        passes: passes_in,
        pokes,
        board: board.clone(),
        halt,
        heard,
        random: crate::web::random_part,
    };
    beside.spawn(watcher.serve());

    let terms = workshop::terms(&config);
    let (in_force, configs) = watch::channel(Arc::new(config));
    let herald = Herald { live: board.watch(), configs, path: ask::identity(path), metrics: metrics.clone() };
    let (leave, left) = oneshot::channel();
    let herald = tokio::spawn(herald.serve(left));

    systemd::ready();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "serving {}", path.display());
    let rest_max = interval.map_or(alarm::SLEEP_MAX, |interval| alarm::SLEEP_MAX.min(interval / BEATS_PER_INTERVAL));
    let steward = Steward {
        terms,
        foundry: Workshop { ties, meter_beside, in_force, lookouts, passes: passes.clone() },
        world,
        mailbox,
        board,
        pulse,
        rest_max,
        listener: Counts { metrics, passes },
        random: crate::web::random_part,
        said: pass::Said::default(),
    };
    steward.run().await;
    drop(leave);
    if let Err(error) = herald.await {
        tracing::warn!("what was to be told broke off: {error}");
    }
    if let Some(callers) = callers {
        callers.leave().await;
    }
    beside.shutdown().await;
    tracing::info!("stopped");
    Ok(Exit::Done)
}

/// What is known when the service begins.
fn daemon(path: &Path) -> Daemon {
    let now = Timestamp::now();
    Daemon::new(env!("CARGO_PKG_VERSION"), std::process::id(), ask::identity(path), now)
}

/// The page, health, metrics.
async fn serve_status(
    config: &Config,
    board: &Board,
    metrics: &Metrics,
    halt: &Halt,
    beside: &mut JoinSet<()>,
) -> Result<(), Stop> {
    let Some(address) = config.status.listen else { return Ok(()) };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|error| {
        Stop::Other(format!("[status] listen: {address} cannot be listened at: {error}; is another service there?"))
    })?;
    // With port 0 only the system knows.
    tracing::info!("the status page is at http://{}/", listener.local_addr().unwrap_or(address));
    let view = View { live: board.watch(), metrics: metrics.clone(), now: Timestamp::now };
    let halt = halt.clone();
    beside.spawn(crate::status::serve(listener, view, async move { halt.asked().await }));
    Ok(())
}

/// Where what is asked on the control socket goes.
struct Lines {
    orders: mpsc::Sender<Order>,
    reload: mpsc::Sender<Order>,
    history: HistoryReader,
}

/// The control socket, where there is to be one.
fn serve_control(
    path: &Path,
    config: &Config,
    board: &Board,
    lines: Lines,
    beside: &mut JoinSet<()>,
) -> Result<Option<Callers>, Stop> {
    let group = config.status.control_group.clone().or_else(control::usual_group);
    // Not where links lead now: they may be turned, and the usual socket is found by the name that was given.
    let named = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let socket = match &config.status.control {
        Some(written) => written.clone(),
        // Where nobody named one, a folder that is not there means that this process was not started by its unit.
        None => match control_default(&named).filter(|socket| socket.parent().is_some_and(Path::is_dir)) {
            Some(usual) => usual,
            None => {
                tracing::warn!("no control socket: name one in [status] control, so that commands reach this service");
                return Ok(None);
            }
        },
    };
    let control =
        Control::bind(ControlSettings { path: socket, group, config: named }).map_err(|error| match error {
            // No group of that name comes to be by trying again.
            ControlError::Group(error) => {
                Stop::Refused(Refusal { verdict: Verdict::Config, message: error.to_string() })
            }
            error @ (ControlError::InUse { .. } | ControlError::Unusable { .. }) => Stop::Other(error.to_string()),
        })?;
    let callers = control.callers();
    let (history_in, history) = mpsc::channel(ORDERS_MAX);
    let Lines { orders, reload, history: reader } = lines;
    beside.spawn(read_history(reader, history, orders.clone()));
    beside.spawn(control.serve(Desks { live: board.watch(), line: orders, reload, history: history_in }));
    Ok(Some(callers))
}

/// The audit log, also while a pass runs; names that only the directory knows wait for the loop.
async fn read_history(reader: HistoryReader, mut asked: mpsc::Receiver<Order>, line: mpsc::Sender<Order>) {
    while let Some(order) = asked.recv().await {
        let Ask::History { user, last } = &order.ask else { continue };
        match known_history(&reader, user.as_deref(), *last).await {
            Ok(Some(entries)) => order.end(Ok(Answer::History(entries))),
            // Where the queue is full, whoever asked is told by the end of it.
            Ok(None) => drop(line.try_send(order)),
            Err(error) => order.end(Err(Refusal::failed(error))),
        }
    }
}

/// The lines about everybody, or about whom the log itself knows by that name.
async fn known_history(
    reader: &HistoryReader,
    user: Option<&str>,
    last: usize,
) -> Result<Option<Vec<HistoryEntry>>, StateError> {
    let Some(who) = user else { return reader.history(None, last).await.map(Some) };
    let mut entries = reader.history(None, usize::MAX).await?;
    let Some(guids) = pass::named_in(&entries, who) else { return Ok(None) };
    entries.retain(|entry| guids.contains(&entry.guid));
    entries.drain(..entries.len().saturating_sub(last));
    Ok(Some(entries))
}

/// Counts what passes do.
struct Counts {
    metrics: Metrics,
    passes: watch::Sender<Passes>,
}

impl crate::daemon::Listener for Counts {
    fn phase(&self, name: &'static str, took: std::time::Duration) {
        self.metrics.phase(name, took);
        if name == PHASE_ALL {
            self.passes.send_if_modified(|passes| {
                passes.took(took);
                false
            });
        }
    }

    fn passed(&self, report: &pass::Report) {
        self.metrics.pass(report.result);
        if report.warnings.iter().any(|warning| warning.kind == WarningKind::ReadDiffers) {
            self.metrics.read_differed();
        }
        self.passes.send_modify(|passes| passes.went(true));
        for pass::ReportedChange { change, status } in &report.changes {
            match status {
                pass::Status::Done => self.metrics.change(change.action, true),
                pass::Status::Failed(_) => self.metrics.change(change.action, false),
                pass::Status::Planned | pass::Status::Held(_) => {}
            }
        }
    }

    fn failed(&self) {
        self.metrics.pass(crate::model::PassResult::Failed);
        self.passes.send_modify(|passes| passes.went(false));
    }
}
