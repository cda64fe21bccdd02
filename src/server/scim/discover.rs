//! What the server can do, and what a user and a group of an account are made of. Pure.

use super::query::{COUNT_DEFAULT, COUNT_MAX};
use crate::scim::{Attribute, GROUP, Kind, RESOURCE_TYPE, SCHEMA, SERVICE_PROVIDER_CONFIG, Schema, Shape, USER};
use crate::server::api::view;
use crate::store::Profile;
use serde_json::{Value, json};

/// Most operations of one bulk.
pub(super) const BULK_OPERATIONS_MAX: usize = 1_000;

/// The type of the address.
pub(super) const WORK: &str = "work";
/// The type of an entitlement that is a licence.
pub(super) const LICENCE: &str = "licence";

/// What the server can do (RFC 7643 5, RFC 9865 4).
pub(super) fn config(base: &str, body_bytes_max: usize) -> Value {
    let yes = json!({"supported": true});
    json!({
        "schemas": [SERVICE_PROVIDER_CONFIG],
        "patch": yes,
        "bulk": {"supported": true, "maxOperations": BULK_OPERATIONS_MAX, "maxPayloadSize": body_bytes_max},
        "filter": {"supported": true, "maxResults": COUNT_MAX},
        "changePassword": {"supported": false},
        "sort": yes,
        "etag": yes,
        "pagination": {
            "cursor": true,
            "index": true,
            "defaultPaginationMethod": "index",
            "defaultPageSize": COUNT_DEFAULT,
            "maxPageSize": COUNT_MAX,
        },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A token made by `seatstore key new --scim`",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": {"resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig")},
    })
}

/// The types of resources (RFC 7643 6).
pub(super) fn resource_types(base: &str) -> Vec<Value> {
    let types =
        [("User", "/Users", USER, "Whoever has a seat"), ("Group", "/Groups", GROUP, "A licence and who holds it")];
    types
        .into_iter()
        .map(|(name, endpoint, schema, description)| {
            json!({
                "schemas": [RESOURCE_TYPE],
                "id": name,
                "name": name,
                "description": description,
                "endpoint": endpoint,
                "schema": schema,
                "meta": {"resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{name}")},
            })
        })
        .collect()
}

/// The schemas (RFC 7643 7): what an account can keep, with its licences.
pub(super) fn schemas(profile: &Profile, base: &str) -> Vec<Value> {
    [user_schema(profile), group_schema()]
        .iter()
        .filter_map(|schema| {
            let mut value = serde_json::to_value(schema).ok()?;
            let location = format!("{base}/Schemas/{}", schema.id);
            let members = value.as_object_mut()?;
            members.insert("schemas".to_owned(), json!([SCHEMA]));
            members.insert("meta".to_owned(), json!({"resourceType": "Schema", "location": location}));
            Some(value)
        })
        .collect()
}

/// What a user may have.
pub(super) fn user_shape(profile: &Profile) -> Shape {
    Shape::new(&user_schema(profile), Vec::new())
}

/// What a group may have.
pub(super) fn group_shape() -> Shape {
    Shape::new(&group_schema(), Vec::new())
}

fn text(name: &str, description: &str) -> Attribute {
    Attribute::new(name, Kind::String, description)
}

fn user_schema(profile: &Profile) -> Schema {
    let licences = profile.supported.iter().map(view::licence_out);
    Schema {
        id: USER.to_owned(),
        name: "User".to_owned(),
        description: "Whoever has a seat in the account".to_owned(),
        attributes: vec![
            text("userName", "The address, or a name that is no address").required().unique(),
            Attribute::new("name", Kind::Complex, "The names of the person").with(vec![
                text("formatted", "The whole name"),
                text("familyName", "The family name"),
                text("givenName", "The given name"),
            ]),
            text("displayName", "What people see"),
            Attribute::new("active", Kind::Boolean, "Whether the user is not suspended; true for who does not say")
                .required(),
            Attribute::new("emails", Kind::Complex, "The address: exactly one; that of userName for who does not say")
                .multi()
                .required()
                .with(vec![
                    text("value", "The address").required(),
                    text("type", "Always work").of([WORK.to_owned()]),
                    Attribute::new("primary", Kind::Boolean, "Always true").read_only().on_request(),
                ]),
            Attribute::new(
                "entitlements",
                Kind::Complex,
                "The licence: exactly one; the default one for who does not say",
            )
            .multi()
            .required()
            .with(vec![
                text("value", "The licence").required().of(licences),
                text("type", "Always licence").of([LICENCE.to_owned()]),
                Attribute::new("primary", Kind::Boolean, "Always true").read_only().on_request(),
            ]),
            Attribute::new("groups", Kind::Complex, "The licence as a group").multi().read_only().with(vec![
                text("value", "Its id").exact().read_only(),
                Attribute::new("$ref", Kind::Reference, "Where it is").exact().to(&["Group"]).read_only(),
                text("display", "Its name").read_only(),
                text("type", "Always direct").of(["direct".to_owned()]).read_only(),
            ]),
        ],
    }
}

fn group_schema() -> Schema {
    Schema {
        id: GROUP.to_owned(),
        name: "Group".to_owned(),
        description: "A licence of the account; its members hold it".to_owned(),
        attributes: vec![
            text("displayName", "The name of the licence").required().immutable().unique(),
            Attribute::new(
                "members",
                Kind::Complex,
                "Who holds it: who is added gets it in place of another, who is taken out falls back to the default one",
            )
            .multi()
            .with(vec![
                text("value", "The id of a user").exact().required().immutable(),
                Attribute::new("$ref", Kind::Reference, "Where the user is").exact().to(&["User"]).immutable(),
                text("display", "The userName").read_only().on_request(),
                text("type", "Always User").of(["User".to_owned()]).immutable(),
            ]),
        ],
    }
}
