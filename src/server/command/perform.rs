//! A command, the book, and what comes from outside: the answer, or a refusal that leaves nothing behind.
//!
//! Several people in one command are several wishes: each is granted or refused for itself, and the answer names both.

use super::view::{self, Answer, Failure, LogLine, UserStatus, UserView};
use super::{Command, Fresh, LINES_MAX, PEOPLE_MAX, kind_named, plain};
use crate::model::{Email, Tier, Timestamp, UserId};
use crate::server::dns;
use crate::store::{
    Account, AccountId, AccountKind, Book, Claim, Entry, Invitation, LinkSecret, Mail, Refusal, RefusalCode, User,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for itself in a path (RFC 3986, unreserved); all else is escaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Command {
    /// Carries it out. After a refusal the book has to be put back as it was, which `Session::act` does; one that only
    /// reads changes nothing.
    ///
    /// # Errors
    /// What the book says.
    pub fn perform(&self, book: &mut Book, at: Timestamp, fresh: &Fresh) -> Result<Answer, Refusal> {
        match self {
            Self::AccountCreate { name, id } => {
                let id = id.clone().map_or_else(|| fresh.account_id(), Ok)?;
                book.create_account(&id, name, at).map(|account| shown(account))
            }
            Self::AccountList { after } => Ok(accounts(book, after.as_ref())),
            Self::AccountShow { account } => book
                .account(account)
                .map(shown)
                .ok_or_else(|| Refusal::new(RefusalCode::NotFound, format!("there is no account {account}"))),
            Self::AccountRename { account, name } => edit(book, account, |account| account.set_name(name)),
            Self::AccountDefaultLicence { account, licence } => {
                edit(book, account, |account| account.set_default_licence(licence))
            }
            Self::AccountSupport { account, licence } => edit(book, account, |account| account.support(licence)),
            Self::AccountConnectDirectory { account } => edit(book, account, Account::connect_directory),
            Self::AccountKind { account, kind } => {
                let kind = kind_named(kind).ok_or_else(|| unknown_kind(kind))?;
                edit(book, account, |account| account.become_enterprise(kind))
            }
            Self::AccountDelete { account } => {
                book.close_account(account, at)?;
                Self::AccountShow { account: account.clone() }.perform(book, at, fresh)
            }
            Self::AccountRestore { account } => {
                book.reopen_account(account, at)?;
                book.open_to(account).map(shown)
            }
            Self::DomainClaim { account, domain } => {
                let claim = book.claim_domain(account, domain, fresh.token.clone(), at)?;
                Ok(Answer::Domain(view::claim(&claim)))
            }
            Self::DomainVerify { account, domain } => verify(book, account, &plain(domain), &fresh.texts),
            Self::DomainRelease { account, domain } => {
                let domain = plain(domain);
                book.account_mut(account)?.release(&domain, at)?;
                one_domain(book.open_to(account)?, &domain)
            }
            Self::DomainUnclaim { account, domain } => {
                book.account_mut(account)?.unclaim(&plain(domain))?;
                Ok(Answer::Domains { domains: view::domains(book.open_to(account)?) })
            }
            Self::DomainList { account } => Ok(Answer::Domains { domains: view::domains(book.open_to(account)?) }),
            Self::UserList { account, status, licence, domain, after } => {
                let account = book.open_to(account)?;
                let wanted =
                    Wanted { status: *status, licence: licence.as_ref(), domain: domain.as_deref().map(plain) };
                Ok(users(account, &wanted, after.as_ref()))
            }
            Self::UserShow { account, who } => {
                let account = book.open_to(account)?;
                Ok(one_user(account, found(account, who)?))
            }
            Self::UserInvite { account, emails, again } => {
                check_people(emails.len())?;
                book.ensure_link_secret(LinkSecret::new(fresh.secret));
                let account = book.account_mut(account)?;
                let mut ids = fresh.ids.iter();
                Ok(batch(emails, Email::as_str, |email| invite(account, email, *again, &mut ids, at)))
            }
            Self::UserLink { account, who } => {
                book.ensure_link_secret(LinkSecret::new(fresh.secret));
                link(book, account, who)
            }
            Self::UserAccept { account, who } => {
                one(book, account, who, |account, id| account.accept(id, at).map(drop))
            }
            Self::UserRegister { account, email } => {
                let id = match account {
                    Some(id) => id.clone(),
                    None => owner(book, email)?,
                };
                let account = book.account_mut(&id)?;
                let user = account.register(email, fresh.user_id()?, at)?.clone();
                Ok(one_user(account, &user))
            }
            Self::UserCreate { account, email, licence } => {
                let account = book.account_mut(account)?;
                let user = account.create(email, licence, None, fresh.user_id()?, at)?.clone();
                Ok(one_user(account, &user))
            }
            Self::UserDevice { account, name, email } => {
                let account = book.account_mut(account)?;
                let user = account.create_device(name, email, fresh.user_id()?, at)?.clone();
                Ok(one_user(account, &user))
            }
            Self::UserAssign { account, licence, who } => {
                each(book, account, who, |account, id| account.assign(id, licence).map(drop))
            }
            Self::UserSuspend { account, who } => each(book, account, who, |account, id| account.suspend(id).map(drop)),
            Self::UserActivate { account, who } => {
                each(book, account, who, |account, id| account.activate(id).map(drop))
            }
            Self::UserRemove { account, who } => each(book, account, who, Account::remove),
            Self::UserWithdraw { account, who } => each(book, account, who, Account::withdraw),
            Self::UserRename { account, who, email } => one(book, account, who, |account, id| {
                account.rename(&[(id.clone(), email.clone())]).into_iter().collect()
            }),
            Self::UserSignOut { account, who } => {
                one(book, account, who, |account, id| account.sign_out(id, at).map(drop))
            }
            Self::Audit { account, user, before: _, most } => {
                Ok(log(&fresh.log, account.as_ref(), user.as_deref(), most.unwrap_or(LINES_MAX)))
            }
            Self::SignIn { email } => Ok(view::sign_in(email, book.sign_in(email))),
        }
    }
}

/// Makes an account of any kind, whose domains somebody vouches for in place of the DNS: who has the files of a stopped
/// server has everything in them. No [`Command`], so that no server does it.
///
/// # Errors
/// What the book says: a domain that another account has, an enterprise account without a domain, a team with one.
pub fn create_vouched(book: &mut Book, at: Timestamp, fresh: &Fresh, wish: &VouchedAccount) -> Result<Answer, Refusal> {
    let VouchedAccount { name, id, kind, domains } = wish;
    let kind = kind_named(kind).ok_or_else(|| unknown_kind(kind))?;
    let id = id.clone().map_or_else(|| fresh.account_id(), Ok)?;
    book.create_account(&id, name, at)?;
    if !kind.is_enterprise() && !domains.is_empty() {
        return Err(Refusal::new(
            RefusalCode::BadRequest,
            "a team has no domains: its first one makes it an enterprise account",
        ));
    }
    for domain in domains {
        let domain = plain(domain);
        book.claim_domain(&id, &domain, fresh.token.clone(), at)?;
        book.verify_domain(&id, &domain)?;
    }
    if kind.is_enterprise() {
        book.account_mut(&id)?.become_enterprise(kind)?;
    }
    book.open_to(&id).map(shown)
}

/// An account whose domains somebody vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VouchedAccount {
    /// For people.
    pub name: String,
    /// For programs; one is made up without.
    pub id: Option<AccountId>,
    /// As in the admin API.
    pub kind: String,
    /// Its domains, verified from the beginning.
    pub domains: Vec<String>,
}

