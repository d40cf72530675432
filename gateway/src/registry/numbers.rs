//! Which numbers are one subject's. Takes the rows that a part or a stride wrote or changed; gives persons and units whose numbers were joined or
//! parted, for the comparison after it.
//!
//! A row that holds two numbers says that they are one subject's ([`Line`], table `number_link`), as long as it is open and holds them: closed,
//! written over or recalled, it says so no more. What follows from all lines is the same in whatever order their rows came: `units` which
//! numbers are one enterprise, and under what name; `persons` which are one person, and which of them is in force.
//!
//! Written in the transaction of the rows, after them, in a few statements a part; none where no row that came holds a number to be joined, and none
//! that was there could. What a number costs does not grow with the rows that hold it: a placeholder that a million of them hold is asked like any other.
//! A store answers questions ([`Store`]); what is asked stands here once.

mod persons;
pub(super) mod units;

use std::collections::BTreeSet;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use uuid::Uuid;

use super::dialect::Dialect;
use super::discrepancy::touch::Touched;
use super::fault::RegistryFault;
use super::merge::closing::{BEHIND_ALL, STRIDE};
use super::merge::rows::Rows;
use super::schema::{TableSpec, table_of};

/// What a store gives: texts, and null where there is none.
pub(super) type Found = Vec<Vec<Option<String>>>;

/// A store within its transaction.
pub(super) trait Store {
    /// How it is spoken to.
    const DIALECT: Dialect;

    /// Runs a statement that begins with [`given`]; asks nothing when nothing is given.
    async fn ask<const N: usize>(&mut self, text: &str, given: &[[&str; N]]) -> Result<Found, RegistryFault>;
}

/// Runs what never waits.
pub(super) fn at_once<T>(work: impl Future<Output = Result<T, RegistryFault>>) -> Result<T, RegistryFault> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => Err(RegistryFault::Closed),
    }
}

/// A statement on what is given, as `given` with the columns `a`, `b`, …
pub(super) fn given<S: Store>(columns: usize, rest: &str) -> String {
    let names: Vec<String> = ('a'..='z').take(columns).map(String::from).collect();
    format!(
        "WITH given({}) AS ({}) {rest}",
        names.join(", "),
        S::DIALECT.given(columns)
    )
}

/// What one row says: that two numbers are one subject's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    row_key: String,
    number: String,
    other: String,
}

/// The keys of rows that may join numbers, of those that are written.
pub(super) fn keys_that_join<'r>(
    table: &TableSpec,
    rows: &'r Rows<'_>,
    written: &'r [usize],
) -> impl Iterator<Item = String> + use<'r> {
    let (units, persons) = (units::joins(table), persons::joins(table));
    let joins =
        move |row: &&usize| units && units::is_loose(rows, **row) || persons && persons::is_of_number(rows, **row);
    written.iter().filter(joins).map(|row| rows.key(*row).to_owned())
}

/// Whether its rows join numbers, or did under plans of before: their lines go with them though the columns are not released any more.
pub(super) fn may_have_joined(table: &TableSpec) -> bool {
    units::may_have_joined(table) || persons::may_have_joined(table)
}

/// Brings what the changed rows say into force.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn settle<S: Store>(
    store: &mut S,
    tables: &[TableSpec],
    touched: &mut Touched<'_>,
) -> Result<(), RegistryFault> {
    let table = table_of(tables, touched.record)?;
    let keys = std::mem::take(&mut touched.keys);
    if units::may_have_joined(table) && !keys.is_empty() {
        units::settle(store, tables, table, &keys, touched).await?;
    }
    if persons::may_have_joined(table) && !keys.is_empty() {
        persons::settle(store, table, &keys, touched).await?;
    }
    units::add_joined(store, touched).await
}

/// The record types whose rows were there before anybody noted what they say, in a registry that is older than these tables, each with the key behind
/// which the walk goes on. Nothing is left of them in any other registry, and then this look-up is all that a start or a new session costs.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn to_walk<S: Store>(
    store: &mut S,
    tables: &[TableSpec],
) -> Result<Vec<(String, String)>, RegistryFault> {
    let joining = tables
        .iter()
        .filter(|table| units::joins(table) || persons::joins(table));
    let joining: Vec<[&str; 1]> = joining.map(|table| [table.record.name]).collect();
    let text = given::<S>(
        1,
        "SELECT g.a, coalesce(w.row_key, '') FROM given g LEFT JOIN number_walk w ON w.record = g.a",
    );
    let places = store.ask(&text, &joining).await?.into_iter().filter_map(pair);
    Ok(places.filter(|(_, place)| place != BEHIND_ALL).collect())
}

