//! A small SCIM server with switches for its faults: what a real one may do to a client.

use crate::accounts::scim::messages::{items, member};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, Response};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// Refused or failed before anything was done.
    Before { status: u16, retry_after: Option<&'static str>, body: &'static str },
    /// Done, and then this status.
    After(u16),
    /// Done, and the answer breaks off.
    Cut,
    /// Done, and no answer ever.
    Silence,
}

/// The server behind the address.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) users: BTreeMap<String, Value>,
    /// The groups by name, each with its members; the key of one is `g-NAME`.
    pub(super) groups: Vec<(String, Vec<String>)>,
    /// What became of members, in order: `+Full id-anna`.
    pub(super) moved: Vec<String>,
    /// Groups show no `members`.
    pub(super) hides_members: bool,
    /// Groups show `members`, and never anybody.
    pub(super) shows_nobody: bool,
    /// Users show `groups`.
    pub(super) shows_groups: bool,
    /// Says yes to members and keeps nothing.
    pub(super) forgets_members: bool,
    /// Takes no more members than that in one request; 0 is no limit.
    pub(super) members_max: usize,
    /// Overlooks whom a removal by value names, and takes all out.
    pub(super) empties: bool,
    /// Takes all members out whatever filter the path has.
    pub(super) overlooks_filters: bool,
    /// What its schemas are; null is 404.
    pub(super) schemas: Value,
    /// What it says that it can do; null is 404.
    pub(super) config: Value,
    pub(super) faults: HashMap<&'static str, VecDeque<Fault>>,
    /// What was asked.
    pub(super) asked: Vec<&'static str>,
    /// Attributes that it says yes to and does not keep.
    pub(super) drops: Vec<&'static str>,
    /// Most users in one page.
    pub(super) cap: usize,
    /// What is added to the number of all.
    pub(super) boasts: usize,
    /// Says that there are as many as the page has.
    pub(super) calls_page_all: bool,
    /// Gives the first page whatever is asked for.
    pub(super) repeats: bool,
    /// Keys of users whom it leaves out of its lists, and does not count there.
    pub(super) hides: Vec<&'static str>,
    /// Lists nobody who is deactivated.
    pub(super) lists_active: bool,
    /// Gives everybody, whatever the filter.
    pub(super) ignores_filter: bool,
    /// Refuses filters on these.
    pub(super) unfiltered: Vec<&'static str>,
    /// Does not understand a path with a filter in it.
    pub(super) plain_paths: bool,
    /// Answers a change with 204.
    pub(super) is_terse: bool,
    /// Answers with what it was asked for, whatever it keeps.
    pub(super) echoes: bool,
    /// Answers that it made this one, whoever was to be made, and makes nobody.
    pub(super) makes: Option<&'static str>,
    /// Makes users and does not show them.
    pub(super) hides_made: bool,
    /// Deactivates whom it is asked to delete, and says that it is done.
    pub(super) soft_deletes: bool,
    /// Says that whoever is to be deleted is, and keeps the user as is.
    pub(super) keeps_deleted: bool,
    /// Checks If-Match.
    pub(super) versions: bool,
    /// Wants addresses to be unique, too.
    pub(super) unique_addresses: bool,
    /// Tokens given so far; the last one is good.
    pub(super) tokens: usize,
    /// The token that is good, where it is not the last one given.
    pub(super) token: Option<&'static str>,
    /// What tokens are good for, in seconds.
    pub(super) expires_in: u64,
    made: usize,
}

