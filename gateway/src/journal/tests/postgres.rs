//! What only PostgreSQL promises: one writer, sessions that break, a server that stands still, rights.

use std::io::Write;
use std::time::Duration;

use super::{Bench, Committing, exchange, keyed, one_row, sealed};
use crate::journal::statements::ALL;
use crate::journal::{Journal, JournalFault, JournalPlace, Outcome, Reader, SealError};
use crate::postgres::link::{run_once, wait};
use crate::postgres::stores::Store;
use crate::postgres::{LinkFault, PostgresSettings, link};

fn bench() -> Option<Bench> {
    Store::has_postgres().then(|| Bench::on(Store::Postgres))
}

fn server(bench: &Bench) -> &PostgresSettings {
    bench.server.as_ref().unwrap()
}

/// Ends the gateway's sessions from the server's side, as an administrator or a crash would.
fn cut(bench: &Bench) {
    bench.tamper(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'shuguan'",
    );
}

fn refused(settings: &PostgresSettings, statement: &str) -> bool {
    run_once(settings, statement).is_err_and(|fault| fault.is_state("42501"))
}

async fn has_failed(journal: &Journal) -> bool {
    let told = tokio::time::timeout(Duration::from_millis(200), journal.failed());
    told.await.is_ok()
}

#[test]
fn the_server_takes_every_statement_of_the_journal() {
    let Some(bench) = bench() else { return };
    let prepared = wait(async {
        let mut connection = link::connect(server(&bench), link::Purpose::Ask).await?;
        for (number, statement) in ALL.iter().enumerate() {
            let text = format!("PREPARE s{number} AS {}", statement.replace('?', "$"));
            let prepared = sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut connection).await;
            assert!(prepared.is_ok(), "{statement}: {prepared:?}");
        }
        Ok::<_, LinkFault>(())
    });
    prepared.unwrap();
}

#[tokio::test]
async fn a_second_gateway_is_refused_until_the_first_has_ended() {
    let Some(bench) = bench() else { return };
    let journal = bench.open();
    let fault = bench.fault();
    assert!(matches!(fault, JournalFault::Locked(_)), "{fault}");
    assert!(
        fault
            .to_string()
            .contains("another process has the journal `postgres://"),
        "{fault}"
    );
    journal.seal(one_row(&journal, 1)).await.unwrap();
    journal.close().await.unwrap();
    bench.open();
}

#[tokio::test]
async fn a_session_that_is_cut_between_two_groups_loses_nothing_and_doubles_nothing() {
    let Some(bench) = bench() else { return };
    let journal = bench.open();
    let first = sealed(journal.seal(keyed(one_row(&journal, 1), 1, 1)).await.unwrap());
    cut(&bench);
    let answer = journal.seal(keyed(one_row(&journal, 2), 2, 2)).await;
    assert_eq!(answer.unwrap_err(), SealError::Unavailable);
    assert!(
        !has_failed(&journal).await,
        "what was not committed is known not to be there"
    );
    let second = sealed(journal.seal(keyed(one_row(&journal, 2), 2, 2)).await.unwrap());
    assert_eq!((first.index, second.index), (1, 2));
    let again = journal.seal(keyed(one_row(&journal, 1), 1, 1)).await.unwrap();
    assert!(matches!(again, Outcome::Repeated(repeated) if repeated == first));
    assert_eq!(bench.verify().checkpoint.size, 3);
}

#[tokio::test]
async fn a_session_that_is_cut_within_a_group_has_written_nothing() {
    let Some(bench) = bench() else { return };
    let journal = bench.open();
    bench.tamper(
        "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS \
           $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$; \
         CREATE TRIGGER cut AFTER INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION cut()",
    );
    let answer = journal.seal(one_row(&journal, 1)).await;
    assert_eq!(answer.unwrap_err(), SealError::Unavailable);
    assert!(!has_failed(&journal).await);
    assert_eq!(bench.reader().size().unwrap(), 1);
    bench.tamper("DROP TRIGGER cut ON inbox");
    assert_eq!(sealed(journal.seal(one_row(&journal, 1)).await.unwrap()).index, 1);
    assert_eq!(bench.verify().checkpoint.size, 2);
}

