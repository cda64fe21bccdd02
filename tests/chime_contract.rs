//! The server, driven from outside by programs that were written for the original: boto3 and the AWS CLI.
//!
//! The stories are in `tests/python`; each has a server of its own. Every answer that boto3 gets is held against the service
//! model that it ships (`tests/python/model.py`): status, headers, members, enums, patterns.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod python;
mod seatstore;

use seatstore::{Key, Server};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A server with an account of each enterprise kind; in the LWA account three people have signed up.
struct Scene {
    server: Server,
    accounts: BTreeMap<&'static str, String>,
    keys: BTreeMap<&'static str, Key>,
    strict: bool,
}

impl Scene {
    fn new(api: &str) -> Self {
        let mut server = Server::configured(api, "");
        let directory = server.account("Directory", "EnterpriseDirectory", &["corp.test"]);
        let lwa = server.account("LWA", "EnterpriseLWA", &["lwa.test"]);
        for name in ["ann", "bob", "eve"] {
            server.register(&lwa, &format!("{name}@lwa.test"));
        }
        server.resume();
        let accounts = BTreeMap::from([("directory", directory), ("lwa", lwa)]);
        Self { server, accounts, keys: BTreeMap::new(), strict: api.contains("strict = true") }
    }

    /// Runs one story of a script; it must end well.
    #[track_caller]
    fn tell(&self, script: &str, story: &str) {
        let keys = self.keys.iter().map(|(name, Key { id, secret })| (*name, json!({"id": id, "secret": secret})));
        let keys: BTreeMap<_, Value> = keys.collect();
        let mut setup = self.server.setup();
        setup["keys"] = json!(keys);
        setup["accounts"] = json!(self.accounts);
        setup["strict"] = json!(self.strict);
        python::run(script, &[story], &setup.to_string());
    }
}

/// A story that needs nothing beyond the scene.
macro_rules! stories {
    ($script:literal: $($story:ident),+ $(,)?) => {
        $(
            #[test]
            fn $story() {
                Scene::new("").tell($script, stringify!($story));
            }
        )+
    };
}

mod contract {
    use super::Scene;

    stories!("contract.py": accounts, account_settings, accounts_are_listed_in_pages, an_account_is_deleted_when_it_is_empty,
        team, whoever_leaves_between_two_pages_hides_nobody, directory, users_are_listed_in_pages, one_user,
        ids_are_one_segment_of_the_path, lwa, extensions);

    #[test]
    fn strict() {
        Scene::new("strict = true").tell("contract.py", "strict");
    }
}

mod model_walk {
    use super::Scene;

    stories!("model_walk.py": routes_and_statuses, other_operations, list_maxima, required_members, types_of_members);
}

mod hostile {
    use super::{Scene, Server};

    stories!("hostile.py": signatures, a_copy_is_refused, sizes);

    #[test]
    fn keys_have_limits() {
        let mut scene = Scene::new("");
        let read = scene.server.new_key(&["--read-only"]);
        let scoped = scene.server.new_key(&["--account", &scene.accounts["directory"]]);
        scene.keys.extend([("read", read), ("scoped", scoped)]);
        scene.server.restart();
        scene.tell("hostile.py", "keys_have_limits");
    }

    #[test]
    fn keys_are_changed_without_a_restart() {
        let mut scene = Scene::new("");
        scene.keys.insert("new", scene.server.new_key(&[]));
        scene.server.reload();
        scene.tell("hostile.py", "a_new_key_is_taken");
        scene.server.run(&["key", "revoke", &scene.server.key().id]);
        scene.server.reload();
        scene.tell("hostile.py", "an_old_key_is_not");
    }

    #[test]
    fn too_many_requests() {
        let mut server = Server::configured("rate = 1\nburst = 3", "");
        let other = server.new_key(&[]);
        server.resume();
        let scene = Scene { server, accounts: [].into(), keys: [("other", other)].into(), strict: false };
        scene.tell("hostile.py", "too_many_requests");
    }
}

mod aws_cli {
    use super::{Scene, Value, python};
    use python::Ended;

