//! Turning: where a key of the log begins or ends, and where a volume follows another.
//!
//! Takes the order; gives the leaf that says so, under the checkpoint that it changes. Refuses, as unfit, what the keys or the volumes do not allow.

use shuguan_ledger::leaf::{Digest, Event, LogOpenEvent};

use super::super::log_keys::KeyOrder;
use super::super::store::{StoreFault, Stored, values};
use super::super::volumes::{self, VolumeOrder};
use super::super::{proofread, statements};
use super::{Given, Group, Place, checkpoint_note, unsignable};

impl Group<'_> {
    /// A key of the log begins or ends with the checkpoint over this very group.
    pub(super) fn turn(&mut self, order: &KeyOrder, place: Place<'_>) -> Stored<Given> {
        let (event, turned) = match self.signer().turned(self.edge.size(), order) {
            Ok(turned) => turned,
            Err(fault) => return Ok(Given::Unfit(fault.to_string())),
        };
        let given = self.leaf(&Event::Key(event), None, None, place)?;
        if matches!(given, Given::Leaf { .. }) {
            self.turned = Some(turned);
        }
        Ok(given)
    }

    /// The volume ends with the leaf that names the next one, under its last checkpoint; the next one begins with the leaf that names it.
    pub(super) fn turn_volume(&mut self, order: &VolumeOrder, place: Place<'_>) -> Stored<Given> {
        let next = order.key.verifying_key();
        if let Some(what) = volumes::taken(self.store, self.signer().origin(), next.name())? {
            return Ok(Given::Unfit(what.into()));
        }
        let (close, turned) = match self.signer().succeeded(self.edge.size(), order) {
            Ok(turned) => turned,
            Err(fault) => return Ok(Given::Unfit(fault.to_string())),
        };
        let given = self.leaf(&Event::LogClose(close.clone()), None, None, place)?;
        if !matches!(given, Given::Leaf { .. }) {
            return Ok(given);
        }
        proofread::check(self.store, self.before.clone(), &self.edge)?;
        let size = self.edge.size();
        let last = checkpoint_note(self.signer(), &self.edge).map_err(unsignable)?;
        let checkpoint = values![size, self.moment.when(), last.as_str()];
        self.store.add(statements::INSERT_CHECKPOINT, checkpoint)?;
        let open = LogOpenEvent {
            log: close.next,
            of: close.log,
            size,
            root: Digest(self.edge.root()),
            kept: size,
            why: close.why,
            had: None,
        };
        let given = self.leaf(&Event::LogOpen(open), None, None, place)?;
        self.turned = Some(turned);
        match given {
            // A volume that was closed and not opened would be the end of the log: the group rolls back.
            Given::Unfit(what) => Err(StoreFault::Unsealed(what.into())),
            given => Ok(given),
        }
    }
}
