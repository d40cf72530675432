//! A turn's parts in one transaction of PostgreSQL: lock, progress, look up, settle, write, index, progress again, COMMIT.
//!
//! Parts that follow each other with the same table and columns are a run and go together: what a small exchange costs is mostly the
//! way to the server and back. Which row of a key stays is decided here, part by part in their order, so counts are those of merging
//! each alone; only the rows that stay are sent.

use std::collections::{BTreeMap, HashMap};

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::super::fault::RegistryFault;
use super::super::merge::rows::HASH_BYTES;
use super::super::merge::{Arrival, Counts, Part, Version, merged, repeated};
use super::super::schema::TableSpec;
use super::super::{Merged, Progress, enterprise, person};
use super::session::{Live, Session, within};
use super::value::{self, Id};
use super::{copy, unnest};

/// Below that many rows `UNNEST` is cheaper than COPY (performance.md section 2); in tests few, so that both ways are met.
const COPY_MIN: usize = if cfg!(test) { 8 } else { 200 };
/// Begins a transaction in which nobody else of us writes to this database. READ COMMITTED, so that what is read after the lock was
/// given is what its last holder committed. The number is `shuguan` and 1 in ASCII.
pub(super) const BEGIN: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(8316025799151021569)";

/// Merges the parts in their order; gives what became of each.
///
/// # Errors
/// The first fault; then nothing of any of them is in, unless the answer to COMMIT was lost: the progress tells.
pub(super) async fn merge_parts(session: &mut Session, parts: &[Part]) -> Result<Vec<Merged>, RegistryFault> {
    let mut live = session.take().await?;
    live.simple("begin a part", BEGIN).await?;
    let merged = merge_in(&mut live, &session.tables, parts).await?;
    // The commit point: after it rows and progress are durable, before it nothing is.
    live.simple("commit a part", "COMMIT").await?;
    session.put(live);
    Ok(merged)
}

/// How far an exchange is.
pub(super) async fn progress(session: &mut Session, exchange: Uuid) -> Result<Option<Progress>, RegistryFault> {
    let mut live = session.take().await?;
    let known = progress_of(&mut live, &[exchange]).await?;
    session.put(live);
    Ok(known.get(&exchange).copied())
}

/// The parts inside a transaction that the caller commits.
pub(super) async fn merge_in(
    live: &mut Live,
    tables: &[TableSpec],
    parts: &[Part],
) -> Result<Vec<Merged>, RegistryFault> {
    let mut exchanges: Vec<Uuid> = parts.iter().map(|part| part.exchange).collect();
    exchanges.sort_unstable();
    exchanges.dedup();
    let mut progress = progress_of(live, &exchanges).await?;
    let arrivals = arrivals(tables, parts, &progress)?;
    let due: Vec<&Arrival<'_>> = arrivals.iter().flatten().collect();
    let mut counts = Vec::with_capacity(due.len());
    for run in due.chunk_by(|one, other| one.table.name == other.table.name && one.rows.names() == other.rows.names()) {
        counts.extend(merge_run(live, run).await?);
    }
    let outcome = outcome(parts, &arrivals, counts, &mut progress);
    note(live, parts, &progress).await?;
    Ok(outcome)
}

/// Each part made ready, none for one that is in already.
fn arrivals<'a>(
    tables: &'a [TableSpec],
    parts: &'a [Part],
    progress: &HashMap<Uuid, Progress>,
) -> Result<Vec<Option<Arrival<'a>>>, RegistryFault> {
    let in_by_then = progress
        .iter()
        .map(|(exchange, known)| (*exchange, (known.parts, known.counts.rows())));
    let mut in_by_then: HashMap<Uuid, (u32, u64)> = in_by_then.collect();
    let mut arrivals = Vec::with_capacity(parts.len());
    for part in parts {
        let (number, rows) = in_by_then.entry(part.exchange).or_default();
        let arrival = Arrival::due(tables, part, *number, *rows)?;
        if arrival.is_some() {
            *number += 1;
            *rows += u64::try_from(part.batch.num_rows()).unwrap_or(u64::MAX);
        }
        arrivals.push(arrival);
    }
    Ok(arrivals)
}

