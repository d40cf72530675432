//! The keys that sign answers, and orders about them, at the start.
//!
//! Takes the key files (`pki/receipt_keys.rs`) and what the log says of them; gives what is to be sealed before anything is answered: a `key` leaf for the first
//! key that this journal has, for one that is ordered to begin, for each that is ordered to end. Refuses a key that the log does not know and that no order
//! brings, two new ones at once, to end the only one, and to go on without the seed of one that has not ended: its answers come again for 7 days. Only at the
//! start, so that all that a gateway seals while it runs is answered under one key. A crash before a leaf leaves the order for the next start.

use std::path::Path;
use std::sync::Arc;

use shuguan_ledger::keys::{NEW, RECEIPT_SUITE, RETIRED};
use shuguan_ledger::leaf::{Event, KeyEvent};

use super::StartFault;
use crate::exchange::receipt_keys::{Begun, ReceiptKeys};
use crate::journal::{Journal, Outcome, ReceiptKeySpan, SealError, receipt_key_in_force};
use crate::pki::PkiFault;
use crate::pki::log_keys::ROTATION;
use crate::pki::receipt_keys::{ReceiptKeyFiles, digits};
use crate::signature::MessageKey;

/// Why the first key begins: there was none.
const FIRST: &str = "first";

/// What a start does about the keys.
#[derive(Debug)]
pub(super) struct Plan {
    /// What the log knows, each with its key while it is kept.
    known: Vec<(ReceiptKeySpan, Option<Arc<MessageKey>>)>,
    begin: Vec<(Arc<MessageKey>, &'static str)>,
    /// By id, with why.
    end: Vec<(String, String)>,
}

impl Plan {
    /// Judges the files by what the log knows.
    ///
    /// # Errors
    /// [`PkiFault::BadFile`]: see the module.
    pub(super) fn of(first: &Path, files: &ReceiptKeyFiles, known: Vec<ReceiptKeySpan>) -> Result<Self, PkiFault> {
        let begin = fresh(files, &known)?;
        let ends = |span: &ReceiptKeySpan| files.ends.iter().find(|(id, ..)| id == digits(&span.id));
        let ending = known.iter().filter(|span| span.is_kept());
        let ending: Vec<_> = ending.filter_map(|span| Some((span, ends(span)?))).collect();
        let end: Vec<(String, String)> = ending
            .iter()
            .map(|(span, (_, why, _))| (span.id.clone(), why.clone()))
            .collect();
        let lasts = |span: &ReceiptKeySpan| span.is_kept() && end.iter().all(|(id, _)| *id != span.id);
        if let (Some((_, (_, _, path))), true) = (ending.first(), begin.is_empty() && !known.iter().any(lasts)) {
            let what = "it orders the only receipt key to end: `shuguan key rotate --receipt` makes another first";
            return Err(PkiFault::bad_file(path, what));
        }
        let mut held = Vec::with_capacity(known.len());
        for span in known {
            let seed = files.seeds.iter().find(|seed| seed.key.public().id() == span.id);
            let needed = span.is_kept() && end.iter().all(|(id, _)| *id != span.id);
            if needed && seed.is_none() {
                let what = format!(
                    "neither it nor the folder beside it has the seed of the receipt key {}, which has not ended: \
                     put it back, or `shuguan key retire --receipt` ends it",
                    digits(&span.id)
                );
                return Err(PkiFault::bad_file(first, &what));
            }
            let key = seed.filter(|_| needed).map(|seed| Arc::clone(&seed.key));
            held.push((span, key));
        }
        Ok(Self {
            known: held,
            begin,
            end,
        })
    }
}

/// The keys that begin: the first of a journal that has none, and one that was ordered.
fn fresh(files: &ReceiptKeyFiles, known: &[ReceiptKeySpan]) -> Result<Vec<(Arc<MessageKey>, &'static str)>, PkiFault> {
    let mut begin = Vec::new();
    for seed in files.fresh(|id| known.iter().any(|span| span.id == id)) {
        let why = if known.is_empty() && begin.is_empty() {
            FIRST
        } else {
            ROTATION
        };
        if seed.is_first && !known.is_empty() {
            let what = "the log does not know this receipt key: put the one back that it knows; `shuguan key rotate --receipt` makes a new one";
            return Err(PkiFault::bad_file(&seed.path, what));
        }
        if !seed.is_first && begin.iter().any(|(_, is_first)| !is_first) {
            let what = "another receipt key waits to begin too: one at a time, so remove this file or that one";
            return Err(PkiFault::bad_file(&seed.path, what));
        }
        begin.push(((Arc::clone(&seed.key), why), seed.is_first));
    }
    Ok(begin.into_iter().map(|(begun, _)| begun).collect())
}

/// Seals what is to be sealed; gives the keys by which answers are signed from now on.
pub(super) async fn carry_out(journal: &Journal, plan: Plan) -> Result<ReceiptKeys, StartFault> {
    let Plan { mut known, begin, end } = plan;
    for (key, why) in begin {
        let id = key.public().id().to_owned();
        let (from, since_us) = sealed(journal, (NEW, why), &id, &known).await?;
        tracing::info!(key.id = id, leaf.index = from, why, "a key signs answers from now on");
        let span = ReceiptKeySpan {
            id,
            from,
            retired: None,
            since_us,
        };
        known.push((span, Some(key)));
    }
    for (id, why) in end {
        let (index, _) = sealed(journal, (RETIRED, &why), &id, &known).await?;
        tracing::info!(key.id = id, leaf.index = index, why, "a key signs no answer any more");
        for (span, key) in known.iter_mut().filter(|(span, _)| span.id == id) {
            (span.retired, *key) = (Some(index), None);
        }
    }
    let begun = known.into_iter().map(|(span, key)| Begun {
        from: span.from,
        until: span.retired,
        key,
    });
    // There is one by the plan.
    ReceiptKeys::of(begun.collect()).ok_or(StartFault::Unsealed(SealError::Unavailable))
}

/// Seals one change; gives its index and time.
async fn sealed(
    journal: &Journal,
    (act, why): (&str, &str),
    id: &str,
    known: &[(ReceiptKeySpan, Option<Arc<MessageKey>>)],
) -> Result<(u64, i64), StartFault> {
    let others: Vec<ReceiptKeySpan> = known
        .iter()
        .map(|(span, _)| span.clone())
        .filter(|span| span.id != id)
        .collect();
    let event = KeyEvent {
        act: act.into(),
        suite: RECEIPT_SUITE.into(),
        key: id.into(),
        of: receipt_key_in_force(&others).map_or_else(|| "-".into(), |span| span.id.clone()),
        from: 0,
        why: why.into(),
    };
    match journal
        .seal_own(Event::Key(event))
        .await
        .map_err(StartFault::Unsealed)?
    {
        Outcome::Sealed(sealed) | Outcome::Repeated(sealed) => Ok((sealed.index, sealed.t_us)),
        // It has neither key nor nonce.
        Outcome::KeyReused | Outcome::Replayed => Err(StartFault::Unsealed(SealError::Unavailable)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use std::path::Path;

    use super::{Plan, ReceiptKeySpan};
    use crate::pki::receipt_keys::{self, digits};
    use crate::pki::{keyfile, log_keys};

    fn first(folder: &Path) -> std::path::PathBuf {
        let first = folder.join("receipt.seed");
        keyfile::create_random_key(&first).unwrap();
        first
    }

    fn ids(first: &Path) -> Vec<String> {
        let seeds = receipt_keys::read(first).unwrap().seeds;
        seeds.iter().map(|seed| seed.key.public().id().to_owned()).collect()
    }

    fn known(ids: &[&str]) -> Vec<ReceiptKeySpan> {
        let spans = (5..).zip(ids).map(|(from, id)| ReceiptKeySpan {
            id: (*id).into(),
            from,
            retired: None,
            since_us: 0,
        });
        spans.collect()
    }

    /// Keys that begin, each with why, and keys that end.
    type Changes = (Vec<(String, &'static str)>, Vec<String>);

    /// What begins and what ends, or why the gateway does not start.
    fn plan(first: &Path, known: Vec<ReceiptKeySpan>) -> Result<Changes, String> {
        let files = receipt_keys::read(first).unwrap();
        let plan = Plan::of(first, &files, known).map_err(|fault| fault.to_string())?;
        let begin = plan.begin.iter().map(|(key, why)| (key.public().id().to_owned(), *why));
        Ok((begin.collect(), plan.end.into_iter().map(|(id, _)| id).collect()))
    }

    #[test]
    fn a_journal_that_knows_no_receipt_key_gets_the_one_that_is_there_and_then_what_was_ordered() {
        let folder = tempfile::tempdir().unwrap();
        let first = first(folder.path());
        let one = ids(&first)[0].clone();
        assert_eq!(plan(&first, Vec::new()).unwrap().0, [(one.clone(), "first")]);
        assert_eq!(plan(&first, known(&[&one])).unwrap(), (Vec::new(), Vec::new()));
        receipt_keys::begin(&first).unwrap();
        let two = ids(&first)[1].clone();
        assert_eq!(plan(&first, known(&[&one])).unwrap().0, [(two.clone(), "rotation")]);
        let both = [(one.clone(), "first"), (two.clone(), "rotation")];
        assert_eq!(plan(&first, Vec::new()).unwrap().0, both);
        assert_eq!(plan(&first, known(&[&one, &two])).unwrap().0, []);
        // A log that was put back from before knows neither; what was ordered to end does not begin again.
        log_keys::end(&first, digits(&one), "stolen").unwrap();
        assert_eq!(plan(&first, Vec::new()).unwrap().0, [(two, "first")]);
    }

    #[test]
    fn a_key_that_the_log_does_not_know_and_no_order_brings_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let first = first(folder.path());
        let refused = plan(&first, known(&["sha256:00112233"])).unwrap_err();
        assert!(refused.contains("does not know this receipt key"), "{refused}");
        let one = ids(&first)[0].clone();
        receipt_keys::begin(&first).unwrap();
        receipt_keys::begin(&first).unwrap();
        let refused = plan(&first, known(&[&one])).unwrap_err();
        assert!(refused.contains("one at a time"), "{refused}");
    }

    #[test]
    fn the_seed_of_a_key_that_has_not_ended_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let first = first(folder.path());
        receipt_keys::begin(&first).unwrap();
        let [one, two] = &ids(&first)[..] else { unreachable!() };
        std::fs::remove_file(&first).unwrap();
        let refused = plan(&first, known(&[one, two])).unwrap_err();
        assert!(
            refused.contains(digits(one)) && refused.contains("not ended"),
            "{refused}"
        );
        let mut retired = known(&[one, two]);
        retired[0].retired = Some(9);
        assert!(plan(&first, retired).is_ok());
        // An order to end it is enough: who has lost a seed can go on.
        log_keys::end(&first, digits(one), "rotation").unwrap();
        assert_eq!(plan(&first, known(&[one, two])).unwrap().1, std::slice::from_ref(one));
    }

    #[test]
    fn the_only_key_does_not_end() {
        let folder = tempfile::tempdir().unwrap();
        let first = first(folder.path());
        let one = ids(&first)[0].clone();
        log_keys::end(&first, digits(&one), "stolen").unwrap();
        let refused = plan(&first, known(&[&one])).unwrap_err();
        assert!(refused.contains("the only receipt key"), "{refused}");
        receipt_keys::begin(&first).unwrap();
        let (begin, end) = plan(&first, known(&[&one])).unwrap();
        assert_eq!((begin.len(), end), (1, vec![one.clone()]));
        // Answered before: nothing more to do.
        let mut retired = known(&[&one]);
        retired[0].retired = Some(9);
        assert_eq!(plan(&first, retired).unwrap().1, Vec::<String>::new());
    }
}