#[tokio::test]
async fn a_session_that_is_cut_at_commit_stops_the_process_and_the_next_start_knows() {
    let Some(bench) = bench() else { return };
    let journal = bench.open();
    bench.tamper(
        "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS \
           $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON inbox DEFERRABLE INITIALLY DEFERRED \
           FOR EACH ROW EXECUTE FUNCTION cut()",
    );
    let entry = keyed(one_row(&journal, 1), 1, 1);
    assert_eq!(journal.seal(entry).await.unwrap_err(), SealError::Unavailable);
    assert!(has_failed(&journal).await, "nobody knows whether it was committed");
    let answer = journal.seal(one_row(&journal, 2)).await;
    assert_eq!(answer.unwrap_err(), SealError::Unavailable, "and nothing more is");
    drop(journal);
    bench.tamper("DROP TRIGGER cut ON inbox");
    let journal = bench.open();
    let one = sealed(journal.seal(keyed(one_row(&journal, 1), 1, 1)).await.unwrap());
    assert_eq!(one.index, 2, "two starts, and what was not committed after all");
    assert_eq!(journal.exchange(exchange(1)).await.unwrap().unwrap().leaves.len(), 1);
    assert_eq!(bench.verify().checkpoint.size, 3);
}

#[tokio::test]
async fn who_took_the_lock_meanwhile_keeps_it_and_the_stale_gateway_writes_nothing() {
    let Some(bench) = bench() else { return };
    let stale = bench.open();
    stale.seal(one_row(&stale, 1)).await.unwrap();
    cut(&bench);
    let journal = bench.open();
    assert_eq!(
        stale.seal(one_row(&stale, 2)).await.unwrap_err(),
        SealError::Unavailable
    );
    assert_eq!(sealed(journal.seal(one_row(&journal, 3)).await.unwrap()).index, 3);
    journal.close().await.unwrap();
    // It gets the lock now, and finds a tree that is not the one it left.
    assert_eq!(
        stale.seal(one_row(&stale, 4)).await.unwrap_err(),
        SealError::Unavailable
    );
    assert!(has_failed(&stale).await, "only a start knows whose log that is");
    assert_eq!(bench.verify().checkpoint.size, 5);
}

