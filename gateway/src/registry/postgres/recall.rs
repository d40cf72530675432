//! A recall on PostgreSQL: a stride of keys at a time, what the batch brought is emptied and what it closed is opened.

use std::collections::{HashMap, HashSet};

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::super::changes;
use super::super::discrepancy::rival;
use super::super::discrepancy::touch::Touched;
use super::super::fault::RegistryFault;
use super::super::merge::closing::Closing;
use super::super::merge::fate::{Kind, NO_CONTENT};
use super::super::merge::held::Sought;
use super::super::merge::recall::{Brought, Ended, Noted, Recall, SINCE, Undone, emptied, left, newest};
use super::super::schema::{TableSpec, table_of};
use super::fault::Step;
use super::merge::BEGIN;
use super::note::{self, Line};
use super::progress;
use super::session::{Live, Session, within};
use super::value::{self, Id};
use super::{discrepancy, ending};

/// Undoes in one stride behind where the last one ended, in a transaction of its own.
pub(super) async fn undo(session: &mut Session, recall: &Recall) -> Result<Undone, RegistryFault> {
    let mut live = session.take().await?;
    live.simple("begin a recall", BEGIN).await?;
    let undone = undo_in(&mut live, &session.tables, recall).await?;
    // The commit point: after it the stride's changes and the place in the table are durable, before it nothing is.
    live.simple("commit a recall", "COMMIT").await?;
    session.put(live);
    Ok(undone)
}

/// The same inside a transaction that the caller commits.
pub(super) async fn undo_in(live: &mut Live, tables: &[TableSpec], recall: &Recall) -> Result<Undone, RegistryFault> {
    let known = progress::of(live, &[recall.exchange, recall.push]).await?;
    if let Some(progress) = known.get(&recall.exchange).filter(|progress| progress.parts > 0) {
        return Ok(Undone {
            progress: *progress,
            done: true,
            walked: false,
            rows: 0,
        });
    }
    let table = table_of(tables, &recall.record)?;
    let after = ending::place(live, recall.exchange).await?;
    // What nothing came of needs no walk.
    let walked = known.contains_key(&recall.push);
    let upto = if walked {
        ending::last_key(live, table, &after).await?
    } else {
        None
    };
    let stride = Stride {
        table,
        recall,
        after: &after,
        upto: upto.as_deref(),
    };
    let (mut withdrawn, mut opened) = (0, 0);
    if walked {
        changes::mark(live).await?;
        let mut touched = Touched::by(&recall.record, recall.received_us, recall.exchange);
        withdrawn = stride.withdraw(live, &mut touched).await?;
        opened = stride.reopen(live, &mut touched).await?;
        discrepancy::compare(live, tables, touched).await?;
    }
    stride.note(live, withdrawn, opened).await?;
    let progress = progress::of(live, &[recall.exchange]).await?;
    Ok(Undone {
        progress: progress.get(&recall.exchange).copied().unwrap_or_default(),
        done: upto.is_none(),
        walked,
        rows: (withdrawn + opened).unsigned_abs(),
    })
}

/// Some keys in a row.
struct Stride<'s> {
    table: &'s TableSpec,
    recall: &'s Recall,
    after: &'s str,
    /// The last key; none: to the end.
    upto: Option<&'s str>,
}

