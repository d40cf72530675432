//! The memory in which workbooks are held while they come and are read: a bound for the process, and a partner's share of it.
//!
//! Takes what a decoder says that it holds, as it grows; gives back what is dropped. Refuses with 503 when there is no more: a workbook is held from its
//! first byte, for as long as its sender likes to send it, so that a few connections could otherwise take all the memory there is.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};

use crate::exchange::Refused;
use crate::refusal::Refusal;

/// What may be held, and what is.
#[derive(Debug)]
pub(crate) struct Memory {
    bytes_max: u64,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: u64,
    partners: HashMap<String, u64>,
}

impl Memory {
    /// So many bytes in all, of which half are one partner's share.
    pub(crate) fn new(bytes_max: NonZeroU64) -> Self {
        Self {
            bytes_max: bytes_max.get(),
            taken: Mutex::default(),
        }
    }

    /// Nothing yet, of that partner.
    pub(crate) fn hold(self: &Arc<Self>, partner: &str) -> Holding {
        Holding {
            memory: Arc::clone(self),
            partner: partner.to_owned(),
            bytes: 0,
        }
    }

    #[cfg(test)]
    fn all(&self) -> u64 {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

/// What one upload holds; given back when dropped.
#[derive(Debug)]
pub struct Holding {
    memory: Arc<Memory>,
    partner: String,
    bytes: u64,
}

impl Holding {
    /// It holds so many bytes now.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] when there is no room for them, in all or in the partner's share. What it held before stays counted until it is dropped.
    pub fn resize(&mut self, bytes: usize) -> Result<(), Refused> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if bytes == self.bytes {
            return Ok(());
        }
        let mut taken = self.memory.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.partners.get(&self.partner).copied().unwrap_or(0);
        let own = own.saturating_sub(self.bytes).saturating_add(bytes);
        let all = taken.all.saturating_sub(self.bytes).saturating_add(bytes);
        let share = self.memory.bytes_max / 2;
        if bytes > self.bytes && (all > self.memory.bytes_max || own > share) {
            return Err(Refused::new(Refusal::Overloaded)
                .detail("workbooks that are being read take all the memory that they may")
                .retry_after(RETRY_AFTER_S));
        }
        taken.all = all;
        if own == 0 {
            taken.partners.remove(&self.partner);
        } else {
            taken.partners.insert(self.partner.clone(), own);
        }
        drop(taken);
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        // Less is never refused.
        let _ = self.resize(0);
    }
}

/// As long as a workbook of usual size takes to come and to be read.
const RETRY_AFTER_S: u64 = 10;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::num::NonZeroU64;
    use std::sync::Arc;

    use super::{Holding, Memory};
    use crate::refusal::Refusal;

    fn memory(bytes_max: u64) -> Arc<Memory> {
        Arc::new(Memory::new(NonZeroU64::new(bytes_max).unwrap()))
    }

    fn refused(holding: &mut Holding, bytes: usize) -> Option<Refusal> {
        let refused = holding.resize(bytes).err()?;
        assert!(refused.retry_after_s.is_some());
        Some(refused.refusal)
    }

    #[test]
    fn one_partner_holds_half_at_most_however_many_uploads_he_has() {
        let memory = memory(100);
        let (mut first, mut second) = (memory.hold("a"), memory.hold("a"));
        assert_eq!(refused(&mut first, 51), Some(Refusal::Overloaded));
        assert_eq!(refused(&mut first, 30), None);
        assert_eq!(refused(&mut second, 21), Some(Refusal::Overloaded));
        assert_eq!(refused(&mut second, 20), None);
        assert_eq!(refused(&mut memory.hold("b"), 50), None);
    }

    #[test]
    fn all_together_hold_no_more_than_the_bound() {
        let memory = memory(100);
        let (mut a, mut b, mut c) = (memory.hold("a"), memory.hold("b"), memory.hold("c"));
        assert_eq!(refused(&mut a, 40), None);
        assert_eq!(refused(&mut b, 40), None);
        assert_eq!(refused(&mut c, 21), Some(Refusal::Overloaded));
        assert_eq!(refused(&mut c, 20), None);
        assert_eq!(refused(&mut a, 41), Some(Refusal::Overloaded));
        // What was refused is not counted.
        assert_eq!(memory.all(), 100);
        assert_eq!(refused(&mut a, 40), None);
    }

    #[test]
    fn what_shrinks_or_is_dropped_is_given_back() {
        let memory = memory(100);
        let mut a = memory.hold("a");
        assert_eq!(refused(&mut a, 50), None);
        assert_eq!(refused(&mut memory.hold("a"), 1), Some(Refusal::Overloaded));
        assert_eq!(refused(&mut a, 10), None);
        assert_eq!(refused(&mut memory.hold("a"), 40), None);
        assert_eq!(memory.all(), 10);
        drop(a);
        assert_eq!(memory.all(), 0);
        assert!(memory.taken.lock().unwrap().partners.is_empty());
    }
}
