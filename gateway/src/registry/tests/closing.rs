//! What closes a row, what opens it again, and what does not: deletes, snapshots, lateness, other partners, databases of before.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use uuid::Uuid;

use super::fixture::{ANNA, BORIS, ESTABLISHMENT, RESIDENT, kept, part, received, whole};
use super::store::{Place, Store, on_both_stores};
use crate::registry::{Counts, Ending, Missing, Part, Registry, RegistryFault, Remedy, Walk};

on_both_stores! {
    a_delete_closes_a_row_and_no_dataset_shows_it_until_it_comes_again,
    a_delete_that_is_older_than_the_row_closes_nothing,
    a_delete_that_comes_before_its_row_closes_it,
    a_delete_of_what_another_partner_has_closes_nothing,
    rows_of_one_key_are_taken_one_after_the_other,
    equal_content_of_another_partner_takes_the_row_over,
    an_unchanged_row_outlasts_an_older_one_that_comes_late,
    a_snapshot_closes_what_it_lacks_and_nothing_else,
    a_snapshot_goes_on_where_its_end_was_interrupted,
    a_snapshot_holds_what_it_had_to_reject,
    a_snapshot_holds_what_was_stamped_and_stamps_what_is_closed,
    a_snapshot_that_has_ended_closes_nothing_when_its_end_is_said_again,
    a_scope_by_a_column_that_is_not_there_is_refused,
    a_registry_of_before_is_refused_until_migrated_and_all_its_rows_are_open,
    units_are_closed_as_persons_are,
}

/// Rows with what each is about before its fields.
pub(crate) fn acts(leaf: u64, rows: &[(&str, [&str; 5])]) -> Part {
    let fields: Vec<&[&str]> = rows.iter().map(|(_, fields)| fields.as_slice()).collect();
    part(
        &RESIDENT,
        leaf,
        0,
        with_acts(&whole(&RESIDENT, &fields), rows.iter().map(|(act, _)| *act)),
    )
}

pub(super) fn with_acts<'a>(batch: &RecordBatch, acts: impl Iterator<Item = &'a str>) -> RecordBatch {
    let act: ArrayRef = Arc::new(StringArray::from_iter_values(acts));
    let fields = batch.schema().fields().iter().cloned().collect::<Vec<_>>();
    let fields = fields
        .into_iter()
        .chain([Arc::new(Field::new("_op", DataType::Utf8, true))]);
    let columns = batch.columns().iter().cloned().chain([act]).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns).unwrap()
}

pub(super) fn put(leaf: u64, rows: &[[&str; 5]]) -> Part {
    let rows: Vec<&[&str]> = rows.iter().map(<[&str; 5]>::as_slice).collect();
    part(&RESIDENT, leaf, 0, whole(&RESIDENT, &rows))
}

pub(super) fn of(partner: &str, mut part: Part) -> Part {
    part.partner = partner.into();
    part
}

pub(super) fn deletes(leaf: u64, id: &str) -> Part {
    acts(leaf, &[("D", [id, "-", "-", "-", "-"])])
}

pub(super) fn counts(ins: u64, upd: u64, same: u64, del: u64) -> Counts {
    Counts { ins, upd, same, del }
}

pub(super) async fn merged(registry: &Registry, part: Part) -> Counts {
    registry.merge(part).await.unwrap().counts
}

pub(super) fn ending(leaf: u64, scope: Option<&[&str]>) -> Arc<Ending> {
    let codes = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect();
    Arc::new(Ending {
        exchange: Uuid::from_u128(leaf.into()),
        leaf,
        record: RESIDENT.name.into(),
        partner: "public-security-city".into(),
        received_us: received(leaf),
        scope: scope.map(|named| ("hukou_region".to_owned(), codes(named))),
        keep: false,
        held: Arc::default(),
    })
}

/// Rows held and due, over all strides, and where something is to be done.
async fn weighed(registry: &Registry, ending: &Arc<Ending>) -> (u64, u64, Walk) {
    let (mut held, mut due, mut walk, mut after) = (0, 0, Walk::default(), Some(String::new()));
    while let Some(behind) = after {
        let weighed = registry.weigh(Arc::clone(ending), behind.clone()).await.unwrap();
        walk.counted(behind, &weighed);
        held += weighed.held;
        due += weighed.due;
        after = weighed.after;
    }
    (held, due, walk)
}

