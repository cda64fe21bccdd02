//! PATCH (RFC 7644 3.5.2), applied to a resource that is written as the schema has it.
//!
//! What clients do that the RFC leaves open: operations in capitals (`Add`), a whole path as the name of a member in a change
//! without a path (`"name.givenName"`), `remove` with the values to be taken out, `add` to a value that no filter finds yet,
//! and `remove` of what is not there, which is done already.
//!
//! Law: an operation that is refused leaves no trace, since the caller throws the resource away; what is read-only is never
//! changed.

use super::PATCH_OP;
use super::accept::{single, value_of};
use super::body::member;
use super::filter::{Filter, Literal, Operator};
use super::path::{AttributePath, Target};
use super::problem::{Problem, ScimType};
use super::schema::{Attribute, Kind, Mutability, Shape};
use serde_json::{Map, Value};

/// Most operations of one request.
pub const OPERATIONS_MAX: usize = 1_000;

/// Most comparisons of values in one request: a list that grows by each operation would else be looked at for minutes. Whoever
/// applies them does nothing else meanwhile, so that it is a fraction of a second.
pub const COMPARISONS_MAX: usize = 5_000_000;
/// What a value costs that is copied, changed, or held against one term of a filter, in comparisons: texts are folded for it.
const COMPARISONS_OF_A_TERM: usize = 25;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Adds values, or sets one.
    Add,
    /// Takes values away.
    Remove,
    /// Puts values in place of others.
    Replace,
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// What it does.
    pub op: Op,
    /// Where.
    pub path: Option<String>,
    /// With what; `None` and `null` are the same.
    pub value: Option<Value>,
}

/// Reads the body of a PATCH.
///
/// # Errors
/// `invalidSyntax`.
pub fn operations(body: &Value) -> Result<Vec<Operation>, Problem> {
    let syntax = |detail: &str| Problem::bad(ScimType::InvalidSyntax, detail);
    let is_patch = member(body, "schemas").is_some_and(|urns| {
        urns.as_array()
            .is_some_and(|urns| urns.iter().any(|urn| urn.as_str().is_some_and(|it| it.eq_ignore_ascii_case(PATCH_OP))))
    });
    if !is_patch {
        return Err(syntax(&format!("`schemas` has to name {PATCH_OP}")));
    }
    let list = member(body, "Operations").and_then(Value::as_array);
    let Some(list) = list.filter(|list| !list.is_empty()) else {
        return Err(syntax("`Operations` has to be a list of at least one operation"));
    };
    if list.len() > OPERATIONS_MAX {
        return Err(syntax(&format!("a PATCH has at most {OPERATIONS_MAX} operations")));
    }
    list.iter()
        .map(|each| {
            let word = member(each, "op").and_then(|op| op.as_str().map(str::to_ascii_lowercase));
            let op = match word.as_deref() {
                Some("add") => Op::Add,
                Some("remove") => Op::Remove,
                Some("replace") => Op::Replace,
                _ => return Err(syntax("`op` is add, remove or replace")),
            };
            let path = match member(each, "path") {
                None | Some(Value::Null) => None,
                Some(Value::String(path)) => Some(path.clone()),
                Some(_) => return Err(Problem::bad(ScimType::InvalidPath, "`path` is a text")),
            };
            Ok(Operation { op, path, value: member(each, "value").filter(|value| !value.is_null()).cloned() })
        })
        .collect()
}

/// Applies operations, one after the other; gives the names of attributes that the schema does not have and `ignores` lets
/// pass.
///
/// # Errors
/// `invalidPath`, `noTarget`, `mutability`, `invalidValue`, `invalidFilter`: the resource is then of no use.
pub fn apply(
    resource: &mut Map<String, Value>,
    operations: &[Operation],
    shape: &Shape,
    ignores: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>, Problem> {
    let mut work = Work { shape, ignores, ignored: Vec::new(), comparisons: 0 };
    for Operation { op, path, value } in operations {
        match path.as_deref().map(str::trim).filter(|path| !path.is_empty()) {
            Some(path) => work.at_path(resource, *op, path, value.as_ref())?,
            None => work.everywhere(resource, *op, value.as_ref())?,
        }
    }
    Ok(work.ignored)
}

struct Work<'a> {
    shape: &'a Shape,
    ignores: &'a dyn Fn(&str) -> bool,
    ignored: Vec<String>,
    /// How many values were compared so far.
    comparisons: usize,
}

