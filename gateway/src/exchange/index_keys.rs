//! The keys of the subject index, one a year, and which years a search reaches.
//!
//! Takes the files of the years and what the journal knows of them; gives the key that this year's exchanges are indexed under, and a person's tags in all years
//! that can be searched, with the years that cannot be and why. Refuses a key of this year that is missing although exchanges are indexed under it, or is
//! another one than theirs: a second key would hide everybody from whoever searches, for good. Where it is lost, an empty file `<year>.lost` beside the keys says
//! that this is known: a new key is made, and each search says that it reaches only a part of that year.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ring::hmac;
use serde::Serialize;

use super::subjects::Number;
use crate::hex::{hex, unhex_into};
use crate::journal::{IndexHistory, Tag};
use crate::pki::PkiFault;
use crate::pki::period::{PeriodKeys, year};

/// Shows a key without giving it away: the first bytes of HMAC-SHA-256(key, [`CHECK`]).
type Check = [u8; 16];
const CHECK: &[u8] = b"shuguan.index-check.v1\n";

/// The index keys of all years.
#[derive(Debug)]
pub struct IndexKeys {
    keys: PeriodKeys,
    known: Mutex<Known>,
}

/// What is known of the years.
#[derive(Debug, Default)]
struct Known {
    checks: BTreeMap<String, Check>,
    /// Years in which exchanges are indexed.
    indexed: BTreeSet<String>,
    /// The years before it were destroyed by an officer.
    shredded_before: Option<String>,
    /// These were since the start.
    shredded: BTreeSet<String>,
}

impl Known {
    fn of(history: IndexHistory) -> Self {
        let noted = history.noted.unwrap_or_default();
        let check = |pair: &str| {
            let (year, digits) = pair.split_once(':')?;
            let mut check = Check::default();
            unhex_into(digits, &mut check)?;
            Some((year.to_owned(), check))
        };
        Self {
            checks: noted.split(' ').filter_map(check).collect(),
            indexed: history.years,
            shredded_before: history.shredded_before,
            shredded: BTreeSet::new(),
        }
    }

    fn is_shredded(&self, year: &str) -> bool {
        self.shredded.contains(year) || self.shredded_before.as_deref().is_some_and(|before| year < before)
    }

    fn is_used(&self, year: &str) -> bool {
        self.checks.contains_key(year) || self.indexed.contains(year)
    }
}

/// How far a search reached into a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// All of it.
    Searched,
    /// Its key was destroyed by an officer, as the log says.
    Shredded,
    /// Its key is not there, and nothing says why.
    Missing,
    /// Its key is another one than its exchanges are indexed under.
    Another,
    /// Its key was lost and another one made: what was sealed before is not found.
    Partly,
}

/// A year of a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Year {
    /// `2026`
    pub year: String,
    /// How far it was searched.
    pub reach: Reach,
}

/// What to look for, and where that can be found.
#[derive(Debug)]
pub struct Search {
    /// Tags of all keys that are there.
    pub tags: Vec<Tag>,
    /// All years of the index, oldest first.
    pub years: Vec<Year>,
}

impl IndexKeys {
    /// Label of the derivation.
    pub const LABEL: &'static str = "shuguan.index-key.v1";

    /// Takes the keys of the years and what a journal knows of them. Keys that it knows nothing of are known from here on.
    ///
    /// # Errors
    /// When a key's file cannot be read.
    pub fn open(keys: PeriodKeys, history: IndexHistory) -> Result<Self, PkiFault> {
        let mut known = Known::of(history);
        for year in keys.periods()? {
            if !known.checks.contains_key(&year)
                && let Some(key) = keys.find(&year)?
            {
                known.checks.insert(year, IndexKey::new(&key).check());
            }
        }
        let known = Mutex::new(known);
        Ok(Self { keys, known })
    }

    /// The key of the year of a moment; made when no exchange of the year is indexed yet.
    ///
    /// # Errors
    /// When the key's file cannot be made or read, is not there although exchanges are indexed under it, or is another one than theirs.
    pub fn current(&self, now_us: i64) -> Result<IndexKey, PkiFault> {
        let year = year(now_us);
        let mut known = self.known();
        let fitting = self.fitting(&known, &year)?;
        let key = fitting.map_or_else(|| self.keys.current(&year).map(|key| IndexKey::new(&key)), Ok)?;
        known.checks.insert(year, key.check());
        Ok(key)
    }

    /// Whether [`IndexKeys::current`] would have a key; makes none.
    ///
    /// # Errors
    /// As there.
    pub fn judge(&self, now_us: i64) -> Result<(), PkiFault> {
        let known = self.known();
        self.fitting(&known, &year(now_us)).map(drop)
    }

