//! Whose certificate is trusted: the very one that the server of this machine was given, or one signed by somebody trusted.
//!
//! The server's own certificate names the host that clients use, and is signed by whom they trust; a command on the same
//! machine asks `127.0.0.1` and may know neither. It can read the file, though: then no other certificate will do.

use crate::trust;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;

/// TLS with the server that shows the first certificate of that file.
pub(super) fn exactly(file: &Path) -> Result<ClientConfig, String> {
    let certificates = trust::certificates(file).map_err(|why| unusable(file, &why))?;
    let certificate = certificates.into_iter().next().ok_or_else(|| unusable(file, "it holds no certificate"))?;
    let client = trust::client()?;
    let verifier = Exactly { certificate, provider: Arc::clone(client.crypto_provider()) };
    Ok(client.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// TLS with servers whose certificates those of that file have signed.
pub(super) fn signed_by(file: &Path) -> Result<ClientConfig, String> {
    let roots = trust::roots_of_file(file).map_err(|why| unusable(file, &why))?;
    Ok(trust::client()?.with_root_certificates(roots).with_no_client_auth())
}

/// TLS with servers that the system trusts.
pub(super) fn known_to_the_system() -> Result<ClientConfig, String> {
    // Without any, a server without TLS can still be asked.
    let roots = trust::roots_of_system().unwrap_or_else(|_| RootCertStore::empty());
    Ok(trust::client()?.with_root_certificates(roots).with_no_client_auth())
}

fn unusable(file: &Path, why: &str) -> String {
    format!("{} cannot be used: {why}", file.display())
}

/// Takes one certificate and no other. That the server has its key is verified as ever.
#[derive(Debug)]
struct Exactly {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Exactly {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *shown == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
