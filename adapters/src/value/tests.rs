//! Every kind of value by example and by property. Persons here were born in the 19th century or have the order number 000, which is
//! issued to nobody.

#![expect(
    clippy::unwrap_used,
    clippy::unnecessary_wraps,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod properties;

use super::*;
use crate::catalogue::{Class, FieldType};
use crate::code::tables;

/// 2026-07-01.
const TODAY: i32 = 20_635;

/// What a value of this kind is read as: text as it is, numbers in decimal, `None` for missing.
fn read_as(kind: FieldType, sent: &str) -> Result<Option<String>, RejectCode> {
    named("field", kind, sent)
}

fn named(name: &'static str, kind: FieldType, sent: &str) -> Result<Option<String>, RejectCode> {
    read_field(Field::new(name, "字段", kind, Class::C2), sent)
}

fn read_field(field: Field, sent: &str) -> Result<Option<String>, RejectCode> {
    let mut scratch = Scratch::default();
    Ok(match parse(&field, sent, &mut scratch, TODAY)? {
        Value::Missing => None,
        Value::Text(text) => Some(text.to_owned()),
        Value::Date(days) => Some(days.to_string()),
        Value::Instant(number) | Value::Integer(number) => Some(number.to_string()),
    })
}

fn kept(text: &str) -> Result<Option<String>, RejectCode> {
    Ok(Some(text.to_owned()))
}

fn day_of(year: u32, month: u32, day: u32) -> Result<Option<String>, RejectCode> {
    Ok(Some(date::days_from_civil(year, month, day).unwrap().to_string()))
}

#[test]
fn resident_ids_where_other_validators_disagree_get_our_verdict() {
    let verdicts = [
        // The county is younger or older than the person: no ground to refuse.
        ("320706196001010007", kept("320706196001010007")),
        ("320705199001010004", kept("320705199001010004")),
        ("320721198505050005", kept("320721198505050005")),
        ("320721197005050004", kept("320721197005050004")),
        ("320724198005050008", kept("320724198005050008")),
        // Residence permits for people of Taiwan and Hong Kong.
        ("830000199201300006", kept("830000199201300006")),
        ("810000189408230022", kept("810000189408230022")),
        ("320706186001010008", kept("320706186001010008")),
        ("32070620300101000X", Err(RejectCode::FutureDate)),
        ("320706199002290008", Err(RejectCode::BadDate)),
        ("320706186102290002", Err(RejectCode::BadDate)),
        ("00000019900101000X", Err(RejectCode::UnknownRegion)),
        ("93115619801231000X", Err(RejectCode::UnknownRegion)),
        ("32070619900118000x", kept("32070619900118000X")),
        ("320706199001010001", Err(RejectCode::BadChecksum)),
        ("３２０７０６１９９００１０１００００", kept("320706199001010000")),
        ("320706900101000", kept("320706199001010000")),
    ];
    for (sent, verdict) in verdicts {
        assert_eq!(read_as(FieldType::CitizenId, sent), verdict, "{sent}");
    }
}

#[test]
fn resident_ids_are_found_under_the_dirt_of_spreadsheets_and_fixed_columns() {
    for sent in [
        "'320706199001010000",
        " 320706199001010000\t",
        "　320706199001010000　",
        "320706 19900101 0000",
        "\u{FEFF}320706199001010000",
    ] {
        assert_eq!(
            read_as(FieldType::CitizenId, sent),
            kept("320706199001010000"),
            "{sent:?}"
        );
    }
    let refused = [
        ("3.2071E+17", RejectCode::LostDigits),
        ("3e+17", RejectCode::LostDigits),
        ("3.20706186601010E17", RejectCode::LostDigits),
        ("3.207061866010E+17", RejectCode::LostDigits),
        ("3.20706199001E+17X", RejectCode::BadAlphabet),
        ("32070619900101000", RejectCode::BadLength),
        ("32070619900101000011", RejectCode::BadLength),
        ("32070619900101000A", RejectCode::BadAlphabet),
        ("X20706199001010000", RejectCode::BadAlphabet),
        ("320706190002290000", RejectCode::BadChecksum),
        ("320706199001010\u{0}00", RejectCode::NulCharacter),
        ("32070690010100X", RejectCode::BadAlphabet),
    ];
    for (sent, code) in refused {
        assert_eq!(read_as(FieldType::CitizenId, sent), Err(code), "{sent:?}");
    }
}

