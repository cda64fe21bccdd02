//! Whether a resource fits a filter.

use super::{Filter, Literal, Operator};
use crate::scim::path::AttributePath;
use crate::scim::problem::{Problem, ScimType};
use crate::scim::schema::{Attribute, Kind, Shape};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::cmp::Ordering;

impl Filter {
    /// Whether the schema has all that the filter names, and can compare it so: then [`Filter::matches`] says what is meant.
    ///
    /// # Errors
    /// `invalidFilter`.
    pub fn check(&self, shape: &Shape) -> Result<(), Problem> {
        match self {
            Self::Or(terms) | Self::And(terms) => terms.iter().try_for_each(|term| term.check(shape)),
            Self::Not(term) => term.check(shape),
            Self::Present(path) => resolved(path, shape).map(drop),
            Self::Compare(path, operator, literal) => {
                let (attribute, part) = resolved(path, shape)?;
                comparable(part.unwrap_or(attribute), path, *operator, literal)
            }
            Self::Within(path, filter) => match resolved(path, shape)? {
                (attribute, None) if attribute.kind == Kind::Complex => filter.check_parts(attribute),
                _ => Err(wrong(format!("{path} has no parts to filter by"))),
            },
        }
    }

    /// The same within the values of one attribute: what is in a bracket.
    ///
    /// # Errors
    /// `invalidFilter`.
    pub fn check_parts(&self, attribute: &Attribute) -> Result<(), Problem> {
        let part = |path: &AttributePath| {
            let part = attribute.part(&path.name).filter(|_| path.urn.is_none() && path.part.is_none());
            part.ok_or_else(|| wrong(format!("{} has no part {path}", attribute.name)))
        };
        match self {
            Self::Or(terms) | Self::And(terms) => terms.iter().try_for_each(|term| term.check_parts(attribute)),
            Self::Not(term) => term.check_parts(attribute),
            Self::Present(path) => part(path).map(drop),
            Self::Compare(path, operator, literal) => comparable(part(path)?, path, *operator, literal),
            Self::Within(path, _) => Err(wrong(format!("{path}[…] stands within a bracket"))),
        }
    }

    /// Whether a resource fits. What the schema does not have, no resource has.
    pub fn matches(&self, resource: &Value, shape: &Shape) -> bool {
        match self {
            Self::Or(terms) => terms.iter().any(|term| term.matches(resource, shape)),
            Self::And(terms) => terms.iter().all(|term| term.matches(resource, shape)),
            Self::Not(term) => !term.matches(resource, shape),
            Self::Present(path) => values(path, resource, shape).0.into_iter().any(is_present),
            Self::Compare(path, operator, literal) => {
                let (values, attribute) = values(path, resource, shape);
                attribute.is_some_and(|attribute| fits(&values, attribute, *operator, literal))
            }
            Self::Within(path, filter) => {
                let attribute = shape.find(path.urn.as_deref(), &path.name);
                let place = place(path.urn.as_deref(), resource, shape);
                let found = place.and_then(|place| member(place, &path.name));
                attribute.is_some_and(|attribute| each(found).any(|value| filter.fits_value(value, attribute)))
            }
        }
    }

    /// Whether one value of an attribute fits what is in a bracket.
    pub fn fits_value(&self, value: &Value, attribute: &Attribute) -> bool {
        match self {
            Self::Or(terms) => terms.iter().any(|term| term.fits_value(value, attribute)),
            Self::And(terms) => terms.iter().all(|term| term.fits_value(value, attribute)),
            Self::Not(term) => !term.fits_value(value, attribute),
            Self::Present(path) => part_of(value, &path.name).is_some_and(is_present),
            Self::Compare(path, operator, literal) => {
                let found: Vec<&Value> = each(part_of(value, &path.name)).collect();
                attribute.part(&path.name).is_some_and(|part| fits(&found, part, *operator, literal))
            }
            Self::Within(..) => false,
        }
    }
}

fn wrong(detail: String) -> Problem {
    Problem::bad(ScimType::InvalidFilter, detail)
}

fn resolved<'s>(path: &AttributePath, shape: &'s Shape) -> Result<(&'s Attribute, Option<&'s Attribute>), Problem> {
    path.resolve(shape).ok_or_else(|| wrong(format!("there is no attribute {path}")))
}

/// Whether an attribute can be compared so. A complex one stands for its `value` (RFC 7644 3.4.2.2).
fn comparable(
    attribute: &Attribute,
    path: &AttributePath,
    operator: Operator,
    literal: &Literal,
) -> Result<(), Problem> {
    let compared = match attribute.kind {
        Kind::Complex => {
            attribute.part("value").ok_or_else(|| wrong(format!("{path} is compared by one of its parts")))?
        }
        _ => attribute,
    };
    let is_text = matches!(compared.kind, Kind::String | Kind::DateTime | Kind::Binary | Kind::Reference);
    let fits = match (literal, operator) {
        (Literal::Null, Operator::Eq | Operator::Ne) => true,
        (Literal::Null, _) => false,
        (Literal::Boolean(_), Operator::Eq | Operator::Ne) => compared.kind == Kind::Boolean,
        // An order of true and false makes no sense (RFC 7644 table 3).
        (Literal::Boolean(_), _) => false,
        (Literal::Number(_), Operator::Co | Operator::Sw | Operator::Ew) => false,
        (Literal::Number(_), _) => matches!(compared.kind, Kind::Integer | Kind::Decimal),
        (Literal::Text(text), Operator::Gt | Operator::Ge | Operator::Lt | Operator::Le)
            if compared.kind == Kind::DateTime =>
        {
            text.parse::<Timestamp>().is_ok()
        }
        (Literal::Text(_), _) => is_text,
    };
    if fits { Ok(()) } else { Err(wrong(format!("{path} cannot be compared so: {} {literal}", operator.word()))) }
}

