#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Int64Array, StringArray};
use shuguan_adapters::catalogue::record_type;
use shuguan_adapters::code::tables;

use super::*;
use crate::dataset::Dataset;
use crate::fixture::keys;
use crate::key::{Algorithm, Domain, Key};
use crate::operator::Beside;
use crate::operator::address::{Address, Level};
use crate::operator::age_band::AgeBand;
use crate::operator::bucket::Bucket;
use crate::operator::pseudonym::Pseudonym;
use crate::operator::round::Round;
use crate::operator::token::{Token, TokenKind};

fn key(id: &str, algorithm: Algorithm) -> Arc<Key> {
    Arc::new(Key {
        id: id.into(),
        algorithm,
        epoch: 1,
        partner: "p".into(),
        purpose: "q".into(),
        domain: Domain::Person,
    })
}

fn mask(first: u16, last: u16, keep_length: bool) -> Operator {
    Operator::Mask(Mask {
        first,
        last,
        cover: '*',
        keep_length,
    })
}

fn map(pairs: &[(&str, &str)], default: Option<&str>) -> Operator {
    Operator::Map(Map {
        list: pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        default: default.map(str::to_owned),
    })
}

/// Operators that fit a type, and a column of it that tells them apart.
fn pools() -> Vec<(FieldType, Vec<Operator>, ArrayRef)> {
    let any = || vec![Operator::Keep, Operator::Exists];
    let dates = [DateTo::Year, DateTo::Quarter, DateTo::Month, DateTo::Day];
    let bands = [(10, 80), (10, 60), (20, 60), (5, 80), (2, 2), (80, 80)];
    let edges: [&[i64]; 4] = [&[10], &[10, 20], &[10, 15, 20], &[7]];
    let mut on_dates = any();
    on_dates.extend(dates.map(Operator::Date));
    on_dates.extend(bands.map(|(width, cap)| Operator::AgeBand(AgeBand::new(width, cap).unwrap())));
    let mut on_numbers = any();
    on_numbers.extend(edges.map(|edges| Operator::Bucket(Bucket::new(edges.to_vec()).unwrap())));
    on_numbers.extend([2, 5, 6, 10].map(|step| Operator::Round(Round { step })));
    let mut on_names = any();
    for (first, last) in [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (1, 2)] {
        on_names.push(mask(first, last, true));
        on_names.push(mask(first, last, false));
    }
    let mut on_codes = any();
    on_codes.push(map(&[("1", "x"), ("2", "y"), ("9", "z")], Some("o")));
    on_codes.push(map(&[("1", "x"), ("2", "y")], Some("o")));
    on_codes.push(map(&[("1", "x")], Some("o")));
    on_codes.push(map(&[], Some("o")));
    let regions = [RegionTo::Province, RegionTo::City, RegionTo::County, RegionTo::Town];
    let mut on_villages = any();
    on_villages.extend(regions.map(Operator::Region));
    let mut on_ids = any();
    on_ids.extend([RegionTo::City, RegionTo::County].map(Operator::Region));
    on_ids.extend(dates.map(Operator::BirthOf));
    on_ids.push(Operator::SexOf);
    // A century of days, two beside each other every 41 days.
    let days = (0..900).flat_map(|n| [n * 41 - 17_000, n * 41 - 16_999]).map(Some);
    let days: Vec<Option<i32>> = days.chain([None]).collect();
    let numbers: Vec<Option<i64>> = (0..40).map(Some).chain([None]).collect();
    let codes = ["0", "1", "2", "9"].map(Some).into_iter().chain([None]);
    let villages = [
        "320707100201",
        "320707100202",
        "320707101201",
        "320706100201",
        "320800100201",
        "330707100201",
    ];
    let villages = villages.map(Some).into_iter().chain([None]);
    let ids = [
        "320706188002290004",
        "320706188002290012",
        "320706188002280005",
        "320721189912310009",
        "320706188003290009",
        "320706188008290000",
        "320803188008290000",
        "330106188008290010",
    ];
    let ids = ids.map(Some).into_iter().chain([None]);
    vec![
        (FieldType::Date, on_dates, Arc::new(Date32Array::from(days))),
        (
            FieldType::Integer(1000),
            on_numbers,
            Arc::new(Int64Array::from(numbers)),
        ),
        (FieldType::Name, on_names, names()),
        (
            FieldType::Code(&tables::SEX),
            on_codes,
            Arc::new(codes.collect::<StringArray>()),
        ),
        (
            FieldType::Division(12),
            on_villages,
            Arc::new(villages.collect::<StringArray>()),
        ),
        (FieldType::CitizenId, on_ids, Arc::new(ids.collect::<StringArray>())),
    ]
}

