//! Which numbers are one enterprise: joined by any row that holds two of them, in any order, and parted when the row is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use proptest::prelude::{ProptestConfig, Strategy, TestCaseError, prop, prop_assert_eq, proptest};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::discrepancies::{ESTABLISHMENT, TAX, deletes, rows, tables};
use super::fixture::received;
use super::store::{Place, Store, on_both_stores};
use crate::registry::schema::table_name;
use crate::registry::{Part, Recall, Registry};

on_both_stores! {
    four_sources_in_any_order_are_one_enterprise,
    a_number_that_two_organisation_codes_hold_joins_nobody_until_one_lets_it_go,
    a_unit_that_is_joined_is_compared_under_its_organisation_code,
    what_a_recalled_batch_joined_is_parted_and_joined_again_when_it_is_pushed_again,
    a_public_institution_and_an_association_are_found_by_their_credit_code_alone,
    what_the_tax_register_says_of_a_person_who_trades_stands_in_fields_of_its_own,
    a_unit_shows_the_numbers_that_its_open_rows_hold_and_no_others_in_any_order,
    a_late_row_that_is_written_closed_leaves_no_unit_behind,
    what_a_plan_no_longer_releases_joins_nothing_once_its_row_changes,
}

const CHANGE: &str = "commerce/change";
const IRREGULAR: &str = "tax/irregular-taxpayer";
const ENDED: &str = "tax/cancellation";

/// The organisation code with that number, with its check character.
fn code(number: usize) -> String {
    let first = format!("{number:08}");
    let weights = [3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = first
        .bytes()
        .zip(weights)
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    let check = match 11 - sum % 11 {
        10 => "X".to_owned(),
        11 => "0".to_owned(),
        digit => digit.to_string(),
    };
    first + &check
}

/// A credit code of the kind that stands in a column of its own, where the registry does not check it.
fn uscc(number: usize) -> String {
    format!("91320706{}0", code(number))
}

/// A registration number and a taxpayer's number that hold no organisation code.
pub(super) fn loose(number: usize) -> (String, String) {
    (format!("3207060000{number:05}"), format!("3207061885031500{number:04}"))
}

async fn merge(registry: &Registry, parts: impl IntoIterator<Item = Part>) {
    for part in parts {
        registry.merge(part).await.unwrap();
    }
}

pub(super) async fn recall(registry: &Registry, leaf: u64, push: u64, record: &str) {
    let recall = Arc::new(Recall {
        exchange: Uuid::from_u128(leaf.into()),
        leaf,
        push: Uuid::from_u128(push.into()),
        push_leaf: push,
        record: record.into(),
        partner: "public-security-city".into(),
        received_us: received(leaf),
    });
    while !registry.recall(Arc::clone(&recall)).await.unwrap().done {}
}

fn established(leaf: u64, uscc: &str, reg_no: &str) -> Part {
    let row = format!("{uscc} {reg_no} 某公司 ACTIVE");
    rows(ESTABLISHMENT, leaf, "uscc reg_no ent_name reg_status", &[&row])
}

fn changed(leaf: u64, uscc: &str, reg_no: &str) -> Part {
    let row = format!("{uscc} {reg_no} S{leaf} 住所");
    rows(CHANGE, leaf, "uscc reg_no serial item", &[&row])
}

/// Orders of four.
fn orders() -> Vec<[usize; 4]> {
    let mut orders = Vec::new();
    for a in 0..4 {
        for b in (0..4).filter(|b| *b != a) {
            for c in (0..4).filter(|c| ![a, b].contains(c)) {
                orders.push([a, b, c, 6 - a - b - c]);
            }
        }
    }
    orders
}

async fn four_sources_in_any_order_are_one_enterprise(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[ESTABLISHMENT, CHANGE, TAX, IRREGULAR, ENDED]));
    let mut leaf = 0;
    for (number, order) in (1..).zip(orders()) {
        let (reg_no, taxpayer) = loose(number);
        let organisation = code(number);
        for source in order {
            leaf += 1;
            let part = match source {
                0 => established(leaf, &uscc(number), &reg_no),
                1 => changed(leaf, "-", &reg_no),
                2 => {
                    let row = format!("{number} {taxpayer} {organisation} 03");
                    rows(TAX, leaf, "tax_reg_seq taxpayer_id org_code taxpayer_status", &[&row])
                }
                _ => rows(
                    IRREGULAR,
                    leaf,
                    "taxpayer_id declared_on",
                    &[&format!("{taxpayer} 1950-01-01")],
                ),
            };
            merge(&registry, [part]).await;
        }
        // A taxpayer's number of before 2015: the division and the organisation code.
        leaf += 1;
        let old = format!("320706{organisation} 1950-01-01");
        merge(&registry, [rows(ENDED, leaf, "taxpayer_id cancel_date", &[&old])]).await;
    }
    assert_eq!(place.query("SELECT count(*) FROM enterprises"), ["24"]);
    let expected = (1..=24).map(|number| format!("{0} {1} {0} {2} 03", code(number), uscc(number), loose(number).0));
    assert_eq!(
        place.query("SELECT org_code, uscc, org_code, reg_no, taxpayer_status FROM enterprises ORDER BY org_code"),
        expected.collect::<Vec<_>>()
    );
    for record in [ESTABLISHMENT, CHANGE, TAX, IRREGULAR, ENDED] {
        let units = place.query(&format!("SELECT _unit FROM {} ORDER BY _unit", table_name(record)));
        assert_eq!(units, (1..=24).map(code).collect::<Vec<_>>(), "{record}");
    }
}

