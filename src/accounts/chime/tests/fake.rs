//! A small server of the admin API with switches for its faults: what a real one may do to a client.

use crate::wire::{
    Account, AccountResponse, BatchCreateUserRequest, BatchResponse, BatchUpdateUserRequest, CreateUserRequest,
    ErrorBody, ErrorCode, Exception, Extension, HEADER_ERROR_TYPE, Invite, InviteUsersRequest, InviteUsersResponse,
    ListUsersResponse, RESULTS_DEFAULT, UpdateUserRequest, User, UserError, UserIdListRequest, UserResponse,
};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Refused or failed before anything was done.
    Before { status: u16, retry_after: Option<&'static str> },
    /// Done, and then this status.
    After(u16),
    /// Done, and the answer breaks off.
    Cut,
    /// Done, and no answer ever.
    Silence,
    /// The item with that name gets this error, the others are done.
    Item(&'static str, ErrorCode),
}

/// The server behind the address.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) kind: &'static str,
    pub(super) licences: Vec<&'static str>,
    pub(super) extensions: Vec<Extension>,
    pub(super) users: BTreeMap<String, User>,
    /// How often each address was asked to join.
    pub(super) invited: HashMap<String, u32>,
    pub(super) faults: HashMap<&'static str, VecDeque<Fault>>,
    /// As long as this name is in a batch, it is refused whole.
    pub(super) poison: Option<&'static str>,
    /// What was asked, with the number of items.
    pub(super) asked: Vec<(&'static str, usize)>,
    /// Says yes to unsuspensions and does nothing.
    pub(super) unsuspends_nobody: bool,
    pub(super) ignores_filter: bool,
    pub(super) repeats_token: bool,
    pub(super) repeats_user: bool,
    attempts: HashSet<String>,
}

/// A running server.
pub(super) struct Fake {
    pub(super) endpoint: String,
    book: Arc<Mutex<Book>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Shared = Arc<Mutex<Book>>;

impl Fake {
    pub(super) async fn start(kind: &'static str, extensions: &[Extension]) -> Self {
        let book = Arc::new(Mutex::new(Book {
            kind,
            licences: vec!["Plus", "Pro"],
            extensions: extensions.to_vec(),
            ..Book::default()
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(answer).with_state(book.clone());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { endpoint, book, server }
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// Somebody of whom the server knows: `registration` as on the wire, and `+p` for a pending invitation.
    pub(super) fn add(&self, name: &str, registration: &str, licence: &str) {
        self.book().add(name, registration, licence);
    }

    pub(super) fn fail(&self, operation: &'static str, faults: &[Fault]) {
        self.book().faults.entry(operation).or_default().extend(faults.iter().cloned());
    }

    /// Who holds what: `name licence registration`.
    pub(super) fn shown(&self) -> String {
        let book = self.book();
        let show = |user: &User| {
            let name = user.primary_email.clone().unwrap_or_default().replace("@corp.example", "");
            let licence = user.license_type.clone().unwrap_or("-".to_owned());
            format!("{name} {licence} {}", user.user_registration_status.clone().unwrap_or_default())
        };
        book.users.values().map(show).collect::<Vec<_>>().join(", ")
    }

    /// How many requests of one operation came.
    pub(super) fn count(&self, operation: &str) -> usize {
        self.book().asked.iter().filter(|(asked, _)| *asked == operation).count()
    }
}

impl Book {
    pub(super) fn add(&mut self, name: &str, registration: &str, licence: &str) {
        let (registration, pending) =
            registration.split_once('+').map_or((registration, false), |(one, _)| (one, true));
        let user = User {
            user_id: format!("id-{name}"),
            account_id: Some("corp".into()),
            primary_email: Some(format!("{name}@corp.example")),
            license_type: Some(licence.to_owned()).filter(|licence| licence != "-"),
            user_type: Some("PrivateUser".into()),
            user_registration_status: Some(registration.into()),
            user_invitation_status: pending.then(|| "Pending".into()),
            ..User::default()
        };
        self.users.insert(user.user_id.clone(), user);
    }

    fn has(&self, extension: Extension) -> bool {
        self.extensions.contains(&extension)
    }

    fn by_email(&self, email: &str) -> Option<&User> {
        self.users.values().find(|user| user.primary_email.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(email)))
    }

    fn answer(&mut self, method: &Method, path: &str, query: &HashMap<String, String>, body: &[u8]) -> Reply {
        let segments: Vec<String> = path.trim_start_matches('/').split('/').map(decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let operation = query.get("operation").map(String::as_str);
        match (method.as_str(), &segments[..], operation) {
            ("GET", ["accounts", account], None) => Reply::new("GetAccount", 1).json(&AccountResponse {
                account: Account {
                    account_id: (*account).to_owned(),
                    name: "Corporation".into(),
                    account_type: Some(self.kind.into()),
                    supported_licenses: self.licences.iter().map(|one| (*one).to_owned()).collect(),
                    extensions: self.extensions.clone(),
                    ..Account::default()
                },
            }),
            ("GET", ["accounts", _, "users"], None) => self.list(query),
            ("GET", ["accounts", _, "users", id], None) => match self.users.get(*id) {
                Some(user) => Reply::new("GetUser", 1).json(&UserResponse { user: user.clone() }),
                None => Reply::new("GetUser", 1).exception(Exception::NotFound),
            },
            ("POST", ["accounts", _, "users"], None) => {
                let request: BatchUpdateUserRequest = parsed(body);
                let items = request.update_user_request_items.unwrap();
                let ids = items.iter().map(|item| item.user_id.clone().unwrap()).collect();
                let moves: Vec<(String, String)> = items
                    .iter()
                    .filter_map(|item| Some((item.user_id.clone()?, item.primary_email.clone()?)))
                    .collect();
                self.batch("BatchUpdateUser", 20, ids, |book, index| book.update(&items[index], &moves))
            }
            ("POST", ["accounts", _, "users"], Some("suspend")) => {
                let ids = parsed::<UserIdListRequest>(body).user_id_list.unwrap();
                self.batch("BatchSuspendUser", 50, ids.clone(), |book, index| book.suspend(&ids[index]))
            }
            ("POST", ["accounts", _, "users"], Some("unsuspend")) => {
                let ids = parsed::<UserIdListRequest>(body).user_id_list.unwrap();
                self.batch("BatchUnsuspendUser", 50, ids.clone(), |book, index| book.unsuspend(&ids[index]))
            }
            ("POST", ["accounts", _, "users"], Some("batch-create")) => {
                let items = parsed::<BatchCreateUserRequest>(body).create_user_request_items.unwrap();
                let emails = items.iter().map(|item| item.email.clone().unwrap()).collect();
                self.batch("BatchCreateUser", 50, emails, |book, index| book.create(&items[index]))
            }
            ("POST", ["accounts", _, "users"], Some("add")) => self.invite(&parsed(body)),
            other => panic!("no such operation: {other:?}"),
        }
    }

    fn list(&mut self, query: &HashMap<String, String>) -> Reply {
        let mut users: Vec<User> = self.users.values().cloned().collect();
        let filter = query.get("user-email").filter(|_| !self.ignores_filter);
        users.retain(|user| filter.is_none_or(|email| user.primary_email.as_ref() == Some(email)));
        let most: usize = query.get("max-results").map_or(RESULTS_DEFAULT, |most| most.parse().unwrap());
        let from: usize = query.get("next-token").map_or(0, |token| token.trim_start_matches("at ").parse().unwrap());
        let more = users.len() > from + most;
        let next = if self.repeats_token { most } else { from + most };
        let next_token = more.then(|| format!("at {next}"));
        let mut page: Vec<User> = users.into_iter().skip(from).take(most).collect();
        if self.repeats_user
            && let Some(first) = page.first().cloned()
        {
            page.push(first);
        }
        Reply::new("ListUsers", page.len()).json(&ListUsersResponse { users: page, next_token })
    }

    fn batch(
        &mut self,
        operation: &'static str,
        most: usize,
        names: Vec<String>,
        mut each: impl FnMut(&mut Self, usize) -> Result<(), ErrorCode>,
    ) -> Reply {
        let reply = Reply::new(operation, names.len());
        assert!(!names.is_empty() && names.len() <= most, "{operation} of {}", names.len());
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{operation} names somebody twice");
        let bad = match self.faults.get_mut(operation).and_then(VecDeque::pop_front) {
            Some(Fault::Item(name, code)) => Some((name, code)),
            Some(fault) => {
                self.faults.entry(operation).or_default().push_front(fault);
                None
            }
            None => None,
        };
        if self.poison.is_some_and(|poison| names.iter().any(|name| name == poison)) {
            return reply.exception(Exception::BadRequest);
        }
        let mut user_errors = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let result = match bad {
                Some((bad, code)) if bad == name => Err(code),
                Some(_) | None => each(self, index),
            };
            if let Err(error_code) = result {
                let error_message = "so it is".to_owned();
                user_errors.push(UserError { user_id: name.clone(), error_code, error_message });
            }
        }
        let is_refused = |name: &String| user_errors.iter().any(|error| error.user_id == *name);
        let named = names.iter().filter(|name| !is_refused(name));
        let echo = named.filter_map(|name| self.users.get(name).or_else(|| self.by_email(name)).cloned());
        let users = self.has(Extension::Echo).then(|| echo.collect());
        reply.json(&BatchResponse { user_errors, users })
    }

    fn update(&mut self, item: &UpdateUserRequest, moves: &[(String, String)]) -> Result<(), ErrorCode> {
        let id = item.user_id.clone().unwrap();
        let user = self.users.get(&id).ok_or(ErrorCode::NotFound)?;
        if user.user_registration_status.as_deref() == Some("Unregistered") && item.license_type.is_some() {
            return Err(ErrorCode::PreconditionFailed);
        }
        if let Some(email) = &item.primary_email {
            assert!(self.has(Extension::PrimaryEmail), "an address without the extension");
            let leaves = |user: &User| moves.iter().any(|(id, to)| *id == user.user_id && to != email);
            let holder =
                self.users.values().find(|other| other.user_id != id && other.primary_email.as_ref() == Some(email));
            if holder.is_some_and(|holder| !leaves(holder)) {
                return Err(ErrorCode::Conflict);
            }
        }
        let user = self.users.get_mut(&id).unwrap();
        user.license_type = item.license_type.clone().or(user.license_type.take());
        user.primary_email = item.primary_email.clone().or(user.primary_email.take());
        Ok(())
    }

    fn suspend(&mut self, id: &str) -> Result<(), ErrorCode> {
        if self.kind == "Team" {
            return self.users.remove(id).map(drop).ok_or(ErrorCode::NotFound);
        }
        self.users.get_mut(id).ok_or(ErrorCode::NotFound)?.user_registration_status = Some("Suspended".into());
        Ok(())
    }

    fn unsuspend(&mut self, id: &str) -> Result<(), ErrorCode> {
        let silent = self.unsuspends_nobody;
        let user = self.users.get_mut(id).ok_or(ErrorCode::NotFound)?;
        if !silent && user.user_registration_status.as_deref() == Some("Suspended") {
            user.user_registration_status = Some("Registered".into());
        }
        Ok(())
    }

    fn create(&mut self, item: &CreateUserRequest) -> Result<(), ErrorCode> {
        let email = item.email.clone().unwrap();
        if self.by_email(&email).is_some() {
            return Err(ErrorCode::Conflict);
        }
        let name = email.replace("@corp.example", "");
        self.add(&name, "Registered", item.license_type.as_deref().unwrap());
        Ok(())
    }

    fn invite(&mut self, request: &InviteUsersRequest) -> Reply {
        let emails = request.user_email_list.clone().unwrap();
        assert!(!emails.is_empty() && emails.len() <= 50);
        let mut invites = Vec::new();
        for email in &emails {
            let known = self.by_email(email).is_some();
            if !known {
                self.add(&email.replace("@corp.example", ""), "Unregistered+p", "-");
            }
            if !known || request.resend_pending != Some(false) {
                *self.invited.entry(email.clone()).or_default() += 1;
            }
            let user = self.has(Extension::Echo).then(|| self.by_email(email).cloned()).flatten();
            let status = Some("Pending".to_owned());
            invites.push(Invite { email_address: Some(email.clone()), status, user, ..Invite::default() });
        }
        Reply::new("InviteUsers", emails.len()).json(&InviteUsersResponse { invites })
    }
}

/// An answer, and what it is to.
struct Reply {
    operation: &'static str,
    items: usize,
    status: u16,
    error: Option<Exception>,
    body: Vec<u8>,
}

impl Reply {
    fn new(operation: &'static str, items: usize) -> Self {
        Self { operation, items, status: 200, error: None, body: Vec::new() }
    }

    fn json(self, body: &impl Serialize) -> Self {
        Self { body: serde_json::to_vec(body).unwrap(), ..self }
    }

    fn exception(self, exception: Exception) -> Self {
        let body = ErrorBody { code: Some(exception.code()), message: Some("so it is".into()) };
        Self { status: exception.status(), error: Some(exception), ..self }.json(&body)
    }

    fn response(&self) -> Response<Body> {
        let mut response = Response::builder().status(self.status);
        if let Some(error) = self.error {
            response = response.header(HEADER_ERROR_TYPE, error.name());
        }
        response.body(Body::from(self.body.clone())).unwrap()
    }
}

async fn answer(State(book): State<Shared>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let query = parts.uri.query().unwrap_or_default();
    let query =
        query.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), decoded(v))).collect();
    let outcome = {
        let mut book = book.lock().unwrap();
        book.check_headers(&parts.headers);
        book.carry_out(&parts.method, parts.uri.path(), &query, &body)
    };
    match outcome {
        Ok(response) => response,
        Err(()) => std::future::pending().await,
    }
}

impl Book {
    /// Every attempt is signed and no two are the same.
    fn check_headers(&mut self, headers: &HeaderMap) {
        let text = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert!(self.attempts.insert(text("amz-sdk-invocation-id")), "one and the same request twice");
        assert!(text("authorization").contains("SignedHeaders=amz-sdk-invocation-id;"));
        assert_eq!(text("x-amz-date").len(), 16);
    }

    fn carry_out(
        &mut self,
        method: &Method,
        path: &str,
        query: &HashMap<String, String>,
        body: &Bytes,
    ) -> Result<Response<Body>, ()> {
        let operation = operation(method, path, query);
        let queue = self.faults.entry(operation).or_default();
        let fault = match queue.front() {
            Some(Fault::Item(..)) | None => None,
            Some(_) => queue.pop_front(),
        };
        if let Some(Fault::Before { status, retry_after }) = fault {
            self.asked.push((operation, 0));
            let mut response = Response::builder().status(status);
            if let Some(after) = retry_after {
                response = response.header("retry-after", after);
            }
            return Ok(response.body(Body::from("{}")).unwrap());
        }
        let reply = self.answer(method, path, query, body);
        assert_eq!(reply.operation, operation);
        self.asked.push((reply.operation, reply.items));
        match fault {
            Some(Fault::After(status)) => Ok(Response::builder().status(status).body(Body::from("{}")).unwrap()),
            Some(Fault::Cut) => {
                let half = Bytes::copy_from_slice(&reply.body[..reply.body.len() / 2]);
                let broken = std::io::Error::other("cut");
                let parts = [Ok(half), Err(broken)];
                Ok(Response::new(Body::from_stream(futures_util::stream::iter(parts))))
            }
            Some(Fault::Silence) => Err(()),
            Some(Fault::Before { .. } | Fault::Item(..)) | None => Ok(reply.response()),
        }
    }
}

fn operation(method: &Method, path: &str, query: &HashMap<String, String>) -> &'static str {
    let depth = path.trim_start_matches('/').split('/').count();
    match (method.as_str(), depth, query.get("operation").map(String::as_str)) {
        ("GET", 2, _) => "GetAccount",
        ("GET", 3, _) => "ListUsers",
        ("GET", _, _) => "GetUser",
        (_, _, None) => "BatchUpdateUser",
        (_, _, Some("suspend")) => "BatchSuspendUser",
        (_, _, Some("unsuspend")) => "BatchUnsuspendUser",
        (_, _, Some("add")) => "InviteUsers",
        (_, _, Some("batch-create")) => "BatchCreateUser",
        other => panic!("{other:?}"),
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> T {
    serde_json::from_slice(body).unwrap()
}
