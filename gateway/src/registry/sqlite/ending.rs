//! The end of a snapshot on SQLite: counting what it lacks, and closing it, a stride of keys at a time.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params, params_from_iter};
use uuid::Uuid;

use super::super::changes;
use super::super::discrepancy::touch::Touched;
use super::super::fault::{RegistryFault, Step};
use super::super::merge::closing::{BEHIND_ALL, Closed, Ending, Looked, STRIDE, Stride, Weighed};
use super::super::merge::fate::Kind;
use super::super::merge::held::Held;
use super::super::numbers::at_once;
use super::super::schema::{TableSpec, table_of};
use super::discrepancy;
use super::note::{self, Line, put_closing, put_line};
use super::numbers::Within;
use super::stamps;

/// Counts in one stride behind `after`. What a later exchange brought was not held when the snapshot was made, so it makes no room for closing.
pub(super) fn weigh(
    connection: &Connection,
    tables: &[TableSpec],
    ending: &Ending,
    after: &str,
) -> Result<Weighed, RegistryFault> {
    let table = table_of(tables, &ending.record)?;
    Ok(stride(connection, table, ending, after)?.weighed())
}

/// Closes in one stride behind where the last one ended, or behind `from` when that is further, in a transaction of its own.
pub(super) fn close(
    connection: &mut Connection,
    tables: &[TableSpec],
    ending: &Ending,
    from: &str,
) -> Result<Closed, RegistryFault> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .step("begin a closing")?;
    let closed = close_in(&transaction, tables, ending, from)?;
    transaction.commit().step("commit a closing")?;
    Ok(closed)
}

/// The same inside a transaction that the caller commits.
pub(super) fn close_in(
    transaction: &Transaction<'_>,
    tables: &[TableSpec],
    ending: &Ending,
    from: &str,
) -> Result<Closed, RegistryFault> {
    let place = place(transaction, ending.exchange)?.unwrap_or_default();
    if place.starts_with(BEHIND_ALL) {
        return forget(transaction, tables, ending);
    }
    let table = table_of(tables, &ending.record)?;
    let stride = stride(transaction, table, ending, place.as_str().max(from))?;
    at_once(changes::mark(&mut Within(transaction)))?;
    let mut touched = Touched::by(&ending.record, ending.received_us, ending.exchange);
    let keys: Vec<&str> = stride.lacking.iter().map(String::as_str).collect();
    discrepancy::note_standing(transaction, table, &keys, &mut touched)?;
    for key in &keys {
        close_row(transaction, ending, table, &lacking(transaction, table, key)?)?;
    }
    stamp_later(transaction, ending, table, &keys)?;
    for key in &stride.lacking_closed {
        put_closing(transaction, &ending.record, &ending.partner, key, &ending.closing())?;
    }
    discrepancy::compare(transaction, tables, touched)?;
    register(transaction, ending)?;
    for key in &stride.to_stamp {
        note::stamp(transaction, ending.exchange, key)?;
    }
    let rows = stride.lacking.len();
    write_place(transaction, ending, rows, stride.upto().unwrap_or(BEHIND_ALL))?;
    let mut upto = stride.upto();
    if upto.is_none() {
        note::forget_held_up_to(transaction, ending)?;
        upto = stamps::are_due(transaction, ending)?.then_some(BEHIND_ALL);
    }
    closed(transaction, ending, (stride.looked(), rows as u64), upto)
}

/// Nothing is left to close: goes through stamps in one stride.
fn forget(connection: &Connection, tables: &[TableSpec], ending: &Ending) -> Result<Closed, RegistryFault> {
    let table = table_of(tables, &ending.record)?;
    let went = stamps::go_through(connection, table, ending)?;
    let upto = went.goes_on.then_some(BEHIND_ALL);
    closed(connection, ending, (went.looked, 0), upto)
}

/// It was set aside, and newer ones have ended: those that hold what it closes say so.
fn stamp_later(
    connection: &Connection,
    ending: &Ending,
    table: &TableSpec,
    closed: &[&str],
) -> Result<(), RegistryFault> {
    if closed.is_empty() {
        return Ok(());
    }
    let keys = || closed.iter().copied();
    for later in note::later(connection, table, &ending.partner, ending.leaf(), keys)? {
        for key in keys().filter(|key| later.holds_open(key)) {
            note::stamp(connection, later.exchange, key)?;
        }
    }
    Ok(())
}

/// What a stride did.
fn closed(
    connection: &Connection,
    ending: &Ending,
    (looked, rows): (u64, u64),
    upto: Option<&str>,
) -> Result<Closed, RegistryFault> {
    Ok(Closed {
        progress: super::progress(connection, ending.exchange)?.unwrap_or_default(),
        looked,
        rows,
        after: upto.map(str::to_owned),
    })
}

/// A snapshot of which nothing was accepted has no part and no progress yet.
fn write_place(connection: &Connection, ending: &Ending, rows: usize, upto: &str) -> Result<(), RegistryFault> {
    const TEXT: &str = "INSERT INTO relay_progress \
        (exchange, leaf, record, partner, received_us, parts, row_count, inserted, updated, same, deleted, close_after) \
        VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, 0, 0, ?6, ?7) ON CONFLICT (exchange) DO UPDATE SET \
        deleted = deleted + excluded.deleted, close_after = excluded.close_after";
    connection
        .prepare_cached(TEXT)
        .step("prepare the progress")?
        .execute(params![
            ending.exchange.as_bytes(),
            ending.leaf(),
            ending.record,
            ending.partner,
            ending.received_us,
            i64::try_from(rows).unwrap_or(i64::MAX),
            upto
        ])
        .step("write the progress")?;
    Ok(())
}