#[test]
fn what_a_spreadsheet_left_of_a_long_number_is_no_number_of_any_kind() {
    for kind in [
        FieldType::DocumentNo(30),
        FieldType::Uscc,
        FieldType::TaxpayerId,
        FieldType::RegNo,
    ] {
        assert_eq!(read_as(kind, "3.20706E+17"), Err(RejectCode::LostDigits), "{kind:?}");
    }
    // A document may be called like that without a sign or a point.
    for sent in ["3E17", "E12345678", "1.5E+3", "3.2E+17A"] {
        assert_eq!(read_as(FieldType::DocumentNo(30), sent), kept(sent));
    }
}

#[test]
fn a_resident_id_tells_birth_and_sex() {
    assert_eq!(
        citizen_id::birth_day("320706199001010000"),
        date::days_from_civil(1990, 1, 1)
    );
    assert_eq!(citizen_id::sex("320706199001010000"), Some("2"));
    assert_eq!(citizen_id::sex("830000199201300006"), Some("2"));
    assert_eq!(citizen_id::birth_day("short"), None);
    assert_eq!(citizen_id::sex(""), None);
}

#[test]
fn centenarians_of_the_15_digit_number_get_their_century() {
    let raised = read_as(FieldType::CitizenId, "320706900101997").unwrap().unwrap();
    assert_eq!(&raised[..17], "32070618900101997");
}

#[test]
fn unified_codes_follow_the_amended_standard() {
    for code in ["913207000000000004", "523207000000000192"] {
        assert_eq!(read_as(FieldType::Uscc, code), kept(code));
    }
    assert_eq!(
        read_as(FieldType::Uscc, " 913207000000000004  "),
        kept("913207000000000004")
    );
    for kind in ["A1", "N2", "Y1", "31", "72", "81", "93"] {
        let code = unified(kind, "320700", "000000000");
        assert_eq!(read_as(FieldType::Uscc, &code.to_lowercase()), kept(&code), "{kind}");
    }
    let refused = [
        ("913207000000000005".to_owned(), RejectCode::BadChecksum),
        (unified("94", "320700", "000000000"), RejectCode::UnknownCode),
        (unified("91", "320700", "000000001"), RejectCode::BadChecksum),
        ("91320700000000000".to_owned(), RejectCode::BadLength),
        ("91320700000000000O".to_owned(), RejectCode::BadAlphabet),
    ];
    for (code, reason) in refused {
        assert_eq!(read_as(FieldType::Uscc, &code), Err(reason), "{code}");
    }
}

fn unified(kind: &str, region: &str, organisation: &str) -> String {
    let mut code = format!("{kind}{region}{organisation}");
    code.push(uscc::check_character(&code).unwrap());
    code
}

#[test]
fn organisation_registration_and_taxpayer_numbers_are_checked() {
    assert_eq!(read_as(FieldType::OrgCode, "00000001-9"), kept("000000019"));
    assert_eq!(read_as(FieldType::OrgCode, "000000019"), kept("000000019"));
    assert_eq!(read_as(FieldType::OrgCode, "000000018"), Err(RejectCode::BadChecksum));
    assert_eq!(read_as(FieldType::OrgCode, "0000-0019"), Err(RejectCode::BadLength));

    let digit = reg_no::check_digit(b"32070600000001");
    assert_eq!(
        read_as(FieldType::RegNo, &format!("32070600000001{digit}")),
        kept(&format!("32070600000001{digit}"))
    );
    let wrong = (digit + 1) % 10;
    assert_eq!(
        read_as(FieldType::RegNo, &format!("32070600000001{wrong}")),
        Err(RejectCode::BadChecksum)
    );
    assert_eq!(read_as(FieldType::RegNo, "3207061000000"), kept("3207061000000"));
    assert_eq!(read_as(FieldType::RegNo, "320706100000A"), Err(RejectCode::BadAlphabet));

    for id in [
        "913207000000000004",
        "320706000000019",
        "32070600000001900",
        "320706199001010000",
        "32070619900101000001",
    ] {
        assert_eq!(read_as(FieldType::TaxpayerId, id), kept(id));
    }
    assert_eq!(
        read_as(FieldType::TaxpayerId, "913207000000000005"),
        Err(RejectCode::BadChecksum)
    );
    assert_eq!(
        read_as(FieldType::TaxpayerId, "990706000000019"),
        Err(RejectCode::UnknownRegion)
    );
    assert_eq!(
        read_as(FieldType::TaxpayerId, "3207060000000"),
        Err(RejectCode::BadLength)
    );
}

