//! Is what lies beside the log what the log commits to? Needs the keys, so only the gateway's host can ask.
//!
//! Takes the settings of a journal, which may be open elsewhere; names each leaf whose evidence record is gone without a `shred` leaf, is there although
//! one says that it was destroyed, does not open, or opens to something else than the leaf commits to, and each whose index of subjects was edited; and the
//! newest `shred` leaf when more is gone than it and those before it counted; and each plan that is kept by its hash and was edited. Refuses nothing and changes nothing.

use std::fs::File;
use std::iter::Peekable;
use std::path::Path;
use std::sync::Arc;

use shuguan_ledger::leaf::{Event, Leaf};
use shuguan_ledger::tree::Hash;
use uuid::Uuid;

use super::committed;
use super::evidence::{INDEX, Record};
use super::fault::JournalFault;
use super::kek::Kek;
use super::past_plans;
use super::settings::JournalSettings;
use super::shreds::Shreds;
use super::statements;
use super::store::{Row, values};
use super::subjects::{StoredDigest, Tag, tags_path};
use super::vault::Vault;
use super::views::Reader;

/// Faults that are named; more are counted.
const NAMED_MAX: usize = 100;
const STEP: &str = "read the subject index";
const NO_KEY: &str = "its evidence record does not open: its key is not there, as in a journal from a backup without `evidence-keys.db`, or the record was changed";

/// What a deep look found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeepReport {
    /// Leaves that commit to something beside them.
    pub examined: u64,
    /// Records that were destroyed, as the log says.
    pub shredded: u64,
    /// Leaves at fault with what is wrong, the first hundred.
    pub faults: Vec<(u64, &'static str)>,
    /// How many there are.
    pub faulty: u64,
    /// Plans that are kept for reports on past exchanges.
    pub plans: u64,
    /// Hashes of those whose rows were edited.
    pub plans_edited: Vec<[u8; 32]>,
}

/// Looks at every exchange, refusal, acknowledgement, officer's question and step of unsealing of a journal.
///
/// # Errors
/// When the journal or a key cannot be read.
pub fn examine(settings: &JournalSettings) -> Result<DeepReport, JournalFault> {
    let reader = Reader::open(&settings.place)?;
    let kek = Arc::new(Kek::new(&settings.key_encryption_key)?);
    let vault = Vault::at(&settings.key_encryption_key, kek, settings.month_keys.clone());
    let shreds = Shreds::read(&reader)?;
    let (plans, plans_edited) = past_plans::proofread(&reader)?;
    let mut look = Look {
        reader: &reader,
        vault: &vault,
        shreds: &shreds,
        gone: 0,
        report: DeepReport {
            plans,
            plans_edited,
            ..DeepReport::default()
        },
    };
    let mut next = 0;
    loop {
        let leaves = committed_leaves(&reader, next)?;
        let (Some((first, ..)), Some((last, ..))) = (leaves.first(), leaves.last()) else {
            return Ok(look.done());
        };
        next = last + 1;
        let mut tags = tags_between(&reader, *first, *last)?.into_iter().peekable();
        for (index, exchange, bytes) in leaves {
            let stored = digest_of(&reader, &settings.payloads, index, &mut tags)?;
            look.leaf(index, exchange, &bytes, stored)?;
        }
    }
}

/// Leaves from an index on that commit to something beside them, at most 1,000.
fn committed_leaves(reader: &Reader, from: u64) -> Result<Vec<(u64, Uuid, Vec<u8>)>, JournalFault> {
    let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    reader.rows(
        "look at the journal",
        statements::COMMITTED_LEAVES,
        values![from],
        columns,
    )
}

/// The tags that are rows, of the leaves from one to another, in the order of their leaves.
fn tags_between(reader: &Reader, first: u64, last: u64) -> Result<Vec<(u64, Tag)>, JournalFault> {
    let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    reader.rows(STEP, statements::SUBJECTS_BY_LEAF, values![first, last], columns)
}

struct Look<'a> {
    reader: &'a Reader,
    vault: &'a Vault,
    shreds: &'a Shreds,
    /// Records that went because they were kept long enough.
    gone: u64,
    report: DeepReport,
}

