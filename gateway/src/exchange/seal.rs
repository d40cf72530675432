//! Sealing: the point after which a crash is safe.
//!
//! Takes what was released, a complete extract, or answers; gives a [`SealedPush`], a sealed pull or comparison whose leaf, payload and idempotency key are
//! durable under a signed checkpoint. When the journal cannot commit nothing was accepted (503).

use shuguan_ledger::leaf::{Commitment, CompareEvent, Digest, Event, Leaf, PullEvent, PushEvent, RefusalEvent};
use shuguan_ledger::time;
use shuguan_policies::{Given, Plan};

use super::admit::{self, Admitted, INBOX_RETRY_AFTER_S};
use super::batch::Received;
use super::compare::{AdmittedCompare, Answered};
use super::mode::PushMode;
use super::pull::Prepared;
use super::quality::Quality;
use super::release::Released;
use super::report::Report;
use super::signing::commit_request;
use super::{Fault, RefusalLeaf, Refused, Stations, Stop};
use crate::edge::Peer;
use crate::journal::{
    CONTENT, Entry, Evidence, INDEX, INDEX_KEYS, Idempotency, MASTER_KEY, Outcome, QUALITY, RefusalDraft, SealError,
    Sealed, SealedPayload, Subjects, Uploading,
};
use crate::limits::Standing;
use crate::limits::quota::Amount;
use crate::refusal::Refusal;
use crate::sha256;

/// Records that every report lists, as far as there are any.
const LISTED_MIN: usize = 100;
/// What `Retry-After` says when the journal cannot commit.
const JOURNAL_RETRY_AFTER_S: u64 = 5;

/// A push that is durable. Only this module makes one.
///
/// ```compile_fail
/// let _ = |sealed| shuguan::exchange::seal::SealedPush { sealed };
/// ```
#[derive(Debug)]
pub struct SealedPush {
    pub(super) sealed: Sealed,
    pub(super) event: PushEvent,
    /// The reject report, NDJSON.
    pub(super) rejects: Vec<u8>,
    /// The key had been answered before.
    pub(super) replayed: bool,
    pub(super) standing: Standing,
}

/// Seals a push together with its idempotency key.
///
/// # Errors
/// A refusal that sticks to the key, a key with other content, or a journal that cannot commit.
pub async fn push(stations: &Stations, admitted: Admitted, released: Released) -> Result<SealedPush, Stop> {
    let (received, accepts) = (&released.received, released.received.refused.is_none());
    let amount = Amount {
        rows: received.counts.received,
        bytes: received.bytes,
    };
    let idempotency = idempotency(stations, &admitted, &released.received.digest);
    let report = kept_report(stations, &admitted, &released.received).await?;
    // What it takes on disk counts as an upload until its leaf has made it a part of the inbox.
    let (mut entry, _uploading) = match &released.received.refused {
        None => accepted(stations, &admitted, released).map(|(entry, uploading)| (entry, Some(uploading)))?,
        Some(refused) => (refused_whole(stations, &admitted, refused.refusal, &released)?, None),
    };
    entry.partner = Some(admitted.peer.partner().id.clone());
    entry.idempotency = Some(idempotency);
    entry.nonce = admitted.nonce;
    entry.rejects = (!report.is_empty()).then(|| report.clone());
    let event = entry.event.clone();
    has_room(stations, &admitted, &entry).await?;
    let quota = admitted.quota.as_ref().ok().filter(|_| accepts);
    let sealing = quota.map(|hold| hold.sealing(amount));
    let outcome = stations.journal.seal(entry).await;
    // The leaf is durable: from now on the log counts it too.
    if matches!(outcome, Ok(Outcome::Sealed(_))) {
        drop(sealing);
        if !accepts {
            admitted.permit.batch_refused();
        }
    } else if let Some(sealing) = sealing {
        sealing.undone();
    }
    let (sealed, replayed) = match outcome.map_err(unavailable)? {
        Outcome::Sealed(sealed) => (sealed, false),
        Outcome::Repeated(sealed) => (sealed, true),
        Outcome::KeyReused => return Err(Refusal::KeyReused.into()),
        Outcome::Replayed => return Err(Refusal::Replayed.into()),
    };
    let standing = admitted.standing();
    if replayed {
        // A repeat is answered from what was stored, not from what was just decoded.
        return told_again(stations, sealed, standing).await;
    }
    told(event, sealed, report, false, standing)
}

