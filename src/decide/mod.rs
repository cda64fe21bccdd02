//! Who should hold what, what to change, and what to hold back.
//!
//! ```text
//! Reading -> absorb -> Roster -> desire -> DesiredSet -> plan -> Plan -> clear -> Cleared
//! ```
//!
//! Everything here is a pure function of its arguments: the same values in any order give the same values out.
//!
//! Deliberately absent: anything async, the clock (a time is always an argument), logging, chance, the environment and
//! every kind of input or output. What cannot be known is a value of its own here (an unknown group, a person to keep
//! as is), never an empty list.

pub mod adopt;
pub mod desired;
pub mod explain;
pub mod fingerprint;
mod groups;
pub mod guard;
mod membership;
pub mod plan;
pub mod rest;
pub mod roster;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod worlds;

pub use adopt::{Adoption, adopt, inherit};
pub use desired::{Desired, DesiredSet, KeepReason, desire};
pub use explain::{Explanation, NextStep, explain};
pub use fingerprint::{Differences, Fingerprint};
pub use groups::{FoundGroup, GroupRole, Standing};
pub use guard::{Cleared, HeldChange, clear};
pub use plan::{Plan, plan};
pub use rest::changes_at;
pub use roster::{NeedsWhole, Roster, absorb, follow};