impl Stride<'_> {
    /// Keys of the stride, as a condition on a column with the parameters $1 and $2. Not one text with OR: a plan that serves both cases would
    /// read on to the end of the table.
    fn within(&self, column: &str) -> String {
        let end = match self.upto {
            Some(_) => format!("{column} <= $2"),
            None => "$2::text IS NULL".to_owned(),
        };
        format!("{column} > $1 AND {end}")
    }

    /// Empties what the batch brought; gives how many open rows it were.
    async fn withdraw(&self, live: &mut Live, touched: &mut Touched<'_>) -> Result<i64, RegistryFault> {
        const STEP: &str = "take rows back";
        let brought = self.brought(live).await?;
        if brought.is_empty() {
            return Ok(0);
        }
        let keys: Vec<&str> = brought.iter().map(|row| row.key.as_str()).collect();
        discrepancy::note_standing(live, self.table, &keys, touched).await?;
        let emptied = emptied(self.table);
        let text = format!(
            "UPDATE {} SET {emptied}_open = 0, _hash = $1 WHERE _key = ANY($2)",
            self.table.name
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(NO_CONTENT.to_vec()).bind(&keys);
        within(STEP, live.patience, query.execute(&mut live.connection)).await?;
        let lines = brought
            .iter()
            .map(|row| self.line(&row.key, Kind::Close, (row.leaf, row.row), &row.hash, false));
        let lines: Vec<Line<'_>> = lines.collect::<Result<_, _>>()?;
        note::history(live, &lines).await?;
        Ok(number(brought.iter().filter(|row| row.open).count()))
    }

    async fn brought(&self, live: &mut Live) -> Result<Vec<Brought>, RegistryFault> {
        const STEP: &str = "look for what a batch brought";
        let text = format!(
            "SELECT _key, _leaf, _row, _hash, _open::bigint FROM {} WHERE {} AND _exchange = $3 AND _hash <> $4 ORDER BY _key",
            self.table.name,
            self.within("_key")
        );
        let query = sqlx::query(AssertSqlSafe(text))
            .bind(self.after)
            .bind(self.upto)
            .bind(Id(self.recall.push))
            .bind(NO_CONTENT.to_vec());
        let found = within(STEP, live.patience, query.fetch_all(&mut live.connection)).await?;
        let mut brought = Vec::with_capacity(found.len());
        for row in &found {
            brought.push(Brought {
                key: row.try_get(0).step(STEP)?,
                leaf: row.try_get(1).step(STEP)?,
                row: row.try_get(2).step(STEP)?,
                hash: row.try_get(3).step(STEP)?,
                open: row.try_get::<i64, _>(4).step(STEP)? != 0,
            });
        }
        Ok(brought)
    }

    /// Opens what the batch closed; gives how many rows it were.
    async fn reopen(&self, live: &mut Live, touched: &mut Touched<'_>) -> Result<i64, RegistryFault> {
        let ended = self.strike_out(live).await?;
        let mut noted = self.noted(live, &ended).await?;
        if noted.is_empty() {
            return Ok(0);
        }
        for snapshot in &ended.snapshots {
            if snapshot.may_hold(&noted) {
                let seen = self.seen(live, snapshot.exchange, &noted).await?;
                snapshot.hold(&mut noted, &seen);
            }
        }
        self.forget(live, &noted).await?;
        noted.retain(Noted::opens);
        let keys: Vec<&str> = noted.iter().map(|noted| noted.key.as_str()).collect();
        discrepancy::note_standing(live, self.table, &keys, touched).await?;
        let marks: Vec<(&str, i16)> = keys.iter().map(|key| (*key, 2)).collect();
        note::marks(live, &self.table.name, &marks).await?;
        let mut lines = Vec::with_capacity(noted.len());
        for noted in &noted {
            let (_, leaf, row) = noted.order.unwrap_or_default();
            lines.push(self.line(&noted.key, Kind::Reopen, (leaf, row), &noted.hash, true)?);
        }
        note::history(live, &lines).await?;
        Ok(number(noted.len()))
    }

    /// Marks the batch as recalled where it may come back from; gives the other snapshots of its partner, the newest first.
    async fn strike_out(&self, live: &mut Live) -> Result<Ended, RegistryFault> {
        const STEP: &str = "strike a batch out";
        let text =
            "UPDATE snapshot SET recalled = $1 WHERE record = $2 AND partner = $3 AND leaf = $4 AND recalled IS NULL";
        let query = sqlx::query(text)
            .bind(self.recall.leaf())
            .bind(self.recall.record.as_str())
            .bind(self.recall.partner.as_str())
            .bind(self.recall.push_leaf());
        within(STEP, live.patience, query.execute(&mut live.connection)).await?;
        let text = format!(
            "UPDATE superseded SET recalled = $3 WHERE record = $4 AND partner = $5 AND leaf = $6 AND {}",
            self.within("row_key")
        );
        let query = sqlx::query(AssertSqlSafe(text))
            .bind(self.after)
            .bind(self.upto)
            .bind(self.recall.leaf())
            .bind(self.recall.record.as_str())
            .bind(self.recall.partner.as_str())
            .bind(self.recall.push_leaf());
        within(STEP, live.patience, query.execute(&mut live.connection)).await?;
        let text = "SELECT leaf, exchange, scope FROM snapshot WHERE record = $1 AND partner = $2 AND recalled IS NULL ORDER BY leaf DESC";
        let query = sqlx::query(text)
            .bind(self.recall.record.as_str())
            .bind(self.recall.partner.as_str());
        let found = within(STEP, live.patience, query.fetch_all(&mut live.connection)).await?;
        let mut ended = Ended::default();
        for row in &found {
            let exchange = value::id(row, 1).ok_or(RegistryFault::Malformed { column: "exchange" })?;
            let scope: Option<String> = row.try_get(2).step(STEP)?;
            ended.add(self.table, row.try_get(0).step(STEP)?, exchange, scope.as_deref());
        }
        Ok(ended)
    }

    /// The newest delete of each key that a newer one took the place of.
    async fn replaced(&self, live: &mut Live) -> Result<HashMap<String, (i64, i64, i64)>, RegistryFault> {
        const STEP: &str = "look for older deletes";
        let text = format!(
            "SELECT row_key, source_us, leaf, row_no FROM superseded WHERE record = $3 AND partner = $4 AND recalled IS NULL AND {}",
            self.within("row_key")
        );
        let query = sqlx::query(AssertSqlSafe(text))
            .bind(self.after)
            .bind(self.upto)
            .bind(self.recall.record.as_str())
            .bind(self.recall.partner.as_str());
        let found = within(STEP, live.patience, query.fetch_all(&mut live.connection)).await?;
        let mut deletes = Vec::with_capacity(found.len());
        for row in &found {
            let number = |place: usize| row.try_get::<i64, _>(place).step(STEP);
            deletes.push((row.try_get(0).step(STEP)?, (number(1)?, number(2)?, number(3)?)));
        }
        Ok(newest(deletes.into_iter()))
    }

    /// Keys of the stride that a snapshot holds: it stamped them, or has not ended and noted them.
    async fn seen(&self, live: &mut Live, exchange: Uuid, noted: &[Noted]) -> Result<HashSet<String>, RegistryFault> {
        let text = format!(
            "SELECT row_key FROM snapshot_seen WHERE exchange = $3 AND {}",
            self.within("row_key")
        );
        let query = sqlx::query_scalar::<_, String>(AssertSqlSafe(text))
            .bind(self.after)
            .bind(self.upto)
            .bind(Id(exchange));
        let found = within(
            "look for what a snapshot held",
            live.patience,
            query.fetch_all(&mut live.connection),
        );
        let mut seen: HashSet<String> = found.await?.into_iter().collect();
        let sought = Sought::new(exchange, noted.iter().map(|noted| noted.key.as_str()));
        note::held_parts(live, exchange, |part| {
            seen.extend(sought.within(part).map(str::to_owned));
        })
        .await?;
        Ok(seen)
    }

    /// Keys of which the batch noted a closing.
    async fn noted(&self, live: &mut Live, ended: &Ended) -> Result<Vec<Noted>, RegistryFault> {
        const STEP: &str = "look for what a batch closed";
        let replaced = self.replaced(live).await?;
        let text = format!(
            "SELECT c.row_key, c.snapshot_leaf, c.source_us, c.leaf, c.row_no, t._source_us, t._leaf, t._row, t._hash, t._open::bigint, {SINCE}{}
             FROM closing c LEFT JOIN {} t ON t._key = c.row_key AND t._partner = c.partner AND t._hash <> $6
             WHERE c.record = $4 AND c.partner = $5 AND (c.snapshot_leaf = $3 OR c.leaf = $3) AND {} ORDER BY c.row_key",
            ended.selected(),
            self.table.name,
            self.within("c.row_key")
        );
        let query = sqlx::query(AssertSqlSafe(text))
            .bind(self.after)
            .bind(self.upto)
            .bind(self.recall.push_leaf())
            .bind(self.recall.record.as_str())
            .bind(self.recall.partner.as_str())
            .bind(NO_CONTENT.to_vec());
        let found = within(STEP, live.patience, query.fetch_all(&mut live.connection)).await?;
        let mut noted = Vec::with_capacity(found.len());
        for row in &found {
            let key: String = row.try_get(0).step(STEP)?;
            let closing = Closing {
                snapshot_leaf: row.try_get(1).step(STEP)?,
                deleted: order(row, 2)?,
            };
            let scopes = (11..11 + ended.columns.len()).map(|place| row.try_get(place));
            let scopes: Vec<Option<String>> = scopes.collect::<Result<_, _>>().step(STEP)?;
            let left = left(self.recall, closing, replaced.get(&key));
            noted.push(Noted {
                beyond: ended.is_beyond(&left, &scopes),
                left,
                order: order(row, 5)?,
                hash: row.try_get::<Option<_>, _>(8).step(STEP)?.unwrap_or_default(),
                open: row
                    .try_get::<Option<i64>, _>(9)
                    .step(STEP)?
                    .is_some_and(|open| open != 0),
                since: row.try_get(10).step(STEP)?,
                scopes,
                key,
            });
        }
        Ok(noted)
    }

    /// Writes what is left of closings.
    async fn forget(&self, live: &mut Live, noted: &[Noted]) -> Result<(), RegistryFault> {
        fn all<'n, T>(noted: &'n [Noted], of: impl Fn(&'n Noted) -> T) -> Vec<T> {
            noted.iter().map(of).collect()
        }
        let query = sqlx::query(
            "UPDATE closing AS c SET snapshot_leaf = n.snapshot_leaf, source_us = n.source_us, leaf = n.leaf, row_no = n.row_no \
             FROM unnest($3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) \
             AS n (row_key, snapshot_leaf, source_us, leaf, row_no) \
             WHERE c.record = $1 AND c.partner = $2 AND c.row_key = n.row_key",
        )
        .bind(self.recall.record.as_str())
        .bind(self.recall.partner.as_str())
        .bind(all(noted, |noted| noted.key.as_str()))
        .bind(all(noted, |noted| noted.left.snapshot_leaf))
        .bind(all(noted, |noted| noted.left.deleted.map(|(source, ..)| source)))
        .bind(all(noted, |noted| noted.left.deleted.map(|(_, leaf, _)| leaf)))
        .bind(all(noted, |noted| noted.left.deleted.map(|(.., row)| row)));
        within("forget closings", live.patience, query.execute(&mut live.connection)).await?;
        Ok(())
    }

    fn line<'l>(
        &'l self,
        key: &'l str,
        kind: Kind,
        was: (i64, i64),
        hash: &[u8],
        stays: bool,
    ) -> Result<Line<'l>, RegistryFault> {
        let hash = hash
            .try_into()
            .map_err(|_| RegistryFault::Malformed { column: "_hash" })?;
        Ok(Line {
            record: &self.recall.record,
            key,
            leaf: self.recall.leaf(),
            row: 0,
            exchange: self.recall.exchange,
            partner: &self.recall.partner,
            at_us: self.recall.received_us,
            kind: kind.word(),
            was: Some(was),
            was_hash: Some(hash),
            hash: stays.then_some(hash),
        })
    }

    /// The place in the table; at its end one part, and the stamps of a snapshot that did not end are gone.
    async fn note(&self, live: &mut Live, withdrawn: i64, opened: i64) -> Result<(), RegistryFault> {
        let query = sqlx::query(
            "INSERT INTO relay_progress AS known \
             (exchange, leaf, record, partner, received_us, parts, row_count, inserted, updated, same, deleted, close_after) \
             VALUES ($1, $2, $3, $4, $5, $6, 0, $7, 0, 0, $8, $9) ON CONFLICT (exchange) DO UPDATE SET parts = excluded.parts, \
             inserted = known.inserted + excluded.inserted, deleted = known.deleted + excluded.deleted, \
             close_after = excluded.close_after",
        )
        .bind(Id(self.recall.exchange))
        .bind(self.recall.leaf())
        .bind(self.recall.record.as_str())
        .bind(self.recall.partner.as_str())
        .bind(self.recall.received_us)
        .bind(i64::from(self.upto.is_none()))
        .bind(opened)
        .bind(withdrawn)
        .bind(self.upto.unwrap_or(self.after));
        within("write the progress", live.patience, query.execute(&mut live.connection)).await?;
        if self.upto.is_none() {
            let by = (self.recall.received_us, self.recall.exchange);
            rival::withdraw(live, &self.recall.record, self.recall.push, by).await?;
            note::forget_held(live, self.recall.push).await?;
            let query = sqlx::query("DELETE FROM snapshot_seen WHERE exchange = $1").bind(Id(self.recall.push));
            within(
                "forget what a snapshot held",
                live.patience,
                query.execute(&mut live.connection),
            )
            .await?;
        }
        Ok(())
    }
}

/// Source time, leaf, row from that column on, when they are there.
fn order(row: &PgRow, first: usize) -> Result<Option<(i64, i64, i64)>, RegistryFault> {
    let number = |place: usize| row.try_get::<Option<i64>, _>(place).step("read a closing");
    let rest = Option::zip(number(first + 1)?, number(first + 2)?);
    let all = Option::zip(number(first)?, rest);
    Ok(all.map(|(first, (second, third))| (first, second, third)))
}

fn number(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
