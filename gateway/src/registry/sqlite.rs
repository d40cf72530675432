//! The registry's database file: how it is made and opened, and the one thread that writes it.
//!
//! One writer, so that what it reads still holds when it writes, and no WAL reset can race. Each order is one transaction of whole parts:
//! BEGIN IMMEDIATE, progress, rows, index rows, progress again, COMMIT. A crash before the COMMIT leaves nothing of the part; after
//! it, rows and progress are both there, because `synchronous=FULL` syncs the log before COMMIT returns.

mod discrepancy;
mod ending;
mod index;
mod merge;
mod note;
mod numbers;
mod read;
mod recall;
mod schema;
mod stamps;
#[cfg(test)]
mod tests;
mod traces;

use std::collections::HashMap;
use std::path::Path;
use std::thread::JoinHandle;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::mpsc;
use uuid::Uuid;

use self::numbers::Within;
use self::schema::Migration;
use super::changes;
use super::dataset;
use super::dialect::Dialect;
use super::fault::{RegistryFault, Step};
use super::merge::closing::BEHIND_ALL;
use super::merge::{Arrival, Counts, Part, merged, repeated};
use super::numbers as joining;
use super::schema::{self as tables_of, Missing, TableSpec};
use super::settings::SqliteSettings;
use super::{Merged, Order, Progress};
use crate::durable;

pub(super) use self::discrepancy::list_them;
pub(super) use self::read::stream;
pub(super) use self::traces::trace;

/// The first SQLite in which a reader cannot make the write-ahead log start over too early.
const SQLITE_MIN: i32 = 3_051_003;
/// Statements kept prepared: two a table and column set for writing, and the look-ups by size.
const STATEMENTS: usize = 256;

/// Makes the file and its folder; the file must not be there.
pub(super) fn make(settings: &SqliteSettings) -> Result<Connection, RegistryFault> {
    let path = settings.path.as_path();
    if path.exists() {
        return Err(RegistryFault::Exists(path.display().to_string()));
    }
    make_file(path).map_err(|source| RegistryFault::Make {
        path: path.into(),
        source,
    })?;
    let mut connection = open(settings)?;
    let transaction = connection.transaction().step("make the registry")?;
    schema::make_base(&transaction)?;
    transaction.commit().step("make the registry")?;
    Ok(connection)
}

fn make_file(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        durable::private_folder(folder)?;
    }
    durable::create_private(path).map(drop)
}

/// Opens the file for writing; it must be there.
pub(super) fn open(settings: &SqliteSettings) -> Result<Connection, RegistryFault> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(RegistryFault::OldSqlite(rusqlite::version()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = connect(settings, flags, settings.cache_mib)?;
    let pragmas = format!(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint={}; PRAGMA secure_delete=ON;",
        settings.wal_autocheckpoint_pages
    );
    connection.execute_batch(&pragmas).step("set up the registry")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Opens the file for one reading.
pub(super) fn open_reader(settings: &SqliteSettings) -> Result<Connection, RegistryFault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = connect(settings, flags, 8)?;
    connection
        .execute_batch("PRAGMA query_only=ON;")
        .step("set up a reading")?;
    Ok(connection)
}

fn connect(settings: &SqliteSettings, flags: OpenFlags, cache_mib: u32) -> Result<Connection, RegistryFault> {
    if !settings.path.exists() {
        return Err(RegistryFault::Absent(settings.path.clone()));
    }
    let connection = Connection::open_with_flags(&settings.path, flags).step("open the registry")?;
    connection
        .busy_timeout(settings.busy_timeout())
        .step("open the registry")?;
    // Sorting in memory: a temporary file would hold personal data.
    let pragmas = format!(
        "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; \
         PRAGMA temp_store=MEMORY; PRAGMA cache_size=-{};",
        u64::from(cache_mib) * 1_024
    );
    connection.execute_batch(&pragmas).step("open the registry")?;
    // A plan that may depend on what is bound is made anew for each value.
    let stable = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true);
    stable.step("open the registry")?;
    Ok(connection)
}

