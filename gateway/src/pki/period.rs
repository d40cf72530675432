//! Keys that live as long as a year or a month: what was made under one ends when its file is destroyed.
//!
//! Takes a folder, a root key and a label; gives a key for a period, HMAC-SHA-256(root, label `\n` period `\n` ‖ the 32 random bytes of
//! `<folder>/<period>.key`). Neither the root nor a file alone is a key, so a copy of the folder opens nothing, and a root that lives for
//! ever brings no destroyed period back. Refuses a file that others can read. The folder belongs into no long backup.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ring::hmac;
use zeroize::Zeroizing;

use super::{PkiFault, keyfile};
use crate::clock::SHANGHAI;

/// The key of one period.
pub type PeriodKey = Zeroizing<[u8; 32]>;

/// The keys of all periods.
pub struct PeriodKeys {
    folder: PathBuf,
    root: hmac::Key,
    label: &'static str,
    /// Those that were used, so that a file is read once.
    known: Mutex<BTreeMap<String, PeriodKey>>,
}

impl std::fmt::Debug for PeriodKeys {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "PeriodKeys({})", self.folder.display())
    }
}

/// The year of a moment in Asia/Shanghai, `2026`.
pub fn year(now_us: i64) -> String {
    format!("{:04}", civil(now_us).year())
}

/// The month of a moment in Asia/Shanghai, `2026-11`.
pub fn month(now_us: i64) -> String {
    let day = civil(now_us);
    format!("{:04}-{:02}", day.year(), day.month())
}

/// The first moment of the year after that of a moment, in Asia/Shanghai.
pub fn next_year_us(now_us: i64) -> i64 {
    let first = jiff::civil::Date::new(civil(now_us).year().saturating_add(1), 1, 1);
    let begins = first.and_then(|day| SHANGHAI.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())));
    begins.map_or(i64::MAX, jiff::Timestamp::as_microsecond)
}

fn civil(now_us: i64) -> jiff::civil::DateTime {
    let moment = jiff::Timestamp::from_microsecond(now_us).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    SHANGHAI.to_datetime(moment)
}

impl PeriodKeys {
    /// The folder beside a root key's file: `keys/index` for `keys/index.key`.
    pub fn folder_of(root: &Path) -> PathBuf {
        root.with_extension("")
    }

    /// Keys in `folder`, which is made with mode 0700 when it is not there.
    ///
    /// # Errors
    /// [`PkiFault::File`]: a folder that cannot be written would fail at the first moment of the next period.
    pub fn open(folder: PathBuf, root: &[u8; 32], label: &'static str) -> Result<Self, PkiFault> {
        keyfile::secret_folder(&folder)?;
        Ok(Self::at(folder, root, label))
    }

    /// Keys that lie in `folder`, for who makes none.
    pub fn at(folder: PathBuf, root: &[u8; 32], label: &'static str) -> Self {
        Self {
            folder,
            root: hmac::Key::new(hmac::HMAC_SHA256, root),
            label,
            known: Mutex::default(),
        }
    }

