//! The kinds of leaves and their members.
//!
//! One table gives the types, their bytes and the reading of them, so that no member can be written and not read.

use super::canonical::{Member, Members};
use super::{Commitment, Digest, LeafError, Reference};

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident $kind:literal $event:ident {
        $($(#[$member_doc:meta])* $member:ident: $type:ty,)*
    })*) => {
        /// What happened. The kind is the member `k`.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Event { $($(#[$doc])* $variant($event),)* }

        $(
            #[doc = concat!("See [`Event::", stringify!($variant), "`].")]
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $event { $($(#[$member_doc])* pub $member: $type,)* }
        )*

        impl OperatorEvent {
    /// An act of that name, about an exchange and for a reason where it has one.
    pub fn of_act(who: impl Into<String>, act: impl Into<String>, x: Option<String>, why: Option<String>) -> Self {
        Self {
            who: who.into(),
            act: act.into(),
            x,
            why,
            of: None,
        }
    }
}

impl Event {
            /// The kind as it stands in `k`.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $kind,)* }
            }

            pub(super) fn put<'e>(&'e self, members: &mut Members<'e>) {
                match self {
                    $(Self::$variant(event) => { $(event.$member.put(name(stringify!($member)), members);)* })*
                }
            }

            pub(super) fn take(kind: &str, members: &mut Members<'_>) -> Result<Self, LeafError> {
                match kind {
                    $($kind => Ok(Self::$variant($event {
                        $($member: Member::take(name(stringify!($member)), members)?,)*
                    })),)*
                    _ => Err(LeafError::Kind),
                }
            }
        }
    };
}

/// `in` is a word of the language, so its field is written `r#in`.
fn name(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}