#[tokio::test]
async fn a_server_that_stands_still_is_an_answer_and_not_a_place_to_wait() {
    let Some(mut bench) = bench() else { return };
    if let Some(server) = &mut bench.server {
        server.lock_timeout_ms = 300;
    }
    let journal = bench.open();
    let blocked = server(&bench).clone();
    let blocking = std::thread::spawn(move || {
        run_once(
            &blocked,
            "BEGIN; LOCK TABLE leaf IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(1.5); COMMIT",
        )
        .unwrap();
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = std::time::Instant::now();
    let answer = journal.seal(one_row(&journal, 1)).await;
    assert_eq!(answer.unwrap_err(), SealError::Unavailable);
    assert!(began.elapsed() < Duration::from_millis(1_200), "{:?}", began.elapsed());
    assert!(matches!(journal.committing(), Committing::Fails { full: false, .. }));
    blocking.join().unwrap();
    super::commits_again(&journal).await;
    assert_eq!(sealed(journal.seal(one_row(&journal, 1)).await.unwrap()).index, 1);
}

#[tokio::test]
async fn the_gateways_role_adds_leaves_and_can_change_or_remove_none() {
    let Some(mut bench) = bench() else { return };
    let owner = server(&bench).clone();
    let roles = Journal::roles(&bench.settings().place).unwrap();
    for _ in 0..2 {
        run_once(&owner, &roles).unwrap();
    }
    if let Some(server) = &mut bench.server {
        server.address.role = "shuguan_journal".into();
    }
    let journal = bench.open();
    journal.seal(keyed(one_row(&journal, 1), 1, 1)).await.unwrap();
    journal.tick(super::START_US).await.unwrap();
    let relayed = journal.next_inbox(None).await.unwrap().unwrap();
    journal.relayed(exchange(1), super::relayed(&relayed)).await.unwrap();
    journal.erase_all_due(0).await.unwrap();
    journal.close().await.unwrap();
    for statement in [
        "UPDATE leaf SET bytes = '\\x00' WHERE idx = 1",
        "DELETE FROM leaf WHERE idx = 1",
        "TRUNCATE leaf",
        "UPDATE tile SET hash = hash",
        "DELETE FROM tile",
        "DELETE FROM inbox",
        "DELETE FROM tree",
        "UPDATE checkpoint SET note = ''",
        "DROP TRIGGER leaf_kept ON leaf",
        "ALTER TABLE leaf DISABLE TRIGGER USER",
        "SET session_replication_role = replica",
        "CREATE TABLE mine (id bigint)",
    ] {
        assert!(refused(server(&bench), statement), "{statement}");
    }
    assert!(!bench.reader().may_change_leaves().unwrap());
    // The owner of the tables may, but the trigger speaks up.
    let fault = run_once(&owner, "UPDATE leaf SET t = t").unwrap_err();
    assert!(fault.is_state("23001"), "{fault:?}");
    assert!(run_once(&owner, "TRUNCATE leaf").unwrap_err().is_state("23001"));
    bench.server = Some(owner);
    assert!(bench.reader().may_change_leaves().unwrap());
    assert_eq!(bench.verify().kinds["erased"], 1);
}

#[tokio::test]
async fn tables_are_made_by_whoever_may_and_the_journal_in_them_by_the_gateway() {
    let Some(bench) = bench() else { return };
    let mut settings = bench.settings();
    let mut owner = crate::postgres::stores::database("journal");
    settings.place = JournalPlace::Postgres(Box::new(owner.clone()));
    settings.head = bench.folder.path().join("other.head");
    let absent = Journal::open(&settings, bench.clock()).unwrap_err();
    assert!(matches!(absent, JournalFault::Absent(_)), "{absent}");
    let statements = Journal::migration(&settings.place).unwrap();
    assert!(statements.contains("CREATE TABLE leaf"));
    run_once(&owner, &statements).unwrap();
    run_once(&owner, &Journal::roles(&settings.place).unwrap()).unwrap();
    assert_eq!(Journal::migration(&settings.place).unwrap(), "");
    owner.address.role = "shuguan_journal".into();
    settings.place = JournalPlace::Postgres(Box::new(owner));
    for _ in 0..2 {
        Journal::migrate(&settings).unwrap();
    }
    assert!(settings.head.is_file());
    assert!(matches!(Journal::create(&settings), Err(JournalFault::Exists(_))));
    drop(Journal::open(&settings, bench.clock()).unwrap());
    assert_eq!(Reader::open(&settings.place).unwrap().size().unwrap(), 1);
}

#[tokio::test]
async fn tables_of_another_version_or_without_their_triggers_do_not_open() {
    let Some(bench) = bench() else { return };
    bench.tamper("ALTER TABLE leaf DISABLE TRIGGER leaf_kept");
    assert!(matches!(bench.fault(), JournalFault::Damaged(what) if what.contains("triggers")));
    bench.tamper("ALTER TABLE leaf ENABLE TRIGGER leaf_kept; UPDATE journal_version SET version = 99");
    assert!(matches!(bench.fault(), JournalFault::Foreign(_)));
}

/// Seals from 64 tasks for five seconds; how many a second.
async fn rate(journal: &Journal) -> u64 {
    let until = std::time::Instant::now() + Duration::from_secs(5);
    let mut sealers = tokio::task::JoinSet::new();
    for sealer in 0..64_u128 {
        let journal = journal.clone();
        sealers.spawn(async move {
            let mut sealed = 0_u64;
            while std::time::Instant::now() < until {
                let number = sealer * 1_000_000 + u128::from(sealed);
                journal.seal(one_row(&journal, number)).await.unwrap();
                sealed += 1;
            }
            sealed
        });
    }
    sealers.join_all().await.into_iter().sum::<u64>() / 5
}

fn tell(store: &str, rate: u64) {
    writeln!(std::io::stderr(), "{store}: {rate} exchanges/s").unwrap();
}

#[tokio::test]
async fn a_server_that_may_lose_what_it_confirmed_holds_no_journal() {
    use crate::postgres::cluster::{Cluster, Keeping};
    if !Store::has_postgres() {
        return;
    }
    let folder = std::env::temp_dir().join(format!("shuguan-forgets-{}", std::process::id()));
    let cluster = Cluster::start(
        &folder,
        Keeping::Nothing,
        &[("fsync", "on"), ("shuguan.throwaway", "off")],
    )
    .unwrap();
    let bench = Bench::new();
    let mut settings = bench.settings();
    let server = PostgresSettings::at(cluster.address("postgres"));
    settings.place = JournalPlace::Postgres(Box::new(server.clone()));
    settings.head = bench.folder.path().join("other.head");
    for refused in [Journal::create(&settings), Journal::migrate(&settings)] {
        let told = crate::chain::Chain(&refused.unwrap_err()).to_string();
        assert!(
            told.contains("full_page_writes = off") && told.contains("set fsync"),
            "{told}"
        );
    }
    // Not a table was made.
    assert!(!Journal::migration(&settings.place).unwrap().is_empty());
    drop(cluster);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, on a server that syncs"]
async fn how_many_exchanges_a_second_are_sealed_on_either_store() {
    use crate::postgres::cluster::{Cluster, Keeping};
    let folder = std::env::temp_dir().join(format!("shuguan-rate-{}", std::process::id()));
    let cluster = Cluster::start(&folder, Keeping::Data, &[]).unwrap();
    cluster.create_database("journal").unwrap();
    let file = Bench::new();
    let journal = file.open();
    tell("SQLite", rate(&journal).await);
    let mut settings = file.settings();
    settings.place = JournalPlace::Postgres(Box::new(PostgresSettings::at(cluster.address("journal"))));
    settings.head = file.folder.path().join("other.head");
    Journal::create(&settings).unwrap();
    let journal = Journal::open(&settings, file.clock()).unwrap();
    tell("PostgreSQL", rate(&journal).await);
    drop(journal);
    drop(cluster);
    std::fs::remove_dir_all(folder).unwrap();
}
