//! One pull, from the request to the sealed extract: a straight line, one call a station.
//!
//! Takes the registry's request; gives an extract whose leaf is durable before the first byte of it is offered. The rows go column by
//! column through the same gate as a push.

mod ended;

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::coalesce::BatchCoalescer;
use serde::Deserialize;
use shuguan_policies::dataset::Dataset;
use shuguan_policies::{Direction, Mode, Plan, Role, Target};
use uuid::Uuid;

pub use self::ended::end_unheld;
use self::ended::{ended_early, seal_end};
use super::admit::{self, denied};
use super::asked::{self, Asked, Granted, RequestHead};
use super::release::Index;
use super::{Fault, Refused, Stations, Stop, seal};
use crate::clock;
use crate::edge::Peer;
use crate::extract::form::Form;
use crate::extract::shuffle::{Shuffle, ShuffleFault};
use crate::extract::spool::{SpoolFault, SpoolWriter, Spooled};
use crate::extract::{Ready, State, Unplaced};
use crate::journal::{ColumnDigests, Sealed, Subjects};
use crate::limits::Permit;
use crate::limits::quota::{Amount, Exhausted, Hold, QuotaKey};
use crate::limits::subjects::SubjectHold;
use crate::refusal::Refusal;
use crate::registry::Selection;
use crate::signature::profile;

/// Extracts go when they are fetched no more: within hours, not seconds.
const SPOOL_RETRY_AFTER_S: u64 = 600;

/// Rows of a part of an extract.
const PART_ROWS: usize = 1_024;

/// What the registry asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtractRequest {
    /// `population` or `enterprises`.
    pub dataset: String,
    /// Purpose.
    pub purpose: String,
    /// The case that it is for.
    pub case: String,
    /// Rows to select.
    #[serde(default)]
    pub select: Select,
    /// Form of the content.
    #[serde(default = "ndjson")]
    pub form: Form,
}

/// Rows to select; only by fields that the grant allows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Select {
    /// Region prefix of 2 to 6 digits.
    pub region: Option<String>,
    /// Updated since this moment, RFC 3339.
    pub since: Option<String>,
}

fn ndjson() -> Form {
    Form::Ndjson
}

/// A pull that may proceed. Only this module makes one.
#[derive(Debug)]
pub struct AdmittedPull {
    pub(super) peer: Arc<Peer>,
    pub(super) exchange: Uuid,
    /// The day on which it began.
    today: i32,
    pub(super) dataset: Dataset,
    pub(super) plan: Arc<Plan>,
    pub(super) granted: Granted,
    pub(super) bundle: [u8; 32],
    pub(super) form: Form,
    pub(super) case: String,
    pub(super) selection: Selection,
    /// The selection as asked, for its commitment.
    pub(super) selection_text: String,
    /// What the request proves of itself.
    pub(super) asked: Asked,
    /// Given back when the extract is ready.
    _permit: Permit,
}

/// Its part of what the grant allows on a day.
struct Allowed {
    quota: Hold,
    /// Where the grant limits whom it tells about.
    told: Option<SubjectHold>,
}

/// A complete extract that is not sealed yet.
#[derive(Debug)]
pub struct Prepared {
    pub(super) admitted: AdmittedPull,
    pub(super) content: Spooled,
    pub(super) rows: u64,
    /// As of when the registry was read.
    pub(super) as_of_us: Option<i64>,
    pub(super) filtered: u64,
    /// Commitments to the columns of the result.
    pub(super) columns: ColumnDigests,
    /// Whom it is about; taken when it is sealed.
    pub(super) subjects: Option<Subjects>,
    /// What travels with it; written when it is sealed.
    pub(super) manifest: String,
}

