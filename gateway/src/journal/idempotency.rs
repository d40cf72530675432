//! Answering a repeated key: the first answer again, byte for byte (C4).
//!
//! Takes the tag of a key and the tag of its content; gives the leaf of the first use with its receipt at the checkpoint of that time, or
//! says that the content is another. The sequencer asks the same question again inside its transaction; this look-up only spares reading
//! a body for nothing.

use super::entry::Sealed;
use super::fault::JournalFault;
use super::statements;
use super::store::{Row, values};
use super::views::Reader;

/// What is known about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// It was used with the same content; this was sealed then.
    Repeated(Box<Sealed>),
    /// It was used with other content.
    KeyReused,
}

impl Reader {
    pub(super) fn idempotent(&self, tag: [u8; 32], content: [u8; 32]) -> Result<Option<Known>, JournalFault> {
        const STEP: &str = "look for an idempotency key";
        let used = |row: &Row<'_>| Ok((row.get(1)?, row.get::<[u8; 32]>(2)?, row.get(3)?));
        let found = self.first(STEP, statements::FIND_IDEM, values![&tag], used)?;
        let Some((leaf, first_content, size)) = found else {
            return Ok(None);
        };
        if first_content != content {
            return Ok(Some(Known::KeyReused));
        }
        let sealed = self.sealed_at(leaf, size)?;
        let sealed =
            sealed.ok_or_else(|| JournalFault::damaged("an idempotency key names a leaf that is not there"))?;
        Ok(Some(Known::Repeated(Box::new(sealed))))
    }
}
