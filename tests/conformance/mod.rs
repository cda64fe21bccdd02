//! What every account store must do, whatever is behind it: the seat matrix as stories, told through the trait alone.
//!
//! A store joins with a [`World`] and one line: `conformance!(name, make_world())`. A case that needs something that a
//! store does not have checks that nothing is broken by its absence.

#![allow(clippy::unwrap_used, clippy::panic)]

use seatsync::accounts::{AccountStore, Sought};
use seatsync::model::{
    Action, Email, Intent, ObjectGuid, Observed, Outcome, PassId, Seat, StoreKind, Tier, Timestamp, UserId,
};

/// A store to try, with the means to play the people and the administrator behind it.
pub trait World {
    /// The store.
    type Store: AccountStore;

    /// The store, empty at first.
    fn store(&mut self) -> &mut Self::Store;

    /// Whether the store keeps the directory identity with the account.
    fn keeps_identity(&self) -> bool {
        true
    }

    /// The licences `[high, low]`; `low` is the default.
    fn tiers(&self) -> [Tier; 2];

    /// People do what only they can do: accept the invitation (Team), register (EnterpriseLWA). Nothing, where there is neither.
    async fn come(&mut self, _: &[Email]) {}

    /// Somebody makes an account by hand, with the default licence.
    async fn made_by_hand(&mut self, email: &Email);

    /// How often that address was invited since it last had no account.
    async fn invitations(&mut self, _: &Email) -> u32 {
        0
    }

    /// The store, or our connection to it, is closed and opened again.
    async fn restart(&mut self);
}

/// Runs every case against a fresh world each.
#[macro_export]
macro_rules! conformance {
    ($name:ident, $world:expr) => {
        conformance!(
            $name, $world;
            kind_and_limits_are_sensible, people_join, people_are_promoted_and_demoted, people_leave, people_return,
            a_move_to_another_tier_while_away_is_seen_on_return, twice_is_once, nobody_is_invited_twice,
            an_invitation_is_withdrawn, an_address_changes_and_the_account_stays, an_address_that_is_taken_is_refused,
            two_people_exchange_addresses, accounts_are_found_by_key_identity_and_address,
            another_persons_account_is_not_taken, an_account_made_by_hand_is_taken_over,
            unmanaged_accounts_are_left_alone, one_bad_intent_does_not_hurt_the_others, what_a_kind_cannot_do_is_refused,
            the_list_is_complete_at_a_thousand, what_was_answered_is_there_after_a_restart,
        );
    };
    ($name:ident, $world:expr; $($case:ident),* $(,)?) => {
        mod $name {
            use super::*;
            $(
                #[tokio::test]
                async fn $case() {
                    conformance::$case(&mut $world).await;
                }
            )*
        }
    };
}

// ---- the means of the stories ----

fn guid(number: u32) -> ObjectGuid {
    ObjectGuid::from_u128(0x5ea7_0000 + u128::from(number))
}

fn email(number: u32) -> Email {
    address(&format!("person{number}"))
}

fn address(name: &str) -> Email {
    Email::parse(&format!("{name}@corp.example")).unwrap()
}

fn wish(number: u32, action: Action, from: Option<&Observed>, to: Seat) -> Intent {
    let at = Timestamp::UNIX_EPOCH;
    Intent {
        pass: PassId::new(at, 0),
        at,
        action,
        guid: guid(number),
        account: from.map(|observed| observed.id.clone()),
        email: email(number),
        from: from.map_or(Seat::Vacant, |observed| observed.seat.clone()),
        to,
        because: "conformance".to_owned(),
        details: None,
    }
}

async fn apply<W: World>(world: &mut W, intents: &[Intent]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let batch = world.store().batch_max();
    for intents in intents.chunks(batch) {
        let answered = world.store().apply(intents).await;
        assert_eq!(answered.len(), intents.len(), "one outcome an intent");
        outcomes.extend(answered);
    }
    outcomes
}

async fn apply_one<W: World>(world: &mut W, intent: &Intent) -> Outcome {
    apply(world, std::slice::from_ref(intent)).await.remove(0)
}