/// The values that a path leads to, and the attribute that they are of. A complex one stands for its `value`.
fn values<'v, 's>(
    path: &AttributePath,
    resource: &'v Value,
    shape: &'s Shape,
) -> (Vec<&'v Value>, Option<&'s Attribute>) {
    let Some((attribute, part)) = path.resolve(shape) else { return (Vec::new(), None) };
    let found = place(path.urn.as_deref(), resource, shape).and_then(|place| member(place, &attribute.name));
    let part = part.or_else(|| attribute.part("value"));
    match part {
        Some(part) => (each(found).filter_map(|value| part_of(value, &part.name)).collect(), Some(part)),
        None => (each(found).collect(), Some(attribute)),
    }
}

/// Where the attributes of a schema stand in a resource.
fn place<'v>(urn: Option<&str>, resource: &'v Value, shape: &Shape) -> Option<&'v Map<String, Value>> {
    let resource = resource.as_object()?;
    match urn.and_then(|urn| shape.extension(urn)) {
        Some(extension) => resource.get(&extension.id)?.as_object(),
        None => Some(resource),
    }
}

/// A member, whose name is compared without case.
fn member<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// A part of a value; a simple value is its own `value`.
fn part_of<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(members) => member(members, name),
        simple if name.eq_ignore_ascii_case("value") => Some(simple),
        _ => None,
    }
}

/// One value, or those of a list.
fn each(found: Option<&Value>) -> impl Iterator<Item = &Value> {
    match found {
        Some(Value::Array(values)) => values.as_slice(),
        Some(value) => std::slice::from_ref(value),
        None => &[],
    }
    .iter()
}

fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => values.iter().any(is_present),
        Value::Object(members) => members.values().any(is_present),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn fits(values: &[&Value], attribute: &Attribute, operator: Operator, literal: &Literal) -> bool {
    match (operator, literal) {
        (Operator::Eq, Literal::Null) => !values.iter().any(|value| is_present(value)),
        (Operator::Ne, Literal::Null) => values.iter().any(|value| is_present(value)),
        (Operator::Ne, _) => !values.iter().any(|value| compare(value, attribute, Operator::Eq, literal)),
        _ => values.iter().any(|value| compare(value, attribute, operator, literal)),
    }
}

fn compare(value: &Value, attribute: &Attribute, operator: Operator, literal: &Literal) -> bool {
    match (value, literal) {
        (Value::Bool(it), Literal::Boolean(other)) => operator == Operator::Eq && it == other,
        (Value::Number(it), Literal::Number(other)) => it
            .as_f64()
            .zip(other.as_f64())
            .and_then(|(it, other)| it.partial_cmp(&other))
            .is_some_and(|it| ordered(it, operator)),
        (Value::String(it), Literal::Text(other)) if attribute.kind == Kind::DateTime => {
            match (it.parse::<Timestamp>(), other.parse::<Timestamp>()) {
                (Ok(time), Ok(with)) if !is_of_texts(operator) => ordered(time.cmp(&with), operator),
                _ => texts(it, other, operator),
            }
        }
        (Value::String(it), Literal::Text(other)) if attribute.case_exact => texts(it, other, operator),
        (Value::String(it), Literal::Text(other)) => texts(&it.to_lowercase(), &other.to_lowercase(), operator),
        _ => false,
    }
}

fn is_of_texts(operator: Operator) -> bool {
    matches!(operator, Operator::Co | Operator::Sw | Operator::Ew)
}

fn texts(it: &str, other: &str, operator: Operator) -> bool {
    match operator {
        Operator::Co => it.contains(other),
        Operator::Sw => it.starts_with(other),
        Operator::Ew => it.ends_with(other),
        Operator::Eq | Operator::Ne | Operator::Gt | Operator::Ge | Operator::Lt | Operator::Le => {
            ordered(it.cmp(other), operator)
        }
    }
}

fn ordered(ordering: Ordering, operator: Operator) -> bool {
    match operator {
        Operator::Eq => ordering.is_eq(),
        Operator::Ne => ordering.is_ne(),
        Operator::Gt => ordering.is_gt(),
        Operator::Ge => ordering.is_ge(),
        Operator::Lt => ordering.is_lt(),
        Operator::Le => ordering.is_le(),
        Operator::Co | Operator::Sw | Operator::Ew => false,
    }
}
