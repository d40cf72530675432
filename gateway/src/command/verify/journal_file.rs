//! A journal opened read-only by a program that is not its gateway.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

/// Whether nobody has it open: there is no `-wal` file, which exists while a program has the journal open, or after one died.
pub(in crate::command) fn is_still(path: &Path) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    !PathBuf::from(name).exists()
}

/// Opens read-only. A journal at rest is opened as immutable, because even a reader would otherwise leave `-wal` and `-shm` files beside
/// it, with its own owner, that the gateway might not be able to open afterwards.
pub(in crate::command) fn open(path: &Path, still: bool) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = if still {
        Connection::open_with_flags(immutable(path), flags | OpenFlags::SQLITE_OPEN_URI)?
    } else {
        Connection::open_with_flags(path, flags)?
    };
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

fn immutable(path: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push_str("?immutable=1");
    uri
}