/// Applies, and expects the account to be there afterwards as it is answered.
async fn reaches<W: World>(world: &mut W, intent: &Intent) -> Observed {
    match apply_one(world, intent).await {
        Outcome::Done(Some(observed)) => {
            assert_eq!(at(world, &observed.id).await.as_ref(), Some(&observed), "the answer is what is there");
            observed
        }
        other => panic!("{intent:?}: {other:?}"),
    }
}

/// The account with that key, as the list has it.
async fn at<W: World>(world: &mut W, id: &UserId) -> Option<Observed> {
    listed(world).await.into_iter().find(|observed| observed.id == *id)
}

/// Everybody, by address; a store may list in any order.
async fn listed<W: World>(world: &mut W) -> Vec<Observed> {
    let mut everybody = world.store().list().await.unwrap();
    everybody.sort_by(|one, other| one.email.cmp(&other.email));
    everybody
}

async fn found<W: World>(world: &mut W, sought: Sought) -> Option<Observed> {
    world.store().find(&[sought]).await.unwrap().remove(0)
}

fn by_address(number: u32) -> Sought {
    Sought { guid: guid(number), account: None, email: email(number) }
}

/// A person comes to hold that tier, in the way of the account's kind.
async fn seated<W: World>(world: &mut W, number: u32, tier: &Tier) -> Observed {
    let target = Seat::Active(tier.clone());
    let seated = match world.store().kind().await.unwrap() {
        StoreKind::Team => {
            let invited = reaches(world, &wish(number, Action::Invite, None, Seat::Invited)).await;
            assert_eq!(invited.seat, Seat::Invited);
            world.come(&[email(number)]).await;
            reaches(world, &wish(number, Action::Move, Some(&invited), target.clone())).await
        }
        StoreKind::EnterpriseLwa => {
            world.come(&[email(number)]).await;
            let registered = found(world, by_address(number)).await.unwrap();
            reaches(world, &wish(number, Action::Move, Some(&registered), target.clone())).await
        }
        StoreKind::EnterpriseDirectory => reaches(world, &wish(number, Action::Create, None, target.clone())).await,
    };
    assert_eq!(seated.seat, target);
    assert_eq!(seated.email, email(number));
    seated
}

/// The intent that takes the seat, in the way of the account's kind.
async fn farewell<W: World>(world: &mut W, number: u32, from: &Observed) -> Intent {
    match (world.store().kind().await.unwrap(), from.seat.tier()) {
        (StoreKind::Team, _) | (_, None) => wish(number, Action::Remove, Some(from), Seat::Vacant),
        (_, Some(tier)) => wish(number, Action::Suspend, Some(from), Seat::Suspended(tier.clone())),
    }
}

// ---- the stories ----

pub async fn kind_and_limits_are_sensible<W: World>(world: &mut W) {
    assert!(world.store().batch_max() >= 1);
    let kind = world.store().kind().await.unwrap();
    assert_eq!(world.store().kind().await.unwrap(), kind);
    assert_eq!(world.store().list().await.unwrap(), []);
    assert_eq!(world.store().find(&[]).await.unwrap(), []);
    assert_eq!(world.store().apply(&[]).await, []);
}

pub async fn people_join<W: World>(world: &mut W) {
    let [high, low] = world.tiers();
    let (first, second) = (seated(world, 1, &high).await, seated(world, 2, &low).await);
    assert_ne!(first.id, second.id);
    assert_eq!(listed(world).await, [first, second]);
}

pub async fn people_are_promoted_and_demoted<W: World>(world: &mut W) {
    let [high, low] = world.tiers();
    let mut here = seated(world, 1, &low).await;
    for tier in [&high, &low, &high] {
        let moved = reaches(world, &wish(1, Action::Move, Some(&here), Seat::Active(tier.clone()))).await;
        assert_eq!((&moved.id, &moved.seat), (&here.id, &Seat::Active(tier.clone())));
        here = moved;
    }
}

