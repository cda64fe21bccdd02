//! `seatstore serve`: the server until it is told to stop.
//!
//! SIGHUP reads the access keys and the certificate again; SIGTERM and SIGINT let what is running end, and leave. A service
//! manager that wants to know (systemd, `Type=notify`) is told when it is ready, reads again, and leaves.

use super::check::{CERTIFICATE_DAYS_MIN, HOURS_A_DAY};
use crate::cli::exit::{Exit, Stop};
use crate::cli::show;
use crate::cli::world::smtp_settings;
use crate::config::seatstore::{MailConfig, SeatstoreConfig};
use crate::listen::Limits;
use crate::model::Timestamp;
use crate::server::admission::AdmissionSettings;
use crate::server::mail::MailSettings;
use crate::server::rate::RateLimit;
use crate::server::serve::{Reloader, ServeSettings, Server};
use crate::server::sign_in::SignInSettings;
use http::HeaderName;
use sd_notify::NotifyState;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How much longer than a request a name server may take, at most: the client of a verification waits for it.
const DNS_OF_REQUEST: u32 = 2;

/// Runs the server until it is told to stop.
pub(super) async fn serve(config: SeatstoreConfig) -> Result<Exit, Stop> {
    // Before anything else: a SIGHUP that comes while the book is read must not end us.
    let (mut hangup, mut terminate, mut interrupt) =
        (listen_to(SignalKind::hangup())?, listen_to(SignalKind::terminate())?, listen_to(SignalKind::interrupt())?);
    super::make_folder_of(&config.store_path)?;
    super::make_folder_of(&config.mail.spool)?;
    let server = Server::open(settings(config)?).await.map_err(|error| Stop::Other(error.to_string()))?;
    let (scheme, address, loaded) = (server.scheme(), server.address(), server.loaded());
    if loaded.keys == 0 {
        let what = if loaded.is_missing { "there is no key file yet" } else { "the key file has no key" };
        tracing::warn!("{what}, so nobody may ask: seatstore key new");
    }
    tracing::info!(keys = loaded.keys, "serving");
    let reloader = server.reloader();
    tell_of_certificate(&reloader);
    let ready = format!("listening on {scheme}://{address}");
    let listening = ready.clone();
    let stop = async move {
        loop {
            tokio::select! {
                _ = hangup.recv() => reload(&reloader, &listening),
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        tell_manager(&[NotifyState::Stopping, NotifyState::Status("finishing what is running")]);
    };
    show::say(&format!("seatstore: {ready}\n"))?;
    tell_manager(&[NotifyState::Ready, NotifyState::Status(&ready)]);
    let stopped = server.run(stop).await;
    if stopped.cut > 0 {
        tracing::warn!("{} requests did not end in time and were cut", stopped.cut);
    }
    tracing::info!("stopped");
    Ok(Exit::Done)
}

fn listen_to(kind: SignalKind) -> Result<Signal, Stop> {
    signal(kind).map_err(|error| Stop::Other(format!("cannot listen to signals: {error}")))
}

/// Tells systemd, when it started us and wants to be told; nobody else hears it.
fn tell_manager(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("systemd could not be told ({error}): NOTIFY_SOCKET names no socket that can be written to");
    }
}

/// Reads again; `listening` is what the service manager shows when all is well.
fn reload(reloader: &Reloader, listening: &str) {
    tell_manager(&[NotifyState::Reloading]);
    let status = match reloader.reload() {
        Ok(loaded) => {
            tracing::info!(keys = loaded.keys, "keys and certificate read again");
            tell_of_certificate(reloader);
            listening.to_owned()
        }
        Err(errors) => {
            for error in errors {
                tracing::error!("not read again, the former stays: {error}");
            }
            format!("{listening}; the last reload failed, see the journal")
        }
    };
    tell_manager(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// Warns of a certificate that clients refuse, or soon will.
fn tell_of_certificate(reloader: &Reloader) {
    let Some(until) = reloader.certificate_until() else { return };
    let days = until.duration_since(Timestamp::now()).as_hours() / HOURS_A_DAY;
    let what = if until <= Timestamp::now() { "expired" } else { "expires" };
    if days < CERTIFICATE_DAYS_MIN {
        tracing::warn!("the certificate {what} at {}: put a renewed one there and reload (SIGHUP)", show::time(until));
    }
}

/// From the configuration to what the server is started with.
fn settings(config: SeatstoreConfig) -> Result<ServeSettings, Stop> {
    let SeatstoreConfig { listen, store_path, api, limits, domains, mail, invitations_valid, sign_in, log: _ } = config;
    let header = HeaderName::try_from(sign_in.email_header.as_str())
        .map_err(|error| Stop::Other(format!("sign_in.email_header: {error}")))?;
    Ok(ServeSettings {
        store_path,
        address: listen.address,
        tls: listen.tls.map(|files| (files.certificate, files.key)),
        limits: Limits {
            connections_max: limits.connections,
            header_time: limits.header_time,
            request_time: limits.request_time,
            ..Limits::default()
        },
        body_bytes_max: api.body_bytes_max,
        keys_file: api.keys_file,
        admission: AdmissionSettings {
            clock_skew: api.clock_skew,
            rate: RateLimit { per_second: f64::from(api.rate), burst: api.burst },
            ..AdmissionSettings::new(Timestamp::now())
        },
        aws_account_id: api.aws_account_id,
        strict: api.strict,
        resolvers: domains.resolvers,
        dns_timeout: domains.timeout.min(limits.request_time / DNS_OF_REQUEST).max(Duration::from_millis(1)),
        public_url: mail.public_url.clone(),
        mail: mail_settings(mail),
        invitations_valid,
        sign_in: SignInSettings { email_header: Some(header), token: sign_in.token },
    })
}

fn mail_settings(config: MailConfig) -> MailSettings {
    let MailConfig { from, public_url: _, smtp, spool, timeout } = config;
    MailSettings { from, smtp: smtp.map(smtp_settings), spool, timeout }
}
