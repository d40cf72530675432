//! Random sequences of pushes, deletes and snapshots against the plainest comparison: every open row with every other. Persons have several numbers, of
//! which notices say that they are one person's, and units are known by registration numbers that other rows join to an organisation code.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex, PoisonError};

use adapters::value::name::folded;
use proptest::prelude::{ProptestConfig, Strategy, TestCaseError, any, prop, prop_assert, prop_assert_eq, proptest};
use shuguan_adapters as adapters;
use tokio::runtime::Runtime;

use super::discrepancies::{
    CANCELLATION, CERTIFICATE, CHANGE, CREMATION, DEATH, ESTABLISHMENT, FLOATING, RESIDENT, TAX, WITHHOLDING,
    close_all, deletes, rows, tables,
};
use super::persons::in_force;
use super::store::{Place, Store};
use super::units::{Held, loose, name_of};
use crate::registry::Registry;
use crate::registry::discrepancy::Kind;
use crate::registry::schema::table_name;

const RECORDS: [(&str, &str); 10] = [
    (RESIDENT, "citizen_id name sex person_status"),
    (FLOATING, "permit_no citizen_id name sex leave_date"),
    (DEATH, "citizen_id name sex cancel_date death_date"),
    (CERTIFICATE, "cert_no citizen_id name sex death_date"),
    (CREMATION, "citizen_id name cremated_on"),
    (ESTABLISHMENT, "uscc reg_no ent_name reg_status"),
    (TAX, "tax_reg_seq uscc"),
    (CANCELLATION, "uscc reg_no cancel_date"),
    (WITHHOLDING, "withholder_id name id_type id_no employed_on left_on sex"),
    (CHANGE, "citizen_id item before after change_date"),
];
const IDS: [&str; 3] = ["320706188002290004", "32070618850315000X", "320706188808080006"];
const UNITS: [&str; 2] = ["91320706MA0000007K", "91320706MA0000015E"];
const DIED: [&str; 3] = ["1949-06-01", "1949-06-02", "-"];
const DAYS: [&str; 2] = ["1950-01-01", "1950-01-02"];

/// A row: small numbers that choose its cells.
type Choice = (usize, usize, usize, usize);

#[derive(Clone, Debug)]
enum Act {
    Put(usize, Vec<Choice>),
    Delete(usize, Choice),
    CloseAll(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let choice = || (0_usize..3, 0_usize..3, 0_usize..3, 0_usize..3);
    let puts = (0..RECORDS.len(), prop::collection::vec(choice(), 1..5));
    (any::<u8>(), puts, choice()).prop_map(|(what, (record, rows), row)| match what % 8 {
        0 => Act::CloseAll(record),
        1 | 2 => Act::Delete(record, row),
        _ => Act::Put(record, rows),
    })
}

fn row(record: usize, (a, b, c, d): Choice) -> String {
    let (id, name, sex) = (IDS[a], ["甲·丁", "甲•丁", "乙"][b], ["1", "2", "0"][c]);
    let unit = UNITS[a % 2];
    match RECORDS[record].0 {
        RESIDENT => format!("{id} {name} {sex} {}", ["0", "1"][d % 2]),
        FLOATING => format!("P{} {id} {name} {sex} {}", d % 2, ["-", "1949-01-01"][(a + b + c) % 2]),
        DEATH => format!("{id} {name} {sex} {} {}", DAYS[d % 2], DIED[b]),
        CERTIFICATE => format!("C{} {id} {name} {sex} {}", d % 2, DIED[c]),
        CREMATION => format!("{id} {name} {}", DAYS[d % 2]),
        ESTABLISHMENT => format!("{} 某公司 {}", numbers(a, c), ["ACTIVE", "REVOKED"][b % 2]),
        TAX => format!("{} {unit}", d % 2),
        CANCELLATION => format!("{} {}", numbers(a, c), DAYS[0]),
        CHANGE => format!("{} 公民身份号码 {id} {} {}", IDS[d], IDS[b], DAYS[c % 2]),
        _ => format!(
            "{unit} {name} 111 {} 1940-01-01 {} {sex}",
            IDS[c],
            ["-", "1949-12-31", "1950-06-01"][d]
        ),
    }
}

/// A credit code and a registration number; one of them may be lacking.
fn numbers(unit: usize, registered: usize) -> String {
    let uscc = UNITS.get(unit).copied().unwrap_or("-");
    match registered {
        2 if unit < UNITS.len() => format!("{uscc} -"),
        registered => format!("{uscc} {}", loose(registered).0),
    }
}

/// An open row: its record type, its key, its cells.
struct Open {
    record: &'static str,
    key: String,
    cells: BTreeMap<&'static str, String>,
    /// What is newer is greater: time at its source, leaf, row.
    age: [u64; 3],
    /// Whom it is about, and which unit, under the number in force.
    person: Option<String>,
    unit: Option<String>,
}

impl Open {
    fn cell(&self, name: &str) -> Option<&str> {
        self.cells.get(name).map(String::as_str)
    }

