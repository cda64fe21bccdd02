//! The client of the admin API keeps what every account store promises, for each kind of account, against a real server
//! over loopback.

#![allow(clippy::unwrap_used, clippy::panic)]

mod conformance;

use conformance::World;
use seatsync::accounts::chime::{Chime, ChimeSettings};
use seatsync::halt::Halt;
use seatsync::listen::Limits;
use seatsync::model::{Email, Meter, StoreKind, Tier, Timestamp, UserId};
use seatsync::server::admission::AdmissionSettings;
use seatsync::server::keys::{Access, IssuedKey, NewKey, issue};
use seatsync::server::mail::MailSettings;
use seatsync::server::serve::{ServeSettings, Server};
use seatsync::server::sign_in::SignInSettings;
use seatsync::store::{Account, AccountId, DiskBook, Refusal};
use secrecy::{ExposeSecret, SecretString};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const ACCOUNT: &str = "corp";
/// For one attempt, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A server with one account of that kind, and a client for it.
struct ServedWorld {
    kind: StoreKind,
    /// Without its extensions.
    strict: bool,
    key: IssuedKey,
    /// `None` while the people do what only they can do.
    running: Option<Running>,
    folder: tempfile::TempDir,
}

struct Running {
    client: Chime,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl ServedWorld {
    async fn new(kind: StoreKind, strict: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let new = NewKey { access: Access::Change, accounts: None, note: "the agent".to_owned() };
        let key = issue(&folder.path().join("keys.toml"), &new, Timestamp::now()).unwrap();
        let mut world = Self { kind, strict, key, running: None, folder };
        world.edit(|_, _| Ok(())).await;
        world
    }

    fn book(&self) -> std::path::PathBuf {
        self.folder.path().join("book")
    }

    async fn start(&mut self) {
        let settings = serve_settings(self.folder.path(), &self.book(), self.strict);
        let server = Server::open(settings).await.unwrap();
        let endpoint = format!("{}://{}", server.scheme(), server.address());
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(async move {
            let end = async {
                // Ends with the sender too.
                let _ = stopped.await;
            };
            server.run(end).await;
        });
        let client = Chime::open(ChimeSettings {
            endpoint,
            region: "us-east-1".to_owned(),
            account: ACCOUNT.to_owned(),
            access_key_id: self.key.id.clone(),
            secret_access_key: SecretString::clone(&self.key.secret),
            ca_file: None,
            timeout: TIMEOUT,
            requests_max: 16,
            tiers: self.tiers().to_vec(),
            meter: Meter::default(),
            halt: Halt::default(),
        });
        self.running = Some(Running { client: client.unwrap(), stop, server });
    }

    async fn stop(&mut self) {
        if let Some(Running { client, stop, server }) = self.running.take() {
            drop(client);
            drop(stop);
            server.await.unwrap();
        }
    }

    /// The people, or an administrator, change the book of a stopped server.
    async fn edit<T>(&mut self, edit: impl FnOnce(&mut Account, Timestamp) -> Result<T, Refusal>) -> T {
        self.stop().await;
        let mut book = DiskBook::open(&self.book()).unwrap();
        let (kind, tiers) = (self.kind, self.tiers());
        let edited = book.change(Timestamp::now(), |book| {
            let at = Timestamp::now();
            let account = book.open_account(&AccountId::parse(ACCOUNT).unwrap(), ACCOUNT, kind, at)?;
            for tier in &tiers {
                account.support(tier)?;
                account.set_default_licence(tier)?;
            }
            account.claim_domains(&["corp.example".to_owned()])?;
            edit(account, at)
        });
        let edited = edited.unwrap().unwrap();
        drop(book);
        self.start().await;
        edited
    }
}

fn serve_settings(folder: &Path, book: &Path, strict: bool) -> ServeSettings {
    ServeSettings {
        store_path: book.to_owned(),
        address: ([127, 0, 0, 1], 0).into(),
        tls: None,
        limits: Limits::default(),
        body_bytes_max: 1024 * 1024,
        keys_file: folder.join("keys.toml"),
        admission: AdmissionSettings::new(Timestamp::now()),
        aws_account_id: "123456789012".to_owned(),
        strict,
        resolvers: Vec::new(),
        dns_timeout: Duration::from_secs(1),
        mail: MailSettings {
            from: "Seats <seats@corp.example>".to_owned(),
            smtp: None,
            spool: folder.join("mail"),
            timeout: Duration::from_secs(5),
        },
        public_url: None,
        invitations_valid: Duration::from_secs(60 * 60),
        sign_in: SignInSettings { email_header: None, token: None },
    }
}

impl World for ServedWorld {
    type Store = Chime;

    fn store(&mut self) -> &mut Chime {
        &mut self.running.as_mut().unwrap().client
    }

    fn keeps_identity(&self) -> bool {
        false
    }

    fn tiers(&self) -> [Tier; 2] {
        [Tier::new("pro"), Tier::new("plus")]
    }

    async fn come(&mut self, emails: &[Email]) {
        let (kind, emails) = (self.kind, emails.to_vec());
        self.edit(move |account, at| {
            emails.iter().try_for_each(|email| match kind {
                StoreKind::Team => {
                    let id = account.by_email(email).unwrap().id.clone();
                    account.accept(&id, at).map(drop)
                }
                StoreKind::EnterpriseLwa => {
                    account.register(email, UserId::new(&format!("registered-{email}")), at).map(drop)
                }
                StoreKind::EnterpriseDirectory => Ok(()),
            })
        })
        .await;
    }