#[test]
fn a_character_foreign_to_a_number_is_no_matter_of_length() {
    for (kind, sent) in [
        (FieldType::CitizenId, "32070619900101张000"),
        (FieldType::Uscc, "9132070000000000张4"),
        (FieldType::OrgCode, "0000000张9"),
        (FieldType::RegNo, "3207060000000张1"),
        (FieldType::TaxpayerId, "3207060000张0019"),
    ] {
        let characters = sent.chars().count();
        let expected = match kind {
            FieldType::CitizenId if characters == 18 => RejectCode::BadAlphabet,
            _ if matches!(characters, 9 | 15 | 18) => RejectCode::BadAlphabet,
            _ => RejectCode::BadLength,
        };
        assert_eq!(read_as(kind, sent), Err(expected), "{sent}");
    }
}

#[test]
fn a_taxpayers_number_holds_the_numbers_by_which_other_agencies_know_it() {
    use taxpayer_id::{citizen_id, org_code, uscc};
    let unit = "913207000000000004";
    assert_eq!(
        (uscc(unit), org_code(unit), citizen_id(unit)),
        (Some(unit), Some("000000000"), None)
    );
    assert_eq!(org_code("320706000000019"), Some("000000019"));
    assert_eq!(org_code("32070600000001901"), Some("000000019"));
    // A wrong organisation code, a person's number of 15 digits: no unit is known by them.
    assert_eq!(org_code("320706000000018"), None);
    assert_eq!(org_code("320706900101000"), None);
    let person = "32070619900101000001";
    assert_eq!((uscc(person), org_code(person)), (None, None));
    assert_eq!(citizen_id(person), Some("320706199001010000"));
    assert_eq!((uscc(""), org_code("张"), citizen_id("x")), (None, None, None));
    // A person's number with a day that is none is no number of a person.
    assert_eq!(
        read_as(FieldType::TaxpayerId, "320706199002290008"),
        Err(RejectCode::BadChecksum)
    );
    assert_eq!(super::uscc::org_code(unit), Some("000000000"));
}

#[test]
fn a_day_is_read_in_every_form_that_agencies_write() {
    let forms = [
        "20120109",
        "20120109235959",
        "2012-01-09",
        "2012-1-9",
        "2012/1/9",
        "2012.01.09",
        "2012-01-09 23:59:59",
        "2012-01-09 00:00:00.000000000",
        "2012-1-9 0:00:00",
        "2012-01-0900:00:00.0",
        "2012年1月9日",
        "2012年01月09日 8时30分",
        "２０１２－０１－０９",
        "2012-01-09T23:59:59+08:00",
        "2012-01-08T16:00:00Z",
        "1326038400000",
        "40917",
        "'20120109",
    ];
    for form in forms {
        assert_eq!(read_as(FieldType::Date, form), day_of(2012, 1, 9), "{form}");
    }
}

