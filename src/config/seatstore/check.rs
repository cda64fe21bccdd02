//! What each section of the server's file means.
//!
//! Every function notes what is wrong and goes on with a default, so that one run finds everything.

use super::super::check::{KEYS_LOG, each, log};
use super::super::diagnose::{Complaint, Found, Problem};
use super::super::ground::{self, Ground, Sections};
use super::super::raw::{Section, Text};
use super::super::{secret, smtp, value};
use super::{
    ApiConfig, DomainsConfig, Environment, LimitsConfig, ListenConfig, MailConfig, Problems, SeatstoreConfig,
    SignInConfig, TlsFiles,
};
use secrecy::{ExposeSecret, SecretString};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the API is served when the file says nothing: on loopback only.
const ADDRESS_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8790);
const STORE_PATH_DEFAULT: &str = "/var/lib/seatstore/book";
const KEYS_FILE_DEFAULT: &str = "/etc/seatstore/keys.toml";
const SPOOL_DEFAULT: &str = "/var/lib/seatstore/mail";
/// As if nobody owned it: mail with it never leaves the machine (RFC 2606).
const FROM_DEFAULT: &str = "Seats <seats@seatstore.invalid>";
const AWS_ACCOUNT_ID_DEFAULT: &str = "000000000000";
const AWS_ACCOUNT_ID_DIGITS: usize = 12;
const EMAIL_HEADER_DEFAULT: &str = "X-Forwarded-Email";

/// What the original allows a clock to be off.
const CLOCK_SKEW_DEFAULT: Duration = Duration::from_secs(5 * 60);
/// Every signature is remembered for this long: more would be too many.
const CLOCK_SKEW_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60 * 60);
/// The body of a request in bytes.
const BODY_BYTES_DEFAULT: usize = 1024 * 1024;
/// The least has room for a full batch, the most is far above any.
const BODY_BYTES_RANGE: RangeInclusive<u64> = 64 * 1024..=16 * 1024 * 1024;
/// Requests a second and key.
const RATE_DEFAULT: u32 = 2_000;
/// Above what one machine can answer.
const RATE_RANGE: RangeInclusive<u64> = 1..=1_000_000;
/// Requests at once, as a multiple of those a second, when the file says nothing.
const BURST_PER_RATE: u32 = 2;
const CONNECTIONS_DEFAULT: usize = 512;
/// Each one is a file descriptor, of which a process has a limited number.
const CONNECTIONS_RANGE: RangeInclusive<u64> = 1..=65_536;
const REQUEST_TIME_DEFAULT: Duration = Duration::from_secs(30);
const HEADER_TIME_DEFAULT: Duration = Duration::from_secs(10);
/// For a whole request, and for its head. Who needs longer is not there any more.
const REQUEST_TIME_RANGE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(10 * 60);
const DNS_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
const DNS_TIMEOUT_RANGE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
/// Name servers that are asked: more are never of use.
const RESOLVERS_MAX: usize = 8;
const MAIL_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
const MAIL_TIMEOUT_RANGE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(5 * 60);
const VALID_DEFAULT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The least is of use in tests, the most is what anybody may remember.
const VALID_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(366 * 24 * 60 * 60);
/// The shortest token in bytes: a shorter one can be guessed.
const TOKEN_BYTES_MIN: usize = 16;

const KEYS_LISTEN: &[&str] = &["address", "certificate_file", "key_file", "allow_cleartext"];
const KEYS_STORE: &[&str] = &["path"];
const KEYS_API: &[&str] = &["keys_file", "aws_account_id", "strict", "clock_skew", "body_bytes_max", "rate", "burst"];
const KEYS_LIMITS: &[&str] = &["connections", "request_time", "header_time"];
const KEYS_DOMAINS: &[&str] = &["resolvers", "timeout"];
const KEYS_MAIL: &[&str] = &[
    "from",
    "public_url",
    "smtp",
    "username",
    secret::SMTP_PASSWORD.file,
    secret::SMTP_PASSWORD.credential,
    "ca_file",
    "timeout",
    "spool",
];
/// How `[mail]` names its mail server.
const SMTP_KEYS: smtp::Keys = smtp::Keys {
    username: "username",
    password: &secret::SMTP_PASSWORD,
    ca_file: "ca_file",
    username_example: "\"seats\"",
    ca_file_example: "\"/etc/seatstore/corp-ca.pem\"",
};
/// The keys of `[mail]` that mean nothing without `smtp`.
const KEYS_WITH_SMTP: &[&str] =
    &["username", secret::SMTP_PASSWORD.file, secret::SMTP_PASSWORD.credential, "ca_file", "timeout"];