/// A running server.
pub(super) struct Fake {
    pub(super) base_url: String,
    book: Arc<Mutex<Book>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Fake {
    pub(super) async fn start() -> Self {
        let config = json!({"patch": {"supported": true}, "filter": {"supported": true, "maxResults": 100}});
        let book = Book { config, cap: 100, token: Some("hunter2"), expires_in: 3_600, ..Book::default() };
        let book = Arc::new(Mutex::new(book));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/scim", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(answer).with_state(book.clone());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { base_url, book, server }
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// Somebody who is there: `id-NAME` with that seat; `more` is put on top.
    pub(super) fn add(&self, name: &str, seat: &str, more: Value) {
        let mut user = json!({
            "id": format!("id-{name}"), "userName": format!("{name}@corp.example"), "active": true,
            "emails": [{"value": format!("{name}@corp.example"), "type": "work"}], "meta": {"version": "W/\"1\""},
        });
        if !seat.is_empty() {
            user["roles"] = json!([{"type": "seat", "value": seat}]);
        }
        for (name, value) in more.as_object().into_iter().flatten() {
            user[name] = value.clone();
        }
        self.book().users.insert(format!("id-{name}"), user);
    }

    pub(super) fn fail(&self, operation: &'static str, faults: &[Fault]) {
        self.book().faults.entry(operation).or_default().extend(faults.iter().cloned());
    }

    /// Who holds what: `name seat`, and `off` for who is deactivated.
    pub(super) fn shown(&self) -> String {
        let book = self.book();
        let show = |user: &Value| {
            let name = user["userName"].as_str().unwrap_or_default().replace("@corp.example", "");
            let roles = items(&user["roles"]).iter().filter(|role| role["type"] == "seat");
            let seats: String = roles.map(|role| format!(" {}", role["value"].as_str().unwrap_or_default())).collect();
            let id = user["id"].as_str().unwrap_or_default();
            let groups = book.groups_of(id).into_iter().map(|group| format!(" {group}")).collect::<String>();
            format!("{name}{seats}{groups}{}", if user["active"] == false { " off" } else { "" })
        };
        book.users.values().map(show).collect::<Vec<_>>().join(", ")
    }

    /// How many requests of one operation came.
    pub(super) fn count(&self, operation: &str) -> usize {
        self.book().asked.iter().filter(|asked| **asked == operation).count()
    }
}

async fn answer(State(book): State<Arc<Mutex<Book>>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let target = parts.uri.to_string();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = operation_of(&parts.method, &target);
    let (fault, answered) = {
        let mut book = book.lock().unwrap();
        book.asked.push(operation);
        let fault = book.faults.get_mut(operation).and_then(VecDeque::pop_front);
        let good =
            book.token.map_or_else(|| format!("Bearer token-{}", book.tokens), |token| format!("Bearer {token}"));
        let answered = match &fault {
            Some(Fault::Before { status, body, .. }) => (*status, serde_json::from_str(body).unwrap_or_default()),
            _ if operation == "token" => book.give_token(header("authorization"), &body),
            _ if header("authorization") != good => (401, json!({"detail": "no"})),
            _ => {
                let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                book.answer(&parts.method, &target, &body, header("if-match"))
            }
        };
        (fault, answered)
    };
    let (mut status, body) = answered;
    let mut response = Response::builder().header("content-type", "application/scim+json");
    match fault {
        Some(Fault::Before { retry_after: Some(after), .. }) => response = response.header("retry-after", after),
        Some(Fault::After(other)) => status = other,
        Some(Fault::Cut) => {
            let broken =
                futures_util::stream::iter([Ok(Bytes::from_static(b"{\"id\":")), Err(std::io::Error::other("cut"))]);
            return response.status(status).body(Body::from_stream(broken)).unwrap();
        }
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::Before { .. } | Fault::None) | None => {}
    }
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    response.status(status).body(body).unwrap()
}

fn operation_of(method: &Method, target: &str) -> &'static str {
    match (method.as_str(), target) {
        (_, "/token") => "token",
        ("POST", "/scim/Bulk") => "bulk",
        ("GET", target) if target.starts_with("/scim/Groups") => "groups",
        ("PATCH", target) if target.starts_with("/scim/Groups/") => "members",
        ("POST", _) => "create",
        ("PATCH" | "PUT", _) => "change",
        ("DELETE", _) => "remove",
        (_, target) if target.contains("filter=") => "search",
        (_, target) if target.starts_with("/scim/Users?") => "list",
        (_, target) if target.starts_with("/scim/Users/") => "read",
        _ => "discover",
    }
}

type Answered = (u16, Value);