/// Admits a pull and begins to prepare it; gives its id at once.
///
/// # Errors
/// A refusal; nothing was begun then.
pub async fn begin(
    stations: &Arc<Stations>,
    peer: Arc<Peer>,
    request: ExtractRequest,
    head: &RequestHead<'_>,
) -> Result<Uuid, Stop> {
    let (admitted, quota) = admit(stations, peer, request, head)?;
    if let Some(exchange) = admitted
        .asked
        .before(stations)
        .await?
        .and_then(|sealed| sealed.exchange)
    {
        // It takes nothing, so it is answered also when nothing is left.
        return Ok(exchange);
    }
    admit::is_witnessed(stations, admitted.plan.purpose())?;
    let quota = quota?;
    let partner = &admitted.peer.partner().id;
    stations.extracts.has_place_for(partner).map_err(unplaced)?;
    let key = QuotaKey::of(partner, &admitted.plan);
    let read = async |since_us, tracked| stations.journal.told_about(key.clone(), since_us, tracked).await;
    let told = stations
        .told
        .hold(&key, &admitted.plan, stations.clock.now_us(), read)
        .await
        .map_err(Fault::from_error("count whom a grant told about"))?;
    let exchange = admitted.exchange;
    disk_takes(stations, exchange).await?;
    let begun = stations.extracts.begin(exchange, admitted.granted.clone());
    begun.map_err(unplaced)?;
    let granted = admitted.granted.clone();
    let stations = Arc::clone(stations);
    stations.tasks.clone().spawn(async move {
        match pull(&stations, admitted, Allowed { quota, told }).await {
            Ok(ready) => {
                // Sealed, and ended by other policies before anybody could be told.
                if let Some(why) = stations.extracts.end(exchange, State::Ready(Arc::new(ready))) {
                    seal_end(&stations, exchange, &granted, why).await;
                }
            }
            Err(stop) => {
                let failure = ended_early(&stations, exchange, &granted, stop).await;
                stations.extracts.end(exchange, State::Failed(failure));
            }
        }
    });
    Ok(exchange)
}

/// `query → release → seal`: no byte of it can be fetched before this returns.
async fn pull(stations: &Arc<Stations>, admitted: AdmittedPull, allowed: Allowed) -> Result<Ready, Stop> {
    let (mut prepared, allowed) = query(stations, admitted, allowed).await?;
    prepared.admitted.granted.still(stations)?;
    admit::is_witnessed(stations, prepared.admitted.plan.purpose())?;
    let sealed = seal::pull(stations, &mut prepared).await?;
    allowed.quota.settle(Amount {
        rows: prepared.rows,
        bytes: prepared.content.bytes(),
    });
    if let Some(mut told) = allowed.told {
        told.sealing();
    }
    Ok(Ready {
        form: prepared.admitted.form,
        rows: prepared.rows,
        as_of_us: prepared.as_of_us,
        content: prepared.content,
        manifest: prepared.manifest,
        granted: prepared.admitted.granted,
        signed: prepared.admitted.asked.signed.is_some(),
        sealed: Sealed {
            // Its own leaf is all that an answer tells of it; the receipt is asked for by itself.
            receipt: String::new(),
            ..sealed
        },
    })
}

fn admit(
    stations: &Stations,
    peer: Arc<Peer>,
    request: ExtractRequest,
    head: &RequestHead<'_>,
) -> Result<(AdmittedPull, Result<Hold, Exhausted>), Stop> {
    if peer.partner().role != Role::Registry {
        return Err(Refusal::WrongRole.into());
    }
    let dataset = Dataset::parse(&request.dataset).ok_or(Refusal::UnknownDataset)?;
    let case = asked::case(&request.case)?;
    let policies = stations.policies.load_full();
    let plan = policies
        .decide(
            peer.partner(),
            Target::Dataset(dataset),
            &request.purpose,
            Direction::Pull,
            Mode::Extract,
            stations.wall.now_us(),
        )
        .map_err(|denial| Refused::new(denied(denial)).under(policies.hash()))?;
    let selection = selection(dataset, &plan, &request.select)?;
    let permit = stations.admission.admit(&peer.partner().id)?;
    let data = (dataset, request.purpose.as_str());
    let asked = Asked::of(stations, &peer, data, (&profile::EXTRACT, "extract"), head)?;
    let quota = stations.quotas.hold(&peer.partner().id, &plan, stations.clock.now_us());
    let exchange = clock::exchange_id(&stations.clock).map_err(|_| Fault::new("make an exchange id"))?;
    let admitted = AdmittedPull {
        granted: Granted::of(&peer, dataset, &plan),
        peer,
        exchange,
        today: clock::day_in(exchange),
        dataset,
        plan,
        bundle: policies.hash(),
        form: request.form,
        case,
        selection,
        selection_text: written(&request.select),
        asked,
        _permit: permit,
    };
    Ok((admitted, quota))
}

/// A selection as it is committed to and kept: `region 3207`, `since 2026-11-01T00:00:00Z`, a line each; nothing when all is asked for.
fn written(select: &Select) -> String {
    let line = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name} {value}\n"));
    let lines = [line("region", &select.region), line("since", &select.since)];
    lines.into_iter().flatten().collect()
}

