//! The light of the journal: takes how it stands, at once when a group failed or went in; gives a colour, words for people and the gauge. Refuses nothing.

use std::time::Duration;

use crate::edge::health::{Light, Readiness};
use crate::journal::{Committing, Journal};

/// How often it is looked at; what fails is told at once.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it is asked whether a try is due.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Tells it, and has the journal tried while it does not commit, without end.
pub(super) async fn watch(journal: Journal, readiness: Readiness) {
    let telling = async {
        loop {
            let (light, said) = describe(journal.committing());
            metrics::gauge!("shuguan_journal_commits").set(if light == Light::Red { 0.0 } else { 1.0 });
            readiness.report("journal", light, said);
            // Whichever comes first.
            let _ = tokio::time::timeout(LOOK_EVERY, journal.committing_changed()).await;
        }
    };
    // On its own: a try waits as long as the journal owes it an answer.
    let trying = async {
        let mut tick = tokio::time::interval(TRY_EVERY);
        loop {
            tick.tick().await;
            journal.prove().await;
        }
    };
    tokio::join!(telling, trying);
}

fn describe(committing: Committing) -> (Light, String) {
    match committing {
        Committing::Well => (Light::Green, "it commits".into()),
        Committing::Fails { since, full } => {
            let why = if full { ", for want of room" } else { "" };
            let seconds = since.as_secs();
            (
                Light::Red,
                format!(
                    "it cannot commit, for {seconds} s now{why}; pushes are answered 503; it is tried every few seconds"
                ),
            )
        }
        Committing::NoRoom(since) => (
            Light::Yellow,
            format!(
                "it commits, and the folder of payloads has had no room for {} s now; large pushes are answered 503; it is asked every few seconds",
                since.as_secs()
            ),
        ),
        Committing::Owes(owed) => (
            Light::Red,
            format!(
                "it has not answered for {} s; pushes wait for it or are answered 503",
                owed.as_secs()
            ),
        ),
    }
}
