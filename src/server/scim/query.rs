//! The members of a query (RFC 7644 3.4.2), and of a search by POST (3.4.3). Pure.

use crate::scim::filter::{self, Filter};
use crate::scim::{AttributePath, Problem, Projection, SEARCH_REQUEST, ScimType};
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// Resources on a page when nobody says how many.
pub(super) const COUNT_DEFAULT: usize = 100;
/// Resources on a page at most: who asks for more gets so many.
pub(super) const COUNT_MAX: usize = 1_000;

/// Which page is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Paging {
    /// From that place, counted from 1.
    From(usize),
    /// Behind that user; from the first one with `None` (RFC 9865).
    Cursor(Option<String>),
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub filter: Option<Filter>,
    pub projection: Projection,
    pub sort: Option<AttributePath>,
    pub is_descending: bool,
    pub paging: Paging,
    pub count: usize,
}

/// The members as they came.
#[derive(Default)]
struct Members {
    filter: Option<String>,
    attributes: Vec<String>,
    excluded: Vec<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    start_index: Option<i64>,
    count: Option<i64>,
    cursor: Option<String>,
}

impl Query {
    /// From the query of a URL. Members that are not ours are left alone.
    ///
    /// # Errors
    /// `invalidValue`, `invalidFilter`, `invalidCursor`, `invalidCount`.
    pub(super) fn of_url(query: &str) -> Result<Self, Problem> {
        let mut members = Members::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            let names = || value.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect();
            match name.to_ascii_lowercase().as_str() {
                "filter" => members.filter = Some(value).filter(|it| !it.is_empty()),
                "attributes" => members.attributes = names(),
                "excludedattributes" => members.excluded = names(),
                "sortby" => members.sort_by = Some(value).filter(|it| !it.is_empty()),
                "sortorder" => members.sort_order = Some(value).filter(|it| !it.is_empty()),
                "startindex" => members.start_index = Some(number("startIndex", &value, ScimType::InvalidValue)?),
                "count" => members.count = Some(number("count", &value, ScimType::InvalidCount)?),
                "cursor" => members.cursor = Some(value),
                _ => {}
            }
        }
        Self::of(members)
    }

    /// From the body of a search.
    ///
    /// # Errors
    /// As [`Query::of_url`], and `invalidSyntax`.
    pub(super) fn of_body(body: &Value) -> Result<Self, Problem> {
        let syntax = |detail: String| Problem::bad(ScimType::InvalidSyntax, detail);
        let is_search =
            body.get("schemas").and_then(Value::as_array).is_some_and(|it| it.iter().any(|it| it == SEARCH_REQUEST));
        if !is_search {
            return Err(syntax(format!("`schemas` has to name {SEARCH_REQUEST}")));
        }
        let member = |name: &str| body.get(name).filter(|value| !value.is_null());
        let text = |name: &str| match member(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(syntax(format!("`{name}` is a text"))),
        };
        let number = |name: &str| match member(name) {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| syntax(format!("`{name}` is a whole number"))),
        };
        let names = |name: &str| match member(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => {
                let names: Option<Vec<String>> = list.iter().map(|it| it.as_str().map(str::to_owned)).collect();
                names.ok_or_else(|| syntax(format!("`{name}` is a list of texts")))
            }
            Some(_) => Err(syntax(format!("`{name}` is a list of texts"))),
        };
        Self::of(Members {
            filter: text("filter")?,
            attributes: names("attributes")?,
            excluded: names("excludedAttributes")?,
            sort_by: text("sortBy")?,
            sort_order: text("sortOrder")?,
            start_index: number("startIndex")?,
            count: number("count")?,
            cursor: text("cursor")?,
        })
    }

    fn of(members: Members) -> Result<Self, Problem> {
        let Members { filter, attributes, excluded, sort_by, sort_order, start_index, count, cursor } = members;
        let value = |detail: String| Problem::bad(ScimType::InvalidValue, detail);
        let sort =
            sort_by.map(|text| AttributePath::parse(&text).ok_or_else(|| value(format!("{text:?} is no attribute"))));
        let is_descending = match sort_order.as_deref() {
            None => false,
            Some(word) if word.eq_ignore_ascii_case("ascending") => false,
            Some(word) if word.eq_ignore_ascii_case("descending") => true,
            Some(word) => return Err(value(format!("sortOrder is ascending or descending, not {word:?}"))),
        };
        let paging = match (cursor, start_index) {
            (Some(_), Some(_)) => return Err(value("`cursor` and `startIndex` exclude each other".to_owned())),
            (Some(text), None) if text.is_empty() => Paging::Cursor(None),
            (Some(text), None) => {
                let after = cursor_in(&text)
                    .ok_or_else(|| Problem::bad(ScimType::InvalidCursor, "this server gave no such cursor"))?;
                Paging::Cursor(Some(after))
            }
            // Below 1 is 1 (RFC 7644 3.4.2.4).
            (None, start) => Paging::From(usize::try_from(start.unwrap_or(1)).unwrap_or(1).max(1)),
        };
        if sort.is_some() && matches!(paging, Paging::Cursor(_)) {
            return Err(value(
                "with a cursor the order is that of the ids: leave `sortBy` out, or page by startIndex".to_owned(),
            ));
        }
        Ok(Self {
            filter: filter.map(|text| filter::parse(&text)).transpose()?,
            projection: Projection::new(&attributes, &excluded)?,
            sort: sort.transpose()?,
            is_descending,
            paging,
            // Below 0 is 0 (RFC 7644 3.4.2.4).
            count: count.map_or(COUNT_DEFAULT, |count| usize::try_from(count).unwrap_or(0)).min(COUNT_MAX),
        })
    }
}