const KEYS_INVITATIONS: &[&str] = &["valid"];
const KEYS_SIGN_IN: &[&str] = &[secret::SIGN_IN_TOKEN.file, secret::SIGN_IN_TOKEN.credential, "email_header"];

/// The sections, as in a header, with their keys.
pub(super) const SECTIONS: &Sections = &[
    ("listen", "[listen]", &[KEYS_LISTEN]),
    ("store", "[store]", &[KEYS_STORE]),
    ("api", "[api]", &[KEYS_API]),
    ("limits", "[limits]", &[KEYS_LIMITS]),
    ("domains", "[domains]", &[KEYS_DOMAINS]),
    ("mail", "[mail]", &[KEYS_MAIL]),
    ("invitations", "[invitations]", &[KEYS_INVITATIONS]),
    ("sign_in", "[sign_in]", &[KEYS_SIGN_IN]),
    ("log", "[log]", &[KEYS_LOG]),
];

/// Checks everything.
pub(super) fn check(path: &Path, text: &str, env: &Environment) -> Result<SeatstoreConfig, Problems> {
    ground::check(path, text, env, SECTIONS, config)
}

fn config(root: &Section<'_>, ground: &Ground<'_>, found: &mut Found) -> Option<SeatstoreConfig> {
    let listen = listen(ground.section(root, "listen", None, found), ground, found);
    let (store_path, store_at) = store(ground.section(root, "store", None, found), ground, found);
    let api = api(ground.section(root, "api", None, found), ground, found);
    let limits = limits(ground.section(root, "limits", None, found), ground, found);
    let domains = domains(ground.section(root, "domains", None, found), ground, found);
    let mail_section = ground.section(root, "mail", None, found);
    let mail = mail(mail_section.clone(), &listen, ground, found);
    if mail.spool == store_path {
        let spool_at = mail_section.and_then(|section| section.entry("spool")).map(|(at, _)| at);
        let at = spool_at.or(store_at.map(|text| text.span())).unwrap_or(0..0);
        let problem = Problem::wrong(at, format!("[store] path and [mail] spool are both {}", store_path.display()));
        found.add(problem.help("give each a folder of its own"));
    }
    let invitations = ground.section(root, "invitations", None, found);
    let valid = invitations.and_then(|section| {
        ground.only(&section, KEYS_INVITATIONS, found);
        duration(&section, "valid", "\"30d\"", VALID_RANGE, found)
    });
    let sign_in = sign_in(ground.section(root, "sign_in", None, found), ground, found);
    let log = log(ground.section(root, "log", None, found), ground, KEYS_LOG, found);
    Some(SeatstoreConfig {
        listen,
        store_path,
        api,
        limits,
        domains,
        mail,
        invitations_valid: valid.unwrap_or(VALID_DEFAULT),
        sign_in,
        log,
    })
}

