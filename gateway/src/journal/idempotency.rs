//! Answering a repeated key: the first answer again, byte for byte (C4).
//!
//! Takes the tag of a key and the tag of its content; gives the leaf of the first use with its receipt at the checkpoint of that time, or
//! says that the content is another. The sequencer asks the same question again inside its transaction; this look-up only spares reading
//! a body for nothing.

use rusqlite::OptionalExtension;

use super::entry::Sealed;
use super::fault::JournalFault;
use super::sqlite::{self, unsigned};
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
        let mut find = self.prepared(sqlite::FIND_IDEM)?;
        let found = find.query_row([tag], |row| Ok((row.get(0)?, row.get::<_, [u8; 32]>(1)?, row.get(2)?)));
        let found = found
            .optional()
            .map_err(JournalFault::store("look for an idempotency key"))?;
        let Some((leaf, first_content, size)) = found else {
            return Ok(None);
        };
        if first_content != content {
            return Ok(Some(Known::KeyReused));
        }
        let sealed = self.sealed_at(unsigned(leaf), unsigned(size))?;
        let sealed =
            sealed.ok_or_else(|| JournalFault::damaged("an idempotency key names a leaf that is not there"))?;
        Ok(Some(Known::Repeated(Box::new(sealed))))
    }
}