/// The id as a cursor that nobody is tempted to build.
pub(super) fn cursor_out(id: &str) -> String {
    let hex: String = id.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{CURSOR_VERSION}{hex}")
}

fn cursor_in(text: &str) -> Option<String> {
    let hex = text.strip_prefix(CURSOR_VERSION).filter(|hex| hex.is_ascii() && hex.len() % 2 == 0)?;
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
    String::from_utf8(bytes?).ok().filter(|id| !id.is_empty())
}

const CURSOR_VERSION: &str = "1-";

/// As forms are encoded: a `+` is a blank.
fn decoded(text: &str) -> Result<String, Problem> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8().map(String::from);
    decoded.map_err(|_| Problem::bad(ScimType::InvalidSyntax, "the query is not UTF-8"))
}

fn number(name: &str, text: &str, scim_type: ScimType) -> Result<i64, Problem> {
    text.trim().parse().map_err(|_| Problem::bad(scim_type, format!("{name} is a whole number, not {text:?}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn queries_are_read_with_their_limits() {
        let query =
            Query::of_url("filter=userName+eq%20%22a%2Bb%22&startIndex=0&count=5000&SORTBY=name.familyName&other=1")
                .unwrap();
        assert_eq!(query.filter.unwrap(), Filter::equals("userName", "a+b"));
        assert_eq!((query.paging, query.count), (Paging::From(1), COUNT_MAX));
        assert_eq!(Query::of_url("").unwrap().count, COUNT_DEFAULT);
        assert_eq!(Query::of_url("count=-3").unwrap().count, 0);
        let cursor = format!("cursor={}&count=2", cursor_out("u1"));
        assert_eq!(Query::of_url(&cursor).unwrap().paging, Paging::Cursor(Some("u1".to_owned())));
        assert_eq!(Query::of_url("cursor").unwrap().paging, Paging::Cursor(None));
        for (query, scim_type) in [
            ("cursor=u1", ScimType::InvalidCursor),
            ("count=many", ScimType::InvalidCount),
            ("cursor=&startIndex=1", ScimType::InvalidValue),
            ("cursor=&sortBy=id", ScimType::InvalidValue),
            ("sortBy=id&sortOrder=up", ScimType::InvalidValue),
            ("filter=userName", ScimType::InvalidFilter),
            ("attributes=a&excludedAttributes=b", ScimType::InvalidValue),
            ("filter=%ff", ScimType::InvalidSyntax),
        ] {
            assert_eq!(Query::of_url(query).unwrap_err().scim_type, Some(scim_type), "{query}");
        }
        let body =
            json!({"schemas": [SEARCH_REQUEST], "filter": "active eq true", "count": 1, "attributes": ["userName"]});
        assert_eq!(Query::of_body(&body).unwrap().count, 1);
        assert!(Query::of_body(&json!({"count": 1})).is_err());
    }
}
