use std::sync::Arc;

use super::fixture::{ANNA, BORIS, CERTIFICATE, DEATH, ESTABLISHMENT, RESIDENT, batch, kept, part, received, whole};
use super::store::{Place, Store, on_both_stores};
use crate::registry::{Ahead, Counts, Part, RegistryFault, Remedy, Rows};

on_both_stores! {
    a_part_is_written_with_its_provenance_and_its_persons,
    a_part_that_comes_twice_changes_nothing,
    a_part_made_ready_ahead_is_merged_as_any_other,
    what_was_made_ready_for_other_keys_is_made_anew,
    a_part_before_its_predecessor_is_refused,
    after_a_restart_between_parts_the_rest_follows_and_rows_count_on,
    an_older_row_never_overwrites_a_newer_one,
    a_source_time_in_the_future_counts_as_the_time_of_receipt,
    unchanged_rows_are_the_same_and_keep_their_provenance,
    repeats_within_a_part_are_merged_one_after_the_other,
    a_row_is_found_by_the_first_natural_key_that_is_complete,
    a_row_of_fewer_columns_keeps_nothing_of_the_row_that_it_replaces,
    a_row_of_another_partner_says_nothing_that_he_did_not_send,
    a_part_that_the_registry_has_no_place_for_is_refused_without_its_values,
    a_big_part_goes_through_many_statements_and_comes_back_the_same,
    a_big_part_of_changed_rows_is_written_over_the_old_ones,
    parts_of_many_exchanges_go_in_together_as_if_one_after_the_other,
    nothing_of_parts_that_go_together_is_in_when_one_is_refused,
    odd_texts_and_days_come_back_as_they_were,
}

fn residents(leaf: u64, number: u32, rows: &[&[&str]]) -> Part {
    part(&RESIDENT, leaf, number, whole(&RESIDENT, rows))
}

fn counts(ins: u64, upd: u64, same: u64) -> Counts {
    Counts { ins, upd, same, del: 0 }
}

const HASHED: &str = "SELECT _key, _hash, _source_us, _row FROM public_security_resident ORDER BY _key";

