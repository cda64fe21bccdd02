//! Operations on many users at once: what can be done is done, and what was refused is named one by one.

use super::users::{check_updates, create, is_device, no_user, shown, update};
use super::{Ask, Fault, Reply, address, bounded, error_code, json, new_id, view};
use crate::model::{Email, UserId};
use crate::store::{Account, AccountKind, Invitation, Mail, Refusal, RefusalCode, Registration};
use crate::wire;
use std::collections::HashMap;

impl Ask<'_> {
    pub(super) async fn batch_update(&self) -> Result<Reply, Fault> {
        let wire::BatchUpdateUserRequest { update_user_request_items } = self.read()?;
        let items = bounded(update_user_request_items, "UpdateUserRequestItems", wire::UPDATE_ITEMS_MAX)?;
        let strict = self.api.strict;
        let mut wishes = Vec::with_capacity(items.len());
        for item in items {
            let id = item.user_id.as_deref().ok_or_else(|| Fault::bad_request("UserId is required in each item"))?;
            let device = item.user_type.as_deref().map(is_device).transpose()?;
            wishes.push((UserId::new(id), device, item));
        }
        let answer = self.change_account(move |account, _| {
            check_updates(account, strict)?;
            let mut errors = Errors::default();
            // All addresses move at one moment: two people may exchange theirs. An item whose licence would be refused
            // leaves its address alone too.
            let mut moves: Vec<(UserId, Email)> = Vec::new();
            for (id, _, item) in &wishes {
                let checked = check_item(account, id, item);
                let moved = item.primary_email.as_deref().filter(|_| !strict).map(address).transpose();
                match checked.and(moved) {
                    Ok(Some(email)) => moves.push((id.clone(), email)),
                    Ok(None) => {}
                    Err(refusal) => errors.note(id, refusal),
                }
            }
            for ((id, _), answer) in moves.iter().zip(account.rename(&moves)) {
                if let Err(refusal) = answer {
                    errors.note(id, refusal);
                }
            }
            for (id, device, item) in &wishes {
                if !errors.has(id)
                    && let Err(refusal) = update(account, id, item, *device)
                {
                    errors.note(id, refusal);
                }
            }
            Ok(errors.answer(account, wishes.iter().map(|(id, _, _)| id), strict))
        });
        json(200, &answer.await?)
    }

    pub(super) async fn batch_suspend(&self) -> Result<Reply, Fault> {
        self.each(|account, id| {
            let user = account.user(id).ok_or_else(|| no_user(id))?;
            match (account.profile().kind, user.invitation) {
                (AccountKind::Team, Invitation::Pending) => account.withdraw(id),
                (AccountKind::Team, Invitation::None | Invitation::Accepted) => account.remove(id),
                (AccountKind::EnterpriseLwa | AccountKind::EnterpriseDirectory | AccountKind::EnterpriseOidc, _) => {
                    account.suspend(id).map(drop)
                }
            }
        })
        .await
    }

    pub(super) async fn batch_unsuspend(&self) -> Result<Reply, Fault> {
        self.each(|account, id| {
            let user = account.user(id).ok_or_else(|| no_user(id))?;
            // Who was not suspended is ignored (operation documentation).
            if account.registration(user) == Registration::Suspended {
                account.activate(id)?;
            }
            Ok(())
        })
        .await
    }

    /// Does the same with each id of a list.
    async fn each(
        &self,
        act: impl Fn(&mut Account, &UserId) -> Result<(), Refusal> + Send + 'static,
    ) -> Result<Reply, Fault> {
        let wire::UserIdListRequest { user_id_list } = self.read()?;
        let ids = bounded(user_id_list, "UserIdList", wire::ID_LIST_MAX)?;
        let ids: Vec<UserId> = ids.iter().map(|id| UserId::new(id)).collect();
        let (strict, suspends) = (self.api.strict, self.asked.query("operation") == Some(wire::operation::SUSPEND));
        let answer = self.change_account(move |account, _| {
            check_updates(account, strict)?;
            if !suspends && account.profile().kind == AccountKind::Team {
                let message = "in a Team account nobody is suspended or activated, only invited again";
                return Err(Refusal::new(RefusalCode::Forbidden, message));
            }
            let mut errors = Errors::default();
            let mut done: Vec<&UserId> = Vec::with_capacity(ids.len());
            for id in &ids {
                // An id that stands twice is done once.
                if done.contains(&id) || errors.has(id) {
                    continue;
                }
                match act(account, id) {
                    Ok(()) => done.push(id),
                    Err(refusal) => errors.note(id, refusal),
                }
            }
            Ok(errors.answer(account, ids.iter(), strict))
        });
        json(200, &answer.await?)
    }

    pub(super) async fn invite(&self) -> Result<Reply, Fault> {
        let wire::InviteUsersRequest { user_email_list, user_type, resend_pending } = self.read()?;
        let addresses = bounded(user_email_list, "UserEmailList", wire::EMAIL_LIST_MAX)?;
        let device = is_device(user_type.as_deref().unwrap_or("PrivateUser"))?;
        if let Some(text) = addresses.iter().find(|text| !fits_the_model(text)) {
            return Err(Fault::bad_request(format!("{text:?} is not an e-mail address")));
        }
        let strict = self.api.strict;
        let again = strict || resend_pending != Some(false);
        let invites = self.change_account(move |account, at| {
            if account.profile().kind != AccountKind::Team {
                let message = format!("in an account of kind {} nobody is invited", account.profile().kind);
                return Err(Refusal::new(RefusalCode::Forbidden, message));
            }
            let mut asked: Vec<UserId> = Vec::new();
            let mut invites = Vec::with_capacity(addresses.len());
            for text in &addresses {
                let Ok(email) = address(text) else {
                    invites.push(wire::Invite {
                        status: Some("Failed".to_owned()),
                        email_address: Some(text.clone()),
                        email_status: Some("NotSent".to_owned()),
                        ..wire::Invite::default()
                    });
                    continue;
                };
                let known = account.by_email(&email).map(|user| (user.id.clone(), user.invitation));
                let id = match known {
                    None => {
                        let id = account.invite(&email, None, UserId::new(&new_id()), at)?.id.clone();
                        account.edit_details(&id, |details| {
                            details.mail = Mail::Due;
                            details.shared_device = device;
                        })?;
                        id
                    }
                    Some((id, Invitation::Pending)) if again && !asked.contains(&id) => {
                        account.invite_again(&id, at)?;
                        account.set_mail(&id, Mail::Due)?;
                        id
                    }
                    Some((id, _)) => id,
                };
                let user = account.user(&id).ok_or_else(|| no_user(&id))?;
                invites.push(wire::Invite {
                    invite_id: Some(id.to_string()),
                    // Who is a member without ever having been asked needs no invitation any more.
                    status: Some(view::invitation_status(user).unwrap_or("Accepted").to_owned()),
                    email_address: Some(text.clone()),
                    email_status: Some(view::mail_status(user.mail()).to_owned()),
                    user: (!strict).then(|| view::user(account, user)),
                });
                asked.push(id);
            }
            Ok(invites)
        });
        json(201, &wire::InviteUsersResponse { invites: invites.await? })
    }

    /// Extension.
    pub(super) async fn batch_create(&self) -> Result<Reply, Fault> {
        let wire::BatchCreateUserRequest { create_user_request_items } = self.read()?;
        let items = bounded(create_user_request_items, "CreateUserRequestItems", wire::CREATE_ITEMS_MAX)?;
        let answer = self.change_account(move |account, at| {
            if account.profile().kind != AccountKind::EnterpriseDirectory {
                let message = format!("in an account of kind {} nobody is created", account.profile().kind);
                return Err(Refusal::new(RefusalCode::Forbidden, message));
            }
            let mut answer = wire::BatchResponse { user_errors: Vec::new(), users: Some(Vec::new()) };
            for item in &items {
                match create(account, item, at) {
                    Ok(user) => answer.users.get_or_insert_default().push(user),
                    Err(Refusal { code, message }) => answer.user_errors.push(wire::UserError {
                        user_id: item.email.clone().unwrap_or_default(),
                        error_code: error_code(code),
                        error_message: message,
                    }),
                }
            }
            Ok(answer)
        });
        json(200, &answer.await?)
    }
}

