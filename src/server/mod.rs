//! The account store as a service of its own.
//!
//! | file | what is in it |
//! |---|---|
//! | `command` | what an administrator can ask for, and the answers; one path for the network and for the files |
//! | `desk` | one thread owns the book; what comes together shares one write |
//! | `dns` | whose a domain is: the TXT records |
//! | `listen` | connections, their limits and time-outs |
//! | `tls` | the certificate and its key, read again while the server runs |

pub mod admission;
pub mod command;
pub mod desk;
pub mod dns;
pub mod keys;
pub mod listen;
pub mod rate;
pub mod replay;
pub mod tls;
