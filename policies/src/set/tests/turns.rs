//! What guards the example, turned one word at a time: which way a diff says that it turned, and back.

use shuguan_adapters::catalogue::{Agency, RecordType};

use super::guards::with;
use super::*;
use crate::diff::Turn;

/// Subject, component, turn, before and after.
type Words = (String, String, Turn, String, String);

/// Every change between the example and a changed copy, and back.
fn changes(file: &str, from: &str, to: &str) -> [Vec<Words>; 2] {
    let (old, new) = (example(), with(&[(file, from, to)]).unwrap());
    [old.diff(&new), new.diff(&old)].map(|diff| {
        let all = diff.changes.into_iter();
        all.map(|one| (one.subject, one.component, one.turn, one.before, one.after))
            .collect()
    })
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn each_guard_turns_the_way_it_is_read() {
    let l04 = "  { id = \"L-04\", why = \"银行账号不用于参保登记\", field = \"bank_account\", at_most = \"drop\" },\n";
    let share = "share = [\n";
    let marriage = |kind: &str| {
        format!("{share}  {{ record = \"civil-affairs/marriage\", kind = \"{kind}\", ground = \"试\" }},\n")
    };
    for (file, from, to, subject, turn, before, after) in [
        ("ceilings.toml", l04, String::new(), "ceiling L-04", Turn::Widened, "field=bank_account at_most=drop", "none"),
        (
            "ceilings.toml",
            l04,
            l04.replace("银行", "储蓄"),
            "ceiling L-04",
            Turn::Restated,
            "field=bank_account at_most=drop",
            "field=bank_account at_most=drop",
        ),
        (
            "ceilings.toml",
            l04,
            l04.replace("\"drop\"", "\"exists\""),
            "ceiling L-04",
            Turn::Widened,
            "field=bank_account at_most=drop",
            "field=bank_account at_most=exists",
        ),
        (
            "ceilings.toml",
            l04,
            l04.replace("\"drop\"", "{ op = \"constant\", value = \"-\" }"),
            "ceiling L-04",
            Turn::Restated,
            "field=bank_account at_most=drop",
            "field=bank_account at_most=constant \"-\"",
        ),
        (
            "ceilings.toml",
            l04,
            l04.replace("at_most", "direction = \"push\", at_most"),
            "ceiling L-04",
            Turn::Incomparable,
            "field=bank_account at_most=drop",
            "direction=push field=bank_account at_most=drop",
        ),
        (
            "ceilings.toml",
            share,
            marriage("none"),
            "share civil-affairs/marriage",
            Turn::Narrowed,
            "none",
            "none (试)",
        ),
        (
            "ceilings.toml",
            share,
            marriage("conditional"),
            "share civil-affairs/marriage",
            Turn::Narrowed,
            "none",
            "conditional (试)",
        ),
        (
            "ceilings.toml",
            share,
            marriage("free"),
            "share civil-affairs/marriage",
            Turn::Restated,
            "none",
            "free (试)",
        ),
        (
            "ceilings.toml",
            "kind = \"conditional\", ground = \"扣缴信息按申请共享\"",
            "kind = \"free\", ground = \"扣缴信息按申请共享\"".into(),
            "share tax/withholding-employee",
            Turn::Widened,
            "conditional (扣缴信息按申请共享)",
            "free (扣缴信息按申请共享)",
        ),
        (
            "partners.toml",
            "zh = \"赣榆区卫生健康局\"",
            "zh = \"赣榆区卫健局\"".into(),
            "partner health-ganyu",
            Turn::Incomparable,
            "赣榆区卫生健康局 spiffe://lyg.example/agency/health/ganyu",
            "赣榆区卫健局 spiffe://lyg.example/agency/health/ganyu",
        ),
        (
            "partners.toml",
            "[[partner]]",
            "[[partner]]\nid = \"survey-office\"\nzh = \"调查办\"\nspiffe = \"spiffe://lyg.example/registry/survey-office\"\n[[partner]]".into(),
            "partner survey-office",
            Turn::Widened,
            "none",
            "调查办 spiffe://lyg.example/registry/survey-office",
        ),
        (
            "keys.toml",
            "[key]\n",
            "[key]\nnew = { alg = \"hmac-sha256\", epoch = 2, partner = \"information-centre\", purpose = \"enrolment.survey\", domain = \"person\" }\n".into(),
            "key new",
            Turn::Restated,
            "none",
            "hmac-sha256 epoch 2 information-centre enrolment.survey",
        ),
        (
            "purposes.toml",
            "zh = \"入户调查\"",
            "zh = \"入户核查\"".into(),
            "purpose enrolment.survey",
            Turn::Restated,
            "入户调查",
            "入户核查",
        ),
        (
            "calendars/cn.toml",
            "  2026-04-06, # 清明\n",
            String::new(),
            "calendar cn",
            Turn::Restated,
            "2026",
            "2026",
        ),
    ] {
        let component = subject.split(' ').next().unwrap_or_default();
        let expected = |turn, before: &str, after: &str| {
            vec![(subject.to_owned(), component.to_owned(), turn, before.to_owned(), after.to_owned())]
        };
        let back = match turn {
            Turn::Narrowed => Turn::Widened,
            Turn::Widened => Turn::Narrowed,
            other => other,
        };
        let found = changes(file, from, &to);
        assert_eq!(found, [expected(turn, before, after), expected(back, after, before)], "{to}");
    }
}

#[test]
fn a_test_that_is_gone_widens_and_a_new_one_narrows() {
    let [gone, new] = changes("tests/never.toml", "  { field = \"bank_account\" },\n", "");
    let said = "never field=bank_account at_most=drop (tests/never.toml:9)";
    for (change, turn, before, after) in [(gone, Turn::Widened, said, "none"), (new, Turn::Narrowed, "none", said)] {
        let [(subject, component, found, was, is)] = change.as_slice() else {
            unreachable!("{change:?}")
        };
        assert!(subject.starts_with("test ") && subject.len() == 5 + 16, "{subject}");
        assert_eq!(
            (component.as_str(), *found, was.as_str(), is.as_str()),
            ("test", turn, before, after)
        );
    }
}

#[test]
fn a_key_of_another_epoch_and_another_trust_domain_cannot_be_compared() {
    let epoch = |epoch: u32| {
        let key = format!(
            "[key]\nnew = {{ alg = \"hmac-sha256\", epoch = {epoch}, partner = \"information-centre\", purpose = \"enrolment.survey\", domain = \"person\" }}\n"
        );
        with(&[("keys.toml", "[key]\n", &key)]).unwrap()
    };
    let turned: Vec<Turn> = epoch(1).diff(&epoch(2)).changes.iter().map(|one| one.turn).collect();
    assert_eq!(turned, [Turn::Incomparable]);
    let moved = |texts: Vec<(String, String)>| {
        let texts = texts.into_iter();
        texts
            .map(|(name, text)| (name, text.replace("lyg.example", "other.example")))
            .collect()
    };
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("example");
    let other = PolicySet::from_texts(moved(read_folder(&dir).unwrap())).unwrap();
    let diff = example().diff(&other);
    let domain = diff.changes.iter().find(|one| one.component == "trust_domain").unwrap();
    assert_eq!(
        (
            domain.subject.as_str(),
            domain.turn,
            domain.before.as_str(),
            domain.after.as_str()
        ),
        ("partners", Turn::Incomparable, "lyg.example", "other.example")
    );
}

#[test]
fn a_change_names_its_cell_in_full() {
    let [there, _] = changes(super::guards::REGISTRY, "pulls_per_day = 24", "pulls_per_day = 23");
    let words = |text: &str| text.to_owned();
    let cell = words("information-centre population enrolment.registration pull/extract");
    let limit = words("limits.pulls_per_day");
    assert_eq!(there, [(cell, limit, Turn::Narrowed, words("24"), words("23"))]);
}

#[test]
fn validity_turns_by_both_its_ends_and_a_field_is_shown_in_words() {
    let plain = || format!("{HEADER}{GRANT}");
    let turned = |from: &str, to: &str| {
        let (old, new) = (
            build(texts(&plain())).unwrap(),
            build(texts(&plain().replacen(from, to, 1))).unwrap(),
        );
        let mut all: Vec<_> = old
            .diff(&new)
            .changes
            .into_iter()
            .map(|one| (one.component, one.turn, one.before, one.after))
            .collect();
        all.dedup();
        all
    };
    let valid = "from = 2026-01-01T00:00:00+08:00, until = 2026-12-31T23:59:59+08:00";
    for (later, turn) in [
        (
            "from = 2026-01-01T00:00:00+08:00, until = 2027-01-01T00:00:00+08:00",
            Turn::Widened,
        ),
        (
            "from = 2026-01-02T00:00:00+08:00, until = 2026-12-31T23:59:59+08:00",
            Turn::Narrowed,
        ),
        (
            "from = 2026-01-02T00:00:00+08:00, until = 2027-01-01T00:00:00+08:00",
            Turn::Incomparable,
        ),
    ] {
        let found = turned(valid, later);
        assert_eq!(
            found.iter().map(|one| (one.0.as_str(), one.1)).collect::<Vec<_>>(),
            [("valid", turn)]
        );
    }
    let text = |text: &str| text.to_owned();
    let day = turned("to = \"month\"", "to = \"year\"");
    assert_eq!(
        day,
        [(text("day"), Turn::Narrowed, text("date to month"), text("date to year"))]
    );
}

#[test]
fn hours_turn_by_both_their_ends_and_their_days() {
    let of = |hours: &str| {
        let grant = GRANT.replacen("limits =", &format!("{hours}\nlimits ="), 1);
        let calendar = "format = 1\nid = \"cn\"\nzh = \"历\"\n[[year]]\nyear = 2026\noff = []\non = []\n";
        let mut texts = texts(&format!("{HEADER}{grant}"));
        texts.push(("calendars/cn.toml".into(), calendar.into()));
        build(texts).unwrap()
    };
    let hours = |from: &str, to: &str, more: &str| of(&format!("hours = {{ from = \"{from}\", to = \"{to}\"{more} }}"));
    let working = ", calendar = \"cn\"";
    let turn = |old: &PolicySet, new: &PolicySet| -> Vec<Turn> {
        let mut turns: Vec<Turn> = old
            .diff(new)
            .changes
            .into_iter()
            .filter(|one| one.component == "hours")
            .map(|one| one.turn)
            .collect();
        turns.dedup();
        turns
    };
    let (any, day) = (of(""), hours("08:00", "20:00", ""));
    for (other, turned) in [
        (hours("09:00", "20:00", ""), Some(Turn::Narrowed)),
        (hours("08:00", "19:00", ""), Some(Turn::Narrowed)),
        (hours("07:00", "20:00", ""), Some(Turn::Widened)),
        (hours("08:00", "21:00", ""), Some(Turn::Widened)),
        (hours("07:00", "19:00", ""), Some(Turn::Incomparable)),
        (hours("09:00", "21:00", ""), Some(Turn::Incomparable)),
        (hours("08:00", "20:00", working), Some(Turn::Narrowed)),
        (hours("07:00", "20:00", working), Some(Turn::Incomparable)),
        (hours("08:00", "20:00", ""), None),
    ] {
        assert_eq!(turn(&day, &other), turned.into_iter().collect::<Vec<_>>());
        assert_eq!(turn(&any, &other), [Turn::Narrowed]);
        assert_eq!(turn(&other, &any), [Turn::Widened]);
    }
    assert_eq!(turn(&hours("08:00", "20:00", working), &day), [Turn::Widened]);
}

static OTHER: RecordType = RecordType::new(Agency::Health, "health/other", "试验");

#[test]
fn a_filter_is_shown_in_words_and_another_catalogue_is_named() {
    let (old, new) = (
        set_of(GRANT),
        set_of(&GRANT.replacen("prefix = [\"3207\"]", "prefix = [\"320707\"]", 1)),
    );
    let change = old
        .diff(&new)
        .changes
        .into_iter()
        .find(|one| one.component == "rows")
        .unwrap();
    assert_eq!(change.before, "count in 1, 2, 3 and region starts with 3207");
    assert_eq!(change.after, "count in 1, 2, 3 and region starts with 320707");
    let text = format!("{HEADER}{GRANT}");
    let more = PolicySet::build(texts(&text), Catalogue::of(&[&ADMISSION, &OTHER])).unwrap();
    let [change] = set_of(GRANT).diff(&more).changes.try_into().unwrap();
    let change: crate::diff::Change = change;
    assert_eq!(
        (change.subject.as_str(), change.component.as_str(), change.turn),
        ("catalogue health/other", "catalogue", Turn::Restated)
    );
}
