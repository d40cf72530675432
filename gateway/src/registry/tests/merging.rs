use super::fixture::{
    ANNA, BORIS, CERTIFICATE, DEATH, ESTABLISHMENT, Place, RESIDENT, batch, kept, part, received, whole,
};
use crate::registry::{Counts, Part, RegistryFault, Remedy, sqlite};

fn residents(leaf: u64, number: u32, rows: &[&[&str]]) -> Part {
    part(&RESIDENT, leaf, number, whole(&RESIDENT, rows))
}

fn counts(ins: u64, upd: u64, same: u64) -> Counts {
    Counts { ins, upd, same }
}

const NAMES: &str = "SELECT citizen_id, name, _leaf, _row FROM public_security_resident ORDER BY citizen_id";

#[tokio::test]
async fn a_part_is_written_with_its_provenance_and_its_persons() {
    let (place, registry) = Place::with(&kept(&[&RESIDENT]));
    let sent = residents(
        3,
        0,
        &[
            &[BORIS, "乙", "1885-03-15", "320706", "5"],
            &[ANNA, "甲", "-", "-", "-"],
        ],
    );
    let merged = registry.merge(sent).await.unwrap();
    assert_eq!(
        (merged.counts, merged.progress.parts, merged.repeated),
        (counts(2, 0, 0), 1, false)
    );
    assert_eq!(
        place.query(NAMES),
        [format!("{ANNA} 甲 3 2"), format!("{BORIS} 乙 3 1")]
    );
    assert_eq!(
        place.query("SELECT birth_date, _partner, _source_us, _received_us = 1000000003000000, length(_hash), hex(_exchange) FROM public_security_resident WHERE name = '乙'"),
        ["1885-03-15 public-security-city 5 1 16 00000000000000000000000000000003"]
    );
    assert_eq!(place.query("SELECT citizen_id FROM person"), [ANNA, BORIS]);
    assert_eq!(
        registry.counts().unwrap(),
        [
            ("public_security_resident".into(), 2),
            ("person".into(), 2),
            ("enterprise".into(), 0)
        ]
    );
}

#[tokio::test]
async fn a_part_that_comes_twice_changes_nothing() {
    let (place, registry) = Place::with(&kept(&[&RESIDENT]));
    registry
        .merge(residents(1, 0, &[&[ANNA, "甲", "-", "-", "-"]]))
        .await
        .unwrap();
    // Other content under the same part number: progress decides, not content.
    let again = registry
        .merge(residents(1, 0, &[&[ANNA, "丙", "-", "-", "-"]]))
        .await
        .unwrap();
    assert!(again.repeated);
    assert_eq!(
        (again.counts, again.progress.counts),
        (counts(0, 0, 0), counts(1, 0, 0))
    );
    assert_eq!(place.query(NAMES), [format!("{ANNA} 甲 1 1")]);
}

#[tokio::test]
async fn a_part_before_its_predecessor_is_refused() {
    let (_place, registry) = Place::with(&kept(&[&RESIDENT]));
    let fault = registry
        .merge(residents(1, 1, &[&[ANNA, "甲", "-", "-", "-"]]))
        .await
        .unwrap_err();
    assert!(matches!(fault, RegistryFault::OutOfOrder { due: 0, got: 1 }));
    assert_eq!(fault.remedy(), Remedy::SetAside);
}

#[tokio::test]
async fn after_a_restart_between_parts_the_rest_follows_and_rows_count_on() {
    let tables = kept(&[&RESIDENT]);
    let (place, registry) = Place::with(&tables);
    registry
        .merge(residents(1, 0, &[&[ANNA, "甲", "-", "-", "-"]]))
        .await
        .unwrap();
    drop(registry);
    let registry = place.open(&tables);
    let exchange = uuid::Uuid::from_u128(1);
    assert_eq!(registry.progress(exchange).await.unwrap().unwrap().parts, 1);
    assert!(
        registry
            .merge(residents(1, 0, &[&[ANNA, "甲", "-", "-", "-"]]))
            .await
            .unwrap()
            .repeated
    );
    let last = registry
        .merge(residents(1, 1, &[&[BORIS, "乙", "-", "-", "-"]]))
        .await
        .unwrap();
    assert_eq!((last.progress.parts, last.progress.counts), (2, counts(2, 0, 0)));
    assert_eq!(
        place.query(NAMES),
        [format!("{ANNA} 甲 1 1"), format!("{BORIS} 乙 1 2")]
    );
    registry.close().await;
}