/// The report as it is kept: whole, while there is room for it; else with as many records as an answer shows. That of a repeat is not kept and takes no room.
async fn kept_report(stations: &Stations, admitted: &Admitted, received: &Received) -> Result<Vec<u8>, Stop> {
    let whole = received.report.encode();
    let is_short = received.report.rows.len() <= LISTED_MIN;
    if is_short || admit::answered(&stations.journal, admitted).await? || admitted.permit.keeps_report(whole.len()) {
        return Ok(whole);
    }
    let cut = received.report.clone().cut(LISTED_MIN, received.counts.rejected);
    Ok(cut.encode())
}

/// Once more, because uploads side by side were all admitted with the same room. A repeat of what was sealed brings nothing new and is answered.
async fn has_room(stations: &Stations, admitted: &Admitted, entry: &Entry) -> Result<(), Stop> {
    let bytes = entry.payload.as_ref().map(SealedPayload::bytes);
    let partner = &admitted.peer.partner().id;
    if bytes.is_none_or(|bytes| stations.journal.inbox_takes(partner, bytes))
        || admit::answered(&stations.journal, admitted).await?
    {
        return Ok(());
    }
    Err(Refused::new(Refusal::InboxFull).retry_after(INBOX_RETRY_AFTER_S).into())
}

/// The tags of a push's key and content.
pub(super) fn idempotency(stations: &Stations, admitted: &Admitted, digest: &[u8; 32]) -> Idempotency {
    Idempotency {
        tag: admitted.in_flight.tag(),
        content: stations.tags.content(
            digest,
            admitted.record.name,
            &admitted.layout.content_type(),
            admitted.plan.purpose(),
            &admitted.manner_text(),
        ),
    }
}

/// What was sealed under a key, told again.
///
/// # Errors
/// The refusal that sticks to the key.
pub(super) async fn told_again(stations: &Stations, sealed: Sealed, standing: Standing) -> Result<SealedPush, Stop> {
    let rejects = stored_report(stations, &sealed).await?;
    let leaf = Leaf::decode(&sealed.leaf).map_err(Fault::from_error("read the leaf"))?;
    told(leaf.event, sealed, rejects, true, standing)
}

fn told(
    event: Event,
    sealed: Sealed,
    rejects: Vec<u8>,
    replayed: bool,
    standing: Standing,
) -> Result<SealedPush, Stop> {
    match event {
        Event::Push(event) => Ok(SealedPush {
            sealed,
            event,
            rejects,
            replayed,
            standing,
        }),
        Event::Refusal(event) => Err(sticky(&event, &rejects, sealed)),
        _ => Err(Fault::new("answer from a leaf of another kind").into()),
    }
}

