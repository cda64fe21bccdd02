//! Domains of an account: claimed, shown in DNS, verified, released; and what they make of the account.
//!
//! ```text
//!            claim                 verify                       release
//! nobody's ---------> on its way ---------> claimed and verified ---------> released: who registered before is out,
//!            a token for DNS       a Team becomes EnterpriseLWA             and back when it is verified again
//! ```
//!
//! Nobody's record changes when a domain goes: that somebody is out follows from the domain, so that an account of a hundred
//! thousand users is released in one small write, and comes back whole.

use super::account::Account;
use super::book::Book;
use super::profile::{AccountId, AccountKind, Claim, DOMAINS_MAX};
use super::user::{Refusal, RefusalCode};
use crate::model::{Email, Timestamp};

impl Account {
    /// Claims a domain: its DNS has to show the token from now on. Claimed again, the token stays.
    ///
    /// # Errors
    /// `BadRequest` for something that is no domain, `ResourceLimitExceeded` for more than [`DOMAINS_MAX`].
    pub(super) fn claim(&mut self, domain: &str, token: String, at: Timestamp) -> Result<&Claim, Refusal> {
        let domain = normal(domain);
        if Email::parse(&format!("someone@{domain}")).is_none_or(|email| email.domain() != domain) {
            return Err(Refusal::new(RefusalCode::BadRequest, format!("{domain:?} is not a domain")));
        }
        let profile = self.profile();
        if profile.has_domain(&domain) {
            let message = format!("{domain} is claimed by this account and verified already");
            return Err(Refusal::new(RefusalCode::Conflict, message));
        }
        let before = profile.claims.get(&domain).cloned();
        if before.is_none() && profile.domains.len() + profile.claims.len() >= DOMAINS_MAX {
            let message = format!("an account has at most {DOMAINS_MAX} domains");
            return Err(Refusal::new(RefusalCode::ResourceLimitExceeded, message));
        }
        if before.as_ref().is_none_or(|claim| claim.token.is_none()) {
            let released_at = before.and_then(|claim| claim.released_at);
            let claim = Claim { domain: domain.clone(), token: Some(token), at, released_at };
            self.set_claim(&domain, Some(claim));
        }
        self.profile().claims.get(&domain).ok_or_else(|| no_claim(&domain))
    }

    /// Gives up a claim that was not verified.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn unclaim(&mut self, domain: &str) -> Result<(), Refusal> {
        let domain = &normal(domain);
        let claim = self.profile().claims.get(domain).filter(|claim| claim.token.is_some());
        let claim = claim.cloned().ok_or_else(|| no_claim(domain))?;
        // Who was put out by an earlier release stays out.
        let rest = claim.released_at.map(|_| Claim { token: None, ..claim });
        self.set_claim(domain, rest);
        Ok(())
    }

    /// The DNS showed the token: the domain is the account's. The first one makes a team an `EnterpriseLWA` account, whose
    /// users stay as they are.
    fn verified(&mut self, domain: &str) -> Result<(), Refusal> {
        if !self.profile().claims.get(domain).is_some_and(|claim| claim.token.is_some()) {
            return Err(no_claim(domain));
        }
        self.set_claim(domain, None);
        let mut domains = self.profile().domains.clone();
        domains.push(domain.to_owned());
        domains.sort();
        domains.dedup();
        self.replace_domains(domains);
        self.edit_profile(|profile| {
            profile.details.domains_only = true;
            if profile.kind == AccountKind::Team {
                profile.kind = AccountKind::EnterpriseLwa;
            }
        });
        Ok(())
    }

    /// Lets a domain go: who is suspended stays so, who is registered is out until the domain is verified again.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn release(&mut self, domain: &str, at: Timestamp) -> Result<(), Refusal> {
        let domain = &normal(domain);
        if !self.profile().has_domain(domain) {
            let message = format!("{domain} is not a verified domain of this account");
            return Err(Refusal::new(RefusalCode::NotFound, message));
        }
        let domains = self.profile().domains.iter().filter(|each| each != &domain).cloned().collect();
        self.replace_domains(domains);
        let claim = Claim { domain: domain.clone(), token: None, at, released_at: Some(at) };
        self.set_claim(domain, Some(claim));
        self.edit_profile(|profile| profile.details.domains_only = true);
        Ok(())
    }

    /// Connects a directory: the account becomes `EnterpriseDirectory`, and people register themselves no more.
    ///
    /// # Errors
    /// `PreconditionFailed` without a verified domain.
    pub fn connect_directory(&mut self) -> Result<(), Refusal> {
        self.become_enterprise(AccountKind::EnterpriseDirectory)
    }

    /// Makes it an enterprise account of that kind.
    ///
    /// # Errors
    /// `PreconditionFailed` for a team without a verified domain, `BadRequest` for the way back to a team.
    pub fn become_enterprise(&mut self, kind: AccountKind) -> Result<(), Refusal> {
        if !kind.is_enterprise() {
            let message = "an enterprise account does not become a team again".to_owned();
            return Err(Refusal::new(RefusalCode::BadRequest, message));
        }
        if self.profile().domains.is_empty() {
            let message = format!("account {} has no verified domain: claim one first", self.profile().id);
            return Err(Refusal::new(RefusalCode::PreconditionFailed, message));
        }
        self.edit_profile(|profile| profile.kind = kind);
        Ok(())
    }
}

impl Book {
    /// Claims a domain for an account. Several accounts may try; the first that verifies it has it.
    ///
    /// # Errors
    /// `NotFound`, `BadRequest`, `ResourceLimitExceeded`; `Conflict` when another account has it.
    pub fn claim_domain(
        &mut self,
        id: &AccountId,
        domain: &str,
        token: String,
        at: Timestamp,
    ) -> Result<Claim, Refusal> {
        self.check_free(id, &normal(domain))?;
        self.account_mut(id)?.claim(domain, token, at).cloned()
    }

    /// The DNS showed the token.
    ///
    /// # Errors
    /// `NotFound` without a claim; `Conflict` when another account was faster.
    pub fn verify_domain(&mut self, id: &AccountId, domain: &str) -> Result<&Account, Refusal> {
        let domain = normal(domain);
        self.check_free(id, &domain)?;
        let account = self.account_mut(id)?;
        account.verified(&domain)?;
        Ok(account)
    }

    /// The account that has the domain (in lower case); never one that was deleted, which has none.
    pub fn by_domain(&self, domain: &str) -> Option<&Account> {
        self.accounts().find(|account| account.profile().has_domain(domain))
    }

    fn check_free(&self, id: &AccountId, domain: &str) -> Result<(), Refusal> {
        match self.by_domain(domain).filter(|account| account.profile().id != *id) {
            None => Ok(()),
            // Whose it is, is not for another account to know.
            Some(_) => {
                Err(Refusal::new(RefusalCode::Conflict, format!("{domain} is claimed by another account already")))
            }
        }
    }
}

/// A domain in the form in which domains are compared.
fn normal(domain: &str) -> String {
    domain.trim().to_lowercase()
}

fn no_claim(domain: &str) -> Refusal {
    Refusal::new(RefusalCode::NotFound, format!("this account has no claim on {domain} that waits for its DNS"))
}
