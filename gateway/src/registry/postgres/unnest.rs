//! Few rows, and index rows, in one statement each: columns as arrays.

use std::collections::HashSet;

use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Encode, Type};

use super::super::Progress;
use super::super::fault::RegistryFault;
use super::super::merge::fate::NO_CONTENT;
use super::super::merge::rows::Value;
use super::super::merge::{Arrival, Part};
use super::super::schema::ColumnType;
use super::merge::{Chosen, Run};
use super::session::{Live, within};
use super::sql;
use super::value::{Day, Id, Instant};

type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// How much of a row is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All that came.
    Whole,
    /// A row that is closed before its content came: its keys alone.
    Keys,
}

/// Writes rows, over those of the same key.
pub(super) async fn merge(
    live: &mut Live,
    run: &Run<'_, '_>,
    rows: &[Chosen],
    extent: Extent,
) -> Result<(), RegistryFault> {
    let rows: Vec<(&Arrival<'_>, Chosen)> = rows
        .iter()
        .filter_map(|chosen| run.arrivals.get(chosen.arrival).map(|arrival| (*arrival, *chosen)))
        .collect();
    let places = places(run, extent);
    let mut query = sqlx::query(AssertSqlSafe(text(run, &places)));
    for (place, kind) in &places {
        query = bind(
            query,
            *kind,
            rows.iter().map(|(arrival, chosen)| cell(arrival, chosen.row, *place)),
        );
    }
    let whole = extent == Extent::Whole;
    query = query.bind(column(&rows, |arrival, row| arrival.rows.key(row).to_owned()));
    if run.table.has_unit() {
        let unit = |arrival: &Arrival<'_>, row| arrival.rows.unit(row).filter(|_| whole).map(str::to_owned);
        query = query.bind(column(&rows, unit));
    }
    let query = query
        .bind(column(&rows, |arrival, _| Id(arrival.part.exchange)))
        .bind(
            rows.iter()
                .map(|(arrival, chosen)| arrival.row_no(chosen.row))
                .collect::<Vec<i64>>(),
        )
        .bind(column(&rows, |arrival, _| arrival.part.partner.clone()))
        .bind(column(&rows, |arrival, _| arrival.leaf()))
        .bind(column(&rows, |arrival, row| arrival.rows.source_us(row)))
        .bind(column(&rows, |arrival, _| arrival.part.received_us))
        .bind(column(&rows, |arrival, row| {
            let hash = if whole { arrival.rows.hash(row) } else { NO_CONTENT };
            hash.to_vec()
        }))
        .bind(rows.iter().map(|(_, chosen)| chosen.state).collect::<Vec<i16>>());
    within("write rows", live.patience, query.execute(&mut live.connection)).await?;
    Ok(())
}

fn cell<'a>(arrival: &Arrival<'a>, row: usize, place: usize) -> Value<'a> {
    arrival
        .rows
        .columns()
        .get(place)
        .map_or(Value::Null, |column| column.value(row))
}

fn column<T>(rows: &[(&Arrival<'_>, Chosen)], of: impl Fn(&Arrival<'_>, usize) -> T) -> Vec<T> {
    rows.iter().map(|(arrival, chosen)| of(arrival, chosen.row)).collect()
}

/// The columns that are written, by their place in the part, with their types.
fn places(run: &Run<'_, '_>, extent: Extent) -> Vec<(usize, ColumnType)> {
    let Some(first) = run.arrivals.first() else {
        return Vec::new();
    };
    let is_key = |name: &str| run.table.keys.iter().any(|key| key.contains(&name));
    let columns = first.rows.columns().iter().enumerate();
    columns
        .filter(|(_, column)| extent == Extent::Whole || is_key(column.name))
        .map(|(place, column)| (place, column.kind()))
        .collect()
}

fn text(run: &Run<'_, '_>, places: &[(usize, ColumnType)]) -> String {
    let mut types: Vec<&str> = places.iter().map(|(_, kind)| sql(*kind)).collect();
    types.push("text");
    if run.table.has_unit() {
        types.push("text");
    }
    types.extend([
        "uuid", "bigint", "text", "bigint", "bigint", "bigint", "bytea", "smallint",
    ]);
    let arrays: Vec<String> = (1..)
        .zip(&types)
        .map(|(place, kind)| format!("${place}::{kind}[]"))
        .collect();
    let written = places.iter().map(|(place, _)| *place);
    format!(
        "INSERT INTO {} ({}) SELECT * FROM unnest({}) ON CONFLICT (_key) DO UPDATE SET {}",
        run.table.name,
        run.names_at(written.clone()).join(", "),
        arrays.join(", "),
        run.sets(written)
    )
}

/// One column of the record as an array of its type.
fn bind<'q, 'v>(query: Statement<'q>, kind: ColumnType, values: impl Iterator<Item = Value<'v>>) -> Statement<'q> {
    fn array<'q, T, A>(query: Statement<'q>, array: A) -> Statement<'q>
    where
        A: Iterator<Item = Option<T>>,
        Vec<Option<T>>: Encode<'q, Postgres> + Type<Postgres> + 'q,
    {
        query.bind(array.collect::<Vec<Option<T>>>())
    }
    match kind {
        ColumnType::Text => array(
            query,
            values.map(|value| match value {
                Value::Text(text) => Some(text.to_owned()),
                _ => None,
            }),
        ),
        ColumnType::Date => array(
            query,
            values.map(|value| match value {
                Value::Date(days) => Some(Day(days)),
                _ => None,
            }),
        ),
        ColumnType::Instant => array(
            query,
            values.map(|value| match value {
                Value::Instant(micros) => Some(Instant(micros)),
                _ => None,
            }),
        ),
        ColumnType::Integer => array(
            query,
            values.map(|value| match value {
                Value::Integer(number) => Some(number),
                _ => None,
            }),
        ),
        ColumnType::Boolean => array(
            query,
            values.map(|value| match value {
                Value::Boolean(flag) => Some(flag),
                _ => None,
            }),
        ),
    }
}

