//! What stands in a table of one partner's, as fingerprints, so that a snapshot that says most of it again asks for few of its keys.
//!
//! A look-up costs the server a descent and a page for each key, twenty times what a row costs that is read in passing. So at the first part of a snapshot
//! whose rows are many beside the table, key and content hash of the partner's open rows are read once, eight bytes a row are kept of them, and a row
//! that is among them is taken for unchanged without being asked for. What was looked up is gone from them: what becomes of it is in the table. They hold only
//! while nobody else writes: the mark that each transaction of the registry raises ([`changes`]) says so, also of a second gateway. None outlives a fault, and a
//! snapshot at which one happened does without: to read a table that takes too long must not be tried again and again.
//!
//! Takes rows; gives what is known of one that is unchanged, and whether the snapshot lacks nothing. A row that was changed passes for unchanged when its fingerprint,
//! under a secret of this process, is that of one of n others: n in 2⁶⁴.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use futures_util::TryStreamExt;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::super::changes;
use super::super::fault::RegistryFault;
use super::super::merge::Arrival;
use super::super::merge::fate::Known;
use super::super::merge::rows::{Act, HASH_BYTES};
use super::session::{Live, within};
use super::value;

/// A table is read through when it has no more bytes than this for each row that is still to come: three times what a resident takes, and far less work
/// than to look them up.
const TABLE_BYTES_A_ROW: u64 = 1_024;
/// Most rows that are kept, 9 bytes each; a partner that has more is looked up.
const ROWS_MAX: usize = 16_000_000;

/// What a snapshot did to a row that stood when they were read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    Unmet,
    Unchanged,
    /// It was looked up, and may be another now.
    LookedUp,
}

/// The partner's rows in the table of one record type.
pub(super) struct Fingerprints {
    exchange: Uuid,
    table: String,
    secret: RandomState,
    sorted: Vec<u64>,
    stands: Vec<Stands>,
    /// The registry's mark after what was known last.
    mark: i64,
    /// Every open row of the partner's is among them, and the snapshot left none closed that it holds.
    whole: bool,
}

/// The fingerprints of a connection: of one snapshot at a time, the last that began.
#[derive(Default)]
pub(super) struct Kept {
    newest: Option<Fingerprints>,
    /// Snapshots that had theirs, or did without: two that take turns must not read the table at each.
    had: HashSet<Uuid>,
}

impl Kept {
    /// Those of the exchange, if they hold.
    pub(super) fn of(&mut self, exchange: Uuid) -> Option<&mut Fingerprints> {
        self.newest.as_mut().filter(|newest| newest.exchange == exchange)
    }

    /// For the next connection.
    pub(super) fn after_fault(self) -> Self {
        Self {
            newest: None,
            had: self.had,
        }
    }

    /// Its end has begun: they are not needed any more.
    pub(super) fn forget(&mut self, exchange: Uuid) {
        self.newest.take_if(|newest| newest.exchange == exchange);
        self.had.remove(&exchange);
    }

    /// A transaction has written to a table in the name of an exchange, and had this mark.
    pub(super) fn wrote(&mut self, exchange: Uuid, table: &str, mark: i64) {
        self.newest
            .take_if(|newest| newest.exchange != exchange && newest.table == table);
        if let Some(newest) = &mut self.newest {
            newest.mark = mark;
        }
    }
}

impl Fingerprints {
    fn of(arrival: &Arrival<'_>, rows: u64, mark: i64) -> Self {
        Self {
            exchange: arrival.part.exchange,
            table: arrival.table.name.clone(),
            secret: RandomState::new(),
            sorted: Vec::with_capacity(usize::try_from(rows).unwrap_or(ROWS_MAX).min(ROWS_MAX)),
            stands: Vec::new(),
            mark,
            whole: true,
        }
    }

    /// Adds a row of the partner's; false when there are too many.
    fn add(&mut self, key: &[u8], hash: &[u8; HASH_BYTES], open: i64) -> bool {
        match open {
            0 => {}
            1 => self.sorted.push(self.print(key, hash)),
            // What is noted of it must be looked up.
            _ => self.whole = false,
        }
        self.sorted.len() <= ROWS_MAX
    }

    fn sorted(mut self) -> Self {
        self.sorted.sort_unstable();
        self.stands = vec![Stands::Unmet; self.sorted.len()];
        self
    }

    fn print(&self, key: &[u8], hash: &[u8; HASH_BYTES]) -> u64 {
        self.secret.hash_one((key, hash))
    }

    fn stands(&mut self, key: &[u8], hash: &[u8; HASH_BYTES]) -> Option<&mut Stands> {
        let place = self.sorted.binary_search(&self.print(key, hash)).ok()?;
        self.stands.get_mut(place)
    }

