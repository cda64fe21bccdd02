//! A request from its head to its answer: who asks, how often, how much, and what for.
//!
//! ```text
//! whose token? -> too often? -> leads where? -> for that account? -> may change? -> body -> the book -> answer
//! ```
//!
//! The token is in the head, so that nothing is read from who has none.

use super::act::{self, Change, Done, Ground};
use super::find::find;
use super::query::Query;
use super::route::{Kinds, Place, Verb, route};
use super::{bulk, discover, refused, unanswered};
use crate::listen::{BodyError, Deadline, Peer, REQUEST_TIME, collect_body};
use crate::model::Timestamp;
use crate::scim::list::Page;
use crate::scim::{MEDIA_TYPE, Problem, Projection, ScimType};
use crate::server::desk::Caller;
use crate::server::http::Front;
use crate::server::keys::Token;
use crate::store::AccountId;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use hyper::body::Body as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What needs no encoding in a path (RFC 3986 2.3).
const IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Longest list of names in a `Warning`, in bytes.
const WARNING_BYTES_MAX: usize = 500;
/// So much before the listener would answer in other words, we say ourselves that it takes too long.
const LATE_MARGIN: Duration = Duration::from_millis(200);
/// When to come again where nothing else says it, in seconds.
const RETRY_SECONDS: u32 = 1;

/// An answer.
#[derive(Default)]
struct Answer {
    status: u16,
    body: Option<Value>,
    version: Option<String>,
    location: Option<String>,
    ignored: Vec<String>,
}

/// No answer, and what stands in the head besides.
struct Fault {
    problem: Problem,
    retry_after: Option<u32>,
    /// For who has no token, or a wrong one.
    challenge: Option<&'static str>,
    /// Whether the rest of the body is not read.
    closes: bool,
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        let retry_after = (problem.status == 503).then_some(RETRY_SECONDS);
        Self { problem, retry_after, challenge: None, closes: false }
    }
}

/// Answers a request.
pub(in crate::server) async fn answer(State(front): State<Arc<Front>>, request: Request) -> Response {
    let id = uuid::Uuid::new_v4().to_string();
    let (parts, body) = request.into_parts();
    let deadline = parts.extensions.get::<Deadline>().map_or_else(|| Instant::now() + REQUEST_TIME, |it| it.0);
    let margin = (deadline.saturating_duration_since(Instant::now()) / 10).min(LATE_MARGIN);
    let result = match timeout_at(deadline - margin, carried_out(&front, &parts, body, deadline)).await {
        Ok(result) => result,
        Err(_) => {
            let detail =
                "the request was not answered in time; look whether it was carried out before it is sent again";
            Err(Fault { closes: true, ..Fault::from(Problem::new(503, detail)) })
        }
    };
    if let Err(Fault { problem, .. }) = &result {
        let peer = parts.extensions.get::<Peer>().map(|Peer(address)| address.to_string()).unwrap_or_default();
        // Neither the query nor the detail: addresses of people stand there.
        let (method, path, status) = (&parts.method, parts.uri.path(), problem.status);
        let kind = problem.scim_type.map_or("", ScimType::keyword);
        tracing::debug!(request = %id, %peer, %method, path, status, kind, "refused");
    }
    written(result, &id)
}

async fn carried_out(front: &Front, parts: &Parts, body: Body, deadline: Instant) -> Result<Answer, Fault> {
    let token = admitted(front, &parts.headers)?;
    front.scim_rate.take(token.id(), Instant::now()).map_err(|seconds| {
        let problem = Problem::new(429, format!("the token {} asks too often; wait {seconds} s", token.id()));
        Fault { retry_after: Some(seconds), ..Fault::from(problem) }
    })?;
    let (account, place) = route(parts.uri.path())?;
    if account != token.account() {
        // Whether there is such an account or not.
        return Err(Problem::new(403, format!("the token {} is for another account", token.id())).into());
    }
    let account = AccountId::parse(&account).ok_or_else(|| Problem::new(404, "there is no such account"))?;
    let verb = Verb::of(&parts.method)?;
    if !place.allows(verb) {
        return Err(Problem::new(405, format!("{} is not possible here", parts.method)).into());
    }
    if place.changes(verb) && !token.may_change() {
        let detail = format!("the token {} may only read; one that may change is made without --read-only", token.id());
        return Err(Problem::new(403, detail).into());
    }
    let ground = Ground {
        base: front.base_of(&parts.uri, &parts.headers, &account),
        account,
        licences: token.may_change_licences(),
    };
    let body = if matches!(verb, Verb::Post | Verb::Put | Verb::Patch) {
        check_media_type(&parts.headers)?;
        read(front, body, deadline).await?
    } else {
        Value::Null
    };
    let caller = Caller::new(token.id());
    Ok(perform(front, &caller, ground, parts, verb, place, body).await?)
}