#[test]
fn what_is_not_committed_leaves_neither_rows_nor_progress_nor_persons() {
    let tables = kept(&[&RESIDENT]);
    let place = Place::new();
    crate::registry::Registry::create(&place.settings, &tables).unwrap();
    let mut connection = sqlite::open(&place.settings).unwrap();
    let sent = residents(1, 0, &[&[ANNA, "甲", "-", "-", "-"]]);
    let transaction = connection.transaction().unwrap();
    sqlite::merge_in(&transaction, &tables, &sent).unwrap();
    drop(transaction);
    for table in ["public_security_resident", "person", "relay_progress"] {
        assert_eq!(place.query(&format!("SELECT count(*) FROM {table}")), ["0"]);
    }
    let merged = sqlite::merge_parts(&mut connection, &tables, &[sent]).unwrap()[0];
    assert_eq!(merged.counts, counts(1, 0, 0));
}

#[tokio::test]
async fn an_older_row_never_overwrites_a_newer_one() {
    let (place, registry) = Place::with(&kept(&[&RESIDENT]));
    registry
        .merge(residents(1, 0, &[&[ANNA, "新", "-", "-", "200"]]))
        .await
        .unwrap();
    let older = registry
        .merge(residents(2, 0, &[&[ANNA, "旧", "-", "-", "100"]]))
        .await
        .unwrap();
    assert_eq!(older.counts, counts(0, 0, 1));
    assert_eq!(place.query(NAMES), [format!("{ANNA} 新 1 1")]);
    let newer = registry
        .merge(residents(3, 0, &[&[ANNA, "更新", "-", "-", "300"]]))
        .await
        .unwrap();
    assert_eq!(newer.counts, counts(0, 1, 0));
    assert_eq!(place.query(NAMES), [format!("{ANNA} 更新 3 1")]);
}

#[tokio::test]
async fn a_source_time_in_the_future_counts_as_the_time_of_receipt() {
    let (place, registry) = Place::with(&kept(&[&RESIDENT]));
    let future = (received(1) + 1_000_000_000_000).to_string();
    registry
        .merge(residents(1, 0, &[&[ANNA, "旧", "-", "-", &future]]))
        .await
        .unwrap();
    registry
        .merge(residents(2, 0, &[&[ANNA, "新", "-", "-", "-"]]))
        .await
        .unwrap();
    assert_eq!(place.query(NAMES), [format!("{ANNA} 新 2 1")]);
}

#[tokio::test]
async fn unchanged_rows_are_the_same_and_keep_their_provenance() {
    let (place, registry) = Place::with(&kept(&[&RESIDENT]));
    let rows: &[&[&str]] = &[&[ANNA, "甲", "1880-02-29", "-", "-"], &[BORIS, "乙", "-", "-", "-"]];
    registry.merge(residents(1, 0, rows)).await.unwrap();
    let again = registry.merge(residents(2, 0, rows)).await.unwrap();
    assert_eq!(again.counts, counts(0, 0, 2));
    assert_eq!(
        place.query("SELECT DISTINCT _leaf FROM public_security_resident"),
        ["1"]
    );
}

#[tokio::test]
async fn repeats_within_a_part_are_merged_one_after_the_other() {
    let (place, registry) = Place::with(&kept(&[&RESIDENT]));
    let rows: &[&[&str]] = &[
        &[ANNA, "一", "-", "-", "-"],
        &[ANNA, "一", "-", "-", "-"],
        &[ANNA, "二", "-", "-", "-"],
        &[ANNA, "三", "-", "-", "7"],
    ];
    let merged = registry.merge(residents(1, 0, rows)).await.unwrap();
    assert_eq!(merged.counts, counts(1, 1, 2));
    assert_eq!(place.query(NAMES), [format!("{ANNA} 二 1 3")]);
}

