//! The text around the tables of a page: titles, captions, notes.
//!
//! Takes it as it comes, and where a block of it ends; says whether any block bears a secrecy mark, by itself or behind the label before it. Holds
//! two blocks, of each no more than a mark takes.

use crate::decode::secrecy;

/// The blocks so far.
#[derive(Default)]
pub(super) struct Around {
    block: String,
    before: String,
    marked: bool,
}

impl Around {
    pub(super) fn text(&mut self, text: &str) {
        let room = BLOCK_BYTES_MAX.saturating_sub(self.block.len());
        if room > 0 {
            let text = if self.block.is_empty() { text.trim_start() } else { text };
            self.block
                .push_str(text.get(..text.floor_char_boundary(room)).unwrap_or_default());
        }
    }

    pub(super) fn end_block(&mut self) {
        if self.block.trim().is_empty() {
            self.block.clear();
            return;
        }
        self.marked |= secrecy::in_row([self.before.as_str(), self.block.as_str()].into_iter());
        std::mem::swap(&mut self.before, &mut self.block);
        self.block.clear();
    }

    pub(super) fn is_marked(&self) -> bool {
        self.marked
    }
}

/// A mark stands at the beginning of its block.
const BLOCK_BYTES_MAX: usize = 1024;
