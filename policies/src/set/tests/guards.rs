//! What the whole table and the bundle's own tests refuse, each on a changed copy of the example.

use super::*;
use crate::plan::Given;
use crate::target::Mode;

/// The example with replacements: (file, from, to).
pub(super) fn with(changes: &[(&str, &str, &str)]) -> Result<PolicySet, Vec<Fault>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("example");
    let mut texts = read_folder(&dir).unwrap();
    for (file, from, to) in changes {
        match texts.iter_mut().find(|(name, _)| name == file) {
            Some((_, text)) => {
                assert!(text.contains(from), "{file}: {from}");
                *text = text.replacen(from, to, 1);
            }
            None => texts.push(((*file).into(), (*to).into())),
        }
    }
    PolicySet::from_texts(texts)
}

/// Every fault says this, and the caret of the first stands under `under`.
pub(super) fn refused(changes: &[(&str, &str, &str)], message: &str, under: &str) {
    shown(&with(changes).unwrap_err(), message, under);
}

/// The same of faults that are there.
pub(super) fn shown(faults: &[Fault], message: &str, under: &str) {
    let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert!(
        faults.iter().all(|fault| fault.message.contains(message)),
        "{}",
        shown.join("\n")
    );
    let fault = faults.first().unwrap();
    let marked: String = fault.text.chars().skip(fault.column - 1).take(fault.width).collect();
    assert_eq!(marked, under, "{fault}");
}

pub(super) const REGISTRY: &str = "agreements/registry.toml";
pub(super) const CIVIL: &str = "agreements/civil-affairs.toml";
pub(super) const POLICE: &str = "agreements/public-security.toml";
const HEALTH: &str = "agreements/health.toml";
pub(super) const DROP_ADDRESS: &str = "reduce.hukou_address = { op = \"drop\", why = \"登记只需到村\" }";

#[test]
fn what_is_not_shared_is_never_granted_and_conditions_need_an_application() {
    refused(
        &[("ceilings.toml", "kind = \"conditional\"", "kind = \"none\"")],
        "`civil-affairs/subsistence-allowance` is not shared (不予共享)",
        "\"civil-affairs/subsistence-allowance\"",
    );
    refused(
        &[(CIVIL, "application = \"SQ-2026-0002\" # 共享申请编号\n", "")],
        "shared under conditions",
        "\"civil-affairs/subsistence-allowance\"",
    );
}

#[test]
fn records_about_children_need_a_necessity_whatever_the_class() {
    refused(
        &[(HEALTH, "necessity = \"新生儿参保须与母亲户关联\"\n", "")],
        "`necessity` is missing",
        "[[grant]]",
    );
}

#[test]
fn a_dataset_field_that_no_feed_supplies_is_a_fault() {
    refused(
        &[
            (POLICE, "\"former_name\", ", ""),
            (
                REGISTRY,
                "\"citizen_id\", \"name\", ",
                "\"citizen_id\", \"name\", \"former_name\", ",
            ),
        ],
        "no granted feed supplies `former_name`",
        "\"former_name\"",
    );
}

#[test]
fn one_column_of_the_registry_has_one_type() {
    let whole = "for = { record = \"health/death-certificate\" }";
    let city = "for = { record = \"health/death-certificate\", partner = \"health-city\" }";
    let second = "limits = { rows_per_push = 500_000, rows_per_day = 1_000_000, reject_percent = 20 }";
    let ganyu = format!(
        "{second}\n[[grant]]\nid = \"other\"\nfor = {{ record = \"health/death-certificate\", partner = \"health-ganyu\" }}\nnecessity = \"试\"\nkeep = [\"cert_no\"]\nreduce.death_date = {{ op = \"date\", to = \"month\" }}"
    );
    refused(
        &[(HEALTH, whole, city), (HEALTH, second, &ganyu)],
        "leaves this grant as",
        "death_date",
    );
}

