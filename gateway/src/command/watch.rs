//! `shuguan push --watch DIR`: what front-end machines (前置机) put into a folder is sent, once, in order.
//!
//! Takes a folder and the choices of `push`; gives a receipt (`.ack`) or rejects (`.err`) beside each file and one JSON line a file on stdout.
//! The key is on disk before anything is sent and what became of the file after everything else, so a crash at any moment repeats at most
//! a request, which gets its first answer (C4). A gateway that is down is waited for; a file is never given up for that. A file that was taken stays taken:
//! without its companion, moved to another folder below, or with its state lost.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use shuguan_ledger::time;
use shuguan_ledger::trust::Trust;
use tokio::signal::unix::{SignalKind, signal};

use super::exit::{Exit, Failure};
use super::output::Output;
use crate::client::Client;
use crate::client::declared::Declared;
use crate::client::deliver::attempt_once;
use crate::client::outbox::{Item, Outbox, Said, beside};
use crate::client::place::Place;
use crate::client::progress::Progress;
use crate::client::state::{PushState, Standing};
use crate::client::tied::Tie;
use crate::client::undelivered::Undelivered;
use crate::clock::Clock;

mod conclude;
mod fate;
mod known;
mod meant;
mod refused;
mod taken_back;

use fate::{Fate, fate_of, has_changed, unread};
use known::Known;
use meant::meant;
use taken_back::unless_taken_back;

/// Keeps two watchers out of one folder.
const LOCK: &str = ".shuguan-watch.lock";

/// The choices of the command line.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    /// The folder.
    pub folder: &'a Path,
    /// Record type, where no folder says it.
    pub record: Option<&'a str>,
    /// Purpose, where no `drop.toml` says it.
    pub purpose: Option<&'a str>,
    /// Charset, when detection is wrong.
    pub charset: Option<&'a str>,
    /// Content type, when detection is wrong.
    pub content_type: Option<&'a str>,
    /// Layout that the gateway knows.
    pub layout: Option<&'a str>,
    /// Ends after what is there now.
    pub once: bool,
    /// A file that has not changed for so long is complete.
    pub settle_s: u32,
    /// Time between two looks.
    pub poll_ms: u32,
    /// Ties receipts to files.
    pub tie: &'a Tie,
}

/// Watches until SIGTERM, or once.
pub async fn run(watch: &Watch<'_>, client: &Client, trust: &Trust, output: &Output) -> Result<Exit, Failure> {
    let _lock = lock(watch.folder)?;
    let said = Said {
        record: watch.record.map(str::to_owned),
        purpose: watch.purpose.map(str::to_owned),
        charset: watch.charset.map(str::to_owned),
        content_type: watch.content_type.map(str::to_owned),
        layout: watch.layout.map(str::to_owned),
        ..Said::default()
    };
    let mut watcher = Watcher {
        watch,
        client,
        trust,
        output,
        clock: Clock::system(),
        outbox: Outbox::new(watch.folder, said, watch.settle_s),
        resting: BTreeMap::new(),
        faults: BTreeMap::new(),
        failures: 0,
        worst: Exit::Done,
    };
    output.note(format!("watching {}", watch.folder.display()));
    // What was not acknowledged comes again with its key, so the work may be dropped wherever it waits.
    tokio::select! {
        ended = watcher.work() => ended?,
        told = stop_signal() => told?,
    }
    output.note("stopped");
    Ok(watcher.worst)
}

struct Watcher<'a> {
    watch: &'a Watch<'a>,
    client: &'a Client,
    trust: &'a Trust,
    output: &'a Output,
    clock: Clock,
    outbox: Outbox,
    /// Folders that rest, and until when.
    resting: BTreeMap<PathBuf, i64>,
    /// Faults that were told, so that each is told once.
    faults: BTreeMap<PathBuf, String>,
    /// Attempts in a row that did not reach the gateway.
    failures: u32,
    /// For `--once`: what the process ends with.
    worst: Exit,
}

