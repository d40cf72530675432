//! A drop folder: which files in it are ready to be sent, and as what.
//!
//! Takes a folder; gives its ready files in the order of their names, folder by folder. What a file is follows from the folders it lies in
//! (`public-security/resident/june.csv`) and from `drop.toml` files, of which the nearest goes before those above it. Refuses, file by
//! file, what cannot be sent: a folder that stands for nothing, a companion that cannot be read. Takes nothing that may still be written. A name
//! in GBK, as FTP leaves it, is a name like any other and is shown as what it says.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use shuguan_adapters::catalogue;
use shuguan_policies::document::Document;

use super::state::{ENDING, PushState, Stamp, state_path};

mod companion;
mod taken;

pub use companion::Companion;
use taken::Taken;

/// Endings of files that are sent.
const ENDINGS: [&str; 12] = [
    "csv", "txt", "tsv", "xls", "xlsx", "htm", "html", "dbf", "xml", "json", "ndjson", "jsonl",
];
/// Folders within folders that are looked into.
const DEPTH_MAX: usize = 8;
/// The file that says what a folder holds.
pub const SETTINGS: &str = "drop.toml";

/// What the files of a folder are, as far as it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Record type.
    pub record: Option<String>,
    /// Purpose.
    pub purpose: Option<String>,
    /// Charset, when detection is wrong.
    pub charset: Option<String>,
    /// Whole content type, when detection is wrong.
    pub content_type: Option<String>,
    /// Layout that the gateway knows.
    pub layout: Option<String>,
    /// `delta` or `snapshot`.
    pub mode: Option<String>,
    /// Scope of snapshots.
    pub scope: Option<String>,
    /// What is stated of every file, as the header has it; what a companion states goes before it.
    pub constants: Option<String>,
    /// A file is taken only with its companion.
    pub require_ok: Option<bool>,
}

/// A file with what is known about it.
#[derive(Clone, Debug)]
pub struct Item {
    /// The file.
    pub file: PathBuf,
    /// Its path below the folder, for people.
    pub shown: String,
    /// What it is.
    pub said: Said,
    /// How it was when it was found.
    pub stamp: Stamp,
    /// What its companion says; an error when it cannot be read.
    pub companion: Result<Companion, &'static str>,
    /// What lies beside a file that nothing is known of: its state may have been lost.
    pub receipt: Beside,
    /// The state of a file of the same length and time that was taken in another place, of one that nothing is known of here.
    pub moved_from: Option<PathBuf>,
}

/// A receipt beside a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// None.
    Nothing,
    /// One that was written before the file was as it is now.
    Older,
    /// One that was written since.
    Newer,
}

/// The folder, with what was seen of it so far.
#[derive(Debug)]
pub struct Outbox {
    root: PathBuf,
    settle_us: i64,
    said: Said,
    /// Files not known to be complete: how they were, and since when.
    waiting: BTreeMap<PathBuf, (Stamp, i64)>,
    /// Files that were answered: how they were, and whether they were taken.
    answered: BTreeMap<PathBuf, (Stamp, bool)>,
    taken: Taken,
}

/// What one look found.
#[derive(Debug, Default)]
pub struct Found {
    /// Files to send, in order.
    pub ready: Vec<Item>,
    /// Files that may still be written.
    pub waiting: usize,
    /// Folders whose `drop.toml` is not taken, or that cannot be read, and why.
    pub faults: Vec<(PathBuf, String)>,
    /// States of files, also of such as are no longer there.
    states: Vec<PathBuf>,
}

impl Outbox {
    /// A folder whose files are `said` unless it says otherwise; a file is complete when it has not changed for so many seconds.
    pub fn new(root: &Path, said: Said, settle_s: u32) -> Self {
        Self {
            root: root.to_owned(),
            settle_us: i64::from(settle_s) * 1_000_000,
            said,
            waiting: BTreeMap::new(),
            answered: BTreeMap::new(),
            taken: Taken::default(),
        }
    }

    /// Looks once.
    pub fn look(&mut self, now_us: i64) -> Found {
        let mut found = Found::default();
        let (root, said) = (self.root.clone(), self.said.clone());
        let before = std::mem::take(&mut self.waiting);
        self.folder(&root, &said, 0, now_us, &before, &mut found);
        let mut unknown = found
            .ready
            .iter_mut()
            .filter(|item| !state_path(&item.file, None).exists())
            .peekable();
        if unknown.peek().is_some() {
            self.taken.refresh(&found.states);
            let accepted = self.taken.accepted();
            for item in unknown {
                let mark = (item.stamp.bytes, item.stamp.changed_us);
                item.moved_from = accepted.get(&mark).map(|state| (*state).to_owned());
            }
        }
        found
    }