impl Look<'_> {
    fn leaf(&mut self, index: u64, exchange: Uuid, bytes: &[u8], stored: Hash) -> Result<(), JournalFault> {
        let leaf = Leaf::decode(bytes)?;
        if !committed::commits(&leaf) {
            return Ok(());
        }
        self.report.examined += 1;
        let Some(sealed) = self.reader.evidence_of(index)? else {
            self.gone(index);
            return Ok(());
        };
        if self.shreds.forbid(index) {
            self.fault(
                index,
                "its evidence record is there, although a `shred` leaf says that it was destroyed",
            );
            return Ok(());
        }
        let record = match self.vault.open_record(exchange, &sealed) {
            Ok(Some(record)) => record,
            Ok(None) if sealed.key.is_none() => {
                self.fault(index, NO_KEY);
                return Ok(());
            }
            Ok(None) => {
                self.gone(index);
                return Ok(());
            }
            Err(JournalFault::Unopened(_)) => {
                self.fault(index, "its evidence record does not open: record or key was changed");
                return Ok(());
            }
            Err(fault) => return Err(fault),
        };
        match Record::read(&record) {
            Some(read) if committed::is_another(&leaf, &read, &record) => self.fault(index, committed::ANOTHER),
            Some(record) => self.commitments(index, &leaf, &record, stored),
            None => self.fault(index, "its evidence record cannot be read"),
        }
        Ok(())
    }

    fn gone(&mut self, index: u64) {
        if self.shreds.cover(index) {
            self.report.shredded += 1;
            self.gone += u64::from(!self.shreds.is_alone(index));
        } else {
            self.fault(index, "its evidence record is gone, and no `shred` leaf says so");
        }
    }

    fn done(mut self) -> DeepReport {
        if let Some(newest) = self.shreds.exceeded_by(self.gone) {
            self.fault(
                newest,
                "more evidence records are gone than it and the `shred` leaves before it destroyed",
            );
        }
        self.report
    }

    fn fault(&mut self, index: u64, what: &'static str) {
        self.report.faulty += 1;
        if self.report.faults.len() < NAMED_MAX {
            self.report.faults.push((index, what));
        }
    }

    fn commitments(&mut self, index: u64, leaf: &Leaf, record: &Record<'_>, stored: Hash) {
        if let Err(what) = committed::agrees(leaf, record) {
            self.fault(index, what);
        }
        let ix = match &leaf.event {
            Event::Push(push) => push.ix,
            Event::Pull(pull) => pull.ix,
            Event::Compare(compare) => Some(compare.ix),
            _ => None,
        };
        if let Some(ix) = ix
            && (!committed::opens(record, INDEX, ix) || record.digest(INDEX) != Some(stored))
        {
            self.fault(index, "its index of subjects was edited");
        }
    }
}

/// The digest of what is stored for a leaf.
fn digest_of(
    reader: &Reader,
    folder: &Path,
    leaf: u64,
    tags: &mut Peekable<impl Iterator<Item = (u64, Tag)>>,
) -> Result<Hash, JournalFault> {
    let mut digest = StoredDigest::new();
    let file: Option<Uuid> = reader.cell(STEP, statements::SUBJECT_FILE_OF, values![leaf])?;
    if let Some(exchange) = file {
        let path = tags_path(folder, exchange);
        // A file that is not there has another digest than any that was sealed.
        if let Ok(mut file) = File::open(&path) {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let read = std::io::Read::read(&mut file, &mut buffer).map_err(JournalFault::file("read", &path))?;
                match buffer.get(..read) {
                    Some(bytes) if !bytes.is_empty() => digest.raw(bytes),
                    _ => break,
                }
            }
        }
        return Ok(digest.finish());
    }
    let runs: Vec<Vec<u8>> = reader.column(STEP, statements::SUBJECT_RUNS_OF, values![leaf])?;
    // Those of leaves before it, which commit to nothing, are passed over.
    let upto = std::iter::from_fn(|| tags.next_if(|(at, _)| *at <= leaf));
    let tags: Vec<Tag> = upto.filter(|(at, _)| *at == leaf).map(|(_, tag)| tag).collect();
    if runs.is_empty() {
        digest.run(tags.as_flattened());
    }
    for run in runs {
        digest.run(&run);
    }
    Ok(digest.finish())
}
