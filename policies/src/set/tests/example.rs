//! The example bundle: what it grants, and what it withholds.

use super::*;

#[test]
fn the_example_bundle_grants_what_the_datasets_draw_on_and_nothing_without_a_basis() {
    let set = example();
    let targets: Vec<&str> = set.plans().map(|plan| plan.target().name()).collect();
    for record in GRANTED {
        assert!(targets.contains(&record), "{record}");
    }
    for record in record_types() {
        let granted = targets.contains(&record.name);
        assert_eq!(granted, GRANTED.contains(&record.name), "{}", record.name);
        assert!(
            !granted || !record.basis.is_empty(),
            "{}: no article names it",
            record.name
        );
    }
    for dataset in Dataset::ALL {
        assert!(targets.contains(&dataset.name()), "{}", dataset.name());
    }
    for (partner, plans) in [
        ("public-security-city", 4),
        ("civil-affairs-city", 3),
        ("health-city", 2),
        ("health-ganyu", 2),
        ("commerce-city", 3),
        ("tax-city", 2),
        ("information-centre", 3),
        ("auditor-zhao", 0),
        ("security-qian", 0),
        ("policy-sun", 0),
        ("operator-li", 0),
    ] {
        assert_eq!(set.plans_of(set.partner(partner).unwrap()).len(), plans, "{partner}");
    }
}

/// The record types of which the example grants something: those of the demo and those of design 10.9.
const GRANTED: [&str; 14] = [
    "public-security/resident",
    "public-security/birth",
    "public-security/death",
    "public-security/floating-resident",
    "civil-affairs/social-organisation",
    "commerce/change",
    "civil-affairs/cremation",
    "civil-affairs/subsistence-allowance",
    "health/birth-certificate",
    "health/death-certificate",
    "commerce/establishment",
    "commerce/cancellation",
    "tax/registration",
    "tax/withholding-employee",
];

#[test]
fn the_example_bundle_withholds_what_registration_does_not_need() {
    let set = example();
    for (target, field) in [
        ("public-security/resident", "marital_status"),
        ("public-security/resident", "phone"),
        ("public-security/birth", "mother_id"),
        ("public-security/floating-resident", "residence_address"),
        ("public-security/floating-resident", "permit_no"),
        ("commerce/change", "before"),
        ("commerce/change", "after"),
        ("civil-affairs/subsistence-allowance", "amount"),
        ("civil-affairs/subsistence-allowance", "bank_account"),
        ("health/birth-certificate", "midwifery_org"),
        ("tax/registration", "legal_rep_id"),
        ("population", "hukou_address"),
    ] {
        let plan = set.plans().find(|plan| plan.target().name() == target).unwrap();
        assert!(
            plan.target().field(field).is_some(),
            "{target}.{field} is in the catalogue"
        );
        assert!(
            !plan.output().iter().any(|column| column.name == field),
            "{target}.{field}"
        );
    }
    let births = set
        .plans()
        .find(|plan| plan.target().name() == "health/birth-certificate")
        .unwrap();
    let indexed = format!("{:?}", births.subjects());
    assert!(
        indexed.contains("mother_id") && !indexed.contains("father_id"),
        "{indexed}"
    );
}
