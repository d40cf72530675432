//! Discrepancies on SQLite: one reading of the touched subjects, and what of it is written, in the transaction that wrote the rows.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::super::changes;
use super::super::dialect::Dialect;
use super::super::discrepancy::listing::{self, Listing, Origin, Shown, Tally, Wanted};
use super::super::discrepancy::rules::{About, Rules};
use super::super::discrepancy::touch::{Touched, standing};
use super::super::discrepancy::{Kind, Line, Names, Pair, Read, Recorded, Says, Side};
use super::super::discrepancy::{rival, weigh};
use super::super::fault::{RegistryFault, Step};
use super::super::numbers;
use super::super::schema::{TableSpec, table_of};
use super::numbers::Within;

const STEP: &str = "compare sources";

/// Compares what was touched; raises, confirms and settles.
pub(super) fn compare(
    connection: &Connection,
    tables: &[TableSpec],
    mut touched: Touched<'_>,
) -> Result<(), RegistryFault> {
    if touched.is_empty() {
        return Ok(());
    }
    numbers::at_once(numbers::settle(&mut Within(connection), tables, &mut touched))?;
    numbers::at_once(changes::note(&mut Within(connection), &touched))?;
    let rules = Rules::of(Dialect::Sqlite, tables);
    for (about, subjects) in [(About::Person, &touched.persons), (About::Unit, &touched.units)] {
        let Some(text) = rules.statement(about, &touched).filter(|_| !subjects.is_empty()) else {
            continue;
        };
        let read = read(connection, &text, subjects)?;
        let table = table_of(tables, touched.record)?;
        let gone = numbers::at_once(rival::gone(&mut Within(connection), table, &read))?;
        write(connection, &weigh::lines(&rules, about, &touched, read, &gone))?;
    }
    Ok(())
}

/// Notes whom rows name that are there and are about to change.
pub(super) fn note_standing(
    connection: &Connection,
    table: &TableSpec,
    keys: &[&str],
    touched: &mut Touched<'_>,
) -> Result<(), RegistryFault> {
    if touched.stood_by_key(table, keys) {
        return Ok(());
    }
    let text = standing(table, Dialect::Sqlite.listed());
    let mut select = connection.prepare_cached(&text).step(STEP)?;
    let mut rows = select.query([list(keys)?]).step(STEP)?;
    while let Some(row) = rows.next().step(STEP)? {
        let withholder: Option<String> = row.get(2).step(STEP)?;
        touched.stood(row.get(0).step(STEP)?, row.get(1).step(STEP)?, withholder.as_deref());
    }
    Ok(())
}

/// The list as it is bound. In memory only; it holds numbers of persons.
fn list<T: serde::Serialize + ?Sized>(subjects: &T) -> Result<String, RegistryFault> {
    serde_json::to_string(subjects).map_err(|_| RegistryFault::Malformed { column: "subject" })
}

fn read(connection: &Connection, text: &str, subjects: &BTreeSet<String>) -> Result<Vec<Read>, RegistryFault> {
    let mut select = connection.prepare_cached(text).step(STEP)?;
    let rows = select.query_map([list(subjects)?], one).step(STEP)?;
    rows.collect::<Result<_, _>>().step(STEP)
}

fn one(row: &Row<'_>) -> rusqlite::Result<Read> {
    let says = if row.get::<_, i64>(0)? == 0 {
        Says::Holds(judged(row)?)
    } else {
        Says::Recorded(Recorded {
            code: row.get(2)?,
            last_us: row.get(12)?,
            settled: row.get::<_, i64>(13)? != 0,
        })
    };
    Ok(Read {
        subject: row.get(3)?,
        record: row.get(4)?,
        other: row.get(5)?,
        pair: Pair {
            one: Side {
                key: row.get(6)?,
                exchange: Uuid::from_bytes(row.get(7)?),
                row: row.get(8)?,
            },
            other: match row.get::<_, Option<String>>(9)? {
                Some(key) => Some(Side {
                    key,
                    exchange: Uuid::from_bytes(row.get(10)?),
                    row: row.get(11)?,
                }),
                None => None,
            },
        },
        says,
    })
}

