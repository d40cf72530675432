//! Which resident ids are one person: joined by notices of a corrected number, in any order, and parted when the notice is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex, PoisonError};

use proptest::prelude::{ProptestConfig, Strategy, TestCaseError, prop, prop_assert_eq, proptest};
use tokio::runtime::Runtime;

use super::discrepancies::{CHANGE, DEATH, FLOATING, RESIDENT, close_all, deletes, rows, tables};
use super::fixture::ANNA;
use super::store::{Place, Store, on_both_stores};
use super::units::recall;
use crate::registry::discrepancy::Kind;
use crate::registry::{Missing, Part, Registry, RegistryFault};

on_both_stores! {
    a_corrected_number_is_told_of_its_person_and_of_nobody_else_in_the_same_part,
    a_corrected_number_and_the_one_before_it_are_one_person_whichever_comes_first,
    a_chain_of_corrections_is_one_person_in_any_order,
    what_a_recalled_notice_joined_is_two_persons_again,
    sources_are_compared_under_all_numbers_of_a_person,
    fifteen_digits_are_the_number_of_eighteen_and_what_is_no_number_joins_nobody,
    a_correction_that_is_taken_back_by_another_leaves_the_newest_in_force,
    a_feed_that_joins_too_many_numbers_joins_nobody,
    a_registry_that_knows_of_no_joined_numbers_is_refused_until_migrated,
    a_notice_whose_sides_are_no_longer_released_joins_nobody_once_it_is_closed,
    a_chain_that_is_too_long_joins_nobody_until_it_is_cut,
}

const BORIS: &str = "32070618850315000X";
const CARLA: &str = "320706188808080006";

async fn merge(registry: &Registry, parts: impl IntoIterator<Item = Part>) {
    for part in parts {
        registry.merge(part).await.unwrap();
    }
}

/// A notice that a number was corrected.
fn notice(leaf: u64, before: &str, after: &str, date: &str) -> Part {
    let row = format!("{after} 公民身份号码 {before} {after} {date}");
    rows(CHANGE, leaf, "citizen_id item before after change_date", &[&row])
}

fn resident(leaf: u64, id: &str, name: &str) -> Part {
    rows(
        RESIDENT,
        leaf,
        "citizen_id name person_status",
        &[&format!("{id} {name} 0")],
    )
}

/// Who is in the population.
fn people(place: &Place) -> Vec<String> {
    place.query("SELECT citizen_id, name FROM population ORDER BY citizen_id")
}

fn held(place: &Place) -> Vec<String> {
    let lines = place.query("SELECT kind, subject FROM discrepancy WHERE settled_us IS NULL ORDER BY 1, 2");
    let slug = |line: &String| {
        let (code, subject) = line.split_once(' ').unwrap();
        format!("{} {subject}", Kind::parse(code).unwrap().slug())
    };
    lines.iter().map(slug).collect()
}

/// All orders of three.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

async fn a_corrected_number_and_the_one_before_it_are_one_person_whichever_comes_first(store: Store) {
    for order in ORDERS {
        let (place, registry) = Place::with(store, &tables(&[RESIDENT, CHANGE]));
        let parts = [
            resident(1, ANNA, "甲"),
            resident(2, BORIS, "甲"),
            notice(3, ANNA, BORIS, "1950-01-01"),
        ];
        for place in order {
            merge(&registry, [parts[place].clone()]).await;
        }
        assert_eq!(people(&place), [format!("{BORIS} 甲")], "{order:?}");
        assert_eq!(held(&place), [format!("two-numbers {BORIS}")], "{order:?}");
        assert_eq!(
            place.query("SELECT citizen_id, subject FROM person ORDER BY citizen_id"),
            [format!("{ANNA} {BORIS}"), format!("{BORIS} {BORIS}")]
        );
        merge(&registry, [deletes(rows(RESIDENT, 4, "citizen_id", &[ANNA]))]).await;
        assert_eq!(held(&place), [""; 0]);
        registry.close().await;
    }
    // With the row of before alone the person goes by the new number all the same, and is new to who asks what changed since.
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, CHANGE]));
    merge(
        &registry,
        [resident(1, ANNA, "甲"), notice(2, ANNA, BORIS, "1950-01-01")],
    )
    .await;
    assert_eq!(people(&place), [format!("{BORIS} 甲")]);
    assert_eq!(
        place.query("SELECT updated_at FROM population"),
        place.query("SELECT changed_us FROM registry_mark")
    );
    assert_eq!(held(&place), [""; 0]);
}

