//! Documents of the journal, packed before they are sealed: what a group writes is what its waiters wait for.
//!
//! Takes a part of a payload or an evidence record, in which names, forms and digits repeat. Gives a zstd frame (RFC 8878), or the
//! document itself where that is no shorter; the first bytes tell which, since neither an Arrow stream nor JSON begins as a frame does. Refuses to
//! unpack what is longer than it may be.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::get_frame_content_size;

/// RFC 8878, 3.1.1: how a frame begins.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The fastest that still finds what repeats.
const LEVEL: i32 = 1;
/// A longer document is left as it is, so that whatever was packed can be unpacked.
const BYTES_MAX: usize = 64 << 20;

thread_local! {
    /// Making a context costs more than packing a document.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(LEVEL).ok());
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = RefCell::new(Decompressor::new().ok());
}

/// A frame, when that is shorter.
pub(super) fn packed(clear: &[u8]) -> Option<Vec<u8>> {
    if clear.len() > BYTES_MAX {
        return None;
    }
    let packed = COMPRESSOR.with_borrow_mut(|context| context.as_mut()?.compress(clear).ok());
    packed.filter(|frame| frame.len() < clear.len())
}

/// What a frame holds; `Ok(None)`: it is no frame but the document itself.
///
/// # Errors
/// A frame that is damaged or says that it holds more than is ever packed.
pub(super) fn unpacked(stored: &[u8]) -> Result<Option<Vec<u8>>, Unpackable> {
    if !stored.starts_with(&MAGIC) {
        return Ok(None);
    }
    let length = get_frame_content_size(stored).ok().flatten();
    let length = length.and_then(|length| usize::try_from(length).ok());
    let length = length.filter(|length| *length <= BYTES_MAX).ok_or(Unpackable)?;
    let clear = DECOMPRESSOR.with_borrow_mut(|context| context.as_mut()?.decompress(stored, length).ok());
    clear.map(Some).ok_or(Unpackable)
}

/// A frame that does not hold what it says, or more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unpackable;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{BYTES_MAX, MAGIC, Unpackable, packed, unpacked};

    #[test]
    fn what_repeats_is_packed_and_noise_is_left_alone() {
        let repeats = b"{\"column\":\"column\",\"column\":\"column\"}".repeat(20);
        let frame = packed(&repeats).unwrap_or_default();
        assert!(!frame.is_empty() && frame.len() < repeats.len() / 10);
        assert_eq!(unpacked(&frame), Ok(Some(repeats)));
        assert_eq!(packed(&[7, 3, 9]), None);
        assert_eq!(unpacked(&[7, 3, 9]), Ok(None));
    }

    #[test]
    fn a_frame_that_holds_more_than_is_ever_packed_is_refused_before_it_is_unpacked() {
        let longest = vec![0; BYTES_MAX + 1];
        assert_eq!(packed(&longest), None);
        let foreign = zstd::bulk::compress(&longest, 1).unwrap_or_default();
        assert_eq!(unpacked(&foreign), Err(Unpackable));
    }

    proptest! {
        #[test]
        fn every_document_comes_back(clear in vec(0_u8..4, 0..2_000)) {
            if let Some(frame) = packed(&clear) {
                prop_assert_eq!(unpacked(&frame), Ok(Some(clear)));
            }
        }

        #[test]
        fn a_frame_with_a_changed_byte_is_refused_or_another_document_of_the_same_length(place in 0_usize..400, flip in 1_u8..) {
            let clear = b"{\"name\":\"columns\",\"form\":\"utf8\"}".repeat(9);
            let mut frame = packed(&clear).unwrap_or_default();
            let place = place % frame.len();
            if let Some(byte) = frame.get_mut(place) {
                *byte ^= flip;
            }
            if let Ok(Some(other)) = unpacked(&frame) {
                prop_assert!(place < MAGIC.len() + 4 || other.len() == clear.len());
            }
        }
    }
}
