//! Which numbers are one enterprise. A unit goes by its organisation code, which stands in its credit code and in an older taxpayer's number
//! too; a registration number or another taxpayer's number is loose: it goes to the one organisation code that lines lead to.
//!
//! Loose numbers that lines join are a group. A group that leads to one organisation code goes by it; one that leads to none by its first number; one that
//! leads to two by its first number too, and joins nobody: two organisation codes are two units, whatever a wrong row says.

use std::collections::{BTreeMap, BTreeSet};

use super::super::discrepancy::touch::Touched;
use super::super::enterprise::{Numbers, is_loose_name};
use super::super::fault::RegistryFault;
use super::super::merge::rows::Rows;
use super::super::schema::TableSpec;
use super::{Joined, Line, Store, given, lent, pair, replace};

/// Columns that hold a number of the unit, in the order of [`super::super::dataset`]'s index.
const COLUMNS: [&str; 4] = ["uscc", "org_code", "reg_no", "taxpayer_id"];

/// Whether its rows join numbers: they hold a loose one, and each of their numbers is as its source sent it.
pub(super) fn says(table: &TableSpec) -> bool {
    let mut held = COLUMNS.iter().filter_map(|name| table.column(name));
    table.has_unit() && held.all(|column| column.plain) && holds_loose(table)
}

fn holds_loose(table: &TableSpec) -> bool {
    table.column("reg_no").is_some() || table.column("taxpayer_id").is_some()
}

pub(super) fn is_loose(rows: &Rows<'_>, row: usize) -> bool {
    !Numbers::of_row(rows, row).loose().is_empty()
}

/// The columns of a table alias, null where the table has none.
fn columns(table: &TableSpec, of: impl Fn(&str) -> String) -> String {
    let column = |name: &&str| match table.column(name) {
        Some(_) => of(name),
        None => "CAST(NULL AS text)".to_owned(),
    };
    COLUMNS.iter().map(column).collect::<Vec<_>>().join(", ")
}

/// Numbers of a found row, from that place on.
fn numbers(cells: &[Option<String>], from: usize) -> Numbers<'_> {
    let cell = |place: usize| cells.get(from + place).and_then(Option::as_deref);
    Numbers::new(cell(0), cell(1), cell(2), cell(3))
}

/// Joins and parts by what the changed rows of a table say now.
pub(super) async fn settle<S: Store>(
    store: &mut S,
    tables: &[TableSpec],
    table: &TableSpec,
    keys: &BTreeSet<String>,
    touched: &mut Touched<'_>,
) -> Result<(), RegistryFault> {
    let (said, alone) = said(store, table, keys).await?;
    let changed = replace(store, table.record.name, keys, said).await?;
    let joined = changed.into_iter().flat_map(|line| [line.number, line.other]);
    let mut seeds: BTreeSet<String> = joined.filter(|number| is_loose_name(number)).collect();
    seeds.extend(alone);
    if seeds.is_empty() {
        return Ok(());
    }
    let joined = Joined::follow(store, &seeds, is_loose_name).await?;
    let names = names(&joined);
    let left = move_numbers(store, &names, &seeds).await?;
    let moved = move_rows(store, tables, &names, &left).await?;
    if moved.is_empty() {
        return Ok(());
    }
    enter(store, tables, &moved).await?;
    touched
        .units
        .extend(moved.into_iter().flat_map(|(old, new)| [old, new]));
    touched.joined_units = true;
    Ok(())
}

/// What the open rows of those keys say, and the loose numbers of rows that hold no organisation code.
async fn said<S: Store>(
    store: &mut S,
    table: &TableSpec,
    keys: &BTreeSet<String>,
) -> Result<(BTreeSet<Line>, BTreeSet<String>), RegistryFault> {
    let text = given::<S>(
        1,
        &format!(
            "SELECT x._key, {} FROM given g CROSS JOIN {} x WHERE x._key = g.a AND x._open <> 0",
            columns(table, |name| format!("x.{name}")),
            table.name
        ),
    );
    let keys: Vec<[&str; 1]> = keys.iter().map(|key| [key.as_str()]).collect();
    let (mut lines, mut alone) = (BTreeSet::new(), BTreeSet::new());
    for cells in store.ask(&text, &keys).await? {
        let Some(Some(row_key)) = cells.first() else {
            continue;
        };
        let numbers = numbers(&cells, 1);
        let loose = numbers.loose();
        let mut say = |number: &String, other: &str| {
            lines.insert(Line {
                row_key: row_key.clone(),
                number: number.clone(),
                other: other.to_owned(),
            });
        };
        match (numbers.organisation(), loose.as_slice()) {
            (Some(code), loose) => loose.iter().for_each(|number| say(number, code)),
            (None, [one, other]) => {
                say(one, other);
                say(other, one);
            }
            (None, _) => {}
        }
        if numbers.organisation().is_none() {
            alone.extend(loose);
        }
    }
    Ok((lines, alone))
}

