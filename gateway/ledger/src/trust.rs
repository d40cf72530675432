//! The trust file: which keys a verifier believes.
//!
//! Takes lines `log <vkey>` (C2SP tlog-policy form); blank lines and lines that begin with `#` are skipped. Refuses any other line, so
//! that a misspelt key is not silently no key.

use crate::note::VerifyingKey;

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

    /// The keys.
    pub fn logs(&self) -> &[VerifyingKey] {
        &self.logs
    }
}
