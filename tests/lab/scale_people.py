"""A company of many people as LDIF, for slapadd: scale_people.py N > out.ldif

Entries like Active Directory's, the same for the same N (10,000 or more):

- N people `u0000000` ... in OU=People, each with `NAME@scale.test`; one in fifty is disabled. They are known by
  their `entryUUID`: OpenLDAP tells by nothing else what was deleted, so an `objectGUID` besides would be a second identity.
- 200 groups in OU=Groups, named by cn and sAMAccountName:
  - `staff` has no people, but nests `division-0` ... `division-8`, each a tenth of all: nine in ten people, by nesting;
  - `few` has 100 people from all over the company, and nests `few-more` with another 100; all enabled;
  - `Domain Users` has everybody, as primary group;
  - `team-000` ...: 200 people each; four in five nest the one before.
- `CN=reader`, who reads.
"""

import base64
import sys
import uuid

BASE = "DC=scale,DC=test"
PEOPLE = f"OU=People,{BASE}"
GROUPS = f"OU=Groups,{BASE}"
GROUPS_IN_ALL = 200
DIVISIONS = 9
FEW = 200
TEAM = 200
DISABLED_ONE_IN = 50
PEOPLE_MIN = FEW * DISABLED_ONE_IN
# S-1-5-21-1-2-3: everything in a SID but its last number, which is that of the person or group (MS-DTYP 2.4.2.2).
DOMAIN_SID = bytes([1, 5, 0, 0, 0, 0, 0, 5]) + b"".join(part.to_bytes(4, "little") for part in (21, 1, 2, 3))
DOMAIN_USERS = 513
FIRST_PERSON, FIRST_GROUP = 100_000_000, 10_000
NAMESPACE = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")


def main():
    people = int(sys.argv[1])
    if people < PEOPLE_MIN:
        sys.exit(f"scale_people.py: {people} people are too few for the groups; {PEOPLE_MIN} at least")
    write = sys.stdout.write
    write(f"dn: {BASE}\nobjectClass: domain\ndc: scale\n\n")
    write(f"dn: CN=reader,{BASE}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\n"
          "cn: reader\nuserPassword: Reader.Passw0rd1\n\n")
    for unit in (PEOPLE, GROUPS):
        write(f"dn: {unit}\nobjectClass: organizationalUnit\n\n")
    for index in range(people):
        write(person(index))
    for number, (name, members) in enumerate(groups(people)):
        write(group(number, name, members))


def person(index):
    name = f"u{index:07}"
    control = 514 if index % DISABLED_ONE_IN == 0 else 512
    return (
        f"dn: CN={name},{PEOPLE}\nobjectClass: top\nobjectClass: person\nobjectClass: organizationalPerson\n"
        f"objectClass: user\ncn: {name}\nsn: Person\ngivenName: {name}\ndisplayName: Person {index}\n"
        f"title: Clerk\ndepartment: Department {index % 97}\ntelephoneNumber: +49 30 {index:07}\n"
        f"sAMAccountName: {name}\nuserPrincipalName: {name}@scale.test\nmail: {name}@scale.test\n"
        f"userAccountControl: {control}\nprimaryGroupID: {DOMAIN_USERS}\naccountExpires: 9223372036854775807\n"
        f"{identity(name, FIRST_PERSON + index)}\n"
    )


def group(number, name, members):
    rid = DOMAIN_USERS if name == "Domain Users" else FIRST_GROUP + number
    values = "".join(f"member: {member}\n" for member in members)
    return (
        f"dn: CN={name},{GROUPS}\nobjectClass: top\nobjectClass: group\ncn: {name}\nsAMAccountName: {name}\n"
        f"groupType: -2147483646\n{identity(name, rid)}{values}\n"
    )


def groups(people):
    """Names and members, 200 of them."""
    tenth = people // 10
    yield "Domain Users", []
    yield "staff", [group_dn(f"division-{number}") for number in range(DIVISIONS)]
    for number in range(DIVISIONS):
        yield f"division-{number}", [person_dn(index) for index in range(number * tenth, (number + 1) * tenth)]
    # Just behind somebody who is disabled: nobody of them is.
    few = [person_dn(number * people // FEW // DISABLED_ONE_IN * DISABLED_ONE_IN + 1) for number in range(FEW)]
    yield "few", few[::2] + [group_dn("few-more")]
    yield "few-more", few[1::2]
    for number in range(GROUPS_IN_ALL - DIVISIONS - 4):
        team = [person_dn((number * 97 + member * 31) % people) for member in range(TEAM)]
        yield f"team-{number:03}", team + ([group_dn(f"team-{number - 1:03}")] if number % 5 else [])


def identity(name, rid):
    uid = uuid.uuid5(NAMESPACE, name)
    return (
        f"entryUUID: {uid}\n"
        f"objectSid:: {base64.b64encode(DOMAIN_SID + rid.to_bytes(4, 'little')).decode()}\n"
    )


def person_dn(index):
    return f"CN=u{index:07},{PEOPLE}"


def group_dn(name):
    return f"CN={name},{GROUPS}"


if __name__ == "__main__":
    main()