impl Fresh {
    fn id(&self) -> Result<&str, Refusal> {
        self.ids.first().map(String::as_str).ok_or_else(|| Refusal::new(RefusalCode::BadRequest, "no id was given"))
    }

    fn account_id(&self) -> Result<AccountId, Refusal> {
        let id = self.id()?;
        AccountId::parse(id)
            .ok_or_else(|| Refusal::new(RefusalCode::BadRequest, format!("{id:?} is not an account id")))
    }

    fn user_id(&self) -> Result<UserId, Refusal> {
        self.id().map(UserId::new)
    }
}

fn shown(account: &Account) -> Answer {
    Answer::Account(Box::new(view::account(account)))
}

fn one_user(account: &Account, user: &User) -> Answer {
    Answer::User(Box::new(view::user(account, user)))
}

fn unknown_kind(kind: &str) -> Refusal {
    let kinds = AccountKind::ALL.map(|kind| kind.to_string()).join(", ");
    Refusal::new(RefusalCode::BadRequest, format!("{kind:?} is no kind of account: {kinds}"))
}

/// Changes an account, and shows it.
fn edit(
    book: &mut Book,
    account: &AccountId,
    change: impl FnOnce(&mut Account) -> Result<(), Refusal>,
) -> Result<Answer, Refusal> {
    let account = book.account_mut(account)?;
    change(account)?;
    Ok(shown(account))
}