events! {
    /// A batch was accepted.
    Push "push" PushEvent {
        /// Exchange id.
        x: String,
        /// Partner.
        p: String,
        /// SHA-256 of the partner's certificate.
        cert: Digest,
        /// Record type.
        rec: String,
        /// Purpose.
        pur: String,
        /// Agreement.
        agr: String,
        /// Plan hash.
        plan: Digest,
        /// Bundle hash.
        bun: Digest,
        /// Format and encoding, e.g. `csv+gb18030`.
        fmt: String,
        /// Rows received.
        r#in: u64,
        /// Rows accepted.
        ok: u64,
        /// Rows rejected.
        rej: u64,
        /// Rows that the grant's row filter held back, and rows that say of themselves that they are history.
        fil: u64,
        /// Rows that repeated another row of their part.
        rep: u64,
        /// Bytes received.
        bytes: u64,
        /// Root over the commitments of the released columns.
        cols: Digest,
        /// Number of released columns.
        nc: u64,
        /// Commitment to the request: body digest and, when it was signed, signature and signature base.
        req: Commitment,
        /// `delta` or `snapshot`; none: `upsert`.
        mode: Option<String>,
        /// Scope of a snapshot: `all`, or a field and its codes, e.g. `hukou_region=320706,320707`.
        sco: Option<String>,
        /// Rows as the sender counted them.
        cnt: Option<u64>,
        /// Name of the layout that the batch was read by, when it is one of the configuration.
        lay: Option<String>,
        /// What the sender stated of the whole file, fields and codes, e.g. `month=202511`.
        con: Option<String>,
        /// Commitment to the quality report.
        qua: Option<Commitment>,
        /// Commitment to the index of its subjects; none: no released field names a subject.
        ix: Option<Commitment>,
    }

    /// An extract is complete; no byte of it was offered before.
    Pull "pull" PullEvent {
        /// Exchange id.
        x: String,
        /// Partner.
        p: String,
        /// SHA-256 of the partner's certificate.
        cert: Digest,
        /// Dataset.
        ds: String,
        /// Purpose.
        pur: String,
        /// Agreement.
        agr: String,
        /// Plan hash.
        plan: Digest,
        /// Bundle hash.
        bun: Digest,
        /// Form of the content: `ndjson` or `csv`.
        fmt: String,
        /// Rows in the content.
        rows: u64,
        /// Rows that the grant's row filter held back: sealed by a version before. Who receives the extract has this leaf, and is not to learn how many there
        /// are that it may not have; the evidence record says it.
        fil: Option<u64>,
        /// Bytes of the content.
        bytes: u64,
        /// Root over the commitments of the columns.
        cols: Digest,
        /// Commitment to the SHA-256 of the content.
        out: Commitment,
        /// Number of columns.
        nc: u64,
        /// Commitment to the selection.
        sel: Commitment,
        /// Commitment to the case number.
        case: Commitment,
        /// SHA-256 of the manifest that travels with the content: agreement, purpose, what is owed. It tells nothing of a person. None: an older leaf.
        man: Option<Digest>,
        /// Commitment to the request, when it was signed: body digest, signature, signature base.
        req: Option<Commitment>,
        /// Commitment to the index of its subjects; none: no released field names a subject.
        ix: Option<Commitment>,
    }

    /// Claims were compared with a dataset; the answers left after it.
    Compare "compare" CompareEvent {
        /// Exchange id.
        x: String,
        /// Partner.
        p: String,
        /// SHA-256 of the partner's certificate.
        cert: Digest,
        /// Dataset.
        ds: String,
        /// Purpose.
        pur: String,
        /// Agreement.
        agr: String,
        /// Plan hash.
        plan: Digest,
        /// Bundle hash.
        bun: Digest,
        /// Rows of claims, each about another subject.
        rows: u64,
        /// Rows about somebody whom the registry does not have.
        abs: u64,
        /// Bytes of the answers: the same for every answer to as many rows.
        bytes: u64,
        /// Root over the commitments of the columns of answers.
        cols: Digest,
        /// Commitment to the SHA-256 of the answers.
        out: Commitment,
        /// Number of columns of answers.
        nc: u64,
        /// Commitment to the case number.
        case: Commitment,
        /// Commitment to the request: body digest and, when it was signed, signature and signature base.
        req: Commitment,
        /// Commitment to the index of the subjects asked about.
        ix: Commitment,
    }

    /// Whoever received says so, signed.
    ReceiptAck "receipt-ack" ReceiptAckEvent {
        /// Exchange id.
        x: String,
        /// Leaf of what was received.
        of: Reference,
        /// `complete`, `damaged` or `deleted`.
        verdict: String,
        /// Commitment to the acknowledgement: body digest, signature, signature base.
        req: Commitment,
    }

    /// A caller was refused.
    Refusal "refusal" RefusalEvent {
        /// Exchange id, when there was one.
        x: Option<String>,
        /// Partner; `-` before an identity was known.
        p: String,
        /// Slug of the refusal.
        code: String,
        /// Station that refused.
        at: String,
        /// Record type, when it is one that exists.
        rec: Option<String>,
        /// Dataset, when it is one that exists.
        ds: Option<String>,
        /// Purpose, when it is one that exists.
        pur: Option<String>,
        /// Bundle hash.
        bun: Option<Digest>,
        /// How many, when one leaf stands for several.
        cnt: Option<u64>,
        /// Commitment to the quality report of a batch that was read.
        qua: Option<Commitment>,
        /// Commitment to the request, when it was signed: body digest, signature, signature base.
        req: Option<Commitment>,
        /// Rows of claims of a comparison that was stopped when its answers were known.
        ask: Option<u64>,
        /// How many of them were about somebody whom the registry does not have.
        abs: Option<u64>,
    }

    /// The relay put a batch into the registry.
    Relayed "relayed" RelayedEvent {
        /// Exchange id.
        x: String,
        /// Leaf of the push.
        of: Reference,
        /// Rows inserted.
        ins: u64,
        /// Rows updated.
        upd: u64,
        /// Rows that the registry already had so, or newer.
        same: u64,
        /// Rows that the registry refused.
        fail: u64,
        /// Rows closed: by a delta, by the end of a snapshot, or as what came after a newer snapshot that lacks them; none: an upsert that closed nothing.
        del: Option<u64>,
        /// Parts.
        batch: u64,
        /// Milliseconds from the first part to the last commit.
        ms: u64,
        /// Random: a partner sees the hash of this leaf and not the leaf, and what became of its rows depends on other sources' rows; without it the counts
        /// could be found by trying. None: sealed by a version before.
        rnd: Option<Digest>,
    }

    /// A batch that the registry refuses for a reason of its own is out of the relay's way, until an operator has looked.
    SetAside "set-aside" SetAsideEvent {
        /// Exchange id.
        x: String,
        /// Leaf of the push.
        of: Reference,
        /// Reason code.
        code: String,
    }

    /// A push that was admitted ended without a decision, and nobody was told: its sender was gone. Nothing was accepted.
    Aborted "aborted" AbortedEvent {
        /// Exchange id.
        x: String,
        /// Partner.
        p: String,
        /// Record type.
        rec: String,
        /// Purpose.
        pur: String,
        /// Hash of the bundle that it was admitted under.
        bun: Digest,
        /// `body-incomplete`: the body broke off, or the connection was over before it had come whole, or while it was paced. `sender-gone`: the latter, in versions that told it apart.
        code: String,
    }

    /// A partner withdraws a batch that it pushed; the leaf is older than the effect.
    Recall "recall" RecallEvent {
        /// Exchange id of the recall.
        x: String,
        /// Partner.
        p: String,
        /// Record type.
        rec: String,
        /// Exchange id of the push.
        push: String,
        /// Leaf of the push.
        of: Reference,
        /// Reason code.
        why: String,
        /// Commitment to the request: body digest and, when it was signed, signature and signature base.
        req: Commitment,
    }

    /// The registry holds nothing of a recalled batch any more.
    Recalled "recalled" RecalledEvent {
        /// Exchange id of the recall.
        x: String,
        /// Leaf of the recall.
        of: Reference,
        /// Open rows that were withdrawn.
        del: u64,
        /// Rows that the batch had closed and that are open again.
        opn: u64,
        /// Random, as in a `relayed` leaf.
        rnd: Option<Digest>,
    }

    /// A source is asked to check one field of one row that it sent; nothing is said about any other source.
    Ticket "ticket" TicketEvent {
        /// Exchange id of the ticket.
        x: String,
        /// The partner that is asked.
        p: String,
        /// The operator's partner id, in clear on purpose.
        who: String,
        /// Record type.
        rec: String,
        /// Exchange id of the push that brought the row.
        push: String,
        /// Leaf of the push.
        of: Reference,
        /// The row among those that were accepted of it, from 1.
        row: u64,
        /// The field.
        fld: String,
    }

    /// What a source says to a ticket.
    TicketAnswer "ticket-answer" TicketAnswerEvent {
        /// Exchange id of the ticket.
        x: String,
        /// Partner.
        p: String,
        /// Leaf of the ticket.
        of: Reference,
        /// `corrected` or `confirmed`.
        say: String,
        /// Commitment to the answer: body digest and, when it was signed, signature and signature base.
        req: Commitment,
    }

    /// An officer asked; the leaf is older than the answer.
    OfficerQuery "officer-query" OfficerQueryEvent {
        /// The officer's partner id, in clear on purpose.
        who: String,
        /// Commitment to the case number.
        case: Commitment,
        /// Reason code.
        why: String,
        /// What was asked: `search`, `show`, `export`, `by-person`.
        q: String,
        /// Commitment to the arguments.
        arg: Commitment,
    }

    /// What an officer's search for a person or unit found; it follows the question.
    OfficerResult "officer-result" OfficerResultEvent {
        /// The officer's partner id.
        who: String,
        /// Leaf of the question.
        of: Reference,
        /// Exchanges found.
        cnt: u64,
    }

    /// A step on the way to an opened evidence record.
    OfficerUnseal "officer-unseal" OfficerUnsealEvent {
        /// The officer's partner id.
        who: String,
        /// Exchange whose record it is.
        x: String,
        /// `ask`, `approve` or `open`.
        step: String,
        /// Commitment to the case number.
        case: Commitment,
        /// Reason code.
        why: String,
        /// SHA-256 of the signed statement, which holds 16 random bytes.
        stmt: Digest,
        /// The step before.
        of: Option<Reference>,
    }

    /// Keys were destroyed: what they opened is gone, what was proved stays proved.
    Shred "shred" ShredEvent {
        /// The officer's partner id.
        who: String,
        /// `evidence`, `payload` or `index`.
        what: String,
        /// Commitment to the case number.
        case: Commitment,
        /// Reason code.
        why: String,
        /// The exchange, when it is one.
        x: Option<String>,
        /// Everything sealed before this moment, when it is not one exchange.
        before: Option<String>,
        /// Keys destroyed.
        cnt: u64,
    }

    /// The node started.
    Start "start" StartEvent {
        /// Version of the program.
        version: String,
        /// Leaves found at the start.
        size: u64,
        /// Leaves that the head file stated then; none: there was no head file, or an earlier version sealed this.
        head: Option<u64>,
        /// SHA-256 of the program's file; none: it could not be read, or an earlier version sealed this.
        bin: Option<Digest>,
    }

    /// The node stopped.
    Stop "stop" StopEvent {
        /// Reason code.
        reason: String,
    }

    /// An act of the certificate authority.
    Certificate "certificate" CertificateEvent {
        /// `issued`, `renewed`, `revoked` or `crl`.
        act: String,
        /// Partner; `-` for a revocation list.
        p: String,
        /// Serial number, hex.
        serial: String,
        /// When the authority did it, as it says.
        at: String,
    }

    /// The gateway started with another configuration than the time before.
    Config "config" ConfigEvent {
        /// SHA-256 of the configuration file, byte by byte: it holds no secret, only paths of files that do.
        cfg: Digest,
        /// That of the one before; none: the first that the log knows.
        prev: Option<Digest>,
    }

    /// The log's key changes: a new one signs beside the old, or the old one ends. Or the key that signs answers does: a new one signs those about the
    /// leaves after this one, or an old one signs none any more.
    Key "key" KeyEvent {
        /// `new` or `retired`.
        act: String,
        /// What kind of key it is: `ed25519` signs the log, `receipt-ed25519` answers.
        suite: String,
        /// The key that begins or ends: as a vkey, or by the id that answers name as `keyid`.
        key: String,
        /// The key that signs beside it, that it follows, or that remains, as `key`; `-`: none.
        of: String,
        /// The first size that it signs, or that it signs no more: that of the checkpoint over this leaf. Of a key that signs answers 0.
        from: u64,
        /// `rotation` or `stolen`; `first` of the first key that signs answers.
        why: String,
    }

    /// This log ends here: the next leaf opens its successor, under another name, in the same tree. Nothing is lost between the two.
    LogClose "log-close" LogCloseEvent {
        /// Name of the log that ends.
        log: String,
        /// The keys that sign its last checkpoint, the one over this leaf: vkeys with a blank between them.
        by: String,
        /// Name of the log that succeeds it.
        next: String,
        /// The key that the successor begins with, as a vkey.
        key: String,
        /// Why: `year`.
        why: String,
        /// Who ordered it: the operator's partner id.
        who: String,
    }
    /// This log succeeds another, which was closed by the leaf before or whose end is lost: what stands before this leaf are the first entries of that one.
    LogOpen "log-open" LogOpenEvent {
        /// Name of the log that begins here.
        log: String,
        /// Name of the log that it succeeds, which is closed.
        of: String,
        /// Entries under the last checkpoint of that one: the one over its `log-close` leaf, else the last that anybody has seen.
        size: u64,
        /// Its root.
        root: Digest,
        /// How many of them are here. Those from there up to `size` are lost; a `log-gap` leaf stands at the index of each but the first.
        kept: u64,
        /// Why: `year` after a `log-close` leaf, else `disk-lost`, `log-damaged` or `restored`.
        why: String,
        /// Name of the log whose entries stand before this leaf, when that is another than `of`: `of` had succeeded it within what is lost.
        had: Option<String>,
    }

    /// The entry of the closed log at this index is lost.
    LogGap "log-gap" LogGapEvent {
        /// Name of the closed log.
        of: String,
    }

    /// A policy bundle was loaded or refused, or a load took a grant away.
    Policy "policy" PolicyEvent {
        /// `loaded`, `refused` or `revoked`.
        result: String,
        /// Who brought it: an officer's partner id, `start` or `reload`.
        by: String,
        /// Its serial number, when its envelope could be read.
        serial: Option<u64>,
        /// Its hash, when it could be compiled.
        bun: Option<Digest>,
        /// Hash of the bundle in force before.
        prev: Option<Digest>,
        /// SHA-256 of the signed statement.
        stm: Option<Digest>,
        /// Who signed it: partner ids with a blank between them.
        signers: Option<String>,
        /// The serial that it goes back from.
        back: Option<u64>,
        /// Grants that it has and the one before had not, or not so.
        added: Option<u64>,
        /// Grants that the one before had and it has not.
        gone: Option<u64>,
        /// Slug of the refusal.
        code: Option<String>,
        /// Id of the grant that is gone (`revoked`).
        grant: Option<String>,
        /// Id of the partner that is gone (`revoked`).
        p: Option<String>,
    }

    /// An operator's act on the relay.
    Operator "operator" OperatorEvent {
        /// The operator's partner id.
        who: String,
        /// `paused`, `resumed`, `released-again`, `discarded` or `fed-again`.
        act: String,
        /// The exchange, when the act is about one.
        x: Option<String>,
        /// Reason code of a discard.
        why: Option<String>,
        /// The push that is fed to the registry again, which had lost it; its second `relayed` leaf follows.
        of: Option<Reference>,
    }

    /// For some time no quorum of witnesses signed the log, or one did again.
    WitnessGap "witness-gap" WitnessGapEvent {
        /// `begin` or `end`.
        step: String,
        /// Entries under the newest cosigned checkpoint.
        size: u64,
        /// Seconds since the oldest entry that was not under it (`end`: that had not been).
        s: u64,
    }

    /// A witness's clock and this node's are apart; or this node's clock stepped.
    Clock "clock" ClockEvent {
        /// Name of the witness in the configuration; `machine` for this node's own clock; of a step that was taken because somebody agreed with it, who: a
        /// witness's name, or the operator's partner id.
        who: String,
        /// `ahead` or `behind`: the witness's clock, seen from here; the machine's clock, seen from the time that the log went on by.
        dir: String,
        /// How much at least, milliseconds.
        ms: u64,
        /// Of the machine's clock: `held`, the step is not followed; `gone`, it was put right; `taken`, it is the time from here on.
        step: Option<String>,
        /// Of `taken`: `standing`, `witness` or `operator`.
        by: Option<String>,
        /// What the machine's clock said.
        wall: Option<String>,
        /// The time that the log went on by.
        log: Option<String>,
    }

    /// For some time the disk had no room for what was to be sealed, and nothing of that was accepted. This leaf is in the first group that went in again.
    Full "full" FullEvent {
        /// When the first group had no room.
        since: String,
        /// How many groups had none; others, smaller ones, may have gone in between.
        cnt: u64,
        /// Bytes free on the disk now; none: that could not be asked.
        free: Option<u64>,
    }

    /// A payload and its key were deleted.
    Erased "erased" ErasedEvent {
        /// Exchange id.
        x: String,
        /// Leaf of the push.
        of: Reference,
    }
}

