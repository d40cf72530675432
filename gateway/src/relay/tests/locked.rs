//! A registry on PostgreSQL whose table is locked, that hangs, or that refuses: who waits, what is counted meanwhile, and what is told.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};

use super::{Inbox, Running, one, quick};
use crate::postgres::PostgresSettings;
use crate::registry::tests::fixture::{ANNA, BORIS, DEATH, RESIDENT, kept, whole};
use crate::registry::tests::store::{Place, Store};
use crate::registry::{Registry, RegistrySettings};
use crate::relay::RelayState;

/// A registry whose writer waits so long for a lock, and an inbox.
fn place(lock_timeout_ms: u32) -> Option<(Place, Registry, Inbox)> {
    place_with(|server| server.lock_timeout_ms = lock_timeout_ms)
}

/// The same with other settings of the server.
fn place_with(change: impl FnOnce(&mut PostgresSettings)) -> Option<(Place, Registry, Inbox)> {
    if !Store::has_postgres() {
        return None;
    }
    let mut place = Place::new(Store::Postgres);
    let mut server = place.postgres().clone();
    change(&mut server);
    place.settings = RegistrySettings::Postgres(server);
    Registry::create(&place.settings, &kept(&[&RESIDENT, &DEATH])).unwrap();
    let registry = place.open(&kept(&[&RESIDENT, &DEATH]));
    let inbox = Inbox::beside(&place);
    Some((place, registry, inbox))
}

/// A session that keeps everybody from writing to residents until it is dropped.
async fn lock(place: &Place) -> PgConnection {
    use crate::postgres::link::{Purpose, connect};
    let mut connection = connect(place.postgres(), Purpose::Ask).await.unwrap();
    let text = "BEGIN; LOCK TABLE public_security_resident IN SHARE ROW EXCLUSIVE MODE";
    let locked = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
    locked.execute(&mut connection).await.unwrap();
    connection
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    unreachable!("{what}");
}

async fn set_aside(inbox: &Inbox) -> usize {
    inbox.journal.list_set_aside(None).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_holds_up_its_own_record_type_alone() {
    // Longer than a transaction may take, so that it would be latency if it were one of ours.
    let Some((place, registry, inbox)) = place(900) else {
        return;
    };
    let locked = lock(&place).await;
    inbox.put(RESIDENT.name, vec![one(ANNA, "甲")]).await;
    let mut settings = quick();
    (settings.retry_first_ms, settings.retry_max_ms) = (50, 50);
    let running = Running::start(&inbox, &registry, settings);
    until("the lock is met", || running.status.snapshot(0).last_error.is_some()).await;
    for _ in 0..3 {
        inbox
            .put(DEATH.name, vec![whole(&DEATH, &[&[BORIS, "1950-01-01", "1950-01-03"]])])
            .await;
    }
    inbox.until_relayed(3).await;
    let told = place.query("SELECT count(*) FROM public_security_resident");
    assert_eq!(told, ["0"]);
    assert_eq!(running.status.snapshot(0).pace_percent, 100, "a lock is no latency");
    // It is nobody's fault, however often it was tried.
    until("it is told what was locked", || {
        let told = running.status.snapshot(0).last_told;
        told.is_some_and(|told| told.contains("SQLSTATE 55P03"))
    })
    .await;
    assert_eq!(set_aside(&inbox).await, 0);
    drop(locked);
    inbox.until_relayed(4).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_takes_too_long_is_set_aside_while_others_of_its_record_type_go_in() {
    let Some((place, registry, inbox)) = place_with(|server| server.statement_timeout_ms = 400) else {
        return;
    };
    place.execute(
        "CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(10); RETURN NEW; END $$; \
         CREATE TRIGGER hangs BEFORE INSERT ON public_security_resident FOR EACH ROW WHEN (NEW.name = '甲乙丙') EXECUTE FUNCTION hang()",
    );
    let slow = inbox.put(RESIDENT.name, vec![one(ANNA, "甲乙丙")]).await;
    inbox.put(RESIDENT.name, vec![one(BORIS, "乙")]).await;
    let running = Running::start(&inbox, &registry, quick());
    inbox.until_relayed(1).await;
    // Alone it may be the registry that is slow: it is tried again and waits.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(set_aside(&inbox).await, 0);
    let mut told = None;
    for n in 0..200 {
        told = running.status.snapshot(0).last_told.or(told);
        inbox.put(RESIDENT.name, vec![one(BORIS, &format!("丙{n}"))]).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        if set_aside(&inbox).await == 1 {
            break;
        }
    }
    let aside = inbox.journal.list_set_aside(None).await.unwrap();
    assert_eq!(aside.iter().map(|item| item.exchange).collect::<Vec<_>>(), [slow]);
    assert_eq!(place.query("SELECT count(*) FROM public_security_resident"), ["1"]);
    let told = told.unwrap();
    assert!(told.contains("SQLSTATE 57014") && !told.contains("甲乙丙"), "{told}");
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_counted_while_the_registry_owes_an_answer() {
    let Some((place, registry, inbox)) = place(60_000) else {
        return;
    };
    let locked = lock(&place).await;
    inbox.put(RESIDENT.name, vec![one(ANNA, "甲")]).await;
    let running = Running::start(&inbox, &registry, quick());
    until("an order is open", || {
        registry
            .unanswered_for()
            .is_some_and(|owes| owes > Duration::from_millis(100))
    })
    .await;
    assert_eq!(running.status.snapshot(0).state, RelayState::Relaying);
    inbox.put(RESIDENT.name, vec![one(BORIS, "乙")]).await;
    until("both are counted", || running.status.snapshot(0).backlog_exchanges == 2).await;
    assert!(registry.unanswered_for().is_some());
    drop(locked);
    inbox.until_relayed(2).await;
    until("nothing is owed", || registry.unanswered_for().is_none()).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn why_the_registry_refused_is_told_with_sqlstate_and_constraint_and_without_a_value() {
    let Some((place, registry, inbox)) = place(1_000) else {
        return;
    };
    place.execute("ALTER TABLE public_security_resident ADD CONSTRAINT not_that_name CHECK (name <> '甲乙丙')");
    inbox.put(RESIDENT.name, vec![one(ANNA, "甲乙丙")]).await;
    let running = Running::start(&inbox, &registry, quick());
    until("it is set aside", || running.status.snapshot(0).set_aside_total == 1).await;
    let snapshot = running.status.snapshot(0);
    let told = snapshot.last_told.unwrap();
    assert_eq!(snapshot.last_error, Some("SG6216"));
    assert!(
        told.contains("write rows") && told.contains("SQLSTATE 23514") && told.contains("not_that_name"),
        "{told}"
    );
    assert!(!told.contains("甲乙丙") && !told.contains(ANNA), "{told}");
    running.stop().await.unwrap();
}

#[test]
fn a_database_may_be_mended_for_minutes_and_a_payload_mends_in_no_time() {
    use crate::registry::RegistryFault;
    use crate::relay::{RelayFault, RelaySettings};
    let settings = RelaySettings::default();
    let waited_ms = |fault: &RelayFault| -> u64 {
        let tries = fault.attempts_max(&settings);
        (0..tries - 1)
            .map(|waits| super::super::worker::wait_ms(&settings, waits))
            .sum()
    };
    let refused = RelayFault::Registry(RegistryFault::UnknownRecord { record: "a/b".into() });
    assert!(
        (180_000..600_000).contains(&waited_ms(&refused)),
        "{}",
        waited_ms(&refused)
    );
    let spoilt = RelayFault::Seal(crate::journal::SealError::Unfit(String::new()));
    assert!(waited_ms(&spoilt) < 5_000);
}
