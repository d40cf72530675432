//! What a comparison comes to: a word, a sentence, an exit code.
//!
//! Takes the folder, the log and what is named; gives the verdict in the words of `verify`. Refuses nothing.

use super::difference::{Named, What};
use super::folder::Folder;
use super::logged::Log;
use crate::command::exit::Exit;

/// The verdict of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every receipt is borne out, and nothing can have been left out of the log.
    Proven,
    /// So far as the witnesses saw the log, or its list shows that it is whole.
    ProvenInPart,
    /// The entries of the gateway's list are its own word.
    QuorumMissing,
    /// The log ends before a receipt.
    OlderThanKnown,
    /// A receipt is not borne out, a number is kept back, or a file proves nothing.
    Disproven,
}

impl Verdict {
    pub(super) fn of(folder: &Folder, log: &Log, named: &[Named]) -> Self {
        let has = |what| named.iter().any(|one| one.what == what);
        if !folder.unproven.is_empty() || has(What::Contradicted) || has(What::Withheld) {
            return Self::Disproven;
        }
        if has(What::OlderThanKnown) {
            return Self::OlderThanKnown;
        }
        // In a list each entry may stand in a history of its own, unless witnesses saw it; of a whole log the newest entries always wait for them.
        let complete = log.is_complete() && !has(What::AnotherLog);
        match (log.unwitnessed > 0, log.whole, complete) {
            (true, false, _) => Self::QuorumMissing,
            (true, true, _) | (false, _, false) => Self::ProvenInPart,
            (false, _, true) => Self::Proven,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::ProvenInPart => "proven-in-part",
            Self::QuorumMissing => "quorum-missing",
            Self::OlderThanKnown => "older-than-known",
            Self::Disproven => "disproven",
        }
    }

    /// What is proved and differs ends with another code than what is not proved.
    pub(super) fn exit(self, named: &[Named]) -> Exit {
        match self {
            Self::QuorumMissing | Self::OlderThanKnown | Self::Disproven => Exit::NotProven,
            // What was refused before there was an exchange stays in the log for good, and nothing that is done about it takes it away.
            Self::Proven | Self::ProvenInPart if named.iter().all(|one| one.what == What::TurnedAway) => Exit::Done,
            Self::Proven | Self::ProvenInPart => Exit::Partial,
        }
    }

    /// The first line.
    pub(super) fn headline(self, sentence: &str) -> String {
        match self {
            Self::Proven => format!("有效  valid: {sentence}"),
            Self::ProvenInPart => format!("有效  valid as far as is proved below: {sentence}"),
            Self::QuorumMissing | Self::OlderThanKnown => format!("无效  not proven: {sentence}"),
            Self::Disproven => format!("无效  not valid: {sentence}"),
        }
    }

    /// What holds, or what does not.
    pub(super) fn sentence(self, folder: &Folder, log: &Log, (partner, named): (&str, &[Named])) -> String {
        let (receipts, size) = (folder.of(partner), log.size);
        let count = |what| named.iter().filter(|one| one.what == what).count();
        match self {
            Self::Proven | Self::ProvenInPart => format!(
                "the log of {size} entries bears out the {} receipts of `{partner}`; {} differences are named",
                receipts.saturating_sub(count(What::AnotherLog)),
                named.len()
            ),
            Self::QuorumMissing => format!(
                "{} entries of the gateway's list are its own word: the witnesses have not signed them",
                log.unwitnessed
            ),
            Self::OlderThanKnown => {
                format!("the log given ends at {size} entries, and a receipt of `{partner}` proves that it had more")
            }
            Self::Disproven => format!(
                "the log of {size} entries contradicts {} receipts of `{partner}`, lacks {} runs of its numbers, and {} files here prove nothing",
                count(What::Contradicted),
                count(What::Withheld),
                folder.unproven.len()
            ),
        }
    }
}
