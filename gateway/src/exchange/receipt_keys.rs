//! The keys that sign answers.
//!
//! Takes the keys at hand and where in the log each began; gives the one that signs the answer about a leaf: the same one as the first time, as long as it is
//! kept, so that a repeated answer has the same bytes (C4).

use std::sync::Arc;

use crate::signature::MessageKey;

/// Where a key began, and the key while it is kept.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Index of its `new` leaf.
    pub from: u64,
    /// Index of its `retired` leaf: what is sealed behind it is another key's.
    pub until: Option<u64>,
    /// None: it is not kept, and signs nothing any more.
    pub key: Option<Arc<MessageKey>>,
}

/// The keys that sign answers.
#[derive(Clone, Debug)]
pub struct ReceiptKeys {
    /// Oldest first.
    begun: Vec<Begun>,
    in_force: Arc<MessageKey>,
}

impl ReceiptKeys {
    /// Of keys in the order in which they came; none when all of them were retired.
    pub fn of(begun: Vec<Begun>) -> Option<Self> {
        let in_force = begun.iter().rev().find_map(|one| one.key.clone())?;
        Some(Self { begun, in_force })
    }

    /// The one that signs what is sealed now.
    pub fn in_force(&self) -> &MessageKey {
        &self.in_force
    }

    /// The one that signs the answer about the leaf of this index. One from before every key was answered by the first; what a retired key has signed is
    /// signed by the one in force.
    pub fn about(&self, leaf: u64) -> &MessageKey {
        let in_force_then = |one: &&Begun| one.from < leaf && one.until.is_none_or(|until| leaf <= until);
        let then = self.begun.iter().rfind(in_force_then).or(self.begun.first());
        then.and_then(|one| one.key.as_ref()).unwrap_or(&self.in_force)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::{Arc, Begun, MessageKey, ReceiptKeys};

    fn key(seed: u8) -> Arc<MessageKey> {
        Arc::new(MessageKey::from_seed(&[seed; 32]).unwrap())
    }

    fn begun(from: u64, key: Option<Arc<MessageKey>>) -> Begun {
        let until = None;
        Begun { from, until, key }
    }

    fn retired(from: u64, until: u64) -> Begun {
        let until = Some(until);
        Begun { from, until, key: None }
    }

    #[test]
    fn an_answer_about_an_older_leaf_is_signed_by_the_key_of_its_time() {
        let keys = ReceiptKeys::of(vec![begun(5, Some(key(1))), begun(20, Some(key(2)))]).unwrap();
        for (leaf, seed) in [(0, 1), (5, 1), (6, 1), (20, 1), (21, 2), (900, 2)] {
            assert_eq!(keys.about(leaf).public().id(), key(seed).public().id(), "{leaf}");
        }
        assert_eq!(keys.in_force().public().id(), key(2).public().id());
    }

    #[test]
    fn what_a_retired_key_signed_is_signed_by_the_one_in_force() {
        let keys = ReceiptKeys::of(vec![retired(5, 30), begun(20, Some(key(2)))]).unwrap();
        assert_eq!(keys.about(6).public().id(), key(2).public().id());
        // The newer one was retired, such as one that was stolen: the older one signs on.
        let keys = ReceiptKeys::of(vec![begun(5, Some(key(1))), retired(20, 30)]).unwrap();
        for leaf in [6, 21] {
            assert_eq!(keys.about(leaf).public().id(), key(1).public().id());
        }
        assert!(ReceiptKeys::of(vec![retired(5, 30)]).is_none());
    }

    #[test]
    fn what_the_older_key_signed_after_the_newer_was_retired_it_signs_again_when_a_third_one_began() {
        let two = vec![begun(5, Some(key(1))), retired(20, 30)];
        let three = [two.clone(), vec![begun(40, Some(key(3)))]].concat();
        for keys in [two, three] {
            let keys = ReceiptKeys::of(keys).unwrap();
            assert_eq!(keys.about(35).public().id(), key(1).public().id());
        }
    }
}