/// Enters persons, each once, with that mark in the column for it; gives those who are new.
pub(super) async fn persons(
    live: &mut Live,
    ids: &[&str],
    since_us: &[i64],
    (mark, changed_us): (Option<&str>, i64),
) -> Result<HashSet<String>, RegistryFault> {
    let (column, value) = mark.map_or_else(Default::default, |mark| (format!(", {mark}"), ", $3::bigint"));
    let text = format!(
        "INSERT INTO person (citizen_id, first_us{column}) SELECT *{value} FROM unnest($1::text[], $2::bigint[]) \
         ON CONFLICT (citizen_id) DO NOTHING RETURNING citizen_id"
    );
    let mut query = sqlx::query_scalar::<_, String>(AssertSqlSafe(text))
        .bind(ids)
        .bind(since_us);
    if mark.is_some() {
        query = query.bind(changed_us);
    }
    let new = query.fetch_all(&mut live.connection);
    let new = within("write the person index", live.patience, new).await?;
    Ok(new.into_iter().collect())
}

const UNITS: &str =
    "INSERT INTO enterprise (unit, first_us) SELECT * FROM unnest($1::text[], $2::bigint[]) ON CONFLICT DO NOTHING";

/// Enters units, each once.
pub(super) async fn units(live: &mut Live, units: &[&str], since_us: &[i64]) -> Result<(), RegistryFault> {
    let query = sqlx::query(UNITS).bind(units).bind(since_us);
    let written = query.execute(&mut live.connection);
    within("write the enterprise index", live.patience, written).await?;
    Ok(())
}

const NOTE: &str = "INSERT INTO relay_progress \
    (exchange, leaf, record, partner, received_us, parts, row_count, inserted, updated, same, deleted) \
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], \
    $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[]) ON CONFLICT (exchange) DO UPDATE SET parts = excluded.parts, \
    row_count = excluded.row_count, inserted = excluded.inserted, updated = excluded.updated, same = excluded.same, \
    deleted = excluded.deleted";

/// Writes how far exchanges are, each once.
pub(super) async fn progress(live: &mut Live, noted: &[(&Part, Progress)]) -> Result<(), RegistryFault> {
    fn all<T>(noted: &[(&Part, Progress)], of: impl Fn(&Part, &Progress) -> T) -> Vec<T> {
        noted.iter().map(|(part, progress)| of(part, progress)).collect()
    }
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let query = sqlx::query(NOTE)
        .bind(all(noted, |part, _| Id(part.exchange)))
        .bind(all(noted, |part, _| signed(part.leaf)))
        .bind(all(noted, |part, _| part.record.clone()))
        .bind(all(noted, |part, _| part.partner.clone()))
        .bind(all(noted, |part, _| part.received_us))
        .bind(all(noted, |_, progress| i64::from(progress.parts)))
        .bind(all(noted, |_, progress| signed(progress.rows)))
        .bind(all(noted, |_, progress| signed(progress.counts.ins)))
        .bind(all(noted, |_, progress| signed(progress.counts.upd)))
        .bind(all(noted, |_, progress| signed(progress.counts.same)))
        .bind(all(noted, |_, progress| signed(progress.counts.del)));
    within("write the progress", live.patience, query.execute(&mut live.connection)).await?;
    Ok(())
}
