//! What `push` remembers of a file, so that running it twice is harmless.
//!
//! Takes the file's digest, target, purpose, and how it is meant and written; gives the idempotency key that belongs to exactly these. New
//! content, another target, purpose, mode, scope, layout or sheet gets a new key, since the gateway binds a key to all of it; a count or charset that is stated
//! after the file was sent does not, for what was taken then is there (`deliver.rs`). The state lies beside the file, or in the folder that `--state` names for read-only places,
//! under a name that tells files of one name in two folders apart. A key whose request may have been taken without our having heard of it is never thrown away but by a person;
//! one that was answered stays, beside the other, when the same file is sent as something else, which may be a slip of the pen.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::command::exit::Failure;
use crate::durable::write_whole;
use crate::pki::hex;
use crate::sha256;

/// What the name of a state ends with.
pub const ENDING: &str = ".shuguan-push";
/// The line of a manner that states the count.
const COUNT: &str = "exchange-count: ";
/// How long the gateway knows a key, microseconds: 7 days, less an hour because its clock is not ours.
const KEY_KNOWN_US: i64 = 7 * 86_400_000_000 - HOUR_US;
const HOUR_US: i64 = 3_600_000_000;
/// Digits of the digest of a path or key, in the name of a state.
const PATH_DIGITS: usize = 16;

/// The state of one file.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct PushState {
    /// SHA-256 of the file, hex.
    pub digest: String,
    /// Record type.
    pub record: String,
    /// Purpose.
    pub purpose: String,
    /// The key that this content goes under.
    pub key: String,
    /// Mode, scope, count and layout; empty for a plain upsert.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub manner: String,
    /// The `Content-Type` under which it goes; empty in a state of a version that did not note it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content_type: String,
    /// The exchange, once the gateway has acknowledged it.
    pub exchange: Option<String>,
    /// The gateway refused the content under this key, and does so for as long as it knows the key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// Whether it may have been taken without our having heard of it.
    #[serde(default)]
    pub open: Open,
    /// What became of it in a drop folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Done>,
}

/// Whether a request under a key may have been taken without our having heard of it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Open {
    /// A version wrote the state that did not note it: as if sent when the state was written, unless it says what became of it.
    #[default]
    NotNoted,
    /// Nothing was sent, or it was answered.
    No,
    /// Sent first at this moment, microseconds since 1970, and not answered since.
    Since(i64),
}

/// A file of a drop folder that was answered, as it was then.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Done {
    /// Whether the gateway took it.
    pub accepted: bool,
    /// The file and its companion as they were.
    pub stamp: Stamp,
}

/// Size and time of change of a file and of its companion.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub bytes: u64,
    /// Microseconds since 1970.
    pub changed_us: i64,
    /// The companion's, 0 without one.
    pub companion_us: i64,
}

impl Stamp {
    /// Whether the file itself is as it was then, whatever became of its companion.
    pub fn is_of_same_file(self, other: Self) -> bool {
        (self.bytes, self.changed_us) == (other.bytes, other.changed_us)
    }
}

/// Where the state of a file lies: beside it, or in the folder under the file's name and a digest of where the file is.
pub fn state_path(file: &Path, folder: Option<&Path>) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    if let Some(folder) = folder {
        let whole = std::fs::canonicalize(file).or_else(|_| std::path::absolute(file));
        let whole = whole.unwrap_or_else(|_| file.to_owned());
        let digest = hex(&sha256::of(whole.as_os_str().as_encoded_bytes()));
        name.push(".");
        name.push(digest.get(..PATH_DIGITS).unwrap_or_default());
        name.push(ENDING);
        return folder.join(name);
    }
    name.push(ENDING);
    file.with_file_name(name)
}

/// The states that made way to another in that place, in the order of their names. A file may be named so by itself: its state names another key.
fn set_aside_of(path: &Path) -> Result<Vec<(PathBuf, PushState)>, Failure> {
    let mut states = Vec::new();
    for found in named_aside(path) {
        if let Some(state) = PushState::load(&found)?.filter(|state| state.aside(path).file_name() == found.file_name())
        {
            states.push((found, state));
        }
    }
    Ok(states)
}

fn named_aside(path: &Path) -> Vec<PathBuf> {
    let stem = path.file_stem().unwrap_or_default().as_encoded_bytes();
    let is_aside = |name: &[u8]| {
        let digits = name
            .strip_prefix(stem)
            .and_then(|rest| rest.strip_prefix(b"."))
            .and_then(|rest| rest.strip_suffix(ENDING.as_bytes()));
        digits.is_some_and(|digits| digits.len() == PATH_DIGITS && digits.iter().all(u8::is_ascii_hexdigit))
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new(".")))
        .into_iter()
        .flatten();
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|found| is_aside(found.file_name().unwrap_or_default().as_encoded_bytes()))
        .collect();
    found.sort();
    found
}