fn selection(dataset: Dataset, plan: &Plan, select: &Select) -> Result<Selection, Stop> {
    let bad = |detail: &str| Stop::from(Refused::new(Refusal::BadSelection).detail(detail));
    let region_field = match dataset {
        Dataset::Population => "hukou_region",
        Dataset::Enterprises => "region",
    };
    let mut selection = Selection::all();
    if let Some(region) = &select.region {
        if !plan.select_by().contains(&region_field) {
            return Err(bad("the grant does not allow selecting by region"));
        }
        selection = selection
            .within(region)
            .ok_or_else(|| bad("a region is 2 to 6 digits"))?;
    }
    if let Some(since) = &select.since {
        if !plan.select_by().contains(&"updated_at") {
            return Err(bad("the grant does not allow selecting by time"));
        }
        let since: jiff::Timestamp = since.parse().map_err(|_| bad("`since` is an RFC 3339 moment"))?;
        selection = selection.since(since.as_microsecond());
    }
    Ok(selection)
}

/// Reads the dataset on a blocking thread; each batch passes the plan before it reaches the encrypted spool.
async fn query(
    stations: &Arc<Stations>,
    admitted: AdmittedPull,
    allowed: Allowed,
) -> Result<(Prepared, Allowed), Stop> {
    let stations = Arc::clone(stations);
    let work = tokio::task::spawn_blocking(move || query_now(&stations, admitted, allowed));
    work.await.map_err(|_| Fault::new("run a query"))?
}

fn query_now(stations: &Stations, admitted: AdmittedPull, allowed: Allowed) -> Result<(Prepared, Allowed), Stop> {
    let mut spool = stations.extracts.spool(admitted.exchange).map_err(unspooled)?;
    let mut extract = Extract {
        stations,
        admitted: &admitted,
        spool: &mut spool,
        shuffle: shuffle(stations, &admitted)?,
        columns: ColumnDigests::new(&admitted.plan.schema()).map_err(Fault::from_error("commit to columns"))?,
        parts: BatchCoalescer::new(admitted.plan.schema(), PART_ROWS),
        index: Index::open(stations, &admitted.plan, admitted.exchange)?,
        allowed,
        text: Vec::new(),
        bytes: 0,
        rows: 0,
        filtered: 0,
        stop: None,
    };
    extract.head()?;
    let reached = stations
        .registry
        .read(
            admitted.dataset,
            admitted.plan.wanted(),
            &admitted.selection,
            &mut |batch| extract.take(&batch),
        )
        .map_err(Fault::from_error("read the registry"))?;
    extract.end()?;
    let Extract {
        rows,
        filtered,
        columns,
        index,
        allowed,
        ..
    } = extract;
    let content = spool.finish().map_err(unspooled)?;
    let subjects = index.map(Index::finish).transpose()?;
    let prepared = Prepared {
        admitted,
        content,
        rows,
        as_of_us: reached.as_of_us,
        filtered,
        columns,
        subjects,
        manifest: String::new(),
    };
    Ok((prepared, allowed))
}

/// The registry gives rows in the order of their subjects. Where the subject is given whole that order tells nothing more; where it is not, the rows get another.
fn shuffle<'a>(stations: &'a Stations, admitted: &AdmittedPull) -> Result<Option<Shuffle<'a>>, Fault> {
    let (plan, exchange) = (&admitted.plan, admitted.exchange);
    // A unit without a credit code stands among the others by its other numbers.
    if admitted.dataset == Dataset::Population && plan.keeps("citizen_id") {
        return Ok(None);
    }
    let secret = clock::random().map_err(|_| Fault::new("draw an order"))?;
    Ok(Some(Shuffle::begin(
        &stations.extracts,
        exchange,
        plan.schema(),
        secret,
    )))
}

/// A spool without room is told to the caller, and to the operator when it is its disk that has none; a disk that fails is our fault.
fn unspooled(fault: SpoolFault) -> Stop {
    if !fault.is_for_want_of_room() {
        return Fault::from_error("write a spool")(fault).into();
    }
    if let SpoolFault::File(error) = &fault {
        tracing::error!(error = %error, "the disk of prepared extracts has no room; the extract was not prepared");
    }
    Refused::new(Refusal::SpoolFull).retry_after(SPOOL_RETRY_AFTER_S).into()
}

fn unplaced(why: Unplaced) -> Refused {
    match why {
        Unplaced::TooMany => Refused::new(Refusal::TooManyAtOnce).retry_after(60),
        Unplaced::NoRoom => Refused::new(Refusal::SpoolFull).retry_after(SPOOL_RETRY_AFTER_S),
    }
}