impl Watcher<'_> {
    async fn work(&mut self) -> Result<(), Failure> {
        let poll = Duration::from_millis(self.watch.poll_ms.max(10).into());
        loop {
            let now_us = self.clock.now_us();
            let found = self.outbox.look(now_us);
            for (path, fault) in found.faults {
                self.tell_fault(path, fault, Exit::Refused);
            }
            let mut wait = None;
            let mut sent = 0;
            for item in &found.ready {
                let folder = item.file.parent().unwrap_or(Path::new("")).to_owned();
                if self.resting.get(&folder).is_some_and(|until| *until > now_us) {
                    continue;
                }
                let (is_news, later) = self.deliver(item, folder).await?;
                sent += u32::from(is_news);
                wait = later;
                if wait.is_some() {
                    break;
                }
            }
            if self.watch.once && (sent == 0 || self.worst == Exit::Unreached) && found.waiting == 0 {
                return Ok(());
            }
            // After files were sent there may be more by now; otherwise nothing is urgent.
            if sent == 0 || wait.is_some() {
                tokio::time::sleep(wait.unwrap_or(poll)).await;
            }
        }
    }

    /// Sends one file once and writes down what became of it, and nobody else may send it meanwhile; gives whether anything did, and how long to wait when
    /// nothing can be sent now.
    async fn deliver(&mut self, item: &Item, folder: PathBuf) -> Result<(bool, Option<Duration>), Failure> {
        // Before anything else, because every other fate is written down in it.
        let mut place = match Place::take(&item.file, None, Duration::ZERO).await {
            Ok(place) => place,
            // A file that was taken away, with its folder perhaps, is no failure of this machine.
            Err(Undelivered::Failed(_) | Undelivered::OfFile(_)) if has_changed(item) => {
                self.log(item, json!({ "state": "changed" }));
                return Ok((false, None));
            }
            Err(Undelivered::Failed(failure)) => return Err(failure),
            Err(Undelivered::OfFile(failure)) => {
                self.tell_fault(item.file.clone(), failure.to_string(), Exit::Refused);
                return Ok((false, None));
            }
            Err(_) => {
                self.tell_busy(item);
                return Ok((false, None));
            }
        };
        let fate = match meant(item, self.watch.tie) {
            Ok(stated) => {
                let fate = self.attempt(item, &stated, &mut place).await?;
                unless_taken_back(self.client, fate).await
            }
            Err(fate) => fate,
        };
        let is_news = fate.is_news();
        let wait = self.conclude(item, folder, fate, &mut place).await?;
        Ok((is_news, wait))
    }

    /// Sends it, unless it was delivered before. What was refused for the count of before goes with that of now: it was not accepted, so it can.
    async fn attempt(&self, item: &Item, stated: &Declared<'_>, place: &mut Place) -> Result<Fate, Failure> {
        match self.known(item, stated, place) {
            Ok(None) => {}
            Ok(Some(fate)) => return Ok(fate),
            Err(failure) => return Ok(unread(item, failure.to_string())),
        }
        forget_refusal(item, place)?;
        let fate = self.send(item, stated, place).await?;
        let is_counted_otherwise = |state: &PushState| state.batch().count() != stated.feed.asked.count;
        let is_free = |state: &PushState| !state.was_sent() && is_counted_otherwise(state);
        if matches!(fate, Fate::Refused { .. }) && place.there().is_some_and(is_free) {
            return self.send(item, stated, place).await;
        }
        Ok(fate)
    }

    /// Whether it was delivered, by what lies aside of its place or elsewhere; a state that made way comes back.
    fn known(&self, item: &Item, stated: &Declared<'_>, place: &mut Place) -> Result<Option<Fate>, Failure> {
        if place.there().is_some() {
            place.bring_back(&stated.batch())?;
            return Ok(None);
        }
        let open = self.outbox.unanswered(&stated.hex);
        match known::of(item, self.trust, stated, place, &open)? {
            Known::Nothing => Ok(None),
            Known::Delivered { exchange, by } => Ok(Some(Fate::Known { exchange, by })),
            Known::OtherReceipt(why) => {
                let why = format!("the receipt beside it is not its own: {why}");
                self.log(item, json!({ "state": "fault", "why": why }));
                Ok(None)
            }
        }
    }

    async fn send(&self, item: &Item, stated: &Declared<'_>, place: &mut Place) -> Result<Fate, Failure> {
        match attempt_once(self.client, self.trust, stated, place, &Progress::hidden()).await {
            Ok(pushed) => Ok(Fate::Accepted(Box::new(pushed))),
            Err(Undelivered::Call(error)) => Ok(fate_of(item, refused::with_rows(self.client, error).await)),
            Err(Undelivered::Unheard(sent_us)) => Ok(match known::unnoted(item, self.trust, stated, place)? {
                Some(Known::Delivered { exchange, by }) => Fate::Known { exchange, by },
                _ => Fate::Unheard(sent_us),
            }),
            // A file that was taken away or changed is no failure of this machine.
            Err(Undelivered::Failed(_) | Undelivered::OfFile(_)) if has_changed(item) => Ok(Fate::Changed),
            // Others behind it are not held up.
            Err(Undelivered::OfFile(failure)) => Ok(Fate::refused_by(failure)),
            // The place is ours already.
            Err(Undelivered::Busy) => Ok(Fate::Changed),
            Err(Undelivered::Failed(failure)) => Err(failure),
        }
    }

    fn note_exit(&mut self, exit: Exit) {
        if self.watch.once {
            self.worst = self.worst.or_worse(exit);
        }
    }

    /// Another push has it: what comes of that is found when it ended.
    fn tell_busy(&mut self, item: &Item) {
        let why = "another push of this file runs";
        self.tell_fault(item.file.clone(), why.to_owned(), Exit::Unreached);
    }

    fn tell_fault(&mut self, path: PathBuf, fault: String, exit: Exit) {
        if self.faults.insert(path.clone(), fault.clone()).as_ref() != Some(&fault) {
            self.line(json!({ "file": path.display().to_string(), "state": "fault", "why": fault }));
            self.note_exit(exit);
        }
    }

    fn log(&self, item: &Item, mut line: Value) {
        if let Some(members) = line.as_object_mut() {
            members.insert("file".into(), item.shown.clone().into());
        }
        self.line(line);
    }

    fn line(&self, mut line: Value) {
        if let Some(members) = line.as_object_mut() {
            members.insert("t".into(), time::format(self.clock.now_us()).into());
        }
        self.output.line(line.to_string());
    }
}

