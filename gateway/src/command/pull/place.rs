//! Where an extract goes: a file of its own, or none is asked for.
//!
//! Takes the name that was given; gives the file beside it into which the content goes. Refuses what is there and is no file: a device, a link, a folder; and a
//! folder that nobody can write into, before the gateway releases anything. What was begun and not finished holds persons, and no later call goes on with it:
//! it is removed.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::command::exit::{Exit, Failure};
use crate::durable::{self, beside};

/// The place of an extract.
#[derive(Debug)]
pub(super) struct Place {
    file: PathBuf,
    part: PathBuf,
    /// Something is there that the extract will replace.
    replaces: bool,
    finished: bool,
}

impl Place {
    /// Looks at the place, and opens `FILE.part` in it.
    ///
    /// # Errors
    /// When an extract cannot be put there.
    pub(super) fn open(file: &Path) -> Result<(Self, File), Failure> {
        let shown = file.display();
        let no_file = |what: String| {
            let next = "-o FILE: an extract is a file with its receipt, manifest and opening beside it";
            Failure::new(Exit::Usage, what).then(next)
        };
        if file == Path::new("-") || file.file_name().is_none() {
            return Err(no_file(format!("`{shown}` is no name of a file")));
        }
        let replaces = match std::fs::symlink_metadata(file) {
            Ok(there) if there.is_file() => true,
            Ok(_) => return Err(no_file(format!("`{shown}` is there and is no regular file"))),
            Err(_) => false,
        };
        let part = beside(file, ".part");
        let opened = open_alone(&part).map_err(|error| {
            Failure::local(format!("cannot write `{}`", part.display()))
                .because(error)
                .then("nothing was asked for: name a folder that is there and may be written, and pull again")
        })?;
        let place = Self {
            file: file.to_owned(),
            part,
            replaces,
            finished: false,
        };
        Ok((place, opened))
    }

    /// The file until it is whole and proved.
    pub(super) fn part(&self) -> &Path {
        &self.part
    }

    /// Whether a former file goes when the extract comes.
    pub(super) fn replaces(&self) -> bool {
        self.replaces
    }

    /// Gives the content its name.
    pub(super) fn finish(mut self) -> io::Result<()> {
        durable::rename(&self.part, &self.file)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed is written over by the next call.
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

/// Opens it empty; refuses a link, which leads elsewhere, and one that another pull writes into: it would be emptied behind what that has proved.
fn open_alone(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let no_link = i32::from_ne_bytes(rustix::fs::OFlags::NOFOLLOW.bits().to_ne_bytes());
    let opened = options.custom_flags(no_link).open(path)?;
    opened.try_lock()?;
    opened.set_len(0)?;
    Ok(opened)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::{Exit, Place};

    #[test]
    fn what_was_begun_and_not_finished_is_removed_and_a_former_file_stays_until_the_next_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("population.ndjson");
        std::fs::write(&file, "former").unwrap();
        let (place, part) = Place::open(&file).unwrap();
        let beside = folder.path().join("population.ndjson.part");
        assert!(place.replaces() && place.part() == beside && beside.is_file());
        drop((place, part));
        assert!(!beside.exists());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "former");
        let (place, _) = Place::open(&file).unwrap();
        std::fs::write(&beside, "next").unwrap();
        place.finish().unwrap();
        assert!(!beside.exists());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "next");
    }

    #[test]
    fn what_is_no_file_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let place = |path: &std::path::Path| Place::open(path).unwrap_err();
        for path in [
            link.as_path(),
            folder.path(),
            "-".as_ref(),
            "/dev/null".as_ref(),
            "..".as_ref(),
        ] {
            assert_eq!(place(path).exit, Exit::Usage, "{}", path.display());
        }
        let failure = place("/nonexistent/x".as_ref());
        assert_eq!(failure.exit, Exit::Local);
        assert!(failure.to_string().contains("nothing was asked for"), "{failure}");
    }

    #[test]
    fn a_part_that_another_pull_writes_or_that_leads_elsewhere_is_refused_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("population.ndjson");
        let (place, mut part) = Place::open(&file).unwrap();
        std::io::Write::write_all(&mut part, b"half").unwrap();
        assert!(Place::open(&file).is_err());
        assert_eq!(std::fs::read_to_string(place.part()).unwrap(), "half");
        let elsewhere = folder.path().join("elsewhere");
        std::fs::write(&elsewhere, "mine").unwrap();
        let other = folder.path().join("enterprises.ndjson");
        std::os::unix::fs::symlink(&elsewhere, folder.path().join("enterprises.ndjson.part")).unwrap();
        assert!(Place::open(&other).is_err());
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "mine");
    }
}