async fn a_chain_of_corrections_is_one_person_in_any_order(store: Store) {
    for order in ORDERS {
        let (place, registry) = Place::with(store, &tables(&[RESIDENT, CHANGE, FLOATING]));
        let permit = format!("P1 {ANNA} 乙");
        let parts = [
            notice(1, ANNA, BORIS, "1950-01-01"),
            notice(2, BORIS, CARLA, "1951-01-01"),
            rows(FLOATING, 3, "permit_no citizen_id name", &[&permit]),
        ];
        for place in order {
            merge(&registry, [parts[place].clone()]).await;
        }
        assert_eq!(people(&place), [format!("{CARLA} 乙")], "{order:?}");
        merge(&registry, [resident(4, BORIS, "甲"), resident(5, CARLA, "丙")]).await;
        assert_eq!(people(&place), [format!("{CARLA} 丙")], "{order:?}");
        assert_eq!(
            held(&place),
            [format!("name-differs {CARLA}"), format!("two-numbers {CARLA}")]
        );
        registry.close().await;
    }
}

async fn what_a_recalled_notice_joined_is_two_persons_again(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, CHANGE, DEATH]));
    let wrong = notice(3, ANNA, BORIS, "1950-01-01");
    let dead = rows(DEATH, 4, "citizen_id name", &[&format!("{ANNA} 甲")]);
    merge(
        &registry,
        [resident(1, ANNA, "甲"), resident(2, BORIS, "乙"), wrong, dead],
    )
    .await;
    let both = ["name-differs", "two-numbers", "suspected-death"].map(|kind| format!("{kind} {BORIS}"));
    assert_eq!(held(&place), both);
    recall(&registry, 5, 3, CHANGE).await;
    assert_eq!(people(&place), [format!("{ANNA} 甲"), format!("{BORIS} 乙")]);
    assert_eq!(held(&place), [format!("suspected-death {ANNA}")]);
    assert_eq!(place.query("SELECT count(*) FROM number_link"), ["0"]);
    let mark = place.query("SELECT changed_us FROM registry_mark");
    assert_eq!(
        place.query("SELECT DISTINCT updated_at FROM population"),
        mark,
        "both are new to who asks what changed since"
    );
    merge(&registry, [notice(6, ANNA, BORIS, "1950-01-01")]).await;
    assert_eq!(held(&place), both);
    // A delete takes it back as well, and so does a snapshot that lacks it.
    merge(&registry, [deletes(notice(7, ANNA, BORIS, "1950-01-01"))]).await;
    assert_eq!(people(&place).len(), 2);
    merge(&registry, [notice(8, ANNA, BORIS, "1950-01-01")]).await;
    assert_eq!(people(&place).len(), 1);
    close_all(&registry, 9, CHANGE).await;
    assert_eq!(people(&place).len(), 2);
    assert_eq!(held(&place), [format!("suspected-death {ANNA}")]);
}

async fn sources_are_compared_under_all_numbers_of_a_person(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, CHANGE, DEATH, FLOATING]));
    let permit = rows(
        FLOATING,
        2,
        "permit_no citizen_id name leave_date",
        &[&format!("P1 {ANNA} 乙 1949-01-01")],
    );
    let dead = rows(DEATH, 3, "citizen_id name", &[&format!("{ANNA} 甲")]);
    merge(&registry, [resident(1, BORIS, "甲"), permit, dead]).await;
    // Two persons: the one with the permit is dead under another name.
    assert_eq!(held(&place), [format!("name-differs {ANNA}")]);
    merge(&registry, [notice(4, ANNA, BORIS, "1950-01-01")]).await;
    // One person: the register of residents agrees with the death, the permit does not, and he is registered as living.
    assert_eq!(
        held(&place),
        [format!("name-differs {BORIS}"), format!("suspected-death {BORIS}")]
    );
    let pair = place.query("SELECT record, other_record FROM discrepancy WHERE settled_us IS NULL AND kind = 'SG9301'");
    assert_eq!(pair, [format!("{RESIDENT} {FLOATING}")]);
    merge(
        &registry,
        [rows(
            FLOATING,
            5,
            "permit_no citizen_id name leave_date",
            &[&format!("P1 {ANNA} 甲 1949-01-01")],
        )],
    )
    .await;
    assert_eq!(held(&place), [format!("suspected-death {BORIS}")]);
}