/// Counts, and closes to the end where counting found something; gives the rows that were closed and the strides.
pub(super) async fn ended(registry: &Registry, ending: &Arc<Ending>) -> (u64, u32) {
    let (_, due, mut walk) = weighed(registry, ending).await;
    let (mut rows, mut strides, mut place) = (0, 0, String::new());
    loop {
        let closed = registry.end(Arc::clone(ending), walk.resume(&place)).await.unwrap();
        rows += closed.rows;
        strides += 1;
        match closed.after {
            Some(upto) => place = upto,
            None => break,
        }
    }
    assert_eq!(rows, due);
    (rows, strides)
}

pub(super) const STATES: &str =
    "SELECT citizen_id, name, _open, _leaf FROM public_security_resident ORDER BY citizen_id";
pub(super) const HISTORY: &str = "SELECT row_key, leaf, row_no, kind, was_leaf, was_row, was_hash = hash FROM history ORDER BY leaf, row_no, row_key";

async fn a_delete_closes_a_row_and_no_dataset_shows_it_until_it_comes_again(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let anna = [ANNA, "甲", "1880-02-29", "320706", "-"];
    merged(&registry, put(1, &[anna, [BORIS, "乙", "-", "-", "-"]])).await;
    assert_eq!(merged(&registry, deletes(2, ANNA)).await, counts(0, 0, 0, 1));
    assert_eq!(
        place.query(STATES),
        [format!("{ANNA} 甲 0 1"), format!("{BORIS} 乙 1 1")]
    );
    assert_eq!(place.query("SELECT citizen_id FROM population"), [BORIS]);
    assert_eq!(registry.counts().unwrap()[0].1, 1);
    // Said again it changes nothing, and the same content opens the row.
    assert_eq!(merged(&registry, deletes(3, ANNA)).await, counts(0, 0, 1, 0));
    assert_eq!(merged(&registry, put(4, &[anna])).await, counts(1, 0, 0, 0));
    assert_eq!(place.query(STATES)[0], format!("{ANNA} 甲 2 4"));
    assert_eq!(
        place.query("SELECT citizen_id FROM population ORDER BY 1"),
        [ANNA, BORIS]
    );
    assert_eq!(
        place.query(HISTORY),
        [format!("{ANNA} 2 1 close 1 1 1"), format!("{ANNA} 4 1 reopen 1 1 1"),]
    );
    assert_eq!(
        place.query("SELECT record, partner, exchange, at_us = 1000000002000000 FROM history WHERE leaf = 2"),
        ["public-security/resident public-security-city 00000000000000000000000000000002 1"]
    );
}

async fn a_delete_that_is_older_than_the_row_closes_nothing(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    merged(&registry, put(1, &[[ANNA, "甲", "-", "-", "200"]])).await;
    let older = acts(2, &[("D", [ANNA, "-", "-", "-", "100"])]);
    assert_eq!(merged(&registry, older).await, counts(0, 0, 1, 0));
    assert_eq!(place.query(STATES), [format!("{ANNA} 甲 2 1")]);
    // A row between the two is older than what is there, and one behind the delete is not closed by it.
    merged(&registry, put(3, &[[ANNA, "旧", "-", "-", "150"]])).await;
    assert_eq!(place.query(STATES), [format!("{ANNA} 甲 2 1")]);
    assert_eq!(place.query(HISTORY), Vec::<String>::new());
}