/// A row that the snapshot lacks.
struct Lacking {
    key: String,
    leaf: i64,
    row: i64,
    hash: Vec<u8>,
}

fn close_row(connection: &Connection, ending: &Ending, table: &TableSpec, row: &Lacking) -> Result<(), RegistryFault> {
    let text = format!("UPDATE {} SET _open = 0 WHERE _key = ?1", table.name);
    connection
        .prepare_cached(&text)
        .step("prepare a closing")?
        .execute([&row.key])
        .step("close a row")?;
    put_closing(connection, &ending.record, &ending.partner, &row.key, &ending.closing())?;
    put_line(
        connection,
        &Line {
            record: &ending.record,
            key: &row.key,
            leaf: ending.leaf(),
            row: 0,
            exchange: ending.exchange.as_bytes(),
            partner: &ending.partner,
            at_us: ending.received_us,
            kind: Kind::Close.word(),
            was: Some((row.leaf, row.row)),
            was_hash: Some(&row.hash),
            hash: Some(&row.hash),
        },
    )
}

/// Writes down that it closes, for recalls of older ones that closed what it lacks too.
fn register(connection: &Connection, ending: &Ending) -> Result<(), RegistryFault> {
    const STEP: &str = "write a snapshot down";
    const TEXT: &str = "INSERT INTO snapshot (record, partner, leaf, exchange, scope) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    let mut insert = connection.prepare_cached(TEXT).step(STEP)?;
    let values = params![
        ending.record,
        ending.partner,
        ending.leaf(),
        ending.exchange.as_bytes(),
        ending.scope_text()
    ];
    insert.execute(values).step(STEP)?;
    Ok(())
}

/// What the snapshot holds and did not write, read once. An earlier version stamped it key by key.
fn held<'e>(connection: &Connection, ending: &'e Ending) -> Result<&'e Held, RegistryFault> {
    if let Some(held) = ending.held.get() {
        return Ok(held);
    }
    let mut held = Held::with_capacity(ending.exchange, note::held_bytes(connection, ending.exchange)?);
    note::held_parts(connection, ending.exchange, |part| held.add_part(part))?;
    for key in note::stamped(connection, ending.exchange)? {
        held.add_key(&key);
    }
    Ok(ending.held.get_or_init(|| held.sorted()))
}

/// Where the closing of an exchange is; none when it has not begun.
pub(super) fn place(connection: &Connection, exchange: Uuid) -> Result<Option<String>, RegistryFault> {
    let text = "SELECT close_after FROM relay_progress WHERE exchange = ?1";
    let mut select = connection.prepare_cached(text).step("read the progress")?;
    let found = select.query_row([exchange.as_bytes()], |row| row.get(0)).optional();
    Ok(found.step("read the progress")?.flatten())
}

/// The last key of a stride; none: it goes to the end of the table.
pub(super) fn last_key(
    connection: &Connection,
    table: &TableSpec,
    after: &str,
) -> Result<Option<String>, RegistryFault> {
    let text = format!(
        "SELECT _key FROM {} WHERE _key > ?1 ORDER BY _key LIMIT 1 OFFSET {}",
        table.name,
        STRIDE - 1
    );
    let mut select = connection.prepare_cached(&text).step("look for keys")?;
    let found = select.query_row([after], |row| row.get(0)).optional();
    found.step("look for keys")
}

/// The next rows behind a key, each looked at once.
fn stride(connection: &Connection, table: &TableSpec, ending: &Ending, after: &str) -> Result<Stride, RegistryFault> {
    const STEP: &str = "look for what a snapshot lacks";
    let held = held(connection, ending)?;
    let leaf = Value::Integer(ending.leaf());
    let mut values = vec![Value::Text(ending.partner.clone()), leaf.clone()];
    let mut within_scope = String::new();
    if let Some((column, codes)) = ending.scope(table)? {
        let places = vec!["?"; codes.len()].join(",");
        within_scope = format!("AND {column} IN ({places})");
        values.extend(codes.iter().cloned().map(Value::Text));
    }
    values.extend([leaf, Value::Text(after.to_owned())]);
    let text = format!(
        "SELECT _key, _open <> 0, coalesce(_partner = ? AND _leaf <= ? {within_scope}, 0), _leaf < ? \
         FROM {} WHERE _key > ? ORDER BY _key LIMIT {STRIDE}",
        table.name
    );
    let mut select = connection.prepare_cached(&text).step(STEP)?;
    let mut rows = select.query(params_from_iter(values)).step(STEP)?;
    let mut stride = Stride::new(note::is_late(connection, ending)?);
    while let Some(row) = rows.next().step(STEP)? {
        stride.add(&looked(row).step(STEP)?, held);
    }
    Ok(stride)
}

fn looked<'r>(row: &'r Row<'_>) -> rusqlite::Result<Looked<'r>> {
    Ok(Looked {
        key: row.get_ref(0)?.as_str()?,
        open: row.get(1)?,
        spoken_for: row.get(2)?,
        older: row.get(3)?,
    })
}

fn lacking(connection: &Connection, table: &TableSpec, key: &str) -> Result<Lacking, RegistryFault> {
    const STEP: &str = "read what a snapshot lacks";
    let text = format!("SELECT _key, _leaf, _row, _hash FROM {} WHERE _key = ?1", table.name);
    let mut select = connection.prepare_cached(&text).step(STEP)?;
    let found = select.query_row([key], |row| {
        Ok(Lacking {
            key: row.get(0)?,
            leaf: row.get(1)?,
            row: row.get(2)?,
            hash: row.get(3)?,
        })
    });
    found.step(STEP)
}
