//! The words of the protocol: schema names, paths, and the bodies around resources (RFC 7644 3).
//!
//! Deliberately absent: users themselves, which are kept as the server wrote them (`user`).

use crate::accounts::reach::failure::without;
use serde_json::{Map, Value, json};

/// The media type of every body (RFC 7644 8.1).
pub(super) const MEDIA_TYPE: &str = "application/scim+json";
/// What is accepted: some servers answer with the plain type.
pub(super) const ACCEPTED: &str = "application/scim+json, application/json";
/// The schema of a user (RFC 7643 4.1).
pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The schema of a group (RFC 7643 4.2).
pub(super) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The schema of a PATCH (RFC 7644 3.5.2).
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// The schema of a bulk request (RFC 7644 3.7).
const BULK_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// What the server is and can do (RFC 7644 4).
pub(super) const SERVICE_PROVIDER_CONFIG: &str = "/ServiceProviderConfig";
/// Which attributes there are (RFC 7644 4).
pub(super) const SCHEMAS: &str = "/Schemas";
/// Where resources are (RFC 7644 4).
pub(super) const RESOURCE_TYPES: &str = "/ResourceTypes";
/// Where users are, unless the server says otherwise (RFC 7644 3.2).
pub(super) const USERS: &str = "/Users";
/// Where groups are, unless the server says otherwise (RFC 7644 3.2).
pub(super) const GROUPS: &str = "/Groups";
/// Where several changes go at once (RFC 7644 3.7).
pub(super) const BULK: &str = "/Bulk";

/// A member of an object, whatever the case of its name (RFC 7643 2.1).
pub(super) fn member<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    let exact = object.get(name);
    let other = || object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    exact.or_else(other).filter(|value| !value.is_null())
}

/// A member of a value that may be no object at all.
pub(super) fn within<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    member(value.as_object()?, name)
}

/// A text that is not empty.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    within(value, name)?.as_str().filter(|text| !text.is_empty())
}

/// A whole number; some servers write it as a text.
pub(super) fn number(value: &Value, name: &str) -> Option<usize> {
    let value = within(value, name)?;
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
    usize::try_from(number).ok()
}

/// True or false; some servers write it as a text.
pub(super) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// The items of a list; one that stands alone is a list of one.
pub(super) fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        Value::Null => &[],
        alone => std::slice::from_ref(alone),
    }
}

/// One page of a list (RFC 7644 3.4.2), or of a cursor (RFC 9865).
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    /// What it brought.
    pub(super) resources: Vec<Value>,
    /// How many there are in all, where it says so.
    pub(super) total: Option<usize>,
    /// Where it goes on, by cursor.
    pub(super) next_cursor: Option<String>,
}

impl Page {
    /// Reads one; `None` for what is no list. A list of nobody may do without `Resources` if it says that it is empty.
    pub(super) fn of(body: &Value) -> Option<Self> {
        let total = number(body, "totalResults");
        let resources = match within(body, "Resources") {
            Some(Value::Array(resources)) => resources.clone(),
            Some(_) => return None,
            None if total == Some(0) || within(body, "startIndex").is_some() && total.is_some() => Vec::new(),
            None => return None,
        };
        Some(Self { resources, total, next_cursor: text(body, "nextCursor").map(str::to_owned) })
    }
}

/// What an error says (RFC 7644 3.12).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    /// The kind of a 400 or 409, as `uniqueness` or `invalidFilter`.
    pub(super) scim_type: Option<String>,
    /// For people.
    pub(super) detail: Option<String>,
}

impl ErrorBody {
    /// Reads one; what is none says nothing.
    pub(super) fn of(body: &Value) -> Self {
        let owned = |name| text(body, name).map(str::to_owned);
        Self { scim_type: owned("scimType"), detail: owned("detail").or_else(|| owned("message")) }
    }

    /// The same without a secret that it quotes.
    pub(super) fn without(self, secret: &str) -> Self {
        let clean = |words: Option<String>| words.map(|words| without(&words, secret));
        Self { scim_type: clean(self.scim_type), detail: clean(self.detail) }
    }
}

/// The answer to a bulk, without a secret that a refusal in it quotes; as it came where none does. What was done is left alone:
/// a user is as the server wrote it.
pub(super) fn bulk_without(answer: Vec<u8>, secret: &str) -> Vec<u8> {
    let Ok(mut body) = serde_json::from_slice::<Value>(&answer) else { return answer };
    let operations = member_mut(&mut body, "Operations").map(items_mut).unwrap_or_default();
    let mut is_quoted = false;
    for operation in operations.iter_mut().filter(|each| !bulk_status(each).is_some_and(|it| (200..300).contains(&it)))
    {
        is_quoted |= member_mut(operation, "response").is_some_and(|response| clean(response, secret));
    }
    if is_quoted { body.to_string().into_bytes() } else { answer }
}

