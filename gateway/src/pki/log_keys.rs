//! The files of the log's keys: the first, and beside it a folder with those that followed.
//!
//! ```text
//! keys/log.seed            the first; gone when it was retired and destroyed
//! keys/log/1f0c22e4.seed   one that followed, by its key id; a seed that no leaf of the log names yet is an order to begin it
//! keys/log/88ab01d3.end    an order to end that key: `rotation` or `stolen`
//! ```
//!
//! Gives what lies there, and makes new files. The gateway reads them at its start and at SIGHUP, and the log says what became of an order: so an
//! order is written once, carried out once, and nothing here ever has to be removed in time. Refuses what others can read, and names of another form.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use shuguan_ledger::note::{SigningKey, VerifyingKey};
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

/// The folder beside the first key's file: `keys/log` for `keys/log.seed`.
pub fn folder_of(first: &Path) -> PathBuf {
    first.with_extension("")
}

/// Reads all of them.
///
/// # Errors
/// Every fault of every file. The first key's may be gone once there is another.
pub fn read(first: &Path) -> Result<LogKeyFiles, Vec<PkiFault>> {
    let mut faults = Vec::new();
    let mut files = LogKeyFiles {
        seeds: Vec::new(),
        ends: Vec::new(),
    };
    let mut gone = None;
    match keyfile::read_random_key(first) {
        Ok(seed) => files.seeds.push((first.to_owned(), seed)),
        Err(PkiFault::File { doing, path, source }) if source.kind() == ErrorKind::NotFound => {
            gone = Some(PkiFault::File { doing, path, source });
        }
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
    if files.seeds.is_empty() {
        faults.extend(gone);
    }
    if faults.is_empty() { Ok(files) } else { Err(faults) }
}

/// Makes the seed of a key that is to follow, which is the order to begin it.
///
/// # Errors
/// [`PkiFault`] when it cannot be written; nothing is there then.
pub fn begin(first: &Path, origin: &str) -> Result<VerifyingKey, PkiFault> {
    let folder = folder_of(first);
    keyfile::secret_folder(&folder)?;
    let seed = Zeroizing::new(keyfile::random::<32>()?);
    let key = SigningKey::from_seed(origin, &seed).map_err(|error| PkiFault::Crypto {
        doing: "make a key for the log",
        why: error.to_string(),
    })?;
    let key = key.verifying_key();
    keyfile::create_key(&folder.join(format!("{}.seed", key.id())), &seed)?;
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

    use super::{begin, end, keyfile, read};

    #[test]
    fn keys_that_follow_lie_beside_the_first_and_the_first_may_go() {
        let folder = tempfile::tempdir().unwrap();
        let first = folder.path().join("log.seed");
        assert!(read(&first).is_err(), "there is no key at all");
        keyfile::create_random_key(&first).unwrap();
        assert_eq!(read(&first).unwrap().seeds.len(), 1);
        let key = begin(&first, "log.example").unwrap();
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