async fn a_number_that_two_organisation_codes_hold_joins_nobody_until_one_lets_it_go(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[ESTABLISHMENT, CHANGE]));
    let (shared, own) = (loose(1).0, loose(2).0);
    merge(&registry, [changed(1, "-", &shared), established(2, &uscc(1), &shared)]).await;
    let unit = "SELECT _unit FROM commerce_change";
    assert_eq!(place.query(unit), [code(1)]);
    merge(&registry, [established(3, &uscc(2), &shared)]).await;
    assert_eq!(place.query(unit), [format!("R{shared}")]);
    let units = "SELECT unit FROM enterprise ORDER BY unit";
    assert_eq!(place.query(units), [code(1), code(2), format!("R{shared}")]);
    assert_eq!(place.query("SELECT count(*) FROM enterprises"), ["3"]);
    merge(&registry, [established(4, &uscc(2), &own)]).await;
    assert_eq!(place.query(unit), [code(1)]);
    assert_eq!(place.query(units), [code(1), code(2)]);
    // A delete says no more that the number is that of the first: nobody else says so.
    merge(&registry, [deletes(rows(ESTABLISHMENT, 5, "uscc", &[&uscc(1)]))]).await;
    assert_eq!(place.query(unit), [format!("R{shared}")]);
}

async fn a_unit_that_is_joined_is_compared_under_its_organisation_code(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[ESTABLISHMENT, CHANGE, TAX]));
    let held = || place.query("SELECT kind, subject FROM discrepancy WHERE settled_us IS NULL");
    let (reg_no, _) = loose(1);
    merge(&registry, [established(1, "-", &reg_no)]).await;
    assert_eq!(held(), [""; 0]);
    merge(&registry, [changed(2, &uscc(1), &reg_no)]).await;
    assert_eq!(held(), [format!("SG9402 {}", code(1))]);
    recall(&registry, 3, 2, CHANGE).await;
    assert_eq!(held(), [""; 0]);
    let joined = changed(4, &uscc(1), &reg_no);
    let known = rows(TAX, 5, "tax_reg_seq taxpayer_id", &[&format!("1 320706{}", code(1))]);
    merge(&registry, [known, joined]).await;
    assert_eq!(held(), [""; 0]);
    assert_eq!(place.query("SELECT count(*) FROM enterprises"), ["1"]);
}

async fn what_a_recalled_batch_joined_is_parted_and_joined_again_when_it_is_pushed_again(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[ESTABLISHMENT, CHANGE]));
    let (reg_no, _) = loose(1);
    merge(&registry, [changed(1, "-", &reg_no), established(2, &uscc(1), &reg_no)]).await;
    let index = "SELECT unit, first_us FROM enterprise ORDER BY unit";
    assert_eq!(place.query(index), [format!("{} {}", code(1), received(1))]);
    recall(&registry, 3, 2, ESTABLISHMENT).await;
    assert_eq!(place.query(index), [format!("R{reg_no} {}", received(1))]);
    assert_eq!(place.query("SELECT count(*) FROM number_link"), ["0"]);
    assert_eq!(place.query("SELECT count(*) FROM enterprise_number"), ["0"]);
    assert_eq!(place.query("SELECT count(*) FROM enterprises"), ["1"]);
    merge(&registry, [established(4, &uscc(1), &reg_no)]).await;
    assert_eq!(place.query("SELECT _unit FROM commerce_change"), [code(1)]);
    assert_eq!(
        place.query("SELECT uscc, source FROM enterprises"),
        [format!("{} {ESTABLISHMENT}", uscc(1))]
    );
}

