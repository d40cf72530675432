//! The files of the log's keys: the first, and beside it a folder with those that followed.
//!
//! ```text
//! keys/log.seed            the first; gone when it was retired and destroyed
//! keys/log/1f0c22e4.seed   one that followed, by its key id; one that no leaf of its log names yet is an order to begin it
//! keys/log/88ab01d3.end    an order to end that key: `rotation` or `stolen`
//! ```
//!
//! Gives what lies there, and makes new files. The gateway reads them at its start and at SIGHUP, and the log says what became of an order: so an
//! order is written once, carried out once, and nothing here ever has to be removed in time. A key id holds the name of the log: a seed whose file is
//! named otherwise is that of another log, such as one that this one succeeds, and never an order. Refuses what others can read, and names of another form.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use shuguan_ledger::keys::LogKeys;
use shuguan_ledger::note::SigningKey;
use zeroize::Zeroizing;

use super::{PkiFault, keyfile};

/// Why a key ends: its time is over.
pub const ROTATION: &str = "rotation";
/// Why a key ends: somebody else may have it.
pub const STOLEN: &str = "stolen";

/// What lies there.
#[derive(Debug)]
pub struct LogKeyFiles {
    /// Seeds, the first key's before the others.
    pub seeds: Vec<(PathBuf, Zeroizing<[u8; 32]>)>,
    /// Orders to end a key: its id, why, and the file.
    pub ends: Vec<(String, String, PathBuf)>,
}

impl LogKeyFiles {
    /// The keys that the seeds are under the name of this log, each with its file; whether they sign it or not.
    ///
    /// # Errors
    /// [`PkiFault::Crypto`] for a name that no log can have.
    pub fn keys_of(&self, origin: &str) -> Result<Vec<(&Path, SigningKey)>, PkiFault> {
        let keys = self.seeds.iter();
        keys.map(|(path, seed)| Ok((path.as_path(), key(origin, seed)?)))
            .collect()
    }

    /// The orders to begin a key of this log: seeds that were made for it and that it does not know yet.
    ///
    /// # Errors
    /// See [`LogKeyFiles::keys_of`].
    pub fn waiting(&self, origin: &str, known: &LogKeys) -> Result<Vec<(&Path, SigningKey)>, PkiFault> {
        let mut keys = self.keys_of(origin)?;
        keys.retain(|(path, key)| {
            let key = key.verifying_key();
            part(path.file_stem()) == key.id() && !known.knows(&key)
        });
        Ok(keys)
    }

    /// The key that a log of this name begins with: that of the seed that a run before this one made for it, else of a new one.
    ///
    /// # Errors
    /// [`PkiFault`] when it cannot be written, and when more than one was made for that name: then a log had it before.
    pub fn successor(&self, first: &Path, origin: &str) -> Result<SigningKey, PkiFault> {
        let mut made = self.waiting(origin, &LogKeys::default())?;
        match (made.pop(), made.is_empty()) {
            (None, _) => begin(first, origin),
            (Some((_, key)), true) => Ok(key),
            (Some((path, _)), false) => {
                let what = "it is not the only seed for that name: a log had it before, so the successor needs another";
                Err(PkiFault::bad_file(path, what))
            }
        }
    }
}

fn key(origin: &str, seed: &[u8; 32]) -> Result<SigningKey, PkiFault> {
    SigningKey::from_seed(origin, seed).map_err(|error| PkiFault::Crypto {
        doing: "make a key for the log",
        why: error.to_string(),
    })
}

/// The folder beside the first key's file: `keys/log` for `keys/log.seed`.
pub fn folder_of(first: &Path) -> PathBuf {
    first.with_extension("")
}

/// Reads all of them.
///
/// # Errors
/// Every fault of every file. The first key's may be gone once there is another.
pub fn read(first: &Path) -> Result<LogKeyFiles, Vec<PkiFault>> {
    let files = read_any(first)?;
    if files.seeds.is_empty() {
        return Err(vec![PkiFault::file("read", first)(ErrorKind::NotFound.into())]);
    }
    Ok(files)
}

/// The same for who needs none of them.
///
/// # Errors
/// Every fault of every file that is there.
pub fn read_any(first: &Path) -> Result<LogKeyFiles, Vec<PkiFault>> {
    let mut faults = Vec::new();
    let mut files = LogKeyFiles {
        seeds: Vec::new(),
        ends: Vec::new(),
    };
    match keyfile::read_random_key(first) {
        Ok(seed) => files.seeds.push((first.to_owned(), seed)),
        Err(PkiFault::File { source, .. }) if source.kind() == ErrorKind::NotFound => {}
        Err(fault) => faults.push(fault),
    }
    let names = names(&folder_of(first)).unwrap_or_else(|fault| {
        faults.push(fault);
        Vec::new()
    });
    for path in names {
        let (id, ending) = (part(path.file_stem()), part(path.extension()));
        match ending.as_str() {
            "seed" if is_id(&id) => match keyfile::read_random_key(&path) {
                Ok(seed) => files.seeds.push((path, seed)),
                Err(fault) => faults.push(fault),
            },
            "end" if is_id(&id) => match why(&path) {
                Ok(why) => files.ends.push((id, why, path)),
                Err(fault) => faults.push(fault),
            },
            _ => faults.push(PkiFault::bad_file(
                &path,
                "it is neither `<key id>.seed` nor `<key id>.end`",
            )),
        }
    }
    if faults.is_empty() { Ok(files) } else { Err(faults) }
}

