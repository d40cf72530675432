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
    let compare = "require = [\"citizen_id\", \"name\"]";
    let selecting = format!("select_by = [\"citizen_id\"]\n{compare}");
    let hint = |file: &str, from: &str, to: &str| {
        let faults = with(&[(file, from, to)]).unwrap_err();
        faults.into_iter().find_map(|fault| fault.hint).unwrap_or_default()
    };
    assert_eq!(
        hint(REGISTRY, compare, &selecting),
        "name what the caller brings in `require`"
    );
    let push = "agreements/health.toml";
    assert_eq!(
        hint(push, "necessity =", "select_by = [\"citizen_id\"]\nnecessity ="),
        "remove `select_by`"
    );
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
        ("direction = \"pull\"", "partner = \"health-ganyu\""),
        ("mode = \"compare\"", "purpose = \"enrolment.registration\""),
        ("dataset = \"population\"", "partner = \"health-ganyu\""),
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

#[test]
fn a_row_atom_says_what_its_field_can_hold() {
    let row = |keep: &str, atom: &str| {
        let grant = format!("keep = [\"serial\", \"{keep}\"]\nrows = [{{ field = \"{keep}\", {atom} }}]");
        let grant =
            format!("{HEADER}\n[[grant]]\nfor = {{ record = \"health/admission\" }}\nnecessity = \"试验\"\n{grant}\n");
        match build(texts(&grant)) {
            Ok(set) => set
                .plans()
                .next()
                .unwrap()
                .rows()
                .iter()
                .map(crate::filter::Atom::describe)
                .collect(),
            Err(faults) => faults
                .into_iter()
                .map(|fault| format!("{} / {}", fault.message, fault.hint.unwrap_or_default()))
                .collect::<Vec<_>>(),
        }
        .join("\n")
    };
    let digits = |length: u8| format!("never holds this / it has {length} digits");
    let two = "`between` has two values, the smaller one first / ";
    for (keep, atom, said) in [
        ("region", "eq = \"320707\"", "region in 320707"),
        ("region", "eq = \"3207\"", &format!("`region` {}", digits(6))),
        ("region", "prefix = [\"3207\"]", "region starts with 3207"),
        ("region", "prefix = [\"3207071\"]", &format!("`region` {}", digits(6))),
        ("region", "prefix = [\"\"]", &format!("`region` {}", digits(6))),
        (
            "village_code",
            "eq = \"320707\"",
            &format!("`village_code` {}", digits(12)),
        ),
        (
            "village_code",
            "prefix = [\"3207O7\"]",
            &format!("`village_code` {}", digits(12)),
        ),
        (
            "village_code",
            "prefix = [\"320707100201\"]",
            "village_code starts with 320707100201",
        ),
        (
            "name",
            "eq = \"\"",
            "`name` never holds this / an empty text is a null, which no atom lets pass",
        ),
        ("name", "in = [\"李四\", \"张三\", \"李四\"]", "name in 张三, 李四"),
        ("name", "is = \"null\"", "name is null"),
        ("name", "is = \"present\"", "name is present"),
        (
            "name",
            "is = \"absent\"",
            "`is` cannot be `absent` / `null` or `present`",
        ),
        ("count", "between = [2, 2]", "count between 2 and 2"),
        ("count", "between = [3, 2]", two),
        ("count", "between = [1, 2, 3]", two),
        (
            "count",
            "between = [2026-01-31, 2]",
            "`count` is never compared with this / whole numbers, or days such as 2026-01-31",
        ),
        (
            "day",
            "between = [1899-12-31, 2026-01-31]",
            "day between 1899-12-31 and 2026-01-31",
        ),
        (
            "day",
            "between = [2026-01-31T08:00:00+08:00, 2026-02-01]",
            "`day` is never compared with this / whole numbers, or days such as 2026-01-31",
        ),
        (
            "day",
            "between = [1, 2]",
            "`day` is never compared with this / whole numbers, or days such as 2026-01-31",
        ),
    ] {
        assert_eq!(row(keep, atom), said, "{keep} {atom}");
    }
    // A code that its table does not have is never met, and the nearest one is named.
    let hukou = |atom: &str| {
        let faults = with(&[(
            REGISTRY,
            "keep = [\"citizen_id\"",
            &format!("rows = [{{ field = \"sex\", {atom} }}]\nkeep = [\"citizen_id\""),
        )]);
        faults
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|fault| fault.message)
            .collect::<Vec<_>>()
    };
    assert_eq!(hukou("in = [\"1\", \"7\"]"), ["`sex` never holds this"]);
    assert!(!hukou("in = [\"1\", \"2\"]").contains(&"`sex` never holds this".to_owned()));
    assert!(!hukou("prefix = [\"7\"]").contains(&"`sex` never holds this".to_owned()));
}

#[test]
fn an_agency_is_granted_what_is_its_own() {
    let of = |agency: &str| {
        let grant = format!(
            "{HEADER}{}",
            GRANT.replace("admission\" }", &format!("admission\", agency = \"{agency}\" }}"))
        );
        build(texts(&grant))
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|fault| fault.message)
            .collect::<Vec<_>>()
    };
    assert!(of("health").is_empty());
    assert_eq!(
        of("tax"),
        ["`tax` may not push `health/admission`: it belongs to `health`"]
    );
}