impl<'a> Work<'a> {
    /// Without a path: each member of the value is a change of its own.
    fn everywhere(&mut self, resource: &mut Map<String, Value>, op: Op, value: Option<&Value>) -> Result<(), Problem> {
        if op == Op::Remove {
            return Err(Problem::bad(ScimType::NoTarget, "a remove needs a `path`"));
        }
        let Some(Value::Object(members)) = value else {
            return Err(Problem::bad(ScimType::InvalidValue, "without a `path`, `value` is an object of attributes"));
        };
        for (name, value) in members.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("schemas")) {
            // What only the server sets stands in whole resources that clients send back.
            let attribute = AttributePath::parse(name).and_then(|path| Some(path.resolve(self.shape)?.0.mutability));
            if attribute != Some(Mutability::ReadOnly) {
                self.at_path(resource, op, name, Some(value).filter(|value| !value.is_null()))?;
            }
        }
        Ok(())
    }

    fn at_path(
        &mut self,
        resource: &mut Map<String, Value>,
        op: Op,
        path: &str,
        value: Option<&Value>,
    ) -> Result<(), Problem> {
        match Target::parse(path, self.shape)? {
            Target::Extension(urn) => self.in_extension(resource, op, &urn, value),
            Target::Attribute(path) => match self.resolved(&path)? {
                None => Ok(()),
                Some((attribute, None)) => self.at(resource, &path, |it, place| it.whole(place, op, attribute, value)),
                Some((attribute, Some(part))) => {
                    check_mutable(attribute)?;
                    self.at(resource, &path, |it, place| it.part_of_all(place, op, attribute, part, value))
                }
            },
            Target::Values { path, filter } => match self.resolved(&path)? {
                None => Ok(()),
                Some((attribute, part)) => {
                    check_mutable(attribute)?;
                    if !attribute.multi_valued || attribute.kind != Kind::Complex {
                        let detail = format!("{} has no values to choose from", attribute.name);
                        return Err(Problem::bad(ScimType::InvalidPath, detail));
                    }
                    filter.check_parts(attribute)?;
                    self.at(resource, &path, |it, place| it.some(place, op, attribute, &filter, part, value))
                }
            },
        }
    }

    /// The attribute of a path, and the part of it; `None` for one that is let pass.
    fn resolved(&mut self, path: &AttributePath) -> Result<Option<(&'a Attribute, Option<&'a Attribute>)>, Problem> {
        if let Some(resolved) = path.resolve(self.shape) {
            return Ok(Some(resolved));
        }
        let name = path.to_string();
        if !(self.ignores)(&name) {
            return Err(Problem::bad(ScimType::InvalidPath, format!("there is no attribute {name}")));
        }
        self.ignore(name);
        Ok(None)
    }

    fn ignore(&mut self, name: String) {
        if !self.ignored.contains(&name) {
            self.ignored.push(name);
        }
    }

    /// Does it where the attribute stands: in the resource, or in the object of its extension.
    fn at(
        &mut self,
        resource: &mut Map<String, Value>,
        path: &AttributePath,
        change: impl FnOnce(&mut Self, &mut Map<String, Value>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        match path.urn.as_deref().and_then(|urn| self.shape.extension(urn)) {
            Some(extension) => in_object(resource, &extension.id, |members| change(self, members)),
            None => change(self, resource),
        }
    }

    fn in_extension(
        &mut self,
        resource: &mut Map<String, Value>,
        op: Op,
        urn: &str,
        value: Option<&Value>,
    ) -> Result<(), Problem> {
        let attributes = self.shape.extension(urn).map(|extension| extension.attributes.as_slice()).unwrap_or_default();
        let members = match (op, value) {
            (Op::Remove, _) | (_, None) => {
                return in_object(resource, urn, |members| {
                    let mut mutable = attributes.iter().filter(|it| it.mutability != Mutability::ReadOnly);
                    mutable.try_for_each(|attribute| take_away(members, attribute))
                });
            }
            (_, Some(Value::Object(members))) => members,
            (_, Some(_)) => return Err(Problem::bad(ScimType::InvalidValue, format!("{urn} is an object"))),
        };
        for (name, value) in members {
            self.at_path(resource, op, &format!("{urn}:{name}"), Some(value))?;
        }
        Ok(())
    }

    /// A change of a whole attribute.
    fn whole(
        &mut self,
        place: &mut Map<String, Value>,
        op: Op,
        attribute: &Attribute,
        value: Option<&Value>,
    ) -> Result<(), Problem> {
        if attribute.mutability == Mutability::ReadOnly {
            return Err(read_only(&attribute.name));
        }
        if op == Op::Remove {
            return match value.filter(|_| attribute.multi_valued) {
                Some(value) => self.without(place, attribute, value),
                None => take_away(place, attribute),
            };
        }
        let Some(given) = self.given(attribute, value)? else {
            // Nothing in place of something is taking it away; nothing added is nothing done.
            return if op == Op::Replace { take_away(place, attribute) } else { Ok(()) };
        };
        let before = place.get(&attribute.name);
        let after = match (op, attribute.multi_valued, before, given) {
            (Op::Add, true, Some(Value::Array(before)), Value::Array(given)) => {
                self.compared(before.len().saturating_mul(COMPARISONS_OF_A_TERM))?;
                let mut all = before.clone();
                for value in given {
                    self.compared(all.len())?;
                    add(&mut all, attribute, value);
                }
                Value::Array(all)
            }
            // The parts that are not named stay (RFC 7644 3.5.2.1, 3.5.2.3).
            (_, false, Some(Value::Object(before)), Value::Object(given)) => {
                let mut all = before.clone();
                all.extend(given);
                Value::Object(all)
            }
            (_, _, _, given) => given,
        };
        if attribute.mutability == Mutability::Immutable && before.is_some_and(|before| *before != after) {
            let detail = format!("{} is immutable: it is set once, when the resource is made", attribute.name);
            return Err(Problem::bad(ScimType::Mutability, detail));
        }
        place.insert(attribute.name.clone(), after);
        Ok(())
    }

    /// A change of a part: of the one value, or of each.
    fn part_of_all(
        &mut self,
        place: &mut Map<String, Value>,
        op: Op,
        attribute: &Attribute,
        part: &Attribute,
        value: Option<&Value>,
    ) -> Result<(), Problem> {
        if !attribute.multi_valued {
            if op == Op::Remove && !place.contains_key(&attribute.name) {
                return Ok(());
            }
            return in_object(place, &attribute.name, |members| self.whole(members, op, part, value));
        }
        let Some(Value::Array(values)) = place.get_mut(&attribute.name) else {
            return if op == Op::Remove { Ok(()) } else { Err(no_target(&attribute.name)) };
        };
        self.compared(values.len().saturating_mul(COMPARISONS_OF_A_TERM))?;
        for each in values.iter_mut().filter_map(Value::as_object_mut) {
            self.whole(each, op, part, value)?;
        }
        Ok(())
    }

    /// A change of those values that fit a filter, or of a part of each.
    fn some(
        &mut self,
        place: &mut Map<String, Value>,
        op: Op,
        attribute: &Attribute,
        filter: &Filter,
        part: Option<&Attribute>,
        value: Option<&Value>,
    ) -> Result<(), Problem> {
        let mut values = match place.remove(&attribute.name) {
            Some(Value::Array(values)) => values,
            Some(_) | None => Vec::new(),
        };
        let of_each = filter.terms().saturating_mul(COMPARISONS_OF_A_TERM);
        self.compared(values.len().saturating_mul(of_each))?;
        let fitting: Vec<usize> =
            values.iter().enumerate().filter(|(_, it)| filter.fits_value(it, attribute)).map(|(at, _)| at).collect();
        match (op, part) {
            (Op::Remove, None) => {
                let mut fitting = fitting.into_iter().peekable();
                let mut at = 0..;
                values.retain(|_| fitting.next_if_eq(&at.next().unwrap_or_default()).is_none());
            }
            (Op::Remove, Some(part)) => {
                for at in fitting {
                    if let Some(members) = values.get_mut(at).and_then(Value::as_object_mut) {
                        self.whole(members, op, part, None)?;
                    }
                }
            }
            (Op::Replace, _) if fitting.is_empty() => return Err(no_target(&attribute.name)),
            (Op::Add, _) if fitting.is_empty() => {
                let mut new = described(filter).ok_or_else(|| no_target(&attribute.name))?;
                self.put(&mut new, attribute, part, op, value)?;
                values.push(Value::Object(new));
            }
            (Op::Add | Op::Replace, part) => {
                for at in fitting {
                    if let Some(members) = values.get_mut(at).and_then(Value::as_object_mut) {
                        if part.is_none() && op == Op::Replace {
                            members.clear();
                        }
                        self.put(members, attribute, part, op, value)?;
                    }
                }
            }
        }
        if values.is_empty() {
            return if attribute.required { Err(required(&attribute.name)) } else { Ok(()) };
        }
        place.insert(attribute.name.clone(), Value::Array(values));
        Ok(())
    }

    /// Puts a part into one of several values, or all members of one that was given.
    fn put(
        &mut self,
        members: &mut Map<String, Value>,
        attribute: &Attribute,
        part: Option<&Attribute>,
        op: Op,
        value: Option<&Value>,
    ) -> Result<(), Problem> {
        if let Some(part) = part {
            return self.whole(members, op, part, value);
        }
        let missing = || Problem::bad(ScimType::InvalidValue, format!("a value of {} is missing", attribute.name));
        let mut ignored = Vec::new();
        let value = match value.ok_or_else(missing)? {
            Value::Array(values) => values.first().filter(|_| values.len() == 1).ok_or_else(missing)?,
            value => value,
        };
        let given = single(attribute, value, &mut |part| ignored.push(format!("{}.{part}", attribute.name)))?;
        self.let_pass(ignored)?;
        if let Value::Object(given) = given {
            members.extend(given);
        }
        Ok(())
    }

    /// Takes the given values out of a list: by their `value` where they have one.
    fn without(&mut self, place: &mut Map<String, Value>, attribute: &Attribute, value: &Value) -> Result<(), Problem> {
        let given = self.given(attribute, Some(value))?;
        let (Some(Value::Array(values)), Some(Value::Array(given))) = (place.get_mut(&attribute.name), given) else {
            return Ok(());
        };
        self.compared(values.len().saturating_mul(given.len()))?;
        values.retain(|each| !given.iter().any(|it| is_same(each, it)));
        if values.is_empty() {
            return take_away(place, attribute);
        }
        Ok(())
    }

    fn given(&mut self, attribute: &Attribute, value: Option<&Value>) -> Result<Option<Value>, Problem> {
        let mut ignored = Vec::new();
        let value = value.unwrap_or(&Value::Null);
        let given = value_of(attribute, value, &mut |part| ignored.push(format!("{}.{part}", attribute.name)))?;
        self.let_pass(ignored)?;
        Ok(given)
    }

    /// Counts comparisons that are about to be made.
    fn compared(&mut self, values: usize) -> Result<(), Problem> {
        self.comparisons = self.comparisons.saturating_add(values);
        if self.comparisons <= COMPARISONS_MAX {
            return Ok(());
        }
        Err(Problem::new(413, "the operations are too many for lists of this length; send fewer in each request"))
    }

    fn let_pass(&mut self, names: Vec<String>) -> Result<(), Problem> {
        for name in names {
            if !(self.ignores)(&name) {
                return Err(Problem::bad(ScimType::InvalidValue, format!("there is no attribute {name}")));
            }
            self.ignore(name);
        }
        Ok(())
    }
}