    /// The key of a year; none where one may be made.
    fn fitting(&self, known: &Known, year: &str) -> Result<Option<IndexKey>, PkiFault> {
        let may_be_new = || known.is_shredded(year) || self.keys.is_given_up(year);
        let found = self.keys.find(year)?.map(|key| IndexKey::new(&key));
        let is_another = |key: &IndexKey| known.checks.get(year).is_some_and(|known| *known != key.check());
        match &found {
            None if known.is_used(year) && !may_be_new() => Err(self.unusable(year, false)),
            Some(key) if is_another(key) && !may_be_new() => Err(self.unusable(year, true)),
            Some(_) | None => Ok(found),
        }
    }

    fn unusable(&self, year: &str, is_there: bool) -> PkiFault {
        let what = if is_there {
            format!("it is another key than the one that exchanges of {year} are indexed under")
        } else {
            format!("it is not there, and exchanges of {year} are indexed under it")
        };
        let what = format!(
            "{what}: under a second key nobody finds whom they are about. Put back the file that was there; if it is lost for good, make an empty file `{}`: \
             then a new key is made, and each search says that it reaches only a part of {year}",
            self.keys.lost_path(year).display()
        );
        let path = self.keys.path(year);
        PkiFault::BadFile { path, what }
    }

    /// What the record of an indexed exchange notes of the keys: `2025:… 2026:…`.
    pub fn noted(&self) -> String {
        let known = self.known();
        let pairs: Vec<String> = known
            .checks
            .iter()
            .map(|(year, check)| format!("{year}:{}", hex(check)))
            .collect();
        pairs.join(" ")
    }

    /// The tags of a number in all years whose key is there, and how far each year is reached.
    ///
    /// # Errors
    /// When a key's file cannot be read.
    pub fn search(&self, number: &Number) -> Result<Search, PkiFault> {
        let known = self.known();
        let mut all: BTreeSet<String> = known.checks.keys().chain(&known.indexed).cloned().collect();
        all.extend(self.keys.periods()?);
        let (mut tags, mut years) = (Vec::new(), Vec::new());
        for year in all {
            let key = self.keys.find(&year)?.map(|key| IndexKey::new(&key));
            let reach = match (&key, known.checks.get(&year)) {
                (None, _) if known.is_shredded(&year) => Reach::Shredded,
                (None, _) => Reach::Missing,
                (Some(_), _) if self.keys.is_given_up(&year) => Reach::Partly,
                (Some(key), Some(check)) if key.check() != *check => Reach::Another,
                (Some(_), _) => Reach::Searched,
            };
            tags.extend(key.iter().flat_map(|key| number.tags(key)));
            years.push(Year { year, reach });
        }
        Ok(Search { tags, years })
    }

    /// The years that ended before a moment and still have a key.
    ///
    /// # Errors
    /// When the keys' folder cannot be read.
    pub fn ended_before(&self, moment_us: i64) -> Result<Vec<String>, PkiFault> {
        let first_kept = year(moment_us);
        let mut years = self.keys.periods()?;
        years.retain(|year| *year < first_kept);
        Ok(years)
    }

