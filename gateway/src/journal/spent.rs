//! What was used of quotas, as the log tells it: rows, bytes and exchanges of a day, comparisons and refused
//! batches of an hour, subjects of a day.
//!
//! Takes a moment; reads every exchange since then, and of a grant that counts subjects the index that its leaves commit to. Gives counts and halves
//! of keyed tags, never a value. Fails when an index is not there: who cannot count must not tell.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use shuguan_ledger::leaf::{Event, Leaf, RefusalEvent};
use shuguan_policies::{Direction, Mode};
use uuid::Uuid;

use super::Journal;
use super::fault::JournalFault;
use super::statements;
use super::store::values;
use super::subjects::{Tag, tags_path};
use super::views::Reader;
use crate::limits::absences::Asked;
use crate::limits::quota::{Amount, QuotaKey, Spent};
use crate::limits::subjects::{Times, short};

impl Journal {
    /// How often each subject was told about under a grant since a moment; of more than `tracked` subjects only so many.
    ///
    /// # Errors
    /// When the journal or its index of subjects cannot be read.
    pub async fn told_about(&self, key: QuotaKey, since_us: i64, tracked: usize) -> Result<Times, JournalFault> {
        let folder = Arc::clone(&self.inner.payloads);
        self.read(move |reader| reader.told_about(&folder, &key, since_us, tracked))
            .await
    }
}

impl Reader {
    /// What the log says was sent, fetched and compared since a moment, by grant.
    pub fn spent(&self, since_us: i64) -> Result<Vec<Spent>, JournalFault> {
        let mut spent: HashMap<QuotaKey, (Amount, u64)> = HashMap::new();
        self.used_since(since_us, |_, key, one| {
            let (amount, exchanges) = spent.entry(key).or_default();
            *amount += one;
            *exchanges += 1;
        })?;
        let spent = spent
            .into_iter()
            .map(|(key, (amount, exchanges))| Spent { key, amount, exchanges });
        Ok(spent.collect())
    }

