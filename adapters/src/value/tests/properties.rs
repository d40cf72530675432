//! What holds for every value, as proptest finds them.

use proptest::prelude::*;

use super::*;

const KINDS: [FieldType; 18] = [
    FieldType::CitizenId,
    FieldType::Uscc,
    FieldType::OrgCode,
    FieldType::RegNo,
    FieldType::TaxpayerId,
    FieldType::DocumentNo(30),
    FieldType::Name,
    FieldType::Text(40),
    FieldType::Code(&tables::SEX),
    FieldType::Region,
    FieldType::Division(9),
    FieldType::Division(12),
    FieldType::Date,
    FieldType::Month,
    FieldType::Instant,
    FieldType::Integer(1000),
    FieldType::Decimal(2),
    FieldType::Phone,
];

/// Calendar days from 1800 to today.
fn births() -> impl Strategy<Value = i32> {
    date::days_from_civil(1800, 1, 1).unwrap()..=TODAY
}

/// A resident id of nobody: order number 000.
fn nobody() -> impl Strategy<Value = String> {
    (
        prop::sample::select(vec!["320706", "320705", "320721", "322127", "110101", "830000"]),
        births(),
    )
        .prop_map(|(area, born)| {
            let (year, month, day) = date::civil_from_days(born);
            let mut id = format!("{area}{year:04}{month:02}{day:02}000");
            id.push(citizen_id::check_character(id.as_bytes().try_into().unwrap()).unwrap());
            id
        })
}

/// What sources send, more or less: values of every kind, what means nothing, and dirt around and inside of both.
fn sent() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        nobody(),
        "[01][0-9]{5}|32[0-9]{4}|32[0-9]{7}|32[0-9]{10}|[0-9]{1,3}",
        "(18|19|20|21|22|99|00)[0-9]{2}(0[0-9]|1[0-2])([0-2][0-9]|3[01])([01][0-9]|2[0-4])[0-6][0-9][0-6][0-9]",
        "(18|19|20|21|22|99|00)[0-9]{2}-(0[0-9]|1[0-2])-([0-2][0-9]|3[01])[ T]([01][0-9]|2[0-4]):[0-6][0-9]:[0-6][0-9]",
        "(18|19|20|21|22|99|00)[0-9]{2}-?(0[0-9]|1[0-2])-?([0-2][0-9]|3[01])",
        "1[2-9][0-9]{9}|13800000000|11111111111|0[0-9]{2,3}-?[0-9]{6,9}|0+-0+",
        "[A-Z]{0,2}[0-9]{0,30}|0|[0-9]{9,10}",
        "[一-龥]{1,16}|[A-Za-z0-9一-龥·• ]{1,16}",
        prop::sample::select(vec![
            "无", "不详", "暂无", "未填", "空", "null", "N/A", "-", "——", "／", "0", "０", "长期", "\\N", "\u{e863}",
            "\u{fffd}",
        ])
        .prop_map(str::to_owned),
    ];
    let dirt = prop_oneof![6 => Just(String::new()), 1 => "[ '　\u{200b}\u{feff}\u{2018}＇\t\u{85}\u{2066}\x00-]{1,2}"];
    (
        dirt.clone(),
        word.clone(),
        dirt.clone(),
        prop_oneof![8 => Just(String::new()), 1 => word],
        dirt,
    )
        .prop_map(|(before, word, between, other, after)| [before, word, between, other, after].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn one_look_never_contradicts_the_closer_look(sent in sent()) {
        let mut scratch = Scratch::default();
        for kind in KINDS {
            for name in ["value", "birth_cert_no", "disability_no"] {
                let field = Field::new(name, "值", kind, Class::C3);
                for field in [field, field.required(), field.past()] {
                    if let Some(value) = usual::usual(&field, &sent, TODAY) {
                        let closer = parse_closely(&field, &sent, &mut scratch, TODAY);
                        prop_assert!(closer == Ok(value), "{}: {sent:?}", kind.describe());
                    }
                }
            }
        }
    }
}

