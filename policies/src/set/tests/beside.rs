//! Push grants of one partner for one record type: they release the same columns, or the bundle does not come into force anew; it is read all the same. And the limit that came later.

use super::super::PolicySet;
use super::guards::{POLICE, shown, with};
use crate::document::Fault;

const HEALTH: &str = "agreements/health.toml";
const SURVEY: (&str, &str, &str) = (
    "purposes.toml",
    "allow = [\"pull/extract\"] },\n]",
    "allow = [\"push/feed\", \"pull/extract\"] },\n]",
);
const LAST: &str = "limits = { rows_per_push = 500_000, rows_per_day = 1_000_000, reject_percent = 20 }";
const SAME: &str = "keep = [\"cert_no\", \"citizen_id\", \"name\", \"sex\", \"death_date\", \"issuer\"]";

/// A second grant of death certificates beside that of the whole agency, for another purpose, with these columns.
fn second(whose: &str, columns: &str) -> String {
    format!(
        "{LAST}\n[[grant]]\nid = \"deaths-survey\"\nfor = {{ record = \"health/death-certificate\", {whose}purpose = \"enrolment.survey\" }}\nnecessity = \"试\"\n{columns}"
    )
}

fn loaded(columns: &str) -> Result<PolicySet, Vec<Fault>> {
    new(&[SURVEY, (HEALTH, LAST, &second("partner = \"health-city\", ", columns))])
}

/// A bundle that is to come into force for the first time.
fn new(changes: &[(&str, &str, &str)]) -> Result<PolicySet, Vec<Fault>> {
    with(changes).and_then(PolicySet::into_new)
}

#[test]
fn two_push_grants_of_one_partner_with_other_columns_are_refused() {
    let fewer = SAME.replace("\"sex\", ", "");
    shown(
        &loaded(&fewer).unwrap_err(),
        "`health-city` pushes `health/death-certificate` by two grants that do not release the same columns",
        "\"sex\"",
    );
    // Of the whole agency it is one fault, not one a partner.
    let faults = new(&[SURVEY, (HEALTH, LAST, &second("", &fewer))]).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    let reduced = format!(
        "{}\nreduce.name = {{ op = \"mask\", first = 1 }}",
        SAME.replace("\"name\", ", "")
    );
    let faults = loaded(&reduced).unwrap_err();
    assert!(
        faults
            .iter()
            .any(|fault| fault.message.contains("do not release the same columns")),
        "reduced otherwise: {faults:?}"
    );
    let fault = faults.first().unwrap().to_string();
    assert!(
        fault.contains("`deaths-survey`") && fault.contains("agreements/health.toml"),
        "{fault}"
    );
}

#[test]
fn a_bundle_of_before_with_other_columns_is_read_as_it_was() {
    let fewer = SAME.replace("\"sex\", ", "");
    let survey = second("partner = \"health-city\", ", &fewer);
    let set = with(&[SURVEY, (HEALTH, LAST, &survey)]).unwrap();
    assert_eq!(set.uneven().len(), 1);
    let both = set
        .plans()
        .find(|plan| plan.grant_id() == "deaths-survey")
        .unwrap()
        .valid();
    for (at_s, holding) in [
        (both.from_s - 1, Some(both.from_s)),
        (both.from_s, Some(both.from_s)),
        (both.from_s + 1, Some(both.from_s + 1)),
        (both.until_s, Some(both.until_s)),
        (both.until_s + 1, None),
    ] {
        let uneven = set.uneven_from(at_s * 1_000_000);
        let from: Vec<i64> = uneven.into_iter().map(|(_, from_s)| from_s).collect();
        assert_eq!(from, Vec::from_iter(holding), "{at_s}");
    }
    let plan = set.plans().find(|plan| plan.grant_id() == "deaths-survey").unwrap();
    assert!(plan.output().iter().all(|column| column.name != "sex"));
    assert!(set.into_new().is_err());
    assert!(with(&[]).unwrap().uneven().is_empty());
}

#[test]
fn the_same_columns_in_any_order_may_have_two_grants_and_so_may_what_another_partner_sends() {
    assert!(loaded(SAME).is_ok());
    assert!(loaded("keep = [\"citizen_id\", \"cert_no\", \"name\", \"death_date\", \"issuer\", \"sex\"]").is_ok());
    let whole = "for = { record = \"health/death-certificate\" }";
    let ganyu = "for = { record = \"health/death-certificate\", partner = \"health-ganyu\" }";
    let fewer = SAME.replace("\"sex\", ", "");
    let apart = [
        SURVEY,
        (HEALTH, whole, ganyu),
        (HEALTH, LAST, &second("partner = \"health-city\", ", &fewer)),
    ];
    assert!(new(&apart).is_ok());
}

#[test]
fn an_agreement_that_begins_when_the_one_before_is_over_may_release_less() {
    let over = (
        POLICE,
        "until = 2099-12-31T23:59:59+08:00",
        "until = 2026-12-31T23:59:59+08:00",
    );
    let resident = |from: &str| {
        format!(
            "format = 1\nagreement = \"XY-N\"\nconsumer = \"information-centre\"\nimpact_assessment = \"PIA-N\"\n\
             basis = {{ kind = \"statutory-duty\", articles = [\"op-8\"], document = \"函\" }}\n\
             valid = {{ from = {from}, until = 2099-12-31T23:59:59+08:00 }}\n[[grant]]\nid = \"next\"\nnecessity = \"试\"\nschema = 1\n\
             for = {{ record = \"public-security/death\", purpose = \"enrolment.survey\", direction = \"push\", mode = \"feed\" }}\n\
             keep = [\"citizen_id\"]\n"
        )
    };
    let next = resident("2027-01-01T00:00:00+08:00");
    let early = resident("2026-12-31T23:59:59+08:00");
    let with_next = |text: &str| new(&[SURVEY, over, ("agreements/next.toml", "", text)]);
    assert!(with_next(&next).is_ok(), "{:?}", with_next(&next).err());
    let faults = with_next(&early).unwrap_err();
    assert!(
        faults
            .iter()
            .all(|fault| fault.message.contains("do not release the same columns")),
        "one second of both: {faults:?}"
    );
}

#[test]
fn a_limit_of_bytes_is_what_officers_sign() {
    let hash = |limit: &str| {
        let changed = format!("rows_per_day = 1_000_000, {limit}reject_percent");
        let set = with(&[(HEALTH, "rows_per_day = 1_000_000, reject_percent", &changed)]).unwrap();
        let mut plans = set.plans();
        let plan = plans
            .find(|plan| plan.target().name() == "health/death-certificate")
            .unwrap();
        (plan.hash(), plan.limits().bytes_per_day)
    };
    let (without, none) = hash("");
    let (with, some) = hash("bytes_per_day = 1_000, ");
    assert_eq!((none, some), (None, Some(1_000)));
    assert_ne!(without, with);
    assert_ne!(hash("bytes_per_day = 1_001, ").0, with);
}
