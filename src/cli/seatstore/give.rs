//! What was typed, as commands of the account store: one, or several where one takes only so much.

use super::arguments::{AccountCommand, DomainCommand, DomainOptions, UserCommand, UserOptions};
use super::reach::Reach;
use super::show;
use crate::cli::exit::{Exit, Stop};
use crate::model::{Email, UserId};
use crate::server::command::{Answer, Command, Failure, LogLine, PEOPLE_MAX, UserView, VouchedAccount};
use crate::store::AccountId;

/// Most accounts named to who has to choose one.
const NAMED_MAX: usize = 10;

/// `seatstore account …`.
pub(super) async fn account(mut reach: Reach, command: AccountCommand, json: bool) -> Result<Exit, Stop> {
    let command = match command {
        AccountCommand::Create { name, id, kind: None, domain: _ } => Command::AccountCreate { name, id },
        AccountCommand::Create { name, id, kind: Some(kind), domain } => {
            let wish = VouchedAccount { name, id, kind, domains: domain };
            return show::answer(&reach.create_vouched(&wish).await?, json);
        }
        AccountCommand::List => {
            let accounts = all_accounts(&mut reach).await?;
            return show::answer(&Answer::Accounts { accounts, next: None }, json);
        }
        AccountCommand::Show { account } => Command::AccountShow { account: chosen(&mut reach, account).await? },
        AccountCommand::Rename { account, name } => Command::AccountRename { account, name },
        AccountCommand::DefaultLicence { account, licence } => Command::AccountDefaultLicence { account, licence },
        AccountCommand::Support { account, licence } => Command::AccountSupport { account, licence },
        AccountCommand::ConnectDirectory { account } => Command::AccountConnectDirectory { account },
        AccountCommand::Kind { account, kind } => Command::AccountKind { account, kind },
        AccountCommand::Delete { account } => Command::AccountDelete { account },
        AccountCommand::Restore { account } => Command::AccountRestore { account },
    };
    show::answer(&reach.give(&command).await?, json)
}

/// `seatstore domain …`.
pub(super) async fn domain(mut reach: Reach, options: DomainOptions, json: bool) -> Result<Exit, Stop> {
    let account = chosen(&mut reach, options.of.account).await?;
    let command = match options.command {
        DomainCommand::Claim { domain } => Command::DomainClaim { account, domain },
        DomainCommand::Verify { domain } => Command::DomainVerify { account, domain },
        DomainCommand::Release { domain } => Command::DomainRelease { account, domain },
        DomainCommand::Unclaim { domain } => Command::DomainUnclaim { account, domain },
        DomainCommand::List => Command::DomainList { account },
    };
    show::answer(&reach.give(&command).await?, json)
}

/// `seatstore user …`.
pub(super) async fn user(mut reach: Reach, options: UserOptions, json: bool) -> Result<Exit, Stop> {
    let UserOptions { of, command } = options;
    // The one command that finds its account itself.
    if let UserCommand::Register { email } = command {
        let command = Command::UserRegister { account: of.account, email };
        return show::answer(&reach.give(&command).await?, json);
    }
    let account = chosen(&mut reach, of.account).await?;
    let command = match command {
        UserCommand::Register { email } => Command::UserRegister { account: Some(account), email },
        UserCommand::List { status, licence, domain } => {
            let page = |after| Command::UserList {
                account: account.clone(),
                status,
                licence: licence.clone(),
                domain: domain.clone(),
                after,
            };
            let users = all_users(&mut reach, page).await?;
            return show::answer(&Answer::Users { users, next: None }, json);
        }
        UserCommand::Link { who } => {
            let answer = reach.give(&Command::UserLink { account, who }).await?;
            return show::link(&answer, &reach.public_url(), json);
        }
        UserCommand::Invite { emails, again } => {
            let invite = |emails| Command::UserInvite { account: account.clone(), emails, again };
            return in_parts(&mut reach, emails, invite, json).await;
        }
        UserCommand::Assign { licence, who } => {
            let assign = |who| Command::UserAssign { account: account.clone(), licence: licence.clone(), who };
            return in_parts(&mut reach, who, assign, json).await;
        }
        UserCommand::Suspend { who } => {
            return in_parts(&mut reach, who, |who| Command::UserSuspend { account: account.clone(), who }, json).await;
        }
        UserCommand::Activate { who } => {
            return in_parts(&mut reach, who, |who| Command::UserActivate { account: account.clone(), who }, json)
                .await;
        }
        UserCommand::Remove { who } => {
            return in_parts(&mut reach, who, |who| Command::UserRemove { account: account.clone(), who }, json).await;
        }
        UserCommand::Withdraw { who } => {
            return in_parts(&mut reach, who, |who| Command::UserWithdraw { account: account.clone(), who }, json)
                .await;
        }
        UserCommand::Show { who } => Command::UserShow { account, who },
        UserCommand::Accept { who } => Command::UserAccept { account, who },
        UserCommand::Create { email, licence } => Command::UserCreate { account, email, licence },
        UserCommand::Device { name, email } => Command::UserDevice { account, name, email },
        UserCommand::Rename { who, email } => Command::UserRename { account, who, email },
        UserCommand::SignOut { who } => Command::UserSignOut { account, who },
    };
    show::answer(&reach.give(&command).await?, json)
}