/// Names that tell the masks apart.
pub(crate) fn names() -> ArrayRef {
    let names = [
        "张",
        "李",
        "张三",
        "张四",
        "李三",
        "张三丰",
        "张四丰",
        "张三甲",
        "张四丰甲",
        "李三丰乙",
        "张三丰乙",
        "张三甲丙",
        "张三甲乙丙",
        "张三乙甲丙",
    ];
    let names = names.map(Some).into_iter().chain([None]);
    Arc::new(names.collect::<StringArray>())
}

/// What each row becomes, as text.
pub(crate) fn outputs(operator: &Operator, column: &ArrayRef) -> Vec<String> {
    let beside = Beside {
        field: "x",
        companion: None,
        keys: &keys(),
        today: 20_000,
    };
    let out = operator.apply(column, &beside).unwrap();
    (0..out.len()).map(|row| format!("{:?}", out.slice(row, 1))).collect()
}

/// Whether every value of `a` follows from the value of `b` in the same row.
pub(crate) fn follows(a: &[String], b: &[String]) -> bool {
    let mut known: BTreeMap<&String, &String> = BTreeMap::new();
    b.iter().zip(a).all(|(b, a)| *known.entry(b).or_insert(a) == a)
}

#[test]
fn an_operator_is_within_another_exactly_when_it_follows_from_it() {
    for (kind, operators, column) in pools() {
        for a in &operators {
            for b in &operators {
                let computed = follows(&outputs(a, &column), &outputs(b, &column));
                let stated = within(a, b, &kind);
                // Across two kinds a sample may fit by accident, e.g. nobody in it has a birthday this month.
                let alike = a.name() == b.name() || [a, b].iter().any(|one| ["keep", "exists"].contains(&one.name()));
                let (a, b) = (a.describe(), b.describe());
                assert!(computed || !stated, "{a} does not follow from {b}");
                assert!(
                    stated || !computed || !alike,
                    "{a} follows from {b}, which is not stated"
                );
            }
        }
    }
}

#[test]
fn the_order_is_a_partial_order_with_drop_below_and_keep_above() {
    for (kind, mut operators, _) in pools() {
        let pseudonym = |id: &str| {
            Operator::Pseudonym(Pseudonym {
                key: key(id, Algorithm::Hmac),
                bytes: 16,
            })
        };
        operators.extend([
            Operator::Drop,
            Operator::Constant("-".into()),
            pseudonym("a"),
            pseudonym("b"),
        ]);
        let kind_of = TokenKind::Id18;
        operators.push(Operator::Token(Token {
            kind: kind_of,
            key: key("t", Algorithm::TokenId18),
        }));
        for a in &operators {
            assert!(within(a, a, &kind) && within(&Operator::Drop, a, &kind) && within(a, &Operator::Keep, &kind));
            for b in &operators {
                if within(a, b, &kind) && within(b, a, &kind) {
                    assert_eq!(normal(a, &kind), normal(b, &kind));
                }
                for c in &operators {
                    let chain = within(a, b, &kind) && within(b, c, &kind);
                    assert!(
                        !chain || within(a, c, &kind),
                        "{} {} {}",
                        a.describe(),
                        b.describe(),
                        c.describe()
                    );
                }
            }
        }
        assert!(within(&pseudonym("a"), operators.last().unwrap(), &kind));
        assert!(!within(operators.last().unwrap(), &pseudonym("a"), &kind));
        assert!(!within(&pseudonym("a"), &pseudonym("b"), &kind));
    }
}

/// What a field tells, as words, of others apart.
fn words(target: &str, field: &str, operator: &Operator) -> Vec<String> {
    let target = Dataset::parse(target).map_or_else(|| Target::Record(record_type(target).unwrap()), Target::Dataset);
    let told = implied(target, target.field(field).unwrap(), operator).into_iter();
    told.map(|one| {
        let whose = if one.own { "" } else { " of another" };
        format!("{} {}{whose}", one.field, one.operator.describe())
    })
    .collect()
}

