//! Files that are there whole or not at all, and names that outlive a crash of the machine.
//!
//! Takes a path and bytes; when a call returns, content and name are on the disk. Refuses nothing. A crash before leaves what was there, perhaps with
//! `.NAME.tmp` beside it, which the next call writes over. Where it writes nobody else writes at the same time.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Puts a file in the place of an older one: written beside it, synced, renamed.
///
/// # Errors
/// When the disk does not take it; the older one is still there, unless only its folder could not be synced.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = unfinished(path);
    finish((File::create(&fresh)?, &fresh), bytes, path)
}

/// The same for what only its owner may read (0600), also when the older one was open to others.
///
/// # Errors
/// As [`write_whole`].
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = unfinished(path);
    remove(&fresh)?;
    finish((create_private(&fresh)?, &fresh), bytes, path)
}

fn finish((mut file, fresh): (File, &Path), bytes: &[u8], path: &Path) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()?;
    rename(fresh, path)
}

/// Makes a file that only its owner reads and writes (0600), and opens it for both.
///
/// # Errors
/// When there is a file of that name, or none can be made.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Whether a disk had no room, or no more for this user.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Bytes that the disk of a folder has free for this user.
pub(crate) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The path with something behind its name: `NAME` and `suffix`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// The same, where nobody looks: `.NAME` and `suffix`.
pub(crate) fn hidden(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(suffix);
    path.with_file_name(name)
}

/// Where a file is until it is whole.
pub(crate) fn unfinished(path: &Path) -> PathBuf {
    hidden(path, ".tmp")
}

/// Whether a file with that name is one that was never whole.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.starts_with('.') && Path::new(name).extension().is_some_and(|end| end == "tmp")
}

/// Removes a file, which need not be there.
///
/// # Errors
/// When it is still there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes a folder that only its owner reads, with those above it; one that is there stays as it is.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Renames a file within its file system, for good.
///
/// # Errors
/// When it cannot be renamed, or the folder not be synced.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_parent(to)
}

/// Makes the name of a file durable.
///
/// # Errors
/// When its folder cannot be synced.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => sync_folder(Path::new(".")),
    }
}

/// Makes the names in a folder durable.
///
/// # Errors
/// When it cannot be opened or synced.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::{sync_parent, write_private, write_whole};

    #[test]
    fn a_file_takes_the_place_of_an_older_one_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head");
        for text in ["first", "2"] {
            write_whole(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::write(folder.path().join(".head.tmp"), "of a crash, and longer").unwrap();
        write_whole(&path, b"3").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "3");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_private_is_read_by_its_owner_alone_whatever_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("opening");
        fs::write(&path, "open to all").unwrap();
        fs::write(folder.path().join(".opening.tmp"), "of a crash, open to all").unwrap();
        write_private(&path, b"salt").unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(
            (fs::read_to_string(&path).unwrap().as_str(), mode & 0o777),
            ("salt", 0o600)
        );
    }

    #[test]
    fn what_cannot_be_written_leaves_the_older_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write_whole(&folder.path().join("none/head"), b"x").is_err());
        let path = folder.path().join("head");
        fs::write(&path, "old").unwrap();
        fs::create_dir(folder.path().join(".head.tmp")).unwrap();
        assert!(write_whole(&path, b"new").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert!(write_whole(folder.path(), b"x").is_err(), "a folder is no file");
        assert!(sync_parent(Path::new("name-alone")).is_ok());
    }
}
