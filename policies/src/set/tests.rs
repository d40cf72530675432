#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod asks;
mod beside;
mod bounds;
mod decided;
mod example;
mod guards;
mod turns;

use super::*;
use crate::fixture::{ADMISSION, GRANT, HEADER, KEYS, PARTNERS, PURPOSES, build, set_of, texts};

fn faults_of(texts: Vec<(String, String)>) -> Vec<Fault> {
    match build(texts) {
        Ok(_) => Vec::new(),
        Err(faults) => faults,
    }
}

/// The bundle with one replacement in one file has exactly one fault, with this message, and its caret stands under `under`.
fn one_fault(file: &str, from: &str, to: &str, message: &str, under: &str) {
    let mut bundle = texts(&format!("{HEADER}{GRANT}"));
    let text = &mut bundle.iter_mut().find(|(name, _)| name == file).unwrap().1;
    assert!(text.contains(from), "{from}");
    *text = text.replacen(from, to, 1);
    let faults = faults_of(bundle);
    let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 1, "{}", shown.join("\n"));
    let fault = faults.first().unwrap();
    assert_eq!(fault.file, file);
    assert!(fault.message.contains(message), "{fault}");
    let marked: String = fault.text.chars().skip(fault.column - 1).take(fault.width).collect();
    assert_eq!(marked, under, "{fault}");
}

fn us(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_microsecond()
}

fn example() -> PolicySet {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("example");
    PolicySet::load(&dir).unwrap_or_else(|faults| {
        let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("{}", shown.join("\n"))
    })
}

const GRANTS: &str = "agreements/one.toml";

#[test]
fn a_grant_that_names_what_does_not_exist_does_not_load() {
    one_fault(
        GRANTS,
        "\"serial\", ",
        "\"serial\", \"nmae\", ",
        "has no field `nmae`",
        "\"nmae\"",
    );
    one_fault(
        GRANTS,
        "health/admission",
        "health/admision",
        "not in the catalogue",
        "\"health/admision\"",
    );
    one_fault(
        GRANTS,
        "\"enrolment.registration\"",
        "\"enrolment.registratio\"",
        "not in purposes.toml",
        "\"enrolment.registratio\"",
    );
    one_fault(
        GRANTS,
        "\"pseudonym-father\"",
        "\"pseudonym-fater\"",
        "not in keys.toml",
        "\"pseudonym-fater\"",
    );
    one_fault(
        GRANTS,
        "admission\" }",
        "admission\", partner = \"health-cty\" }",
        "not in partners.toml",
        "\"health-cty\"",
    );
    one_fault(
        GRANTS,
        "consumer = \"information-centre\"",
        "consumer = \"tax-city\"",
        "no registry partner",
        "\"tax-city\"",
    );
    one_fault(GRANTS, "op = \"mask\"", "op = \"maks\"", "operator `maks`", "\"maks\"");
    one_fault(GRANTS, "to = \"month\"", "to = \"week\"", "level `week`", "\"week\"");
    one_fault(
        GRANTS,
        "reject_percent",
        "reject_procent",
        "unknown key `grant.limits.reject_procent`",
        "reject_procent",
    );
    one_fault(GRANTS, "[[grant]]", "[[grants]]", "unknown key `grants`", "grants");
    one_fault(
        "partners.toml",
        "region",
        "regoin",
        "unknown key `partner.regoin`",
        "regoin",
    );
    one_fault("purposes.toml", "format = 1", "format = 2", "format 2", "2");
}

#[test]
fn a_misspelt_name_comes_with_a_suggestion() {
    let bundle = texts(&format!("{HEADER}{GRANT}").replace("\"serial\"", "\"seriel\""));
    let hints: Vec<_> = faults_of(bundle).into_iter().filter_map(|fault| fault.hint).collect();
    assert!(hints.contains(&"did you mean `serial`?".to_owned()), "{hints:?}");
}