    async fn made_by_hand(&mut self, email: &Email) {
        let (kind, email) = (self.kind, email.clone());
        self.edit(move |account, at| {
            let id = UserId::new(&format!("by-hand-{email}"));
            match kind {
                StoreKind::Team => {
                    account.invite(&email, None, id.clone(), at)?;
                    account.accept(&id, at).map(drop)
                }
                StoreKind::EnterpriseLwa => account.register(&email, id, at).map(drop),
                StoreKind::EnterpriseDirectory => account.create(&email, &Tier::new("plus"), None, id, at).map(drop),
            }
        })
        .await;
    }

    async fn invitations(&mut self, email: &Email) -> u32 {
        let email = email.clone();
        self.edit(move |account, _| Ok(account.by_email(&email).map_or(0, |user| user.invitations_sent))).await
    }

    async fn restart(&mut self) {
        self.edit(|_, _| Ok(())).await;
    }
}

conformance!(team, ServedWorld::new(StoreKind::Team, false).await);
conformance!(enterprise_lwa, ServedWorld::new(StoreKind::EnterpriseLwa, false).await);
conformance!(enterprise_directory, ServedWorld::new(StoreKind::EnterpriseDirectory, false).await);
conformance!(team_without_extensions, ServedWorld::new(StoreKind::Team, true).await);
conformance!(enterprise_lwa_without_extensions, ServedWorld::new(StoreKind::EnterpriseLwa, true).await);

/// The agent as an operator runs it.
fn seatsync(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_seatsync"))
        .arg("-c")
        .arg(folder.join("seatsync.toml"))
        .args(arguments)
        .env_remove("SEATSYNC_CONFIG")
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), text)
}

/// A file that only its owner can read.
fn write_secret(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_work_over_the_network() {
    let mut world = ServedWorld::new(StoreKind::EnterpriseDirectory, false).await;
    let endpoint = world.store().about().await.unwrap().endpoint;
    let folder = world.folder.path().to_owned();
    write_secret(&folder.join("secret"), world.key.secret.expose_secret());
    std::fs::write(
        folder.join("people.ldif"),
        "dn: CN=Anna,DC=x\nobjectClass: user\ncn: Anna\nsAMAccountName: anna\nmail: anna@corp.example\n\
         userAccountControl: 512\nentryUUID: 00000000-0000-4000-8000-000000000001\n\n\
         dn: CN=Pro,DC=x\nobjectClass: group\ncn: Pro\nentryUUID: 00000000-0000-4000-9000-000000000001\n\
         member: CN=Anna,DC=x\n",
    )
    .unwrap();
    let toml = |account: &str, secret: &str| {
        format!(
            "[directory]\nkind = \"ldif\"\npath = \"people.ldif\"\n[[tier]]\nname = \"pro\"\ngroups = [\"Pro\"]\n\
             [accounts]\nkind = \"chime\"\nendpoint = \"{endpoint}\"\naccount = \"{account}\"\n\
             access_key_id = \"{}\"\nsecret_access_key_file = \"{secret}\"\n[state]\npath = \"state\"\n\
             [status]\ncontrol = \"control.sock\"\n",
            world.key.id
        )
    };
    std::fs::write(folder.join("seatsync.toml"), toml(ACCOUNT, "secret")).unwrap();
    let (code, checked) = seatsync(&folder, &["check"]);
    assert_eq!(code, 0, "{checked}");
    for line in [
        &format!("ok    account store {endpoint}: account corp (\"corp\", EnterpriseDirectory)\n"),
        "ok    licences      Pro, Plus\n",
        "ok    extensions    DirectoryUpdates, BatchCreateUser, PrimaryEmail, Echo\n",
        "ok    clock         ",
        "ok    seats         0 accounts, 0 active\n",
    ] {
        assert!(checked.contains(line), "{line}\n{checked}");
    }
    assert_eq!(seatsync(&folder, &["plan"]).0, 3);
    let (code, synced) = seatsync(&folder, &["sync"]);
    assert!(code == 0 && synced.contains("+ create anna@corp.example"), "{synced}");
    let (code, synced) = seatsync(&folder, &["sync"]);
    assert!(code == 0 && synced.contains("in sync, nothing to do"), "{synced}");
    let (code, listed) = seatsync(&folder, &["accounts", "list"]);
    assert!(code == 0 && listed.contains("anna@corp.example") && listed.contains("1 accounts, 1 active"), "{listed}");

    // Another account is not there, and another secret is no key: in words, and without the secret.
    write_secret(&folder.join("wrong"), "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong");
    for (account, secret, words) in [
        ("other", "secret", "check endpoint, and that account other exists"),
        (ACCOUNT, "wrong", "belongs to this secret"),
    ] {
        std::fs::write(folder.join("seatsync.toml"), toml(account, secret)).unwrap();
        let (code, checked) = seatsync(&folder, &["check"]);
        assert!(code == 1 && checked.contains("FAIL  account store") && checked.contains(words), "{checked}");
        assert!(!checked.contains("wrong-wrong") && !checked.contains(world.key.secret.expose_secret()), "{checked}");
    }
}