    /// Each exchange since a moment: its leaf, its grant, its rows and bytes.
    fn used_since(&self, since_us: i64, mut each: impl FnMut(u64, QuotaKey, Amount)) -> Result<(), JournalFault> {
        const STEP: &str = "count what was used of quotas";
        let failed = || JournalFault::store(STEP);
        let first = self.first_since(since_us)?;
        self.each(STEP, statements::EXCHANGES_FROM, values![first], |row| {
            let index = row.get(0).map_err(failed())?;
            if let Some((key, amount)) = used(Leaf::decode(row.blob(1).map_err(failed())?)?.event) {
                each(index, key, amount);
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Comparisons since a moment, also those that were stopped because too many were absent.
    pub fn compared(&self, since_us: i64) -> Result<Vec<Asked>, JournalFault> {
        const STEP: &str = "count comparisons";
        let first = self.first_since(since_us)?;
        let mut compared = Vec::new();
        self.each(STEP, statements::COMPARISONS_FROM, values![first], |row| {
            let bytes = row.blob(0).map_err(JournalFault::store(STEP))?;
            compared.extend(asked(Leaf::decode(bytes)?));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(compared)
    }

    /// Batches since a moment that were refused as a whole, oldest first: who sent each, and when it was sealed, microseconds UTC.
    pub fn refused_batches(&self, since_us: i64) -> Result<Vec<(String, i64)>, JournalFault> {
        const STEP: &str = "count refused batches";
        let first = self.first_since(since_us)?;
        let mut refused = Vec::new();
        self.each(STEP, statements::REFUSALS_FROM, values![first], |row| {
            let leaf = Leaf::decode(row.blob(0).map_err(JournalFault::store(STEP))?)?;
            let when_us = leaf.when();
            // Of a batch that was read there is a report.
            if let Event::Refusal(RefusalEvent { p, qua: Some(_), .. }) = leaf.event {
                refused.push((p, when_us));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(refused)
    }

    fn told_about(&self, folder: &Path, key: &QuotaKey, since_us: i64, tracked: usize) -> Result<Times, JournalFault> {
        let mut leaves = Vec::new();
        self.used_since(since_us, |leaf, of, _| {
            if of == *key {
                leaves.push(leaf);
            }
        })?;
        let mut times = Times::new();
        for leaf in leaves {
            self.subjects_of(folder, leaf, &mut |tag| {
                let (full, subject) = (times.len() >= tracked, short(tag));
                match times.get_mut(&subject) {
                    Some(known) => *known = known.saturating_add(1),
                    None if full => {}
                    None => drop(times.insert(subject, 1)),
                }
            })?;
        }
        Ok(times)
    }

    /// The tags of one leaf. A subject of two parts of an exchange comes twice.
    fn subjects_of(&self, folder: &Path, leaf: u64, each: &mut dyn FnMut(&Tag)) -> Result<(), JournalFault> {
        const STEP: &str = "read the subject index";
        let tags: Vec<Tag> = self.column(STEP, statements::SUBJECTS_OF, values![leaf])?;
        tags.iter().for_each(&mut *each);
        let runs: Vec<Vec<u8>> = self.column(STEP, statements::SUBJECT_RUNS_OF, values![leaf])?;
        for run in &runs {
            run.as_chunks().0.iter().for_each(&mut *each);
        }
        let files: Vec<Uuid> = self.column(STEP, statements::SUBJECT_FILE_OF, values![leaf])?;
        for exchange in files {
            in_file(&tags_path(folder, exchange), each)?;
        }
        Ok(())
    }
}

/// The grant of an exchange, and its rows and bytes.
fn used(event: Event) -> Option<(QuotaKey, Amount)> {
    let ((partner, data, purpose), (direction, mode), rows, bytes) = match event {
        Event::Push(push) => {
            let way = (Direction::Push, Mode::Feed);
            ((push.p, push.rec, push.pur), way, push.r#in, push.bytes)
        }
        Event::Pull(pull) => {
            let way = (Direction::Pull, Mode::Extract);
            ((pull.p, pull.ds, pull.pur), way, pull.rows, pull.bytes)
        }
        Event::Compare(one) => {
            let way = (Direction::Pull, Mode::Compare);
            ((one.p, one.ds, one.pur), way, one.rows, one.bytes)
        }
        _ => return None,
    };
    let key = QuotaKey {
        partner,
        data,
        purpose,
        direction,
        mode,
    };
    Some((key, Amount { rows, bytes }))
}

fn asked(leaf: Leaf) -> Option<Asked> {
    let t_us = leaf.when();
    let (partner, data, purpose, rows, absent) = match leaf.event {
        Event::Compare(one) => (one.p, one.ds, one.pur, one.rows, one.abs),
        // The one that was stopped has counts; those that were refused after it asked nothing.
        Event::Refusal(one) => (one.p, one.ds?, one.pur?, one.ask?, one.abs?),
        _ => return None,
    };
    let key = QuotaKey {
        partner,
        data,
        purpose,
        direction: Direction::Pull,
        mode: Mode::Compare,
    };
    Some(Asked {
        key,
        t_us,
        rows,
        absent,
    })
}

/// Runs one after the other: count u32 LE, then as many tags.
fn in_file(path: &Path, each: &mut dyn FnMut(&Tag)) -> Result<(), JournalFault> {
    let unreadable = || JournalFault::file("read", path);
    let mut file = BufReader::new(File::open(path).map_err(unreadable())?);
    let (mut count, mut tag) = ([0; 4], [0; 16]);
    loop {
        match file.read_exact(&mut count) {
            Err(end) if end.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            read => read.map_err(unreadable())?,
        }
        for _ in 0..u32::from_le_bytes(count) {
            file.read_exact(&mut tag).map_err(unreadable())?;
            each(&tag);
        }
    }
}
