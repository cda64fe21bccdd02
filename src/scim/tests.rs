//! What the RFCs say, in tables and as laws.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::filter::{FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_TERMS_MAX, Literal, Operator, parse};
use super::list::Page;
use super::patch::operations;
use super::*;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn shape() -> Shape {
    let text = |name: &str| Attribute::new(name, Kind::String, "");
    let core = Schema {
        id: USER.to_owned(),
        name: "User".to_owned(),
        description: String::new(),
        attributes: vec![
            text("userName").required().unique(),
            Attribute::new("name", Kind::Complex, "").with(vec![text("givenName"), text("familyName")]),
            text("displayName"),
            Attribute::new("active", Kind::Boolean, ""),
            Attribute::new("age", Kind::Integer, ""),
            Attribute::new("since", Kind::DateTime, ""),
            text("badge").exact().immutable(),
            text("secret").exact().always(),
            Attribute::new("emails", Kind::Complex, "").multi().with(vec![
                text("value"),
                text("type"),
                Attribute::new("primary", Kind::Boolean, ""),
            ]),
            Attribute::new("groups", Kind::Complex, "").multi().read_only().with(vec![text("value").read_only()]),
        ],
    };
    let extension = Schema {
        id: ENTERPRISE_USER.to_owned(),
        attributes: vec![text("department"), text("costCenter")],
        ..Schema::default()
    };
    Shape::new(&core, vec![extension])
}

fn barbara() -> Value {
    json!({
        "schemas": [USER, ENTERPRISE_USER], "id": "2819c223", "externalId": "701984",
        "userName": "bjensen@example.com", "name": {"givenName": "Barbara", "familyName": "Jensen"},
        "active": true, "age": 41, "since": "2011-05-13T04:42:34Z", "secret": "Xy",
        "emails": [
            {"value": "bjensen@example.com", "type": "work", "primary": true},
            {"value": "babs@jensen.org", "type": "home"},
        ],
        "groups": [{"value": "e9e30dba"}],
        ENTERPRISE_USER: {"department": "Tour Operations"},
        "meta": {"resourceType": "User", "created": "2010-01-23T04:56:22Z"},
    })
}

