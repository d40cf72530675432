//! Rivals: two rows of one record type and key that name one person and say of him different names, sexes or birth dates. One of them stands in the
//! table, the other came beside it in one part, or is another partner's; what a partner corrects in a later exchange contradicts nobody.
//!
//! No rule finds them, because only one of them is kept: they are met where it is decided which. A line is about one key, and what comes under another key
//! of the person decides nothing of it. It is decided again when another partner's row meets the one that stands. It is settled when who brought that one
//! says otherwise now in what they differed in, or says once what he had said twice; when the row is closed or names another person; and when one side
//! is recalled. Who says his row again in a later exchange takes the line with it, so that the recall of the earlier one leaves it open.
//!
//! One line a person and record type: where several keys contradict each other at once, the first of them is named.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::super::day;
use super::super::fault::RegistryFault;
use super::super::merge::fate::Known;
use super::super::merge::rows::{Act, Value};
use super::super::merge::{Arrival, Part};
use super::super::numbers::{Store, given, pair};
use super::super::schema::{ColumnType, TableSpec};
use super::touch::Touched;
use super::{Kind, Names, Pair, Read, Says, Side, Topic};

/// What rivals contradict each other in.
const KINDS: [Kind; 3] = [Kind::NameDiffers, Kind::SexDiffers, Kind::BirthDiffers];

/// Codes of [`KINDS`] as SQL writes a list.
pub(in crate::registry) fn codes() -> String {
    let codes: Vec<String> = KINDS.iter().map(|kind| format!("'{}'", kind.code())).collect();
    codes.join(", ")
}

/// What became of two rows that met.
pub(in crate::registry) struct Rival {
    pub(super) subject: String,
    /// The kinds that hold between them, by [`Kind::bit`].
    pub(super) kinds: i64,
    /// The kinds that are decided, whether they hold or not.
    decided: i64,
    pub(super) pair: Pair,
}

/// What a row says of a person, and where it came from.
#[derive(Clone)]
struct Word {
    person: String,
    name: Option<String>,
    former: Option<String>,
    sex: Option<String>,
    birth: Option<String>,
    side: Side,
}

impl Word {
    /// The kinds in which two of them contradict each other.
    fn against(&self, other: &Self) -> i64 {
        if self.person != other.person {
            return 0;
        }
        let differs = |one: &Option<String>, other: &Option<String>| {
            Option::zip(one.as_deref(), other.as_deref()).is_some_and(|(one, other)| one != other)
        };
        let names = Names {
            one: self.name.as_deref(),
            other: other.name.as_deref(),
            former: self.former.as_deref(),
        };
        let mut kinds = 0;
        if differs(&self.name, &other.name) {
            kinds |= names.judge(Kind::NameDiffers.bit());
        }
        let stated = |sex: &Option<String>| matches!(sex.as_deref(), Some("1" | "2"));
        if stated(&self.sex) && stated(&other.sex) && self.sex != other.sex {
            kinds |= Kind::SexDiffers.bit();
        }
        if differs(&self.birth, &other.birth) {
            kinds |= Kind::BirthDiffers.bit();
        }
        kinds
    }
}

impl Word {
    /// The kinds in which it says something else, in whatever way.
    fn unlike(&self, other: &Self) -> i64 {
        let fields = [
            (self.name == other.name, Kind::NameDiffers),
            (self.sex == other.sex, Kind::SexDiffers),
            (self.birth == other.birth, Kind::BirthDiffers),
        ];
        let unlike = fields
            .into_iter()
            .filter(|(same, _)| !same || self.person != other.person);
        unlike.map(|(_, kind)| kind.bit()).sum()
    }
}

/// The columns of a table that say who somebody is, those that are as their source sent them.
struct Columns<'t> {
    table: &'t TableSpec,
    person: &'static str,
}

