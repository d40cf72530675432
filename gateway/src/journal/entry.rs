//! What is handed to the journal for sealing, and what comes back.
//!
//! Takes an event with its payload, rejects and subjects; gives a [`Sealed`] whose receipt proves it. The expensive part (encryption) is
//! done here, on the caller's thread, before the entry queues.

use shuguan_ledger::leaf::{Commitment, Event};
use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::tree::Hash;
use uuid::Uuid;

use super::evidence::{Evidence, RECORD, VAULT_KEY, hex};
use super::fault::JournalFault;
use super::kek::{Kek, Kind};
use super::packing;
use super::payload::{Body, SealedPayload};
use super::sequencer::SealedLeaf;
use super::subjects::Subjects;
use super::vault::{SealedRecord, Vault};
use crate::pki::period;

/// What a leaf, its position and its bookkeeping take at most in one transaction.
const ENTRY_BYTES: usize = 2_048;

/// One entry of the log to be, with what belongs to it.
#[derive(Debug)]
pub struct Entry {
    /// What happened; moment and index the sequencer gives.
    pub event: Event,
    /// Its exchange.
    pub exchange: Uuid,
    /// Partner, for finding; the leaf's own partner when it has one.
    pub partner: Option<String>,
    /// The caller's key, when the answer belongs to one (C4).
    pub idempotency: Option<Idempotency>,
    /// What the sender of a signed request never uses twice.
    pub nonce: Option<Nonce>,
    /// The released batch of a push.
    pub payload: Option<SealedPayload>,
    /// The reject report, clear NDJSON: row, field, code. The journal encrypts it.
    pub rejects: Option<Vec<u8>>,
    /// What a comparison answered, for as long as its key is answered. The journal encrypts it.
    pub answers: Option<Vec<u8>>,
    /// The persons or units in it, by keyed tag.
    pub subjects: Option<Subjects>,
    /// The evidence record of an entry without payload; with one, the payload's is used.
    pub evidence: Option<Evidence>,
}

impl Entry {
    /// An entry with nothing but its event.
    pub fn new(exchange: Uuid, event: Event) -> Self {
        Self {
            event,
            exchange,
            partner: None,
            idempotency: None,
            nonce: None,
            payload: None,
            rejects: None,
            answers: None,
            subjects: None,
            evidence: None,
        }
    }

    /// Encrypts what must be encrypted.
    pub(super) fn prepare(self, kek: &Kek, vault: &Vault, now_us: i64) -> Result<Prepared, JournalFault> {
        let exchange = self.exchange;
        let (payload, inner) = match self.payload {
            // Its parts open under the exchange that it was begun for and no other.
            Some(payload) if payload.exchange != exchange => return Err(JournalFault::ForeignPayload),
            Some(payload) => Some(PreparedPayload::of(payload)).unzip(),
            None => (None, None),
        };
        let (mut evidence, mut ev) = (None, None);
        if let Some(mut record) = inner.or(self.evidence) {
            if let Some(key) = &self.idempotency {
                record.note("idempotency", hex(&key.tag));
            }
            record.note(VAULT_KEY, period::month(now_us));
            let bytes = record.encode();
            ev = Some(record.commit(RECORD, &bytes));
            evidence = Some(vault.seal(exchange, &bytes, now_us)?);
        }
        let sealed = |kind, clear: Option<Vec<u8>>| clear.map(|clear| kek.seal(kind, exchange, &clear)).transpose();
        Ok(Prepared {
            event: self.event,
            exchange: Some(exchange),
            partner: self.partner,
            idempotency: self.idempotency,
            nonce: self.nonce,
            payload,
            evidence,
            ev,
            rejects: sealed(Kind::Rejects, self.rejects.map(shortest))?,
            // Those have one length whatever they say; packed, they would not.
            answers: sealed(Kind::Answers, self.answers)?,
            subjects: self.subjects,
        })
    }
}

/// The report packed, where that is shorter: ten thousand lines of the same few codes.
fn shortest(report: Vec<u8>) -> Vec<u8> {
    packing::packed(&report).unwrap_or(report)
}

/// A caller's idempotency key; both are HMACs, the key itself is never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// HMAC of partner and key.
    pub tag: [u8; 32],
    /// HMAC of content digest, target and purpose.
    pub content: [u8; 32],
}

