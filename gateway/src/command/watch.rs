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
use super::push;
use super::sheet::SheetArgs;
use crate::client::deliver::{
    Asked, Feed, Progress, Pushed, Undelivered, attempt_once, bring_back, constants, digest_of, wait_before,
};
use crate::client::outbox::{Item, Outbox, Said, beside};
use crate::client::state::{Done, PushState, state_path};
use crate::client::tied::Tie;
use crate::client::{CallError, Client, Problem, connect};
use crate::clock::Clock;
use crate::durable::write_whole;
use crate::hex::hex;
use crate::refusal::Refusal;

mod fate;
mod known;
mod refused;

use fate::{Fate, fate_of, has_changed, problem_csv, unheard};
use known::Known;

/// Keeps two watchers out of one folder.
const LOCK: &str = ".shuguan-watch.lock";
/// How long a folder rests after a refusal that is not about a file.
const REST_US: i64 = 60_000_000;
/// No quota is of more than a day.
const DAY_S: u64 = 86_400;

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
            self.tell_faults(found.faults);
            let mut wait = None;
            let mut sent = 0;
            for item in &found.ready {
                let folder = item.file.parent().unwrap_or(Path::new("")).to_owned();
                if self.resting.get(&folder).is_some_and(|until| *until > now_us) {
                    continue;
                }
                let fate = self.attempt(item).await?;
                sent += u32::from(!matches!(fate, Fate::Changed | Fate::Unread(_)));
                wait = self.conclude(item, folder, fate).await?;
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

    /// Sends one file once.
    async fn attempt(&self, item: &Item) -> Result<Fate, Failure> {
        let refused = |refusal: Refusal, why: &str| {
            let problem = Problem {
                code: refusal.code().into(),
                title: refusal.zh().into(),
                detail: Some(why.to_owned()),
                ..Problem::default()
            };
            Ok(Fate::refused(&problem))
        };
        // Before anything else, because every other fate is written down in it.
        let path = state_path(&item.file, None);
        let before = match PushState::load(&path) {
            Ok(before) => before,
            Err(failure) => return Ok(Fate::Unread(failure.to_string())),
        };
        let Some(record) = &item.said.record else {
            return refused(
                Refusal::UnknownRecordType,
                "the folder stands for no record type: name it like `public-security/resident`, or put a drop.toml into it",
            );
        };
        let Some(purpose) = &item.said.purpose else {
            return refused(
                Refusal::MissingPurpose,
                "add `--purpose P`, or `purpose = \"P\"` to a drop.toml",
            );
        };
        let companion = match &item.companion {
            Ok(companion) => companion.clone(),
            Err(why) => return refused(Refusal::BadRequest, &format!("the companion file: {why}")),
        };
        let digest = match digest_of(&item.file) {
            Ok(digest) => digest,
            Err(_) if has_changed(item) => return Ok(Fate::Changed),
            Err(failure) => return Ok(Fate::Unread(failure.what)),
        };
        if companion.sha256.is_some_and(|stated| stated != digest) {
            return refused(Refusal::BadDigest, "the file is not the one that its companion states");
        }
        let (stated, charset) = (item.said.content_type.as_deref(), item.said.charset.as_deref());
        let content_type = match item.said.layout {
            Some(_) => Some(push::of_layout(stated, charset)),
            None => match push::content_type(stated, charset, &SheetArgs::default(), &item.file) {
                Ok(content_type) => content_type,
                Err(failure) => return refused(Refusal::UnsupportedType, &failure.what),
            },
        };
        let mut feed = Feed {
            file: &item.file,
            record,
            purpose,
            content_type,
            asked: Asked {
                mode: item.said.mode.clone(),
                scope: item.said.scope.clone(),
                count: companion.count,
                layout: item.said.layout.clone(),
                constants: constants(&besides(&companion.constants, item.said.constants.as_deref())),
            },
            state: None,
            receipt: Some(beside(&item.file, "ack")),
            tie: Some(self.watch.tie),
            again: false,
            patience: Duration::ZERO,
        };
        let before = match before {
            Some(_) => {
                match bring_back(&feed, &path, &hex(&digest)) {
                    Ok(()) => {}
                    Err(_) if has_changed(item) => return Ok(Fate::Changed),
                    Err(failure) => return Ok(Fate::Unread(failure.to_string())),
                }
                PushState::load(&path)?
            }
            None => None,
        };
        let known = if before.is_some() {
            Known::Nothing
        } else {
            let open = self.outbox.unanswered(&hex(&digest));
            known::of(item, self.trust, &feed, &digest, &open)?
        };
        match known {
            Known::Nothing => {}
            Known::Delivered { exchange, by } => return Ok(Fate::Known { exchange, by }),
            Known::OtherReceipt(why) => {
                self.log(
                    item,
                    json!({ "state": "fault", "why": format!("the receipt beside it is not its own: {why}") }),
                );
            }
        }
        forget_refusal(item, before)?;
        // A companion that came or went since does not make another batch of what was sent, and may have been accepted.
        if let Some(before) = PushState::load(&path)?
            && before.is_of(&hex(&digest), record, purpose, &feed.asked.canonical())
        {
            feed.asked.count = before.count();
        }
        let fate = self.send(item, &feed, &digest).await?;
        // It was not accepted with the count of before, so it can go with that of now.
        let is_open = || PushState::load(&path).map(|state| state.is_some_and(|state| state.is_open()));
        if matches!(fate, Fate::Refused { .. }) && feed.asked.count != companion.count && !is_open()? {
            PushState::forget(&path)?;
            feed.asked.count = companion.count;
            return self.send(item, &feed, &digest).await;
        }
        Ok(fate)
    }

    async fn send(&self, item: &Item, feed: &Feed<'_>, digest: &[u8; 32]) -> Result<Fate, Failure> {
        match attempt_once(self.client, self.trust, feed, &Progress::hidden()).await {
            Ok(pushed) => Ok(Fate::Accepted(Box::new(pushed))),
            Err(Undelivered::Call(error)) => Ok(fate_of(item, refused::with_rows(self.client, error).await)),
            Err(Undelivered::Unheard(sent_us)) => Ok(match known::unnoted(item, self.trust, feed, digest)? {
                Some(Known::Delivered { exchange, by }) => Fate::Known { exchange, by },
                _ => Fate::Unheard(sent_us),
            }),
            // A file that was taken away or changed is no failure of this machine.
            Err(Undelivered::Failed(_)) if has_changed(item) => Ok(Fate::Changed),
            Err(Undelivered::Failed(failure)) => Err(failure),
        }
    }

    /// Writes down what became of a file; gives how long to wait when nothing can be sent now.
    async fn conclude(&mut self, item: &Item, folder: PathBuf, fate: Fate) -> Result<Option<Duration>, Failure> {
        let err = beside(&item.file, "err");
        match fate {
            Fate::Accepted(pushed) => {
                self.failures = 0;
                if let Err(error) = self.write_rejects(&pushed, &err).await {
                    return Ok(Some(self.later(item, &error)));
                }
                self.finish(item, true)?;
                self.note_exit(if pushed.rejected > 0 { Exit::Partial } else { Exit::Done });
                let line = json!({
                    "state": "accepted", "record": item.said.record, "exchange": pushed.exchange, "index": pushed.index,
                    "received": pushed.received, "accepted": pushed.accepted, "rejected": pushed.rejected,
                    "filtered": pushed.filtered, "repeated": pushed.repeated, "replayed": pushed.replayed,
                });
                self.log(item, line);
                Ok(None)
            }
            Fate::Known { exchange, by } => {
                self.finish(item, true)?;
                self.log(item, json!({ "state": "known", "exchange": exchange, "by": by }));
                Ok(None)
            }
            Fate::Refused { code, title, report } => {
                self.failures = 0;
                self.refuse(item, &err, &report)?;
                self.note_exit(Exit::Refused);
                self.log(item, json!({ "state": "refused", "code": code, "title": title }));
                Ok(None)
            }
            Fate::Unheard(sent_us) => {
                self.refuse(item, &err, &problem_csv(&unheard(sent_us)))?;
                self.note_exit(Exit::Unheard);
                self.log(item, json!({ "state": "unheard", "sent": time::format(sent_us) }));
                Ok(None)
            }
            Fate::Barred { code, title } => {
                self.note_exit(Exit::Refused);
                self.rest(folder, REST_US);
                self.log(
                    item,
                    json!({ "state": "barred", "code": code, "title": title, "again_s": REST_US / 1_000_000 }),
                );
                Ok(None)
            }
            Fate::Spent { error, again_s } => {
                self.failures = 0;
                self.note_exit(Exit::Unreached);
                let again_s = again_s.clamp(1, DAY_S);
                self.rest(folder, i64::try_from(again_s * 1_000_000).unwrap_or(REST_US));
                self.log_waiting(item, &error, again_s * 1_000);
                Ok(None)
            }
            Fate::Unread(why) => {
                self.tell_faults(vec![(item.file.clone(), why)]);
                Ok(None)
            }
            Fate::Later(error) => Ok(Some(self.later(item, &error))),
            Fate::Changed => {
                self.log(item, json!({ "state": "changed" }));
                Ok(None)
            }
        }
    }

    /// The report beside the file, which is not sent again while that is there.
    fn refuse(&mut self, item: &Item, err: &Path, report: &str) -> Result<(), Failure> {
        write_whole(err, report.as_bytes())
            .map_err(|error| Failure::local(format!("cannot write `{}`", err.display())).because(error))?;
        self.finish(item, false)
    }

    fn later(&mut self, item: &Item, error: &CallError) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.note_exit(Exit::Unreached);
        let wait = wait_before(self.failures, error.retry().flatten());
        let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.log_waiting(item, error, ms);
        wait
    }

    /// Nothing of that folder is sent for so long.
    fn rest(&mut self, folder: PathBuf, us: i64) {
        self.resting.insert(folder, self.clock.now_us().saturating_add(us));
    }

    fn log_waiting(&self, item: &Item, error: &CallError, again_ms: u64) {
        self.log(
            item,
            json!({ "state": "waiting", "why": error.to_string(), "again_ms": again_ms }),
        );
    }

    /// The rejects of a batch that was accepted; without any, an `.err` of an earlier attempt goes away.
    async fn write_rejects(&self, pushed: &Pushed, err: &Path) -> Result<(), CallError> {
        let failed = |error: std::io::Error| CallError::Network(error.to_string());
        if pushed.rejected == 0 {
            return match std::fs::remove_file(err) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
                _ => Ok(()),
            };
        }
        let path = format!("/v1/exchanges/{}/rejects?format=csv", pushed.exchange);
        let report = connect::read(self.client.get(&path, &[]).await?).await?;
        write_whole(err, &report).map_err(failed)
    }

    /// The last thing that is written of a file: from here on it is not sent again.
    fn finish(&mut self, item: &Item, accepted: bool) -> Result<(), Failure> {
        let path = state_path(&item.file, None);
        // What was refused on this side was never sent and has no key.
        let mut state = match PushState::load(&path)? {
            Some(state) => state,
            None => PushState::of(&path, "", "", "", "", "")?,
        };
        state.done = Some(Done {
            accepted,
            stamp: item.stamp,
        });
        state.save(&path)?;
        self.outbox.answered(item, accepted);
        Ok(())
    }

    fn note_exit(&mut self, exit: Exit) {
        // The order in which a script wants to know of them.
        let weight = |exit: Exit| {
            [Exit::Done, Exit::Partial, Exit::Refused, Exit::Unheard, Exit::Unreached]
                .iter()
                .position(|e| *e == exit)
        };
        if self.watch.once && weight(exit) > weight(self.worst) {
            self.worst = exit;
        }
    }

    fn tell_faults(&mut self, faults: Vec<(PathBuf, String)>) {
        for (path, fault) in faults {
            if self.faults.insert(path.clone(), fault.clone()).as_ref() != Some(&fault) {
                self.line(json!({ "file": path.display().to_string(), "state": "fault", "why": fault }));
                self.note_exit(Exit::Refused);
            }
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

/// A refused file whose `.err` was taken away is new: its old key would only repeat the old answer. One that may have been taken keeps its key, until a person
/// who was told that it cannot be repeated takes the `.err` away.
fn forget_refusal(item: &Item, before: Option<PushState>) -> Result<(), Failure> {
    let path = state_path(&item.file, None);
    let Some(state) = before.filter(|state| state.done.is_some_and(|done| !done.accepted)) else {
        return Ok(());
    };
    // One that is refused and open was told of; that time has passed is not enough.
    if state.is_open() && (!state.refused || beside(&item.file, "err").is_file()) {
        return PushState { done: None, ..state }.save(&path);
    }
    PushState::forget(&path)
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

/// What the companion states of the file, and of what the folder states that of which the companion says nothing.
fn besides(own: &[String], of_folder: Option<&str>) -> Vec<String> {
    fn field(member: &str) -> &str {
        member.split_once('=').map_or(member, |(field, _)| field).trim()
    }
    let is_said = |member: &&str| own.iter().any(|own| field(own) == field(member));
    let more = of_folder.into_iter().flat_map(|text| text.split(',')).map(str::trim);
    let more = more
        .filter(|member| !member.is_empty() && !is_said(member))
        .map(str::to_owned);
    own.iter().cloned().chain(more).collect()
}