    /// Destroys the keys of years, as a leaf says: searching in them ends.
    ///
    /// # Errors
    /// When a file cannot be removed; the years before it are gone.
    pub fn destroy(&self, years: &[String]) -> Result<(), PkiFault> {
        for year in years {
            self.keys.destroy(year)?;
            self.known().shredded.insert(year.clone());
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The index key of one year.
pub struct IndexKey(hmac::Key);

impl std::fmt::Debug for IndexKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("IndexKey")
    }
}

impl IndexKey {
    fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    fn check(&self) -> Check {
        let mac = hmac::sign(&self.0, CHECK);
        mac.as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// The tag of a normalised number of a kind; `message` is room to write in.
    pub(super) fn tag(&self, kind: &str, number: &str, message: &mut Vec<u8>) -> Tag {
        message.clear();
        for piece in ["shuguan.index.v1\n", kind, "\n", number] {
            message.extend_from_slice(piece.as_bytes());
        }
        let mac = hmac::sign(&self.0, message);
        mac.as_ref().first_chunk().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::path::PathBuf;

    use super::{IndexKeys, Reach};
    use crate::exchange::subjects::Number;
    use crate::journal::IndexHistory;
    use crate::pki::period::PeriodKeys;

    /// 2026-11-23T09:00:00Z
    const NOW_US: i64 = 1_795_424_400_000_000;
    const YEAR_US: i64 = 366 * 86_400_000_000;

    struct Desk(tempfile::TempDir);

    impl Desk {
        fn file(&self, name: &str) -> PathBuf {
            self.0.path().join("index").join(name)
        }

        /// As a start finds them, with what the newest record notes.
        fn open(&self, noted: Option<&str>) -> IndexKeys {
            let keys = PeriodKeys::open(self.0.path().join("index"), &[7; 32], IndexKeys::LABEL);
            let history = IndexHistory {
                noted: noted.map(str::to_owned),
                years: ["2025", "2026"].map(str::to_owned).into(),
                shredded_before: None,
            };
            IndexKeys::open(keys.unwrap(), history).unwrap()
        }
    }

    /// Two years, and what the records of the second note.
    fn two_years() -> (Desk, String) {
        let desk = Desk(tempfile::tempdir().unwrap());
        let keys = PeriodKeys::open(desk.0.path().join("index"), &[7; 32], IndexKeys::LABEL);
        let keys = IndexKeys::open(keys.unwrap(), IndexHistory::default()).unwrap();
        for now_us in [NOW_US - YEAR_US, NOW_US] {
            keys.current(now_us).unwrap();
        }
        (desk, keys.noted())
    }

    fn reach(keys: &IndexKeys) -> Vec<(String, Reach)> {
        let search = keys.search(&Number::read("H1234567800").unwrap()).unwrap();
        search.years.into_iter().map(|year| (year.year, year.reach)).collect()
    }

    fn years(old: Reach, new: Reach) -> Vec<(String, Reach)> {
        vec![("2025".to_owned(), old), ("2026".to_owned(), new)]
    }

    #[test]
    fn a_key_of_this_year_that_is_missing_is_not_made_anew_while_exchanges_are_indexed_under_it() {
        let (desk, noted) = two_years();
        std::fs::remove_file(desk.file("2026.key")).unwrap();
        // Also where records are of a version that noted nothing.
        for noted in [Some(noted.as_str()), None] {
            let keys = desk.open(noted);
            let fault = keys.current(NOW_US).unwrap_err().to_string();
            assert!(
                fault.contains("2026.key` is not usable: it is not there, and exchanges of 2026"),
                "{fault}"
            );
            assert!(fault.contains("2026.lost"), "{fault}");
            assert!(!desk.file("2026.key").exists());
            assert_eq!(reach(&keys), years(Reach::Searched, Reach::Missing));
        }
        // A year without exchanges gets its key as ever.
        desk.open(Some(&noted)).current(NOW_US + YEAR_US).unwrap();
        assert!(desk.file("2027.key").exists());
    }

    #[test]
    fn another_key_is_refused_for_this_year_and_named_for_another_year() {
        let (desk, noted) = two_years();
        for year in ["2026", "2025"] {
            let stranger = Desk(tempfile::tempdir().unwrap());
            let other = PeriodKeys::open(stranger.0.path().join("index"), &[7; 32], IndexKeys::LABEL).unwrap();
            other.current(year).unwrap();
            let (name, path) = (format!("{year}.key"), desk.file(&format!("{year}.key")));
            std::fs::rename(&path, desk.file("kept")).unwrap();
            std::fs::copy(stranger.file(&name), &path).unwrap();
            let keys = desk.open(Some(&noted));
            if year == "2026" {
                let fault = keys.current(NOW_US).unwrap_err().to_string();
                assert!(fault.contains("it is another key than the one"), "{fault}");
                assert_eq!(reach(&keys), years(Reach::Searched, Reach::Another));
            } else {
                keys.current(NOW_US).unwrap();
                assert_eq!(reach(&keys), years(Reach::Another, Reach::Searched));
                assert_eq!(keys.noted(), noted, "what was known stays known");
            }
            std::fs::remove_file(&path).unwrap();
            std::fs::rename(desk.file("kept"), &path).unwrap();
            assert_eq!(reach(&desk.open(Some(&noted))), years(Reach::Searched, Reach::Searched));
        }
    }

    #[test]
    fn a_key_that_is_said_to_be_lost_is_followed_by_another_and_the_year_is_searched_partly_from_then_on() {
        let (desk, noted) = two_years();
        std::fs::remove_file(desk.file("2026.key")).unwrap();
        std::fs::write(desk.file("2026.lost"), "").unwrap();
        let keys = desk.open(Some(&noted));
        keys.current(NOW_US).unwrap();
        assert_eq!(reach(&keys), years(Reach::Searched, Reach::Partly));
        let later = keys.noted();
        assert_ne!(later, noted);
        let keys = desk.open(Some(&later));
        keys.current(NOW_US).unwrap();
        assert_eq!(reach(&keys), years(Reach::Searched, Reach::Partly));
    }

    #[test]
    fn a_year_that_an_officer_destroyed_is_named_so_and_not_missing() {
        let (desk, noted) = two_years();
        let keys = desk.open(Some(&noted));
        keys.destroy(&keys.ended_before(NOW_US).unwrap()).unwrap();
        assert_eq!(reach(&keys), years(Reach::Shredded, Reach::Searched));
        assert_eq!(
            reach(&desk.open(Some(&noted))),
            years(Reach::Missing, Reach::Searched),
            "no leaf says so"
        );
        let keys = PeriodKeys::open(desk.0.path().join("index"), &[7; 32], IndexKeys::LABEL).unwrap();
        let history = IndexHistory {
            noted: Some(noted),
            years: ["2025".to_owned()].into(),
            shredded_before: Some("2026".to_owned()),
        };
        let keys = IndexKeys::open(keys, history).unwrap();
        assert_eq!(reach(&keys), years(Reach::Shredded, Reach::Searched));
    }
}
