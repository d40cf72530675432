//! When sources contradict each other: raised once, settled when corrected, silent where a column is not there. On the catalogue's own record types.

mod deaths;
mod units;

use std::sync::Arc;

use adapters::catalogue::{RecordType, record_type};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use shuguan_adapters as adapters;
use uuid::Uuid;

use super::closing;
use super::fixture::{ANNA, BORIS, batch, kept, part, received};
use super::store::{Place, Store, dialect, on_both_stores};
use crate::registry::discrepancy::Kind;
use crate::registry::schema::TableSpec;
use crate::registry::{Ending, Missing, Part, Registry, RegistryFault, Wanted};

on_both_stores! {
    one_number_with_two_names_sexes_and_birth_dates_is_three_discrepancies,
    what_is_the_same_or_missing_or_a_former_name_is_none,
    a_name_that_is_only_spelled_otherwise_is_none_and_another_name_is_one,
    a_source_is_compared_with_the_best_authority_that_has_the_person,
    a_corrected_row_settles_and_a_wrong_one_opens_the_same_line_again,
    a_row_that_comes_again_raises_nothing_twice,
    a_corrected_number_with_both_registered_is_one_person_with_two,
    allowance_and_support_for_one_month_are_double,
    what_a_row_named_before_is_settled_when_it_names_another,
    deletes_and_the_ends_of_snapshots_settle_and_raise,
    a_column_that_is_not_granted_or_reduced_is_not_compared,
    a_line_that_no_rule_covers_any_more_is_settled,
    what_people_are_told_names_no_person,
    a_registry_without_the_table_is_refused_until_migrated,
}

pub(super) const RESIDENT: &str = "public-security/resident";
pub(super) const FLOATING: &str = "public-security/floating-resident";
pub(super) const DEATH: &str = "public-security/death";
pub(super) const CHANGE: &str = "public-security/change";
pub(super) const CERTIFICATE: &str = "health/death-certificate";
pub(super) const CREMATION: &str = "civil-affairs/cremation";
const ALLOWANCE: &str = "civil-affairs/subsistence-allowance";
const DESTITUTE: &str = "civil-affairs/destitute-support";
pub(super) const ESTABLISHMENT: &str = "commerce/establishment";
const INDIVIDUAL: &str = "commerce/individual-business";
pub(super) const CANCELLATION: &str = "commerce/cancellation";
pub(crate) const TAX: &str = "tax/registration";
pub(super) const WITHHOLDING: &str = "tax/withholding-employee";
const USCC: &str = "91320706MA0000007K";
const UNIT: &str = "MA0000007";

pub(super) fn record(name: &str) -> &'static RecordType {
    record_type(name).unwrap()
}

pub(crate) fn tables(names: &[&str]) -> Vec<TableSpec> {
    let records: Vec<&'static RecordType> = names.iter().map(|name| record(name)).collect();
    kept(&records)
}

/// A part of one exchange; columns and cells apart by blanks, `-` for null.
pub(crate) fn rows(name: &str, leaf: u64, columns: &str, rows: &[&str]) -> Part {
    let names: Vec<&str> = columns.split(' ').collect();
    let cells: Vec<Vec<&str>> = rows.iter().map(|row| row.split(' ').collect()).collect();
    let cells: Vec<&[&str]> = cells.iter().map(Vec::as_slice).collect();
    part(record(name), leaf, 0, batch(record(name), &names, &cells))
}

/// The same, each row a delete.
pub(super) fn deletes(mut part: Part) -> Part {
    let act: ArrayRef = Arc::new(StringArray::from(vec!["D"; part.batch.num_rows()]));
    let mut fields: Vec<_> = part.batch.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("_op", DataType::Utf8, true)));
    let columns = part.batch.columns().iter().cloned().chain([act]).collect();
    part.batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    part
}

/// The end of a snapshot that holds nothing.
pub(super) async fn close_all(registry: &Registry, leaf: u64, name: &str) {
    let ending = Arc::new(Ending {
        exchange: Uuid::from_u128(leaf.into()),
        leaf,
        record: name.into(),
        partner: "public-security-city".into(),
        received_us: received(leaf),
        scope: None,
        keep: false,
        held: Arc::default(),
    });
    closing::ended(registry, &ending).await;
}

pub(super) async fn merge(registry: &Registry, parts: impl IntoIterator<Item = Part>) {
    for part in parts {
        registry.merge(part).await.unwrap();
    }
}

