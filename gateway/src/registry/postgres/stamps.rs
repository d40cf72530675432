//! Stamps that go, on PostgreSQL.

use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::super::fault::RegistryFault;
use super::super::merge::closing::{BEHIND_ALL, Ending};
use super::super::merge::late::KEPT_MAX;
use super::super::merge::stamps::{
    GONE_THROUGH, NOTE_PLACE, TO_GO_THROUGH, WentThrough, behind, forget_stamps, last_of_stride, place,
};
use super::super::schema::TableSpec;
use super::fault::Step;
use super::session::{Live, within};
use super::value::{self, Id};

const STEP: &str = "forget stamps";

/// Whether some are to be gone through.
pub(super) async fn are_due(live: &mut Live, ending: &Ending) -> Result<bool, RegistryFault> {
    Ok(!to_go_through(live, ending).await?.is_empty())
}

/// The next stride, of the oldest snapshot of which one is to be gone through.
pub(super) async fn go_through(
    live: &mut Live,
    table: &TableSpec,
    ending: &Ending,
) -> Result<WentThrough, RegistryFault> {
    let due = to_go_through(live, ending).await?;
    let Some((exchange, from)) = due.first() else {
        return Ok(WentThrough::default());
    };
    let (exchange, from) = (*exchange, behind(from));
    let query = sqlx::query_scalar::<_, String>(AssertSqlSafe(last_of_stride()))
        .bind(Id(exchange))
        .bind(from);
    let upto = within(STEP, live.patience, query.fetch_optional(&mut live.connection)).await?;
    let query = sqlx::query(AssertSqlSafe(forget_stamps(table)))
        .bind(Id(exchange))
        .bind(from)
        .bind(upto.as_deref().unwrap_or(BEHIND_ALL));
    let went = within(STEP, live.patience, query.execute(&mut live.connection)).await?;
    let query = sqlx::query(NOTE_PLACE).bind(place(upto.as_deref())).bind(Id(exchange));
    within(STEP, live.patience, query.execute(&mut live.connection)).await?;
    Ok(WentThrough::of(upto.as_deref(), went.rows_affected(), due.len() > 1))
}

/// None goes while an older batch is set aside.
async fn to_go_through(live: &mut Live, ending: &Ending) -> Result<Vec<(Uuid, String)>, RegistryFault> {
    if ending.keep {
        return Ok(Vec::new());
    }
    let query = sqlx::query(TO_GO_THROUGH)
        .bind(ending.record.as_str())
        .bind(ending.partner.as_str())
        .bind(ending.leaf())
        .bind(BEHIND_ALL)
        .bind(i64::try_from(KEPT_MAX).unwrap_or(i64::MAX))
        .bind(GONE_THROUGH);
    let found = within(STEP, live.patience, query.fetch_all(&mut live.connection)).await?;
    let mut due = Vec::with_capacity(found.len());
    for row in &found {
        let exchange = value::id(row, 0).ok_or(RegistryFault::Malformed { column: "exchange" })?;
        due.push((exchange, row.try_get(1).step(STEP)?));
    }
    Ok(due)
}
