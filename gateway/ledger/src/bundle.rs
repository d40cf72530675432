//! Entry bundles (C2SP tlog-tiles): up to 256 leaves, each behind its length.
//!
//! Takes leaves; gives `length (u16, big-endian) ‖ bytes` for each, one after the other, and back. Refuses a leaf above 65,535 bytes, a bundle of
//! another number of leaves than it should hold, and one that ends inside a leaf.
//!
//! ```
//! use shuguan_ledger::bundle;
//!
//! let bytes = bundle::write(&[b"one".as_slice(), b"two"])?;
//! assert_eq!(bytes, b"\0\x03one\0\x03two");
//! assert_eq!(bundle::read(&bytes, 2)?, [b"one", b"two"]);
//! assert!(bundle::read(&bytes, 3).is_err());
//! # Ok::<(), shuguan_ledger::bundle::BundleError>(())
//! ```

/// Longest entry, bytes.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// Why bytes are not the bundle that they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// An entry does not fit its length.
    #[error("entry {0} of the bundle is longer than {ENTRY_BYTES_MAX} bytes")]
    TooLong(usize),
    /// It ends inside an entry, or before it.
    #[error("it ends inside its entry {0} or before it")]
    Cut(u64),
    /// Bytes follow its last entry.
    #[error("{0} bytes follow its last entry")]
    Rest(usize),
}

/// The bundle of these entries.
///
/// # Errors
/// [`BundleError::TooLong`].
pub fn write<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, BundleError> {
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| entry.as_ref().len() + 2).sum());
    for (number, entry) in entries.iter().enumerate() {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len()).map_err(|_| BundleError::TooLong(number))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle that holds exactly `width`.
///
/// # Errors
/// [`BundleError::Cut`], [`BundleError::Rest`].
pub fn read(bytes: &[u8], width: u64) -> Result<Vec<&[u8]>, BundleError> {
    let (entries, rest) = read_first(bytes, width)?;
    if rest.is_empty() {
        Ok(entries)
    } else {
        Err(BundleError::Rest(rest.len()))
    }
}

/// The first `width` entries of a bundle that may hold more, and the bytes behind them.
///
/// # Errors
/// [`BundleError::Cut`].
pub fn read_first(mut bytes: &[u8], width: u64) -> Result<(Vec<&[u8]>, &[u8]), BundleError> {
    let mut entries = Vec::new();
    for number in 0..width {
        let (length, rest) = bytes.split_first_chunk::<2>().ok_or(BundleError::Cut(number))?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, rest) = rest.split_at_checked(length).ok_or(BundleError::Cut(number))?;
        entries.push(entry);
        bytes = rest;
    }
    Ok((entries, bytes))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{BundleError, ENTRY_BYTES_MAX, read, read_first, write};

    #[test]
    fn an_entry_of_65535_bytes_fits_and_one_more_byte_does_not() {
        let bytes = write(&[vec![7; ENTRY_BYTES_MAX]]).unwrap();
        assert_eq!(bytes[..2], [0xff, 0xff]);
        assert_eq!(read(&bytes, 1).unwrap()[0].len(), ENTRY_BYTES_MAX);
        assert_eq!(
            write(&[vec![], vec![7; ENTRY_BYTES_MAX + 1]]),
            Err(BundleError::TooLong(1))
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read_and_nothing_cut_or_longer(entries in vec(vec(any::<u8>(), 0..40), 0..=256)) {
            let bytes = write(&entries).unwrap();
            let width = entries.len() as u64;
            prop_assert_eq!(read(&bytes, width).unwrap(), entries.clone());
            prop_assert!(matches!(read(&bytes, width + 1), Err(BundleError::Cut(_))));
            for cut in 0..bytes.len() {
                prop_assert!(matches!(read(&bytes[..cut], width), Err(BundleError::Cut(_))));
            }
            let longer = [bytes.clone(), vec![0]].concat();
            prop_assert_eq!(read(&longer, width), Err(BundleError::Rest(1)));
            if let Some(fewer) = width.checked_sub(1) {
                prop_assert_eq!(read_first(&bytes, fewer).unwrap().0, &entries[..entries.len() - 1]);
                prop_assert!(matches!(read(&bytes, fewer), Err(BundleError::Rest(_))));
            }
        }
    }
}