impl<'t> Columns<'t> {
    /// None where rows name nobody, or nothing of him that can be compared.
    fn of(table: &'t TableSpec) -> Option<Self> {
        let person = table.person_column()?;
        let columns = Self { table, person };
        let compared = ["name", "sex", "birth_date"].into_iter().any(|name| columns.has(name));
        (columns.has(person) && compared).then_some(columns)
    }

    fn has(&self, name: &str) -> bool {
        self.table.column(name).is_some_and(|column| column.plain)
    }

    /// What a row of a part says; none when it names nobody.
    fn word(&self, arrival: &Arrival<'_>, row: usize) -> Option<Word> {
        let said = |name: &str| {
            let column = arrival.rows.column(name).filter(|_| self.has(name))?;
            match column.value(row) {
                Value::Text(text) => Some(text.to_owned()),
                Value::Date(days) => Some(day::to_text(days).as_str().to_owned()),
                _ => None,
            }
        };
        Some(Word {
            person: said(self.person)?,
            name: said("name"),
            former: said("former_name"),
            sex: said("sex"),
            birth: said("birth_date"),
            side: side(arrival.part, arrival.rows.key(row), arrival.row_no(row)),
        })
    }

    /// Selects what rows say that are there, by their keys, and what else is asked.
    fn select<S: Store>(&self, from: &str, key: &str, more: &str) -> String {
        let said = |name: &str| match self.table.column(name).filter(|_| self.has(name)) {
            Some(column) if column.kind == ColumnType::Date => S::DIALECT.day_text(&format!("x.{name}")),
            Some(_) => format!("x.{name}"),
            None => "CAST(NULL AS text)".to_owned(),
        };
        let columns = [self.person, "name", "former_name", "sex", "birth_date"].map(said);
        given::<S>(
            1,
            &format!(
                "SELECT x._key, {}, {}, CAST(x._row AS text){more} {from} CROSS JOIN {} x WHERE x._key = {key}",
                columns.join(", "),
                S::DIALECT.id_text("x._exchange"),
                self.table.name
            ),
        )
    }
}

fn side(part: &Part, key: &str, row: i64) -> Side {
    Side {
        key: key.to_owned(),
        exchange: part.exchange,
        row,
    }
}

fn found(cells: Vec<Option<String>>) -> Option<Word> {
    let [key, person, name, former, sex, birth, exchange, row] = <[Option<String>; 8]>::try_from(cells).ok()?;
    Some(Word {
        person: person?,
        name,
        former,
        sex,
        birth,
        side: found_side([key, exchange, row])?,
    })
}

fn found_side([key, exchange, row]: [Option<String>; 3]) -> Option<Side> {
    Some(Side {
        key: key?,
        exchange: Uuid::parse_str(&exchange?).ok()?,
        row: row?.parse().ok()?,
    })
}

/// An open line, and what the row says that it names first.
struct Open {
    there: Word,
    /// By [`Kind::bit`].
    kind: i64,
    /// The row that came beside it.
    other: Side,
    /// One exchange brought both.
    of_one: bool,
}

impl Open {
    fn found(mut cells: Vec<Option<String>>) -> Option<Self> {
        let [exchange, code, key, other, row] = <[Option<String>; 5]>::try_from(cells.split_off(8)).ok()?;
        let other = found_side([key, other, row])?;
        Some(Self {
            there: found(cells)?,
            kind: Kind::parse(&code?)?.bit(),
            of_one: Uuid::parse_str(&exchange?).ok()? == other.exchange,
            other,
        })
    }
}

/// The rivals that a part, or a run of parts, meets.
#[derive(Default)]
pub(in crate::registry) struct Met {
    rivals: Vec<Rival>,
    /// What the part says where another partner's row is there, and whether that is replaced.
    beside: BTreeMap<String, (Word, bool)>,
    /// What it says in the place of its partner's own rows.
    again: BTreeMap<String, Word>,
}

