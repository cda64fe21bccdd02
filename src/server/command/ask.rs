//! A command at the desk of a running server.

use super::perform::waiting;
use super::{Answer, Command, Fresh};
use crate::server::desk::{Caller, Desk, DeskError};
use crate::store::Refusal;

/// Why a command has no answer, by what the caller does next.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommandError {
    /// The book says no: another command, or another state first. Nothing was changed.
    #[error("{0}")]
    Refused(Refusal),
    /// The DNS gave no answer: try again later. Nothing was changed.
    #[error("{message}")]
    Unproved {
        /// What was asked, what came back.
        message: String,
    },
    /// The desk gave no answer.
    #[error(transparent)]
    Desk(#[from] DeskError),
}

/// Carries a command out. `texts_of` gives the TXT records of a domain, or says why they are not known.
///
/// # Errors
/// See [`CommandError`].
pub async fn answer<F>(
    desk: &Desk,
    caller: &Caller,
    command: Command,
    texts_of: impl FnOnce(String) -> F,
) -> Result<Answer, CommandError>
where
    F: Future<Output = Result<Vec<String>, String>>,
{
    let mut fresh = Fresh::draw(&command).map_err(|message| DeskError::Busy { message })?;
    if let Some((account, domain)) = command.proof_needed() {
        let (account, asked) = (account.clone(), domain.clone());
        let claimed = desk.look(move |book| waiting(book, &account, &asked).map(drop)).await?;
        claimed.map_err(CommandError::Refused)?;
        fresh.texts = texts_of(domain).await.map_err(|message| CommandError::Unproved { message })?;
    }
    if let Some((before, most)) = command.log_needed() {
        fresh.log = desk.log_before(before, most).await?;
    }
    let operation = command.operation();
    let performed = desk.change(caller, operation, move |book, at| command.perform(book, at, &fresh)).await?;
    performed.map_err(CommandError::Refused)
}
