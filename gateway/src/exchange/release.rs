//! Release: the gate through which nothing passes that no grant names.
//!
//! Takes parts of a batch; applies the plan column by column and hands the result to the encrypted payload. Gives a [`Released`] when the
//! batch has been read to its end. A field that the plan does not name is not a column any more; there is no flag that lets it through.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema, SchemaRef};
use shuguan_adapters::operation;
use shuguan_policies::{KeyRing, Plan};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::admit::Admitted;
use super::batch::Received;
use super::index_keys::IndexKey;
use super::mode::PushMode;
use super::subjects::SubjectColumns;
use super::{Fault, Stations, Stop};
use crate::journal::{PayloadWriter, SealedPayload, SubjectWriter, Subjects, Tag, Uploading};

/// From so many rows on a part is released on another thread while the next one is decoded; of fewer the way there costs more than the work.
const BESIDE_ROWS_MIN: usize = 1_024;

/// A batch being released, one part at a time and in order.
#[derive(Debug)]
pub enum Release {
    /// Waits for the next part.
    Here(Box<Gate>),
    /// At work on a part.
    Beside(JoinHandle<Result<Box<Gate>, Fault>>),
}

/// What parts pass through, and what became of them so far.
#[derive(Debug)]
pub struct Gate {
    plan: Arc<Plan>,
    keys: KeyRing,
    mode: PushMode,
    today: i32,
    payload: PayloadWriter,
    index: Option<Index>,
    uploading: Uploading,
    /// Whether the inbox has room for what was written so far.
    has_room: bool,
    filtered: u64,
    named: u64,
}

/// The index of what is released, where a column of it names a subject.
#[derive(Debug)]
pub(super) struct Index {
    columns: SubjectColumns,
    key: IndexKey,
    writer: SubjectWriter,
}

impl Index {
    /// Begins the index of an exchange under the key of this year; none when the plan releases no subject whole.
    pub(super) fn open(stations: &Stations, plan: &Plan, exchange: Uuid) -> Result<Option<Self>, Fault> {
        let Some(columns) = SubjectColumns::of(plan) else {
            return Ok(None);
        };
        let key = stations.index.current(stations.clock.now_us());
        Ok(Some(Self {
            columns,
            key: key.map_err(Fault::from_error("read the index key"))?,
            writer: stations.journal.begin_subjects(exchange),
        }))
    }

    /// Takes a part as it was released.
    pub(super) fn part(&mut self, released: &RecordBatch) -> Result<(), Fault> {
        self.push(self.tags(released))
    }

    /// The tags of a part; of a comparison that of what its caller claims.
    pub(super) fn tags(&self, part: &RecordBatch) -> Vec<Tag> {
        self.columns.tags(&self.key, part)
    }

    /// Takes the tags of a part.
    pub(super) fn push(&mut self, tags: Vec<Tag>) -> Result<(), Fault> {
        self.writer.push(tags).map_err(Fault::from_error("index a part"))
    }

    /// Ends it; a large one is fsynced here.
    pub(super) fn finish(self) -> Result<Subjects, Fault> {
        self.writer.finish().map_err(Fault::from_error("end an index"))
    }
}

/// A batch that was released whole. Only this module makes one.
///
/// ```compile_fail
/// let _ = |received| shuguan::exchange::release::Released { received };
/// ```
#[derive(Debug)]
pub struct Released {
    pub(super) received: Received,
    pub(super) payload: Option<SealedPayload>,
    pub(super) subjects: Option<Subjects>,
    pub(super) filtered: u64,
    /// Rows of the payload that stand for rejected records of a snapshot: they are no accepted ones.
    pub(super) named: u64,
    /// What it takes on disk, until its leaf counts it as part of the inbox.
    pub(super) uploading: Uploading,
}

impl Release {
    /// Begins a payload of the plan's output columns; of a delta or snapshot also of what each row is about, which the root over the columns
    /// covers as it does the others.
    pub fn open(stations: &Stations, admitted: &Admitted) -> Result<Self, Stop> {
        let (plan, mode) = (&admitted.plan, &admitted.manner.mode);
        let payload = stations
            .journal
            .begin_payload(admitted.exchange, schema(plan, mode))
            .map_err(Fault::from_error("begin a payload"))?;
        Ok(Self::Here(Box::new(Gate {
            plan: Arc::clone(plan),
            keys: stations.keys.clone(),
            mode: mode.clone(),
            today: admitted.today,
            payload,
            index: Index::open(stations, plan, admitted.exchange)?,
            uploading: stations.journal.uploading(&admitted.peer.partner().id),
            has_room: true,
            filtered: 0,
            named: 0,
        })))
    }

    /// Releases one part; a large one is on its way when this returns, and what is wrong with it is told by the next call. Dropped then, it leaves nothing
    /// once the part is through. No part is taken behind one that the inbox had no room for.
    pub async fn part(self, part: RecordBatch) -> Result<Self, Stop> {
        let mut gate = self.here().await?;
        if !gate.has_room {
            return Ok(Self::Here(gate));
        }
        if part.num_rows() < BESIDE_ROWS_MIN {
            gate.part(&part)?;
            return Ok(Self::Here(gate));
        }
        Ok(Self::Beside(tokio::task::spawn_blocking(move || {
            gate.part(&part)?;
            Ok(gate)
        })))
    }

