//! What a number gives away, and what ceilings bind: reductions that hide nothing and bounds that are broken or mean nothing are refused, each on a changed copy
//! of the example.

use super::guards::{CIVIL, DROP_ADDRESS, POLICE, REGISTRY, refused, with};
use super::*;

#[test]
fn reducing_what_another_field_gives_away_is_theatre() {
    for (from, field, operator) in [
        ("\"birth_date\", ", "birth_date", "{ op = \"date\", to = \"year\" }"),
        (
            "\"birth_date\", ",
            "birth_date",
            "{ op = \"age_band\", width = 10, cap = 80 }",
        ),
        ("\"sex\", ", "sex", "{ op = \"drop\" }"),
        ("\"sex\", ", "sex", "{ op = \"exists\" }"),
        ("\"town_code\", ", "town_code", "{ op = \"region\", to = \"county\" }"),
    ] {
        let line = format!("reduce.{field} = {operator}\n{DROP_ADDRESS}");
        refused(
            &[(REGISTRY, from, ""), (REGISTRY, DROP_ADDRESS, &line)],
            &format!("reducing `{field}` hides nothing"),
            field,
        );
    }
}

#[test]
fn a_reduction_that_tells_no_more_than_the_number_does_is_no_theatre() {
    let id = "keep = [\"citizen_id\", \"name\", \"sex\", \"birth_date\", ";
    let ids = "reduce.citizen_id = { op = \"birth_of\", to = \"year\" }\nreduce.birth_date = { op = \"date\", to = \"year\" }\nkeep = [\"name\", \"sex\", ";
    let faults = with(&[(REGISTRY, id, ids)]).unwrap_err();
    // Only the case of the example, which was written for the other grant, fails.
    assert!(
        faults.iter().all(|fault| fault.message.starts_with("case ")),
        "{faults:?}"
    );
}

#[test]
fn every_ceiling_of_the_example_holds_against_the_smallest_step() {
    let after = "reduce.village_code = { op = \"region\", to = \"county\" } # 居住地以公安数据为准";
    for (file, field) in [(CIVIL, "amount"), (CIVIL, "bank_account")] {
        let line = format!("{after}\nreduce.{field} = {{ op = \"exists\" }}");
        let faults = with(&[(file, after, &line)]).unwrap_err();
        assert!(
            faults.iter().any(|fault| fault.message.contains("ceiling L-0")),
            "{faults:?}"
        );
        assert!(faults.iter().all(|fault| fault.text.contains(field)), "{faults:?}");
    }
    refused(
        &[(POLICE, "\"valid_to\", ", "\"valid_to\", \"marital_status\", ")],
        "ceiling L-05 (婚姻状况不在用途内) is broken: `public-security/resident` tells `keep` of `marital_status`",
        "\"marital_status\"",
    );
}

#[test]
fn a_ceiling_counts_what_can_be_read_out_of_another_field() {
    let ceiling = "ceiling = [\n  { id = \"T-1\", why = \"试\", field = \"birth_date\", dataset = \"population\", at_most = { op = \"date\", to = \"year\" } },";
    let without = [
        ("ceilings.toml", "ceiling = [", ceiling),
        (REGISTRY, "\"birth_date\", ", ""),
    ];
    let faults = with(&without).unwrap_err();
    assert!(
        faults
            .iter()
            .any(|fault| fault.message.contains("of `birth_date`, read out of `citizen_id`")),
        "{faults:?}"
    );
}

const TAX: &str = "agreements/tax.toml";

#[test]
fn a_taxpayers_number_may_be_a_resident_id_and_needs_what_one_needs() {
    let necessity = "necessity = \"以纳税人识别号与工商、民政的单位对应\"\n";
    let faults = with(&[(TAX, necessity, "")]).unwrap_err();
    let [fault] = faults.try_into().unwrap();
    let fault: Fault = fault;
    assert_eq!(fault.message, "`necessity` is missing");
    let why = "`taxpayer_id` gives away a `citizen_id`, which is sensitive (C3)";
    assert_eq!(fault.hint.as_deref(), Some(why));
    // Without it the public side of the tax register needs none, but the example's own case and its extract miss it.
    let without = with(&[(TAX, necessity, ""), (TAX, "\"taxpayer_id\", ", "")]).unwrap_err();
    assert!(
        without.iter().all(|fault| fault.message != "`necessity` is missing"),
        "{without:?}"
    );
}

#[test]
fn the_number_of_who_represents_a_trader_is_not_hidden_beside_the_traders_own() {
    let grant = "for = { record = \"tax/registration\" }\n";
    let line = format!("{grant}reduce.legal_rep_id = {{ op = \"exists\" }}\n");
    refused(
        &[(TAX, grant, &line)],
        "reducing `legal_rep_id` hides nothing: `taxpayer_id`, released as `keep`, gives it away (keep)",
        "legal_rep_id",
    );
    let ceiling = "ceiling = [\n  { id = \"T-1\", why = \"试\", field = \"tax/registration.legal_rep_id\", at_most = \"exists\" },";
    refused(
        &[("ceilings.toml", "ceiling = [", ceiling)],
        "ceiling T-1 (试) is broken: `tax/registration` tells `keep` of `legal_rep_id`, read out of `taxpayer_id`",
        "\"taxpayer_id\"",
    );
}

