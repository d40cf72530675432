//! A recall on SQLite: a stride of keys at a time, what the batch brought is emptied and what it closed is opened.

use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, TransactionBehavior, params, params_from_iter};

use super::super::discrepancy::touch::Touched;
use super::super::fault::{RegistryFault, Step};
use super::super::merge::closing::Closing;
use super::super::merge::fate::{Kind, NO_CONTENT};
use super::super::merge::recall::{Brought, Noted, Recall, Undone, closed_by, emptied};
use super::super::schema::{TableSpec, table_of};
use super::note::{Line, put_line};
use super::{discrepancy, ending};

/// Undoes in one stride behind where the last one ended, in a transaction of its own.
pub(super) fn undo(
    connection: &mut Connection,
    tables: &[TableSpec],
    recall: &Recall,
) -> Result<Undone, RegistryFault> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .step("begin a recall")?;
    let undone = undo_in(&transaction, tables, recall)?;
    transaction.commit().step("commit a recall")?;
    Ok(undone)
}

/// The same inside a transaction that the caller commits.
pub(super) fn undo_in(
    transaction: &Transaction<'_>,
    tables: &[TableSpec],
    recall: &Recall,
) -> Result<Undone, RegistryFault> {
    let before = super::progress(transaction, recall.exchange)?.unwrap_or_default();
    if before.parts > 0 {
        return Ok(Undone {
            progress: before,
            done: true,
        });
    }
    let table = table_of(tables, &recall.record)?;
    let after = ending::place(transaction, recall.exchange)?.unwrap_or_default();
    let upto = ending::last_key(transaction, table, &after)?;
    let stride = Stride {
        connection: transaction,
        table,
        recall,
        after: &after,
        upto: upto.as_deref(),
    };
    let mut touched = Touched::by(tables, &recall.record, recall.received_us, recall.exchange);
    let withdrawn = stride.withdraw(&mut touched)?;
    let opened = stride.reopen(&mut touched)?;
    discrepancy::compare(transaction, tables, touched)?;
    stride.note(withdrawn, opened)?;
    Ok(Undone {
        progress: super::progress(transaction, recall.exchange)?.unwrap_or_default(),
        done: upto.is_none(),
    })
}

/// Some keys in a row.
struct Stride<'s> {
    connection: &'s Connection,
    table: &'s TableSpec,
    recall: &'s Recall,
    after: &'s str,
    /// The last key; none: to the end.
    upto: Option<&'s str>,
}

