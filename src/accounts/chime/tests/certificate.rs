//! The certificate that a server shows, and when it ends.

use super::*;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

const ACCOUNT: &str = r#"{"Account":{"AwsAccountId":"1","AccountId":"corp","Name":"x","AccountType":"EnterpriseLWA"}}"#;

#[tokio::test]
async fn the_end_of_the_certificate_is_known_with_the_first_answer() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2090, 1, 2);
    let certificate = params.self_signed(&key).unwrap();
    let ca_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca_file.path(), certificate.pem()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{ACCOUNT}", ACCOUNT.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        // Until the client leaves.
        let _ = stream.read(&mut [0; 1]).await;
    });
    let mut chime = Chime::open(ChimeSettings {
        endpoint: endpoint.clone(),
        region: "us-east-1".into(),
        account: "corp".into(),
        access_key_id: "AKID".into(),
        secret_access_key: SecretString::from("hunter2"),
        ca_file: Some(ca_file.path().to_owned()),
        timeout: Duration::from_secs(30),
        requests_max: 8,
        tiers: vec![Tier::new("pro")],
        meter: Meter::default(),
        halt: Halt::default(),
    })
    .unwrap();
    assert_eq!(chime.expiries(), []);
    // What comes of the answer does not matter here: it came over TLS.
    let _ = chime.kind().await;
    assert_eq!(chime.expiries(), [Expiry::certificate(endpoint, "2090-01-02T00:00:00Z".parse().unwrap())]);
    drop(chime);
    server.await.unwrap();
}

#[tokio::test]
async fn without_tls_there_is_none() {
    let fake = Fake::start("EnterpriseLWA", ALL).await;
    let mut chime = client(&fake);
    chime.kind().await.unwrap();
    assert_eq!(chime.expiries(), []);
}
