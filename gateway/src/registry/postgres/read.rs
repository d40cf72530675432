//! Reading a dataset from PostgreSQL: one statement in one snapshot, row by row off the wire into column builders.
//!
//! The reading has a connection and a thread of its own; batches come to the caller through a channel of two, so memory does not grow,
//! and building the next batch goes on while the caller works on the last one.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use arrow_array::RecordBatch;
use futures_util::TryStreamExt;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, Row};
use uuid::Uuid;

use super::super::Progress;
use super::super::changes;
use super::super::dialect::Dialect;
use super::super::fault::RegistryFault;
use super::super::read::{BATCH_ROWS, Batch, Bound, Reached, Reading};
use super::super::schema::TableSpec;
use super::fault::Step;
use super::progress;
use super::session::{self, Purpose, within};
use super::value::{self, Id, Instant};
use crate::postgres::PostgresSettings;

/// Batches that may wait for the caller.
const WAITING: usize = 2;

/// Hands the rows over in batches; gives how many, and as of when.
pub(in crate::registry) fn stream(
    settings: &PostgresSettings,
    reading: &Reading<'_>,
    tables: &[TableSpec],
    each: &mut dyn FnMut(RecordBatch) -> ControlFlow<()>,
) -> Result<Reached, RegistryFault> {
    let (batches, received) = sync_channel(WAITING);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| session::block_on(read(settings, reading, tables, batches))?);
        let mut rows = 0;
        while let Ok(batch) = received.recv() {
            rows += batch.num_rows() as u64;
            if each(batch).is_break() {
                break;
            }
        }
        // Who is told that nobody listens stops reading.
        drop(received);
        let read = reader.join().unwrap_or(Err(RegistryFault::Closed));
        read.map(|as_of_us| Reached { rows, as_of_us })
    })
}

async fn read(
    settings: &PostgresSettings,
    reading: &Reading<'_>,
    tables: &[TableSpec],
    batches: SyncSender<RecordBatch>,
) -> Result<Option<i64>, RegistryFault> {
    const STEP: &str = "read a dataset";
    let patience = Duration::from_millis(u64::from(settings.read_timeout_ms) + 5_000);
    let mut connection = session::connect(settings, Purpose::Read).await?;
    let begin = sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    within(STEP, patience, begin.execute(&mut connection)).await?;
    let mark = sqlx::query_scalar::<_, String>(changes::NEWEST).fetch_optional(&mut connection);
    let mark = within(STEP, patience, mark).await?;
    let as_of_us = mark.map(|mark| changes::read(Some(&mark))).transpose()?;
    let (text, bounds) = reading.query(Dialect::Postgres, tables);
    let mut query = sqlx::query(AssertSqlSafe(text)).persistent(false);
    for bound in bounds {
        query = match bound {
            Bound::Text(text) => query.bind(text),
            Bound::Instant(micros) => query.bind(Instant(micros)),
            Bound::Mark(micros) => query.bind(micros),
        };
    }
    let mut rows = query.fetch(&mut connection);
    let mut batch = Batch::new(reading.dataset, reading.schema());
    while let Some(row) = within(STEP, patience, rows.try_next()).await? {
        batch.push(|place, kind| Ok(value::decode(row.try_get_raw(place).step(STEP)?, kind)))?;
        if batch.rows() == BATCH_ROWS && batches.send(batch.finish()?).is_err() {
            // The connection is dropped in the middle of its answer; the server ends the statement.
            return Ok(as_of_us);
        }
    }
    if batch.rows() > 0 {
        let _gone = batches.send(batch.finish()?);
    }
    drop(rows);
    // Nothing was written, so it does not matter how it ends.
    let _ = tokio::time::timeout(Duration::from_secs(1), connection.close()).await;
    Ok(as_of_us)
}

/// How far each of those exchanges is.
pub(in crate::registry) fn progress_of(
    settings: &PostgresSettings,
    exchanges: &[Uuid],
) -> Result<HashMap<Uuid, Progress>, RegistryFault> {
    session::aside(async || {
        let patience = Duration::from_millis(settings.read_timeout_ms.into());
        let mut connection = session::connect(settings, Purpose::Read).await?;
        progress::read(&mut connection, patience, exchanges).await
    })
}

/// The exchanges behind one, by id.
pub(in crate::registry) fn exchanges_behind(
    settings: &PostgresSettings,
    last: Uuid,
) -> Result<Vec<(Uuid, u64)>, RegistryFault> {
    const STEP: &str = "list the exchanges";
    const TEXT: &str = "SELECT exchange, leaf FROM relay_progress WHERE exchange > $1 ORDER BY exchange LIMIT 1000";
    session::aside(async || {
        let patience = Duration::from_millis(settings.read_timeout_ms.into());
        let mut connection = session::connect(settings, Purpose::Read).await?;
        let query = sqlx::query(TEXT).bind(Id(last));
        let rows = within(STEP, patience, query.fetch_all(&mut connection)).await?;
        let malformed = || RegistryFault::Malformed {
            column: "relay_progress",
        };
        let id = |row: &PgRow| {
            let leaf = value::number(row, 1).and_then(|leaf| u64::try_from(leaf).ok());
            value::id(row, 0).zip(leaf).ok_or_else(malformed)
        };
        rows.iter().map(id).collect()
    })
}

/// Rows of each of those names: of a table, or of what is selected from it.
pub(in crate::registry) fn counts(
    settings: &PostgresSettings,
    sources: &[(String, String)],
) -> Result<Vec<(String, u64)>, RegistryFault> {
    const STEP: &str = "count a table";
    session::aside(async || {
        let patience = Duration::from_millis(settings.read_timeout_ms.into());
        let mut connection = session::connect(settings, Purpose::Read).await?;
        let mut counts = Vec::with_capacity(sources.len());
        for (name, from) in sources {
            let query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(format!("SELECT count(*) FROM {from}")));
            let count = within(STEP, patience, query.fetch_one(&mut connection)).await?;
            counts.push((name.clone(), count.unsigned_abs()));
        }
        Ok(counts)
    })
}