/// Whose token the head has (RFC 6750 2.1, 3).
fn admitted(front: &Front, headers: &HeaderMap) -> Result<Arc<Token>, Fault> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let denied =
        |challenge, detail: &str| Fault { challenge: Some(challenge), ..Fault::from(Problem::new(401, detail)) };
    let none =
        || denied("Bearer realm=\"seatstore\"", "show a token of `seatstore key new --scim`: Authorization: Bearer …");
    let (Some(only), None) = (given.next(), given.next()) else { return Err(none()) };
    let (scheme, token) = only.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(none)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(none());
    }
    let found = front.keys.current().bearer(token.trim()).cloned();
    found.ok_or_else(|| {
        tracing::info!("not admitted: unknown bearer token");
        denied("Bearer realm=\"seatstore\", error=\"invalid_token\"", "the token is unknown, or was revoked")
    })
}

/// JSON, or nobody said what it is.
fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let given = given.to_str().unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(MEDIA_TYPE) || kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(415, format!("bodies are sent as {MEDIA_TYPE}")))
}

async fn read(front: &Front, body: Body, deadline: Instant) -> Result<Value, Fault> {
    let collected = match front.room_for(&body.size_hint(), deadline).await {
        Ok(_room) => collect_body(body, front.body_bytes_max, deadline).await,
        Err(error) => Err(error),
    };
    let bytes: Bytes = collected.map_err(|error| {
        let problem = match &error {
            BodyError::TooLarge { .. } => Problem::new(413, error.to_string()),
            BodyError::Broken { .. } => Problem::bad(ScimType::InvalidSyntax, error.to_string()),
            BodyError::Slow => Problem::new(503, error.to_string()),
        };
        Fault { closes: true, ..Fault::from(problem) }
    })?;
    Ok(crate::scim::body::read(&bytes)?)
}

async fn perform(
    front: &Front,
    caller: &Caller,
    ground: Ground,
    parts: &Parts,
    verb: Verb,
    place: Place,
    body: Value,
) -> Result<Answer, Problem> {
    let query = parts.uri.query().unwrap_or_default();
    match (&place, verb) {
        (Place::Config | Place::ResourceTypes(_) | Place::Schemas(_), Verb::Get) => {
            // RFC 7644 4.
            if Query::of_url(query).is_ok_and(|query| query.filter.is_some()) {
                return Err(Problem::new(403, "what the server can do is not filtered"));
            }
            described(front, &ground, &place).await
        }
        (Place::Users(None), Verb::Get) => list(front, ground, Kinds::Users, Query::of_url(query)?).await,
        (Place::Groups(None), Verb::Get) => list(front, ground, Kinds::Groups, Query::of_url(query)?).await,
        (Place::Search(kinds), Verb::Post) => list(front, ground, *kinds, Query::of_body(&body)?).await,
        (Place::Users(Some(_)) | Place::Groups(Some(_)), Verb::Get) => {
            let projection = Query::of_url(query)?.projection;
            let looked = front.desk.look(move |book| act::look(book, &ground, &place, &projection)).await;
            let (resource, version) = looked.map_err(unanswered)??;
            let known = text(&parts.headers, &header::IF_NONE_MATCH);
            if known.is_some_and(|known| act::fits(&known, &version)) {
                return Ok(Answer { status: 304, version: Some(version), ..Answer::default() });
            }
            Ok(Answer { status: 200, body: Some(resource), version: Some(version), ..Answer::default() })
        }
        (Place::Bulk, Verb::Post) => {
            let new_id = || uuid::Uuid::new_v4().to_string();
            let bulk::Answer { body, has_mail, ignored } =
                bulk::carry_out(&front.desk, caller, ground, &body, new_id).await?;
            if has_mail {
                front.wake.notify_one();
            }
            Ok(Answer { status: 200, body: Some(body), ignored, ..Answer::default() })
        }
        (Place::Users(_) | Place::Groups(_), _) => {
            let projection = Query::of_url(query)?.projection;
            let if_match = condition(&parts.headers)?;
            let new_id = uuid::Uuid::new_v4().to_string();
            changed(front, caller, ground, Change { verb, place, body, if_match, new_id }, &projection).await
        }
        // What the place does not allow has been refused.
        _ => Err(Problem::new(405, format!("{} is not possible here", parts.method))),
    }
}

async fn list(front: &Front, ground: Ground, kinds: Kinds, query: Query) -> Result<Answer, Problem> {
    let body = find(&front.desk, ground, kinds, query).await?;
    Ok(Answer { status: 200, body: Some(body), ..Answer::default() })
}