impl Book {
    fn give_token(&mut self, authorization: &str, body: &[u8]) -> Answered {
        let is_right =
            authorization == "Basic c2VhdHN5bmM6aHVudGVyMg==" && body == b"grant_type=client_credentials&scope=a%20b";
        if !is_right {
            return (401, json!({"error": "invalid_client"}));
        }
        self.tokens += 1;
        (
            200,
            json!({"access_token": format!("token-{}", self.tokens), "token_type": "bearer", "expires_in": self.expires_in}),
        )
    }

    fn answer(&mut self, method: &Method, target: &str, body: &Value, if_match: &str) -> Answered {
        let path = target.strip_prefix("/scim").unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        match (method.as_str(), path) {
            ("GET", "/ServiceProviderConfig") if !self.config.is_null() => (200, self.config.clone()),
            ("GET", "/Schemas") if !self.schemas.is_null() => (200, self.schemas.clone()),
            ("GET", "/Groups") => self.list_groups(query),
            ("GET", "/Users") => self.list(query),
            ("POST", "/Users") => self.create(body),
            ("POST", "/Bulk") => {
                let operations: Vec<Value> = items(&body["Operations"]).iter().map(|it| self.bulk(it)).collect();
                (200, json!({"Operations": operations}))
            }
            (method, path) if path.starts_with("/Groups/") => {
                let place = self.groups.iter().position(|(name, _)| path == format!("/Groups/g-{name}"));
                match (method, place) {
                    ("GET", Some(place)) => (200, self.group(place, true)),
                    ("PATCH", Some(place)) => self.change_members(place, items(&body["Operations"])),
                    (_, Some(_)) => (405, json!({"detail": "groups are for people to make"})),
                    (_, None) => (404, json!({"detail": "no such group"})),
                }
            }
            (method, path) => match path.strip_prefix("/Users/") {
                Some(id) if self.users.contains_key(id) => match method {
                    "GET" => (200, self.shown(&self.users[id])),
                    "DELETE" => self.remove(id, if_match),
                    _ => self.change(method, id, body, if_match),
                },
                _ => (404, json!({"detail": "nothing there"})),
            },
        }
    }

    fn bulk(&mut self, operation: &Value) -> Value {
        let text = |name: &str| operation[name].as_str().unwrap_or_default().to_owned();
        let method = Method::from_bytes(text("method").as_bytes()).unwrap();
        let (status, body) = self.answer(&method, &format!("/scim{}", text("path")), &operation["data"], "");
        let mut said = json!({"bulkId": text("bulkId"), "method": text("method"), "status": status.to_string()});
        if status >= 300 {
            said["response"] = body;
        }
        said
    }

    /// The names of the groups that somebody is in.
    fn groups_of(&self, id: &str) -> Vec<&str> {
        let is_in = |(_, members): &&(String, Vec<String>)| members.iter().any(|member| member == id);
        self.groups.iter().filter(is_in).map(|(name, _)| name.as_str()).collect()
    }

    /// A user as it is shown.
    fn shown(&self, user: &Value) -> Value {
        let mut user = user.clone();
        let groups = self.groups_of(user["id"].as_str().unwrap_or_default());
        if self.shows_groups && !groups.is_empty() {
            user["groups"] =
                groups.into_iter().map(|name| json!({"value": format!("g-{name}"), "display": name})).collect();
        }
        user
    }

    fn group(&self, place: usize, with_members: bool) -> Value {
        let (name, members) = &self.groups[place];
        let mut group = json!({"id": format!("g-{name}"), "displayName": name});
        if with_members && self.shows_nobody {
            group["members"] = json!([]);
        } else if with_members && !self.hides_members && !members.is_empty() {
            group["members"] = members.iter().map(|id| json!({"value": id, "type": "User"})).collect();
        }
        group
    }

