//! `accounts list`: the seats in the account store, as it says itself.

use super::arguments::{AccountsCommand, AccountsOptions};
use super::exit::{Exit, Stop};
use super::world::{self, Purpose, Ties};
use super::{ask, json, show};
use crate::accounts::AccountStore;
use crate::control::{Answer, Ask};
use crate::model::Observed;
use std::path::Path;

/// `seatsync accounts list`.
pub(super) async fn accounts(config: &Path, options: AccountsOptions) -> Result<Exit, Stop> {
    let AccountsCommand::List { json } = options.command;
    let (account, mut observed) = match ask::service(config, Ask::Accounts).await? {
        Some(Answer::Accounts { account, observed }) => (account, observed),
        Some(_) => return Err(ask::unexpected()),
        None => {
            let config = world::configuration(config)?;
            let observed = world::accounts(&config, Purpose::Look, &Ties::default())?.list().await?;
            (config.accounts.account().to_owned(), observed)
        }
    };
    observed.sort_by(|a, b| a.email.cmp(&b.email).then_with(|| a.id.cmp(&b.id)));
    if json {
        json::print(&json::accounts(&account, &observed))?;
    } else {
        show::say(&text(&account, &observed))?;
    }
    Ok(Exit::Done)
}

fn text(account: &str, observed: &[Observed]) -> String {
    let rows: Vec<Vec<String>> = observed
        .iter()
        .map(|Observed { id, email, seat, .. }| {
            let tier = seat.tier().map_or("-", |tier| tier.name());
            vec![email.to_string(), tier.to_owned(), crate::status::status_word(seat).to_owned(), id.to_string()]
        })
        .collect();
    let held = observed.iter().filter(|each| each.seat.is_held()).count();
    format!(
        "{}account {}: {} accounts, {held} active\n",
        show::table(&["email", "tier", "status", "id"], &rows),
        show::printable(account),
        observed.len()
    )
}