/// The nonce of a signed request. Both are HMACs: neither nonce nor signature is stored in clear (design 10.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce {
    /// HMAC of key id and nonce.
    pub tag: [u8; 32],
    /// HMAC of idempotency key and signature: the same again is a retry, anything else a replay.
    pub bound: [u8; 32],
    /// Until when it is remembered, microseconds UTC: the end of the signature and a minute.
    pub until_us: i64,
}

/// A sealed entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its exchange, when it has one.
    pub exchange: Option<Uuid>,
    /// Index of its leaf.
    pub index: u64,
    /// Hash of its leaf.
    pub leaf_hash: Hash,
    /// When, microseconds UTC.
    pub t_us: i64,
    /// Bytes of its leaf.
    pub leaf: Vec<u8>,
    /// The receipt, C2SP tlog-proof, under the checkpoint of its own group: the same bytes whenever it is asked for within 7 days.
    pub receipt: String,
    /// Size of that checkpoint.
    pub checkpoint_size: u64,
}

impl Sealed {
    /// Name of the log whose checkpoint the receipt has.
    pub fn log(&self) -> &str {
        let note = self.receipt.split_once("\n\n").map(|(_, note)| note);
        note.and_then(|note| note.lines().next()).unwrap_or_default()
    }

    pub(super) fn of(leaf: SealedLeaf, exchange: Option<Uuid>) -> Self {
        let receipt = Receipt {
            leaf: leaf.bytes,
            index: leaf.index,
            path: leaf.path,
            checkpoint: leaf.note.as_ref().to_owned(),
        };
        Self {
            exchange,
            index: leaf.index,
            leaf_hash: leaf.hash,
            t_us: leaf.t,
            receipt: receipt.encode(),
            leaf: receipt.leaf,
            checkpoint_size: leaf.size,
        }
    }
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable and under a signed checkpoint.
    Sealed(Sealed),
    /// Its key was used before with the same content: the first answer's leaf; nothing was written.
    Repeated(Sealed),
    /// Its key was used before with other content; nothing was written.
    KeyReused,
    /// Its nonce was used before by another request; nothing was written.
    Replayed,
}

/// An entry ready to be bound.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) event: Event,
    pub(super) exchange: Option<Uuid>,
    pub(super) partner: Option<String>,
    pub(super) idempotency: Option<Idempotency>,
    pub(super) nonce: Option<Nonce>,
    pub(super) payload: Option<PreparedPayload>,
    pub(super) evidence: Option<SealedRecord>,
    /// The commitment to it.
    pub(super) ev: Option<Commitment>,
    pub(super) rejects: Option<Vec<u8>>,
    pub(super) answers: Option<Vec<u8>>,
    pub(super) subjects: Option<Subjects>,
}

impl Prepared {
    /// An event of the node itself.
    pub(super) fn bare(event: Event) -> Self {
        Self {
            event,
            exchange: None,
            partner: None,
            idempotency: None,
            nonce: None,
            payload: None,
            evidence: None,
            ev: None,
            rejects: None,
            answers: None,
            subjects: None,
        }
    }

    /// Bytes that it puts into its transaction, about.
    pub(super) fn weight(&self) -> usize {
        let inline = self.payload.as_ref().map_or(0, |payload| match &payload.body {
            Body::Inline(blob) => blob.len(),
            Body::File(_) => 0,
        });
        let evidence = self.evidence.as_ref().map_or(0, |record| record.body.len() + 256);
        let sealed = evidence
            + [&self.rejects, &self.answers]
                .into_iter()
                .flatten()
                .map(Vec::len)
                .sum::<usize>();
        ENTRY_BYTES + inline + sealed + self.subjects.as_ref().map_or(0, Subjects::weight)
    }

    pub(super) fn keep_file(&mut self) {
        if let Some(subjects) = &mut self.subjects {
            subjects.keep_file();
        }
        if let Some(Body::File(guard)) = self.payload.as_mut().map(|payload| &mut payload.body) {
            guard.keep();
        }
    }
}

/// The payload's row.
#[derive(Debug)]
pub(super) struct PreparedPayload {
    pub(super) parts: u32,
    pub(super) bytes: u64,
    pub(super) body: Body,
    pub(super) wrapped_key: Vec<u8>,
}

impl PreparedPayload {
    fn of(payload: SealedPayload) -> (Self, Evidence) {
        let prepared = Self {
            parts: payload.parts,
            bytes: payload.bytes,
            body: payload.body,
            wrapped_key: payload.wrapped_key,
        };
        (prepared, payload.evidence)
    }
}
