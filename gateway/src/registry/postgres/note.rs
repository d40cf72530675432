//! What PostgreSQL keeps beside the rows: closings, history, what a snapshot holds, and whether a row is open. One statement each.

use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::super::fault::RegistryFault;
use super::super::merge::closing::{BEHIND_ALL, Closing, Ending};
use super::super::merge::held::Sought;
use super::super::merge::late::{FORGET_HELD, IS_LATE, KEPT, KEPT_MAX, LATER, Later};
use super::super::merge::rows::HASH_BYTES;
use super::super::schema::TableSpec;
use super::fault::Step;
use super::session::{Live, within};
use super::value::{self, Id};

/// A closing to be written down.
pub(super) struct ClosingLine<'r> {
    pub(super) record: &'r str,
    pub(super) key: &'r str,
    pub(super) partner: &'r str,
    pub(super) closing: Closing,
}

/// A delete that a newer one took the place of.
pub(super) struct Superseded<'r> {
    pub(super) record: &'r str,
    pub(super) key: &'r str,
    pub(super) partner: &'r str,
    /// Source time, leaf, row.
    pub(super) order: (i64, i64, i64),
}

/// One line of the history.
pub(super) struct Line<'r> {
    pub(super) record: &'r str,
    pub(super) key: &'r str,
    pub(super) leaf: i64,
    pub(super) row: i64,
    pub(super) exchange: Uuid,
    pub(super) partner: &'r str,
    pub(super) at_us: i64,
    pub(super) kind: &'static str,
    pub(super) was: Option<(i64, i64)>,
    pub(super) was_hash: Option<[u8; HASH_BYTES]>,
    pub(super) hash: Option<[u8; HASH_BYTES]>,
}

fn all<T, V>(lines: &[T], of: impl Fn(&T) -> V) -> Vec<V> {
    lines.iter().map(of).collect()
}

/// The closings of those keys by one partner.
pub(super) async fn look_up(
    live: &mut Live,
    record: &str,
    partner: &str,
    keys: &[&str],
) -> Result<Vec<(String, Closing)>, RegistryFault> {
    const STEP: &str = "look up closings";
    const TEXT: &str = "SELECT row_key, snapshot_leaf, source_us, leaf, row_no FROM closing \
        WHERE record = $1 AND row_key = ANY($2) AND partner = $3";
    let query = sqlx::query(TEXT).bind(record).bind(keys).bind(partner);
    let found = within(STEP, live.patience, query.fetch_all(&mut live.connection)).await?;
    let mut closings = Vec::with_capacity(found.len());
    for row in &found {
        let number = |place: usize| row.try_get::<Option<i64>, _>(place).step(STEP);
        let deleted = Option::zip(number(2)?, Option::zip(number(3)?, number(4)?));
        closings.push((
            row.try_get(0).step(STEP)?,
            Closing {
                snapshot_leaf: number(1)?,
                deleted: deleted.map(|(source, (leaf, row))| (source, leaf, row)),
            },
        ));
    }
    Ok(closings)
}

