//! Release: the gate through which nothing passes that no grant names.
//!
//! Takes parts of a batch; applies the plan column by column and hands the result to the encrypted payload. Gives a [`Released`] when the
//! batch has been read to its end. A field that the plan does not name is not a column any more; there is no flag that lets it through.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema, SchemaRef};
use shuguan_adapters::operation;
use shuguan_policies::Plan;
use uuid::Uuid;

use super::admit::Admitted;
use super::batch::Received;
use super::index_keys::IndexKey;
use super::mode::PushMode;
use super::subjects::SubjectColumns;
use super::{Fault, Stations, Stop};
use crate::journal::{PayloadWriter, SealedPayload, SubjectWriter, Subjects, Tag, Uploading};

/// A batch being released.
#[derive(Debug)]
pub struct Release<'a> {
    stations: &'a Stations,
    admitted: &'a Admitted,
    payload: PayloadWriter,
    index: Option<Index>,
    uploading: Uploading,
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

impl<'a> Release<'a> {
    /// Begins a payload of the plan's output columns; of a delta or snapshot also of what each row is about, which the root over the columns
    /// covers as it does the others.
    pub fn open(stations: &'a Stations, admitted: &'a Admitted) -> Result<Self, Stop> {
        let payload = stations
            .journal
            .begin_payload(admitted.exchange, schema(&admitted.plan, &admitted.manner.mode))
            .map_err(Fault::from_error("begin a payload"))?;
        Ok(Self {
            stations,
            admitted,
            payload,
            index: Index::open(stations, &admitted.plan, admitted.exchange)?,
            uploading: stations.journal.uploading(&admitted.peer.partner().id),
            filtered: 0,
            named: 0,
        })
    }

    /// Releases one part.
    pub fn part(&mut self, part: &RecordBatch) -> Result<(), Stop> {
        let today = self.stations.clock.today_shanghai();
        let (plan, keys) = (&self.admitted.plan, &self.stations.keys);
        let released = if self.admitted.manner.mode == PushMode::Upsert {
            let released = plan.release(part, keys, today);
            let released = released.map_err(Fault::from_error("release a part"))?;
            self.filtered = self.filtered.saturating_add(released.filtered);
            released.batch
        } else {
            let (fields, acts) = apart(part)?;
            let released = plan.release_beside(&fields, &acts, keys, today);
            let (released, passed) = released.map_err(Fault::from_error("release a part"))?;
            let (before, after) = (named(&acts), named(&passed));
            // A rejected record that the filter holds back is counted as rejected alone.
            self.filtered = self.filtered.saturating_add(released.filtered - (before - after));
            self.named = self.named.saturating_add(after);
            together(&released.batch, passed, schema(plan, &self.admitted.manner.mode))?
        };
        if released.num_rows() > 0 {
            self.payload
                .push(&released)
                .map_err(Fault::from_error("encrypt a part"))?;
            if let Some(index) = &mut self.index {
                index.part(&released)?;
            }
        }
        Ok(())
    }

    /// Whether the inbox has room for what was written so far: what was promised before the body came may be taken by others meanwhile.
    pub fn has_room(&mut self) -> bool {
        self.uploading.wrote(self.payload.spilled_bytes())
    }

    /// Ends the payload; of a batch that is refused as a whole nothing is kept.
    pub fn close(self, received: Received) -> Result<Released, Stop> {
        let (payload, subjects) = match received.refused {
            Some(_) => (None, None),
            None => finish(self.payload, self.index).map(|(payload, subjects)| (Some(payload), subjects))?,
        };
        Ok(Released {
            received,
            payload,
            subjects,
            filtered: self.filtered,
            named: self.named,
            uploading: self.uploading,
        })
    }
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

/// A large payload or index is fsynced here; another thread takes over this one's tasks meanwhile.
fn finish(payload: PayloadWriter, index: Option<Index>) -> Result<(SealedPayload, Option<Subjects>), Fault> {
    let waits = payload.spills() || index.as_ref().is_some_and(|index| index.writer.spills());
    let finish = || {
        let payload = payload.finish().map_err(Fault::from_error("finish a payload"))?;
        Ok((payload, index.map(Index::finish).transpose()?))
    };
    if waits {
        tokio::task::block_in_place(finish)
    } else {
        finish()
    }
}