/// Whether the database has what the tables need.
pub(super) fn fits(connection: &Connection, tables: &[TableSpec]) -> Result<(), RegistryFault> {
    let migration = Migration::plan(connection, tables, &dataset::views(Dialect::Sqlite, tables))?;
    if migration.is_due() {
        return Err(migration.behind());
    }
    Ok(())
}

/// Brings the database to the tables, or says what is missing. Views hold nothing, so they follow the tables without being asked for.
pub(super) fn fit(connection: &mut Connection, tables: &[TableSpec], missing: Missing) -> Result<(), RegistryFault> {
    let views = dataset::views(Dialect::Sqlite, tables);
    let migration = Migration::plan(connection, tables, &views)?;
    if migration.is_due() && missing == Missing::Refuse {
        return Err(migration.behind());
    }
    if !migration.is_due() && !migration.views_differ {
        return Ok(());
    }
    let transaction = connection.transaction().step("migrate the registry")?;
    migration.run(&transaction)?;
    transaction.commit().step("migrate the registry")
}

/// Opens the file, brings it to the tables or refuses, and starts its writer.
pub(super) fn launch(
    settings: &SqliteSettings,
    mut tables: Vec<TableSpec>,
    missing: Missing,
    orders: mpsc::Receiver<Order>,
) -> Result<JoinHandle<()>, RegistryFault> {
    let mut connection = open(settings)?;
    fit(&mut connection, &tables, missing)?;
    schema::find_withdrawn(&connection, &mut tables)?;
    if !joining::at_once(joining::to_walk(&mut Within(&connection), &tables))?.is_empty() {
        while walk(&mut connection, &tables)? {}
    }
    std::thread::Builder::new()
        .name("registry".into())
        .spawn(move || serve(connection, tables, orders))
        .map_err(|source| RegistryFault::Make {
            path: settings.path.clone(),
            source,
        })
}

/// Joins the next of the rows that were there before anybody noted their numbers, in a transaction of its own; false when none is left.
fn walk(connection: &mut Connection, tables: &[TableSpec]) -> Result<bool, RegistryFault> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .step("begin to join numbers")?;
    let next = joining::at_once(joining::walk(&mut Within(&transaction), tables))?;
    let goes_on = next.is_some();
    if let Some((record, keys)) = next {
        let changed_us = joining::at_once(changes::mark(&mut Within(&transaction)))?;
        discrepancy::compare(&transaction, tables, joining::walked(record, keys, changed_us))?;
    }
    transaction.commit().step("commit joined numbers")?;
    Ok(goes_on)
}

/// The writer's thread: one order after the other until it is told to close or nobody is left to give one.
fn serve(mut connection: Connection, mut tables: Vec<TableSpec>, mut orders: mpsc::Receiver<Order>) {
    while let Some(order) = orders.blocking_recv() {
        // Whoever asked may be gone; then nobody needs the answer.
        match order {
            Order::Merge(parts, answer) => {
                let _gone = answer.send(merge_parts(&mut connection, &tables, &parts));
            }
            Order::Progress(exchange, answer) => {
                let _gone = answer.send(progress(&connection, exchange));
            }
            Order::Weigh(ending, after, answer) => {
                let _gone = answer.send(ending::weigh(&connection, &tables, &ending, &after));
            }
            Order::End(ending, from, answer) => {
                let _gone = answer.send(ending::close(&mut connection, &tables, &ending, &from));
            }
            Order::Recall(recall, answer) => {
                let _gone = answer.send(recall::undo(&mut connection, &tables, &recall));
            }
            Order::Adopt(new, answer) => {
                let fitted = fit(&mut connection, &new, Missing::Refuse);
                if fitted.is_ok() {
                    tables = tables_of::both(&tables, new);
                }
                let _gone = answer.send(fitted);
            }
            Order::Close(answer) => {
                drop(connection);
                let _gone = answer.send(());
                return;
            }
        }
    }
}

/// Parts in one transaction; a part that is in already changes nothing.
pub(super) fn merge_parts(
    connection: &mut Connection,
    tables: &[TableSpec],
    parts: &[Part],
) -> Result<Vec<Merged>, RegistryFault> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .step("begin a part")?;
    let merged: Result<Vec<_>, _> = parts.iter().map(|part| merge_in(&transaction, tables, part)).collect();
    let merged = merged?;
    transaction.commit().step("commit a part")?;
    Ok(merged)
}