#[test]
fn lists_of_partners_and_purposes_become_one_cell_each() {
    let whole = "for = { record = \"health/death-certificate\" }";
    let both = "for = { record = \"health/death-certificate\", partners = [\"health-ganyu\", \"health-city\"] }";
    let set = with(&[(HEALTH, whole, both)]).unwrap();
    for partner in ["health-city", "health-ganyu"] {
        assert_eq!(set.plans_of(set.partner(partner).unwrap()).len(), 2, "{partner}");
    }
    let twice = both.replace("health-city", "health-ganyu");
    refused(
        &[(HEALTH, whole, &twice)],
        "`health-ganyu` stands here twice",
        "\"health-ganyu\"",
    );
    let mixed = both.replace("partners", "agency = \"health\", partners");
    let faults = with(&[(HEALTH, whole, &mixed)]).unwrap_err();
    assert!(
        faults
            .iter()
            .any(|fault| fault.message.contains("one of `partner`, `partners` and `agency`"))
    );

    let one = "for = { partner = \"information-centre\", dataset = \"enterprises\" }";
    let two = "for = { partner = \"information-centre\", dataset = \"enterprises\", purposes = [\"enrolment.registration\", \"enrolment.survey\"] }";
    let case = (
        "tests/registry.toml",
        "\"enterprises-registration\"",
        "\"enterprises-registration@enrolment.survey\"",
    );
    let set = with(&[(REGISTRY, one, two), case]).unwrap();
    let ids: Vec<&str> = set
        .plans()
        .map(|plan| plan.grant_id())
        .filter(|id| id.contains("enterprises"))
        .collect();
    assert_eq!(
        ids,
        [
            "enterprises-registration@enrolment.registration",
            "enterprises-registration@enrolment.survey"
        ]
    );
}

#[test]
fn hours_follow_the_calendar_and_a_year_that_it_lacks_is_closed() {
    let limits = "limits = { rows_per_pull = 6_000_000";
    let hours = format!(
        "hours = {{ calendar = \"cn\", from = \"08:00\", to = \"20:00\", zone = \"Asia/Shanghai\" }}\n{limits}"
    );
    let set = with(&[(REGISTRY, limits, &hours)]).unwrap();
    let centre = set.partner("information-centre").unwrap();
    let ask = |at: &str| {
        let target = Target::Dataset(Dataset::Population);
        let decided = set.decide(
            centre,
            target,
            "enrolment.registration",
            Direction::Pull,
            Mode::Extract,
            us(at),
        );
        decided.map(|_| ()).map_err(Denial::slug)
    };
    assert_eq!(ask("2026-10-12T10:00:00+08:00"), Ok(()), "a Monday");
    assert_eq!(ask("2026-10-12T20:00:00+08:00"), Err("outside-hours"));
    assert_eq!(ask("2026-10-17T10:00:00+08:00"), Err("outside-hours"), "a Saturday");
    assert_eq!(ask("2026-10-10T10:00:00+08:00"), Ok(()), "a Saturday that is worked");
    assert_eq!(ask("2026-10-01T10:00:00+08:00"), Err("outside-hours"), "a holiday");
    assert_eq!(
        ask("2027-10-12T10:00:00+08:00"),
        Err("outside-hours"),
        "not in the calendar"
    );
    let lost = hours.replace("\"cn\"", "\"cm\"");
    refused(
        &[(REGISTRY, limits, &lost)],
        "calendar `cm` is not in calendars/",
        "\"cm\"",
    );
    refused(
        &[("calendars/cn.toml", "on = [2026-01-04", "on = [2026-01-05")],
        "Monday to Friday",
        "2026-01-05",
    );
    refused(
        &[("calendars/cn.toml", "2026-06-19", "2027-06-19")],
        "a day of this year",
        "2027-06-19",
    );
}

#[test]
fn a_case_or_a_never_line_that_fails_keeps_the_bundle_out() {
    refused(
        &[("agreements/registry.toml", "first = 1", "first = 2")],
        "case tests/registry.toml:",
        "[[case]]",
    );
    let never = "never = [\n  { field = \"population.sex\" },";
    let faults = with(&[("tests/never.toml", "never = [", never)]).unwrap_err();
    assert!(faults.iter().any(|fault| {
        fault
            .message
            .contains("never: `population-registration` tells `keep` of `sex`")
    }));
    let lost = with(&[("tests/never.toml", "refuse = \"expired\"", "refuse = \"not-yet\"")]).unwrap_err();
    assert!(
        lost.iter()
            .all(|fault| fault.message.contains("refused with `expired`, not `not-yet`")),
        "{lost:?}"
    );
    let stranger = with(&[(
        "tests/never.toml",
        "grant = \"public-security/resident\"",
        "grant = \"nobody\"",
    )])
    .unwrap_err();
    assert!(
        stranger
            .iter()
            .all(|fault| fault.message.contains("there is no grant `nobody`")),
        "{stranger:?}"
    );
}