fn listen(section: Option<Section<'_>>, ground: &Ground<'_>, found: &mut Found) -> ListenConfig {
    let mut config = ListenConfig { address: ADDRESS_DEFAULT, tls: None, allow_cleartext: false };
    let Some(section) = section else { return config };
    ground.only(&section, KEYS_LISTEN, found);
    config.address = section.parsed("address", "\"127.0.0.1:8790\"", value::socket, found).unwrap_or(ADDRESS_DEFAULT);
    config.allow_cleartext = section.flag("allow_cleartext", found).unwrap_or(false);
    let certificate = section.text("certificate_file", "\"/etc/seatstore/seatstore.pem\"", found);
    let key = section.text("key_file", "\"/etc/seatstore/seatstore.key\"", found);
    for (present, absent) in [("certificate_file", "key_file"), ("key_file", "certificate_file")] {
        if let Some((at, _)) = section.entry(present).filter(|_| !section.has(absent)) {
            let problem = Problem::wrong(at, format!("`{present}` needs `{absent}`"));
            found.add(problem.help(format!("add a line with {absent}, or leave both out for plain HTTP")));
        }
    }
    let certificate = certificate.and_then(|text| file(&text, ground, found));
    let key = key.and_then(|text| file(&text, ground, found));
    config.tls = certificate.zip(key).map(|(certificate, key)| TlsFiles { certificate, key });
    // Only a word on TLS that is there and wrong is left to its own problem.
    let wants_tls = section.has("certificate_file") || section.has("key_file");
    if !wants_tls && !config.allow_cleartext && !config.address.ip().to_canonical().is_loopback() {
        let at = section.entry("address").map_or(section.at.clone(), |(_, written)| written.span());
        let problem = Problem::wrong(at, "plain HTTP would leave this machine");
        found.add(problem.help(
            "give certificate_file and key_file, or listen on 127.0.0.1 behind a proxy that has TLS; in a laboratory, \
             allow_cleartext = true serves everything readable",
        ));
    }
    config
}

/// A file that must be there already; what is in it is looked at by whoever reads it.
fn file(text: &Text<'_>, ground: &Ground<'_>, found: &mut Found) -> Option<PathBuf> {
    let path = ground.path(text.get_ref());
    let why = match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => return Some(path),
        Ok(_) => "it is not a regular file".to_owned(),
        Err(error) => error.to_string(),
    };
    let problem = Problem::wrong(text.span(), format!("cannot use {}: {why}", path.display()));
    found.add(problem.help("name a file in PEM that the user this program runs as can read"));
    None
}

fn store<'t>(section: Option<Section<'t>>, ground: &Ground<'_>, found: &mut Found) -> (PathBuf, Option<Text<'t>>) {
    let written = section.and_then(|section| {
        ground.only(&section, KEYS_STORE, found);
        section.text("path", "\"/var/lib/seatstore/book\"", found)
    });
    (ground.path(written.as_ref().map_or(STORE_PATH_DEFAULT, |text| text.get_ref())), written)
}

fn api(section: Option<Section<'_>>, ground: &Ground<'_>, found: &mut Found) -> ApiConfig {
    let mut config = ApiConfig {
        keys_file: ground.path(KEYS_FILE_DEFAULT),
        aws_account_id: AWS_ACCOUNT_ID_DEFAULT.to_owned(),
        strict: false,
        clock_skew: CLOCK_SKEW_DEFAULT,
        body_bytes_max: BODY_BYTES_DEFAULT,
        rate: RATE_DEFAULT,
        burst: RATE_DEFAULT * BURST_PER_RATE,
    };
    let Some(section) = section else { return config };
    ground.only(&section, KEYS_API, found);
    if let Some(text) = section.text("keys_file", "\"/etc/seatstore/keys.toml\"", found) {
        config.keys_file = ground.path(text.get_ref());
    }
    let id = section.parsed("aws_account_id", "\"000000000000\"", aws_account_id, found);
    config.aws_account_id = id.unwrap_or(config.aws_account_id);
    config.strict = section.flag("strict", found).unwrap_or(config.strict);
    let skew = duration(&section, "clock_skew", "\"5m\"", CLOCK_SKEW_RANGE, found);
    config.clock_skew = skew.unwrap_or(config.clock_skew);
    let help = "a number of bytes, such as 1048576";
    let body = section.number("body_bytes_max", BODY_BYTES_RANGE, "1048576", help, found);
    config.body_bytes_max = whole(body).unwrap_or(config.body_bytes_max);
    let help = "a count of requests, such as 2000";
    config.rate = whole(section.number("rate", RATE_RANGE, "2000", help, found)).unwrap_or(config.rate);
    let burst = whole(section.number("burst", RATE_RANGE, "4000", help, found));
    config.burst = burst.unwrap_or(config.rate.saturating_mul(BURST_PER_RATE));
    config
}

