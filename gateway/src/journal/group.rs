//! One group inside its open transaction: what each piece of work writes.
//!
//! Takes work in order; gives what its waiter will be told once the group is committed. Refuses nothing by itself: an error of a statement
//! rolls the whole group back.

mod erasing;
mod facets;
mod moving;
mod sealing;
mod turning;

use std::collections::HashMap;
use std::sync::Arc;

use shuguan_ledger::checkpoint::Checkpoint;
use shuguan_ledger::leaf::{Event, Leaf};
use shuguan_ledger::tree::{Edge, Hash, leaf_hash};
use uuid::Uuid;

pub use self::facets::Facets;
use super::log_keys::LogSigner;
use super::log_time::Moment;
use super::nonces::{self, Seen};
use super::numbers::{GivenNumbers, Numbers};
use super::past_plans;
use super::proofread;
use super::sequencer::Work;
use super::shared::InboxMoves;
use super::statements;
use super::store::{Store, StoreFault, Stored, values};

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
            Work::Prune { .. } | Work::Look => Ok(Given::Done),
            Work::Cosigned(cosigned) => cosigned.store(self.store).map(|()| Given::Done),
            Work::KeepPlans(plans) => past_plans::store(self.store, plans).map(|()| Given::Done),
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