impl Met {
    /// Adds what meets under one key: `before` was there, `content` is the row that stays, if one of the part does.
    pub(in crate::registry) fn add(
        &mut self,
        arrival: &Arrival<'_>,
        group: &[u32],
        before: &Known,
        content: Option<usize>,
    ) {
        let anothers = before.version.is_some_and(|there| !there.mine);
        let again = content.is_some() && before.version.is_some_and(|there| there.mine);
        if group.len() < 2 && !anothers && !again {
            return;
        }
        let Some(columns) = Columns::of(arrival.table) else {
            return;
        };
        let put = |row: &usize| arrival.rows.act(*row) == Act::Put;
        let rows = || group.iter().map(|row| *row as usize).filter(put);
        if let Some(stays) = content.and_then(|row| columns.word(arrival, row)) {
            for other in rows().filter_map(|row| columns.word(arrival, row)) {
                self.meet(&stays, &other);
            }
        }
        if let Some(row) = content.filter(|_| again) {
            let word = columns.word(arrival, row);
            self.again.extend(word.map(|word| (word.side.key.clone(), word)));
        }
        let newest = content.or_else(|| rows().max_by_key(|row| (arrival.rows.source_us(*row), *row)));
        let Some((row, word)) = newest
            .filter(|_| anothers)
            .and_then(|row| Some((row, columns.word(arrival, row)?)))
        else {
            return;
        };
        if before.version.is_some_and(|there| there.hash == arrival.rows.hash(row)) {
            self.rivals.push(rival(&word, &word, 0, ALL));
        } else {
            self.beside.insert(word.side.key.clone(), (word, content.is_some()));
        }
    }

    fn meet(&mut self, stays: &Word, other: &Word) {
        let kinds = stays.against(other);
        if kinds != 0 {
            self.rivals.push(rival(stays, other, kinds, kinds));
        }
    }

    /// Reads what other partners' rows say, before they are written over.
    pub(in crate::registry) async fn ask<S: Store>(
        mut self,
        store: &mut S,
        table: &TableSpec,
    ) -> Result<Vec<Rival>, RegistryFault> {
        let Some(columns) = Columns::of(table) else {
            return Ok(self.rivals);
        };
        self.ask_again(store, &columns).await?;
        let asked: Vec<[&str; 1]> = self.beside.keys().map(|key| [key.as_str()]).collect();
        let there = store
            .ask(&columns.select::<S>("FROM given g", "g.a", ""), &asked)
            .await?;
        for there in there.into_iter().filter_map(found) {
            let beside = self.beside.get(&there.side.key);
            let Some((word, replaces)) = beside.filter(|(word, _)| word.person == there.person) else {
                continue;
            };
            let (stays, other) = if *replaces { (word, &there) } else { (&there, word) };
            self.rivals.push(rival(stays, other, stays.against(other), ALL));
        }
        Ok(self.rivals)
    }

    /// Reads what its partner's own rows say of whom a line of rivals is open, before they are written over. What he says once more takes the line with it.
    async fn ask_again<S: Store>(&mut self, store: &mut S, columns: &Columns<'_>) -> Result<(), RegistryFault> {
        let asked: Vec<[&str; 1]> = self.again.values().map(|word| [word.person.as_str()]).collect();
        let lines = format!(
            "FROM given g JOIN discrepancy k ON k.subject = g.a AND k.kind IN ({}) AND k.record = '{1}' AND k.other_record = '{1}' \
             AND k.settled_us IS NULL",
            codes(),
            columns.table.record.name
        );
        let more = format!(
            ", {}, k.kind, k.other_key, {}, CAST(k.other_row AS text)",
            S::DIALECT.id_text("k.exchange"),
            S::DIALECT.id_text("k.other_exchange")
        );
        let open = store
            .ask(&columns.select::<S>(&lines, "k.row_key", &more), &asked)
            .await?;
        for open in open.into_iter().filter_map(Open::found) {
            let again = self.again.get(&open.there.side.key);
            let Some(word) = again.filter(|word| word.person == open.there.person) else {
                continue;
            };
            let over = open.of_one || word.unlike(&open.there) & open.kind != 0;
            let kinds = if over { 0 } else { open.kind };
            self.rivals.push(Rival {
                subject: word.person.clone(),
                kinds,
                decided: open.kind,
                pair: Pair {
                    one: word.side.clone(),
                    other: Some(open.other),
                },
            });
        }
        Ok(())
    }
}

