//! One push of a file at a time.
//!
//! Takes where the file's state lies; gives a lock beside it, which the kernel takes from a process that ends in whatever way. The file goes with the lock; one that a
//! kill left behind locks nobody out.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::client::undelivered::Undelivered;
use crate::command::exit::Failure;
use crate::durable::beside;

/// How often a lock that another has is tried for.
const POLL: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still locked: who opens it in between finds another file in its place, and begins anew.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Lock {
    /// Waits so long for another that has it.
    pub(super) async fn take(state: &Path, patience: Duration) -> Result<Self, Undelivered> {
        let path = beside(state, ".lock");
        let unusable = |error: std::io::Error| {
            let kind = error.kind();
            let failure = Failure::local(format!("cannot lock `{}`", path.display())).because(error);
            // Another file may lie elsewhere, and is tried.
            match kind {
                ErrorKind::InvalidFilename => Undelivered::OfFile(failure.then("give the file a shorter name")),
                ErrorKind::NotFound => Undelivered::OfFile(failure.then("there is no such folder: look at the path")),
                ErrorKind::PermissionDenied => Undelivered::OfFile(failure.then(
                    "let this user write into the folder; what is pushed by name can have its state elsewhere with `--state DIR`",
                )),
                _ => failure
                    .then("the folder must be on a disk of this machine; what is pushed by name can have its state elsewhere with `--state DIR`")
                    .into(),
            }
        };
        let began = Instant::now();
        loop {
            let file = File::options()
                .create(true)
                .append(true)
                .open(&path)
                .map_err(unusable)?;
            match file.try_lock() {
                Ok(()) if is_there(&file, &path) => return Ok(Self { path, _file: file }),
                // Who had it has removed it since it was opened.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if began.elapsed() >= patience => return Err(Undelivered::Busy),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(POLL).await,
                Err(TryLockError::Error(error)) => return Err(unusable(error)),
            }
        }
    }
}

fn is_there(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), std::fs::metadata(path)) else {
        return false;
    };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}
