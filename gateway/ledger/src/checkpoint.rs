//! Checkpoints (C2SP tlog-checkpoint): the size and root of a log, as the text of a signed note.
//!
//! Takes origin, size and root; gives the text. Refuses a text of another form, a size with leading zeros, a root of another length.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::tree::Hash;

/// Size and root of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log: its address without scheme.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
}

/// The text is not a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is not a checkpoint")]
pub struct NotACheckpoint;

impl Checkpoint {
    /// `origin\nsize\nbase64(root)\n`
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root))
    }

    /// Reads the text of a note without looking at its signatures: for what one's own disk says, never for what others do
    /// ([`Trust::open`](crate::trust::Trust::open)).
    ///
    /// # Errors
    /// [`NotACheckpoint`].
    pub fn unverified(note: &str) -> Result<Self, NotACheckpoint> {
        let (text, _signatures) = note.split_once("\n\n").ok_or(NotACheckpoint)?;
        Self::parse(&format!("{text}\n"))
    }

    /// Reads the text that [`Checkpoint::text`] writes; extension lines are refused.
    ///
    /// # Errors
    /// [`NotACheckpoint`] for any other text.
    pub fn parse(text: &str) -> Result<Self, NotACheckpoint> {
        let mut lines = text.strip_suffix('\n').ok_or(NotACheckpoint)?.split('\n');
        let (Some(origin), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(NotACheckpoint);
        };
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: size.parse().map_err(|_| NotACheckpoint)?,
            root: BASE64
                .decode(root)
                .ok()
                .and_then(|root| root.try_into().ok())
                .ok_or(NotACheckpoint)?,
        };
        // One spelling only: `+3`, `03` and odd padding are refused.
        if origin.is_empty() || checkpoint.text() != text {
            return Err(NotACheckpoint);
        }
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::Checkpoint;
    use crate::tree::empty_root;

    #[test]
    fn the_empty_log_has_the_root_of_the_specification() {
        let checkpoint = Checkpoint {
            origin: "gw1.lyg.example/log".into(),
            size: 0,
            root: empty_root(),
        };
        let text = "gw1.lyg.example/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
        assert_eq!(checkpoint.text(), text);
        assert_eq!(Checkpoint::parse(text), Ok(checkpoint));
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "o\n00\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
            "o\n+1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
            "o\n1\n47DEQpj8HBSa\n",
            "o\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "o\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nextra\n",
            "\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
            "",
        ] {
            assert!(Checkpoint::parse(text).is_err(), "{text:?}");
        }
    }
}
