//! Decoding: the body as it arrives, through the agency's adapter, into parts.
//!
//! Takes the admitted push and its body; gives parts of at most 8,192 rows whose columns are those that the plan wants. Refuses what
//! cannot be read as a whole, a digest that does not fit, a batch with too many rejects. Holds one part and one record, whatever the size
//! of the body. Rows and bytes are paced here: while a partner is over its rate, nobody reads its body.

use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_array::cast::AsArray;
use arrow_select::filter::filter_record_batch;
use bytes::Bytes;
use http_body_util::BodyExt;
use ring::digest::{Context, SHA256};
use shuguan_adapters::decode::{Counts, DecodeLimits, Decoder, Ended, FileFault, Unreadable};
use shuguan_adapters::inflate::{InflateFault, Inflater};
use shuguan_adapters::operation;
use shuguan_adapters::reject::{Reject, RejectCode};

use super::admit::{self, Admitted, too_large};
use super::attended::{Attended, Unpaced};
use super::last_headers::LastHeaders;
use super::mode::{Manner, PushMode};
use super::quality::{Gauge, Quality};
use super::report::{HeaderNotes, Report};
use super::{Refused, RowError, Stations, Stop};
use crate::edge::deadline::BodyStop;
use crate::journal::Journal;
use crate::limits::held::Holding;
use crate::limits::quota::{Exhausted, Hold};
use crate::refusal::Refusal;
use crate::sha256;

/// A batch being read.
#[expect(missing_debug_implementations, reason = "it holds a record of a person")]
pub struct Batch<'a, B> {
    admitted: &'a Admitted,
    body: Attended<B>,
    decoder: Decoder,
    gauge: Gauge,
    /// Unpacks what came under a `Content-Encoding`; a piece at a time, so that memory stays bounded whatever the frame holds.
    inflater: Option<Inflater>,
    digest: Context,
    bytes: u64,
    /// Set at the end of the body: whether the decoder has more to give.
    ended: Option<Ended>,
    paced: u64,
    rejects: Vec<Reject>,
    /// Set when the body cannot be read on; the rest is only hashed, so that the refusal can stick to its key.
    unreadable: Option<Unreadable>,
    /// Set when more rows came than one push may have; the rest is likewise only hashed.
    too_many: bool,
    reject_percent_max: u32,
    rows_max: Option<u64>,
    journal: Journal,
    last_headers: Arc<LastHeaders>,
    /// The memory that the decoder takes of what workbooks may have.
    holding: Holding,
    /// Its key was answered before: it takes nothing of the quota.
    repeated: bool,
}

/// A batch that was read to its end. Only this module makes one.
#[derive(Debug)]
pub struct Received {
    pub(super) counts: Counts,
    pub(super) quality: Quality,
    /// What the sender is told about the batch.
    pub(super) report: Report,
    pub(super) digest: [u8; 32],
    pub(super) bytes: u64,
    /// Form and charset, as they turned out.
    pub(super) format: &'static str,
    /// Set when the batch as a whole is refused; the answer sticks to the key (C4).
    pub(super) refused: Option<Refused>,
    /// What its sender did not wait for.
    pub(super) owed: Unpaced,
}

