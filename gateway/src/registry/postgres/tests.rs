//! What only PostgreSQL promises: connections that break, locks, roles, comments, silence about values.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection;

use super::fault::remedy;
use super::session::{self, Purpose, Session};
use super::{merge, roles};
use crate::postgres::cluster::{Cluster, Keeping};
use crate::postgres::condition::Condition;
use crate::postgres::{PostgresAddress, PostgresFault, PostgresServer, PostgresSettings, Refusal, link};
use crate::registry::tests::discrepancies;
use crate::registry::tests::fixture::{ANNA, BORIS, DEATH, ESTABLISHMENT, RESIDENT, kept, part, whole};
use crate::registry::tests::store::{Place, Store};
use crate::registry::{Counts, Ending, Missing, Part, Registry, RegistryFault, RegistrySettings, Remedy, Standing};

fn resident(leaf: u64, id: &str, name: &str) -> Part {
    part(&RESIDENT, leaf, 0, whole(&RESIDENT, &[&[id, name, "-", "-", "-"]]))
}

fn new(ins: u64) -> Counts {
    Counts {
        ins,
        ..Counts::default()
    }
}

fn state_of(fault: &RegistryFault) -> &str {
    match fault {
        RegistryFault::Postgres {
            source: PostgresFault::Refused(refusal),
            ..
        } => &refusal.state,
        other => unreachable!("{other:?}"),
    }
}

/// Ends the gateway's connections from the server's side, as an administrator or a crash would.
fn cut(place: &Place) {
    place.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'shuguan'",
    );
}

#[tokio::test]
async fn a_connection_that_was_cut_is_a_wait_and_the_next_order_goes_through() {
    if !Store::has_postgres() {
        return;
    }
    let (place, registry) = Place::with(Store::Postgres, &kept(&[&RESIDENT]));
    assert_eq!(registry.merge(resident(1, ANNA, "甲")).await.unwrap().counts, new(1));
    cut(&place);
    let fault = registry.merge(resident(2, BORIS, "乙")).await.unwrap_err();
    assert_eq!((fault.code(), fault.remedy()), ("SG6216", Remedy::Wait));
    assert_eq!(registry.standing(), Standing::Lost("SG6216"));
    assert_eq!(registry.merge(resident(2, BORIS, "乙")).await.unwrap().counts, new(1));
    assert_eq!(registry.standing(), Standing::Ready);
    assert!(registry.merge(resident(1, ANNA, "丙")).await.unwrap().repeated);
    assert_eq!(place.query("SELECT count(*) FROM public_security_resident"), ["2"]);
}

#[tokio::test]
async fn what_is_not_committed_leaves_neither_rows_nor_progress_nor_persons() {
    if !Store::has_postgres() {
        return;
    }
    let tables = kept(&[&RESIDENT]);
    let (place, registry) = Place::with(Store::Postgres, &tables);
    let mut session = Session::new(place.postgres().clone(), tables.clone());
    let mut live = session.take().await.unwrap();
    live.simple("begin", merge::BEGIN).await.unwrap();
    let merged = merge::merge_in(&mut live, &tables, &[resident(1, ANNA, "甲")]).await;
    assert_eq!(merged.unwrap()[0].counts, new(1));
    drop(live);
    assert_eq!(registry.merge(resident(1, BORIS, "乙")).await.unwrap().counts, new(1));
    for table in ["public_security_resident", "person", "relay_progress"] {
        assert_eq!(place.query(&format!("SELECT count(*) FROM {table}")), ["1"]);
    }
}

#[tokio::test]
async fn two_gateways_on_one_database_write_one_after_the_other_and_lose_nothing() {
    if !Store::has_postgres() {
        return;
    }
    let tables = kept(&[&RESIDENT]);
    let (place, first) = Place::with(Store::Postgres, &tables);
    let second = place.open(&tables);
    let writes = |registry: Registry, leaves: std::ops::Range<u64>| async move {
        let mut all = Counts::default();
        for leaf in leaves {
            all += registry
                .merge(resident(leaf, ANNA, &format!("名{leaf}")))
                .await
                .unwrap()
                .counts;
        }
        all
    };
    let (one, other) = tokio::join!(writes(first, 1..40), writes(second, 101..140));
    let all = (one.ins + other.ins, one.rows() + other.rows());
    assert_eq!(all, (1, 78));
    assert_eq!(place.query("SELECT name FROM public_security_resident"), ["名139"]);
    assert_eq!(place.query("SELECT count(*) FROM relay_progress"), ["78"]);
}