#[test]
fn an_expired_agreement_gives_no_plan_and_is_still_called_expired() {
    let set = with(&[(
        HEALTH,
        "until = 2099-12-31T23:59:59+08:00",
        "until = 2026-12-31T23:59:59+08:00",
    )])
    .unwrap();
    let (hash, plans) = (set.hash(), set.plans().count());
    let set = set.without_expired(us("2027-06-01T00:00:00+08:00"));
    assert_eq!(set.hash(), hash, "the hash names the bundle as it was signed");
    assert_eq!(set.plans().count(), plans - 2);
    let city = set.partner("health-city").unwrap();
    let record = set.target("health/death-certificate").unwrap();
    let decided = set.decide(
        city,
        record,
        "enrolment.registration",
        Direction::Push,
        Mode::Feed,
        us("2027-06-01T00:00:00Z"),
    );
    assert_eq!(decided.err(), Some(Denial::Expired));
    let other = set.target("tax/registration").unwrap();
    let decided = set.decide(
        city,
        other,
        "enrolment.registration",
        Direction::Push,
        Mode::Feed,
        us("2027-06-01T00:00:00Z"),
    );
    assert_eq!(decided.err(), Some(Denial::NoGrant));
    assert!(set.who_can("health/death-certificate.name").is_empty());
}

const COMPARISON: &str = r#"format = 1
agreement = "XY-C"
consumer = "information-centre"
impact_assessment = "PIA-C"
basis = { kind = "statutory-duty", articles = ["op-9"], document = "函" }
valid = { from = 2026-01-01T00:00:00+08:00, until = 2099-12-31T23:59:59+08:00 }
[[grant]]
id = "population-compare-2"
for = { partner = "information-centre", dataset = "population", purpose = "enrolment.comparing", direction = "pull", mode = "compare" }
schema = 1
necessity = "比对"
require = ["citizen_id", "name"]
reduce.name = { op = "equal", normalise = "name" }
reduce.death_date = { op = "exists" }
limits = { per_subject_per_day = 3, rows_per_day = 500_000, absent_percent = 20 }
"#;

fn comparing(from: &str, to: &str) -> Result<PolicySet, Vec<Fault>> {
    assert!(COMPARISON.contains(from), "{from}");
    let purpose = "  { code = \"enrolment.comparing\", zh = \"数据比对\", bases = [\"statutory-duty\"], allow = [\"pull/compare\"] },\n]";
    with(&[
        ("purposes.toml", "\n]", &format!("\n{purpose}")),
        ("agreements/compare.toml", "", &COMPARISON.replacen(from, to, 1)),
    ])
}

#[test]
fn a_comparison_needs_its_claims_and_answers_with_little() {
    let faulty = |from: &str, to: &str, message: &str| {
        let faults = comparing(from, to).unwrap_err();
        assert!(faults.iter().any(|fault| fault.message.contains(message)), "{faults:?}");
    };
    faulty(
        "require = [\"citizen_id\", \"name\"]",
        "require = [\"citizen_id\"]",
        "a comparison by `name` must require it",
    );
    faulty(
        "require = [\"citizen_id\", \"name\"]",
        "require = [\"name\"]",
        "a comparison by `citizen_id` must require it",
    );
    faulty(
        "{ op = \"exists\" }",
        "{ op = \"keep\" }",
        "`keep` does not belong in mode `compare`",
    );
    faulty(
        "{ op = \"exists\" }",
        "{ op = \"date\", to = \"year\" }",
        "`date` does not belong in mode `compare`",
    );
    faulty(
        "limits =",
        "select_by = [\"citizen_id\"]\nlimits =",
        "a comparison selects nothing",
    );
    faulty(
        "mode = \"compare\"",
        "mode = \"extract\"",
        "does not allow `pull/extract`",
    );
    faulty("mode = \"compare\"", "mode = \"feed\"", "cannot go as `pull/feed`");
    faulty(
        "limits =",
        "break_glass = { rows = 20 }\nlimits =",
        "`break_glass` is reserved",
    );
    faulty(
        "per_subject_per_day = 3",
        "subjects_per_day = 1_000_001",
        "`limits.subjects_per_day` is at most 1000000",
    );
    let set = comparing("PIA-C", "PIA-C").unwrap();
    let tellings = set.who_can("population.citizen_id");
    let asked: Vec<(&str, &str)> = tellings.iter().map(|one| (one.mode, one.way.as_str())).collect();
    assert!(asked.contains(&("compare", "by asking")), "{asked:?}");
}

