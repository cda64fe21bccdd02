//! The account store as a service of its own.
//!
//! | file | what is in it |
//! |---|---|
//! | `serve` | all of it put together |
//! | `listen`, `tls` | connections, their limits and time-outs; the certificate, read again while the server runs |
//! | `http` | a request to the admin API, from the body to the answer |
//! | `admission` | who may ask: the signature, with `keys`, `rate` and `replay` |
//! | `desk` | one thread owns the book; what comes together shares one write |
//! | `api` | the Chime admin API over the book |
//!
//! Deliberately absent: rules about seats and accounts (`store`), the command line (`cli`), signals.

pub mod admission;
pub mod api;
pub mod desk;
pub mod keys;
pub mod listen;
pub mod rate;
pub mod replay;
pub mod tls;
