//! One comparison, from the claims to the sealed answers: a straight line, one call a station.
//!
//! Takes claims about persons or units whose numbers the caller holds; gives for each row, in its order, whether they agree with the registry, differ, or
//! nothing is there: never a value. The leaf is durable before the answers are told. Refuses whole, and a grant that rests because too many of
//! the answers of its last hour were `absent`.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch, UInt32Array, new_null_array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take;
use serde::Deserialize;
use shuguan_ledger::leaf::{CompareEvent, Event, Leaf};
use shuguan_policies::dataset::Dataset;
use shuguan_policies::{Direction, Mode, Plan, Role, Target};
use uuid::Uuid;

use super::admit::{self, denied};
use super::asked::{self, Asked, Granted, RequestHead};
use super::claims::{Claim, Claims};
use super::release::Index;
use super::{Fault, Refused, Stations, Stop, seal};
use crate::clock;
use crate::edge::Peer;
use crate::extract::form::Form;
use crate::journal::{ColumnDigests, Sealed, Subjects};
use crate::limits::quota::{Amount, Hold, QuotaKey};
use crate::limits::subjects::SubjectHold;
use crate::limits::{Permit, Standing};
use crate::refusal::Refusal;
use crate::registry::{Selection, dataset_schema};
use crate::signature::profile;

/// What `Retry-After` says when the registry does not answer.
pub const REGISTRY_RETRY_AFTER_S: u64 = 10;

/// What the caller asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompareRequest {
    /// `population` or `enterprises`.
    pub dataset: String,
    /// Purpose.
    pub purpose: String,
    /// The case that it is for.
    pub case: String,
    /// One object a person or unit, with every field that the grant requires, as text.
    pub rows: Vec<Claim>,
}

/// A comparison that may proceed. Only this module makes one.
#[derive(Debug)]
pub struct AdmittedCompare {
    pub(super) peer: Arc<Peer>,
    pub(super) exchange: Uuid,
    /// The day on which it began.
    today: i32,
    pub(super) dataset: Dataset,
    pub(super) plan: Arc<Plan>,
    pub(super) bundle: [u8; 32],
    pub(super) case: String,
    pub(super) claims: Claims,
    /// What the request proves of itself.
    pub(super) asked: Asked,
    granted: Granted,
    key: QuotaKey,
    permit: Permit,
}

/// What a comparison holds of the grant's quotas until it is sealed.
#[derive(Debug)]
struct Held {
    quota: Hold,
    told: Option<SubjectHold>,
}

/// Answers that nobody has been told. Only this module makes them.
#[derive(Debug)]
pub struct Answered {
    /// A JSON array, one object a row, and blanks up to the length that the longest answers would have.
    pub(super) content: Vec<u8>,
    /// Rows about nobody.
    pub(super) absent: u64,
    /// Commitments to the columns of answers.
    pub(super) columns: ColumnDigests,
    /// Whom it is about; taken when it is sealed.
    pub(super) subjects: Option<Subjects>,
}

/// Answers that may be told.
#[derive(Debug)]
pub struct Compared {
    pub(super) sealed: Sealed,
    pub(super) event: CompareEvent,
    pub(super) content: Vec<u8>,
    pub(super) replayed: bool,
    pub(super) standing: Standing,
}

