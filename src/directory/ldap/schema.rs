//! What kind of server this is, by its rootDSE (RFC 4512 5.1), and what is asked of it.

use super::entry::Entry;
use super::settings::{LdapSettings, parenthesised};
use crate::model::DnKey;

/// The capability "Active Directory" (MS-ADTS 3.1.1.3.4.3.1).
const CAPABILITY_ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";
/// Simple paged results (RFC 2696).
pub(super) const CONTROL_PAGED: &str = "1.2.840.113556.1.4.319";
/// Names come with GUID and SID (MS-ADTS 3.1.1.3.4.1.5).
pub(super) const CONTROL_EXTENDED_DN: &str = "1.2.840.113556.1.4.529";
/// What has changed since a cookie (MS-ADTS 3.1.1.3.4.1.3).
pub(super) const CONTROL_DIRSYNC: &str = "1.2.840.113556.1.4.841";
/// Content synchronisation, as a request (RFC 4533 2.2).
pub(super) const CONTROL_SYNC_REQUEST: &str = "1.3.6.1.4.1.4203.1.9.1.1";
/// Changes are told for as long as the search is open (MS-ADTS 3.1.1.3.4.1.9).
pub(super) const CONTROL_NOTIFICATION: &str = "1.2.840.113556.1.4.528";
/// What is deleted is shown as well (MS-ADTS 3.1.1.3.4.1.14).
pub(super) const CONTROL_SHOW_DELETED: &str = "1.2.840.113556.1.4.417";

/// The attributes of the rootDSE that are asked for; `*` would not bring the operational ones everywhere.
pub(super) const ROOT_ATTRIBUTES: &[&str] = &[
    "defaultNamingContext",
    "namingContexts",
    "supportedControl",
    "supportedCapabilities",
    "isGlobalCatalogReady",
    "dsServiceName",
    "highestCommittedUSN",
    "schemaNamingContext",
    "dnsHostName",
    "currentTime",
    "vendorName",
    "vendorVersion",
];

/// What a server says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// Whether it is Active Directory (or Samba, which is the same to us).
    pub(super) is_active_directory: bool,
    /// Whether it is Samba.
    pub(super) is_samba: bool,
    /// Whether answers may come in pages.
    pub(super) pages: bool,
    /// Whether names may come with their GUID.
    pub(super) extended_dn: bool,
    /// In words, for an operator.
    pub(super) kind: String,
    /// The trees it holds.
    pub(super) contexts: Vec<String>,
    /// Its clock, in generalized time.
    pub(super) current_time: Option<String>,
    /// Whether it can tell what has changed since a cookie, in its own way (DirSync).
    pub(super) dirsync: bool,
    /// The same in the way of RFC 4533.
    pub(super) syncs: bool,
    /// Whether it can tell changes as they are made, in its own way.
    pub(super) notifies: bool,
    /// The root of the domain, in Active Directory.
    pub(super) domain: Option<String>,
    /// Where the schema is, in Active Directory.
    pub(super) schema: Option<String>,
    /// Which domain controller it is: the name of its own settings.
    pub(super) service: Option<String>,
    /// The number of its latest change (MS-ADTS 3.1.1.1.9).
    pub(super) usn: Option<u64>,
}

impl Server {
    /// Reads the rootDSE.
    pub(super) fn of(root: &Entry<'_>) -> Self {
        let offers = |name: &str, value: &str| root.texts(name).any(|text| text == value);
        let has = |name: &str| root.texts(name).next().is_some();
        let is_active_directory = has("defaultnamingcontext")
            && (has("isglobalcatalogready")
                || has("dsservicename")
                || offers("supportedcapabilities", CAPABILITY_ACTIVE_DIRECTORY));
        let vendor = root.one("vendorname").unwrap_or_default();
        let version = root.one("vendorversion").unwrap_or_default();
        let is_samba = vendor.to_ascii_lowercase().contains("samba");
        let mut kind = match (is_active_directory, is_samba) {
            (true, true) => "Active Directory (Samba)".to_owned(),
            (true, false) => "Active Directory".to_owned(),
            (false, _) if vendor.is_empty() => "LDAP".to_owned(),
            (false, _) => format!("LDAP ({} {})", super::explain::tidy(vendor), super::explain::tidy(version)),
        };
        if let Some(host) = root.one("dnshostname") {
            kind = format!("{kind} on {}", super::explain::tidy(host));
        }
        let mut contexts: Vec<String> = root.texts("defaultnamingcontext").map(str::to_owned).collect();
        contexts.extend(root.texts("namingcontexts").map(str::to_owned));
        contexts.dedup();
        Self {
            is_active_directory,
            is_samba,
            pages: offers("supportedcontrol", CONTROL_PAGED),
            extended_dn: is_active_directory && offers("supportedcontrol", CONTROL_EXTENDED_DN),
            kind,
            contexts,
            current_time: root.one("currenttime").map(str::to_owned),
            dirsync: is_active_directory && offers("supportedcontrol", CONTROL_DIRSYNC),
            notifies: is_active_directory && offers("supportedcontrol", CONTROL_NOTIFICATION),
            syncs: !is_active_directory && offers("supportedcontrol", CONTROL_SYNC_REQUEST),
            domain: root.one("defaultnamingcontext").filter(|_| is_active_directory).map(str::to_owned),
            schema: root.one("schemanamingcontext").filter(|_| is_active_directory).map(str::to_owned),
            service: root.one("dsservicename").map(str::to_owned),
            usn: root.one("highestcommittedusn").and_then(|usn| usn.parse().ok()),
        }
    }

