//! Nonces of signed requests: each has its effect once, also across a restart.
//!
//! Takes keyed tags; remembers them in the transaction that seals what they came with, until their signature is over for certain. Refuses
//! nothing by itself: it says whether a nonce was never seen, belongs to this very request, or to another one.
//! Bounded: each group that remembers some forgets at least as many that are due.

use rusqlite::{Connection, OptionalExtension, params};

use super::entry::Nonce;
use super::fault::JournalFault;
use super::sqlite;
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

pub(super) fn seen(connection: &Connection, nonce: &Nonce) -> rusqlite::Result<Seen> {
    let mut find = connection.prepare_cached(sqlite::FIND_NONCE)?;
    let bound: Option<[u8; 32]> = find.query_row([nonce.tag], |row| row.get(0)).optional()?;
    Ok(compare(bound, nonce))
}

fn compare(bound: Option<[u8; 32]>, nonce: &Nonce) -> Seen {
    match bound {
        None => Seen::Never,
        Some(bound) if bound == nonce.bound => Seen::Here,
        Some(_) => Seen::Elsewhere,
    }
}

pub(super) fn remember(connection: &Connection, nonce: &Nonce) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(sqlite::INSERT_NONCE)?;
    insert
        .execute(params![nonce.tag, nonce.bound, nonce.until_us])
        .map(drop)
}

/// Deletes what is due among the oldest rows.
pub(super) fn forget(connection: &Connection, now_us: i64, added: u32) -> rusqlite::Result<()> {
    if added == 0 {
        return Ok(());
    }
    let mut delete = connection.prepare_cached(sqlite::FORGET_NONCES)?;
    delete
        .execute(params![added.saturating_mul(FORGET_FACTOR), now_us])
        .map(drop)
}

impl Reader {
    pub(super) fn nonce_seen(&self, nonce: &Nonce) -> Result<Seen, JournalFault> {
        let mut find = self.prepared(sqlite::FIND_NONCE)?;
        let bound = find.query_row([nonce.tag], |row| row.get(0)).optional();
        let bound = bound.map_err(JournalFault::store("look for a nonce"))?;
        Ok(compare(bound, nonce))
    }
}