#[tokio::test]
async fn a_lock_that_another_holds_is_waited_for_so_long_and_is_nobodys_fault() {
    if !Store::has_postgres() {
        return;
    }
    let tables = kept(&[&RESIDENT]);
    let (mut place, _registry) = Place::with(Store::Postgres, &tables);
    let mut settings = place.postgres().clone();
    settings.lock_timeout_ms = 50;
    place.settings = RegistrySettings::Postgres(settings);
    let registry = place.open(&tables);
    let mut other = session::connect(place.postgres(), Purpose::Write).await.unwrap();
    sqlx::raw_sql(merge::BEGIN).execute(&mut other).await.unwrap();
    let fault = registry.merge(resident(1, ANNA, "甲")).await.unwrap_err();
    assert_eq!((state_of(&fault), fault.remedy()), ("55P03", Remedy::Wait));
    other.close().await.unwrap();
    assert_eq!(registry.merge(resident(1, ANNA, "甲")).await.unwrap().counts, new(1));
}

#[tokio::test]
async fn a_value_that_the_server_refuses_is_set_aside_and_stands_in_no_word_about_it() {
    if !Store::has_postgres() {
        return;
    }
    let (place, registry) = Place::with(Store::Postgres, &kept(&[&RESIDENT]));
    place.execute("ALTER TABLE public_security_resident ADD CONSTRAINT no_secret CHECK (name <> '机密')");
    let fault = registry.merge(resident(1, ANNA, "机密")).await.unwrap_err();
    assert_eq!((state_of(&fault), fault.remedy()), ("23514", Remedy::SetAside));
    // PostgreSQL's own DETAIL is "Failing row contains (...)".
    let told = format!("{} {fault:?}", crate::chain::Chain(&fault));
    assert!(
        told.contains("no_secret") && !told.contains("机密") && !told.contains(ANNA),
        "{told}"
    );
    assert_eq!(registry.standing(), Standing::Ready);
    let fault = registry.merge(resident(2, ANNA, "a\0b")).await.unwrap_err();
    assert_eq!((state_of(&fault), fault.remedy()), ("22021", Remedy::SetAside));
    assert!(!format!("{fault:?}").contains(ANNA));
    assert_eq!(registry.merge(resident(3, ANNA, "甲")).await.unwrap().counts, new(1));
}

