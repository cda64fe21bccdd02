//! A body that came, held against the schema: names are written as there, values have the right types, what only the server
//! sets is left out (RFC 7644 3.3, 3.5.1), and what the schema does not have is told.

use super::problem::{Problem, ScimType};
use super::schema::{Attribute, Kind, Mutability, Shape, named};
use serde_json::{Map, Value};

/// Most values of one attribute.
pub const VALUES_MAX: usize = 20_000;
/// Most names of unknown attributes that are told.
const UNKNOWN_MAX: usize = 20;
/// Longest name of an unknown attribute that is told, in characters.
const UNKNOWN_CHARS_MAX: usize = 120;

/// A resource as the schema has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accepted {
    /// What the schema has, besides `schemas` and what is read-only.
    pub resource: Map<String, Value>,
    /// The names of what it does not have: `title`, `name.honorificPrefix`, the URN of an extension.
    pub unknown: Vec<String>,
}

impl Accepted {
    fn note(&mut self, name: String) {
        if self.unknown.len() < UNKNOWN_MAX && !self.unknown.contains(&name) {
            self.unknown.push(name.chars().take(UNKNOWN_CHARS_MAX).collect());
        }
    }
}

/// Holds a whole resource against its schema.
///
/// # Errors
/// `invalidSyntax` for what is no resource of this kind, `invalidValue` for a value of another type.
pub fn accept(body: &Value, shape: &Shape) -> Result<Accepted, Problem> {
    let syntax = |detail: String| Problem::bad(ScimType::InvalidSyntax, detail);
    let members = body.as_object().ok_or_else(|| syntax("the body is not a JSON object".to_owned()))?;
    let schemas = members.iter().find(|(name, _)| name.eq_ignore_ascii_case("schemas")).map(|(_, value)| value);
    let says = |urn: &str| schemas.and_then(Value::as_array).is_some_and(|it| it.iter().any(|it| is_urn(it, urn)));
    if !says(shape.core_id()) {
        return Err(syntax(format!("`schemas` has to name {}", shape.core_id())));
    }
    let mut accepted = Accepted::default();
    for (name, value) in members {
        if let Some(extension) = shape.extension(name) {
            let Value::Object(parts) = value else {
                return Err(invalid(name, "is an object"));
            };
            let mut placed = Map::new();
            for (name, value) in parts {
                let full = format!("{}:{name}", extension.id);
                take(&extension.attributes, name, full, value, &mut placed, &mut accepted)?;
            }
            if !placed.is_empty() {
                accepted.resource.insert(extension.id.clone(), Value::Object(placed));
            }
        } else if !name.eq_ignore_ascii_case("schemas") {
            let mut placed = std::mem::take(&mut accepted.resource);
            take(shape.core(), name, name.clone(), value, &mut placed, &mut accepted)?;
            accepted.resource = placed;
        }
    }
    Ok(accepted)
}

fn is_urn(value: &Value, urn: &str) -> bool {
    value.as_str().is_some_and(|it| it.eq_ignore_ascii_case(urn))
}

fn take(
    attributes: &[Attribute],
    name: &str,
    full: String,
    value: &Value,
    placed: &mut Map<String, Value>,
    accepted: &mut Accepted,
) -> Result<(), Problem> {
    let Some(attribute) = named(attributes, name) else {
        // Nothing is lost of what has no value.
        if !is_nothing(value) {
            accepted.note(full);
        }
        return Ok(());
    };
    if attribute.mutability == Mutability::ReadOnly {
        return Ok(());
    }
    if let Some(value) = value_of(attribute, value, &mut |part| accepted.note(format!("{full}.{part}")))?
        && placed.insert(attribute.name.clone(), value).is_some()
    {
        return Err(Problem::bad(ScimType::InvalidSyntax, format!("{full} stands twice")));
    }
    Ok(())
}

/// `null` and empty lists are no values (RFC 7643 2.5).
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => false,
    }
}

/// A value as the attribute has it; `None` for none. A list may be given as its only value.
///
/// # Errors
/// `invalidValue`.
pub(super) fn value_of(
    attribute: &Attribute,
    value: &Value,
    unknown: &mut dyn FnMut(&str),
) -> Result<Option<Value>, Problem> {
    match value {
        nothing if is_nothing(nothing) => Ok(None),
        Value::Array(values) if attribute.multi_valued => {
            if values.len() > VALUES_MAX {
                return Err(invalid(&attribute.name, &format!("has at most {VALUES_MAX} values")));
            }
            let values: Result<Vec<Value>, Problem> =
                values.iter().map(|value| single(attribute, value, unknown)).collect();
            Ok(Some(Value::Array(values?)))
        }
        value if attribute.multi_valued => Ok(Some(Value::Array(vec![single(attribute, value, unknown)?]))),
        value => single(attribute, value, unknown).map(Some),
    }
}

/// One value as the attribute has it.
pub(super) fn single(attribute: &Attribute, value: &Value, unknown: &mut dyn FnMut(&str)) -> Result<Value, Problem> {
    let name = &attribute.name;
    match (attribute.kind, value) {
        (Kind::String | Kind::Reference | Kind::Binary, Value::String(_))
        | (Kind::Boolean, Value::Bool(_))
        | (Kind::Decimal, Value::Number(_)) => Ok(value.clone()),
        (Kind::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(value.clone()),
        (Kind::DateTime, Value::String(text)) if text.parse::<jiff::Timestamp>().is_ok() => Ok(value.clone()),
        // Entra wrote booleans as texts for years.
        (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
        (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
        (Kind::Complex, Value::Object(members)) => {
            let mut placed = Map::new();
            for (key, value) in members.iter().filter(|(_, value)| !is_nothing(value)) {
                match attribute.part(key) {
                    None => unknown(key),
                    Some(part) if part.mutability == Mutability::ReadOnly => {}
                    Some(part) => {
                        if let Some(value) = value_of(part, value, unknown)? {
                            placed.insert(part.name.clone(), value);
                        }
                    }
                }
            }
            Ok(Value::Object(placed))
        }
        // A value alone stands for the part of that name.
        (Kind::Complex, Value::String(_)) if attribute.multi_valued && attribute.part("value").is_some() => {
            Ok(Value::Object(Map::from_iter([("value".to_owned(), value.clone())])))
        }
        (Kind::String, _) => Err(invalid(name, "is a text")),
        (Kind::Boolean, _) => Err(invalid(name, "is true or false")),
        (Kind::Decimal, _) => Err(invalid(name, "is a number")),
        (Kind::Integer, _) => Err(invalid(name, "is a whole number")),
        (Kind::DateTime, _) => Err(invalid(name, "is a time such as 2026-11-22T18:00:00Z")),
        (Kind::Binary, _) => Err(invalid(name, "is a text in base64")),
        (Kind::Reference, _) => Err(invalid(name, "is a URI as text")),
        (Kind::Complex, _) => Err(invalid(name, "is an object")),
    }
}

fn invalid(name: &str, is: &str) -> Problem {
    Problem::bad(ScimType::InvalidValue, format!("{name} {is}"))
}