#[test]
fn a_resident_id_gives_away_birth_sex_and_region_and_only_as_much_as_is_left_of_it() {
    let told = |operator: &Operator| words("public-security/resident", "citizen_id", operator);
    assert_eq!(
        told(&Operator::Keep),
        ["birth_date keep", "sex keep", "birth_region keep"]
    );
    assert_eq!(told(&Operator::Region(RegionTo::City)), ["birth_region region to city"]);
    assert_eq!(told(&Operator::BirthOf(DateTo::Year)), ["birth_date date to year"]);
    assert_eq!(told(&Operator::SexOf), ["sex keep"]);
    assert!(told(&Operator::Exists).is_empty());
}

#[test]
fn a_number_that_may_be_a_resident_id_gives_away_all_of_it_and_whose_it_is_is_kept_apart() {
    let whole = |target: &str, field: &str| words(target, field, &Operator::Keep);
    let card = [
        "citizen_id keep",
        "birth_date keep",
        "sex keep",
        "birth_region keep",
        "grade keep",
    ];
    assert_eq!(whole("civil-affairs/disability", "disability_no"), card);
    for (target, own) in [
        ("public-security/floating-resident", "permit_no"),
        ("tax/withholding-employee", "id_no"),
    ] {
        assert_eq!(whole(target, own), card[..4], "{target}");
    }
    let another: Vec<String> = card[..4].iter().map(|told| format!("{told} of another")).collect();
    for (target, other) in [
        ("health/birth-certificate", "mother_id"),
        ("commerce/individual-business", "operator_id"),
    ] {
        assert_eq!(whole(target, other), another, "{target}");
    }
    // The resident id of whoever trades is also that of whoever represents the unit.
    let taxpayer = [
        "uscc keep",
        "org_code keep",
        "birth_region keep of another",
        "reg_region keep",
        "citizen_id keep of another",
        "legal_rep_id keep",
        "birth_date keep of another",
        "sex keep of another",
    ];
    assert_eq!(whole("tax/registration", "taxpayer_id"), taxpayer);
    assert!(whole("tax/withholding-employee", "withholder_id").contains(&"citizen_id keep of another".into()));
    // Beside an employee it is the employer's.
    assert!(!whole("tax/contribution-payment", "taxpayer_id").contains(&"citizen_id keep".into()));
    // What the dataset has taken out of the number it does not tell.
    assert_eq!(
        whole("enterprises", "taxpayer_id"),
        ["uscc keep", "org_code keep", "reg_region keep", "region keep"]
    );
    assert!(whole("enterprises", "trader_id").contains(&"citizen_id keep of another".into()));
    for operator in [Operator::Exists, Operator::Drop] {
        assert!(words("tax/registration", "taxpayer_id", &operator).is_empty());
    }
}

#[test]
fn a_whole_address_gives_away_its_codes_and_one_that_is_cut_as_much_as_is_left() {
    let whole = |target: &str, field: &str| words(target, field, &Operator::Keep);
    for (target, field, codes) in [
        (
            "public-security/resident",
            "hukou_address",
            &["hukou_region keep", "town_code keep", "village_code keep"][..],
        ),
        (
            "population",
            "hukou_address",
            &["hukou_region keep", "town_code keep", "village_code keep"],
        ),
        // The towns and villages of a floating resident are those of the other address.
        (
            "public-security/floating-resident",
            "hukou_address",
            &["hukou_region keep"],
        ),
        (
            "public-security/floating-resident",
            "residence_address",
            &["residence_region keep", "town_code keep", "village_code keep"],
        ),
        (
            "civil-affairs/destitute-support",
            "address",
            &["town_code keep", "village_code keep"],
        ),
        ("civil-affairs/cremation", "address", &[]),
        ("public-security/birth", "birth_address", &["birth_region keep"]),
        ("tax/registration", "op_address", &["op_region keep", "town_code keep"]),
        ("enterprises", "address", &["region keep"]),
    ] {
        assert_eq!(whole(target, field), codes, "{target}.{field}");
    }
    let town = Operator::Address(Address {
        to: Level::Town,
        code: "town_code".into(),
    });
    assert_eq!(
        words("population", "hukou_address", &town),
        ["hukou_region keep", "town_code keep", "village_code region to town"]
    );
    assert!(words("population", "hukou_address", &Operator::Exists).is_empty());
}