    fn person(&self) -> Option<&str> {
        self.person.as_deref()
    }

    fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    /// The number that it names a person by.
    fn number(&self) -> Option<&str> {
        self.cell("citizen_id").or_else(|| self.cell("id_no"))
    }

    fn organisation(&self) -> Option<&str> {
        let number = self.cell("uscc").or_else(|| self.cell("withholder_id"));
        number.map(|number| number.get(8..17).unwrap())
    }

    fn registered(&self) -> Option<String> {
        self.cell("reg_no").map(|number| format!("R{number}"))
    }
}

/// Says of each row whom it is about.
fn identify(place: &Place, open: &mut [Open]) {
    let in_force = in_force(place);
    let held = |row: &Open| -> Held {
        let organisation = row.organisation().map(str::to_owned);
        (String::new(), organisation, row.registered().into_iter().collect())
    };
    let held: Vec<Held> = open.iter().map(held).collect();
    for row in open {
        let number = row.number().map(str::to_owned);
        row.person = number.map(|number| in_force.get(&number).cloned().unwrap_or(number));
        let by_number = || row.registered().map(|number| name_of(&number, &held));
        row.unit = row.organisation().map(str::to_owned).or_else(by_number);
    }
}

fn open_rows(place: &Place) -> Vec<Open> {
    let mut open = Vec::new();
    for (record, columns) in RECORDS {
        let names: Vec<&str> = columns.split(' ').collect();
        let query = format!(
            "SELECT _key, _source_us, _leaf, _row, {} FROM {} WHERE _open <> 0",
            names.join(", "),
            table_name(record)
        );
        for line in place.query(&query) {
            let mut cells = line.split(' ');
            let key = cells.next().unwrap().to_owned();
            let age = [(); 3].map(|()| cells.next().unwrap().parse().unwrap());
            let cells = names
                .iter()
                .copied()
                .zip(cells.map(str::to_owned))
                .filter(|(_, cell)| cell != "-");
            open.push(Open {
                record,
                key,
                cells: cells.collect(),
                age,
                person: None,
                unit: None,
            });
        }
    }
    identify(place, &mut open);
    open
}

/// Kind, subject, one record type and key, the other record type and key.
type Contradiction = (Kind, String, &'static str, String, &'static str, String);

/// Of each source the one row that says when the person died: one that states the day, under the number in force, the newest.
fn reporting<'o>(open: &'o [Open], person: &str) -> Vec<&'o Open> {
    let of = |record: &str| {
        let rows = open
            .iter()
            .filter(|row| row.record == record && row.person() == Some(person));
        rows.min_by_key(|row| {
            let undated = row.cell("death_date").is_none();
            (undated, row.number() != Some(person), std::cmp::Reverse(row.age))
        })
    };
    [DEATH, CERTIFICATE, CREMATION].into_iter().filter_map(of).collect()
}

