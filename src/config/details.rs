//! `attributes` of `[accounts]`: which attributes of the directory the account store is given of a person, and what it calls them.

use super::diagnose::{Complaint, Found, Problem};
use super::directory::attribute_names;
use super::ground::Ground;
use super::raw::{Section, kind};
use crate::model::DetailSource;
use toml::de::DeValue;

const EXAMPLE: &str = "{ displayName = [\"displayName\", \"cn\"], \"name.givenName\" = \"givenName\" }";
/// Most details of one person: a few, not a copy of the directory.
const DETAILS_MAX: usize = 16;
/// What is given where nothing else is written: what most products ask for.
const USUAL: [(&str, &[&str]); 3] =
    [("name.givenName", &["givenName"]), ("name.familyName", &["sn"]), ("displayName", &["displayName", "cn"])];

/// Reads them; `tier_in` is taken by the tier.
pub(super) fn details(
    section: &Section<'_>,
    ground: &Ground<'_>,
    tier_in: Option<&str>,
    found: &mut Found,
) -> Vec<DetailSource> {
    let Some((at, written)) = section.entry("attributes") else { return usual(tier_in) };
    let DeValue::Table(table) = written.get_ref() else {
        let title = format!("`attributes` must be a table, not {}", kind(written.get_ref()));
        found.add(Problem::wrong(written.span(), title).help(format!("such as: attributes = {EXAMPLE}")));
        return Vec::new();
    };
    let section = Section::new("attributes", at, table);
    let mut details = Vec::new();
    for (key, span) in section.keys() {
        // A key with a point in it and no quotes around it is a table in a table.
        let inner = match section.entry(key).map(|(_, value)| value.get_ref()) {
            Some(DeValue::Table(inner)) => Section::new("attributes", span.clone(), inner),
            _ => {
                take(&section, key, key.to_owned(), (ground, tier_in), &mut details, found);
                continue;
            }
        };
        for (part, _) in inner.keys() {
            take(&inner, part, format!("{key}.{part}"), (ground, tier_in), &mut details, found);
        }
    }
    if details.len() > DETAILS_MAX {
        let problem = Problem::wrong(written.span(), format!("`attributes` names more than {DETAILS_MAX}"));
        found.add(problem.help("leave in what the product needs to show who somebody is"));
    }
    details
}

fn usual(tier_in: Option<&str>) -> Vec<DetailSource> {
    let is_free = |name: &str| !tier_in.is_some_and(|place| place.trim().eq_ignore_ascii_case(name));
    let usual = USUAL.into_iter().filter(|(name, _)| is_free(name));
    let source = |(name, attributes): (&str, &[&str])| DetailSource {
        name: name.into(),
        attributes: attributes.iter().map(|attribute| (*attribute).to_owned()).collect(),
    };
    usual.map(source).collect()
}

/// One line of the table.
fn take(
    section: &Section<'_>,
    key: &str,
    name: String,
    (ground, tier_in): (&Ground<'_>, Option<&str>),
    details: &mut Vec<DetailSource>,
    found: &mut Found,
) {
    let Some((at, _)) = section.entry(key) else { return };
    if let Err(why) = (ground.env.check_detail)(&name) {
        return found.complain(at, Complaint::new(format!("{name:?} cannot be given to the account store: {why}")));
    }
    if tier_in.is_some_and(|place| place.trim().eq_ignore_ascii_case(&name)) {
        let problem = Problem::wrong(at, format!("{name} is where the tier stands (tier_in)"));
        return found.add(problem.help("leave it out of `attributes`"));
    }
    if details.iter().any(|known| known.name.eq_ignore_ascii_case(&name)) {
        return found.add(Problem::wrong(at, format!("{name} is written twice")).help("keep one of them"));
    }
    let attributes = attribute_names(section, key, ("\"givenName\"", "[\"displayName\", \"cn\"]"), found);
    details.push(DetailSource { name: name.into(), attributes });
}
