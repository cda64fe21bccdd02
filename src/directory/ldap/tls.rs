//! TLS: whom to trust, and what is wrong with a certificate, in words.
//!
//! Deliberately absent: any way not to verify.

use super::failure::Failure;
use super::gate::Wire;
use super::settings::{LdapSettings, LdapUrl};
use crate::model::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsConnector;

/// The largest `ca_file` that is read, in bytes.
const CA_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What an established TLS connection is: for `check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    /// Whom it is for.
    pub(super) subject: String,
    /// Who vouches for it.
    pub(super) issuer: String,
    /// When it ends.
    pub(super) not_after: Option<Timestamp>,
}

/// The configuration of every TLS connection.
///
/// # Errors
/// The certificates to trust cannot be read, or there are none.
pub(super) fn config(settings: &LdapSettings) -> Result<Arc<ClientConfig>, Failure> {
    let roots = match &settings.ca_file {
        Some(path) => roots_of_file(path)?,
        None => roots_of_system()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::refused(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn roots_of_file(path: &Path) -> Result<RootCertStore, Failure> {
    let shown = path.display();
    let failed = |error: &dyn std::fmt::Display| Failure::refused(format!("ca_file {shown} cannot be used: {error}"));
    let size = std::fs::metadata(path).map_err(|error| failed(&error))?.len();
    if size > CA_FILE_BYTES_MAX {
        return Err(failed(&format!("it has {size} bytes, {CA_FILE_BYTES_MAX} are allowed")));
    }
    let text = std::fs::read(path).map_err(|error| failed(&error))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| failed(&error))?;
        roots.add(certificate).map_err(|error| failed(&error))?;
    }
    if roots.is_empty() {
        return Err(failed(&"it holds no PEM certificate (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(roots)
}

fn roots_of_system() -> Result<RootCertStore, Failure> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A damaged file among the system's hundred must not cost the others.
    let (_, _) = roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(Failure::refused(format!(
            "the system has no root certificates to trust ({why}): install them, or set ca_file"
        )));
    }
    Ok(roots)
}

/// Makes TLS of a connection; the name in the URL must be in the certificate.
pub(super) async fn wrap(
    wire: Box<dyn Wire>,
    url: &LdapUrl,
    config: Arc<ClientConfig>,
    timeout: Duration,
) -> Result<(Box<dyn Wire>, Option<Certificate>), Failure> {
    let name = ServerName::try_from(url.host().to_owned())
        .map_err(|_| Failure::refused_here(format!("{:?} is no host name a certificate can have", url.host())))?;
    let handshake = TlsConnector::from(config).connect(name, wire);
    match tokio::time::timeout(timeout, handshake).await {
        Err(_) => Err(Failure::unavailable(format!("no answer to the TLS handshake within {timeout:?}"))),
        Ok(Err(error)) => Err(explain(&error, url)),
        Ok(Ok(stream)) => {
            let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).and_then(describe);
            Ok((Box::new(stream), certificate))
        }
    }
}

fn describe(certificate: &CertificateDer<'_>) -> Option<Certificate> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(Certificate {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        not_after: Timestamp::from_second(certificate.validity().not_after.timestamp()).ok(),
    })
}

/// A failed handshake in words.
fn explain(error: &std::io::Error, url: &LdapUrl) -> Failure {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return Failure::unavailable(format!(
            "the connection ended during the TLS handshake ({error}): the server may have no certificate for this port"
        ));
    };
    let words = match tls {
        rustls::Error::InvalidCertificate(found) => return Failure::refused_here(certificate_words(found, url)),
        rustls::Error::InvalidMessage(_) => {
            "what answers here does not speak TLS: check the port, or use ldap:// with starttls = true".to_owned()
        }
        rustls::Error::AlertReceived(alert) => format!(
            "the server refused the TLS handshake ({alert:?}){}",
            match alert {
                AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure =>
                    ": it may only know TLS versions or ciphers that are no longer safe",
                AlertDescription::CertificateRequired => ": it wants a client certificate",
                _ => "",
            }
        ),
        rustls::Error::PeerIncompatible(what) => {
            format!("the server only offers TLS that is no longer safe ({what:?}): TLS 1.2 with ECDHE is needed")
        }
        other => format!("the TLS handshake failed: {other}"),
    };
    Failure::refused_here(words)
}

fn certificate_words(found: &CertificateError, url: &LdapUrl) -> String {
    let host = url.host();
    match found {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the server's certificate expired on {}: renew it", date(not_after))
        }
        CertificateError::Expired => "the server's certificate has expired: renew it".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("the server's certificate is not valid before {}: is this machine's clock right?", date(not_before))
        }
        CertificateError::NotValidYet => {
            "the server's certificate is not valid yet: is this machine's clock right?".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "the server's certificate comes from an authority that is not trusted here: put that authority's \
             certificate into ca_file"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => format!(
            "the server's certificate has no subjectAltName, so it is good for no name, {host} included: issue one \
             with the name"
        ),
        CertificateError::NotValidForNameContext { presented, .. } => {
            format!("the server's certificate is not for {host} but for {}: use that name", names(presented))
        }
        CertificateError::NotValidForName => format!("the server's certificate is not for {host}"),
        CertificateError::Revoked => "the server's certificate has been revoked: issue a new one".to_owned(),
        CertificateError::BadSignature => {
            "the signature of the server's certificate is wrong: ca_file may hold another authority of the same name"
                .to_owned()
        }
        other => format!("the server's certificate is not accepted: {other}"),
    }
}

/// `DnsName("dc1.corp.example")` as the library writes it, without the wrapping.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        inner.trim_matches('"').to_owned()
    };
    presented.iter().map(bare).collect::<Vec<_>>().join(", ")
}

fn date(time: &UnixTime) -> String {
    let second = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(second).map_or_else(|_| "an impossible date".to_owned(), |time| time.to_string())
}