impl<'a, B> Batch<'a, B>
where
    B: http_body::Body<Data = Bytes, Error = BodyStop> + Unpin,
{
    /// Begins to read.
    pub fn open(stations: &Stations, admitted: &'a Admitted, body: Attended<B>) -> Self {
        let decoder = Decoder::meant(
            admitted.record,
            admitted.plan.wanted(),
            &admitted.layout,
            DecodeLimits::default(),
            admitted.today,
            admitted.intent(),
        );
        let plain_bytes_max = stations.limits.body_bytes_max.get();
        let (inflater, unreadable) = match admitted.coding.map(|coding| Inflater::new(coding, plain_bytes_max)) {
            None => (None, None),
            Some(Ok(inflater)) => (Some(inflater), None),
            Some(Err(fault)) => (None, Some(Unreadable::Compressed(fault))),
        };
        let legal = admitted
            .plan
            .limits()
            .reject_percent
            .and_then(|percent| u32::try_from(percent).ok());
        let configured = stations.limits.reject_percent_max;
        Self {
            admitted,
            body,
            decoder,
            gauge: Gauge::new(admitted.plan.wanted(), stations.clock.now_us()),
            inflater,
            digest: Context::new(&SHA256),
            bytes: 0,
            ended: None,
            paced: 0,
            rejects: Vec::new(),
            unreadable,
            too_many: false,
            reject_percent_max: legal.map_or(configured, |legal| legal.min(configured)),
            rows_max: admitted.plan.limits().rows_per_push,
            journal: stations.journal.clone(),
            last_headers: Arc::clone(&stations.last_headers),
            holding: admitted.permit.holding(&admitted.peer.partner().id),
            repeated: admitted.quota.is_err(),
        }
    }

    /// The next part; `None` at the end of the body.
    ///
    /// # Errors
    /// A refusal; what was read so far is forgotten by the caller.
    pub async fn next_part(&mut self) -> Result<Option<arrow_array::RecordBatch>, Stop> {
        loop {
            if self.too_many {
                if self.ended.is_some() {
                    return Ok(None);
                }
                self.read_frame().await?;
                continue;
            }
            if let Some(part) = self.decoder.next_part() {
                self.pace().await?;
                if self.too_many {
                    continue;
                }
                self.gauge.part(&admitted_rows(&part));
                return Ok(Some(part));
            }
            if self.unpack() {
                self.rejects.extend(self.decoder.take_rejects());
                self.holding.resize(self.decoder.held_bytes())?;
                continue;
            }
            if self.ended == Some(Ended::Whole) {
                return Ok(None);
            }
            if self.ended == Some(Ended::More) {
                // A workbook is read only now; others get a turn between its parts.
                tokio::task::yield_now().await;
                self.end_decoder().await;
            } else {
                self.read_frame().await?;
            }
            self.rejects.extend(self.decoder.take_rejects());
            self.holding.resize(self.decoder.held_bytes())?;
        }
    }

    async fn read_frame(&mut self) -> Result<(), Stop> {
        match self.body.frame().await {
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else {
                    return Ok(());
                };
                let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
                self.bytes = self.bytes.saturating_add(bytes);
                // What is announced is refused with the first of it, and not with the last.
                let announced = self.admitted.content_length.unwrap_or_default().max(self.bytes);
                self.within_quota(|hold| hold.bytes(announced)).await?;
                self.body.pace_bytes(&self.admitted.permit, bytes).await;
                self.digest.update(&data);
                match &mut self.inflater {
                    _ if self.unreadable.is_some() || self.too_many => {}
                    Some(inflater) => inflater.put(&data),
                    None => self.unreadable = self.decoder.feed(&data).err(),
                }
                Ok(())
            }
            Some(Err(stop)) => Err(stopped(stop)),
            None => {
                self.ended = Some(Ended::Whole);
                if self.admitted.content_length.is_some_and(|length| length != self.bytes) {
                    return Err(Refusal::BodyIncomplete.into());
                }
                if self.too_many {
                    return Ok(());
                }
                if let (None, Some(inflater)) = (&self.unreadable, &mut self.inflater) {
                    self.unreadable = inflater.finish().map_err(Unreadable::Compressed).err();
                }
                if self.unreadable.is_none() {
                    self.end_decoder().await;
                }
                Ok(())
            }
        }
    }

    /// Tells the decoder that nothing follows, or asks it for the next part of what it could not read before.
    ///
    /// What is left of a workbook can take seconds: another thread takes over this one's tasks meanwhile, and no more of them are read at once
    /// than there are processors.
    async fn end_decoder(&mut self) {
        let ended = if self.decoder.held_bytes() == 0 {
            self.decoder.finish()
        } else {
            let _turn = self.admitted.permit.turn().await;
            tokio::task::block_in_place(|| self.decoder.finish())
        };
        match ended {
            Ok(ended) => self.ended = Some(ended),
            Err(unreadable) => {
                self.ended = Some(Ended::Whole);
                self.unreadable = Some(unreadable);
            }
        }
    }

    /// Decodes one more piece of the frame at hand, when it came compressed and holds another.
    fn unpack(&mut self) -> bool {
        let (None, Some(inflater)) = (&self.unreadable, &mut self.inflater) else {
            return false;
        };
        match inflater.next() {
            Ok(None) => return false,
            Ok(Some(plain)) => self.unreadable = self.decoder.feed(plain).err(),
            Err(fault) => self.unreadable = Some(Unreadable::Compressed(fault)),
        }
        true
    }

    /// Reads what is left for the digest of the whole alone.
    ///
    /// # Errors
    /// A body that is too large, too slow or cut, or not the one that its digest states.
    pub async fn skim(mut self) -> Result<[u8; 32], Stop> {
        skim(self.admitted, &mut self.body, (self.digest, self.bytes)).await
    }

    /// Charges the rows read since the last time; waits while the partner is over its rate.
    async fn pace(&mut self) -> Result<(), Stop> {
        let received = self.decoder.counts().received;
        if self.rows_max.is_some_and(|max| received > max) {
            self.too_many = true;
            return Ok(());
        }
        self.within_quota(|hold| hold.rows(received)).await?;
        let fresh = received.saturating_sub(self.paced);
        self.paced = received;
        self.body.pace_rows(&self.admitted.permit, fresh).await;
        Ok(())
    }

    /// Takes of the quota of the day. A repeat of an answered key takes nothing, and only the journal knows which key that is.
    async fn within_quota(&mut self, take: impl Fn(&Hold) -> Result<(), Exhausted>) -> Result<(), Stop> {
        let Ok(hold) = &self.admitted.quota else {
            return Ok(());
        };
        if self.repeated {
            return Ok(());
        }
        let Err(exhausted) = take(hold) else {
            return Ok(());
        };
        if !admit::answered(&self.journal, self.admitted).await? {
            return Err(exhausted.into());
        }
        self.repeated = true;
        Ok(())
    }

    /// Ends the batch: digest, share of rejects, emptiness.
    ///
    /// # Errors
    /// A digest that does not fit. A 422 about the content is not an error here but goes on in [`Received`], because it is sealed
    /// together with its idempotency key.
    pub fn close(mut self) -> Result<Received, Stop> {
        self.rejects.extend(self.decoder.take_rejects());
        let digest = sha256::finish(self.digest.clone());
        if self.admitted.digest.is_some_and(|stated| stated != digest) {
            return Err(Refusal::BadDigest.into());
        }
        let counts = self.decoder.counts().clone();
        let format = self.decoder.label(&self.admitted.layout);
        let refused = self.judge(&counts);
        let headers = self.header_notes(refused.is_none().then_some(counts.received));
        let mut rows: Vec<RowError> = self
            .unreadable
            .iter()
            .flat_map(|error| whole_errors(error, &headers))
            .collect();
        let rejects = self.rejects.iter();
        rows.extend(rejects.map(|reject| row_error(reject, &self.decoder)));
        if let Some(stated) = self.miscounted(&counts) {
            rows.insert(0, miscount(stated, counts.rows));
        }
        Ok(Received {
            quality: self.gauge.report(&counts),
            report: Report { headers, rows }.with_unlisted(counts.rejected),
            counts,
            digest,
            bytes: self.bytes,
            format,
            refused,
            owed: self.body.owed(),
        })
    }

    /// Remarks on the names; none on a body that was not read to its names.
    /// `taken`: the rows of a batch that is not refused.
    fn header_notes(&self, taken: Option<u64>) -> HeaderNotes {
        let named = matches!(
            self.unreadable,
            None | Some(Unreadable::BadHeaderRow { .. } | Unreadable::DoubtfulHeader(_))
        );
        if !named {
            return HeaderNotes::default();
        }
        let (record, wanted) = (self.admitted.record, self.admitted.plan.wanted());
        let named = self.decoder.named();
        let there = wanted.iter().copied().filter(|field| named.contains(field));
        let partner = &self.admitted.peer.partner().id;
        let lost = taken.map(|rows| self.last_headers.lost(partner, record.name, (rows, there.collect())));
        HeaderNotes::of(record, wanted, &named, self.decoder.unknown_headers())
            .with_lost(&lost.unwrap_or_default())
            .worth_keeping()
            .besides(&self.decoder.unread_headers(), self.decoder.passed_over())
    }

    fn judge(&self, counts: &Counts) -> Option<Refused> {
        if let Some(error) = &self.unreadable {
            // Positions, counts and names of our own: never a value.
            return Some(Refused::new(refusal_of(error)).detail(error));
        }
        if self.too_many {
            return Some(Refused::new(Refusal::TooManyRows));
        }
        if let Some(refusal) = whole_refusal(counts, &self.admitted.manner) {
            return Some(Refused::new(refusal));
        }
        if !too_many_rejects(counts, self.reject_percent_max) {
            return None;
        }
        Some(Refused::new(Refusal::TooManyRejects))
    }

    /// What the sender counted, when it is not what came and the body was read to its end.
    fn miscounted(&self, counts: &Counts) -> Option<u64> {
        let stated = self.admitted.manner.count?;
        (self.unreadable.is_none() && !self.too_many && !counts.fits(stated)).then_some(stated)
    }
}

