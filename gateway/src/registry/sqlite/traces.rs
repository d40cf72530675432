//! Reading the provenance of all rows from SQLite, in one transaction.

use rusqlite::Connection;
use uuid::Uuid;

use super::super::fault::{RegistryFault, Step};
use super::super::schema::TableSpec;
use super::super::traces::{Line, NUMBERS, Source, malformed, statements};

/// Hands over every line.
pub(in crate::registry) fn trace(
    connection: &mut Connection,
    tables: &[TableSpec],
    each: &mut dyn FnMut(Source, &Line<'_>),
) -> Result<(), RegistryFault> {
    const STEP: &str = "read where rows come from";
    let transaction = connection.transaction().step(STEP)?;
    for (source, text) in statements(tables) {
        let mut select = transaction.prepare(&text).step(STEP)?;
        let mut rows = select.query([]).step(STEP)?;
        while let Some(row) = rows.next().step(STEP)? {
            let text = |place| {
                row.get_ref(place)
                    .ok()
                    .and_then(|cell| cell.as_str().ok())
                    .ok_or_else(malformed)
            };
            let bytes = row.get_ref(0).ok().and_then(|cell| cell.as_blob().ok());
            let mut numbers = [0; NUMBERS];
            for (place, number) in (3..).zip(&mut numbers) {
                *number = row.get(place).step(STEP)?;
            }
            let line = Line {
                exchange: bytes
                    .and_then(|bytes| Uuid::from_slice(bytes).ok())
                    .ok_or_else(malformed)?,
                record: text(1)?,
                partner: text(2)?,
                numbers,
            };
            each(source, &line);
        }
    }
    Ok(())
}
