//! Where and when a run happened: date, commit, cores, memory, disk, and how busy the machine was.

use std::fs::read_to_string;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Size;

/// One Markdown paragraph.
pub fn describe(size: Size) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory_gib = field("/proc/meminfo", "MemTotal:")
        .and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or(0)
        / (1 << 20);
    let load = read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').take(2).collect::<Vec<_>>().join(" and ");
    format!(
        "{}, commit {}; {cores} cores ({}), {memory_gib} GiB, {}; load average {load} (1 and 5 min) at the end; turns: {}.",
        today(),
        commit(),
        field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into()),
        disk(),
        size.turns,
    )
}

/// Year, month and day, UTC.
fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let text = shuguan_ledger::time::format(i64::try_from(since.as_micros()).unwrap_or(0));
    text.split('T').next().unwrap_or_default().to_owned()
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let value = line.trim_start_matches(name).trim_start_matches([' ', '\t', ':']);
    Some(value.trim_end_matches(" kB").trim().to_owned())
}

fn commit() -> String {
    let run = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = run(&["rev-parse", "--short", "HEAD"]).filter(|commit| !commit.is_empty());
    let changed = run(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| !changes.is_empty());
    let mark = if changed { " with changes" } else { "" };
    format!("{}{mark}", commit.unwrap_or_else(|| "unknown".into()))
}

/// File system and device of the temporary folder: what is measured when something is durable.
fn disk() -> String {
    let folder = std::env::temp_dir();
    let mounts = read_to_string("/proc/mounts").unwrap_or_default();
    let mount = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (device, point, kind) = (words.next()?, words.next()?, words.next()?);
            folder.starts_with(point).then_some((point.len(), device, kind))
        })
        .max_by_key(|(length, ..)| *length);
    mount.map_or_else(
        || "unknown disk".into(),
        |(_, device, kind)| format!("{kind} on {device}"),
    )
}

/// Core time that a process has used, seconds.
pub fn core_seconds(pid: u32) -> f64 {
    let text = read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in brackets may hold blanks; user and system time are the 12th and 13th words after it, in ticks of 10 ms.
    let words: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| {
        words
            .get(place)
            .and_then(|word| word.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

/// Lets `VmHWM` begin anew: 5 forgets the peak so far (proc_pid_clear_refs(5)); where that is not allowed, the peak of start-up counts too.
pub fn forget_peak(pid: u32) {
    let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
}
