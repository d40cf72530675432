//! Release: the gate through which nothing passes that no grant names.
//!
//! Takes parts of a batch; applies the plan column by column and hands the result to the encrypted payload. Gives a [`Released`] when the
//! batch has been read to its end. A field that the plan does not name is not a column any more; there is no flag that lets it through.

use arrow_array::RecordBatch;

use super::admit::Admitted;
use super::batch::Received;
use super::{Fault, Stations, Stop};
use crate::journal::{PayloadWriter, SealedPayload};

/// A batch being released.
#[derive(Debug)]
pub struct Release<'a> {
    stations: &'a Stations,
    admitted: &'a Admitted,
    payload: PayloadWriter,
    filtered: u64,
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
    pub(super) filtered: u64,
}

impl<'a> Release<'a> {
    /// Begins a payload of the plan's output columns.
    pub fn open(stations: &'a Stations, admitted: &'a Admitted) -> Result<Self, Stop> {
        let payload = stations
            .journal
            .begin_payload(admitted.exchange, admitted.plan.schema())
            .map_err(Fault::from_error("begin a payload"))?;
        Ok(Self {
            stations,
            admitted,
            payload,
            filtered: 0,
        })
    }

    /// Releases one part.
    pub fn part(&mut self, part: &RecordBatch) -> Result<(), Stop> {
        let today = self.stations.clock.today_shanghai();
        let released = self
            .admitted
            .plan
            .release(part, &self.stations.keys, today)
            .map_err(Fault::from_error("release a part"))?;
        self.filtered = self.filtered.saturating_add(released.filtered);
        if released.batch.num_rows() > 0 {
            self.payload
                .push(&released.batch)
                .map_err(Fault::from_error("encrypt a part"))?;
        }
        Ok(())
    }

    /// Ends the payload; of a batch that is refused as a whole nothing is kept.
    pub fn close(self, received: Received) -> Result<Released, Stop> {
        let payload = match received.refused {
            Some(_) => None,
            None => Some(finish(self.payload)?),
        };
        Ok(Released {
            received,
            payload,
            filtered: self.filtered,
        })
    }
}

/// A large payload is fsynced here; another thread takes over this one's tasks meanwhile.
fn finish(payload: PayloadWriter) -> Result<SealedPayload, Fault> {
    let finished = if payload.spills() {
        tokio::task::block_in_place(|| payload.finish())
    } else {
        payload.finish()
    };
    finished.map_err(Fault::from_error("finish a payload"))
}