/// Whether it can be prepared at all: who asks while the disk is full is told so at once, and not by an extract that fails.
async fn disk_takes(stations: &Stations, exchange: Uuid) -> Result<(), Stop> {
    let extracts = stations.extracts.clone();
    let tried = tokio::task::spawn_blocking(move || extracts.try_disk(exchange)).await;
    tried
        .map_err(|_| Fault::new("try the disk of extracts"))?
        .map_err(unspooled)
}

fn unshuffled(fault: ShuffleFault) -> Stop {
    match fault {
        ShuffleFault::Spool(fault) => unspooled(fault),
        fault => Fault::from_error("put rows into another order")(fault).into(),
    }
}

struct Extract<'a> {
    stations: &'a Stations,
    admitted: &'a AdmittedPull,
    spool: &'a mut SpoolWriter,
    /// None: the rows are given as they come.
    shuffle: Option<Shuffle<'a>>,
    columns: ColumnDigests,
    /// Gathers rows to whole parts: how many of the registry's were held back between them must not show in where parts begin.
    parts: BatchCoalescer,
    index: Option<Index>,
    allowed: Allowed,
    text: Vec<u8>,
    bytes: u64,
    rows: u64,
    filtered: u64,
    stop: Option<Stop>,
}

impl Extract<'_> {
    fn head(&mut self) -> Result<(), Stop> {
        let head = self.admitted.form.head(&self.admitted.plan.schema());
        self.spool(head.as_bytes())
    }

    fn take(&mut self, batch: &RecordBatch) -> ControlFlow<()> {
        let granted = self.admitted.granted.still(self.stations);
        match granted.map_err(Stop::from).and_then(|()| self.release(batch)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(stop) => {
                self.stop = Some(stop);
                ControlFlow::Break(())
            }
        }
    }

    fn release(&mut self, batch: &RecordBatch) -> Result<(), Stop> {
        let released = self
            .admitted
            .plan
            .release(batch, &self.stations.keys, self.admitted.today)
            .map_err(Fault::from_error("release an extract"))?;
        self.filtered += released.filtered;
        self.rows += u64::try_from(released.batch.num_rows()).unwrap_or(0);
        if self
            .admitted
            .plan
            .limits()
            .rows_per_pull
            .is_some_and(|max| self.rows > max)
        {
            // Never a silently short result; and no wait makes it fewer.
            return Err(Refusal::TooManyRows.into());
        }
        self.allowed.quota.rows(self.rows)?;
        match &mut self.shuffle {
            Some(shuffle) => shuffle.push(released.batch).map_err(unshuffled),
            None => self.gather(released.batch),
        }
    }

    fn gather(&mut self, rows: RecordBatch) -> Result<(), Stop> {
        self.parts
            .push_batch(rows)
            .map_err(Fault::from_error("gather a part"))?;
        self.write_parts()
    }

    fn write_parts(&mut self) -> Result<(), Stop> {
        while let Some(part) = self.parts.next_completed_batch() {
            self.write(&part)?;
        }
        Ok(())
    }

    /// Ends it: rows that waited for their order are written in it.
    fn end(&mut self) -> Result<(), Stop> {
        if let Some(stop) = self.stop.take() {
            return Err(stop);
        }
        if let Some(shuffle) = self.shuffle.take() {
            shuffle.deal(|batch| self.gather(batch.clone()), unshuffled)?;
        }
        self.parts
            .finish_buffered_batch()
            .map_err(Fault::from_error("gather a part"))?;
        self.write_parts()
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), Stop> {
        self.columns
            .push(batch)
            .map_err(Fault::from_error("commit to columns"))?;
        if let Some(index) = &mut self.index {
            let tags = index.tags(batch);
            if let Some(told) = &mut self.allowed.told {
                told.count(&tags)?;
            }
            index.push(tags)?;
        }
        self.text.clear();
        self.admitted.form.write(batch, &mut self.text);
        let text = std::mem::take(&mut self.text);
        let spooled = self.spool(&text);
        self.text = text;
        spooled
    }

    /// What is given counts, before it lies in the spool.
    fn spool(&mut self, content: &[u8]) -> Result<(), Stop> {
        self.bytes += u64::try_from(content.len()).unwrap_or(u64::MAX);
        self.allowed.quota.bytes(self.bytes)?;
        self.spool.write(content).map_err(unspooled)
    }
}

#[cfg(test)]
mod tests;
