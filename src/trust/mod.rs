//! Whose certificates are trusted, and what TLS said within another error.
//!
//! The LDAP connection, the client of the account store and the commands to a server read the same files and meet the same
//! errors; what they tell the operator about it is their own.
//!
//! Deliberately absent: any way not to verify.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

/// The largest file of certificates that is read, in bytes.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The certificates of a PEM file (RFC 7468), each of which must be one.
///
/// # Errors
/// What is wrong with it and what to do.
pub fn roots_of_file(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for (certificate, number) in certificates(path)?.into_iter().zip(1..) {
        roots.add(certificate).map_err(|error| format!("its certificate {number} cannot be understood: {error}"))?;
    }
    Ok(roots)
}

/// The certificates of a PEM file, at least one, as they stand there.
///
/// # Errors
/// What is wrong with it and what to do.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("it has {size} bytes, {FILE_BYTES_MAX} are allowed"));
    }
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    if x509_parser::parse_x509_certificate(&text).is_ok() {
        let (shown, pem) = (path.display(), path.with_extension("pem"));
        return Err(format!(
            "it is in binary form (DER), not PEM; turn it into PEM: openssl x509 -inform der -in {shown} -out {}",
            pem.display()
        ));
    }
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| format!("its PEM text is damaged: {error}"))?;
    if certificates.is_empty() {
        return Err("it holds no PEM certificate (-----BEGIN CERTIFICATE-----)".to_owned());
    }
    Ok(certificates)
}

/// The certificates that the system trusts.
///
/// # Errors
/// There are none.
pub fn roots_of_system() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A damaged file among the system's hundred must not cost the others.
    let (_, _) = roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(format!("the system has no root certificates to trust ({why}): install them, or set ca_file"));
    }
    Ok(roots)
}

/// The beginning of every TLS client: ring, TLS 1.2 and 1.3.
///
/// # Errors
/// TLS cannot be set up.
pub fn client() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, String> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))
}

/// What TLS said within another error. An I/O error hides its own from `source`, and may hold another I/O error.
pub fn said<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
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
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls.clone()));
        assert_eq!(said(&wrapped), Some(&tls));
        assert_eq!(said(&io::Error::other("no route to host")), None);
    }
}