#[test]
fn a_field_has_one_operator_and_it_fits() {
    one_fault(
        GRANTS,
        "\"serial\", ",
        "\"serial\", \"name\", ",
        "in `keep` and in `reduce`",
        "name",
    );
    one_fault(
        GRANTS,
        "\"serial\", ",
        "\"serial\", \"serial\", ",
        "stands twice",
        "\"serial\"",
    );
    one_fault(
        GRANTS,
        "reduce.citizen_id = { op = \"pseudonym\", key = \"pseudonym-father\" }",
        "reduce.citizen_id = { op = \"mask\", first = 6 }",
        "`mask` does not fit",
        "citizen_id",
    );
    one_fault(
        GRANTS,
        "reduce.note = { op = \"constant\", value = \"-\" }",
        "reduce.note = { op = \"date\", to = \"day\" }",
        "`date` does not fit",
        "note",
    );
    one_fault(
        GRANTS,
        "edges = [0, 1000]",
        "edges = [1000, 0]",
        "strictly ascending",
        "[1000, 0]",
    );
    one_fault(
        GRANTS,
        "char = \"＊\"",
        "char = \"＊＊\"",
        "exactly one character",
        "\"＊＊\"",
    );
    one_fault(
        GRANTS,
        "reduce.religion = { op = \"drop\", why = \"无关\" }",
        "reduce.religion = { op = \"exists\" }",
        "class C4",
        "religion",
    );
}

#[test]
fn a_natural_key_must_arrive_whole() {
    one_fault(
        GRANTS,
        "keep = [\"serial\", ",
        "keep = [",
        "no natural key",
        "[[grant]]",
    );
}

#[test]
fn sensitive_fields_need_necessity_and_an_assessment() {
    one_fault(
        GRANTS,
        "necessity = \"试验\"",
        "",
        "`necessity` is missing",
        "[[grant]]",
    );
    one_fault(
        GRANTS,
        "impact_assessment = \"PIA-1\"",
        "",
        "`impact_assessment` is missing",
        "[[grant]]",
    );
}

#[test]
fn rows_are_chosen_only_by_what_is_released_whole() {
    one_fault(
        GRANTS,
        "field = \"count\", in = [1, 2, 3]",
        "field = \"name\", eq = \"张\"",
        "does not release whole",
        "\"name\"",
    );
    one_fault(
        GRANTS,
        "prefix = [\"3207\"]",
        "prefix = [\"江苏\"]",
        "never holds this",
        "\"江苏\"",
    );
    one_fault(
        GRANTS,
        "in = [1, 2, 3]",
        "in = [\"一\"]",
        "holds whole numbers",
        "\"一\"",
    );
    one_fault(
        GRANTS,
        "in = [1, 2, 3]",
        "in = []",
        "lets no row pass",
        "{ field = \"count\", in = [] }",
    );
    one_fault(
        GRANTS,
        "in = [1, 2, 3]",
        "eq = 1, in = [1]",
        "exactly one of",
        "{ field = \"count\", eq = 1, in = [1] }",
    );
    one_fault(
        GRANTS,
        "limits =",
        "select_by = [\"serial\"]\nlimits =",
        "a push selects nothing",
        "\"serial\"",
    );
}

#[test]
fn terms_are_checked() {
    one_fault(GRANTS, "schema = 3", "schema = 2", "has schema 3, not 2", "2");
    one_fault(GRANTS, "00:00:00+08:00", "00:00:00", "an offset", "2026-01-01T00:00:00");
    one_fault(
        GRANTS,
        "until = 2026",
        "until = 2025",
        "before `from`",
        "2025-12-31T23:59:59+08:00",
    );
    one_fault(
        GRANTS,
        "direction = \"push\"",
        "direction = \"pull\"",
        "cannot go as `pull/feed`",
        "\"pull\"",
    );
}

#[test]
fn nothing_flows_back_to_an_agency() {
    let grant = "[[grant]]\nid = \"x\"\nfor = { partner = \"health-city\", dataset = \"population\", direction = \"pull\", mode = \"extract\" }\nschema = 1\nkeep = [\"name\"]\n";
    let faults = faults_of(texts(&format!("{HEADER}{grant}")));
    assert!(
        faults.iter().any(|fault| fault.message.contains("may not pull")),
        "{faults:?}"
    );
    let foreign = GRANT.replace("admission\" }", "admission\", partner = \"tax-city\" }");
    let faults = faults_of(texts(&format!("{HEADER}{foreign}")));
    assert!(
        faults.iter().any(|fault| fault.message.contains("may not push")),
        "{faults:?}"
    );
}

#[test]
fn a_key_stays_in_its_scope() {
    one_fault(
        GRANTS,
        "\"pseudonym-father\"",
        "\"pseudonym-other\"",
        "purpose `enrolment.survey` only",
        "citizen_id",
    );
    one_fault(
        "keys.toml",
        "enrolment.survey",
        "enrolment.surveys",
        "not in purposes.toml",
        "\"enrolment.surveys\"",
    );
    one_fault(
        "keys.toml",
        "alg = \"hmac-sha256\"",
        "alg = \"md5\"",
        "not offered",
        "\"md5\"",
    );
}

