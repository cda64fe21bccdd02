"""Populates a freshly provisioned Samba domain with the "zoo": every awkward person and group the tests need.

Called as `zoo.py SMB.CONF` by the script `ad`, with Debian's Python, which has the samba module. It writes straight into
the database, in one transaction: two thousand people take seconds, where LDAP would take minutes.

All of it is below OU=Zoo. The names are relied upon by the tests, and by checks outside this repository: add, rename none.
"""

import sys
import time

import ldb
from samba.auth import system_session
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB

PERSON_PASSWORD = "Zoo.Passw0rd1"
SERVICE_PASSWORD = "Svc.Passw0rd1"
BIG_GROUP = 2000

# userAccountControl, MS-ADTS 2.2.16.
DISABLED, PASSWORD_NOT_REQUIRED, NORMAL, WORKSTATION, PASSWORD_NEVER_EXPIRES = 0x2, 0x20, 0x200, 0x1000, 0x10000
# groupType, MS-ADTS 2.2.12.
GLOBAL, DOMAIN_LOCAL, UNIVERSAL, SECURITY = 0x2, 0x4, 0x8, 0x80000000

DAY_S = 24 * 60 * 60
NEVER = "9223372036854775807"
REPLICATING_DIRECTORY_CHANGES = "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2"


def filetime(unix_seconds):
    """Windows time: 100 ns steps since 1601."""
    return str(int((unix_seconds + 11644473600) * 10**7))


class Zoo:
    """The domain, and how to put things into it."""

    def __init__(self, smb_conf):
        lp = LoadParm()
        lp.load(smb_conf)
        # Without these two options every add rewrites the indexes: ten times slower.
        options = ["batch_mode:1", "transaction_index_cache_size:200000"]
        self.db = SamDB(session_info=system_session(), lp=lp, options=options)
        self.base = self.db.domain_dn()
        self.domain = lp.get("realm").lower()

    def dn(self, cn, ou):
        """A DN below OU=Zoo; the database does the escaping."""
        dn = ldb.Dn(self.db, "CN=x")
        dn.set_component(0, "CN", cn)
        dn.add_base(ldb.Dn(self.db, "%s,OU=Zoo,%s" % (ou, self.base)))
        return dn

    def mail(self, name):
        return "%s@%s" % (name, self.domain)

    def ou(self, rdns):
        self.db.add({"dn": rdns + "," + self.base, "objectClass": "organizationalUnit"})

    def person(self, name, cn=None, ou="OU=People", control=NORMAL, kind="user", password=None, **attributes):
        """Adds a person with mail and userPrincipalName unless told otherwise (None leaves one out); gives the DN."""
        entry = {
            "objectClass": kind,
            "sAMAccountName": name,
            "userAccountControl": str(control if password else control | PASSWORD_NOT_REQUIRED),
            "mail": self.mail(name),
            "userPrincipalName": self.mail(name),
        }
        if password:
            entry["clearTextPassword"] = password.encode("utf-16-le")
        entry.update(attributes)
        return self.entry(self.dn(cn or name, ou), entry)

    def group(self, name, members=(), cn=None, kind=GLOBAL | SECURITY, **attributes):
        """Adds a group; gives the DN."""
        signed = kind - (1 << 32) if kind >= 1 << 31 else kind
        entry = {"objectClass": "group", "sAMAccountName": name, "groupType": str(signed), "member": list(members) or None}
        entry.update(attributes)
        return self.entry(self.dn(cn or name, "OU=Groups"), entry)

    def entry(self, dn, attributes):
        self.db.add({"dn": dn, **{name: value for name, value in attributes.items() if value is not None}})
        return str(dn)

    def change(self, dn, attribute, values, how=ldb.FLAG_MOD_REPLACE, controls=()):
        message = ldb.Message(ldb.Dn(self.db, dn))
        message[attribute] = ldb.MessageElement(values, how, attribute)
        self.db.modify(message, list(controls))

    def add_members(self, group, members):
        self.change(group, "member", members, ldb.FLAG_MOD_ADD)

    def sid(self, dn):
        found = self.db.search(dn, scope=ldb.SCOPE_BASE, attrs=["objectSid"])
        return ndr_unpack(security.dom_sid, found[0]["objectSid"][0])

    def allow(self, dn, ace):
        """Puts one more entry in front of an object's access list."""
        domain_sid = security.dom_sid(self.db.get_domain_sid())
        found = self.db.search(
            dn, scope=ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"], controls=["show_deleted:1", "sd_flags:1:15"]
        )
        sddl = ndr_unpack(security.descriptor, found[0]["nTSecurityDescriptor"][0]).as_sddl(domain_sid)
        first = sddl.index("(", sddl.index("D:"))
        changed = security.descriptor.from_sddl(sddl[:first] + ace + sddl[first:], domain_sid)
        self.change(dn, "nTSecurityDescriptor", ndr_pack(changed), controls=["show_deleted:1", "sd_flags:1:4"])


