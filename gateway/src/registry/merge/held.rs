//! What a snapshot holds and did not write: a number a key, packed part by part.
//!
//! Takes keys; gives eight bytes for each, and says at the end of the snapshot whether a key was among them. A row a key beside the rows would cost an
//! unchanged snapshot as much as a first one. A number is part of a digest over exchange and key: that one of a million lacking rows passes for one of ten
//! million that are held happens once in a million snapshots; then it stays open until the next one. What is held is in memory while the snapshot ends,
//! eight bytes a row. Who knows the exchange can test whether a key that he has was held: the numbers are gone with the last stride.

use std::collections::HashMap;
use std::fmt;

use ring::digest::{Context, SHA256};
use uuid::Uuid;

/// Bytes of a number.
const NUMBER_BYTES: usize = 8;

/// Keys of one snapshot, as numbers.
#[derive(Clone, Default)]
pub struct Held {
    exchange: Uuid,
    sorted: Vec<u64>,
}

/// How many: the numbers are many, and nobody reads them.
impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({})", self.sorted.len())
    }
}

impl Held {
    /// Room for as many bytes of parts.
    pub(in crate::registry) fn with_capacity(exchange: Uuid, bytes: usize) -> Self {
        let sorted = Vec::with_capacity(bytes / NUMBER_BYTES);
        Self { exchange, sorted }
    }

    /// Adds what a part holds.
    pub(in crate::registry) fn add_part(&mut self, packed: &[u8]) {
        self.sorted.extend(numbers(packed));
    }

    /// Adds a key.
    pub(in crate::registry) fn add_key(&mut self, key: &str) {
        self.sorted.push(number(self.exchange, key));
    }

    /// All is added.
    pub(in crate::registry) fn sorted(mut self) -> Self {
        self.sorted.sort_unstable();
        self
    }

    /// Whether the key is among them.
    pub(in crate::registry) fn has(&self, key: &str) -> bool {
        self.sorted.binary_search(&number(self.exchange, key)).is_ok()
    }
}

/// The numbers of keys that one part holds; empty when it holds none.
pub(in crate::registry) fn packed<'k>(exchange: Uuid, keys: impl Iterator<Item = &'k str>) -> Vec<u8> {
    let mut packed = Vec::with_capacity(keys.size_hint().0 * NUMBER_BYTES);
    for key in keys {
        packed.extend_from_slice(&number(exchange, key).to_le_bytes());
    }
    packed
}

/// A few keys that are looked for in parts which go past.
pub(in crate::registry) struct Sought<'k>(HashMap<u64, &'k str>);

impl<'k> Sought<'k> {
    pub(in crate::registry) fn new(exchange: Uuid, keys: impl Iterator<Item = &'k str>) -> Self {
        Self(keys.map(|key| (number(exchange, key), key)).collect())
    }

    /// Those that a part holds.
    pub(in crate::registry) fn within(&self, packed: &[u8]) -> impl Iterator<Item = &'k str> {
        numbers(packed).filter_map(|number| self.0.get(&number).copied())
    }
}

fn numbers(packed: &[u8]) -> impl Iterator<Item = u64> {
    packed.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes))
}

fn number(exchange: Uuid, key: &str) -> u64 {
    let mut digest = Context::new(&SHA256);
    digest.update(exchange.as_bytes());
    digest.update(key.as_bytes());
    let digest = digest.finish();
    digest
        .as_ref()
        .first_chunk()
        .map_or(0, |bytes: &[u8; NUMBER_BYTES]| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test may panic")]

    use uuid::Uuid;

    use super::{Held, Sought, packed};

    #[test]
    fn what_was_packed_by_parts_is_held_and_nothing_else() {
        let exchange = Uuid::from_u128(7);
        let keys: Vec<String> = (0..1_000).map(|number| format!("3207061880{number:04}0000")).collect();
        let parts: Vec<Vec<u8>> = keys[..900]
            .chunks(64)
            .map(|part| packed(exchange, part.iter().map(String::as_str)))
            .collect();
        let held = |exchange| {
            let mut held = Held::with_capacity(exchange, 900 * 8);
            for part in &parts {
                held.add_part(part);
            }
            for key in &keys[900..950] {
                held.add_key(key);
            }
            held.sorted()
        };
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(held(exchange).has(key), at < 950, "{key}");
        }
        assert!(!held(Uuid::from_u128(8)).has(&keys[0]));
        let sought = Sought::new(exchange, [&keys[3], &keys[950]].map(String::as_str).into_iter());
        let found: Vec<&str> = parts.iter().flat_map(|part| sought.within(part)).collect();
        assert_eq!(found, [keys[3].as_str()]);
        assert!(packed(exchange, std::iter::empty()).is_empty());
    }
}
