//! Which numbers are one enterprise. A unit goes by its organisation code, which stands in its credit code and in an older taxpayer's number
//! too; a registration number or another taxpayer's number is loose: it goes to the one organisation code that lines give it.
//!
//! A number that has one organisation code goes by it; one that has none goes by itself, and so does one that has two: two organisation codes are two
//! units, whatever a wrong row says. No record type holds two loose numbers (a test in `enterprise.rs`), so nothing is followed: the first and the last
//! of a number's codes say all, two look-ups however many rows hold it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::discrepancy::touch::Touched;
use super::super::enterprise::{Numbers, is_loose_name};
use super::super::fault::RegistryFault;
use super::super::merge::rows::Rows;
use super::super::schema::{ColumnType, TableSpec};
use super::{Line, Store, given, lent, pair, replace};

/// Columns that hold a number of the unit.
const COLUMNS: [&str; 4] = ["uscc", "org_code", "reg_no", "taxpayer_id"];
/// Those of them that hold loose ones, each with the letter before their names.
const LOOSE: [(&str, char); 2] = [("reg_no", 'R'), ("taxpayer_id", 'T')];

/// Whether its rows join numbers: they hold a loose one, and each of their numbers is as its source sent it.
pub(super) fn joins(table: &TableSpec) -> bool {
    let mut held = COLUMNS.iter().filter_map(|name| table.column(name));
    table.has_unit() && held.all(|column| column.plain) && LOOSE.iter().any(|(name, _)| table.column(name).is_some())
}

/// Whether they did under any plans.
pub(super) fn may_have_joined(table: &TableSpec) -> bool {
    table.has_unit() && LOOSE.iter().any(|(name, _)| table.record.field(name).is_some())
}

pub(super) fn is_loose(rows: &Rows<'_>, row: usize) -> bool {
    Numbers::of_row(rows, row).loose().is_some()
}

/// Joins and parts by what the changed rows of a table say now.
pub(super) async fn settle<S: Store>(
    store: &mut S,
    tables: &[TableSpec],
    table: &TableSpec,
    keys: &BTreeSet<String>,
    touched: &mut Touched<'_>,
) -> Result<(), RegistryFault> {
    let (lines, alone) = if joins(table) {
        lines(store, table, keys).await?
    } else {
        Default::default()
    };
    let changed = replace(store, table.record.name, keys, lines).await?;
    let mut numbers: BTreeSet<String> = changed.into_iter().map(|line| line.number).collect();
    numbers.extend(alone.iter().cloned());
    let moves = rename(store, &numbers, &alone).await?;
    if moves.is_empty() {
        return Ok(());
    }
    let since = move_rows(store, tables, &moves).await?;
    enter(store, tables, &moves, since).await?;
    for moved in moves {
        let both = [moved.from, moved.to];
        touched.joined_units.extend(both.iter().cloned());
        touched.units.extend(both);
    }
    Ok(())
}

/// What the open rows of those keys say, and the loose numbers of rows without an organisation code, which stand under their own number now. A closed row
/// says nothing, and goes where its number goes.
async fn lines<S: Store>(
    store: &mut S,
    table: &TableSpec,
    keys: &BTreeSet<String>,
) -> Result<(BTreeSet<Line>, BTreeSet<String>), RegistryFault> {
    let column = |name: &str| match table.column(name) {
        Some(_) => format!("x.{name}"),
        None => "CAST(NULL AS text)".to_owned(),
    };
    let text = given::<S>(
        1,
        &format!(
            "SELECT x._key, CASE WHEN x._open <> 0 THEN x._key END, {} FROM given g CROSS JOIN {} x WHERE x._key = g.a",
            COLUMNS.map(column).join(", "),
            table.name
        ),
    );
    let keys: Vec<[&str; 1]> = keys.iter().map(|key| [key.as_str()]).collect();
    let (mut lines, mut alone) = (BTreeSet::new(), BTreeSet::new());
    for cells in store.ask(&text, &keys).await? {
        let cell = |place: usize| cells.get(place).and_then(Option::as_deref);
        let numbers = Numbers::new(cell(2), cell(3), cell(4), cell(5));
        match (numbers.loose(), numbers.organisation(), cell(1)) {
            (Some(number), Some(code), Some(row_key)) => {
                lines.insert(Line {
                    row_key: row_key.to_owned(),
                    number,
                    other: code.to_owned(),
                });
            }
            (Some(number), None, _) => {
                alone.insert(number);
            }
            _ => {}
        }
    }
    Ok((lines, alone))
}