#[test]
fn open_ends_are_missing_and_half_dates_are_refused() {
    for open in [
        "99999999999999",
        "99991231",
        "9999-12-31",
        "9999-12-31 23:59:59",
        "长期",
        "00000000",
        "0000-00-00",
        "0",
        "",
        "　",
        "NULL",
        "-",
    ] {
        assert_eq!(read_as(FieldType::Date, open), Ok(None), "{open}");
        assert_eq!(read_as(FieldType::Instant, open), Ok(None), "{open}");
    }
    for half in ["2009年2月", "2009-02", "200902"] {
        for kind in [FieldType::Date, FieldType::Instant] {
            assert_eq!(read_as(kind, half), Err(RejectCode::ImpreciseDate), "{half}");
        }
        assert_eq!(read_as(FieldType::Month, half), kept("200902"), "{half}");
    }
    for year in ["2009", "2009年", "２００９年"] {
        for kind in [FieldType::Date, FieldType::Month, FieldType::Instant] {
            assert_eq!(read_as(kind, year), Err(RejectCode::ImpreciseDate), "{year}");
        }
    }
    assert_eq!(read_as(FieldType::Month, "20090215"), kept("200902"));
    for wrong in [
        "20090230",
        "19000229",
        "2009-13-01",
        "200913",
        "1799",
        "2200年",
        "1799-12",
        "-9999999999999",
        "9999999999999",
        "1799-12-31T12:00:00Z",
        "2199-12-31T16:00:00Z",
        "abc",
        "17000101",
        "2009-2-1-1",
        "1234567890",
        "2009-02-01 24:00",
        "二〇〇九年",
    ] {
        let refused = read_as(FieldType::Date, wrong);
        assert!(matches!(refused, Err(RejectCode::BadDate)), "{wrong}: {refused:?}");
    }
    assert_eq!(read_as(FieldType::Date, "20000229"), day_of(2000, 2, 29));
}

#[test]
fn the_month_of_a_moment_is_that_of_its_day_in_shanghai() {
    for sent in [
        "2025-10-31T16:00:00.000Z",
        "2025-11-01T00:00:00+08:00",
        "2025-11-30T15:59:59Z",
    ] {
        assert_eq!(read_as(FieldType::Month, sent), Ok(Some("202511".into())), "{sent}");
    }
}

#[test]
fn a_month_that_a_number_may_have_cut_is_refused() {
    for sent in ["2009.1", "２００９．１", " 2009.1 "] {
        assert_eq!(
            read_as(FieldType::Month, sent),
            Err(RejectCode::AmbiguousMonth),
            "{sent}"
        );
        assert_eq!(read_as(FieldType::Date, sent), Err(RejectCode::ImpreciseDate), "{sent}");
    }
    for (sent, month) in [
        ("2009.10", "200910"),
        ("2009.01", "200901"),
        ("2009.2", "200902"),
        ("2009-1", "200901"),
        ("2009年1月", "200901"),
        ("2009.1.2", "200901"),
    ] {
        assert_eq!(read_as(FieldType::Month, sent), kept(month), "{sent}");
    }
}

#[test]
fn what_has_happened_cannot_lie_in_the_future() {
    let past = |kind, sent| read_field(Field::new("field", "字段", kind, Class::C2).past(), sent);
    assert_eq!(past(FieldType::Date, "20260701"), day_of(2026, 7, 1));
    assert_eq!(past(FieldType::Date, "20260702"), Err(RejectCode::FutureDate));
    assert_eq!(read_as(FieldType::Date, "20360702"), day_of(2036, 7, 2));
    // Midnight of 1 July in Shanghai is still 30 June in Greenwich.
    assert!(past(FieldType::Instant, "2026-07-01 23:59:59").is_ok());
    assert_eq!(
        past(FieldType::Instant, "2026-07-02 00:00:00"),
        Err(RejectCode::FutureDate)
    );
}