async fn fifteen_digits_are_the_number_of_eighteen_and_what_is_no_number_joins_nobody(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, CHANGE]));
    let (short, twin) = ("320706900101000", "320706199001010000");
    merge(
        &registry,
        [resident(1, twin, "甲"), notice(2, short, BORIS, "1950-01-01")],
    )
    .await;
    assert_eq!(people(&place), [format!("{BORIS} 甲")]);
    let nothing = format!("{ANNA} 公民身份号码 不详 {ANNA} 1950-01-01");
    let address = format!("{ANNA} 户籍地址 {CARLA} {ANNA} 1950-01-01");
    let columns = "citizen_id item before after change_date";
    merge(
        &registry,
        [
            rows(CHANGE, 3, columns, &[&nothing, &address]),
            notice(4, ANNA, ANNA, "1950-01-02"),
        ],
    )
    .await;
    assert_eq!(
        place.query("SELECT count(*) FROM person WHERE subject IS NOT NULL"),
        ["2"]
    );
}

async fn a_correction_that_is_taken_back_by_another_leaves_the_newest_in_force(store: Store) {
    for order in [[0, 1], [1, 0]] {
        let (place, registry) = Place::with(store, &tables(&[RESIDENT, CHANGE]));
        let parts = [
            notice(1, ANNA, BORIS, "1950-01-01"),
            notice(2, BORIS, ANNA, "1951-01-01"),
        ];
        merge(&registry, [resident(3, ANNA, "甲")]).await;
        for place in order {
            merge(&registry, [parts[place].clone()]).await;
        }
        assert_eq!(people(&place), [format!("{ANNA} 甲")], "{order:?}");
        registry.close().await;
    }
}

async fn a_feed_that_joins_too_many_numbers_joins_nobody(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, CHANGE]));
    let many: Vec<String> = (0..16).map(number).collect();
    for (leaf, before) in (1..).zip(&many[1..]) {
        merge(
            &registry,
            [notice(leaf, before, &many[0], &format!("1950-01-{leaf:02}"))],
        )
        .await;
    }
    let joined = "SELECT count(*) FROM person WHERE subject IS NOT NULL";
    assert_eq!(place.query(joined), ["16"]);
    merge(&registry, [notice(20, ANNA, &many[0], "1950-02-01")]).await;
    assert_eq!(place.query(joined), ["0"]);
    recall(&registry, 21, 20, CHANGE).await;
    assert_eq!(place.query(joined), ["16"]);
}

async fn a_registry_that_knows_of_no_joined_numbers_is_refused_until_migrated(store: Store) {
    let tables = tables(&[RESIDENT, CHANGE]);
    let (place, registry) = Place::with(store, &tables);
    let many: Vec<String> = (0..12).map(number).collect();
    merge(&registry, [resident(1, ANNA, "甲"), resident(2, BORIS, "甲")]).await;
    let corrected = (3..).zip(many.chunks(2));
    merge(
        &registry,
        corrected.map(|(leaf, pair)| notice(leaf, &pair[0], &pair[1], "1950-01-01")),
    )
    .await;
    merge(&registry, [notice(20, ANNA, BORIS, "1950-01-01")]).await;
    let joined = "SELECT citizen_id, subject FROM person WHERE subject IS NOT NULL ORDER BY citizen_id";
    let before = place.query(joined);
    assert_eq!(held(&place), [format!("two-numbers {BORIS}")]);
    registry.close().await;
    place.execute(
        "DROP VIEW population; DROP INDEX person_by_subject; ALTER TABLE person DROP COLUMN subject; \
         ALTER TABLE person DROP COLUMN joined_us; DROP TABLE number_link; DROP TABLE enterprise_number; DROP TABLE number_walk",
    );
    if store == Store::Sqlite {
        place.execute(
            "DELETE FROM column_comment WHERE table_name IN ('number_link', 'enterprise_number', 'number_walk') OR column_name IN ('subject', 'joined_us') \
             AND table_name = 'person'",
        );
    }
    let fault = Registry::open(&place.settings, tables.clone(), Missing::Refuse).unwrap_err();
    let RegistryFault::Behind { missing, .. } = &fault else {
        unreachable!("{fault}")
    };
    assert_eq!(
        missing,
        &[
            "person.subject",
            "person.joined_us",
            "enterprise_number",
            "number_link",
            "number_walk"
        ]
    );
    // What was there is joined at once, a few keys a transaction, and the line that was true stays open.
    let registry = Registry::open(&place.settings, tables.clone(), Missing::Add).unwrap();
    assert_eq!(place.query(joined), before);
    assert_eq!(people(&place), [format!("{BORIS} 甲")]);
    assert_eq!(held(&place), [format!("two-numbers {BORIS}")]);
    merge(&registry, [resident(21, BORIS, "乙")]).await;
    assert_eq!(held(&place), [format!("two-numbers {BORIS}")]);
    registry.close().await;
    // It goes on behind the place that is noted, and never begins again.
    let place_of = "SELECT row_key FROM number_walk";
    let done = place.query(place_of);
    assert_eq!(done, ["\u{10FFFF}"]);
    let last = place.query("SELECT max(row_key) FROM number_link").remove(0);
    place.execute(&format!(
        "DELETE FROM number_link; UPDATE number_walk SET row_key = '{last}'"
    ));
    Registry::open(&place.settings, tables, Missing::Refuse)
        .unwrap()
        .close()
        .await;
    assert_eq!(
        (place.query("SELECT count(*) FROM number_link"), place.query(place_of)),
        (vec!["0".into()], done)
    );
}