#[test]
fn what_the_server_or_its_administrator_is_to_blame_for_is_waited_for() {
    let remedy_of = |state: &str| {
        let refusal = Refusal {
            state: state.into(),
            object: None,
        };
        remedy(&PostgresFault::Refused(refusal))
    };
    for state in [
        "08006", "0A000", "25006", "28P01", "3D000", "40001", "40P01", "42501", "53100", "53200", "53300", "55P03",
        "57014", "57P01", "57P03", "58030", "XX000",
    ] {
        assert_eq!(remedy_of(state), Remedy::Wait, "{state}");
    }
    for state in ["22021", "22008", "23505", "23514", "42P01", "42703", "", "é"] {
        assert_eq!(remedy_of(state), Remedy::SetAside, "{state}");
    }
    assert_eq!(remedy(&PostgresFault::Silent(1)), Remedy::Wait);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for_at_start_and_refused_by_open() {
    let address = PostgresAddress {
        role: "nobody".into(),
        server: PostgresServer::Socket("/nonexistent".into()),
        port: 5_432,
        database: "registry".into(),
    };
    let settings = RegistrySettings::Postgres(PostgresSettings::at(address));
    let fault = Registry::open(&settings, kept(&[&RESIDENT]), Missing::Refuse).unwrap_err();
    assert_eq!((fault.code(), fault.remedy()), ("SG6216", Remedy::Wait));
    let registry = Registry::start(&settings, kept(&[&RESIDENT])).unwrap();
    assert_eq!(registry.standing(), Standing::Awaited("SG6216"));
    let fault = registry.merge(resident(1, ANNA, "甲")).await.unwrap_err();
    assert_eq!(
        (fault.remedy(), registry.standing()),
        (Remedy::Wait, Standing::Awaited("SG6216"))
    );
    registry.close().await;
}

#[tokio::test]
async fn a_database_that_is_not_utf_8_or_lacks_the_tables_is_refused_even_by_a_patient_start() {
    if !Store::has_postgres() {
        return;
    }
    let place = Place::new(Store::Postgres);
    let fault = Registry::start(&place.settings, kept(&[&RESIDENT])).unwrap_err();
    assert_eq!(fault.code(), "SG6206");
    place.execute("CREATE DATABASE ascii_only ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
    let mut settings = place.postgres().clone();
    settings.address.database = "ascii_only".into();
    let fault = Registry::start(&RegistrySettings::Postgres(settings), kept(&[&RESIDENT])).unwrap_err();
    assert_eq!(fault.code(), "SG6217");
    assert!(fault.to_string().contains("UTF8"), "{fault}");
}

/// A server of its own that is set so, with a database `d` in it.
fn server_set(name: &str, settings: &[(&str, &str)]) -> (Cluster, PostgresSettings) {
    let folder = std::env::temp_dir().join(format!("shuguan-test-{name}-{}", std::process::id()));
    let cluster = Cluster::start(&folder, Keeping::Nothing, settings).unwrap();
    let server = PostgresSettings::at(cluster.address("postgres"));
    (cluster, server)
}

#[tokio::test]
async fn a_server_that_may_lose_what_it_confirmed_is_written_to_by_nobody() {
    if !Store::has_postgres() {
        return;
    }
    let off = [
        ("fsync", "off"),
        ("full_page_writes", "off"),
        ("shuguan.throwaway", "off"),
    ];
    let (cluster, server) = server_set("forgets", &off);
    let registry = RegistrySettings::Postgres(server.clone());
    let tables = kept(&[&RESIDENT]);
    let faults = [
        Registry::create(&registry, &tables).unwrap_err(),
        Registry::open(&registry, tables.clone(), Missing::Add).unwrap_err(),
        // Patience is for a server that does not answer.
        Registry::start(&registry, tables).unwrap_err(),
    ];
    for fault in faults {
        assert_eq!(fault.code(), "SG6217");
        let told = fault.to_string();
        assert!(
            told.contains("fsync = off, full_page_writes = off") && told.contains("set fsync"),
            "{told}"
        );
    }
    // Who only reads may; `doctor` asks so.
    assert!(Condition::of_server(&server).unwrap().forgets().is_some());
    drop(cluster);
}

#[test]
fn a_server_on_the_network_without_its_authority_and_an_exposed_password_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::TempDir::new().unwrap();
    let mut settings = PostgresSettings::at(PostgresAddress::parse("postgres://r@127.0.0.1:1/d").unwrap());
    let told = |settings: &PostgresSettings| {
        let settings = RegistrySettings::Postgres(settings.clone());
        let fault = Registry::open(&settings, kept(&[&RESIDENT]), Missing::Refuse).unwrap_err();
        assert_eq!(fault.code(), "SG6217", "{fault}");
        fault.to_string()
    };
    assert!(told(&settings).contains("tls_root"));
    let password = folder.path().join("password");
    std::fs::write(&password, "geheim\n").unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o644)).unwrap();
    settings.password_file = Some(password);
    let told = told(&settings);
    assert!(told.contains("password") && !told.contains("geheim"), "{told}");
}

#[tokio::test]
async fn every_table_and_column_and_view_has_a_chinese_comment() {
    if !Store::has_postgres() {
        return;
    }
    let (place, _registry) = Place::with(Store::Postgres, &kept(&[&RESIDENT, &DEATH, &ESTABLISHMENT]));
    let bare = "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'v') \
        AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)";
    assert_eq!(place.query(bare), Vec::<String>::new());
    let zh = "SELECT obj_description('public_security_resident'::regclass), \
        col_description('public_security_resident'::regclass, 1)";
    assert_eq!(place.query(zh), ["数据类 记录主键(自然键)"]);
}

#[tokio::test]
async fn a_migration_that_is_printed_is_what_migrating_would_do_and_keeps_rights_on_views() {
    if !Store::has_postgres() {
        return;
    }
    let (place, registry) = Place::with(Store::Postgres, &kept(&[&RESIDENT]));
    registry.close().await;
    assert_eq!(Registry::migration(&place.settings, &kept(&[&RESIDENT])).unwrap(), "");
    place.execute("GRANT SELECT ON population TO pg_monitor");
    let new = kept(&[&RESIDENT, &DEATH]);
    let statements = Registry::migration(&place.settings, &new).unwrap();
    assert!(
        statements.contains("CREATE TABLE public_security_death"),
        "{statements}"
    );
    place.execute(&statements);
    Registry::open(&place.settings, new, Missing::Refuse)
        .unwrap()
        .close()
        .await;
    let right = "SELECT has_table_privilege('pg_monitor', 'population', 'SELECT')";
    assert_eq!(place.query(right), ["1"]);
}