/// An id in the form of AWS, as text: as a number it would lose its zeros.
fn aws_account_id(text: &str) -> Result<String, Complaint> {
    if text.len() == AWS_ACCOUNT_ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(format!("{text:?} is not an AWS account id"))
        .help(format!("{AWS_ACCOUNT_ID_DIGITS} digits in quotes; clients only show it, so any will do")))
}

fn limits(section: Option<Section<'_>>, ground: &Ground<'_>, found: &mut Found) -> LimitsConfig {
    let mut config = LimitsConfig {
        connections: CONNECTIONS_DEFAULT,
        request_time: REQUEST_TIME_DEFAULT,
        header_time: HEADER_TIME_DEFAULT,
    };
    let Some(section) = section else { return config };
    ground.only(&section, KEYS_LIMITS, found);
    let help = "a count of connections at one time, such as 512";
    let connections = section.number("connections", CONNECTIONS_RANGE, "512", help, found);
    config.connections = whole(connections).unwrap_or(config.connections);
    let time = duration(&section, "request_time", "\"30s\"", REQUEST_TIME_RANGE, found);
    config.request_time = time.unwrap_or(config.request_time);
    let time = duration(&section, "header_time", "\"10s\"", REQUEST_TIME_RANGE, found);
    config.header_time = time.unwrap_or(config.header_time);
    config
}

fn domains(section: Option<Section<'_>>, ground: &Ground<'_>, found: &mut Found) -> DomainsConfig {
    let mut config = DomainsConfig { resolvers: Vec::new(), timeout: DNS_TIMEOUT_DEFAULT };
    let Some(section) = section else { return config };
    ground.only(&section, KEYS_DOMAINS, found);
    config.resolvers = each(section.texts("resolvers", "[\"127.0.0.1:53\"]", found), resolver, found);
    if let Some((_, written)) = section.entry("resolvers")
        && let Some(list) = written.get_ref().as_array()
    {
        if list.is_empty() {
            let problem = Problem::wrong(written.span(), "`resolvers` lists no name server");
            found.add(problem.help("leave the line out to ask the system's"));
        } else if list.len() > RESOLVERS_MAX {
            let problem = Problem::wrong(written.span(), format!("more than {RESOLVERS_MAX} name servers"));
            found.add(problem.help("list the nearest few: they are asked in turn"));
        }
    }
    let timeout = duration(&section, "timeout", "\"5s\"", DNS_TIMEOUT_RANGE, found);
    config.timeout = timeout.unwrap_or(config.timeout);
    config
}

/// A name server; the port is 53 unless it is written.
fn resolver(text: &str) -> Result<SocketAddr, Complaint> {
    const PORT_DNS: u16 = 53;
    let text = text.trim();
    let bare = text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, PORT_DNS));
    bare.or_else(|| text.parse().ok().filter(|address: &SocketAddr| address.port() > 0)).ok_or_else(|| {
        Complaint::new(format!("{text:?} is not the address of a name server"))
            .help("an IP address, with a port if it is not 53: \"127.0.0.1:53\" or \"[::1]:53\"")
    })
}

fn mail(section: Option<Section<'_>>, listen: &ListenConfig, ground: &Ground<'_>, found: &mut Found) -> MailConfig {
    let mut config = MailConfig {
        from: FROM_DEFAULT.to_owned(),
        public_url: None,
        smtp: None,
        spool: ground.path(SPOOL_DEFAULT),
        timeout: MAIL_TIMEOUT_DEFAULT,
    };
    let Some(section) = section else { return config };
    ground.only(&section, KEYS_MAIL, found);
    config.from = section.parsed("from", "\"Seats <seats@corp.example>\"", smtp::mailbox, found).unwrap_or(config.from);
    let read = |text: &str| public_url(text, listen.allow_cleartext);
    config.public_url = section.parsed("public_url", "\"https://seats.corp.example\"", read, found);
    config.smtp = smtp::smtp(&section, &SMTP_KEYS, ground, found);
    let timeout = duration(&section, "timeout", "\"30s\"", MAIL_TIMEOUT_RANGE, found);
    config.timeout = timeout.unwrap_or(config.timeout);
    if let Some(text) = section.text("spool", "\"/var/lib/seatstore/mail\"", found) {
        config.spool = ground.path(text.get_ref());
    }
    if section.has("smtp") {
        section.need("from", "\"Seats <seats@corp.example>\"", found);
        section.need("public_url", "\"https://seats.corp.example\"", found);
    } else {
        for (key, span) in section.keys().filter(|(key, _)| KEYS_WITH_SMTP.contains(key)) {
            let problem = Problem::wrong(span, format!("`{key}` goes only with `smtp`"));
            found.add(problem.help("add a line such as: smtp = \"smtp+starttls://mail.corp.example:587\""));
        }
    }
    config
}

