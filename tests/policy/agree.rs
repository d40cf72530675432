//! Both engines, side by side.

use std::time::Instant;

use shuguan_policies::{Direction, KeyRing, Mode, PolicySet, ReleaseError, Target};

use crate::cell::{self, Cell, Row};
use crate::naive::{Grant, Naive, Request};
use crate::random::Random;
use crate::{keyed, make};

/// How many (bundle, record, request) the gate compares.
const CASES: u64 = 100_000;
/// Of one bundle: requests that are decided, and records for each that is granted.
const REQUESTS: u64 = 60;
const ROWS: u64 = 40;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

#[derive(Default)]
struct Tally {
    bundles: u64,
    faulty: u64,
    cases: u64,
    granted: u64,
    refused: u64,
    filtered: u64,
    cells: u64,
}

#[test]
fn the_compiler_and_a_naive_interpreter_agree_on_random_bundles_records_and_requests() {
    let wanted = setting("SHUGUAN_POLICY_CASES", CASES);
    let seed = setting("SHUGUAN_SEED", 1);
    let began = Instant::now();
    let mut tally = Tally::default();
    while tally.cases < wanted {
        let number = seed + tally.bundles;
        let mut random = Random::new(number);
        one_bundle(&mut random, number, &mut tally);
        tally.bundles += 1;
        assert!(
            tally.bundles < 50 || tally.faulty * 4 < tally.bundles * 3,
            "most bundles of the generator do not load"
        );
    }
    eprintln!(
        "seed {seed}: {} bundles ({} faulty), {} cases, {} granted, {} refused, {} rows filtered, {} cells, {:.1} s",
        tally.bundles,
        tally.faulty,
        tally.cases,
        tally.granted,
        tally.refused,
        tally.filtered,
        tally.cells,
        began.elapsed().as_secs_f64()
    );
    assert!(tally.granted > 0 && tally.refused > 0 && tally.filtered > 0 && tally.cells > tally.cases);
}

fn one_bundle(random: &mut Random, number: u64, tally: &mut Tally) {
    let texts = make::bundle(random);
    let set = match PolicySet::from_texts(texts.clone()) {
        Ok(set) => set,
        Err(faults) => {
            let known = [
                "key `",
                "hides nothing",
                "releases no field",
                "two grants",
                "leaves this grant",
                "no natural key",
            ];
            for fault in &faults {
                assert!(
                    known.iter().any(|known| fault.message.contains(known)),
                    "seed {number}: {fault}"
                );
            }
            tally.faulty += 1;
            return;
        }
    };
    let naive = Naive::parse(&texts);
    for _ in 0..REQUESTS {
        let request = make::request(random);
        tally.cases += 1;
        let decided = decide(&set, &request);
        let expected = naive.decide(&request);
        match (decided, expected) {
            (Ok(plan), Ok(grant)) => {
                assert_eq!(
                    plan.grant_id().split('@').next().unwrap(),
                    grant.id(),
                    "seed {number}: {request:?}"
                );
                tally.granted += 1;
                released(&plan, &grant, &texts, &request, random, number, tally);
            }
            (Err(denial), Err(reason)) => {
                assert_eq!(denial, reason, "seed {number}: {request:?}");
                tally.refused += 1;
            }
            (decided, expected) => panic!(
                "seed {number}: {request:?}: decided {:?}, expected {:?}",
                decided.map(|plan| plan.grant_id().to_owned()),
                expected.map(|grant| grant.id().to_owned())
            ),
        }
    }
}

fn decide(set: &PolicySet, request: &Request) -> Result<std::sync::Arc<shuguan_policies::Plan>, &'static str> {
    let partner = set.partner(&request.partner).unwrap();
    let target = set.target(&request.target).unwrap();
    let direction = Direction::parse(request.direction).unwrap();
    let mode = Mode::parse(request.mode).unwrap();
    set.decide(partner, target, &request.purpose, direction, mode, request.at_us)
        .map_err(|denial| denial.slug())
}

/// The released cells of some records under one grant.
fn released(
    plan: &shuguan_policies::Plan,
    grant: &Grant<'_>,
    texts: &[(String, String)],
    request: &Request,
    random: &mut Random,
    number: u64,
    tally: &mut Tally,
) {
    let target = plan.target();
    let rows: Vec<Row> = (0..ROWS).map(|_| make::row(random, target)).collect();
    let claims: Vec<Row> = rows
        .iter()
        .map(|row| {
            if random.one_in(2) {
                row.clone()
            } else {
                make::row(random, target)
            }
        })
        .collect();
    tally.cases += ROWS;
    let today = (request.at_us + 8 * 3_600_000_000).div_euclid(86_400_000_000);
    let day = i32::try_from(today).unwrap();
    let keys = KeyRing::from_master(&keyed::master());
    let part = cell::batch(target, plan.wanted(), &rows);
    let compares = plan.mode() == Mode::Compare;
    let outcome = if compares {
        assert_eq!(plan.require(), grant.require(), "seed {number}");
        plan.compare(&part, &cell::batch(target, plan.require(), &claims), &keys, day)
    } else {
        plan.release(&part, &keys, day)
    };
    let file = texts
        .iter()
        .find(|(file, _)| *file == *plan.place().file)
        .map(|(_, text)| text.as_str())
        .unwrap();
    let expected = expected(plan, grant, file, &rows, compares.then_some(&claims), today);
    match (outcome, expected) {
        (Ok(part), Some((expected, filtered))) => {
            assert_eq!(cell::rows(&part.batch), expected, "seed {number}: {}", plan.grant_id());
            assert_eq!(part.filtered, filtered, "seed {number}");
            tally.filtered += filtered;
            tally.cells += (part.batch.num_rows() * part.batch.num_columns()) as u64;
        }
        (Err(ReleaseError::NoToken { .. }), None) => {}
        (outcome, expected) => panic!("seed {number}: {outcome:?}, expected {expected:?}"),
    }
}

type Released = (Vec<Vec<(String, Cell)>>, u64);

/// `None` when some row has a value without a token.
fn expected(
    plan: &shuguan_policies::Plan,
    grant: &Grant<'_>,
    file: &str,
    rows: &[Row],
    claims: Option<&Vec<Row>>,
    today: i64,
) -> Option<Released> {
    let fields = grant.fields(file);
    let kind = |name: &str| kind_of(plan.target(), name);
    let mut out = Vec::new();
    let mut filtered = 0;
    for (at, row) in rows.iter().enumerate() {
        if !grant.passes(row) {
            filtered += 1;
            continue;
        }
        let claim = claims.map(|claims| &claims[at]);
        let cells = fields
            .iter()
            .map(|name| Some((name.clone(), grant.cell(name, &kind(name), row, claim, today)?)));
        let mut cells = cells.collect::<Option<Vec<_>>>()?;
        // Whether there is a value is told only of who is known by everything that was compared.
        let unknown = |(_, cell): &(String, Cell)| matches!(cell, Cell::Text(word) if word != "agree");
        if claims.is_some() && cells.iter().any(unknown) {
            for (_, cell) in &mut cells {
                if let Cell::Flag(there) = cell {
                    *there = false;
                }
            }
        }
        out.push(cells);
    }
    Some((out, filtered))
}

fn kind_of(target: Target, name: &str) -> String {
    target.field(name).unwrap().kind.describe()
}
