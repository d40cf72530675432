//! Discrepancies on PostgreSQL: one reading of the touched subjects, and what of it is written, in the transaction that wrote the rows.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgRow;

use super::super::changes;
use super::super::dialect::Dialect;
use super::super::discrepancy::listing::{self, Listing, Origin, Shown, Tally, Wanted};
use super::super::discrepancy::rules::{About, Rules};
use super::super::discrepancy::touch::{Touched, standing};
use super::super::discrepancy::{Kind, Line, Names, Pair, Read, Recorded, Says, Side};
use super::super::discrepancy::{rival, weigh};
use super::super::fault::RegistryFault;
use super::super::numbers;
use super::super::schema::{TableSpec, table_of};
use super::session::{self, Live, Purpose, within};
use super::value::{Id, id, number, text};
use crate::postgres::PostgresSettings;

const STEP: &str = "compare sources";

/// Compares what was touched; raises, confirms and settles.
pub(super) async fn compare(
    live: &mut Live,
    tables: &[TableSpec],
    mut touched: Touched<'_>,
) -> Result<(), RegistryFault> {
    if touched.is_empty() {
        return Ok(());
    }
    numbers::settle(live, tables, &mut touched).await?;
    changes::note(live, &touched).await?;
    let rules = Rules::of(Dialect::Postgres, tables);
    for (about, subjects) in [(About::Person, &touched.persons), (About::Unit, &touched.units)] {
        let Some(text) = rules.statement(about, &touched).filter(|_| !subjects.is_empty()) else {
            continue;
        };
        let query = sqlx::query(AssertSqlSafe(text)).bind(list(subjects));
        let rows = within(STEP, live.patience, query.fetch_all(&mut live.connection)).await?;
        let malformed = || RegistryFault::Malformed { column: "discrepancy" };
        let read = rows.iter().map(|row| one(row).ok_or_else(malformed));
        let read: Vec<Read> = read.collect::<Result<_, _>>()?;
        let gone = rival::gone(live, table_of(tables, touched.record)?, &read).await?;
        let lines = weigh::lines(&rules, about, &touched, read, &gone);
        write(live, &lines).await?;
    }
    Ok(())
}

/// Notes whom rows name that are there and are about to change.
pub(super) async fn note_standing(
    live: &mut Live,
    table: &TableSpec,
    keys: &[&str],
    touched: &mut Touched<'_>,
) -> Result<(), RegistryFault> {
    if touched.stood_by_key(table, keys) {
        return Ok(());
    }
    let query = sqlx::query(AssertSqlSafe(standing(table, Dialect::Postgres.listed()))).bind(keys);
    let rows = within(STEP, live.patience, query.fetch_all(&mut live.connection)).await?;
    for row in &rows {
        touched.stood(owned(row, 0), owned(row, 1), text(row, 2));
    }
    Ok(())
}

fn owned(row: &PgRow, place: usize) -> Option<String> {
    text(row, place).map(str::to_owned)
}

fn list(subjects: &BTreeSet<String>) -> Vec<&str> {
    subjects.iter().map(String::as_str).collect()
}

fn one(row: &PgRow) -> Option<Read> {
    let says = if number(row, 0)? == 0 {
        let said = |place| text(row, place);
        let names = Names {
            one: said(14),
            other: said(15),
            former: said(16),
        };
        Says::Holds(names.judge(number(row, 1)?))
    } else {
        Says::Recorded(Recorded {
            code: owned(row, 2)?,
            last_us: number(row, 12)?,
            settled: number(row, 13)? != 0,
        })
    };
    Some(Read {
        subject: owned(row, 3)?,
        record: owned(row, 4)?,
        other: owned(row, 5)?,
        pair: Pair {
            one: side(row, 6)?,
            other: side(row, 9),
        },
        says,
    })
}

fn side(row: &PgRow, place: usize) -> Option<Side> {
    Some(Side {
        key: owned(row, place)?,
        exchange: id(row, place + 1)?,
        row: number(row, place + 2)?,
    })
}