pub async fn people_leave<W: World>(world: &mut W) {
    let [high, low] = world.tiers();
    let (leaver, stayer) = (seated(world, 1, &high).await, seated(world, 2, &low).await);
    let intent = farewell(world, 1, &leaver).await;
    let outcome = apply_one(world, &intent).await;
    match world.store().kind().await.unwrap() {
        StoreKind::Team => {
            assert!(
                matches!(&outcome, Outcome::Done(None))
                    || matches!(&outcome, Outcome::Done(Some(left)) if left.seat == Seat::Vacant),
                "{outcome:?}"
            );
            assert!(at(world, &leaver.id).await.is_none_or(|left| left.seat == Seat::Vacant));
        }
        StoreKind::EnterpriseLwa | StoreKind::EnterpriseDirectory => {
            let left = Observed { seat: Seat::Suspended(high), ..leaver };
            assert_eq!(outcome, Outcome::Done(Some(left.clone())), "the licence is kept for the return");
            assert_eq!(at(world, &left.id).await, Some(left));
        }
    }
    assert_eq!(at(world, &stayer.id).await, Some(stayer));
}

pub async fn people_return<W: World>(world: &mut W) {
    let [high, _] = world.tiers();
    let before = seated(world, 1, &high).await;
    let intent = farewell(world, 1, &before).await;
    apply_one(world, &intent).await;
    match world.store().kind().await.unwrap() {
        StoreKind::Team => {
            let back = seated(world, 1, &high).await;
            assert_eq!(world.invitations(&email(1)).await, 1, "asked anew, and once");
            assert_eq!(back.seat, before.seat);
        }
        StoreKind::EnterpriseLwa | StoreKind::EnterpriseDirectory => {
            let away = at(world, &before.id).await.unwrap();
            let back = reaches(world, &wish(1, Action::Resume, Some(&away), Seat::Active(high))).await;
            assert_eq!(back, before);
        }
    }
}

pub async fn a_move_to_another_tier_while_away_is_seen_on_return<W: World>(world: &mut W) {
    let [high, low] = world.tiers();
    if world.store().kind().await.unwrap() == StoreKind::Team {
        // Who comes back to a team comes back like anybody new, to whatever tier it is then.
        let before = seated(world, 1, &high).await;
        let intent = farewell(world, 1, &before).await;
        apply_one(world, &intent).await;
        assert_eq!(seated(world, 1, &low).await.seat, Seat::Active(low));
        return;
    }
    let before = seated(world, 1, &low).await;
    let intent = farewell(world, 1, &before).await;
    apply_one(world, &intent).await;
    let back = reaches(world, &wish(1, Action::Resume, Some(&before), Seat::Active(high.clone()))).await;
    assert_eq!((back.id, back.seat), (before.id, Seat::Active(high)));
}

pub async fn twice_is_once<W: World>(world: &mut W) {
    let [high, low] = world.tiers();
    let here = seated(world, 1, &low).await;
    let promotion = wish(1, Action::Move, Some(&here), Seat::Active(high));
    let once = apply_one(world, &promotion).await;
    let everybody = listed(world).await;
    assert_eq!(apply_one(world, &promotion).await, once);
    assert_eq!(apply(world, &[promotion.clone(), promotion]).await, [once.clone(), once], "in one batch, too");
    assert_eq!(listed(world).await, everybody);

    let farewell = farewell(world, 1, &everybody[0]).await;
    let once = apply_one(world, &farewell).await;
    let everybody = listed(world).await;
    assert_eq!(apply_one(world, &farewell).await, once);
    assert_eq!(listed(world).await, everybody);

    let joining = match world.store().kind().await.unwrap() {
        StoreKind::Team => wish(2, Action::Invite, None, Seat::Invited),
        StoreKind::EnterpriseLwa | StoreKind::EnterpriseDirectory => {
            wish(2, Action::Create, None, Seat::Active(low.clone()))
        }
    };
    let once = apply_one(world, &joining).await;
    let everybody = listed(world).await;
    assert_eq!(apply_one(world, &joining).await, once);
    assert_eq!(listed(world).await, everybody);
}

