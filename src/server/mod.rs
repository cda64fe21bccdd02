//! The account store as a service of its own.
//!
//! | file | what is in it |
//! |---|---|
//! | `desk` | one thread owns the book; what comes together shares one write |
//! | `listen` | connections, their limits and time-outs |
//! | `tls` | the certificate and its key, read again while the server runs |

pub mod desk;
pub mod listen;
pub mod tls;
