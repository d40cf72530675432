//! The end of a snapshot on PostgreSQL: counting what it lacks, and closing it, a stride of keys at a time.

use futures_util::TryStreamExt;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::super::changes;
use super::super::discrepancy::touch::Touched;
use super::super::fault::RegistryFault;
use super::super::merge::closing::{BEHIND_ALL, Closed, Ending, Looked, STRIDE, Stride, Weighed};
use super::super::merge::fate::Kind;
use super::super::merge::held::Held;
use super::super::schema::{TableSpec, table_of};
use super::fault::Step;
use super::merge::BEGIN;
use super::note::{self, ClosingLine, Line};
use super::session::{Live, Session, within};
use super::stamps;
use super::value::{self, Id};
use super::{discrepancy, fingerprints, progress};

/// Counts in one stride behind `after`. What a later exchange brought was not held when the snapshot was made, so it makes no room for closing.
pub(super) async fn weigh(session: &mut Session, ending: &Ending, after: &str) -> Result<Weighed, RegistryFault> {
    let mut live = session.take().await?;
    let table = table_of(&session.tables, &ending.record)?;
    let weighed = match whole(&mut live, ending).await?.filter(|_| after.is_empty()) {
        Some(weighed) => weighed,
        None => stride(&mut live, table, ending, after).await?.weighed(),
    };
    session.put(live);
    Ok(weighed)
}

/// At once, when all parts went in just now and said again every row that stood.
async fn whole(live: &mut Live, ending: &Ending) -> Result<Option<Weighed>, RegistryFault> {
    fingerprints::check(live).await?;
    let met = live.fingerprints.of(ending.exchange).and_then(|known| known.all_met());
    // What is held is read for counting, and both in memory would be twice as much.
    live.fingerprints.forget(ending.exchange);
    Ok(met.map(Weighed::whole))
}

/// Closes in one stride behind where the last one ended, or behind `from` when that is further, in a transaction of its own.
pub(super) async fn close(session: &mut Session, ending: &Ending, from: &str) -> Result<Closed, RegistryFault> {
    let mut live = session.take().await?;
    live.simple("begin a closing", BEGIN).await?;
    let closed = close_in(&mut live, &session.tables, ending, from).await?;
    // The commit point: after it the stride's closings and the place in the table are durable, before it nothing is.
    live.simple("commit a closing", "COMMIT").await?;
    session.put(live);
    Ok(closed)
}

/// The same inside a transaction that the caller commits.
pub(super) async fn close_in(
    live: &mut Live,
    tables: &[TableSpec],
    ending: &Ending,
    from: &str,
) -> Result<Closed, RegistryFault> {
    let place = place(live, ending.exchange).await?;
    if place.starts_with(BEHIND_ALL) {
        return forget(live, tables, ending).await;
    }
    let table = table_of(tables, &ending.record)?;
    let stride = stride(live, table, ending, place.as_str().max(from)).await?;
    let rows = lacking(live, table, &stride.lacking).await?;
    fingerprints::check(live).await?;
    let changed_us = changes::mark(live).await?;
    live.fingerprints.wrote(ending.exchange, &table.name, changed_us);
    let mut touched = Touched::by(&ending.record, ending.received_us, ending.exchange);
    let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    discrepancy::note_standing(live, table, &keys, &mut touched).await?;
    let marks: Vec<(&str, i16)> = keys.iter().map(|key| (*key, 0)).collect();
    note::marks(live, &table.name, &marks).await?;
    let closings: Vec<ClosingLine<'_>> = rows.iter().map(|row| closing_of(&row.key, ending)).collect();
    note::closings(live, &closings).await?;
    let lines: Vec<Line<'_>> = rows.iter().map(|row| row.line(ending)).collect::<Result<_, _>>()?;
    note::history(live, &lines).await?;
    stamp_later(live, ending, table, &keys).await?;
    let lacking = stride.lacking_closed.iter().map(|key| closing_of(key, ending));
    note::closings(live, &lacking.collect::<Vec<_>>()).await?;
    discrepancy::compare(live, tables, touched).await?;
    register(live, ending).await?;
    let kept: Vec<&str> = stride.to_stamp.iter().map(String::as_str).collect();
    note::stamps(live, ending.exchange, &kept).await?;
    write_place(live, ending, rows.len(), stride.upto().unwrap_or(BEHIND_ALL)).await?;
    let mut upto = stride.upto();
    if upto.is_none() {
        note::forget_held_up_to(live, ending).await?;
        upto = stamps::are_due(live, ending).await?.then_some(BEHIND_ALL);
    }
    closed(live, ending, (stride.looked(), rows.len() as u64), upto).await
}

