//! Which push stands where: whoever speaks of one later must call it by its own hash, exchange and partner, and each is an exchange of its own, for a second
//! one with the same id would hide the first from whoever looks for it.
//!
//! Takes the pushes in the order of the log; says whether a later leaf means the one that it points at, and at the end which push repeats an exchange.
//! Memory: 40 bytes for each push.

use std::collections::HashMap;

use ring::digest::{SHA256, digest};

use crate::leaf::Reference;
use crate::tree::Hash;

/// The pushes so far, by index.
#[derive(Debug, Default)]
pub(super) struct Known {
    pushes: Vec<Push>,
    /// Partners by their ids: there are few.
    partners: HashMap<String, u32>,
}

/// What is kept of a push. Of its hash an eighth of what would be hard to find again is enough: the index says which leaf is meant, and nobody gains by
/// calling it wrong in a way that looks right.
#[derive(Debug, PartialEq, Eq)]
struct Push {
    index: u64,
    exchange: [u8; 16],
    hash: [u8; 8],
    partner: u32,
}

impl Known {
    /// Takes the next push.
    pub(super) fn push(&mut self, index: u64, hash: &Hash, exchange: &str, partner: &str) {
        let next = u32::try_from(self.partners.len()).unwrap_or(u32::MAX);
        let partner = match self.partners.get(partner) {
            Some(known) => *known,
            None => *self.partners.entry(partner.to_owned()).or_insert(next),
        };
        self.pushes.push(Push {
            index,
            exchange: half(exchange),
            hash: first(hash),
            partner,
        });
    }

    /// Whether a leaf that points at this place means the push that stands there; also of a place where none is known.
    pub(super) fn is_meant(&self, of: &Reference, exchange: &str, partner: Option<&str>) -> bool {
        let Some(push) = self.at(of.i) else { return true };
        let is_his = |partner: &str| self.partners.get(partner) == Some(&push.partner);
        push.hash == first(&of.h.0) && push.exchange == half(exchange) && partner.is_none_or(is_his)
    }

    fn at(&self, index: u64) -> Option<&Push> {
        let place = self.pushes.binary_search_by_key(&index, |push| push.index).ok()?;
        self.pushes.get(place)
    }

    /// The first push whose exchange an earlier one has.
    pub(super) fn first_repeated(mut self) -> Option<u64> {
        self.pushes.sort_unstable_by_key(|push| (push.exchange, push.index));
        let pairs = self.pushes.iter().zip(self.pushes.iter().skip(1));
        pairs
            .filter(|(one, next)| one.exchange == next.exchange)
            .map(|(_, next)| next.index)
            .min()
    }
}

/// Half of a hash stands for an exchange's id, which is of any length.
fn half(exchange: &str) -> [u8; 16] {
    first(digest(&SHA256, exchange.as_bytes()).as_ref())
}

fn first<const N: usize>(hash: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().zip(hash) {
        *place = *byte;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::Known;
    use crate::leaf::{Digest, Reference};

    fn known(pushes: &[(u64, &str)]) -> Known {
        let mut known = Known::default();
        for (index, exchange) in pushes {
            known.push(*index, &[1; 32], exchange, "health-city");
        }
        known
    }

    #[test]
    fn the_first_push_that_repeats_an_exchange_is_named() {
        let repeated = known(&[(0, "a"), (3, "b"), (5, "c"), (8, "b"), (9, "a")]);
        assert_eq!(repeated.first_repeated(), Some(8));
        assert_eq!(known(&[(0, "a"), (1, "b")]).first_repeated(), None);
        assert_eq!(known(&[]).first_repeated(), None);
    }

    #[test]
    fn a_push_is_meant_by_its_own_hash_exchange_and_partner_only() {
        let mut known = known(&[(3, "a")]);
        known.push(7, &[2; 32], "b", "tax-city");
        let of = |i, byte| Reference {
            i,
            h: Digest([byte; 32]),
        };
        assert!(known.is_meant(&of(3, 1), "a", Some("health-city")));
        assert!(known.is_meant(&of(3, 1), "a", None));
        assert!(known.is_meant(&of(4, 9), "of an earlier volume", Some("nobody")));
        assert!(!known.is_meant(&of(3, 2), "a", None));
        assert!(!known.is_meant(&of(3, 1), "b", None));
        for other in ["tax-city", "nobody", ""] {
            assert!(!known.is_meant(&of(3, 1), "a", Some(other)), "{other}");
        }
    }
}
