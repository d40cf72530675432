//! A disk of a few MiB in the place of one folder, so that it alone is full. Takes a folder that is there and empty; goes with its handle. None, and a line that
//! says so, where nothing may be mounted.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What fills it.
const FILLER: &str = "filler";

pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Puts it in the place of the folder, with its mode.
    pub fn at(folder: &Path, mib: u32) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let mode = std::fs::metadata(folder).unwrap().permissions().mode() & 0o777;
        let options = format!("size={mib}m,mode={mode:o}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder);
        if !mount.output().is_ok_and(|output| output.status.success()) {
            let _ = writeln!(std::io::stderr(), "SKIPPED: nothing may be mounted here");
            return None;
        }
        Some(Self(folder.to_owned()))
    }

    /// Fills it but for so many KiB.
    pub fn fill(&self, left_kib: usize) {
        let mut filler = std::fs::File::create(self.0.join(FILLER)).unwrap();
        let block = vec![0; 4 << 10];
        let mut blocks: u64 = 0;
        while filler.write_all(&block).is_ok() {
            blocks += 1;
        }
        let whole = blocks.saturating_sub(left_kib as u64 / 4);
        filler.set_len(whole * (4 << 10)).unwrap();
    }

    /// Takes away what fills it.
    pub fn make_room(&self) {
        std::fs::remove_file(self.0.join(FILLER)).unwrap();
    }

    /// How many files there are besides what fills it.
    pub fn files(&self) -> usize {
        let names = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        names.filter(|name| *name != *FILLER).count()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
