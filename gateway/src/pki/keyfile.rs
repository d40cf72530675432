//! Files of the authority: keys (mode 0400, made once, never overwritten), public files, folders; everything fsynced.
//!
//! Refuses to create what exists and to read a key that group or others can read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::{PkiFault, hex};
use crate::hex::unhex_into;
use crate::{clock, durable};

/// Creates a key file: `O_EXCL`, mode 0400, file and folder fsynced.
///
/// # Errors
/// [`PkiFault::Exists`] when it is there; [`PkiFault::File`] otherwise, and then no file is left, unless the machine stopped.
pub fn create_secret(path: &Path, content: &[u8]) -> Result<(), PkiFault> {
    create(path, content, 0o400)
}

/// Creates a file that everybody may read: `O_EXCL`, mode 0644, file and folder fsynced.
pub fn create_public(path: &Path, content: &[u8]) -> Result<(), PkiFault> {
    create(path, content, 0o644)
}

/// Puts a public file in the place of an older one, whole or not at all: written beside it, fsynced, renamed.
pub fn replace_public(path: &Path, content: &[u8]) -> Result<(), PkiFault> {
    let beside = durable::hidden(path, ".new");
    // What a crash left beside the file is of no use to anybody.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(PkiFault::file("remove", &beside)(error));
        }
        _ => {}
    }
    create(&beside, content, 0o644)?;
    durable::rename(&beside, path).map_err(PkiFault::file("replace", path))
}

/// Whole under its name, or not there: half a key under the name of one would keep the gateway from starting. A crash leaves at most a hidden file beside it, of which nobody
/// reads; its name is its own, so that two who create the same file do not write into one.
fn create(path: &Path, content: &[u8], mode: u32) -> Result<(), PkiFault> {
    let own = hex(&random::<8>()?);
    let unfinished = durable::unfinished(&path.with_added_extension(own));
    let written = write_new(&unfinished, content, mode).and_then(|()| name(&unfinished, path));
    let removed = durable::remove(&unfinished);
    written.and(removed).map_err(PkiFault::file("create", path))?;
    sync_parent(path)
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Gives a whole file its name, unless there is one of that name. Not every file system can do that in one step (a stick on which a kit travels); there nobody else makes one
/// meanwhile.
fn name(unfinished: &Path, path: &Path) -> std::io::Result<()> {
    match renameat_with(CWD, unfinished, CWD, path, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) if !path.try_exists()? => fs::rename(unfinished, path),
        Err(Errno::INVAL | Errno::NOSYS) => Err(ErrorKind::AlreadyExists.into()),
        named => Ok(named?),
    }
}

/// Makes a folder that only its owner may enter (0700); one that is there keeps its content and gets that mode.
pub fn secret_folder(path: &Path) -> Result<(), PkiFault> {
    folder(path, 0o700)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(PkiFault::file("protect", path))
}

/// Makes a folder that everybody may read (0755), with its parents.
pub fn public_folder(path: &Path) -> Result<(), PkiFault> {
    folder(path, 0o755)
}

fn folder(path: &Path, mode: u32) -> Result<(), PkiFault> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(PkiFault::file("create folder", path))?;
    sync_parent(path)
}

/// Makes a folder's entries durable.
pub fn sync_folder(path: &Path) -> Result<(), PkiFault> {
    durable::sync_folder(path).map_err(PkiFault::file("sync", path))
}

fn sync_parent(path: &Path) -> Result<(), PkiFault> {
    durable::sync_parent(path).map_err(PkiFault::file("sync the folder of", path))
}

/// Reads a key file as text; wiped from memory when dropped.
///
/// # Errors
/// [`PkiFault::Exposed`] when group or others have any permission on it.
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, PkiFault> {
    let mut file = File::open(path).map_err(PkiFault::file("read", path))?;
    // Asked of the open file, so that nobody can swap it in between.
    let metadata = file.metadata().map_err(PkiFault::file("read", path))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(PkiFault::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(PkiFault::file("read", path))?;
    Ok(text)
}

/// Destroys a key file: overwritten, removed, the folder fsynced. What a copy-on-write disk keeps of it is no matter of ours.
///
/// # Errors
/// [`PkiFault::File`].
pub fn destroy_secret(path: &Path) -> Result<(), PkiFault> {
    let failed = || PkiFault::file("destroy", path);
    let bytes = fs::metadata(path).map_err(failed())?.len();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed())?;
    let mut file = OpenOptions::new().write(true).open(path).map_err(failed())?;
    let blank = vec![b'0'; usize::try_from(bytes).unwrap_or(0)];
    file.write_all(&blank)
        .and_then(|()| file.sync_all())
        .map_err(failed())?;
    fs::remove_file(path).map_err(failed())?;
    sync_parent(path)
}

/// Reads a public file as text.
pub fn read_public(path: &Path) -> Result<String, PkiFault> {
    fs::read_to_string(path).map_err(PkiFault::file("read", path))
}

/// Creates a key of 32 random bytes, written as 64 hexadecimal digits and a newline.
pub fn create_random_key(path: &Path) -> Result<(), PkiFault> {
    create_key(path, &Zeroizing::new(random::<32>()?))
}

/// Creates the file of a key, as [`read_random_key`] reads it.
pub fn create_key(path: &Path, bytes: &[u8; 32]) -> Result<(), PkiFault> {
    let text = Zeroizing::new(format!("{}\n", Zeroizing::new(hex(bytes)).as_str()));
    create_secret(path, text.as_bytes())
}

/// Reads a key that [`create_random_key`] wrote.
///
/// # Errors
/// [`PkiFault::Exposed`], and [`PkiFault::BadFile`] when it is not exactly 64 hexadecimal digits.
pub fn read_random_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, PkiFault> {
    let text = read_secret(path)?;
    let mut bytes = Zeroizing::new([0_u8; 32]);
    let read = unhex_into(text.trim_end(), bytes.as_mut_slice());
    read.ok_or_else(|| PkiFault::bad_file(path, "it is not 64 hexadecimal digits"))?;
    Ok(bytes)
}

/// Random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], PkiFault> {
    clock::random().map_err(|_| PkiFault::Crypto {
        doing: "draw random bytes",
        why: "the operating system has none to give".to_owned(),
    })
}
