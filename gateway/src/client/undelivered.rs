//! Why a file was not delivered, and whether that says anything of another.

use std::path::Path;

use shuguan_ledger::time;

use super::{CallError, Client};
use crate::client::feed::Feed;
use crate::command::exit::{Exit, Failure};

/// Why a file was not delivered.
#[derive(Debug)]
pub enum Undelivered {
    /// The gateway did not take it, or was not reached.
    Call(CallError),
    /// A failure on this side that is about this file: another one may be delivered all the same.
    OfFile(Failure),
    /// A failure on this side, or a receipt that does not verify.
    Failed(Failure),
    /// It was sent first at this moment, microseconds since 1970, and its answer never came, and the gateway would not know it for the same: sent again it could
    /// be taken twice.
    Unheard(i64),
    /// Another push of this file runs, and did for as long as this one would wait.
    Busy,
}

impl From<Failure> for Undelivered {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Undelivered {
    /// Whether it says nothing of another file.
    pub fn is_of_one_file(&self) -> bool {
        match self {
            Self::Call(CallError::Problem(problem)) => problem.is_of_one_file(),
            Self::Call(_) | Self::Failed(_) => false,
            Self::OfFile(_) | Self::Unheard(_) | Self::Busy => true,
        }
    }

    /// What the person at the keyboard is told.
    pub fn failure(self, client: &Client, feed: &Feed<'_>) -> Failure {
        match self {
            Self::Call(error) => {
                let (address, file) = (client.address(), feed.file.display());
                error.failure(&format!("POST {address}/v1/feeds/{} · {file}", feed.record))
            }
            Self::OfFile(failure) | Self::Failed(failure) => failure,
            Self::Unheard(sent_us) => unheard(feed.file, sent_us),
            Self::Busy => Failure::local("another push of this file runs")
                .at(feed.file.display().to_string())
                .because("two at the same time would send it as two batches")
                .then("wait for it, or wait longer with --timeout SECONDS: what it sends is then told here too"),
        }
    }
}

/// Why what was never answered is not sent again: a week has passed, or the gateway does not say under the same key what it answered then.
pub fn why_unheard(sent_us: i64) -> String {
    let sent = time::format(sent_us);
    format!(
        "it was sent at {sent} and never answered; the gateway knows a key for 7 days, and for the content as it was declared then, and would take as new what it may have taken"
    )
}

fn unheard(file: &Path, sent_us: i64) -> Failure {
    Failure::new(Exit::Unheard, "whether the gateway took this file before is not known")
        .at(file.display().to_string())
        .because(why_unheard(sent_us))
        .then("shuguan reconcile DIR --trust FILE --server: an exchange of this record type, length and time that is `missing-here` says that it was taken, then shuguan receipt EXCHANGE; without one, push --again")
}