/// Lines that hold: kind, both sides as exchange and row, whom.
pub(super) fn held(place: &Place) -> Vec<String> {
    lines(place, "IS NULL")
}

fn settled(place: &Place) -> Vec<String> {
    lines(place, "IS NOT NULL")
}

fn lines(place: &Place, settled: &str) -> Vec<String> {
    let rows = place.query(&format!(
        "SELECT kind, subject, exchange, row_no, other_exchange, other_row FROM discrepancy WHERE settled_us {settled} ORDER BY 1, 2, 3, 5"
    ));
    let line = |row: &String| {
        let cells: Vec<&str> = row.split(' ').collect();
        let leaf = |hex: &str| match hex {
            "-" => "-".to_owned(),
            hex => u128::from_str_radix(hex, 16).unwrap().to_string(),
        };
        let slug = Kind::parse(cells[0]).unwrap().slug();
        format!(
            "{slug} {} {}.{} {}.{}",
            cells[1],
            leaf(cells[2]),
            cells[3],
            leaf(cells[4]),
            cells[5]
        )
    };
    rows.iter().map(line).collect()
}

pub(super) fn nothing() -> Vec<String> {
    Vec::new()
}

pub(super) const PERSON: &str = "citizen_id name sex birth_date";

async fn one_number_with_two_names_sexes_and_birth_dates_is_three_discrepancies(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH]));
    let anna = format!("{ANNA} 甲 2 1880-02-29");
    let boris = format!("{BORIS} 乙 1 1885-03-15");
    merge(&registry, [rows(RESIDENT, 1, PERSON, &[&boris, &anna])]).await;
    assert_eq!(held(&place), nothing());
    let wrong = format!("{ANNA} 丙 1 1880-02-28");
    merge(&registry, [rows(DEATH, 2, PERSON, &[&wrong, &boris])]).await;
    assert_eq!(
        held(&place),
        [
            format!("name-differs {ANNA} 1.2 2.1"),
            format!("sex-differs {ANNA} 1.2 2.1"),
            format!("birth-differs {ANNA} 1.2 2.1")
        ]
    );
    let first = place.query("SELECT DISTINCT record, other_record, row_key, first_us, last_us FROM discrepancy");
    assert_eq!(first, [format!("{RESIDENT} {DEATH} {ANNA} {0} {0}", received(2))]);
}

async fn what_is_the_same_or_missing_or_a_former_name_is_none(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH, CERTIFICATE]));
    let anna = format!("{ANNA} 甲 2 1880-02-29 丙");
    let unknown = format!("{BORIS} 乙 0 - -");
    let former = "citizen_id name sex birth_date former_name";
    merge(&registry, [rows(RESIDENT, 1, former, &[&anna, &unknown])]).await;
    let same = [format!("{ANNA} 丙 2 1880-02-29"), format!("{BORIS} - 1 1885-03-15")];
    merge(&registry, [rows(DEATH, 2, PERSON, &[&same[0], &same[1]])]).await;
    merge(
        &registry,
        [rows(
            CERTIFICATE,
            3,
            "cert_no citizen_id name",
            &[&format!("C1 {ANNA} 甲")],
        )],
    )
    .await;
    assert_eq!(held(&place), nothing());
    assert_eq!(place.query("SELECT count(*) FROM discrepancy"), ["0"]);
}

async fn a_name_that_is_only_spelled_otherwise_is_none_and_another_name_is_one(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH, FLOATING]));
    let named = |leaf, name: &str, former: &str| {
        let cells: [&str; 3] = [ANNA, name, former];
        let columns = ["citizen_id", "name", "former_name"];
        part(record(RESIDENT), leaf, 0, batch(record(RESIDENT), &columns, &[&cells]))
    };
    let dead = |leaf, name: &str, sex: &str| {
        let cells: [&str; 3] = [ANNA, name, sex];
        let columns = ["citizen_id", "name", "sex"];
        part(record(DEATH), leaf, 0, batch(record(DEATH), &columns, &[&cells]))
    };
    merge(&registry, [named(1, "阿卜杜拉·买买提", "艾力・买买提")]).await;
    let spellings = [
        "阿卜杜拉•买买提",
        "阿卜杜拉・买买提",
        "阿卜杜拉． 买买提",
        "艾力·买买提",
    ];
    for (leaf, spelling) in (2..).zip(spellings) {
        merge(&registry, [dead(leaf, spelling, "1")]).await;
        assert_eq!(held(&place), nothing(), "{spelling}");
    }
    assert_eq!(place.query("SELECT count(*) FROM discrepancy"), ["0"]);
    merge(&registry, [dead(8, "阿卜杜拉买买提", "1")]).await;
    assert_eq!(held(&place), [format!("name-differs {ANNA} 1.1 8.1")]);
    // Spelled otherwise by the register, what the death says is right again.
    merge(&registry, [named(9, "阿卜杜拉 买买提", "-")]).await;
    assert_eq!(held(&place), nothing());
    assert_eq!(settled(&place), [format!("name-differs {ANNA} 1.1 8.1")]);
}

