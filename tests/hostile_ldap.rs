//! What no directory server, broken or hostile, may do to us: shorten a reading, take a person's seat by it, eat our
//! memory, hang us, or make us panic. Each case asserts the kind of error and the words an operator gets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fake_ldap;

use fake_ldap::{Act, BASE, BIND_DN, FakeLdap, Kind, PASSWORD, Request, Script, Tls, ber, message, result};
use rcgen::{CertificateParams, Issuer, KeyPair};
use seatsync::directory::ldap::{Ldap, LdapSettings, LdapUrl, ProbeResult, ReadLimits, check_ca_file};
use seatsync::directory::{Directory, DirectoryError};
use seatsync::model::Reading;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Long enough for an honest answer on a busy machine.
const PATIENT: Duration = Duration::from_secs(60);
/// For servers that never answer.
const IMPATIENT: Duration = Duration::from_millis(300);
/// More memory than any of these cases may take, in KiB.
const MEMORY_KIB_MAX: u64 = 400 * 1024;

fn settings(urls: &[&str]) -> LdapSettings {
    LdapSettings {
        allow_cleartext: true,
        page_size: 100,
        timeout: PATIENT,
        ..LdapSettings::new(
            urls.iter().map(|url| LdapUrl::parse(url).unwrap()).collect(),
            BASE,
            BIND_DN,
            PASSWORD.into(),
        )
    }
}

fn run(settings: LdapSettings) -> Result<Reading, DirectoryError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(Ldap::new(settings).read_whole())
}

fn read(script: Script) -> Result<Reading, DirectoryError> {
    let server = FakeLdap::start(script);
    run(settings(&[&server.url]))
}