#[test]
fn moments_are_shanghai_time_with_its_summers() {
    let at = |sent: &str| {
        read_as(FieldType::Instant, sent)
            .unwrap()
            .unwrap()
            .parse::<i64>()
            .unwrap()
    };
    assert_eq!(at("19700101080000"), 0);
    assert_eq!(at("1970-01-01T00:00:00Z"), 0);
    assert_eq!(at("1970-01-01 08:00:00.123456789"), 123_456);
    assert_eq!(at("19700101080000123"), 123_000);
    assert_eq!(at("2024-01-01 00:00:00"), 1_704_038_400_000_000);
    // 1988-05-05 00:00 was UTC+9: milliseconds of that midnight must not fall on 4 May.
    assert_eq!(at("1988-05-05"), 578_761_200_000_000);
    assert_eq!(read_as(FieldType::Date, "578761200000"), day_of(1988, 5, 5));
    assert_eq!(read_as(FieldType::Date, "-938592000000"), day_of(1940, 4, 5));
    assert_eq!(read_as(FieldType::Date, "-932886000000"), day_of(1940, 6, 10));
}

#[test]
fn regions_are_historical_and_reach_down_to_the_village() {
    use region::{Level, level, years};
    for code in [
        320_701, 320_702, 320_703, 320_704, 320_705, 320_706, 320_707, 320_721, 320_722, 320_723, 320_724,
    ] {
        assert_eq!(level(code), Level::County, "{code}");
    }
    let spans = [
        (320_701, (1983, None)),
        (320_702, (1983, Some(1986))),
        (320_703, (1983, None)),
        (320_704, (1983, Some(2001))),
        (320_705, (1986, Some(2014))),
        (320_706, (1986, None)),
        (320_707, (2014, None)),
        (320_721, (1983, Some(2014))),
        (320_722, (1983, None)),
        (320_723, (1983, None)),
        (320_724, (1996, None)),
        (320_822, (1983, Some(1996))),
        (322_127, (1980, Some(1983))),
        (322_128, (1980, Some(1983))),
        (322_222, (1980, Some(1983))),
    ];
    for (code, span) in spans {
        assert!(years(code).any(|years| years == span), "{code}");
    }
    assert!(region::in_force(320_721, 2014) && !region::in_force(320_721, 2015));
    assert!(region::in_force(320_707, 2014) && !region::in_force(320_707, 2013));
    assert!(!region::in_force(320_799, 2000));
    assert!(
        [320_771, 320_772, 810_000, 820_000, 830_000]
            .into_iter()
            .all(|code| level(code) == Level::County)
    );
    assert_eq!(level(320_799), Level::Prefecture);
    assert_eq!(level(329_999), Level::Province);
    assert_eq!(level(999_999), Level::Unknown);
    assert_eq!(level(u32::MAX), Level::Unknown);

    assert_eq!(read_as(FieldType::Region, "320706"), kept("320706"));
    assert_eq!(read_as(FieldType::Region, "320706000000"), kept("320706"));
    assert_eq!(read_as(FieldType::Region, "020706"), Err(RejectCode::UnknownRegion));
    assert_eq!(read_as(FieldType::Region, "3207"), Err(RejectCode::BadLength));
    assert_eq!(read_as(FieldType::Division(9), "320706001000"), kept("320706001"));
    assert_eq!(read_as(FieldType::Division(12), "320706001001"), kept("320706001001"));
    assert_eq!(
        read_as(FieldType::Division(12), "320706001"),
        Err(RejectCode::BadLength)
    );
}

#[test]
fn names_keep_what_came() {
    for name in [
        "张三",
        "阿卜杜拉·买买提",
        "阿卜杜拉•买买提",
        "\u{4DAE}\u{F8FF}",
        "O'Brien, J.",
        "㛃𬱖𫘦",
    ] {
        assert_eq!(read_as(FieldType::Name, name), kept(name));
    }
    assert_eq!(read_as(FieldType::Name, "　张三 "), kept("张三"));
    // 䶮 as a system on code page 936 sends it.
    assert_eq!(read_as(FieldType::Name, "张\u{E863}"), kept("张\u{4DAE}"));
    assert_eq!(read_as(FieldType::Text(9), "\u{E863}字\n路"), kept("\u{4DAE}字 路"));
    assert_eq!(read_as(FieldType::Name, "张三1"), Err(RejectCode::BadName));
    assert_eq!(read_as(FieldType::Name, "张３"), Err(RejectCode::BadName));
    assert_eq!(read_as(FieldType::Name, "张\u{FFFD}"), Err(RejectCode::BadName));
    assert_eq!(read_as(FieldType::Name, "张\t三"), Err(RejectCode::ControlCharacter));
    assert_eq!(read_as(FieldType::Name, "张\0三"), Err(RejectCode::NulCharacter));
    assert_eq!(read_as(FieldType::Name, &"张".repeat(50)), kept(&"张".repeat(50)));
    assert_eq!(read_as(FieldType::Name, &"张".repeat(51)), Err(RejectCode::TooLong));
}