async fn a_source_is_compared_with_the_best_authority_that_has_the_person(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, FLOATING, DEATH]));
    let floating = |leaf, name: &str| {
        let row = format!("P1 {ANNA} {name} 1880-01-01");
        rows(FLOATING, leaf, "permit_no citizen_id name leave_date", &[&row])
    };
    merge(
        &registry,
        [
            floating(1, "甲"),
            rows(DEATH, 2, "citizen_id name", &[&format!("{ANNA} 乙")]),
        ],
    )
    .await;
    assert_eq!(held(&place), [format!("name-differs {ANNA} 1.1 2.1")]);
    // The register of residents has the last word: it agrees with the death, and it is the permit that differs.
    merge(
        &registry,
        [rows(RESIDENT, 3, "citizen_id name", &[&format!("{ANNA} 乙")])],
    )
    .await;
    assert_eq!(held(&place), [format!("name-differs {ANNA} 3.1 1.1")]);
    assert_eq!(settled(&place), [format!("name-differs {ANNA} 1.1 2.1")]);
    merge(&registry, [floating(4, "乙")]).await;
    assert_eq!(held(&place), nothing());
}

async fn a_corrected_row_settles_and_a_wrong_one_opens_the_same_line_again(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH]));
    let named = |record, leaf, name: &str| rows(record, leaf, "citizen_id name", &[&format!("{ANNA} {name}")]);
    merge(&registry, [named(RESIDENT, 1, "甲"), named(DEATH, 2, "乙")]).await;
    merge(&registry, [named(DEATH, 3, "甲")]).await;
    assert_eq!(held(&place), nothing());
    assert_eq!(settled(&place), [format!("name-differs {ANNA} 1.1 2.1")]);
    let times = "SELECT first_us, last_us, settled_us, settled_by FROM discrepancy";
    let by = format!("{:032x}", 3);
    assert_eq!(
        place.query(times),
        [format!("{0} {0} {1} {by}", received(2), received(3))]
    );
    merge(&registry, [named(RESIDENT, 4, "丁")]).await;
    assert_eq!(held(&place), [format!("name-differs {ANNA} 4.1 3.1")]);
    assert_eq!(place.query(times), [format!("{} {} - -", received(2), received(4))]);
}

async fn a_row_that_comes_again_raises_nothing_twice(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH]));
    let named = |record, leaf, name: &str| rows(record, leaf, "citizen_id name", &[&format!("{ANNA} {name}")]);
    merge(&registry, [named(RESIDENT, 1, "甲"), named(DEATH, 2, "乙")]).await;
    let once = place.query("SELECT * FROM discrepancy");
    // Unchanged under another leaf, and the very part again after an answer that was lost.
    merge(&registry, [named(RESIDENT, 3, "甲"), named(DEATH, 2, "乙")]).await;
    assert_eq!(place.query("SELECT * FROM discrepancy"), once);
    merge(&registry, [named(RESIDENT, 4, "丙")]).await;
    assert_eq!(held(&place), [format!("name-differs {ANNA} 4.1 2.1")]);
    // A part that is refused leaves nothing.
    let refused = Part {
        number: 7,
        ..named(DEATH, 5, "丙")
    };
    registry.merge(refused).await.unwrap_err();
    assert_eq!(held(&place), [format!("name-differs {ANNA} 4.1 2.1")]);
}