    /// Of the trees that it holds, the smallest that the base is in.
    pub(super) fn context(&self, base: &DnKey) -> Option<&String> {
        let holds = |context: &&String| {
            let context = DnKey::of(context);
            *base == context || base.is_below(&context)
        };
        // The longest name is that of the smallest tree.
        self.contexts.iter().filter(holds).max_by_key(|context| context.len())
    }

    /// Who is a person. Computers and service accounts that manage themselves have other categories in Active Directory;
    /// elsewhere the reader leaves them out by class, because `(!(objectClass=computer))` matches nobody on a server
    /// that has no such class (RFC 4511 4.5.1.7: Undefined).
    pub(super) fn people_filter(&self, settings: &LdapSettings) -> String {
        let user = settings.user_filter.as_deref().map(parenthesised).unwrap_or_default();
        if self.is_active_directory {
            format!("(&(objectCategory=person)(objectClass=user){user})")
        } else {
            let people = "(|(objectClass=inetOrgPerson)(objectClass=person)(objectClass=posixAccount))";
            if user.is_empty() { people.to_owned() } else { format!("(&{people}{user})") }
        }
    }

    /// What is asked about people: by name only.
    pub(super) fn people_attributes(&self, settings: &LdapSettings) -> Vec<String> {
        let mut names: Vec<String> =
            ["objectGUID", "objectSid", "sAMAccountName", "userAccountControl", "accountExpires", "primaryGroupID"]
                .map(str::to_owned)
                .to_vec();
        if !self.is_active_directory {
            let more = ["objectClass", "entryUUID", "uid", "nsAccountLock", "pwdAccountLockedTime"];
            names.extend(more.map(str::to_owned));
        }
        for more in settings.named_attributes() {
            if !names.iter().any(|name| name.eq_ignore_ascii_case(more)) {
                names.push(more.clone());
            }
        }
        names
    }

    /// What is a group.
    pub(super) fn group_filter(&self) -> &'static str {
        if self.is_active_directory {
            "(objectClass=group)"
        } else {
            "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)(objectClass=group))"
        }
    }

    /// What is asked about groups: by name only.
    pub(super) fn group_attributes(&self) -> Vec<String> {
        let mut names = self.group_attributes_but_members();
        names.push("member".to_owned());
        if !self.is_active_directory {
            names.extend(["uniqueMember", "memberUid"].map(str::to_owned));
        }
        names
    }

    /// The same without the members.
    pub(super) fn group_attributes_but_members(&self) -> Vec<String> {
        let mut names = ["objectGUID", "objectSid", "sAMAccountName", "cn"].map(str::to_owned).to_vec();
        if !self.is_active_directory {
            names.push("entryUUID".to_owned());
        }
        names
    }

    /// Which attributes tell an entry's identity.
    pub(super) fn identity_attributes(&self) -> &'static [&'static str] {
        if self.is_active_directory { &["objectGUID"] } else { &["objectGUID", "entryUUID"] }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::*;

    #[test]
    fn active_directory_is_known_by_its_root() {
        let server = Server::of(&entry(
            "",
            &[
                ("defaultNamingContext", &[b"DC=ad,DC=test"]),
                ("supportedCapabilities", &[b"1.2.840.113556.1.4.800"]),
                ("supportedControl", &[b"1.2.840.113556.1.4.319", b"1.2.840.113556.1.4.529"]),
                ("vendorName", &[b"Samba Team (https://www.samba.org)"]),
                ("namingContexts", &[b"DC=ad,DC=test"]),
            ],
        ));
        assert!(server.is_active_directory && server.is_samba && server.pages && server.extended_dn);
        assert_eq!(server.kind, "Active Directory (Samba)");
        assert_eq!(server.contexts, ["DC=ad,DC=test"]);
    }

    #[test]
    fn anything_else_is_plain_ldap() {
        let server = Server::of(&entry("", &[("namingContexts", &[b"dc=x"]), ("supportedControl", &[b"1.2.3"])]));
        assert!(!server.is_active_directory && !server.pages && !server.extended_dn);
        assert_eq!(server.kind, "LDAP");
        // Some other servers have a default naming context as well.
        assert!(!Server::of(&entry("", &[("defaultNamingContext", &[b"dc=x"])])).is_active_directory);
    }
}