/// Changes the object of that name, which is made if it is not there, and goes if it ends empty.
fn in_object(
    place: &mut Map<String, Value>,
    name: &str,
    change: impl FnOnce(&mut Map<String, Value>) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut members = match place.remove(name) {
        Some(Value::Object(members)) => members,
        Some(_) | None => Map::new(),
    };
    change(&mut members)?;
    if !members.is_empty() {
        place.insert(name.to_owned(), Value::Object(members));
    }
    Ok(())
}

fn take_away(place: &mut Map<String, Value>, attribute: &Attribute) -> Result<(), Problem> {
    if attribute.required {
        return Err(required(&attribute.name));
    }
    if attribute.mutability == Mutability::Immutable && place.contains_key(&attribute.name) {
        let detail = format!("{} is immutable and stays", attribute.name);
        return Err(Problem::bad(ScimType::Mutability, detail));
    }
    place.remove(&attribute.name);
    Ok(())
}

fn check_mutable(attribute: &Attribute) -> Result<(), Problem> {
    if attribute.mutability == Mutability::ReadOnly { Err(read_only(&attribute.name)) } else { Ok(()) }
}

fn read_only(name: &str) -> Problem {
    Problem::bad(ScimType::Mutability, format!("{name} is read-only: only the server sets it"))
}