async fn a_corrected_number_with_both_registered_is_one_person_with_two(store: Store) {
    // What stands in a notice is taken for a number only when it is one.
    const CORRECTED: &str = "32070618850315000X";
    for (about, turn) in [(ANNA, 0), (CORRECTED, 1), (ANNA, 2), (CORRECTED, 2)] {
        let (place, registry) = Place::with(store, &tables(&[RESIDENT, CHANGE]));
        let notice = format!("{about} 公民身份号码 {ANNA} {CORRECTED} 1950-01-01");
        let notice = rows(CHANGE, 3, "citizen_id item before after change_date", &[&notice]);
        let mut parts = vec![
            rows(RESIDENT, 1, "citizen_id name", &[&format!("{ANNA} 甲")]),
            rows(RESIDENT, 2, "citizen_id name", &[&format!("{CORRECTED} 甲")]),
            notice,
        ];
        parts.rotate_right(turn);
        merge(&registry, parts).await;
        // Whichever of them the notice is about: the person goes by the number in force.
        assert_eq!(
            held(&place),
            [format!("two-numbers {CORRECTED} 1.1 2.1")],
            "{about} {turn}"
        );
        merge(&registry, [deletes(rows(RESIDENT, 4, "citizen_id", &[ANNA]))]).await;
        assert_eq!(held(&place), nothing());
        registry.close().await;
    }
}

async fn allowance_and_support_for_one_month_are_double(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[ALLOWANCE, DESTITUTE]));
    let allowance = |leaf, month: &str| {
        let row = format!("D1 {ANNA} {month} 1");
        rows(ALLOWANCE, leaf, "dibao_no citizen_id month status", &[&row])
    };
    let support = |leaf, stop: &str| {
        let row = format!("{ANNA} 甲 195005 {stop}");
        rows(DESTITUTE, leaf, "citizen_id name start_month stop_month", &[&row])
    };
    merge(&registry, [allowance(1, "195004"), support(2, "-")]).await;
    assert_eq!(held(&place), nothing());
    merge(&registry, [allowance(3, "195006")]).await;
    assert_eq!(held(&place), [format!("double-aid {ANNA} 3.1 2.1")]);
    merge(&registry, [support(4, "195005")]).await;
    assert_eq!(held(&place), nothing());
}

async fn what_a_row_named_before_is_settled_when_it_names_another(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, CERTIFICATE]));
    let residents = [format!("{ANNA} 甲 0"), format!("{BORIS} 乙 0")];
    let certificate = |leaf, whom: &str| rows(CERTIFICATE, leaf, "cert_no citizen_id", &[&format!("C1 {whom}")]);
    let columns = "citizen_id name person_status";
    merge(
        &registry,
        [
            rows(RESIDENT, 1, columns, &[&residents[0], &residents[1]]),
            certificate(2, ANNA),
        ],
    )
    .await;
    assert_eq!(held(&place), [format!("suspected-death {ANNA} 1.1 2.1")]);
    merge(&registry, [certificate(3, BORIS)]).await;
    assert_eq!(held(&place), [format!("suspected-death {BORIS} 1.2 3.1")]);
    assert_eq!(settled(&place), [format!("suspected-death {ANNA} 1.1 2.1")]);
}

async fn deletes_and_the_ends_of_snapshots_settle_and_raise(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, CERTIFICATE, ESTABLISHMENT, TAX]));
    let columns = "citizen_id name person_status";
    let alive = [format!("{ANNA} 甲 0"), format!("{BORIS} 乙 0")];
    let certified = [format!("C1 {ANNA}"), format!("C2 {BORIS}")];
    merge(
        &registry,
        [
            rows(RESIDENT, 1, columns, &[&alive[0], &alive[1]]),
            rows(CERTIFICATE, 2, "cert_no citizen_id", &[&certified[0], &certified[1]]),
            rows(
                ESTABLISHMENT,
                3,
                "uscc ent_name reg_status",
                &[&format!("{USCC} 某公司 ACTIVE")],
            ),
            rows(TAX, 4, "tax_reg_seq taxpayer_id", &[&format!("1 {USCC}")]),
            deletes(rows(CERTIFICATE, 5, "cert_no", &["C1"])),
        ],
    )
    .await;
    assert_eq!(held(&place), [format!("suspected-death {BORIS} 1.2 2.2")]);
    // Snapshots that hold nothing: the certificate's end settles, that of tax raises.
    close_all(&registry, 6, CERTIFICATE).await;
    close_all(&registry, 7, TAX).await;
    assert_eq!(held(&place), [format!("unknown-to-tax {UNIT} 3.1 -.-")]);
    let by =
        place.query("SELECT subject, settled_us FROM discrepancy WHERE settled_us IS NOT NULL ORDER BY settled_us");
    assert_eq!(
        by,
        [format!("{ANNA} {}", received(5)), format!("{BORIS} {}", received(6))]
    );
}