    /// What the table has for a key of which the part has one row, and the table the same; none: it is to be looked up. Whose row came before, and when, is
    /// nothing to a row that stays.
    pub(super) fn known(&mut self, arrival: &Arrival<'_>, group: &[u32]) -> Option<Known> {
        let [row] = *group else { return None };
        let row = row as usize;
        if arrival.rows.act(row) != Act::Put {
            return None;
        }
        let hash = arrival.rows.hash(row);
        let stands = self.stands(arrival.rows.key(row).as_bytes(), &hash)?;
        if *stands == Stands::LookedUp {
            return None;
        }
        *stands = Stands::Unchanged;
        Some(Known::row(hash, (i64::MIN, 0, 0), true, 1))
    }

    /// Keys were looked up.
    pub(super) fn looked_up<'k>(&mut self, keys: impl Iterator<Item = (&'k str, &'k Known)>) {
        for (key, found) in keys {
            let mine = found.version.filter(|version| version.mine);
            if let Some(stands) = mine.and_then(|version| self.stands(key.as_bytes(), &version.hash)) {
                *stands = Stands::LookedUp;
            }
        }
    }

    /// What became of a key of the snapshot.
    pub(super) fn settled(&mut self, known: &Known) {
        self.whole &= known.open || !known.there;
    }

    /// How many rows the snapshot speaks for when it holds every one of them, so that its end has nothing to close; none when it is not certain.
    pub(super) fn all_met(&self) -> Option<u64> {
        let all = self.whole && !self.stands.contains(&Stands::Unmet);
        all.then_some(self.sorted.len() as u64)
    }
}

/// Forgets fingerprints after which somebody else wrote.
pub(super) async fn check(live: &mut Live) -> Result<(), RegistryFault> {
    let Some(newest) = &live.fingerprints.newest else {
        return Ok(());
    };
    let known = newest.mark;
    if mark(live).await? != known {
        live.fingerprints.newest = None;
    }
    Ok(())
}

/// Reads what stands in the arrival's table, once for each snapshot, where that costs less than to look its rows up.
pub(super) async fn read(live: &mut Live, arrival: &Arrival<'_>) -> Result<(), RegistryFault> {
    let part = arrival.part;
    if !part.snapshot || part.confirm || !live.fingerprints.had.insert(part.exchange) {
        return Ok(());
    }
    let to_come = (arrival.rows.count() as u64).saturating_mul(part.parts.saturating_sub(part.number).into());
    if table_bytes(live, &arrival.table.name).await? > to_come.saturating_mul(TABLE_BYTES_A_ROW) {
        return Ok(());
    }
    let mark = mark(live).await?;
    let read = Fingerprints::of(arrival, to_come, mark);
    live.fingerprints.newest = read_all(live, arrival, read).await?;
    Ok(())
}

async fn read_all(
    live: &mut Live,
    arrival: &Arrival<'_>,
    mut read: Fingerprints,
) -> Result<Option<Fingerprints>, RegistryFault> {
    let text = format!(
        "SELECT _key, _hash, _open::bigint FROM {} WHERE _partner = $1",
        arrival.table.name
    );
    let query = sqlx::query(AssertSqlSafe(text)).bind(arrival.part.partner.as_str());
    // Row by row as they come, so that they are never all in memory.
    let mut rows = query.fetch(&mut live.connection);
    let reading = async {
        while let Some(row) = rows.try_next().await? {
            let added = row_of(&row).map(|(key, hash, open)| read.add(key, hash, open));
            match added {
                Some(true) => {}
                Some(false) => return Ok(Some(None)),
                None => return Ok(None),
            }
        }
        Ok(Some(Some(read.sorted())))
    };
    let read = within("read what stands", live.patience, reading).await?;
    read.ok_or(RegistryFault::Malformed { column: "_hash" })
}

fn row_of(row: &PgRow) -> Option<(&[u8], &[u8; HASH_BYTES], i64)> {
    let hash = value::bytes(row, 1)?.try_into().ok()?;
    Some((value::bytes(row, 0)?, hash, value::number(row, 2)?))
}

async fn mark(live: &mut Live) -> Result<i64, RegistryFault> {
    let query = sqlx::query_scalar::<_, String>(changes::NEWEST);
    let found = within(
        "read the newest mark",
        live.patience,
        query.fetch_optional(&mut live.connection),
    );
    // Before the first there is none.
    found.await?.map_or(Ok(0), |text| changes::read(Some(&text)))
}

async fn table_bytes(live: &mut Live, table: &str) -> Result<u64, RegistryFault> {
    let query = sqlx::query_scalar::<_, i64>("SELECT pg_relation_size($1::text::regclass)").bind(table);
    let bytes = within(
        "ask how large a table is",
        live.patience,
        query.fetch_one(&mut live.connection),
    );
    Ok(bytes.await?.unsigned_abs())
}
