//! One group inside its open transaction: what each piece of work writes.
//!
//! Takes work in order; gives what its waiter will be told once the group is committed. Refuses nothing by itself: an error of a statement
//! rolls the whole group back.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::leaf::{
    Digest, ErasedEvent, Event, Leaf, LogOpenEvent, OperatorEvent, RecallEvent, RecalledEvent, Reference, RelayedEvent,
    ShredEvent,
};
use shuguan_ledger::tree::{Edge, Hash, leaf_hash};
use uuid::Uuid;

use super::entry::{Idempotency, Nonce, Prepared, PreparedPayload};
use super::inbox::{CLOSES_TOO_MUCH, RECALLED};
use super::log_keys::{KeyOrder, LogSigner};
use super::nonces;
use super::payload::Body;
use super::proofread;
use super::sequencer::{Target, Work};
use super::shared::InboxMoves;
use super::sqlite::{self, sql, unsigned};
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
    connection: &'c Connection,
    edge: Edge,
    /// As it was before the group.
    before: Edge,
    t: i64,
    hashes: Vec<Hash>,
    /// Keys first used in this group: their content and leaf.
    keys: HashMap<[u8; 32], ([u8; 32], u64)>,
    nonces: u32,
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
}

/// A push as the inbox knows it.
struct InboxRow {
    leaf: u64,
    state: String,
    bytes: i64,
    hash: Hash,
    reason: Option<String>,
    partner: String,
}

impl<'c> Group<'c> {
    /// Time never goes back in the log, whatever the clock does.
    pub(super) fn begin(
        connection: &'c Connection,
        edge: Edge,
        last_t: i64,
        now_us: i64,
        signer: &'c LogSigner,
    ) -> Self {
        Self {
            connection,
            before: edge.clone(),
            edge,
            t: now_us.max(last_t),
            hashes: Vec::new(),
            keys: HashMap::new(),
            nonces: 0,
            moves: InboxMoves::default(),
            signer,
            turned: None,
        }
    }

    /// Steps 3 and 4 of one piece of work.
    pub(super) fn take(&mut self, work: &Work, place: Place<'_>) -> rusqlite::Result<Given> {
        match work {
            Work::Seal(prepared) => self.seal(prepared, place),
            Work::Relayed { exchange, event } => self.relayed(*exchange, event, place),
            Work::Recalled { exchange, event } => self.recalled(*exchange, event, place),
            Work::SetAside { exchange, reason } => self.shift(*exchange, &["waiting"], "set-aside", Some(reason)),
            Work::Release { exchange } => self.shift(*exchange, &["set-aside"], "waiting", None),
            Work::Discard { exchange, reason } => {
                self.shift(*exchange, &["set-aside", "waiting"], "discarded", Some(reason))
            }
            Work::Operate { exchange, event } => self.operate(*exchange, event, place),
            Work::FeedAgain { exchange, who } => self.feed_again(*exchange, who, place),
            Work::Erase { exchange } => self.erase(*exchange, place),
            Work::Shred { target, event } => self.shred(target, event, place),
            Work::ShredPayloads { exchanges, event } => self.shred_payloads(exchanges, event, place),
            Work::Remember { nonce } => match nonces::seen(self.connection, nonce)? {
                nonces::Seen::Elsewhere => Ok(Given::Replayed),
                nonces::Seen::Here => Ok(Given::Done),
                nonces::Seen::Never => self.remember(nonce).map(|()| Given::Done),
            },
            Work::Prune { .. } => Ok(Given::Done),
            Work::Cosigned(cosigned) => cosigned.store(self.connection).map(|()| Given::Done),
            Work::Key(order) => self.turn(order, place),
            Work::TurnVolume(order) => self.turn_volume(order, place),
            #[cfg(test)]
            Work::LimitPages(_) => Ok(Given::Done),
            Work::Close { event } => self.leaf(event, None, None, place),
        }
    }

    /// Steps 5 and 6: the checkpoint over all of it.
    pub(super) fn finish(self) -> rusqlite::Result<Finished> {
        nonces::forget(self.connection, self.t, self.nonces)?;
        let note = if self.hashes.is_empty() {
            None
        } else {
            Some(self.sign()?)
        };
        Ok(Finished {
            edge: self.edge,
            last_t: self.t,
            hashes: self.hashes,
            note,
            turned: self.turned,
            moves: self.moves,
        })
    }