async fn a_notice_whose_sides_are_no_longer_released_joins_nobody_once_it_is_closed(store: Store) {
    let known = tables(&[RESIDENT, CHANGE]);
    let (place, registry) = Place::with(store, &known);
    merge(
        &registry,
        [resident(1, ANNA, "甲"), notice(2, ANNA, BORIS, "1950-01-01")],
    )
    .await;
    registry.close().await;
    let mut reduced = known;
    let notices = reduced.iter_mut().find(|table| table.record.name == CHANGE).unwrap();
    notices
        .columns
        .iter_mut()
        .filter(|column| column.name == "before")
        .for_each(|column| column.plain = false);
    let registry = place.open(&reduced);
    merge(&registry, [deletes(notice(3, ANNA, BORIS, "1950-01-01"))]).await;
    assert_eq!(place.query("SELECT count(*) FROM number_link"), ["0"]);
    assert_eq!(people(&place), [format!("{ANNA} 甲")]);
}

async fn a_chain_that_is_too_long_joins_nobody_until_it_is_cut(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, CHANGE]));
    let many: Vec<String> = (0..28).map(number).collect();
    let joined = "SELECT count(*) FROM person WHERE subject IS NOT NULL";
    let link = |leaf: u64, place: usize| notice(leaf, &many[place], &many[place + 1], "1950-01-01");
    // Two chains of fourteen: each is somebody.
    let links = (1..).zip((0..13).chain(14..27));
    merge(&registry, links.map(|(leaf, place)| link(leaf, place))).await;
    assert_eq!(place.query(joined), ["28"]);
    merge(&registry, [link(30, 13)]).await;
    assert_eq!(place.query(joined), ["0"]);
    recall(&registry, 31, 30, CHANGE).await;
    assert_eq!(place.query(joined), ["28"]);
}

/// A number that nobody has.
fn number(day: usize) -> String {
    let first = format!("320706188001{:02}000", day + 1);
    let check = shuguan_adapters::value::citizen_id::check_character(first.as_bytes().try_into().unwrap());
    format!("{first}{}", check.unwrap())
}

/// A notice: its key, before and after, its date, by small numbers; what is done with it.
type Step = (usize, usize, usize, usize, usize);

fn step() -> impl Strategy<Value = Step> {
    (0_usize..3, 0_usize..4, 0_usize..4, 0_usize..3, 0_usize..8)
}

struct Shared {
    place: Place,
    runtime: Runtime,
    registry: Registry,
    leaf: u64,
}

impl Shared {
    fn new(store: Store) -> Self {
        let (place, registry) = Place::with(store, &tables(&[RESIDENT, CHANGE]));
        let runtime = Runtime::new().unwrap();
        Self {
            place,
            runtime,
            registry,
            leaf: 0,
        }
    }

