//! The server's certificate and key: read from PEM files, and read again while the server runs.
//!
//! Invariants: what is served is a chain and the key that belongs to it; a reload that fails leaves what was there.
//!
//! Deliberately absent: client certificates (who asks is told by the signature of the request), ACME (whoever renews the
//! files sends a SIGHUP).

use crate::model::Timestamp;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// The largest certificate or key file that is read, in bytes.
pub const PEM_BYTES_MAX: u64 = 1024 * 1024;

/// Why there is no usable certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of the certificate has to be looked at.
    #[error("certificate_file {path} cannot be used: {why}", path = path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        why: String,
    },
    /// The file of the key has to be looked at.
    #[error("key_file {path} cannot be used: {why}", path = path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do; nothing of what is in it.
        why: String,
    },
    /// Each is good, but they do not belong together.
    #[error(
        "the key in {key} does not belong to the first certificate in {certificate}: name the pair that was made \
         together, with the server's own certificate before those of its authorities",
        key = key.display(),
        certificate = certificate.display()
    )]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}

/// What was read last and was good.
#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    not_after: Timestamp,
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<Current>>,
}

/// Where the certificate comes from. Its clones share what was read last.
#[derive(Clone, Debug)]
pub struct TlsSource(Arc<Files>);

impl TlsSource {
    /// Reads the files: the chain in PEM, the server's own certificate first, and its key in PEM.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn open(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let current = RwLock::new(Arc::new(read(&certificate, &key)?));
        Ok(Self(Arc::new(Files { certificate, key, current })))
    }

    /// Reads the files again. New connections get what they hold now; those that are open keep what they have.
    ///
    /// # Errors
    /// As [`TlsSource::open`], or the new certificate has expired; what was served before is served on.
    pub fn reload(&self) -> Result<(), TlsError> {
        let Files { certificate, key, current } = &*self.0;
        let new = read(certificate, key)?;
        if new.not_after < Timestamp::now() {
            let why = format!("it expired at {}; put the renewed one there", new.not_after);
            return Err(TlsError::Certificate { path: certificate.clone(), why });
        }
        *current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(())
    }

    /// The last moment at which the certificate that is served is valid.
    pub fn not_after(&self) -> Timestamp {
        self.current().not_after
    }

    /// What a new connection is served with.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current().config)
    }

    fn current(&self) -> Arc<Current> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn read(certificate_file: &Path, key_file: &Path) -> Result<Current, TlsError> {
    let wrong_certificate = |why: String| TlsError::Certificate { path: certificate_file.to_owned(), why };
    let wrong_key = |why: String| TlsError::Key { path: key_file.to_owned(), why };
    let text = contents(certificate_file, false).map_err(wrong_certificate)?;
    let chain = chain(&text).map_err(wrong_certificate)?;
    let not_after = chain.first().ok_or("it is empty".to_owned()).and_then(not_after).map_err(wrong_certificate)?;
    let key = contents(key_file, true).and_then(|text| key(&text)).map_err(wrong_key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    if let Err(error) = provider.key_provider.load_private_key(key.clone_key()) {
        return Err(wrong_key(format!("its key cannot be used ({error}); make an RSA, ECDSA or Ed25519 key")));
    }
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| wrong_certificate(error.to_string()))?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::Mismatch { certificate: certificate_file.to_owned(), key: key_file.to_owned() }
        }
        error => wrong_certificate(error.to_string()),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Current { config: Arc::new(config), not_after })
}

/// The bytes of a file; a secret one must be closed to others.
fn contents(path: &Path, is_secret: bool) -> Result<Vec<u8>, String> {
    let check = |metadata: std::fs::Metadata| {
        if !metadata.is_file() {
            return Err("it is not a regular file".to_owned());
        }
        #[cfg(unix)]
        if is_secret {
            use std::os::unix::fs::PermissionsExt;
            let mode = metadata.permissions().mode();
            if mode & 0o007 != 0 {
                return Err(format!(
                    "it is open to every user (mode {:04o}); close it with: chmod o= {}   and get a new key if others \
                     may have read it",
                    mode & 0o7777,
                    path.display()
                ));
            }
        }
        Ok(())
    };
    let words = |error: std::io::Error| error.to_string();
    // Looked at before it is opened, since opening a pipe would wait; and again, since the name may have moved on.
    check(std::fs::metadata(path).map_err(words)?)?;
    let file = File::open(path).map_err(words)?;
    check(file.metadata().map_err(words)?)?;
    let mut bytes = Vec::new();
    file.take(PEM_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(words)?;
    if bytes.len() as u64 > PEM_BYTES_MAX {
        return Err(format!("it is larger than {PEM_BYTES_MAX} bytes"));
    }
    Ok(bytes)
}

fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    if x509_parser::parse_x509_certificate(text).is_ok() {
        return Err("it is in binary form (DER); turn it into PEM with: openssl x509 -inform der".to_owned());
    }
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(text) {
        chain.push(certificate.map_err(|error| format!("its PEM text is damaged: {error}"))?);
    }
    if chain.is_empty() {
        return Err("it holds no PEM certificate (-----BEGIN CERTIFICATE-----)".to_owned());
    }
    Ok(chain)
}

fn not_after(certificate: &CertificateDer<'_>) -> Result<Timestamp, String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|error| format!("its first certificate cannot be understood: {error}"))?;
    Timestamp::from_second(parsed.validity().not_after.timestamp())
        .map_err(|error| format!("its first certificate ends at no date: {error}"))
}

fn key(text: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    const ENCRYPTED: &[u8] = b"ENCRYPTED";
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound if text.windows(ENCRYPTED.len()).any(|part| part == ENCRYPTED) => {
            "its key is encrypted; decrypt it with: openssl pkey".to_owned()
        }
        rustls::pki_types::pem::Error::NoItemsFound => {
            "it holds no private key in PEM (-----BEGIN PRIVATE KEY-----)".to_owned()
        }
        // The words of the library could repeat a line of the file.
        _ => "its PEM text is damaged".to_owned(),
    })
}
