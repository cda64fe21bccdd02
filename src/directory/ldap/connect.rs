//! From a URL to a connection over which LDAP can be spoken: TCP, StartTLS, TLS; each step under the time-out.

use super::ber;
use super::channel::Wire;
use super::explain;
use super::failure::Failure;
use super::settings::{LdapSettings, LdapUrl, ReadLimits};
use super::tls::{self, Certificate};
use socket2::{SockRef, TcpKeepalive};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Silence on a connection before it is probed.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// Between probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Probes without answer that end a connection.
const KEEPALIVE_RETRIES: u32 = 3;
/// A name may have many addresses (a domain has those of all its controllers): this many are tried.
const ADDRESSES_MAX: usize = 8;
/// Each address gets its share of the time-out, but not less than this.
const ADDRESS_TIMEOUT_MIN: Duration = Duration::from_secs(2);
/// The longest answer to StartTLS, in bytes.
const STARTTLS_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// StartTLS (RFC 4511 4.14.1).
const STARTTLS_OID: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// Refuses what must not even be tried.
pub(super) fn refuse_cleartext(settings: &LdapSettings, url: &LdapUrl) -> Result<(), Failure> {
    if url.is_tls() || settings.starttls || settings.allow_cleartext {
        return Ok(());
    }
    Err(Failure::refused_here(
        "the password would go over the network in clear text: use ldaps://, or starttls = true, or accept it with \
         allow_cleartext = true",
    ))
}

/// A TCP connection: every address of the name is tried in turn.
pub(super) async fn reach(url: &LdapUrl, timeout: Duration) -> Result<(TcpStream, SocketAddr), Failure> {
    let looked_up = tokio::time::timeout(timeout, tokio::net::lookup_host((url.host(), url.port()))).await;
    let addresses: Vec<SocketAddr> = match looked_up {
        Ok(Ok(found)) => found.take(ADDRESSES_MAX).collect(),
        Ok(Err(error)) => {
            return Err(Failure::unavailable(format!(
                "the name {} cannot be resolved: {error}; is it spelt right, and does this machine ask the domain's DNS \
                 servers?",
                url.host()
            )));
        }
        Err(_) => {
            return Err(Failure::unavailable(format!("the name {} was not resolved within {timeout:?}", url.host())));
        }
    };
    let share = timeout / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let each = share.max(ADDRESS_TIMEOUT_MIN).min(timeout);
    let mut causes = Vec::new();
    for address in addresses {
        match tokio::time::timeout(each, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                prepare(&stream, timeout);
                return Ok((stream, address));
            }
            Ok(Err(error)) => causes.push(format!("{address}: {error}")),
            Err(_) => causes.push(format!("{address}: no answer within {each:?}")),
        }
    }
    if causes.is_empty() {
        causes.push(format!("the name {} has no address", url.host()));
    }
    Err(Failure::unavailable(format!(
        "no connection ({}); is it a domain controller, is it up, and is port {} open from here?",
        causes.join("; "),
        url.port()
    )))
}

/// A TCP connection to one address.
pub(super) async fn reach_at(address: SocketAddr, timeout: Duration) -> Result<TcpStream, Failure> {
    match tokio::time::timeout(timeout, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            prepare(&stream, timeout);
            Ok(stream)
        }
        Ok(Err(error)) => Err(Failure::unavailable(format!("no connection to {address}: {error}"))),
        Err(_) => Err(Failure::unavailable(format!("no connection to {address} within {timeout:?}"))),
    }
}

/// Makes a dead peer noticed, and small requests leave at once. A system that cannot is no reason not to go on.
fn prepare(stream: &TcpStream, timeout: Duration) {
    let socket = SockRef::from(stream);
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_RETRIES);
    let set = [
        socket.set_tcp_keepalive(&keepalive),
        socket.set_tcp_user_timeout(Some(timeout)),
        socket.set_tcp_nodelay(true),
    ];
    for error in set.into_iter().filter_map(Result::err) {
        tracing::debug!("a socket option for the directory connection could not be set: {error}");
    }
}

/// TLS, where the URL or `starttls` asks for it; nothing is said in clear text before, except StartTLS itself.
pub(super) async fn secure(
    stream: TcpStream,
    settings: &LdapSettings,
    url: &LdapUrl,
    trust: Option<tls::Trust>,
) -> Result<(Box<dyn Wire>, Option<Certificate>), Failure> {
    let mut wire: Box<dyn Wire> = Box::new(stream);
    if !url.is_tls() && settings.starttls {
        let exchange = start_tls(&mut wire, &settings.limits);
        match tokio::time::timeout(settings.timeout, exchange).await {
            Ok(done) => done?,
            Err(_) => {
                return Err(Failure::unavailable(format!("no answer to StartTLS within {:?}", settings.timeout)));
            }
        }
    }
    match (url.is_tls() || settings.starttls, trust) {
        (true, Some(trust)) => tls::wrap(wire, url, trust, settings.timeout).await,
        (true, None) => Err(Failure::refused("TLS is wanted and was not set up")),
        (false, _) => Ok((wire, None)),
    }
}

/// Asks for TLS (RFC 4511 4.14) and reads exactly the answer: what somebody slips in behind it ends in the handshake.
async fn start_tls(wire: &mut Box<dyn Wire>, limits: &ReadLimits) -> Result<(), Failure> {
    let broke = |error: std::io::Error| Failure::unavailable(format!("the connection broke during StartTLS: {error}"));
    // ExtendedRequest [APPLICATION 23] { requestName [0] } as message 1.
    let request = ber::encode(0x77, &ber::encode(0x80, STARTTLS_OID));
    let request = ber::encode(ber::SEQUENCE, &[&[0x02, 0x01, 0x01], &request[..]].concat());
    wire.write_all(&request).await.map_err(broke)?;
    wire.flush().await.map_err(broke)?;
    let mut answer = Vec::new();
    let broken =
        |found: &str| Failure::unavailable(format!("it broke the protocol: in answer to StartTLS it sent {found}"));
    loop {
        let frame = ber::frame(&answer, STARTTLS_ANSWER_BYTES_MAX).map_err(|found| broken(&found))?;
        match frame {
            Some(length) if answer.len() == length => break,
            Some(length) => {
                let mut rest = vec![0; length - answer.len()];
                wire.read_exact(&mut rest).await.map_err(broke)?;
                answer.extend_from_slice(&rest);
            }
            None => answer.push(wire.read_u8().await.map_err(broke)?),
        }
    }
    let message = ber::check(&answer, limits).map_err(|found| broken(&found))?;
    let verdict = match message.op.tag {
        ber::EXTENDED_RESPONSE => ber::verdict(message.op.body).map_err(|found| broken(&found))?,
        tag => return Err(broken(&format!("an operation of tag 0x{tag:02x}"))),
    };
    let said = explain::outcome(verdict.code, verdict.text);
    match (message.id, verdict.code) {
        (1, 0) => Ok(()),
        (1, _) => Err(Failure::refused_here(format!(
            "the server refused StartTLS: {said}; it may have no certificate, or use ldaps://"
        ))),
        (0, _) => Err(Failure::unavailable(format!("it disconnected us: {said}"))),
        (id, _) => Err(broken(&format!("an answer to message {id}"))),
    }
}