fn accepted(stations: &Stations, admitted: &Admitted, released: Released) -> Result<(Entry, Uploading), Stop> {
    let counts = &released.received.counts;
    let subjects = released.subjects;
    let mut payload = released
        .payload
        .ok_or_else(|| Fault::new("seal a batch without payload"))?;
    note_plan(payload.evidence_mut(), &admitted.plan);
    note_origin(payload.evidence_mut(), &admitted.peer);
    payload.evidence_mut().note(MASTER_KEY, stations.keys.check());
    payload.evidence_mut().note("revocation", &*admitted.revocation);
    let quality = quality(&released.received.quality);
    let manner = &admitted.manner;
    let event = PushEvent {
        x: admitted.exchange.to_string(),
        p: admitted.peer.partner().id.clone(),
        cert: Digest(admitted.peer.certificate_sha256()),
        rec: admitted.record.name.into(),
        pur: admitted.plan.purpose().into(),
        agr: admitted.plan.agreement().into(),
        plan: Digest(admitted.plan.hash()),
        bun: Digest(admitted.bundle),
        fmt: released.received.format.into(),
        r#in: counts.received,
        ok: payload.rows().saturating_sub(released.named),
        rej: counts.rejected,
        fil: released.filtered.saturating_add(counts.history),
        rep: counts.repeated,
        bytes: released.received.bytes,
        cols: payload.cols(),
        nc: payload.column_count(),
        req: commit_request(
            &stations.signing,
            payload.evidence_mut(),
            &released.received.digest,
            admitted.signed.as_ref(),
        ),
        mode: (manner.mode != PushMode::Upsert).then(|| manner.mode.name().into()),
        sco: manner.mode.scope().map(ToString::to_string),
        cnt: manner.count,
        lay: admitted.layout_name.clone(),
        con: (!manner.stated.is_empty()).then(|| manner.stated.to_string()),
        qua: Some(payload.evidence_mut().commit_text(QUALITY, &quality)),
        ix: subjects
            .as_ref()
            .map(|subjects| commit_index(stations, payload.evidence_mut(), subjects)),
    };
    if event.r#in != event.ok + event.rej + event.fil + event.rep {
        return Err(Fault::new("counts do not add up").into());
    }
    let mut entry = Entry::new(admitted.exchange, Event::Push(event));
    entry.payload = Some(payload);
    entry.subjects = subjects;
    Ok((entry, released.uploading))
}

/// A batch that was read and is refused as a whole; its quality report says why better than the code.
fn refused_whole(
    stations: &Stations,
    admitted: &Admitted,
    refusal: Refusal,
    released: &Released,
) -> Result<Entry, Stop> {
    let mut evidence = Evidence::fresh().map_err(Fault::from_error("make an evidence record"))?;
    let signed = admitted.signed.as_ref();
    let event = RefusalEvent {
        req: signed.map(|signed| {
            commit_request(
                &stations.signing,
                &mut evidence,
                &released.received.digest,
                Some(signed),
            )
        }),
        qua: Some(evidence.commit_text(QUALITY, &quality(&released.received.quality))),
        ..refusal_event(admitted, refusal)
    };
    let mut entry = Entry::new(admitted.exchange, Event::Refusal(event));
    entry.evidence = Some(evidence);
    Ok(entry)
}

/// With what shows the keys that it was written under: a search that is made with others finds nobody.
fn commit_index(stations: &Stations, evidence: &mut Evidence, subjects: &Subjects) -> Commitment {
    evidence.note(INDEX_KEYS, stations.index.noted());
    evidence.commit_digest(INDEX, &subjects.digest())
}

fn note_plan(evidence: &mut Evidence, plan: &Plan) {
    let operators = plan.output().iter().map(|column| column.kind.operator.describe());
    evidence.note_plan(plan.wanted().iter().copied(), operators.collect());
}

/// By what the partner was known, and what decoded and sealed: disputes come years later.
fn note_origin(evidence: &mut Evidence, peer: &Peer) {
    evidence.note("certificates", peer.chain());
    evidence.note("version", concat!("shuguan ", env!("CARGO_PKG_VERSION")));
}

/// The report as it is committed to and kept.
fn quality(quality: &Quality) -> String {
    // A report has only texts and numbers, so it can always be written.
    serde_json::to_string(quality).unwrap_or_default()
}

fn refusal_event(admitted: &Admitted, refusal: Refusal) -> RefusalEvent {
    let partner = Some(admitted.peer.partner().id.clone());
    RefusalDraft {
        exchange: Some(admitted.exchange),
        record: Some(admitted.record.name.into()),
        purpose: Some(admitted.plan.purpose().into()),
        bundle: Some(admitted.bundle),
        ..RefusalDraft::new(partner, refusal, "decode")
    }
    .event()
}

async fn stored_report(stations: &Stations, sealed: &Sealed) -> Result<Vec<u8>, Stop> {
    let Some(exchange) = sealed.exchange else {
        return Ok(Vec::new());
    };
    let report = stations.journal.rejects(exchange).await;
    Ok(report
        .map_err(Fault::from_error("read a reject report"))?
        .unwrap_or_default())
}