#[tokio::test]
async fn the_relays_role_merges_and_reads_and_can_do_nothing_else() {
    if !Store::has_postgres() {
        return;
    }
    let tables = kept(&[&RESIDENT, &ESTABLISHMENT]);
    let (place, owner) = Place::with(Store::Postgres, &tables);
    owner.close().await;
    place.give_roles(&tables);
    let as_role = |role: &str| {
        let mut settings = place.postgres().clone();
        settings.address.role = role.into();
        settings
    };
    let relay = as_role(roles::RELAY);
    let registry = Registry::open(
        &RegistrySettings::Postgres(relay.clone()),
        tables.clone(),
        Missing::Refuse,
    )
    .unwrap();
    let ids: Vec<String> = (0..40).map(|n| format!("3207061880{n:08}")).collect();
    for (leaf, name) in [(1, "甲"), (2, "乙")] {
        let rows: Vec<[&str; 5]> = ids
            .iter()
            .map(|id| [id.as_str(), name, "1880-02-29", "320706", "-"])
            .collect();
        let rows: Vec<&[&str]> = rows.iter().map(<[&str; 5]>::as_slice).collect();
        let merged = registry
            .merge(part(&RESIDENT, leaf, 0, whole(&RESIDENT, &rows)))
            .await
            .unwrap();
        assert_eq!(merged.counts.rows(), 40);
    }
    assert_eq!(registry.counts().unwrap()[0].1, 40);
    let refused = |settings: &PostgresSettings, sql: &str| {
        let fault = link::run_once(settings, sql).unwrap_err();
        assert!(fault.is_state("42501"), "{sql}: {fault:?}");
    };
    for sql in [
        "DELETE FROM public_security_resident",
        "TRUNCATE person",
        "CREATE TABLE mine (a int)",
        "ALTER TABLE person ADD COLUMN a int",
        "DROP VIEW population",
        "SELECT * FROM population_masked",
        "CREATE ROLE other",
        "UPDATE history SET kind = 'close'",
        "DELETE FROM history",
        "TRUNCATE history",
    ] {
        refused(&relay, sql);
    }
    let reader = as_role(roles::READER);
    for sql in [
        "SELECT * FROM population",
        "SELECT * FROM public_security_resident",
        "SELECT * FROM person",
        "SELECT * FROM masked_order",
        "CREATE TEMPORARY TABLE mine (a int)",
    ] {
        refused(&reader, sql);
    }
    let mut masked = Place::new(Store::Postgres);
    masked.settings = RegistrySettings::Postgres(reader);
    let seen = "SELECT DISTINCT citizen_id, name, birth_date, hukou_region, hukou_address FROM population_masked";
    assert_eq!(masked.query(seen), ["320706************ ** 1880-01-01 320706 -"]);
}

#[tokio::test]
async fn the_reader_sees_no_name_of_one_character_and_no_order_of_numbers() {
    if !Store::has_postgres() {
        return;
    }
    let tables = kept(&[&RESIDENT]);
    let (place, owner) = Place::with(Store::Postgres, &tables);
    let surnames: Vec<String> = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许"
        .chars()
        .map(String::from)
        .collect();
    let names: Vec<String> = surnames.iter().map(|surname| format!("{surname}某")).collect();
    let ids: Vec<String> = (0..names.len()).map(|n| format!("3207061880{n:08}")).collect();
    let mut rows: Vec<[&str; 5]> = ids
        .iter()
        .zip(&names)
        .map(|(id, name)| [id.as_str(), name.as_str(), "-", "-", "-"])
        .collect();
    rows.push(["320706188100000000", "何", "-", "-", "-"]);
    let rows: Vec<&[&str]> = rows.iter().map(<[&str; 5]>::as_slice).collect();
    owner
        .merge(part(&RESIDENT, 1, 0, whole(&RESIDENT, &rows)))
        .await
        .unwrap();
    owner.close().await;
    place.give_roles(&tables);
    let mut reader = place.postgres().clone();
    reader.address.role = roles::READER.into();
    let mut masked = Place::new(Store::Postgres);
    masked.settings = RegistrySettings::Postgres(reader);
    let seen = masked.query("SELECT name FROM population_masked");
    let mut in_order: Vec<String> = surnames.iter().map(|surname| format!("{surname}**")).collect();
    in_order.push("**".into());
    assert_ne!(seen, in_order);
    assert_eq!(
        masked.query("SELECT name FROM population_masked"),
        seen,
        "the same each time"
    );
    // The roles may be given again, after a migration; the order stays.
    place.give_roles(&tables);
    assert_eq!(masked.query("SELECT name FROM population_masked"), seen);
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(seen), sorted(in_order));
    assert_eq!(
        masked.query("SELECT count(*) FROM population_masked WHERE name = '赵**'"),
        ["1"]
    );
}