/// The part inside a transaction that the caller commits.
pub(super) fn merge_in(
    transaction: &Transaction<'_>,
    tables: &[TableSpec],
    part: &Part,
) -> Result<Merged, RegistryFault> {
    let before = progress(transaction, part.exchange)?.unwrap_or_default();
    let Some(arrival) = Arrival::due(tables, part, before.parts, before.rows)? else {
        return Ok(repeated(before));
    };
    let merged = merged(
        merge::apply(transaction, tables, &arrival)?,
        arrival.rows.count(),
        before,
    );
    write_progress(transaction, part, &merged.progress)?;
    Ok(merged)
}

fn progress(connection: &Connection, exchange: Uuid) -> Result<Option<Progress>, RegistryFault> {
    let mut select = connection
        .prepare_cached(
            "SELECT parts, inserted, updated, same, deleted, row_count, close_after IS NOT NULL, \
            coalesce(close_after >= ?2, 0) FROM relay_progress WHERE exchange = ?1",
        )
        .step("read the progress")?;
    select
        .query_row(params![exchange.as_bytes(), BEHIND_ALL], |row| {
            let count = |place| row.get::<_, i64>(place).map(i64::unsigned_abs);
            Ok(Progress {
                parts: row.get(0)?,
                counts: Counts {
                    ins: count(1)?,
                    upd: count(2)?,
                    same: count(3)?,
                    del: count(4)?,
                },
                rows: count(5)?,
                closing: row.get(6)?,
                closed: row.get(7)?,
            })
        })
        .optional()
        .step("read the progress")
}

pub(super) fn progress_of(
    connection: &Connection,
    exchanges: &[Uuid],
) -> Result<HashMap<Uuid, Progress>, RegistryFault> {
    let mut known = HashMap::new();
    for exchange in exchanges {
        if let Some(progress) = progress(connection, *exchange)? {
            known.insert(*exchange, progress);
        }
    }
    Ok(known)
}

pub(super) fn exchanges_behind(connection: &Connection, last: Uuid) -> Result<Vec<(Uuid, u64)>, RegistryFault> {
    const STEP: &str = "list the exchanges";
    let text = "SELECT exchange, leaf FROM relay_progress WHERE exchange > ?1 ORDER BY exchange LIMIT 1000";
    let mut select = connection.prepare(text).step(STEP)?;
    let rows = select
        .query_map([last.as_bytes()], |row| {
            Ok((Uuid::from_bytes(row.get(0)?), row.get::<_, i64>(1)?.cast_unsigned()))
        })
        .step(STEP)?;
    rows.collect::<Result<_, _>>().step(STEP)
}

const NOTE: &str = "INSERT INTO relay_progress \
    (exchange, leaf, record, partner, received_us, parts, row_count, inserted, updated, same, deleted) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (exchange) DO UPDATE SET parts = excluded.parts, \
    row_count = excluded.row_count, inserted = excluded.inserted, updated = excluded.updated, same = excluded.same, \
    deleted = excluded.deleted";

fn write_progress(transaction: &Transaction<'_>, part: &Part, progress: &Progress) -> Result<(), RegistryFault> {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let counts = progress.counts;
    transaction
        .prepare_cached(NOTE)
        .step("prepare the progress")?
        .execute((
            part.exchange.as_bytes(),
            signed(part.leaf),
            &part.record,
            &part.partner,
            part.received_us,
            progress.parts,
            signed(progress.rows),
            signed(counts.ins),
            signed(counts.upd),
            signed(counts.same),
            signed(counts.del),
        ))
        .step("write the progress")?;
    Ok(())
}

/// Rows of a table or of what is selected from it.
pub(super) fn count(connection: &Connection, from: &str) -> Result<u64, RegistryFault> {
    connection
        .query_row(&format!("SELECT count(*) FROM {from}"), [], |row| row.get::<_, i64>(0))
        .map(i64::unsigned_abs)
        .step("count a table")
}
