//! Stamps that go, on SQLite.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::super::fault::{RegistryFault, Step};
use super::super::merge::closing::{BEHIND_ALL, Ending};
use super::super::merge::late::KEPT_MAX;
use super::super::merge::stamps::{
    GONE_THROUGH, NOTE_PLACE, TO_GO_THROUGH, WentThrough, behind, forget_stamps, last_of_stride, place,
};
use super::super::schema::TableSpec;

const STEP: &str = "forget stamps";

/// Whether some are to be gone through.
pub(super) fn are_due(connection: &Connection, ending: &Ending) -> Result<bool, RegistryFault> {
    Ok(!to_go_through(connection, ending)?.is_empty())
}

/// The next stride, of the oldest snapshot of which one is to be gone through.
pub(super) fn go_through(
    connection: &Connection,
    table: &TableSpec,
    ending: &Ending,
) -> Result<WentThrough, RegistryFault> {
    let due = to_go_through(connection, ending)?;
    let Some((exchange, from)) = due.first() else {
        return Ok(WentThrough::default());
    };
    let (exchange, from) = (exchange.as_bytes(), behind(from));
    let mut select = connection.prepare_cached(&last_of_stride()).step(STEP)?;
    let upto = select.query_row(params![exchange, from], |row| row.get::<_, String>(0));
    let upto = upto.optional().step(STEP)?;
    let mut delete = connection.prepare_cached(&forget_stamps(table)).step(STEP)?;
    let last = upto.as_deref().unwrap_or(BEHIND_ALL);
    let went = delete.execute(params![exchange, from, last]).step(STEP)?;
    let mut note = connection.prepare_cached(NOTE_PLACE).step(STEP)?;
    note.execute(params![place(upto.as_deref()), exchange]).step(STEP)?;
    Ok(WentThrough::of(upto.as_deref(), went as u64, due.len() > 1))
}

/// None goes while an older batch is set aside.
fn to_go_through(connection: &Connection, ending: &Ending) -> Result<Vec<(Uuid, String)>, RegistryFault> {
    if ending.keep {
        return Ok(Vec::new());
    }
    let kept = i64::try_from(KEPT_MAX).unwrap_or(i64::MAX);
    let (record, partner, leaf) = (&ending.record, &ending.partner, ending.leaf());
    let mut select = connection.prepare_cached(TO_GO_THROUGH).step(STEP)?;
    let found = select.query_map(params![record, partner, leaf, BEHIND_ALL, kept, GONE_THROUGH], |row| {
        Ok((Uuid::from_bytes(row.get(0)?), row.get(1)?))
    });
    found.step(STEP)?.collect::<Result<_, _>>().step(STEP)
}