#[tokio::test]
async fn a_row_is_found_by_the_first_natural_key_that_is_complete() {
    let (place, registry) = Place::with(&kept(&[&ESTABLISHMENT, &CERTIFICATE, &DEATH]));
    let units: &[&[&str]] = &[
        &["91320700MA1000000X", "-", "甲厂", "-"],
        &["-", "320700000000001", "乙店", "-"],
        &["-", "320700000000002", "丙店", "-"],
        &["-", "-", "无号", "-"],
        &["-", "-", "也无号", "-"],
    ];
    let sent = part(&ESTABLISHMENT, 1, 0, whole(&ESTABLISHMENT, units));
    assert_eq!(registry.merge(sent).await.unwrap().counts, counts(5, 0, 0));
    let again = part(&ESTABLISHMENT, 2, 0, whole(&ESTABLISHMENT, units));
    assert_eq!(registry.merge(again).await.unwrap().counts, counts(0, 0, 5));
    assert_eq!(place.query("SELECT count(*) FROM enterprise"), ["3"]);
    // An absent part of a key stands as nothing.
    let deaths = whole(
        &DEATH,
        &[&[ANNA, "1950-01-01", "-"], &[ANNA, "1950-01-01", "1950-01-05"]],
    );
    assert_eq!(
        registry.merge(part(&DEATH, 3, 0, deaths)).await.unwrap().counts,
        counts(2, 0, 0)
    );
    let same = whole(&DEATH, &[&[ANNA, "1950-01-02", "-"]]);
    assert_eq!(
        registry.merge(part(&DEATH, 4, 0, same)).await.unwrap().counts,
        counts(0, 1, 0)
    );
}

#[tokio::test]
async fn a_part_with_fewer_columns_leaves_the_others_alone() {
    let (place, registry) = Place::with(&kept(&[&RESIDENT]));
    registry
        .merge(residents(1, 0, &[&[ANNA, "甲", "1880-02-29", "320706", "-"]]))
        .await
        .unwrap();
    let narrow = batch(&RESIDENT, &["citizen_id", "hukou_region"], &[&[ANNA, "320707"]]);
    assert_eq!(
        registry.merge(part(&RESIDENT, 2, 0, narrow)).await.unwrap().counts,
        counts(0, 1, 0)
    );
    assert_eq!(
        place.query("SELECT name, birth_date, hukou_region FROM public_security_resident"),
        ["甲 1880-02-29 320707"]
    );
}

#[tokio::test]
async fn a_part_that_the_registry_has_no_place_for_is_refused_without_its_values() {
    let (_place, registry) = Place::with(&kept(&[&RESIDENT]));
    let foreign = part(&DEATH, 1, 0, whole(&DEATH, &[&[ANNA, "-", "-"]]));
    let fault = registry.merge(foreign).await.unwrap_err();
    assert_eq!((fault.code(), fault.remedy()), ("SG6208", Remedy::SetAside));
    let mut extra = residents(1, 0, &[]);
    extra.batch = whole(&DEATH, &[&[ANNA, "-", "-"]]);
    let fault = registry.merge(extra).await.unwrap_err();
    assert_eq!(fault.code(), "SG6209");
    assert!(!format!("{fault} {fault:?}").contains(ANNA));
}

#[tokio::test]
async fn a_big_part_goes_through_many_statements_and_comes_back_the_same() {
    let (place, registry) = Place::with(&kept(&[&RESIDENT]));
    let ids: Vec<String> = (0..1_237).map(|n| format!("3207061880{n:08}")).collect();
    let rows: Vec<[&str; 5]> = ids
        .iter()
        .rev()
        .map(|id| [id.as_str(), "甲", "-", "320706", "-"])
        .collect();
    let rows: Vec<&[&str]> = rows.iter().map(<[&str; 5]>::as_slice).collect();
    let merged = registry.merge(residents(1, 0, &rows)).await.unwrap();
    assert_eq!(merged.counts, counts(1_237, 0, 0));
    let again = registry.merge(residents(2, 0, &rows)).await.unwrap();
    assert_eq!(again.counts, counts(0, 0, 1_237));
    assert_eq!(
        place.query("SELECT count(*), count(DISTINCT _row) FROM public_security_resident"),
        ["1237 1237"]
    );
}
