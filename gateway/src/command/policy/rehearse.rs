//! `shuguan policy rehearse`: the exchanges of the last days decided again under a bundle that is not in force.
//!
//! Takes a bundle and the journal, offline and beside a running gateway; gives who would gain or lose what: exchanges, rows, fields. It reads leaves,
//! so it sees no value and no payload. Each exchange is decided at its own time of day, on today's date: an agreement that has ended since counts as ended.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use shuguan_adapters::catalogue::record_type;
use shuguan_ledger::leaf::{Event, Leaf};
use shuguan_policies::{Dataset, Direction, Mode, Plan, PolicySet, Target};

use crate::clock::{Clock, DAY_US, midnight_us};
use crate::command::config;
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;
use crate::journal::{JournalPlace, LeafRow, Query, ROWS_MAX, Reader};
use crate::refusal::Refusal;

#[derive(Debug, clap::Args)]
pub(super) struct RehearseArgs {
    /// The bundle to rehearse; it need not be signed.
    #[arg(long, value_name = "DIR")]
    bundle: PathBuf,
    /// How far back: a number of days, such as 30d.
    #[arg(long, value_name = "DAYS", default_value = "30d", value_parser = days)]
    since: i64,
    /// The gateway's configuration: where its journal and its bundle in force lie.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CONFIG", default_value = "shuguan.toml")]
    config: PathBuf,
    /// Another journal, a copy for one; or by a configuration (`*.toml`).
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

fn days(text: &str) -> Result<i64, String> {
    let number = text.strip_suffix('d').unwrap_or(text).parse();
    let days = number.map_err(|_| "write a number of days, such as 30d".to_owned())?;
    if (1..=36_500).contains(&days) {
        Ok(days)
    } else {
        Err("between 1d and 36500d".into())
    }
}

/// One exchange as its leaf tells it.
struct Past {
    key: Key,
    direction: Direction,
    mode: Mode,
    /// The plan that it ran on; the slug of its refusal.
    then: Result<[u8; 32], String>,
    t_us: i64,
    rows: u64,
    count: u64,
}

/// Who sent or fetched what for which purpose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    partner: String,
    data: String,
    purpose: String,
}

/// Exchanges that were decided alike and would be decided alike.
#[derive(Debug, Serialize)]
struct Line {
    partner: String,
    direction: &'static str,
    data: String,
    purpose: String,
    then: String,
    under_bundle: String,
    exchanges: u64,
    rows: u64,
    /// Fields with what is done to them.
    gains: Vec<String>,
    loses: Vec<String>,
    same: bool,
}

/// What a rehearsal found.
#[derive(Debug, Default, Serialize)]
struct Rehearsal {
    lines: Vec<Line>,
    exchanges: u64,
    changed: u64,
    /// Refusals for reasons that no bundle decides, and leaves of data that is no longer known.
    not_decided: u64,
}

/// Runs the command.
pub(super) fn run(args: &RehearseArgs, clock: &Clock, output: &Output) -> Result<Exit, Failure> {
    let config = config::load(&args.config)?;
    let new = load(&args.bundle)?;
    let old = load(&config.policies.bundle)?;
    let journal = match &args.journal {
        Some(path) => config::journal_at(path)?,
        None => config.journal.place.clone(),
    };
    let now_us = clock.now_us();
    let past = read(&journal, now_us - args.since * DAY_US).map_err(|fault| {
        Failure::local("the journal cannot be read")
            .at(journal.to_string())
            .because(fault)
    })?;
    let rehearsal = rehearse(&past, &old, &new, now_us);
    show(&rehearsal, output);
    Ok(if rehearsal.changed == 0 {
        Exit::Done
    } else {
        Exit::Refused
    })
}

fn load(dir: &std::path::Path) -> Result<PolicySet, Failure> {
    PolicySet::load(dir).map_err(|faults| {
        Failure::local(format!("the bundle does not load: faults: {}", faults.len()))
            .coded("SG7201")
            .at(dir.display().to_string())
            .then(format!("shuguan policy check {}", dir.display()))
    })
}