impl Event {
    /// The exchange it belongs to.
    pub fn exchange(&self) -> Option<&str> {
        match self {
            Self::Push(event) => Some(&event.x),
            Self::Pull(event) => Some(&event.x),
            Self::Compare(event) => Some(&event.x),
            Self::Refusal(event) => event.x.as_deref(),
            Self::Relayed(event) => Some(&event.x),
            Self::SetAside(event) => Some(&event.x),
            Self::Aborted(event) => Some(&event.x),
            Self::Erased(event) => Some(&event.x),
            Self::ReceiptAck(event) => Some(&event.x),
            Self::Recall(event) => Some(&event.x),
            Self::Recalled(event) => Some(&event.x),
            Self::Ticket(event) => Some(&event.x),
            Self::TicketAnswer(event) => Some(&event.x),
            Self::Operator(event) => event.x.as_deref(),
            Self::OfficerUnseal(event) => Some(&event.x),
            Self::Shred(event) => event.x.as_deref(),
            Self::OfficerQuery(_)
            | Self::OfficerResult(_)
            | Self::Start(_)
            | Self::Stop(_)
            | Self::Certificate(_)
            | Self::Config(_)
            | Self::Key(_)
            | Self::LogClose(_)
            | Self::LogOpen(_)
            | Self::LogGap(_)
            | Self::Policy(_)
            | Self::WitnessGap(_)
            | Self::Clock(_)
            | Self::Full(_) => None,
        }
    }

