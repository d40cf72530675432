//! Repeatable choices: splitmix64 under a seed that is printed, so that a failure can be run again with `SHUGUAN_SEED`.

/// A stream of choices.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// `SHUGUAN_SEED`, or a fresh seed; says which.
    pub fn printed(what: &str) -> Self {
        let seed = std::env::var("SHUGUAN_SEED").ok().map_or_else(
            || uuid::Uuid::new_v4().as_u64_pair().0,
            |seed| seed.parse().expect("a number"),
        );
        eprintln!("{what}: repeat with SHUGUAN_SEED={seed}");
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Another stream that depends on this one.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }
}
