//! A journal as evidence: its leaves, tile entries, checkpoints and search columns against each other and against the signatures.
//!
//! Takes the place of the journal; gives what the log proves, or where it stops. Opens it read-only and reads one snapshot, so a running
//! gateway is not held up. Memory does not grow with the log beyond what [`LogVerifier`] states.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

use indicatif::{ProgressBar, ProgressStyle};
use shuguan_ledger::audit::{LogFault, LogReport, LogVerifier, Standing, Taken};
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::exported::Entry;
use shuguan_ledger::leaf::{Event, Leaf, Reference};
use shuguan_ledger::receipt::Proven;
use shuguan_ledger::tree::{Hash, TileEntry};
use shuguan_ledger::trust::Trust;
use uuid::Uuid;

use crate::chain::Chain;
use crate::command::output::Output;
use crate::journal::{Facets, InboxRow, InboxState, JournalFault, JournalPlace, PAGE, Reader, Resting, StoredLeaf};

/// What receipts say that the log must contain.
#[derive(Debug, Default)]
pub(super) struct Expected {
    leaves: BTreeMap<u64, Hash>,
    /// By size: the root that each signs, and its note.
    checkpoints: BTreeMap<u64, Vec<(Hash, String)>>,
    /// By size: the logs that they are of.
    origins: BTreeMap<u64, Vec<String>>,
}

/// What was kept signs more entries than the log has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    /// So many entries of this log.
    Older(u64),
    /// Of the log of this name: of this one that says nothing.
    Another(String),
}

impl Expected {
    /// Adds what one receipt proved.
    pub(super) fn add(&mut self, proven: &Proven, checkpoint: String) {
        self.leaves.insert(proven.index, proven.leaf_hash);
        self.add_checkpoint(&proven.checkpoint, checkpoint);
    }

    /// Adds a checkpoint that was believed, with its note.
    pub(super) fn add_checkpoint(&mut self, checkpoint: &Checkpoint, note: String) {
        let of_size = self.checkpoints.entry(checkpoint.size).or_default();
        of_size.push((checkpoint.root, note));
        let origins = self.origins.entry(checkpoint.size).or_default();
        origins.push(checkpoint.origin.clone());
    }

    /// Whether receipts say the same of the entry just taken, and of as many entries.
    pub(super) fn compare(&self, verifier: &mut LogVerifier, entry: Entry<'_>) -> Result<(), LogFault> {
        let size = verifier.edge().size();
        let index = size.saturating_sub(1);
        if self.leaves.get(&index).is_some_and(|hash| Some(hash) != entry.hash()) {
            let lost =
                matches!(entry, Entry::Leaf(taken) if matches!(taken.leaf.event, Event::LogOpen(_) | Event::LogGap(_)));
            let what = if lost {
                "it says that the entry of the log before it is lost, and a receipt proves that entry"
            } else {
                "a receipt proves another leaf at this index"
            };
            let what = what.into();
            return Err(LogFault::Leaf { index, what });
        }
        for (root, note) in self.checkpoints.get(&size).into_iter().flatten() {
            match entry {
                Entry::Leaf(_) => verifier.checkpoint(note).map(drop)?,
                // Which volume stands here no leaf says; the receipt's own signatures were verified.
                Entry::Hash(_) => verifier.has_root(root)?,
            }
        }
        Ok(())
    }

    /// What signs more entries than the log has: what is of this log comes before what is of another.
    pub(super) fn beyond(&self, report: &LogReport) -> Option<Beyond> {
        let beyond = self.origins.range(report.checkpoint.size.saturating_add(1)..);
        let mut another = None;
        for (size, origin) in beyond.flat_map(|(size, origins)| origins.iter().map(move |origin| (*size, origin))) {
            if !is_of_another(report, origin, size) {
                return Some(Beyond::Older(size));
            }
            another = another.or(Some(origin));
        }
        another.cloned().map(Beyond::Another)
    }
}

/// Whether so many entries under that name say nothing of this log: they are of another one, and not of one before it of which this one says what it had.
pub(in crate::command) fn is_of_another(report: &LogReport, origin: &str, size: u64) -> bool {
    let before = report.succeeded.iter().find(|one| one.of == origin);
    let is_silent = before.is_none_or(|one| (report.checkpoint.size..one.size).contains(&size.saturating_sub(1)));
    report.checkpoint.origin != origin && is_silent
}