/// A refused file whose `.err` was taken away is new: its old key would only repeat the old answer. One that was taken, or may have been, keeps its key; of the
/// latter until a person who was told that it cannot be repeated takes the `.err` away, for that time has passed is not enough.
fn forget_refusal(item: &Item, place: &mut Place) -> Result<(), Failure> {
    let is_refused = |state: &PushState| state.done.is_some_and(|done| !done.accepted);
    let Some(state) = place.there().cloned().filter(is_refused) else {
        return Ok(());
    };
    let is_kept = match state.standing {
        Standing::Sent(_) | Standing::Answered(_) => true,
        Standing::Told(_) => beside(&item.file, "err").is_file(),
        Standing::Unsent | Standing::Refused => false,
    };
    if is_kept {
        place.keep(PushState { done: None, ..state })
    } else {
        place.forget()
    }
}

/// One watcher a folder: two would send a file twice before either has written down its key.
fn lock(folder: &Path) -> Result<File, Failure> {
    let path = folder.join(LOCK);
    let unusable = |error: &dyn std::fmt::Display| {
        Failure::local(format!("cannot watch `{}`", folder.display()))
            .because(error)
            .then("the folder must exist and be writable: answers are written beside the files")
    };
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|error| unusable(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::local("another `shuguan push --watch` has this folder").at(path.display().to_string()))
        }
        Err(TryLockError::Error(error)) => Err(unusable(&error)),
    }
}

/// SIGTERM or SIGINT.
async fn stop_signal() -> Result<(), Failure> {
    let broken = |error: std::io::Error| Failure::local("cannot listen for signals").because(error);
    let mut term = signal(SignalKind::terminate()).map_err(broken)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(broken)?;
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