async fn changed(
    front: &Front,
    caller: &Caller,
    ground: Ground,
    change: Change,
    projection: &Projection,
) -> Result<Answer, Problem> {
    let by = caller.clone();
    let records_max = change.records_max();
    let worked = front.desk.many(records_max, move |session| {
        let at = Timestamp::now();
        session.act(by.as_str(), change.operation(), at, |book| {
            let done = change.make(book, &ground, at)?;
            let shape = match &change.place {
                Place::Groups(_) => discover::group_shape(),
                _ => discover::user_shape(book.open_to(&ground.account).map_err(refused)?.profile()),
            };
            Ok::<_, Problem>((done, shape))
        })
    });
    let (Done { status, resource, ignored, has_mail }, shape) = worked.await.map_err(unanswered)??;
    if has_mail {
        front.wake.notify_one();
    }
    let meta = |name: &str| resource.as_ref().and_then(|it| it["meta"][name].as_str()).map(str::to_owned);
    let (version, location) = (meta("version"), meta("location").filter(|_| status == 201));
    let body = resource.map(|resource| projection.apply(resource, &shape));
    Ok(Answer { status, body, version, location, ignored })
}

/// What the server can do, and what it keeps.
async fn described(front: &Front, ground: &Ground, place: &Place) -> Result<Answer, Problem> {
    let (id, base) = (ground.account.clone(), ground.base.clone());
    let profile = front.desk.look(move |book| book.open_to(&id).map(|account| account.profile().clone())).await;
    let profile = profile.map_err(unanswered)?.map_err(refused)?;
    let (all, one) = match place {
        Place::ResourceTypes(one) => (discover::resource_types(&base), one.clone()),
        Place::Schemas(one) => (discover::schemas(&profile, &base), one.clone()),
        _ => (vec![discover::config(&base, front.body_bytes_max)], Some(String::new())),
    };
    let body = match one {
        None => {
            let total = all.len();
            Page { total: Some(total), start: Some(1), next_cursor: None, resources: all }.body()
        }
        Some(id) => {
            let found = all
                .into_iter()
                .find(|each| id.is_empty() || each["id"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(&id)));
            found.ok_or_else(|| Problem::new(404, format!("there is no {id:?} here")))?
        }
    };
    Ok(Answer { status: 200, body: Some(body), ..Answer::default() })
}

impl Front {
    /// The base URL of an account, as clients reach it: what the operator says, else where the request says that it went.
    fn base_of(&self, uri: &Uri, headers: &HeaderMap, account: &AccountId) -> String {
        let account = utf8_percent_encode(account.as_str(), IN_A_PATH);
        let host = text(headers, &header::HOST).or_else(|| uri.authority().map(ToString::to_string));
        // A host is letters, digits and few marks: what else a client writes there is not repeated.
        let host = host.filter(|host| host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c)));
        match (&self.public_url, host) {
            (Some(url), _) => format!("{url}/scim/v2/{account}"),
            (None, Some(host)) => format!("{}://{host}/scim/v2/{account}", self.scheme),
            (None, None) => format!("/scim/v2/{account}"),
        }
    }
}

/// Which versions the client says that it knows (RFC 9110 13.1.1); several lines are one list (5.3).
///
/// # Errors
/// 412 for what cannot be read: no version is that, and without a condition the change would be made over somebody else's.
fn condition(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let lines: Result<Vec<&str>, _> = headers.get_all(header::IF_MATCH).iter().map(HeaderValue::to_str).collect();
    let detail = "If-Match cannot be read: nothing was done; send the version as it was answered, or `*`";
    let lines = lines.map_err(|_| Problem::new(412, detail))?;
    Ok((!lines.is_empty()).then(|| lines.join(",")))
}

fn text(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn written(result: Result<Answer, Fault>, id: &str) -> Response {
    let (answer, fault) = match result {
        Ok(answer) => (answer, None),
        Err(fault) => {
            let answer = Answer { status: fault.problem.status, body: Some(fault.problem.body()), ..Answer::default() };
            (answer, Some(fault))
        }
    };
    let Answer { status, body, version, location, ignored } = answer;
    let bytes = body.map(|body| serde_json::to_vec(&body).unwrap_or_default());
    let has_body = bytes.is_some();
    let mut response = Response::new(bytes.map_or_else(Body::empty, Body::from));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    let mut put = |name: header::HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    if has_body {
        put(header::CONTENT_TYPE, "application/scim+json; charset=utf-8");
    }
    put(header::CACHE_CONTROL, "no-store");
    put(header::HeaderName::from_static("x-request-id"), id);
    if let Some(version) = version {
        put(header::ETAG, &version);
    }
    if let Some(location) = location {
        put(header::LOCATION, &location);
    }
    if !ignored.is_empty() {
        let mut names: String = ignored.join(", ").chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
        names = names.replace(['"', '\\'], "");
        names.truncate(WARNING_BYTES_MAX);
        put(header::WARNING, &format!("299 seatstore \"not kept: {names}\""));
    }
    if let Some(Fault { problem: _, retry_after, challenge, closes }) = fault {
        if let Some(seconds) = retry_after {
            put(header::RETRY_AFTER, &seconds.to_string());
        }
        if let Some(challenge) = challenge {
            put(header::WWW_AUTHENTICATE, challenge);
        }
        if closes {
            put(header::CONNECTION, "close");
        }
    }
    response
}