/// The state of a file, beside it, that was answered with this exchange; also one that made way since.
///
/// # Errors
/// When a state cannot be read.
pub fn sent_from(file: &Path, exchange: &str) -> Result<Option<PushState>, Failure> {
    let path = state_path(file, None);
    let aside = set_aside_of(&path)?.into_iter().map(|(_, state)| state);
    let mut states = PushState::load(&path)?.into_iter().chain(aside);
    Ok(states.find(|state| state.exchange.as_deref() == Some(exchange)))
}

fn uncounted(manner: &str) -> impl Iterator<Item = &str> {
    manner.lines().filter(|line| !line.starts_with(COUNT))
}

/// Takes over the state of a version that named states in a folder by the file's name alone, when it is of this content.
///
/// # Errors
/// When it cannot be read or renamed.
pub fn adopt_earlier(file: &Path, folder: Option<&Path>, digest: &str) -> Result<(), Failure> {
    let Some(folder) = folder else {
        return Ok(());
    };
    let path = state_path(file, Some(folder));
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(ENDING);
    let earlier = folder.join(name);
    if path.exists() || PushState::load(&earlier)?.is_none_or(|state| state.digest != digest) {
        return Ok(());
    }
    crate::durable::rename(&earlier, &path)
        .map_err(|error| Failure::local(format!("cannot rename `{}`", earlier.display())).because(error))
}

impl PushState {
    /// The state of this content: what was remembered, or a fresh key, which is not on disk yet.
    ///
    /// # Errors
    /// When what was remembered cannot be read.
    pub fn of(
        path: &Path,
        digest: &str,
        record: &str,
        purpose: &str,
        manner: &str,
        content_type: &str,
    ) -> Result<Self, Failure> {
        if let Some(known) = Self::load(path)?
            && known.digest == digest
            && known.record == record
            && known.purpose == purpose
            && known.manner == manner
            && (known.content_type == content_type || known.content_type.is_empty())
        {
            return Ok(Self {
                content_type: content_type.to_owned(),
                ..known
            });
        }
        Ok(Self {
            digest: digest.to_owned(),
            record: record.to_owned(),
            purpose: purpose.to_owned(),
            key: uuid::Uuid::new_v4().to_string(),
            manner: manner.to_owned(),
            content_type: content_type.to_owned(),
            exchange: None,
            refused: false,
            open: Open::No,
            done: None,
        })
    }

