//! Operations on accounts.

use super::{Ask, Fault, Reply, bounded, json, new_id, no_content, token_out, view};
use crate::model::Email;
use crate::store::{Account, AccountId, Refusal};
use crate::wire;

/// Most groups named in one request; an account has fewer.
const GROUPS_MAX: usize = 100;

impl Ask<'_> {
    pub(super) async fn list_accounts(&self) -> Result<Reply, Fault> {
        let (most, after) = (self.results()?, self.after()?);
        let name = self.asked.query("name").map(str::to_owned);
        let email = self.asked.query("user-email").map(|text| {
            Email::parse(text)
                .ok_or_else(|| Fault::bad_request(format!("user-email {text:?} is not an e-mail address")))
        });
        let email = email.transpose()?;
        if name.as_ref().is_some_and(|name| !(1..=wire::ACCOUNT_NAME_CHARS_MAX).contains(&name.chars().count())) {
            let message = format!("name has 1 to {} characters", wire::ACCOUNT_NAME_CHARS_MAX);
            return Err(Fault::bad_request(message));
        }
        let (asker, shown) = (self.asker.clone(), self.shown());
        let page = self
            .look(move |book| {
                let wanted = |account: &&Account| {
                    let profile = account.profile();
                    !profile.is_closed()
                        && asker.reaches(&profile.id)
                        && after.as_ref().is_none_or(|after| profile.id.as_str() > after.as_str())
                        && name.as_ref().is_none_or(|name| profile.name.starts_with(name.as_str()))
                        && email.as_ref().is_none_or(|email| account.by_email(email).is_some())
                };
                let mut found = book.accounts().filter(wanted);
                let accounts: Vec<wire::Account> = found.by_ref().take(most).map(&shown).collect();
                let last = accounts.last().filter(|_| found.next().is_some());
                let next_token = last.map(|account| token_out(&account.account_id));
                Ok(wire::ListAccountsResponse { accounts, next_token })
            })
            .await?;
        json(200, &page)
    }

    pub(super) async fn create_account(&self) -> Result<Reply, Fault> {
        let wire::CreateAccountRequest { name } = self.read()?;
        let name = name.ok_or_else(|| Fault::bad_request("Name is required"))?;
        if self.asker.scope.is_some() {
            let message = "this key is for certain accounts only, and cannot make another one";
            return Err(Fault::new(wire::Exception::AccessDenied, message));
        }
        let (id, shown) = (AccountId::parse(&new_id()), self.shown());
        let id = id.ok_or_else(|| Fault::new(wire::Exception::ServiceFailure, "no id for the account"))?;
        let account = self.change(move |book, at| Ok(shown(book.create_account(&id, &name, at)?))).await?;
        json(201, &wire::AccountResponse { account })
    }

    pub(super) async fn get_account(&self) -> Result<Reply, Fault> {
        let (id, shown) = (self.account()?, self.shown());
        let account = self.look(move |book| book.open_to(&id).map(shown)).await?;
        json(200, &wire::AccountResponse { account })
    }

    pub(super) async fn update_account(&self) -> Result<Reply, Fault> {
        let wire::UpdateAccountRequest { name, default_license } = self.read()?;
        let shown = self.shown();
        let account = self
            .change_account(move |account, _| {
                if let Some(name) = name {
                    account.set_name(&name)?;
                }
                if let Some(licence) = default_license {
                    let licence = view::licence_in(account.profile(), &licence);
                    account.set_default_licence(&licence)?;
                }
                Ok(shown(account))
            })
            .await?;
        json(200, &wire::AccountResponse { account })
    }

    pub(super) async fn delete_account(&self) -> Result<Reply, Fault> {
        let id = self.account()?;
        self.change(move |book, at| book.close_account(&id, at)).await?;
        Ok(no_content())
    }

    pub(super) async fn get_account_settings(&self) -> Result<Reply, Fault> {
        let id = self.account()?;
        let settings = |account: &Account| {
            let details = &account.profile().details;
            wire::AccountSettings {
                disable_remote_control: Some(details.disable_remote_control.unwrap_or(false)),
                enable_dial_out: Some(details.enable_dial_out.unwrap_or(false)),
            }
        };
        let settings = self.look(move |book| book.open_to(&id).map(settings)).await?;
        json(200, &wire::AccountSettingsBody { account_settings: Some(settings) })
    }

    pub(super) async fn update_account_settings(&self) -> Result<Reply, Fault> {
        let wire::AccountSettingsBody { account_settings } = self.read()?;
        let settings = account_settings.ok_or_else(|| Fault::bad_request("AccountSettings is required"))?;
        self.change_account(move |account, _| {
            account.set_settings(settings.disable_remote_control, settings.enable_dial_out);
            Ok::<(), Refusal>(())
        })
        .await?;
        Ok(no_content())
    }

    pub(super) async fn associate_groups(&self) -> Result<Reply, Fault> {
        let wire::AssociateGroupsRequest { signin_delegate_groups } = self.read()?;
        let groups = bounded(signin_delegate_groups, "SigninDelegateGroups", GROUPS_MAX)?;
        let names: Vec<String> = groups.into_iter().map(|group| group.group_name).collect();
        self.change_account(move |account, _| account.add_delegate_groups(&names)).await?;
        json(200, &serde_json::json!({}))
    }

    pub(super) async fn disassociate_groups(&self) -> Result<Reply, Fault> {
        let wire::DisassociateGroupsRequest { group_names } = self.read()?;
        let names = bounded(group_names, "GroupNames", GROUPS_MAX)?;
        self.change_account(move |account, _| {
            account.remove_delegate_groups(&names);
            Ok::<(), Refusal>(())
        })
        .await?;
        json(200, &serde_json::json!({}))
    }

    /// How an account is shown.
    fn shown(&self) -> impl Fn(&Account) -> wire::Account + Send + 'static {
        let (aws_account_id, extensions) = (self.api.aws_account_id.clone(), self.api.extensions());
        move |account| view::account(account.profile(), &aws_account_id, extensions)
    }
}
