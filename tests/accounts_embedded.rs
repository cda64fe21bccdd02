//! The embedded account store keeps what every account store promises, for each kind of account.

#![allow(clippy::unwrap_used, clippy::panic)]

mod conformance;

use conformance::World;
use seatsync::accounts::embedded::{Access, Embedded, EmbeddedSettings};
use seatsync::model::{Email, StoreKind, Tier, Timestamp, UserId};

struct EmbeddedWorld {
    settings: EmbeddedSettings,
    /// `None` for the moment of a restart only.
    store: Option<Embedded>,
    _folder: tempfile::TempDir,
}

impl EmbeddedWorld {
    fn new(kind: StoreKind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = EmbeddedSettings {
            path: folder.path().join("accounts"),
            account: "corp".to_owned(),
            kind,
            tiers: vec![Tier::new("pro"), Tier::new("plus")],
            domains: vec!["corp.example".to_owned()],
        };
        let store = Some(Embedded::open(settings.clone(), Access::Write).unwrap());
        Self { settings, store, _folder: folder }
    }
}

impl World for EmbeddedWorld {
    type Store = Embedded;

    fn store(&mut self) -> &mut Embedded {
        self.store.as_mut().unwrap()
    }

    fn tiers(&self) -> [Tier; 2] {
        [Tier::new("pro"), Tier::new("plus")]
    }

    async fn come(&mut self, emails: &[Email]) {
        let (kind, emails) = (self.settings.kind, emails.to_vec());
        let came = self.store().command(move |account| {
            emails.iter().try_for_each(|email| match kind {
                StoreKind::Team => {
                    let id = account.by_email(email).unwrap().id.clone();
                    account.accept(&id, Timestamp::UNIX_EPOCH).map(drop)
                }
                StoreKind::EnterpriseLwa => {
                    let id = UserId::new(&format!("registered-{email}"));
                    account.register(email, id, Timestamp::UNIX_EPOCH).map(drop)
                }
                StoreKind::EnterpriseDirectory => Ok(()),
            })
        });
        came.await.unwrap();
    }

    async fn made_by_hand(&mut self, email: &Email) {
        let (kind, email) = (self.settings.kind, email.clone());
        let made = self.store().command(move |account| {
            let (id, at) = (UserId::new(&format!("by-hand-{email}")), Timestamp::UNIX_EPOCH);
            match kind {
                StoreKind::Team => {
                    account.invite(&email, None, id.clone(), at)?;
                    account.accept(&id, at).map(drop)
                }
                StoreKind::EnterpriseLwa => account.register(&email, id, at).map(drop),
                StoreKind::EnterpriseDirectory => account.create(&email, &Tier::new("plus"), None, id, at).map(drop),
            }
        });
        made.await.unwrap();
    }

    async fn invitations(&mut self, email: &Email) -> u32 {
        self.store().user(email).await.unwrap().map_or(0, |user| user.invitations_sent)
    }

    async fn restart(&mut self) {
        self.store = None;
        self.store = Some(Embedded::open(self.settings.clone(), Access::Write).unwrap());
    }
}

conformance!(team, EmbeddedWorld::new(StoreKind::Team));
conformance!(enterprise_lwa, EmbeddedWorld::new(StoreKind::EnterpriseLwa));
conformance!(enterprise_directory, EmbeddedWorld::new(StoreKind::EnterpriseDirectory));
