//! Rows of one record type and key that name one person and contradict each other: of two partners, or twice in one part.

use super::discrepancies::{DEATH, FLOATING, RESIDENT, close_all, deletes, rows, tables};
use super::fixture::{ANNA, BORIS};
use super::store::{Place, Store, on_both_stores};
use super::units::recall;
use crate::registry::discrepancy::Kind;
use crate::registry::{Part, Registry};

on_both_stores! {
    another_partners_row_with_another_name_sex_or_birth_date_is_a_discrepancy_whichever_is_newer,
    a_partner_that_corrects_its_own_row_contradicts_nobody,
    a_key_that_comes_twice_in_one_part_with_two_names_is_a_discrepancy,
    what_both_agree_in_again_is_settled_and_what_one_repeats_is_open_again,
    a_line_of_rivals_is_settled_by_closing_and_by_the_recall_of_either_side,
    another_record_type_settles_no_line_of_rivals,
    parts_that_go_in_together_end_where_they_end_alone,
    another_key_of_the_person_settles_no_line_of_rivals,
    a_key_that_came_twice_is_settled_by_that_key_alone,
    a_row_that_names_another_person_now_settles_the_line_about_the_first,
    a_recall_settles_no_line_whose_row_a_later_exchange_said_again,
    rivals_of_a_record_type_that_no_rule_reads_are_settled_too,
}

const COLUMNS: &str = "citizen_id name sex birth_date hukou_address";

fn says(leaf: u64, partner: &str, cells: &str) -> Part {
    let row = format!("{ANNA} {cells}");
    let part = rows(RESIDENT, leaf, COLUMNS, &[&row]);
    Part {
        partner: partner.into(),
        ..part
    }
}

async fn merge(registry: &Registry, parts: impl IntoIterator<Item = Part>) {
    for part in parts {
        registry.merge(part).await.unwrap();
    }
}

/// Lines that hold: kind and both sides' exchanges and rows.
fn held(place: &Place) -> Vec<String> {
    let query = "SELECT kind, exchange, row_no, other_exchange, other_row FROM discrepancy WHERE settled_us IS NULL \
        AND record = other_record ORDER BY 1, 2, 3";
    let line = |row: &String| {
        let cells: Vec<&str> = row.split(' ').collect();
        let leaf = |hex: &str| u128::from_str_radix(hex, 16).unwrap();
        let slug = Kind::parse(cells[0]).unwrap().slug();
        format!("{slug} {}.{} {}.{}", leaf(cells[1]), cells[2], leaf(cells[3]), cells[4])
    };
    place.query(query).iter().map(line).collect()
}

async fn another_partners_row_with_another_name_sex_or_birth_date_is_a_discrepancy_whichever_is_newer(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH]));
    let (one, other) = (
        says(1, "county", "甲·丁 2 1880-02-29 海州"),
        says(2, "city", "乙 1 1880-02-28 连云"),
    );
    let all = ["name-differs 2.1 1.1", "sex-differs 2.1 1.1", "birth-differs 2.1 1.1"];
    merge(&registry, [one.clone(), other.clone()]).await;
    assert_eq!(held(&place), all);
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH]));
    merge(&registry, [other, one]).await;
    assert_eq!(held(&place), all);
    // Another spelling, a sex that is not stated, and another address are none.
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH]));
    merge(
        &registry,
        [
            says(1, "county", "甲·丁 2 1880-02-29 海州"),
            says(2, "city", "甲•丁 0 - 连云"),
        ],
    )
    .await;
    assert_eq!(held(&place), [""; 0]);
    assert_eq!(place.query("SELECT count(*) FROM discrepancy"), ["0"]);
}

async fn a_partner_that_corrects_its_own_row_contradicts_nobody(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH]));
    merge(
        &registry,
        [
            says(1, "county", "甲 2 1880-02-29 海州"),
            says(2, "county", "乙 1 1880-02-28 海州"),
        ],
    )
    .await;
    assert_eq!(place.query("SELECT count(*) FROM discrepancy"), ["0"]);
}

async fn a_key_that_comes_twice_in_one_part_with_two_names_is_a_discrepancy(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH]));
    let row = |id: &str, name: &str| format!("{id} {name} - - -");
    let twice = |leaf| {
        rows(
            RESIDENT,
            leaf,
            COLUMNS,
            &[&row(ANNA, "甲"), &row(BORIS, "丙"), &row(ANNA, "乙"), &row(BORIS, "丙")],
        )
    };
    // Nobody knew them before, and it is compared all the same.
    merge(&registry, [twice(1)]).await;
    assert_eq!(held(&place), ["name-differs 1.3 1.1"]);
    merge(&registry, [twice(2)]).await;
    assert_eq!(held(&place), ["name-differs 2.3 2.1"]);
    merge(&registry, [rows(RESIDENT, 3, COLUMNS, &[&row(ANNA, "甲")])]).await;
    assert_eq!(held(&place), [""; 0]);
}