async fn a_delete_that_comes_before_its_row_closes_it(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let early = acts(5, &[("D", [ANNA, "某某", "1880-02-29", "320706", "-"])]);
    assert_eq!(merged(&registry, early).await, counts(0, 0, 1, 0));
    // Only the key of what nobody may see any more.
    assert_eq!(
        place.query("SELECT citizen_id, name, birth_date, hukou_region, _open FROM public_security_resident"),
        [format!("{ANNA} - - - 0")]
    );
    assert_eq!(place.query("SELECT count(*) FROM person"), ["0"]);
    let late = put(3, &[[ANNA, "甲", "-", "-", "-"], [BORIS, "乙", "-", "-", "-"]]);
    assert_eq!(merged(&registry, late).await, counts(1, 0, 1, 0));
    assert_eq!(place.query("SELECT citizen_id FROM population"), [BORIS]);
    assert_eq!(
        merged(&registry, put(6, &[[ANNA, "甲", "-", "-", "-"]])).await,
        counts(1, 0, 0, 0)
    );
    assert_eq!(
        place.query("SELECT citizen_id FROM population ORDER BY 1"),
        [ANNA, BORIS]
    );
}

async fn a_delete_of_what_another_partner_has_closes_nothing(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    merged(&registry, put(1, &[[ANNA, "甲", "-", "-", "-"]])).await;
    let foreign = || of("public-security-ganyu", deletes(2, ANNA));
    assert_eq!(merged(&registry, foreign()).await, counts(0, 0, 1, 0));
    assert_eq!(place.query(STATES), [format!("{ANNA} 甲 2 1")]);
    // An older row of the one who deleted is closed by that; a newer one opens it.
    let late = of("public-security-ganyu", put(1, &[[BORIS, "乙", "-", "-", "-"]]));
    let mut late = late;
    late.exchange = Uuid::from_u128(77);
    merged(&registry, late).await;
    let newer = of("public-security-ganyu", put(3, &[[ANNA, "丙", "-", "-", "-"]]));
    assert_eq!(merged(&registry, newer).await, counts(0, 1, 0, 0));
    assert_eq!(place.query(STATES)[0], format!("{ANNA} 丙 2 3"));
    // What the first one deletes now is not its own any more.
    assert_eq!(merged(&registry, deletes(4, ANNA)).await, counts(0, 0, 1, 0));
    assert_eq!(place.query(STATES)[0], format!("{ANNA} 丙 2 3"));
}

async fn rows_of_one_key_are_taken_one_after_the_other(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let rows = [
        ("I", [ANNA, "一", "-", "-", "-"]),
        ("D", [ANNA, "-", "-", "-", "-"]),
        ("U", [ANNA, "二", "-", "-", "-"]),
        ("D", [BORIS, "-", "-", "-", "-"]),
        ("I", [BORIS, "乙", "-", "-", "-"]),
        ("D", [BORIS, "-", "-", "-", "-"]),
    ];
    assert_eq!(merged(&registry, acts(1, &rows)).await, counts(3, 0, 1, 2));
    assert_eq!(
        place.query(STATES),
        [format!("{ANNA} 二 2 1"), format!("{BORIS} 乙 0 1")]
    );
    assert_eq!(place.query(HISTORY), Vec::<String>::new());
}

async fn equal_content_of_another_partner_takes_the_row_over(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let row = [ANNA, "甲", "-", "-", "-"];
    merged(&registry, put(1, &[row])).await;
    let taken = of("public-security-ganyu", put(2, &[row]));
    assert_eq!(merged(&registry, taken).await, counts(0, 1, 0, 0));
    assert_eq!(merged(&registry, deletes(3, ANNA)).await, counts(0, 0, 1, 0));
    assert_eq!(
        place.query("SELECT _partner, _open FROM public_security_resident"),
        ["public-security-ganyu 2"]
    );
    assert_eq!(place.query(HISTORY), [format!("{ANNA} 2 1 update 1 1 1")]);
}

async fn an_unchanged_row_outlasts_an_older_one_that_comes_late(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let row = [ANNA, "甲", "-", "-", "-"];
    merged(&registry, put(1, &[row])).await;
    let mut again = put(5, &[row]);
    again.confirm = true;
    assert_eq!(merged(&registry, again).await, counts(0, 0, 1, 0));
    assert_eq!(
        merged(&registry, put(3, &[[ANNA, "旧", "-", "-", "-"]])).await,
        counts(0, 0, 1, 0)
    );
    assert_eq!(merged(&registry, deletes(4, ANNA)).await, counts(0, 0, 1, 0));
    assert_eq!(place.query(STATES), [format!("{ANNA} 甲 2 5")]);
    assert_eq!(place.query(HISTORY), Vec::<String>::new());
}