#[test]
fn the_purpose_tree_holds_together() {
    one_fault(
        "purposes.toml",
        ", requestable = false",
        "",
        "purposes below it",
        "\"enrolment\"",
    );
    one_fault(
        "purposes.toml",
        "[\"pull/extract\"] },",
        "[\"pull/extract\"] }, { code = \"audit.yearly\", zh = \"年审\" },",
        "above `audit.yearly`",
        "\"audit.yearly\"",
    );
}

#[test]
fn identities_are_never_shared() {
    one_fault(
        "partners.toml",
        "agency/health/ganyu",
        "agency/health/city",
        "belongs to `health-city`",
        "\"spiffe://lyg.example/agency/health/city\"",
    );
    one_fault(
        "partners.toml",
        "lyg.example/agency/tax/city",
        "other.example/agency/tax/city",
        "outside the trust domain",
        "\"spiffe://other.example/agency/tax/city\"",
    );
    one_fault(
        "partners.toml",
        "agency = \"health\"",
        "agency = \"tax\"",
        "not the one of the SPIFFE id",
        "\"tax\"",
    );
    one_fault(
        "partners.toml",
        "id = \"tax-city\"",
        "id = \"health-city\"",
        "stands here twice",
        "\"health-city\"",
    );
}

#[test]
fn two_grants_for_one_key_name_both_places() {
    let narrow = GRANT.replace(
        "admission\" }",
        "admission\", partner = \"health-ganyu\" }\nid = \"narrow\"",
    );
    let mut bundle = texts(&format!("{HEADER}{GRANT}"));
    let other = format!("{HEADER}{narrow}").replace("XY-1", "XY-2");
    bundle.push(("agreements/two.toml".into(), other));
    let faults = faults_of(bundle);
    let [fault] = faults.as_slice() else {
        panic!("{faults:?}")
    };
    assert_eq!(fault.file, "agreements/two.toml");
    assert!(
        fault.message.contains("two grants for one key: `health-ganyu`"),
        "{fault}"
    );
    assert!(
        fault.message.contains("agreements/one.toml:10") && fault.message.contains("agreements/two.toml:10"),
        "{fault}"
    );
}

#[test]
fn a_bundle_holds_no_other_files_and_misses_none() {
    let mut bundle = texts(&format!("{HEADER}{GRANT}"));
    bundle.push(("agreement/three.toml".into(), String::new()));
    let faults = faults_of(bundle.clone());
    assert_eq!(faults.len(), 1);
    bundle.retain(|(name, _)| name != "keys.toml" && name != "agreement/three.toml");
    let faults = faults_of(bundle);
    assert!(
        faults
            .iter()
            .any(|fault| fault.file == "keys.toml" && fault.message.contains("missing"))
    );
}

#[test]
fn faults_of_all_files_are_shown_at_once() {
    let mut bundle = texts(&format!("{HEADER}{GRANT}").replace("\"serial\", ", "\"serial\", \"x\", \"y\", "));
    bundle
        .iter_mut()
        .find(|(name, _)| name == "purposes.toml")
        .unwrap()
        .1
        .push_str("oops = 1\n");
    let files: Vec<String> = faults_of(bundle).into_iter().map(|fault| fault.file).collect();
    assert_eq!(files, ["purposes.toml", GRANTS, GRANTS]);
}

#[test]
fn a_folder_gives_what_its_texts_give_and_follows_no_symlink() {
    let dir = tempfile::tempdir().unwrap();
    let catalogue = || Catalogue::of(&[&ADMISSION]);
    std::fs::create_dir(dir.path().join("agreements")).unwrap();
    for (name, text) in texts(&format!("{HEADER}{GRANT}")) {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let read = || read_folder(dir.path()).and_then(|texts| PolicySet::build(texts, catalogue()));
    assert_eq!(read().unwrap().hash(), set_of(GRANT).hash());

    let link = dir.path().join("agreements/link.toml");
    std::os::unix::fs::symlink(dir.path().join("keys.toml"), &link).unwrap();
    std::fs::write(dir.path().join("agreements/one.toml~"), "").unwrap();
    let files: Vec<String> = read().unwrap_err().into_iter().map(|fault| fault.file).collect();
    assert_eq!(files, ["agreements/link.toml", "agreements/one.toml~"]);
}

#[test]
fn a_constant_is_short_and_not_empty() {
    one_fault(GRANTS, "value = \"-\"", "value = \"\"", "1 to 100 characters", "\"\"");
}