    /// The states of files with this content (SHA-256, hex) that were sent from another place, and whose answer never came.
    pub fn unanswered(&self, digest: &str) -> Vec<&Path> {
        self.taken.open(digest)
    }

    /// Remembers that a file was answered, so that the next look passes over it without reading anything.
    pub fn answered(&mut self, item: &Item, accepted: bool) {
        self.answered.insert(item.file.clone(), (item.stamp, accepted));
    }

    fn folder(
        &mut self,
        folder: &Path,
        above: &Said,
        depth: usize,
        now_us: i64,
        before: &BTreeMap<PathBuf, (Stamp, i64)>,
        found: &mut Found,
    ) {
        let listing = match Listing::read(folder) {
            Ok(listing) => listing,
            Err(error) => return found.faults.push((folder.to_owned(), error.to_string())),
        };
        let mut said = above.clone();
        if let Some(record) = self.record_of(folder) {
            said.record = Some(record.to_owned());
        }
        if let Some(path) = listing.files.get(OsStr::new(SETTINGS))
            && let Err(fault) = said.read(path)
        {
            return found.faults.push((path.clone(), fault));
        }
        found.states.extend(listing.states().cloned());
        for file in listing.files.values().filter(|file| is_feed(file)) {
            self.file(file, &said, &listing, now_us, before, found);
        }
        if depth < DEPTH_MAX {
            for inner in &listing.folders {
                self.folder(inner, &said, depth + 1, now_us, before, found);
            }
        }
    }

    fn file(
        &mut self,
        file: &Path,
        said: &Said,
        listing: &Listing,
        now_us: i64,
        before: &BTreeMap<PathBuf, (Stamp, i64)>,
        found: &mut Found,
    ) {
        let companion = listing.companion(file);
        // A file that is gone by now, or cannot be looked at, is none.
        let Some(stamp) = stamp(file, companion) else {
            return;
        };
        if self.is_answered(file, stamp) {
            return;
        }
        let complete = companion.is_some()
            || said.require_ok != Some(true) && {
                let since = before
                    .get(file)
                    .filter(|(known, _)| *known == stamp)
                    .map_or(now_us, |(_, since)| *since);
                self.waiting.insert(file.to_owned(), (stamp, since));
                now_us.saturating_sub(since.min(stamp.changed_us)) >= self.settle_us
            };
        if !complete {
            found.waiting += 1;
            return;
        }
        found.ready.push(Item {
            receipt: receipt_of(file, stamp),
            moved_from: None,
            file: file.to_owned(),
            shown: shown(file.strip_prefix(&self.root).unwrap_or(file)),
            said: said.clone(),
            stamp,
            companion: companion.map_or(Ok(Companion::default()), Companion::read),
        });
    }

    /// Whether the file was answered as it is now. A refused one is sent again when its `.err` was taken away, or with another companion; one that was
    /// taken stays taken, whatever becomes of its companion.
    fn is_answered(&mut self, file: &Path, stamp: Stamp) -> bool {
        let stands = |known: Stamp, accepted: bool| {
            if accepted {
                known.is_of_same_file(stamp)
            } else {
                known == stamp && beside(file, "err").is_file()
            }
        };
        if self
            .answered
            .get(file)
            .is_some_and(|(known, accepted)| stands(*known, *accepted))
        {
            return true;
        }
        // One that cannot be read is told of when the file is to be sent.
        let state = PushState::load(&state_path(file, None)).ok().flatten();
        let Some(done) = state.and_then(|state| state.done) else {
            return false;
        };
        let same = stands(done.stamp, done.accepted);
        if same {
            self.answered.insert(file.to_owned(), (done.stamp, done.accepted));
        }
        same
    }

    /// The record type that the folder's own path stands for: `agency/record`, its last part alone where no other agency has it, or its
    /// Chinese name.
    fn record_of(&self, folder: &Path) -> Option<&'static str> {
        let below = folder.strip_prefix(&self.root).ok()?;
        let names: Vec<Cow<'_, str>> = below.iter().map(text_of).collect();
        let last = names.last()?;
        let whole = names
            .len()
            .checked_sub(2)
            .and_then(|at| names.get(at))
            .map(|agency| format!("{agency}/{last}"));
        if let Some(record) = whole.and_then(|name| catalogue::record_type(&name)) {
            return Some(record.name);
        }
        let mut alike = catalogue::record_types().filter(|record| record.short() == *last || record.zh == *last);
        let first = alike.next()?;
        alike.next().is_none().then_some(first.name)
    }
}