async fn a_column_that_is_not_granted_or_reduced_is_not_compared(store: Store) {
    let whole = tables(&[RESIDENT, DEATH, ESTABLISHMENT, TAX]);
    let without = |lacks: &[(&str, &str)], reduced: bool| {
        let mut tables = whole.clone();
        for table in &mut tables {
            let hit = |column: &str| lacks.contains(&(table.record.name, column));
            if reduced {
                table
                    .columns
                    .iter_mut()
                    .filter(|column| hit(column.name))
                    .for_each(|column| column.plain = false);
            } else {
                table.columns.retain(|column| !hit(column.name));
            }
        }
        tables
    };
    let lacks = [
        (DEATH, "name"),
        (RESIDENT, "sex"),
        (DEATH, "birth_date"),
        (RESIDENT, "person_status"),
        (ESTABLISHMENT, "reg_status"),
    ];
    let (place, registry) = Place::with(store, &without(&lacks, true));
    let alive = format!("{ANNA} 甲 2 1880-02-29 0");
    let dead = format!("{ANNA} 乙 1 1880-02-28");
    merge(
        &registry,
        [
            rows(RESIDENT, 1, "citizen_id name sex birth_date person_status", &[&alive]),
            rows(DEATH, 2, PERSON, &[&dead]),
            rows(
                ESTABLISHMENT,
                3,
                "uscc ent_name reg_status",
                &[&format!("{USCC} 某公司 ACTIVE")],
            ),
        ],
    )
    .await;
    assert_eq!(place.query("SELECT count(*) FROM discrepancy"), ["0"]);
    let (place, registry) = Place::with(store, &without(&lacks, false));
    merge(
        &registry,
        [
            rows(
                RESIDENT,
                1,
                "citizen_id name birth_date",
                &[&format!("{ANNA} 甲 1880-02-29")],
            ),
            rows(DEATH, 2, "citizen_id sex", &[&format!("{ANNA} 1")]),
            rows(ESTABLISHMENT, 3, "uscc ent_name", &[&format!("{USCC} 某公司")]),
        ],
    )
    .await;
    assert_eq!(place.query("SELECT count(*) FROM discrepancy"), ["0"]);
    // A pseudonym is nobody's number.
    let (place, registry) = Place::with(store, &without(&[(RESIDENT, "citizen_id"), (TAX, "uscc")], true));
    merge(
        &registry,
        [
            rows(RESIDENT, 1, PERSON, &[&dead]),
            rows(DEATH, 2, PERSON, &[&format!("{ANNA} 丙 2 -")]),
        ],
    )
    .await;
    merge(
        &registry,
        [rows(
            ESTABLISHMENT,
            3,
            "uscc ent_name reg_status",
            &[&format!("{USCC} 某公司 ACTIVE")],
        )],
    )
    .await;
    assert_eq!(place.query("SELECT count(*) FROM discrepancy"), ["0"]);
}

async fn a_line_that_no_rule_covers_any_more_is_settled(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH]));
    let named = |record, leaf, name: &str| rows(record, leaf, "citizen_id name", &[&format!("{ANNA} {name}")]);
    merge(&registry, [named(RESIDENT, 1, "甲"), named(DEATH, 2, "乙")]).await;
    registry.close().await;
    let mut masked = tables(&[RESIDENT, DEATH]);
    for column in masked.iter_mut().flat_map(|table| &mut table.columns) {
        column.plain &= column.name != "name";
    }
    let registry = place.open(&masked);
    merge(&registry, [named(RESIDENT, 3, "丙")]).await;
    assert_eq!(settled(&place), [format!("name-differs {ANNA} 1.1 2.1")]);
}

const ALL: Wanted = Wanted {
    kind: None,
    settled: false,
    from_us: i64::MIN,
    limit: 100,
};

