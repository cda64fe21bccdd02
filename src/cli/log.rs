//! Log lines of one-shot commands: text on stderr.

use tracing_subscriber::EnvFilter;

/// Starts logging. Without `-v` only what went wrong; `SEATSYNC_LOG` overrules with a filter of tracing-subscriber.
pub(super) fn start(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    // ldap3 warns once for each stray message of a server: a flood would become a flood of lines.
    let usual = format!("{level},ldap3=error,sled=error");
    let filter = std::env::var("SEATSYNC_LOG").ok().and_then(|text| EnvFilter::try_new(text).ok());
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new(usual)))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .try_init();
    // Only a second start in one process can fail; the first one then goes on.
    drop(started);
}