/// Whether more than that share of the records is rejected: nothing of such a batch is taken.
pub(crate) fn too_many_rejects(counts: &Counts, percent_max: u32) -> bool {
    counts.rejected.saturating_mul(100) > counts.received.saturating_mul(u64::from(percent_max))
}

/// What a batch that was read to its end is refused for as a whole, whatever the gateway's limits: nothing in it, another count than stated,
/// nothing inside the scope of a snapshot, nothing in it but history.
pub(crate) fn whole_refusal(counts: &Counts, manner: &Manner) -> Option<Refusal> {
    let outside = counts.by_code.get(&RejectCode::OutOfScope).copied().unwrap_or_default();
    if counts.received == 0 {
        Some(Refusal::EmptyBatch)
    } else if manner.count.is_some_and(|stated| !counts.fits(stated)) {
        Some(Refusal::CountMismatch)
    } else if outside == counts.received {
        Some(Refusal::OutOfScope)
    } else if matches!(manner.mode, PushMode::Snapshot(_)) && outside + counts.history == counts.received {
        // The table of history, sent for the one of now, would say that nobody is left.
        Some(Refusal::EmptyBatch)
    } else {
        None
    }
}

/// The rows of a part without those that stand for rejected records and those that delete: their fields were not to be sent.
pub(crate) fn admitted_rows(part: &arrow_array::RecordBatch) -> arrow_array::RecordBatch {
    let acts = part
        .column_by_name(operation::COLUMN)
        .and_then(|acts| acts.as_string_opt::<i32>());
    let Some(acts) = acts else {
        return part.clone();
    };
    let whole = acts
        .iter()
        .map(|act| act.map(|act| act != operation::NAMED && act != operation::DELETE));
    let whole: BooleanArray = whole.collect();
    if whole.true_count() == part.num_rows() {
        return part.clone();
    }
    // INVARIANT: the mask has the part's length, so filtering cannot fail.
    filter_record_batch(part, &whole).unwrap_or_else(|_| part.slice(0, 0))
}

