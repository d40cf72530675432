//! FF1: format-preserving encryption of numbers (NIST SP 800-38G, algorithms 7 and 8, with the correction of Rev. 1 on domain size).
//!
//! Takes a number as two halves, `⌊n/2⌋` and `⌈n/2⌉` digits; gives two halves of the same lengths. The block P and every block of Q but
//! the last are the same for all numbers of one length, so they are encrypted once per key; a round is one AES call, and eight numbers
//! go through it side by side. Refuses domains below one million (Rev. 1, section 5) and halves that do not fit 64 bits.

use std::fmt;

use aes::Block;
use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, typenum::U16};

/// Numbers that go through one AES call together: enough to hide its latency, few enough to stay in registers.
pub(crate) const LANES: usize = 8;

/// A number as its two halves; the first half has the higher digits.
pub(crate) type Halves = (u64, u64);

/// FF1 under one key, tweak, radix and length.
pub(crate) struct Ff1<C> {
    cipher: C,
    /// radix^u and radix^v.
    moduli: (u64, u64),
    /// CBC-MAC state after P and the constant blocks of Q.
    state: Block,
    /// The last block of Q with round and number left at zero.
    tail: Block,
    /// Bytes of NUM(B) in the last block.
    number_bytes: usize,
    /// Bytes of S that count: the parameter d.
    taken: usize,
}

impl<C> fmt::Debug for Ff1<C> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Ff1")
    }
}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> Ff1<C> {
    /// A cipher for numbers of `length` digits in `radix`; `None` when radix^length < 10^6 or a half does not fit.
    pub(crate) fn new(cipher: C, radix: u32, length: u32, tweak: &[u8]) -> Option<Self> {
        let (u, v) = (length / 2, length - length / 2);
        let moduli = (u64::from(radix).checked_pow(u)?, u64::from(radix).checked_pow(v)?);
        if radix < 2 || u128::from(moduli.0) * u128::from(moduli.1) < 1_000_000 {
            return None;
        }
        // b: bytes that hold any number of v digits. Whole bytes of radix^v - 1.
        let bits = u64::BITS - (moduli.1 - 1).leading_zeros();
        let number_bytes = usize::try_from(bits.div_ceil(8)).ok()?;
        let taken = 4 * number_bytes.div_ceil(4) + 4;
        let tweak_length = u32::try_from(tweak.len()).ok()?;
        let [_, r2, r1, r0] = radix.to_be_bytes();
        let mut first = vec![1, 2, 1, r2, r1, r0, 10, u.to_be_bytes()[3]];
        first.extend(length.to_be_bytes());
        first.extend(tweak_length.to_be_bytes());
        let mut constant = tweak.to_vec();
        while !(constant.len() + number_bytes + 1).is_multiple_of(BLOCK) {
            constant.push(0);
        }
        constant.extend(std::iter::repeat_n(0, number_bytes + 1));
        let mut state = Block::default();
        mix(&mut state, &first);
        cipher.encrypt_block(&mut state);
        let (last, before) = constant
            .split_last_chunk::<BLOCK>()
            .map(|(before, last)| (last, before))?;
        for block in before.chunks(BLOCK) {
            mix(&mut state, block);
            cipher.encrypt_block(&mut state);
        }
        let mut tail = Block::default();
        mix(&mut tail, last);
        (taken <= BLOCK).then_some(Self {
            cipher,
            moduli,
            state,
            tail,
            number_bytes,
            taken,
        })
    }

    /// Encrypts up to [`LANES`] numbers side by side.
    pub(crate) fn encrypt(&self, numbers: &mut [Halves]) {
        let mut blocks = [Block::default(); LANES];
        for round in 0..10 {
            let modulus = self.modulus(round);
            let Some(blocks) = blocks.get_mut(..numbers.len()) else {
                return;
            };
            for (block, (_, b)) in blocks.iter_mut().zip(numbers.iter()) {
                *block = self.input(round, *b);
            }
            self.cipher.encrypt_blocks(blocks);
            for (block, (a, b)) in blocks.iter().zip(numbers.iter_mut()) {
                // a < modulus and the remainder too, so the sum stays below 2^64 for every modulus up to 2^63.
                let sum = *a + self.remainder(block, modulus);
                *a = *b;
                *b = if sum >= modulus { sum - modulus } else { sum };
            }
        }
    }

    /// Undoes [`Self::encrypt`] for one number.
    pub(crate) fn decrypt(&self, number: Halves) -> Halves {
        let (mut a, mut b) = number;
        for round in (0..10).rev() {
            let modulus = self.modulus(round);
            let mut block = self.input(round, a);
            self.cipher.encrypt_block(&mut block);
            let taken = self.remainder(&block, modulus);
            let before = if b >= taken { b - taken } else { b + modulus - taken };
            b = a;
            a = before;
        }
        (a, b)
    }

    fn modulus(&self, round: u8) -> u64 {
        if round.is_multiple_of(2) {
            self.moduli.0
        } else {
            self.moduli.1
        }
    }

    /// The last block of Q for a round, already mixed with the state before it.
    fn input(&self, round: u8, number: u64) -> Block {
        let mut block = self.tail;
        let digits = number.to_be_bytes();
        let (head, low) = block.split_at_mut(BLOCK - self.number_bytes);
        if let Some(place) = head.last_mut() {
            *place = round;
        }
        for (place, byte) in low.iter_mut().rev().zip(digits.iter().rev()) {
            *place = *byte;
        }
        for (place, byte) in block.iter_mut().zip(self.state) {
            *place ^= byte;
        }
        block
    }

    /// The first d bytes of an output block as a number, modulo radix^m.
    fn remainder(&self, block: &Block, modulus: u64) -> u64 {
        if let (8, Some(first)) = (self.taken, block.first_chunk::<8>()) {
            return u64::from_be_bytes(*first) % modulus;
        }
        let wide = block
            .iter()
            .take(self.taken)
            .fold(0_u128, |sum, byte| (sum << 8) + u128::from(*byte));
        // A remainder by a 64-bit modulus fits 64 bits.
        u64::try_from(wide % u128::from(modulus)).unwrap_or(0)
    }
}

