//! A batch of intents carried to the server: in each round, all errands that want the same kind of request share as few
//! requests as the contract allows, and these go out together.

use super::call::Call;
use super::client::Client;
use super::errand::{Answer, Errand, Want};
use super::look::{Look, Lookout};
use super::profile::{Profile, Seen};
use crate::accounts::reach::failure::{Failure, tidy};
use crate::model::{Email, Intent, Outcome};
use crate::wire::{
    BatchResponse, CREATE_ITEMS_MAX, CreateUserRequest, EMAIL_LIST_MAX, ErrorCode, Extension, ID_LIST_MAX,
    InviteUsersResponse, UPDATE_ITEMS_MAX, UpdateUserRequest, User,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Most rounds for one batch: the longest way (a key that is lost, a look, an update, a resumption, looks without echo) is
/// shorter.
const ROUNDS_MAX: usize = 16;
/// The wait before a round in which something is tried again that the server had a fault with.
const FAULT_PAUSE: Duration = Duration::from_secs(1);

/// Kinds of request that take several items, in the order in which they go out: what frees an address goes before what
/// takes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Update,
    Suspend,
    Unsuspend,
    Invite,
    Create,
}

/// One item of a request, and whose errand it is. Two errands may want the same.
#[derive(Clone, Debug)]
struct Item {
    want: Want,
    whose: Vec<usize>,
}

/// The answer to a request of several items.
enum Reply {
    Batch(BatchResponse),
    Invites(InviteUsersResponse),
}

/// Brings each intent to its target: one outcome an intent, in the same order.
pub(super) async fn carry(
    client: &Arc<Client>,
    lookout: &mut Lookout,
    profile: &Profile,
    intents: &[Intent],
) -> Vec<Outcome> {
    let mut errands: Vec<Errand<'_>> = intents.iter().map(|intent| Errand::begin(intent, profile)).collect();
    for _ in 0..ROUNDS_MAX {
        if errands.iter().all(|errand| errand.wants().is_none()) {
            break;
        }
        for kind in [Kind::Update, Kind::Suspend, Kind::Unsuspend] {
            send(client, profile, &mut errands, kind).await;
        }
        look(lookout, profile, &mut errands).await;
        for kind in [Kind::Invite, Kind::Create] {
            send(client, profile, &mut errands, kind).await;
        }
        if errands.iter().any(Errand::has_faults) {
            sleep(FAULT_PAUSE).await;
        }
    }
    errands.into_iter().map(Errand::outcome).collect()
}

