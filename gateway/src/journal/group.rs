//! One group inside its open transaction: what each piece of work writes.
//!
//! Takes work in order; gives what its waiter will be told once the group is committed. Refuses nothing by itself: an error of a statement
//! rolls the whole group back.

use std::collections::HashMap;
use std::sync::Arc;

use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::leaf::{
    Digest, ErasedEvent, Event, Leaf, LogOpenEvent, OperatorEvent, RecallEvent, RecalledEvent, Reference, RelayedEvent,
    SetAsideEvent, ShredEvent,
};
use shuguan_ledger::tree::{Edge, Hash, leaf_hash};
use uuid::Uuid;

use super::entry::{Idempotency, Nonce, Prepared, PreparedPayload};
use super::inbox::{CLOSES_TOO_MUCH, RECALLED};
use super::log_keys::{KeyOrder, LogSigner};
use super::log_time::Moment;
use super::nonces::{self, Seen};
use super::numbers::{GivenNumbers, Numbers};
use super::payload::Body;
use super::proofread;
use super::sequencer::{Target, Work};
use super::shared::InboxMoves;
use super::statements;
use super::store::{Store, StoreFault, Stored, values};
use super::subjects::{Kept, Subjects};
use super::volumes::{self, VolumeOrder};

/// Node and boot id, members of each leaf.
pub(super) type Place<'p> = (&'p str, &'p str);

/// What a waiter will be told when the commit succeeded.
#[derive(Debug)]
pub(super) enum Given {
    Leaf {
        index: u64,
        hash: Hash,
        t: i64,
        bytes: Vec<u8>,
    },
    /// `size` is none when the first use stands in this very group.
    Known {
        leaf: u64,
        size: Option<u64>,
    },
    KeyReused,
    Replayed,
    Done,
    NotSo,
    Unfit(String),
}

pub(super) struct Group<'c> {
    store: &'c Store,
    edge: Edge,
    /// As it was before the group.
    before: Edge,
    moment: Moment,
    hashes: Vec<Hash>,
    /// Keys of this group's entries that were used: before it, or first in it.
    keys: HashMap<[u8; 32], Used>,
    /// Nonces of this group's work that were used, with what they came with.
    nonces: HashMap<[u8; 32], [u8; 32]>,
    /// How many of them are new.
    remembered: u32,
    /// The numbers of the partners before the group, and those that it gives.
    before_numbers: &'c Numbers,
    numbers: GivenNumbers,
    moves: InboxMoves,
    signer: &'c LogSigner,
    /// What signs instead, when this group changes the log's keys.
    turned: Option<LogSigner>,
}

/// A group with everything written but its commit.
pub(super) struct Finished {
    pub(super) edge: Edge,
    pub(super) last_t: i64,
    pub(super) hashes: Vec<Hash>,
    /// None when the group has no leaf.
    pub(super) note: Option<Arc<str>>,
    /// What signs from here on, when the log's keys changed.
    pub(super) turned: Option<LogSigner>,
    pub(super) moves: InboxMoves,
    pub(super) numbers: GivenNumbers,
}

/// What a key was used for.
struct Used {
    content: [u8; 32],
    leaf: u64,
    /// Of the first answer's checkpoint; none: its first use stands in this very group.
    size: Option<u64>,
}

/// A push as the inbox knows it.
struct InboxRow {
    leaf: u64,
    state: String,
    bytes: u64,
    hash: Hash,
    reason: Option<String>,
    partner: String,
}

impl<'c> Group<'c> {
    /// A group whose leaves are of that moment.
    pub(super) fn begin(
        store: &'c Store,
        edge: Edge,
        moment: Moment,
        signer: &'c LogSigner,
        numbers: &'c Numbers,
    ) -> Self {
        Self {
            store,
            before: edge.clone(),
            edge,
            moment,
            hashes: Vec::new(),
            keys: HashMap::new(),
            nonces: HashMap::new(),
            remembered: 0,
            before_numbers: numbers,
            numbers: GivenNumbers::default(),
            moves: InboxMoves::default(),
            signer,
            turned: None,
        }
    }

