//! What a snapshot holds and did not write: a number a key, packed part by part.
//!
//! Takes keys; gives eight bytes for each, and says at the end of the snapshot whether a key was among them. A row a key beside the rows would cost an
//! unchanged snapshot as much as a first one. A number is part of a digest over exchange and key: that one of a million lacking rows passes for one of ten
//! million that are held happens once in a million snapshots; then it stays open until the next one. What is held is in memory while the snapshot ends,
//! eight bytes a row.

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

/// How many: the numbers say nothing to anybody, and are many.
impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({})", self.sorted.len())
    }
}

impl Held {
    /// What those parts and keys of a snapshot hold together.
    pub(in crate::registry) fn of<'k>(
        exchange: Uuid,
        parts: impl Iterator<Item = &'k [u8]>,
        keys: impl Iterator<Item = &'k str>,
    ) -> Self {
        let mut sorted = Vec::new();
        for part in parts {
            sorted.extend(part.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)));
        }
        sorted.extend(keys.map(|key| number(exchange, key)));
        sorted.sort_unstable();
        Self { exchange, sorted }
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

    use super::{Held, packed};

    #[test]
    fn what_was_packed_by_parts_is_held_and_nothing_else() {
        let exchange = Uuid::from_u128(7);
        let keys: Vec<String> = (0..1_000).map(|number| format!("3207061880{number:04}0000")).collect();
        let parts: Vec<Vec<u8>> = keys[..900]
            .chunks(64)
            .map(|part| packed(exchange, part.iter().map(String::as_str)))
            .collect();
        let held = Held::of(
            exchange,
            parts.iter().map(Vec::as_slice),
            keys[900..950].iter().map(String::as_str),
        );
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(held.has(key), at < 950, "{key}");
        }
        let other = Held::of(Uuid::from_u128(8), parts.iter().map(Vec::as_slice), std::iter::empty());
        assert!(!other.has(&keys[0]));
        assert!(packed(exchange, std::iter::empty()).is_empty());
    }
}
