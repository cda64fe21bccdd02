//! A server that offers to tell what changes, and then fails when it is asked: what is read is right, and it is said why.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fake_ldap;

use fake_ldap::{Act, BASE, BIND_DN, FakeLdap, Kind, PASSWORD, Request, Script, entry, result};
use seatsync::directory::ldap::{Ldap, LdapSettings, LdapUrl};
use seatsync::directory::{Cursor, Directory, DirectoryError, Read};
use seatsync::model::{Memory, Origin, Rules, Wanted};
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// What is logged for an operator.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl<S: tracing::Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= tracing::Level::INFO {
            let mut line = Line(String::new());
            event.record(&mut line);
            self.0.lock().unwrap().push(line.0);
        }
    }
}

/// One directory, read again and again.
struct Reader {
    runtime: tokio::runtime::Runtime,
    ldap: Ldap,
    log: Log,
    cursor: Option<Cursor>,
}

impl Reader {
    fn of(server: &FakeLdap) -> Self {
        let url = LdapUrl::parse(&server.url).unwrap();
        let settings = LdapSettings {
            allow_cleartext: true,
            page_size: 100,
            ..LdapSettings::new(vec![url], BASE, BIND_DN, PASSWORD.into())
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, ldap: Ldap::new(settings).following(), log: Log::default(), cursor: None }
    }

    fn read(&mut self) -> Result<Read, DirectoryError> {
        let (rules, memory) = (Rules::default(), Memory::empty(Origin::Known));
        let wanted = Wanted { rules: &rules, memory: &memory, names: &[], accounts: &[], whole: false };
        let _heard = tracing::subscriber::set_default(tracing_subscriber::registry().with(self.log.clone()));
        let read = self.runtime.block_on(self.ldap.read(&wanted, self.cursor.take().as_ref()));
        self.cursor = read.as_ref().ok().and_then(|read| read.cursor.clone());
        read
    }

    /// What was logged since the last look, of which this is a part.
    fn logged(&self, part: &str) -> Vec<String> {
        let lines = std::mem::take(&mut *self.log.0.lock().unwrap());
        lines.into_iter().filter(|line| line.contains(part)).collect()
    }
}

/// The rootDSE of a server that offers DirSync; its schema is looked at first.
fn root(id: u32, usn: &str) -> Vec<u8> {
    let offered = ["1.2.840.113556.1.4.319", "1.2.840.113556.1.4.529", "1.2.840.113556.1.4.841"];
    let attributes = [
        ("defaultNamingContext", vec![BASE]),
        ("schemaNamingContext", vec!["CN=Schema"]),
        ("dsServiceName", vec!["CN=dc1"]),
        ("highestCommittedUSN", vec![usn]),
        ("supportedControl", offered.to_vec()),
    ];
    let attributes = attributes.map(|(name, values)| (name.to_owned(), values.into_iter().map(Into::into).collect()));
    [entry(id, "", &attributes), result(id, 0x65, 0, "", &[])].concat()
}

/// A server that offers DirSync, and does otherwise what `twist` says.
fn serve(twist: impl Fn(&Request, Vec<u8>) -> Act + Send + Sync + 'static) -> FakeLdap {
    FakeLdap::start(Script::twisted(move |request, due| match request.kind {
        Kind::Root => Act::Send(root(request.id, "77")),
        _ => twist(request, due),
    }))
}

/// Whether it is the first of all questions that look like groups: about the schema.
fn is_about_schema(request: &Request, asked: &AtomicUsize) -> bool {
    matches!(request.kind, Kind::Groups { .. }) && asked.fetch_add(1, Ordering::SeqCst) == 0
}

/// What was asked so far. When a goodbye comes is a matter of chance.
fn kinds(server: &FakeLdap) -> Vec<Kind> {
    server.log().into_iter().map(|request| request.kind).filter(|kind| *kind != Kind::Unbind).collect()
}

#[test]
fn a_server_that_breaks_off_when_asked_for_changes_is_read_whole_and_not_asked_at_each_read() {
    let asked = AtomicUsize::new(0);
    let server = serve(move |request, due| match is_about_schema(request, &asked) {
        true => Act::SendAndClose(Vec::new()),
        false => Act::Send(due),
    });
    let mut reader = Reader::of(&server);
    assert!(reader.read().unwrap().cursor.is_none());
    let told = "everything is read, because asking for changes failed: reading the schema: it closed the connection; \
                it is tried again in an hour";
    assert_eq!(reader.logged("asking for changes"), [told]);
    // What is at the other end is asked once more: it may be another machine.
    let bind = Kind::Bind { name: BIND_DN.to_owned(), password: PASSWORD.to_owned() };
    let begin = [bind, Kind::Root, Kind::Base(BASE.to_owned())];
    let groups = [Kind::Groups { offset: 0 }];
    assert_eq!(kinds(&server)[..7], [&begin[..], &groups, &begin].concat());
    let before = kinds(&server).len();
    assert!(reader.read().unwrap().cursor.is_none());
    let again = &kinds(&server)[before..];
    assert_eq!(again[..begin.len()], begin);
    // The groups themselves, and nothing about the schema.
    assert_eq!(again.iter().filter(|kind| **kind == groups[0]).count(), 1, "{again:?}");
    assert_eq!(reader.logged("asking for changes"), [""; 0]);
}

#[test]
fn another_machine_behind_the_name_that_does_not_hold_the_base_is_not_read() {
    let (asked, bases) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let server = serve(move |request, due| match request.kind {
        Kind::Groups { .. } if is_about_schema(request, &asked) => Act::SendAndClose(Vec::new()),
        Kind::Base(_) if bases.fetch_add(1, Ordering::SeqCst) > 0 => Act::Send(result(request.id, 0x65, 32, "", &[])),
        _ => Act::Send(due),
    });
    match Reader::of(&server).read() {
        Err(DirectoryError::Refused { message }) => assert!(message.contains("base_dn"), "{message}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_connection_lost_between_two_reads_is_no_word_about_the_next_pass() {
    let roots = AtomicUsize::new(0);
    // The schema does not know the attributes: it is only asked whether anything has changed, of the rootDSE.
    let server = FakeLdap::start(Script::twisted(move |request, due| match request.kind {
        Kind::Root => match roots.fetch_add(1, Ordering::SeqCst) {
            0 | 2 => Act::Send(root(request.id, "77")),
            1 | 3 => Act::SendAndClose(Vec::new()),
            _ => Act::Send(root(request.id, "78")),
        },
        _ => Act::Send(due),
    }));
    let mut reader = Reader::of(&server);
    assert!(reader.read().unwrap().cursor.is_some());
    assert!(reader.read().unwrap().cursor.is_some());
    let told = "the directory is read from the beginning: reading the rootDSE: it closed the connection";
    assert_eq!(reader.logged("from the beginning"), [told]);
}