/// Reads a body, or what is left of it, to its end for its SHA-256 alone, no faster than its sender may send.
///
/// # Errors
/// A body that is too large, too slow or cut, or not the one that its length and digest state.
pub(super) async fn skim<B>(
    admitted: &Admitted,
    body: &mut Attended<B>,
    (mut digest, mut bytes): (Context, u64),
) -> Result<[u8; 32], Stop>
where
    B: http_body::Body<Data = Bytes, Error = BodyStop> + Unpin,
{
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(stopped)?.into_data() {
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            body.pace_bytes(&admitted.permit, length).await;
            digest.update(&data);
            bytes = bytes.saturating_add(length);
        }
    }
    if admitted.content_length.is_some_and(|length| length != bytes) {
        return Err(Refusal::BodyIncomplete.into());
    }
    let digest = sha256::finish(digest);
    if admitted.digest.is_some_and(|stated| stated != digest) {
        return Err(Refusal::BadDigest.into());
    }
    Ok(digest)
}

fn stopped(stop: BodyStop) -> Stop {
    match stop {
        BodyStop::TooLarge(limit) => too_large(limit),
        BodyStop::TooSlow => Refusal::BodyTooSlow.into(),
        BodyStop::Incomplete => Refusal::BodyIncomplete.into(),
    }
}

