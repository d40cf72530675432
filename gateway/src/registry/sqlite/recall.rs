//! A recall on SQLite: a stride of keys at a time, what the batch brought is emptied and what it closed is opened.

use std::collections::{HashMap, HashSet};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params, params_from_iter};
use uuid::Uuid;

use super::super::discrepancy::rival;
use super::super::discrepancy::touch::Touched;
use super::super::fault::{RegistryFault, Step};
use super::super::merge::closing::Closing;
use super::super::merge::fate::{Kind, NO_CONTENT};
use super::super::merge::held::Sought;
use super::super::merge::recall::{Brought, Ended, Noted, Recall, SINCE, Undone, emptied, left, newest};
use super::super::numbers::at_once;
use super::super::schema::{TableSpec, table_of};
use super::note::{self, Line, put_line};
use super::numbers::Within;
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
            walked: false,
            rows: 0,
        });
    }
    let table = table_of(tables, &recall.record)?;
    let after = ending::place(transaction, recall.exchange)?.unwrap_or_default();
    // What nothing came of needs no walk.
    let walked = super::progress(transaction, recall.push)?.is_some();
    let upto = if walked {
        ending::last_key(transaction, table, &after)?
    } else {
        None
    };
    let stride = Stride {
        connection: transaction,
        table,
        recall,
        after: &after,
        upto: upto.as_deref(),
    };
    let (mut withdrawn, mut opened) = (0, 0);
    if walked {
        let mut touched = Touched::by(&recall.record, recall.received_us, recall.exchange);
        withdrawn = stride.withdraw(&mut touched)?;
        opened = stride.reopen(&mut touched)?;
        discrepancy::compare(transaction, tables, touched)?;
    }
    stride.note(withdrawn, opened)?;
    Ok(Undone {
        progress: super::progress(transaction, recall.exchange)?.unwrap_or_default(),
        done: upto.is_none(),
        walked,
        rows: (withdrawn + opened).unsigned_abs(),
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
        let ended = self.strike_out()?;
        let mut noted = self.noted(&ended)?;
        for snapshot in &ended.snapshots {
            if snapshot.may_hold(&noted) {
                let seen = self.seen(snapshot.exchange, &noted)?;
                snapshot.hold(&mut noted, &seen);
            }
        }
        let mut opened = 0;
        let open = format!("UPDATE {} SET _open = 2 WHERE _key = ?1", self.table.name);
        for noted in &noted {
            self.forget(noted)?;
            let Some((_, leaf, row)) = noted.order.filter(|_| noted.opens()) else {
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

    /// Marks the batch as recalled where it may come back from; gives the other snapshots of its partner, the newest first.
    fn strike_out(&self) -> Result<Ended, RegistryFault> {
        const STEP: &str = "strike a batch out";
        let (leaf, push) = (self.recall.leaf(), self.recall.push_leaf());
        let whose = params![leaf, self.recall.record, self.recall.partner, push];
        let text =
            "UPDATE snapshot SET recalled = ?1 WHERE record = ?2 AND partner = ?3 AND leaf = ?4 AND recalled IS NULL";
        self.connection.execute(text, whose).step(STEP)?;
        let (keys, stride) = self.within("row_key");
        let text =
            format!("UPDATE superseded SET recalled = ? WHERE record = ? AND partner = ? AND leaf = ? AND {keys}");
        let mut values = vec![
            Value::Integer(leaf),
            Value::Text(self.recall.record.clone()),
            Value::Text(self.recall.partner.clone()),
            Value::Integer(push),
        ];
        values.extend(stride);
        let mut update = self.connection.prepare_cached(&text).step(STEP)?;
        update.execute(params_from_iter(values)).step(STEP)?;
        let text = "SELECT leaf, exchange, scope FROM snapshot WHERE record = ?1 AND partner = ?2 AND recalled IS NULL ORDER BY leaf DESC";
        let mut select = self.connection.prepare_cached(text).step(STEP)?;
        let mut rows = select
            .query(params![self.recall.record, self.recall.partner])
            .step(STEP)?;
        let mut ended = Ended::default();
        while let Some(row) = rows.next().step(STEP)? {
            let exchange = row.get(1).map(Uuid::from_bytes).step(STEP)?;
            let scope: Option<String> = row.get(2).step(STEP)?;
            ended.add(self.table, row.get(0).step(STEP)?, exchange, scope.as_deref());
        }
        Ok(ended)
    }

    /// The newest delete of each key that a newer one took the place of.
    fn replaced(&self) -> Result<HashMap<String, (i64, i64, i64)>, RegistryFault> {
        const STEP: &str = "look for older deletes";
        let (keys, stride) = self.within("row_key");
        let text = format!(
            "SELECT row_key, source_us, leaf, row_no FROM superseded WHERE record = ? AND partner = ? AND recalled IS NULL AND {keys}"
        );
        let mut values = vec![
            Value::Text(self.recall.record.clone()),
            Value::Text(self.recall.partner.clone()),
        ];
        values.extend(stride);
        let mut select = self.connection.prepare_cached(&text).step(STEP)?;
        let rows = select.query_map(params_from_iter(values), |row| {
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?)))
        });
        let rows: Vec<_> = rows.step(STEP)?.collect::<Result<_, _>>().step(STEP)?;
        Ok(newest(rows.into_iter()))
    }

    /// Keys of the stride that a snapshot holds: it stamped them, or has not ended and noted them.
    fn seen(&self, exchange: Uuid, noted: &[Noted]) -> Result<HashSet<String>, RegistryFault> {
        const STEP: &str = "look for what a snapshot held";
        let (keys, stride) = self.within("row_key");
        let text = format!("SELECT row_key FROM snapshot_seen WHERE exchange = ? AND {keys}");
        let mut values = vec![Value::Blob(exchange.as_bytes().to_vec())];
        values.extend(stride);
        let mut select = self.connection.prepare_cached(&text).step(STEP)?;
        let rows = select
            .query_map(params_from_iter(values), |row| row.get(0))
            .step(STEP)?;
        let mut seen: HashSet<String> = rows.collect::<Result<_, _>>().step(STEP)?;
        let sought = Sought::new(exchange, noted.iter().map(|noted| noted.key.as_str()));
        note::held_parts(self.connection, exchange, |part| {
            seen.extend(sought.within(part).map(str::to_owned));
        })?;
        Ok(seen)
    }

    /// Writes what is left of a closing.
    fn forget(&self, noted: &Noted) -> Result<(), RegistryFault> {
        const STEP: &str = "forget closings";
        const TEXT: &str = "UPDATE closing SET snapshot_leaf = ?4, source_us = ?5, leaf = ?6, row_no = ?7 \
            WHERE record = ?1 AND row_key = ?2 AND partner = ?3";
        let deleted = noted.left.deleted;
        let mut update = self.connection.prepare_cached(TEXT).step(STEP)?;
        update
            .execute(params![
                self.recall.record,
                noted.key,
                self.recall.partner,
                noted.left.snapshot_leaf,
                deleted.map(|deleted| deleted.0),
                deleted.map(|deleted| deleted.1),
                deleted.map(|deleted| deleted.2)
            ])
            .step(STEP)?;
        Ok(())
    }

    /// Keys of which the batch noted a closing.
    fn noted(&self, ended: &Ended) -> Result<Vec<Noted>, RegistryFault> {
        const STEP: &str = "look for what a batch closed";
        let replaced = self.replaced()?;
        let (keys, stride) = self.within("c.row_key");
        let text = format!(
            "SELECT c.row_key, c.snapshot_leaf, c.source_us, c.leaf, c.row_no, t._source_us, t._leaf, t._row, t._hash, t._open, {SINCE}{}
             FROM closing c LEFT JOIN {} t ON t._key = c.row_key AND t._partner = c.partner AND t._hash <> ?1
             WHERE c.record = ?3 AND c.partner = ?4 AND (c.snapshot_leaf = ?2 OR c.leaf = ?2) AND {keys}",
            ended.selected(),
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
        let columns = ended.columns.len();
        let rows = select.query_map(params_from_iter(values), |row| {
            let key: String = row.get(0)?;
            let closing = Closing {
                snapshot_leaf: row.get(1)?,
                deleted: order(row, 2)?,
            };
            let left = left(self.recall, closing, replaced.get(&key));
            let scopes: Vec<Option<String>> = (11..11 + columns)
                .map(|place| row.get(place))
                .collect::<Result<_, _>>()?;
            Ok(Noted {
                beyond: ended.is_beyond(&left, &scopes),
                left,
                order: order(row, 5)?,
                hash: row.get::<_, Option<_>>(8)?.unwrap_or_default(),
                open: row.get::<_, Option<i64>>(9)?.is_some_and(|open| open != 0),
                since: row.get(10)?,
                scopes,
                key,
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
            let (recall, by) = (self.recall, (self.recall.received_us, self.recall.exchange));
            let mut store = Within(self.connection);
            at_once(rival::withdraw(&mut store, &recall.record, recall.push, by))?;
            note::forget_held(self.connection, self.recall.push)?;
            let mut delete = self
                .connection
                .prepare_cached("DELETE FROM snapshot_seen WHERE exchange = ?1")
                .step(STEP)?;
            delete.execute([self.recall.push.as_bytes()]).step(STEP)?;
        }
        Ok(())
    }
}

/// Source time, leaf, row from that column on, when they are there.
fn order(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<(i64, i64, i64)>> {
    let rest: Option<(i64, i64)> = Option::zip(row.get(first + 1)?, row.get(first + 2)?);
    let all = Option::<i64>::zip(row.get(first)?, rest);
    Ok(all.map(|(first, (second, third))| (first, second, third)))
}

fn number(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
