//! The secret part of the link in an invitation: made from the invitation, so that nothing has to be kept for it.

use super::profile::AccountId;
use super::user::User;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The secret of an account store, from which the links of its invitations are made.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkSecret([u8; 32]);

impl LinkSecret {
    /// Of random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// To be kept.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What stands in the link, in hexadecimal. It names this one invitation: asked again, the user gets another.
    pub fn token(&self, account: &AccountId, user: &User) -> String {
        // Any key length is one for HMAC; without a token no link fits.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        for part in [account.as_str().as_bytes(), user.id.text().as_bytes(), user.email.key().as_bytes()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.update(&user.invitations_sent.to_be_bytes());
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether a token is that of the user's last invitation, compared in constant time.
    pub fn fits(&self, account: &AccountId, user: &User, token: &str) -> bool {
        let own = self.token(account, user);
        !own.is_empty() && bool::from(own.as_bytes().ct_eq(token.as_bytes()))
    }
}

/// Says that there is one, and not what it is.
impl std::fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkSecret(..)")
    }
}
