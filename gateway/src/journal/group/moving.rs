//! The inbox's states: waiting, set aside, relayed, discarded, and back.
//!
//! Takes what became of a batch, or what an operator orders; moves it and binds the leaf that says so in one transaction. A batch that is not where it is
//! moved from has no leaf.

use shuguan_ledger::leaf::{Digest, Event, OperatorEvent, RecalledEvent, Reference, RelayedEvent, SetAsideEvent};
use shuguan_ledger::tree::Hash;
use uuid::Uuid;

use super::super::inbox::{CLOSES_TOO_MUCH, InboxState};
use super::super::statements;
use super::super::store::{Stored, values};
use super::{Given, Group, Place};

/// A push as the inbox knows it.
pub(super) struct InboxRow {
    pub(super) leaf: u64,
    pub(super) state: InboxState,
    pub(super) bytes: u64,
    pub(super) hash: Hash,
    pub(super) reason: Option<String>,
    pub(super) partner: String,
}

impl Group<'_> {
    pub(super) fn find(&self, exchange: Uuid) -> Stored<Option<InboxRow>> {
        self.store.first(statements::FIND_INBOX, values![&exchange], |row| {
            Ok(InboxRow {
                leaf: row.get(0)?,
                state: row.get(1)?,
                bytes: row.get(2)?,
                hash: row.get(3)?,
                reason: row.get(4)?,
                partner: row.get(5)?,
            })
        })
    }

    /// The batch is in the registry: its one `relayed` leaf (I3), and the payload's hold begins. Asked again, the first leaf is the answer.
    pub(super) fn relayed(&mut self, exchange: Uuid, event: &RelayedEvent, place: Place<'_>) -> Stored<Given> {
        let Some(row) = self.find(exchange)? else {
            return Ok(Given::NotSo);
        };
        if (event.of.i, event.of.h.0) != (row.leaf, row.hash) {
            return Ok(Given::Unfit("it names another push".into()));
        }
        match row.state {
            InboxState::Waiting | InboxState::SetAside => {}
            InboxState::Relayed | InboxState::Erased => return self.relayed_before(exchange),
            InboxState::Discarded => return Ok(Given::NotSo),
        }
        let given = self.leaf(&Event::Relayed(event.clone()), Some(exchange), None, place)?;
        if matches!(given, Given::Leaf { .. }) {
            self.move_row(&row, InboxState::Relayed, None)?;
            self.moves.left(&row.partner, row.bytes);
        }
        Ok(given)
    }

    fn relayed_before(&self, exchange: Uuid) -> Stored<Given> {
        let leaf = self.store.cell(statements::RELAYED_LEAF, values![&exchange])?;
        leaf.map_or(Ok(Given::NotSo), |leaf| self.stands(leaf))
    }

    /// Nothing of the batch is in the registry any more: the one leaf that says so. Asked again, it is the answer.
    pub(super) fn recalled(&mut self, exchange: Uuid, event: &RecalledEvent, place: Place<'_>) -> Stored<Given> {
        if let Some(leaf) = self.store.cell(statements::RECALLED_LEAF, values![&exchange])? {
            return self.stands(leaf);
        }
        let given = self.leaf(&Event::Recalled(event.clone()), Some(exchange), None, place)?;
        if matches!(given, Given::Leaf { .. }) {
            self.moves.undone();
        }
        Ok(given)
    }

    /// A leaf that is the answer again.
    pub(super) fn stands(&self, leaf: u64) -> Stored<Given> {
        let size = self.store.cell(statements::CHECKPOINT_AFTER, values![leaf])?;
        Ok(Given::Known { leaf, size })
    }

    /// What is set aside waits again, or is discarded; false: it is not.
    fn shift(&mut self, exchange: Uuid, to: InboxState, reason: Option<&str>) -> Stored<bool> {
        let Some(row) = self.find(exchange)?.filter(|row| row.state == InboxState::SetAside) else {
            return Ok(false);
        };
        // Released by an operator, a snapshot may close what it was set aside for.
        let consented = row
            .reason
            .as_deref()
            .filter(|reason| to == InboxState::Waiting && *reason == CLOSES_TOO_MUCH);
        self.move_row(&row, to, reason.or(consented))?;
        self.moves.shifted();
        if to == InboxState::Discarded {
            self.moves.left(&row.partner, row.bytes);
        }
        Ok(true)
    }

    /// Out of the relay's way, with the leaf that says why, in one transaction.
    pub(super) fn set_aside(&mut self, exchange: Uuid, reason: &str, place: Place<'_>) -> Stored<Given> {
        let Some(row) = self.find(exchange)?.filter(|row| row.state == InboxState::Waiting) else {
            return Ok(Given::NotSo);
        };
        let event = Event::SetAside(SetAsideEvent {
            x: exchange.to_string(),
            of: Reference {
                i: row.leaf,
                h: Digest(row.hash),
            },
            code: reason.to_owned(),
        });
        let given = self.leaf(&event, Some(exchange), None, place)?;
        if matches!(given, Given::Leaf { .. }) {
            self.move_row(&row, InboxState::SetAside, Some(reason))?;
            self.moves.shifted();
        }
        Ok(given)
    }

    /// An operator's act and its leaf; what is not set aside is neither released nor discarded, and has no leaf.
    pub(super) fn operate(&mut self, exchange: Option<Uuid>, event: &OperatorEvent, place: Place<'_>) -> Stored<Given> {
        if let Some(exchange) = exchange {
            let (to, reason) = match event.why.as_deref() {
                None => (InboxState::Waiting, None),
                Some(why) => (InboxState::Discarded, Some(why)),
            };
            if !self.shift(exchange, to, reason)? {
                return Ok(Given::NotSo);
            }
        }
        self.leaf(&Event::Operator(event.clone()), exchange, None, place)
    }

    /// The batch waits once more, in the transaction of the leaf that says who ordered it. Its hold begins anew when it is relayed.
    pub(super) fn feed_again(&mut self, exchange: Uuid, who: &str, place: Place<'_>) -> Stored<Given> {
        let Some(row) = self.find(exchange)?.filter(|row| row.state == InboxState::Relayed) else {
            return Ok(Given::NotSo);
        };
        // A row alone may have been edited, and no leaf may feed again what none relayed.
        let relayed: Option<u64> = self.store.cell(statements::RELAYED_LEAF, values![&exchange])?;
        if relayed.is_none() {
            return Ok(Given::NotSo);
        }
        let event = Event::Operator(OperatorEvent {
            who: who.to_owned(),
            act: "fed-again".into(),
            x: Some(exchange.to_string()),
            why: None,
            of: Some(Reference {
                i: row.leaf,
                h: Digest(row.hash),
            }),
        });
        let given = self.leaf(&event, Some(exchange), None, place)?;
        if matches!(given, Given::Leaf { .. }) {
            self.move_row(&row, InboxState::Waiting, None)?;
            self.moves.entered(&row.partner, row.bytes);
        }
        Ok(given)
    }

    pub(super) fn move_row(&self, row: &InboxRow, to: InboxState, reason: Option<&str>) -> Stored<()> {
        let values = values![row.leaf, row.state.name(), to.name(), self.moment.when(), reason];
        self.store.run_one(statements::MOVE_INBOX, values)
    }
}