/// Compares.
///
/// # Errors
/// A refusal, or a fault; nothing was told then.
pub async fn compare(
    stations: &Arc<Stations>,
    peer: Arc<Peer>,
    request: &CompareRequest,
    head: &RequestHead<'_>,
) -> Result<Compared, Stop> {
    let admitted = admit(stations, peer, request, head)?;
    if let Some(sealed) = admitted.asked.before(stations).await? {
        return told_again(stations, &admitted, sealed).await;
    }
    admit::is_witnessed(stations, admitted.plan.purpose())?;
    let mut held = hold(stations, &admitted).await?;
    admitted.permit.pace_rows(admitted.claims.rows()).await;
    let (admitted, mut answered) = query(stations, admitted).await?;
    admitted.granted.still(stations)?;
    within_absences(stations, &admitted, &answered).await?;
    let sealing = held.quota.sealing(Amount {
        rows: admitted.claims.rows(),
        bytes: u64::try_from(answered.content.len()).unwrap_or(u64::MAX),
    });
    held.told.iter_mut().for_each(SubjectHold::sealing);
    let (sealed, event) = match seal::compare(stations, &admitted, &mut answered).await {
        Ok(sealed) => sealed,
        Err(stop) => {
            sealing.undone();
            held.told.iter_mut().for_each(SubjectHold::undone);
            return Err(stop);
        }
    };
    drop(sealing);
    let standing = standing(&admitted, &held.quota);
    Ok(Compared {
        sealed,
        event,
        content: answered.content,
        replayed: false,
        standing,
    })
}

fn admit(
    stations: &Stations,
    peer: Arc<Peer>,
    request: &CompareRequest,
    head: &RequestHead<'_>,
) -> Result<AdmittedCompare, Stop> {
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
            Mode::Compare,
            stations.wall.now_us(),
        )
        .map_err(|denial| Refused::new(denied(denial)).under(policies.hash()))?;
    let exchange = clock::exchange_id(&stations.clock).map_err(|_| Fault::new("make an exchange id"))?;
    let today = clock::day_in(exchange);
    let claims = Claims::read(&request.rows, dataset, &plan, today)?;
    let permit = stations.admission.admit(&peer.partner().id)?;
    let data = (dataset, request.purpose.as_str());
    let asked = Asked::of(stations, &peer, data, (&profile::COMPARE, "compare"), head)?;
    // A question counts against its subject: one that came twice by mistake must be one.
    if asked.idempotency.is_none() {
        return Err(Refusal::BadIdempotencyKey.into());
    }
    Ok(AdmittedCompare {
        granted: Granted::of(&peer, dataset, &plan),
        key: QuotaKey::of(&peer.partner().id, &plan),
        peer,
        exchange,
        today,
        dataset,
        plan,
        bundle: policies.hash(),
        case,
        claims,
        asked,
        permit,
    })
}

/// Quotas of the day and the share of absences; the subjects are held when their tags are known.
async fn hold(stations: &Stations, admitted: &AdmittedCompare) -> Result<Held, Stop> {
    let (plan, now_us) = (&admitted.plan, stations.clock.now_us());
    let percent = plan.limits().absent_percent;
    stations
        .absences
        .check(&admitted.key, percent, now_us)
        .map_err(Refused::from)?;
    let quota = stations.quotas.hold(&admitted.peer.partner().id, plan, now_us)?;
    quota.rows(admitted.claims.rows())?;
    let read = async |since_us, tracked| {
        let key = admitted.key.clone();
        stations.journal.told_about(key, since_us, tracked).await
    };
    let told = stations.told.hold(&admitted.key, plan, now_us, read).await;
    let mut told = told.map_err(Fault::from_error("count whom a grant told about"))?;
    if let Some(told) = &mut told {
        told.count(&index(stations, admitted)?.tags(admitted.claims.batch()))?;
    }
    Ok(Held { quota, told })
}

fn index(stations: &Stations, admitted: &AdmittedCompare) -> Result<Index, Fault> {
    let index = Index::open(stations, &admitted.plan, admitted.exchange)?;
    index.ok_or_else(|| Fault::new("index a comparison without subject"))
}

fn standing(admitted: &AdmittedCompare, quota: &Hold) -> Standing {
    Standing {
        requests: Some(admitted.permit.allowance),
        quotas: quota.standing(),
    }
}

