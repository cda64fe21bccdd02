//! When the bind account's password ends: Active Directory computes it for every account (MS-ADTS 3.1.1.4.5.21), from the
//! policies that apply to it. Other servers say nothing of the kind.

use super::explain;
use super::failure::Failure;
use super::probe::ProbeResult;
use super::schema::Server;
use super::session::{Search, Session};
use super::settings::LdapSettings;
use crate::directory::attributes;
use crate::model::{Dn, Timestamp};

/// The attribute, as asked for.
const EXPIRY: &str = "msDS-UserPasswordExpiryTimeComputed";
/// A password with fewer days left is worth a word.
const PASSWORD_DAYS_MIN: i64 = 14;
/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// When it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At that time.
    At(Timestamp),
    /// Not by itself.
    Never,
    /// The server does not say: the account is not found by its name, or may not read it.
    Unknown,
}

/// Where the bind account may be found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    base: String,
    base_only: bool,
    filter: String,
}

/// Asks for it.
///
/// # Errors
/// As for any search. Nothing depends on the answer.
pub(super) async fn end(session: &mut Session, settings: &LdapSettings, server: &Server) -> Result<End, Failure> {
    let attributes = [EXPIRY.to_owned()];
    for Place { base, base_only, filter } in places(&settings.bind_dn, server) {
        let search = Search {
            what: "the bind account",
            base: &base,
            base_only,
            filter: &filter,
            attributes: &attributes,
            page_size: None,
            extended_dn: false,
        };
        let mut found = Vec::new();
        session
            .search(search, |entry| {
                found.push(entry.number(&EXPIRY.to_ascii_lowercase())?);
                Ok(())
            })
            .await?;
        match found[..] {
            [] => {}
            [ticks] => return Ok(ticks.map_or(End::Unknown, end_of)),
            // A name that fits several is nobody's.
            [_, _, ..] => return Ok(End::Unknown),
        }
    }
    Ok(End::Unknown)
}

/// 2^63-1 is never; 0 is said of a password that must be changed first, which cannot be the one we came in with.
fn end_of(ticks: i64) -> End {
    match ticks {
        i64::MAX => End::Never,
        1.. => attributes::filetime(ticks).map_or(End::Never, End::At),
        _ => End::Unknown,
    }
}

/// As the server itself understands the name of a simple bind (MS-ADTS 5.1.1.1.1): a DN, `name@domain`, `DOMAIN\name`.
fn places(bind_dn: &str, server: &Server) -> Vec<Place> {
    let name = bind_dn.trim();
    if Dn::new(name).key().is_name() {
        return vec![Place { base: name.to_owned(), base_only: true, filter: "(objectClass=*)".to_owned() }];
    }
    let Some(root) = server.contexts.first() else { return Vec::new() };
    let by = |attribute: &str, value: &str| Place {
        base: root.clone(),
        base_only: false,
        filter: format!("({attribute}={})", ldap3::ldap_escape(value)),
    };
    match (name.split_once('\\'), name.split_once('@')) {
        (Some((_, account)), _) => vec![by("sAMAccountName", account)],
        // The name before the sign also goes for an account whose userPrincipalName is another one, or none.
        (None, Some((account, _))) => vec![by("userPrincipalName", name), by("sAMAccountName", account)],
        (None, None) => vec![by("sAMAccountName", name)],
    }
}

/// For `check`.
pub(super) fn step(asked: Result<End, Failure>, now: Timestamp) -> ProbeResult {
    match asked {
        Ok(End::Never) => ProbeResult::Good("never expires".to_owned()),
        Ok(End::At(at)) => {
            let days = (at.as_second() - now.as_second()).div_euclid(DAY_SECONDS);
            if days < PASSWORD_DAYS_MIN {
                ProbeResult::Wrong(format!(
                    "expires in {days} days ({at}): change it in the directory, and then in the file or credential that \
                     it is read from"
                ))
            } else {
                ProbeResult::Good(format!("expires in {days} days ({at})"))
            }
        }
        Ok(End::Unknown) => ProbeResult::Untried("the server does not say when it expires".to_owned()),
        Err(failure) => {
            ProbeResult::Untried(format!("when it expires is not known: {}", explain::tidy(&failure.message)))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::entry::tests::entry;
    use super::*;

    fn filters(bind_dn: &str) -> Vec<String> {
        let server = Server::of(&entry("", &[("defaultNamingContext", &[b"DC=x"])]));
        places(bind_dn, &server).into_iter().map(|place| format!("{} {}", place.base, place.filter)).collect()
    }

    #[test]
    fn the_account_is_looked_for_as_it_is_named() {
        assert_eq!(filters("CN=svc,DC=x"), ["CN=svc,DC=x (objectClass=*)"]);
        assert_eq!(
            filters("svc@corp.example"),
            ["DC=x (userPrincipalName=svc@corp.example)", "DC=x (sAMAccountName=svc)"]
        );
        assert_eq!(filters("CORP\\svc"), ["DC=x (sAMAccountName=svc)"]);
        assert_eq!(filters("*)(cn=*"), ["DC=x (sAMAccountName=\\2a\\29\\28cn=\\2a)"]);
    }

    #[test]
    fn the_end_is_a_time_or_never() {
        assert_eq!(end_of(i64::MAX), End::Never);
        assert_eq!(end_of(132_223_104_000_000_000), End::At("2020-01-01T00:00:00Z".parse().unwrap()));
        assert_eq!((end_of(0), end_of(-1)), (End::Unknown, End::Unknown));
    }

    #[test]
    fn a_password_near_its_end_is_a_problem() {
        let now: Timestamp = "2026-11-22T15:00:00Z".parse().unwrap();
        let told = |days: i64| step(Ok(End::At(now + jiff::SignedDuration::from_hours(24 * days + 1))), now);
        assert!(matches!(told(41), ProbeResult::Good(text) if text.starts_with("expires in 41 days (2027-01-02")));
        assert!(matches!(told(14), ProbeResult::Good(_)));
        assert!(matches!(told(13), ProbeResult::Wrong(text) if text.contains("change it")));
        assert!(matches!(step(Err(Failure::incomplete("cut")), now), ProbeResult::Untried(_)));
    }
}
