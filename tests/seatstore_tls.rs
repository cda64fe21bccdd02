//! The certificate of seatstore: what is taken, and what is said of files that cannot be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use rcgen::{CertificateParams, KeyPair};
use seatsync::listen::tls::{PEM_BYTES_MAX, TlsError, TlsSource};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A certificate and its key, in PEM.
struct Pair {
    certificate: String,
    binary: Vec<u8>,
    key: String,
}

/// Valid from 2020 until this year.
fn pair(until: i32) -> Pair {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    Pair { certificate: certificate.pem(), binary: certificate.der().to_vec(), key: key.serialize_pem() }
}

/// Files for a source, and the source.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        let place = Self::new();
        place.write(certificate, key);
        place
    }

    fn certificate(&self) -> PathBuf {
        self.0.path().join("seatstore.pem")
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("seatstore.key")
    }

    fn write(&self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) {
        std::fs::write(self.certificate(), certificate).unwrap();
        std::fs::write(self.key(), key).unwrap();
        close(&self.key(), 0o600);
    }

    fn open(&self) -> Result<TlsSource, TlsError> {
        TlsSource::open(self.certificate(), self.key())
    }

    /// What is said, with the folder taken out.
    fn refused(&self) -> String {
        self.words(&self.open().unwrap_err())
    }

    fn words(&self, error: &TlsError) -> String {
        error.to_string().replace(self.0.path().to_str().unwrap(), "/etc/seatstore")
    }
}

fn close(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_good_pair_is_taken_and_says_when_it_ends() {
    let good = pair(2090);
    let source = Place::with(&good.certificate, &good.key).open().unwrap();
    assert_eq!(source.not_after().to_string(), "2090-01-01T00:00:00Z");
    // An expired one may be opened: a restart must not make things worse, and its end can be seen.
    let late = pair(2021);
    let source = Place::with(&late.certificate, &late.key).open().unwrap();
    assert_eq!(source.not_after().to_string(), "2021-01-01T00:00:00Z");
}

#[test]
fn a_group_may_read_the_key_and_nobody_else() {
    let good = pair(2090);
    let place = Place::with(&good.certificate, &good.key);
    for mode in [0o400, 0o600, 0o640] {
        close(&place.key(), mode);
        assert!(place.open().is_ok(), "{mode:o}");
    }
    for mode in [0o604, 0o602, 0o644] {
        close(&place.key(), mode);
        let refused = place.refused();
        let expected = format!("it is open to every user (mode 0{mode:o}); close it with: chmod o= ");
        assert!(refused.contains(&expected), "{refused}");
    }
}

#[test]
fn what_is_wrong_is_said_of_the_right_file() {
    let (good, other) = (pair(2090), pair(2090));
    let damaged = good.certificate.replace("-----END CERTIFICATE-----", "");
    let not_a_certificate = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let not_a_key = "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\naGVsbG8=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let large = vec![b'x'; PEM_BYTES_MAX as usize + 1];
    let certificate = |why: &str| format!("certificate_file /etc/seatstore/seatstore.pem cannot be used: {why}");
    let key = |why: &str| format!("key_file /etc/seatstore/seatstore.key cannot be used: {why}");
    for (place, expected) in [
        (Place::new(), certificate("No such file or directory (os error 2)")),
        (Place::with("", &good.key), certificate("it holds no PEM certificate (-----BEGIN CERTIFICATE-----)")),
        (Place::with(&good.key, &good.certificate), certificate("it holds no PEM certificate")),
        (Place::with(&good.binary, &good.key), certificate("it is in binary form (DER); turn it into PEM with: ")),
        (Place::with(&damaged, &good.key), certificate("its PEM text is damaged: ")),
        (Place::with(not_a_certificate, &good.key), certificate("its first certificate cannot be understood: ")),
        (Place::with(&large, &good.key), certificate("it is larger than 1048576 bytes")),
        (Place::with(&good.certificate, ""), key("it holds no private key in PEM (-----BEGIN PRIVATE KEY-----)")),
        (Place::with(&good.certificate, &good.certificate), key("it holds no private key in PEM")),
        (Place::with(&good.certificate, encrypted), key("its key is encrypted; decrypt it with: openssl pkey")),
        (Place::with(&good.certificate, not_a_key), key("its key cannot be used (")),
        (Place::with(&good.certificate, &large), key("it is larger than 1048576 bytes")),
        (
            Place::with(&good.certificate, &other.key),
            "the key in /etc/seatstore/seatstore.key does not belong to the first certificate in ".to_owned(),
        ),
        // The authority's certificate first, the server's own behind it.
        (
            Place::with(format!("{}{}", other.certificate, good.certificate), &good.key),
            "the key in /etc/seatstore/seatstore.key does not belong to the first certificate in ".to_owned(),
        ),
    ] {
        let refused = place.refused();
        assert!(refused.starts_with(&expected), "{refused}\n{expected}");
        // Nothing of the key is repeated.
        assert!(good.key.lines().filter(|line| line.len() > 40).all(|line| !refused.contains(line)), "{refused}");
    }
}

#[test]
fn only_regular_files_are_read() {
    let good = pair(2090);
    let place = Place::with(&good.certificate, &good.key);
    std::fs::remove_file(place.key()).unwrap();
    std::fs::create_dir(place.key()).unwrap();
    assert!(place.refused().ends_with("it is not a regular file"), "{}", place.refused());
}

#[test]
fn a_reload_takes_the_new_or_keeps_the_old() {
    let (old, new, expired) = (pair(2090), pair(2091), pair(2021));
    let place = Place::with(&old.certificate, &old.key);
    let source = place.open().unwrap();
    let clone = source.clone();
    let ends = |source: &TlsSource| source.not_after().to_string();
    for (certificate, key, expected) in [
        ("", old.key.as_str(), "it holds no PEM certificate"),
        (&new.certificate, &old.key, "does not belong to the first certificate"),
        (&expired.certificate, &expired.key, "it expired at 2021-01-01T00:00:00Z; put the renewed one there"),
    ] {
        place.write(certificate, key);
        let refused = place.words(&source.reload().unwrap_err());
        assert!(refused.contains(expected), "{refused}");
        assert_eq!(ends(&source), "2090-01-01T00:00:00Z");
    }
    place.write(&new.certificate, &new.key);
    source.reload().unwrap();
    assert_eq!((ends(&source), ends(&clone)), ("2091-01-01T00:00:00Z".to_owned(), "2091-01-01T00:00:00Z".to_owned()));
}

/// A key is in memory, and is written nowhere.
#[test]
fn debug_shows_no_key() {
    let good = pair(2090);
    let shown = format!("{:?}", Place::with(&good.certificate, &good.key).open().unwrap());
    let hidden: Vec<&str> = good.key.lines().filter(|line| !line.starts_with("-----")).collect();
    assert!(!hidden.is_empty() && hidden.iter().all(|line| !shown.contains(line)), "{shown}");
}
