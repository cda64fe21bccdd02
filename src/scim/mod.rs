//! SCIM 2.0 (RFC 7643, RFC 7644) as values: what goes over the wire, and what it means. For either side of it.
//!
//! | file | what is in it |
//! |---|---|
//! | `body` | a body as JSON, in which no name stands twice |
//! | `problem` | an error as a body: status, `scimType`, detail |
//! | `schema` | attributes and their characteristics; what a resource may have |
//! | `accept` | a body that came, held against the schema: names and types put right, or refused |
//! | `filter` | the filter grammar, read and evaluated |
//! | `path` | where a change of PATCH goes |
//! | `patch` | PATCH, applied to a resource |
//! | `project` | `attributes` and `excludedAttributes` |
//! | `list` | the list response |
//!
//! A resource is a JSON object all the way: a client and a server that know more of it turn it into values of their own. In
//! a resource that was accepted, names are written as in the schema.
//!
//! Deliberately absent: HTTP, what a user or a group means to an account store, signing in, bulk (an envelope around
//! requests, which only a server opens). No library is used: those there are read the filter alone, without the schema that
//! says whether case counts, or without a limit on how deep it goes.

pub mod accept;
pub mod body;
pub mod filter;
pub mod list;
pub mod patch;
pub mod path;
pub mod problem;
pub mod project;
pub mod schema;

#[cfg(test)]
mod tests;

pub use accept::{Accepted, accept};
pub use filter::Filter;
pub use patch::{Operation, apply};
pub use path::{AttributePath, Target};
pub use problem::{Problem, ScimType};
pub use project::Projection;
pub use schema::{Attribute, Kind, Mutability, Returned, Schema, Shape, Uniqueness};

/// What bodies are sent as (RFC 7644 8.1).
pub const MEDIA_TYPE: &str = "application/scim+json";

/// The core user (RFC 7643 4.1).
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The group (RFC 7643 4.2).
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The extension for enterprises (RFC 7643 4.3).
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// What a server can do (RFC 7643 5).
pub const SERVICE_PROVIDER_CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
/// A type of resources (RFC 7643 6).
pub const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
/// A schema (RFC 7643 7).
pub const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";
/// A list of resources (RFC 7644 3.4.2).
pub const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// A query by POST (RFC 7644 3.4.3).
pub const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
/// A change by PATCH (RFC 7644 3.5.2).
pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// Many requests in one (RFC 7644 3.7).
pub const BULK_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The answers to them.
pub const BULK_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
/// An error (RFC 7644 3.12).
pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
