//! Which log stands at a place: volumes and successors, and the keys that sign for them.
//!
//! Takes `log-close`, `log-open`, `log-gap` and `key` leaves in the order of the log; keeps the name that stands here, those that stood before, and whose keys
//! sign which sizes. Refuses names that do not name each other, a name that a log had before, a gap that is not stated whole, a close that the trust file
//! knows elsewhere or for another, and a key that nobody who is trusted is seen to vouch for.

use super::LogVerifier;
use crate::keys::{KeySpan, LogKeys, RECEIPT_SUITE, RETIRED};
use crate::leaf::{Digest, Event, KeyEvent, LogCloseEvent, LogOpenEvent};

impl LogVerifier {
    /// The log that stands here ends with this leaf.
    pub(super) fn closes(&mut self, index: u64, event: &LogCloseEvent) -> Result<(), String> {
        if self.origin.as_ref().is_some_and(|origin| *origin != event.log)
            || self.turned.as_ref().is_some_and(|turned| *turned != event.log)
        {
            return Err(format!(
                "it ends `{}`, and that is not the log that stands here",
                event.log
            ));
        }
        let is_free = event.next != event.log && !self.had(&event.next);
        let successor = event.successor(index).filter(|_| is_free);
        let successor = successor.ok_or("what it says of its successor cannot be")?;
        let known = self.trust.keys_of(&event.next);
        let begins_there = |span: &KeySpan| !span.is_stated() || span.from() == successor.from();
        let is_it =
            |span: &KeySpan| span.key() == successor.key() && span.covers(successor.from()) && begins_there(span);
        if !known.spans().is_empty() && !known.spans().iter().any(is_it) {
            return Err(format!(
                "the key that it names is not the one that `{}` is known to begin with, or not here",
                event.next
            ));
        }
        let ending = self.keys_of(&event.log);
        if known.spans().is_empty() && ending.known_beyond(index) {
            return Err(format!(
                "`{}` is known to end elsewhere or for another successor than `{}`",
                event.log, event.next
            ));
        }
        ending.close(index).map_err(|fault| fault.to_string())?;
        self.origin = Some(event.log.clone());
        self.closed = Some(event.clone());
        Ok(())
    }

    /// The successor that the leaf before this one names begins here, and nothing is lost.
    pub(super) fn opens(&mut self, index: u64, event: &LogOpenEvent, closed: &LogCloseEvent) -> Result<(), String> {
        if (&event.log, &event.of) != (&closed.next, &closed.log) {
            return Err(format!(
                "it opens `{}` after `{}`, and the leaf before it closed `{}` for `{}`",
                event.log, event.of, closed.log, closed.next
            ));
        }
        let root = Digest(self.edge.root());
        if (event.kept, event.size, event.root) != (index, index, root)
            || event.why != closed.why
            || event.had.is_some()
        {
            return Err(format!("what it says of the end of `{}` is not so", closed.log));
        }
        // Who trusts a key that signed the last checkpoint needs no other word for the key that it names.
        if self.trust.keys_of(&event.log).spans().is_empty() && self.vouched == index {
            let key = closed.successor(index.saturating_sub(1));
            self.keys.insert(event.log.clone(), LogKeys::of(key));
        }
        let is_witnessed = self.witnessed.as_ref().is_some_and(|(size, _)| *size == index);
        if self.trust.quorum().is_some() && !is_witnessed {
            self.unwitnessed_ends.push((event.of.clone(), index));
        }
        self.begins(event);
        Ok(())
    }

    pub(super) fn keys_of(&mut self, log: &str) -> &mut LogKeys {
        let trust = &self.trust;
        self.keys.entry(log.to_owned()).or_insert_with(|| trust.keys_of(log))
    }

