//! Units in several registers, unknown to tax, cancelled and withholding.

use uuid::Uuid;

use super::{
    CANCELLATION, ESTABLISHMENT, INDIVIDUAL, TAX, UNIT, USCC, WITHHOLDING, deletes, held, merge, nothing, rows, tables,
};
use crate::registry::tests::fixture::{ANNA, BORIS, received};
use crate::registry::tests::store::{Place, Store, on_both_stores};

on_both_stores! {
    an_enterprise_is_unknown_to_tax_until_tax_sends_it,
    a_unit_in_two_registers_is_one_discrepancy,
    a_cancelled_unit_withholds_until_its_employees_have_left,
    a_cancelled_unit_withholds_under_any_spelling_of_its_number,
}

async fn an_enterprise_is_unknown_to_tax_until_tax_sends_it(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[ESTABLISHMENT, TAX, CANCELLATION]));
    let active = format!("{USCC} 某公司 ACTIVE");
    let old = "- 某旧公司 ACTIVE 320706000000001";
    merge(
        &registry,
        [rows(ESTABLISHMENT, 1, "uscc ent_name reg_status", &[&active])],
    )
    .await;
    // Who has no organisation code cannot be looked for in tax.
    merge(
        &registry,
        [rows(ESTABLISHMENT, 2, "uscc ent_name reg_status reg_no", &[old])],
    )
    .await;
    assert_eq!(held(&place), [format!("unknown-to-tax {UNIT} 1.1 -.-")]);
    let registered = rows(TAX, 3, "tax_reg_seq taxpayer_id", &[&format!("1 {USCC}")]);
    merge(&registry, [registered.clone()]).await;
    assert_eq!(held(&place), nothing());
    let mut gone = deletes(registered);
    (gone.leaf, gone.exchange, gone.received_us) = (4, Uuid::from_u128(4), received(4));
    merge(&registry, [gone]).await;
    assert_eq!(held(&place), [format!("unknown-to-tax {UNIT} 1.1 -.-")]);
    merge(
        &registry,
        [rows(
            CANCELLATION,
            5,
            "uscc cancel_date",
            &[&format!("{USCC} 1950-01-01")],
        )],
    )
    .await;
    assert_eq!(held(&place), nothing());
}

async fn a_unit_in_two_registers_is_one_discrepancy(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[ESTABLISHMENT, INDIVIDUAL]));
    let unit = |record, leaf, status: &str| {
        rows(
            record,
            leaf,
            "uscc ent_name reg_status",
            &[&format!("{USCC} 某公司 {status}")],
        )
    };
    merge(
        &registry,
        [unit(INDIVIDUAL, 1, "ACTIVE"), unit(ESTABLISHMENT, 2, "ACTIVE")],
    )
    .await;
    assert_eq!(held(&place), [format!("two-registers {UNIT} 2.1 1.1")]);
    merge(&registry, [unit(INDIVIDUAL, 3, "CANCELLED")]).await;
    assert_eq!(held(&place), nothing());
}

async fn a_cancelled_unit_withholds_until_its_employees_have_left(store: Store) {
    let (place, registry) = Place::with(store, &tables(&[CANCELLATION, WITHHOLDING]));
    let employed = |leaf, whom: &str, since: &str, left: &str| {
        let row = format!("{USCC} 甲 111 {whom} {since} {left}");
        rows(
            WITHHOLDING,
            leaf,
            "withholder_id name id_type id_no employed_on left_on",
            &[&row],
        )
    };
    let (since, left) = ("1940-01-01", "1949-12-31");
    merge(&registry, [employed(1, ANNA, since, "-"), employed(2, BORIS, "-", "-")]).await;
    merge(
        &registry,
        [rows(
            CANCELLATION,
            3,
            "uscc cancel_date",
            &[&format!("{USCC} 1950-01-01")],
        )],
    )
    .await;
    assert_eq!(held(&place), [format!("cancelled-withholding {UNIT} 3.1 2.1")]);
    // Without the day of employment the key is another one, and the row is found all the same.
    merge(&registry, [employed(4, BORIS, "-", left)]).await;
    assert_eq!(held(&place), [format!("cancelled-withholding {UNIT} 3.1 1.1")]);
    merge(&registry, [employed(5, ANNA, since, left)]).await;
    assert_eq!(held(&place), nothing());
    merge(&registry, [employed(6, ANNA, since, "1950-01-02")]).await;
    assert_eq!(held(&place), [format!("cancelled-withholding {UNIT} 3.1 6.1")]);
}

async fn a_cancelled_unit_withholds_under_any_spelling_of_its_number(store: Store) {
    const REGION_AND_CODE: &str = "320706MA0000007";
    let foreign = "320707MA0000007";
    for (withholder, found) in [
        (USCC.to_owned(), true),
        (format!("{USCC}01"), true),
        (REGION_AND_CODE.to_owned(), true),
        (format!("{REGION_AND_CODE}02"), true),
        // Known of the unit only through its registration at the tax bureau.
        (foreign.to_owned(), true),
        ("91320706MA0000015E".to_owned(), false),
        ("320706MA0000015".to_owned(), false),
    ] {
        let (place, registry) = Place::with(store, &tables(&[CANCELLATION, WITHHOLDING, TAX]));
        let employed = rows(
            WITHHOLDING,
            1,
            "withholder_id name id_type id_no employed_on",
            &[&format!("{withholder} 甲 111 {ANNA} 1940-01-01")],
        );
        let cancelled = rows(CANCELLATION, 2, "uscc cancel_date", &[&format!("{USCC} 1950-01-01")]);
        let registered = rows(TAX, 3, "tax_reg_seq taxpayer_id", &[&format!("1 {foreign}")]);
        merge(&registry, [employed, cancelled, registered]).await;
        let expected = found.then(|| format!("cancelled-withholding {UNIT} 2.1 1.1"));
        assert_eq!(held(&place), Vec::from_iter(expected), "{withholder}");
    }
}
