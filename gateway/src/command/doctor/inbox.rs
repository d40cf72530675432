//! What `doctor` finds about batches that wait for an operator: those that are set aside, and a relay that is paused.

use super::{Findings, Verdict};
use crate::config::Config;
use crate::journal::{ROWS_MAX, Reader};

const CHECK: &str = "relay";

/// Looks; a journal that cannot be read has a finding of its own.
pub(super) fn look(config: &Config, findings: &mut Findings) {
    let read = Reader::open(&config.journal.place).and_then(|reader| {
        let aside = reader.set_aside(None)?;
        Ok((aside, reader.relay_paused()?))
    });
    let Ok((aside, paused)) = read else { return };
    if paused {
        let what = "an operator paused it: what is accepted waits";
        findings.add(Verdict::Warn, CHECK, what, "shuguan relay resume");
    }
    if let Some(first) = aside.first() {
        let reason = first.reason.as_deref().unwrap_or("a reason that is not noted");
        let more = if aside.len() < ROWS_MAX as usize {
            ""
        } else {
            " or more"
        };
        let what = format!(
            "{}{more} batches are set aside, the first ({}) for {reason}",
            aside.len(),
            first.exchange
        );
        let next = format!("shuguan relay list; shuguan explain {reason}");
        findings.add(Verdict::Warn, CHECK, what, next);
    }
    if !paused && aside.is_empty() {
        findings.ok(CHECK, "nothing waits for an operator");
    }
}
