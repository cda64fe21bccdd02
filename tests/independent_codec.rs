//! Our requests and our reading, against a codec that neither we nor our client library wrote: `ldap3_proto`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use futures_util::{SinkExt, StreamExt};
use ldap3_proto::proto::{
    LdapBindCred, LdapBindResponse, LdapMsg, LdapOp, LdapPartialAttribute, LdapResult, LdapResultCode,
    LdapSearchRequest, LdapSearchResultEntry, LdapSearchScope,
};
use ldap3_proto::{LdapCodec, control::LdapControl};
use seatsync::directory::Directory;
use seatsync::directory::ldap::{Ldap, LdapSettings, LdapUrl};
use seatsync::model::ObjectGuid;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::Framed;

const BASE: &str = "DC=codec,DC=test";
const PEOPLE: u128 = 5;

fn ok() -> LdapResult {
    LdapResult { code: LdapResultCode::Success, matcheddn: String::new(), message: String::new(), referral: Vec::new() }
}

fn entry(dn: String, attributes: &[(&str, &[u8])]) -> LdapOp {
    let attributes = attributes
        .iter()
        .map(|(name, value)| LdapPartialAttribute { atype: (*name).to_owned(), vals: vec![value.to_vec()] })
        .collect();
    LdapOp::SearchResultEntry(LdapSearchResultEntry { dn, attributes })
}

fn person(number: u128) -> LdapOp {
    let dn = format!("CN=p{number},{BASE}");
    // Active Directory's byte order does not matter here: each is another.
    let guid = number.to_be_bytes();
    let mail = format!("p{number}@codec.test");
    entry(
        dn,
        &[
            ("objectGUID", &guid),
            ("objectClass", b"user"),
            ("sAMAccountName", format!("p{number}").as_bytes()),
            ("userAccountControl", b"512"),
            ("mail", mail.as_bytes()),
        ],
    )
}

/// The entries due, and the cookie of the next page: two people a page.
fn answer(request: &LdapSearchRequest, cookie: &[u8]) -> (Vec<LdapOp>, Vec<u8>) {
    match (request.scope.clone(), request.base.as_str()) {
        (LdapSearchScope::Base, "") => {
            let attributes: [(&str, &[u8]); 3] = [
                ("defaultNamingContext", BASE.as_bytes()),
                ("supportedCapabilities", b"1.2.840.113556.1.4.800"),
                ("supportedControl", b"1.2.840.113556.1.4.319"),
            ];
            (vec![entry(String::new(), &attributes)], Vec::new())
        }
        (LdapSearchScope::Base, base) => (vec![entry(base.to_owned(), &[])], Vec::new()),
        _ if format!("{:?}", request.filter).contains("person") => {
            let from: u128 = std::str::from_utf8(cookie).unwrap().parse().unwrap_or(0);
            let to = (from + 2).min(PEOPLE);
            let next = if to < PEOPLE { to.to_string().into_bytes() } else { Vec::new() };
            ((from..to).map(person).collect(), next)
        }
        _ => {
            let attributes: [(&str, &[u8]); 4] = [
                ("objectGUID", &[0xff; 16]),
                ("objectClass", b"group"),
                ("cn", b"Pro"),
                ("member", b"cn=P1, dc=Codec,dc=TEST"),
            ];
            (vec![entry(format!("CN=Pro,{BASE}"), &attributes)], Vec::new())
        }
    }
}

async fn serve(stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut framed = Framed::new(stream, LdapCodec::new(Some(1 << 20), None));
    while let Some(Ok(LdapMsg { msgid, op, ctrl })) = framed.next().await {
        let message = |op: LdapOp, ctrl: Vec<LdapControl>| LdapMsg { msgid, op, ctrl };
        match op {
            LdapOp::BindRequest(bind) => {
                assert_eq!(bind.dn, "svc@codec.test");
                assert!(matches!(&bind.cred, LdapBindCred::Simple(password) if password == "right"));
                let done = LdapOp::BindResponse(LdapBindResponse { res: ok(), saslcreds: None });
                framed.send(message(done, Vec::new())).await.unwrap();
            }
            LdapOp::SearchRequest(request) => {
                let paged = ctrl.iter().find_map(|control| match control {
                    LdapControl::SimplePagedResults { size, cookie } => Some((*size, cookie.clone())),
                    _ => None,
                });
                if let Some((size, _)) = &paged {
                    assert_eq!(*size, 2);
                }
                let (entries, next) = answer(&request, paged.as_ref().map_or(&[], |(_, cookie)| cookie));
                for entry in entries {
                    framed.send(message(entry, Vec::new())).await.unwrap();
                }
                let control = paged.map(|_| LdapControl::SimplePagedResults { size: 0, cookie: next });
                framed.send(message(LdapOp::SearchResultDone(ok()), control.into_iter().collect())).await.unwrap();
            }
            LdapOp::UnbindRequest => return,
            other => panic!("unexpected {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_independent_codec_understands_us_and_we_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ldap://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    let mut directory = Ldap::new(LdapSettings {
        allow_cleartext: true,
        page_size: 2,
        user_filter: Some("(!(description=a\\2ab))".to_owned()),
        ..LdapSettings::new(vec![LdapUrl::parse(&url).unwrap()], BASE, "svc@codec.test", "right".into())
    });
    let reading = directory.read_whole().await.unwrap();
    let mut names: Vec<&str> = reading.people.iter().filter_map(|person| person.account_name.as_deref()).collect();
    names.sort_unstable();
    assert_eq!(names, ["p0", "p1", "p2", "p3", "p4"]);
    assert_eq!(reading.groups[0].guid, ObjectGuid::from_bytes([0xff; 16]));
    assert_eq!(reading.groups[0].members.len(), 1);
    server.await.unwrap();
}