    /// Looks up every nonce and idempotency key of the group at once.
    pub(super) fn foresee<'w>(&mut self, works: impl Iterator<Item = &'w Work>) -> Stored<()> {
        let (mut nonces, mut keys) = (Vec::new(), Vec::new());
        for work in works {
            match work {
                Work::Seal(prepared) => {
                    nonces.extend(prepared.nonce.as_ref().map(|nonce| nonce.tag));
                    keys.extend(prepared.idempotency.as_ref().map(|key| key.tag));
                }
                Work::Remember { nonce } => nonces.push(nonce.tag),
                _ => {}
            }
        }
        let found = &mut self.nonces;
        self.store.among(statements::FIND_NONCE, &nonces, |row| {
            found.insert(row.get(0)?, row.get(1)?);
            Ok(())
        })?;
        let found = &mut self.keys;
        self.store.among(statements::FIND_IDEM, &keys, |row| {
            let used = Used {
                leaf: row.get(1)?,
                content: row.get(2)?,
                size: Some(row.get(3)?),
            };
            found.insert(row.get(0)?, used);
            Ok(())
        })
    }

    /// Steps 3 and 4 of one piece of work.
    pub(super) fn take(&mut self, work: &Work, place: Place<'_>) -> Stored<Given> {
        match work {
            Work::Seal(prepared) => self.seal(prepared, place),
            Work::Relayed { exchange, event } => self.relayed(*exchange, event, place),
            Work::Recalled { exchange, event } => self.recalled(*exchange, event, place),
            Work::SetAside { exchange, reason } => self.set_aside(*exchange, reason, place),
            Work::Release { exchange } => self.shift(*exchange, &["set-aside"], "waiting", None),
            Work::Discard { exchange, reason } => {
                self.shift(*exchange, &["set-aside", "waiting"], "discarded", Some(reason))
            }
            Work::Operate { exchange, event } => self.operate(*exchange, event, place),
            Work::FeedAgain { exchange, who } => self.feed_again(*exchange, who, place),
            Work::Erase { exchange } => self.erase(*exchange, place),
            Work::Shred { target, event } => self.shred(target, event, place),
            Work::ShredPayloads { exchanges, event } => self.shred_payloads(exchanges, event, place),
            Work::Remember { nonce } => match self.seen(nonce) {
                Seen::Elsewhere => Ok(Given::Replayed),
                Seen::Here => Ok(Given::Done),
                Seen::Never => self.remember(nonce).map(|()| Given::Done),
            },
            Work::Prune { .. } => Ok(Given::Done),
            Work::Cosigned(cosigned) => cosigned.store(self.store).map(|()| Given::Done),
            Work::Key(order) => self.turn(order, place),
            Work::TurnVolume(order) => self.turn_volume(order, place),
            #[cfg(test)]
            Work::LimitPages(_) => Ok(Given::Done),
            Work::Close { event } => self.leaf(event, None, None, place),
        }
    }

    /// Steps 5 and 6: the checkpoint over all of it.
    pub(super) fn finish(self) -> Stored<Finished> {
        nonces::forget(self.store, self.moment.careful_us, self.remembered)?;
        let note = if self.hashes.is_empty() {
            None
        } else {
            Some(self.sign()?)
        };
        Ok(Finished {
            edge: self.edge,
            last_t: self.moment.t,
            hashes: self.hashes,
            note,
            turned: self.turned,
            moves: self.moves,
            numbers: self.numbers,
        })
    }

    fn sign(&self) -> Stored<Arc<str>> {
        proofread::check(self.store, self.before.clone(), &self.edge)?;
        let size = self.edge.size();
        let note: Arc<str> = checkpoint_note(self.signer(), &self.edge).map_err(unsignable)?.into();
        let first = self.keys.iter().filter(|(_, used)| used.size.is_none());
        self.store.add_all(
            statements::INSERT_IDEM,
            first.map(|(tag, used)| [used.leaf.into(), tag.into(), (&used.content).into(), size.into()]),
        )?;
        // The row must be as this process left it: a second writer would have moved it.
        let (edge, before) = (self.edge.encode(), self.before.size());
        self.store
            .run_one(statements::UPDATE_TREE, values![size, &edge, before])?;
        let checkpoint = values![size, self.moment.when(), note.as_ref()];
        self.store.add(statements::INSERT_CHECKPOINT, checkpoint)?;
        Ok(note)
    }

    fn signer(&self) -> &LogSigner {
        self.turned.as_ref().unwrap_or(self.signer)
    }

    /// A key of the log begins or ends with the checkpoint over this very group.
    fn turn(&mut self, order: &KeyOrder, place: Place<'_>) -> Stored<Given> {
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
    fn turn_volume(&mut self, order: &VolumeOrder, place: Place<'_>) -> Stored<Given> {
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

    fn seal(&mut self, prepared: &Prepared, place: Place<'_>) -> Stored<Given> {
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

    fn seen(&self, nonce: &Nonce) -> Seen {
        nonces::compare(self.nonces.get(&nonce.tag), nonce)
    }

    fn remember(&mut self, nonce: &Nonce) -> Stored<()> {
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

    fn at_moment(&self, event: Event, (node, boot): Place<'_>) -> Leaf {
        Leaf {
            clk: self.moment.clk,
            ..Leaf::new(self.moment.t, node, boot, event)
        }
    }

    /// Binds one leaf.
    pub(super) fn leaf(
        &mut self,
        event: &Event,
        exchange: Option<Uuid>,
        partner: Option<&str>,
        place: Place<'_>,
    ) -> Stored<Given> {
        self.bind(self.at_moment(event.clone(), place), exchange, partner)
    }

    /// The hash is computed from the very buffer that is bound, so that a bit flipped before is not published.
    fn bind(&mut self, mut leaf: Leaf, exchange: Option<Uuid>, partner: Option<&str>) -> Stored<Given> {
        let index = self.edge.size();
        leaf.pn = self.numbers.next(&leaf.event, self.before_numbers, self.store)?;
        let bytes = match leaf.encode() {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Given::Unfit(error.to_string())),
        };
        self.numbers.bound(&leaf);
        let event = &leaf.event;
        let hash = leaf_hash(&bytes);
        let facets = Facets::of(event);
        self.store.add(
            statements::INSERT_LEAF,
            values![
                index,
                &hash,
                self.moment.when(),
                event.kind(),
                exchange.as_ref().map(|exchange| &exchange.as_bytes()[..]),
                event.partner().or(partner),
                facets.record,
                facets.purpose,
                facets.code,
                &bytes
            ],
        )?;
        for entry in self.edge.append(hash) {
            if entry.level > 0 {
                let tile = values![u32::from(entry.level), entry.position, &entry.hash];
                self.store.add(statements::INSERT_TILE, tile)?;
            }
        }
        self.hashes.push(hash);
        let t = self.moment.when();
        Ok(Given::Leaf { index, hash, t, bytes })
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
                "waiting",
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

    fn find(&self, exchange: Uuid) -> Stored<Option<InboxRow>> {
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
    fn relayed(&mut self, exchange: Uuid, event: &RelayedEvent, place: Place<'_>) -> Stored<Given> {
        let Some(row) = self.find(exchange)? else {
            return Ok(Given::NotSo);
        };
        if (event.of.i, event.of.h.0) != (row.leaf, row.hash) {
            return Ok(Given::Unfit("it names another push".into()));
        }
        match row.state.as_str() {
            "waiting" | "set-aside" => {}
            "relayed" | "erased" => return self.relayed_before(exchange),
            _ => return Ok(Given::NotSo),
        }
        let given = self.leaf(&Event::Relayed(event.clone()), Some(exchange), None, place)?;
        if matches!(given, Given::Leaf { .. }) {
            self.move_row(&row, "relayed", None)?;
            self.moves.left(&row.partner, row.bytes);
        }
        Ok(given)
    }

    fn relayed_before(&self, exchange: Uuid) -> Stored<Given> {
        let leaf = self.store.cell(statements::RELAYED_LEAF, values![&exchange])?;
        leaf.map_or(Ok(Given::NotSo), |leaf| self.stands(leaf))
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
        let to = if row.state == "erased" { "erased" } else { "discarded" };
        self.move_row(row, to, Some(RECALLED))?;
        if matches!(row.state.as_str(), "waiting" | "set-aside") {
            self.moves.left(&row.partner, row.bytes);
        }
        self.moves.shifted();
        Ok(())
    }

    /// Nothing of the batch is in the registry any more: the one leaf that says so. Asked again, it is the answer.
    fn recalled(&mut self, exchange: Uuid, event: &RecalledEvent, place: Place<'_>) -> Stored<Given> {
        match self.store.cell(statements::RECALLED_LEAF, values![&exchange])? {
            Some(leaf) => self.stands(leaf),
            None => self.leaf(&Event::Recalled(event.clone()), Some(exchange), None, place),
        }
    }

    /// A receiver says a thing once: a second acknowledgement with the same verdict has the first one's leaf as its answer, whatever its key.
    /// Its own key is not kept, because it has no leaf.
    fn acknowledged(&self, exchange: Uuid, verdict: &str) -> Stored<Option<Given>> {
        let leaf = self.store.cell(statements::ACK_LEAF, values![&exchange, verdict])?;
        leaf.map(|leaf| self.stands(leaf)).transpose()
    }

    /// A leaf that is the answer again.
    fn stands(&self, leaf: u64) -> Stored<Given> {
        let size = self.store.cell(statements::CHECKPOINT_AFTER, values![leaf])?;
        Ok(Given::Known { leaf, size })
    }

    fn shift(&mut self, exchange: Uuid, from: &[&str], to: &str, reason: Option<&str>) -> Stored<Given> {
        let row = self.find(exchange)?.filter(|row| from.contains(&row.state.as_str()));
        let Some(row) = row else {
            return Ok(Given::NotSo);
        };
        // Released by an operator, a snapshot may close what it was set aside for.
        let consented = row
            .reason
            .as_deref()
            .filter(|reason| to == "waiting" && *reason == CLOSES_TOO_MUCH);
        self.move_row(&row, to, reason.or(consented))?;
        self.moves.shifted();
        if to == "discarded" {
            self.moves.left(&row.partner, row.bytes);
        }
        Ok(Given::Done)
    }

    /// Out of the relay's way, with the leaf that says why, in one transaction.
    fn set_aside(&mut self, exchange: Uuid, reason: &str, place: Place<'_>) -> Stored<Given> {
        let Some(row) = self.find(exchange)?.filter(|row| row.state == "waiting") else {
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
            self.move_row(&row, "set-aside", Some(reason))?;
            self.moves.shifted();
        }
        Ok(given)
    }

    /// An operator's act and its leaf; what is not set aside is neither released nor discarded, and has no leaf.
    fn operate(&mut self, exchange: Option<Uuid>, event: &OperatorEvent, place: Place<'_>) -> Stored<Given> {
        if let Some(exchange) = exchange {
            let (to, reason) = match event.why.as_deref() {
                None => ("waiting", None),
                Some(why) => ("discarded", Some(why)),
            };
            if !matches!(self.shift(exchange, &["set-aside"], to, reason)?, Given::Done) {
                return Ok(Given::NotSo);
            }
        }
        self.leaf(&Event::Operator(event.clone()), exchange, None, place)
    }

    /// The batch waits once more, in the transaction of the leaf that says who ordered it. Its hold begins anew when it is relayed.
    fn feed_again(&mut self, exchange: Uuid, who: &str, place: Place<'_>) -> Stored<Given> {
        let Some(row) = self.find(exchange)?.filter(|row| row.state == "relayed") else {
            return Ok(Given::NotSo);
        };
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
            self.move_row(&row, "waiting", None)?;
            self.moves.entered(&row.partner, row.bytes);
        }
        Ok(given)
    }

    fn erase(&mut self, exchange: Uuid, place: Place<'_>) -> Stored<Given> {
        match self.erasable(exchange)? {
            Some(row) => self.erase_row(exchange, &row, place),
            None => Ok(Given::NotSo),
        }
    }

    fn erasable(&self, exchange: Uuid) -> Stored<Option<InboxRow>> {
        let row = self.find(exchange)?;
        Ok(row.filter(|row| matches!(row.state.as_str(), "relayed" | "discarded")))
    }

    /// Key and content go in one transaction with the leaf that says so; a file is unlinked afterwards, or at the next start.
    fn erase_row(&mut self, exchange: Uuid, row: &InboxRow, place: Place<'_>) -> Stored<Given> {
        let event = Event::Erased(ErasedEvent {
            x: exchange.to_string(),
            of: Reference {
                i: row.leaf,
                h: Digest(row.hash),
            },
        });
        let given = self.leaf(&event, Some(exchange), None, place)?;
        if matches!(given, Given::Leaf { .. }) {
            self.store.run(statements::DELETE_PAYLOAD, values![row.leaf])?;
            let recalled = row.reason.as_deref().filter(|reason| *reason == RECALLED);
            self.move_row(row, "erased", recalled)?;
        }
        Ok(given)
    }

    /// Payloads go in one transaction with the leaf of the officer's act and those of their erasure; none to erase has no leaf.
    fn shred_payloads(&mut self, exchanges: &[Uuid], event: &ShredEvent, place: Place<'_>) -> Stored<Given> {
        let mut rows = Vec::new();
        for exchange in exchanges {
            rows.extend(self.erasable(*exchange)?.map(|row| (*exchange, row)));
        }
        if rows.is_empty() {
            return Ok(Given::NotSo);
        }
        let given = self.shred_leaf(event, rows.len(), place)?;
        if matches!(given, Given::Leaf { .. }) {
            for (exchange, row) in &rows {
                self.erase_row(*exchange, row, place)?;
            }
        }
        Ok(given)
    }

    /// Wrapped keys and records go in one transaction with the leaf that says so; nothing to destroy has no leaf.
    fn shred(&mut self, target: &Target, event: &ShredEvent, place: Place<'_>) -> Stored<Given> {
        let mut keys = 0;
        for statement in [statements::DELETE_WRAPPED_KEYS, statements::DELETE_EVIDENCE] {
            let (first, end) = match target {
                Target::Leaf(leaf) => (*leaf, leaf + 1),
                Target::Before(leaf) => (0, *leaf),
            };
            keys = self.store.run(statement, values![first, end])?;
        }
        if keys == 0 {
            return Ok(Given::NotSo);
        }
        self.shred_leaf(event, keys, place)
    }

    fn shred_leaf(&mut self, event: &ShredEvent, keys: usize, place: Place<'_>) -> Stored<Given> {
        let exchange = event.x.as_deref().and_then(|exchange| Uuid::parse_str(exchange).ok());
        let event = ShredEvent {
            cnt: u64::try_from(keys).unwrap_or(u64::MAX),
            ..event.clone()
        };
        self.leaf(&Event::Shred(event), exchange, None, place)
    }

    fn move_row(&self, row: &InboxRow, to: &str, reason: Option<&str>) -> Stored<()> {
        let values = values![row.leaf, row.state.as_str(), to, self.moment.when(), reason];
        self.store.run_one(statements::MOVE_INBOX, values)
    }
}

/// What a leaf is found by.
struct Facets<'e> {
    record: Option<&'e str>,
    purpose: Option<&'e str>,
    code: Option<&'e str>,
}

impl<'e> Facets<'e> {
    fn of(event: &'e Event) -> Self {
        let (record, purpose, code) = match event {
            Event::Push(push) => (Some(push.rec.as_str()), Some(push.pur.as_str()), Some("accepted")),
            Event::Pull(pull) => (Some(pull.ds.as_str()), Some(pull.pur.as_str()), Some("released")),
            Event::Compare(compare) => (Some(compare.ds.as_str()), Some(compare.pur.as_str()), Some("answered")),
            Event::Refusal(refusal) => (
                refusal.rec.as_deref().or(refusal.ds.as_deref()),
                refusal.pur.as_deref(),
                Some(refusal.code.as_str()),
            ),
            Event::Aborted(aborted) => (
                Some(aborted.rec.as_str()),
                Some(aborted.pur.as_str()),
                Some(aborted.code.as_str()),
            ),
            Event::Relayed(_) => (None, None, Some("relayed")),
            Event::SetAside(aside) => (None, None, Some(aside.code.as_str())),
            Event::Recall(recall) => (Some(recall.rec.as_str()), None, Some(recall.why.as_str())),
            Event::Recalled(_) => (None, None, Some("recalled")),
            Event::Ticket(ticket) => (Some(ticket.rec.as_str()), None, Some(ticket.fld.as_str())),
            Event::TicketAnswer(answer) => (None, None, Some(answer.say.as_str())),
            Event::ReceiptAck(ack) => (None, None, Some(ack.verdict.as_str())),
            Event::Erased(_) => (None, None, Some("erased")),
            Event::OfficerQuery(query) => (None, None, Some(query.why.as_str())),
            Event::OfficerResult(_) => (None, None, Some("found")),
            Event::OfficerUnseal(unseal) => (None, None, Some(unseal.step.as_str())),
            Event::Shred(shred) => (None, None, Some(shred.what.as_str())),
            Event::Certificate(certificate) => (None, None, Some(certificate.act.as_str())),
            Event::Operator(act) => (None, None, Some(act.act.as_str())),
            Event::Policy(policy) => (None, None, Some(policy.result.as_str())),
            Event::Key(key) => (None, None, Some(key.act.as_str())),
            Event::LogClose(close) => (None, None, Some(close.why.as_str())),
            Event::LogOpen(open) => (None, None, Some(open.why.as_str())),
            Event::WitnessGap(gap) => (None, None, Some(gap.step.as_str())),
            Event::Clock(clock) => (None, None, Some(clock.step.as_deref().unwrap_or(&clock.dir))),
            Event::Start(_) | Event::Stop(_) | Event::Config(_) | Event::LogGap(_) => (None, None, None),
        };
        Self { record, purpose, code }
    }
}

/// The signed note over a tree.
pub(super) fn checkpoint_note(signer: &LogSigner, edge: &Edge) -> Result<String, shuguan_ledger::note::NoteError> {
    signer.sign(&Checkpoint {
        origin: signer.origin().to_owned(),
        size: edge.size(),
        root: edge.root(),
    })
}

fn unsignable(error: shuguan_ledger::note::NoteError) -> StoreFault {
    StoreFault::Unsealed(Box::new(error))
}
