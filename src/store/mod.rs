//! The account store itself: who has an account, with which licence, suspended or not.
//!
//! | file | what is in it | effects |
//! |---|---|---|
//! | `user` | one user, and when a command is refused | none |
//! | `account` | one account with its users: every rule of the seat matrix | none |
//! | `book` | all accounts, and what has changed in them | none |
//! | `disk` | the book on disk: what is acknowledged is durable | disk |
//!
//! The words are those of the Chime admin API (account, user, registration status, invitation status, licence, default
//! licence, supported licences, claimed domain), so that a server can hand the same book out without translation.
//!
//! Deliberately absent: any clock or source of identities (both are arguments), sending mail (an invitation is a fact
//! about a user), any knowledge of the directory, any listing that stops half-way.

pub mod account;
pub mod book;
pub mod disk;
pub mod user;

#[cfg(test)]
mod laws;

pub use account::{Account, AccountId, Profile};
pub use book::{Book, Record};
pub use disk::{DiskBook, StoreError};
pub use user::{Invitation, Refusal, RefusalCode, Registration, User};
