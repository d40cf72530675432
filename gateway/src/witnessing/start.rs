//! Before serving: does a witness know more of our log than our journal does?
//!
//! Takes the journal as it lies on disk, before it is opened for writing: opening it seals a leaf, which would be the first of a fork.
//! Refuses when a witness shows a checkpoint that our own key signed and the journal does not contain. A witness that does not answer
//! decides later, at the first contact.

use futures_util::future::join_all;
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::tree;
use shuguan_ledger::trust::Trust;

use super::{LinkFault, Witnessing};
use crate::journal::{JournalFault, JournalPlace, Reader};

/// The journal is not the one that was signed last.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RolledBack {
    /// Entries are missing at its end.
    #[error(
        "the witness `{witness}` holds a checkpoint of {signed} entries that this log signed; the journal holds {found}: \
         entries {found} to {} are missing",
        signed.saturating_sub(1)
    )]
    Short {
        /// Name of the witness.
        witness: String,
        /// Entries that were signed.
        signed: u64,
        /// Entries in the journal.
        found: u64,
    },
    /// It has another history.
    #[error(
        "the witness `{witness}` holds a checkpoint of {signed} entries that this log signed, and the first {signed} entries of the \
         journal are others: a second log runs under this key, or the journal went on after it was put back"
    )]
    Forked {
        /// Name of the witness.
        witness: String,
        /// Entries that were signed.
        signed: u64,
    },
}

impl RolledBack {
    /// What to do about it.
    pub fn next(&self) -> &'static str {
        match self {
            Self::Short { .. } => {
                "put the newest copy of the journal back, with its -wal file; if it is lost, the missing entries can only be shown by \
                 those who hold their receipts: shuguan db recover --help"
            }
            Self::Forked { .. } => {
                "stop every gateway under this key; find the journal whose entries the witness signed; if it is lost, begin a new log \
                 under a new key and origin"
            }
        }
    }
}

impl Witnessing {
    /// Asks every witness that answers; `ours` is what our own keys sign.
    ///
    /// # Errors
    /// The outer one: the journal cannot be read. The inner one: it is not the one that was signed last, with the checkpoint that shows it.
    pub async fn compare(
        &self,
        place: &JournalPlace,
        origin: &str,
        ours: &Trust,
    ) -> Result<Result<(), (RolledBack, String)>, JournalFault> {
        let asking = self.links.iter().map(|link| async {
            let shown = match link.stored(origin).await {
                Ok(shown) => shown?,
                Err(fault) => {
                    tracing::warn!(witness = link.name, cause = %crate::chain::Chain(&fault), "a witness cannot be asked before the start; its first signature decides");
                    return None;
                }
            };
            let opened = ours.open(&shown).ok();
            if opened.is_none() {
                tracing::warn!(witness = link.name, "what a witness shows for this log is not signed by it");
            }
            Some((link.name.clone(), opened?, shown))
        });
        let shown: Vec<(String, Checkpoint, String)> = join_all(asking).await.into_iter().flatten().collect();
        if shown.is_empty() {
            return Ok(Ok(()));
        }
        let place = place.clone();
        let compared = tokio::task::spawn_blocking(move || contained(&place, shown)).await;
        compared.map_err(|_| JournalFault::Worker)?
    }
}

impl Witnessing {
    /// The checkpoint of a log that each witness holds, as it shows it.
    pub async fn shown(&self, origin: &str) -> Vec<(String, Result<Option<String>, LinkFault>)> {
        let looking = self
            .links
            .iter()
            .map(|link| async { (link.name.clone(), link.stored(origin).await) });
        join_all(looking).await
    }

    /// What each witness shows for a log: how many entries it signed last, none for nothing.
    pub async fn look(&self, origin: &str, ours: &Trust) -> Vec<(String, Result<Option<u64>, LinkFault>)> {
        let looking = self.links.iter().map(|link| async {
            let shown = link.stored(origin).await;
            let size = shown.and_then(|shown| match shown.map(|note| ours.open(&note)) {
                None => Ok(None),
                Some(Ok(checkpoint)) => Ok(Some(checkpoint.size)),
                Some(Err(_)) => Err(LinkFault::Garbage),
            });
            (link.name.clone(), size)
        });
        join_all(looking).await
    }
}

fn contained(
    place: &JournalPlace,
    shown: Vec<(String, Checkpoint, String)>,
) -> Result<Result<(), (RolledBack, String)>, JournalFault> {
    let reader = Reader::open(place)?;
    let found = reader.size()?;
    for (witness, checkpoint, note) in shown {
        let signed = checkpoint.size;
        if signed > found {
            return Ok(Err((RolledBack::Short { witness, signed, found }, note)));
        }
        if tree::root(&reader, signed)? != checkpoint.root {
            return Ok(Err((RolledBack::Forked { witness, signed }, note)));
        }
    }
    Ok(Ok(()))
}