fn outcome(
    parts: &[Part],
    arrivals: &[Option<Arrival<'_>>],
    counts: Vec<Counts>,
    progress: &mut HashMap<Uuid, Progress>,
) -> Vec<Merged> {
    let mut counts = counts.into_iter();
    let one = |(part, arrival): (&Part, &Option<Arrival<'_>>)| {
        let before = progress.entry(part.exchange).or_default();
        if arrival.is_none() {
            return repeated(*before);
        }
        let merged = merged(counts.next().unwrap_or_default(), *before);
        *before = merged.progress;
        merged
    };
    parts.iter().zip(arrivals).map(one).collect()
}

/// Parts that go together.
pub(super) struct Run<'r, 'a> {
    pub(super) table: &'a TableSpec,
    pub(super) arrivals: &'r [&'r Arrival<'a>],
}

/// A row that stays: of which arrival, and which one there.
#[derive(Clone, Copy)]
pub(super) struct Chosen {
    pub(super) arrival: usize,
    pub(super) row: usize,
}

impl Run<'_, '_> {
    /// Names of the columns that are written, the record's first.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names = self
            .arrivals
            .first()
            .map(|first| first.rows.names())
            .unwrap_or_default();
        names.extend(self.table.provenance());
        names
    }

    pub(super) fn sets(&self) -> String {
        let names = self.names();
        let sets = names.iter().filter(|name| **name != "_key");
        let sets: Vec<String> = sets.map(|name| format!("{name} = excluded.{name}")).collect();
        sets.join(", ")
    }
}