/// Every kind.
const ALL: i64 = -1;

fn rival(stays: &Word, other: &Word, kinds: i64, decided: i64) -> Rival {
    Rival {
        subject: stays.person.clone(),
        kinds,
        decided,
        pair: Pair {
            one: stays.side.clone(),
            other: Some(other.side.clone()),
        },
    }
}

/// Whether a line is one of rivals.
pub(super) fn is_of_rivals(topic: &Topic) -> bool {
    topic.record == topic.other && KINDS.contains(&topic.kind)
}

/// Whom a line is about, and the key that it names first.
pub(in crate::registry) type About = (String, String);

/// Whether what was touched decides a line of rivals; of `gone` the row is closed or names another.
pub(super) fn decides(touched: &Touched<'_>, gone: &BTreeSet<About>, topic: &Topic, pair: &Pair) -> bool {
    let decided = |rival: &Rival| rival.pair.one.key == pair.one.key && rival.decided & topic.kind.bit() != 0;
    let met = || touched.rivals.get(&topic.subject).into_iter().flatten().any(decided);
    topic.record == touched.record && (met() || gone.contains(&(topic.subject.clone(), pair.one.key.clone())))
}

/// Whether rows of the table can be rivals.
pub(super) fn may_meet(table: &TableSpec) -> bool {
    Columns::of(table).is_some()
}

/// The recorded rivals whose row is not open any more, or names another person.
pub(in crate::registry) async fn gone<S: Store>(
    store: &mut S,
    table: &TableSpec,
    read: &[Read],
) -> Result<BTreeSet<About>, RegistryFault> {
    let of_rivals = |read: &&Read| {
        let open = matches!(&read.says, Says::Recorded(line) if !line.settled);
        open && read.record == read.other && read.record == table.record.name
    };
    let lines = read.iter().filter(of_rivals);
    let lines: BTreeSet<About> = lines
        .map(|read| (read.subject.clone(), read.pair.one.key.clone()))
        .collect();
    let Some(columns) = Columns::of(table) else {
        return Ok(lines);
    };
    let keys: BTreeSet<[&str; 1]> = lines.iter().map(|(_, key)| [key.as_str()]).collect();
    let asked: Vec<[&str; 1]> = keys.into_iter().collect();
    let text = given::<S>(
        1,
        &format!(
            "SELECT x.{}, x._key FROM given g CROSS JOIN {} x WHERE x._key = g.a AND x._open <> 0",
            columns.person, table.name
        ),
    );
    let open = store.ask(&text, &asked).await?;
    let open: BTreeSet<About> = open.into_iter().filter_map(pair).collect();
    Ok(lines.difference(&open).cloned().collect())
}

/// Settles the lines of rivals whose other side came with a batch that is recalled. Of the first side the row is gone, unless a newer one stands.
pub(in crate::registry) async fn withdraw<S: Store>(
    store: &mut S,
    record: &str,
    push: Uuid,
    by: (i64, Uuid),
) -> Result<(), RegistryFault> {
    let (push, at_us, by) = (push.to_string(), by.0.to_string(), by.1.to_string());
    let text = given::<S>(
        4,
        &format!(
            "UPDATE discrepancy SET settled_us = CAST(g.c AS bigint), settled_by = {by} FROM given g WHERE settled_us IS NULL \
             AND record = g.a AND other_record = g.a AND kind IN ({}) AND other_exchange = {push}",
            codes(),
            by = S::DIALECT.id_of("g.d"),
            push = S::DIALECT.id_of("g.b"),
        ),
    );
    store
        .ask(&text, &[[record, push.as_str(), at_us.as_str(), by.as_str()]])
        .await?;
    Ok(())
}