/// Everything of one kind that is wanted now, in requests filled to the brim.
async fn send(client: &Arc<Client>, profile: &Profile, errands: &mut [Errand<'_>], kind: Kind) {
    let items = gather(errands, |want| kind.is_of(want));
    let mut requests: Vec<Vec<Item>> = items.chunks(kind.items_max()).map(<[Item]>::to_vec).collect();
    let alone = requests.len() <= 1;
    while !requests.is_empty() {
        let calls = requests.iter().map(|items| kind.call(client.account(), profile, items)).collect();
        let mut halves = Vec::new();
        for (items, reply) in requests.into_iter().zip(ask(client, kind, calls).await) {
            match reply {
                Ok(reply) => {
                    for item in &items {
                        hear(errands, item, &reply.to(item, &items, profile), alone);
                    }
                }
                // One item that the server cannot even read must not cost the others.
                Err(failure) if failure.may_be_one_item() && items.len() > 1 => {
                    let (one, other) = items.split_at(items.len() / 2);
                    halves.extend([one.to_vec(), other.to_vec()]);
                }
                Err(failure) => items.iter().for_each(|item| hear(errands, item, &failed(&failure), alone)),
            }
        }
        requests = halves;
    }
}

async fn ask(client: &Arc<Client>, kind: Kind, calls: Vec<Result<Call, Failure>>) -> Vec<Result<Reply, Failure>> {
    match kind {
        Kind::Invite => {
            let answers = client.ask_all::<InviteUsersResponse>(calls).await;
            answers.into_iter().map(|answer| answer.map(Reply::Invites)).collect()
        }
        Kind::Update | Kind::Suspend | Kind::Unsuspend | Kind::Create => {
            let answers = client.ask_all::<BatchResponse>(calls).await;
            answers.into_iter().map(|answer| answer.map(Reply::Batch)).collect()
        }
    }
}

/// Every look that is wanted now.
async fn look(lookout: &mut Lookout, profile: &Profile, errands: &mut [Errand<'_>]) {
    let items = gather(errands, |want| look_of(want).is_some());
    let looks: Vec<Look> = items.iter().filter_map(|item| look_of(&item.want)).collect();
    for (item, answer) in items.iter().zip(lookout.look(profile, &looks).await) {
        let answer = match answer {
            Ok(found) => Answer::Found(found),
            Err(failure) => failed(&failure),
        };
        hear(errands, item, &answer, true);
    }
}

fn look_of(want: &Want) -> Option<Look> {
    match want {
        Want::LookUp(id) => Some(Look::Key(id.clone())),
        Want::LookFor(email) => Some(Look::Address(email.clone())),
        Want::Update { .. } | Want::Suspend(_) | Want::Unsuspend(_) | Want::Invite(_) | Want::Create { .. } => None,
    }
}

fn hear(errands: &mut [Errand<'_>], item: &Item, answer: &Answer, alone: bool) {
    for index in &item.whose {
        if let Some(errand) = errands.get_mut(*index) {
            errand.hear(answer.clone(), alone);
        }
    }
}

/// A failure of the whole request, for each of its items.
fn failed(failure: &Failure) -> Answer {
    match failure {
        Failure::Refused { status: _, kind: _, message } => Answer::Barred(message.clone()),
        Failure::Undone { message } | Failure::Unknown { message } => Answer::Unknown(message.clone()),
    }
}

/// The items that are wanted now, in the order of the errands. Who wants something else of the same account waits for the
/// next round.
fn gather(errands: &[Errand<'_>], is_wanted: impl Fn(&Want) -> bool) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (index, errand) in errands.iter().enumerate() {
        let Some(want) = errand.wants().filter(|want| is_wanted(want)) else { continue };
        match places.get(&name(want)).and_then(|place| items.get_mut(*place)) {
            Some(item) if item.want == *want => item.whose.push(index),
            Some(_) => {}
            None => {
                places.insert(name(want), items.len());
                items.push(Item { want: want.clone(), whose: vec![index] });
            }
        }
    }
    items
}

/// Whose account it is about: a key or an address.
fn name(want: &Want) -> String {
    match want {
        Want::Update { id, .. } | Want::Suspend(id) | Want::Unsuspend(id) | Want::LookUp(id) => id.to_string(),
        Want::Invite(email) | Want::Create { email, .. } | Want::LookFor(email) => email.key().into_owned(),
    }
}

impl Kind {
    fn is_of(self, want: &Want) -> bool {
        match want {
            Want::Update { .. } => self == Self::Update,
            Want::Suspend(_) => self == Self::Suspend,
            Want::Unsuspend(_) => self == Self::Unsuspend,
            Want::Invite(_) => self == Self::Invite,
            Want::Create { .. } => self == Self::Create,
            Want::LookUp(_) | Want::LookFor(_) => false,
        }
    }

    fn items_max(self) -> usize {
        match self {
            Self::Update => UPDATE_ITEMS_MAX,
            Self::Suspend | Self::Unsuspend => ID_LIST_MAX,
            Self::Invite => EMAIL_LIST_MAX,
            Self::Create => CREATE_ITEMS_MAX,
        }
    }

    fn call(self, account: &str, profile: &Profile, items: &[Item]) -> Result<Call, Failure> {
        let ids = || items.iter().map(|item| id_of(&item.want)).collect();
        match self {
            Self::Update => Call::update(account, items.iter().map(|item| update_of(&item.want)).collect()),
            Self::Suspend => Call::suspend(account, ids()),
            Self::Unsuspend => Call::unsuspend(account, ids()),
            Self::Invite => Call::invite(account, ids(), profile.has(Extension::Echo)),
            Self::Create => Call::create(account, items.iter().map(|item| creation_of(&item.want)).collect()),
        }
    }
}

/// As it is written in a list of keys or addresses.
fn id_of(want: &Want) -> String {
    match want {
        Want::Invite(email) => email.as_str().to_owned(),
        other => name(other),
    }
}

fn update_of(want: &Want) -> UpdateUserRequest {
    let (licence, email) = match want {
        Want::Update { id: _, licence, email } => (licence.clone(), email.as_ref()),
        _ => (None, None),
    };
    UpdateUserRequest {
        user_id: Some(id_of(want)),
        license_type: licence,
        primary_email: email.map(|email| email.as_str().to_owned()),
        ..UpdateUserRequest::default()
    }
}

fn creation_of(want: &Want) -> CreateUserRequest {
    match want {
        Want::Create { email, licence } => CreateUserRequest {
            email: Some(email.as_str().to_owned()),
            license_type: Some(licence.clone()),
            ..CreateUserRequest::default()
        },
        _ => CreateUserRequest::default(),
    }
}

impl Reply {
    /// What it says to one item.
    fn to(&self, item: &Item, items: &[Item], profile: &Profile) -> Answer {
        match self {
            Self::Batch(response) => batch_answer(response, item, items, profile),
            Self::Invites(response) => invite_answer(response, item, profile),
        }
    }
}

/// Who is not in `UserErrors` is done; an error of somebody unknown leaves open whose it is.
fn batch_answer(response: &BatchResponse, item: &Item, items: &[Item], profile: &Profile) -> Answer {
    let is_about = |item: &Item, written: &str| match &item.want {
        Want::Create { email, .. } => is_address(Some(written), email),
        want => name(want) == *written,
    };
    if let Some(error) = response.user_errors.iter().find(|error| is_about(item, &error.user_id)) {
        return Answer::Refused { code: error.error_code, message: tidy(&error.error_message) };
    }
    if response.user_errors.iter().any(|error| !items.iter().any(|item| is_about(item, &error.user_id))) {
        return Answer::Unknown("the account store refused one of several and did not say whose it was".to_owned());
    }
    let is_echo = |user: &&User| match &item.want {
        Want::Create { email, .. } => is_address(user.primary_email.as_deref(), email),
        want => name(want) == user.user_id,
    };
    let echo = response.users.iter().flatten().find(is_echo).map(|user| profile.see(user));
    match echo {
        Some(Seen::Person(observed)) => Answer::Done(observed),
        Some(Seen::Device | Seen::Nameless(_)) | None => Answer::Unseen,
    }
}

fn invite_answer(response: &InviteUsersResponse, item: &Item, profile: &Profile) -> Answer {
    let Want::Invite(email) = &item.want else { return Answer::Unseen };
    let Some(invite) = response.invites.iter().find(|invite| is_address(invite.email_address.as_deref(), email)) else {
        return Answer::Unseen;
    };
    match invite.user.as_ref().map(|user| profile.see(user)) {
        Some(Seen::Person(observed)) if observed.email == *email => return Answer::Done(observed),
        // Somebody else is no answer: it is looked up.
        Some(Seen::Person(_) | Seen::Device | Seen::Nameless(_)) | None => {}
    }
    let has_failed = |status: &Option<String>| status.as_deref() == Some("Failed");
    if has_failed(&invite.status) || has_failed(&invite.email_status) {
        let message = "the invitation could not be sent".to_owned();
        return Answer::Refused { code: ErrorCode::Unprocessable, message };
    }
    Answer::Unseen
}

fn is_address(written: Option<&str>, email: &Email) -> bool {
    written.and_then(Email::parse).is_some_and(|written| written == *email)
}