#[test]
fn a_limit_that_nothing_could_count_is_a_fault() {
    let faulty = |file: &str, from: &str, to: &str, message: &str| {
        let faults = with(&[(file, from, to)]).unwrap_err();
        assert!(
            faults.iter().any(|fault| fault.message.contains(message)),
            "{to}: {faults:?}"
        );
    };
    let (feed, pull) = ("rows_per_push", "rows_per_pull = 6_000_000");
    for name in ["subjects_per_day", "per_subject_per_day", "absent_percent"] {
        let message = format!("`limits.{name}` does not belong in mode `feed`");
        faulty("agreements/health.toml", feed, &format!("{name} = 9, {feed}"), &message);
    }
    for name in ["per_subject_per_day", "absent_percent"] {
        let message = format!("`limits.{name}` does not belong in mode `extract`");
        faulty(
            "agreements/registry.toml",
            pull,
            &format!("{name} = 9, {pull}"),
            &message,
        );
    }
    let faults = comparing("rows_per_day = 500_000", "bytes_per_day = 9").unwrap_err();
    let message = "`limits.bytes_per_day` does not belong in mode `compare`";
    assert!(faults.iter().any(|fault| fault.message.contains(message)), "{faults:?}");
    // A number that is covered is nobody's, so nobody could be counted by it.
    let (kept, masked) = (
        "keep = [\"citizen_id\", ",
        "reduce.citizen_id = { op = \"exists\" }\nkeep = [",
    );
    let texts = [
        ("agreements/registry.toml", pull, "subjects_per_day = 9"),
        ("agreements/registry.toml", kept, masked),
    ];
    let faults = with(&texts).unwrap_err();
    let told = faults
        .iter()
        .any(|fault| fault.message.contains("this grant releases none whole"));
    assert!(told, "{faults:?}");
    assert!(with(&[("agreements/registry.toml", pull, "subjects_per_day = 1_000_000")]).is_ok());
}

#[test]
fn an_answer_needs_what_the_registry_holds_and_what_the_caller_claims() {
    use arrow_array::cast::AsArray;
    use arrow_array::{Date32Array, RecordBatch, StringArray};
    let set = comparing("PIA-C", "PIA-C").unwrap();
    let plan = set
        .plans()
        .find(|plan| plan.grant_id() == "population-compare-2")
        .unwrap();
    assert_eq!(
        (plan.wanted(), plan.require()),
        (&["name", "death_date"][..], &["citizen_id", "name"][..])
    );
    let text = |values: &[Option<&str>]| Arc::new(StringArray::from(values.to_vec())) as arrow_array::ArrayRef;
    let held = RecordBatch::try_from_iter_with_nullable([
        ("name", text(&[Some("张三"), Some("李四"), None]), true),
        (
            "death_date",
            Arc::new(Date32Array::from(vec![Some(1), Some(2), None])) as _,
            true,
        ),
    ])
    .unwrap();
    let claims = RecordBatch::try_from_iter_with_nullable([
        ("citizen_id", text(&[Some("a"), Some("b"), Some("c")]), true),
        ("name", text(&[Some("张 三"), Some("李五"), Some("王")]), true),
    ])
    .unwrap();
    let keys = crate::fixture::keys();
    let answers = plan.compare(&held, &claims, &keys, 0).unwrap().batch;
    let words: Vec<_> = answers.column(0).as_string::<i32>().iter().flatten().collect();
    assert_eq!(words, ["agree", "differ", "absent"]);
    let known: Vec<_> = answers.column(1).as_boolean().iter().flatten().collect();
    assert_eq!(known, [true, false, false]);
    let fewer = claims.project(&[0]).unwrap();
    let [more, more_held] = [&claims, &held].map(|batch| batch.project(&[0, 1, 0]).unwrap());
    for (held, claims) in [
        (&held, &held),
        (&claims, &claims),
        (&held.slice(0, 2), &claims),
        (&held, &fewer),
        (&held, &more),
        (&more_held, &claims),
    ] {
        assert!(
            matches!(
                plan.compare(held, claims, &keys, 0),
                Err(crate::plan::ReleaseError::Columns)
            ),
            "only these columns, and as many rows"
        );
    }
    assert!(
        plan.release(&held, &keys, 0).is_err(),
        "a comparison releases nothing without claims"
    );
    let extract = set
        .plans()
        .find(|plan| plan.grant_id() == "population-registration")
        .unwrap();
    assert!(
        extract.compare(&held, &claims, &keys, 0).is_err(),
        "and nothing else compares"
    );
}