async fn what_both_agree_in_again_is_settled_and_what_one_repeats_is_open_again(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH]));
    let county = |leaf, name: &str| says(leaf, "county", &format!("{name} - - 海州"));
    let city = |leaf, name: &str, address: &str| says(leaf, "city", &format!("{name} - - {address}"));
    merge(&registry, [county(1, "甲"), city(2, "乙", "连云")]).await;
    assert_eq!(held(&place), ["name-differs 2.1 1.1"]);
    // The city's new address says nothing about the name: it is the newer row that contradicts now.
    merge(&registry, [city(3, "乙", "海州")]).await;
    assert_eq!(held(&place), ["name-differs 3.1 1.1"]);
    merge(&registry, [city(4, "甲", "海州")]).await;
    assert_eq!(held(&place), [""; 0]);
    merge(&registry, [county(5, "丙")]).await;
    assert_eq!(held(&place), ["name-differs 5.1 4.1"]);
    merge(&registry, [city(6, "丙", "海州")]).await;
    assert_eq!(held(&place), [""; 0]);
    assert_eq!(place.query("SELECT count(*) FROM discrepancy"), ["1"]);
}

async fn a_line_of_rivals_is_settled_by_closing_and_by_the_recall_of_either_side(store: Store) {
    let both = |one: u64| {
        [
            says(one, "public-security-city", "甲 - - -"),
            says(one + 1, "county", "乙 - - -"),
        ]
    };
    for recalled in [1, 2] {
        let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH]));
        let [one, other] = both(1);
        let mine = Part {
            partner: "public-security-city".into(),
            ..other
        };
        let one = Part {
            partner: "county".into(),
            ..one
        };
        let parts = if recalled == 2 { [one, mine] } else { both(1) };
        merge(&registry, parts).await;
        assert_eq!(held(&place), ["name-differs 2.1 1.1"]);
        recall(&registry, 3, recalled, RESIDENT).await;
        assert_eq!(held(&place), [""; 0], "{recalled}");
        registry.close().await;
    }
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH]));
    let [one, other] = both(1);
    let (one, other) = (
        Part {
            partner: "county".into(),
            ..one
        },
        Part {
            partner: "public-security-city".into(),
            ..other
        },
    );
    merge(&registry, [one, other]).await;
    assert_eq!(held(&place), ["name-differs 2.1 1.1"]);
    merge(&registry, [deletes(rows(RESIDENT, 3, "citizen_id", &[ANNA]))]).await;
    assert_eq!(held(&place), [""; 0]);
    merge(
        &registry,
        [
            says(4, "county", "丙 - - -"),
            says(5, "public-security-city", "丁 - - -"),
        ],
    )
    .await;
    assert_eq!(held(&place), ["name-differs 5.1 4.1"]);
    close_all(&registry, 6, RESIDENT).await;
    assert_eq!(held(&place), [""; 0]);
}

async fn another_record_type_settles_no_line_of_rivals(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH, FLOATING]));
    merge(&registry, [says(1, "county", "甲 - - -"), says(2, "city", "乙 - - -")]).await;
    merge(&registry, [rows(DEATH, 3, "citizen_id name", &[&format!("{ANNA} 乙")])]).await;
    merge(
        &registry,
        [rows(
            FLOATING,
            4,
            "permit_no citizen_id name",
            &[&format!("P1 {ANNA} 乙")],
        )],
    )
    .await;
    assert_eq!(held(&place), ["name-differs 2.1 1.1"]);
    // Two permits of one person are two keys; one permit of two persons is not about one.
    merge(
        &registry,
        [rows(
            FLOATING,
            5,
            "permit_no citizen_id name",
            &[&format!("P1 {BORIS} 丙")],
        )],
    )
    .await;
    assert_eq!(held(&place), ["name-differs 2.1 1.1"]);
}

async fn parts_that_go_in_together_end_where_they_end_alone(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH]));
    merge(&registry, [says(1, "county", "甲 - - -")]).await;
    let city = |leaf, name: &str| says(leaf, "city", &format!("{name} - - -"));
    registry.merge_all([city(2, "乙"), city(3, "甲")].into()).await.unwrap();
    assert_eq!(held(&place), [""; 0]);
    registry
        .merge_all([city(4, "乙"), says(5, "county", "甲 - - -"), city(6, "丙")].into())
        .await
        .unwrap();
    assert_eq!(held(&place), ["name-differs 6.1 5.1"]);
}

const PERMIT: &str = "permit_no citizen_id name residence_address";

fn permit(leaf: u64, partner: &str, cells: &[&str]) -> Part {
    Part {
        partner: partner.into(),
        ..rows(FLOATING, leaf, PERMIT, cells)
    }
}

/// Merges them one by one on one registry, all at once on another, and gives what each holds.
async fn alone_and_together(store: Store, parts: Vec<Part>) -> [Vec<String>; 2] {
    let (place, registry) = Place::with(store, &tables(&[FLOATING, DEATH]));
    merge(&registry, parts.clone()).await;
    let (other, together) = Place::with(store, &tables(&[FLOATING, DEATH]));
    together.merge_all(parts.into()).await.unwrap();
    [held(&place), held(&other)]
}

