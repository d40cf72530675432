//! Reading the provenance of all rows from PostgreSQL, in one snapshot, row by row off the wire.

use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgRow;

use super::super::fault::RegistryFault;
use super::super::schema::TableSpec;
use super::super::traces::{Line, NUMBERS, Source, malformed, statements};
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
    let exchange = value::id(row, 0).ok_or_else(malformed)?;
    let text = |place| value::text(row, place).ok_or_else(malformed);
    let (record, partner) = (text(1)?, text(2)?);
    let mut numbers = [0; NUMBERS];
    for (number, place) in numbers.iter_mut().zip(3..) {
        *number = value::number(row, place).ok_or_else(malformed)?;
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
