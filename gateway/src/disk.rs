//! What a disk may hold after a crash: the files of a run, without some of what was never synced.
//!
//! Takes the trace of a run (`strace` of it, made by [`traced`]); gives its moments, and for each moment and seed one of the states in which
//! the power may have failed. A write that no fsync covers is kept, lost, or torn at a sector of 512 bytes, each by itself and in any order; a name is there when its
//! folder was synced, and otherwise as far as a prefix of the changes of names goes (POSIX promises no more). Refuses a trace with a call that it cannot read.
//!
//! A process that is killed shows nothing of this: the kernel still has what it wrote.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "it serves tests")]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

const SECTOR: usize = 512;
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

/// Runs an ignored test of this very program in `folder` under `strace`; gives its trace. `said` is the file into which the test writes what it promised.
pub(crate) fn traced(test: &str, folder: &Path, said: &str) -> Trace {
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
    Trace::read(&text, folder, said)
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

/// Names the folder in which a traced test works.
pub(crate) const FOLDER: &str = "SHUGUAN_TRACED_FOLDER";

/// One thing that a run did to its files.
#[derive(Debug)]
enum Event {
    Create {
        path: PathBuf,
        file: usize,
    },
    Write {
        file: usize,
        at: usize,
        bytes: Vec<u8>,
    },
    Cut {
        file: usize,
        length: usize,
    },
    /// It covers what was written before this place in the run.
    Sync {
        file: usize,
        before: usize,
    },
    SyncFolder {
        folder: PathBuf,
        before: usize,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    Said(String),
}

/// A run as what it did to the files of its folder.
#[derive(Debug)]
pub(crate) struct Trace {
    root: PathBuf,
    events: Vec<Event>,
}

impl Trace {
    fn read(text: &str, root: &Path, said: &str) -> Self {
        let mut reader = TraceReader {
            said: root.join(said),
            trace: Self {
                root: root.to_owned(),
                events: Vec::new(),
            },
            open: HashMap::new(),
            files: HashMap::new(),
            count: 0,
            began: HashMap::new(),
        };
        text.lines().for_each(|line| reader.line(line));
        reader.trace
    }

    /// Number of moments: the run stopped after so many events.
    pub(crate) fn moments(&self) -> usize {
        self.events.len()
    }

    /// What the run had promised by then.
    pub(crate) fn said(&self, moment: usize) -> impl Iterator<Item = &str> {
        self.events.iter().take(moment).filter_map(|event| match event {
            Event::Said(line) => Some(line.as_str()),
            _ => None,
        })
    }

    /// The same run on a disk that does not carry out the syncs of files whose name ends so.
    pub(crate) fn without_syncs(&self, of: &str) -> Self {
        let mut named = HashMap::new();
        for event in &self.events {
            if let Event::Create { path, file } = event {
                named.insert(*file, path.to_string_lossy().ends_with(of));
            }
        }
        let kept = |event: &&Event| !matches!(event, Event::Sync { file, .. } if named.get(file) == Some(&true));
        let events = self.events.iter().filter(kept).map(Event::again).collect();
        Self {
            root: self.root.clone(),
            events,
        }
    }

    /// Writes into `to` one state that the disk may be in when the power fails at that moment.
    pub(crate) fn crash(&self, moment: usize, random: &mut Random, to: &Path) {
        let mut disk = Disk::default();
        for (place, event) in self.events.iter().take(moment).enumerate() {
            disk.take(place, event);
        }
        for (path, content) in disk.fail(random) {
            let path = to.join(path.strip_prefix(&self.root).unwrap());
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
    }
}

impl Event {
    fn again(&self) -> Self {
        match self {
            Self::Create { path, file } => Self::Create {
                path: path.clone(),
                file: *file,
            },
            Self::Write { file, at, bytes } => Self::Write {
                file: *file,
                at: *at,
                bytes: bytes.clone(),
            },
            Self::Cut { file, length } => Self::Cut {
                file: *file,
                length: *length,
            },
            // Places move when events are left out; all that came before is covered either way.
            Self::Sync { file, .. } => Self::Sync {
                file: *file,
                before: usize::MAX,
            },
            Self::SyncFolder { folder, .. } => Self::SyncFolder {
                folder: folder.clone(),
                before: usize::MAX,
            },
            Self::Rename { from, to } => Self::Rename {
                from: from.clone(),
                to: to.clone(),
            },
            Self::Remove { path } => Self::Remove { path: path.clone() },
            Self::Said(line) => Self::Said(line.clone()),
        }
    }
}

/// Lines of `strace -f -xx` → events.
struct TraceReader {
    said: PathBuf,
    trace: Trace,
    /// Descriptor → file and place, or folder.
    open: HashMap<i64, Open>,
    files: HashMap<PathBuf, usize>,
    count: usize,
    /// Calls that another thread interrupted in the trace: first half, and how many events there were.
    began: HashMap<String, (String, usize)>,
}

#[derive(Clone)]
enum Open {
    File { file: usize, at: usize },
    Folder(PathBuf),
    Said,
}

impl TraceReader {
    fn line(&mut self, line: &str) {
        let (thread, call) = line.split_once(char::is_whitespace).unwrap();
        let (call, before) = match call.trim().strip_suffix("<unfinished ...>") {
            Some(first) => {
                // What is written may be on disk from now on, whenever the call returns.
                if first.starts_with("write(") || first.starts_with("pwrite64(") {
                    self.call(&format!("{first} = 0"), 0);
                    self.began.insert(thread.to_owned(), (String::new(), 0));
                } else {
                    let before = self.trace.events.len();
                    self.began.insert(thread.to_owned(), (first.to_owned(), before));
                }
                return;
            }
            None => match call.trim().strip_prefix("<... ") {
                Some(rest) => {
                    let Some((first, before)) = self.began.remove(thread) else {
                        return;
                    };
                    if first.is_empty() {
                        return;
                    }
                    let rest = rest.split_once("resumed>").map_or("", |(_, rest)| rest);
                    (format!("{first}{rest}"), before)
                }
                None => (call.trim().to_owned(), self.trace.events.len()),
            },
        };
        self.call(&call, before);
    }

    /// A whole call; `before`: the events that its effect covers, when it syncs.
    fn call(&mut self, call: &str, before: usize) {
        let Some((head, result)) = call.rsplit_once(" = ") else {
            return;
        };
        let Some((name, arguments)) = head.split_once('(') else {
            return;
        };
        let failed = result.trim_start().starts_with('-') || result.trim_start().starts_with('?');
        if failed {
            return;
        }
        let arguments: Vec<&str> = arguments.trim_end().trim_end_matches(')').split(", ").collect();
        let number = |place: usize| arguments.get(place).and_then(|text| text.trim().parse::<i64>().ok());
        let path = |place: usize| arguments.get(place).map(|text| PathBuf::from(text_of(text)));
        match name {
            "openat" => {
                let opened = result
                    .split_whitespace()
                    .next()
                    .and_then(|text| text.parse().ok())
                    .unwrap();
                self.opened(opened, path(1).unwrap(), arguments.get(2).unwrap_or(&""));
            }
            "close" => drop(self.open.remove(&number(0).unwrap())),
            "write" => self.wrote(number(0).unwrap(), None, bytes_of(arguments.get(1).unwrap_or(&""))),
            "pwrite64" => {
                let at = usize::try_from(number(3).unwrap()).unwrap();
                self.wrote(number(0).unwrap(), Some(at), bytes_of(arguments.get(1).unwrap_or(&"")));
            }
            "ftruncate" => {
                if let Some(Open::File { file, .. }) = self.open.get(&number(0).unwrap()) {
                    let length = usize::try_from(number(1).unwrap()).unwrap();
                    self.trace.events.push(Event::Cut { file: *file, length });
                }
            }
            "fsync" | "fdatasync" => match self.open.get(&number(0).unwrap()).cloned() {
                Some(Open::File { file, .. }) => self.trace.events.push(Event::Sync { file, before }),
                Some(Open::Folder(folder)) => self.trace.events.push(Event::SyncFolder { folder, before }),
                Some(Open::Said) | None => {}
            },
            "rename" => self.renamed(path(0).unwrap(), path(1).unwrap()),
            "renameat" | "renameat2" => self.renamed(path(1).unwrap(), path(3).unwrap()),
            "unlink" => self.removed(path(0).unwrap()),
            "unlinkat" => self.removed(path(1).unwrap()),
            other => panic!("a call that nobody asked for: {other}"),
        }
    }

    fn is_ours(&self, path: &Path) -> bool {
        // The index of the write-ahead log is made anew from it, and a lock says nothing after its holder's end.
        let name = path.to_string_lossy();
        path.starts_with(&self.trace.root) && !name.ends_with("-shm") && !name.ends_with(".lock")
    }

    fn opened(&mut self, descriptor: i64, path: PathBuf, flags: &str) {
        self.open.remove(&descriptor);
        if !self.is_ours(&path) {
            return;
        }
        if path == self.said {
            self.open.insert(descriptor, Open::Said);
            return;
        }
        if path.is_dir() || flags.contains("O_DIRECTORY") {
            self.open.insert(descriptor, Open::Folder(path));
            return;
        }
        let file = *self.files.entry(path.clone()).or_insert_with(|| {
            let file = self.count;
            self.count += 1;
            self.trace.events.push(Event::Create { path, file });
            file
        });
        if flags.contains("O_TRUNC") {
            self.trace.events.push(Event::Cut { file, length: 0 });
        }
        self.open.insert(descriptor, Open::File { file, at: 0 });
    }

    fn wrote(&mut self, descriptor: i64, at: Option<usize>, bytes: Vec<u8>) {
        match self.open.get_mut(&descriptor) {
            Some(Open::File { file, at: place }) => {
                let (file, at) = (*file, at.unwrap_or(*place));
                *place = at + bytes.len();
                self.trace.events.push(Event::Write { file, at, bytes });
            }
            Some(Open::Said) => {
                let text = String::from_utf8(bytes).unwrap();
                self.trace
                    .events
                    .extend(text.lines().map(|line| Event::Said(line.to_owned())));
            }
            Some(Open::Folder(_)) | None => {}
        }
    }

    fn renamed(&mut self, from: PathBuf, to: PathBuf) {
        if let Some(file) = self.files.remove(&from) {
            self.files.insert(to.clone(), file);
            self.trace.events.push(Event::Rename { from, to });
        }
    }

    fn removed(&mut self, path: PathBuf) {
        if self.files.remove(&path).is_some() {
            self.trace.events.push(Event::Remove { path });
        }
    }
}

/// `"\x2f\x74"` → its bytes.
fn bytes_of(argument: &str) -> Vec<u8> {
    let argument = argument.trim();
    assert!(!argument.ends_with("..."), "the trace cut a text");
    let pairs = argument.trim_matches('"').split("\\x").skip(1);
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn text_of(argument: &str) -> String {
    String::from_utf8(bytes_of(argument)).unwrap()
}

/// The files as they stand, what of them is certain and what is not.
#[derive(Default)]
struct Disk {
    files: HashMap<usize, File>,
    /// Names that are certain.
    names: BTreeMap<PathBuf, usize>,
    /// Changes of names that no sync of their folder covers, in their order.
    changes: Vec<(usize, Change)>,
}

#[derive(Default)]
struct File {
    certain: Vec<u8>,
    /// Writes and cuts that no sync covers, with their places in the run.
    open: Vec<(usize, Edit)>,
}

enum Edit {
    Write { at: usize, bytes: Vec<u8> },
    Cut(usize),
}

enum Change {
    Add(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Disk {
    fn take(&mut self, place: usize, event: &Event) {
        match event {
            Event::Create { path, file } => self.changes.push((place, Change::Add(path.clone(), *file))),
            Event::Rename { from, to } => self.changes.push((place, Change::Rename(from.clone(), to.clone()))),
            Event::Remove { path } => self.changes.push((place, Change::Remove(path.clone()))),
            Event::Write { file, at, bytes } => {
                let (at, bytes) = (*at, bytes.clone());
                self.edit(*file, place, Edit::Write { at, bytes });
            }
            Event::Cut { file, length } => self.edit(*file, place, Edit::Cut(*length)),
            Event::Sync { file, before } => {
                let file = self.files.entry(*file).or_default();
                let covered = file.open.iter().filter(|(place, _)| place < before).count();
                for (_, edit) in file.open.drain(..covered) {
                    edit.apply(&mut file.certain, None);
                }
            }
            Event::SyncFolder { folder, before } => {
                let (mut covered, mut rest) = (Vec::new(), Vec::new());
                for (place, change) in std::mem::take(&mut self.changes) {
                    let synced = place < *before && change.folder() == Some(folder.as_path());
                    if synced {
                        covered.push(change);
                    } else {
                        rest.push((place, change));
                    }
                }
                self.changes = rest;
                for change in covered {
                    self.rename(change);
                }
            }
            Event::Said(_) => {}
        }
    }

    fn edit(&mut self, file: usize, place: usize, edit: Edit) {
        self.files.entry(file).or_default().open.push((place, edit));
    }

    fn rename(&mut self, change: Change) {
        match change {
            Change::Add(path, file) => drop(self.names.insert(path, file)),
            Change::Rename(from, to) => {
                if let Some(file) = self.names.remove(&from) {
                    self.names.insert(to, file);
                }
            }
            Change::Remove(path) => drop(self.names.remove(&path)),
        }
    }

    /// The power fails: of what is uncertain some is there.
    fn fail(mut self, random: &mut Random) -> BTreeMap<PathBuf, Vec<u8>> {
        let changes = std::mem::take(&mut self.changes);
        let kept = random.below(changes.len() + 1);
        for (_, change) in changes.into_iter().take(kept) {
            self.rename(change);
        }
        // All, none, or each by its own luck: a run of lost writes is as likely as single ones.
        let names = std::mem::take(&mut self.names);
        let content = |(path, file): (PathBuf, usize)| {
            let file = self.files.remove(&file).unwrap_or_default();
            let luck = random.below(4);
            let mut content = file.certain;
            for (_, edit) in file.open {
                let there = match luck {
                    0 => true,
                    1 => false,
                    _ => random.below(3) > 0,
                };
                if there {
                    let torn = (luck > 1 && random.below(8) == 0).then(|| random.below(9));
                    edit.apply(&mut content, torn);
                }
            }
            (path, content)
        };
        names.into_iter().map(content).collect()
    }
}

impl Edit {
    /// Applies it; torn, only so many of its first sectors.
    fn apply(self, content: &mut Vec<u8>, torn: Option<usize>) {
        match self {
            Self::Cut(length) => content.resize(length, 0),
            Self::Write { at, mut bytes } => {
                if let Some(sectors) = torn {
                    bytes.truncate(sectors * SECTOR);
                }
                let end = at + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content.get_mut(at..end).unwrap().copy_from_slice(&bytes);
            }
        }
    }
}

impl Change {
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Add(path, _) | Self::Remove(path) => path.parent(),
            Self::Rename(_, to) => to.parent(),
        }
    }
}