#[test]
fn a_bound_on_a_name_or_class_holds_for_whomever_a_number_is_and_one_on_a_field_for_whom_it_is_about() {
    let broken = |bound: &str| {
        let ceiling = format!("ceiling = [\n  {{ id = \"T-1\", why = \"试\", {bound} }},");
        match with(&[("ceilings.toml", "ceiling = [", &ceiling)]) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>(),
        }
    };
    for bound in [
        "record = \"tax/registration\", class = \"C3\", at_most = \"exists\"",
        "field = \"citizen_id\", purpose = \"enrolment.registration\", at_most = \"exists\"",
    ] {
        let broken = broken(bound);
        assert!(
            broken
                .iter()
                .any(|message| message.contains("of `citizen_id`, read out of `taxpayer_id`")),
            "{bound}: {broken:?}"
        );
    }
    let mothers = "field = \"public-security/birth.citizen_id\", at_most = \"keep\"";
    assert!(broken(mothers).is_empty());
}

#[test]
fn who_can_learn_a_resident_id_names_the_tax_register_and_no_extract_of_units() {
    let set = example();
    let who = set.who_can("citizen_id");
    let ways = |target: &str| -> Vec<String> {
        let of = who.iter().filter(|one| one.target == target);
        let mut ways: Vec<String> = of.map(|one| format!("{} {}", one.strength, one.way)).collect();
        ways.dedup();
        ways
    };
    assert_eq!(ways("tax/registration"), ["keep read out of taxpayer_id"]);
    // The employee's own, and his employer's where that is a person.
    assert_eq!(
        ways("tax/withholding-employee"),
        ["keep read out of id_no", "keep read out of withholder_id"]
    );
    assert!(ways("enterprises").is_empty());
    let trader = "keep = [\"trader_id\", \"uscc\", \"org_code\", ";
    let changes = [(REGISTRY, "keep = [\"uscc\", \"org_code\", ", trader)];
    let faults = with(&changes).unwrap_err();
    assert!(
        faults.iter().any(|fault| fault.message == "`necessity` is missing"),
        "{faults:?}"
    );
}

#[test]
fn reducing_what_a_card_an_address_or_the_heads_own_row_gives_away_is_theatre() {
    let after = "limits = { rows_per_push = 500_000, rows_per_day = 500_000, reject_percent = 20 }\n";
    let of_the_head = |line: &str| format!("{line}\n{after}");
    refused(
        &[(
            CIVIL,
            after,
            &of_the_head("reduce.head_name = { op = \"mask\", first = 1, char = \"＊\" }"),
        )],
        "reducing `head_name` hides nothing: `name`, released as `keep`, gives it away (keep)",
        "head_name",
    );
    let grant = |record: &str, rest: &str| {
        format!("[[grant]]\nfor = {{ record = \"{record}\" }}\nnecessity = \"试\"\n{rest}\n{after}")
    };
    for (file, record, rest, field, source) in [
        (
            CIVIL,
            "civil-affairs/disability",
            "keep = [\"disability_no\", \"name\"]\nreduce.grade = { op = \"exists\" }",
            "grade",
            "disability_no",
        ),
        (
            CIVIL,
            "civil-affairs/destitute-support",
            "keep = [\"citizen_id\", \"start_month\", \"address\"]\nreduce.town_code = { op = \"region\", to = \"county\" }",
            "town_code",
            "address",
        ),
        (
            POLICE,
            "public-security/non-mainland-resident",
            "keep = [\"id_type\", \"id_no\", \"name\"]\nreduce.birth_date = { op = \"date\", to = \"year\" }",
            "birth_date",
            "id_no",
        ),
    ] {
        let whole = grant(record, rest);
        let texts = [(file, "[[grant]]", &*format!("{whole}\n[[grant]]"))];
        refused(
            &texts,
            &format!("reducing `{field}` hides nothing: `{source}`, released as `keep`, gives it away (keep)"),
            field,
        );
    }
}