#[test]
fn whatever_the_catalogue_says_that_a_number_tells_the_compiler_knows() {
    for record in shuguan_adapters::catalogue::record_types() {
        for field in record.fields {
            let told = implied(Target::Record(record), field, &Operator::Keep);
            let knows = |name: &str| told.iter().any(|one| one.field == name);
            let of_a_person = field.holds_a_citizen_id() && field.name != "citizen_id";
            let is_an_id = matches!(field.kind, FieldType::CitizenId);
            assert!(
                is_an_id || !of_a_person || knows("citizen_id"),
                "{}.{}",
                record.name,
                field.name
            );
            assert!(
                !field.holds_a_citizen_id() || knows("birth_date"),
                "{}.{}",
                record.name,
                field.name
            );
            assert!(
                told.iter().all(|one| one.field != field.name),
                "{}.{}",
                record.name,
                field.name
            );
        }
    }
}

fn about(field: &'static str, kind: FieldType, operator: Operator, way: Way) -> Disclosed {
    Disclosed {
        field,
        kind,
        class: Class::C2,
        operator,
        way,
    }
}

#[test]
fn of_what_is_told_about_a_field_the_strongest_is_left_and_of_equals_the_first() {
    let year = || Operator::Date(DateTo::Year);
    let born = |operator: Operator, way: Way| about("birth_date", FieldType::Date, operator, way);
    let all = [
        born(year(), Way::Own),
        born(Operator::Date(DateTo::Month), Way::Implied("citizen_id")),
        born(Operator::Date(DateTo::Month), Way::Implied("disability_no")),
        born(Operator::AgeBand(AgeBand::new(10, 80).unwrap()), Way::Lookup),
        about("sex", FieldType::Code(&tables::SEX), Operator::Keep, Way::Own),
    ];
    let left: Vec<_> = strongest(&all, "birth_date")
        .into_iter()
        .map(|one| (one.operator.describe(), one.way))
        .collect();
    let expected = [
        ("date to month".to_owned(), Way::Implied("citizen_id")),
        ("age_band width=10 cap=80".to_owned(), Way::Lookup),
    ];
    assert_eq!(left, expected);
    assert!(strongest(&all, "name").is_empty());

    let [year, month, _, band, _] = &all;
    let within = |a: &[&Disclosed], b: &[&Disclosed]| {
        let owned = |list: &[&Disclosed]| list.iter().map(|one| (*one).clone()).collect::<Vec<_>>();
        all_within(&owned(a), &owned(b))
    };
    assert!(within(&[year], &[month]) && !within(&[month], &[year]));
    assert!(within(&[year, band], &[month, band]) && !within(&[year, band], &[month]));
    assert!(within(&[], &[]) && within(&[], &[year]) && !within(&[year], &[]));
}

#[test]
fn numbers_of_units_and_places_give_away_what_they_are_made_of() {
    let told = |target: &str, field: &str, operator: &Operator| {
        let mut words = words(target, field, operator);
        words.sort();
        words
    };
    let uscc = |target: &str| told(target, "uscc", &Operator::Keep);
    let made_of = ["org_code keep", "reg_region keep", "taxpayer_id keep"];
    assert_eq!(uscc("tax/registration"), made_of);
    assert_eq!(
        uscc("enterprises"),
        ["org_code keep", "reg_region keep", "region keep", "taxpayer_id keep"]
    );
    assert_eq!(
        told("enterprises", "reg_no", &Operator::Keep),
        ["reg_region keep", "region keep"]
    );
    let village = |operator: &Operator| told("population", "village_code", operator);
    assert_eq!(village(&Operator::Keep), ["hukou_region keep", "town_code keep"]);
    assert_eq!(
        village(&Operator::Region(RegionTo::Town)),
        ["hukou_region keep", "town_code keep"]
    );
    assert_eq!(
        village(&Operator::Region(RegionTo::County)),
        ["hukou_region keep", "town_code region to county"]
    );
    assert_eq!(
        village(&Operator::Region(RegionTo::City)),
        ["hukou_region region to city", "town_code region to city"]
    );
    assert_eq!(
        told("population", "town_code", &Operator::Keep),
        ["hukou_region keep", "village_code region to town"]
    );
    assert_eq!(
        told("population", "hukou_region", &Operator::Keep),
        ["town_code region to county", "village_code region to county"]
    );
    for operator in [Operator::Exists, Operator::Drop] {
        assert!(village(&operator).is_empty());
        assert!(told("enterprises", "uscc", &operator).is_empty());
    }
}