impl Stride<'_> {
    /// Keys of the stride, as a condition on a column, with its values.
    fn within(&self, column: &str) -> (String, Vec<Value>) {
        let mut values = vec![Value::Text(self.after.to_owned())];
        let mut condition = format!("{column} > ?");
        if let Some(upto) = self.upto {
            condition = format!("{condition} AND {column} <= ?");
            values.push(Value::Text(upto.to_owned()));
        }
        (condition, values)
    }

    /// Empties what the batch brought; gives how many open rows it were.
    fn withdraw(&self, touched: &mut Touched<'_>) -> Result<i64, RegistryFault> {
        const STEP: &str = "take rows back";
        let brought = self.brought()?;
        let keys: Vec<&str> = brought.iter().map(|row| row.key.as_str()).collect();
        discrepancy::note_standing(self.connection, self.table, &keys, touched)?;
        let emptied = emptied(self.table);
        let text = format!(
            "UPDATE {} SET {emptied}_open = 0, _hash = ?1 WHERE _key = ?2",
            self.table.name
        );
        let mut update = self.connection.prepare_cached(&text).step(STEP)?;
        for row in &brought {
            update.execute(params![NO_CONTENT, row.key]).step(STEP)?;
            self.line(&row.key, Kind::Close, (row.leaf, row.row), &row.hash, None)?;
        }
        Ok(number(brought.iter().filter(|row| row.open).count()))
    }

    fn brought(&self) -> Result<Vec<Brought>, RegistryFault> {
        const STEP: &str = "look for what a batch brought";
        let (keys, mut values) = self.within("_key");
        let text = format!(
            "SELECT _key, _leaf, _row, _hash, _open FROM {} WHERE {keys} AND _exchange = ? AND _hash <> ?",
            self.table.name
        );
        values.push(Value::Blob(self.recall.push.as_bytes().to_vec()));
        values.push(Value::Blob(NO_CONTENT.to_vec()));
        let mut select = self.connection.prepare_cached(&text).step(STEP)?;
        let rows = select.query_map(params_from_iter(values), |row| {
            Ok(Brought {
                key: row.get(0)?,
                leaf: row.get(1)?,
                row: row.get(2)?,
                hash: row.get(3)?,
                open: row.get::<_, i64>(4)? != 0,
            })
        });
        rows.step(STEP)?.collect::<Result<_, _>>().step(STEP)
    }

    /// Opens what the batch closed; gives how many rows it were.
    fn reopen(&self, touched: &mut Touched<'_>) -> Result<i64, RegistryFault> {
        const STEP: &str = "open rows again";
        let mut opened = 0;
        let forget = "UPDATE closing SET snapshot_leaf = ?4, source_us = ?5, leaf = ?6, row_no = ?7 \
            WHERE record = ?1 AND row_key = ?2 AND partner = ?3";
        let open = format!("UPDATE {} SET _open = 2 WHERE _key = ?1", self.table.name);
        for noted in self.noted()?.iter().filter(|noted| noted.goes()) {
            let left = self.recall.without(noted.closing);
            let deleted = left.deleted;
            let mut update = self.connection.prepare_cached(forget).step(STEP)?;
            update
                .execute(params![
                    self.recall.record,
                    noted.key,
                    self.recall.partner,
                    left.snapshot_leaf,
                    deleted.map(|deleted| deleted.0),
                    deleted.map(|deleted| deleted.1),
                    deleted.map(|deleted| deleted.2)
                ])
                .step(STEP)?;
            let Some((_, leaf, row)) = noted.order.filter(|_| noted.opens(&left)) else {
                continue;
            };
            discrepancy::note_standing(self.connection, self.table, &[&noted.key], touched)?;
            let mut update = self.connection.prepare_cached(&open).step(STEP)?;
            update.execute([&noted.key]).step(STEP)?;
            self.line(&noted.key, Kind::Reopen, (leaf, row), &noted.hash, Some(&noted.hash))?;
            opened += 1;
        }
        Ok(opened)
    }

    fn noted(&self) -> Result<Vec<Noted>, RegistryFault> {
        const STEP: &str = "look for what a batch closed";
        let (keys, stride) = self.within("c.row_key");
        let text = format!(
            "SELECT c.row_key, c.snapshot_leaf, c.source_us, c.leaf, c.row_no, t._source_us, t._leaf, t._row, t._hash, t._open, {}
             FROM closing c LEFT JOIN {} t ON t._key = c.row_key AND t._partner = c.partner AND t._hash <> ?1
             WHERE c.record = ?3 AND c.partner = ?4 AND (c.snapshot_leaf = ?2 OR c.leaf = ?2) AND {keys}",
            closed_by("?2"),
            self.table.name
        );
        let mut values = vec![
            Value::Blob(NO_CONTENT.to_vec()),
            Value::Integer(self.recall.push_leaf()),
            Value::Text(self.recall.record.clone()),
            Value::Text(self.recall.partner.clone()),
        ];
        values.extend(stride);
        let mut select = self.connection.prepare_cached(&text).step(STEP)?;
        let rows = select.query_map(params_from_iter(values), |row| {
            let three = |first: Option<i64>, second, third| {
                let rest: Option<(i64, i64)> = Option::zip(second, third);
                Option::zip(first, rest).map(|(first, (second, third))| (first, second, third))
            };
            Ok(Noted {
                key: row.get(0)?,
                closing: Closing {
                    snapshot_leaf: row.get(1)?,
                    deleted: three(row.get(2)?, row.get(3)?, row.get(4)?),
                },
                order: three(row.get(5)?, row.get(6)?, row.get(7)?),
                hash: row.get::<_, Option<_>>(8)?.unwrap_or_default(),
                open: row.get::<_, Option<i64>>(9)?.is_some_and(|open| open != 0),
                closed_by_it: row.get(10)?,
            })
        });
        rows.step(STEP)?.collect::<Result<_, _>>().step(STEP)
    }

    fn line(
        &self,
        key: &str,
        kind: Kind,
        was: (i64, i64),
        was_hash: &[u8],
        hash: Option<&[u8]>,
    ) -> Result<(), RegistryFault> {
        put_line(
            self.connection,
            &Line {
                record: &self.recall.record,
                key,
                leaf: self.recall.leaf(),
                row: 0,
                exchange: self.recall.exchange.as_bytes(),
                partner: &self.recall.partner,
                at_us: self.recall.received_us,
                kind: kind.word(),
                was: Some(was),
                was_hash: Some(was_hash),
                hash,
            },
        )
    }

    /// The place in the table; at its end one part, and the stamps of a snapshot that did not end are gone.
    fn note(&self, withdrawn: i64, opened: i64) -> Result<(), RegistryFault> {
        const STEP: &str = "write the progress";
        let text = "INSERT INTO relay_progress \
            (exchange, leaf, record, partner, received_us, parts, row_count, inserted, updated, same, deleted, close_after) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, 0, 0, ?8, ?9) ON CONFLICT (exchange) DO UPDATE SET parts = excluded.parts, \
            inserted = inserted + excluded.inserted, deleted = deleted + excluded.deleted, close_after = excluded.close_after";
        let mut insert = self.connection.prepare_cached(text).step(STEP)?;
        insert
            .execute(params![
                self.recall.exchange.as_bytes(),
                self.recall.leaf(),
                self.recall.record,
                self.recall.partner,
                self.recall.received_us,
                self.upto.is_none(),
                opened,
                withdrawn,
                self.upto.unwrap_or(self.after)
            ])
            .step(STEP)?;
        if self.upto.is_none() {
            let mut delete = self
                .connection
                .prepare_cached("DELETE FROM snapshot_seen WHERE exchange = ?1")
                .step(STEP)?;
            delete.execute([self.recall.push.as_bytes()]).step(STEP)?;
        }
        Ok(())
    }
}

fn number(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