#[test]
fn two_spellings_of_one_name_compare_equal_and_two_names_do_not() {
    let folded = name::folded("阿卜杜拉·买买提");
    for spelling in [
        "阿卜杜拉•买买提",
        "阿卜杜拉・买买提",
        "阿卜杜拉．买买提",
        "阿卜杜拉‧买买提",
        "阿卜杜拉.买买提",
        "阿卜杜拉･买买提",
        "阿卜杜拉 · 买买提",
        "阿卜杜拉·　买买提",
    ] {
        assert_eq!(name::folded(spelling), folded, "{spelling}");
    }
    assert_eq!(name::folded("Ｏ'Brien, J."), name::folded("o'brien,J."));
    assert_ne!(name::folded("阿卜杜拉买买提"), folded);
    assert_ne!(name::folded("张三"), name::folded("张叁"));
}

#[test]
fn placeholders_mean_nothing_except_where_a_table_holds_them() {
    for sent in [
        "", "  ", "无", "不详", "-", "--", "——", "null", "\"null\"", "NULL", "0", "\\N", "'",
    ] {
        assert_eq!(read_as(FieldType::Name, sent), Ok(None), "{sent}");
        assert_eq!(read_as(FieldType::CitizenId, sent), Ok(None), "{sent}");
        assert_eq!(read_as(FieldType::Phone, sent), Ok(None), "{sent}");
    }
    for sent in ["０", "－", "- -", "ｎｕｌｌ"] {
        assert_eq!(read_as(FieldType::DocumentNo(9), sent), Ok(None), "{sent}");
    }
    assert_eq!(read_as(FieldType::Code(&tables::SEX), "0"), kept("0"));
    assert_eq!(read_as(FieldType::Code(&tables::MILITARY_STATUS), "无"), kept("0"));
    assert_eq!(read_as(FieldType::Code(&tables::SEX), "无"), Ok(None));
    assert_eq!(read_as(FieldType::Integer(9), "0"), kept("0"));
    let mut scratch = Scratch::default();
    let field = Field::new("name", "姓名", FieldType::Name, Class::C2).required();
    assert_eq!(parse(&field, " 无 ", &mut scratch, TODAY), Err(RejectCode::Missing));
}

#[test]
fn phones_are_digits_or_nothing() {
    let kept_as = [
        ("13912345678", "13912345678"),
        ("+86 139-1234-5678", "13912345678"),
        ("8613912345678", "13912345678"),
        ("+8613912345678", "13912345678"),
        ("0518-85400000", "0518-85400000"),
        ("(0518)85400000", "0518-85400000"),
        ("051885400000", "051885400000"),
        ("0518-85400000-123", "0518-85400000-123"),
        ("１３９１２３４５６７８", "13912345678"),
    ];
    for (sent, expected) in kept_as {
        assert_eq!(read_as(FieldType::Phone, sent), kept(expected), "{sent}");
    }
    for sent in [
        "13800000000",
        "11111111111",
        "00000000000",
        ")0000000000",
        "(000)0000000",
    ] {
        assert_eq!(read_as(FieldType::Phone, sent), Ok(None));
    }
    for sent in [
        "12345678901",
        "85400000",
        "138123456789",
        "abc",
        "13912345678,13912345679",
    ] {
        assert_eq!(read_as(FieldType::Phone, sent), Err(RejectCode::BadPhone), "{sent}");
    }
}