/// Under which name each of the numbers goes.
fn names(joined: &Joined) -> BTreeMap<&str, &str> {
    let mut names = BTreeMap::new();
    // Ascending, so that the first number of a group is met first.
    for first in joined.numbers() {
        if names.contains_key(first) {
            continue;
        }
        let (members, codes) = joined.group(first);
        let name = match codes.first() {
            Some(code) if codes.len() == 1 => code,
            _ => first,
        };
        names.extend(members.into_iter().map(|member| (member, name)));
    }
    names
}

/// Writes under which name numbers go; gives the names under which rows may stand that go under another one now.
async fn move_numbers<S: Store>(
    store: &mut S,
    names: &BTreeMap<&str, &str>,
    seeds: &BTreeSet<String>,
) -> Result<Vec<String>, RegistryFault> {
    let asked: Vec<[&str; 1]> = names.keys().map(|number| [*number]).collect();
    let text = given::<S>(
        1,
        "SELECT n.number, n.unit FROM given g CROSS JOIN enterprise_number n WHERE n.number = g.a",
    );
    let found = store.ask(&text, &asked).await?;
    let before: BTreeMap<String, String> = found.into_iter().filter_map(pair).collect();
    let was = |number: &str| before.get(number).map_or(number, String::as_str).to_owned();
    let changed = names.iter().filter(|(number, name)| was(number) != **name);
    let changed: Vec<[&str; 2]> = changed.map(|(number, name)| [*number, *name]).collect();
    let named = changed.iter().filter(|[number, _]| before.contains_key(*number));
    let named: Vec<[&str; 1]> = named.map(|[number, _]| [*number]).collect();
    let text = given::<S>(1, "DELETE FROM enterprise_number WHERE number IN (SELECT a FROM given)");
    store.ask(&text, &named).await?;
    let text = given::<S>(
        2,
        "INSERT INTO enterprise_number (number, unit) SELECT a, b FROM given WHERE a <> b",
    );
    store.ask(&text, &changed).await?;
    let mut left: BTreeSet<String> = changed.iter().map(|[number, _]| was(number)).collect();
    // A row that has just come stands under its own number.
    let own = seeds
        .iter()
        .filter(|seed| names.get(seed.as_str()) != Some(&seed.as_str()));
    left.extend(own.cloned());
    let asked: Vec<[&str; 1]> = left.iter().map(|name| [name.as_str()]).collect();
    let text = given::<S>(
        1,
        "SELECT p.unit FROM given g CROSS JOIN enterprise p WHERE p.unit = g.a",
    );
    let found = store.ask(&text, &asked).await?;
    Ok(found.into_iter().flatten().flatten().collect())
}

/// Writes rows under another name; gives from where to where.
async fn move_rows<S: Store>(
    store: &mut S,
    tables: &[TableSpec],
    names: &BTreeMap<&str, &str>,
    left: &[String],
) -> Result<BTreeSet<(String, String)>, RegistryFault> {
    let asked: Vec<[&str; 1]> = left.iter().map(|name| [name.as_str()]).collect();
    // A number that was a unit and is none any more has left it, whether or not rows still held it.
    let renamed = left
        .iter()
        .filter_map(|name| Some((name.clone(), (*names.get(name.as_str())?).to_owned())));
    let mut moved: BTreeSet<(String, String)> = renamed.filter(|(old, new)| old != new).collect();
    for table in tables.iter().filter(|table| says(table)) {
        let text = given::<S>(
            1,
            &format!(
                "SELECT x._key, x._unit, {} FROM given g CROSS JOIN {} x WHERE x._unit = g.a",
                columns(table, |name| format!("x.{name}")),
                table.name
            ),
        );
        let mut rows: Vec<[String; 2]> = Vec::new();
        for cells in store.ask(&text, &asked).await? {
            let (Some(Some(key)), Some(Some(unit))) = (cells.first(), cells.get(1)) else {
                continue;
            };
            let numbers = numbers(&cells, 2);
            let loose = numbers.loose();
            let name = loose.first().and_then(|number| names.get(number.as_str()));
            if let Some(name) = name.filter(|name| numbers.organisation().is_none() && *name != unit) {
                rows.push([key.clone(), (*name).to_owned()]);
                moved.insert((unit.clone(), (*name).to_owned()));
            }
        }
        let text = given::<S>(
            2,
            &format!(
                "UPDATE {0} SET _unit = g.b FROM given g WHERE {0}._key = g.a",
                table.name
            ),
        );
        store.ask(&text, &lent(&rows)).await?;
    }
    Ok(moved)
}

