//! What `push` remembers of a file, so that running it twice is harmless.
//!
//! Takes the file's digest, target, purpose, and how it is meant and written; gives the idempotency key that belongs to exactly these. New
//! content, another target, purpose, sheet or charset gets a new key, since the gateway binds a key to all of it. The state lies beside the file, or in the folder that `--state` names for read-only places.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::command::exit::Failure;
use crate::durable::write_whole;

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
    /// What became of it in a drop folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Done>,
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

/// Where the state of a file lies.
pub fn state_path(file: &Path, folder: Option<&Path>) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".shuguan-push");
    match folder {
        Some(folder) => folder.join(name),
        None => file.with_file_name(name),
    }
}

impl PushState {
    /// The state of this content: what was remembered, or a fresh key that is remembered before anything is sent.
    ///
    /// A crash after this and before the answer leaves the key on disk, so that the repeat is recognised.
    pub fn of(
        path: &Path,
        digest: &str,
        record: &str,
        purpose: &str,
        manner: &str,
        content_type: &str,
    ) -> Result<Self, Failure> {
        if let Some(known) = Self::load(path)
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
        let fresh = Self {
            digest: digest.to_owned(),
            record: record.to_owned(),
            purpose: purpose.to_owned(),
            key: uuid::Uuid::new_v4().to_string(),
            manner: manner.to_owned(),
            content_type: content_type.to_owned(),
            exchange: None,
            done: None,
        };
        fresh.save(path)?;
        Ok(fresh)
    }

    /// Forgets the key: what is sent next is a batch of its own.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn forget(path: &Path) -> Result<(), Failure> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let what = format!("cannot forget the idempotency key in `{}`", path.display());
                Err(Failure::local(what).because(error))
            }
            _ => Ok(()),
        }
    }

    /// What was remembered, whatever it was.
    pub fn load(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
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

    use super::{PushState, state_path};

    #[test]
    fn the_key_stays_with_the_content_and_changes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = state_path(&folder.path().join("a.csv"), None);
        let of = |digest, purpose, manner, content_type| {
            PushState::of(&path, digest, "health/birth-certificate", purpose, manner, content_type).unwrap()
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
        let before = PushState::of(&path, "d1", "health/birth-certificate", "p", "", "").unwrap();
        let now = PushState::of(&path, "d1", "health/birth-certificate", "p", "", "text/csv").unwrap();
        assert_eq!((&now.key, now.content_type.as_str()), (&before.key, "text/csv"));
    }
}
