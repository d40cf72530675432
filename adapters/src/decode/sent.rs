//! What a row sends at a place, as it came.
//!
//! Takes nothing; gives the words in which every form of file answers for a field: lacking, a text, spoiled by its form, or no text at all. Refuses nothing.

use crate::reject::RejectCode;

/// A wanted field as it came.
#[derive(Clone, Copy)]
pub(crate) enum Sent<'a> {
    /// No such column or member, or JSON `null`.
    Missing,
    Text(&'a str),
    /// The form of the file already says that it is no value of any field.
    Bad(RejectCode),
    /// From this byte of the file on, it is no text.
    Undecodable(u64),
}

/// A row that is asked for what it sends, by place.
pub(crate) trait Sends<'a> {
    fn sent(&self, place: usize) -> Sent<'a>;
}

impl<'a, F: Fn(usize) -> Sent<'a>> Sends<'a> for F {
    #[inline]
    fn sent(&self, place: usize) -> Sent<'a> {
        self(place)
    }
}
