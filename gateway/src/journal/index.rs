//! Finding the exchanges of one person or unit by keyed tags, without reading a person.
//!
//! Takes tags (16 bytes of an HMAC, one for each year's key); gives leaf indices. Small exchanges are rows; larger ones are sorted runs of a part each,
//! in the database or in a file beside the payloads, so that a monthly snapshot of millions is not millions of rows. Tags are spread evenly, so
//! nearly every run is decided by one read of 6 KiB where the tag would stand.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use uuid::Uuid;

use super::fault::JournalFault;
use super::statements;
use super::store::{Row, values};
use super::subjects::{Tag, tags_path};
use super::views::Reader;

const STEP: &str = "search the subject index";
const TAG_BYTES: usize = 16;
/// Tags read at once: eight standard deviations of where a tag lies in a run of 8,192.
const WINDOW: usize = 384;

/// Newest first.
pub(super) fn leaves_of(reader: &Reader, folder: &Path, tags: &[Tag]) -> Result<Vec<u64>, JournalFault> {
    let mut leaves = Vec::new();
    for tag in tags {
        leaves.extend(reader.column::<u64>(STEP, statements::SUBJECT_LEAVES, values![tag])?);
    }
    in_runs(reader, tags, &mut leaves)?;
    in_files(reader, folder, tags, &mut leaves)?;
    leaves.sort_unstable_by(|one, other| other.cmp(one));
    leaves.dedup();
    Ok(leaves)
}

fn in_runs(reader: &Reader, tags: &[Tag], leaves: &mut Vec<u64>) -> Result<(), JournalFault> {
    let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get::<u64>(1)?, row.get::<u64>(2)?));
    for (run, leaf, bytes) in reader.rows(STEP, statements::SUBJECT_RUNS, &[], columns)? {
        let count = usize::try_from(bytes).unwrap_or(0) / TAG_BYTES;
        let read = |first: usize, tags: &mut [u8]| reader.store.read_run(run, first * TAG_BYTES, tags);
        if any_held(count, tags, read).map_err(JournalFault::store(STEP))? {
            leaves.push(leaf);
        }
    }
    Ok(())
}

fn in_files(reader: &Reader, folder: &Path, tags: &[Tag], leaves: &mut Vec<u64>) -> Result<(), JournalFault> {
    let columns = |row: &Row<'_>| Ok((row.get::<u64>(0)?, row.get::<Uuid>(1)?));
    for (leaf, exchange) in reader.rows(STEP, statements::SUBJECT_FILES, &[], columns)? {
        let path = tags_path(folder, exchange);
        let unreadable = || JournalFault::file("read", &path);
        let file = File::open(&path).map_err(unreadable())?;
        let bytes = file.metadata().map_err(unreadable())?.len();
        let mut at = 0;
        while at < bytes {
            let mut prefix = [0; 4];
            file.read_exact_at(&mut prefix, at).map_err(unreadable())?;
            let count = u32::from_le_bytes(prefix);
            let first_byte = at + 4;
            let read = |first: usize, tags: &mut [u8]| {
                let offset = u64::try_from(first * TAG_BYTES).unwrap_or(u64::MAX);
                file.read_exact_at(tags, first_byte.saturating_add(offset))
            };
            if any_held(usize::try_from(count).unwrap_or(0), tags, read).map_err(unreadable())? {
                leaves.push(leaf);
                break;
            }
            at = first_byte + 16 * u64::from(count);
        }
    }
    Ok(())
}

fn any_held<E>(count: usize, tags: &[Tag], mut read: impl FnMut(usize, &mut [u8]) -> Result<(), E>) -> Result<bool, E> {
    for tag in tags {
        if holds(count, tag, &mut read)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a sorted run of `count` tags holds this one; `read` fills a buffer with tags from a place on.
fn holds<E>(count: usize, tag: &Tag, mut read: impl FnMut(usize, &mut [u8]) -> Result<(), E>) -> Result<bool, E> {
    let (mut low, mut high) = (0, count);
    let mut guess = place(tag, count);
    let mut buffer = [0; WINDOW * TAG_BYTES];
    while low < high {
        let from = guess.saturating_sub(WINDOW / 2).clamp(low, high - 1);
        let until = (from + WINDOW).min(high);
        let Some(bytes) = buffer.get_mut(..(until - from) * TAG_BYTES) else {
            return Ok(false);
        };
        read(from, bytes)?;
        let window = bytes.as_chunks::<TAG_BYTES>().0;
        match window.binary_search(tag) {
            Ok(_) => return Ok(true),
            Err(0) => high = from,
            Err(after) if after == window.len() => low = until,
            Err(_) => return Ok(false),
        }
        guess = low + (high - low) / 2;
    }
    Ok(false)
}

/// Where a tag stands in a run of tags that are spread evenly.
fn place(tag: &Tag, count: usize) -> usize {
    let head = tag.first_chunk::<8>().map_or(0, |head| u64::from_be_bytes(*head));
    let place = (u128::from(head) * u128::try_from(count).unwrap_or(0)) >> 64;
    usize::try_from(place).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::{TAG_BYTES, holds};
    use crate::journal::subjects::Tag;

    fn found(run: &[Tag], tag: &Tag) -> bool {
        let read = |first: usize, tags: &mut [u8]| -> Result<(), Infallible> {
            tags.copy_from_slice(&run.as_flattened()[first * TAG_BYTES..][..tags.len()]);
            Ok(())
        };
        holds(run.len(), tag, read).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_run_holds_what_was_put_in_and_nothing_else(
            seeds in prop::collection::vec(any::<u64>(), 0..3_000), dense in any::<bool>(), others in prop::collection::vec(any::<u64>(), 50),
        ) {
            // Tags that lie close together, as no HMAC gives them, are found all the same.
            let tag = |seed: u64| -> Tag {
                let seed = if dense { seed % 10_000 } else { seed };
                [seed.to_be_bytes(), [0; 8]].concat().try_into().unwrap()
            };
            let mut run: Vec<Tag> = seeds.iter().map(|seed| tag(*seed)).collect();
            run.sort_unstable();
            run.dedup();
            for one in run.iter().step_by(7) {
                prop_assert!(found(&run, one));
            }
            for other in others {
                prop_assert_eq!(found(&run, &tag(other)), run.binary_search(&tag(other)).is_ok());
            }
        }
    }
}
