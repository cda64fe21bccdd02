//! The end of an account: the user is looked at, deleted, and looked at again. Pure.
//!
//! What is deleted comes back by nobody's hand. So each user is asked for by itself first, since a list may leave out whose it
//! is; one that is not as it was last confirmed stays; and a deletion counts once the user is not there any more. Some products
//! say yes and deactivate: that is what is seen then, and told.

use super::{Errand, OVERTAKEN_MAX, Step, Want};
use crate::accounts::reach::failure::tidy;
use crate::accounts::scim::call::Removal;
use crate::accounts::scim::look::is_anothers;
use crate::accounts::scim::user::User;
use crate::model::{Action, Outcome, Seat, UserId};

impl Errand<'_> {
    /// Whether the account is to be no more.
    pub(super) fn is_removal(&self) -> bool {
        self.intent.action != Action::Rename && self.intent.to == Seat::Vacant
    }

    /// The user is there: before the deletion, or in spite of it.
    pub(super) fn found_to_remove(&mut self, user: User) {
        if let Some(said) = &self.removal {
            let refusal = format!(
                "asked to delete user {}, the account store {said}, and the user is still there and active: whoever it is may \
                 still sign in; delete the user there by hand, or write on_leave = \"deactivate\"",
                user.id()
            );
            if user.is_active() {
                return self.settle(Outcome::Rejected(refusal));
            }
            self.seen = Some(user);
            return self.settle_as_seen();
        }
        if let Some(why) = self.is_not_as_confirmed(&user) {
            return self.settle(Outcome::Rejected(why));
        }
        let version = user.version().filter(|_| self.terms.abilities.etag).map(str::to_owned);
        let removal = Removal { id: user.id().clone(), version };
        self.seen = Some(user);
        self.step = Step::Wants(Want::Remove(removal));
    }

    /// Why the user with the key may be somebody else by now. Deleted is only who carries the person's own identity: an address may
    /// have been changed there, and be taken for confirmed by an audit since.
    fn is_not_as_confirmed(&self, user: &User) -> Option<String> {
        let (id, email, guid) = (user.id(), &self.intent.email, &self.intent.guid);
        if is_anothers(user, guid, self.terms.mapping.keeps_identity) {
            let owner = tidy(user.external_id().unwrap_or_default());
            return Some(format!(
                "user {id} belongs to the directory identity {owner} (externalId) and not to {guid}; nothing was deleted. See \
                 whose account it is, and then correct its externalId in the account store, or delete it there by hand"
            ));
        }
        if user.identity() != Some(*guid) {
            return Some(format!(
                "user {id} does not carry the directory identity {guid} (externalId), so that nobody can be sure whose it is: \
                 nothing was deleted. Delete it there by hand if it is this person's, or write that externalId on it"
            ));
        }
        let now = user.address();
        (now.as_ref() != Some(email)).then(|| {
            let now = now.map_or_else(|| "no address".to_owned(), |now| format!("the address {now}"));
            format!(
                "user {id} has {now}, not {email} as last confirmed: somebody may have handed it on, and nothing was deleted. See \
                 whose it is; seatsync sync --audit then takes it as it is there"
            )
        })
    }

    /// The server has answered, and what became of the user is seen by the user alone.
    pub(super) fn removed(&mut self, said: &str, id: UserId) {
        self.removal = Some(said.to_owned());
        self.look_up(id, true);
    }

    /// The server did not say yes.
    pub(super) fn not_removed(&mut self, id: UserId, status: Option<u16>, message: String) {
        match status {
            // Somebody else was faster, or it has no such request: the user itself tells.
            Some(404 | 410) => self.removed(&format!("said that there is no such user ({message})"), id),
            Some(412) if self.overtaken < OVERTAKEN_MAX => {
                self.overtaken += 1;
                self.look_up(id, true);
            }
            Some(403 | 405 | 501) => self.settle(Outcome::Rejected(format!(
                "{message}; if this product deletes nobody over SCIM, write on_leave = \"deactivate\""
            ))),
            Some(_) | None => self.settle(Outcome::Rejected(message)),
        }
    }
}
