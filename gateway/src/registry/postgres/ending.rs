//! The end of a snapshot on PostgreSQL: counting what it lacks, and closing it, a stride of keys at a time.

use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::super::discrepancy::touch::Touched;
use super::super::fault::RegistryFault;
use super::super::merge::closing::{Closed, Closing, Ending, STRIDE, Weighed};
use super::super::merge::fate::Kind;
use super::super::schema::{TableSpec, table_of};
use super::discrepancy;
use super::fault::Step;
use super::merge::{BEGIN, progress_of};
use super::note::{self, ClosingLine, Line};
use super::session::{Live, Session, within};
use super::value::Id;

/// Counts in one stride behind `after`. What a later exchange brought was not held when the snapshot was made, so it makes no room for closing.
pub(super) async fn weigh(session: &mut Session, ending: &Ending, after: &str) -> Result<Weighed, RegistryFault> {
    const STEP: &str = "count what a snapshot lacks";
    let mut live = session.take().await?;
    let stride = Stride::of(&mut live, &session.tables, ending, after).await?;
    let text = format!(
        "SELECT count(*) FILTER (WHERE t._leaf <= $2), count(*) FILTER (WHERE {MISSING}) FROM {} t WHERE {}",
        stride.table.name, stride.condition
    );
    let query = stride.bind(sqlx::query(AssertSqlSafe(text)), ending);
    let row = within(STEP, live.patience, query.fetch_one(&mut live.connection)).await?;
    let number = |place: usize| row.try_get::<i64, _>(place).map(i64::unsigned_abs).step(STEP);
    let weighed = Weighed {
        held: number(0)?,
        due: number(1)?,
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
    let stride = Stride::of(live, tables, ending, &after).await?;
    let due = stride.due(live, ending).await?;
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
    forget(live, ending, stride.table, stride.upto.as_deref()).await?;
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
    .bind(stride.upto.as_deref().unwrap_or(&after));
    within("write the progress", live.patience, query.execute(&mut live.connection)).await?;
    let progress = progress_of(live, &[ending.exchange]).await?;
    Ok(Closed {
        progress: progress.get(&ending.exchange).copied().unwrap_or_default(),
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

/// The stamps of the stride are not needed any more, but those of rows that are closed: they say that the snapshot does not lack them.
async fn forget(live: &mut Live, ending: &Ending, table: &TableSpec, upto: Option<&str>) -> Result<(), RegistryFault> {
    // Not one text with OR: a plan that serves both cases would read all stamps.
    let end = if upto.is_some() {
        "s.row_key <= $2"
    } else {
        "$2::text IS NULL"
    };
    let text = format!(
        "DELETE FROM snapshot_seen s WHERE s.exchange = $1 AND {end} \
         AND NOT EXISTS (SELECT FROM {} t WHERE t._key = s.row_key AND t._open = 0)",
        table.name
    );
    let query = sqlx::query(AssertSqlSafe(text)).bind(Id(ending.exchange)).bind(upto);
    within(
        "forget what a snapshot held",
        live.patience,
        query.execute(&mut live.connection),
    )
    .await?;
    Ok(())
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

const MISSING: &str =
    "t._leaf < $2 AND NOT EXISTS (SELECT FROM snapshot_seen s WHERE s.exchange = $3 AND s.row_key = t._key)";

type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// Some keys in a row, and which rows of them a snapshot speaks for.
struct Stride<'t> {
    table: &'t TableSpec,
    after: String,
    /// The last key; none: to the end.
    upto: Option<String>,
    /// Of the parameters that [`Stride::bind`] binds.
    condition: String,
    codes: Vec<String>,
}

impl<'t> Stride<'t> {
    async fn of(live: &mut Live, tables: &'t [TableSpec], ending: &Ending, after: &str) -> Result<Self, RegistryFault> {
        let table = table_of(tables, &ending.record)?;
        let upto = last_key(live, table, after).await?;
        // Not one text with OR: a plan that serves both cases would read on to the end of the table.
        let end = if upto.is_some() {
            "t._key <= $5"
        } else {
            "$5::text IS NULL"
        };
        let mut condition = format!("t._key > $4 AND {end} AND t._open <> 0 AND t._partner = $1");
        let scope = ending.scope(table)?;
        match scope {
            Some((column, _)) => condition = format!("{condition} AND t.{column} = ANY($6)"),
            // Each parameter must stand somewhere.
            None => condition.push_str(" AND $6::text[] IS NOT NULL"),
        }
        Ok(Self {
            table,
            after: after.to_owned(),
            upto,
            condition,
            codes: scope.map(|(_, codes)| codes.to_vec()).unwrap_or_default(),
        })
    }

    /// Partner, leaf, exchange, first and last key, codes.
    fn bind<'q>(&self, query: Statement<'q>, ending: &Ending) -> Statement<'q> {
        query
            .bind(ending.partner.clone())
            .bind(ending.leaf())
            .bind(Id(ending.exchange))
            .bind(self.after.clone())
            .bind(self.upto.clone())
            .bind(self.codes.clone())
    }

    async fn due(&self, live: &mut Live, ending: &Ending) -> Result<Vec<Lacking>, RegistryFault> {
        const STEP: &str = "look for what a snapshot lacks";
        let text = format!(
            "SELECT t._key, t._leaf, t._row, t._hash FROM {} t WHERE {} AND {MISSING} ORDER BY t._key",
            self.table.name, self.condition
        );
        let query = self.bind(sqlx::query(AssertSqlSafe(text)), ending);
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
}
