//! What we write is what an independent implementation reads.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use ldap3_proto::LdapCodec;
use ldap3_proto::proto::{LdapBindCred, LdapFilter, LdapMsg, LdapOp, LdapSearchScope};
use tokio_util::codec::Decoder;

fn read(bytes: &[u8]) -> LdapMsg {
    LdapCodec::default().decode(&mut bytes.into()).unwrap().unwrap()
}

fn asked<'a>(filter: &'a str, attributes: &'a [String]) -> Search<'a> {
    Search {
        what: "it",
        base: "DC=ad,DC=test",
        base_only: false,
        filter,
        attributes,
        page_size: None,
        extended_dn: false,
    }
}

#[test]
fn binds_and_goodbyes() {
    let message = read(&bind(7, "CN=svc", "sécret"));
    assert_eq!(message.msgid, 7);
    let LdapOp::BindRequest(request) = message.op else { panic!("{:?}", message.op) };
    assert_eq!((request.dn.as_str(), request.cred), ("CN=svc", LdapBindCred::Simple("sécret".to_owned())));
    assert!(matches!(read(&unbind(300)), LdapMsg { msgid: 300, op: LdapOp::UnbindRequest, .. }));
}

#[test]
fn searches_with_their_controls() {
    let attributes = ["mail".to_owned(), "member;range=0-*".to_owned()];
    let controls = [
        Control::critical("1.2.3", Some(b"value".to_vec())),
        Control { oid: "1.2.840.113556.1.4.417", critical: false, value: None },
    ];
    let message = read(&search(0x1234_5678, &asked("(&(a=b)(!(c=*)))", &attributes), &controls).unwrap());
    assert_eq!(message.msgid, 0x1234_5678);
    assert_eq!(message.ctrl.len(), 2);
    let LdapOp::SearchRequest(request) = message.op else { panic!("{:?}", message.op) };
    assert_eq!((request.base.as_str(), request.scope), ("DC=ad,DC=test", LdapSearchScope::Subtree));
    assert_eq!((request.sizelimit, request.timelimit, request.typesonly), (0, 0, false));
    assert_eq!(request.attrs, attributes);
    let equal = LdapFilter::Equality("a".to_owned(), "b".to_owned());
    let wanted = LdapFilter::And(vec![equal, LdapFilter::Not(Box::new(LdapFilter::Present("c".to_owned())))]);
    assert_eq!(request.filter, wanted);
}

#[test]
fn filters_of_every_kind_are_the_bytes_of_rfc_4511() {
    let bytes = |text: &str| filter(text).unwrap();
    assert_eq!(bytes("(a=*)"), [0x87, 1, b'a']);
    assert_eq!(bytes("(a>=5)"), [0xa5, 6, 4, 1, b'a', 4, 1, b'5']);
    assert_eq!(bytes("(a=\\2a)"), [0xa3, 6, 4, 1, b'a', 4, 1, b'*']);
    assert_eq!(bytes("(|(a=*)(b=*))"), [0xa1, 6, 0x87, 1, b'a', 0x87, 1, b'b']);
    assert_eq!(bytes("(a:1.2:=3)"), [0xa9, 11, 0x81, 3, b'1', b'.', b'2', 0x82, 1, b'a', 0x83, 1, b'3']);
    assert!(filter("(a=b").unwrap_err().contains("(a=b"));
}
