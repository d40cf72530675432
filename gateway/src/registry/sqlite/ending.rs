//! The end of a snapshot on SQLite: counting what it lacks, and closing it, a stride of keys at a time.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params, params_from_iter};
use uuid::Uuid;

use super::super::discrepancy::touch::Touched;
use super::super::fault::{RegistryFault, Step};
use super::super::merge::closing::{BEHIND_ALL, Closed, Closing, Ending, STRIDE, Weighed};
use super::super::merge::fate::Kind;
use super::super::merge::held::Held;
use super::super::schema::{TableSpec, table_of};
use super::discrepancy;
use super::note::{self, Line, put_closing, put_line};

/// Counts in one stride behind `after`. What a later exchange brought was not held when the snapshot was made, so it makes no room for closing.
pub(super) fn weigh(
    connection: &Connection,
    tables: &[TableSpec],
    ending: &Ending,
    after: &str,
) -> Result<Weighed, RegistryFault> {
    let held = held(connection, ending)?;
    let stride = Stride::of(connection, tables, ending, after)?;
    let mut weighed = Weighed::default();
    stride.spoken_for(connection, |row| {
        weighed.held += 1;
        weighed.due += u64::from(is_lacking(row, ending, held)?);
        Ok(())
    })?;
    weighed.after = stride.upto;
    Ok(weighed)
}

/// Closes in one stride behind where the last one ended, in a transaction of its own.
pub(super) fn close(
    connection: &mut Connection,
    tables: &[TableSpec],
    ending: &Ending,
) -> Result<Closed, RegistryFault> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .step("begin a closing")?;
    let closed = close_in(&transaction, tables, ending)?;
    transaction.commit().step("commit a closing")?;
    Ok(closed)
}

/// The same inside a transaction that the caller commits.
pub(super) fn close_in(
    transaction: &Transaction<'_>,
    tables: &[TableSpec],
    ending: &Ending,
) -> Result<Closed, RegistryFault> {
    let after = place(transaction, ending.exchange)?.unwrap_or_default();
    if after == BEHIND_ALL {
        // Said again: nothing is left to close.
        return Ok(Closed {
            progress: super::progress(transaction, ending.exchange)?.unwrap_or_default(),
            rows: 0,
            done: true,
        });
    }
    let held = held(transaction, ending)?;
    let stride = Stride::of(transaction, tables, ending, &after)?;
    let due = stride.due(transaction, ending, held)?;
    let mut touched = Touched::by(tables, &ending.record, ending.received_us, ending.exchange);
    let keys: Vec<&str> = due.iter().map(|row| row.key.as_str()).collect();
    discrepancy::note_standing(transaction, stride.table, &keys, &mut touched)?;
    for row in &due {
        close_row(transaction, ending, stride.table, row)?;
    }
    discrepancy::compare(transaction, tables, touched)?;
    register(transaction, ending)?;
    stride.stamp(transaction, ending, held)?;
    if stride.upto.is_none() {
        note::forget_held(transaction, ending.exchange)?;
    }
    let rows = u64::try_from(due.len()).unwrap_or(u64::MAX);
    let upto = stride.upto.as_deref().unwrap_or(BEHIND_ALL);
    // A snapshot of which nothing was accepted has no part and no progress yet.
    let text = "INSERT INTO relay_progress \
        (exchange, leaf, record, partner, received_us, parts, row_count, inserted, updated, same, deleted, close_after) \
        VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, 0, 0, ?6, ?7) ON CONFLICT (exchange) DO UPDATE SET \
        deleted = deleted + excluded.deleted, close_after = excluded.close_after";
    transaction
        .prepare_cached(text)
        .step("prepare the progress")?
        .execute(params![
            ending.exchange.as_bytes(),
            ending.leaf(),
            ending.record,
            ending.partner,
            ending.received_us,
            rows.cast_signed(),
            upto
        ])
        .step("write the progress")?;
    let progress = super::progress(transaction, ending.exchange)?.unwrap_or_default();
    Ok(Closed {
        progress,
        rows,
        done: stride.upto.is_none(),
    })
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
    let closing = Closing {
        snapshot_leaf: Some(ending.leaf()),
        deleted: None,
    };
    put_closing(connection, &ending.record, &ending.partner, &row.key, &closing)?;
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

/// Whether a row of [`Stride::spoken_for`] came before the snapshot and is not in it.
fn is_lacking(row: &Row<'_>, ending: &Ending, held: &Held) -> rusqlite::Result<bool> {
    let older = row.get::<_, i64>(1)? < ending.leaf();
    // INVARIANT: keys are text.
    Ok(older && !row.get_ref(0)?.as_str().is_ok_and(|key| held.has(key)))
}

/// Some keys in a row, and which rows of them a snapshot speaks for.
struct Stride<'t> {
    table: &'t TableSpec,
    after: String,
    /// The last key; none: to the end.
    upto: Option<String>,
    condition: String,
    values: Vec<Value>,
}

