//! The trust file: which keys a verifier believes.
//!
//! Takes lines `log <vkey>` (C2SP tlog-policy form); blank lines and lines that begin with `#` are skipped. Refuses any other line, so
//! that a misspelt key is not silently no key.

use crate::checkpoint::{Checkpoint, NotACheckpoint};
use crate::note::{self, NoteError, VerifyingKey};

/// The public keys of logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    logs: Vec<VerifyingKey>,
}

/// A line of the trust file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the trust file is not `log <vkey>`")]
pub struct BadTrustLine {
    /// From 1.
    pub line: usize,
}

/// Why a signed checkpoint is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// No trusted key of that log signed it, or a signature does not verify.
    #[error("the checkpoint is not signed by a trusted log")]
    Signature(#[from] NoteError),
    /// What was signed is not a checkpoint.
    #[error("what was signed is not a checkpoint")]
    Text(#[from] NotACheckpoint),
}

impl Trust {
    /// Trust in one log.
    pub fn in_log(key: VerifyingKey) -> Self {
        Self { logs: vec![key] }
    }

    /// Reads a trust file.
    ///
    /// # Errors
    /// [`BadTrustLine`] names the first line that is not understood.
    pub fn parse(text: &str) -> Result<Self, BadTrustLine> {
        let mut trust = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = line
                .strip_prefix("log ")
                .and_then(|vkey| VerifyingKey::parse(vkey.trim()).ok())
                .ok_or(BadTrustLine { line: number + 1 })?;
            trust.logs.push(key);
        }
        Ok(trust)
    }

    /// The file that [`Trust::parse`] reads.
    pub fn text(&self) -> String {
        self.logs.iter().fold(String::new(), |mut text, key| {
            text.push_str("log ");
            text.push_str(&key.vkey());
            text.push('\n');
            text
        })
    }

    /// Opens a signed checkpoint. Only keys whose name is the checkpoint's origin count: one log cannot speak for another.
    ///
    /// # Errors
    /// See [`Untrusted`].
    pub fn open(&self, checkpoint: &str) -> Result<Checkpoint, Untrusted> {
        let origin = checkpoint.split('\n').next().unwrap_or_default();
        let of_this_log = self.logs.iter().filter(|key| key.name() == origin);
        let opened = note::open(checkpoint, &of_this_log.cloned().collect::<Vec<_>>())?;
        Ok(Checkpoint::parse(opened.text)?)
    }

    /// The keys.
    pub fn logs(&self) -> &[VerifyingKey] {
        &self.logs
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::{BadTrustLine, Trust, Untrusted};
    use crate::checkpoint::Checkpoint;
    use crate::note::{NoteError, SigningKey};
    use crate::tree::empty_root;

    const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    #[test]
    fn a_trust_file_holds_keys_comments_and_nothing_else() {
        let trust = Trust::parse(&format!("# the city's gateway\n\nlog {VKEY}\n")).unwrap();
        assert_eq!(trust.logs().len(), 1);
        assert_eq!(trust.text(), format!("log {VKEY}\n"));
        assert_eq!(Trust::parse("log x\n"), Err(BadTrustLine { line: 1 }));
        assert_eq!(Trust::parse(&format!("\nlogs {VKEY}")), Err(BadTrustLine { line: 2 }));
    }

    #[test]
    fn a_trusted_log_cannot_speak_for_another_trusted_log() {
        let (a, b) = (
            SigningKey::from_seed("a", &[1; 32]).unwrap(),
            SigningKey::from_seed("b", &[2; 32]).unwrap(),
        );
        let trust = Trust::parse(&format!(
            "log {}\nlog {}\n",
            a.verifying_key().vkey(),
            b.verifying_key().vkey()
        ))
        .unwrap();
        let checkpoint = Checkpoint {
            origin: "b".into(),
            size: 0,
            root: empty_root(),
        };
        assert_eq!(trust.open(&b.sign(&checkpoint.text()).unwrap()), Ok(checkpoint.clone()));
        assert_eq!(
            trust.open(&a.sign(&checkpoint.text()).unwrap()),
            Err(Untrusted::Signature(NoteError::NoKnownSignature))
        );
    }
}