async fn a_public_institution_and_an_association_are_found_by_their_credit_code_alone(store: Store) {
    const ORGANISATION: &str = "civil-affairs/social-organisation";
    let (place, registry) = Place::with(store, &tables(&[ORGANISATION, TAX]));
    let association = "523207000000000192";
    let registered = rows(
        ORGANISATION,
        1,
        "uscc ent_name reg_status",
        &[&format!("{association} 某会 ACTIVE")],
    );
    let taxed = rows(TAX, 2, "tax_reg_seq taxpayer_id", &[&format!("1 {association}")]);
    merge(&registry, [taxed, registered]).await;
    assert_eq!(place.query("SELECT unit FROM enterprise"), ["000000019"]);
    assert_eq!(
        place.query("SELECT name, taxpayer_id FROM enterprises"),
        [format!("某会 {association}")]
    );
}

async fn what_the_tax_register_says_of_a_person_who_trades_stands_in_fields_of_its_own(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[ESTABLISHMENT, TAX]));
    let numbers = [
        // Of persons: 18, 18 and two more, an X, 15 of before 2000, and 15 and two more.
        ("32070618800229000X", "-", true),
        ("320706188002290004", "-", true),
        ("32070618800229000401", "-", true),
        ("320706800229000", "-", true),
        ("32070680022900001", "-", true),
        // Of units: a credit code, old numbers, one of which looks like a person's and says by its organisation code that it is none.
        ("91320706MA0000007K", "-", false),
        ("320706MA0000015", "-", false),
        ("320706123456789", "-", false),
        ("320706100229008", "100229008", false),
    ];
    let lines: Vec<String> = (1..)
        .zip(&numbers)
        .map(|(seq, (number, org, _))| format!("{seq} {number} {org} 张三商店 海州区某路1号 张三"))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let columns = "tax_reg_seq taxpayer_id org_code taxpayer_name reg_address legal_rep_name";
    let firm = rows(
        ESTABLISHMENT,
        2,
        "uscc ent_name domicile",
        &["91320706MA0000007K 甲厂 某园1号"],
    );
    merge(&registry, [rows(TAX, 1, columns, &lines), firm]).await;
    let seen = place.query(
        "SELECT taxpayer_id, name, address, trader_id, trader_name, trader_address FROM enterprises ORDER BY taxpayer_id, trader_id",
    );
    assert_eq!(seen.len(), numbers.len());
    for (number, _, of_a_person) in numbers {
        let line = match (of_a_person, number) {
            (true, _) => format!("- - - {number} 张三商店 海州区某路1号"),
            (false, "91320706MA0000007K") => format!("{number} 甲厂 某园1号 - - -"),
            (false, _) => format!("{number} 张三商店 海州区某路1号 - - -"),
        };
        assert!(seen.contains(&line), "{line}: {seen:?}");
    }
}

async fn a_unit_shows_the_numbers_that_its_open_rows_hold_and_no_others_in_any_order(store: Store) {
    let (first, second) = (loose(1).0, loose(2).0);
    let numbers = "SELECT uscc, reg_no FROM enterprises ORDER BY uscc, reg_no";
    let both = [format!("{} {second}", uscc(1)), format!("{} {first}", uscc(2))];
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
        let (place, registry) = Place::with(store, &tables(&[ESTABLISHMENT, CHANGE]));
        let parts = [
            established(1, &uscc(1), &first),
            established(2, &uscc(1), &second),
            established(3, &uscc(2), &first),
        ];
        for place in order {
            merge(&registry, [parts[place].clone()]).await;
        }
        assert_eq!(place.query(numbers), both, "{order:?}");
        // A number that a closed row held is nobody's.
        merge(&registry, [deletes(rows(ESTABLISHMENT, 4, "uscc", &[&uscc(1)]))]).await;
        assert_eq!(place.query(numbers), both[1..], "{order:?}");
        // Two notices of two numbers: the unit shows the newest, whichever came first.
        merge(&registry, [changed(6, &uscc(3), &second), changed(5, &uscc(3), &first)]).await;
        assert_eq!(place.query(numbers)[1..], [format!("{} {second}", uscc(3))]);
        registry.close().await;
    }
}