/// A 422 that belongs to its key: made of the leaf and the stored report, so that it is the same every time.
fn sticky(event: &RefusalEvent, rejects: &[u8], sealed: Sealed) -> Stop {
    let refusal = Refusal::parse(&event.code).unwrap_or(Refusal::Unreadable);
    let mut refused = Refused::new(refusal);
    refused.exchange = event.x.as_deref().and_then(|exchange| exchange.parse().ok());
    refused.errors = Report::decode(rejects, 101).rows;
    refused.sticky = true;
    refused.leaf = RefusalLeaf::Sealed(Some(Box::new(sealed)));
    refused.into()
}

/// Seals a complete extract before a byte of it is offered.
///
/// # Errors
/// A journal that cannot commit.
pub async fn pull(stations: &Stations, prepared: &mut Prepared) -> Result<Sealed, Stop> {
    let mut evidence = Evidence::fresh().map_err(Fault::from_error("make an evidence record"))?;
    let subjects = prepared.subjects.take();
    let request = &prepared.admitted;
    let cols = Digest(prepared.columns.commit(&mut evidence));
    evidence.note("filtered", prepared.filtered.to_string());
    let given = Given {
        rows: prepared.rows,
        as_of: prepared.as_of_us.map(time::format),
        columns: cols.0,
    };
    let manifest = request.plan.manifest(&request.bundle, given, stations.clock.now_us());
    let manifest = manifest.text();
    note_plan(&mut evidence, &request.plan);
    note_origin(&mut evidence, &request.peer);
    let signed = request.asked.signed.as_ref();
    let event = PullEvent {
        x: request.exchange.to_string(),
        p: request.peer.partner().id.clone(),
        cert: Digest(request.peer.certificate_sha256()),
        ds: request.dataset.name().into(),
        pur: request.plan.purpose().into(),
        agr: request.plan.agreement().into(),
        plan: Digest(request.plan.hash()),
        bun: Digest(request.bundle),
        fmt: request.form.name().into(),
        rows: prepared.rows,
        fil: None,
        bytes: prepared.content.bytes(),
        cols,
        out: evidence.commit_digest(CONTENT, &prepared.content.digest()),
        nc: u64::try_from(request.plan.output().len()).unwrap_or(u64::MAX),
        sel: evidence.commit_text("selection", &request.selection_text),
        case: evidence.commit("case", request.case.as_bytes()),
        man: Some(Digest(sha256::of(manifest.as_bytes()))),
        req: signed.map(|signed| commit_request(&stations.signing, &mut evidence, &request.asked.digest, Some(signed))),
        ix: subjects
            .as_ref()
            .map(|subjects| commit_index(stations, &mut evidence, subjects)),
    };
    evidence.note("case", &*request.case);
    let mut entry = Entry::new(request.exchange, Event::Pull(event));
    entry.partner = Some(request.peer.partner().id.clone());
    entry.idempotency = request.asked.idempotency;
    entry.nonce = request.asked.nonce;
    entry.evidence = Some(evidence);
    entry.subjects = subjects;
    prepared.manifest = manifest;
    match stations.journal.seal(entry).await.map_err(unavailable)? {
        Outcome::Sealed(sealed) => Ok(sealed),
        // The key is held while its extract is prepared, so nobody else can have sealed it meanwhile.
        Outcome::Repeated(_) => Err(Fault::new("an extract was sealed twice").into()),
        Outcome::KeyReused => Err(Refusal::KeyReused.into()),
        Outcome::Replayed => Err(Refusal::Replayed.into()),
    }
}

