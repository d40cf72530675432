//! What is written down of a file once it is known what became of it: its companion, its state, a line on stdout.
//!
//! Takes the fate of one file; gives how long to wait when nothing can be sent now. The companion is on disk before the state says that the file is done with, so a
//! crash between them repeats the request under its key. Refuses nothing; a companion or state that cannot be written ends the watcher.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use shuguan_ledger::time;

use super::Watcher;
use super::fate::{Fate, problem_csv, unheard};
use crate::client::batch::Batch;
use crate::client::deliver::{Pushed, wait_before};
use crate::client::outbox::{Item, beside};
use crate::client::place::Place;
use crate::client::state::{Done, PushState};
use crate::client::{CallError, connect};
use crate::command::exit::{Exit, Failure};
use crate::durable::write_whole;

/// How long a folder rests after a refusal that is not about a file.
const REST_US: i64 = 60_000_000;
/// No quota is of more than a day.
const DAY_S: u64 = 86_400;

impl Watcher<'_> {
    /// Writes down what became of a file; gives how long to wait when nothing can be sent now.
    pub(super) async fn conclude(
        &mut self,
        item: &Item,
        folder: PathBuf,
        fate: Fate,
        place: &mut Place,
    ) -> Result<Option<Duration>, Failure> {
        match fate {
            Fate::Accepted(pushed) => return self.accepted(item, place, &pushed).await,
            Fate::Later(error) => return Ok(Some(self.later(item, &error))),
            Fate::Known { exchange, by } => {
                self.finish(item, place, true)?;
                self.log(item, json!({ "state": "known", "exchange": exchange, "by": by }));
            }
            Fate::Refused { code, title, report } => {
                self.failures = 0;
                self.refuse(item, place, &report)?;
                self.note_exit(Exit::Refused);
                self.log(item, json!({ "state": "refused", "code": code, "title": title }));
            }
            Fate::Unheard(sent_us) => self.unheard(item, place, sent_us)?,
            Fate::Barred { code, title } => {
                self.rest(folder, REST_US);
                self.note_exit(Exit::Refused);
                let again_s = REST_US / 1_000_000;
                self.log(
                    item,
                    json!({ "state": "barred", "code": code, "title": title, "again_s": again_s }),
                );
            }
            Fate::Spent { error, again_s } => self.spent(item, folder, &error, again_s),
            Fate::Unread(why) => self.tell_fault(item.file.clone(), why, Exit::Refused),
            Fate::Changed => self.log(item, json!({ "state": "changed" })),
        }
        Ok(None)
    }

    /// Taken: the receipt lies beside the file since it was sent; the rejects follow, and only then is it done with.
    async fn accepted(&mut self, item: &Item, place: &mut Place, pushed: &Pushed) -> Result<Option<Duration>, Failure> {
        self.failures = 0;
        if let Err(error) = self.write_rejects(pushed, &beside(&item.file, "err")).await {
            return Ok(Some(self.later(item, &error)));
        }
        self.finish(item, place, true)?;
        self.note_exit(if pushed.rejected > 0 { Exit::Partial } else { Exit::Done });
        let line = json!({
            "state": "accepted", "record": item.said.record, "exchange": pushed.exchange, "index": pushed.index,
            "received": pushed.received, "accepted": pushed.accepted, "rejected": pushed.rejected,
            "filtered": pushed.filtered, "repeated": pushed.repeated, "replayed": pushed.replayed,
        });
        self.log(item, line);
        Ok(None)
    }

    fn unheard(&mut self, item: &Item, place: &mut Place, sent_us: i64) -> Result<(), Failure> {
        self.refuse(item, place, &problem_csv(&unheard(sent_us)))?;
        self.note_exit(Exit::Unheard);
        self.log(item, json!({ "state": "unheard", "sent": time::format(sent_us) }));
        Ok(())
    }

    fn spent(&mut self, item: &Item, folder: PathBuf, error: &CallError, again_s: u64) {
        self.failures = 0;
        self.note_exit(Exit::Unreached);
        let again_s = again_s.clamp(1, DAY_S);
        self.rest(folder, i64::try_from(again_s * 1_000_000).unwrap_or(REST_US));
        self.log_waiting(item, error, again_s * 1_000);
    }

    /// The report beside the file, which is not sent again while that is there.
    fn refuse(&mut self, item: &Item, place: &mut Place, report: &str) -> Result<(), Failure> {
        let err = beside(&item.file, "err");
        write_whole(&err, report.as_bytes())
            .map_err(|error| Failure::local(format!("cannot write `{}`", err.display())).because(error))?;
        self.finish(item, place, false)
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
    fn finish(&mut self, item: &Item, place: &mut Place, accepted: bool) -> Result<(), Failure> {
        // What was refused on this side was never sent and has no key.
        let nothing = || PushState::new(&Batch::default());
        let state = place.there().cloned().unwrap_or_else(nothing);
        let stamp = item.stamp;
        place.keep(PushState {
            done: Some(Done { accepted, stamp }),
            ..state
        })?;
        self.outbox.answered(item, accepted);
        Ok(())
    }
}
