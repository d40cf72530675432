//! What `push` remembers of a file, so that running it twice is harmless.
//!
//! Takes a batch; gives the idempotency key that belongs to it, and what became of that. New content, another target, purpose, mode, scope, layout or sheet gets
//! a new key, since the gateway binds a key to all of it; a count or charset that is stated after the file was sent does not, for what was taken then is there
//! (`place.rs`). The state lies beside the file, or in the folder that `--state` names for read-only places, under a name that tells files of one name in two
//! folders apart. A key whose request may have been taken without our having heard of it is never thrown away but by a person; one that was answered stays,
//! beside the other, when the same file is sent as something else, which may be a slip of the pen.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::batch::Batch;
use crate::command::exit::Failure;
use crate::durable::write_whole;
use crate::hex::hex;
use crate::sha256;

mod kept;

/// What the name of a state ends with.
pub const ENDING: &str = ".shuguan-push";
/// How long the gateway knows a key, microseconds: 7 days, less an hour because its clock is not ours.
const KEY_KNOWN_US: i64 = 7 * 86_400_000_000 - HOUR_US;
const HOUR_US: i64 = 3_600_000_000;
/// Digits of the digest of a path or key, in the name of a state.
const PATH_DIGITS: usize = 16;

/// The state of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub manner: String,
    /// The `Content-Type` under which it goes; empty in a state of a version that did not note it.
    pub content_type: String,
    /// What became of the key.
    pub standing: Standing,
    /// What became of it in a drop folder.
    pub done: Option<Done>,
}

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing came of it: it was not sent, or the gateway refused the request and not the content.
    Unsent,
    /// Sent first at this moment, microseconds since 1970, and not answered since: it may have been taken.
    Sent(i64),
    /// The same, and whoever sends it was told that the answer is not to be had.
    Told(i64),
    /// Taken, as this exchange.
    Answered(String),
    /// The gateway refused the content under this key, and does so for as long as it knows the key.
    Refused,
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
///
/// # Errors
/// When one cannot be read.
pub(super) fn set_aside_of(path: &Path) -> Result<Vec<(PathBuf, PushState)>, Failure> {
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
    Ok(states.find(|state| state.exchange() == Some(exchange)))
}

impl PushState {
    /// A fresh key for a batch, not on disk yet.
    pub fn new(batch: &Batch<'_>) -> Self {
        Self {
            digest: batch.digest.to_owned(),
            record: batch.record.to_owned(),
            purpose: batch.purpose.to_owned(),
            key: uuid::Uuid::new_v4().to_string(),
            manner: batch.manner.to_owned(),
            content_type: batch.content_type.to_owned(),
            standing: Standing::Unsent,
            done: None,
        }
    }

    /// What its key is bound to.
    pub fn batch(&self) -> Batch<'_> {
        Batch {
            digest: &self.digest,
            record: &self.record,
            purpose: &self.purpose,
            manner: &self.manner,
            content_type: &self.content_type,
        }
    }

    /// The exchange, once the gateway has acknowledged it.
    pub fn exchange(&self) -> Option<&str> {
        match &self.standing {
            Standing::Answered(exchange) => Some(exchange),
            Standing::Unsent | Standing::Sent(_) | Standing::Told(_) | Standing::Refused => None,
        }
    }

    /// When it was sent first, of what may have been taken without our having heard of it; microseconds since 1970.
    pub fn open_since(&self) -> Option<i64> {
        match self.standing {
            Standing::Sent(us) | Standing::Told(us) => Some(us),
            Standing::Unsent | Standing::Answered(_) | Standing::Refused => None,
        }
    }

    /// Whether a request under the key may have been taken without our having heard of it.
    pub fn is_open(&self) -> bool {
        self.open_since().is_some()
    }

    /// Whether it was taken, or may have been.
    pub fn was_sent(&self) -> bool {
        self.is_open() || self.exchange().is_some()
    }

    /// When it was sent first, of what was never answered and is no longer safe to repeat: the gateway has forgotten the key by now, and would take as new
    /// what it may have taken then. A clock that shows a time before that says nothing of how long ago it was.
    pub fn unheard_since(&self, now_us: i64) -> Option<i64> {
        let sent_us = self.open_since()?;
        let ago_us = now_us.saturating_sub(sent_us);
        (!(-HOUR_US..KEY_KNOWN_US).contains(&ago_us)).then_some(sent_us)
    }

    /// Whether its key is worth nothing beside the state that lies in its place: it has the same, or nothing came of it, or what it was answered is over, because
    /// another content went from there since. That content may have come back then, as a batch of its own.
    pub(super) fn is_over(&self, there: &Self) -> bool {
        let is_answered_for_it = self.exchange().is_some() && self.digest == there.digest;
        self.key == there.key || !(self.is_open() || is_answered_for_it)
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
        crate::durable::remove(path).map_err(|error| {
            let what = format!("cannot forget the idempotency key in `{}`", path.display());
            Failure::local(what).because(error)
        })
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
        let (text, written_us) = match read(path) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&error)),
        };
        kept::parse(&text, written_us)
            .map(Some)
            .map_err(|error| unreadable(&error))
    }

    /// Writes the state whole and to disk: a new file, then renamed over the old one. A key that a power cut takes back would be another
    /// key next time.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Failure> {
        let unwritable = |error: &dyn std::fmt::Display| {
            Failure::local(format!("cannot keep the idempotency key in `{}`", path.display()))
                .because(error)
                .then("name a writable folder with `--state DIR`")
        };
        let text = kept::text(self).map_err(|error| unwritable(&error))?;
        write_whole(path, &text).map_err(|error| unwritable(&error))
    }
}

/// A file with the moment at which it was written, microseconds since 1970.
fn read(path: &Path) -> std::io::Result<(Vec<u8>, i64)> {
    let mut file = File::open(path)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let written = file.metadata()?.modified()?.duration_since(UNIX_EPOCH);
    let written_us = written.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
    Ok((text, written_us))
}

#[cfg(test)]
mod tests;