/// Rows of a number go from one unit to another.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Move {
    number: String,
    from: String,
    to: String,
}

/// Writes under which name numbers go now; gives where their rows may stand that are to stand elsewhere.
async fn rename<S: Store>(
    store: &mut S,
    numbers: &BTreeSet<String>,
    alone: &BTreeSet<String>,
) -> Result<BTreeSet<Move>, RegistryFault> {
    let asked: Vec<[&str; 1]> = numbers.iter().map(|number| [number.as_str()]).collect();
    let text = given::<S>(
        1,
        "SELECT g.a, n.unit, (SELECT min(k.other) FROM number_link k WHERE k.number = g.a), \
         (SELECT max(k.other) FROM number_link k WHERE k.number = g.a) FROM given g LEFT JOIN enterprise_number n ON n.number = g.a",
    );
    let (mut moves, mut gone, mut come) = (BTreeSet::new(), Vec::new(), Vec::new());
    for cells in store.ask(&text, &asked).await? {
        let Ok([Some(number), unit, first, last]) = <[Option<String>; 4]>::try_from(cells) else {
            continue;
        };
        let to = first.filter(|first| last.as_ref() == Some(first));
        if unit != to {
            gone.extend(unit.is_some().then(|| [number.clone()]));
            come.extend(to.iter().map(|code| [number.clone(), code.clone()]));
        }
        let to = to.unwrap_or_else(|| number.clone());
        // Those that were there stand where the number went, those that have just come under the number itself.
        let own = alone.contains(&number).then(|| number.clone());
        for from in [unit.unwrap_or_else(|| number.clone())].into_iter().chain(own) {
            if from != to {
                let (number, to) = (number.clone(), to.clone());
                moves.insert(Move { number, from, to });
            }
        }
    }
    let text = given::<S>(1, "DELETE FROM enterprise_number WHERE number IN (SELECT a FROM given)");
    store.ask(&text, &lent(&gone)).await?;
    let text = given::<S>(2, "INSERT INTO enterprise_number (number, unit) SELECT a, b FROM given");
    store.ask(&text, &lent(&come)).await?;
    // A number under which no row ever stood has none to be moved.
    let names: BTreeSet<&str> = moves.iter().map(|moved| moved.from.as_str()).collect();
    let asked: Vec<[&str; 1]> = names.into_iter().map(|name| [name]).collect();
    let text = given::<S>(
        1,
        "SELECT p.unit FROM given g CROSS JOIN enterprise p WHERE p.unit = g.a",
    );
    let units: BTreeSet<String> = store
        .ask(&text, &asked)
        .await?
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    moves.retain(|moved| units.contains(&moved.from));
    Ok(moves)
}

/// Writes rows under another name; gives since when each unit that rows went to has any of them.
async fn move_rows<S: Store>(
    store: &mut S,
    tables: &[TableSpec],
    moves: &BTreeSet<Move>,
) -> Result<BTreeMap<String, i64>, RegistryFault> {
    let mut since: BTreeMap<String, i64> = BTreeMap::new();
    for table in tables.iter().filter(|table| table.has_unit()) {
        let holds = |name: &str| table.column(name).is_some_and(|column| column.kind == ColumnType::Text);
        for (column, letter) in LOOSE.into_iter().filter(|(column, _)| holds(column)) {
            let of_it = |moved: &Move| {
                Some([
                    moved.number.strip_prefix(letter)?.to_owned(),
                    moved.from.clone(),
                    moved.to.clone(),
                ])
            };
            let asked: Vec<[String; 3]> = moves.iter().filter_map(of_it).collect();
            let coded = ["uscc", "org_code"].into_iter().filter(|name| holds(name));
            let uncoded = coded.map(|name| format!("nullif(x.{name}, '') IS NULL"));
            let standing = [format!("x._unit = g.b AND x.{column} = g.a")]
                .into_iter()
                .chain(uncoded);
            let standing = standing.collect::<Vec<_>>().join(" AND ");
            let text = given::<S>(
                3,
                &format!(
                    "SELECT g.c, CAST(min(x._received_us) AS text) FROM given g CROSS JOIN {} x WHERE {standing} GROUP BY g.c",
                    table.name
                ),
            );
            let found = store.ask(&text, &lent(&asked)).await?;
            if found.is_empty() {
                continue;
            }
            for (unit, us) in found.into_iter().filter_map(pair) {
                let us = us.parse().unwrap_or(i64::MAX);
                let known = since.entry(unit).or_insert(us);
                *known = us.min(*known);
            }
            let text = given::<S>(
                3,
                &format!(
                    "UPDATE {} AS x SET _unit = g.c FROM given g WHERE {standing}",
                    table.name
                ),
            );
            store.ask(&text, &lent(&asked)).await?;
        }
    }
    Ok(since)
}