    /// The key of a period; made when there is none.
    ///
    /// # Errors
    /// [`PkiFault`] when the file cannot be made or read.
    pub fn current(&self, period: &str) -> Result<PeriodKey, PkiFault> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = known.get(period) {
            return Ok(key.clone());
        }
        let path = self.path(period);
        match keyfile::create_random_key(&path) {
            Ok(()) | Err(PkiFault::Exists { .. }) => {}
            Err(fault) => return Err(fault),
        }
        let random = keyfile::read_random_key(&path)?;
        let key = self.derive(period, &random);
        known.insert(period.to_owned(), key.clone());
        Ok(key)
    }

    /// The key of a period; none when it was destroyed or never made.
    ///
    /// # Errors
    /// [`PkiFault`] when the file cannot be read.
    pub fn find(&self, period: &str) -> Result<Option<PeriodKey>, PkiFault> {
        // Nothing is made here, and the lock is that of `destroy`: a key that is destroyed meanwhile does not come back as another one.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = known.get(period) {
            return Ok(Some(key.clone()));
        }
        let random = match keyfile::read_random_key(&self.path(period)) {
            Ok(random) => random,
            // Another process may destroy it, so the file is read and not asked for before.
            Err(PkiFault::File { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let key = self.derive(period, &random);
        known.insert(period.to_owned(), key.clone());
        Ok(Some(key))
    }

    /// The periods that have a key, oldest first.
    ///
    /// # Errors
    /// [`PkiFault::File`] when the folder cannot be read.
    pub fn periods(&self) -> Result<Vec<String>, PkiFault> {
        let unreadable = || PkiFault::file("read folder", &self.folder);
        let mut periods = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            // None was ever made.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(periods),
            Err(error) => return Err(unreadable()(error)),
        };
        for entry in entries {
            let name = entry.map_err(unreadable())?.file_name();
            let period = name.to_str().and_then(|name| name.strip_suffix(".key"));
            periods.extend(period.filter(|period| is_period(period)).map(str::to_owned));
        }
        periods.sort();
        Ok(periods)
    }

    /// Destroys the key of a period: overwritten, removed, the folder fsynced. False: there was none.
    ///
    /// # Errors
    /// [`PkiFault::File`]; then the key is still there.
    pub fn destroy(&self, period: &str) -> Result<bool, PkiFault> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(period);
        let path = self.path(period);
        if !path.exists() {
            return Ok(false);
        }
        keyfile::destroy_secret(&path)?;
        Ok(true)
    }

    /// The file of a period's key.
    pub fn path(&self, period: &str) -> PathBuf {
        self.folder.join(format!("{period}.key"))
    }

    /// The file with which an operator says that a period's key is lost.
    pub fn lost_path(&self, period: &str) -> PathBuf {
        self.folder.join(format!("{period}.lost"))
    }

    /// Whether he said so.
    pub fn is_given_up(&self, period: &str) -> bool {
        self.lost_path(period).exists()
    }

    fn derive(&self, period: &str, random: &[u8; 32]) -> PeriodKey {
        let mut context = hmac::Context::with_key(&self.root);
        for piece in [
            self.label.as_bytes(),
            b"\n",
            period.as_bytes(),
            b"\n",
            random.as_slice(),
        ] {
            context.update(piece);
        }
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(context.sign().as_ref());
        key
    }
}

fn is_period(name: &str) -> bool {
    matches!(name.len(), 4 | 7) && name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::{PeriodKeys, month, next_year_us, year};

    #[test]
    fn a_period_is_one_of_shanghai() {
        // 2026-12-31T16:30:00Z is 00:30 of the first of January there.
        let us = 1_798_734_600_000_000;
        assert_eq!((year(us), month(us)), ("2027".to_owned(), "2027-01".to_owned()));
        assert_eq!(month(us - 3_600_000_000), "2026-12");
        let begins = next_year_us(us - 3_600_000_000);
        assert_eq!(begins, us - 30 * 60_000_000);
        assert_eq!((year(begins - 1), year(begins)), ("2026".to_owned(), "2027".to_owned()));
    }

    #[test]
    fn a_destroyed_key_never_comes_back_and_its_neighbours_stay() {
        let folder = tempfile::tempdir().unwrap();
        let open = |root: u8| PeriodKeys::open(folder.path().join("index"), &[root; 32], "test").unwrap();
        let keys = open(1);
        let (old, new) = (keys.current("2025").unwrap(), keys.current("2026").unwrap());
        assert_ne!(old, new);
        assert_eq!(keys.periods().unwrap(), ["2025", "2026"]);
        assert_eq!(
            open(1).find("2025").unwrap(),
            Some(old.clone()),
            "it outlives the process"
        );
        assert_ne!(
            open(2).find("2025").unwrap(),
            Some(old.clone()),
            "the folder alone is no key"
        );
        assert!(keys.destroy("2025").unwrap());
        assert!(!keys.destroy("2025").unwrap());
        assert_eq!(keys.find("2025").unwrap(), None);
        assert_eq!(keys.find("2026").unwrap(), Some(new));
        assert_ne!(keys.current("2025").unwrap(), old);
    }

    #[test]
    fn looking_for_a_key_while_it_is_destroyed_makes_no_other_one() {
        let folder = tempfile::tempdir().unwrap();
        let keys = PeriodKeys::open(folder.path().join("index"), &[1; 32], "test").unwrap();
        for _ in 0..100 {
            let key = keys.current("2025").unwrap();
            std::thread::scope(|scope| {
                let looked = scope.spawn(|| (0..20).map(|_| keys.find("2025").unwrap()).collect::<Vec<_>>());
                assert!(keys.destroy("2025").unwrap());
                let found = looked.join().unwrap();
                assert!(found.into_iter().flatten().all(|found| found == key));
            });
            assert_eq!(keys.find("2025").unwrap(), None);
            assert!(keys.periods().unwrap().is_empty());
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let open = || PeriodKeys::open(folder.path().join("index"), &[1; 32], "test").unwrap();
        open().current("2026").unwrap();
        let path = folder.path().join("index/2026.key");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o440)).unwrap();
        assert!(open().find("2026").is_err());
    }
}
