//! A server that answers from a script, and what is asked of whichever server.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::directory::ldap::ber::{self, encode, integer};
use crate::directory::ldap::settings::LdapUrl;
use crate::model::ObjectGuid;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Bytes that may be under way.
const PIPE_BYTES: usize = 1024 * 1024;

/// A server that answers each request with the next answer, whatever it is, and closes the connection after the last one.
pub(in super::super) struct Scripted {
    answers: Vec<Vec<Vec<u8>>>,
    after: Duration,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Scripted {
    pub(in super::super) fn new() -> Self {
        Self { answers: Vec::new(), after: Duration::ZERO, asked: Arc::default() }
    }

    /// Each answer comes so long after its request.
    pub(in super::super) fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    /// These messages, each without its number, in answer to the next request.
    pub(in super::super) fn answer(mut self, messages: Vec<Vec<u8>>) -> Self {
        self.answers.push(messages);
        self
    }

    /// The requests as they will have come.
    pub(in super::super) fn asked(&self) -> Arc<Mutex<Vec<Vec<u8>>>> {
        self.asked.clone()
    }

    /// A session with it, as a domain controller.
    pub(in super::super) fn talk(self) -> (Session, LdapSettings, Server) {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        tokio::spawn(self.serve(theirs));
        let settings = settings();
        (Session::start(Box::new(ours), &settings), settings, domain_controller())
    }

    async fn serve(self, mut wire: DuplexStream) {
        let Self { answers, after, asked } = self;
        for messages in answers {
            let mut request = Vec::new();
            while ber::frame(&request, PIPE_BYTES).unwrap().is_none_or(|length| length > request.len()) {
                if wire.read_buf(&mut request).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let (id, _) = ber::envelope(&request).unwrap();
            asked.lock().unwrap().push(request);
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            for message in messages {
                let whole = encode(ber::SEQUENCE, &[integer(i64::from(id)), message].concat());
                // Who asks may be gone.
                if wire.write_all(&whole).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// An entry, and the controls that come with it.
pub(in super::super) fn entry_message(body: &[u8], controls: &[u8]) -> Vec<u8> {
    with_controls(encode(ber::SEARCH_ENTRY, body), controls)
}

/// The end of an answer, and the controls that come with it.
pub(in super::super) fn done(code: u8, controls: &[u8]) -> Vec<u8> {
    let nothing = encode(ber::OCTET_STRING, b"");
    let body = [vec![ber::ENUMERATED, 1, code], nothing.clone(), nothing].concat();
    with_controls(encode(ber::SEARCH_DONE, &body), controls)
}

fn with_controls(mut operation: Vec<u8>, controls: &[u8]) -> Vec<u8> {
    if !controls.is_empty() {
        operation.extend(encode(ber::CONTROLS, controls));
    }
    operation
}

fn settings() -> LdapSettings {
    LdapSettings {
        allow_cleartext: true,
        page_size: 100,
        ..LdapSettings::new(
            vec![LdapUrl::parse("ldap://dc1.ad.test").unwrap()],
            "DC=ad,DC=test",
            "reader",
            "secret".into(),
        )
    }
}

/// What it says of itself.
pub(in super::super) fn domain_controller() -> Server {
    Server {
        is_active_directory: true,
        is_samba: false,
        pages: true,
        extended_dn: true,
        kind: "Active Directory".to_owned(),
        notifies: false,
        syncs: false,
        contexts: vec!["DC=ad,DC=test".to_owned()],
        current_time: None,
        dirsync: true,
        domain: Some("DC=ad,DC=test".to_owned()),
        schema: Some("CN=Schema".to_owned()),
        service: Some("CN=dc1".to_owned()),
        usn: Some(77),
    }
}

fn mark() -> Mark {
    Mark::new(&settings(), &domain_controller(), Way::Still { usn: 77 }).after("ldap://dc1".to_owned(), 5, Some(9))
}

#[test]
fn a_mark_is_the_same_behind_a_cursor_and_what_is_none_of_ours_is_no_mark() {
    for way in [
        Way::Still { usn: u64::MAX },
        Way::DirSync { cookie: vec![0, 255], as_anybody: true },
        Way::Syncrepl { context: "dc=x".to_owned(), cookie: b"rid=000".to_vec(), forgets: true },
    ] {
        let mark = mark().on(way, None);
        assert_eq!(Mark::read(&mark.written().unwrap()), Some(mark));
    }
    let written = mark().written().unwrap();
    for bytes in [&b""[..], b"garbage", b"{}", b"null", &written.as_bytes()[1..]] {
        assert_eq!(Mark::read(&crate::directory::Cursor::new(bytes.to_vec())), None);
    }
}

#[test]
fn a_mark_counts_for_the_server_and_the_settings_it_was_made_with() {
    let (settings, server, mark) = (settings(), domain_controller(), mark());
    let objection = |settings: &LdapSettings, url: &str, server: &Server| mark.objection(settings, url, server);
    assert_eq!(objection(&settings, "ldap://dc1", &server), None);
    assert_eq!(objection(&settings, "ldap://dc1", &Server { usn: Some(78), ..server.clone() }), None);
    for usn in [Some(76), None] {
        let why = objection(&settings, "ldap://dc1", &Server { usn, ..server.clone() });
        assert!(why.unwrap().contains("set back"), "{usn:?}");
    }
    let other = Server { service: Some("CN=dc2".to_owned()), ..server.clone() };
    assert!(objection(&settings, "ldap://dc1", &other).unwrap().contains("another server"));
    assert!(objection(&settings, "ldap://dc2", &server).unwrap().contains("another server"));
    for other in [
        LdapSettings { base_dn: "DC=test".to_owned(), ..settings.clone() },
        LdapSettings { bind_dn: "other".to_owned(), ..settings.clone() },
        LdapSettings { user_filter: Some("(a=b)".to_owned()), ..settings.clone() },
        LdapSettings { email_attributes: vec!["cn".to_owned()], ..settings.clone() },
    ] {
        assert!(objection(&other, "ldap://dc1", &server).unwrap().contains("configuration"));
    }
}

#[tokio::test]
async fn a_reading_of_what_is_mapped_is_only_asked_whether_anything_has_changed() {
    let root = |usn: &[u8]| {
        let root: &[(&str, &[&[u8]])] = &[("dsServiceName", &[b"CN=dc1"]), ("highestCommittedUSN", &[usn])];
        vec![entry_message(&crate::directory::ldap::entry::tests::encoded("", root), &[]), done(0, &[])]
    };
    let (mut session, settings, mut server) = Scripted::new().answer(root(b"77")).answer(root(b"78")).talk();
    let followed = follow(&mut session, &settings, &mut server, mark(), true).await.unwrap();
    assert_eq!(followed, Ok((Delta::default(), mark())));
    let followed = follow(&mut session, &settings, &mut server, mark(), true).await.unwrap();
    assert_eq!(followed, Err(Doubt::Untold));
}

#[tokio::test]
async fn a_mark_goes_on_with_the_number_of_the_latest_change_where_that_costs_nothing_more() {
    let guid: &[&[u8]] = &[&[1; 16]];
    let cookie = |cookie: &[u8]| {
        let value = encode(ber::SEQUENCE, &[integer(0), integer(0), encode(ber::OCTET_STRING, cookie)].concat());
        let oid = encode(ber::OCTET_STRING, super::super::schema::CONTROL_DIRSYNC.as_bytes());
        encode(ber::SEQUENCE, &[oid, encode(ber::OCTET_STRING, &value)].concat())
    };
    let told = |attributes: &[(&str, &[&[u8]])]| {
        entry_message(&crate::directory::ldap::entry::tests::encoded("CN=a,DC=ad,DC=test", attributes), &[])
    };
    let root: &[(&str, &[&[u8]])] = &[
        ("defaultNamingContext", &[b"DC=ad,DC=test"]),
        ("dsServiceName", &[b"CN=dc1"]),
        ("highestCommittedUSN", &[b"90"]),
    ];
    let scripted = Scripted::new()
        .answer(vec![done(0, &cookie(b"one"))])
        // Somebody was deleted; then the rootDSE, and the base.
        .answer(vec![told(&[("objectGUID", guid), ("isDeleted", &[b"TRUE"])]), done(0, &cookie(b"two"))])
        .answer(vec![told(root), done(0, &[])])
        .answer(vec![told(&[]), done(0, &[])]);
    let asked = scripted.asked();
    let (mut session, settings, mut server) = scripted.talk();
    let mark = mark().on(Way::DirSync { cookie: b"before".to_vec(), as_anybody: false }, None);

    // Of a connection that is new, the number is known.
    server.usn = Some(80);
    let (delta, mark) = follow(&mut session, &settings, &mut server, mark, false).await.unwrap().unwrap();
    assert_eq!((delta, asked.lock().unwrap().len()), (Delta::default(), 1));
    let (delta, mark) = follow(&mut session, &settings, &mut server, mark, false).await.unwrap().unwrap();
    assert_eq!((delta.gone.len(), asked.lock().unwrap().len()), (1, 4));
    // The next read over this connection knows it too.
    assert_eq!(mark.objection(&settings, "ldap://dc1", &server), None);
    let back = |usn| Server { usn: Some(usn), ..domain_controller() };
    assert!(mark.objection(&settings, "ldap://dc1", &back(89)).unwrap().contains("set back"));
    assert_eq!(mark.objection(&settings, "ldap://dc1", &back(90)), None);
}

#[tokio::test]
async fn a_renamed_entry_that_is_no_leaf_is_a_doubt_and_a_renamed_contact_is_hidden() {
    let guid = ObjectGuid::from_bytes([1; 16]);
    for (class, is_leaf) in [(&b"contact"[..], true), (b"organizationalUnit", false), (b"nTFRSSettings", false)] {
        let mut changes = Changes::new(10);
        changes.seen(guid, changes::Seen { moved: true, ..changes::Seen::default() });
        let there: &[(&str, &[&[u8]])] = &[("objectGUID", &[&[1; 16]]), ("objectClass", &[b"top", class])];
        let there = entry_message(&crate::directory::ldap::entry::tests::encoded("CN=x,DC=ad,DC=test", there), &[]);
        let (mut session, settings, server) = Scripted::new()
            .answer(vec![there.clone(), done(0, &[])])
            .answer(vec![done(0, &[])])
            .answer(vec![done(0, &[])])
            .answer(vec![there, done(0, &[])])
            .talk();
        match look::again(&mut session, &settings, &server, changes).await.unwrap() {
            Ok(delta) => assert!(is_leaf && delta.hidden == [guid]),
            Err(why) => assert!(!is_leaf && why.to_string().contains("renamed or moved")),
        }
    }
}

#[tokio::test]
async fn a_base_that_has_vanished_is_a_failure_and_hides_nobody() {
    let mut changes = Changes::new(10);
    changes.gone(ObjectGuid::from_bytes([1; 16]));
    let (mut session, settings, server) = Scripted::new().answer(vec![done(32, &[])]).talk();
    let looked = look::again(&mut session, &settings, &server, changes).await;
    assert!(looked.unwrap_err().message.contains("base_dn"));
}