    /// Notes, and writes down, that it is sent now. A crash after this and before the answer leaves the key on disk, so that the repeat is recognised.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_sent(&mut self, path: &Path, now_us: i64) -> Result<(), Failure> {
        if !matches!(self.open, Open::Since(_)) {
            self.open = Open::Since(self.sent_us(path).unwrap_or(now_us));
            // What it was answered before, it is asked anew.
            (self.exchange, self.refused) = (None, false);
            self.save(path)?;
        }
        Ok(())
    }

    /// When it was sent first, of what may have been taken without our having heard of it.
    pub fn sent_us(&self, path: &Path) -> Option<i64> {
        match self.open {
            Open::No => None,
            Open::Since(us) => Some(us),
            Open::NotNoted if !self.is_open() => None,
            Open::NotNoted => {
                let changed = std::fs::metadata(path).and_then(|state| state.modified()).ok()?;
                let since = changed.duration_since(UNIX_EPOCH).ok()?;
                i64::try_from(since.as_micros()).ok()
            }
        }
    }

    /// When it was sent first, of what was never answered and is no longer safe to repeat: the gateway has forgotten the key by now, and would take as new
    /// what it may have taken then. A clock that shows a time before that says nothing of how long ago it was.
    pub fn unheard_since(&self, path: &Path, now_us: i64) -> Option<i64> {
        let sent_us = self.sent_us(path)?;
        let ago_us = now_us.saturating_sub(sent_us);
        (!(-HOUR_US..KEY_KNOWN_US).contains(&ago_us)).then_some(sent_us)
    }

    /// Whether a request under the key may have been taken without our having heard of it.
    pub fn is_open(&self) -> bool {
        match self.open {
            Open::No => false,
            Open::Since(_) => true,
            Open::NotNoted => self.exchange.is_none() && !self.refused && self.done.is_none(),
        }
    }

    /// Puts the state of another batch out of the way, when that may have been taken, or is this content and was: its key outlives what is sent from its place
    /// now. It lies beside it under a name of its own, where `reconcile` names it, and a file of its content finds it.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn make_way(&self, path: &Path) -> Result<(), Failure> {
        match Self::load(path)? {
            Some(other) if other.key != self.key && other.outlives(&self.digest) => other.set_aside(path),
            _ => Ok(()),
        }
    }

    /// Brings back to its place the state that made way there to another of the same file, when it is the one that is looked for and the other is not. That one
    /// makes way in its turn. At no moment is the place empty: a file without a state counts as never sent.
    ///
    /// # Errors
    /// When a state cannot be read, written or renamed.
    pub fn bring_back(path: &Path, digest: &str, is_it: impl Fn(&Self) -> bool) -> Result<(), Failure> {
        let there = Self::load(path)?;
        if there.as_ref().is_some_and(&is_it) {
            return Ok(());
        }
        // What was answered and then another content sent from its place is over: that content may have come back since, as a batch of its own.
        let is_over = |state: &Self| !state.is_open() && there.as_ref().is_some_and(|there| there.digest != digest);
        for (aside, state) in set_aside_of(path)? {
            if is_it(&state) && !is_over(&state) {
                if let Some(other) = there.filter(|other| other.outlives(digest)) {
                    other.set_aside(path)?;
                }
                return crate::durable::rename(&aside, path)
                    .map_err(|error| Failure::local(format!("cannot rename `{}`", aside.display())).because(error));
            }
        }
        Ok(())
    }

    /// Removes the states that made way there and are over, once this one was answered: those of another content that were answered, and what a crash left of
    /// this one. What cannot be read or removed stays: the batch was taken all the same.
    pub fn tidy(&self, path: &Path) {
        let aside = set_aside_of(path).unwrap_or_default();
        let is_over = |state: &Self| state.key == self.key || !state.outlives(&self.digest);
        for (aside, _) in aside.iter().filter(|(_, state)| is_over(state)) {
            let _ = Self::forget(aside);
        }
    }

    /// Whether its key is worth more than its place when that goes to another batch of this content.
    fn outlives(&self, digest: &str) -> bool {
        self.is_open() || (self.exchange.is_some() && self.digest == digest)
    }

    /// Written anew and not renamed, so that the place is not empty; with the moment at which it was sent, which the file's own time may have told until now.
    fn set_aside(self, path: &Path) -> Result<(), Failure> {
        let open = self.sent_us(path).map_or(Open::No, Open::Since);
        let aside = self.aside(path);
        Self { open, ..self }.save(&aside)
    }

    /// Where the state that lies in that place makes way to.
    pub fn aside(&self, path: &Path) -> PathBuf {
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        let digits = hex(&sha256::of(self.key.as_bytes()));
        name.push(".");
        name.push(digits.get(..PATH_DIGITS).unwrap_or_default());
        name.push(ENDING);
        path.with_file_name(name)
    }

    /// Forgets the key: what is sent next is a batch of its own.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn forget(path: &Path) -> Result<(), Failure> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let what = format!("cannot forget the idempotency key in `{}`", path.display());
                Err(Failure::local(what).because(error))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is of this content, meant in this manner. A count checks a batch and does not make it another one.
    pub fn is_of(&self, digest: &str, record: &str, purpose: &str, manner: &str) -> bool {
        (self.digest.as_str(), self.record.as_str(), self.purpose.as_str()) == (digest, record, purpose)
            && uncounted(&self.manner).eq(uncounted(manner))
    }

    /// The count that it was sent with.
    pub fn count(&self) -> Option<u64> {
        let counted = self.manner.lines().find_map(|line| line.strip_prefix(COUNT));
        counted.and_then(|count| count.parse().ok())
    }

    /// What was remembered, whatever it was.
    ///
    /// # Errors
    /// When it is there and cannot be read: without it a file that was sent would be sent again as another batch.
    pub fn load(path: &Path) -> Result<Option<Self>, Failure> {
        let unreadable = |error: &dyn std::fmt::Display| {
            Failure::local(format!("cannot read what was noted of a file in `{}`", path.display()))
                .because(error)
                .then("put it back from a copy; without one, `shuguan reconcile` names what was taken, and what was not is sent when it is removed")
        };
        match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|error| unreadable(&error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(&error)),
        }
    }

    /// Writes the state whole and to disk: a new file, then renamed over the old one. A key that a power cut takes back would be another
    /// key next time.
    pub fn save(&self, path: &Path) -> Result<(), Failure> {
        let unwritable = |error: &dyn std::fmt::Display| {
            Failure::local(format!("cannot keep the idempotency key in `{}`", path.display()))
                .because(error)
                .then("name a writable folder with `--state DIR`")
        };
        let text = serde_json::to_vec_pretty(self).map_err(|error| unwritable(&error))?;
        write_whole(path, &text).map_err(|error| unwritable(&error))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::{KEY_KNOWN_US, Open, PushState, adopt_earlier, state_path};

    /// A state on disk.
    fn kept(path: &std::path::Path, of: [&str; 5]) -> PushState {
        let [digest, record, purpose, manner, content_type] = of;
        let state = PushState::of(path, digest, record, purpose, manner, content_type).unwrap();
        state.save(path).unwrap();
        state
    }

    #[test]
    fn only_what_was_sent_a_week_ago_and_never_answered_is_unheard() {
        let folder = tempfile::tempdir().unwrap();
        let path = state_path(&folder.path().join("a.csv"), None);
        let mut state = kept(&path, ["d", "r", "p", "", ""]);
        let now = 1_700_000_000_000_000;
        let late = now + KEY_KNOWN_US;
        assert_eq!(state.unheard_since(&path, i64::MAX), None, "nothing was sent");
        state.note_sent(&path, now).unwrap();
        state.note_sent(&path, now + 5).unwrap();
        assert_eq!(
            PushState::load(&path).unwrap().unwrap().open,
            Open::Since(now),
            "the first time counts"
        );
        assert_eq!(state.unheard_since(&path, late - 1), None);
        assert_eq!(state.unheard_since(&path, late), Some(now));
        let clock_set_back = now - super::HOUR_US;
        assert_eq!(state.unheard_since(&path, clock_set_back), None);
        assert_eq!(state.unheard_since(&path, clock_set_back - 1), Some(now));
        state.open = Open::No;
        assert_eq!(state.unheard_since(&path, late), None, "it was answered");
        // What was answered and is asked again is as open as any other.
        (state.exchange, state.refused) = (Some("x".to_owned()), true);
        state.note_sent(&path, now).unwrap();
        assert_eq!((&state.exchange, state.refused, state.is_open()), (&None, false, true));
        assert_eq!(state.unheard_since(&path, late), Some(now));
    }

    #[test]
    fn a_state_that_did_not_note_it_was_sent_when_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = state_path(&folder.path().join("a.csv"), None);
        let text = r#"{"digest":"d","record":"r","purpose":"p","key":"k","exchange":null}"#;
        std::fs::write(&path, text).unwrap();
        let written = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(written).unwrap();
        let mut state = PushState::of(&path, "d", "r", "p", "", "").unwrap();
        let answered = PushState {
            exchange: Some("x".to_owned()),
            ..state.clone()
        };
        assert_eq!(answered.unheard_since(&path, i64::MAX), None);
        assert_eq!((state.key.as_str(), state.open), ("k", Open::NotNoted));
        let sent = 1_700_000_000_000_000;
        assert_eq!(state.unheard_since(&path, sent + KEY_KNOWN_US), Some(sent));
        assert_eq!(state.unheard_since(&path, sent + KEY_KNOWN_US - 1), None);
        state.note_sent(&path, i64::MAX).unwrap();
        assert_eq!(state.open, Open::Since(sent));
    }

    #[test]
    fn the_key_stays_with_the_content_and_changes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = state_path(&folder.path().join("a.csv"), None);
        let of = |digest, purpose, manner, content_type| {
            kept(
                &path,
                [digest, "health/birth-certificate", purpose, manner, content_type],
            )
        };
        let first = of("d1", "p", "", "text/csv");
        assert_eq!(of("d1", "p", "", "text/csv"), first);
        let other = of("d2", "p", "", "text/csv");
        assert_ne!(other.key, first.key);
        let purpose = of("d2", "q", "", "text/csv");
        assert_ne!(purpose.key, other.key);
        let counted = of("d2", "q", "exchange-count: 3", "text/csv");
        assert_ne!(counted.key, purpose.key);
        // Corrected after a refusal: under the old key the gateway would refuse it for good.
        let charset = of("d2", "q", "exchange-count: 3", "text/csv; charset=gb18030");
        assert_ne!(charset.key, counted.key);
    }

    #[test]
    fn a_state_that_did_not_note_the_form_keeps_its_key_and_notes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = state_path(&folder.path().join("a.csv"), None);
        let before = kept(&path, ["d1", "health/birth-certificate", "p", "", ""]);
        let now = PushState::of(&path, "d1", "health/birth-certificate", "p", "", "text/csv").unwrap();
        assert_eq!((&now.key, now.content_type.as_str()), (&before.key, "text/csv"));
    }

    #[test]
    fn files_of_one_name_in_two_folders_have_two_states_in_a_third() {
        let folder = tempfile::tempdir().unwrap();
        let states = folder.path().join("states");
        let file = |name: &str| {
            let file = folder.path().join(name).join("june.csv");
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, name).unwrap();
            file
        };
        let [a, b] = ["a", "b"].map(file);
        let path = |file: &std::path::Path| state_path(file, Some(&states));
        assert_ne!(path(&a), path(&b));
        assert_eq!(
            path(&a),
            path(&folder.path().join("b/../a/june.csv")),
            "however it is named"
        );
        assert!(path(&a).to_str().unwrap().contains("/states/june.csv."));
    }

    #[test]
    fn a_state_under_its_files_name_alone_is_taken_over_by_the_file_of_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let states = folder.path();
        let of = |path: &std::path::Path| kept(path, ["d1", "r", "p", "", ""]);
        let earlier = states.join("june.csv.shuguan-push");
        let before = of(&earlier);
        let [a, b] = ["a/june.csv", "b/june.csv"].map(|file| states.join(file));
        adopt_earlier(&a, Some(states), "d2").unwrap();
        assert!(earlier.exists(), "it is of other content");
        adopt_earlier(&b, Some(states), "d1").unwrap();
        assert!(!earlier.exists());
        assert_eq!(of(&state_path(&b, Some(states))).key, before.key);
    }

    #[test]
    fn what_was_taken_makes_way_to_the_same_content_as_something_else_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = state_path(&folder.path().join("a.csv"), None);
        let mut taken = kept(&path, ["d", "r", "p", "", ""]);
        taken.exchange = Some("x".to_owned());
        taken.save(&path).unwrap();
        let other = PushState::of(&path, "d", "r", "q", "", "").unwrap();
        other.make_way(&path).unwrap();
        assert_eq!(
            PushState::load(&path).unwrap().as_ref(),
            Some(&taken),
            "the place is not empty"
        );
        other.save(&path).unwrap();
        let is_it = |state: &PushState| state.is_of("d", "r", "p", "");
        PushState::bring_back(&path, "d", |state| state.is_of("d", "r", "z", "")).unwrap();
        assert_eq!(PushState::load(&path).unwrap(), Some(other), "nothing else comes back");
        PushState::bring_back(&path, "d", is_it).unwrap();
        assert_eq!(PushState::load(&path).unwrap().as_ref(), Some(&taken));
        assert!(!taken.aside(&path).exists());
        // Another content was sent from the place since: what was answered before it does not come back with its own content, which is a batch anew.
        let mut between = kept(&path, ["e", "r", "p", "", ""]);
        between.exchange = Some("y".to_owned());
        taken.clone().set_aside(&path).unwrap();
        between.save(&path).unwrap();
        PushState::bring_back(&path, "d", is_it).unwrap();
        assert_eq!(PushState::load(&path).unwrap().as_ref(), Some(&between));
        between.tidy(&path);
        assert!(!taken.aside(&path).exists());
        taken.save(&path).unwrap();
        // Of other content that was answered nothing is kept: the file holds something else by now.
        let new = PushState::of(&path, "e", "r", "p", "", "").unwrap();
        new.make_way(&path).unwrap();
        assert!(!taken.aside(&path).exists());
    }

    #[test]
    fn a_state_that_did_not_note_when_it_was_sent_says_so_when_it_makes_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = state_path(&folder.path().join("a.csv"), None);
        let text = r#"{"digest":"d","record":"r","purpose":"p","key":"k","exchange":null}"#;
        std::fs::write(&path, text).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000))
            .unwrap();
        let other = PushState::of(&path, "e", "r", "p", "", "").unwrap();
        other.make_way(&path).unwrap();
        let before = PushState::load(&path).unwrap().unwrap();
        let aside = PushState::load(&before.aside(&path)).unwrap().unwrap();
        assert_eq!(aside.open, Open::Since(1_700_000_000_000_000));
    }

    #[test]
    fn a_count_is_remembered_and_makes_no_other_batch() {
        let folder = tempfile::tempdir().unwrap();
        let manner = "exchange-mode: delta\nexchange-count: 812";
        let state = PushState::of(&folder.path().join("s"), "d", "r", "p", manner, "").unwrap();
        assert_eq!(state.count(), Some(812));
        for (manner, same) in [
            ("exchange-mode: delta", true),
            ("exchange-count: 812", false),
            ("", false),
        ] {
            assert_eq!(state.is_of("d", "r", "p", manner), same, "{manner}");
        }
        assert!(!state.is_of("e", "r", "p", manner) && !state.is_of("d", "r", "q", manner));
    }
}
