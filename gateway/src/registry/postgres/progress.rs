//! How far exchanges are in the registry: a row each, read before their parts and written in the transaction of their parts.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use super::super::Progress;
use super::super::fault::RegistryFault;
use super::super::merge::closing::BEHIND_ALL;
use super::super::merge::{Counts, Part};
use super::session::{Live, Session, within};
use super::unnest;
use super::value::{self, Id};

const PROGRESS: &str = "SELECT exchange, parts, inserted, updated, same, deleted, row_count, close_after IS NOT NULL, \
    coalesce(close_after >= $2, false) FROM relay_progress WHERE exchange = ANY($1)";

/// How far an exchange is.
pub(super) async fn of_one(session: &mut Session, exchange: Uuid) -> Result<Option<Progress>, RegistryFault> {
    let mut live = session.take().await?;
    let known = of(&mut live, &[exchange]).await?;
    session.put(live);
    Ok(known.get(&exchange).copied())
}

/// Those of some exchanges, one that is unknown left out.
pub(super) async fn of(live: &mut Live, exchanges: &[Uuid]) -> Result<HashMap<Uuid, Progress>, RegistryFault> {
    read(&mut live.connection, live.patience, exchanges).await
}

/// The same on a connection that only reads.
pub(super) async fn read(
    connection: &mut PgConnection,
    patience: Duration,
    exchanges: &[Uuid],
) -> Result<HashMap<Uuid, Progress>, RegistryFault> {
    const STEP: &str = "read the progress";
    let ids: Vec<Id> = exchanges.iter().copied().map(Id).collect();
    let query = sqlx::query(PROGRESS).bind(ids).bind(BEHIND_ALL);
    let rows = within(STEP, patience, query.fetch_all(connection)).await?;
    let malformed = || RegistryFault::Malformed {
        column: "relay_progress",
    };
    rows.iter()
        .map(|row| progress_of_row(row).ok_or_else(malformed))
        .collect()
}

fn progress_of_row(row: &PgRow) -> Option<(Uuid, Progress)> {
    let count = |place| value::number(row, place).map(i64::unsigned_abs);
    let counts = Counts {
        ins: count(2)?,
        upd: count(3)?,
        same: count(4)?,
        del: count(5)?,
    };
    let progress = Progress {
        parts: u32::try_from(count(1)?).ok()?,
        rows: count(6)?,
        counts,
        closing: value::flag(row, 7)?,
        closed: value::flag(row, 8)?,
    };
    Some((value::id(row, 0)?, progress))
}

/// Writes how far each exchange of the parts is now.
pub(super) async fn write(
    live: &mut Live,
    parts: &[Part],
    progress: &HashMap<Uuid, Progress>,
) -> Result<(), RegistryFault> {
    let mut noted: BTreeMap<Uuid, (&Part, Progress)> = BTreeMap::new();
    for part in parts {
        if let Some(progress) = progress.get(&part.exchange) {
            noted.insert(part.exchange, (part, *progress));
        }
    }
    let noted: Vec<(&Part, Progress)> = noted.into_values().collect();
    unnest::progress(live, &noted).await
}