    /// Whether the inbox has room for what was written so far, as far as that is known: what was promised before the body came may be taken by others
    /// meanwhile. Of the last part it is asked before sealing.
    pub fn has_room(&self) -> bool {
        match self {
            Self::Here(gate) => gate.has_room,
            Self::Beside(_) => true,
        }
    }

    async fn here(self) -> Result<Box<Gate>, Fault> {
        match self {
            Self::Here(gate) => Ok(gate),
            // Not with the text of a panic: it may quote a value.
            Self::Beside(work) => work.await.map_err(|_| Fault::new("release a part"))?,
        }
    }

    /// Ends the payload; of a batch that is refused as a whole nothing is kept. What lies in a file is fsynced on another thread.
    pub async fn close(self, received: Received) -> Result<Released, Stop> {
        let gate = *self.here().await?;
        let Gate { payload, index, .. } = gate;
        let waits = payload.spills() || index.as_ref().is_some_and(|index| index.writer.spills());
        let (payload, subjects) = match received.refused {
            Some(_) => (None, None),
            None if waits => {
                let finished = tokio::task::spawn_blocking(|| finish(payload, index)).await;
                finished.map_err(|_| Fault::new("finish a payload"))??
            }
            None => finish(payload, index)?,
        };
        Ok(Released {
            received,
            payload,
            subjects,
            filtered: gate.filtered,
            named: gate.named,
            uploading: gate.uploading,
        })
    }
}

impl Gate {
    fn part(&mut self, part: &RecordBatch) -> Result<(), Fault> {
        let released = if self.mode == PushMode::Upsert {
            let released = self.plan.release(part, &self.keys, self.today);
            let released = released.map_err(Fault::from_error("release a part"))?;
            self.filtered = self.filtered.saturating_add(released.filtered);
            released.batch
        } else {
            let (fields, acts) = apart(part)?;
            let released = self.plan.release_beside(&fields, &acts, &self.keys, self.today);
            let (released, passed) = released.map_err(Fault::from_error("release a part"))?;
            let (before, after) = (named(&acts), named(&passed));
            // A rejected record that the filter holds back is counted as rejected alone.
            self.filtered = self.filtered.saturating_add(released.filtered - (before - after));
            self.named = self.named.saturating_add(after);
            together(&released.batch, passed, schema(&self.plan, &self.mode))?
        };
        if released.num_rows() > 0 {
            self.payload
                .push(&released)
                .map_err(Fault::from_error("encrypt a part"))?;
            if let Some(index) = &mut self.index {
                index.part(&released)?;
            }
        }
        let tags = self.index.as_ref().map_or(0, |index| index.writer.spilled_bytes());
        self.has_room = self.uploading.wrote(self.payload.spilled_bytes().saturating_add(tags));
        Ok(())
    }
}

fn finish(payload: PayloadWriter, index: Option<Index>) -> Result<(Option<SealedPayload>, Option<Subjects>), Fault> {
    let payload = payload.finish().map_err(Fault::from_error("finish a payload"))?;
    Ok((Some(payload), index.map(Index::finish).transpose()?))
}

/// The columns of a payload.
fn schema(plan: &Plan, mode: &PushMode) -> SchemaRef {
    if *mode == PushMode::Upsert {
        return plan.schema();
    }
    let act = Field::new(operation::COLUMN, operation::FIELD.kind.data_type(), true);
    let fields = plan
        .schema()
        .fields()
        .iter()
        .cloned()
        .chain([Arc::new(act)])
        .collect::<Vec<_>>();
    Arc::new(Schema::new(fields))
}

/// The fields of a part, and what each row is about: the last column.
fn apart(part: &RecordBatch) -> Result<(RecordBatch, ArrayRef), Fault> {
    let lacking = || Fault::new("find the operation of a part's rows");
    let last = part.num_columns().checked_sub(1).ok_or_else(lacking)?;
    if part.schema_ref().field(last).name() != operation::COLUMN {
        return Err(lacking());
    }
    let fields: Vec<usize> = (0..last).collect();
    let fields = part.project(&fields).map_err(Fault::from_error("take a part apart"))?;
    Ok((fields, Arc::clone(part.column(last))))
}

fn together(released: &RecordBatch, acts: ArrayRef, schema: SchemaRef) -> Result<RecordBatch, Fault> {
    let columns = released.columns().iter().cloned().chain([acts]).collect();
    RecordBatch::try_new(schema, columns).map_err(Fault::from_error("put a part together"))
}

/// How many rows stand for rejected records.
fn named(acts: &ArrayRef) -> u64 {
    let acts = acts.as_string_opt::<i32>().into_iter().flatten();
    let named = acts.filter(|act| *act == Some(operation::NAMED)).count();
    u64::try_from(named).unwrap_or(u64::MAX)
}