#[test]
fn filters_of_the_rfc_find_who_is_meant() {
    let shape = shape();
    for (text, expected) in [
        (r#"userName eq "BJENSEN@example.com""#, true),
        (r#"userName Eq "bjensen""#, false),
        (r#"externalId eq "701984""#, true),
        (r#"secret eq "xy""#, false),
        (r#"secret eq "Xy""#, true),
        (r#"name.familyName co "ens""#, true),
        (r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "B""#, true),
        (r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department ew "operations""#, true),
        ("displayName pr", false),
        ("emails pr", true),
        ("not (displayName pr)", true),
        ("active eq true and age gt 40", true),
        ("active eq false or age ge 42", false),
        (r#"meta.created lt "2011-05-13T06:42:34+02:00""#, true),
        (r#"since eq "2011-05-13T06:42:34+02:00""#, true),
        (r#"emails eq "babs@jensen.org""#, true),
        (r#"emails.type eq "work""#, true),
        (r#"emails[type eq "work" and value co "@example.com"]"#, true),
        (r#"emails[type eq "home" and value co "@example.com"]"#, false),
        (r#"emails[type eq "home" and not (value co "@example.com")]"#, true),
        (r#"emails.type ne "other""#, true),
        (r#"emails.type ne "work""#, false),
        ("displayName eq null", true),
        ("userName ne null", true),
        // `and` binds tighter than `or`, `not` than both.
        (r#"userName eq "x" and active eq true or age eq 41"#, true),
        (r#"age eq 41 or active eq true and userName eq "x""#, true),
        (r#"(age eq 41 or active eq true) and userName eq "x""#, false),
        (r#"not (userName eq "x") and active eq true"#, true),
        (r#"userName eq "quoted \" ] ) and""#, false),
    ] {
        let filter = parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
        filter.check(&shape).unwrap_or_else(|problem| panic!("{text}: {problem}"));
        assert_eq!(filter.matches(&barbara(), &shape), expected, "{text}");
    }
}

#[test]
fn filters_that_make_no_sense_are_refused() {
    for text in [
        "",
        "userName",
        "userName eq",
        "userName eq bjensen",
        r#"userName xx "a""#,
        r#"userName eq "a"#,
        "userName eq {}",
        r#"userName eq "a" and"#,
        r#"(userName eq "a""#,
        r#"userName eq "a")"#,
        r#"emails[type eq "a""#,
        r#"1a eq "a""#,
        r#"userName eq "a" userName eq "b""#,
        "not userName pr",
        r#"a.b.c eq "d""#,
        "über pr",
    ] {
        assert_eq!(parse(text).unwrap_err().scim_type, Some(ScimType::InvalidFilter), "{text}");
    }
    for text in [
        r#"nickName eq "a""#,
        r#"name.honorific eq "a""#,
        "active gt true",
        "userName eq 1",
        r#"age eq "a""#,
        r#"name eq "a""#,
        r#"since gt "yesterday""#,
        "userName gt null",
        r#"emails[nope eq "a"]"#,
        r#"userName[value eq "a"]"#,
        "age co 1",
        r#"emails[emails[type eq "a"]]"#,
        r#"urn:other:User:userName eq "a""#,
    ] {
        let filter = parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
        assert_eq!(filter.check(&shape()).unwrap_err().scim_type, Some(ScimType::InvalidFilter), "{text}");
    }
}

#[test]
fn filters_have_limits() {
    let deep = |depth: usize| format!("{}userName pr{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&deep(FILTER_DEPTH_MAX)).is_ok());
    assert!(parse(&deep(FILTER_DEPTH_MAX + 1)).is_err());
    assert!(parse(&deep(4_000)).is_err());
    let wide = |terms: usize| vec!["a pr"; terms].join(" or ");
    assert!(parse(&wide(FILTER_TERMS_MAX)).is_ok());
    assert!(parse(&wide(FILTER_TERMS_MAX + 1)).is_err());
    assert!(parse(&format!("userName eq \"{}\"", "a".repeat(FILTER_BYTES_MAX))).is_err());
}

fn patched(changes: Value) -> Result<Value, Problem> {
    let body = json!({"schemas": [PATCH_OP], "Operations": changes});
    let Value::Object(mut resource) = barbara() else { panic!() };
    apply(&mut resource, &operations(&body)?, &shape(), &|name| name == "title")?;
    Ok(Value::Object(resource))
}

#[test]
fn changes_of_the_rfc_do_what_they_say() {
    let work = json!({"value": "bjensen@example.com", "type": "work", "primary": true});
    let home = json!({"value": "babs@jensen.org", "type": "home"});
    for (changes, pointer, expected) in [
        (json!([{"op": "add", "path": "displayName", "value": "Babs"}]), "/displayName", json!("Babs")),
        (
            json!([{"op": "Replace", "value": {"displayName": "Babs", "name.givenName": "B"}}]),
            "/name",
            json!({"givenName": "B", "familyName": "Jensen"}),
        ),
        (
            json!([{"op": "replace", "path": "name", "value": {"GIVENNAME": "B"}}]),
            "/name",
            json!({"givenName": "B", "familyName": "Jensen"}),
        ),
        (json!([{"op": "remove", "path": "name.givenName"}]), "/name", json!({"familyName": "Jensen"})),
        (
            json!([{"op": "remove", "path": "name.givenName"}, {"op": "remove", "path": "name.familyName"}]),
            "/name",
            Value::Null,
        ),
        (json!([{"op": "replace", "path": "active", "value": "False"}]), "/active", json!(false)),
        (json!([{"op": "replace", "path": "active"}]), "/active", Value::Null),
        (
            json!([{"op": "add", "path": "emails", "value": [home, {"value": "n@x.org"}]}]),
            "/emails",
            json!([work, home, {"value": "n@x.org"}]),
        ),
        (
            json!([{"op": "add", "path": "emails", "value": {"value": "n@x.org", "primary": true}}]),
            "/emails/0/primary",
            json!(false),
        ),
        (json!([{"op": "replace", "path": "emails", "value": [home]}]), "/emails", json!([home])),
        (
            json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "n@x.org"}]),
            "/emails/0/value",
            json!("n@x.org"),
        ),
        (
            json!([{"op": "replace", "path": "emails[type eq \"work\"]", "value": {"value": "n@x.org"}}]),
            "/emails/0",
            json!({"value": "n@x.org"}),
        ),
        (
            json!([{"op": "add", "path": "emails[type eq \"other\"].value", "value": "n@x.org"}]),
            "/emails/2",
            json!({"type": "other", "value": "n@x.org"}),
        ),
        (json!([{"op": "remove", "path": "emails[type eq \"work\"]"}]), "/emails", json!([home])),
        (json!([{"op": "remove", "path": "emails[type eq \"none\"]"}]), "/emails", json!([work, home])),
        (
            json!([{"op": "remove", "path": "emails", "value": [{"value": "babs@jensen.org"}]}]),
            "/emails",
            json!([work]),
        ),
        (json!([{"op": "remove", "path": "emails"}]), "/emails", Value::Null),
        (
            json!([{"op": "remove", "path": "emails[type eq \"work\"].primary"}]),
            "/emails/0",
            json!({"value": "bjensen@example.com", "type": "work"}),
        ),
        (
            json!([{"op": "add", "path": "badge", "value": "B1"}, {"op": "add", "path": "badge", "value": "B1"}]),
            "/badge",
            json!("B1"),
        ),
        (
            json!([{"op": "replace", "path": format!("{ENTERPRISE_USER}:department"), "value": "HR"}]),
            "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            json!({"department": "HR"}),
        ),
        (
            json!([{"op": "add", "path": ENTERPRISE_USER, "value": {"costCenter": "7"}}]),
            "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            json!({"department": "Tour Operations", "costCenter": "7"}),
        ),
        (
            json!([{"op": "remove", "path": ENTERPRISE_USER}]),
            "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            Value::Null,
        ),
        // Whole resources are sent back with what only the server sets.
        (json!([{"op": "replace", "value": {"id": "other", "displayName": "B"}}]), "/id", json!("2819c223")),
        (json!([{"op": "replace", "path": "title", "value": "Dr."}]), "/title", Value::Null),
    ] {
        let resource = patched(changes.clone()).unwrap_or_else(|problem| panic!("{changes}: {problem}"));
        assert_eq!(resource.pointer(pointer).unwrap_or(&Value::Null), &expected, "{changes}");
    }
}

#[test]
fn changes_that_make_no_sense_are_refused_by_name() {
    for (change, expected) in [
        (json!({"op": "remove"}), ScimType::NoTarget),
        (json!({"op": "replace", "path": "emails[type eq \"none\"].value", "value": "x"}), ScimType::NoTarget),
        (json!({"op": "add", "path": "emails[type sw \"none\"].value", "value": "x"}), ScimType::NoTarget),
        (json!({"op": "add", "path": "nickName", "value": "x"}), ScimType::InvalidPath),
        (json!({"op": "add", "path": "name.nope", "value": "x"}), ScimType::InvalidPath),
        (json!({"op": "add", "path": "emails[", "value": "x"}), ScimType::InvalidPath),
        (json!({"op": "add", "path": "a b", "value": "x"}), ScimType::InvalidPath),
        (json!({"op": "add", "path": "name[givenName eq \"B\"]", "value": "x"}), ScimType::InvalidPath),
        (json!({"op": "add", "path": "emails[nope eq 1]", "value": "x"}), ScimType::InvalidFilter),
        (json!({"op": "replace", "path": "id", "value": "x"}), ScimType::Mutability),
        (json!({"op": "remove", "path": "groups"}), ScimType::Mutability),
        (json!({"op": "add", "path": "groups[value eq \"x\"]", "value": {"value": "y"}}), ScimType::Mutability),
        (json!({"op": "remove", "path": "userName"}), ScimType::Mutability),
        (json!({"op": "replace", "path": "userName"}), ScimType::Mutability),
        (json!({"op": "replace", "path": "active", "value": "perhaps"}), ScimType::InvalidValue),
        (json!({"op": "replace", "path": "name", "value": "x"}), ScimType::InvalidValue),
        (json!({"op": "add", "value": "x"}), ScimType::InvalidValue),
        (json!({"op": "explode", "path": "name"}), ScimType::InvalidSyntax),
    ] {
        let problem = patched(json!([change.clone()])).unwrap_err();
        assert_eq!(problem.scim_type, Some(expected), "{change}: {problem}");
    }
    let twice =
        json!([{"op": "add", "path": "badge", "value": "B1"}, {"op": "replace", "path": "badge", "value": "B2"}]);
    assert_eq!(patched(twice).unwrap_err().scim_type, Some(ScimType::Mutability));
    for body in [json!({}), json!({"schemas": [PATCH_OP]}), json!({"schemas": [PATCH_OP], "Operations": []}), json!([])]
    {
        assert_eq!(operations(&body).unwrap_err().scim_type, Some(ScimType::InvalidSyntax), "{body}");
    }
}

#[test]
fn lists_that_grow_without_end_are_refused() {
    let values =
        |from: usize| (from..from + 1_000).map(|number| json!({"value": number.to_string()})).collect::<Vec<_>>();
    let add = |from: usize| json!({"op": "add", "path": "emails", "value": values(from)});
    assert!(patched(json!([add(0), add(1_000)])).is_ok());
    let many: Vec<Value> = (0..20).map(|number| add(1_000 * number)).collect();
    assert_eq!(patched(json!(many)).unwrap_err().status, 413);
    let once = json!({"op": "remove", "path": "emails[value eq \"x\"]"});
    let found = |times: usize, operation: &Value| {
        let many: Vec<Value> = std::iter::once(add(0)).chain(std::iter::repeat_n(operation.clone(), times)).collect();
        patched(json!(many)).map(drop).map_err(|problem| problem.status)
    };
    assert_eq!((found(150, &once), found(900, &once)), (Ok(()), Err(413)));
    // Each term of a filter counts, and each value that is changed.
    let terms = json!({"op": "remove", "path": "emails[value co \"x\" or value co \"y\" or not (value pr)]"});
    assert_eq!((found(50, &terms), found(150, &terms)), (Ok(()), Err(413)));
    let each = json!({"op": "replace", "path": "emails.type", "value": "work"});
    assert_eq!((found(50, &each), found(900, &each)), (Ok(()), Err(413)));
}

#[test]
fn a_body_is_taken_as_the_schema_has_it() {
    let body = json!({
        "SCHEMAS": [USER], "USERNAME": "b@x.org", "id": "mine", "meta": {"version": "1"}, "active": "true",
        "displayName": null, "emails": {"VALUE": "b@x.org", "display": "B"}, "title": "Dr.", "roles": [],
        ENTERPRISE_USER.to_uppercase(): {"DEPARTMENT": "HR", "manager": {"value": "1"}},
    });
    let Accepted { resource, mut unknown } = accept(&body, &shape()).unwrap();
    let expected = json!({
        "userName": "b@x.org", "active": true, "emails": [{"value": "b@x.org"}], ENTERPRISE_USER: {"department": "HR"},
    });
    assert_eq!(Value::Object(resource), expected);
    unknown.sort();
    assert_eq!(unknown, ["emails.display", "title", &format!("{ENTERPRISE_USER}:manager")]);
    for (body, expected) in [
        (json!("x"), ScimType::InvalidSyntax),
        (json!({"userName": "a"}), ScimType::InvalidSyntax),
        (json!({"schemas": [USER], "userName": 1}), ScimType::InvalidValue),
        (json!({"schemas": [USER], "userName": ["a"]}), ScimType::InvalidValue),
        (json!({"schemas": [USER], "userName": "a", "username": "b"}), ScimType::InvalidSyntax),
        (json!({"schemas": [USER], "name": []}), ScimType::InvalidValue),
        (json!({"schemas": [USER], "age": 1.5}), ScimType::InvalidValue),
    ] {
        if body["name"] == json!([]) {
            // An empty list is no value at all.
            assert_eq!(accept(&body, &shape()).unwrap().resource, Map::new());
        } else {
            assert_eq!(accept(&body, &shape()).unwrap_err().scim_type, Some(expected), "{body}");
        }
    }
}

#[test]
fn an_answer_has_what_was_asked_for() {
    let shape = shape();
    let names = |only: &str, without: &str| {
        let projection = Projection::of_query(Some(only), Some(without)).unwrap();
        let Value::Object(kept) = projection.apply(barbara(), &shape) else { panic!() };
        kept.keys().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("userName", ""), "id schemas secret userName");
    assert_eq!(names(" USERNAME , emails.value", ""), "emails id schemas secret userName");
    assert_eq!(names(&format!("{USER}:active"), ""), "active id schemas secret");
    assert!(names(&format!("{ENTERPRISE_USER}:department"), "").starts_with("id schemas secret urn:"));
    assert_eq!(names("nope", ""), "id schemas secret");
    assert!(!names("", "emails,id,secret").contains("emails"));
    let kept = names("", "emails,id,secret");
    assert!(["id", "schemas", "secret"].iter().all(|name| kept.contains(name)), "what is always returned: {kept}");
    let parts = Projection::of_query(Some("emails.value"), None).unwrap().apply(barbara(), &shape);
    assert_eq!(parts["emails"], json!([{"value": "bjensen@example.com"}, {"value": "babs@jensen.org"}]));
    let parts = Projection::of_query(None, Some("name.givenName")).unwrap().apply(barbara(), &shape);
    assert_eq!(parts["name"], json!({"familyName": "Jensen"}));
    assert!(Projection::of_query(Some("a"), Some("b")).is_err());
}

#[test]
fn errors_and_lists_come_back_as_they_went() {
    let problem = Problem::bad(ScimType::NoTarget, "nothing there");
    assert_eq!(problem.body()["status"], "400");
    assert_eq!(Problem::read(400, &problem.body()), Some(problem));
    assert_eq!(Problem::read(404, &json!({"status": "404"})), None);
    assert!(ScimType::ALL.into_iter().all(|each| ScimType::named(each.keyword()) == Some(each)));
    let page = Page { total: Some(3), start: Some(2), next_cursor: None, resources: vec![barbara()] };
    assert_eq!(Page::read(&page.clone().body()), Some(page));
    assert_eq!(
        Page::read(&json!({"schemas": [LIST_RESPONSE], "totalResults": 0})).unwrap().resources,
        Vec::<Value>::new()
    );
    assert_eq!(Page::read(&json!({"Resources": []})), None);
    let shown = serde_json::to_value(Attribute::new("a", Kind::DateTime, "").read_only()).unwrap();
    assert_eq!((&shown["type"], &shown["mutability"]), (&json!("dateTime"), &json!("readOnly")));
    assert_eq!(
        serde_json::from_value::<Attribute>(json!({"name": "a"})).unwrap(),
        Attribute::new("a", Kind::String, "")
    );
}

fn attribute_path() -> impl Strategy<Value = AttributePath> {
    (prop::option::of(Just(USER.to_owned())), "[a-z][a-zA-Z0-9_-]{0,6}", prop::option::of("[a-z]{1,4}")).prop_map(
        |(urn, name, part)| {
            // `not(` and the like are no names that anybody has.
            AttributePath { urn, name: format!("x{name}"), part }
        },
    )
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Boolean),
        any::<i32>().prop_map(|number| Literal::Number(number.into())),
        any::<String>().prop_map(Literal::Text),
    ]
}

fn filters() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![
        attribute_path().prop_map(Filter::Present),
        (attribute_path(), prop::sample::select(&Operator::ALL[..]), literal())
            .prop_map(|(path, operator, literal)| Filter::Compare(path, operator, literal)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.clone().prop_map(|term| Filter::Not(Box::new(term))),
            (attribute_path(), inner).prop_map(|(path, term)| Filter::Within(path, Box::new(term))),
        ]
    })
}

/// Few names and values, so that they meet often.
fn operation() -> impl Strategy<Value = Value> {
    let paths = [
        "userName",
        "displayName",
        "name",
        "name.givenName",
        "active",
        "badge",
        "emails",
        "emails.type",
        "groups",
        "id",
        "emails[type eq \"work\"]",
        "emails[type eq \"work\"].value",
        "emails[not (primary eq true)].primary",
        "title",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        "meta",
        "externalId",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        "nope",
        "emails[",
        "",
    ];
    let values = [
        json!("a"),
        json!("b"),
        json!(true),
        Value::Null,
        json!([]),
        json!({}),
        json!({"value": "a", "type": "work"}),
        json!([{"value": "b", "primary": true}, "c"]),
        json!({"givenName": "G"}),
        json!({"department": "D", "id": "x"}),
    ];
    let op = prop::sample::select(&["add", "remove", "replace"][..]);
    (op, prop::option::of(prop::sample::select(paths.to_vec())), prop::sample::select(values.to_vec()))
        .prop_map(|(op, path, value)| json!({"op": op, "path": path, "value": value}))
}

proptest! {
    #[test]
    fn a_filter_written_and_read_is_the_same(filter in filters()) {
        let text = filter.to_string();
        if text.len() <= FILTER_BYTES_MAX {
            prop_assert_eq!(parse(&text), Ok(filter), "{}", text);
        }
    }

    #[test]
    fn no_text_is_too_much_for_the_readers(text in "\\PC{0,60}", bits in "[a-c \\[\\]()\"eqnotadr.:0-9\\\\]{0,60}") {
        for text in [text, bits] {
            if let Ok(filter) = parse(&text) {
                let _ = filter.check(&shape());
                let _ = filter.matches(&barbara(), &shape());
            }
            let _ = Target::parse(&text, &shape());
            let _ = AttributePath::parse(&text);
        }
    }

    #[test]
    fn whatever_is_changed_stays_a_resource(changes in prop::collection::vec(operation(), 1..8)) {
        let Value::Object(before) = barbara() else { panic!() };
        let mut after = before.clone();
        let body = json!({"schemas": [PATCH_OP], "Operations": changes});
        if apply(&mut after, &operations(&body).unwrap(), &shape(), &|name| name == "title").is_ok() {
            for name in ["id", "meta", "groups", "schemas"] {
                prop_assert_eq!(&after[name], &before[name], "read-only");
            }
            prop_assert!(after["userName"].is_string(), "required");
            // What is there is as the schema has it: taking it in again changes nothing.
            let again = accept(&Value::Object(after.clone()), &shape()).unwrap();
            prop_assert_eq!(again.unknown, Vec::<String>::new());
            for (name, value) in &again.resource {
                prop_assert_eq!(&after[name], value);
            }
            // The same once more ends in the same, but for what lists add.
            if !changes.iter().any(|change| change["op"] == "add") {
                let mut twice = after.clone();
                if apply(&mut twice, &operations(&body).unwrap(), &shape(), &|name| name == "title").is_ok() && changes.len() == 1 {
                    prop_assert_eq!(twice, after);
                }
            }
        }
    }
}