/// The kinds that hold, once the names have been compared.
fn judged(row: &Row<'_>) -> rusqlite::Result<i64> {
    let said = |place| Ok::<_, rusqlite::Error>(row.get_ref(place)?.as_str_or_null()?);
    let names = Names {
        one: said(14)?,
        other: said(15)?,
        former: said(16)?,
    };
    Ok(names.judge(row.get(1)?))
}

fn write(connection: &Connection, lines: &[Line]) -> Result<(), RegistryFault> {
    const TEXT: &str = "INSERT INTO discrepancy (subject, kind, record, other_record, row_key, exchange, row_no, other_key, other_exchange, \
        other_row, first_us, last_us, settled_us, settled_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
        ON CONFLICT (subject, kind, record, other_record) DO UPDATE SET row_key = excluded.row_key, exchange = excluded.exchange, \
        row_no = excluded.row_no, other_key = excluded.other_key, other_exchange = excluded.other_exchange, \
        other_row = excluded.other_row, last_us = excluded.last_us, settled_us = excluded.settled_us, settled_by = excluded.settled_by";
    const STEP: &str = "record discrepancies";
    if lines.is_empty() {
        return Ok(());
    }
    let mut insert = connection.prepare_cached(TEXT).step(STEP)?;
    for line in lines {
        let (topic, one, other) = (&line.topic, &line.pair.one, line.pair.other.as_ref());
        insert
            .execute(params![
                topic.subject,
                topic.kind.code(),
                topic.record,
                topic.other,
                one.key,
                one.exchange.as_bytes(),
                one.row,
                other.map(|side| side.key.as_str()),
                other.map(|side| side.exchange.as_bytes()),
                other.map(|side| side.row),
                line.first_us,
                line.last_us,
                line.settled.map(|(at_us, _)| at_us),
                line.settled.as_ref().map(|(_, by)| by.as_bytes()),
            ])
            .step(STEP)?;
    }
    Ok(())
}

/// What people are told.
pub(in crate::registry) fn list_them(connection: &Connection, wanted: &Wanted) -> Result<Listing, RegistryFault> {
    const STEP: &str = "list discrepancies";
    let mut select = connection.prepare(&listing::tallies(Dialect::Sqlite)).step(STEP)?;
    let tallies = select.query_map([wanted.from_us], |row| {
        let count = |place| row.get::<_, i64>(place).map(i64::unsigned_abs);
        let kind = Kind::parse(&row.get::<_, String>(0)?);
        let (open, settled) = (count(1)?, count(2)?);
        Ok(kind.map(|kind| Tally { kind, open, settled }))
    });
    let tallies: Vec<Option<Tally>> = tallies.step(STEP)?.collect::<Result<_, _>>().step(STEP)?;
    let mut select = connection
        .prepare(&listing::lines(Dialect::Sqlite, wanted))
        .step(STEP)?;
    let lines = select
        .query_map(params![wanted.from_us, wanted.code()], shown)
        .step(STEP)?;
    let lines: Vec<Option<Shown>> = lines.collect::<Result<_, _>>().step(STEP)?;
    Ok(Listing {
        tallies: tallies.into_iter().flatten().collect(),
        lines: lines.into_iter().flatten().collect(),
    })
}

/// None for a kind that a newer gateway recorded.
fn shown(row: &Row<'_>) -> rusqlite::Result<Option<Shown>> {
    let Some(kind) = Kind::parse(&row.get::<_, String>(0)?) else {
        return Ok(None);
    };
    let id = |place| Ok::<_, rusqlite::Error>(row.get::<_, Option<[u8; 16]>>(place)?.map(Uuid::from_bytes));
    let other = Option::zip(id(5)?, row.get(6)?);
    Ok(Some(Shown {
        kind,
        record: row.get(1)?,
        one: Origin {
            exchange: Uuid::from_bytes(row.get(2)?),
            row: row.get(3)?,
        },
        other_record: row.get(4)?,
        other: other.map(|(exchange, row)| Origin { exchange, row }),
        first_us: row.get(7)?,
        last_us: row.get(8)?,
        settled: Option::zip(row.get(9)?, id(10)?),
    }))
}
