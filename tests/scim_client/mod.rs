//! A SCIM client made of a socket, none of the product's: a connection for each request, nothing sent twice.

#![allow(dead_code)] // Shared by several test crates; none uses all of it.

use crate::seatstore::Server;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longest wait for an answer, on a busy machine.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// A client of one account.
#[derive(Clone)]
pub struct Client {
    pub address: std::net::SocketAddr,
    /// The path of the account.
    pub base: String,
    /// The bearer token; none is shown where it is empty.
    pub token: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// By their names in lower case.
    pub headers: HashMap<String, String>,
    /// Null where there was none.
    pub body: Value,
}

impl Answer {
    /// A member of the body by its pointer.
    #[track_caller]
    pub fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    #[track_caller]
    pub fn text(&self, pointer: &str) -> String {
        self.at(pointer).as_str().unwrap_or_else(|| panic!("no {pointer} in {self:#?}")).to_owned()
    }

    /// Fails unless it has that status; an error must be one of SCIM with the same status in it.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        if !self.body.is_null() {
            assert!(self.headers["content-type"].starts_with("application/scim+json"), "{self:#?}");
        }
        if status >= 400 {
            assert_eq!(self.at("/schemas/0"), "urn:ietf:params:scim:api:messages:2.0:Error", "{self:#?}");
            assert_eq!(self.at("/status"), &json!(status.to_string()));
        }
        self
    }

    /// As [`Answer::expect`], with words that the detail has.
    #[track_caller]
    pub fn refused(self, status: u16, scim_type: Option<&str>, words: &str) -> Self {
        let it = self.expect(status);
        assert_eq!(it.at("/scimType").as_str(), scim_type, "{it:#?}");
        assert!(it.text("/detail").contains(words), "{it:#?}");
        it
    }
}

impl Client {
    /// A client of that account, with a new token; the server reads it in by starting anew.
    pub fn of(server: &mut Server, account: &str, arguments: &[&str]) -> Self {
        let issued = server.run(&[&["key", "new", "--scim", "--account", account], arguments].concat());
        let token = issued["token"].as_str().expect("a token").to_owned();
        server.restart();
        Self { address: server.address(), base: format!("/scim/v2/{account}"), token }
    }

    /// The same at where the server is now.
    pub fn at(&self, server: &Server) -> Self {
        Self { address: server.address(), ..self.clone() }
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], None)
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[], Some(&body.to_string()))
    }

    #[track_caller]
    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.ask("PUT", path, &[], Some(&body.to_string()))
    }

    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, &[], None)
    }

    /// A PATCH with these operations.
    #[track_caller]
    pub fn patch(&self, path: &str, operations: Value) -> Answer {
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
        self.ask("PATCH", path, &[], Some(&body.to_string()))
    }

    /// Makes a user with that address and licence; gives the id.
    #[track_caller]
    pub fn create(&self, email: &str, licence: &str) -> String {
        self.post("/Users", &user(email, licence)).expect(201).text("/id")
    }

    /// One request.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        let target = format!("{}{path}", self.base);
        let mut request = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        if !self.token.is_empty() {
            request.push_str(&format!("authorization: Bearer {}\r\n", self.token));
        }
        if body.is_some() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request.push_str("content-type: application/scim+json\r\n");
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = body.unwrap_or_default();
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(ANSWER_TIME_MAX)).unwrap();
        // Who is refused by the head may find the rest of a large body not taken.
        let _ = stream.write_all(request.as_bytes());
        let mut stream = BufReader::new(stream);
        let mut line = || {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let first = line();
        let status = first.split(' ').nth(1).and_then(|text| text.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no HTTP answer to {method} {target}: {first:?}"));
        let mut found = HashMap::new();
        loop {
            let header = line();
            let Some((name, value)) = header.split_once(':') else { break };
            found.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status, headers: found, body }
    }
}

/// A user with that address and licence; without one where it is empty.
pub fn user(email: &str, licence: &str) -> Value {
    let mut user = json!({"schemas": [USER], "userName": email});
    if !licence.is_empty() {
        user["entitlements"] = json!([{"value": licence, "type": "licence"}]);
    }
    user
}
