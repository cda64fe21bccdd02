//! The list response (RFC 7644 3.4.2, and RFC 9865 for its cursor).

use super::LIST_RESPONSE;
use serde_json::{Map, Value, json};

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// How many there are in all; with a cursor a server need not know.
    pub total: Option<usize>,
    /// The place of the first one of this page, from 1; not with a cursor.
    pub start: Option<usize>,
    /// What to ask for the next page with; `None` on the last one.
    pub next_cursor: Option<String>,
    /// The resources.
    pub resources: Vec<Value>,
}

impl Page {
    /// As a body.
    pub fn body(self) -> Value {
        let Self { total, start, next_cursor, resources } = self;
        let mut body = Map::new();
        body.insert("schemas".to_owned(), json!([LIST_RESPONSE]));
        for (name, number) in [("totalResults", total), ("itemsPerPage", Some(resources.len())), ("startIndex", start)]
        {
            if let Some(number) = number {
                body.insert(name.to_owned(), Value::from(number));
            }
        }
        if let Some(cursor) = next_cursor {
            body.insert("nextCursor".to_owned(), Value::from(cursor));
        }
        // Also where it is empty: some clients take a missing member for a failure.
        body.insert("Resources".to_owned(), Value::from(resources));
        Value::Object(body)
    }

    /// Somebody else's body; `None` when it is no list response. A list that has nothing may be absent.
    pub fn read(body: &Value) -> Option<Self> {
        let number = |name: &str| body.get(name).and_then(Value::as_u64).and_then(|it| usize::try_from(it).ok());
        let is_list = body.get("schemas")?.as_array()?.iter().any(|urn| urn == LIST_RESPONSE);
        let resources = match body.get("Resources") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(resources)) => resources.clone(),
            Some(_) => return None,
        };
        let next_cursor = body.get("nextCursor").and_then(Value::as_str).filter(|it| !it.is_empty()).map(str::to_owned);
        is_list.then(|| Self { total: number("totalResults"), start: number("startIndex"), next_cursor, resources })
    }
}