fn accounts(book: &Book, after: Option<&AccountId>) -> Answer {
    let mut behind = book.accounts().filter(|account| after.is_none_or(|after| account.profile().id > *after));
    let accounts: Vec<_> = behind.by_ref().take(LINES_MAX).map(view::account_line).collect();
    let next = behind.next().and_then(|_| accounts.last().map(|last| last.id.clone()));
    Answer::Accounts { accounts, next }
}

/// The token is compared here, in the same moment in which the domain is given: a claim that was given up or made anew
/// meanwhile is not verified by the answer to another.
fn verify(book: &mut Book, id: &AccountId, domain: &str, texts: &[String]) -> Result<Answer, Refusal> {
    let claim = waiting(book, id, domain)?;
    let token = claim.token.clone().unwrap_or_default();
    if !dns::proves(texts, &token) {
        let message = format!(
            "the DNS of {domain} does not show the TXT record \"{}\" ({} others were found): add it to the domain itself, \
             and try again once its name servers answer with it",
            dns::record(&token),
            texts.len()
        );
        return Err(Refusal::new(RefusalCode::PreconditionFailed, message));
    }
    book.verify_domain(id, domain)?;
    one_domain(book.open_to(id)?, domain)
}

/// The claim of an account on a domain that waits for its DNS. Without one there is nothing to ask the DNS about.
pub(super) fn waiting<'a>(book: &'a Book, id: &AccountId, domain: &str) -> Result<&'a Claim, Refusal> {
    let profile = book.open_to(id)?.profile();
    profile.claims.get(domain).filter(|claim| claim.token.is_some()).ok_or_else(|| {
        if profile.has_domain(domain) {
            Refusal::new(RefusalCode::Conflict, format!("{domain} is verified already"))
        } else {
            Refusal::new(RefusalCode::NotFound, format!("account {id} has no claim on {domain}: claim it first"))
        }
    })
}

fn one_domain(account: &Account, domain: &str) -> Result<Answer, Refusal> {
    let domain = view::domains(account).into_iter().find(|each| each.domain == domain);
    let domain = domain.ok_or_else(|| Refusal::new(RefusalCode::NotFound, "the account has no such domain"))?;
    Ok(Answer::Domain(domain))
}

/// Which users are wanted; what is `None` is all.
struct Wanted<'a> {
    status: Option<UserStatus>,
    licence: Option<&'a Tier>,
    domain: Option<String>,
}

fn users(account: &Account, wanted: &Wanted<'_>, after: Option<&UserId>) -> Answer {
    let Wanted { status, licence, domain } = wanted;
    let fits = |user: &&User| {
        status.is_none_or(|status| UserStatus::of(account, user) == status)
            && licence.is_none_or(|licence| user.licence.as_ref() == Some(licence))
            && domain.as_deref().is_none_or(|domain| user.email.domain() == domain)
    };
    let mut behind = account.users_after(after).filter(fits);
    let users: Vec<UserView> = behind.by_ref().take(LINES_MAX).map(|user| view::user(account, user)).collect();
    let next = behind.next().and_then(|_| users.last().map(|last| last.id.clone()));
    Answer::Users { users, next }
}

/// Whom a text means: an address if it has an `@`, else an id.
fn found<'a>(account: &'a Account, who: &str) -> Result<&'a User, Refusal> {
    let user = match Email::parse(who) {
        Some(email) => account.by_email(&email),
        None => account.user(&UserId::new(who.trim())),
    };
    user.ok_or_else(|| {
        let message = format!("there is no user {} in account {}", who.trim(), account.profile().id);
        Refusal::new(RefusalCode::NotFound, message)
    })
}

/// The account that has the domain of an address.
fn owner(book: &Book, email: &Email) -> Result<AccountId, Refusal> {
    let account = book.by_domain(&email.domain()).ok_or_else(|| {
        let message = format!("no account has the domain {}: name the account", email.domain());
        Refusal::new(RefusalCode::NotFound, message)
    })?;
    Ok(account.profile().id.clone())
}

fn check_people(count: usize) -> Result<(), Refusal> {
    if (1..=PEOPLE_MAX).contains(&count) {
        return Ok(());
    }
    Err(Refusal::new(RefusalCode::BadRequest, format!("{count} people in one command: it takes 1 to {PEOPLE_MAX}")))
}