/// `seatstore audit`.
pub(super) async fn audit(
    mut reach: Reach,
    account: Option<AccountId>,
    user: Option<String>,
    max: usize,
    json: bool,
) -> Result<Exit, Stop> {
    let mut entries: Vec<LogLine> = Vec::new();
    let mut before = None;
    loop {
        let most = max.saturating_sub(entries.len());
        if most == 0 {
            break;
        }
        let command = Command::Audit { account: account.clone(), user: user.clone(), before, most: Some(most) };
        let Answer::Log { entries: more, next } = reach.give(&command).await? else { return Err(unexpected()) };
        entries.extend(more);
        // Numbers fall, so that this ends whatever a server says.
        match next.filter(|next| before.is_none_or(|before| *next < before)) {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    show::answer(&Answer::Log { entries, next: None }, json)
}

/// `seatstore sign-in`. That somebody may not is an answer and no failure.
pub(super) async fn sign_in(mut reach: Reach, email: Email, json: bool) -> Result<Exit, Stop> {
    show::answer(&reach.give(&Command::SignIn { email }).await?, json)
}

/// The account named, or the only one there is.
async fn chosen(reach: &mut Reach, named: Option<AccountId>) -> Result<AccountId, Stop> {
    if let Some(account) = named {
        return Ok(account);
    }
    let accounts = all_accounts(reach).await?;
    let open: Vec<&str> = accounts.iter().filter(|line| line.closed_at.is_none()).map(|line| &*line.id).collect();
    match open.as_slice() {
        [] => Err(Stop::Other(format!(
            "there is no account in {}: make one with `seatstore account create`",
            reach.config().store_path.display()
        ))),
        [only] => AccountId::parse(only).ok_or_else(unexpected),
        several => {
            let dots = if several.len() > NAMED_MAX { ", …" } else { "" };
            let named: Vec<_> = several.iter().take(NAMED_MAX).map(|id| crate::cli::show::printable(id)).collect();
            Err(Stop::Usage(format!("name the account: there are {}{dots}", named.join(", "))))
        }
    }
}

/// Every account, the deleted ones included, by id.
pub(super) async fn all_accounts(reach: &mut Reach) -> Result<Vec<crate::server::command::AccountLine>, Stop> {
    let (mut accounts, mut after) = (Vec::new(), None::<AccountId>);
    loop {
        let answer = reach.give(&Command::AccountList { after: after.clone() }).await?;
        let Answer::Accounts { accounts: more, next } = answer else { return Err(unexpected()) };
        accounts.extend(more);
        // Ids rise, so that this ends whatever a server says.
        match next.and_then(|next| AccountId::parse(&next)).filter(|next| after.as_ref().is_none_or(|it| next > it)) {
            Some(next) => after = Some(next),
            None => return Ok(accounts),
        }
    }
}

async fn all_users(reach: &mut Reach, page: impl Fn(Option<UserId>) -> Command) -> Result<Vec<UserView>, Stop> {
    let (mut users, mut after) = (Vec::new(), None::<UserId>);
    loop {
        let Answer::Users { users: more, next } = reach.give(&page(after.clone())).await? else {
            return Err(unexpected());
        };
        users.extend(more);
        match next.map(|next| UserId::new(&next)).filter(|next| after.as_ref().is_none_or(|it| next > it)) {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    users.sort_by(|a, b| a.email.cmp(&b.email));
    Ok(users)
}

/// Gives one command for as many people as it takes, and the next. What was done is shown even if a later one fails.
async fn in_parts<T: Clone>(
    reach: &mut Reach,
    people: Vec<T>,
    command: impl Fn(Vec<T>) -> Command,
    json: bool,
) -> Result<Exit, Stop> {
    let (mut users, mut failed): (Vec<UserView>, Vec<Failure>) = Default::default();
    let mut stopped = None;
    for part in people.chunks(PEOPLE_MAX) {
        match reach.give(&command(part.to_vec())).await {
            Ok(Answer::Batch { users: done, failed: refused }) => {
                users.extend(done);
                failed.extend(refused);
            }
            Ok(_) => stopped = Some(unexpected()),
            Err(stop) => stopped = Some(stop),
        }
        if stopped.is_some() {
            break;
        }
    }
    let nothing_done = users.is_empty() && failed.is_empty();
    match stopped {
        Some(stop) if nothing_done => Err(stop),
        stopped => {
            let exit = show::answer(&Answer::Batch { users, failed }, json)?;
            stopped.map_or(Ok(exit), Err)
        }
    }
}

fn unexpected() -> Stop {
    Stop::Other("the account store gave an answer to something else; this is a mistake in the program".to_owned())
}