    fn list_groups(&self, query: &str) -> Answered {
        assert!(query.contains("excludedAttributes=members"), "{query}");
        let filter = query.split('&').find_map(|pair| pair.strip_prefix("filter="));
        let filter = filter.map(|filter| percent_encoding::percent_decode_str(filter).decode_utf8_lossy());
        if filter.is_some() && self.unfiltered.contains(&"displayName") {
            return (400, json!({"scimType": "invalidFilter", "detail": "not that one"}));
        }
        let is_asked_for = |name: &str| match &filter {
            Some(filter) if !self.ignores_filter => {
                filter.to_lowercase() == format!("displayname eq {:?}", name.to_lowercase())
            }
            Some(_) | None => true,
        };
        let places = (0..self.groups.len()).filter(|place| is_asked_for(&self.groups[*place].0));
        let start = query.split('&').find_map(|pair| pair.strip_prefix("startIndex=")?.parse::<usize>().ok());
        let all: Vec<Value> = places.map(|place| self.group(place, false)).collect();
        let page: Vec<&Value> = all.iter().skip(start.unwrap_or(1) - 1).take(self.cap).collect();
        (200, json!({"totalResults": all.len(), "itemsPerPage": page.len(), "Resources": page}))
    }

    /// All of these operations, or none.
    fn change_members(&mut self, place: usize, operations: &[Value]) -> Answered {
        let refused = |status: u16, scim_type: &str| (status, json!({"scimType": scim_type, "detail": "members"}));
        let (name, mut members) = self.groups[place].clone();
        let mut moved = Vec::new();
        for operation in operations {
            let value = items(&operation["value"]);
            let ids: Vec<String> = value.iter().map(|it| it["value"].as_str().unwrap().to_owned()).collect();
            if self.members_max > 0 && ids.len().max(operations.len()) > self.members_max {
                return refused(413, "tooMany");
            }
            match (operation["op"].as_str().unwrap(), operation["path"].as_str().unwrap()) {
                ("add", "members") => {
                    if !ids.iter().all(|id| self.users.contains_key(id)) {
                        return refused(400, "invalidValue");
                    }
                    moved.extend(ids.iter().map(|id| format!("+{name} {id}")));
                    members.extend(ids);
                }
                ("remove", "members") if self.empties => members.clear(),
                ("remove", "members") => {
                    moved.extend(ids.iter().map(|id| format!("-{name} {id}")));
                    members.retain(|member| !ids.contains(member));
                }
                ("remove", path) if self.overlooks_filters && path.contains('[') => members.clear(),
                ("remove", path) if !self.plain_paths => {
                    let id =
                        path.strip_prefix("members[value eq \"").and_then(|path| path.strip_suffix("\"]")).unwrap();
                    moved.push(format!("-{name} {id}"));
                    members.retain(|member| member != id);
                }
                ("remove", _) => return refused(400, "invalidPath"),
                odd => panic!("{odd:?}"),
            }
        }
        members.sort();
        members.dedup();
        if !self.forgets_members {
            self.groups[place].1 = members;
            self.moved.extend(moved);
        }
        (204, Value::Null)
    }

    fn list(&self, query: &str) -> Answered {
        let parameters: HashMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let number = |name: &str| parameters.get(name).and_then(|number| number.parse::<usize>().ok());
        let mut users: Vec<Value> = self.users.values().cloned().collect();
        if let Some(filter) = parameters.get("filter") {
            let filter = percent_encoding::percent_decode_str(filter).decode_utf8_lossy();
            let (attribute, value) = filter.split_once(" eq ").unwrap();
            if self.unfiltered.contains(&attribute) {
                return (400, json!({"scimType": "invalidFilter", "detail": "not that one"}));
            }
            let value: String = serde_json::from_str(value).unwrap();
            let has = |held: &Value| held.as_str().is_some_and(|held| held.eq_ignore_ascii_case(&value));
            let fits = |user: &Value| match attribute {
                "emails.value" => items(&user["emails"]).iter().any(|email| has(&email["value"])),
                attribute => has(&user[attribute]),
            };
            users.retain(|user| self.ignores_filter || fits(user));
        } else {
            users.retain(|user| !self.hides.iter().any(|hidden| user["id"] == *hidden));
            users.retain(|user| !self.lists_active || user["active"] == true);
        }
        let start = if self.repeats { 1 } else { number("startIndex").unwrap_or(1).max(1) };
        let page =
            users.iter().skip(start - 1).take(number("count").unwrap_or(self.cap).min(self.cap)).collect::<Vec<_>>();
        let page: Vec<Value> = page.into_iter().map(|user| self.shown(user)).collect();
        let total = if self.calls_page_all { page.len() } else { users.len() + self.boasts };
        (200, json!({"totalResults": total, "startIndex": start, "itemsPerPage": page.len(), "Resources": page}))
    }

