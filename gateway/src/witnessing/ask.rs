//! What one question comes to.
//!
//! Takes a link, the newest checkpoint and the size that the witness is believed to hold; gives its verified signature line. A conflict is
//! resolved once with the size that the witness names. What it holds is no continuation of ours: then it is asked to show it, and our own
//! key and the log as it is by then decide whether that is a proof, a claim, or our own newer checkpoint that somebody else brought there.

use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::note::NoteError;
use shuguan_ledger::witness::AddCheckpoint;

use super::link::{Answer, Link, LinkFault};
use super::standing::Alarm;
use crate::clock::Clock;
use crate::journal::{Journal, JournalFault};

/// A signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    /// Its line, with its line feed.
    pub(super) line: String,
    /// How much its clock is at least ahead of ours (negative: behind), milliseconds; 0 when they can be the same.
    pub(super) skew_ms: i64,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskFault {
    #[error(transparent)]
    Link(#[from] LinkFault),
    #[error("its signature is not one")]
    Signature(#[from] NoteError),
    #[error("it refused with status {0}")]
    Refused(u16),
    #[error("it names another size each time")]
    Unsteady,
    #[error("the proof for it cannot be made")]
    Journal(#[from] JournalFault),
    #[error("somebody else showed it a newer checkpoint of this log meanwhile")]
    Overtaken,
    /// With the checkpoint that proves it, where one does.
    #[error("it does not hold our history")]
    Alarm(Alarm, Option<String>),
}

/// Asks once, and once more when the witness holds another size than thought.
pub(super) async fn ask(
    link: &Link,
    journal: &Journal,
    clock: &Clock,
    (note, head): (&str, &Checkpoint),
    stored: u64,
) -> Result<Signed, AskFault> {
    let mut old = stored.min(head.size);
    for _ in 0..2 {
        let request = AddCheckpoint {
            old,
            proof: journal.consistency(old, head.size).await?,
            checkpoint: note.to_owned(),
        };
        let before_us = clock.now_us();
        match link.add(&request).await? {
            Answer::Signed(answer) => {
                let (cosignature, line) = link.key.read_answer(&head.text(), &answer)?;
                let skew_ms = skew_ms(cosignature.time_s, before_us, clock.now_us());
                return Ok(Signed { line, skew_ms });
            }
            Answer::Size(held) if held > head.size => {
                return Err(dispute(link, journal, &head.origin, Some(held)).await);
            }
            Answer::Size(held) if held != old => old = held,
            // The size that we named, and yet a conflict: another root.
            Answer::Size(_) | Answer::Refused(409 | 422) => {
                return Err(dispute(link, journal, &head.origin, None).await);
            }
            Answer::Refused(status) => return Err(AskFault::Refused(status)),
        }
    }
    Err(AskFault::Unsteady)
}

/// The witness's clock has whole seconds, so it is off only by what no moment of the question explains.
pub(super) fn skew_ms(time_s: u64, before_us: i64, after_us: i64) -> i64 {
    let from_us = i64::try_from(time_s).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    let to_us = from_us.saturating_add(1_000_000);
    let ahead = from_us.saturating_sub(after_us).max(0);
    let behind = before_us.saturating_sub(to_us).max(0);
    ahead.saturating_sub(behind) / 1_000
}

/// What a conflict comes to. Whoever holds a receipt can bring our newer checkpoint to a witness before we do: what it shows is compared with
/// the log as it is after it was shown, not with the older head that the question was about.
async fn dispute(link: &Link, journal: &Journal, origin: &str, held: Option<u64>) -> AskFault {
    let note = link.stored(origin).await.ok().flatten();
    let shown = note.as_deref().and_then(|note| journal.own_trust().open(note).ok());
    let own = match &shown {
        Some(shown) => journal.root_of(shown.size).await.ok(),
        None => None,
    };
    // Read last, so that it is not older than anything that the witness can hold of us.
    let (_, head) = journal.head();
    let proven = match (&shown, own) {
        (None, _) => false,
        (Some(shown), Some(own)) => own != shown.root,
        (Some(shown), None) => shown.size > head.size,
    };
    let reached = shown.as_ref().map_or(head.size, |shown| head.size.max(shown.size));
    if !proven && held.is_some_and(|held| held <= reached) {
        // No more than we have by now: the next question, about the newer head, tells.
        return AskFault::Overtaken;
    }
    let stored = shown.filter(|_| proven).map(|shown| shown.size).or(held);
    AskFault::Alarm(Alarm { stored, proven }, note.filter(|_| proven))
}

#[cfg(test)]
mod tests {
    use super::skew_ms;

    #[test]
    fn a_clock_is_off_only_by_what_the_question_does_not_explain() {
        let second = 1_000_000;
        for (time_s, before, after, expected) in [
            (100, 100 * second, 100 * second + 5, 0),
            (100, 100 * second + 999_999, 101 * second, 0),
            (99, 100 * second, 101 * second, 0),
            (97, 100 * second, 101 * second, -2_000),
            (103, 100 * second, 101 * second, 2_000),
            (3_700, 100 * second, 101 * second, 3_599_000),
            (u64::MAX, 0, second, (i64::MAX - second) / 1_000),
        ] {
            assert_eq!(skew_ms(time_s, before, after), expected, "{time_s}");
        }
    }
}
