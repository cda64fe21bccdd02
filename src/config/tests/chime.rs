//! `[accounts] kind = "chime"`.

use super::*;

const CHIME: &str = r#"
[directory]
kind = "ldif"
path = "people.ldif"
[[tier]]
name = "pro"
groups = ["Chime Pro"]
[accounts]
kind = "chime"
endpoint = "https://seats.corp.example:8443/"
region = "eu-central-1"
account = "corp"
access_key_id = "AKIAIOSFODNN7EXAMPLE"
secret_access_key_file = "ldap-password"
ca_file = "corp-ca.pem"
timeout = "5s"
requests_max = 4
"#;

fn read(text: &str) -> ChimeConfig {
    match parse_in(&folder_with(PASSWORD), text).unwrap().accounts {
        AccountsConfig::Chime(chime) => chime,
        other => panic!("{other:?}"),
    }
}

fn without(line: &str) -> String {
    CHIME.lines().filter(|each| !each.starts_with(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_key_means_something_and_the_secret_is_not_shown() {
    let chime = read(CHIME);
    assert_eq!(chime.endpoint, "https://seats.corp.example:8443");
    assert_eq!((chime.region.as_str(), chime.account.as_str()), ("eu-central-1", "corp"));
    assert_eq!(chime.access_key_id, "AKIAIOSFODNN7EXAMPLE");
    assert_eq!(chime.secret_access_key.expose_secret(), PASSWORD);
    assert!(chime.ca_file.as_ref().is_some_and(|path| path.ends_with("corp-ca.pem")));
    assert_eq!((chime.timeout, chime.requests_max), (Duration::from_secs(5), 4));
    assert!(!format!("{chime:?}").contains(PASSWORD));
}

#[test]
fn what_is_absent_has_a_default() {
    let text = ["region", "ca_file", "timeout", "requests_max"].iter().fold(CHIME.to_owned(), |text, key| {
        text.lines().filter(|line| !line.starts_with(key)).collect::<Vec<_>>().join("\n")
    });
    let chime = read(&text);
    assert_eq!((chime.region.as_str(), chime.ca_file), ("us-east-1", None));
    assert_eq!((chime.timeout, chime.requests_max), (Duration::from_secs(30), 16));
}

#[test]
fn the_key_may_be_in_files_and_credentials() {
    for place in ["access_key_id_file = \"ldap-password\"", "access_key_id_credential = \"ldap\""] {
        let text = CHIME.replace("access_key_id = \"AKIAIOSFODNN7EXAMPLE\"", place);
        let text =
            text.replace("secret_access_key_file = \"ldap-password\"", "secret_access_key_credential = \"ldap\"");
        let AccountsConfig::Chime(chime) = parse_in(&folder_with("AKID"), &text).unwrap().accounts else {
            panic!("{text}")
        };
        assert_eq!((chime.access_key_id.as_str(), chime.secret_access_key.expose_secret()), ("AKID", "AKID"));
        // With blanks in it, it is something else, perhaps the secret.
        let problems = parse_in(&folder_with(PASSWORD), &text).unwrap_err().to_string();
        assert!(
            problems.contains("what stands there is not an access key id") && !problems.contains(PASSWORD),
            "{problems}"
        );
    }
}

#[test]
fn clear_text_is_for_this_machine_or_on_demand() {
    let at = |endpoint: &str| CHIME.replace("https://seats.corp.example:8443/", endpoint);
    for endpoint in ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost"] {
        assert_eq!(read(&at(endpoint)).endpoint, endpoint);
    }
    let far = at("http://seats.corp.example");
    let refused = shown(&far.replace("ldap-password", "/dev/null"));
    assert!(refused.contains("this URL would send names and licences in clear text"), "{refused}");
    assert_eq!(read(&format!("{far}allow_cleartext = true")).endpoint, "http://seats.corp.example");
}

#[test]
fn what_is_wrong_is_said_with_what_to_write() {
    for (text, expected) in [
        (without("endpoint"), "add a line such as: endpoint = \"https://seats.corp.example\""),
        (without("account ="), "`account` is missing in [accounts]"),
        (without("access_key_id"), "add a line such as: access_key_id = "),
        (without("secret_access_key_file"), "the secret access key is missing in [accounts]"),
        (CHIME.replace("https://seats", "ftp://seats"), "the scheme must be https or http"),
        (CHIME.replace("https://seats", "https://me:hunter2@seats"), "a URL holds no user and no password"),
        (CHIME.replace("8443/", "8443/v1"), "nothing may follow host and port"),
        (CHIME.replace("eu-central-1", "eu central"), "is not a region"),
        (CHIME.replace("requests_max = 4", "requests_max = 0"), "`requests_max` must be from 1 to 256"),
        (format!("{CHIME}path = \"accounts\""), "`path` goes only with kind = \"embedded\""),
        (
            format!("{CHIME}secret_access_key = \"hunter2\""),
            "secret_access_key_file = \"/etc/seatsync/seatstore-secret\"",
        ),
        (format!("{CHIME}acess_key_id = \"x\""), "did you mean `access_key_id`?"),
        (format!("{CHIME}end_point = \"x\""), "did you mean `endpoint`?"),
        (format!("{CHIME}access_key_id_file = \"x\""), "the access key id is given twice"),
        (CHIME.replace("\"ldap-password\"", "\"hunter2\""), "the value is not shown in case it is the secret itself"),
        (
            LEAST.replace("path = \"accounts\"", "path = \"accounts\"\nregion = \"x\""),
            "`region` goes only with kind = \"chime\"",
        ),
    ] {
        let shown = shown(&text);
        assert!(shown.contains(expected), "{expected}:\n{shown}");
    }
}