fn id(number: u64) -> String {
    format!("32070618800101{number:03}0")
}

/// Residents by number, each with a name and a region.
fn residents(leaf: u64, rows: &[(u64, &str, &str)]) -> Part {
    let ids: Vec<String> = rows.iter().map(|(number, ..)| id(*number)).collect();
    let rows: Vec<[&str; 5]> = ids
        .iter()
        .zip(rows)
        .map(|(id, (_, name, region))| [id.as_str(), name, "-", region, "-"])
        .collect();
    put(leaf, &rows)
}

fn snapshot(mut part: Part) -> Part {
    part.snapshot = true;
    part
}

pub(super) const CLOSED: &str = "SELECT citizen_id FROM public_security_resident WHERE _open = 0 ORDER BY citizen_id";

async fn a_snapshot_closes_what_it_lacks_and_nothing_else(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let city: Vec<(u64, &str, &str)> = (0..10).map(|number| (number, "甲", "320706")).collect();
    merged(&registry, residents(1, &city)).await;
    merged(&registry, residents(2, &[(20, "乙", "320707"), (21, "乙", "-")])).await;
    let mut foreign = of("public-security-ganyu", residents(3, &[(30, "丙", "320706")]));
    foreign.exchange = Uuid::from_u128(33);
    merged(&registry, foreign).await;
    // It holds 0 to 4 unchanged, 5 changed, 40 anew; 7 comes once more behind it.
    let mut held: Vec<(u64, &str, &str)> = city[..5].to_vec();
    held.extend([(5, "丁", "320706"), (40, "戊", "320706")]);
    assert_eq!(
        merged(&registry, snapshot(residents(6, &held))).await,
        counts(1, 1, 5, 0)
    );
    let mut behind = residents(7, &[(7, "甲", "320706")]);
    behind.confirm = true;
    merged(&registry, behind).await;
    let ending = ending(6, Some(&["320706", "320799"]));
    // What came once more behind it does not count as held.
    let (held, due, _) = weighed(&registry, &ending).await;
    assert_eq!((held, due), (10, 3));
    let (rows, strides) = ended(&registry, &ending).await;
    assert_eq!((rows, strides > 2), (3, true));
    assert_eq!(place.query(CLOSED), [id(6), id(8), id(9)]);
    assert_eq!(place.query("SELECT count(*) FROM population"), ["11"]);
    assert_eq!(place.query("SELECT count(*) FROM snapshot_held"), ["0"]);
    assert_eq!(place.query("SELECT count(*) FROM snapshot_seen"), ["0"]);
    let progress = registry.progress(ending.exchange).await.unwrap().unwrap();
    assert_eq!((progress.counts, progress.rows), (counts(1, 1, 5, 3), 7));
    assert_eq!(
        place.query("SELECT row_key, leaf, row_no, kind, was_leaf FROM history WHERE kind = 'close' ORDER BY row_key"),
        [6, 8, 9].map(|number| format!("{} 6 0 close 1", id(number)))
    );
    // Once more it closes nothing, and what is behind it opens what it closed.
    assert_eq!(ended(&registry, &ending).await.0, 0);
    assert_eq!(
        merged(&registry, residents(8, &[(6, "甲", "320706")])).await,
        counts(1, 0, 0, 0)
    );
    // What is older than it and late does not.
    let mut late = residents(4, &[(8, "迟", "320706")]);
    late.exchange = Uuid::from_u128(44);
    assert_eq!(merged(&registry, late).await, counts(0, 0, 1, 0));
    assert_eq!(place.query(CLOSED), [id(8), id(9)]);
}