async fn a_late_row_that_is_written_closed_leaves_no_unit_behind(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[ESTABLISHMENT, CHANGE]));
    let (reg_no, _) = loose(1);
    let notice = |leaf| rows(CHANGE, leaf, "uscc reg_no serial", &[&format!("- {reg_no} S1")]);
    merge(
        &registry,
        [established(1, &uscc(1), &reg_no), deletes(notice(5)), notice(3)],
    )
    .await;
    assert_eq!(
        place.query("SELECT _unit, _open FROM commerce_change"),
        [format!("{} 0", code(1))]
    );
    assert_eq!(place.query("SELECT unit FROM enterprise"), [code(1)]);
    // Its number is another unit's: it goes with it, closed as it is.
    merge(
        &registry,
        [established(6, &uscc(1), &loose(2).0), established(7, &uscc(2), &reg_no)],
    )
    .await;
    assert_eq!(place.query("SELECT _unit FROM commerce_change"), [code(2)]);
    assert_eq!(
        place.query("SELECT unit FROM enterprise ORDER BY 1"),
        [code(1), code(2)]
    );
}

async fn what_a_plan_no_longer_releases_joins_nothing_once_its_row_changes(store: Store) {
    let known = tables(&[ESTABLISHMENT, CHANGE]);
    let (place, registry) = Place::with(store, &known);
    let (reg_no, _) = loose(1);
    merge(&registry, [changed(1, "-", &reg_no), established(2, &uscc(1), &reg_no)]).await;
    assert_eq!(place.query("SELECT _unit FROM commerce_change"), [code(1)]);
    registry.close().await;
    let mut reduced = known;
    let register = reduced
        .iter_mut()
        .find(|table| table.record.name == ESTABLISHMENT)
        .unwrap();
    register
        .columns
        .iter_mut()
        .find(|column| column.name == "reg_no")
        .unwrap()
        .plain = false;
    let registry = place.open(&reduced);
    merge(&registry, [deletes(rows(ESTABLISHMENT, 3, "uscc", &[&uscc(1)]))]).await;
    assert_eq!(place.query("SELECT count(*) FROM number_link"), ["0"]);
    assert_eq!(place.query("SELECT _unit FROM commerce_change"), [format!("R{reg_no}")]);
}

/// A row: its record type, its key, and the numbers that it holds, by small numbers; what is done with it.
type Step = (usize, usize, usize, usize, usize);

const RECORDS: [&str; 3] = [ESTABLISHMENT, CHANGE, TAX];

fn step() -> impl Strategy<Value = Step> {
    (0_usize..3, 0_usize..3, 0_usize..3, 0_usize..3, 0_usize..8)
}

/// Small numbers: the third of each is none.
fn part((record, key, organisation, number, _): Step, leaf: u64) -> Part {
    let organisations = [uscc(1), uscc(2), "-".to_owned()];
    let registrations = [loose(1).0, loose(2).0, "-".to_owned()];
    let taxpayers = [loose(1).1, loose(2).1, format!("320706{}", code(1))];
    match RECORDS[record] {
        TAX => {
            let code = [code(1), code(2), "-".to_owned()];
            let row = format!("{key} {} {}", taxpayers[number], code[organisation]);
            rows(TAX, leaf, "tax_reg_seq taxpayer_id org_code", &[&row])
        }
        ESTABLISHMENT if organisation == 2 && number == 2 => established(leaf, &uscc(3), "-"),
        ESTABLISHMENT => established(leaf, &organisations[organisation], &registrations[number]),
        _ => {
            let row = format!("{} {} S{key}", organisations[organisation], registrations[number]);
            rows(CHANGE, leaf, "uscc reg_no serial", &[&row])
        }
    }
}

/// What an open row holds: its unit, its organisation code, its loose numbers.
pub(super) type Held = (String, Option<String>, Vec<String>);

fn open_rows(place: &Place) -> Vec<Held> {
    let mut held = Vec::new();
    for (record, columns) in [
        (ESTABLISHMENT, "uscc, org_code, reg_no, NULL"),
        (CHANGE, "uscc, NULL, reg_no, NULL"),
        (TAX, "uscc, org_code, NULL, taxpayer_id"),
    ] {
        let columns = columns.replace("NULL", "CAST(NULL AS text)");
        let table = table_name(record);
        for row in place.query(&format!(
            "SELECT _unit, {columns} FROM {table} WHERE _open <> 0 AND _unit IS NOT NULL"
        )) {
            let cells: Vec<&str> = row.split(' ').collect();
            let said = |place: usize| Some(cells[place]).filter(|cell| *cell != "-");
            let old = said(4)
                .filter(|number| number.len() == 15)
                .and_then(|number| number.get(6..));
            let organisation = said(1).and_then(|number| number.get(8..17)).or(said(2)).or(old);
            let taxpayer = said(4)
                .filter(|number| number.len() != 15)
                .map(|number| format!("T{number}"));
            let loose = said(3).map(|number| format!("R{number}")).into_iter().chain(taxpayer);
            held.push((cells[0].to_owned(), organisation.map(str::to_owned), loose.collect()));
        }
    }
    held
}

