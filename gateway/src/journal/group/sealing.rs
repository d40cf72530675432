//! Sealing an entry: its leaf, its key and nonce, and all that stands behind them, or none of it.
//!
//! Takes a prepared entry; gives its leaf, or the answer that its key had before. What a recall withdraws goes out of the relay's way in the same group.

use shuguan_ledger::leaf::{Event, RecallEvent};
use uuid::Uuid;

use super::super::entry::{Idempotency, Nonce, Prepared, PreparedPayload};
use super::super::inbox::{InboxState, RECALLED};
use super::super::nonces::{self, Seen};
use super::super::payload::Body;
use super::super::statements;
use super::super::store::{Stored, values};
use super::super::subjects::{Kept, Subjects};
use super::facets::Facets;
use super::moving::InboxRow;
use super::{Given, Group, Place, Used};

impl Group<'_> {
    pub(super) fn seal(&mut self, prepared: &Prepared, place: Place<'_>) -> Stored<Given> {
        match prepared.nonce.as_ref().map(|nonce| (self.seen(nonce), nonce)) {
            Some((Seen::Elsewhere, _)) => return Ok(Given::Replayed),
            Some((Seen::Never, nonce)) => self.remember(nonce)?,
            Some((Seen::Here, _)) | None => {}
        }
        if let Some(key) = &prepared.idempotency
            && let Some(used) = self.used(key)
        {
            return Ok(used);
        }
        if let (Event::ReceiptAck(ack), Some(exchange)) = (&prepared.event, prepared.exchange)
            && let Some(said) = self.acknowledged(exchange, &ack.verdict)?
        {
            return Ok(said);
        }
        let withdrawn = match &prepared.event {
            Event::Recall(recall) => match self.recallable(recall)? {
                Some(row) => Some(row),
                None => return Ok(Given::NotSo),
            },
            _ => None,
        };
        let given = self.leaf_with(prepared, place)?;
        let Given::Leaf { index, .. } = given else {
            return Ok(given);
        };
        if let Some(row) = withdrawn {
            self.withdraw(&row)?;
            self.moves.recalled();
        }
        if let Some(key) = &prepared.idempotency {
            let used = Used {
                content: key.content,
                leaf: index,
                size: None,
            };
            self.keys.insert(key.tag, used);
        }
        if let (Some(payload), Some(exchange)) = (&prepared.payload, prepared.exchange) {
            self.inbox(index, exchange, prepared, payload)?;
        }
        if let Some(sealed) = &prepared.rejects {
            self.store.add(statements::INSERT_REJECT, values![index, sealed])?;
        }
        if let Some(sealed) = &prepared.answers {
            self.store.add(statements::INSERT_ANSWER, values![index, sealed])?;
        }
        if let Some(record) = &prepared.evidence {
            self.store
                .add(statements::INSERT_EVIDENCE, values![index, &record.body])?;
            let key = values![index, record.month.as_str(), &record.wrapped];
            self.store.add(statements::INSERT_WRAPPED_KEY, key)?;
        }
        if let (Some(subjects), Some(exchange)) = (&prepared.subjects, prepared.exchange) {
            self.subjects(index, exchange, subjects)?;
        }
        Ok(given)
    }

    pub(super) fn seen(&self, nonce: &Nonce) -> Seen {
        nonces::compare(self.nonces.get(&nonce.tag), nonce)
    }

    pub(super) fn remember(&mut self, nonce: &Nonce) -> Stored<()> {
        self.remembered += 1;
        self.nonces.insert(nonce.tag, nonce.bound);
        nonces::remember(self.store, nonce)
    }

    /// What a key that was used before is answered.
    fn used(&self, key: &Idempotency) -> Option<Given> {
        let used = self.keys.get(&key.tag)?;
        Some(if used.content == key.content {
            Given::Known {
                leaf: used.leaf,
                size: used.size,
            }
        } else {
            Given::KeyReused
        })
    }

    /// Binds the leaf of an entry, with the commitment to its evidence record.
    fn leaf_with(&mut self, prepared: &Prepared, (node, boot): Place<'_>) -> Stored<Given> {
        let mut leaf = self.at_moment(prepared.event.clone(), (node, boot));
        leaf.ev = prepared.ev;
        self.bind(leaf, prepared.exchange, prepared.partner.as_deref())
    }

    fn inbox(&mut self, index: u64, exchange: Uuid, prepared: &Prepared, payload: &PreparedPayload) -> Stored<()> {
        let facets = Facets::of(&prepared.event);
        let partner = prepared.event.partner().or(prepared.partner.as_deref());
        let partner = partner.unwrap_or_default();
        self.store.add(
            statements::INSERT_INBOX,
            values![
                index,
                &exchange,
                InboxState::Waiting.name(),
                facets.record.unwrap_or_default(),
                partner,
                // By this a row without a time of its own source stands behind those that came before it: it must not go back with the clock.
                self.moment.t,
                self.moment.when(),
                payload.parts,
                payload.bytes
            ],
        )?;
        let inline = match &payload.body {
            Body::Inline(blob) => Some(blob.as_slice()),
            Body::File(_) => None,
        };
        let payload_row = values![index, &payload.wrapped_key, inline];
        self.store.add(statements::INSERT_PAYLOAD, payload_row)?;
        self.moves.entered(partner, payload.bytes);
        Ok(())
    }

    fn subjects(&self, index: u64, exchange: Uuid, subjects: &Subjects) -> Stored<()> {
        match &subjects.kept {
            Kept::Rows(tags) => {
                let rows = tags.iter().map(|tag| [tag.into(), index.into()]);
                self.store.add_all(statements::INSERT_SUBJECT, rows)
            }
            Kept::Runs(runs) => {
                let rows = (0_i64..).zip(runs);
                let rows = rows.map(|(run, tags)| [index.into(), run.into(), tags.as_flattened().into()]);
                self.store.add_all(statements::INSERT_SUBJECT_RUN, rows)
            }
            Kept::File(_) => self
                .store
                .add(statements::INSERT_SUBJECT_FILE, values![index, &exchange]),
        }
    }

    /// A receiver says a thing once: a second acknowledgement with the same verdict has the first one's leaf as its answer, whatever its key.
    /// Its own key is not kept, because it has no leaf.
    fn acknowledged(&self, exchange: Uuid, verdict: &str) -> Stored<Option<Given>> {
        let leaf = self.store.cell(statements::ACK_LEAF, values![&exchange, verdict])?;
        leaf.map(|leaf| self.stands(leaf)).transpose()
    }

    /// The push that a recall names, unless it was recalled before.
    fn recallable(&self, recall: &RecallEvent) -> Stored<Option<InboxRow>> {
        let Ok(push) = Uuid::parse_str(&recall.push) else {
            return Ok(None);
        };
        let row = self.find(push)?;
        Ok(row.filter(|row| {
            (recall.of.i, recall.of.h.0) == (row.leaf, row.hash) && row.reason.as_deref() != Some(RECALLED)
        }))
    }

    /// A batch that is recalled never goes to the registry again; what it did there is undone by the relay.
    fn withdraw(&mut self, row: &InboxRow) -> Stored<()> {
        let to = match row.state {
            InboxState::Erased => InboxState::Erased,
            InboxState::Waiting | InboxState::SetAside | InboxState::Relayed | InboxState::Discarded => {
                InboxState::Discarded
            }
        };
        self.move_row(row, to, Some(RECALLED))?;
        if row.state.is_pending() {
            self.moves.left(&row.partner, row.bytes);
        }
        self.moves.shifted();
        Ok(())
    }
}
