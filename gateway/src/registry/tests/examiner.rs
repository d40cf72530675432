//! Who has to act on a discrepancy sees whom it is about, and nothing else. On PostgreSQL, for SQLite has no roles.

use super::discrepancies::{DEATH, PERSON, RESIDENT, merge, rows, tables};
use super::fixture::{ANNA, BORIS, received};
use super::store::{Place, Store};
use crate::postgres::link;
use crate::registry::RegistrySettings;
use crate::registry::postgres::roles;

/// Two persons are contradicted, and one of them is corrected.
async fn contradicted() -> Place {
    let tables = tables(&[RESIDENT, DEATH]);
    let (place, registry) = Place::with(Store::Postgres, &tables);
    let (anna, boris) = (format!("{ANNA} 甲 2 1880-02-29"), format!("{BORIS} 乙 1 1885-03-15"));
    let mut wrong = rows(
        DEATH,
        2,
        PERSON,
        &[&format!("{BORIS} 丁 1 1885-03-15"), &format!("{ANNA} 甲 1 1880-02-29")],
    );
    let mut corrected = rows(DEATH, 3, PERSON, &[&boris]);
    for part in [&mut wrong, &mut corrected] {
        part.partner = "public-security-ganyu".into();
    }
    merge(
        &registry,
        [rows(RESIDENT, 1, PERSON, &[&boris, &anna]), wrong, corrected],
    )
    .await;
    registry.close().await;
    place.give_roles(&tables);
    place
}

fn as_role(place: &Place, role: &str) -> Place {
    let mut settings = place.postgres().clone();
    settings.address.role = role.into();
    let mut seen = Place::new(Store::Postgres);
    seen.settings = RegistrySettings::Postgres(settings);
    seen
}

fn is_forbidden(place: &Place, sql: &str) {
    let fault = link::run_once(place.postgres(), sql).unwrap_err();
    assert!(fault.is_state("42501"), "{sql}: {fault:?}");
}

#[tokio::test]
async fn an_examiner_sees_whom_a_discrepancy_that_holds_is_about_and_where_both_rows_came_from() {
    if !Store::has_postgres() {
        return;
    }
    let place = contradicted().await;
    assert_eq!(
        place.query("SELECT count(*), count(settled_us) FROM discrepancy"),
        ["2 1"]
    );
    let examiner = as_role(&place, roles::EXAMINER);
    let case = "SELECT kind, subject, record, row_key, partner, row_no, other_record, other_key, other_partner, other_row, \
        exchange, other_exchange FROM discrepancy_case";
    assert_eq!(
        examiner.query(case),
        [format!(
            "SG9302 {ANNA} {RESIDENT} {ANNA} public-security-city 2 {DEATH} {ANNA} public-security-ganyu 2 {:032x} {:032x}",
            1, 2
        )]
    );
    let moments = "SELECT (extract(epoch FROM received) * 1000000)::bigint, (extract(epoch FROM other_received) * 1000000)::bigint, \
        (extract(epoch FROM first_found) * 1000000)::bigint FROM discrepancy_case";
    assert_eq!(
        examiner.query(moments),
        [format!("{} {} {}", received(1), received(2), received(2))]
    );
    // Neither a name, nor what is contradicted.
    let columns = examiner.columns("discrepancy_case").join(" ");
    assert_eq!(
        columns,
        "kind subject record row_key partner exchange row_no received other_record other_key other_partner other_exchange \
         other_row other_received first_found last_confirmed"
    );
}

#[tokio::test]
async fn an_examiner_can_do_nothing_else_and_nobody_else_sees_the_cases() {
    if !Store::has_postgres() {
        return;
    }
    let place = contradicted().await;
    let examiner = as_role(&place, roles::EXAMINER);
    let tables =
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1";
    let all = place.query(tables);
    assert!(all.len() > 10, "{all:?}");
    assert_eq!(examiner.query(tables), ["discrepancy_case"]);
    for table in all.iter().filter(|table| *table != "discrepancy_case") {
        is_forbidden(&examiner, &format!("SELECT count(*) FROM {table}"));
    }
    for sql in [
        "UPDATE discrepancy SET settled_us = 1",
        "DELETE FROM discrepancy",
        "CREATE TABLE mine (a int)",
        "CREATE TEMPORARY TABLE mine (a int)",
        "DROP VIEW discrepancy_case",
        "CREATE ROLE other",
    ] {
        is_forbidden(&examiner, sql);
    }
    for role in [roles::RELAY, roles::READER] {
        is_forbidden(&as_role(&place, role), "SELECT * FROM discrepancy_case");
    }
}