    /// The partner whose exchange it is, when it is one: each of his has a number ([`super::Leaf::pn`]).
    pub fn counts_for(&self) -> Option<&str> {
        match self {
            Self::Push(event) => Some(&event.p),
            Self::Pull(event) => Some(&event.p),
            Self::Compare(event) => Some(&event.p),
            Self::Recall(event) => Some(&event.p),
            Self::Aborted(event) => Some(&event.p),
            Self::Refusal(event) => Some(event.p.as_str()).filter(|partner| *partner != "-"),
            _ => None,
        }
    }

    /// The partner or officer it is about.
    pub fn partner(&self) -> Option<&str> {
        match self {
            Self::Push(event) => Some(&event.p),
            Self::Pull(event) => Some(&event.p),
            Self::Compare(event) => Some(&event.p),
            Self::Refusal(event) => Some(&event.p),
            Self::Aborted(event) => Some(&event.p),
            Self::OfficerQuery(event) => Some(&event.who),
            Self::OfficerResult(event) => Some(&event.who),
            Self::OfficerUnseal(event) => Some(&event.who),
            Self::Shred(event) => Some(&event.who),
            Self::Certificate(event) => Some(&event.p),
            Self::Operator(event) => Some(&event.who),
            Self::LogClose(event) => Some(&event.who),
            Self::Recall(event) => Some(&event.p),
            Self::Ticket(event) => Some(&event.p),
            Self::TicketAnswer(event) => Some(&event.p),
            Self::Policy(event) => Some(event.p.as_ref().unwrap_or(&event.by)),
            Self::Relayed(_)
            | Self::SetAside(_)
            | Self::Recalled(_)
            | Self::ReceiptAck(_)
            | Self::Start(_)
            | Self::Config(_)
            | Self::Key(_)
            | Self::LogOpen(_)
            | Self::LogGap(_)
            | Self::Stop(_)
            | Self::Erased(_)
            | Self::WitnessGap(_)
            | Self::Clock(_)
            | Self::Full(_) => None,
        }
    }
}