    impl Scene {
        fn aws(&self, arguments: &[&str]) -> Ended {
            let key = self.server.key();
            let mut command = python::aws();
            command
                .env("AWS_ENDPOINT_URL_CHIME", self.server.url())
                .env("AWS_ACCESS_KEY_ID", &key.id)
                .env("AWS_SECRET_ACCESS_KEY", &key.secret)
                .arg("chime")
                .args(arguments);
            python::run_to_end(&mut command, "")
        }

        /// A command that must succeed; what it printed, as JSON.
        #[track_caller]
        fn aws_json(&self, arguments: &[&str]) -> Value {
            let ended = self.aws(arguments);
            assert_eq!(ended.code, Some(0), "aws chime {arguments:?}: {ended:#?}");
            if ended.stdout.is_empty() { Value::Null } else { serde_json::from_str(&ended.stdout).unwrap() }
        }

        /// A command that must fail as the CLI fails when the service said no.
        #[track_caller]
        fn aws_refused(&self, exception: &str, arguments: &[&str]) {
            let ended = self.aws(arguments);
            assert_eq!(ended.code, Some(255), "aws chime {arguments:?}: {ended:#?}");
            assert!(ended.stderr.contains(&format!("({exception})")), "aws chime {arguments:?}: {ended:#?}");
        }
    }

    #[test]
    fn an_administrator_works_with_it() {
        let scene = Scene::new("");
        let made = scene.aws_json(&["create-account", "--name", "Größe & Söhne"]);
        let team = made["Account"]["AccountId"].as_str().unwrap();
        assert_eq!(scene.aws_json(&["get-account", "--account-id", team]), made);
        scene.aws_json(&["update-account", "--account-id", team, "--default-license", "Pro"]);
        let emails = ["ann@corp.test", "bob@corp.test", "eve+1@corp.test"];
        let invited =
            scene.aws_json(&[&["invite-users", "--account-id", team, "--user-email-list"], &emails[..]].concat());
        assert_eq!(invited["Invites"].as_array().unwrap().len(), 3);
        // The CLI asks for one page after the other by itself.
        let listed = scene.aws(&[
            "list-users",
            "--account-id",
            team,
            "--page-size",
            "2",
            "--query",
            "Users[].[PrimaryEmail]",
            "--output",
            "text",
        ]);
        let mut listed: Vec<&str> = listed.stdout.lines().collect();
        listed.sort_unstable();
        assert_eq!(listed, emails);
        let found = scene.aws_json(&["list-users", "--account-id", team, "--user-email", "eve+1@corp.test"]);
        assert_eq!(found["Users"].as_array().unwrap().len(), 1, "{found}");
        scene.aws_refused("UnprocessableEntityException", &["delete-account", "--account-id", team]);
        scene.aws_refused("NotFoundException", &["get-user", "--account-id", team, "--user-id", "a b/c@d"]);
        scene.aws_refused("BadRequestException", &["list-users", "--account-id", team, "--max-results", "201"]);
        scene.aws_refused("ForbiddenException", &["batch-unsuspend-user", "--account-id", team, "--user-id-list", "x"]);

        let directory = scene.accounts["directory"].as_str();
        let create = |email| {
            let made = scene.aws_json(&["create-user", "--account-id", directory, "--email", email]);
            made["User"]["UserId"].as_str().unwrap().to_owned()
        };
        let (alice, bob) = (create("alice@corp.test"), create("bob@corp.test"));
        let pro = format!("UserId={alice},LicenseType=Pro");
        let unknown = "UserId=nobody,LicenseType=Pro";
        let moved = scene.aws_json(&[
            "batch-update-user",
            "--account-id",
            directory,
            "--update-user-request-items",
            &pro,
            unknown,
        ]);
        assert_eq!(moved["UserErrors"][0]["UserId"], "nobody", "{moved}");
        assert_eq!(moved["UserErrors"].as_array().unwrap().len(), 1, "{moved}");
        let suspended = scene.aws_json(&["batch-suspend-user", "--account-id", directory, "--user-id-list", &bob]);
        assert_eq!(suspended["UserErrors"], Value::Array(Vec::new()));
        let shown = scene.aws(&[
            "list-users",
            "--account-id",
            directory,
            "--query",
            "sort_by(Users,&PrimaryEmail)[].[PrimaryEmail,LicenseType,UserRegistrationStatus]",
            "--output",
            "text",
        ]);
        assert_eq!(
            shown.stdout.lines().map(|line| line.split('\t').collect::<Vec<_>>()).collect::<Vec<_>>(),
            [["alice@corp.test", "Pro", "Registered"], ["bob@corp.test", "Plus", "Suspended"]],
            "Alice has Pro, Bob is suspended"
        );
        scene.aws_json(&["batch-unsuspend-user", "--account-id", directory, "--user-id-list", &bob]);
        scene.aws_json(&["logout-user", "--account-id", directory, "--user-id", &bob]);
        let bob = scene.aws_json(&["get-user", "--account-id", directory, "--user-id", &bob]);
        assert_eq!(bob["User"]["UserRegistrationStatus"], "Registered", "{bob}");
    }