async fn merge_run(live: &mut Live, arrivals: &[&Arrival<'_>]) -> Result<Vec<Counts>, RegistryFault> {
    let Some(first) = arrivals.first() else {
        return Ok(Vec::new());
    };
    let run = Run {
        table: first.table,
        arrivals,
    };
    let settled = settle(live, &run).await?;
    write(live, &run, &settled).await?;
    index(live, &run, &settled).await?;
    Ok(settled.counts)
}

/// What is to be written.
struct Settled {
    counts: Vec<Counts>,
    /// Rows that stay and whose key is not there, in key order.
    new: Vec<Chosen>,
    /// Rows that stay in the place of one that is there, in key order.
    changed: Vec<Chosen>,
    /// By arrival the rows that were newer than what was there when they came.
    written: Vec<Vec<usize>>,
}

/// What is known of a key.
#[derive(Clone, Copy, Default)]
struct Known {
    there: bool,
    version: Option<Version>,
    winner: Option<Chosen>,
}

async fn settle(live: &mut Live, run: &Run<'_, '_>) -> Result<Settled, RegistryFault> {
    let mut keys: Vec<&str> = Vec::new();
    for arrival in run.arrivals {
        keys.extend(arrival.rows.groups().map(|group| key_of(arrival, group)));
    }
    if run.arrivals.len() > 1 {
        keys.sort_unstable();
        keys.dedup();
    }
    let mut known = look_up(live, run.table, &keys).await?;
    let (mut counts, mut written) = (Vec::new(), Vec::new());
    for (place, arrival) in run.arrivals.iter().enumerate() {
        let (mut count, mut rows) = (Counts::default(), Vec::new());
        for group in arrival.rows.groups() {
            let Some(known) = place_of(&keys, key_of(arrival, group)).and_then(|key| known.get_mut(key)) else {
                continue;
            };
            if let Some((row, version)) = arrival.settle(group, known.version, &mut count) {
                known.version = Some(version);
                known.winner = Some(Chosen { arrival: place, row });
                rows.push(row);
            }
        }
        counts.push(count);
        written.push(rows);
    }
    let of = |there: bool| {
        let winners = known.iter().filter(|known| known.there == there);
        winners.filter_map(|known| known.winner).collect()
    };
    Ok(Settled {
        counts,
        new: of(false),
        changed: of(true),
        written,
    })
}

fn key_of<'r>(arrival: &'r Arrival<'_>, group: &[u32]) -> &'r str {
    group.first().map_or("", |row| arrival.rows.key(*row as usize))
}

fn place_of(keys: &[&str], key: &str) -> Option<usize> {
    keys.binary_search(&key).ok()
}

/// What the table has for those keys, which ascend.
async fn look_up(live: &mut Live, table: &TableSpec, keys: &[&str]) -> Result<Vec<Known>, RegistryFault> {
    let text = format!(
        "SELECT _key, _hash, _source_us, _leaf, _row FROM {} WHERE _key = ANY($1)",
        table.name
    );
    let query = sqlx::query(AssertSqlSafe(text)).bind(keys);
    let found = within("look up rows", live.patience, query.fetch_all(&mut live.connection)).await?;
    let mut known = vec![Known::default(); keys.len()];
    for row in &found {
        let (key, version) = version_of(row).ok_or(RegistryFault::Malformed { column: "_key" })?;
        if let Some(known) = place_of(keys, key).and_then(|place| known.get_mut(place)) {
            known.there = true;
            known.version = Some(version);
        }
    }
    Ok(known)
}

fn version_of(row: &PgRow) -> Option<(&str, Version)> {
    let bytes = |place: usize| row.try_get_raw(place).ok().and_then(|raw| raw.as_bytes().ok());
    let hash: [u8; HASH_BYTES] = bytes(1)?.try_into().ok()?;
    let order = (value::int(bytes(2)?)?, value::int(bytes(3)?)?, value::int(bytes(4)?)?);
    Some((std::str::from_utf8(bytes(0)?).ok()?, Version { hash, order }))
}

/// Rows that are new go straight into the table: the lock and the look-up say that their keys are not there. Should a stranger have
/// entered one meanwhile, the key's constraint refuses the part, and the next try finds the row.
async fn write(live: &mut Live, run: &Run<'_, '_>, settled: &Settled) -> Result<(), RegistryFault> {
    let mut few: Vec<Chosen> = Vec::new();
    if settled.new.len() > COPY_MIN {
        copy::insert(live, run, &settled.new).await?;
    } else {
        few.extend(&settled.new);
    }
    if settled.changed.len() > COPY_MIN {
        copy::merge(live, run, &settled.changed).await?;
    } else {
        few.extend(&settled.changed);
    }
    if few.is_empty() {
        return Ok(());
    }
    unnest::merge(live, run, &few).await
}

/// Enters persons and units of the rows that were newer than what was there.
async fn index(live: &mut Live, run: &Run<'_, '_>, settled: &Settled) -> Result<(), RegistryFault> {
    let mut persons: BTreeMap<&str, i64> = BTreeMap::new();
    let mut units: BTreeMap<&str, enterprise::Unit<'_>> = BTreeMap::new();
    for (arrival, written) in run.arrivals.iter().zip(&settled.written) {
        for id in person::persons(arrival.table, &arrival.rows, written) {
            persons.entry(id).or_insert(arrival.part.received_us);
        }
        for unit in enterprise::units(arrival.part, &arrival.rows, written) {
            match units.get_mut(unit.id) {
                Some(known) => known.complete(&unit),
                None => drop(units.insert(unit.id, unit)),
            }
        }
    }
    if !persons.is_empty() {
        let (ids, since): (Vec<&str>, Vec<i64>) = persons.into_iter().unzip();
        unnest::persons(live, &ids, &since).await?;
    }
    if !units.is_empty() {
        let units: Vec<enterprise::Unit<'_>> = units.into_values().collect();
        unnest::units(live, &units).await?;
    }
    Ok(())
}

const PROGRESS: &str = "SELECT exchange, parts, inserted, updated, same FROM relay_progress WHERE exchange = ANY($1)";

async fn progress_of(live: &mut Live, exchanges: &[Uuid]) -> Result<HashMap<Uuid, Progress>, RegistryFault> {
    const STEP: &str = "read the progress";
    let ids: Vec<Id> = exchanges.iter().copied().map(Id).collect();
    let query = sqlx::query(PROGRESS).bind(ids);
    let rows = within(STEP, live.patience, query.fetch_all(&mut live.connection)).await?;
    let malformed = || RegistryFault::Malformed {
        column: "relay_progress",
    };
    rows.iter().map(|row| progress_in(row).ok_or_else(malformed)).collect()
}

fn progress_in(row: &PgRow) -> Option<(Uuid, Progress)> {
    let bytes = |place: usize| row.try_get_raw(place).ok().and_then(|raw| raw.as_bytes().ok());
    let count = |place: usize| value::int(bytes(place)?).map(i64::unsigned_abs);
    let counts = Counts {
        ins: count(2)?,
        upd: count(3)?,
        same: count(4)?,
    };
    let parts = u32::try_from(count(1)?).ok()?;
    Some((Uuid::from_slice(bytes(0)?).ok()?, Progress { parts, counts }))
}

/// Writes how far each exchange of the parts is now.
async fn note(live: &mut Live, parts: &[Part], progress: &HashMap<Uuid, Progress>) -> Result<(), RegistryFault> {
    let mut noted: BTreeMap<Uuid, (&Part, Progress)> = BTreeMap::new();
    for part in parts {
        if let Some(progress) = progress.get(&part.exchange) {
            noted.insert(part.exchange, (part, *progress));
        }
    }
    let noted: Vec<(&Part, Progress)> = noted.into_values().collect();
    unnest::progress(live, &noted).await
}