/// Both state the day of a death, and not the same.
fn days_differ(one: &Open, other: &Open) -> bool {
    let days = Option::zip(one.cell("death_date"), other.cell("death_date"));
    days.is_some_and(|(one, other)| one != other)
}

/// Everything with everything.
fn contradictions(open: &[Open]) -> BTreeSet<Contradiction> {
    let mut found = BTreeSet::new();
    let mut note = |kind, subject: &str, one: &Open, other: (&'static str, &str)| {
        found.insert((
            kind,
            subject.to_owned(),
            one.record,
            one.key.clone(),
            other.0,
            other.1.to_owned(),
        ));
    };
    let place = |record: &str| RECORDS.iter().position(|(name, _)| *name == record).unwrap();
    for one in open {
        for other in open {
            if let (Some(person), true) = (one.person(), one.person() == other.person()) {
                let authority = open.iter().filter(|row| row.person() == Some(person));
                let authority = authority.map(|row| place(row.record)).min();
                let speaks = matches!(one.record, RESIDENT | FLOATING) && authority == Some(place(one.record));
                if speaks && place(other.record) > place(one.record) {
                    let both = |name: &str| Option::zip(one.cell(name), other.cell(name));
                    if both("name").is_some_and(|(one, other)| folded(one) != folded(other)) {
                        note(Kind::NameDiffers, person, one, (other.record, &other.key));
                    }
                    if both("sex").is_some_and(|(one, other)| one != other && one != "0" && other != "0") {
                        note(Kind::SexDiffers, person, one, (other.record, &other.key));
                    }
                }
                let residents = one.record == RESIDENT && other.record == RESIDENT && one.key != other.key;
                let (first, second) = (one.number() == Some(person), other.number() == Some(person));
                if residents && (second || !first && one.number() < other.number()) {
                    note(Kind::TwoNumbers, person, one, (other.record, &other.key));
                }
                let reporting = reporting(open, person);
                let reports = |row: &Open| reporting.iter().any(|speaks| std::ptr::eq(*speaks, row));
                let later = place(other.record) > place(one.record);
                if reports(one) && reports(other) && later && days_differ(one, other) {
                    note(Kind::DeathDateDiffers, person, one, (other.record, &other.key));
                }
                let lives = match one.record {
                    RESIDENT => one.cell("person_status") == Some("0"),
                    FLOATING => one.cell("leave_date").is_none(),
                    WITHHOLDING => one.cell("left_on").is_none(),
                    _ => false,
                };
                if lives && reporting.first().is_some_and(|first| std::ptr::eq(*first, other)) {
                    let agree = |(one, other): (&Open, &Open)| one.record != other.record && !days_differ(one, other);
                    let certain = reporting
                        .iter()
                        .any(|one| reporting.iter().any(|other| agree((one, other))));
                    let kind = if certain {
                        Kind::DeadActive
                    } else {
                        Kind::SuspectedDeath
                    };
                    note(kind, person, one, (other.record, &other.key));
                }
            }
            if let (Some(unit), true) = (one.unit(), one.unit() == other.unit()) {
                let stays = other
                    .cell("left_on")
                    .is_none_or(|left| left > one.cell("cancel_date").unwrap_or_default());
                let written = |row: &Open| {
                    let says =
                        std::ptr::eq(row, one) || matches!(row.record, ESTABLISHMENT | TAX) && row.unit() == Some(unit);
                    says && row.cell("uscc").is_some() && row.cell("uscc") == other.cell("withholder_id")
                };
                let same = open.iter().any(written);
                if one.record == CANCELLATION && other.record == WITHHOLDING && same && stays {
                    note(Kind::CancelledWithholding, unit, one, (other.record, &other.key));
                }
            }
        }
        let known = |row: &Open| matches!(row.record, TAX | CANCELLATION) && row.unit() == one.unit();
        // Only a unit that goes by its organisation code can be looked for at the tax bureau.
        let unit = one.unit().filter(|unit| unit.len() == 9);
        if let (ESTABLISHMENT, Some("ACTIVE"), Some(unit)) = (one.record, one.cell("reg_status"), unit)
            && !open.iter().any(known)
        {
            note(Kind::UnknownToTax, unit, one, (TAX, "-"));
        }
    }
    found
}