pub async fn nobody_is_invited_twice<W: World>(world: &mut W) {
    if world.store().kind().await.unwrap() != StoreKind::Team {
        // There is nothing to invite to: that is refused, and makes no account.
        let outcome = apply_one(world, &wish(1, Action::Invite, None, Seat::Invited)).await;
        assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
        assert_eq!(listed(world).await, []);
        return;
    }
    let invite = wish(1, Action::Invite, None, Seat::Invited);
    let invited = reaches(world, &invite).await;
    for again in [invite.clone(), wish(1, Action::Invite, Some(&invited), Seat::Invited)] {
        assert_eq!(reaches(world, &again).await, invited);
    }
    let [high, low] = world.tiers();
    // Before acceptance there is no licence to move; the invitation stays open.
    assert_eq!(reaches(world, &wish(1, Action::Move, Some(&invited), Seat::Active(high))).await, invited);
    assert_eq!(world.invitations(&email(1)).await, 1);
    world.come(&[email(1)]).await;
    let here = reaches(world, &invite).await;
    assert_eq!((here.id, here.seat), (invited.id, Seat::Active(low)), "on the default licence, and not asked again");
    assert_eq!(world.invitations(&email(1)).await, 1);
}

pub async fn an_invitation_is_withdrawn<W: World>(world: &mut W) {
    if world.store().kind().await.unwrap() != StoreKind::Team {
        // Without invitations: to be vacant is what somebody without an account is already.
        assert_eq!(apply_one(world, &wish(1, Action::Remove, None, Seat::Vacant)).await, Outcome::Done(None));
        assert_eq!(listed(world).await, []);
        return;
    }
    let invited = reaches(world, &wish(1, Action::Invite, None, Seat::Invited)).await;
    let withdrawal = wish(1, Action::Remove, Some(&invited), Seat::Vacant);
    for _ in 0..2 {
        assert_eq!(apply_one(world, &withdrawal).await, Outcome::Done(None));
        assert_eq!(listed(world).await, []);
    }
    assert_eq!(reaches(world, &wish(1, Action::Invite, None, Seat::Invited)).await.seat, Seat::Invited);
}

pub async fn an_address_changes_and_the_account_stays<W: World>(world: &mut W) {
    let [high, low] = world.tiers();
    let before = seated(world, 1, &low).await;
    let married = Intent { email: address("married"), ..wish(1, Action::Rename, Some(&before), before.seat.clone()) };
    if !world.store().renames() {
        assert!(matches!(apply_one(world, &married).await, Outcome::Rejected(_)));
        assert_eq!(listed(world).await, [before]);
        return;
    }
    let after = reaches(world, &married).await;
    assert_eq!(after, Observed { email: address("married"), ..before });
    assert_eq!(reaches(world, &married).await, after, "twice is once");

    // With a change of the seat the address goes along.
    let again = Intent { email: address("again"), ..wish(1, Action::Move, Some(&after), Seat::Active(high.clone())) };
    let moved = reaches(world, &again).await;
    assert_eq!(moved, Observed { email: address("again"), seat: Seat::Active(high), ..after });
    assert_eq!(listed(world).await.len(), 1, "no second account");

    // The old address is free for somebody else.
    let heir = seated(world, 2, &low).await;
    let inherits = Intent { email: address("married"), ..wish(2, Action::Rename, Some(&heir), heir.seat.clone()) };
    assert_eq!(reaches(world, &inherits).await.email, address("married"));
}

pub async fn an_address_that_is_taken_is_refused<W: World>(world: &mut W) {
    let [_, low] = world.tiers();
    let (first, second) = (seated(world, 1, &low).await, seated(world, 2, &low).await);
    let rename = Intent { email: email(2), ..wish(1, Action::Rename, Some(&first), first.seat.clone()) };
    match apply_one(world, &rename).await {
        Outcome::Rejected(words) => assert!(!words.is_empty()),
        other => panic!("{other:?}"),
    }
    assert_eq!(listed(world).await, [first, second]);
}

