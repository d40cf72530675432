//! When the registry last changed anything about a person or unit, so that whoever asks what changed since then misses nothing.
//!
//! The time at which a batch was sealed does not do: its rows may come into the registry hours later, behind a pull that was made in between. So each
//! transaction of the one writer has a mark: its own time, and always more than the last one's, also after a clock was ahead. Whatever it writes, closes or opens again puts the mark on
//! its subject, in a column of those that a dataset may tell of together (`dataset::mark_of`). A reading gives the newest mark of what it sees as [`as_of`]; what it does not see has that mark or a later one.
//!
//! Takes what a transaction touched; gives marks, microseconds since the epoch. Refuses nothing.

use policies::dataset::Dataset;
use shuguan_policies as policies;

use super::dataset;
use super::dialect::Dialect;
use super::discrepancy::touch::Touched;
use super::fault::RegistryFault;
use super::numbers::{Store, given};
use crate::clock::Clock;

/// The one row of the table of marks.
const ONE: &str = "registry";
/// The mark of the transaction, once it has one.
const MARK: &str = "(SELECT changed_us FROM registry_mark WHERE one = 'registry')";
/// The newest mark, as a text.
pub(super) const NEWEST: &str = "SELECT CAST(changed_us AS text) FROM registry_mark WHERE one = 'registry'";

/// The mark of the transaction that calls.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn mark<S: Store>(store: &mut S) -> Result<i64, RegistryFault> {
    let greatest = match S::DIALECT {
        Dialect::Sqlite => "max",
        Dialect::Postgres => "greatest",
    };
    let text = given::<S>(
        2,
        &format!(
            "INSERT INTO registry_mark (one, changed_us) SELECT a, CAST(b AS bigint) FROM given WHERE true \
             ON CONFLICT (one) DO UPDATE SET changed_us = {greatest}(registry_mark.changed_us + 1, excluded.changed_us) \
             RETURNING CAST(changed_us AS text)"
        ),
    );
    let now = Clock::system().now_us().to_string();
    let found = store.ask(&text, &[[ONE, now.as_str()]]).await?;
    let newest = found.into_iter().flatten().flatten().next();
    read(newest.as_deref())
}

/// Puts the transaction's mark on whom it touched; those who are new have it. Of a record type that no field of a dataset comes from nothing is marked: a time
/// must not tell who is on a list that the dataset does not show. Where numbers were joined or parted, rows of any source speak for somebody else now.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn note<S: Store>(store: &mut S, touched: &Touched<'_>) -> Result<(), RegistryFault> {
    // Of who has several numbers, a dataset shows the one in force.
    let persons = "citizen_id IN (SELECT coalesce(p.subject, p.citizen_id) FROM given g CROSS JOIN person p WHERE p.citizen_id = g.a)";
    let units = "unit IN (SELECT a FROM given)";
    let of = |dataset| dataset::mark_of(dataset, touched.record);
    for (table, among, column, whom) in [
        ("person", persons, of(Dataset::Population), &touched.persons),
        ("person", persons, Some(dataset::CHANGED), &touched.joined_persons),
        ("enterprise", units, of(Dataset::Enterprises), &touched.units),
        ("enterprise", units, Some(dataset::CHANGED), &touched.joined_units),
    ] {
        let Some(column) = column.filter(|_| !whom.is_empty()) else {
            continue;
        };
        let text = given::<S>(
            1,
            &format!("UPDATE {table} SET {column} = {MARK} WHERE coalesce({column}, 0) < {MARK} AND {among}"),
        );
        let whom: Vec<[&str; 1]> = whom.iter().map(|one| [one.as_str()]).collect();
        store.ask(&text, &whom).await?;
    }
    Ok(())
}

/// A mark out of what a store gives.
///
/// # Errors
/// [`RegistryFault::Malformed`].
pub(super) fn read(text: Option<&str>) -> Result<i64, RegistryFault> {
    let malformed = RegistryFault::Malformed { column: "changed_us" };
    text.and_then(|text| text.parse().ok()).ok_or(malformed)
}
