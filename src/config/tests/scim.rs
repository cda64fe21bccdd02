//! `[accounts] kind = "scim"`.

use super::*;

const SCIM: &str = r#"
[directory]
kind = "ldif"
path = "people.ldif"
[[tier]]
name = "pro"
groups = ["Pro"]
[[tier]]
name = "plus"
groups = ["Plus"]
[accounts]
kind = "scim"
account = "corp"
base_url = "https://api.product.example/scim/v2/"
preset = "figma"
bearer_token_file = "ldap-password"
tier_in = "entitlements[licence]"
tier_values = { pro = "Full" }
external_id = false
attributes = { displayName = ["displayName", "cn"], name.familyName = "sn", "urn:x:y:User:department" = "department" }
paging = "cursor"
suspend = "active"
on_leave = "deactivate"
ca_file = "corp-ca.pem"
timeout = "5s"
requests_max = 4
"#;

fn read(text: &str) -> ScimConfig {
    match parse_in(&folder_with(PASSWORD), text).unwrap().accounts {
        AccountsConfig::Scim(scim) => scim,
        other => panic!("{other:?}"),
    }
}

fn without(lines: &[&str]) -> String {
    let is_kept = |line: &&str| !lines.iter().any(|begin| line.starts_with(begin));
    SCIM.lines().filter(is_kept).map(|line| format!("{line}\n")).collect()
}

#[test]
fn every_key_means_something_and_the_secret_is_not_shown() {
    let scim = read(SCIM);
    assert_eq!((scim.base_url.as_str(), scim.account.as_str()), ("https://api.product.example/scim/v2", "corp"));
    let ScimLogin::Bearer(token) = &scim.login else { panic!("{scim:?}") };
    assert_eq!(token.expose_secret(), PASSWORD);
    assert_eq!(scim.tier_in, "entitlements[licence]");
    assert_eq!(read(&SCIM.replace("entitlements[licence]", "group")).tier_in, "group");
    let values: Vec<(&str, &str)> =
        scim.tier_values.iter().map(|(tier, value)| (tier.name(), value.as_str())).collect();
    assert_eq!(values, [("pro", "Full"), ("plus", "plus")], "a tier without a value has its name");
    assert_eq!((scim.external_id, scim.paging), (false, ScimPaging::Cursor));
    assert_eq!(
        details(&scim),
        ["displayName from displayName or cn", "name.familyName from sn", "urn:x:y:User:department from department"]
    );
    assert_eq!(scim.on_leave, OnLeave::Deactivate);
    let deleting = SCIM.replace("\"deactivate\"", "\"delete\"");
    assert_eq!(read(&deleting.replace("external_id = false", "external_id = true")).on_leave, OnLeave::Delete);
    assert!(shown(&deleting).contains("on_leave = \"delete\" does not go with external_id = false"));
    assert!(scim.ca_file.as_ref().is_some_and(|path| path.ends_with("corp-ca.pem")));
    assert_eq!((scim.timeout, scim.requests_max), (Duration::from_secs(5), 4));
    assert!(!format!("{scim:?}").contains(PASSWORD));
}

fn details(scim: &ScimConfig) -> Vec<String> {
    let mut lines: Vec<String> = scim.details.iter().map(DetailSource::to_string).collect();
    lines.sort();
    lines
}

#[test]
fn names_are_given_unless_somebody_says_otherwise() {
    let usual = ["displayName from displayName or cn", "name.familyName from sn", "name.givenName from givenName"];
    assert_eq!(details(&read(&without(&["attributes"]))), usual);
    let with = |line: &str| format!("{}{line}\n", without(&["attributes"]));
    assert_eq!(details(&read(&with("attributes = {}"))), [""; 0]);
    let taken = without(&["attributes", "tier_in"]) + "tier_in = \"userType\"\nattributes = { userType = \"title\" }\n";
    assert!(shown(&taken).contains("userType is where the tier stands"), "{}", shown(&taken));
    for (line, expected) in [
        ("attributes = \"sn\"", "`attributes` must be a table, not a text"),
        ("attributes = { title = 1 }", "`title` must be a text in quotes, not a number"),
        ("attributes = { title = \"a b\" }", "\"a b\" is not the name of an attribute"),
        ("attributes = { title = [] }", "`title` lists no attribute"),
        ("attributes = { title = \"a\", Title = \"b\" }", "title is written twice"),
    ] {
        assert!(shown(&with(line)).contains(expected), "{expected}:\n{}", shown(&with(line)));
    }
    let many: Vec<String> = (0..17).map(|number| format!("a{number} = \"x\"")).collect();
    assert!(shown(&with(&format!("attributes = {{ {} }}", many.join(", ")))).contains("names more than 16"));
    let folder = folder_with(PASSWORD);
    let env = Environment { check_detail: |_| Err("no such thing".to_owned()), ..Environment::default() };
    let problems = parse(&folder.path().join("seatsync.toml"), SCIM, &env).unwrap_err().to_string();
    assert!(problems.contains("\"displayName\" cannot be given to the account store: no such thing"), "{problems}");
}