/// Takes a secret out of all texts of a value; whether it was there.
fn clean(value: &mut Value, secret: &str) -> bool {
    // All of them: one that has it does not speak for the others.
    let any = |values: &mut dyn Iterator<Item = &mut Value>| {
        values.filter_map(|it| clean(it, secret).then_some(())).count() > 0
    };
    match value {
        Value::String(words) => {
            let cleaned = without(words, secret);
            let is_quoted = cleaned != *words;
            *words = cleaned;
            is_quoted
        }
        Value::Array(values) => any(&mut values.iter_mut()),
        Value::Object(members) => any(&mut members.values_mut()),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn member_mut<'v>(value: &'v mut Value, name: &str) -> Option<&'v mut Value> {
    value.as_object_mut()?.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn items_mut(value: &mut Value) -> &mut [Value] {
    match value {
        Value::Array(items) => items,
        Value::Null => &mut [],
        alone => std::slice::from_mut(alone),
    }
}

/// What became of one operation in the answer to a bulk: a text in RFC 7644, a number from some servers.
pub(super) fn bulk_status(operation: &Value) -> Option<u16> {
    let status = within(operation, "status")?;
    status.as_str().and_then(|text| text.parse().ok()).or_else(|| u16::try_from(status.as_u64()?).ok())
}

/// The body of a PATCH.
pub(super) fn patch(operations: Vec<Value>) -> Value {
    json!({ "schemas": [PATCH_OP], "Operations": operations })
}

/// One operation of a PATCH.
pub(super) fn operation(op: &str, path: &str, value: Value) -> Value {
    json!({ "op": op, "path": path, "value": value })
}

/// The body of a bulk request: every operation is tried, whatever becomes of the others.
pub(super) fn bulk(operations: Vec<Value>) -> Value {
    json!({ "schemas": [BULK_REQUEST], "Operations": operations })
}

/// A text as it stands in a filter (RFC 7644 3.4.2.2): as JSON writes it.
pub(super) fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_whatever_the_case_of_its_names() {
        let page = Page::of(&json!({"TOTALRESULTS": "2", "resources": [{"id": "1"}], "nextCursor": "x"})).unwrap();
        assert_eq!((page.total, page.resources.len(), page.next_cursor.as_deref()), (Some(2), 1, Some("x")));
        assert!(Page::of(&json!({"totalResults": 0})).unwrap().resources.is_empty());
        for odd in [json!({}), json!([]), json!("x"), json!({"totalResults": 5}), json!({"Resources": {}})] {
            assert!(Page::of(&odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn an_error_is_read_as_far_as_it_can_be() {
        let error = ErrorBody::of(&json!({"scimType": "uniqueness", "detail": "taken", "status": "409"}));
        assert_eq!((error.scim_type.as_deref(), error.detail.as_deref()), (Some("uniqueness"), Some("taken")));
        assert_eq!(ErrorBody::of(&json!("<html>")), ErrorBody::default());
    }

    #[test]
    fn a_refusal_in_a_bulk_quotes_no_secret() {
        let answer = br#"{"operations": [
            {"bulkId": "n0", "status": "400", "response": {"detail": "Bearer to\/ken=", "Errors": ["to/ken="]}},
            {"bulkId": "n1", "status": 201, "response": {"id": "to/ken="}}]}"#;
        let cleaned: Value = serde_json::from_slice(&bulk_without(answer.to_vec(), "to/ken=")).unwrap();
        assert_eq!(
            cleaned["operations"][0]["response"],
            json!({"detail": "Bearer [secret]", "Errors": ["[secret]"]}),
            "however it is written"
        );
        assert_eq!(cleaned["operations"][1]["response"]["id"], "to/ken=", "what was done is as the server wrote it");
        for untouched in [&answer[..], b"", b"<html>", b"null", b"[1]", br#"{"Operations": 7}"#] {
            assert_eq!(bulk_without(untouched.to_vec(), "another"), untouched);
        }
    }

    #[test]
    fn what_stands_in_a_filter_cannot_leave_it() {
        assert_eq!(quoted(r#"a" or id pr or x eq "\"#), r#""a\" or id pr or x eq \"\\""#);
    }

    #[test]
    fn truth_may_be_a_text() {
        let cases = [(json!(true), Some(true)), (json!("False"), Some(false)), (json!(1), None), (json!("yes"), None)];
        for (value, expected) in cases {
            assert_eq!(truth(&value), expected, "{value}");
        }
    }
}