/// A folder's entries by name.
#[derive(Debug, Default)]
struct Listing {
    files: BTreeMap<OsString, PathBuf>,
    folders: Vec<PathBuf>,
}

impl Listing {
    /// Hidden names and symbolic links to folders are passed over.
    fn read(folder: &Path) -> std::io::Result<Self> {
        let mut listing = Self::default();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.as_encoded_bytes().first(), Some(b'.' | b'~')) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                listing.folders.push(entry.path());
            } else {
                listing.files.insert(name, entry.path());
            }
        }
        listing.folders.sort();
        Ok(listing)
    }

    /// What is remembered of files.
    fn states(&self) -> impl Iterator<Item = &PathBuf> {
        let ending = ENDING.as_bytes();
        let states = self.files.iter();
        states.filter_map(move |(name, path)| name.as_encoded_bytes().ends_with(ending).then_some(path))
    }

    /// `june.csv.ok`, `june.csv.chk`, `june.ok` or `june.chk` beside `june.csv`; letters in any case.
    fn companion(&self, file: &Path) -> Option<&Path> {
        let with = |base: &OsStr, ending: &str| {
            let mut name = base.to_owned();
            name.push(".");
            name.push(ending);
            name
        };
        let bases = [file.file_name()?, file.file_stem()?];
        let names = bases.map(|base| ["ok", "chk", "OK", "CHK"].map(|ending| with(base, ending)));
        names
            .iter()
            .flatten()
            .find_map(|name| self.files.get(name))
            .map(PathBuf::as_path)
    }
}

impl Said {
    /// Lays a `drop.toml` over what the folders above say.
    fn read(&mut self, path: &Path) -> Result<(), String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let (mut document, mut table) = Document::parse(path.display().to_string(), &text);
        let record = table.span_of("record");
        for (key, over) in [
            ("record", &mut self.record),
            ("purpose", &mut self.purpose),
            ("charset", &mut self.charset),
            ("content_type", &mut self.content_type),
            ("layout", &mut self.layout),
            ("mode", &mut self.mode),
            ("scope", &mut self.scope),
            ("constants", &mut self.constants),
        ] {
            if let Some(text) = table.optional(&mut document, key) {
                *over = Some(text);
            }
        }
        if table.has("require_ok") {
            self.require_ok = table.optional(&mut document, "require_ok");
        }
        if let (Some(span), Some(name)) = (record, &self.record)
            && catalogue::record_type(name).is_none()
        {
            let known: Vec<&str> = catalogue::record_types().map(|record| record.name).collect();
            document.fault(
                span,
                format!("there is no record type `{name}`"),
                Some(known.join(", ")),
            );
        }
        table.finish(&mut document);
        let faults: Vec<String> = document.into_faults().iter().map(ToString::to_string).collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults.join("\n"))
        }
    }
}

/// The file of that ending beside a feed: `june.csv.ack`.
pub fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn receipt_of(file: &Path, stamp: Stamp) -> Beside {
    match stamp_of(&beside(file, "ack")) {
        None => Beside::Nothing,
        Some(receipt) if receipt.changed_us < stamp.changed_us => Beside::Older,
        Some(_) => Beside::Newer,
    }
}

/// A path below the folder, for people.
fn shown(below: &Path) -> String {
    let names: Vec<Cow<'_, str>> = below.iter().map(text_of).collect();
    names.join(std::path::MAIN_SEPARATOR_STR)
}

/// What a name says: in UTF-8, else in the charset of those who send it without saying so.
fn text_of(name: &OsStr) -> Cow<'_, str> {
    match name.to_str() {
        Some(text) => text.into(),
        None => {
            encoding_rs::GB18030
                .decode_without_bom_handling(name.as_encoded_bytes())
                .0
        }
    }
}

/// Whether it is a file that is sent, by its name.
pub fn is_feed(file: &Path) -> bool {
    let ending = file.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending)))
}

/// How a file and its companion are now; none when the file is gone.
pub fn stamp(file: &Path, companion: Option<&Path>) -> Option<Stamp> {
    let stamp = stamp_of(file)?;
    let companion_us = companion.and_then(stamp_of).map_or(0, |companion| companion.changed_us);
    Some(Stamp { companion_us, ..stamp })
}

fn stamp_of(file: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(file).ok().filter(std::fs::Metadata::is_file)?;
    let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Stamp {
        bytes: metadata.len(),
        changed_us: i64::try_from(changed.as_micros()).unwrap_or(i64::MAX),
        companion_us: 0,
    })
}

#[cfg(test)]
mod tests;
