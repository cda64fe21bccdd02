//! Log lines of one-shot commands, on stderr: text, or JSON if the configuration says so.

use crate::config::{LogConfig, LogFormat};
use std::sync::OnceLock;
use tracing::Level;
use tracing_subscriber::EnvFilter;

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

/// Starts logging as the configuration says, which the command line and that variable overrule.
pub(super) fn start(config: &LogConfig) {
    let (variable, verbose) = ASKED.get().copied().unwrap_or_default();
    let usual = usual(config.level, verbose);
    let asked = std::env::var(variable).ok().filter(|text| !text.trim().is_empty());
    let asked = asked.map(|text| EnvFilter::try_new(&text).map_err(|error| (text, error))).transpose();
    let (filter, problem) = match asked {
        Ok(filter) => (filter, None),
        Err(problem) => (None, Some(problem)),
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new(usual)))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false);
    let started = match config.format {
        LogFormat::Json => lines.json().try_init(),
        LogFormat::Auto | LogFormat::Text => lines.try_init(),
    };
    // Only a second start in one process can fail; the first one then goes on.
    drop(started);
    if let Some((text, error)) = problem {
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
