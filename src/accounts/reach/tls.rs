//! TLS with the account store, and what is wrong with its certificate, in words.
//!
//! Deliberately absent: any way not to verify.

use crate::model::Timestamp;
use crate::trust;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::error::Error;
use std::path::Path;

/// TLS with the certificates of that file, or of the system.
///
/// # Errors
/// The certificates to trust cannot be read, or there are none.
pub(in crate::accounts) fn config(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let roots = match ca_file {
        Some(path) => {
            trust::roots_of_file(path).map_err(|why| format!("ca_file {} cannot be used: {why}", path.display()))?
        }
        None => trust::roots_of_system()?,
    };
    with(roots)
}

/// TLS that trusts nobody, for connections that do not use it.
pub(in crate::accounts) fn none() -> Result<ClientConfig, String> {
    with(RootCertStore::empty())
}

fn with(roots: RootCertStore) -> Result<ClientConfig, String> {
    Ok(trust::client()?.with_root_certificates(roots).with_no_client_auth())
}

/// When a certificate ends.
pub(in crate::accounts) fn end(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

/// What TLS had against the server, where an error is about that: nothing gets better by trying again. `key` is the one of
/// the configuration that says where the server is.
pub(in crate::accounts) fn objection(error: &(dyn Error + 'static), key: &str) -> Option<String> {
    Some(match trust::said(error)? {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => "its certificate comes from an authority that is not trusted here: put \
                                                that authority's certificate into a PEM file and name it in ca_file"
                .to_owned(),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired: renew it".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet: is this machine's clock right?".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("its certificate is for another name: use the name it is for in {key}")
            }
            other => format!("its certificate is not accepted: {other}"),
        },
        rustls::Error::InvalidMessage(_) => {
            format!("what answers there does not speak TLS: check the port, or whether {key} should begin with http://")
        }
        rustls::Error::AlertReceived(alert) => format!("it refused the TLS handshake ({alert:?})"),
        rustls::Error::PeerIncompatible(what) => format!("it only offers TLS that is no longer safe ({what:?})"),
        _ => return None,
    })
}