/// The model's pattern of an address, `.+@.+\..+`. What fits it and is none all the same fails by itself.
fn fits_the_model(text: &str) -> bool {
    let behind = |(local, rest): (&str, &str)| {
        !local.is_empty() && rest.char_indices().any(|(at, c)| c == '.' && at > 0 && at + 1 < rest.len())
    };
    text.split_once('@').is_some_and(behind)
}

/// What would make an item fail besides its address.
fn check_item(account: &Account, id: &UserId, item: &wire::UpdateUserRequest) -> Result<(), Refusal> {
    account.user(id).ok_or_else(|| no_user(id))?;
    match &item.license_type {
        Some(name) => account.may_assign(id, &view::licence_in(account.profile(), name)),
        None => Ok(()),
    }
}

/// Who was refused, and why; the first reason counts.
#[derive(Default)]
struct Errors {
    order: Vec<UserId>,
    refusals: HashMap<UserId, Refusal>,
}

impl Errors {
    fn note(&mut self, id: &UserId, refusal: Refusal) {
        if !self.has(id) {
            self.order.push(id.clone());
            self.refusals.insert(id.clone(), refusal);
        }
    }

    fn has(&self, id: &UserId) -> bool {
        self.refusals.contains_key(id)
    }

    /// The answer: who was refused, and, unless strict, the others as they are now.
    fn answer<'a>(
        mut self,
        account: &Account,
        asked: impl Iterator<Item = &'a UserId>,
        strict: bool,
    ) -> wire::BatchResponse {
        let mut seen: Vec<&UserId> = Vec::new();
        let users = (!strict).then(|| {
            asked
                .filter(|id| {
                    let first = !seen.contains(id);
                    seen.push(id);
                    first && !self.has(id)
                })
                .filter_map(|id| shown(account, id).ok())
                .collect()
        });
        let order = std::mem::take(&mut self.order);
        let user_errors = order
            .iter()
            .filter_map(|id| self.refusals.remove_entry(id))
            .map(|(id, Refusal { code, message })| wire::UserError {
                user_id: id.to_string(),
                error_code: error_code(code),
                error_message: message,
            })
            .collect();
        wire::BatchResponse { user_errors, users }
    }
}
