//! Each push is an exchange of its own: a second one with the same id would hide the first from whoever looks for it.
//!
//! Takes the exchange id of each push; says at the end which push repeats one. Memory: 24 bytes for each push.

use ring::digest::{SHA256, digest};

#[derive(Debug, Default)]
pub(super) struct Exchanges(Vec<([u8; 16], u64)>);

impl Exchanges {
    /// Takes a push; half of a hash stands for its id, which is of any length.
    pub(super) fn push(&mut self, index: u64, exchange: &str) {
        let hash = digest(&SHA256, exchange.as_bytes());
        let mut half = [0; 16];
        for (place, byte) in half.iter_mut().zip(hash.as_ref()) {
            *place = *byte;
        }
        self.0.push((half, index));
    }

    /// The first push whose exchange an earlier one has.
    pub(super) fn first_repeated(&mut self) -> Option<u64> {
        self.0.sort_unstable();
        let pairs = self.0.iter().zip(self.0.iter().skip(1));
        pairs
            .filter(|(one, next)| one.0 == next.0)
            .map(|(_, (_, index))| *index)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::Exchanges;

    #[test]
    fn the_first_push_that_repeats_an_exchange_is_named() {
        let mut exchanges = Exchanges::default();
        for (index, exchange) in [(0, "a"), (3, "b"), (5, "c"), (8, "b"), (9, "a")] {
            exchanges.push(index, exchange);
        }
        assert_eq!(exchanges.first_repeated(), Some(8));
        let mut alone = Exchanges::default();
        alone.push(0, "a");
        alone.push(1, "b");
        assert_eq!(alone.first_repeated(), None);
        assert_eq!(Exchanges::default().first_repeated(), None);
    }
}
