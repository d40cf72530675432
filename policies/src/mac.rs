//! HMAC-SHA-256 (FIPS 198-1) of many short messages under one key: what pseudonyms and shifted dates are made of.
//!
//! Takes a derived key of 32 bytes once, then messages of any length; gives 32 bytes each. The two blocks of the key are hashed once, so a
//! message of up to 55 bytes costs two blocks and no copy of a context. ring, which has no way to a single block, takes twice as long.

use std::fmt;

use sha2::block_api::compress256;
use zeroize::{Zeroize, Zeroizing};

const BLOCK: usize = 64;
/// Bytes of the length that closes the last block.
const LENGTH: usize = 8;
/// SHA-256's first state (FIPS 180-4, 5.3.3).
const START: State = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

type State = [u32; 8];

/// A key, ready to sign.
pub(crate) struct Mac {
    inner: State,
    outer: State,
}

impl Mac {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let keyed = |pad: u8| {
            let mut block = Zeroizing::new([pad; BLOCK]);
            for (place, byte) in block.iter_mut().zip(key) {
                *place ^= byte;
            }
            let mut state = START;
            compress256(&mut state, std::slice::from_ref(&*block));
            state
        };
        Self {
            inner: keyed(0x36),
            outer: keyed(0x5c),
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 32] {
        finish(self.outer, &finish(self.inner, message))
    }
}

impl Drop for Mac {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Mac")
    }
}

/// The hash of a block, whose state this is, and a message behind it.
fn finish(mut state: State, message: &[u8]) -> [u8; 32] {
    let (whole, rest) = message.as_chunks::<BLOCK>();
    if !whole.is_empty() {
        compress256(&mut state, whole);
    }
    // A one bit, zeros, and the length in bits, in as few blocks as they take.
    let mut last = [[0; BLOCK]; 2];
    let bytes = last.as_flattened_mut();
    if let Some(place) = bytes.get_mut(..rest.len()) {
        place.copy_from_slice(rest);
    }
    if let Some(place) = bytes.get_mut(rest.len()) {
        *place = 0x80;
    }
    let blocks = if rest.len() < BLOCK - LENGTH { 1 } else { 2 };
    let bits = u64::try_from(BLOCK + message.len())
        .unwrap_or(u64::MAX)
        .saturating_mul(8);
    if let Some(place) = last
        .get_mut(blocks - 1)
        .and_then(|block| block.last_chunk_mut::<LENGTH>())
    {
        *place = bits.to_be_bytes();
    }
    compress256(&mut state, last.get(..blocks).unwrap_or_default());
    let mut hash = [0; 32];
    for (place, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *place = word.to_be_bytes();
    }
    hash
}

#[cfg(test)]
mod tests {
    use ring::hmac;

    use super::*;

    #[test]
    fn it_is_what_ring_makes_of_every_length() {
        let key: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap_or(0) ^ 0xa5);
        let (mac, judge) = (Mac::new(&key), hmac::Key::new(hmac::HMAC_SHA256, &key));
        let message: Vec<u8> = (0..400_u32).map(|at| u8::try_from(at * 7 % 251).unwrap_or(0)).collect();
        for length in 0..message.len() {
            let message = message.get(..length).unwrap_or_default();
            assert_eq!(
                mac.sign(message),
                hmac::sign(&judge, message).as_ref(),
                "{length} bytes"
            );
        }
        assert_eq!(format!("{mac:?}"), "Mac");
    }
}