/// What links begin with. An invitation is accepted by whoever has the link, so that it is not sent over plain HTTP.
fn public_url(text: &str, allow_cleartext: bool) -> Result<String, Complaint> {
    let text = text.trim();
    let wrong = |why: &str| {
        Complaint::new(format!("{text:?} cannot begin a link: {why}"))
            .help("scheme, host, and a path if there is one: \"https://seats.corp.example\"")
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
    let is_https = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return Err(wrong("the scheme must be https or http")),
    };
    if rest.contains(['?', '#', '@', ' ', '"', '<', '>', '\\']) {
        return Err(wrong("only a path may follow the host"));
    }
    let host_port = rest.split('/').next().unwrap_or_default();
    let (host, _) = smtp::host_and_port(host_port).map_err(wrong)?;
    if !is_https && !allow_cleartext && !smtp::is_loopback(&host) {
        return Err(Complaint::new("links with this URL would be opened over plain HTTP")
            .help("write https://; who has the link of an invitation can accept it"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn sign_in(section: Option<Section<'_>>, ground: &Ground<'_>, found: &mut Found) -> SignInConfig {
    let mut config = SignInConfig { token: None, email_header: EMAIL_HEADER_DEFAULT.to_owned() };
    let Some(section) = section else { return config };
    ground.only(&section, KEYS_SIGN_IN, found);
    let token = secret::of(&section, ground, &secret::SIGN_IN_TOKEN, false, found);
    config.token = token.and_then(|token| usable_token(token, &section, found));
    let read = |text: &str| {
        http::HeaderName::try_from(text.trim()).map(|_| text.trim().to_owned()).map_err(|_| {
            Complaint::new(format!("{text:?} is not the name of a header")).help("such as: \"X-Forwarded-Email\"")
        })
    };
    let header = section.parsed("email_header", "\"X-Forwarded-Email\"", read, found);
    config.email_header = header.unwrap_or(config.email_header);
    config
}

/// A token that can stand in a header and cannot be guessed. What is wrong with it is said without showing it.
fn usable_token(token: SecretString, section: &Section<'_>, found: &mut Found) -> Option<SecretString> {
    let text = token.expose_secret();
    let title = if text.len() < TOKEN_BYTES_MIN {
        format!("the token has less than {TOKEN_BYTES_MIN} characters")
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        "the token has characters that cannot stand in a header".to_owned()
    } else {
        return Some(token);
    };
    let keys = [secret::SIGN_IN_TOKEN.file, secret::SIGN_IN_TOKEN.credential];
    let at = keys.iter().find_map(|key| section.entry(key)).map_or(section.at.clone(), |(_, written)| written.span());
    found.add(Problem::wrong(at, title).help("write a random one, such as from: openssl rand -hex 32"));
    None
}

/// A duration within `range`.
fn duration(
    section: &Section<'_>,
    key: &str,
    example: &str,
    range: RangeInclusive<Duration>,
    found: &mut Found,
) -> Option<Duration> {
    section.parsed(key, example, |text| value::duration_within(text, range), found)
}

/// A checked number as the type that is needed.
fn whole<T: TryFrom<u64>>(number: Option<toml::Spanned<u64>>) -> Option<T> {
    number.and_then(|number| T::try_from(number.into_inner()).ok())
}