#[test]
fn a_bound_on_a_field_of_a_record_type_holds_for_the_datasets_that_draw_on_it() {
    let with_bound = |file: &str, line: &str| {
        let (from, to) = match file {
            "ceilings.toml" => (
                "ceiling = [",
                format!("ceiling = [\n  {{ id = \"T-1\", why = \"试\", {line} }},"),
            ),
            _ => ("never = [", format!("never = [\n  {{ {line} }},")),
        };
        match with(&[(file, from, &to)]) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>(),
        }
    };
    let death = "field = \"health/death-certificate.death_date\", direction = \"pull\"";
    for file in ["ceilings.toml", "tests/never.toml"] {
        let told = with_bound(file, death);
        for wanted in [
            "`population-registration` tells `date to month` of `death_date`",
            "`population-compare` tells `exists` of `death_date`",
        ] {
            assert!(told.iter().any(|message| message.contains(wanted)), "{file}: {told:?}");
        }
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(with_bound(file, &format!("{death}, at_most = {{ op = \"date\", to = \"month\" }}")).is_empty());
        let told = with_bound(file, &format!("{death}, mode = \"extract\", at_most = \"exists\""));
        assert_eq!(told.len(), 1, "{told:?}");
    }
    // Whose rows there are shows in every row; the number itself is more than that.
    let number = "field = \"health/death-certificate.citizen_id\", direction = \"pull\"";
    assert!(with_bound("ceilings.toml", &format!("{number}, at_most = \"exists\"")).is_empty());
    let told = with_bound("ceilings.toml", number);
    assert!(
        told.iter()
            .all(|message| message.contains("tells `exists` of `death_certainty`"))
            && !told.is_empty(),
        "{told:?}"
    );
    // Pushed it may be.
    let pushed = "field = \"health/death-certificate.death_date\", direction = \"push\", at_most = \"keep\"";
    assert!(with_bound("ceilings.toml", pushed).is_empty());
}

#[test]
fn a_bound_that_can_mean_no_grant_is_a_fault() {
    for line in [
        "field = \"health/death-certificate.issuer\", direction = \"pull\"",
        "field = \"public-security/resident.marital_status\", mode = \"extract\"",
        "record = \"tax/registration\", direction = \"pull\"",
        "dataset = \"population\", direction = \"push\"",
        "field = \"population.name\", mode = \"feed\"",
        "direction = \"pull\", mode = \"feed\"",
    ] {
        let ceiling = format!("ceiling = [\n  {{ id = \"T-1\", why = \"试\", {line} }},");
        let faults = with(&[("ceilings.toml", "ceiling = [", &ceiling)]).unwrap_err();
        let told = faults
            .iter()
            .any(|fault| fault.message == "no grant can be meant by this, so it would bound nothing");
        assert!(told, "{line}: {faults:?}");
    }
}

#[test]
fn an_extract_in_which_children_are_needs_a_necessity_whatever_is_left_of_them() {
    let necessity = "necessity = \"参保登记比对须以身份号码为准\"\n";
    let keep = "keep = [\"citizen_id\", \"name\", \"sex\", \"birth_date\", \"hukou_region\", \"town_code\", \"village_code\", \"person_status\", \"death_certainty\", \"source\", \"updated_at\"]\nreduce.death_date = { op = \"date\", to = \"month\" } # 停保按月\n";
    let hint = |released: &str| {
        let faults = with(&[(REGISTRY, necessity, ""), (REGISTRY, keep, released)]).unwrap_err();
        let missing = faults
            .into_iter()
            .find(|fault| fault.message == "`necessity` is missing");
        missing.map(|fault| fault.hint.unwrap())
    };
    let masked =
        "keep = [\"hukou_region\", \"updated_at\"]\nreduce.name = { op = \"mask\", first = 1, char = \"＊\" }\n";
    assert_eq!(hint(masked).as_deref(), Some("`name` is sensitive (C3)"));
    let dated = "keep = [\"hukou_region\", \"updated_at\"]\n";
    let about = "everything in `public-security/birth` is about a child";
    assert_eq!(hint(dated).as_deref(), Some(about));
    assert_eq!(hint("keep = [\"hukou_region\", \"person_status\"]\n"), None);
}

#[test]
fn a_bound_that_names_nothing_that_exists_is_a_fault() {
    for (from, to, message, under) in [
        (
            "field = \"bank_account\"",
            "field = \"bank_acount\"",
            "no field `bank_acount`",
            "\"bank_acount\"",
        ),
        (
            "subsistence-allowance.amount",
            "subsistence-allowanc.amount",
            "not in the catalogue",
            "\"civil-affairs/subsistence-allowanc.amount\"",
        ),
        ("role = \"agency\"", "role = \"agent\"", "role `agent`", "\"agent\""),
        ("class = \"C4\"", "class = \"C5\"", "class `C5`", "\"C5\""),
        (
            "at_most = \"drop\"",
            "at_most = \"mask\"",
            "without arguments",
            "\"mask\"",
        ),
        (
            "at_most = \"drop\"",
            "atmost = \"drop\"",
            "unknown key `ceiling.atmost`",
            "atmost",
        ),
        ("why = \"C4 不出边界\"", "why = \"\"", "says why", "\"\""),
        (
            "id = \"L-02\"",
            "id = \"L-01\"",
            "stands here and at ceilings.toml:6",
            "\"L-01\"",
        ),
        (
            "kind = \"conditional\"",
            "kind = \"sometimes\"",
            "share `sometimes`",
            "\"sometimes\"",
        ),
        (
            "class = \"C4\", ",
            "",
            "names grants or fields",
            "{ id = \"L-01\", why = \"C4 不出边界\", at_most = \"drop\" }",
        ),
    ] {
        refused(&[("ceilings.toml", from, to)], message, under);
    }
}
