//! Tokens, addresses, ages, shifted dates, comparisons: what each makes of a field.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Array, Date32Array, Int64Array};
use jiff::civil::Date;
use proptest::prelude::*;
use shuguan_adapters::value::citizen_id::check_character;

use super::super::*;
use crate::fixture::keys;
use crate::key::{Algorithm, Domain};
use address::Level;
use token::{NoToken, TokenKind};

pub(super) fn key(id: &str, algorithm: Algorithm, partner: &str, purpose: &str) -> Arc<Key> {
    Arc::new(Key {
        id: id.into(),
        algorithm,
        epoch: 1,
        partner: partner.into(),
        purpose: purpose.into(),
        domain: Domain::Person,
    })
}

fn survey_token() -> Token {
    Token {
        kind: TokenKind::Id18,
        key: key(
            "token-survey",
            Algorithm::TokenId18,
            "survey-office",
            "enrolment.survey",
        ),
    }
}

pub(super) fn apply(
    operator: &Operator,
    column: ArrayRef,
    companion: Option<ArrayRef>,
) -> Result<ArrayRef, ReleaseError> {
    let beside = Beside {
        field: "x",
        companion: companion.as_ref(),
        keys: &keys(),
        today: 20_000,
    };
    operator.apply(&column, &beside)
}

pub(super) fn texts(column: &ArrayRef) -> Vec<Option<String>> {
    column
        .as_string::<i32>()
        .iter()
        .map(|text| text.map(str::to_owned))
        .collect()
}

