//! What is asked about numbers, on PostgreSQL.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};

use super::super::dialect::Dialect;
use super::super::fault::RegistryFault;
use super::super::numbers::{Found, Store};
use super::session::{Live, within};
use super::value;

impl Store for Live {
    const DIALECT: Dialect = Dialect::Postgres;

    async fn ask<const N: usize>(&mut self, statement: &str, given: &[[&str; N]]) -> Result<Found, RegistryFault> {
        if given.is_empty() {
            return Ok(Found::new());
        }
        let mut query = sqlx::query(AssertSqlSafe(statement.to_owned()));
        for place in 0..N {
            let column: Vec<&str> = given.iter().filter_map(|row| row.get(place).copied()).collect();
            query = query.bind(column);
        }
        let rows = within("join numbers", self.patience, query.fetch_all(&mut self.connection)).await?;
        let cells = |row: &PgRow| {
            (0..row.len())
                .map(|place| value::text(row, place).map(str::to_owned))
                .collect()
        };
        Ok(rows.iter().map(cells).collect())
    }
}