#[test]
fn what_is_about_children_is_sensitive_in_every_field() {
    use shuguan_adapters::catalogue::{Agency, Class, Field, FieldType, RecordType};
    static CHILDREN: RecordType = RecordType {
        fields: &[Field::new("serial", "字段", FieldType::DocumentNo(20), Class::C1)],
        keys: &[&["serial"]],
        basis: &["op-8"],
        minors: true,
        ..RecordType::new(Agency::Health, "health/children", "试验")
    };
    let grant = format!(
        "{}\n[[grant]]\nfor = {{ record = \"health/children\" }}\nkeep = [\"serial\"]\n",
        HEADER.replace("schema = 3", &format!("schema = {}", CHILDREN.schema))
    );
    let built = |text: &str| PolicySet::build(texts(text), Catalogue::of(&[&CHILDREN]));
    let [fault] = built(&grant).err().unwrap().try_into().unwrap();
    let fault: Fault = fault;
    assert_eq!(fault.message, "`necessity` is missing");
    assert_eq!(
        fault.hint.as_deref(),
        Some("everything in `health/children` is about a child")
    );
    assert!(built(&grant.replace("keep", "necessity = \"试\"\nkeep")).is_ok());
}

#[test]
fn a_plan_says_what_its_grant_says() {
    let set = example();
    let plan = set
        .plans()
        .find(|plan| plan.grant_id() == "population-registration")
        .unwrap();
    assert_eq!(
        (plan.agreement(), plan.consumer()),
        ("XY-2026-06", "information-centre")
    );
    assert_eq!(plan.articles(), ["op-8", "op-9", "si-74"]);
    assert_eq!(plan.select_by(), ["hukou_region", "updated_at"]);
    assert_eq!(plan.necessity(), Some("参保登记比对须以身份号码为准"));
    assert_eq!(plan.impact_assessment(), Some("PIA-2026-06"));
    assert_eq!(
        (plan.limits().rows_per_pull, plan.limits().pulls_per_day),
        (Some(6_000_000), Some(24))
    );
    let dropped: Vec<&str> = plan.dropped().iter().map(|one| one.field.name).collect();
    assert_eq!(dropped, ["hukou_address"]);
    let hours = crate::terms::Hours {
        from_minute: 8 * 60 + 5,
        to_minute: 20 * 60,
        calendar: None,
    };
    assert_eq!(hours.describe(), "08:05 to 20:00 Asia/Shanghai");
}

#[test]
fn the_ground_of_a_ceiling_is_part_of_the_bundle() {
    let other = with(&[("ceilings.toml", "why = \"C4 不出边界\"", "why = \"C4\"")]).unwrap();
    assert_ne!(example().hash(), other.hash());
}

#[test]
fn an_operator_is_read_with_the_arguments_that_it_takes() {
    let step = |step: u8| messages(&format!("reduce.amount = {{ op = \"round\", step = {step} }}"));
    assert_eq!(step(0), ["`step` is a whole number above 0"]);
    assert!(step(1).is_empty() && step(2).is_empty());
    let bytes = |bytes: u8| {
        messages(&format!(
            "reduce.note = {{ op = \"pseudonym\", key = \"pseudonym-father\", bytes = {bytes} }}"
        ))
    };
    for wrong in [15, 33] {
        assert_eq!(bytes(wrong), ["`bytes` is 16 to 32: fewer would let values meet"]);
    }
    assert!(bytes(16).is_empty() && bytes(32).is_empty());
    let token = |algorithm: &str| {
        let grant = "[[grant]]\nfor = { record = \"health/admission\" }\nnecessity = \"试验\"\nkeep = [\"serial\"]\nreduce.citizen_id = { op = \"token\", kind = \"id18\", key = \"t\" }\n";
        let mut texts = texts(&format!("{HEADER}{grant}"));
        let key = format!(
            "t = {{ alg = \"{algorithm}\", epoch = 1, partner = \"information-centre\", purpose = \"enrolment.registration\", domain = \"person\" }}\n"
        );
        texts
            .iter_mut()
            .filter(|(name, _)| name == "keys.toml")
            .for_each(|(_, text)| text.push_str(&key));
        build(texts)
    };
    let set = token("ff1-aes256-id18").unwrap();
    let told: Vec<String> = set
        .plans()
        .flat_map(|plan| plan.output())
        .map(|column| column.kind.operator.describe())
        .collect();
    assert_eq!(told, ["keep", "token kind=id18 key t"]);
    assert!(token("ff1-aes256-digits").is_err());
    let map = "reduce.person_status = { op = \"map\", list = { zz = \"x\" }, default = \"y\" }\nreduce.death_date =";
    let changes = [
        (REGISTRY, "\"person_status\", ", ""),
        (REGISTRY, "reduce.death_date =", map),
    ];
    let [fault] = with(&changes).err().unwrap().try_into().unwrap();
    let fault: Fault = fault;
    assert_eq!(
        fault.message,
        "`map` does not fit `person_status`, a code(person-status)"
    );
    assert_eq!(fault.hint.as_deref(), Some("`zz` is no code of `person-status`"));
}

#[test]
fn a_field_is_asked_for_everywhere_or_at_one_target() {
    let set = example();
    for (field, known) in [
        ("name", true),
        ("population.name", true),
        ("nothing", false),
        ("population.nothing", false),
        ("nowhere.name", false),
        ("population.birth_region", true),
        ("birth_region", true),
    ] {
        assert_eq!(set.knows_field(field), known, "{field}");
    }
    let targets = |field: &str| {
        set.who_can(field)
            .into_iter()
            .map(|one| one.target)
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(
        targets("population.name").into_iter().collect::<Vec<_>>(),
        ["population"]
    );
    let [told] = set.who_can("enterprises.legal_rep_name").try_into().unwrap();
    let told: crate::who_can::Telling = told;
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("example");
    let text = std::fs::read_to_string(dir.join(REGISTRY)).unwrap();
    let starts = |line: &str| line.starts_with("reduce.legal_rep_name");
    let line = 1 + text.lines().position(starts).unwrap();
    assert_eq!(told.place, format!("{REGISTRY}:{line}"), "the line that lets it out");
    assert!(targets("name").len() > 1 && targets("nowhere.name").is_empty());
}
