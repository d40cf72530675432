//! Nonces of signed requests: each has its effect once, also across a restart.
//!
//! Takes keyed tags; remembers them in the transaction that seals what they came with, until their signature is over for certain. Refuses
//! nothing by itself: it says whether a nonce was never seen, belongs to this very request, or to another one.
//! Bounded: each group that remembers some forgets at least as many that are due.

use super::entry::Nonce;
use super::fault::JournalFault;
use super::statements;
use super::store::{Row, Store, Stored, values};
use super::views::Reader;

/// Rows that are looked at for each one that is added.
const FORGET_FACTOR: u32 = 4;

/// What is known about a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    Never,
    /// It came with this idempotency key and this signature: a retry.
    Here,
    /// It came with something else: a replay.
    Elsewhere,
}

/// What is known about a nonce that came with `bound` before.
pub(super) fn compare(bound: Option<&[u8; 32]>, nonce: &Nonce) -> Seen {
    match bound {
        None => Seen::Never,
        Some(bound) if *bound == nonce.bound => Seen::Here,
        Some(_) => Seen::Elsewhere,
    }
}

pub(super) fn remember(store: &Store, nonce: &Nonce) -> Stored<()> {
    let row = values![&nonce.tag, &nonce.bound, nonce.until_us];
    store.add(statements::INSERT_NONCE, row)
}

/// Deletes what is due among the oldest rows.
pub(super) fn forget(store: &Store, now_us: i64, added: u32) -> Stored<()> {
    if added == 0 {
        return Ok(());
    }
    let looked_at = added.saturating_mul(FORGET_FACTOR);
    store
        .run(statements::FORGET_NONCES, values![looked_at, now_us])
        .map(drop)
}

impl Reader {
    pub(super) fn nonce_seen(&self, nonce: &Nonce) -> Result<Seen, JournalFault> {
        let find = |row: &Row<'_>| row.get(1);
        let bound = self.store.first(statements::FIND_NONCE, values![&nonce.tag], find);
        let bound: Option<[u8; 32]> = bound.map_err(JournalFault::store("look for a nonce"))?;
        Ok(compare(bound.as_ref(), nonce))
    }
}
