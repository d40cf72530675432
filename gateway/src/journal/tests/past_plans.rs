//! Plans that exchanges ran on: kept once, as they first came, for good; and what happens to a row that somebody edits.

use super::Bench;
use crate::hex::hex;
use crate::journal::{Journal, JournalPlace, NotKept, PlanRow, examine};
use crate::postgres::link::run_once;
use crate::postgres::stores::{Store, on_both_stores};
use crate::sha256;

on_both_stores!(
    a_plan_that_is_kept_is_there_after_a_restart_too,
    a_plan_that_was_edited_is_told_from_none_and_written_anew,
    a_deep_look_names_each_plan_that_was_edited,
);

fn bytes(number: u32) -> Vec<u8> {
    format!("plan {number}").into_bytes()
}

fn hash(number: u32) -> [u8; 32] {
    sha256::of(&bytes(number))
}

/// More than go into one piece of work.
fn plans() -> Vec<([u8; 32], Vec<u8>)> {
    (0..2_100).map(|number| (hash(number), bytes(number))).collect()
}

fn edit(bench: &Bench, number: u32) {
    bench.tamper(&format!(
        "UPDATE past_plan SET bytes = x'00' WHERE hash = x'{}'",
        hex(&hash(number))
    ));
}

async fn a_plan_that_is_kept_is_there_after_a_restart_too(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let asked: Vec<[u8; 32]> = (2_000..2_103).map(hash).collect();
    assert_eq!(journal.plans_not_kept(asked.clone()).await.unwrap().absent.len(), 103);
    journal.keep_plans(plans()).await.unwrap();
    journal.keep_plans(plans()).await.unwrap();
    journal.keep_plans(Vec::new()).await.unwrap();
    let absent = [hash(2_100), hash(2_101), hash(2_102)].into();
    let edited = [].into();
    assert_eq!(journal.plans_not_kept(asked).await.unwrap(), NotKept { absent, edited });
    journal.close().await.unwrap();
    let journal = bench.open();
    let kept = journal.past_plan(hash(2_099)).await.unwrap();
    assert_eq!(kept, PlanRow::Whole(bytes(2_099)));
    assert_eq!(journal.past_plan(hash(2_100)).await.unwrap(), PlanRow::Absent);
}

async fn a_plan_that_was_edited_is_told_from_none_and_written_anew(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    journal.keep_plans(plans()).await.unwrap();
    edit(&bench, 7);
    assert_eq!(journal.past_plan(hash(7)).await.unwrap(), PlanRow::Edited);
    let not_kept = journal
        .plans_not_kept(vec![hash(7), hash(8), hash(2_100)])
        .await
        .unwrap();
    let (absent, edited) = ([hash(2_100)].into(), [hash(7)].into());
    assert_eq!(not_kept, NotKept { absent, edited });
    journal.keep_plans(vec![(hash(7), bytes(7))]).await.unwrap();
    assert_eq!(journal.past_plan(hash(7)).await.unwrap(), PlanRow::Whole(bytes(7)));
}

async fn a_deep_look_names_each_plan_that_was_edited(store: Store) {
    let bench = Bench::on(store);
    bench.open().keep_plans(plans()).await.unwrap();
    let look = || examine(&bench.settings()).unwrap();
    assert_eq!((look().plans, look().plans_edited), (2_100, Vec::new()));
    edit(&bench, 7);
    assert_eq!((look().plans, look().plans_edited), (2_100, vec![hash(7)]));
}

#[tokio::test]
async fn a_journal_of_before_gets_the_table_and_the_gateways_role_its_rights_to_it() {
    if !Store::has_postgres() {
        return;
    }
    let bench = Bench::on(Store::Postgres);
    let mut settings = bench.settings();
    let owner = crate::postgres::stores::database("journal");
    settings.place = JournalPlace::Postgres(Box::new(owner.clone()));
    settings.head = bench.folder.path().join("other.head");
    run_once(&owner, &Journal::migration(&settings.place).unwrap()).unwrap();
    run_once(&owner, &Journal::roles(&settings.place).unwrap()).unwrap();
    run_once(&owner, "DROP TABLE past_plan; UPDATE journal_version SET version = 3").unwrap();
    let statements = Journal::migration(&settings.place).unwrap();
    assert!(statements.contains("CREATE TABLE past_plan") && !statements.contains("CREATE TABLE leaf"));
    run_once(&owner, &statements).unwrap();
    let edit = "UPDATE past_plan SET bytes = ''::bytea";
    let mut writer = owner.clone();
    writer.address.role = "shuguan_journal".into();
    settings.place = JournalPlace::Postgres(Box::new(writer));
    Journal::migrate(&settings).unwrap();
    let journal = Journal::open(&settings, bench.clock()).unwrap();
    journal.keep_plans(plans()).await.unwrap();
    run_once(&owner, edit).unwrap();
    journal.keep_plans(plans()).await.unwrap();
    assert_eq!(journal.past_plan(hash(1)).await.unwrap(), PlanRow::Whole(bytes(1)));
}