/// Why a log was not read to its end.
#[derive(Debug)]
pub enum ReadLog {
    /// The journal cannot be read, or is none.
    Unreadable(JournalFault),
    /// Another program opened it while it was read as a file at rest: repeat.
    Disturbed,
    /// It was read, and is wrong.
    Fault(LogFault),
}

impl From<LogFault> for ReadLog {
    fn from(fault: LogFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<JournalFault> for ReadLog {
    fn from(error: JournalFault) -> Self {
        Self::Unreadable(error)
    }
}

/// Verifies every leaf and checkpoint of a journal, and what the journal stores beside them.
///
/// # Errors
/// See [`ReadLog`].
pub fn read_log(journal: &JournalPlace, trust: &Trust, output: &Output) -> Result<LogReport, ReadLog> {
    compare_log(journal, trust, &Expected::default(), output)
}

/// The same, and that it contains what receipts prove, as far as it reaches: of more entries [`Expected::beyond`] tells.
pub(super) fn compare_log(
    journal: &JournalPlace,
    trust: &Trust,
    expected: &Expected,
    output: &Output,
) -> Result<LogReport, ReadLog> {
    let resting = Resting::open(journal)?;
    let result = read(&resting.reader, trust, expected, output);
    if !resting.is_undisturbed() {
        return Err(ReadLog::Disturbed);
    }
    result
}

fn read(reader: &Reader, trust: &Trust, expected: &Expected, output: &Output) -> Result<LogReport, ReadLog> {
    let newest = match reader.stored_checkpoint() {
        Ok(note) => note.ok_or(LogFault::NoCheckpoint)?,
        Err(error) if error.is_damage() => return Err(damage(0, &error).into()),
        Err(error) => return Err(error.into()),
    };
    let bar = bar(reader.stored_size()?, output);
    let mut reading = Reading {
        reader,
        verifier: LogVerifier::new(&newest, trust)?,
        checkpoints: VecDeque::new(),
        tiles: 0,
        due: Vec::new(),
        whose: Vec::new(),
        expected,
    };
    let read = reading.all(&bar).and_then(|()| reading.end());
    bar.finish_and_clear();
    match read {
        Ok(()) => Ok(reading.verifier.finish()?),
        Err(ReadLog::Unreadable(error)) if error.is_damage() => Err(damage(reading.size(), &error).into()),
        Err(stop) => Err(stop),
    }
}

fn damage(index: u64, error: &JournalFault) -> LogFault {
    let what = format!("the journal is damaged here: {}", Chain(error));
    LogFault::Leaf { index, what }
}

pub(super) fn bar(size: u64, output: &Output) -> ProgressBar {
    if !output.shows_progress() || size < 16 * PAGE {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} leaves {per_sec} {eta}");
    ProgressBar::new(size).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The partner that stands beside a leaf which names none itself.
struct Row {
    index: u64,
    /// The leaf that names him.
    of: u64,
    partner: Option<String>,
}

/// The log between two leaves.
struct Reading<'r> {
    reader: &'r Reader,
    verifier: LogVerifier,
    /// Those of this page, by size.
    checkpoints: VecDeque<(u64, String)>,
    tiles: u64,
    /// Tile entries that leaves of this page complete, each with the leaf.
    due: Vec<(u64, TileEntry)>,
    /// Rows of this page whose leaf names no partner but an exchange: whose that is stands in the leaf that it refers to.
    whose: Vec<Row>,
    expected: &'r Expected,
}

impl Reading<'_> {
    fn size(&self) -> u64 {
        self.verifier.edge().size()
    }

    fn all(&mut self, bar: &ProgressBar) -> Result<(), ReadLog> {
        let mut known = 0;
        loop {
            let (from, until) = (self.size(), self.size() + PAGE);
            self.checkpoints.extend(self.reader.checkpoints_between(known, until)?);
            known = until + 1;
            let read = self.page();
            // What this page's leaves complete comes before what is wrong after them.
            self.due()?;
            self.whose()?;
            read?;
            bar.inc(self.size() - from);
            if self.size() < until {
                return Ok(());
            }
        }
    }

    /// The next leaves, and the checkpoints between them.
    fn page(&mut self) -> Result<(), ReadLog> {
        let (reader, mut stop) = (self.reader, None);
        self.checkpoints()?;
        reader.each_stored(self.size(), |row| {
            match self.leaf(row).and_then(|()| self.checkpoints()) {
                Ok(()) => ControlFlow::Continue(()),
                Err(fault) => {
                    stop = Some(fault);
                    ControlFlow::Break(())
                }
            }
        })?;
        stop.map_or(Ok(()), |fault| Err(fault.into()))
    }

    /// Every checkpoint of the journal that is stored as one of as many leaves as were read, or fewer.
    fn checkpoints(&mut self) -> Result<(), LogFault> {
        let size = self.size();
        while let Some((_, note)) = self.checkpoints.pop_front_if(|(at, _)| *at <= size) {
            self.verifier.checkpoint(&note)?;
        }
        Ok(())
    }

    fn leaf(&mut self, row: &StoredLeaf<'_>) -> Result<(), LogFault> {
        let index = self.size();
        let wrong = |what: &str| LogFault::Leaf {
            index,
            what: what.to_owned(),
        };
        if row.index != i64::try_from(index).ok() {
            return Err(wrong("it is missing"));
        }
        let bytes = row.bytes.ok_or_else(|| wrong("it is not bytes"))?;
        let taken = self.verifier.take(bytes)?;
        let [own, above @ ..] = taken.entries.as_slice() else {
            return Ok(());
        };
        if row.hash != Some(&own.hash) {
            return Err(wrong("its bytes do not have the hash that is stored beside them"));
        }
        self.expected.compare(&mut self.verifier, Entry::Leaf(&taken))?;
        if let Some(column) = deviation(row, &taken) {
            return Err(wrong(&format!(
                "the column `{column}` beside it says something else than it does"
            )));
        }
        self.whose.extend(whose(row, index, &taken.leaf.event));
        self.due.extend(above.iter().map(|entry| (index, *entry)));
        Ok(())
    }

    /// Tile entries of level 1 and up, which the journal stores as soon as their last leaf is there.
    fn due(&mut self) -> Result<(), ReadLog> {
        for (index, entry) in std::mem::take(&mut self.due) {
            let stored = self.reader.hashes(entry.level, entry.position, 1);
            let same = match stored {
                Ok(hashes) => hashes.first() == Some(&entry.hash),
                Err(error) if error.is_damage() => false,
                Err(error) => return Err(error.into()),
            };
            if !same {
                let what = format!(
                    "the tile entry {} of level {}, which it completes, is another",
                    entry.position, entry.level
                );
                return Err(LogFault::Leaf { index, what }.into());
            }
            self.tiles += 1;
        }
        Ok(())
    }

    /// Each push stands in the inbox where the log says that it does.
    fn inbox(&self) -> Result<(), ReadLog> {
        let mut from = 0;
        loop {
            let states = self.reader.stored_states(from)?;
            let Some((last, _)) = states.last() else { return Ok(()) };
            from = last + 1;
            for (index, state) in states {
                let standing = self.verifier.standing(index);
                if standing.is_some_and(|standing| state.map(means) != Some(standing)) {
                    let state = state.map_or("none", InboxState::name);
                    let what = format!("the inbox has it as `{state}`, and the log says otherwise");
                    return Err(LogFault::Leaf { index, what }.into());
                }
            }
        }
    }

    /// Partners that stand beside leaves of an exchange: by them an officer finds what became of it.
    fn whose(&mut self) -> Result<(), ReadLog> {
        for row in std::mem::take(&mut self.whose) {
            let of = self.reader.entries(row.of, 1)?;
            let of = of.first().and_then(|bytes| Leaf::decode(bytes).ok());
            if of.as_ref().and_then(|leaf| leaf.event.partner()) != row.partner.as_deref() {
                let what = "the column `partner` beside it is not that of the exchange".into();
                return Err(LogFault::Leaf { index: row.index, what }.into());
            }
        }
        Ok(())
    }

    fn end(&self) -> Result<(), ReadLog> {
        let found = self.size();
        let later = self.reader.checkpoints_between(found + 1, u64::MAX)?;
        if let Some(signed) = later.first().map(|(size, _)| *size) {
            return Err(LogFault::Short { found, signed }.into());
        }
        self.inbox()?;
        let edge = self.verifier.edge().encode();
        let what = match self.reader.stored_edge_is(found, &edge)? {
            (true, tiles) if tiles == self.tiles => return Ok(()),
            (true, _) => "the journal holds tile entries that no leaf completes",
            (false, _) => "the stored right edge is not that of these leaves",
        };
        Err(LogFault::Leaf {
            index: found,
            what: what.to_owned(),
        }
        .into())
    }
}

/// What a state of the inbox says that the log must say too: by it a batch comes into the registry, or never does.
fn means(state: InboxState) -> Standing {
    match state {
        InboxState::Waiting | InboxState::SetAside => Standing::Waiting,
        InboxState::Relayed => Standing::Relayed,
        InboxState::Discarded => Standing::GivenUp,
        InboxState::Erased => Standing::Erased,
    }
}

/// What has to be looked up of a row: an acknowledgement stands under its receiver, and what the relay seals under nobody, or, by some version, under the sender.
fn whose(row: &StoredLeaf<'_>, index: u64, event: &Event) -> Option<Row> {
    let (of, always) = follows(event)?;
    let partner = row.partner.map(str::to_owned);
    (always || partner.is_some()).then_some(Row {
        index,
        of: of.i,
        partner,
    })
}

/// The leaf whose partner one is about that names none, and whether the partner always stands beside it.
fn follows(event: &Event) -> Option<(Reference, bool)> {
    match event {
        Event::ReceiptAck(event) => Some((event.of, true)),
        Event::Relayed(event) => Some((event.of, false)),
        Event::SetAside(event) => Some((event.of, false)),
        Event::Recalled(event) => Some((event.of, false)),
        Event::Erased(event) => Some((event.of, false)),
        _ => None,
    }
}

/// The first search column that differs from the leaf: whoever edits one hides an exchange from an officer's search.
fn deviation(row: &StoredLeaf<'_>, taken: &Taken) -> Option<&'static str> {
    let event = &taken.leaf.event;
    let exchange = event.exchange().and_then(|id| Uuid::parse_str(id).ok());
    let facets = Facets::of(event);
    // A column may say more than the leaf does, never something else; a partner only where the leaf follows one that names him.
    let other_text = |stored: Option<&str>, wanted: Option<&str>| wanted.is_some() && stored != wanted;
    let exchange_bytes = exchange.as_ref().map(|id| id.as_bytes().as_slice());
    let others = [
        ("t", row.t != Some(taken.leaf.when())),
        ("kind", other_text(row.kind, Some(event.kind()))),
        ("exchange", exchange_bytes.is_some() && row.exchange != exchange_bytes),
        (
            "partner",
            row.partner != event.partner() && (event.partner().is_some() || follows(event).is_none()),
        ),
        ("rec", other_text(row.record, facets.record)),
        ("pur", other_text(row.purpose, facets.purpose)),
        // By this the gateway finds what it does: whether the relay is paused, which bundles were in force.
        ("code", row.code != facets.code),
        ("inbox", inbox_deviates(row, taken)),
    ];
    others.into_iter().find(|(_, other)| *other).map(|(column, _)| column)
}

/// Whether the inbox lacks a push or says something else of it: by its row a batch comes into the registry, or does not.
fn inbox_deviates(row: &StoredLeaf<'_>, taken: &Taken) -> bool {
    let Event::Push(push) = &taken.leaf.event else {
        return row.inbox != InboxRow::default();
    };
    let exchange = Uuid::parse_str(&push.x).ok();
    // How many parts there are no leaf says, and one that holds rows has some.
    let parts = row.inbox.parts.filter(|parts| *parts > 0 || push.ok == 0);
    parts.is_none()
        || row.inbox
            != InboxRow {
                exchange: exchange.as_ref().map(|id| id.as_bytes().as_slice()),
                record: Some(&push.rec),
                partner: Some(&push.p),
                received_us: Some(taken.leaf.t),
                parts,
            }
}