pub async fn two_people_exchange_addresses<W: World>(world: &mut W) {
    let [high, low] = world.tiers();
    let (first, second) = (seated(world, 1, &low).await, seated(world, 2, &high).await);
    let swap = [
        Intent { email: email(2), ..wish(1, Action::Rename, Some(&first), first.seat.clone()) },
        Intent { email: email(1), ..wish(2, Action::Rename, Some(&second), second.seat.clone()) },
    ];
    let outcomes = apply(world, &swap).await;
    if world.store().renames() {
        let expected = [Observed { email: email(2), ..first.clone() }, Observed { email: email(1), ..second.clone() }];
        assert_eq!(outcomes, expected.map(|observed| Outcome::Done(Some(observed))));
    }
    for (seat, id) in [(first.seat, first.id), (second.seat, second.id)] {
        assert_eq!(at(world, &id).await.unwrap().seat, seat, "the seats stay where they are");
    }
}

pub async fn accounts_are_found_by_key_identity_and_address<W: World>(world: &mut W) {
    let [high, low] = world.tiers();
    let (first, second) = (seated(world, 1, &high).await, seated(world, 2, &low).await);
    let nobody = Sought { guid: guid(9), account: None, email: address("nobody") };
    let lost = Sought { account: Some(UserId::new("lost-key")), ..nobody.clone() };
    let by_key = Sought { account: Some(second.id.clone()), ..nobody.clone() };
    let cased = Sought { email: Email::parse("PERSON1@corp.EXAMPLE").unwrap(), ..by_address(1) };
    let answers = world.store().find(&[by_address(2), nobody.clone(), by_key, lost, cased]).await.unwrap();
    let (one, two) = (Some(first.clone()), Some(second.clone()));
    assert_eq!(answers, [two.clone(), None, two, None, one], "in the order asked for");
    if world.keeps_identity() {
        let by_identity = Sought { guid: guid(1), ..nobody };
        assert_eq!(found(world, by_identity).await, Some(first.clone()));
        assert_eq!(first.external, Some(guid(1)));
    }
}

