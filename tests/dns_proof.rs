//! The proof of a domain, against a DNS server on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod dns;

use dns::{DnsServer, Fault};
use seatsync::server::dns::{DnsError, Proof, proves, record};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// Long enough that only silence meets it.
const PATIENT: Duration = Duration::from_secs(20);

fn asking(server: &DnsServer) -> Proof {
    Proof::new(&[server.address()], PATIENT)
}

async fn complaint(proof: &Proof, domain: &str) -> String {
    match proof.texts(domain).await {
        Err(DnsError::Unavailable { message }) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn all_texts_of_a_domain_are_read_and_the_record_is_among_them() {
    let server = DnsServer::start();
    let texts = ["v=spf1 include:_spf.example.net -all", &record("t0ken"), "", "gr\u{fc}n"].map(str::to_owned).to_vec();
    server.set_txt("example.com", texts.clone());
    let found = asking(&server).texts("example.com").await.unwrap();
    assert_eq!(found, texts);
    assert!(proves(&found, "t0ken"));
}

#[tokio::test]
async fn the_parts_of_one_record_are_one_text() {
    let server = DnsServer::start();
    let long = "0123456789".repeat(30);
    server.set_txt("long.example", vec![long.clone()]);
    let parts = [&b"seatstore-"[..], b"verification=", b"t0ken"].map(<[u8]>::to_vec).to_vec();
    server.set_txt_parts("split.example", vec![parts, vec![b"\xff\xfe".to_vec()]]);
    let proof = asking(&server);
    assert_eq!(proof.texts("long.example").await.unwrap(), [long]);
    assert_eq!(proof.texts("split.example").await.unwrap(), [record("t0ken"), "\u{fffd}\u{fffd}".to_owned()]);
}

#[tokio::test]
async fn case_does_not_matter_and_only_the_name_itself_is_asked_for() {
    let server = DnsServer::start();
    server.set_txt("Example.COM", vec!["here".to_owned()]);
    server.set_txt("xn--bcher-kva.example", vec!["books".to_owned()]);
    let proof = asking(&server);
    assert_eq!(proof.texts("eXample.com").await.unwrap(), ["here"]);
    assert_eq!(proof.texts("xn--bcher-kva.example").await.unwrap(), ["books"]);
    assert_eq!(proof.texts("absent.example").await.unwrap(), [""; 0]);
    let names: Vec<String> = server.asked().into_iter().map(|question| question.name.to_lowercase()).collect();
    assert_eq!(names, ["example.com", "xn--bcher-kva.example", "absent.example"]);
}

#[tokio::test]
async fn a_domain_without_texts_has_none() {
    let server = DnsServer::start();
    server.set_txt("empty.example", Vec::new());
    let proof = asking(&server);
    assert_eq!(proof.texts("empty.example").await.unwrap(), [""; 0], "the name is there, the records are not");
    assert_eq!(proof.texts("absent.example").await.unwrap(), [""; 0], "the name is not there");
    server.set_txt("sure.example", vec!["here".to_owned()]);
    server.set_fault(Some(Fault::NxDomain));
    assert_eq!(proof.texts("sure.example").await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn an_alias_proves_nothing_about_the_domain() {
    let server = DnsServer::start();
    server.set_alias("shop.example.com", "rented.example.net");
    server.set_txt("rented.example.net", vec![record("t0ken")]);
    assert_eq!(asking(&server).texts("shop.example.com").await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn every_question_is_asked_anew() {
    let server = DnsServer::start();
    let proof = asking(&server);
    assert_eq!(proof.texts("example.com").await.unwrap(), [""; 0]);
    server.set_txt("example.com", vec![record("t0ken")]);
    assert!(proves(&proof.texts("example.com").await.unwrap(), "t0ken"), "the operator tries again at once");
    server.set_txt("example.com", Vec::new());
    assert_eq!(proof.texts("example.com").await.unwrap(), [""; 0]);
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn what_does_not_fit_is_asked_for_by_tcp() {
    let server = DnsServer::start();
    let many: Vec<String> = (0..200).map(|n| format!("text number {n} of a domain with many of them")).collect();
    server.set_txt("many.example", many.clone());
    server.set_txt("few.example", vec!["here".to_owned()]);
    let proof = asking(&server);
    assert_eq!(proof.texts("many.example").await.unwrap(), many);
    server.set_fault(Some(Fault::Truncation));
    assert_eq!(proof.texts("few.example").await.unwrap(), ["here"]);
    let by_tcp: Vec<bool> = server.asked().into_iter().map(|question| question.by_tcp).collect();
    assert_eq!(by_tcp, [false, true, false, true]);
}

#[tokio::test]
async fn a_resolver_that_fails_is_not_a_domain_without_texts() {
    let server = DnsServer::start();
    server.set_txt("example.com", vec![record("t0ken")]);
    let proof = asking(&server);
    for (fault, expected) in [
        (Fault::ServFail, "answered SERVFAIL: the servers of that domain cannot be asked"),
        (Fault::Refused, "answered REFUSED: this machine may not ask there"),
        (Fault::TruncationForever, "the answer was cut off, by TCP as well"),
    ] {
        server.set_fault(Some(fault));
        let message = complaint(&proof, "example.com").await;
        let asked = format!("the TXT records of example.com are not known: asked {}, {expected}; ", server.address());
        assert!(message.starts_with(&asked), "{fault:?}: {message}");
        assert!(message.ends_with("see what this says: dig example.com TXT"), "{fault:?}: {message}");
    }
    server.set_fault(None);
    assert!(proves(&proof.texts("example.com").await.unwrap(), "t0ken"));
}

#[tokio::test]
async fn silence_and_garbage_end_with_the_time_out() {
    let server = DnsServer::start();
    server.set_txt("example.com", vec![record("t0ken")]);
    let proof = Proof::new(&[server.address()], Duration::from_millis(400));
    for fault in [Fault::Silence, Fault::Garbage] {
        server.set_fault(Some(fault));
        let message = tokio::time::timeout(PATIENT, complaint(&proof, "example.com")).await.unwrap();
        assert!(message.starts_with("the TXT records of example.com are not known"), "{fault:?}: {message}");
    }
    server.set_fault(Some(Fault::Silence));
    assert!(complaint(&proof, "example.com").await.contains("no answer within 0.4 s"));
}

#[tokio::test]
async fn another_resolver_answers_where_one_does_not() {
    let server = DnsServer::start();
    server.set_txt("example.com", vec!["here".to_owned()]);
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let proof = Proof::new(&[silent.local_addr().unwrap(), server.address()], PATIENT);
    assert_eq!(proof.texts("example.com").await.unwrap(), ["here"]);
}

#[tokio::test]
async fn nobody_there_is_told_with_the_address() {
    // Bound and let go again: nobody listens there.
    let address: SocketAddr = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let proof = Proof::new(&[address], Duration::from_secs(1));
    assert!(complaint(&proof, "example.com").await.contains(&address.to_string()));
}
