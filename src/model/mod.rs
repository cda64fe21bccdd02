//! The nouns: what the other rooms talk about.
//!
//! Plain values with their invariants in their constructors. This room imports nothing of ours and has no effects.
//!
//! Deliberately absent: anything async, any clock (a time is always an argument), any text format of a server or a file.

pub mod change;
pub mod details;
pub mod dn;
pub mod email;
pub mod exchange;
pub mod expiry;
pub mod filetime;
pub mod group;
pub mod guid;
pub mod memory;
pub mod person;
pub mod reading;
pub mod report;
pub mod rules;
pub mod seat;
pub mod sid;
pub mod snapshot;
pub mod tier;

pub use change::{Action, Because, Cause, Change, GroupPath, Intent, Outcome};
pub use details::{Detail, DetailSource, Details, DetailsMark};
pub use dn::{Containers, Dn, DnKey};
pub use email::{Email, Mailbox};
pub use exchange::{Exchange, Meter, Peer, Went};
pub use expiry::Expiry;
pub use filetime::FileTime;
pub use group::{Group, Member};
pub use guid::ObjectGuid;
pub use memory::{Approval, Fact, Memory, Origin, RememberedGroup, Settlement, Shown};
pub use person::Person;
pub use reading::{Delta, GroupChange, MemberChange, News, Reading, Wanted};
pub use report::{Counts, HeldNote, HistoryEntry, PassId, PassRecord, PassResult, Warning, WarningKind};
pub use rules::{GroupRef, Limit, Limits, OnLeave, Rules, TierRule};
pub use seat::{Holding, Observed, Seat, StoreKind, UserId};
pub use sid::Sid;
pub use snapshot::Snapshot;
pub use tier::{Tier, Tiers};

/// An instant, always UTC inside the program; shown as RFC 3339.
pub type Timestamp = jiff::Timestamp;