/// Under what name a loose number goes: everything that can be reached without passing an organisation code.
pub(super) fn name_of(number: &str, held: &[Held]) -> String {
    let mut group = BTreeSet::from([number.to_owned()]);
    loop {
        let joins = |(_, organisation, loose): &&Held| {
            organisation.is_none() && loose.iter().any(|number| group.contains(number))
        };
        let more: Vec<String> = held
            .iter()
            .filter(joins)
            .flat_map(|(.., loose)| loose.clone())
            .collect();
        let before = group.len();
        group.extend(more);
        if group.len() == before {
            break;
        }
    }
    let codes = held
        .iter()
        .filter(|(.., loose)| loose.iter().any(|number| group.contains(number)));
    let codes: BTreeSet<&String> = codes.filter_map(|(_, organisation, _)| organisation.as_ref()).collect();
    match codes.first() {
        Some(code) if codes.len() == 1 => (*code).clone(),
        _ => group.first().unwrap().clone(),
    }
}

struct Shared {
    place: Place,
    runtime: Runtime,
    registry: Registry,
    leaf: u64,
}

impl Shared {
    fn new(store: Store) -> Self {
        let (place, registry) = Place::with(store, &tables(&RECORDS));
        let runtime = Runtime::new().unwrap();
        Self {
            place,
            runtime,
            registry,
            leaf: 0,
        }
    }

    fn clear(&self) {
        let records = RECORDS.map(table_name);
        let others = [
            "enterprise",
            "enterprise_number",
            "number_link",
            "relay_progress",
            "history",
            "closing",
            "discrepancy",
        ];
        let all = records.iter().map(String::as_str).chain(others);
        let all: Vec<String> = all.map(|name| format!("DELETE FROM {name}")).collect();
        self.place.execute(&all.join("; "));
    }

    fn run(&mut self, step: Step, pushed: &mut Vec<(u64, usize)>) {
        self.leaf += 1;
        let leaf = self.leaf;
        match (step.4, pushed.len()) {
            (0, _) => self
                .runtime
                .block_on(merge(&self.registry, [deletes(part(step, leaf))])),
            (1, 1..) => {
                let (push, record) = pushed.remove(step.1 % pushed.len());
                self.runtime
                    .block_on(recall(&self.registry, leaf, push, RECORDS[record]));
            }
            _ => {
                pushed.push((leaf, step.0));
                self.runtime.block_on(merge(&self.registry, [part(step, leaf)]));
            }
        }
    }
}

static ON_SQLITE: LazyLock<Mutex<Shared>> = LazyLock::new(|| Mutex::new(Shared::new(Store::Sqlite)));
static ON_POSTGRES: LazyLock<Mutex<Shared>> = LazyLock::new(|| Mutex::new(Shared::new(Store::Postgres)));

fn units_are_those_that_open_rows_say(shared: &Mutex<Shared>, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    shared.clear();
    let mut pushed = Vec::new();
    for step in steps {
        shared.run(*step, &mut pushed);
    }
    let held = open_rows(&shared.place);
    for (unit, organisation, loose) in &held {
        let expected = organisation.clone().unwrap_or_else(|| name_of(&loose[0], &held));
        prop_assert_eq!(unit, &expected);
    }
    let stored = shared
        .place
        .query("SELECT number, unit FROM enterprise_number ORDER BY 1");
    let all: BTreeSet<&String> = held.iter().flat_map(|(.., loose)| loose).collect();
    let names: BTreeMap<&String, String> = all.into_iter().map(|number| (number, name_of(number, &held))).collect();
    let joined = names.iter().filter(|(number, name)| **number != *name);
    prop_assert_eq!(
        stored,
        joined
            .map(|(number, name)| format!("{number} {name}"))
            .collect::<Vec<_>>()
    );
    let known: BTreeSet<String> = shared.place.query("SELECT unit FROM enterprise").into_iter().collect();
    for (unit, ..) in &held {
        prop_assert_eq!(known.contains(unit), true);
    }
    for number in names
        .iter()
        .filter(|(number, name)| **number != *name)
        .map(|(number, _)| *number)
    {
        prop_assert_eq!(known.contains(number), false);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn units_are_those_that_open_rows_say_whatever_came_before(steps in prop::collection::vec(step(), 1..14)) {
        units_are_those_that_open_rows_say(&ON_SQLITE, &steps)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn units_are_those_that_open_rows_say_on_postgres_too(steps in prop::collection::vec(step(), 1..14)) {
        if Store::has_postgres() {
            units_are_those_that_open_rows_say(&ON_POSTGRES, &steps)?;
        }
    }
}
