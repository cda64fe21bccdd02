//! Which references to other servers matter: those behind which people could be.

use crate::model::DnKey;

/// What a domain root refers to in every forest (MS-ADTS 6.1.1.1): the configuration of the forest and the zones of the
/// name service. Nobody lives there.
const WITHOUT_PEOPLE: &[&str] = &["cn=configuration", "dc=domaindnszones", "dc=forestdnszones"];

/// Whether all the URLs of a reference (RFC 4511 4.5.3: any of them will do) lead to where no people are.
pub(super) fn is_without_people<'u>(urls: impl IntoIterator<Item = &'u [u8]>) -> bool {
    let mut urls = urls.into_iter().peekable();
    urls.peek().is_some() && urls.all(|url| name_in(url).is_some_and(|name| is_partition_without_people(&name)))
}

/// Directly below the root of a domain, so that an ordinary entry of that name elsewhere is not meant.
fn is_partition_without_people(name: &DnKey) -> bool {
    let Some((first, domain)) = name.as_str().split_once(',') else { return false };
    WITHOUT_PEOPLE.contains(&first) && domain.split(',').all(|rdn| rdn.starts_with("dc="))
}

/// The name in `ldap://host/name??scope` (RFC 4516), its escapes resolved.
fn name_in(url: &[u8]) -> Option<DnKey> {
    let url = std::str::from_utf8(url).ok()?;
    let (_, behind_scheme) = url.split_once("://")?;
    let (_, name) = behind_scheme.split_once('/')?;
    let name = name.split('?').next().unwrap_or_default();
    let key = DnKey::of(&String::from_utf8(unescaped(name.as_bytes())?).ok()?);
    key.is_name().then_some(key)
}

/// Percent-encoding undone (RFC 3986 2.1); `None` where a `%` is followed by no number.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        (plain, rest) = match (first, behind) {
            (b'%', [high, low, behind @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                plain.push(digit(high)? * 16 + digit(low)?);
                (plain, behind)
            }
            (b'%', _) => return None,
            (byte, behind) => {
                plain.push(*byte);
                (plain, behind)
            }
        };
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(urls: &[&str]) -> bool {
        is_without_people(urls.iter().map(|url| url.as_bytes()))
    }

    #[test]
    fn partitions_without_people_are_known() {
        for url in [
            "ldap://corp.example/CN=Configuration,DC=corp,DC=example",
            "ldap://DomainDnsZones.corp.example/DC=DomainDnsZones,DC=corp,DC=example",
            "ldaps://x:636/dc=forestdnszones,dc=corp,dc=example??base",
            "ldap:///CN=Configuration,%44C=corp,%20DC=example?",
        ] {
            assert!(ignored(&[url]), "{url}");
        }
    }

    #[test]
    fn everything_else_is_told() {
        for url in [
            "ldap://emea.corp.example/DC=emea,DC=corp,DC=example",
            "ldap://x/CN=Configuration,OU=People,DC=corp,DC=example",
            "ldap://x/OU=People,CN=Configuration,DC=corp,DC=example",
            "ldap://x/CN=Configuration",
            "ldap://x/CN=Configuration%,DC=x",
            "ldap://x/CN=Configuration%zz,DC=x",
            "ldap://x/",
            "ldap://x",
            "",
        ] {
            assert!(!ignored(&[url]), "{url}");
        }
        assert!(!ignored(&[]));
        assert!(!is_without_people([&b"\xff\xfe"[..]]));
        let mixed = ["ldap://x/CN=Configuration,DC=x", "ldap://y/DC=emea,DC=x"];
        assert!(!ignored(&mixed), "one of the two may have people");
    }
}