/// What was sealed under the key, told again.
async fn told_again(stations: &Stations, admitted: &AdmittedCompare, sealed: Sealed) -> Result<Compared, Stop> {
    let leaf = Leaf::decode(&sealed.leaf).map_err(Fault::from_error("read the leaf"))?;
    let Event::Compare(event) = leaf.event else {
        return Err(Fault::new("answer from a leaf of another kind").into());
    };
    // What an earlier grant told may be withheld by the one in force.
    if event.plan.0 != admitted.plan.hash() {
        // No wait brings it back: the key has its answer.
        return Err(Refusal::GrantChanged.into());
    }
    let exchange = sealed
        .exchange
        .ok_or_else(|| Fault::new("answer without an exchange"))?;
    let content = stations.journal.answers(exchange).await;
    let content = content.map_err(Fault::from_error("read the answers of a comparison"))?;
    Ok(Compared {
        content: content.ok_or_else(|| Fault::new("find the answers of a comparison"))?,
        sealed,
        event,
        replayed: true,
        standing: Standing {
            requests: Some(admitted.permit.allowance),
            quotas: Vec::new(),
        },
    })
}

/// With these answers too many of the hour's may be `absent`: they are not told, and the leaf that says so counts them.
async fn within_absences(stations: &Stations, admitted: &AdmittedCompare, answered: &Answered) -> Result<(), Stop> {
    let (percent, counts) = (
        admitted.plan.limits().absent_percent,
        (admitted.claims.rows(), answered.absent),
    );
    let now_us = stations.clock.now_us();
    match stations.absences.count(&admitted.key, percent, counts, now_us) {
        Ok(()) => Ok(()),
        Err(resting) => Err(seal::absent(stations, admitted, answered.absent, resting.into()).await?),
    }
}

/// Reads the registry on a blocking thread, and answers.
async fn query(stations: &Arc<Stations>, admitted: AdmittedCompare) -> Result<(AdmittedCompare, Answered), Stop> {
    let stations = Arc::clone(stations);
    let work = tokio::task::spawn_blocking(move || {
        let answered = answer(&stations, &admitted)?;
        Ok((admitted, answered))
    });
    work.await.map_err(|_| Fault::new("run a comparison"))?
}

fn answer(stations: &Stations, admitted: &AdmittedCompare) -> Result<Answered, Stop> {
    let (held, absent) = held(stations, admitted)?;
    let answers = admitted
        .plan
        .compare(&held, admitted.claims.batch(), &stations.keys, admitted.today)
        .map_err(Fault::from_error("compare claims"))?
        .batch;
    let mut columns = ColumnDigests::new(&admitted.plan.schema()).map_err(Fault::from_error("commit to columns"))?;
    columns.push(&answers).map_err(Fault::from_error("commit to columns"))?;
    let mut index = index(stations, admitted)?;
    index.push(index.tags(admitted.claims.batch()))?;
    Ok(Answered {
        content: content(&answers),
        absent,
        columns,
        subjects: Some(index.finish()?),
    })
}

/// What the registry holds of the claimed subjects: the wanted columns, one row a claim, all null where it has nobody; and how many those are.
fn held(stations: &Stations, admitted: &AdmittedCompare) -> Result<(RecordBatch, u64), Stop> {
    let (dataset, wanted) = (admitted.dataset, admitted.plan.wanted());
    let mut fields = vec![dataset.subject()];
    fields.extend(wanted.iter().copied().filter(|name| *name != dataset.subject()));
    let selection = Selection::about(dataset, admitted.claims.subjects());
    let mut batches = Vec::new();
    let read = stations.registry.read(dataset, &fields, &selection, &mut |batch| {
        batches.push(batch);
        ControlFlow::Continue(())
    });
    if let Err(fault) = read {
        let fault = Fault::from_error("read the registry")(fault);
        tracing::error!(exchange.id = %admitted.exchange, cause = %fault.chain(), "a comparison failed");
        let refused = Refused::new(Refusal::RegistryUnavailable).retry_after(REGISTRY_RETRY_AFTER_S);
        return Err(refused.into());
    }
    let found = concat_batches(&dataset_schema(dataset, &fields), &batches);
    let found = found.map_err(Fault::from_error("put what is held together"))?;
    let places = places(&found, admitted.claims.subjects());
    let columns = wanted
        .iter()
        .map(|name| {
            let column = found
                .column_by_name(name)
                .ok_or_else(|| Fault::new("find a wanted column"))?;
            if found.num_rows() == 0 {
                return Ok(new_null_array(column.data_type(), places.len()));
            }
            take(column, &places, None).map_err(Fault::from_error("put what is held in order"))
        })
        .collect::<Result<Vec<_>, Fault>>()?;
    let held = RecordBatch::try_new(dataset_schema(dataset, wanted), columns);
    let held = held.map_err(Fault::from_error("put what is held together"))?;
    Ok((held, u64::try_from(places.null_count()).unwrap_or(u64::MAX)))
}

