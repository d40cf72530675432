//! Reading the provenance of all rows from PostgreSQL, in one snapshot, row by row off the wire.

use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::super::fault::RegistryFault;
use super::super::schema::TableSpec;
use super::super::traces::{Line, NUMBERS, Source, malformed, statements};
use super::fault::Step;
use super::session::{self, Purpose, within};
use super::value;
use crate::postgres::PostgresSettings;

const STEP: &str = "read where rows come from";

/// Hands over every line.
pub(in crate::registry) fn trace(
    settings: &PostgresSettings,
    tables: &[TableSpec],
    each: &mut (dyn FnMut(Source, &Line<'_>) + Send),
) -> Result<(), RegistryFault> {
    session::aside(async || {
        let patience = Duration::from_millis(settings.read_timeout_ms.into());
        let mut connection = session::connect(settings, Purpose::Read).await?;
        let begin = sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        within(STEP, patience, begin.execute(&mut connection)).await?;
        for (source, text) in statements(tables) {
            let query = sqlx::query(AssertSqlSafe(text)).persistent(false);
            let mut rows = query.fetch(&mut connection);
            while let Some(row) = within(STEP, patience, rows.try_next()).await? {
                hand_over(source, &row, each)?;
            }
        }
        Ok(())
    })
}

fn hand_over(
    source: Source,
    row: &PgRow,
    each: &mut (dyn FnMut(Source, &Line<'_>) + Send),
) -> Result<(), RegistryFault> {
    let cells: Vec<_> = (0..row.len())
        .map(|place| row.try_get_raw(place))
        .collect::<Result<_, _>>()
        .step(STEP)?;
    let mut cells = cells.iter().map(|cell| cell.as_bytes().ok());
    let mut next = || cells.next().flatten().ok_or_else(malformed);
    let exchange = Uuid::from_slice(next()?).map_err(|_| malformed())?;
    let (record, partner) = (text(next()?)?, text(next()?)?);
    let mut numbers = [0; NUMBERS];
    for number in &mut numbers {
        *number = value::int(next()?).ok_or_else(malformed)?;
    }
    let line = Line {
        exchange,
        record,
        partner,
        numbers,
    };
    each(source, &line);
    Ok(())
}

fn text(bytes: &[u8]) -> Result<&str, RegistryFault> {
    std::str::from_utf8(bytes).map_err(|_| malformed())
}
