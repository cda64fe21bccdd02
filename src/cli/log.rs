//! Where log lines go: of commands to stderr, as text or JSON; of a service to the journal, with fields.

use crate::config::{LogConfig, LogFormat};
use std::sync::OnceLock;
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

/// Libraries whose insides nobody asked for with `-v`.
const INSIDES: &[&str] = &["rustls", "tokio", "tokio_rustls", "tokio_util", "hyper", "mio", "h2", "want"];

/// The variable that overrules everything with a filter of tracing-subscriber, and how often `-v` was given. Commands read
/// the configuration, and only then is known how to log.
static ASKED: OnceLock<(&str, u8)> = OnceLock::new();

/// Keeps what the command line says until the configuration has been read; nothing is logged before.
pub(super) fn remember(variable: &'static str, verbose: u8) {
    // Only a second call in one process can fail; the first one then counts.
    _ = ASKED.set((variable, verbose));
}

/// How the level of a service is changed while it runs.
static LEVEL: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts logging as the configuration says, which the command line and that variable overrule.
pub(super) fn start(config: &LogConfig) {
    let (filter, problem) = filter(config);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .log_internal_errors(false);
    let started = match config.format {
        LogFormat::Json => lines.json().try_init(),
        LogFormat::Auto | LogFormat::Text => lines.try_init(),
    };
    // Only a second start in one process can fail; the first one then goes on.
    drop(started);
    complain(problem);
}

/// The same for a service: its level can be changed by [`adjust`], and `auto` means the journal where systemd reads what
/// we write.
pub(super) fn start_service(config: &LogConfig) {
    let (filter, problem) = filter(config);
    let (filter, handle) = reload::Layer::new(filter);
    // A line that cannot be written is lost: to complain of that on stderr, which is closed, would end the service.
    let text = || {
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        lines.with_ansi(false).with_target(false).log_internal_errors(false)
    };
    let mut unheard = None;
    let lines: Box<dyn Layer<_> + Send + Sync> = match config.format {
        LogFormat::Json => Box::new(text().json()),
        LogFormat::Text => Box::new(text()),
        LogFormat::Auto if !is_read_by_journald() => Box::new(text()),
        LogFormat::Auto => match tracing_journald::layer() {
            Ok(journal) => Box::new(journal.with_field_prefix(None)),
            Err(error) => {
                unheard = Some(error);
                Box::new(text())
            }
        },
    };
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok() {
        // Only a second start in one process can fail; the first one then goes on.
        _ = LEVEL.set(handle);
    }
    complain(problem);
    if let Some(error) = unheard {
        tracing::warn!("the journal does not take lines with fields ({error}); plain text is written instead");
    }
}

/// Changes the level of a service to that of a new configuration.
pub(super) fn adjust(config: &LogConfig) {
    let (filter, problem) = filter(config);
    if let Some(handle) = LEVEL.get()
        && let Err(error) = handle.reload(filter)
    {
        tracing::warn!("the level of the log stays as it was: {error}");
    }
    complain(problem);
}

/// Whether what this process writes to stderr is read by journald, which says so (systemd.exec(5), `JOURNAL_STREAM`).
fn is_read_by_journald() -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    std::fs::metadata("/proc/self/fd/2").is_ok_and(|stderr| stream == format!("{}:{}", stderr.dev(), stderr.ino()))
}

type FilterProblem = (&'static str, String, tracing_subscriber::filter::ParseError);

/// What is let through, and why the variable is not used where it cannot be read.
fn filter(config: &LogConfig) -> (EnvFilter, Option<FilterProblem>) {
    let (variable, verbose) = ASKED.get().copied().unwrap_or_default();
    let usual = EnvFilter::new(usual(config.level, verbose));
    let asked = std::env::var(variable).ok().filter(|text| !text.trim().is_empty());
    match asked.map(|text| EnvFilter::try_new(&text).map_err(|error| (text, error))) {
        None => (usual, None),
        Some(Ok(filter)) => (filter, None),
        Some(Err((text, error))) => (usual, Some((variable, text, error))),
    }
}

fn complain(problem: Option<FilterProblem>) {
    if let Some((variable, text, error)) = problem {
        tracing::warn!("{variable}={text:?} is not used: {error}; write a level, or such as seatsync=debug");
    }
}

/// The filter without the variable: the configured level, or more by `-v`, and the insides of libraries only when
/// they tell trouble. `-vvv` holds nothing back.
fn usual(configured: Level, verbose: u8) -> String {
    let asked = match verbose {
        0 => configured,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => return "trace".to_owned(),
    };
    // The more verbose level is the greater one.
    let level = asked.max(configured);
    let trouble = level.min(Level::WARN);
    // ldap3 warns once for each stray message of a server: a flood would become a flood of lines.
    let quiet = ["ldap3", "sled"].map(|name| format!(",{name}=error")).concat();
    let insides: String = INSIDES.iter().map(|name| format!(",{name}={trouble}")).collect();
    format!("{level}{quiet}{insides}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_only_ever_adds() {
        for (configured, verbose, begins) in [
            (Level::ERROR, 0, "ERROR,"),
            (Level::INFO, 0, "INFO,"),
            (Level::WARN, 1, "INFO,"),
            (Level::DEBUG, 1, "DEBUG,"),
            (Level::INFO, 2, "DEBUG,"),
            (Level::INFO, 3, "trace"),
        ] {
            let filter = usual(configured, verbose);
            assert!(filter.starts_with(begins), "{filter}");
            assert!(EnvFilter::try_new(&filter).is_ok(), "{filter}");
        }
        assert!(usual(Level::DEBUG, 0).contains(",rustls=WARN"));
        assert!(usual(Level::ERROR, 0).contains(",rustls=ERROR"));
    }
}
