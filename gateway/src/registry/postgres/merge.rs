//! A turn's parts in one transaction of PostgreSQL: lock, progress, look up, settle, write, index, progress again, COMMIT.
//!
//! Parts that follow each other with the same table and columns are a run and go together: what a small exchange costs is mostly the
//! way to the server and back. Which row of a key stays is decided here, part by part in their order, so counts are those of merging
//! each alone; only the rows that stay are sent.

use std::collections::{BTreeMap, HashMap};

use policies::dataset::Dataset;
use shuguan_policies as policies;
use uuid::Uuid;

use super::super::changes;
use super::super::dataset;
use super::super::discrepancy::rival::Met;
use super::super::discrepancy::touch::Touched;
use super::super::fault::RegistryFault;
use super::super::merge::fate::{Fate, Kind, Known, Version};
use super::super::merge::held;
use super::super::merge::late::Later;
use super::super::merge::{Arrival, Counts, Part, merged, repeated};
use super::super::schema::{TableSpec, replaced};
use super::super::{Merged, Progress, enterprise, person};
use super::session::{Live, Session};
use super::{copy, discrepancy, look_up, note, progress, unnest};

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
    let merged = committed(&mut live, &session.tables, parts).await;
    match &merged {
        Ok(_) => session.put(live),
        Err(_) => session.end(live),
    }
    merged
}