/// Seals answers before they are told.
///
/// # Errors
/// A journal that cannot commit.
pub async fn compare(
    stations: &Stations,
    request: &AdmittedCompare,
    answered: &mut Answered,
) -> Result<(Sealed, CompareEvent), Stop> {
    let mut evidence = Evidence::fresh().map_err(Fault::from_error("make an evidence record"))?;
    note_plan(&mut evidence, &request.plan);
    note_origin(&mut evidence, &request.peer);
    let subjects = answered.subjects.take();
    let subjects = subjects.ok_or_else(|| Fault::new("seal a comparison without subjects"))?;
    let event = CompareEvent {
        x: request.exchange.to_string(),
        p: request.peer.partner().id.clone(),
        cert: Digest(request.peer.certificate_sha256()),
        ds: request.dataset.name().into(),
        pur: request.plan.purpose().into(),
        agr: request.plan.agreement().into(),
        plan: Digest(request.plan.hash()),
        bun: Digest(request.bundle),
        rows: request.claims.rows(),
        abs: answered.absent,
        bytes: u64::try_from(answered.content.len()).unwrap_or(u64::MAX),
        cols: Digest(answered.columns.commit(&mut evidence)),
        out: evidence.commit_digest(CONTENT, &sha256::of(&answered.content)),
        nc: u64::try_from(request.plan.output().len()).unwrap_or(u64::MAX),
        case: evidence.commit("case", request.case.as_bytes()),
        req: commit_request(
            &stations.signing,
            &mut evidence,
            &request.asked.digest,
            request.asked.signed.as_ref(),
        ),
        ix: commit_index(stations, &mut evidence, &subjects),
    };
    evidence.note("case", &*request.case);
    let mut entry = Entry::new(request.exchange, Event::Compare(event.clone()));
    entry.partner = Some(event.p.clone());
    entry.idempotency = request.asked.idempotency;
    entry.nonce = request.asked.nonce;
    entry.evidence = Some(evidence);
    entry.answers = Some(answered.content.clone());
    entry.subjects = Some(subjects);
    match stations.journal.seal(entry).await.map_err(unavailable)? {
        Outcome::Sealed(sealed) => Ok((sealed, event)),
        // The key is held until this is answered, whoever waits, so nobody else can have sealed it meanwhile.
        Outcome::Repeated(_) => Err(Fault::new("a comparison was sealed twice").into()),
        Outcome::KeyReused => Err(Refusal::KeyReused.into()),
        Outcome::Replayed => Err(Refusal::Replayed.into()),
    }
}

/// Seals that answers are not told because too many of the hour's were `absent`; gives the refusal. Its leaf counts what was asked, so that the grant
/// rests after a restart as well; it is no answer to the key, which may come again.
///
/// # Errors
/// A journal that cannot commit.
pub async fn absent(
    stations: &Stations,
    request: &AdmittedCompare,
    absent: u64,
    mut refused: Refused,
) -> Result<Stop, Stop> {
    let mut evidence = Evidence::fresh().map_err(Fault::from_error("make an evidence record"))?;
    let partner = Some(request.peer.partner().id.clone());
    let draft = RefusalDraft {
        exchange: Some(request.exchange),
        dataset: Some(request.dataset.name().into()),
        purpose: Some(request.plan.purpose().into()),
        bundle: Some(request.bundle),
        ..RefusalDraft::new(partner, refused.refusal, "compare")
    };
    let event = RefusalEvent {
        req: Some(commit_request(
            &stations.signing,
            &mut evidence,
            &request.asked.digest,
            request.asked.signed.as_ref(),
        )),
        ask: Some(request.claims.rows()),
        abs: Some(absent),
        ..draft.event()
    };
    note_origin(&mut evidence, &request.peer);
    let mut entry = Entry::new(request.exchange, Event::Refusal(event));
    entry.nonce = request.asked.nonce;
    entry.evidence = Some(evidence);
    match stations.journal.seal(entry).await.map_err(unavailable)? {
        Outcome::Sealed(sealed) | Outcome::Repeated(sealed) => {
            refused.exchange = Some(request.exchange);
            refused.leaf = RefusalLeaf::Sealed(Some(Box::new(sealed)));
            Ok(refused.into())
        }
        Outcome::KeyReused => Err(Refusal::KeyReused.into()),
        Outcome::Replayed => Err(Refusal::Replayed.into()),
    }
}

/// What a journal that cannot commit means for the caller.
pub fn unavailable(error: SealError) -> Stop {
    match error {
        SealError::Unavailable => Refused::new(Refusal::JournalUnavailable)
            .retry_after(JOURNAL_RETRY_AFTER_S)
            .into(),
        SealError::Unfit(_) => Fault::from_error("seal an entry")(error).into(),
    }
}