async fn write(live: &mut Live, lines: &[Line]) -> Result<(), RegistryFault> {
    const TEXT: &str = "INSERT INTO discrepancy (subject, kind, record, other_record, row_key, exchange, row_no, other_key, other_exchange, \
        other_row, first_us, last_us, settled_us, settled_by) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], \
        $5::text[], $6::uuid[], $7::bigint[], $8::text[], $9::uuid[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::uuid[]) \
        ON CONFLICT (subject, kind, record, other_record) DO UPDATE SET row_key = excluded.row_key, exchange = excluded.exchange, \
        row_no = excluded.row_no, other_key = excluded.other_key, other_exchange = excluded.other_exchange, \
        other_row = excluded.other_row, last_us = excluded.last_us, settled_us = excluded.settled_us, settled_by = excluded.settled_by";
    fn all<'l, T>(lines: &'l [Line], of: impl Fn(&'l Line) -> T) -> Vec<T> {
        lines.iter().map(of).collect()
    }
    if lines.is_empty() {
        return Ok(());
    }
    let other = |line: &Line| line.pair.other.clone();
    let query = sqlx::query(TEXT)
        .bind(all(lines, |line| line.topic.subject.as_str()))
        .bind(all(lines, |line| line.topic.kind.code()))
        .bind(all(lines, |line| line.topic.record.as_str()))
        .bind(all(lines, |line| line.topic.other.as_str()))
        .bind(all(lines, |line| line.pair.one.key.as_str()))
        .bind(all(lines, |line| Id(line.pair.one.exchange)))
        .bind(all(lines, |line| line.pair.one.row))
        .bind(all(lines, |line| other(line).map(|side| side.key)))
        .bind(all(lines, |line| other(line).map(|side| Id(side.exchange))))
        .bind(all(lines, |line| other(line).map(|side| side.row)))
        .bind(all(lines, |line| line.first_us))
        .bind(all(lines, |line| line.last_us))
        .bind(all(lines, |line| line.settled.map(|(at_us, _)| at_us)))
        .bind(all(lines, |line| line.settled.map(|(_, by)| Id(by))));
    within(
        "record discrepancies",
        live.patience,
        query.execute(&mut live.connection),
    )
    .await?;
    Ok(())
}

/// What people are told.
pub(in crate::registry) fn list_them(settings: &PostgresSettings, wanted: &Wanted) -> Result<Listing, RegistryFault> {
    const STEP: &str = "list discrepancies";
    session::aside(async || {
        let patience = Duration::from_millis(settings.read_timeout_ms.into());
        let mut connection = session::connect(settings, Purpose::Read).await?;
        let query = sqlx::query(AssertSqlSafe(listing::tallies(Dialect::Postgres))).bind(wanted.from_us);
        let tallies = within(STEP, patience, query.fetch_all(&mut connection)).await?;
        let query = sqlx::query(AssertSqlSafe(listing::lines(Dialect::Postgres, wanted)))
            .bind(wanted.from_us)
            .bind(wanted.code());
        let lines = within(STEP, patience, query.fetch_all(&mut connection)).await?;
        // A kind that a newer gateway recorded is passed over.
        Ok(Listing {
            tallies: tallies.iter().filter_map(tally).collect(),
            lines: lines.iter().filter_map(shown).collect(),
        })
    })
}

fn tally(row: &PgRow) -> Option<Tally> {
    Some(Tally {
        kind: Kind::parse(text(row, 0)?)?,
        open: number(row, 1)?.unsigned_abs(),
        settled: number(row, 2)?.unsigned_abs(),
    })
}

fn shown(row: &PgRow) -> Option<Shown> {
    let origin = |exchange, number| Origin { exchange, row: number };
    Some(Shown {
        kind: Kind::parse(text(row, 0)?)?,
        record: owned(row, 1)?,
        one: origin(id(row, 2)?, number(row, 3)?),
        other_record: owned(row, 4)?,
        other: Option::zip(id(row, 5), number(row, 6)).map(|(exchange, number)| origin(exchange, number)),
        first_us: number(row, 7)?,
        last_us: number(row, 8)?,
        settled: Option::zip(number(row, 9), id(row, 10)),
    })
}