    fn run(&mut self, (key, before, after, date, what): Step, pushed: &mut Vec<u64>) {
        self.leaf += 1;
        let leaf = self.leaf;
        let row = format!(
            "{} 身份证号 {} {} 1950-01-0{}",
            number(20 + key),
            number(before),
            number(after),
            date + 1
        );
        let part = rows(CHANGE, leaf, "citizen_id item before after change_date", &[&row]);
        match (what, pushed.len()) {
            (0, _) => self.runtime.block_on(merge(&self.registry, [deletes(part)])),
            (1, 1..) => {
                let push = pushed.remove(key % pushed.len());
                self.runtime.block_on(recall(&self.registry, leaf, push, CHANGE));
            }
            _ => {
                pushed.push(leaf);
                self.runtime.block_on(merge(&self.registry, [part]));
            }
        }
    }
}

static ON_SQLITE: LazyLock<Mutex<Shared>> = LazyLock::new(|| Mutex::new(Shared::new(Store::Sqlite)));
static ON_POSTGRES: LazyLock<Mutex<Shared>> = LazyLock::new(|| Mutex::new(Shared::new(Store::Postgres)));

/// Which number is in force for each that is joined, out of all open notices.
pub(super) fn in_force(place: &Place) -> BTreeMap<String, String> {
    let query = "SELECT before, after FROM public_security_change WHERE _open <> 0 AND before <> after ORDER BY change_date, _source_us, _leaf, _row";
    let notices: Vec<(String, String)> = place
        .query(query)
        .iter()
        .map(|row| {
            row.split_once(' ')
                .map(|(one, other)| (one.into(), other.into()))
                .unwrap()
        })
        .collect();
    let mut in_force = BTreeMap::new();
    for number in notices.iter().flat_map(|(one, other)| [one, other]) {
        let mut group = BTreeSet::from([number]);
        for _ in 0..notices.len() {
            for (one, other) in &notices {
                if group.contains(one) || group.contains(other) {
                    group.extend([one, other]);
                }
            }
        }
        let last: BTreeSet<&String> = group
            .iter()
            .copied()
            .filter(|number| notices.iter().all(|(before, _)| before != *number))
            .collect();
        let last = if last.is_empty() { &group } else { &last };
        let current = notices.iter().rev().find(|(_, after)| last.contains(after)).unwrap();
        in_force.insert(number.clone(), current.1.clone());
    }
    in_force
}

fn persons_are_those_that_open_notices_say(shared: &Mutex<Shared>, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let names = [
        "public_security_change",
        "person",
        "number_link",
        "relay_progress",
        "history",
        "closing",
        "discrepancy",
    ];
    let texts = names.map(|name| format!("DELETE FROM {name}"));
    shared.place.execute(&texts.join("; "));
    let mut pushed = Vec::new();
    for step in steps {
        shared.run(*step, &mut pushed);
    }
    let expected: Vec<String> = in_force(&shared.place)
        .iter()
        .map(|(number, current)| format!("{number} {current}"))
        .collect();
    let stored = shared
        .place
        .query("SELECT citizen_id, subject FROM person WHERE subject IS NOT NULL ORDER BY 1");
    prop_assert_eq!(stored, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn persons_are_those_that_open_notices_say_whatever_came_before(steps in prop::collection::vec(step(), 1..14)) {
        persons_are_those_that_open_notices_say(&ON_SQLITE, &steps)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn persons_are_those_that_open_notices_say_on_postgres_too(steps in prop::collection::vec(step(), 1..14)) {
        if Store::has_postgres() {
            persons_are_those_that_open_notices_say(&ON_POSTGRES, &steps)?;
        }
    }
}

/// The record type is no source of the dataset: who is named in a list of changes is nobody's business that reads it.
async fn a_corrected_number_is_told_of_its_person_and_of_nobody_else_in_the_same_part(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, CHANGE]));
    let other = "320706189001010001";
    merge(
        &registry,
        [
            resident(1, ANNA, "甲"),
            resident(2, BORIS, "甲"),
            resident(3, other, "丙"),
        ],
    )
    .await;
    let marks = || place.query("SELECT citizen_id, changed_us FROM person ORDER BY citizen_id");
    let before = marks();
    let lines = [
        format!("{other} 服务处所 甲厂 乙厂 1950-01-01"),
        format!("{BORIS} 公民身份号码 {ANNA} {BORIS} 1950-01-01"),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    merge(
        &registry,
        [rows(CHANGE, 4, "citizen_id item before after change_date", &lines)],
    )
    .await;
    let after = marks();
    let of = |all: &[String], id: &str| all.iter().find(|line| line.starts_with(id)).cloned();
    assert_ne!(of(&before, BORIS), of(&after, BORIS));
    assert_eq!(of(&before, other), of(&after, other));
}