async fn a_part_made_ready_ahead_is_merged_as_any_other(store: Store) {
    let rows: &[&[&str]] = &[
        &[BORIS, "乙", "1885-03-15", "320706", "5"],
        &[ANNA, "甲", "-", "-", "-"],
        &[BORIS, "丙", "1885-03-15", "320706", "7"],
    ];
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    registry.merge(residents(1, 0, rows)).await.unwrap();
    let as_any = place.query(HASHED);
    let (other, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let ready = registry.prepare(residents(1, 0, rows)).await.unwrap();
    assert!(ready.ahead.0.is_some());
    assert_eq!(registry.merge(ready).await.unwrap().counts, counts(2, 1, 0));
    assert_eq!(other.query(HASHED), as_any);
}

async fn what_was_made_ready_for_other_keys_is_made_anew(store: Store) {
    let tables = kept(&[&CERTIFICATE]);
    let (place, registry) = Place::with(store, &tables);
    let sent = part(&CERTIFICATE, 1, 0, whole(&CERTIFICATE, &[&["D1", ANNA, "1890-01-01"]]));
    // Before a bundle in force, the first key was not among the columns.
    let mut narrower = tables;
    narrower[0].keys.remove(0);
    let stale = Rows::ahead(&narrower[0], &sent).unwrap();
    let ahead = Ahead(Some(Arc::new(stale)));
    registry.merge(Part { ahead, ..sent }).await.unwrap();
    assert_eq!(place.query("SELECT _key FROM health_death_certificate"), ["D1"]);
}

const NAMES: &str = "SELECT citizen_id, name, _leaf, _row FROM public_security_resident ORDER BY citizen_id";

async fn a_part_is_written_with_its_provenance_and_its_persons(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
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
        place.query("SELECT birth_date, _partner, _source_us, _received_us = 1000000003000000, length(_hash), _exchange FROM public_security_resident WHERE name = '乙'"),
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

async fn a_part_that_comes_twice_changes_nothing(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
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

async fn a_part_before_its_predecessor_is_refused(store: Store) {
    let (_place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let fault = registry
        .merge(residents(1, 1, &[&[ANNA, "甲", "-", "-", "-"]]))
        .await
        .unwrap_err();
    assert!(matches!(fault, RegistryFault::OutOfOrder { due: 0, got: 1 }));
    assert_eq!(fault.remedy(), Remedy::SetAside);
}

async fn after_a_restart_between_parts_the_rest_follows_and_rows_count_on(store: Store) {
    let tables = kept(&[&RESIDENT]);
    let (place, registry) = Place::with(store, &tables);
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

async fn an_older_row_never_overwrites_a_newer_one(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
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

async fn a_source_time_in_the_future_counts_as_the_time_of_receipt(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
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

async fn unchanged_rows_are_the_same_and_keep_their_provenance(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let rows: &[&[&str]] = &[&[ANNA, "甲", "1880-02-29", "-", "-"], &[BORIS, "乙", "-", "-", "-"]];
    registry.merge(residents(1, 0, rows)).await.unwrap();
    let again = registry.merge(residents(2, 0, rows)).await.unwrap();
    assert_eq!(again.counts, counts(0, 0, 2));
    assert_eq!(
        place.query("SELECT DISTINCT _leaf FROM public_security_resident"),
        ["1"]
    );
}

async fn repeats_within_a_part_are_merged_one_after_the_other(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
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

async fn a_row_is_found_by_the_first_natural_key_that_is_complete(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&ESTABLISHMENT, &CERTIFICATE, &DEATH]));
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

async fn a_row_of_fewer_columns_keeps_nothing_of_the_row_that_it_replaces(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
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
        ["- - 320707"]
    );
    // The same again changes nothing, and the wide row again brings all of it back.
    let narrow = batch(&RESIDENT, &["citizen_id", "hukou_region"], &[&[ANNA, "320707"]]);
    assert_eq!(
        registry.merge(part(&RESIDENT, 3, 0, narrow)).await.unwrap().counts,
        counts(0, 0, 1)
    );
    let wide = residents(4, 0, &[&[ANNA, "甲", "1880-02-29", "320706", "-"]]);
    assert_eq!(registry.merge(wide).await.unwrap().counts, counts(0, 1, 0));
    assert_eq!(
        place.query("SELECT name, birth_date, hukou_region FROM public_security_resident"),
        ["甲 1880-02-29 320706"]
    );
}

async fn a_row_of_another_partner_says_nothing_that_he_did_not_send(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    // Few rows and many: both ways of writing are met.
    let ids: Vec<String> = (0..40).map(|n| format!("3207061880{n:08}")).collect();
    for few in [&ids[..1], &ids] {
        let wide: Vec<[&str; 5]> = few
            .iter()
            .map(|id| [id.as_str(), "甲", "1880-02-29", "320706", "-"])
            .collect();
        let wide: Vec<&[&str]> = wide.iter().map(<[&str; 5]>::as_slice).collect();
        let leaf = 2 * few.len() as u64;
        registry.merge(residents(leaf, 0, &wide)).await.unwrap();
        let narrow: Vec<[&str; 2]> = few.iter().map(|id| [id.as_str(), "320707"]).collect();
        let narrow: Vec<&[&str]> = narrow.iter().map(<[&str; 2]>::as_slice).collect();
        let mut narrow = part(
            &RESIDENT,
            leaf + 1,
            0,
            batch(&RESIDENT, &["citizen_id", "hukou_region"], &narrow),
        );
        narrow.partner = "public-security-ganyu".into();
        let merged = registry.merge(narrow).await.unwrap();
        assert_eq!(merged.counts, counts(0, few.len() as u64, 0));
        let told = "SELECT DISTINCT name, birth_date, hukou_region, _partner FROM public_security_resident";
        assert_eq!(place.query(told), ["- - 320707 public-security-ganyu"]);
    }
}

async fn a_part_that_the_registry_has_no_place_for_is_refused_without_its_values(store: Store) {
    let (_place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let foreign = part(&DEATH, 1, 0, whole(&DEATH, &[&[ANNA, "-", "-"]]));
    let fault = registry.merge(foreign).await.unwrap_err();
    assert_eq!((fault.code(), fault.remedy()), ("SG6208", Remedy::SetAside));
    let mut extra = residents(1, 0, &[]);
    extra.batch = whole(&DEATH, &[&[ANNA, "-", "-"]]);
    let fault = registry.merge(extra).await.unwrap_err();
    assert_eq!(fault.code(), "SG6209");
    assert!(!format!("{fault} {fault:?}").contains(ANNA));
}

async fn a_big_part_goes_through_many_statements_and_comes_back_the_same(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
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

async fn a_big_part_of_changed_rows_is_written_over_the_old_ones(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let ids: Vec<String> = (0..611).map(|n| format!("3207061880{n:08}")).collect();
    let named = |name: &'static str, ids: &[String]| {
        let rows: Vec<[&str; 5]> = ids.iter().map(|id| [id.as_str(), name, "-", "320706", "-"]).collect();
        let rows: Vec<&[&str]> = rows.iter().map(<[&str; 5]>::as_slice).collect();
        whole(&RESIDENT, &rows)
    };
    let first = part(&RESIDENT, 1, 0, named("甲", &ids[..600]));
    assert_eq!(registry.merge(first).await.unwrap().counts, counts(600, 0, 0));
    let second = part(&RESIDENT, 2, 0, named("乙", &ids[300..]));
    assert_eq!(registry.merge(second).await.unwrap().counts, counts(11, 300, 0));
    let third = part(&RESIDENT, 3, 0, named("丙", &ids));
    assert_eq!(registry.merge(third).await.unwrap().counts, counts(0, 611, 0));
    assert_eq!(
        place.query("SELECT name, _leaf, count(*) FROM public_security_resident GROUP BY name, _leaf"),
        ["丙 3 611"]
    );
    assert_eq!(place.query("SELECT count(*) FROM person"), ["611"]);
}

async fn parts_of_many_exchanges_go_in_together_as_if_one_after_the_other(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT, &ESTABLISHMENT]));
    let narrow = batch(&RESIDENT, &["citizen_id", "name"], &[&[ANNA, "丙"]]);
    let firm = |number: &'static str, leaf| {
        let rows: &[&[&str]] = &[&["91320700MA1000000X", number, "甲厂", "-"]];
        part(&ESTABLISHMENT, leaf, 0, whole(&ESTABLISHMENT, rows))
    };
    let parts = [
        residents(1, 0, &[&[ANNA, "甲", "1880-02-29", "320706", "-"]]),
        residents(
            2,
            0,
            &[
                &[ANNA, "乙", "1880-02-29", "320707", "-"],
                &[BORIS, "丁", "-", "-", "-"],
            ],
        ),
        residents(2, 1, &[&[BORIS, "戊", "-", "-", "-"], &[BORIS, "戊", "-", "-", "-"]]),
        part(&RESIDENT, 3, 0, narrow),
        firm("-", 4),
        firm("320700000000001", 5),
        residents(6, 0, &[&[ANNA, "旧", "-", "-", "5"]]),
    ];
    let merged = registry.merge_all(Arc::new(parts.clone())).await.unwrap();
    let all: Vec<Counts> = merged.iter().map(|merged| merged.counts).collect();
    assert_eq!(
        all,
        [
            counts(1, 0, 0),
            counts(1, 1, 0),
            counts(0, 1, 1),
            counts(0, 1, 0),
            counts(1, 0, 0),
            counts(0, 1, 0),
            counts(0, 0, 1),
        ]
    );
    assert_eq!(
        (merged[2].progress.parts, merged[2].progress.counts),
        (2, counts(1, 2, 1))
    );
    assert_eq!(
        place.query(
            "SELECT name, birth_date, hukou_region, _leaf, _row FROM public_security_resident ORDER BY _leaf, name"
        ),
        ["戊 - - 2 3", "丙 - - 3 1"]
    );
    assert_eq!(place.query("SELECT unit FROM enterprise"), ["MA1000000"]);
    let since = format!("{ANNA} {}", received(1));
    assert_eq!(
        place.query("SELECT citizen_id, first_us FROM person ORDER BY citizen_id")[0],
        since
    );
    // All of it once more, with something new behind: only that is written.
    let again: Vec<Part> = parts
        .into_iter()
        .chain([residents(7, 0, &[&[ANNA, "庚", "-", "-", "-"]])])
        .collect();
    let merged = registry.merge_all(again.into()).await.unwrap();
    let repeated = merged.iter().filter(|merged| merged.repeated).count();
    assert_eq!((repeated, merged[7].counts), (7, counts(0, 1, 0)));
    assert_eq!(merged[2].progress.counts, counts(1, 2, 1));
}

async fn nothing_of_parts_that_go_together_is_in_when_one_is_refused(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let good = || residents(1, 0, &[&[ANNA, "甲", "-", "-", "-"]]);
    let bad = residents(2, 1, &[&[BORIS, "乙", "-", "-", "-"]]);
    let fault = registry.merge_all(Arc::new([good(), bad])).await.unwrap_err();
    assert_eq!((fault.code(), fault.remedy()), ("SG6210", Remedy::SetAside));
    for table in ["public_security_resident", "person", "relay_progress"] {
        assert_eq!(place.query(&format!("SELECT count(*) FROM {table}")), ["0"]);
    }
    assert_eq!(registry.merge(good()).await.unwrap().counts, counts(1, 0, 0));
}

async fn odd_texts_and_days_come_back_as_they_were(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    for name in ["𠮷田", "O'Brien; --", "\\N\t\"{}\"", "a\u{1e}b", "{NULL}", "\u{feff}x"] {
        for day in ["0001-01-01", "1582-10-10", "1899-12-31", "9999-12-31"] {
            place.execute("DELETE FROM public_security_resident; DELETE FROM relay_progress");
            let sent = residents(1, 0, &[&[ANNA, name, day, "", "-1"]]);
            registry.merge(sent).await.unwrap();
            assert_eq!(
                place.query("SELECT name, birth_date, hukou_region, source_updated_at FROM public_security_resident"),
                [format!("{name} {day}  -1")]
            );
        }
    }
}
