//! The client of SCIM keeps what every account store promises, against servers that are not ours, over loopback: with all that
//! the protocol offers, and with little of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod conformance;
mod loopback;
mod python;
mod scim;
mod scim_client;
mod seatstore;

use conformance::World;
use scim::{EXTENSION, Manner, ScimServer, TOKEN};
use scim_client::Client;
use seatstore::Server;
use seatsync::accounts::AccountStore;
use seatsync::accounts::scim::{Authority, Mapping, Scim, ScimSettings, TierPlace};
use seatsync::halt::Halt;
use seatsync::model::{Action, Email, Intent, Meter, ObjectGuid, OnLeave, Outcome, PassId, Seat, Tier, Timestamp};
use secrecy::SecretString;
use serde_json::json;
use std::time::Duration;

/// For one attempt, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

struct ScimWorld {
    server: ScimServer,
    place: TierPlace,
    store: Scim,
}

impl ScimWorld {
    fn new(server: ScimServer, place: &str) -> Self {
        let place = TierPlace::parse(place).unwrap();
        if place == TierPlace::Group {
            ["Full", "View", "Staff"].iter().for_each(|name| server.make_group(name));
        }
        let store = open(&server, &place);
        Self { server, place, store }
    }
}

fn open(server: &ScimServer, place: &TierPlace) -> Scim {
    open_at(server.base_url(), TOKEN, place, [("pro", "Full"), ("plus", "View")])
}

fn open_at(base_url: String, token: &str, place: &TierPlace, values: [(&str, &str); 2]) -> Scim {
    let values = values.map(|(tier, value)| (Tier::new(tier), value.to_owned()));
    Scim::open(ScimSettings {
        base_url,
        authority: Authority::Bearer(SecretString::from(token)),
        mapping: Mapping { place: place.clone(), values: values.to_vec(), keeps_identity: true },
        paging: None,
        on_leave: OnLeave::Deactivate,
        ca_file: None,
        timeout: TIMEOUT,
        requests_max: 16,
        meter: Meter::default(),
        halt: Halt::default(),
    })
    .unwrap()
}

impl World for ScimWorld {
    type Store = Scim;

    fn store(&mut self) -> &mut Scim {
        &mut self.store
    }

    fn tiers(&self) -> [Tier; 2] {
        [Tier::new("pro"), Tier::new("plus")]
    }

    async fn made_by_hand(&mut self, email: &Email) {
        let name = email.as_str();
        let mut user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name,
            "emails": [{"value": name, "type": "work", "primary": true}], "active": true,
        });
        match &self.place {
            TierPlace::Nowhere | TierPlace::Group => {}
            TierPlace::UserType => user["userType"] = json!("View"),
            TierPlace::Listed { list, kind } => {
                let list = format!("{list:?}").to_lowercase();
                user[list] = json!([{"value": "View", "type": kind}, {"value": "guide", "type": "other"}]);
            }
            TierPlace::Extension { urn, attribute } => {
                user["schemas"].as_array_mut().unwrap().push(json!(urn));
                user[urn] = json!({ attribute: "View" });
            }
        }
        let made = self.server.make(&user);
        if self.place == TierPlace::Group {
            ["View", "Staff"].iter().for_each(|name| self.server.let_in(name, &made));
        }
    }

    async fn restart(&mut self) {
        self.store = open(&self.server, &self.place);
    }
}

/// `seatstore` itself, as any other server.
struct OwnWorld {
    _server: Server,
    client: Client,
    place: &'static str,
    store: Scim,
}

impl OwnWorld {
    fn new(place: &'static str) -> Self {
        let mut server = Server::new();
        let account = server.account("Corp", "EnterpriseDirectory", &["corp.example"]);
        server.resume();
        let client = Client::of(&mut server, &account, &[]).at(&server);
        let store = Self::open(&client, place);
        Self { _server: server, client, place, store }
    }

    fn open(client: &Client, place: &str) -> Scim {
        let base_url = format!("http://{}{}", client.address, client.base);
        let place = TierPlace::parse(place).unwrap();
        open_at(base_url, &client.token, &place, [("pro", "Pro"), ("plus", "Plus")])
    }
}

impl World for OwnWorld {
    type Store = Scim;

    fn store(&mut self) -> &mut Scim {
        &mut self.store
    }

    fn tiers(&self) -> [Tier; 2] {
        [Tier::new("pro"), Tier::new("plus")]
    }