/// What a batch that cannot be read as a whole is refused as.
pub(crate) fn refusal_of(error: &Unreadable) -> Refusal {
    match error {
        Unreadable::BadEncoding { .. } | Unreadable::WrongCharset { .. } | Unreadable::CharsetUnclear => {
            Refusal::BadEncoding
        }
        Unreadable::BadHeaderRow { .. } => Refusal::BadHeaderRow,
        Unreadable::DoubtfulHeader(_) => Refusal::DoubtfulHeader,
        Unreadable::DeleteOutsideDelta { .. } => Refusal::DeleteOutsideDelta,
        Unreadable::SecrecyMark { .. } => Refusal::SecrecyMark,
        Unreadable::NoOperation => Refusal::NoAction,
        Unreadable::Contradicted { .. } => Refusal::StatedOtherwise,
        Unreadable::WrongTrailer { .. } => Refusal::WrongTrailer,
        Unreadable::Compressed(InflateFault::TooLarge { .. } | InflateFault::TooDense) => Refusal::ExpandsTooFar,
        Unreadable::Compressed(InflateFault::Damaged | InflateFault::Incomplete) => Refusal::BadCompression,
        Unreadable::File(fault) => refusal_of_file(fault),
        Unreadable::RecordTooLong { .. }
        | Unreadable::TooDeep { .. }
        | Unreadable::FailedAnswer { .. }
        | Unreadable::NotThisFormat { .. } => Refusal::Unreadable,
    }
}

fn refusal_of_file(fault: &FileFault) -> Refusal {
    match fault {
        FileFault::TooLarge { .. } => Refusal::FileTooLarge,
        FileFault::Expands { .. }
        | FileFault::TooManyParts { .. }
        | FileFault::TooManySheets { .. }
        | FileFault::TooMuchText { .. } => Refusal::ExpandsTooFar,
        FileFault::Encrypted => Refusal::ProtectedFile,
        FileFault::Macros | FileFault::ExternalLinks => Refusal::ActiveContent,
        FileFault::OtherForm { .. } => Refusal::OtherForm,
        FileFault::NoSuchSheet => Refusal::NoSuchSheet,
        FileFault::SeveralSheets { .. } => Refusal::SeveralSheets,
        FileFault::NoHeader => Refusal::BadHeaderRow,
        FileFault::UnreadColumn { .. } => Refusal::UnreadColumn,
        FileFault::OtherCharset { .. } => Refusal::BadEncoding,
        FileFault::Truncated { .. } | FileFault::Damaged { .. } => Refusal::Unreadable,
    }
}

/// Where the reading ended: row 0 and the line; for a header row, one entry for each field that is missing or named twice.
fn whole_errors(error: &Unreadable, headers: &HeaderNotes) -> Vec<RowError> {
    let refusal = refusal_of(error);
    let entry = |field: Option<&'static str>| RowError {
        field: field.map(Into::into),
        hint: field.and_then(|field| headers.hint(field)),
        ..RowError::of_file(refusal, error.line().unwrap_or(1))
    };
    match error {
        Unreadable::BadHeaderRow { missing, twice } => {
            missing.iter().chain(twice).map(|field| entry(Some(field))).collect()
        }
        Unreadable::DoubtfulHeader(doubt) => vec![entry(doubt.field())],
        Unreadable::Contradicted { field, .. } => vec![entry(Some(field))],
        _ => vec![entry(None)],
    }
}

/// Both counts, so that the sender sees how many records are lacking.
pub(crate) fn miscount(stated: u64, rows: u64) -> RowError {
    RowError {
        hint: Some(format!(
            "声明 {stated} 行，收到 {rows} 行 (stated {stated}, received {rows})"
        )),
        ..RowError::of_file(Refusal::CountMismatch, 1)
    }
}

/// A reject as the sender is told: where and why, never the value.
fn row_error(reject: &Reject, decoder: &Decoder) -> RowError {
    RowError {
        row: reject.row,
        line: reject.line,
        cell: decoder.cell(reject),
        field: reject.field.map(Into::into),
        header: decoder.header(reject).map(str::to_owned),
        offset: reject.offset,
        code: reject.code.code().into(),
        title: reject.code.zh().into(),
        hint: None,
        id: reject.id.as_deref().map(str::to_owned),
    }
}
