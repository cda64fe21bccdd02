//! The classes of problem that only this file has, as they are shown.

use super::shown;

#[test]
fn unknown_keys_and_secrets() {
    let text = r##"rate = 5
[listen]
adress = "127.0.0.1:8790"
keys_file = "keys.toml"
[mail]
password = "hunter2"
pasword_file = "smtp-password"
[sign_in]
token = "hunter2"
[limit]
connections = 5
[[store]]
path = "book"
"##;
    insta::assert_snapshot!(shown(text), @r#"
    error: unknown key `rate` in the file
     --> /etc/seatstore/seatstore.toml:1:1
      |
    1 | rate = 5
      | ^^^^
      |
      = help: `rate` belongs in [api]

    error: unknown key `adress` in [listen]
     --> /etc/seatstore/seatstore.toml:3:1
      |
    3 | adress = "127.0.0.1:8790"
      | ^^^^^^
      |
      = help: did you mean `address`?

    error: unknown key `keys_file` in [listen]
     --> /etc/seatstore/seatstore.toml:4:1
      |
    4 | keys_file = "keys.toml"
      | ^^^^^^^^^
      |
      = help: did you mean `key_file`?

    error: unknown key `password` in [mail]
     --> /etc/seatstore/seatstore.toml:6:1
      |
    6 | password = ********
      | ^^^^^^^^ a secret never stands in this file
      |
      = help: write the secret into a file of its own and name it: password_file = "/etc/seatstore/smtp-password"

    error: unknown key `pasword_file` in [mail]
     --> /etc/seatstore/seatstore.toml:7:1
      |
    7 | pasword_file = "smtp-password"
      | ^^^^^^^^^^^^
      |
      = help: did you mean `password_file`?

    error: unknown key `token` in [sign_in]
     --> /etc/seatstore/seatstore.toml:9:1
      |
    9 | token = ********
      | ^^^^^ a secret never stands in this file
      |
      = help: write the secret into a file of its own and name it: token_file = "/etc/seatstore/sign-in-token"

    error: unknown key `limit` in the file
      --> /etc/seatstore/seatstore.toml:10:2
       |
    10 | [limit]
       |  ^^^^^
       |
       = help: did you mean `limits`?

    error: `store` must be a table, not a list
      --> /etc/seatstore/seatstore.toml:12:3
       |
    12 | [[store]]
       |   ^^^^^
       |
       = help: write it as a section that begins with [store]

    8 problems in /etc/seatstore/seatstore.toml
    "#);
}

#[test]
fn bad_values() {
    let text = r##"[listen]
address = ":8790"
certificate_file = "nowhere.pem"
[api]
aws_account_id = 12
strict = "no"
clock_skew = "2h"
body_bytes_max = 100
rate = 0
[limits]
connections = -1
request_time = 30
[domains]
resolvers = ["dns.corp.example", "127.0.0.1:0"]
timeout = "0s"
[invitations]
valid = "1y"
[sign_in]
email_header = "X Email"
[log]
level = "warning"
"##;
    insta::assert_snapshot!(shown(text), @r#"
    error: ":8790" is not an address to listen on
     --> /etc/seatstore/seatstore.toml:2:11
      |
    2 | address = ":8790"
      |           ^^^^^^^
      |
      = help: write the address too: "127.0.0.1:8790"

    error: `certificate_file` needs `key_file`
     --> /etc/seatstore/seatstore.toml:3:1
      |
    3 | certificate_file = "nowhere.pem"
      | ^^^^^^^^^^^^^^^^
      |
      = help: add a line with key_file, or leave both out for plain HTTP

    error: cannot use /etc/seatstore/nowhere.pem: No such file or directory (os error 2)
     --> /etc/seatstore/seatstore.toml:3:20
      |
    3 | certificate_file = "nowhere.pem"
      |                    ^^^^^^^^^^^^^
      |
      = help: name a file in PEM that the user this program runs as can read

    error: `aws_account_id` must be a text in quotes, not a number
     --> /etc/seatstore/seatstore.toml:5:18
      |
    5 | aws_account_id = 12
      |                  ^^
      |
      = help: such as: aws_account_id = "000000000000"

    error: `strict` must be true or false without quotes, not a text
     --> /etc/seatstore/seatstore.toml:6:10
      |
    6 | strict = "no"
      |          ^^^^
      |
      = help: such as: strict = true

    error: "2h" is not within 1s to 3600s
     --> /etc/seatstore/seatstore.toml:7:14
      |
    7 | clock_skew = "2h"
      |              ^^^^
      |
      = help: write a duration such as 30s

    error: `body_bytes_max` must be from 65536 to 16777216
     --> /etc/seatstore/seatstore.toml:8:18
      |
    8 | body_bytes_max = 100
      |                  ^^^
      |
      = help: a number of bytes, such as 1048576

    error: `rate` must be from 1 to 1000000
     --> /etc/seatstore/seatstore.toml:9:8
      |
    9 | rate = 0
      |        ^
      |
      = help: a count of requests, such as 2000

    error: `connections` must be from 1 to 65536
      --> /etc/seatstore/seatstore.toml:11:15
       |
    11 | connections = -1
       |               ^^
       |
       = help: a count of connections at one time, such as 512

    error: `request_time` must be a text in quotes, not a number
      --> /etc/seatstore/seatstore.toml:12:16
       |
    12 | request_time = 30
       |                ^^
       |
       = help: such as: request_time = "30s"

    error: "dns.corp.example" is not the address of a name server
      --> /etc/seatstore/seatstore.toml:14:14
       |
    14 | resolvers = ["dns.corp.example", "127.0.0.1:0"]
       |              ^^^^^^^^^^^^^^^^^^
       |
       = help: an IP address, with a port if it is not 53: "127.0.0.1:53" or "[::1]:53"

    error: "127.0.0.1:0" is not the address of a name server
      --> /etc/seatstore/seatstore.toml:14:34
       |
    14 | resolvers = ["dns.corp.example", "127.0.0.1:0"]
       |                                  ^^^^^^^^^^^^^
       |
       = help: an IP address, with a port if it is not 53: "127.0.0.1:53" or "[::1]:53"

    error: "0s" is not within 10ms to 60s
      --> /etc/seatstore/seatstore.toml:15:11
       |
    15 | timeout = "0s"
       |           ^^^^
       |
       = help: write a duration such as 30s

    error: "1y" has months or years, whose length varies
      --> /etc/seatstore/seatstore.toml:17:9
       |
    17 | valid = "1y"
       |         ^^^^
       |
       = help: count in days: 30d

    error: "X Email" is not the name of a header
      --> /etc/seatstore/seatstore.toml:19:16
       |
    19 | email_header = "X Email"
       |                ^^^^^^^^^
       |
       = help: such as: "X-Forwarded-Email"

    error: "warning" is not a log level
      --> /etc/seatstore/seatstore.toml:21:9
       |
    21 | level = "warning"
       |         ^^^^^^^^^
       |
       = help: did you mean "warn"?

    16 problems in /etc/seatstore/seatstore.toml
    "#);
}

#[test]
fn what_does_not_go_together() {
    let text = r##"[listen]
address = "0.0.0.0:8790"
[store]
path = "one"
[domains]
resolvers = []
[mail]
from = "nobody"
public_url = "http://seats.corp.example"
smtp = "smtp://mail.corp.example"
password_file = "smtp-password"
password_credential = "sign-in"
spool = "one"
"##;
    insta::assert_snapshot!(shown(text), @r#"
    error: plain HTTP would leave this machine
     --> /etc/seatstore/seatstore.toml:2:11
      |
    2 | address = "0.0.0.0:8790"
      |           ^^^^^^^^^^^^^^
      |
      = help: give certificate_file and key_file, or listen on 127.0.0.1 behind a proxy that has TLS; in a laboratory, allow_cleartext = true serves everything readable

    error: `resolvers` lists no name server
     --> /etc/seatstore/seatstore.toml:6:13
      |
    6 | resolvers = []
      |             ^^
      |
      = help: leave the line out to ask the system's

    error: "nobody" is not the sender of a mail
     --> /etc/seatstore/seatstore.toml:8:8
      |
    8 | from = "nobody"
      |        ^^^^^^^^
      |
      = help: an address, with a name if you like: "Seats <seats@corp.example>"

    error: links with this URL would be opened over plain HTTP
     --> /etc/seatstore/seatstore.toml:9:14
      |
    9 | public_url = "http://seats.corp.example"
      |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write https://; who has the link of an invitation can accept it

    error: this URL would send the password in clear text
      --> /etc/seatstore/seatstore.toml:10:8
       |
    10 | smtp = "smtp://mail.corp.example"
       |        ^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: write smtp+starttls:// or smtps://, or leave username and password out

    error: a password without `username`
      --> /etc/seatstore/seatstore.toml:11:1
       |
    11 | password_file = "smtp-password"
       | ^^^^^^^^^^^^^
       |
       = help: add a line such as: username = "seats"

    error: the SMTP password is given twice
      --> /etc/seatstore/seatstore.toml:12:1
       |
    11 | password_file = "smtp-password"
       | ------------- and here
    12 | password_credential = "sign-in"
       | ^^^^^^^^^^^^^^^^^^^
       |
       = help: keep one of the two

    error: [store] path and [mail] spool are both /etc/seatstore/one
      --> /etc/seatstore/seatstore.toml:13:1
       |
    13 | spool = "one"
       | ^^^^^
       |
       = help: give each a folder of its own

    8 problems in /etc/seatstore/seatstore.toml
    "#);
}

#[test]
fn a_mail_server_is_not_half_named() {
    let text = "[mail]\nusername = \"seats\"\ntimeout = \"5s\"\n";
    insta::assert_snapshot!(shown(text), @r#"
    error: `username` goes only with `smtp`
     --> /etc/seatstore/seatstore.toml:2:1
      |
    2 | username = "seats"
      | ^^^^^^^^
      |
      = help: add a line such as: smtp = "smtp+starttls://mail.corp.example:587"

    error: `timeout` goes only with `smtp`
     --> /etc/seatstore/seatstore.toml:3:1
      |
    3 | timeout = "5s"
      | ^^^^^^^
      |
      = help: add a line such as: smtp = "smtp+starttls://mail.corp.example:587"

    2 problems in /etc/seatstore/seatstore.toml
    "#);
    let text = "[mail]\nsmtp = \"smtps://seats:hunter2@mail.corp.example\"\nusername = \"seats\"\n";
    insta::assert_snapshot!(shown(text), @r#"
    error: the SMTP password is missing in [mail]
     --> /etc/seatstore/seatstore.toml:1:2
      |
    1 | [mail]
      |  ^^^^
      |
      = help: add a line such as: password_file = "/etc/seatstore/smtp-password"   or password_credential = "smtp" (systemd)

    error: `from` is missing in [mail]
     --> /etc/seatstore/seatstore.toml:1:2
      |
    1 | [mail]
      |  ^^^^
      |
      = help: add a line such as: from = "Seats <seats@corp.example>"

    error: `public_url` is missing in [mail]
     --> /etc/seatstore/seatstore.toml:1:2
      |
    1 | [mail]
      |  ^^^^
      |
      = help: add a line such as: public_url = "https://seats.corp.example"

    error: a URL holds no user and no password
     --> /etc/seatstore/seatstore.toml:2:8
      |
    2 | smtp = "smtps://********@mail.corp.example"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write username and password_file, and only scheme and host in the URL

    4 problems in /etc/seatstore/seatstore.toml
    "#);
}

#[test]
fn a_password_is_not_sent_readable_and_not_shown() {
    let text = r##"[mail]
from = "seats@corp.example"
public_url = "https://seats.corp.example"
smtp = "smtp://mail.corp.example"
password_file = "hunter2"
"##;
    insta::assert_snapshot!(shown(text), @r#"
    error: this URL would send the password in clear text
     --> /etc/seatstore/seatstore.toml:4:8
      |
    4 | smtp = "smtp://mail.corp.example"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write smtp+starttls:// or smtps://, or leave username and password out

    error: a password without `username`
     --> /etc/seatstore/seatstore.toml:5:1
      |
    5 | password_file = ********
      | ^^^^^^^^^^^^^
      |
      = help: add a line such as: username = "seats"

    error: cannot read the secret: no such file
     --> /etc/seatstore/seatstore.toml:5:17
      |
    5 | password_file = ********
      |                 ^^^^^^^^ the value is not shown in case it is the password itself
      |
      = help: write the password into a file of its own (chmod 600) and its path here: password_file = "/etc/seatstore/smtp-password"

    3 problems in /etc/seatstore/seatstore.toml
    "#);
}