const BLOCK: usize = 16;

fn mix(state: &mut Block, bytes: &[u8]) {
    for (place, byte) in state.iter_mut().zip(bytes) {
        *place ^= byte;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use aes::cipher::KeyInit;
    use aes::{Aes128, Aes192, Aes256};
    use proptest::prelude::*;

    use super::*;

    const KEY: [u8; 32] = [
        0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c, 0xef, 0x43,
        0x59, 0xd8, 0xd5, 0x80, 0xaa, 0x4f, 0x7f, 0x03, 0x6d, 0x6f, 0x04, 0xfc, 0x6a, 0x94,
    ];
    const TENS: &[u8] = b"9876543210";
    const SEVENS: &[u8] = b"7777pqrs777";

    fn sample<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>>(
        cipher: C,
        radix: u32,
        tweak: &[u8],
        plain: &str,
        sealed: &str,
    ) {
        let length = u32::try_from(plain.len()).unwrap();
        let ff1 = Ff1::new(cipher, radix, length, tweak).unwrap();
        let halves = |text: &str| {
            let (a, b) = text.split_at(text.len() / 2);
            (
                u64::from_str_radix(a, radix).unwrap(),
                u64::from_str_radix(b, radix).unwrap(),
            )
        };
        let mut numbers = [halves(plain); LANES];
        ff1.encrypt(&mut numbers);
        assert!(numbers.iter().all(|number| *number == halves(sealed)), "{sealed}");
        assert_eq!(ff1.decrypt(halves(sealed)), halves(plain), "{sealed}");
        assert_eq!(format!("{ff1:?}"), "Ff1", "nothing of the key is shown");
    }

    #[test]
    fn the_nine_samples_of_nist_come_out() {
        // NIST, "SP 800-38G FF1 samples", numbers 1 to 9.
        let plain = ["0123456789", "0123456789", "0123456789abcdefghi"];
        let cases: [(u32, &[u8]); 3] = [(10, b""), (10, TENS), (36, SEVENS)];
        let sealed = [
            ["2433477484", "6124200773", "a9tv40mll9kdu509eum"],
            ["2830668132", "2496655549", "xbj3kv35jrawxv32ysr"],
            ["6657667009", "1001623463", "xs8a0azh2avyalyzuwd"],
        ];
        for (at, (radix, tweak)) in cases.iter().enumerate() {
            sample(
                Aes128::new_from_slice(&KEY[..16]).unwrap(),
                *radix,
                tweak,
                plain[at],
                sealed[0][at],
            );
            sample(
                Aes192::new_from_slice(&KEY[..24]).unwrap(),
                *radix,
                tweak,
                plain[at],
                sealed[1][at],
            );
            sample(
                Aes256::new_from_slice(&KEY).unwrap(),
                *radix,
                tweak,
                plain[at],
                sealed[2][at],
            );
        }
    }

    #[test]
    fn a_domain_below_a_million_is_refused() {
        for length in 0..6 {
            assert!(
                Ff1::new(Aes256::new_from_slice(&KEY).unwrap(), 10, length, b"").is_none(),
                "{length}"
            );
        }
        assert!(Ff1::new(Aes256::new_from_slice(&KEY).unwrap(), 10, 6, b"").is_some());
        assert!(Ff1::new(Aes256::new_from_slice(&KEY).unwrap(), 10, 40, b"").is_none());
    }

    #[test]
    fn six_digits_are_permuted_without_a_collision() {
        // Without optimisation a part of them, so that it stays a matter of seconds.
        let end = if cfg!(debug_assertions) { 200_000 } else { 1_000_000 };
        let ff1 = Ff1::new(Aes256::new_from_slice(&KEY).unwrap(), 10, 6, b"x").unwrap();
        let mut seen = vec![false; 1_000_000];
        for first in (0..end).step_by(LANES) {
            let mut numbers: Vec<Halves> = (first..first + 8).map(|n| (n / 1000, n % 1000)).collect();
            ff1.encrypt(&mut numbers);
            for (a, b) in numbers {
                let at = usize::try_from(a * 1000 + b).unwrap();
                assert!(!std::mem::replace(&mut seen[at], true), "{at}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_encrypted_comes_back_whatever_the_lanes(length in 6_u32..=18, seed in any::<u64>(), lanes in 1_usize..=LANES) {
            let ff1 = Ff1::new(Aes256::new_from_slice(&KEY).unwrap(), 10, length, &seed.to_be_bytes()).unwrap();
            let (u, v) = (10_u64.pow(length / 2), 10_u64.pow(length - length / 2));
            let plain: Vec<Halves> = (0..lanes as u64).map(|lane| (seed.wrapping_mul(lane + 1) % u, seed.rotate_left(7).wrapping_add(lane) % v)).collect();
            let mut together = plain.clone();
            ff1.encrypt(&mut together);
            for (plain, sealed) in plain.iter().zip(&together) {
                let mut alone = [*plain];
                ff1.encrypt(&mut alone);
                prop_assert_eq!(alone[0], *sealed);
                prop_assert!(sealed.0 < u && sealed.1 < v);
                prop_assert_eq!(ff1.decrypt(*sealed), *plain);
            }
        }
    }
}