    fn is_taken(&self, user: &Value, but: &str) -> bool {
        let name = |user: &Value| user["userName"].as_str().unwrap_or_default().to_lowercase();
        let address = |user: &Value| items(&user["emails"]).first().map(|email| email["value"].clone());
        let is_alike = |other: &Value| {
            name(other) == name(user)
                || self.unique_addresses && address(user).is_some() && address(other) == address(user)
        };
        self.users.iter().any(|(id, other)| id != but && is_alike(other))
    }

    fn create(&mut self, body: &Value) -> Answered {
        let mut user = body.clone();
        if self.is_taken(&user, "") {
            return (409, json!({"scimType": "uniqueness", "detail": "userName is taken"}));
        }
        if let Some(other) = self.makes {
            return (201, self.users[other].clone());
        }
        self.made += 1;
        let id = format!("made-{}", self.made);
        user["id"] = json!(id);
        if self.hides_made {
            return (204, Value::Null);
        }
        self.keep(&id, user.clone(), true);
        (201, if self.echoes { user } else { self.users[&id].clone() })
    }

    fn change(&mut self, method: &str, id: &str, body: &Value, if_match: &str) -> Answered {
        let before = self.users[id].clone();
        if self.is_overtaken(id, if_match) {
            return (412, json!({"detail": "another version"}));
        }
        let mut after = before.clone();
        match method {
            "PUT" => after = body.clone(),
            _ => {
                for operation in items(&body["Operations"]) {
                    let path = operation["path"].as_str().unwrap_or_default();
                    match path {
                        "roles[type eq \"seat\"].value" if !self.plain_paths => {
                            let role =
                                after["roles"].as_array_mut().unwrap().iter_mut().find(|role| role["type"] == "seat");
                            role.unwrap()["value"] = operation["value"].clone();
                        }
                        path if path.starts_with("name.") => after["name"][&path[5..]] = operation["value"].clone(),
                        path if path.contains('[') => return (400, json!({"scimType": "invalidPath"})),
                        path => after[path] = operation["value"].clone(),
                    }
                }
            }
        }
        if self.is_taken(&after, id) {
            return (409, json!({"scimType": "uniqueness", "detail": "userName is taken"}));
        }
        self.keep(id, after.clone(), false);
        match (self.is_terse, self.echoes) {
            (true, _) => (204, Value::Null),
            (false, true) => (200, after),
            (false, false) => (200, self.users[id].clone()),
        }
    }

    fn is_overtaken(&self, id: &str, if_match: &str) -> bool {
        self.versions && if_match != self.users[id]["meta"]["version"].as_str().unwrap_or_default()
    }

    fn remove(&mut self, id: &str, if_match: &str) -> Answered {
        if self.is_overtaken(id, if_match) {
            return (412, json!({"detail": "another version"}));
        }
        match (self.soft_deletes, self.keeps_deleted) {
            (true, _) => self.users.get_mut(id).unwrap()["active"] = json!(false),
            (false, true) => {}
            (false, false) => drop(self.users.remove(id)),
        }
        (204, Value::Null)
    }

    /// Stores a user, less what this server drops.
    fn keep(&mut self, id: &str, mut user: Value, is_new: bool) {
        let before = self.users.get(id).and_then(Value::as_object).cloned().unwrap_or_else(Map::new);
        for name in &self.drops {
            match member(&before, name) {
                Some(kept) if !is_new => user[*name] = kept.clone(),
                _ => drop(user.as_object_mut().unwrap().remove(*name)),
            }
        }
        let version = before.get("meta").and_then(|meta| meta["version"].as_str()).map_or(1, |it| it.len());
        user["meta"] = json!({"version": format!("W/{}", "x".repeat(version))});
        self.users.insert(id.to_owned(), user);
    }
}
