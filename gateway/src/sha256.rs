//! SHA-256 of bytes, of what came in pieces, and of a file.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use ring::digest::{Context, SHA256, digest};

/// So much of a file is hashed at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Of bytes.
pub(crate) fn of(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// Of all the pieces that a context of SHA-256 was given.
pub(crate) fn finish(context: Context) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Of a file, however large.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn of_file(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut context = Context::new(&SHA256);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk)?;
        match chunk.get(..read) {
            Some(bytes) if !bytes.is_empty() => context.update(bytes),
            _ => return Ok(finish(context)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use ring::digest::{Context, SHA256};

    use super::{finish, of, of_file};

    #[test]
    fn bytes_pieces_and_a_file_have_one_digest() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let mut pieces = Context::new(&SHA256);
        bytes.chunks(777).for_each(|piece| pieces.update(piece));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(finish(pieces), of(&bytes));
        assert_eq!(of_file(&path).unwrap(), of(&bytes));
        // FIPS 180-4, the empty message.
        assert_eq!(of(b"")[..4], [0xe3, 0xb0, 0xc4, 0x42]);
    }
}
