//! What goes through the gate, and what ends it.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::super::ber::{self, encode};
use super::*;
use tokio::io::DuplexStream;

/// The server's end, the library's end, the gate between them.
fn stand(limits: ReadLimits) -> (DuplexStream, UnixStream, Gate) {
    let (server, wire) = tokio::io::duplex(1 << 20);
    let (ours, library) = UnixStream::pair().unwrap();
    (server, library, Gate::stand(Box::new(wire), ours, limits))
}

fn message(id: u8, op: u8, body: &[u8]) -> Vec<u8> {
    encode(ber::SEQUENCE, &[&[2, 1, id][..], &encode(op, body)].concat())
}

fn entry(id: u8) -> Vec<u8> {
    message(id, ber::SEARCH_ENTRY, &[&encode(ber::OCTET_STRING, b"cn=a")[..], &[ber::SEQUENCE, 0]].concat())
}

fn done(id: u8, op: u8) -> Vec<u8> {
    message(id, op, &[0x0a, 1, 0, 4, 0, 4, 3, b'b', b'y', b'e'])
}

/// Sends a request through the gate and waits until the server has it.
async fn ask(library: &mut UnixStream, server: &mut DuplexStream, request: &[u8]) {
    library.write_all(request).await.unwrap();
    let mut got = vec![0; request.len()];
    server.read_exact(&mut got).await.unwrap();
    assert_eq!(got, request);
}

/// Everything that comes out for the library until the gate closes.
async fn rest(mut library: UnixStream) -> Vec<u8> {
    let mut out = Vec::new();
    library.read_to_end(&mut out).await.unwrap();
    out
}

#[tokio::test]
async fn answers_pass_and_strangers_do_not() {
    let (mut server, mut library, gate) = stand(ReadLimits::default());
    gate.allow(2);
    ask(&mut library, &mut server, &message(3, ber::SEARCH_REQUEST, b"")).await;
    let sent = [entry(9), entry(3), done(7, ber::BIND_RESPONSE), entry(3), done(3, ber::SEARCH_DONE), entry(3)];
    for byte in sent.concat() {
        server.write_all(&[byte]).await.unwrap();
    }
    drop(server);
    assert_eq!(rest(library).await, [entry(3), entry(3), done(3, ber::SEARCH_DONE)].concat());
    assert_eq!(gate.fault(), Some(Fault::Closed("it closed the connection".to_owned())));
}

#[tokio::test]
async fn every_breach_is_kept_with_its_words() {
    let limits = ReadLimits { unasked_max: 3, read_bytes_max: 1_000, ..ReadLimits::default() };
    for (sent, words) in [
        (vec![0x30, 0x84, 0x7f, 255, 255, 255], "2147483647"),
        (b"HTTP/1.1 400".to_vec(), "no LDAP message"),
        (entry(9).repeat(4), "more than 3 messages that nobody asked for"),
        (entry(3).repeat(3), "more than the 2 entries asked for"),
        (done(3, ber::BIND_RESPONSE), "to a search"),
        (done(3, ber::EXTENDED_RESPONSE), "to a search"),
        (message(3, ber::INTERMEDIATE_RESPONSE, b""), "to a search"),
        (encode(ber::SEQUENCE, &[0; 2_000]), "more than the 1000 bytes"),
    ] {
        let (mut server, mut library, gate) = stand(limits);
        gate.allow(2);
        ask(&mut library, &mut server, &message(3, ber::SEARCH_REQUEST, b"")).await;
        server.write_all(&sent).await.unwrap();
        rest(library).await;
        match gate.fault() {
            Some(Fault::Breach(found)) => assert!(found.contains(words), "{found:?} and not {words:?}"),
            other => panic!("{other:?} and not {words:?}"),
        }
    }
}

#[tokio::test]
async fn last_words_are_heard() {
    for (sent, words) in [
        (done(0, ber::EXTENDED_RESPONSE), "it disconnected us: success (0): bye"),
        (vec![0x30, 9, 2], "in the middle of a message"),
    ] {
        let (mut server, library, gate) = stand(ReadLimits::default());
        server.write_all(&sent).await.unwrap();
        drop(server);
        rest(library).await;
        match gate.fault() {
            Some(Fault::Closed(found)) => assert!(found.contains(words), "{found:?} and not {words:?}"),
            other => panic!("{other:?} and not {words:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_not_consumed_stops_the_server() {
    let (mut server, mut library, gate) = stand(ReadLimits::default());
    gate.allow(u64::MAX);
    ask(&mut library, &mut server, &message(3, ber::SEARCH_REQUEST, b"")).await;
    let value = encode(ber::OCTET_STRING, &vec![7; 1 << 20]);
    let attribute = [&encode(ber::OCTET_STRING, b"a")[..], &encode(0x31, &value)].concat();
    let attributes = encode(ber::SEQUENCE, &encode(ber::SEQUENCE, &attribute));
    let big = message(3, ber::SEARCH_ENTRY, &[&encode(ber::OCTET_STRING, b"cn=a")[..], &attributes].concat());
    let sending = async {
        for _ in 0..100 {
            server.write_all(&big).await.unwrap();
        }
        server
    };
    // As the library does: it takes everything at once, consumed or not.
    let mut taken = 0_usize;
    let mut sending = std::pin::pin!(sending);
    let mut chunk = vec![0; 1 << 20];
    let whole = big.len() * 100;
    loop {
        tokio::select! {
            biased;
            read = library.read(&mut chunk) => taken += read.unwrap(),
            _ = &mut sending => panic!("all of it went through: {taken} bytes"),
            () = gate_is_dry(&gate) => break,
        }
    }
    assert!(taken <= WINDOW_BYTES as usize && taken < whole, "{taken}");
    // Each one consumed lets one more through, to the end.
    let mut sent = false;
    while taken < whole {
        gate.consumed();
        tokio::select! {
            read = library.read(&mut chunk) => taken += read.unwrap(),
            server = &mut sending, if !sent => { sent = true; std::mem::forget(server); }
        }
    }
    assert_eq!(taken, whole);
}

/// Ready once the window has less left than one of the big entries takes.
async fn gate_is_dry(gate: &Gate) {
    while gate.shared.window.available_permits() > 1 << 20 {
        tokio::task::yield_now().await;
    }
}
