//! A body as JSON in which no name stands twice: of two values it is not known which one is meant, and parsers differ in which
//! one they take (RFC 8259 4). Also whoever stands before the server may have looked at the other. Two names that differ in case
//! alone are one name (RFC 7643 2.1).

use super::problem::{Problem, ScimType};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::collections::HashSet;
use std::fmt;

/// Reads a body. How deep it may go is the parser's limit.
///
/// # Errors
/// `invalidSyntax` for what is no JSON, and for a name that stands twice in one object.
pub fn read(bytes: &[u8]) -> Result<Value, Problem> {
    let read = serde_json::from_slice::<Once>(bytes);
    read.map(|Once(value)| value)
        .map_err(|error| Problem::bad(ScimType::InvalidSyntax, format!("the body is not JSON: {error}")))
}

/// A member of an object, whatever the case of its name (RFC 7643 2.1).
pub fn member<'v>(of: &'v Value, name: &str) -> Option<&'v Value> {
    of.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A value without repeated names.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reading).map(Self)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, it: bool) -> Result<Value, E> {
        Ok(Value::Bool(it))
    }

    fn visit_i64<E: Error>(self, it: i64) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_u64<E: Error>(self, it: u64) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_f64<E: Error>(self, it: f64) -> Result<Value, E> {
        Ok(Number::from_f64(it).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, it: &str) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_string<E: Error>(self, it: String) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Once(value)) = from.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let (mut members, mut names) = (Map::new(), HashSet::new());
        while let Some(name) = from.next_key::<String>()? {
            if !names.insert(name.to_ascii_lowercase()) {
                return Err(A::Error::custom(format_args!("{name:?} stands twice in one object, in whatever letters")));
            }
            let Once(value) = from.next_value()?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_stands_once_in_an_object() {
        for (text, words) in [
            (r#"{"active": true, "active": false}"#, "\"active\" stands twice"),
            (r#"{"Operations": [{"op": "add", "value": {"a": 1, "b": 2, "\u0061": 3}}]}"#, "\"a\" stands twice"),
            (r#"{"Operations": [{"op": "add", "Op": "remove"}]}"#, "\"Op\" stands twice"),
            (r#"{"value": [], "Value": [1]}"#, "\"Value\" stands twice"),
            (r#"{"a": 1"#, "EOF"),
            ("{} {}", "trailing"),
            (&"[".repeat(200), "recursion limit"),
        ] {
            let problem = read(text.as_bytes()).unwrap_err();
            assert!(problem.detail.contains(words), "{text}: {problem}");
            assert_eq!((problem.status, problem.scim_type), (400, Some(ScimType::InvalidSyntax)));
        }
        // In two objects.
        read(br#"[{"a": 1}, {"A": {"a": 3}}]"#).unwrap();
    }

    proptest! {
        #[test]
        fn it_reads_what_the_parser_reads(text in "[\\[\\]{}\",:a-c0-9.eE+ \\\\-]{0,30}|[0-9]{1,25}|-[0-9]{1,25}") {
            let (ours, plain) = (read(text.as_bytes()), serde_json::from_str::<Value>(&text));
            match (ours, plain) {
                (Ok(ours), Ok(plain)) => prop_assert_eq!(ours, plain),
                (Err(problem), Ok(_)) => prop_assert!(problem.detail.contains("stands twice"), "{}", problem),
                (Err(_), Err(_)) => {}
                (Ok(ours), Err(error)) => prop_assert!(false, "{} was read, and is {}", ours, error),
            }
        }
    }
}