/// Enters the units that rows went to, and forgets those that no row names any more: whoever has their rows now is as old as they were.
async fn enter<S: Store>(
    store: &mut S,
    tables: &[TableSpec],
    moves: &BTreeSet<Move>,
    mut since: BTreeMap<String, i64>,
) -> Result<(), RegistryFault> {
    let all: BTreeSet<&str> = moves
        .iter()
        .flat_map(|moved| [moved.from.as_str(), moved.to.as_str()])
        .collect();
    let asked: Vec<[&str; 1]> = all.iter().map(|unit| [*unit]).collect();
    let named = tables.iter().filter(|table| table.has_unit());
    let named: Vec<String> = named
        .map(|table| format!("EXISTS (SELECT 1 FROM {} x WHERE x._unit = g.a)", table.name))
        .collect();
    let text = given::<S>(
        1,
        &format!(
            "SELECT g.a, CASE WHEN {} THEN '1' END, CAST(p.first_us AS text) FROM given g LEFT JOIN enterprise p ON p.unit = g.a",
            named.join(" OR ")
        ),
    );
    let (mut there, mut known) = (BTreeSet::new(), BTreeMap::new());
    for cells in store.ask(&text, &asked).await? {
        let Ok([Some(unit), named, first]) = <[Option<String>; 3]>::try_from(cells) else {
            continue;
        };
        if named.is_some() {
            there.insert(unit.clone());
        }
        if let Some(first) = first.and_then(|first| first.parse::<i64>().ok()) {
            known.insert(unit, first);
        }
    }
    for moved in moves.iter().filter(|moved| !there.contains(&moved.from)) {
        if let Some(first) = known.get(&moved.from) {
            let of_it = since.entry(moved.to.clone()).or_insert(*first);
            *of_it = (*first).min(*of_it);
        }
    }
    let gone: Vec<[&str; 1]> = known
        .keys()
        .filter(|unit| !there.contains(*unit))
        .map(|unit| [unit.as_str()])
        .collect();
    let lines = there
        .iter()
        .filter_map(|unit| Some([unit.clone(), since.get(unit)?.to_string()]));
    let lines: Vec<[String; 2]> = lines.collect();
    let text = given::<S>(1, "DELETE FROM enterprise WHERE unit IN (SELECT a FROM given)");
    store.ask(&text, &gone).await?;
    let text = given::<S>(
        2,
        "INSERT INTO enterprise AS known (unit, first_us) SELECT a, CAST(b AS bigint) FROM given WHERE true \
         ON CONFLICT (unit) DO UPDATE SET first_us = excluded.first_us WHERE excluded.first_us < known.first_us",
    );
    store.ask(&text, &lent(&lines)).await?;
    Ok(())
}

/// Adds the organisation codes to which loose numbers of touched units go.
pub(super) async fn add_joined<S: Store>(store: &mut S, touched: &mut Touched<'_>) -> Result<(), RegistryFault> {
    let loose = touched.units.iter().filter(|unit| is_loose_name(unit));
    let asked: Vec<[&str; 1]> = loose.map(|unit| [unit.as_str()]).collect();
    let text = given::<S>(
        1,
        "SELECT n.unit FROM given g CROSS JOIN enterprise_number n WHERE n.number = g.a",
    );
    let found = store.ask(&text, &asked).await?;
    touched.units.extend(found.into_iter().flatten().flatten());
    Ok(())
}
