//! What SQLite keeps beside the rows: closings, history, and what a snapshot holds.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::super::fault::{RegistryFault, Step};
use super::super::merge::Arrival;
use super::super::merge::closing::{BEHIND_ALL, Closing, Ending};
use super::super::merge::fate::Kind;
use super::super::merge::held::{self, Sought};
use super::super::merge::late::{FORGET_HELD, IS_LATE, KEPT, KEPT_MAX, LATER, Later};
use super::super::schema::TableSpec;
use super::merge::Settled;

/// The closing of a key by the part's partner.
pub(super) fn closing(connection: &Connection, arrival: &Arrival<'_>, key: &str) -> Result<Closing, RegistryFault> {
    const STEP: &str = "look up a closing";
    let mut select = connection
        .prepare_cached(
            "SELECT snapshot_leaf, source_us, leaf, row_no FROM closing WHERE record = ?1 AND row_key = ?2 AND partner = ?3",
        )
        .step(STEP)?;
    let found = select.query_row(params![arrival.part.record, key, arrival.part.partner], |row| {
        let (source, leaf, number) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(Closing {
            snapshot_leaf: row.get(0)?,
            deleted: Option::zip(source, Option::zip(leaf, number)).map(|(source, (leaf, row))| (source, leaf, row)),
        })
    });
    Ok(found.optional().step(STEP)?.unwrap_or_default())
}