#[test]
fn a_preset_is_what_is_not_written() {
    let bare = without(&[
        "tier_in",
        "attributes",
        "paging",
        "external_id",
        "suspend",
        "on_leave",
        "ca_file",
        "timeout",
        "requests_max",
    ]);
    for (preset, tier_in, paging) in [
        ("figma", "roles[seatType]", ScimPaging::AsTold),
        ("salesforce", "entitlements[Profile]", ScimPaging::Index),
        ("github-emu", "roles", ScimPaging::Index),
        ("aws-identity-center", "userType", ScimPaging::Cursor),
    ] {
        let scim = read(&bare.replace("figma", preset));
        assert_eq!((scim.tier_in.as_str(), scim.paging, scim.external_id), (tier_in, paging, true));
        assert_eq!((scim.timeout, scim.requests_max, scim.ca_file), (Duration::from_secs(30), 16, None));
        assert_eq!(scim.on_leave, OnLeave::Deactivate, "nobody is deleted who did not ask for it");
    }
    let one = bare.replace("figma", "slack").replace("[[tier]]\nname = \"plus\"\ngroups = [\"Plus\"]\n", "");
    assert_eq!(read(&one).tier_in, "none");
    let problems = shown(&bare.replace("figma", "slack"));
    assert!(problems.contains("tier_in = \"none\" goes with one [[tier]] only"), "{problems}");
    let problems = shown(&bare.replace("figma", "generic"));
    assert!(problems.contains("add a line such as: tier_in = \"entitlements[licence]\""), "{problems}");
}

#[test]
fn client_credentials_take_the_place_of_a_token() {
    let text = SCIM.replace(
        "bearer_token_file = \"ldap-password\"",
        "token_url = \"https://login.product.example/token\"\nclient_id = \"seatsync\"\n\
         client_secret_credential = \"ldap\"\nscope = \"scim users\"",
    );
    let scim = read(&text);
    assert!(!format!("{scim:?}").contains(PASSWORD));
    let ScimLogin::Client { token_url, client_id, client_secret, scope } = scim.login else { panic!("{text}") };
    assert_eq!((token_url.as_str(), client_id.as_str()), ("https://login.product.example/token", "seatsync"));
    assert_eq!((client_secret.expose_secret(), scope.as_deref()), (PASSWORD, Some("scim users")));
    for (wrong, expected) in [
        (format!("{text}bearer_token_file = \"ldap-password\""), "does not go with token_url and client_id"),
        (text.replace("client_id = \"seatsync\"\n", ""), "add a line such as: client_id = \"seatsync\""),
        (text.replace("client_secret_credential = \"ldap\"\n", ""), "the client secret is missing in [accounts]"),
        (text.replace("https://login", "http://login"), "this URL would send the token in clear text"),
        (format!("{SCIM}scope = \"x\""), "`scope` goes with token_url and client_id"),
    ] {
        let shown = shown(&wrong);
        assert!(shown.contains(expected), "{expected}:\n{shown}");
    }
}

#[test]
fn clear_text_is_for_this_machine() {
    let at = |url: &str| SCIM.replace("https://api.product.example/scim/v2/", url);
    for url in ["http://127.0.0.1:8080/v2", "http://[::1]/scim", "http://localhost"] {
        assert_eq!(read(&at(url)).base_url, url);
    }
    let refused = shown(&at("http://api.product.example/scim"));
    assert!(refused.contains("this URL would send the token in clear text"), "{refused}");
}

