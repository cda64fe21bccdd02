//! What comes through a channel, and what ends it.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use ber::encode;
use tokio::io::DuplexStream;

const SEARCH: Asked = Asked::Search { allowed: 2, informs: false };

/// A server's end, and a channel that has asked one thing as message 3.
async fn asked(limits: ReadLimits, asked: Asked) -> (DuplexStream, Channel) {
    let (mut server, wire) = tokio::io::duplex(1 << 20);
    let mut channel = Channel::new(Box::new(wire), limits);
    channel.ask(3, asked, b"request").await.unwrap();
    let mut got = [0; 7];
    server.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"request");
    (server, channel)
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

/// The tags of all that comes through, and how it ended.
async fn rest(channel: &mut Channel) -> (Vec<u8>, Fault) {
    let mut tags = Vec::new();
    loop {
        match channel.receive().await {
            Ok(message) => tags.push(message.op.tag),
            Err(fault) => return (tags, fault),
        }
    }
}

#[tokio::test]
async fn answers_come_through_and_strangers_do_not() {
    let (mut server, mut channel) = asked(ReadLimits::default(), SEARCH).await;
    let sent = [entry(9), entry(3), done(7, ber::BIND_RESPONSE), entry(3), done(3, ber::SEARCH_DONE), entry(3)];
    for byte in sent.concat() {
        server.write_all(&[byte]).await.unwrap();
    }
    drop(server);
    let (tags, fault) = rest(&mut channel).await;
    assert_eq!(tags, [ber::SEARCH_ENTRY, ber::SEARCH_ENTRY, ber::SEARCH_DONE]);
    assert_eq!(fault, Fault::Closed("it closed the connection".to_owned()));
}

#[tokio::test]
async fn several_requests_may_be_open_at_once() {
    let (mut server, mut channel) = asked(ReadLimits::default(), SEARCH).await;
    channel.ask(4, SEARCH, b"more").await.unwrap();
    let sent = [entry(4), entry(3), done(4, ber::SEARCH_DONE), entry(4), entry(3), done(3, ber::SEARCH_DONE)];
    server.write_all(&sent.concat()).await.unwrap();
    drop(server);
    let mut ids = Vec::new();
    while let Ok(message) = channel.receive().await {
        ids.push(message.id);
    }
    assert_eq!(ids, [4, 3, 4, 3, 3]);
}

#[tokio::test]
async fn every_breach_is_told_with_its_words() {
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
        let (mut server, mut channel) = asked(limits, SEARCH).await;
        server.write_all(&sent).await.unwrap();
        match rest(&mut channel).await.1 {
            Fault::Breach(found) => assert!(found.contains(words), "{found:?} and not {words:?}"),
            other => panic!("{other:?} and not {words:?}"),
        }
    }
    let (mut server, mut channel) = asked(limits, Asked::Bind).await;
    server.write_all(&done(3, ber::SEARCH_DONE)).await.unwrap();
    assert_eq!(rest(&mut channel).await.1, breach("an answer of tag 0x65 to a bind"));
}

#[tokio::test]
async fn messages_in_between_are_for_who_asked_for_them() {
    let (mut server, mut channel) = asked(ReadLimits::default(), Asked::Search { allowed: 0, informs: true }).await;
    server.write_all(&message(3, ber::INTERMEDIATE_RESPONSE, b"")).await.unwrap();
    assert_eq!(channel.receive().await.unwrap().op.tag, ber::INTERMEDIATE_RESPONSE);
}

#[tokio::test]
async fn last_words_are_heard() {
    for (sent, words) in [
        (done(0, ber::EXTENDED_RESPONSE), "it disconnected us: success (0): bye"),
        (vec![0x30, 9, 2], "in the middle of a message"),
    ] {
        let (mut server, mut channel) = asked(ReadLimits::default(), SEARCH).await;
        server.write_all(&sent).await.unwrap();
        drop(server);
        match rest(&mut channel).await.1 {
            Fault::Closed(found) => assert!(found.contains(words), "{found:?} and not {words:?}"),
            other => panic!("{other:?} and not {words:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_takes_no_more_may_have_said_why() {
    let (mut server, mut channel) = asked(ReadLimits::default(), SEARCH).await;
    server.write_all(&done(0, ber::EXTENDED_RESPONSE)).await.unwrap();
    drop(server);
    let fault = channel.tell(b"more").await.unwrap_err();
    assert_eq!(fault, Fault::Closed("it disconnected us: success (0): bye".to_owned()));
}

#[tokio::test]
async fn what_is_not_consumed_stops_the_server() {
    let (mut server, mut channel) =
        asked(ReadLimits::default(), Asked::Search { allowed: u64::MAX, informs: false }).await;
    let value = encode(ber::OCTET_STRING, &vec![7; 1 << 20]);
    let attribute = [&encode(ber::OCTET_STRING, b"a")[..], &encode(ber::SET, &value)].concat();
    let attributes = encode(ber::SEQUENCE, &encode(ber::SEQUENCE, &attribute));
    let big = message(3, ber::SEARCH_ENTRY, &[&encode(ber::OCTET_STRING, b"cn=a")[..], &attributes].concat());
    let whole = big.len();
    tokio::spawn(async move { while server.write_all(&big).await.is_ok() {} });
    for _ in 0..20 {
        channel.receive().await.unwrap();
        // One message, and what came with its last bytes.
        assert!(channel.inbox.capacity() <= 2 * (whole + CHUNK_BYTES), "{}", channel.inbox.capacity());
        tokio::task::yield_now().await;
    }
}
