//! Every class of problem as it is shown.

use super::shown;

/// Every unknown key is named, with what was most likely meant.
#[test]
fn unknown_keys() {
    let text = r##"urls = ["ldaps://dc1.corp.example"]
[directory]
kind = "ldap"
url = ["ldaps://dc1.corp.example"]
urls = ["ldaps://dc1.corp.example"]
base_dn = "DC=corp,DC=example"
bind_dn = "svc@corp.example"
bind_password_credentials = "ldap"
bind_password_credential = "ldap"
frobnicate = 1
[[tier]]
nane = "pro"
name = "pro"
groups = ["Chime Pro"]
[accounts]
kind = "embedded"
path = "accounts"
account = "corp"
[limits]
loses = "5%"
[rules]
listen = "127.0.0.1:8787"
[shedule]
sync = "@hourly"
"##;
    insta::assert_snapshot!(shown(text), @r#"
    error: unknown key `urls` in the file
     --> /etc/seatsync/seatsync.toml:1:1
      |
    1 | urls = ["ldaps://dc1.corp.example"]
      | ^^^^
      |
      = help: `urls` belongs in [directory]

    error: unknown key `url` in [directory]
     --> /etc/seatsync/seatsync.toml:4:1
      |
    4 | url = ["ldaps://dc1.corp.example"]
      | ^^^
      |
      = help: did you mean `urls`?

    error: unknown key `bind_password_credentials` in [directory]
     --> /etc/seatsync/seatsync.toml:8:1
      |
    8 | bind_password_credentials = ********
      | ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `bind_password_credential`?

    error: unknown key `frobnicate` in [directory]
      --> /etc/seatsync/seatsync.toml:10:1
       |
    10 | frobnicate = 1
       | ^^^^^^^^^^
       |
       = help: known here: kind, base_dn, email_attribute, urls, bind_dn, bind_password_file, bind_password_credential, ca_file, starttls, allow_cleartext, page_size, timeout, memory_max_mib, user_filter, watch, path

    error: unknown key `nane` in [[tier]]
      --> /etc/seatsync/seatsync.toml:12:1
       |
    12 | nane = "pro"
       | ^^^^
       |
       = help: did you mean `name`?

    error: unknown key `loses` in [limits]
      --> /etc/seatsync/seatsync.toml:20:1
       |
    20 | loses = "5%"
       | ^^^^^
       |
       = help: did you mean `losses`?

    error: unknown key `listen` in [rules]
      --> /etc/seatsync/seatsync.toml:22:1
       |
    22 | listen = "127.0.0.1:8787"
       | ^^^^^^
       |
       = help: `listen` belongs in [status]

    error: unknown key `shedule` in the file
      --> /etc/seatsync/seatsync.toml:23:2
       |
    23 | [shedule]
       |  ^^^^^^^
       |
       = help: did you mean `schedule`?

    8 problems in /etc/seatsync/seatsync.toml
    "#);
}

/// A value of another type is shown with one of the right type.
#[test]
fn wrong_types() {
    let text = r##"[directory]
kind = "ldap"
urls = "ldaps://dc1.corp.example"
base_dn = 7
bind_dn = "svc@corp.example"
bind_password_credential = "ldap"
starttls = "no"
page_size = "many"
timeout = 30
email_attribute = 1.5
[tier]
name = "pro"
[accounts]
kind = "embedded"
path = ["accounts"]
account = "corp"
[rules]
protected = [1979-05-27, "break-glass@corp.example"]
[limits]
losses = 0.05
[log]
level = true
"##;
    insta::assert_snapshot!(shown(text), @r#"
    error: `urls` must be a list of texts, not a text
     --> /etc/seatsync/seatsync.toml:3:8
      |
    3 | urls = "ldaps://dc1.corp.example"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: put it in brackets, such as: urls = ["ldaps://dc1.corp.example"]

    error: `base_dn` must be a text in quotes, not a number
     --> /etc/seatsync/seatsync.toml:4:11
      |
    4 | base_dn = 7
      |           ^
      |
      = help: such as: base_dn = "DC=corp,DC=example"

    error: `starttls` must be true or false without quotes, not a text
     --> /etc/seatsync/seatsync.toml:7:12
      |
    7 | starttls = "no"
      |            ^^^^
      |
      = help: such as: starttls = true

    error: `page_size` must be a whole number without quotes, not a text
     --> /etc/seatsync/seatsync.toml:8:13
      |
    8 | page_size = "many"
      |             ^^^^^^
      |
      = help: such as: page_size = 1000

    error: `timeout` must be a text in quotes, not a number
     --> /etc/seatsync/seatsync.toml:9:11
      |
    9 | timeout = 30
      |           ^^
      |
      = help: such as: timeout = "30s"

    error: `email_attribute` must be a text in quotes, not a number with a point
      --> /etc/seatsync/seatsync.toml:10:19
       |
    10 | email_attribute = 1.5
       |                   ^^^
       |
       = help: such as: email_attribute = "mail"

    error: `tier` must be a list of tables, not a table
      --> /etc/seatsync/seatsync.toml:11:2
       |
    11 | [tier]
       |  ^^^^
       |
       = help: write each tier as a section that begins with [[tier]]

    error: `path` must be a text in quotes, not a list
      --> /etc/seatsync/seatsync.toml:15:8
       |
    15 | path = ["accounts"]
       |        ^^^^^^^^^^^^
       |
       = help: such as: path = "/var/lib/seatsync/accounts"

    error: `protected` must hold texts in quotes, not a date
      --> /etc/seatsync/seatsync.toml:18:14
       |
    18 | protected = [1979-05-27, "break-glass@corp.example"]
       |              ^^^^^^^^^^
       |
       = help: such as: protected = ["admin@corp.example"]

    error: `losses` must be a text in quotes, not a number with a point
      --> /etc/seatsync/seatsync.toml:20:10
       |
    20 | losses = 0.05
       |          ^^^^
       |
       = help: such as: losses = "5%"

    error: `level` must be a text in quotes, not true or false
      --> /etc/seatsync/seatsync.toml:22:9
       |
    22 | level = true
       |         ^^^^
       |
       = help: such as: level = "info"

    11 problems in /etc/seatsync/seatsync.toml
    "#);
}

/// What must be there is asked for at the header of its section.
#[test]
fn missing_keys() {
    let text = r##"[directory]
kind = "ldap"
[[tier]]
[[tier]]
name = "plus"
groups = []
[accounts]
"##;
    insta::assert_snapshot!(shown(text), @r#"
    error: `urls` is missing in [directory]
     --> /etc/seatsync/seatsync.toml:1:2
      |
    1 | [directory]
      |  ^^^^^^^^^
      |
      = help: add a line such as: urls = ["ldaps://dc1.corp.example"]

    error: `base_dn` is missing in [directory]
     --> /etc/seatsync/seatsync.toml:1:2
      |
    1 | [directory]
      |  ^^^^^^^^^
      |
      = help: add a line such as: base_dn = "DC=corp,DC=example"

    error: `bind_dn` is missing in [directory]
     --> /etc/seatsync/seatsync.toml:1:2
      |
    1 | [directory]
      |  ^^^^^^^^^
      |
      = help: add a line such as: bind_dn = "svc-seatsync@corp.example"

    error: the bind password is missing in [directory]
     --> /etc/seatsync/seatsync.toml:1:2
      |
    1 | [directory]
      |  ^^^^^^^^^
      |
      = help: add a line such as: bind_password_file = "/etc/seatsync/ldap-password"   or bind_password_credential = "ldap" (systemd)

    error: `name` is missing in [[tier]]
     --> /etc/seatsync/seatsync.toml:3:1
      |
    3 | [[tier]]
      | ^^^^^^^^
      |
      = help: add a line such as: name = "pro"

    error: `groups` is missing in [[tier]]
     --> /etc/seatsync/seatsync.toml:3:1
      |
    3 | [[tier]]
      | ^^^^^^^^
      |
      = help: add a line such as: groups = ["Chime Pro"]

    error: this tier has no usable group
     --> /etc/seatsync/seatsync.toml:6:10
      |
    6 | groups = []
      |          ^^
      |
      = help: name at least one group, or take the tier out: nobody could ever be in it

    error: `kind` is missing in [accounts]
     --> /etc/seatsync/seatsync.toml:7:2
      |
    7 | [accounts]
      |  ^^^^^^^^
      |
      = help: add a line such as: kind = "embedded"

    error: `path` is missing in [accounts]
     --> /etc/seatsync/seatsync.toml:7:2
      |
    7 | [accounts]
      |  ^^^^^^^^
      |
      = help: add a line such as: path = "/var/lib/seatsync/accounts"

    error: `account` is missing in [accounts]
     --> /etc/seatsync/seatsync.toml:7:2
      |
    7 | [accounts]
      |  ^^^^^^^^
      |
      = help: add a line such as: account = "corp"

    10 problems in /etc/seatsync/seatsync.toml
    "#);
}

/// An empty file is told what it needs.
#[test]
fn missing_sections() {
    let text = r##"# nothing yet
"##;
    insta::assert_snapshot!(shown(text), @r#"
    error: [directory] is missing
     --> /etc/seatsync/seatsync.toml:1:1
      |
    1 | # nothing yet
      | ^
      |
      = help: it says where people and groups are read from; `seatsync init` writes an example

    error: no [[tier]] is configured
     --> /etc/seatsync/seatsync.toml:1:1
      |
    1 | # nothing yet
      | ^
      |
      = help: such as: [[tier]]   name = "pro"   groups = ["Chime Pro"]

    error: [accounts] is missing
     --> /etc/seatsync/seatsync.toml:1:1
      |
    1 | # nothing yet
      | ^
      |
      = help: it says where seats are given and taken; `seatsync init` writes an example

    3 problems in /etc/seatsync/seatsync.toml
    "#);
}

/// Values are checked for what they mean.
#[test]
fn bad_values() {
    let text = r##"[directory]
kind = "ldap"
urls = ["ldaps://dc1.corp.example"]
base_dn = "corp.example"
bind_dn = ""
bind_password_credential = "ldap"
page_size = 100000
timeout = "0s"
ca_file = "/nonexistent/corp-ca.pem"
user_filter = "(!(employeeType=robot)"
email_attribute = ["mail", "user principal name"]
[[tier]]
name = "suspended"
groups = ["Chime Pro"]
[accounts]
kind = "embeded"
path = "accounts"
account = "corp one"
account_type = "EnterpriseLwa"
[rules]
domains = ["it@corp.example", "*.corp.example"]
protected = ["break-glass"]
grace = "-1d"
[limits]
losses = "5,5%"
losses_floor = -1
group_shrink = "130%"
gains = -5
approval_expires = "1mo"
[schedule]
timezone = "Europe/Berln"
jitter = "20"
[status]
listen = ":8787"
[log]
format = "jsn"
level = "verbose"
"##;
    insta::assert_snapshot!(shown(text), @r#"
    error: "corp.example" is not a distinguished name
     --> /etc/seatsync/seatsync.toml:4:11
      |
    4 | base_dn = "corp.example"
      |           ^^^^^^^^^^^^^^
      |
      = help: such as: "DC=corp,DC=example"

    error: `bind_dn` is empty
     --> /etc/seatsync/seatsync.toml:5:11
      |
    5 | bind_dn = ""
      |           ^^
      |
      = help: write a value; a key that is not needed can be left out

    error: `page_size` must be from 1 to 10000
     --> /etc/seatsync/seatsync.toml:7:13
      |
    7 | page_size = 100000
      |             ^^^^^^
      |
      = help: Active Directory gives at most 1000 entries a page (MaxPageSize)

    error: "0s" is not within 1ms to 3600s
     --> /etc/seatsync/seatsync.toml:8:11
      |
    8 | timeout = "0s"
      |           ^^^^
      |
      = help: write a duration such as 30s

    error: cannot use /nonexistent/corp-ca.pem: No such file or directory (os error 2)
     --> /etc/seatsync/seatsync.toml:9:11
      |
    9 | ca_file = "/nonexistent/corp-ca.pem"
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: name a file with PEM certificates, or leave the line out to trust the system's roots

    error: "(!(employeeType=robot)" is not a filter: a parenthesis is not closed
      --> /etc/seatsync/seatsync.toml:10:15
       |
    10 | user_filter = "(!(employeeType=robot)"
       |               ^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: such as: "(!(employeeType=robot))"

    error: "user principal name" is not the name of an attribute
      --> /etc/seatsync/seatsync.toml:11:28
       |
    11 | email_attribute = ["mail", "user principal name"]
       |                            ^^^^^^^^^^^^^^^^^^^^^
       |
       = help: such as: "mail" or ["mail", "userPrincipalName"]

    error: "suspended" cannot name a tier: it is the word for the state of a seat
      --> /etc/seatsync/seatsync.toml:13:8
       |
    13 | name = "suspended"
       |        ^^^^^^^^^^^
       |
       = help: choose the name of the licence, such as "pro"

    error: "embeded" is not a kind of account store
      --> /etc/seatsync/seatsync.toml:16:8
       |
    16 | kind = "embeded"
       |        ^^^^^^^^^
       |
       = help: did you mean "embedded"?

    error: "corp one" is not an account id
      --> /etc/seatsync/seatsync.toml:18:11
       |
    18 | account = "corp one"
       |           ^^^^^^^^^^
       |
       = help: at most 128 bytes without blanks and slashes, such as "corp"

    error: "EnterpriseLwa" is not an account type
      --> /etc/seatsync/seatsync.toml:19:16
       |
    19 | account_type = "EnterpriseLwa"
       |                ^^^^^^^^^^^^^^^
       |
       = help: did you mean "EnterpriseLWA"?

    error: "it@corp.example" is not a domain
      --> /etc/seatsync/seatsync.toml:21:12
       |
    21 | domains = ["it@corp.example", "*.corp.example"]
       |            ^^^^^^^^^^^^^^^^^
       |
       = help: write the part behind the @ alone: "corp.example"

    error: "*.corp.example" is not a domain
      --> /etc/seatsync/seatsync.toml:21:31
       |
    21 | domains = ["it@corp.example", "*.corp.example"]
       |                               ^^^^^^^^^^^^^^^^
       |
       = help: patterns are not understood: list each domain that is claimed

    error: "break-glass" is not an e-mail address
      --> /etc/seatsync/seatsync.toml:22:14
       |
    22 | protected = ["break-glass"]
       |              ^^^^^^^^^^^^^
       |
       = help: such as: break-glass@corp.example

    error: "-1d" is negative
      --> /etc/seatsync/seatsync.toml:23:9
       |
    23 | grace = "-1d"
       |         ^^^^^
       |
       = help: write a number and a unit: 90s, 15m, 24h, 7d

    error: "5,5%" is not a limit
      --> /etc/seatsync/seatsync.toml:25:10
       |
    25 | losses = "5,5%"
       |          ^^^^^^
       |
       = help: write a whole percentage such as "5%", a count such as 500, or "off"

    error: `losses_floor` must be from 0 to 1000000000
      --> /etc/seatsync/seatsync.toml:26:16
       |
    26 | losses_floor = -1
       |                ^^
       |
       = help: a count of people, such as 5

    error: "130%" is more than the whole
      --> /etc/seatsync/seatsync.toml:27:16
       |
    27 | group_shrink = "130%"
       |                ^^^^^^
       |
       = help: write a whole percentage such as "5%", a count such as 500, or "off"

    error: `gains` must be from 0 to 1000000000
      --> /etc/seatsync/seatsync.toml:28:9
       |
    28 | gains = -5
       |         ^^
       |
       = help: a count of people, a percentage such as "5%", or "off"

    error: "1mo" has months or years, whose length varies
      --> /etc/seatsync/seatsync.toml:29:20
       |
    29 | approval_expires = "1mo"
       |                    ^^^^^
       |
       = help: count in days: 30d

    error: "Europe/Berln" is not a timezone
      --> /etc/seatsync/seatsync.toml:31:12
       |
    31 | timezone = "Europe/Berln"
       |            ^^^^^^^^^^^^^^
       |
       = help: did you mean "Europe/Berlin"?

    error: "20" is not a duration
      --> /etc/seatsync/seatsync.toml:32:10
       |
    32 | jitter = "20"
       |          ^^^^
       |
       = help: write a number and a unit: 90s, 15m, 24h, 7d

    error: ":8787" is not an address to listen on
      --> /etc/seatsync/seatsync.toml:34:10
       |
    34 | listen = ":8787"
       |          ^^^^^^^
       |
       = help: write the address too: "127.0.0.1:8787"

    error: "jsn" is not a log format
      --> /etc/seatsync/seatsync.toml:36:10
       |
    36 | format = "jsn"
       |          ^^^^^
       |
       = help: did you mean "json"?

    error: "verbose" is not a log level
      --> /etc/seatsync/seatsync.toml:37:9
       |
    37 | level = "verbose"
       |         ^^^^^^^^^
       |
       = help: one of: error, warn, info, debug, trace

    25 problems in /etc/seatsync/seatsync.toml
    "#);
}

/// The same thing twice is shown in both places.
#[test]
fn duplicates() {
    let text = r##"[directory]
kind = "ldif"
path = "people.ldif"
[[tier]]
name = "pro"
groups = ["Chime Pro", "{02018A4B-2211-4433-0102-030405060708}", " chime pro "]
[[tier]]
name = "Pro"
groups = ["CN=A,DC=x", "02018a4b-2211-4433-0102-030405060708", "cn=a,dc=x"]
[rules]
exclude_groups = ["CHIME PRO", "Blocked", "blocked"]
[accounts]
kind = "embedded"
path = "/var/lib/seatsync/state"
account = "corp"
"##;
    insta::assert_snapshot!(shown(text), @r#"
    error: group "chime pro" is mapped twice
     --> /etc/seatsync/seatsync.toml:6:66
      |
    6 | groups = ["Chime Pro", "{02018A4B-2211-4433-0102-030405060708}", " chime pro "]
      |           ----------- first here                                 ^^^^^^^^^^^^^
      |
      = help: keep it in the tier its members shall get

    error: tier "Pro" is configured twice
     --> /etc/seatsync/seatsync.toml:8:8
      |
    5 | name = "pro"
      |        ----- first here
    ...
    8 | name = "Pro"
      |        ^^^^^
      |
      = help: put all its groups into one [[tier]]

    error: group "02018a4b-2211-4433-0102-030405060708" is mapped twice
     --> /etc/seatsync/seatsync.toml:9:24
      |
    6 | groups = ["Chime Pro", "{02018A4B-2211-4433-0102-030405060708}", " chime pro "]
      |                        ---------------------------------------- first here
    ...
    9 | groups = ["CN=A,DC=x", "02018a4b-2211-4433-0102-030405060708", "cn=a,dc=x"]
      |                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: keep it in the tier its members shall get

    error: group "cn=a,dc=x" is mapped twice
     --> /etc/seatsync/seatsync.toml:9:64
      |
    9 | groups = ["CN=A,DC=x", "02018a4b-2211-4433-0102-030405060708", "cn=a,dc=x"]
      |           ----------- first here                               ^^^^^^^^^^^
      |
      = help: keep it in the tier its members shall get

    error: group "CHIME PRO" is both mapped to a tier and excluded
      --> /etc/seatsync/seatsync.toml:11:19
       |
     6 | groups = ["Chime Pro", "{02018A4B-2211-4433-0102-030405060708}", " chime pro "]
       |           ----------- first here
    ...
    11 | exclude_groups = ["CHIME PRO", "Blocked", "blocked"]
       |                   ^^^^^^^^^^^
       |
       = help: keep one of the two: the members of an excluded group are never seated

    error: group "blocked" is excluded twice
      --> /etc/seatsync/seatsync.toml:11:43
       |
    11 | exclude_groups = ["CHIME PRO", "Blocked", "blocked"]
       |                                ---------  ^^^^^^^^^
       |                                |
       |                                first here
       |
       = help: take one of the two out

    error: [state] and [accounts] have the same path /var/lib/seatsync/state
      --> /etc/seatsync/seatsync.toml:12:2
       |
    12 | [accounts]
       |  ^^^^^^^^
       |
       = help: give each a folder of its own: one database cannot hold both

    7 problems in /etc/seatsync/seatsync.toml
    "#);
}

/// A URL says how the password travels.
#[test]
fn urls() {
    let text = r##"[directory]
kind = "ldap"
urls = [
  "ldap://dc1.corp.example",
  "https://dc1.corp.example",
  "dc1.corp.example",
  "ldaps://svc:hunter2@dc1.corp.example",
  "ldaps://dc1.corp.example:0",
  "ldaps://dc1.corp.example/DC=corp",
  "ldaps://[::1",
  "ldaps://",
  "ldaps://[2001:db8::1]:636/",
]
base_dn = "DC=corp,DC=example"
bind_dn = "svc@corp.example"
bind_password_credential = "ldap"
[[tier]]
name = "pro"
groups = ["Chime Pro"]
[accounts]
kind = "embedded"
path = "accounts"
account = "corp"
"##;
    insta::assert_snapshot!(shown(text), @r#"
    error: this URL would send the bind password in clear text
     --> /etc/seatsync/seatsync.toml:4:3
      |
    4 |   "ldap://dc1.corp.example",
      |   ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write ldaps://, or starttls = true; in a laboratory, allow_cleartext = true sends it readable

    error: "https://dc1.corp.example" is not the URL of a directory: the scheme must be ldaps or ldap
     --> /etc/seatsync/seatsync.toml:5:3
      |
    5 |   "https://dc1.corp.example",
      |   ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: such as: "ldaps://dc1.corp.example" or "ldaps://dc1.corp.example:636"

    error: "dc1.corp.example" is not the URL of a directory: it has no scheme
     --> /etc/seatsync/seatsync.toml:6:3
      |
    6 |   "dc1.corp.example",
      |   ^^^^^^^^^^^^^^^^^^
      |
      = help: such as: "ldaps://dc1.corp.example" or "ldaps://dc1.corp.example:636"

    error: a URL holds no user and no password
     --> /etc/seatsync/seatsync.toml:7:3
      |
    7 |   "ldaps://********@dc1.corp.example",
      |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write bind_dn and bind_password_file, and only scheme and host in the URL

    error: "ldaps://dc1.corp.example:0" is not the URL of a directory: the port is not a number from 1 to 65535
     --> /etc/seatsync/seatsync.toml:8:3
      |
    8 |   "ldaps://dc1.corp.example:0",
      |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: such as: "ldaps://dc1.corp.example" or "ldaps://dc1.corp.example:636"

    error: "ldaps://dc1.corp.example/DC=corp" is not the URL of a directory: nothing may follow host and port
     --> /etc/seatsync/seatsync.toml:9:3
      |
    9 |   "ldaps://dc1.corp.example/DC=corp",
      |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: such as: "ldaps://dc1.corp.example" or "ldaps://dc1.corp.example:636"

    error: "ldaps://[::1" is not the URL of a directory: a bracket is not closed
      --> /etc/seatsync/seatsync.toml:10:3
       |
    10 |   "ldaps://[::1",
       |   ^^^^^^^^^^^^^^
       |
       = help: such as: "ldaps://dc1.corp.example" or "ldaps://dc1.corp.example:636"

    error: "ldaps://" is not the URL of a directory: the host is no name and no address
      --> /etc/seatsync/seatsync.toml:11:3
       |
    11 |   "ldaps://",
       |   ^^^^^^^^^^
       |
       = help: such as: "ldaps://dc1.corp.example" or "ldaps://dc1.corp.example:636"

    8 problems in /etc/seatsync/seatsync.toml
    "#);
}

/// Starttls is for ldap URLs.
#[test]
fn starttls_with_ldaps() {
    let text = r##"[directory]
kind = "ldap"
urls = ["ldap://dc1.corp.example", "ldaps://dc2.corp.example"]
starttls = true
base_dn = "DC=corp,DC=example"
bind_dn = "svc@corp.example"
bind_password_credential = "ldap"
[[tier]]
name = "pro"
groups = ["Chime Pro"]
[accounts]
kind = "embedded"
path = "accounts"
account = "corp"
"##;
    insta::assert_snapshot!(shown(text), @r#"
    error: `starttls` does not go with an ldaps:// URL
     --> /etc/seatsync/seatsync.toml:3:36
      |
    3 | urls = ["ldap://dc1.corp.example", "ldaps://dc2.corp.example"]
      |                                    ^^^^^^^^^^^^^^^^^^^^^^^^^^ encrypted from the first byte already
      |
      = help: leave starttls out, or write ldap:// in every URL

    1 problem in /etc/seatsync/seatsync.toml
    "#);
}

/// A bad schedule names its field.
#[test]
fn schedules() {
    let text = r##"[directory]
kind = "ldif"
path = "people.ldif"
[[tier]]
name = "pro"
groups = ["Chime Pro"]
[accounts]
kind = "embedded"
path = "accounts"
account = "corp"
[schedule]
sync = "*/5 25 * * *"
audit = "0 0 30 2 *"
"##;
    insta::assert_snapshot!(shown(text), @r#"
    error: "*/5 25 * * *" is not a schedule: hour: `25` is not within 0 to 23
      --> /etc/seatsync/seatsync.toml:12:8
       |
    12 | sync = "*/5 25 * * *"
       |        ^^^^^^^^^^^^^^
       |
       = help: five fields as in crontab (minute, hour, day of month, month, day of week), or "@hourly", or "every 90s"

    error: "0 0 30 2 *" is not a schedule: does not fire within five years: check day of month, month and year
      --> /etc/seatsync/seatsync.toml:13:9
       |
    13 | audit = "0 0 30 2 *"
       |         ^^^^^^^^^^^^
       |
       = help: five fields as in crontab (minute, hour, day of month, month, day of week), or "@hourly", or "every 90s"

    2 problems in /etc/seatsync/seatsync.toml
    "#);
}

/// A secret in the file is refused and not shown.
#[test]
fn secrets_in_the_file() {
    let text = r##"[directory]
kind = "ldap"
urls = ["ldaps://dc1.corp.example"]
base_dn = "DC=corp,DC=example"
bind_dn = "svc@corp.example"
bind_password = "hunter2"   # hunter2
bind_pasword = "hunter2"
bind_pw = """
hunter2
hunter2"""
bind_password_file = "/nonexistent/ldap-password"
bogus = 1
[[tier]]
name = "pro"
groups = ["Chime Pro"]
[accounts]
kind = "embedded"
path = "accounts"
account = "corp"
token = "hunter2"
"##;
    insta::assert_snapshot!(shown(text), @r#"
    error: unknown key `bind_password` in [directory]
     --> /etc/seatsync/seatsync.toml:6:1
      |
    6 | bind_password = ********
      | ^^^^^^^^^^^^^ a secret never stands in this file
      |
      = help: write the secret into a file of its own and name it: bind_password_file = "/etc/seatsync/ldap-password"

    error: unknown key `bind_pasword` in [directory]
     --> /etc/seatsync/seatsync.toml:7:1
      |
    7 | bind_pasword = ********
      | ^^^^^^^^^^^^ a secret never stands in this file
      |
      = help: write the secret into a file of its own and name it: bind_password_file = "/etc/seatsync/ldap-password"

    error: unknown key `bind_pw` in [directory]
     --> /etc/seatsync/seatsync.toml:8:1
      |
    8 | bind_pw = ********
      | ^^^^^^^ a secret never stands in this file
      |
      = help: write the secret into a file of its own and name it: bind_password_file = "/etc/seatsync/ldap-password"

    error: cannot read the secret in /nonexistent/ldap-password: No such file or directory (os error 2)
      --> /etc/seatsync/seatsync.toml:11:22
       |
    11 | bind_password_file = "/nonexistent/ldap-password"
       |                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: the file must exist and be readable by the user this program runs as

    error: unknown key `bogus` in [directory]
      --> /etc/seatsync/seatsync.toml:12:1
       |
    12 | bogus = 1
       | ^^^^^
       |
       = help: known here: kind, base_dn, email_attribute, urls, bind_dn, bind_password_file, bind_password_credential, ca_file, starttls, allow_cleartext, page_size, timeout, memory_max_mib, user_filter, watch, path

    error: unknown key `token` in [accounts]
      --> /etc/seatsync/seatsync.toml:20:1
       |
    20 | token = ********
       | ^^^^^ a secret never stands in this file
       |
       = help: write the secret into a file of its own and name it: bearer_token_file = "/etc/seatsync/scim-token"

    6 problems in /etc/seatsync/seatsync.toml
    "#);
}

/// One password, from one place.
#[test]
fn both_passwords() {
    let text = r##"[directory]
kind = "ldap"
urls = ["ldaps://dc1.corp.example"]
base_dn = "DC=corp,DC=example"
bind_dn = "svc@corp.example"
bind_password_file = "ldap-password"
bind_password_credential = "ldap"
[[tier]]
name = "pro"
groups = ["Chime Pro"]
[accounts]
kind = "embedded"
path = "accounts"
account = "corp"
"##;
    insta::assert_snapshot!(shown(text), @r#"
    error: the bind password is given twice
     --> /etc/seatsync/seatsync.toml:7:1
      |
    6 | bind_password_file = "ldap-password"
      | ------------------ and here
    7 | bind_password_credential = "ldap"
      | ^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: keep one of the two

    1 problem in /etc/seatsync/seatsync.toml
    "#);
}

/// Keys of the other kind are refused.
#[test]
fn ldif_with_ldap_keys() {
    let text = r##"[directory]
kind = "ldif"
urls = ["ldaps://dc1.corp.example"]
user_filter = "(!(employeeType=robot))"
[[tier]]
name = "pro"
groups = ["Chime Pro"]
[accounts]
kind = "imbedded"
path = "accounts"
account = "corp"
"##;
    insta::assert_snapshot!(shown(text), @r#"
    error: `path` is missing in [directory]
     --> /etc/seatsync/seatsync.toml:1:2
      |
    1 | [directory]
      |  ^^^^^^^^^
      |
      = help: add a line such as: path = "people.ldif"

    error: `urls` goes only with kind = "ldap"
     --> /etc/seatsync/seatsync.toml:3:1
      |
    3 | urls = ["ldaps://dc1.corp.example"]
      | ^^^^
      |
      = help: leave it out, or write kind = "ldap"

    error: `user_filter` goes only with kind = "ldap"
     --> /etc/seatsync/seatsync.toml:4:1
      |
    4 | user_filter = "(!(employeeType=robot))"
      | ^^^^^^^^^^^
      |
      = help: leave it out, or write kind = "ldap"

    error: "imbedded" is not a kind of account store
     --> /etc/seatsync/seatsync.toml:9:8
      |
    9 | kind = "imbedded"
      |        ^^^^^^^^^^
      |
      = help: did you mean "embedded"?

    4 problems in /etc/seatsync/seatsync.toml
    "#);
}

/// What is not TOML is shown beside what is and is wrong.
#[test]
fn syntax() {
    let text = r##"[directory]
kind = "ldap
bind_password = hunter2
page_size = 0
[limits]
losses = 5%
nested = True
[directory]
kind = "ldif"
[rules]
domains = ["corp.example"
grace = "soon"
"##;
    insta::assert_snapshot!(shown(text), @r#"
    error: not valid TOML: invalid basic string, expected `"`
     --> /etc/seatsync/seatsync.toml:2:13
      |
    2 | kind = "ldap
      |             ^
      |
      = help: close the text with the same quote on the same line

    error: not valid TOML: string values must be quoted, expected literal string
     --> /etc/seatsync/seatsync.toml:3:17
      |
    3 | bind_password = ********
      |                 ^^^^^^^^
      |
      = help: put the text in quotes: key = "text"

    error: `page_size` must be from 1 to 10000
     --> /etc/seatsync/seatsync.toml:4:13
      |
    4 | page_size = 0
      |             ^
      |
      = help: Active Directory gives at most 1000 entries a page (MaxPageSize)

    error: not valid TOML: string values must be quoted, expected literal string
     --> /etc/seatsync/seatsync.toml:6:10
      |
    6 | losses = 5%
      |          ^^
      |
      = help: put the text in quotes: key = "text"

    error: not valid TOML: invalid boolean, expected `true`
     --> /etc/seatsync/seatsync.toml:7:10
      |
    7 | nested = True
      |          ^^^^
      |
      = help: write true or false, in lower case

    error: not valid TOML: duplicate key
     --> /etc/seatsync/seatsync.toml:8:2
      |
    8 | [directory]
      |  ^^^^^^^^^
      |
      = help: each key and each section stands once; only [[tier]] may be repeated

    error: not valid TOML: duplicate key
     --> /etc/seatsync/seatsync.toml:9:1
      |
    9 | kind = "ldif"
      | ^^^^
      |
      = help: each key and each section stands once; only [[tier]] may be repeated

    error: not valid TOML: missing comma between array elements, expected `,`
      --> /etc/seatsync/seatsync.toml:12:1
       |
    12 | grace = "soon"
       | ^
       |
       = help: separate what is listed by commas, and close the list with ]

    error: not valid TOML: unclosed array, expected `]`
      --> /etc/seatsync/seatsync.toml:12:15
       |
    12 | grace = "soon"
       |               ^
       |
       = help: separate what is listed by commas, and close the list with ]

    9 problems in /etc/seatsync/seatsync.toml
    "#);
}