#[tokio::test]
async fn the_reader_sees_no_resident_id_in_a_taxpayers_number() {
    if !Store::has_postgres() {
        return;
    }
    let tables = discrepancies::tables(&[discrepancies::TAX]);
    let (place, owner) = Place::with(Store::Postgres, &tables);
    place.give_roles(&tables);
    let numbers = [
        // Of persons: 18, 18 and two more, an X, 15 of before 2000, and 15 and two more.
        ("32070618800229000X", true),
        ("320706188002290004", true),
        ("32070618800229000401", true),
        ("320706800229000", true),
        ("32070680022900001", true),
        ("91320706MA0000007K", false),
        ("320706MA0000015", false),
        ("320706123456789", false),
    ];
    let lines: Vec<String> = (1..)
        .zip(&numbers)
        .map(|(seq, (number, _))| format!("{seq} {number} 张三商店 海州区某路1号"))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let sent = discrepancies::rows(
        discrepancies::TAX,
        1,
        "tax_reg_seq taxpayer_id taxpayer_name reg_address",
        &lines,
    );
    owner.merge(sent).await.unwrap();
    owner.close().await;
    let mut reader = place.postgres().clone();
    reader.address.role = roles::READER.into();
    let mut masked = Place::new(Store::Postgres);
    masked.settings = RegistrySettings::Postgres(reader);
    let seen = masked.query(
        "SELECT taxpayer_id, name, address, trader_id, trader_name, trader_address FROM enterprises_masked ORDER BY 1, 2",
    );
    assert_eq!(seen.len(), numbers.len());
    for (number, of_a_person) in numbers {
        let whole = format!("{number} 张三商店 海州区某路1号 - - -");
        assert_eq!(seen.contains(&whole), !of_a_person, "{number}: {seen:?}");
    }
    let hidden = seen
        .iter()
        .filter(|row| **row == "- - - 320706************ 张** -")
        .count();
    assert_eq!(hidden, numbers.iter().filter(|(_, of_a_person)| *of_a_person).count());
}

