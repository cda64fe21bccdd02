//! What of a resource is in an answer: `attributes` and `excludedAttributes` (RFC 7644 3.4.2.5, 3.9).

use super::path::AttributePath;
use super::problem::{Problem, ScimType};
use super::schema::{Attribute, Returned, Shape};
use serde_json::{Map, Value};

/// Most names in one list.
pub const NAMES_MAX: usize = 100;

/// What is wanted of each resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    /// Only these, and what is always returned.
    only: Option<Vec<AttributePath>>,
    /// Not these, but for what is always returned.
    without: Vec<AttributePath>,
}

impl Projection {
    /// From both lists of names. What the schema does not have is not in the answer, and no error: lists are sent to servers
    /// of all kinds.
    ///
    /// # Errors
    /// `invalidValue` when both are given, or a list is too long.
    pub fn new(attributes: &[String], excluded: &[String]) -> Result<Self, Problem> {
        if !attributes.is_empty() && !excluded.is_empty() {
            let detail = "`attributes` and `excludedAttributes` exclude each other";
            return Err(Problem::bad(ScimType::InvalidValue, detail));
        }
        if attributes.len().max(excluded.len()) > NAMES_MAX {
            let detail = format!("a list of attributes has at most {NAMES_MAX} names");
            return Err(Problem::bad(ScimType::InvalidValue, detail));
        }
        let paths = |names: &[String]| names.iter().filter_map(|name| AttributePath::parse(name.trim())).collect();
        let only = (!attributes.is_empty()).then(|| paths(attributes));
        Ok(Self { only, without: paths(excluded) })
    }

    /// From the members of a query: names with commas between them.
    ///
    /// # Errors
    /// As [`Projection::new`].
    pub fn of_query(attributes: Option<&str>, excluded: Option<&str>) -> Result<Self, Problem> {
        let names = |list: Option<&str>| -> Vec<String> {
            let names = list.unwrap_or_default().split(',').map(str::trim);
            names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        Self::new(&names(attributes), &names(excluded))
    }

    /// Whether an attribute of the core schema is in the answer, in whole or in part: what is not need not be made.
    pub fn wants(&self, name: &str) -> bool {
        let is = |path: &AttributePath| path.name.eq_ignore_ascii_case(name);
        let is_whole = |path: &AttributePath| is(path) && path.part.is_none();
        self.only.as_ref().is_none_or(|only| only.iter().any(is)) && !self.without.iter().any(is_whole)
    }

    /// What is wanted of a resource.
    pub fn apply(&self, resource: Value, shape: &Shape) -> Value {
        let Value::Object(members) = resource else { return resource };
        let mut kept = Map::new();
        for (name, value) in members {
            if let Some(extension) = shape.extension(&name) {
                let Value::Object(members) = value else { continue };
                let members: Map<String, Value> = members
                    .into_iter()
                    .filter_map(|(name, value)| {
                        let attribute = super::schema::named(&extension.attributes, &name)?;
                        self.part(Some(&extension.id), attribute, value, shape).map(|value| (name, value))
                    })
                    .collect();
                if !members.is_empty() {
                    kept.insert(name, Value::Object(members));
                }
            } else if let Some(attribute) = shape.find(None, &name)
                && let Some(value) = self.part(None, attribute, value, shape)
            {
                kept.insert(name, value);
            }
        }
        Value::Object(kept)
    }

    /// What is wanted of one attribute.
    fn part(&self, urn: Option<&str>, attribute: &Attribute, value: Value, shape: &Shape) -> Option<Value> {
        let is = |path: &&AttributePath| {
            let named = path.urn.as_deref().filter(|named| !named.eq_ignore_ascii_case(shape.core_id()));
            let same_schema = match (named, urn) {
                (None, None) => true,
                (Some(named), Some(urn)) => named.eq_ignore_ascii_case(urn),
                (None, Some(_)) | (Some(_), None) => false,
            };
            same_schema && path.name.eq_ignore_ascii_case(&attribute.name)
        };
        match (attribute.returned, &self.only) {
            (Returned::Never, _) => None,
            (Returned::Always, _) => Some(value),
            (Returned::Request, None) => None,
            (Returned::Default | Returned::Request, Some(only)) => {
                let paths: Vec<&AttributePath> = only.iter().filter(is).collect();
                let parts: Option<Vec<&str>> = paths.iter().map(|path| path.part.as_deref()).collect();
                match parts {
                    _ if paths.is_empty() => None,
                    // One of them names all of it.
                    None => Some(usual(value, attribute, &paths)),
                    Some(parts) => {
                        Some(with_parts(value, &|name| parts.iter().any(|it| it.eq_ignore_ascii_case(name))))
                    }
                }
            }
            (Returned::Default, None) => {
                let paths: Vec<&AttributePath> = self.without.iter().filter(is).collect();
                if paths.iter().any(|path| path.part.is_none()) {
                    return None;
                }
                let parts: Vec<&str> = paths.iter().filter_map(|path| path.part.as_deref()).collect();
                let value = usual(value, attribute, &[]);
                if parts.is_empty() {
                    return Some(value);
                }
                Some(with_parts(value, &|name| !parts.iter().any(|it| it.eq_ignore_ascii_case(name))))
            }
        }
    }
}

/// A value without the parts that are returned on request only, unless one asks for them.
fn usual(value: Value, attribute: &Attribute, asked: &[&AttributePath]) -> Value {
    let is_asked =
        |name: &str| asked.iter().any(|it| it.part.as_deref().is_some_and(|it| it.eq_ignore_ascii_case(name)));
    let is_left_out = |part: &&Attribute| matches!(part.returned, Returned::Request | Returned::Never);
    let left_out: Vec<&Attribute> =
        attribute.sub_attributes.iter().filter(is_left_out).filter(|part| !is_asked(&part.name)).collect();
    if left_out.is_empty() {
        return value;
    }
    with_parts(value, &|name| !left_out.iter().any(|part| part.name.eq_ignore_ascii_case(name)))
}

fn with_parts(value: Value, keep: &dyn Fn(&str) -> bool) -> Value {
    match value {
        Value::Array(values) => Value::Array(values.into_iter().map(|value| with_parts(value, keep)).collect()),
        Value::Object(members) => Value::Object(members.into_iter().filter(|(name, _)| keep(name)).collect()),
        simple => simple,
    }
}
