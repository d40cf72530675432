//! The files of the keys that sign answers: the first, and beside it a folder with those that followed, of the same form as those of the log.
//!
//! ```text
//! keys/receipt.seed            the first; gone when it was retired and destroyed
//! keys/receipt/1f0c22e4.seed   one that followed, by the first digits of its key id; one that no leaf names yet is an order to begin it
//! keys/receipt/88ab01d3.end    an order to end that key: `rotation` or `stolen`
//! ```
//!
//! Gives what lies there, and makes new files; the gateway reads them at its start. Refuses what `log_keys` refuses, and a seed of the folder that is named
//! otherwise than its key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{PkiFault, keyfile, log_keys};
use crate::signature::MessageKey;

/// Digits of a key id that name its file.
const DIGITS: usize = 8;

/// One seed.
#[derive(Clone, Debug)]
pub struct ReceiptSeed {
    /// Its file.
    pub path: PathBuf,
    /// The key that it is.
    pub key: Arc<MessageKey>,
    /// Whether it is the first key's file, which `init` makes.
    pub is_first: bool,
}

/// What lies there.
#[derive(Clone, Debug)]
pub struct ReceiptKeyFiles {
    /// Seeds, the first key's before the others.
    pub seeds: Vec<ReceiptSeed>,
    /// Orders to end a key: the digits of its id, why, and the file.
    pub ends: Vec<(String, String, PathBuf)>,
}

impl ReceiptKeyFiles {
    /// Seeds that the log does not know yet. One that was ordered to end, such as a stolen one, does not begin for a log that was put back from before, as long as
    /// there is another.
    pub fn fresh(&self, is_known: impl Fn(&str) -> bool) -> impl Iterator<Item = &ReceiptSeed> {
        let is_over = |seed: &ReceiptSeed| {
            let id = digits(seed.key.public().id());
            self.ends.iter().any(|(ended, ..)| ended == id)
        };
        let is_another = self.seeds.iter().any(|seed| !is_over(seed));
        let fresh = move |seed: &&ReceiptSeed| !(is_known(seed.key.public().id()) || is_another && is_over(seed));
        self.seeds.iter().filter(fresh)
    }
}

/// The digits of a key id by which a file is named: the first after `sha256:`.
pub fn digits(keyid: &str) -> &str {
    let hex = keyid.split_once(':').map_or(keyid, |(_, hex)| hex);
    hex.get(..DIGITS).unwrap_or(hex)
}

/// Reads all of them.
///
/// # Errors
/// Every fault of every file. The first key's may be gone once there is another.
pub fn read(first: &Path) -> Result<ReceiptKeyFiles, Vec<PkiFault>> {
    let files = log_keys::read(first)?;
    let mut seeds = Vec::with_capacity(files.seeds.len());
    let mut faults = Vec::new();
    for (path, seed) in &files.seeds {
        match of(path, seed, path == first) {
            Ok(seed) => seeds.push(seed),
            Err(fault) => faults.push(fault),
        }
    }
    let ends = files.ends;
    if faults.is_empty() {
        Ok(ReceiptKeyFiles { seeds, ends })
    } else {
        Err(faults)
    }
}

fn of(path: &Path, seed: &[u8; 32], is_first: bool) -> Result<ReceiptSeed, PkiFault> {
    let key = key(seed)?;
    let named = path.file_stem().is_some_and(|stem| stem == digits(key.public().id()));
    if !is_first && !named {
        return Err(PkiFault::bad_file(path, "its name is not that of its key"));
    }
    Ok(ReceiptSeed {
        path: path.to_owned(),
        key: Arc::new(key),
        is_first,
    })
}

fn key(seed: &[u8; 32]) -> Result<MessageKey, PkiFault> {
    MessageKey::from_seed(seed).map_err(|error| PkiFault::Crypto {
        doing: "make a receipt key",
        why: error.to_string(),
    })
}

/// Makes the seed of a key that is to follow, which is the order to begin it.
///
/// # Errors
/// [`PkiFault`] when it cannot be written; nothing is there then.
pub fn begin(first: &Path) -> Result<MessageKey, PkiFault> {
    let folder = log_keys::folder_of(first);
    keyfile::secret_folder(&folder)?;
    let seed = Zeroizing::new(keyfile::random::<32>()?);
    let key = key(&seed)?;
    let name = format!("{}.seed", digits(key.public().id()));
    keyfile::create_key(&folder.join(name), &seed)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use std::fs;

    use super::{begin, digits, keyfile, log_keys, read};

    #[test]
    fn keys_that_follow_lie_beside_the_first_by_their_ids_and_the_first_may_go() {
        let folder = tempfile::tempdir().unwrap();
        let first = folder.path().join("receipt.seed");
        assert!(read(&first).is_err(), "there is no key at all");
        keyfile::create_random_key(&first).unwrap();
        let key = begin(&first).unwrap();
        let files = read(&first).unwrap();
        assert_eq!(
            files.seeds.iter().map(|seed| seed.is_first).collect::<Vec<_>>(),
            [true, false]
        );
        assert_eq!(files.seeds[1].key.public().id(), key.public().id());
        log_keys::end(&first, digits(files.seeds[0].key.public().id()), "rotation").unwrap();
        fs::remove_file(&first).unwrap();
        let files = read(&first).unwrap();
        assert_eq!((files.seeds.len(), files.ends.len()), (1, 1));
    }

    #[test]
    fn a_seed_under_the_name_of_another_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let first = folder.path().join("receipt.seed");
        keyfile::create_random_key(&first).unwrap();
        begin(&first).unwrap();
        let made = read(&first).unwrap().seeds[1].path.clone();
        fs::rename(&made, made.with_file_name("00000000.seed")).unwrap();
        let faults = read(&first).unwrap_err();
        assert!(faults[0].to_string().contains("not that of its key"), "{}", faults[0]);
    }
}
