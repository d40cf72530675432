//! Plans that exchanges ran on: kept once, as they first came, for good.

use super::Bench;
use crate::journal::{Journal, JournalPlace};
use crate::postgres::link::run_once;
use crate::postgres::stores::{Store, on_both_stores};

on_both_stores!(a_plan_that_is_kept_stays_as_it_is_also_after_a_restart,);

fn hash(number: u16) -> [u8; 32] {
    let mut hash = [7; 32];
    hash[..2].copy_from_slice(&number.to_le_bytes());
    hash
}

/// More than go into one piece of work.
fn plans(bytes: &[u8]) -> Vec<([u8; 32], Vec<u8>)> {
    (0..2_100).map(|number| (hash(number), bytes.to_vec())).collect()
}

async fn a_plan_that_is_kept_stays_as_it_is_also_after_a_restart(store: Store) {
    let bench = Bench::on(store);
    let journal = bench.open();
    let asked: Vec<[u8; 32]> = (2_000..2_103).map(hash).collect();
    assert_eq!(journal.plans_not_kept(asked.clone()).await.unwrap().len(), 103);
    journal.keep_plans(plans(b"first")).await.unwrap();
    journal.keep_plans(plans(b"second")).await.unwrap();
    journal.keep_plans(Vec::new()).await.unwrap();
    let missing = journal.plans_not_kept(asked).await.unwrap();
    assert_eq!(missing, [hash(2_100), hash(2_101), hash(2_102)].into());
    journal.close().await.unwrap();
    let journal = bench.open();
    assert_eq!(
        journal.past_plan(hash(2_099)).await.unwrap().as_deref(),
        Some(&b"first"[..])
    );
    assert_eq!(journal.past_plan(hash(2_100)).await.unwrap(), None);
}

#[tokio::test]
async fn a_journal_of_before_gets_the_table_and_the_gateways_role_its_rights_to_it() {
    if !Store::has_postgres() {
        return;
    }
    let bench = Bench::on(Store::Postgres);
    let mut settings = bench.settings();
    let mut owner = crate::postgres::stores::database("journal");
    settings.place = JournalPlace::Postgres(Box::new(owner.clone()));
    settings.head = bench.folder.path().join("other.head");
    run_once(&owner, &Journal::migration(&settings.place).unwrap()).unwrap();
    run_once(&owner, &Journal::roles(&settings.place).unwrap()).unwrap();
    run_once(&owner, "DROP TABLE past_plan; UPDATE journal_version SET version = 3").unwrap();
    let statements = Journal::migration(&settings.place).unwrap();
    assert!(statements.contains("CREATE TABLE past_plan") && !statements.contains("CREATE TABLE leaf"));
    run_once(&owner, &statements).unwrap();
    owner.address.role = "shuguan_journal".into();
    settings.place = JournalPlace::Postgres(Box::new(owner));
    Journal::migrate(&settings).unwrap();
    let journal = Journal::open(&settings, bench.clock()).unwrap();
    journal.keep_plans(plans(b"first")).await.unwrap();
    assert!(journal.past_plan(hash(1)).await.unwrap().is_some());
}