/// Writes closings down, each key once.
pub(super) async fn closings(live: &mut Live, lines: &[ClosingLine<'_>]) -> Result<(), RegistryFault> {
    const TEXT: &str = "INSERT INTO closing AS known (record, row_key, partner, snapshot_leaf, source_us, leaf, row_no) \
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) \
        ON CONFLICT (record, row_key, partner) DO UPDATE SET \
        snapshot_leaf = coalesce(excluded.snapshot_leaf, known.snapshot_leaf), \
        source_us = coalesce(excluded.source_us, known.source_us), \
        leaf = coalesce(excluded.leaf, known.leaf), row_no = coalesce(excluded.row_no, known.row_no)";
    if lines.is_empty() {
        return Ok(());
    }
    let deleted = |line: &ClosingLine<'_>| line.closing.deleted;
    let query = sqlx::query(TEXT)
        .bind(all(lines, |line| line.record))
        .bind(all(lines, |line| line.key))
        .bind(all(lines, |line| line.partner))
        .bind(all(lines, |line| line.closing.snapshot_leaf))
        .bind(all(lines, |line| deleted(line).map(|(source, ..)| source)))
        .bind(all(lines, |line| deleted(line).map(|(_, leaf, _)| leaf)))
        .bind(all(lines, |line| deleted(line).map(|(.., row)| row)));
    within("note closings", live.patience, query.execute(&mut live.connection)).await?;
    Ok(())
}

/// Keeps deletes that newer ones took the place of.
pub(super) async fn superseded(live: &mut Live, lines: &[Superseded<'_>]) -> Result<(), RegistryFault> {
    // Of one key and exchange the newest: a statement may not touch a row twice.
    const TEXT: &str = "INSERT INTO superseded AS known (record, row_key, partner, source_us, leaf, row_no) \
        SELECT DISTINCT ON (record, row_key, partner, leaf) record, row_key, partner, source_us, leaf, row_no \
        FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[]) \
        AS line (record, row_key, partner, source_us, leaf, row_no) \
        ORDER BY record, row_key, partner, leaf, source_us DESC, row_no DESC \
        ON CONFLICT (record, row_key, partner, leaf) DO UPDATE SET source_us = excluded.source_us, row_no = excluded.row_no \
        WHERE (excluded.source_us, excluded.row_no) > (known.source_us, known.row_no)";
    if lines.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(TEXT)
        .bind(all(lines, |line| line.record))
        .bind(all(lines, |line| line.key))
        .bind(all(lines, |line| line.partner))
        .bind(all(lines, |line| line.order.0))
        .bind(all(lines, |line| line.order.1))
        .bind(all(lines, |line| line.order.2));
    within("keep deletes", live.patience, query.execute(&mut live.connection)).await?;
    Ok(())
}

const LINES: &str = "INSERT INTO history \
    (record, row_key, leaf, row_no, exchange, partner, at_us, kind, was_leaf, was_row, was_hash, hash) \
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::uuid[], $6::text[], $7::bigint[], $8::text[], \
    $9::bigint[], $10::bigint[], $11::bytea[], $12::bytea[])";

/// Writes down what happened to rows that were there.
pub(super) async fn history(live: &mut Live, lines: &[Line<'_>]) -> Result<(), RegistryFault> {
    write_lines(live, LINES.to_owned(), lines).await
}

/// Writes lines unless they are there. A snapshot has one line a key: that it closes what came late, too, is not said again.
pub(super) async fn history_once(live: &mut Live, lines: &[Line<'_>]) -> Result<(), RegistryFault> {
    write_lines(live, format!("{LINES} ON CONFLICT DO NOTHING"), lines).await
}

async fn write_lines(live: &mut Live, text: String, lines: &[Line<'_>]) -> Result<(), RegistryFault> {
    if lines.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(AssertSqlSafe(text))
        .bind(all(lines, |line| line.record))
        .bind(all(lines, |line| line.key))
        .bind(all(lines, |line| line.leaf))
        .bind(all(lines, |line| line.row))
        .bind(all(lines, |line| Id(line.exchange)))
        .bind(all(lines, |line| line.partner))
        .bind(all(lines, |line| line.at_us))
        .bind(all(lines, |line| line.kind))
        .bind(all(lines, |line| line.was.map(|was| was.0)))
        .bind(all(lines, |line| line.was.map(|was| was.1)))
        .bind(all(lines, |line| line.was_hash.map(|hash| hash.to_vec())))
        .bind(all(lines, |line| line.hash.map(|hash| hash.to_vec())));
    within("write the history", live.patience, query.execute(&mut live.connection)).await?;
    Ok(())
}

/// What one part of a snapshot holds and did not write.
pub(super) struct HeldPart {
    pub(super) exchange: Uuid,
    pub(super) part: i64,
    /// Of [`held::packed`].
    pub(super) numbers: Vec<u8>,
}

/// Notes what parts of snapshots hold.
pub(super) async fn held(live: &mut Live, parts: &[HeldPart]) -> Result<(), RegistryFault> {
    const TEXT: &str = "INSERT INTO snapshot_held (exchange, part, numbers) \
        SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bytea[]) ON CONFLICT DO NOTHING";
    if parts.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(TEXT)
        .bind(all(parts, |part| Id(part.exchange)))
        .bind(all(parts, |part| part.part))
        .bind(parts.iter().map(|part| part.numbers.as_slice()).collect::<Vec<_>>());
    let noted = within(
        "note what a snapshot holds",
        live.patience,
        query.execute(&mut live.connection),
    );
    noted.await?;
    Ok(())
}

/// Shows what is noted of a snapshot's parts, one after the other; nothing once it has ended.
pub(super) async fn held_parts(
    live: &mut Live,
    exchange: Uuid,
    mut each: impl FnMut(&[u8]),
) -> Result<(), RegistryFault> {
    const STEP: &str = "read what a snapshot holds";
    const TEXT: &str =
        "SELECT part, numbers FROM snapshot_held WHERE exchange = $1 AND part > $2 ORDER BY part LIMIT 64";
    let mut behind = -1_i64;
    loop {
        let query = sqlx::query(TEXT).bind(Id(exchange)).bind(behind);
        let found = within(STEP, live.patience, query.fetch_all(&mut live.connection)).await?;
        let Some(last) = found.last() else {
            return Ok(());
        };
        behind = last.try_get(0).step(STEP)?;
        for row in &found {
            each(row.try_get(1).step(STEP)?);
        }
    }
}

/// Bytes of it.
pub(super) async fn held_bytes(live: &mut Live, exchange: Uuid) -> Result<usize, RegistryFault> {
    const TEXT: &str = "SELECT coalesce(sum(length(numbers)), 0)::bigint FROM snapshot_held WHERE exchange = $1";
    let query = sqlx::query_scalar::<_, i64>(TEXT).bind(Id(exchange));
    let bytes = within(
        "read what a snapshot holds",
        live.patience,
        query.fetch_one(&mut live.connection),
    )
    .await?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// Forgets it.
pub(super) async fn forget_held(live: &mut Live, exchange: Uuid) -> Result<(), RegistryFault> {
    let query = sqlx::query("DELETE FROM snapshot_held WHERE exchange = $1").bind(Id(exchange));
    within(
        "forget what a snapshot held",
        live.patience,
        query.execute(&mut live.connection),
    )
    .await?;
    Ok(())
}

/// Forgets what is no longer needed of a snapshot that has ended, and of those before it.
pub(super) async fn forget_held_up_to(live: &mut Live, ending: &Ending) -> Result<(), RegistryFault> {
    const STEP: &str = "forget what snapshots held";
    let keep = if ending.keep { KEPT_MAX } else { 0 };
    let query = sqlx::query(FORGET_HELD)
        .bind(ending.record.as_str())
        .bind(ending.partner.as_str())
        .bind(ending.leaf())
        .bind(BEHIND_ALL)
        .bind(i64::try_from(keep).unwrap_or(i64::MAX));
    within(STEP, live.patience, query.execute(&mut live.connection)).await?;
    if ending.keep {
        let query = sqlx::query(KEPT).bind(Id(ending.exchange)).bind(Vec::<u8>::new());
        within(STEP, live.patience, query.execute(&mut live.connection)).await?;
    }
    Ok(())
}

/// Whether a newer snapshot of its partner has begun to close.
pub(super) async fn is_late(live: &mut Live, ending: &Ending) -> Result<bool, RegistryFault> {
    let query = sqlx::query_scalar::<_, bool>(IS_LATE)
        .bind(ending.record.as_str())
        .bind(ending.partner.as_str())
        .bind(ending.leaf());
    within(
        "look for later snapshots",
        live.patience,
        query.fetch_one(&mut live.connection),
    )
    .await
}

/// The snapshots of a partner that came after a leaf and close already, with what they hold of those keys.
pub(super) async fn later(
    live: &mut Live,
    table: &TableSpec,
    partner: &str,
    leaf: i64,
    keys: &[&str],
) -> Result<Vec<Later>, RegistryFault> {
    const STEP: &str = "look for later snapshots";
    let query = sqlx::query(LATER).bind(table.record.name).bind(partner).bind(leaf);
    let found = within(STEP, live.patience, query.fetch_all(&mut live.connection)).await?;
    let mut all = Vec::with_capacity(found.len());
    for row in &found {
        let exchange = value::id(row, 1).ok_or(RegistryFault::Malformed { column: "exchange" })?;
        let which = (row.try_get(0).step(STEP)?, exchange, row.try_get(3).step(STEP)?);
        let scope: Option<String> = row.try_get(2).step(STEP)?;
        let kept = row.try_get(4).step(STEP)?;
        let Some(mut later) = Later::of(table, which, scope.as_deref(), kept) else {
            continue;
        };
        let sought = Sought::new(exchange, keys.iter().copied());
        held_parts(live, exchange, |part| later.held(&sought, part)).await?;
        for key in stamped_of(live, exchange, keys).await? {
            later.stamped(key);
        }
        all.push(later);
    }
    Ok(all)
}

/// Those of some keys that a snapshot stamped.
async fn stamped_of(live: &mut Live, exchange: Uuid, keys: &[&str]) -> Result<Vec<String>, RegistryFault> {
    const TEXT: &str = "SELECT row_key FROM snapshot_seen WHERE exchange = $1 AND row_key = ANY($2)";
    let query = sqlx::query_scalar::<_, String>(TEXT).bind(Id(exchange)).bind(keys);
    within(
        "read the stamps of a snapshot",
        live.patience,
        query.fetch_all(&mut live.connection),
    )
    .await
}

/// Stamps rows that a snapshot holds and that are closed: it does not lack them.
pub(super) async fn stamps(live: &mut Live, exchange: Uuid, keys: &[&str]) -> Result<(), RegistryFault> {
    const TEXT: &str =
        "INSERT INTO snapshot_seen (exchange, row_key) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING";
    if keys.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(TEXT).bind(Id(exchange)).bind(keys);
    within("stamp closed rows", live.patience, query.execute(&mut live.connection)).await?;
    Ok(())
}

/// What a snapshot stamped.
pub(super) async fn stamped(live: &mut Live, exchange: Uuid) -> Result<Vec<String>, RegistryFault> {
    let query = sqlx::query_scalar::<_, String>("SELECT row_key FROM snapshot_seen WHERE exchange = $1");
    let query = query.bind(Id(exchange));
    within(
        "read the stamps of a snapshot",
        live.patience,
        query.fetch_all(&mut live.connection),
    )
    .await
}

/// Says of rows that are there whether they are open.
pub(super) async fn marks(live: &mut Live, table: &str, marks: &[(&str, i16)]) -> Result<(), RegistryFault> {
    if marks.is_empty() {
        return Ok(());
    }
    let text = format!(
        "UPDATE {table} AS t SET _open = mark.state FROM unnest($1::text[], $2::smallint[]) AS mark (row_key, state) \
         WHERE t._key = mark.row_key"
    );
    let query = sqlx::query(AssertSqlSafe(text))
        .bind(all(marks, |(key, _)| *key))
        .bind(all(marks, |(_, state)| *state));
    within("close rows", live.patience, query.execute(&mut live.connection)).await?;
    Ok(())
}
