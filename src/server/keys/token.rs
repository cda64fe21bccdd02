//! Bearer tokens of SCIM clients: each for one account, kept as a digest only, so that who reads the file cannot ask.
//!
//! ```text
//! SCIM3F9C0A51B2D47E88.<40 characters>
//! id, no secret        240 random bits
//! ```
//!
//! A plain SHA-256 is enough: what it is made of cannot be guessed, unlike a password. Rotating keeps the former token good
//! beside the new one, until it is revoked or the next rotation: a client is given the new one in between, without a gap.

use super::{Access, KeyRing};
use crate::model::Timestamp;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::{Choice, ConstantTimeEq};

/// Between the id and the secret of a token.
const SEPARATOR: char = '.';
/// Longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 256;

/// The SHA-256 of a token.
pub type TokenDigest = [u8; 32];

/// A bearer token, as far as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub(super) id: String,
    pub(super) digest: TokenDigest,
    /// Of the token before the last rotation, while it is good.
    pub(super) former: Option<TokenDigest>,
    pub(super) account: String,
    pub(super) access: Access,
    /// Whether it may also make licences and delete them.
    pub(super) licences: bool,
    pub(super) note: String,
    pub(super) created: Option<Timestamp>,
}

impl Token {
    /// Its id; no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The account that it is for.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// What it may be used for.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Whether it may change anything.
    pub fn may_change(&self) -> bool {
        match self.access {
            Access::Read => false,
            Access::Change => true,
        }
    }

    /// Whether it may also make licences and delete them.
    pub fn may_change_licences(&self) -> bool {
        self.may_change() && self.licences
    }

    /// Whether the token before the last rotation is good, too.
    pub fn has_former(&self) -> bool {
        self.former.is_some()
    }

    /// Whose it is, in the operator's words; may be empty.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// When it was issued, or last rotated.
    pub fn created(&self) -> Option<Timestamp> {
        self.created
    }

    fn fits(&self, digest: &TokenDigest) -> Choice {
        let former = self.former.unwrap_or(self.digest);
        self.digest.ct_eq(digest) | former.ct_eq(digest)
    }
}

impl KeyRing {
    /// Whose token that is: in constant time but for the id, which is no secret.
    pub fn bearer(&self, token: &str) -> Option<&Arc<Token>> {
        let (id, _) = token.split_once(SEPARATOR).filter(|_| token.len() <= TOKEN_BYTES_MAX)?;
        let digest = digest(token);
        self.tokens.get(id).filter(|each| bool::from(each.fits(&digest)))
    }

    /// The token of that id.
    pub fn token(&self, id: &str) -> Option<&Arc<Token>> {
        self.tokens.get(id)
    }

    /// All tokens, by id.
    pub fn tokens(&self) -> Vec<&Token> {
        let mut tokens: Vec<&Token> = self.tokens.values().map(Arc::as_ref).collect();
        tokens.sort_by_key(|token| &token.id);
        tokens
    }
}

/// What is kept of a token.
pub(super) fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token.as_bytes()).into()
}

/// The token of that id with that secret.
pub(super) fn of(id: &str, secret: &str) -> SecretString {
    SecretString::from(format!("{id}{SEPARATOR}{secret}"))
}

/// A digest in hexadecimal digits.
pub(super) fn hex(digest: &TokenDigest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A digest from its hexadecimal digits.
pub(super) fn unhex(text: &str) -> Option<TokenDigest> {
    let mut digest = TokenDigest::default();
    if text.len() != 2 * digest.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(digest)
}
