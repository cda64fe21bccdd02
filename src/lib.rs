//! `seatsync` keeps a product's licences in step with Active Directory groups.
//!
//! ```text
//! config -> directory.read -> absorb -> desire -> plan -> clear -> journal -> apply -> settle -> report
//!  (once)     effect          pure      pure     pure    pure     effect     effect    effect    value
//!             Reading         Roster   DesiredSet Plan   Cleared  Journaled  Outcomes  Snapshot  Report
//! ```
//!
//! | room | what is in it | may import |
//! |---|---|---|
//! | [`model`] | the nouns | nothing of ours |
//! | [`decide`] | who should hold what, what to change, what to hold back: pure | model |
//! | [`durable`] | sled with its guards | nothing of ours |
//! | [`halt`] | telling whoever works to stop | nothing of ours |
//! | [`trust`] | whose certificates are trusted | nothing of ours |
//! | [`web`] | what clients of HTTP share | model |
//! | [`listen`] | connections and their limits, for whatever is served over HTTP | model |
//! | [`directory`] | LDAP and LDIF | model; `ldap` also trust |
//! | [`accounts`] | the account store, seen from the agent | model; `embedded` also store, `chime` also wire and trust |
//! | [`state`] | what the agent remembers | model, durable |
//! | [`store`] | the account store itself | model, durable |
//! | [`wire`] | the Chime admin API in bytes: shapes, error codes, signatures; pure | nothing of ours |
//! | [`scim`] | SCIM 2.0 as values: schemas, filters, PATCH, errors; pure | nothing of ours |
//! | [`pass`] | the line above | model, decide, and the traits of directory, accounts, state |
//! | [`status`] | what can be said of an agent, as a value, a document, a page, metrics | model, listen |
//! | [`control`] | the socket between the commands and the daemon: asks and answers as values | model, decide, pass, status |
//! | [`server`] | the account store as a service: signatures, routes, SCIM, mail, DNS | model, store, wire, scim, listen, smtp |
//! | [`smtp`] | handing messages to a mail server | nothing of ours |
//! | [`notify`] | telling somebody by webhook and mail | model, status, smtp, trust |
//! | [`config`] | the TOML file, checked | model |
//! | [`daemon`] | the loop: one pass at a time, for months | all but cli and server |
//! | [`cli`] | the commands; the only place that prints | all |

#![forbid(unsafe_code)]

pub mod accounts;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod decide;
pub mod directory;
pub mod durable;
pub mod halt;
pub mod listen;
pub mod model;
pub mod notify;
pub mod pass;
pub mod scim;
pub mod server;
pub mod smtp;
pub mod state;
pub mod status;
pub mod store;
pub mod trust;
pub mod web;
pub mod wire;

#[cfg(test)]
mod sim;