/// Nothing is left to close: goes through stamps in one stride.
async fn forget(live: &mut Live, tables: &[TableSpec], ending: &Ending) -> Result<Closed, RegistryFault> {
    let table = table_of(tables, &ending.record)?;
    let went = stamps::go_through(live, table, ending).await?;
    let upto = went.goes_on.then_some(BEHIND_ALL);
    closed(live, ending, (went.looked, 0), upto).await
}

/// It was set aside, and newer ones have ended: those that hold what it closes say so.
async fn stamp_later(
    live: &mut Live,
    ending: &Ending,
    table: &TableSpec,
    closed: &[&str],
) -> Result<(), RegistryFault> {
    if closed.is_empty() {
        return Ok(());
    }
    for later in note::later(live, table, &ending.partner, ending.leaf(), closed).await? {
        let held = closed.iter().copied().filter(|key| later.holds_open(key));
        note::stamps(live, later.exchange, &held.collect::<Vec<_>>()).await?;
    }
    Ok(())
}

/// What a stride did.
async fn closed(
    live: &mut Live,
    ending: &Ending,
    (looked, rows): (u64, u64),
    upto: Option<&str>,
) -> Result<Closed, RegistryFault> {
    let known = progress::of(live, &[ending.exchange]).await?;
    Ok(Closed {
        progress: known.get(&ending.exchange).copied().unwrap_or_default(),
        looked,
        rows,
        after: upto.map(str::to_owned),
    })
}

/// A snapshot of which nothing was accepted has no part and no progress yet.
async fn write_place(live: &mut Live, ending: &Ending, rows: usize, upto: &str) -> Result<(), RegistryFault> {
    let query = sqlx::query(
        "INSERT INTO relay_progress AS known \
         (exchange, leaf, record, partner, received_us, parts, row_count, inserted, updated, same, deleted, close_after) \
         VALUES ($1, $2, $3, $4, $5, 0, 0, 0, 0, 0, $6, $7) ON CONFLICT (exchange) DO UPDATE SET \
         deleted = known.deleted + excluded.deleted, close_after = excluded.close_after",
    )
    .bind(Id(ending.exchange))
    .bind(ending.leaf())
    .bind(ending.record.as_str())
    .bind(ending.partner.as_str())
    .bind(ending.received_us)
    .bind(i64::try_from(rows).unwrap_or(i64::MAX))
    .bind(upto);
    within("write the progress", live.patience, query.execute(&mut live.connection)).await?;
    Ok(())
}

/// A row that the snapshot lacks.
struct Lacking {
    key: String,
    leaf: i64,
    row: i64,
    hash: Vec<u8>,
}

fn closing_of<'r>(key: &'r str, ending: &'r Ending) -> ClosingLine<'r> {
    ClosingLine {
        record: &ending.record,
        key,
        partner: &ending.partner,
        closing: ending.closing(),
    }
}

impl Lacking {
    fn line<'r>(&'r self, ending: &'r Ending) -> Result<Line<'r>, RegistryFault> {
        let malformed = |_| RegistryFault::Malformed { column: "_hash" };
        let hash = self.hash.as_slice().try_into().map_err(malformed)?;
        Ok(Line {
            record: &ending.record,
            key: &self.key,
            leaf: ending.leaf(),
            row: 0,
            exchange: ending.exchange,
            partner: &ending.partner,
            at_us: ending.received_us,
            kind: Kind::Close.word(),
            was: Some((self.leaf, self.row)),
            was_hash: Some(hash),
            hash: Some(hash),
        })
    }
}

/// Writes down that it closes, for recalls of older ones that closed what it lacks too.
async fn register(live: &mut Live, ending: &Ending) -> Result<(), RegistryFault> {
    let query = sqlx::query(
        "INSERT INTO snapshot (record, partner, leaf, exchange, scope) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(ending.record.as_str())
    .bind(ending.partner.as_str())
    .bind(ending.leaf())
    .bind(Id(ending.exchange))
    .bind(ending.scope_text());
    within(
        "write a snapshot down",
        live.patience,
        query.execute(&mut live.connection),
    )
    .await?;
    Ok(())
}

/// What the snapshot holds and did not write, read once. An earlier version stamped it key by key.
async fn held<'e>(live: &mut Live, ending: &'e Ending) -> Result<&'e Held, RegistryFault> {
    if let Some(held) = ending.held.get() {
        return Ok(held);
    }
    let bytes = note::held_bytes(live, ending.exchange).await?;
    let mut held = Held::with_capacity(ending.exchange, bytes);
    note::held_parts(live, ending.exchange, |part| held.add_part(part)).await?;
    for key in note::stamped(live, ending.exchange).await? {
        held.add_key(&key);
    }
    Ok(ending.held.get_or_init(|| held.sorted()))
}

