//! TLS: whose certificates are trusted, and what is wrong with one, in words.
//!
//! Deliberately absent: any way not to verify.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

/// The largest `ca_file` that is read, in bytes.
const CA_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// TLS with the certificates of that file, or of the system.
///
/// # Errors
/// The certificates to trust cannot be read, or there are none.
pub(super) fn config(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let roots = match ca_file {
        Some(path) => roots_of_file(path).map_err(|why| format!("ca_file {} cannot be used: {why}", path.display()))?,
        None => roots_of_system()?,
    };
    with(roots)
}

/// TLS that trusts nobody, for connections that do not use it.
pub(super) fn none() -> Result<ClientConfig, String> {
    with(RootCertStore::empty())
}

fn with(roots: RootCertStore) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn roots_of_file(path: &Path) -> Result<RootCertStore, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > CA_FILE_BYTES_MAX {
        return Err(format!("it has {size} bytes, {CA_FILE_BYTES_MAX} are allowed"));
    }
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    for (certificate, number) in CertificateDer::pem_slice_iter(&text).zip(1..) {
        let certificate = certificate.map_err(|error| format!("its PEM text is damaged: {error}"))?;
        roots.add(certificate).map_err(|error| format!("its certificate {number} cannot be understood: {error}"))?;
    }
    if roots.is_empty() {
        return Err("it holds no PEM certificate (-----BEGIN CERTIFICATE-----)".to_owned());
    }
    Ok(roots)
}

fn roots_of_system() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A damaged file among the system's hundred must not cost the others.
    let (_, _) = roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(format!(
            "the system has no root certificates to trust ({why}): install them, or set ca_file in [accounts]"
        ));
    }
    Ok(roots)
}

/// What TLS had against the server, where an error is about that: nothing gets better by trying again.
pub(super) fn objection(error: &(dyn Error + 'static)) -> Option<String> {
    Some(match cause(error)? {
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
                "its certificate is for another name: use the name it is for in endpoint".to_owned()
            }
            other => format!("its certificate is not accepted: {other}"),
        },
        rustls::Error::InvalidMessage(_) => {
            "what answers there does not speak TLS: check the port, or whether endpoint should begin with http://"
                .to_owned()
        }
        rustls::Error::AlertReceived(alert) => format!("it refused the TLS handshake ({alert:?})"),
        rustls::Error::PeerIncompatible(what) => format!("it only offers TLS that is no longer safe ({what:?})"),
        _ => return None,
    })
}

/// The error of TLS within another one. An I/O error hides its own from `source`, and may hold another I/O error.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        next = match error.downcast_ref::<std::io::Error>() {
            Some(io) => io.get_ref().map(|within| within as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn what_tls_said_is_found_however_deep_it_is_wrapped() {
        let tls = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        assert!(objection(&wrapped).is_some_and(|words| words.contains("does not speak TLS")), "{wrapped}");
        assert_eq!(objection(&io::Error::other("no route to host")), None);
    }
}