    fn sign(&self) -> rusqlite::Result<Arc<str>> {
        proofread::check(self.connection, self.before.clone(), &self.edge)?;
        let size = self.edge.size();
        let note: Arc<str> = checkpoint_note(self.signer(), &self.edge).map_err(unsignable)?.into();
        let mut insert = self.connection.prepare_cached(sqlite::INSERT_IDEM)?;
        for (tag, (content, leaf)) in &self.keys {
            insert.execute(params![sql(*leaf), tag, content, sql(size)])?;
        }
        let mut update = self.connection.prepare_cached(sqlite::UPDATE_TREE)?;
        // The row must be as this process left it: a second writer would have moved it.
        let moved = update.execute(params![sql(size), self.edge.encode(), sql(self.before.size())])?;
        exactly_one(moved)?;
        let mut insert = self.connection.prepare_cached(sqlite::INSERT_CHECKPOINT)?;
        insert.execute(params![sql(size), self.t, note.as_ref()])?;
        Ok(note)
    }

    fn signer(&self) -> &LogSigner {
        self.turned.as_ref().unwrap_or(self.signer)
    }

    /// A key of the log begins or ends with the checkpoint over this very group.
    fn turn(&mut self, order: &KeyOrder, place: Place<'_>) -> rusqlite::Result<Given> {
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
    fn turn_volume(&mut self, order: &VolumeOrder, place: Place<'_>) -> rusqlite::Result<Given> {
        let next = order.key.verifying_key();
        if let Some(what) = volumes::taken(self.connection, self.signer().origin(), next.name())? {
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
        proofread::check(self.connection, self.before.clone(), &self.edge)?;
        let size = self.edge.size();
        let last = checkpoint_note(self.signer(), &self.edge).map_err(unsignable)?;
        let mut insert = self.connection.prepare_cached(sqlite::INSERT_CHECKPOINT)?;
        insert.execute(params![sql(size), self.t, last])?;
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
            Given::Unfit(what) => Err(rusqlite::Error::ToSqlConversionFailure(what.into())),
            given => Ok(given),
        }
    }

    fn seal(&mut self, prepared: &Prepared, place: Place<'_>) -> rusqlite::Result<Given> {
        let seen = prepared
            .nonce
            .as_ref()
            .map(|nonce| nonces::seen(self.connection, nonce));
        let fresh = match seen.transpose()? {
            Some(nonces::Seen::Elsewhere) => return Ok(Given::Replayed),
            Some(nonces::Seen::Never) => prepared.nonce.as_ref(),
            Some(nonces::Seen::Here) | None => None,
        };
        if let Some(nonce) = fresh {
            self.remember(nonce)?;
        }
        if let Some(key) = &prepared.idempotency
            && let Some(used) = self.used(key)?
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
        let given = self.leaf(&prepared.event, prepared.exchange, prepared.partner.as_deref(), place)?;
        let Given::Leaf { index, .. } = given else {
            return Ok(given);
        };
        if let Some(row) = withdrawn {
            self.withdraw(&row)?;
        }
        if let Some(key) = &prepared.idempotency {
            self.keys.insert(key.tag, (key.content, index));
        }
        if let (Some(payload), Some(exchange)) = (&prepared.payload, prepared.exchange) {
            self.inbox(index, exchange, prepared, payload)?;
        }
        if let Some(sealed) = &prepared.rejects {
            let mut insert = self.connection.prepare_cached(sqlite::INSERT_REJECT)?;
            insert.execute(params![sql(index), sealed])?;
        }
        if let Some(sealed) = &prepared.answers {
            let mut insert = self.connection.prepare_cached(sqlite::INSERT_ANSWER)?;
            insert.execute(params![sql(index), sealed])?;
        }
        if let Some(record) = &prepared.evidence {
            let mut insert = self.connection.prepare_cached(sqlite::INSERT_EVIDENCE)?;
            insert.execute(params![sql(index), record.body])?;
            let mut insert = self.connection.prepare_cached(sqlite::INSERT_WRAPPED_KEY)?;
            insert.execute(params![sql(index), record.month, record.wrapped])?;
        }
        if let (Some(subjects), Some(exchange)) = (&prepared.subjects, prepared.exchange) {
            self.subjects(index, exchange, subjects)?;
        }
        Ok(given)
    }

    fn remember(&mut self, nonce: &Nonce) -> rusqlite::Result<()> {
        self.nonces += 1;
        nonces::remember(self.connection, nonce)
    }

    /// What a key that was used before is answered.
    fn used(&self, key: &Idempotency) -> rusqlite::Result<Option<Given>> {
        let same = |content: [u8; 32], leaf: u64, size: Option<u64>| {
            if content == key.content {
                Given::Known { leaf, size }
            } else {
                Given::KeyReused
            }
        };
        if let Some((content, leaf)) = self.keys.get(&key.tag) {
            return Ok(Some(same(*content, *leaf, None)));
        }
        let mut find = self.connection.prepare_cached(sqlite::FIND_IDEM)?;
        let found = find.query_row([key.tag], |row| {
            let (leaf, content, size): (i64, [u8; 32], i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(same(content, unsigned(leaf), Some(unsigned(size))))
        });
        found.optional()
    }

    /// Binds one leaf. The hash is computed from the very buffer that is bound, so that a bit flipped before is not published.
    pub(super) fn leaf(
        &mut self,
        event: &Event,
        exchange: Option<Uuid>,
        partner: Option<&str>,
        (node, boot): Place<'_>,
    ) -> rusqlite::Result<Given> {
        let leaf = Leaf {
            t: self.t,
            n: node.into(),
            b: boot.into(),
            event: event.clone(),
        };
        let bytes = match leaf.encode() {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Given::Unfit(error.to_string())),
        };
        let index = self.edge.size();
        let hash = leaf_hash(&bytes);
        let facets = Facets::of(event);
        let mut insert = self.connection.prepare_cached(sqlite::INSERT_LEAF)?;
        insert.execute(params![
            sql(index),
            hash,
            self.t,
            event.kind(),
            exchange.as_ref().map(Uuid::as_bytes),
            event.partner().or(partner),
            facets.record,
            facets.purpose,
            facets.code,
            bytes
        ])?;
        let mut insert = self.connection.prepare_cached(sqlite::INSERT_TILE)?;
        for entry in self.edge.append(hash) {
            if entry.level > 0 {
                insert.execute(params![entry.level, sql(entry.position), entry.hash])?;
            }
        }
        self.hashes.push(hash);
        let t = self.t;
        Ok(Given::Leaf { index, hash, t, bytes })
    }

    fn inbox(
        &mut self,
        index: u64,
        exchange: Uuid,
        prepared: &Prepared,
        payload: &PreparedPayload,
    ) -> rusqlite::Result<()> {
        let facets = Facets::of(&prepared.event);
        let partner = prepared.event.partner().or(prepared.partner.as_deref());
        let mut insert = self.connection.prepare_cached(sqlite::INSERT_INBOX)?;
        insert.execute(params![
            sql(index),
            exchange.as_bytes(),
            facets.record.unwrap_or_default(),
            partner.unwrap_or_default(),
            self.t,
            payload.parts,
            sql(payload.bytes)
        ])?;
        let inline = match &payload.body {
            Body::Inline(blob) => Some(blob),
            Body::File(_) => None,
        };
        let mut insert = self.connection.prepare_cached(sqlite::INSERT_PAYLOAD)?;
        insert.execute(params![sql(index), payload.wrapped_key, inline])?;
        self.moves.entered(partner.unwrap_or_default(), sql(payload.bytes));
        Ok(())
    }

    fn subjects(&self, index: u64, exchange: Uuid, subjects: &Subjects) -> rusqlite::Result<()> {
        match &subjects.kept {
            Kept::Rows(tags) => {
                let mut insert = self.connection.prepare_cached(sqlite::INSERT_SUBJECT)?;
                for tag in tags {
                    insert.execute(params![tag, sql(index)])?;
                }
            }
            Kept::Runs(runs) => {
                let mut insert = self.connection.prepare_cached(sqlite::INSERT_SUBJECT_RUN)?;
                for (run, tags) in (0_i64..).zip(runs) {
                    insert.execute(params![sql(index), run, tags.as_flattened()])?;
                }
            }
            Kept::File(_) => {
                let mut insert = self.connection.prepare_cached(sqlite::INSERT_SUBJECT_FILE)?;
                insert.execute(params![sql(index), exchange.as_bytes()])?;
            }
        }
        Ok(())
    }

    fn find(&self, exchange: Uuid) -> rusqlite::Result<Option<InboxRow>> {
        let mut find = self.connection.prepare_cached(sqlite::FIND_INBOX)?;
        let found = find.query_row([exchange.as_bytes()], |row| {
            Ok(InboxRow {
                leaf: unsigned(row.get(0)?),
                state: row.get(1)?,
                bytes: row.get(2)?,
                hash: row.get(3)?,
                reason: row.get(4)?,
                partner: row.get(5)?,
            })
        });
        found.optional()
    }

    /// The batch is in the registry: its one `relayed` leaf (I3), and the payload's hold begins. Asked again, the first leaf is the answer.
    fn relayed(&mut self, exchange: Uuid, event: &RelayedEvent, place: Place<'_>) -> rusqlite::Result<Given> {
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

    fn relayed_before(&self, exchange: Uuid) -> rusqlite::Result<Given> {
        let mut find = self.connection.prepare_cached(sqlite::RELAYED_LEAF)?;
        let leaf = find.query_row([exchange.as_bytes()], |row| row.get(0)).optional()?;
        leaf.map_or(Ok(Given::NotSo), |leaf| self.stands(unsigned(leaf)))
    }

    /// The push that a recall names, unless it was recalled before.
    fn recallable(&self, recall: &RecallEvent) -> rusqlite::Result<Option<InboxRow>> {
        let Ok(push) = Uuid::parse_str(&recall.push) else {
            return Ok(None);
        };
        let row = self.find(push)?;
        Ok(row.filter(|row| {
            (recall.of.i, recall.of.h.0) == (row.leaf, row.hash) && row.reason.as_deref() != Some(RECALLED)
        }))
    }

    /// A batch that is recalled never goes to the registry again; what it did there is undone by the relay.
    fn withdraw(&mut self, row: &InboxRow) -> rusqlite::Result<()> {
        let to = if row.state == "erased" { "erased" } else { "discarded" };
        self.move_row(row, to, Some(RECALLED))?;
        if matches!(row.state.as_str(), "waiting" | "set-aside") {
            self.moves.left(&row.partner, row.bytes);
        }
        self.moves.shifted();
        Ok(())
    }

    /// Nothing of the batch is in the registry any more: the one leaf that says so. Asked again, it is the answer.
    fn recalled(&mut self, exchange: Uuid, event: &RecalledEvent, place: Place<'_>) -> rusqlite::Result<Given> {
        let mut find = self.connection.prepare_cached(sqlite::RECALLED_LEAF)?;
        let known = find.query_row([exchange.as_bytes()], |row| row.get(0)).optional()?;
        match known {
            Some(leaf) => self.stands(unsigned(leaf)),
            None => self.leaf(&Event::Recalled(event.clone()), Some(exchange), None, place),
        }
    }

    /// A receiver says a thing once: a second acknowledgement with the same verdict has the first one's leaf as its answer, whatever its key.
    /// Its own key is not kept, because it has no leaf.
    fn acknowledged(&self, exchange: Uuid, verdict: &str) -> rusqlite::Result<Option<Given>> {
        let mut find = self.connection.prepare_cached(sqlite::ACK_LEAF)?;
        let leaf = find.query_row(params![exchange.as_bytes(), verdict], |row| row.get(0));
        leaf.optional()?.map(|leaf| self.stands(unsigned(leaf))).transpose()
    }

    /// A leaf that is the answer again.
    fn stands(&self, leaf: u64) -> rusqlite::Result<Given> {
        let mut find = self.connection.prepare_cached(sqlite::CHECKPOINT_AFTER)?;
        let size = find.query_row([sql(leaf)], |row| row.get(0)).optional()?;
        Ok(Given::Known {
            leaf,
            size: size.map(unsigned),
        })
    }

    fn shift(&mut self, exchange: Uuid, from: &[&str], to: &str, reason: Option<&str>) -> rusqlite::Result<Given> {
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

    /// An operator's act and its leaf; what is not set aside is neither released nor discarded, and has no leaf.
    fn operate(&mut self, exchange: Option<Uuid>, event: &OperatorEvent, place: Place<'_>) -> rusqlite::Result<Given> {
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
    fn feed_again(&mut self, exchange: Uuid, who: &str, place: Place<'_>) -> rusqlite::Result<Given> {
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

    fn erase(&mut self, exchange: Uuid, place: Place<'_>) -> rusqlite::Result<Given> {
        match self.erasable(exchange)? {
            Some(row) => self.erase_row(exchange, &row, place),
            None => Ok(Given::NotSo),
        }
    }

    fn erasable(&self, exchange: Uuid) -> rusqlite::Result<Option<InboxRow>> {
        let row = self.find(exchange)?;
        Ok(row.filter(|row| matches!(row.state.as_str(), "relayed" | "discarded")))
    }

    /// Key and content go in one transaction with the leaf that says so; a file is unlinked afterwards, or at the next start.
    fn erase_row(&mut self, exchange: Uuid, row: &InboxRow, place: Place<'_>) -> rusqlite::Result<Given> {
        let event = Event::Erased(ErasedEvent {
            x: exchange.to_string(),
            of: Reference {
                i: row.leaf,
                h: Digest(row.hash),
            },
        });
        let given = self.leaf(&event, Some(exchange), None, place)?;
        if matches!(given, Given::Leaf { .. }) {
            self.connection
                .prepare_cached(sqlite::DELETE_PAYLOAD)?
                .execute([sql(row.leaf)])?;
            let recalled = row.reason.as_deref().filter(|reason| *reason == RECALLED);
            self.move_row(row, "erased", recalled)?;
        }
        Ok(given)
    }

    /// Payloads go in one transaction with the leaf of the officer's act and those of their erasure; none to erase has no leaf.
    fn shred_payloads(&mut self, exchanges: &[Uuid], event: &ShredEvent, place: Place<'_>) -> rusqlite::Result<Given> {
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
    fn shred(&mut self, target: &Target, event: &ShredEvent, place: Place<'_>) -> rusqlite::Result<Given> {
        let mut keys = 0;
        for statement in [sqlite::DELETE_WRAPPED_KEYS, sqlite::DELETE_EVIDENCE] {
            let mut delete = self.connection.prepare_cached(statement)?;
            keys = match target {
                Target::Leaf(leaf) => delete.execute(params![sql(*leaf), sql(leaf + 1)])?,
                Target::Before(leaf) => delete.execute(params![0, sql(*leaf)])?,
            };
        }
        if keys == 0 {
            return Ok(Given::NotSo);
        }
        self.shred_leaf(event, keys, place)
    }

    fn shred_leaf(&mut self, event: &ShredEvent, keys: usize, place: Place<'_>) -> rusqlite::Result<Given> {
        let exchange = event.x.as_deref().and_then(|exchange| Uuid::parse_str(exchange).ok());
        let event = ShredEvent {
            cnt: u64::try_from(keys).unwrap_or(u64::MAX),
            ..event.clone()
        };
        self.leaf(&Event::Shred(event), exchange, None, place)
    }

    fn move_row(&self, row: &InboxRow, to: &str, reason: Option<&str>) -> rusqlite::Result<()> {
        let mut update = self.connection.prepare_cached(sqlite::MOVE_INBOX)?;
        exactly_one(update.execute(params![sql(row.leaf), row.state, to, self.t, reason])?)
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
            Event::Relayed(_) => (None, None, Some("relayed")),
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
            Event::Clock(clock) => (None, None, Some(clock.dir.as_str())),
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

fn unsignable(error: shuguan_ledger::note::NoteError) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

fn exactly_one(rows: usize) -> rusqlite::Result<()> {
    if rows == 1 {
        Ok(())
    } else {
        Err(rusqlite::Error::StatementChangedRows(rows))
    }
}
