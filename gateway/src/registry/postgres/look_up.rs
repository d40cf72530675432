//! What the table has for the keys of a run, before anything of it is decided.
//!
//! Takes a run and its keys, which ascend; gives what is known of each. Of a snapshot that says most of what stands again only what differs is asked for
//! (`fingerprints`). Refuses a row that has no key or hash.

use futures_util::TryStreamExt;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgRow;

use super::super::fault::RegistryFault;
use super::super::merge::Arrival;
use super::super::merge::fate::Known;
use super::super::merge::late::Later;
use super::super::merge::rows::HASH_BYTES;
use super::merge::Run;
use super::session::{Live, within};
use super::{fingerprints, note, value};

/// Snapshots of the run's partner that came after its oldest part and close already; nearly always none.
pub(super) async fn later(live: &mut Live, run: &Run<'_, '_>, names: &[&str]) -> Result<Vec<Later>, RegistryFault> {
    let oldest = run.arrivals.iter().min_by_key(|arrival| arrival.leaf());
    let Some(oldest) = oldest else {
        return Ok(Vec::new());
    };
    note::later(live, run.table, &oldest.part.partner, oldest.leaf(), names).await
}

/// What is known of those keys. `alone`: no snapshot of the partner came later.
pub(super) async fn known(
    live: &mut Live,
    run: &Run<'_, '_>,
    names: &[&str],
    alone: bool,
) -> Result<Vec<Known>, RegistryFault> {
    fingerprints::check(live).await?;
    match run.arrivals {
        [only] if alone && !only.part.confirm => what_differs(live, run, only, names).await,
        _ => in_table(live, run, names).await,
    }
}

/// The same where a snapshot may say again what stands: only what differs is asked for.
async fn what_differs(
    live: &mut Live,
    run: &Run<'_, '_>,
    arrival: &Arrival<'_>,
    names: &[&str],
) -> Result<Vec<Known>, RegistryFault> {
    fingerprints::read(live, arrival).await?;
    let exchange = arrival.part.exchange;
    let Some(fingerprints) = live.fingerprints.of(exchange) else {
        return in_table(live, run, names).await;
    };
    // Keys and groups ascend both.
    let known: Vec<Option<Known>> = arrival
        .rows
        .groups()
        .map(|group| fingerprints.known(arrival, group))
        .collect();
    let unknown = names.iter().zip(&known).filter(|(_, known)| known.is_none());
    let unknown: Vec<&str> = unknown.map(|(name, _)| *name).collect();
    let asked = in_table(live, run, &unknown).await?;
    let mut asked = asked.into_iter();
    let all = known.into_iter().map(|known| known.or_else(|| asked.next()));
    Ok(all.map(Option::unwrap_or_default).collect())
}

/// What the table has for those keys, which ascend; the closings of the run's partner only where a row says that there are some.
async fn in_table(live: &mut Live, run: &Run<'_, '_>, names: &[&str]) -> Result<Vec<Known>, RegistryFault> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let part = run.arrivals.first().map(|first| first.part);
    let partner = part.map_or("", |part| part.partner.as_str());
    let text = format!(
        "SELECT _key, _hash, _source_us, _leaf, _row, _open::bigint, _partner = $2 FROM {} WHERE _key = ANY($1)",
        run.table.name
    );
    let query = sqlx::query(AssertSqlSafe(text)).bind(names).bind(partner);
    let mut all = vec![Known::default(); names.len()];
    let mut noted = Vec::new();
    // Row by row as they come, so that the server looks for the next ones meanwhile.
    let mut found = query.fetch(&mut live.connection);
    let looking = async {
        while let Some(row) = found.try_next().await? {
            let Some((name, known)) = known_of(&row) else {
                return Ok(None);
            };
            let Ok(place) = names.binary_search(&name) else {
                continue;
            };
            if let Some(one) = all.get_mut(place) {
                *one = known;
            }
            if known.noted {
                noted.extend(names.get(place).copied());
            }
        }
        Ok(Some(()))
    };
    let looked = within("look up rows", live.patience, looking).await?;
    looked.ok_or(RegistryFault::Malformed { column: "_key" })?;
    drop(found);
    if !noted.is_empty() {
        let record = part.map_or("", |part| part.record.as_str());
        for (name, closing) in note::look_up(live, record, partner, &noted).await? {
            let place = names.binary_search(&name.as_str()).ok();
            if let Some(one) = place.and_then(|place| all.get_mut(place)) {
                one.closing = closing;
            }
        }
    }
    // What becomes of them may be written in this very run, whatever way led here.
    for arrival in run.arrivals {
        if let Some(fingerprints) = live.fingerprints.of(arrival.part.exchange) {
            fingerprints.looked_up(names.iter().copied().zip(&all));
        }
    }
    Ok(all)
}

fn known_of(row: &PgRow) -> Option<(&str, Known)> {
    let hash: [u8; HASH_BYTES] = value::bytes(row, 1)?.try_into().ok()?;
    let number = |place| value::number(row, place);
    let order = (number(2)?, number(3)?, number(4)?);
    let known = Known::row(hash, order, value::flag(row, 6)?, number(5)?);
    Some((value::text(row, 0)?, known))
}