async fn what_people_are_told_names_no_person(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH]));
    let wrong = format!("{ANNA} 丙 1 1880-02-28");
    merge(
        &registry,
        [
            rows(RESIDENT, 1, PERSON, &[&format!("{ANNA} 甲 2 1880-02-28")]),
            rows(DEATH, 2, PERSON, &[&wrong]),
            rows(DEATH, 3, PERSON, &[&format!("{ANNA} 甲 1 1880-02-28")]),
        ],
    )
    .await;
    let told = Registry::discrepancies(&place.settings, &ALL).unwrap();
    let tallies: Vec<_> = told
        .tallies
        .iter()
        .map(|tally| (tally.kind.slug(), tally.open, tally.settled))
        .collect();
    assert_eq!(tallies, [("name-differs", 0, 1), ("sex-differs", 1, 0)]);
    let line = &told.lines[0];
    assert_eq!((told.lines.len(), line.kind, line.one.row), (1, Kind::SexDiffers, 1));
    assert_eq!((line.record.as_str(), line.other_record.as_str()), (RESIDENT, DEATH));
    assert_eq!(line.other.unwrap().exchange, Uuid::from_u128(3));
    let only = |wanted: Wanted| Registry::discrepancies(&place.settings, &wanted).unwrap();
    let name = Some(Kind::NameDiffers);
    let past = only(Wanted { settled: true, ..ALL });
    assert_eq!(past.lines[0].settled, Some((received(3), Uuid::from_u128(3))));
    assert!(only(Wanted { kind: name, ..ALL }).lines.is_empty());
    assert_eq!(
        only(Wanted {
            from_us: received(3),
            ..ALL
        })
        .tallies,
        []
    );
    assert!(only(Wanted { limit: 0, ..ALL }).lines.is_empty());
    assert!(!format!("{told:?}{past:?}").contains(ANNA));
}

async fn a_registry_without_the_table_is_refused_until_migrated(store: Store) {
    let tables = tables(&[RESIDENT, DEATH, CHANGE]);
    let (place, registry) = Place::with(store, &tables);
    let named = |record, leaf, name: &str| rows(record, leaf, "citizen_id name", &[&format!("{ANNA} {name}")]);
    merge(&registry, [named(RESIDENT, 1, "甲")]).await;
    registry.close().await;
    place.execute("DROP TABLE discrepancy");
    if store == Store::Sqlite {
        place.execute("DELETE FROM column_comment WHERE table_name = 'discrepancy'");
    }
    let fault = Registry::open(&place.settings, tables.clone(), Missing::Refuse).unwrap_err();
    let RegistryFault::Behind { missing, .. } = &fault else {
        unreachable!("{fault}")
    };
    assert_eq!(missing, &["discrepancy"]);
    let registry = Registry::open(&place.settings, tables, Missing::Add).unwrap();
    merge(&registry, [named(DEATH, 2, "乙")]).await;
    assert_eq!(held(&place), [format!("name-differs {ANNA} 1.1 2.1")]);
}

#[test]
fn every_rule_reads_by_keys_and_indexes_only() {
    use crate::registry::discrepancy::rules::{About, Rules};
    use crate::registry::discrepancy::touch::Touched;
    let all: Vec<&str> = adapters::catalogue::record_types().map(|record| record.name).collect();
    let tables = tables(&all);
    let (place, _registry) = Place::with(Store::Sqlite, &tables);
    let rules = Rules::of(dialect(Store::Sqlite), &tables);
    let mut asked = Vec::new();
    for record in &all {
        let touched = Touched::by(record, 0, Uuid::nil());
        let statements = [About::Person, About::Unit].map(|about| rules.statement(about, &touched));
        for text in statements.into_iter().flatten() {
            asked.push(*record);
            let plan = place.query(&format!("EXPLAIN QUERY PLAN {}", text.replace("?1", "'[]'")));
            let scanned: Vec<&String> = plan
                .iter()
                .filter(|step| {
                    // An automatic index is a scan that is not called one.
                    step.contains("AUTOMATIC")
                        || step.contains("SCAN")
                            && ![
                                "SCAN t",
                                "SCAN json_each",
                                "SCAN touched",
                                "SCAN listed",
                                "SCAN subjects",
                                "SCAN CONSTANT",
                                // A handful of numbers of one unit.
                                "SCAN written",
                                "SCAN spelt",
                            ]
                            .iter()
                            .any(|known| step.contains(known))
                })
                .collect();
            assert!(scanned.is_empty(), "{record}: {scanned:?}");
        }
    }
    asked.dedup();
    assert_eq!(
        asked,
        all.iter()
            .copied()
            .filter(|name| ![
                "civil-affairs/marriage",
                "health/birth-certificate",
                "commerce/change",
                "commerce/member",
                "commerce/abnormal-listing",
                "tax/irregular-taxpayer",
                "tax/contribution-payment",
            ]
            .contains(name))
            .collect::<Vec<_>>(),
        "record types that are compared, or whose rows of one key are"
    );
}
