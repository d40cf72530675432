//! The registry on PostgreSQL: one connection that writes, on a thread with a small runtime of its own.
//!
//! `session` connecting, waiting, giving up · `schema` tables, comments, views, the additive migration · `merge` a turn's parts in one
//! transaction, `look_up` what the table has for their keys, `fingerprints` what of a snapshot stands already, `progress` how far exchanges are, `copy` and `unnest` how rows travel, `note` what is kept beside them, `discrepancy` where sources contradict each other · `ending` the end of a snapshot · `read` a dataset as a stream · `roles` who may do what · `value` values on
//! the wire · `fault` what can go wrong, without a value.
//!
//! An advisory lock keeps a second gateway from writing between our look-up and our COMMIT. After any fault the connection is dropped:
//! a new one knows nothing of a COPY that was begun or of a transaction that failed. When the answer to a COMMIT is lost, the relay asks
//! for the part again, and the progress in the same database says whether it is in.

mod copy;
mod discrepancy;
mod ending;
pub(super) mod fault;
mod fingerprints;
mod look_up;
mod merge;
mod note;
mod numbers;
mod progress;
mod read;
mod recall;
pub(super) mod roles;
pub(super) mod schema;
pub(super) mod session;
mod stamps;
#[cfg(test)]
mod tests;
mod traces;
mod unnest;
mod value;

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;

pub(super) use self::discrepancy::list_them;
pub(super) use self::read::{counts, exchanges_behind, progress_of, stream};
pub(super) use self::schema::sql;
use self::session::Session;
pub(super) use self::traces::trace;
use super::fault::{RegistryFault, Remedy};
use super::schema::{Missing, TableSpec};
use super::{Order, Standing};
use crate::postgres::PostgresSettings;

/// How often an idle connection is tried, so that `/readyz` tells the truth.
const TRY_EVERY: Duration = Duration::from_secs(2);

/// What is done about a database that does not fit or does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Refuse it.
    Strict,
    /// Add what it lacks.
    Migrate,
    /// Wait for a server that does not answer; refuse a database that does not fit.
    Patient,
}

impl Opening {
    /// What becomes of what the database lacks.
    pub(super) fn missing(self) -> Missing {
        match self {
            Self::Migrate => Missing::Add,
            Self::Strict | Self::Patient => Missing::Refuse,
        }
    }
}

/// Starts the writer's thread and waits for its first connection.
///
/// # Errors
/// Whatever keeps it from working, unless it is patient and waiting may help.
pub(super) fn launch(
    settings: PostgresSettings,
    tables: Vec<TableSpec>,
    opening: Opening,
    orders: Receiver<Order>,
    standing: Arc<Mutex<Standing>>,
) -> Result<JoinHandle<()>, RegistryFault> {
    let (told, first) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("registry".into()).spawn(move || {
        let outcome = session::block_on(async {
            let mut session = Session::new(settings, tables);
            let opened = session.open(opening.missing()).await;
            let opened = match opened {
                Err(fault) if opening == Opening::Patient && may_recover(&fault) => {
                    set(&standing, Standing::Awaited(fault.code()));
                    Ok(())
                }
                opened => opened,
            };
            let goes_on = opened.is_ok();
            // The opener waits for this and nothing else.
            let _gone = told.send(opened);
            if goes_on {
                serve(session, orders, &standing).await;
            }
        });
        // Without a runtime nothing was told; the opener sees the channel close.
        drop(outcome);
    });
    let thread = thread.map_err(session::no_thread)?;
    match first.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(fault)) => Err(fault),
        Err(mpsc::RecvError) => Err(RegistryFault::Closed),
    }
}

/// A server that cannot be reached may come; a database that does not fit does not mend itself.
fn may_recover(fault: &RegistryFault) -> bool {
    matches!(fault, RegistryFault::Postgres { .. }) && fault.remedy() == Remedy::Wait
}

fn set(standing: &Mutex<Standing>, to: Standing) {
    *standing.lock().unwrap_or_else(PoisonError::into_inner) = to;
}

/// One order after the other until it is told to close or nobody is left to give one.
async fn serve(mut session: Session, mut orders: Receiver<Order>, standing: &Mutex<Standing>) {
    loop {
        let order = tokio::select! {
            order = orders.recv() => order,
            () = tokio::time::sleep(TRY_EVERY) => {
                let tried = session.try_it().await;
                note(standing, tried.as_ref().err());
                continue;
            }
        };
        // Whoever asked may be gone; then nobody needs the answer.
        match order {
            Some(Order::Merge(parts, answer)) => {
                let merged = merge::merge_parts(&mut session, &parts).await;
                note(standing, merged.as_ref().err());
                let _gone = answer.send(merged);
            }
            Some(Order::Progress(exchange, answer)) => {
                let progress = progress::of_one(&mut session, exchange).await;
                note(standing, progress.as_ref().err());
                let _gone = answer.send(progress);
            }
            Some(Order::Weigh(ending, after, answer)) => {
                let weighed = ending::weigh(&mut session, &ending, &after).await;
                note(standing, weighed.as_ref().err());
                let _gone = answer.send(weighed);
            }
            Some(Order::End(ending, from, answer)) => {
                let closed = ending::close(&mut session, &ending, &from).await;
                note(standing, closed.as_ref().err());
                let _gone = answer.send(closed);
            }
            Some(Order::Recall(recall, answer)) => {
                let undone = recall::undo(&mut session, &recall).await;
                note(standing, undone.as_ref().err());
                let _gone = answer.send(undone);
            }
            Some(Order::Adopt(tables, answer)) => {
                let adopted = session.adopt(tables).await;
                note(standing, adopted.as_ref().err());
                let _gone = answer.send(adopted);
            }
            Some(Order::Close(answer)) => {
                session.close().await;
                let _gone = answer.send(());
                return;
            }
            None => return session.close().await,
        }
    }
}

/// What others see: it answers, or not since when. A batch that it refuses is not its standing.
fn note(standing: &Mutex<Standing>, fault: Option<&RegistryFault>) {
    let mut standing = standing.lock().unwrap_or_else(PoisonError::into_inner);
    *standing = match (fault, *standing) {
        (None, _) => Standing::Ready,
        (Some(fault), before) if fault.remedy() == Remedy::SetAside => before,
        (Some(fault), Standing::Awaited(_)) => Standing::Awaited(fault.code()),
        (Some(fault), _) => Standing::Lost(fault.code()),
    };
}
