//! What a disk may hold after a crash: the files of a run, without some of what was never synced.
//!
//! Takes the trace of a run (`strace` of it, made by [`traced`]); gives its moments, and for each moment and seed one of the states in which
//! the power may have failed. A write that no fsync covers is kept, lost, or torn at a sector of 512 bytes, each by itself and in any order; a name is there when its
//! folder was synced, and otherwise as far as a prefix of the changes of names goes (POSIX promises no more). Refuses a trace with a call that it cannot read.
//!
//! `trace` what a run did, from the lines of `strace` · `state` what of it is on disk.
//!
//! A process that is killed shows nothing of this: the kernel still has what it wrote.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "it serves tests")]

mod state;
mod trace;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;

pub(crate) use self::trace::Trace;

const CALLS: &str =
    "trace=openat,close,write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat";

/// Repeatable choices: splitmix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 0 to `bound` - 1.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
}

/// Runs an ignored test of this very program in `folder` under `strace`; gives its trace.
pub(crate) fn traced(test: &str, folder: &Path) -> Trace {
    let out = folder.with_extension("strace");
    let status = Command::new("strace")
        .args([
            "-f",
            "-qq",
            "-xx",
            "-s",
            "100000000",
            "-e",
            "signal=none",
            "-e",
            CALLS,
            "-o",
        ])
        .arg(&out)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(std::process::Stdio::null())
        .status();
    let status = status.unwrap_or_else(|error| panic!("strace is needed (apt-get install strace): {error}"));
    assert!(status.success(), "the traced test failed: {status}");
    let text = std::fs::read_to_string(&out).unwrap();
    std::fs::remove_file(&out).unwrap();
    Trace::read(&text, folder)
}

/// Runs an ignored test of this very program in `folder` on a disk that fails as `inject` says (`man strace`, `--inject`); whether the test held.
pub(crate) fn on_failing_disk(test: &str, folder: &Path, inject: &str) -> bool {
    let calls = inject.split(':').next().unwrap();
    let output = Command::new("strace")
        .args(["-f", "-qq", "-e", "signal=none", "-o", "/dev/null"])
        .args(["-e", &format!("trace={calls}"), "-e", &format!("inject={inject}")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--test-threads=1"])
        .env(FOLDER, folder)
        .output();
    let output = output.unwrap();
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stdout));
    }
    output.status.success()
}

/// In how many states the stores are looked at: `SHUGUAN_CRASH_STATES`, or so many. None where no program may be traced.
pub(crate) fn states(usual: usize) -> Option<usize> {
    let states = std::env::var("SHUGUAN_CRASH_STATES").map_or(usual, |states| states.parse().unwrap());
    if states == 0 {
        eprintln!("SKIPPED: no program may be traced here");
        return None;
    }
    Some(states)
}

/// `SHUGUAN_SEED`, or always the same.
pub(crate) fn seed() -> u64 {
    std::env::var("SHUGUAN_SEED").map_or(20_261_126, |seed| seed.parse().unwrap())
}

/// What a traced run promises, a line each, in this file of its folder.
pub(crate) const SAID: &str = "said";

/// The file of promises.
pub(crate) fn said_file(root: &Path) -> File {
    let opened = OpenOptions::new().create(true).append(true).open(root.join(SAID));
    opened.unwrap()
}

/// Promises something: one write, so that it stands in the trace as one.
pub(crate) fn say(said: &mut File, line: &str) {
    said.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Names the folder in which a traced test works.
pub(crate) const FOLDER: &str = "SHUGUAN_TRACED_FOLDER";
