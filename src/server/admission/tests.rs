//! Requests signed as SDKs sign them, let in and turned away.

#![allow(clippy::unwrap_used)]

use super::super::keys::{Access, IssuedKey, NewKey, issue, revoke};
use super::super::rate::RateLimit;
use super::*;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::Request;
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::time::SystemTime;
use tempfile::TempDir;

const NOW: &str = "2026-11-22T08:33:36Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() + seconds).unwrap()
}

/// A door with three keys.
struct Door {
    folder: TempDir,
    keys: Arc<Keys>,
    admission: Admission,
    agent: IssuedKey,
    auditor: IssuedKey,
    corp: IssuedKey,
}

impl Door {
    fn new(change: impl FnOnce(&mut AdmissionSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let key = |access, accounts: Option<&str>| {
            let accounts = accounts.map(|account| BTreeSet::from([account.to_owned()]));
            issue(&path, &NewKey { access, accounts, note: String::new() }, now()).unwrap()
        };
        let (agent, auditor) = (key(Access::Change, None), key(Access::Read, None));
        let corp = key(Access::Change, Some("corp"));
        let keys = Arc::new(Keys::open(&path).unwrap().0);
        let mut settings = AdmissionSettings::new(later(-3_600));
        change(&mut settings);
        let admission = Admission::new(Arc::clone(&keys), settings);
        Self { folder, keys, admission, agent, auditor, corp }
    }

    fn admit(&self, parts: &Parts, body: &str) -> Result<Admitted, Denied> {
        self.admission.admit(parts, body.as_bytes(), now())
    }

    fn denied(&self, parts: &Parts, body: &str) -> (Exception, Cause) {
        let denied = self.admit(parts, body).unwrap_err();
        (denied.exception, denied.cause)
    }
}

fn unsigned(method: &str, target: &str) -> Parts {
    Request::builder().method(method).uri(target).header("host", "127.0.0.1:1").body(()).unwrap().into_parts().0
}

fn signed(key: &IssuedKey, method: &str, target: &str, body: &str, at: Timestamp) -> Parts {
    let mut parts = unsigned(method, target);
    let identity = Credentials::new(&key.id, key.secret.expose_secret(), None, None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name(SERVICE)
        .time(SystemTime::from(at))
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let headers = [("host", "127.0.0.1:1")];
    let uri = format!("http://127.0.0.1:1{target}");
    let body = SignableBody::Bytes(body.as_bytes());
    let request = SignableRequest::new(method, uri, headers.into_iter(), body).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    for header in instructions.into_parts().0 {
        parts.headers.append(header.name(), header.value().parse().unwrap());
    }
    parts
}

const BODY: &str = "{\"UserIdList\": [\"u1\"]}";
const SUSPEND: &str = "/accounts/corp/users?operation=suspend";

#[test]
fn who_has_proven_a_key_is_admitted() {
    let door = Door::new(|_| {});
    let admitted = door.admit(&signed(&door.agent, "POST", SUSPEND, BODY, now()), BODY).unwrap();
    assert_eq!(admitted.key_id(), door.agent.id);
    assert!(admitted.may_change() && admitted.reaches("corp"));
    assert_eq!(admitted.require_change(), Ok(()));
    assert_eq!(admitted.require_account("corp"), Ok(()));
    assert_eq!(admitted.require_all_accounts(), Ok(()));
}

#[test]
fn who_has_not_is_told_what_to_do() {
    let door = Door::new(|settings| settings.region = Some("eu-central-1".to_owned()));
    let other_region = door.admit(&signed(&door.agent, "GET", "/accounts", "", now()), "").unwrap_err();
    assert_eq!((other_region.exception, other_region.cause), (Exception::UnauthorizedClient, Cause::Malformed));
    assert!(other_region.message.contains(r#"for the region "us-east-1", not "eu-central-1""#), "{other_region:?}");

    let door = Door::new(|_| {});
    let unauthorized = |cause| (Exception::UnauthorizedClient, cause);
    assert_eq!(door.denied(&unsigned("GET", "/accounts"), ""), unauthorized(Cause::Unsigned));
    let presigned = unsigned("GET", "/accounts?X-Amz-Signature=00");
    assert_eq!(door.denied(&presigned, ""), unauthorized(Cause::Malformed));
    let mut bearer = unsigned("GET", "/accounts");
    bearer.headers.insert("authorization", "Bearer abc".parse().unwrap());
    assert_eq!(door.denied(&bearer, ""), unauthorized(Cause::Malformed));
    let right = signed(&door.agent, "POST", SUSPEND, BODY, now());
    assert_eq!(door.denied(&right, "{\"UserIdList\": [\"u2\"]}"), unauthorized(Cause::WrongSignature));
    let mut other_path = right.clone();
    other_path.uri = "/accounts/corp/users?operation=unsuspend".parse().unwrap();
    assert_eq!(door.denied(&other_path, BODY), unauthorized(Cause::WrongSignature));
    let mut token = right.clone();
    token.headers.insert("x-amz-security-token", "t".parse().unwrap());
    assert_eq!(door.denied(&token, BODY), unauthorized(Cause::Malformed));
    let _carried_out = door.admit(&right, BODY).unwrap();
}

#[test]
fn an_unknown_key_and_a_wrong_secret_are_not_told_apart() {
    let door = Door::new(|_| {});
    let secret = || SecretString::from("x".repeat(40));
    let wrong = IssuedKey { id: door.agent.id.clone(), secret: secret() };
    let unknown = IssuedKey { id: "SEAT0000000000000000".to_owned(), secret: secret() };
    let nobody = IssuedKey { id: unknown.id.clone(), secret: SecretString::from(NOBODYS_SECRET) };
    let denied = |key: &IssuedKey| door.admit(&signed(key, "GET", "/accounts", "", now()), "").unwrap_err();
    assert_eq!(denied(&wrong).cause, Cause::WrongSignature);
    for key in [unknown, nobody] {
        assert_eq!(denied(&key).cause, Cause::UnknownKey, "our log may know");
        assert_eq!(Denied { cause: Cause::WrongSignature, ..denied(&key) }, denied(&wrong));
    }
    assert_eq!(NOBODYS_SECRET.len(), door.agent.secret.expose_secret().len());
}

#[test]
fn clocks_may_differ_a_little() {
    let door = Door::new(|_| {});
    for (seconds, is_right) in [(0, true), (-300, true), (300, true), (-301, false), (301, false), (-86_400, false)] {
        let parts = signed(&door.agent, "POST", SUSPEND, BODY, later(seconds));
        let denied = door.admit(&parts, BODY).map(|_| ()).map_err(|denied| (denied.exception, denied.cause));
        let expected = if is_right { Ok(()) } else { Err((Exception::UnauthorizedClient, Cause::Skewed)) };
        assert_eq!(denied, expected, "{seconds}");
    }
    let denied = door.admit(&signed(&door.agent, "GET", "/accounts", "", later(-400)), "").unwrap_err();
    insta::assert_snapshot!(denied.message, @"the request was signed at 2026-11-22T08:26:56Z, and here it is 2026-11-22T08:33:36Z: 400 s apart, and at most 300 s are accepted; set the clock of the client or of this server right");
}

#[test]
fn a_change_is_carried_out_once() {
    let door = Door::new(|_| {});
    let parts = signed(&door.agent, "POST", SUSPEND, BODY, now());
    for status in [429, 500, 503, 404] {
        door.admit(&parts, BODY).unwrap().settle(status);
    }
    door.admit(&parts, BODY).unwrap().settle(200);
    assert_eq!(door.denied(&parts, BODY), (Exception::UnauthorizedClient, Cause::Replayed));
    let again = signed(&door.agent, "POST", SUSPEND, BODY, later(1));
    drop(door.admit(&again, BODY).unwrap());
    assert_eq!(door.denied(&again, BODY).1, Cause::Replayed, "nobody knows what was done");
    let look = signed(&door.agent, "GET", "/accounts", "", now());
    for _ in 0..3 {
        door.admit(&look, "").unwrap().settle(200);
    }
}

#[test]
fn what_was_signed_before_the_start_is_signed_again() {
    let door = Door::new(|settings| settings.started = now());
    let early = signed(&door.agent, "POST", SUSPEND, BODY, later(-1));
    let denied = door.admit(&early, BODY).unwrap_err();
    assert_eq!((denied.exception, denied.cause), (Exception::ServiceUnavailable, Cause::BeforeStart));
    assert_eq!(denied.retry_after, Some(1));
    let look = signed(&door.agent, "GET", "/accounts", "", later(-1));
    assert!(door.admit(&look, "").is_ok(), "looking is harmless");
    let right = signed(&door.agent, "POST", SUSPEND, BODY, now());
    assert!(door.admit(&right, BODY).is_ok());
}

#[test]
fn a_key_is_for_what_it_is_for() {
    let door = Door::new(|_| {});
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        // Whether it changes anything is known to who carries it out.
        let asked = door.admit(&signed(&door.auditor, method, "/accounts/corp", "", now()), "").unwrap();
        let denied = asked.require_change().unwrap_err();
        assert_eq!((denied.exception, denied.cause), (Exception::AccessDenied, Cause::ReadOnly));
    }
    let look = door.admit(&signed(&door.auditor, "GET", "/accounts", "", now()), "").unwrap();
    assert!(!look.may_change());
    assert_eq!(look.require_change().unwrap_err().exception, Exception::AccessDenied);
    assert_eq!(look.require_account("any"), Ok(()));

    let corp = door.admit(&signed(&door.corp, "POST", SUSPEND, BODY, now()), BODY).unwrap();
    assert_eq!(corp.require_account("corp"), Ok(()));
    for denied in [corp.require_account("lab").unwrap_err(), corp.require_all_accounts().unwrap_err()] {
        assert_eq!((denied.exception, denied.cause), (Exception::AccessDenied, Cause::OutOfReach));
        assert!(denied.message.contains(&door.corp.id), "{denied:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_asks_as_often_as_it_may() {
    let door = Door::new(|settings| settings.rate = RateLimit { per_second: 0.5, burst: 2 });
    let look = signed(&door.agent, "GET", "/accounts", "", now());
    for _ in 0..2 {
        door.admit(&look, "").unwrap().settle(200);
    }
    let denied = door.admit(&look, "").unwrap_err();
    assert_eq!((denied.exception, denied.cause), (Exception::ThrottledClient, Cause::TooOften));
    assert_eq!(denied.retry_after, Some(2));
    door.admit(&signed(&door.corp, "GET", "/accounts", "", now()), "").unwrap().settle(200);
    // Who only knows the id of a key takes nothing from its bucket.
    tokio::time::advance(Duration::from_secs(2)).await;
    let wrong = IssuedKey { id: door.agent.id.clone(), secret: SecretString::from("x".repeat(40)) };
    for _ in 0..10 {
        assert_eq!(door.denied(&signed(&wrong, "GET", "/accounts", "", now()), "").1, Cause::WrongSignature);
    }
    door.admit(&look, "").unwrap().settle(200);
}

#[test]
fn a_key_is_rotated_without_a_gap() {
    let door = Door::new(|_| {});
    let path = door.folder.path().join("keys.toml");
    let is_admitted = |key: &IssuedKey| door.admit(&signed(key, "GET", "/accounts", "", now()), "").is_ok();
    let second = issue(&path, &NewKey { access: Access::Change, accounts: None, note: String::new() }, now()).unwrap();
    assert!(is_admitted(&door.agent) && !is_admitted(&second));
    door.keys.reload().unwrap();
    assert!(is_admitted(&door.agent) && is_admitted(&second));
    revoke(&path, &door.agent.id).unwrap();
    door.keys.reload().unwrap();
    assert!(!is_admitted(&door.agent) && is_admitted(&second));
}

#[test]
fn a_denied_shows_no_secret() {
    let door = Door::new(|_| {});
    let asked = door.admit(&signed(&door.auditor, "POST", SUSPEND, BODY, now()), BODY).unwrap();
    let denied = asked.require_change().unwrap_err();
    let shown = format!("{asked:?} {denied:?} {:?}", door.admission);
    for key in [&door.agent, &door.auditor, &door.corp] {
        assert!(!shown.contains(key.secret.expose_secret()));
    }
}
