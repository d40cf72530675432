//! Leaves that are owed: what they say has happened, and the journal could not take them.
//!
//! Takes the leaf of an act that stands whatever becomes of it (an extract that the policies ended, a grant that is gone); seals it, or keeps it and tries
//! again each second and once more when the gateway stops. Refuses to keep more than [`OWED_MAX`]. They lie in memory: after a crash what was revoked follows from the hashes of
//! the `loaded` leaf, and extracts are gone with their keys. A leaf of which nobody knew whether it was sealed can stand twice, and says the same twice.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use shuguan_ledger::leaf::Event;
use uuid::Uuid;

use crate::journal::{Entry, Journal, RefusalDraft, SealError};

/// As many as the journal has counters of refusals; there is one for each extract that was prepared and each grant, so that only a journal that is gone for long has more.
const OWED_MAX: usize = 10_000;
/// Sealed in one turn, so that what else is due each second does not wait.
pub const TURN_MAX: usize = 256;

/// A leaf to be sealed, now or later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedLeaf {
    /// Its exchange.
    pub exchange: Uuid,
    /// Partner, for finding.
    pub partner: Option<String>,
    /// What happened.
    pub event: Event,
}

impl OwedLeaf {
    /// The leaf of a refusal at an exchange.
    pub fn of_refusal(exchange: Uuid, draft: &RefusalDraft) -> Self {
        Self {
            exchange,
            partner: draft.partner.clone(),
            event: Event::Refusal(draft.event()),
        }
    }

    /// Without a receipt: any answer says that a leaf stands.
    async fn seal(self, journal: &Journal) -> Result<(), SealError> {
        let mut entry = Entry::new(self.exchange, self.event);
        entry.partner = self.partner;
        journal.seal_without_receipt(entry).await
    }
}

/// What is owed, oldest first.
#[derive(Debug, Default)]
pub struct Owed(Mutex<VecDeque<OwedLeaf>>);

impl Owed {
    /// Seals a leaf, or owes it.
    pub async fn seal(&self, journal: &Journal, leaf: OwedLeaf) {
        match leaf.clone().seal(journal).await {
            Ok(()) => {}
            Err(SealError::Unavailable) => self.owe(leaf),
            Err(error) => unfit(&leaf, &error),
        }
    }

    /// Owes a leaf that could not be sealed.
    pub fn owe(&self, leaf: OwedLeaf) {
        let mut owed = self.lock();
        if owed.len() < OWED_MAX {
            tracing::warn!(exchange.id = %leaf.exchange, "a leaf could not be sealed; it is tried again");
            owed.push_back(leaf);
        } else {
            tracing::error!(exchange.id = %leaf.exchange, "a leaf could not be sealed, and too many wait; it is not tried again");
        }
    }

    /// Whether nothing is owed.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Tries what is owed again, at most so many leaves, until the journal refuses one.
    pub async fn settle(&self, journal: &Journal, at_most: usize) {
        for _ in 0..at_most {
            // The lock is not held while it is sealed.
            let next = self.lock().pop_front();
            let Some(leaf) = next else { return };
            match leaf.clone().seal(journal).await {
                Ok(()) => {}
                Err(SealError::Unavailable) => {
                    self.lock().push_front(leaf);
                    return;
                }
                Err(error) => unfit(&leaf, &error),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<OwedLeaf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// No wait makes it one that can be sealed.
fn unfit(leaf: &OwedLeaf, error: &SealError) {
    tracing::error!(exchange.id = %leaf.exchange, error = %error, "a leaf that is owed cannot be sealed");
}

#[cfg(test)]
mod tests {
    use super::{OWED_MAX, Owed, OwedLeaf};
    use crate::journal::RefusalDraft;
    use crate::refusal::Refusal;
    use uuid::Uuid;

    #[test]
    fn no_more_is_owed_than_may_be_and_the_oldest_stay() {
        let owed = Owed::default();
        let draft = RefusalDraft::new(Some("a".into()), Refusal::GrantRevoked, "kept");
        assert!(owed.is_empty());
        for number in 0..=OWED_MAX {
            let exchange = Uuid::from_u128(u128::try_from(number).unwrap_or_default());
            owed.owe(OwedLeaf::of_refusal(exchange, &draft));
        }
        let kept = owed.lock();
        assert_eq!(kept.len(), OWED_MAX);
        assert_eq!(kept.front().map(|leaf| leaf.exchange), Some(Uuid::from_u128(0)));
    }
}
