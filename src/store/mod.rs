//! The account store itself: who has an account, with which licence, suspended or not.
//!
//! | file | what is in it | effects |
//! |---|---|---|
//! | `user` | one user, and when a command is refused | none |
//! | `profile` | what is known of an account besides its users | none |
//! | `account` | one account with its users: every rule of the seat matrix, and what provisioning clients say | none |
//! | `domains` | domains claimed, verified, released; from a team to an enterprise account | none |
//! | `census` | seats per licence, and how many of them cost something | none |
//! | `sign_in` | may this person sign in? | none |
//! | `link` | the secret part of the link in an invitation | none |
//! | `book` | all accounts, and what has changed in them | none |
//! | `audit` | who changed what: before and after | none |
//! | `disk` | the book, kept: what is acknowledged is durable; the seam for other disks | through the seam |
//! | `sled_disk` | the book in sled | disk |
//!
//! The words are those of the Chime admin API (account, user, registration status, invitation status, licence, default
//! licence, supported licences, claimed domain), so that a server can hand the same book out without translation.
//!
//! Deliberately absent: any clock (but the one by which a disk of an older form is dated) or source of identities (both are
//! arguments), sending mail (an invitation is a fact
//! about a user), any knowledge of the directory, any listing that stops half-way.

pub mod account;
pub mod audit;
pub mod book;
mod census;
pub mod disk;
mod domains;
mod link;
pub mod profile;
mod sign_in;
pub mod sled_disk;
pub mod user;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

pub use account::{Account, Provision};
pub use audit::{Entry, EntryChange};
pub use book::{Book, Changed, Kept, Record};
pub use census::{Census, Seats};
pub use disk::{DiskBook, Session, StoreDisk, StoreError};
pub use link::LinkSecret;
pub use profile::{AccountId, AccountKind, Claim, Profile, ProfileDetails};
pub use sign_in::{Denial, SignIn};
pub use sled_disk::SledDisk;
pub use user::{Invitation, Mail, Provisioned, Refusal, RefusalCode, Registration, Times, User, UserDetails};