/// Does something with one user.
fn one(
    book: &mut Book,
    account: &AccountId,
    who: &str,
    act: impl FnOnce(&mut Account, &UserId) -> Result<(), Refusal>,
) -> Result<Answer, Refusal> {
    let account = book.account_mut(account)?;
    let id = found(account, who)?.id.clone();
    act(account, &id)?;
    Ok(one_user(account, found(account, &id.text())?))
}

/// Does something with each of several users.
fn each(
    book: &mut Book,
    account: &AccountId,
    who: &[String],
    act: impl Fn(&mut Account, &UserId) -> Result<(), Refusal>,
) -> Result<Answer, Refusal> {
    check_people(who.len())?;
    let account = book.account_mut(account)?;
    Ok(batch(who, String::as_str, |who| {
        let before = found(account, who)?.clone();
        let gone = UserView { status: UserStatus::Removed, licence: None, ..view::user(account, &before) };
        act(account, &before.id)?;
        Ok(account.user(&before.id).map_or(gone, |user| view::user(account, user)))
    }))
}

fn batch<T>(items: &[T], name: impl Fn(&T) -> &str, mut act: impl FnMut(&T) -> Result<UserView, Refusal>) -> Answer {
    let (mut users, mut failed) = (Vec::new(), Vec::new());
    for item in items {
        match act(item) {
            Ok(user) => users.push(user),
            Err(Refusal { code, message }) => {
                failed.push(Failure { who: name(item).to_owned(), code: format!("{code:?}"), message });
            }
        }
    }
    Answer::Batch { users, failed }
}

/// Who comes anew, or is asked again, gets an e-mail; who is there already stays as is.
fn invite<'a>(
    account: &mut Account,
    email: &Email,
    again: bool,
    ids: &mut impl Iterator<Item = &'a String>,
    at: Timestamp,
) -> Result<UserView, Refusal> {
    let known = account.by_email(email).map(|user| (user.id.clone(), user.invitation));
    let id = match known {
        None => {
            let id = ids.next().ok_or_else(|| Refusal::new(RefusalCode::BadRequest, "no id was given"))?;
            let id = account.invite(email, None, UserId::new(id), at)?.id.clone();
            account.set_mail(&id, Mail::Due)?;
            id
        }
        Some((id, Invitation::Pending)) if again => {
            // Refuses what is no team any more.
            account.invite(email, None, id.clone(), at)?;
            account.invite_again(&id, at)?;
            account.set_mail(&id, Mail::Due)?;
            id
        }
        Some((id, Invitation::None | Invitation::Pending | Invitation::Accepted)) => {
            account.invite(email, None, id.clone(), at)?;
            id
        }
    };
    Ok(view::user(account, found(account, &id.text())?))
}

fn link(book: &Book, id: &AccountId, who: &str) -> Result<Answer, Refusal> {
    let account = book.open_to(id)?;
    let user = found(account, who)?;
    let secret = book.link_secret().filter(|_| user.invitation == Invitation::Pending).ok_or_else(|| {
        Refusal::new(RefusalCode::PreconditionFailed, format!("{} has no pending invitation", user.email))
    })?;
    let user_id = user.id.text();
    let [account_part, user_part] = [id.as_str(), &user_id].map(|part| utf8_percent_encode(part, ESCAPED));
    let path = format!("/invitations/{account_part}/{user_part}/{}", secret.token(id, user));
    Ok(Answer::Link { user: Box::new(view::user(account, user)), path })
}

/// The entries that are wanted of those looked at, and where to look on.
fn log(looked_at: &[(u64, Entry)], account: Option<&AccountId>, user: Option<&str>, most: usize) -> Answer {
    let most = most.clamp(1, LINES_MAX);
    let email = user.and_then(Email::parse);
    let of_user = |entry: &Entry| {
        entry.changes.iter().any(|change| match (user, &email) {
            (None, _) => true,
            (Some(_), Some(email)) => {
                change.email.as_deref().is_some_and(|text| text.eq_ignore_ascii_case(email.as_str()))
            }
            (Some(id), None) => change.kind == "user" && change.id == id.trim(),
        })
    };
    let fits = |entry: &Entry| {
        account.is_none_or(|account| entry.account == account.as_str()) && (user.is_none() || of_user(entry))
    };
    let (mut entries, mut last) = (Vec::new(), None);
    for (number, entry) in looked_at {
        if entries.len() == most {
            break;
        }
        last = Some(*number);
        if fits(entry) {
            entries.push(LogLine { number: *number, entry: entry.clone() });
        }
    }
    // The first entry of all has the number 0.
    Answer::Log { entries, next: last.filter(|number| *number > 0) }
}