#[track_caller]
fn incomplete(outcome: Result<Reading, DirectoryError>, words: &[&str]) {
    match outcome {
        Err(DirectoryError::Incomplete { message }) => assert_words(&message, words),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(outcome: Result<Reading, DirectoryError>, words: &[&str]) {
    match outcome {
        Err(DirectoryError::Refused { message }) => assert_words(&message, words),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn unavailable(outcome: Result<Reading, DirectoryError>, words: &[&str]) {
    match outcome {
        Err(DirectoryError::Unavailable { message }) => assert_words(&message, words),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_words(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "{message:?} lacks {word:?}");
    }
    assert!(!message.contains(PASSWORD), "{message}");
}

/// The most memory this process ever had, in KiB; meaningful where each test is a process of its own.
#[track_caller]
fn assert_memory_is_bounded() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kib < MEMORY_KIB_MAX, "{kib} KiB");
}

/// Answers one kind of request differently.
fn on(wanted: fn(&Kind) -> bool, act: impl Fn(&Request, Vec<u8>) -> Act + Send + Sync + 'static) -> Script {
    Script::twisted(move |request, due| if wanted(&request.kind) { act(request, due) } else { Act::Send(due) })
}

fn is_bind(kind: &Kind) -> bool {
    matches!(kind, Kind::Bind { .. })
}

fn is_people(kind: &Kind) -> bool {
    matches!(kind, Kind::People { .. })
}

#[test]
fn an_honest_server_is_read() {
    let reading = read(Script { people: 450, ..Script::default() }).unwrap();
    assert_eq!((reading.people.len(), reading.groups.len(), reading.referrals), (450, 2, 0));
    assert_eq!(reading.groups.iter().map(|group| group.members.len()).sum::<usize>(), 6);
}

#[test]
fn a_server_without_paging_is_read_at_once() {
    let reading = read(Script { people: 450, paged: false, ..Script::default() }).unwrap();
    assert_eq!(reading.people.len(), 450);
}

#[test]
fn torn_messages_are_put_together() {
    let script = Script::twisted(|_, due| Act::Trickle(due));
    assert_eq!(read(script).unwrap().people.len(), 10);
}

#[test]
fn references_are_counted_and_not_followed() {
    let reading = read(on(is_people, |request, due| {
        Act::Send([message(request.id, 0x73, &ber(0x04, b"ldap://other/dc=x"), &[]), due].concat())
    }));
    assert_eq!(reading.unwrap().referrals, 1);
}

/// With the root of a domain as base every Active Directory sends these three.
#[test]
fn references_to_where_no_people_are_are_not_counted() {
    let reading = read(on(is_people, |request, due| {
        let reference = |url: &str| message(request.id, 0x73, &ber(0x04, url.as_bytes()), &[]);
        Act::Send(
            [
                reference("ldap://fake.test/CN=Configuration,DC=fake,DC=test"),
                reference("ldap://DomainDnsZones.fake.test/DC=DomainDnsZones,DC=fake,DC=test"),
                reference("ldap://ForestDnsZones.fake.test/DC=ForestDnsZones,DC=fake,DC=test"),
                reference("ldap://emea.fake.test/DC=emea,DC=fake,DC=test"),
                due,
            ]
            .concat(),
        )
    }));
    let reading = reading.unwrap();
    assert_eq!((reading.people.len(), reading.referrals), (10, 1));
}

#[test]
fn forced_ranges_are_followed_to_the_end() {
    for members in [1_499, 1_500, 1_501, 3_000] {
        let script = Script {
            people: 3_000,
            groups: vec![("Big".to_owned(), (0..members).collect())],
            range_step: Some(1_500),
            ..Script::default()
        };
        let reading = read(script).unwrap();
        let mut members_read = reading.groups[0].members.clone();
        members_read.sort();
        members_read.dedup();
        assert_eq!((members_read.len(), reading.groups[0].members.len()), (members, members));
    }
}

#[test]
fn members_that_move_between_ranges_are_not_missed() {
    let server = FakeLdap::start(Script {
        people: 200,
        groups: vec![("Big".to_owned(), (0..200).collect())],
        range_step: Some(100),
        twist: Some(Arc::new(move |request, due| {
            // While the second part is asked for the first time, somebody leaves the first part.
            let shifted = Script {
                people: 200,
                groups: vec![("Big".to_owned(), (1..200).collect())],
                range_step: Some(100),
                ..Script::default()
            };
            match request.kind {
                Kind::Group { .. } => Act::Send(shifted.answer_to(request)),
                _ => Act::Send(due),
            }
        })),
        ..Script::default()
    });
    let reading = run(settings(&[&server.url])).unwrap();
    assert_eq!(reading.groups[0].members.len(), 199);
}

#[test]
fn ranges_without_progress_end() {
    for range in ["0-99", "99-99", "200-*", "x-y"] {
        let script = Script {
            people: 0,
            groups: vec![("Big".to_owned(), (0..300).collect())],
            range_step: Some(100),
            twist: Some(Arc::new(move |request, due| match &request.kind {
                Kind::Group { dn, .. } => {
                    let last = fake_ldap::person_dn(99).into_bytes();
                    let attributes = [
                        ("objectGUID".to_owned(), vec![[vec![1; 8], vec![0; 8]].concat()]),
                        (format!("member;range={range}"), vec![last]),
                    ];
                    let done = result(request.id, 0x65, 0, "", &[]);
                    Act::Send([fake_ldap::entry(request.id, dn, &attributes), done].concat())
                }
                _ => Act::Send(due),
            })),
            ..Script::default()
        };
        incomplete(read(script), &["CN=Big"]);
    }
}

#[test]
fn no_page_but_a_good_one_counts() {
    for (code, words) in [
        (3, "timeLimitExceeded (3)"),
        (4, "sizeLimitExceeded (4)"),
        (10, "referral (10)"),
        (11, "adminLimitExceeded (11)"),
        (51, "busy (51)"),
        (52, "unavailable (52)"),
        (53, "unwillingToPerform (53)"),
    ] {
        let script = Script {
            people: 500,
            twist: Some(Arc::new(move |request, due| match request.kind {
                Kind::People { offset: 200 } => {
                    let some = fake_ldap::person(request.id, 200);
                    Act::Send([some, result(request.id, 0x65, code, "own words", &[])].concat())
                }
                _ => Act::Send(due),
            })),
            ..Script::default()
        };
        // What passes by itself is said to.
        let again = if matches!(code, 51 | 52) { "going down; the next pass tries again" } else { "" };
        incomplete(read(script), &["the people", "on page 3", words, "own words", again]);
    }
}

#[test]
fn a_cut_in_the_middle_of_a_page_is_no_end() {
    let cut = |request: &Request, due: Vec<u8>| match request.kind {
        Kind::People { offset: 100 } => Act::SendAndClose(due[..due.len() / 2].to_vec()),
        _ => Act::Send(due),
    };
    let script = Script { people: 300, ..Script::twisted(cut) };
    incomplete(
        read(script),
        &["the people", "closed the connection", "middle of a message; the next pass tries again"],
    );
}

#[test]
fn a_server_that_says_goodbye_is_quoted() {
    let script = on(is_people, |_, _| {
        let body = [ber(0x0a, &[52]), ber(0x04, b""), ber(0x04, b"going down for maintenance")].concat();
        // Active Directory puts the name of the notice outside of it.
        Act::SendAndClose(message(0, 0x78, &body, &ber(0x8a, b"1.3.6.1.4.1.1466.20036")))
    });
    incomplete(read(script), &["it disconnected us: unavailable (52): going down for maintenance"]);
}

#[test]
fn hostile_encodings_are_refused_in_little_memory() {
    let levels = [0x30, 0x80].repeat(200_000);
    let nested: Vec<u8> = (0..200_000_u32)
        .rev()
        .flat_map(|level| {
            let length = (level * 6).to_be_bytes();
            [0x30, 0x84, length[0], length[1], length[2], length[3]]
        })
        .collect();
    for (bytes, words) in [
        (vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff], "2147483647 bytes"),
        (levels, "indefinite length"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "no LDAP message"),
    ] {
        let script = on(is_people, move |_, _| Act::SendAndClose(bytes.clone()));
        incomplete(read(script), &["broke the protocol", words]);
    }
    for (tag, body, words) in [
        (0x64, nested.clone(), "name of an entry with the tag 0x30"),
        (0x65, nested, "nested deeper"),
        (0x65, ber(0x02, &[0]), "result code"),
        (0x61, Vec::new(), "to a search"),
    ] {
        let script = on(is_people, move |request, _| Act::SendAndClose(message(request.id, tag, &body, &[])));
        incomplete(read(script), &["broke the protocol", words]);
    }
    assert_memory_is_bounded();
}

#[test]
fn a_malformed_paging_control_is_no_last_page() {
    for value in [&b""[..], b"junk", &[0x30, 0x80], &[0x30, 3, 2, 1, 0]] {
        let control = fake_ldap::control("1.2.840.113556.1.4.319", value);
        let script = on(is_people, move |request, _| Act::Send(result(request.id, 0x65, 0, "", &control)));
        incomplete(read(script), &["paged results control"]);
    }
}

#[test]
fn cookies_have_an_end() {
    let script = on(is_people, |request, _| {
        let page = [fake_ldap::person(request.id, 0), result(request.id, 0x65, 0, "", &fake_ldap::paged(&[7; 65_537]))];
        Act::Send(page.concat())
    });
    incomplete(read(script), &["paged results control", "a cookie of 65537 bytes, more than the 65536 allowed"]);
}

/// As a proxy makes it that knows nothing of controls in answers: what is a page looks like the whole.
#[test]
fn a_full_page_without_a_word_of_the_rest_is_no_last_page() {
    let stripped = |people: usize| {
        let script = on(is_people, move |request, _| {
            let page = (0..people.min(fake_ldap::PAGE)).flat_map(|index| fake_ldap::person(request.id, index));
            Act::Send(page.chain(result(request.id, 0x65, 0, "", &[])).collect())
        });
        read(Script { people, ..script })
    };
    for people in [100, 450] {
        incomplete(stripped(people), &["the people", "page 1", "all 100 entries", "proxy", "urls"]);
    }
    // Not every server says of a page with room left that nothing follows.
    assert_eq!(stripped(99).unwrap().people.len(), 99);
}

#[test]
fn a_malformed_answer_to_the_bind_is_no_bind() {
    let script = on(is_bind, |request, _| Act::Send(message(request.id, 0x61, &ber(0x0a, &[]), &[])));
    unavailable(read(script), &["bind", "result code"]);
}

#[test]
fn pages_in_a_circle_end() {
    let script = on(is_people, |request, _| {
        let page = [fake_ldap::person(request.id, 0), result(request.id, 0x65, 0, "", &fake_ldap::paged(b"again"))];
        Act::Send(page.concat())
    });
    incomplete(read(script), &["round in circles"]);
}

#[test]
fn a_page_without_end_is_cut() {
    let script = on(is_people, |request, _| Act::Forever(fake_ldap::person(request.id, 0)));
    incomplete(read(script), &["ignores the page size", "100 entries"]);
    let unpaged = Script { paged: false, ..on(is_people, |request, _| Act::Forever(fake_ldap::person(request.id, 0))) };
    let server = FakeLdap::start(unpaged);
    let limits = ReadLimits { read_bytes_max: 20 * 1024 * 1024, ..ReadLimits::default() };
    incomplete(run(LdapSettings { limits, ..settings(&[&server.url]) }), &["more than the 20971520 bytes"]);
    assert_memory_is_bounded();
}

#[test]
fn what_one_read_may_keep_is_bounded() {
    let server = FakeLdap::start(Script { people: 10_000, ..Script::default() });
    let limits = ReadLimits { kept_bytes_max: 1 << 20, ..ReadLimits::default() };
    let settings = LdapSettings { limits, ..settings(&[&server.url]) };
    incomplete(run(settings), &["reading the people", "1 MiB that memory_max_mib allows"]);
}

#[test]
fn a_flood_that_nobody_asked_for_is_cut() {
    for id in [0, 77] {
        let script = on(is_people, move |_, _| Act::Forever(result(id, 0x78, 0, "", &[])));
        incomplete(read(script), &["more than 1000 messages that nobody asked for"]);
    }
    assert_memory_is_bounded();
}

#[test]
fn a_server_that_hangs_is_left() {
    for (wanted, kind) in [(is_bind as fn(&Kind) -> bool, "bind"), (is_people, "the people")] {
        let server = FakeLdap::start(on(wanted, |_, _| Act::Hang));
        let began = Instant::now();
        let outcome = run(LdapSettings { timeout: IMPATIENT, ..settings(&[&server.url]) });
        match outcome {
            Err(DirectoryError::Unavailable { message }) if kind == "bind" => assert_words(&message, &[kind, "300ms"]),
            Err(DirectoryError::Incomplete { message }) => assert_words(&message, &[kind, "300ms", "page_size"]),
            other => panic!("{other:?}"),
        }
        assert!(began.elapsed() < PATIENT);
    }
}

#[test]
fn a_server_that_hangs_before_the_bind_is_left() {
    let trust = trust(&["127.0.0.1"], |_| {});
    // It lets the system accept connections, and never looks at them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    for (scheme, starttls, words) in [
        ("ldaps", false, "TLS handshake within 300ms"),
        ("ldap", true, "StartTLS within 300ms"),
        ("ldap", false, "bind within 300ms"),
    ] {
        let settings = trusting(&trust, &format!("{scheme}://{address}"));
        unavailable(run(LdapSettings { starttls, timeout: IMPATIENT, allow_cleartext: true, ..settings }), &[words]);
    }
}

