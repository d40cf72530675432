//! What `<meta>` says of a page: its charset, and whether Excel wrote it.
//!
//! Takes start tags. Refuses the declaration of a charset that is not read here.

use super::super::Declared;
use super::tag::Tag;
use crate::decode::FileFault;

/// What was said so far.
pub(super) struct Meta {
    declared: Declared,
    /// Whether Excel wrote the page, which hides the end of what is too wide for its column.
    pub(super) is_of_excel: bool,
}

impl Meta {
    /// Nothing; what a charset counts for `declared` says.
    pub(super) fn new(declared: Declared) -> Self {
        Self {
            declared,
            is_of_excel: false,
        }
    }

    /// One tag, `<meta>` or another.
    pub(super) fn tell(&mut self, tag: &Tag) -> Result<(), FileFault> {
        self.is_of_excel |= tag.is_of_excel();
        let charset = tag.charset.as_deref();
        charset.map_or(Ok(()), |named| self.declared.check(named))
    }
}