/// For each claimed subject the row that is about it.
fn places<'c>(found: &RecordBatch, claimed: impl Iterator<Item = &'c str>) -> UInt32Array {
    use arrow_array::cast::AsArray;
    let subjects = found.columns().first().and_then(|column| column.as_string_opt::<i32>());
    let mut rows: HashMap<&str, u32> = HashMap::new();
    for (row, subject) in (0..).zip(subjects.into_iter().flatten()) {
        if let Some(subject) = subject {
            rows.entry(subject).or_insert(row);
        }
    }
    claimed.map(|subject| rows.get(subject).copied()).collect()
}

/// A JSON array, one object a row; blanks make it as long as if every answer had the longest word, so that its length, which others see on the wire
/// and in the log, says how much was asked and nothing else.
fn content(answers: &RecordBatch) -> Vec<u8> {
    const SHORTEST: [&[u8]; 2] = [b"\"agree\"", b":true"];
    let mut lines = Vec::new();
    Form::Ndjson.write(answers, &mut lines);
    let short: usize = SHORTEST
        .iter()
        .map(|word| lines.windows(word.len()).filter(|piece| piece == word).count())
        .sum();
    let mut content = Vec::with_capacity(lines.len() + short + 2);
    content.push(b'[');
    let rows = lines.split(|byte| *byte == b'\n').filter(|row| !row.is_empty());
    for (place, row) in rows.enumerate() {
        if place > 0 {
            content.push(b',');
        }
        content.extend_from_slice(row);
    }
    content.push(b']');
    content.resize(content.len() + short, b' ');
    content
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::Arc;

    use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray};

    use super::{content, places};

    fn answers(words: &[&str], flags: &[bool]) -> RecordBatch {
        let columns: [(&str, ArrayRef); 2] = [
            ("name", Arc::new(StringArray::from(words.to_vec()))),
            ("death_date", Arc::new(BooleanArray::from(flags.to_vec()))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn answers_are_one_json_array_of_one_length_whatever_they_say() {
        let all = [
            answers(&["agree", "agree"], &[true, true]),
            answers(&["agree", "differ"], &[false, true]),
            answers(&["absent", "differ"], &[false, false]),
        ];
        let contents = all.each_ref().map(content);
        assert!(contents.iter().all(|one| one.len() == contents[0].len()));
        let read: serde_json::Value = serde_json::from_slice(&contents[1]).unwrap();
        let wanted =
            serde_json::json!([{"name": "agree", "death_date": false}, {"name": "differ", "death_date": true}]);
        assert_eq!(read, wanted);
    }

    #[test]
    fn each_claim_gets_the_row_that_is_about_it_or_none() {
        let subjects: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), None, Some("a"), Some("b")]));
        let found = RecordBatch::try_from_iter_with_nullable([("citizen_id", subjects, true)]).unwrap();
        let rows: Vec<_> = places(&found, ["a", "x", "b"].into_iter()).iter().collect();
        assert_eq!(rows, [Some(2), None, Some(0)]);
    }
}
