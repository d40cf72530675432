//! Which rows of a part there were already.
//!
//! Takes the fingerprint of each row; gives the number of the earlier row that has it. A fingerprint is keyed, so that a sender cannot make
//! rows collide; whether two rows are equal is for the columns to say.

use std::hash::{BuildHasher, RandomState};

use crate::value::Value;

/// The rows of the part at hand by their fingerprints.
pub(super) struct Repeats {
    /// The fingerprint of each row.
    prints: Vec<u64>,
    /// By the low bits of a fingerprint: one more than the number of the row, or 0. About half of the places are taken at most.
    places: Vec<u32>,
    keys: [u64; 2],
}

/// The fingerprint of the row at hand, so far: a hash of 64 bits (wyhash's folded multiplication).
#[derive(Clone, Copy, Default)]
pub(super) struct Print(u64);

impl Repeats {
    pub(super) fn new() -> Self {
        // The key never shows in a result.
        let random = RandomState::new();
        Self {
            prints: Vec::new(),
            places: vec![0; PLACES_START],
            keys: [random.hash_one(0_u8), random.hash_one(1_u8) | 1],
        }
    }

    /// Adds one more value to a fingerprint.
    #[inline]
    pub(super) fn add(&self, print: &mut Print, value: &Value<'_>) {
        let [first, second] = self.keys;
        print.0 = match value {
            Value::Text(text) => of_text(text.as_bytes(), first, print.0 ^ second),
            other => self.of_number(*print, other),
        };
    }

    /// By itself, so that a text, as most values are, is told by one comparison.
    #[inline(never)]
    fn of_number(&self, print: Print, value: &Value<'_>) -> u64 {
        let [first, second] = self.keys;
        match value {
            Value::Missing | Value::Text(_) => fold(print.0 ^ second, !first),
            Value::Date(days) => fold(print.0 ^ i64::from(*days).cast_unsigned(), first),
            Value::Instant(number) | Value::Integer(number) => fold(print.0 ^ number.cast_unsigned(), first),
        }
    }

    /// The earlier row with that fingerprint; where there is none, the next row is kept under it.
    pub(super) fn find_or_keep(&mut self, print: Print) -> Option<usize> {
        if self.prints.len() * 2 > self.places.len() {
            self.grow();
        }
        match self.place(print.0) {
            Ok(row) => Some(row),
            Err(place) => {
                self.take(place, self.prints.len());
                self.prints.push(print.0);
                None
            }
        }
    }

    /// The next row has the fingerprint of an earlier one and is another: it is counted, and not to be found.
    pub(super) fn pass(&mut self, print: Print) {
        self.prints.push(print.0);
    }

    pub(super) fn clear(&mut self) {
        self.prints.clear();
        self.places.fill(0);
    }

    /// The row with that fingerprint, or the place that is free for it.
    fn place(&self, print: u64) -> Result<usize, usize> {
        let mask = self.places.len() - 1;
        let mut place = low(print) & mask;
        loop {
            let Some(row) = self.row(place) else {
                return Err(place);
            };
            if self.prints.get(row) == Some(&print) {
                return Ok(row);
            }
            place = (place + 1) & mask;
        }
    }

    fn row(&self, place: usize) -> Option<usize> {
        usize::try_from(*self.places.get(place)?).ok()?.checked_sub(1)
    }

    fn take(&mut self, place: usize, row: usize) {
        if let (Some(place), Ok(next)) = (self.places.get_mut(place), u32::try_from(row + 1)) {
            *place = next;
        }
    }

    fn grow(&mut self) {
        self.places = vec![0; self.places.len() * 2];
        for row in 0..self.prints.len() {
            let print = self.prints.get(row).copied().unwrap_or_default();
            if let Err(place) = self.place(print) {
                self.take(place, row);
            }
        }
    }
}

/// Blocks of 16 bytes; the last one overlaps the one before it, and the length tells what is short apart.
#[inline]
fn of_text(bytes: &[u8], key: u64, mut state: u64) -> u64 {
    let length = bytes.len() as u64;
    let mut rest = bytes;
    while let Some((block, after)) = rest.split_first_chunk::<16>()
        && !after.is_empty()
    {
        state = of_block(*block, key, state);
        rest = after;
    }
    let [low, high] = match (
        bytes.last_chunk::<16>(),
        bytes.first_chunk::<8>(),
        bytes.last_chunk::<8>(),
    ) {
        (Some(block), _, _) => halves(u128::from_le_bytes(*block)),
        (None, Some(first), Some(last)) => [u64::from_le_bytes(*first), u64::from_le_bytes(*last)],
        _ => match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
            (Some(first), Some(last)) => [u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into()],
            _ => [bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0],
        },
    };
    fold(low ^ key.wrapping_add(length), high ^ state)
}

fn of_block(block: [u8; 16], key: u64, state: u64) -> u64 {
    let [low, high] = halves(u128::from_le_bytes(block));
    fold(low ^ key, high ^ state)
}

fn fold(left: u64, right: u64) -> u64 {
    let [low, high] = halves(u128::from(left).wrapping_mul(u128::from(right)));
    low ^ high
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves are what is wanted")]
fn halves(both: u128) -> [u64; 2] {
    [both as u64, (both >> 64) as u64]
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
fn low(print: u64) -> usize {
    print as usize
}

/// Places before the first row: a batch of one row is common. A power of two.
const PLACES_START: usize = 128;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::{Print, Repeats};

    proptest! {
        #[test]
        fn a_fingerprint_is_found_again_under_the_first_row_that_had_it(prints in proptest::collection::vec(0_u64..600, 0..900)) {
            let mut repeats = Repeats::new();
            for _ in 0..2 {
                let mut first = HashMap::new();
                for (row, print) in prints.iter().enumerate() {
                    let found = repeats.find_or_keep(Print(*print));
                    prop_assert_eq!(found, first.get(print).copied());
                    if found.is_some() {
                        repeats.pass(Print(*print));
                    }
                    first.entry(*print).or_insert(row);
                }
                repeats.clear();
            }
        }
    }
}