async fn another_key_of_the_person_settles_no_line_of_rivals(store: Store) {
    let say = |permit: &str, name: &str| format!("{permit} {ANNA} {name} 海州");
    let parts = vec![
        permit(1, "county", &[&say("P1", "甲"), &say("P2", "甲")]),
        permit(2, "city", &[&say("P1", "乙")]),
        permit(3, "city", &[&say("P2", "甲")]),
        permit(4, "city", &[&say("P3", "丙")]),
    ];
    let expected = ["name-differs 2.1 1.1"];
    assert_eq!(alone_and_together(store, parts.clone()).await, [expected, expected]);
    // Both keys contradict: the first of them is named, whichever came first.
    let first = permit(3, "city", &[&say("P2", "丁")]);
    let parts = vec![parts[0].clone(), parts[1].clone(), first];
    assert_eq!(alone_and_together(store, parts).await, [expected, expected]);
    let (place, registry) = Place::with(store, &tables(&[FLOATING, DEATH]));
    merge(&registry, [permit(1, "county", &[&say("P1", "甲"), &say("P2", "甲")])]).await;
    merge(&registry, [permit(2, "city", &[&say("P2", "丁")])]).await;
    merge(&registry, [permit(3, "city", &[&say("P1", "乙")])]).await;
    assert_eq!(held(&place), ["name-differs 3.1 1.1"]);
    merge(&registry, [permit(4, "county", &[&say("P1", "乙")])]).await;
    assert_eq!(held(&place), [""; 0]);
}

async fn a_key_that_came_twice_is_settled_by_that_key_alone(store: Store) {
    let say = |permit: &str, name: &str, address: &str| format!("{permit} {ANNA} {name} {address}");
    let twice = permit(1, "city", &[&say("P1", "甲", "海州"), &say("P1", "乙", "海州")]);
    let beside = permit(2, "city", &[&say("P2", "丙", "海州")]);
    let expected = ["name-differs 1.2 1.1"];
    assert_eq!(
        alone_and_together(store, vec![twice.clone(), beside.clone()]).await,
        [expected, expected]
    );
    // Its last word is one name: that it said another beside it once is over.
    let (place, registry) = Place::with(store, &tables(&[FLOATING, DEATH]));
    merge(
        &registry,
        [twice, beside, permit(3, "city", &[&say("P1", "乙", "连云")])],
    )
    .await;
    assert_eq!(held(&place), [""; 0]);
}

async fn a_row_that_names_another_person_now_settles_the_line_about_the_first(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[FLOATING, DEATH]));
    let say = |id: &str, name: &str| format!("P1 {id} {name} 海州");
    merge(&registry, [permit(1, "county", &[&say(ANNA, "甲")])]).await;
    merge(&registry, [permit(2, "city", &[&say(ANNA, "乙")])]).await;
    assert_eq!(held(&place), ["name-differs 2.1 1.1"]);
    merge(&registry, [permit(3, "city", &[&say(BORIS, "丙")])]).await;
    assert_eq!(held(&place), [""; 0]);
    // The line about the second stands although one about the first has the same key.
    merge(&registry, [permit(4, "county", &[&say(BORIS, "丁")])]).await;
    assert_eq!(held(&place), ["name-differs 4.1 3.1"]);
    merge(
        &registry,
        [rows(
            FLOATING,
            5,
            "permit_no citizen_id name",
            &[&format!("P9 {ANNA} 甲")],
        )],
    )
    .await;
    assert_eq!(held(&place), ["name-differs 4.1 3.1"]);
}

async fn a_recall_settles_no_line_whose_row_a_later_exchange_said_again(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[RESIDENT, DEATH]));
    let mine = |leaf, address: &str| says(leaf, "public-security-city", &format!("乙 - - {address}"));
    merge(
        &registry,
        [says(1, "county", "甲 - - -"), mine(2, "海州"), mine(3, "连云")],
    )
    .await;
    assert_eq!(held(&place), ["name-differs 3.1 1.1"]);
    recall(&registry, 4, 2, RESIDENT).await;
    assert_eq!(held(&place), ["name-differs 3.1 1.1"]);
    // Said again unchanged, because an older exchange may still come.
    let again = Part {
        confirm: true,
        ..mine(5, "连云")
    };
    merge(&registry, [again]).await;
    assert_eq!(held(&place), ["name-differs 5.1 1.1"]);
    recall(&registry, 6, 3, RESIDENT).await;
    assert_eq!(held(&place), ["name-differs 5.1 1.1"]);
    recall(&registry, 7, 5, RESIDENT).await;
    assert_eq!(held(&place), [""; 0]);
}

async fn rivals_of_a_record_type_that_no_rule_reads_are_settled_too(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[FLOATING]));
    let say = |name: &str| format!("P1 {ANNA} {name} 海州");
    merge(
        &registry,
        [permit(1, "county", &[&say("甲")]), permit(2, "city", &[&say("乙")])],
    )
    .await;
    assert_eq!(held(&place), ["name-differs 2.1 1.1"]);
    let closed = Part {
        partner: "city".into(),
        ..deletes(rows(FLOATING, 3, "permit_no", &["P1"]))
    };
    merge(&registry, [closed]).await;
    assert_eq!(held(&place), [""; 0]);
}
