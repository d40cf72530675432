//! What the fields of a grant ask of each other, and what a bound names: one fault a case, one word of difference.

use super::guards::{REGISTRY, refused, with};
use super::*;

/// A grant on the record type of the fixture, and the messages with which it does not load.
fn messages(columns: &str) -> Vec<String> {
    let grant = format!(
        "{HEADER}\n[[grant]]\nfor = {{ record = \"health/admission\" }}\nnecessity = \"试验\"\nkeep = [\"serial\"]\n{columns}\n"
    );
    match build(texts(&grant)) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(|fault| fault.message).collect(),
    }
}

fn address(to: &str, code: &str, beside: &str) -> Vec<String> {
    messages(&format!(
        "reduce.note = {{ op = \"address\", to = \"{to}\", code = \"{code}\" }}\n{beside}"
    ))
}

#[test]
fn an_address_needs_its_code_beside_it_as_text_and_as_fine_as_itself() {
    let village = "reduce.village_code = { op = \"region\", to = \"town\" }";
    for (to, code, beside, message) in [
        ("town", "nothing", "", "`health/admission` has no field `nothing`"),
        (
            "town",
            "region",
            "",
            "`region` is read here and not released by this grant",
        ),
        (
            "county",
            "region",
            "reduce.region = { op = \"constant\", value = \"-\" }",
            "`region` is read here and released as a constant",
        ),
        (
            "county",
            "count",
            "reduce.count = { op = \"round\", step = 10 }",
            "`count` is no text, so nothing can be read from it here",
        ),
        (
            "town",
            "region",
            "reduce.region = { op = \"region\", to = \"county\" }",
            "`region` is released with 6 digits, and `town` takes 9",
        ),
        (
            "village",
            "village_code",
            village,
            "`village_code` is released with 9 digits, and `village` takes 12",
        ),
        (
            "county",
            "name",
            "reduce.name = { op = \"mask\", first = 1 }",
            "`name` is released with 0 digits, and `county` takes 6",
        ),
    ] {
        assert_eq!(address(to, code, beside), [message]);
    }
    assert!(address("town", "village_code", village).is_empty());
    assert!(address("county", "village_code", village).is_empty());
    assert!(
        address(
            "county",
            "region",
            "reduce.region = { op = \"region\", to = \"county\" }"
        )
        .is_empty()
    );
    // Kept as it is, a code has the digits of its type.
    let kept = |to: &str, code: &str| {
        let grant = format!(
            "keep = [\"serial\", \"{code}\"]\nreduce.note = {{ op = \"address\", to = \"{to}\", code = \"{code}\" }}"
        );
        let grant =
            format!("{HEADER}\n[[grant]]\nfor = {{ record = \"health/admission\" }}\nnecessity = \"试验\"\n{grant}\n");
        build(texts(&grant))
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|fault| fault.message)
            .collect::<Vec<_>>()
    };
    assert!(kept("county", "region").is_empty() && kept("village", "village_code").is_empty());
    assert_eq!(
        kept("town", "region"),
        ["`region` is released with 6 digits, and `town` takes 9"]
    );
}

#[test]
fn a_push_answers_no_claim_and_selects_and_requires_nothing() {
    assert_eq!(
        messages("reduce.name = { op = \"equal\" }"),
        ["`equal` does not belong in mode `feed`"]
    );
    assert_eq!(messages("select_by = [\"serial\"]"), ["a push selects nothing"]);
    assert_eq!(
        messages("require = [\"serial\"]"),
        ["only a comparison requires anything of its caller"]
    );
}

#[test]
fn what_a_request_selects_by_or_brings_exists_and_stands_once() {
    let select = "select_by = [\"hukou_region\", \"updated_at\"]";
    refused(
        &[(REGISTRY, select, "select_by = [\"hukou_regoin\"]")],
        "`population` has no field `hukou_regoin`",
        "\"hukou_regoin\"",
    );
    refused(
        &[(REGISTRY, select, "select_by = [\"death_date\"]")],
        "rows cannot be chosen by `death_date`, which this grant does not release whole",
        "\"death_date\"",
    );
    let require = "require = [\"citizen_id\", \"name\"]";
    refused(
        &[(REGISTRY, require, "require = [\"citizen_id\", \"name\", \"nam\"]")],
        "`population` has no field `nam`",
        "\"nam\"",
    );
    refused(
        &[(REGISTRY, require, "require = [\"citizen_id\", \"name\", \"name\"]")],
        "field `name` stands twice",
        "\"name\"",
    );
}

#[test]
fn a_pull_uses_keys_of_whom_it_goes_to_and_not_of_the_agreements_consumer() {
    let office = "[[partner]]\nid = \"survey-office\"\nzh = \"调查办\"\nspiffe = \"spiffe://lyg.example/registry/survey-office\"\n[[partner]]";
    let key = "reduce.death_date = { op = \"date\", to = \"month\" } # 停保按月";
    let with_name = format!("{key}\nreduce.name = {{ op = \"pseudonym\", key = \"pseudonym-father\" }}");
    let name = "keep = [\"citizen_id\", \"name\", ";
    let pull = |whom: &str| {
        let whom = format!("for = {{ {whom}, dataset = \"population\" }}");
        with(&[
            ("partners.toml", "[[partner]]", office),
            (REGISTRY, name, "keep = [\"citizen_id\", "),
            (REGISTRY, key, &with_name),
            (
                REGISTRY,
                "for = { partner = \"information-centre\", dataset = \"population\" }",
                &whom,
            ),
        ])
        .err()
        .unwrap_or_default()
        .into_iter()
        .filter(|fault| fault.message.starts_with("key "))
        .count()
    };
    assert_eq!(pull("partner = \"information-centre\""), 0);
    assert_eq!(pull("partners = [\"information-centre\"]"), 0);
    assert_eq!(pull("partner = \"survey-office\""), 1);
    assert_eq!(pull("partners = [\"information-centre\", \"survey-office\"]"), 1);
    assert_eq!(pull("partners = [\"survey-office\"]"), 1);
}

/// A bound of `ceilings.toml`, and whether the example breaks it.
fn breaks(bound: &str) -> bool {
    let line = format!("ceiling = [\n  {{ id = \"T-1\", why = \"试\", {bound} }},");
    match with(&[("ceilings.toml", "ceiling = [", &line)]) {
        Ok(_) => false,
        Err(faults) => {
            let told = |fault: &Fault| fault.message.starts_with("ceiling T-1 ");
            assert!(faults.iter().all(told), "{bound}: {faults:?}");
            true
        }
    }
}

#[test]
fn each_word_of_a_bound_names_grants_alone_and_narrows_it_beside_another() {
    for (alone, elsewhere) in [
        ("role = \"registry\"", "direction = \"push\""),
        ("partner = \"information-centre\"", "direction = \"push\""),
        ("purpose = \"enrolment.comparison\"", "mode = \"extract\""),
        ("direction = \"pull\"", "mode = \"feed\""),
        ("mode = \"compare\"", "purpose = \"enrolment.registration\""),
        ("dataset = \"population\"", "direction = \"push\""),
        ("field = \"legal_rep_name\"", "partner = \"health-ganyu\""),
        ("class = \"C3\"", "dataset = \"enterprises\""),
    ] {
        assert!(breaks(&format!("{alone}, at_most = \"drop\"")), "{alone}");
        assert!(
            !breaks(&format!("{alone}, {elsewhere}, at_most = \"drop\"")),
            "{alone} {elsewhere}"
        );
        assert!(!breaks(&format!("{alone}, at_most = \"keep\"")), "{alone}");
    }
}