#[test]
fn one_look_knows_every_code_of_every_table() {
    let mut scratch = Scratch::default();
    for table in tables::ALL {
        let field = Field::new("code", "代码", FieldType::Code(table), Class::C1);
        for row in table.rows {
            let closer = parse_closely(&field, row.code, &mut scratch, TODAY);
            assert!(closer == Ok(Value::Text(row.code)), "{}", table.name);
            assert!(
                usual::usual(&field, row.code, TODAY) == Some(Value::Text(row.code)),
                "{}",
                table.name
            );
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(sent in "\\PC{0,24}|[0-9Xx年月日 :.T+-]{0,24}|[\\x00-\\x7F]{0,24}") {
        for kind in KINDS {
            let _ = read_as(kind, &sent);
        }
    }

    #[test]
    fn what_is_canonical_is_read_as_itself(sent in "[0-9Xx ０-９.-]{1,20}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|\\PC{0,12}") {
        for kind in KINDS {
            if matches!(kind, FieldType::Date | FieldType::Instant) {
                continue;
            }
            if let Ok(Some(first)) = read_as(kind, &sent) {
                prop_assert_eq!(read_as(kind, &first), Ok(Some(first.clone())), "{}", kind.describe());
            }
        }
    }

    #[test]
    fn every_day_goes_to_the_calendar_and_back(days in -700_000_i32..700_000) {
        let (year, month, day) = date::civil_from_days(days);
        if let Ok(year) = u32::try_from(year) {
            prop_assert_eq!(date::days_from_civil(year, month, day), Some(days));
        }
    }

    #[test]
    fn every_form_of_a_day_is_the_same_day(born in births()) {
        let (year, month, day) = date::civil_from_days(born);
        let midnight = date::instant(&format!("{year:04}{month:02}{day:02}")).unwrap().unwrap();
        prop_assert_eq!(date::shanghai_day(midnight), born);
        for form in [
            format!("{year:04}{month:02}{day:02}"),
            format!("{year}-{month}-{day}"),
            format!("{year}年{month}月{day}日"),
            format!("{year:04}-{month:02}-{day:02}00:00:00.0"),
        ] {
            prop_assert_eq!(date::day(&form), Ok(Some(born)), "{}", form);
        }
        let millis = midnight / 1000;
        if (8..=13).contains(&millis.unsigned_abs().to_string().len()) {
            prop_assert_eq!(date::day(&millis.to_string()), Ok(Some(born)), "{}", millis);
        }
    }

    #[test]
    fn the_days_around_1970_are_read_in_milliseconds_and_no_written_day_is_one_of_them(day in -110_i32..110, written in births()) {
        for ahead in [0, 28_800_000] {
            let millis = i64::from(day) * 86_400_000 - ahead;
            if (8..=10).contains(&millis.unsigned_abs().to_string().len()) {
                prop_assert_eq!(date::day(&millis.to_string()), Ok(Some(day)), "{}", millis);
                prop_assert_eq!(date::instant(&millis.to_string()), Ok(Some(millis * 1000)));
                for other in [millis + 1, millis - 1, millis + 1000, millis + 3_600_000] {
                    prop_assert!(date::day(&other.to_string()).is_err(), "{}", other);
                }
            }
        }
        let (year, month, day) = date::civil_from_days(written);
        let compact = year * 10_000 + i32::try_from(month * 100 + day).unwrap();
        prop_assert!(!matches!(i64::from(compact).rem_euclid(86_400_000), 0 | 57_600_000), "{}", compact);
    }

    #[test]
    fn a_resident_id_with_one_other_character_is_refused(id in nobody(), at in 0_usize..18, other in "[0-9X]") {
        prop_assert_eq!(read_as(FieldType::CitizenId, &id), Ok(Some(id.clone())));
        let mut changed = id.clone();
        changed.replace_range(at..=at, &other);
        if changed != id {
            prop_assert!(read_as(FieldType::CitizenId, &changed).is_err());
        }
    }

    #[test]
    fn two_neighbours_of_a_resident_id_cannot_change_places(id in nobody(), at in 0_usize..16) {
        let mut bytes = id.clone().into_bytes();
        bytes.swap(at, at + 1);
        let swapped = String::from_utf8(bytes).unwrap();
        if swapped != id {
            prop_assert!(read_as(FieldType::CitizenId, &swapped).is_err());
        }
    }

    #[test]
    fn a_15_digit_number_is_its_18_digit_twin(id in nobody()) {
        if &id[6..8] == "19" {
            let short = format!("{}{}", &id[..6], &id[8..17]);
            prop_assert_eq!(read_as(FieldType::CitizenId, &short), Ok(Some(id)));
        }
    }

    #[test]
    fn a_unified_code_with_one_other_character_is_refused(
        region in "[0-9]{6}",
        at in 0_usize..18,
        other in "[0-9A-HJ-NPQRTUWXY]",
    ) {
        let code = unified("91", &region, "000000019");
        prop_assert_eq!(read_as(FieldType::Uscc, &code), Ok(Some(code.clone())));
        let mut changed = code.clone();
        changed.replace_range(at..=at, &other);
        if changed != code {
            prop_assert!(read_as(FieldType::Uscc, &changed).is_err());
        }
    }

    #[test]
    fn a_registration_number_with_one_other_digit_or_two_changed_over_is_refused(
        body in "[0-9]{14}",
        at in 0_usize..15,
        other in "[0-9]",
    ) {
        let number = format!("{body}{}", reg_no::check_digit(body.as_bytes()));
        prop_assert_eq!(read_as(FieldType::RegNo, &number), Ok(Some(number.clone())));
        let mut changed = number.clone();
        changed.replace_range(at..=at, &other);
        if changed != number {
            prop_assert_eq!(read_as(FieldType::RegNo, &changed), Err(RejectCode::BadChecksum));
        }
    }

    #[test]
    fn an_organisation_code_with_one_other_character_is_refused(
        body in "[0-9A-Z]{8}",
        at in 0_usize..9,
        other in "[0-9A-Z]",
    ) {
        let Some(code) = "0123456789X".chars().map(|last| format!("{body}{last}")).find(|code| org_code::check(code.as_bytes()).is_ok())
        else {
            return Err(TestCaseError::fail("no check character fits"));
        };
        let mut changed = code.clone();
        changed.replace_range(at..=at, &other);
        // Values of letters may differ by a multiple of 11.
        let weight = |text: &str| text.chars().nth(at).and_then(|char| char.to_digit(36)).unwrap_or_default() % 11;
        if at == 8 && changed != code {
            prop_assert!(read_as(FieldType::OrgCode, &changed).is_err());
        } else if weight(&changed) != weight(&code) {
            prop_assert_eq!(read_as(FieldType::OrgCode, &changed), Err(RejectCode::BadChecksum));
        }
        let hyphened = format!("{}-{}", &code[..8], &code[8..]);
        prop_assert_eq!(read_as(FieldType::OrgCode, &hyphened), Ok(Some(code)));
    }

    #[test]
    fn an_identifier_is_the_same_in_full_width_in_small_letters_and_with_blanks(
        id in nobody(),
        code in "9[123][0-9]{6}",
        body in "[0-9A-HJ-NPQRTUWXY]{8}",
        at in 0_usize..18,
    ) {
        let wide = |text: &str| text.chars().map(|char| char::from_u32(u32::from(char) + 0xFEE0).unwrap()).collect::<String>();
        let own = "0123456789X".chars().find(|last| org_code::check(format!("{body}{last}").as_bytes()).is_ok()).unwrap();
        let mut unit = format!("{code}{body}{own}");
        unit.push(uscc::check_character(&unit).unwrap());
        for (kind, number) in [(FieldType::CitizenId, &id), (FieldType::Uscc, &unit), (FieldType::TaxpayerId, &unit)] {
            let mut gapped = number.clone();
            gapped.insert(at, ' ');
            for sent in [wide(number), number.to_lowercase(), gapped, format!("'{number}\u{3000}")] {
                prop_assert_eq!(read_as(kind, &sent), Ok(Some(number.clone())), "{}", sent);
            }
        }
    }

    #[test]
    fn a_taxpayers_number_gives_back_what_it_was_made_of(
        region in "32[0-9]{4}",
        body in "[0-9A-HJ-NPQRTUWXY]{8}",
        tail in "[0-9]{2}",
    ) {
        let own = "0123456789X".chars().find(|last| org_code::check(format!("{body}{last}").as_bytes()).is_ok()).unwrap();
        let org = format!("{body}{own}");
        let mut unit = format!("91{region}{org}");
        unit.push(uscc::check_character(&unit).unwrap());
        for number in [unit.clone(), format!("{unit}{tail}")] {
            prop_assert_eq!(read_as(FieldType::TaxpayerId, &number), Ok(Some(number.clone())));
            prop_assert_eq!(taxpayer_id::uscc(&number), Some(unit.as_str()));
            prop_assert_eq!(taxpayer_id::org_code(&number), Some(org.as_str()));
            prop_assert_eq!(taxpayer_id::citizen_id(&number), None);
        }
        for number in [format!("{region}{org}"), format!("{region}{org}{tail}")] {
            prop_assert_eq!(read_as(FieldType::TaxpayerId, &number), Ok(Some(number.clone())));
            let found = taxpayer_id::org_code(&number);
            prop_assert!(found == Some(org.as_str()) || citizen_id::is_short(&number[..15]), "{:?}", found);
        }
    }

    #[test]
    fn a_telephone_number_is_the_same_with_blanks_in_it(number in "[01][0-9]{2,3}-?[0-9]{6,9}(-[0-9]{0,4})?|0{3,4}-?0{7,8}", at in 1_usize..8) {
        let mut gapped = number.clone();
        gapped.insert(at, ' ');
        prop_assert_eq!(read_as(FieldType::Phone, &number), read_as(FieldType::Phone, &gapped), "{}", gapped);
    }

    #[test]
    fn a_control_character_is_found_wherever_it_stands(text in "[a-z姓—é]{0,40}", sign in "[\u{0}-\u{8}\u{7F}-\u{9F}\u{200E}\u{202A}-\u{202E}]", at in 0_usize..40) {
        let at = text.char_indices().map(|(place, _)| place).nth(at).unwrap_or(text.len());
        let mut hidden = format!("x{text}x");
        prop_assert_eq!(read_as(FieldType::Text(60), &hidden), Ok(Some(hidden.clone())));
        hidden.insert_str(at + 1, &sign);
        prop_assert!(read_as(FieldType::Text(60), &hidden).is_err());
    }

    #[test]
    fn eight_digits_at_once_are_what_they_are_one_by_one(bytes in prop_oneof![
        "[0-9]{8}".prop_map(|text| text.into_bytes().try_into().unwrap()),
        "[/0-9:]{8}".prop_map(|text| text.into_bytes().try_into().unwrap()),
        any::<[u8; 8]>(),
    ]) {
        prop_assert_eq!(fold::eight_digits(bytes), fold::digits(&bytes));
    }

    #[test]
    fn a_name_compares_equal_to_itself_however_it_is_folded(name in "\\PC{0,12}") {
        let once = name::folded(&name);
        prop_assert_eq!(name::folded(&once), once.clone());
        prop_assert_eq!(name::folded(&format!(" {name}\u{3000}")), once);
    }

    #[test]
    fn money_keeps_its_amount(whole in 0_u64..1_000_000_000_000, cents in 0_u64..100, zeros in 0_usize..4) {
        let sent = format!("{}{whole}.{cents:02}{}", "0".repeat(zeros), "0".repeat(zeros));
        prop_assert_eq!(read_as(FieldType::Decimal(2), &sent), Ok(Some(format!("{whole}.{cents:02}"))));
        prop_assert_eq!(read_as(FieldType::Decimal(2), &format!("{sent}1")), Err(RejectCode::BadNumber));
    }

    #[test]
    fn a_division_is_the_same_at_every_length_that_holds_it(
        county in "(11|32|53|65)[0-9]{4}",
        town in "[0-9]{3}",
        village in "[0-9]{3}",
    ) {
        let code = format!("{county}{town}{village}");
        prop_assert_eq!(read_as(FieldType::Division(12), &code), Ok(Some(code.clone())));
        prop_assert_eq!(read_as(FieldType::Division(9), &format!("{county}{town}000")), Ok(Some(format!("{county}{town}"))));
        prop_assert_eq!(read_as(FieldType::Region, &format!("{county}000000")), Ok(Some(county)));
    }

    #[test]
    fn a_date_of_less_precision_than_its_column_is_refused_and_of_more_is_cut(born in births(), hour in 0_u32..24) {
        let (year, month, day) = date::civil_from_days(born);
        let moment = format!("{year:04}-{month:02}-{day:02} {hour:02}:30:00");
        prop_assert_eq!(read_as(FieldType::Date, &moment), Ok(Some(born.to_string())));
        prop_assert_eq!(read_as(FieldType::Month, &moment), Ok(Some(format!("{year:04}{month:02}"))));
        for kind in [FieldType::Date, FieldType::Instant] {
            for less in [format!("{year:04}-{month:02}"), format!("{year:04}年{month}月"), format!("{year:04}"), format!("{year}年")] {
                prop_assert_eq!(read_as(kind, &less), Err(RejectCode::ImpreciseDate), "{}", less);
            }
        }
        prop_assert_eq!(read_as(FieldType::Month, &format!("{year}")), Err(RejectCode::ImpreciseDate));
    }
}