    #[test]
    fn it_knows_the_other_operations_too() {
        let scene = Scene::new("");
        let empty = scene.aws_json(&["create-account", "--name", "Empty"]);
        let empty = empty["Account"]["AccountId"].as_str().unwrap();
        let in_empty =
            |operation, rest: &[&str]| scene.aws_json(&[&[operation, "--account-id", empty][..], rest].concat());
        let found = scene.aws_json(&["list-accounts", "--name", "Emp", "--query", "Accounts[].AccountId"]);
        assert_eq!(found, serde_json::json!([empty]));
        in_empty("update-account-settings", &["--account-settings", "DisableRemoteControl=true,EnableDialOut=false"]);
        let settings = in_empty("get-account-settings", &[]);
        assert_eq!(
            settings["AccountSettings"],
            serde_json::json!({"DisableRemoteControl": true, "EnableDialOut": false})
        );
        let groups = |expected: &[&str]| {
            let shown = in_empty("get-account", &["--query", "Account.SigninDelegateGroups[].GroupName"]);
            let shown = shown.as_array().cloned().unwrap_or_default();
            assert_eq!(shown, expected);
        };
        let associate = "associate-signin-delegate-groups-with-account";
        in_empty(associate, &["--signin-delegate-groups", "GroupName=desk", "GroupName=hall"]);
        groups(&["desk", "hall"]);
        in_empty("disassociate-signin-delegate-groups-from-account", &["--group-names", "desk"]);
        groups(&["hall"]);
        scene.aws_json(&["delete-account", "--account-id", empty]);
        scene.aws_refused("NotFoundException", &["get-account-settings", "--account-id", empty]);

        let directory = scene.accounts["directory"].as_str();
        let made = scene.aws_json(&["create-user", "--account-id", directory, "--email", "carol@corp.test"]);
        let carol = made["User"]["UserId"].as_str().unwrap();
        let with_carol = |operation, rest: &[&str]| {
            scene.aws_json(&[&[operation, "--account-id", directory, "--user-id", carol][..], rest].concat())
        };
        assert_eq!(with_carol("update-user", &["--license-type", "Pro"])["User"]["LicenseType"], "Pro");
        let telephony = "Telephony={InboundCalling=true,OutboundCalling=false,SMS=true}";
        with_carol("update-user-settings", &["--user-settings", telephony]);
        assert_eq!(
            with_carol("get-user-settings", &[])["UserSettings"]["Telephony"],
            serde_json::json!({"InboundCalling": true, "OutboundCalling": false, "SMS": true})
        );
        let pin = with_carol("reset-personal-pin", &[])["User"]["PersonalPIN"].as_str().unwrap().to_owned();
        assert!(pin.len() == 10 && pin.bytes().all(|byte| byte.is_ascii_digit()), "{pin}");
        let nobody = ["--account-id", directory, "--user-id", "nobody"];
        for operation in ["get-user-settings", "reset-personal-pin", "logout-user"] {
            scene.aws_refused("NotFoundException", &[&[operation][..], &nobody].concat());
        }
        let gold = ["--license-type", "ProTrial"];
        let refused = [&["update-user", "--account-id", directory, "--user-id", carol][..], &gold].concat();
        scene.aws_refused("BadRequestException", &refused);
    }
}