async fn a_snapshot_goes_on_where_its_end_was_interrupted(store: Store) {
    let tables = kept(&[&RESIDENT]);
    let (place, registry) = Place::with(store, &tables);
    let city: Vec<(u64, &str, &str)> = (0..10).map(|number| (number, "甲", "320706")).collect();
    merged(&registry, residents(1, &city)).await;
    merged(&registry, snapshot(residents(2, &city[4..5]))).await;
    let ending = ending(2, None);
    let first = registry.end(Arc::clone(&ending), String::new()).await.unwrap();
    assert_eq!(
        (
            first.rows,
            first.after.is_none(),
            first.progress.closing,
            first.progress.closed
        ),
        (3, false, true, false)
    );
    assert_eq!(place.query(CLOSED), [id(0), id(1), id(2)]);
    registry.close().await;
    let registry = place.open(&tables);
    assert!(registry.progress(ending.exchange).await.unwrap().unwrap().closing);
    assert_eq!(ended(&registry, &ending).await.0, 6);
    let open = "SELECT citizen_id FROM public_security_resident WHERE _open <> 0";
    assert_eq!(place.query(open), [id(4)]);
    let progress = registry.progress(ending.exchange).await.unwrap().unwrap();
    assert_eq!((progress.counts, progress.closed), (counts(0, 0, 1, 9), true));
    assert_eq!(place.query("SELECT count(*) FROM history"), ["9"]);
}

/// Killed behind the last stride and before its outcome is noted, the relay ends it once more; then nothing says any more what the snapshot held.
async fn a_snapshot_that_has_ended_closes_nothing_when_its_end_is_said_again(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    for people in [2, 3, 4] {
        let leaf = 10 * people;
        let city: Vec<(u64, &str, &str)> = (0..people).map(|number| (number, "甲", "320706")).collect();
        merged(&registry, residents(leaf, &city)).await;
        assert_eq!(
            merged(&registry, snapshot(residents(leaf + 1, &city))).await.same,
            people
        );
        // Counting found nothing, so nobody looks a second time.
        assert_eq!(ended(&registry, &ending(leaf + 1, None)).await, (0, 1));
        let again = registry.end(ending(leaf + 1, None), String::new()).await.unwrap();
        assert_eq!((again.rows, again.after.is_none()), (0, true), "{people}");
        assert_eq!(place.query(CLOSED), Vec::<String>::new(), "{people}");
    }
}

/// What an earlier version stamped key by key is held too, and what was closed in between is stamped.
async fn a_snapshot_holds_what_was_stamped_and_stamps_what_is_closed(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let city: Vec<(u64, &str, &str)> = (0..5).map(|number| (number, "甲", "320706")).collect();
    merged(&registry, residents(1, &city)).await;
    merged(&registry, snapshot(residents(2, &city[..3]))).await;
    let exchange = place.query("SELECT exchange FROM snapshot_held");
    assert_eq!(exchange.len(), 1);
    place.execute(&format!(
        "INSERT INTO snapshot_seen (exchange, row_key) SELECT exchange, '{}' FROM snapshot_held",
        id(3)
    ));
    merged(&registry, deletes(3, &id(1))).await;
    assert_eq!(ended(&registry, &ending(2, None)).await.0, 1);
    assert_eq!(place.query(CLOSED), [id(1), id(4)]);
    assert_eq!(
        place.query("SELECT row_key FROM snapshot_seen ORDER BY row_key"),
        [id(1), id(3)]
    );
    assert_eq!(place.query("SELECT count(*) FROM snapshot_held"), ["0"]);
}

async fn a_snapshot_holds_what_it_had_to_reject(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    merged(
        &registry,
        put(1, &[[ANNA, "甲", "-", "-", "-"], [BORIS, "乙", "-", "-", "-"]]),
    )
    .await;
    let rows = [
        ("N", [ANNA, "-", "-", "-", "-"]),
        ("N", ["320706188001010140", "-", "-", "-", "-"]),
    ];
    assert_eq!(merged(&registry, snapshot(acts(2, &rows))).await, counts(0, 0, 0, 0));
    assert_eq!(ended(&registry, &ending(2, None)).await.0, 1);
    assert_eq!(
        place.query(STATES),
        [format!("{ANNA} 甲 1 1"), format!("{BORIS} 乙 0 1")]
    );
}