#[test]
fn a_check_goes_as_far_as_it_can_and_spares_the_account() {
    let (one, two) = (FakeLdap::start(Script::default()), FakeLdap::start(Script::default()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let probe = |settings: LdapSettings| -> Vec<(String, &str, bool)> {
        let steps = runtime.block_on(Ldap::new(settings).probe());
        steps.into_iter().map(|step| (step.url, step.name, matches!(step.result, ProbeResult::Good(_)))).collect()
    };
    // This server does not know its bind account, and so nothing of its password.
    let good = [("reach", true), ("tls", true), ("bind", true), ("server", true), ("base", true)];
    let good = good.into_iter().chain([("password", false), ("changes", true)]);
    let good: Vec<_> = good.map(|(name, fine)| (one.url.clone(), name, fine)).collect();
    assert_eq!(probe(settings(&[&one.url])), good);
    let wrong = LdapSettings { bind_password: "battery staple".into(), ..settings(&[&one.url, &two.url]) };
    let bad = |url: &str| ["reach", "tls", "bind"].map(|name| (url.to_owned(), name, name != "bind"));
    assert_eq!(probe(wrong), [bad(&one.url), bad(&two.url)].concat());
    assert_eq!(two.binds(), 0);
}

/// When the password ends is good to know, and nothing that a whole reading may be lost by.
#[test]
fn what_is_asked_about_the_password_fails_no_read() {
    let asked = |request: &Request| request.kind == Kind::BindAccount;
    let twists: [fn(&Request) -> Act; 4] = [
        |_| Act::Hang,
        |request| Act::Send(result(request.id, 0x65, 50, "insufficient rights", &[])),
        |request| Act::SendAndClose(result(request.id, 0x65, 0, "", &[])[..4].to_vec()),
        |_| Act::Send(b"garbage".to_vec()),
    ];
    for twist in twists {
        let server = FakeLdap::start(Script::twisted(
            move |request, due| if asked(request) { twist(request) } else { Act::Send(due) },
        ));
        let reading = run(LdapSettings { timeout: IMPATIENT, ..settings(&[&server.url]) }).unwrap();
        assert_eq!((reading.people.len(), reading.groups.len()), (10, 2));
        assert!(server.log().iter().any(asked));
    }
}

#[test]
fn a_wrong_password_is_tried_once() {
    let (one, two) = (FakeLdap::start(Script::default()), FakeLdap::start(Script::default()));
    let wrong = LdapSettings { bind_password: "battery staple".into(), ..settings(&[&one.url, &two.url]) };
    refused(run(wrong), &[&one.url, "invalidCredentials (49)", "wrong user name or password"]);
    assert_eq!((one.binds(), two.binds()), (1, 0));
}

#[test]
fn an_empty_password_or_clear_text_is_refused_before_anything_is_sent() {
    let server = FakeLdap::start(Script::default());
    refused(run(LdapSettings { bind_password: "".into(), ..settings(&[&server.url]) }), &["password is empty"]);
    refused(run(LdapSettings { allow_cleartext: false, ..settings(&[&server.url]) }), &["clear text", "ldaps://"]);
    assert_eq!(server.log(), []);
}

#[test]
fn a_dead_server_is_left_for_the_next() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead_url = format!("ldap://{}", dead.local_addr().unwrap());
    drop(dead);
    let busy = FakeLdap::start(on(is_bind, |request, _| Act::Send(result(request.id, 0x61, 51, "", &[]))));
    let alive = FakeLdap::start(Script::default());
    assert_eq!(run(settings(&[&dead_url, &busy.url, &alive.url])).unwrap().people.len(), 10);
    unavailable(run(settings(&[&dead_url, &busy.url])), &[&dead_url, "refused", &busy.url, "busy (51)"]);
}

#[test]
fn the_next_read_begins_where_it_worked_and_leaves_who_broke() {
    let breaking = FakeLdap::start(on(is_people, |_, _| Act::SendAndClose(Vec::new())));
    let alive = FakeLdap::start(Script::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut ldap = Ldap::new(settings(&[&breaking.url, &alive.url]));
    incomplete(runtime.block_on(ldap.read_whole()), &[&breaking.url, "the people", "closed the connection"]);
    assert_eq!(alive.log(), []);
    for _ in 0..2 {
        assert_eq!(runtime.block_on(ldap.read_whole()).unwrap().people.len(), 10);
    }
    // Each read has two connections: for the people, and for the groups.
    assert_eq!((breaking.binds(), alive.binds()), (2, 4));
}

#[test]
fn a_wrong_base_is_named_with_what_there_is() {
    let server = FakeLdap::start(Script::default());
    let outcome = run(LdapSettings { base_dn: "DC=nope".to_owned(), ..settings(&[&server.url]) });
    refused(outcome, &["\"DC=nope\"", "noSuchObject (32)", BASE]);
}

// TLS.

/// A certificate authority in a file, and a server certificate of it.
struct Trust {
    file: tempfile::NamedTempFile,
    config: Arc<rustls::ServerConfig>,
}

fn trust(names: &[&str], adjust: impl Fn(&mut CertificateParams)) -> Trust {
    trust_of("Fake Authority", names, adjust)
}

fn trust_of(authority_name: &str, names: &[&str], adjust: impl Fn(&mut CertificateParams)) -> Trust {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, authority_name);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    adjust(&mut params);
    let certificate = params.signed_by(&key, &issuer).unwrap();
    serving(&certificate, &authority_certificate, &key)
}

fn serving(certificate: &rcgen::Certificate, authority: &rcgen::Certificate, key: &KeyPair) -> Trust {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    Trust { file, config: Arc::new(config) }
}

fn trusting(trust: &Trust, url: &str) -> LdapSettings {
    LdapSettings { ca_file: Some(trust.file.path().to_owned()), allow_cleartext: false, ..settings(&[url]) }
}

#[test]
fn tls_and_starttls_work_with_the_right_certificate() {
    let trust = trust(&["127.0.0.1"], |_| {});
    let server = FakeLdap::start(Script { tls: Tls::FromTheStart(trust.config.clone()), ..Script::default() });
    assert_eq!(run(trusting(&trust, &server.url)).unwrap().people.len(), 10);
    let server = FakeLdap::start(Script { tls: Tls::Start(trust.config.clone()), ..Script::default() });
    let starttls = LdapSettings { starttls: true, ..trusting(&trust, &server.url) };
    assert_eq!(run(starttls).unwrap().people.len(), 10);
    assert_eq!(server.log()[0].kind, Kind::StartTls);
}

/// A server that shows an authority's certificate as its own: what `openssl req -x509` makes.
fn self_signed() -> Trust {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    serving(&certificate, &certificate, &key)
}

#[test]
fn a_self_signed_certificate_of_a_server_can_be_trusted() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let made = serving(&certificate, &certificate, &key);
    let server = FakeLdap::start(Script { tls: Tls::FromTheStart(made.config.clone()), ..Script::default() });
    assert_eq!(run(trusting(&made, &server.url)).unwrap().people.len(), 10);
    let other = trust(&["127.0.0.1"], |_| {});
    refused(run(trusting(&other, &server.url)), &["is self-signed (CN=rcgen self signed cert)", "ca_file"]);
}

