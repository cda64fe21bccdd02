//! Whose certificate is trusted: the very one that the server of this machine was given, or one signed by somebody trusted.
//!
//! The server's own certificate names the host that clients use, and is signed by whom they trust; a command on the same
//! machine asks `127.0.0.1` and may know neither. It can read the file, though: then no other certificate will do.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;

/// The largest file of certificates that is read, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// TLS with the server that shows the first certificate of that file.
pub(super) fn exactly(file: &Path) -> Result<ClientConfig, String> {
    let certificate = certificates(file)?.into_iter().next().ok_or_else(|| none_in(file))?;
    let provider = provider();
    let verifier = Exactly { certificate, provider: Arc::clone(&provider) };
    let config = builder(provider)?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(config.with_no_client_auth())
}

/// TLS with servers whose certificates those of that file have signed.
pub(super) fn signed_by(file: &Path) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| format!("{} cannot be used: {error}", file.display()))?;
    }
    if roots.is_empty() {
        return Err(none_in(file));
    }
    Ok(builder(provider())?.with_root_certificates(roots).with_no_client_auth())
}

/// TLS with servers that the system trusts.
pub(super) fn known_to_the_system() -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    // A damaged one among the system's hundred must not cost the others.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Ok(builder(provider())?.with_root_certificates(roots).with_no_client_auth())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn builder(
    provider: Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, String> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |why: String| format!("the certificates in {} cannot be read: {why}", file.display());
    let size = std::fs::metadata(file).map_err(|error| failed(error.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(failed(format!("it has {size} bytes, {FILE_BYTES_MAX} are allowed")));
    }
    let text = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
    CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| failed(format!("its PEM text is damaged: {error}")))
}

fn none_in(file: &Path) -> String {
    format!("{} holds no PEM certificate (-----BEGIN CERTIFICATE-----)", file.display())
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