/// Where the closing of an exchange is; at the beginning when it has not begun.
pub(super) async fn place(live: &mut Live, exchange: Uuid) -> Result<String, RegistryFault> {
    const STEP: &str = "read the progress";
    let query = sqlx::query_scalar::<_, Option<String>>("SELECT close_after FROM relay_progress WHERE exchange = $1")
        .bind(Id(exchange));
    let found = within(STEP, live.patience, query.fetch_optional(&mut live.connection)).await?;
    Ok(found.flatten().unwrap_or_default())
}

/// The last key of a stride; none: it goes to the end of the table.
pub(super) async fn last_key(live: &mut Live, table: &TableSpec, after: &str) -> Result<Option<String>, RegistryFault> {
    let text = format!(
        "SELECT _key FROM {} WHERE _key > $1 ORDER BY _key LIMIT 1 OFFSET {}",
        table.name,
        STRIDE - 1
    );
    let query = sqlx::query_scalar::<_, String>(AssertSqlSafe(text)).bind(after);
    within(
        "look for keys",
        live.patience,
        query.fetch_optional(&mut live.connection),
    )
    .await
}

/// The next rows behind a key, each looked at once.
async fn stride(live: &mut Live, table: &TableSpec, ending: &Ending, after: &str) -> Result<Stride, RegistryFault> {
    let late = note::is_late(live, ending).await?;
    let mut stride = Stride::new(late);
    if after.starts_with(BEHIND_ALL) {
        return Ok(stride);
    }
    let held = held(live, ending).await?;
    let scope = ending.scope(table)?;
    let within_scope = match scope {
        Some((column, _)) => format!("{column} = ANY($4)"),
        // Each parameter must stand somewhere.
        None => "$4::text[] IS NOT NULL".to_owned(),
    };
    let text = format!(
        "SELECT _key, _open <> 0, coalesce(_partner = $2 AND _leaf <= $3 AND {within_scope}, false), _leaf < $3 \
         FROM {} WHERE _key > $1 ORDER BY _key LIMIT {STRIDE}",
        table.name
    );
    let query = sqlx::query(AssertSqlSafe(text))
        .bind(after)
        .bind(ending.partner.as_str())
        .bind(ending.leaf())
        .bind(scope.map(|(_, codes)| codes).unwrap_or_default());
    // Row by row as they come, so that the server looks for the next ones meanwhile.
    let mut found = query.fetch(&mut live.connection);
    let looking = async {
        while let Some(row) = found.try_next().await? {
            let Some(row) = looked(&row) else { return Ok(None) };
            stride.add(&row, held);
        }
        Ok(Some(stride))
    };
    let stride = within("look for what a snapshot lacks", live.patience, looking).await?;
    stride.ok_or(RegistryFault::Malformed { column: "_key" })
}

fn looked(row: &PgRow) -> Option<Looked<'_>> {
    Some(Looked {
        key: value::text(row, 0)?,
        open: value::flag(row, 1)?,
        spoken_for: value::flag(row, 2)?,
        older: value::flag(row, 3)?,
    })
}

/// Those rows, in the order of their keys.
async fn lacking(live: &mut Live, table: &TableSpec, keys: &[String]) -> Result<Vec<Lacking>, RegistryFault> {
    const STEP: &str = "read what a snapshot lacks";
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let text = format!(
        "SELECT _key, _leaf, _row, _hash FROM {} WHERE _key = ANY($1) ORDER BY _key",
        table.name
    );
    let query = sqlx::query(AssertSqlSafe(text)).bind(keys);
    let found = within(STEP, live.patience, query.fetch_all(&mut live.connection)).await?;
    let mut lacking = Vec::with_capacity(found.len());
    for row in &found {
        lacking.push(Lacking {
            key: row.try_get(0).step(STEP)?,
            leaf: row.try_get(1).step(STEP)?,
            row: row.try_get(2).step(STEP)?,
            hash: row.try_get(3).step(STEP)?,
        });
    }
    Ok(lacking)
}