def plain_people(zoo):
    """Nothing odd about them; stories move, rename and dismiss them."""
    return {
        name: zoo.person(name, password=PERSON_PASSWORD)
        for name in ("alice", "bob", "both", "mover", "renamer", "leaver", "joiner")
    }


def awkward_people(zoo):
    """In App-Pro, each with one thing that a careless reader gets wrong."""
    now = time.time()
    members = [
        zoo.person("disabled", control=NORMAL | DISABLED),
        zoo.person("expired", accountExpires=filetime(now - DAY_S)),
        zoo.person("expires0", accountExpires="0"),
        zoo.person("expiresmax", accountExpires=NEVER),
        zoo.person("expiresfuture", accountExpires=filetime(now + 3650 * DAY_S)),
        zoo.person("mustchange", pwdLastSet="0", password=PERSON_PASSWORD),
        zoo.person("nomail", mail=None),
        zoo.person("noupn", userPrincipalName=None),
        zoo.person("outside", mail="outside@gmail.example"),
        zoo.person("badmail", mail="not an address"),
        zoo.person("spacemail", mail="  " + zoo.mail("spacemail") + " "),
        zoo.person("proxyonly", mail=None, proxyAddresses=["smtp:" + zoo.mail("other"), "SMTP:" + zoo.mail("Proxy.Only")]),
        zoo.person("upnalt", userPrincipalName="up.nalt@other.example"),
        zoo.person("x" * 20, cn="L" * 64),
        zoo.person("inetorg", kind="inetOrgPerson"),
        # A contact has mail and no account, a computer has an account and no person.
        zoo.entry(zoo.dn("contact1", "OU=People"), {"objectClass": "contact", "mail": zoo.mail("contact1")}),
        zoo.person("COMP1$", cn="COMP1", kind="computer", control=WORKSTATION, mail=None, userPrincipalName=None),
    ]
    locked = zoo.person("locked", password=PERSON_PASSWORD)
    zoo.change(locked, "lockoutTime", filetime(now))
    return members + [locked]


def people_of_the_world(zoo):
    """Names outside ASCII: composed, decomposed, without case, right to left, outside the basic plane."""
    return [
        zoo.person("lukasz", "Łukasz Żółć", displayName="Łukasz Żółć"),
        zoo.person("yamada", "山田太郎"),
        zoo.person("jürgen", "Jürgen Groß", mail=zoo.mail("juergen")),
        zoo.person("nfd", "Jose\u0301 NFD"),
        zoo.person("turk", "İstanbul ıI"),
        zoo.person("emoji", "Zoë 🦊"),
        zoo.person("rtl", "שלום \u202eabc"),
        zoo.person("idnmail", mail="user@bücher.example"),
    ]


def people_to_escape(zoo):
    """Names that must be escaped in a DN (RFC 4514 2.4), each in another way."""
    names = [
        "Doe, Jane (Ext) #7", "#hash", " lead", "trail ", 'quo"te', "back\\slash", "lt<gt>;semi", "a+b=c",
        "slash/er *star*", "new\nline", None, "O'Brien & Söhne, \"GmbH\" #1",
    ]  # fmt: skip
    return [
        zoo.person("esc%d" % (index + 1), name)
        if name
        else zoo.person("esc%d" % (index + 1), "in odd ou", ou=ODD_OU)
        for index, name in enumerate(names)
    ]