#[tokio::test]
async fn a_dataset_is_read_in_one_snapshot_and_a_reader_that_stops_leaves_no_connection() {
    if !Store::has_postgres() {
        return;
    }
    let (place, registry) = Place::with(Store::Postgres, &kept(&[&RESIDENT]));
    let ids: Vec<String> = (0..30_000).map(|n| format!("3207061880{n:08}")).collect();
    for (number, ids) in (0..).zip(ids.chunks(8_000)) {
        let rows: Vec<[&str; 5]> = ids.iter().map(|id| [id.as_str(), "甲", "-", "-", "-"]).collect();
        let rows: Vec<&[&str]> = rows.iter().map(<[&str; 5]>::as_slice).collect();
        registry
            .merge(part(&RESIDENT, 1, number, whole(&RESIDENT, &rows)))
            .await
            .unwrap();
    }
    let selection = crate::registry::Selection::all();
    let population = shuguan_policies::dataset::Dataset::Population;
    let mut batches = 0;
    let read = registry.read(population, &["citizen_id"], &selection, &mut |_| {
        batches += 1;
        if batches == 1 {
            place.execute("DELETE FROM person WHERE citizen_id > '320706188000010000'");
        }
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!((read.unwrap().rows, batches), (30_000, 30));
    let stopped = registry.read(population, &["citizen_id"], &selection, &mut |_| {
        std::ops::ControlFlow::Break(())
    });
    assert_eq!(stopped.unwrap().rows, 1_024);
    let alive = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%_subject%' \
        AND pid <> pg_backend_pid() AND state = 'active'";
    for _ in 0..100 {
        if place.query(alive) == ["0"] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    unreachable!("the reading goes on");
}

#[tokio::test]
async fn counts_of_a_merge_that_was_cut_at_any_moment_are_right_after_it_is_repeated() {
    if !Store::has_postgres() {
        return;
    }
    let (place, registry) = Place::with(Store::Postgres, &kept(&[&RESIDENT]));
    let place = Arc::new(place);
    let ids: Vec<String> = (0..2_000).map(|n| format!("3207061880{n:08}")).collect();
    let rows: Vec<[&str; 5]> = ids.iter().map(|id| [id.as_str(), "甲", "-", "-", "-"]).collect();
    let rows: Vec<&[&str]> = rows.iter().map(<[&str; 5]>::as_slice).collect();
    let batch = whole(&RESIDENT, &rows);
    let mut in_already = 0;
    for leaf in 1..20_u64 {
        let cutter = {
            let place = Arc::clone(&place);
            tokio::task::spawn_blocking(move || {
                if leaf % 3 != 0 {
                    cut(&place);
                }
            })
        };
        let sent = part(&RESIDENT, leaf, 0, batch.clone());
        let merged = loop {
            match registry.merge(sent.clone()).await {
                Ok(merged) => break merged,
                Err(fault) => assert_eq!(fault.remedy(), Remedy::Wait, "{fault:?}"),
            }
        };
        cutter.await.unwrap();
        in_already += u64::from(merged.repeated);
        let counts = merged.progress.counts;
        let expected = if leaf == 1 {
            new(2_000)
        } else {
            Counts {
                same: 2_000,
                ..Counts::default()
            }
        };
        assert_eq!((merged.progress.parts, counts), (1, expected));
    }
    assert!(in_already < 19);
    assert_eq!(
        place.query("SELECT count(*), count(DISTINCT _leaf) FROM public_security_resident"),
        ["2000 1"]
    );
}

#[tokio::test]
async fn the_end_of_a_snapshot_that_is_cut_at_any_moment_closes_each_row_once() {
    if !Store::has_postgres() {
        return;
    }
    let (place, registry) = Place::with(Store::Postgres, &kept(&[&RESIDENT]));
    let place = Arc::new(place);
    let ids: Vec<String> = (0..240).map(|n| format!("3207061880{n:08}")).collect();
    let rows: Vec<[&str; 5]> = ids.iter().map(|id| [id.as_str(), "甲", "-", "-", "-"]).collect();
    let rows: Vec<&[&str]> = rows.iter().map(<[&str; 5]>::as_slice).collect();
    registry
        .merge(part(&RESIDENT, 1, 0, whole(&RESIDENT, &rows)))
        .await
        .unwrap();
    let mut held = part(&RESIDENT, 2, 0, whole(&RESIDENT, &rows[..40]));
    held.snapshot = true;
    registry.merge(held.clone()).await.unwrap();
    let ending = Arc::new(Ending {
        exchange: held.exchange,
        leaf: held.leaf,
        record: held.record,
        partner: held.partner,
        received_us: held.received_us,
        scope: None,
        keep: false,
        held: Arc::default(),
    });
    let cutter = {
        let place = Arc::clone(&place);
        tokio::task::spawn_blocking(move || {
            for _ in 0..12 {
                cut(&place);
            }
        })
    };
    let mut cuts = 0;
    let closed = loop {
        match registry.end(Arc::clone(&ending), String::new()).await {
            Ok(closed) if closed.after.is_none() => break closed,
            Ok(_) => {}
            Err(fault) => {
                assert_eq!(fault.remedy(), Remedy::Wait, "{fault:?}");
                cuts += 1;
            }
        }
    };
    cutter.await.unwrap();
    assert!(cuts > 0, "nothing was cut");
    assert_eq!((closed.progress.counts.del, closed.progress.counts.same), (200, 40));
    for (count, of) in [
        ("200", "public_security_resident WHERE _open = 0"),
        ("200", "history WHERE kind = 'close'"),
        ("200", "closing"),
        ("0", "snapshot_held"),
        ("0", "snapshot_seen"),
    ] {
        assert_eq!(place.query(&format!("SELECT count(*) FROM {of}")), [count], "{of}");
    }
}
