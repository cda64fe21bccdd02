//! Which attributes `user_filter` and the e-mail address depend on, and whether a server tells when these change.

use crate::directory::ldap::failure::Failure;
use crate::directory::ldap::schema::Server;
use crate::directory::ldap::session::{Search, Session};
use crate::directory::ldap::settings::LdapSettings;
use lber::structure::{PL, StructureTag};
use lber::structures::ASNTag;

/// The attributes of the standard filter, whose values are names, but of the schema: nobody renames those.
const SETTLED: &[&str] = &["objectClass", "objectCategory"];
/// `systemFlags` of attributes that each domain controller has for itself, or computes (MS-ADTS 2.2.10).
const NOT_TOLD: i64 = 0x1 | 0x4;
/// Syntaxes of names (MS-ADTS 3.1.1.2.2.2), alone, with bytes, with text: a value changes when what it names is renamed.
const NAMES: &[&str] = &["2.5.5.1", "2.5.5.7", "2.5.5.14"];
/// What other servers than Active Directory compute, or change without a word (in lower case).
const COMPUTED_ELSEWHERE: &[&str] = &["memberof", "ismemberof", "hassubordinates", "numsubordinates", "nsrole"];

/// What a filter depends on.
#[derive(Debug, Default, PartialEq, Eq)]
struct Dependence {
    attributes: Vec<String>,
    /// On the names of entries, not only on their attributes.
    names: bool,
}

/// The attributes that `user_filter` names; `None` where it is about more than attributes.
pub(in super::super) fn named(settings: &LdapSettings) -> Option<Vec<String>> {
    match settings.user_filter.as_deref().map(dependence) {
        None => Some(Vec::new()),
        Some(Some(Dependence { attributes, names: false })) => Some(attributes),
        Some(Some(Dependence { names: true, .. }) | None) => None,
    }
}

/// Why nobody would tell that somebody passes `user_filter` or has another address or name from now on, where that is so.
///
/// # Errors
/// As for any search.
pub(super) async fn objection(
    session: &mut Session,
    settings: &LdapSettings,
    server: &Server,
) -> Result<Option<String>, Failure> {
    let Some(filtered) = named(settings) else {
        return Ok(Some("user_filter is about more than attributes".to_owned()));
    };
    let wanted = filtered.iter().chain(settings.named_attributes());
    let mut names: Vec<String> = wanted.map(|name| name.to_ascii_lowercase()).collect();
    names.retain(|name| !SETTLED.iter().any(|settled| settled.eq_ignore_ascii_case(name)));
    names.sort_unstable();
    names.dedup();
    let computed = |name: &&String| COMPUTED_ELSEWHERE.contains(&name.as_str());
    if let Some(name) = names.iter().find(computed) {
        return Ok(Some(format!("the server does not tell when {name} changes")));
    }
    let Some(schema) = &server.schema else {
        let why = "the server does not show its schema".to_owned();
        return Ok(server.is_active_directory.then_some(why));
    };
    for name in &names {
        // Nothing else can be a name in the schema, and nothing else may come into a filter of ours.
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Ok(Some(format!("the schema has no attribute {name:?}")));
        }
    }
    if names.is_empty() {
        return Ok(None);
    }
    let any: String = names.iter().map(|name| format!("(lDAPDisplayName={name})")).collect();
    let search = Search {
        what: "the schema",
        base: schema,
        base_only: false,
        filter: &format!("(&(objectClass=attributeSchema)(|{any}))"),
        attributes: &["lDAPDisplayName", "linkID", "systemFlags", "attributeSyntax"].map(str::to_owned),
        page_size: None,
        extended_dn: false,
    };
    let (mut untold, mut known) = (None, Vec::new());
    session
        .search(search, |entry| {
            let name = entry.one("lDAPDisplayName").unwrap_or_default().to_ascii_lowercase();
            let is_link = entry.number("linkID")?.is_some();
            let is_kept_back = entry.number("systemFlags")?.unwrap_or(0) & NOT_TOLD != 0;
            let is_name = entry.one("attributeSyntax").is_none_or(|syntax| NAMES.contains(&syntax));
            if is_link || is_kept_back || is_name {
                untold.get_or_insert(name.clone());
            }
            known.push(name);
            Ok(())
        })
        .await?;
    if let Some(name) = untold {
        return Ok(Some(format!("the server does not tell when {name} changes")));
    }
    let unknown = names.into_iter().find(|name| !known.contains(name));
    Ok(unknown.map(|name| format!("the schema has no attribute {name:?}")))
}

/// What a filter depends on; `None` where it is none.
fn dependence(filter: &str) -> Option<Dependence> {
    let mut found = Dependence::default();
    collect(ldap3::parse_filter(filter.trim()).ok()?.into_structure(), &mut found);
    Some(found)
}

/// Walks a filter (RFC 4511 4.5.1.7), which our own check has found to be of bounded depth.
fn collect(StructureTag { id, payload, class: _ }: StructureTag, found: &mut Dependence) {
    match (id, payload) {
        // And, or, not.
        (0..=2, PL::C(parts)) => parts.into_iter().for_each(|part| collect(part, found)),
        // Equality, parts, greater, less, similar: the attribute comes first.
        (3..=6 | 8, PL::C(parts)) => match parts.into_iter().next().map(|part| part.payload) {
            Some(PL::P(name)) => found.add(&name),
            Some(PL::C(_)) | None => found.names = true,
        },
        // Present.
        (7, PL::P(name)) => found.add(&name),
        // By a rule: the attribute is part 2, and part 4 says whether the name of the entry counts as well.
        (9, PL::C(parts)) => {
            let attribute = parts.iter().find(|part| part.id == 2).map(|part| part.payload.clone());
            found.names |= parts.iter().any(|part| part.id == 4 && part.payload != PL::P(vec![0]));
            match attribute {
                Some(PL::P(name)) => found.add(&name),
                Some(PL::C(_)) | None => found.names = true,
            }
        }
        _ => found.names = true,
    }
}

impl Dependence {
    fn add(&mut self, name: &[u8]) {
        // Options (RFC 4512 2.5) make no other attribute of it.
        let name = String::from_utf8_lossy(name);
        self.attributes.push(name.split(';').next().unwrap_or_default().to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(filter: &str) -> (Vec<String>, bool) {
        let Dependence { attributes, names } = dependence(filter).unwrap_or_default();
        (attributes, names)
    }

    #[test]
    fn every_attribute_of_a_filter_is_found() {
        let (attributes, names) =
            of("(&(a=1)(|(b>=1)(c<=1)(!(d~=1)))(e=*)(f=x*y*z)(g:1.2.840.113556.1.4.803:=2)(h;x=1))");
        assert_eq!(attributes, ["a", "b", "c", "d", "e", "f", "g", "h"]);
        assert!(!names);
    }

    #[test]
    fn a_filter_that_is_about_names_is_known() {
        assert!(of("(ou:dn:=Sales)").1);
        assert!(of("(&(a=1)(ou:dn:2.5.13.5:=Sales))").1);
        assert!(of("(:2.5.13.5:=Sales)").1);
        assert!(!of("(ou:2.5.13.5:=Sales)").1);
    }
}