    /// A key begins or ends here. Only of its own log does a log speak; and a key that nobody but the log itself names may be left as the only one when a
    /// checkpoint has shown that the keys before it vouch for it: one that they signed together. Without that, two leaves would lead from a trusted
    /// key to any other, and nothing that a trusted key ever signed would be needed.
    pub(super) fn key_changed(&mut self, index: u64, event: &KeyEvent) -> Result<(), String> {
        if event.suite == RECEIPT_SUITE {
            // It signs answers, and no checkpoint.
            return Ok(());
        }
        let log = event.log().to_owned();
        let here = self.origin.as_ref().or(self.turned.as_ref());
        if here.is_some_and(|here| *here != log) {
            return Err(format!("it names a key of `{log}`, of which this log cannot speak"));
        }
        let is_of = |span: &&KeySpan| span.key().vkey() == event.of;
        if event.act == RETIRED && self.trust.keys_of(&log).spans().iter().all(|span| !is_of(&span)) {
            let began = self.keys_of(&log).spans().iter().find(is_of).map(KeySpan::from);
            if began.is_none_or(|began| self.vouched < began) {
                return Err("it leaves a key alone that no trusted key is seen to vouch for: give the trust file that names it, or the \
                    checkpoints that both signed"
                    .into());
            }
        }
        let applied = self.keys_of(&log).apply(index, event);
        applied.map_err(|fault| fault.to_string())?;
        self.turned = Some(log);
        Ok(())
    }

    /// Each lost entry has its leaf, so that an index means one entry for ever.
    pub(super) fn within_gap(&mut self, index: u64, event: &Event) -> Result<(), String> {
        if let Event::LogGap(gap) = event
            && self.is_within_hashed_gap(&gap.of)
        {
            self.hashed_gap = Some(gap.of.clone());
            return Ok(());
        }
        let lost = self.succeeded.last().filter(|last| index < last.size);
        match (lost, event) {
            (None, Event::LogGap(_)) => Err("no entry of another log is lost here".into()),
            (Some(last), Event::LogGap(gap)) if gap.of == last.of => Ok(()),
            (Some(last), _) => Err(format!(
                "here an entry of `{}` is lost, and it says something else",
                last.of
            )),
            (None, _) => Ok(()),
        }
    }

    /// Whether the leaf that opened a log after a loss may be among the hashes, so that its gap goes on with the first leaves: nothing but such leaves
    /// came yet, all of one lost log.
    fn is_within_hashed_gap(&self, of: &str) -> bool {
        let first = self.hashed_gap.is_none() && self.span.is_none();
        let only_gaps = self.kinds.keys().all(|kind| *kind == "log-gap");
        self.hashed > 0 && only_gaps && (first || self.hashed_gap.as_deref() == Some(of))
    }

    /// From here on another log stands here, with the entries before this one in common.
    pub(super) fn succeeds(&mut self, index: u64, event: &LogOpenEvent) -> Result<(), String> {
        let had_that_name = self.had(&event.log);
        let of_itself = [Some(&event.of), event.had.as_ref()].contains(&Some(&event.log));
        if event.kept != index
            || event.size <= index
            || of_itself
            || event.had.as_ref() == Some(&event.of)
            || had_that_name
        {
            return Err("what it says of the log that it succeeds cannot be".into());
        }
        let before = event.had.as_ref().unwrap_or(&event.of);
        if self.origin.as_ref().is_some_and(|origin| origin != before) {
            return Err(format!("it succeeds `{before}`, and that is not the log before it"));
        }
        if self.turned.as_ref().is_some_and(|turned| turned != before) {
            return Err("the log before it spoke of keys of another".into());
        }
        self.begins(event);
        Ok(())
    }

    /// Whether a log before this place had that name, one that is lost whole too.
    fn had(&self, name: &str) -> bool {
        let names =
            |one: &LogOpenEvent| [Some(&one.log), Some(&one.of), one.had.as_ref()].contains(&Some(&name.to_owned()));
        self.succeeded.iter().any(names)
    }

    fn begins(&mut self, event: &LogOpenEvent) {
        self.turned = None;
        self.origin = Some(event.log.clone());
        self.succeeded.push(event.clone());
    }
}