/// Makes the seed of a key that is to follow, which is the order to begin it.
///
/// # Errors
/// [`PkiFault`] when it cannot be written; nothing is there then.
pub fn begin(first: &Path, origin: &str) -> Result<SigningKey, PkiFault> {
    let folder = folder_of(first);
    keyfile::secret_folder(&folder)?;
    let seed = Zeroizing::new(keyfile::random::<32>()?);
    let key = key(origin, &seed)?;
    keyfile::create_key(&folder.join(format!("{}.seed", key.verifying_key().id())), &seed)?;
    Ok(key)
}

/// Orders that a key ends.
///
/// # Errors
/// [`PkiFault::Exists`]: it was ordered before.
pub fn end(first: &Path, id: &str, why: &str) -> Result<(), PkiFault> {
    let folder = folder_of(first);
    keyfile::secret_folder(&folder)?;
    keyfile::create_secret(&folder.join(format!("{id}.end")), format!("{why}\n").as_bytes())
}

/// The files of the folder by name; none when there is no folder. What begins with a dot is passed over.
fn names(folder: &Path) -> Result<Vec<PathBuf>, PkiFault> {
    let unreadable = || PkiFault::file("read folder", folder);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable()(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable())?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            names.push(entry.path());
        }
    }
    names.sort();
    Ok(names)
}

fn part(part: Option<&std::ffi::OsStr>) -> String {
    part.unwrap_or_default().to_string_lossy().into_owned()
}

fn is_id(name: &str) -> bool {
    name.len() == 8 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn why(path: &Path) -> Result<String, PkiFault> {
    let text = keyfile::read_secret(path)?;
    match text.trim_end() {
        why @ (ROTATION | STOLEN) => Ok(why.to_owned()),
        _ => Err(PkiFault::bad_file(path, "it says neither `rotation` nor `stolen`")),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{LogKeys, begin, end, keyfile, read};

    #[test]
    fn keys_that_follow_lie_beside_the_first_and_the_first_may_go() {
        let folder = tempfile::tempdir().unwrap();
        let first = folder.path().join("log.seed");
        assert!(read(&first).is_err(), "there is no key at all");
        keyfile::create_random_key(&first).unwrap();
        assert_eq!(read(&first).unwrap().seeds.len(), 1);
        let key = begin(&first, "log.example").unwrap().verifying_key();
        let files = read(&first).unwrap();
        assert_eq!((files.seeds.len(), files.ends.len()), (2, 0));
        end(&first, "0011aabb", "stolen").unwrap();
        assert!(end(&first, "0011aabb", "rotation").is_err(), "it was ordered before");
        let ends = read(&first).unwrap().ends;
        assert_eq!(
            (ends.len(), ends[0].0.as_str(), ends[0].1.as_str()),
            (1, "0011aabb", "stolen")
        );
        fs::remove_file(&first).unwrap();
        let seeds = read(&first).unwrap().seeds;
        assert_eq!(seeds.len(), 1);
        assert!(seeds[0].0.ends_with(format!("log/{}.seed", key.id())));
    }

    #[test]
    fn a_seed_is_an_order_to_the_log_that_it_was_made_for_and_to_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let first = folder.path().join("log.seed");
        keyfile::create_random_key(&first).unwrap();
        let waiting = |origin: &str, known: &LogKeys| {
            let files = read(&first).unwrap();
            let waiting = files.waiting(origin, known).unwrap();
            let keys = waiting.into_iter().map(|(_, key)| key.verifying_key());
            keys.collect::<Vec<_>>()
        };
        let none = LogKeys::default();
        assert_eq!(
            waiting("log.example", &none),
            [],
            "the first key is never begun by order"
        );
        let made = begin(&first, "log.example").unwrap().verifying_key();
        assert_eq!(waiting("log.example", &none), std::slice::from_ref(&made));
        assert_eq!(waiting("log.example", &LogKeys::of([made.clone().into()])), []);
        assert_eq!(waiting("log.example/2", &none), []);
        // The successor's own is made once and found again; of two nobody knows which.
        let successor = || read(&first).unwrap().successor(&first, "log.example/2");
        let second = successor().unwrap().verifying_key();
        assert_eq!(
            (second.name(), successor().unwrap().verifying_key()),
            ("log.example/2", second.clone())
        );
        assert_eq!(read(&first).unwrap().seeds.len(), 3);
        assert_eq!(waiting("log.example", &none), std::slice::from_ref(&made));
        assert_eq!(waiting("log.example/2", &none), [second]);
        begin(&first, "log.example/2").unwrap();
        assert!(successor().is_err(), "a log had that name before");
        assert_eq!(read(&first).unwrap().seeds.len(), 4, "none was made for it");
    }

    #[test]
    fn what_others_can_read_and_what_is_no_key_is_refused() {
        for (name, content, mode) in [
            ("0011aabb.seed", "12", 0o400),
            ("0011aabb.seed", &*"0".repeat(64), 0o440),
            ("next.seed", &*"0".repeat(64), 0o400),
            ("0011AABB.seed", &*"0".repeat(64), 0o400),
            ("0011aabb.end", "because", 0o400),
            ("0011aabb.end", "stolen", 0o444),
            ("notes.txt", "", 0o400),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let first = folder.path().join("log.seed");
            keyfile::create_random_key(&first).unwrap();
            keyfile::secret_folder(&folder.path().join("log")).unwrap();
            let path = folder.path().join("log").join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(read(&first).is_err(), "{name} {mode:o}");
        }
    }
}