/// A line of the index.
#[derive(Default)]
struct Entry {
    numbers: [Option<String>; 4],
    first_us: Option<i64>,
}

impl Entry {
    fn take(&mut self, numbers: &[Option<String>], first_us: Option<i64>) {
        for (known, number) in self.numbers.iter_mut().zip(numbers) {
            // The least of several, so that it does not matter which came first.
            *known = known.take().into_iter().chain(number.clone()).min();
        }
        self.first_us = self.first_us.into_iter().chain(first_us).min();
    }
}

/// Enters the units between which rows moved anew, by what their rows hold.
async fn enter<S: Store>(
    store: &mut S,
    tables: &[TableSpec],
    moved: &BTreeSet<(String, String)>,
) -> Result<(), RegistryFault> {
    let all: BTreeSet<&str> = moved
        .iter()
        .flat_map(|(old, new)| [old.as_str(), new.as_str()])
        .collect();
    let asked: Vec<[&str; 1]> = all.iter().map(|unit| [*unit]).collect();
    let text = given::<S>(
        1,
        "SELECT p.unit, CAST(p.first_us AS text) FROM given g CROSS JOIN enterprise p WHERE p.unit = g.a",
    );
    let since = store.ask(&text, &asked).await?.into_iter().filter_map(pair);
    let since: BTreeMap<String, i64> = since.filter_map(|(unit, us)| Some((unit, us.parse().ok()?))).collect();
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for table in tables.iter().filter(|table| table.has_unit()) {
        let text = given::<S>(
            1,
            &format!(
                "SELECT x._unit, CAST(min(x._received_us) AS text), {} FROM given g CROSS JOIN {} x WHERE x._unit = g.a GROUP BY x._unit",
                columns(table, |name| format!("min(x.{name})")),
                table.name
            ),
        );
        for cells in store.ask(&text, &asked).await? {
            let mut cells = cells.into_iter();
            let (Some(Some(unit)), Some(first)) = (cells.next(), cells.next()) else {
                continue;
            };
            let numbers: Vec<Option<String>> = cells.collect();
            let first = first.and_then(|first| first.parse().ok());
            entries.entry(unit).or_default().take(&numbers, first);
        }
    }
    for (unit, first) in &since {
        match entries.get_mut(unit) {
            Some(entry) => entry.take(&[], Some(*first)),
            // It is gone: whoever has its rows now is as old as it was.
            None => {
                for (_, new) in moved.iter().filter(|(old, _)| old == unit) {
                    if let Some(entry) = entries.get_mut(new) {
                        entry.take(&[], Some(*first));
                    }
                }
            }
        }
    }
    store
        .ask(
            &given::<S>(1, "DELETE FROM enterprise WHERE unit IN (SELECT a FROM given)"),
            &asked,
        )
        .await?;
    let lines = entries.into_iter().map(|(unit, entry)| {
        let [uscc, org_code, reg_no, taxpayer] = entry.numbers.map(Option::unwrap_or_default);
        let first = entry.first_us.unwrap_or_default().to_string();
        [unit, uscc, org_code, reg_no, taxpayer, first]
    });
    let lines: Vec<[String; 6]> = lines.collect();
    let text = given::<S>(
        6,
        "INSERT INTO enterprise (unit, uscc, org_code, reg_no, taxpayer_id, first_us) \
         SELECT a, nullif(b, ''), nullif(c, ''), nullif(d, ''), nullif(e, ''), CAST(f AS bigint) FROM given",
    );
    store.ask(&text, &lent(&lines)).await?;
    Ok(())
}

/// Adds under what names touched units go whose own number is loose.
pub(super) async fn name<S: Store>(store: &mut S, touched: &mut Touched<'_>) -> Result<(), RegistryFault> {
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
