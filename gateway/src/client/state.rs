//! What `push` remembers of a file, so that running it twice is harmless.
//!
//! Takes the file's digest, target and purpose; gives the idempotency key that belongs to exactly these. New content, another target or
//! another purpose gets a new key. The state lies beside the file, or in the folder that `--state` names for read-only places.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::command::exit::Failure;

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
    /// The exchange, once the gateway has acknowledged it.
    pub exchange: Option<String>,
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
    pub fn of(path: &Path, digest: &str, record: &str, purpose: &str) -> Result<Self, Failure> {
        if let Ok(text) = std::fs::read(path)
            && let Ok(known) = serde_json::from_slice::<Self>(&text)
            && known.digest == digest
            && known.record == record
            && known.purpose == purpose
        {
            return Ok(known);
        }
        let fresh = Self {
            digest: digest.to_owned(),
            record: record.to_owned(),
            purpose: purpose.to_owned(),
            key: uuid::Uuid::new_v4().to_string(),
            exchange: None,
        };
        fresh.save(path)?;
        Ok(fresh)
    }

    /// Writes the state whole: a new file, then renamed over the old one.
    pub fn save(&self, path: &Path) -> Result<(), Failure> {
        let unwritable = |error: &dyn std::fmt::Display| {
            Failure::local(format!("cannot keep the idempotency key in `{}`", path.display()))
                .because(error)
                .then("name a writable folder with `--state DIR`")
        };
        let text = serde_json::to_vec_pretty(self).map_err(|error| unwritable(&error))?;
        let fresh = path.with_extension("shuguan-push.tmp");
        std::fs::write(&fresh, text).map_err(|error| unwritable(&error))?;
        std::fs::rename(&fresh, path).map_err(|error| unwritable(&error))
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
        let first = PushState::of(&path, "d1", "health/birth-certificate", "p").unwrap();
        assert_eq!(
            PushState::of(&path, "d1", "health/birth-certificate", "p").unwrap(),
            first
        );
        let other = PushState::of(&path, "d2", "health/birth-certificate", "p").unwrap();
        assert_ne!(other.key, first.key);
        let purpose = PushState::of(&path, "d2", "health/birth-certificate", "q").unwrap();
        assert_ne!(purpose.key, other.key);
    }
}
