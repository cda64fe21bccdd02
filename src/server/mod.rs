//! The account store as a service of its own.
//!
//! | file | what is in it |
//! |---|---|
//! | `serve` | all of it put together |
//! | `http` | a request to the admin API, from the body to the answer |
//! | `admission` | who may ask: the signature, with `keys`, `rate` and `replay` |
//! | `desk` | one thread owns the book; what comes together shares one write |
//! | `api` | the Chime admin API over the book |
//! | `scim` | SCIM 2.0 over the book, for identity providers |
//! | `command` | what an administrator can ask for: one path for the network and for the files |
//! | `outbox` | invitations whose e-mail is due |
//! | `dns` | the proof that a domain is its claimant's |
//! | `mail` | invitations on their way to people: by SMTP, or into a folder |
//! | `invitation_page` | the page behind the link of an invitation |
//! | `sign_in` | may this person sign in? For programs, and for the proxy in front of the product |
//!
//! Deliberately absent: rules about seats and accounts (`store`), connections and their limits (`listen`), the command
//! line (`cli`), signals.

pub mod admission;
pub mod api;
pub mod command;
pub mod desk;
pub mod dns;
mod http;
pub mod invitation_page;
pub mod keys;
pub mod mail;
mod outbox;
pub mod rate;
pub mod replay;
mod scim;
pub mod serve;
pub mod sign_in;
