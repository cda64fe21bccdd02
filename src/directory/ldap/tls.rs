//! TLS: whom to trust, and what is wrong with a certificate, in words.
//!
//! Deliberately absent: any way not to verify.

use super::channel::Wire;
use super::explain::tidy;
use super::failure::Failure;
use super::settings::{LdapSettings, LdapUrl};
use super::witness::Witness;
use crate::model::Timestamp;
use crate::trust;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, ClientConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsConnector;

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

/// What one TLS connection is made with.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    config: Arc<ClientConfig>,
    /// Keeps the certificate that was refused, so that it can be named.
    witness: Arc<Witness>,
    /// Whose certificates are trusted; `None` for the system's.
    ca_file: Option<PathBuf>,
}

impl Trust {
    /// Whose certificates are trusted, in words.
    fn whose(&self) -> String {
        match &self.ca_file {
            Some(path) => format!("ca_file {}", path.display()),
            None => "the system's roots".to_owned(),
        }
    }
}

/// What one TLS connection is made with.
///
/// # Errors
/// The certificates to trust cannot be read, or there are none.
pub(super) fn config(settings: &LdapSettings) -> Result<Trust, Failure> {
    let roots = match &settings.ca_file {
        Some(path) => trust::roots_of_file(path)
            .map_err(|why| Failure::refused(format!("ca_file {} cannot be used: {why}", path.display())))?,
        None => trust::roots_of_system().map_err(Failure::refused)?,
    };
    let client = trust::client().map_err(Failure::refused)?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), client.crypto_provider().clone());
    let verifier = verifier.build().map_err(|error| Failure::refused(format!("TLS cannot be set up: {error}")))?;
    let witness = Arc::new(Witness::of(verifier));
    let config = client
        // Not dangerous: every verdict is that of the usual verifier.
        .dangerous()
        .with_custom_certificate_verifier(witness.clone())
        .with_no_client_auth();
    Ok(Trust { config: Arc::new(config), witness, ca_file: settings.ca_file.clone() })
}

/// Whether a `ca_file` can be used: it holds certificates in PEM (RFC 7468), and each of them is one.
///
/// # Errors
/// What is wrong with it and what to do.
pub fn check_ca_file(path: &Path) -> Result<(), String> {
    trust::roots_of_file(path).map(|_| ())
}

/// Makes TLS of a connection; the name in the URL must be in the certificate.
pub(super) async fn wrap(
    wire: Box<dyn Wire>,
    url: &LdapUrl,
    trust: Trust,
    timeout: Duration,
) -> Result<(Box<dyn Wire>, Option<Certificate>), Failure> {
    let name = ServerName::try_from(url.host().to_owned())
        .map_err(|_| Failure::refused_here(format!("{:?} is no host name a certificate can have", url.host())))?;
    let handshake = TlsConnector::from(trust.config.clone()).connect(name, wire);
    match tokio::time::timeout(timeout, handshake).await {
        Err(_) => Err(Failure::unavailable(format!("no answer to the TLS handshake within {timeout:?}"))),
        Ok(Err(error)) => Err(explain(&error, url, &trust)),
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
fn explain(error: &std::io::Error, url: &LdapUrl, trust: &Trust) -> Failure {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return Failure::unavailable(format!(
            "the connection ended during the TLS handshake ({error}): the server may have no certificate for this port"
        ));
    };
    let words = match tls {
        rustls::Error::InvalidCertificate(found) => {
            return Failure::refused_here(certificate_words(found, url, trust));
        }
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

fn certificate_words(found: &CertificateError, url: &LdapUrl, trust: &Trust) -> String {
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
        CertificateError::UnknownIssuer => unknown_issuer(trust),
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
            let issuer = trust.witness.refused().as_ref().and_then(describe).map(|it| tidy(&it.issuer));
            let issuer = issuer.unwrap_or_else(|| "an authority".to_owned());
            format!(
                "the server's certificate was issued by {issuer}, and the certificate of that name in {} has another \
                 key: it may be an old one; put the authority's present certificate there",
                trust.whose()
            )
        }
        // The library has no variant of its own for it.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => format!(
            "the server shows {} as its own, which says of itself that it is an authority's (CA:TRUE), as self-signed \
             ones often do: give the server a certificate issued by an authority, or a self-signed one made with \
             basicConstraints=CA:FALSE, and put who signed it into ca_file",
            match trust.witness.refused().as_ref().and_then(describe) {
                Some(Certificate { subject, .. }) => format!("the certificate of {}", tidy(&subject)),
                None => "a certificate".to_owned(),
            }
        ),
        other => format!("the server's certificate is not accepted: {other}"),
    }
}

/// Nobody trusted has signed it: who has, and whom we trust.
fn unknown_issuer(trust: &Trust) -> String {
    let trusted = trust.whose();
    let put = "put that authority's certificate into a PEM file and name it in ca_file";
    match trust.witness.refused().as_ref().and_then(describe) {
        Some(Certificate { subject, issuer, .. }) if subject == issuer => format!(
            "the server's certificate is self-signed ({}) and not in {trusted}: name it in ca_file if it is the right \
             one, or give the server one issued by an authority",
            tidy(&subject)
        ),
        Some(Certificate { issuer, .. }) => format!(
            "the server's certificate comes from an authority that is not trusted here: it was issued by {}, which is \
             not in {trusted}: {put}",
            tidy(&issuer)
        ),
        None => format!("the server's certificate comes from an authority that is not in {trusted}: {put}"),
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
