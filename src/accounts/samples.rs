//! People and what is to become of them, for the tests of account stores: `NAME@corp.example`, whose account is `id-NAME`.
#![allow(clippy::unwrap_used)]

use crate::model::{Action, Email, Intent, ObjectGuid, PassId, Seat, Tier, Timestamp, UserId};

/// The address of that name.
pub(in crate::accounts) fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@corp.example")).unwrap()
}

/// A seat in use.
pub(in crate::accounts) fn active(tier: &str) -> Seat {
    Seat::Active(Tier::new(tier))
}

/// A seat that waits.
pub(in crate::accounts) fn suspended(tier: &str) -> Seat {
    Seat::Suspended(Tier::new(tier))
}

/// The identity of that name.
pub(in crate::accounts) fn guid(name: &str) -> ObjectGuid {
    let number = name.bytes().fold(7_u128, |number, byte| number.wrapping_mul(251).wrapping_add(u128::from(byte)));
    ObjectGuid::from_u128(number)
}

/// An intent for the account `id-NAME`, or for nobody's account yet.
pub(in crate::accounts) fn intent(action: Action, name: &str, known: bool, from: Seat, to: Seat) -> Intent {
    Intent {
        pass: PassId::new(Timestamp::UNIX_EPOCH, 0),
        at: Timestamp::UNIX_EPOCH,
        action,
        guid: guid(name),
        account: known.then(|| UserId::new(&format!("id-{name}"))),
        email: email(name),
        from,
        to,
        because: "tested".into(),
        details: None,
    }
}

/// From plus to pro.
pub(in crate::accounts) fn promotion(name: &str) -> Intent {
    intent(Action::Move, name, true, active("plus"), active("pro"))
}

/// Plus, suspended.
pub(in crate::accounts) fn suspension(name: &str) -> Intent {
    intent(Action::Suspend, name, true, active("plus"), suspended("plus"))
}

/// From plus to no account.
pub(in crate::accounts) fn deletion(name: &str) -> Intent {
    intent(Action::Remove, name, true, active("plus"), Seat::Vacant)
}

/// A new account with pro.
pub(in crate::accounts) fn creation(name: &str) -> Intent {
    intent(Action::Create, name, false, Seat::Vacant, active("pro"))
}

/// Another address.
pub(in crate::accounts) fn rename(name: &str, to: &str) -> Intent {
    Intent { email: email(to), ..intent(Action::Rename, name, true, active("plus"), active("plus")) }
}