#[test]
fn an_operator_has_one_form_for_each_thing_that_it_tells() {
    let same = |a: &Operator, b: &Operator, kind: FieldType| {
        assert_eq!(normal(a, &kind), normal(b, &kind), "{} {}", a.describe(), b.describe());
        assert!(within(a, b, &kind) && within(b, a, &kind));
    };
    let covered_with = |cover: char| {
        Operator::Mask(Mask {
            first: 1,
            last: 0,
            cover,
            keep_length: true,
        })
    };
    let nothing = Operator::Constant("无".into());
    same(&nothing, &Operator::Drop, FieldType::Name);
    same(&covered_with('x'), &covered_with('*'), FieldType::Name);
    same(&mask(0, 0, false), &Operator::Exists, FieldType::Name);
    same(&Operator::Date(DateTo::Day), &Operator::Keep, FieldType::Date);
    same(&Operator::Date(DateTo::Month), &Operator::Keep, FieldType::Month);
    same(&Operator::Region(RegionTo::County), &Operator::Keep, FieldType::Region);
    same(
        &Operator::Region(RegionTo::Town),
        &Operator::Keep,
        FieldType::Division(9),
    );
    // Six digits of a resident id are a county, so its town is no more than that.
    same(
        &Operator::Region(RegionTo::Town),
        &Operator::Region(RegionTo::County),
        FieldType::CitizenId,
    );
    let differ = |a: &Operator, b: &Operator, kind: FieldType| assert_ne!(normal(a, &kind), normal(b, &kind));
    differ(&Operator::Date(DateTo::Day), &Operator::Keep, FieldType::Instant);
    differ(&Operator::Region(RegionTo::City), &Operator::Keep, FieldType::Region);
    differ(
        &Operator::Region(RegionTo::Town),
        &Operator::Keep,
        FieldType::Division(12),
    );
    differ(&mask(0, 0, true), &Operator::Exists, FieldType::Name);
    differ(&mask(1, 0, false), &Operator::Exists, FieldType::Name);
    differ(&mask(0, 1, false), &Operator::Exists, FieldType::Name);
}

#[test]
fn addresses_are_ordered_under_one_code_only() {
    let cut = |to: Level, code: &str| Operator::Address(Address { to, code: code.into() });
    let kind = FieldType::Text(200);
    for (at, a) in Level::ALL.into_iter().enumerate() {
        for (other_at, b) in Level::ALL.into_iter().enumerate() {
            assert_eq!(within(&cut(a, "c"), &cut(b, "c"), &kind), at <= other_at);
            assert!(!within(&cut(a, "c"), &cut(b, "d"), &kind));
        }
        // An address that is not recognised becomes a null, so whether there was one does not show.
        assert!(!within(&Operator::Exists, &cut(a, "c"), &kind));
    }
}

#[test]
fn a_pseudonym_is_within_a_longer_one_of_its_key_and_a_token_of_its_scope() {
    let pseudonym = |id: &str, bytes: u8| {
        Operator::Pseudonym(Pseudonym {
            key: key(id, Algorithm::Hmac),
            bytes,
        })
    };
    let kind = FieldType::CitizenId;
    assert!(within(&pseudonym("a", 16), &pseudonym("a", 17), &kind));
    assert!(!within(&pseudonym("a", 17), &pseudonym("a", 16), &kind));
    assert!(!within(&pseudonym("a", 16), &pseudonym("b", 17), &kind));
    let token = |change: fn(&mut Key)| {
        let mut key = Key::clone(&key("t", Algorithm::TokenId18));
        change(&mut key);
        Operator::Token(Token {
            kind: TokenKind::Id18,
            key: Arc::new(key),
        })
    };
    assert!(within(&pseudonym("a", 16), &token(|_| ()), &kind));
    for change in [
        (|key: &mut Key| key.partner.push('x')) as fn(&mut Key),
        |key| key.purpose.push('x'),
        |key| key.domain = Domain::Unit,
    ] {
        assert!(!within(&pseudonym("a", 16), &token(change), &kind));
    }
}
