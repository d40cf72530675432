//! What a run did to its files, from the lines of `strace -f -xx`.
//!
//! Takes the trace and the folder; gives the run as events, and the states of the folder in which the power may fail. Refuses a call that it does not know and a
//! text that `strace` cut. The index of a write-ahead log and locks are left out: both are made anew.

use std::collections::{HashMap, HashSet};
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::state::Disk;
use super::{Random, SAID};

/// One thing that a run did to its files.
#[derive(Clone, Debug)]
pub(super) enum Event {
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
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    root: PathBuf,
    events: Vec<Event>,
}

impl Trace {
    pub(super) fn read(text: &str, root: &Path) -> Self {
        let mut reader = TraceReader {
            said: root.join(SAID),
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
        let named = self.events.iter().filter_map(|event| match event {
            Event::Create { path, file } => path.to_string_lossy().ends_with(of).then_some(*file),
            _ => None,
        });
        let named: HashSet<usize> = named.collect();
        let mut weak = self.clone();
        for event in &mut weak.events {
            if let Event::Sync { file, before } = event
                && named.contains(file)
            {
                // It covers nothing.
                *before = 0;
            }
        }
        weak
    }

    /// Looks at so many of the states in which the power may have failed once the run had promised something: `look` is given the folder and what was
    /// promised by then. Gives what it found wrong.
    pub(crate) fn faults(
        &self,
        states: usize,
        random: &mut Random,
        mut look: impl FnMut(&Path, &[&str]) -> Option<String>,
    ) -> Vec<String> {
        let first = self.events.iter().position(|event| matches!(event, Event::Said(_)));
        let first = first.unwrap() + 1;
        let state = |_| {
            let moment = first + random.below(self.events.len() + 1 - first);
            let root = tempfile::tempdir().unwrap();
            self.crash(moment, random, root.path());
            let promised: Vec<&str> = self.said(moment).collect();
            look(root.path(), &promised).map(|fault| format!("moment {moment}: {fault}"))
        };
        (0..states).filter_map(state).collect()
    }

    /// Writes into `to` one state that the disk may be in when the power fails at that moment.
    fn crash(&self, moment: usize, random: &mut Random, to: &Path) {
        let mut disk = Disk::default();
        for (place, event) in self.events.iter().take(moment).enumerate() {
            disk.take(place, event);
        }
        for (path, content) in disk.fail(random) {
            let path = to.join(path.strip_prefix(&self.root).unwrap());
            let folder = DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path.parent().unwrap());
            folder.unwrap();
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
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