#[test]
fn a_key_serves_one_kind_of_operator() {
    let line = "reduce.father_id = { op = \"pseudonym\", key = \"pseudonym-father\" }";
    let shifted = format!(
        "{line}\nreduce.issue_date = {{ op = \"date_shift\", days = 9, subject = \"mother_id\", key = \"pseudonym-father\" }}"
    );
    let cut = "reduce.issue_date = { op = \"date\", to = \"month\" }\n";
    let faults = with(&[(HEALTH, cut, ""), (HEALTH, line, &shifted)]).unwrap_err();
    assert!(
        faults.iter().all(|fault| fault.message.starts_with("case ")),
        "{faults:?}"
    );
    let lost = shifted.replace("\"mother_id\"", "\"child_sex_\"");
    let faults = with(&[(HEALTH, cut, ""), (HEALTH, line, &lost)]).unwrap_err();
    assert!(
        faults
            .iter()
            .any(|fault| fault.message.contains("no field `child_sex_`")),
        "{faults:?}"
    );
    let keys = ("keys.toml", "hmac-sha256", "ff1-aes256-id18");
    refused(
        &[keys],
        "key `pseudonym-father` is declared for `ff1-aes256-id18`",
        "\"pseudonym-father\"",
    );
}

#[test]
fn a_manifest_says_under_what_it_was_given_and_what_is_owed() {
    let limits = "limits = { rows_per_pull = 6_000_000";
    let owed = format!("retain_days = 30\nattest_deletion = true\nonward = \"none\"\n{limits}");
    let set = with(&[(REGISTRY, limits, &owed)]).unwrap();
    let plan = set
        .plans()
        .find(|plan| plan.grant_id() == "population-registration")
        .unwrap();
    let manifest = plan.manifest(
        &set.hash(),
        Given {
            rows: 7,
            as_of: Some("2026-10-12T01:59:00Z".into()),
            columns: [1; 32],
        },
        us("2026-10-12T10:00:00+08:00"),
    );
    assert_eq!(manifest.delete_by_s, Some(us("2026-11-11T10:00:00+08:00") / 1_000_000));
    assert_eq!(
        (manifest.onward, manifest.attest_deletion, manifest.rows),
        ("none", true, 7)
    );
    let text: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&manifest.text()).unwrap();
    let delete_by = us("2026-11-11T10:00:00+08:00") / 1_000_000;
    assert_eq!(text.get("purpose").unwrap(), "enrolment.registration");
    assert_eq!(text.get("delete_by_s").unwrap(), delete_by);
    assert_eq!(text.get("as_of").unwrap(), "2026-10-12T01:59:00Z");
    assert_eq!(text.len(), 16);
    let passed = owed.replace("\"none\"", "\"anybody\"");
    refused(
        &[(REGISTRY, limits, &passed)],
        "onward transfer `anybody` is not known",
        "\"anybody\"",
    );
}