#[test]
fn what_is_wrong_is_said_with_what_to_write() {
    for (text, expected) in [
        (without(&["base_url"]), "add a line such as: base_url = \"https://api.product.example/scim/v2\""),
        (without(&["account ="]), "`account` is missing in [accounts]"),
        (without(&["bearer_token_file"]), "the bearer token is missing in [accounts]"),
        (SCIM.replace("figma", "figmo"), "did you mean \"figma\"?"),
        (SCIM.replace("pro = \"Full\"", "prou = \"Full\""), "did you mean `pro`?"),
        (SCIM.replace("{ pro = \"Full\" }", "{ pro = \"PLUS\" }"), "tiers pro and plus have the same value \"plus\""),
        (SCIM.replace("{ pro = \"Full\" }", "{ pro = \"\" }"), "`pro` is empty"),
        (SCIM.replace("{ pro = \"Full\" }", "\"Full\""), "`tier_values` must be a table, not a text"),
        (
            SCIM.replace("figma", "aws-identity-center").replace("entitlements[licence]", "Groups"),
            "tier_in = \"group\" does not go with preset = \"aws-identity-center\"",
        ),
        (SCIM.replace("\"cursor\"", "\"cursors\""), "did you mean \"cursor\"?"),
        (SCIM.replace("\"deactivate\"", "\"deleted\""), "did you mean \"delete\"?"),
        (SCIM.replace("\"deactivate\"", "\"nothing\""), "is not what is done when somebody leaves"),
        (SCIM.replace("suspend = \"active\"", "suspend = \"delete\""), "is not a way to suspend"),
        (SCIM.replace("v2/", "v2?x=1"), "nothing may follow the path"),
        (SCIM.replace("https://api", "https://me:hunter2@api"), "a URL holds no user and no password"),
        (format!("{SCIM}region = \"x\""), "`region` goes only with kind = \"chime\""),
        (format!("{SCIM}path = \"x\""), "`path` goes only with kind = \"embedded\""),
        (format!("{SCIM}bearer_token = \"hunter2\""), "bearer_token_file = \"/etc/seatsync/scim-token\""),
        (format!("{SCIM}client_secret = \"hunter2\""), "client_secret_file = \"/etc/seatsync/scim-client-secret\""),
        (format!("{SCIM}baseurl = \"x\""), "did you mean `base_url`?"),
        (
            LEAST.replace("path = \"accounts\"", "path = \"accounts\"\ntier_in = \"x\""),
            "`tier_in` goes only with kind = \"scim\"",
        ),
        (
            LEAST.replace("path = \"accounts\"", "path = \"accounts\"\ntimeout = \"5s\""),
            "`timeout` goes only with kind = \"chime\" or \"scim\"",
        ),
    ] {
        let shown = shown(&text);
        assert!(shown.contains(expected), "{expected}:\n{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_place_is_checked_by_who_knows_places() {
    let folder = folder_with(PASSWORD);
    let env = Environment { check_tier_place: |_| Err("no such place".to_owned()), ..Environment::default() };
    let problems = parse(&folder.path().join("seatsync.toml"), SCIM, &env).unwrap_err().to_string();
    assert!(problems.contains("\"entitlements[licence]\" is no place for a tier: no such place"), "{problems}");
}

/// What the README shows for two vendors is right as it stands.
#[test]
fn the_configurations_of_the_readme_are_right() {
    let readme = include_str!("../../../README.md");
    let (_, section) = readme.split_once("## Any SCIM 2.0 product").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let blocks: Vec<String> =
        section.split("\n\n").filter(|part| part.starts_with("    [accounts]")).map(str::to_owned).collect();
    let before = &SCIM[..SCIM.find("[accounts]").unwrap()];
    let read_block = |block: &String| {
        let block =
            block.replace("\"scim-token\"", "\"ldap-password\"").replace("\"scim-client-secret\"", "\"ldap-password\"");
        read(&format!("{before}{block}\n"))
    };
    let configs: Vec<ScimConfig> = blocks.iter().map(read_block).collect();
    let shown: Vec<(&str, &str)> = configs.iter().map(|it| (it.account.as_str(), it.tier_in.as_str())).collect();
    assert_eq!(shown, [("figma", "roles[seatType]"), ("salesforce", "entitlements[Profile]")]);
    assert!(matches!(configs[0].login, ScimLogin::Bearer(_)) && matches!(configs[1].login, ScimLogin::Client { .. }));
}