/// Writes down the closings that changed.
pub(super) fn closings(
    connection: &Connection,
    arrival: &Arrival<'_>,
    settled: &[Settled<'_>],
) -> Result<(), RegistryFault> {
    for settled in settled.iter().filter(|settled| settled.fate.closing) {
        let (record, partner) = (&arrival.part.record, &arrival.part.partner);
        put_closing(
            connection,
            record,
            partner,
            arrival.key(settled.group)?,
            &settled.after.closing,
        )?;
    }
    Ok(())
}

pub(super) fn put_closing(
    connection: &Connection,
    record: &str,
    partner: &str,
    key: &str,
    closing: &Closing,
) -> Result<(), RegistryFault> {
    const TEXT: &str = "INSERT INTO closing (record, row_key, partner, snapshot_leaf, source_us, leaf, row_no) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (record, row_key, partner) DO UPDATE SET \
        snapshot_leaf = coalesce(excluded.snapshot_leaf, snapshot_leaf), source_us = coalesce(excluded.source_us, source_us), \
        leaf = coalesce(excluded.leaf, leaf), row_no = coalesce(excluded.row_no, row_no)";
    let (source, leaf, row) = match closing.deleted {
        Some((source, leaf, row)) => (Some(source), Some(leaf), Some(row)),
        None => (None, None, None),
    };
    let mut insert = connection.prepare_cached(TEXT).step("prepare a closing")?;
    insert
        .execute(params![record, key, partner, closing.snapshot_leaf, source, leaf, row])
        .step("note a closing")?;
    Ok(())
}

/// Keeps deletes that a newer one took the place of.
pub(super) fn superseded(
    connection: &Connection,
    arrival: &Arrival<'_>,
    settled: &[Settled<'_>],
) -> Result<(), RegistryFault> {
    const STEP: &str = "keep a delete";
    const TEXT: &str = "INSERT INTO superseded AS known (record, row_key, partner, source_us, leaf, row_no) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (record, row_key, partner, leaf) DO UPDATE SET \
        source_us = excluded.source_us, row_no = excluded.row_no \
        WHERE (excluded.source_us, excluded.row_no) > (known.source_us, known.row_no)";
    for settled in settled {
        let Some((source, leaf, row)) = settled.fate.superseded else {
            continue;
        };
        let (record, partner) = (&arrival.part.record, &arrival.part.partner);
        let key = arrival.key(settled.group)?;
        let mut insert = connection.prepare_cached(TEXT).step(STEP)?;
        insert
            .execute(params![record, key, partner, source, leaf, row])
            .step(STEP)?;
    }
    Ok(())
}

/// One line of the history.
pub(super) struct Line<'l> {
    pub(super) record: &'l str,
    pub(super) key: &'l str,
    pub(super) leaf: i64,
    pub(super) row: i64,
    pub(super) exchange: &'l [u8; 16],
    pub(super) partner: &'l str,
    pub(super) at_us: i64,
    pub(super) kind: &'static str,
    pub(super) was: Option<(i64, i64)>,
    pub(super) was_hash: Option<&'l [u8]>,
    pub(super) hash: Option<&'l [u8]>,
}

const LINE: &str = "INSERT INTO history \
    (record, row_key, leaf, row_no, exchange, partner, at_us, kind, was_leaf, was_row, was_hash, hash) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

pub(super) fn put_line(connection: &Connection, line: &Line<'_>) -> Result<(), RegistryFault> {
    write_line(connection, LINE, line)
}

/// Writes it unless it is there. A snapshot has one line a key: that it closes what came late, too, is not said again.
fn put_line_once(connection: &Connection, line: &Line<'_>) -> Result<(), RegistryFault> {
    write_line(connection, &format!("{LINE} ON CONFLICT DO NOTHING"), line)
}

fn write_line(connection: &Connection, text: &str, line: &Line<'_>) -> Result<(), RegistryFault> {
    let mut insert = connection.prepare_cached(text).step("prepare the history")?;
    insert
        .execute(params![
            line.record,
            line.key,
            line.leaf,
            line.row,
            line.exchange,
            line.partner,
            line.at_us,
            line.kind,
            line.was.map(|was| was.0),
            line.was.map(|was| was.1),
            line.was_hash,
            line.hash
        ])
        .step("write the history")?;
    Ok(())
}

/// Writes down what happened to rows that were there.
pub(super) fn history(
    connection: &Connection,
    arrival: &Arrival<'_>,
    settled: &[Settled<'_>],
) -> Result<(), RegistryFault> {
    for settled in settled {
        let Some((kind, row)) = settled.fate.change else {
            continue;
        };
        let (before, after) = (&settled.before.version, &settled.after.version);
        put_line(
            connection,
            &Line {
                record: &arrival.part.record,
                key: arrival.key(settled.group)?,
                leaf: arrival.leaf(),
                row: arrival.row_no(row),
                exchange: arrival.part.exchange.as_bytes(),
                partner: &arrival.part.partner,
                at_us: arrival.part.received_us,
                kind: kind.word(),
                was: before.map(|version| (version.order.1, version.order.2)),
                was_hash: before.as_ref().map(|version| version.hash.as_slice()),
                hash: after.as_ref().map(|version| version.hash.as_slice()),
            },
        )?;
    }
    Ok(())
}

/// Whether a newer snapshot of its partner has begun to close.
pub(super) fn is_late(connection: &Connection, ending: &Ending) -> Result<bool, RegistryFault> {
    const STEP: &str = "look for later snapshots";
    let mut select = connection.prepare_cached(IS_LATE).step(STEP)?;
    let which = params![ending.record, ending.partner, ending.leaf()];
    select.query_row(which, |row| row.get(0)).step(STEP)
}

/// The snapshots of a partner that came after a leaf and close already, with what they hold of those keys.
pub(super) fn later<'k, K: Iterator<Item = &'k str>>(
    connection: &Connection,
    table: &TableSpec,
    partner: &str,
    leaf: i64,
    keys: impl Fn() -> K,
) -> Result<Vec<Later>, RegistryFault> {
    const STEP: &str = "look for later snapshots";
    let mut select = connection.prepare_cached(LATER).step(STEP)?;
    let mut found = select.query(params![table.record.name, partner, leaf]).step(STEP)?;
    let mut all = Vec::new();
    while let Some(row) = found.next().step(STEP)? {
        let exchange = row.get(1).map(Uuid::from_bytes).step(STEP)?;
        let which = (row.get(0).step(STEP)?, exchange, row.get(3).step(STEP)?);
        let scope: Option<String> = row.get(2).step(STEP)?;
        let kept = row.get(4).step(STEP)?;
        let Some(mut later) = Later::of(table, which, scope.as_deref(), kept) else {
            continue;
        };
        let sought = Sought::new(exchange, keys());
        held_parts(connection, exchange, |part| later.held(&sought, part))?;
        for key in keys() {
            if is_stamped(connection, exchange, key)? {
                later.stamped(key.to_owned());
            }
        }
        all.push(later);
    }
    Ok(all)
}

/// Writes down in the name of snapshots that came later what they would have done to rows of the part.
pub(super) fn lacking(
    connection: &Connection,
    arrival: &Arrival<'_>,
    later: &[Later],
    settled: &[Settled<'_>],
) -> Result<(), RegistryFault> {
    if later.is_empty() {
        return Ok(());
    }
    for settled in settled {
        let key = arrival.key(settled.group)?;
        for holder in arrival.holders(later, key, (&settled.before, &settled.after), &settled.fate) {
            stamp(connection, holder.exchange, key)?;
        }
        let first = later.iter().find(|later| Some(later.leaf) == settled.fate.lacking);
        let Some((first, version)) = first.zip(settled.after.version.as_ref()) else {
            continue;
        };
        let line = Line {
            record: &arrival.part.record,
            key,
            leaf: first.leaf,
            row: 0,
            exchange: first.exchange.as_bytes(),
            partner: &arrival.part.partner,
            at_us: first.received_us,
            kind: Kind::Close.word(),
            was: Some((version.order.1, version.order.2)),
            was_hash: Some(&version.hash),
            hash: Some(&version.hash),
        };
        put_line_once(connection, &line)?;
    }
    Ok(())
}

/// Notes what a part of a snapshot holds and did not write. What it had to reject and nobody has a row of is stamped: when an older batch brings it, it is
/// not lacking.
pub(super) fn held(
    connection: &Connection,
    arrival: &Arrival<'_>,
    settled: &[Settled<'_>],
) -> Result<(), RegistryFault> {
    const STEP: &str = "note what a snapshot holds";
    const TEXT: &str = "INSERT INTO snapshot_held (exchange, part, numbers) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let seen = settled.iter().filter(|settled| settled.fate.seen);
    let keys: Vec<&str> = seen
        .map(|settled| arrival.key(settled.group))
        .collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Ok(());
    }
    let part = arrival.part;
    for settled in settled
        .iter()
        .filter(|settled| settled.fate.seen && !settled.after.there)
    {
        stamp(connection, part.exchange, arrival.key(settled.group)?)?;
    }
    let numbers = held::packed(part.exchange, keys.into_iter());
    let mut insert = connection.prepare_cached(TEXT).step(STEP)?;
    insert
        .execute(params![part.exchange.as_bytes(), part.number, numbers])
        .step(STEP)?;
    Ok(())
}

/// Shows what is noted of a snapshot's parts, one after the other; nothing once it has ended.
pub(super) fn held_parts(
    connection: &Connection,
    exchange: Uuid,
    mut each: impl FnMut(&[u8]),
) -> Result<(), RegistryFault> {
    const STEP: &str = "read what a snapshot holds";
    const TEXT: &str = "SELECT numbers FROM snapshot_held WHERE exchange = ?1";
    let mut select = connection.prepare_cached(TEXT).step(STEP)?;
    let mut parts = select.query([exchange.as_bytes()]).step(STEP)?;
    while let Some(part) = parts.next().step(STEP)? {
        // INVARIANT: a strict table's column.
        each(part.get_ref(0).step(STEP)?.as_blob().unwrap_or_default());
    }
    Ok(())
}

/// Bytes of it.
pub(super) fn held_bytes(connection: &Connection, exchange: Uuid) -> Result<usize, RegistryFault> {
    const TEXT: &str = "SELECT coalesce(sum(length(numbers)), 0) FROM snapshot_held WHERE exchange = ?1";
    let bytes = connection.query_row(TEXT, [exchange.as_bytes()], |row| row.get::<_, i64>(0));
    Ok(usize::try_from(bytes.step("read what a snapshot holds")?).unwrap_or(0))
}

/// Forgets it.
pub(super) fn forget_held(connection: &Connection, exchange: Uuid) -> Result<(), RegistryFault> {
    const STEP: &str = "forget what a snapshot held";
    let mut delete = connection
        .prepare_cached("DELETE FROM snapshot_held WHERE exchange = ?1")
        .step(STEP)?;
    delete.execute([exchange.as_bytes()]).step(STEP)?;
    Ok(())
}

/// Forgets what is no longer needed of a snapshot that has ended, and of those before it.
pub(super) fn forget_held_up_to(connection: &Connection, ending: &Ending) -> Result<(), RegistryFault> {
    const STEP: &str = "forget what snapshots held";
    let keep = if ending.keep { KEPT_MAX } else { 0 };
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    let values = params![ending.record, ending.partner, ending.leaf(), BEHIND_ALL, keep];
    let mut delete = connection.prepare_cached(FORGET_HELD).step(STEP)?;
    delete.execute(values).step(STEP)?;
    if ending.keep {
        let mut insert = connection.prepare_cached(KEPT).step(STEP)?;
        insert
            .execute(params![ending.exchange.as_bytes(), [0_u8; 0]])
            .step(STEP)?;
    }
    Ok(())
}

/// Stamps a row that a snapshot holds and that is closed: it does not lack it.
pub(super) fn stamp(connection: &Connection, exchange: Uuid, key: &str) -> Result<(), RegistryFault> {
    const STEP: &str = "stamp a closed row";
    const TEXT: &str = "INSERT INTO snapshot_seen (exchange, row_key) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let mut insert = connection.prepare_cached(TEXT).step(STEP)?;
    insert.execute(params![exchange.as_bytes(), key]).step(STEP)?;
    Ok(())
}

/// Whether a snapshot stamped a key. It may have stamped as many as it holds, so a part asks for its own.
fn is_stamped(connection: &Connection, exchange: Uuid, key: &str) -> Result<bool, RegistryFault> {
    const STEP: &str = "look for a stamp";
    const TEXT: &str = "SELECT 1 FROM snapshot_seen WHERE exchange = ?1 AND row_key = ?2";
    let mut select = connection.prepare_cached(TEXT).step(STEP)?;
    select.exists(params![exchange.as_bytes(), key]).step(STEP)
}

/// What a snapshot stamped.
pub(super) fn stamped(connection: &Connection, exchange: Uuid) -> Result<Vec<String>, RegistryFault> {
    const STEP: &str = "read the stamps of a snapshot";
    const TEXT: &str = "SELECT row_key FROM snapshot_seen WHERE exchange = ?1";
    let mut select = connection.prepare_cached(TEXT).step(STEP)?;
    let keys = select.query_map([exchange.as_bytes()], |row| row.get(0)).step(STEP)?;
    keys.collect::<Result<_, _>>().step(STEP)
}
