//! The leaf that says by which configuration a gateway runs.
//!
//! Takes the SHA-256 of the file; seals a `config` leaf when it is another than the log knows. Refuses to go on without it. A crash after it leaves a leaf that the
//! next start agrees with.

use shuguan_ledger::leaf::{ConfigEvent, Digest, Event};

use super::StartFault;
use crate::journal::Journal;

/// Seals it; nothing is accepted before.
pub(super) async fn seal(journal: &Journal, sha256: [u8; 32]) -> Result<(), StartFault> {
    let known = journal.last_config().await.map_err(StartFault::Journal)?;
    if known == Some(sha256) {
        return Ok(());
    }
    let event = Event::Config(ConfigEvent {
        cfg: Digest(sha256),
        prev: known.map(Digest),
    });
    journal.seal_own(event).await.map_err(StartFault::Unsealed)?;
    Ok(())
}