def groups(zoo, plain, awkward):
    """The groups that tests map to tiers, and what is special about each."""
    alice, bob, both = plain["alice"], plain["bob"], plain["both"]
    dup1 = zoo.person("dup1", mail=zoo.mail("dup"))
    dup2 = zoo.person("dup2", mail="Dup@" + zoo.domain.upper())
    zoo.group("App-Pro", [alice, both, plain["mover"], plain["renamer"], plain["leaver"], dup1] + awkward)
    plus = zoo.group("App-Plus", [bob, both, dup2, zoo.person("plusmail", mail=zoo.mail("plus+tag"))])
    zoo.group("App-Empty")

    # Five levels below the mapped one.
    nest = zoo.group("App-Nest-5", [zoo.person("deep5")])
    nest = zoo.group("App-Nest-4", [nest, zoo.person("deep4")])
    nest = zoo.group("App-Nest-3", [nest, zoo.person("deep3")])
    nest = zoo.group("App-Nest-2", [nest])
    nest = zoo.group("App-Nest-1", [nest, zoo.person("deep1")])
    nested = zoo.group("App-Nested", [nest, alice])

    cycle_a = zoo.group("App-Cycle-A", [zoo.person("cyca")])
    cycle_b = zoo.group("App-Cycle-B", [cycle_a, zoo.person("cycb")])
    zoo.add_members(cycle_a, [zoo.group("App-Cycle-C", [cycle_b, zoo.person("cycc")])])
    itself = zoo.group("App-Self")
    zoo.add_members(itself, [itself])

    # A primary group names its members nowhere: only primaryGroupID of the person does (MS-ADTS 3.1.1.4.5.2).
    primary = zoo.person("primary", password=PERSON_PASSWORD)
    rid = str(zoo.sid(zoo.group("App-Primary", [primary]))).rsplit("-", 1)[1]
    zoo.change(primary, "primaryGroupID", rid)

    zoo.group("App-Distribution", [alice], kind=GLOBAL)
    zoo.group("App-Universal", [alice, nested], kind=UNIVERSAL | SECURITY)
    zoo.group("App-Esc", [alice], cn='App, "Esc" #1 <x>', mail=zoo.mail("app-esc"))
    zoo.group("App-Ünïcode", [zoo.dn("Łukasz Żółć", "OU=People").get_linearized()], cn="App Ünïcode 组")

    # People of other domains: a well-known identity, and one of a domain we do not know.
    local = zoo.group("App-DomainLocal", [bob, plus], kind=DOMAIN_LOCAL | SECURITY)
    foreign = "<SID=S-1-5-21-1111111111-2222222222-3333333333-1105>"
    zoo.add_members(local, ["CN=S-1-5-11,CN=ForeignSecurityPrincipals," + zoo.base, foreign])

    # Windows gives at most 1,500 values of an attribute at once (MaxValRange): one below, one above, one far above.
    crowd = [zoo.person("big%05d" % index, ou="OU=Big") for index in range(BIG_GROUP)]
    big = zoo.group("App-Big", crowd)
    zoo.group("App-Big-1500", crowd[:1500])
    zoo.group("App-Big-1501", crowd[:1501])
    zoo.group("App-Wrap-Big", [big])


def service_accounts(zoo):
    """svc-reader may do what any account may; svc-dirsync may also follow changes, deletions included."""
    service = {"password": SERVICE_PASSWORD, "mail": None, "control": NORMAL | PASSWORD_NEVER_EXPIRES}
    zoo.person("svc-reader", **service)
    sid = zoo.sid(zoo.person("svc-dirsync", **service))
    zoo.allow(zoo.base, "(OA;;CR;%s;;%s)" % (REPLICATING_DIRECTORY_CHANGES, sid))
    zoo.allow("CN=Deleted Objects," + zoo.base, "(A;CIOI;LCRPLORC;;;%s)" % sid)


ODD_OU = "OU=Odd\\, Ltd \\+ \\22Co\\22"


def populate(zoo):
    # The template is kept for months; passwords in it must not expire.
    zoo.change(zoo.base, "maxPwdAge", "-9223372036854775808")
    for rdns in ("OU=Zoo", "OU=People,OU=Zoo", "OU=Groups,OU=Zoo", "OU=Big,OU=Zoo", "OU=Moved,OU=Zoo", ODD_OU + ",OU=Zoo"):
        zoo.ou(rdns)
    plain = plain_people(zoo)
    groups(zoo, plain, awkward_people(zoo) + people_of_the_world(zoo) + people_to_escape(zoo))
    service_accounts(zoo)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: zoo.py SMB.CONF")
    zoo = Zoo(sys.argv[1])
    zoo.db.transaction_start()
    try:
        populate(zoo)
    except BaseException:
        zoo.db.transaction_cancel()
        raise
    zoo.db.transaction_commit()


main()