/// Pushes, pulls, comparisons and refusals since a moment; none where nothing can be decided.
fn read(journal: &JournalPlace, since_us: i64) -> Result<Vec<Option<Past>>, crate::journal::JournalFault> {
    let reader = Reader::open(journal)?;
    let mut query = Query {
        from_us: Some(since_us),
        limit: ROWS_MAX,
        ..Query::default()
    };
    let mut past = Vec::new();
    loop {
        let rows = reader.search(&query)?;
        let exchanges = rows
            .iter()
            .filter(|row| ["push", "pull", "compare", "refusal"].contains(&row.kind.as_str()));
        past.extend(exchanges.map(told));
        match rows.last() {
            Some(last) if rows.len() == ROWS_MAX as usize => query.before_index = Some(last.index),
            _ => return Ok(past),
        }
    }
}

fn told(row: &LeafRow) -> Option<Past> {
    let leaf = Leaf::decode(&row.bytes).ok()?;
    let key = |partner: &str, data: &str, purpose: &str| Key {
        partner: partner.to_owned(),
        data: data.to_owned(),
        purpose: purpose.to_owned(),
    };
    let t_us = leaf.when();
    let (key, (direction, mode), then, rows, count) = match leaf.event {
        Event::Push(push) => {
            let key = key(&push.p, &push.rec, &push.pur);
            (key, (Direction::Push, Mode::Feed), Ok(push.plan.0), push.r#in, 1)
        }
        Event::Pull(pull) => {
            let key = key(&pull.p, &pull.ds, &pull.pur);
            let way = (Direction::Pull, Mode::Extract);
            (key, way, Ok(pull.plan.0), pull.rows, 1)
        }
        Event::Compare(compare) => {
            let key = key(&compare.p, &compare.ds, &compare.pur);
            let way = (Direction::Pull, Mode::Compare);
            (key, way, Ok(compare.plan.0), compare.rows, 1)
        }
        Event::Refusal(refusal) => {
            if !by_policy(&refusal.code) {
                return None;
            }
            let (way, data) = match (&refusal.rec, &refusal.ds) {
                (Some(record), _) => ((Direction::Push, Mode::Feed), record),
                (None, Some(dataset)) if refusal.at == "compare" => ((Direction::Pull, Mode::Compare), dataset),
                (None, Some(dataset)) => ((Direction::Pull, Mode::Extract), dataset),
                (None, None) => return None,
            };
            let key = key(&refusal.p, data, refusal.pur.as_deref()?);
            (key, way, Err(refusal.code), 0, refusal.cnt.unwrap_or(1))
        }
        _ => return None,
    };
    Some(Past {
        key,
        direction,
        mode,
        then,
        t_us,
        rows,
        count,
    })
}

/// Refusals that another bundle could decide otherwise.
fn by_policy(slug: &str) -> bool {
    let decided = [
        Refusal::UnknownPartner,
        Refusal::NoGrant,
        Refusal::BadPurpose,
        Refusal::AgreementExpired,
        Refusal::AgreementNotYet,
        Refusal::OutsideHours,
        Refusal::GrantRevoked,
        Refusal::TooManyRows,
        Refusal::QuotaExceeded,
    ];
    Refusal::parse(slug).is_some_and(|refusal| decided.contains(&refusal))
}

fn rehearse(past: &[Option<Past>], old: &PolicySet, new: &PolicySet, now_us: i64) -> Rehearsal {
    let mut rehearsal = Rehearsal::default();
    let mut lines: BTreeMap<(Key, &'static str, String, String), Line> = BTreeMap::new();
    for past in past {
        let decided = past.as_ref().and_then(|past| Some((past, decide(past, new, now_us)?)));
        let Some((past, under)) = decided else {
            rehearsal.not_decided += 1;
            continue;
        };
        let line = line(past, fields_then(past, old), under);
        rehearsal.exchanges += past.count;
        if !line.same {
            rehearsal.changed += past.count;
        }
        let key = (
            past.key.clone(),
            line.direction,
            line.then.clone(),
            line.under_bundle.clone(),
        );
        lines
            .entry(key)
            .and_modify(|known| {
                known.exchanges += past.count;
                known.rows += past.rows;
                known.same &= line.same;
                merge(&mut known.gains, &line.gains);
                merge(&mut known.loses, &line.loses);
            })
            .or_insert(line);
    }
    rehearsal.lines = lines.into_values().collect();
    rehearsal
}

fn merge(known: &mut Vec<String>, more: &[String]) {
    for field in more {
        if !known.contains(field) {
            known.push(field.clone());
        }
    }
}

/// What the bundle says to a past exchange; none when its record type or dataset is no longer known.
fn decide(past: &Past, new: &PolicySet, now_us: i64) -> Option<Result<Arc<Plan>, Refusal>> {
    let target = match past.direction {
        Direction::Push => Target::Record(record_type(&past.key.data)?),
        Direction::Pull => Target::Dataset(Dataset::parse(&past.key.data)?),
    };
    let Some(partner) = new.partner(&past.key.partner) else {
        return Some(Err(Refusal::UnknownPartner));
    };
    let at_us = midnight_us(now_us) + past.t_us - midnight_us(past.t_us);
    let decided = new.decide(partner, target, &past.key.purpose, past.direction, past.mode, at_us);
    Some(match decided {
        Err(denial) => Err(crate::exchange::admit::denied(denial)),
        Ok(plan) => match past.direction {
            Direction::Push if plan.limits().rows_per_push.is_some_and(|max| past.rows > max) => {
                Err(Refusal::TooManyRows)
            }
            Direction::Pull if plan.limits().rows_per_pull.is_some_and(|max| past.rows > max) => {
                Err(Refusal::TooManyRows)
            }
            _ => Ok(plan),
        },
    })
}

/// The fields that it had, none of them for a refusal; `None` when the plan of that day is not in the bundle in force.
fn fields_then(past: &Past, old: &PolicySet) -> Option<BTreeSet<String>> {
    let Ok(hash) = past.then else {
        return Some(BTreeSet::new());
    };
    old.plans().find(|plan| plan.hash() == hash).map(|plan| fields(plan))
}

fn line(past: &Past, old: Option<BTreeSet<String>>, under: Result<Arc<Plan>, Refusal>) -> Line {
    let new = under.as_ref().map_or_else(|_| BTreeSet::new(), |plan| fields(plan));
    // Without the plan of that day nobody knows which fields it had.
    let (gains, loses) = match &old {
        None => (Vec::new(), Vec::new()),
        Some(old) => (
            new.difference(old).cloned().collect(),
            old.difference(&new).cloned().collect(),
        ),
    };
    let then = match &past.then {
        Ok(_) => "granted".to_owned(),
        Err(slug) => slug.clone(),
    };
    let under_bundle = match &under {
        Ok(_) => "granted".to_owned(),
        Err(refusal) => refusal.slug().to_owned(),
    };
    let same_plan = match (&past.then, &under) {
        (Ok(hash), Ok(plan)) => *hash == plan.hash() || (old.is_some() && gains.is_empty() && loses.is_empty()),
        (Err(slug), Err(refusal)) => slug == refusal.slug(),
        _ => false,
    };
    Line {
        partner: past.key.partner.clone(),
        direction: past.direction.name(),
        data: past.key.data.clone(),
        purpose: past.key.purpose.clone(),
        then,
        under_bundle,
        exchanges: past.count,
        rows: past.rows,
        gains,
        loses,
        same: same_plan,
    }
}

/// Fields with their operator, unless they are kept as they are.
fn fields(plan: &Plan) -> BTreeSet<String> {
    let field = |column: &shuguan_policies::OutputColumn| match column.kind.operator.name() {
        "keep" => column.name.to_owned(),
        _ => format!("{} ({})", column.name, column.kind.operator.describe()),
    };
    plan.output().iter().map(field).collect()
}

fn show(rehearsal: &Rehearsal, output: &Output) {
    if output.is_json() {
        output.json("shuguan.policy-rehearsal.v1", rehearsal);
        return;
    }
    let list = |fields: &[String]| {
        if fields.is_empty() {
            "-".to_owned()
        } else {
            fields.join(", ")
        }
    };
    let changed = rehearsal.lines.iter().filter(|line| !line.same);
    let rows: Vec<Vec<String>> = changed
        .map(|line| {
            vec![
                line.partner.clone(),
                line.direction.to_owned(),
                line.data.clone(),
                line.purpose.clone(),
                line.exchanges.to_string(),
                line.rows.to_string(),
                line.then.clone(),
                line.under_bundle.clone(),
                list(&line.gains),
                list(&line.loses),
            ]
        })
        .collect();
    output.rows(
        &[
            "PARTNER",
            "DIRECTION",
            "DATA",
            "PURPOSE",
            "EXCHANGES",
            "ROWS",
            "THEN",
            "UNDER BUNDLE",
            "GAINS",
            "LOSES",
        ],
        &rows,
    );
    output.note(format!(
        "{} exchanges decided again, {} otherwise; {} refusals that no bundle decides",
        rehearsal.exchanges, rehearsal.changed, rehearsal.not_decided
    ));
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::path::Path;

    use super::*;

    const NOW_US: i64 = 1_795_000_000_000_000;

    fn example(change: impl Fn(&str, String) -> String) -> PolicySet {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example");
        let bundle = shuguan_policies::Bundle::read(&folder).unwrap();
        // Its own tests would fail with every change that is rehearsed here.
        let texts = bundle
            .texts()
            .iter()
            .filter(|(name, _)| !name.starts_with("tests/"))
            .cloned();
        let texts = texts.map(|(name, text)| (name.clone(), change(&name, text))).collect();
        PolicySet::from_texts(texts).unwrap()
    }

    fn push(partner: &str, data: &str, then: Result<[u8; 32], &str>) -> Past {
        Past {
            key: Key {
                partner: partner.into(),
                data: data.into(),
                purpose: "enrolment.registration".into(),
            },
            direction: Direction::Push,
            mode: Mode::Feed,
            then: then.map_err(str::to_owned),
            t_us: NOW_US - DAY_US,
            rows: 10,
            count: 1,
        }
    }

    fn plan_of(set: &PolicySet, data: &str) -> [u8; 32] {
        set.plans().find(|plan| plan.target().name() == data).unwrap().hash()
    }

    #[test]
    fn the_same_bundle_changes_nothing_and_another_says_who_gains_and_who_loses() {
        let old = example(|_, text| text);
        let plan = plan_of(&old, "health/birth-certificate");
        let past = [
            Some(push("health-city", "health/birth-certificate", Ok(plan))),
            Some(push("health-city", "health/birth-certificate", Ok(plan))),
            Some(push("tax-city", "tax/withholding-employee", Err("no-grant"))),
            None,
        ];
        let same = rehearse(&past, &old, &old, NOW_US);
        assert_eq!(
            (same.exchanges, same.changed, same.not_decided),
            (3, 1, 1),
            "the grant is there now"
        );
        let new = example(|name, text| match name {
            "agreements/health.toml" => text.replace("\"child_sex\", ", "").replace(
                "reduce.born_at = { op = \"date\", to = \"day\" }",
                "reduce.born_at = { op = \"date\", to = \"year\" }",
            ),
            _ => text,
        });
        let changed = rehearse(&past, &old, &new, NOW_US);
        let births = changed.lines.iter().find(|line| line.partner == "health-city").unwrap();
        assert_eq!((births.exchanges, births.rows), (2, 20));
        assert_eq!(births.gains, ["born_at (date to year)"]);
        assert_eq!(births.loses, ["born_at (date to day)", "child_sex"]);
        let without = example(|name, text| match name {
            "partners.toml" => text.replace("id = \"health-city\"", "id = \"health-bureau\""),
            _ => text,
        });
        let gone = rehearse(&past, &old, &without, NOW_US);
        let births = gone.lines.iter().find(|line| line.partner == "health-city").unwrap();
        assert_eq!(
            (births.then.as_str(), births.under_bundle.as_str()),
            ("granted", "unknown-partner")
        );
        assert!(births.loses.contains(&"child_name".to_owned()) && births.gains.is_empty());
    }

    #[test]
    fn limits_and_ended_agreements_count_and_an_unknown_plan_names_no_fields() {
        let old = example(|_, text| text);
        let past = [Some(push("health-city", "health/birth-certificate", Ok([7; 32])))];
        let unknown = rehearse(&past, &old, &old, NOW_US);
        let line = unknown.lines.first().unwrap();
        assert!(!line.same && line.gains.is_empty() && line.loses.is_empty());
        let small = example(|_, text| text.replace("rows_per_push = 20_000", "rows_per_push = 9"));
        let refused = rehearse(&past, &old, &small, NOW_US);
        assert_eq!(refused.lines.first().unwrap().under_bundle, "too-many-rows");
        let ended = example(|_, text| text.replace("until = 2099-12-31", "until = 2026-01-02"));
        let refused = rehearse(&past, &old, &ended, NOW_US);
        assert_eq!(refused.lines.first().unwrap().under_bundle, "expired");
    }

    #[test]
    fn days_are_days() {
        assert_eq!((days("30d"), days("7")), (Ok(30), Ok(7)));
        for wrong in ["", "d", "0d", "-1d", "3h", "99999999999999999999d"] {
            assert!(days(wrong).is_err(), "{wrong}");
        }
    }
}
