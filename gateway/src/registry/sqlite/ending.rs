//! The end of a snapshot on SQLite: counting what it lacks, and closing it, a stride of keys at a time.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params, params_from_iter};
use uuid::Uuid;

use super::super::discrepancy::touch::Touched;
use super::super::fault::{RegistryFault, Step};
use super::super::merge::closing::{Closed, Closing, Ending, STRIDE, Weighed};
use super::super::merge::fate::Kind;
use super::super::schema::{TableSpec, table_of};
use super::discrepancy;
use super::note::{Line, put_closing, put_line};

/// Counts in one stride behind `after`. What a later exchange brought was not held when the snapshot was made, so it makes no room for closing.
pub(super) fn weigh(
    connection: &Connection,
    tables: &[TableSpec],
    ending: &Ending,
    after: &str,
) -> Result<Weighed, RegistryFault> {
    let stride = Stride::of(connection, tables, ending, after)?;
    let text = format!(
        "SELECT coalesce(sum(t._leaf <= ?), 0), coalesce(sum(t._leaf < ? AND NOT EXISTS ({SEEN})), 0) FROM {} t WHERE {}",
        stride.table.name, stride.condition
    );
    let mut values = vec![
        Value::Integer(ending.leaf()),
        Value::Integer(ending.leaf()),
        Value::Blob(ending.exchange.as_bytes().to_vec()),
    ];
    values.extend(stride.values);
    let mut select = connection.prepare_cached(&text).step("count what a snapshot lacks")?;
    let (held, due) = select
        .query_row(params_from_iter(values), |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })
        .step("count what a snapshot lacks")?;
    Ok(Weighed {
        held: held.unsigned_abs(),
        due: due.unsigned_abs(),
        after: stride.upto,
    })
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
    let stride = Stride::of(transaction, tables, ending, &after)?;
    let due = stride.due(transaction, ending)?;
    let mut touched = Touched::by(tables, &ending.record, ending.received_us, ending.exchange);
    let keys: Vec<&str> = due.iter().map(|row| row.key.as_str()).collect();
    discrepancy::note_standing(transaction, stride.table, &keys, &mut touched)?;
    for row in &due {
        close_row(transaction, ending, stride.table, row)?;
    }
    discrepancy::compare(transaction, tables, touched)?;
    register(transaction, ending)?;
    forget(transaction, ending.exchange, stride.table, stride.upto.as_deref())?;
    let rows = u64::try_from(due.len()).unwrap_or(u64::MAX);
    let upto = stride.upto.as_deref().unwrap_or(&after);
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

/// The stamps of the stride are not needed any more, but those of rows that are closed: they say that the snapshot does not lack them.
fn forget(connection: &Connection, exchange: Uuid, table: &TableSpec, upto: Option<&str>) -> Result<(), RegistryFault> {
    const STEP: &str = "forget what a snapshot held";
    let text = format!(
        "DELETE FROM snapshot_seen WHERE exchange = ?1 AND (?2 IS NULL OR row_key <= ?2) \
         AND NOT EXISTS (SELECT 1 FROM {} t WHERE t._key = snapshot_seen.row_key AND t._open = 0)",
        table.name
    );
    let mut delete = connection.prepare_cached(&text).step(STEP)?;
    delete.execute(params![exchange.as_bytes(), upto]).step(STEP)?;
    Ok(())
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

const SEEN: &str = "SELECT 1 FROM snapshot_seen s WHERE s.exchange = ? AND s.row_key = t._key";

/// Some keys in a row, and which rows of them a snapshot speaks for.
struct Stride<'t> {
    table: &'t TableSpec,
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
        let mut condition = "t._key > ?".to_owned();
        let mut values = vec![Value::Text(after.to_owned())];
        if let Some(upto) = &upto {
            condition.push_str(" AND t._key <= ?");
            values.push(Value::Text(upto.clone()));
        }
        condition.push_str(" AND t._open <> 0 AND t._partner = ?");
        values.push(Value::Text(ending.partner.clone()));
        if let Some((column, codes)) = ending.scope(table)? {
            let places = vec!["?"; codes.len()].join(",");
            condition = format!("{condition} AND t.{column} IN ({places})");
            values.extend(codes.iter().cloned().map(Value::Text));
        }
        Ok(Self {
            table,
            upto,
            condition,
            values,
        })
    }

    fn due(&self, connection: &Connection, ending: &Ending) -> Result<Vec<Lacking>, RegistryFault> {
        const STEP: &str = "look for what a snapshot lacks";
        let text = format!(
            "SELECT t._key, t._leaf, t._row, t._hash FROM {} t WHERE {} AND t._leaf < ? AND NOT EXISTS ({SEEN})",
            self.table.name, self.condition
        );
        let mut values = self.values.clone();
        values.push(Value::Integer(ending.leaf()));
        values.push(Value::Blob(ending.exchange.as_bytes().to_vec()));
        let mut select = connection.prepare_cached(&text).step(STEP)?;
        let rows = select.query_map(params_from_iter(values), |row| {
            Ok(Lacking {
                key: row.get(0)?,
                leaf: row.get(1)?,
                row: row.get(2)?,
                hash: row.get(3)?,
            })
        });
        rows.step(STEP)?.collect::<Result<_, _>>().step(STEP)
    }
}
