//! The end of a snapshot on PostgreSQL: counting what it lacks, and closing it, a stride of keys at a time.

use std::collections::HashMap;

use sqlx::postgres::{PgArguments, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::super::Progress;
use super::super::discrepancy::touch::Touched;
use super::super::fault::RegistryFault;
use super::super::merge::closing::{BEHIND_ALL, Closed, Closing, Ending, STRIDE, Weighed};
use super::super::merge::fate::Kind;
use super::super::merge::held::Held;
use super::super::schema::{TableSpec, table_of};
use super::discrepancy;
use super::fault::Step;
use super::merge::{BEGIN, progress_of};
use super::note::{self, ClosingLine, Line};
use super::session::{Live, Session, within};
use super::value::Id;

/// Counts in one stride behind `after`. What a later exchange brought was not held when the snapshot was made, so it makes no room for closing.
pub(super) async fn weigh(session: &mut Session, ending: &Ending, after: &str) -> Result<Weighed, RegistryFault> {
    let mut live = session.take().await?;
    let held = held(&mut live, ending).await?;
    let stride = Stride::of(&mut live, &session.tables, ending, after).await?;
    let rows = stride.spoken_for(&mut live, ending).await?;
    let due = rows.iter().filter(|(key, older)| *older && !held.has(key)).count();
    let weighed = Weighed {
        held: rows.len() as u64,
        due: due as u64,
        after: stride.upto,
    };
    session.put(live);
    Ok(weighed)
}

/// Closes in one stride behind where the last one ended, in a transaction of its own.
pub(super) async fn close(session: &mut Session, ending: &Ending) -> Result<Closed, RegistryFault> {
    let mut live = session.take().await?;
    live.simple("begin a closing", BEGIN).await?;
    let closed = close_in(&mut live, &session.tables, ending).await?;
    // The commit point: after it the stride's closings and the place in the table are durable, before it nothing is.
    live.simple("commit a closing", "COMMIT").await?;
    session.put(live);
    Ok(closed)
}

/// The same inside a transaction that the caller commits.
pub(super) async fn close_in(live: &mut Live, tables: &[TableSpec], ending: &Ending) -> Result<Closed, RegistryFault> {
    let after = place(live, ending.exchange).await?;
    if after == BEHIND_ALL {
        return Ok(ended(&progress_of(live, &[ending.exchange]).await?, ending));
    }
    let held = held(live, ending).await?;
    let stride = Stride::of(live, tables, ending, &after).await?;
    let due = stride.due(live, ending, held).await?;
    let mut touched = Touched::by(tables, &ending.record, ending.received_us, ending.exchange);
    let keys: Vec<&str> = due.iter().map(|row| row.key.as_str()).collect();
    discrepancy::note_standing(live, stride.table, &keys, &mut touched).await?;
    let marks: Vec<(&str, i16)> = due.iter().map(|row| (row.key.as_str(), 0)).collect();
    note::marks(live, &stride.table.name, &marks).await?;
    let closings: Vec<ClosingLine<'_>> = due.iter().map(|row| row.closing(ending)).collect();
    note::closings(live, &closings).await?;
    let lines: Vec<Line<'_>> = due.iter().map(|row| row.line(ending)).collect::<Result<_, _>>()?;
    note::history(live, &lines).await?;
    discrepancy::compare(live, tables, touched).await?;
    register(live, ending).await?;
    stride.stamp(live, ending, held).await?;
    if stride.upto.is_none() {
        note::forget_held(live, ending.exchange).await?;
    }
    let rows = u64::try_from(due.len()).unwrap_or(u64::MAX);
    // A snapshot of which nothing was accepted has no part and no progress yet.
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
    .bind(rows.cast_signed())
    .bind(stride.upto.as_deref().unwrap_or(BEHIND_ALL));
    within("write the progress", live.patience, query.execute(&mut live.connection)).await?;
    let progress = progress_of(live, &[ending.exchange]).await?;
    Ok(Closed {
        progress: progress.get(&ending.exchange).copied().unwrap_or_default(),
        rows,
        done: stride.upto.is_none(),
    })
}

/// Said again: nothing is left to close.
fn ended(known: &HashMap<Uuid, Progress>, ending: &Ending) -> Closed {
    Closed {
        progress: known.get(&ending.exchange).copied().unwrap_or_default(),
        rows: 0,
        done: true,
    }
}

/// A row that the snapshot lacks.
struct Lacking {
    key: String,
    leaf: i64,
    row: i64,
    hash: Vec<u8>,
}

impl Lacking {
    fn closing<'r>(&'r self, ending: &'r Ending) -> ClosingLine<'r> {
        ClosingLine {
            record: &ending.record,
            key: &self.key,
            partner: &ending.partner,
            closing: Closing {
                snapshot_leaf: Some(ending.leaf()),
                deleted: None,
            },
        }
    }

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

type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// Some keys in a row, and which rows of them a snapshot speaks for.
struct Stride<'t> {
    table: &'t TableSpec,
    after: String,
    /// The last key; none: to the end.
    upto: Option<String>,
    /// Keys of the stride, by the parameters $1 and $2.
    keys: String,
    /// And besides, of the parameters that [`Stride::bind`] binds, rows that the snapshot speaks for.
    condition: String,
    codes: Vec<String>,
}

impl<'t> Stride<'t> {
    async fn of(live: &mut Live, tables: &'t [TableSpec], ending: &Ending, after: &str) -> Result<Self, RegistryFault> {
        let table = table_of(tables, &ending.record)?;
        let upto = last_key(live, table, after).await?;
        // Not one text with OR: a plan that serves both cases would read on to the end of the table.
        let end = if upto.is_some() {
            "t._key <= $2"
        } else {
            "$2::text IS NULL"
        };
        let keys = format!("t._key > $1 AND {end}");
        let mut condition = format!("{keys} AND t._open <> 0 AND t._partner = $3 AND t._leaf <= $4");
        let scope = ending.scope(table)?;
        match scope {
            Some((column, _)) => condition = format!("{condition} AND t.{column} = ANY($5)"),
            // Each parameter must stand somewhere.
            None => condition.push_str(" AND $5::text[] IS NOT NULL"),
        }
        Ok(Self {
            table,
            after: after.to_owned(),
            upto,
            keys,
            condition,
            codes: scope.map(|(_, codes)| codes.to_vec()).unwrap_or_default(),
        })
    }

    /// First and last key, partner, leaf, codes.
    fn bind<'q>(&self, query: Statement<'q>, ending: &Ending) -> Statement<'q> {
        query
            .bind(self.after.clone())
            .bind(self.upto.clone())
            .bind(ending.partner.clone())
            .bind(ending.leaf())
            .bind(self.codes.clone())
    }

    /// The keys that the snapshot speaks for, in order, each with whether its row came before it.
    async fn spoken_for(&self, live: &mut Live, ending: &Ending) -> Result<Vec<(String, bool)>, RegistryFault> {
        const STEP: &str = "look for what a snapshot lacks";
        let text = format!(
            "SELECT t._key, t._leaf < $4 FROM {} t WHERE {} ORDER BY t._key",
            self.table.name, self.condition
        );
        let query = self.bind(sqlx::query(AssertSqlSafe(text)), ending);
        let found = within(STEP, live.patience, query.fetch_all(&mut live.connection)).await?;
        let one = |row: &PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
        found.iter().map(one).collect::<Result<_, _>>().step(STEP)
    }

    /// The rows that it lacks, in the order of their keys.
    async fn due(&self, live: &mut Live, ending: &Ending, held: &Held) -> Result<Vec<Lacking>, RegistryFault> {
        const STEP: &str = "look for what a snapshot lacks";
        let rows = self.spoken_for(live, ending).await?;
        let lacking = rows.iter().filter(|(key, older)| *older && !held.has(key));
        let lacking: Vec<&str> = lacking.map(|(key, _)| key.as_str()).collect();
        if lacking.is_empty() {
            return Ok(Vec::new());
        }
        let text = format!(
            "SELECT _key, _leaf, _row, _hash FROM {} WHERE _key = ANY($1) ORDER BY _key",
            self.table.name
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(lacking);
        let found = within(STEP, live.patience, query.fetch_all(&mut live.connection)).await?;
        let mut due = Vec::with_capacity(found.len());
        for row in &found {
            due.push(Lacking {
                key: row.try_get(0).step(STEP)?,
                leaf: row.try_get(1).step(STEP)?,
                row: row.try_get(2).step(STEP)?,
                hash: row.try_get(3).step(STEP)?,
            });
        }
        Ok(due)
    }

    /// Rows that are closed now and that the snapshot holds are stamped: no recall of another closing may take them for lacking.
    async fn stamp(&self, live: &mut Live, ending: &Ending, held: &Held) -> Result<(), RegistryFault> {
        let text = format!(
            "SELECT t._key FROM {} t WHERE {} AND t._open = 0",
            self.table.name, self.keys
        );
        let query = sqlx::query_scalar::<_, String>(AssertSqlSafe(text));
        let query = query.bind(self.after.as_str()).bind(self.upto.as_deref());
        let closed = within(
            "look for closed rows",
            live.patience,
            query.fetch_all(&mut live.connection),
        )
        .await?;
        let seen: Vec<&str> = closed.iter().map(String::as_str).filter(|key| held.has(key)).collect();
        note::stamps(live, ending.exchange, &seen).await
    }
}