async fn committed(live: &mut Live, tables: &[TableSpec], parts: &[Part]) -> Result<Vec<Merged>, RegistryFault> {
    live.simple("begin a part", BEGIN).await?;
    let merged = merge_in(live, tables, parts).await?;
    // The commit point: after it rows and progress are durable, before it nothing is.
    live.simple("commit a part", "COMMIT").await?;
    Ok(merged)
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
    let mut known = progress::of(live, &exchanges).await?;
    let arrivals = arrivals(tables, parts, &known)?;
    let due: Vec<&Arrival<'_>> = arrivals.iter().flatten().collect();
    let mut counts = Vec::with_capacity(due.len());
    for run in due.chunk_by(|one, other| {
        one.table.name == other.table.name
            && one.part.partner == other.part.partner
            && one.rows.names() == other.rows.names()
    }) {
        counts.extend(merge_run(live, tables, run).await?);
    }
    let outcome = outcome(parts, &arrivals, counts, &mut known);
    progress::write(live, parts, &known).await?;
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
        .map(|(exchange, known)| (*exchange, (known.parts, known.rows)));
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
        let Some(arrival) = arrival else {
            return repeated(*before);
        };
        let merged = merged(counts.next().unwrap_or_default(), arrival.rows.count(), *before);
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

/// A row that stays: of which arrival, which one there, and what `_open` says.
#[derive(Clone, Copy)]
pub(super) struct Chosen {
    pub(super) arrival: usize,
    pub(super) row: usize,
    pub(super) state: i16,
}

impl Run<'_, '_> {
    /// Names of the columns that are written, the record's first.
    pub(super) fn names(&self) -> Vec<&str> {
        self.names_at(self.all())
    }

    /// The same with only those of the record that stand at those places of a part.
    pub(super) fn names_at(&self, places: impl Iterator<Item = usize>) -> Vec<&str> {
        let columns = self.arrivals.first().map_or(&[][..], |first| first.rows.columns());
        let mut names: Vec<&str> = places.filter_map(|place| Some(columns.get(place)?.name)).collect();
        names.extend(self.table.provenance());
        names
    }

    /// What an update takes over of the columns at those places.
    pub(super) fn sets(&self, places: impl Iterator<Item = usize>) -> String {
        replaced(self.table, &self.names_at(places))
    }

    /// The places of all columns of a part.
    pub(super) fn all(&self) -> std::ops::Range<usize> {
        0..self.arrivals.first().map_or(0, |first| first.rows.columns().len())
    }
}

async fn merge_run(
    live: &mut Live,
    tables: &[TableSpec],
    arrivals: &[&Arrival<'_>],
) -> Result<Vec<Counts>, RegistryFault> {
    // What the run settles is settled by its last exchange.
    let (Some(first), Some(last)) = (arrivals.first(), arrivals.last()) else {
        return Ok(Vec::new());
    };
    let run = Run {
        table: first.table,
        arrivals,
    };
    let settled = settle(live, &run).await?;
    let changed_us = changes::mark(live).await?;
    for arrival in arrivals {
        live.fingerprints
            .wrote(arrival.part.exchange, &run.table.name, changed_us);
    }
    let mut touched = Touched::by(&first.part.record, last.part.received_us, last.part.exchange);
    discrepancy::note_standing(live, run.table, &settled.there(&run), &mut touched).await?;
    touched.met(settled.met(&run).ask(live, run.table).await?);
    write(live, &run, &settled).await?;
    note::closings(live, &settled.closings).await?;
    note::superseded(live, &settled.superseded).await?;
    note::history(live, &settled.history).await?;
    note::history_once(live, &settled.lacking).await?;
    note::held(live, &settled.held).await?;
    for (exchange, keys) in &settled.stamps {
        note::stamps(live, *exchange, keys).await?;
    }
    let known = index(live, &run, &settled, changed_us).await?;
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    for (arrival, written) in arrivals.iter().zip(&settled.written) {
        touched.rows(run.table, &arrival.rows, written, &known);
    }
    discrepancy::compare(live, tables, touched).await?;
    Ok(settled.counts)
}

/// What is to be written.
#[derive(Default)]
struct Settled<'r> {
    counts: Vec<Counts>,
    /// Rows that stay and whose key is not there, in key order.
    new: Vec<Chosen>,
    /// Rows that stay in the place of one that is there, in key order.
    changed: Vec<Chosen>,
    /// Keys that were closed before any row of them came.
    heralds: Vec<Chosen>,
    /// Keys whose row only changes its `_open`.
    marks: Vec<(&'r str, i16)>,
    closings: Vec<note::ClosingLine<'r>>,
    superseded: Vec<note::Superseded<'r>>,
    history: Vec<note::Line<'r>>,
    /// The same in the name of snapshots that came later.
    lacking: Vec<note::Line<'r>>,
    held: Vec<note::HeldPart>,
    /// By snapshot the keys that are to be stamped.
    stamps: BTreeMap<Uuid, Vec<&'r str>>,
    /// Keys that may have met a row of their own: what was there, the arrival that brought them last, its rows, and which of them stays.
    beside: Vec<(Known, usize, &'r [u32], Option<usize>)>,
    /// By arrival the rows that were newer than what was there when they came.
    written: Vec<Vec<usize>>,
}

/// A key of the run.
#[derive(Clone, Copy, Default)]
struct Key<'r> {
    before: Known,
    known: Known,
    /// The arrival that brought it last, with its rows.
    last: Option<(usize, &'r [u32])>,
    winner: Option<Chosen>,
    herald: Option<Chosen>,
    /// The arrival that changed its closing last.
    closed_by: Option<usize>,
}

impl Key<'_> {
    fn standing(known: Known) -> Self {
        Self {
            before: known,
            known,
            ..Self::default()
        }
    }
}

async fn settle<'r>(live: &mut Live, run: &Run<'r, '_>) -> Result<Settled<'r>, RegistryFault> {
    let mut names: Vec<&'r str> = Vec::new();
    for arrival in run.arrivals {
        names.extend(arrival.rows.groups().map(|group| key_of(arrival, group)));
    }
    if run.arrivals.len() > 1 {
        names.sort_unstable();
        names.dedup();
    }
    let later = look_up::later(live, run, &names).await?;
    let known = look_up::known(live, run, &names, later.is_empty()).await?;
    let mut keys: Vec<Key<'r>> = known.into_iter().map(Key::standing).collect();
    let mut settled = Settled::default();
    for place in 0..run.arrivals.len() {
        settle_one(run, place, &later, (&names, &mut keys), &mut settled);
    }
    for (name, key) in names.iter().zip(&keys) {
        settled.take(run, name, key);
    }
    if let Some(fingerprints) = run
        .arrivals
        .first()
        .and_then(|first| live.fingerprints.of(first.part.exchange))
    {
        for key in &keys {
            fingerprints.settled(&key.known);
        }
    }
    Ok(settled)
}

fn settle_one<'r>(
    run: &Run<'r, '_>,
    place: usize,
    later: &[Later],
    (names, keys): (&[&'r str], &mut [Key<'r>]),
    settled: &mut Settled<'r>,
) {
    let Some(arrival) = run.arrivals.get(place) else {
        return;
    };
    let (mut count, mut rows, mut seen) = (Counts::default(), Vec::new(), Vec::new());
    // Keys and groups ascend both.
    let mut known = names.iter().zip(keys);
    for group in arrival.rows.groups() {
        let name = key_of(arrival, group);
        let Some((_, key)) = known.find(|(known, _)| **known == name) else {
            continue;
        };
        let before = key.known;
        let fate = arrival.settle(group, &mut key.known, &mut count, later);
        settled.late(arrival, later, name, (&before, &key.known), &fate);
        if fate.content.is_some() || key.winner.is_none() {
            key.last = Some((place, group));
        }
        let chosen = |row| Chosen {
            arrival: place,
            row,
            state: 0,
        };
        if let Some(row) = fate.content {
            key.winner = Some(chosen(row));
            rows.push(row);
        }
        key.herald = key.herald.or(fate.herald.map(chosen));
        if fate.closing {
            key.closed_by = Some(place);
        }
        if let Some(order) = fate.superseded {
            settled.superseded.push(note::Superseded {
                record: &arrival.part.record,
                key: name,
                partner: &arrival.part.partner,
                order,
            });
        }
        if let Some((kind, row)) = fate.change {
            let (was, is) = (before.version, key.known.version);
            settled.history.push(note::Line {
                record: &arrival.part.record,
                key: name,
                leaf: arrival.leaf(),
                row: arrival.row_no(row),
                exchange: arrival.part.exchange,
                partner: &arrival.part.partner,
                at_us: arrival.part.received_us,
                kind: kind.word(),
                was: was.map(|version| (version.order.1, version.order.2)),
                was_hash: was.map(|version| version.hash),
                hash: is.map(|version| version.hash),
            });
        }
        if fate.seen {
            seen.push(name);
            // What it had to reject and nobody has a row of: when an older batch brings it, it is not lacking.
            if !key.known.there {
                settled.stamps.entry(arrival.part.exchange).or_default().push(name);
            }
        }
    }
    if !seen.is_empty() {
        settled.held.push(note::HeldPart {
            exchange: arrival.part.exchange,
            part: arrival.part.number.into(),
            numbers: held::packed(arrival.part.exchange, seen.into_iter()),
        });
    }
    settled.counts.push(count);
    settled.written.push(rows);
}

impl<'r> Settled<'r> {
    /// Notes in the name of snapshots that came later what they would have done to a row.
    fn late(
        &mut self,
        arrival: &'r Arrival<'_>,
        later: &[Later],
        name: &'r str,
        (before, after): (&Known, &Known),
        fate: &Fate,
    ) {
        for holder in arrival.holders(later, name, (before, after), fate) {
            self.stamps.entry(holder.exchange).or_default().push(name);
        }
        let first = later.iter().find(|later| Some(later.leaf) == fate.lacking);
        if let Some((first, version)) = first.zip(after.version) {
            self.lacking.push(note::Line {
                record: &arrival.part.record,
                key: name,
                leaf: first.leaf,
                row: 0,
                exchange: first.exchange,
                partner: &arrival.part.partner,
                at_us: first.received_us,
                kind: Kind::Close.word(),
                was: Some((version.order.1, version.order.2)),
                was_hash: Some(version.hash),
                hash: Some(version.hash),
            });
        }
    }

    /// Keys whose row of before says something else afterwards.
    fn there(&self, run: &Run<'r, '_>) -> Vec<&'r str> {
        let changed = self.changed.iter().filter_map(|chosen| {
            let arrival = run.arrivals.get(chosen.arrival)?;
            Some(arrival.rows.key(chosen.row))
        });
        changed.chain(self.marks.iter().map(|(key, _)| *key)).collect()
    }

    /// The rows of one key that met.
    fn met(&self, run: &Run<'r, '_>) -> Met {
        let mut met = Met::default();
        for (before, place, rows, content) in &self.beside {
            if let Some(arrival) = run.arrivals.get(*place) {
                met.add(arrival, rows, before, *content);
            }
        }
        met
    }

    /// What is left to be written of a key after all arrivals.
    fn take(&mut self, run: &Run<'r, '_>, name: &'r str, key: &Key<'r>) {
        let state = key.known.state();
        match (key.winner, key.before.there) {
            (Some(winner), false) => self.new.push(Chosen { state, ..winner }),
            (Some(winner), true) => self.changed.push(Chosen { state, ..winner }),
            (None, false) => self.heralds.extend(key.herald),
            (None, true) if state != key.before.state() => self.marks.push((name, state)),
            (None, true) => {}
        }
        let another = |there: Version| !there.mine || key.winner.is_some();
        let meets = |rows: &[u32]| rows.len() > 1 || key.before.version.is_some_and(another);
        if let Some((place, rows)) = key.last.filter(|(_, rows)| meets(rows)) {
            let content = key.winner.filter(|winner| winner.arrival == place);
            self.beside
                .push((key.before, place, rows, content.map(|winner| winner.row)));
        }
        let arrival = key.closed_by.and_then(|place| run.arrivals.get(place));
        if let Some(arrival) = arrival {
            self.closings.push(note::ClosingLine {
                record: &arrival.part.record,
                key: name,
                partner: &arrival.part.partner,
                closing: key.known.closing,
            });
        }
    }
}