#[test]
fn numbers_have_one_written_form() {
    let decimals = [
        ("100", "100.00"),
        ("0100.5", "100.50"),
        ("0", "0.00"),
        (".5", "0.50"),
        ("1.500", "1.50"),
        ("１２", "12.00"),
    ];
    for (sent, expected) in decimals {
        assert_eq!(read_as(FieldType::Decimal(2), sent), kept(expected), "{sent}");
    }
    for sent in [
        "-1",
        "1.234",
        "1,000",
        "1e3",
        "1.x",
        "12345678901234567",
        "1.2.3",
        "1 0",
    ] {
        assert_eq!(
            read_as(FieldType::Decimal(2), sent),
            Err(RejectCode::BadNumber),
            "{sent}"
        );
    }
    assert_eq!(read_as(FieldType::Decimal(0), "7.0"), kept("7"));
    assert_eq!(read_as(FieldType::Integer(99), "12.0"), kept("12"));
    for sent in ["100", "-1", "1.5", "99999999999999999999", ".0", "1.01"] {
        assert_eq!(
            read_as(FieldType::Integer(99), sent),
            Err(RejectCode::BadNumber),
            "{sent}"
        );
    }
}

#[test]
fn texts_are_one_line_without_tricks() {
    assert_eq!(
        read_as(FieldType::Text(20), " 海州区\r\n朝阳路 1 号\t"),
        kept("海州区 朝阳路 1 号")
    );
    assert_eq!(read_as(FieldType::Text(2), "海州区"), Err(RejectCode::TooLong));
    assert_eq!(read_as(FieldType::Text(3), "海州区"), kept("海州区"));
    for bad in ["海\u{1}州", "海\u{85}州", "海\u{202E}州", "海\u{7F}州"] {
        assert_eq!(read_as(FieldType::Text(20), bad), Err(RejectCode::ControlCharacter));
    }
    assert_eq!(
        named("birth_cert_no", FieldType::DocumentNo(10), "t000000001"),
        kept("T000000001")
    );
    assert_eq!(
        named("birth_cert_no", FieldType::DocumentNo(10), "0000000001"),
        Err(RejectCode::BadAlphabet)
    );
    assert_eq!(
        named("birth_cert_no", FieldType::DocumentNo(10), "T00000001"),
        Err(RejectCode::BadLength)
    );
    assert_eq!(read_as(FieldType::DocumentNo(5), "ＡＢ 12"), kept("AB12"));
    assert_eq!(read_as(FieldType::DocumentNo(5), "AB1234"), Err(RejectCode::TooLong));
    assert_eq!(read_as(FieldType::DocumentNo(5), "军字1"), Err(RejectCode::BadAlphabet));
}

#[test]
fn debug_output_shows_no_value() {
    let mut scratch = Scratch::default();
    let field = Field::new("name", "姓名", FieldType::Name, Class::C2);
    let value = parse(&field, "张三", &mut scratch, TODAY).unwrap();
    assert!(!format!("{value:?}").contains('张'));
    assert!(!format!("{:?}", Value::Integer(4711)).contains("4711"));
}

#[test]
fn a_disability_card_is_a_resident_id_with_kind_and_grade() {
    let card = |sent| named("disability_no", FieldType::DocumentNo(22), sent);
    assert_eq!(card("32070619900101000043"), kept("32070619900101000043"));
    assert_eq!(card("320706199001010000 43 b1"), kept("32070619900101000043B1"));
    assert_eq!(card("320706199001010000"), Err(RejectCode::BadLength));
    assert_eq!(card("320706199001010000432"), Err(RejectCode::BadLength));
    assert_eq!(card("32070619900101000143"), Err(RejectCode::BadChecksum));
    assert_eq!(
        card("32070619900101000083"),
        Err(RejectCode::BadAlphabet),
        "there are seven kinds"
    );
    assert_eq!(
        card("32070619900101000045"),
        Err(RejectCode::BadAlphabet),
        "and four grades"
    );
    assert_eq!(card("32070619900101000043X1"), Err(RejectCode::BadAlphabet));
    assert_eq!(card("3207061990010100004A"), Err(RejectCode::BadAlphabet));
}
