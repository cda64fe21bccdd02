//! Attributes and their characteristics (RFC 7643 2.2 and 7), in the form in which `/Schemas` has them.

use serde::{Deserialize, Serialize};

/// What kind of value an attribute has (RFC 7643 2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Text.
    #[default]
    String,
    /// `true` or `false`.
    Boolean,
    /// A number with a fraction.
    Decimal,
    /// A whole number.
    Integer,
    /// A time as text, of RFC 3339.
    DateTime,
    /// Bytes, as text in base64.
    Binary,
    /// A URI.
    Reference,
    /// Attributes of its own.
    Complex,
}

/// Who may set it, and when (RFC 7643 2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mutability {
    /// The server alone.
    ReadOnly,
    /// Anybody, at any time.
    #[default]
    ReadWrite,
    /// Anybody, once.
    Immutable,
    /// Anybody, and nobody reads it.
    WriteOnly,
}

/// When it is in an answer (RFC 7643 2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Returned {
    /// In every one.
    Always,
    /// In none.
    Never,
    /// In every one that does not leave it out.
    #[default]
    Default,
    /// In one that asks for it.
    Request,
}

/// Whether two resources may have the same value (RFC 7643 2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Uniqueness {
    /// They may.
    #[default]
    None,
    /// Not at this server.
    Server,
    /// Nowhere.
    Global,
}

/// One attribute. What a schema does not say has the default of RFC 7643 2.2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Attribute {
    /// Its name, compared without case.
    pub name: String,
    /// What kind of value.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Whether it has a list of them.
    pub multi_valued: bool,
    /// For a person.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether a resource has to have it.
    pub required: bool,
    /// Suggested values; empty where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub canonical_values: Vec<String>,
    /// Whether case counts when texts are compared.
    pub case_exact: bool,
    /// Who may set it.
    pub mutability: Mutability,
    /// When it is shown.
    pub returned: Returned,
    /// Whether it may stand twice.
    pub uniqueness: Uniqueness,
    /// What a reference leads to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reference_types: Vec<String>,
    /// What a complex one is made of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sub_attributes: Vec<Attribute>,
}

impl Attribute {
    /// A text that may be set, with that description.
    pub fn new(name: &str, kind: Kind, description: &str) -> Self {
        Self { name: name.to_owned(), kind, description: description.to_owned(), ..Self::default() }
    }

    /// Set by the server alone.
    pub fn read_only(self) -> Self {
        Self { mutability: Mutability::ReadOnly, ..self }
    }

    /// Set once.
    pub fn immutable(self) -> Self {
        Self { mutability: Mutability::Immutable, ..self }
    }

    /// Never missing.
    pub fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// A list.
    pub fn multi(self) -> Self {
        Self { multi_valued: true, ..self }
    }

    /// Compared as written.
    pub fn exact(self) -> Self {
        Self { case_exact: true, ..self }
    }

    /// In every answer.
    pub fn always(self) -> Self {
        Self { returned: Returned::Always, ..self }
    }

    /// In an answer that asks for it.
    pub fn on_request(self) -> Self {
        Self { returned: Returned::Request, ..self }
    }

    /// Unique at the server.
    pub fn unique(self) -> Self {
        Self { uniqueness: Uniqueness::Server, ..self }
    }

    /// With these values.
    pub fn of(self, values: impl IntoIterator<Item = String>) -> Self {
        Self { canonical_values: values.into_iter().collect(), ..self }
    }

    /// Leads to these types of resources.
    pub fn to(self, types: &[&str]) -> Self {
        Self { reference_types: types.iter().map(|each| (*each).to_owned()).collect(), ..self }
    }

    /// Made of these.
    pub fn with(self, parts: Vec<Attribute>) -> Self {
        Self { sub_attributes: parts, ..self }
    }

    /// The part of that name.
    pub fn part(&self, name: &str) -> Option<&Attribute> {
        named(&self.sub_attributes, name)
    }
}

/// A schema.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Schema {
    /// Its URN.
    pub id: String,
    /// For a person.
    pub name: String,
    /// For a person.
    pub description: String,
    /// Its attributes, besides the common ones.
    pub attributes: Vec<Attribute>,
}

/// All that a resource of one type may have.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The common attributes (RFC 7643 3.1), then those of the core schema.
    core: Vec<Attribute>,
    /// Its URN.
    core_id: String,
    extensions: Vec<Schema>,
}

impl Shape {
    /// Of a core schema and its extensions.
    pub fn new(core: &Schema, extensions: Vec<Schema>) -> Self {
        let mut attributes = common();
        attributes.extend(core.attributes.iter().cloned());
        Self { core: attributes, core_id: core.id.clone(), extensions }
    }

    /// The URN of the core schema.
    pub fn core_id(&self) -> &str {
        &self.core_id
    }

    /// The extensions.
    pub fn extensions(&self) -> &[Schema] {
        &self.extensions
    }

    /// The attributes that stand in the resource itself.
    pub fn core(&self) -> &[Attribute] {
        &self.core
    }

    /// The attributes of a schema by its URN, compared without case; of the core schema with `None`.
    pub fn attributes(&self, urn: Option<&str>) -> Option<&[Attribute]> {
        match urn {
            None => Some(&self.core),
            Some(urn) if urn.eq_ignore_ascii_case(&self.core_id) => Some(&self.core),
            Some(urn) => self.extension(urn).map(|schema| schema.attributes.as_slice()),
        }
    }

    /// The extension of that URN.
    pub fn extension(&self, urn: &str) -> Option<&Schema> {
        self.extensions.iter().find(|schema| schema.id.eq_ignore_ascii_case(urn))
    }

    /// The attribute of that name in the schema of that URN.
    pub fn find(&self, urn: Option<&str>, name: &str) -> Option<&Attribute> {
        named(self.attributes(urn)?, name)
    }
}

/// The attribute of that name in a list.
pub(super) fn named<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// What every resource has (RFC 7643 3 and 3.1).
fn common() -> Vec<Attribute> {
    let time = |name: &str| Attribute::new(name, Kind::DateTime, "").read_only();
    vec![
        Attribute::new("schemas", Kind::Reference, "").multi().exact().required().always(),
        Attribute::new("id", Kind::String, "").exact().read_only().always(),
        Attribute::new("externalId", Kind::String, "").exact(),
        Attribute::new("meta", Kind::Complex, "").read_only().with(vec![
            Attribute::new("resourceType", Kind::String, "").exact().read_only(),
            time("created"),
            time("lastModified"),
            Attribute::new("location", Kind::Reference, "").exact().read_only(),
            Attribute::new("version", Kind::String, "").exact().read_only(),
        ]),
    ]
}