fn key_of<'r>(arrival: &'r Arrival<'_>, group: &[u32]) -> &'r str {
    group.first().map_or("", |row| arrival.rows.key(*row as usize))
}

/// Rows that are new go straight into the table: the lock and the look-up say that their keys are not there. Should a stranger have
/// entered one meanwhile, the key's constraint refuses the part, and the next try finds the row.
async fn write(live: &mut Live, run: &Run<'_, '_>, settled: &Settled<'_>) -> Result<(), RegistryFault> {
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
    if !few.is_empty() {
        unnest::merge(live, run, &few, unnest::Extent::Whole).await?;
    }
    if !settled.heralds.is_empty() {
        unnest::merge(live, run, &settled.heralds, unnest::Extent::Keys).await?;
    }
    note::marks(live, &run.table.name, &settled.marks).await
}

/// Enters persons and units of the rows that were newer than what was there; gives the persons who were there already.
async fn index(
    live: &mut Live,
    run: &Run<'_, '_>,
    settled: &Settled<'_>,
    changed_us: i64,
) -> Result<Vec<String>, RegistryFault> {
    let mut persons: BTreeMap<&str, i64> = BTreeMap::new();
    let mut units: BTreeMap<&str, i64> = BTreeMap::new();
    for (arrival, written) in run.arrivals.iter().zip(&settled.written) {
        for id in person::persons(arrival.table, &arrival.rows, written) {
            persons.entry(id).or_insert(arrival.part.received_us);
        }
        for unit in enterprise::units(&arrival.rows, written) {
            units.entry(unit).or_insert(arrival.part.received_us);
        }
    }
    let mut known = Vec::new();
    if !persons.is_empty() {
        let (ids, since): (Vec<&str>, Vec<i64>) = persons.into_iter().unzip();
        let mark = dataset::mark_of(Dataset::Population, run.table.record.name);
        let new = unnest::persons(live, &ids, &since, (mark, changed_us)).await?;
        let was_there = |id: &&&str| !new.contains(**id);
        known.extend(ids.iter().filter(was_there).map(|id| (*id).to_owned()));
    }
    if !units.is_empty() {
        let (units, since): (Vec<&str>, Vec<i64>) = units.into_iter().unzip();
        unnest::units(live, &units, &since).await?;
    }
    Ok(known)
}
