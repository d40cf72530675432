//! What is asked about numbers, on SQLite.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::super::dialect::Dialect;
use super::super::fault::{RegistryFault, Step};
use super::super::numbers::{Found, Store};

const STEP: &str = "join numbers";

/// The transaction that writes the rows.
pub(super) struct Within<'c>(pub(super) &'c Connection);

impl Store for Within<'_> {
    const DIALECT: Dialect = Dialect::Sqlite;

    async fn ask<const N: usize>(&mut self, text: &str, given: &[[&str; N]]) -> Result<Found, RegistryFault> {
        if given.is_empty() {
            return Ok(Found::new());
        }
        #[cfg(test)]
        super::tests::assert_read_by_keys(self.0, text);
        // In memory only; it holds numbers of persons. Serde has arrays of fixed lengths only.
        let rows: Vec<&[&str]> = given.iter().map(<[&str; N]>::as_slice).collect();
        let rows = serde_json::to_string(&rows).map_err(|_| RegistryFault::Malformed { column: "number" })?;
        let mut statement = self.0.prepare_cached(text).step(STEP)?;
        let columns = statement.column_count();
        let mut rows = statement.query([rows]).step(STEP)?;
        let mut found = Found::new();
        while let Some(row) = rows.next().step(STEP)? {
            let cell = |place| match row.get_ref(place).step(STEP)? {
                ValueRef::Text(text) => Ok(std::str::from_utf8(text).ok().map(str::to_owned)),
                _ => Ok(None),
            };
            found.push((0..columns).map(cell).collect::<Result<_, RegistryFault>>()?);
        }
        Ok(found)
    }
}