impl<'t> Stride<'t> {
    fn of(
        connection: &Connection,
        tables: &'t [TableSpec],
        ending: &Ending,
        after: &str,
    ) -> Result<Self, RegistryFault> {
        let table = table_of(tables, &ending.record)?;
        let upto = last_key(connection, table, after)?;
        let mut condition = "t._open <> 0 AND t._partner = ? AND t._leaf <= ?".to_owned();
        let mut values = vec![Value::Text(ending.partner.clone()), Value::Integer(ending.leaf())];
        if let Some((column, codes)) = ending.scope(table)? {
            let places = vec!["?"; codes.len()].join(",");
            condition = format!("{condition} AND t.{column} IN ({places})");
            values.extend(codes.iter().cloned().map(Value::Text));
        }
        Ok(Self {
            table,
            after: after.to_owned(),
            upto,
            condition,
            values,
        })
    }

    /// Keys of the stride, as a condition, with its values.
    fn keys(&self) -> (&'static str, Vec<Value>) {
        let after = Value::Text(self.after.clone());
        match &self.upto {
            Some(upto) => ("t._key > ? AND t._key <= ?", vec![after, Value::Text(upto.clone())]),
            None => ("t._key > ?", vec![after]),
        }
    }

    /// Shows the rows that the snapshot speaks for: key, leaf, row, hash.
    fn spoken_for(
        &self,
        connection: &Connection,
        mut each: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), RegistryFault> {
        const STEP: &str = "look for what a snapshot lacks";
        let (keys, mut values) = self.keys();
        let text = format!(
            "SELECT t._key, t._leaf, t._row, t._hash FROM {} t WHERE {keys} AND {}",
            self.table.name, self.condition
        );
        values.extend(self.values.iter().cloned());
        let mut select = connection.prepare_cached(&text).step(STEP)?;
        let mut rows = select.query(params_from_iter(values)).step(STEP)?;
        while let Some(row) = rows.next().step(STEP)? {
            each(row).step(STEP)?;
        }
        Ok(())
    }

    fn due(&self, connection: &Connection, ending: &Ending, held: &Held) -> Result<Vec<Lacking>, RegistryFault> {
        let mut due = Vec::new();
        self.spoken_for(connection, |row| {
            if is_lacking(row, ending, held)? {
                due.push(Lacking {
                    key: row.get(0)?,
                    leaf: row.get(1)?,
                    row: row.get(2)?,
                    hash: row.get(3)?,
                });
            }
            Ok(())
        })?;
        Ok(due)
    }

    /// Rows that are closed now and that the snapshot holds are stamped: no recall of another closing may take them for lacking.
    fn stamp(&self, connection: &Connection, ending: &Ending, held: &Held) -> Result<(), RegistryFault> {
        const STEP: &str = "look for closed rows";
        let (keys, values) = self.keys();
        let text = format!("SELECT t._key FROM {} t WHERE {keys} AND t._open = 0", self.table.name);
        let mut select = connection.prepare_cached(&text).step(STEP)?;
        let closed = select
            .query_map(params_from_iter(values), |row| row.get(0))
            .step(STEP)?;
        let closed: Vec<String> = closed.collect::<Result<_, _>>().step(STEP)?;
        closed
            .iter()
            .filter(|key| held.has(key))
            .try_for_each(|key| note::stamp(connection, ending.exchange, key))
    }
}
