//! Many rows at once: binary COPY, into the table itself or into a staging table of this connection.

use super::super::fault::RegistryFault;
use super::super::merge::rows::Value;
use super::super::schema::TableSpec;
use super::merge::{Chosen, Run};
use super::session::{Live, within};
use super::value::{Day, Instant};

/// Bytes that are sent at once.
const CHUNK_BYTES: usize = 256 * 1_024;
/// PostgreSQL manual, COPY, "Binary Format": signature, flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Writes rows that are not there yet straight into the table.
pub(super) async fn insert(live: &mut Live, run: &Run<'_, '_>, rows: &[Chosen]) -> Result<(), RegistryFault> {
    copy(live, run, &run.table.name, rows).await
}

/// Writes rows of which some or all are there: COPY into the staging table, then one statement.
pub(super) async fn merge(live: &mut Live, run: &Run<'_, '_>, rows: &[Chosen]) -> Result<(), RegistryFault> {
    let staging = stage(live, run.table).await?;
    copy(live, run, &staging, rows).await?;
    let names = run.names().join(", ");
    let text = format!(
        "INSERT INTO {} ({names}) SELECT {names} FROM {staging} ON CONFLICT (_key) DO UPDATE SET {}",
        run.table.name,
        run.sets(run.all())
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(text));
    within("write rows", live.patience, query.execute(&mut live.connection)).await?;
    Ok(())
}

/// A table of this connection that is empty after each COMMIT.
async fn stage(live: &mut Live, table: &TableSpec) -> Result<String, RegistryFault> {
    let staging = format!("arriving_{}", table.name);
    if !live.staged.contains(&table.name) {
        let text = format!(
            "CREATE TEMPORARY TABLE IF NOT EXISTS {staging} (LIKE {}) ON COMMIT DELETE ROWS",
            table.name
        );
        let made = sqlx::raw_sql(sqlx::AssertSqlSafe(text));
        within(
            "make a staging table",
            live.patience,
            made.execute(&mut live.connection),
        )
        .await?;
        // Should this transaction not be committed, the connection is dropped, and the note with it.
        live.staged.insert(table.name.clone());
    }
    Ok(staging)
}

async fn copy(live: &mut Live, run: &Run<'_, '_>, into: &str, rows: &[Chosen]) -> Result<(), RegistryFault> {
    const STEP: &str = "copy rows";
    let names = run.names();
    let text = format!("COPY {into} ({}) FROM STDIN (FORMAT binary)", names.join(", "));
    let patience = live.patience;
    let mut copy = within(STEP, patience, live.connection.copy_in_raw(&text)).await?;
    let fields = i16::try_from(names.len()).unwrap_or(i16::MAX);
    let mut bytes = Vec::with_capacity(CHUNK_BYTES + 4_096);
    bytes.extend_from_slice(HEADER);
    for row in rows {
        bytes.extend_from_slice(&fields.to_be_bytes());
        write_row(&mut bytes, run, *row);
        if bytes.len() >= CHUNK_BYTES {
            within(STEP, patience, copy.send(bytes.as_slice())).await?;
            bytes.clear();
        }
    }
    bytes.extend_from_slice(&(-1_i16).to_be_bytes());
    within(STEP, patience, copy.send(bytes.as_slice())).await?;
    within(STEP, patience, copy.finish()).await?;
    Ok(())
}

/// The fields in the order of [`Run::names`].
fn write_row(bytes: &mut Vec<u8>, run: &Run<'_, '_>, chosen: Chosen) {
    let Some(arrival) = run.arrivals.get(chosen.arrival) else {
        return;
    };
    let row = chosen.row;
    for column in arrival.rows.columns() {
        write(bytes, column.value(row));
    }
    field(bytes, arrival.rows.key(row).as_bytes());
    if run.table.has_unit() {
        write(bytes, arrival.rows.unit(row).map_or(Value::Null, Value::Text));
    }
    field(bytes, arrival.part.exchange.as_bytes());
    field(bytes, &arrival.row_no(row).to_be_bytes());
    field(bytes, arrival.part.partner.as_bytes());
    field(bytes, &arrival.leaf().to_be_bytes());
    field(bytes, &arrival.rows.source_us(row).to_be_bytes());
    field(bytes, &arrival.part.received_us.to_be_bytes());
    field(bytes, &arrival.rows.hash(row));
    field(bytes, &chosen.state.to_be_bytes());
}

fn write(bytes: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Null => bytes.extend_from_slice(&(-1_i32).to_be_bytes()),
        Value::Text(text) => field(bytes, text.as_bytes()),
        Value::Date(days) => field(bytes, &Day(days).wire()),
        Value::Instant(micros) => field(bytes, &Instant(micros).wire()),
        Value::Integer(number) => field(bytes, &number.to_be_bytes()),
        Value::Boolean(flag) => field(bytes, &[u8::from(flag)]),
    }
}

fn field(bytes: &mut Vec<u8>, value: &[u8]) {
    // A body is at most 4 GiB and a field of the catalogue some hundred bytes: the length fits.
    bytes.extend_from_slice(&i32::try_from(value.len()).unwrap_or(i32::MAX).to_be_bytes());
    bytes.extend_from_slice(value);
}