/// RFC 7644 3.5.2.2.
fn required(name: &str) -> Problem {
    Problem::bad(ScimType::Mutability, format!("{name} is required and cannot be taken away"))
}

fn no_target(name: &str) -> Problem {
    Problem::bad(ScimType::NoTarget, format!("no value of {name} fits the path"))
}

/// Adds to a list. What is there already is not added (RFC 7644 3.5.2.1); of two values only one is primary, the new one.
fn add(values: &mut Vec<Value>, attribute: &Attribute, value: Value) {
    if values.contains(&value) {
        return;
    }
    // Known by its `value` alone, where that is what a list has once.
    let by_value = attribute.part("value").is_some_and(|part| part.mutability == Mutability::Immutable);
    if by_value && let Some(there) = values.iter_mut().find(|it| is_same(it, &value)) {
        *there = value;
        return;
    }
    if value.get("primary") == Some(&Value::Bool(true)) {
        for other in values.iter_mut().filter_map(Value::as_object_mut) {
            if other.get("primary") == Some(&Value::Bool(true)) {
                other.insert("primary".to_owned(), Value::Bool(false));
            }
        }
    }
    values.push(value);
}

fn is_same(one: &Value, other: &Value) -> bool {
    match (one.get("value"), other.get("value")) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// The value that a filter describes, where it only says what equals what.
fn described(filter: &Filter) -> Option<Map<String, Value>> {
    match filter {
        Filter::Compare(path, Operator::Eq, literal) => {
            let value = match literal {
                Literal::Null => return None,
                Literal::Boolean(it) => Value::Bool(*it),
                Literal::Number(it) => Value::Number(it.clone()),
                Literal::Text(it) => Value::from(it.as_str()),
            };
            Some(Map::from_iter([(path.name.clone(), value)]))
        }
        Filter::And(terms) => {
            let mut all = Map::new();
            for term in terms {
                all.extend(described(term)?);
            }
            Some(all)
        }
        Filter::Or(_) | Filter::Not(_) | Filter::Present(_) | Filter::Compare(..) | Filter::Within(..) => None,
    }
}
