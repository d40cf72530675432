//! Which resident ids are one person. A notice of a corrected number joins the number before with the one after; who has several goes by the one that
//! is in force.
//!
//! In force is the number that no notice replaces; where that is none or several, the one that the newest notice brings, by its date, source time,
//! leaf and row. More than [`NUMBERS_MAX`] numbers are no person: a feed that says so is wrong, and joins none of them. Nobody goes on from where that
//! is seen, so a wrong feed costs no more than a right one.

use std::collections::{BTreeMap, BTreeSet};

use adapters::value::{Scratch, citizen_id};
use shuguan_adapters as adapters;

use super::super::discrepancy::touch::Touched;
use super::super::fault::RegistryFault;
use super::super::merge::rows::Rows;
use super::super::schema::{CHANGE, TableSpec};
use super::{Line, Store, given, lent, pair, replace};

/// How a notice of change names the resident id.
const NUMBER_ITEMS: [&str; 6] = [
    "公民身份号码",
    "公民身份证号码",
    "居民身份证号码",
    "身份证号码",
    "身份证号",
    "身份号码",
];
/// Numbers of one person at most.
const NUMBERS_MAX: usize = 16;

/// Whether its rows join numbers: they are notices of change whose item and sides are as their source sent them.
pub(super) fn joins(table: &TableSpec) -> bool {
    let plain = |name: &str| table.column(name).is_some_and(|column| column.plain);
    may_have_joined(table) && ["item", "before", "after"].into_iter().all(plain)
}

/// Whether they did under any plans.
pub(super) fn may_have_joined(table: &TableSpec) -> bool {
    table.record.name == CHANGE
}

pub(super) fn is_of_number(rows: &Rows<'_>, row: usize) -> bool {
    let item = rows.column("item").and_then(|column| column.text(row));
    item.is_some_and(|item| NUMBER_ITEMS.contains(&item))
}

/// A resident id in its 18 characters; none for anything else.
fn number(sent: Option<&str>) -> Option<String> {
    // Not the registry's question: when its holder was born.
    let mut scratch = Scratch::default();
    let number = citizen_id::parse(sent?, &mut scratch, i32::MAX).ok()?;
    Some(number.to_owned())
}

/// What a notice says, and when.
struct Notice {
    before: String,
    after: String,
    /// Its date; source time, leaf, row.
    order: (Option<String>, [i64; 3]),
}

fn notice(cells: &[Option<String>]) -> Option<Notice> {
    let cell = |place: usize| cells.get(place).and_then(Option::as_deref);
    let count = |place: usize| cell(place).and_then(|text| text.parse().ok()).unwrap_or_default();
    let (before, after) = (number(cell(1))?, number(cell(2))?);
    (before != after).then(|| Notice {
        before,
        after,
        order: (cell(3).map(str::to_owned), [count(4), count(5), count(6)]),
    })
}

/// Selects open notices of a corrected number by their keys.
fn notices<S: Store>(table: &TableSpec) -> String {
    let items: Vec<String> = NUMBER_ITEMS.iter().map(|item| format!("'{item}'")).collect();
    let date = match table.column("change_date") {
        Some(_) => S::DIALECT.day_text("x.change_date"),
        None => "CAST(NULL AS text)".to_owned(),
    };
    given::<S>(
        1,
        &format!(
            "SELECT x._key, x.before, x.after, {date}, CAST(x._source_us AS text), CAST(x._leaf AS text), CAST(x._row AS text) \
             FROM given g CROSS JOIN {} x WHERE x._key = g.a AND x._open <> 0 AND x.item IN ({})",
            table.name,
            items.join(", ")
        ),
    )
}

/// Joins and parts by what the changed notices say now.
pub(super) async fn settle<S: Store>(
    store: &mut S,
    table: &TableSpec,
    keys: &BTreeSet<String>,
    touched: &mut Touched<'_>,
) -> Result<(), RegistryFault> {
    let said = if joins(table) {
        lines(store, table, keys).await?
    } else {
        BTreeSet::new()
    };
    // A notice that says the same two numbers the other way round, or of another day, changes no line and still which one is in force.
    let mut numbers: BTreeSet<String> = said.iter().map(|line| line.number.clone()).collect();
    let changed = replace(store, CHANGE, keys, said).await?;
    numbers.extend(changed.into_iter().map(|line| line.number));
    if numbers.is_empty() {
        return Ok(());
    }
    let before = subjects(store, &numbers).await?;
    numbers.extend(before.keys().cloned());
    let joined = Joined::around(store, &numbers).await?;
    let persons = joined.persons(&numbers);
    let notices = notices_of(store, table, &persons).await?;
    enter(store, touched.now_us, &before, &in_force(&persons, &notices)).await?;
    let mut joined: BTreeSet<String> = persons.into_iter().flatten().map(str::to_owned).collect();
    joined.extend(numbers);
    touched.persons.extend(joined.iter().cloned());
    touched.joined_persons.extend(joined);
    Ok(())
}