struct Shared {
    place: Place,
    runtime: Runtime,
    registry: Registry,
    leaf: u64,
}

impl Shared {
    fn new(store: Store) -> Self {
        let (place, registry) = Place::with(store, &tables(&RECORDS.map(|(record, _)| record)));
        Self {
            place,
            registry,
            runtime: Runtime::new().unwrap(),
            leaf: 0,
        }
    }

    fn clear(&self) {
        let records = RECORDS.map(|(record, _)| table_name(record));
        let others = [
            "person",
            "enterprise",
            "enterprise_number",
            "number_link",
            "relay_progress",
            "history",
            "closing",
            "discrepancy",
        ];
        let names = records.iter().map(String::as_str).chain(others);
        let text: Vec<String> = names.map(|name| format!("DELETE FROM {name}")).collect();
        self.place.execute(&text.join("; "));
    }

    fn run(&mut self, act: &Act) {
        self.leaf += 1;
        let part = |record: usize, choices: &[Choice]| {
            let lines: Vec<String> = choices.iter().map(|choice| row(record, *choice)).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            rows(RECORDS[record].0, self.leaf, RECORDS[record].1, &lines)
        };
        let part = match act {
            Act::CloseAll(record) => {
                return self
                    .runtime
                    .block_on(close_all(&self.registry, self.leaf, RECORDS[*record].0));
            }
            Act::Put(record, choices) => part(*record, choices),
            Act::Delete(record, choice) => deletes(part(*record, &[*choice])),
        };
        self.runtime.block_on(self.registry.merge(part)).unwrap();
    }
}

static ON_SQLITE: LazyLock<Mutex<Shared>> = LazyLock::new(|| Mutex::new(Shared::new(Store::Sqlite)));
static ON_POSTGRES: LazyLock<Mutex<Shared>> = LazyLock::new(|| Mutex::new(Shared::new(Store::Postgres)));

fn what_is_recorded_is_what_a_plain_comparison_finds(
    shared: &Mutex<Shared>,
    acts: &[Act],
) -> Result<(), TestCaseError> {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    shared.clear();
    for act in acts {
        shared.run(act);
    }
    let open = open_rows(&shared.place);
    let pairs = contradictions(&open);
    let topic = |(kind, subject, one, _, other, _): &Contradiction| format!("{} {subject} {one} {other}", kind.code());
    let expected: BTreeSet<String> = pairs.iter().map(topic).collect();
    // Rows of one key that met are another comparison (`rivals`).
    let recorded = shared.place.query(&format!(
        "SELECT kind, subject, record, other_record, row_key, coalesce(other_key, '-') FROM discrepancy WHERE settled_us IS NULL \
         AND (record <> other_record OR kind = '{}')",
        Kind::TwoNumbers.code()
    ));
    let mut topics = BTreeSet::new();
    for line in &recorded {
        let cells: Vec<&str> = line.split(' ').collect();
        topics.insert(cells[..4].join(" "));
        let names =
            |pair: &&Contradiction| topic(pair) == cells[..4].join(" ") && pair.3 == cells[4] && pair.5 == cells[5];
        prop_assert!(pairs.iter().any(|pair| names(&pair)), "{line}: no such pair");
    }
    prop_assert_eq!(topics, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn what_holds_is_what_a_plain_comparison_of_all_rows_finds(acts in prop::collection::vec(act(), 1..14)) {
        what_is_recorded_is_what_a_plain_comparison_finds(&ON_SQLITE, &acts)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn what_holds_is_what_a_plain_comparison_finds_on_postgres_too(acts in prop::collection::vec(act(), 1..14)) {
        if Store::has_postgres() {
            what_is_recorded_is_what_a_plain_comparison_finds(&ON_POSTGRES, &acts)?;
        }
    }
}
