//! The texts that a workbook keeps once and its cells refer to by number.
//!
//! Takes them in order; gives them by number. Refuses, by the size that it was made with, to grow beyond bounds.

use crate::decode::FileFault;
use crate::reject::RejectCode;

/// Texts by number, in one string.
#[derive(Default)]
pub(crate) struct Strings {
    text: String,
    /// Where each ends.
    ends: Vec<u32>,
    /// Numbers of those that are no text: half a character. Few, or none.
    broken: Vec<u32>,
    bytes_max: usize,
}

impl Strings {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            ..Self::default()
        }
    }

    /// Where the text at hand is written, until [`Strings::end`].
    pub(crate) fn text_mut(&mut self) -> &mut String {
        &mut self.text
    }

    /// Ends the text at hand; it is `broken` when what was written is not what was sent.
    pub(crate) fn end(&mut self, broken: bool) -> Result<(), FileFault> {
        let used = self.text.len() + self.ends.len() * ENTRY_BYTES;
        if used > self.bytes_max {
            return Err(FileFault::TooMuchText { limit: self.bytes_max });
        }
        let too_much = |_| FileFault::TooMuchText { limit: self.bytes_max };
        if broken {
            self.broken.push(u32::try_from(self.ends.len()).map_err(too_much)?);
        }
        self.ends.push(u32::try_from(self.text.len()).map_err(too_much)?);
        Ok(())
    }

    /// None follows: gives back what was taken for more.
    pub(crate) fn close(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// Bytes of memory that they take.
    pub(crate) fn held_bytes(&self) -> usize {
        let numbers = self.ends.capacity() + self.broken.capacity();
        self.text.capacity() + numbers * ENTRY_BYTES
    }

    /// The text of that number; what has none is an error of the cell that refers to it.
    pub(crate) fn get(&self, number: u32) -> Result<&str, RejectCode> {
        let at = number as usize;
        let start = match at.checked_sub(1) {
            None => 0,
            Some(before) => self.ends.get(before).copied().unwrap_or(u32::MAX),
        };
        let end = self.ends.get(at).copied().ok_or(RejectCode::ErrorCell)?;
        if !self.broken.is_empty() && self.broken.binary_search(&number).is_ok() {
            return Err(RejectCode::BadEncoding);
        }
        Ok(self.text.get(start as usize..end as usize).unwrap_or_default())
    }
}

/// What an entry costs beside its text.
const ENTRY_BYTES: usize = 4;