#[test]
fn a_ca_file_that_is_none_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("corp-ca.cer");
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    let pem = certificate.pem();
    for (bytes, words) in [
        (&certificate.der()[..], "openssl x509 -inform der -in "),
        (b"", "holds no PEM certificate"),
        (b"garbage", "holds no PEM certificate"),
        (key.serialize_pem().as_bytes(), "holds no PEM certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate 1 cannot be understood"),
        (&pem.as_bytes()[..pem.len() / 2], "PEM"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        assert_words(&check_ca_file(&path).unwrap_err(), &[words]);
    }
    std::fs::write(&path, &pem).unwrap();
    assert_eq!(check_ca_file(&path), Ok(()));
}

#[test]
fn certificates_that_are_not_good_enough_are_named() {
    let past = |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(2020, 1, 2);
    let future = |params: &mut CertificateParams| params.not_before = rcgen::date_time_ymd(2090, 1, 2);
    let namesake = trust(&["127.0.0.1"], |_| {});
    let other = trust_of("Other Authority", &["127.0.0.1"], |_| {});
    for (made, trusted, words) in [
        (trust(&["127.0.0.1"], past), None, "expired on 2020-01-02"),
        (trust(&["127.0.0.1"], future), None, "not valid before 2090-01-02"),
        (trust(&["dc7.fake.test"], |_| {}), None, "not for 127.0.0.1 but for dc7.fake.test"),
        (trust(&[], |_| {}), None, "no subjectAltName"),
        (trust(&["127.0.0.1"], |_| {}), Some(&other), "issued by CN=Fake Authority, which is not in ca_file /"),
        (
            trust(&["127.0.0.1"], |_| {}),
            Some(&namesake),
            "issued by CN=Fake Authority, and the certificate of that name in ca_file /",
        ),
        (self_signed(), Some(&other), "CA:TRUE"),
        (self_signed(), None, "basicConstraints=CA:FALSE"),
    ] {
        let server = FakeLdap::start(Script { tls: Tls::FromTheStart(made.config.clone()), ..Script::default() });
        refused(run(trusting(trusted.unwrap_or(&made), &server.url)), &[&server.url, words]);
        assert_eq!(server.log(), []);
    }
}

#[test]
fn starttls_refused_or_stripped_sends_no_password() {
    let trust = trust(&["127.0.0.1"], |_| {});
    let refusing = FakeLdap::start(Script::default());
    let starttls = |url: &str| LdapSettings { starttls: true, ..trusting(&trust, url) };
    refused(run(starttls(&refusing.url)), &["refused StartTLS", "unavailable (52)", "Error initializing SSL/TLS"]);
    // In the middle somebody says yes, and slips an answer to the bind in behind it.
    let stripping = FakeLdap::start(Script::twisted(|request, _| {
        Act::Send([result(request.id, 0x78, 0, "", &[]), result(2, 0x61, 0, "", &[])].concat())
    }));
    refused(run(starttls(&stripping.url)), &["does not speak TLS"]);
    assert_eq!((refusing.binds(), stripping.binds()), (0, 0));
}

#[test]
fn a_port_without_tls_is_recognised() {
    let trust = trust(&["127.0.0.1"], |_| {});
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldaps://{}", plain.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = plain.accept().unwrap();
        stream.read_exact(&mut [0; 16]).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    refused(run(trusting(&trust, &url)), &["does not speak TLS", "starttls"]);
    answering.join().unwrap();
}