/// What the open notices of those keys say, both ways.
async fn lines<S: Store>(
    store: &mut S,
    table: &TableSpec,
    keys: &BTreeSet<String>,
) -> Result<BTreeSet<Line>, RegistryFault> {
    let asked: Vec<[&str; 1]> = keys.iter().map(|key| [key.as_str()]).collect();
    let mut lines = BTreeSet::new();
    for cells in store.ask(&notices::<S>(table), &asked).await? {
        if let (Some(Some(key)), Some(notice)) = (cells.first(), notice(&cells)) {
            let line = |number: &String, other: &String| Line {
                row_key: key.clone(),
                number: number.clone(),
                other: other.clone(),
            };
            lines.extend([line(&notice.before, &notice.after), line(&notice.after, &notice.before)]);
        }
    }
    Ok(lines)
}

/// Numbers with those to which lines join them, as far as they can be one person's.
#[derive(Default)]
struct Joined(BTreeMap<String, BTreeSet<String>>);

impl Joined {
    /// Reads on from each of the numbers until its person is known, or has too many.
    async fn around<S: Store>(store: &mut S, from: &BTreeSet<String>) -> Result<Self, RegistryFault> {
        let mut joined = Self::default();
        loop {
            let unread = from.iter().flat_map(|first| joined.unread(first));
            let due: BTreeSet<String> = unread.map(str::to_owned).collect();
            if due.is_empty() {
                return Ok(joined);
            }
            let asked: Vec<[&str; 1]> = due.iter().map(|number| [number.as_str()]).collect();
            let found = store.ask(&others::<S>(), &asked).await?;
            joined.0.extend(due.into_iter().map(|number| (number, BTreeSet::new())));
            for (number, other) in found.into_iter().filter_map(pair) {
                joined.0.entry(number).or_default().insert(other);
            }
        }
    }

    /// The numbers that are joined with one, itself among them; at most a few more than a person can have.
    fn group<'g>(&'g self, first: &'g str) -> BTreeSet<&'g str> {
        let mut members = BTreeSet::from([first]);
        let mut due = vec![first];
        while let Some(number) = due.pop() {
            if members.len() > NUMBERS_MAX {
                break;
            }
            for other in self.0.get(number).into_iter().flatten().map(String::as_str) {
                if members.insert(other) {
                    due.push(other);
                }
            }
        }
        members
    }

    /// The numbers of its group that are still to be asked for.
    fn unread<'g>(&'g self, first: &'g str) -> Vec<&'g str> {
        let members = self.group(first);
        if members.len() > NUMBERS_MAX {
            return Vec::new();
        }
        members
            .into_iter()
            .filter(|number| !self.0.contains_key(*number))
            .collect()
    }

    /// The persons who have several of the numbers, each with all that he has.
    fn persons<'g>(&'g self, from: &'g BTreeSet<String>) -> BTreeSet<BTreeSet<&'g str>> {
        let groups = from.iter().map(|first| self.group(first));
        groups
            .filter(|group| (2..=NUMBERS_MAX).contains(&group.len()))
            .collect()
    }
}

/// The numbers that lines join with each that is given, at most one more than a person can have: each is looked up behind the one before, so it does not
/// matter how many there are, and how many notices say the same.
fn others<S: Store>() -> String {
    format!(
        "WITH RECURSIVE given(a) AS ({}), step(number, other, place) AS (\
         SELECT a, (SELECT min(k.other) FROM number_link k WHERE k.number = a), 1 FROM given UNION ALL \
         SELECT s.number, (SELECT min(k.other) FROM number_link k WHERE k.number = s.number AND k.other > s.other), s.place + 1 \
         FROM step s WHERE s.other IS NOT NULL AND s.place <= {NUMBERS_MAX}) SELECT number, other FROM step WHERE other IS NOT NULL",
        S::DIALECT.given(1)
    )
}

