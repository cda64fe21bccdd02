//! The laws of the whole book, of its log and of its disk.

#![allow(clippy::unwrap_used, clippy::panic)]

mod audit;
mod books;
mod disk;
mod domains;
mod forgetting;
mod keeper;
mod paging;

use super::*;
use crate::model::{Email, Timestamp, UserId};
use jiff::SignedDuration;

const TOKEN: &str = "token-for-dns";

fn account_id(text: &str) -> AccountId {
    AccountId::parse(text).unwrap()
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn user_id(text: &str) -> UserId {
    UserId::new(text)
}

/// So many days after the beginning of time.
fn day(days: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * days)
}

/// An account of that book with one verified domain.
fn with_domain<'a>(book: &'a mut Book, id: &AccountId, domain: &str) -> &'a mut Account {
    book.create_account(id, "Corp", day(0)).unwrap();
    book.claim_domain(id, domain, TOKEN.to_owned(), day(0)).unwrap();
    book.verify_domain(id, domain).unwrap();
    book.account_mut(id).unwrap()
}
