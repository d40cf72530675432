//! Idempotency keys whose first request is still being handled.
//!
//! A second request with the same key is told to come back (409), because the answer of the first is not known yet.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The tags of the keys in flight; bounded by the requests in flight.
#[derive(Clone, Debug, Default)]
pub struct KeysInFlight(Arc<Mutex<HashSet<[u8; 32]>>>);

/// One key in flight; free again when dropped.
#[derive(Debug)]
pub struct InFlight {
    keys: KeysInFlight,
    tag: [u8; 32],
}

impl InFlight {
    /// Takes the key, unless somebody has it.
    pub fn begin(keys: &KeysInFlight, tag: [u8; 32]) -> Option<Self> {
        let fresh = keys.0.lock().unwrap_or_else(PoisonError::into_inner).insert(tag);
        fresh.then(|| Self {
            keys: keys.clone(),
            tag,
        })
    }

    /// The tag of partner and key.
    pub fn tag(&self) -> [u8; 32] {
        self.tag
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.keys
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.tag);
    }
}