async fn a_scope_by_a_column_that_is_not_there_is_refused(store: Store) {
    let (_place, registry) = Place::with(store, &kept(&[&RESIDENT]));
    let mut ending = (*ending(1, Some(&["1"]))).clone();
    ending.scope = Some(("sex".into(), vec!["1".into()]));
    let fault = registry
        .weigh(Arc::new(ending.clone()), String::new())
        .await
        .unwrap_err();
    assert_eq!((fault.code(), fault.remedy()), ("SG6209", Remedy::SetAside));
    // One of which nothing was accepted has no part; its end is written down all the same.
    ending.scope = None;
    let closed = registry.end(Arc::new(ending), String::new()).await.unwrap();
    assert_eq!(
        (closed.rows, closed.after.is_none(), closed.progress.parts),
        (0, true, 0)
    );
}

async fn a_registry_of_before_is_refused_until_migrated_and_all_its_rows_are_open(store: Store) {
    let tables = kept(&[&RESIDENT]);
    let (place, registry) = Place::with(store, &tables);
    merged(&registry, put(1, &[[ANNA, "甲", "-", "-", "-"]])).await;
    registry.close().await;
    let mut before = "DROP VIEW population; DROP VIEW enterprises; DROP TABLE history; DROP TABLE closing; \
        DROP TABLE snapshot_seen; DROP TABLE snapshot_held; ALTER TABLE public_security_resident DROP COLUMN _open; \
        ALTER TABLE relay_progress DROP COLUMN deleted; ALTER TABLE relay_progress DROP COLUMN close_after;"
        .to_owned();
    if store == Store::Sqlite {
        before.push_str(
            "DELETE FROM column_comment WHERE table_name IN ('history', 'closing', 'snapshot_seen', 'snapshot_held') \
             OR column_name IN ('_open', 'deleted', 'close_after')",
        );
    }
    place.execute(&before);
    let refused = Registry::open(&place.settings, tables.clone(), Missing::Refuse).unwrap_err();
    let RegistryFault::Behind { missing, .. } = &refused else {
        unreachable!("{refused:?}");
    };
    for name in [
        "history",
        "closing",
        "snapshot_seen",
        "snapshot_held",
        "relay_progress.deleted",
        "relay_progress.close_after",
        "public_security_resident._open",
    ] {
        assert!(missing.iter().any(|missing| missing == name), "{name}: {missing:?}");
    }
    assert!(refused.to_string().contains("shuguan db migrate"));
    let registry = Registry::open(&place.settings, tables.clone(), Missing::Add).unwrap();
    assert_eq!(place.query(STATES), [format!("{ANNA} 甲 1 1")]);
    assert_eq!(place.query("SELECT citizen_id FROM population"), [ANNA]);
    let progress = registry.progress(Uuid::from_u128(1)).await.unwrap().unwrap();
    assert_eq!((progress.counts, progress.closing), (counts(1, 0, 0, 0), false));
    assert_eq!(merged(&registry, deletes(2, ANNA)).await, counts(0, 0, 0, 1));
    registry.close().await;
    place.open(&tables).close().await;
}

async fn units_are_closed_as_persons_are(store: Store) {
    let (place, registry) = Place::with(store, &kept(&[&ESTABLISHMENT]));
    let rows: &[&[&str]] = &[&["91320700MA1000000X", "-", "甲厂", "-"]];
    merged(&registry, part(&ESTABLISHMENT, 1, 0, whole(&ESTABLISHMENT, rows))).await;
    assert_eq!(place.query("SELECT name FROM enterprises"), ["甲厂"]);
    let gone: &[&[&str]] = &[
        &["91320700MA1000000X", "-", "-", "-"],
        &["91320700MA10000016", "-", "-", "-"],
    ];
    let gone = with_acts(&whole(&ESTABLISHMENT, gone), ["D", "D"].into_iter());
    assert_eq!(
        merged(&registry, part(&ESTABLISHMENT, 2, 0, gone)).await,
        counts(0, 0, 1, 1)
    );
    assert_eq!(place.query("SELECT name FROM enterprises"), Vec::<String>::new());
    assert_eq!(
        place.query("SELECT count(*) FROM commerce_establishment WHERE _unit IS NULL"),
        ["1"]
    );
}