    async fn made_by_hand(&mut self, email: &Email) {
        self.client.create(email.as_str(), "Plus");
    }

    async fn restart(&mut self) {
        self.store = Self::open(&self.client, self.place);
    }
}

/// Beside what is written, the server is asked what it can do, and who is there: a few pages, not one question a person. Three
/// questions see whether the list may be believed about whom it does not show. Of several batches each reads the list once, at its
/// end.
#[tokio::test]
async fn first_assignments_take_as_few_requests_as_the_server_allows() {
    const PEOPLE: usize = 500;
    const LICENCE: &str = "entitlements[licence]";
    for (manner, place, batches, writes, looks_max) in [
        (Manner::Rich, LICENCE, 1, (2, 0), 10),
        (Manner::Rich, LICENCE, 4, (5, 0), 14),
        (Manner::Plain, LICENCE, 1, (PEOPLE, 0), 13),
        (Manner::Plain, LICENCE, 4, (PEOPLE, 0), 22),
        // The group of the first one, who is made alone, and those of all others, a hundred in one request.
        (Manner::Rich, "group", 1, (2, 1 + 5), 10 + 2 + 2 * 6),
    ] {
        let mut world = ScimWorld::new(ScimServer::strict(manner), place);
        let made = world.server.requests("POST");
        let at = Timestamp::UNIX_EPOCH;
        let join = |number: usize| Intent {
            pass: PassId::new(at, 0),
            at,
            action: Action::Create,
            guid: ObjectGuid::from_u128(number as u128),
            account: None,
            email: Email::parse(&format!("person{number}@corp.example")).unwrap(),
            from: Seat::Vacant,
            to: Seat::Active(Tier::new("pro")),
            because: String::new(),
            details: None,
        };
        for batch in (0..PEOPLE).map(join).collect::<Vec<_>>().chunks(PEOPLE / batches) {
            let outcomes = world.store.apply(batch).await;
            assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done(Some(_)))), "{outcomes:?}");
        }
        let (server, looks) = (&world.server, world.server.requests("GET"));
        assert_eq!(
            (server.requests("POST") - made, server.requests("PATCH")),
            writes,
            "{manner:?} {place}, {batches} batches"
        );
        assert!(looks <= looks_max, "{manner:?} {place}, {batches} batches: {looks} looks");
    }
}

conformance!(with_all_that_there_is, ScimWorld::new(ScimServer::strict(Manner::Rich), "entitlements[licence]"));
conformance!(without_bulk, ScimWorld::new(ScimServer::strict(Manner::Plain), "roles[seatType]"));
conformance!(in_an_extension, ScimWorld::new(ScimServer::strict(Manner::Plain), &format!("{EXTENSION}:licenceType")));
conformance!(at_our_own_store, OwnWorld::new("entitlements[licence]"));
conformance!(in_groups, ScimWorld::new(ScimServer::strict(Manner::Rich), "group"));
conformance!(in_groups_without_bulk, ScimWorld::new(ScimServer::strict(Manner::Plain), "group"));
conformance!(in_groups_of_our_own_store, OwnWorld::new("group"));
conformance!(without_patch_and_filters, ScimWorld::new(ScimServer::strict(Manner::Poor), "userType"));
/// All but the list of a thousand: this product takes a minute to make so many.
macro_rules! conformance_at_a_product {
    ($name:ident, $world:expr) => {
        conformance!(
            $name, $world;
            kind_and_limits_are_sensible, people_join, people_are_promoted_and_demoted, people_leave, people_return,
            a_move_to_another_tier_while_away_is_seen_on_return, twice_is_once, nobody_is_invited_twice,
            an_invitation_is_withdrawn, an_address_changes_and_the_account_stays, an_address_that_is_taken_is_refused,
            two_people_exchange_addresses, accounts_are_found_by_key_identity_and_address,
            another_persons_account_is_not_taken, an_account_made_by_hand_is_taken_over,
            unmanaged_accounts_are_left_alone, one_bad_intent_does_not_hurt_the_others, what_a_kind_cannot_do_is_refused,
            what_was_answered_is_there_after_a_restart,
        );
    };
}
conformance_at_a_product!(at_a_product, ScimWorld::new(ScimServer::product(), "entitlements[licence]"));
conformance_at_a_product!(in_groups_of_a_product, ScimWorld::new(ScimServer::product(), "group"));
