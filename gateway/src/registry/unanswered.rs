//! Orders that the registry's writer has not answered yet, and since when: a server that hangs says nothing of itself.
//!
//! Takes each order when it is given; forgets it when it is answered, or when nobody waits for it any more. Refuses nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The open orders; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Unanswered(Arc<Mutex<Orders>>);

#[derive(Debug, Default)]
struct Orders {
    next: u64,
    open: BTreeMap<u64, Instant>,
}

/// An order until it is answered.
pub(super) struct Open {
    orders: Unanswered,
    number: u64,
}

impl Unanswered {
    /// An order is given now.
    pub(super) fn open(&self) -> Open {
        self.open_at(Instant::now())
    }

    fn open_at(&self, now: Instant) -> Open {
        let mut orders = self.lock();
        let number = orders.next;
        orders.next += 1;
        orders.open.insert(number, now);
        Open {
            orders: self.clone(),
            number,
        }
    }

    /// For how long the oldest is open.
    pub(super) fn oldest(&self) -> Option<Duration> {
        self.oldest_at(Instant::now())
    }

    fn oldest_at(&self, now: Instant) -> Option<Duration> {
        let orders = self.lock();
        orders.open.values().next().map(|since| now.duration_since(*since))
    }

    fn lock(&self) -> MutexGuard<'_, Orders> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.orders.lock().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Unanswered;

    #[test]
    fn the_oldest_open_order_counts_and_an_answered_one_does_not() {
        let orders = Unanswered::default();
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(orders.oldest_at(began), None);
        let first = orders.open_at(at(0));
        let second = orders.clone().open_at(at(3));
        assert_eq!(orders.oldest_at(at(7)), Some(Duration::from_secs(7)));
        drop(first);
        assert_eq!(orders.oldest_at(at(7)), Some(Duration::from_secs(4)));
        drop(second);
        assert_eq!(orders.oldest_at(at(7)), None);
    }
}