/// Everybody's numbers who has one of those, with the one in force.
async fn subjects<S: Store>(
    store: &mut S,
    numbers: &BTreeSet<String>,
) -> Result<BTreeMap<String, String>, RegistryFault> {
    let asked: Vec<[&str; 1]> = numbers.iter().map(|number| [number.as_str()]).collect();
    let text = given::<S>(
        1,
        "SELECT DISTINCT m.citizen_id, m.subject FROM given g CROSS JOIN person p CROSS JOIN person m \
         WHERE p.citizen_id = g.a AND m.subject = p.subject",
    );
    Ok(store.ask(&text, &asked).await?.into_iter().filter_map(pair).collect())
}

/// The notices about those persons' numbers, the newest last.
async fn notices_of<S: Store>(
    store: &mut S,
    table: &TableSpec,
    persons: &BTreeSet<BTreeSet<&str>>,
) -> Result<Vec<Notice>, RegistryFault> {
    if !joins(table) {
        return Ok(Vec::new());
    }
    let asked: Vec<[&str; 2]> = persons.iter().flatten().map(|number| [CHANGE, *number]).collect();
    let text = given::<S>(
        2,
        "SELECT DISTINCT k.row_key FROM given g CROSS JOIN number_link k WHERE k.number = g.b AND k.record = g.a",
    );
    let keys = store.ask(&text, &asked).await?;
    let keys: Vec<&str> = keys.iter().flatten().flatten().map(String::as_str).collect();
    let asked: Vec<[&str; 1]> = keys.into_iter().map(|key| [key]).collect();
    let found = store.ask(&notices::<S>(table), &asked).await?;
    let mut notices: Vec<Notice> = found.iter().filter_map(|cells| notice(cells)).collect();
    notices.sort_unstable_by(|one, other| one.order.cmp(&other.order));
    Ok(notices)
}

/// Which number is in force for each of a person's.
fn in_force<'j>(persons: &BTreeSet<BTreeSet<&'j str>>, notices: &[Notice]) -> BTreeMap<&'j str, &'j str> {
    let replaced: BTreeSet<&str> = notices.iter().map(|notice| notice.before.as_str()).collect();
    let mut in_force = BTreeMap::new();
    for members in persons {
        let unreplaced = members.iter().copied().filter(|number| !replaced.contains(number));
        let last: BTreeSet<&str> = unreplaced.collect();
        let last = if last.is_empty() { members } else { &last };
        let brought = notices.iter().rev().find_map(|notice| last.get(notice.after.as_str()));
        if let Some(current) = brought.or(last.first()) {
            in_force.extend(members.iter().map(|member| (*member, *current)));
        }
    }
    in_force
}

/// Writes what changed of everybody who had or has one of the numbers.
async fn enter<S: Store>(
    store: &mut S,
    now_us: i64,
    before: &BTreeMap<String, String>,
    in_force: &BTreeMap<&str, &str>,
) -> Result<(), RegistryFault> {
    let numbers: BTreeSet<&str> = before
        .keys()
        .map(String::as_str)
        .chain(in_force.keys().copied())
        .collect();
    let was = |number: &str| before.get(number).map_or("", String::as_str);
    let is = |number: &str| in_force.get(number).copied().unwrap_or_default();
    let changed = numbers.iter().filter(|number| was(number) != is(number));
    // With one number its whole person is another: who asks what changed since has to see whoever is left.
    let whom: BTreeSet<&str> = changed.flat_map(|number| [was(number), is(number)]).collect();
    let concerned = |number: &&&str| {
        [was(number), is(number)]
            .iter()
            .any(|one| !one.is_empty() && whom.contains(one))
    };
    let now = now_us.to_string();
    let lines = numbers.iter().filter(concerned);
    let lines: Vec<[String; 3]> = lines
        .map(|number| [(*number).to_owned(), is(number).to_owned(), now.clone()])
        .collect();
    let text = given::<S>(
        3,
        "INSERT INTO person (citizen_id, first_us, subject, joined_us) \
         SELECT a, CAST(c AS bigint), nullif(b, ''), CAST(c AS bigint) FROM given WHERE true \
         ON CONFLICT (citizen_id) DO UPDATE SET subject = excluded.subject, joined_us = excluded.joined_us",
    );
    store.ask(&text, &lent(&lines)).await?;
    Ok(())
}
