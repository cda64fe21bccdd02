//! A client of the admin API made of a socket and `aws-sigv4`, none of the product's: one connection, one request at a
//! time, nothing sent twice, and no answer but a whole one.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use crate::seatstore::Key;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime};

/// Longest wait for an answer, on a busy machine.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// Largest answer: far above a page of 200 users.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// One connection.
pub struct Connection {
    address: SocketAddr,
    key: Key,
    stream: BufReader<TcpStream>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Null where there was none.
    pub body: Value,
}

impl Connection {
    pub fn open(address: SocketAddr, key: &Key) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        Ok(Self { address, key: key.clone(), stream: BufReader::new(stream) })
    }

    /// One request. An error means that no whole answer came, and nothing about what was done.
    pub fn ask(&mut self, method: &str, target: &str, body: Option<&Value>) -> io::Result<Answer> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = self.signed(method, target, &body);
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        let mut next = |stream: &mut BufReader<TcpStream>| {
            line.clear();
            match stream.read_line(&mut line)? {
                _ if line.ends_with("\r\n") => Ok(line.trim_end().to_ascii_lowercase()),
                _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            }
        };
        let first = next(&mut self.stream)?;
        let status = first.split(' ').nth(1).and_then(|text| text.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no HTTP answer: {first:?}"));
        let mut length = 0;
        loop {
            let header = next(&mut self.stream)?;
            if header.is_empty() {
                break;
            }
            assert!(!header.starts_with("transfer-encoding"), "chunks are not understood here");
            if let Some(text) = header.strip_prefix("content-length:") {
                length = text.trim().parse().unwrap();
            }
        }
        assert!(length <= ANSWER_BYTES_MAX, "{length} bytes");
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Ok(Answer { status, body })
    }

    /// The request in bytes.
    fn signed(&self, method: &str, target: &str, body: &str) -> String {
        let identity = Credentials::new(&self.key.id, &self.key.secret, None, None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("chime")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .unwrap();
        let url = format!("http://{}{target}", self.address);
        // Two requests alike are still two.
        let attempt = uuid::Uuid::new_v4().to_string();
        let mut headers = vec![("amz-sdk-invocation-id", attempt.as_str())];
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        let signable =
            SignableRequest::new(method, &url, headers.iter().copied(), SignableBody::Bytes(body.as_bytes())).unwrap();
        let signed = sign(signable, &params.into()).unwrap();
        let mut request = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n", self.address);
        for (name, value) in headers.iter().copied().chain(signed.output().headers()) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        request
    }
}