pub async fn another_persons_account_is_not_taken<W: World>(world: &mut W) {
    if !world.keeps_identity() {
        // Such a store knows accounts by address only; whose one is, is then for the agent's own memory to say.
        return assert!(found(world, by_address(1)).await.is_none());
    }
    let [high, low] = world.tiers();
    let first = seated(world, 1, &low).await;
    let impostor = Intent { email: email(1), ..wish(7, Action::Create, None, Seat::Active(high)) };
    match apply_one(world, &impostor).await {
        Outcome::Rejected(words) => assert!(words.contains(email(1).as_str()), "names the conflict: {words}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(found(world, Sought { guid: guid(7), account: None, email: email(1) }).await, None);
    assert_eq!(listed(world).await, [first]);
}

pub async fn an_account_made_by_hand_is_taken_over<W: World>(world: &mut W) {
    let [high, low] = world.tiers();
    world.made_by_hand(&email(1)).await;
    let by_hand = listed(world).await.remove(0);
    assert_eq!((&by_hand.seat, by_hand.external), (&Seat::Active(low), None));
    assert_eq!(found(world, by_address(1)).await.as_ref(), Some(&by_hand));
    let ours = reaches(world, &wish(1, Action::Create, None, Seat::Active(high.clone()))).await;
    assert_eq!((&ours.id, &ours.seat), (&by_hand.id, &Seat::Active(high)));
    assert_eq!(ours.external, world.keeps_identity().then(|| guid(1)));
    assert_eq!(listed(world).await.len(), 1);
}

pub async fn unmanaged_accounts_are_left_alone<W: World>(world: &mut W) {
    let [high, low] = world.tiers();
    let robot = address("robot");
    world.made_by_hand(&robot).await;
    let before = listed(world).await.remove(0);
    let here = seated(world, 1, &low).await;
    let here = reaches(world, &wish(1, Action::Move, Some(&here), Seat::Active(high))).await;
    let intent = farewell(world, 1, &here).await;
    apply_one(world, &intent).await;
    // Not even a loss that has the robot's address and a key that is gone.
    let stray = Intent { account: Some(UserId::new("lost-key")), email: robot, ..farewell(world, 8, &here).await };
    assert_eq!(apply_one(world, &stray).await, Outcome::Done(None));
    assert_eq!(at(world, &before.id).await, Some(before));
}

pub async fn one_bad_intent_does_not_hurt_the_others<W: World>(world: &mut W) {
    let [high, low] = world.tiers();
    let mut people = Vec::new();
    for number in 1..=3 {
        people.push(seated(world, number, &low).await);
    }
    let unsupported = Seat::Active(Tier::new("no-such-licence"));
    let batch = [
        wish(1, Action::Move, Some(&people[0]), Seat::Active(high.clone())),
        wish(2, Action::Move, Some(&people[1]), unsupported),
        wish(3, Action::Move, Some(&people[2]), Seat::Active(high.clone())),
    ];
    let outcomes = apply(world, &batch).await;
    assert!(matches!(&outcomes[1], Outcome::Rejected(words) if words.contains("no-such-licence")), "{outcomes:?}");
    let seats: Vec<Seat> = listed(world).await.into_iter().map(|observed| observed.seat).collect();
    assert_eq!(seats, [Seat::Active(high.clone()), Seat::Active(low), Seat::Active(high)]);
}

pub async fn what_a_kind_cannot_do_is_refused<W: World>(world: &mut W) {
    let [high, _] = world.tiers();
    let here = seated(world, 1, &high).await;
    let impossible = match world.store().kind().await.unwrap() {
        StoreKind::Team => wish(1, Action::Suspend, Some(&here), Seat::Suspended(high.clone())),
        StoreKind::EnterpriseLwa | StoreKind::EnterpriseDirectory => wish(1, Action::Remove, Some(&here), Seat::Vacant),
    };
    let outcome = apply_one(world, &impossible).await;
    assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    assert_eq!(listed(world).await, [here]);
    if world.store().kind().await.unwrap() == StoreKind::EnterpriseLwa {
        // Nobody can register for another: no account comes of it, whatever the answer is called.
        let outcome = apply_one(world, &wish(2, Action::Create, None, Seat::Active(high))).await;
        assert!(!matches!(outcome, Outcome::Done(Some(_))), "{outcome:?}");
        assert_eq!(listed(world).await.len(), 1);
    }
}

pub async fn the_list_is_complete_at_a_thousand<W: World>(world: &mut W) {
    const PEOPLE: u32 = 1_000;
    let [_, low] = world.tiers();
    let kind = world.store().kind().await.unwrap();
    let emails: Vec<Email> = (0..PEOPLE).map(email).collect();
    if kind == StoreKind::EnterpriseLwa {
        world.come(&emails).await;
    } else {
        let (action, to) = match kind {
            StoreKind::Team => (Action::Invite, Seat::Invited),
            StoreKind::EnterpriseLwa | StoreKind::EnterpriseDirectory => (Action::Create, Seat::Active(low)),
        };
        let intents: Vec<Intent> = (0..PEOPLE).map(|number| wish(number, action, None, to.clone())).collect();
        let outcomes = apply(world, &intents).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done(Some(_)))));
    }
    let mut expected = emails;
    expected.sort();
    let there: Vec<Email> = listed(world).await.into_iter().map(|observed| observed.email).collect();
    assert_eq!(there, expected);
    let sought: Vec<Sought> = (0..PEOPLE).rev().map(by_address).collect();
    let answers = world.store().find(&sought).await.unwrap();
    assert!(answers.iter().zip(&sought).all(|(answer, sought)| answer.as_ref().unwrap().email == sought.email));
}

pub async fn what_was_answered_is_there_after_a_restart<W: World>(world: &mut W) {
    let [high, low] = world.tiers();
    let leaver = seated(world, 1, &high).await;
    seated(world, 2, &low).await;
    let intent = farewell(world, 1, &leaver).await;
    apply_one(world, &intent).await;
    let before = listed(world).await;
    world.restart().await;
    assert_eq!(listed(world).await, before);
    let promotion = wish(2, Action::Move, before.last(), Seat::Active(high.clone()));
    assert_eq!(reaches(world, &promotion).await.seat, Seat::Active(high));
}