pub(super) fn column(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// A resident id of nobody: sequence number 000.
fn id(region: u32, born: Date) -> String {
    let first = format!("{region:06}{}000", born.strftime("%Y%m%d"));
    let check = check_character(first.as_bytes().try_into().unwrap()).unwrap();
    format!("{first}{check}")
}

#[test]
fn the_published_tokens_come_out_and_go_back() {
    let ids = column(&[Some("320706188002290004"), None, Some("320721189912310009")]);
    let tokens = apply(&Operator::Token(survey_token()), ids, None).unwrap();
    let expected = [Some("000926769855085325"), None, Some("000570978891319437")];
    assert_eq!(texts(&tokens), expected.map(|text| text.map(str::to_owned)));
    let back = |token: &str| survey_token().reverse(token, &keys());
    assert_eq!(back("000926769855085325").as_deref(), Ok("320706188002290004"));
    assert_eq!(
        back("000926769855085326"),
        Err(NoToken),
        "the check character does not hold"
    );
    assert_eq!(back("320706188002290004"), Err(NoToken), "a real number is no token");
    assert_eq!(back(""), Err(NoToken));
}

#[test]
fn a_value_without_a_token_stops_the_part_and_is_not_named() {
    for bad in [
        "320706184912310003",
        "32070618800229000",
        "320706188002290005",
        "3207061880022900Ｘ4",
        "32070618800230000X",
    ] {
        let outcome = apply(
            &Operator::Token(survey_token()),
            column(&[Some("320706188002290004"), Some(bad)]),
            None,
        );
        let error = outcome.unwrap_err();
        assert!(matches!(error, ReleaseError::NoToken { field: "x" }), "{bad}");
        assert!(!format!("{error} {error:?}").contains(bad));
    }
    let digits = Operator::Token(Token {
        kind: TokenKind::Digits,
        key: key("d", Algorithm::TokenDigits, "p", "q"),
    });
    for bad in ["12345", "1234567890123456789", "12345a", "+123456"] {
        assert!(apply(&digits, column(&[Some(bad)]), None).is_err(), "{bad}");
    }
    let kept = apply(&digits, column(&[Some("0518-5551234")]), None).unwrap();
    let token = texts(&kept).remove(0).unwrap();
    assert_eq!((token.len(), token.find('-')), (12, Some(4)));
}

#[test]
fn addresses_are_cut_where_words_and_code_agree() {
    for (address, code, county, town, village) in [
        (
            "江苏省连云港市赣榆区青口镇二道街村5组12号",
            "320707100201",
            Some("江苏省连云港市赣榆区"),
            Some("江苏省连云港市赣榆区青口镇"),
            Some("江苏省连云港市赣榆区青口镇二道街村"),
        ),
        (
            "海州区新浦街道市民社区3号",
            "320706001001",
            Some("海州区"),
            Some("海州区新浦街道"),
            Some("海州区新浦街道市民社区"),
        ),
        (
            "江苏省无锡市江阴市澄江街道1号",
            "320281001001",
            Some("江苏省无锡市江阴市"),
            Some("江苏省无锡市江阴市澄江街道"),
            None,
        ),
        (
            "内蒙古自治区赤峰市宁城县天义镇1号",
            "150429100201",
            Some("内蒙古自治区赤峰市宁城县"),
            Some("内蒙古自治区赤峰市宁城县天义镇"),
            None,
        ),
        (
            "东海县墩尚乡大村1号",
            "320722200201",
            Some("东海县"),
            Some("东海县墩尚乡"),
            Some("东海县墩尚乡大村"),
        ),
        // 自治区 and 地区 end like a district and are none.
        (
            "内蒙古自治区赤峰市红山区西屯街道1号",
            "150402001001",
            Some("内蒙古自治区赤峰市红山区"),
            Some("内蒙古自治区赤峰市红山区西屯街道"),
            None,
        ),
        (
            "黑龙江省大兴安岭地区加格达奇区1号",
            "232718001001",
            Some("黑龙江省大兴安岭地区加格达奇区"),
            None,
            None,
        ),
        // The code says county, the words say district.
        ("赣榆区青口镇1号", "320721100201", None, None, None),
        // The code says street, the words say town.
        ("赣榆区青口镇1号", "320707001001", Some("赣榆区"), None, None),
        ("某处", "320707100201", None, None, None),
        ("", "320707100201", None, None, None),
        ("赣榆区青口镇", "3207", None, None, None),
    ] {
        let cut = |to: Level| {
            let operator = Operator::Address(Address {
                to,
                code: "code".into(),
            });
            texts(&apply(&operator, column(&[Some(address)]), Some(column(&[Some(code)]))).unwrap()).remove(0)
        };
        // A finer level that is not recognised leaves the coarser one.
        let town = town.or(county);
        let village = village.or(town);
        assert_eq!(cut(Level::County).as_deref(), county, "{address}");
        assert_eq!(cut(Level::Town).as_deref(), town, "{address}");
        assert_eq!(cut(Level::Village).as_deref(), village, "{address}");
    }
}

#[test]
fn a_comparison_evens_out_what_it_says_and_nothing_else() {
    let ask = |equal: Equal, held: Option<&str>, claimed: Option<&str>| {
        let answer = equal.answer(&column(&[held]), &column(&[claimed])).unwrap();
        texts(&answer).remove(0).unwrap()
    };
    assert_eq!(ask(Equal::None, Some("张三"), Some("张三")), "agree");
    assert_eq!(ask(Equal::None, Some("张三"), Some("张 三")), "differ");
    assert_eq!(ask(Equal::Name, Some("张三"), Some("张\u{3000}三")), "agree");
    assert_eq!(ask(Equal::Name, Some("阿依·买买提"), Some("阿依•买买提")), "agree");
    assert_eq!(ask(Equal::Name, Some("张三"), Some("张三丰")), "differ");
    assert_eq!(ask(Equal::None, None, Some("张三")), "absent");
    assert_eq!(ask(Equal::None, Some("张三"), None), "differ");
    assert_eq!(ask(Equal::None, None, None), "absent");
    assert_eq!(
        ask(Equal::Id, Some("32070618800229000X"), Some(" 32070618800229000x")),
        "agree"
    );
    assert_eq!(
        ask(Equal::Id, Some("320706199001010000"), Some("320706900101000")),
        "agree",
        "15 digits are raised"
    );
    let days: ArrayRef = Arc::new(Date32Array::from(vec![1]));
    assert!(
        Equal::None.answer(&days, &column(&[Some("1")])).is_none(),
        "two types are never compared"
    );
}

#[test]
fn a_band_changes_on_the_birthday() {
    let epoch = Date::constant(1970, 1, 1);
    let day = |date: Date| (date - epoch).get_days();
    let band = AgeBand::new(10, 80).unwrap();
    let of = |born: Date, today: Date| {
        texts(&band.apply(&Date32Array::from(vec![day(born)]), day(today)))
            .remove(0)
            .unwrap()
    };
    let leap = Date::constant(1880, 2, 29);
    assert_eq!(of(leap, Date::constant(1890, 2, 28)), "0-9");
    assert_eq!(of(leap, Date::constant(1890, 3, 1)), "10-19");
    assert_eq!(of(leap, Date::constant(1960, 2, 29)), "80+");
    assert_eq!(
        of(leap, Date::constant(1880, 1, 1)),
        "0-9",
        "born after the day of the exchange"
    );
    assert_eq!(AgeBand::new(1, 80), None);
    assert_eq!(AgeBand::new(10, 75), None);
    assert_eq!(AgeBand::new(10, 160), None);
    assert_eq!(AgeBand::new(10, 0), None);
}

#[test]
fn operators_refuse_the_types_that_they_do_not_fit() {
    let hmac = || key("k", Algorithm::Hmac, "p", "q");
    let shift = Operator::DateShift(DateShift {
        days: 5,
        key: hmac(),
        subject: "citizen_id".into(),
    });
    let no = |operator: &Operator, kind: FieldType| assert!(operator.fits(&kind).is_err(), "{}", kind.describe());
    no(&shift, FieldType::Instant);
    no(&Operator::SexOf, FieldType::DocumentNo(30));
    no(&Operator::BirthOf(DateTo::Year), FieldType::Uscc);
    no(&Operator::Round(Round { step: 1 }), FieldType::Integer(9));
    no(&Operator::Round(Round { step: 10 }), FieldType::Date);
    no(&Operator::AgeBand(AgeBand::new(10, 80).unwrap()), FieldType::Month);
    no(&Operator::Region(RegionTo::Town), FieldType::Region);
    no(&Operator::Region(RegionTo::Town), FieldType::CitizenId);
    no(&Operator::Token(survey_token()), FieldType::Uscc);
    no(&Operator::Equal(Equal::Name), FieldType::Date);
    let map = |list: &[(&str, &str)], default: Option<&str>| {
        let list: BTreeMap<String, String> = list.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
        Operator::Map(Map {
            list,
            default: default.map(str::to_owned),
        })
    };
    let sex = FieldType::Code(&shuguan_adapters::code::tables::SEX);
    no(&map(&[("1", "男")], None), sex);
    no(&map(&[("7", "男")], Some("女")), sex);
    no(&map(&[], Some("x")), FieldType::Name);
    assert!(map(&[("1", "男")], Some("其他")).fits(&sex).is_ok());
}

proptest! {
    #[test]
    fn a_rounded_number_is_the_multiple_below_and_coarser_steps_follow_from_finer(values in prop::collection::vec(0_i64..100_000, 1..30), step in 2_i64..50, times in 1_i64..20) {
        let fine = Round { step };
        let coarse = Round { step: step * times };
        let numbers = Int64Array::from(values.clone());
        let once = fine.apply_integers(&numbers);
        for (value, rounded) in values.iter().zip(once.as_primitive::<Int64Type>().values()) {
            prop_assert!(rounded % step == 0 && rounded <= value && value - rounded < step);
        }
        let twice = coarse.apply_integers(once.as_primitive::<Int64Type>());
        prop_assert_eq!(&twice.to_data(), &coarse.apply_integers(&numbers).to_data());
        let decimals = StringArray::from_iter_values(values.iter().map(|value| format!("{value}.75")));
        let expected: Vec<Option<String>> = values.iter().map(|value| Some(format!("{}.00", value - value % step))).collect();
        prop_assert_eq!(texts(&fine.apply_decimals(&decimals).unwrap()), expected);
    }

    #[test]
    fn an_age_band_is_that_of_the_calendar(born in -50_000_i32..20_000, later in 0_i32..45_000, width in 2_u16..30, bands in 1_u16..5) {
        let epoch = Date::constant(1970, 1, 1);
        let date = |day: i32| epoch.checked_add(jiff::Span::new().days(day)).unwrap();
        let band = AgeBand::new(width, width * bands).unwrap();
        let label = texts(&band.apply(&Date32Array::from(vec![born]), born + later)).remove(0).unwrap();
        let mut age = 0;
        while date(born).checked_add(jiff::Span::new().years(age + 1)).unwrap() <= date(born + later) {
            age += 1;
        }
        // jiff ends a leap year's span on 28 February; the law's birthday is 1 March then.
        let (leap, there) = (date(born), date(born + later));
        if (leap.month(), leap.day()) == (2, 29) && (there.month(), there.day()) == (2, 28) && !there.in_leap_year() {
            age -= 1;
        }
        let from = u16::try_from(age).unwrap() / width * width;
        let cap = width * bands;
        let expected = if from >= cap { format!("{cap}+") } else { format!("{from}-{}", from + width - 1) };
        prop_assert_eq!(label, expected);
    }

    #[test]
    fn a_token_looks_like_an_id_is_nobodys_and_goes_back(days in prop::collection::vec(prop::option::of((110_000_u32..660_000, 0_i32..60_000)), 0..30)) {
        let ids: Vec<Option<String>> = days.iter().map(|one| one.map(|(region, day)| {
            id(region, Date::constant(1850, 1, 1).checked_add(jiff::Span::new().days(day)).unwrap())
        })).collect();
        let column: ArrayRef = Arc::new(StringArray::from(ids.clone()));
        let tokens = apply(&Operator::Token(survey_token()), column, None).unwrap();
        for (token, id) in texts(&tokens).into_iter().zip(ids) {
            prop_assert_eq!(token.is_some(), id.is_some());
            let (Some(token), Some(id)) = (token, id) else { continue };
            let first: &[u8; 17] = token.as_bytes().first_chunk().unwrap();
            prop_assert!(token.len() == 18 && token.starts_with("000"));
            prop_assert_eq!(token.chars().last(), check_character(first));
            prop_assert_eq!(survey_token().reverse(&token, &keys()), Ok(id));
        }
    }

    #[test]
    fn the_dates_of_one_subject_move_together_and_no_further_than_stated(pairs in prop::collection::vec((0_i32..20_000, "[ab]"), 1..30), days in 1_u16..400) {
        let shift = Operator::DateShift(DateShift { days, key: key("k", Algorithm::Hmac, "p", "q"), subject: "s".into() });
        let dates: ArrayRef = Arc::new(Date32Array::from_iter_values(pairs.iter().map(|(day, _)| *day)));
        let subjects: ArrayRef = Arc::new(StringArray::from_iter_values(pairs.iter().map(|(_, subject)| subject)));
        let out = apply(&shift, dates, Some(subjects)).unwrap();
        let mut offsets: BTreeMap<&str, i32> = BTreeMap::new();
        for ((day, subject), moved) in pairs.iter().zip(out.as_primitive::<Date32Type>().values()) {
            let offset = moved - day;
            prop_assert!(offset.abs() <= i32::from(days));
            prop_assert_eq!(*offsets.entry(subject).or_insert(offset), offset);
        }
        let lost = apply(&shift, Arc::new(Date32Array::from(vec![1])), Some(column(&[None]))).unwrap();
        prop_assert!(lost.is_null(0), "without a subject there is no offset");
    }

    #[test]
    fn what_an_id_gives_away_is_what_stands_in_it(region in 110_000_u32..660_000, day in 0_i32..60_000) {
        let born = Date::constant(1850, 1, 1).checked_add(jiff::Span::new().days(day)).unwrap();
        let id = id(region, born);
        let ids = || column(&[Some(&id), None, Some("short")]);
        let date = apply(&Operator::BirthOf(DateTo::Day), ids(), None).unwrap();
        prop_assert_eq!(date.as_primitive::<Date32Type>().value(0), (born - Date::constant(1970, 1, 1)).get_days());
        prop_assert!(date.is_null(1) && date.is_null(2));
        let month = texts(&apply(&Operator::BirthOf(DateTo::Month), ids(), None).unwrap());
        prop_assert_eq!(month, [Some(born.strftime("%Y%m").to_string()), None, None]);
        let sex = texts(&apply(&Operator::SexOf, ids(), None).unwrap());
        prop_assert_eq!(sex, [Some("2".to_owned()), None, None]);
    }

    #[test]
    fn a_coarser_cut_of_an_address_follows_from_a_finer_one(parts in "(江苏省)?(连云港市)?(赣榆区|东海县)?(青口镇|新浦街道|墩尚乡)?(大村|市民社区)?[0-9]{0,3}号?", code in "320(707|722)(100|001|200)(201|001)") {
        let cut = |to: Level, text: &str| {
            let operator = Operator::Address(Address { to, code: "code".into() });
            texts(&apply(&operator, column(&[Some(text)]), Some(column(&[Some(&code)]))).unwrap()).remove(0)
        };
        let village = cut(Level::Village, &parts);
        let town = cut(Level::Town, &parts);
        prop_assert_eq!(village.as_deref().and_then(|text| cut(Level::Town, text)), town.clone());
        prop_assert_eq!(town.as_deref().and_then(|text| cut(Level::County, text)), cut(Level::County, &parts));
        prop_assert!(village.is_none_or(|text| parts.starts_with(&text)));
    }
}