/// The next of those rows: a record type, and at most [`STRIDE`] keys to be settled in the transaction that calls. The place is noted, so that a walk
/// that was ended goes on; none when all is done.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn walk<S: Store>(
    store: &mut S,
    tables: &[TableSpec],
) -> Result<Option<(&'static str, BTreeSet<String>)>, RegistryFault> {
    for (record, place) in to_walk(store, tables).await? {
        let table = table_of(tables, &record)?;
        let text = given::<S>(
            1,
            &format!(
                "SELECT x._key FROM given g CROSS JOIN {} x WHERE x._key > g.a ORDER BY x._key LIMIT {STRIDE}",
                table.name
            ),
        );
        let keys = store.ask(&text, &[[place.as_str()]]).await?;
        let keys: BTreeSet<String> = keys.into_iter().flatten().flatten().collect();
        let last = keys.last().filter(|_| keys.len() == STRIDE);
        let upto = last.map_or(BEHIND_ALL, String::as_str);
        let text = given::<S>(
            2,
            "INSERT INTO number_walk (record, row_key) SELECT a, b FROM given WHERE true \
             ON CONFLICT (record) DO UPDATE SET row_key = excluded.row_key",
        );
        store.ask(&text, &[[record.as_str(), upto]]).await?;
        if !keys.is_empty() {
            return Ok(Some((table.record.name, keys)));
        }
    }
    Ok(None)
}

/// Whom the keys of a stride touch; nobody's exchange settles what they settle.
pub(super) fn walked(record: &'static str, keys: BTreeSet<String>, now_us: i64) -> Touched<'static> {
    let mut touched = Touched::by(record, now_us, Uuid::nil());
    touched.keys = keys;
    touched
}

/// Writes what rows say now in the place of what they said before; gives the lines that are gone and those that are new.
async fn replace<S: Store>(
    store: &mut S,
    record: &str,
    keys: &BTreeSet<String>,
    said: BTreeSet<Line>,
) -> Result<Vec<Line>, RegistryFault> {
    let asked: Vec<[&str; 2]> = keys.iter().map(|key| [record, key.as_str()]).collect();
    let text = given::<S>(
        2,
        "SELECT k.row_key, k.number, k.other FROM given g CROSS JOIN number_link k WHERE k.record = g.a AND k.row_key = g.b",
    );
    let before = store.ask(&text, &asked).await?.into_iter().filter_map(line);
    let before: BTreeSet<Line> = before.collect();
    let all = |lines: &[Line]| -> Vec<[String; 4]> {
        let cells = |line: &Line| {
            [
                record.to_owned(),
                line.row_key.clone(),
                line.number.clone(),
                line.other.clone(),
            ]
        };
        lines.iter().map(cells).collect()
    };
    let gone: Vec<Line> = before.difference(&said).cloned().collect();
    let come: Vec<Line> = said.difference(&before).cloned().collect();
    let text = given::<S>(
        4,
        "DELETE FROM number_link WHERE (record, row_key, number, other) IN (SELECT a, b, c, d FROM given)",
    );
    let (forgotten, noted) = (all(&gone), all(&come));
    store.ask(&text, &lent(&forgotten)).await?;
    let text = given::<S>(
        4,
        "INSERT INTO number_link (record, row_key, number, other) SELECT a, b, c, d FROM given WHERE true ON CONFLICT DO NOTHING",
    );
    store.ask(&text, &lent(&noted)).await?;
    Ok(gone.into_iter().chain(come).collect())
}

fn line(cells: Vec<Option<String>>) -> Option<Line> {
    let mut cells = cells.into_iter().flatten();
    Some(Line {
        row_key: cells.next()?,
        number: cells.next()?,
        other: cells.next()?,
    })
}

/// Rows of texts as they are bound.
fn lent<const N: usize>(rows: &[[String; N]]) -> Vec<[&str; N]> {
    rows.iter().map(|row| row.each_ref().map(String::as_str)).collect()
}

/// Two texts of a found row.
pub(super) fn pair(cells: Vec<Option<String>>) -> Option<(String, String)> {
    let mut cells = cells.into_iter().flatten();
    Some((cells.next()?, cells.next()?))
}
